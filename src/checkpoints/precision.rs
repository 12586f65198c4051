use super::Error;
use crate::networks::multiplies_bf16;
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
}

impl Precision {
    /// All of them, the usual one first.
    pub const ALL: &[Self] = &[Self::F32, Self::Bf16];

    /// How it is shown and spelled, everywhere.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }

    /// The one of this name, whatever its case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|precision| precision.name().eq_ignore_ascii_case(name))
    }

    /// Whether networks on `device` can multiply in it.
    pub fn is_there(self, device: &Device) -> bool {
        self == Self::F32 || multiplies_bf16(device)
    }

    /// What the weights are told to multiply in, where the device can.
    pub(super) fn dtype(self, device: &Device) -> Result<DType, Error> {
        match self {
            Self::F32 => Ok(DType::F32),
            Self::Bf16 if self.is_there(device) => Ok(DType::BF16),
            Self::Bf16 => Err(Error::NoBf16),
        }
    }
}
