//! What the person does to the document, and what opens into it.

use super::current::{Before, offer_to_keep, took_the_place};
use super::files::{Opened, Task, size_that_fits};
use super::part::Part;
use super::recipe::Recipe;
use super::{Action, Draft, KnownVae, Model, Notices, Offer, ResultId, SavedAs, Session, Viewed};
use crate::diffusion::{Request, Upscale};
use crate::geom::{Bounds, Extent};
use crate::metadata::{Found, Imported};
use crate::paint::{
    self, Beside, Document, Edit, Frame, LayerEdit, LayerId, LayerKind, LayerLook, MaskEdit, Painting, Stack, Tiles,
    Tool,
};
use crate::pixels::{Mask, Picture};
use crate::project::{self, Kind, Project};
use std::path::PathBuf;
use std::sync::Arc;

/// The longest prompt that is taken from a project, in characters.
const LONGEST_PROMPT: usize = Request::<(), ()>::MAX_PROMPT;
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
                self.notices.error(sentence(&error.to_string()));
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
            self.notices.error(sentence(&error.to_string()));
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
        self.replace(Edit::SetLayer(picture, LayerLook::named(name.clone())), None, Some(took_the_place(&name)));
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
        self.replace(Edit::SetPicture(None), None, Some("What was closed was not saved".into()));
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

    /// Writes the document to a file of its own. A name that ends otherwise gets the ending of one that can be gone on with.
    pub(super) fn save_project(&mut self, path: PathBuf) {
        if !self.document.has_picture() {
            self.notices.passing("There is nothing to save yet: paint or open a picture first");
            return;
        }
        let path = SavedAs::Project.file(path);
        let kind = Kind::of(&path).unwrap_or(Kind::Sfumato);
        let (project, saving) = (Box::new(self.project()), self.saving(kind));
        self.ask_files(Task::SaveProject { path, kind, project, saving });
    }

    /// All that a project's file holds. Its pixels are shared with the document.
    pub(super) fn project(&self) -> Project {
        Project {
            extent: self.document.extent(),
            stack: self.document.stack().clone(),
            mask: self.document.has_mask().then(|| Arc::clone(self.document.shared_mask())),
            masks_room: self.document.masks_room(),
            guide: self.guide.clone(),
            settings: serde_json::to_value(self.draft.storable()).ok(),
            file: None,
        }
    }

    /// Goes on with a project that was read: its layers, its mask, and, where it has them, its guide and what was to be painted next.
    pub(super) fn take_project(&mut self, name: &str, file: Option<PathBuf>, opened: project::Opened) {
        let project::Opened { project, mut notes } = opened;
        let Project { extent, stack, mask, masks_room, guide, settings, .. } = project;
        let edit = Edit::TakeLayers { extent, stack, mask: mask.map(Arc::unwrap_or_clone) };
        if !self.replace(edit, file, Some(took_the_place(name))) {
            return;
        }
        if masks_room {
            self.document.note_mask_of_room();
        }
        self.hints.clear();
        if let Some(settings) = settings {
            let before = self.draft.clone();
            let offer = offer_to_keep(before.clone(), self.guide.clone());
            let guide = guide.or_else(|| self.guide.clone());
            match serde_json::from_value::<Draft>(settings) {
                Ok(mut draft) => {
                    draft.prompt = draft.prompt.chars().take(LONGEST_PROMPT).collect();
                    draft.negative_prompt = draft.negative_prompt.chars().take(LONGEST_PROMPT).collect();
                    let ends = |start: u32, side: u32| start.checked_add(side).is_some();
                    let is_sound = |b: &Bounds| ends(b.left, b.extent.width) && ends(b.top, b.extent.height);
                    draft.bounds = draft.bounds.filter(is_sound);
                    self.take_settings(draft, guide);
                    if before != self.draft {
                        self.notices.offering(format!("{name} brings its own prompt and settings"), vec![offer]);
                    }
                }
                Err(error) => notes.push(format!("what was to be painted next could not be read: {error}")),
            }
        }
        if !notes.is_empty() {
            self.notices.info(format!("{name} was opened, but {}", notes.join("; ")));
        }
    }

    /// Takes over what is to be painted next, and what guides it.
    pub(super) fn take_settings(&mut self, draft: Draft, guide: Option<Arc<Picture>>) {
        self.history.remember(&self.draft.prompt);
        let before = std::mem::replace(&mut self.draft, draft).model;
        self.guide = guide;
        self.note_guide();
        self.set_bounds(self.draft.bounds);
        self.settled_on(before);
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
        if !self.replace(edit, None, Some(took_the_place("The new canvas"))) {
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
            self.notices.error(said);
            return;
        }
        self.edit_mask(Edit::Mask(MaskEdit::Replace(mask)));
    }

    /// Puts settings that were found into the draft.
    pub(super) fn take_found_settings(&mut self, name: &str, found: Option<Imported>) {
        if found.is_none() {
            self.notices.info(format!("{name} does not say how a picture was made"));
            return;
        }
        self.found = found;
        self.use_settings();
    }

    pub(super) fn use_settings(&mut self) {
        let Some(Imported { settings: found, differences, .. }) = self.found.take() else { return };
        self.found_settings = false;
        self.used_seed = None;
        self.hints.clear();
        self.hashing.wanted.clear();
        // What suits another model must not take the place of what the picture says.
        let said = self.choose_model_of(&found);
        let of = |draft: &Draft| (draft.borrowed.parts_from.clone(), draft.precision);
        let before = of(&self.draft);
        self.draft.take(&found);
        let said_of_vae = self.find_vae_of(&found);
        if of(&self.draft) != before {
            self.load_model();
        }
        if !differences.is_empty() {
            self.notices.info(format!("What may still differ from that picture: {}", differences.join("; ")));
        }
        for said in said.into_iter().chain(said_of_vae) {
            self.notices.info(said);
        }
        self.use_upscaler(&found);
        self.tell_of_missing_loras();
    }

    /// Chooses the model that a picture's text names: what it is counts more than what it is called. Gives what there is to say.
    fn choose_model_of(&mut self, found: &Found) -> Option<String> {
        // Those of old were shorter, and of a part of the file.
        let hash = found.model_hash.as_deref().filter(|hash| hash.len() == 10);
        let of_hash = self.models.iter().find(|known| hash.is_some() && known.hash.as_deref() == hash);
        let named = |name: &str| self.models.iter().find(|known| known.name == name);
        let of_name = || found.model_names().find_map(named);
        let file = |known: &Model| Some((known.details.as_ref()?.path.clone(), known.hash.clone()));
        let chosen = of_hash.or_else(of_name).map(|known| (known.name.clone(), file(known)));
        let Some((model, file)) = chosen else {
            let wanted = found.model.as_deref().or(hash)?;
            let said = format!("It was made with {wanted}, which is not on this machine: {} is used", self.draft.model);
            return Some(self.with_search(said, hash.is_some()));
        };
        if model != self.draft.model {
            self.choose_model(&model);
        }
        self.compare_hash(file?, hash?)
    }

    /// Chooses the VAE that a picture's text names: as for models, what it is counts more than what it is called. Gives what there is to
    /// say.
    fn find_vae_of(&mut self, found: &Found) -> Option<String> {
        let (name, model) = (found.borrowed.vae.as_deref()?, self.model()?);
        let hash = found.vae_hash.as_deref().filter(|hash| hash.len() == 10);
        let named = model.vae(name);
        let is_it = |vae: &&KnownVae| hash.is_some() && vae.hash.as_deref() == hash;
        if let Some(vae) = named.filter(is_it).or_else(|| model.vaes.iter().find(is_it)) {
            self.draft.borrowed.vae = Some(vae.name.clone());
            return None;
        }
        let Some(file) = named.map(|vae| (vae.path.clone(), vae.hash.clone())) else {
            let said = format!("The VAE {name} is not on this machine: choose another under “VAE”");
            return Some(self.with_search(said, hash.is_some()));
        };
        self.compare_hash(file, hash?)
    }

    /// The upscaler that a picture's text names, if it is on this machine.
    fn use_upscaler(&mut self, found: &Found) {
        let Some(name) = &found.upscaler else {
            if found.steps.is_some() {
                self.draft.upscale = None;
            }
            return;
        };
        match self.upscalers.iter().find(|known| known.upscaler == *name) {
            Some(known) => {
                let factor = found.upscale_by.unwrap_or(known.factor);
                self.draft.upscale = Some(Upscale { factor, refine: found.refine, ..known.clone() });
            }
            None => {
                self.notices.info(format!("It was enlarged by {name}, which is not on this machine"));
            }
        }
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
