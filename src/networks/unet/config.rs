use crate::networks::fields::{ConfigError, Fields};
use serde_json::{Value, json};

/// What unet/config.json decides. Absent fields have the defaults of diffusers' `UNet2DConditionModel`.
#[derive(Clone, Debug, PartialEq)]
pub struct UNetConfig {
    /// Sides of the latent that it was trained at: height, width.
    pub sample_size: Option<(usize, usize)>,
    /// Channels of the noisy latent.
    pub in_channels: usize,
    /// Channels of the prediction.
    pub out_channels: usize,
    /// The levels, from the finest.
    pub levels: Vec<Level>,
    /// Which of the blocks on the way up attend, from the coarsest.
    pub up_attends: Vec<bool>,
    /// Kernel of the first convolution.
    pub conv_in_kernel: usize,
    /// Kernel of the last convolution.
    pub conv_out_kernel: usize,
    /// Zeros around a picture before it is halved.
    pub downsample_padding: usize,
    /// Groups of the norms.
    pub norm_num_groups: usize,
    /// Added to variances.
    pub norm_eps: f64,
    /// Cosines before sines in the time embedding.
    pub flip_sin_to_cos: bool,
    /// How much less than the whole range the frequencies of the time embedding span.
    pub freq_shift: f64,
    /// Whether transformers enter and leave by a matrix (SD 2, SDXL) or by a 1×1 convolution (SD 1).
    pub use_linear_projection: bool,
    /// What it is told of a picture beside the words, if anything.
    pub addition: Option<Addition>,
}

/// What a network is told of a picture beside the words: the pooled text, and numbers such as its size (Podell et al. 2023, SDXL).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addition {
    /// Width of the sinusoid that each number becomes.
    pub number_width: usize,
    /// Width of all of it together.
    pub inputs: usize,
}

/// What holds at one resolution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Level {
    /// Channels.
    pub channels: usize,
    /// Residual blocks on the way down; there is one more on the way up.
    pub layers: usize,
    /// Heads of each attention.
    pub heads: usize,
    /// Transformer blocks in each attention.
    pub transformer_layers: usize,
    /// Width of the conditioning.
    pub conditioning_width: usize,
    /// Whether the block on the way down attends.
    pub attends: bool,
}

impl UNetConfig {
    /// Reads a config.json; what it asks for that is not built here is an error.
    pub fn from_json(json: &str) -> Result<Self, ConfigError> {
        let fields = Fields::parse(json)?;
        let encoder = Self::of_encoder(&fields)?;
        let up = [("CrossAttnUpBlock2D", true), ("UpBlock2D", false)];
        Ok(Self { up_attends: fields.choices("up_block_types", encoder.levels.len(), &up)?, ..encoder })
    }

    /// Reads what a config says of the way down; of the way up there is nothing in a `ControlNet`'s.
    pub(super) fn of_encoder(fields: &Fields) -> Result<Self, ConfigError> {
        refuse_unsupported(fields)?;
        let down = [("CrossAttnDownBlock2D", true), ("DownBlock2D", false)];
        let channels = fields.counts("block_out_channels", 1 << 16)?;
        let count = channels.len();
        let attends = fields.choices("down_block_types", count, &down)?;
        let layers = fields.count_per_block("layers_per_block", 100, count)?.unwrap_or_else(|| vec![2; count]);
        // diffusers named this field wrongly once and cannot go back: where `num_attention_heads` is absent, `attention_head_dim`
        // is the number of heads (huggingface/diffusers#2011).
        let heads_field =
            if fields.get("num_attention_heads").is_some() { "num_attention_heads" } else { "attention_head_dim" };
        let heads = fields.count_per_block(heads_field, 1 << 16, count)?.unwrap_or_else(|| vec![8; count]);
        let transformers =
            fields.count_per_block("transformer_layers_per_block", 100, count)?.unwrap_or_else(|| vec![1; count]);
        let widths =
            fields.count_per_block("cross_attention_dim", 1 << 20, count)?.unwrap_or_else(|| vec![1280; count]);
        let config = Self {
            sample_size: sample_size(fields)?,
            in_channels: fields.count("in_channels", 1 << 12, Some(4))?,
            out_channels: fields.count("out_channels", 1 << 12, Some(4))?,
            up_attends: Vec::new(),
            conv_in_kernel: odd(fields, "conv_in_kernel")?,
            conv_out_kernel: odd(fields, "conv_out_kernel")?,
            downsample_padding: match fields.get("downsample_padding").and_then(Value::as_u64) {
                Some(0) => 0,
                _ => fields.count("downsample_padding", 1, Some(1))?,
            },
            norm_num_groups: fields.count("norm_num_groups", 1 << 12, Some(32))?,
            norm_eps: fields.number("norm_eps", Some(1e-5))?,
            flip_sin_to_cos: fields.flag("flip_sin_to_cos", true)?,
            freq_shift: fields.number("freq_shift", Some(0.0))?,
            use_linear_projection: fields.flag("use_linear_projection", false)?,
            addition: addition(fields)?,
            levels: (0..count)
                .map(|i| Level {
                    channels: channels[i],
                    layers: layers[i],
                    heads: heads[i],
                    transformer_layers: transformers[i],
                    conditioning_width: widths[i],
                    attends: attends[i],
                })
                .collect(),
        };
        for level in &config.levels {
            if level.channels % config.norm_num_groups != 0 {
                return Err(fields.wrong(
                    "block_out_channels",
                    format!("multiples of norm_num_groups, which is {}", config.norm_num_groups),
                ));
            }
            if level.channels % level.heads != 0 {
                return Err(fields.wrong(heads_field, "divisors of block_out_channels: it counts heads"));
            }
            if level.channels % 2 != 0 {
                return Err(fields.wrong("block_out_channels", "even numbers"));
            }
        }
        Ok(config)
    }

