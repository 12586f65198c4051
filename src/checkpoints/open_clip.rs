//! `OpenCLIP`'s own layout: one file of weights, which names and shapes some of them differently from transformers, and
//! `open_clip_config.json`.

use super::renamed::{Names, Piece};
use super::weights::Weights;
use crate::networks::{
    Activation, ClipConfig, ClipImageConfig, ClipLayersConfig, ClipTextConfig, ConfigError, Fields, Output,
};
use candle_nn::var_builder::SimpleBackend;
use serde_json::json;

/// What `open_clip_config.json` says of the networks. Absent fields have `OpenCLIP`'s defaults (its `CLIPTextCfg`, `CLIPVisionCfg`).
pub(super) fn config_from_json(json: &str) -> Result<ClipConfig, ConfigError> {
    let whole = Fields::parse(json)?;
    let model = whole.inner("model_cfg").ok_or_else(|| whole.wrong("model_cfg", "an object"))?;
    let part = |name: &str| model.inner(name).ok_or_else(|| model.wrong(name, "an object"));
    let (text, vision) = (part("text_cfg")?, part("vision_cfg")?);
    for field in ["multimodal_cfg", "init_logit_bias"] {
        model.unsupported_unless(field, &[])?;
    }
    for field in ["hf_model_name", "ls_init_value", "act_kwargs", "norm_kwargs"] {
        text.unsupported_unless(field, &[json!({})])?;
    }
    for field in ["no_causal_mask", "embed_cls", "proj_bias"] {
        text.unsupported_unless(field, &[json!(false)])?;
    }
    text.unsupported_unless("pool_type", &[json!("argmax")])?;
    text.unsupported_unless("proj_type", &[json!("linear")])?;
    for field in ["timm_model_name", "ls_init_value", "act_kwargs", "norm_kwargs"] {
        vision.unsupported_unless(field, &[json!({})])?;
    }
    for field in ["attentional_pool", "final_ln_after_pool", "no_ln_pre"] {
        vision.unsupported_unless(field, &[json!(false)])?;
    }
    vision.unsupported_unless("pool_type", &[json!("tok")])?;
    vision.unsupported_unless("pos_embed_type", &[json!("learnable")])?;

    let hidden_act = if model.flag("quick_gelu", false)? { Activation::QuickGelu } else { Activation::Gelu };
    let layers = |fields: &Fields, width: usize, num_attention_heads: usize| {
        let ratio = fields.number("mlp_ratio", Some(4.0))?;
        let intermediate_size = (width as f64 * ratio) as usize;
        if !(1..=1 << 18).contains(&intermediate_size) {
            return Err(fields.wrong("mlp_ratio", "a number for which a layer has 1 to 262144 numbers inside"));
        }
        let num_hidden_layers = fields.count("layers", 1000, Some(12))?;
        let (hidden_size, layer_norm_eps) = (width, 1e-5);
        Ok(ClipLayersConfig {
            hidden_size,
            intermediate_size,
            num_hidden_layers,
            num_attention_heads,
            hidden_act,
            layer_norm_eps,
        })
    };
    let text_width = text.count("width", 1 << 16, Some(512))?;
    let heads = text.count("heads", 1 << 16, Some(8))?;
    if !text_width.is_multiple_of(heads) {
        return Err(text.wrong("heads", format!("a divisor of the width, which is {text_width}")));
    }
    let vision_width = vision.count("width", 1 << 16, Some(768))?;
    let head_width = vision.count("head_width", 1 << 16, Some(64))?;
    if !vision_width.is_multiple_of(head_width) {
        return Err(vision.wrong("head_width", format!("a divisor of the width, which is {vision_width}")));
    }
    let image_size = vision.count("image_size", 1 << 12, Some(224))?;
    Ok(ClipConfig {
        text: ClipTextConfig {
            vocab_size: text.count("vocab_size", 1 << 24, Some(49408))?,
            max_position_embeddings: text.count("context_length", 1 << 16, Some(77))?,
            layers: layers(&text, text_width, heads)?,
            // A text ends at its largest id.
            eos_token_id: ClipTextConfig::LARGEST_ENDS,
            projection: None,
            output: Output::Last,
        },
        image: ClipImageConfig {
            image_size,
            patch_size: vision.count("patch_size", image_size, Some(16.min(image_size)))?,
            layers: layers(&vision, vision_width, vision_width / head_width)?,
        },
        projection_dim: model.count("embed_dim", 1 << 16, None)?,
    })
}

