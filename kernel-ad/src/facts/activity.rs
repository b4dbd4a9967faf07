//! Which values carry derivatives: those that depend on an active input (*varied*) and reach an active output
//! (*useful*). Each fact remembers the one it came from, so that a refusal can say why.

use super::calls::KnownCall;
use super::fields::Fields;
use super::provenance::{constant_offset, Base, Provenance, PtrKind};
use crate::cfg::Cfg;
use crate::grad::Roles;
use crate::kernel::*;
use cranelift_entity::SecondaryMap;
use shadow_mem::Role;
use std::collections::{HashMap, HashSet};

/// Where a fact came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum From {
    /// Contents of an object in memory.
    Memory(Base),
    /// Another value.
    Value(Value),
    /// An instruction.
    Inst(Inst),
    /// An active scalar parameter.
    Param(u32),
}

/// Activity of all values and of the local objects in memory.
#[derive(Clone, Debug)]
pub struct Activity {
    varied: SecondaryMap<Value, Option<From>>,
    useful: SecondaryMap<Value, Option<From>>,
    varied_memory: HashMap<Base, Option<From>>,
    useful_memory: HashMap<Base, Option<From>>,
    /// Loads of integers that are numbers, and no bits of floats.
    integers: HashSet<Inst>,
}

impl Activity {
    /// Computes activity by iteration to a fixed point, forward and then backward.
    pub fn new(k: &Kernel, cfg: &Cfg, prov: &Provenance, roles: &Roles) -> Activity {
        let mut a = Activity {
            varied: SecondaryMap::new(),
            useful: SecondaryMap::new(),
            varied_memory: HashMap::new(),
            useful_memory: HashMap::new(),
            integers: integers(k, cfg, prov),
        };
        for (i, (p, spec)) in k.params.iter().zip(&roles.params).enumerate() {
            if p.by_value.is_none() && !p.ty.is_ptr() && spec.role == Role::Active {
                a.varied[k.param_value(i as u32)] = Some(From::Param(i as u32));
            }
        }
        while cfg.rpo().iter().fold(false, |c, &b| c | a.forward(k, prov, roles, b)) {}
        while cfg.rpo().iter().rev().fold(false, |c, &b| c | a.backward(k, prov, b)) {}
        a
    }

    /// True when active data lies in this object, one whose contents are followed.
    pub fn holds_active(&self, base: Base) -> bool {
        self.varied_memory.contains_key(&base) && self.useful_memory.contains_key(&base)
    }

    /// True when the value has an adjoint.
    pub fn is_active(&self, k: &Kernel, v: Value) -> bool {
        self.varied[v].is_some() && self.useful[v].is_some() && holds_float(k, k.ty(v))
    }

    /// True for integers that carry the bits of active data.
    pub fn is_hidden(&self, k: &Kernel, v: Value) -> bool {
        self.varied[v].is_some() && self.useful[v].is_some() && !holds_float(k, k.ty(v))
    }

    /// True when the value depends on an active input.
    pub fn is_varied(&self, v: Value) -> bool {
        self.varied[v].is_some()
    }

    /// True when adjoints may arrive at what is stored behind this pointer.
    pub fn is_useful_memory(&self, prov: &Provenance, ptr: Value) -> bool {
        let fact = prov.of(ptr);
        match fact.kind {
            PtrKind::Plain | PtrKind::Nowhere => {
                fact.bases.iter().any(|b| self.useful_memory.contains_key(b))
            }
            _ => fact.bases.iter().any(|b| !prov.is_followed(*b) || self.useful_memory.contains_key(b)),
        }
    }

    /// True when what is loaded through this pointer may depend on an active input.
    pub fn is_varied_memory(&self, k: &Kernel, prov: &Provenance, roles: &Roles, ptr: Value) -> bool {
        self.memory_varied(k, prov, roles, ptr).is_some()
    }

    /// Why a value is active: the chain from an active input to it, and from it to an active output.
    pub fn because(&self, k: &Kernel, v: Value) -> Vec<String> {
        let mut back = Vec::new();
        let (mut at, mut steps) = (self.varied[v], 0);
        while let (Some(f), true) = (at, steps < 12) {
            steps += 1;
            back.push(describe(k, f));
            at = match f {
                From::Memory(b) => self.varied_memory.get(&b).copied().flatten(),
                From::Value(v) => self.varied[v],
                From::Inst(_) | From::Param(_) => None,
            };
        }
        back.reverse();
        back.push(value_name(k, v));
        let mut ahead = vec![value_name(k, v)];
        let (mut at, mut steps) = (self.useful[v], 0);
        while let (Some(f), true) = (at, steps < 12) {
            steps += 1;
            ahead.push(describe(k, f));
            at = match f {
                From::Memory(b) => self.useful_memory.get(&b).copied().flatten(),
                From::Value(v) => self.useful[v],
                From::Inst(_) | From::Param(_) => None,
            };
        }
        vec![format!("depends on {}", back.join(" -> ")), format!("reaches {}", ahead.join(" -> "))]
    }

