//! Products of tiles of bf16 numbers, summed in f32, by what the processor has for them: AMX multiplies whole tiles (Intel, "Architecture
//! Instruction Set Extensions Programming Reference", chapter 3), AVX-512 vectors of pairs.
//!
//! On the left a tile is 16 rows of 32 numbers. On the right it is 16 columns of as many, in pairs: first the pair 0, 1 of each
//! column, then 2, 3. Both are 16 lines of the cache, and both kinds of instructions read them as they lie.

#[cfg(target_arch = "x86_64")]
mod x86;

use super::bytes;
#[cfg(target_arch = "x86_64")]
use super::vector::Vectors;

/// Rows of a tile on the left, columns of one on the right.
pub(super) const SIDE: usize = 16;
/// Numbers that a tile has of each row and column.
pub(super) const DEPTH: usize = 32;
/// Tiles that are multiplied with each other at once, in both directions.
pub(super) const AT_ONCE: usize = 2;
/// Columns of the sums that come of it.
pub(super) const PANEL: usize = AT_ONCE * SIDE;
/// Lines of what stands on the right for a tile of the depth.
pub(super) const STEP: usize = AT_ONCE * SIDE;

/// A line of the cache: a row of a tile on the left, a pair of each column on the right.
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
pub(super) struct Line(pub(super) [u16; DEPTH]);

impl Line {
    pub(super) const ZERO: Self = Self([0; DEPTH]);
}

/// The sums of [`AT_ONCE`] by [`AT_ONCE`] tiles, row by row.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
pub(super) struct Sums(pub(super) [[f32; PANEL]; AT_ONCE * SIDE]);

impl Sums {
    pub(super) const ZERO: Self = Self([[0.0; PANEL]; AT_ONCE * SIDE]);
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Tiles, tiles_of_bytes};

/// Whether this machine has tiles of bytes. Asks the system for them.
#[cfg(target_arch = "x86_64")]
pub(super) fn has_tiles_of_bytes() -> bool {
    #[cfg(target_os = "linux")]
    let has = Vectors::allowed() == Vectors::All && x86::takes_tiles(x86::AMX_INT8);
    #[cfg(not(target_os = "linux"))]
    let has = false;
    has
}

/// Whether this machine has vectors of bf16.
#[cfg(target_arch = "x86_64")]
pub(super) fn has_vectors() -> bool {
    use std::sync::LazyLock;
    static HAS: LazyLock<bool> = LazyLock::new(|| {
        Vectors::allowed() >= Vectors::Avx512
            && std::arch::is_x86_feature_detected!("avx512f")
            && std::arch::is_x86_feature_detected!("avx512bw")
            && std::arch::is_x86_feature_detected!("avx512dq")
            && std::arch::is_x86_feature_detected!("avx512bf16")
    });
    *HAS
}

/// Into how many numbers of bf16 a number is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kernels) enum Parts {
    /// Rounded, to 8 significant bits.
    One = 1,
    /// Split into what is rounded and what that lacks: 16 significant bits. Henry, Tang & Heinecke 2019, "Leveraging the bfloat16
    /// artificial intelligence datatype for higher-precision computations"; oneMKL's `float_to_bf16x2` rounds the same way.
    Two = 2,
}

impl Parts {
    /// Lines of what will be read soon that are asked for at each step: about what memory gives in the time of its products.
    pub(super) const fn ahead(self) -> usize {
        match self {
            Self::One => 8,
            Self::Two => 16,
        }
    }
}

/// By what tiles are multiplied, and what of numbers is in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kernels) struct Tiling {
    pub(in crate::kernels) kind: Kind,
    pub(in crate::kernels) parts: Parts,
}

impl Tiling {
    /// For networks of bf16; none if this machine does not multiply it.
    pub(in crate::kernels) fn of_bf16() -> Option<Self> {
        Kind::best().map(|kind| Self { kind, parts: Parts::One })
    }

    /// For networks of f32; none where its own products are faster than three of bf16: anywhere but with AMX.
    pub(in crate::kernels) fn of_f32() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        if Kind::best() == Some(Kind::Tiles) {
            return Some(Self { kind: Kind::Tiles, parts: Parts::Two });
        }
        None
    }
}

