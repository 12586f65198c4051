use super::cpu::{Conv, Epilogue, Kept, Packed, Tiled, Values};
use super::device::most_at_once;
use super::host::{Host, filled, products, products_of, widened, with_values};
use super::layout::{enlarged, to_channels_first, to_channels_last};
use super::weights::{Weight, Weights};
use candle_core::{DType, Result, Tensor};
use std::sync::Arc;

/// Rows and columns of zeros around a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Padding {
    /// At the left and at the top.
    pub before: usize,
    /// At the right and at the bottom.
    pub after: usize,
}

impl Padding {
    /// The same on every side.
    pub const fn even(by: usize) -> Self {
        Self { before: by, after: by }
    }
}

/// A two-dimensional convolution with bias, of a square kernel.
#[derive(Clone, Debug)]
pub struct Conv2d {
    kernel: Kernel,
    inputs: usize,
    outputs: usize,
}

#[derive(Clone, Debug)]
enum Kernel {
    Own {
        conv: Arc<Conv>,
        bias: Host,
    },
    Tiled {
        conv: Arc<Conv<Tiled>>,
        bias: Host,
    },
    /// `weight` is (out, in, k, k), as files store it.
    Candle {
        weight: Tensor,
        bias: Tensor,
        stride: usize,
        padding: Padding,
    },
}

impl Conv2d {
    /// Reads `weight` (outputs, inputs, kernel, kernel) and `bias` (outputs), for stride 1 and a picture that keeps its size.
    pub fn new(inputs: usize, outputs: usize, kernel: usize, weights: Weights<'_>) -> Result<Self> {
        Self::strided(inputs, outputs, kernel, 1, Padding::even(kernel / 2), weights)
    }

    /// Reads `weight` (outputs, inputs, kernel, kernel) and `bias` (outputs).
    pub fn strided(
        inputs: usize,
        outputs: usize,
        kernel: usize,
        stride: usize,
        padding: Padding,
        weights: Weights<'_>,
    ) -> Result<Self> {
        Self::read([outputs, inputs, kernel, kernel], true, stride, padding, &weights)
    }

    /// As [`Self::strided`], where the file has no `bias`.
    pub fn without_bias(
        inputs: usize,
        outputs: usize,
        kernel: usize,
        stride: usize,
        padding: Padding,
        weights: Weights<'_>,
    ) -> Result<Self> {
        Self::read([outputs, inputs, kernel, kernel], false, stride, padding, &weights)
    }

    fn read(shape: [usize; 4], has_bias: bool, stride: usize, padding: Padding, weights: &Weights<'_>) -> Result<Self> {
        let [outputs, inputs, side, _] = shape;
        let (taps, around) = (side * side, (padding.before, padding.after));
        let bias = |dtype: DType| {
            if has_bias { weights.get(outputs, "bias") } else { Tensor::zeros(outputs, dtype, weights.device()) }
        };
        let of_candle = |weight: Tensor| -> Result<Kernel> {
            Ok(Kernel::Candle { bias: bias(weight.dtype())?, weight, stride, padding })
        };
        let kernel = if let Some(products) = products_of(products(weights), outputs * inputs * taps, inputs * taps) {
            let of_kept =
                |kept: &Kept| Some(Conv::of(Tiled::kept(products, kept, outputs, inputs, taps)?, side, stride, around));
            let of_values = |values: Values<'_>| Conv::tiled(products, values, outputs, inputs, side, stride, around);
            match weights.packed(&shape, of_kept, of_values)? {
                Weight::Packed(conv) => Kernel::Tiled { conv, bias: widened(&bias(DType::F32)?)? },
                Weight::Read(weight) => of_candle(weight)?,
            }
        } else {
            let of_kept =
                |kept: &Kept| Some(Conv::of(Packed::kept(kept, outputs, inputs, taps)?, side, stride, around));
            let of_values = |values: Values<'_>| Conv::new(values, outputs, inputs, side, stride, around);
            match weights.packed(&shape, of_kept, of_values)? {
                Weight::Packed(conv) => Kernel::Own { conv, bias: widened(&bias(DType::F32)?)? },
                Weight::Read(weight) => of_candle(weight)?,
            }
        };
        Ok(Self { kernel, inputs, outputs })
    }

