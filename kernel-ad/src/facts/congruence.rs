//! Remainders of integers and of byte offsets: which multiples of a number, plus what, a value can be.

use crate::cfg::Cfg;
use crate::kernel::*;
use cranelift_entity::SecondaryMap;

/// All numbers `rest + n * modulus`; with modulus 0, `rest` alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Residue {
    /// Distance of neighbours; 0 for a single number.
    pub modulus: u64,
    /// At least 0 and below the modulus, if there is one.
    pub rest: i64,
}

impl Residue {
    /// Every number.
    pub const ANY: Residue = Residue { modulus: 1, rest: 0 };

    /// One number.
    pub fn exact(n: i64) -> Residue {
        Residue { modulus: 0, rest: n }
    }

    fn of(modulus: u128, rest: i128) -> Residue {
        let Ok(modulus) = u64::try_from(modulus) else { return Residue::ANY };
        match modulus {
            0 => i64::try_from(rest).map_or(Residue::ANY, Residue::exact),
            m => Residue { modulus: m, rest: rest.rem_euclid(m.into()) as i64 },
        }
    }

    /// Numbers of either set.
    pub fn join(self, other: Residue) -> Residue {
        let apart = (i128::from(self.rest) - i128::from(other.rest)).unsigned_abs();
        let m = gcd(gcd(self.modulus.into(), other.modulus.into()), apart);
        Residue::of(m, self.rest.into())
    }

    fn plus(self, other: Residue) -> Residue {
        let m = gcd(self.modulus.into(), other.modulus.into());
        Residue::of(m, i128::from(self.rest) + i128::from(other.rest))
    }

    fn times(self, other: Residue) -> Residue {
        let (m, n) = (u128::from(self.modulus), u128::from(other.modulus));
        let (r, s) = (i128::from(self.rest), i128::from(other.rest));
        let product = |a: u128, b: u128| a.checked_mul(b);
        let parts = [product(m, n), product(m, s.unsigned_abs()), product(n, r.unsigned_abs())];
        let Some(rest) = r.checked_mul(s) else { return Residue::ANY };
        match parts.into_iter().try_fold(0, |g, p| Some(gcd(g, p?))) {
            Some(m) => Residue::of(m, rest),
            None => Residue::ANY,
        }
    }

    /// Divided by a power of two, where that leaves no remainder.
    fn shifted(self, by: u32) -> Residue {
        let whole = 1i128 << by;
        match i128::from(self.modulus) % whole == 0 && i128::from(self.rest) % whole == 0 {
            true => Residue { modulus: self.modulus >> by, rest: self.rest >> by },
            false => Residue::ANY,
        }
    }

    /// What remains known when the number may wrap at `2^width`.
    fn wrapped(self, width: u16) -> Residue {
        if width >= 64 {
            return self;
        }
        let (half, full) = (1i128 << (width - 1), 1i128 << width);
        match self.modulus {
            0 => Residue::of(0, (i128::from(self.rest) + half).rem_euclid(full) - half),
            m => Residue::of(gcd(m.into(), full as u128), self.rest.into()),
        }
    }
}

/// Greatest common divisor; that of 0 and `n` is `n`.
fn gcd(a: u128, b: u128) -> u128 {
    if b == 0 {
        a
    } else {
        gcd(b, a % b)
    }
}

/// Residues of integers, and of pointers relative to where their object begins.
#[derive(Clone, Debug)]
pub struct Residues {
    of: SecondaryMap<Value, Option<Residue>>,
}

impl Residues {
    /// Computes them by iteration to a fixed point. Pointers that are loaded count as beginnings of objects.
    pub fn new(k: &Kernel, cfg: &Cfg) -> Residues {
        let mut r = Residues { of: SecondaryMap::new() };
        for (v, d) in k.values.iter() {
            r.of[v] = match &d.def {
                ValueDef::Inst(_) => None,
                _ if d.ty.is_ptr() => Some(Residue::exact(0)),
                ValueDef::Const(_) => Some(k.as_int(v).map_or(Residue::ANY, Residue::exact)),
                ValueDef::Param(_) => Some(Residue::ANY),
            };
        }
        loop {
            let mut changed = false;
            for &i in cfg.rpo().iter().flat_map(|&b| &k.blocks[b].insts) {
                let Some(v) = k.insts[i].result else { continue };
                let Some(new) = r.visit(k, i, k.ty(v)) else { continue };
                let joined = r.of[v].map_or(new, |old| old.join(new));
                if r.of[v] != Some(joined) {
                    r.of[v] = Some(joined);
                    changed = true;
                }
            }
            if !changed {
                return r;
            }
        }
    }

