//! `sfumato bench`: where the seconds of a picture go on this machine, painted by the same engine as for the window.

use super::paint::{in_words, paint_one};
use super::{BenchArgs, JSON_VERSION, Usage, library, models, print, print_json};
use crate::diffusion::{Borrowed, Emphasis, Phase, Precision, Reproduce, Request, Savings, Tuning};
use crate::engine::{self, CancelToken, Event, Job, JobId, Memory, Priority};
use anyhow::bail;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Instant;

/// Every run paints the same: how long it takes does not depend on the words.
const PROMPT: &str = "red apple";
const SEED: u64 = 7;

pub(super) fn run(args: &BenchArgs) -> anyhow::Result<()> {
    let folder = args.model.as_deref().map(Path::new).filter(|path| path.exists());
    let (library, settings) = library(folder);
    let chosen = models::chosen(&library, args.model.as_deref(), settings.last_model.as_deref())?;
    let defaults = chosen.defaults;
    let request = Request {
        model: chosen.name,
        borrowed: Borrowed::default(),
        prompt: PROMPT.to_owned(),
        negative_prompt: String::new(),
        extent: args.size.unwrap_or(defaults.extent).rounded_to(8),
        seed: SEED,
        sampler: defaults.sampler,
        schedule: defaults.schedule,
        steps: args.steps.unwrap_or(defaults.steps),
        guidance_scale: defaults.guidance_scale,
        precision: args.precision.unwrap_or_else(|| Precision::usual(&engine::device())),
        savings: Savings::default(),
        tuning: Tuning::default(),
        prediction: None,
        clip_skip: 1,
        emphasis: Emphasis::Original,
        reproduce: Reproduce::default(),
        input: None,
        control: None,
        upscale: None,
        hints: Vec::new(),
    };
    let request = request.checked().map_err(|invalid| Usage(invalid.to_string()))?;

    // With `--device` it is open already: how long that took must not count without.
    engine::device();
    // Each run measures the same: nothing is kept of the weights, which would be written beside what is measured, nor is taken what was.
    let client = engine::spawn(library, Priority::Normal, Memory::Sparing, None, || {});
    let mut stopwatch = Stopwatch::start();
    let job = Job::new(JobId(0), Box::new(request.clone()), CancelToken::default());
    if paint_one(&client, job, None, &mut |event| stopwatch.see(event))?.picture.is_none() {
        bail!("the picture was not finished: try again");
    }
    let times = stopwatch.times;
    if args.json { print_json(&as_json(&request, &times)) } else { print(&as_text(&request, &times)) }
}

/// In seconds.
#[derive(Debug, Default)]
struct Times {
    load: f64,
    text: f64,
    /// Each step.
    steps: Vec<f64>,
    decode: f64,
    /// From the start to the end of the first step.
    first_step: f64,
    total: f64,
}

impl Times {
    /// The median, the shortest and the longest step.
    fn of_a_step(&self) -> [f64; 3] {
        let mut steps = self.steps.clone();
        steps.sort_by(f64::total_cmp);
        let count = steps.len();
        [f64::midpoint(steps[(count - 1) / 2], steps[count / 2]), steps[0], steps[count - 1]]
    }
}

/// Tells from the engine's events when each phase began and ended.
struct Stopwatch {
    times: Times,
    started: Instant,
    phase: Option<(Phase, Instant)>,
}

impl Stopwatch {
    fn start() -> Self {
        Self { times: Times::default(), started: Instant::now(), phase: None }
    }

    fn see(&mut self, event: &Event) {
        match event {
            Event::JobPhase { phase, .. } => {
                self.end_phase();
                self.phase = Some((*phase, Instant::now()));
            }
            Event::JobStep { index, .. } => self.step(*index as usize + 1),
            Event::JobEnded { .. } => {
                self.end_phase();
                self.times.total = self.started.elapsed().as_secs_f64();
            }
            _ => {}
        }
    }

    fn end_phase(&mut self) {
        let Some((phase, began)) = self.phase.take() else { return };
        let seconds = began.elapsed().as_secs_f64();
        match phase {
            // Twice: what is needed later is loaded later.
            Phase::LoadModel => self.times.load += seconds,
            Phase::EncodePrompt => self.times.text = seconds,
            Phase::Decode => self.times.decode = seconds,
            // What follows the last step is nothing; no picture is encoded, none upscaled.
            Phase::Sample | Phase::EncodePicture | Phase::Upscale => {}
        }
    }

