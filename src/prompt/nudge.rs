//! Making the words under the cursor weigh more or less, as A1111's prompt box does with Ctrl+Up and Ctrl+Down.

use std::ops::Range;

/// A prompt in which some words weigh `by` more, and where they stand now. `selected` are those words, in characters; where nothing
/// is selected it is the word under the cursor, or what its bracket `(…:1.2)` holds. None where there is no word.
pub fn nudged(prompt: &str, selected: Range<usize>, by: f64) -> Option<(String, Range<usize>)> {
    let letters: Vec<char> = prompt.chars().collect();
    if let Some(tag) = tag_around(&letters, &selected) {
        return nudged_tag(&letters, tag, by / 2.0);
    }
    let words = words(&letters, selected)?;
    let (outer, weight) = match weight_around(&letters, &words) {
        Some((end, weight)) => (words.start - 1..end, weight),
        None => (words.clone(), 1.0),
    };
    let weight = ((weight + by) * 100.0).round() / 100.0;
    let text: String = letters[words.clone()].iter().collect();
    let is_plain = (weight - 1.0).abs() < f64::EPSILON;
    let (new, start) =
        if is_plain { (text, outer.start) } else { (format!("({text}:{})", weight.max(0.0)), outer.start + 1) };
    let before: String = letters[..outer.start].iter().collect();
    let after: String = letters[outer.end..].iter().collect();
    Some((before + &new + &after, start..start + words.len()))
}

/// The tag, `<lora:name:0.8>`, that the selection is in.
fn tag_around(letters: &[char], selected: &Range<usize>) -> Option<Range<usize>> {
    let (from, to) = (selected.start.min(letters.len()), selected.end.min(letters.len()));
    let open = letters[..from].iter().rposition(|c| "<>".contains(*c)).filter(|&at| letters[at] == '<')?;
    let close = to.max(from)
        + letters[to.max(from)..]
            .iter()
            .position(|c| "<>".contains(*c))
            .filter(|&at| letters[to.max(from) + at] == '>')?;
    letters[open..close].contains(&':').then_some(open..close + 1)
}

/// A prompt in which a tag weighs more: by half as much as words would, as in A1111.
fn nudged_tag(letters: &[char], tag: Range<usize>, by: f64) -> Option<(String, Range<usize>)> {
    let inner: String = letters[tag.start + 1..tag.end - 1].iter().collect();
    let (head, rest) = inner.split_once(':')?;
    let (name, weight) = rest.split_once(':').unwrap_or((rest, "1"));
    // Weights by name, and those of the U-Net apart, stay.
    let (weight, others) =
        weight.split_once(':').map_or((weight, String::new()), |(weight, others)| (weight, format!(":{others}")));
    let weight: f64 = weight.trim().parse().ok().filter(|weight: &f64| weight.is_finite())?;
    let weight = ((weight + by) * 100.0).round() / 100.0;
    let new = format!("<{head}:{name}:{weight}{others}>");
    let (before, after): (String, String) =
        (letters[..tag.start].iter().collect(), letters[tag.end..].iter().collect());
    let place = tag.start + 1..tag.start + new.chars().count() - 1;
    Some((before + &new + &after, place))
}

/// What is selected without white space around it, or what the cursor is in.
fn words(letters: &[char], selected: Range<usize>) -> Option<Range<usize>> {
    let mut range = selected.start.min(letters.len())..selected.end.min(letters.len());
    if range.is_empty() {
        let ends = |c: &char| c.is_whitespace() || ".,:;|()[]{}<>\\/!?".contains(*c);
        let start = letters[..range.start].iter().rposition(ends).map_or(0, |at| at + 1);
        let end = letters[range.end..].iter().position(ends).map_or(letters.len(), |at| range.end + at);
        range = start..end;
        // Of several words in one weighed bracket, all.
        let open = letters[..start].iter().rposition(|c| "()[]".contains(*c)).filter(|&at| letters[at] == '(');
        let colon = letters[end..].iter().position(|c| "():[]".contains(*c)).map(|at| end + at);
        if let (Some(open), Some(colon)) = (open, colon)
            && weight_around(letters, &(open + 1..colon)).is_some()
        {
            range = open + 1..colon;
        }
    }
    while range.start < range.end && letters[range.start].is_whitespace() {
        range.start += 1;
    }
    while range.start < range.end && letters[range.end - 1].is_whitespace() {
        range.end -= 1;
    }
    (!range.is_empty()).then_some(range)
}

