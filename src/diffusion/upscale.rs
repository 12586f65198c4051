//! Enlarging a picture with an upscaler, piece by piece, so that memory is bounded by the piece and not by the picture. Each piece is
//! shown with a margin of what lies around it. Where the margin is as wide as the network reaches, the pieces fit together to the bit.

use super::denoiser::is_finite;
use super::{Error, OnProgress, Phase, Precision, Progress, Stop};
use crate::checkpoints::Upscaler;
use crate::geom::{Bounds, Extent};
use crate::networks::read_numbers;
use crate::pixels::Picture;
use candle_core::Tensor;
use std::ops::ControlFlow::{self, Break, Continue};

/// The most times larger that a picture is made.
pub const MAX_FACTOR: f64 = 16.0;
/// The longest side of a piece, in pixels of the picture that is enlarged, without its margin.
const PIECE: u32 = 128;
/// What pieces and margins are multiples of: no smaller than the squares in which convolutions are computed and pixels made channels, so
/// that a pixel has the same place in them whatever the piece.
const GRID: u32 = 8;
/// The widest margin that is worth its time, where it makes pieces fit exactly; and the margin where that would take more.
const MARGINS: (u32, u32) = (40, 16);

/// `picture` as many times larger as `factor` says, 1 to [`MAX_FACTOR`]: by the network as often as that takes, then resized to the very
/// size. Colours are enlarged by the network, what shines through by plain resizing. Stops between pieces, without a picture.
pub fn upscale(
    picture: &Picture,
    upscaler: &Upscaler,
    factor: f64,
    on_progress: OnProgress<'_>,
) -> Result<ControlFlow<Stop, Picture>, Error> {
    let result = times(picture.extent(), factor);
    let sizes = sizes(picture.extent(), upscaler.scale(), factor)?;
    if let Break(stop) = on_progress(Progress::Phase(Phase::Upscale)) {
        return Ok(Break(stop));
    }
    let pieces: Vec<Vec<Bounds>> = sizes.iter().map(|&size| pieces(size)).collect();
    let count = pieces.iter().map(Vec::len).sum::<usize>() as u32;
    let mut index = 0;
    let mut enlarged = opaque(picture);
    for pieces in pieces {
        let mut canvas = Canvas::new(&enlarged, upscaler);
        for piece in pieces {
            if let Break(stop) = on_progress(Progress::Piece { index, count }) {
                return Ok(Break(stop));
            }
            canvas.enlarge(piece)?;
            index += 1;
        }
        enlarged = canvas.finished();
    }
    enlarged = enlarged.resized(result);
    Ok(Continue(if picture.is_opaque() { enlarged } else { with_alpha_of(picture, &enlarged) }))
}

/// A size times a factor, rounded; at least a pixel.
pub fn times(extent: Extent, factor: f64) -> Extent {
    let side = |side: u32| ((f64::from(side) * factor).round() as u32).max(1);
    Extent::new(side(extent.width), side(extent.height))
}

/// The sizes that the network is to enlarge, one after the other; none may become larger than a picture can be.
fn sizes(extent: Extent, scale: u32, factor: f64) -> Result<Vec<Extent>, Error> {
    let (mut sizes, mut reached) = (vec![extent], f64::from(scale));
    while scale > 1 && reached < factor {
        sizes.push(times(extent, reached));
        reached *= f64::from(scale);
    }
    let largest = times(extent, reached.max(factor));
    if Picture::holds(largest) { Ok(sizes) } else { Err(Error::TooLarge { extent, largest }) }
}

/// A picture cut into pieces as even as the grid allows, row by row.
fn pieces(extent: Extent) -> Vec<Bounds> {
    let cuts = |side: u32| {
        let step = side.div_ceil(side.div_ceil(PIECE).max(1)).next_multiple_of(GRID).max(GRID);
        (0..side).step_by(step as usize).map(move |start| (start, step.min(side - start)))
    };
    cuts(extent.height)
        .flat_map(|(top, height)| {
            cuts(extent.width).map(move |(left, width)| Bounds { left, top, extent: Extent::new(width, height) })
        })
        .collect()
}

/// A picture that comes to be piece by piece.
struct Canvas<'a> {
    picture: &'a Picture,
    upscaler: &'a Upscaler,
    scale: u32,
    margin: u32,
    extent: Extent,
    rgba: Vec<u8>,
}

impl<'a> Canvas<'a> {
    fn new(picture: &'a Picture, upscaler: &'a Upscaler) -> Self {
        let scale = upscaler.scale();
        let (exact, usual) = MARGINS;
        let reach = u32::try_from(upscaler.config.reach()).unwrap_or(u32::MAX);
        let margin = if reach <= exact { reach.next_multiple_of(GRID) } else { usual };
        let extent = Extent::new(picture.extent().width * scale, picture.extent().height * scale);
        Self { picture, upscaler, scale, margin, extent, rgba: vec![255; extent.area() * 4] }
    }

