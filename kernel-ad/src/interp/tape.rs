//! Tapes of threads, with the type of every entry.

use super::{Fault, Slot};
use crate::diag::Code;
use crate::kernel::Type;
use smallvec::SmallVec;
use std::collections::BTreeMap;

struct Entry {
    ty: Type,
    bytes: u64,
    value: SmallVec<[Slot; 1]>,
}

/// What one thread has written, by offset.
#[derive(Default)]
pub(super) struct Tape {
    entries: BTreeMap<u64, Entry>,
}

impl Tape {
    /// Writes an entry; those that it overlaps are gone.
    pub fn store(&mut self, at: u64, bytes: u64, ty: Type, value: &[Slot]) {
        if let Some(e) = self.entries.get_mut(&at).filter(|e| e.bytes == bytes) {
            e.ty = ty;
            e.value.clear();
            e.value.extend_from_slice(value);
            return;
        }
        while let Some((&o, e)) = self.entries.range(..at + bytes).next_back() {
            if o + e.bytes <= at {
                break;
            }
            self.entries.remove(&o);
        }
        self.entries.insert(at, Entry { ty, bytes, value: SmallVec::from_slice(value) });
    }

    /// Reads an entry that was written with the same type.
    pub fn load(&self, at: u64, ty: Type, into: &mut [Slot]) -> Result<(), Fault> {
        let message = match self.entries.get(&at) {
            Some(e) if e.ty == ty => {
                into.copy_from_slice(&e.value);
                return Ok(());
            }
            Some(e) => format!("read of tape offset {at} as {ty:?}, written as {:?}", e.ty),
            None => format!("read of tape offset {at}, where no value of the tape begins"),
        };
        Err(Fault::new(Code::Sanitizer, message))
    }
}
