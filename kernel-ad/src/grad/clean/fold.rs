//! Phis that say nothing, and sums with a zero that may be dropped.

use super::{replace_values, resolve};
use crate::cfg::Cfg;
use crate::kernel::*;
use cranelift_entity::SecondaryMap;
use std::collections::HashMap;

type Map = SecondaryMap<Value, Option<Value>>;

/// Simplifies until nothing changes.
pub fn simplify(k: &mut Kernel) {
    loop {
        let mut map: Map = SecondaryMap::new();
        let mut changed = false;
        changed |= equal_phis(k, &mut map);
        changed |= sums(k, &mut map);
        if !changed {
            return;
        }
        replace_values(k, &map);
        for b in k.layout.clone() {
            let insts = std::mem::take(&mut k.blocks[b].insts);
            k.blocks[b].insts =
                insts.into_iter().filter(|&i| k.insts[i].result.is_none_or(|r| map[r].is_none())).collect();
        }
    }
}

/// Finds phis that always equal one other value, optimistically: phis that feed each other and only one value from
/// outside equal that value. Two phis are held equal as long as nothing speaks against it.
fn equal_phis(k: &Kernel, map: &mut Map) -> bool {
    // The lattice: unknown yet -> a value -> itself.
    let cfg = Cfg::new(k);
    let mut is: HashMap<Value, Option<Value>> = HashMap::new();
    let mut tries: HashMap<Value, u32> = HashMap::new();
    for (_, i) in k.iter_insts() {
        if let (Op::Phi { .. }, Some(r)) = (&k.insts[i].op, k.insts[i].result) {
            is.insert(r, None);
        }
    }
    let value_of = |is: &HashMap<Value, Option<Value>>, v: Value| -> Option<Value> {
        match is.get(&v) {
            Some(known) => *known,
            None => Some(v),
        }
    };
    let mut changed = true;
    while changed {
        changed = false;
        for &b in cfg.rpo() {
            for &i in &k.blocks[b].insts {
                let Op::Phi { incoming } = &k.insts[i].op else { break };
                let r = k.insts[i].result.expect("a phi has a result");
                if is[&r] == Some(r) {
                    continue;
                }
                let mut new: Option<Value> = None;
                let mut conflict = false;
                for (_, v) in incoming {
                    match (value_of(&is, *v), new) {
                        (None, _) => {}
                        (x, None) => new = x,
                        (x, y) => conflict |= x != y,
                    }
                }
                let new = if conflict { Some(r) } else { new };
                if new != is[&r] {
                    // A few changes of mind are allowed (a phi it equalled turned out to be one of its own).
                    let n = tries.entry(r).or_default();
                    *n += 1;
                    is.insert(r, if *n <= 4 { new } else { Some(r) });
                    changed = true;
                }
            }
        }
    }
    let mut any = false;
    for (r, v) in is {
        match v {
            Some(v) if v != r => {
                map[r] = Some(v);
                any = true;
            }
            _ => {}
        }
    }
    any
}

/// `x + 0` where the sign of a zero does not matter.
fn sums(k: &mut Kernel, map: &mut Map) -> bool {
    let mut any = false;
    let insts: Vec<Inst> = k.iter_insts().map(|(_, i)| i).collect();
    for i in insts {
        let Some(r) = k.insts[i].result else { continue };
        let to = match &k.insts[i].op {
            Op::Binary { op: BinOp::FAdd, a, b, fmf, .. } if fmf.contains(Fmf::NSZ) => {
                if is_zero(k, *a) {
                    Some(*b)
                } else if is_zero(k, *b) {
                    Some(*a)
                } else {
                    None
                }
            }
            Op::FNeg { a, fmf } if fmf.contains(Fmf::NSZ) && is_zero(k, *a) => Some(*a),
            Op::Select { a, b, .. } if a == b => Some(*a),
            _ => None,
        };
        if let (Some(v), None) = (to, map[r]) {
            if resolve(map, v) != r {
                map[r] = Some(v);
                any = true;
            }
        }
    }
    any
}

fn is_zero(k: &Kernel, v: Value) -> bool {
    match k.as_const(v) {
        Some(Const::Float(bits)) => *bits == 0,
        Some(Const::Zero) => true,
        Some(Const::Elems(e)) => e.iter().all(|&x| is_zero(k, x)),
        _ => false,
    }
}
