//! The JSON objects that `--json` prints. README.md documents them; scripts rely on them.

use super::JSON_VERSION;
use super::paint::{Done, Written};
use crate::diffusion::{Record, Request};
use crate::engine;
use crate::metadata::Found;
use serde_json::{Map, Value, json};
use std::convert::Infallible;
use std::path::Path;

/// What `sfumato paint --json` prints.
pub(super) fn done(done: &Done, error: Option<&anyhow::Error>) -> Value {
    json!({
        "version": JSON_VERSION,
        "pictures": done.pictures.iter().map(written).collect::<Vec<_>>(),
        "clip": done.clip,
        "notes": done.notes,
        "interrupted": done.interrupted,
        "error": error.map(failure),
    })
}

fn written(written: &Written) -> Value {
    let painted = &written.painted;
    json!({
        "file": absolute(&written.file),
        "outcome": if written.stopped { "stopped" } else { "finished" },
        "seed": painted.request.seed,
        "steps_made": painted.steps_made,
        "fit": written.fit,
        "seconds": painted.seconds,
        "request": record(&painted.request),
        "notes": painted.notes,
    })
}

/// The request with digests in place of pixels.
fn record(request: &Request) -> Value {
    let digests: Result<Record, Infallible> =
        request.clone().map_pixels(|picture| Ok(picture.digest()), |mask| Ok(mask.digest()));
    match digests {
        Ok(record) => serde_json::to_value(record).expect("a record is strings and finite numbers"),
    }
}

pub(super) fn failure(error: &anyhow::Error) -> Value {
    let next_step = error.downcast_ref::<engine::Error>().and_then(engine::Error::next_step);
    json!({ "message": sentence(error), "next_step": next_step })
}

/// An error as one line. Every error here says its cause itself; behind the first line some carry a backtrace.
pub fn sentence(error: &anyhow::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

/// The settings that were found, without those that were not.
pub(super) fn found(found: &Found) -> Value {
    let mut settings = Map::new();
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            settings.insert(key.to_owned(), value);
        }
    };
    put("model", found.model.clone().map(Value::from));
    put("model_hash", found.model_hash.clone().map(Value::from));
    put("vae", found.borrowed.vae.clone().map(Value::from));
    put("vae_hash", found.vae_hash.clone().map(Value::from));
    put("parts_from", found.borrowed.parts_from.clone().map(Value::from));
    put("prompt", found.prompt.clone().map(Value::from));
    put("negative_prompt", found.negative_prompt.clone().map(Value::from));
    put("extent", found.extent.map(|extent| json!({ "width": extent.width, "height": extent.height })));
    put("seed", found.seed.map(Value::from));
    put("sampler", found.sampler.map(|sampler| Value::from(sampler.key())));
    put("schedule", found.schedule.map(|schedule| Value::from(schedule.key())));
    put("steps", found.steps.map(Value::from));
    put("guidance_scale", found.guidance_scale.map(Value::from));
    put("precision", found.precision.map(|precision| Value::from(precision.name())));
    put("savings", found.savings.map(|savings| serde_json::to_value(savings).expect("finite numbers")));
    put("tuning", found.tuning.map(|tuning| serde_json::to_value(tuning).expect("finite numbers")));
    put("reproduce", found.reproduce.map(|reproduce| serde_json::to_value(reproduce).expect("finite numbers")));
    put("prediction", found.prediction.map(|prediction| Value::from(prediction.name())));
    put("clip_skip", found.clip_skip.map(Value::from));
    put("emphasis", found.emphasis.map(|emphasis| emphasis.key().into()));
    put("strength", found.strength.map(Value::from));
    put("image_guidance", found.image_guidance.map(Value::from));
    put(
        "control",
        found.control.as_ref().map(|control| serde_json::to_value(control).expect("strings and finite numbers")),
    );
    if let Some(masking) = &found.masking {
        put("masked", Some(masking.is_masked.into()));
        put("masked_content", Some(masking.content.key().into()));
        put("only_masked", Some(masking.only_masked.into()));
        put("soft_mask", Some(masking.soft.into()));
        put("match_colours", Some(masking.match_colours.into()));
        put("place", masking.place.map(|place| serde_json::to_value(place).expect("whole numbers")));
        put("regions", Some(masking.regions.clone().into()));
    }
    put("upscale_by", found.upscale_by.map(Value::from));
    put("refine", found.refine.map(Value::from));
    put("upscaler", found.upscaler.clone().map(Value::from));
    put("hints", (!found.hints.is_empty()).then(|| found.hints.clone().into()));
    put("steps_made", found.steps_made.map(Value::from));
    Value::Object(settings)
}

/// A path that still says the same in another folder.
pub(super) fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_without_its_backtrace() {
        assert_eq!(sentence(&anyhow::anyhow!("no room: free some\n  0: main\n  1: start")), "no room: free some");
    }
}
