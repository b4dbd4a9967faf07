//! A launch: arguments checked and laid out, blocks spread over workers, errors gathered.

use super::block::{run_block, Fault};
use super::module::Code;
use super::private::Private;
use super::worker::Worker;
use super::{Inner, Output, MAX_SHARED_BYTES, MAX_THREADS_PER_BLOCK};
use crate::crash;
use crate::device::LaunchReport;
use crate::{Error, Result};
use shadow_mem::host::RegionFn;
use shadow_mem::{check_launch, Arg, Launch, Manifest, Purpose, TapeLayout};
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Mutex;
use std::time::Instant;

/// Checks, launches, waits.
///
/// # Safety
/// As [`crate::Function::launch`].
pub(super) unsafe fn launch(
    device: &Inner,
    code: &Code,
    launch: &Launch,
    args: &[Arg],
) -> Result<LaunchReport> {
    check_launch(&code.manifest, launch, args)?;
    check_limits(code, launch)?;
    let start = Instant::now();
    let blocks = launch.blocks() as u64;
    let workers = (device.workers as u64).min(blocks) as u32;
    let params = parameter_area(code, args);
    let private = Private::plan(code, args, launch, workers, device.options.private_budget, &device.copies);
    let regions = match (&code.private, &private) {
        (Some(p), Some(_)) => p,
        _ => &code.regions,
    };
    let job = Job {
        code,
        launch,
        regions,
        blocks,
        // Several blocks at a time, so that the counter is not what the workers fight over.
        chunk: (blocks / (u64::from(workers) * 16)).clamp(1, 1024),
        taken: AtomicU64::new(0),
        failed: AtomicU64::new(u64::MAX),
        fault: Mutex::new(None),
        output: Mutex::new(Vec::new()),
    };
    let private_bytes = private.as_ref().map_or(0, Private::bytes);
    let run = |id: u32| -> Result<()> {
        let mut worker = Worker::new(code, launch, &params, id, workers)?;
        place_tape(code, &mut worker, args, launch);
        if let Some(p) = &private {
            p.redirect(code, &mut worker);
        }
        crash::in_kernel(&code.kernel.symbol, || job.run(&mut worker));
        Ok(())
    };
    match &device.pool {
        Some(pool) if workers > 1 => {
            let results = Mutex::new(Ok(()));
            pool.scope(|s| {
                for id in 0..workers {
                    let (run, results) = (&run, &results);
                    s.spawn(move |_| {
                        if let Err(e) = run(id) {
                            *results.lock().unwrap_or_else(|p| p.into_inner()) = Err(e);
                        }
                    });
                }
            });
            results.into_inner().unwrap_or_else(|p| p.into_inner())?;
            if let Some(p) = private {
                pool.install(|| p.sum());
                p.give_back(&device.copies);
            }
        }
        _ => run(0)?,
    }
    job.finish(device)?;
    Ok(LaunchReport { time: start.elapsed(), private_bytes })
}

fn check_limits(code: &Code, launch: &Launch) -> Result<()> {
    let too_large = |what: &str, limit: u64, got: u128| {
        Err(Error::TooLarge { kernel: code.kernel.symbol.clone(), what: what.into(), limit, got })
    };
    let threads = launch.threads_per_block();
    if threads > MAX_THREADS_PER_BLOCK.into() {
        return too_large("threads per block", MAX_THREADS_PER_BLOCK.into(), threads);
    }
    // Generated code takes for granted that global thread indices are not negative as i32.
    for (axis, (g, b)) in ["x", "y", "z"].iter().zip(launch.grid.iter().zip(launch.block)) {
        let along = u128::from(*g) * u128::from(b);
        if along > i32::MAX as u128 {
            return too_large(&format!("threads along {axis}"), i32::MAX as u64, along);
        }
    }
    if launch.blocks() > u128::from(u64::MAX >> 16) {
        return too_large("blocks", u64::MAX >> 16, launch.blocks());
    }
    let shared = u128::from(code.kernel.dynamic_offset) + u128::from(launch.shared);
    if shared > MAX_SHARED_BYTES.into() {
        return too_large("bytes of shared memory per block", MAX_SHARED_BYTES, shared);
    }
    Ok(())
}

fn parameter_area(code: &Code, args: &[Arg]) -> Vec<u8> {
    let mut area = vec![0; code.kernel.param_bytes as usize];
    for (arg, &offset) in args.iter().zip(&code.kernel.param_offsets) {
        let bytes = arg.to_bytes();
        area[offset as usize..offset as usize + bytes.len()].copy_from_slice(&bytes);
    }
    area
}

fn find(m: &Manifest, p: impl Fn(&Purpose) -> bool) -> Option<usize> {
    m.params.iter().position(|s| p(&s.purpose))
}

