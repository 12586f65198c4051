//! `ComfyUI`: the graph that was run, as JSON under `prompt`, or as the window had it under `workflow`. From what was saved it is followed
//! back to the sampler, and from there to prompts, model and size. Whatever stands on the way and has no counterpart here is named.

mod graph;
mod models;
mod pass;
mod words;
mod workflow;

use super::{Found, Imported, differences, json};
use crate::diffusion::{Batch, Emphasis, Program, Reproduce, Savings, Tuning};
use crate::geom::Extent;
use graph::{Graph, LONGEST, Node, Output};
use pass::Pass;
use std::collections::HashSet;

pub(super) const PROMPT_KEY: &str = "prompt";
pub(super) const WORKFLOW_KEY: &str = "workflow";

/// Under which keys nodes take pictures and latents.
const PICTURES: [&str; 14] = [
    "images",
    "image",
    "samples",
    "latent_image",
    "latent",
    "latents",
    "pixels",
    "image_1",
    "image1",
    "input",
    "any",
    "value",
    "source_image",
    "samples_to",
];
/// More runs of samplers behind each other are not read.
const MOST_PASSES: usize = 16;
/// What does nothing to a picture.
const SILENT: [&str; 6] =
    ["SaveImage", "PreviewImage", "VAEDecode", "VAEDecodeTiled", "ImageUpscaleWithModel", "UpscaleModelLoader"];

/// Reads the texts of a picture; none where they are no graph that samples.
pub(super) fn read(prompt: Option<&str>, workflow: Option<&str>) -> Option<Imported> {
    let of_prompt = prompt.and_then(json::parse);
    let of_workflow = || workflow.and_then(json::parse).and_then(|json| workflow::as_run(&json));
    let json = of_prompt.filter(|json| Graph::of(json).is_some()).or_else(of_workflow)?;
    let graph = Graph::of(&json)?;
    let (path, pass) = saved(&graph)?;
    let reading = Reading {
        graph: &graph,
        found: Found::default(),
        unknown: Vec::new(),
        notes: Vec::new(),
        named: HashSet::new(),
        loader: None,
        visits: 0,
        tuning: Tuning::default(),
    };
    Some(reading.read(&path, pass))
}

/// What leads to a picture that was saved: the nodes from it back to the sampler, and that.
fn saved<'a>(graph: &Graph<'a>) -> Option<(Vec<Node<'a>>, Pass<'a>)> {
    let nodes = graph.nodes();
    let is_of = |node: &&Node<'_>, words: &[&str]| words.iter().any(|word| node.class.contains(word));
    let mut ends: Vec<_> = nodes.iter().filter(|node| is_of(node, &["Save", "Preview"])).collect();
    ends.sort_by_key(|node| (node.class != "SaveImage", !is_of(node, &["Save"])));
    let found = ends.iter().find_map(|end| back(graph, **end));
    // A graph without an end is followed from its last sampler.
    found.or_else(|| nodes.iter().rev().find_map(|node| Some((Vec::new(), Pass::of(graph, *node)?))))
}

/// From a node back to a sampler.
fn back<'a>(graph: &Graph<'a>, from: Node<'a>) -> Option<(Vec<Node<'a>>, Pass<'a>)> {
    let (mut path, mut node) = (Vec::new(), from);
    for _ in 0..LONGEST {
        if let Some(pass) = Pass::of(graph, node) {
            return Some((path, pass));
        }
        path.push(node);
        (node, _) = onwards(graph, node)?;
    }
    None
}

/// What the picture or latent of a node comes from.
fn onwards<'a>(graph: &Graph<'a>, node: Node<'a>) -> Option<Output<'a>> {
    let others = ["vae", "model", "clip", "mask", "upscale_model", "positive", "negative", "pipe"];
    let other = || {
        node.inputs.iter().filter(|(key, _)| !others.contains(&key.as_str())).find_map(|(_, value)| graph.linked(value))
    };
    graph.first_link(node, &PICTURES).or_else(other)
}

/// Where a run starts from.
enum Beginning<'a> {
    Noise { node: Node<'a> },
    Picture,
    Pass(Box<Pass<'a>>),
}

/// How many times larger an upscaler makes a picture, by its name: `4x-UltraSharp`, `RealESRGAN_x2plus`.
fn factor_in(name: &str) -> Option<f64> {
    let is_factor = |c: char| ('2'..='8').contains(&c);
    let letters: Vec<char> = name.to_ascii_lowercase().chars().collect();
    let pair = letters.windows(2).find_map(|pair| match pair {
        [digit, 'x'] | ['x', digit] if is_factor(*digit) => Some(*digit),
        _ => None,
    })?;
    pair.to_digit(10).map(f64::from)
}

/// What was read so far.
struct Reading<'a> {
    graph: &'a Graph<'a>,
    found: Found,
    unknown: Vec<(String, String)>,
    notes: Vec<String>,
    /// The ids of those that were named.
    named: HashSet<&'a str>,
    /// What loaded the model.
    loader: Option<Node<'a>>,
    /// How many nodes of prompts were seen.
    visits: usize,
    tuning: Tuning,
}

