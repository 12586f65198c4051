//! Which estimate of the clean latent speaks for a whole step. Each function looks at where the step starts, at where those before
//! started, and asks the network once more at most.
//!
//! k-diffusion's functions, whose results these have, write most of them as slopes; the slope d at σ and x is that of the
//! estimate x − σ·d ([`of_slope`]).

use super::step::{Due, Point, Split};
use super::{Error, mixed, towards};
use candle_core::Tensor;

/// How [`two_steps`] takes in the step before.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Correction {
    Midpoint,
    Heun,
}

/// The two functions of the step's length that [`unipc`] can be built on. Zhao et al. 2023, section 3.2.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Bh {
    /// B(h) = h.
    One,
    /// B(h) = eʰ − 1.
    Two,
}

/// The estimate that leads from where a step starts along `slope`.
fn of_slope(from: &Point, slope: &Tensor) -> candle_core::Result<Tensor> {
    &from.x - (slope * from.sigma)?
}

/// dx/dσ at a point.
fn slope(at: &Point) -> candle_core::Result<Tensor> {
    (&at.x - &at.denoised)? / at.sigma
}

/// What the network says at `sigma`, on the straight line to the step's own estimate.
fn asked_at(due: &Due<'_, '_>, sigma: f64) -> Result<Point, Error> {
    let x = towards(&due.points[0].x, due.denoised(), sigma / due.sigma())?;
    let denoised = due.denoiser.denoise(&x, sigma)?;
    Ok(Point { sigma, x, denoised })
}

/// The mean of the slopes at both ends. Karras et al. 2022, algorithm 1; k-diffusion `sample_heun`.
pub(super) fn ends(due: &mut Due<'_, '_>) -> Result<Tensor, Error> {
    if due.is_plain() {
        return Ok(due.denoised().clone());
    }
    let there = asked_at(due, due.down)?;
    Ok(of_slope(&due.points[0], &((slope(&due.points[0])? + slope(&there)?)? / 2.0)?)?)
}

/// The slope in the middle of ln σ. k-diffusion `sample_dpm_2` and `sample_dpm_2_ancestral`, inspired by DPM-Solver-2 (Lu et al. 2022) and
/// algorithm 2 of Karras et al. 2022.
pub(super) fn middle_slope(due: &mut Due<'_, '_>) -> Result<Tensor, Error> {
    if due.is_plain() {
        return Ok(due.denoised().clone());
    }
    let middle = asked_at(due, (due.sigma() * due.down).sqrt())?;
    Ok(of_slope(&due.points[0], &slope(&middle)?)?)
}

/// The estimate in the middle of ln σ. DPM-Solver++(2S), Lu et al. 2022, algorithm 1; k-diffusion `sample_dpmpp_2s_ancestral`.
pub(super) fn middle(due: &mut Due<'_, '_>) -> Result<Tensor, Error> {
    if due.is_plain() {
        return Ok(due.denoised().clone());
    }
    Ok(asked_at(due, (due.sigma() * due.down).sqrt())?.denoised)
}

/// The estimate in the middle of ln σ, to which the way is down and up as well. k-diffusion `sample_dpmpp_sde` with r = 1/2.
pub(super) fn noisy_middle(due: &mut Due<'_, '_>) -> Result<Tensor, Error> {
    if due.next == 0.0 || due.is_plain() {
        return Ok(due.denoised().clone());
    }
    let (sigma, middle) = (due.sigma(), (due.sigma() * due.next).sqrt());
    let (down, up) = Split::Variance.of(sigma, middle, due.eta, due.training);
    let mut x = towards(&due.points[0].x, due.denoised(), down / sigma)?;
    if up > 0.0 {
        x = (x + (due.path.noise(sigma, middle)? * (up * due.noise))?)?;
    }
    due.denoiser.denoise(&x, middle)
}

