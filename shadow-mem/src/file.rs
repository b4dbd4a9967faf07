//! Manifests as JSON files, validated when they are read.

use crate::expr::Expr;
use crate::manifest::{Assumption, Manifest, Mode, ParamSpec, Passing, Purpose, TapeSpec, MANIFEST_VERSION};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a manifest was refused.
#[derive(Debug, Error)]
pub enum ManifestError {
    /// The file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not the JSON of a manifest.
    #[error("not a manifest: {0}")]
    Json(#[from] serde_json::Error),
    /// Written by another version.
    #[error("the manifest has version {got}, and this program reads version {MANIFEST_VERSION}")]
    Version {
        /// Version of the file.
        got: u32,
    },
    /// It contradicts itself.
    #[error("the manifest of `{symbol}` is not valid: {reason}")]
    Invalid {
        /// The kernel's symbol.
        symbol: String,
        /// What is wrong.
        reason: String,
    },
}

/// The part that is read first, so that another version is named and not taken for a broken file.
#[derive(serde::Deserialize)]
struct Versioned {
    version: u32,
}

impl Manifest {
    /// Reads and validates a manifest.
    pub fn from_json(text: &str) -> Result<Manifest, ManifestError> {
        let Versioned { version } = serde_json::from_str(text)?;
        if version != MANIFEST_VERSION {
            return Err(ManifestError::Version { got: version });
        }
        let m: Manifest = serde_json::from_str(text)?;
        m.validate()?;
        Ok(m)
    }

    /// The manifest as JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a manifest has no maps with keys that are not text")
    }

    /// Reads and validates a manifest file.
    pub fn load(path: impl AsRef<Path>) -> Result<Manifest, ManifestError> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path)
            .map_err(|source| ManifestError::Io { path: path.to_owned(), source })?;
        Manifest::from_json(&text)
    }

    /// Writes a manifest file.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), ManifestError> {
        let path = path.as_ref();
        std::fs::write(path, self.to_json() + "\n")
            .map_err(|source| ManifestError::Io { path: path.to_owned(), source })
    }

    /// Checks that the manifest does not contradict itself.
    pub fn validate(&self) -> Result<(), ManifestError> {
        validate(self).map_err(|reason| ManifestError::Invalid { symbol: self.symbol.clone(), reason })
    }

    /// Index of the parameter with that purpose.
    pub fn find(&self, wanted: impl Fn(&Purpose) -> bool) -> Option<usize> {
        self.params.iter().position(|p| wanted(&p.purpose))
    }
}

fn validate(m: &Manifest) -> Result<(), String> {
    if m.version != MANIFEST_VERSION {
        return Err(format!("it has version {}", m.version));
    }
    if m.symbol.is_empty() {
        return Err("it names no symbol".into());
    }
    if !matches!(m.warp_size, 1..=128) || !m.warp_size.is_power_of_two() {
        return Err(format!("a warp of {} threads", m.warp_size));
    }
    for (i, p) in m.params.iter().enumerate() {
        validate_param(m, i, p).map_err(|e| format!("parameter {i} (`{}`): {e}", p.name))?;
    }
    for a in &m.assumptions {
        match a {
            Assumption::Distinct { a, b } => {
                for i in [*a, *b] {
                    match m.params.get(i as usize) {
                        None => {
                            return Err(format!("an assumption names parameter {i} of {}", m.params.len()))
                        }
                        Some(p) if matches!(p.passing, Passing::Scalar { .. }) => {
                            return Err(format!("an assumption names parameter {i}, which is a scalar"));
                        }
                        Some(_) => {}
                    }
                }
            }
            Assumption::OneAlong { axes } => {
                if let Some(axis) = axes.iter().find(|&&a| a > 2) {
                    return Err(format!("an assumption names axis {axis}"));
                }
            }
            Assumption::Kept { param } if *param as usize >= m.params.len() => {
                return Err(format!("an assumption names parameter {param} of {}", m.params.len()));
            }
            Assumption::Kept { .. } | Assumption::KeptVariable { .. } | Assumption::KeptAll => {}
            Assumption::Block { .. } => {}
        }
    }
    validate_reverse(m)?;
    validate_tape(m)
}

