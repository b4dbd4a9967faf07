//! The scheduler of one block: regions for all threads while they agree, for ranges of threads when they do not.

use super::worker::{TrapRecord, Worker};
use super::{barrier, warp};
use shadow_mem::host::{CutKind, HostKernel, RegionFn, EXITED};

/// Why a block stopped early.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    /// A thread trapped.
    Trap(TrapRecord),
    /// Threads wait for each other at different places.
    Stuck {
        /// A thread that waits.
        thread: u32,
        /// Cut at which it waits.
        cut: usize,
        /// For whom.
        reason: String,
    },
}

/// A block on its way.
pub(super) struct BlockRun<'a> {
    pub k: &'a HostKernel,
    pub regions: &'a [RegionFn],
    pub w: &'a mut Worker,
    pub threads: usize,
    /// Threads that have passed `bar.arrive`, by barrier id.
    pub arrived: [Vec<usize>; 16],
}

/// Runs one block to its end.
///
/// # Safety
/// The regions belong to the kernel, the worker is set up for it, and its pointers are good for this launch.
pub(super) unsafe fn run_block(k: &HostKernel, regions: &[RegionFn], w: &mut Worker) -> Result<(), Fault> {
    let threads = w.ctx.threads as usize;
    let mut b = BlockRun { k, regions, w, threads, arrived: Default::default() };
    // The state of all threads while they agree.
    let mut all = Some(0);
    loop {
        match all {
            Some(EXITED) => return Ok(()),
            // SAFETY: as promised by the caller, here and below.
            Some(state) => all = unsafe { b.step_together(state) }?,
            None => {
                unsafe { b.step_apart() }?;
                all = b.agreed();
            }
        }
    }
}

impl BlockRun<'_> {
    /// All threads are in `state`; gives the next one, or `None` when they part.
    unsafe fn step_together(&mut self, state: u32) -> Result<Option<u32>, Fault> {
        let regions = self.k.regions.len();
        if (state as usize) < regions {
            // SAFETY: as promised to `run_block`.
            unsafe { self.run_region(state as usize, 0, self.threads) }?;
            return Ok(match self.k.regions[state as usize].exit {
                Some(s) => Some(s),
                None => self.agreed(),
            });
        }
        let cut = &self.k.cuts[state as usize - regions];
        let done = match cut.kind {
            CutKind::Barrier(kind) => barrier::together(self, cut, kind),
            CutKind::Warp(kind) => {
                warp::together(self, cut, kind);
                true
            }
        };
        if done {
            return Ok(Some(cut.resume));
        }
        self.w.next[..self.threads].fill(state);
        Ok(None)
    }

    /// Threads are in different states: runs whatever can run, then lets one round of waiting threads pass.
    unsafe fn step_apart(&mut self) -> Result<(), Fault> {
        let regions = self.k.regions.len() as u32;
        loop {
            let runnable = self.w.next[..self.threads].iter().filter(|&&s| s < regions);
            // The earliest place of the kernel first, so that threads meet again where they parted.
            let Some(&r) = runnable.min_by_key(|&&s| self.k.regions[s as usize].order) else { break };
            let mut first = 0;
            while let Some(skip) = self.w.next[first..self.threads].iter().position(|&s| s == r) {
                first += skip;
                let len = self.w.next[first..self.threads].iter().take_while(|&&s| s == r).count();
                // SAFETY: as promised to `run_block`.
                unsafe { self.run_region(r as usize, first, first + len) }?;
                if let Some(exit) = self.k.regions[r as usize].exit {
                    self.w.next[first..first + len].fill(exit);
                }
                first += len;
            }
        }
        if self.w.next[..self.threads].iter().all(|&s| s == EXITED) {
            return Ok(());
        }
        if warp::apart(self) || barrier::arrive(self) || barrier::apart(self)? {
            return Ok(());
        }
        Err(self.stuck())
    }

    /// The state that all threads share, if they do.
    fn agreed(&self) -> Option<u32> {
        let states = &self.w.next[..self.threads];
        let first = states[0];
        // Without an early exit this is a few vector instructions.
        let differ = states.iter().fold(0, |acc, &s| acc | (s ^ first));
        (differ == 0).then_some(first)
    }

    unsafe fn run_region(&mut self, region: usize, first: usize, last: usize) -> Result<(), Fault> {
        self.w.ctx.next = self.w.next.as_mut_ptr();
        // SAFETY: as promised to `run_block`; the context's memory has room for every thread of the block.
        unsafe { (self.regions[region])(&mut self.w.ctx, first as u32, last as u32) };
        match self.w.data.trap.take() {
            None => Ok(()),
            Some(t) => Err(Fault::Trap(t)),
        }
    }

    /// The cut at which a thread waits.
    pub fn cut_of(&self, thread: usize) -> Option<usize> {
        (self.w.next[thread] as usize)
            .checked_sub(self.k.regions.len())
            .filter(|_| self.w.next[thread] != EXITED)
    }

    /// Lets a thread go on behind a cut.
    pub fn resume(&mut self, thread: usize, cut: usize) {
        self.w.next[thread] = self.k.cuts[cut].resume;
    }

    /// Nobody can go on: says who waits where, and for whom.
    fn stuck(&self) -> Fault {
        let waiting = (0..self.threads).filter_map(|t| Some((t, self.cut_of(t)?)));
        let (thread, cut) =
            waiting.clone().min_by_key(|&(t, c)| (self.k.cuts[c].order, t)).expect("somebody waits");
        let here = waiting.clone().filter(|&(_, c)| c == cut).count();
        let live = waiting.clone().count();
        let reason = match waiting.clone().find(|&(_, c)| c != cut) {
            Some((t, c)) => format!(
                "{here} of {live} threads reached it; thread {t} of the block waits at {}",
                self.k.cuts[c].place
            ),
            None => format!(
                "{here} of {} threads reached it, the others have returned, and it names threads that are not among them",
                self.threads
            ),
        };
        Fault::Stuck { thread: thread as u32, cut, reason }
    }
}
