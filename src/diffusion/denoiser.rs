//! What estimates the clean latent. Features are wrappers around it: guidance here, inpainting in its own file.

use super::{Error, TrainingSigmas};
use crate::networks::read_numbers;
use candle_core::Tensor;

pub use crate::checkpoints::Prediction;

/// Estimates the clean latent in a noisy one.
pub trait Denoiser {
    /// The estimate, of x's shape, given `x` (B, C, h, w) = clean + sigma · noise.
    fn denoise(&self, x: &Tensor, sigma: f64) -> Result<Tensor, Error>;

    /// The estimate, and that which the negative prompt alone gives; where nothing is guided it is the same.
    fn denoise_apart(&self, x: &Tensor, sigma: f64) -> Result<(Tensor, Tensor), Error> {
        let denoised = self.denoise(x, sigma)?;
        Ok((denoised.clone(), denoised))
    }
}

impl<D: Denoiser + ?Sized> Denoiser for Box<D> {
    fn denoise(&self, x: &Tensor, sigma: f64) -> Result<Tensor, Error> {
        (**self).denoise(x, sigma)
    }

    fn denoise_apart(&self, x: &Tensor, sigma: f64) -> Result<(Tensor, Tensor), Error> {
        (**self).denoise_apart(x, sigma)
    }
}

/// A network as it was trained: what it takes and gives is scaled, and it knows timesteps instead of sigmas.
///
/// The network's input is √ᾱ·clean + √(1−ᾱ)·noise = x/√(1+σ²), with ᾱ = 1/(1+σ²). Salimans & Ho 2022, appendix D;
/// the same as k-diffusion's `CompVisDenoiser` (epsilon) and `CompVisVDenoiser` (v).
pub struct Network<'a, F> {
    /// The network: from a scaled input (B, C, h, w) and a timestep to its prediction, of the same shape.
    pub predict: F,
    /// What it predicts.
    pub prediction: Prediction,
    /// What it was trained on.
    pub training: &'a TrainingSigmas,
}

impl<F: Fn(&Tensor, f64) -> Result<Tensor, Error>> Denoiser for Network<'_, F> {
    fn denoise(&self, x: &Tensor, sigma: f64) -> Result<Tensor, Error> {
        let variance = sigma * sigma + 1.0;
        let input = (x / variance.sqrt())?;
        let predicted = (self.predict)(&input, self.training.sigma_to_timestep(sigma))?;
        if !is_finite(&predicted)? {
            return Err(Error::NetworkNotFinite { sigma });
        }
        if self.prediction == Prediction::Sample {
            return Ok(predicted);
        }
        let (skip, out) = skip_and_out(self.prediction, sigma);
        Ok(((x * skip)? + (predicted * out)?)?)
    }
}

/// How much of the noisy latent and of the network's prediction the estimate is.
fn skip_and_out(prediction: Prediction, sigma: f64) -> (f64, f64) {
    let variance = sigma * sigma + 1.0;
    match prediction {
        Prediction::Epsilon => (1.0, -sigma),
        Prediction::Sample => (0.0, 1.0),
        Prediction::VPrediction => (1.0 / variance, -sigma / variance.sqrt()),
    }
}

/// Whether no value is NaN or infinite: both survive a sum.
pub(super) fn is_finite(x: &Tensor) -> Result<bool, Error> {
    Ok(read_numbers(&x.to_dtype(candle_core::DType::F32)?.sum_all()?)?.into_iter().all(f32::is_finite))
}

/// Classifier-free guidance (Ho & Salimans 2022): away from what the negative prompt gives, towards what the prompt gives, or the sum of what
/// several give (Liu et al. 2022, "Compositional Visual Generation with Composable Diffusion Models", equation 11).
pub struct Guided<D, W> {
    /// A denoiser conditioned on several prompts at once: of a batch the first sees the negative prompt, the others a prompt each; before
    /// them, where there is a scale for the [`picture`](Self::picture), one that sees the negative prompt and no picture.
    pub inner: D,
    /// How far: 0 is the negative prompt's estimate, 1 the prompts', more goes beyond it.
    pub scale: f64,
    /// What each of the prompts weighs.
    pub weights: Vec<f64>,
    /// Where each of the prompts counts, (1, 1, h, w) in 0..1; all of them everywhere if there are none.
    pub areas: Vec<Tensor>,
    /// For what edits a picture: how far from what it gives without seeing the picture, and 1 is what it gives with it (Brooks et al. 2023,
    /// equation 3).
    pub picture: Option<f64>,
    /// What is taken back of the contrast that guidance adds.
    pub rescale: Rescale,
    /// Whether there is guidance at a sigma; where there is none, a single prompt's estimate is taken, of a batch of one, or that of
    /// several without going beyond it.
    pub when: W,
}

