//! diffusers' names to those of Rombach et al.'s latent-diffusion, in which single-file checkpoints are written. Its networks are the
//! same ones, told apart by number: `input_blocks` counts through all levels on the way down, `output_blocks` on the way up.

use crate::checkpoints::header::Place;
use crate::checkpoints::renamed::{Names, Piece};
use crate::networks::{Level, UNetConfig};
use std::collections::BTreeMap;

/// What stands before the names of a U-Net.
pub(super) const UNET: &str = "model.diffusion_model.";
/// What stands before the names of a VAE, as one program or another wrote them.
pub(in crate::checkpoints) const VAES: [&str; 2] = ["first_stage_model.", "vae."];

/// Those of a U-Net.
pub(in crate::checkpoints) struct UNetNames {
    /// What stands before them.
    prefix: &'static str,
    /// Of each level from the finest, how many residual blocks it has on the way down, and whether the last on its way up attends.
    levels: Vec<(usize, bool)>,
}

/// Those of a VAE.
pub(in crate::checkpoints) struct VaeNames {
    /// What stands before them.
    pub(in crate::checkpoints) prefix: &'static str,
    /// How many levels it has.
    pub(in crate::checkpoints) levels: usize,
}

/// Those of transformers, after a prefix.
pub(in crate::checkpoints) struct Prefixed(pub(in crate::checkpoints) &'static str);

impl Names for Prefixed {
    fn find(&self, name: &str) -> Option<(String, Piece)> {
        Some((format!("{}{name}", self.0), Piece::Whole))
    }
}

const UNET_ENDS: [(&str, &str); 8] = [
    ("conv_in", "input_blocks.0.0"),
    ("time_embedding.linear_1", "time_embed.0"),
    ("time_embedding.linear_2", "time_embed.2"),
    // latent-diffusion has none; diffusers' script that writes single files leaves the name as it is.
    ("time_embedding.cond_proj", "time_embedding.cond_proj"),
    ("add_embedding.linear_1", "label_emb.0.0"),
    ("add_embedding.linear_2", "label_emb.0.2"),
    ("conv_norm_out", "out.0"),
    ("conv_out", "out.2"),
];

const UNET_RESNET: [(&str, &str); 6] = [
    ("norm1", "in_layers.0"),
    ("conv1", "in_layers.2"),
    ("time_emb_proj", "emb_layers.1"),
    ("norm2", "out_layers.0"),
    ("conv2", "out_layers.3"),
    ("conv_shortcut", "skip_connection"),
];

impl UNetNames {
    /// Those in whole checkpoints.
    pub(in crate::checkpoints) fn of(config: &UNetConfig) -> Self {
        let attends = |level: &Level| level.up.last().is_some_and(|layers| *layers > 0);
        Self { prefix: UNET, levels: config.levels.iter().map(|level| (level.down.len(), attends(level))).collect() }
    }

    /// The same after another prefix.
    pub(super) fn after(self, prefix: &'static str) -> Self {
        Self { prefix, ..self }
    }

    /// Where diffusers' layer of this name, without `.weight` or `.bias`, is in latent-diffusion.
    pub(in crate::checkpoints) fn layer(&self, name: &str) -> Option<String> {
        if let Some((_, found)) = UNET_ENDS.iter().find(|(known, _)| *known == name) {
            return Some((*found).to_owned());
        }
        if let Some(rest) = name.strip_prefix("mid_block.") {
            let (kind, index, rest) = part(rest)?;
            return Some(match (kind, index) {
                ("resnets", 0 | 1) => format!("middle_block.{}.{}", 2 * index, resnet(rest)?),
                ("attentions", 0) => format!("middle_block.1.{rest}"),
                _ => return None,
            });
        }
        let (side, level, rest) = part(name)?;
        let (kind, index, rest) = part(rest)?;
        match side {
            "down_blocks" => {
                let (layers, _) = *self.levels.get(level)?;
                let first = 1 + self.levels[..level].iter().map(|(layers, _)| layers + 1).sum::<usize>();
                Some(match (kind, index, rest) {
                    ("resnets", index, rest) if index < layers => {
                        format!("input_blocks.{}.0.{}", first + index, resnet(rest)?)
                    }
                    ("attentions", index, rest) if index < layers => format!("input_blocks.{}.1.{rest}", first + index),
                    ("downsamplers", 0, "conv") => format!("input_blocks.{}.0.op", first + layers),
                    _ => return None,
                })
            }
            "up_blocks" => {
                let mut coarser = self.levels.iter().rev().map(|(layers, attends)| (layers + 1, *attends));
                let first: usize = coarser.by_ref().take(level).map(|(layers, _)| layers).sum();
                let (layers, attends) = coarser.next()?;
                Some(match (kind, index, rest) {
                    ("resnets", index, rest) if index < layers => {
                        format!("output_blocks.{}.0.{}", first + index, resnet(rest)?)
                    }
                    ("attentions", index, rest) if index < layers => {
                        format!("output_blocks.{}.1.{rest}", first + index)
                    }
                    ("upsamplers", 0, "conv") => {
                        let place = if attends { 2 } else { 1 };
                        format!("output_blocks.{}.{place}.conv", first + layers - 1)
                    }
                    _ => return None,
                })
            }
            _ => None,
        }
    }
}

/// Whether these are the tensors of a U-Net alone, as the folders of diffusers have it. A `ControlNet` has no way up.
pub(super) fn is_unet_of_diffusers(places: &BTreeMap<String, Place>) -> bool {
    ["conv_in.weight", "down_blocks.0.resnets.0.conv1.weight", "up_blocks.0.resnets.0.conv1.weight"]
        .iter()
        .all(|name| places.contains_key(*name))
}

/// The same under the names of latent-diffusion; an error where one has no place there.
pub(super) fn in_names_of_ldm(places: BTreeMap<String, Place>) -> Result<BTreeMap<String, Place>, String> {
    let count =
        |name: &dyn Fn(usize) -> String| (0..places.len()).take_while(|i| places.contains_key(&name(*i))).count();
    let levels = count(&|level| format!("down_blocks.{level}.resnets.0.conv1.weight"));
    let level = |level: usize| {
        let attends = places.contains_key(&format!("up_blocks.{}.attentions.0.proj_in.weight", levels - 1 - level));
        (count(&|layer| format!("down_blocks.{level}.resnets.{layer}.conv1.weight")), attends)
    };
    let names = UNetNames { prefix: "", levels: (0..levels).map(level).collect() };
    let renamed = |(name, place): (String, Place)| match names.find(&name) {
        Some((found, _)) => Ok((found, place)),
        None => Err(format!("the tensor {name} is of no U-Net that is supported")),
    };
    places.into_iter().map(renamed).collect()
}

/// The same without the gaps that small networks have where a whole one was taken for the measure: of the three numbers of a level, one
/// is left out on the way down, and on the way up it has nothing but the layer that doubles.
pub(super) fn without_gaps(places: BTreeMap<String, Place>, prefix: &str) -> BTreeMap<String, Place> {
    let has = |name: &str| places.contains_key(&format!("{prefix}{name}"));
    let is_second = |name: &String| matches!(numbered(name, prefix), Some(("input_blocks", 2, _)));
    if !has("input_blocks.3.0.op.weight") || places.keys().any(is_second) {
        return places;
    }
    let attends = |block: usize| has(&format!("output_blocks.{block}.1.proj_in.weight"));
    let renamed = |name: &str| {
        Some(match numbered(name, prefix)? {
            ("input_blocks", index @ 1.., rest) => format!("{prefix}input_blocks.{}.{rest}", index - index / 3),
            ("output_blocks", index, rest) if index % 3 == 2 => {
                let (_, layer) = rest.split_once('.')?;
                let place = if attends(index - 1) { 2 } else { 1 };
                format!("{prefix}output_blocks.{}.{place}.{layer}", index / 3 * 2 + 1)
            }
            ("output_blocks", index, rest) => format!("{prefix}output_blocks.{}.{rest}", index - index / 3),
            _ => return None,
        })
    };
    let all = places.iter().map(|(name, place)| (renamed(name).unwrap_or_else(|| name.clone()), place.clone()));
    all.collect()
}

/// Of which way a name behind a prefix is, at which number, and what stands behind.
fn numbered<'a>(name: &'a str, prefix: &str) -> Option<(&'a str, usize, &'a str)> {
    part(name.strip_prefix(prefix)?)
}

