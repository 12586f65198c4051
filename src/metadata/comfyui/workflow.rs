//! `ComfyUI`'s graph as its window keeps it: nodes with the values of their widgets in a row, and links by number. It is brought into the
//! form in which graphs are run, with what the window leaves out of it: nodes that are switched off, and those that are bypassed.

use super::graph::LONGEST;
use crate::metadata::json;
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// Of a node that is switched off, and of one that hands on what it is given.
const NEVER: u64 = 2;
const BYPASSED: u64 = 4;

/// The widgets of nodes in the order in which their values stand. `-` is one that the window alone has.
const WIDGETS: [(&str, &[&str]); 35] = [
    ("KSampler", &["seed", "-", "steps", "cfg", "sampler_name", "scheduler", "denoise"]),
    (
        "KSamplerAdvanced",
        &["add_noise", "noise_seed", "-", "steps", "cfg", "sampler_name", "scheduler", "start_at_step", "end_at_step"],
    ),
    ("SamplerCustom", &["add_noise", "noise_seed", "-", "cfg"]),
    ("RandomNoise", &["noise_seed"]),
    ("KSamplerSelect", &["sampler_name"]),
    ("BasicScheduler", &["scheduler", "steps", "denoise"]),
    ("KarrasScheduler", &["steps", "sigma_max", "sigma_min", "rho"]),
    ("PolyexponentialScheduler", &["steps", "sigma_max", "sigma_min", "rho"]),
    ("BetaSamplingScheduler", &["steps", "alpha", "beta"]),
    ("ExponentialScheduler", &["steps", "sigma_max", "sigma_min"]),
    ("AlignYourStepsScheduler", &["model_type", "steps", "denoise"]),
    ("SDTurboScheduler", &["steps", "denoise"]),
    ("CFGGuider", &["cfg"]),
    ("CheckpointLoaderSimple", &["ckpt_name"]),
    ("CheckpointLoader", &["config_name", "ckpt_name"]),
    ("UNETLoader", &["unet_name", "weight_dtype"]),
    ("UnetLoaderGGUF", &["unet_name"]),
    ("VAELoader", &["vae_name"]),
    ("LoraLoader", &["lora_name", "strength_model", "strength_clip"]),
    ("LoraLoaderModelOnly", &["lora_name", "strength_model"]),
    ("CLIPTextEncode", &["text"]),
    ("CLIPSetLastLayer", &["stop_at_clip_layer"]),
    ("ModelSamplingDiscrete", &["sampling", "zsnr"]),
    ("RescaleCFG", &["multiplier"]),
    ("EmptyLatentImage", &["width", "height", "batch_size"]),
    ("LoadImage", &["image"]),
    ("LatentUpscale", &["upscale_method", "width", "height", "crop"]),
    ("LatentUpscaleBy", &["upscale_method", "scale_by"]),
    ("ImageScale", &["upscale_method", "width", "height", "crop"]),
    ("ImageScaleBy", &["upscale_method", "scale_by"]),
    ("UpscaleModelLoader", &["model_name"]),
    ("ControlNetLoader", &["control_net_name"]),
    ("ControlNetApplyAdvanced", &["strength", "start_percent", "end_percent"]),
    ("PrimitiveNode", &["value"]),
    ("ConditioningAverage", &["conditioning_to_strength"]),
];

/// A node of the window.
#[derive(Clone, Copy)]
struct Shown<'a> {
    json: &'a Value,
    class: &'a str,
    mode: u64,
}

/// The graph in the form in which it is run; none where it is no such graph.
pub(super) fn as_run(workflow: &Value) -> Option<Value> {
    let nodes: HashMap<String, Shown<'_>> = workflow.get("nodes")?.as_array()?.iter().filter_map(shown).collect();
    let link = |link: &Value| {
        // From a node's output to another's input; later versions name the fields.
        let part = |index: usize, key: &str| link.get(index).or_else(|| link.get(key));
        Some((id(part(0, "id")?)?, (id(part(1, "origin_id")?)?, part(2, "origin_slot")?.as_u64()?)))
    };
    let links: HashMap<String, (String, u64)> = workflow.get("links")?.as_array()?.iter().filter_map(link).collect();
    let mut run = Map::new();
    for (name, shown) in nodes.iter().filter(|(_, shown)| shown.mode != NEVER && shown.mode != BYPASSED) {
        let mut inputs = Map::new();
        let values = shown.json.get("widgets_values");
        let known = WIDGETS.iter().find(|(class, _)| *class == shown.class).map_or(&[][..], |(_, widgets)| *widgets);
        for (index, widget) in known.iter().enumerate().filter(|(_, widget)| **widget != "-") {
            let value = values.and_then(|values| values.get(index));
            inputs.insert((*widget).to_owned(), value.cloned().unwrap_or(Value::Null));
        }
        // Some nodes keep theirs by name.
        for (widget, value) in values.and_then(Value::as_object).into_iter().flatten() {
            inputs.insert(widget.clone(), value.clone());
        }
        for input in inputs_of(*shown) {
            let (Some(key), Some(from)) = (input.get("name").and_then(Value::as_str), input.get("link").and_then(id))
            else {
                continue;
            };
            if let Some((node, slot)) = origin(&nodes, &links, from) {
                inputs.insert(key.to_owned(), json!([node, slot]));
            }
        }
        run.insert(name.clone(), json!({ "class_type": shown.class, "inputs": inputs }));
    }
    (!run.is_empty()).then_some(Value::Object(run))
}

/// A node by its id.
fn shown(node: &Value) -> Option<(String, Shown<'_>)> {
    let mode = node.get("mode").and_then(Value::as_u64).unwrap_or(0);
    Some((id(node.get("id")?)?, Shown { json: node, class: node.get("type")?.as_str()?, mode }))
}

/// Where a link comes from: past nodes that are bypassed, to what is plugged into them of the same type; from nowhere if they are switched
/// off.
fn origin<'a>(
    nodes: &HashMap<String, Shown<'a>>,
    links: &'a HashMap<String, (String, u64)>,
    mut link: String,
) -> Option<(&'a str, u64)> {
    for _ in 0..LONGEST {
        let (name, slot) = links.get(&link)?;
        let shown = nodes.get(name)?;
        match shown.mode {
            NEVER => return None,
            BYPASSED => {
                let output = shown.json.get("outputs")?.get(usize::try_from(*slot).ok()?)?;
                let kind = output.get("type")?;
                let fits = |input: &&Value| input.get("type") == Some(kind) && input.get("link").and_then(id).is_some();
                let of_slot = inputs_of(*shown).get(usize::try_from(*slot).ok()?).filter(fits);
                link = id(of_slot.or_else(|| inputs_of(*shown).iter().find(fits))?.get("link")?)?;
            }
            _ => return Some((name, *slot)),
        }
    }
    None
}

fn inputs_of(shown: Shown<'_>) -> &[Value] {
    shown.json.get("inputs").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// What names a node or a link.
fn id(value: &Value) -> Option<String> {
    match value {
        Value::Number(_) | Value::String(_) => Some(json::shown(value)),
        _ => None,
    }
}
