//! A file of packed weights: `sfumato packed 1`, the length of a header as a u64, the header, which is JSON, and the sections that it
//! lists. They begin at multiples of 64 bytes, as kernels want them, and are counted from the first such behind the header.

use super::Identity;
use super::writers::check_wanted;
use crate::memory::available_memory;
use crate::networks::{Form, Kept, Section};
use candle_core::DType;
use memmap2::Mmap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;
use std::sync::Arc;

const MAGIC: [u8; 16] = *b"sfumato packed 1";

/// Bytes in front of the header.
const BEFORE: u64 = 24;

/// What sections begin at multiples of.
const ALIGNMENT: u64 = 64;

/// A longer header is none: a network has some thousand tensors.
const MOST_HEADER: u64 = 16 << 20;

/// So many bytes are written, or brought into memory, at once. After them the disk is waited for: whoever saves something meanwhile would have to
/// wait for all that was written before.
const AT_ONCE: usize = 64 << 20;

/// A weight, and what it was packed from.
pub(super) struct Packed {
    pub(super) kept: Kept,
    pub(super) shape: Vec<usize>,
    pub(super) dtype: DType,
}

/// Those of a network, by their names.
pub(super) type Tensors = BTreeMap<String, Packed>;

/// How many bytes they have in all.
pub(super) fn bytes_of(tensors: &Tensors) -> u64 {
    tensors.values().flat_map(|packed| &packed.kept.sections).map(|section| section.len() as u64).sum()
}

#[derive(Serialize, Deserialize)]
struct Header {
    identity: Identity,
    tensors: BTreeMap<String, Stored>,
}

/// Where a weight lies.
#[derive(Serialize, Deserialize)]
struct Stored {
    form: String,
    is_gated: bool,
    shape: Vec<usize>,
    dtype: String,
    /// Where each begins, and how many bytes it has.
    sections: Vec<(u64, u64)>,
}

impl Stored {
    /// The weight, if there is such in bytes of which the first section begins at `start`.
    fn within(self, bytes: &Arc<dyn AsRef<[u8]> + Send + Sync>, start: u64) -> Option<Packed> {
        let section = |(from, count): (u64, u64)| {
            let from = start.checked_add(from).filter(|from| from.is_multiple_of(ALIGNMENT))?;
            let to = from.checked_add(count)?;
            Section::new(Arc::clone(bytes), usize::try_from(from).ok()?..usize::try_from(to).ok()?)
        };
        let sections = self.sections.into_iter().map(section).collect::<Option<_>>()?;
        let kept = Kept { form: Form::from_name(&self.form)?, is_gated: self.is_gated, sections };
        Some(Packed { kept, shape: self.shape, dtype: self.dtype.parse().ok()? })
    }
}

/// What a file will be.
pub(super) struct Plan {
    /// All that stands before the sections.
    head: Vec<u8>,
    /// Of the whole file.
    pub(super) bytes: u64,
}

impl Plan {
    pub(super) fn of(identity: &Identity, tensors: &Tensors) -> io::Result<Self> {
        let mut end = 0;
        let mut stored = BTreeMap::new();
        for (name, Packed { kept, shape, dtype }) in tensors {
            let mut sections = Vec::new();
            for section in &kept.sections {
                sections.push((end, section.len() as u64));
                end = aligned(end + section.len() as u64);
            }
            let (form, dtype) = (kept.form.name().to_owned(), dtype.as_str().to_owned());
            stored
                .insert(name.clone(), Stored { form, is_gated: kept.is_gated, shape: shape.clone(), dtype, sections });
        }
        let header = serde_json::to_vec(&Header { identity: identity.clone(), tensors: stored })?;
        let length = header.len() as u64;
        if length > MOST_HEADER {
            return Err(io::Error::other("it has too many tensors"));
        }
        let mut head = [&MAGIC[..], &length.to_le_bytes()[..], &header[..]].concat();
        let start = aligned(BEFORE + length);
        head.resize(start as usize, 0);
        Ok(Self { head, bytes: start + end })
    }

