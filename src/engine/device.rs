//! What the networks compute on: one device for the whole process, chosen before anything computes.

use super::Error;
use crate::diffusion::is_out_of_memory;
use crate::memory::available_memory;
use candle_core::{CudaDevice, DType, Device, MetalDevice, Tensor};
use std::panic::{self, AssertUnwindSafe};
use std::sync::OnceLock;

static CHOSEN: OnceLock<Chosen> = OnceLock::new();

/// What was found to compute on.
struct Chosen {
    device: Device,
    /// Why it is not the GPU that this binary was compiled for.
    problem: Option<String>,
}

impl Chosen {
    /// The GPU, or the CPU if that cannot be used.
    fn or_cpu(gpu: candle_core::Result<Device>) -> Self {
        match gpu {
            Ok(device) => Self { device, problem: None },
            Err(error) => {
                let problem = first_line(&error);
                tracing::warn!("the CPU paints, for the GPU cannot: {problem}");
                Self { device: Device::Cpu, problem: Some(problem) }
            }
        }
    }
}

/// What a person can have the networks compute on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The processor, by our own kernels.
    Cpu,
    /// The GPU of this number, as CUDA or Metal count them.
    Gpu(usize),
}

impl DeviceChoice {
    /// Whether this binary was compiled for a GPU.
    pub const GPU: bool = cfg!(any(feature = "cuda", feature = "metal"));

    /// `cpu`, `gpu` or `gpu:N`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name.split_once(':') {
            None if name == "cpu" => Some(Self::Cpu),
            None if name == "gpu" => Some(Self::Gpu(0)),
            Some(("gpu", number)) => number.parse().ok().map(Self::Gpu),
            _ => None,
        }
    }

    fn open(self) -> candle_core::Result<Device> {
        let Self::Gpu(number) = self else { return Ok(Device::Cpu) };
        let device = caught("there is no such GPU", || {
            if cfg!(feature = "metal") {
                Device::new_metal(number)
            } else {
                // One stream for all threads: candle's other way gives each thread its own, none of which waits for what another began.
                Device::new_cuda_with_stream(number)
            }
        });
        let device = device.map_err(|error| full(&error).unwrap_or(error))?;
        caught("it breaks off", || check(&device))
            .map_err(|error| full(&error).unwrap_or_else(|| not_built_for(&error)))?;
        Ok(device)
    }
}

/// A panic as an error that says this: candle panics where Metal has no GPU of a number. Its own words are not shown.
fn caught<T>(says: &str, work: impl FnOnce() -> candle_core::Result<T>) -> candle_core::Result<T> {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    panic::set_hook(hook);
    result.unwrap_or_else(|_| Err(candle_core::Error::msg(says)))
}

/// What a GPU must get right before a picture is entrusted to it: it opens even where none of this program's kernels was built for it.
fn check(device: &Device) -> candle_core::Result<()> {
    let x = Tensor::new(&[[1f32, 2.0], [3.0, 4.0]], device)?;
    for dtype in [DType::F32, DType::F16] {
        let x = x.to_dtype(dtype)?;
        // 7, 10, 15 and 22, and 1 to each.
        let sum = (x.matmul(&x)? + 1.0)?.sum_all()?;
        // Convolutions may be another library's: 1, 2, 3 and 4, one time each.
        let picture = x.reshape((1, 1, 2, 2))?;
        let convolved = picture.conv2d(&picture.ones_like()?, 0, 1, 1, 1)?.sum_all()?;
        let sum = (sum + convolved)?.to_dtype(DType::F32)?;
        device.synchronize()?;
        let found = sum.to_scalar::<f32>()?;
        if (found - 68.0).abs() >= 0.1 {
            candle_core::bail!("it gives {found} for a sum of 68 in {}", dtype.as_str());
        }
    }
    Ok(())
}

/// What is told of a GPU without the memory for its first few numbers, if that is what this says: another program has it all.
fn full(error: &candle_core::Error) -> Option<candle_core::Error> {
    let told = || format!("the GPU has no memory free ({}): close what else uses it and start anew", first_line(error));
    is_out_of_memory(error).then(|| candle_core::Error::msg(told()))
}

fn not_built_for(error: &candle_core::Error) -> candle_core::Error {
    let why = first_line(error);
    let told =
        format!("the GPU is there but does not compute ({why}): this program was built for other GPUs or drivers");
    candle_core::Error::msg(told)
}

