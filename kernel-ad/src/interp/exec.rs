//! One thread, until it ends or has to wait.

use super::arith::*;
use super::decode::{Edge, Ins, Program, K};
use super::order::Fenced;
use super::race::Access;
use super::*;
use crate::kernel::{Kernel, LaneMask, Special, Type, WarpOp};
use crate::mathlib::{self, Num};

/// A thread of the block that runs.
pub(super) struct Thread {
    pub regs: Vec<Slot>,
    pub pc: u32,
    pub done: bool,
    /// Index in the block along each axis.
    pub id: [u32; 3],
    /// Number in the block.
    pub number: u32,
    pub access: Access,
    pub fenced: Fenced,
    /// Threads that it waited with have met: the waiting instruction may be passed.
    pub local_objects: Vec<u32>,
}

/// Why a thread stopped running.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    Done,
    /// At the barrier or warp operation that `pc` names.
    Wait,
}

/// Everything that threads share.
pub(super) struct Machine<'a> {
    pub k: &'a Kernel,
    pub p: &'a Program,
    pub launch: &'a Launch,
    pub memory: &'a mut Memory,
    pub options: &'a Options,
    pub report: Report,
    /// What HIP's printf is given piece by piece.
    pub messages: Vec<Vec<super::calls::Word>>,
    pub block_id: [u32; 3],
    scratch: Vec<Slot>,
}

impl<'a> Machine<'a> {
    pub fn new(
        k: &'a Kernel,
        p: &'a Program,
        launch: &'a Launch,
        memory: &'a mut Memory,
        options: &'a Options,
    ) -> Self {
        let report = Report::default();
        Machine {
            k,
            p,
            launch,
            memory,
            options,
            report,
            messages: Vec::new(),
            block_id: [0; 3],
            scratch: Vec::new(),
        }
    }

    pub fn warp_size(&self) -> u32 {
        self.k.source.warp_size.max(1)
    }

    /// Runs a thread until it stops.
    pub fn run(&mut self, t: &mut Thread) -> Result<Stop, Fault> {
        let p = self.p;
        let mut steps = self.report.steps;
        let stop = loop {
            let ins = &p.code[t.pc as usize];
            steps += 1;
            match ins.k {
                K::Jump(e) => {
                    self.take(t, &p.edges[e as usize]);
                    if steps > self.options.max_steps {
                        break Err(self.too_many_steps());
                    }
                    continue;
                }
                K::Branch(then, els) => {
                    let e = if t.regs[ins.a as usize].lo & 1 == 1 { then } else { els };
                    self.take(t, &p.edges[e as usize]);
                    if steps > self.options.max_steps {
                        break Err(self.too_many_steps());
                    }
                    continue;
                }
                K::Switch(s) => {
                    let table = &p.switches[s as usize];
                    let n = uint(t.regs[ins.a as usize]) & mask(table.width);
                    let e = table.cases.iter().find(|(c, _)| *c == n).map_or(table.default, |(_, e)| *e);
                    self.take(t, &p.edges[e as usize]);
                    if steps > self.options.max_steps {
                        break Err(self.too_many_steps());
                    }
                    continue;
                }
                K::Ret => {
                    t.done = true;
                    break Ok(Stop::Done);
                }
                K::Barrier => break Ok(Stop::Wait),
                K::Warp(op) if !matches!(op, WarpOp::MbcntLo | WarpOp::MbcntHi) => break Ok(Stop::Wait),
                _ => {}
            }
            if let Err(f) = self.step(t, ins) {
                break Err(f);
            }
            if self.options.bounds {
                self.bound_results(&mut t.regs, ins);
            }
            t.pc += 1;
        };
        self.report.steps = steps;
        stop
    }

    #[cold]
    fn too_many_steps(&self) -> Fault {
        Fault::new(Code::TooLarge, format!("not done after {} instructions", self.options.max_steps))
            .help("an endless loop, or raise the limit of the interpreter")
    }

    #[inline]
    fn take(&mut self, t: &mut Thread, e: &Edge) {
        if e.parallel {
            self.scratch.clear();
            for &(_, src, n) in &e.moves {
                self.scratch.extend_from_slice(&t.regs[src as usize..(src + n) as usize]);
            }
            let mut from = 0;
            for &(dst, _, n) in &e.moves {
                t.regs[dst as usize..(dst + n) as usize]
                    .copy_from_slice(&self.scratch[from..from + n as usize]);
                from += n as usize;
            }
        } else {
            for &(dst, src, n) in &e.moves {
                match n {
                    1 => t.regs[dst as usize] = t.regs[src as usize],
                    n => t.regs.copy_within(src as usize..(src + n) as usize, dst as usize),
                }
            }
        }
        t.pc = e.to;
    }