/// Where `(words:1.2)` ends and how much it weighs, if that is what stands around them.
fn weight_around(letters: &[char], words: &Range<usize>) -> Option<(usize, f64)> {
    let is_open = words.start > 0 && letters[words.start - 1] == '(';
    if !is_open || letters.get(words.end) != Some(&':') {
        return None;
    }
    let end = words.end + 1 + letters[words.end + 1..].iter().position(|&c| c == ')')?;
    let number: String = letters[words.end + 1..end].iter().collect();
    let weight: f64 = number.trim().parse().ok().filter(|weight: &f64| weight.is_finite())?;
    Some((end + 1, weight))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_tag_weighs_half_as_much_more_as_words_would() {
        let (text, at) = nudged("a <lora:ink:0.8> cat", 5..5, 0.1).unwrap();
        assert_eq!(text, "a <lora:ink:0.85> cat");
        let (text, _) = nudged(&text, at, -0.1).unwrap();
        assert_eq!(text, "a <lora:ink:0.8> cat");
        assert_eq!(nudged("<lora:ink>", 3..3, 0.1).unwrap().0, "<lora:ink:1.05>");
        assert_eq!(nudged("<lora:ink:0.5:1>", 3..3, 0.1).unwrap().0, "<lora:ink:0.55:1>");
        assert_eq!(nudged("<lora:ink:te=1>", 3..3, 0.1), None);
        assert_eq!(nudged("a <lora:x:1> cat", 14..14, 0.1).unwrap().0, "a <lora:x:1> (cat:1.1)");
    }

    #[test]
    fn the_word_under_the_cursor_weighs_more_and_again_as_much_as_before() {
        let (text, at) = nudged("a red apple", 3..3, 0.1).unwrap();
        assert_eq!((text.as_str(), &at), ("a (red:1.1) apple", &(3..6)));
        let (text, at) = nudged(&text, at, 0.1).unwrap();
        assert_eq!((text.as_str(), &at), ("a (red:1.2) apple", &(3..6)));
        let (text, at) = nudged(&text, 4..4, -0.1).unwrap();
        let (text, at) = nudged(&text, at, -0.1).unwrap();
        assert_eq!((text.as_str(), at), ("a red apple", 2..5));
        assert_eq!(nudged("(red:0.1)", 1..4, -0.2).unwrap().0, "(red:0)");
    }

    #[test]
    fn several_words_weigh_together() {
        let (text, at) = nudged("a  red apple, cat", 2..12, 0.1).unwrap();
        assert_eq!((text.as_str(), at), ("a  (red apple:1.1), cat", 4..13));
        assert_eq!(nudged(&text, 6..6, 0.1).unwrap().0, "a  (red apple:1.2), cat");
        assert_eq!(nudged("红苹果", 1..1, 0.1).unwrap().0, "(红苹果:1.1)");
        for nothing in ["", "  ,  "] {
            assert_eq!(nudged(nothing, 1..1, 0.1), None);
        }
    }

    proptest! {
        #[test]
        fn no_cursor_makes_it_panic(text in "[a(:1.2)\\[é ]{0,12}", start in 0usize..16, length in 0usize..16) {
            if let Some((text, at)) = nudged(&text, start..start + length, 0.1) {
                prop_assert!(at.end <= text.chars().count());
            }
        }
    }
}
