//! Regions and cuts of a kernel. Each region is a [`Kernel`] again: it loads what lives into it from slots, runs to the
//! next cut, stores what lives on, and says where its thread goes.

use super::cheap::Cheap;
use super::graph::Graph;
use super::region::{self, Hidden};
use super::slots::{slot_size, Slots};
use crate::cfg::Cfg;
use crate::diag::{Code, Diagnostic, Place, Result};
use crate::kernel::*;
use shadow_mem::host::{self, CutArg, CutKind, CutResult, CutSpec, WarpKind};
use std::collections::{BTreeMap, BTreeSet};

/// A kernel in pieces.
#[derive(Debug)]
pub struct Split {
    /// Regions; the first is the kernel's start.
    pub regions: Vec<Region>,
    /// Cuts.
    pub cuts: Vec<CutSpec>,
    /// Bytes of slots per thread.
    pub slot_bytes: u64,
    /// Bytes of local memory per thread that outlives regions.
    pub local_bytes: u64,
    /// Parameters that every region has behind the kernel's own.
    pub hidden: Hidden,
}

/// A piece of a kernel.
#[derive(Debug)]
pub struct Region {
    /// The code.
    pub kernel: Kernel,
    /// Where every thread goes from here, if there is one place only.
    pub exit: Option<u32>,
    /// Place in the kernel's order.
    pub order: u32,
}

/// Numbers of states, as threads hold them.
pub(super) struct States {
    /// Region of an entry node.
    pub region: BTreeMap<usize, u32>,
    /// State of a thread that waits behind a node, at its cut.
    pub cut: BTreeMap<usize, u32>,
}

/// Splits a kernel at its barriers and warp operations. Pointers must be the host's already.
pub fn split(k: &Kernel) -> Result<Split> {
    let mut base = k.clone();
    let hidden = Hidden::add(&mut base);
    let cfg = Cfg::new(&base);
    let cheap = Cheap::new(&base);
    let g = Graph::new(&base, &cfg, &|v| cheap.holds(v));
    if g.nodes.iter().all(|n| n.cut.is_none()) {
        let whole = Region { kernel: base, exit: Some(host::EXITED), order: 0 };
        return Ok(Split { regions: vec![whole], cuts: Vec::new(), slot_bytes: 0, local_bytes: 0, hidden });
    }
    let (entries, forced) = g.entries();
    let states = number(&g, &entries);
    let slots = assign(&base, &g, &entries, &forced)?;
    let (locals, local_bytes) = place_locals(&base);
    let context = region::Context {
        k: &base,
        g: &g,
        cheap: &cheap,
        hidden,
        slots: &slots,
        states: &states,
        forced: &forced,
        locals: &locals,
    };
    let regions = entries.iter().map(|&e| region::build(&context, e)).collect();
    let cuts = states.cut.keys().map(|&n| describe(&base, &g, n, &states, &slots)).collect::<Result<_>>()?;
    Ok(Split { regions, cuts, slot_bytes: slots.bytes, local_bytes, hidden })
}

fn number(g: &Graph, entries: &[usize]) -> States {
    let region: BTreeMap<usize, u32> = entries.iter().zip(0..).map(|(&e, i)| (e, i)).collect();
    let first = region.len() as u32;
    let cut = (0..g.nodes.len()).filter(|&n| g.nodes[n].cut.is_some()).zip(first..).collect();
    States { region, cut }
}

fn assign(k: &Kernel, g: &Graph, entries: &[usize], forced: &BTreeSet<usize>) -> Result<Slots> {
    let mut values = BTreeSet::new();
    for e in entries {
        values.extend(&g.live_in[*e]);
    }
    for &f in forced {
        values.extend(g.phis(k, f).filter_map(|i| k.insts[i].result));
    }
    let mut operands = BTreeSet::new();
    for cut in g.nodes.iter().filter_map(|n| n.cut) {
        for (i, arg) in cut_operands(&k.insts[cut].op).into_iter().enumerate() {
            if let Some(v) = arg.filter(|&v| constant(k, v).is_none()) {
                if k.bytes(k.ty(v)) > 16 {
                    let text = print_inst(k, cut);
                    return Err(Diagnostic::new(Code::NotOnTarget, "an operand of more than 16 bytes here")
                        .at(k, k.insts[cut].loc)
                        .ir(text)
                        .into());
                }
                operands.insert((i, slot_size(k, k.ty(v))));
            }
        }
    }
    Ok(Slots::new(k, &values, &operands))
}

/// Every alloca of the kernel gets its place in the thread's local memory.
fn place_locals(k: &Kernel) -> (BTreeMap<Value, u64>, u64) {
    let mut at = BTreeMap::new();
    let mut bytes = 0u64;
    for (_, i) in k.iter_insts() {
        if let (Op::Alloca { bytes: size, align }, Some(v)) = (&k.insts[i].op, k.insts[i].result) {
            bytes = bytes.next_multiple_of(u64::from((*align).clamp(1, host::HOST_ALIGN as u32)));
            at.insert(v, bytes);
            bytes += size;
        }
    }
    // Threads start at multiples of a cache line, so that no two share one.
    (at, bytes.next_multiple_of(if bytes > 0 { 64 } else { 1 }))
}

