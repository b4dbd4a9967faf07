//! What the tool says when the processor stops it: kernels on the CPU device are not checked at each access, and LLVM can fail.

use crate::diag::Code;
use gpu_runtime::crash::{self, Crash, End, Stderr};
use std::fmt::Write;

/// Crashes become errors with a code.
pub fn watch() {
    crash::watch(tell);
}

fn tell(c: &Crash<'_>) -> End {
    let signal = c.signal;
    match c.kernel.filter(|_| signal != "SIGABRT") {
        Some(kernel) => {
            let ([x, y, z], code, at) = (c.block, Code::KernelCrash.number(), c.address);
            let _ = match signal {
                "SIGSEGV" | "SIGBUS" => write!(
                    Stderr,
                    "error[KAD{code:04}]: kernel `{kernel}` accessed address {at:#x}, which is not its memory ({signal})"
                ),
                _ => write!(Stderr, "error[KAD{code:04}]: the processor stopped kernel `{kernel}` ({signal})"),
            };
            let _ = write!(
                Stderr,
                "\n   = in block ({x}, {y}, {z})\n   = the CPU device runs kernels without a check of each access\n   = help: \
                 `kernel-ad check` interprets the kernel on the same data, and says which access it is\n"
            );
            End::Exit(4)
        }
        None => {
            let code = Code::Bug.number();
            let _ = write!(
                Stderr,
                "error[KAD{code:04}]: kernel-ad was stopped by {signal}\n   = help: this is a bug; please report it with the command \
                 and the module\n"
            );
            c.print_trace();
            End::Exit(70)
        }
    }
}
