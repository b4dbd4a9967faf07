//! Parts of a device beside its threads and memory: known by name, and refused by it.

use super::translate::Refusal;
use crate::diag::Code;

/// What an instruction belongs to, and what to do about it.
struct Unit {
    what: &'static str,
    help: &'static str,
    /// Starts of names of intrinsics, without `llvm.`.
    intrinsics: &'static [&'static str],
    /// First words of PTX and AMD instructions.
    words: &'static [&'static str],
}

const UNITS: &[Unit] = &[
    Unit {
        what: "textures and surfaces",
        help: "read and write a buffer, and interpolate in the kernel",
        intrinsics: &[
            "nvvm.tex.",
            "nvvm.tld4.",
            "nvvm.suld.",
            "nvvm.sust.",
            "nvvm.suq.",
            "nvvm.txq.",
            "nvvm.texsurf.",
            "amdgcn.image.",
        ],
        words: &["tex", "tld4", "txq", "suld", "sust", "sured", "suq", "image_"],
    },
    Unit {
        what: "tensor cores",
        help: "differentiate a variant of the kernel that multiplies number by number",
        intrinsics: &[
            "nvvm.wmma.",
            "nvvm.mma.",
            "nvvm.ldmatrix.",
            "nvvm.wgmma.",
            "nvvm.tcgen05.",
            "amdgcn.mfma.",
            "amdgcn.smfmac.",
            "amdgcn.wmma.",
            "amdgcn.swmmac.",
        ],
        words: &[
            "mma",
            "wmma",
            "wgmma",
            "tcgen05",
            "ldmatrix",
            "stmatrix",
            "movmatrix",
            "v_mfma_",
            "v_wmma_",
        ],
    },
    Unit {
        what: "copies that go on beside the threads",
        help: "copy by loads and stores, with a barrier behind",
        intrinsics: &[
            "nvvm.cp.async.",
            "nvvm.mbarrier.",
            "amdgcn.global.load.lds",
            "amdgcn.raw.ptr.buffer.load.lds",
        ],
        words: &["cp", "mbarrier", "multimem"],
    },
    Unit {
        what: "clusters of blocks",
        help: "let blocks exchange data from launch to launch",
        intrinsics: &["nvvm.barrier.cluster.", "nvvm.mapa.", "nvvm.getctarank.", "nvvm.is_explicit_cluster"],
        words: &["mapa", "getctarank", "griddepcontrol"],
    },
];

fn refusal(u: &Unit, name: &str) -> Refusal {
    Refusal {
        code: Code::UnsupportedIr,
        message: format!("`{name}` uses {}, which are not supported", u.what),
        help: Some(u.help.into()),
    }
}

/// Why an intrinsic cannot be read, if it belongs to such a part. The name comes without `llvm.`.
pub(super) fn intrinsic(name: &str) -> Option<Refusal> {
    let unit = UNITS.iter().find(|u| u.intrinsics.iter().any(|p| name.starts_with(p)))?;
    Some(refusal(unit, &format!("llvm.{name}")))
}

/// The same for a statement of inline assembly, by its first word.
pub(super) fn assembly(word: &str, statement: &str) -> Option<Refusal> {
    let fits = |w: &str| if w.ends_with('_') { word.starts_with(w) } else { word == w };
    let unit = UNITS.iter().find(|u| u.words.iter().any(|w| fits(w)))?;
    Some(refusal(unit, statement))
}
