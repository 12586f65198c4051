//! What the model does with what is there: named, and chosen, by what is masked and by the strength, as painters say it.

use super::{Draft, Session};
use crate::diffusion::{Input, MaskedContent, Request};
use crate::geom::Extent;
use crate::paint::{Document, Edit, Frame, Side};

/// A way to paint with the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A picture from noise, whatever is there.
    Generate,
    /// What is there as the words say to change it, by a model that was taught to.
    Edit,
    /// On from what is there, by the strength.
    Refine,
    /// The mask from noise, whatever is there.
    Fill,
    /// The mask from what lies around it, without words: what was there goes.
    Remove,
    /// Room at a side of the canvas, painted from what lies beside it.
    Expand(Side),
}

impl Way {
    /// What it is called.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Generate => "Generate",
            Self::Edit => "Edit",
            Self::Refine => "Refine",
            Self::Fill => "Fill",
            Self::Remove => "Remove",
            Self::Expand(Side::Left) => "Expand to the left",
            Self::Expand(Side::Right) => "Expand to the right",
            Self::Expand(Side::Top) => "Expand upwards",
            Self::Expand(Side::Bottom) => "Expand downwards",
        }
    }

    /// What it does, in a sentence.
    pub const fn about(self) -> &'static str {
        match self {
            Self::Generate => "Paints from the words alone, over whatever is there.",
            Self::Edit => "Changes what is there as the words say.",
            Self::Refine => "Paints on from what is there; the strength says how far from it.",
            Self::Fill => "Paints the mask from the words, whatever lies under it.",
            Self::Remove => "Takes what is masked away: paints the mask from what lies around it, without words.",
            Self::Expand(_) => "Makes the canvas larger at this side and paints what is new.",
        }
    }
}

impl Draft {
    /// How strongly what a mask removes is painted, from the colours around it: enough for their texture, not for other things.
    const REMOVING: f64 = 0.6;
    /// How strongly what is new of a canvas is painted, from the colours beside it.
    const EXPANDING: f64 = 0.95;

    /// Whether a request without words took away what was masked.
    pub(super) fn removes<P, M>(request: &Request<P, M>) -> bool {
        let is_near = |a: f64, b: f64| (a - b).abs() < 1e-6;
        let removes = |input: &Input<P, M>| {
            input.mask.is_some() && input.masked == MaskedContent::Fill && is_near(input.strength, Self::REMOVING)
        };
        is_near(request.guidance_scale, 1.0) && request.input.as_ref().is_some_and(removes)
    }

    /// The draft as it is painted this way, without what the way leaves out.
    pub(super) fn painted_as(&self, way: Way, document: &Document, native: Extent) -> Self {
        let draft = self.clone();
        match way {
            Way::Generate | Way::Fill => Self { strength: 1.0, ..draft },
            Way::Edit => draft,
            Way::Refine if self.strength < 1.0 => draft,
            Way::Refine => Self { strength: Self::default().strength, ..draft },
            Way::Remove => Self {
                prompt: String::new(),
                negative_prompt: String::new(),
                styles: Vec::new(),
                guidance_scale: 1.0,
                strength: Self::REMOVING,
                masked: MaskedContent::Fill,
                ..draft
            },
            // As much of what is there as the model sees at once, in its own size.
            Way::Expand(_) => Self {
                strength: Self::EXPANDING,
                masked: MaskedContent::Fill,
                bounds: None,
                only_masked: document.extent().area() > native.area() * 2,
                padding: self.padding.max(native.width.min(native.height) / 2),
                ..draft
            },
        }
    }
}

/// What a document has nothing of.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lacks {
    /// There is nothing but paper anywhere.
    pub(super) anything: bool,
    /// There is nothing under the mask.
    pub(super) below_mask: bool,
}

impl Session {
    /// The way in which Generate paints now: on from a picture, or anew, the mask or all, where there is nothing to go on from or at
    /// strength 1.
    pub fn way(&self) -> Way {
        let is_whole = self.draft.strength >= 1.0;
        match (self.document.has_picture(), self.document.masks_anything()) {
            (false, _) => Way::Generate,
            (true, _) if self.model().is_some_and(|model| model.edits) => Way::Edit,
            (true, true) if is_whole || self.lacks.anything || self.lacks.below_mask => Way::Fill,
            (true, false) if is_whole || self.lacks.anything => Way::Generate,
            (true, _) => Way::Refine,
        }
    }

    /// The ways that are possible now beside that, in the order in which they are offered.
    pub fn other_ways(&self) -> Vec<Way> {
        let mut ways = match (self.document.has_picture(), self.document.masks_anything()) {
            (false, _) => Vec::new(),
            _ if self.way() == Way::Edit => return Vec::new(),
            (true, false) => vec![Way::Refine, Way::Generate],
            (true, true) => vec![Way::Refine, Way::Fill, Way::Remove],
        };
        ways.retain(|way| *way != self.way());
        if self.document.has_picture() {
            ways.extend([Side::Right, Side::Left, Side::Top, Side::Bottom].map(Way::Expand));
        }
        ways
    }

    /// How much room is made at a side, in pixels: as much as was chosen, in the model's steps.
    pub fn room_at(&self, side: Side) -> u32 {
        let (canvas, native) = (self.document.extent(), self.native_extent());
        let (along, most) =
            if side.is_across() { (canvas.width, native.width) } else { (canvas.height, native.height) };
        // Half of what the model sees is what was there.
        let room = self.palette.room.unwrap_or(along.min(most) / 2);
        Extent::new(room, 8).rounded_to(8).width
    }

    /// Makes room where the way needs it. Returns whether it can be painted.
    pub(super) fn prepared_for(&mut self, way: Way) -> bool {
        let Way::Expand(side) = way else { return true };
        if !self.adopt_shown_result() {
            return false;
        }
        let (canvas, room) = (self.document.extent(), self.room_at(side));
        let revision = self.document.revision();
        self.edit(Edit::Expand { side, room });
        if self.document.revision() == revision {
            return false;
        }
        let moved = self.draft.bounds.and_then(|bounds| Frame::with_room(canvas, side, room).moved(bounds, canvas));
        self.set_bounds(moved);
        true
    }

    /// Looks again at what there is to go on from, under the mask and at all, once the document has changed.
    pub(super) fn look_below_the_mask(&mut self) {
        let revision = self.document.revision();
        if self.looked_below != Some(revision) && self.document.to_mix().is_none() {
            self.looked_below = Some(revision);
            let document = &self.document;
            self.lacks = Lacks { anything: document.is_blank(), below_mask: document.masks_nothing_below() };
        }
    }
}
