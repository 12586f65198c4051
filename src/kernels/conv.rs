use candle_core::{CpuStorage, CustomOp1, DType, Layout, Result, Shape, Tensor};
use candle_nn::VarBuilder;
use rayon::prelude::*;

/// The largest unfolded strip that is held at once, in bytes: unfolding a 512 px picture of 128 channels whole takes 1.2 GiB.
const MAX_UNFOLDED_BYTES: usize = 16 << 20;

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
///
/// On the CPU, in f32, the picture is unfolded (each output pixel's neighbourhood becomes a column) strip by strip, and each
/// strip is one matrix product; the bias is one more row of it. Candle's own convolution re-packs its kernel at every call and
/// is used on other devices.
#[derive(Clone, Debug)]
pub struct Conv2d {
    /// (out, in, k, k).
    weight: Tensor,
    /// (1, out, in · k² + 1): the weight with the bias as its last column; only for the CPU in f32.
    packed: Option<Tensor>,
    bias: Tensor,
    stride: usize,
    padding: Padding,
}

impl Conv2d {
    /// Reads `weight` (outputs, inputs, kernel, kernel) and `bias` (outputs), for stride 1 and a picture that keeps its size.
    pub fn new(inputs: usize, outputs: usize, kernel: usize, weights: VarBuilder<'_>) -> Result<Self> {
        Self::strided(inputs, outputs, kernel, 1, Padding::even(kernel / 2), weights)
    }

    /// Reads `weight` (outputs, inputs, kernel, kernel) and `bias` (outputs).
    pub fn strided(
        inputs: usize,
        outputs: usize,
        kernel: usize,
        stride: usize,
        padding: Padding,
        weights: VarBuilder<'_>,
    ) -> Result<Self> {
        let weight = weights.get((outputs, inputs, kernel, kernel), "weight")?;
        Self::from_tensors(weight, weights.get(outputs, "bias")?, stride, padding)
    }

    fn from_tensors(weight: Tensor, bias: Tensor, stride: usize, padding: Padding) -> Result<Self> {
        let outputs = weight.dim(0)?;
        let packed = if weight.device().is_cpu() && weight.dtype() == DType::F32 {
            let flat = weight.reshape((outputs, weight.elem_count() / outputs))?;
            Some(Tensor::cat(&[&flat, &bias.reshape((outputs, 1))?], 1)?.unsqueeze(0)?)
        } else {
            None
        };
        Ok(Self { weight, packed, bias, stride, padding })
    }

    /// (B, in, H, W) to (B, out, H', W').
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match &self.packed {
            Some(packed) if x.dtype() == DType::F32 => self.unfolded(x, packed),
            _ => self.by_candle(x),
        }
    }

    fn unfolded(&self, x: &Tensor, packed: &Tensor) -> Result<Tensor> {
        let (batch, channels, height, width) = x.dims4()?;
        let (outputs, inputs, kernel, _) = self.weight.dims4()?;
        let added = self.padding.before + self.padding.after;
        if channels != inputs || height + added < kernel || width + added < kernel {
            candle_core::bail!("a convolution of {inputs} channels by {kernel}x{kernel} cannot take {:?}", x.shape());
        }
        let rows = (height + added - kernel) / self.stride + 1;
        let columns = (width + added - kernel) / self.stride + 1;
        let depth = inputs * kernel * kernel + 1;
        let bytes_per_row = batch * depth * columns * size_of::<f32>();
        let rows_at_once = (MAX_UNFOLDED_BYTES / bytes_per_row).clamp(1, rows);
        let weight = packed.broadcast_as((batch, outputs, depth))?;
        let x = x.contiguous()?;
        let mut strips = Vec::with_capacity(rows.div_ceil(rows_at_once));
        for first_row in (0..rows).step_by(rows_at_once) {
            let rows = rows_at_once.min(rows - first_row);
            let unfold = Unfold { kernel, stride: self.stride, before: self.padding.before, first_row, rows, columns };
            strips.push(weight.matmul(&x.apply_op1_no_bwd(&unfold)?)?.reshape((batch, outputs, rows, columns))?);
        }
        if strips.len() == 1 { Ok(strips.remove(0)) } else { Tensor::cat(&strips, 2) }
    }

    fn by_candle(&self, x: &Tensor) -> Result<Tensor> {
        let Padding { before, after } = self.padding;
        let y = if before == after {
            x.conv2d(&self.weight, before, self.stride, 1, 1)?
        } else {
            x.pad_with_zeros(2, before, after)?.pad_with_zeros(3, before, after)?.conv2d(
                &self.weight,
                0,
                self.stride,
                1,
                1,
            )?
        };
        y.broadcast_add(&self.bias.reshape((1, self.bias.elem_count(), 1, 1))?)
    }
}

