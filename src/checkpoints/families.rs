use super::{LatentToRgb, Prediction};
use crate::networks::{Activation, ClipTextConfig, Output};

/// What is known of a kind of model beyond its files.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// What people call it.
    pub name: &'static str,
    /// How it is spelled in JSON.
    pub key: &'static str,
    /// Width of its conditioning.
    pub conditioning_width: usize,
    /// Channels of its latents.
    pub latent_channels: usize,
    /// What its latents are multiplied by.
    pub latent_scale: f64,
    /// The side of the pictures that it was trained on, in pixels, where no file says.
    pub(super) side: usize,
    /// Its text encoders, and how they are written in single files.
    pub(super) texts: &'static [TextPart],
    /// Where the conditioning leaves them.
    pub(super) output: Output,
    /// Whether it was trained with nothing at all in the place of an empty text.
    pub(super) empty_is_zero: bool,
    /// Of each attention in its U-Net.
    pub(super) heads: Heads,
    /// Whether its text encoder may be read from before its end (A1111's "Clip skip"): others are read where they were trained to be.
    pub skips_layers: bool,
    /// What its network's output means, where no file says.
    pub(super) prediction: Prediction,
    /// One row a channel: latent to RGB in -1..1.
    preview_matrix: &'static [[f32; 3]],
    preview_bias: [f32; 3],
}

/// A text encoder in a single file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TextPart {
    pub(super) layout: TextLayout,
    /// What stands before its names, as one program or another wrote them.
    pub(super) prefixes: &'static [&'static str],
}

/// Under which names a text encoder is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextLayout {
    Transformers,
    OpenClip,
}

impl TextLayout {
    /// A name that all text encoders have.
    pub(super) const fn a_name(self) -> &'static str {
        match self {
            Self::Transformers => "embeddings.token_embedding.weight",
            Self::OpenClip => "token_embedding.weight",
        }
    }
}

/// How many heads an attention has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heads {
    /// So many.
    Count(usize),
    /// As many as are so wide.
    Width(usize),
}

/// The preview values of Stable Diffusion 1 and 2 are `ComfyUI`'s, as are those of XL.
const PREVIEW_1: &[[f32; 3]] =
    &[[0.3512, 0.2297, 0.3227], [0.3250, 0.4974, 0.2350], [-0.2829, 0.1762, 0.2721], [-0.2120, -0.2616, -0.7177]];

const PREVIEW_XL: &[[f32; 3]] =
    &[[0.3651, 0.4232, 0.4341], [-0.2533, -0.0042, 0.1068], [0.1076, 0.1111, -0.0362], [-0.3165, -0.2492, -0.2188]];
const BIAS_XL: [f32; 3] = [0.1084, -0.0175, -0.0011];

/// The families.
pub const FAMILIES: &[Family] = &[
    Family {
        name: "Stable Diffusion 1",
        key: "sd1",
        conditioning_width: 768,
        latent_channels: 4,
        latent_scale: 0.18215,
        side: 512,
        // The second is that of programs of old.
        texts: &[TextPart {
            layout: TextLayout::Transformers,
            prefixes: &["cond_stage_model.transformer.text_model.", "cond_stage_model.transformer."],
        }],
        output: Output::Last,
        empty_is_zero: false,
        heads: Heads::Count(8),
        skips_layers: true,
        prediction: Prediction::Epsilon,
        preview_matrix: PREVIEW_1,
        preview_bias: [0.0; 3],
    },
    Family {
        name: "Stable Diffusion 2",
        key: "sd2",
        conditioning_width: 1024,
        latent_channels: 4,
        latent_scale: 0.18215,
        side: 512,
        texts: &[TextPart { layout: TextLayout::OpenClip, prefixes: &["cond_stage_model.model."] }],
        output: Output::Last,
        empty_is_zero: false,
        heads: Heads::Width(64),
        skips_layers: false,
        prediction: Prediction::VPrediction,
        preview_matrix: PREVIEW_1,
        preview_bias: [0.0; 3],
    },
    Family {
        name: "Stable Diffusion XL",
        key: "sdxl",
        conditioning_width: 2048,
        latent_channels: 4,
        latent_scale: 0.13025,
        side: 1024,
        texts: &[
            TextPart {
                layout: TextLayout::Transformers,
                prefixes: &["conditioner.embedders.0.transformer.text_model."],
            },
            TextPart { layout: TextLayout::OpenClip, prefixes: &["conditioner.embedders.1.model."] },
        ],
        output: Output::Penultimate,
        empty_is_zero: true,
        heads: Heads::Width(64),
        skips_layers: false,
        prediction: Prediction::Epsilon,
        preview_matrix: PREVIEW_XL,
        preview_bias: BIAS_XL,
    },
    Family {
        name: "Stable Diffusion XL refiner",
        key: "sdxl_refiner",
        conditioning_width: 1280,
        latent_channels: 4,
        latent_scale: 0.13025,
        side: 1024,
        texts: &[TextPart { layout: TextLayout::OpenClip, prefixes: &["conditioner.embedders.0.model."] }],
        output: Output::Penultimate,
        empty_is_zero: false,
        heads: Heads::Width(64),
        skips_layers: false,
        prediction: Prediction::Epsilon,
        preview_matrix: PREVIEW_XL,
        preview_bias: BIAS_XL,
    },
];

