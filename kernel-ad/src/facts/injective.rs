//! Buffers in which every thread touches elements of its own only.
//!
//! An address is a thread's own when it is `base + c * index + d`, with one scale `c` for the whole kernel, and every `d`
//! and the bytes accessed there within `c` of each other. `index` is the thread's number along axis 0 of the grid (plus
//! whole grids, in grid-stride loops), or `x + width * y` with its numbers along axes 0 and 1, where `x < width` was
//! tested before. Threads along further axes would share addresses: that there are none is an assumption for the
//! launcher to check.

use super::provenance::{Base, Provenance};
use super::trip::{affine, DefBlocks};
use crate::canon::Regions;
use crate::cfg::{Cfg, DomTree};
use crate::kernel::*;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// One access to memory.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    /// Address.
    pub ptr: Value,
    /// Bytes; `None` when they are not known.
    pub bytes: Option<u64>,
    /// Where.
    pub at: Block,
}

/// A kernel to search, with its facts.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The kernel.
    pub k: &'a Kernel,
    /// Loops.
    pub regions: &'a Regions,
    /// Blocks of definitions.
    pub blocks: &'a DefBlocks,
    /// Where pointers point.
    pub prov: &'a Provenance,
    /// Edges.
    pub cfg: &'a Cfg,
    /// Dominators.
    pub dom: &'a DomTree,
}

/// Number of axes that the kernel tells threads apart by; `None` for more than two.
pub fn axes(k: &Kernel) -> Option<u8> {
    let mut most = 0;
    for (_, i) in k.iter_insts() {
        if let Op::Special(Special::ThreadId(a) | Special::BlockId(a)) = k.insts[i].op {
            most = most.max(a);
        }
    }
    (most < 2).then_some(most + 1)
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Symbol {
    /// Thread in its block.
    Thread(u8),
    /// First thread of the block in the grid.
    BlockStart(u8),
    /// The thread's number along axis 1, times that many.
    Rows(Value),
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

    /// The factor of the thread's number along an axis.
    fn along(&self, axis: u8) -> Option<i64> {
        let (t, b) = (self.terms.get(&Symbol::Thread(axis))?, self.terms.get(&Symbol::BlockStart(axis))?);
        (t == b && *t > 0).then_some(*t)
    }

    /// The thread's number along an axis and nothing else.
    fn is_number(&self, axis: u8) -> bool {
        self.along(axis) == Some(1) && self.terms.len() == 2 && self.constant == 0
    }

    /// The factor of the thread's index, when nothing else varies between threads; and the width of rows.
    fn own(&self) -> Option<(i64, Option<Value>)> {
        let scale = self.along(0)?;
        let mut rows = None;
        for (s, c) in &self.terms {
            match s {
                Symbol::Thread(0) | Symbol::BlockStart(0) | Symbol::Uniform(_) => {}
                Symbol::Rows(w) if rows.is_none() && *c == scale => rows = Some(*w),
                _ => return None,
            }
        }
        Some((scale, rows))
    }

    fn uniform_part(&self) -> Vec<(Symbol, i64)> {
        self.terms.iter().filter(|(s, _)| matches!(s, Symbol::Uniform(_))).map(|(s, c)| (*s, *c)).collect()
    }
}

/// Finds the parameters whose buffers are accessed by every thread at its own elements only, among `accesses`, which
/// must be all that matter. Empty when some access may go anywhere.
pub fn own_buffers(subject: Subject<'_>, accesses: &[Access]) -> BTreeSet<u32> {
    let Some(axes) = axes(subject.k) else { return BTreeSet::new() };
    let mut search = Search { s: subject, known: HashMap::new() };
    let mut of_param: BTreeMap<u32, Vec<(Form, u64)>> = BTreeMap::new();
    let mut spoiled: BTreeSet<u32> = BTreeSet::new();
    for a in accesses {
        let fact = subject.prov.of(a.ptr);
        for base in &fact.bases {
            match *base {
                Base::Alloca(_) | Base::Global(_) => {}
                // Might be any buffer.
                Base::Field { .. } | Base::Unknown => return BTreeSet::new(),
                Base::Param(i)
                    if fact.bases.len() == 1 && subject.k.params[i as usize].by_value.is_none() =>
                {
                    match (search.own_address(a.ptr, i, a.at, axes), a.bytes) {
                        (Some(f), Some(n)) => of_param.entry(i).or_default().push((f, n)),
                        _ => {
                            spoiled.insert(i);
                        }
                    }
                }
                Base::Param(i) => {
                    spoiled.insert(i);
                }
            }
        }
    }
    of_param.into_iter().filter(|(i, forms)| !spoiled.contains(i) && apart(forms)).map(|(i, _)| i).collect()
}

/// True when the kernel stores through addresses of the thread's own, plainly: a launch with threads along other axes
/// would then race in the primal already.
pub fn stores_own(subject: Subject<'_>) -> bool {
    let Some(axes) = axes(subject.k) else { return false };
    let mut search = Search { s: subject, known: HashMap::new() };
    subject.k.iter_insts().any(|(b, i)| match &subject.k.insts[i].op {
        Op::Store { ptr, .. } => match subject.prov.of(*ptr).single() {
            Some(Base::Param(p)) => search.own_address(*ptr, p, b, axes).is_some(),
            _ => false,
        },
        _ => false,
    })
}

fn apart(forms: &[(Form, u64)]) -> bool {
    let Some((first, _)) = forms.first() else { return false };
    let Some((scale, rows)) = first.own() else { return false };
    let same = |f: &Form| f.own() == Some((scale, rows)) && f.uniform_part() == first.uniform_part();
    if !forms.iter().all(|(f, _)| same(f)) {
        return false;
    }
    let low = forms.iter().map(|(f, _)| f.constant).min().unwrap_or(0);
    let mut high = low;
    for (f, n) in forms {
        match i64::try_from(*n).ok().and_then(|n| f.constant.checked_add(n)) {
            Some(end) => high = high.max(end),
            None => return false,
        }
    }
    high.checked_sub(low).is_some_and(|extent| extent <= scale)
}

struct Search<'a> {
    s: Subject<'a>,
    known: HashMap<Value, Option<Form>>,
}

