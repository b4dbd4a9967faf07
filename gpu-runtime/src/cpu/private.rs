//! Private copies of shadow buffers: every worker adds into its own, without atomics, and the copies are summed.

use super::module::Code;
use super::worker::Worker;
use half::{bf16, f16};
use rayon::prelude::*;
use shadow_mem::{Arg, DeviceBlock, DeviceMemory, ElemType, Extent, HostBlock, HostMemory, Launch};
use std::sync::Mutex;

/// Copies of earlier launches, all zero: clearing fresh memory of that size takes longer than many a launch.
#[derive(Debug, Default)]
pub(super) struct Pool(Mutex<Vec<HostBlock>>);

impl Pool {
    /// The smallest block that is large enough, or a new one.
    fn take(&self, bytes: u64) -> Option<HostBlock> {
        let mut held = self.0.lock().unwrap_or_else(|p| p.into_inner());
        let fits = held.iter().enumerate().filter(|(_, b)| b.bytes() >= bytes && b.bytes() / 2 <= bytes);
        match fits.min_by_key(|(_, b)| b.bytes()).map(|(i, _)| i) {
            Some(i) => Some(held.swap_remove(i)),
            None => {
                drop(held);
                HostMemory.allocate(bytes, 64).ok()
            }
        }
    }
}

/// How the parameters that a kernel only adds into are given to the workers.
pub(super) struct Private {
    buffers: Vec<Copies>,
}

struct Copies {
    param: usize,
    elem: ElemType,
    target: Extent,
    /// For worker 1 and up; worker 0 adds into the buffer itself.
    copies: Vec<HostBlock>,
}

// SAFETY: workers ask only for the addresses of the copies; each writes into its own.
unsafe impl Sync for Private {}

impl Private {
    /// Copies for every worker but the first, or `None` when atomics are the better choice: no variant without them,
    /// no memory within the budget, or much more shadow than threads.
    pub fn plan(
        code: &Code,
        args: &[Arg],
        launch: &Launch,
        workers: u32,
        budget: u64,
        pool: &Pool,
    ) -> Option<Private> {
        code.private.as_ref()?;
        let mut buffers = Vec::new();
        let mut total = 0u128;
        for (param, (p, a)) in code.manifest.params.iter().zip(args).enumerate() {
            let (Some(elem), Arg::Pointer(target)) = (p.accumulate_only, a) else { continue };
            total += u128::from(target.bytes.next_multiple_of(64)) * u128::from(workers - 1);
            buffers.push(Copies { param, elem, target: *target, copies: Vec::new() });
        }
        let threads = u128::from(launch.threads().unwrap_or(u64::MAX));
        if total > u128::from(budget) || total > threads.saturating_mul(4096) {
            return None;
        }
        for b in &mut buffers {
            for _ in 1..workers {
                b.copies.push(pool.take(b.target.bytes)?);
            }
        }
        Some(Private { buffers })
    }

    /// Hands the copies on to the next launch. They must have been summed, which clears them.
    pub fn give_back(self, pool: &Pool) {
        let mut held = pool.0.lock().unwrap_or_else(|p| p.into_inner());
        // What is still there was not wanted by this launch: keep no more than one launch uses.
        held.clear();
        held.extend(self.buffers.into_iter().flat_map(|b| b.copies));
    }

    /// Bytes of all copies.
    pub fn bytes(&self) -> u64 {
        self.buffers.iter().flat_map(|b| &b.copies).map(|c| c.bytes()).sum()
    }

    /// Points a worker's parameters to its copies.
    pub fn redirect(&self, code: &Code, worker: &mut Worker) {
        let id = worker.ctx.worker_id as usize;
        for b in &self.buffers {
            if let Some(copy) = id.checked_sub(1).and_then(|i| b.copies.get(i)) {
                worker.set_param(code.kernel.param_offsets[b.param], &copy.address().to_le_bytes());
            }
        }
    }

    /// Adds the copies to the buffers, and clears them.
    pub fn sum(&self) {
        for b in &self.buffers {
            let (elem, b) = (b.elem, b.parts());
            match elem {
                ElemType::F16 => b.sum_as::<f16>(|a, x| f16::from_f32(a.to_f32() + x.to_f32())),
                ElemType::Bf16 => b.sum_as::<bf16>(|a, x| bf16::from_f32(a.to_f32() + x.to_f32())),
                ElemType::F32 => b.sum_as::<f32>(|a, x| a + x),
                ElemType::F64 => b.sum_as::<f64>(|a, x| a + x),
                ElemType::I8 => b.sum_as::<i8>(i8::wrapping_add),
                ElemType::I16 => b.sum_as::<i16>(i16::wrapping_add),
                ElemType::I32 => b.sum_as::<i32>(i32::wrapping_add),
                ElemType::I64 => b.sum_as::<i64>(i64::wrapping_add),
            }
        }
    }
}

impl Copies {
    fn parts(&self) -> Parts {
        Parts { target: self.target, copies: self.copies.iter().map(|c| c.address()).collect() }
    }
}

/// Addresses of a buffer and of its copies.
struct Parts {
    target: Extent,
    copies: Vec<u64>,
}

impl Parts {
    fn sum_as<T: Copy + Default + PartialEq + Send + Sync>(&self, add: fn(T, T) -> T) {
        let len = self.target.bytes as usize / size_of::<T>();
        if len == 0 || self.copies.is_empty() {
            return;
        }
        // SAFETY: the launch is over, so nothing else touches the buffer or the copies; the launcher checked that the
        // buffer is aligned to its elements and apart from every other.
        let (into, copies) = unsafe {
            let into = std::slice::from_raw_parts_mut(self.target.address as *mut T, len);
            let copies: Vec<&mut [T]> =
                self.copies.iter().map(|&c| std::slice::from_raw_parts_mut(c as *mut T, len)).collect();
            (into, copies)
        };
        const CHUNK: usize = 1 << 12;
        for copy in copies {
            into.par_chunks_mut(CHUNK).zip(copy.par_chunks_mut(CHUNK)).for_each(|(into, part)| {
                // A worker takes neighbouring blocks, which mostly add into one part of the buffer.
                if part.iter().all(|x| *x == T::default()) {
                    return;
                }
                for (a, x) in into.iter_mut().zip(part) {
                    *a = add(*a, std::mem::take(x));
                }
            });
        }
    }
}
