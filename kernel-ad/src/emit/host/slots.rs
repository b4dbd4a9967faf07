//! Where values lie between regions: one array over the block's threads for each.

use crate::kernel::{Kernel, Lane, Type, Value};
use shadow_mem::host::CutArg;
use std::collections::{BTreeMap, BTreeSet};

/// A slot: `size` bytes for each thread at `offset` (times the number of threads).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Slot {
    pub offset: u64,
    pub size: u32,
}

impl Slot {
    pub fn arg(self) -> CutArg {
        CutArg::Slot { offset: self.offset, size: self.size }
    }
}

/// All slots of a kernel.
#[derive(Debug, Default)]
pub(super) struct Slots {
    of: BTreeMap<Value, Slot>,
    /// For operands of cuts, by position and size: a thread waits at one cut at a time.
    operands: BTreeMap<(usize, u32), Slot>,
    /// Bytes per thread.
    pub bytes: u64,
}

/// Bytes of a slot for a type: a power of two.
pub(super) fn slot_size(k: &Kernel, ty: Type) -> u32 {
    k.bytes(stored_type(ty)).max(1).next_power_of_two() as u32
}

impl Slots {
    /// Slots for these values, and for cut operands of these positions and sizes. The largest come first, so that
    /// every array is aligned to its elements.
    pub fn new(k: &Kernel, values: &BTreeSet<Value>, operands: &BTreeSet<(usize, u32)>) -> Slots {
        enum For {
            Value(Value),
            Operand(usize),
        }
        let mut wanted: Vec<(u32, For)> = values
            .iter()
            .map(|&v| (slot_size(k, k.ty(v)), For::Value(v)))
            .chain(operands.iter().map(|&(i, size)| (size, For::Operand(i))))
            .collect();
        wanted.sort_by_key(|(size, _)| std::cmp::Reverse(*size));
        let mut slots = Slots::default();
        for (size, what) in wanted {
            let slot = Slot { offset: slots.bytes, size };
            match what {
                For::Value(v) => drop(slots.of.insert(v, slot)),
                For::Operand(i) => drop(slots.operands.insert((i, size), slot)),
            }
            slots.bytes += u64::from(size);
        }
        slots
    }

    pub fn of(&self, v: Value) -> Option<Slot> {
        self.of.get(&v).copied()
    }

    pub fn operand(&self, index: usize, size: u32) -> Slot {
        self.operands[&(index, size)]
    }
}

/// The type in which a value stands in its slot: bits as bytes, so that LLVM can make vectors of them.
pub(super) fn stored_type(ty: Type) -> Type {
    match ty {
        Type::Int(1) => Type::I8,
        Type::Vec(Lane::Int(1), n) => Type::Vec(Lane::Int(8), n),
        t => t,
    }
}
