use super::rounding::Number;
use super::shared::{Shared, each, threads};
use super::vector::{dispatch, put, take, times_sigmoid};
use crate::kernels::Activation;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;
use std::ops::Range;

/// The shape of pictures (B, H · W, C).
#[derive(Clone, Copy)]
pub(in crate::kernels) struct PictureShape {
    pub(in crate::kernels) batch: usize,
    pub(in crate::kernels) pixels: usize,
    pub(in crate::kernels) channels: usize,
}

/// Numbers of a picture that are summed by one task. It decides how sums are rounded, so it may not depend on threads.
const NUMBERS_AT_ONCE: usize = 1 << 15;

/// Pixels that are summed in f32, channel by channel, before their sums are added in f64.
const PIXELS_AT_ONCE: usize = 64;

/// So many pixels, and a multiple of them, can be measured apart from what follows without a bit of difference.
pub(in crate::kernels) fn pixels_at_once(channels: usize) -> usize {
    (NUMBERS_AT_ONCE / channels.max(1)).max(1)
}

/// Adds the numbers of `x` (B, H, W, C) to the moments (B, groups). The variance is that of the differences to the mean, and the
/// picture is read once for both.
pub(in crate::kernels) fn measure(x: &[f32], shape: PictureShape, measured: &mut [Moments]) {
    let PictureShape { batch, pixels, channels } = shape;
    assert!(x.len() == batch * pixels * channels, "pictures of another size than their shape");
    if batch == 0 {
        return;
    }
    let groups = measured.len() / batch;
    assert!(groups > 0 && measured.len() == batch * groups, "a norm of no groups");
    let of_group = channels / groups;
    let tasks = Tasks::new(shape);
    let moments = |task: usize| {
        let mut all = vec![Moments::default(); groups];
        let (mut sums, mut mean) = (vec![0f32; channels], vec![0f32; channels]);
        for x in x[tasks.range(task)].chunks(PIXELS_AT_ONCE * channels) {
            let count = (x.len() / channels * of_group) as f64;
            let total = |sums: &[f32]| sums.iter().map(|sum| f64::from(*sum)).sum::<f64>();
            sums.fill(0.0);
            dispatch(ChannelSums { x, minus: None, sums: &mut sums });
            for (mean, sums) in mean.chunks_exact_mut(of_group).zip(sums.chunks_exact(of_group)) {
                mean.fill((total(sums) / count) as f32);
            }
            sums.fill(0.0);
            dispatch(ChannelSums { x, minus: Some(&mean), sums: &mut sums });
            for (group, all) in all.iter_mut().enumerate() {
                let squares = total(&sums[group * of_group..(group + 1) * of_group]);
                *all = all.and(Moments { count, mean: f64::from(mean[group * of_group]), squares });
            }
        }
        all
    };
    let parts: Vec<Vec<Moments>> = if threads() == 1 {
        (0..batch * tasks.each).map(moments).collect()
    } else {
        (0..batch * tasks.each).into_par_iter().map(moments).collect()
    };
    for (parts, measured) in parts.chunks(tasks.each.max(1)).zip(measured.chunks_exact_mut(groups)) {
        for part in parts {
            measured.iter_mut().zip(part).for_each(|(all, part)| *all = all.and(*part));
        }
    }
}

/// Group normalisation (Wu & He 2018) of `x` (B, H, W, C) by what was `measured` (B, groups) of all of it, then the activation, which is none or
/// [`Activation::Silu`].
#[expect(clippy::too_many_arguments, reason = "they are what a group norm is")]
pub(in crate::kernels) fn normalise<Y: Number>(
    x: &[f32],
    shape: PictureShape,
    measured: &[Moments],
    weight: &[f32],
    bias: &[f32],
    epsilon: f32,
    activation: Activation,
    out: &mut [Y],
) {
    let PictureShape { batch, pixels, channels } = shape;
    assert!(x.len() == batch * pixels * channels && out.len() == x.len(), "pictures of another size than their shape");
    assert!(weight.len() == channels && bias.len() == channels, "a norm of other channels");
    let groups = measured.len() / batch.max(1);
    let scales: Vec<(Vec<f32>, Vec<f32>)> = measured
        .chunks(groups.max(1))
        .map(|all| {
            let of_channel = |channel: usize| all[channel / (channels / groups)];
            let scale = |channel: usize| {
                (f64::from(weight[channel]) / (of_channel(channel).variance() + f64::from(epsilon)).sqrt()) as f32
            };
            ((0..channels).map(|channel| of_channel(channel).mean as f32).collect(), (0..channels).map(scale).collect())
        })
        .collect();
    let tasks = Tasks::new(shape);
    let out = Shared::new(out);
    each(batch * tasks.each, true, |task| {
        let (range, (mean, scale)) = (tasks.range(task), &scales[task / tasks.each]);
        // SAFETY: tasks share no pixel.
        let out = unsafe { out.part(range.start, range.len()) };
        dispatch(Apply { x: &x[range], mean, scale, bias, silu: activation == Activation::Silu, out });
    });
}

