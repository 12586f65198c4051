//! How `sfumato paint` is told to follow another program.

use super::parse::{extent_of, seed_of, strength_of};
use crate::diffusion::{NoiseSource, Program, Reproduce, Variation};
use crate::geom::Extent;
use clap::Args;

/// Which program is followed where they go different ways.
#[derive(Args, Debug)]
pub struct ReproduceArgs {
    /// Paint as another program does: diffusers, a1111 (also Forge and stable-diffusion.cpp), comfyui. It decides how strong the first noise
    /// is, how many steps --strength leaves, and where noise comes from
    #[arg(long = "as-in", value_name = "NAME", default_value = "diffusers", value_parser = program_named)]
    pub program: Program,
    /// What draws the noise: cpu (torch on the CPU), nv (torch on an NVIDIA card), `cpu_nv` (the first noise cpu, later noise nv) [default: as the
    /// program of --as-in usually does]
    #[arg(long, value_name = "NAME", value_parser = source_named)]
    pub noise_source: Option<NoiseSource>,
    /// Mix the first noise with that of this seed; further pictures take the next of these seeds
    #[arg(long, value_name = "N", requires = "variation_strength", value_parser = seed_of)]
    pub variation_seed: Option<u64>,
    /// How much of the other noise there is, 0 to 1
    #[arg(long, value_name = "X", requires = "variation_seed", value_parser = strength_of)]
    pub variation_strength: Option<f64>,
    /// Lay the noise of a picture of this size into the middle: A1111's "Seed resize from"
    #[arg(long, value_name = "WxH", value_parser = extent_of)]
    pub resize_seed_from: Option<Extent>,
    /// What is added to the seed for the noise of later steps: A1111's "ENSD"
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub ensd: i64,
    /// Take the first noise of --as-in a1111 as strong as others have it: its "SGM noise multiplier"
    #[arg(long)]
    pub sgm_noise: bool,
    /// Make all --steps also from a picture, of a longer schedule: an option of A1111
    #[arg(long)]
    pub exact_steps: bool,
    /// Draw the noise of all --count pictures from one generator, as `ComfyUI` does for a batch, instead of counting seeds up
    #[arg(long)]
    pub one_generator: bool,
}

impl ReproduceArgs {
    pub(super) fn reproduce(&self) -> Reproduce {
        let usual = Reproduce::usual(self.program);
        Reproduce {
            noise: self.noise_source.unwrap_or(usual.noise),
            variation: self
                .variation_seed
                .zip(self.variation_strength)
                .map(|(seed, strength)| Variation { seed, strength }),
            resized_from: self.resize_seed_from,
            ensd: self.ensd,
            sgm_noise: self.sgm_noise,
            exact_steps: self.exact_steps,
            ..usual
        }
    }
}

fn program_named(name: &str) -> Result<Program, String> {
    let keys = || Program::ALL.iter().map(|program| program.key()).collect::<Vec<_>>().join(", ");
    Program::from_name(name).ok_or_else(|| format!("there is no such program: choose one of {}", keys()))
}

fn source_named(name: &str) -> Result<NoiseSource, String> {
    let keys = || NoiseSource::ALL.iter().map(|source| source.key()).collect::<Vec<_>>().join(", ");
    NoiseSource::from_name(name).ok_or_else(|| format!("there is no such source of noise: choose one of {}", keys()))
}
