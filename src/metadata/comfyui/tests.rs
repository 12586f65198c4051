use super::*;
use crate::diffusion::{Control, NoiseSource, Prediction, Preprocessor, SamplerName, ScheduleName};
use crate::metadata::from_texts;
use proptest::prelude::*;
use serde_json::{Value, json};

/// The graph that `ComfyUI` opens with, in the names and shapes in which it writes it.
fn usual() -> Value {
    json!({
        "3": { "class_type": "KSampler", "inputs": {
            "seed": 156_680_208_700_286_u64, "steps": 20, "cfg": 8.0, "sampler_name": "dpmpp_2m_sde_gpu", "scheduler": "karras", "denoise": 1.0,
            "model": ["4", 0], "positive": ["6", 0], "negative": ["7", 0], "latent_image": ["5", 0] }, "_meta": { "title": "KSampler" } },
        "4": { "class_type": "CheckpointLoaderSimple", "inputs": { "ckpt_name": "sd15\\dreamer_8.safetensors" } },
        "5": { "class_type": "EmptyLatentImage", "inputs": { "width": 512, "height": 768, "batch_size": 1 } },
        "6": { "class_type": "CLIPTextEncode", "inputs": { "text": "a (glass:1.2) [bottle]", "clip": ["4", 1] } },
        "7": { "class_type": "CLIPTextEncode", "inputs": { "text": "watermark", "clip": ["4", 1] } },
        "8": { "class_type": "VAEDecode", "inputs": { "samples": ["3", 0], "vae": ["4", 2] }, "is_changed": ["NaN"] },
        "9": { "class_type": "SaveImage", "inputs": { "filename_prefix": "ComfyUI", "images": ["8", 0] } },
    })
}

fn texts(prompt: &Value) -> Vec<(String, String)> {
    vec![(PROMPT_KEY.to_owned(), prompt.to_string().replace("\"NaN\"", "NaN"))]
}

fn imported(prompt: &Value) -> Imported {
    from_texts(&texts(prompt)).unwrap()
}

/// The usual graph with other nodes in it, or others of the same id.
fn with(nodes: &Value) -> Value {
    let mut graph = usual();
    graph.as_object_mut().unwrap().extend(nodes.as_object().unwrap().clone());
    graph
}

#[test]
fn the_usual_graph_is_read_whole() {
    let Imported { settings: found, unknown, differences } = imported(&usual());
    assert_eq!(found.prompt.as_deref(), Some("a (glass:1.2) [bottle]"));
    assert_eq!(found.negative_prompt.as_deref(), Some("watermark"));
    assert_eq!(found.model.as_deref(), Some("sd15/dreamer_8"));
    assert_eq!((found.extent, found.strength), (Some(Extent::new(512, 768)), None));
    assert_eq!((found.seed, found.steps, found.guidance_scale), (Some(156_680_208_700_286), Some(20), Some(8.0)));
    assert_eq!(found.sampler, Some(SamplerName::DpmPlusPlus2MSde));
    assert_eq!(found.schedule, Some(ScheduleName::Karras));
    assert_eq!((found.emphasis, found.clip_skip), (Some(Emphasis::ComfyUi), Some(1)));
    assert_eq!(found.reproduce, Some(Reproduce::usual(Program::ComfyUi)));
    assert_eq!(found.reproduce.unwrap().noise, NoiseSource::CpuThenNv);
    assert_eq!((unknown, found.borrowed), (vec![], crate::diffusion::Borrowed::default()));
    assert!(differences[0].contains("dreamer_8") && differences[1].contains("a path of its own"), "{differences:?}");
}

