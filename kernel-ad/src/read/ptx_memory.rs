//! PTX loads, stores, atomics and fences in inline assembly, with their hints for caches.

use super::asm::Statement;
use super::ptx::{type_of, Machine};
use crate::kernel::*;

/// Executes one of them.
pub(super) fn execute<'t>(m: &mut Machine<'_, 't>, b: &mut KernelBuilder, s: &Statement<'t>) -> Option<()> {
    match s.words[0] {
        "ld" => load(m, b, s),
        "st" => store(m, b, s),
        "atom" | "red" => atomic(m, b, s),
        _ => fence(b, s),
    }
}

/// What the words behind `ld`, `st`, `atom` and `red` say.
struct Access<'t> {
    space: AddrSpace,
    lanes: u32,
    /// The last word: the type.
    kind: &'t str,
    bytes: u32,
    mem: MemFlags,
    /// Words that are none of these: of atomics the operation.
    rest: Vec<&'t str>,
}

impl<'t> Access<'t> {
    fn parse(words: &[&'t str]) -> Option<Access<'t>> {
        let (&kind, words) = words.split_last()?;
        let bits: u32 = kind.get(1..)?.parse().ok()?;
        matches!(kind.as_bytes()[0], b'f' | b's' | b'u' | b'b').then_some(())?;
        matches!(bits, 8 | 16 | 32 | 64).then_some(())?;
        let bytes = bits / 8;
        let mut a = Access {
            space: AddrSpace::Generic,
            lanes: 1,
            kind,
            bytes,
            mem: MemFlags::plain(bytes),
            rest: Vec::new(),
        };
        let level = |w: &str| match w {
            "cta" => Some(ScopeLevel::Block),
            "gpu" => Some(ScopeLevel::Device),
            "sys" => Some(ScopeLevel::System),
            _ => None,
        };
        for &w in words {
            match w {
                "global" => a.space = AddrSpace::Global,
                "shared" | "shared::cta" => a.space = AddrSpace::Shared,
                "const" => a.space = AddrSpace::Constant,
                "local" => a.space = AddrSpace::Local,
                "nc" => a.mem.invariant = true,
                "cs" | "lu" => a.mem.nontemporal = true,
                "volatile" | "cv" | "wt" => a.mem.volatile = true,
                "relaxed" => a.mem.ordering = Some(Ordering::Monotonic),
                "acquire" => a.mem.ordering = Some(Ordering::Acquire),
                "release" => a.mem.ordering = Some(Ordering::Release),
                "acq_rel" => a.mem.ordering = Some(Ordering::AcqRel),
                "ca" | "cg" | "wb" | "weak" | "noftz" => {}
                w if w.starts_with("L1::") || w.starts_with("L2::") => {}
                w if level(w).is_some() => a.mem.scope = Scope { level: level(w)?, one_as: false },
                "v2" => a.lanes = 2,
                "v4" => a.lanes = 4,
                w => a.rest.push(w),
            }
        }
        Some(a)
    }

    /// Acquiring and releasing between blocks is an order of everything else too: it is said by fences of their own, which
    /// whoever reorders the kernel understands. Gives what goes in front and what goes behind.
    fn split_fences(&mut self) -> [Option<Ordering>; 2] {
        use Ordering::*;
        let far = matches!(self.mem.scope.level, ScopeLevel::Device | ScopeLevel::System);
        let fences = match self.mem.ordering {
            Some(Acquire) => [None, Some(Acquire)],
            Some(Release) => [Some(Release), None],
            Some(AcqRel | SeqCst) => [Some(Release), Some(Acquire)],
            _ => [None, None],
        };
        if !far || fences == [None, None] {
            return [None, None];
        }
        self.mem.ordering = Some(Monotonic);
        fences
    }

    fn fence(&self, b: &mut KernelBuilder, ordering: Option<Ordering>) {
        if let Some(ordering) = ordering {
            b.insert(Op::Fence { ordering, scope: self.mem.scope }, Type::Void);
        }
    }

    fn mem(&self, lane: u32) -> MemFlags {
        let align = if lane == 0 { self.bytes * self.lanes } else { self.bytes };
        MemFlags { align, ..self.mem }
    }

    /// The type in memory of what a register of type `register` takes or gives.
    fn memory_type(&self, k: &Kernel, register: Option<Type>) -> Option<Type> {
        match register {
            Some(t) if !t.is_ptr() && t.is_float() && k.bytes(t) == u64::from(self.bytes) => Some(t),
            _ => type_of(self.kind),
        }
    }
}

/// The pointer of `[a]`, `[a+16]` or `[a-16]`.
fn address(m: &Machine<'_, '_>, b: &mut KernelBuilder, group: &[&str], space: AddrSpace) -> Option<Value> {
    let &[operand] = group else { return None };
    let inner = operand.strip_prefix('[')?.strip_suffix(']')?.trim();
    let (base, offset) = match inner.find(['+', '-']) {
        Some(at) => {
            let number: String = inner[at..].split_whitespace().collect();
            (inner[..at].trim(), number.trim_start_matches('+').parse::<i64>().ok()?)
        }
        None => (inner, 0),
    };
    let base = m.get(base)?;
    let mut p = pointer(b, base, space);
    if offset != 0 {
        let n = b.k.int(Type::I64, offset.into());
        p = b.ptr_add(p, n);
    }
    Some(p)
}

/// A register as a pointer into that space. Numbers that were made from a pointer of the space are that pointer.
fn pointer(b: &mut KernelBuilder, v: Value, space: AddrSpace) -> Value {
    let want = Type::Ptr(space);
    match b.k.ty(v) {
        t if t == want => v,
        Type::Int(_) => {
            let mut from = v;
            while let Some(Op::Cast { op: CastOp::Trunc | CastOp::ZExt, a, .. }) = b.k.def_op(from) {
                from = *a;
            }
            match b.k.def_op(from) {
                Some(&Op::Cast { op: CastOp::PtrToInt, a, .. }) if b.k.ty(a) == want => a,
                Some(&Op::Cast { op: CastOp::PtrToInt, a, .. })
                    if from == v && b.k.ty(a) == Type::Ptr(AddrSpace::Generic) =>
                {
                    b.cast(CastOp::AddrSpaceCast, a, want)
                }
                _ => b.cast(CastOp::IntToPtr, v, want),
            }
        }
        _ => b.cast(CastOp::AddrSpaceCast, v, want),
    }
}

/// `cvta[.to].<space>.<size> d, a`.
pub(super) fn convert_address(
    m: &Machine<'_, '_>,
    b: &mut KernelBuilder,
    s: &Statement<'_>,
) -> Option<Value> {
    let (to, word) = match s.words[..] {
        ["cvta", "to", space, _] => (true, space),
        ["cvta", space, _] => (false, space),
        _ => return None,
    };
    let space = match word {
        "global" => AddrSpace::Global,
        "shared" => AddrSpace::Shared,
        "const" => AddrSpace::Constant,
        "local" => AddrSpace::Local,
        _ => return None,
    };
    let v = m.get(s.operands.get(1)?)?;
    let (from, want) = if to { (AddrSpace::Generic, space) } else { (space, AddrSpace::Generic) };
    let p = match b.k.ty(v) {
        Type::Ptr(_) => v,
        _ => pointer(b, v, from),
    };
    Some(pointer(b, p, want))
}

/// The operands of a group, lane by lane.
fn lanes<'t>(s: &Statement<'t>, group: usize, a: &Access<'_>) -> Option<Vec<&'t str>> {
    s.groups.get(group).filter(|g| g.len() == a.lanes as usize).cloned()
}

fn at(b: &mut KernelBuilder, ptr: Value, a: &Access<'_>, lane: u32) -> Value {
    if lane == 0 {
        return ptr;
    }
    let step = b.k.int(Type::I64, i128::from(lane * a.bytes));
    b.ptr_add(ptr, step)
}

fn load<'t>(m: &mut Machine<'_, 't>, b: &mut KernelBuilder, s: &Statement<'t>) -> Option<()> {
    let mut a = Access::parse(&s.words[1..])?;
    a.rest.is_empty().then_some(())?;
    let [_, behind] = a.split_fences();
    let to = lanes(s, 0, &a)?;
    let ptr = address(m, b, s.groups.get(1)?, a.space)?;
    for (lane, register) in (0..).zip(to) {
        let ty = a.memory_type(b.k, m.output_type(b.k, register))?;
        let p = at(b, ptr, &a, lane);
        let x = b.load(ty, p, a.mem(lane));
        // Registers have 16 bits at least, and signed numbers fill them.
        let x = match (ty, a.kind) {
            (Type::Int(8), "s8") | (Type::Int(16), "s16") => b.cast(CastOp::SExt, x, Type::I32),
            (Type::Int(8), _) => b.cast(CastOp::ZExt, x, Type::I32),
            _ => x,
        };
        m.registers.insert(register, x);
    }
    a.fence(b, behind);
    Some(())
}

fn store<'t>(m: &mut Machine<'_, 't>, b: &mut KernelBuilder, s: &Statement<'t>) -> Option<()> {
    let mut a = Access::parse(&s.words[1..])?;
    a.rest.is_empty().then_some(())?;
    let [before, _] = a.split_fences();
    a.fence(b, before);
    let ptr = address(m, b, s.groups.first()?, a.space)?;
    for (lane, register) in (0..).zip(lanes(s, 1, &a)?) {
        let have = m.get(register).map(|v| b.k.ty(v));
        let ty = a.memory_type(b.k, have)?;
        let x = match (have, ty) {
            (Some(Type::Int(w)), Type::Int(n)) if w > n => {
                let v = m.get(register)?;
                b.cast(CastOp::Trunc, v, ty)
            }
            _ => m.read(b, register, ty)?,
        };
        let p = at(b, ptr, &a, lane);
        b.store(p, x, a.mem(lane));
    }
    Some(())
}