    /// `made` steps are made. The engine may leave out a step's event, but not for long: those that are new share the time.
    fn step(&mut self, made: usize) {
        let Some((_, since)) = &mut self.phase else { return };
        let new = made.saturating_sub(self.times.steps.len());
        if self.times.steps.is_empty() {
            self.times.first_step = self.started.elapsed().as_secs_f64();
        }
        self.times.steps.extend(std::iter::repeat_n(since.elapsed().as_secs_f64() / new.max(1) as f64, new));
        *since = Instant::now();
    }
}

fn as_json(request: &Request, times: &Times) -> Value {
    let [median, min, max] = times.of_a_step();
    json!({
        "version": JSON_VERSION,
        "model": request.model,
        "extent": { "width": request.extent.width, "height": request.extent.height },
        "steps": request.steps,
        "sampler": request.sampler.key(),
        "schedule": request.schedule.key(),
        "guidance_scale": request.guidance_scale,
        "precision": request.precision.name(),
        "device": engine::device_name(),
        "threads": rayon::current_num_threads(),
        "vectors": vectors(),
        "load_seconds": times.load,
        "text_seconds": times.text,
        "step_seconds": { "median": median, "min": min, "max": max },
        "decode_seconds": times.decode,
        "first_step_seconds": times.first_step,
        "total_seconds": times.total,
        "peak_bytes": peak_bytes(),
    })
}

fn as_text(request: &Request, times: &Times) -> String {
    let [median, min, max] = times.of_a_step();
    let vectors = vectors().map(|vectors| format!(", {vectors}")).unwrap_or_default();
    let memory =
        peak_bytes().map(|bytes| format!("memory  {:8} MiB at most\n", bytes.div_ceil(1 << 20))).unwrap_or_default();
    format!(
        "{}\n{}{vectors}\n\
         load    {:8.3} s\n\
         text    {:8.3} s\n\
         step    {median:8.3} s  (the middle of {}: {min:.3} to {max:.3} s)\n\
         decode  {:8.3} s\n\
         total   {:8.3} s  (the first step was made after {:.3} s)\n\
         {memory}",
        in_words(request),
        engine::device_name(),
        times.load,
        times.text,
        times.steps.len(),
        times.decode,
        times.total,
        times.first_step,
    )
}

/// The widest vectors of floating-point numbers that the processor has, where that is known and the processor computes.
fn vectors() -> Option<&'static str> {
    if !engine::device().is_cpu() {
        return None;
    }
    #[cfg(target_arch = "x86_64")]
    let known = [
        (std::is_x86_feature_detected!("avx512f"), "AVX-512"),
        (std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma"), "AVX2 and FMA"),
        (true, "SSE2"),
    ];
    #[cfg(not(target_arch = "x86_64"))]
    let known = [(cfg!(target_arch = "aarch64"), "NEON")];
    known.iter().find(|(is_there, _)| *is_there).map(|(_, name)| *name)
}

/// The most memory that this process has held, where the system tells: on Linux. What a GPU held is not known.
fn peak_bytes() -> Option<u64> {
    if !engine::device().is_cpu() {
        return None;
    }
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread::sleep;
    use std::time::Duration;

    #[test]
    fn the_middle_of_an_even_number_of_steps_lies_between_two() {
        let times = Times { steps: vec![4.0, 1.0, 2.0, 8.0], ..Times::default() };
        assert!(
            times
                .of_a_step()
                .into_iter()
                .zip([3.0, 1.0, 8.0])
                .all(|(found, expected)| found.total_cmp(&expected).is_eq())
        );
    }

    #[test]
    fn steps_whose_event_is_missing_share_the_time_of_the_next() {
        let mut stopwatch = Stopwatch::start();
        stopwatch.see(&Event::JobPhase { id: JobId(0), phase: Phase::Sample });
        stopwatch.step(1);
        sleep(Duration::from_millis(20));
        stopwatch.step(3);
        let steps = &stopwatch.times.steps;
        assert_eq!(steps.len(), 3);
        assert!(steps[1] >= 0.010 && (steps[1] - steps[2]).abs() < f64::EPSILON, "{steps:?}");
    }
}
