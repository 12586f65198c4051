//! Tags in prompts that are no words: `<lora:name:0.8>`, as stable-diffusion-webui 1.10 has them (`extra_networks.py`). They are taken
//! out before anything else is made of a prompt.

use super::Error;

/// A `LoRA` that a prompt asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct LoraTag {
    /// Its name, as `sfumato models` lists it.
    pub name: String,
    /// How much of it is added to the U-Net.
    pub unet: f64,
    /// How much of it is added to the text encoder.
    pub text: f64,
}

/// More is noise with any `LoRA`.
const MAX_WEIGHT: f64 = 100.0;

/// The `LoRA`s that a prompt asks for: `<lora:name>`, `<lora:name:weight>`, `<lora:name:text weight:unet weight>` or with names,
/// `<lora:name:te=0.5:unet=1>`; `lyco` is the same. The weights of one that is named several times are added up.
pub fn loras(text: &str) -> Result<Vec<LoraTag>, Error> {
    let mut found: Vec<LoraTag> = Vec::new();
    for tag in tags(text).filter_map(|(_, piece)| piece) {
        let mut parts = tag.split(':');
        if !parts.next().is_some_and(|kind| ["lora", "lyco"].iter().any(|known| kind.eq_ignore_ascii_case(known))) {
            continue;
        }
        let name = parts.next().unwrap_or_default().trim();
        let (mut text_weight, mut unet_weight, mut place) = (None, None, 0);
        for part in parts {
            let (field, value) = if let Some((field, value)) = part.split_once('=') {
                (field.trim(), value)
            } else {
                place += 1;
                (["te", "unet", "dyn"][place.min(3) - 1], part)
            };
            let number = value.trim().parse().ok().filter(|number: &f64| number.abs() <= MAX_WEIGHT);
            match (field, number) {
                ("te", Some(number)) => text_weight = Some(number),
                ("unet", Some(number)) => unet_weight = Some(number),
                // A rank to cut the LoRA down to, which nobody writes.
                ("dyn", _) => {}
                _ => return Err(Error::Tag(format!("<{tag}>"))),
            }
        }
        let text = text_weight.unwrap_or(1.0);
        let unet = unet_weight.unwrap_or(text);
        match found.iter_mut().find(|known| known.name == name) {
            Some(known) => (known.text, known.unet) = (known.text + text, known.unet + unet),
            None => found.push(LoraTag { name: name.to_owned(), unet, text }),
        }
    }
    Ok(found)
}

/// Whether a prompt names something, as a word of its own, in whatever case.
pub fn names(text: &str, name: &str) -> bool {
    let (text, name) = (text.to_lowercase(), name.to_lowercase());
    let joins = |inner: Option<char>, outer: Option<char>| {
        inner.is_some_and(char::is_alphanumeric) && outer.is_some_and(char::is_alphanumeric)
    };
    !name.is_empty()
        && text.match_indices(&name).any(|(at, _)| {
            let (before, behind) = (&text[..at], &text[at + name.len()..]);
            !joins(name.chars().next(), before.chars().next_back())
                && !joins(name.chars().next_back(), behind.chars().next())
        })
}

/// A prompt without its tags.
pub fn without_tags(text: &str) -> String {
    tags(text).map(|(words, _)| words).collect()
}

/// The words before each tag, and what stands in it; then the words behind the last.
fn tags(text: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let mut from = 0;
        while let Some(start) = text[from..].find('<').map(|at| from + at) {
            let inside = &text[start + 1..];
            let kind = inside.find(|character: char| !(character.is_alphanumeric() || character == '_')).unwrap_or(0);
            let end = inside.find('>').filter(|end| inside[kind..].starts_with(':') && kind > 0 && *end > kind + 1);
            if let Some(end) = end {
                rest = Some(&inside[end + 1..]);
                return Some((&text[..start], Some(&inside[..end])));
            }
            from = start + 1;
        }
        rest = None;
        Some((text, None))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(name: &str, text: f64, unet: f64) -> LoraTag {
        LoraTag { name: name.to_owned(), unet, text }
    }

    #[test]
    fn tags_are_read_in_every_spelling_and_taken_out() {
        let prompt =
            "a <lora:ink:0.8> cat <lyco:soft glow v2:0.5:1> <lora:plain><lora:named:unet=0.3> <lora:ink:0.1:-1:8>";
        assert_eq!(
            loras(prompt).unwrap(),
            [
                tag("ink", 0.8 + 0.1, 0.8 - 1.0),
                tag("soft glow v2", 0.5, 1.0),
                tag("plain", 1.0, 1.0),
                tag("named", 1.0, 0.3)
            ]
        );
        assert_eq!(without_tags(prompt), "a  cat   ");
        assert_eq!(without_tags("a < b, c > d <3 <lora> <: x> <hypernet:x:1>!"), "a < b, c > d <3 <lora> <: x> !");
        assert_eq!(loras("<hypernet:x:1> <lora:> a <lora:b").unwrap(), []);
    }

    #[test]
    fn a_prompt_names_whole_words() {
        assert!(names("a cat, (EasyNegative:1.2)", "easynegative") && names("by <frob>, red", "<frob>"));
        assert!(names("start of art", "art") && names("embedding:art", "art") && !names("start, party", "art"));
        assert!(!names("a cat", ""));
    }

    #[test]
    fn a_weight_that_is_no_number_is_named() {
        for prompt in ["<lora:a:b>", "<lora:a:nan>", "<lora:a:1e9>", "<lora:a:wide=1>"] {
            let error = loras(&format!("x {prompt} y")).unwrap_err().to_string();
            assert!(error.contains(prompt), "{error}");
        }
    }
}
