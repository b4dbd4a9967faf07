//! Barriers and fences of the block in the reverse sweep: at the mirrored place stands the same barrier. Between two of them the
//! reverse sweep adds into shared shadows where the primal read, and takes from them where it wrote; what raced there
//! would have raced in the primal.

use super::input::{Input, MemoryAdjoint};
use super::sweep::Sweep;
use crate::canon;
use crate::diag::{Code, Diagnostic};
use crate::facts::activity::{base_name, value_name};
use crate::facts::signal::beside_barrier;
use crate::facts::{Base, PtrKind};
use crate::kernel::*;
use std::collections::BTreeSet;

impl Sweep<'_> {
    /// The reverse of a barrier or a fence. True when the instruction is one.
    pub fn barrier(&mut self, b: &mut KernelBuilder<'_>, i: Inst) -> bool {
        match b.k.insts[i].op.clone() {
            // What a barrier counts or votes is an integer, and kept when it is needed.
            Op::Barrier { id, count, aligned, .. } => {
                let id = id.map(|v| self.get(b, v));
                let count = count.map(|v| self.get(b, v));
                b.sync(id, count, aligned);
                true
            }
            Op::Fence { scope, .. } => {
                if orders_block(scope) && !beside_barrier(b.k, i) {
                    b.insert(Op::Fence { ordering: Ordering::AcqRel, scope: Scope::BLOCK }, Type::Void);
                }
                true
            }
            _ => false,
        }
    }
}

fn orders_block(scope: Scope) -> bool {
    !matches!(scope.level, ScopeLevel::Thread | ScopeLevel::Warp)
}

/// Why a barrier or a fence cannot be reversed.
pub fn refusal(k: &Kernel, input: &Input<'_>, i: Inst) -> Option<Diagnostic> {
    match k.insts[i].op {
        Op::Barrier { kind: BarrierKind::Arrive, .. } => Some(canon::arrive()),
        Op::Barrier { id, count, .. } => {
            let v = [id, count].into_iter().flatten().find(|&v| !input.uniform.is_uniform(v))?;
            Some(
                Diagnostic::new(
                    Code::BarrierInGradient,
                    "a barrier whose number or count differs from thread to thread cannot be reversed",
                )
                .because(format!("{} may differ", value_name(k, v)))
                .because("whether threads that met here meet in the reverse sweep is not known")
                .help("give all threads of the block the same barrier; a warp alone needs __syncwarp() only"),
            )
        }
        Op::Fence { scope, .. } if !matches!(scope.level, ScopeLevel::Device | ScopeLevel::System) => None,
        Op::Fence { .. } => {
            let object = exchanged(k, input)?;
            Some(
                Diagnostic::new(
                    Code::BarrierInGradient,
                    "a fence for all blocks, between active data that is written and read",
                )
                .because(format!("blocks may exchange {} across it", base_name(k, object)))
                .because("in reverse the readers' blocks would have to run before the writers'")
                .help("split the kernel in two launches at the fence"),
            )
        }
        _ => None,
    }
}

/// Active memory of the launch that the kernel both writes and reads.
fn exchanged(k: &Kernel, input: &Input<'_>) -> Option<Base> {
    let (mut read, mut written) = (BTreeSet::new(), BTreeSet::new());
    for &b in input.cfg.rpo() {
        for &i in &k.blocks[b].insts {
            let bases = |p: Value| input.prov.of(p).bases.into_iter().filter(|b| !input.prov.is_followed(*b));
            match input.memory_adjoint(k, i) {
                MemoryAdjoint::Load(p) => read.extend(bases(p)),
                MemoryAdjoint::Store(p) | MemoryAdjoint::Add(p, _) | MemoryAdjoint::Clear { dst: p, .. } => {
                    written.extend(bases(p));
                }
                MemoryAdjoint::Copy { dst, src, .. } => {
                    written.extend(bases(dst));
                    read.extend(src.into_iter().flat_map(bases));
                }
                MemoryAdjoint::Take(p) | MemoryAdjoint::Extremum(p, _) => {
                    read.extend(bases(p));
                    written.extend(bases(p));
                }
                MemoryAdjoint::None => {}
            }
        }
    }
    let unknown = |s: &BTreeSet<Base>| s.contains(&Base::Unknown);
    match unknown(&read) && !written.is_empty() || unknown(&written) && !read.is_empty() {
        true => Some(Base::Unknown),
        false => read.intersection(&written).next().copied(),
    }
}

/// True for shared memory from which nothing that matters is read.
pub fn lost_in_shared(k: &Kernel, input: &Input<'_>, ptr: Value) -> bool {
    let fact = input.prov.of(ptr);
    let shared = |b: &Base| matches!(b, Base::Global(g) if k.globals[*g].space == AddrSpace::Shared);
    fact.kind == PtrKind::Plain
        && fact.bases.iter().all(shared)
        && !input.activity.is_useful_memory(input.prov, ptr)
}
