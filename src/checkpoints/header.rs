use super::{Error, Format, gguf, torch};
use candle_core::DType;
use candle_core::quantized::GgmlDType;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Formatter;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// A header longer than this is none: the largest models need a few megabytes. The safetensors library has the same limit.
pub(super) const MAX_HEADER_BYTES: u64 = 100_000_000;

/// Where the tensors of a file lie, of whichever kind it is.
pub(super) fn read_places(path: &Path) -> Result<BTreeMap<String, Place>, Error> {
    match kind_of(path) {
        Format::Torch => torch::read_places(path),
        Format::Gguf => gguf::read_places(path),
        Format::Safetensors | Format::Folder => read_header(path),
    }
}

/// A tensor in a file of weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredTensor {
    /// Its name.
    pub name: String,
    /// How its numbers are stored, as `f16` or `Q4_0`.
    pub stored: &'static str,
    /// Its sides.
    pub shape: Vec<usize>,
}

/// The tensors in a file of weights of whichever kind, by name; only the header is read.
pub fn tensors_in(path: &Path) -> Result<Vec<StoredTensor>, Error> {
    let tensor =
        |(name, place): (String, Place)| StoredTensor { name, stored: place.stored.name(), shape: place.shape };
    Ok(read_places(path)?.into_iter().map(tensor).collect())
}

/// Of which kind a file of weights is: its first bytes tell.
pub(super) fn kind_of(path: &Path) -> Format {
    let mut first = [0; 4];
    match File::open(path).and_then(|mut file| file.read_exact(&mut first)) {
        Ok(()) if first == torch::ARCHIVE || first[..2] == [torch::PICKLE, 2] => Format::Torch,
        Ok(()) if first == gguf::MAGIC => Format::Gguf,
        _ => Format::Safetensors,
    }
}

/// How the numbers of a tensor are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// One after the other.
    Numbers(DType),
    /// In eight bits, five of them the exponent: the upper half of an f16.
    Float8E5M2,
    /// In ggml's blocks, each with a scale.
    Blocks(GgmlDType),
}

impl Stored {
    /// How many bytes so many numbers take; `None` where they are no whole blocks, or too many.
    pub(super) fn bytes_of(self, count: u64) -> Option<u64> {
        match self {
            Self::Numbers(dtype) => count.checked_mul(dtype.size_in_bytes() as u64),
            Self::Float8E5M2 => Some(count),
            Self::Blocks(kind) => {
                let block = kind.block_size() as u64;
                if count.is_multiple_of(block) { (count / block).checked_mul(kind.type_size() as u64) } else { None }
            }
        }
    }

    /// What people call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Numbers(DType::F8E4M3) | Self::Float8E5M2 => "fp8",
            Self::Numbers(dtype) => dtype.as_str(),
            Self::Blocks(GgmlDType::Q4_0) => "Q4_0",
            Self::Blocks(GgmlDType::Q4_1) => "Q4_1",
            Self::Blocks(GgmlDType::Q5_0) => "Q5_0",
            Self::Blocks(GgmlDType::Q5_1) => "Q5_1",
            Self::Blocks(GgmlDType::Q8_0) => "Q8_0",
            Self::Blocks(GgmlDType::Q2K) => "Q2_K",
            Self::Blocks(GgmlDType::Q3K) => "Q3_K",
            Self::Blocks(GgmlDType::Q4K) => "Q4_K",
            Self::Blocks(GgmlDType::Q5K) => "Q5_K",
            Self::Blocks(GgmlDType::Q6K) => "Q6_K",
            Self::Blocks(_) => "quantised",
        }
    }
}

/// Where a tensor lies in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) stored: Stored,
    pub(super) shape: Vec<usize>,
    /// Bytes from the start of the file.
    pub(super) start: u64,
    /// From its first number to behind its last.
    pub(super) bytes: usize,
    /// How many numbers lie between those that follow one another along each side, where they are not in rows as they should be.
    pub(super) strides: Option<Box<[usize]>>,
}

impl Place {
    /// How many bytes it takes once it was read: numbers of eight bits and blocks become f16, and what no network multiplies with f32.
    pub(super) fn bytes_in_memory(&self) -> u64 {
        let count = self.shape.iter().map(|side| *side as u64).product::<u64>();
        match self.stored {
            Stored::Numbers(DType::F32 | DType::F16 | DType::BF16) => self.bytes as u64,
            Stored::Numbers(DType::F8E4M3) | Stored::Float8E5M2 | Stored::Blocks(_) => 2 * count,
            Stored::Numbers(_) => 4 * count,
        }
    }
}