    fn enlarge(&mut self, piece: Bounds) -> Result<(), Error> {
        let whole = self.picture.extent();
        let (left, top) = (piece.left.saturating_sub(self.margin), piece.top.saturating_sub(self.margin));
        let (right, bottom) = (piece.right() + self.margin, piece.bottom() + self.margin);
        let extent = Extent::new(right.min(whole.width) - left, bottom.min(whole.height) - top);
        let seen = Bounds { left, top, extent };
        let rgb = self.upscaler.network.forward(&self.rgb(seen)?)?;
        if !is_finite(&rgb)? {
            return Err(Error::PartNotFinite { part: "the upscaler", precision: Precision::F32 });
        }
        let row_length = rgb.dim(2)? * 3;
        let values = read_numbers(&rgb)?;
        let scale = self.scale as usize;
        let (x, y) = ((piece.left - left) as usize * scale, (piece.top - top) as usize * scale);
        let width = piece.extent.width as usize * scale;
        for row in 0..piece.extent.height as usize * scale {
            let from = &values[(y + row) * row_length + x * 3..][..width * 3];
            let at = (piece.top as usize * scale + row) * self.extent.width as usize + piece.left as usize * scale;
            let to = &mut self.rgba[at * 4..(at + width) * 4];
            for (to, from) in to.as_chunks_mut::<4>().0.iter_mut().zip(from.as_chunks::<3>().0) {
                let [r, g, b] = from.map(|value| (value.clamp(0.0, 1.0) * 255.0).round_ties_even() as u8);
                *to = [r, g, b, 255];
            }
        }
        Ok(())
    }

    /// A part of the picture as (1, H, W, 3) in 0..1, mirrored at the right and at the bottom up to what the network takes.
    fn rgb(&self, part: Bounds) -> Result<Tensor, Error> {
        let multiple = self.upscaler.config.multiple() as u32;
        let (width, height) =
            (part.extent.width.next_multiple_of(multiple), part.extent.height.next_multiple_of(multiple));
        let stride = self.picture.extent().width as usize;
        let pixels = self.picture.rgba().as_chunks::<4>().0;
        let mirrored = |at: u32, side: u32| if at < side { at } else { (2 * (side - 1)).saturating_sub(at) };
        let mut values = Vec::with_capacity(width as usize * height as usize * 3);
        for y in (0..height).map(|y| part.top + mirrored(y, part.extent.height)) {
            for x in (0..width).map(|x| part.left + mirrored(x, part.extent.width)) {
                let [r, g, b, _] = pixels[y as usize * stride + x as usize];
                values.extend([r, g, b].map(|value| f32::from(value) / 255.0));
            }
        }
        let shape = (1, height as usize, width as usize, 3);
        Ok(Tensor::from_vec(values, shape, &self.upscaler.device)?)
    }

    fn finished(self) -> Picture {
        Picture::from_rgba(self.extent, self.rgba).expect("four bytes a pixel")
    }
}

fn opaque(picture: &Picture) -> Picture {
    let rgba = picture.rgba().as_chunks::<4>().0.iter().flat_map(|&[r, g, b, _]| [r, g, b, 255]).collect();
    Picture::from_rgba(picture.extent(), rgba).expect("as many bytes as it had")
}

/// The colours of `enlarged` with what shines through `picture`.
fn with_alpha_of(picture: &Picture, enlarged: &Picture) -> Picture {
    let alpha = picture.rgba().as_chunks::<4>().0.iter().flat_map(|&[.., a]| [a, a, a, 255]).collect();
    let alpha =
        Picture::from_rgba(picture.extent(), alpha).expect("as many bytes as it had").resized(enlarged.extent());
    let pixels = enlarged.rgba().as_chunks::<4>().0.iter().zip(alpha.rgba().as_chunks::<4>().0);
    let rgba = pixels.flat_map(|(&[r, g, b, _], &[a, ..])| [r, g, b, a]).collect();
    Picture::from_rgba(enlarged.extent(), rgba).expect("as many bytes as it had")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_a_picture_once_and_begin_on_the_grid() {
        for extent in [Extent::new(1, 1), Extent::new(128, 128), Extent::new(129, 300), Extent::new(1000, 7)] {
            let mut covered = vec![0u8; extent.area()];
            for piece in pieces(extent) {
                assert!(piece.left % GRID == 0 && piece.top % GRID == 0, "{piece:?}");
                assert!(piece.extent.width <= PIECE && piece.extent.height <= PIECE, "{piece:?}");
                for y in piece.top..piece.bottom() {
                    for x in piece.left..piece.right() {
                        covered[(y * extent.width + x) as usize] += 1;
                    }
                }
            }
            assert!(covered.iter().all(|&times| times == 1), "{extent}");
        }
    }

    #[test]
    fn a_network_runs_as_often_as_the_factor_takes_and_never_beyond_what_a_picture_can_be() {
        let small = Extent::new(100, 50);
        let runs = |scale, factor| sizes(small, scale, factor).unwrap().len();
        assert_eq!([runs(4, 4.0), runs(4, 2.0), runs(4, 4.5), runs(2, 8.0), runs(1, 3.0)], [1, 1, 2, 3, 1]);
        assert!(matches!(sizes(Extent::new(5000, 10), 4, 2.0), Err(Error::TooLarge { .. })));
        assert!(matches!(sizes(Extent::new(4000, 4000), 4, 4.0), Err(Error::TooLarge { .. })));
        assert_eq!(times(Extent::new(3, 1), 1.5), Extent::new(5, 2));
    }
}