    fn memory_varied(&self, k: &Kernel, prov: &Provenance, roles: &Roles, ptr: Value) -> Option<From> {
        let fact = prov.of(ptr);
        let hit = fact.bases.iter().copied().find(|b| match b {
            _ if prov.is_followed(*b) => self.varied_memory.contains_key(b),
            Base::Param(i) if k.params[*i as usize].by_value.is_some() => {
                let offset = constant_offset(k, ptr).and_then(|(_, o)| u64::try_from(o).ok());
                match offset {
                    Some(o) => roles.params[*i as usize].at(o) != Role::Const,
                    None => fact.kind != PtrKind::Plain,
                }
            }
            _ => fact.kind != PtrKind::Plain || self.varied_memory.contains_key(b),
        });
        hit.map(From::Memory)
    }

    fn mark_varied(&mut self, v: Value, why: From) -> bool {
        let new = self.varied[v].is_none();
        if new {
            self.varied[v] = Some(why);
        }
        new
    }

    fn forward(&mut self, k: &Kernel, prov: &Provenance, roles: &Roles, block: Block) -> bool {
        let mut changed = false;
        for &i in &k.blocks[block].insts {
            let data = &k.insts[i];
            match &data.op {
                Op::Store { ptr, val, .. } | Op::AtomicRmw { ptr, val, .. }
                    if self.varied[*val].is_some() =>
                {
                    changed |= self.spoil(prov, *ptr, From::Value(*val));
                }
                Op::CmpXchg { ptr, new, .. } if self.varied[*new].is_some() => {
                    changed |= self.spoil(prov, *ptr, From::Value(*new));
                }
                Op::MemCopy { dst, src, .. } => {
                    if let Some(why) = self.memory_varied(k, prov, roles, *src) {
                        changed |= self.spoil(prov, *dst, why);
                    }
                }
                op @ Op::Call { .. } => {
                    if let Some(call) = KnownCall::new(k, op) {
                        changed |= self.call_forward(k, prov, roles, call, data.result);
                        continue;
                    }
                }
                _ => {}
            }
            let Some(r) = data.result else { continue };
            if self.varied[r].is_some() || !may_carry(k, k.ty(r)) {
                continue;
            }
            let why = match &data.op {
                Op::Load { .. } | Op::AtomicRmw { .. } if self.integers.contains(&i) => None,
                Op::Load { ptr, .. } | Op::AtomicRmw { ptr, .. } | Op::CmpXchg { ptr, .. } => {
                    self.memory_varied(k, prov, roles, *ptr)
                }
                op => {
                    let mut why = None;
                    for_each_source(k, op, k.ty(r), |v| {
                        if why.is_none() && self.varied[v].is_some() {
                            why = Some(From::Value(v));
                        }
                    });
                    why
                }
            };
            if let Some(why) = why {
                changed |= self.mark_varied(r, why);
            }
        }
        changed
    }

    /// A call of a function with a derivative: all that it gives depends on all that it takes.
    fn call_forward(
        &mut self,
        k: &Kernel,
        prov: &Provenance,
        roles: &Roles,
        call: KnownCall<'_>,
        result: Option<Value>,
    ) -> bool {
        if call.function.is_inactive() {
            return false;
        }
        let by_value = call.args.iter().copied().find(|&v| k.ty(v).is_float() && self.varied[v].is_some());
        let why = by_value
            .map(From::Value)
            .or_else(|| call.read().find_map(|p| self.memory_varied(k, prov, roles, p)));
        let Some(why) = why else { return false };
        let mut changed = false;
        for ptr in call.written() {
            changed |= self.spoil(prov, ptr, why);
        }
        match result.filter(|&r| k.ty(r).is_float()) {
            Some(r) => changed | self.mark_varied(r, why),
            None => changed,
        }
    }