/// `atom.<op>.<type> d, [a], b` and `red.<op>.<type> [a], b`.
fn atomic<'t>(m: &mut Machine<'_, 't>, b: &mut KernelBuilder, s: &Statement<'t>) -> Option<()> {
    let mut a = Access::parse(&s.words[1..])?;
    let &[name] = &a.rest[..] else { return None };
    if a.mem.scope == Scope::SYSTEM && !s.words.contains(&"sys") {
        a.mem.scope = Scope::DEVICE;
    }
    let [before, behind] = a.split_fences();
    let ordering = a.mem.ordering.unwrap_or(Ordering::Monotonic);
    a.mem.ordering = Some(ordering);
    a.fence(b, before);
    let reduces = s.words[0] == "red";
    let first = usize::from(!reduces);
    let ptr = address(m, b, s.groups.get(first)?, a.space)?;
    let ty = type_of(a.kind)?;
    let (float, signed) = (ty.is_float(), a.kind.starts_with('s'));
    let values = lanes(s, first + 1, &a)?;
    let results = if reduces { vec!["_"; values.len()] } else { lanes(s, 0, &a)? };
    for (lane, (from, to)) in (0..).zip(values.into_iter().zip(results)) {
        let x = m.read(b, from, ty)?;
        let (p, mem) = (at(b, ptr, &a, lane), a.mem(lane));
        if name == "cas" && a.lanes == 1 {
            let &[new] = &s.groups.get(first + 2)?[..] else { return None };
            let new = m.read(b, new, ty)?;
            let pair = b.k.struct_ty(&[ty, Type::I1]);
            let failure = match ordering {
                Ordering::Release => Ordering::Monotonic,
                Ordering::AcqRel => Ordering::Acquire,
                o => o,
            };
            let op = Op::CmpXchg { ptr: p, expected: x, new, mem, failure, weak: false };
            let both = b.value(op, pair);
            let old = b.extract_value(both, 0);
            m.registers.insert(to, old);
            continue;
        }
        let op = match (name, float, signed) {
            ("add", true, _) => RmwOp::FAdd,
            ("max", true, _) => RmwOp::FMax,
            ("min", true, _) => RmwOp::FMin,
            ("add", ..) => RmwOp::Add,
            ("exch", ..) => RmwOp::Xchg,
            ("max", _, true) => RmwOp::Max,
            ("min", _, true) => RmwOp::Min,
            ("max", ..) => RmwOp::UMax,
            ("min", ..) => RmwOp::UMin,
            ("inc", ..) => RmwOp::UIncWrap,
            ("dec", ..) => RmwOp::UDecWrap,
            ("and", ..) => RmwOp::And,
            ("or", ..) => RmwOp::Or,
            ("xor", ..) => RmwOp::Xor,
            _ => return None,
        };
        let old = b.value(Op::AtomicRmw { op, ptr: p, val: x, mem }, ty);
        m.registers.insert(to, old);
    }
    a.fence(b, behind);
    Some(())
}

/// `membar.<level>` and `fence.<ordering>[.<scope>]`.
fn fence(b: &mut KernelBuilder, s: &Statement<'_>) -> Option<()> {
    let (ordering, scope) = match s.words[..] {
        ["membar", level] => (Ordering::SeqCst, level),
        ["fence", "sc", scope] => (Ordering::SeqCst, scope),
        ["fence", "acq_rel", scope] => (Ordering::AcqRel, scope),
        ["fence", scope] => (Ordering::AcqRel, scope),
        _ => return None,
    };
    let level = match scope {
        "cta" => ScopeLevel::Block,
        "gl" | "gpu" => ScopeLevel::Device,
        "sys" => ScopeLevel::System,
        _ => return None,
    };
    b.insert(Op::Fence { ordering, scope: Scope { level, one_as: false } }, Type::Void);
    Some(())
}
