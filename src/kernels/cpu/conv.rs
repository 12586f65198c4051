//! Convolutions: by [`super::winograd`] where that is faster, otherwise each place of the kernel is a tap of [`super::gemm`]; or by tiles
//! ([`super::by_tiles`]).

use super::by_tiles::{Walk, multiply_by_tiles};
use super::gemm::{Epilogue, Matrix, Rows, multiply};
use super::kept::{Kept, Packing};
use super::packed::{Packed, Values};
use super::rounding::Number;
use super::tiled::Tiled;
use super::tiles::Products;
use super::{winograd, winograd_by_tiles};

/// A convolution of a square kernel, with a weight that is packed for one precision.
#[derive(Debug)]
pub(in crate::kernels) struct Conv<W = Packed> {
    weight: W,
    kernel: usize,
    stride: usize,
    /// Zeros at the left and at the top.
    before: usize,
    /// Zeros at the right and at the bottom.
    after: usize,
}

impl Conv {
    /// By vectors of f32. `weight` is (outputs, inputs, kernel, kernel), as files store it; `padding` is before and after.
    pub(in crate::kernels) fn new(
        weight: Values<'_>,
        outputs: usize,
        inputs: usize,
        kernel: usize,
        stride: usize,
        padding: (usize, usize),
    ) -> Self {
        Self::of(Packed::of_taps(weight, outputs, inputs, kernel * kernel), kernel, stride, padding)
    }
}

impl<W> Conv<W> {
    /// Of a weight that is packed; `padding` is before and after.
    pub(in crate::kernels) fn of(weight: W, kernel: usize, stride: usize, (before, after): (usize, usize)) -> Self {
        Self { weight, kernel, stride, before, after }
    }
}

impl<W: Packing> Packing for Conv<W> {
    fn keep(&self) -> Kept {
        self.weight.keep()
    }
}

impl Conv<Tiled> {
    /// By tiles. `weight` is (outputs, inputs, kernel, kernel), as files store it; `padding` is before and after.
    #[expect(clippy::too_many_arguments, reason = "they are what a convolution is")]
    pub(in crate::kernels) fn tiled(
        products: impl Into<Products>,
        weight: Values<'_>,
        outputs: usize,
        inputs: usize,
        kernel: usize,
        stride: usize,
        padding: (usize, usize),
    ) -> Self {
        Self::of(Tiled::of_taps(products.into(), weight, outputs, inputs, kernel * kernel), kernel, stride, padding)
    }

    /// As [`Conv::forward`].
    pub(in crate::kernels) fn forward_by_tiles<X: Number>(
        &self,
        x: &[X],
        (batch, height, width): (usize, usize, usize),
        doubled: bool,
        epilogue: Epilogue<'_>,
        out: &mut [f32],
    ) {
        let scale = if doubled { 2 } else { 1 };
        let output =
            self.output_size(height * scale, width * scale).expect("whoever made `out` has asked for its size");
        let &Self { kernel, stride, before, .. } = self;
        let walk = if kernel == 1 && stride == 1 && !doubled && before == 0 && self.after == 0 {
            Walk::rows(batch * height * width)
        } else {
            Walk { batch, height, width, scale, kernel, stride, before, output }
        };
        let (height, width) = output;
        if self.weight.splits() && self.suits_winograd() && winograd_by_tiles::pays(height, width, self.weight.depth) {
            let seen = winograd::Seen { x: &X::widened(x), batch, height, width, scale };
            return winograd_by_tiles::convolve(seen, &self.weight, epilogue, out);
        }
        multiply_by_tiles(x, walk, &self.weight, epilogue, out);
    }
}

impl<W> Conv<W> {
    /// Whether [`winograd`] knows its kernel.
    fn suits_winograd(&self) -> bool {
        (self.kernel, self.stride, self.before, self.after) == (3, 1, 1, 1)
    }

    /// Height and width of what comes of a picture; none if it is smaller than the kernel.
    pub(in crate::kernels) fn output_size(&self, height: usize, width: usize) -> Option<(usize, usize)> {
        let of = |side: usize| Some((side + self.before + self.after).checked_sub(self.kernel)? / self.stride + 1);
        Some((of(height)?, of(width)?))
    }
}

impl Conv {
    /// Of `x` (B, H, W, inputs), with `shape` (B, H, W), to `out` (B, H', W', outputs). `doubled`: of `x` enlarged twice by
    /// repeating pixels, which is never stored.
    pub(in crate::kernels) fn forward(
        &self,
        x: &[f32],
        shape: (usize, usize, usize),
        doubled: bool,
        epilogue: Epilogue<'_>,
        out: &mut [f32],
    ) {
        let (batch, height, width) = shape;
        let channels = self.weight.depth;
        assert_eq!(x.len(), batch * height * width * channels, "a picture of another size than its shape");
        let scale = if doubled { 2 } else { 1 };
        let seen = (height * scale, width * scale);
        let output = self.output_size(seen.0, seen.1).expect("whoever made `out` has asked for its size");
        if self.kernel == 1 && self.stride == 1 && !doubled && self.before == 0 && self.after == 0 {
            return multiply(
                &Matrix { data: x, rows: batch * height * width, stride: channels },
                &self.weight,
                epilogue,
                out,
            );
        }
        if self.suits_winograd() && winograd::pays(seen.0, seen.1, channels) {
            let seen = winograd::Seen { x, batch, height: seen.0, width: seen.1, scale };
            return winograd::convolve(seen, &self.weight, epilogue, out);
        }
        let rows = batch * output.0 * output.1;
        multiply(&Patches { conv: self, x, rows, width, output, seen, scale }, &self.weight, epilogue, out);
    }
}

/// The rows of a convolution: for each output pixel, the pixels under the kernel.
struct Patches<'a> {
    conv: &'a Conv,
    x: &'a [f32],
    rows: usize,
    /// Of the stored picture.
    width: usize,
    output: (usize, usize),
    /// Height and width that the kernel walks over.
    seen: (usize, usize),
    scale: usize,
}

impl Rows for Patches<'_> {
    fn count(&self) -> usize {
        self.rows
    }

    fn data(&self) -> &[f32] {
        self.x
    }

    fn place(&self, row: usize, tap: usize) -> Option<usize> {
        let (column, line) = (row % self.output.1, row / self.output.1);
        let (picture, line) = (line / self.output.0, line % self.output.0);
        let along = |at: usize, tap: usize, side: usize| {
            (at * self.conv.stride + tap)
                .checked_sub(self.conv.before)
                .filter(|at| *at < side)
                .map(|at| at / self.scale)
        };
        let y = along(line, tap / self.conv.kernel, self.seen.0)?;
        let x = along(column, tap % self.conv.kernel, self.seen.1)?;
        let height = self.seen.0 / self.scale;
        Some(((picture * height + y) * self.width + x) * self.conv.weight.depth)
    }
}
