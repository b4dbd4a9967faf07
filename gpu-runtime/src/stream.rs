//! Streams, events and pinned memory, the same for every device.
//!
//! On the CPU device work is done when it is queued, so that a stream is never behind.

#[cfg(feature = "cuda")]
use crate::cuda::Cuda;
use crate::device::{Block, Device, DeviceKind, Function};
#[cfg(any(feature = "cuda", feature = "hip"))]
use crate::gpu::{GpuEvent, GpuPinned, GpuStream};
#[cfg(feature = "hip")]
use crate::hip::Hip;
use crate::{Error, Result};
use shadow_mem::{Arg, DeviceBlock, Launch};
use std::cell::Cell;
use std::time::{Duration, Instant};

/// A queue of work: launches and copies on it run one after the other. Plain transfers of [`Block`]s wait for all streams.
#[derive(Debug)]
#[non_exhaustive]
pub enum Stream {
    /// Of the CPU device.
    Cpu,
    /// Of an NVIDIA GPU.
    #[cfg(feature = "cuda")]
    Cuda(GpuStream<Cuda>),
    /// Of an AMD GPU.
    #[cfg(feature = "hip")]
    Hip(GpuStream<Hip>),
}

/// A point on a stream.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// Of the CPU device: when it was recorded.
    Cpu(Cell<Option<Instant>>),
    /// Of an NVIDIA GPU.
    #[cfg(feature = "cuda")]
    Cuda(GpuEvent<Cuda>),
    /// Of an AMD GPU.
    #[cfg(feature = "hip")]
    Hip(GpuEvent<Hip>),
}

/// Host memory that a device copies from and to while the program goes on; zeroed when new.
#[derive(Debug)]
#[non_exhaustive]
pub enum Pinned {
    /// Plain memory.
    Cpu(Vec<u8>),
    /// Page-locked for an NVIDIA GPU.
    #[cfg(feature = "cuda")]
    Cuda(GpuPinned<Cuda>),
    /// Page-locked for an AMD GPU.
    #[cfg(feature = "hip")]
    Hip(GpuPinned<Hip>),
}

#[cfg(any(feature = "cuda", feature = "hip"))]
fn mixed() -> Error {
    Error::Driver {
        call: "stream".into(),
        reason: "stream, event and memory are of different kinds of device".into(),
    }
}

impl Device {
    /// A new stream.
    pub fn stream(&self) -> Result<Stream> {
        Ok(match self {
            Device::Cpu(_) => Stream::Cpu,
            #[cfg(feature = "cuda")]
            Device::Cuda(d) => Stream::Cuda(d.stream()?),
            #[cfg(feature = "hip")]
            Device::Hip(d) => Stream::Hip(d.stream()?),
        })
    }

    /// A stream that another library made (its `CUstream` or `hipStream_t` as a number), which is not destroyed here.
    ///
    /// # Safety
    /// It is a live stream of this device for as long as the value lives.
    pub unsafe fn borrow_stream(&self, raw: u64) -> Stream {
        let _ = raw;
        match self {
            Device::Cpu(_) => Stream::Cpu,
            // SAFETY: as promised by the caller.
            #[cfg(feature = "cuda")]
            Device::Cuda(d) => Stream::Cuda(unsafe { GpuStream::borrow_raw(d, raw) }),
            // SAFETY: as promised by the caller.
            #[cfg(feature = "hip")]
            Device::Hip(d) => Stream::Hip(unsafe { GpuStream::borrow_raw(d, raw) }),
        }
    }

    /// Memory of this device that another library allocated, as a block; it is not freed here. `None` on the CPU device, where any memory
    /// may be named in an extent.
    ///
    /// # Safety
    /// The memory has that many bytes and lives as long as the block.
    pub unsafe fn wrap_memory(&self, address: u64, bytes: u64) -> Option<Block> {
        let _ = (address, bytes);
        match self {
            Device::Cpu(_) => None,
            // SAFETY: as promised by the caller.
            #[cfg(feature = "cuda")]
            Device::Cuda(d) => Some(Block::Cuda(unsafe { d.wrap(address, bytes) })),
            // SAFETY: as promised by the caller.
            #[cfg(feature = "hip")]
            Device::Hip(d) => Some(Block::Hip(unsafe { d.wrap(address, bytes) })),
        }
    }

