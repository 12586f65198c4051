//! The numbers of a run, as `--trace FILE.safetensors` writes them: how this program is compared with others.

use super::{Error, Progress};
use crate::files::save_atomically;
use crate::networks::read_numbers;
use crate::pixels::Picture;
use candle_core::Tensor;
use safetensors::{Dtype, tensor::TensorView};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// What the metadata of a trace says of its tensors.
const DESCRIPTION: &str = "f32. conditioning (B, N, C): the prompt's encoding, after the negative prompt's where guidance is on. \
    noise (1, C, h, w): standard deviation 1. step_NNN_x: the noisy latent the step started from, clean + sigma * noise; \
    step_NNN_sigma: (1); step_NNN_denoised: the estimate of the clean latent. latent: the finished latent. \
    image (H, W, 3): the finished picture's RGB in 0..1. Of a picture that was enlarged and refined, all but the image are of the \
    first run.";

/// Collects a run's tensors by name.
#[derive(Debug, Default)]
pub struct Trace {
    /// Shape and values.
    tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
}

impl Trace {
    /// Takes what this message carries.
    pub fn record(&mut self, progress: &Progress<'_>) -> Result<(), Error> {
        if self.tensors.contains_key("latent") {
            return Ok(());
        }
        match progress {
            Progress::Phase(_) | Progress::Piece { .. } | Progress::Block => {}
            Progress::Start { conditioning, noise } => {
                self.keep("conditioning".to_owned(), conditioning)?;
                self.keep("noise".to_owned(), noise)?;
            }
            Progress::Step { index, sigma, x, denoised, .. } => {
                self.keep(format!("step_{index:03}_x"), x)?;
                self.tensors.insert(format!("step_{index:03}_sigma"), (vec![1], vec![*sigma as f32]));
                self.keep(format!("step_{index:03}_denoised"), denoised)?;
            }
            Progress::Latent(latent) => self.keep("latent".to_owned(), latent)?,
        }
        Ok(())
    }

    /// Takes the finished picture, without its alpha.
    pub fn record_picture(&mut self, picture: &Picture) {
        let rgb = picture.rgba().chunks_exact(4).flat_map(|pixel| pixel[..3].iter().map(|&v| f32::from(v) / 255.0));
        let shape = vec![picture.extent().height as usize, picture.extent().width as usize, 3];
        self.tensors.insert("image".to_owned(), (shape, rgb.collect()));
    }

    /// Writes a safetensors file, aside and renamed, so that `path` is never half a file. The same run gives the same bytes.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let bytes: BTreeMap<&str, Vec<u8>> = self
            .tensors
            .iter()
            .map(|(name, (_, values))| (name.as_str(), values.iter().flat_map(|v| v.to_le_bytes()).collect()))
            .collect();
        let views = self.tensors.iter().map(|(name, (shape, _))| {
            let view = TensorView::new(Dtype::F32, shape.clone(), &bytes[name.as_str()]);
            (name, view.expect("as many bytes as the shape says: a tensor was kept whole"))
        });
        let about = HashMap::from([("sfumato_trace".to_owned(), DESCRIPTION.to_owned())]);
        let file = safetensors::serialize(views, Some(about)).expect("every name stands once, and four bytes a number");
        Ok(save_atomically(path, &file)?)
    }

    fn keep(&mut self, name: String, tensor: &Tensor) -> Result<(), Error> {
        let values = read_numbers(tensor)?;
        self.tensors.insert(name, (tensor.dims().to_vec(), values));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geom::Extent;
    use candle_core::Device;
    use safetensors::SafeTensors;

    fn traced() -> Trace {
        let mut trace = Trace::default();
        let tensor = |first: f32| Tensor::new(&[[[[first, -0.5]]]], &Device::Cpu).unwrap();
        trace.record(&Progress::Start { conditioning: &tensor(1.0), noise: &tensor(2.0) }).unwrap();
        let (x, denoised) = (tensor(3.0), tensor(4.0));
        trace.record(&Progress::Step { index: 7, count: 9, sigma: 0.25, x: &x, denoised: &denoised }).unwrap();
        trace.record(&Progress::Latent(&tensor(5.0))).unwrap();
        trace.record_picture(&Picture::filled(Extent::new(2, 1), [255, 0, 51, 255]));
        trace
    }

    #[test]
    fn a_written_trace_holds_each_tensor_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.safetensors");
        traced().write(&path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let floats = |name: &str| -> (Vec<usize>, Vec<f32>) {
            let view = file.tensor(name).unwrap();
            (
                view.shape().to_vec(),
                view.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect(),
            )
        };
        let mut names = file.names();
        names.sort_unstable();
        let expected =
            ["conditioning", "image", "latent", "noise", "step_007_denoised", "step_007_sigma", "step_007_x"];
        assert_eq!(names, expected);
        assert_eq!(floats("step_007_x"), (vec![1, 1, 1, 2], vec![3.0, -0.5]));
        assert_eq!(floats("step_007_sigma"), (vec![1], vec![0.25]));
        assert_eq!(floats("image"), (vec![1, 2, 3], vec![1.0, 0.0, 0.2, 1.0, 0.0, 0.2]));
    }

    #[test]
    fn a_trace_that_cannot_be_written_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        let error = traced().write(&folder.path().join("file/run.safetensors")).unwrap_err().to_string();
        assert!(error.starts_with("the trace was not written") && error.contains("run.safetensors"), "{error}");
    }
}
