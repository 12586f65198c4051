//! Packed weights as bytes: what was packed once can be kept in a file and mapped into memory the next time, where it lies as the kernels read it.

use super::bytes::Kind as ByteKind;
use super::tiles::Tiling;
use bytemuck::Pod;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// Counted up with each change of how weights are packed: what another version kept is not read.
const LAYOUT: u32 = 1;

/// What decides how weights are packed: by this version, on this machine. Where it differs, so may the bytes.
pub fn packing() -> String {
    let order = if cfg!(target_endian = "little") { "little" } else { "big" };
    let tiles = (Tiling::of_f32(), Tiling::of_bf16(), ByteKind::best());
    format!("layout {LAYOUT}, {} lanes, tiles {tiles:?}, {order} endian", super::vector::lanes())
}

/// How the numbers of a weight lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// In panels for vectors, as f32.
    F32,
    /// In panels for vectors, as f16.
    F16,
    /// In panels for vectors, as bf16.
    Bf16,
    /// In tiles of bf16, to which they were rounded or as which they were stored.
    Rounded,
    /// In tiles of bf16, as which they were stored: none lacks anything.
    Whole,
    /// In tiles of bf16, with tiles of what they lack.
    Split,
    /// In tiles of f16.
    Halves,
    /// In tiles of 8-bit integers; and of each column what a byte counts and the sum of all.
    Bytes,
}

impl Form {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::F32, Self::F16, Self::Bf16, Self::Rounded, Self::Whole, Self::Split, Self::Halves, Self::Bytes];

    /// How it is spelled in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::Rounded => "rounded",
            Self::Whole => "whole",
            Self::Split => "split",
            Self::Halves => "halves",
            Self::Bytes => "bytes",
        }
    }

    /// The one that is spelled so.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.name() == name)
    }
}

/// Bytes that somebody has: some of a block of memory, or of a file that is mapped into memory.
#[derive(Clone)]
pub struct Section {
    bytes: Arc<dyn AsRef<[u8]> + Send + Sync>,
    range: Range<usize>,
}

impl Section {
    /// None where there are not so many.
    pub fn new(bytes: Arc<dyn AsRef<[u8]> + Send + Sync>, range: Range<usize>) -> Option<Self> {
        (*bytes).as_ref().get(range.clone())?;
        Some(Self { bytes, range })
    }
}

impl Deref for Section {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &(*self.bytes).as_ref()[self.range.clone()]
    }
}

impl fmt::Debug for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Section({} bytes)", self.range.len())
    }
}

/// A packed weight.
#[derive(Clone, Debug)]
pub struct Kept {
    /// How it lies.
    pub form: Form,
    /// Whether outputs and their gates lie side by side.
    pub is_gated: bool,
    /// One, or as many as the form needs. Their numbers must lie where such numbers may.
    pub sections: Vec<Section>,
}

/// What can be kept.
pub(in crate::kernels) trait Packing {
    /// Shares its bytes.
    fn keep(&self) -> Kept;
}

/// Numbers that are its own, or kept by somebody.
#[derive(Clone)]
pub(super) enum Numbers<T> {
    Own(Arc<Vec<T>>),
    Kept(Section, PhantomData<T>),
}

impl<T: Pod + Send + Sync> Numbers<T> {
    /// Those of a section; none unless there are exactly so many, and where such numbers may lie.
    pub(super) fn of(section: &Section, count: usize) -> Option<Self> {
        let numbers = bytemuck::try_cast_slice::<u8, T>(section).ok()?;
        (numbers.len() == count).then(|| Self::Kept(section.clone(), PhantomData))
    }

    pub(super) fn keep(&self) -> Section {
        match self {
            Self::Own(numbers) => {
                let range = 0..size_of_val(numbers.as_slice());
                Section { bytes: Arc::new(AsBytes(Arc::clone(numbers))), range }
            }
            Self::Kept(section, _) => section.clone(),
        }
    }
}

impl<T: Pod> Deref for Numbers<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Self::Own(numbers) => numbers,
            Self::Kept(section, _) => bytemuck::cast_slice(section),
        }
    }
}

impl<T> From<Vec<T>> for Numbers<T> {
    fn from(numbers: Vec<T>) -> Self {
        Self::Own(Arc::new(numbers))
    }
}

impl<T: Pod> fmt::Debug for Numbers<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Numbers({})", self.len())
    }
}

struct AsBytes<T>(Arc<Vec<T>>);

impl<T: Pod> AsRef<[u8]> for AsBytes<T> {
    fn as_ref(&self) -> &[u8] {
        bytemuck::cast_slice(&self.0)
    }
}
