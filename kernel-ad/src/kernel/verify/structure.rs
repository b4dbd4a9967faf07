//! Ids point into their tables, blocks end as they must, tables agree with each other.

use super::*;
use std::collections::HashSet;

impl Verifier<'_> {
    pub(super) fn tables(&mut self) {
        let k = self.k;
        for (id, agg) in &k.aggs {
            if let Err(m) = check_agg(k, id, agg) {
                self.report(format!("type {id}: {m}"));
            }
        }
        if !self.out.is_empty() {
            return;
        }
        for (v, d) in &k.values {
            if d.ty == Type::Void || check_type(k, d.ty).is_err() {
                self.report(format!("value {v} is of a type that does not exist"));
                continue;
            }
            match &d.def {
                ValueDef::Param(i) if *i as usize >= k.params.len() => {
                    self.report(format!("value {v} is parameter {i} of {}", k.params.len()))
                }
                ValueDef::Inst(i) if i.as_u32() as usize >= k.insts.len() => {
                    self.report(format!("value {v} is defined by an instruction that does not exist"))
                }
                ValueDef::Const(c) => {
                    if let Err(m) = check_const(k, d.ty, c) {
                        let ty = print_type(k, d.ty);
                        self.report(format!("constant {v} of type {ty}: {m}"));
                    }
                }
                _ => {}
            }
        }
        self.params();
        self.globals();
        self.tape();
        self.distinct();
    }

    fn params(&mut self) {
        let k = self.k;
        let mut values = vec![None; k.params.len()];
        for (v, d) in &k.values {
            if let ValueDef::Param(i) = d.def {
                if let Some(slot @ None) = values.get_mut(i as usize) {
                    *slot = Some(v);
                } else {
                    self.report(format!("parameter {i} has two values"));
                }
            }
        }
        for (i, (p, v)) in k.params.iter().zip(values).enumerate() {
            match v {
                None => self.report(format!("parameter {i} has no value")),
                Some(v) if k.ty(v) != p.ty => {
                    self.report(format!("parameter {i} and its value differ in type"))
                }
                _ => {}
            }
            if p.by_value.is_some() && !p.ty.is_ptr() {
                self.report(format!("parameter {i} is a struct by value, but no pointer"));
            }
            let align = p.by_value.as_ref().map_or(1, |b| b.align);
            if !p.align.is_power_of_two() || !align.is_power_of_two() {
                self.report(format!("parameter {i}: alignment is not a power of two"));
            }
        }
    }

    fn globals(&mut self) {
        let k = self.k;
        for (g, var) in &k.globals {
            let name = &var.name;
            if !var.align.is_power_of_two() {
                self.report(format!("global `{name}` ({g}): alignment {} is not a power of two", var.align));
            }
            if var.ty.is_some_and(|t| check_type(k, t).is_err()) {
                self.report(format!("global `{name}` ({g}) is of a type that does not exist"));
            }
            if var.init.as_ref().is_some_and(|i| i.len() as u64 != var.bytes) {
                self.report(format!(
                    "global `{name}` ({g}): size {} differs from that of its contents",
                    var.bytes
                ));
            }
            for &(at, target, _) in &var.relocs {
                let inside = at.checked_add(8).is_some_and(|end| end <= var.bytes);
                if !inside || target.as_u32() as usize >= k.globals.len() || var.init.is_none() {
                    self.report(format!("global `{name}` ({g}): pointer at {at} is out of bounds"));
                }
            }
        }
    }

    fn distinct(&mut self) {
        for &(a, b) in &self.k.bounds.distinct {
            let is_pointer = |i: u32| self.k.params.get(i as usize).is_some_and(|p| p.ty.is_ptr());
            if let Some(i) = [a, b].into_iter().find(|&i| !is_pointer(i)) {
                self.report(format!("distinct({a}, {b}): parameter {i} is not a pointer"));
            }
        }
    }

    fn tape(&mut self) {
        let Some(t) = &self.k.tape else { return };
        for (what, i, pointer) in
            [("base", t.base, true), ("capacity", t.capacity, false), ("status", t.status, true)]
        {
            let ty = self.k.params.get(i as usize).map(|p| p.ty);
            let ok = match ty {
                Some(ty) if pointer => ty.is_ptr(),
                ty => ty == Some(Type::I64),
            };
            if !ok {
                let wanted = if pointer { "a pointer" } else { "an i64" };
                self.report(format!("the tape's {what} is parameter {i}, which is not {wanted}"));
            }
        }
        if !t.align.is_power_of_two() {
            self.report(format!("the tape's alignment {} is not a power of two", t.align));
        }
    }

    pub(super) fn blocks(&mut self) {
        if !self.out.is_empty() {
            return;
        }
        let k = self.k;
        if k.layout.is_empty() {
            return self.report("the kernel has no blocks".into());
        }
        let mut blocks = HashSet::new();
        for &b in &k.layout {
            if b.as_u32() as usize >= k.blocks.len() || !blocks.insert(b) {
                return self.report(format!("layout: {b} does not exist or stands there twice"));
            }
        }
        let mut insts = HashSet::new();
        for &b in &k.layout {
            for &i in &k.blocks[b].insts {
                if i.as_u32() as usize >= k.insts.len() || !insts.insert(i) {
                    return self.report(format!("{b}: {i} does not exist or stands there twice"));
                }
                self.ids_of(i);
            }
        }
        // Messages from here on print instructions, which looks ids up.
        if !self.out.is_empty() {
            return;
        }
        for &b in &k.layout {
            for (n, &i) in k.blocks[b].insts.iter().enumerate() {
                self.inst(b, n, i, &blocks);
            }
            if k.blocks[b].insts.is_empty() {
                self.report(format!(
                    "block {} is empty",
                    k.blocks[b].name.as_deref().unwrap_or("without a name")
                ));
            }
        }
    }

    fn ids_of(&mut self, i: Inst) {
        let k = self.k;
        let d = &k.insts[i];
        let mut bad_operand = false;
        d.op.for_each_operand(|v| bad_operand |= v.as_u32() as usize >= k.values.len());
        if bad_operand || d.loc.is_some_and(|l| l.as_u32() as usize >= k.locs.len()) {
            return self.report(format!("{i} refers to a value or a location that does not exist"));
        }
        if d.result.is_some_and(|r| k.values.get(r).is_none_or(|v| v.def != ValueDef::Inst(i))) {
            self.report(format!("{i}: the result is not defined by it"));
        }
    }

    fn inst(&mut self, b: Block, n: usize, i: Inst, blocks: &HashSet<Block>) {
        let k = self.k;
        let d = &k.insts[i];
        let last = n + 1 == k.blocks[b].insts.len();
        if d.op.is_terminator() != last {
            let m = if last { "the last instruction of a block ends it" } else { "a terminator is the last" };
            self.report_at(i, m);
        }
        if let Op::Phi { incoming } = &d.op {
            let before = n.checked_sub(1).map(|p| &k.insts[k.blocks[b].insts[p]].op);
            if !matches!(before, None | Some(Op::Phi { .. })) {
                self.report_at(i, "phis are the first instructions of their block");
            }
            if incoming.iter().any(|(b, _)| !blocks.contains(b)) {
                self.report_at(i, "an entry is for a block that is not in the layout");
            }
        }
        if matches!(d.op, Op::Alloca { .. }) && b != k.entry() {
            self.report_at(i, "allocas stand in the entry block");
        }
        if d.op.successors().iter().any(|s| !blocks.contains(s)) {
            self.report_at(i, "goes to a block that is not in the layout");
        }
    }
}