    /// (B, H, W, in) to (B, H', W', out).
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.compute(x, false, None, None)
    }

    /// As [`Self::forward`], with `shift` (1 or B, out) added to every pixel and `residual` (1 or B, H', W', out) to the whole.
    pub fn forward_adding(&self, x: &Tensor, shift: Option<&Tensor>, residual: Option<&Tensor>) -> Result<Tensor> {
        self.compute(x, false, shift, residual)
    }

    /// As [`Self::forward`] of `x` enlarged to `height` and `width` by repeating pixels, as torch's `interpolate(mode="nearest")`.
    pub fn forward_enlarged(&self, x: &Tensor, height: usize, width: usize) -> Result<Tensor> {
        let (_, from_height, from_width, _) = x.dims4()?;
        if (height, width) == (2 * from_height, 2 * from_width) {
            self.compute(x, true, None, None)
        } else {
            self.compute(&enlarged(x, height, width)?, false, None, None)
        }
    }

    /// `doubled`: of `x` enlarged twice.
    fn compute(&self, x: &Tensor, doubled: bool, shift: Option<&Tensor>, residual: Option<&Tensor>) -> Result<Tensor> {
        let (batch, height, width, channels) = x.dims4()?;
        if channels != self.inputs {
            candle_core::bail!("a convolution of {} channels cannot take {:?}", self.inputs, x.shape());
        }
        let scale = if doubled { 2 } else { 1 };
        let (seen_height, seen_width) = (height * scale, width * scale);
        let (size, bias) = match &self.kernel {
            Kernel::Own { conv, bias } => (conv.output_size(seen_height, seen_width), bias),
            Kernel::Tiled { conv, bias } => (conv.output_size(seen_height, seen_width), bias),
            Kernel::Candle { weight, bias, stride, padding } => {
                let x = x.to_dtype(weight.dtype())?;
                let x = if doubled { enlarged(&x, seen_height, seen_width)? } else { x };
                let weight = &weight.to_dtype(computed_in(weight))?;
                let mut y = by_candle(&x, weight, bias, *stride, *padding, most_at_once(weight.device()))?;
                if let Some(shift) = shift {
                    y = y.broadcast_add(&shift.to_dtype(y.dtype())?.unsqueeze(1)?.unsqueeze(1)?)?;
                }
                return residual.map_or_else(|| Ok(y.clone()), |residual| y.broadcast_add(residual));
            }
        };
        let Some((rows, columns)) = size else {
            candle_core::bail!("a picture of {width}x{height} is smaller than the kernel of a convolution");
        };
        let shape = (batch, rows, columns, self.outputs);
        let shift = shift.map(|shift| Host::new(&shift.broadcast_as((batch, self.outputs))?)).transpose()?;
        let residual = residual.map(|residual| Host::new(&residual.broadcast_as(shape)?)).transpose()?;
        let (shift, residual) = (shift.as_ref().map(Host::numbers), residual.as_ref().map(Host::numbers));
        let bias = bias.numbers();
        let epilogue = Epilogue {
            bias: Some(&bias),
            shift: shift.as_deref().map(|shift| (shift, rows * columns)),
            residual: residual.as_deref(),
        };
        let picture = (batch, height, width);
        match &self.kernel {
            Kernel::Own { conv, .. } => {
                let x = Host::new(x)?;
                let x = x.numbers();
                filled(shape, |out| conv.forward(&x, picture, doubled, epilogue, out))
            }
            Kernel::Tiled { conv, .. } => with_values(x, |x| {
                filled(shape, |out| match x {
                    Values::F32(x) => conv.forward_by_tiles(x, picture, doubled, epilogue, out),
                    Values::F16(x) => conv.forward_by_tiles(x, picture, doubled, epilogue, out),
                    Values::Bf16(x) => conv.forward_by_tiles(x, picture, doubled, epilogue, out),
                })
            })?,
            Kernel::Candle { .. } => unreachable!("it has returned above"),
        }
    }
}