    /// A new event.
    pub fn event(&self) -> Result<Event> {
        Ok(match self {
            Device::Cpu(_) => Event::Cpu(Cell::new(None)),
            #[cfg(feature = "cuda")]
            Device::Cuda(d) => Event::Cuda(d.event()?),
            #[cfg(feature = "hip")]
            Device::Hip(d) => Event::Hip(d.event()?),
        })
    }

    /// Host memory for copies that run beside the program.
    pub fn pinned(&self, bytes: u64) -> Result<Pinned> {
        Ok(match self {
            Device::Cpu(_) => Pinned::Cpu(vec![0; bytes as usize]),
            #[cfg(feature = "cuda")]
            Device::Cuda(d) => Pinned::Cuda(d.pinned(bytes)?),
            #[cfg(feature = "hip")]
            Device::Hip(d) => Pinned::Hip(d.pinned(bytes)?),
        })
    }
}

impl Stream {
    /// Of which kind of device it is.
    pub fn kind(&self) -> DeviceKind {
        match self {
            Stream::Cpu => DeviceKind::Cpu,
            #[cfg(feature = "cuda")]
            Stream::Cuda(_) => DeviceKind::Cuda,
            #[cfg(feature = "hip")]
            Stream::Hip(_) => DeviceKind::Hip,
        }
    }

    /// Its handle, for other libraries (`CUstream`, `hipStream_t`); 0 on the CPU device. Valid while this value lives.
    pub fn raw(&self) -> u64 {
        match self {
            Stream::Cpu => 0,
            #[cfg(feature = "cuda")]
            Stream::Cuda(s) => s.raw(),
            #[cfg(feature = "hip")]
            Stream::Hip(s) => s.raw(),
        }
    }

    /// Waits until everything on it is done.
    pub fn synchronize(&self) -> Result<()> {
        match self {
            Stream::Cpu => Ok(()),
            #[cfg(feature = "cuda")]
            Stream::Cuda(s) => s.synchronize(),
            #[cfg(feature = "hip")]
            Stream::Hip(s) => s.synchronize(),
        }
    }

    /// What is queued from here on waits for an event.
    pub fn wait(&self, event: &Event) -> Result<()> {
        match (self, event) {
            (Stream::Cpu, Event::Cpu(_)) => Ok(()),
            #[cfg(feature = "cuda")]
            (Stream::Cuda(s), Event::Cuda(e)) => s.wait(e),
            #[cfg(feature = "hip")]
            (Stream::Hip(s), Event::Hip(e)) => s.wait(e),
            #[cfg(any(feature = "cuda", feature = "hip"))]
            _ => Err(mixed()),
        }
    }

    /// Queues a copy from pinned memory to a block; complete when the stream is through with it.
    ///
    /// # Safety
    /// The pinned memory is not written and not dropped until then.
    pub unsafe fn upload(&self, to: &Block, offset: u64, from: &Pinned) -> Result<()> {
        match (self, to, from) {
            (Stream::Cpu, Block::Cpu(b), Pinned::Cpu(p)) => Ok(b.write(offset, p)?),
            // SAFETY: as promised by the caller.
            #[cfg(feature = "cuda")]
            (Stream::Cuda(s), Block::Cuda(b), Pinned::Cuda(p)) => unsafe { b.upload(offset, p, s) },
            // SAFETY: as promised by the caller.
            #[cfg(feature = "hip")]
            (Stream::Hip(s), Block::Hip(b), Pinned::Hip(p)) => unsafe { b.upload(offset, p, s) },
            #[cfg(any(feature = "cuda", feature = "hip"))]
            _ => Err(mixed()),
        }
    }

