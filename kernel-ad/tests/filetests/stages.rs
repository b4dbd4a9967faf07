//! What each stage says of a kernel, in lines.

use crate::header::{Header, Outcome};
use kernel_ad::case::Image;
use kernel_ad::cfg::Cfg;
use kernel_ad::check::{self, with_engines, Engine, Interpreter, Program, Verdict};
use kernel_ad::diag::Diagnostics;
use kernel_ad::emit::{emit, Format, Target};
use kernel_ad::facts::{Activity, Provenance};
use kernel_ad::grad::{self, Roles};
use kernel_ad::jit::Device;
use kernel_ad::kernel::{parse, print, verify, Arch, Kernel, Printer};
use kernel_ad::{canon, idiom, read, retype};

/// The stage that is called `test`, on a file's text. An error means that the file itself, or a rule that every file keeps, is broken.
pub fn stage(test: &str, h: &Header, text: &str, llvm: bool) -> Outcome<Vec<String>> {
    let k = match (kernel(text, llvm), test) {
        (Err(e), "parse" | "read") => return Ok(errors(&e)),
        (Err(e), _) => return Err(format!("does not parse: {e}")),
        (Ok(_), "parse") => return Ok(vec!["ok".into()]),
        (Ok(k), _) => k,
    };
    let verified = verify(&k);
    if test == "verify" {
        return Ok(verified.map_or_else(|e| errors(&e), |()| vec!["ok".into()]));
    }
    verified.map_err(|e| format!("does not verify: {e}"))?;
    let roles = || match h.roles.len() == k.params.len() {
        true => Ok(Roles::of(&h.roles)),
        false => Err(format!("{} roles for {} parameters", h.roles.len(), k.params.len())),
    };
    match test {
        "print" | "read" => Ok(lines(&k)),
        "interp" => interpreted(&k, h),
        "device" => on_device(&k, h),
        "emitted" => emitted(&k, h),
        "activity" => Ok(activity(&k, &roles()?)),
        "retype" => rewritten(&k, h, retyped(&k, &roles()?)),
        "idiom" => rewritten(&k, h, idiom::recognise(&k)),
        "own" => {
            let mut new = retyped(&k, &roles()?);
            idiom::claim(&mut new, &roles()?);
            rewritten(&k, h, new)
        }
        "settle" => {
            let mut new = retyped(&k, &roles()?);
            idiom::settle(&mut new, &roles()?);
            rewritten(&k, h, new)
        }
        "drain" => {
            let mut new = k.clone();
            match canon::drain(&mut new) {
                Err(e) => Ok(errors(&e)),
                Ok(_) => rewritten(&k, h, new),
            }
        }
        "gradient" => match grad::reverse(&k, &roles()?, &Default::default()) {
            Err(e) => Ok(errors(&e)),
            Ok(g) => generated(&g.kernel),
        },
        "tangent" => match grad::tangent(&k, &roles()?) {
            Err(e) => Ok(errors(&e)),
            Ok(g) => generated(&g.kernel),
        },
        "split" => match grad::split(&k, &roles()?, &Default::default()) {
            Err(e) => Ok(errors(&e)),
            Ok(s) => {
                let mut out = generated(&s.augmented.kernel)?;
                out.extend(generated(&s.reverse.kernel)?);
                Ok(out)
            }
        },
        "check" => ladder(&k, h),
        other => Err(format!("unknown test `{other}`")),
    }
}

/// Kernel IR; or the only kernel of an LLVM module.
fn kernel(text: &str, llvm: bool) -> Result<Kernel, Diagnostics> {
    if !llvm {
        return parse(text);
    }
    let module = read::read_module(text.as_bytes(), "module.ll")?;
    module.kernel(&module.kernels()[0].name)
}

fn lines(k: &Kernel) -> Vec<String> {
    print(k).lines().map(String::from).collect()
}

fn errors(e: &Diagnostics) -> Vec<String> {
    e.to_string().lines().map(String::from).collect()
}

fn generated(k: &Kernel) -> Outcome<Vec<String>> {
    verify(k).map_err(|e| format!("the gradient does not verify: {e}"))?;
    Ok(lines(k))
}

fn retyped(k: &Kernel, roles: &Roles) -> Kernel {
    let mut new = idiom::recognise(k);
    retype::retype(&mut new, roles);
    new
}

/// A kernel that must do what the given one does: with a launch, it is run.
fn rewritten(given: &Kernel, h: &Header, new: Kernel) -> Outcome<Vec<String>> {
    verify(&new).map_err(|e| format!("the new kernel does not verify: {e}"))?;
    if h.has_launch() {
        let (before, after) = (interpreted(given, h)?, interpreted(&new, h)?);
        if before != after {
            return Err(format!("gave {before:?}, and gives {after:?}\n{}", print(&new)));
        }
    }
    match print(&new) == print(given) {
        true => Ok(vec!["as it was".into()]),
        false => Ok(lines(&new)),
    }
}

