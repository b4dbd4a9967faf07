//! `kernel-ad devices`.

use super::args::DevicesArgs;
use super::{output, Outcome};
use crate::diag::Result;
use gpu_runtime::{Device, DeviceInfo};
use serde_json::json;
use shadow_mem::{DeviceBlock, DeviceMemory};
use std::time::{Duration, Instant};

pub fn run(a: &DevicesArgs) -> Result<Outcome> {
    let (found, missing) = Device::discover();
    let rates: Vec<Option<f64>> = found.iter().map(|d| a.measure.then(|| copy_rate(d)).flatten()).collect();
    let missing: Vec<String> = missing.iter().map(|e| e.to_string()).collect();
    if a.json {
        let all: Vec<_> = found.iter().zip(&rates).map(|(d, r)| to_json(&d.info(), *r)).collect();
        output::print_json(&json!({ "devices": all, "missing": missing }));
        return Ok(Outcome::Done);
    }
    let mut rows = vec![["device", "name", "target", "memory", "shared per block", "driver", ""]
        .map(String::from)
        .to_vec()];
    for (d, rate) in found.iter().zip(&rates) {
        let i = d.info();
        rows.push(vec![
            i.kind.name().into(),
            i.name.clone(),
            i.target.clone(),
            if i.memory_bytes > 0 { output::bytes(i.memory_bytes) } else { "the host's".into() },
            output::bytes(i.max_shared_bytes),
            i.driver.clone(),
            rate.map_or(String::new(), |r| format!("copies at {:.0} GB/s", r * 1e-9)),
        ]);
    }
    let mut text = output::table(&rows);
    missing.iter().for_each(|m| text.push_str(&format!("{m}\n")));
    output::print_text(&text);
    Ok(Outcome::Done)
}

fn to_json(i: &DeviceInfo, rate: Option<f64>) -> serde_json::Value {
    json!({
        "kind": i.kind.name(), "name": i.name, "target": i.target, "multiprocessors": i.multiprocessors,
        "memory_bytes": i.memory_bytes, "max_shared_bytes": i.max_shared_bytes, "warp_size": i.warp_size,
        "max_threads_per_block": i.max_threads_per_block, "driver": i.driver, "copy_bytes_per_s": rate,
    })
}

/// Bytes per second that a copy inside the device's memory reads and writes, the best of several; `None` when it cannot be had.
pub fn copy_rate(device: &Device) -> Option<f64> {
    let bytes = match device {
        Device::Cpu(_) => 64 << 20,
        _ => 1 << 30,
    };
    let (a, b) = (device.allocate(bytes, 256).ok()?, device.allocate(bytes, 256).ok()?);
    let mut best = Duration::MAX;
    for _ in 0..8 {
        let start = Instant::now();
        b.copy_from(0, &a, 0, bytes).ok()?;
        best = best.min(start.elapsed());
    }
    Some(2.0 * bytes as f64 / best.as_secs_f64().max(1e-9))
}
