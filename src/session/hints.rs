//! Painting into a picture while it is drawn.

use super::Session;
use super::part::Part;
use crate::diffusion::{Hint, Request};
use crate::engine::JobId;
use crate::geom::{Bounds, Extent};
use crate::paint::Tiles;
use std::sync::Arc;

impl Session {
    /// Sends what was painted to the run, for its next step.
    pub(super) fn paint_in(&mut self, job: JobId, strokes: Tiles) {
        let Some(running) = self.jobs.running(job).filter(|running| running.hints.is_some()) else {
            self.notices.passing("The picture had its last step before the stroke ended: nothing was painted in");
            return;
        };
        let Some((hint, into)) = hint_of(&running.request, &strokes).zip(running.hints.as_ref()) else {
            if strokes.content().is_some() {
                self.notices.passing("The stroke lies beside what is being painted: nothing was painted in");
            }
            return;
        };
        // A job that is left unfinished is kept with what was painted into it, at the step for which it came.
        running.request.hints.push(Hint { step: running.steps_made.max(1), ..hint.clone() });
        running.painted_in.push(strokes);
        // An engine that is gone is told about elsewhere.
        into.send(hint).unwrap_or_default();
        self.jobs.changes += 1;
        self.palette.note_use();
    }
}

/// What of the strokes, as large as the canvas shows the picture, lies in the picture, at the size at which that is painted.
fn hint_of(request: &Request, strokes: &Tiles) -> Option<Hint> {
    let within = Part::of(request)
        .filter(|part| part.place.of == strokes.extent())
        .map_or(Bounds::whole(strokes.extent()), |part| part.place.bounds);
    let bounds = strokes.content()?.intersection(within)?;
    let picture = strokes.cropped(bounds);
    let along = |start: u32, side: u32, of: u32, to: u32| {
        let (of, to) = (u64::from(of.max(1)), u64::from(to));
        let first = (u64::from(start) * to / of).min(to.saturating_sub(1));
        let behind = (u64::from(start + side) * to).div_ceil(of).clamp(first + 1, to.max(first + 1));
        (first as u32, (behind - first) as u32)
    };
    let (of, to) = (within.extent, request.extent);
    let (left, width) = along(bounds.left - within.left, bounds.extent.width, of.width, to.width);
    let (top, height) = along(bounds.top - within.top, bounds.extent.height, of.height, to.height);
    let extent = Extent::new(width, height);
    let picture = if extent == bounds.extent { picture } else { picture.resized(extent) };
    Some(Hint { step: 0, left, top, picture: Arc::new(picture) })
}