/// Every instruction with a result, and why it is active where it is.
fn activity(k: &Kernel, roles: &Roles) -> Vec<String> {
    let cfg = Cfg::new(k);
    let prov = Provenance::new(k, &cfg, roles);
    let activity = Activity::new(k, &cfg, &prov, roles);
    let printer = Printer::new(k);
    let mut out = Vec::new();
    for (_, i) in k.iter_insts() {
        let Some(r) = k.insts[i].result.filter(|&r| k.ty(r).is_float()) else { continue };
        let what = if activity.is_active(k, r) { "active" } else { "inactive" };
        out.push(format!("{what}: {}", printer.bare_inst(i)));
    }
    out
}

fn interpreted(k: &Kernel, h: &Header) -> Outcome<Vec<String>> {
    let (case, options) = (h.case(k)?, h.options()?);
    let mut image = Image::of(&case);
    if options.wide {
        image = image.widened();
    }
    let ran = Program::primal(k, &case.roles()).and_then(|p| Interpreter(options).run(&p, &case, &mut image));
    Ok(ran.map_or_else(|e| errors(&e), |_| contents(&image)))
}

/// The launch on the CPU device, compiled: what `interp` gives of the interpreter.
fn on_device(k: &Kernel, h: &Header) -> Outcome<Vec<String>> {
    let case = h.case(k)?;
    let mut image = Image::of(&case);
    let ran = Program::primal(k, &case.roles()).and_then(|p| {
        with_engines(Some(&Device::cpu()), |e| e.device.clone().expect("the CPU").run(&p, &case, &mut image))
    });
    Ok(ran.map_or_else(|e| errors(&e), |_| contents(&image)))
}

/// What the interpreter makes of the LLVM module that is emitted for a GPU and read again: emission and reading share no code.
fn emitted(k: &Kernel, h: &Header) -> Outcome<Vec<String>> {
    let target = if k.source.arch == Arch::Nvptx { "nvptx:sm_80" } else { "amdgpu:gfx90a" };
    let target = Target::parse(target).map_err(|e| e.to_string())?;
    let module = match emit(k, &target, Format::Llvm) {
        Err(e) => return Ok(errors(&e)),
        Ok(a) => a.bytes,
    };
    let read = || read::read_module(&module, "emitted.ll")?.kernel(&k.name);
    let again = read().map_err(|e| format!("{e}\n{}", String::from_utf8_lossy(&module)))?;
    let (before, after) = (interpreted(k, h)?, interpreted(&again, h)?);
    match before == after {
        true => Ok(vec!["as interpreted".into()]),
        false => Err(format!("gives {after:?}, not {before:?}\n{}", print(&again))),
    }
}

fn contents(image: &Image) -> Vec<String> {
    let leaves = image.leaves.iter().filter(|l| l.is_memory());
    let shown = leaves.map(|l| {
        let one = |x: f64| if l.ty.is_float() { format!("{x:?}") } else { format!("{x}") };
        let all: Vec<String> = l.data.to_f64().into_iter().map(one).collect();
        format!("{} = {}", l.path, all.join(" "))
    });
    shown.collect()
}

/// The gradient before all oracles. One that fails is no expectation.
fn ladder(k: &Kernel, h: &Header) -> Outcome<Vec<String>> {
    let case = h.case(k)?;
    if !case.roles().params.iter().any(|r| r.role != shadow_mem::Role::Const) {
        return Err("nothing is differentiated".into());
    }
    let subject = match check::subject_of(&case, k.clone()) {
        Err(e) => return Ok(errors(&e)),
        Ok(s) => s,
    };
    let report = with_engines(Some(&Device::cpu()), |e| {
        check::ladder(&subject, e, &Default::default(), "cpu", &mut |_| ())
    });
    let report = report.map_err(|e| format!("{e}"))?;
    if !report.passed() {
        let rows: Vec<String> = report.rows().iter().map(|r| format!("    {}", r.join("  "))).collect();
        return Err(rows.join("\n"));
    }
    let of = |v: Verdict| report.findings.iter().filter(move |f| f.verdict == v);
    let mut out = vec![format!(
        "{} oracles pass, {} of {} directions meet a kink",
        of(Verdict::Pass).count(),
        report.kinks,
        report.directions
    )];
    out.extend(of(Verdict::Skipped).map(|f| format!("skipped: {}: {}", f.oracle, f.detail)));
    Ok(out)
}
