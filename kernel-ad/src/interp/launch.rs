//! Launches: arguments, module-level variables, blocks in order.

use super::block::Team;
use super::decode::{decode, Program};
use super::exec::Machine;
use super::memory::Region;
use super::*;
use crate::diag::{Diagnostic, Result};
use crate::kernel::{verify, AddrSpace, Global, Inst, Kernel, Printer, Type};
use rand::seq::SliceRandom;
use rand::SeedableRng;

/// Runs a kernel. Memory is left as the kernel left it, also when the run fails.
pub fn run(k: &Kernel, launch: &Launch, memory: &mut Memory, options: &Options) -> Result<Report> {
    verify(k)?;
    check_launch(k, launch)?;
    let mut program = decode(k, options.wide).map_err(|(f, i)| diagnose(k, f, i))?;
    if !options.keep_tapes {
        memory.clear_tapes();
    }
    let objects = memory.objects.len();
    for o in &mut memory.objects {
        o.races = options.races.then(Default::default);
    }
    let outcome = run_blocks(k, launch, memory, options, &mut program);
    // Variables that the launch created come before its shared and local memory and stay.
    let keep = outcome.as_ref().map_or(objects, |(keep, _)| *keep);
    memory.truncate(keep.max(objects));
    outcome.and_then(|(_, report)| report)
}

type Outcome = Result<(usize, Result<Report>)>;

fn run_blocks(
    k: &Kernel,
    launch: &Launch,
    memory: &mut Memory,
    options: &Options,
    p: &mut Program,
) -> Outcome {
    let fault = |f| diagnose(k, f, None);
    let shared = place_variables(k, launch, memory, options, p).map_err(fault)?;
    let keep = shared.keep;
    place_arguments(k, launch, memory, options, p).map_err(fault)?;
    let mut machine = Machine::new(k, p, launch, memory, options);
    let result = (|| {
        let mut team = Team::new(&mut machine).map_err(fault)?;
        for block in order(
            options.order,
            u64::from(launch.grid[0]) * u64::from(launch.grid[1]) * u64::from(launch.grid[2]),
        ) {
            for &id in &shared.objects {
                machine.memory.objects[id as usize].reset();
            }
            team.run(&mut machine, block).map_err(|f| f.diagnose(k, launch))?;
        }
        Ok(std::mem::take(&mut machine.report))
    })();
    Ok((keep, result))
}

/// The numbers below `n` in that order.
pub(super) fn order(order: Order, n: u64) -> Vec<u32> {
    let mut all: Vec<u32> = (0..n as u32).collect();
    match order {
        Order::Forward => {}
        Order::Backward => all.reverse(),
        Order::Shuffled(seed) => all.shuffle(&mut rand_chacha::ChaCha8Rng::seed_from_u64(seed)),
    }
    all
}

fn check_launch(k: &Kernel, launch: &Launch) -> Result<()> {
    let error = |code, message: String| Err(Diagnostic::new(code, message).into());
    let (want, have) = (k.params.len(), launch.args.len());
    if want != have {
        return error(Code::BadArgument, format!("kernel `{}` takes {want} arguments, not {have}", k.name));
    }
    let product = |d: [u32; 3]| d.iter().map(|&n| u128::from(n)).product::<u128>();
    let (threads, blocks) = (product(launch.block), product(launch.grid));
    if threads == 0 || blocks == 0 {
        return error(Code::BadArgument, "a launch has at least one block and one thread".into());
    }
    if threads > 1024 {
        return error(Code::TooLarge, format!("{threads} threads per block, and 1024 are the limit"));
    }
    if blocks > u128::from(u32::MAX) {
        return error(Code::TooLarge, format!("{blocks} blocks, and {} are the limit", u32::MAX));
    }
    if launch.shared > 1 << 20 {
        return error(
            Code::TooLarge,
            format!("{} bytes of shared memory, and 1 MiB is the limit", launch.shared),
        );
    }
    match k.bounds.required_block {
        Some(b) if b != launch.block => error(
            Code::BadArgument,
            format!("the kernel was compiled for blocks of {b:?}, not {:?}", launch.block),
        ),
        _ => Ok(()),
    }
}

pub(super) fn diagnose(k: &Kernel, f: Fault, inst: Option<Inst>) -> crate::diag::Diagnostics {
    let mut d = Diagnostic::new(f.code, f.message);
    if let Some(i) = inst {
        d = d.at(k, k.insts[i].loc).ir(Printer::new(k).bare_inst(i));
    }
    if let Some(h) = f.help {
        d = d.help(h);
    }
    d.into()
}

