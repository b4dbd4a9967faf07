//! Doubles that go from lane to lane in two halves go whole.
//!
//! The halves are two operations in one block that differ in nothing but what they move. The one that stands for both is where the
//! first of them was, so that the same lanes take part; where the halves are put together again does not matter: LLVM sinks that
//! to its use, behind a branch too.

use super::shuffles::{members, remove_unused, seen_as};
use crate::kernel::warp::{steering, warp_op};
use crate::kernel::*;
use std::collections::{HashMap, HashSet};

/// Rewrites all of them. True when something changed.
pub fn join(k: &mut Kernel) -> bool {
    let mut unused: HashSet<Inst> = HashSet::new();
    while let Some(pair) = find(k) {
        pair.join(k, &mut unused);
    }
    let changed = !unused.is_empty();
    remove_unused(k, unused);
    changed
}

/// Two operations that move the halves of something.
struct Pair {
    low: Inst,
    high: Inst,
    block: Block,
    /// The first of the two.
    first: Inst,
    /// What is handed on, by operand.
    moved: Vec<(usize, Whole)>,
    /// What puts the results together again.
    together: Vec<Inst>,
}

/// What two words are the halves of.
#[derive(Clone, Copy)]
enum Whole {
    /// A double.
    Float(Value),
    /// Something else of 64 bits.
    Bits(Value),
    Constant(u64),
    /// Low and high word of nothing yet.
    Words(Value, Value),
}

/// Where two words are put together.
type Together = HashMap<(Value, Value), Vec<Inst>>;

fn find(k: &Kernel) -> Option<Pair> {
    let words: Vec<(Block, Vec<Inst>)> = (k.layout.iter())
        .map(|&b| (b, k.blocks[b].insts.iter().copied().filter(|&i| moves_words(k, i)).collect()))
        .filter(|(_, all): &(Block, Vec<Inst>)| all.len() > 1)
        .collect();
    if words.is_empty() {
        return None;
    }
    let mut together = Together::new();
    let mut doubles: HashSet<Value> = HashSet::new();
    for (_, i) in k.iter_insts() {
        if let Some(words) = put_together(k, i) {
            together.entry(words).or_default().push(i);
        }
        if let (Op::Cast { op: CastOp::Bitcast, a, .. }, Some(r)) = (&k.insts[i].op, k.insts[i].result) {
            if k.ty(r) == Type::F64 {
                doubles.extend([*a, root(k, *a)]);
            }
        }
    }
    for (block, all) in words {
        for (n, &x) in all.iter().enumerate() {
            let others = all[n + 1..].iter().filter(|&&y| same_but_value(k, x, y));
            let mut pairs: Vec<Pair> = others
                .flat_map(|&y| [(x, y), (y, x)])
                .filter_map(|(low, high)| pair(k, &together, &doubles, block, (low, high), x))
                .collect();
            // Of several with the same halves, the one that belongs to it.
            let best = pairs.iter().position(|p| !p.together.is_empty()).unwrap_or(0);
            if best < pairs.len() {
                return Some(pairs.swap_remove(best));
            }
        }
    }
    None
}

fn pair(
    k: &Kernel,
    together: &Together,
    doubles: &HashSet<Value>,
    block: Block,
    (low, high): (Inst, Inst),
    first: Inst,
) -> Option<Pair> {
    let (op, a) = warp_op(&k.insts[low].op)?;
    let (_, b) = warp_op(&k.insts[high].op)?;
    let moved: Vec<(usize, Whole)> = op.handed_on().iter().map(|&m| (m, whole(k, a[m], b[m]))).collect();
    let mut all = Vec::new();
    for &l in &results(k, low) {
        for &h in &results(k, high) {
            all.extend(together.get(&(l, h)).into_iter().flatten().copied());
        }
    }
    let is = |w: &Whole| matches!(w, Whole::Float(_));
    let from_double = moved.iter().any(|(_, w)| is(w))
        && moved.iter().all(|(_, w)| is(w) || matches!(w, Whole::Constant(_)));
    let to_double = all.iter().any(|&i| k.insts[i].result.is_some_and(|r| doubles.contains(&r)));
    // Both words must be there where the first operation is.
    let at = |i: Inst| k.blocks[block].insts.iter().position(|&x| x == i);
    let place = at(first)?;
    let there = |v: Value| k.def_inst(v).and_then(at).is_none_or(|p| p < place);
    let ready = moved.iter().all(|(_, w)| match w {
        Whole::Words(l, h) => there(*l) && there(*h),
        _ => true,
    });
    (from_double || to_double && ready).then_some(Pair { low, high, block, first, moved, together: all })
}