#[test]
fn loras_layers_vaes_and_what_changes_the_model_are_followed() {
    let Imported { settings: found, unknown, .. } = imported(&with(&json!({
        "3": { "class_type": "KSampler", "inputs": {
            "seed": ["20", 0], "steps": 30, "cfg": 5, "sampler_name": "euler", "scheduler": "beta", "denoise": 1,
            "model": ["12", 0], "positive": ["13", 0], "negative": ["7", 0], "latent_image": ["5", 0] } },
        "6": { "class_type": "CLIPTextEncode", "inputs": { "text": ["21", 0], "clip": ["14", 0] } },
        "8": { "class_type": "VAEDecode", "inputs": { "samples": ["22", 0], "vae": ["15", 0] } },
        "10": { "class_type": "LoraLoader", "inputs": {
            "lora_name": "styles/ink.safetensors", "strength_model": 0.8, "strength_clip": 0.5, "model": ["4", 0], "clip": ["4", 1] } },
        "11": { "class_type": "LoraLoaderModelOnly", "inputs": { "lora_name": "more.safetensors", "strength_model": 1.5, "model": ["10", 0] } },
        "12": { "class_type": "RescaleCFG", "inputs": { "multiplier": 0.4, "model": ["16", 0] } },
        "13": { "class_type": "ControlNetApplyAdvanced", "inputs": {
            "strength": 0.9, "start_percent": 0, "end_percent": 1, "positive": ["6", 0], "negative": ["7", 0], "image": ["30", 0] } },
        "14": { "class_type": "CLIPSetLastLayer", "inputs": { "stop_at_clip_layer": -2, "clip": ["10", 1] } },
        "15": { "class_type": "VAELoader", "inputs": { "vae_name": "vae-ft-mse.pt" } },
        "16": { "class_type": "ModelSamplingDiscrete", "inputs": { "sampling": "v_prediction", "zsnr": true, "model": ["11", 0] } },
        "20": { "class_type": "PrimitiveInt", "inputs": { "value": 7 } },
        "21": { "class_type": "String Literal", "inputs": { "string": "a house" } },
        "22": { "class_type": "Reroute", "inputs": { "": ["3", 0] } },
    })));
    assert_eq!(found.prompt.as_deref(), Some("a house <lora:ink:0.5:0.8> <lora:more:0:1.5>"));
    assert_eq!((found.seed, found.clip_skip), (Some(7), Some(2)));
    assert_eq!(found.borrowed.vae.as_deref(), Some("vae-ft-mse"));
    assert_eq!(found.prediction, Some(Prediction::VPrediction));
    let tuning = Tuning { guidance_rescale: 0.4, zero_terminal_snr: true, ..Tuning::default() };
    assert_eq!(found.tuning, Some(tuning));
    assert_eq!(unknown.len(), 1);
    assert_eq!(unknown[0].0, "ControlNetApplyAdvanced");
}

#[test]
fn a_controlnet_that_guides_both_sides_is_read_once_and_by_what_it_sees() {
    let guided = |source: Value, strength: f64| {
        imported(&with(&json!({
            "3": { "class_type": "KSampler", "inputs": {
                "seed": 1, "steps": 30, "cfg": 5, "sampler_name": "euler", "scheduler": "normal", "denoise": 1,
                "model": ["4", 0], "positive": ["13", 0], "negative": ["13", 1], "latent_image": ["5", 0] } },
            "13": { "class_type": "ControlNetApplyAdvanced", "inputs": {
                "strength": strength, "start_percent": 0, "end_percent": 0.5, "positive": ["6", 0], "negative": ["7", 0],
                "control_net": ["14", 0], "image": ["15", 0] } },
            "14": { "class_type": "ControlNetLoader", "inputs": { "control_net_name": "sd15/lines.safetensors" } },
            "15": source,
        })))
    };
    let canny =
        json!({ "class_type": "Canny", "inputs": { "low_threshold": 0.4, "high_threshold": 0.8, "image": ["16", 0] } });
    let Imported { settings, unknown, differences } = guided(canny.clone(), 0.75);
    let expected = Control {
        controlnet: "lines".to_owned(),
        picture: (),
        preprocessor: Preprocessor::Canny,
        weight: 0.75,
        start: 0.0,
        end: 0.5,
    };
    assert_eq!((settings.control, unknown), (Some(expected), vec![]));
    assert_eq!(differences.iter().filter(|line| line.contains("a picture guided it")).count(), 1, "{differences:?}");
    let of_file = guided(json!({ "class_type": "LoadImage", "inputs": { "image": "lines.png" } }), 1.0);
    assert_eq!(of_file.settings.control.map(|control| control.preprocessor), Some(Preprocessor::None));
    for (source, strength) in [(json!({ "class_type": "DWPreprocessor", "inputs": {} }), 1.0), (canny, 90.0)] {
        let other = guided(source, strength);
        assert_eq!((other.settings.control, other.unknown[0].0.as_str()), (None, "ControlNetApplyAdvanced"));
    }
}

