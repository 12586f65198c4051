//! The inference thread: commands in, events out. It owns the weights; threads share nothing but messages and a cancel flag.

mod channel;
mod messages;
mod thread;

pub use channel::{Client, Gone, Peer, channel};
pub use messages::{CancelToken, Command, Event, Job, JobId, Outcome};

/// Why a job or a model failed, in words for the person at the window.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No model of this name.
    #[error("there is no model named {0}")]
    UnknownModel(String),
    /// A mistake in this program; the message is the panic's.
    #[error("painting broke off because of a mistake in this program: {0}")]
    Panicked(String),
    /// Whoever wanted the picture has gone.
    #[error(transparent)]
    Gone(#[from] Gone),
}

impl Error {
    /// What the person can do about it, as a sentence without its full stop.
    pub fn next_step(&self) -> &'static str {
        match self {
            Self::UnknownModel(_) => "choose one from the list that `sfumato models` prints",
            Self::Panicked(_) => "try again, and report it with the settings if it comes back",
            Self::Gone(_) => "try again",
        }
    }
}
