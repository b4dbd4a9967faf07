//! Integers that hold floats become floats, so that they have derivatives.
//!
//! Compilers move floats as integers: copies of structs, unions, halves in 16-bit integers, packed pairs, bits that are
//! masked or counted with. This pass gives a kernel that does the same, bit for bit, in which
//!
//! * structs and arrays as values are taken apart ([`aggregates`]);
//! * floats that only carry the bits of other floats are integers first ([`carriers`]);
//! * loads and stores of integers where floats lie are loads and stores of floats ([`memory`]);
//! * copies of what only the caller knows are loads and stores ([`copies`]);
//! * what only moves bits moves floats ([`webs`], [`lanes`]);
//! * bits with a meaning are the operation that they stand for ([`patterns`]);
//! * large angles that are reduced with the digits of 2/pi keep their derivative ([`reduction`]);
//! * zero and infinity go through chains of products like other numbers ([`detours`]);
//! * what is chosen at single points only has the slope of what is chosen around them ([`points`]);
//! * powers of two that are put on in steps act as one ([`scales`]);
//! * whatever is computed with the bits of a float has a *twin* that carries its derivative ([`twins`]), or is marked as having
//!   none that is known;
//! * what a select does not choose has no derivative, not even one that is no number ([`guards`]).

mod aggregates;
mod carriers;
mod copies;
mod detours;
mod edit;
mod guards;
mod lanes;
mod memory;
mod patterns;
mod points;
mod reduction;
mod rounding;
mod scales;
#[cfg(test)]
mod tests;
mod twins;
mod webs;

use crate::cfg::Cfg;
use crate::facts::{Base, Fields, Provenance};
use crate::grad::{clean, Roles};
use crate::kernel::*;

/// Rewrites a kernel for differentiation under these roles. Every output stays the same, bit for bit.
pub fn retype(k: &mut Kernel, roles: &Roles) {
    crate::canon::drop_unreachable(k);
    aggregates::take_apart(k);
    reduction::mark(k);
    let cfg = Cfg::new(k);
    let prov = Provenance::new(k, &cfg, roles);
    let fields = Fields::new(k, &cfg, &prov, &|_| true, &|base| declared(roles, base));
    copies::spell_out(k, &cfg, &prov, &fields);
    carriers::neutralise(k, &cfg, &prov, &|base| declared(roles, base));
    moves(k);
    let prov = Provenance::new(k, &cfg, roles);
    // What is stored may say what is loaded elsewhere.
    for _ in 0..4 {
        let fields = Fields::new(k, &cfg, &prov, &|_| true, &|base| declared(roles, base));
        if !memory::rewrite(k, &cfg, &prov, &fields) {
            break;
        }
        moves(k);
    }
    detours::straighten(k);
    points::mark(k);
    rounding::mark(k);
    scales::mark(k);
    twins::insert(k);
    guards::reciprocals(k);
    guards::place(k);
    clean::remove_dead_code(k);
}

/// Until nothing moves as an integer any more that could move as a float.
fn moves(k: &mut Kernel) {
    for _ in 0..8 {
        let mut changed = webs::rewrite(k);
        changed |= patterns::rewrite(k);
        changed |= lanes::rewrite(k);
        if !changed {
            return;
        }
        clean::remove_dead_code(k);
    }
}

/// What the caller says about the elements of a buffer.
pub fn declared(roles: &Roles, base: Base) -> Option<FloatTy> {
    match base {
        Base::Param(i) => roles.params.get(i as usize)?.format,
        Base::Field { param, offset: Some(o) } => {
            let fields = &roles.params.get(param as usize)?.fields;
            fields.iter().find(|f| f.offset == o)?.format
        }
        _ => None,
    }
}

/// True when derivatives are carried by twins: what is differentiated is then rounded, whatever it is computed in.
pub fn counts_bits(k: &Kernel) -> bool {
    k.iter_insts().any(|(_, i)| match &k.insts[i].op {
        Op::Math { func: MathFn::Pin, args, .. } => {
            let from_bits = match k.def_op(args[0]) {
                Some(Op::Cast { op, .. }) => matches!(op, CastOp::Bitcast | CastOp::SiToFp | CastOp::UiToFp),
                Some(Op::Math { func, .. }) => matches!(func, MathFn::FromInt | MathFn::FromUint),
                _ => false,
            };
            from_bits && k.as_const(args[1]).is_none()
        }
        _ => false,
    })
}

/// Takes the marks out again that only differentiation reads.
pub fn strip(k: &mut Kernel) {
    rounding::fix(k);
    reduction::fix(k);
    let pins: Vec<(Value, Value)> = k
        .iter_insts()
        .filter_map(|(_, i)| match &k.insts[i].op {
            Op::Math { func: MathFn::Pin | MathFn::Opaque, args, .. } => Some((k.insts[i].result?, args[0])),
            _ => None,
        })
        .collect();
    edit::replace(k, &pins);
    clean::remove_dead_code(k);
}
