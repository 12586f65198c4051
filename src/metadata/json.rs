//! JSON in pictures, as programs in Python write it; none of it is trusted.

use crate::diffusion::Request;
use serde_json::Value;
use std::borrow::Cow;

/// A JSON text, in which `NaN` and `Infinity`, which Python writes and JSON has not, are null. What nests deeper than serde goes is none.
pub(super) fn parse(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok().or_else(|| serde_json::from_str(&without_odd_numbers(text)).ok())
}

fn without_odd_numbers(text: &str) -> Cow<'_, str> {
    let mut clean = String::new();
    let (mut rest, mut is_string) = (text, false);
    while let Some(at) = rest.find(['"', '\\', 'N', 'I']) {
        let odd = ["NaN", "Infinity"].into_iter().find(|odd| !is_string && rest[at..].starts_with(odd));
        let length = match (&rest[at..=at], odd) {
            (_, Some(odd)) => {
                clean.push_str(rest[..at].strip_suffix('-').unwrap_or(&rest[..at]));
                clean.push_str("null");
                rest = &rest[at + odd.len()..];
                continue;
            }
            // With what it escapes.
            ("\\", _) if is_string => 1 + rest[at + 1..].chars().next().map_or(0, char::len_utf8),
            ("\"", _) => {
                is_string = !is_string;
                1
            }
            _ => 1,
        };
        clean.push_str(&rest[..at + length]);
        rest = &rest[at + length..];
    }
    if clean.is_empty() { Cow::Borrowed(text) } else { Cow::Owned(clean + rest) }
}

/// A text that is not empty.
pub(super) fn text(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.trim().is_empty())
}

/// A whole number from 0 on, also where it stands as a text or as `7.0`.
pub(super) fn whole(value: &Value) -> Option<u64> {
    let of_float =
        |number: f64| (number >= 0.0 && number < 2_f64.powi(53) && number.fract() == 0.0).then_some(number as u64);
    value
        .as_u64()
        .or_else(|| of_float(value.as_f64()?))
        .or_else(|| value.as_str().and_then(|text| text.trim().parse().ok()))
}

/// A finite number, also where it stands as a text.
pub(super) fn number(value: &Value) -> Option<f64> {
    let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
    number.is_finite().then_some(number)
}

/// A small whole number.
pub(super) fn count(value: &Value) -> Option<u32> {
    whole(value)?.try_into().ok()
}

/// What a file of weights is called, without folders and without its ending.
pub(super) fn file_name(path: &str) -> String {
    let path = model_name(path);
    path.rsplit('/').next().unwrap_or(&path).to_owned()
}

/// A model's name behind its folders, with a `/` behind each, and without the ending of a file of weights.
pub(super) fn model_name(path: &str) -> String {
    let name = path.replace('\\', "/");
    let endings = [".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".gguf", ".sft"];
    endings.into_iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(&name).to_owned()
}

/// The longest prompt that is read, in bytes; more is none.
pub(super) const LONGEST_PROMPT: usize = 4 * Request::<(), ()>::MAX_PROMPT;

/// A prompt of a program to which `AND` is a word and tags of `LoRA`s are letters, so that they mean nothing here either; and whether there
/// were such tags, which are left out.
pub(super) fn plain_prompt(text: &str) -> (String, bool) {
    let end = (0..=LONGEST_PROMPT.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    let (mut plain, mut rest, mut had_tags) = (String::new(), &text[..end], false);
    let is_part_of_word = |c: char| c.is_alphanumeric() || c == '_';
    while let Some(at) = rest.find(['<', 'A']) {
        plain.push_str(&rest[..at]);
        let from = &rest[at..];
        let is_tag =
            ["<lora:", "<lyco:"].iter().any(|tag| from.get(..6).is_some_and(|start| start.eq_ignore_ascii_case(tag)));
        let length = match from.find('>').filter(|_| is_tag) {
            Some(close) => {
                had_tags = true;
                close + 1
            }
            None if from.starts_with("AND")
                && !plain.ends_with(is_part_of_word)
                && !from[3..].starts_with(is_part_of_word) =>
            {
                // To the text encoder they are the same.
                plain.push_str("and");
                3
            }
            None => {
                plain.push_str(&from[..1]);
                1
            }
        };
        rest = &from[length..];
    }
    (plain + rest, had_tags)
}

/// What to say of tags that were left out.
pub(super) const HAD_TAGS: &str = "tags of LoRAs in its prompts are letters there, and were left out";

/// What to call a value, in one line.
pub(super) fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The tag of a `LoRA` in a prompt; none where its name cannot stand in one.
pub(super) fn lora_tag(name: &str, text: f64, unet: f64) -> Option<String> {
    let stands = !name.is_empty() && !name.contains([':', '<', '>']);
    let weights = if text.to_bits() == unet.to_bits() { text.to_string() } else { format!("{text}:{unet}") };
    stands.then(|| format!("<lora:{name}:{weights}>"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_python_writes_is_read() {
        let value = parse(r#"{"a": [NaN, -Infinity, 1], "NaN \" Infinity": "NaN"}"#).unwrap();
        assert_eq!(value["a"].to_string(), "[null,null,1]");
        assert_eq!(value["NaN \" Infinity"], "NaN");
        assert_eq!(parse("NaN").unwrap(), Value::Null);
        assert_eq!(parse(&"[".repeat(100_000)), None);
        assert_eq!(parse(r#"{"a": NaN"#), None);
    }

    #[test]
    fn numbers_are_taken_where_they_are_ones() {
        let of = |text: &str| parse(text).unwrap();
        assert_eq!(whole(&of("18446744073709551615")), Some(u64::MAX));
        assert_eq!((whole(&of("-1")), whole(&of("7.0")), whole(&of("7.5"))), (None, Some(7), None));
        assert_eq!((whole(&of("\"12\"")), count(&of("4294967296"))), (Some(12), None));
        assert_eq!((number(&of("\"x\"")), number(&of("\"inf\"")), number(&of("0.5"))), (None, None, Some(0.5)));
    }

    #[test]
    fn what_are_words_elsewhere_mean_nothing_here() {
        let (plain, had_tags) = plain_prompt("cats AND dogs, BRANDY <lora:foo:0.8> <3 ANDY AND");
        assert_eq!((plain.as_str(), had_tags), ("cats and dogs, BRANDY  <3 ANDY and", true));
        assert_eq!(plain_prompt("<lora:open é"), ("<lora:open é".to_owned(), false));
        assert_eq!(plain_prompt(&"é".repeat(LONGEST_PROMPT)).0.len(), LONGEST_PROMPT);
    }

    #[test]
    fn a_model_is_called_as_it_is_listed() {
        let path = "XL\\cats\\dreamer_v1.5.safetensors";
        assert_eq!((model_name(path).as_str(), file_name(path).as_str()), ("XL/cats/dreamer_v1.5", "dreamer_v1.5"));
        assert_eq!((model_name("plain"), file_name("plain")), ("plain".to_owned(), "plain".to_owned()));
        assert_eq!(lora_tag("a:b", 1.0, 1.0), None);
        assert_eq!(lora_tag("a", 0.5, 1.0).unwrap(), "<lora:a:0.5:1>");
    }
}
