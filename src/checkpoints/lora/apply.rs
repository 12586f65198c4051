use super::delta::{adapted, adapted_bias};
use super::{Layer, Lora, LoraWeights, Net, joined};
use candle_core::{DType, Device, Error, Result, Shape, Tensor};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use std::sync::{Arc, Mutex, PoisonError};

/// From a layer's name in diffusers to its other name.
pub(in crate::checkpoints) type OtherName = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Keeps which layers of a network were asked for.
#[derive(Clone)]
pub(in crate::checkpoints) struct Noted {
    pub(in crate::checkpoints) net: Net,
    pub(in crate::checkpoints) other_name: OtherName,
    pub(in crate::checkpoints) layers: Arc<Mutex<Vec<Layer>>>,
}

impl Noted {
    /// Notes the layer of which the tensor of this name is the weight, if it is one's.
    pub(in crate::checkpoints) fn note(&self, name: &str, shape: &[usize], dtype: DType) {
        let Some((layer, "weight")) = name.rsplit_once('.') else { return };
        let layer = Layer::new(self.net, layer, (self.other_name)(layer).as_deref(), shape, dtype);
        let mut layers = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
        // One that is kept, but not as it is wanted, is read after that; by then other threads may have noted theirs.
        if !layers.contains(&layer) {
            layers.push(layer);
        }
    }
}

/// The weights of a network with what `LoRA`s add to them.
pub(in crate::checkpoints) struct Adapted {
    pub(in crate::checkpoints) base: VarBuilder<'static>,
    pub(in crate::checkpoints) noted: Noted,
    pub(in crate::checkpoints) loras: Vec<(Arc<Lora>, LoraWeights)>,
}

impl Adapted {
    pub(in crate::checkpoints) fn into_builder(self, dtype: DType, device: &Device) -> VarBuilder<'static> {
        VarBuilder::from_backend(Box::new(self), dtype, device.clone())
    }
}

impl SimpleBackend for Adapted {
    fn get(&self, shape: Shape, name: &str, init: Init, dtype: DType, device: &Device) -> Result<Tensor> {
        let base = self.base.get_with_hints_dtype(shape, name, init, dtype)?;
        let Some((layer, kind)) = name.rsplit_once('.') else {
            return Ok(base);
        };
        self.noted.note(name, base.dims(), base.dtype());
        let (net, other) = (self.noted.net, (self.noted.other_name)(layer));
        let names: Vec<String> =
            [Some(layer), other.as_deref()].into_iter().flatten().map(|name| joined(net, name)).collect();
        let mut sum: Option<Tensor> = None;
        for (lora, weights) in &self.loras {
            let weight = weights.of(net);
            if weight == 0.0 {
                continue;
            }
            let Some(tensors) = lora.layer(net, &names, device)? else {
                continue;
            };
            let so_far = match sum {
                Some(sum) => sum,
                None => base.to_dtype(DType::F32)?,
            };
            let next = match kind {
                "weight" => adapted(&so_far, &tensors, weight),
                "bias" => adapted_bias(&so_far, &tensors, weight),
                _ => Ok(so_far),
            };
            sum = Some(next.map_err(|error| {
                let reason = error.to_string();
                let reason = reason.lines().next().unwrap_or_default();
                Error::Msg(format!("what the LoRA {} adds to {layer} makes no sense: {reason}", lora.name))
            })?);
        }
        match sum {
            None => Ok(base),
            Some(sum) if device.is_cpu() => Ok(sum),
            Some(sum) => sum.to_dtype(dtype),
        }
    }

    fn get_unchecked(&self, name: &str, dtype: DType, _: &Device) -> Result<Tensor> {
        self.base.get_unchecked_dtype(name, dtype)
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.base.contains_tensor(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_that_is_found_and_then_read_is_one() {
        let noted = Noted { net: Net::Unet, other_name: Arc::new(|_| None), layers: Arc::default() };
        for name in ["a.weight", "b.weight", "a.weight", "a.bias"] {
            noted.note(name, &[2, 3], DType::F16);
        }
        let layers = noted.layers.lock().unwrap();
        let names: Vec<&[String]> = layers.iter().map(|layer| layer.names.as_slice()).collect();
        assert_eq!(names, [[joined(Net::Unet, "a")], [joined(Net::Unet, "b")]]);
    }
}
