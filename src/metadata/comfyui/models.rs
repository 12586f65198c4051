//! From the model that is plugged in to where it was loaded, and what was done to it on the way.

use super::Reading;
use super::graph::{LONGEST, Node, Output};
use crate::diffusion::Prediction;
use crate::metadata::json;

/// Under which keys nodes name the file of a model.
const FILES: [&str; 4] = ["ckpt_name", "unet_name", "model_path", "base_ckpt_name"];

/// A `LoRA` on the way.
pub(super) struct Lent<'a> {
    node: Node<'a>,
    name: &'a str,
    unet: f64,
    text: f64,
}

impl<'a> Reading<'a> {
    /// Follows the model that a sampler runs.
    pub(super) fn model(&mut self, output: Option<Output<'a>>) -> Vec<Lent<'a>> {
        let mut loras = Vec::new();
        let mut next = output;
        for _ in 0..LONGEST {
            let Some((node, _)) = next else { break };
            if let Some(file) = FILES.iter().find_map(|key| self.graph.text(node, key)) {
                // Some load both.
                if node.has("lora_name") {
                    self.change_model(node, &mut loras);
                }
                self.found.model = Some(json::model_name(file));
                self.loader = Some(node);
                break;
            }
            self.change_model(node, &mut loras);
            next = self.graph.first_link(node, &["model", "model1", "base_model"]);
        }
        loras.reverse();
        loras
    }

    fn change_model(&mut self, node: Node<'a>, loras: &mut Vec<Lent<'a>>) {
        let graph = self.graph;
        let number = |key: &str| graph.number(node, key);
        if let Some(name) = graph.text(node, "lora_name") {
            let keys = ["strength_model", "model_weight", "lora_model_strength", "strength"];
            let unet = keys.into_iter().find_map(number).unwrap_or(1.0);
            if name != "None" {
                loras.push(Lent { node, name, unet, text: number("lora_clip_strength").unwrap_or(0.0) });
            }
            return;
        }
        // Of rgthree: as many as one likes in one node.
        let stacked = node.inputs.values().rev().filter_map(|value| {
            let name = value.get("lora")?.as_str()?;
            let unet = json::number(value.get("strength")?)?;
            value.get("on")?.as_bool()?.then_some((name, unet, value.get("strengthTwo").and_then(json::number)))
        });
        let before = loras.len();
        loras.extend(stacked.map(|(name, unet, text)| Lent { node, name, unet, text: text.unwrap_or(unet) }));
        if loras.len() > before || node.class.contains("Power Lora") {
            return;
        }
        let sampling = graph.text(node, "sampling");
        match node.class {
            "ModelSamplingDiscrete" if sampling != Some("lcm") => {
                self.found.prediction = match sampling {
                    Some("v_prediction") => Some(Prediction::VPrediction),
                    Some("x0") => Some(Prediction::Sample),
                    _ => Some(Prediction::Epsilon),
                };
                let is_stretched = graph.value(node, "zsnr").and_then(serde_json::Value::as_bool);
                self.tuning.zero_terminal_snr = is_stretched == Some(true);
            }
            // What the sampler LCM does anyway.
            "ModelSamplingDiscrete" => {}
            "RescaleCFG" => self.tuning.guidance_rescale = number("multiplier").unwrap_or(0.7).clamp(0.0, 1.0),
            "DifferentialDiffusion" => self.notes.push("its mask's grey said how much was painted anew".to_owned()),
            _ => self.pass_over(node),
        }
    }

    /// Follows the text encoder, for the layer it is read at and for what of the `LoRA`s is in it. Gives their tags.
    pub(super) fn text_encoder(&mut self, encoder: Option<Node<'a>>, mut loras: Vec<Lent<'a>>) -> String {
        let graph = self.graph;
        let mut next = encoder.and_then(|node| graph.link(node, "clip"));
        let mut skip = None;
        for _ in 0..LONGEST {
            let Some((node, _)) = next else { break };
            if let Some(layer) = graph.number(node, "stop_at_clip_layer").or_else(|| graph.number(node, "clip_skip")) {
                skip = skip.or(Some(layer));
            }
            for lora in loras.iter_mut().filter(|lora| lora.node.id == node.id && node.has("lora_name")) {
                let text = ["strength_clip", "clip_weight"].into_iter().find_map(|key| graph.number(node, key));
                lora.text = text.unwrap_or(0.0);
            }
            let is_loader = FILES.iter().any(|key| node.has(key));
            if node.has("clip_name") || node.has("clip_name1") {
                self.pass_over(node);
            }
            next = if is_loader { None } else { graph.link(node, "clip") };
        }
        let skip = skip.or_else(|| graph.number(self.loader?, "clip_skip"));
        self.found.clip_skip = Some(skip.map_or(1, |layer| layer.abs().clamp(1.0, 12.0) as u32));
        let mut tags = String::new();
        for Lent { name, unet, text, .. } in loras {
            match json::lora_tag(&json::file_name(name), text, unet) {
                Some(tag) => tags.extend([" ", &tag]),
                None => self.unknown("LoRA", name),
            }
        }
        tags
    }

    /// The VAE that decodes, if it is not the model's own.
    pub(super) fn vae(&mut self, decoder: Node<'a>) {
        let Some((node, _)) = self.graph.link(decoder, "vae") else { return };
        if let Some(name) = self.graph.text(node, "vae_name").filter(|name| !name.starts_with("Baked")) {
            self.found.borrowed.vae = Some(json::file_name(name));
        }
    }
}
