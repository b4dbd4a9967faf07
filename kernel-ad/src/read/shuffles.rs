//! Operations among the threads of a warp move words of 32 bits. Sources that move something else take it apart: floats
//! travel as integers, doubles in two halves. Here such operations become one that moves the float itself, bit for
//! bit the same, so that what comes after sees what is moved.

use crate::kernel::warp::warp_op;
use crate::kernel::*;
use cranelift_entity::SecondaryMap;
use std::collections::{HashMap, HashSet};

/// Rewrites all of them in a complete kernel.
pub fn name_floats(k: &mut Kernel) {
    super::halves::join(k);
    let mut names = Names { replaced: HashMap::new(), candidates: HashSet::new() };
    for b in k.layout.clone() {
        names.words(k, b);
    }
    names.finish(k);
}

/// What was rewritten so far.
struct Names {
    /// Values and what stands for them.
    replaced: HashMap<Value, Value>,
    /// Instructions that may have lost their last user.
    candidates: HashSet<Inst>,
}

impl Names {
    /// Words that are floats before or behind.
    fn words(&mut self, k: &mut Kernel, block: Block) {
        for i in k.blocks[block].insts.clone() {
            let Some((op, args)) = warp_op(&k.insts[i].op) else { continue };
            let Some(r) = k.insts[i].result else { continue };
            let moved = op.handed_on();
            if moved.is_empty() || moved.iter().any(|&m| !matches!(k.ty(args[m]), Type::Int(32))) {
                continue;
            }
            let before = moved.iter().find_map(|&m| bits_of(k, args[m])).map(|v| k.ty(v));
            let values = match k.ty(r) {
                Type::Agg(_) => members(k, r, 0),
                _ => vec![r],
            };
            let behind = values.iter().find_map(|&v| cast_of(k, v));
            let Some(ty) = before.or(behind).filter(|t| is_word_of_floats(*t)) else { continue };
            let Some(p) = k.blocks[block].insts.iter().position(|&x| x == i) else { continue };
            let new = self.insert(k, block, p + 1, i, &|_| None, ty);
            self.candidates.insert(i);
            match k.ty(r) {
                Type::Agg(_) => {
                    let pair = k.def_inst(new).map(|n| k.insts[n].op.clone());
                    let Some(Op::ExtractValue { agg, .. }) = pair else { continue };
                    for v in values {
                        self.stand_in(k, block, v, new);
                    }
                    let at = k.blocks[block].insts.iter().position(|&x| Some(x) == k.def_inst(new));
                    for v in members(k, r, 1) {
                        let mut b = KernelBuilder::new(k);
                        b.at = Cursor::At(block, at.unwrap_or(p) + 1);
                        let flag = b.extract_value(agg, 1);
                        self.replaced.insert(v, flag);
                        self.candidates.extend(k.def_inst(v));
                    }
                }
                _ => self.stand_in(k, block, r, new),
            }
        }
    }

    /// A copy of the warp operation `like` at that position, which moves values of type `ty`; gives what it moved.
    /// `value` may say from what the moved operand is made.
    fn insert(
        &mut self,
        k: &mut Kernel,
        block: Block,
        at: usize,
        like: Inst,
        value: &dyn Fn(usize) -> Option<Value>,
        ty: Type,
    ) -> Value {
        let (op, mut args) = match &k.insts[like].op {
            Op::Warp { op, args } => (*op, args.clone()),
            _ => unreachable!("only warp operations are rewritten"),
        };
        let result = k.insts[like].result.map(|r| k.ty(r));
        let mut b = KernelBuilder::new(k);
        b.at = Cursor::At(block, at);
        b.loc = b.k.insts[like].loc;
        for &m in op.handed_on() {
            let v = value(m).unwrap_or(args[m]);
            args[m] = seen_as(&mut b, v, ty);
        }
        match result {
            Some(Type::Agg(_)) => {
                let pair = b.k.struct_ty(&[ty, Type::I1]);
                let both = b.value(Op::Warp { op, args }, pair);
                b.extract_value(both, 0)
            }
            _ => b.value(Op::Warp { op, args }, ty),
        }
    }

    /// Lets `new` stand for `old`, which has the same bits. Casts of the old value to the new type fall away.
    fn stand_in(&mut self, k: &mut Kernel, block: Block, old: Value, new: Value) {
        let ty = k.ty(new);
        for (_, i) in k.iter_insts().collect::<Vec<_>>() {
            let Op::Cast { op: CastOp::Bitcast, a, .. } = k.insts[i].op else { continue };
            let Some(r) = k.insts[i].result else { continue };
            if a == old && k.ty(r) == ty {
                self.replaced.insert(r, new);
                self.candidates.insert(i);
            }
        }
        let replacement = if k.ty(old) == ty {
            new
        } else {
            let after = k.def_inst(new).expect("just built");
            let at = k.blocks[block].insts.iter().position(|&x| x == after).expect("in its block");
            let bits = k.ty(old);
            let mut b = KernelBuilder::new(k);
            b.at = Cursor::At(block, at + 1);
            b.cast(CastOp::Bitcast, new, bits)
        };
        self.replaced.insert(old, replacement);
        self.candidates.extend(k.def_inst(old));
    }

