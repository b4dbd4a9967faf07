//! LLVM's bitcode reader crashes on some corrupted files (LLVM 19: metadata and bitstream abbreviations), and a crash of a
//! library is the end of the process that uses it. So bitcode from outside is read once by `opt` in a process of its own,
//! when `opt` is found; it comes with llvm-19-dev. Text is safe: LLVM's assembly parser checks everything.

use crate::diag::{Code, Diagnostic, Result};
use std::io::Write as _;
use std::process::{Command, Stdio};

/// An error if reading and verifying `bitcode` ends a process by a signal.
pub(super) fn survives(bitcode: &[u8], file: &str) -> Result<()> {
    for opt in ["opt-19", "/usr/lib/llvm-19/bin/opt"] {
        let child = Command::new(opt)
            .args(["-disable-auto-upgrade-debug-info", "-passes=verify", "-disable-output", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut child) = child else { continue };
        if let Some(mut input) = child.stdin.take() {
            // A child that crashes stops reading; its status says so.
            let _ = input.write_all(bitcode);
        }
        let Ok(status) = child.wait() else { continue };
        if status.code().is_none() {
            let d = Diagnostic::new(
                Code::MalformedIr,
                format!("`{file}` is corrupted bitcode: LLVM's reader crashes on it"),
            );
            return Err(d.help("make it again, with LLVM 19 or older").into());
        }
        return Ok(());
    }
    Ok(())
}