impl<'a> Reading<'a> {
    fn read(mut self, path: &[Node<'a>], last: Pass<'a>) -> Imported {
        if let Some(decoder) = path.iter().find(|node| node.has("vae")) {
            self.vae(*decoder);
        }
        self.after(path);
        let mut later: Vec<(Pass<'a>, Vec<Node<'a>>)> = Vec::new();
        let mut first = last;
        let beginning = loop {
            let (between, beginning) = self.beginning(&first);
            match beginning {
                Beginning::Pass(before) if later.len() < MOST_PASSES => {
                    later.push((std::mem::replace(&mut first, *before), between));
                }
                beginning => {
                    self.after(&between);
                    break beginning;
                }
            }
        };
        self.settings(&first, &beginning);
        self.passes(&first, &later);
        self.ended()
    }

    /// Of the sampler that begins.
    fn settings(&mut self, pass: &Pass<'a>, beginning: &Beginning<'a>) {
        let (sampler, schedule) = (pass.sampler_name(), pass.schedule_name());
        let reproduce = Reproduce::usual(Program::ComfyUi);
        (self.found.seed, self.found.guidance_scale) = (pass.seed, pass.guidance_scale);
        (self.found.sampler, self.found.schedule, self.found.steps) = (sampler, schedule, pass.steps);
        for (key, value, is_known) in
            [("sampler", pass.sampler, sampler.is_some()), ("scheduler", pass.schedule, schedule.is_some())]
        {
            if let Some(value) = value.filter(|_| !is_known) {
                self.unknown(key, value);
            }
        }
        for node in &pass.strange {
            self.pass_over(*node);
        }
        self.tuning.eta = pass.eta.filter(|eta| (0.0..=1.0).contains(eta));
        self.tuning.noise = pass.noise.filter(|noise| (0.0..=Tuning::MAX_NOISE).contains(noise)).unwrap_or(1.0);
        self.tuning.rho = pass.rho.filter(|rho| (Tuning::MIN_RHO..=Tuning::MAX_RHO).contains(rho));
        let [low, high] = pass.ends.map(|end| end.filter(|end| (0.0..=Tuning::MAX_SIGMA).contains(end)).unwrap_or(0.0));
        (self.tuning.sigma_min, self.tuning.sigma_max) = (low, high);
        let mut batch = Batch::default();
        match beginning {
            Beginning::Noise { node } => {
                let side =
                    |key: &str, other: &str| self.graph.count(*node, key).or_else(|| self.graph.count(*node, other));
                let sides = side("width", "empty_latent_width").zip(side("height", "empty_latent_height"));
                self.found.extent = sides.map(|(width, height)| Extent::new(width, height));
                let of = self.graph.count(*node, "batch_size").unwrap_or(1).max(1);
                if of > Batch::MAX {
                    self.unknown("batch_size", &of.to_string());
                } else if of > 1 {
                    batch.of = of;
                    self.notes
                        .push(format!("it is one of {of} of a batch, and does not say which: the first is taken"));
                }
                if pass.denoise < 1.0 {
                    self.unknown("denoise", &pass.denoise.to_string());
                }
            }
            Beginning::Picture | Beginning::Pass(_) => self.found.strength = Some(pass.denoise.clamp(0.0, 1.0)),
        }
        self.some_steps(pass);
        self.found.reproduce = Some(Reproduce { batch, ..reproduce });
        let loras = self.model(pass.model);
        let (positive, encoder) = self.prompt(pass.positive, "positive");
        let (negative, _) = self.prompt(pass.negative, "negative");
        let tags = self.text_encoder(encoder, loras);
        self.found.prompt = positive.map(|prompt| format!("{prompt}{tags}").trim().to_owned());
        self.found.negative_prompt = Some(negative.unwrap_or_default());
    }

    /// `KSamplerAdvanced` that does not begin at the first step of a picture: as another program would say it, a strength.
    fn some_steps(&mut self, pass: &Pass<'a>) {
        if let Some(end) = pass.end {
            self.unknown("end_at_step", &end.to_string());
        }
        let (Some(whole), start @ 1..) = (pass.steps, pass.start) else { return };
        let run = whole.saturating_sub(start).max(1);
        if self.found.strength.is_none() {
            self.unknown("start_at_step", &start.to_string());
            return;
        }
        let (run_of, whole) = (f64::from(run), f64::from(whole));
        let mut strength = run_of / whole;
        // The whole comes out again only if this is not a hair too much.
        while (run_of / strength).floor() < whole {
            strength = strength.next_down();
        }
        (self.found.steps, self.found.strength) = (Some(run), Some(strength));
    }

    /// From a sampler back to what it starts from, and the nodes on the way.
    fn beginning(&mut self, pass: &Pass<'a>) -> (Vec<Node<'a>>, Beginning<'a>) {
        let mut path = Vec::new();
        let mut next = pass.latent;
        for _ in 0..LONGEST {
            let Some((node, _)) = next else { break };
            if let Some(pass) = Pass::of(self.graph, node) {
                return (path, Beginning::Pass(Box::new(pass)));
            }
            let is_sized = node.has("width") || node.has("empty_latent_width");
            if is_sized && (node.class.contains("Empty") || node.has("empty_latent_width")) {
                return (path, Beginning::Noise { node });
            }
            path.push(node);
            next = onwards(self.graph, node);
        }
        (path, Beginning::Picture)
    }

    /// What was done to a picture or latent by these nodes.
    fn after(&mut self, path: &[Node<'a>]) {
        for node in path {
            let is_encoder = node.class.contains("VAEEncode") || node.class == "InpaintModelConditioning";
            let loads = node.class.contains("LoadImage");
            if node.class == "ImageUpscaleWithModel" {
                self.upscaler(*node);
            } else if ["SetLatentNoiseMask", "VAEEncodeForInpaint", "InpaintModelConditioning"].contains(&node.class) {
                self.notes.push("it was painted in a part only, and the mask is not in the file".to_owned());
            } else if !is_encoder && !loads && !SILENT.contains(&node.class) {
                self.pass_over(*node);
            }
        }
    }

    fn upscaler(&mut self, node: Node<'a>) {
        let loader = self.graph.link(node, "upscale_model").map(|(node, _)| node);
        let name = loader.and_then(|loader| self.graph.text(loader, "model_name"));
        self.found.upscaler = name.map(json::model_name);
    }

    /// What followed the first sampler: painting once more what was enlarged can be said here, other things cannot.
    fn passes(&mut self, first: &Pass<'a>, later: &[(Pass<'a>, Vec<Node<'a>>)]) {
        if let [(pass, between)] = later
            && pass.adds_noise
            && pass.start == 0
            && let Some(node) = between.iter().find(|node| node.class == "ImageUpscaleWithModel")
        {
            self.upscaler(*node);
            let scaled = between.iter().find_map(|node| self.graph.count(*node, "width"));
            let width = self.found.extent.map(|extent| extent.width);
            let by_size = scaled.zip(width).map(|(scaled, width)| f64::from(scaled) / f64::from(width.max(1)));
            let by = between.iter().find_map(|node| self.graph.number(*node, "scale_by")).unwrap_or(1.0);
            let by_name = || self.found.upscaler.as_deref().and_then(factor_in).map(|factor| factor * by);
            self.found.upscale_by = by_size.or_else(by_name);
            self.found.refine = Some(pass.denoise.clamp(0.0, 1.0));
            let of = |pass: &Pass<'a>| (pass.seed, pass.steps, pass.guidance_scale, pass.sampler, pass.schedule);
            if of(first) != of(pass) {
                let settings = pass.node.settings();
                self.notes.push(format!(
                    "it was painted once more with settings of its own, which were not read: {settings}"
                ));
            }
            let is_known = |node: &&Node<'a>| !["ImageScale", "ImageScaleBy"].contains(&node.class);
            self.after(&between.iter().filter(is_known).copied().collect::<Vec<_>>());
            return;
        }
        for (pass, between) in later.iter().rev() {
            let ways: Vec<_> = between.iter().map(|node| node.class).filter(|class| !SILENT.contains(class)).collect();
            let by = if ways.is_empty() { String::new() } else { format!(" after {}", ways.join(", ")) };
            let node = pass.node;
            self.notes.push(format!("{} painted on{by}, which was not read: {}", node.class, node.settings()));
        }
    }

    /// Names a node that was not read, once.
    fn pass_over(&mut self, node: Node<'a>) {
        if self.named.insert(node.id) {
            self.unknown(node.class, &node.settings());
        }
    }

    fn unknown(&mut self, key: &str, value: &str) {
        self.unknown.push((key.to_owned(), value.to_owned()));
    }

    fn ended(mut self) -> Imported {
        self.found.tuning = Some(self.tuning);
        self.found.savings = Some(Savings::default());
        self.found.emphasis = Some(Emphasis::ComfyUi);
        let differences = differences::elsewhere(&self.found, None, self.notes, &self.unknown);
        Imported { settings: self.found, unknown: self.unknown, differences }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
