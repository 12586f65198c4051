//! What people choose by name: each with the label that is shown and the key that is typed.

use serde::{Deserialize, Serialize};

/// Defines an enum of names that people choose from, with its label and the spellings it is read from.
macro_rules! names {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $label:literal / $key:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$variant_meta])* #[serde(rename = $key)] $variant),+ }

        impl $name {
            /// All of them, in the order in which they are offered.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// How it is shown, and written into A1111 `parameters`.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label),+ }
            }

            /// How it is spelled on the command line and in JSON.
            pub const fn key(self) -> &'static str {
                match self { $(Self::$variant => $key),+ }
            }

            /// The one with this label or key, whatever its case.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|n| n.label().eq_ignore_ascii_case(name) || n.key().eq_ignore_ascii_case(name))
            }
        }
    };
}

names! {
    /// What a run starts from where the mask repaints; outside it is always the picture itself. At strength 1 it does not count.
    #[derive(Default)]
    MaskedContent {
        /// The picture as it is.
        #[default]
        Original = "Original" / "original",
        /// The colours around the mask, run into it.
        Fill = "Fill" / "fill",
        /// Noise in the latent.
        Noise = "Latent noise" / "noise",
        /// Nothing: a latent of zeros.
        Nothing = "Latent nothing" / "nothing",
    }
}

names! {
    /// How brackets in prompts count, by the names that A1111 gives it (`modules/sd_emphasis.py`).
    #[derive(Default)]
    Emphasis {
        /// Each token's encoding times its weight, and all of them so that their mean stays what it was.
        #[default]
        Original = "Original" / "original",
        /// Each token's encoding times its weight. It suits Stable Diffusion XL.
        NoNorm = "No norm" / "no_norm",
        /// Each token's encoding away from that of an empty prompt, and the weights in brackets as they stand: `ComfyUI`'s.
        ComfyUi = "ComfyUI" / "comfyui",
        /// Weights are read and not followed.
        Ignore = "Ignore" / "ignore",
        /// Brackets are letters.
        None = "None" / "none",
    }
}

names! {
    /// The samplers. What each one does stands in one table, `sampler::recipe`.
    SamplerName {
        /// Euler's method. Karras et al. 2022, algorithm 2; k-diffusion `sample_euler`.
        Euler = "Euler" / "euler",
        /// Euler with fresh noise at each step. k-diffusion `sample_euler_ancestral`.
        EulerAncestral = "Euler a" / "euler_a",
        /// Heun's second-order method. Karras et al. 2022, algorithm 2; k-diffusion `sample_heun`.
        Heun = "Heun" / "heun",
        /// Second-order multistep DPM-Solver++. Lu et al. 2022, algorithm 2; k-diffusion `sample_dpmpp_2m`.
        DpmPlusPlus2M = "DPM++ 2M" / "dpmpp_2m",
        /// The linear multistep method. k-diffusion `sample_lms`, order 4.
        Lms = "LMS" / "lms",
        /// The midpoint method in log sigma. k-diffusion `sample_dpm_2`.
        Dpm2 = "DPM2" / "dpm_2",
        /// The same with fresh noise at each step. k-diffusion `sample_dpm_2_ancestral`.
        Dpm2Ancestral = "DPM2 a" / "dpm_2_a",
        /// Second-order single-step DPM-Solver++ with fresh noise at each step. Lu et al. 2022, algorithm 1; k-diffusion
        /// `sample_dpmpp_2s_ancestral`.
        DpmPlusPlus2SAncestral = "DPM++ 2S a" / "dpmpp_2s_a",
        /// DPM-Solver++ of the stochastic equation. k-diffusion `sample_dpmpp_sde`.
        DpmPlusPlusSde = "DPM++ SDE" / "dpmpp_sde",
        /// Second-order multistep DPM-Solver++ of the stochastic equation. k-diffusion `sample_dpmpp_2m_sde`.
        DpmPlusPlus2MSde = "DPM++ 2M SDE" / "dpmpp_2m_sde",
        /// The same, corrected as Heun's method is.
        DpmPlusPlus2MSdeHeun = "DPM++ 2M SDE Heun" / "dpmpp_2m_sde_heun",
        /// Third-order multistep DPM-Solver++ of the stochastic equation. k-diffusion `sample_dpmpp_3m_sde`.
        DpmPlusPlus3MSde = "DPM++ 3M SDE" / "dpmpp_3m_sde",
        /// DPM-Solver with as many calls of the network as steps. Lu et al. 2022; k-diffusion `sample_dpm_fast`.
        DpmFast = "DPM fast" / "dpm_fast",
        /// DPM-Solver with steps as long as their error allows. Lu et al. 2022; k-diffusion `sample_dpm_adaptive`.
        DpmAdaptive = "DPM adaptive" / "dpm_adaptive",
        /// Heun's method that goes back up and down again. Xu et al. 2023; A1111's `restart_sampler`.
        Restart = "Restart" / "restart",
        /// Unified predictor and corrector of third order, B(h) = h. Zhao et al. 2023; A1111's default.
        UniPc = "UniPC" / "uni_pc",
        /// The same with B(h) = eʰ − 1; diffusers' and `ComfyUI`'s `uni_pc_bh2`.
        UniPcBh2 = "UniPC bh2" / "uni_pc_bh2",
        /// Consistency sampling, for models distilled to few steps. Luo et al. 2023; diffusers' `LCMScheduler`.
        Lcm = "LCM" / "lcm",
        /// Trajectory consistency sampling, for models distilled to few steps. Zheng et al. 2024; diffusers' `TCDScheduler`.
        Tcd = "TCD" / "tcd",
        /// Denoising diffusion implicit models. Song et al. 2020, equation 12: in sigmas Euler's method, of eta 0 unless it is set.
        Ddim = "DDIM" / "ddim",
        /// DDIM whose steps go by the noise that the negative prompt sees, with guidance below 1: CFG++ (Chung et al. 2024, algorithm 1), whose
        /// weight is the guidance scale by 12.5 as in A1111's `ddim_cfgpp`.
        DdimCfgPp = "DDIM CFG++" / "ddim_cfgpp",
        /// Denoising diffusion probabilistic models. Ho et al. 2020, algorithm 2, with the posterior's variance: in sigmas Euler a.
        Ddpm = "DDPM" / "ddpm",
        /// Pseudo linear multistep. Liu et al. 2022; diffusers' `PNDMScheduler` with `skip_prk_steps`.
        Plms = "PLMS" / "plms",
    }
}

