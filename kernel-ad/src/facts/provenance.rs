//! Where pointers point: base objects, and whether the memory there has a shadow.

use crate::cfg::Cfg;
use crate::grad::Roles;
use crate::kernel::{
    AddrSpace, AggTy, BinOp, CastOp, Const, Global, GlobalVar, Inst, Kernel, Op, Type, Value, ValueDef,
};
use cranelift_entity::SecondaryMap;
use shadow_mem::Role;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// An object in memory that a pointer may point into.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Base {
    /// The buffer of a pointer parameter, or the bytes of a struct that is passed by value.
    Param(u32),
    /// A module-level variable.
    Global(Global),
    /// Memory of one thread.
    Alloca(Inst),
    /// What a pointer held in a by-value struct points to; its byte offset there, if it is constant.
    Field {
        /// The struct's parameter.
        param: u32,
        /// Where in the struct the pointer lies.
        offset: Option<u64>,
    },
    /// Anything else that the launch can reach: pointers loaded from buffers, made from integers, returned by calls.
    Unknown,
}

/// Whether the memory behind a pointer has a shadow.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PtrKind {
    /// No memory: null, undef.
    Nowhere,
    /// It has one, and the shadow pointer can be formed as the pointer is.
    Shadowed,
    /// It has none.
    Plain,
    /// Depending on control flow or data, it has one or not.
    Mixed,
    /// Nobody knows.
    Unknown,
}

impl PtrKind {
    fn join(self, other: PtrKind) -> PtrKind {
        use PtrKind::*;
        match (self, other) {
            (Nowhere, x) | (x, Nowhere) => x,
            (Unknown, _) | (_, Unknown) => Unknown,
            (a, b) if a == b => a,
            _ => Mixed,
        }
    }
}

/// What is known about one pointer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PtrFact {
    /// Objects that it may point into.
    pub bases: BTreeSet<Base>,
    /// Whether they have a shadow.
    pub kind: PtrKind,
}

impl PtrFact {
    fn nowhere() -> Self {
        PtrFact { bases: BTreeSet::new(), kind: PtrKind::Nowhere }
    }

    fn one(base: Base, kind: PtrKind) -> Self {
        PtrFact { bases: BTreeSet::from([base]), kind }
    }

    fn join(&mut self, other: &PtrFact) {
        self.bases.extend(other.bases.iter().copied());
        self.kind = self.kind.join(other.kind);
    }

    /// The one object that it points into, if there is one only.
    pub fn single(&self) -> Option<Base> {
        let mut it = self.bases.iter();
        it.next().copied().filter(|_| it.next().is_none())
    }
}

/// Facts about every pointer of a kernel (and about integers that were made from pointers).
#[derive(Clone, Debug)]
pub struct Provenance {
    facts: SecondaryMap<Value, Option<PtrFact>>,
    /// What the pointers held in a local array may be.
    pointees: HashMap<Inst, PtrFact>,
    /// Local arrays that pointers are loaded from, also by way of a copy.
    asked: BTreeSet<Inst>,
    /// Shared variables, and whether they have a shadow.
    shared: BTreeMap<Global, bool>,
}

impl Provenance {
    /// Computes the facts of the reachable code by iteration to a fixed point. All shared memory has a shadow.
    pub fn new(k: &Kernel, cfg: &Cfg, roles: &Roles) -> Provenance {
        Provenance::with_shared(k, cfg, roles, &|_| true)
    }