fn validate_param(m: &Manifest, index: usize, p: &ParamSpec) -> Result<(), String> {
    if !p.align.is_power_of_two() {
        return Err(format!("alignment {} is no power of two", p.align));
    }
    let is_pointer = matches!(p.passing, Passing::Pointer { .. });
    if is_pointer && p.bytes != 8 {
        return Err(format!("a pointer of {} bytes", p.bytes));
    }
    if let Passing::Scalar { ty: Some(ty) } = p.passing {
        if ty.bytes() as u64 != p.bytes {
            return Err(format!("a scalar of type {ty:?} with {} bytes", p.bytes));
        }
    }
    match &p.purpose {
        Purpose::Primal { .. } => {}
        Purpose::TapeCapacity if is_pointer || p.bytes != 8 => {
            return Err("the capacity is no 64-bit number".into())
        }
        Purpose::TapeCapacity => {}
        Purpose::DynamicSharedSize if is_pointer || p.bytes != 4 => {
            return Err("the size of shared memory is no 32-bit number".into())
        }
        Purpose::DynamicSharedSize => {}
        _ if !is_pointer => return Err("it is no pointer".into()),
        _ => {}
    }
    if let Purpose::Shadow { of } = p.purpose {
        if m.find(|q| matches!(q, Purpose::Primal { index, .. } if *index == of)).is_none() {
            return Err(format!("it is the shadow of parameter {of}, which the kernel has not"));
        }
    }
    if m.params[..index].iter().any(|q| same_purpose(&q.purpose, &p.purpose)) {
        return Err("an earlier parameter has the same purpose".into());
    }
    Ok(())
}

/// The role of a primal parameter does not tell two of them apart.
fn same_purpose(a: &Purpose, b: &Purpose) -> bool {
    match (a, b) {
        (Purpose::Primal { index: a, .. }, Purpose::Primal { index: b, .. }) => a == b,
        _ => a == b,
    }
}

/// An augmented kernel goes with a reverse kernel, and both with one tape or none.
fn validate_reverse(m: &Manifest) -> Result<(), String> {
    let Some(r) = &m.reverse else {
        return match m.mode {
            Mode::Augmented => Err("nothing reads the tape of the augmented kernel".into()),
            _ => Ok(()),
        };
    };
    if (m.mode, r.mode) != (Mode::Augmented, Mode::Split) {
        return Err(format!("a {:?} kernel follows a {:?} kernel", r.mode, m.mode).to_lowercase());
    }
    let of = |m: &Manifest| m.tape.as_ref().map(|t| (t.layout, t.align));
    if of(m) != of(r) || (&m.kernel, &m.target) != (&r.kernel, &r.target) {
        return Err(format!("the tape is not the one of `{}`", r.symbol));
    }
    validate(r)
}

fn validate_tape(m: &Manifest) -> Result<(), String> {
    let has = |p: Purpose| m.find(|q| *q == p).is_some();
    let parts = [has(Purpose::TapeBase), has(Purpose::TapeCapacity), has(Purpose::TapeStatus)];
    let Some(tape) = &m.tape else {
        return match parts {
            [false, false, false] => Ok(()),
            _ => Err("it has parameters of a tape and no tape".into()),
        };
    };
    if !parts[0] || !parts[1] {
        return Err("it has a tape and lacks a parameter for its base or its capacity".into());
    }
    if !tape.align.is_power_of_two() {
        return Err(format!("the tape's alignment {} is no power of two", tape.align));
    }
    match tape {
        // It is another kernel's, and has its size already.
        TapeSpec { bytes_per_thread: None, counter: None, .. } if m.mode == Mode::Split => Ok(()),
        TapeSpec { bytes_per_thread: None, counter: None, .. } => {
            Err("nothing tells the size of the tape".into())
        }
        TapeSpec { bytes_per_thread: Some(e), .. } => validate_formula(m, e),
        TapeSpec { counter: Some(c), .. } if c.mode != Mode::Count => {
            Err("the tape's counter does not count".into())
        }
        TapeSpec { counter: Some(c), .. } if c.find(|q| *q == Purpose::CountResult).is_none() => {
            Err("the tape's counter has no result".into())
        }
        TapeSpec { counter: Some(c), .. } => validate(c),
    }
}

fn validate_formula(m: &Manifest, e: &Expr) -> Result<(), String> {
    for p in e.params() {
        let of = m.params.iter().find(|q| matches!(q.purpose, Purpose::Primal { index, .. } if index == p));
        match of {
            None => return Err(format!("the tape's formula names parameter {p}, which the kernel has not")),
            Some(q) if !matches!(q.passing, Passing::Scalar { .. }) => {
                return Err(format!("the tape's formula names parameter {p}, which is no scalar"));
            }
            Some(_) => {}
        }
    }
    let mut bad_axis = None;
    e.visit(&mut |e| match e {
        Expr::BlockDim(a) | Expr::GridDim(a) if *a > 2 => bad_axis = Some(*a),
        _ => {}
    });
    match bad_axis {
        Some(a) => Err(format!("the tape's formula names axis {a}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
