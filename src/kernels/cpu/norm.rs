use super::shared::{Shared, each};
use super::vector::{dispatch, put, take, times_sigmoid};
use crate::kernels::Activation;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

/// The shape of pictures (B, H · W, C).
#[derive(Clone, Copy)]
pub(in crate::kernels) struct PictureShape {
    pub(in crate::kernels) batch: usize,
    pub(in crate::kernels) pixels: usize,
    pub(in crate::kernels) channels: usize,
}

/// Numbers of a picture that are summed by one task. It decides how sums are rounded, so it may not depend on threads.
const NUMBERS_AT_ONCE: usize = 1 << 15;

/// Group normalisation of `x` (B, H, W, C), then the activation, which is none or [`Activation::Silu`]. Sums are made in vectors
/// of each channel over a few pixels, and of those in f64; the variance is that of the differences to the mean.
#[expect(clippy::too_many_arguments, reason = "they are what a group norm is")]
pub(in crate::kernels) fn group_norm(
    x: &[f32],
    shape: PictureShape,
    groups: usize,
    weight: &[f32],
    bias: &[f32],
    epsilon: f32,
    activation: Activation,
    out: &mut [f32],
) {
    let PictureShape { batch, pixels, channels } = shape;
    let size = pixels * channels;
    assert!(x.len() == batch * size && out.len() == x.len(), "pictures of another size than their shape");
    assert!(weight.len() == channels && bias.len() == channels && groups > 0, "a norm of other channels");
    let of_group = channels / groups;
    let pixels_at_once = (NUMBERS_AT_ONCE / channels.max(1)).max(1);
    let tasks = pixels.div_ceil(pixels_at_once);
    let stretch = |task: usize| task * pixels_at_once * channels..((task + 1) * pixels_at_once * channels).min(size);
    let out = Shared::new(out);
    for picture in 0..batch {
        let x = &x[picture * size..(picture + 1) * size];
        // For each group the sum over all pixels of a function of the channels' numbers and a value of the group.
        let totals = |minus: &[f32], squared: bool| -> Vec<f64> {
            let part = |task: usize| {
                let mut sums = vec![0f32; channels];
                let mut total = vec![0f64; groups];
                // Few pixels at a time, so that no f32 sum grows long.
                for x in x[stretch(task)].chunks(64 * channels) {
                    sums.fill(0.0);
                    dispatch(ChannelSums { x, minus, squared, sums: &mut sums });
                    for (total, sums) in total.iter_mut().zip(sums.chunks_exact(of_group)) {
                        *total += sums.iter().map(|sum| f64::from(*sum)).sum::<f64>();
                    }
                }
                total
            };
            let parts: Vec<Vec<f64>> =
                if tasks == 1 { vec![part(0)] } else { (0..tasks).into_par_iter().map(part).collect() };
            (0..groups).map(|group| parts.iter().map(|part| part[group]).sum()).collect()
        };
        let numbers = (pixels * of_group) as f64;
        let mean_of_group: Vec<f64> = totals(&vec![0.0; channels], false).iter().map(|sum| sum / numbers).collect();
        let mean: Vec<f32> = (0..channels).map(|channel| mean_of_group[channel / of_group] as f32).collect();
        let variance: Vec<f64> = totals(&mean, true).iter().map(|sum| sum / numbers).collect();
        let scale: Vec<f32> = (0..channels)
            .map(|channel| {
                (f64::from(weight[channel]) / (variance[channel / of_group] + f64::from(epsilon)).sqrt()) as f32
            })
            .collect();
        let apply = |task: usize| {
            let range = stretch(task);
            // SAFETY: tasks and pictures share no pixel.
            let out = unsafe { out.part(picture * size + range.start, range.len()) };
            let silu = activation == Activation::Silu;
            dispatch(Apply { x: &x[range], mean: &mean, scale: &scale, bias, silu, out });
        };
        each(tasks, true, apply);
    }
}

/// Adds to each channel's sum its numbers minus the channel's `minus`, or the squares of that.
struct ChannelSums<'a> {
    x: &'a [f32],
    minus: &'a [f32],
    squared: bool,
    sums: &'a mut [f32],
}

