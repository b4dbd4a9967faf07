//! Accounting: how many bytes are held, for what, and how many at most.

use std::fmt;
use std::sync::{Arc, Mutex};

/// What memory is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Use {
    /// Contents of the primal program.
    Primal,
    /// Derivatives of them.
    Shadow,
    /// Tapes, with their status words.
    Tape,
    /// Snapshots and other scratch.
    Scratch,
}

/// Bytes held.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Bytes {
    /// Primal buffers.
    pub primal: u64,
    /// Shadows.
    pub shadow: u64,
    /// Tapes.
    pub tape: u64,
    /// Scratch.
    pub scratch: u64,
    /// Most bytes held at one time, all uses together.
    pub peak: u64,
}

impl Bytes {
    /// Bytes held now, all uses together.
    pub fn total(&self) -> u64 {
        self.primal + self.shadow + self.tape + self.scratch
    }

    fn of(&mut self, what: Use) -> &mut u64 {
        match what {
            Use::Primal => &mut self.primal,
            Use::Shadow => &mut self.shadow,
            Use::Tape => &mut self.tape,
            Use::Scratch => &mut self.scratch,
        }
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Bytes { primal, shadow, tape, scratch, peak } = self;
        write!(f, "primal {primal} B, shadow {shadow} B, tape {tape} B, scratch {scratch} B, peak {peak} B")
    }
}

/// The account of one device; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Ledger(Arc<Mutex<Bytes>>);

impl Ledger {
    /// Bytes held now, and the peak.
    pub fn bytes(&self) -> Bytes {
        *self.lock()
    }

    /// Books bytes for as long as the returned charge lives.
    pub fn charge(&self, what: Use, bytes: u64) -> Charge {
        let mut held = self.lock();
        *held.of(what) += bytes;
        held.peak = held.peak.max(held.total());
        Charge { ledger: self.clone(), what, bytes }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Bytes> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Bytes booked in a [`Ledger`]; dropping it gives them back.
#[derive(Debug)]
pub struct Charge {
    ledger: Ledger,
    what: Use,
    bytes: u64,
}

impl Drop for Charge {
    fn drop(&mut self) {
        *self.ledger.lock().of(self.what) -= self.bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches: bytes that are not given back, and a peak that forgets.
    #[test]
    fn charges_come_and_go() {
        let ledger = Ledger::default();
        let a = ledger.charge(Use::Primal, 100);
        let b = ledger.charge(Use::Tape, 50);
        drop(a);
        let c = ledger.charge(Use::Shadow, 30);
        assert_eq!(ledger.bytes(), Bytes { primal: 0, shadow: 30, tape: 50, scratch: 0, peak: 150 });
        drop((b, c));
        assert_eq!(ledger.bytes().total(), 0);
        assert_eq!(ledger.bytes().peak, 150);
    }
}
