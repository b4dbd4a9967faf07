//! Which numbers lie where in memory that is copied as bytes, as far as the accesses of the kernel tell.

use super::integers;
use super::provenance::{Base, Provenance};
use crate::cfg::Cfg;
use crate::kernel::*;
use std::collections::{BTreeMap, BTreeSet};

/// The floats in a period of copied bytes. Other bytes hold integers, or nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Layout {
    /// After so many bytes it comes again; `None` when it is known for the copied bytes only.
    pub period: Option<u64>,
    /// Byte offsets with the floats there, in order.
    pub floats: Vec<(u64, Type)>,
    /// They lie at multiples of their size.
    pub aligned: bool,
}

/// Why nothing is known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Unknown {
    /// No access says what lies there.
    NoAccess,
    /// Accesses contradict each other at that byte.
    Contradiction(u64),
    /// Nothing accesses these bytes, and they could be more than one thing.
    Hole(u64, u64),
    /// Pointers are copied among the floats.
    Pointers,
}

/// The layout of what a copy of `len` bytes (`None`: not constant) from `src` to `dst` moves.
///
/// # Errors
/// Why it is not known.
pub fn of_copy(
    k: &Kernel,
    cfg: &Cfg,
    prov: &Provenance,
    (dst, src): (Value, Value),
    len: Option<u64>,
) -> Result<Layout, Unknown> {
    let accesses = accesses(k, cfg);
    if let Some(elem) = uniform(k, cfg, prov, &accesses, dst, src) {
        let aligned = accesses.iter().all(|a| a.1.scalar() != elem || a.2 >= k.bytes(elem) as u32);
        return Ok(Layout { period: Some(k.bytes(elem)), floats: vec![(0, elem)], aligned });
    }
    let (seen, cells) = cells(k, cfg, prov, accesses, (dst, src), len)?;
    if cells.iter().any(|(_, ty)| ty.is_ptr()) {
        return Err(Unknown::Pointers);
    }
    let floats = cells.into_iter().filter(|(_, ty)| ty.is_float()).collect();
    Ok(Layout { period: (seen.period != 0).then_some(seen.period), floats, aligned: seen.aligned })
}

/// All that a copy of `len` bytes moves, in order, if there are pointers and numbers among it.
pub fn records(
    k: &Kernel,
    cfg: &Cfg,
    prov: &Provenance,
    (dst, src): (Value, Value),
    len: u64,
) -> Option<Vec<(u64, Type)>> {
    let (seen, cells) = cells(k, cfg, prov, accesses(k, cfg), (dst, src), Some(len)).ok()?;
    let step = if seen.period == 0 { len } else { seen.period };
    let mixed = [true, false].iter().all(|&p| cells.iter().any(|(_, ty)| ty.is_ptr() == p));
    let whole = step != 0 && len % step == 0 && mixed;
    whole.then(|| {
        (0..len / step).flat_map(|n| cells.iter().map(move |&(at, ty)| (n * step + at, ty))).collect()
    })
}

/// What accesses to either end of a copy touch, from where it begins.
struct Seen {
    accesses: Vec<(i64, Type)>,
    /// After so many bytes it comes again; 0: never.
    period: u64,
    extent: u64,
    aligned: bool,
}

