//! Random kernels, valid by construction, each with a launch and its data.
//!
//! The kernels stay in smooth, bounded territory, so that central differences mean something: every value that a
//! statement leaves behind lies within a few units of zero, divisors and arguments of roots and logarithms are kept away
//! from zero, indices are masked to the length of what they index. Between two barriers no two threads touch the same memory
//! except by reading what nobody writes, or by atomic addition, so that every order of the threads gives the same
//! result up to rounding. Barriers and warp operations stand only where all threads of the block come that have not
//! returned; shuffles only in kernels that no thread leaves before the others.
//!
//! The same seed gives the same kernel. A smaller [`GenOptions::statements`] cuts the same program off earlier, which is
//! how a failing seed is reduced.

mod expr;
mod lanes;
mod memory;
mod params;
mod stmt;
mod team;

#[cfg(test)]
mod tests;

use crate::case::Case;
use crate::kernel::{Arch, Fmf, Kernel, KernelBuilder, Type, Value};
use crate::read;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What may appear in a random kernel.
#[derive(Clone, Debug)]
pub struct GenOptions {
    /// Largest number of statements.
    pub statements: u32,
    /// Deepest nesting of control flow.
    pub depth: u32,
    /// Loops.
    pub loops: bool,
    /// `while` loops whose trip count depends on data.
    pub while_loops: bool,
    /// `break` and `continue`, and `return` from the middle.
    pub early_exits: bool,
    /// Arrays of one thread with dynamic index.
    pub local_arrays: bool,
    /// Atomic addition.
    pub atomics: bool,
    /// Functions such as `fabs` and `fmax`, and branches on floats: these have kinks and jumps.
    pub kinks: bool,
    /// Shared memory, static and dynamic, with barriers of every form.
    pub shared: bool,
    /// Shuffles, votes and warp barriers.
    pub warps: bool,
    /// Integer atomics whose result is the place of an element in shared memory.
    pub compaction: bool,
    /// memcpy and memset of local arrays.
    pub copies: bool,
    /// Vectors of floats.
    pub vectors: bool,
    /// Half precision, in memory and in registers.
    pub half: bool,
    /// Architecture.
    pub arch: Arch,
}

impl Default for GenOptions {
    fn default() -> Self {
        GenOptions {
            statements: 24,
            depth: 3,
            loops: true,
            while_loops: true,
            early_exits: true,
            local_arrays: true,
            atomics: true,
            kinks: true,
            shared: false,
            warps: false,
            compaction: false,
            copies: false,
            vectors: false,
            half: false,
            arch: Arch::Nvptx,
        }
    }
}

impl GenOptions {
    /// Everything that the generator can make.
    pub fn everything() -> Self {
        GenOptions {
            shared: true,
            warps: true,
            compaction: true,
            copies: true,
            vectors: true,
            half: true,
            ..GenOptions::default()
        }
    }

    /// The same for AMD: waves of 64, local memory in its own address space, no masks.
    pub fn amd(self) -> Self {
        GenOptions { arch: Arch::Amdgpu, ..self }
    }
}

/// A random kernel with a launch. The case's module is not a file: it stands for `kernel`.
#[derive(Clone, Debug)]
pub struct Generated {
    /// The kernel.
    pub kernel: Kernel,
    /// Launch, data, roles.
    pub case: Case,
    /// Statements that it holds.
    pub statements: u32,
    /// Type of its floats.
    pub float: Type,
}

/// Makes the kernel of a seed, as reading would leave it.
pub fn generate(seed: u64, options: &GenOptions) -> Generated {
    let mut made = generate_raw(seed, options);
    read::name_floats(&mut made.kernel);
    made
}

/// The same as sources have it: floats travel among lanes as integers, doubles in halves.
pub fn generate_raw(seed: u64, options: &GenOptions) -> Generated {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let float = if rng.random_bool(0.5) { Type::F64 } else { Type::F32 };
    let fmf = if rng.random_bool(0.5) { Fmf::CONTRACT } else { Fmf::empty() };
    let (mut kernel, case) = params::signature(seed, float, options, &mut rng);
    let mut gen = Gen::new(&mut kernel, float, fmf, options, rng, case.block[0]);
    gen.body();
    let statements = options.statements - gen.fuel;
    Generated { kernel, case, statements, float }
}

/// The variables of the program at one point: what a statement may read and replace.
#[derive(Clone, Debug)]
struct State {
    floats: Vec<Value>,
    ints: Vec<Value>,
}

/// Pointers and values that every statement can use.
#[derive(Clone, Debug)]
struct Inputs {
    gid: Value,
    gathered: Value,
    in_place: Value,
    out: Value,
    sums: Value,
    indices: Value,
    table: Value,
    halves: Option<Value>,
    scalars: Vec<Value>,
    array: Option<Value>,
    /// A second array, for copies.
    spare: Option<Value>,
    tid: Value,
    dim: Value,
}

struct Gen<'k, 'o> {
    b: KernelBuilder<'k>,
    rng: ChaCha8Rng,
    float: Type,
    fmf: Fmf,
    options: &'o GenOptions,
    fuel: u32,
    state: State,
    inputs: Inputs,
    team: team::Team,
    /// Threads of a block.
    block: u32,
}
