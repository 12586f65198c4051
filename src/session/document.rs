//! What the person does to the document, and what opens into it.

use super::current::{Before, took_the_place};
use super::files::{Opened, Task, size_that_fits};
use super::part::Part;
use super::recipe::Recipe;
use super::{Action, Notices, Offer, ResultId, SavedAs, Session, Viewed};
use crate::diffusion::Request;
use crate::geom::{Bounds, Extent};
use crate::paint::{
    self, Beside, Document, Edit, Frame, LayerEdit, LayerId, LayerKind, LayerLook, MaskEdit, Painting, Stack, Tiles,
    Tool,
};
use crate::pixels::{Mask, Picture};
use std::path::PathBuf;
use std::sync::Arc;

const NOTHING_TO_MASK: &str = "There is nothing to mask yet: paint or open a picture first";
/// From how many times the pixels that the model paints best a smaller size is offered.
const MUCH_LARGER: usize = 4;

/// The document that was put away. Layers and a mask that do not fit each other keep the layers.
pub(super) fn restored(
    layers: Option<(Extent, Stack)>,
    mask: Option<&Mask>,
    extent: Extent,
    notices: &mut Notices,
) -> Document {
    // The draft's size may come from a file that says anything; an empty mask of it must fit into memory.
    let most = Request::<(), ()>::MAX_SIDE;
    let extent = Extent::new(extent.width.min(most), extent.height.min(most)).rounded_to(8);
    let (extent, stack) = layers.unwrap_or_else(|| (mask.map_or(extent, Mask::extent), Stack::default()));
    Document::with_layers(extent, stack.clone(), mask.cloned()).unwrap_or_else(|error| {
        notices.error(format!("The mask could not be restored: {error}"));
        Document::with_layers(extent, stack, None).unwrap_or_else(|error| {
            notices.error(format!("The layers could not be restored: {error}"));
            Document::new(Extent::new(8, 8))
        })
    })
}

impl Session {
    /// Carries out an edit and shows the document; what cannot be done is told.
    pub(super) fn edit(&mut self, edit: Edit) {
        self.document.keep_beside(self.beside());
        match self.document.apply(edit) {
            Ok(_) => self.view_document(),
            Err(error @ paint::Error::NextToNothing) => {
                self.notices.passing(sentence(&error.to_string()));
            }
            Err(error) => {
                self.notices.failed(sentence(&error.to_string()));
            }
        }
    }

    fn beside(&self) -> Beside {
        Beside { area: self.draft.bounds, opened: self.opened }
    }

    /// Puts the mask onto a layer that all brushes paint on; or takes what is on such a layer as the mask, if it is painted on now.
    pub(super) fn quick_mask(&mut self) {
        if !self.adopt_shown_result() {
            return;
        }
        let Some(active) = self.document.stack().active().cloned() else {
            self.notices.passing(NOTHING_TO_MASK);
            return;
        };
        if active.look.kind == LayerKind::Mask {
            self.edit(Edit::LayerToMask(active.id));
            return;
        }
        self.edit(Edit::MaskToLayer);
        if !(self.tool.is_paint() || matches!(self.tool, Tool::Bucket | Tool::Gradient)) {
            self.tool = Tool::Brush;
        }
    }

    /// An edit of the mask. What is painted on is what gets repainted: a shown result becomes the document's picture first.
    pub(super) fn edit_mask(&mut self, edit: Edit) {
        if !self.adopt_shown_result() {
            return;
        }
        if !self.document.has_picture() {
            self.notices.passing(NOTHING_TO_MASK);
            return;
        }
        self.edit(edit);
    }

    /// Makes a shown result a layer of the document, or if it does not fit there the document's picture, as one step of undo. Returns
    /// whether the document is what is worked on now.
    pub(super) fn adopt_shown_result(&mut self) -> bool {
        let Viewed::Result(id, picture, part) = &self.view.what else { return true };
        let (picture, part) = (Arc::clone(picture), part.clone());
        let (was, extent) = (self.document.extent(), picture.extent());
        let fits = match &part {
            Some(part) if !part.is_whole() => self.fits(part),
            _ => extent == was,
        };
        if fits && self.document.has_picture() {
            let look = self.look_of(*id);
            self.apply_result(look, &picture, part.as_ref());
            return true;
        }
        let look = self.look_of(*id);
        let replaces = self.begin_with_result(picture, look, None);
        let is_adopted = matches!(self.view.what, Viewed::Document);
        if replaces && is_adopted {
            let offer = self.offer_of_what_was();
            self.notices.offering(format!("The result, {extent}, took the place of the canvas, {was}"), vec![offer]);
        }
        is_adopted
    }

