//! GGUF, in which quantised weights are shared (ggml's docs/gguf.md): a count of tensors, a list of values, the tensors' names, shapes,
//! types and offsets, and the data. Nothing in it is believed before it is checked.

use super::Error;
use super::header::{MAX_HEADER_BYTES, Place, Stored, overlapping};
use candle_core::DType;
use candle_core::quantized::GgmlDType;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

/// How such a file begins.
pub(super) const MAGIC: [u8; 4] = *b"GGUF";
/// Where data begins is a multiple of this, unless a value says otherwise.
const ALIGNMENT: u64 = 32;
/// More dimensions than any weight has.
const MAX_DIMENSIONS: u32 = 8;
/// Longer than any name.
const MAX_NAME: u64 = 1 << 12;
/// How the name of a value begins that says which shape a tensor had before it was flattened; ComfyUI-GGUF's.
const SHAPE: &str = "comfy.gguf.orig_shape.";

/// ggml's numbers of types.
const TYPES: [(u32, Stored); 15] = [
    (0, Stored::Numbers(DType::F32)),
    (1, Stored::Numbers(DType::F16)),
    (2, Stored::Blocks(GgmlDType::Q4_0)),
    (3, Stored::Blocks(GgmlDType::Q4_1)),
    (6, Stored::Blocks(GgmlDType::Q5_0)),
    (7, Stored::Blocks(GgmlDType::Q5_1)),
    (8, Stored::Blocks(GgmlDType::Q8_0)),
    (10, Stored::Blocks(GgmlDType::Q2K)),
    (11, Stored::Blocks(GgmlDType::Q3K)),
    (12, Stored::Blocks(GgmlDType::Q4K)),
    (13, Stored::Blocks(GgmlDType::Q5K)),
    (14, Stored::Blocks(GgmlDType::Q6K)),
    (26, Stored::Numbers(DType::I32)),
    (27, Stored::Numbers(DType::I64)),
    (30, Stored::Numbers(DType::BF16)),
];

/// Reads and checks the header: afterwards every place lies inside the file and is as long as its shape and type make it.
pub(super) fn read_places(path: &Path) -> Result<BTreeMap<String, Place>, Error> {
    let read = |source| Error::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(read)?;
    let found = file.metadata().map_err(read)?.len();
    let mut header = Header { reader: BufReader::new(file).take(found.min(MAX_HEADER_BYTES)), read: 0 };
    match header.places(found) {
        Ok(places) if places.is_empty() => {
            Err(Error::Damaged { path: path.to_owned(), reason: "it holds no tensor".to_owned() })
        }
        Ok(places) => Ok(places),
        Err(Problem::Reason(reason)) => Err(Error::Damaged { path: path.to_owned(), reason }),
        Err(Problem::Short(expected)) => Err(Error::Truncated { path: path.to_owned(), expected, found }),
        Err(Problem::Io(source)) if source.kind() == std::io::ErrorKind::UnexpectedEof => {
            Err(Error::Damaged { path: path.to_owned(), reason: "its header does not end".to_owned() })
        }
        Err(Problem::Io(source)) => Err(Error::Read { path: path.to_owned(), source }),
    }
}

enum Problem {
    Reason(String),
    /// How long it should be.
    Short(u64),
    Io(std::io::Error),
}

impl From<std::io::Error> for Problem {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

fn wrong<T>(reason: impl Into<String>) -> Result<T, Problem> {
    Err(Problem::Reason(reason.into()))
}

struct Header<R> {
    reader: R,
    /// How many bytes were read.
    read: u64,
}

impl<R: Read> Header<R> {
    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Problem> {
        let mut bytes = [0; N];
        self.reader.read_exact(&mut bytes)?;
        self.read += N as u64;
        Ok(bytes)
    }

