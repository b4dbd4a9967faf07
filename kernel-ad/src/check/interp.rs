//! The interpreter as an engine: the memory of a case as its objects.

use super::engine::{Engine, Program, RunInfo, SplitProgram};
use crate::case::{Case, Data, Image, LeafKind};
use crate::diag::{Code, Diagnostic, Result};
use crate::idiom;
use crate::interp::{self, Arg, Memory, Pointer};
use crate::kernel::FloatTy;
use shadow_mem::{dynamic_shared_bytes, ElemType, ParamSpec, Passing, Purpose};

/// The interpreter with its options.
#[derive(Clone, Copy, Debug)]
pub struct Interpreter(pub interp::Options);

impl Interpreter {
    /// Runs a program in doubles, and says of every float afterwards how far rounding in the kernel's own formats may move it.
    pub fn run_bounded(&self, program: &Program, case: &Case, image: &mut Image) -> Result<(RunInfo, Image)> {
        let bounded = Interpreter(interp::Options { wide: true, bounds: true, ..self.0 });
        let capacity = bounded.capacity(program, case, image)?;
        let mut m = Held::new(case, image);
        let report = bounded.launch(&mut m, program, case, image, capacity)?;
        m.placed.collect(&m.memory, image);
        let mut bounds = image.clone();
        m.placed.collect_by(&m.memory, &mut bounds, &|memory, at, f, i| memory.bound(at, f, i));
        Ok((RunInfo { steps: report.steps, tape_per_thread: capacity.unwrap_or(0) }, bounds))
    }
}

impl Engine for Interpreter {
    fn run_measured(
        &self,
        program: &Program,
        case: &Case,
        image: &mut Image,
    ) -> Result<(RunInfo, Option<Image>)> {
        match self.0.wide {
            true => self.run_bounded(program, case, image).map(|(info, bounds)| (info, Some(bounds))),
            false => self.run(program, case, image).map(|info| (info, None)),
        }
    }

    fn run(&self, program: &Program, case: &Case, image: &mut Image) -> Result<RunInfo> {
        let capacity = self.capacity(program, case, image)?;
        let mut m = Held::new(case, image);
        let report = self.launch(&mut m, program, case, image, capacity)?;
        m.placed.collect(&m.memory, image);
        Ok(RunInfo { steps: report.steps, tape_per_thread: capacity.unwrap_or(0) })
    }

    fn run_split(
        &self,
        program: &SplitProgram,
        case: &Case,
        image: &mut Image,
        meanwhile: &dyn Fn(&mut Image),
    ) -> Result<RunInfo> {
        let capacity = self.capacity(&program.augmented, case, image)?;
        let mut m = Held::new(case, image);
        let first = self.launch(&mut m, &program.augmented, case, image, capacity)?;
        m.placed.collect(&m.memory, image);
        let mut changed = image.clone();
        meanwhile(&mut changed);
        m.placed.refill(&mut m.memory, &changed);
        let again = Interpreter(interp::Options { keep_tapes: true, ..self.0 });
        let second = again.launch(&mut m, &program.reverse, case, &changed, capacity)?;
        m.placed.collect(&m.memory, &mut changed);
        image.take_shadows(changed);
        Ok(RunInfo { steps: first.steps + second.steps, tape_per_thread: capacity.unwrap_or(0) })
    }
}

/// The memory of a device, from launch to launch.
struct Held {
    memory: Memory,
    placed: Placed,
    word: Pointer,
    tape: Pointer,
}

impl Held {
    fn new(case: &Case, image: &Image) -> Held {
        let mut memory = Memory::new();
        let placed = Placed::new(&mut memory, case, image);
        let word = memory.alloc("status word", &[0; 8]);
        let tape = memory.alloc("tape", &[0; 8]);
        Held { memory, placed, word, tape }
    }

    /// The status or count word.
    fn word(&self) -> i64 {
        self.memory.bytes(self.word).try_into().map_or(0, i64::from_le_bytes)
    }
}

impl Interpreter {
    /// Bytes of tape per thread; `None` when the kernel has no tape.
    fn capacity(&self, program: &Program, case: &Case, image: &Image) -> Result<Option<u64>> {
        let Some((tape, g)) = program.gradient.as_ref().and_then(|g| Some((g.tape.as_ref()?, g))) else {
            return Ok(None);
        };
        let bytes = match (&tape.bytes_per_thread, &g.counter) {
            (Some(formula), _) => {
                let shape = case.shape();
                formula
                    .eval_bytes(&shape, &|p| integer(image, p))
                    .map_err(|e| Diagnostic::new(Code::Bug, format!("the size of the tape: {e}")))?
            }
            (None, Some(counter)) => {
                let mut m = Held::new(case, image);
                self.launch(&mut m, &Program::gradient(counter), case, image, None)?;
                m.word() as u64
            }
            (None, None) => 0,
        };
        Ok(Some(bytes.next_multiple_of(u64::from(tape.align))))
    }