    /// Makes a result the only layer, and the box that is painted scales along. Where there were layers, it is a document of its own:
    /// their file stays theirs, and is back when they are; and if there was more in them than was saved, this is said. Returns whether
    /// there were.
    pub(super) fn begin_with_result(&mut self, picture: Arc<Picture>, look: LayerLook, said: Option<String>) -> bool {
        let (edit, was) = (Edit::SetLayer(picture, look), self.document.extent());
        if !self.document.has_picture() {
            self.edit(edit);
            return false;
        }
        let replaces = self.replace(edit, None, said);
        if replaces {
            self.scale_bounds(was);
        }
        replaces
    }

    /// A layer for a result, which says how that was made as far as it is known.
    pub(super) fn look_of(&self, id: ResultId) -> LayerLook {
        let listed = || self.results.get(id).map(|item| item.prompt.clone()).unwrap_or_default();
        let named = || LayerLook { kind: LayerKind::Result, ..LayerLook::named(listed()) };
        self.results.in_memory(id).map_or_else(named, |finished| finished.look())
    }

    /// Makes the document what is painted on: a shown result becomes its picture, and where there is none, it gets paper.
    ///
    /// Returns whether it can be painted on; if not, the person is told why.
    pub(super) fn begin_painting(&mut self) -> bool {
        if !self.adopt_shown_result() {
            return false;
        }
        if !self.document.has_picture() {
            self.edit(Edit::TakePaper(self.draft.extent.rounded_to(8)));
        }
        self.view_document();
        let can = self.document.can_be_painted_on();
        if let Err(error) = &can {
            self.notices.failed(sentence(&error.to_string()));
        }
        can.is_ok()
    }

    /// Takes over a stroke of the paint brush.
    pub(super) fn take_painting(&mut self, painting: Box<Painting>) {
        if painting.has_colour() {
            self.palette.note_use();
        }
        let is_kept_out = painting.is_kept_out();
        self.edit(Edit::Paint(painting));
        // Once for a mask: it is seen where paint ends.
        if is_kept_out && self.told_of_mask != Some(self.document.mask_number()) {
            self.tell_of_mask();
        }
    }

    /// Says that the mask keeps out what is beside it.
    pub(super) fn tell_of_mask(&mut self) {
        self.told_of_mask = Some(self.document.mask_number());
        let offer = |label: &str, action| Offer { label: label.into(), action };
        let offers = vec![
            offer("Take the mask away", Action::ClearMask),
            offer("Paint beside it, too", Action::SetKeepsWithin(false)),
        ];
        self.notices.offering("The mask keeps paint inside it", offers);
    }

    /// Cuts the canvas or makes room; the box that is painted stays over what it lay over.
    pub(super) fn reframe(&mut self, frame: Frame) {
        let (was, revision) = (self.document.extent(), self.document.revision());
        self.edit(Edit::Reframe(frame));
        if self.document.revision() != revision {
            let moved = self.draft.bounds.and_then(|bounds| frame.moved(bounds, was));
            self.set_bounds(moved);
        }
    }

    /// Scales all layers and the mask; the box that is painted scales along.
    pub(super) fn resize(&mut self, to: Extent) {
        let was = self.document.extent();
        self.edit(Edit::SetExtent(to));
        self.scale_bounds(was);
    }

    /// Scales the box that is painted along with the document, which was of this size.
    fn scale_bounds(&mut self, was: Extent) {
        let to = self.document.extent();
        if to == was {
            return;
        }
        let along = |start: u32, side: u32, was: u32, is: u32| {
            let at = |place: u32| (u64::from(place) * u64::from(is) / u64::from(was.max(1))) as u32;
            (at(start), at(start + side).max(at(start) + 1) - at(start))
        };
        let scaled = self.draft.bounds.map(|Bounds { left, top, extent }| {
            let (left, width) = along(left, extent.width, was.width, to.width);
            let (top, height) = along(top, extent.height, was.height, to.height);
            Bounds { left, top, extent: Extent::new(width, height) }
        });
        self.set_bounds(scaled);
    }