impl WithSimd for ChannelSums<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let channels = self.sums.len();
        for pixel in self.x.chunks_exact(channels) {
            let numbers = pixel.chunks(S::F32_LANES).zip(self.minus.chunks(S::F32_LANES));
            for ((x, minus), sums) in numbers.zip(self.sums.chunks_mut(S::F32_LANES)) {
                let x = simd.sub_f32s(take(simd, x), take(simd, minus));
                let sum = take(simd, sums);
                let sum = if self.squared { simd.mul_add_e_f32s(x, x, sum) } else { simd.add_f32s(sum, x) };
                put(simd, sums, sum);
            }
        }
    }
}

/// (x - mean) · scale + bias, with what each is for each channel.
struct Apply<'a> {
    x: &'a [f32],
    mean: &'a [f32],
    scale: &'a [f32],
    bias: &'a [f32],
    silu: bool,
    out: &'a mut [f32],
}

impl WithSimd for Apply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let channels = self.mean.len();
        for (x, out) in self.x.chunks_exact(channels).zip(self.out.chunks_exact_mut(channels)) {
            for at in (0..channels).step_by(S::F32_LANES) {
                let end = (at + S::F32_LANES).min(channels);
                let centred = simd.sub_f32s(take(simd, &x[at..end]), take(simd, &self.mean[at..end]));
                let scale = take(simd, &self.scale[at..end]);
                let mut y = simd.mul_add_e_f32s(centred, scale, take(simd, &self.bias[at..end]));
                if self.silu {
                    y = times_sigmoid(simd, y, 1.0);
                }
                put(simd, &mut out[at..end], y);
            }
        }
    }
}

/// Layer normalisation of each row of `x` (…, width).
pub(in crate::kernels) fn layer_norm(
    x: &[f32],
    width: usize,
    weight: &[f32],
    bias: &[f32],
    epsilon: f32,
    out: &mut [f32],
) {
    assert!(x.len() == out.len() && width > 0 && x.len().is_multiple_of(width), "rows of another width");
    assert!(weight.len() == width && bias.len() == width, "a norm of another width");
    let rows_at_once = (NUMBERS_AT_ONCE / width).max(1) * width;
    let run = |(x, out): (&[f32], &mut [f32])| dispatch(Layers { x, weight, bias, epsilon, out });
    if x.len() <= rows_at_once {
        run((x, out));
    } else {
        x.par_chunks(rows_at_once).zip(out.par_chunks_mut(rows_at_once)).for_each(run);
    }
}

struct Layers<'a> {
    x: &'a [f32],
    weight: &'a [f32],
    bias: &'a [f32],
    epsilon: f32,
    out: &'a mut [f32],
}

impl WithSimd for Layers<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let width = self.weight.len();
        for (x, out) in self.x.chunks_exact(width).zip(self.out.chunks_exact_mut(width)) {
            let mut sum = simd.splat_f32s(0.0);
            for x in x.chunks(S::F32_LANES) {
                sum = simd.add_f32s(sum, take(simd, x));
            }
            let mean_of = simd.reduce_sum_f32s(sum) / width as f32;
            let mean = simd.splat_f32s(mean_of);
            let (vectors, rest) = x.split_at(width - width % S::F32_LANES);
            let mut squares = simd.splat_f32s(0.0);
            for x in vectors.chunks(S::F32_LANES) {
                let x = simd.sub_f32s(take(simd, x), mean);
                squares = simd.mul_add_e_f32s(x, x, squares);
            }
            let rest: f32 = rest.iter().map(|x| (x - mean_of) * (x - mean_of)).sum();
            let variance = (simd.reduce_sum_f32s(squares) + rest) / width as f32;
            let scale = simd.splat_f32s(1.0 / (variance + self.epsilon).sqrt());
            let numbers = x.chunks(S::F32_LANES).zip(self.weight.chunks(S::F32_LANES));
            for (((x, weight), bias), out) in
                numbers.zip(self.bias.chunks(S::F32_LANES)).zip(out.chunks_mut(S::F32_LANES))
            {
                let x = simd.mul_f32s(simd.sub_f32s(take(simd, x), mean), scale);
                let y = simd.mul_add_e_f32s(x, take(simd, weight), take(simd, bias));
                put(simd, out, y);
            }
        }
    }
}
