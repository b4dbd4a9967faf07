//! Launches: their shapes, and several at a time.

use super::rig::{ensure, ptr, Found, Rig};
use crate::args;
use crate::jit::{Launch, Role};
use gpu_runtime::{Block, Error, Function, Stream};
use shadow_mem::{Arg, DeviceBlock};

fn add(x: &Block, a: f32, width: u32) -> [Arg; 4] {
    [ptr(x), Arg::scalar((x.bytes() / 4) as i32), Arg::scalar(a), Arg::scalar(width)]
}

/// Catches threads that are lost, run twice or beyond the grid; limits that are not those of the device.
pub(super) fn shapes(rig: &Rig) -> Found<String> {
    let f = rig.ready("add")?.function;
    let most = rig.raw().info().max_threads_per_block;
    for (blocks, width) in [(1, 1), (3, 31), (3, 32), (5, 33), (7, 255), (70_000, 1), (100, most)] {
        let n = blocks * width - width / 2;
        let x = rig.floats(&vec![0.5; n as usize])?;
        // SAFETY: the kernel stops at `n`.
        unsafe { f.launch(&Launch::new(blocks, width), &add(&x, 1.0, width))? };
        rig.expect(&x, &format!("{blocks} blocks of {width} threads"), |_| 1.5)?;
    }
    let x = rig.floats(&[0.5])?;
    // SAFETY: refused.
    match unsafe { f.launch(&Launch::new(1, most + 1), &add(&x, 1.0, 1)) } {
        Err(Error::TooLarge { .. }) => {}
        other => return Err(format!("a block of {} threads: {other:?}", most + 1).into()),
    }
    rig.expect(&x, "memory of a launch that was refused", |_| 0.5)?;
    Ok(format!("up to {most} threads in a block"))
}

/// Catches dynamic shared memory that ends before it should, with and without the leave that more than 48 KiB need.
pub(super) fn shared(rig: &Rig) -> Found<String> {
    let f = rig.ready("turn")?.function;
    let most = rig.raw().info().max_shared_bytes as u32 / 4 * 4;
    let width = 64u32;
    for bytes in [width * 4, 48 << 10, most] {
        let x = rig.floats(&vec![-1.0; width as usize])?;
        let args = [ptr(&x), Arg::scalar(bytes / 4), Arg::scalar(width)];
        // SAFETY: the kernel uses the last words of its shared memory, and one element for each thread.
        unsafe { f.launch(&Launch::new(1, width).with_shared(bytes), &args)? };
        rig.expect(&x, &format!("{bytes} bytes of shared memory"), |i| (width as usize - 1 - i) as f32)?;
    }
    let x = rig.floats(&[0.0; 64])?;
    let args = [ptr(&x), Arg::scalar(1i32), Arg::scalar(1i32)];
    // SAFETY: refused.
    let refused = unsafe { f.launch(&Launch::new(1, 1).with_shared(most + 4), &args) };
    ensure(matches!(refused, Err(Error::TooLarge { .. })), || format!("{} bytes: {refused:?}", most + 4))?;
    Ok(format!("up to {most} bytes"))
}

/// Catches a gradient that is not run with its shadows: of x * x the derivative is known exactly.
pub(super) fn gradients(rig: &Rig) -> Found<String> {
    let roles = [Role::Dup, Role::Out, Role::Const, Role::Const];
    let gradient = rig.device.compile(&rig.kernel("square")?.reverse(&roles)?)?;
    let (blocks, width) = (64u32, 96u32);
    let n = (blocks * width) as usize;
    let data: Vec<f32> = (0..n).map(|i| (i % 1000) as f32 - 500.0).collect();
    let (x, y) = (rig.device.pair(&data)?, rig.device.pair(&vec![0f32; n])?);
    for round in 1..=3 {
        y.seed(&vec![0.5f32; n])?;
        // SAFETY: the kernel stops at `n`, which both have.
        unsafe { gradient.launch(Launch::new(blocks, width), args![&x, &y, n as i32, width as i32])? };
        let (got, left) = (x.shadow()?, y.shadow()?);
        let wrong = (0..n).find(|&i| got[i] != round as f32 * data[i] || left[i] != 0.0);
        if let Some(i) = wrong.filter(|_| !rig.options.rehearse) {
            let (got, want) = (got[i], round as f32 * data[i]);
            return Err(
                format!("launch {round}: the adjoint of element {i} is {got}, and should be {want}").into()
            );
        }
    }
    Ok(String::new())
}

