//! Buffers in which every thread touches elements of its own only.
//!
//! An address is a thread's own when it is `base + c * index + d`, with one scale `c` for the whole kernel, `index` the
//! thread's number along axis 0 of the grid (plus whole grids, in grid-stride loops), and every `d` and the bytes
//! accessed there within `c` of each other. Two threads along other axes would share addresses: that they are not there
//! is an assumption for the launcher to check.

use super::provenance::{Base, Provenance};
use super::trip::{affine, DefBlocks};
use crate::canon::Regions;
use crate::kernel::*;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// One access to memory.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    /// Address.
    pub ptr: Value,
    /// Bytes; `None` when they are not known.
    pub bytes: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Symbol {
    /// Thread in its block, axis 0.
    Thread,
    /// First thread of the block in the grid, axis 0.
    BlockStart,
    /// The same for all threads.
    Uniform(Value),
}

/// A sum of multiples of symbols.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Form {
    terms: BTreeMap<Symbol, i64>,
    constant: i64,
}

impl Form {
    fn symbol(s: Symbol) -> Form {
        Form { terms: BTreeMap::from([(s, 1)]), constant: 0 }
    }

    fn scale(mut self, by: i64) -> Option<Form> {
        self.constant = self.constant.checked_mul(by)?;
        for c in self.terms.values_mut() {
            *c = c.checked_mul(by)?;
        }
        self.terms.retain(|_, c| *c != 0);
        Some(self)
    }

    fn plus(mut self, other: Form) -> Option<Form> {
        self.constant = self.constant.checked_add(other.constant)?;
        for (s, c) in other.terms {
            let slot = self.terms.entry(s).or_insert(0);
            *slot = slot.checked_add(c)?;
        }
        self.terms.retain(|_, c| *c != 0);
        Some(self)
    }

    fn is_uniform(&self) -> bool {
        self.terms.keys().all(|s| matches!(s, Symbol::Uniform(_)))
    }

    /// The factor of the thread's number, when nothing else varies between threads.
    fn own(&self) -> Option<i64> {
        let (t, b) = (self.terms.get(&Symbol::Thread)?, self.terms.get(&Symbol::BlockStart)?);
        (t == b && *t > 0).then_some(*t)
    }

    fn uniform_part(&self) -> Vec<(Symbol, i64)> {
        self.terms.iter().filter(|(s, _)| matches!(s, Symbol::Uniform(_))).map(|(s, c)| (*s, *c)).collect()
    }
}

/// Finds the parameters whose buffers are accessed by every thread at its own elements only, among `accesses`, which
/// must be all that matter. Empty when some access may go anywhere.
pub fn own_buffers(
    k: &Kernel,
    regions: &Regions,
    blocks: &DefBlocks,
    prov: &Provenance,
    accesses: &[Access],
) -> BTreeSet<u32> {
    let mut search = Search { k, regions, blocks, known: HashMap::new() };
    let mut of_param: BTreeMap<u32, Vec<(Form, u64)>> = BTreeMap::new();
    let mut out: BTreeSet<u32> = BTreeSet::new();
    let mut spoiled: BTreeSet<u32> = BTreeSet::new();
    for a in accesses {
        let fact = prov.of(a.ptr);
        match fact.single() {
            Some(Base::Alloca(_)) => {}
            Some(Base::Param(i)) if k.params[i as usize].by_value.is_none() => {
                match (search.address(a.ptr, i), a.bytes) {
                    (Some(f), Some(n)) => of_param.entry(i).or_default().push((f, n)),
                    _ => {
                        spoiled.insert(i);
                    }
                }
            }
            _ => {
                for base in &fact.bases {
                    match base {
                        Base::Param(i) => {
                            spoiled.insert(*i);
                        }
                        Base::Alloca(_) => {}
                        Base::Global(_) => {}
                        // Might be any buffer.
                        Base::Field { .. } | Base::Unknown => return BTreeSet::new(),
                    }
                }
            }
        }
    }
    for (i, forms) in of_param {
        if !spoiled.contains(&i) && apart(&forms) {
            out.insert(i);
        }
    }
    out
}

/// True when the kernel stores through addresses of the thread's own, plainly: a launch with threads along other axes
/// would then race in the primal already.
pub fn stores_own(k: &Kernel, regions: &Regions, blocks: &DefBlocks, prov: &Provenance) -> bool {
    let mut search = Search { k, regions, blocks, known: HashMap::new() };
    k.iter_insts().any(|(_, i)| match &k.insts[i].op {
        Op::Store { ptr, .. } => match prov.of(*ptr).single() {
            Some(Base::Param(p)) => search.address(*ptr, p).is_some_and(|f| f.own().is_some()),
            _ => false,
        },
        _ => false,
    })
}

fn apart(forms: &[(Form, u64)]) -> bool {
    let Some((first, _)) = forms.first() else { return false };
    let Some(scale) = first.own() else { return false };
    let same = |f: &Form| f.own() == Some(scale) && f.uniform_part() == first.uniform_part();
    if !forms.iter().all(|(f, _)| same(f)) {
        return false;
    }
    let low = forms.iter().map(|(f, _)| f.constant).min().unwrap_or(0);
    let high = forms.iter().filter_map(|(f, n)| f.constant.checked_add(i64::try_from(*n).ok()?)).max();
    high.and_then(|h| h.checked_sub(low)).is_some_and(|extent| extent <= scale)
}

