//! Restart: Heun's method, which where little noise is left goes back up with fresh noise and comes down again, so that errors made
//! so far are forgotten. Xu et al. 2023, algorithm 1, with the choice of restarts of A1111's `restart_sampler`.

use super::super::schedule::karras;
use super::step::walk as walk_steps;
use super::{Error, SamplerName, Step, Stop, Walk, recipe};
use candle_core::Tensor;
use std::ops::ControlFlow::{self, Break, Continue};

/// To where it restarts, and from where, as near as sigmas lie.
const BETWEEN: (f64, f64) = (2.0, 0.1);

/// Walks each of the [`ways`] by Heun's method, with fresh noise from the end of one up to the begin of the next.
pub(super) fn restart(walk: Walk<'_>, mut x: Tensor) -> Result<ControlFlow<Stop, Tensor>, Error> {
    let Walk { denoiser, sigmas, training, ends_at, tuning, draw, enter, on_step } = walk;
    let (mut made, mut arrived) = (0, None::<f64>);
    for way in ways(sigmas) {
        if let Some(last) = arrived {
            let up = (way[0] * way[0] - last * last).sqrt();
            x = (x + (draw()? * (tuning.noise * up))?)?;
        }
        let mut on_step = |step: Step<'_>| on_step(Step { index: made + step.index, ..step });
        let mut enter = |index, sigma, x: &Tensor| enter(made + index, sigma, x);
        let part = Walk {
            denoiser,
            sigmas: &way,
            training,
            ends_at,
            tuning,
            draw: &mut *draw,
            enter: &mut enter,
            on_step: &mut on_step,
        };
        match walk_steps(&recipe(SamplerName::Restart), part, x)? {
            Break(stop) => return Ok(Break(stop)),
            Continue(there) => x = there,
        }
        made += way.len() - 1;
        arrived = way.last().copied();
    }
    Ok(Continue(x))
}

/// The falling sigmas of each way down. They are as many steps together as `sigmas` has: below 20 one way as it is; from there on one of
/// Karras et al.'s schedules, a restart of 9 steps and, from 36 on, two of a quarter of the steps each.
fn ways(sigmas: &[f64]) -> Vec<Vec<f64>> {
    let steps = sigmas.len() - 1;
    let (again, times) = match steps {
        0..20 => return vec![sigmas.to_vec()],
        20..36 => (9, 1),
        _ => (steps / 4, 2),
    };
    let mut down: Vec<f64> = karras(sigmas[0], sigmas[steps - 1], steps - again * times).collect();
    down.push(0.0);
    let nearest = |to: f64| {
        let distance = |index: &usize| (down[*index] - to).abs();
        (0..down.len()).min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap_or(0)
    };
    let (top, bottom) = (nearest(BETWEEN.0), nearest(BETWEEN.1));
    if top >= bottom {
        return vec![down];
    }
    let mut ways = vec![down[..=bottom].to_vec()];
    ways.extend((0..times).map(|_| karras(down[top], down[bottom], again + 1).collect::<Vec<_>>()));
    ways[times].extend(&down[bottom + 1..]);
    ways
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restarts_make_as_many_steps_as_were_asked_for() {
        for (steps, expected) in [(10, 1), (19, 1), (20, 2), (35, 2), (36, 3), (50, 3)] {
            let mut sigmas: Vec<f64> = karras(14.6, 0.03, steps).collect();
            sigmas.push(0.0);
            let found = ways(&sigmas);
            assert_eq!(found.len(), expected, "{steps} steps");
            assert_eq!(found.iter().map(|way| way.len() - 1).sum::<usize>(), steps);
            assert!(found.iter().all(|way| way.windows(2).all(|pair| pair[0] > pair[1])));
            assert!(found[1..].iter().all(|way| (1.0..3.0).contains(&way[0])));
        }
    }

    #[test]
    fn a_walk_that_begins_below_the_restarts_has_none() {
        let mut sigmas: Vec<f64> = karras(0.09, 0.03, 24).collect();
        sigmas.push(0.0);
        assert_eq!(ways(&sigmas).len(), 1);
    }
}