#[test]
fn a_sampler_in_parts_is_put_together() {
    let Imported { settings: found, unknown, .. } = imported(&with(&json!({
        "3": { "class_type": "SamplerCustomAdvanced", "inputs": {
            "noise": ["10", 0], "guider": ["11", 0], "sampler": ["12", 0], "sigmas": ["13", 0], "latent_image": ["5", 0] } },
        "10": { "class_type": "RandomNoise", "inputs": { "noise_seed": 42 } },
        "11": { "class_type": "CFGGuider", "inputs": { "cfg": 3.5, "model": ["4", 0], "positive": ["6", 0], "negative": ["7", 0] } },
        "12": { "class_type": "SamplerEulerAncestral", "inputs": { "eta": 0.5, "s_noise": 1.02 } },
        "13": { "class_type": "BasicScheduler", "inputs": { "scheduler": "simple", "steps": 12, "denoise": 1, "model": ["4", 0] } },
    })));
    assert_eq!((found.seed, found.steps, found.guidance_scale), (Some(42), Some(12), Some(3.5)));
    assert_eq!(found.sampler, Some(SamplerName::EulerAncestral));
    assert_eq!(found.schedule, Some(ScheduleName::Simple));
    assert_eq!(found.tuning, Some(Tuning { eta: Some(0.5), noise: 1.02, ..Tuning::default() }));
    assert_eq!((found.negative_prompt.as_deref(), unknown), (Some("watermark"), vec![]));

    let one = json!({ "class_type": "SamplerCustom", "inputs": {
        "add_noise": true, "noise_seed": 5, "cfg": 2, "model": ["4", 0], "positive": ["6", 0], "negative": ["7", 0], "sampler": ["14", 0],
        "sigmas": ["13", 0], "latent_image": ["5", 0] } });
    let sigmas = json!({ "class_type": "AlignYourStepsScheduler", "inputs": { "model_type": "SD1", "steps": 10, "denoise": 1 } });
    let select = json!({ "class_type": "KSamplerSelect", "inputs": { "sampler_name": "heunpp2" } });
    let Imported { settings: found, unknown, .. } = imported(&with(&json!({ "3": one, "13": sigmas, "14": select })));
    assert_eq!((found.seed, found.schedule, found.sampler), (Some(5), Some(ScheduleName::AlignYourSteps), None));
    assert_eq!(unknown, [("sampler".to_owned(), "heunpp2".to_owned())]);
}

#[test]
fn a_picture_to_start_from_is_a_strength() {
    let encode = json!({ "class_type": "VAEEncode", "inputs": { "pixels": ["11", 0], "vae": ["4", 2] } });
    let load = json!({ "class_type": "LoadImage", "inputs": { "image": "cat.png" } });
    let from = |sampler: Value| imported(&with(&json!({ "3": sampler, "10": encode, "11": load })));
    let mut sampler = usual()["3"].clone();
    sampler["inputs"]["latent_image"] = json!(["10", 0]);
    sampler["inputs"]["denoise"] = json!(0.6);
    let Imported { settings: found, unknown, differences } = from(sampler);
    assert_eq!((found.strength, found.extent, found.steps, unknown), (Some(0.6), None, Some(20), vec![]));
    assert!(differences[1].contains("started from a picture"), "{differences:?}");

    // The last five of twenty steps.
    let advanced = json!({ "class_type": "KSamplerAdvanced", "inputs": {
        "add_noise": "enable", "noise_seed": 3, "steps": 20, "cfg": 8, "sampler_name": "euler", "scheduler": "normal", "start_at_step": 15,
        "end_at_step": 10000, "return_with_leftover_noise": "disable", "model": ["4", 0], "positive": ["6", 0], "negative": ["7", 0],
        "latent_image": ["10", 0] } });
    let found = from(advanced).settings;
    let counts = found.reproduce.unwrap().step_counts(SamplerName::Euler, found.steps.unwrap(), found.strength);
    assert_eq!((found.steps, counts.whole, counts.run), (Some(5), 20, 5));
}

