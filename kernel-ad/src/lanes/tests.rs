//! A widened kernel on a fraction of the threads must do what the kernel does on all of them. The interpreter runs both.

use super::*;
use crate::case::{Case, Image};
use crate::check::{Engine, Interpreter, Program};
use crate::gen::{generate, GenOptions};
use crate::grad::{self, TapeNeed};
use crate::interp::Options;
use crate::kernel::*;
use shadow_mem::Expr;
use std::path::Path;

/// Makes coordinates count lanes, so that the interpreter can run the kernel with one thread for `width`.
fn spread(k: &mut Kernel, width: u16) {
    let factor = k.int(Type::I32, width.into());
    for b in k.layout.clone() {
        let mut insts = Vec::new();
        for i in std::mem::take(&mut k.blocks[b].insts) {
            if let op @ Op::Special(Special::ThreadId(0) | Special::BlockDim(0)) = k.insts[i].op.clone() {
                let few = k.insts.push(InstData { op, result: None, loc: None });
                let v = k.values.push(ValueData { ty: Type::I32, def: ValueDef::Inst(few), name: None });
                k.insts[few].result = Some(v);
                let (flags, fmf) = (IntFlags::empty(), Fmf::empty());
                k.insts[i].op = Op::Binary { op: BinOp::Mul, a: v, b: factor, flags, fmf };
                insts.push(few);
            }
            insts.push(i);
        }
        k.blocks[b].insts = insts;
    }
}

/// Writes and reads the tape lane by lane: the interpreter wants entries read as they were written.
fn tape_by_lane(k: &mut Kernel) {
    for b in k.layout.clone() {
        for i in std::mem::take(&mut k.blocks[b].insts) {
            let InstData { op, result, .. } = k.insts[i].clone();
            let (offset, ty) = match &op {
                Op::TapeStore { offset, val } => (*offset, k.ty(*val)),
                Op::TapeLoad { offset } => (*offset, k.ty(result.unwrap())),
                _ => {
                    k.blocks[b].insts.push(i);
                    continue;
                }
            };
            let Type::Vec(lane, n) = ty else {
                k.blocks[b].insts.push(i);
                continue;
            };
            let mut whole = k.constant(ty, Const::Poison);
            for l in 0..n {
                let (by, index) = (k.bytes(lane.ty()) as i128 * i128::from(l), k.int(Type::I32, l.into()));
                let by = k.int(Type::I64, by);
                let mut f = KernelBuilder::new(k);
                f.switch_to(b);
                let at = f.binary(BinOp::Add, offset, by);
                if let Op::TapeStore { val, .. } = op {
                    let x = f.value(Op::ExtractElement { vec: val, index }, lane.ty());
                    f.tape_store(at, x);
                } else {
                    let x = f.tape_load(at, lane.ty());
                    whole = f.value(Op::InsertElement { vec: whole, elem: x, index }, ty);
                }
            }
            if result.is_some() {
                // The load's own instruction stays as a copy of what was put together.
                k.insts[i].op = Op::Freeze { a: whole };
                k.blocks[b].insts.push(i);
            }
        }
    }
}

/// Runs both and compares all memory; false when the kernel is not widened.
fn agree(program: &Program, case: &Case, width: u16) -> bool {
    let Some(mut wide) = widen_any(&program.kernel, width) else { return false };
    let mut narrow = program.clone();
    // Enough tape for all lanes: how much one thread needs is not the question here.
    for g in narrow.gradient.iter_mut().filter(|g| g.tape.is_some()) {
        let align = g.tape.as_ref().unwrap().align;
        g.tape = Some(TapeNeed { bytes_per_thread: Some(Expr::Const(1 << 20)), align, varies: false });
    }
    spread(&mut wide, width);
    tape_by_lane(&mut wide);
    verify(&wide).unwrap_or_else(|e| panic!("{e}\n{}", print(&wide)));
    let engine = Interpreter(Options::default());
    let (mut want, mut got) = (Image::of(case), Image::of(case));
    engine.run(&narrow, case, &mut want).unwrap();
    let fewer =
        Case { block: [case.block[0] / u32::from(width), case.block[1], case.block[2]], ..case.clone() };
    let program = Program { kernel: wide.clone(), ..narrow.clone() };
    if let Err(e) = engine.run(&program, &fewer, &mut got) {
        panic!("{e}\n{}\n{}", print(&narrow.kernel), print(&wide));
    }
    for (a, b) in want.leaves.iter().zip(&got.leaves) {
        for (what, a, b) in [("", &a.data, &b.data), ("shadow of ", &a.shadow, &b.shadow)] {
            let (x, y) = (a.to_f64(), b.to_f64());
            let size = x.iter().fold(1e-3f64, |m, x| m.max(x.abs()));
            for (i, (x, y)) in x.iter().zip(&y).enumerate() {
                let same =
                    (x - y).abs() <= 1e-4 * size || x.to_bits() == y.to_bits() || (x.is_nan() && y.is_nan());
                assert!(
                    same,
                    "{what}element {i}: {x} thread by thread, {y} in lanes\n{}\n{}",
                    print(&narrow.kernel),
                    print(&wide)
                );
            }
        }
    }
    true
}

// Catches: wrong shapes, lanes that take a way that is not theirs, what is lost where lanes part.
#[test]
fn random_kernels_do_the_same_in_lanes() {
    let (mut widened, mut gradients) = (0, 0);
    for seed in 0..120 {
        // The shadow of a local array is cleared as a whole, which keeps a gradient out of lanes.
        let options = GenOptions { kinks: false, local_arrays: seed % 3 == 0, ..GenOptions::default() };
        let g = generate(seed, &options);
        let width = [8, 4, 2].into_iter().find(|w| g.case.block[0] % w == 0);
        let Some(width) = width else { continue };
        let roles = g.case.roles();
        let primal = Program::primal(&g.kernel, &roles).unwrap();
        widened += u32::from(agree(&primal, &g.case, width as u16));
        if let Ok(r) = grad::reverse(&g.kernel, &roles, &Default::default()) {
            gradients += u32::from(agree(&Program::gradient(&r), &g.case, width as u16));
        }
    }
    assert!(widened >= 10 && gradients >= 4, "{widened} kernels and {gradients} gradients were widened");
}

fn example(name: &str, kernel: &str) -> Kernel {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../examples/cuda/{name}/{name}.cu"));
    crate::read::load(&path, &Default::default()).unwrap().kernel(kernel).unwrap()
}

// Catches: lanes that are given up in the kernels that they were made for, or neighbours that are not seen as such.
#[test]
fn examples_stay_together() {
    use shadow_mem::Role::*;
    for (file, name, roles, loads) in [
        ("nbody", "forces", &[Dup, Out, Const, Const][..], 0),
        ("heat", "heat", &[Dup, Dup, Out, Const, Const, Const], 6),
        ("logistic", "logistic", &[Dup, Dup, Out, Const, Const], 2),
    ] {
        let k = example(file, name);
        let gradient = grad::reverse(&k, &grad::Roles::of(roles), &Default::default()).unwrap().kernel;
        for k in [&k, &gradient] {
            let wide = widen(k, 16).unwrap_or_else(|| panic!("{name} is not widened"));
            let whole = wide.iter_insts().filter(|&(_, i)| {
                let data = &wide.insts[i];
                matches!(data.op, Op::Load { .. })
                    && data.result.is_some_and(|r| matches!(wide.ty(r), Type::Vec(Lane::Float(_), 16)))
            });
            assert!(whole.count() >= loads, "{name}:\n{}", print(&wide));
        }
    }
}
