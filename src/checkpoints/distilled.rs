//! Models that were taught to finish in a few steps, without guidance. No tensor shows it: their names do, what is written into their
//! files, or the scheduler that came with them.

use crate::networks::UNetConfig;
use serde_json::Value;

/// How a model was taught to finish early, which decides how it is sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distilled {
    /// By an adversary (Sauer et al. 2023): SD Turbo, SDXL Turbo.
    Turbo,
    /// To be consistent along a path (Luo et al. 2023).
    Lcm,
    /// Step by step, by an adversary (Lin et al. 2024): SDXL Lightning.
    Lightning,
    /// Piece by piece of the path (Ren et al. 2024): Hyper-SD.
    Hyper,
    /// By matching distributions (Yin et al. 2024): DMD2.
    Dmd,
    /// To be consistent between any two points of a path (Zheng et al. 2024).
    Tcd,
}

/// The words that stand for each in names.
const WORDS: [(&str, Distilled); 8] = [
    ("turbo", Distilled::Turbo),
    ("lcm", Distilled::Lcm),
    ("lightning", Distilled::Lightning),
    ("hyper", Distilled::Hyper),
    ("hypersd", Distilled::Hyper),
    ("hypersdxl", Distilled::Hyper),
    ("dmd", Distilled::Dmd),
    ("tcd", Distilled::Tcd),
];

/// More steps than any of them was taught to finish in.
const MOST_STEPS: u32 = 16;

impl Distilled {
    /// How it is called, and spelled in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Turbo => "Turbo",
            Self::Lcm => "LCM",
            Self::Lightning => "Lightning",
            Self::Hyper => "Hyper",
            Self::Dmd => "DMD",
            Self::Tcd => "TCD",
        }
    }

    /// What a name says, and in how many steps it says that a picture is finished: `sdxl_lightning_4step`, `DreamShaperXL_TurboV2`.
    pub(super) fn in_name(name: &str) -> (Option<Self>, Option<u32>) {
        let words = words(name);
        let kind = |(index, word): (usize, &String)| {
            // Turbo stands in front of other words. Much is called hyperreal that is not Hyper-SD.
            let is_it = |sign: &str| word == sign || (sign == "turbo" && word.starts_with(sign));
            let other = words.get(index + 1).is_some_and(|next| word == "hyper" && next.starts_with("real"));
            WORDS.iter().find(|(sign, _)| is_it(sign) && !other).map(|(_, kind)| *kind)
        };
        let steps = words.windows(2).filter(|pair| pair[1] == "step" || pair[1] == "steps");
        let steps = steps.filter_map(|pair| pair[0].parse().ok()).find(|steps| (1..=MOST_STEPS).contains(steps));
        (words.iter().enumerate().find_map(kind), steps)
    }

    /// What `scheduler_config.json` says: the class of the scheduler, and for those of Turbo, which others share, that scheduler and U-Net
    /// are set as Turbo's: SDXL Turbo and SD Turbo paint 512 pixels a side, the latter with the words of the second generation.
    pub(super) fn in_scheduler(config: &Value, unet: &UNetConfig) -> Option<Self> {
        let text = |field: &str| config.get(field).and_then(Value::as_str).unwrap_or_default();
        let is_rescaled = config.get("rescale_betas_zero_snr").and_then(Value::as_bool).unwrap_or(false);
        let estimates_noise = ["", "epsilon"].contains(&text("prediction_type"));
        let trails = text("timestep_spacing") == "trailing" && estimates_noise && !is_rescaled;
        let could_be_turbo = trails && unet.sample_size == Some((64, 64));
        match text("_class_name") {
            "LCMScheduler" => Some(Self::Lcm),
            "TCDScheduler" => Some(Self::Tcd),
            "EulerAncestralDiscreteScheduler" if could_be_turbo && unet.addition.is_some() => Some(Self::Turbo),
            "EulerDiscreteScheduler" if could_be_turbo && unet.conditioning_width() == WORDS_OF_SD_2 => {
                Some(Self::Turbo)
            }
            _ => None,
        }
    }
}

/// How wide the conditioning of Stable Diffusion 2 is.
const WORDS_OF_SD_2: usize = 1024;

/// Whether a name is that of SDXL Turbo itself, which paints 512 pixels a side; what others made of it paints what XL paints.
pub(super) fn is_sdxl_turbo(name: &str) -> bool {
    let words = words(name);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    words.starts_with(&["sd", "xl", "turbo"]) || words.starts_with(&["sdxl", "turbo"])
}

