//! `LoRA`s: small files that change what a checkpoint paints (Hu et al. 2021). What they add to a layer is added to its weight when the
//! network is built; without one, the network is as it was.

mod apply;
mod delta;
mod keys;

use super::families::{FAMILIES, Family};
use super::header::{Place, read_metadata, read_places};
use super::stamps::Stamp;
use super::weights::Weights;
use super::{Error, library};
pub(super) use apply::{Adapted, Noted, OtherName};
use candle_core::{DType, Device};
use candle_nn::var_builder::SimpleBackend;
use keys::{Half, Role, Side, joined, parse};
pub(super) use keys::{Net, TEXT_NETS};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A `LoRA` on this machine.
#[derive(Debug)]
pub struct LoraEntry {
    /// By which prompts and the command line name it.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// What it holds, or why it cannot be used.
    pub summary: Result<LoraSummary, Error>,
}

/// What can be told of a `LoRA` without loading it.
#[derive(Clone, Debug, PartialEq)]
pub struct LoraSummary {
    /// What it was made for, where that can be seen.
    pub family: Option<&'static Family>,
    /// How many layers it changes.
    pub layers: usize,
    /// Bytes on disk.
    pub bytes: u64,
    /// What it is called in `<lora:…>` elsewhere, where that is not its file's name (sd-scripts' `ss_output_name`).
    pub alias: Option<String>,
}

impl LoraEntry {
    /// The `LoRA` in a file, by the file's name.
    pub fn of_file(path: PathBuf) -> Self {
        let summary = Lora::open(&path).map(|lora| LoraSummary {
            family: lora.family(),
            layers: lora.layers.len(),
            bytes: lora.bytes,
            alias: read_metadata(&path).remove("ss_output_name"),
        });
        Self { name: library::name_of(&path), path, summary }
    }
}

/// A `LoRA` whose header was read.
#[derive(Debug)]
pub struct Lora {
    name: String,
    path: PathBuf,
    /// Of the file as it was when its header was read.
    stamp: Stamp,
    weights: Weights,
    /// The tensors of each layer, by [`joined`] name.
    layers: BTreeMap<(Net, String), BTreeMap<Role, (String, Place)>>,
    bytes: u64,
    /// Whether it has something for a second text encoder, which Stable Diffusion XL alone has.
    is_of_xl: bool,
}

/// How much of a `LoRA` is added to each network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LoraWeights {
    /// The U-Net.
    pub unet: f64,
    /// The text encoders.
    pub text: f64,
}

impl LoraWeights {
    fn of(self, net: Net) -> f64 {
        match net {
            Net::Unet => self.unet,
            Net::Text | Net::SecondText => self.text,
        }
    }
}

/// A layer of a network: its names, the shape of its weight, and in which numbers that is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layer {
    pub(super) net: Net,
    pub(super) names: Vec<String>,
    pub(super) shape: Vec<usize>,
    pub(super) dtype: DType,
}

impl Layer {
    /// That of a weight of this shape, loaded in these numbers, which diffusers calls `layer` and latent-diffusion `other`.
    pub(super) fn new(net: Net, layer: &str, other: Option<&str>, shape: &[usize], dtype: DType) -> Self {
        let names = [Some(layer), other].into_iter().flatten().map(|name| joined(net, name)).collect();
        Self { net, names, shape: shape.to_vec(), dtype }
    }
}

/// How many bytes more some layers have in memory once they were changed on a CPU: the sum of a weight and what is added to it is f32.
pub(super) fn bytes_added(layers: &[Layer], loras: &[(Arc<Lora>, LoraWeights)]) -> u64 {
    let is_changed = |layer: &&Layer| {
        let adds = |(lora, weights): &(Arc<Lora>, LoraWeights)| {
            let names = || layer.names.iter().map(|name| (layer.net, name.clone()));
            weights.of(layer.net) != 0.0 && names().any(|name| lora.layers.contains_key(&name))
        };
        loras.iter().any(adds)
    };
    let added = |layer: &Layer| {
        let wider = DType::F32.size_in_bytes().saturating_sub(layer.dtype.size_in_bytes());
        (layer.shape.iter().product::<usize>() * wider) as u64
    };
    layers.iter().filter(is_changed).map(added).sum()
}

/// Whether these are all parts of what is added to a layer.
fn is_complete<T>(tensors: &BTreeMap<Role, T>) -> bool {
    let all = |roles: &[Role]| roles.iter().all(|role| tensors.contains_key(role));
    let factor =
        |side| all(&[Role::Kron(side)]) || all(&[Role::KronHalf(side, Half::A), Role::KronHalf(side, Half::B)]);
    let hada = [(Side::One, Half::A), (Side::One, Half::B), (Side::Two, Half::A), (Side::Two, Half::B)];
    all(&[Role::Down, Role::Up])
        || all(&hada.map(|(side, half)| Role::Hada(side, half)))
        || (factor(Side::One) && factor(Side::Two))
        || all(&[Role::Difference])
        || all(&[Role::BiasDifference])
}

