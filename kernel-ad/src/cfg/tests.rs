//! Small graphs with known answers: catch wrong dominators, missed loops, wrong nesting, wrong liveness.

use super::*;
use crate::kernel::*;

fn source() -> Source {
    Source {
        arch: Arch::Nvptx,
        triple: "nvptx64-nvidia-cuda".into(),
        data_layout: String::new(),
        cpu: None,
        features: None,
        warp_size: 32,
        file: "test".into(),
    }
}

/// A kernel whose blocks branch as given; two successors branch on an i1 parameter, none returns.
fn graph(edges: &[&[usize]]) -> (Kernel, Vec<Block>) {
    let mut k = Kernel::new("g", source());
    let c = k.add_param(Param::new("c", Type::I1));
    let mut b = KernelBuilder::new(&mut k);
    let blocks: Vec<Block> = (0..edges.len()).map(|i| b.block(&format!("b{i}"))).collect();
    for (i, succ) in edges.iter().enumerate() {
        b.switch_to(blocks[i]);
        match succ {
            [] => b.ret(),
            [t] => b.br(blocks[*t]),
            [t, e] => b.cond_br(c, blocks[*t], blocks[*e]),
            _ => panic!("at most two successors"),
        }
    }
    (k, blocks)
}

#[test]
fn diamond_dominance() {
    let (k, b) = graph(&[&[1, 2], &[3], &[3], &[]]);
    let cfg = Cfg::new(&k);
    let dom = DomTree::new(&k, &cfg);
    assert_eq!(dom.idom(b[3]), Some(b[0]));
    assert!(dom.dominates(b[0], b[3]) && !dom.dominates(b[1], b[3]));
    let post = PostDomTree::new(&k, &cfg);
    assert_eq!(post.ipdom(b[0]), Some(b[3]));
    assert!(post.postdominates(b[3], b[1]) && !post.postdominates(b[1], b[0]));
    assert_eq!(dom.frontiers(&cfg)[b[1]], vec![b[3]]);
}

#[test]
fn nested_loops() {
    // 0 -> 1 (outer header) -> 2 (inner header) <-> 3 ; 2 -> 4 (outer latch) -> 1 ; 1 -> 5
    let (k, b) = graph(&[&[1], &[2, 5], &[3, 4], &[2], &[1], &[]]);
    let cfg = Cfg::new(&k);
    let dom = DomTree::new(&k, &cfg);
    let forest = LoopForest::new(&k, &cfg, &dom).unwrap();
    assert_eq!(forest.loops.len(), 2);
    let inner = forest.of(b[3]).unwrap();
    let outer = forest.of(b[4]).unwrap();
    assert_eq!(forest.loops[inner].parent, Some(outer));
    assert_eq!(forest.loops[inner].exits, vec![(b[2], b[4])]);
    assert_eq!(forest.loops[outer].exits, vec![(b[1], b[5])]);
    assert_eq!(forest.loops[outer].preheader, Some(b[0]));
    assert_eq!(forest.loops[outer].latches, vec![b[4]]);
    assert_eq!(forest.depth(b[3]), 2);
    assert_eq!(forest.depth(b[5]), 0);
}

#[test]
fn irreducible_is_refused() {
    let (k, _) = graph(&[&[1, 2], &[2], &[1]]);
    let cfg = Cfg::new(&k);
    let dom = DomTree::new(&k, &cfg);
    let err = LoopForest::new(&k, &cfg, &dom).unwrap_err();
    assert_eq!(err.0[0].code, crate::diag::Code::IrreducibleFlow);
}

#[test]
fn early_exit_has_no_postdominator() {
    let (k, b) = graph(&[&[1, 2], &[], &[]]);
    let cfg = Cfg::new(&k);
    let post = PostDomTree::new(&k, &cfg);
    assert_eq!(post.ipdom(b[0]), None);
}

#[test]
fn liveness_through_a_loop() {
    // x is defined before the loop and used behind it: live in header and body.
    let mut k = Kernel::new("l", source());
    let c = k.int(Type::I1, 1);
    let one = k.int(Type::I32, 1);
    let mut b = KernelBuilder::new(&mut k);
    let (entry, header, exit) = (b.block("entry"), b.block("header"), b.block("exit"));
    b.switch_to(entry);
    let x = b.special(Special::ThreadId(0));
    b.br(header);
    b.switch_to(header);
    let i = b.phi(Type::I32, vec![]);
    let next = b.binary(BinOp::Add, i, one);
    b.cond_br(c, header, exit);
    b.switch_to(exit);
    b.binary(BinOp::Add, x, next);
    b.ret();
    let zero = k.int(Type::I32, 0);
    let phi = k.def_inst(i).unwrap();
    k.insts[phi].op = Op::Phi { incoming: vec![(entry, zero), (header, next)] };
    let cfg = Cfg::new(&k);
    let live = Liveness::new(&k, &cfg);
    assert!(live.is_live_out(header, x) && live.is_live_out(header, next));
    assert!(!live.is_live_out(header, i));
    assert_eq!(live.live_in(entry).count(), 0);
}
