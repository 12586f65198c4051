//! Where the tensors lie in a file that `torch.save` wrote: an archive (zip, nothing packed) of a pickle and a file for each storage, or
//! as torch wrote until 1.6, four pickles, then the storages one behind the other. The pickles say which tensor is which part of which
//! storage; the numbers themselves are read later, as those of any file.

use super::Error;
use super::header::{Place, Stored};
use super::pickle::{Callable, Id, Pickle, Refusal, Tensor, Value};
use candle_core::DType;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use zip::{CompressionMethod, ZipArchive};

/// How an archive begins.
pub(super) const ARCHIVE: &[u8] = b"PK\x03\x04";
/// How a pickle begins.
pub(super) const PICKLE: u8 = 0x80;
/// A pickle that describes weights is a few hundred bytes for each tensor; one that is longer describes something else.
const MAX_PICKLE_BYTES: u64 = 16 << 20;
/// The first pickle of a file without an archive, a number that stands for the format, and the second.
const MAGIC: &[u8] = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.";
/// Dictionaries that training programs put the weights into, the better ones first; the last is that of a learned word.
const WRAPPERS: [&str; 4] = ["params_ema", "params", "state_dict", "string_to_param"];
/// Where torch's own dictionaries of parameters have them.
const PARAMETERS: &str = "_parameters";

/// Where a storage lies in the file.
#[derive(Clone, Copy)]
struct Storage {
    start: u64,
    bytes: u64,
}

