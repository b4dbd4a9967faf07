//! The counting kernel: the forward sweep with nothing left but its control flow and the length of its tape.

use super::input::Input;
use super::tape::record_bytes;
use crate::canon::first_non_phi;
use crate::diag::{Code, Diagnostic, Result};
use crate::facts::{Base, KnownCall};
use crate::grad::params::{pointer_param, pointer_spec};
use crate::grad::{clean, inline, primal_specs, Gradient, Roles, ShadowParams};
use crate::kernel::*;
use crate::plan::{root_bytes, Plan};
use shadow_mem::{Mode, Purpose, Stats};
use std::collections::HashSet;

/// Makes the counting kernel from the canonical forward sweep `k` (its shadow parameters are dropped).
pub fn counter(
    mut k: Kernel,
    primal: &Kernel,
    roles: &Roles,
    input: &Input<'_>,
    plan: &Plan,
    unwanted: &HashSet<Inst>,
) -> Result<Gradient> {
    k.name = format!("{}_count", primal.name);
    let mut specs = primal_specs(primal, roles)?;
    drop_shadows(&mut k, primal, input.params);
    // The result's parameter takes the first place behind the primal ones.
    let result = pointer_param(&mut k, "count", AddrSpace::Global, 8);
    specs.push(pointer_spec("count", AddrSpace::Global, Purpose::CountResult));

    let inserted: HashSet<Inst> = input.shadows.inserted.iter().copied().collect();
    let blocks = k.layout.clone();
    for b in &blocks {
        k.blocks[*b].insts.retain(|i| !inserted.contains(i) && !unwanted.contains(i));
    }
    let mut b = KernelBuilder::new(&mut k);
    let entry = b.k.entry();
    b.at = Cursor::At(entry, 0);
    let at = b.alloca(8, 8, AddrSpace::Generic);
    let start = b.k.int(Type::I64, root_bytes(plan).into());
    b.at = Cursor::At(entry, 1);
    b.store(at, start, MemFlags::plain(8));
    for &l in plan.frames.keys() {
        let region = &input.regions.loops[l];
        let bytes = b.k.int(Type::I64, record_bytes(plan, l).into());
        let mut places = vec![(region.latch, b.k.blocks[region.latch].insts.len() - 1)];
        places.extend(region.exits.iter().map(|&(_, pad)| (pad, first_non_phi(b.k, pad))));
        for (block, position) in places {
            b.at = Cursor::At(block, position);
            let old = b.load(Type::I64, at, MemFlags::plain(8));
            let new = b.binary(BinOp::Add, old, bytes);
            b.store(at, new, MemFlags::plain(8));
        }
    }
    let exits: Vec<Block> =
        blocks.iter().copied().filter(|&x| b.k.insts[b.k.terminator(x)].op == Op::Ret).collect();
    for x in exits {
        b.at = Cursor::At(x, b.k.blocks[x].insts.len() - 1);
        let val = b.load(Type::I64, at, MemFlags::plain(8));
        let op = Op::AtomicRmw { op: RmwOp::UMax, ptr: result, val, mem: MemFlags::relaxed(8) };
        b.insert(op, Type::I64);
    }
    let kept = restorable_effects(&k, input, result, plan)?;
    for b in &blocks {
        let keep = |i: &Inst| kept.contains(i) || !is_effect(&k.insts[*i].op);
        let list: Vec<Inst> = k.blocks[*b].insts.iter().copied().filter(keep).collect();
        k.blocks[*b].insts = list;
    }
    inline::expand(&mut k, &|_| true);
    clean::promote(&mut k, &[(at, Type::I64)]);
    crate::retype::strip(&mut k);
    clean::simplify(&mut k);
    clean::remove_dead_code(&mut k);
    let written: HashSet<u32> = kept
        .iter()
        .flat_map(|&i| written_pointers(&k, &k.insts[i].op))
        .flat_map(|p| input.prov.of(p).bases)
        .filter_map(|b| match b {
            // What the pointers of a struct point to is saved and put back too.
            Base::Param(param) | Base::Field { param, .. } => Some(param),
            _ => None,
        })
        .collect();
    for (i, s) in specs.iter_mut().enumerate() {
        if let Purpose::Primal { .. } = s.purpose {
            s.written = written.contains(&(i as u32));
        }
    }
    Ok(Gradient {
        kernel: k,
        primal: primal.name.clone(),
        mode: Mode::Count,
        params: specs,
        tape: None,
        counter: None,
        assumptions: Vec::new(),
        stats: Stats::default(),
    })
}

