//! What can be seen of an artifact before a driver or a loader gets it: that it is whole, for this machine, and that of its manifest.
//!
//! A loader that maps a file which is cut off may end the process; a driver says "invalid image" and no more. What cannot be
//! judged here passes.

pub mod cubin;
pub mod elf;
pub mod ptx;

use shadow_mem::Manifest;

/// Why an artifact is refused.
pub type Judgement = Result<(), String>;

/// Compares the kernels of an artifact, as far as they are known, with the manifests that came with it.
fn kernels_fit<'a>(
    manifests: &[Manifest],
    names: impl Iterator<Item = &'a str> + Clone,
    params: impl Fn(&Manifest) -> Judgement,
) -> Judgement {
    for m in manifests {
        if !names.clone().any(|n| n == m.symbol) {
            let has: Vec<_> = names.clone().map(|n| format!("`{n}`")).collect();
            let has = if has.is_empty() { "none".into() } else { has.join(", ") };
            return Err(format!(
                "its manifest describes kernel `{}`, which it does not have; its kernels: {has}",
                m.symbol
            ));
        }
        params(m).map_err(|e| {
            format!("its manifest is that of another kernel `{}`, or of another version of it: {e}", m.symbol)
        })?;
    }
    Ok(())
}