    /// Puts a result over the document as a layer: where it was painted, or all of it scaled to the document; where there is none, it is
    /// the first layer.
    pub(super) fn apply_result(&mut self, look: LayerLook, picture: &Arc<Picture>, part: Option<&Part>) {
        if let Some(part) = part.filter(|part| self.fits(part) && part.belongs_over(&self.document, picture)) {
            let tiles = part.layer(picture);
            self.edit(if self.fills_new_room(part) {
                Edit::LayerForMask { look, tiles }
            } else {
                Edit::Layer(LayerEdit::Insert { look, tiles })
            });
            return;
        }
        if !self.document.has_picture() {
            self.edit(Edit::SetLayer(Arc::clone(picture), look));
            return;
        }
        let (extent, was) = (self.document.extent(), picture.extent());
        if let Some(part) = part.filter(|part| !part.is_whole()) {
            let of = part.place.of;
            self.notices.info(format!(
                "This result is a part of a canvas of {of}, and the canvas is {extent} now: give the canvas its size back, or start \
                 from the result as a picture of its own"
            ));
            return;
        }
        let fits = if was == extent { Arc::clone(picture) } else { Arc::new(picture.resized(extent)) };
        self.edit(Edit::Layer(LayerEdit::Insert { look, tiles: Tiles::of(&fits) }));
        if was != extent {
            self.notices.info(format!("The result is {was}; it was scaled to the picture's {extent}"));
        }
    }

    /// Whether a part was painted through the mask that came with new room of the canvas.
    fn fills_new_room(&self, part: &Part) -> bool {
        self.document.masks_room() && part.mask_on_canvas(&mut None).is_some_and(|mask| *mask == *self.document.mask())
    }

    pub(super) fn view_document(&mut self) {
        self.live.step_back();
        self.view.what = Viewed::Document;
        self.view.wanted = None;
        self.view.stays = self.jobs.running.is_some();
    }

    pub(super) fn undo(&mut self) {
        self.document.keep_beside(self.beside());
        if self.document.undo() {
            self.take_beside(None);
        }
    }

    /// Takes back what was done as long as this is kept with the document.
    pub(super) fn undo_while(&mut self, goes_on: impl Fn(&Beside) -> bool) {
        let before = self.before();
        self.document.keep_beside(self.beside());
        while goes_on(self.document.beside()) && self.document.undo() {}
        self.take_beside(Some(before));
    }

    pub(super) fn redo(&mut self) {
        let is_another = self.document.leads_on_to().is_some_and(|beside| beside.opened != self.opened);
        let before = is_another.then(|| self.before());
        self.document.keep_beside(self.beside());
        if self.document.redo() {
            self.take_beside(before);
        }
    }

    /// Goes on with what is kept with the document. What was there before may be another one, with more in it than was saved: what was
    /// taken back step by step does not count.
    fn take_beside(&mut self, before: Option<Before>) {
        let Beside { area, opened } = *self.document.beside();
        if self.opened != opened {
            self.take_left(opened, before);
        }
        self.draft.bounds = area;
        self.view_document();
    }

    /// Takes the newest change back as though it had not been made.
    pub(super) fn forget_newest(&mut self) {
        self.document.keep_beside(self.beside());
        self.document.forget_newest();
        self.take_beside(None);
    }

    /// Starts from a picture that was opened, and says what was done to it.
    pub(super) fn take_picture(&mut self, opened: Opened) {
        let Opened { name, picture, was, found } = opened;
        let extent = picture.extent();
        self.begin_another(Edit::SetLayer(picture, LayerLook::named(name.clone())), None, Some(took_the_place(&name)));
        let mut said = Vec::new();
        let mut offers = Vec::new();
        if extent != was {
            said.push(format!("{name} is {was}; it was scaled to {extent}, the largest that can be opened"));
        }
        if let Some(best) = self.model().map(|model| model.example.extent)
            && extent.area() > best.area() * MUCH_LARGER
        {
            said.push(format!("The model {} paints best at about {best}, and {extent} takes long", self.draft.model));
            offers.push(Offer { label: "Scale it down".into(), action: Action::FitPicture });
        }
        self.found_settings = found.is_some();
        self.found = found;
        if self.found_settings {
            said.push(format!("{name} says how it was made"));
            offers.push(Offer { label: "Use its settings".into(), action: Action::UseSettings });
        }
        if !said.is_empty() {
            self.notices.offering(said.join(". "), offers);
        }
    }