/// The operands of a cut in the order of its table entry.
pub(super) fn cut_operands(op: &Op) -> Vec<Option<Value>> {
    match op {
        Op::Barrier { id, count, pred, .. } => vec![*id, *count, *pred],
        Op::Warp { args, .. } => args.iter().map(|&v| Some(v)).collect(),
        _ => Vec::new(),
    }
}

/// The bits of a constant operand.
pub(super) fn constant(k: &Kernel, v: Value) -> Option<u64> {
    match k.as_const(v)? {
        Const::Int(n) => u64::try_from(*n).ok(),
        Const::Float(bits) => Some(*bits),
        Const::Null | Const::Undef | Const::Poison => Some(0),
        Const::Zero if k.bytes(k.ty(v)) <= 8 => Some(0),
        _ => None,
    }
}

fn describe(k: &Kernel, g: &Graph, node: usize, states: &States, slots: &Slots) -> Result<CutSpec> {
    let inst = g.nodes[node].cut.expect("a node with a cut");
    let data = &k.insts[inst];
    let kind = match &data.op {
        Op::Barrier { kind, .. } => CutKind::Barrier(barrier_kind(*kind)),
        Op::Warp { op, .. } => CutKind::Warp(warp_kind(*op).ok_or_else(|| {
            Diagnostic::new(Code::NotOnTarget, format!("the CPU device has no {op:?}")).at(k, data.loc)
        })?),
        _ => unreachable!("only barriers and warp operations cut"),
    };
    let args = cut_operands(&data.op)
        .into_iter()
        .enumerate()
        .map(|(i, v)| match v {
            None => CutArg::None,
            Some(v) => match constant(k, v) {
                Some(bits) => CutArg::Const(bits),
                None => slots.operand(i, slot_size(k, k.ty(v))).arg(),
            },
        })
        .collect();
    let result = data.result.and_then(|v| {
        let slot = slots.of(v)?;
        let (value, flag) = match k.ty(v) {
            Type::Agg(id) => match &k.aggs[id] {
                AggTy::Struct { fields, offsets, .. } if fields.len() == 2 => {
                    (k.bytes(fields[0]), Some(offsets[1]))
                }
                _ => (u64::from(slot.size), None),
            },
            ty => (k.bytes(ty), None),
        };
        Some(CutResult { offset: slot.offset, size: slot.size, value: value as u32, flag })
    });
    let place = match data.loc {
        Some(loc) => {
            let p = Place::of(k, loc);
            format!("{}:{}:{}", p.file, p.line, p.col)
        }
        None => format!("`{}`", print_inst(k, inst).trim()),
    };
    let aligned = matches!(data.op, Op::Barrier { aligned: true, .. });
    let (resume, order) = (states.region[&(node + 1)], node as u32);
    Ok(CutSpec { kind, args, result, aligned, resume, order, place })
}

fn barrier_kind(kind: BarrierKind) -> host::BarrierKind {
    match kind {
        BarrierKind::Sync => host::BarrierKind::Sync,
        BarrierKind::Popc => host::BarrierKind::Popc,
        BarrierKind::And => host::BarrierKind::And,
        BarrierKind::Or => host::BarrierKind::Or,
        BarrierKind::Arrive => host::BarrierKind::Arrive,
    }
}

fn warp_kind(op: WarpOp) -> Option<WarpKind> {
    Some(match op {
        WarpOp::Sync => WarpKind::Sync,
        WarpOp::ShflIdx | WarpOp::ShflIdxP => WarpKind::ShflIdx,
        WarpOp::ShflUp | WarpOp::ShflUpP => WarpKind::ShflUp,
        WarpOp::ShflDown | WarpOp::ShflDownP => WarpKind::ShflDown,
        WarpOp::ShflBfly | WarpOp::ShflBflyP => WarpKind::ShflBfly,
        WarpOp::VoteAll => WarpKind::VoteAll,
        WarpOp::VoteAny => WarpKind::VoteAny,
        WarpOp::VoteUni => WarpKind::VoteUni,
        WarpOp::Ballot => WarpKind::Ballot,
        WarpOp::ActiveMask => WarpKind::ActiveMask,
        WarpOp::MatchAny => WarpKind::MatchAny,
        WarpOp::MatchAll => WarpKind::MatchAll,
        WarpOp::ScatterAdd => WarpKind::ScatterAdd,
        WarpOp::ReduxAdd => WarpKind::ReduxAdd,
        WarpOp::ReduxUMin => WarpKind::ReduxUMin,
        WarpOp::ReduxUMax => WarpKind::ReduxUMax,
        WarpOp::ReduxSMin => WarpKind::ReduxSMin,
        WarpOp::ReduxSMax => WarpKind::ReduxSMax,
        WarpOp::ReduxAnd => WarpKind::ReduxAnd,
        WarpOp::ReduxOr => WarpKind::ReduxOr,
        WarpOp::ReduxXor => WarpKind::ReduxXor,
        WarpOp::DsBpermute => WarpKind::DsBpermute,
        WarpOp::DsPermute => WarpKind::DsPermute,
        WarpOp::DsSwizzle => WarpKind::DsSwizzle,
        WarpOp::ReadFirstLane => WarpKind::ReadFirstLane,
        WarpOp::ReadLane => WarpKind::ReadLane,
        WarpOp::UpdateDpp => WarpKind::UpdateDpp,
        WarpOp::WaveBarrier => WarpKind::WaveBarrier,
        WarpOp::MbcntLo | WarpOp::MbcntHi => return None,
    })
}
