//! How much memory painting takes, so that a person knows before it is tried.

use crate::geom::Extent;

/// What the decoder holds for each pixel of the picture and each channel of its widest layers, in bytes: seven layers of f32. That of
/// Stable Diffusion 1.5 has 128 channels there and was measured (BENCHMARKS.md: 957 MiB for 512×512, of which 95 are its weights); what
/// the U-Net holds is less.
const BYTES_OF_A_PIXEL: u64 = 7 * 4;
/// The program itself, its window and its pictures, in bytes.
const PROGRAM: u64 = 150 << 20;

/// The bytes that painting a picture takes, about: the weights, as many bytes as they are in memory; the largest that is
/// computed with them, which is the decoding of the picture by a VAE whose last layers are `width` channels wide; and the program itself.
pub fn memory_needed(weights: u64, extent: Extent, width: usize) -> u64 {
    weights + u64::from(extent.width) * u64::from(extent.height) * width as u64 * BYTES_OF_A_PIXEL + PROGRAM
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_measured_for_the_decoder_is_foretold() {
        let mebibytes = |bytes: u64| bytes >> 20;
        let decoding = memory_needed(0, Extent::new(512, 512), 128) - PROGRAM;
        // BENCHMARKS.md, vae-512: 957 MiB in all, 95 of them weights.
        assert!((850..900).contains(&mebibytes(decoding)), "{}", mebibytes(decoding));
    }
}