impl<D: Denoiser, W: Fn(f64) -> bool> Denoiser for Guided<D, W> {
    fn denoise(&self, x: &Tensor, sigma: f64) -> Result<Tensor, Error> {
        Ok(self.denoise_apart(x, sigma)?.0)
    }

    fn denoise_apart(&self, x: &Tensor, sigma: f64) -> Result<(Tensor, Tensor), Error> {
        let is_guided = (self.when)(sigma);
        if !is_guided && self.weights.len() == 1 {
            return self.inner.denoise_apart(x, sigma);
        }
        let first = usize::from(self.picture.is_some());
        let all = self.inner.denoise(&Tensor::cat(&vec![x; first + 1 + self.weights.len()], 0)?, sigma)?;
        let negative = all.narrow(0, first, 1)?;
        let mut away = None::<Tensor>;
        for (index, weight) in self.weights.iter().enumerate() {
            let mut own = ((all.narrow(0, first + 1 + index, 1)? - &negative)? * *weight)?;
            if let Some(area) = self.areas.get(index) {
                own = own.broadcast_mul(area)?;
            }
            away = Some(match away {
                None => own,
                Some(before) => (before + own)?,
            });
        }
        let away = away.unwrap_or(negative.zeros_like()?);
        let positive = (&negative + &away)?;
        if !is_guided {
            return Ok((positive.clone(), positive));
        }
        let mut guided = (&negative + (away * self.scale)?)?;
        if let Some(scale) = self.picture {
            guided = (guided + ((&negative - all.narrow(0, 0, 1)?)? * (scale - 1.0))?)?;
        }
        Ok((self.rescale.apply(&guided, &positive, x, sigma)?, negative))
    }
}

/// Takes what guidance makes stronger back to the deviation of what the prompt alone gives: without it, a model with zero terminal
/// signal-to-noise ratio overexposes. Lin et al. 2023, section 3.4; diffusers' `rescale_noise_cfg`.
#[derive(Clone, Copy, Debug)]
pub struct Rescale {
    /// How much of it, 0..1.
    pub share: f64,
    /// What the network predicts: the deviations are those of its predictions.
    pub of: Prediction,
}

impl Rescale {
    fn apply(self, guided: &Tensor, positive: &Tensor, x: &Tensor, sigma: f64) -> Result<Tensor, Error> {
        if self.share == 0.0 {
            return Ok(guided.clone());
        }
        let (skip, out) = skip_and_out(self.of, sigma);
        let seen = (x * skip)?;
        let predicted = |estimate: &Tensor| (estimate - &seen)? / out;
        let guided = predicted(guided)?;
        let ratio = deviation(&predicted(positive)?)? / deviation(&guided)?.max(f64::MIN_POSITIVE);
        Ok((seen + (guided * (out * (self.share * ratio + 1.0 - self.share)))?)?)
    }
}

/// The standard deviation of all values.
fn deviation(x: &Tensor) -> Result<f64, candle_core::Error> {
    let x = x.to_dtype(candle_core::DType::F32)?;
    let centred = x.broadcast_sub(&x.mean_all()?)?;
    Ok(f64::from(centred.sqr()?.mean_all()?.to_scalar::<f32>()?).sqrt())
}

/// Which of the steps that start from `starts`, sigmas or timesteps, `at` belongs to: what lies between two belongs to the earlier.
pub(super) fn step_at(starts: &[f64], at: f64) -> usize {
    starts.iter().position(|&start| start < at).unwrap_or(starts.len()).saturating_sub(1)
}

/// A denoiser for each stage of a run whose conditioning changes.
pub(super) struct Scheduled<D> {
    /// Each stage's.
    pub(super) stages: Vec<D>,
    /// Which stage each step belongs to.
    pub(super) of_step: Vec<usize>,
    /// The sigmas that the steps start from.
    pub(super) sigmas: Vec<f64>,
}

impl<D> Scheduled<D> {
    /// The one of the step that a sigma is in.
    fn stage(&self, sigma: f64) -> &D {
        &self.stages[self.of_step[step_at(&self.sigmas, sigma)]]
    }
}

impl<D: Denoiser> Denoiser for Scheduled<D> {
    fn denoise(&self, x: &Tensor, sigma: f64) -> Result<Tensor, Error> {
        self.stage(sigma).denoise(x, sigma)
    }

