//! What comes before what: the knowledge that barriers, warp barriers, and fences with atomics hand from thread to thread.
//!
//! Barriers of the whole block and of a whole warp are counted ([`Access::phase`], [`Access::warp_phase`]). What meets in part
//! (barriers with a count, masks of some lanes, flags behind a fence) hands on a [`Known`]: until when the accesses of a thread,
//! a warp or a block are behind us. Shuffles, votes and their kin order nothing, as on the hardware. A fence is needed where data
//! is published; that the reader has one as well is not checked.

use super::exec::{Machine, Thread};
use super::race::{Access, When};
use crate::kernel::ScopeLevel;
use std::collections::HashMap;
use std::sync::Arc;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Key {
    /// A block, by its phases.
    Block(u32),
    /// A warp of a block, by its phases.
    Warp(u32, u32),
    /// A thread of the grid, by its clock.
    Thread(u64),
}

/// Until when (exclusive) the accesses of others lie behind.
#[derive(Clone, Default, Debug)]
pub(super) struct Known(HashMap<Key, u32>);

impl Known {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Knows what the other knows, too.
    pub fn join(&mut self, other: &Known) {
        for (&key, &until) in &other.0 {
            let mine = self.0.entry(key).or_default();
            *mine = until.max(*mine);
        }
    }

    /// True when an access with these coordinates lies behind.
    pub fn covers(&self, a: &When) -> bool {
        let until = |key| self.0.get(&key).copied().unwrap_or(0);
        until(Key::Block(a.block)) > a.phase
            || until(Key::Warp(a.block, a.warp)) > a.warp_phase
            || until(Key::Thread(a.thread)) > a.clock
    }
}

impl Access {
    /// Everything that the thread has done or knows, to be handed on. What it does from here is not part of it.
    fn release(&mut self) -> Known {
        let mut k = self.known.as_deref().cloned().unwrap_or_default();
        let at = &mut self.at;
        at.clock += 1;
        let own = [
            (Key::Block(at.block), at.phase),
            (Key::Warp(at.block, at.warp), at.warp_phase),
            (Key::Thread(at.thread), at.clock),
        ];
        k.join(&Known(own.into()));
        k
    }

    /// Everything in `k` lies behind the thread from here.
    fn acquire(&mut self, k: &Known) {
        if !k.is_empty() {
            Arc::make_mut(self.known.get_or_insert_default()).join(k);
        }
    }
}

/// What was published at an address by atomics behind fences.
#[derive(Clone, Default)]
pub(super) struct Released {
    /// For everyone.
    device: Known,
    /// For the threads of a block.
    block: HashMap<u32, Known>,
}

/// What a thread's last fences cover.
#[derive(Clone, Default)]
pub(super) struct Fenced {
    device: Option<Arc<Known>>,
    block: Option<Arc<Known>>,
}

impl Machine<'_> {
    /// Threads have met: all that each of them did comes before all that any of them does.
    /// `all` says that they are all of the block (or of the warp) that are left; `arrived` comes from threads that went on.
    pub(super) fn meet_in_order<'t>(
        &self,
        threads: impl Iterator<Item = &'t mut Thread>,
        whole: Option<Whole>,
        arrived: Option<&Known>,
    ) {
        let mut threads: Vec<&mut Thread> = threads.collect();
        let mut k = arrived.cloned().unwrap_or_default();
        if self.options.races {
            for t in &mut threads {
                match whole {
                    Some(_) => k.join(t.access.known.as_deref().unwrap_or(&Known::default())),
                    None => k.join(&t.access.release()),
                }
            }
        }
        for t in threads {
            match whole {
                Some(Whole::Block) => t.access.at.phase += 1,
                Some(Whole::Warp) => t.access.at.warp_phase += 1,
                None => {}
            }
            t.access.acquire(&k);
        }
    }

    /// A thread goes on from a barrier where others will wait for it.
    pub(super) fn arrive_in_order(&self, t: &mut Thread, at: &mut Known) {
        if self.options.races {
            at.join(&t.access.release());
        }
    }

    /// A fence that orders what came before it before the atomics that follow.
    pub(super) fn fence(&self, t: &mut Thread, level: ScopeLevel) {
        if !self.options.races || level < ScopeLevel::Block {
            return;
        }
        let k = Arc::new(t.access.release());
        t.fenced.block = Some(k.clone());
        if level >= ScopeLevel::Device {
            t.fenced.device = Some(k);
        }
    }

    /// An atomic read: what was published at the address lies behind.
    pub(super) fn observe(&mut self, t: &mut Thread, (id, at): (usize, usize)) {
        let Some(r) = self.memory.objects[id].races.as_ref().and_then(|r| r.released.get(&at)) else {
            return;
        };
        t.access.acquire(&r.device);
        if let Some(k) = r.block.get(&t.access.at.block) {
            t.access.acquire(k);
        }
    }

    /// An atomic write publishes what the fences before it cover, beside what was published there (`keep`) or instead.
    pub(super) fn publish(&mut self, t: &Thread, (id, at): (usize, usize), keep: bool) {
        let Some(races) = &mut self.memory.objects[id].races else { return };
        if t.fenced.block.is_none() && t.fenced.device.is_none() && !races.released.contains_key(&at) {
            return;
        }
        let r = races.released.entry(at).or_default();
        if !keep {
            *r = Released::default();
        }
        if let Some(k) = &t.fenced.device {
            r.device.join(k);
        }
        if let Some(k) = &t.fenced.block {
            r.block.entry(t.access.at.block).or_default().join(k);
        }
    }
}

/// Everyone who is left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Whole {
    Block,
    Warp,
}