impl Names for UNetNames {
    fn find(&self, name: &str) -> Option<(String, Piece)> {
        let (layer, kind) = name.rsplit_once('.')?;
        Some((format!("{}{}.{kind}", self.prefix, self.layer(layer)?), Piece::Whole))
    }
}

const VAE_ATTENTION: [(&str, &str, Piece); 5] = [
    ("group_norm", "norm", Piece::Whole),
    ("to_q", "q", Piece::Matrix),
    ("to_k", "k", Piece::Matrix),
    ("to_v", "v", Piece::Matrix),
    ("to_out.0", "proj_out", Piece::Matrix),
];

impl VaeNames {
    /// As [`UNetNames::layer`], and how to get its weight.
    fn layer(&self, name: &str) -> Option<(String, Piece)> {
        let whole = |found: String| Some((found, Piece::Whole));
        let (side, rest) = name.split_once('.').unwrap_or((name, ""));
        match (side, rest) {
            ("quant_conv" | "post_quant_conv", "") | ("encoder" | "decoder", "conv_in" | "conv_out") => {
                return whole(name.to_owned());
            }
            ("encoder" | "decoder", "conv_norm_out") => return whole(format!("{side}.norm_out")),
            ("encoder" | "decoder", _) => {}
            _ => return None,
        }
        if let Some(rest) = rest.strip_prefix("mid_block.") {
            let (kind, index, rest) = part(rest)?;
            return match (kind, index) {
                ("resnets", 0 | 1) => whole(format!("{side}.mid.block_{}.{}", index + 1, vae_resnet(rest))),
                ("attentions", 0) => {
                    let (_, found, piece) = VAE_ATTENTION.iter().find(|(known, _, _)| *known == rest)?;
                    Some((format!("{side}.mid.attn_1.{found}"), *piece))
                }
                _ => None,
            };
        }
        let (blocks, level, rest) = part(rest)?;
        let (kind, index, rest) = part(rest)?;
        let (way, level, sampler) = match (side, blocks) {
            ("encoder", "down_blocks") => ("down", level, "downsample"),
            // The way up is counted from the finest level.
            ("decoder", "up_blocks") => ("up", self.levels.checked_sub(level + 1)?, "upsample"),
            _ => return None,
        };
        match (kind, rest) {
            ("resnets", rest) => whole(format!("{side}.{way}.{level}.block.{index}.{}", vae_resnet(rest))),
            ("downsamplers" | "upsamplers", "conv") => whole(format!("{side}.{way}.{level}.{sampler}.conv")),
            _ => None,
        }
    }
}