    fn denoise_apart(&self, x: &Tensor, sigma: f64) -> Result<(Tensor, Tensor), Error> {
        self.stage(sigma).denoise_apart(x, sigma)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::schedule::tests::stable_diffusion;
    use candle_core::Device;

    fn values(tensor: &Tensor) -> Vec<f32> {
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    }

    fn off() -> Rescale {
        Rescale { share: 0.0, of: Prediction::Epsilon }
    }

    #[test]
    fn each_prediction_of_the_truth_gives_back_the_clean_latent() {
        let training = TrainingSigmas::from_alphas_cumprod(&stable_diffusion());
        let clean = Tensor::new(&[[[[0.5_f32, -1.25]]]], &Device::Cpu).unwrap();
        let noise = Tensor::new(&[[[[-0.75_f32, 2.0]]]], &Device::Cpu).unwrap();
        for sigma in [14.6, 1.0, 0.03] {
            let x = (&clean + (&noise * sigma).unwrap()).unwrap();
            let (signal, rest) = (1.0 / (1.0 + sigma * sigma).sqrt(), sigma / (1.0 + sigma * sigma).sqrt());
            // v = √ᾱ·noise − √(1−ᾱ)·clean: Salimans & Ho 2022, appendix D.
            let v = ((&noise * signal).unwrap() - (&clean * rest).unwrap()).unwrap();
            for (prediction, truth) in
                [(Prediction::Epsilon, &noise), (Prediction::Sample, &clean), (Prediction::VPrediction, &v)]
            {
                let network = Network { predict: |_: &Tensor, _| Ok(truth.clone()), prediction, training: &training };
                let estimate = network.denoise(&x, sigma).unwrap();
                for (found, expected) in values(&estimate).iter().zip(values(&clean)) {
                    assert!((found - expected).abs() < 1e-5, "{prediction:?} at {sigma}: {found}, not {expected}");
                }
            }
        }
    }

    #[test]
    fn a_network_sees_an_input_of_variance_one_and_its_timestep() {
        let training = TrainingSigmas::from_alphas_cumprod(&stable_diffusion());
        let x = Tensor::new(&[[[[5_f32]]]], &Device::Cpu).unwrap();
        let sigma = training.timestep_to_sigma(400.5);
        let predict = |input: &Tensor, timestep: f64| {
            assert!((values(input)[0] - 5.0 / (1.0 + sigma * sigma).sqrt() as f32).abs() < 1e-6);
            assert!((timestep - 400.5).abs() < 1e-9);
            Ok(input.clone())
        };
        Network { predict, prediction: Prediction::Epsilon, training: &training }.denoise(&x, sigma).unwrap();
    }

    #[test]
    fn a_network_that_gives_no_number_is_an_error() {
        let training = TrainingSigmas::from_alphas_cumprod(&stable_diffusion());
        let x = Tensor::new(&[[[[5_f32, 1.0]]]], &Device::Cpu).unwrap();
        for broken in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let predict = |_: &Tensor, _| Ok(Tensor::new(&[[[[1_f32, broken]]]], &Device::Cpu)?);
            let network = Network { predict, prediction: Prediction::Epsilon, training: &training };
            assert!(matches!(network.denoise(&x, 2.0), Err(Error::NetworkNotFinite { sigma: 2.0 })));
        }
    }

    #[test]
    fn each_step_is_denoised_by_its_stage() {
        struct Constant(f32);
        impl Denoiser for Constant {
            fn denoise(&self, _: &Tensor, _: f64) -> Result<Tensor, Error> {
                Ok(Tensor::new(&[self.0], &Device::Cpu)?)
            }
        }
        let scheduled = Scheduled {
            stages: vec![Constant(1.0), Constant(2.0)],
            of_step: vec![0, 1, 0],
            sigmas: vec![8.0, 4.0, 2.0],
        };
        let x = Tensor::new(&[0_f32], &Device::Cpu).unwrap();
        for (sigma, expected) in [(8.0, 1.0), (5.0, 1.0), (4.0, 2.0), (3.0, 2.0), (2.0, 1.0), (0.1, 1.0), (9.0, 1.0)] {
            assert_eq!(values(&scheduled.denoise(&x, sigma).unwrap()), [expected], "at {sigma}");
        }
    }

    #[test]
    fn guidance_goes_from_the_negative_estimate_through_the_positive_one() {
        struct Two;
        impl Denoiser for Two {
            fn denoise(&self, x: &Tensor, _: f64) -> Result<Tensor, Error> {
                assert_eq!(x.dims(), [2, 1, 1, 1]);
                Ok(Tensor::new(&[[[[1_f32]]], [[[3_f32]]]], &Device::Cpu)?)
            }
        }
        let x = Tensor::new(&[[[[9_f32]]]], &Device::Cpu).unwrap();
        for (scale, expected) in [(0.0, 1.0), (1.0, 3.0), (7.5, 16.0)] {
            assert_eq!(
                values(
                    &Guided {
                        inner: Two,
                        scale,
                        weights: vec![1.0],
                        areas: vec![],
                        picture: None,
                        rescale: off(),
                        when: |_| true
                    }
                    .denoise(&x, 1.0)
                    .unwrap()
                ),
                [expected]
            );
        }
    }

