//! A GPU beside the CPU device: the comparison of the two, with a device that errs.

use super::folder;
use kernel_ad::case::{Case, Data, Image};
use kernel_ad::check::{self, Compiled, Engine, Engines, Options, Program, RunInfo, SplitProgram, Verdict};
use kernel_ad::diag::Result;
use kernel_ad::jit::Device;
use kernel_ad::read::ReadOptions;

/// The CPU device, whose results are off by a part of themselves in one element.
struct Erring {
    device: Compiled,
    by: f64,
    shadows: bool,
}

impl Engine for Erring {
    fn run(&self, program: &Program, case: &Case, image: &mut Image) -> Result<RunInfo> {
        let info = self.device.run(program, case, image)?;
        let mine = |d: &mut Data| {
            let mut all = d.to_f64();
            all[3] *= 1.0 + self.by;
            *d = Data::from_f64(d.ty, all);
        };
        let leaf = image.leaves.iter_mut().find(|l| l.path == "y").expect("the case has y");
        match (self.shadows, program.gradient.is_some()) {
            (true, true) => mine(&mut image.leaves.iter_mut().find(|l| l.path == "x").expect("and x").shadow),
            (false, false) => mine(&mut leaf.data),
            _ => {}
        }
        Ok(info)
    }

    fn run_split(
        &self,
        program: &SplitProgram,
        case: &Case,
        image: &mut Image,
        meanwhile: &dyn Fn(&mut Image),
    ) -> Result<RunInfo> {
        self.device.run_split(program, case, image, meanwhile)
    }
}

/// The verdicts on primal and gradient.
fn verdicts(by: f64, shadows: bool, max_steps: u64) -> [Verdict; 2] {
    let case = Case::load(&folder().join("saxpy.toml")).unwrap();
    let subject = check::subject(&case, &ReadOptions::default()).unwrap();
    let device = Erring { device: Compiled::new(&Device::cpu()), by, shadows };
    let cpu = Compiled::new(&Device::cpu());
    let options = Options { max_steps, ..Options::default() };
    let report = check::with_limited_engines(None, max_steps, |e| {
        let engines = Engines {
            narrow: e.narrow,
            sanitizer: e.sanitizer,
            wide: e.wide,
            device: Ok(&device),
            peer: Some(&cpu),
        };
        check::ladder(&subject, &engines, &options, "erring", &mut |_| ())
    });
    let report = report.unwrap();
    ["primal: device = CPU device", "gradient: device = CPU device"]
        .map(|oracle| report.finding(oracle).unwrap_or_else(|| panic!("{oracle} did not run")).verdict)
}

// Catches a GPU whose errors pass because the CPU device is not asked, or because too much is allowed; at any size of the launch.
#[test]
fn a_device_that_errs_differs_from_the_cpu_device() {
    use Verdict::{Fail, Pass};
    for max_steps in [2_000_000_000, 1000] {
        assert_eq!(verdicts(0.0, false, max_steps), [Pass, Pass]);
        assert_eq!(verdicts(1e-3, false, max_steps), [Fail, Pass]);
        assert_eq!(verdicts(1e-3, true, max_steps), [Pass, Fail]);
    }
    // A few roundings are no error.
    assert_eq!(verdicts(3e-7, true, 2_000_000_000), [Pass, Pass]);
}