names! {
    /// The schedules, by the names that A1111 gives them.
    ScheduleName {
        /// What suits the sampler, as A1111 chooses.
        Automatic = "Automatic" / "automatic",
        /// Karras et al. 2022, equation 5, rho 7.
        Karras = "Karras" / "karras",
        /// Even in log sigma.
        Exponential = "Exponential" / "exponential",
        /// As exponential, bent by rho: even in log sigma's rho-th root (k-diffusion, `get_sigmas_polyexponential`).
        Polyexponential = "Polyexponential" / "polyexponential",
        /// Even in time from the first to the last timestep.
        Normal = "Normal" / "normal",
        /// Even in time, the last timestep left out (trailing).
        SgmUniform = "SGM Uniform" / "sgm_uniform",
        /// Every n-th of the training sigmas, from the top.
        Simple = "Simple" / "simple",
        /// Every n-th of the training sigmas, from the bottom (leading).
        DdimUniform = "DDIM" / "ddim_uniform",
        /// Even in the arc tangent of sigma (Sabour et al. 2024, theorem 3.1).
        KlOptimal = "KL Optimal" / "kl_optimal",
        /// The quantiles of a beta distribution in time: more steps at both ends (Lee et al. 2024).
        Beta = "Beta" / "beta",
        /// Ten steps of least error, or as many between them in log sigma (Sabour et al. 2024).
        AlignYourSteps = "Align Your Steps" / "align_your_steps",
        /// Even timesteps from the last on, rounded: diffusers' "trailing", for models distilled to few steps.
        Turbo = "Turbo" / "turbo",
        /// From among the 50 timesteps that latent consistency models are taught: diffusers' `LCMScheduler`.
        Lcm = "LCM" / "lcm",
    }
}

names! {
    /// Whose ways a run follows where programs go different ones: how strong the first noise is, how many steps a picture to start from
    /// leaves, where the noise of later steps comes from.
    #[derive(Default)]
    Program {
        /// diffusers', which are also Sfumato's own.
        #[default]
        Diffusers = "diffusers" / "diffusers",
        /// A1111's, also Forge's and stable-diffusion.cpp's.
        A1111 = "A1111" / "a1111",
        /// `ComfyUI`'s.
        ComfyUi = "ComfyUI" / "comfyui",
    }
}

names! {
    /// What draws the noise of a seed.
    #[derive(Default)]
    NoiseSource {
        /// Torch's generator on the CPU.
        #[default]
        Cpu = "CPU" / "cpu",
        /// Torch's generator on an NVIDIA card: A1111's usual one.
        Nv = "NV" / "nv",
        /// The first noise as on the CPU, that of later steps as on an NVIDIA card: `ComfyUI`'s on such a card.
        CpuThenNv = "CPU, then NV" / "cpu_nv",
    }
}

pub(super) use names;