/// What lies in a period. Accesses of integers whose bits go nowhere are left out where they contradict the others: arrays of numbers
/// within a record are found at offsets that fit all of it.
fn cells(
    k: &Kernel,
    cfg: &Cfg,
    prov: &Provenance,
    mut accesses: Vec<Access>,
    (dst, src): (Value, Value),
    len: Option<u64>,
) -> Result<(Seen, Vec<(u64, Type)>), Unknown> {
    let insts: Vec<Inst> = cfg.rpo().iter().flat_map(|&b| k.blocks[b].insts.iter().copied()).collect();
    let whole = |accesses: &[Access]| {
        let seen = seen(k, prov, accesses, (dst, src), len)?;
        let mut bytes = cover(k, &seen)?;
        if goes_no_further(k, prov, &insts, dst) {
            (0..seen.extent).for_each(|at| _ = bytes.entry(at).or_insert(Byte::Integer));
        }
        let cells = fill(k, &bytes, seen.extent)?;
        Ok((seen, cells))
    };
    match whole(&accesses) {
        Err(Unknown::Contradiction(at)) => {
            let numbers = integers::numbers(k, &insts);
            let all = accesses.len();
            accesses.retain(|a| !numbers.contains(&a.3));
            if accesses.len() == all {
                return Err(Unknown::Contradiction(at));
            }
            whole(&accesses)
        }
        other => other,
    }
}

/// True when nobody but the kernel's accesses reads what is copied there: what none of them touches is never used.
fn goes_no_further(k: &Kernel, prov: &Provenance, insts: &[Inst], dst: Value) -> bool {
    let bases = prov.of(dst).bases;
    let own = |b: &Base| match b {
        Base::Alloca(_) => true,
        Base::Global(g) => k.globals[*g].space == AddrSpace::Shared,
        _ => false,
    };
    let reads = |i: &Inst| match &k.insts[*i].op {
        Op::MemCopy { src, .. } => !prov.of(*src).bases.is_disjoint(&bases),
        op @ Op::Call { .. } => {
            op.operands().iter().any(|&v| k.ty(v).is_ptr() && !prov.of(v).bases.is_disjoint(&bases))
        }
        _ => false,
    };
    bases.iter().all(own) && !insts.iter().any(reads)
}

fn seen(
    k: &Kernel,
    prov: &Provenance,
    accesses: &[Access],
    (dst, src): (Value, Value),
    len: Option<u64>,
) -> Result<Seen, Unknown> {
    let mut out = Seen { accesses: Vec::new(), period: 0, extent: 0, aligned: true };
    for end in [dst, src] {
        let bases = prov.of(end).bases;
        let (start, dynamic) = offset(k, end);
        out.period = gcd(out.period, dynamic);
        for &(ptr, ty, align, _) in accesses {
            if prov.of(ptr).bases.is_disjoint(&bases) {
                continue;
            }
            out.aligned &= u64::from(align) >= k.bytes(ty.scalar());
            let (at, dynamic) = offset(k, ptr);
            out.period = gcd(out.period, dynamic);
            out.accesses.push((at - start, ty));
        }
    }
    out.extent = match (out.period, len) {
        _ if out.accesses.is_empty() => return Err(Unknown::NoAccess),
        (0, Some(len)) => len,
        (0, None) => return Err(Unknown::NoAccess),
        // Of a part of a record only the part is asked for.
        (p, len) => len.map_or(p, |len| p.min(len)),
    };
    Ok(out)
}

/// A typed access to memory: where, what, how it is aligned, by which instruction.
type Access = (Value, Type, u32, Inst);

fn accesses(k: &Kernel, cfg: &Cfg) -> Vec<Access> {
    let mut out = Vec::new();
    for &b in cfg.rpo() {
        for &i in &k.blocks[b].insts {
            match &k.insts[i].op {
                Op::Load { ptr, mem } => {
                    out.extend(k.insts[i].result.map(|r| (*ptr, k.ty(r), mem.align, i)));
                }
                Op::Store { ptr, val, mem } | Op::AtomicRmw { ptr, val, mem, .. } => {
                    out.push((*ptr, k.ty(*val), mem.align, i));
                }
                Op::CmpXchg { ptr, new, mem, .. } => out.push((*ptr, k.ty(*new), mem.align, i)),
                _ => {}
            }
        }
    }
    out
}

