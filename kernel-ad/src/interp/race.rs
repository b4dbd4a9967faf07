//! Races: two threads touch the same byte, one of them writes, not both atomically for each other, and nothing orders them.
//!
//! Every byte remembers two of its writers and two of its readers. What orders accesses, [`super::order`] says.

use super::order::{Known, Released};
use super::Fault;
use crate::diag::Code;
use crate::kernel::ScopeLevel;
use std::collections::HashMap;
use std::sync::Arc;

/// Who makes an access, and when.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct When {
    /// Number of the thread in the grid.
    pub thread: u64,
    pub block: u32,
    /// Warp in the block.
    pub warp: u32,
    /// Barriers of the whole block that the thread has passed.
    pub phase: u32,
    /// Barriers of its whole warp that the thread has passed.
    pub warp_phase: u32,
    /// How often the thread has told others what it did.
    pub clock: u32,
    /// Scope of an atomic access. Volatile accesses count as atomic: they are used to wait for each other.
    pub atomic: Option<ScopeLevel>,
}

/// An access with what is known to its thread.
#[derive(Clone, Default, Debug)]
pub(super) struct Access {
    pub at: When,
    pub check_unwritten: bool,
    /// What lies behind the thread beyond its own phases.
    pub known: Option<Arc<Known>>,
}

impl Access {
    /// The same, as an atomic access; plain without a scope.
    pub fn with_scope(&self, atomic: Option<ScopeLevel>) -> Access {
        Access { at: When { atomic, ..self.at }, ..self.clone() }
    }

    /// True when the other access came before this one for certain.
    fn follows(&self, m: &When) -> bool {
        let (at, same_block) = (&self.at, m.block == self.at.block);
        m.thread == at.thread
            || (same_block && m.phase < at.phase)
            || (same_block && m.warp == at.warp && m.warp_phase < at.warp_phase)
            || self.known.as_ref().is_some_and(|k| k.covers(m))
    }

    /// True when both accesses are atomic, each for the other.
    fn atomic_with(&self, m: &When) -> bool {
        let needed = match () {
            _ if m.block != self.at.block => ScopeLevel::Device,
            _ if m.warp != self.at.warp => ScopeLevel::Block,
            _ => ScopeLevel::Warp,
        };
        [self.at.atomic, m.atomic].iter().all(|a| a.is_some_and(|s| s >= needed))
    }
}

/// Two accesses of a kind to a byte: the first that nothing later stands for, and the last.
#[derive(Clone, Copy, Default)]
struct Marks([Option<When>; 2]);

impl Marks {
    /// An access that the new one is not ordered behind.
    fn conflict(&self, by: &Access) -> Option<When> {
        self.0.iter().flatten().find(|m| !by.follows(m) && !by.atomic_with(m)).copied()
    }

    fn add(&mut self, by: &Access) {
        // What conflicts with the one conflicts with the other as well, unless it is atomic and the new one alone is, too.
        let stands_for = |m: &When| by.follows(m) && (m.atomic.is_some() || by.at.atomic.is_none());
        let i = usize::from(self.0[0].as_ref().is_some_and(|m| !stands_for(m)));
        self.0[i] = Some(by.at);
    }
}

#[derive(Clone, Copy, Default)]
struct Cell {
    writers: Marks,
    readers: Marks,
}

/// Bytes per page of cells.
const PAGE: usize = 1024;

/// History of the accesses to an object.
#[derive(Default)]
pub(super) struct Races {
    pages: Vec<Option<Box<[Cell]>>>,
    /// What atomics have published, by offset.
    pub released: HashMap<usize, Released>,
}

/// A race, before the object's name is known.
pub(super) struct Race {
    at: usize,
    wrote: bool,
    other_wrote: bool,
    other: When,
}

impl Race {
    pub fn of(self, name: &str) -> Fault {
        let verb = |wrote| if wrote { "writes" } else { "reads" };
        let o = self.other;
        Fault::new(
            Code::Sanitizer,
            format!(
                "race on byte {} of `{name}`: this thread {} what thread {} of the grid (block {}) {} without a barrier between",
                self.at,
                verb(self.wrote),
                o.thread,
                o.block,
                verb(self.other_wrote),
            ),
        )
    }
}

impl Races {
    pub fn clear(&mut self) {
        self.pages.clear();
        self.released.clear();
    }

    fn cell(&mut self, at: usize) -> &mut Cell {
        let page = at / PAGE;
        if self.pages.len() <= page {
            self.pages.resize_with(page + 1, || None);
        }
        let cells = self.pages[page].get_or_insert_with(|| vec![Cell::default(); PAGE].into());
        &mut cells[at % PAGE]
    }

    pub fn read(&mut self, at: usize, len: usize, by: &Access) -> Result<(), Race> {
        for at in at..at + len {
            let cell = self.cell(at);
            if let Some(other) = cell.writers.conflict(by) {
                return Err(Race { at, wrote: false, other_wrote: true, other });
            }
            cell.readers.add(by);
        }
        Ok(())
    }

    pub fn write(&mut self, at: usize, len: usize, by: &Access) -> Result<(), Race> {
        for at in at..at + len {
            let cell = self.cell(at);
            if let Some(other) = cell.writers.conflict(by) {
                return Err(Race { at, wrote: true, other_wrote: true, other });
            }
            if let Some(other) = cell.readers.conflict(by) {
                return Err(Race { at, wrote: true, other_wrote: false, other });
            }
            cell.writers.add(by);
        }
        Ok(())
    }
}