    fn call_backward(&mut self, k: &Kernel, prov: &Provenance, call: KnownCall<'_>, inst: Inst) -> bool {
        let wanted = k.insts[inst].result.is_some_and(|r| self.useful[r].is_some())
            || call.written().any(|p| self.is_useful_memory(prov, p));
        if call.function.is_inactive() || !wanted {
            return false;
        }
        let why =
            k.insts[inst].result.filter(|&r| self.useful[r].is_some()).map_or(From::Inst(inst), From::Value);
        let mut changed = false;
        for &v in call.args {
            if k.ty(v).is_float() && self.varied[v].is_some() && self.useful[v].is_none() {
                self.useful[v] = Some(why);
                changed = true;
            }
        }
        for ptr in call.read() {
            changed |= self.want(prov, ptr, why);
        }
        changed
    }

    /// Varied data is written through `ptr`.
    fn spoil(&mut self, prov: &Provenance, ptr: Value, why: From) -> bool {
        let mut changed = false;
        for base in prov.of(ptr).bases {
            // Memory without a shadow follows its contents too: what comes back out of it would be cut off silently.
            let local = prov.is_followed(base) || prov.kind(ptr) == PtrKind::Plain;
            if local && !self.varied_memory.contains_key(&base) {
                self.varied_memory.insert(base, Some(why));
                changed = true;
            }
        }
        changed
    }

    fn backward(&mut self, k: &Kernel, prov: &Provenance, block: Block) -> bool {
        let mut changed = false;
        for &i in k.blocks[block].insts.iter().rev() {
            let data = &k.insts[i];
            let mut mark = |a: &mut Activity, v: Value, why: From| {
                if a.varied[v].is_some() && a.useful[v].is_none() {
                    a.useful[v] = Some(why);
                    changed = true;
                }
            };
            match &data.op {
                Op::Store { ptr, val, .. } | Op::AtomicRmw { ptr, val, .. }
                    if self.is_useful_memory(prov, *ptr) =>
                {
                    mark(self, *val, From::Inst(i));
                }
                Op::CmpXchg { ptr, new, .. } if self.is_useful_memory(prov, *ptr) => {
                    mark(self, *new, From::Inst(i));
                }
                Op::MemCopy { dst, src, .. } if self.is_useful_memory(prov, *dst) => {
                    changed |= self.want(prov, *src, From::Inst(i));
                }
                op @ Op::Call { .. } => {
                    if let Some(call) = KnownCall::new(k, op) {
                        changed |= self.call_backward(k, prov, call, i);
                        continue;
                    }
                }
                _ => {}
            }
            let Some(r) = data.result else { continue };
            if self.useful[r].is_none() {
                continue;
            }
            match &data.op {
                Op::Load { ptr, .. } | Op::AtomicRmw { ptr, .. } | Op::CmpXchg { ptr, .. } => {
                    changed |= self.want(prov, *ptr, From::Value(r));
                }
                op => {
                    let mut sources: Vec<Value> = Vec::new();
                    for_each_source(k, op, k.ty(r), |v| sources.push(v));
                    for v in sources {
                        if self.varied[v].is_some() && self.useful[v].is_none() {
                            self.useful[v] = Some(From::Value(r));
                            changed = true;
                        }
                    }
                }
            }
        }
        changed
    }

    /// Useful data is read through `ptr`.
    fn want(&mut self, prov: &Provenance, ptr: Value, why: From) -> bool {
        let mut changed = false;
        for base in prov.of(ptr).bases {
            if let std::collections::hash_map::Entry::Vacant(e) = self.useful_memory.entry(base) {
                e.insert(Some(why));
                changed = true;
            }
        }
        changed
    }
}

/// Loads of integers that lie beside floats in records, and are computed with. Only stores of integers ask for them.
fn integers(k: &Kernel, cfg: &Cfg, prov: &Provenance) -> HashSet<Inst> {
    let reachable = || cfg.rpo().iter().flat_map(|&b| k.blocks[b].insts.iter().copied());
    let stores = |i: Inst| match &k.insts[i].op {
        Op::Store { val, .. } | Op::AtomicRmw { val, .. } => {
            k.ty(*val).is_int() && k.as_const(*val).is_none()
        }
        _ => false,
    };
    if !reachable().any(stores) {
        return HashSet::new();
    }
    let fields = Fields::new(k, cfg, prov, &|_| true, &|_| None);
    let counts = |i: &Inst| {
        let Some(r) = k.insts[*i].result.filter(|&r| k.ty(r).is_int()) else { return false };
        match &k.insts[*i].op {
            Op::Load { ptr, .. } | Op::AtomicRmw { ptr, .. } => {
                fields.is_integer(prov, *ptr, k.bytes(k.ty(r)))
            }
            _ => false,
        }
    };
    reachable().filter(counts).collect()
}