/// The one float type that the kernel accesses these objects with, and those that are copied to or from them.
fn uniform(
    k: &Kernel,
    cfg: &Cfg,
    prov: &Provenance,
    accesses: &[Access],
    dst: Value,
    src: Value,
) -> Option<Type> {
    let mut bases: BTreeSet<Base> = prov.of(dst).bases;
    bases.extend(prov.of(src).bases);
    let copies: Vec<(BTreeSet<Base>, BTreeSet<Base>)> = cfg
        .rpo()
        .iter()
        .flat_map(|&b| &k.blocks[b].insts)
        .filter_map(|&i| match k.insts[i].op {
            Op::MemCopy { dst, src, .. } => Some((prov.of(dst).bases, prov.of(src).bases)),
            _ => None,
        })
        .collect();
    loop {
        let before = bases.len();
        for (a, b) in &copies {
            if !a.is_disjoint(&bases) || !b.is_disjoint(&bases) {
                bases.extend(a.iter().chain(b).copied());
            }
        }
        if bases.len() == before {
            break;
        }
    }
    let mut found: Option<Type> = None;
    for (ptr, ty, ..) in accesses {
        if prov.of(*ptr).bases.is_disjoint(&bases) {
            continue;
        }
        let scalar = ty.scalar();
        if !scalar.is_float() || found.is_some_and(|f| f != scalar) {
            return None;
        }
        found = Some(scalar);
    }
    found
}

/// What lies at a byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Byte {
    /// That many bytes into a float.
    Float(FloatTy, u64),
    /// That many bytes into a pointer.
    Pointer(AddrSpace, u64),
    Integer,
}

fn cover(k: &Kernel, seen: &Seen) -> Result<BTreeMap<u64, Byte>, Unknown> {
    let (period, extent) = (seen.period, seen.extent);
    let mut bytes: BTreeMap<u64, Byte> = BTreeMap::new();
    for &(at, ty) in &seen.accesses {
        let scalar = ty.scalar();
        let what = |n: u64| match scalar {
            Type::Float(f) => Ok(Byte::Float(f, n)),
            Type::Ptr(space) => Ok(Byte::Pointer(space, n)),
            Type::Int(_) => Ok(Byte::Integer),
            _ => Err(Unknown::Pointers),
        };
        let size = k.bytes(scalar).max(1);
        for n in 0..size * u64::from(ty.lanes()) {
            let mut at = at + n as i64;
            if period != 0 {
                at = at.rem_euclid(period as i64);
            }
            let Some(at) = u64::try_from(at).ok().filter(|at| *at < extent) else { continue };
            let byte = what(n % size)?;
            if *bytes.entry(at).or_insert(byte) != byte {
                return Err(Unknown::Contradiction(at));
            }
        }
    }
    Ok(bytes)
}

/// Floats, pointers and runs of integers in order. A hole of four bytes can be padding, an integer, or a float; as a float it is
/// copied right in all three cases, since the shadow of what is no float is zero.
fn fill(k: &Kernel, bytes: &BTreeMap<u64, Byte>, extent: u64) -> Result<Vec<(u64, Type)>, Unknown> {
    let mut cells = Vec::new();
    let mut at = 0;
    while at < extent {
        let mut whole = |ty: Type, size: u64, byte: &dyn Fn(u64) -> Byte| {
            cells.push((at, ty));
            (0..size).all(|n| bytes.get(&(at + n)) == Some(&byte(n))).then_some(size)
        };
        let size = match bytes.get(&at) {
            Some(&Byte::Float(f, 0)) => whole(Type::Float(f), f.bytes().into(), &|n| Byte::Float(f, n)),
            Some(&Byte::Pointer(s, 0)) => {
                whole(Type::Ptr(s), k.pointer_bytes(s).into(), &|n| Byte::Pointer(s, n))
            }
            Some(Byte::Float(..) | Byte::Pointer(..)) => None,
            Some(Byte::Integer) => {
                let fits =
                    |n: &u64| at % n == 0 && (at..at + n).all(|b| bytes.get(&b) == Some(&Byte::Integer));
                let size = [8, 4, 2, 1].into_iter().find(fits).unwrap_or(1);
                cells.push((at, Type::Int(8 * size as u16)));
                Some(size)
            }
            None => {
                let end = (at..extent).find(|n| bytes.contains_key(n)).unwrap_or(extent);
                match end - at {
                    // Too short for any float.
                    1 => {}
                    4 if at % 4 == 0 => cells.push((at, Type::F32)),
                    _ => return Err(Unknown::Hole(at, end)),
                }
                Some(end - at)
            }
        };
        at += size.ok_or(Unknown::Contradiction(at))?;
    }
    Ok(cells)
}

