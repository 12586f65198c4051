//! The application without a window: what is being edited, what is queued, what was made. The window reads it and returns
//! [`Action`]s; [`Session::apply`] carries them out; [`Session::poll`] takes in what the engine and the gallery report.

mod action;
mod canvas;
mod draft;
mod files;
mod history;
mod jobs;
mod notices;
mod persist;
mod results;
mod worker;

pub use action::Action;
pub use canvas::{Shown, Wish};
pub use draft::{Draft, Model, ModelState, NotReady};
pub use history::History;
pub use jobs::{Jobs, Running, Waiting};
pub use notices::{Notice, NoticeId, NoticeKind, Notices, Offer};
pub use results::{Kept, ResultId, ResultItem, Results};
pub use worker::Wake;

use crate::paint::{Brush, Tool};

/// The application without a window. The panels read it and edit [`draft`](Self::draft) in place; everything else changes only
/// through `apply` and `poll`. The fields are public so that a panel can borrow the ones it needs.
#[derive(Debug)]
pub struct Session {
    /// What the person is about to ask for.
    pub draft: Draft,
    /// What the pointer does on the canvas.
    pub tool: Tool,
    /// The brush of the mask tools.
    pub brush: Brush,
    /// What is painted and what waits.
    pub jobs: Jobs,
    /// What was made.
    pub results: Results,
    /// What to tell the person.
    pub notices: Notices,
    /// The models that can be chosen.
    pub models: Vec<Model>,
    /// Whether the picture opened last carried settings, for [`Action::UseSettings`].
    pub found_settings: bool,
}
