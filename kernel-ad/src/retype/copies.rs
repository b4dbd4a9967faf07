//! Copies of a few bytes, in a kernel that says nothing of what they are, become loads and stores of the floats that the caller says they
//! are: a struct or a vector that is only handed on.

use super::edit;
use crate::cfg::Cfg;
use crate::facts::{Fields, Provenance};
use crate::kernel::*;
use std::collections::HashMap;

/// Longer copies stay what they are.
const LONGEST: u64 = 64;

/// Rewrites the copies whose contents only `declared` knows, not the accesses in the kernel.
pub(super) fn spell_out(k: &mut Kernel, cfg: &Cfg, prov: &Provenance, declared: &Fields) {
    let copies = |k: &Kernel| -> Vec<(Inst, Value, Value, u64)> {
        let all = cfg.rpo().iter().flat_map(|&b| k.blocks[b].insts.iter().copied());
        all.filter_map(|i| match k.insts[i].op {
            Op::MemCopy { dst, src, len, volatile: false, .. } => {
                let len = u64::try_from(k.as_int(len)?).ok().filter(|&n| n <= LONGEST)?;
                Some((i, dst, src, len))
            }
            _ => None,
        })
        .collect()
    };
    let found = copies(k);
    if found.is_empty() {
        return;
    }
    let seen = Fields::new(k, cfg, prov, &|_| true, &|_| None);
    let floats =
        |fields: &Fields, ptr: Value, len: u64| fields.floats(prov, ptr, len).filter(|all| !all.is_empty());
    let mut types: HashMap<Inst, Type> = HashMap::new();
    for (i, dst, src, len) in found {
        if floats(&seen, dst, len).is_some() || floats(&seen, src, len).is_some() {
            continue;
        }
        let (a, b) = (floats(declared, dst, len), floats(declared, src, len));
        let Some(all) = (match (a, b) {
            (Some(a), Some(b)) => (a == b).then_some(a),
            (a, b) => a.or(b),
        }) else {
            continue;
        };
        let format = all[0].1;
        let size = u64::from(format.bytes());
        let covers = all.iter().zip(0..).all(|(&(at, f), n)| f == format && at == n * size);
        if covers && all.len() as u64 * size == len && all.len() > 1 && all.len() <= 16 {
            types.insert(i, Type::Vec(Lane::Float(format), all.len() as u16));
        }
    }
    edit::each(k, |b, i| {
        let &ty = types.get(&i)?;
        if let Op::MemCopy { dst, src, dst_align, src_align, .. } = b.k.insts[i].op {
            let val = b.load(ty, src, MemFlags::plain(src_align));
            b.k.insts[i].op = Op::Store { ptr: dst, val, mem: MemFlags::plain(dst_align) };
        }
        None
    });
}
