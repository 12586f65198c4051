//! Candle's operations in f16, as a GPU computes, held against our own kernels in f32 on the same numbers. Both are computed by the CPU: what is tried is
//! how candle is asked, not how a GPU answers.

use super::*;
use candle_core::{DType, Device, Result, Tensor};
use candle_nn::VarBuilder;
use std::collections::HashMap;

/// Of all of a result, by root mean square: a number of 11 bits that is rounded to the nearest is at most 5e-4 off, and few are rounded more than four times.
const TOLERANCE: f32 = 2e-3;

/// The items of a batch computed together, as a GPU does, where several threads would take one each.
pub(crate) fn together<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap().install(work)
}

/// Numbers of mean 0 and variance 1 that seem drawn by chance: splitmix64's (Steele et al. 2014).
pub(crate) fn noise(shape: &[usize], seed: u64) -> Tensor {
    let mut state = seed.wrapping_mul(0xD1B5_4A32_D192_ED03);
    let mut number = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed >> 40) as f32 / (1 << 24) as f32 - 0.5) * 12f32.sqrt()
    };
    let numbers: Vec<f32> = (0..shape.iter().product()).map(|_: usize| number()).collect();
    Tensor::from_vec(numbers, shape, &Device::Cpu).unwrap()
}

/// The root mean square of what they differ by, over that of `expected`.
pub(crate) fn apart(found: &Tensor, expected: &Tensor) -> f32 {
    assert_eq!(found.dims(), expected.dims());
    let squares = |x: &Tensor| x.sqr().unwrap().mean_all().unwrap().to_scalar::<f32>().unwrap();
    let difference = (found.to_dtype(DType::F32).unwrap() - expected).unwrap();
    (squares(&difference) / squares(expected)).sqrt()
}

fn half(x: &Tensor) -> Tensor {
    x.to_dtype(DType::F16).unwrap()
}

/// The same numbers in f32 that it has in f16.
fn rounded(x: &Tensor) -> Tensor {
    half(x).to_dtype(DType::F32).unwrap()
}

fn is_finite(x: &Tensor) -> bool {
    let numbers = x.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    numbers.into_iter().all(f32::is_finite)
}

/// A weight and a bias of these sizes, for our own kernels and for candle's operations.
fn both(weight: &[usize], bias: usize) -> [Weights<'static>; 2] {
    let scale = (weight[0] as f64 / weight.iter().product::<usize>() as f64).sqrt();
    let weight = rounded(&(noise(weight, 1) * scale).unwrap());
    let tensors = HashMap::from([("weight".to_owned(), weight), ("bias".to_owned(), rounded(&noise(&[bias], 2)))]);
    let builder = |dtype| VarBuilder::from_tensors(tensors.clone(), dtype, &Device::Cpu);
    [Weights::from(builder(DType::F32)), Weights::of_candle(builder(DType::F16))]
}