    fn u32(&mut self) -> Result<u32, Problem> {
        self.bytes().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Problem> {
        self.bytes().map(u64::from_le_bytes)
    }

    /// Passes over this many bytes, which need not be there.
    fn skip(&mut self, count: u64) -> Result<(), Problem> {
        let skipped = std::io::copy(&mut self.reader.by_ref().take(count), &mut std::io::sink())?;
        self.read += skipped;
        if skipped == count { Ok(()) } else { wrong("its header does not end") }
    }

    fn name(&mut self) -> Result<String, Problem> {
        let length = self.u64()?;
        if length > MAX_NAME {
            return wrong(format!("a name in it claims to be {length} bytes long"));
        }
        let mut bytes = vec![0; length as usize];
        self.reader.read_exact(&mut bytes)?;
        self.read += length;
        String::from_utf8(bytes).or_else(|_| wrong("a name in it is no text"))
    }

    /// Reads a whole number, or passes over any other value.
    fn value(&mut self, kind: u32) -> Result<Option<u64>, Problem> {
        Ok(match kind {
            0 | 1 | 7 => Some(u64::from(self.bytes::<1>()?[0])),
            2 | 3 => Some(u64::from(u16::from_le_bytes(self.bytes()?))),
            4 | 5 => Some(u64::from(self.u32()?)),
            10 | 11 => Some(self.u64()?),
            6 => self.skip(4).map(|()| None)?,
            12 => self.skip(8).map(|()| None)?,
            8 => {
                let length = self.u64()?;
                self.skip(length)?;
                None
            }
            _ => return wrong(format!("it has a value of an unknown type, {kind}")),
        })
    }

    /// A value; the whole numbers in it, as many as a shape may have, if it is a list.
    fn values(&mut self, kind: u32) -> Result<Vec<u64>, Problem> {
        if kind != 9 {
            return Ok(self.value(kind)?.into_iter().collect());
        }
        let (kind, count) = (self.u32()?, self.u64()?);
        let mut numbers = Vec::new();
        for _ in 0..count {
            let number = self.value(kind)?;
            if numbers.len() <= MAX_DIMENSIONS as usize {
                numbers.extend(number);
            }
        }
        Ok(numbers)
    }

    fn places(&mut self, file_bytes: u64) -> Result<BTreeMap<String, Place>, Problem> {
        if self.bytes()? != MAGIC {
            return wrong("it does not begin as a GGUF file");
        }
        let version = self.u32()?;
        if !(2..=3).contains(&version) {
            return wrong(format!("it is of version {version} of GGUF, and 2 and 3 can be read"));
        }
        let (tensors, values) = (self.u64()?, self.u64()?);
        let mut alignment = ALIGNMENT;
        let mut shapes = BTreeMap::new();
        for _ in 0..values {
            let (name, kind) = (self.name()?, self.u32()?);
            let numbers = self.values(kind)?;
            match (name.as_str(), numbers.as_slice()) {
                ("general.alignment", [number]) => alignment = *number,
                (name, numbers) if name.starts_with(SHAPE) => {
                    shapes.insert(name[SHAPE.len()..].to_owned(), numbers.to_vec());
                }
                _ => {}
            }
        }
        if !alignment.is_power_of_two() || alignment > 1 << 20 {
            return wrong(format!("it is aligned to {alignment} bytes"));
        }
        let mut infos = Vec::new();
        for _ in 0..tensors {
            infos.push((self.name()?, self.info()?));
        }
        let data = self.read.next_multiple_of(alignment);
        let mut places = BTreeMap::new();
        let mut end_of_data = data;
        for (name, (shape, kind, offset)) in infos {
            let original = shapes.remove(&name);
            let (place, end) = place(shape, original, kind, offset, data)
                .or_else(|reason| wrong(format!("tensor {name}: {reason}")))?;
            end_of_data = end_of_data.max(end);
            if places.insert(name.clone(), place).is_some() {
                return wrong(format!("it has two tensors called {name}"));
            }
        }
        if let Some((one, other)) = overlapping(&places) {
            return wrong(format!("the tensors {one} and {other} lie at the same bytes"));
        }
        if file_bytes < end_of_data { Err(Problem::Short(end_of_data)) } else { Ok(places) }
    }

    /// A tensor's shape, in which the sides that change fastest come first; its type and its offset.
    fn info(&mut self) -> Result<(Vec<u64>, u32, u64), Problem> {
        let dimensions = self.u32()?;
        if dimensions > MAX_DIMENSIONS {
            return wrong(format!("a tensor in it claims to have {dimensions} dimensions"));
        }
        let mut shape = Vec::new();
        for _ in 0..dimensions {
            shape.push(self.u64()?);
        }
        Ok((shape, self.u32()?, self.u64()?))
    }
}

/// A tensor's place, and where its data ends in the file.
fn place(
    mut shape: Vec<u64>,
    original: Option<Vec<u64>>,
    kind: u32,
    offset: u64,
    data: u64,
) -> Result<(Place, u64), String> {
    let stored = TYPES.iter().find(|(known, _)| *known == kind).map(|(_, stored)| *stored);
    let stored = stored.ok_or_else(|| format!("its type, number {kind} of ggml's, is not supported"))?;
    let count = |shape: &[u64]| shape.iter().try_fold(1u64, |count, side| count.checked_mul(*side));
    let bytes = count(&shape).and_then(|count| stored.bytes_of(count));
    // Blocks do not reach over the end of a row.
    let whole_rows = shape.first().is_some_and(|row| stored.bytes_of(*row).is_some());
    let bytes =
        bytes.filter(|_| whole_rows).ok_or_else(|| format!("its shape {shape:?} has no rows of {}", stored.name()))?;
    shape.reverse();
    if let Some(original) = original {
        if count(&original).is_none() || count(&original) != count(&shape) {
            return Err(format!("its shape {shape:?} is not {original:?} flattened"));
        }
        shape = original;
    }
    let start = data.checked_add(offset).ok_or("its offset is out of range")?;
    let end = start.checked_add(bytes).ok_or("its offset is out of range")?;
    let narrow = |number: u64| usize::try_from(number).map_err(|_| "it is too large for this machine".to_owned());
    let shape = shape.into_iter().map(narrow).collect::<Result<_, _>>()?;
    Ok((Place { stored, shape, start, bytes: narrow(bytes)?, strides: None }, end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoints::weights::Weights;
    use candle_core::{DType, Device, Tensor};
    use std::path::PathBuf;

    fn fixture(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/checkpoints").join(name)
    }

    /// `tests/fixtures/generate_gguf.py`: every type, as the `gguf` package reads it.
    #[test]
    fn every_type_is_read_as_ggml_reads_it() {
        let path = fixture("quantised.gguf");
        let places = read_places(&path).unwrap();
        let expected = candle_core::safetensors::load(fixture("quantised.safetensors"), &Device::Cpu).unwrap();
        assert_eq!(
            places.keys().collect::<Vec<_>>(),
            expected.keys().collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>()
        );
        let weights = Weights::open_file(&path, places).unwrap().into_builder(DType::F32, &Device::Cpu);
        for (name, expected) in expected {
            let found = weights.get(expected.shape(), &name).unwrap().to_dtype(DType::F32).unwrap();
            let worst = |tensor: &Tensor| {
                tensor.abs().unwrap().flatten_all().unwrap().max(0).unwrap().to_scalar::<f32>().unwrap()
            };
            let (error, largest) = (worst(&(&found - &expected).unwrap()), worst(&expected));
            // They are kept in f16: 11 bits of the largest.
            assert!(error <= largest / 2048.0, "{name}: {error} of {largest}");
        }
    }

    #[test]
    fn a_damaged_file_is_refused_by_name_and_never_a_panic() {
        let whole = std::fs::read(fixture("quantised.gguf")).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("damaged.gguf");
        let header = whole.windows(6).rposition(|window| window == b"folded").unwrap();
        // Behind the data there are up to 31 bytes that nothing asks for.
        for length in (0..header).step_by(7).chain([whole.len() - 32]) {
            std::fs::write(&path, &whole[..length]).unwrap();
            let error = read_places(&path).unwrap_err().to_string();
            assert!(error.ends_with("damaged.gguf"), "{error}");
        }
        for at in 0..header + 40 {
            for bit in [0, 3, 7] {
                let mut bytes = whole.clone();
                bytes[at] ^= 1 << bit;
                std::fs::write(&path, &bytes).unwrap();
                match read_places(&path) {
                    Ok(places) => {
                        for place in places.values() {
                            assert!(place.start + place.bytes as u64 <= bytes.len() as u64, "byte {at}, bit {bit}");
                            let count = place.shape.iter().product::<usize>() as u64;
                            assert_eq!(place.stored.bytes_of(count), Some(place.bytes as u64), "byte {at}, bit {bit}");
                        }
                    }
                    Err(error) => assert!(error.to_string().ends_with("damaged.gguf"), "{error}"),
                }
            }
        }
    }
}
