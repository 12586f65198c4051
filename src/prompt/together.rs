//! Prompts that hold at the same time: A1111's `AND`, after Liu et al. 2022, "Compositional Visual Generation with Composable Diffusion
//! Models". `a cat AND a dog :0.7` is two prompts, of which the second weighs 0.7. The grammar is that of stable-diffusion-webui 1.10,
//! `prompt_parser.get_multicond_prompt_list`, but for a prompt without `AND`, whose end is never taken for a weight here: "at 12:30"
//! asks for no prompt thirty times as strong.

use super::tags::without_tags;

/// The prompts in a prompt, without tags, and what each weighs: at least one.
pub fn together(text: &str) -> Vec<(String, f64)> {
    let text = without_tags(text);
    let is_part_of_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut prompts = Vec::new();
    let mut start = 0;
    for (at, and) in text.match_indices("AND") {
        let end = at + and.len();
        if !text[..at].ends_with(is_part_of_word) && !text[end..].starts_with(is_part_of_word) {
            prompts.push(weighed(&text[start..at]));
            start = end;
        }
    }
    if prompts.is_empty() {
        return vec![(text, 1.0)];
    }
    prompts.push(weighed(&text[start..]));
    prompts
}

/// The most that a prompt weighs; beyond it there are no pictures.
const STRONGEST: f64 = 100.0;

/// A prompt without the weight at its end.
fn weighed(text: &str) -> (String, f64) {
    let parsed = text.rsplit_once(':').and_then(|(words, number)| {
        let number = number.trim();
        let digits = number.strip_prefix(['+', '-']).unwrap_or(number);
        let is_number = digits.bytes().all(|b| b == b'.' || b.is_ascii_digit());
        let weight = number.parse::<f64>().ok().filter(|_| is_number)?;
        Some((words.trim_end().to_owned(), weight.clamp(-STRONGEST, STRONGEST)))
    });
    parsed.unwrap_or_else(|| (text.trim_end().to_owned(), 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_are_parted_and_weighed_as_in_a1111() {
        let is = |text: &str, expected: &[(&str, f64)]| {
            let expected: Vec<_> = expected.iter().map(|(text, weight)| ((*text).to_owned(), *weight)).collect();
            assert_eq!(together(text), expected, "{text}");
        };
        is("a cat AND a dog", &[("a cat", 1.0), (" a dog", 1.0)]);
        is("a cat :1.2 AND a dog AND a penguin :2.2", &[("a cat", 1.2), (" a dog", 1.0), (" a penguin", 2.2)]);
        is("sky:-.5 AND (sea:1.3)", &[("sky", -0.5), (" (sea:1.3)", 1.0)]);
        is("a <lora:ink:0.5> AND b:2<lora:ink>", &[("a", 1.0), (" b", 2.0)]);
        is("AND", &[("", 1.0), ("", 1.0)]);
    }

    #[test]
    fn what_is_no_and_is_text() {
        for text in ["a clock at 12:30", "SAND AND_ BRANDY", "a and b", ""] {
            assert_eq!(together(text), [(text.to_owned(), 1.0)]);
        }
        assert_eq!(together("a AND b: c"), [("a".to_owned(), 1.0), (" b: c".to_owned(), 1.0)]);
    }
}