/// Takes the shadow parameters off again; nothing uses them but for the size of dynamic shared memory.
fn drop_shadows(k: &mut Kernel, primal: &Kernel, params: &ShadowParams) {
    let size = params.dynamic_size;
    k.params.truncate(primal.params.len());
    let beyond: Vec<Value> = k
        .values
        .iter()
        .filter(|(_, d)| matches!(d.def, ValueDef::Param(i) if i as usize >= primal.params.len()))
        .map(|(v, _)| v)
        .collect();
    for v in beyond {
        if size == Some(v) {
            // The launch of the counting kernel gives shared memory as that of the primal does.
            let entry = k.entry();
            let op = Op::Special(Special::DynamicSharedSize);
            let i = k.insts.push(InstData { op, result: Some(v), loc: None });
            k.blocks[entry].insts.insert(0, i);
            k.values[v].def = ValueDef::Inst(i);
            continue;
        }
        k.values[v].def = ValueDef::Const(Const::Undef);
    }
}

/// Volatile loads too: one that nothing hangs on would read what nobody writes any more.
fn is_effect(op: &Op) -> bool {
    op.has_side_effects() && !op.is_terminator()
}

fn written_pointers(k: &Kernel, op: &Op) -> Vec<Value> {
    match op {
        Op::Store { ptr, .. } | Op::AtomicRmw { ptr, .. } | Op::CmpXchg { ptr, .. } => vec![*ptr],
        Op::MemCopy { dst, .. } | Op::MemSet { dst, .. } => vec![*dst],
        op => KnownCall::new(k, op).map_or(Vec::new(), |c| c.written().collect()),
    }
}

/// The effects that the counting kernel keeps. All that they write must be put back after it; of what pointers in
/// memory point to, the launcher knows no extent.
fn restorable_effects(k: &Kernel, input: &Input<'_>, result: Value, plan: &Plan) -> Result<HashSet<Inst>> {
    let lost = |kept: &HashSet<Inst>| {
        let to_lost = |p: Value| {
            input.prov.of(p).bases.iter().any(|b| match b {
                Base::Global(g) => k.globals[*g].space != AddrSpace::Shared,
                b => *b == Base::Unknown,
            })
        };
        let mut all: Vec<Inst> = kept.iter().copied().collect();
        all.sort();
        all.into_iter().find(|&i| written_pointers(k, &k.insts[i].op).into_iter().any(to_lost))
    };
    let kept = needed_effects(k, input, result, true);
    if lost(&kept).is_none() {
        return Ok(kept);
    }
    // Numbers of another kind do not lie there by the rules of C. If they did, the count would be wrong: the gradient
    // would stop with an overflow of its tape.
    let kept = needed_effects(k, input, result, false);
    let Some(inst) = lost(&kept) else { return Ok(kept) };
    let exits = plan.frames.keys().flat_map(|&l| &input.regions.loops[l].exits);
    let loops = exits.map(|&(from, _)| k.insts[k.terminator(from)].loc);
    let mut places = std::iter::once(k.insts[inst].loc).chain(loops).flatten();
    let place = places.find(|&l| k.locs[l].line > 0);
    let message = "the length of the tape hangs on memory that the kernel writes and that cannot be put back";
    Err(Diagnostic::new(Code::UnsupportedMemory, message)
        .at(k, place)
        .ir(print_inst(k, inst))
        .because("a kernel that counts would run before the gradient, and leave this write behind")
        .help("loop a number of times that arguments say, or pass the memory as a parameter of the kernel")
        .into())
}

/// What a number is, as far as C's rules on aliasing tell kinds apart; `None` for raw bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Int,
    Float,
    Pointer,
}