    /// The same; `has_shadow` says which shared variables have one.
    pub fn with_shared(
        k: &Kernel,
        cfg: &Cfg,
        roles: &Roles,
        has_shadow: &dyn Fn(Global) -> bool,
    ) -> Provenance {
        let shared = k.globals.iter().filter(|(_, v)| v.space == AddrSpace::Shared);
        let mut p = Provenance {
            facts: SecondaryMap::new(),
            pointees: HashMap::new(),
            asked: BTreeSet::new(),
            shared: shared.map(|(g, _)| (g, has_shadow(shared_object(k, g)))).collect(),
        };
        for (v, d) in k.values.iter() {
            match &d.def {
                // Shadow parameters have no role, and no provenance: primal code does not use them.
                ValueDef::Param(i) if d.ty.is_ptr() && (*i as usize) < roles.params.len() => {
                    p.facts[v] = Some(param_fact(roles, *i))
                }
                ValueDef::Const(c) if d.ty.is_ptr() => p.facts[v] = Some(p.const_fact(k, roles, c)),
                _ => {}
            }
        }
        loop {
            let mut changed = false;
            for &b in cfg.rpo() {
                for &i in &k.blocks[b].insts {
                    changed |= p.visit(k, roles, i);
                }
            }
            if !changed {
                return p;
            }
        }
    }

    /// The fact about a pointer. Values that are no pointers, and code that is never reached, point nowhere.
    pub fn of(&self, v: Value) -> PtrFact {
        self.facts[v].clone().unwrap_or_else(PtrFact::nowhere)
    }

    /// Whether the memory behind a pointer has a shadow.
    pub fn kind(&self, v: Value) -> PtrKind {
        self.facts[v].as_ref().map_or(PtrKind::Nowhere, |f| f.kind)
    }

    /// True when pointers into memory with a shadow may be held in the local array behind `ptr`, and are loaded from it.
    pub fn holds_shadowed_pointers(&self, ptr: Value) -> bool {
        self.of(ptr).bases.iter().any(|b| match b {
            Base::Alloca(a) => {
                self.asked.contains(a)
                    && self
                        .pointees
                        .get(a)
                        .is_some_and(|f| !matches!(f.kind, PtrKind::Plain | PtrKind::Nowhere))
            }
            _ => false,
        })
    }

    /// True for objects that begin and end with the launch: what they hold is followed from store to load.
    pub fn is_followed(&self, base: Base) -> bool {
        match base {
            Base::Alloca(_) => true,
            Base::Global(g) => self.shared.contains_key(&g),
            _ => false,
        }
    }