/// In what candle's convolutions with this weight are to be computed. cuDNN, as candle asks it, adds up products of f16 in f16, which is ten times as far off as
/// adding up in f32 (PaddlePaddle/CINN#1196). Of f32 it adds up in f32; what it multiplies it may take for TF32 on cards that have that, which rounds no number
/// that was f16.
fn computed_in(weight: &Tensor) -> DType {
    let is_cudnns = cfg!(feature = "cudnn") && weight.device().is_cuda();
    if is_cudnns && weight.dtype() == DType::F16 { DType::F32 } else { weight.dtype() }
}

/// By candle, which lays the square below each place of the kernel out beside the others before it multiplies: many times the picture. So no more rows
/// than take `most` bytes are computed at once, though at least one. It is computed in the precision of `weight`, and what comes has that of `x` and `bias`.
fn by_candle(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    stride: usize,
    padding: Padding,
    most: usize,
) -> Result<Tensor> {
    let Padding { before, after } = padding;
    let convolve =
        |x: &Tensor, even| x.to_dtype(weight.dtype())?.conv2d(weight, even, stride, 1, 1)?.to_dtype(x.dtype());
    let (batch, height, width, _) = x.dims4()?;
    let (_, inputs, side, _) = weight.dims4()?;
    let count = |of: usize| (of + before + after).checked_sub(side).map(|rest| rest / stride + 1);
    let (Some(rows), Some(columns)) = (count(height), count(width)) else {
        candle_core::bail!("a picture of {width}x{height} is smaller than the kernel of a convolution");
    };
    let row = batch * columns * inputs * side * side * weight.dtype().size_in_bytes();
    let at_once = (most / row.max(1)).max(1);
    let mut x = to_channels_first(x)?;
    let mut even = before;
    if before != after || at_once < rows {
        x = x.pad_with_zeros(2, before, after)?.pad_with_zeros(3, before, after)?;
        even = 0;
    }
    if at_once >= rows {
        return to_channels_last(&convolve(&x, even)?)?.broadcast_add(bias);
    }
    let band = |first: usize| {
        let seen = (at_once.min(rows - first) - 1) * stride + side;
        to_channels_last(&convolve(&x.narrow(2, first * stride, seen)?.contiguous()?, even)?)
    };
    let bands = (0..rows).step_by(at_once).map(band).collect::<Result<Vec<_>>>()?;
    Tensor::cat(&bands, 1)?.broadcast_add(bias)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;
    use candle_nn::VarBuilder;
    use std::collections::HashMap;

    fn conv(weight: &Tensor, bias: &Tensor, stride: usize, padding: Padding) -> Conv2d {
        let (outputs, inputs, side, _) = weight.dims4().unwrap();
        let tensors = HashMap::from([("weight".to_owned(), weight.clone()), ("bias".to_owned(), bias.clone())]);
        let weights = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
        Conv2d::strided(inputs, outputs, side, stride, padding, weights.into()).unwrap()
    }

    fn wave(shape: &[usize], step: f64) -> Tensor {
        let count: usize = shape.iter().product();
        let values: Vec<f32> = (0..count).map(|i| (i as f64 * step).sin() as f32).collect();
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    }

    fn difference(a: &Tensor, b: &Tensor) -> f32 {
        assert_eq!(a.shape(), b.shape());
        (a - b).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap()
    }

    #[test]
    fn a_convolution_equals_candles_for_every_kernel_stride_and_padding() {
        for (kernel, stride, padding) in [
            (1, 1, Padding::even(0)),
            (3, 1, Padding::even(1)),
            (3, 2, Padding::even(1)),
            (3, 2, Padding { before: 0, after: 1 }),
            (5, 1, Padding::even(2)),
        ] {
            for (height, width) in [(7, 6), (1, 1), (2, 9), (17, 32)] {
                let (weight, bias) = (wave(&[4, 3, kernel, kernel], 0.37), wave(&[4], 0.9));
                let conv = conv(&weight, &bias, stride, padding);
                let x = wave(&[2, height, width, 3], 0.11);
                if height + padding.before + padding.after < kernel || width + padding.before + padding.after < kernel {
                    assert!(conv.forward(&x).is_err());
                    assert!(by_candle(&x, &weight, &bias, stride, padding, usize::MAX).is_err());
                    continue;
                }
                let candles = by_candle(&x, &weight, &bias, stride, padding, usize::MAX).unwrap();
                let apart = difference(&conv.forward(&x).unwrap(), &candles);
                assert!(apart < 1e-5, "kernel {kernel}, stride {stride}, {padding:?}, {height}x{width}: {apart}");
            }
        }
    }

    #[test]
    fn candles_convolution_in_bands_of_rows_is_that_of_the_whole() {
        for (kernel, stride, padding) in [
            (1, 1, Padding::even(0)),
            (3, 1, Padding::even(1)),
            (3, 2, Padding::even(1)),
            (3, 2, Padding { before: 0, after: 1 }),
            (5, 3, Padding::even(2)),
        ] {
            let (weight, bias) = (wave(&[4, 3, kernel, kernel], 0.37), wave(&[4], 0.9));
            for (height, width) in [(7, 6), (17, 32)] {
                let x = wave(&[2, height, width, 3], 0.11);
                let of = |most| by_candle(&x, &weight, &bias, stride, padding, most).unwrap();
                let whole = of(usize::MAX);
                let columns = whole.dim(2).unwrap();
                let row = 2 * columns * 3 * kernel * kernel * size_of::<f32>();
                for most in [0, row, 2 * row, 3 * row + 1, 5 * row] {
                    let apart = difference(&of(most), &whole);
                    let of = format!("kernel {kernel}, stride {stride}, {padding:?}, {height}x{width}, {most} bytes");
                    assert!(apart < 1e-5, "{of}: {apart}");
                }
            }
        }
    }

    #[test]
    fn what_candle_convolves_in_f32_of_f16_is_rounded_after_it_was_added_up() {
        let half = |x: Tensor| x.to_dtype(DType::F16).unwrap();
        let (weight, bias) = (half(wave(&[4, 300, 3, 3], 0.37)), half(wave(&[4], 0.9)));
        let x = half(wave(&[2, 7, 6, 300], 0.11));
        let wide = |x: &Tensor| x.to_dtype(DType::F32).unwrap();
        let exact = by_candle(&wide(&x), &wide(&weight), &wide(&bias), 1, Padding::even(1), usize::MAX);
        let exact = exact.unwrap();
        for most in [0, usize::MAX] {
            let found = by_candle(&x, &wide(&weight), &bias, 1, Padding::even(1), most).unwrap();
            assert_eq!(found.dtype(), DType::F16);
            // The sum is rounded, and it with the bias: half of the last of 11 bits each.
            let largest = exact.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
            assert!(difference(&wide(&found), &exact) < largest / 1024.0);
        }
    }

    #[test]
    fn what_is_added_and_what_is_enlarged_is_as_if_done_apart() {
        let (weight, bias) = (wave(&[4, 3, 3, 3], 0.37), wave(&[4], 0.9));
        let conv = conv(&weight, &bias, 1, Padding::even(1));
        let (x, shift, residual) = (wave(&[2, 5, 6, 3], 0.11), wave(&[1, 4], 0.3), wave(&[2, 5, 6, 4], 0.21));
        let apart = (conv.forward(&x).unwrap().broadcast_add(&shift).unwrap() + &residual).unwrap();
        let together = conv.forward_adding(&x, Some(&shift), Some(&residual)).unwrap();
        assert!(difference(&together, &apart) < 1e-5);
        for (height, width) in [(10, 12), (9, 13)] {
            let apart = conv.forward(&enlarged(&x, height, width).unwrap()).unwrap();
            assert!(difference(&conv.forward_enlarged(&x, height, width).unwrap(), &apart) < 1e-5);
        }
    }

    #[test]
    fn the_wrong_number_of_channels_is_an_error() {
        let conv = conv(&wave(&[2, 3, 3, 3], 0.37), &wave(&[2], 0.9), 1, Padding::even(1));
        assert!(conv.forward(&wave(&[1, 8, 8, 4], 0.1)).is_err());
    }
}