#[test]
fn what_was_enlarged_and_painted_once_more_is_one_request() {
    let again = |before: &str| {
        json!({ "class_type": "KSampler", "inputs": {
            "seed": 1, "steps": 10, "cfg": 8, "sampler_name": "euler", "scheduler": "normal", "denoise": 0.5, "model": ["4", 0],
            "positive": ["6", 0], "negative": ["7", 0], "latent_image": [before, 0] } })
    };
    let upscaled = with(&json!({
        "8": { "class_type": "VAEDecode", "inputs": { "samples": ["15", 0], "vae": ["4", 2] } },
        "10": { "class_type": "VAEDecode", "inputs": { "samples": ["3", 0], "vae": ["4", 2] } },
        "11": { "class_type": "UpscaleModelLoader", "inputs": { "model_name": "4x-UltraSharp.pth" } },
        "12": { "class_type": "ImageUpscaleWithModel", "inputs": { "upscale_model": ["11", 0], "image": ["10", 0] } },
        "13": { "class_type": "ImageScale", "inputs": { "upscale_method": "area", "width": 1024, "height": 1536, "crop": "disabled", "image": ["12", 0] } },
        "14": { "class_type": "VAEEncode", "inputs": { "pixels": ["13", 0], "vae": ["4", 2] } },
        "15": again("14"),
    }));
    let found = imported(&upscaled).settings;
    assert_eq!((found.seed, found.strength), (Some(156_680_208_700_286), None));
    assert_eq!(
        (found.upscaler.as_deref(), found.upscale_by, found.refine),
        (Some("4x-UltraSharp"), Some(2.0), Some(0.5))
    );

    let in_latent = with(&json!({
        "8": { "class_type": "VAEDecode", "inputs": { "samples": ["15", 0], "vae": ["4", 2] } },
        "14": { "class_type": "LatentUpscaleBy", "inputs": { "upscale_method": "nearest-exact", "scale_by": 1.5, "samples": ["3", 0] } },
        "15": again("14"),
    }));
    let Imported { settings: found, differences, .. } = imported(&in_latent);
    assert_eq!((found.seed, found.refine), (Some(156_680_208_700_286), None));
    assert!(
        differences.iter().any(|line| line.contains("KSampler painted on after LatentUpscaleBy")),
        "{differences:?}"
    );
}

#[test]
fn what_makes_details_anew_is_no_beginning() {
    for class in ["FaceDetailer", "UltimateSDUpscale"] {
        let Imported { settings: found, differences, .. } = imported(&with(&json!({
            "9": { "class_type": "SaveImage", "inputs": { "images": ["10", 0] } },
            "10": { "class_type": class, "inputs": {
                "image": ["8", 0], "model": ["4", 0], "positive": ["6", 0], "negative": ["7", 0], "seed": 1, "steps": 10, "cfg": 8,
                "sampler_name": "euler", "scheduler": "normal", "denoise": 0.4 } },
        })));
        assert_eq!((found.seed, found.steps, found.strength), (Some(156_680_208_700_286), Some(20), None));
        assert!(differences.iter().any(|line| line.contains(class)), "{differences:?}");
    }
}

#[test]
fn how_much_larger_is_told_by_the_upscalers_name_where_nothing_else_tells() {
    for (name, expected) in [("4x-UltraSharp", Some(4.0)), ("RealESRGAN_x2plus", Some(2.0)), ("SwinIR", None)] {
        assert_eq!(factor_in(name), expected);
    }
}

