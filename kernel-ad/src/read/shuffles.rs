//! Operations among the threads of a warp move words of 32 bits. Sources that move something else take it apart: floats
//! travel as integers, doubles in two halves. Here such operations become one that moves the float itself, bit for
//! bit the same, so that what comes after sees what is moved.

use crate::kernel::warp::warp_op;
use crate::kernel::*;
use cranelift_entity::SecondaryMap;
use std::collections::{HashMap, HashSet};

/// Rewrites all of them in a complete kernel.
pub fn name_floats(k: &mut Kernel) {
    let mut names = Names { replaced: HashMap::new(), candidates: HashSet::new() };
    for b in k.layout.clone() {
        names.join_halves(k, b);
    }
    names.finish(k);
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

/// One of two shuffles that move the halves of something.
struct Half {
    /// The shuffle.
    inst: Inst,
    /// Its operand comes from these 64 bits.
    whole: Value,
    /// It is the upper half.
    upper: bool,
}

impl Names {
    /// Two shuffles of the halves of 64 bits, whose results are put together again.
    fn join_halves(&mut self, k: &mut Kernel, block: Block) {
        for i in k.blocks[block].insts.clone() {
            let Some(joined) = k.insts[i].result else { continue };
            let Some((low, high)) = put_together(k, i) else { continue };
            let (Some(a), Some(b)) = (half(k, low), half(k, high)) else { continue };
            if a.upper || !b.upper || a.whole != b.whole || !same_but_value(k, a.inst, b.inst) {
                continue;
            }
            let at = |inst: Inst| k.blocks[block].insts.iter().position(|&x| x == inst);
            let (Some(pa), Some(pb)) = (at(a.inst), at(b.inst)) else { continue };
            let floats = |v: Value| k.ty(v) == Type::F64;
            let from_double = matches!(bits_of(k, a.whole), Some(v) if floats(v));
            let to_double = k.ty(joined) == Type::F64 || users_are_casts_to(k, joined, Type::F64);
            if !from_double && !to_double {
                continue;
            }
            let whole = a.whole;
            let new = self.insert(k, block, pa.max(pb) + 1, a.inst, &|_| Some(whole), Type::F64);
            self.stand_in(k, block, joined, new);
            self.candidates.extend([a.inst, b.inst]);
        }
    }

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
    fn finish(mut self, k: &mut Kernel) {
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
        loop {
            let mut uses: SecondaryMap<Value, u32> = SecondaryMap::new();
            for (_, i) in k.iter_insts() {
                k.insts[i].op.for_each_operand(|v| uses[v] += 1);
            }
            let dead: HashSet<Inst> = (self.candidates.iter().copied())
                .filter(|&i| k.insts[i].result.is_some_and(|r| uses[r] == 0))
                .collect();
            if dead.is_empty() {
                return;
            }
            for &i in &dead {
                let op = k.insts[i].op.clone();
                op.for_each_operand(|v| {
                    let def = k.def_inst(v).filter(|&d| k.insts[d].op.is_pure());
                    self.candidates.extend(def);
                });
                self.candidates.remove(&i);
            }
            for b in k.layout.clone() {
                k.blocks[b].insts.retain(|i| !dead.contains(i));
            }
            // What is gone is asked for no more.
            self.candidates.retain(|i| !dead.contains(i));
        }
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

fn users_are_casts_to(k: &Kernel, v: Value, ty: Type) -> bool {
    k.iter_insts().any(|(_, i)| {
        matches!(k.insts[i].op, Op::Cast { op: CastOp::Bitcast, a, .. } if a == v)
            && k.insts[i].result.is_some_and(|r| k.ty(r) == ty)
    })
}

/// The values that member `n` of a pair is taken out as.
fn members(k: &Kernel, pair: Value, n: u32) -> Vec<Value> {
    let takes =
        |i: Inst| matches!(&k.insts[i].op, Op::ExtractValue { agg, path } if *agg == pair && path[..] == [n]);
    k.iter_insts().filter(|&(_, i)| takes(i)).filter_map(|(_, i)| k.insts[i].result).collect()
}

/// The low and the high word that an instruction puts together to 64 bits.
fn put_together(k: &Kernel, i: Inst) -> Option<(Value, Value)> {
    let def = |v: Value| k.def_op(v);
    let widened = |v: Value| match def(v)? {
        Op::Cast { op: CastOp::ZExt, a, .. } if k.ty(*a) == Type::I32 => Some(*a),
        _ => None,
    };
    let raised = |v: Value| match def(v)? {
        Op::Binary { op: BinOp::Shl, a, b, .. } if k.as_int(*b) == Some(32) => widened(*a),
        _ => None,
    };
    match &k.insts[i].op {
        Op::Binary { op: BinOp::Or | BinOp::Add | BinOp::Xor, a, b, .. } if k.ty(*a) == Type::I64 => {
            match (widened(*a), raised(*b)) {
                (Some(low), Some(high)) => Some((low, high)),
                _ => Some((widened(*b)?, raised(*a)?)),
            }
        }
        Op::InsertElement { vec, elem, index } if k.ty(*vec) == Type::Vec(Lane::Int(32), 2) => {
            let Some(Op::InsertElement { vec: first, elem: other, index: at }) = def(*vec) else {
                return None;
            };
            let nothing = matches!(k.as_const(*first), Some(Const::Undef | Const::Poison));
            match (k.as_int(*at), k.as_int(*index)) {
                (Some(0), Some(1)) if nothing => Some((*other, *elem)),
                (Some(1), Some(0)) if nothing => Some((*elem, *other)),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The shuffle that gave a word, when it moved half of 64 bits.
fn half(k: &Kernel, moved: Value) -> Option<Half> {
    let mut inst = k.def_inst(moved)?;
    if let Op::ExtractValue { agg, path } = &k.insts[inst].op {
        (path[..] == [0]).then_some(())?;
        inst = k.def_inst(*agg)?;
    }
    let (op, args) = warp_op(&k.insts[inst].op)?;
    let &[m] = op.handed_on() else { return None };
    let v = args[m];
    (k.ty(v) == Type::I32).then_some(())?;
    let (whole, upper) = match k.def_op(v)? {
        Op::Cast { op: CastOp::Trunc, a, .. } if k.ty(*a) == Type::I64 => match k.def_op(*a) {
            Some(Op::Binary { op: BinOp::LShr | BinOp::AShr, a, b, .. }) if k.as_int(*b) == Some(32) => {
                (*a, true)
            }
            _ => (*a, false),
        },
        Op::ExtractElement { vec, index } if k.ty(*vec) == Type::Vec(Lane::Int(32), 2) => (
            *vec,
            match k.as_int(*index)? {
                0 => false,
                1 => true,
                _ => return None,
            },
        ),
        _ => return None,
    };
    Some(Half { inst, whole, upper })
}

/// Two operations that differ in nothing but what they move.
fn same_but_value(k: &Kernel, x: Inst, y: Inst) -> bool {
    let (Some((op, a)), Some((other, b))) = (warp_op(&k.insts[x].op), warp_op(&k.insts[y].op)) else {
        return false;
    };
    op == other && (0..a.len()).all(|i| op.handed_on().contains(&i) || a[i] == b[i])
}

/// The bits of a value as another type of the same size, without going there and back.
fn seen_as(b: &mut KernelBuilder<'_>, v: Value, ty: Type) -> Value {
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

    const HALVES: &str = "%b = bitcast f64 %d to i64 %lo = trunc i64 %b to i32 %up = lshr i64 %b, 32 %hi = trunc i64 %up to i32";
    const JOINED: &str =
        "%zl = zext i32 %sl to i64 %zh = zext i32 %sh to i64 %s = shl i64 %zh, 32 %o = or i64 %s, %zl
        %r = bitcast i64 %o to f64 store f64 %r, %x, align 8";

    /// Catches: halves of a double that stay integers, or are left behind beside the double.
    #[test]
    fn doubles_in_halves() {
        let text = rewritten(&format!(
            "{HALVES} %sl = warp.shfl_down i32 -1, i32 %lo, i32 %l, 31 %sh = warp.shfl_down i32 -1, i32 %hi, i32 %l, 31 {JOINED}"
        ));
        assert!(text.contains("warp.shfl_down i32 -1, f64 %d, i32 %l, 31"), "{text}");
        assert_eq!((text.matches("warp.").count(), text.matches("i64").count()), (1, 1), "{text}");
        let vectors = rewritten(
            "%b = bitcast f64 %d to <2 x i32> %lo = extractelement <2 x i32> %b, i32 0 %hi = extractelement <2 x i32> %b, i32 1
             %sl = warp.shfl_up i32 -1, i32 %lo, i32 %l, 0 %sh = warp.shfl_up i32 -1, i32 %hi, i32 %l, 0
             %u = insertelement <2 x i32> undef, i32 %sl, i32 0 %v = insertelement <2 x i32> %u, i32 %sh, i32 1
             %r = bitcast <2 x i32> %v to f64 store f64 %r, %x, align 8",
        );
        assert!(vectors.contains("warp.shfl_up i32 -1, f64 %d, i32 %l, 0"), "{vectors}");
    }

    /// Catches: two shuffles that only look like halves of one becoming one.
    #[test]
    fn what_does_not_belong_together() {
        for (low, high) in [
            ("warp.shfl_down i32 -1, i32 %lo, i32 %l, 31", "warp.shfl_down i32 -1, i32 %hi, i32 1, 31"),
            ("warp.shfl_down i32 -1, i32 %lo, i32 %l, 31", "warp.shfl_up i32 -1, i32 %hi, i32 %l, 31"),
            ("warp.shfl_down i32 -1, i32 %hi, i32 %l, 31", "warp.shfl_down i32 -1, i32 %lo, i32 %l, 31"),
            ("warp.shfl_down i32 -1, i32 %lo, i32 %l, 31", "warp.shfl_down i32 -1, i32 %lo, i32 %l, 31"),
        ] {
            let text = rewritten(&format!("{HALVES} %sl = {low} %sh = {high} {JOINED}"));
            assert_eq!(text.matches("warp.").count(), 2, "{text}");
        }
        // Integers stay what they are.
        let text = rewritten("%a = trunc i64 %n to i32 %s = warp.shfl_idx i32 -1, i32 %a, i32 %l, 31 store i32 %s, %x, align 4");
        assert!(text.contains("i32 -1, %a, %l"), "{text}");
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
