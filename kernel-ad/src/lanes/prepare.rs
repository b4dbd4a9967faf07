//! Brings a kernel into the form that widening expects: allocas first, and a block boundary wherever lanes may part.

use super::shape::{in_lanes, Shape, Shapes};
use crate::kernel::{Block, BlockData, CastOp, InstData, Kernel, Op, Value};
use std::collections::HashMap;

/// A kernel in that form.
pub(super) struct Prepared {
    pub k: Kernel,
    pub shapes: Shapes,
    /// Blocks behind which the lanes part unless a value's step can be added in all of them without wrapping.
    pub guards: HashMap<Block, Guard>,
}

/// `value + lane * step` does not wrap in any lane.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Guard {
    pub value: Value,
    pub step: i64,
    pub signed: bool,
}

impl Prepared {
    /// True for blocks that only single lanes execute.
    pub fn alone(&self, b: Block) -> bool {
        self.k.blocks[b].insts.iter().any(|&i| {
            let op = &self.k.insts[i].op;
            !in_lanes(&self.k, op)
                || matches!(op, Op::Switch { val, .. } if !self.shapes.is_uniform(&self.k, *val))
        })
    }
}

pub(super) fn prepare(k: &Kernel) -> Prepared {
    let mut k = k.clone();
    hoist_allocas(&mut k);
    let shapes = Shapes::new(&k);
    let mut guards = HashMap::new();
    for b in k.layout.clone() {
        let (mut b, mut from) = (b, 0);
        while let Some((at, guard)) = next_cut(&k, &shapes, b, from) {
            let rest = split(&mut k, b, at);
            guards.extend(guard.map(|g| (b, g)));
            (b, from) = (rest, 1);
        }
    }
    Prepared { k, shapes, guards }
}

fn hoist_allocas(k: &mut Kernel) {
    let entry = k.entry();
    let insts = std::mem::take(&mut k.blocks[entry].insts);
    let (mut allocas, rest): (Vec<_>, Vec<_>) =
        insts.into_iter().partition(|&i| matches!(k.insts[i].op, Op::Alloca { .. }));
    allocas.extend(rest);
    k.blocks[entry].insts = allocas;
}

/// The first place from `from` on where lanes may part, with the condition for going on together; without one they
/// always part or not, as the terminator says.
fn next_cut(k: &Kernel, shapes: &Shapes, b: Block, from: usize) -> Option<(usize, Option<Guard>)> {
    k.blocks[b].insts.iter().enumerate().skip(from).find_map(|(at, &i)| match &k.insts[i].op {
        Op::Cast { op: op @ (CastOp::SExt | CastOp::ZExt), a, .. } => match shapes.of(k, *a) {
            Shape::Step(step) if step != 0 => {
                Some((at, Some(Guard { value: *a, step, signed: *op == CastOp::SExt })))
            }
            _ => None,
        },
        Op::Switch { val, .. } if at > 0 && !shapes.is_uniform(k, *val) => Some((at, None)),
        _ => None,
    })
}

/// Moves the instructions from `at` on into a new block behind `b`.
fn split(k: &mut Kernel, b: Block, at: usize) -> Block {
    let rest = k.blocks[b].insts.split_off(at);
    let name = k.blocks[b].name.clone();
    let new = k.blocks.push(BlockData { name, insts: rest });
    let place = k.layout.iter().position(|&x| x == b).expect("a block of the layout");
    k.layout.insert(place + 1, new);
    for s in k.successors(new) {
        for i in k.blocks[s].insts.clone() {
            if matches!(k.insts[i].op, Op::Phi { .. }) {
                k.insts[i].op.map_blocks(|p| if p == b { new } else { p });
            }
        }
    }
    let br = k.insts.push(InstData { op: Op::Br { to: new }, result: None, loc: None });
    k.blocks[b].insts.push(br);
    new
}