    /// Runs a kernel on what is held. With a capacity, the word must be zero afterwards.
    fn launch(
        &self,
        m: &mut Held,
        program: &Program,
        case: &Case,
        image: &Image,
        capacity: Option<u64>,
    ) -> Result<interp::Report> {
        let mut args = Vec::new();
        for p in &program.params {
            args.push(match &p.purpose {
                Purpose::Primal { index, .. } => m.placed.primal(&mut m.memory, image, p, *index as usize)?,
                Purpose::Shadow { of } => Arg::Pointer(m.placed.shadow(image, p, *of as usize)?),
                Purpose::GlobalShadow { name } => match image.global(name) {
                    Some((i, _)) => Arg::Pointer(m.placed.shadows[i].ok_or_else(|| missing(p))?),
                    None => Arg::Pointer(m.placed.variable_shadow(image, name).ok_or_else(|| missing(p))?),
                },
                Purpose::TapeBase => Arg::Pointer(m.tape),
                Purpose::DynamicSharedSize => Arg::Int(case.shared.into()),
                Purpose::TapeCapacity => Arg::Int(capacity.unwrap_or(0).into()),
                Purpose::TapeStatus | Purpose::CountResult => Arg::Pointer(m.word),
            });
        }
        let shared = dynamic_shared_bytes(&program.params, case.shared)
            .ok_or_else(|| Diagnostic::new(Code::TooLarge, "the shadow of shared memory is too large"))?;
        let launch = interp::Launch { grid: case.grid, block: case.block, shared: shared.into(), args };
        // Bits of floats say nothing in doubles; and a plain load that only starts a compare-and-swap loop is no race.
        let recognised = (self.0.wide || self.0.races).then(|| idiom::recognise(&program.kernel));
        let kernel = recognised.as_ref().unwrap_or(&program.kernel);
        let report = interp::run(kernel, &launch, &mut m.memory, &self.0)?;
        match (capacity, m.word()) {
            (Some(have), want) if want != 0 => {
                let message = format!("a thread needed {want} bytes of tape and had {have}");
                Err(Diagnostic::new(Code::TapeOverflow, message).into())
            }
            _ => Ok(report),
        }
    }
}

/// Where the leaves of an image lie.
struct Placed {
    primals: Vec<Option<Pointer>>,
    shadows: Vec<Option<Pointer>>,
    /// By parameter: contents and shadow of a struct passed by value.
    structs: Vec<(Pointer, Pointer)>,
    /// Memory that holds pointers or structs, and its shadow.
    holders: Vec<(Pointer, Option<Pointer>)>,
}

impl Placed {
    fn new(memory: &mut Memory, case: &Case, image: &Image) -> Placed {
        let mut p = Placed { primals: vec![], shadows: vec![], structs: vec![], holders: vec![] };
        for l in &image.leaves {
            let primal = match l.kind {
                LeafKind::Buffer => Some(memory.alloc(&l.path, &vec![0; l.data.len() * l.ty.bytes()])),
                LeafKind::Global => Some(memory.variable(&l.path, (l.data.len() * l.ty.bytes()) as u64)),
                LeafKind::Scalar | LeafKind::Member => None,
            };
            if let Some(at) = primal {
                write(memory, at, 0, l.ty, &l.data);
            }
            let shadow = image.own_shadow(l).map(|data| {
                let at = memory.alloc(&format!("{}.shadow", l.path), &vec![0; data.len() * l.ty.bytes()]);
                write(memory, at, 0, l.ty, &data);
                at
            });
            p.primals.push(primal);
            p.shadows.push(shadow);
        }
        for a in &case.args {
            let size = vec![0; a.extent().0 as usize];
            p.structs
                .push((memory.alloc(&a.name, &size), memory.alloc(&format!("{}.shadow", a.name), &size)));
        }
        for h in &image.holders {
            let size = vec![0; h.bytes as usize];
            let shadow = h.shadowed.then(|| memory.alloc(&format!("{}.shadow", h.path), &size));
            let at = match h.global && h.holder.is_none() {
                true => memory.variable(&h.path, h.bytes),
                false => memory.alloc(&h.path, &size),
            };
            p.holders.push((at, shadow));
        }
        // Floats last: other writes into an object make it forget the doubles beside its floats.
        for (h, &(at, shadow)) in image.holders.iter().zip(&p.holders) {
            if !(h.global && h.holder.is_none()) {
                p.point(memory, h.arg, h.holder, h.offset, (at, shadow));
            }
        }
        for floats in [false, true] {
            for (i, l) in image.leaves.iter().enumerate().filter(|(_, l)| l.kind != LeafKind::Global) {
                match p.primals[i] {
                    Some(buffer) if !floats => {
                        p.point(memory, l.arg, l.holder, l.offset, (buffer, p.shadows[i]));
                    }
                    None if l.ty.is_float() == floats => {
                        let (at, shadow) = p.around(l.arg, l.holder);
                        write(memory, at, l.offset, l.ty, &l.data);
                        if let Some(shadow) = shadow {
                            write(memory, shadow, l.offset, l.ty, &l.shadow);
                        }
                    }
                    _ => {}
                }
            }
        }
        p
    }