/// How pictures are cut into tasks.
struct Tasks {
    /// Of a picture.
    each: usize,
    numbers_at_once: usize,
    size: usize,
}

impl Tasks {
    fn new(PictureShape { pixels, channels, .. }: PictureShape) -> Self {
        let numbers_at_once = pixels_at_once(channels) * channels;
        let size = pixels * channels;
        Self { each: size.div_ceil(numbers_at_once.max(1)), numbers_at_once, size }
    }

    fn range(&self, task: usize) -> Range<usize> {
        let (picture, start) = (task / self.each, task % self.each * self.numbers_at_once);
        picture * self.size + start..picture * self.size + (start + self.numbers_at_once).min(self.size)
    }
}

/// The mean of so many numbers and the sum of their squared differences to it.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::kernels) struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    /// Of the numbers of both (Chan, Golub & `LeVeque` 1979).
    fn and(self, other: Self) -> Self {
        let count = self.count + other.count;
        let apart = other.mean - self.mean;
        Self {
            count,
            mean: self.mean + apart * other.count / count,
            squares: self.squares + other.squares + apart * apart * self.count * other.count / count,
        }
    }

    fn variance(self) -> f64 {
        self.squares / self.count
    }
}

/// Adds to each channel's sum its numbers, or the squares of their differences to the channel's `minus`.
struct ChannelSums<'a> {
    x: &'a [f32],
    minus: Option<&'a [f32]>,
    sums: &'a mut [f32],
}

impl WithSimd for ChannelSums<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let channels = self.sums.len();
        for pixel in self.x.chunks_exact(channels) {
            for at in (0..channels).step_by(S::F32_LANES) {
                let range = at..(at + S::F32_LANES).min(channels);
                let (x, sum) = (take(simd, &pixel[range.clone()]), take(simd, &self.sums[range.clone()]));
                let sum = match self.minus {
                    None => simd.add_f32s(sum, x),
                    Some(minus) => {
                        let x = simd.sub_f32s(x, take(simd, &minus[range.clone()]));
                        simd.mul_add_e_f32s(x, x, sum)
                    }
                };
                put(simd, &mut self.sums[range], sum);
            }
        }
    }
}

/// (x - mean) · scale + bias, with what each is for each channel.
struct Apply<'a, Y> {
    x: &'a [f32],
    mean: &'a [f32],
    scale: &'a [f32],
    bias: &'a [f32],
    silu: bool,
    out: &'a mut [Y],
}

impl<Y: Number> WithSimd for Apply<'_, Y> {
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
                Y::put(simd, &mut out[at..end], y);
            }
        }
    }
}

/// Layer normalisation of each row of `x` (…, width).
pub(in crate::kernels) fn layer_norm<Y: Number>(
    x: &[f32],
    width: usize,
    weight: &[f32],
    bias: &[f32],
    epsilon: f32,
    out: &mut [Y],
) {
    assert!(x.len() == out.len() && width > 0 && x.len().is_multiple_of(width), "rows of another width");
    assert!(weight.len() == width && bias.len() == width, "a norm of another width");
    let rows_at_once = (NUMBERS_AT_ONCE / width).max(1) * width;
    let out = Shared::new(out);
    each(x.len().div_ceil(rows_at_once), true, |task| {
        let x = &x[task * rows_at_once..((task + 1) * rows_at_once).min(x.len())];
        // SAFETY: tasks share no row.
        let out = unsafe { out.part(task * rows_at_once, x.len()) };
        dispatch(Layers { x, weight, bias, epsilon, out });
    });
}

struct Layers<'a, Y> {
    x: &'a [f32],
    weight: &'a [f32],
    bias: &'a [f32],
    epsilon: f32,
    out: &'a mut [Y],
}

impl<Y: Number> WithSimd for Layers<'_, Y> {
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
                Y::put(simd, out, y);
            }
        }
    }
}
