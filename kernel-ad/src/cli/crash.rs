//! What the tool says when the processor stops it: kernels on the CPU device are not checked at each access, and LLVM can fail.

use crate::diag::Code;
use gpu_runtime::crash::{self, Crash, End, Message};
use std::fmt::Write;

/// Crashes become errors with a code.
pub fn watch() {
    crash::watch(tell);
}

fn tell(c: &Crash<'_>) -> End {
    let mut m = Message::new();
    let status = match c.kernel.filter(|_| c.signal != "SIGABRT") {
        Some(kernel) => {
            let [x, y, z] = c.block;
            let (code, signal) = (Code::KernelCrash.number(), c.signal);
            let _ = match signal {
                "SIGSEGV" | "SIGBUS" => write!(
                    m,
                    "error[KAD{code:04}]: kernel `{kernel}` accessed address {:#x}, which is not its memory ({signal})",
                    c.address
                ),
                _ => write!(m, "error[KAD{code:04}]: the processor stopped kernel `{kernel}` ({signal})"),
            };
            let _ = write!(
                m,
                "\n   = in block ({x}, {y}, {z})\n   = the CPU device runs kernels without a check of each access\n   = help: \
                 `kernel-ad check` interprets the kernel on the same data, and says which access it is\n"
            );
            4
        }
        None => {
            let (code, signal) = (Code::Bug.number(), c.signal);
            let _ = write!(
                m,
                "error[KAD{code:04}]: kernel-ad was stopped by {signal}\n   = help: this is a bug; please report it with the command and \
                 the module\n"
            );
            70
        }
    };
    m.print();
    if status == 70 {
        c.print_trace();
    }
    End::Exit(status)
}
