//! What a person sees while pictures are painted, on standard error: a bar on a terminal, a few plain lines elsewhere.

use super::paint::{Written, in_words};
use crate::diffusion::{Phase, Request};
use crate::engine::Event;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal, Write};

/// How many lines at most say that steps were made, for each picture.
const STEP_LINES: u32 = 5;

pub(super) struct Reporter {
    pictures: usize,
    bar: Option<ProgressBar>,
}

impl Reporter {
    pub(super) fn new(pictures: usize) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{msg:15} {wide_bar} {pos}/{len} {eta}");
            ProgressBar::new(1).with_style(style.expect("the template is well formed"))
        });
        Self { pictures, bar }
    }

    /// Something to know.
    pub(super) fn note(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| say(text)),
            None => say(text),
        }
    }

    pub(super) fn begin(&self, index: usize, request: &Request) {
        self.note(&format!("picture {} of {}: {}", index + 1, self.pictures, in_words(request)));
        if let Some(bar) = &self.bar {
            bar.reset();
            bar.set_length(u64::from(request.steps_to_run()));
        }
    }

    pub(super) fn event(&self, event: &Event) {
        match event {
            Event::JobPhase { phase, .. } => self.message(phase_in_words(*phase)),
            Event::JobStep { index, count, .. } => self.step(index + 1, *count),
            Event::ModelLoaded { model, seconds } if *seconds > 0.0 => {
                self.note(&format!("loaded {model} in {seconds:.1} s"));
            }
            _ => {}
        }
    }

    fn step(&self, made: u32, count: u32) {
        if let Some(bar) = &self.bar {
            bar.set_length(u64::from(count));
            bar.set_position(u64::from(made));
        } else if made == count || made.is_multiple_of(count.div_ceil(STEP_LINES)) {
            say(&format!("step {made} of {count}"));
        }
    }

    fn message(&self, text: &'static str) {
        if let Some(bar) = &self.bar {
            bar.set_message(text);
            bar.tick();
        }
    }

    pub(super) fn end(&self, written: &Written) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let painted = &written.painted;
        let stopped = if written.stopped { "stopped after" } else { "done:" };
        let steps = steps_in_words(painted.steps_made);
        self.note(&format!("{stopped} {steps} in {:.1} s: {}", painted.seconds, written.file.display()));
        for note in &painted.notes {
            self.note(note);
        }
    }

    pub(super) fn interrupted(&self, kept: usize) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        self.note(&format!("interrupted: {kept} of {} pictures kept", self.pictures));
    }
}

fn phase_in_words(phase: Phase) -> &'static str {
    match phase {
        Phase::LoadModel => "loading",
        Phase::EncodePrompt => "reading prompt",
        Phase::EncodePicture => "reading picture",
        Phase::Sample => "painting",
        Phase::Decode => "finishing",
    }
}

pub(super) fn steps_in_words(steps: u32) -> String {
    if steps == 1 { "1 step".to_owned() } else { format!("{steps} steps") }
}

/// A line on standard error. If nobody can read it, nobody misses it.
fn say(text: &str) {
    writeln!(std::io::stderr(), "{text}").unwrap_or_default();
}