/// Names of transformers to those of `OpenCLIP`.
pub(super) struct OpenClipNames {
    /// What stands before all of them.
    prefix: &'static str,
    /// What stands before the text encoder's names then: nothing, or `text.` in later files.
    text: &'static str,
}

const LAYER: [(&str, &str, Piece); 8] = [
    ("layer_norm1.", "ln_1.", Piece::Whole),
    ("layer_norm2.", "ln_2.", Piece::Whole),
    ("self_attn.q_proj.", "attn.in_proj_", Piece::Third(0)),
    ("self_attn.k_proj.", "attn.in_proj_", Piece::Third(1)),
    ("self_attn.v_proj.", "attn.in_proj_", Piece::Third(2)),
    ("self_attn.out_proj.", "attn.out_proj.", Piece::Whole),
    ("mlp.fc1.", "mlp.c_fc.", Piece::Whole),
    ("mlp.fc2.", "mlp.c_proj.", Piece::Whole),
];

const VISION: [(&str, &str); 7] = [
    ("embeddings.class_embedding", "class_embedding"),
    ("embeddings.patch_embedding.weight", "conv1.weight"),
    ("embeddings.position_embedding.weight", "positional_embedding"),
    ("pre_layrnorm.weight", "ln_pre.weight"),
    ("pre_layrnorm.bias", "ln_pre.bias"),
    ("post_layernorm.weight", "ln_post.weight"),
    ("post_layernorm.bias", "ln_post.bias"),
];

const TEXT: [(&str, &str); 4] = [
    ("embeddings.token_embedding.weight", "token_embedding.weight"),
    ("embeddings.position_embedding.weight", "positional_embedding"),
    ("final_layer_norm.weight", "ln_final.weight"),
    ("final_layer_norm.bias", "ln_final.bias"),
];

impl OpenClipNames {
    /// Of a file that holds a whole CLIP.
    pub(super) fn of_file(weights: &Weights) -> Self {
        let text = if weights.contains_tensor("text.token_embedding.weight") { "text." } else { "" };
        Self { prefix: "", text }
    }

    /// Of a text encoder whose names begin so.
    pub(super) fn of_text(prefix: &'static str) -> Self {
        Self { prefix, text: "" }
    }
}

impl Names for OpenClipNames {
    fn find(&self, name: &str) -> Option<(String, Piece)> {
        let (encoder, rest, table): (_, _, &[_]) = if let Some(rest) = name.strip_prefix("vision_model.") {
            ("visual.", rest, &VISION)
        } else if let Some(rest) = name.strip_prefix("text_model.") {
            (self.text, rest, &TEXT)
        } else {
            let (found, piece) = match name {
                "logit_scale" => (name.to_owned(), Piece::Whole),
                "visual_projection.weight" => ("visual.proj".to_owned(), Piece::Transposed),
                "text_projection.weight" => (format!("{}text_projection", self.text), Piece::Transposed),
                _ => return None,
            };
            return Some((format!("{}{found}", self.prefix), piece));
        };
        let prefix = self.prefix;
        if let Some((_, found)) = table.iter().find(|(known, _)| *known == rest) {
            return Some((format!("{prefix}{encoder}{found}"), Piece::Whole));
        }
        let (index, rest) = rest.strip_prefix("encoder.layers.")?.split_once('.')?;
        let (kind, found, piece) =
            LAYER.iter().find_map(|(known, found, piece)| Some((rest.strip_prefix(known)?, found, *piece)))?;
        Some((format!("{prefix}{encoder}transformer.resblocks.{index}.{found}{kind}"), piece))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_open_clip_builds_otherwise_is_refused_by_field() {
        let error = |json: &str| config_from_json(json).unwrap_err().to_string();
        assert_eq!(error("{}"), "the field `model_cfg` is missing");
        let roberta =
            r#"{"model_cfg": {"embed_dim": 512, "vision_cfg": {}, "text_cfg": {"hf_model_name": "roberta-base"}}}"#;
        assert!(error(roberta).contains(r#"`hf_model_name` is "roberta-base""#), "{}", error(roberta));
        let resnet = r#"{"model_cfg": {"embed_dim": 512, "vision_cfg": {"layers": [3, 4, 6, 3]}, "text_cfg": {}}}"#;
        assert!(error(resnet).contains("`layers` is [3,4,6,3]"), "{}", error(resnet));
        let heads = r#"{"model_cfg": {"embed_dim": 512, "vision_cfg": {"width": 100}, "text_cfg": {}}}"#;
        assert!(error(heads).contains("head_width"), "{}", error(heads));
    }
}