/// Without the backtrace that candle may add.
fn first_line(error: &candle_core::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

/// Has all networks of this process compute on `choice`. Whatever has asked for [`device`] before keeps what it got.
pub fn choose_device(choice: DeviceChoice) -> Result<(), Error> {
    let device = choice.open().map_err(Error::NoDevice)?;
    CHOSEN.get_or_init(|| Chosen { device, problem: None });
    Ok(())
}

/// What was chosen; otherwise the first GPU if this binary was compiled for one and there is one, else the CPU.
pub fn device() -> Device {
    chosen().device.clone()
}

/// Why the CPU computes though this binary was compiled for a GPU and nobody chose the CPU.
pub fn device_problem() -> Option<&'static str> {
    chosen().problem.as_deref()
}

fn chosen() -> &'static Chosen {
    CHOSEN.get_or_init(|| {
        let best = if DeviceChoice::GPU { DeviceChoice::Gpu(0) } else { DeviceChoice::Cpu };
        Chosen::or_cpu(best.open())
    })
}

/// What the networks compute on, in words for the status line.
pub fn device_name() -> String {
    match device() {
        Device::Cpu => match candle_core::utils::get_num_threads() {
            1 => "CPU, 1 thread".to_owned(),
            threads => format!("CPU, {threads} threads"),
        },
        Device::Cuda(_) => "CUDA GPU".to_owned(),
        Device::Metal(_) => "Metal GPU".to_owned(),
    }
}

/// The bytes of memory that networks can still have where they compute; `None` where that is not told.
pub fn device_memory() -> Option<u64> {
    free_memory(&device())
}

/// The same of one device.
pub(super) fn free_memory(device: &Device) -> Option<u64> {
    // A GPU gives back what was freed when what was asked of it before is done.
    device.synchronize().ok()?;
    match device {
        Device::Cpu => available_memory(),
        Device::Cuda(gpu) => free_on_cuda(gpu),
        Device::Metal(gpu) => free_on_metal(gpu),
    }
}

#[cfg(feature = "cuda")]
fn free_on_cuda(gpu: &CudaDevice) -> Option<u64> {
    let (free, _all) = gpu.cuda_stream().context().mem_get_info().ok()?;
    Some(free as u64)
}

#[cfg(not(feature = "cuda"))]
fn free_on_cuda(_: &CudaDevice) -> Option<u64> {
    None
}

/// Of what Metal recommends that a program takes, which is less than the memory that the GPU shares with the CPU.
#[cfg(feature = "metal")]
fn free_on_metal(gpu: &MetalDevice) -> Option<u64> {
    let gpu = gpu.metal_device();
    Some(gpu.recommended_max_working_set_size().saturating_sub(gpu.current_allocated_size()) as u64)
}

#[cfg(not(feature = "metal"))]
fn free_on_metal(_: &MetalDevice) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::DeviceChoice::{Cpu, Gpu};
    use super::*;

    #[test]
    fn a_device_is_named_with_its_number_or_without() {
        let named = [("cpu", Some(Cpu)), ("gpu", Some(Gpu(0))), ("gpu:3", Some(Gpu(3)))];
        let unknown = ["", "cuda", "cpu:0", "gpu:", "gpu:-1", "gpu:x"].map(|name| (name, None));
        for (name, choice) in named.into_iter().chain(unknown) {
            assert_eq!(DeviceChoice::from_name(name), choice, "{name}");
        }
    }

    #[test]
    fn a_gpu_that_makes_candle_panic_is_an_error_as_any_other() {
        let error = caught::<Device>("there is no such GPU", || panic!("an index is too large")).unwrap_err();
        assert_eq!(error.to_string().lines().next(), Some("there is no such GPU"));
        assert!(caught("never said", || Ok(Device::Cpu)).unwrap().is_cpu());
    }

    #[test]
    fn a_gpu_that_cannot_be_used_is_told_of_and_the_cpu_computes() {
        let chosen = Chosen::or_cpu(Err(candle_core::Error::msg("there is no such GPU\n   0: backtrace")));
        assert!(chosen.device.is_cpu());
        assert_eq!(chosen.problem.as_deref(), Some("there is no such GPU"));
        assert!(Chosen::or_cpu(Ok(Device::Cpu)).problem.is_none());
    }

    #[test]
    fn a_gpu_that_is_full_is_not_said_to_be_of_another_kind() {
        let error =
            candle_core::Error::msg("DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")\n   0: backtrace");
        let told = full(&error).unwrap().to_string();
        assert!(
            told.contains("no memory free (DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")): close"),
            "{told}"
        );
        assert!(full(&candle_core::Error::msg("it gives 0 for a sum of 68 in f32")).is_none());
    }

    #[test]
    fn a_device_that_computes_gets_its_sum_right() {
        check(&Device::Cpu).unwrap();
    }
}
