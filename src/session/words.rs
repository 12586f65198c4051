//! What is asked of words while they are written, on a thread of its own: how many tokens they are, and which styles there are.

use super::document::sentence;
use super::worker::Worker;
use super::{Session, Wake};
use crate::checkpoints;
use crate::diffusion::Emphasis;
use crate::prompt::{Style, Tokenizer, at_each_step, together, weighted, weighted_absolutely};
use std::path::{Path, PathBuf};

/// How long a prompt is to the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Length {
    /// Its tokens; a chunk that was ended early counts whole.
    pub tokens: usize,
    /// How many the chunks have room for that it takes.
    pub room: usize,
}

/// What decides how long the prompts are.
#[derive(Clone, Debug, Default, PartialEq)]
struct Written {
    /// Where the model lies; none where it cannot be used.
    model: Option<PathBuf>,
    prompt: String,
    negative_prompt: String,
    emphasis: Emphasis,
    steps: u32,
    styles: Vec<Style>,
}

enum Task {
    /// Count the prompts' tokens for the model at this path.
    Count(PathBuf, Box<Written>),
    /// Read the styles in these folders.
    Styles(Vec<PathBuf>),
}

enum Answer {
    /// The lengths of the prompt and of the negative prompt; none where the model has no tokenizer that can be read.
    Counted(Option<[Length; 2]>),
    /// The styles, and why some could not be read.
    Styles(Vec<Style>, Vec<crate::prompt::Error>),
}

/// The thread, and what it was asked to count last.
pub(super) struct Words {
    worker: Worker<Task, Answer>,
    written: Written,
}

/// A tokenizer, and how many tokens its text encoder takes at once.
type Counter = (PathBuf, Option<(Tokenizer, usize)>);

pub(super) fn start(wake: Wake) -> Words {
    let answer = |counter: &mut Option<Counter>, task, tell: &dyn Fn(Answer)| tell(carry_out(counter, task));
    Words { worker: Worker::spawn("words", wake, || None, answer), written: Written::default() }
}

fn carry_out(counter: &mut Option<Counter>, task: Task) -> Answer {
    match task {
        Task::Styles(folders) => {
            let (styles, unread) = Style::of_folders(&folders);
            Answer::Styles(styles, unread)
        }
        Task::Count(path, written) => {
            if counter.as_ref().is_none_or(|(of, _)| *of != path) {
                *counter = Some((path.clone(), tokenizer(&path)));
            }
            let known = counter.as_ref().and_then(|(_, known)| known.as_ref());
            Answer::Counted(known.and_then(|(tokenizer, length)| counted(tokenizer, *length, &written)))
        }
    }
}

fn tokenizer(path: &Path) -> Option<(Tokenizer, usize)> {
    let opened = checkpoints::tokenizer(path);
    opened.inspect_err(|error| tracing::info!("the tokens of prompts are not counted: {error}")).ok()
}

fn counted(tokenizer: &Tokenizer, length: usize, written: &Written) -> Option<[Length; 2]> {
    let (prompt, negative) = Style::all_applied(&written.styles, &written.prompt, &written.negative_prompt);
    let of = |texts: Vec<String>| -> Option<Length> {
        let mut stages: Vec<_> =
            texts.iter().flat_map(|text| at_each_step(text, written.steps.clamp(1, 1000))).collect();
        stages.sort_unstable();
        stages.dedup();
        let mut longest = 0;
        for text in stages {
            let parts = match written.emphasis {
                Emphasis::ComfyUi => weighted_absolutely(&text),
                _ => weighted(&text),
            };
            longest = longest.max(tokenizer.count(parts, length).ok()?);
        }
        let room = length.saturating_sub(2).max(1);
        Some(Length { tokens: longest, room: longest.div_ceil(room).max(1) * room })
    };
    let prompts = together(&prompt).into_iter().map(|(prompt, _)| prompt).collect();
    Some([of(prompts)?, of(vec![negative])?])
}

impl Session {
    /// Has the prompts counted that are written now, if they are not counted yet; costs a comparison where they are.
    pub(super) fn count_words(&mut self) {
        let draft = &self.draft;
        let path = self.model().and_then(|model| model.details.as_ref()).map(|details| details.path.clone());
        let Written { model, prompt, negative_prompt, emphasis, steps, styles } = &self.words.written;
        let is_same = (model, prompt, negative_prompt) == (&path, &draft.prompt, &draft.negative_prompt)
            && (emphasis, steps, styles) == (&draft.emphasis, &draft.steps, &draft.styles);
        if is_same {
            return;
        }
        self.words.written = Written {
            model: path.clone(),
            prompt: draft.prompt.clone(),
            negative_prompt: draft.negative_prompt.clone(),
            emphasis: draft.emphasis,
            steps: draft.steps,
            styles: draft.styles.clone(),
        };
        match path {
            Some(path) => {
                self.words.worker.send(Task::Count(path, Box::new(self.words.written.clone())));
            }
            None => self.lengths = None,
        }
    }

    /// Has the styles read that there are now.
    pub(super) fn look_at_styles(&mut self) {
        self.words.worker.send(Task::Styles(self.paths.model_folders(&self.settings)));
    }

    pub(super) fn take_written(&mut self) {
        while let Some(answer) = self.words.worker.next() {
            match answer {
                Ok(Answer::Counted(lengths)) => self.lengths = lengths,
                Ok(Answer::Styles(styles, unread)) => {
                    self.styles = styles;
                    for error in unread {
                        self.notices.error(sentence(&error.to_string()));
                    }
                }
                Err(broken) => {
                    self.notices.error(sentence(&broken.to_string()));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(written: &Written) -> [(usize, usize); 2] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models/bozzetto");
        let (tokenizer, length) = checkpoints::tokenizer(&folder).unwrap();
        counted(&tokenizer, length, written).unwrap().map(|length| (length.tokens, length.room))
    }

    #[test]
    fn the_longest_of_what_is_painted_counts() {
        let room = {
            let [(tokens, room), _] = lengths(&Written::default());
            assert_eq!(tokens, 0);
            room
        };
        let written = |prompt: &str, negative: &str| Written {
            prompt: prompt.to_owned(),
            negative_prompt: negative.to_owned(),
            steps: 10,
            ..Written::default()
        };
        assert_eq!(lengths(&written("(red apple:1.3) <lora:x:1>", "")), [(2, room), (0, room)]);
        assert_eq!(lengths(&written("red AND red apple", "red [apple:red red:0.5]")), [(2, room), (3, room)]);
        assert_eq!(lengths(&written("red BREAK red apple", ""))[0], (room + 2, 2 * room));
        let many = vec!["red"; room + 1].join(" ");
        assert_eq!(lengths(&written(&many, ""))[0], (room + 1, 2 * room));
        let style = Style { name: "s".into(), prompt: "red {prompt}".into(), negative_prompt: "red".into() };
        let styled = Written { styles: vec![style], ..written("apple", "") };
        assert_eq!(lengths(&styled), [(2, room), (1, room)]);
    }
}
