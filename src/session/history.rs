use serde::{Deserialize, Serialize};

/// The prompts that were painted, walked like a shell's history: the prompt being written is the newest of all and comes back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<String>", into = "Vec<String>")]
pub struct History {
    /// Oldest first, no two alike.
    prompts: Vec<String>,
    walk: Option<Walk>,
}

#[derive(Clone, Debug, PartialEq)]
struct Walk {
    /// Which prompt is shown.
    at: usize,
    /// What was being written when the walk began.
    unfinished: String,
}

impl History {
    /// The most prompts that are remembered.
    pub const MAX: usize = 200;

    /// The prompts, oldest first.
    pub fn prompts(&self) -> &[String] {
        &self.prompts
    }

    /// Remembers a prompt that is painted; one that was there already becomes the newest.
    pub(super) fn remember(&mut self, prompt: &str) {
        self.walk = None;
        let prompt = prompt.trim();
        if prompt.is_empty() {
            return;
        }
        self.prompts.retain(|p| p != prompt);
        self.prompts.push(prompt.to_owned());
        let excess = self.prompts.len().saturating_sub(Self::MAX);
        self.prompts.drain(..excess);
    }

    /// The prompt before the one that is `shown`; none before the oldest.
    pub(super) fn older(&mut self, shown: &str) -> Option<String> {
        let walk = self.walk.take().filter(|walk| self.prompts.get(walk.at).is_some_and(|p| p == shown));
        let (before, unfinished) = if let Some(Walk { at, unfinished }) = walk {
            (at, unfinished)
        } else {
            // What is shown may be the newest prompt itself: going to it would look like nothing happened.
            let newest_is_shown = self.prompts.last().is_some_and(|p| p == shown.trim());
            (self.prompts.len() - usize::from(newest_is_shown), shown.to_owned())
        };
        let found = before.checked_sub(1);
        let at = found.unwrap_or(before);
        if at < self.prompts.len() {
            self.walk = Some(Walk { at, unfinished });
        }
        found.map(|at| self.prompts[at].clone())
    }

    /// The prompt after the one that is `shown`; after the newest, what was being written. None if nothing is newer.
    pub(super) fn newer(&mut self, shown: &str) -> Option<String> {
        let Walk { at, unfinished } =
            self.walk.take().filter(|walk| self.prompts.get(walk.at).is_some_and(|p| p == shown))?;
        let next = at + 1;
        let Some(prompt) = self.prompts.get(next) else {
            return Some(unfinished);
        };
        if next + 1 == self.prompts.len() && *prompt == unfinished.trim() {
            return Some(unfinished);
        }
        self.walk = Some(Walk { at: next, unfinished });
        Some(prompt.clone())
    }
}

impl From<Vec<String>> for History {
    fn from(prompts: Vec<String>) -> Self {
        let mut history = Self::default();
        for prompt in &prompts {
            history.remember(prompt);
        }
        history
    }
}

impl From<History> for Vec<String> {
    fn from(history: History) -> Self {
        history.prompts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(prompts: &[&str]) -> History {
        prompts.iter().map(|&p| p.to_owned()).collect::<Vec<_>>().into()
    }

    #[test]
    fn the_unfinished_prompt_comes_back_after_a_walk() {
        let mut history = history(&["red apple", "green pear"]);
        assert_eq!(history.older("blue c").as_deref(), Some("green pear"));
        assert_eq!(history.older("green pear").as_deref(), Some("red apple"));
        assert_eq!(history.older("red apple"), None);
        assert_eq!(history.newer("red apple").as_deref(), Some("green pear"));
        assert_eq!(history.newer("green pear").as_deref(), Some("blue c"));
        assert_eq!(history.newer("blue c"), None);
    }

    #[test]
    fn a_prompt_changed_on_the_walk_is_the_unfinished_one_now() {
        let mut history = history(&["red apple", "green pear"]);
        history.older("blue c");
        assert_eq!(history.newer("green pear tree"), None);
        assert_eq!(history.older("green pear tree").as_deref(), Some("green pear"));
        assert_eq!(history.newer("green pear").as_deref(), Some("green pear tree"));
    }

    #[test]
    fn the_prompt_just_painted_is_not_offered_as_an_older_one() {
        let mut history = history(&["red apple", "green pear"]);
        assert_eq!(history.older("green pear").as_deref(), Some("red apple"));
        assert_eq!(history.newer("red apple").as_deref(), Some("green pear"));
    }

    #[test]
    fn no_prompt_is_there_twice_and_the_oldest_go() {
        let mut history = History::default();
        for n in 0..250 {
            history.remember(&format!("apple {n}"));
        }
        history.remember(" apple 100 ");
        history.remember("  ");
        assert_eq!(history.prompts().len(), History::MAX);
        assert_eq!(history.prompts().first().map(String::as_str), Some("apple 50"));
        assert_eq!(history.prompts().last().map(String::as_str), Some("apple 100"));
        assert_eq!(history.prompts().iter().filter(|p| *p == "apple 100").count(), 1);
    }

    #[test]
    fn an_empty_history_changes_nothing() {
        let mut history = History::default();
        assert_eq!((history.older("x"), history.newer("x")), (None, None));
    }
}
