//! Neighbouring threads as lanes of vectors: a kernel whose one thread does the work of `width` threads.
//!
//! The CPU device runs threads in a loop, and LLVM vectorises inner loops only: a kernel with a loop of its own would
//! run one thread after the other. Here the threads `t, t + 1, .. t + width - 1` along x become the lanes of vectors.
//!
//! * [`shape`] tells which values are the same in all lanes (*uniform*), which differ by a constant step, and which vary.
//!   Uniform code stays scalar, neighbouring addresses become one vector access, adding into a uniform address becomes a
//!   sum over the lanes and one add.
//! * All lanes take the same way through the kernel. Where their conditions disagree, or where there is an operation that cannot be
//!   done in lanes, they *part*: from there on a scalar copy of the rest of the kernel runs lane by lane ([`part`]).
//!
//! That lanes run in step is what GPUs do; a kernel whose result depends on it was not well defined before.
//!
//! In the result `ThreadId(0)` is the index of the first lane; the caller runs it for `t = 0, width, 2 * width, ..` and
//! the rest of a row with the original kernel. The tape of the lanes is interleaved: `size` bytes of lane `l` at offset `off`
//! of a thread's tape lie at `off * width + l * size`, so that base and capacity are those of `width` threads together.

mod emit;
mod part;
mod prepare;
mod shape;

pub use shape::{Shape, Shapes};

use crate::cfg::{Cfg, DomTree, LoopForest};
use crate::kernel::{verify, Kernel, MathFn, Op, Special};

/// The kernel for `width` threads at a time; `None` when it has operations that tie threads together, or when lanes would
/// gain nothing.
pub fn widen(k: &Kernel, width: u16) -> Option<Kernel> {
    // Functions of libm are called lane by lane: vectors around them gain nothing.
    let calls = |(_, i)| matches!(&k.insts[i].op, Op::Math { func, .. } if !in_vectors(*func));
    if k.iter_insts().any(calls) {
        return None;
    }
    widen_any(k, width)
}

/// The same, functions of libm included.
fn widen_any(k: &Kernel, width: u16) -> Option<Kernel> {
    if width < 2 || !fits(k) {
        return None;
    }
    let prepared = prepare::prepare(k);
    let wide = emit::emit(&prepared, width)?;
    match verify(&wide) {
        Ok(()) => Some(wide),
        Err(e) => {
            tracing::error!("widened kernel does not verify, running it thread by thread: {e}");
            debug_assert!(false, "widened kernel does not verify: {e}");
            None
        }
    }
}

/// No operation looks at the threads beside its own, and the hot code can be done in lanes.
fn fits(k: &Kernel) -> bool {
    let alone = k.iter_insts().all(|(_, i)| match &k.insts[i].op {
        Op::Barrier { .. } | Op::Warp { .. } | Op::Asm { .. } => false,
        // They name the thread, and end it.
        Op::Call { .. } | Op::Trap | Op::Unreachable => false,
        Op::Special(s) => {
            !matches!(s, Special::LaneId | Special::WarpId | Special::LaneMask(_) | Special::Clock)
        }
        _ => true,
    });
    if !alone {
        return false;
    }
    let cfg = Cfg::new(k);
    let dom = DomTree::new(k, &cfg);
    let Ok(loops) = LoopForest::new(k, &cfg, &dom) else { return false };
    // A loop that parts its lanes in every turn runs thread by thread anyway.
    let hot = |b| loops.of(b).is_some() && cfg.succs(b).iter().any(|&s| loops.of(s).is_some());
    k.layout.iter().all(|&b| !hot(b) || k.blocks[b].insts.iter().all(|&i| shape::in_lanes(k, &k.insts[i].op)))
        && k.blocks[k.entry()].insts.iter().all(|&i| shape::in_lanes(k, &k.insts[i].op))
}

/// Functions that processors have for whole vectors.
fn in_vectors(f: MathFn) -> bool {
    use MathFn::*;
    matches!(
        f,
        Sqrt | Rsqrt
            | Rcp
            | Fabs
            | Floor
            | Ceil
            | Trunc
            | Rint
            | Copysign
            | Fma
            | Fmax
            | Fmin
            | Add
            | Sub
            | Mul
            | Div
    )
}

#[cfg(test)]
mod tests;
