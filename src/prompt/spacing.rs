/// A text with spaces around every Han character, and where each of its bytes came from.
pub(super) struct Spaced {
    pub(super) text: String,
    /// For each byte of `text` and its end, the byte of the original where the character stands or, for an added space, will.
    origins: Vec<usize>,
}

impl Spaced {
    pub(super) fn new(original: &str) -> Self {
        let mut spaced = Self { text: String::with_capacity(original.len()), origins: Vec::new() };
        for (at, character) in original.char_indices() {
            if is_han(character) {
                spaced.push(' ', at);
                spaced.push(character, at);
                spaced.push(' ', at + character.len_utf8());
            } else {
                spaced.push(character, at);
            }
        }
        spaced.origins.push(original.len());
        spaced
    }

    fn push(&mut self, character: char, origin: usize) {
        self.text.push(character);
        self.origins.resize(self.text.len(), origin);
    }

    /// The part of the original that bytes `start..end` of the spaced text came from, widened to whole characters.
    pub(super) fn original<'a>(&self, original: &'a str, start: usize, end: usize) -> &'a str {
        let last = self.origins.len() - 1;
        let start = original.floor_char_boundary(self.origins[start.min(last)]);
        let end = original.ceil_char_boundary(self.origins[end.min(last)]);
        original.get(start..end).unwrap_or_default()
    }
}

/// The ideographs that the `BasicTokenizer` of transformers' `CLIPTokenizer` sets apart (`_is_chinese_char`).
pub(super) fn is_han(character: char) -> bool {
    matches!(u32::from(character),
        0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF | 0x2_0000..=0x2_A6DF | 0x2_A700..=0x2_CEAF | 0x2_F800..=0x2_FA1F)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_han_character_stands_alone_and_nothing_else_moves() {
        assert_eq!(Spaced::new("a红苹b cか").text, "a 红  苹 b cか");
    }

    #[test]
    fn a_part_of_the_spaced_text_is_found_in_the_original() {
        let original = "é红苹果";
        let spaced = Spaced::new(original);
        let start = spaced.text.find('苹').unwrap();
        assert_eq!(spaced.original(original, start, spaced.text.len()), "苹果");
        assert_eq!(spaced.original(original, 0, 2), "é");
        assert_eq!(spaced.original("", 5, 9), "");
    }
}
