//! Enlarging: what the draft may name, and a larger result of a result that is there.

use super::document::sentence;
use super::jobs::AlreadyPainted;
use super::results::Finished;
use super::{RESTARTS, ResultItem, Session};
use crate::diffusion::{Request, Upscale};
use std::sync::Arc;

impl Session {
    /// By what a result would be enlarged: as the draft says, else by the preferred upscaler. None where there is none.
    pub fn upscale_to_use(&self) -> Option<&Upscale> {
        self.draft.upscale.as_ref().or(self.upscalers.first())
    }

    /// Whether there is something to make a larger picture of a listed result with, and it was not made larger before.
    pub fn can_upscale(&self, item: &ResultItem) -> bool {
        !self.upscalers.is_empty() && !item.upscaled && !item.missing
    }

    /// Takes an upscaler out of the draft that is not there (any more).
    pub(super) fn forget_missing_upscaler(&mut self) {
        let is_there = |wanted: &Upscale| self.upscalers.iter().any(|upscaler| upscaler.upscaler == wanted.upscaler);
        if let Some(gone) = self.draft.upscale.take_if(|wanted| !is_there(wanted)) {
            let said =
                format!("The upscaler {} is not there any more: pictures stay as they are painted", gone.upscaler);
            self.notices.info(said);
        }
    }

    /// Queues what makes a larger picture of a result. Its request is the one that would have painted it larger at once, and so are
    /// its bytes.
    pub(super) fn upscale(&mut self, finished: &Finished) {
        let Some(upscale) = self.upscale_to_use().cloned() else {
            self.notices.failed("There is no upscaler: put one (.pth or .safetensors) into the folder “upscalers” in the folder of models");
            return;
        };
        if let Some(before) = &finished.request.upscale {
            self.notices.info(format!("This result was upscaled already, {} times", before.factor));
            return;
        }
        // Only enlarging is left to do: to refine it, one starts from the larger result.
        let upscale = Upscale { refine: None, ..upscale };
        let request = Request { upscale: Some(upscale), ..(*finished.request).clone() };
        match request.checked() {
            Ok(request) => {
                let painted =
                    AlreadyPainted { picture: Arc::clone(&finished.picture), steps_made: finished.steps_made };
                self.restarts_left = RESTARTS;
                if self.jobs.count() == 0 {
                    self.view.stays = false;
                }
                self.jobs.push_painted(request, Some(painted));
            }
            Err(why) => {
                self.notices.failed(sentence(&why.to_string()));
            }
        }
    }
}
