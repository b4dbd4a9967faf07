//! Random expressions. Float expressions take and give values within a few units of zero.

use super::params::{GATHERED, TABLE};
use super::Gen;
use crate::kernel::*;
use rand::Rng;

/// Functions that are smooth everywhere and grow at most linearly.
const SMOOTH: &[MathFn] =
    &[MathFn::Sin, MathFn::Cos, MathFn::Tanh, MathFn::Atan, MathFn::Erf, MathFn::Asinh, MathFn::Normcdf];
/// Functions for arguments in about [0.5, 5].
const POSITIVE: &[MathFn] = &[
    MathFn::Sqrt,
    MathFn::Rsqrt,
    MathFn::Log,
    MathFn::Log2,
    MathFn::Log10,
    MathFn::Log1p,
    MathFn::Cbrt,
    MathFn::Rcbrt,
    MathFn::Rcp,
];
/// Functions for arguments in [-1, 1].
const BOUNDED: &[MathFn] = &[
    MathFn::Exp,
    MathFn::Exp2,
    MathFn::Expm1,
    MathFn::Sinh,
    MathFn::Cosh,
    MathFn::Tan,
    MathFn::Erfc,
    MathFn::Cospi,
];

impl Gen<'_, '_> {
    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.rng.random_range(0..from.len())]
    }

    pub(super) fn lit(&mut self, x: f64) -> Value {
        let ty = self.float;
        self.b.k.float(ty, x)
    }

    pub(super) fn int_lit(&mut self, n: i128) -> Value {
        self.b.k.int(Type::I32, n)
    }

    pub(super) fn fbin(&mut self, op: BinOp, a: Value, b: Value) -> Value {
        let fmf = self.fmf;
        self.b.binary_fmf(op, a, b, fmf)
    }

    pub(super) fn call(&mut self, f: MathFn, args: &[Value]) -> Value {
        let fmf = self.fmf;
        self.b.math(f, args, fmf)
    }

    /// A float with magnitude up to about 2.
    pub(super) fn float_expr(&mut self, depth: u32) -> Value {
        if depth == 0 || self.rng.random_bool(0.15) {
            return self.float_leaf();
        }
        match self.rng.random_range(0..12) {
            0 | 1 => {
                let (a, b) = (self.float_expr(depth - 1), self.float_expr(depth - 1));
                let op = self.pick(&[BinOp::FAdd, BinOp::FSub]);
                let sum = self.fbin(op, a, b);
                let half = self.lit(0.5);
                self.fbin(BinOp::FMul, sum, half)
            }
            2 | 3 => {
                let (a, b) = (self.float_expr(depth - 1), self.float_expr(depth - 1));
                let p = self.fbin(BinOp::FMul, a, b);
                self.squash(p)
            }
            4 => {
                let (a, b) = (self.float_expr(depth - 1), self.positive(depth - 1));
                self.fbin(BinOp::FDiv, a, b)
            }
            5 => {
                let a = self.float_expr(depth - 1);
                let f = self.pick(SMOOTH);
                self.call(f, &[a])
            }
            6 => {
                let a = self.positive(depth - 1);
                let f = self.pick(POSITIVE);
                let y = self.call(f, &[a]);
                self.squash(y)
            }
            7 => {
                let a = self.float_expr(depth - 1);
                let a = self.squash(a);
                let f = self.pick(BOUNDED);
                let y = self.call(f, &[a]);
                self.squash(y)
            }
            8 => {
                let (a, b, c) =
                    (self.float_expr(depth - 1), self.float_expr(depth - 1), self.float_expr(depth - 1));
                let y = self.call(MathFn::Fma, &[a, b, c]);
                self.squash(y)
            }
            9 => {
                let (a, b) = (self.positive(depth - 1), self.float_expr(depth - 1));
                let f = self.pick(&[MathFn::Pow, MathFn::Atan2, MathFn::Hypot]);
                let y = self.call(f, &[a, b]);
                self.squash(y)
            }
            10 => {
                let cond = self.condition();
                let (a, b) = (self.float_expr(depth - 1), self.float_expr(depth - 1));
                self.b.select(cond, a, b)
            }
            _ => self.unusual(depth - 1),
        }
    }

    /// Casts, sign changes, and what has kinks.
    fn unusual(&mut self, depth: u32) -> Value {
        let a = self.float_expr(depth);
        match self.rng.random_range(0..if self.options.kinks { 6 } else { 3 }) {
            0 if self.options.half && self.rng.random_bool(0.4) => self.half_step(a),
            0 if self.options.vectors && self.rng.random_bool(0.4) => self.vector_step(a),
            0 => self.b.fneg(a, Fmf::empty()),
            1 => {
                let (wide, op, back) = match self.float {
                    Type::F32 => (Type::F64, CastOp::FpExt, CastOp::FpTrunc),
                    _ => return self.b.fneg(a, Fmf::empty()),
                };
                let w = self.b.cast(op, a, wide);
                let scale = self.b.k.float(wide, 0.75);
                let w = self.b.binary(BinOp::FMul, w, scale);
                self.b.cast(back, w, Type::F32)
            }
            2 => {
                let i = self.small_int(1);
                let f = self.b.cast(CastOp::SiToFp, i, self.float);
                let scale = self.lit(0.0625);
                let f = self.fbin(BinOp::FMul, f, scale);
                let y = self.fbin(BinOp::FAdd, a, f);
                self.squash(y)
            }
            3 => self.call(MathFn::Fabs, &[a]),
            4 => {
                let b = self.float_expr(depth);
                let f = self.pick(&[MathFn::Fmax, MathFn::Fmin, MathFn::Copysign]);
                self.call(f, &[a, b])
            }
            _ => {
                let f = self.pick(&[MathFn::Floor, MathFn::Trunc]);
                let y = self.call(f, &[a]);
                let y = self.fbin(BinOp::FSub, a, y);
                self.squash(y)
            }
        }
    }

    /// A float in about [0.5, 5].
    fn positive(&mut self, depth: u32) -> Value {
        let a = self.float_expr(depth);
        let sq = self.fbin(BinOp::FMul, a, a);
        let half = self.lit(0.5);
        self.fbin(BinOp::FAdd, sq, half)
    }

    /// Brings any value into [-1, 1], smoothly.
    pub(super) fn squash(&mut self, a: Value) -> Value {
        match self.rng.random_range(0..3) {
            0 => self.call(MathFn::Sin, &[a]),
            1 => self.call(MathFn::Tanh, &[a]),
            _ => {
                // 2a / (1 + a^2)
                let (one, two) = (self.lit(1.0), self.lit(2.0));
                let sq = self.fbin(BinOp::FMul, a, a);
                let den = self.fbin(BinOp::FAdd, sq, one);
                let num = self.fbin(BinOp::FMul, a, two);
                self.fbin(BinOp::FDiv, num, den)
            }
        }
    }

    pub(super) fn float_leaf(&mut self) -> Value {
        if let Some(v) = self.rng.random_bool(0.15).then(|| self.shared_leaf()).flatten() {
            return v;
        }
        match self.rng.random_range(0..8) {
            0..=2 => {
                let vars = self.state.floats.clone();
                self.pick(&vars)
            }
            3 => {
                let s = self.inputs.scalars.clone();
                self.pick(&s)
            }
            4 | 5 => {
                let (base, i) = (self.inputs.gathered, self.small_int(1));
                self.load(base, i, GATHERED)
            }
            6 if self.options.half && self.rng.random_bool(0.5) => self.half_leaf(),
            6 => {
                let (base, i) = (self.inputs.table, self.small_int(1));
                self.load(base, i, TABLE)
            }
            _ => {
                let x = self.rng.random_range(-1.5..1.5);
                self.lit(x)
            }
        }
    }

    /// A 32-bit integer of any value.
    pub(super) fn small_int(&mut self, depth: u32) -> Value {
        if depth == 0 || self.rng.random_bool(0.4) {
            return match self.rng.random_range(0..3) {
                0 => self.inputs.gid,
                1 => {
                    let n = self.rng.random_range(0..8);
                    self.int_lit(n)
                }
                _ => {
                    let vars = self.state.ints.clone();
                    self.pick(&vars)
                }
            };
        }
        if self.rng.random_bool(0.25) {
            let i = self.small_int(depth - 1);
            let at = self.address(self.inputs.indices, i, GATHERED, 4);
            return self.b.load(Type::I32, at, MemFlags::plain(4));
        }
        let (a, c) = (self.small_int(depth - 1), self.small_int(depth - 1));
        let op = self.pick(&[BinOp::Add, BinOp::Sub, BinOp::Mul, BinOp::Xor, BinOp::And, BinOp::Or]);
        self.b.binary(op, a, c)
    }

    /// A condition; now and then on floats.
    pub(super) fn condition(&mut self) -> Value {
        if self.options.kinks && self.rng.random_bool(0.2) {
            let (a, c) = (self.float_leaf(), self.float_leaf());
            let pred = self.pick(&[FloatPred::Olt, FloatPred::Ogt, FloatPred::Ule]);
            return self.b.fcmp(pred, a, c);
        }
        let (a, c) = (self.small_int(1), self.small_int(1));
        let (mask, zero) = (self.int_lit(3), self.int_lit(0));
        let x = self.b.binary(BinOp::Xor, a, c);
        let x = self.b.binary(BinOp::And, x, mask);
        let pred = self.pick(&[IntPred::Eq, IntPred::Ne, IntPred::Sgt]);
        self.b.icmp(pred, x, zero)
    }

    /// `&base[index mod len]`; `len` is a power of two.
    pub(super) fn address(&mut self, base: Value, index: Value, len: usize, size: u64) -> Value {
        let mask = self.int_lit(len as i128 - 1);
        let i = self.b.binary(BinOp::And, index, mask);
        self.element(base, i, size)
    }

    /// `&base[index]` for an index that is not negative.
    pub(super) fn element(&mut self, base: Value, index: Value, size: u64) -> Value {
        let wide = self.b.cast(CastOp::SExt, index, Type::I64);
        let scale = self.b.k.int(Type::I64, size.into());
        let offset = self.b.binary(BinOp::Mul, wide, scale);
        self.b.ptr_add(base, offset)
    }

    pub(super) fn size(&self) -> u64 {
        self.b.k.bytes(self.float)
    }

    pub(super) fn mem(&self) -> MemFlags {
        MemFlags::plain(self.size() as u32)
    }

    pub(super) fn load(&mut self, base: Value, index: Value, len: usize) -> Value {
        let (size, mem, ty) = (self.size(), self.mem(), self.float);
        let at = self.address(base, index, len, size);
        self.b.load(ty, at, mem)
    }
}
