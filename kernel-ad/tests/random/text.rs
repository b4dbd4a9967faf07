//! Properties of kernels as they are: text, verifier, interpreter, emission.

use super::*;
use kernel_ad::case::Image;
use kernel_ad::check::{with_engines, Engine, Interpreter, Program};
use kernel_ad::diag::Code;
use kernel_ad::emit::{emit, Format, Target};
use kernel_ad::interp::{Options, Order};
use kernel_ad::jit::Device;
use kernel_ad::kernel::{parse, verify, Kernel, Type};

fn run(g: &Generated, kernel: &Kernel, options: Options) -> Result<Image, String> {
    let program = Program::primal(kernel, &g.case.roles()).map_err(|e| e.to_string())?;
    let mut image = Image::of(&g.case);
    Interpreter(options).run(&program, &g.case, &mut image).map_err(|e| e.to_string())?;
    Ok(image)
}

/// Leaves that differ in some bit.
fn differing(a: &Image, b: &Image) -> Vec<String> {
    let pairs = a.leaves.iter().zip(&b.leaves);
    pairs.filter(|(a, b)| a.data.bytes != b.data.bytes).map(|(a, _)| a.path.clone()).collect()
}

/// Catches text that does not hold everything that execution depends on.
#[test]
fn text_holds_everything() {
    for_seeds(100, &GenOptions::default(), |g| {
        verify(&g.kernel).map_err(|e| format!("does not verify: {e}"))?;
        let text = print(&g.kernel);
        let again = parse(&text).map_err(|e| format!("does not parse: {e}"))?;
        verify(&again).map_err(|e| format!("does not verify after parsing: {e}"))?;
        if print(&again) != text {
            return Err("prints differently after parsing".into());
        }
        let d = differing(&run(g, &g.kernel, Options::default())?, &run(g, &again, Options::default())?);
        if d.is_empty() {
            Ok(())
        } else {
            Err(format!("computes differently after parsing: {d:?}"))
        }
    });
}

/// Catches races and unwritten reads in generated kernels, and an interpreter whose result depends on anything but its input.
#[test]
fn order_of_threads_does_not_matter() {
    for_seeds(60, &GenOptions { atomics: false, ..GenOptions::default() }, |g| {
        let want = run(g, &g.kernel, Options::sanitize())?;
        for order in [Order::Forward, Order::Backward, Order::Shuffled(g.kernel.insts.len() as u64)] {
            let d = differing(&run(g, &g.kernel, Options { order, ..Options::default() })?, &want);
            if !d.is_empty() {
                return Err(format!("threads in order {order:?} give another result: {d:?}"));
            }
        }
        Ok(())
    });
}

/// As above, for what threads do together. Atomic additions come in another order, so they are left out.
#[test]
fn order_of_threads_does_not_matter_together() {
    for o in together() {
        let options = GenOptions { atomics: false, compaction: false, ..o };
        for_seeds(40, &options, |g| {
            let want = run(g, &g.kernel, Options::sanitize())?;
            for order in [Order::Backward, Order::Shuffled(g.kernel.insts.len() as u64)] {
                let d = differing(&run(g, &g.kernel, Options { order, ..Options::sanitize() })?, &want);
                if !d.is_empty() {
                    return Err(format!("threads in order {order:?} give another result: {d:?}"));
                }
            }
            Ok(())
        });
    }
}

/// Catches differences between compiled code and the interpreter in what threads do together: barriers, shared memory, warp
/// operations, copies, vectors, halves.
#[test]
fn compiled_primals_agree() {
    let device = Device::cpu();
    for o in together() {
        for_seeds(6, &o, |g| {
            let want = run(g, &g.kernel, Options::sanitize())?;
            let program = Program::primal(&g.kernel, &g.case.roles()).map_err(|e| e.to_string())?;
            let (mut got, mut wide) = (Image::of(&g.case), Image::of(&g.case).widened());
            with_engines(Some(&device), |e| {
                e.device.clone().expect("the CPU").run(&program, &g.case, &mut got)?;
                e.wide.run(&program, &g.case, &mut wide)
            })
            .map_err(|e| e.to_string())?;
            close(g, &got, &want, &wide)
        });
    }
}

/// Compiled code may contract and round otherwise: a few hundred roundings, or a tenth of what narrow and wide differ by.
fn close(g: &Generated, got: &Image, want: &Image, wide: &Image) -> Verdict {
    let eps = if g.float == Type::F64 { 1e-11 } else { 2e-4 };
    for ((a, b), w) in
        got.leaves.iter().zip(&want.leaves).zip(&wide.leaves).filter(|((a, _), _)| a.is_memory())
    {
        let all = a.data.to_f64().into_iter().zip(b.data.to_f64()).zip(w.data.to_f64());
        for (i, ((x, y), w)) in all.enumerate() {
            let both_nan = x.is_nan() && y.is_nan();
            let limit = eps * (1.0 + y.abs()) + 4.0 * (y - w).abs();
            if !both_nan && !((x - y).abs() <= limit) {
                return Err(format!(
                    "{}[{i}] is {x} on the device, and {y} in the interpreter, {w} wide",
                    a.path
                ));
            }
        }
    }
    Ok(())
}

/// Catches a wide run that computes something else: it must agree with the narrow one to about f32's precision.
#[test]
fn wide_runs_are_close() {
    for_seeds(60, &smooth(), |g| {
        let (narrow, wide) = (run(g, &g.kernel, Options::default())?, run(g, &g.kernel, Options::wide())?);
        for (a, b) in narrow.leaves.iter().zip(&wide.leaves).filter(|(a, _)| a.ty.is_float() && a.is_memory())
        {
            for (i, (x, y)) in a.data.to_f64().into_iter().zip(b.data.to_f64()).enumerate() {
                let both_nan = x.is_nan() && y.is_nan();
                if !both_nan && !((x - y).abs() <= 2e-3 * (1.0 + y.abs())) {
                    return Err(format!("{}[{i}] is {x}, and {y} in doubles", a.path));
                }
            }
        }
        Ok(())
    });
}

/// Catches IR that the emitter cannot write, or writes so that LLVM rejects it.
#[test]
fn emission_verifies() {
    let target = |name| Target::parse(name).expect("a known target");
    let (host, gpu) = (target("host"), target("nvptx:sm_80"));
    let skipped = std::cell::Cell::new(0);
    for_seeds(4, &GenOptions::default(), |g| {
        emit(&g.kernel, &host, Format::Llvm).map_err(|e| format!("does not emit for the host: {e}"))?;
        match emit(&g.kernel, &gpu, Format::Llvm) {
            Err(e) if e.0.iter().all(|d| d.code == Code::ToolMissing) => skipped.set(skipped.get() + 1),
            Err(e) => return Err(format!("does not emit for a GPU: {e}")),
            Ok(_) => {}
        }
        Ok(())
    });
    if skipped.get() > 0 {
        eprintln!("skipped: {} kernels for a GPU, since libdevice was not found", skipped.get());
    }
}
