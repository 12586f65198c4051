//! The last line of A1111's text: `Key: value, Key: "quoted, value", …`.
//!
//! A1111 reads it with the regular expression `\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)`, searched again and again;
//! this is the same grammar by hand, with one addition: a value that is a whole JSON array or object is taken whole, since
//! Civitai and stable-diffusion.cpp append such values without quoting them.

/// All pairs of a line, in order. Text between them that is no pair is passed over, as a search for the expression does.
pub(super) fn parse(line: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        rest = match pair(rest) {
            Ok((key, value, after)) => {
                pairs.push((key.to_owned(), unquoted(value)));
                after
            }
            Err(after) => after,
        };
    }
    pairs
}

/// `Key: value`, the value in JSON's quotes where it would be cut or misread without: if it holds a comma, a colon or a line
/// break (A1111's rule) or another control character, begins with a quote or bracket, or has white space at an end.
pub(super) fn write(key: &str, value: &str) -> String {
    let plain = !value.contains([',', ':'])
        && !value.contains(char::is_control)
        && !value.starts_with(['"', '[', '{'])
        && value.trim() == value;
    if plain { format!("{key}: {value}") } else { format!("{key}: {}", serde_json::Value::from(value)) }
}

/// One pair at the start of `text`, with what follows its comma; or, if there is none, where the next one may start.
fn pair(text: &str) -> Result<(&str, &str, &str), &str> {
    let text = text.trim_start();
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let end = text.find(|c: char| !(is_word(c) || matches!(c, ' ' | '-' | '/'))).ok_or("")?;
    let (key, rest) = text.split_at(end);
    let rest = rest.strip_prefix(':').ok_or_else(|| after_first(rest))?;
    if !key.starts_with(is_word) || after_first(key).is_empty() {
        return Err(after_first(text));
    }
    let rest = rest.trim_start();
    let end = [quoted_end(rest), json_end(rest)]
        .into_iter()
        .flatten()
        .find(|&end| rest[end..].trim_start().is_empty() || rest[end..].trim_start().starts_with(','))
        .unwrap_or_else(|| rest.find(',').unwrap_or(rest.len()));
    let after = rest[end..].trim_start();
    Ok((key, rest[..end].trim_end(), after.strip_prefix(',').unwrap_or(after)))
}

fn after_first(text: &str) -> &str {
    let mut letters = text.chars();
    letters.next();
    letters.as_str()
}

/// Where a quoted value that starts `text` ends, its closing quote included.
fn quoted_end(text: &str) -> Option<usize> {
    let mut chars = text.strip_prefix('"')?.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some(at + 2),
            '\\' => drop(chars.next()?),
            _ => {}
        }
    }
    None
}

/// Where a JSON array or object that starts `text` ends.
fn json_end(text: &str) -> Option<usize> {
    if !text.starts_with(['[', '{']) {
        return None;
    }
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<serde::de::IgnoredAny>();
    values.next()?.ok()?;
    Some(values.byte_offset())
}

/// A quoted value without its quotes; as it stands where it is not JSON.
fn unquoted(value: &str) -> String {
    if value.len() < 2 || !value.starts_with('"') || !value.ends_with('"') {
        return value.to_owned();
    }
    serde_json::from_str(value).unwrap_or_else(|_| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs_of(line: &str) -> Vec<(String, String)> {
        parse(line)
    }

    fn pair_of(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn a_comma_ends_a_value_unless_it_stands_in_quotes() {
        assert_eq!(
            pairs_of(r#"Steps: 20, Lora hashes: "a: 1f, b: 2e", Seed: 7"#),
            [pair_of("Steps", "20"), pair_of("Lora hashes", "a: 1f, b: 2e"), pair_of("Seed", "7")]
        );
    }

    #[test]
    fn quotes_that_do_not_close_before_a_comma_are_part_of_the_value() {
        assert_eq!(pairs_of(r#"User: "Al" Smith, Seed: 7"#), [pair_of("User", r#""Al" Smith"#), pair_of("Seed", "7")]);
        assert_eq!(pairs_of(r#"User: "Al, Seed: 7"#), [pair_of("User", "\"Al"), pair_of("Seed", "7")]);
    }

    #[test]
    fn what_is_no_pair_is_passed_over() {
        assert_eq!(pairs_of("(x:1.2), Tiling, A: 1, Steps: 20,"), [pair_of("Steps", "20")]);
    }

    #[test]
    fn trailing_json_without_quotes_is_taken_whole() {
        let line =
            r#"Seed: 7, Civitai resources: [{"type":"lora","weight":0.8},{"a":"}]"}], Civitai metadata: {}, Steps: 4"#;
        assert_eq!(
            pairs_of(line),
            [
                pair_of("Seed", "7"),
                pair_of("Civitai resources", r#"[{"type":"lora","weight":0.8},{"a":"}]"}]"#),
                pair_of("Civitai metadata", "{}"),
                pair_of("Steps", "4"),
            ]
        );
    }

    #[test]
    fn a_bracket_that_is_not_json_is_plain_text() {
        assert_eq!(pairs_of("Model: [best] mix, Seed: 7"), [pair_of("Model", "[best] mix"), pair_of("Seed", "7")]);
    }

    #[test]
    fn any_value_is_read_back_as_it_was_written() {
        for value in [
            "",
            "x",
            " x ",
            "a, b",
            "a: b",
            "a\nb",
            "\"",
            "\"a\"",
            "\\",
            "[1, 2]",
            "{",
            "图: 苹果",
            "🍎,🍏",
            "\u{7f}\t",
        ] {
            let line = format!("{}, {}", write("Key", value), write("Seed", "7"));
            assert_eq!(pairs_of(&line), [pair_of("Key", value), pair_of("Seed", "7")], "{line}");
        }
    }
}
