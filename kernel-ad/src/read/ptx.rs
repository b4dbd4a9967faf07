//! PTX arithmetic in inline assembly, as CUDA's headers (half, bf16) and libdevice write it: statements are executed on
//! symbols, one after another, and leave instructions of Kernel IR. What is not understood leaves nothing.

use super::asm::{AsmCall, Statement};
use super::nvptx::special_register;
use super::{ptx_convert, ptx_integer, ptx_memory, ptx_warp};
use crate::kernel::*;
use crate::mathlib;
use smallvec::smallvec;
use std::collections::{HashMap, HashSet};

/// Registers while the statements are executed.
pub(super) struct Machine<'a, 't> {
    pub call: &'a AsmCall,
    pub registers: HashMap<&'t str, Value>,
    /// The carry flag of `.cc` instructions.
    pub carry: Option<Value>,
    /// Registers that were declared as halves.
    halves: HashSet<&'t str>,
}

/// Builds what the statements compute, and gives their result if they have one; `None`, and nothing built, when they are not
/// all understood.
pub(super) fn build(
    b: &mut KernelBuilder,
    statements: &[Statement<'_>],
    call: &AsmCall,
) -> Option<Option<Value>> {
    let (block, before) = (b.current(), b.k.blocks[b.current()].insts.len());
    let mut m = Machine { call, registers: HashMap::new(), carry: None, halves: HashSet::new() };
    let done = statements.iter().try_for_each(|s| m.execute(b, s)).and_then(|()| match call.outputs {
        0 => Some(None),
        _ => m.result(b).map(Some),
    });
    if done.is_none() {
        b.k.blocks[block].insts.truncate(before);
    }
    done
}

/// Type of a type word of PTX; integers and bits are plain integers.
pub(super) fn type_of(word: &str) -> Option<Type> {
    Some(match word {
        "f16" => Type::Float(FloatTy::F16),
        "bf16" => Type::Float(FloatTy::Bf16),
        "f16x2" => Type::Vec(Lane::Float(FloatTy::F16), 2),
        "bf16x2" => Type::Vec(Lane::Float(FloatTy::Bf16), 2),
        "f32" => Type::F32,
        "f64" => Type::F64,
        "pred" => Type::I1,
        w => {
            matches!(w.as_bytes().first(), Some(b's' | b'u' | b'b')).then_some(())?;
            match w.get(1..)?.parse().ok()? {
                bits @ (8 | 16 | 32 | 64) => Type::Int(bits),
                _ => return None,
            }
        }
    })
}

/// A register's bits as a value of that type.
pub(super) fn view(b: &mut KernelBuilder, v: Value, ty: Type) -> Option<Value> {
    let have = b.k.ty(v);
    if have == ty {
        return Some(v);
    }
    if let (Type::Ptr(_), Type::Int(_)) = (have, ty) {
        return (b.k.bytes(have) == b.k.bytes(ty)).then(|| b.cast(CastOp::PtrToInt, v, ty));
    }
    // Looking through a cast there and back keeps the code as short as the source.
    if let Some(&Op::Cast { op: CastOp::Bitcast, a, .. }) = b.k.def_op(v) {
        if b.k.ty(a) == ty {
            return Some(a);
        }
    }
    if let (Some(&Const::Int(bits)), Type::Float(_)) = (b.k.as_const(v), ty) {
        if b.k.bytes(have) == b.k.bytes(ty) {
            return Some(b.k.constant(ty, Const::Float(bits as u64)));
        }
    }
    let plain = !have.is_ptr() && !ty.is_ptr() && have != Type::I1 && ty != Type::I1;
    (plain && b.k.bytes(have) == b.k.bytes(ty)).then(|| b.cast(CastOp::Bitcast, v, ty))
}

/// Bits of a literal: `12`, `0x3fb8aa3bU`, `0f3F800000`, `0d3FF0000000000000`.
pub(super) fn literal(text: &str) -> Option<u64> {
    let t = text.trim_end_matches(['U', 'u']);
    for prefix in ["0x", "0X", "0f", "0F", "0d", "0D"] {
        if let Some(hex) = t.strip_prefix(prefix) {
            return u64::from_str_radix(hex, 16).ok();
        }
    }
    t.parse::<i64>().ok().map(|n| n as u64)
}

impl<'t> Machine<'_, 't> {
    /// An operand as a value of that type.
    pub fn read(&self, b: &mut KernelBuilder, operand: &str, ty: Type) -> Option<Value> {
        let v = match self.get(operand) {
            Some(v) => v,
            None => match (ty, operand.contains('.').then(|| operand.parse::<f64>().ok()).flatten()) {
                (Type::F32, Some(x)) => {
                    return Some(b.k.constant(ty, Const::Float((x as f32).to_bits().into())))
                }
                (Type::F64, Some(x)) => return Some(b.k.constant(ty, Const::Float(x.to_bits()))),
                _ => {
                    let bits = literal(operand)?;
                    let int = Type::Int((b.k.bytes(ty) * 8) as u16);
                    b.k.int(int, bits.into())
                }
            },
        };
        view(b, v, ty)
    }

    /// What a register holds.
    pub fn get(&self, operand: &str) -> Option<Value> {
        self.registers.get(operand).copied().or_else(|| self.call.input(operand))
    }

    /// A predicate, or its opposite (`!p`).
    pub fn predicate(&self, b: &mut KernelBuilder, operand: &str) -> Option<Value> {
        let (name, negated) = operand.strip_prefix('!').map_or((operand, false), |p| (p, true));
        let p = self.registers.get(name).copied().filter(|&p| b.k.ty(p) == Type::I1)?;
        if !negated {
            return Some(p);
        }
        let one = b.k.int(Type::I1, 1);
        Some(b.binary(BinOp::Xor, p, one))
    }

    /// Writes a register; with a guard, only where its predicate allows.
    fn write(&mut self, b: &mut KernelBuilder, s: &Statement<'t>, to: &'t str, v: Value) -> Option<()> {
        let v = match s.guard {
            None => v,
            Some((p, negated)) => {
                let p = self.predicate(b, p)?;
                let ty = b.k.ty(v);
                let old = match self.get(to) {
                    Some(old) => view(b, old, ty)?,
                    None => b.k.constant(ty, Const::Undef),
                };
                let (yes, no) = if negated { (old, v) } else { (v, old) };
                b.select(p, yes, no)
            }
        };
        self.registers.insert(to, v);
        Some(())
    }

    fn execute(&mut self, b: &mut KernelBuilder, s: &Statement<'t>) -> Option<()> {
        let (&first, &last) = (s.words.first()?, s.words.last()?);
        let acts = matches!(
            first,
            "ld" | "st"
                | "atom"
                | "red"
                | "membar"
                | "fence"
                | "shfl"
                | "vote"
                | "activemask"
                | "match"
                | "redux"
                | "elect"
                | "bar"
                | "barrier"
        );
        if acts && s.guard.is_some() {
            return None;
        }
        let value = match first {
            "reg" => {
                // `.reg .f16 a, b` and `.reg.f16 a, b`.
                let names = s.operands.iter().map(|o| o.strip_prefix(".f16").map_or(*o, str::trim));
                if last == "f16" || s.operands.first().is_some_and(|o| o.starts_with(".f16 ")) {
                    self.halves.extend(names);
                }
                return Some(());
            }
            "prefetch" | "prefetchu" | "applypriority" | "pragma" => return Some(()),
            "ld" | "st" | "atom" | "red" | "membar" | "fence" => return ptx_memory::execute(self, b, s),
            _ if acts => return ptx_warp::execute(self, b, s),
            "mov" => return self.mov(b, s, type_of(last)?),
            "setp" => {
                let (p, q) = self.set_predicates(b, s)?;
                let (to, other) = s.operands.first()?.split_once('|').unwrap_or((s.operands[0], "_"));
                self.write(b, s, to.trim(), p)?;
                return self.write(b, s, other.trim(), q);
            }
            // A hint for a cache, which the access it is made for ignores.
            "createpolicy" => b.k.int(Type::I64, 0),
            "cvta" => ptx_memory::convert_address(self, b, s)?,
            "cvt" => ptx_convert::convert(self, b, s)?,
            "set" => self.compare(b, s)?,
            "selp" => {
                let ty = type_of(last)?;
                let p = self.predicate(b, s.operands.get(3)?)?;
                let (x, y) = (self.read(b, s.operands.get(1)?, ty)?, self.read(b, s.operands.get(2)?, ty)?);
                b.select(p, x, y)
            }
            _ => {
                let ty = type_of(last)?;
                if ty.is_float() {
                    self.float(b, s, ty)?
                } else {
                    ptx_integer::compute(self, b, s, ty)?
                }
            }
        };
        self.write(b, s, s.operands.first()?, value)
    }

    /// Moves, and moves that take a register apart or put two together.
    fn mov(&mut self, b: &mut KernelBuilder, s: &Statement<'t>, ty: Type) -> Option<()> {
        let [to, from] = &s.groups[..] else { return None };
        match (&to[..], &from[..]) {
            (&[d], &[a]) => {
                let special = a.strip_prefix('%').or((a == "WARP_SZ").then_some(a)).map(special_register);
                let v = match special {
                    Some(Some(Special::Clock)) if ty != Type::I32 => return None,
                    Some(reg) => {
                        let v = b.special(reg?);
                        match ty {
                            Type::Int(w) if w > 32 => b.cast(CastOp::ZExt, v, ty),
                            _ => view(b, v, ty)?,
                        }
                    }
                    None if ty == Type::I1 => self.predicate(b, a)?,
                    // Bits of the right number stay what they are: a pointer, a float.
                    None => match self.get(a).filter(|&v| b.k.bytes(b.k.ty(v)) == b.k.bytes(ty)) {
                        Some(v) => v,
                        None => self.read(b, a, ty)?,
                    },
                };
                self.write(b, s, d, v)?;
            }
            (&[low, high], &[a]) if ty == Type::I32 && self.halves.contains(low) => {
                let pair = Type::Vec(Lane::Float(FloatTy::F16), 2);
                let v = self.read(b, a, pair)?;
                for (i, to) in (0..).zip([low, high]) {
                    let index = b.k.int(Type::I32, i);
                    let x = b.value(Op::ExtractElement { vec: v, index }, Type::Float(FloatTy::F16));
                    self.write(b, s, to, x)?;
                }
            }
            (&[low, high], &[a]) => {
                let Type::Int(w @ (32 | 64)) = ty else { return None };
                let half = Type::Int(w / 2);
                let v = self.read(b, a, ty)?;
                let n = b.k.int(ty, i128::from(w / 2));
                let lo = b.cast(CastOp::Trunc, v, half);
                let up = b.binary(BinOp::LShr, v, n);
                let hi = b.cast(CastOp::Trunc, up, half);
                self.write(b, s, low, lo)?;
                self.write(b, s, high, hi)?;
            }
            // A bfloat above 16 zeros is the same number as a float.
            (&[d], &["0", high]) if ty == Type::I32 => {
                let v = self.read(b, high, Type::Float(FloatTy::Bf16))?;
                let v = b.cast(CastOp::FpExt, v, Type::F32);
                self.write(b, s, d, v)?;
            }
            (&[d], &[low, high]) => {
                let Type::Int(w @ (32 | 64)) = ty else { return None };
                let half = Type::Int(w / 2);
                let v = match self.pair_of_floats(b, low, high).filter(|_| w == 32) {
                    Some(pair) => pair,
                    None => {
                        let (lo, hi) = (self.read(b, low, half)?, self.read(b, high, half)?);
                        let (lo, hi) = (b.cast(CastOp::ZExt, lo, ty), b.cast(CastOp::ZExt, hi, ty));
                        let n = b.k.int(ty, i128::from(w / 2));
                        let hi = b.binary(BinOp::Shl, hi, n);
                        b.binary(BinOp::Or, lo, hi)
                    }
                };
                self.write(b, s, d, v)?;
            }
            _ => return None,
        }
        Some(())
    }

    /// Two registers that hold small floats, as a vector of them.
    fn pair_of_floats(&self, b: &mut KernelBuilder, low: &str, high: &str) -> Option<Value> {
        let (x, y) = (self.get(low)?, self.get(high)?);
        let small = |b: &KernelBuilder, v: Value| {
            let ty = b.k.ty(v);
            let float = |t: Type| t.float().filter(|f| f.bytes() == 2 && t.lanes() == 1);
            float(ty).or_else(|| match b.k.def_op(v) {
                Some(Op::Cast { op: CastOp::Bitcast, a, .. }) => float(b.k.ty(*a)),
                _ => None,
            })
        };
        let format = small(b, x).filter(|f| small(b, y) == Some(*f))?;
        let (one, pair) = (Type::Float(format), Type::Vec(Lane::Float(format), 2));
        let (x, y) = (view(b, x, one)?, view(b, y, one)?);
        let (zero, next) = (b.k.int(Type::I32, 0), b.k.int(Type::I32, 1));
        let undef = b.k.constant(pair, Const::Undef);
        let v = b.value(Op::InsertElement { vec: undef, elem: x, index: zero }, pair);
        Some(b.value(Op::InsertElement { vec: v, elem: y, index: next }, pair))
    }

    pub fn sources(&self, b: &mut KernelBuilder, s: &Statement<'_>, ty: Type) -> Option<Vec<Value>> {
        s.operands.iter().skip(1).map(|o| self.read(b, o, ty)).collect()
    }

    fn float(&mut self, b: &mut KernelBuilder, s: &Statement<'_>, ty: Type) -> Option<Value> {
        let args = self.sources(b, s, ty)?;
        let modes = &s.words[1..s.words.len() - 1];
        let has = |m: &str| modes.contains(&m);
        // `relu`, `xorsign`, `cc` and the like change the result.
        let known = ["rn", "rz", "rm", "rp", "ftz", "sat", "NaN", "approx", "full", "noftz"];
        modes.iter().all(|m| known.contains(m)).then_some(())?;
        let none = Fmf::empty();
        let nearest = !["rz", "rm", "rp", "approx", "full"].iter().any(|m| has(m));
        let half = !matches!(ty, Type::Float(FloatTy::F32 | FloatTy::F64));
        let math = |b: &mut KernelBuilder, func, flavor, args: &[Value]| {
            b.value(Op::Math { func, flavor, args: args.iter().copied().collect(), fmf: none }, ty)
        };
        let approx = Flavor::Approx { ftz: has("ftz") };
        let r = match (s.words[0], &args[..]) {
            ("add", &[x, y]) if nearest => b.binary_fmf(BinOp::FAdd, x, y, none),
            ("sub", &[x, y]) if nearest => b.binary_fmf(BinOp::FSub, x, y, none),
            ("mul", &[x, y]) if nearest => b.binary_fmf(BinOp::FMul, x, y, none),
            ("neg", &[x]) => b.fneg(x, none),
            ("abs", &[_]) => math(b, MathFn::Fabs, Flavor::Llvm, &args),
            ("max", &[_, _]) => {
                math(b, if has("NaN") { MathFn::Fmaximum } else { MathFn::Fmax }, Flavor::Llvm, &args)
            }
            ("min", &[_, _]) => {
                math(b, if has("NaN") { MathFn::Fminimum } else { MathFn::Fmin }, Flavor::Llvm, &args)
            }
            ("copysign", &[sign, size]) => math(b, MathFn::Copysign, Flavor::Llvm, &[size, sign]),
            ("fma" | "mad", &[_, _, _]) if nearest => math(b, MathFn::Fma, Flavor::Llvm, &args),
            ("ex2", &[_]) if half => math(b, MathFn::Exp2, approx, &args),
            ("tanh", &[_]) => math(b, MathFn::Tanh, approx, &args),
            _ if !half && !has("sat") => {
                let suffix = if ty == Type::F32 { "f" } else { "d" };
                // `div.full` is an approximation with the range of a division.
                let head = s.words[..s.words.len() - 1].join(".").replace("full", "approx");
                let meaning = mathlib::from_callee(&format!("llvm.nvvm.{head}.{suffix}"))?;
                return mathlib::build(b, &meaning, &args, ty, none).ok()?;
            }
            _ => return None,
        };
        Some(if has("sat") {
            b.value(Op::Math { func: MathFn::Saturate, flavor: approx, args: smallvec![r], fmf: none }, ty)
        } else {
            r
        })
    }

    /// `setp.<cmp>[.<and|or|xor>].<type> p|q, a, b[, c]`: the comparison and its opposite, each combined with `c`.
    fn set_predicates(&mut self, b: &mut KernelBuilder, s: &Statement<'_>) -> Option<(Value, Value)> {
        let words: Vec<&str> = s.words.iter().copied().filter(|w| *w != "ftz").collect();
        let (rel, join, ty) = match words[..] {
            ["setp", rel, ty] => (rel, None, ty),
            ["setp", rel, join, ty] => (rel, Some(join), ty),
            _ => return None,
        };
        let yes = self.relation(b, s, rel, ty)?;
        let one = b.k.int(Type::I1, 1);
        let no = b.binary(BinOp::Xor, yes, one);
        let Some(join) = join else { return Some((yes, no)) };
        let op = match join {
            "and" => BinOp::And,
            "or" => BinOp::Or,
            "xor" => BinOp::Xor,
            _ => return None,
        };
        let c = self.predicate(b, s.operands.get(3)?)?;
        Some((b.binary(op, yes, c), b.binary(op, no, c)))
    }

    /// `set.<cmp>.<to>.<type>`: one or zero as a float, all ones or zero as an integer.
    fn compare(&mut self, b: &mut KernelBuilder, s: &Statement<'_>) -> Option<Value> {
        let words: Vec<&str> = s.words.iter().copied().filter(|w| *w != "ftz").collect();
        let ["set", rel, to, ty] = words[..] else { return None };
        let bit = self.relation(b, s, rel, ty)?;
        Some(match type_of(to)? {
            to if to.is_float() => b.cast(CastOp::UiToFp, bit, to),
            to => b.cast(CastOp::SExt, bit, to),
        })
    }

    /// The comparison of the second and third operand.
    fn relation(&mut self, b: &mut KernelBuilder, s: &Statement<'_>, rel: &str, word: &str) -> Option<Value> {
        let ty = type_of(word)?;
        let (x, y) = (s.operands.get(1)?, s.operands.get(2)?);
        let (x, y) = (self.read(b, x, ty)?, self.read(b, y, ty)?);
        if !ty.is_float() {
            let pred = match (rel, word.starts_with('s')) {
                ("eq", _) => IntPred::Eq,
                ("ne", _) => IntPred::Ne,
                ("lt", true) => IntPred::Slt,
                ("le", true) => IntPred::Sle,
                ("gt", true) => IntPred::Sgt,
                ("ge", true) => IntPred::Sge,
                ("lt" | "lo", false) => IntPred::Ult,
                ("le" | "ls", false) => IntPred::Ule,
                ("gt" | "hi", false) => IntPred::Ugt,
                ("ge" | "hs", false) => IntPred::Uge,
                _ => return None,
            };
            return Some(b.icmp(pred, x, y));
        }
        let pred = match rel {
            "eq" => FloatPred::Oeq,
            "ne" => FloatPred::One,
            "lt" => FloatPred::Olt,
            "le" => FloatPred::Ole,
            "gt" => FloatPred::Ogt,
            "ge" => FloatPred::Oge,
            "equ" => FloatPred::Ueq,
            "neu" => FloatPred::Une,
            "ltu" => FloatPred::Ult,
            "leu" => FloatPred::Ule,
            "gtu" => FloatPred::Ugt,
            "geu" => FloatPred::Uge,
            "nan" => FloatPred::Uno,
            "num" => FloatPred::Ord,
            _ => return None,
        };
        Some(b.fcmp(pred, x, y))
    }

    /// The type of the call's result that `$n` names.
    pub fn output_type(&self, k: &Kernel, operand: &str) -> Option<Type> {
        let n: u32 = operand.strip_prefix('$')?.parse().ok()?;
        match self.call.ret {
            Type::Agg(_) => k.agg_member(self.call.ret, &[n]),
            ty => (n == 0).then_some(ty),
        }
    }

    /// The outputs, in the shape of the call's result.
    fn result(&self, b: &mut KernelBuilder) -> Option<Value> {
        let output = |n: usize| self.registers.get(format!("${n}").as_str()).copied();
        let members = match self.call.ret {
            Type::Agg(id) => match &b.k.aggs[id] {
                AggTy::Struct { fields, .. } => fields.clone(),
                AggTy::Array { .. } => return None,
            },
            ty if self.call.outputs == 1 => return fit(b, output(0)?, ty),
            _ => return None,
        };
        (members.len() == self.call.outputs).then_some(())?;
        let mut whole = b.k.constant(self.call.ret, Const::Undef);
        for (i, ty) in members.into_iter().enumerate() {
            let elem = fit(b, output(i)?, ty)?;
            whole = b.value(Op::InsertValue { agg: whole, elem, path: smallvec![i as u32] }, self.call.ret);
        }
        Some(whole)
    }
}

/// A register's value in an output's type: integers may be wider or narrower.
fn fit(b: &mut KernelBuilder, v: Value, ty: Type) -> Option<Value> {
    match (b.k.ty(v), ty) {
        (Type::Int(1), _) | (_, Type::Int(1)) => view(b, v, ty),
        (Type::Int(have), Type::Int(want)) if have > want => Some(b.cast(CastOp::Trunc, v, ty)),
        (Type::Int(have), Type::Int(want)) if have < want => Some(b.cast(CastOp::ZExt, v, ty)),
        (Type::Ptr(_), Type::Int(_)) => Some(b.cast(CastOp::PtrToInt, v, ty)),
        _ => view(b, v, ty),
    }
}
