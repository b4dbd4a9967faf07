//! Memory: transfers, variables of modules, and its end.

use super::rig::{ensure, ptr, Found, Rig};
use gpu_runtime::{Block, DeviceKind};
use shadow_mem::{DeviceBlock, DeviceMemory, Launch, MemoryError};

fn read(b: &Block) -> Found<Vec<u8>> {
    let mut bytes = vec![0; b.bytes() as usize];
    b.read(0, &mut bytes)?;
    Ok(bytes)
}

/// Catches memory that is not zeroed, bytes at other places, copies that lose their ends, blocks that lie in each other.
pub(super) fn transfers(rig: &Rig) -> Found<String> {
    let n = (1 << 20) + 7;
    let pattern: Vec<u8> = (0..n).map(|i| (i * 7 % 251) as u8).collect();
    let (a, b) = (rig.raw().allocate(n as u64, 256)?, rig.raw().allocate(n as u64, 4096)?);
    ensure(a.address() % 256 == 0 && b.address() % 4096 == 0, || {
        "a block is not aligned as asked for".into()
    })?;
    ensure(read(&a)?.iter().all(|&x| x == 0), || "new memory is not zero".into())?;
    a.write(3, &pattern[3..])?;
    b.copy_from(5, &a, 5, n as u64 - 5)?;
    b.zero(100, 50)?;
    let (a, b) = (read(&a)?, read(&b)?);
    ensure(a[..3] == [0; 3] && a[3..] == pattern[3..], || "what was written is not what is read".into())?;
    let want = |i: usize| if i < 5 || (100..150).contains(&i) { 0 } else { pattern[i] };
    ensure((0..n).all(|i| b[i] == want(i)), || "a copy on the device is not what was copied".into())?;
    Ok(String::new())
}

/// Catches variables that the host does not reach, and modules that share theirs.
pub(super) fn variables(rig: &Rig) -> Found<String> {
    let (one, two) = (rig.ready("weigh")?, rig.ready("weigh")?);
    let weights = one.module.global("weights")?;
    ensure(weights.bytes() == 16, || format!("a variable of 16 bytes has {}", weights.bytes()))?;
    weights.write(0, bytemuck::cast_slice(&[10f32, 20.0, 30.0, 40.0]))?;
    let (x, y) = (rig.floats(&[0.0; 8])?, rig.floats(&[0.0; 8])?);
    // SAFETY: eight threads, eight elements.
    unsafe { one.function.launch(&Launch::new(1, 8), &[ptr(&x)])? };
    // SAFETY: as above.
    unsafe { two.function.launch(&Launch::new(1, 8), &[ptr(&y)])? };
    rig.expect(&x, "a variable that was set", |i| 10.0 * (i % 4 + 1) as f32)?;
    rig.expect(&y, "a variable of another module", |i| (i % 4 + 1) as f32)?;
    ensure(one.module.global("nobody").is_err(), || "a variable that is not there was found".into())?;
    Ok(String::new())
}

/// Catches an exhausted device that is not told from a broken one, or that stays exhausted.
pub(super) fn exhausted(rig: &Rig) -> Found<String> {
    let info = rig.raw().info();
    for bytes in [1 << 60, u64::MAX - 4096] {
        match rig.raw().allocate(bytes, 256) {
            Err(MemoryError::OutOfMemory { .. }) => {}
            Err(e) => return Err(format!("{bytes} bytes: {e}").into()),
            Ok(_) => return Err(format!("{bytes} bytes were given out").into()),
        }
    }
    let mut held = Vec::new();
    // The CPU device has the host's memory, which is not to be filled up.
    if rig.kind() != DeviceKind::Cpu {
        let part = info.memory_bytes / 8;
        loop {
            match rig.raw().allocate(part, 256) {
                Ok(b) => held.push(b),
                Err(MemoryError::OutOfMemory { .. }) => break,
                Err(e) => return Err(format!("after {} parts of {part} bytes: {e}", held.len()).into()),
            }
            ensure(held.len() <= 64, || format!("{} parts of {part} bytes do not fill it", held.len()))?;
        }
    }
    let parts = held.len();
    drop(held);
    let again = rig.floats(&[1.0; 1024])?;
    rig.expect(&again, "memory after the end of memory", |_| 1.0)?;
    Ok(if parts == 0 { String::new() } else { format!("{parts} parts of an eighth fit") })
}
