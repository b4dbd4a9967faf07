//! A device with the suite's kernels.

use super::Options;
use crate::diag::Result as Read;
use crate::emit::Artifact;
use crate::jit::{Compile, Device, Kernel};
use crate::read;
use gpu_runtime::{Block, DeviceKind, Function, Module};
use shadow_mem::{Arg, DeviceBlock, DeviceMemory, Manifest};
use std::fmt;

/// What a probe found wrong.
#[derive(Debug)]
pub(super) struct Wrong(pub String);

impl<E: fmt::Display> From<E> for Wrong {
    fn from(e: E) -> Wrong {
        Wrong(e.to_string())
    }
}

pub(super) type Found<T> = std::result::Result<T, Wrong>;

const KERNELS: &str = include_str!("kernels.ll");

/// A device with the suite's kernels.
pub(super) struct Rig {
    pub device: Device,
    pub options: Options,
}

/// A loaded kernel.
pub(super) struct Ready {
    pub module: Module,
    pub function: Function,
}

impl Rig {
    pub fn new(device: Device, options: Options) -> Rig {
        Rig { device, options }
    }

    pub fn raw(&self) -> &gpu_runtime::Device {
        self.device.context().device()
    }

    pub fn kind(&self) -> DeviceKind {
        self.raw().info().kind
    }

    /// A kernel of the suite, read as its vendor's.
    pub fn kernel(&self, name: &str) -> Read<Kernel> {
        let text = match self.kind() {
            DeviceKind::Hip => amd(),
            _ => nvidia(),
        };
        Ok(read::read_module(text.as_bytes(), "conformance.ll")?.kernel(name)?.into())
    }

    pub fn artifact(&self, name: &str) -> Read<Artifact> {
        self.kernel(name)?.artifact(&self.device.target()?)
    }

    pub fn ready(&self, name: &str) -> Found<Ready> {
        let a = self.artifact(name)?;
        self.load(&a.bytes, &a.manifest)
    }

    pub fn load(&self, bytes: &[u8], manifest: &Manifest) -> Found<Ready> {
        let module = self.raw().load(bytes, std::slice::from_ref(manifest))?;
        let function = module.function(&manifest.symbol)?;
        Ok(Ready { module, function })
    }

    pub fn floats(&self, data: &[f32]) -> Found<Block> {
        let bytes: &[u8] = bytemuck::cast_slice(data);
        let b = self.raw().allocate(bytes.len() as u64, 256)?;
        b.write(0, bytes)?;
        Ok(b)
    }

    /// What a kernel was to leave in a block, compared unless kernels do nothing.
    pub fn expect(&self, block: &Block, what: &str, want: impl Fn(usize) -> f32) -> Found<()> {
        let mut got = vec![0f32; block.bytes() as usize / 4];
        block.read(0, bytemuck::cast_slice_mut(&mut got))?;
        let wrong = got.iter().enumerate().find(|&(i, &x)| x.to_bits() != want(i).to_bits());
        match wrong.filter(|_| !self.options.rehearse) {
            Some((i, x)) => Err(format!("{what}: element {i} is {x}, and should be {}", want(i)).into()),
            None => Ok(()),
        }
    }

    /// True when nothing that was on the device can be used any more.
    pub fn is_lost(&self) -> bool {
        self.raw().synchronize().is_err()
    }
}

pub(super) fn ptr(b: &Block) -> Arg {
    Arg::Pointer(b.extent())
}

/// Fails with a remark unless it holds.
pub(super) fn ensure(holds: bool, remark: impl FnOnce() -> String) -> Found<()> {
    match holds {
        true => Ok(()),
        false => Err(remark().into()),
    }
}

fn filled(words: &[(&str, &str)]) -> String {
    words.iter().fold(KERNELS.to_string(), |text, (word, by)| text.replace(word, by))
}

fn nvidia() -> String {
    filled(&[
        ("@LAYOUT@", "e-i64:64-i128:128-v16:16-v32:32-n16:32:64"),
        ("@TRIPLE@", "nvptx64-nvidia-cuda"),
        ("@KERNEL@", "ptx_kernel"),
        ("@TID@", "@llvm.nvvm.read.ptx.sreg.tid.x"),
        ("@BLOCK@", "@llvm.nvvm.read.ptx.sreg.ctaid.x"),
        ("@BARRIER@", "@llvm.nvvm.barrier0"),
    ])
}

fn amd() -> String {
    filled(&[
        (
            "@LAYOUT@",
            "e-p:64:64-p1:64:64-p2:32:32-p3:32:32-p4:64:64-p5:32:32-p6:32:32-p7:160:256:256:32-p8:128:128-p9:192:256:256:32-i64:64\
             -v16:16-v24:32-v32:32-v48:64-v96:128-v192:256-v256:256-v512:512-v1024:1024-v2048:2048-n32:64-S32-A5-G1-ni:7:8:9",
        ),
        ("@TRIPLE@", "amdgcn-amd-amdhsa"),
        ("@KERNEL@", "amdgpu_kernel"),
        ("@TID@", "@llvm.amdgcn.workitem.id.x"),
        ("@BLOCK@", "@llvm.amdgcn.workgroup.id.x"),
        ("@BARRIER@", "@llvm.amdgcn.s.barrier"),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches a text that is right for one vendor only.
    #[test]
    fn both_vendors_kernels_are_read() {
        for text in [nvidia(), amd()] {
            let module =
                read::read_module(text.as_bytes(), "conformance.ll").unwrap_or_else(|e| panic!("{e}"));
            for k in ["add", "square", "trap", "turn", "weigh"] {
                module.kernel(k).unwrap_or_else(|e| panic!("{e}"));
            }
        }
    }
}
