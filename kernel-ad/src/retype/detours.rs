//! Zero and infinity, led around a chain of products that would not change them: `x is 0 or infinite, or n == 0 ? x : x * 2^n`, as
//! libraries have in `ldexp` and `scalbn`.
//!
//! The value is right either way; the slope at zero is that of the products. So they are computed for such `x` too, and a select behind
//! them puts the special value back, which `points` gives the slope of the products.

use super::edit;
use super::points::{compared, doubled, is_exceptional};
use crate::cfg::{Cfg, DomTree};
use crate::kernel::*;

/// Takes such detours away; a select in their place keeps every value.
pub(super) fn straighten(k: &mut Kernel) {
    let cfg = Cfg::new(k);
    let dom = DomTree::new(k, &cfg);
    for block in k.layout.clone() {
        if let Some(d) = detour(k, &cfg, &dom, block) {
            remove(k, d);
        }
    }
}

struct Detour {
    /// Where the ways part.
    head: Block,
    /// The part of the condition that is about `x`.
    special: Value,
    /// The rest of it; nothing where there is none.
    rest: Option<Value>,
    x: Value,
    /// Where the ways meet again, and what comes out.
    join: Block,
    results: Vec<Inst>,
}

fn detour(k: &Kernel, cfg: &Cfg, dom: &DomTree, head: Block) -> Option<Detour> {
    let Op::CondBr { cond, then, els } = k.insts[k.terminator(head)].op else { return None };
    let [join] = k.successors(then)[..] else { return None };
    let others = || cfg.preds(join).iter().filter(|&&p| p != then);
    let alone = cfg.preds(then) == [head] && cfg.preds(els) == [head];
    if !alone || join == els || others().count() == 0 || !others().all(|&p| dom.dominates(els, p)) {
        return None;
    }
    if !only_computes(k, then) || !straight(k, cfg, join, els) {
        return None;
    }
    let phis = k.blocks[join].insts.iter().copied().filter(|&i| matches!(k.insts[i].op, Op::Phi { .. }));
    let results: Vec<Inst> = phis.collect();
    let fits = |i: Inst, x: Value| match &k.insts[i].op {
        Op::Phi { incoming } => incoming.iter().all(|&(from, v)| match from == then {
            true => v == x || doubled(k, v) == Some(x),
            false => is_product(k, v, x),
        }),
        _ => false,
    };
    let (special, rest, x) = parts(k, cond).into_iter().find_map(|(special, rest)| {
        let x = compared(k, special).filter(|&x| is_exceptional(k, special, x))?;
        (!results.is_empty() && results.iter().all(|&i| fits(i, x))).then_some((special, rest, x))
    })?;
    Some(Detour { head, special, rest, x, join, results })
}

/// All ways from `first` to `join`, which no other way leads to, compute, and do nothing else.
fn straight(k: &Kernel, cfg: &Cfg, join: Block, first: Block) -> bool {
    let mut seen = vec![first];
    let mut next = 0;
    while let Some(&b) = seen.get(next) {
        next += 1;
        let at = cfg.rpo_index(b);
        let succs = k.successors(b);
        if !only_computes(k, b) || succs.is_empty() || succs.iter().any(|&s| cfg.rpo_index(s) <= at) {
            return false;
        }
        for s in succs {
            if s != join && !seen.contains(&s) {
                seen.push(s);
            }
        }
    }
    true
}

/// Nothing in the block can be told from outside, or fault.
fn only_computes(k: &Kernel, b: Block) -> bool {
    let harmless = |&i: &Inst| match &k.insts[i].op {
        Op::Binary { op: BinOp::UDiv | BinOp::SDiv | BinOp::URem | BinOp::SRem, b, .. } => {
            k.as_int(*b).is_some_and(|n| (1..=64).contains(&n))
        }
        Op::Phi { .. } => true,
        op => op.is_pure(),
    };
    let body = &k.blocks[b].insts;
    body[..body.len() - 1].iter().all(harmless)
}

/// What a condition may say of a number, and what else it asks.
fn parts(k: &Kernel, cond: Value) -> Vec<(Value, Option<Value>)> {
    let mut out = vec![(cond, None)];
    match k.def_op(cond) {
        Some(&Op::Binary { op: BinOp::Or, a, b, .. }) => out.extend([(a, Some(b)), (b, Some(a))]),
        // `p || q` that must not look at `q` too soon.
        Some(&Op::Select { cond, a, b, .. }) if k.as_int(a).is_some_and(|n| n != 0) => {
            out.extend([(cond, Some(b)), (b, Some(cond))]);
        }
        _ => {}
    }
    out
}

/// True for products of which `x` is one factor.
fn is_product(k: &Kernel, v: Value, x: Value) -> bool {
    match k.def_op(v) {
        Some(Op::Binary { op: BinOp::FMul, a, b, .. }) => {
            [a, b].iter().any(|&&f| f == x || is_product(k, f, x))
        }
        _ => false,
    }
}

fn remove(k: &mut Kernel, d: Detour) {
    let never = k.int(Type::I1, 0);
    let end = k.terminator(d.head);
    if let Op::CondBr { cond, .. } = &mut k.insts[end].op {
        *cond = d.rest.unwrap_or(never);
    }
    for i in d.results {
        let y = k.insts[i].result.expect("a phi has a result");
        let at = crate::canon::first_non_phi(k, d.join);
        let mut b = KernelBuilder::new(k);
        b.at = Cursor::At(d.join, at);
        let twice = b.binary(BinOp::FAdd, d.x, d.x);
        let kept = b.select(d.special, twice, y);
        edit::replace_by_own(k, &[(y, kept)]);
    }
}
