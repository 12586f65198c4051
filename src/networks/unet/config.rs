use crate::networks::fields::{ConfigError, Fields};
use serde_json::{Value, json};

/// How many transformer blocks there are behind residual blocks, on the way down and where nothing else is said on the way up.
const TRANSFORMERS: &str = "transformer_layers_per_block";

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
    /// What stands between the way down and the way up.
    pub middle: Middle,
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
    /// Width of the sinusoid as which it is told the guidance scale, if it is: one distilled to paint what a guided one paints, such as
    /// a latent consistency model (Luo et al. 2023, section 4.2). It takes no negative prompt.
    pub guidance_width: Option<usize>,
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
    /// Heads of each attention.
    pub heads: usize,
    /// Width of the conditioning.
    pub conditioning_width: usize,
    /// Of each residual block on the way down, how many transformer blocks attend behind it: none, one or more.
    pub down: Vec<usize>,
    /// The same on the way up, where there is one more of them; nothing in a `ControlNet`.
    pub up: Vec<usize>,
}

/// What stands between the way down and the way up; of small networks something was taken away there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Middle {
    /// Nothing: the smaller of BK-SDM, Kim et al. 2023.
    Nothing,
    /// A residual block: SSD-1B and Vega, Gupta et al. 2024.
    Resnet,
    /// Two of them, and between them so many transformer blocks, at least one.
    Attention(usize),
}

