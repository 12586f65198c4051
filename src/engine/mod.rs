//! The inference thread: commands in, events out. It owns the weights; threads share nothing but messages and a cancel flag.

mod messages;

pub use messages::{CancelToken, Command, Event, Job, JobId, Outcome};

/// Why a job or a model failed, in words for the person at the window.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No model of this name.
    #[error("there is no model named {0}: choose one from the list that `sfumato models` prints")]
    UnknownModel(String),
}
