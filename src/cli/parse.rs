//! From the words of a command line to values, or to what is wrong with them.

use crate::diffusion::{
    Emphasis, MAX_FACTOR, Precision, Prediction, Preprocessor, Request, SamplerName, Savings, ScheduleName,
};
use crate::geom::Extent;

pub(super) fn sampler_help() -> String {
    let keys: Vec<_> = SamplerName::ALL.iter().map(|sampler| sampler.key()).collect();
    format!("How to get from one noise level to the next: {} [default: what suits the model]", keys.join(", "))
}

pub(super) fn schedule_help() -> String {
    let keys: Vec<_> = ScheduleName::ALL.iter().map(|schedule| schedule.key()).collect();
    format!("Which noise levels to visit: {} [default: what suits the model]", keys.join(", "))
}

pub(super) fn sampler_named(name: &str) -> Result<SamplerName, String> {
    let keys = || SamplerName::ALL.iter().map(|sampler| sampler.key()).collect::<Vec<_>>().join(", ");
    SamplerName::from_name(name).ok_or_else(|| format!("there is no such sampler: choose one of {}", keys()))
}

pub(super) fn emphasis_named(name: &str) -> Result<Emphasis, String> {
    let keys = || Emphasis::ALL.iter().map(|emphasis| emphasis.key()).collect::<Vec<_>>().join(", ");
    Emphasis::from_name(name).ok_or_else(|| format!("there is no such emphasis: choose one of {}", keys()))
}

pub(super) fn schedule_named(name: &str) -> Result<ScheduleName, String> {
    let keys = || ScheduleName::ALL.iter().map(|schedule| schedule.key()).collect::<Vec<_>>().join(", ");
    ScheduleName::from_name(name).ok_or_else(|| format!("there is no such schedule: choose one of {}", keys()))
}

pub(super) fn preprocessor_named(name: &str) -> Result<Preprocessor, String> {
    let keys = || Preprocessor::ALL.iter().map(|one| one.key()).collect::<Vec<_>>().join(", ");
    Preprocessor::from_name(name).ok_or_else(|| format!("there is no such way to see lines: choose one of {}", keys()))
}

pub(super) fn prediction_named(name: &str) -> Result<Prediction, String> {
    Prediction::from_name(name).ok_or_else(|| "there is no such prediction: choose epsilon, v or sample".to_owned())
}

pub(super) fn precision_named(name: &str) -> Result<Precision, String> {
    Precision::from_name(name).ok_or_else(|| "there is no such precision: choose f32, f16, bf16 or int8".to_owned())
}

pub(super) fn number_between(text: &str, low: f64, high: f64) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if (low..=high).contains(&number) => Ok(number),
        _ => Err(format!("choose a number between {low} and {high}")),
    }
}

pub(super) fn whole_between(text: &str, low: u32, high: u32) -> Result<u32, String> {
    match text.parse() {
        Ok(number) if (low..=high).contains(&number) => Ok(number),
        _ => Err(format!("choose a whole number between {low} and {high}")),
    }
}

pub(super) fn seed_of(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("choose a whole number between 0 and {}, or leave it out for a random one", u64::MAX))
}

pub(super) fn guidance_of(text: &str) -> Result<f64, String> {
    number_between(text, 0.0, 50.0)
}

pub(super) fn strength_of(text: &str) -> Result<f64, String> {
    number_between(text, 0.0, 1.0)
}

pub(super) fn weight_of(text: &str) -> Result<f64, String> {
    number_between(text, 0.0, 2.0)
}

pub(super) fn sigma_of(text: &str) -> Result<f64, String> {
    number_between(text, 0.0, Savings::MAX_SIGMA)
}

pub(super) fn factor_of(text: &str) -> Result<f64, String> {
    number_between(text, 1.0, MAX_FACTOR)
}

pub(super) fn extent_of(text: &str) -> Result<Extent, String> {
    let sides = text.split_once(['x', 'X', '×']).map(|(width, height)| [width.trim(), height.trim()]);
    let is_number = |side: &str| !side.is_empty() && side.bytes().all(|byte| byte.is_ascii_digit());
    match sides.map(|sides| (sides.map(str::parse::<u32>), sides.into_iter().all(is_number))) {
        Some(([Ok(width), Ok(height)], _)) if width > 0 && height > 0 => Ok(Extent::new(width, height)),
        Some((_, true)) => Err(format!("each side must be between 8 and {} pixels", Request::<(), ()>::MAX_SIDE)),
        _ => Err("write a size as WIDTHxHEIGHT in pixels, such as 128x128".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_two_numbers_above_nothing() {
        assert_eq!(extent_of("128x64"), Ok(Extent::new(128, 64)));
        assert_eq!(extent_of("128×64"), Ok(Extent::new(128, 64)));
        for wrong in ["", "128", "x", "0x8", "8x0", "-8x8", "8x8x8", "99999999999x8"] {
            assert!(extent_of(wrong).is_err(), "{wrong}");
        }
        for (wrong, says) in
            [("0x8", "between 8 and 4096"), ("99999999999x8", "between 8 and 4096"), ("8", "WIDTHxHEIGHT")]
        {
            assert!(extent_of(wrong).unwrap_err().contains(says), "{wrong}");
        }
    }

    #[test]
    fn what_is_not_a_number_in_range_is_refused() {
        for wrong in ["NaN", "inf", "-0.1", "1.1", "a lot", ""] {
            assert!(strength_of(wrong).is_err(), "{wrong}");
        }
        assert_eq!(strength_of("0.5"), Ok(0.5));
    }
}
