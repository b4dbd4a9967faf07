//! The threads of one block: who runs, who waits, and when those who wait may go on.

use super::decode::K;
use super::exec::{Machine, Stop, Thread};
use super::launch::{diagnose, order};
use super::memory::{Region, LOCAL_BASE};
use super::order::{Fenced, Known, Whole};
use super::race::{Access, When};
use super::*;
use crate::diag::Diagnostics;
use crate::kernel::{AddrSpace, BarrierKind, Inst, Kernel, Op};
use std::collections::HashMap;

/// A fault with the thread that it happened in.
pub(super) struct Located {
    fault: Fault,
    inst: Option<Inst>,
    thread: Option<[u32; 3]>,
    block: [u32; 3],
    because: Vec<String>,
}

impl Located {
    pub fn diagnose(self, k: &Kernel, launch: &Launch) -> Diagnostics {
        let mut all = diagnose(k, self.fault, self.inst);
        let place = match self.thread {
            Some([x, y, z]) => format!("in thread ({x}, {y}, {z}) of "),
            None => "in ".to_string(),
        };
        let [x, y, z] = self.block;
        let (g, b) = (launch.grid, launch.block);
        let where_ = format!("{place}block ({x}, {y}, {z}), grid {g:?}, blocks of {b:?}");
        for d in &mut all.0 {
            d.because.push(where_.clone());
            d.because.extend(self.because.iter().cloned());
        }
        all
    }
}

/// The threads of a block, used for one block after the other.
pub(super) struct Team {
    threads: Vec<Thread>,
    order: Vec<u32>,
    /// Threads that have arrived at a barrier without waiting, by the barrier's number: who, and what they did before.
    arrived: HashMap<u32, (Vec<u32>, Known)>,
}

impl Team {
    pub fn new(m: &mut Machine) -> std::result::Result<Team, Fault> {
        let [bx, by, bz] = m.launch.block;
        let count = bx * by * bz;
        let threads = (0..count)
            .map(|n| Thread {
                regs: Vec::new(),
                pc: 0,
                done: false,
                id: [n % bx, n / bx % by, n / bx / by],
                number: n,
                access: Access::default(),
                fenced: Fenced::default(),
                local_objects: Vec::new(),
            })
            .collect();
        let mut team = Team { threads, order: order(m.options.order, count.into()), arrived: HashMap::new() };
        team.place_locals(m)?;
        Ok(team)
    }

    /// Local memory: of every thread when they run together, else of one at a time.
    fn place_locals(&mut self, m: &mut Machine) -> std::result::Result<(), Fault> {
        let together = m.p.synchronises;
        let per_thread: u64 = m.p.locals.iter().map(|v| v.bytes + 4096 + u64::from(v.align)).sum();
        let sets = if together { self.threads.len() as u64 } else { 1 };
        if per_thread.saturating_mul(sets) > 1 << 32 {
            return Err(Fault::new(
                Code::TooLarge,
                format!("{per_thread} bytes of local memory for each of {sets} threads"),
            ));
        }
        let mut next = 0u64;
        let mut shared_set = Vec::new();
        for (i, t) in self.threads.iter_mut().enumerate() {
            if !together && i > 0 {
                t.local_objects.clone_from(&shared_set);
                continue;
            }
            for v in &m.p.locals {
                let align = u64::from(v.align);
                next = (LOCAL_BASE + next).next_multiple_of(align) - LOCAL_BASE;
                let space = if v.param.is_some() { AddrSpace::Param } else { AddrSpace::Local };
                let id = m.memory.add(&v.name, v.bytes, space, Region::Local(next));
                next += v.bytes + 256;
                m.memory.objects[id as usize].written =
                    m.options.unwritten.then(|| vec![false; v.bytes as usize]);
                t.local_objects.push(id);
            }
            shared_set.clone_from(&t.local_objects);
        }
        Ok(())
    }

    fn start(&mut self, m: &mut Machine, n: usize, block: u32) {
        let t = &mut self.threads[n];
        t.regs.clear();
        t.regs.extend_from_slice(&m.p.template);
        t.pc = 0;
        t.done = false;
        t.fenced = Fenced::default();
        let size = m.warp_size();
        let first = u64::from(block) * u64::from(m.launch.block.iter().product::<u32>());
        let (thread, warp) = (first + u64::from(t.number), t.number / size);
        t.access = Access {
            at: When { thread, block, warp, ..When::default() },
            check_unwritten: m.options.unwritten,
            known: None,
        };
        for (v, &id) in m.p.locals.iter().zip(&t.local_objects) {
            m.memory.objects[id as usize].reset();
            if let Some(param) = v.param {
                let from = t.regs[m.p.param_slots[param as usize] as usize].pointer();
                let by = Access::default();
                if let Ok(from) = m.memory.resolve(from, v.bytes, AddrSpace::Generic, "read") {
                    let _ = m.memory.copy(from, (id as usize, 0), v.bytes as usize, &by);
                }
            }
            t.regs[v.slot as usize] = Slot::of_pointer(m.memory.pointer(id));
        }
    }

