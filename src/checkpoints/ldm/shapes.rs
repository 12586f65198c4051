//! What the shapes of a single file's tensors say of its networks: all that configs say of them elsewhere, but for the heads of the
//! attentions, which are the family's.

use crate::checkpoints::families::{FAMILIES, Family, Heads, TextLayout};
use crate::checkpoints::header::Place;
use crate::checkpoints::renamed::Names;
use crate::networks::{
    Activation, Addition, AutoencoderKlConfig, ClipLayersConfig, ClipTextConfig, Level, Output, UNetConfig,
};
use std::collections::BTreeMap;

/// Groups of all norms.
const GROUPS: usize = 32;
/// Width of the sinusoid of a number that is said of a picture.
const NUMBER_WIDTH: usize = 256;
/// More levels than any network has.
const MAX_LEVELS: usize = 12;
/// More channels than any network has.
const MAX_WIDTH: usize = 1 << 16;

/// The tensors of a file.
pub(in crate::checkpoints) struct Shapes<'a>(pub(in crate::checkpoints) &'a BTreeMap<String, Place>);

/// Why a file cannot be followed.
pub(in crate::checkpoints) type Reason = String;

impl Shapes<'_> {
    pub(in crate::checkpoints) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(super) fn has_under(&self, prefix: &str) -> bool {
        self.0.range(prefix.to_owned()..).next().is_some_and(|(name, _)| name.starts_with(prefix))
    }

    /// How long a side of a tensor is, between 1 and [`MAX_WIDTH`].
    pub(in crate::checkpoints) fn side(&self, name: &str, index: usize) -> Result<usize, Reason> {
        let place = self.0.get(name).ok_or_else(|| format!("the tensor {name} is missing"))?;
        let side = place.shape.get(index).copied().filter(|side| (1..=MAX_WIDTH).contains(side));
        side.ok_or_else(|| format!("the tensor {name} is {:?}, which makes no sense", place.shape))
    }

    /// How many of `prefix0suffix`, `prefix1suffix` … there are.
    fn count(&self, prefix: &str, suffix: &str) -> usize {
        (0..self.0.len()).take_while(|index| self.has(&format!("{prefix}{index}{suffix}"))).count()
    }
}