/// A pointer's distance from the start of its object: a constant part, and what the rest is a multiple of (0: there is
/// none).
fn offset(k: &Kernel, mut ptr: Value) -> (i64, u64) {
    let (mut at, mut dynamic) = (0i64, 0);
    loop {
        match k.def_op(ptr) {
            Some(Op::PtrAdd { ptr: p, offset, .. }) => {
                let (c, g) = multiple(k, *offset, 0);
                at = at.wrapping_add(c);
                dynamic = gcd(dynamic, g);
                ptr = *p;
            }
            Some(Op::Cast { op: CastOp::AddrSpaceCast, a, .. }) => ptr = *a,
            Some(Op::Phi { .. } | Op::Select { .. } | Op::Freeze { .. }) => return (at, 1),
            _ => return (at, dynamic),
        }
    }
}

/// An integer as a constant and a multiple of something.
fn multiple(k: &Kernel, v: Value, depth: u32) -> (i64, u64) {
    if let Some(c) = k.as_int(v) {
        return (c, 0);
    }
    let of = |v: Value| multiple(k, v, depth + 1);
    let scaled = |v: Value, by: i64| {
        let (c, g) = of(v);
        match (c.checked_mul(by), g.checked_mul(by.unsigned_abs())) {
            (Some(c), Some(g)) => (c, g),
            _ => (0, 1),
        }
    };
    if depth > 16 {
        return (0, 1);
    }
    match k.def_op(v) {
        Some(Op::Cast { op: CastOp::SExt | CastOp::ZExt, a, .. } | Op::Freeze { a }) => of(*a),
        Some(Op::Binary { op: BinOp::Add, a, b, .. }) => sum(of(*a), of(*b)),
        Some(Op::Binary { op: BinOp::Or, a, b, flags, .. }) if flags.contains(IntFlags::DISJOINT) => {
            sum(of(*a), of(*b))
        }
        Some(Op::Binary { op: BinOp::Sub, a, b, .. }) => sum(of(*a), scaled(*b, -1)),
        Some(Op::Binary { op: BinOp::Mul, a, b, .. }) => match (k.as_int(*a), k.as_int(*b)) {
            (_, Some(c)) => scaled(*a, c),
            (Some(c), _) => scaled(*b, c),
            _ => (0, gcd_of_product(of(*a), of(*b))),
        },
        Some(Op::Binary { op: BinOp::Shl, a, b, .. }) => match k.as_int(*b) {
            Some(n @ 0..=62) => scaled(*a, 1 << n),
            _ => (0, 1),
        },
        Some(Op::Binary { op: BinOp::AShr, a, b, .. }) => match (of(*a), k.as_int(*b)) {
            ((c, g), Some(n @ 0..=62)) if c % (1 << n) == 0 && g % (1 << n) == 0 => (c >> n, g >> n),
            _ => (0, 1),
        },
        _ => (0, 1),
    }
}

fn sum(a: (i64, u64), b: (i64, u64)) -> (i64, u64) {
    (a.0.wrapping_add(b.0), gcd(a.1, b.1))
}

fn gcd_of_product(a: (i64, u64), b: (i64, u64)) -> u64 {
    let whole = |x: (i64, u64)| gcd(x.0.unsigned_abs(), x.1);
    whole(a).checked_mul(whole(b)).filter(|g| *g != 0).unwrap_or(1)
}