struct Shared {
    objects: Vec<u32>,
    /// Number of objects that outlive the launch.
    keep: usize,
}

fn place_variables(
    k: &Kernel,
    launch: &Launch,
    memory: &mut Memory,
    options: &Options,
    p: &mut Program,
) -> std::result::Result<Shared, Fault> {
    let mut places: Vec<(Global, Pointer)> = Vec::new();
    for (g, var) in &k.globals {
        if var.space == AddrSpace::Shared {
            continue;
        }
        let space = match var.space {
            AddrSpace::Global | AddrSpace::Constant => var.space,
            // Where clang puts the initial contents of local arrays on NVPTX.
            AddrSpace::Generic if var.is_const => AddrSpace::Constant,
            AddrSpace::Generic => AddrSpace::Global,
            other => {
                let what = format!("variable `{}` in {other:?} memory", var.name);
                return Err(Fault::new(Code::UnsupportedIr, what));
            }
        };
        let fresh = !memory.has_variable(&var.name);
        let at = memory.variable(&var.name, var.bytes);
        if fresh {
            let object = &mut memory.objects[at.object as usize - 1];
            if let Some(init) = &var.init {
                object.bytes.copy_from_slice(init);
            }
            object.space = space;
            object.races = options.races.then(Default::default);
        }
        if (memory.bytes(at).len() as u64) < var.bytes {
            let message =
                format!("variable `{}` has {} bytes, not {}", var.name, memory.bytes(at).len(), var.bytes);
            return Err(Fault::new(Code::BadArgument, message));
        }
        places.push((g, at));
    }
    for (g, at) in places.clone() {
        for &(offset, target, addend) in &k.globals[g].relocs {
            let Some((_, to)) = places.iter().find(|(t, _)| *t == target) else { continue };
            let o = offset as usize;
            let addr = to.addr.wrapping_add_signed(addend);
            memory.objects[at.object as usize - 1].bytes[o..o + 8].copy_from_slice(&addr.to_le_bytes());
        }
    }
    let keep = memory.objects.len();
    let mut objects = Vec::new();
    let mut next = 0u64;
    let mut dynamic = None;
    for (g, var) in &k.globals {
        if var.space != AddrSpace::Shared {
            continue;
        }
        // All variables without a size are the one piece of dynamic memory.
        let id = match dynamic.filter(|_| var.bytes == 0) {
            Some(id) => id,
            None => {
                let bytes = if var.bytes == 0 { launch.shared } else { var.bytes };
                next = next.next_multiple_of(u64::from(var.align).max(16));
                let id = memory.add(&var.name, bytes, AddrSpace::Shared, Region::Shared(next));
                next += bytes + 256;
                let o = &mut memory.objects[id as usize];
                o.written = options.unwritten.then(|| vec![false; bytes as usize]);
                o.races = options.races.then(Default::default);
                objects.push(id);
                if var.bytes == 0 {
                    dynamic = Some(id);
                }
                id
            }
        };
        places.push((g, memory.pointer(id)));
    }
    for (slot, g) in &p.global_slots {
        if let Some((_, at)) = places.iter().find(|(p, _)| p == g) {
            p.template[*slot as usize] = Slot::of_pointer(*at);
        }
    }
    Ok(Shared { objects, keep })
}

fn place_arguments(
    k: &Kernel,
    launch: &Launch,
    memory: &Memory,
    options: &Options,
    p: &mut Program,
) -> std::result::Result<(), Fault> {
    for (i, (param, arg)) in k.params.iter().zip(&launch.args).enumerate() {
        let mismatch = || {
            let message = format!("argument {i} (`{}`) does not fit the parameter's type", param.name);
            Fault::new(Code::BadArgument, message)
        };
        p.template[p.param_slots[i] as usize] = match (*arg, param.ty, &param.by_value) {
            (Arg::Pointer(at), Type::Ptr(_), None) => Slot::of_pointer(at),
            (Arg::Struct(at), Type::Ptr(_), Some(b)) => {
                let have = memory.bytes(at).len() as u64;
                if have < b.bytes {
                    let message =
                        format!("struct `{}` has {} bytes, the argument {have}", param.name, b.bytes);
                    return Err(Fault::new(Code::BadArgument, message));
                }
                Slot::of_pointer(at)
            }
            (Arg::Int(n), Type::Int(w), _) => arith::int_slot(n as u128, w),
            (Arg::Float(x), Type::Float(_), _) if options.wide => Slot { lo: x.to_bits(), hi: 0 },
            (Arg::Float(x), Type::Float(f), _) => arith::float_slot(f, x),
            _ => return Err(mismatch()),
        };
    }
    Ok(())
}
