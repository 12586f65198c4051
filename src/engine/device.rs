//! What the networks compute on: one device for the whole process, chosen before anything computes.

use super::Error;
use candle_core::Device;
use std::panic::{self, AssertUnwindSafe};
use std::sync::OnceLock;

static DEVICE: OnceLock<Device> = OnceLock::new();

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
        caught("there is no such GPU", || {
            if cfg!(feature = "metal") {
                Device::new_metal(number)
            } else {
                // One stream for all threads: candle's other way gives each thread its own, none of which waits for what another began.
                Device::new_cuda_with_stream(number)
            }
        })
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

/// Has all networks of this process compute on `choice`. Whatever has asked for [`device`] before keeps what it got.
pub fn choose_device(choice: DeviceChoice) -> Result<(), Error> {
    let device = choice.open().map_err(Error::NoDevice)?;
    DEVICE.get_or_init(|| device);
    Ok(())
}

/// What was chosen; otherwise the first GPU if this binary was compiled for one and there is one, else the CPU.
pub fn device() -> Device {
    let best = || {
        if !DeviceChoice::GPU {
            return Device::Cpu;
        }
        DeviceChoice::Gpu(0).open().unwrap_or_else(|error| {
            tracing::warn!("there is no usable GPU, so the CPU paints: {error}");
            Device::Cpu
        })
    };
    DEVICE.get_or_init(best).clone()
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
}