fn gcd(a: u64, b: u64) -> u64 {
    match b {
        0 => a,
        b => gcd(b, a % b),
    }
}

/// True when an integer is a multiple of `of` for certain.
pub fn is_multiple(k: &Kernel, v: Value, of: u64) -> bool {
    let (c, g) = multiple(k, v, 0);
    gcd(c.unsigned_abs(), g) % of.max(1) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grad::Roles;
    use shadow_mem::Role;

    /// The layout of the kernel's one copy, of 24-byte structs.
    fn layout(accesses: &str) -> Result<Layout, Unknown> {
        let text = format!(
            "kernel @k(ptr.global %x, ptr.global %y, i64 %n, i64 %m) nvptx {{
entry:
  %i = mul i64 %n, 24
  %p = ptradd ptr.global %y, i64 %i
  %q = ptradd ptr.global %x, i64 %m
  memcpy ptr.global %p, ptr.global %x, i64 24, align 8, align 8
{accesses}
  ret
}}
"
        );
        let k = parse(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
        let cfg = Cfg::new(&k);
        let prov = Provenance::new(&k, &cfg, &Roles::of(&[Role::Dup, Role::Dup, Role::Const, Role::Const]));
        let copy = k.iter_insts().find_map(|(_, i)| match k.insts[i].op {
            Op::MemCopy { dst, src, .. } => Some((dst, src)),
            _ => None,
        });
        of_copy(&k, &cfg, &prov, copy.unwrap(), Some(24))
    }

    // Catches an offset that is taken from the wrong end, or not brought into the period.
    #[test]
    fn accesses_on_both_sides_tell() {
        let l = layout(
            "  %a = load f32, ptr.global %p
  %p4 = ptradd ptr.global %p, i64 28
  %b = load f32, ptr.global %p4
  %x8 = ptradd ptr.global %x, i64 8
  %c = load f64, ptr.global %x8
  %x16 = ptradd ptr.global %x, i64 16
  %d = load i32, ptr.global %x16",
        );
        let floats = vec![(0, Type::F32), (4, Type::F32), (8, Type::F64), (20, Type::F32)];
        assert_eq!(l, Ok(Layout { period: Some(24), floats, aligned: true }));
    }

    // Catches a guess about bytes that nothing is known of.
    #[test]
    fn what_is_not_known_is_said() {
        let (a, b) = ("  %a = load f32, ptr.global %p", "  %b = load f64, ptr.global %x");
        assert_eq!(layout(""), Err(Unknown::NoAccess));
        assert_eq!(layout(&format!("{a}\n{b}")), Err(Unknown::Contradiction(0)));
        let c = "  %z = ptradd ptr.global %x, i64 16\n  %c = load f64, ptr.global %z";
        assert_eq!(layout(&format!("{a}\n{c}")), Err(Unknown::Hole(4, 16)));
        // Anywhere at all: the period is one byte.
        let d = "  store i32 5, ptr.global %q";
        assert!(matches!(layout(&format!("{a}\n{d}")), Err(Unknown::Contradiction(_))));
        // An integer that goes nowhere says nothing then.
        let d = "  %d = load i32, ptr.global %q";
        assert_eq!(layout(&format!("{a}\n{d}")), Err(Unknown::Hole(4, 24)));
        let e = "  %e = load ptr.global, ptr.global %p";
        let f = "  %z8 = ptradd ptr.global %x, i64 8\n  %f = load f64, ptr.global %z8";
        assert_eq!(layout(&format!("{e}\n{f}\n{c}")), Err(Unknown::Pointers));
    }

    // Catches a float that is taken apart: one type only needs no offsets.
    #[test]
    fn one_type_needs_no_offsets() {
        let l = layout("  %a = load <2 x f32>, ptr.global %q, align 4");
        assert_eq!(l, Ok(Layout { period: Some(4), floats: vec![(0, Type::F32)], aligned: true }));
    }
}
