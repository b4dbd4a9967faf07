//! Between two launches, the caller may do with its buffers what it likes.

use crate::case::{Data, Image, Leaf, LeafKind};
use crate::grad::SplitGradient;
use shadow_mem::Assumption;

/// Overwrites every buffer and variable that the reverse kernel may not load again: floats become NaN and integers zero, which is an
/// index that every buffer has.
pub fn spoil(split: &SplitGradient, image: &mut Image) {
    let assumed = &split.reverse.assumptions;
    if assumed.contains(&Assumption::KeptAll) {
        return;
    }
    let kept = |l: &Leaf| match (l.kind, image.variable_of(l)) {
        (_, Some(name)) => {
            let var = split.augmented.kernel.globals.values().find(|g| g.name == name);
            let fixed = var.is_some_and(|g| g.is_const && !g.external);
            fixed || assumed.contains(&Assumption::KeptVariable { name: name.into() })
        }
        (LeafKind::Scalar, None) => true,
        (_, None) => assumed.contains(&Assumption::Kept { param: l.arg as u32 }),
    };
    let kept: Vec<bool> = image.leaves.iter().map(kept).collect();
    for (l, kept) in image.leaves.iter_mut().zip(kept) {
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
