use super::spacing::is_han;
use super::{Part, weighted};
use std::collections::HashSet;

/// The words that a small model was taught. Its byte-level tokens can spell all others too, so that the vocabulary says nothing of
/// what they mean to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaughtWords {
    words: HashSet<String>,
    /// Of the longest phrase in Han characters.
    longest: usize,
}

impl TaughtWords {
    /// Of a file's text: a word or, in Han characters, a phrase on every line; empty lines and those that begin with # do not count.
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let words: HashSet<String> = lines.map(str::to_lowercase).collect();
        let longest = words.iter().filter(|word| word.chars().all(is_han)).map(|word| word.chars().count()).max();
        Self { words, longest: longest.unwrap_or(0) }
    }

    /// The words of a prompt, in its own grammar of weights, that the model was not taught, each once and as it was written. Of Han
    /// characters, which no spaces part, the longest phrase that was taught counts at each place.
    pub fn missing_in(&self, prompt: &str) -> Vec<String> {
        let mut missing = Vec::new();
        for part in weighted(prompt) {
            let Part::Text(text, _) = part else { continue };
            for run in text
                .split(['\'', '\u{2019}'])
                .enumerate()
                .flat_map(|(at, piece)| runs(if at > 0 { behind_possessive(piece) } else { piece }))
            {
                let pieces = if run.starts_with(is_han) { self.missing_phrases(run) } else { self.missing_word(run) };
                for piece in pieces {
                    if !missing.contains(&piece) {
                        missing.push(piece);
                    }
                }
            }
        }
        missing
    }

    fn missing_word(&self, word: &str) -> Vec<String> {
        if self.words.contains(&word.to_lowercase()) { Vec::new() } else { vec![word.to_owned()] }
    }

    /// What is left of a run of Han characters between the phrases that were taught.
    fn missing_phrases(&self, run: &str) -> Vec<String> {
        let (mut missing, mut open, mut rest) = (Vec::new(), String::new(), run);
        while let Some(first) = rest.chars().next() {
            let ends = rest.char_indices().map(|(at, character)| at + character.len_utf8()).take(self.longest);
            if let Some(end) = ends.filter(|&end| self.words.contains(&rest[..end])).last() {
                missing.push(std::mem::take(&mut open));
                rest = &rest[end..];
            } else {
                open.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
        missing.push(open);
        missing.retain(|piece| !piece.is_empty());
        missing
    }
}

/// What follows an apostrophe, without the s of a possessive.
fn behind_possessive(text: &str) -> &str {
    let rest = text.strip_prefix(['s', 'S']).unwrap_or(text);
    if rest.starts_with(char::is_alphanumeric) { text } else { rest }
}

/// What a character belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Han,
    Word,
    Symbol,
    Between,
}

impl Kind {
    fn of(character: char) -> Self {
        match character {
            _ if is_han(character) => Self::Han,
            _ if character.is_alphanumeric() => Self::Word,
            // Arrows, signs and emoji with what varies them; what lies among them is punctuation.
            '\u{2E00}'..='\u{2E7F}' | '\u{3000}'..='\u{303F}' | '\u{FE10}'..='\u{FFEF}' => Self::Between,
            '\u{2190}'.. => Self::Symbol,
            _ => Self::Between,
        }
    }
}

/// Runs of characters of one kind.
fn runs(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|character| Kind::of(character) == Kind::Between);
        let kind = Kind::of(rest.chars().next()?);
        let end = rest.find(|character| Kind::of(character) != kind).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        rest = after;
        Some(run)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(prompt: &str) -> Vec<String> {
        TaughtWords::parse("# what it knows\nred\napple\nApples\n3d\n\na\n红\n苹果\n红苹果\n果园\n").missing_in(prompt)
    }

    #[test]
    fn words_that_were_not_taught_are_named_once_as_they_were_written() {
        assert_eq!(missing("a red apple, RED apples; 3D (a:1.2) BREAK [red]"), [""; 0]);
        assert_eq!(missing("A Fox and a (fox:1.3), a Fox"), ["Fox", "and", "fox"]);
        assert_eq!(missing("an apple's fox\u{2019}s 'sea"), ["an", "fox", "sea"]);
        assert_eq!(missing("ein roter Äpfel 2 apples"), ["ein", "roter", "Äpfel", "2"]);
        assert_eq!(missing("лиса, キツネ"), ["лиса", "キツネ"]);
    }

    #[test]
    fn han_characters_are_parted_by_the_longest_phrases() {
        assert_eq!(missing("红苹果"), [""; 0]);
        assert_eq!(missing("一只红狐狸，苹果a"), ["一只", "狐狸"]);
        // 苹果 is longer than 果园 is early: the rest is told.
        assert_eq!(missing("苹果园"), ["园"]);
    }

    #[test]
    fn punctuation_is_nothing_and_emoji_are_words() {
        assert_eq!(missing("?!… — 。、《》 ... ()"), [""; 0]);
        assert_eq!(missing("🦊🦊 and ❤️"), ["🦊🦊", "and", "❤️"]);
        assert_eq!(missing(""), [""; 0]);
    }
}