/// What a weight is multiplied in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kernels) enum Products {
    Bf16(Tiling),
    Bytes(bytes::Kind),
}

impl Products {
    /// Numbers of a row that a line of the cache holds.
    pub(super) fn depth(self) -> usize {
        match self {
            Self::Bf16(_) => DEPTH,
            Self::Bytes(_) => bytes::DEPTH,
        }
    }

    /// Lines of as many.
    pub(super) fn lines(self) -> usize {
        match self {
            Self::Bf16(tiling) => tiling.parts as usize,
            Self::Bytes(_) => 1,
        }
    }

    /// Whether numbers lose nothing by being rounded to bf16 before.
    pub(in crate::kernels) fn rounds(self) -> bool {
        match self {
            Self::Bf16(tiling) => tiling.parts == Parts::One,
            Self::Bytes(_) => Kind::best().is_some(),
        }
    }

    /// As [`Parts::ahead`].
    pub(super) fn ahead(self) -> usize {
        match self {
            Self::Bf16(tiling) => tiling.parts.ahead(),
            Self::Bytes(_) => Parts::One.ahead(),
        }
    }

    /// Does `work`, which may multiply.
    pub(super) fn with<T>(self, work: impl FnOnce() -> T) -> T {
        match self {
            Self::Bf16(tiling) => tiling.kind.with(work),
            Self::Bytes(kind) => kind.with(work),
        }
    }
}

impl From<Tiling> for Products {
    fn from(tiling: Tiling) -> Self {
        Self::Bf16(tiling)
    }
}

/// How tiles are multiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kernels) enum Kind {
    /// By AMX.
    #[cfg(target_arch = "x86_64")]
    Tiles,
    /// By `vdpbf16ps`.
    #[cfg(target_arch = "x86_64")]
    Vectors,
    /// Number by number, on any machine: what tests hold the others against.
    #[cfg_attr(not(test), expect(dead_code, reason = "nobody would wait for it"))]
    Numbers,
}

impl Kind {
    /// The fastest of this machine; none if it does not multiply bf16.
    #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
    pub(in crate::kernels) fn best() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        if has_vectors() {
            return Some(Self::Vectors);
        }
        None
    }

    /// The fastest of this machine; none if it does not multiply bf16. Asks the system for tiles the first time.
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    pub(in crate::kernels) fn best() -> Option<Self> {
        use std::sync::LazyLock;
        static BEST: LazyLock<Option<Kind>> = LazyLock::new(|| {
            // What comes out of the tiles is added up and put down with vectors.
            if !has_vectors() {
                return None;
            }
            let all = Vectors::allowed() == Vectors::All;
            Some(if all && x86::takes_tiles(x86::AMX_BF16) { Kind::Tiles } else { Kind::Vectors })
        });
        *BEST
    }

    /// Does `work`, which may call [`Self::multiply`].
    pub(super) fn with<T>(self, work: impl FnOnce() -> T) -> T {
        #[cfg(target_arch = "x86_64")]
        let _tiles = (self == Self::Tiles).then(x86::Tiles::configured);
        work()
    }

    /// The sums of products of rows with two tiles of columns side by side, which are the next of `right` at each step. With one tile
    /// of rows, the lower half of `sums` stays as it was. `more`: added to what is in `sums`.
    pub(super) fn multiply(self, rows: Rows<'_>, right: &[Line], sums: &mut Sums, more: bool) {
        rows.check(0);
        assert!(right.len() >= rows.steps.len() * STEP, "too few columns");
        match self {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: whoever has this kind has asked for it; the lines are there, as just checked.
            Self::Tiles => unsafe { x86::tiles(rows, right.as_ptr(), sums, more) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Self::Vectors => unsafe { x86::vectors(rows, right.as_ptr(), sums, more) },
            Self::Numbers => numbers(rows, right, sums, more),
        }
    }

    /// As [`Self::multiply`], of numbers that are split in two: the products of what is rounded, of what that lacks on
    /// the left, and of what it lacks on the right; not of what both lack, which is nothing to sums of f32. On the left what is lacking
    /// stands `low` lines behind, on the right behind the two tiles of each step.
    pub(super) fn multiply_split(self, rows: Rows<'_>, low: usize, right: &[Line], sums: &mut Sums, more: bool) {
        rows.check(low);
        assert!(right.len() >= rows.steps.len() * 2 * STEP, "too few columns");
        match self {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: whoever has this kind has asked for it; the lines are there, as just checked.
            Self::Tiles => unsafe { x86::split_tiles(rows, low, right.as_ptr(), sums, more) },
            // Vectors would be slower than f32's own.
            _ => split_numbers(rows, low, right, sums, more),
        }
    }
}