    /// The shadow of a module-level variable that holds structs or pointers.
    fn variable_shadow(&self, image: &Image, name: &str) -> Option<Pointer> {
        let (h, _) = image.variables().find(|(_, h)| h.path == name)?;
        self.holders[h].1
    }

    /// The memory that holds something, and its shadow.
    fn around(&self, arg: usize, holder: Option<usize>) -> (Pointer, Option<Pointer>) {
        match holder {
            Some(h) => self.holders[h],
            None => (self.structs[arg].0, Some(self.structs[arg].1)),
        }
    }

    /// Puts the address of an object, and that of its shadow, where they are held.
    fn point(
        &self,
        memory: &mut Memory,
        arg: usize,
        holder: Option<usize>,
        offset: u64,
        (to, to_shadow): (Pointer, Option<Pointer>),
    ) {
        let (at, shadow) = self.around(arg, holder);
        put_address(memory, at, offset, to);
        if let (Some(at), Some(to)) = (shadow, to_shadow) {
            put_address(memory, at, offset, to);
        }
    }

    fn primal(&self, memory: &mut Memory, image: &Image, p: &ParamSpec, index: usize) -> Result<Arg> {
        if p.passing == Passing::Struct {
            return Ok(Arg::Struct(self.structs.get(index).ok_or_else(|| missing(p))?.0));
        }
        if let Some((h, _)) = image.param_holders(index).next() {
            return Ok(Arg::Pointer(self.holders[h].0));
        }
        let (i, leaf) = image.param(index).next().ok_or_else(|| missing(p))?;
        if let Some(at) = self.primals[i] {
            return Ok(Arg::Pointer(at));
        }
        match (&p.passing, leaf.ty.is_float()) {
            // A half that travels as an integer.
            (Passing::Scalar { ty: Some(t) }, true) if !t.is_float() => {
                let bytes = &memory.bytes(self.structs[index].0)[..leaf.ty.bytes()];
                Ok(Arg::Int(bytes.iter().rev().fold(0, |n, &b| n << 8 | i128::from(b))))
            }
            (_, true) => Ok(Arg::Float(leaf.data.get(0))),
            (_, false) => Ok(Arg::Int(int(&leaf.data))),
        }
    }

    fn shadow(&self, image: &Image, p: &ParamSpec, of: usize) -> Result<Pointer> {
        if !self.is_struct(image, of) {
            if let Some((h, _)) = image.param_holders(of).next() {
                return self.holders[h].1.ok_or_else(|| missing(p).into());
            }
        }
        let leaves: Vec<_> = image.param(of).collect();
        match leaves[..] {
            [(i, l)] if l.offset == 0 && self.shadows[i].is_some() && !self.is_struct(image, of) => {
                Ok(self.shadows[i].ok_or_else(|| missing(p))?)
            }
            _ => Ok(self.structs.get(of).ok_or_else(|| missing(p))?.1),
        }
    }

    /// A parameter with several leaves, or one that stands inside a struct (its path has a dot).
    fn is_struct(&self, image: &Image, index: usize) -> bool {
        image.param(index).count() > 1
            || image.param(index).any(|(_, l)| l.path.contains('.'))
            || image.param_holders(index).any(|(_, h)| h.path.contains('.'))
    }

