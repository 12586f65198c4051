//! Once a picture is painted: it is enlarged, and refined by painting it again.

use super::{Extras, Halt, OnProgress, Run};
use crate::diffusion::{Ending, Input, Painted, Progress, Reproduce, Request, Stop, Upscale, upscale};
use std::ops::ControlFlow::{Break, Continue};
use std::sync::Arc;

impl Run<'_> {
    /// Enlarges the picture if the request says so and nobody wants it sooner. Gives whether a step was left out.
    pub(super) fn enlarge(
        &self,
        painted: &mut Painted,
        stopped: bool,
        on_progress: OnProgress<'_>,
    ) -> Result<bool, Halt> {
        let (Some(Upscale { factor, refine, .. }), Some(upscaler)) = (&self.request.upscale, self.extras.upscaler)
        else {
            return Ok(stopped);
        };
        let stop = Break(Stop::Keep);
        match if stopped { stop } else { upscale(&painted.picture, upscaler, *factor, on_progress)? } {
            Continue(picture) => {
                painted.picture = Arc::new(picture);
                if let Some(strength) = refine {
                    return self.refine(painted, *strength, on_progress);
                }
            }
            Break(Stop::Discard) => return Err(Halt::Discarded),
            Break(Stop::Keep) => {
                painted.request.upscale = None;
                painted
                    .notes
                    .push("it was stopped before it was upscaled, and is as large as it was painted".to_owned());
            }
        }
        Ok(stopped)
    }

    /// Paints again, from the enlarged picture. Gives whether a step was left out.
    fn refine(&self, painted: &mut Painted, strength: f64, on_progress: OnProgress<'_>) -> Result<bool, Halt> {
        let extent = self.request.picture_extent();
        let mask = self.request.input.as_ref().and_then(|input| input.mask.as_ref());
        let mask = mask.map(|mask| Arc::new(mask.resized(extent)));
        let asked = |what: fn(&Input) -> bool| self.request.input.as_ref().is_some_and(what);
        let (soft_mask, match_colours) = (asked(|input| input.soft_mask), asked(|input| input.match_colours));
        let picture = Arc::new(painted.picture.resized(extent));
        let input = Some(Input { match_colours, soft_mask, ..Input::new(picture, strength, mask) });
        // Where they count steps otherwise than diffusers, other programs make all of them here.
        let reproduce = Reproduce { exact_steps: true, ..self.request.reproduce };
        let request = Request { extent, input, reproduce, upscale: None, hints: Vec::new(), ..self.request.clone() };
        let extras = Extras { hints: None, ..self.extras };
        let mut asked = None;
        let mut on_progress = |progress: Progress<'_>| {
            let flow = on_progress(progress);
            asked = flow.break_value();
            flow
        };
        match Run::new(self.model, extras, &request)?.paint(&mut on_progress) {
            Ok(Ending::Finished(refined)) => {
                painted.picture = refined.picture;
                Ok(false)
            }
            Ok(Ending::Stopped(refined)) => {
                painted.picture = refined.picture;
                let (made, count) = (refined.steps_made, request.steps_to_run());
                painted.notes.push(format!("it was stopped after {made} of the {count} steps that refine it"));
                Ok(true)
            }
            // Before the first step there is the enlarged picture to keep.
            Ok(Ending::Discarded) | Err(Halt::Discarded) if asked == Some(Stop::Keep) => {
                if let Some(upscale) = &mut painted.request.upscale {
                    upscale.refine = None;
                }
                painted.notes.push("it was stopped before it was refined".to_owned());
                Ok(false)
            }
            Ok(Ending::Discarded) | Err(Halt::Discarded) => Err(Halt::Discarded),
            Err(failed) => Err(failed),
        }
    }
}
