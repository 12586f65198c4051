//! The nodes that sample: what they are set to, and what is plugged into them.

use super::graph::{Graph, Node, Output};
use crate::diffusion::{SamplerName, ScheduleName};
use crate::metadata::{a1111, json};

/// One run of a sampler.
#[derive(Clone, Debug)]
pub(super) struct Pass<'a> {
    pub(super) node: Node<'a>,
    pub(super) model: Option<Output<'a>>,
    pub(super) positive: Option<Output<'a>>,
    pub(super) negative: Option<Output<'a>>,
    pub(super) latent: Option<Output<'a>>,
    pub(super) seed: Option<u64>,
    pub(super) steps: Option<u32>,
    pub(super) guidance_scale: Option<f64>,
    pub(super) sampler: Option<&'a str>,
    pub(super) schedule: Option<&'a str>,
    pub(super) denoise: f64,
    /// Between which of the steps it runs, where it runs only some of them.
    pub(super) start: u32,
    pub(super) end: Option<u32>,
    pub(super) adds_noise: bool,
    pub(super) eta: Option<f64>,
    pub(super) noise: Option<f64>,
    /// How the schedule is bent, and its least and its largest sigma.
    pub(super) rho: Option<f64>,
    pub(super) ends: [Option<f64>; 2],
    /// What is plugged in where a sampler or a schedule is expected, and is not known.
    pub(super) strange: Vec<Node<'a>>,
}

impl<'a> Pass<'a> {
    /// None where the node samples nothing.
    pub(super) fn of(graph: &Graph<'a>, node: Node<'a>) -> Option<Self> {
        match node.class {
            "SamplerCustom" | "SamplerCustomAdvanced" => Some(Self::custom(graph, node)),
            _ if is_sampler(node) => Some(Self::plain(graph, node)),
            _ => None,
        }
    }

    /// `KSampler`, `KSamplerAdvanced`, and what other people's nodes make of them.
    fn plain(graph: &Graph<'a>, node: Node<'a>) -> Self {
        let steps = graph.count(node, "steps");
        let end = graph.count(node, "end_at_step");
        Self {
            node,
            model: graph.link(node, "model"),
            positive: graph.link(node, "positive"),
            negative: graph.link(node, "negative"),
            latent: graph.first_link(
                node,
                &[
                    "latent_image",
                    "latent",
                    "samples",
                    "optional_latent",
                    "image",
                    "images",
                    "pixels",
                    "upscaled_image",
                ],
            ),
            seed: ["seed", "noise_seed"].iter().find_map(|key| json::whole(graph.value(node, key)?)),
            steps,
            guidance_scale: graph.number(node, "cfg"),
            sampler: graph.text(node, "sampler_name"),
            schedule: graph.text(node, "scheduler"),
            denoise: graph.number(node, "denoise").unwrap_or(1.0),
            start: graph.count(node, "start_at_step").unwrap_or(0),
            end: end.filter(|end| steps.is_some_and(|steps| *end < steps)),
            adds_noise: graph.text(node, "add_noise") != Some("disable"),
            eta: None,
            noise: None,
            rho: None,
            ends: [None; 2],
            strange: Vec::new(),
        }
    }

    /// What is put together of nodes for each part.
    fn custom(graph: &Graph<'a>, node: Node<'a>) -> Self {
        let part = |key: &str| graph.link(node, key).map(|(node, _)| node);
        // `SamplerCustomAdvanced` has them in parts, `SamplerCustom` in itself.
        let guider = part("guider").unwrap_or(node);
        let noise = part("noise").unwrap_or(node);
        let mut pass = Self { latent: graph.link(node, "latent_image"), ..Self::plain(graph, node) };
        pass.model = graph.link(guider, "model");
        pass.positive = graph.first_link(guider, &["positive", "conditioning", "cond1"]);
        pass.negative = graph.link(guider, "negative");
        pass.guidance_scale = match guider.class {
            "BasicGuider" => Some(1.0),
            _ => graph.number(guider, "cfg"),
        };
        pass.seed = graph.value(noise, "noise_seed").and_then(json::whole);
        pass.adds_noise = noise.class != "DisableNoise"
            && graph.value(node, "add_noise").and_then(serde_json::Value::as_bool) != Some(false);
        if !["BasicGuider", "CFGGuider"].contains(&guider.class) && guider.id != node.id {
            pass.strange.push(guider);
        }
        if let Some(sampler) = part("sampler") {
            pass.take_sampler(graph, sampler);
        }
        if let Some(sigmas) = part("sigmas") {
            pass.take_sigmas(graph, sigmas);
        }
        pass
    }

    fn take_sampler(&mut self, graph: &Graph<'a>, node: Node<'a>) {
        let heun = graph.text(node, "solver_type") == Some("heun");
        self.sampler = match node.class {
            "KSamplerSelect" => graph.text(node, "sampler_name"),
            "SamplerEulerAncestral" => Some("euler_ancestral"),
            "SamplerDPMPP_2M_SDE" if heun => Some("dpmpp_2m_sde_heun"),
            "SamplerDPMPP_2M_SDE" => Some("dpmpp_2m_sde"),
            "SamplerDPMPP_3M_SDE" => Some("dpmpp_3m_sde"),
            "SamplerDPMPP_SDE" => Some("dpmpp_sde"),
            "SamplerDPMPP_2S_Ancestral" => Some("dpmpp_2s_ancestral"),
            "SamplerLMS" => Some("lms"),
            "SamplerDPMAdaptative" => Some("dpm_adaptive"),
            _ => {
                self.strange.push(node);
                return;
            }
        };
        (self.eta, self.noise) = (graph.number(node, "eta"), graph.number(node, "s_noise"));
    }

    fn take_sigmas(&mut self, graph: &Graph<'a>, node: Node<'a>) {
        self.steps = graph.count(node, "steps");
        self.denoise = graph.number(node, "denoise").unwrap_or(1.0);
        // Those that have ends of their own.
        (self.rho, self.ends) =
            (graph.number(node, "rho"), ["sigma_min", "sigma_max"].map(|key| graph.number(node, key)));
        self.schedule = match node.class {
            "BasicScheduler" => graph.text(node, "scheduler"),
            "KarrasScheduler" => Some("karras"),
            "ExponentialScheduler" => Some("exponential"),
            "PolyexponentialScheduler" => Some("polyexponential"),
            "AlignYourStepsScheduler" => Some("align_your_steps"),
            "BetaSamplingScheduler" => Some("beta"),
            // Its further steps are each a tenth of all below, whatever their number.
            "SDTurboScheduler" if self.steps == Some(1) => Some("turbo"),
            _ => {
                self.strange.push(node);
                None
            }
        };
    }

    pub(super) fn sampler_name(&self) -> Option<SamplerName> {
        let label = self.sampler?;
        // Where its noise is drawn does not change what it does.
        a1111::sampler_named(label.strip_suffix("_gpu").unwrap_or(label))
    }

    pub(super) fn schedule_name(&self) -> Option<ScheduleName> {
        ScheduleName::from_name(self.schedule?)
    }
}

/// By what is set in it: other people's samplers are called as they please.
fn is_sampler(node: Node<'_>) -> bool {
    let has_any = |keys: &[&str]| keys.iter().any(|key| node.has(key));
    node.has("sampler_name") && node.has("steps") && has_any(&["seed", "noise_seed"]) && node.has("positive")
}