struct Search<'a> {
    k: &'a Kernel,
    regions: &'a Regions,
    blocks: &'a DefBlocks,
    known: HashMap<Value, Option<Form>>,
}

impl Search<'_> {
    /// Byte offset of an address from the start of parameter `param`.
    fn address(&mut self, mut ptr: Value, param: u32) -> Option<Form> {
        let mut sum = Form::default();
        loop {
            if self.k.values[ptr].def == ValueDef::Param(param) {
                return Some(sum);
            }
            match self.k.def_op(ptr)? {
                Op::PtrAdd { ptr: p, offset, .. } => {
                    sum = sum.plus(self.form(*offset)?)?;
                    ptr = *p;
                }
                Op::Cast { op: CastOp::AddrSpaceCast, a, .. } => ptr = *a,
                _ => return None,
            }
        }
    }

    fn form(&mut self, v: Value) -> Option<Form> {
        if let Some(known) = self.known.get(&v) {
            return known.clone();
        }
        self.known.insert(v, None); // cycles have no form
        let f = self.find(v);
        self.known.insert(v, f.clone());
        f
    }

    fn find(&mut self, v: Value) -> Option<Form> {
        let k = self.k;
        if let Some(c) = k.as_int(v) {
            return Some(Form { terms: BTreeMap::new(), constant: c });
        }
        if let ValueDef::Param(_) = k.values[v].def {
            return Some(Form::symbol(Symbol::Uniform(v)));
        }
        match k.def_op(v)? {
            Op::Special(Special::ThreadId(0)) => Some(Form::symbol(Symbol::Thread)),
            Op::Special(Special::BlockDim(_) | Special::GridDim(_)) => Some(Form::symbol(Symbol::Uniform(v))),
            Op::Cast { op: CastOp::SExt | CastOp::ZExt, a, .. } | Op::Freeze { a } => self.form(*a),
            Op::Binary { op: BinOp::Add, a, b, .. } => self.form(*a)?.plus(self.form(*b)?),
            Op::Binary { op: BinOp::Or, a, b, flags, .. } if flags.contains(IntFlags::DISJOINT) => {
                self.form(*a)?.plus(self.form(*b)?)
            }
            Op::Binary { op: BinOp::Sub, a, b, .. } => self.form(*a)?.plus(self.form(*b)?.scale(-1)?),
            Op::Binary { op: BinOp::Shl, a, b, .. } => {
                let n = k.as_int(*b).filter(|n| (0..62).contains(n))?;
                self.form(*a)?.scale(1 << n)
            }
            Op::Binary { op: BinOp::Mul, a, b, .. } => {
                if self.is_block_start(*a, *b) || self.is_block_start(*b, *a) {
                    return Some(Form::symbol(Symbol::BlockStart));
                }
                match (k.as_int(*a), k.as_int(*b)) {
                    (_, Some(c)) => self.form(*a)?.scale(c),
                    (Some(c), _) => self.form(*b)?.scale(c),
                    _ => {
                        let uniform = self.form(*a)?.is_uniform() && self.form(*b)?.is_uniform();
                        uniform.then(|| Form::symbol(Symbol::Uniform(v)))
                    }
                }
            }
            Op::Phi { .. } => self.grid_stride(v),
            _ => None,
        }
    }

    fn is_block_start(&self, id: Value, dim: Value) -> bool {
        let special = |v: Value| match self.k.def_op(uncast(self.k, v)) {
            Some(Op::Special(s)) => Some(*s),
            _ => None,
        };
        special(id) == Some(Special::BlockId(0)) && special(dim) == Some(Special::BlockDim(0))
    }

    /// A variable that starts at the thread's number and goes on by whole grids belongs to the thread alone.
    fn grid_stride(&mut self, v: Value) -> Option<Form> {
        let a = affine(self.k, self.regions, self.blocks, v)?;
        let [(step, false)] = a.steps[..] else { return None };
        let start = self.form(a.init)?;
        let Some(Op::Binary { op: BinOp::Mul, a: x, b: y, .. }) = self.k.def_op(uncast(self.k, step)) else {
            return None;
        };
        let special = |v: Value| match self.k.def_op(uncast(self.k, v)) {
            Some(Op::Special(s)) => Some(*s),
            _ => None,
        };
        let whole = [special(*x), special(*y)];
        let grid = whole.contains(&Some(Special::BlockDim(0))) && whole.contains(&Some(Special::GridDim(0)));
        (grid && start.own() == Some(1)).then_some(start)
    }
}

fn uncast(k: &Kernel, mut v: Value) -> Value {
    while let Some(Op::Cast { op: CastOp::SExt | CastOp::ZExt, a, .. } | Op::Freeze { a }) = k.def_op(v) {
        v = *a;
    }
    v
}
