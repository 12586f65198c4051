//! How much memory painting takes, so that a person knows before it is tried.

use super::Precision;
use super::header::{Place, Stored};
use crate::geom::Extent;
use crate::networks::MOST_AT_ONCE_ON_GPU;
use candle_core::{DType, Device};

/// What the decoder holds for each pixel of the picture and each channel of its widest layers, in bytes: seven layers of f32. That of
/// Stable Diffusion 1.5 has 128 channels there and was measured (BENCHMARKS.md: 957 MiB for 512×512, of which 95 are its weights); what
/// the U-Net holds is less.
const BYTES_OF_A_PIXEL: u64 = 7 * 4;
/// The same where candle's operations compute: with the copies between what they take and give, counted by hand.
const BYTES_OF_A_PIXEL_ON_GPU: u64 = 16 * 4;
/// The program itself, its window and its pictures, in bytes.
const PROGRAM: u64 = 150 << 20;

/// The bytes that painting a picture takes, about: the weights, as many bytes as they are in memory; the largest that is
/// computed with them, which is the decoding of the picture by a VAE whose last layers are `width` channels wide; and the program itself, or, on a GPU,
/// what candle lays out at once.
fn memory_needed(weights: u64, extent: Extent, width: usize, on_gpu: bool) -> u64 {
    let (of_a_pixel, beside) =
        if on_gpu { (BYTES_OF_A_PIXEL_ON_GPU, MOST_AT_ONCE_ON_GPU as u64) } else { (BYTES_OF_A_PIXEL, PROGRAM) };
    weights + u64::from(extent.width) * u64::from(extent.height) * width as u64 * of_a_pixel + beside
}

/// How many bytes some weights have in memory as they are read, before a network rounds what it multiplies with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BytesRead {
    /// Of f32.
    pub wide: u64,
    /// Of f16 and bf16; numbers of eight bits and blocks become f16.
    pub halves: u64,
}

impl BytesRead {
    /// Those of the tensors at these places of files.
    pub(super) fn of<'a>(places: impl IntoIterator<Item = &'a Place>) -> Self {
        places.into_iter().fold(Self::default(), |sum, place| {
            let bytes = place.bytes_in_memory();
            match place.stored {
                Stored::Numbers(DType::F16 | DType::BF16 | DType::F8E4M3) | Stored::Float8E5M2 | Stored::Blocks(_) => {
                    Self { halves: sum.halves + bytes, ..sum }
                }
                Stored::Numbers(_) => Self { wide: sum.wide + bytes, ..sum },
            }
        })
    }

    pub(super) fn without(self, part: Self) -> Self {
        Self { wide: self.wide.saturating_sub(part.wide), halves: self.halves.saturating_sub(part.halves) }
    }
}

/// How many bytes the weights of a model have as they are read, with what it takes from another model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WeightBytes {
    /// Of the U-Net.
    pub unet: BytesRead,
    /// Of text encoders and VAE.
    pub others: BytesRead,
    /// Whether a GPU holds them, where all are f32.
    pub on_gpu: bool,
}

impl WeightBytes {
    /// The same weights where they are computed with.
    #[must_use]
    pub fn on(self, device: &Device) -> Self {
        Self { on_gpu: !device.is_cpu(), ..self }
    }

    /// How many bytes they have in memory, about, where networks multiply in `precision`: what multiplies in fewer bits is stored in them.
    pub fn in_memory(&self, precision: Precision) -> u64 {
        let all = |of: BytesRead| of.wide + of.halves;
        let rounded = |of: BytesRead| of.wide / 2 + of.halves;
        match precision {
            _ if self.on_gpu => all(self.unet) + all(self.others) + self.unet.halves + self.others.halves,
            Precision::F32 => all(self.unet) + all(self.others),
            Precision::Bf16 => rounded(self.unet) + rounded(self.others),
            // The others multiply in bf16, where the processor does.
            Precision::Int8 if Precision::Bf16.is_there(&Device::Cpu) => rounded(self.unet) / 2 + rounded(self.others),
            Precision::Int8 => rounded(self.unet) / 2 + all(self.others),
        }
    }

    /// The bytes of memory that painting a picture of this size takes, about. The last layers of the VAE are `width` channels wide.
    pub fn needed(&self, extent: Extent, width: usize, precision: Precision) -> u64 {
        memory_needed(self.in_memory(precision), extent, width, self.on_gpu)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coarser_numbers_take_less_memory_as_far_as_what_is_read_is_finer() {
        let read = |wide, halves| BytesRead { wide, halves };
        let in_all = |unet, others| {
            let weights = WeightBytes { unet, others, on_gpu: false };
            [Precision::F32, Precision::Bf16, Precision::Int8].map(|precision| weights.in_memory(precision))
        };
        // Stable Diffusion XL in f16, in MB: only 8-bit integers are less.
        assert_eq!(in_all(read(0, 5_200), read(0, 1_800)), [7_000, 7_000, 4_400]);
        // Stable Diffusion 1.5 in f32: half of it all in bf16.
        let [exact, halved, bytes] = in_all(read(3_440, 0), read(800, 0));
        assert_eq!((exact, halved), (4_240, 2_120));
        assert_eq!(bytes, if Precision::Bf16.is_there(&Device::Cpu) { 1_260 } else { 1_660 });
        // Of each part what it is stored in counts.
        assert_eq!(in_all(read(0, 1_000), read(800, 0))[..2], [1_800, 1_400]);
    }

    #[test]
    fn on_a_gpu_all_weights_are_f32_whatever_is_chosen() {
        let (unet, others) = (BytesRead { wide: 100, halves: 5_000 }, BytesRead { wide: 0, halves: 1_800 });
        let weights = WeightBytes { unet, others, on_gpu: true };
        for precision in Precision::ALL {
            assert_eq!(weights.in_memory(*precision), 13_700);
        }
        let needed = |weights: WeightBytes| weights.needed(Extent::new(512, 512), 128, Precision::F32);
        assert!(needed(weights) > needed(weights.on(&Device::Cpu)) + 6_800);
    }

    #[test]
    fn what_is_read_is_told_apart_by_how_it_is_stored() {
        let place = |stored, bytes| Place { stored, shape: vec![4, 8], start: 0, bytes, strides: None };
        let places = [
            place(Stored::Numbers(DType::F32), 128),
            place(Stored::Numbers(DType::F16), 64),
            place(Stored::Numbers(DType::F8E4M3), 32),
            place(Stored::Numbers(DType::I64), 256),
        ];
        assert_eq!(BytesRead::of(&places), BytesRead { wide: 2 * 128, halves: 2 * 64 });
    }

    #[test]
    fn what_was_measured_for_the_decoder_is_foretold() {
        let mebibytes = |bytes: u64| bytes >> 20;
        let decoding = memory_needed(0, Extent::new(512, 512), 128, false) - PROGRAM;
        // BENCHMARKS.md, vae-512: 957 MiB in all, 95 of them weights.
        assert!((850..900).contains(&mebibytes(decoding)), "{}", mebibytes(decoding));
    }
}
