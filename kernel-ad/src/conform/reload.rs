//! Loading and unloading, again and again.

use super::rig::{ensure, ptr, Found, Rig};
use gpu_runtime::{Device, DeviceKind};
use shadow_mem::{Arg, Launch};

/// What a process holds: mappings of files and memory, open files, bytes of the device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Held {
    mappings: usize,
    files: usize,
    device: u64,
}

fn held(rig: &Rig) -> Found<Held> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let files = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    let device = match rig.raw() {
        #[cfg(feature = "cuda")]
        Device::Cuda(d) => d.memory().map(|(free, total)| total.saturating_sub(free))?,
        #[cfg(feature = "hip")]
        Device::Hip(d) => d.memory().map(|(free, total)| total.saturating_sub(free))?,
        _ => 0,
    };
    Ok(Held { mappings: maps.lines().count(), files, device })
}

/// Loads before it is counted: drivers and allocators take what they keep.
const WARM: u32 = 20;
/// Allocators and drivers round.
const SLACK: Held = Held { mappings: 8, files: 2, device: 32 << 20 };

/// Catches modules, files, mappings and memory that are kept after their last user is gone.
pub(super) fn reload(rig: &Rig) -> Found<String> {
    let a = rig.artifact("add")?;
    let mut before = held(rig)?;
    let times = rig.options.loads;
    for i in 0..WARM + times {
        if i == WARM {
            before = held(rig)?;
        }
        let ready = rig.load(&a.bytes, &a.manifest)?;
        let x = rig.floats(&[0.0; 1024])?;
        let args = [ptr(&x), Arg::scalar(1024i32), Arg::scalar(1f32), Arg::scalar(128i32)];
        // SAFETY: the kernel stops at the block's end.
        unsafe { ready.function.launch(&Launch::new(8, 128), &args)? };
        if i % 100 == 0 {
            rig.expect(&x, "a launch after many loads", |_| 1.0)?;
        }
    }
    let after = held(rig)?;
    let (maps, files) =
        (after.mappings.saturating_sub(before.mappings), after.files.saturating_sub(before.files));
    let bytes = after.device.saturating_sub(before.device);
    // On GPUs mappings are the driver's business.
    let mappings_count = rig.kind() == DeviceKind::Cpu;
    let kept = (mappings_count && maps > SLACK.mappings) || files > SLACK.files || bytes > SLACK.device;
    ensure(!kept, || {
        format!("{times} loads keep {maps} mappings, {files} files, {bytes} bytes of the device")
    })?;
    Ok(format!("{times} times"))
}
