//! Puts the bodies of device functions in the place of their calls.

use super::clean;
use crate::kernel::*;
use std::borrow::Cow;
use std::collections::HashMap;

/// The kernel with every call of a device function that it knows replaced by the function's own code: the primal as it runs.
pub fn expanded(k: &Kernel) -> Cow<'_, Kernel> {
    if k.functions.is_empty() {
        return Cow::Borrowed(k);
    }
    let mut out = k.clone();
    expand(&mut out, &|_| true);
    Cow::Owned(out)
}

/// Replaces the calls of functions that `which` holds for, derivatives among them by the names of their own.
/// When no function is left that is called, the kernel knows none any more.
pub fn expand(k: &mut Kernel, which: &dyn Fn(&Function) -> bool) {
    let functions = k.functions.clone();
    let mut bodies: HashMap<&str, &Body> = HashMap::new();
    for f in functions.iter().filter(|f| which(f)) {
        for body in std::iter::once(&f.body).chain(f.forward()).chain(f.reverse()) {
            bodies.insert(&body.name, body);
        }
    }
    let mut slots = Vec::new();
    let mut from = 0;
    while let Some(&block) = k.layout.get(from) {
        let call = k.blocks[block].insts.iter().position(
            |&i| matches!(&k.insts[i].op, Op::Call { callee, .. } if bodies.contains_key(callee.as_str())),
        );
        match call {
            Some(at) => {
                let Op::Call { callee, .. } = &k.insts[k.blocks[block].insts[at]].op else { unreachable!() };
                let body = bodies[callee.as_str()];
                Splice::new(k, &body.code).splice(block, at, &mut slots);
            }
            None => from += 1,
        }
    }
    clean::promote(k, &slots);
    k.functions.retain(|f| !which(f));
}

/// One body on its way into a kernel.
struct Splice<'a> {
    k: &'a mut Kernel,
    body: &'a Kernel,
    values: HashMap<Value, Value>,
    blocks: HashMap<Block, Block>,
    locs: HashMap<Loc, Loc>,
    globals: HashMap<Global, Global>,
    aggs: HashMap<AggId, AggId>,
    call_loc: Option<Loc>,
}

impl<'a> Splice<'a> {
    fn new(k: &'a mut Kernel, body: &'a Kernel) -> Self {
        Splice {
            k,
            body,
            values: HashMap::new(),
            blocks: HashMap::new(),
            locs: HashMap::new(),
            globals: HashMap::new(),
            aggs: HashMap::new(),
            call_loc: None,
        }
    }

    /// Replaces the call at `at` of `block`. A result goes through a variable, which is added to `slots`.
    fn splice(mut self, block: Block, at: usize, slots: &mut Vec<(Value, Type)>) {
        let call = self.k.blocks[block].insts[at];
        self.call_loc = self.k.insts[call].loc;
        let Op::Call { args, .. } = self.k.insts[call].op.clone() else { unreachable!("a call") };
        let rest = self.k.blocks[block].insts.split_off(at);
        let mut given: Vec<Value> = args.to_vec();
        if given.len() < self.body.params.len() {
            let ty = self.k.insts[call].result.map_or(Type::I64, |r| self.k.ty(r));
            let slot = self.variable(self.k.room(ty), 16);
            slots.push((slot, ty));
            given.push(slot);
            let plain = MemFlags::plain(1);
            if self.k.insts[call].result.is_some() {
                self.k.insts[call].op = Op::Load { ptr: slot, mem: plain };
            }
        }
        for (i, v) in given.into_iter().enumerate() {
            let v = self.fitting(block, v, self.body.params[i].ty);
            self.values.insert(self.body.param_value(i as u32), v);
        }
        let keeps_call = matches!(self.k.insts[call].op, Op::Load { .. });
        let rest = rest[usize::from(!keeps_call)..].to_vec();

        // Every value first: phis name later ones.
        for (_, i) in self.body.iter_insts() {
            if let Some(r) = self.body.insts[i].result {
                let data = &self.body.values[r];
                let (ty, name) = (self.ty(data.ty), data.name.clone());
                let def = ValueDef::Const(Const::Undef); // set with its instruction
                let v = self.k.values.push(ValueData { ty, def, name });
                self.values.insert(r, v);
            }
        }
        let entry = self.body.entry();
        self.blocks.insert(entry, block);
        let place = self.k.layout.iter().position(|&b| b == block).map_or(self.k.layout.len(), |p| p + 1);
        let mut added = Vec::new();
        for &b in self.body.layout.iter().filter(|&&b| b != entry) {
            let name = self.body.blocks[b].name.clone();
            let new = self.k.blocks.push(BlockData { name, insts: Vec::new() });
            self.blocks.insert(b, new);
            added.push(new);
        }
        let whole = added.is_empty() && self.body.insts[self.body.terminator(entry)].op == Op::Ret;
        let tail = match whole {
            true => block,
            false => {
                let name = self.k.blocks[block].name.clone().map(|n| format!("{n}.cont"));
                let tail = self.k.blocks.push(BlockData { name, insts: Vec::new() });
                added.push(tail);
                tail
            }
        };
        for &b in &self.body.layout {
            for &i in &self.body.blocks[b].insts {
                self.copy(b, i, tail, whole);
            }
        }
        // Local memory belongs into the entry block, also when that is split.
        let (mut allocas, mut others) = (Vec::new(), Vec::new());
        for i in rest {
            let moves = !whole && matches!(self.k.insts[i].op, Op::Alloca { .. });
            if moves { &mut allocas } else { &mut others }.push(i);
        }
        let first = self.k.entry();
        self.k.blocks[first].insts.splice(0..0, allocas);
        self.k.blocks[tail].insts.extend(others);
        self.k.layout.splice(place..place, added);
        if tail != block {
            self.k.end_moved(block, tail);
        }
    }

