//! Our headers, carried in the binary and written out for clang.

use crate::diag::{Code, Diagnostic, Result};
use std::path::{Path, PathBuf};

/// Path below the include directory, and contents.
type Header = (&'static str, &'static str);

/// For CUDA.
pub(super) const CUDA: &[Header] = &[
    ("common/kad_bfloat16.h", include_str!("../../include/common/kad_bfloat16.h")),
    ("common/kad_complex.h", include_str!("../../include/common/kad_complex.h")),
    ("common/kad_groups.h", include_str!("../../include/common/kad_groups.h")),
    ("common/kad_half.h", include_str!("../../include/common/kad_half.h")),
    ("common/kad_half_functions.h", include_str!("../../include/common/kad_half_functions.h")),
    ("common/kad_half_pairs.h", include_str!("../../include/common/kad_half_pairs.h")),
    ("common/kad_vector_types.h", include_str!("../../include/common/kad_vector_types.h")),
    ("cuda/builtin_types.h", include_str!("../../include/cuda/builtin_types.h")),
    ("cuda/cooperative_groups.h", include_str!("../../include/cuda/cooperative_groups.h")),
    (
        "cuda/cooperative_groups/memcpy_async.h",
        include_str!("../../include/cuda/cooperative_groups/memcpy_async.h"),
    ),
    ("cuda/cooperative_groups/reduce.h", include_str!("../../include/cuda/cooperative_groups/reduce.h")),
    ("cuda/cooperative_groups/scan.h", include_str!("../../include/cuda/cooperative_groups/scan.h")),
    ("cuda/crt/math_functions.h", include_str!("../../include/cuda/crt/math_functions.h")),
    ("cuda/crt/sm_70_rt.hpp", include_str!("../../include/cuda/crt/sm_70_rt.hpp")),
    ("cuda/cuComplex.h", include_str!("../../include/cuda/cuComplex.h")),
    ("cuda/cuda.h", include_str!("../../include/cuda/cuda.h")),
    ("cuda/cuda_bf16.h", include_str!("../../include/cuda/cuda_bf16.h")),
    ("cuda/cuda_fp16.h", include_str!("../../include/cuda/cuda_fp16.h")),
    ("cuda/cuda_profiler_api.h", include_str!("../../include/cuda/cuda_profiler_api.h")),
    ("cuda/cuda_runtime.h", include_str!("../../include/cuda/cuda_runtime.h")),
    ("cuda/cuda_runtime_api.h", include_str!("../../include/cuda/cuda_runtime_api.h")),
    ("cuda/device_atomic_functions.h", include_str!("../../include/cuda/device_atomic_functions.h")),
    ("cuda/device_functions.h", include_str!("../../include/cuda/device_functions.h")),
    ("cuda/device_launch_parameters.h", include_str!("../../include/cuda/device_launch_parameters.h")),
    ("cuda/driver_types.h", include_str!("../../include/cuda/driver_types.h")),
    ("cuda/host_defines.h", include_str!("../../include/cuda/host_defines.h")),
    ("cuda/kad_cuda.h", include_str!("../../include/cuda/kad_cuda.h")),
    ("cuda/kad_cuda_atomics.h", include_str!("../../include/cuda/kad_cuda_atomics.h")),
    ("cuda/kad_cuda_halves.h", include_str!("../../include/cuda/kad_cuda_halves.h")),
    ("cuda/kad_cuda_host.h", include_str!("../../include/cuda/kad_cuda_host.h")),
    ("cuda/math_constants.h", include_str!("../../include/cuda/math_constants.h")),
    ("cuda/math_functions.h", include_str!("../../include/cuda/math_functions.h")),
    ("cuda/sm_30_intrinsics.h", include_str!("../../include/cuda/sm_30_intrinsics.h")),
    ("cuda/sm_60_atomic_functions.h", include_str!("../../include/cuda/sm_60_atomic_functions.h")),
    ("cuda/vector_functions.h", include_str!("../../include/cuda/vector_functions.h")),
    ("cuda/vector_functions.hpp", include_str!("../../include/cuda/vector_functions.hpp")),
    ("cuda/vector_types.h", include_str!("../../include/cuda/vector_types.h")),
];

/// For both, and beside a toolkit's own.
pub(super) const OWN: &[Header] = &[("own/kernel_ad.h", include_str!("../../include/own/kernel_ad.h"))];

/// For HIP.
pub(super) const HIP: &[Header] = &[
    ("common/kad_bfloat16.h", include_str!("../../include/common/kad_bfloat16.h")),
    ("common/kad_complex.h", include_str!("../../include/common/kad_complex.h")),
    ("common/kad_groups.h", include_str!("../../include/common/kad_groups.h")),
    ("common/kad_half.h", include_str!("../../include/common/kad_half.h")),
    ("common/kad_half_functions.h", include_str!("../../include/common/kad_half_functions.h")),
    ("common/kad_half_pairs.h", include_str!("../../include/common/kad_half_pairs.h")),
    ("common/kad_vector_types.h", include_str!("../../include/common/kad_vector_types.h")),
    ("hip/hip/device_functions.h", include_str!("../../include/hip/hip/device_functions.h")),
    ("hip/hip/hip_bf16.h", include_str!("../../include/hip/hip/hip_bf16.h")),
    ("hip/hip/hip_bfloat16.h", include_str!("../../include/hip/hip/hip_bfloat16.h")),
    ("hip/hip/hip_complex.h", include_str!("../../include/hip/hip/hip_complex.h")),
    ("hip/hip/hip_cooperative_groups.h", include_str!("../../include/hip/hip/hip_cooperative_groups.h")),
    ("hip/hip/hip_fp16.h", include_str!("../../include/hip/hip/hip_fp16.h")),
    ("hip/hip/hip_math_constants.h", include_str!("../../include/hip/hip/hip_math_constants.h")),
    ("hip/hip/hip_runtime.h", include_str!("../../include/hip/hip/hip_runtime.h")),
    ("hip/hip/hip_runtime_api.h", include_str!("../../include/hip/hip/hip_runtime_api.h")),
    ("hip/hip/hip_vector_types.h", include_str!("../../include/hip/hip/hip_vector_types.h")),
    ("hip/hip/math_functions.h", include_str!("../../include/hip/hip/math_functions.h")),
    ("hip/kad_hip.h", include_str!("../../include/hip/kad_hip.h")),
    ("hip/kad_hip_atomics.h", include_str!("../../include/hip/kad_hip_atomics.h")),
    ("hip/kad_hip_halves.h", include_str!("../../include/hip/kad_hip_halves.h")),
    ("hip/kad_hip_host.h", include_str!("../../include/hip/kad_hip_host.h")),
    ("hip/kad_hip_integers.h", include_str!("../../include/hip/kad_hip_integers.h")),
    ("hip/kad_hip_warp.h", include_str!("../../include/hip/kad_hip_warp.h")),
];

/// Writes headers below `dir`; gives the directory that holds the languages' directories.
pub(super) fn write(dir: &Path, headers: &[Header]) -> Result<PathBuf> {
    let root = dir.join("include");
    for (name, text) in headers {
        let path = root.join(name);
        let parent = path.parent().unwrap_or(&root);
        std::fs::create_dir_all(parent).and_then(|()| std::fs::write(&path, text)).map_err(|e| {
            Diagnostic::new(Code::ToolFailed, format!("cannot write `{}`: {e}", path.display()))
        })?;
    }
    Ok(root)
}
