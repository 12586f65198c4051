use super::*;
use crate::diffusion::Program;
use crate::metadata::from_texts;
use proptest::prelude::*;

fn imported(key: &str, text: &str) -> Imported {
    from_texts(&[(key.to_owned(), text.to_owned())]).unwrap()
}

/// As version 4.2 writes it.
const NEW: &str = r#"{"generation_mode": "txt2img", "positive_prompt": "a cat++ on (old stones)1.2", "negative_prompt": "blurry", "width": 512,
    "height": 768, "seed": 3225806, "rand_device": "cpu", "cfg_scale": 7.5, "cfg_rescale_multiplier": 0.3, "steps": 30,
    "scheduler": "dpmpp_2m_k", "clip_skip": 1, "seamless_x": false, "seamless_y": true,
    "model": {"key": "b9", "hash": "blake3:a7b4", "name": "Dreamer v8", "base": "sd-1", "type": "main"},
    "loras": [{"model": {"key": "c", "hash": "blake3:1", "name": "ink", "base": "sd-1", "type": "lora"}, "weight": 0.75}],
    "controlnets": [{"control_model": {"name": "canny"}, "control_weight": 1}], "ipAdapters": [], "vae": null, "app_version": "4.2.9"}"#;

#[test]
fn what_its_present_versions_write_is_read() {
    let Imported { settings: found, unknown, differences } = imported(KEY, NEW);
    assert_eq!(found.prompt.as_deref(), Some("a (cat:1.21) on (old stones:1.2) <lora:ink:0.75>"));
    assert_eq!((found.negative_prompt.as_deref(), found.model.as_deref()), (Some("blurry"), Some("Dreamer v8")));
    assert_eq!((found.seed, found.steps, found.guidance_scale), (Some(3_225_806), Some(30), Some(7.5)));
    assert_eq!((found.extent, found.clip_skip), (Some(Extent::new(512, 768)), Some(2)));
    assert_eq!(found.sampler, Some(SamplerName::DpmPlusPlus2M));
    assert_eq!(found.schedule, Some(ScheduleName::Karras));
    assert_eq!(found.tuning.unwrap().guidance_rescale.to_bits(), 0.3_f64.to_bits());
    let reproduce = found.reproduce.unwrap();
    assert_eq!((reproduce.program, reproduce.noise), (Program::Diffusers, NoiseSource::Cpu));
    // Its noise of later steps is of seed ^ 0xffffffff.
    assert_eq!(3_225_806_u64.wrapping_add_signed(reproduce.ensd), u64::from(!3_225_806_u32));
    let expected = [("controlnets".to_owned(), "canny".to_owned()), ("seamless_y".to_owned(), "true".to_owned())];
    assert_eq!(unknown, expected);
    assert!(differences[0].contains("blake3:a7b4"), "{differences:?}");
}

#[test]
fn what_version_3_wrote_is_read() {
    let text = r#"{"generation_mode": "img2img", "positive_prompt": "a hill", "negative_prompt": "", "steps": 20, "scheduler": "euler_a",
        "seed": 9, "strength": 0.4, "model": {"model_name": "dreamer", "base_model": "sd-1"}, "init_image": "a.png", "cfg_scale": 7,
        "loras": [{"lora": {"model_name": "ink", "base_model": "sd-1"}, "weight": 1.0}], "vae": {"model_name": "mse"}}"#;
    let found = imported(KEY, text).settings;
    assert_eq!((found.prompt.as_deref(), found.strength), (Some("a hill <lora:ink:1>"), Some(0.4)));
    assert_eq!((found.model.as_deref(), found.borrowed.vae.as_deref()), (Some("dreamer"), Some("mse")));
    assert_eq!(found.sampler, Some(SamplerName::EulerAncestral));
    assert_eq!(found.schedule, Some(ScheduleName::DdimUniform));
}

#[test]
fn what_version_2_wrote_is_read() {
    let text = r#"{"model": "stable diffusion", "model_weights": "deliberate_v08", "model_hash": "56d1442a", "app_id": "invoke-ai/InvokeAI",
        "app_version": "2.3.0", "image": {"prompt": [{"prompt": "a woman, long legs [glowing eyes, skinny]", "weight": 1.0}], "steps": 50,
        "cfg_scale": 5, "threshold": 0, "perlin": 0, "height": 768, "width": 512, "seed": 2980747362, "seamless": false,
        "hires_fix": false, "type": "txt2img", "postprocessing": [{"type": "esrgan", "scale": 4}], "sampler": "k_lms", "variations": []}}"#;
    let Imported { settings: found, unknown, .. } = imported(KEY_OF_OLD, text);
    assert_eq!(found.prompt.as_deref(), Some("a woman, long legs"));
    assert_eq!(found.negative_prompt.as_deref(), Some("glowing eyes, skinny"));
    assert_eq!((found.sampler, found.seed), (Some(SamplerName::Lms), Some(2_980_747_362)));
    assert_eq!(found.model.as_deref(), Some("deliberate_v08"));
    assert_eq!(unknown.len(), 1);
    assert_eq!(unknown[0].0, "postprocessing");
}

#[test]
fn the_line_of_its_first_version_is_read() {
    let text = r#""a cat, (old) [blurry]" -s 50 -S 2980747362 -W 512 -H 768 -C 5.0 -A k_euler_a -U 4 0.75"#;
    let Imported { settings: found, unknown, .. } = imported(KEY_OF_OLDEST, text);
    assert_eq!((found.prompt.as_deref(), found.negative_prompt.as_deref()), (Some("a cat, old"), Some("blurry")));
    assert_eq!((found.steps, found.extent), (Some(50), Some(Extent::new(512, 768))));
    assert_eq!(found.sampler, Some(SamplerName::EulerAncestral));
    assert_eq!(unknown, [("-U".to_owned(), "4".to_owned())]);
}

#[test]
fn weights_of_compel_become_brackets() {
    for (compel, ours) in [
        ("a cat+", "a (cat:1.1)"),
        ("(a cat)--, x", "(a cat:0.81), x"),
        ("(a cat)0.5. More", "(a cat:0.5). More"),
        ("a well-known 3-4 c++ (thing)", "a well-known 3-4 (c:1.21) thing"),
        ("\\(x\\) a) +", "\\(x\\) a\\) +"),
        ("((a)1.2 b)+", "((a:1.2) b:1.1)"),
    ] {
        assert_eq!(weighed(compel), ours);
    }
}

#[test]
fn what_is_of_another_kind_is_none_of_it() {
    for (key, text) in [(KEY, "{}"), (KEY, "[]"), (KEY_OF_OLD, "{\"image\": 3}"), (KEY_OF_OLDEST, "a cat -s 50")] {
        assert_eq!(from_texts(&[(key.to_owned(), text.to_owned())]), None, "{text}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_readers_panic(text in any::<String>(), prompt in "[a+()0-9.\\\\é -]{0,12}", wrong in 0..24usize) {
        for key in [KEY, KEY_OF_OLD, KEY_OF_OLDEST] {
            let _ = from_texts(&[(key.to_owned(), text.clone())]);
            let _ = from_texts(&[(key.to_owned(), format!("\"{prompt}\" -s {text}"))]);
        }
        let _ = weighed(&prompt);
        let mut value: Value = serde_json::from_str(NEW).unwrap();
        let key = value.as_object().unwrap().keys().nth(wrong).cloned().unwrap_or_default();
        value[key] = serde_json::json!({ "name": [text], "image": prompt });
        let _ = from_texts(&[(KEY.to_owned(), value.to_string())]);
    }
}