/// Reads and checks the header of a safetensors file (8 bytes of length, JSON, data): afterwards every place lies inside the
/// file and is as long as its shape and type make it.
pub(super) fn read_header(path: &Path) -> Result<BTreeMap<String, Place>, Error> {
    let read = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::NotFound => Error::MissingFile(path.to_owned()),
        _ => Error::Read { path: path.to_owned(), source },
    };
    let damaged = |reason: String| Error::Damaged { path: path.to_owned(), reason };
    let mut file = File::open(path).map_err(read)?;
    let found = file.metadata().map_err(read)?.len();
    let truncated = |expected: u64| Error::Truncated { path: path.to_owned(), expected, found };
    if found < 8 {
        return Err(truncated(8));
    }
    let mut length = [0u8; 8];
    file.read_exact(&mut length).map_err(read)?;
    let length = u64::from_le_bytes(length);
    if length > MAX_HEADER_BYTES {
        return Err(damaged(format!("its header claims to be {length} bytes long: it is no safetensors file")));
    }
    let data_start = 8 + length;
    if found < data_start {
        return Err(truncated(data_start));
    }
    let mut json = vec![0u8; length as usize];
    file.read_exact(&mut json).map_err(read)?;
    let entries = match serde_json::from_slice(&json) {
        Ok(Entries(entries)) => entries,
        Err(_) => slowly(&json).map_err(damaged)?,
    };
    let mut places = BTreeMap::new();
    let mut end_of_data = 0;
    for (name, entry) in entries {
        let (place, end) =
            place_of(&entry, data_start).map_err(|reason| damaged(format!("tensor {name}: {reason}")))?;
        end_of_data = end_of_data.max(end);
        if places.insert(name.clone(), place).is_some() {
            return Err(damaged(format!("it has two tensors called {name}")));
        }
    }
    if let Some((one, other)) = overlapping(&places) {
        return Err(damaged(format!("the tensors {one} and {other} lie at the same bytes")));
    }
    if found < end_of_data.max(data_start) {
        return Err(truncated(end_of_data));
    }
    if places.is_empty() {
        return Err(damaged("it holds no tensor".to_owned()));
    }
    Ok(places)
}

/// Two tensors that share bytes, if there are such.
pub(super) fn overlapping(places: &BTreeMap<String, Place>) -> Option<(&str, &str)> {
    let mut in_order: Vec<_> = places.iter().filter(|(_, place)| place.bytes > 0).collect();
    in_order.sort_by_key(|(_, place)| place.start);
    let overlap = |pair: &&[(&String, &Place)]| pair[0].1.start + pair[0].1.bytes as u64 > pair[1].1.start;
    in_order.windows(2).find(overlap).map(|pair| (pair[0].0.as_str(), pair[1].0.as_str()))
}

/// The texts that a safetensors file carries beside its tensors; none where it is no such file.
pub(super) fn read_metadata(path: &Path) -> BTreeMap<String, String> {
    #[derive(Deserialize)]
    struct Header {
        #[serde(rename = "__metadata__")]
        metadata: serde_json::Map<String, Value>,
    }
    let metadata = || {
        let mut file = File::open(path).ok()?;
        let mut length = [0u8; 8];
        file.read_exact(&mut length).ok()?;
        // Other kinds of files begin with numbers that are no lengths.
        let length = Some(u64::from_le_bytes(length)).filter(|length| *length <= MAX_HEADER_BYTES)?;
        let mut json = Vec::new();
        file.take(length).read_to_end(&mut json).ok()?;
        let texts = serde_json::from_slice::<Header>(&json).ok()?.metadata.into_iter();
        Some(texts.filter_map(|(key, value)| Some((key, value.as_str()?.to_owned()))).collect())
    };
    metadata().unwrap_or_default()
}

/// What a header says of a tensor.
#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

/// All that a header says of tensors, as it should be: read without a tree of values, of which large headers make many.
struct Entries(Vec<(String, Entry)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Entries;

            fn expecting(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("tensors by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        map.next_value::<IgnoredAny>()?;
                    } else {
                        entries.push((name, map.next_value()?));
                    }
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(All)
    }
}

/// The same of a header that is not as it should be: what is wrong with it.
fn slowly(json: &[u8]) -> Result<Vec<(String, Entry)>, String> {
    let header: serde_json::Map<String, Value> =
        serde_json::from_slice(json).map_err(|error| format!("its header is not valid JSON: {error}"))?;
    let tensors = header.into_iter().filter(|(name, _)| name != "__metadata__");
    let read = |(name, entry): (String, Value)| match entry_of(&entry) {
        Ok(entry) => Ok((name, entry)),
        Err(reason) => Err(format!("tensor {name}: {reason}")),
    };
    tensors.map(read).collect()
}

fn entry_of(entry: &Value) -> Result<Entry, &'static str> {
    let dtype = entry.get("dtype").and_then(Value::as_str).ok_or("its type is missing")?.to_owned();
    let list = |field: &str| -> Option<Vec<u64>> { entry.get(field)?.as_array()?.iter().map(Value::as_u64).collect() };
    let shape = list("shape").ok_or("its shape is missing or not a list of whole numbers")?;
    let offsets = list("data_offsets").and_then(|offsets| offsets.try_into().ok());
    Ok(Entry { dtype, shape, data_offsets: offsets.ok_or("its offsets are missing or not two whole numbers")? })
}

