//! CLIP's own vocabulary, for checkpoints that bring no tokenizer: the bytes as printable characters, the same at the end of a word,
//! what each merge makes, and the two tokens around a text (Radford et al. 2021, `simple_tokenizer.py`).

use super::Tokenizer;
use super::files::{SpecialTokens, clip_definition};
use serde_json::{Map, Value};

/// The merges, in their order. MIT; see `assets/tokenizer`.
const MERGES: &str = include_str!("../../assets/tokenizer/clip-merges.txt");

/// What fills a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// The end token, as Stable Diffusion 1 was trained with.
    End,
    /// Token 0, as `OpenCLIP`'s encoders were trained with.
    Zero,
}

impl Tokenizer {
    /// CLIP's tokenizer from what comes with the program.
    pub fn clip(fill: Fill) -> Self {
        let special = SpecialTokens::of_clip();
        let mut pieces: Vec<String> = byte_characters().map(String::from).collect();
        pieces.extend(byte_characters().map(|character| format!("{character}</w>")));
        pieces.extend(MERGES.lines().map(|merge| merge.replace(' ', "")));
        pieces.extend([special.begin.clone(), special.end.clone()]);
        let vocab: Map<String, Value> =
            pieces.into_iter().enumerate().map(|(id, piece)| (piece, Value::from(id))).collect();
        let definition = clip_definition(&Value::Object(vocab), MERGES, &special);
        let inner = tokenizers::Tokenizer::from_bytes(definition.to_string()).expect("the vocabulary is CLIP's");
        let id = |token: &str| inner.token_to_id(token).expect("it is the vocabulary's last but one or last");
        let (begin, end) = (id(&special.begin), id(&special.end));
        let pad = match fill {
            Fill::End => end,
            Fill::Zero => 0,
        };
        Self { begin, end, pad, unknown: Some(end), inner }
    }
}

/// A printable character for each byte, in the order of their ids: first the bytes that are printable as they are.
fn byte_characters() -> impl Iterator<Item = char> {
    let printable = |byte: &u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    let others = (0..256 - 188u32).filter_map(|index| char::from_u32(256 + index));
    (0..=u8::MAX).filter(move |byte| printable(byte)).map(char::from).chain(others)
}