/// Reads the pickles of a file: afterwards every place lies inside of it.
pub(super) fn read_places(path: &Path) -> Result<BTreeMap<String, Place>, Error> {
    let mut file = File::open(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let places = match first_bytes(&mut file) {
        Ok(first) if first == ARCHIVE => in_archive(file),
        Ok(_) => in_sequence(&mut file),
        Err(error) => Err(error.into()),
    };
    places.map_err(|problem| problem.of(path))
}

fn first_bytes(file: &mut File) -> std::io::Result<[u8; 4]> {
    let mut first = [0; 4];
    file.read_exact(&mut first)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(first)
}

/// What is wrong, without the file's name.
enum Problem {
    Refused(Refusal),
    Read(std::io::Error),
    Damaged(String),
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<std::io::Error> for Problem {
    fn from(error: std::io::Error) -> Self {
        Self::Read(error)
    }
}

impl Problem {
    fn of(self, path: &Path) -> Error {
        let path = path.to_owned();
        match self {
            Self::Refused(Refusal::Name(name)) => Error::Refused { what: format!("to call {name}"), path },
            Self::Refused(Refusal::Instruction(name)) => {
                Error::Refused { what: format!("for the instruction {name}"), path }
            }
            Self::Refused(Refusal::Damaged(reason)) => Error::Damaged { path, reason: reason.to_owned() },
            Self::Damaged(reason) => Error::Damaged { path, reason },
            Self::Read(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                Error::Damaged { path, reason: "it ends too early".to_owned() }
            }
            Self::Read(source) => Error::Read { path, source },
        }
    }
}

fn damaged<T>(reason: impl Into<String>) -> Result<T, Problem> {
    Err(Problem::Damaged(reason.into()))
}

fn in_archive(file: File) -> Result<BTreeMap<String, Place>, Problem> {
    let length = file.metadata()?.len();
    let mut archive = match ZipArchive::new(file) {
        Ok(archive) => archive,
        Err(zip::result::ZipError::Io(error)) => return Err(error.into()),
        Err(error) => return damaged(format!("it is no whole archive: {error}")),
    };
    let name_of_pickle = |name: &[u8]| name == b"data.pkl" || name.ends_with(b"/data.pkl");
    let Some(name) = archive.file_names_raw().find(|name| name_of_pickle(name)).map(<[u8]>::to_vec) else {
        return damaged("it is an archive of something else than weights");
    };
    let Ok(name) = String::from_utf8(name) else {
        return damaged("a name in it is no UTF-8");
    };
    let folder = name.strip_suffix("data.pkl").unwrap_or_default().to_owned();
    if entry(&mut archive, &format!("{folder}byteorder"), length, 64).is_ok_and(|(_, _, order)| order == b"big") {
        return damaged("its numbers are big-endian");
    }
    let (_, _, bytes) = entry(&mut archive, &name, length, MAX_PICKLE_BYTES)?;
    let (pickle, _) = Pickle::read(&bytes)?;
    let mut found = HashMap::new();
    places_in(&pickle, |key| {
        if let Some(storage) = found.get(key) {
            return Ok(*storage);
        }
        let (start, bytes, _) = entry(&mut archive, &format!("{folder}data/{key}"), length, 0)?;
        found.insert(key.to_owned(), Storage { start, bytes });
        Ok(Storage { start, bytes })
    })
}

/// Where a file in an archive begins, how many bytes it has, and the bytes themselves if they are at most `wanted`.
fn entry(archive: &mut ZipArchive<File>, name: &str, length: u64, wanted: u64) -> Result<(u64, u64, Vec<u8>), Problem> {
    let mut entry = match archive.by_name(name) {
        Ok(entry) => entry,
        Err(zip::result::ZipError::Io(error)) => return Err(error.into()),
        Err(error) => return damaged(format!("{name} in it cannot be read: {error}")),
    };
    let (start, size) = (entry.data_start().unwrap_or(u64::MAX), entry.size());
    let inside = start.checked_add(size).is_some_and(|end| end <= length);
    if entry.compression() != CompressionMethod::Stored || !inside {
        return damaged(format!("{name} in it is packed or cut short"));
    }
    let mut bytes = Vec::new();
    if wanted > 0 {
        if size > wanted {
            return damaged(format!("{name} in it is {size} bytes long: it describes something else than weights"));
        }
        entry.read_to_end(&mut bytes)?;
    }
    Ok((start, size, bytes))
}

fn in_sequence(file: &mut File) -> Result<BTreeMap<String, Place>, Problem> {
    let length = file.metadata()?.len();
    let mut bytes = Vec::new();
    file.by_ref().take(MAX_PICKLE_BYTES).read_to_end(&mut bytes)?;
    let Some(rest) = bytes.strip_prefix(&[PICKLE, 2]).and_then(|rest| rest.strip_prefix(MAGIC)) else {
        return damaged("it is a pickle, but not one of torch");
    };
    let (about, about_length) = Pickle::read(rest)?;
    let is_big_endian = |&(key, value): &(Id, Id)| {
        about.text(key) == Some("little_endian") && *about.value(value) == Value::Bool(false)
    };
    if matches!(about.root(), Value::Dict(pairs) if pairs.iter().any(is_big_endian)) {
        return damaged("its numbers are big-endian");
    }
    let rest = &rest[about_length..];
    let (pickle, pickle_length) = Pickle::read(rest)?;
    let rest = &rest[pickle_length..];
    let (keys, keys_length) = Pickle::read(rest)?;
    let Value::List(keys_in_order) = keys.root() else {
        return damaged("its storages are not listed");
    };
    let sizes = element_sizes(&pickle);
    let mut at = (bytes.len() - rest.len() + keys_length) as u64;
    let mut found = HashMap::new();
    for &key in keys_in_order {
        let Some((key, size)) = keys.text(key).and_then(|key| Some((key, *sizes.get(key)?))) else {
            return damaged("it lists a storage that nothing is in");
        };
        file.seek(SeekFrom::Start(at))?;
        let mut count = [0; 8];
        file.read_exact(&mut count)?;
        let count = u64::from_le_bytes(count);
        let start = at + 8;
        let Some(bytes) = count.checked_mul(size).filter(|bytes| start.checked_add(*bytes) <= Some(length)) else {
            return damaged(format!("the storage {key} is cut short"));
        };
        found.insert(key.to_owned(), Storage { start, bytes });
        at = start + bytes;
    }
    places_in(&pickle, |key| match found.get(key) {
        Some(storage) => Ok(*storage),
        None => damaged(format!("the storage {key} is missing")),
    })
}

/// Bytes of an element of each storage that a pickle names.
fn element_sizes(pickle: &Pickle) -> HashMap<String, u64> {
    let outside = pickle.values().filter_map(|value| match value {
        Value::Outside(name) => named(pickle, *name).ok(),
        _ => None,
    });
    outside.map(|(key, dtype, _)| (key.to_owned(), dtype.size_in_bytes() as u64)).collect()
}

/// A storage's name `("storage", type, key, device, count)`, with the part of an older one behind it where files have no archive.
fn named(pickle: &Pickle, name: Id) -> Result<(&str, DType, usize), Problem> {
    if let Value::Tuple(parts) = pickle.value(name)
        && let [kind, dtype, key, _, count, part @ ..] = &parts[..]
        && pickle.text(*kind) == Some("storage")
        && let (Value::Callable(Callable::Storage(dtype)), Some(key)) = (pickle.value(*dtype), pickle.text(*key))
        && let Value::Int(count) = pickle.value(*count)
        && let Ok(count) = usize::try_from(*count)
        && part.iter().all(|part| *pickle.value(*part) == Value::None)
    {
        return Ok((key, *dtype, count));
    }
    damaged("a storage has a name that makes no sense")
}

/// The tensors of a dictionary, or of the one in it that training programs put weights into.
fn places_in(
    pickle: &Pickle,
    mut storage: impl FnMut(&str) -> Result<Storage, Problem>,
) -> Result<BTreeMap<String, Place>, Problem> {
    let Value::Dict(outer) = pickle.root() else {
        return damaged("it holds no dictionary of tensors");
    };
    let inside = |pairs: &[(Id, Id)], name: &str| {
        let (_, inner) = pairs.iter().find(|(key, _)| pickle.text(*key) == Some(name))?;
        if let Value::Dict(pairs) = pickle.value(*inner) { Some(pairs) } else { None }
    };
    let pairs = WRAPPERS.iter().find_map(|wrapper| inside(outer, wrapper)).unwrap_or(outer);
    let pairs = inside(pairs, PARAMETERS).unwrap_or(pairs);
    let mut places = BTreeMap::new();
    for &(name, tensor) in pairs {
        let (Some(name), Value::Tensor(tensor)) = (pickle.text(name), pickle.value(tensor)) else {
            continue;
        };
        let Value::Outside(outside) = pickle.value(tensor.storage) else {
            return damaged("a tensor lies in no storage");
        };
        let (key, dtype, count) = named(pickle, *outside)?;
        let Storage { start, bytes } = storage(key)?;
        if count.checked_mul(dtype.size_in_bytes()).is_none_or(|size| size as u64 > bytes) {
            return damaged(format!("the storage {key} is shorter than it says"));
        }
        match place_of(tensor, dtype, count, start) {
            Ok(place) => drop(places.insert(name.to_owned(), place)),
            Err(Misplaced::Repeated) => {}
            Err(Misplaced::Outside) => return damaged(format!("the tensor {name} lies outside of its storage")),
        }
    }
    if places.is_empty() { damaged("it holds no tensor") } else { Ok(places) }
}

/// Why a tensor has no place.
enum Misplaced {
    /// It leaves its storage.
    Outside,
    /// It has more numbers than its storage, as no weights have.
    Repeated,
}

/// Of a tensor in a storage of `count` numbers that begins at `start`.
fn place_of(tensor: &Tensor, dtype: DType, count: usize, start: u64) -> Result<Place, Misplaced> {
    let sides = || tensor.shape.iter().zip(&tensor.strides);
    let (mut numbers, mut in_rows) = (1usize, true);
    for (&side, &stride) in sides().rev() {
        in_rows &= side <= 1 || stride == numbers;
        numbers = numbers.checked_mul(side).ok_or(Misplaced::Outside)?;
    }
    // From the first of its numbers to behind the last.
    let span = if numbers == 0 {
        Some(0)
    } else {
        sides().try_fold(1usize, |span, (side, stride)| span.checked_add((side - 1).checked_mul(*stride)?))
    };
    let span = span.filter(|span| tensor.offset.checked_add(*span).is_some_and(|end| end <= count));
    let span = span.ok_or(Misplaced::Outside)?;
    if numbers > count {
        return Err(Misplaced::Repeated);
    }
    let size = dtype.size_in_bytes();
    Ok(Place {
        stored: Stored::Numbers(dtype),
        shape: tensor.shape.clone(),
        start: start.checked_add((tensor.offset * size) as u64).ok_or(Misplaced::Outside)?,
        bytes: span * size,
        strides: (!in_rows).then(|| tensor.strides.clone().into()),
    })
}