/// Holds what candle makes of `x` in f16 against what our own kernels do in f32.
fn check(
    what: &str,
    weights: [Weights<'static>; 2],
    x: &Tensor,
    forward: &dyn Fn(&Weights<'_>, &Tensor) -> Result<Tensor>,
) {
    let [ours, candles] = weights;
    let expected = forward(&ours, &rounded(x)).unwrap();
    let found = forward(&candles, &half(x)).unwrap();
    assert_eq!((found.dtype(), expected.dtype()), (DType::F16, DType::F32), "{what}");
    let apart = apart(&found, &expected);
    assert!(apart < TOLERANCE, "{what}: {apart}");
    assert!(apart > 0.0, "{what} was not computed in f16");
}

#[test]
fn convolutions_in_f16_are_those_of_f32() {
    for (kernel, stride, padding) in [
        (1, 1, Padding::even(0)),
        (3, 1, Padding::even(1)),
        (3, 2, Padding::even(1)),
        (3, 2, Padding { before: 0, after: 1 }),
    ] {
        let weights = both(&[16, 24, kernel, kernel], 16);
        check(&format!("kernel {kernel}, stride {stride}"), weights, &noise(&[2, 9, 7, 24], 3), &|weights, x| {
            let conv = Conv2d::strided(24, 16, kernel, stride, padding, weights.clone())?;
            let (shift, plain) = (rounded(&noise(&[1, 16], 4)), conv.forward(x)?);
            let residual = rounded(&noise(plain.dims(), 5)).to_dtype(x.dtype())?;
            // The shift comes from the time embedding, which is f32 either way.
            conv.forward_adding(x, Some(&shift), Some(&residual))
        });
    }
    for (height, width) in [(18, 14), (17, 15)] {
        check("enlarged", both(&[16, 24, 3, 3], 16), &noise(&[2, 9, 7, 24], 3), &|weights, x| {
            Conv2d::new(24, 16, 3, weights.clone())?.forward_enlarged(x, height, width)
        });
    }
}

#[test]
fn matrices_in_f16_are_those_of_f32_and_take_f32_too() {
    let x = noise(&[2, 5, 48], 3);
    check("linear", both(&[40, 48], 40), &x, &|weights, x| {
        let residual = rounded(&noise(&[2, 5, 40], 4)).to_dtype(x.dtype())?;
        Linear::new(48, 40, weights.clone())?.forward_adding(x, &residual)
    });
    check("of f32", both(&[40, 48], 40), &x, &|weights, x| {
        Linear::new_without_bias(48, 40, weights.clone())?.forward_rounded(&x.to_dtype(DType::F32)?)
    });
    check("gated", both(&[64, 48], 64), &x, &|weights, x| GatedLinear::new(48, 32, weights.clone())?.forward(x));
    let ids = Tensor::new(&[[3u32, 0, 7]], &Device::Cpu).unwrap();
    let [ours, candles] = both(&[8, 20], 1);
    let looked_up = |weights: Weights<'_>| Embedding::new(8, 20, weights).unwrap().forward(&ids).unwrap();
    let (found, expected) = (looked_up(candles), looked_up(ours));
    assert_eq!((found.dtype(), apart(&found, &expected)), (DType::F16, 0.0));
}

/// Numbers whose squares are no numbers of f16.
fn large(shape: &[usize]) -> Tensor {
    ((noise(shape, 3) * 300.0).unwrap() + 500.0).unwrap()
}

#[test]
fn norms_of_f16_add_up_in_f32() {
    for activation in [Activation::Identity, Activation::Silu] {
        check("group norm", both(&[24], 24), &large(&[2, 9, 7, 24]), &|weights, x| {
            GroupNorm::new(4, 24, 1e-5, activation, weights.clone())?.forward(x)
        });
    }
    check("layer norm", both(&[24], 24), &large(&[2, 9, 24]), &|weights, x| {
        LayerNorm::new(24, 1e-5, weights.clone())?.forward(x)
    });
}

#[test]
fn a_group_norm_by_candle_is_our_own_in_f32_as_well() {
    let [ours, _] = both(&[24], 24);
    let tensors = HashMap::from(["weight", "bias"].map(|name| (name.to_owned(), ours.get(24, name).unwrap())));
    let candles = Weights::of_candle(VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu));
    let x = large(&[2, 9, 7, 24]);
    let of = |weights| GroupNorm::new(4, 24, 1e-5, Activation::Silu, weights).unwrap().forward(&x).unwrap();
    assert!(apart(&of(candles), &of(ours)) < 1e-5);
}

#[test]
fn functions_of_f16_are_those_of_f32() {
    use Activation::{Gelu, GeluTanh, QuickGelu, Silu};
    let x = noise(&[2, 9, 24], 3);
    for activation in [Silu, QuickGelu, Gelu, GeluTanh] {
        check(&format!("{activation:?}"), both(&[1], 1), &x, &|_, x| activation.forward(x));
    }
    check("leaky", both(&[1], 1), &x, &|weights, x| Rectifier::leaky(24, 0.2, weights)?.forward(x));
    check("learned", both(&[24], 1), &x, &|weights, x| Rectifier::learned(24, weights.clone())?.forward(x));
}

#[test]
fn attention_in_f16_is_that_of_f32() {
    for (keys, mask) in [(20, Mask::None), (20, Mask::Causal), (7, Mask::None)] {
        let (key, value) = (noise(&[2, keys, 32], 4), noise(&[2, keys, 32], 5));
        check(&format!("{keys} keys, {mask:?}"), both(&[1], 1), &noise(&[2, 20, 32], 3), &|_, x| {
            let of = |tensor: &Tensor| rounded(tensor).to_dtype(x.dtype());
            attention(x, &of(&key)?, &of(&value)?, 4, mask)
        });
    }
}

#[test]
fn scores_too_large_for_f16_are_for_queries_of_f32() {
    let of = |seed| rounded(&(noise(&[1, 9, 64], seed) * 400.0).unwrap());
    let (query, key, value) = (of(1), of(2), rounded(&noise(&[1, 9, 64], 3)));
    let halves = attention(&half(&query), &half(&key), &half(&value), 1, Mask::None).unwrap();
    assert!(!is_finite(&halves), "it would not have to be");
    let found = attention(&query, &half(&key), &half(&value), 1, Mask::None).unwrap();
    assert_eq!(found.dtype(), DType::F16);
    assert!(apart(&found, &attention(&query, &key, &value, 1, Mask::None).unwrap()) < TOLERANCE);
}

#[test]
fn tokens_of_f16_are_merged_as_those_of_f32() {
    let kept: Vec<bool> = (0..12).map(|token| token % 4 == 0).collect();
    let added = noise(&[2, 12, 16], 4);
    check("merged", both(&[1], 1), &noise(&[2, 12, 16], 3), &|_, x| {
        let merging = Merging::new(x, &kept, 6)?;
        merging.apart_adding(&merging.together(x)?, &rounded(&added).to_dtype(x.dtype())?)
    });
}
