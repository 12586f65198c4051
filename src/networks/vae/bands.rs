//! A large picture a band of rows at a time, so that of what lies between two residual blocks only a band is in memory: first norms
//! measure all bands, then what they were measured on is computed once more. The bytes are those of the whole picture.

use super::{GoesOn, check};
use crate::kernels::{Conv2d, GroupNorm, Measured};
use crate::networks::resnet::Resnet;
use candle_core::{Result, Tensor};
use std::ops::Range;

/// Rows of a band, at least: few enough to be little, many enough beside the [`MARGIN`] that is computed for nothing.
const ROWS: usize = 64;
/// Rows beyond a band that a convolution may look at. It looks at one; squares of four that begin where those of the whole begin are
/// computed to the same bytes, if a band has so many that they are computed in the same way.
const MARGIN: usize = 4;

/// A picture (1, H, W, C).
pub(super) enum Rows<'a> {
    Stored(Tensor),
    /// Computed when they are asked for: a picture (1, H / 2, W / 2, C) enlarged twice and convolved.
    Enlarged {
        from: Tensor,
        conv: &'a Conv2d,
    },
}

impl Rows<'_> {
    /// Height and width.
    fn size(&self) -> Result<(usize, usize)> {
        let (Self::Stored(of) | Self::Enlarged { from: of, .. }) = self;
        let (_, height, width, _) = of.dims4()?;
        Ok(if matches!(self, Self::Stored(_)) { (height, width) } else { (2 * height, 2 * width) })
    }

    fn get(&self, rows: Range<usize>) -> Result<Tensor> {
        match self {
            Self::Stored(x) => x.narrow(1, rows.start, rows.len()),
            Self::Enlarged { from, conv } => {
                let (_, height, width, _) = from.dims4()?;
                let seen = grown(&rows, 2 * height);
                let lines = seen.start / 2..seen.end.div_ceil(2);
                let enlarged =
                    conv.forward_enlarged(&from.narrow(1, lines.start, lines.len())?, 2 * lines.len(), 2 * width)?;
                enlarged.narrow(1, rows.start - 2 * lines.start, rows.len())
            }
        }
    }

    /// Bands of it that `norms` measure as they would the whole.
    fn bands(&self, norms: &[&GroupNorm]) -> Result<Vec<Range<usize>>> {
        let (height, width) = self.size()?;
        let multiple = norms.iter().map(|norm| norm.rows_at_once(width)).fold(MARGIN, least_common_multiple);
        Ok(parted(height, ROWS.next_multiple_of(multiple)))
    }

    fn measured(&self, norm: &GroupNorm, bands: &[Range<usize>], goes_on: GoesOn<'_>) -> Result<Measured> {
        let mut measured = nothing(norm)?;
        for rows in bands {
            check(goes_on)?;
            norm.measure(&self.get(rows.clone())?, &mut measured)?;
        }
        Ok(measured)
    }
}

/// [`Resnet::forward`] without a time.
pub(super) fn through_resnet(resnet: &Resnet, x: &Rows<'_>, goes_on: GoesOn<'_>) -> Result<Tensor> {
    let Resnet { norm1, conv1, norm2, conv2, shortcut, .. } = resnet;
    let (height, _) = x.size()?;
    let bands = x.bands(&[norm1, norm2])?;
    let first = x.measured(norm1, &bands, goes_on)?;
    // Some rows between the norms, of `x` at all rows that they look at.
    let hidden = |rows: &Range<usize>, x: &Tensor| {
        let hidden = conv1.forward(&norm1.forward_measured(x, &first)?)?;
        hidden.narrow(1, rows.start - grown(rows, height).start, rows.len())
    };
    let mut second = nothing(norm2)?;
    for rows in &bands {
        check(goes_on)?;
        norm2.measure(&hidden(rows, &x.get(grown(rows, height))?)?, &mut second)?;
    }
    gathered(height, &bands, |rows| {
        check(goes_on)?;
        let seen = grown(rows, height);
        let around = grown(&seen, height);
        let x = x.get(around.clone())?;
        let hidden = norm2.forward_measured(&hidden(&seen, &x)?, &second)?;
        let x = x.narrow(1, seen.start - around.start, seen.len())?;
        let residual = shortcut.as_ref().map_or_else(|| Ok(x.clone()), |conv| conv.forward(&x))?;
        conv2.forward_adding(&hidden, None, Some(&residual))
    })
}

/// A norm and the convolution that follows it.
pub(super) fn through_conv(norm: &GroupNorm, conv: &Conv2d, x: &Rows<'_>, goes_on: GoesOn<'_>) -> Result<Tensor> {
    let (height, _) = x.size()?;
    let bands = x.bands(&[norm])?;
    let measured = x.measured(norm, &bands, goes_on)?;
    gathered(height, &bands, |rows| {
        check(goes_on)?;
        conv.forward(&norm.forward_measured(&x.get(grown(rows, height))?, &measured)?)
    })
}

/// All rows of a picture, of which `of` computes those of a band with what is [`grown`] around them.
fn gathered(height: usize, bands: &[Range<usize>], of: impl Fn(&Range<usize>) -> Result<Tensor>) -> Result<Tensor> {
    let mut whole: Option<Tensor> = None;
    for rows in bands {
        let band = of(rows)?;
        let (_, _, width, channels) = band.dims4()?;
        let whole = match &mut whole {
            Some(whole) => whole,
            none => none.insert(Tensor::zeros((1, height, width, channels), band.dtype(), band.device())?),
        };
        whole.slice_set(&band.narrow(1, rows.start - grown(rows, height).start, rows.len())?, 1, rows.start)?;
    }
    whole.ok_or_else(|| candle_core::Error::msg("a picture of no rows"))
}

fn nothing(norm: &GroupNorm) -> Result<Measured> {
    norm.measured().ok_or_else(|| candle_core::Error::msg("bands are for the processor's own kernels"))
}

/// Bands of so many rows. What is left is one of its own only if it is no shorter than [`ROWS`]: kernels that change squares pass over few
/// of them, and then the bytes are others.
fn parted(height: usize, rows: usize) -> Vec<Range<usize>> {
    let mut bands: Vec<_> = (0..height).step_by(rows).map(|first| first..(first + rows).min(height)).collect();
    if let [.., before, last] = &mut bands[..]
        && last.len() < ROWS
    {
        before.end = last.end;
        bands.pop();
    }
    bands
}

/// With the margin around them that there is.
fn grown(rows: &Range<usize>, height: usize) -> Range<usize> {
    rows.start.saturating_sub(MARGIN)..(rows.end + MARGIN).min(height)
}

fn least_common_multiple(a: usize, b: usize) -> usize {
    (1..=b).map(|factor| a * factor).find(|multiple| multiple.is_multiple_of(b)).unwrap_or(a * b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_band_is_short_but_of_a_picture_that_is() {
        let rows = |height, rows| parted(height, rows).iter().map(ExactSizeIterator::len).collect::<Vec<_>>();
        assert_eq!(rows(40, 64), [40]);
        assert_eq!(rows(127, 64), [127]);
        assert_eq!(rows(128, 64), [64, 64]);
        assert_eq!(rows(200, 64), [64, 64, 72]);
        // Longer ones, as norms may want them.
        assert_eq!(rows(191, 128), [191]);
        assert_eq!(rows(192, 128), [128, 64]);
    }
}
