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
/// The same where candle's operations compute in f32: with the copies between what they take and give, counted by hand. In f16 it is half: its norms
/// make maps of f32, but fewer of them than convolutions make of f16.
const BYTES_OF_A_PIXEL_ON_GPU: u64 = 16 * 4;
/// How many times as much as candle lays out at once is there beside it on a GPU, of the same size: scores and what the softmax makes of them, or what is laid out
/// of a convolution, what comes of it, and what was copied to lay it out.
const AT_ONCE_ON_GPU: u64 = 3;
/// The program itself, its window and its pictures, in bytes.
const PROGRAM: u64 = 150 << 20;

/// The bytes that decoding a picture takes, about, by a VAE whose last layers are `width` channels wide and hold so many bytes of each pixel.
fn decoding(extent: Extent, width: usize, of_a_pixel: u64) -> u64 {
    u64::from(extent.width) * u64::from(extent.height) * width as u64 * of_a_pixel
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
    /// Whether the VAE computes in f32 where the other networks do in f16.
    pub vae_overflows: bool,
    /// Whether a GPU holds them, where all are of one precision.
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
            // A VAE that overflows is not rounded: 0.17 GB more of that of XL, which is little beside what is laid out at once.
            Precision::F16 if self.on_gpu => rounded(self.unet) + rounded(self.others),
            _ if self.on_gpu => all(self.unet) + all(self.others) + self.unet.halves + self.others.halves,
            // The CPU does not compute in f16.
            Precision::F32 | Precision::F16 => all(self.unet) + all(self.others),
            Precision::Bf16 => rounded(self.unet) + rounded(self.others),
            // The others multiply in bf16, where the processor does.
            Precision::Int8 if Precision::Bf16.is_there(&Device::Cpu) => rounded(self.unet) / 2 + rounded(self.others),
            Precision::Int8 => rounded(self.unet) / 2 + all(self.others),
        }
    }

    /// The bytes of memory that painting a picture of this size takes, about: the weights, as many bytes as they are in memory; the largest that is computed with
    /// them, which is the decoding of the picture by a VAE whose last layers are `width` channels wide; and the program itself, or, on a GPU, what candle lays
    /// out at once.
    pub fn needed(&self, extent: Extent, width: usize, precision: Precision) -> u64 {
        let (of_a_pixel, beside) = match (self.on_gpu, precision) {
            (false, _) => (BYTES_OF_A_PIXEL, PROGRAM),
            (true, Precision::F16) if !self.vae_overflows => {
                (BYTES_OF_A_PIXEL_ON_GPU / 2, AT_ONCE_ON_GPU * MOST_AT_ONCE_ON_GPU as u64)
            }
            (true, _) => (BYTES_OF_A_PIXEL_ON_GPU, AT_ONCE_ON_GPU * MOST_AT_ONCE_ON_GPU as u64),
        };
        self.in_memory(precision) + decoding(extent, width, of_a_pixel) + beside
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coarser_numbers_take_less_memory_as_far_as_what_is_read_is_finer() {
        let read = |wide, halves| BytesRead { wide, halves };
        let in_all = |unet, others| {
            let weights = WeightBytes { unet, others, ..WeightBytes::default() };
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
    fn on_a_gpu_all_weights_are_f16_or_f32() {
        let (unet, others) = (BytesRead { wide: 100, halves: 5_000 }, BytesRead { wide: 0, halves: 1_800 });
        let weights = WeightBytes { unet, others, on_gpu: true, ..WeightBytes::default() };
        for &precision in Precision::ALL {
            let expected: u64 = if precision == Precision::F16 { 6_850 } else { 13_700 };
            assert_eq!(weights.in_memory(precision), expected);
        }
        let needed = |weights: WeightBytes, precision| weights.needed(Extent::new(512, 512), 128, precision);
        assert!(needed(weights, Precision::F32) > needed(weights.on(&Device::Cpu), Precision::F32) + 6_800);
        // Half for the decoder, too, unless it has to compute in f32.
        let decoding: u64 = 512 * 512 * 128 * 32 + (13_700 - 6_850);
        assert_eq!(needed(weights, Precision::F32) - needed(weights, Precision::F16), decoding);
        let of_xl = WeightBytes { vae_overflows: true, ..weights };
        assert_eq!(needed(of_xl, Precision::F32) - needed(of_xl, Precision::F16), 13_700 - 6_850);
    }

    #[test]
    fn on_a_gpu_there_is_room_for_scores_and_weights_of_attention() {
        let nothing = WeightBytes { on_gpu: true, ..WeightBytes::default() };
        assert_eq!(nothing.needed(Extent::new(0, 0), 128, Precision::F16), 3 * (512 << 20));
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
        let decoding = decoding(Extent::new(512, 512), 128, BYTES_OF_A_PIXEL);
        // BENCHMARKS.md, vae-512: 957 MiB in all, 95 of them weights.
        assert!((850..900).contains(&mebibytes(decoding)), "{}", mebibytes(decoding));
    }
}
