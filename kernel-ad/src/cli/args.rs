//! The command line, as clap reads it. The long help is the manual.

use crate::compile::CompileOptions;
use crate::read::ReadOptions;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Gradients of existing GPU kernels.
///
/// Reads a kernel from LLVM IR (.ll, .bc) or from a CUDA or HIP source (.cu, .hip, compiled with clang 19; no toolkit is
/// needed), and makes the kernel that computes its derivative, for NVIDIA (PTX), AMD (HSACO) or the CPU.
#[derive(Parser, Debug)]
#[command(name = "kernel-ad", version, max_term_width = 100, after_long_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  What is in a file:
      kernel-ad list forces.cu
  The gradient of one of its kernels, as PTX with its manifest beside it:
      kernel-ad grad forces.cu --kernel forces --roles dup,dup,const --target nvptx:sm_90 -o forces_grad.ptx
  Run a case (see the README for the format) on the CPU, with its gradient, and check the gradient:
      kernel-ad run forces.toml --mode reverse --out results
      kernel-ad check forces.toml

Exit status:
  0 all well   1 a check found a wrong result   2 wrong usage or input
  3 the kernel holds something that is not supported   4 a device or a tool is missing or failed

Environment:
  KERNEL_AD_LOG=debug      what happens inside, on standard error
  KERNEL_AD_THREADS=4      worker threads of the CPU device
  NO_COLOR=1               no colours";

#[derive(Subcommand, Debug)]
pub enum Command {
    List(ListArgs),
}

impl Command {
    /// Whether the result is wanted as JSON.
    pub fn json(&self) -> bool {
        match self {
            Command::List(a) => a.json,
        }
    }
}

/// Show the kernels of a file: parameters, shared memory, launch bounds
#[derive(Args, Debug)]
pub struct ListArgs {
    /// .ll, .bc, .cu or .hip; `-` reads LLVM IR or bitcode from standard input
    pub file: PathBuf,
    /// One JSON object on standard output
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub source: SourceArgs,
}

/// How .cu and .hip files are compiled.
#[derive(Args, Debug, Clone, Default)]
#[command(next_help_heading = "Compiling .cu and .hip")]
pub struct SourceArgs {
    /// GPU that the source is compiled for [default: sm_70, gfx90a]
    #[arg(long, value_name = "sm_80|gfx90a")]
    pub arch: Option<String>,
    /// Folder of included files; may be repeated
    #[arg(long, short = 'I', value_name = "DIR")]
    pub include: Vec<PathBuf>,
    /// Macro, as NAME or NAME=VALUE; may be repeated
    #[arg(long, short = 'D', value_name = "NAME[=VALUE]")]
    pub define: Vec<String>,
    /// A CUDA toolkit whose headers are used instead of the built-in ones
    #[arg(long, value_name = "DIR")]
    pub cuda_path: Option<PathBuf>,
    /// A ROCm installation whose headers are used instead of the built-in ones
    #[arg(long, value_name = "DIR")]
    pub rocm_path: Option<PathBuf>,
}

impl SourceArgs {
    /// As options of the reader.
    pub fn options(&self) -> ReadOptions {
        ReadOptions {
            compile: CompileOptions {
                arch: self.arch.clone(),
                cuda_path: self.cuda_path.clone(),
                rocm_path: self.rocm_path.clone(),
                includes: self.include.clone(),
                defines: self.define.clone(),
                ..CompileOptions::default()
            },
        }
    }
}