/// The estimate extrapolated from this step's and that of the step before. DPM-Solver++(2M), Lu et al. 2022, algorithm 2; k-diffusion
/// `sample_dpmpp_2m` and `sample_dpmpp_2m_sde`. Alone in the first and the last step.
pub(super) fn two_steps(due: &mut Due<'_, '_>, correction: Correction) -> Result<Tensor, Error> {
    let [now, before, ..] = &*due.points else { return Ok(due.denoised().clone()) };
    if due.next == 0.0 {
        return Ok(now.denoised.clone());
    }
    let rest = due.down / now.sigma;
    let share = match correction {
        Correction::Midpoint => 0.5,
        Correction::Heun => 1.0 / (1.0 - rest) + 1.0 / rest.ln(),
    };
    let ratio = share * (now.sigma / due.next).ln() / (before.sigma / now.sigma).ln();
    Ok(mixed(1.0 + ratio, &now.denoised, -ratio, &before.denoised)?)
}

/// The estimate extrapolated from this step's and those of the two steps before. k-diffusion `sample_dpmpp_3m_sde`.
pub(super) fn three_steps(due: &mut Due<'_, '_>) -> Result<Tensor, Error> {
    let now = &due.points[0];
    if due.next == 0.0 || due.points.len() == 1 {
        return Ok(now.denoised.clone());
    }
    let rest = due.down / now.sigma;
    let length = -rest.ln();
    // The φ functions of the whole way, as shares of the estimate's own weight 1 − rest.
    let second = 1.0 / (1.0 - rest) - 1.0 / length;
    let third = second / length - 0.5 / (1.0 - rest);
    let step = (now.sigma / due.next).ln();
    let ago = |index: usize| (due.points[index].sigma / due.points[index - 1].sigma).ln() / step;
    let change = |index: usize| (&due.points[index - 1].denoised - &due.points[index].denoised)? / ago(index);
    let near = change(1)?;
    if due.points.len() == 2 {
        return Ok((&now.denoised + (near * second)?)?);
    }
    let bend = ((&near - change(2)?)? / (ago(1) + ago(2)))?;
    Ok((&now.denoised + mixed(second, &near, second * ago(1) - third, &bend)?)?)
}

/// The mean slope of the polynomial in σ through those of the last four steps: the linear multistep method. k-diffusion `sample_lms`.
pub(super) fn slopes(due: &mut Due<'_, '_>) -> Result<Tensor, Error> {
    let (points, sigma) = (&*due.points, due.sigma());
    let mut mean = (&points[0].x * 0.0)?;
    for (index, point) in points.iter().enumerate() {
        let others = || points.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, other)| other.sigma);
        let basis = |at: f64| others().map(|other| (at - other) / (point.sigma - other)).product::<f64>();
        // Simpson's rule is exact for what is at most cubic.
        let weight = (basis(sigma) + 4.0 * basis(f64::midpoint(sigma, due.next)) + basis(due.next)) / 6.0;
        mean = (mean + (slope(point)? * weight)?)?;
    }
    Ok(of_slope(&points[0], &mean)?)
}

/// The same as if the last four steps were equally long: pseudo linear multistep. Liu et al. 2022, equations 9 to 13, with the improved
/// Euler method in the first step; A1111's "PLMS" and diffusers' `PNDMScheduler` with `skip_prk_steps`.
pub(super) fn even_slopes(due: &mut Due<'_, '_>) -> Result<Tensor, Error> {
    let weights: &[f64] = match due.points.len() {
        1 => return ends(due),
        2 => &[3.0 / 2.0, -1.0 / 2.0],
        3 => &[23.0 / 12.0, -16.0 / 12.0, 5.0 / 12.0],
        _ => &[55.0 / 24.0, -59.0 / 24.0, 37.0 / 24.0, -9.0 / 24.0],
    };
    let mut mean = (&due.points[0].x * 0.0)?;
    for (point, weight) in due.points.iter().zip(weights) {
        mean = (mean + (slope(point)? * *weight)?)?;
    }
    Ok(of_slope(&due.points[0], &mean)?)
}

/// The highest order that [`unipc`] takes.
const UNIPC_ORDER: usize = 3;