/// With a reused tape every worker has a part of its own: its base pointer is moved there.
fn place_tape(code: &Code, worker: &mut Worker, args: &[Arg], launch: &Launch) {
    let m = &code.manifest;
    if m.tape.as_ref().is_none_or(|t| t.layout != TapeLayout::Reused) {
        return;
    }
    let base = find(m, |p| matches!(p, Purpose::TapeBase));
    let capacity = find(m, |p| matches!(p, Purpose::TapeCapacity));
    let (Some(base), Some(capacity)) = (base, capacity) else { return };
    let (Arg::Pointer(e), Some(each)) = (&args[base], args[capacity].as_int()) else { return };
    let parts = code.kernel.tapes_at_once(launch.threads_per_block() as u64);
    let mine = (each as u64).wrapping_mul(parts).wrapping_mul(worker.ctx.worker_id.into());
    let address = e.address.wrapping_add(mine);
    worker.set_param(code.kernel.param_offsets[base], &address.to_le_bytes());
}

/// What the workers of a launch share.
struct Job<'a> {
    code: &'a Code,
    launch: &'a Launch,
    regions: &'a [RegionFn],
    blocks: u64,
    chunk: u64,
    taken: AtomicU64,
    /// Lowest block that failed.
    failed: AtomicU64,
    fault: Mutex<Option<(u64, Fault)>>,
    output: Mutex<Vec<(u64, Vec<u8>)>>,
}

impl Job<'_> {
    fn run(&self, w: &mut Worker) {
        let threads = self.launch.threads_per_block() as u64;
        let reused = self.code.manifest.tape.as_ref().is_some_and(|t| t.layout == TapeLayout::Reused);
        loop {
            let first = self.taken.fetch_add(self.chunk, Ordering::Relaxed);
            if first >= self.blocks {
                return;
            }
            for block in first..(first + self.chunk).min(self.blocks) {
                // The lowest failing block is reported, so the blocks below it must still run.
                if block > self.failed.load(Ordering::Relaxed) {
                    return;
                }
                w.enter(block);
                crash::enter_block(w.ctx.block_id);
                w.ctx.tape_first = if reused { 0 } else { block * threads };
                // SAFETY: the launch was checked, and the caller answers for the kernel's accesses.
                let result = unsafe { run_block(&self.code.kernel, self.regions, w) };
                if !w.data.output.is_empty() {
                    self.output
                        .lock()
                        .unwrap_or_else(|p| p.into_inner())
                        .push((block, std::mem::take(&mut w.data.output)));
                }
                if let Err(fault) = result {
                    self.failed.fetch_min(block, Ordering::Relaxed);
                    let mut held = self.fault.lock().unwrap_or_else(|p| p.into_inner());
                    if held.as_ref().is_none_or(|(b, _)| block < *b) {
                        *held = Some((block, fault));
                    }
                }
            }
        }
    }

    /// Output in block order, then the error of the lowest block.
    fn finish(self, device: &Inner) -> Result<()> {
        let fault = self.fault.into_inner().unwrap_or_else(|p| p.into_inner());
        let mut output = self.output.into_inner().unwrap_or_else(|p| p.into_inner());
        output.sort_by_key(|(b, _)| *b);
        let last = fault.as_ref().map_or(u64::MAX, |(b, _)| *b);
        let text: Vec<u8> =
            output.into_iter().filter(|(b, _)| *b <= last).flat_map(|(_, text)| text).collect();
        print(&device.options.output, &text)?;
        match fault {
            None => Ok(()),
            Some((block, fault)) => Err(describe(self.code, self.launch, block, fault)),
        }
    }
}

fn print(to: &Output, text: &[u8]) -> Result<()> {
    match to {
        _ if text.is_empty() => Ok(()),
        Output::Stdout => std::io::stdout()
            .lock()
            .write_all(text)
            .map_err(|e| Error::Driver { call: "printf".into(), reason: e.to_string() }),
        Output::Buffer(b) => {
            b.lock().unwrap_or_else(|p| p.into_inner()).extend(text);
            Ok(())
        }
    }
}

fn describe(code: &Code, launch: &Launch, block: u64, fault: Fault) -> Error {
    let split = |i: u64, [x, y, _]: [u32; 3]| {
        let (x, y) = (u64::from(x), u64::from(y));
        [(i % x) as u32, (i / x % y) as u32, (i / x / y) as u32]
    };
    let kernel = code.kernel.symbol.clone();
    let block = split(block, launch.grid);
    match fault {
        Fault::Trap(t) => Error::Trap {
            kernel,
            block,
            thread: split(t.thread.into(), launch.block),
            place: code
                .kernel
                .sites
                .get(t.site as usize)
                .cloned()
                .unwrap_or_else(|| "an unknown place".into()),
            message: t.message,
        },
        Fault::Stuck { thread, cut, reason } => Error::DivergentBarrier {
            kernel,
            block,
            thread: split(thread.into(), launch.block),
            place: code.kernel.cuts[cut].place.clone(),
            reason,
        },
    }
}
