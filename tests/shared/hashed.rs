//! Weights and inputs that nothing stores: hashed from names, as `tests/fixtures/generate_networks.py` does.

use candle_core::{Device, Shape, Tensor};

/// `count` floats in -1..1: FNV-1a of the name, then Wellons' lowbias32 of that plus the index.
pub(crate) fn hashed(name: &str, count: usize) -> Vec<f32> {
    let seed = name.bytes().fold(0x811C_9DC5u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    (0..count as u32)
        .map(|index| {
            let mut x = index.wrapping_add(seed);
            x = (x ^ (x >> 16)).wrapping_mul(0x7FEB_352D);
            x = (x ^ (x >> 15)).wrapping_mul(0x846C_A68B);
            x ^= x >> 16;
            (f64::from(x >> 8) / f64::from(1 << 23) - 1.0) as f32
        })
        .collect()
}

/// Weights of norms lie around 1; everything else is as small as keeps the variance.
pub(crate) fn weights(name: &str, shape: impl Into<Shape>) -> Tensor {
    let shape = shape.into();
    let dims = shape.dims();
    let (base, scale) = match dims.len() {
        1 if name.ends_with("weight") => (1.0, 0.2),
        1 => (0.0, 0.1),
        _ => (0.0, (3.0 / dims.iter().skip(1).product::<usize>() as f64).sqrt() as f32),
    };
    let values = hashed(name, shape.elem_count()).into_iter().map(|value| base + scale * value).collect::<Vec<_>>();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// An input.
pub(crate) fn wave(shape: impl Into<Shape>, name: &str, scale: f32) -> Tensor {
    let shape = shape.into();
    let values: Vec<f32> = hashed(name, shape.elem_count()).into_iter().map(|value| value * scale).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}
