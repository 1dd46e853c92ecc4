//! The device: its limits, the pipelines compiled on it, and what has gone wrong there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_channel::oneshot;
use wgpu::{BindingType, BufferBindingType, BufferUsages, ShaderStages};

use crate::error::{Error, ErrorCode, Result};

/// A device that says nothing for so long is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Which limits a device is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Limits {
    /// All that the adapter has.
    #[default]
    Adapter,
    /// The smallest that the standard allows.
    Smallest,
    /// The same with buffers of so many bytes.
    Buffers(u64),
}

/// What a shader does with a binding.
#[derive(Clone, Copy)]
pub(super) enum Slot {
    Read,
    Write,
    Uniform,
}

pub(super) struct Pipeline {
    compute: wgpu::ComputePipeline,
    layout: wgpu::BindGroupLayout,
}

/// A buffer whose memory goes back when it is dropped; a browser would leave that to its garbage collector.
pub(super) struct Buffer(wgpu::Buffer);

impl std::ops::Deref for Buffer {
    type Target = wgpu::Buffer;

    fn deref(&self) -> &wgpu::Buffer {
        &self.0
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.0.destroy();
    }
}

/// A pipeline with its buffers.
pub(super) struct Dispatch {
    pipeline: Arc<Pipeline>,
    buffers: wgpu::BindGroup,
}

impl Dispatch {
    pub(super) fn record(&self, pass: &mut wgpu::ComputePass<'_>, x: u32, y: u32) {
        pass.set_pipeline(&self.pipeline.compute);
        pass.set_bind_group(0, &self.buffers, &[]);
        pass.dispatch_workgroups(x, y, 1);
    }
}

/// A GPU as WebGPU gives it: Vulkan or Metal natively. Encoders may share one.
pub struct Context {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    adapter: wgpu::AdapterInfo,
    language: wgpu::WgslLanguageFeatures,
    max_binding_bytes: u64,
    /// By source: what two encoders have in common is compiled once.
    pipelines: Mutex<HashMap<String, Arc<Pipeline>>>,
    fault: Arc<Mutex<Option<String>>>,
}

