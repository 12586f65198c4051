use super::Error;
use crate::networks::{BYTES, UNetConfig, VaeConfig, computes_f16, multiplies_bf16, multiplies_bytes};
use candle_core::{DType, Device};
use serde::{Deserialize, Serialize};

/// In which numbers a model's networks multiply. What they add up is f32 either way, and so is what they hand on, but for f16.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 24 significant bits.
    #[default]
    F32,
    /// 11 significant bits, as far as 65504, which GPUs multiply several times faster and which is half of the memory. What layers hand on is f16 as well.
    F16,
    /// 8 significant bits: several times faster on processors that multiply them, and not quite the same picture.
    Bf16,
    /// 8-bit integers in the large layers of U-Net and `ControlNet`, in half of the memory of f16, and bf16 or f32 in the rest: a little less exact.
    Int8,
}

impl Precision {
    /// All of them, the most exact first.
    pub const ALL: &[Self] = &[Self::F32, Self::F16, Self::Bf16, Self::Int8];

    /// How it is shown and spelled, everywhere.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::Int8 => "int8",
        }
    }

    /// The one of this name, whatever its case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|precision| precision.name().eq_ignore_ascii_case(name))
    }

    /// What a model computes in on `device` where nobody says otherwise: on a GPU f16, as all programs do that paint with such models.
    pub fn usual(device: &Device) -> Self {
        if Self::F16.is_there(device) { Self::F16 } else { Self::F32 }
    }

    /// Whether networks on `device` can multiply in it.
    pub fn is_there(self, device: &Device) -> bool {
        match self {
            Self::F32 => true,
            Self::F16 => computes_f16(device),
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
            Self::F16 => Ok(DType::F16),
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

/// Whether a VAE has numbers too large for f16 where others of the model have not: that of Stable Diffusion XL, unless its config says that it was mended. diffusers'
/// pipelines of XL read `force_upcast` likewise, and those of other families do not.
pub(super) fn overflows(vae: &VaeConfig, unet: &UNetConfig) -> bool {
    match vae {
        VaeConfig::Kl(config) => config.force_upcast && unet.addition.is_some(),
        VaeConfig::Tiny(_) => false,
    }
}

/// What a VAE multiplies in where the other networks beside the U-Net do in `dtype`.
pub(super) fn dtype_of_vae(dtype: DType, vae: &VaeConfig, unet: &UNetConfig) -> DType {
    if dtype == DType::F16 && overflows(vae, unet) { DType::F32 } else { dtype }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::{Addition, AutoencoderKlConfig};

    #[test]
    fn f16_is_for_gpus() {
        assert_eq!(Precision::usual(&Device::Cpu), Precision::F32);
        assert!(!Precision::F16.is_there(&Device::Cpu));
        let refused = Precision::F16.dtype(&Device::Cpu).unwrap_err().to_string();
        assert!(refused.starts_with("the CPU does not multiply in f16, which takes a GPU"), "{refused}");
        for precision in Precision::ALL {
            assert_eq!(Precision::from_name(&precision.name().to_uppercase()), Some(*precision));
        }
    }

    #[test]
    fn the_vae_of_xl_alone_is_kept_from_f16_and_only_where_it_was_not_mended() {
        let unet = r#"{"block_out_channels": [32], "down_block_types": ["DownBlock2D"], "up_block_types": ["UpBlock2D"], "attention_head_dim": 4}"#;
        let unet = UNetConfig::from_json(unet).unwrap();
        let xl = UNetConfig { addition: Some(Addition { number_width: 8, inputs: 72 }), ..unet.clone() };
        let vae = |more: &str| {
            let json = format!(
                r#"{{"block_out_channels": [32], "down_block_types": ["DownEncoderBlock2D"], "up_block_types": ["UpDecoderBlock2D"]{more}}}"#
            );
            VaeConfig::Kl(AutoencoderKlConfig::from_json(&json).unwrap())
        };
        let (usual, mended) = (vae(""), vae(r#", "force_upcast": false"#));
        assert_eq!(dtype_of_vae(DType::F16, &usual, &xl), DType::F32);
        assert_eq!(dtype_of_vae(DType::F16, &mended, &xl), DType::F16);
        assert_eq!(dtype_of_vae(DType::F16, &usual, &unet), DType::F16);
        assert_eq!(dtype_of_vae(DType::BF16, &usual, &xl), DType::BF16);
    }
}