/// One or two tiles of rows of a product.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) lines: &'a [Line],
    /// Where each tile begins in the lines.
    pub(super) starts: &'a [usize],
    /// How many lines further on its numbers of each step lie.
    pub(super) steps: &'a [u32],
    /// What will be read soon: [`Parts::ahead`] lines of it are asked for at each step, where tiles are multiplied. It may be shorter: what lies behind it
    /// is asked for then, which is of no use and no harm.
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "only tiles ask for it"))]
    pub(super) ahead: &'a [Line],
}

impl Rows<'_> {
    /// That all lines are there, and those that are `low` behind.
    pub(super) fn check(self, low: usize) {
        assert!(self.starts.len() == 1 || self.starts.len() == AT_ONCE, "one or two tiles of rows");
        let furthest = |of: Option<usize>| of.unwrap_or_default();
        let step = furthest(self.steps.iter().map(|step| *step as usize).max());
        let last = furthest(self.starts.iter().copied().max()) + step + low;
        assert!(self.lines.len() >= last + SIDE, "too few rows");
    }

    /// Where what will be read soon begins; null if nothing will.
    #[cfg(target_arch = "x86_64")]
    fn next(self) -> *const Line {
        if self.ahead.is_empty() { std::ptr::null() } else { self.ahead.as_ptr() }
    }

    /// The first line of each row, one after the other.
    pub(super) fn numbers(self) -> impl Iterator<Item = usize> {
        self.starts.iter().flat_map(|start| *start..start + SIDE)
    }
}

/// As [`Kind::multiply_split`].
fn split_numbers(rows: Rows<'_>, low: usize, right: &[Line], sums: &mut Sums, more: bool) {
    let wide = |number: u16| f32::from_bits(u32::from(number) << 16);
    for (row, sums) in rows.numbers().zip(&mut sums.0) {
        for (column, sum) in sums.iter_mut().enumerate() {
            *sum = if more { *sum } else { 0.0 };
            for (step, right) in rows.steps.iter().zip(right.chunks_exact(2 * STEP)) {
                let left = row + *step as usize;
                let (high, lacking) = right.split_at(STEP);
                for (left, right) in [(left, high), (left + low, high), (left, lacking)] {
                    for (pair, right) in right[column / SIDE * SIDE..][..SIDE].iter().enumerate() {
                        for half in 0..2 {
                            *sum += wide(rows.lines[left].0[2 * pair + half]) * wide(right.0[column % SIDE * 2 + half]);
                        }
                    }
                }
            }
        }
    }
}

/// As [`Kind::multiply`].
fn numbers(rows: Rows<'_>, right: &[Line], sums: &mut Sums, more: bool) {
    let wide = |number: u16| f32::from_bits(u32::from(number) << 16);
    for (row, sums) in rows.numbers().zip(&mut sums.0) {
        for (column, sum) in sums.iter_mut().enumerate() {
            *sum = if more { *sum } else { 0.0 };
            for (step, right) in rows.steps.iter().zip(right.chunks_exact(STEP)) {
                let left = &rows.lines[row + *step as usize];
                for (pair, right) in right[column / SIDE * SIDE..][..SIDE].iter().enumerate() {
                    for half in 0..2 {
                        *sum += wide(left.0[2 * pair + half]) * wide(right.0[column % SIDE * 2 + half]);
                    }
                }
            }
        }
    }
}
