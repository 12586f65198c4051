//! How near pictures are to each other.

use sfumato::pixels::Picture;

/// The peak signal-to-noise ratio of two pictures of one size, in decibels: a wrong sum anywhere costs far more than rounding.
pub(crate) fn decibels(a: &Picture, b: &Picture) -> f64 {
    assert_eq!(a.extent(), b.extent());
    let apart = a.rgba().iter().zip(b.rgba()).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2));
    10.0 * (255.0 * 255.0 / (apart.sum::<f64>() / a.rgba().len() as f64)).log10()
}
