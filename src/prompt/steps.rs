//! Which words count at which step: A1111's prompt editing. `[a:b:0.5]` goes over from a to b after half of the steps, `[b:5]` adds
//! b after five steps, `[a::5]` takes a away after five, `[a|b]` changes at each step. The grammar is that of
//! stable-diffusion-webui 1.10, `prompt_parser.get_learned_conditioning_prompt_schedules`; what is not of it is left as it stands.

use super::tags::without_tags;
use super::weights::{Part, weighted};

/// A prompt that may change from step to step.
#[derive(Clone, Debug, PartialEq)]
enum Node {
    /// The same at every step.
    Text(String),
    /// `before` up to this step, then `after`.
    Edited { before: Vec<Self>, after: Vec<Self>, when: When },
    /// One after the other, a step each.
    Alternating(Vec<Vec<Self>>),
}

/// After which step, from 1.
#[derive(Clone, Copy, Debug, PartialEq)]
enum When {
    Step(f64),
    Share(f64),
}

/// What the prompt is at each of `count` steps, without its tags.
pub fn at_each_step(text: &str, count: u32) -> Vec<String> {
    let nodes = nodes(&without_tags(text));
    (1..=count)
        .map(|step| {
            let mut prompt = String::with_capacity(text.len());
            write(&nodes, step, count, &mut prompt);
            prompt
        })
        .collect()
}

/// What is left of a prompt in words: what it says at its last step, without tags, brackets, weights and breaks.
pub fn plain(text: &str) -> String {
    const LAST: u32 = 1000;
    let mut last = String::new();
    write(&nodes(&without_tags(text)), LAST, LAST, &mut last);
    let words = weighted(&last).into_iter().map(|part| match part {
        Part::Text(text, _) => text,
        Part::Break => " ".to_owned(),
    });
    words.collect()
}

fn write(nodes: &[Node], step: u32, count: u32, to: &mut String) {
    for node in nodes {
        match node {
            Node::Text(text) => to.push_str(text),
            Node::Edited { before, after, when } => {
                let last = match when {
                    When::Step(step) => *step,
                    When::Share(share) => share * f64::from(count),
                };
                write(if f64::from(step) <= last.trunc() { before } else { after }, step, count, to);
            }
            Node::Alternating(options) => write(&options[(step as usize - 1) % options.len()], step, count, to),
        }
    }
}

/// How deep brackets may stand in brackets; what is deeper stays text.
const DEEPEST: usize = 40;

fn nodes(text: &str) -> Vec<Node> {
    read(text, DEEPEST)
}

fn read(text: &str, depth: usize) -> Vec<Node> {
    let mut nodes = Vec::new();
    let mut plain_from = 0;
    let mut at = 0;
    while let Some(found) = next_of(text, at, &['[']) {
        at = found + 1;
        let Some(inside) = Inside::of(text, found).filter(|_| depth > 0) else { continue };
        let Some(node) = inside.node(depth - 1) else { continue };
        nodes.push(Node::Text(text[plain_from..found].to_owned()));
        nodes.push(node);
        (plain_from, at) = (inside.end, inside.end);
    }
    nodes.push(Node::Text(text[plain_from..].to_owned()));
    nodes
}

/// Where one of these stands from `from` on, unless behind a backslash.
fn next_of(text: &str, from: usize, wanted: &[char]) -> Option<usize> {
    let mut chars = text[from..].char_indices();
    while let Some((at, c)) = chars.next() {
        if c == '\\' {
            chars.next();
        } else if wanted.contains(&c) {
            return Some(from + at);
        }
    }
    None
}

/// What stands between a square bracket and the one that closes it.
struct Inside<'a> {
    /// Cut at each `:` and `|` that is in no bracket of its own.
    parts: Vec<&'a str>,
    /// What each cut was at.
    marks: Vec<char>,
    /// Behind the closing bracket.
    end: usize,
}

impl<'a> Inside<'a> {
    fn of(text: &'a str, open: usize) -> Option<Self> {
        let (mut parts, mut marks, mut closing) = (Vec::new(), Vec::new(), Vec::new());
        let (mut from, mut at) = (open + 1, open + 1);
        while let Some(found) = next_of(text, at, &['[', ']', '(', ')', ':', '|']) {
            at = found + 1;
            match text.as_bytes()[found] {
                b'[' => closing.push(b']'),
                b'(' => closing.push(b')'),
                mark @ (b':' | b'|') if closing.is_empty() => {
                    parts.push(&text[from..found]);
                    marks.push(char::from(mark));
                    from = at;
                }
                b']' if closing.is_empty() => {
                    parts.push(&text[from..found]);
                    return Some(Self { parts, marks, end: at });
                }
                close @ (b']' | b')') if closing.pop() != Some(close) => return None,
                _ => {}
            }
        }
        None
    }

