//! The networks: pure `Config -> new(&config, weights) -> forward`, laid out and named as diffusers and transformers do, so that
//! their files load as they are.

use candle_core::{Result, Tensor};

/// A CLIP text encoder.
pub struct ClipText;

impl ClipText {
    /// Token ids (B, N) as u32 to the conditioning (B, N, D).
    pub fn forward(&self, _ids: &Tensor) -> Result<Tensor> {
        unimplemented!("follows")
    }

    /// How many tokens it takes, with those that begin and end a text.
    pub fn context_length(&self) -> usize {
        unimplemented!("follows")
    }
}

/// The network that estimates noise.
pub struct UNet;

impl UNet {
    /// A noisy latent (B, C, h, w), its timestep and conditioning (B, N, D) to the prediction (B, C, h, w).
    pub fn forward(&self, _x: &Tensor, _timestep: f64, _conditioning: &Tensor) -> Result<Tensor> {
        unimplemented!("follows")
    }

    /// Channels of what it takes.
    pub fn in_channels(&self) -> usize {
        unimplemented!("follows")
    }
}

/// The picture's encoder and decoder.
pub struct AutoencoderKl;

impl AutoencoderKl {
    /// RGB (B, 3, H, W) in -1..1 to a latent (B, C, H/8, W/8), scaled.
    pub fn encode(&self, _rgb: &Tensor) -> Result<Tensor> {
        unimplemented!("follows")
    }

    /// A scaled latent (B, C, H/8, W/8) to RGB (B, 3, H, W) in about -1..1.
    pub fn decode(&self, _latent: &Tensor) -> Result<Tensor> {
        unimplemented!("follows")
    }

    /// Picture pixels on a side of one latent pixel: 8 for Stable Diffusion.
    pub fn downscale(&self) -> usize {
        unimplemented!("follows")
    }
}
