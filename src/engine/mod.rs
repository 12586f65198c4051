//! The inference thread: commands in, events out. It owns the weights; threads share nothing but messages and a cancel flag.

mod channel;
mod device;
mod memory;
mod messages;
mod preview;
mod priority;
mod studio;
mod thread;

pub use crate::memory::give_back_freed_memory;
pub use channel::{Client, Gone, Peer, channel};
pub use device::{DeviceChoice, choose_device, device, device_memory, device_name, device_problem};
pub use memory::{Memory, keep_freed_memory};
pub use messages::{CancelToken, Command, Event, Job, JobId, LookId, Outcome};
pub use priority::Priority;

use crate::checkpoints::{Library, PackedFolder};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Networks recurse little, but tensor libraries and decoders keep blocks of numbers on the stack.
const STACK_BYTES: usize = 16 << 20;

/// Starts the inference thread. What is packed of models' weights is kept in `packed`. `wake` is called from the thread after each event, and once
/// when it ends.
///
/// If the system refuses a thread the client is not alive from the start.
pub fn spawn(
    library: Library,
    priority: Priority,
    memory: Memory,
    packed: Option<PackedFolder>,
    wake: impl Fn() + Send + 'static,
) -> Client {
    let library = Arc::new(library);
    priority.take_threads();
    if let Some(packed) = &packed {
        packed.tidy();
    }
    Client::started(wake, move |peer| {
        let (library, packed) = (Arc::clone(&library), packed.clone());
        let work = move || {
            priority.take();
            let mut studio = studio::Studio::new(library, memory, packed);
            // Caught so that the peer is not dropped while the thread unwinds: its end must wake the client.
            if catch_unwind(AssertUnwindSafe(|| thread::serve(&peer, &mut studio))).is_err() {
                tracing::error!("the inference thread ends: it panicked");
            }
            drop(studio);
            drop(peer);
        };
        let thread = std::thread::Builder::new().name("inference".to_owned()).stack_size(STACK_BYTES);
        if let Err(error) = thread.spawn(work) {
            tracing::error!("the inference thread could not be started: {error}");
        }
    })
}

/// Why a job or a model failed, in words for the person at the window.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No model of this name.
    #[error("there is no model named {0}")]
    UnknownModel(String),
    /// The model cannot be found or its files cannot be used.
    #[error(transparent)]
    Model(#[from] crate::checkpoints::Error),
    /// A CLIP could not look or read.
    #[error(transparent)]
    Meaning(#[from] crate::meaning::Error),
    /// The run failed.
    #[error(transparent)]
    Paint(#[from] crate::diffusion::Error),
    /// The device that was asked for is not there.
    #[error("the networks cannot compute there: {0}")]
    NoDevice(#[source] candle_core::Error),
    /// A mistake in this program; the message is the panic's.
    #[error("the work broke off because of a mistake in this program: {0}")]
    Panicked(String),
    /// Whoever wanted the picture has gone.
    #[error(transparent)]
    Gone(#[from] Gone),
}

impl Error {
    /// What the person can do about it beyond what the sentence itself says, without a full stop.
    pub fn next_step(&self) -> Option<&'static str> {
        match self {
            Self::Model(crate::checkpoints::Error::NoPrecision(_) | crate::checkpoints::Error::NoPrecisionOnGpu(_))
            | Self::Meaning(_)
            | Self::Paint(_)
            | Self::Gone(_) => None,
            Self::NoDevice(_) => {
                Some("`--device cpu` computes on the CPU; without `--device` a GPU is used only if there is one")
            }
            Self::UnknownModel(_) | Self::Model(_) => Some("`sfumato models` lists the models that can be used"),
            Self::Panicked(_) => Some("try again, and report it with the settings if it comes back"),
        }
    }
}