#[test]
fn prompts_that_are_combined_count_by_their_mean() {
    let Imported { settings: found, .. } = imported(&with(&json!({
        "3": { "class_type": "KSampler", "inputs": {
            "seed": 1, "steps": 10, "cfg": 8, "sampler_name": "euler", "scheduler": "normal", "denoise": 1, "model": ["4", 0],
            "positive": ["10", 0], "negative": ["12", 0], "latent_image": ["5", 0] } },
        "10": { "class_type": "ConditioningCombine", "inputs": { "conditioning_1": ["6", 0], "conditioning_2": ["11", 0] } },
        "11": { "class_type": "CLIPTextEncodeSDXL", "inputs": { "text_g": "a hill", "text_l": "a hill", "clip": ["4", 1] } },
        "12": { "class_type": "ConditioningZeroOut", "inputs": { "conditioning": ["6", 0] } },
    })));
    assert_eq!(found.prompt.as_deref(), Some("a (glass:1.2) [bottle] :0.5 AND a hill :0.5"));
    assert_eq!(found.negative_prompt.as_deref(), Some(""));
}

#[test]
fn a_picture_of_a_batch_says_that_it_is_one() {
    let latent =
        json!({ "class_type": "EmptyLatentImage", "inputs": { "width": 512, "height": 512, "batch_size": 4 } });
    let Imported { settings: found, differences, .. } = imported(&with(&json!({ "5": latent })));
    assert_eq!(found.reproduce.unwrap().batch, Batch { index: 0, of: 4 });
    assert!(differences.iter().any(|line| line.contains("one of 4 of a batch")), "{differences:?}");
}

/// As the window keeps it: a sampler, of which the seed is a node of its own; a `LoRA` that is bypassed, another that is off.
fn workflow() -> Value {
    let input = |name: &str, kind: &str, link: u64| json!({ "name": name, "type": kind, "link": link });
    json!({
        "last_node_id": 9, "version": 0.4,
        "nodes": [
            { "id": 3, "type": "KSampler", "mode": 0, "inputs": [
                input("model", "MODEL", 1), input("positive", "CONDITIONING", 4), input("negative", "CONDITIONING", 6),
                input("latent_image", "LATENT", 2), { "name": "seed", "type": "INT", "link": 10, "widget": { "name": "seed" } },
            ], "widgets_values": [0, "randomize", 25, 6.5, "euler", "normal", 1] },
            { "id": 4, "type": "CheckpointLoaderSimple", "mode": 0, "inputs": [], "widgets_values": ["dreamer.ckpt"] },
            { "id": 5, "type": "EmptyLatentImage", "mode": 0, "inputs": [], "widgets_values": [640, 448, 1] },
            { "id": 6, "type": "CLIPTextEncode", "mode": 0, "inputs": [input("clip", "CLIP", 3)], "widgets_values": ["a boat"] },
            { "id": 7, "type": "CLIPTextEncode", "mode": 0, "inputs": [input("clip", "CLIP", 5)], "widgets_values": ["fog"] },
            { "id": 8, "type": "VAEDecode", "mode": 0, "inputs": [input("samples", "LATENT", 7), input("vae", "VAE", 8)] },
            { "id": 9, "type": "SaveImage", "mode": 0, "inputs": [input("images", "IMAGE", 9)], "widgets_values": ["ComfyUI"] },
            { "id": 10, "type": "PrimitiveNode", "mode": 0, "inputs": [], "widgets_values": [77, "fixed"] },
            { "id": 11, "type": "LoraLoader", "mode": 4, "inputs": [input("model", "MODEL", 11), input("clip", "CLIP", 12)],
                "outputs": [{ "type": "MODEL" }, { "type": "CLIP" }], "widgets_values": ["ink.safetensors", 1, 1] },
            { "id": 12, "type": "SaveImage", "mode": 2, "inputs": [input("images", "IMAGE", 13)], "widgets_values": ["off"] },
        ],
        "links": [
            [1, 11, 0, 3, 0, "MODEL"], [2, 5, 0, 3, 3, "LATENT"], [3, 11, 1, 6, 0, "CLIP"], [4, 6, 0, 3, 1, "CONDITIONING"],
            [5, 11, 1, 7, 0, "CLIP"], [6, 7, 0, 3, 2, "CONDITIONING"], [7, 3, 0, 8, 0, "LATENT"], [8, 4, 2, 8, 1, "VAE"],
            [9, 8, 0, 9, 0, "IMAGE"], [10, 10, 0, 3, 4, "INT"], [11, 4, 0, 11, 0, "MODEL"], [12, 4, 1, 11, 1, "CLIP"],
        ],
    })
}