impl Family {
    /// The family of networks that take this conditioning and make these latents, if any.
    pub fn of(conditioning_width: usize, latent_channels: usize, latent_scale: f64) -> Option<&'static Self> {
        Self::with_latents(latent_channels, latent_scale).find(|family| family.conditioning_width == conditioning_width)
    }

    /// The family of folders with such text encoders and latents, however wide its networks are, if any: the first generation's encoder
    /// is `OpenAI`'s, the second's is `OpenCLIP`'s, and what `sees_pooled` texts takes one or both.
    pub(super) fn built_as(
        texts: &[ClipTextConfig],
        sees_pooled: bool,
        latent_channels: usize,
        latent_scale: f64,
    ) -> Option<&'static Self> {
        let is_of = |(part, text): (&TextPart, &ClipTextConfig)| {
            (part.layout == TextLayout::Transformers) == (text.layers.hidden_act == Activation::QuickGelu)
        };
        Self::with_latents(latent_channels, latent_scale).find(|family| {
            (family.output == Output::Penultimate) == sees_pooled
                && family.texts.len() == texts.len()
                && std::iter::zip(family.texts, texts).all(is_of)
        })
    }

    /// The map to previews of the families with such latents.
    pub(super) fn preview_of(latent_channels: usize, latent_scale: f64) -> Option<LatentToRgb> {
        let family = Self::with_latents(latent_channels, latent_scale).next()?;
        Some(LatentToRgb { matrix: family.preview_matrix.to_vec(), bias: family.preview_bias })
    }

    /// The family whose text encoders these names are of, and what stands before the names of each.
    pub(super) fn with_texts(has: impl Fn(&str) -> bool) -> Option<(&'static Self, Vec<&'static str>)> {
        let prefix = |part: &'static TextPart| {
            part.prefixes.iter().copied().find(|prefix| has(&format!("{prefix}{}", part.layout.a_name())))
        };
        FAMILIES.iter().find_map(|family| Some((family, family.texts.iter().map(prefix).collect::<Option<_>>()?)))
    }

    /// The first family whose latents are multiplied by this.
    pub(super) fn with_scale(latent_scale: f64) -> Option<&'static Self> {
        FAMILIES.iter().find(|family| (family.latent_scale - latent_scale).abs() < 1e-6)
    }

    /// Whether its latents are those of Stable Diffusion XL.
    pub fn is_xl(&self) -> bool {
        self.key.starts_with("sdxl")
    }

    fn with_latents(latent_channels: usize, latent_scale: f64) -> impl Iterator<Item = &'static Self> {
        FAMILIES.iter().filter(move |family| {
            family.latent_channels == latent_channels && (family.latent_scale - latent_scale).abs() < 1e-6
        })
    }
}
