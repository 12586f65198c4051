//! What a person sees while pictures are painted, on standard error: a bar on a terminal, a few plain lines elsewhere.

use super::paint::Written;
use crate::checkpoints::download;
use crate::diffusion::Phase;
use crate::engine::Event;
use indicatif::{ProgressBar, ProgressStyle};
use std::cell::Cell;
use std::io::{IsTerminal, Write};

/// How many lines at most say that steps were made, for each picture.
const STEP_LINES: u32 = 5;

pub(super) struct Reporter {
    pictures: usize,
    bar: Option<ProgressBar>,
    /// What was told last of something that is told more often than it changes.
    last_made: Cell<u32>,
}

impl Reporter {
    pub(super) fn new(pictures: usize) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{msg:15} {wide_bar} {pos}/{len} {eta}");
            ProgressBar::new(1).with_style(style.expect("the template is well formed"))
        });
        Self { pictures, bar, last_made: Cell::new(0) }
    }

    /// Something to know.
    pub(super) fn note(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| say(text)),
            None => say(text),
        }
    }

    pub(super) fn begin(&self, index: usize, what: &str) {
        self.note(&format!("picture {} of {}: {what}", index + 1, self.pictures));
        if let Some(bar) = &self.bar {
            bar.reset();
        }
    }

    pub(super) fn event(&self, event: &Event) {
        match event {
            Event::JobPhase { phase, .. } => self.message(phase_in_words(*phase)),
            Event::JobStep { index, count, .. } => self.made("step", index + 1, *count),
            Event::JobPiece { index, count, .. } => self.piece(*index, *count),
            Event::ModelLoaded { model, seconds } if *seconds > 0.0 => {
                self.note(&format!("loaded {model} in {seconds:.1} s"));
            }
            _ => {}
        }
    }

    pub(super) fn piece(&self, index: u32, count: u32) {
        self.message(phase_in_words(Phase::Upscale));
        self.made("piece", index, count);
    }

    /// So much of a download is there.
    pub(super) fn downloaded(&self, progress: &download::Progress) {
        let in_megabytes = |bytes: u64| u32::try_from(bytes / 1_000_000).unwrap_or(u32::MAX);
        self.message("downloading");
        self.reached("MB", in_megabytes(progress.bytes), in_megabytes(progress.total));
    }

    /// Says it in a few lines, once each.
    fn reached(&self, what: &str, made: u32, count: u32) {
        if self.bar.is_some() || self.last_made.replace(made) != made {
            self.made(what, made, count);
        }
    }

    /// Pictures of a gallery were looked at.
    pub(super) fn looked(&self, made: u32, count: u32) {
        self.message("looking");
        self.made("picture", made, count);
    }

    fn made(&self, what: &str, made: u32, count: u32) {
        if let Some(bar) = &self.bar {
            bar.set_length(u64::from(count));
            bar.set_position(u64::from(made));
        } else if made > 0 && (made == count || made.is_multiple_of(count.div_ceil(STEP_LINES))) {
            say(&format!("{what} {made} of {count}"));
        }
    }

    fn message(&self, text: &'static str) {
        if let Some(bar) = &self.bar {
            bar.set_message(text);
            bar.tick();
        }
    }

    pub(super) fn end(&self, written: &Written) {
        let painted = &written.painted;
        let stopped = if written.stopped { "stopped after" } else { "done:" };
        let steps = steps_in_words(painted.steps_made);
        self.done(&format!("{stopped} {steps} in {:.1} s: {}", painted.seconds, written.file.display()));
        for note in &painted.notes {
            self.note(note);
        }
    }

    pub(super) fn done(&self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        self.note(text);
    }

    pub(super) fn interrupted(&self, kept: usize) {
        self.done(&format!("interrupted: {kept} of {} pictures kept", self.pictures));
    }
}

fn phase_in_words(phase: Phase) -> &'static str {
    match phase {
        Phase::LoadModel => "loading",
        Phase::EncodePrompt => "reading prompt",
        Phase::EncodePicture => "reading picture",
        Phase::Sample => "painting",
        Phase::Decode => "finishing",
        Phase::Upscale => "upscaling",
    }
}

pub(super) fn steps_in_words(steps: u32) -> String {
    if steps == 1 { "1 step".to_owned() } else { format!("{steps} steps") }
}

/// A line on standard error. If nobody can read it, nobody misses it.
fn say(text: &str) {
    writeln!(std::io::stderr(), "{text}").unwrap_or_default();
}
