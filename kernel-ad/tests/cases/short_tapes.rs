//! Tapes that are too short, for cases whose tape can be: an error, whatever part of the threads had no room.

use super::modules::load_kernel;
use super::{crash, name, outcomes, sorted, tell};
use kernel_ad::case::{Case, Image};
use kernel_ad::check::place;
use kernel_ad::diag::{Code, Diagnostics};
use kernel_ad::emit::{emit, loadable};
use kernel_ad::grad;
use kernel_ad::jit::Device;
use shadow_mem::{Expr, Manifest};
use std::path::Path;

/// The same shadows but for the order of sums.
fn alike(a: &Image, b: &Image) -> bool {
    a.leaves.iter().zip(&b.leaves).filter(|(a, _)| a.active()).all(|(a, b)| {
        let (a, b) = (a.shadow.to_f64(), b.shadow.to_f64());
        let scale = b.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
        a.iter().zip(&b).all(|(x, y)| (x - y).abs() <= 1e-3 * scale || x.to_bits() == y.to_bits())
    })
}

/// Launches with less tape than the neediest thread wants. False when the size of the tape is certain, or nobody needs any.
fn launched(path: &Path) -> Result<bool, String> {
    crash::watch(tell);
    let case = Case::load(path).map_err(|e| e.to_string())?;
    let kernel = load_kernel(&case).map_err(|e| e.to_string())?;
    // Some derivatives are there in two kernels only; those never read what they have not written.
    let Ok(gradient) = grad::reverse(&kernel, &case.roles(), &Default::default()) else { return Ok(false) };
    if gradient.tape.is_none() || gradient.kernel.tape.as_ref().is_some_and(|t| t.bounded.is_some()) {
        return Ok(false);
    }
    let device = Device::cpu();
    let target = device.target().map_err(|e| e.to_string())?;
    let artifact = emit(&gradient, &target, loadable(&target)).map_err(|e| e.to_string())?;
    let launch = |manifest: &Manifest| {
        let loaded = device.load(&artifact.bytes, manifest)?;
        let mut image = Image::of(&case);
        let placed = place(&case, &image, loaded.program())?;
        // SAFETY: the extents are the buffers that were just placed, and the kernel stays inside them.
        let report = unsafe { loaded.launch_with(case.shape(), &placed.bindings) }?;
        placed.collect(loaded.program(), &mut image)?;
        Ok::<_, Diagnostics>((report.tape_per_thread, image))
    };
    let (need, full) = launch(&artifact.manifest).map_err(|e| e.to_string())?;
    let mut short = artifact.manifest;
    let tape = short.tape.as_mut().expect("a tape");
    let align = u64::from(tape.align);
    (tape.counter, tape.varies) = (None, false);
    for bytes in [need.saturating_sub(align), need / 2 / align * align, 0].into_iter().filter(|&n| n < need) {
        short.tape.as_mut().expect("a tape").bytes_per_thread = Some(Expr::Const(bytes as i64));
        match launch(&short) {
            Err(e) if e.0[0].code == Code::TapeOverflow => {}
            Err(e) => return Err(format!("{bytes} of {need} bytes: {e}")),
            // The formula says what is enough; and from a queue, another thread may have taken the work this time.
            Ok((_, image)) if bytes > 0 && alike(&image, &full) => {}
            Ok(_) => return Err(format!("{bytes} of {need} bytes: no error, and another gradient")),
        }
    }
    Ok(need > 0)
}

// Catches a thread that goes back over records that were never written (it would use what it finds there as addresses), threads that wait
// for ever for one that has ended, and a gradient that is wrong without a word.
#[test]
fn a_tape_that_is_too_short_is_an_error_everywhere() {
    // Every third: each is compiled once more for this.
    let some: Vec<_> = sorted().0.into_iter().step_by(3).collect();
    let o = outcomes(&some, |path| crash::during(&name(path), || launched(path)));
    assert!(o.wrong.is_empty(), "{}", o.wrong.join("\n"));
    let tried = o.good.iter().filter(|tried| **tried).count();
    assert!(tried >= 15, "only {tried} kernels were tried");
}
