//! Standard output, files, and `-`.

use crate::diag::{Code, Diagnostic, Result};
use crate::read::{self, ModuleSource, ReadOptions};
use serde_json::Value;
use std::io::{Read, Write};
use std::path::Path;

/// Prints text to standard output; a closed pipe ends the program quietly.
pub fn print_text(text: &str) {
    let mut out = std::io::stdout().lock();
    if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

/// Prints one JSON object to standard output.
pub fn print_json(v: &Value) {
    print_text(&format!("{v:#}\n"));
}

/// Writes a result to a file, or to standard output for `-`.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let done = match path.to_str() {
        Some("-") => std::io::stdout().lock().write_all(bytes),
        _ => std::fs::write(path, bytes),
    };
    let failed = |e| Diagnostic::new(Code::FileUnreadable, format!("cannot write `{}`: {e}", path.display()));
    Ok(done.map_err(failed)?)
}

/// Reads a module from a file, or LLVM IR or bitcode from standard input for `-`.
pub fn load(path: &Path, opts: &ReadOptions) -> Result<ModuleSource> {
    load_for(path, opts, None)
}

/// The same, for a kernel or device function of that name.
pub fn load_for(path: &Path, opts: &ReadOptions, name: Option<&str>) -> Result<ModuleSource> {
    if path.to_str() != Some("-") {
        return match name {
            Some(name) => read::load_for(path, opts, name),
            None => read::load(path, opts),
        };
    }
    let mut bytes = Vec::new();
    std::io::stdin()
        .read_to_end(&mut bytes)
        .map_err(|e| Diagnostic::new(Code::FileUnreadable, format!("cannot read standard input: {e}")))?;
    Ok(read::read_module(&bytes, "<stdin>")?.with_functions(&opts.functions))
}

/// A number of bytes for people.
pub fn bytes(n: u64) -> String {
    match n {
        0..1024 => format!("{n} B"),
        1024..1_048_576 => format!("{:.1} KiB", n as f64 / 1024.0),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", n as f64 / 1_048_576.0),
        _ => format!("{:.2} GiB", n as f64 / 1_073_741_824.0),
    }
}

/// Columns of text, each as wide as its widest cell.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |c: usize| rows.iter().filter_map(|r| r.get(c)).map(|s| s.chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..columns).map(width).collect();
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, &w) in row.iter().zip(&widths) {
            line.push_str(&format!("{cell:w$}  "));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}