fn kind(k: &Kernel, v: Value) -> Option<Kind> {
    match k.ty(v).scalar() {
        Type::Int(8) => None,
        Type::Int(_) => Some(Kind::Int),
        Type::Float(_) => Some(Kind::Float),
        Type::Ptr(_) => Some(Kind::Pointer),
        _ => None,
    }
}

fn written_kind(k: &Kernel, op: &Op) -> Option<Kind> {
    match op {
        Op::Store { val, .. } | Op::AtomicRmw { val, .. } => kind(k, *val),
        Op::CmpXchg { new, .. } => kind(k, *new),
        _ => None,
    }
}

/// The effects without which the control flow would be another: those whose results it uses, and writes to memory
/// that it reads. Unless `strict`, numbers of one kind are not read as another kind.
fn needed_effects(k: &Kernel, input: &Input<'_>, result: Value, strict: bool) -> HashSet<Inst> {
    let mut kept: HashSet<Inst> = HashSet::new();
    let mut live: HashSet<Inst> = HashSet::new();
    let mut read: HashSet<(Base, Option<Kind>)> = HashSet::new();
    let mut anything = false;
    let mut work: Vec<Inst> = Vec::new();
    for (_, i) in k.iter_insts() {
        let op = &k.insts[i].op;
        if op.is_terminator()
            || written_pointers(k, op) == [result]
            || matches!(
                op,
                Op::Trap | Op::Barrier { .. } | Op::Fence { .. } | Op::Warp { op: WarpOp::Sync, .. }
            )
        {
            work.push(i);
        }
    }
    loop {
        while let Some(i) = work.pop() {
            if !live.insert(i) {
                continue;
            }
            let op = &k.insts[i].op;
            if is_effect(op) {
                kept.insert(i);
            }
            match op {
                Op::Load { ptr, .. } | Op::AtomicRmw { ptr, .. } | Op::CmpXchg { ptr, .. } => {
                    let as_kind = k.insts[i].result.and_then(|r| kind(k, r));
                    read.extend(input.prov.of(*ptr).bases.into_iter().map(|b| (b, as_kind)));
                }
                Op::MemCopy { src, .. } => {
                    read.extend(input.prov.of(*src).bases.into_iter().map(|b| (b, None)))
                }
                op @ (Op::Call { .. } | Op::Asm { .. }) => match KnownCall::new(k, op) {
                    Some(call) => {
                        let bases = call.read().flat_map(|p| input.prov.of(p).bases);
                        read.extend(bases.map(|b| (b, None)));
                    }
                    None => anything = true,
                },
                _ => {}
            }
            work.extend(op.operands().into_iter().filter_map(|v| k.def_inst(v)));
            // The counting variable itself is a local.
            if let Op::Load { ptr, .. } = op {
                if input.prov.of(*ptr).bases.is_empty() {
                    work.extend(
                        k.iter_insts()
                            .map(|(_, s)| s)
                            .filter(|&s| matches!(&k.insts[s].op, Op::Store { ptr: p, .. } if p == ptr)),
                    );
                }
            }
        }
        let writes: Vec<Inst> = k
            .iter_insts()
            .map(|(_, i)| i)
            .filter(|i| !live.contains(i))
            .filter(|&i| {
                let op = &k.insts[i].op;
                let as_kind = written_kind(k, op);
                let seen = |r: &(Base, Option<Kind>), w: Base| {
                    let apart = !strict && r.1.is_some() && as_kind.is_some() && r.1 != as_kind;
                    meet(r.0, w) && !apart
                };
                written_pointers(k, op).into_iter().any(|p| {
                    input.prov.of(p).bases.iter().any(|&w| anything || read.iter().any(|r| seen(r, w)))
                })
            })
            .collect();
        if writes.is_empty() {
            return kept;
        }
        work = writes;
    }
}

/// Whether a write to one object may be seen by a read of the other. Different parameters may be one buffer here: the
/// counting kernel runs before the launcher has checked anything.
fn meet(read: Base, write: Base) -> bool {
    match (read, write) {
        (a, b) if a == b => true,
        (Base::Alloca(_), _) | (_, Base::Alloca(_)) => false,
        _ => true,
    }
}