#[test]
fn the_graph_of_the_window_is_read_where_there_is_no_other() {
    let found = from_texts(&[(WORKFLOW_KEY.to_owned(), workflow().to_string())]).unwrap().settings;
    assert_eq!((found.prompt.as_deref(), found.negative_prompt.as_deref()), (Some("a boat"), Some("fog")));
    assert_eq!((found.seed, found.steps, found.guidance_scale), (Some(77), Some(25), Some(6.5)));
    assert_eq!((found.model.as_deref(), found.extent), (Some("dreamer"), Some(Extent::new(640, 448))));
    assert_eq!(found.sampler, Some(SamplerName::Euler));
}

#[test]
fn graphs_that_go_in_circles_or_make_no_sense_end() {
    let mut circle = usual();
    circle["5"] = json!({ "class_type": "LatentUpscale", "inputs": { "samples": ["5", 0] } });
    circle["4"] =
        json!({ "class_type": "LoraLoader", "inputs": { "lora_name": "x", "model": ["4", 0], "clip": ["4", 1] } });
    circle["6"] = json!({ "class_type": "ConditioningCombine", "inputs": { "conditioning_1": ["6", 0], "conditioning_2": ["6", 0] } });
    circle["7"] = json!({ "class_type": "CLIPTextEncode", "inputs": { "text": ["7", 0] } });
    circle["9"] = json!({ "class_type": "Reroute", "inputs": { "a": ["9", 0] } });
    assert!(from_texts(&texts(&circle)).is_some());
    let mut sampled = usual();
    sampled["5"] = sampled["3"].clone();
    assert!(from_texts(&texts(&sampled)).is_some());
    let nonsense = [
        json!({}),
        json!([1]),
        json!({ "1": { "class_type": 7, "inputs": [] } }),
        json!({ "1": { "class_type": "SaveImage", "inputs": { "images": ["2", -1] } } }),
    ];
    for graph in nonsense {
        assert_eq!(from_texts(&texts(&graph)), None, "{graph}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(vec!["3", "KSampler", "SaveImage", "x", "", "euler"]).prop_map(Value::from),
        (0..12u32, 0..3u32).prop_map(|(id, slot)| json!([id.to_string(), slot])),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(
                (prop::sample::select(vec!["seed", "steps", "model", "text", "samples"]), inner),
                0..4
            )
            .prop_map(|fields| fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

proptest! {
    #[test]
    fn no_input_makes_the_reader_panic(node in 3..10u32, key in "[a-z_]{1,12}", value in any_json(), which in 0..8usize) {
        let mut graph = usual();
        let inputs = graph[node.to_string()]["inputs"].as_object_mut().unwrap();
        let key = inputs.keys().nth(which).cloned().unwrap_or(key);
        inputs.insert(key, value.clone());
        let _ = from_texts(&texts(&graph));
        let mut shown = workflow();
        let place = shown["nodes"][node as usize].as_object_mut().unwrap();
        let key = place.keys().nth(which).cloned().unwrap_or_default();
        place.insert(key, value);
        let _ = from_texts(&[(WORKFLOW_KEY.to_owned(), shown.to_string())]);
    }
}