impl UNetConfig {
    /// Reads a config.json; what it asks for that is not built here is an error.
    pub fn from_json(json: &str) -> Result<Self, ConfigError> {
        const REVERSE: &str = "reverse_transformer_layers_per_block";
        let fields = Fields::parse(json)?;
        let mut config = Self::of_encoder(&fields)?;
        let blocks = [("CrossAttnUpBlock2D", true), ("UpBlock2D", false)];
        let attends = fields.choices("up_block_types", config.levels.len(), &blocks)?;
        let layers: Vec<usize> = config.levels.iter().map(|level| level.down.len() + 1).collect();
        let has_lists = |list: &Value| list.as_array().is_some_and(|list| list.iter().any(Value::is_array));
        // The types of the blocks and this field count from the coarsest level, the other field from the finest.
        let up = if fields.get(REVERSE).is_some() {
            transformers(&fields, REVERSE, &layers.iter().rev().copied().collect::<Vec<_>>(), &attends)?
        } else if fields.get(TRANSFORMERS).is_some_and(has_lists) {
            return Err(fields.wrong(REVERSE, format!("a list, as {TRANSFORMERS} has lists in it")));
        } else {
            let attends: Vec<bool> = attends.iter().rev().copied().collect();
            transformers(&fields, TRANSFORMERS, &layers, &attends)?.into_iter().rev().collect()
        };
        for (level, up) in config.levels.iter_mut().rev().zip(up) {
            level.up = up;
        }
        Ok(config)
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
        let down = transformers(fields, TRANSFORMERS, &layers, &attends)?;
        let widths =
            fields.count_per_block("cross_attention_dim", 1 << 20, count)?.unwrap_or_else(|| vec![1280; count]);
        let config = Self {
            sample_size: sample_size(fields)?,
            in_channels: fields.count("in_channels", 1 << 12, Some(4))?,
            out_channels: fields.count("out_channels", 1 << 12, Some(4))?,
            middle: middle(fields, count)?,
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
            guidance_width: guidance_width(fields)?,
            levels: down
                .into_iter()
                .enumerate()
                .map(|(i, down)| Level {
                    channels: channels[i],
                    heads: heads[i],
                    conditioning_width: widths[i],
                    down,
                    up: Vec::new(),
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

    /// Width of the conditioning.
    pub fn conditioning_width(&self) -> usize {
        self.levels.last().map_or(0, |level| level.conditioning_width)
    }
}

/// How many transformer blocks attend behind each residual block, where there are so many of these in each block and some blocks
/// `attends`: the field is a number for all, or has for each block one number or a list of one for each of its layers.
fn transformers(
    fields: &Fields,
    field: &str,
    layers: &[usize],
    attends: &[bool],
) -> Result<Vec<Vec<usize>>, ConfigError> {
    let found = fields.counts_per_layer(field, 100, layers)?;
    let found = found.unwrap_or_else(|| layers.iter().map(|layers| vec![1; *layers]).collect());
    let of_block = |(found, attends): (Vec<usize>, &bool)| match (attends, found.contains(&0)) {
        (false, _) => Ok(vec![0; found.len()]),
        (true, false) => Ok(found),
        (true, true) => Err(fields.wrong(field, "at least 1 where a block attends")),
    };
    found.into_iter().zip(attends).map(of_block).collect()
}

/// Of `mid_block_type`, where null is not what it is to be absent.
fn middle(fields: &Fields, blocks: usize) -> Result<Middle, ConfigError> {
    const FIELD: &str = "mid_block_type";
    if fields.is_null(FIELD) {
        return Ok(Middle::Nothing);
    }
    let depths = fields.counts_per_layer(TRANSFORMERS, 100, &vec![1; blocks])?;
    let depth = depths.and_then(|depths| depths.last()?.first().copied()).unwrap_or(1);
    let attention = Middle::Attention(depth);
    let blocks = [("UNetMidBlock2DCrossAttn", attention), ("UNetMidBlock2D", Middle::Resnet)];
    match fields.choice(FIELD, &blocks, Some(attention))? {
        Middle::Attention(0) => Err(fields.wrong(TRANSFORMERS, "at least 1 where the block in the middle attends")),
        middle => Ok(middle),
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

/// `time_cond_proj_dim`, if there is one.
fn guidance_width(fields: &Fields) -> Result<Option<usize>, ConfigError> {
    const FIELD: &str = "time_cond_proj_dim";
    let width = fields.get(FIELD).map(|_| fields.count(FIELD, 1 << 12, None)).transpose()?;
    match width {
        Some(width) if width < 4 || width % 2 != 0 => Err(fields.wrong(FIELD, "an even number from 4 on")),
        _ => Ok(width),
    }
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
        ("num_class_embeds", vec![]),
        ("only_cross_attention", vec![json!(false)]),
        ("resnet_out_scale_factor", vec![json!(1)]),
        ("resnet_skip_time_act", vec![json!(false)]),
        ("resnet_time_scale_shift", vec![json!("default")]),
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
    fn blocks_may_differ_and_null_is_no_middle_while_absent_is_the_usual_one() {
        let read = |fields: &str| UNetConfig::from_json(&format!("{SMALL}, {fields}}}"));
        let depths = |config: &UNetConfig| -> Vec<_> {
            config.levels.iter().map(|level| (level.down.clone(), level.up.clone())).collect()
        };
        let usual = read(r#""transformer_layers_per_block": [0, 2]"#).unwrap();
        assert_eq!(depths(&usual), [(vec![0, 0], vec![0; 3]), (vec![2, 2], vec![2; 3])]);
        assert_eq!(usual.middle, Middle::Attention(2));
        let nested = r#""transformer_layers_per_block": [1, [4, 3]]"#;
        let few = read(&format!(
            r#"{nested}, "reverse_transformer_layers_per_block": [[4, 3, 10], 1], "mid_block_type": "UNetMidBlock2D""#
        ));
        let few = few.unwrap();
        assert_eq!(depths(&few), [(vec![0, 0], vec![0; 3]), (vec![4, 3], vec![4, 3, 10])]);
        assert_eq!(few.middle, Middle::Resnet);
        assert_eq!(read(r#""mid_block_type": null"#).unwrap().middle, Middle::Nothing);
        for (fields, expected) in [
            (nested, "`reverse_transformer_layers_per_block` is missing"),
            (r#""transformer_layers_per_block": [1, [4]]"#, "`transformer_layers_per_block` is [1,[4]]"),
            (r#""transformer_layers_per_block": [1, 0]"#, "at least 1 where a block attends"),
            (r#""mid_block_type": "UNetMidBlock2DSimpleCrossAttn""#, "`mid_block_type` is"),
        ] {
            let error = read(fields).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
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