/// The words of a name in lower case: they end where letters and digits meet, before a capital after a small letter, and at all else.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for letter in name.chars() {
        let ends = (before.is_lowercase() && letter.is_uppercase())
            || before.is_ascii_digit() != letter.is_ascii_digit()
            || !letter.is_alphanumeric();
        if ends {
            words.push(String::new());
        }
        if letter.is_alphanumeric() {
            words.last_mut().expect("there is one from the start").extend(letter.to_lowercase());
        }
        before = letter;
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_say_how_a_model_was_distilled_and_in_how_many_steps_it_finishes() {
        use Distilled::{Dmd, Hyper, Lcm, Lightning, Tcd, Turbo};
        for (name, expected) in [
            ("sd_xl_turbo_1.0_fp16", (Some(Turbo), None)),
            ("sd_turbo", (Some(Turbo), None)),
            ("dreamshaperXL_v21TurboDPMSDE", (Some(Turbo), None)),
            ("turbovisionxlSuperFastXL", (Some(Turbo), None)),
            ("LCM_Dreamshaper_v7_4k", (Some(Lcm), None)),
            ("sdxl_lightning_4step", (Some(Lightning), Some(4))),
            ("realvisxlV40_v40LightningBakedvae", (Some(Lightning), None)),
            ("Hyper-SDXL-8steps", (Some(Hyper), Some(8))),
            ("HyperSD15-1step", (Some(Hyper), Some(1))),
            ("dmd2_sdxl_4step_unet_fp16", (Some(Dmd), Some(4))),
            ("tcd-xl", (Some(Tcd), None)),
            ("HyperRealistic_v3", (None, None)),
            ("hyperrealism 8-step", (None, Some(8))),
            ("step_300_steps", (None, None)),
            ("v1-5-pruned-emaonly", (None, None)),
            ("", (None, None)),
        ] {
            assert_eq!(Distilled::in_name(name), expected, "{name}");
        }
        assert!(is_sdxl_turbo("sd_xl_turbo_1.0_fp16") && is_sdxl_turbo("sdxl-turbo"));
        assert!(!is_sdxl_turbo("DreamShaperXL_Turbo") && !is_sdxl_turbo("sd_turbo"));
    }

    #[test]
    fn schedulers_say_it_by_their_class_and_turbos_by_how_they_are_set() {
        let unet = |width: usize, side: usize, is_xl: bool| {
            let addition = json!({ "addition_embed_type": "text_time", "addition_time_embed_dim": 256, "projection_class_embeddings_input_dim": 2816 });
            let mut config = json!({
                "block_out_channels": [32], "down_block_types": ["CrossAttnDownBlock2D"], "up_block_types": ["CrossAttnUpBlock2D"],
                "cross_attention_dim": width, "sample_size": side,
            });
            if is_xl {
                config.as_object_mut().unwrap().extend(addition.as_object().unwrap().clone());
            }
            UNetConfig::from_json(&config.to_string()).unwrap()
        };
        let said = |class: &str, more: Value, unet: &UNetConfig| {
            let mut config = json!({ "_class_name": class, "timestep_spacing": "trailing" });
            config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            Distilled::in_scheduler(&config, unet)
        };
        let (second, xl) = (unet(1024, 64, false), unet(2048, 64, true));
        assert_eq!(said("LCMScheduler", json!({ "timestep_spacing": "leading" }), &second), Some(Distilled::Lcm));
        assert_eq!(said("TCDScheduler", json!({}), &xl), Some(Distilled::Tcd));
        let (of_xl, of_second) = ("EulerAncestralDiscreteScheduler", "EulerDiscreteScheduler");
        assert_eq!(said(of_xl, json!({}), &xl), Some(Distilled::Turbo));
        assert_eq!(said(of_second, json!({ "prediction_type": "epsilon" }), &second), Some(Distilled::Turbo));
        for (class, more, unet) in [
            (of_second, json!({ "rescale_betas_zero_snr": true }), &second),
            (of_second, json!({ "prediction_type": "v_prediction" }), &second),
            (of_second, json!({ "timestep_spacing": "leading" }), &second),
            (of_second, json!({}), &unet(1024, 96, false)),
            (of_second, json!({}), &unet(768, 64, false)),
            (of_second, json!({}), &xl),
            (of_xl, json!({}), &unet(2048, 128, true)),
        ] {
            assert_eq!(said(class, more.clone(), unet), None, "{class} {more}");
        }
    }
}
