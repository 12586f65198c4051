//! What the networks compute on: one device for the whole process, chosen before anything computes.

use super::Error;
use candle_core::Device;
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

    fn open(self) -> Result<Device, candle_core::Error> {
        match self {
            Self::Cpu => Ok(Device::Cpu),
            Self::Gpu(number) if cfg!(feature = "metal") => Device::new_metal(number),
            // One stream for all threads: candle's other way gives each thread its own, none of which waits for what another began.
            Self::Gpu(number) => Device::new_cuda_with_stream(number),
        }
    }
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
    use super::DeviceChoice::{self, Cpu, Gpu};

    #[test]
    fn a_device_is_named_with_its_number_or_without() {
        let named = [("cpu", Some(Cpu)), ("gpu", Some(Gpu(0))), ("gpu:3", Some(Gpu(3)))];
        let unknown = ["", "cuda", "cpu:0", "gpu:", "gpu:-1", "gpu:x"].map(|name| (name, None));
        for (name, choice) in named.into_iter().chain(unknown) {
            assert_eq!(DeviceChoice::from_name(name), choice, "{name}");
        }
    }
}