    fn locate(&self, m: &Machine, n: usize, fault: Fault) -> Located {
        let t = &self.threads[n];
        let inst = m.p.code.get(t.pc as usize).map(|i| i.inst);
        Located { fault, inst, thread: Some(t.id), block: m.block_id, because: Vec::new() }
    }

    /// Runs a block to its end.
    pub fn run(&mut self, m: &mut Machine, block: u32) -> std::result::Result<(), Located> {
        let [gx, gy, _] = m.launch.grid;
        m.block_id = [block % gx, block / gx % gy, block / gx / gy];
        self.arrived.clear();
        if !m.p.synchronises {
            for i in 0..self.order.len() {
                let n = self.order[i] as usize;
                self.start(m, n, block);
                m.run(&mut self.threads[n]).map_err(|f| self.locate(m, n, f))?;
            }
            return Ok(());
        }
        for n in 0..self.threads.len() {
            self.start(m, n, block);
        }
        let mut runnable: Vec<u32> = self.order.clone();
        while !runnable.is_empty() {
            for &n in &runnable {
                let n = n as usize;
                match m.run(&mut self.threads[n]) {
                    Ok(Stop::Done | Stop::Wait) => {}
                    Err(f) => return Err(self.locate(m, n, f)),
                }
            }
            runnable.clear();
            let mut freed = self.meet_in_warps(m)?;
            if freed.is_empty() {
                freed = self.meet_at_barriers(m)?;
            }
            if freed.is_empty() && self.threads.iter().any(|t| !t.done) {
                return Err(self.stuck(m));
            }
            // In the order that was asked for, among those that may go on.
            let free: std::collections::HashSet<u32> = freed.into_iter().collect();
            runnable.extend(self.order.iter().copied().filter(|n| free.contains(n)));
        }
        Ok(())
    }

    fn meet_in_warps(&mut self, m: &mut Machine) -> std::result::Result<Vec<u32>, Located> {
        let size = m.warp_size() as usize;
        let mut freed = Vec::new();
        for first in (0..self.threads.len()).step_by(size) {
            let end = (first + size).min(self.threads.len());
            let warp = &mut self.threads[first..end];
            match m.meet(warp) {
                Ok(lanes) => freed.extend(lanes.into_iter().map(|l| first as u32 + l)),
                Err((lane, f)) => return Err(self.locate(m, first + lane as usize, f)),
            }
        }
        Ok(freed)
    }

    /// Frees the threads at every barrier that is complete.
    fn meet_at_barriers(&mut self, m: &mut Machine) -> std::result::Result<Vec<u32>, Located> {
        let mut waiting: HashMap<u32, Vec<u32>> = HashMap::new();
        let mut freed = Vec::new();
        for (n, t) in self.threads.iter_mut().enumerate() {
            let ins = &m.p.code[t.pc as usize];
            if t.done || !matches!(ins.k, K::Barrier) {
                continue;
            }
            let Op::Barrier { kind, id, .. } = &m.k.insts[ins.inst].op else { continue };
            // Operands are numbered as they are written: the id is the first if there is one.
            let number = if id.is_some() { t.regs[ins.a as usize].lo as u32 } else { 0 };
            if *kind == BarrierKind::Arrive {
                let (arrived, known) = self.arrived.entry(number).or_default();
                arrived.push(n as u32);
                m.arrive_in_order(t, known);
                t.pc += 1;
                freed.push(n as u32);
            } else {
                waiting.entry(number).or_default().push(n as u32);
            }
        }
        if !freed.is_empty() {
            return Ok(freed);
        }
        let alive = self.threads.iter().filter(|t| !t.done).count();
        let mut numbers: Vec<u32> = waiting.keys().copied().collect();
        numbers.sort_unstable();
        for number in numbers {
            let group = &waiting[&number];
            let passed = self.arrived.get(&number).map_or(&[][..], |(who, _)| who);
            let here = group.len() + passed.len();
            // Threads that have returned are not waited for.
            let gone = passed.iter().filter(|&&n| self.threads[n as usize].done).count();
            let count = self.awaited(m, group[0]);
            if here >= count.unwrap_or(alive + gone) {
                self.check_same_barrier(m, group, count.is_some_and(|n| here > n))?;
                let arrived = self.arrived.remove(&number).map(|(_, known)| known);
                let whole = arrived.is_none() && group.len() == alive;
                self.pass_barrier(m, group, arrived, whole);
                freed.extend_from_slice(group);
            }
        }
        Ok(freed)
    }

    /// For how many threads a barrier waits, unless it is for all.
    fn awaited(&self, m: &Machine, n: u32) -> Option<usize> {
        let t = &self.threads[n as usize];
        let ins = &m.p.code[t.pc as usize];
        let Op::Barrier { id, count: Some(_), .. } = &m.k.insts[ins.inst].op else { return None };
        let count = t.regs[if id.is_some() { ins.b } else { ins.a } as usize].lo as u32 as usize;
        Some(count).filter(|&n| n < self.threads.len())
    }

