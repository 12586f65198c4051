//! How much each word weighs: A1111's brackets. `(word)` weighs 1.1 times as much, `[word]` 1.1 times less, `(word:1.3)` 1.3
//! times as much, all of it multiplied where brackets stand in brackets; `\(` is a bracket and nothing more; `BREAK` begins the
//! next chunk. The grammar is that of stable-diffusion-webui 1.10, `prompt_parser.parse_prompt_attention`.

/// A part of a prompt.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// Words and what they weigh; 1 is as they were learnt.
    Text(String, f64),
    /// What follows begins a chunk of its own.
    Break,
}

const STEP: f64 = 1.1;
/// Beyond this nothing is left to see; far beyond it there are no numbers.
const STRONGEST: f64 = 100.0;

/// The parts of a prompt, each as long as its weight goes. Every text can be read; brackets that are not closed reach to its end.
pub fn weighted(text: &str) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let (mut round, mut square) = (Vec::new(), Vec::new());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let mut length = first.len_utf8();
        match first {
            '\\' => match rest[1..].chars().next() {
                Some(escaped @ ('(' | ')' | '[' | ']' | '\\')) => {
                    length += 1;
                    parts.push(Part::Text(escaped.into(), 1.0));
                }
                _ => parts.push(Part::Text("\\".into(), 1.0)),
            },
            '(' => round.push(parts.len()),
            '[' => square.push(parts.len()),
            ')' if !round.is_empty() => multiply(&mut parts, round.pop(), STEP),
            ']' if !square.is_empty() => multiply(&mut parts, square.pop(), 1.0 / STEP),
            ':' => match weight(rest).filter(|_| !round.is_empty()) {
                Some((weight, end)) => {
                    length = end;
                    multiply(&mut parts, round.pop(), weight);
                }
                None => parts.push(Part::Text(":".into(), 1.0)),
            },
            ')' | ']' => parts.push(Part::Text(first.into(), 1.0)),
            _ => {
                length = rest.find(['\\', '(', ')', '[', ']', ':']).unwrap_or(rest.len());
                push_words(&mut parts, &rest[..length]);
            }
        }
        rest = &rest[length..];
    }
    for start in round {
        multiply(&mut parts, Some(start), STEP);
    }
    for start in square {
        multiply(&mut parts, Some(start), 1.0 / STEP);
    }
    merged(parts)
}

/// The parts of a prompt as `ComfyUI` weighs them (`comfy/sd1_clip.py`, `token_weights`): round brackets alone, `(word)` times 1.1, and in
/// `(word:1.3)` the number is the weight whatever stands around. `BREAK` is a word, and brackets that are not closed are none.
pub fn weighted_absolutely(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    weigh_absolutely(text, 1.0, DEEPEST, &mut parts);
    merged(parts)
}

/// How deep brackets may stand in brackets; what is deeper stays text.
const DEEPEST: usize = 40;

fn weigh_absolutely(text: &str, weight: f64, depth: usize, parts: &mut Vec<Part>) {
    let mut rest = text;
    while let Some((open, close)) = outermost(rest).filter(|_| depth > 0) {
        push_unescaped(parts, &rest[..open], weight);
        let inside = &rest[open + 1..close];
        let numbered = inside.rsplit_once(':').filter(|(words, _)| !words.is_empty());
        let numbered = numbered.and_then(|(words, number)| {
            let number = number.trim().parse().ok().filter(|number: &f64| number.is_finite())?;
            Some((words, number.clamp(-STRONGEST, STRONGEST)))
        });
        let (words, weight) = numbered.unwrap_or((inside, (weight * STEP).min(STRONGEST)));
        weigh_absolutely(words, weight, depth - 1, parts);
        rest = &rest[close + 1..];
    }
    push_unescaped(parts, rest, weight);
}

/// Where the first round bracket that is closed opens, and where it closes.
fn outermost(text: &str) -> Option<(usize, usize)> {
    let (mut opened, mut is_escaped) = (Vec::new(), false);
    for (at, c) in text.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '(' => opened.push(at),
            ')' if opened.len() == 1 => return Some((opened[0], at)),
            ')' => drop(opened.pop()),
            _ => {}
        }
    }
    None
}

fn push_unescaped(parts: &mut Vec<Part>, text: &str, weight: f64) {
    parts.push(Part::Text(text.replace("\\(", "(").replace("\\)", ")"), weight));
}

fn multiply(parts: &mut [Part], start: Option<usize>, by: f64) {
    for part in start.map_or(&mut [][..], |start| &mut parts[start..]) {
        if let Part::Text(_, weight) = part {
            *weight = (*weight * by).clamp(-STRONGEST, STRONGEST);
        }
    }
}

/// The weight in `: 1.2)` and where that ends.
fn weight(text: &str) -> Option<(f64, usize)> {
    let end = text.find(')')?;
    let number = text[1..end].trim();
    let is_number = number.strip_prefix(['+', '-']).unwrap_or(number).bytes().all(|b| b == b'.' || b.is_ascii_digit());
    let weight: f64 = number.parse().ok().filter(|_| is_number)?;
    weight.is_finite().then_some((weight, end + 1))
}

