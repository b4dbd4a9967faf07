//! Integers that are only handed on, from floats or to floats: they are handed on as floats.

use super::edit;
use crate::kernel::*;
use std::collections::HashMap;

/// Values joined by phis, selects and the like are one web. When some of a web come from floats or become floats, all of one
/// type, the whole web has that type. True when something changed.
pub(super) fn rewrite(k: &mut Kernel) -> bool {
    // Doubles whose halves go from lane to lane belong to one web.
    let joined = crate::read::join_halves(k);
    hand_on(k) || joined
}

fn hand_on(k: &mut Kernel) -> bool {
    let mut webs = Webs::default();
    for (_, i) in k.iter_insts() {
        let Some(r) = k.insts[i].result.filter(|&r| k.ty(r).is_int()) else { continue };
        // One constant may stand in many webs.
        for v in handed_on(&k.insts[i].op).into_iter().filter(|&v| k.as_const(v).is_none()) {
            webs.join(r, v);
        }
    }
    let joined: Vec<Value> = webs.of.keys().copied().collect();
    let mut types: HashMap<Value, Option<Type>> = HashMap::new();
    let mut note = |root: Value, ty: Type| {
        let slot = types.entry(root).or_insert(Some(ty));
        if *slot != Some(ty) {
            *slot = None;
        }
    };
    for &v in &joined {
        if let Some((_, ty)) = edit::from_float(k, v) {
            note(webs.root(v), ty);
        }
    }
    for (_, i) in k.iter_insts() {
        if let (Op::Cast { op: CastOp::Bitcast, a, .. }, Some(r)) = (&k.insts[i].op, k.insts[i].result) {
            if webs.of.contains_key(a) && k.ty(r).is_float() {
                note(webs.root(*a), k.ty(r));
            }
        }
    }
    let floats: HashMap<Value, Type> =
        joined.iter().filter_map(|&v| Some((v, types.get(&webs.root(v)).copied().flatten()?))).collect();
    if floats.is_empty() {
        return false;
    }
    make_floats(k, &floats)
}

/// The operands that an operation hands on unchanged.
fn handed_on(op: &Op) -> Vec<Value> {
    match op {
        Op::Phi { incoming } => incoming.iter().map(|(_, v)| *v).collect(),
        Op::Select { a, b, .. } => vec![*a, *b],
        Op::Freeze { a } => vec![*a],
        Op::Warp { op, args } => op.handed_on().iter().map(|&m| args[m]).collect(),
        _ => Vec::new(),
    }
}

/// True when such an operation moves floats of that type as such: one float, or a word of two.
fn goes(op: WarpOp, ty: Type) -> bool {
    match ty {
        Type::F32 | Type::F64 => true,
        Type::Vec(Lane::Float(FloatTy::F16 | FloatTy::Bf16), 2) => op.moves_pairs(),
        _ => false,
    }
}

fn make_floats(k: &mut Kernel, floats: &HashMap<Value, Type>) -> bool {
    // Results first, so that operands in loops find them.
    let mut twin: HashMap<Value, Value> = HashMap::new();
    let mut pairs = Vec::new();
    let members: Vec<(Block, Inst)> = k
        .iter_insts()
        .filter(|&(_, i)| {
            let web = k.insts[i].result.is_some_and(|r| floats.contains_key(&r));
            let fits = |r: Value| match &k.insts[i].op {
                Op::Warp { op, .. } => goes(*op, floats[&r]),
                _ => true,
            };
            web && !handed_on(&k.insts[i].op).is_empty() && k.insts[i].result.is_some_and(fits)
        })
        .collect();
    for &(_, i) in &members {
        let r = k.insts[i].result.expect("members have results");
        let v = k.values.push(ValueData {
            ty: floats[&r],
            def: ValueDef::Inst(i),
            name: k.values[r].name.clone(),
        });
        twin.insert(r, v);
    }
    for &(block, i) in &members {
        let r = k.insts[i].result.expect("members have results");
        let ty = floats[&r];
        let mut op = k.insts[i].op.clone();
        match &mut op {
            Op::Phi { incoming } => {
                for (pred, v) in incoming {
                    *v = as_float(k, *v, ty, &twin, |k| Cursor::At(*pred, k.blocks[*pred].insts.len() - 1));
                }
            }
            Op::Select { a, b, .. } => {
                let at = |k: &Kernel| before(k, block, i);
                *a = as_float(k, *a, ty, &twin, at);
                *b = as_float(k, *b, ty, &twin, at);
            }
            Op::Freeze { a } => *a = as_float(k, *a, ty, &twin, |k| before(k, block, i)),
            Op::Warp { op, args } => {
                for &m in op.handed_on() {
                    args[m] = as_float(k, args[m], ty, &twin, |k| before(k, block, i));
                }
            }
            _ => {}
        }
        k.insts[i].op = op;
        k.insts[i].result = Some(twin[&r]);
        // Whoever still wants the integer gets its bits.
        let was = k.ty(r);
        let at = edit::behind(k, twin[&r]);
        let mut b = KernelBuilder::new(k);
        b.at = at;
        b.loc = b.k.insts[i].loc;
        let bits = b.cast(CastOp::Bitcast, twin[&r], was);
        pairs.push((r, bits));
    }
    edit::replace(k, &pairs);
    // Bits that are floats again are the float.
    edit::each(k, |b, i| match b.k.insts[i].op {
        Op::Cast { op: CastOp::Bitcast, a, .. } => {
            let to = b.k.ty(b.k.insts[i].result?);
            let (x, ty) = edit::from_float(b.k, a)?;
            (ty == to).then_some(x)
        }
        _ => None,
    });
    !members.is_empty()
}

fn before(k: &Kernel, block: Block, i: Inst) -> Cursor {
    let at = k.blocks[block].insts.iter().position(|&x| x == i).expect("in its block");
    Cursor::At(block, at)
}

fn as_float(
    k: &mut Kernel,
    v: Value,
    ty: Type,
    twin: &HashMap<Value, Value>,
    at: impl Fn(&Kernel) -> Cursor,
) -> Value {
    if let Some(&t) = twin.get(&v) {
        return t;
    }
    if let Some((x, of)) = edit::from_float(k, v) {
        if of == ty {
            return x;
        }
    }
    let at = at(k);
    let mut b = KernelBuilder::new(k);
    b.at = at;
    edit::bitcast(&mut b, v, ty)
}

/// Union-find over values.
#[derive(Default)]
struct Webs {
    of: HashMap<Value, Value>,
}

impl Webs {
    fn root(&self, mut v: Value) -> Value {
        while let Some(&up) = self.of.get(&v).filter(|&&up| up != v) {
            v = up;
        }
        v
    }

    fn join(&mut self, a: Value, b: Value) {
        self.of.entry(a).or_insert(a);
        self.of.entry(b).or_insert(b);
        let (p, q) = (self.root(a), self.root(b));
        if p != q {
            self.of.insert(p, q);
        }
    }
}
