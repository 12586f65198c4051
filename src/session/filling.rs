//! What the bucket fills on large layers is found on a thread of its own. Whatever is done next comes after it, and waits for it.

use super::document::sentence;
use super::worker::{Broken, Worker};
use super::{Session, Wake};
use crate::paint::{self, Filling, Painting};

/// From how many pixels on it takes longer than there is between two frames.
const LARGE: usize = 2048 * 2048;

const THREAD: &str = "filling";

type Filled = Result<Box<Painting>, paint::Error>;

/// The thread, and whether it is at work.
#[derive(Debug)]
pub(super) struct Filler {
    worker: Worker<Filling, Filled>,
    is_busy: bool,
}

pub(super) fn start(wake: Wake) -> Filler {
    Filler {
        worker: Worker::spawn(THREAD, wake, || (), |(), filling: Filling, tell| tell(filling.fill().map(Box::new))),
        is_busy: false,
    }
}

impl Session {
    /// Fills what looks like this pixel. Nothing where the mask keeps paint away from it.
    pub(super) fn fill(&mut self, x: u32, y: u32) {
        if !self.begin_painting() {
            return;
        }
        if self.lies_beside_mask(x, y) {
            // Each time: nothing else is seen of it.
            self.tell_of_mask();
            return;
        }
        let filling = Filling::new(&self.document, self.palette.bucket(), x, y);
        if self.document.extent().area() < LARGE {
            self.take_filled(Ok(filling.fill().map(Box::new)));
        } else {
            self.filler.is_busy = self.filler.worker.send(filling);
            if !self.filler.is_busy {
                self.take_filled(Err(Broken { thread: THREAD }));
            }
        }
    }

    /// Whether the mask keeps what paints away from this pixel.
    fn lies_beside_mask(&self, x: u32, y: u32) -> bool {
        let mask = self.document.stack().active().and_then(|layer| self.document.confines(layer));
        let width = self.document.extent().width;
        let at = (x < width).then_some(y as usize * width as usize + x as usize);
        mask.zip(at).is_some_and(|(mask, at)| mask.coverage().get(at) == Some(&0))
    }

    /// Takes what was filled, once it is there.
    pub(super) fn fill_on(&mut self) {
        if let Some(filled) = self.filler.worker.next() {
            self.take_filled(filled);
        }
    }

    /// Waits for what is being filled.
    pub(super) fn finish_filling(&mut self) {
        if !self.filler.is_busy {
            return;
        }
        match self.filler.worker.wait() {
            Some(filled) => self.take_filled(filled),
            None => self.filler.is_busy = false,
        }
    }

    fn take_filled(&mut self, filled: Result<Filled, Broken>) {
        self.filler.is_busy = false;
        match filled {
            Ok(Ok(painting)) => self.take_painting(painting),
            Ok(Err(error)) => {
                self.notices.failed(sentence(&error.to_string()));
            }
            Err(broken) => {
                self.notices.error(sentence(&broken.to_string()));
            }
        }
    }
}