fn queue(f: &Function, on: &Stream, x: &Block, times: u32, a: f32) -> Found<()> {
    let n = (x.bytes() / 4) as u32;
    for _ in 0..times {
        // SAFETY: the kernel stops at the block's end; whoever queues keeps the block.
        unsafe { f.queue(on, &Launch::new(n.div_ceil(256), 256), &add(x, a, 256))? };
    }
    Ok(())
}

/// Catches streams that lose launches or mix them up, and plain transfers that do not wait for them.
pub(super) fn streams(rig: &Rig) -> Found<String> {
    let f = rig.ready("add")?.function;
    let streams: Vec<Stream> = (0..4).map(|_| rig.raw().stream()).collect::<Result<_, _>>()?;
    let blocks: Vec<Block> = (0..4).map(|_| rig.floats(&[0.0; 1 << 16])).collect::<Found<_>>()?;
    for _ in 0..10 {
        for (k, (s, x)) in streams.iter().zip(&blocks).enumerate() {
            queue(&f, s, x, 2, (k + 1) as f32)?;
        }
    }
    // Two are waited for; the others must be through all the same when their memory is read.
    streams[0].synchronize()?;
    streams[1].synchronize()?;
    for (k, x) in blocks.iter().enumerate() {
        rig.expect(x, &format!("20 launches on stream {k}"), |_| 20.0 * (k + 1) as f32)?;
    }
    Ok("80 launches on 4 streams".into())
}

/// Catches a stream that does not wait for an event on another, pinned memory that is copied too early, times that run backwards.
pub(super) fn events(rig: &Rig) -> Found<String> {
    let f = rig.ready("add")?.function;
    let (one, two) = (rig.raw().stream()?, rig.raw().stream()?);
    let (start, end) = (rig.raw().event()?, rig.raw().event()?);
    let n = 1 << 18;
    let x = rig.floats(&vec![0.0; n])?;
    let (mut to, mut back) = (rig.raw().pinned(4 * n as u64)?, rig.raw().pinned(4 * n as u64)?);
    bytemuck::cast_slice_mut(to.bytes_mut()).fill(1f32);
    start.record(&one)?;
    // SAFETY: both pinned blocks are left alone until the streams are waited for.
    unsafe { one.upload(&x, 0, &to)? };
    queue(&f, &one, &x, 50, 1.0)?;
    end.record(&one)?;
    two.wait(&end)?;
    queue(&f, &two, &x, 1, 0.5)?;
    // SAFETY: as above.
    unsafe { two.download(&x, 0, &mut back)? };
    two.synchronize()?;
    let got: &[f32] = bytemuck::cast_slice(back.bytes());
    if let Some(x) = got.iter().find(|&&x| x != 51.5).filter(|_| !rig.options.rehearse) {
        return Err(format!("51 launches in order: {x}, and should be 51.5").into());
    }
    let time = end.since(&start)?;
    Ok(format!("50 launches of {n} elements in {:.1} us", time.as_secs_f64() * 1e6))
}

/// Catches a context that is current on one thread only, and launches of several threads that meet.
pub(super) fn threads(rig: &Rig) -> Found<String> {
    let f = rig.ready("add")?.function;
    let work = |k: usize| -> Found<()> {
        let (s, x) = (rig.raw().stream()?, rig.floats(&[0.0; 5000])?);
        queue(&f, &s, &x, 20, k as f32)?;
        s.synchronize()?;
        rig.expect(&x, &format!("20 launches of thread {k}"), |_| 20.0 * k as f32)
    };
    std::thread::scope(|scope| {
        let started: Vec<_> = (1..=4).map(|k| scope.spawn(move || work(k))).collect();
        started.into_iter().try_for_each(|t| t.join().map_err(|_| "a thread panicked".to_string())?)
    })?;
    Ok(String::new())
}