impl Names for VaeNames {
    fn find(&self, name: &str) -> Option<(String, Piece)> {
        let (layer, kind) = name.rsplit_once('.')?;
        let (found, piece) = self.layer(layer)?;
        let piece = if kind == "weight" { piece } else { Piece::Whole };
        Some((format!("{}{found}.{kind}", self.prefix), piece))
    }
}

/// `kind.index.rest`.
fn part(name: &str) -> Option<(&str, usize, &str)> {
    let (kind, rest) = name.split_once('.')?;
    let (index, rest) = rest.split_once('.').unwrap_or((rest, ""));
    Some((kind, index.parse().ok()?, rest))
}

fn resnet(layer: &str) -> Option<&'static str> {
    UNET_RESNET.iter().find(|(known, _)| *known == layer).map(|(_, found)| *found)
}

fn vae_resnet(layer: &str) -> &str {
    if layer == "conv_shortcut" { "nin_shortcut" } else { layer }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoints::header::Stored;
    use candle_core::DType;

    fn place() -> Place {
        Place { stored: Stored::Numbers(DType::F32), shape: vec![1], start: 0, bytes: 4, strides: None }
    }

    #[test]
    fn a_controlnet_is_no_unet_though_it_begins_as_one() {
        let names = ["conv_in.weight", "down_blocks.0.resnets.0.conv1.weight", "mid_block.attentions.0.proj_in.weight"];
        let mut places: BTreeMap<_, _> = names.map(|name| (name.to_owned(), place())).into();
        places.insert("controlnet_mid_block.weight".to_owned(), place());
        assert!(!is_unet_of_diffusers(&places));
        places.insert("up_blocks.0.resnets.0.conv1.weight".to_owned(), place());
        assert!(is_unet_of_diffusers(&places));
    }

    #[test]
    fn gaps_in_the_numbers_are_closed_where_there_are_some() {
        let closed = |names: &[&str]| -> Vec<String> {
            let places = names.iter().map(|name| (format!("u.{name}"), place())).collect();
            without_gaps(places, "u.").into_keys().map(|name| name["u.".len()..].to_owned()).collect()
        };
        let gaps = [
            "input_blocks.0.0.weight",
            "input_blocks.1.0.in_layers.2.weight",
            "input_blocks.3.0.op.weight",
            "input_blocks.4.1.proj_in.weight",
            "output_blocks.0.0.in_layers.2.weight",
            "output_blocks.1.1.proj_in.weight",
            "output_blocks.2.1.conv.weight",
            "output_blocks.3.0.in_layers.2.weight",
            "output_blocks.4.0.in_layers.2.weight",
            "output_blocks.5.2.conv.weight",
        ];
        let expected = [
            "input_blocks.0.0.weight",
            "input_blocks.1.0.in_layers.2.weight",
            "input_blocks.2.0.op.weight",
            "input_blocks.3.1.proj_in.weight",
            "output_blocks.0.0.in_layers.2.weight",
            "output_blocks.1.1.proj_in.weight",
            "output_blocks.1.2.conv.weight",
            "output_blocks.2.0.in_layers.2.weight",
            "output_blocks.3.0.in_layers.2.weight",
            "output_blocks.3.1.conv.weight",
        ];
        assert_eq!(closed(&gaps), expected);
        let whole = [
            "input_blocks.1.0.in_layers.2.weight",
            "input_blocks.2.0.in_layers.2.weight",
            "input_blocks.3.0.op.weight",
        ];
        assert_eq!(closed(&whole), whole);
    }
}