/// Words, cut where `BREAK` stands by itself; the white space around it goes with it.
fn push_words(parts: &mut Vec<Part>, words: &str) {
    let is_part_of_word = |c: char| c.is_alphanumeric() || c == '_';
    let (mut start, mut from) = (0, 0);
    while let Some(found) = words[from..].find("BREAK") {
        let (at, end) = (from + found, from + found + "BREAK".len());
        let stands_alone = !words[..at].ends_with(is_part_of_word) && !words[end..].starts_with(is_part_of_word);
        if stands_alone {
            parts.extend([Part::Text(words[start..at].trim_end().into(), 1.0), Part::Break]);
            start = end + (words[end..].len() - words[end..].trim_start().len());
        }
        from = if stands_alone { start } else { end };
    }
    parts.push(Part::Text(words[start..].into(), 1.0));
}

/// Neighbours that weigh the same as one; none that is empty, unless there is nothing else.
fn merged(parts: Vec<Part>) -> Vec<Part> {
    let mut merged: Vec<Part> = Vec::new();
    for part in parts {
        match (merged.last_mut(), part) {
            (_, Part::Text(text, _)) if text.is_empty() => {}
            (Some(Part::Text(before, there)), Part::Text(text, weight)) if there.total_cmp(&weight).is_eq() => {
                before.push_str(&text);
            }
            (_, part) => merged.push(part),
        }
    }
    if merged.is_empty() { vec![Part::Text(String::new(), 1.0)] } else { merged }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Vec<(String, f64)> {
        let pair = |part| match part {
            Part::Text(text, weight) => (text, (weight * 1e6).round() / 1e6),
            Part::Break => ("BREAK".to_owned(), -1.0),
        };
        weighted(text).into_iter().map(pair).collect()
    }

    fn is(text: &str, expected: &[(&str, f64)]) {
        let expected: Vec<(String, f64)> = expected.iter().map(|&(text, weight)| (text.to_owned(), weight)).collect();
        assert_eq!(read(text), expected, "{text}");
    }

    #[test]
    fn prompts_weigh_what_they_weigh_in_a1111() {
        // The doctests of stable-diffusion-webui's parse_prompt_attention.
        is("normal text", &[("normal text", 1.0)]);
        is("an (important) word", &[("an ", 1.0), ("important", 1.1), (" word", 1.0)]);
        is("(unbalanced", &[("unbalanced", 1.1)]);
        is("\\(literal\\]", &[("(literal]", 1.0)]);
        is("(unnecessary)(parens)", &[("unnecessaryparens", 1.1)]);
        is(
            "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).",
            &[
                ("a ", 1.0),
                ("house", 1.573),
                (" ", 1.1),
                ("on", 1.0),
                (" a ", 1.1),
                ("hill", 0.55),
                (", sun, ", 1.1),
                ("sky", 1.4641),
                (".", 1.1),
            ],
        );
    }

    #[test]
    fn what_is_no_weight_is_text() {
        is("[x:1.2]", &[("x:1.2", 0.909_091)]);
        is(&("(".repeat(9000) + "x:0)"), &[("x", 0.0)]);
        is("(x : 1.5 )", &[("x ", 1.5)]);
        is("(x:-1)", &[("x", -1.0)]);
        is(&format!("(x:{})", "9".repeat(40)), &[("x", 100.0)]);
        is("(x:1.2.3)", &[("x:1.2.3", 1.1)]);
        is("(x:inf)", &[("x:inf", 1.1)]);
        is("a: b) c]", &[("a: b) c]", 1.0)]);
        is("", &[("", 1.0)]);
        is("()", &[("", 1.0)]);
        is("a\\b\\", &[("a\\b\\", 1.0)]);
    }

    #[test]
    fn prompts_weigh_what_they_weigh_in_comfyui() {
        let is = |text: &str, expected: &[(&str, f64)]| {
            let found: Vec<_> = weighted_absolutely(text)
                .into_iter()
                .map(|part| match part {
                    Part::Text(text, weight) => (text, (weight * 1e6).round() / 1e6),
                    Part::Break => panic!("there are none"),
                })
                .collect();
            let expected: Vec<_> = expected.iter().map(|&(text, weight)| (text.to_owned(), weight)).collect();
            assert_eq!(found, expected, "{text}");
        };
        // Worked out by hand from comfy/sd1_clip.py.
        is("a (b) c", &[("a ", 1.0), ("b", 1.1), (" c", 1.0)]);
        is("((b:1.3) c)", &[("b", 1.3), (" c", 1.1)]);
        is("((b) c:0.5)", &[("b", 0.55), (" c", 0.5)]);
        is("[on] BREAK \\(x\\)", &[("[on] BREAK (x)", 1.0)]);
        is("(open", &[("(open", 1.0)]);
        is("close) (b)", &[("close) ", 1.0), ("b", 1.1)]);
        is("(:2)", &[(":2", 1.1)]);
        is("", &[("", 1.0)]);
    }

    #[test]
    fn a_break_stands_by_itself() {
        is("a BREAK  b", &[("a", 1.0), ("BREAK", -1.0), ("b", 1.0)]);
        is("(a BREAK b:2)", &[("a", 2.0), ("BREAK", -1.0), ("b", 2.0)]);
        is("BREAKFAST BREAK_ aBREAK", &[("BREAKFAST BREAK_ aBREAK", 1.0)]);
        is("BREAK", &[("BREAK", -1.0)]);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in any::<String>(), brackets in "[\\\\()\\[\\]:0-9. aBREAK]{0,40}") {
            weighted(&text);
            weighted(&brackets);
            weighted_absolutely(&text);
            weighted_absolutely(&brackets);
        }
    }
}