    /// Whether it sees, behind the noisy latent, a mask and the latent of what the mask leaves: an inpainting model.
    pub fn sees_mask(&self) -> bool {
        self.in_channels == 2 * self.out_channels + 1
    }

    /// Whether it sees, behind the noisy latent, that of a picture that is to be edited: instruct-pix2pix.
    pub fn sees_picture(&self) -> bool {
        self.in_channels == 2 * self.out_channels
    }

    /// Width of the conditioning: that of the coarsest level, which always attends.
    pub fn conditioning_width(&self) -> usize {
        self.levels.last().map_or(0, |level| level.conditioning_width)
    }
}

/// Of `addition_embed_type`, which is `text_time` or nothing.
fn addition(fields: &Fields) -> Result<Option<Addition>, ConfigError> {
    const INPUTS: &str = "projection_class_embeddings_input_dim";
    if fields.get("addition_embed_type").is_none() {
        return fields.unsupported_unless(INPUTS, &[]).map(|()| None);
    }
    fields.unsupported_unless("addition_embed_type", &[json!("text_time")])?;
    let number_width = fields.count("addition_time_embed_dim", 1 << 12, None)?;
    if number_width % 2 != 0 {
        return Err(fields.wrong("addition_time_embed_dim", "an even number"));
    }
    Ok(Some(Addition { number_width, inputs: fields.count(INPUTS, 1 << 16, None)? }))
}

/// Height and width where the field is one number or two.
fn sample_size(fields: &Fields) -> Result<Option<(usize, usize)>, ConfigError> {
    Ok(fields.count_per_block("sample_size", 1 << 16, 2)?.map(|sides| (sides[0], sides[1])))
}

/// A kernel that has a middle.
fn odd(fields: &Fields, field: &str) -> Result<usize, ConfigError> {
    let kernel = fields.count(field, 31, Some(3))?;
    if kernel % 2 == 1 { Ok(kernel) } else { Err(fields.wrong(field, "an odd number")) }
}

/// The fields that ask for something that is not built here, with the values that ask for nothing.
fn refuse_unsupported(fields: &Fields) -> Result<(), ConfigError> {
    let silu = json!("silu");
    for (field, neutral) in [
        ("act_fn", vec![silu.clone(), json!("swish")]),
        ("attention_type", vec![json!("default")]),
        ("center_input_sample", vec![json!(false)]),
        ("class_embed_type", vec![]),
        ("cross_attention_norm", vec![]),
        ("dual_cross_attention", vec![json!(false)]),
        ("encoder_hid_dim", vec![]),
        ("encoder_hid_dim_type", vec![]),
        ("mid_block_only_cross_attention", vec![json!(false)]),
        ("mid_block_scale_factor", vec![json!(1)]),
        ("mid_block_type", vec![json!("UNetMidBlock2DCrossAttn")]),
        ("num_class_embeds", vec![]),
        ("only_cross_attention", vec![json!(false)]),
        ("resnet_out_scale_factor", vec![json!(1)]),
        ("resnet_skip_time_act", vec![json!(false)]),
        ("resnet_time_scale_shift", vec![json!("default")]),
        ("reverse_transformer_layers_per_block", vec![]),
        ("time_cond_proj_dim", vec![]),
        ("time_embedding_act_fn", vec![]),
        ("time_embedding_dim", vec![]),
        ("time_embedding_type", vec![json!("positional")]),
        ("timestep_post_act", vec![]),
    ] {
        fields.unsupported_unless(field, &neutral)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"{"block_out_channels": [32, 64], "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"], "attention_head_dim": [2, 4], "cross_attention_dim": 24"#;

    #[test]
    fn attention_head_dim_counts_heads() {
        let config = UNetConfig::from_json(&format!("{SMALL}}}")).unwrap();
        let heads: Vec<usize> = config.levels.iter().map(|level| level.heads).collect();
        assert_eq!(heads, [2, 4]);
        assert_eq!(config.conditioning_width(), 24);
    }

    #[test]
    fn what_is_not_built_is_refused_by_name_and_value() {
        let error = UNetConfig::from_json(&format!(r#"{SMALL}, "addition_embed_type": "text_image"}}"#)).unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"the field `addition_embed_type` is "text_image", but must be "text_time" or absent: nothing else is supported yet"#
        );
        let error = UNetConfig::from_json(&format!("{}}}", SMALL.replace("[\"Down", "[\"AttnDown"))).unwrap_err();
        assert!(error.to_string().contains("`down_block_types`"), "{error}");
    }
}