    /// Barriers meet by their number, wherever they are; they must be of one kind, for as many threads, and one that is aligned is
    /// the same instruction for all threads of a warp.
    fn check_same_barrier(
        &self,
        m: &Machine,
        group: &[u32],
        too_many: bool,
    ) -> std::result::Result<(), Located> {
        let barrier = |n: u32| {
            let inst = m.p.code[self.threads[n as usize].pc as usize].inst;
            match m.k.insts[inst].op {
                Op::Barrier { kind, aligned, .. } => (kind, aligned),
                _ => (BarrierKind::Sync, false),
            }
        };
        let mut at: HashMap<u32, u32> = HashMap::new();
        let first = group[0];
        for &n in group {
            let t = &self.threads[n as usize];
            let mate = *at.entry(t.access.at.warp).or_insert(n);
            let apart = self.threads[mate as usize].pc != t.pc;
            let (other, message) = match () {
                _ if apart && (barrier(n).1 || barrier(mate).1) => {
                    (mate, "threads of a warp wait at different barriers")
                }
                _ if barrier(n).0 != barrier(first).0 => (first, "one number, but barriers of two kinds"),
                _ if self.awaited(m, n) != self.awaited(m, first) => {
                    (first, "one barrier, but two different counts of threads")
                }
                _ => continue,
            };
            let [x, y, z] = self.threads[other as usize].id;
            let mut l = self.locate(m, n as usize, Fault::new(Code::DivergentBarrier, message.into()));
            l.because.push(format!("thread ({x}, {y}, {z}) waits at {}", self.describe(m, other as usize)));
            return Err(l);
        }
        if too_many {
            let message = format!("{} threads wait at a barrier, more than its count", group.len());
            return Err(self.locate(m, first as usize, Fault::new(Code::DivergentBarrier, message)));
        }
        Ok(())
    }

    fn pass_barrier(&mut self, m: &Machine, group: &[u32], arrived: Option<Known>, whole: bool) {
        let pred = |t: &Thread| {
            let ins = &m.p.code[t.pc as usize];
            match &m.k.insts[ins.inst].op {
                Op::Barrier { kind, id, count, pred: Some(_), .. } => {
                    let slot =
                        [ins.a, ins.b, ins.c][usize::from(id.is_some()) + usize::from(count.is_some())];
                    Some((*kind, t.regs[slot as usize].lo != 0))
                }
                _ => None,
            }
        };
        let preds: Vec<_> = group.iter().filter_map(|&n| pred(&self.threads[n as usize])).collect();
        let yes = preds.iter().filter(|p| p.1).count() as u64;
        let all = preds.len() as u64;
        for &n in group {
            let t = &mut self.threads[n as usize];
            let ins = &m.p.code[t.pc as usize];
            if let Some((kind, _)) = pred(t) {
                let lo = match kind {
                    BarrierKind::Popc => yes,
                    BarrierKind::And => u64::from(yes == all),
                    _ => u64::from(yes > 0),
                };
                t.regs[ins.dst as usize] = Slot { lo, hi: 0 };
            }
            t.pc += 1;
        }
        let members =
            self.threads.iter_mut().enumerate().filter(|(n, _)| group.binary_search(&(*n as u32)).is_ok());
        m.meet_in_order(members.map(|(_, t)| t), whole.then_some(Whole::Block), arrived.as_ref());
    }

    fn describe(&self, m: &Machine, n: usize) -> String {
        let inst = m.p.code[self.threads[n].pc as usize].inst;
        let ir = crate::kernel::print_inst(m.k, inst);
        match m.k.insts[inst].loc {
            Some(l) => format!("`{ir}` ({}:{})", m.k.locs[l].file, m.k.locs[l].line),
            None => format!("`{ir}`"),
        }
    }

    /// Nobody can go on.
    fn stuck(&self, m: &Machine) -> Located {
        let mut groups: Vec<(u32, Vec<usize>)> = Vec::new();
        for (n, t) in self.threads.iter().enumerate().filter(|(_, t)| !t.done) {
            match groups.iter_mut().find(|(pc, _)| *pc == t.pc) {
                Some((_, g)) => g.push(n),
                None => groups.push((t.pc, vec![n])),
            }
        }
        let done = self.threads.iter().filter(|t| t.done).count();
        let message = "threads of a block wait for others that never come".to_string();
        let first = groups[0].1[0];
        let fault = Fault::new(Code::DivergentBarrier, message)
            .help("every thread of the block, or of the mask, must reach the same barrier or warp operation");
        let mut l = self.locate(m, first, fault);
        for (_, g) in &groups {
            let [x, y, z] = self.threads[g[0]].id;
            l.because.push(format!(
                "{} threads, ({x}, {y}, {z}) the first, wait at {}",
                g.len(),
                self.describe(m, g[0])
            ));
        }
        if done > 0 {
            l.because.push(format!("{done} threads have returned"));
        }
        l
    }
}
