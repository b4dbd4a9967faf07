//! Streams and events.

use super::{GpuDevice, Inner};
use crate::driver::Driver;
use crate::Result;
use std::sync::Arc;
use std::time::Duration;

/// A queue of work: launches and copies on it run one after the other. Work on the default stream waits for that on every stream made
/// here, and they for it.
#[derive(Debug)]
pub struct GpuStream<D: Driver> {
    device: Arc<Inner<D>>,
    handle: Handle<D::Stream>,
}

#[derive(Debug)]
enum Handle<S> {
    Default,
    Own(S),
    Borrowed(u64),
}

impl<D: Driver> GpuStream<D> {
    pub(super) fn new(device: &GpuDevice<D>) -> Result<Self> {
        let handle = Handle::Own(device.inner.call(D::stream)?);
        Ok(GpuStream { device: device.inner.clone(), handle })
    }

    pub(super) fn default_of(device: &Arc<Inner<D>>) -> Self {
        GpuStream { device: device.clone(), handle: Handle::Default }
    }

    /// A stream that another library made (a `CUstream` or `hipStream_t`); it is not destroyed here.
    ///
    /// # Safety
    /// It is a stream of this device, and lives as long as this value.
    pub unsafe fn borrow_raw(device: &GpuDevice<D>, raw: u64) -> Self {
        GpuStream { device: device.inner.clone(), handle: Handle::Borrowed(raw) }
    }

    /// The handle, for other libraries. Valid while this value lives.
    pub fn raw(&self) -> u64 {
        match &self.handle {
            Handle::Default => 0,
            Handle::Own(s) => D::raw_stream(s),
            Handle::Borrowed(raw) => *raw,
        }
    }

    /// Waits until everything on it is done.
    pub fn synchronize(&self) -> Result<()> {
        Ok(self.device.wait(|| D::wait_stream(self.raw()))?)
    }

    /// What is queued from here on waits for an event.
    pub fn wait(&self, event: &GpuEvent<D>) -> Result<()> {
        Ok(self.device.call(|| D::stream_waits(self.raw(), &event.event))?)
    }
}

/// A point on a stream.
#[derive(Debug)]
pub struct GpuEvent<D: Driver> {
    device: Arc<Inner<D>>,
    event: D::Event,
}

impl<D: Driver> GpuEvent<D> {
    pub(super) fn new(device: &GpuDevice<D>) -> Result<Self> {
        GpuEvent::of(&device.inner)
    }

    pub(super) fn of(device: &Arc<Inner<D>>) -> Result<Self> {
        Ok(GpuEvent { device: device.clone(), event: device.call(D::event)? })
    }

    /// Marks the point that the stream has reached.
    pub fn record(&self, stream: &GpuStream<D>) -> Result<()> {
        Ok(self.device.call(|| D::record(&self.event, stream.raw()))?)
    }

    /// Waits until it is reached.
    pub fn synchronize(&self) -> Result<()> {
        Ok(self.device.wait(|| D::wait_event(&self.event))?)
    }

    /// Time on the device since an event before it; both must have been reached.
    pub fn since(&self, earlier: &GpuEvent<D>) -> Result<Duration> {
        Ok(self.device.call(|| D::elapsed(&earlier.event, &self.event))?)
    }
}