    /// Takes all layers away: the next picture starts from noise.
    pub(super) fn close_picture(&mut self) {
        self.begin_another(Edit::SetPicture(None), None, Some("What was closed was not saved".into()));
    }

    /// Puts a picture over the layers, in the middle and no larger than they are; where there are none, it is started from.
    pub(super) fn take_layer(&mut self, opened: Opened) {
        if !self.document.has_picture() {
            self.take_picture(opened);
            return;
        }
        let Opened { name, mut picture, was, .. } = opened;
        let canvas = self.document.extent();
        let share = |room: u32, side: u32| f64::from(room) / f64::from(side.max(1));
        let scale = share(canvas.width, was.width).min(share(canvas.height, was.height));
        if scale < 1.0 {
            let side = |side: u32| ((f64::from(side) * scale).round() as u32).max(1);
            picture = Arc::new(picture.resized(Extent::new(side(was.width), side(was.height))));
            self.notices.passing(format!("{name} is {was}; it was scaled to {}", picture.extent()));
        }
        let tiles = Tiles::of(&picture).framed(Frame::anchored(canvas, picture.extent(), 1, 1));
        self.edit(Edit::Layer(LayerEdit::Insert { look: LayerLook::named(name), tiles }));
    }

    /// Scales the open picture to about as many pixels as the chosen model paints best.
    pub(super) fn fit_picture(&mut self) {
        let Some(model) = self.model().filter(|_| self.document.has_picture()) else {
            return;
        };
        let (extent, best) = (self.document.extent(), model.example.extent);
        let scale = (best.area() as f64 / extent.area() as f64).sqrt().min(1.0);
        let longest = f64::from(extent.width.max(extent.height)) * scale;
        let fits = size_that_fits(extent, Extent::new(longest.round() as u32, 8).rounded_to(8).width);
        self.edit(Edit::SetExtent(fits));
    }

    /// Puts the settings of what was applied to a layer last into the draft.
    pub(super) fn recall_layer(&mut self, layer: LayerId) {
        let Some(recipe) = self.document.stack().get(layer).and_then(|layer| Recipe::on(&layer.look)) else {
            self.notices.passing("Nothing is known of how this layer was made");
            return;
        };
        self.recall_into_draft(&recipe.request);
        let of = self.document.extent();
        let place = recipe.request.place().filter(|place| place.of == of);
        self.set_bounds(place.map(|place| place.bounds));
    }

    /// White paper of this size under an empty layer, in the place of what is there.
    pub(super) fn new_canvas(&mut self, extent: Extent) {
        let edit = Edit::TakeLayers { extent, stack: Stack::paper(extent), mask: None };
        if !self.begin_another(edit, None, Some(took_the_place("The new canvas"))) {
            return;
        }
        self.hints.clear();
        self.set_bounds(None);
    }

    /// Writes the mask to a PNG file, white where it repaints.
    pub(super) fn save_mask(&mut self, path: PathBuf) {
        if !self.document.masks_anything() {
            self.notices.passing("There is no mask to save: paint one first");
            return;
        }
        let path = SavedAs::Mask.file(path);
        self.ask_files(Task::SaveMask { path, mask: self.document.whole_mask() });
    }

    pub(super) fn take_mask(&mut self, name: &str, mask: Mask) {
        if !self.adopt_shown_result() {
            return;
        }
        let (expected, found) = (self.document.extent(), mask.extent());
        if self.document.has_picture() && expected != found {
            let said = format!(
                "{name} was not opened: the mask is {found}, but the picture is {expected}; scale one to the other"
            );
            self.notices.failed(said);
            return;
        }
        self.edit_mask(Edit::Mask(MaskEdit::Replace(mask)));
    }

    pub(super) fn ask_files(&mut self, task: Task) {
        if !self.files.send(task) {
            self.note_broken_off();
            self.notices
                .error("The thread that reads and writes files has ended: start Sfumato again, nothing is lost");
        }
    }
}

/// The same words with a large first letter.
pub(super) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