    /// Puts other contents into the buffers and variables.
    fn refill(&self, memory: &mut Memory, image: &Image) {
        // Floats last, as above.
        for floats in [false, true] {
            for (l, at) in image.leaves.iter().zip(&self.primals).filter(|(l, _)| l.ty.is_float() == floats) {
                match (*at, l.kind, l.holder) {
                    (Some(at), ..) => write(memory, at, 0, l.ty, &l.data),
                    (None, LeafKind::Member, Some(h)) => {
                        write(memory, self.holders[h].0, l.offset, l.ty, &l.data);
                    }
                    _ => {}
                }
            }
        }
    }

    fn collect(&self, memory: &Memory, image: &mut Image) {
        self.collect_by(memory, image, &|memory, at, f, i| memory.float(at, f, i).unwrap_or(f64::NAN));
    }

    /// Takes what `float` says of every float that is kept as a double.
    fn collect_by(&self, memory: &Memory, image: &mut Image, float: &Float) {
        let read =
            |memory: &Memory, at, offset, ty, data: &mut Data| read(memory, at, offset, ty, data, float);
        let structs: Vec<bool> = (0..self.structs.len()).map(|i| self.is_struct(image, i)).collect();
        for (i, l) in image.leaves.iter_mut().enumerate() {
            if let Some(at) = self.primals[i] {
                read(memory, at, 0, l.ty, &mut l.data);
            }
            if let (LeafKind::Member, Some(h)) = (l.kind, l.holder) {
                let (at, shadow) = self.holders[h];
                read(memory, at, l.offset, l.ty, &mut l.data);
                if let (Some(shadow), true) = (shadow, l.active()) {
                    read(memory, shadow, l.offset, l.ty, &mut l.shadow);
                }
                continue;
            }
            if !l.active() {
                continue;
            }
            if l.kind == LeafKind::Scalar && structs[l.arg] {
                read(memory, self.structs[l.arg].1, l.offset, l.ty, &mut l.shadow);
            } else if let Some(at) = self.shadows[i] {
                read(memory, at, 0, l.ty, &mut l.shadow);
            }
        }
    }
}

fn missing(p: &ParamSpec) -> Diagnostic {
    Diagnostic::new(Code::BadCase, format!("the case has nothing for parameter `{}`", p.name))
}

fn offset(mut p: Pointer, by: u64) -> Pointer {
    p.addr += by;
    p
}

fn put_address(memory: &mut Memory, structure: Pointer, at: u64, to: Pointer) {
    let at = at as usize;
    memory.bytes_mut(structure)[at..at + 8].copy_from_slice(&to.addr.to_le_bytes());
}

fn format(ty: ElemType) -> Option<FloatTy> {
    match ty {
        ElemType::F16 => Some(FloatTy::F16),
        ElemType::Bf16 => Some(FloatTy::Bf16),
        ElemType::F32 => Some(FloatTy::F32),
        ElemType::F64 => Some(FloatTy::F64),
        _ => None,
    }
}

/// Puts `data`, which holds doubles in a wide run, where elements of type `ty` lie.
fn write(memory: &mut Memory, object: Pointer, at: u64, ty: ElemType, data: &Data) {
    match format(ty) {
        Some(f) => (0..data.len()).for_each(|i| {
            memory.set_float(offset(object, at), f, i, data.get(i));
        }),
        None => memory.bytes_mut(object)[at as usize..][..data.bytes.len()].copy_from_slice(&data.bytes),
    }
}

/// A float of an array, by its index.
type Float<'f> = dyn Fn(&Memory, Pointer, FloatTy, usize) -> f64 + 'f;

fn read(memory: &Memory, object: Pointer, at: u64, ty: ElemType, data: &mut Data, float: &Float) {
    match format(ty) {
        // In a wide run an f64 is kept as it is; asked for by bound it is told apart by the function alone.
        Some(f) if data.ty == ElemType::F64 => {
            let value = |i| float(memory, offset(object, at), f, i);
            *data = Data::from_f64(data.ty, (0..data.len()).map(value));
        }
        _ => {
            let n = data.bytes.len();
            data.bytes.copy_from_slice(&memory.bytes(object)[at as usize..][..n]);
        }
    }
}

/// An integer scalar, sign-extended.
fn int(data: &Data) -> i128 {
    let n = data.bytes.len().min(8);
    let mut wide = [if data.bytes[n - 1] >> 7 == 1 { 0xff } else { 0 }; 8];
    wide[..n].copy_from_slice(&data.bytes[..n]);
    i64::from_le_bytes(wide).into()
}

/// The value of an integer scalar argument, for formulas.
fn integer(image: &Image, param: u32) -> Option<i64> {
    let (_, leaf) = image.param(param as usize).next()?;
    (leaf.kind == LeafKind::Scalar && !leaf.ty.is_float()).then(|| int(&leaf.data) as i64)
}
