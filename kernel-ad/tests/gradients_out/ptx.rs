//! What PTX says of its kernels against the manifest; whether ptxas takes it.

use super::tools::{program, run};
use shadow_mem::Manifest;

/// All entries of an artifact; `functions`: they are device functions.
pub fn check(bytes: &[u8], manifest: &Manifest, functions: bool) -> Result<(), String> {
    let text = String::from_utf8_lossy(bytes);
    let target = manifest.target.trim_start_matches("nvptx:");
    let (cpu, isa) = target.split_once("+ptx").map_or((target, None), |(cpu, isa)| (cpu, Some(isa)));
    if !text.contains(&format!("\n.target {cpu}\n")) {
        return Err(format!("it is not for {cpu}"));
    }
    if let Some(version) = isa.map(|isa| format!("\n.version {}.{}\n", &isa[..1], &isa[1..])) {
        if !text.contains(&version) {
            return Err(format!("it is not of version {}", version.trim()));
        }
    }
    let word = if functions { ".visible .func" } else { ".visible .entry" };
    for m in manifest.kernels() {
        let entry = format!("{word} {}(", m.symbol);
        let at = text.find(&entry).ok_or_else(|| format!("no `{entry}`"))?;
        let list = text[at + entry.len()..].split(')').next().unwrap_or("");
        if list.matches(".param").count() != m.params.len() {
            return Err(format!("`{}` has other parameters than its manifest", m.symbol));
        }
    }
    let Some(ptxas) = program("ptxas") else { return Ok(()) };
    let arch = format!("-arch={cpu}");
    let args = [&arch, "-o", "/dev/null", "--compile-only"];
    run(&ptxas, &args[..if functions { 4 } else { 3 }], bytes).map(|_| ())
}