    /// Writes it. What was written is let go at once: it may be all that still holds the memory. Where that becomes scarce the rest goes unwritten.
    pub(super) fn write(&self, file: &mut File, tensors: Tensors) -> io::Result<()> {
        file.write_all(&self.head)?;
        let (mut left, mut waiting) = (bytes_of(&tensors), 0);
        for section in tensors.into_values().flat_map(|packed| packed.kept.sections) {
            check_wanted()?;
            let count = section.len() as u64;
            file.write_all(&section)?;
            file.write_all(&[0; ALIGNMENT as usize][..(aligned(count) - count) as usize])?;
            left -= count;
            waiting += section.len();
            if waiting >= AT_ONCE {
                file.sync_data()?;
                waiting = 0;
                if available_memory().is_some_and(|free| free < left) {
                    return Err(io::Error::other("the memory is needed"));
                }
            }
        }
        Ok(())
    }
}

/// Maps the weights in a file into memory.
pub(super) fn open(path: &Path, identity: &Identity) -> io::Result<Tensors> {
    let mut file = File::open(path)?;
    let (header, start) = read_header(&mut file)?;
    if header.identity != *identity {
        return Err(damaged("it is of other weights"));
    }
    let map = Arc::new(mapped(&file)?);
    let bytes: Arc<dyn AsRef<[u8]> + Send + Sync> = map.clone();
    let mut tensors = Tensors::new();
    for (name, stored) in header.tensors {
        let packed = stored.within(&bytes, start).ok_or_else(|| damaged("it has not what it lists"))?;
        tensors.insert(name, packed);
    }
    bring_in(map);
    Ok(tensors)
}

/// What a file is of.
pub(super) fn identity_of(path: &Path) -> io::Result<Identity> {
    Ok(read_header(&mut File::open(path)?)?.0.identity)
}

/// Whether it is the file's fault.
pub(super) fn is_damage(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof)
}

/// The header, and where the first section begins.
fn read_header(file: &mut File) -> io::Result<(Header, u64)> {
    let (mut magic, mut length) = ([0u8; MAGIC.len()], [0u8; 8]);
    file.read_exact(&mut magic)?;
    file.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    if magic != MAGIC || length > MOST_HEADER {
        return Err(damaged("it is no file of packed weights"));
    }
    let mut header = vec![0u8; length as usize];
    file.read_exact(&mut header)?;
    let header = serde_json::from_slice(&header).map_err(|error| damaged(&error.to_string()))?;
    Ok((header, aligned(BEFORE + length)))
}

fn damaged(reason: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, reason)
}

/// The first multiple of [`ALIGNMENT`] that is not below a number. Lengths of memory and of headers are far from the largest number.
fn aligned(number: u64) -> u64 {
    number.next_multiple_of(ALIGNMENT)
}

#[expect(unsafe_code, reason = "what is mapped is only as steady as the file is")]
fn mapped(file: &File) -> io::Result<Mmap> {
    // SAFETY: the file is the program's own and is never written to: it gets its name when it is whole, and another takes the name only
    // after it was removed, which leaves what is mapped as it is. What else could change it or cut it short is somebody else's hand in a
    // folder that is the program's. Where it is gone all the same, because another machine removed it from a disk on a network, or a disk
    // failed, the system ends the program when it is read: nothing else is ever read in its place.
    unsafe { Mmap::map(file) }
}

/// Has a file that is mapped read by a thread of its own: by the time that weights are used most are there, and a slow disk holds up nobody
/// before. It ends when nobody else has the file any more, or what comes would push out what came.
#[cfg(unix)]
fn bring_in(map: Arc<Mmap>) {
    use memmap2::Advice;
    let bring = move || {
        for start in (0..map.len()).step_by(AT_ONCE) {
            if Arc::strong_count(&map) == 1 || available_memory().is_some_and(|free| free < AT_ONCE as u64) {
                break;
            }
            let count = AT_ONCE.min(map.len() - start);
            let advised = map.advise_range(Advice::WillNeed, start, count);
            // Each page would otherwise be asked for when it is first used.
            #[cfg(target_os = "linux")]
            let advised = advised.and_then(|()| map.advise_range(Advice::PopulateRead, start, count));
            if let Err(error) = advised {
                tracing::debug!("packed weights are read as they are used: {error}");
                break;
            }
        }
    };
    if let Err(error) = std::thread::Builder::new().name("packed weights".to_owned()).spawn(bring) {
        tracing::debug!("packed weights are read as they are used: {error}");
    }
}

#[cfg(not(unix))]
fn bring_in(_: Arc<Mmap>) {}
