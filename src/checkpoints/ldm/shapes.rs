//! What the shapes of a single file's tensors say of its networks: all that configs say of them elsewhere, but for the heads of the
//! attentions, which are the family's.

use crate::checkpoints::families::{FAMILIES, Family, Heads, TextLayout};
use crate::checkpoints::header::Place;
use crate::checkpoints::renamed::Names;
use crate::networks::{
    Activation, Addition, AutoencoderKlConfig, ClipLayersConfig, ClipTextConfig, Level, Middle, Output, UNetConfig,
};
use std::collections::BTreeMap;

/// Groups of all norms.
const GROUPS: usize = 32;
/// Width of the sinusoid of a number that is said of a picture.
const NUMBER_WIDTH: usize = 256;
/// More levels than any network has.
const MAX_LEVELS: usize = 12;
/// More blocks on the way down than any U-Net has.
const MAX_BLOCKS: usize = 64;
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

/// What is asked of the U-Net whose names begin with `prefix`.
#[derive(Clone, Copy)]
struct Unet<'a> {
    shapes: &'a Shapes<'a>,
    prefix: &'a str,
}

impl Unet<'_> {
    fn of(&self, rest: &str) -> String {
        format!("{}{rest}", self.prefix)
    }

    fn has(&self, rest: &str) -> bool {
        self.shapes.has(&self.of(rest))
    }

    fn side(&self, rest: &str, index: usize) -> Result<usize, Reason> {
        self.shapes.side(&self.of(rest), index)
    }

    fn is_resnet(&self, block: &str) -> bool {
        self.has(&format!("{block}.0.in_layers.2.weight"))
    }

    /// How many transformer blocks attend in a block.
    fn transformers(&self, block: &str) -> usize {
        self.shapes.count(&self.of(&format!("{block}.1.transformer_blocks.")), ".attn2.to_k.weight")
    }

    /// A block that attends.
    fn attending(&self) -> Option<String> {
        let numbered = |way: &'static str| (0..MAX_BLOCKS).map(move |index| format!("{way}.{index}"));
        std::iter::once("middle_block".to_owned())
            .chain(numbered("input_blocks"))
            .chain(numbered("output_blocks"))
            .find(|block| self.transformers(block) > 0)
    }

    /// Whether transformers are entered by a matrix.
    fn is_linear(&self) -> bool {
        let entry = self.attending().map(|block| self.of(&format!("{block}.1.proj_in.weight")));
        entry.and_then(|entry| self.shapes.0.get(&entry)).is_some_and(|place| place.shape.len() == 2)
    }
}

/// The family of a U-Net whose names begin with `prefix`, where there is no text encoder to tell.
pub(super) fn family_of_unet(shapes: &Shapes<'_>, prefix: &str) -> Option<&'static Family> {
    let unet = Unet { shapes, prefix };
    unet.attending()?;
    let key = match (unet.has("label_emb.0.0.weight"), unet.is_linear()) {
        // The refiner has four levels.
        (true, _) if unet.has("input_blocks.9.0.op.weight") => "sdxl_refiner",
        (true, _) => "sdxl",
        (false, true) => "sd2",
        (false, false) => "sd1",
    };
    FAMILIES.iter().find(|family| family.key == key)
}

/// The U-Net of a family, whose names begin with `prefix`.
pub(super) fn unet(shapes: &Shapes<'_>, prefix: &str, family: &Family) -> Result<UNetConfig, Reason> {
    let unet = Unet { shapes, prefix };
    let conditioning_width = match unet.attending() {
        Some(block) => unet.side(&format!("{block}.1.transformer_blocks.0.attn2.to_k.weight"), 1)?,
        None => return Err("its U-Net looks at no words".to_owned()),
    };
    let mut levels: Vec<Level> = Vec::new();
    let (mut index, mut down) = (1, Vec::new());
    loop {
        let block = format!("input_blocks.{index}");
        let halves = unet.has(&format!("{block}.0.op.weight"));
        if unet.is_resnet(&block) {
            down.push(unet.transformers(&block));
        } else if down.is_empty() {
            return Err(format!("the tensor {} is missing", unet.of(&format!("{block}.0.in_layers.2.weight"))));
        } else {
            let first = index - down.len();
            let channels = unet.side(&format!("input_blocks.{first}.0.in_layers.2.weight"), 0)?;
            check_channels(channels, "U-Net")?;
            let heads = heads(family.heads, channels, "U-Net")?;
            levels.push(Level { channels, heads, conditioning_width, down: std::mem::take(&mut down), up: Vec::new() });
            if !halves {
                break;
            }
        }
        if index > MAX_BLOCKS {
            return Err("its U-Net has too many blocks".to_owned());
        }
        index += 1;
    }
    let mut outputs = 0..;
    for level in levels.iter_mut().rev() {
        let blocks = outputs.by_ref().take(level.down.len() + 1);
        level.up = blocks.map(|index| unet.transformers(&format!("output_blocks.{index}"))).collect();
        for way in [&level.down, &level.up] {
            if way.contains(&0) && way.iter().any(|layers| *layers > 0) {
                return Err("its U-Net attends in some blocks of a level alone".to_owned());
            }
        }
    }
    let middle = match unet.transformers("middle_block") {
        0 if unet.is_resnet("middle_block") => Middle::Resnet,
        0 => Middle::Nothing,
        layers => Middle::Attention(layers),
    };
    let about = "label_emb.0.0.weight";
    let addition = unet
        .has(about)
        .then(|| Ok::<_, Reason>(Addition { number_width: NUMBER_WIDTH, inputs: unet.side(about, 1)? }))
        .transpose()?;
    let guidance = "time_embedding.cond_proj.weight";
    let guidance_width = unet.has(guidance).then(|| unet.side(guidance, 1)).transpose()?;
    if guidance_width.is_some_and(|width| width < 4 || width % 2 != 0) {
        return Err(format!("the tensor {} makes no sense", unet.of(guidance)));
    }
    Ok(UNetConfig {
        sample_size: None,
        in_channels: unet.side("input_blocks.0.0.weight", 1)?,
        out_channels: unet.side("out.2.weight", 0)?,
        levels,
        middle,
        conv_in_kernel: 3,
        conv_out_kernel: 3,
        downsample_padding: 1,
        norm_num_groups: GROUPS,
        norm_eps: 1e-5,
        flip_sin_to_cos: true,
        freq_shift: 0.0,
        use_linear_projection: unet.is_linear(),
        addition,
        guidance_width,
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
        // Its numbers would tell only if they were all read.
        force_upcast: true,
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
