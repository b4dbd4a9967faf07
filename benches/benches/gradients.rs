//! `cargo bench -p kernel-ad-benches`: every program of every case by itself.
#![allow(missing_docs)] // of what criterion's macros make

use criterion::{criterion_group, criterion_main, Criterion};
use kernel_ad::jit::Device;
use kernel_ad_benches::{cases, Case, Result};
use std::time::Duration;

type Program = fn(&mut dyn Case) -> Result<Duration>;

const PROGRAMS: [(&str, Program); 4] = [
    ("primal", |c| Ok(c.primal()?.kernel)),
    ("gradient", |c| c.gradient().map(|r| r.kernel + r.count)),
    ("c-primal", |c| c.c_primal()),
    ("c-gradient", |c| c.c_gradient()),
];

fn gradients(c: &mut Criterion) {
    for case in &mut cases(&Device::cpu()).expect("the examples compile") {
        let mut group = c.benchmark_group(case.name());
        group.sample_size(20).measurement_time(Duration::from_secs(3));
        for (name, program) in PROGRAMS {
            // Only the kernel's own time counts: seeding and clearing happen between.
            group.bench_function(name, |b| {
                b.iter_custom(|n| (0..n).map(|_| program(case.as_mut()).expect("it launches")).sum())
            });
        }
        group.finish();
    }
}

criterion_group!(benches, gradients);
criterion_main!(benches);
