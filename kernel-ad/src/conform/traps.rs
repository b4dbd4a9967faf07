//! A kernel that traps.

use super::rig::{ensure, ptr, Found, Rig};
use gpu_runtime::{DeviceKind, Error};
use shadow_mem::Launch;

/// Catches a trap that nobody sees, that is blamed on another kernel, or that does not say what is lost with it. On a GPU the device is lost
/// afterwards, and opened again by whoever runs the probes.
pub(super) fn trap(rig: &Rig) -> Found<String> {
    let f = rig.ready("trap")?.function;
    let mut data = [1f32; 64];
    // SAFETY: 64 threads, 64 elements.
    let launch = |x| unsafe { f.launch(&Launch::new(1, 64), &[ptr(x)]) };
    let x = rig.floats(&data)?;
    // With the driver that does nothing this kernel always traps.
    if !rig.options.rehearse {
        launch(&x)?;
        rig.expect(&x, "the kernel without a trap", |_| 2.0)?;
    }
    data[37] = -1.0;
    let x = rig.floats(&data)?;
    let e = match launch(&x) {
        Ok(_) => return Err("a thread trapped, and the launch succeeded".into()),
        Err(e) => e,
    };
    let text = e.to_string();
    ensure(text.contains("kernel `trap`"), || format!("the message names no kernel: {text}"))?;
    match (rig.kind(), e) {
        (DeviceKind::Cpu, Error::Trap { block: [0, 0, 0], thread: [37, 0, 0], .. }) => {}
        (DeviceKind::Cpu, e) => return Err(format!("not thread 37 of block 0: {e}").into()),
        (_, Error::Call(e)) if e.lost => {}
        (_, e) => return Err(format!("not an error of the device: {e}").into()),
    }
    Ok(String::new())
}