    /// Shared variables that have a shadow.
    pub fn shadowed_shared(&self) -> impl Iterator<Item = Global> + '_ {
        self.shared.iter().filter(|(_, s)| **s).map(|(g, _)| *g)
    }

    /// Every pointer that the reachable code uses, with its fact.
    pub fn all(&self) -> impl Iterator<Item = &PtrFact> {
        self.facts.values().flatten()
    }

    fn const_fact(&self, k: &Kernel, roles: &Roles, c: &Const) -> PtrFact {
        let Const::Global(g) = c else { return PtrFact::nowhere() };
        match self.shared.get(g) {
            Some(true) => PtrFact::one(Base::Global(shared_object(k, *g)), PtrKind::Shadowed),
            Some(false) => PtrFact::one(Base::Global(shared_object(k, *g)), PtrKind::Plain),
            None => PtrFact::one(Base::Global(*g), kind_of(roles.global(&k.globals[*g].name))),
        }
    }

    fn visit(&mut self, k: &Kernel, roles: &Roles, inst: Inst) -> bool {
        let data = &k.insts[inst];
        let fact = match &data.op {
            Op::Alloca { .. } => Some(PtrFact::one(Base::Alloca(inst), PtrKind::Shadowed)),
            Op::PtrAdd { ptr, .. } => self.facts[*ptr].clone(),
            Op::Cast { op: CastOp::IntToPtr, a, .. } => match &self.facts[*a] {
                // The pointer is known, but no shadow can be formed through an integer.
                Some(f) => Some(PtrFact { bases: f.bases.clone(), kind: through_integer(f.kind) }),
                None => Some(PtrFact::one(Base::Unknown, PtrKind::Unknown)),
            },
            Op::Cast { a, .. } | Op::Freeze { a } => self.facts[*a].clone(),
            Op::Binary {
                op: BinOp::Add | BinOp::Sub | BinOp::And | BinOp::Or | BinOp::Xor, a, b, ..
            } => self.union([*a, *b].into_iter()),
            Op::Phi { incoming } => self.union(incoming.iter().map(|(_, v)| *v)),
            Op::Select { a, b, .. } => self.union([*a, *b].into_iter()),
            Op::Load { ptr, .. } if data.result.is_some_and(|r| k.ty(r).is_ptr()) => {
                Some(self.loaded(k, roles, *ptr))
            }
            Op::Store { ptr, val, .. } => return self.stored(*ptr, *val),
            Op::MemCopy { dst, src, .. } => return self.copied(k, roles, *dst, *src),
            _ if data.result.is_some_and(|r| k.ty(r).is_ptr()) => {
                Some(PtrFact::one(Base::Unknown, PtrKind::Unknown))
            }
            _ => None,
        };
        let (Some(fact), Some(r)) = (fact, data.result) else { return false };
        if !(k.ty(r).is_ptr() || k.ty(r).is_int()) {
            return false;
        }
        merge(&mut self.facts[r], fact)
    }

    fn union(&self, of: impl Iterator<Item = Value>) -> Option<PtrFact> {
        let mut out: Option<PtrFact> = None;
        for v in of {
            if let Some(f) = &self.facts[v] {
                out.get_or_insert_with(PtrFact::nowhere).join(f);
            }
        }
        out
    }

    /// The fact about a pointer that is loaded through `ptr`.
    fn loaded(&mut self, k: &Kernel, roles: &Roles, ptr: Value) -> PtrFact {
        let Some(f) = self.facts[ptr].clone() else { return PtrFact::nowhere() };
        let mut out = PtrFact::nowhere();
        for base in &f.bases {
            match *base {
                Base::Alloca(a) => {
                    self.asked.insert(a);
                    if let Some(held) = self.pointees.get(&a) {
                        out.join(held);
                    }
                }
                Base::Param(i) if k.params[i as usize].by_value.is_some() => {
                    let offset = constant_offset(k, ptr).and_then(|(_, o)| u64::try_from(o).ok());
                    out.join(&field_fact(k, roles, i, offset));
                }
                _ => {
                    out.join(&PtrFact::one(Base::Unknown, f.kind));
                }
            }
        }
        out
    }

    fn stored(&mut self, ptr: Value, val: Value) -> bool {
        let Some(held) = self.facts[val].clone() else { return false };
        self.hold(ptr, &held)
    }

    fn copied(&mut self, k: &Kernel, roles: &Roles, dst: Value, src: Value) -> bool {
        let Some(from) = self.facts[src].clone() else { return false };
        let mut held = PtrFact::nowhere();
        let mut changed = false;
        let to = self.of(dst).bases;
        let asked = to.iter().any(|b| matches!(b, Base::Alloca(a) if self.asked.contains(a)));
        for base in &from.bases {
            match *base {
                Base::Alloca(a) => {
                    changed |= asked && self.asked.insert(a);
                    if let Some(h) = self.pointees.get(&a) {
                        held.join(h);
                    }
                }
                Base::Param(i) if k.params[i as usize].by_value.is_some() => {
                    held.join(&field_fact(k, roles, i, None));
                }
                _ => held.join(&PtrFact::one(Base::Unknown, from.kind)),
            }
        }
        changed | self.hold(dst, &held)
    }

    fn hold(&mut self, ptr: Value, held: &PtrFact) -> bool {
        let Some(to) = self.facts[ptr].clone() else { return false };
        let mut changed = false;
        for base in &to.bases {
            if let Base::Alloca(a) = base {
                let slot = self.pointees.entry(*a).or_insert_with(PtrFact::nowhere);
                let before = slot.clone();
                slot.join(held);
                changed |= *slot != before;
            }
        }
        changed
    }
}

fn merge(slot: &mut Option<PtrFact>, fact: PtrFact) -> bool {
    match slot {
        None => {
            *slot = Some(fact);
            true
        }
        Some(old) => {
            let before = old.clone();
            old.join(&fact);
            *old != before
        }
    }
}

