use half::f16;
use half::slice::HalfFloatSliceExt;

/// Which way something points among all that a CLIP can tell apart: a vector of length 1. Only those of one CLIP can be compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedding(Vec<f32>);

impl Embedding {
    /// The direction of these numbers; none if they have none.
    pub fn new(mut numbers: Vec<f32>) -> Option<Self> {
        let length = numbers.iter().map(|x| x * x).sum::<f32>().sqrt();
        if !(length.is_finite() && length > 0.0) {
            return None;
        }
        for x in &mut numbers {
            *x /= length;
        }
        Some(Self(numbers))
    }

    /// Its numbers, whose squares sum to 1.
    pub fn numbers(&self) -> &[f32] {
        &self.0
    }

    /// How well two belong together, -1..1: the cosine of the angle between them. None if they have not as many numbers.
    pub fn cosine(&self, other: &Self) -> Option<f32> {
        let sum = || self.0.iter().zip(&other.0).map(|(a, b)| a * b).sum::<f32>();
        (self.0.len() == other.0.len()).then(|| sum().clamp(-1.0, 1.0))
    }

    /// For storage: f16, little-endian. Cosines of what comes back are right to three digits.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|&x| f16::from_f32(x).to_le_bytes()).collect()
    }

    /// The [`cosine`](Self::cosine) with what [`to_bytes`](Self::to_bytes) wrote; none if that is something else, or of another length.
    pub fn cosine_with_stored(&self, bytes: &[u8]) -> Option<f32> {
        if bytes.len() != 2 * self.0.len() {
            return None;
        }
        let mut sum = 0.0;
        let mut numbers = [0f32; 64];
        for (ours, stored) in self.0.chunks(numbers.len()).zip(bytes.as_chunks::<2>().0.chunks(numbers.len())) {
            let mut halves = [f16::ZERO; 64];
            for (half, pair) in halves.iter_mut().zip(stored) {
                *half = f16::from_le_bytes(*pair);
            }
            halves.as_slice().convert_to_f32_slice(&mut numbers);
            sum += ours.iter().zip(&numbers).map(|(a, b)| a * b).sum::<f32>();
        }
        sum.is_finite().then(|| sum.clamp(-1.0, 1.0))
    }

    /// What [`to_bytes`](Self::to_bytes) wrote; none if it is something else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (pairs, rest) = bytes.as_chunks::<2>();
        let halves: Vec<f16> = pairs.iter().map(|&pair| f16::from_le_bytes(pair)).collect();
        if rest.is_empty() { Self::new(halves.as_slice().to_f32_vec()) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cosine_is_one_along_none_across_and_minus_one_against() {
        let along = Embedding::new(vec![3.0, 4.0]).unwrap();
        assert_eq!(along.numbers(), [0.6, 0.8]);
        let cosine = |numbers: Vec<f32>| along.cosine(&Embedding::new(numbers).unwrap()).unwrap();
        assert!((cosine(vec![30.0, 40.0]) - 1.0).abs() < 1e-6);
        assert!(cosine(vec![4.0, -3.0]).abs() < 1e-6);
        assert!((cosine(vec![-3.0, -4.0]) + 1.0).abs() < 1e-6);
        assert_eq!(along.cosine(&Embedding::new(vec![1.0]).unwrap()), None);
    }

    #[test]
    fn what_has_no_direction_is_no_embedding() {
        for numbers in [vec![], vec![0.0; 4], vec![1.0, f32::NAN], vec![f32::INFINITY]] {
            assert_eq!(Embedding::new(numbers), None);
        }
        assert_eq!(Embedding::from_bytes(&[0, 60, 1]), None);
        assert_eq!(Embedding::from_bytes(&[]), None);
    }

    #[test]
    fn storing_keeps_three_digits() {
        let embedding = Embedding::new((0..512u16).map(|i| f32::from(i).sin()).collect()).unwrap();
        let stored = embedding.to_bytes();
        assert_eq!(stored.len(), 1024);
        let cosine = embedding.cosine(&Embedding::from_bytes(&stored).unwrap()).unwrap();
        assert!((cosine - 1.0).abs() < 1e-4, "{cosine}");
        let other = Embedding::new((0..512u16).map(|i| f32::from(i).cos() + 0.5).collect()).unwrap();
        let (exact, stored) = (other.cosine(&embedding).unwrap(), other.cosine_with_stored(&stored).unwrap());
        assert!((exact - stored).abs() < 1e-4, "{exact} {stored}");
        assert_eq!(other.cosine_with_stored(&[0; 1022]), None);
    }
}