/// The family that sd-scripts (`ss_base_model_version`) or `ModelSpec` names.
fn family_named(metadata: &BTreeMap<String, String>) -> Option<&'static Family> {
    let said = |key: &str| metadata.get(key).map(|text| text.to_lowercase());
    let starts = [("sdxl", "sdxl"), ("sd_v1", "sd1"), ("sd_v2", "sd2")];
    let specs = [("stable-diffusion-xl", "sdxl"), ("stable-diffusion-v1", "sd1"), ("stable-diffusion-v2", "sd2")];
    let of = |text: Option<String>, known: [(&str, &'static str); 3]| {
        let text = text?;
        known.into_iter().find(|(start, _)| text.starts_with(start)).map(|(_, key)| key)
    };
    let key = of(said("ss_base_model_version"), starts).or_else(|| of(said("modelspec.architecture"), specs))?;
    FAMILIES.iter().find(|family| family.key == key)
}

/// This many layers that a model does not have are passed over, as A1111 does: some have more than they need.
const MAX_UNMATCHED: usize = 12;

impl Lora {
    /// Reads the header of a .safetensors, .pt or .ckpt file.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let stamp = Stamp::of(path)?;
        let places = read_places(path)?;
        let mut layers: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for (name, place) in &places {
            if let Some((net, layer, role)) = parse(name) {
                layers.entry((net, layer)).or_default().insert(role, (name.clone(), place.clone()));
            }
        }
        // Some programs leave the scale of what they added nothing to.
        layers.retain(|_, tensors| tensors.keys().any(|role| *role != Role::Alpha));
        let is_of_xl = places.keys().any(|name| name.starts_with("lora_te2_") || name.starts_with("text_encoder_2."));
        if layers.is_empty() {
            return Err(Error::NotALora(path.to_owned()));
        }
        let incomplete = layers.iter().find(|(_, tensors)| !is_complete(tensors));
        if let Some(((_, layer), _)) = incomplete {
            let reason = format!("a part of what is added to the layer {layer} is missing");
            return Err(Error::Damaged { path: path.to_owned(), reason });
        }
        Ok(Self {
            name: library::name_of(path),
            path: path.to_owned(),
            stamp,
            bytes: places.values().map(|place| place.bytes as u64).sum(),
            weights: Weights::open_file(path, places)?,
            layers,
            is_of_xl,
        })
    }

    /// What it was made for, by the width of the words that it looks at, or by what training programs write beside it.
    fn family(&self) -> Option<&'static Family> {
        let width = self.layers.iter().find_map(|((_, layer), tensors)| {
            let (_, down) = tensors.get(&Role::Down).or_else(|| tensors.get(&Role::Hada(Side::One, Half::B)))?;
            layer.ends_with("attn2_to_k").then(|| down.shape.get(1).copied())?
        });
        let width = if self.is_of_xl { Some(2048) } else { width };
        let by_width = FAMILIES.iter().find(|family| Some(family.conditioning_width) == width);
        by_width.or_else(|| family_named(&read_metadata(&self.path)))
    }

    /// Whether its file is another by now.
    pub(super) fn is_outdated(&self) -> bool {
        self.stamp.is_outdated(&self.path)
    }

    /// Refuses a file that is another by now, of which nothing lies where its header said.
    pub(super) fn check_file(&self) -> Result<(), Error> {
        if self.is_outdated() { Err(Error::Changed(self.path.clone())) } else { Ok(()) }
    }

    /// Whether it changes a network.
    pub(super) fn changes(&self, net: Net) -> bool {
        self.layers.keys().any(|(of, _)| *of == net)
    }

    /// Checks that it was made for a model with these layers.
    pub(super) fn check(&self, model: &str, layers: &[Layer]) -> Result<(), Error> {
        let by_name: BTreeMap<_, _> = layers
            .iter()
            .flat_map(|layer| layer.names.iter().map(move |name| ((layer.net, name.as_str()), layer)))
            .collect();
        let (mut matched, mut fits) = (0, true);
        for ((net, name), tensors) in &self.layers {
            let Some(layer) = by_name.get(&(*net, name.as_str())) else {
                continue;
            };
            matched += 1;
            let sides = |role| tensors.get(&role).map(|(_, place)| place.shape.as_slice());
            if let (Some(up), Some(down)) = (sides(Role::Up), sides(Role::Down)) {
                fits &= up.first() == layer.shape.first() && down.get(1) == layer.shape.get(1);
            }
            fits &= delta::fits(sides, &layer.shape);
        }
        if matched == 0 || !fits || self.layers.len() - matched > MAX_UNMATCHED {
            let made_for = match self.family() {
                Some(family) => format!("it was made for {}", family.name),
                None => "it changes layers that the model does not have".to_owned(),
            };
            let (lora, model, path) = (self.name.clone(), model.to_owned(), self.path.clone());
            return Err(Error::Misfit { lora, made_for, model, path });
        }
        Ok(())
    }

    /// The tensors of a layer, in f32 on `device`; none if it does not change it.
    fn layer(&self, net: Net, names: &[String], device: &Device) -> candle_core::Result<Option<delta::Tensors>> {
        let Some(places) = names.iter().find_map(|name| self.layers.get(&(net, name.clone()))) else {
            return Ok(None);
        };
        let tensor = |(role, (name, _)): (&Role, &(String, Place))| {
            let tensor = self.weights.get_unchecked(name, DType::F32, device)?;
            Ok((*role, tensor.to_dtype(DType::F32)?))
        };
        places.iter().map(tensor).collect::<candle_core::Result<_>>().map(Some)
    }
}
