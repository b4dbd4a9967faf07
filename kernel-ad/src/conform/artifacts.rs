//! Artifacts that must be refused before anything of them runs.

use super::rig::{ensure, Found, Rig};
use crate::diag::Code;
use crate::emit::Target;
use crate::jit::{Compile, Loaded};
use gpu_runtime::DeviceKind;
use shadow_mem::{Manifest, MANIFEST_VERSION};

/// Loads and asks for the kernel; gives the code and the words of the refusal.
fn refusal(rig: &Rig, bytes: &[u8], manifest: &Manifest) -> Option<(Code, String)> {
    let loaded = rig.device.load(bytes, manifest).and_then(|l: Loaded| match rig.load(bytes, manifest) {
        Ok(_) => Ok(l),
        Err(e) => Err(crate::diag::Diagnostic::new(Code::BadArtifact, e.0).into()),
    });
    loaded.err().map(|e| (e.0[0].code, e.to_string()))
}

/// Catches files that are cut off, damaged at the start, or for another device, and loaded all the same, or end the process.
pub(super) fn refused(rig: &Rig) -> Found<String> {
    let a = rig.artifact("square")?;
    // Behind the last bracket of PTX is nothing that counts.
    let whole = match a.bytes.starts_with(b"\x7fELF") {
        true => a.bytes.len(),
        false => a.bytes.iter().rposition(|&b| b == b'}').unwrap_or(0),
    };
    let cuts = (0..64).map(|i| whole * i / 64).chain([1, 3, 4, 16, 52, 63, 64, whole - 1]);
    let mut bad: Vec<(String, Vec<u8>)> =
        cuts.map(|n| (format!("{n} of its {} bytes", a.bytes.len()), a.bytes[..n].to_vec())).collect();
    bad.push(("no artifact at all".into(), b"neither this nor that".to_vec()));
    bad.push(("binary rubbish".into(), (0..4096u32).map(|i| (i * 37 % 256) as u8).collect()));
    for name in others(rig) {
        let target = Target::parse(name)?;
        bad.push((format!("code for {name}"), rig.kernel("square")?.artifact(&target).map(|a| a.bytes)?));
    }
    for (what, bytes) in &bad {
        let (code, text) =
            refusal(rig, bytes, &a.manifest).ok_or_else(|| format!("{what}: it was loaded"))?;
        ensure(code == Code::BadArtifact, || format!("{what}: {text}"))?;
    }
    ensure(refusal(rig, &a.bytes, &a.manifest).is_none(), || "the whole artifact was refused".into())?;
    Ok(format!("{} artifacts", bad.len()))
}

/// Targets whose code the device cannot take.
fn others(rig: &Rig) -> Vec<&'static str> {
    let info = rig.raw().info();
    let newer = ["nvptx:sm_90a", "nvptx:sm_90"];
    match rig.kind() {
        DeviceKind::Cpu => vec!["nvptx:sm_80"],
        DeviceKind::Cuda => {
            newer.into_iter().filter(|t| !info.processor.starts_with(&t[6..11])).chain(["host"]).collect()
        }
        DeviceKind::Hip => {
            let all = ["amdgpu:gfx90a", "amdgpu:gfx942", "amdgpu:gfx1100"];
            all.into_iter().filter(|t| !info.processor.starts_with(&t[7..])).chain(["host"]).collect()
        }
    }
}

/// Catches a manifest of another kernel, of another version of kernel-ad, or of another target.
pub(super) fn foreign(rig: &Rig) -> Found<String> {
    let (add, square) = (rig.artifact("add")?, rig.artifact("square")?);
    let gradient = rig.kernel("square")?;
    let roles =
        [shadow_mem::Role::Dup, shadow_mem::Role::Out, shadow_mem::Role::Const, shadow_mem::Role::Const];
    let gradient = gradient.reverse(&roles)?.artifact(&rig.device.target()?)?;
    let as_add = |m: &Manifest| Manifest { symbol: add.manifest.symbol.clone(), ..m.clone() };
    let target = match rig.kind() {
        DeviceKind::Cuda => Target::HOST,
        _ => Target::parse("nvptx:sm_80")?,
    };
    let elsewhere = Manifest { target: target.to_string(), ..add.manifest.clone() };
    let newer = Manifest { version: MANIFEST_VERSION + 1, ..add.manifest.clone() };
    let cases = [
        ("of another kernel", square.manifest.clone()),
        ("of a kernel with other parameters", as_add(&gradient.manifest)),
        ("of another target", elsewhere),
        ("of another version", newer),
    ];
    for (what, manifest) in &cases {
        let (code, text) =
            refusal(rig, &add.bytes, manifest).ok_or_else(|| format!("a manifest {what} was taken"))?;
        let want = if *what == "of another version" { Code::BadManifest } else { Code::BadArtifact };
        ensure(code == want, || format!("a manifest {what}: {text}"))?;
    }
    Ok(String::new())
}