impl Search<'_> {
    /// The form of an address, if it is the thread's own in a kernel of so many axes.
    fn own_address(&mut self, ptr: Value, param: u32, at: Block, axes: u8) -> Option<Form> {
        let f = self.address(ptr, param)?;
        match (f.own()?, axes) {
            ((_, None), 1) => Some(f),
            ((_, Some(width)), 2) if self.is_inside(at, width) => Some(f),
            _ => None,
        }
    }

    /// True when a block is reached only after `x < width` was found true.
    fn is_inside(&mut self, at: Block, width: Value) -> bool {
        let mut block = at;
        while let Some(above) = self.s.dom.idom(block) {
            if let Op::CondBr { cond, then, els } = self.s.k.insts[self.s.k.terminator(above)].op {
                let only = self.s.cfg.preds(block) == [above] && then != els;
                if only && (block == then || block == els) && self.implies(cond, block == then, width, 0) {
                    return true;
                }
            }
            block = above;
        }
        false
    }

    /// Whether `cond` being `truth` says that `x < width`.
    fn implies(&mut self, cond: Value, truth: bool, width: Value, depth: u32) -> bool {
        let k = self.s.k;
        if depth > 8 {
            return false;
        }
        let flag = |v: Value| k.as_int(v).map(|c| c != 0);
        match k.def_op(cond) {
            Some(Op::Binary { op: BinOp::And, a, b, .. }) if truth => {
                self.implies(*a, true, width, depth + 1) || self.implies(*b, true, width, depth + 1)
            }
            Some(Op::Binary { op: BinOp::Or, a, b, .. }) if !truth => {
                self.implies(*a, false, width, depth + 1) || self.implies(*b, false, width, depth + 1)
            }
            Some(Op::Binary { op: BinOp::Xor, a, b, .. }) if flag(*b) == Some(true) => {
                self.implies(*a, !truth, width, depth + 1)
            }
            Some(Op::Select { cond, a, b, .. }) if truth && flag(*b) == Some(false) => {
                self.implies(*cond, true, width, depth + 1) || self.implies(*a, true, width, depth + 1)
            }
            Some(Op::Select { cond, a, b, .. }) if !truth && flag(*a) == Some(true) => {
                self.implies(*cond, false, width, depth + 1) || self.implies(*b, false, width, depth + 1)
            }
            Some(Op::Freeze { a }) => self.implies(*a, truth, width, depth + 1),
            Some(Op::ICmp { pred, a, b }) => {
                let (below, above) = match (pred, truth) {
                    (IntPred::Slt | IntPred::Ult, true) | (IntPred::Sge | IntPred::Uge, false) => (*a, *b),
                    (IntPred::Sgt | IntPred::Ugt, true) | (IntPred::Sle | IntPred::Ule, false) => (*b, *a),
                    _ => return false,
                };
                // `x < width - 1` says so too.
                let above = match k.def_op(uncast(k, above)) {
                    Some(Op::Binary { op: BinOp::Add, a, b, flags, .. })
                        if flags.contains(IntFlags::NSW) && k.as_int(*b).is_some_and(|c| c <= 0) =>
                    {
                        *a
                    }
                    _ => above,
                };
                uncast(k, above) == width && self.form(below).is_some_and(|f| f.is_number(0))
            }
            _ => false,
        }
    }

    /// Byte offset of an address from the start of parameter `param`.
    fn address(&mut self, mut ptr: Value, param: u32) -> Option<Form> {
        let mut sum = Form::default();
        loop {
            if self.s.k.values[ptr].def == ValueDef::Param(param) {
                return Some(sum);
            }
            match self.s.k.def_op(ptr)? {
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
        let k = self.s.k;
        if let Some(c) = k.as_int(v) {
            return Some(Form { terms: BTreeMap::new(), constant: c });
        }
        if let ValueDef::Param(_) = k.values[v].def {
            return Some(Form::symbol(Symbol::Uniform(v)));
        }
        match k.def_op(v)? {
            Op::Special(Special::ThreadId(a)) => Some(Form::symbol(Symbol::Thread(*a))),
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
                if let Some(axis) = self.block_start(*a, *b).or_else(|| self.block_start(*b, *a)) {
                    return Some(Form::symbol(Symbol::BlockStart(axis)));
                }
                for (row, width) in [(*a, *b), (*b, *a)] {
                    let width = uncast(k, width);
                    let is_param = matches!(k.values[width].def, ValueDef::Param(_));
                    if is_param && self.form(row).is_some_and(|f| f.is_number(1)) {
                        return Some(Form::symbol(Symbol::Rows(width)));
                    }
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

    /// The axis, when this is the number of the block times the size of blocks.
    fn block_start(&self, id: Value, dim: Value) -> Option<u8> {
        let special = |v: Value| match self.s.k.def_op(uncast(self.s.k, v)) {
            Some(Op::Special(s)) => Some(*s),
            _ => None,
        };
        match (special(id), special(dim)) {
            (Some(Special::BlockId(a)), Some(Special::BlockDim(b))) if a == b => Some(a),
            _ => None,
        }
    }

    /// A variable that starts at the thread's number and goes on by whole grids belongs to the thread alone.
    fn grid_stride(&mut self, v: Value) -> Option<Form> {
        let a = affine(self.s.k, self.s.regions, self.s.blocks, v)?;
        let [(step, false)] = a.steps[..] else { return None };
        let start = self.form(a.init)?;
        let Some(Op::Binary { op: BinOp::Mul, a: x, b: y, .. }) = self.s.k.def_op(uncast(self.s.k, step))
        else {
            return None;
        };
        let special = |v: Value| match self.s.k.def_op(uncast(self.s.k, v)) {
            Some(Op::Special(s)) => Some(*s),
            _ => None,
        };
        let whole = [special(*x), special(*y)];
        let grid = whole.contains(&Some(Special::BlockDim(0))) && whole.contains(&Some(Special::GridDim(0)));
        (grid && start.is_number(0)).then_some(start)
    }
}

fn uncast(k: &Kernel, mut v: Value) -> Value {
    while let Some(Op::Cast { op: CastOp::SExt | CastOp::ZExt, a, .. } | Op::Freeze { a }) = k.def_op(v) {
        v = *a;
    }
    v
}