/// The family of a U-Net whose names begin with `prefix`, where there is no text encoder to tell.
pub(super) fn family_of_unet(shapes: &Shapes<'_>, prefix: &str) -> Option<&'static Family> {
    let of = |rest: &str| format!("{prefix}{rest}");
    let entry = shapes.0.get(&of("middle_block.1.proj_in.weight"))?;
    let key = match (shapes.has(&of("label_emb.0.0.weight")), entry.shape.len()) {
        // The refiner has four levels.
        (true, _) if shapes.has(&of("input_blocks.9.0.op.weight")) => "sdxl_refiner",
        (true, _) => "sdxl",
        (false, 2) => "sd2",
        (false, _) => "sd1",
    };
    FAMILIES.iter().find(|family| family.key == key)
}

/// The U-Net of a family, whose names begin with `prefix`.
pub(super) fn unet(shapes: &Shapes<'_>, prefix: &str, family: &Family) -> Result<UNetConfig, Reason> {
    let of = |rest: &str| format!("{prefix}{rest}");
    let transformers = |block: &str| shapes.count(&of(&format!("{block}.1.transformer_blocks.")), ".attn2.to_k.weight");
    let mut levels: Vec<Level> = Vec::new();
    let (mut index, mut first) = (1, 1);
    loop {
        let block = format!("input_blocks.{index}");
        let halves = shapes.has(&of(&format!("{block}.0.op.weight")));
        let is_resnet = shapes.has(&of(&format!("{block}.0.in_layers.2.weight")));
        if index > first && (halves || !is_resnet) {
            let last = format!("input_blocks.{first}");
            let transformer_layers = transformers(&last);
            levels.push(Level {
                channels: shapes.side(&of(&format!("{last}.0.in_layers.2.weight")), 0)?,
                layers: index - first,
                heads: 0,
                transformer_layers,
                conditioning_width: 0,
                attends: transformer_layers > 0,
            });
            first = index + 1;
        } else if !is_resnet {
            return Err(format!("the tensor {} is missing", of(&format!("{block}.0.in_layers.2.weight"))));
        }
        if levels.len() > MAX_LEVELS {
            return Err("its U-Net has too many levels".to_owned());
        }
        if !halves && !is_resnet {
            break;
        }
        index += 1;
    }
    let middle = of("middle_block.1.transformer_blocks.0.attn2.to_k.weight");
    let conditioning_width = shapes.side(&middle, 1)?;
    let entry = of("middle_block.1.proj_in.weight");
    let use_linear_projection = shapes.0.get(&entry).is_some_and(|place| place.shape.len() == 2);
    let about = of("label_emb.0.0.weight");
    let addition = shapes
        .has(&about)
        .then(|| Ok::<_, Reason>(Addition { number_width: NUMBER_WIDTH, inputs: shapes.side(&about, 1)? }));
    let addition = addition.transpose()?;
    let mut up_attends = Vec::new();
    let mut output = 0;
    for level in levels.iter().rev() {
        up_attends.push(transformers(&format!("output_blocks.{output}")) > 0);
        output += level.layers + 1;
    }
    let coarsest = levels.len() - 1;
    levels[coarsest].transformer_layers = transformers("middle_block");
    for level in &mut levels {
        level.heads = heads(family.heads, level.channels, "U-Net")?;
        level.conditioning_width = conditioning_width;
        // Of a level that attends on the way up alone.
        level.transformer_layers = level.transformer_layers.max(1);
        check_channels(level.channels, "U-Net")?;
    }
    Ok(UNetConfig {
        sample_size: None,
        in_channels: shapes.side(&of("input_blocks.0.0.weight"), 1)?,
        out_channels: shapes.side(&of("out.2.weight"), 0)?,
        levels,
        up_attends,
        conv_in_kernel: 3,
        conv_out_kernel: 3,
        downsample_padding: 1,
        norm_num_groups: GROUPS,
        norm_eps: 1e-5,
        flip_sin_to_cos: true,
        freq_shift: 0.0,
        use_linear_projection,
        addition,
    })
}

/// A VAE that is called in a file as `names` says, and multiplies latents by `scale`.
pub(in crate::checkpoints) fn vae(
    shapes: &Shapes<'_>,
    names: &impl Names,
    scale: f64,
) -> Result<AutoencoderKlConfig, Reason> {
    let of = |name: &str| names.find(name).map_or_else(|| name.to_owned(), |(found, _)| found);
    let count = |name: &dyn Fn(usize) -> String| (0..MAX_LEVELS).take_while(|i| shapes.has(&of(&name(*i)))).count();
    let level = |level| format!("encoder.down_blocks.{level}.resnets.0.conv1.weight");
    let channels = (0..count(&level)).map(|index| {
        let channels = shapes.side(&of(&level(index)), 0)?;
        check_channels(channels, "VAE").map(|()| channels)
    });
    let block_out_channels: Vec<usize> = channels.collect::<Result<_, _>>()?;
    if block_out_channels.is_empty() {
        return Err(format!("the tensor {} is missing: it has no VAE", of(&level(0))));
    }
    Ok(AutoencoderKlConfig {
        in_channels: shapes.side(&of("encoder.conv_in.weight"), 1)?,
        out_channels: shapes.side(&of("decoder.conv_out.weight"), 0)?,
        latent_channels: shapes.side(&of("decoder.conv_in.weight"), 1)?,
        block_out_channels,
        layers_per_block: count(&|layer| format!("encoder.down_blocks.0.resnets.{layer}.conv1.weight")),
        norm_num_groups: GROUPS,
        mid_block_add_attention: shapes.has(&of("encoder.mid_block.attentions.0.group_norm.weight")),
        use_quant_conv: shapes.has(&of("quant_conv.weight")),
        use_post_quant_conv: shapes.has(&of("post_quant_conv.weight")),
        scaling_factor: scale,
        shift_factor: 0.0,
        latents_mean: None,
        latents_std: None,
    })
}

/// The text encoder whose names begin with `prefix`.
pub(super) fn text(
    shapes: &Shapes<'_>,
    layout: TextLayout,
    output: Output,
    prefix: &str,
) -> Result<ClipTextConfig, Reason> {
    let of = |rest: &str| format!("{prefix}{rest}");
    let (tokens, positions, layers, inner) = match layout {
        TextLayout::Transformers => (
            of("embeddings.token_embedding.weight"),
            of("embeddings.position_embedding.weight"),
            of("encoder.layers."),
            ".mlp.fc1.weight",
        ),
        TextLayout::OpenClip => {
            (of("token_embedding.weight"), of("positional_embedding"), of("transformer.resblocks."), ".mlp.c_fc.weight")
        }
    };
    let width = shapes.side(&tokens, 1)?;
    let count = shapes.count(&layers, inner);
    let (used, hidden_act) = match layout {
        TextLayout::Transformers => (count, Activation::QuickGelu),
        // Stable Diffusion 2 looks at what the last layer but one gives, through the final norm.
        TextLayout::OpenClip if output == Output::Last => (count.saturating_sub(1), Activation::Gelu),
        TextLayout::OpenClip => (count, Activation::Gelu),
    };
    if used == 0 || used > 1000 {
        return Err(format!("its text encoder has {count} layers"));
    }
    Ok(ClipTextConfig {
        vocab_size: shapes.side(&tokens, 0)?,
        max_position_embeddings: shapes.side(&positions, 0)?,
        layers: ClipLayersConfig {
            hidden_size: width,
            intermediate_size: shapes.side(&format!("{layers}0{inner}"), 0)?,
            num_hidden_layers: used,
            num_attention_heads: heads(Heads::Width(64), width, "text encoder")?,
            hidden_act,
            layer_norm_eps: 1e-5,
        },
        eos_token_id: ClipTextConfig::LARGEST_ENDS,
        projection: (layout == TextLayout::OpenClip && output == Output::Penultimate)
            .then(|| shapes.side(&of("text_projection"), 1))
            .transpose()?,
        output,
    })
}

fn heads(heads: Heads, channels: usize, network: &str) -> Result<usize, Reason> {
    let (count, divisor) = match heads {
        Heads::Count(count) => (count, count),
        Heads::Width(width) => (channels / width, width),
    };
    if channels.is_multiple_of(divisor) { Ok(count) } else { Err(format!("its {network} is {channels} wide")) }
}

fn check_channels(channels: usize, network: &str) -> Result<(), Reason> {
    if channels.is_multiple_of(GROUPS) { Ok(()) } else { Err(format!("its {network} is {channels} wide")) }
}