fn through_integer(kind: PtrKind) -> PtrKind {
    match kind {
        PtrKind::Plain | PtrKind::Nowhere => kind,
        _ => PtrKind::Unknown,
    }
}

fn kind_of(role: Role) -> PtrKind {
    if role == Role::Const {
        PtrKind::Plain
    } else {
        PtrKind::Shadowed
    }
}

fn param_fact(roles: &Roles, index: u32) -> PtrFact {
    let spec = &roles.params[index as usize];
    let shadowed = spec.role != Role::Const || spec.fields.iter().any(|f| f.role != Role::Const);
    PtrFact::one(Base::Param(index), if shadowed { PtrKind::Shadowed } else { PtrKind::Plain })
}

fn field_fact(k: &Kernel, roles: &Roles, param: u32, offset: Option<u64>) -> PtrFact {
    let spec = &roles.params[param as usize];
    let mut pointers = Vec::new();
    if let Some(ty) = k.params[param as usize].by_value.as_ref().and_then(|s| s.ty) {
        pointer_offsets(k, ty, 0, &mut pointers);
    }
    let kind = match offset {
        Some(o) => kind_of(spec.at(o)),
        // One of them, but which is known at run time only.
        None if !pointers.is_empty() => {
            pointers.iter().fold(PtrKind::Nowhere, |k, &o| k.join(kind_of(spec.at(o))))
        }
        None => spec.fields.iter().fold(kind_of(spec.role), |k, f| k.join(kind_of(f.role))),
    };
    PtrFact::one(Base::Field { param, offset }, kind)
}

/// Byte offsets of the pointers in a type.
fn pointer_offsets(k: &Kernel, ty: Type, at: u64, out: &mut Vec<u64>) {
    match ty {
        Type::Ptr(_) => out.push(at),
        Type::Agg(id) => match &k.aggs[id] {
            AggTy::Struct { fields, offsets, .. } => {
                fields.iter().zip(offsets).for_each(|(&f, &o)| pointer_offsets(k, f, at + u64::from(o), out));
            }
            AggTy::Array { elem, len, stride, .. } => {
                let each = |i: u32| at + u64::from(i) * u64::from(*stride);
                (0..*len).for_each(|i| pointer_offsets(k, *elem, each(i), out));
            }
        },
        _ => {}
    }
}

/// The object that a shared variable is: all variables of dynamic size are one piece of memory, named by the first.
pub fn shared_object(k: &Kernel, g: Global) -> Global {
    let dynamic = |v: &GlobalVar| v.space == AddrSpace::Shared && v.bytes == 0;
    if !dynamic(&k.globals[g]) {
        return g;
    }
    k.globals.iter().find(|(_, v)| dynamic(v)).map_or(g, |(first, _)| first)
}

/// The pointer that `ptr` was made from by constant offsets and casts, and the sum of those offsets.
pub fn constant_offset(k: &Kernel, ptr: Value) -> Option<(Value, i64)> {
    let (mut at, mut sum) = (ptr, 0i64);
    loop {
        match k.def_op(at) {
            Some(Op::PtrAdd { ptr, offset, .. }) => {
                sum = sum.checked_add(k.as_int(*offset)?)?;
                at = *ptr;
            }
            Some(Op::Cast { op: CastOp::AddrSpaceCast, a, .. }) => at = *a,
            _ => return Some((at, sum)),
        }
    }
}

/// True for types that hold a pointer somewhere.
pub fn holds_pointer(k: &Kernel, ty: Type) -> bool {
    match ty {
        Type::Ptr(_) | Type::Vec(crate::kernel::Lane::Ptr(_), _) => true,
        Type::Agg(id) => match &k.aggs[id] {
            crate::kernel::AggTy::Struct { fields, .. } => fields.iter().any(|&f| holds_pointer(k, f)),
            crate::kernel::AggTy::Array { elem, .. } => holds_pointer(k, *elem),
        },
        _ => false,
    }
}
