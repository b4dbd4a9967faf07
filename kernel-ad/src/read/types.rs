//! LLVM types as types of Kernel IR.

use super::translate::{refuse, Reader, Step};
use crate::kernel::{AddrSpace, AggTy, FloatTy, Lane, Type};
use crate::llvm::{Ty, TypeKind};

impl<'m> Reader<'m, '_> {
    /// The type of a value, or why there is none.
    pub fn ty(&mut self, ty: Ty<'m>) -> Step<Type> {
        if let Some(&known) = self.aggs.get(&ty) {
            return Ok(known);
        }
        let made = match ty.kind() {
            TypeKind::LLVMVoidTypeKind => return Ok(Type::Void),
            TypeKind::LLVMIntegerTypeKind => match ty.int_width() {
                w @ 1..=128 => return Ok(Type::Int(w as u16)),
                w => return refuse(format!("integer of {w} bits: at most 128 are supported")),
            },
            TypeKind::LLVMHalfTypeKind => return Ok(Type::Float(FloatTy::F16)),
            TypeKind::LLVMBFloatTypeKind => return Ok(Type::Float(FloatTy::Bf16)),
            TypeKind::LLVMFloatTypeKind => return Ok(Type::F32),
            TypeKind::LLVMDoubleTypeKind => return Ok(Type::F64),
            TypeKind::LLVMPointerTypeKind => return Ok(Type::Ptr(AddrSpace::from_number(ty.addr_space()))),
            TypeKind::LLVMVectorTypeKind => self.vector(ty)?,
            TypeKind::LLVMArrayTypeKind => self.array(ty)?,
            TypeKind::LLVMStructTypeKind => self.structure(ty)?,
            TypeKind::LLVMTokenTypeKind => return refuse("token values"),
            TypeKind::LLVMScalableVectorTypeKind => return refuse("scalable vectors"),
            _ => return refuse(format!("type `{ty}`")),
        };
        self.aggs.insert(ty, made);
        Ok(made)
    }

    fn vector(&mut self, ty: Ty<'m>) -> Step<Type> {
        let Some((elem, n)) = ty.elements() else { return refuse(format!("type `{ty}`")) };
        let lane = match self.ty(elem)? {
            Type::Int(w) => Lane::Int(w),
            Type::Float(f) => Lane::Float(f),
            Type::Ptr(a) => Lane::Ptr(a),
            _ => return refuse(format!("type `{ty}`")),
        };
        match u16::try_from(n) {
            Ok(n) => Ok(Type::Vec(lane, n)),
            Err(_) => refuse(format!("vector of {n} lanes: at most 65535 are supported")),
        }
    }

    fn array(&mut self, ty: Ty<'m>) -> Step<Type> {
        let Some((elem, n)) = ty.elements() else { return refuse(format!("type `{ty}`")) };
        let Some((stride, align)) = self.ir.layout_of(elem) else {
            return refuse(format!("type `{ty}` has no size"));
        };
        let elem_ty = self.ty(elem)?;
        let (Ok(len), Ok(stride)) = (u32::try_from(n), u32::try_from(stride)) else {
            return refuse(format!("array `{ty}` is larger than 4 GiB"));
        };
        Ok(Type::Agg(self.k.agg(AggTy::Array { elem: elem_ty, len, stride, align })))
    }

    fn structure(&mut self, ty: Ty<'m>) -> Step<Type> {
        let (Some(members), Some((size, align))) = (ty.fields(), self.ir.layout_of(ty)) else {
            return refuse(format!("type `{ty}` has no size"));
        };
        let fields = members.into_iter().map(|m| self.ty(m)).collect::<Step<Vec<_>>>()?;
        let offsets = (0..fields.len() as u32)
            .map(|i| self.ir.field_offset(ty, i).and_then(|o| u32::try_from(o).ok()))
            .collect::<Option<Vec<_>>>();
        let (Some(offsets), Ok(size)) = (offsets, u32::try_from(size)) else {
            return refuse(format!("struct `{ty}` is larger than 4 GiB"));
        };
        Ok(Type::Agg(self.k.agg(AggTy::Struct { fields, offsets, size, align, packed: ty.is_packed() })))
    }
}