    #[inline]
    fn step(&mut self, t: &mut Thread, ins: &Ins) -> Result<(), Fault> {
        let r = &mut t.regs;
        let (dst, a, b, c) = (ins.dst as usize, ins.a as usize, ins.b as usize, ins.c as usize);
        let lanes = 0..ins.n as usize;
        match ins.k {
            K::Bin(op) => {
                for l in lanes {
                    r[dst + l] = binary(op, ins.ty, r[a + l], r[b + l])?;
                }
            }
            K::FNeg => {
                if let Type::Float(f) = ins.ty {
                    for l in lanes {
                        r[dst + l] = fneg(f, r[a + l]);
                    }
                }
            }
            K::Move => r.copy_within(a..a + lanes.end, dst),
            K::ICmp(pred) => {
                for l in lanes {
                    r[dst + l] = Slot { lo: icmp(pred, ins.ty, r[a + l], r[b + l]).into(), hi: 0 };
                }
            }
            K::FCmp(pred) => {
                if let Type::Float(f) = ins.ty {
                    for l in lanes {
                        r[dst + l] = Slot { lo: fcmp(pred, f, r[a + l], r[b + l]).into(), hi: 0 };
                    }
                }
            }
            K::Cast(op, to) => {
                for l in lanes {
                    r[dst + l] = self.cast(op, ins.ty, to, r[a + l]);
                }
            }
            K::Select(per_lane) => {
                for l in lanes {
                    let cond = r[a + if per_lane { l } else { 0 }].lo & 1 == 1;
                    r[dst + l] = if cond { r[b + l] } else { r[c + l] };
                }
            }
            K::PtrAdd(w) => {
                let offset = sint(r[b], w) as i64;
                r[dst] = Slot { lo: r[a].lo.wrapping_add_signed(offset), hi: r[a].hi };
            }
            K::ExtractElement => {
                let i = r[b].lo as usize;
                // An index beyond the vector is poison.
                r[dst] = if i < lanes.end { r[a + i] } else { Slot::default() };
            }
            K::InsertElement => {
                let (i, e) = (r[c].lo as usize, r[b]);
                r.copy_within(a..a + lanes.end, dst);
                if i < lanes.end {
                    r[dst + i] = e;
                }
            }
            K::Shuffle(m) => {
                for (l, &from) in self.p.masks[m as usize].iter().enumerate() {
                    r[dst + l] = match usize::try_from(from) {
                        Ok(f) if f < lanes.end => r[a + f],
                        Ok(f) => r[b + f - lanes.end],
                        Err(_) => Slot::default(),
                    };
                }
            }
            K::Math(m) => self.math(r, dst, m, lanes.end),
            K::IntMath(func, list) => {
                let Type::Int(w) = ins.ty else { return Ok(()) };
                for l in lanes.clone() {
                    let mut args = [Slot::default(); 4];
                    for (to, (from, _)) in args.iter_mut().zip(&self.p.args[list as usize]) {
                        *to = r[*from as usize + l];
                    }
                    let (value, over) = int_fn(func, w, &args);
                    r[dst + l] = value;
                    if func.overflowing() {
                        r[dst + lanes.end + l] = over;
                    }
                }
            }
            K::Special(s) => {
                let v = self.special(t, s);
                t.regs[dst] = Slot { lo: u64::from(v), hi: 0 };
            }
            K::Warp(op) => {
                let lane = t.number % self.warp_size();
                let below = (1u64 << lane) - 1;
                let below = if op == WarpOp::MbcntLo { below as u32 } else { (below >> 32) as u32 };
                let n = (r[a].lo as u32 & below).count_ones().wrapping_add(r[b].lo as u32);
                r[dst] = Slot { lo: n.into(), hi: 0 };
            }
            K::Trap => return Err(Fault::new(Code::Trap, "a thread trapped".into())),
            K::Unreachable => {
                return Err(Fault::new(
                    Code::Sanitizer,
                    "a thread reached what the compiler took for unreachable".into(),
                ))
            }
            K::Nop => {}
            K::Fence(level) => self.fence(t, level),
            K::Call => return self.call(t, ins),
            _ => return self.memory_step(t, ins),
        }
        Ok(())
    }

    fn math(&self, r: &mut [Slot], dst: usize, m: u32, lanes: usize) {
        use crate::kernel::MathFn::{FromInt, Powi};
        let call = &self.p.maths[m as usize];
        let signed = matches!(call.func, FromInt | Powi) || call.func != crate::kernel::MathFn::FromUint;
        for l in 0..lanes {
            let mut args = [Num::Float(0.0); 4];
            for (to, &(from, ty)) in args.iter_mut().zip(&call.args) {
                let s = r[from as usize + l];
                *to = match ty {
                    Type::Float(f) => Num::Float(float(s, f)),
                    Type::Int(w) if signed => Num::Int(sint(s, w)),
                    _ => Num::Int(uint(s) as i128),
                };
            }
            let n = call.args.len().min(4);
            r[dst + l] = match (mathlib::eval(call.func, call.flavor, call.result, &args[..n]), call.result) {
                (Num::Float(x), Type::Float(f)) => float_slot(f, x),
                (Num::Int(n), Type::Int(w)) => int_slot(n as u128, w),
                _ => Slot::default(),
            };
        }
    }

    fn special(&self, t: &Thread, s: Special) -> u32 {
        let axis = |d: [u32; 3], a: u8| d.get(usize::from(a)).copied().unwrap_or(0);
        let lane = t.number % self.warp_size();
        match s {
            Special::ThreadId(a) => axis(t.id, a),
            Special::BlockId(a) => axis(self.block_id, a),
            Special::BlockDim(a) => axis(self.launch.block, a),
            Special::GridDim(a) => axis(self.launch.grid, a),
            Special::LaneId => lane,
            Special::WarpId => t.number / self.warp_size(),
            Special::WarpSize => self.warp_size(),
            Special::DynamicSharedSize => self.launch.shared as u32,
            Special::TotalSharedSize => {
                let fixed: u64 = self
                    .k
                    .globals
                    .values()
                    .filter(|g| g.space == crate::kernel::AddrSpace::Shared)
                    .map(|g| g.bytes)
                    .sum();
                (fixed + self.launch.shared) as u32
            }
            Special::LaneMask(m) => {
                let below = ((1u64 << lane) - 1) as u32;
                let own = 1u32.checked_shl(lane).unwrap_or(0);
                match m {
                    LaneMask::Eq => own,
                    LaneMask::Lt => below,
                    LaneMask::Le => below | own,
                    LaneMask::Gt => !(below | own),
                    LaneMask::Ge => !below,
                }
            }
            Special::Clock => self.report.steps as u32,
            Special::SmId => 0,
            Special::NSmId => 1,
        }
    }
}
