//! Between two launches, the caller may do with its buffers what it likes.

use crate::case::{Data, Image, LeafKind};
use crate::grad::SplitGradient;
use shadow_mem::Assumption;

/// Overwrites every buffer and variable that the reverse kernel may not load again: floats become NaN and integers zero, which is an
/// index that every buffer has.
pub fn spoil(split: &SplitGradient, image: &mut Image) {
    let assumed = &split.reverse.assumptions;
    if assumed.contains(&Assumption::KeptAll) {
        return;
    }
    for l in &mut image.leaves {
        let kept = match l.kind {
            LeafKind::Scalar => true,
            LeafKind::Buffer | LeafKind::Member => {
                assumed.contains(&Assumption::Kept { param: l.arg as u32 })
            }
            LeafKind::Global => {
                let var = split.augmented.kernel.globals.values().find(|g| g.name == l.path);
                let fixed = var.is_some_and(|g| g.is_const && !g.external);
                fixed || assumed.contains(&Assumption::KeptVariable { name: l.path.clone() })
            }
        };
        if kept {
            continue;
        }
        let n = l.data.len();
        match l.data.ty.is_float() {
            true => l.data = Data::from_f64(l.data.ty, (0..n).map(|_| f64::NAN)),
            false => l.data.bytes.fill(0),
        }
    }
}
