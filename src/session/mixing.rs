//! What is seen of many large layers is put together on a thread of its own while their look changes; the canvas shows what was seen
//! before until it is there.

use super::document::sentence;
use super::worker::Worker;
use super::{Session, Wake};
use crate::paint::{Mixed, Mixing};

/// The thread, and whether it is at work.
#[derive(Debug)]
pub(super) struct Mixer {
    worker: Worker<Mixing, Mixed>,
    is_busy: bool,
}

pub(super) fn start(wake: Wake) -> Mixer {
    Mixer {
        worker: Worker::spawn("mixing", wake, || (), |(), mixing: Mixing, tell| tell(mixing.mix())),
        is_busy: false,
    }
}

impl Session {
    /// Takes what was put together, and asks for what is to be.
    pub(super) fn mix_on(&mut self) {
        while let Some(answer) = self.mixer.worker.next() {
            self.mixer.is_busy = false;
            match answer {
                Ok(mixed) => self.document.take_mixed(mixed),
                Err(broken) => {
                    self.notices.error(sentence(&broken.to_string()));
                    self.document.flat();
                }
            }
        }
        if self.mixer.is_busy {
            return;
        }
        if let Some(mixing) = self.document.to_mix() {
            self.mixer.is_busy = self.mixer.worker.send(mixing);
            if !self.mixer.is_busy {
                self.document.flat();
            }
        }
    }
}
