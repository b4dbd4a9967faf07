//! Constants, constant expressions (which become instructions) and module-level variables.

use super::translate::{refuse, Reader, Refusal, Step};
use crate::diag::Code;
use crate::kernel::*;
use crate::llvm::{Opcode, Ty, TypeKind, Val, ValueKind};
use smallvec::smallvec;

/// Initial contents of at most this many bytes are read.
const MAX_INITIALIZER: u64 = 1 << 30;

impl<'m> Reader<'m, '_> {
    /// A value for a constant.
    pub fn constant(&mut self, v: Val<'m>) -> Step<Value> {
        use ValueKind::*;
        let ty = self.ty(v.ty())?;
        let c = match v.kind() {
            LLVMConstantIntValueKind => Const::Int(int_bits(v)?),
            LLVMConstantFPValueKind => match v.const_float_bits() {
                Some(bits) => Const::Float(bits),
                None => return refuse(format!("constant `{v}`")),
            },
            LLVMConstantPointerNullValueKind => Const::Null,
            LLVMPoisonValueKind => Const::Poison,
            LLVMUndefValueValueKind => Const::Undef,
            LLVMConstantAggregateZeroValueKind => Const::Zero,
            LLVMConstantVectorValueKind
            | LLVMConstantDataVectorValueKind
            | LLVMConstantArrayValueKind
            | LLVMConstantDataArrayValueKind
            | LLVMConstantStructValueKind => return self.elements(v, ty),
            LLVMGlobalVariableValueKind => {
                let g = self.global(v)?;
                Const::Global(g)
            }
            LLVMConstantExprValueKind => {
                let made = self.in_prologue(|r| r.instruction(v));
                made?;
                return match self.vals.get(&v) {
                    Some(&value) => Ok(value),
                    None => refuse(format!("constant expression `{v}`")),
                };
            }
            LLVMFunctionValueKind | LLVMGlobalAliasValueKind | LLVMGlobalIFuncValueKind => {
                return Err(Refusal {
                    code: Code::UnsupportedCall,
                    message: format!("the address of function `{}` is taken", v.name()),
                    help: Some(
                        "make the callee known at compile time: a template parameter or a switch".into(),
                    ),
                })
            }
            _ => return refuse(format!("constant `{v}`")),
        };
        let value = self.k.constant(ty, c);
        self.vals.insert(v, value);
        Ok(value)
    }

    fn elements(&mut self, v: Val<'m>, ty: Type) -> Step<Value> {
        let n = match ty {
            Type::Vec(_, n) => u32::from(n),
            Type::Agg(id) => match &self.k.aggs[id] {
                AggTy::Struct { fields, .. } => fields.len() as u32,
                AggTy::Array { len, .. } => *len,
            },
            _ => return refuse(format!("constant `{v}`")),
        };
        let mut elems = Vec::with_capacity(n as usize);
        for i in 0..n {
            let Some(e) = v.const_element(i) else { return refuse(format!("constant `{v}`")) };
            elems.push(self.value(e)?);
        }
        let value = if elems.iter().all(|&e| self.k.as_const(e).is_some()) {
            self.k.constant(ty, Const::Elems(elems))
        } else {
            // Some element is a constant expression, which is an instruction by now.
            self.in_prologue(|r| {
                r.build(|b| {
                    let mut whole = b.k.constant(ty, Const::Undef);
                    for (i, elem) in (0u32..).zip(elems) {
                        let op = match ty {
                            Type::Vec(..) => {
                                let index = b.k.int(Type::I32, i.into());
                                Op::InsertElement { vec: whole, elem, index }
                            }
                            _ => Op::InsertValue { agg: whole, elem, path: smallvec![i] },
                        };
                        whole = b.value(op, ty);
                    }
                    whole
                })
            })
        };
        self.vals.insert(v, value);
        Ok(value)
    }

    /// The module-level variable that `v` is.
    fn global(&mut self, v: Val<'m>) -> Step<Global> {
        if let Some(&g) = self.globals.get(&v) {
            return Ok(g);
        }
        let Some(vty) = v.global_type() else {
            return refuse(format!("variable `{}` without a type", v.name()));
        };
        let space = AddrSpace::from_number(v.ty().addr_space());
        let (bytes, natural) = match self.ir.layout_of(vty) {
            Some(l) => l,
            None if v.is_declaration() => (0, 1),
            None => return refuse(format!("variable `{}` of type `{vty}` without a size", v.name())),
        };
        let ty = self.ty(vty).ok();
        let g = self.k.globals.push(GlobalVar {
            name: v.name(),
            space,
            bytes,
            align: if v.align() == 0 { natural } else { v.align() },
            ty,
            is_const: v.is_global_const(),
            external: !v.is_local_linkage() && space != AddrSpace::Shared,
            init: None,
            relocs: Vec::new(),
        });
        self.globals.insert(v, g);
        if space == AddrSpace::Shared {
            return Ok(g);
        }
        let init = v.initializer();
        let defined = init.filter(|i| {
            !matches!(i.kind(), ValueKind::LLVMUndefValueValueKind | ValueKind::LLVMPoisonValueKind)
        });
        if let Some(init) = defined {
            if bytes > MAX_INITIALIZER {
                return refuse(format!("variable `{}` has {bytes} bytes of initial contents; at most {MAX_INITIALIZER} are supported", v.name()));
            }
            let mut out = vec![0; bytes as usize];
            let mut relocs = Vec::new();
            self.initializer(init, 0, &mut out, &mut relocs)?;
            self.k.globals[g].init = Some(out);
            self.k.globals[g].relocs = relocs;
        }
        Ok(g)
    }

    /// Writes the bytes of a constant; pointers become relocations.
    fn initializer(
        &mut self,
        c: Val<'m>,
        at: u64,
        out: &mut [u8],
        relocs: &mut Vec<(u64, Global, i64)>,
    ) -> Step<()> {
        let mut put = |bits: u128, bytes: u64| {
            let end = (at + bytes) as usize;
            if let Some(slot) = out.get_mut(at as usize..end) {
                slot.copy_from_slice(&bits.to_le_bytes()[..bytes as usize]);
            }
        };
        if c.is_zero()
            || matches!(c.kind(), ValueKind::LLVMUndefValueValueKind | ValueKind::LLVMPoisonValueKind)
        {
            return Ok(());
        }
        match c.kind() {
            ValueKind::LLVMConstantIntValueKind => {
                put(int_bits(c)?, u64::from(c.ty().int_width()).div_ceil(8));
                return Ok(());
            }
            ValueKind::LLVMConstantFPValueKind => {
                let (bits, (bytes, _)) = match (c.const_float_bits(), self.ir.layout_of(c.ty())) {
                    (Some(bits), Some(l)) => (bits, l),
                    _ => return refuse(format!("initial contents `{c}`")),
                };
                put(bits.into(), bytes);
                return Ok(());
            }
            _ => {}
        }
        if c.ty().kind() == TypeKind::LLVMPointerTypeKind {
            let (target, addend) = self.address(c)?;
            let g = self.global(target)?;
            relocs.push((at, g, addend));
            return Ok(());
        }
        let (n, offset_of): (u64, Box<dyn Fn(&Self, u64) -> Option<u64>>) =
            match (c.ty().fields(), c.ty().elements()) {
                (Some(fields), _) => {
                    let ty = c.ty();
                    (fields.len() as u64, Box::new(move |r, i| r.ir.field_offset(ty, i as u32)))
                }
                (None, Some((elem, n))) => {
                    if c.ty().kind() == TypeKind::LLVMVectorTypeKind && elem.int_width() % 8 != 0 {
                        return refuse(format!("initial contents `{c}`"));
                    }
                    let stride = self.ir.layout_of(elem).map_or(0, |l| l.0);
                    (n, Box::new(move |_, i| Some(i * stride)))
                }
                _ => return refuse(format!("initial contents `{c}`")),
            };
        for i in 0..n {
            let (Some(e), Some(offset)) = (c.const_element(i as u32), offset_of(self, i)) else {
                return refuse(format!("initial contents `{c}`"));
            };
            self.initializer(e, at + offset, out, relocs)?;
        }
        Ok(())
    }

    /// A constant pointer as variable plus bytes.
    fn address(&self, c: Val<'m>) -> Step<(Val<'m>, i64)> {
        match (c.kind(), c.opcode()) {
            (ValueKind::LLVMGlobalVariableValueKind, _) => Ok((c, 0)),
            (ValueKind::LLVMFunctionValueKind, _) => Err(super::call::unsupported_call(format!(
                "the address of `{}`: a function that is known only when the kernel runs",
                super::names::source_name(&c.name())
            ))),
            (_, Some(Opcode::LLVMAddrSpaceCast | Opcode::LLVMBitCast)) => match c.operand(0) {
                Some(o) => self.address(o),
                None => refuse(format!("initial contents `{c}`")),
            },
            (_, Some(Opcode::LLVMGetElementPtr)) => {
                let (base, bytes) =
                    self.constant_gep(c).ok_or_else(|| Refusal::from(format!("initial contents `{c}`")))?;
                let (g, rest) = self.address(base)?;
                Ok((g, rest + bytes))
            }
            _ => refuse(format!("initial contents `{c}`")),
        }
    }

    /// Base and byte offset of a getelementptr whose indices are all constant.
    pub fn constant_gep(&self, gep: Val<'m>) -> Option<(Val<'m>, i64)> {
        let mut ty: Ty<'m> = gep.gep_source()?;
        let base = gep.operand(0)?;
        let mut bytes = 0i64;
        for i in 1..gep.num_operands() {
            let index = gep.operand(i)?;
            let width = index.ty().int_width();
            let n = sign_extend(index.const_int()?, width);
            if i == 1 {
                bytes = bytes.checked_add(n.checked_mul(self.ir.layout_of(ty)?.0 as i64)?)?;
            } else if let Some(fields) = ty.fields() {
                bytes = bytes.checked_add(self.ir.field_offset(ty, n as u32)? as i64)?;
                ty = *fields.get(n as usize)?;
            } else {
                let (elem, _) = ty.elements()?;
                bytes = bytes.checked_add(n.checked_mul(self.ir.layout_of(elem)?.0 as i64)?)?;
                ty = elem;
            }
        }
        Some((base, bytes))
    }
}

/// The low `width` bits as a signed number.
pub(super) fn sign_extend(bits: u64, width: u32) -> i64 {
    let shift = 64 - width.clamp(1, 64);
    ((bits << shift) as i64) >> shift
}

/// Bits of an integer constant of any width that Kernel IR has.
fn int_bits(v: Val<'_>) -> Step<u128> {
    if let Some(n) = v.const_int() {
        return Ok(n.into());
    }
    // LLVM's C interface has no access to wider ones but the text, which is decimal and signed.
    let width = v.ty().int_width();
    let text = v.to_string();
    let number = text.split(' ').nth(1).unwrap_or("");
    let bits = number.parse::<i128>().map(|n| n as u128).or_else(|_| number.parse::<u128>());
    match bits {
        Ok(b) if width < 128 => Ok(b & ((1 << width) - 1)),
        Ok(b) => Ok(b),
        Err(_) => refuse(format!("constant `{v}`")),
    }
}
