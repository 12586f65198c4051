use crate::diffusion::{SamplerName, ScheduleName};
use crate::geom::Extent;
use serde::{Deserialize, Serialize};

/// What the person is about to ask for. The panels edit it in place; it is checked when it becomes requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    /// What to paint.
    pub prompt: String,
    /// What to stay away from.
    pub negative_prompt: String,
    /// The model's name.
    pub model: String,
    /// How to get from one sigma to the next.
    pub sampler: SamplerName,
    /// Which sigmas to visit.
    pub schedule: ScheduleName,
    /// How many steps a whole schedule has.
    pub steps: u32,
    /// Weight of classifier-free guidance; 1 is off.
    pub guidance_scale: f64,
    /// What the noise of the first picture is drawn from, 0..2³²; the next pictures take the next seeds. It is the seed that was
    /// used last until Generate is pressed again.
    pub seed: u64,
    /// Whether Generate uses this seed again instead of drawing another.
    pub seed_locked: bool,
    /// The size to paint, rounded to multiples of 8. An open picture decides it instead.
    pub extent: Extent,
    /// How many pictures Generate paints.
    pub count: u32,
    /// 0..1: how much of an open picture is painted anew.
    pub strength: f64,
}

impl Draft {
    /// The most pictures that one press of Generate paints.
    pub const MAX_COUNT: u32 = 64;
}

/// A model that can be chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Its name, as in requests and in [`ChooseModel`](super::Action::ChooseModel).
    pub name: String,
    /// One line about it: its family and where it lies.
    pub description: String,
    /// What suits it, and an example prompt: the draft of a first start.
    pub example: Draft,
    /// Why it cannot be used, if it can't.
    pub problem: Option<String>,
    /// Whether it is loaded, on its way, or neither.
    pub state: ModelState,
}

/// How far a model is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ModelState {
    /// Not asked for.
    OnDisk,
    /// The engine reads it.
    Loading,
    /// Ready.
    Loaded {
        /// How long it took to load.
        seconds: f64,
    },
    /// It could not be loaded; a notice says why.
    Failed,
}
