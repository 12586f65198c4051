//! Models to begin with. Sizes are those of the files that are taken, as the hub listed them when this was written; what is there today
//! the hub is asked before anything is downloaded.

use crate::checkpoints::{BytesRead, Precision, WeightBytes};
use crate::geom::Extent;

/// A model that a person could begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Starter {
    /// What people call it.
    pub name: &'static str,
    /// Where it is.
    pub repo: &'static str,
    /// What it is good for.
    pub about: &'static str,
    /// Its terms.
    pub licence: &'static str,
    /// How much is downloaded, in megabytes (10⁶), about.
    pub megabytes: u32,
    /// How many numbers its networks have, in millions, about.
    pub millions: u32,
    /// What it paints best.
    pub extent: Extent,
}

impl Starter {
    /// The bytes that are downloaded, about.
    pub fn bytes(&self) -> u64 {
        u64::from(self.megabytes) * 1_000_000
    }

    /// The bytes of memory that painting takes, about, on a GPU or on the CPU: its weights are stored in two bytes a number, and its VAE is 128 channels wide.
    pub fn memory(&self, on_gpu: bool) -> u64 {
        let others = BytesRead { wide: 0, halves: 2 * u64::from(self.millions) * 1_000_000 };
        // Those of XL: none else has as many.
        let vae_overflows = self.millions > 3000;
        let precision = if on_gpu { Precision::F16 } else { Precision::F32 };
        WeightBytes { others, vae_overflows, on_gpu, ..WeightBytes::default() }.needed(self.extent, 128, precision)
    }
}

/// All of them, the lightest first.
pub const STARTERS: &[Starter] = &[
    Starter {
        name: "Stable Diffusion 1.5",
        repo: "stable-diffusion-v1-5/stable-diffusion-v1-5",
        about: "The one that most LoRAs and embeddings were made for",
        licence: "CreativeML OpenRAIL-M",
        megabytes: 2135,
        millions: 1066,
        extent: Extent::new(512, 512),
    },
    Starter {
        name: "Stable Diffusion 1.5 Inpainting",
        repo: "stable-diffusion-v1-5/stable-diffusion-inpainting",
        about: "Sees the mask and what lies around it",
        licence: "CreativeML OpenRAIL-M",
        megabytes: 2135,
        millions: 1066,
        extent: Extent::new(512, 512),
    },
    Starter {
        name: "DreamShaper 8",
        repo: "Lykon/dreamshaper-8",
        about: "A Stable Diffusion 1.5 that was trained on for illustrations and portraits",
        licence: "CreativeML OpenRAIL-M",
        megabytes: 2135,
        millions: 1066,
        extent: Extent::new(512, 512),
    },
    Starter {
        name: "Stable Diffusion XL",
        repo: "stabilityai/stable-diffusion-xl-base-1.0",
        about: "Larger pictures that follow longer prompts",
        licence: "CreativeML Open RAIL++-M",
        megabytes: 6939,
        millions: 3469,
        extent: Extent::new(1024, 1024),
    },
    Starter {
        name: "SDXL Turbo",
        repo: "stabilityai/sdxl-turbo",
        about: "A Stable Diffusion XL that paints in one to four steps",
        licence: "Stability AI Community License",
        megabytes: 6939,
        millions: 3469,
        extent: Extent::new(512, 512),
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoints::download::Repo;

    #[test]
    fn each_can_be_asked_for_and_none_is_listed_twice() {
        for (index, starter) in STARTERS.iter().enumerate() {
            assert_eq!(Repo::parse(starter.repo).unwrap().name, starter.repo);
            assert!(STARTERS[..index].iter().all(|other| other.repo != starter.repo), "{}", starter.repo);
            // Half precision: two bytes a number, and a little besides.
            assert!((2 * starter.millions..2 * starter.millions + 50).contains(&starter.megabytes), "{}", starter.name);
        }
    }
}