/// Where a tensor lies, and where its data ends in the file.
fn place_of(Entry { dtype: name, shape, data_offsets }: &Entry, data_start: u64) -> Result<(Place, u64), String> {
    let stored = TYPES.iter().find(|(known, _)| known == name).map(|(_, stored)| *stored);
    let stored = stored.ok_or_else(|| format!("its type {name} is not supported"))?;
    let [start, end] = *data_offsets;
    let count = shape.iter().try_fold(1u64, |count, side| count.checked_mul(*side));
    let expected = count.and_then(|count| stored.bytes_of(count));
    if end < start || expected != Some(end - start) {
        return Err(format!("its offsets {start}..{end} do not fit its shape {shape:?} of {name}"));
    }
    let end_in_file = data_start.checked_add(end).ok_or("its offsets are out of range")?;
    let narrow = |number: u64| usize::try_from(number).map_err(|_| "it is too large for this machine".to_owned());
    let place = Place {
        stored,
        shape: shape.iter().copied().map(narrow).collect::<Result<_, _>>()?,
        start: data_start + start,
        bytes: narrow(end - start)?,
        strides: None,
    };
    Ok((place, end_in_file))
}

/// The types that weights come in, by the names that safetensors gives them.
const TYPES: &[(&str, Stored)] = &[
    ("F64", Stored::Numbers(DType::F64)),
    ("F32", Stored::Numbers(DType::F32)),
    ("F16", Stored::Numbers(DType::F16)),
    ("BF16", Stored::Numbers(DType::BF16)),
    ("F8_E4M3", Stored::Numbers(DType::F8E4M3)),
    ("F8_E5M2", Stored::Float8E5M2),
    ("I64", Stored::Numbers(DType::I64)),
    ("I32", Stored::Numbers(DType::I32)),
    ("I16", Stored::Numbers(DType::I16)),
    ("U32", Stored::Numbers(DType::U32)),
    ("U8", Stored::Numbers(DType::U8)),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    /// Two tensors: a (2, 3) of F16 and b (4) of F32.
    fn whole() -> Vec<u8> {
        let json = br#"{"__metadata__":{"format":"pt"},"a":{"dtype":"F16","shape":[2,3],"data_offsets":[0,12]},"b":{"dtype":"F32","shape":[4],"data_offsets":[12,28]}}"#;
        [&(json.len() as u64).to_le_bytes()[..], json, &[0; 28]].concat()
    }

    fn written(folder: &tempfile::TempDir, bytes: &[u8]) -> PathBuf {
        let path = folder.path().join("weights.safetensors");
        std::fs::write(&path, bytes).unwrap();
        path
    }

    #[test]
    fn a_whole_file_says_where_its_tensors_are() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = whole();
        let places = read_header(&written(&folder, &bytes)).unwrap();
        let b = Place {
            stored: Stored::Numbers(DType::F32),
            shape: vec![4],
            start: bytes.len() as u64 - 16,
            bytes: 16,
            strides: None,
        };
        assert_eq!(places["b"], b);
        assert_eq!(places["a"].shape, [2, 3]);
    }

    #[test]
    fn a_file_cut_anywhere_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = whole();
        for length in 0..bytes.len() {
            let path = written(&folder, &bytes[..length]);
            match read_header(&path) {
                Err(Error::Truncated { found, expected, .. }) => assert!(found == length as u64 && expected > found),
                other => panic!("{length} bytes: {other:?}"),
            }
        }
    }

    #[test]
    fn no_flipped_bit_in_a_header_makes_a_tensor_leave_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = whole();
        for bit in 0..(bytes.len() - 28) * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok(places) = read_header(&written(&folder, &bytes)) {
                for (name, place) in places {
                    assert!(place.start + place.bytes as u64 <= bytes.len() as u64, "bit {bit}: {name} {place:?}");
                    let elements: usize = place.shape.iter().product();
                    assert_eq!(Some(place.bytes as u64), place.stored.bytes_of(elements as u64), "bit {bit}: {name}");
                }
            }
        }
    }

    #[test]
    fn what_is_wrong_with_a_header_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let with_json = |json: &str| [&(json.len() as u64).to_le_bytes()[..], json.as_bytes(), &[0; 28]].concat();
        for (bytes, expected) in [
            (b"<!DOCTYPE html><html>".to_vec(), "no safetensors file"),
            (with_json("{}"), "holds no tensor"),
            (with_json("[1]"), "not valid JSON"),
            (with_json(r#"{"a":{"dtype":"F3","shape":[1],"data_offsets":[0,4]}}"#), "tensor a: its type F3"),
            (
                with_json(r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#),
                "tensor a: its offsets 0..4 do not fit",
            ),
            (with_json(r#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#), "tensor a: its shape"),
            (
                with_json(r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}"#),
                "tensor a: its offsets",
            ),
            (
                with_json(
                    r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]},"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
                ),
                "the tensors b and a lie at the same bytes",
            ),
            (
                with_json(
                    r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
                ),
                "two tensors called a",
            ),
        ] {
            let error = read_header(&written(&folder, &bytes)).unwrap_err().to_string();
            assert!(error.contains(expected) && error.ends_with("weights.safetensors"), "{error}");
        }
    }
}