impl Pair {
    fn join(self, k: &mut Kernel, unused: &mut HashSet<Inst>) {
        let Some((op, args)) = warp_op(&k.insts[self.low].op) else { return };
        let mut args: smallvec::SmallVec<[Value; 4]> = args.iter().copied().collect();
        let result = k.insts[self.low].result.map(|r| k.ty(r));
        let place = k.blocks[self.block].insts.iter().position(|&x| x == self.first).expect("in its block");
        let mut b = KernelBuilder::new(k);
        b.at = Cursor::At(self.block, place);
        b.loc = b.k.insts[self.first].loc;
        for &(m, w) in &self.moved {
            args[m] = w.as_double(&mut b);
        }
        let (new, flag) = match result {
            Some(Type::Agg(_)) => {
                let ty = b.k.struct_ty(&[Type::F64, Type::I1]);
                let both = b.value(Op::Warp { op, args }, ty);
                (b.extract_value(both, 0), Some(b.extract_value(both, 1)))
            }
            _ => (b.value(Op::Warp { op, args }, Type::F64), None),
        };
        let bits = b.cast(CastOp::Bitcast, new, Type::I64);
        let by = b.k.int(Type::I64, 32);
        let up = b.binary(BinOp::LShr, bits, by);
        let (low, high) = (b.cast(CastOp::Trunc, bits, Type::I32), b.cast(CastOp::Trunc, up, Type::I32));
        unused.extend([bits, up, low, high].iter().filter_map(|&v| b.k.def_inst(v)));
        let mut instead: HashMap<Value, Value> = HashMap::new();
        for (half, word) in [(self.low, low), (self.high, high)] {
            instead.extend(results(b.k, half).into_iter().map(|v| (v, word)));
            if let (Some(r), Some(flag)) = (b.k.insts[half].result, flag) {
                instead.extend(members(b.k, r, 1).into_iter().map(|v| (v, flag)));
            }
        }
        for i in &self.together {
            let r = b.k.insts[*i].result.expect("it has a value");
            let all = match b.k.ty(r) {
                Type::I64 => bits,
                ty => b.cast(CastOp::Bitcast, new, ty),
            };
            unused.extend(b.k.def_inst(all));
            instead.insert(r, all);
        }
        unused.extend(instead.keys().filter_map(|&v| b.k.def_inst(v)));
        replace(k, instead, unused);
        k.blocks[self.block].insts.retain(|&i| i != self.low && i != self.high);
    }
}

/// Puts values in place of others, and doubles in place of their bits as doubles.
fn replace(k: &mut Kernel, instead: HashMap<Value, Value>, unused: &mut HashSet<Inst>) {
    let of = |v: Value| instead.get(&v).copied().unwrap_or(v);
    let all: Vec<Inst> = k.iter_insts().map(|(_, i)| i).collect();
    let mut doubles: HashMap<Value, Value> = HashMap::new();
    for &i in &all {
        k.insts[i].op.map_operands(of);
        let (Op::Cast { op: CastOp::Bitcast, a, .. }, Some(r)) = (&k.insts[i].op, k.insts[i].result) else {
            continue;
        };
        let from = root(k, *a);
        if k.ty(r) == Type::F64 && k.ty(from) == Type::F64 {
            doubles.insert(r, from);
            unused.insert(i);
        }
    }
    for i in all.into_iter().filter(|_| !doubles.is_empty()) {
        k.insts[i].op.map_operands(|mut v| {
            while let Some(&from) = doubles.get(&v) {
                v = from;
            }
            v
        });
    }
}

impl Whole {
    fn as_double(self, b: &mut KernelBuilder<'_>) -> Value {
        match self {
            Whole::Float(x) => x,
            Whole::Bits(v) => seen_as(b, v, Type::F64),
            Whole::Constant(bits) => b.k.constant(Type::F64, Const::Float(bits)),
            Whole::Words(low, high) => {
                let (low, high) =
                    (b.cast(CastOp::ZExt, low, Type::I64), b.cast(CastOp::ZExt, high, Type::I64));
                let by = b.k.int(Type::I64, 32);
                let up = b.binary(BinOp::Shl, high, by);
                let bits = b.binary(BinOp::Or, up, low);
                b.cast(CastOp::Bitcast, bits, Type::F64)
            }
        }
    }
}

/// An operation that moves words that no float is known of.
fn moves_words(k: &Kernel, i: Inst) -> bool {
    let Some((op, args)) = warp_op(&k.insts[i].op) else { return false };
    let moved = op.handed_on();
    !moved.is_empty() && moved.iter().all(|&m| k.ty(args[m]) == Type::I32) && !results(k, i).is_empty()
}

/// The words that such an operation gives.
fn results(k: &Kernel, i: Inst) -> Vec<Value> {
    match k.insts[i].result {
        Some(r) if matches!(k.ty(r), Type::Agg(_)) => members(k, r, 0),
        r => r.into_iter().collect(),
    }
}

/// Two operations that differ in nothing but what they move.
fn same_but_value(k: &Kernel, x: Inst, y: Inst) -> bool {
    match (warp_op(&k.insts[x].op), warp_op(&k.insts[y].op)) {
        (Some((op, a)), Some((other, b))) => op == other && steering(op, a) == steering(op, b),
        _ => false,
    }
}