/// That every part of a type exists.
pub(super) fn check_type(k: &Kernel, ty: Type) -> std::result::Result<(), String> {
    match ty {
        Type::Int(0) | Type::Int(129..) | Type::Vec(Lane::Int(0) | Lane::Int(129..), _) => {
            Err("integers have 1 to 128 bits".into())
        }
        Type::Vec(_, 0) => Err("vectors have elements".into()),
        Type::Agg(id) if id.as_u32() as usize >= k.aggs.len() => Err("no such type".into()),
        _ => Ok(()),
    }
}

fn check_agg(k: &Kernel, id: AggId, agg: &AggTy) -> std::result::Result<(), String> {
    let member = |ty: Type| {
        // Members are interned before what holds them, so that no type holds itself.
        let cyclic = matches!(ty, Type::Agg(inner) if inner.as_u32() >= id.as_u32());
        if ty == Type::Void || cyclic {
            return Err("a member is of a type that does not exist".to_string());
        }
        check_type(k, ty)
    };
    match agg {
        AggTy::Struct { fields, offsets, size, align, .. } => {
            if fields.len() != offsets.len() || !align.is_power_of_two() {
                return Err("numbers of members and offsets differ, or a bad alignment".into());
            }
            for (&f, &o) in fields.iter().zip(offsets) {
                member(f)?;
                if u64::from(o).saturating_add(k.bytes(f)) > u64::from(*size) {
                    return Err(format!("the member at {o} ends behind the struct's {size} bytes"));
                }
            }
            Ok(())
        }
        AggTy::Array { elem, len, stride, align } => {
            member(*elem)?;
            if k.bytes(*elem) > u64::from(*stride) || !align.is_power_of_two() {
                return Err("elements overlap, or a bad alignment".into());
            }
            match len.checked_mul(*stride) {
                Some(_) => Ok(()),
                None => Err(format!("{len} elements of {stride} bytes do not fit 32 bits")),
            }
        }
    }
}

fn check_const(k: &Kernel, ty: Type, c: &Const) -> std::result::Result<(), String> {
    let fits = |bits: u128, w: u32| w >= 128 || bits >> w == 0;
    let ok = match (c, ty) {
        (Const::Int(bits), Type::Int(w)) => fits(*bits, w.into()),
        (Const::Float(bits), Type::Float(f)) => fits((*bits).into(), f.bytes() * 8),
        (Const::Null, Type::Ptr(_)) | (Const::Undef | Const::Poison | Const::Zero, _) => true,
        (Const::Global(g), Type::Ptr(space)) => k.globals.get(*g).is_some_and(|v| v.space == space),
        (Const::Elems(elems), Type::Vec(lane, n)) => {
            elems.len() == usize::from(n) && elems.iter().all(|&e| is_const_of(k, e, lane.ty()))
        }
        (Const::Elems(elems), Type::Agg(id)) => {
            let len = match &k.aggs[id] {
                AggTy::Struct { fields, .. } => fields.len(),
                AggTy::Array { len, .. } => *len as usize,
            };
            let mut elems_ok = elems
                .iter()
                .enumerate()
                .map(|(i, &e)| k.agg_member(ty, &[i as u32]).is_some_and(|t| is_const_of(k, e, t)));
            elems.len() == len && elems_ok.all(|ok| ok)
        }
        _ => false,
    };
    match ok {
        true => Ok(()),
        false => Err(format!("{c:?} does not fit the type")),
    }
}

fn is_const_of(k: &Kernel, v: Value, ty: Type) -> bool {
    k.values.get(v).is_some_and(|d| d.ty == ty && matches!(d.def, ValueDef::Const(_)))
}