    fn copy(&mut self, from: Block, inst: Inst, tail: Block, whole: bool) {
        let data = self.body.insts[inst].clone();
        let mut op = data.op;
        if op == Op::Ret {
            if whole {
                return;
            }
            op = Op::Br { to: tail };
        } else {
            op.map_operands(|v| self.value(v));
            op.map_blocks(|b| self.blocks[&b]);
        }
        let loc = data.loc.map(|l| self.loc(l)).or(self.call_loc);
        let result = data.result.map(|r| self.values[&r]);
        let new = self.k.insts.push(InstData { op, result, loc });
        if let Some(r) = result {
            self.k.values[r].def = ValueDef::Inst(new);
        }
        if matches!(self.k.insts[new].op, Op::Alloca { .. }) {
            let entry = self.k.entry();
            self.k.blocks[entry].insts.insert(0, new);
        } else {
            let to = self.blocks[&from];
            self.k.blocks[to].insts.push(new);
        }
    }

    /// A new variable in the kernel's entry block.
    fn variable(&mut self, bytes: u64, align: u32) -> Value {
        let entry = self.k.entry();
        let mut b = KernelBuilder::new(self.k);
        b.at = Cursor::At(entry, 0);
        b.alloca(bytes.max(1), align, AddrSpace::Generic)
    }

    /// A pointer in the address space that the body expects.
    fn fitting(&mut self, block: Block, v: Value, want: Type) -> Value {
        if self.k.ty(v) == want || !want.is_ptr() {
            return v;
        }
        let mut b = KernelBuilder::new(self.k);
        b.switch_to(block);
        b.loc = self.call_loc;
        b.cast(CastOp::AddrSpaceCast, v, want)
    }

    fn value(&mut self, v: Value) -> Value {
        if let Some(&known) = self.values.get(&v) {
            return known;
        }
        let ty = self.ty(self.body.ty(v));
        let c = match &self.body.values[v].def {
            ValueDef::Const(Const::Global(g)) => Const::Global(self.global(*g)),
            ValueDef::Const(Const::Elems(e)) => {
                Const::Elems(e.clone().into_iter().map(|v| self.value(v)).collect())
            }
            ValueDef::Const(c) => c.clone(),
            // A use in code that is never reached.
            _ => Const::Undef,
        };
        let new = self.k.constant(ty, c);
        self.values.insert(v, new);
        new
    }

    fn ty(&mut self, ty: Type) -> Type {
        let Type::Agg(id) = ty else { return ty };
        if let Some(&known) = self.aggs.get(&id) {
            return Type::Agg(known);
        }
        let mut agg = self.body.aggs[id].clone();
        match &mut agg {
            AggTy::Struct { fields, .. } => fields.iter_mut().for_each(|f| *f = self.ty(*f)),
            AggTy::Array { elem, .. } => *elem = self.ty(*elem),
        }
        let new = self.k.agg(agg);
        self.aggs.insert(id, new);
        Type::Agg(new)
    }

    fn global(&mut self, g: Global) -> Global {
        if let Some(&known) = self.globals.get(&g) {
            return known;
        }
        let mut var = self.body.globals[g].clone();
        let same = self.k.globals.iter().find(|(_, v)| v.name == var.name).map(|(g, _)| g);
        if let Some(same) = same {
            self.globals.insert(g, same);
            return same;
        }
        let relocs = std::mem::take(&mut var.relocs);
        var.ty = var.ty.map(|t| self.ty(t));
        let new = self.k.globals.push(var);
        self.globals.insert(g, new);
        let relocs = relocs.into_iter().map(|(at, to, add)| (at, self.global(to), add)).collect();
        self.k.globals[new].relocs = relocs;
        new
    }

    fn loc(&mut self, l: Loc) -> Loc {
        if let Some(&known) = self.locs.get(&l) {
            return known;
        }
        let mut data = self.body.locs[l].clone();
        data.inlined_at = match data.inlined_at {
            Some(outer) => Some(self.loc(outer)),
            None => self.call_loc,
        };
        let new = self.k.locs.push(data);
        self.locs.insert(l, new);
        new
    }
}
