//! A case on a device whose kernels do nothing: everything before, between and after launches happens as it will.

use super::engine::{Engine, Program, SplitProgram};
use super::oracles::Subject;
use super::report::Finding;
use super::spoil::spoil;
use crate::case::Image;
use crate::diag::{Code, Result};

/// Compiles, loads and launches all programs of a subject. What they leave is not looked at, beyond the guard words.
pub fn rehearse(subject: &Subject, device: &dyn Engine) -> Result<Vec<Finding>> {
    let case = &subject.case;
    let mut out = Vec::new();
    let mut one = |name: &'static str, program: Program| {
        let ran = device.run(&program, case, &mut Image::of(case));
        out.push(verdict(name, ran.map(|_| ())));
    };
    one("primal: launched", Program::primal(&subject.primal, &case.roles())?);
    one("gradient: launched", Program::gradient(&subject.reverse));
    if let Ok(g) = &subject.forward {
        one("tangent: launched", Program::gradient(g));
    }
    if let Ok(s) = &subject.split {
        let split = SplitProgram::new(s);
        let meanwhile = |image: &mut Image| spoil(&split.gradient, image);
        let ran = device.run_split(&split, case, &mut Image::of(case), &meanwhile);
        out.push(verdict("split: launched", ran.map(|_| ())));
    }
    Ok(out)
}

fn verdict(name: &'static str, ran: Result<()>) -> Finding {
    match ran {
        Ok(()) => Finding::of(name, true, ""),
        // The driver that does nothing has little memory.
        Err(e) if e.0.iter().any(|d| d.code == Code::OutOfMemory) => {
            Finding::skipped(name, super::oracles::brief(&e))
        }
        Err(e) => Finding::of(name, false, super::oracles::brief(&e)),
    }
}
