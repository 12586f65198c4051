use super::{Error, Tokenizer};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

impl Tokenizer {
    /// Reads a diffusers `tokenizer` folder: `tokenizer.json`, or `vocab.json` and `merges.txt`; with `tokenizer_config.json` and
    /// `special_tokens_map.json` for the tokens that begin, end and fill a text.
    pub fn load(folder: &Path) -> Result<Self, Error> {
        let whole = folder.join("tokenizer.json");
        let (path, definition) = if whole.is_file() {
            let mut definition = json_in(&whole)?;
            // Length is our business: what is cut must be told, and how long a text may be the text encoder knows.
            for field in ["truncation", "padding"] {
                definition[field] = Value::Null;
            }
            (whole, definition)
        } else {
            let (vocab, merges) = (folder.join("vocab.json"), folder.join("merges.txt"));
            if !vocab.is_file() || !merges.is_file() {
                return Err(Error::Missing(folder.to_owned()));
            }
            (vocab.clone(), clip_definition(&json_in(&vocab)?, &text_in(&merges)?, &special_tokens(folder)?))
        };
        let inner = tokenizers::Tokenizer::from_bytes(definition.to_string())
            .map_err(|error| Error::Damaged { path, reason: error.to_string() })?;
        let special = special_tokens(folder)?;
        let id = |token: &str, role| {
            let missing = || Error::MissingToken { token: token.to_owned(), role, path: folder.to_owned() };
            inner.token_to_id(token).ok_or_else(missing)
        };
        Ok(Self {
            begin: id(&special.begin, "begins a text")?,
            end: id(&special.end, "ends a text")?,
            pad: id(&special.pad, "fills a text")?,
            unknown: inner.token_to_id(&special.unknown),
            inner,
        })
    }
}

/// The tokens with a meaning of their own.
pub(super) struct SpecialTokens {
    pub(super) begin: String,
    pub(super) end: String,
    pad: String,
    unknown: String,
}

impl SpecialTokens {
    pub(super) fn of_clip() -> Self {
        let end = "<|endoftext|>".to_owned();
        Self { begin: "<|startoftext|>".to_owned(), pad: end.clone(), unknown: end.clone(), end }
    }
}

/// Reads them where the files name them; otherwise they are CLIP's.
fn special_tokens(folder: &Path) -> Result<SpecialTokens, Error> {
    let mut files = Vec::new();
    for name in ["tokenizer_config.json", "special_tokens_map.json"] {
        let path = folder.join(name);
        if path.is_file() {
            files.push(json_in(&path)?);
        }
    }
    let named = |field: &str| {
        files.iter().find_map(|file| {
            let value = file.get(field)?;
            value.as_str().or_else(|| value.get("content")?.as_str()).map(str::to_owned)
        })
    };
    let clip = SpecialTokens::of_clip();
    let end = named("eos_token").unwrap_or(clip.end);
    Ok(SpecialTokens {
        begin: named("bos_token").unwrap_or(clip.begin),
        pad: named("pad_token").unwrap_or_else(|| end.clone()),
        unknown: named("unk_token").unwrap_or_else(|| end.clone()),
        end,
    })
}

/// The tokenizer.json that transformers would write for a CLIP vocabulary (its `CLIPConverter`).
pub(super) fn clip_definition(vocab: &Value, merges: &str, special: &SpecialTokens) -> Value {
    let merges: Vec<&str> =
        merges.lines().filter(|line| !line.starts_with("#version") && !line.trim().is_empty()).collect();
    let added: Vec<Value> = [&special.begin, &special.end]
        .into_iter()
        .filter_map(|token| {
            let id = vocab.get(token)?;
            Some(json!({"id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": true}))
        })
        .collect();
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added,
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "NFC"},
            {"type": "Replace", "pattern": {"Regex": "\\s+"}, "content": " "},
            {"type": "Lowercase"},
        ]},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "behavior": "Removed", "invert": true, "pattern": {"Regex":
                "<\\|startoftext\\|>|<\\|endoftext\\|>|'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+"}},
            {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        ]},
        "post_processor": null,
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "dropout": null, "unk_token": special.unknown, "continuing_subword_prefix": "",
            "end_of_word_suffix": "</w>", "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
            "vocab": vocab, "merges": merges},
    })
}

fn text_in(path: &Path) -> Result<String, Error> {
    let bytes = fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    String::from_utf8(bytes).map_err(|error| Error::Damaged { path: path.to_owned(), reason: error.to_string() })
}

fn json_in(path: &Path) -> Result<Value, Error> {
    let damaged = |reason: String| Error::Damaged { path: path.to_owned(), reason };
    let value: Value = serde_json::from_str(&text_in(path)?).map_err(|error| damaged(error.to_string()))?;
    if value.is_object() { Ok(value) } else { Err(damaged("it is not a JSON object".to_owned())) }
}