    fn node(&self, depth: usize) -> Option<Node> {
        let read = |text: &str| read(text, depth);
        if !self.marks.is_empty() && self.marks.iter().all(|&mark| mark == '|') {
            return Some(Node::Alternating(self.parts.iter().map(|part| read(part)).collect()));
        }
        if self.marks.contains(&'|') {
            return None;
        }
        let (before, after, when) = match self.parts[..] {
            [after, when] => ("", after, when),
            [before, after, when] => (before, after, when),
            _ => return None,
        };
        // First: what turns out to be no edit must not have been read through.
        let when = self::when(when)?;
        Some(Node::Edited { before: read(before), after: read(after), when })
    }
}

/// A number with a point is a share of the steps.
fn when(text: &str) -> Option<When> {
    let text = text.trim();
    let is_number = text.bytes().all(|b| b.is_ascii_digit() || b".+-eE".contains(&b));
    let number: f64 = text.parse().ok().filter(|number: &f64| is_number && number.is_finite())?;
    Some(if text.contains('.') { When::Share(number) } else { When::Step(number) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The last step of each prompt, and the prompt.
    fn schedule(text: &str) -> Vec<(usize, String)> {
        let mut schedule: Vec<(usize, String)> = Vec::new();
        for (index, prompt) in at_each_step(text, 10).into_iter().enumerate() {
            match schedule.last_mut() {
                Some((last, before)) if *before == prompt => *last = index + 1,
                _ => schedule.push((index + 1, prompt)),
            }
        }
        schedule
    }

    fn is(text: &str, expected: &[(usize, &str)]) {
        let expected: Vec<_> = expected.iter().map(|&(step, prompt)| (step, prompt.to_owned())).collect();
        assert_eq!(schedule(text), expected, "{text}");
    }

    #[test]
    fn prompts_change_when_they_change_in_a1111() {
        // The doctests of stable-diffusion-webui's get_learned_conditioning_prompt_schedules, at 10 steps.
        is("test", &[(10, "test")]);
        is("a [b:3]", &[(3, "a "), (10, "a b")]);
        is("a [b: 3]", &[(3, "a "), (10, "a b")]);
        is("a [[[b]]:2]", &[(2, "a "), (10, "a [[b]]")]);
        is("[(a:2):3]", &[(3, ""), (10, "(a:2)")]);
        is("a [b : c : 1] d", &[(1, "a b  d"), (10, "a  c  d")]);
        is("a[b:[c:d:2]:1]e", &[(1, "abe"), (2, "ace"), (10, "ade")]);
        is("a [unbalanced", &[(10, "a [unbalanced")]);
        is("a [b:.5] c", &[(5, "a  c"), (10, "a b c")]);
        is("a [{b|d{:.5] c", &[(10, "a [{b|d{:.5] c")]);
        is("((a][:b:c [d:3]", &[(3, "((a][:b:c "), (10, "((a][:b:c d")]);
        is(
            "[a|(b:1.1)]",
            &[
                (1, "a"),
                (2, "(b:1.1)"),
                (3, "a"),
                (4, "(b:1.1)"),
                (5, "a"),
                (6, "(b:1.1)"),
                (7, "a"),
                (8, "(b:1.1)"),
                (9, "a"),
                (10, "(b:1.1)"),
            ],
        );
        let alternating = schedule("[fe|]male");
        assert_eq!(alternating[..2], [(1, "female".to_owned()), (2, "male".to_owned())]);
        assert_eq!(schedule("[fe|||]male")[..2], [(1, "female".to_owned()), (4, "male".to_owned())]);
    }

    #[test]
    fn the_words_are_left_where_the_brackets_go() {
        assert_eq!(plain("a (red:1.3) [cat:dog:5] BREAK \\(x\\)"), "a red dog (x)");
        assert_eq!(plain("a red apple"), "a red apple");
    }

    #[test]
    fn what_is_taken_away_is_gone_after_its_step() {
        is("a[ big::4] cat", &[(4, "a big cat"), (10, "a cat")]);
        is("[a:b:99]", &[(10, "a")]);
        is("[a:b:0]", &[(10, "b")]);
    }

    #[test]
    fn escaped_brackets_and_other_brackets_are_text() {
        is("\\[a:b:3\\]", &[(10, "\\[a:b:3\\]")]);
        is("[a] (b:1.2) [c:d]", &[(10, "[a] (b:1.2) [c:d]")]);
        is("[a:b:inf] [a:b:nan] [a:b:c:3]", &[(10, "[a:b:inf] [a:b:nan] [a:b:c:3]")]);
        is("(a [b:c:5])", &[(5, "(a b)"), (10, "(a c)")]);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in any::<String>(), brackets in "[\\\\()\\[\\]:|0-9. a]{0,60}") {
            at_each_step(&text, 3);
            at_each_step(&brackets, 3);
        }
    }

    #[test]
    fn brackets_in_a_thousand_brackets_are_read_in_no_time() {
        let deep = "[".repeat(4000) + "a" + &":1]".repeat(4000);
        assert_eq!(at_each_step(&deep, 1).len(), 1);
    }
}