/// What two words, low and high, are the halves of.
fn whole(k: &Kernel, low: Value, high: Value) -> Whole {
    let constant = |v: Value| match k.as_const(v)? {
        Const::Int(n) => Some(*n as u64 & 0xffff_ffff),
        Const::Zero | Const::Undef | Const::Poison => Some(0),
        _ => None,
    };
    if let (Some(l), Some(h)) = (constant(low), constant(high)) {
        return Whole::Constant(h << 32 | l);
    }
    match (half(k, low), half(k, high)) {
        (Some((a, false)), Some((b, true))) if a == b => match k.ty(a) {
            Type::F64 => Whole::Float(a),
            _ => Whole::Bits(a),
        },
        _ => Whole::Words(low, high),
    }
}

/// The 64 bits that a word is half of, and whether it is the upper half.
fn half(k: &Kernel, v: Value) -> Option<(Value, bool)> {
    match k.def_op(v)? {
        Op::Cast { op: CastOp::Trunc, a, .. } if k.ty(*a) == Type::I64 => Some(match k.def_op(*a) {
            Some(Op::Binary { op: BinOp::LShr | BinOp::AShr, a, b, .. }) if k.as_int(*b) == Some(32) => {
                (root(k, *a), true)
            }
            _ => (root(k, *a), false),
        }),
        Op::ExtractElement { vec, index } if k.ty(*vec) == Type::Vec(Lane::Int(32), 2) => {
            match k.as_int(*index)? {
                0 => Some((root(k, *vec), false)),
                1 => Some((root(k, *vec), true)),
                _ => None,
            }
        }
        _ => None,
    }
}

/// What something is the bits of.
fn root(k: &Kernel, mut v: Value) -> Value {
    while let Some(Op::Cast { op: CastOp::Bitcast, a, .. }) = k.def_op(v) {
        v = *a;
    }
    v
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

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(body: &str) -> String {
        let text =
            format!("kernel @k(ptr.global %x, f32 %f, f64 %d, i64 %n, i32 %l) nvptx {{ entry: {body} ret }}");
        let mut k = parse(&text).unwrap_or_else(|e| panic!("{e}"));
        super::super::name_floats(&mut k);
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

    /// Catches: operations with two operands that are handed on, words that come from nowhere, a second shuffle behind the first.
    #[test]
    fn more_than_halves_of_doubles() {
        let dpp = "i32 273, i32 15, i32 15, i1 true";
        let text = rewritten(&format!(
            "{HALVES} %sl = warp.update_dpp i32 0, i32 %lo, {dpp} %sh = warp.update_dpp i32 0, i32 %hi, {dpp} {JOINED}"
        ));
        assert!(text.contains("warp.update_dpp f64 0.0, %d, i32 273"), "{text}");
        assert!(text.matches("warp.").count() == 1 && !text.contains("bitcast"), "{text}");
        let twice = "%a = trunc i64 %n to i32
            %al = warp.shfl_up i32 -1, i32 %a, 1, 0 %ah = warp.shfl_up i32 -1, i32 %l, 1, 0
            %sl = warp.shfl_bfly i32 -1, i32 %al, i32 2, 31 %sh = warp.shfl_bfly i32 -1, i32 %ah, i32 2, 31";
        let text = rewritten(&format!("{twice} {JOINED}"));
        assert_eq!(text.matches("warp.").count(), 2, "{text}");
        assert!(text.contains("warp.shfl_bfly i32 -1, f64 %"), "{text}");
    }

    /// Catches: two shuffles that only look like halves of one becoming one.
    #[test]
    fn what_does_not_belong_together() {
        for (low, high) in [
            ("warp.shfl_down i32 -1, i32 %lo, i32 %l, 31", "warp.shfl_down i32 -1, i32 %hi, i32 1, 31"),
            ("warp.shfl_down i32 -1, i32 %lo, i32 %l, 31", "warp.shfl_up i32 -1, i32 %hi, i32 %l, 31"),
        ] {
            let text = rewritten(&format!("{HALVES} %sl = {low} %sh = {high} {JOINED}"));
            assert_eq!(text.matches("warp.").count(), 2, "{text}");
        }
        // Put together the wrong way round, the halves are another double.
        let text = rewritten(&format!(
            "{HALVES} %sl = warp.shfl_idx i32 -1, i32 %hi, i32 %l, 31 %sh = warp.shfl_idx i32 -1, i32 %lo, i32 %l, 31 {JOINED}"
        ));
        assert!(text.contains("shl") && text.contains("trunc"), "{text}");
        // Integers stay what they are.
        let text = rewritten("%a = trunc i64 %n to i32 %s = warp.shfl_idx i32 -1, i32 %a, i32 %l, 31 store i32 %s, %x, align 4");
        assert!(text.contains("i32 -1, %a, %l"), "{text}");
    }
}
