//! Torch's CPU generator.
//!
//! The bits come from MT19937 (Matsumoto & Nishimura 1998), the normals from Box and Muller's transform, in the two ways of
//! torch's `normal_` (aten/src/ATen/native/cpu/DistributionTemplates.h): blocks of sixteen in single precision from sixteen
//! values on, one by one in double precision below. The latter are torch's to the bit, the former to the last: their logarithm
//! and sines are the platform's instead of torch's AVX2 polynomials.

use rand_mt::Mt;

pub(super) struct Cpu {
    bits: Mt,
    /// The second value of the last pair that was drawn in double precision.
    cached: Option<f64>,
}

impl Cpu {
    /// As `torch.Generator().manual_seed(seed)`: the low 32 bits count.
    pub(super) fn new(seed: u64) -> Self {
        Self { bits: Mt::new(seed as u32), cached: None }
    }

    /// As `torch.randn(count, generator=…)`.
    pub(super) fn normals(&mut self, count: usize) -> Vec<f32> {
        if count < 16 {
            return (0..count).map(|_| self.one_normal() as f32).collect();
        }
        let mut values: Vec<f32> = (0..count).map(|_| self.uniform()).collect();
        for block in values.chunks_exact_mut(16) {
            box_muller(block);
        }
        if !count.is_multiple_of(16) {
            let last = &mut values[count - 16..];
            last.fill_with(|| self.uniform());
            box_muller(last);
        }
        values
    }

    /// Evenly in [0, 1) in steps of 2^-24.
    fn uniform(&mut self) -> f32 {
        (self.bits.next_u32() & 0x00FF_FFFF) as f32 / 16_777_216.0
    }

    /// Evenly in [0, 1) in steps of 2^-53; the first draw gives the high bits.
    fn uniform_f64(&mut self) -> f64 {
        let (high, low) = (u64::from(self.bits.next_u32()), u64::from(self.bits.next_u32()));
        ((high << 32 | low) & ((1 << 53) - 1)) as f64 / 9_007_199_254_740_992.0
    }

    fn one_normal(&mut self) -> f64 {
        if let Some(value) = self.cached.take() {
            return value;
        }
        let angle = std::f64::consts::TAU * self.uniform_f64();
        let radius = (-2.0 * (-self.uniform_f64()).ln_1p()).sqrt();
        self.cached = Some(radius * angle.sin());
        radius * angle.cos()
    }
}

/// Turns sixteen values in [0, 1) into normals: the first eight make the radii, the last eight the angles.
fn box_muller(block: &mut [f32]) {
    let (first, second) = block.split_at_mut(8);
    for (a, b) in first.iter_mut().zip(second) {
        let radius = (-2.0 * (1.0 - *a).ln()).sqrt();
        let (sin, cos) = (std::f32::consts::TAU * *b).sin_cos();
        (*a, *b) = (radius * cos, radius * sin);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four decimals, as torch prints.
    fn printed(values: &[f32]) -> Vec<f64> {
        values.iter().map(|&v| (f64::from(v) * 1e4).round() / 1e4).collect()
    }

    // Expected values: torch 2.15.0, `torch.randn(n, generator=torch.Generator().manual_seed(seed))`.

    #[test]
    fn sixteen_values_equal_torch() {
        let expected = [
            -1.1258, -1.1524, -0.2506, -0.4339, 0.8487, 0.6920, -0.3160, -2.1152, 0.3223, -1.2633, 0.3500, 0.3081,
            0.1198, 1.2377, 1.1168, -0.2473,
        ];
        assert_eq!(printed(&Cpu::new(0).normals(16)), expected);
    }

    #[test]
    fn fewer_than_sixteen_values_come_in_double_precision() {
        assert_eq!(printed(&Cpu::new(0).normals(4)), [1.5410, -0.2934, -2.1788, 0.5684]);
    }

    #[test]
    fn the_last_sixteen_values_are_drawn_again_when_sixteen_does_not_divide_the_count() {
        assert_eq!(printed(&Cpu::new(0).normals(20)[4..8]), [0.5988, -1.5551, -0.3414, 1.8530]);
    }

    #[test]
    fn the_noise_of_a_stable_diffusion_latent_equals_torch() {
        let values = Cpu::new(42).normals(4 * 64 * 64);
        assert_eq!(printed(&values[..8]), [1.9269, 1.4873, 0.9007, -2.1055, 0.6784, -1.2345, -0.0431, -1.6047]);
        assert_eq!(printed(&values[values.len() - 4..]), [-0.8111, -0.6358, 0.9728, -0.2934]);
    }

    #[test]
    fn only_the_low_half_of_a_seed_counts_as_in_torch() {
        assert_eq!(Cpu::new(7).normals(16), Cpu::new(7 | 1 << 32).normals(16));
    }
}