    /// Puts the new values in place of the old, and removes what nothing uses any more.
    fn finish(self, k: &mut Kernel) {
        if self.replaced.is_empty() {
            return;
        }
        let last = |mut v: Value| {
            while let Some(&next) = self.replaced.get(&v) {
                v = next;
            }
            v
        };
        for (_, i) in k.iter_insts().collect::<Vec<_>>() {
            let mut op = std::mem::replace(&mut k.insts[i].op, Op::Unreachable);
            op.map_operands(last);
            k.insts[i].op = op;
        }
        remove_unused(k, self.candidates);
    }
}

/// Removes those of the instructions that nothing uses any more, and what only they used.
pub(super) fn remove_unused(k: &mut Kernel, mut candidates: HashSet<Inst>) {
    loop {
        let mut uses: SecondaryMap<Value, u32> = SecondaryMap::new();
        for (_, i) in k.iter_insts() {
            k.insts[i].op.for_each_operand(|v| uses[v] += 1);
        }
        let dead: HashSet<Inst> = (candidates.iter().copied())
            .filter(|&i| k.insts[i].result.is_some_and(|r| uses[r] == 0))
            .collect();
        if dead.is_empty() {
            return;
        }
        for &i in &dead {
            let op = k.insts[i].op.clone();
            op.for_each_operand(|v| {
                let def = k.def_inst(v).filter(|&d| k.insts[d].op.is_pure());
                candidates.extend(def);
            });
        }
        for b in k.layout.clone() {
            k.blocks[b].insts.retain(|i| !dead.contains(i));
        }
        // What is gone is asked for no more.
        candidates.retain(|i| !dead.contains(i));
    }
}

/// Types whose 32 bits are floats.
fn is_word_of_floats(ty: Type) -> bool {
    matches!(ty, Type::F32 | Type::Vec(Lane::Float(FloatTy::F16 | FloatTy::Bf16), 2))
}

/// What a value is the bits of.
fn bits_of(k: &Kernel, v: Value) -> Option<Value> {
    match k.def_op(v)? {
        Op::Cast { op: CastOp::Bitcast, a, .. } => Some(*a),
        _ => None,
    }
}

/// The type of floats that somebody casts a value to.
fn cast_of(k: &Kernel, v: Value) -> Option<Type> {
    k.iter_insts().find_map(|(_, i)| match k.insts[i].op {
        Op::Cast { op: CastOp::Bitcast, a, .. } if a == v => {
            k.insts[i].result.map(|r| k.ty(r)).filter(|t| is_word_of_floats(*t))
        }
        _ => None,
    })
}

/// The values that member `n` of a pair is taken out as.
pub(super) fn members(k: &Kernel, pair: Value, n: u32) -> Vec<Value> {
    let takes =
        |i: Inst| matches!(&k.insts[i].op, Op::ExtractValue { agg, path } if *agg == pair && path[..] == [n]);
    k.iter_insts().filter(|&(_, i)| takes(i)).filter_map(|(_, i)| k.insts[i].result).collect()
}

/// The bits of a value as another type of the same size, without going there and back.
pub(super) fn seen_as(b: &mut KernelBuilder<'_>, v: Value, ty: Type) -> Value {
    if b.k.ty(v) == ty {
        return v;
    }
    if let Some(from) = bits_of(b.k, v).filter(|&f| b.k.ty(f) == ty) {
        return from;
    }
    match (b.k.as_const(v).cloned(), ty) {
        (Some(Const::Int(n)), Type::Float(_)) => b.k.constant(ty, Const::Float(n as u64)),
        (Some(c @ (Const::Undef | Const::Poison)), _) => b.k.constant(ty, c),
        _ => b.cast(CastOp::Bitcast, v, ty),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(body: &str) -> String {
        let text =
            format!("kernel @k(ptr.global %x, f32 %f, f64 %d, i64 %n, i32 %l) nvptx {{ entry: {body} ret }}");
        let mut k = parse(&text).unwrap_or_else(|e| panic!("{e}"));
        name_floats(&mut k);
        verify(&k).unwrap_or_else(|e| panic!("{e}\n{}", print(&k)));
        print(&k)
    }

    /// Catches: a predicate that gets lost, a bitcast that stays between.
    #[test]
    fn words_with_predicates() {
        let text = rewritten(
            "%b = bitcast f32 %f to i32 %p = warp.shfl_up_p i32 -1, i32 %b, i32 %l, 0
             %v = extractvalue %p, 0 %ok = extractvalue %p, 1 %r = bitcast i32 %v to f32
             %c = select i1 %ok, f32 %r, 0.0 store f32 %c, %x, align 4",
        );
        assert!(text.contains("warp.shfl_up_p i32 -1, f32 %f, i32 %l, 0"), "{text}");
        assert!(!text.contains("bitcast") && text.matches("warp.").count() == 1, "{text}");
    }
}