    #[test]
    fn several_prompts_add_up_by_their_weights() {
        struct Three;
        impl Denoiser for Three {
            fn denoise(&self, x: &Tensor, _: f64) -> Result<Tensor, Error> {
                assert_eq!(x.dims(), [3, 1, 1, 1]);
                Ok(Tensor::new(&[[[[1_f32]]], [[[3_f32]]], [[[-2_f32]]]], &Device::Cpu)?)
            }
        }
        let x = Tensor::new(&[[[[9_f32]]]], &Device::Cpu).unwrap();
        // x0 = uncond + sum of (cond - uncond) * weight * scale.
        let guided = Guided {
            inner: Three,
            scale: 4.0,
            weights: vec![1.0, 0.5],
            areas: vec![],
            picture: None,
            rescale: off(),
            when: |sigma| sigma > 2.0,
        };
        assert_eq!(values(&guided.denoise(&x, 3.0).unwrap()), [1.0 + (2.0 - 1.5) * 4.0]);
        assert_eq!(values(&guided.denoise(&x, 1.0).unwrap()), [1.0 + 2.0 - 1.5]);
    }

    #[test]
    fn a_prompt_counts_where_its_area_is() {
        struct Three;
        impl Denoiser for Three {
            fn denoise(&self, x: &Tensor, _: f64) -> Result<Tensor, Error> {
                assert_eq!(x.dims(), [3, 1, 1, 3]);
                Ok(Tensor::new(&[[[[1_f32; 3]]], [[[3_f32; 3]]], [[[7_f32; 3]]]], &Device::Cpu)?)
            }
        }
        let row = |values: [f32; 3]| Tensor::new(&[[[values]]], &Device::Cpu).unwrap();
        let areas = vec![row([1.0, 0.5, 0.0]), row([0.0, 0.5, 1.0])];
        let guided = |scale: f64| {
            let areas = areas.clone();
            let when = |_| true;
            let guided =
                Guided { inner: Three, scale, weights: vec![1.0, 1.0], areas, picture: None, rescale: off(), when };
            values(&guided.denoise(&row([0.0; 3]), 1.0).unwrap())
        };
        assert_eq!(guided(1.0), [3.0, 5.0, 7.0]);
        assert_eq!(guided(2.0), [5.0, 9.0, 13.0]);
    }

    #[test]
    fn a_picture_guides_away_from_what_is_given_without_it() {
        struct Three;
        impl Denoiser for Three {
            fn denoise(&self, x: &Tensor, _: f64) -> Result<Tensor, Error> {
                assert_eq!(x.dims(), [3, 1, 1, 1]);
                Ok(Tensor::new(&[[[[1_f32]]], [[[3_f32]]], [[[-2_f32]]]], &Device::Cpu)?)
            }
        }
        let x = Tensor::new(&[[[[9_f32]]]], &Device::Cpu).unwrap();
        // uncond + scale * (text - image) + image scale * (image - uncond).
        let guided = Guided {
            inner: Three,
            scale: 7.5,
            weights: vec![1.0],
            areas: vec![],
            picture: Some(1.5),
            rescale: off(),
            when: |_| true,
        };
        assert_eq!(values(&guided.denoise(&x, 3.0).unwrap()), [1.0 + 7.5 * (-2.0 - 3.0) + 1.5 * (3.0 - 1.0)]);
    }

    #[test]
    fn without_guidance_the_prompts_estimate_is_taken_of_one() {
        struct One;
        impl Denoiser for One {
            fn denoise(&self, x: &Tensor, _: f64) -> Result<Tensor, Error> {
                assert_eq!(x.dims(), [1, 1, 1, 1]);
                Ok(Tensor::new(&[[[[3_f32]]]], &Device::Cpu)?)
            }
        }
        let x = Tensor::new(&[[[[9_f32]]]], &Device::Cpu).unwrap();
        let guided = Guided {
            inner: One,
            scale: 7.5,
            weights: vec![1.0],
            areas: vec![],
            picture: None,
            rescale: off(),
            when: |sigma| sigma > 2.0,
        };
        assert_eq!(values(&guided.denoise(&x, 1.0).unwrap()), [3.0]);
    }
}
