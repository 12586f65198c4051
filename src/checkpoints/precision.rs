use super::Error;
use crate::networks::{BYTES, multiplies_bf16, multiplies_bytes};
use candle_core::{DType, Device};
use serde::{Deserialize, Serialize};

/// In which numbers a model's networks multiply. What they add up and hand on is f32 either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 24 significant bits.
    #[default]
    F32,
    /// 8 significant bits: several times faster on processors that multiply them, and not quite the same picture.
    Bf16,
    /// 8-bit integers in the large layers of U-Net and `ControlNet`, in half of the memory of f16, and bf16 or f32 in the rest: a little less exact.
    Int8,
}

impl Precision {
    /// All of them, the usual one first.
    pub const ALL: &[Self] = &[Self::F32, Self::Bf16, Self::Int8];

    /// How it is shown and spelled, everywhere.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::Int8 => "int8",
        }
    }

    /// The one of this name, whatever its case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|precision| precision.name().eq_ignore_ascii_case(name))
    }

    /// Whether networks on `device` can multiply in it.
    pub fn is_there(self, device: &Device) -> bool {
        match self {
            Self::F32 => true,
            Self::Bf16 => multiplies_bf16(device),
            Self::Int8 => multiplies_bytes(device),
        }
    }

    /// What is said where they cannot.
    pub fn refused(self, device: &Device) -> Error {
        if device.is_cpu() { Error::NoPrecision(self) } else { Error::NoPrecisionOnGpu(self) }
    }

    /// What the weights of what estimates noise are told to multiply in, where the device can.
    pub(super) fn dtype(self, device: &Device) -> Result<DType, Error> {
        match self {
            _ if !self.is_there(device) => Err(self.refused(device)),
            Self::F32 => Ok(DType::F32),
            Self::Bf16 => Ok(DType::BF16),
            Self::Int8 => Ok(BYTES),
        }
    }

    /// What those of all other networks are told to: they are small, or what they lose is seen.
    pub(super) fn dtype_of_others(self, device: &Device) -> Result<DType, Error> {
        match self {
            Self::Int8 if self.is_there(device) && !multiplies_bf16(device) => Ok(DType::F32),
            Self::Int8 if self.is_there(device) => Ok(DType::BF16),
            precision => precision.dtype(device),
        }
    }
}
