//! Shadows of shared memory. A variable's shadow is a second variable; that of dynamic shared memory lies behind it, for
//! which the launch asks for twice the size.

use super::params::ShadowParams;
use crate::diag::{Code, Diagnostic, Result};
use crate::facts::provenance::shared_object;
use crate::facts::Provenance;
use crate::kernel::*;
use shadow_mem::{ElemType, ParamSpec, Passing, Purpose, SHARED_SHADOW_ALIGN};

/// The shadow of a shared variable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SharedShadow {
    /// Where it starts.
    pub ptr: Value,
    /// Its length in bytes, a multiple of 4: an i32.
    pub bytes: Value,
}

/// Makes the shadows of all shared variables that have one. Nothing is cleared.
///
/// # Errors
/// `KAD0105` when the kernel asks for the size of all its shared memory, or the variables are aligned too strictly.
pub fn add_shared(
    k: &mut Kernel,
    prov: &Provenance,
    params: &mut ShadowParams,
    specs: &mut Vec<ParamSpec>,
) -> Result<()> {
    let variables: Vec<Global> = prov.shadowed_shared().collect();
    if variables.is_empty() {
        return Ok(());
    }
    refuse_total_size(k)?;
    let mut dynamic: Option<(Value, Value)> = None; // bytes of the shadow, and the same as an offset
    for g in variables {
        let data = k.globals[g].clone();
        let primal = k.constant(Type::Ptr(AddrSpace::Shared), Const::Global(g));
        if data.bytes > 0 {
            let bytes = data.bytes.next_multiple_of(4);
            let (name, align) = (format!("{}.shadow", data.name), data.align.max(4));
            let shadow =
                k.globals.push(GlobalVar { name, bytes, align, init: None, relocs: Vec::new(), ..data });
            let ptr = k.constant(Type::Ptr(AddrSpace::Shared), Const::Global(shadow));
            let bytes = k.int(Type::I32, bytes.into());
            params.of_global.push((g, ptr));
            params.shared.push(SharedShadow { ptr, bytes });
            continue;
        }
        if data.align > SHARED_SHADOW_ALIGN {
            return Err(Diagnostic::new(
                Code::SharedMemory,
                format!("dynamic shared memory `{}` is aligned to {} bytes", data.name, data.align),
            )
            .because(format!("its shadow lies behind it, aligned to {SHARED_SHADOW_ALIGN}"))
            .into());
        }
        let (bytes, offset) = match dynamic {
            Some(d) => d,
            None => *dynamic.insert(dynamic_size(k, params, specs)),
        };
        let entry = k.entry();
        let mut b = KernelBuilder::new(k);
        b.at = Cursor::At(entry, params.inserted.len());
        let ptr = b.value(Op::PtrAdd { ptr: primal, offset, inbounds: false }, Type::Ptr(AddrSpace::Shared));
        params.inserted.push(b.k.def_inst(ptr).expect("an instruction"));
        params.of_global.push((g, ptr));
        if shared_object(k, g) == g {
            params.shared.push(SharedShadow { ptr, bytes });
        }
    }
    Ok(())
}

/// A parameter with the primal's size of dynamic shared memory, for which the launch gives more, and from it the size of
/// the shadow.
fn dynamic_size(k: &mut Kernel, params: &mut ShadowParams, specs: &mut Vec<ParamSpec>) -> (Value, Value) {
    let name = "shared.bytes";
    let size = k.add_param(Param::new(name, Type::I32));
    params.dynamic_size = Some(size);
    specs.push(ParamSpec {
        name: name.into(),
        passing: Passing::Scalar { ty: Some(ElemType::I32) },
        bytes: 4,
        align: 4,
        purpose: Purpose::DynamicSharedSize,
        accumulate_only: None,
        written: false,
    });
    for i in k.insts.keys().collect::<Vec<_>>() {
        let mut op = k.insts[i].op.clone();
        op.map_operands(|v| match k.def_op(v) {
            Some(Op::Special(Special::DynamicSharedSize)) => size,
            _ => v,
        });
        k.insts[i].op = op;
    }
    let entry = k.entry();
    let index = k.index_ty(AddrSpace::Shared);
    let mut b = KernelBuilder::new(k);
    b.at = Cursor::At(entry, 0);
    let (more, mask) = (
        b.k.int(Type::I32, (SHARED_SHADOW_ALIGN - 1).into()),
        b.k.int(Type::I32, -i128::from(SHARED_SHADOW_ALIGN)),
    );
    let sum = b.binary(BinOp::Add, size, more);
    let bytes = b.binary(BinOp::And, sum, mask);
    let mut made = vec![sum, bytes];
    let offset = if index == Type::I32 { bytes } else { b.cast(CastOp::ZExt, bytes, index) };
    made.extend((offset != bytes).then_some(offset));
    params.inserted.extend(made.into_iter().map(|v| b.k.def_inst(v).expect("an instruction")));
    (bytes, offset)
}

fn refuse_total_size(k: &Kernel) -> Result<()> {
    let asks = |i: &Inst| k.insts[*i].op == Op::Special(Special::TotalSharedSize);
    match k.iter_insts().map(|(_, i)| i).find(asks) {
        None => Ok(()),
        Some(i) => {
            Err(Diagnostic::new(Code::SharedMemory, "the kernel asks for the size of all its shared memory")
                .at(k, k.insts[i].loc)
                .because("in the gradient that includes shadows, so the number would be another")
                .help("pass the size as an argument")
                .into())
        }
    }
}

/// Makes the threads of a block clear the shadows together, before anything else happens, and wait for each other.
pub fn clear_at_entry(k: &mut Kernel, shared: &[SharedShadow], inserted: &[Inst]) {
    if shared.is_empty() {
        return;
    }
    let entry = k.entry();
    // Local arrays stay in the entry block, and so does what the shadows' places are computed from.
    let (stay, go): (Vec<Inst>, Vec<Inst>) = std::mem::take(&mut k.blocks[entry].insts)
        .into_iter()
        .partition(|i| matches!(k.insts[*i].op, Op::Alloca { .. }) || inserted.contains(i));
    k.blocks[entry].insts = stay;
    let mut b = KernelBuilder::new(k);
    let body = b.block("body");
    b.k.blocks[body].insts = go;
    b.k.end_moved(entry, body);
    b.switch_to(entry);
    let (first, all) = b.thread_number();
    let four = b.k.int(Type::I32, 4);
    let start = b.binary(BinOp::Mul, first, four);
    let step = b.binary(BinOp::Mul, all, four);
    let zero = b.k.int(Type::I32, 0);
    let index = b.k.index_ty(AddrSpace::Shared);
    for s in shared {
        let from = b.current();
        let (head, clear, out) = (b.block("clear"), b.block("clear.word"), b.block("cleared"));
        b.br(head);
        b.switch_to(head);
        let at = b.phi(Type::I32, Vec::new());
        let more = b.icmp(IntPred::Ult, at, s.bytes);
        b.cond_br(more, clear, out);
        b.switch_to(clear);
        let offset = if index == Type::I32 { at } else { b.cast(CastOp::ZExt, at, index) };
        let p = b.ptr_add(s.ptr, offset);
        b.store(p, zero, MemFlags::plain(4));
        let next = b.binary(BinOp::Add, at, step);
        b.br(head);
        let phi = b.k.def_inst(at).expect("a phi");
        b.k.insts[phi].op = Op::Phi { incoming: vec![(from, start), (clear, next)] };
        b.switch_to(out);
    }
    b.sync(None, None, true);
    b.br(body);
}
