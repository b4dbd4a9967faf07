//! The invariants of a kernel, checked: structure first, then control flow and dominance, then types.

mod ops;
mod structure;

use super::*;
use crate::cfg::{Cfg, DomTree};
use crate::diag::{Code, Diagnostic, Diagnostics, Result};
use cranelift_entity::SecondaryMap;

/// More violations than this are not reported: they follow from each other.
const MAX_REPORTED: usize = 40;

/// Checks every invariant that the module's documentation states. Reports all violations, up to a limit.
pub fn verify(k: &Kernel) -> Result<()> {
    let mut v = Verifier { k, out: Vec::new(), printer: None };
    v.tables();
    v.blocks();
    // What follows looks things up by id and walks the edges; it needs a sound structure.
    if v.out.is_empty() {
        v.control_flow();
    }
    if v.out.is_empty() {
        v.dominance();
        v.types();
    }
    v.finish()
}

struct Verifier<'k> {
    k: &'k Kernel,
    out: Vec<Diagnostic>,
    printer: Option<Printer<'k>>,
}

impl<'k> Verifier<'k> {
    fn finish(self) -> Result<()> {
        match self.out.is_empty() {
            true => Ok(()),
            false => Err(Diagnostics(self.out)),
        }
    }

    fn printer(&mut self) -> &Printer<'k> {
        self.printer.get_or_insert_with(|| Printer::new(self.k))
    }

    fn report(&mut self, message: String) {
        if self.out.len() < MAX_REPORTED {
            self.out.push(Diagnostic::new(Code::InvalidKernel, message));
        }
    }

    fn report_at(&mut self, i: Inst, message: impl Into<String>) {
        if self.out.len() >= MAX_REPORTED {
            return;
        }
        let ir = self.printer().bare_inst(i);
        let d = Diagnostic::new(Code::InvalidKernel, message).at(self.k, self.k.insts[i].loc).ir(ir);
        self.out.push(d);
    }

    fn control_flow(&mut self) {
        let k = self.k;
        let cfg = Cfg::new(k);
        if !cfg.preds(k.entry()).is_empty() {
            let name = self.printer().block(k.entry());
            self.report(format!("the entry block `{name}` has a predecessor"));
        }
        for &b in &k.layout {
            if !cfg.is_reachable(b) {
                let name = self.printer().block(b);
                self.report(format!("block `{name}` cannot be reached"));
            }
        }
        for (b, i) in k.iter_insts() {
            let Op::Phi { incoming } = &k.insts[i].op else { continue };
            for (n, (from, _)) in incoming.iter().enumerate() {
                let name = self.printer().block(*from);
                if incoming[..n].iter().any(|(other, _)| other == from) {
                    self.report_at(i, format!("two entries for predecessor `{name}`"));
                } else if !cfg.preds(b).contains(from) {
                    self.report_at(i, format!("`{name}` is not a predecessor"));
                }
            }
            for &p in cfg.preds(b) {
                if !incoming.iter().any(|(from, _)| *from == p) {
                    let name = self.printer().block(p);
                    self.report_at(i, format!("no entry for predecessor `{name}`"));
                }
            }
        }
    }

    fn dominance(&mut self) {
        let k = self.k;
        let cfg = Cfg::new(k);
        let dom = DomTree::new(k, &cfg);
        let mut at: SecondaryMap<Inst, Option<(Block, u32)>> = SecondaryMap::new();
        for &b in &k.layout {
            for (n, &i) in k.blocks[b].insts.iter().enumerate() {
                at[i] = Some((b, n as u32));
            }
        }
        let mut undominated = Vec::new();
        for (b, i) in k.iter_insts() {
            let here = at[i].expect("in the layout").1;
            let mut check = |v: Value, b: Block, here: u32| {
                let ok = match k.values[v].def {
                    ValueDef::Inst(def) => match at[def] {
                        Some((d, n)) if d == b => n < here,
                        Some((d, _)) => dom.dominates(d, b),
                        None => false,
                    },
                    _ => true,
                };
                if !ok {
                    undominated.push((i, v));
                }
            };
            match &k.insts[i].op {
                Op::Phi { incoming } => incoming.iter().for_each(|(from, v)| check(*v, *from, u32::MAX)),
                op => op.for_each_operand(|v| check(v, b, here)),
            }
        }
        for (i, v) in undominated {
            let name = self.printer().value(v);
            self.report_at(i, format!("the definition of {name} does not dominate this use"));
        }
    }

    fn types(&mut self) {
        for (_, i) in self.k.iter_insts() {
            if let Err(message) = ops::check(self.k, i) {
                self.report_at(i, message);
            }
        }
    }
}

#[cfg(test)]
mod tests;