impl Context {
    /// The fastest adapter there is.
    ///
    /// # Errors
    /// [`ErrorCode::NoWebgpu`] where there is no adapter, or it refuses the limits.
    pub async fn new(limits: Limits) -> Result<Arc<Self>> {
        let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
        descriptor.backends = wgpu::Backends::PRIMARY;
        let options = wgpu::RequestAdapterOptions { power_preference: wgpu::PowerPreference::HighPerformance, ..Default::default() };
        let absent = |e: &dyn std::fmt::Display| Error::new(ErrorCode::NoWebgpu, format!("no GPU through WebGPU: {e}"));
        let instance = wgpu::Instance::new(descriptor);
        let language = instance.wgsl_language_features();
        let adapter = instance.request_adapter(&options).await.map_err(|e| absent(&e))?;
        let required_limits = match limits {
            Limits::Adapter => adapter.limits(),
            Limits::Smallest => wgpu::Limits::defaults(),
            Limits::Buffers(bytes) => wgpu::Limits { max_storage_buffer_binding_size: bytes, ..wgpu::Limits::defaults() },
        };
        // A browser gives no less than the standard's smallest, whatever is asked for: what was asked for is kept to.
        let max_binding_bytes = required_limits.max_storage_buffer_binding_size.min(required_limits.max_buffer_size);
        let required_features = adapter.features() & wgpu::Features::SHADER_F16;
        let descriptor = wgpu::DeviceDescriptor { required_features, required_limits, ..Default::default() };
        let (device, queue) = adapter.request_device(&descriptor).await.map_err(|e| absent(&e))?;

        let fault = Arc::new(Mutex::new(None));
        let note = |fault: &Arc<Mutex<Option<String>>>| {
            let fault = Arc::clone(fault);
            // The first fault is the cause of those behind it.
            move |what: String| _ = lock(&fault).get_or_insert(what)
        };
        let (lost, failed) = (note(&fault), note(&fault));
        device.set_device_lost_callback(move |reason, message| lost(format!("the device was lost ({reason:?}): {message}")));
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| failed(error.to_string())));
        Ok(Arc::new(Self { device, queue, adapter: adapter.get_info(), language, max_binding_bytes, pipelines: Mutex::default(), fault }))
    }

    /// [`new`](Self::new) for who may wait.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn blocking(limits: Limits) -> Result<Arc<Self>> {
        pollster::block_on(Self::new(limits))
    }

    /// The adapter, for people: its name and what it is reached through.
    pub fn name(&self) -> String {
        let wgpu::AdapterInfo { name, driver, driver_info, backend, .. } = &self.adapter;
        [name.as_str(), driver, driver_info, &backend.to_string()].into_iter().filter(|s| !s.is_empty()).collect::<Vec<_>>().join(", ")
    }

    /// Gives the device back, whatever runs on it; all that is asked of it later fails.
    pub fn destroy(&self) {
        self.device.destroy();
    }

    /// Whether the adapter is no GPU but a program that stands in for one.
    pub fn is_software(&self) -> bool {
        self.adapter.device_type == wgpu::DeviceType::Cpu
    }

    /// By the vendor's number on the PCI bus, which a browser does not give.
    pub(super) const fn is_nvidia(&self) -> bool {
        self.adapter.vendor == 0x10de
    }

    /// Whether shaders may have 16-bit floats.
    pub(super) fn has_f16(&self) -> bool {
        self.device.features().contains(wgpu::Features::SHADER_F16)
    }

    /// Whether shaders may multiply bytes, four at a time.
    pub(super) fn has_packed(&self) -> bool {
        self.language.contains(wgpu::WgslLanguageFeatures::Packed4x8IntegerDotProduct)
    }

    /// The largest buffer that a shader may read.
    pub(super) const fn max_binding_bytes(&self) -> u64 {
        self.max_binding_bytes
    }

    /// # Errors
    /// [`ErrorCode::GpuFailed`] where anything has gone wrong on the device.
    pub(super) fn check(&self) -> Result<()> {
        match &*lock(&self.fault) {
            None => Ok(()),
            Some(what) => Err(Error::new(ErrorCode::GpuFailed, what.clone())),
        }
    }

    /// The pipeline of a shader with an entry `main` and these bindings in group 0, compiled at first use.
    pub(super) fn pipeline(&self, label: &str, source: String, slots: &[Slot]) -> Arc<Pipeline> {
        if let Some(pipeline) = lock(&self.pipelines).get(&source) {
            return Arc::clone(pipeline);
        }
        let label = Some(label);
        let entries: Vec<_> = (0..)
            .zip(slots)
            .map(|(binding, slot)| wgpu::BindGroupLayoutEntry {
                binding,
                visibility: ShaderStages::COMPUTE,
                ty: BindingType::Buffer {
                    ty: match slot {
                        Slot::Read => BufferBindingType::Storage { read_only: true },
                        Slot::Write => BufferBindingType::Storage { read_only: false },
                        Slot::Uniform => BufferBindingType::Uniform,
                    },
                    has_dynamic_offset: false,
                    min_binding_size: None,
                },
                count: None,
            })
            .collect();
        let layout = self.device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label, entries: &entries });
        let pipeline_layout = self.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label,
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let descriptor = wgpu::ShaderModuleDescriptor { label, source: wgpu::ShaderSource::Wgsl(source.as_str().into()) };
        // SAFETY: the shaders are this crate's own. Their loops end, they divide by no zero, and the indices lie within buffers that
        // are padded to whole tiles; token ids and lengths are checked before they are uploaded.
        let module = unsafe { self.device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked()) };
        let compute = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label,
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions { zero_initialize_workgroup_memory: false, ..Default::default() },
            cache: None,
        });
        let pipeline = Arc::new(Pipeline { compute, layout });
        lock(&self.pipelines).insert(source, Arc::clone(&pipeline));
        pipeline
    }

    /// A pipeline with buffers for its bindings, in order.
    pub(super) fn dispatch(&self, pipeline: &Arc<Pipeline>, buffers: &[&Buffer]) -> Dispatch {
        let entries: Vec<_> =
            (0..).zip(buffers).map(|(binding, buffer)| wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() }).collect();
        let layout = &pipeline.layout;
        let buffers = self.device.create_bind_group(&wgpu::BindGroupDescriptor { label: None, layout, entries: &entries });
        Dispatch { pipeline: Arc::clone(pipeline), buffers }
    }

    /// A buffer that holds `data`.
    pub(super) fn upload<T: bytemuck::NoUninit>(&self, label: &str, data: &[T]) -> Buffer {
        let bytes = bytemuck::cast_slice(data);
        let buffer = self.buffer(label, bytes.len() as u64, BufferUsages::STORAGE | BufferUsages::UNIFORM | BufferUsages::COPY_DST);
        self.queue.write_buffer(&buffer, 0, bytes);
        buffer
    }

    /// An empty buffer of at least `bytes`.
    pub(super) fn buffer(&self, label: &str, bytes: u64, usage: BufferUsages) -> Buffer {
        let size = bytes.next_multiple_of(16).max(16);
        Buffer(self.device.create_buffer(&wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false }))
    }

    /// Waits for all that was submitted, and gives the first numbers of a `MAP_READ` buffer.
    ///
    /// # Errors
    /// [`ErrorCode::GpuFailed`] where the device was lost, ran out of memory or refused a command.
    pub(super) async fn read(&self, staging: &Buffer, numbers: usize) -> Result<Vec<f32>> {
        // Asked to map while it works, Chromium may look again only after seconds.
        let (sender, receiver) = oneshot::channel();
        self.queue.on_submitted_work_done(move || _ = sender.send(()));
        self.wait()?;
        // Where the device is lost, the mapping says so.
        let _ = receiver.await;
        let slice = staging.slice(..(numbers * size_of::<f32>()) as u64);
        let (sender, receiver) = oneshot::channel();
        slice.map_async(wgpu::MapMode::Read, move |result| _ = sender.send(result));
        self.wait()?;
        let failed = |e: &dyn std::fmt::Display| Error::new(ErrorCode::GpuFailed, format!("the vectors could not be read back: {e}"));
        let mapped = receiver.await;
        self.check()?;
        mapped.map_err(|e| failed(&e))?.map_err(|e| failed(&e))?;
        let values = slice.get_mapped_range().map(|bytes| bytemuck::pod_collect_to_vec(&bytes)).map_err(|e| failed(&e));
        staging.unmap();
        values
    }

    /// Until the device is idle; in a browser, where nobody may wait, nothing.
    pub(super) fn wait(&self) -> Result<()> {
        let all = wgpu::PollType::Wait { submission_index: None, timeout: Some(PATIENCE) };
        let idle = self.device.poll(all).map_err(|e| Error::new(ErrorCode::GpuFailed, format!("the device does not answer: {e}")));
        self.check().and(idle.map(|_| ()))
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        self.device.destroy();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is locked here is whole after every statement.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