    /// Queues a copy from a block to pinned memory; complete when the stream is through with it.
    ///
    /// # Safety
    /// The pinned memory is not read, written or dropped until then.
    pub unsafe fn download(&self, from: &Block, offset: u64, to: &mut Pinned) -> Result<()> {
        match (self, from, to) {
            (Stream::Cpu, Block::Cpu(b), Pinned::Cpu(p)) => Ok(b.read(offset, p)?),
            // SAFETY: as promised by the caller.
            #[cfg(feature = "cuda")]
            (Stream::Cuda(s), Block::Cuda(b), Pinned::Cuda(p)) => unsafe { b.download(offset, p, s) },
            // SAFETY: as promised by the caller.
            #[cfg(feature = "hip")]
            (Stream::Hip(s), Block::Hip(b), Pinned::Hip(p)) => unsafe { b.download(offset, p, s) },
            #[cfg(any(feature = "cuda", feature = "hip"))]
            _ => Err(mixed()),
        }
    }
}

impl Event {
    /// Marks the point that a stream has reached.
    pub fn record(&self, stream: &Stream) -> Result<()> {
        match (self, stream) {
            (Event::Cpu(at), Stream::Cpu) => {
                at.set(Some(Instant::now()));
                Ok(())
            }
            #[cfg(feature = "cuda")]
            (Event::Cuda(e), Stream::Cuda(s)) => e.record(s),
            #[cfg(feature = "hip")]
            (Event::Hip(e), Stream::Hip(s)) => e.record(s),
            #[cfg(any(feature = "cuda", feature = "hip"))]
            _ => Err(mixed()),
        }
    }

    /// Waits until it is reached.
    pub fn synchronize(&self) -> Result<()> {
        match self {
            Event::Cpu(_) => Ok(()),
            #[cfg(feature = "cuda")]
            Event::Cuda(e) => e.synchronize(),
            #[cfg(feature = "hip")]
            Event::Hip(e) => e.synchronize(),
        }
    }

    /// Time on the device since an event before it; both must have been recorded and reached.
    pub fn since(&self, earlier: &Event) -> Result<Duration> {
        match (self, earlier) {
            (Event::Cpu(to), Event::Cpu(from)) => match (to.get(), from.get()) {
                (Some(to), Some(from)) => Ok(to.saturating_duration_since(from)),
                _ => Err(Error::Driver { call: "event".into(), reason: "it was never recorded".into() }),
            },
            #[cfg(feature = "cuda")]
            (Event::Cuda(to), Event::Cuda(from)) => to.since(from),
            #[cfg(feature = "hip")]
            (Event::Hip(to), Event::Hip(from)) => to.since(from),
            #[cfg(any(feature = "cuda", feature = "hip"))]
            _ => Err(mixed()),
        }
    }
}

impl Pinned {
    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Pinned::Cpu(p) => p,
            #[cfg(feature = "cuda")]
            Pinned::Cuda(p) => p.bytes(),
            #[cfg(feature = "hip")]
            Pinned::Hip(p) => p.bytes(),
        }
    }

    /// Its bytes, to write.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Pinned::Cpu(p) => p,
            #[cfg(feature = "cuda")]
            Pinned::Cuda(p) => p.bytes_mut(),
            #[cfg(feature = "hip")]
            Pinned::Hip(p) => p.bytes_mut(),
        }
    }
}

impl Function {
    /// Checks the arguments against the manifest, queues the launch on a stream, and returns. What goes wrong in the kernel shows
    /// when the stream is waited for.
    ///
    /// # Safety
    /// As [`Function::launch`], until the stream is through with the launch.
    pub unsafe fn queue(&self, stream: &Stream, launch: &Launch, args: &[Arg]) -> Result<()> {
        match (self, stream) {
            // SAFETY: as promised by the caller.
            (Function::Cpu(f), Stream::Cpu) => unsafe { f.launch(launch, args) }.map(|_| ()),
            // SAFETY: as promised by the caller.
            #[cfg(feature = "cuda")]
            (Function::Cuda(f), Stream::Cuda(s)) => unsafe { f.queue(s, launch, args) },
            // SAFETY: as promised by the caller.
            #[cfg(feature = "hip")]
            (Function::Hip(f), Stream::Hip(s)) => unsafe { f.queue(s, launch, args) },
            #[cfg(any(feature = "cuda", feature = "hip"))]
            _ => Err(mixed()),
        }
    }
}
