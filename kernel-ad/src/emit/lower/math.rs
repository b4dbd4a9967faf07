//! Floating-point functions: vectors are split here, so that targets see scalars.

use super::memory::extract_lane;
use super::{arith::fmf_text, Lower, Ops};
use crate::diag::Result;
use crate::emit::text::Operand;
use crate::kernel::*;

/// A floating-point function with its operands lowered.
#[derive(Clone, Debug)]
pub struct MathCall {
    /// The function.
    pub func: MathFn,
    /// How it is to be computed.
    pub flavor: Flavor,
    /// Operands.
    pub args: Vec<Operand>,
    /// Format of the first float among operands and result.
    pub float: FloatTy,
    /// Type of the result: a float, or an integer for the functions that give one.
    pub result: Type,
    /// Types of the operands, in Kernel IR.
    pub arg_types: Vec<Type>,
    /// Fast-math flags.
    pub fmf: Fmf,
}

impl MathCall {
    /// The flags as LLVM words, each followed by a blank.
    pub fn fmf_text(&self) -> String {
        fmf_text(self.fmf)
    }
}

pub(super) fn lower(
    cx: &mut Lower<'_>,
    t: &mut dyn Ops,
    (func, flavor): (MathFn, Flavor),
    args: &[Value],
    fmf: Fmf,
    result: Type,
) -> Result<Operand> {
    if matches!(func, MathFn::Pin | MathFn::Opaque) {
        return Ok(cx.operands(t, &args[..1])?.remove(0));
    }
    let types: Vec<Type> = args.iter().map(|&a| cx.k.ty(a)).collect();
    let args = cx.operands(t, args)?;
    let float = types.iter().chain([&result]).find_map(|ty| ty.float()).unwrap_or(FloatTy::F32);
    let scalar_types: Vec<Type> = types.iter().map(|ty| ty.scalar()).collect();
    let call = MathCall { func, flavor, args, float, result: result.scalar(), arg_types: scalar_types, fmf };
    if !matches!(result, Type::Vec(..)) {
        return t.math(cx, &call);
    }
    let ty = cx.ty(t, result);
    if types.iter().all(|&a| a == result) {
        if let Some(whole) = t.math_lanes(cx, &call)? {
            return Ok(whole);
        }
    }
    let mut whole = Operand::new(ty.clone(), "poison");
    for lane in 0..result.lanes() {
        let mut one = call.clone();
        for (arg, &arg_ty) in one.args.iter_mut().zip(&types) {
            if matches!(arg_ty, Type::Vec(..)) {
                *arg = extract_lane(cx, t, arg, arg_ty, lane);
            }
        }
        let r = t.math(cx, &one)?;
        whole = cx.f.value(&ty, format_args!("insertelement {whole}, {r}, i32 {lane}"));
    }
    Ok(whole)
}