    /// The residue of a value; of a pointer, that of its distance from the beginning of its object.
    pub fn of(&self, v: Value) -> Residue {
        self.of[v].unwrap_or(Residue::ANY)
    }

    fn visit(&self, k: &Kernel, i: Inst, ty: Type) -> Option<Residue> {
        let width = match ty {
            Type::Int(w) if w <= 64 => w,
            Type::Ptr(_) => 64,
            _ => return None,
        };
        let of = |v: Value| self.of[v];
        match &k.insts[i].op {
            Op::PtrAdd { ptr, offset, .. } => Some(of(*ptr)?.plus(of(*offset)?)),
            Op::Alloca { .. } | Op::Load { .. } if ty.is_ptr() => Some(Residue::exact(0)),
            Op::Phi { incoming } => incoming.iter().filter_map(|(_, v)| of(*v)).reduce(Residue::join),
            Op::Select { a, b, .. } => [of(*a), of(*b)].into_iter().flatten().reduce(Residue::join),
            Op::Freeze { a } => of(*a),
            Op::Cast { op, a, flags } => {
                let from = match k.ty(*a) {
                    Type::Int(w) if w <= 64 => w,
                    _ if *op == CastOp::AddrSpaceCast => return of(*a),
                    _ => return Some(Residue::ANY),
                };
                let x = of(*a)?;
                let made_with = match k.def_op(*a) {
                    Some(Op::Binary { flags, .. }) => *flags,
                    _ => IntFlags::empty(),
                };
                Some(match op {
                    CastOp::SExt if made_with.contains(IntFlags::NSW) => x,
                    CastOp::SExt => x.wrapped(from),
                    CastOp::ZExt if x.modulus == 0 && x.rest < 0 && from < 64 => {
                        Residue::of(0, i128::from(x.rest) + (1i128 << from))
                    }
                    CastOp::ZExt if made_with.contains(IntFlags::NUW) => x,
                    CastOp::ZExt if flags.contains(IntFlags::NNEG) && made_with.contains(IntFlags::NSW) => x,
                    CastOp::ZExt => x.wrapped(from),
                    CastOp::Trunc => x.wrapped(width),
                    _ => Residue::ANY,
                })
            }
            Op::Binary { op, a, b, flags, .. } => {
                let (x, y) = (of(*a)?, of(*b)?);
                let minus = Residue::exact(-1);
                let exact = match op {
                    BinOp::Add => x.plus(y),
                    BinOp::Sub => x.plus(y.times(minus)),
                    BinOp::Mul => x.times(y),
                    BinOp::Shl => match k.as_int(*b) {
                        Some(s @ 0..=62) => x.times(Residue::exact(1 << s)),
                        _ => Residue::ANY,
                    },
                    BinOp::AShr => match k.as_int(*b) {
                        Some(s @ 0..=62) => x.shifted(s as u32),
                        _ => Residue::ANY,
                    },
                    BinOp::Or if flags.contains(IntFlags::DISJOINT) => x.plus(y),
                    BinOp::And => match k.as_int(*b) {
                        Some(mask) if mask != 0 => Residue::of(1 << mask.trailing_zeros().min(62), 0),
                        _ => Residue::ANY,
                    },
                    _ => Residue::ANY,
                };
                let kept = flags.intersects(IntFlags::NSW | IntFlags::NUW | IntFlags::DISJOINT);
                Some(if kept { exact } else { exact.wrapped(width) })
            }
            _ => Some(if ty.is_ptr() { Residue::exact(0) } else { Residue::ANY }),
        }
    }
}
