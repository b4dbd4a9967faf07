//! PTX into cubin, by NVIDIA's assembler, where it is there.

use super::places::{self, Environment};
use super::target::NvptxCpu;
use crate::diag::{Code, Diagnostic, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names the assembler to use, and no other.
const VARIABLE: &str = "KERNEL_AD_PTXAS";

/// Assembles PTX into machine code for its processor. `relocatable`: an object to be linked, for device functions; otherwise a cubin that the
/// driver loads.
///
/// # Errors
/// KAD0300 where there is no ptxas, with the places that were looked at; KAD0301 with its messages where it refuses the PTX.
pub fn cubin(ptx: &[u8], cpu: &NvptxCpu, relocatable: bool) -> Result<Vec<u8>> {
    assemble(&find(&places::of_process)?, ptx, cpu, relocatable)
}

fn assemble(ptxas: &Path, ptx: &[u8], cpu: &NvptxCpu, relocatable: bool) -> Result<Vec<u8>> {
    let failed =
        |what: &str, e: &dyn std::fmt::Display| Diagnostic::new(Code::ToolFailed, format!("{what}: {e}"));
    let dir = tempfile::tempdir().map_err(|e| failed("cannot make a temporary folder", &e))?;
    let (from, to) = (dir.path().join("kernel.ptx"), dir.path().join("kernel.cubin"));
    std::fs::write(&from, ptx).map_err(|e| failed("cannot write a temporary file", &e))?;
    let mut command = Command::new(ptxas);
    command.arg(format!("-arch={}", cpu.name));
    if relocatable {
        command.arg("--compile-only");
    }
    let out = command
        .arg("-o")
        .arg(&to)
        .arg(&from)
        .output()
        .map_err(|e| failed(&format!("cannot start `{}`", ptxas.display()), &e))?;
    if !out.status.success() {
        let said = [out.stdout, out.stderr].concat();
        let said = String::from_utf8_lossy(&said).replace(&from.display().to_string(), "kernel.ptx");
        let d = Diagnostic::new(
            Code::ToolFailed,
            format!("`{}` does not take the PTX for {} in version {}", ptxas.display(), cpu.name, cpu.isa),
        );
        return Err(d
            .because(said.trim())
            .help(format!("name a newer ptxas in {VARIABLE}, or an older version of PTX in the target"))
            .into());
    }
    Ok(std::fs::read(&to).map_err(|e| failed("cannot read what ptxas wrote", &e))?)
}

fn find(env: Environment<'_>) -> Result<PathBuf> {
    let places = candidates(env);
    places.iter().find(|p| p.is_file()).cloned().ok_or_else(|| {
        Diagnostic::new(Code::ToolMissing, "ptxas, which makes cubin of PTX, was not found")
            .because(format!("looked for {}", places::listed(&places)))
            .help(format!(
                "install the CUDA toolkit or PyPI's nvidia-cuda-nvcc-cu12, or set {VARIABLE}; \
                 PTX (`--emit asm`) needs none: the driver compiles it"
            ))
            .into()
    })
}

/// Where it is looked for, in this order.
fn candidates(env: Environment<'_>) -> Vec<PathBuf> {
    if let Some(own) = places::named(env, VARIABLE) {
        return vec![own];
    }
    let mut out = places::on_path(env, "ptxas");
    out.extend(places::cuda_homes(env).iter().map(|h| h.join("bin/ptxas")));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch an order other than the documented one, a named assembler that is quietly replaced by another, and a message that
    /// does not say where was looked.
    #[test]
    fn it_is_found_where_the_documentation_says() {
        let dir = tempfile::tempdir().unwrap();
        let at = |p: &str| dir.path().join(p);
        for place in ["named/ptxas", "path/ptxas", "home/bin/ptxas"] {
            std::fs::create_dir_all(at(place).parent().unwrap()).unwrap();
            std::fs::write(at(place), "").unwrap();
        }
        let find_with = |set: &[(&str, &str)]| {
            let env = |name: &str| set.iter().find(|s| s.0 == name).map(|s| at(s.1).into_os_string());
            find(&env)
        };
        let all = [("KERNEL_AD_PTXAS", "named/ptxas"), ("PATH", "path"), ("CUDA_HOME", "home")];
        for (from, place) in [(0, "named/ptxas"), (1, "path/ptxas"), (2, "home/bin/ptxas")] {
            assert_eq!(find_with(&all[from..]).unwrap(), at(place));
        }
        let e = find_with(&[("KERNEL_AD_PTXAS", "nowhere"), ("PATH", "path")]).unwrap_err();
        assert_eq!(e.0[0].code, Code::ToolMissing);
        assert!(e.to_string().contains("nowhere") && !e.to_string().contains("/usr/local"), "{e}");
        let places = candidates(&|_| None);
        assert!(places.contains(&"/usr/local/cuda/bin/ptxas".into()), "{places:?}");
    }

    /// Would catch a failure whose messages are lost, and one that is taken for success. Other programs stand in for a ptxas that fails.
    #[test]
    fn what_it_says_is_passed_on() {
        let Ok(crate::emit::Target::Nvptx(cpu)) = crate::emit::Target::parse("nvptx:sm_80") else { panic!() };
        let with = |program: &str| assemble(Path::new(program), b"text", &cpu, false).unwrap_err();
        let e = with("ls");
        assert_eq!(e.0[0].code, Code::ToolFailed);
        assert!(e.to_string().contains("invalid option"), "{e}");
        assert!(e.to_string().contains("sm_80 in version 7.0"), "{e}");
        assert!(with("true").to_string().contains("cannot read what ptxas wrote"));
        assert!(with("/nowhere/ptxas").to_string().contains("cannot start"));
    }
}
