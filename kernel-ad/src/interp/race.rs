//! Races: two threads touch the same byte, one of them writes, not both atomically, and no barrier lies between.
//!
//! Every byte remembers its last writer and two of its readers. Accesses of one block are ordered by its barriers, those
//! of one warp also by warp operations that synchronise; those of different blocks are never ordered.

use super::Fault;
use crate::diag::Code;

/// Who makes an access.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Access {
    /// Number of the thread in the grid.
    pub thread: u64,
    pub block: u32,
    /// Warp in the block.
    pub warp: u32,
    /// Barriers that the thread has passed.
    pub phase: u32,
    /// Synchronising warp operations that the thread has passed.
    pub warp_phase: u32,
    /// Volatile accesses count as atomic: they are used to wait for each other.
    pub atomic: bool,
    pub check_unwritten: bool,
}

#[derive(Clone, Copy, Default)]
struct Mark {
    by: Option<Access>,
}

impl Mark {
    /// The other thread, when the new access is not ordered behind this one.
    fn conflict(&self, by: &Access) -> Option<Access> {
        let m = self.by?;
        let ordered = m.thread == by.thread
            || (m.block == by.block && m.phase != by.phase)
            || (m.block == by.block && m.warp == by.warp && m.warp_phase != by.warp_phase);
        (!ordered && !(m.atomic && by.atomic)).then_some(m)
    }
}

#[derive(Clone, Copy, Default)]
struct Cell {
    writer: Mark,
    readers: [Mark; 2],
}

/// Bytes per page of cells.
const PAGE: usize = 1024;

/// History of the accesses to an object.
#[derive(Default)]
pub(super) struct Races {
    pages: Vec<Option<Box<[Cell; PAGE]>>>,
}

/// A race, before the object's name is known.
pub(super) struct Race {
    at: usize,
    wrote: bool,
    other_wrote: bool,
    other: Access,
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
    }

    fn cell(&mut self, at: usize) -> &mut Cell {
        let page = at / PAGE;
        if self.pages.len() <= page {
            self.pages.resize_with(page + 1, || None);
        }
        let cells = self.pages[page].get_or_insert_with(|| Box::new([Cell::default(); PAGE]));
        &mut cells[at % PAGE]
    }

    pub fn read(&mut self, at: usize, len: usize, by: &Access) -> Result<(), Race> {
        for at in at..at + len {
            let cell = self.cell(at);
            if let Some(other) = cell.writer.conflict(by) {
                return Err(Race { at, wrote: false, other_wrote: true, other });
            }
            let [first, second] = &mut cell.readers;
            let same = |m: &Mark| m.by.is_none_or(|r| r.thread == by.thread);
            let mark = Mark { by: Some(*by) };
            if same(first) {
                *first = mark;
            } else {
                *second = mark;
            }
        }
        Ok(())
    }

    pub fn write(&mut self, at: usize, len: usize, by: &Access) -> Result<(), Race> {
        for at in at..at + len {
            let cell = self.cell(at);
            if let Some(other) = cell.writer.conflict(by) {
                return Err(Race { at, wrote: true, other_wrote: true, other });
            }
            for r in &cell.readers {
                if let Some(other) = r.conflict(by) {
                    return Err(Race { at, wrote: true, other_wrote: false, other });
                }
            }
            cell.writer = Mark { by: Some(*by) };
        }
        Ok(())
    }
}