/// The operands through which an operation passes on data to a result of type `ty`: not addresses, not conditions,
/// not what is only compared or converted between numbers of different kinds.
fn for_each_source(k: &Kernel, op: &Op, ty: Type, mut f: impl FnMut(Value)) {
    match op {
        Op::ICmp { .. } | Op::FCmp { .. } | Op::PtrAdd { .. } | Op::Special(_) | Op::TapeLoad { .. } => {}
        Op::Cast { op, a, .. } => match op {
            CastOp::FpToUi | CastOp::FpToSi | CastOp::UiToFp | CastOp::SiToFp => {}
            CastOp::IntToPtr | CastOp::PtrToInt | CastOp::AddrSpaceCast => {}
            _ => f(*a),
        },
        Op::Select { a, b, .. } => {
            f(*a);
            f(*b);
        }
        Op::ExtractElement { vec, .. } => f(*vec),
        Op::InsertElement { vec, elem, .. } => {
            f(*vec);
            f(*elem);
        }
        // The first has the value only.
        Op::Math { func: MathFn::Pin, args, .. } => f(args[1]),
        Op::Math { func, args, .. } => {
            if holds_float(k, ty) && !is_flat(*func) {
                args.iter().filter(|v| holds_float(k, k.ty(**v))).for_each(|v| f(*v));
            }
        }
        Op::Warp { op, args } => op.sources().iter().for_each(|&i| f(args[i])),
        op => op.for_each_operand(f),
    }
}

/// Functions whose derivative is zero wherever it exists.
pub fn is_flat(f: MathFn) -> bool {
    use MathFn::*;
    matches!(f, Floor | Ceil | Trunc | Round | Rint | Logb | FromInt | FromUint)
}

/// True for types that can carry the bits of a float.
fn may_carry(k: &Kernel, ty: Type) -> bool {
    match ty {
        Type::Int(w) => w > 1,
        Type::Vec(Lane::Int(w), _) => w > 1,
        Type::Ptr(_) | Type::Vec(Lane::Ptr(_), _) | Type::Void => false,
        Type::Agg(id) => match &k.aggs[id] {
            AggTy::Struct { fields, .. } => fields.iter().any(|&f| may_carry(k, f)),
            AggTy::Array { elem, .. } => may_carry(k, *elem),
        },
        _ => true,
    }
}

/// True for types with a float somewhere.
pub fn holds_float(k: &Kernel, ty: Type) -> bool {
    match ty {
        Type::Agg(id) => match &k.aggs[id] {
            AggTy::Struct { fields, .. } => fields.iter().any(|&f| holds_float(k, f)),
            AggTy::Array { elem, .. } => holds_float(k, *elem),
        },
        ty => ty.is_float(),
    }
}

/// A value as messages name it.
pub fn value_name(k: &Kernel, v: Value) -> String {
    match &k.values[v].name {
        Some(n) => format!("%{n}"),
        None => format!("%{v}"),
    }
}

fn describe(k: &Kernel, f: From) -> String {
    match f {
        From::Value(v) => value_name(k, v),
        From::Param(i) => format!("`{}` (param {i}, active)", k.params[i as usize].name),
        From::Memory(b) => base_name(k, b),
        From::Inst(i) => {
            let (what, ptr) = match &k.insts[i].op {
                Op::Store { ptr, .. } => ("store to", *ptr),
                Op::MemCopy { dst, .. } => ("copy to", *dst),
                Op::AtomicRmw { ptr, .. } | Op::CmpXchg { ptr, .. } => ("atomic on", *ptr),
                Op::Call { callee, .. } => return format!("call of `{callee}`"),
                _ => return i.to_string(),
            };
            format!("{what} {}", value_name(k, ptr))
        }
    }
}

/// An object as messages name it.
pub fn base_name(k: &Kernel, b: Base) -> String {
    match b {
        Base::Param(i) => format!("`{}` (param {i})", k.params[i as usize].name),
        Base::Global(g) => format!("`{}`", k.globals[g].name),
        Base::Alloca(i) => match k.insts[i].result {
            Some(v) => format!("local array {}", value_name(k, v)),
            None => "a local array".into(),
        },
        Base::Field { param, offset } => {
            let at = offset.map_or("an unknown offset".into(), |o| format!("offset {o}"));
            format!("memory that `{}` points to at {at}", k.params[param as usize].name)
        }
        Base::Unknown => "memory of unknown origin".into(),
    }
}