/// (B, C, H, W) to (B, C · k² + 1, rows · columns): for output rows `first_row..first_row + rows`, the input under each place
/// of the kernel, and a last row of ones.
struct Unfold {
    kernel: usize,
    stride: usize,
    before: usize,
    first_row: usize,
    rows: usize,
    columns: usize,
}

impl Unfold {
    /// Fills one row of the result: the input channel `picture` (height, width), seen from the kernel's place (ky, kx).
    fn fill(&self, picture: &[f32], height: usize, width: usize, place: usize, out: &mut [f32]) {
        let (ky, kx) = (place / self.kernel, place % self.kernel);
        for (row, out) in out.chunks_exact_mut(self.columns).enumerate() {
            let y = (self.first_row + row) * self.stride + ky;
            if y < self.before || y - self.before >= height {
                out.fill(0.0);
                continue;
            }
            let line = &picture[(y - self.before) * width..(y - self.before + 1) * width];
            // Output columns left..right lie inside the line; the others see zeros.
            let left = self.before.saturating_sub(kx).div_ceil(self.stride).min(self.columns);
            let right = (width + self.before).saturating_sub(kx).div_ceil(self.stride).clamp(left, self.columns);
            out[..left].fill(0.0);
            out[right..].fill(0.0);
            if left == right {
                continue;
            }
            let start = left * self.stride + kx - self.before;
            if self.stride == 1 {
                out[left..right].copy_from_slice(&line[start..start + right - left]);
            } else {
                for (out, value) in out[left..right].iter_mut().zip(line[start..].iter().step_by(self.stride)) {
                    *out = *value;
                }
            }
        }
    }
}

impl CustomOp1 for Unfold {
    fn name(&self) -> &'static str {
        "unfold"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (batch, channels, height, width) = layout.shape().dims4()?;
        let Some((start, end)) = layout.contiguous_offsets() else {
            candle_core::bail!("unfold needs a contiguous picture");
        };
        let pixels = &storage.as_slice::<f32>()?[start..end];
        let places = self.kernel * self.kernel;
        let depth = channels * places + 1;
        let count = self.rows * self.columns;
        let mut unfolded = vec![0f32; batch * depth * count];
        unfolded.par_chunks_exact_mut(count).enumerate().for_each(|(index, out)| {
            let (picture, row) = (index / depth, index % depth);
            if row == depth - 1 {
                out.fill(1.0);
            } else {
                let channel = picture * channels + row / places;
                self.fill(&pixels[channel * height * width..][..height * width], height, width, row % places, out);
            }
        });
        Ok((CpuStorage::F32(unfolded), (batch, depth, count).into()))
    }
}

/// Enlarges (B, C, H, W) to (B, C, height, width) by repeating pixels, as torch's `interpolate(mode="nearest")`.
pub fn upsample_nearest(x: &Tensor, height: usize, width: usize) -> Result<Tensor> {
    x.upsample_nearest2d(height, width)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

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
            for (height, width) in [(7, 6), (1, 1), (2, 9)] {
                let weight = wave(&[4, 3, kernel, kernel], 0.37);
                let conv = Conv2d::from_tensors(weight, wave(&[4], 0.9), stride, padding).unwrap();
                let x = wave(&[2, 3, height, width], 0.11);
                if height + padding.before + padding.after < kernel || width + padding.before + padding.after < kernel {
                    assert!(conv.forward(&x).is_err());
                    continue;
                }
                let apart = difference(&conv.forward(&x).unwrap(), &conv.by_candle(&x).unwrap());
                assert!(apart < 1e-5, "kernel {kernel}, stride {stride}, {padding:?}, {height}x{width}: {apart}");
            }
        }
    }

    #[test]
    fn a_picture_too_large_to_unfold_at_once_is_convolved_in_strips() {
        let conv = Conv2d::from_tensors(wave(&[2, 64, 3, 3], 0.37), wave(&[2], 0.9), 1, Padding::even(1)).unwrap();
        let x = wave(&[1, 64, 100, 100], 0.013);
        assert!(64 * 9 * 100 * 100 * size_of::<f32>() > MAX_UNFOLDED_BYTES);
        assert!(difference(&conv.forward(&x).unwrap(), &conv.by_candle(&x).unwrap()) < 1e-4);
    }

    #[test]
    fn the_wrong_number_of_channels_is_an_error() {
        let conv = Conv2d::from_tensors(wave(&[2, 3, 3, 3], 0.37), wave(&[2], 0.9), 1, Padding::even(1)).unwrap();
        assert!(conv.forward(&wave(&[1, 4, 8, 8], 0.1)).is_err());
    }
}
