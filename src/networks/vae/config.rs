use crate::networks::fields::{ConfigError, Fields};
use serde_json::json;

/// What vae/config.json decides. Absent fields have the defaults of diffusers' `AutoencoderKL`, but for sizes.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a field of the file")]
pub struct AutoencoderKlConfig {
    /// Channels of the picture.
    pub in_channels: usize,
    /// Channels of the decoded picture.
    pub out_channels: usize,
    /// Channels of a latent.
    pub latent_channels: usize,
    /// Channels at each level, from the finest; each but the last halves the picture.
    pub block_out_channels: Vec<usize>,
    /// Residual blocks at each level of the encoder; the decoder has one more.
    pub layers_per_block: usize,
    /// Groups of the norms.
    pub norm_num_groups: usize,
    /// Whether the coarsest level attends.
    pub mid_block_add_attention: bool,
    /// Whether a 1×1 convolution follows the encoder.
    pub use_quant_conv: bool,
    /// Whether a 1×1 convolution precedes the decoder.
    pub use_post_quant_conv: bool,
    /// What latents are multiplied by.
    pub scaling_factor: f64,
    /// What is taken from them before that.
    pub shift_factor: f64,
    /// Each channel's mean, where the model states it.
    pub latents_mean: Option<Vec<f32>>,
    /// Each channel's standard deviation, where the model states it.
    pub latents_std: Option<Vec<f32>>,
    /// Whether some of its numbers are too large for f16, where it is one of Stable Diffusion XL: diffusers reads it of no other.
    pub force_upcast: bool,
}

impl AutoencoderKlConfig {
    /// Reads a config.json; what it asks for that is not built here is an error.
    pub fn from_json(json: &str) -> Result<Self, ConfigError> {
        let fields = Fields::parse(json)?;
        fields.unsupported_unless("act_fn", &[json!("silu"), json!("swish")])?;
        let block_out_channels = fields.counts("block_out_channels", 1 << 16)?;
        fields.choices("down_block_types", block_out_channels.len(), &[("DownEncoderBlock2D", ())])?;
        fields.choices("up_block_types", block_out_channels.len(), &[("UpDecoderBlock2D", ())])?;
        let latent_channels = fields.count("latent_channels", 1 << 10, Some(4))?;
        let config = Self {
            in_channels: fields.count("in_channels", 16, Some(3))?,
            out_channels: fields.count("out_channels", 16, Some(3))?,
            latent_channels,
            block_out_channels,
            layers_per_block: fields.count("layers_per_block", 100, Some(1))?,
            norm_num_groups: fields.count("norm_num_groups", 1 << 12, Some(32))?,
            mid_block_add_attention: fields.flag("mid_block_add_attention", true)?,
            use_quant_conv: fields.flag("use_quant_conv", true)?,
            use_post_quant_conv: fields.flag("use_post_quant_conv", true)?,
            scaling_factor: fields.number("scaling_factor", Some(0.18215))?,
            shift_factor: fields.number("shift_factor", Some(0.0))?,
            latents_mean: fields.numbers("latents_mean", latent_channels)?,
            latents_std: fields.numbers("latents_std", latent_channels)?,
            force_upcast: fields.flag("force_upcast", true)?,
        };
        if config.block_out_channels.iter().any(|channels| channels % config.norm_num_groups != 0) {
            return Err(fields.wrong(
                "block_out_channels",
                format!("multiples of norm_num_groups, which is {}", config.norm_num_groups),
            ));
        }
        if config.scaling_factor == 0.0 {
            return Err(fields.wrong("scaling_factor", "a number other than 0"));
        }
        if config.latents_std.iter().flatten().any(|deviation| *deviation == 0.0) {
            return Err(fields.wrong("latents_std", "numbers other than 0"));
        }
        Ok(config)
    }

    /// How many picture pixels a side of a latent pixel has.
    pub fn downscale(&self) -> usize {
        1 << (self.block_out_channels.len() - 1)
    }

    /// Factor and offset that make a latent of `channel` from the posterior's mean: with means and deviations as diffusers'
    /// SDXL pipeline has them, otherwise (mean - shift) · scale.
    pub(super) fn scaling(&self, channel: usize) -> (f32, f32) {
        let mean = self.latents_mean.as_ref().map_or(self.shift_factor, |means| f64::from(means[channel]));
        let deviation = self.latents_std.as_ref().map_or(1.0, |deviations| f64::from(deviations[channel]));
        let factor = self.scaling_factor / deviation;
        (factor as f32, (-mean * factor) as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_of_another_kind_is_refused_by_name() {
        let json = r#"{"block_out_channels": [32], "down_block_types": ["AttnDownEncoderBlock2D"], "up_block_types": ["UpDecoderBlock2D"]}"#;
        let error = AutoencoderKlConfig::from_json(json).unwrap_err().to_string();
        assert!(
            error.contains(r#"`down_block_types` is ["AttnDownEncoderBlock2D"], but must be a list of 1"#),
            "{error}"
        );
    }

    #[test]
    fn shift_and_scale_are_those_of_the_config() {
        let json = r#"{"block_out_channels": [32, 32], "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D"],
            "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D"], "scaling_factor": 0.5, "shift_factor": 2}"#;
        let config = AutoencoderKlConfig::from_json(json).unwrap();
        assert_eq!((config.downscale(), config.scaling(0)), (2, (0.5, -1.0)));
    }
}
