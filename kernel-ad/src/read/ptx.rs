//! PTX arithmetic in inline assembly, as CUDA's headers (half, bf16) and libdevice write it: statements are executed on
//! symbols, one after another, and leave instructions of Kernel IR. What is not understood leaves nothing.

use super::asm::{AsmCall, Statement};
use super::nvptx::special_register;
use super::ptx_convert;
use crate::kernel::*;
use crate::mathlib;
use smallvec::smallvec;
use std::collections::HashMap;

/// Registers while the statements are executed.
pub(super) struct Machine<'a, 't> {
    call: &'a AsmCall,
    registers: HashMap<&'t str, Value>,
    /// The carry flag of `.cc` instructions.
    carry: Option<Value>,
}

/// Builds what the statements compute; `None`, and nothing built, when they are not all understood.
pub(super) fn build(b: &mut KernelBuilder, statements: &[Statement<'_>], call: &AsmCall) -> Option<Value> {
    let (block, before) = (b.current(), b.k.blocks[b.current()].insts.len());
    let mut m = Machine { call, registers: HashMap::new(), carry: None };
    let done = statements.iter().try_for_each(|s| m.execute(b, s)).and_then(|()| m.result(b));
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
fn literal(text: &str) -> Option<u64> {
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
        let v = match self.registers.get(operand) {
            Some(&v) => v,
            None => match self.call.input(operand) {
                Some(v) => v,
                None => {
                    let bits = literal(operand)?;
                    let int = Type::Int((b.k.bytes(ty) * 8) as u16);
                    b.k.int(int, bits.into())
                }
            },
        };
        view(b, v, ty)
    }

    fn execute(&mut self, b: &mut KernelBuilder, s: &Statement<'t>) -> Option<()> {
        let (&first, &last) = (s.words.first()?, s.words.last()?);
        let value = match first {
            "reg" => return Some(()),
            "mov" => return self.mov(b, s, type_of(last)?),
            "cvt" => ptx_convert::convert(self, b, s)?,
            "setp" | "set" => self.compare(b, s)?,
            "selp" => {
                let ty = type_of(last)?;
                let p = self.registers.get(s.operands.get(3)?).copied().filter(|&p| b.k.ty(p) == Type::I1)?;
                let (x, y) = (self.read(b, s.operands.get(1)?, ty)?, self.read(b, s.operands.get(2)?, ty)?);
                b.select(p, x, y)
            }
            _ => {
                let ty = type_of(last)?;
                if ty.is_float() {
                    self.float(b, s, ty)?
                } else {
                    self.integer(b, s, ty)?
                }
            }
        };
        self.registers.insert(*s.operands.first()?, value);
        Some(())
    }

    /// Moves, and moves that take a register apart or put two together.
    fn mov(&mut self, b: &mut KernelBuilder, s: &Statement<'t>, ty: Type) -> Option<()> {
        let [to, from] = &s.groups[..] else { return None };
        match (&to[..], &from[..]) {
            (&[d], &[a]) => {
                let special = a.strip_prefix('%').or((a == "WARP_SZ").then_some(a)).map(special_register);
                let v = match special {
                    Some(reg) => b.special(reg.filter(|_| ty == Type::I32)?),
                    None => self.read(b, a, ty)?,
                };
                self.registers.insert(d, v);
            }
            (&[low, high], &[a]) => {
                let Type::Int(w @ (32 | 64)) = ty else { return None };
                let half = Type::Int(w / 2);
                let v = self.read(b, a, ty)?;
                let n = b.k.int(ty, i128::from(w / 2));
                let lo = b.cast(CastOp::Trunc, v, half);
                let up = b.binary(BinOp::LShr, v, n);
                let hi = b.cast(CastOp::Trunc, up, half);
                self.registers.insert(low, lo);
                self.registers.insert(high, hi);
            }
            (&[d], &[low, high]) => {
                let Type::Int(w @ (32 | 64)) = ty else { return None };
                let half = Type::Int(w / 2);
                let (lo, hi) = (self.read(b, low, half)?, self.read(b, high, half)?);
                let (lo, hi) = (b.cast(CastOp::ZExt, lo, ty), b.cast(CastOp::ZExt, hi, ty));
                let n = b.k.int(ty, i128::from(w / 2));
                let hi = b.binary(BinOp::Shl, hi, n);
                let v = b.binary(BinOp::Or, lo, hi);
                self.registers.insert(d, v);
            }
            _ => return None,
        }
        Some(())
    }

    fn sources(&self, b: &mut KernelBuilder, s: &Statement<'_>, ty: Type) -> Option<Vec<Value>> {
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
            ("fma", &[_, _, _]) if nearest => math(b, MathFn::Fma, Flavor::Llvm, &args),
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

    fn integer(&mut self, b: &mut KernelBuilder, s: &Statement<'_>, ty: Type) -> Option<Value> {
        let words = &s.words[..s.words.len() - 1];
        let signed = s.words.last()?.starts_with('s');
        let shift = matches!(words[0], "shl" | "shr");
        let args = if shift {
            // The count has 32 bits; counts beyond the width give zero or the sign in PTX, poison in LLVM.
            let n = literal(s.operands.get(2)?).filter(|n| *n < b.k.bytes(ty) * 8)?;
            vec![self.read(b, s.operands.get(1)?, ty)?, b.k.int(ty, n.into())]
        } else {
            self.sources(b, s, ty)?
        };
        let plain = match (words, &args[..]) {
            (["add"], [_, _]) => Some(BinOp::Add),
            (["sub"], [_, _]) => Some(BinOp::Sub),
            (["mul", "lo"], [_, _]) => Some(BinOp::Mul),
            (["and"], [_, _]) => Some(BinOp::And),
            (["or"], [_, _]) => Some(BinOp::Or),
            (["xor"], [_, _]) => Some(BinOp::Xor),
            (["shl"], _) => Some(BinOp::Shl),
            (["shr"], _) => Some(if signed { BinOp::AShr } else { BinOp::LShr }),
            _ => None,
        };
        if let Some(op) = plain {
            return Some(b.binary(op, args[0], args[1]));
        }
        match (words, &args[..]) {
            (["mul", "hi"], &[x, y]) => {
                Some(b.int_math(if signed { IntFn::MulhiS } else { IntFn::MulhiU }, &[x, y], ty))
            }
            (["mad", "lo"], &[x, y, z]) => {
                let p = b.binary(BinOp::Mul, x, y);
                Some(b.binary(BinOp::Add, p, z))
            }
            (["mad", "lo", "cc"], &[x, y, z]) => {
                let p = b.binary(BinOp::Mul, x, y);
                let sum = b.binary(BinOp::Add, p, z);
                self.carry = Some(b.icmp(IntPred::Ult, sum, p));
                Some(sum)
            }
            (["madc", "hi"], &[x, y, z]) => {
                let carry = self.carry.take()?;
                let p = b.int_math(if signed { IntFn::MulhiS } else { IntFn::MulhiU }, &[x, y], ty);
                let sum = b.binary(BinOp::Add, p, z);
                let c = b.cast(CastOp::ZExt, carry, ty);
                Some(b.binary(BinOp::Add, sum, c))
            }
            (["bfind", "shiftamt"], &[x]) if !signed => {
                let n = b.int_math(IntFn::Ctlz, &[x], ty);
                let zero = b.k.int(ty, 0);
                let none = b.icmp(IntPred::Eq, x, zero);
                let all = b.k.int(ty, -1);
                Some(b.select(none, all, n))
            }
            (["popc"], &[x]) if ty == Type::I32 => Some(b.int_math(IntFn::Ctpop, &[x], ty)),
            (["clz"], &[x]) if ty == Type::I32 => Some(b.int_math(IntFn::Ctlz, &[x], ty)),
            (["brev"], &[x]) => Some(b.int_math(IntFn::Bitreverse, &[x], ty)),
            (["not"], &[x]) => {
                let all = b.k.int(ty, -1);
                Some(b.binary(BinOp::Xor, x, all))
            }
            _ => None,
        }
    }

    /// `setp.<cmp>.<type>` gives a predicate, `set.<cmp>.<float>.<type>` one or zero.
    fn compare(&mut self, b: &mut KernelBuilder, s: &Statement<'_>) -> Option<Value> {
        let words: Vec<&str> = s.words.iter().copied().filter(|w| *w != "ftz").collect();
        let (rel, to, ty) = match words[..] {
            ["setp", rel, ty] => (rel, None, type_of(ty)?),
            ["set", rel, to, ty] => (rel, Some(type_of(to)?), type_of(ty)?),
            _ => return None,
        };
        if !ty.is_float() || s.operands.len() != 3 {
            return None;
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
        let args = self.sources(b, s, ty)?;
        let bit = b.fcmp(pred, args[0], args[1]);
        match to {
            None => Some(bit),
            Some(to) if to.is_float() => Some(b.cast(CastOp::UiToFp, bit, to)),
            // Integer results are all ones.
            Some(to) => Some(b.cast(CastOp::SExt, bit, to)),
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
            ty if self.call.outputs == 1 => return view(b, output(0)?, ty),
            _ => return None,
        };
        (members.len() == self.call.outputs).then_some(())?;
        let mut whole = b.k.constant(self.call.ret, Const::Undef);
        for (i, ty) in members.into_iter().enumerate() {
            let elem = view(b, output(i)?, ty)?;
            whole = b.value(Op::InsertValue { agg: whole, elem, path: smallvec![i as u32] }, self.call.ret);
        }
        Some(whole)
    }
}
