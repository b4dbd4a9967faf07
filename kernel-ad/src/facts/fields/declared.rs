//! What a caller says of memory, where the kernel only moves what lies there.

use super::{access, used_as_integers, Base, Cell, Fields, FloatTy, Inst, Kernel, Op, Provenance, Type};

impl Fields {
    /// An object that no access says anything of holds floats of the format that `also` gives. In one with other floats, that is what
    /// integers of their size are that pass by.
    pub(super) fn declared(
        &mut self,
        k: &Kernel,
        prov: &Provenance,
        insts: &[Inst],
        also: &dyn Fn(Base) -> Option<FloatTy>,
    ) {
        for (&base, &g) in &self.group {
            if let (Some(format), true) = (also(base), self.records[g].cells.is_empty()) {
                (self.records[g].modulus, self.records[g].alike) = (format.bytes().into(), true);
                self.records[g].put(0, Cell { format, by: None }, base);
            }
        }
        let used = used_as_integers(k, insts);
        for &i in insts.iter().filter(|&&i| matches!(k.insts[i].op, Op::Load { .. } | Op::Store { .. })) {
            let Some((ptr, Type::Int(width))) = access(k, i) else { continue };
            let (Some(g), Some(base)) = (self.group_of(prov, ptr), prov.of(ptr).bases.first().copied())
            else {
                continue;
            };
            let Some(format) = also(base).filter(|f| f.bytes() * 8 == u32::from(width)) else { continue };
            let (at, bytes) = (self.residues.of(ptr).rest, format.bytes().into());
            let integer = k.insts[i].result.is_some_and(|r| used.contains(&r));
            let record = &mut self.records[g];
            if !integer && record.has_other(at, bytes) && !record.counts(at, bytes) {
                record.put(at, Cell { format, by: Some(i) }, base);
            }
        }
    }
}
