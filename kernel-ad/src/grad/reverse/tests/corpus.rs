//! Kernels of the case files and random ones: every gradient verifies, under every policy.

use super::{policies, reverse};
use crate::case::Case;
use crate::check;
use crate::diag::Diagnostics;
use crate::gen::{generate, GenOptions};
use crate::grad::split;
use crate::kernel::{print, verify, Kernel};
use crate::plan::PlanOptions;
use crate::read;
use std::path::Path;

/// Catches kernels that real compilers make and that reverse mode cannot hold.
#[test]
fn every_case_has_a_gradient() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut failed = Vec::new();
    let mut seen = 0;
    let mut modules = std::collections::HashMap::new();
    for entry in std::fs::read_dir(folder).expect("the folder of cases") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|e| e != "toml") {
            continue;
        }
        seen += 1;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().to_string();
        let case = Case::load(&path).unwrap_or_else(|e| panic!("{name}: {e}"));
        // Many cases share a source: compile each once.
        let module = modules
            .entry(case.module.clone())
            .or_insert_with(|| read::load(&case.module, &read::ReadOptions::default()));
        let kernel = module.clone().and_then(|m| m.kernel(&case.kernel));
        let kernel = kernel.unwrap_or_else(|e| panic!("{name}: {e}"));
        let mut wanted = true;
        for options in policies() {
            match reverse(&kernel, &case.roles(), &options) {
                Ok(g) => {
                    verify(&g.kernel)
                        .unwrap_or_else(|e| panic!("{name} {options:?}: {e}\n{}", print(&g.kernel)));
                    if let Some(c) = &g.counter {
                        verify(&c.kernel)
                            .unwrap_or_else(|e| panic!("{name} {options:?}: {e}\n{}", print(&c.kernel)));
                    }
                    if std::env::var_os("KAD_PRINT").is_some_and(|w| w == *name) && wanted {
                        println!("{}\n{}", print(&kernel), print(&g.kernel));
                    }
                    if wanted {
                        println!(
                            "{name}: {:?} tape {:?} counter {}",
                            g.stats,
                            g.tape.as_ref().map(|t| &t.bytes_per_thread),
                            g.counter.is_some()
                        );
                    }
                    wanted = false;
                    match failures(&case, &kernel, &options) {
                        Ok(f) if f.is_empty() => {}
                        Ok(f) => failed.push(format!("{name} {options:?}: {f:#?}")),
                        Err(e) => failed.push(format!("{name} {options:?}: {e}")),
                    }
                }
                Err(e) => failed.push(format!("{name} {options:?}: {e}")),
            }
        }
    }
    assert!(seen >= 25, "only {seen} cases");
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// The whole ladder by the interpreter; the findings that failed.
fn failures(case: &Case, primal: &Kernel, options: &PlanOptions) -> Result<Vec<String>, Diagnostics> {
    let reverse = reverse(primal, &case.roles(), options)?;
    let forward = Err("not asked for".to_string());
    let split = Ok(split(primal, &case.roles(), options)?);
    let subject = check::Subject { case: case.clone(), primal: primal.clone(), reverse, forward, split };
    let few = check::Options { directions: 2, ..Default::default() };
    let report = check::with_engines(None, |e| check::ladder(&subject, e, &few, "none", &mut |_| {}))?;
    Ok(report.failed().into_iter().map(|f| format!("{f}: {:?}", report.finding(f))).collect())
}

/// Catches whatever is wrong with the gradient of a kernel that nobody thought of.
#[test]
fn random_kernels_pass_the_ladder() {
    let number =
        |name: &str, default| std::env::var(name).ok().and_then(|s| s.parse().ok()).unwrap_or(default);
    let first: u64 = number("KAD_FIRST_SEED", 0);
    let policies = policies();
    for seed in first..first + number("KAD_SEEDS", 30) {
        let g = generate(seed, &GenOptions::default());
        let options = &policies[seed as usize % policies.len()];
        match failures(&g.case, &g.kernel, options) {
            Ok(f) if f.is_empty() => {}
            Ok(f) => panic!("seed {seed} {options:?}: {f:#?}\n{}", print(&g.kernel)),
            Err(e) => panic!("seed {seed} {options:?}: {e}\n{}", print(&g.kernel)),
        }
    }
}