/// Unified predictor and corrector of order 3. Zhao et al. 2023, algorithms 7 and 8, of the clean latent; A1111's and `ComfyUI`'s `uni_pc`,
/// diffusers' `UniPCMultistepScheduler` with `solver_order` 3.
///
/// First what was predicted of where this step starts is corrected by what the network says there, with the order of the step before; then
/// the way on is predicted. The order rises from 1 and falls to 1 again.
pub(super) fn unipc(due: &mut Due<'_, '_>, bh: Bh) -> Result<Tensor, Error> {
    let order = |made: usize, left: usize| UNIPC_ORDER.min(made + 1).min(left);
    let made = due.made;
    if let [now, before @ ..] = &mut *due.points
        && let Some(last) = before.first()
    {
        let estimate = unified(before, now.sigma, order(made - 1, due.left + 1), bh, Some(&now.denoised))?;
        now.x = towards(&last.x, &estimate, now.sigma / last.sigma)?;
    }
    unified(due.points, due.next, order(made, due.left), bh, None)
}

/// The estimate for a step from the first of `points` to `next`: there is a polynomial in −ln σ through those of `order` points and, for a
/// correction, the one `there`.
fn unified(points: &[Point], next: f64, order: usize, bh: Bh, there: Option<&Tensor>) -> Result<Tensor, Error> {
    let now = &points[0];
    let order = order.min(points.len());
    if next == 0.0 {
        return Ok(now.denoised.clone());
    }
    let rest = next / now.sigma;
    let length = -rest.ln();
    // Where the other estimates are, in steps from here.
    let mut places: Vec<f64> = points[1..order].iter().map(|point| (now.sigma / point.sigma).ln() / length).collect();
    let mut others: Vec<&Tensor> = points[1..order].iter().map(|point| &point.denoised).collect();
    places.extend(there.map(|_| 1.0));
    others.extend(there);
    let scale = match bh {
        Bh::One => length,
        Bh::Two => 1.0 - rest,
    };
    // Σ weight·placeᵏ⁻¹ = k!·φₖ₊₁(−length)·length/B for each k, but for a predictor of order 2 and a corrector of order 1, whose one
    // weight is simply ½.
    let weights = if places.len() == 1 {
        vec![0.5]
    } else {
        let (mut phi, mut factorial) = ((1.0 - rest) / length - 1.0, 1.0);
        let mut rows = Vec::new();
        for k in 0..places.len() {
            let left = places.iter().map(|place| place.powi(k as i32));
            rows.push(left.chain([phi * factorial / -scale]).collect());
            factorial *= (k + 2) as f64;
            phi = phi / -length - 1.0 / factorial;
        }
        solved(rows)
    };
    let mut estimate = now.denoised.clone();
    for ((other, place), weight) in others.into_iter().zip(&places).zip(weights) {
        let change = ((other - &now.denoised)? / *place)?;
        estimate = (estimate + (change * (weight * scale / (1.0 - rest)))?)?;
    }
    Ok(estimate)
}

/// The solution of a few linear equations, by elimination with pivots; each row ends with its right side.
fn solved(mut rows: Vec<Vec<f64>>) -> Vec<f64> {
    let count = rows.len();
    for column in 0..count {
        let most = |a: &usize, b: &usize| rows[*a][column].abs().total_cmp(&rows[*b][column].abs());
        let largest = (column..count).max_by(most).unwrap_or(column);
        rows.swap(column, largest);
        let pivot = rows[column].clone();
        for (_, row) in rows.iter_mut().enumerate().filter(|(index, _)| *index != column) {
            let factor = row[column] / pivot[column];
            row.iter_mut().zip(&pivot).for_each(|(value, of_pivot)| *value -= factor * of_pivot);
        }
    }
    rows.iter().enumerate().map(|(index, row)| row[count] / row[index]).collect()
}

/// Its own, held to `x` where there is hardly noise: the boundary condition of consistency models (Song et al. 2023, equation 5), as
/// diffusers' `LCMScheduler` with `sigma_data` 0.5 and a `timestep_scaling` of 10.
pub(super) fn consistency(due: &mut Due<'_, '_>) -> Result<Tensor, Error> {
    const SIGMA_DATA: f64 = 0.5;
    let Point { sigma, x, denoised } = &due.points[0];
    let time = 10.0 * due.training.sigma_to_timestep(*sigma);
    let variance = time * time + SIGMA_DATA * SIGMA_DATA;
    let skip = SIGMA_DATA * SIGMA_DATA / variance;
    // The network's own input is held to, x/√(1+σ²).
    Ok(mixed(skip / (1.0 + sigma * sigma).sqrt(), x, time / variance.sqrt(), denoised)?)
}
