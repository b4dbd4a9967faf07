//! Modules that were read, by file, architecture and what is said of their functions: most cases share one with others, and clang is slow.

use kernel_ad::case::Case;
use kernel_ad::check;
use kernel_ad::diag::Diagnostics;
use kernel_ad::kernel::Kernel;
use kernel_ad::read::{ModuleSource, ReadOptions};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};

type Modules = HashMap<(PathBuf, Option<String>, String), Arc<OnceLock<Result<ModuleSource, Diagnostics>>>>;

/// The kernel of a case.
pub fn load_kernel(case: &Case) -> Result<Kernel, Diagnostics> {
    load(case, ReadOptions::default())
}

/// The kernel of a case, its source compiled for that processor.
#[allow(dead_code)]
pub fn load_kernel_for(case: &Case, arch: &str) -> Result<Kernel, Diagnostics> {
    let mut options = ReadOptions::default();
    options.compile.arch = Some(arch.into());
    load(case, options)
}

fn load(case: &Case, options: ReadOptions) -> Result<Kernel, Diagnostics> {
    static READ: OnceLock<Mutex<Modules>> = OnceLock::new();
    let arch = options.compile.arch.clone().or(case.arch.clone());
    let key = (case.module.clone(), arch, format!("{:?}", case.functions));
    let slot = READ.get_or_init(Default::default).lock().unwrap().entry(key).or_default().clone();
    let module = slot.get_or_init(|| check::load_module(case, &options));
    check::kernel_of(case, module.as_ref().map_err(Clone::clone)?)
}
