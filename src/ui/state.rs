//! What the window remembers and the session need not know: where the canvas looks, what is open, what the pointer does.

use super::settings_window::FolderFor;
use super::thumbnails::Thumbnails;
use super::view::{CanvasView, Placement};
use crate::engine::JobId;
use crate::geom::{Bounds, Extent, Point};
use crate::paint::{Combine, Layer, LayerId, Painting, StrokePreview, Tile, Tiles};
use crate::pixels::Picture;
use crate::render::CanvasPicture;
use crate::session::{Action, ResultId};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

/// What the panels want done: by the session, and by the window.
#[derive(Debug, Default)]
pub struct Outbox {
    /// For the session, at the end of the frame.
    pub actions: Vec<Action>,
    /// For the window.
    pub asks: Vec<Ask>,
}

impl Outbox {
    /// Adds something for the session.
    pub fn act(&mut self, action: Action) {
        self.actions.push(action);
    }

    /// Adds something for the window.
    pub fn ask(&mut self, ask: Ask) {
        self.asks.push(ask);
    }
}

/// Something that only the window can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Let the person choose a picture to start from.
    OpenPicture,
    /// Let the person choose a picture to put over the layers.
    OpenAsLayer,
    /// Let the person choose a mask.
    OpenMask,
    /// Let the person choose where to save the mask.
    SaveMask,
    /// Let the person choose a picture that guides.
    OpenGuide,
    /// Let the person choose a folder.
    Folder(FolderFor),
    /// Let the person choose where to save the shown picture.
    SavePicture,
    /// Let the person choose where to save the document.
    SaveProject,
    /// Let the words at the cursor of the prompt that is being written weigh more or less, once what was typed in this frame is in it.
    Weigh {
        /// Whether they weigh more.
        more: bool,
    },
    /// Paste what is on the clipboard.
    Paste,
    /// Cover the whole screen, or no longer.
    FullScreen,
    /// Close.
    Quit,
}

/// Which mask the graphics card holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UploadedMask {
    /// None that is still right.
    #[default]
    None,
    /// The document's of this number.
    Document(u64),
    /// The one that this job paints through.
    Job(JobId),
    /// The one of the stroke that is being made.
    Stroke,
}

/// Whether a group of rows is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fold {
    /// Only its name is.
    #[default]
    Closed,
    /// It is.
    Open,
}

/// What is moved of a layer where it is transformed.
#[derive(Debug)]
pub struct Content {
    /// The layer.
    pub layer: Arc<Layer>,
    /// The number of the mask that it is moved within.
    pub mask: Option<u64>,
    /// The corners of the box around what is moved.
    pub corners: Option<[Point; 2]>,
}

/// The window's own state.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a thing of its own")]
pub struct ViewState {
    /// Where the canvas looks.
    pub view: CanvasView,
    /// Whether the canvas shows left and right swapped, to judge the picture with fresh eyes. The document knows nothing of it.
    pub mirrored: bool,
    /// Where the picture stood when it was drawn last.
    pub placement: Option<Placement>,
    /// The place of the picture under the pointer.
    pub pointer: Option<Point>,
    /// What the graphics card holds.
    pub canvas: CanvasPicture,
    /// Whether the edge of the mask marches: where a graphics card draws, and it costs nothing.
    pub marches: bool,
    /// The stroke that is being made.
    pub stroke: Option<StrokePreview>,
    /// The stroke of the paint brush that is being made.
    pub painting: Option<Painting>,
    /// The stroke that is being painted into a picture while that is drawn.
    pub painting_in: Option<super::paint_in::PaintingIn>,
    /// The textures of strokes that were painted into a picture, by their tiles.
    pub stroke_tiles: Vec<(Arc<Tile>, egui::TextureHandle)>,
    /// Presses of a brush that are not strokes of the document yet, the oldest first.
    pub presses: VecDeque<super::pointer::Press>,
    /// Where what is led over a layer is to begin, once the document can be painted on.
    pub paints_from: Option<Point>,
    /// How the shown result is held against what was there.
    pub compare: Option<super::compare::Compare>,
    /// When Space was pressed, if nothing else was since.
    pub space_since: Option<f64>,
    /// The line or gradient that is being led.
    pub led: Option<super::led::Led>,
    /// The area that is being drawn for the mask: where the pointer went.
    pub shape: Vec<Point>,
    /// The corners of the polygon that is being set for the mask.
    pub polygon: Vec<Point>,
    /// How the area that is being drawn will meet the mask.
    pub combine: Combine,
    /// The digit that was typed last for an opacity, and when.
    pub digit: Option<(u8, f64)>,
    /// Whether masks and guides on layers are not seen over the picture.
    pub hides_overlays: bool,
    /// The layer that is being transformed.
    pub moving: Option<super::transform::Moving>,
    /// What is moved of a layer, once that was looked for.
    pub content: Option<Content>,
    /// The box to which the canvas is about to be cut.
    pub crop: Option<Bounds>,
    /// The size that is being typed.
    pub sizing: Option<super::size_window::Sizing>,
    /// The box to paint, or to cut to, that is being dragged.
    pub bounds_drag: Option<super::bounds::BoundsDrag>,
    /// Whether the settings are shown that most pictures leave alone.
    pub finer: Fold,
    /// How hard the pen is pressed, 0..1; 1 for a pointer that cannot tell.
    pub pressure: f32,
    /// Where the last stroke ended, for straight lines with Shift.
    pub last_stroke_end: Option<Point>,
    /// Thumbnails on the graphics card.
    pub thumbnails: Thumbnails,
    /// Which mask was uploaded last.
    pub uploaded_mask: UploadedMask,
    /// Whether an edge of the document's mask is seen: not where it covers less than a half throughout.
    pub mask_has_edge: bool,
    /// The colour that is being picked: a grey, too, keeps its hue here.
    pub hsv: super::colour::Hsv,
    /// What is being typed as a colour.
    pub colour_text: Option<String>,
    /// The layer that is being given another name, and that name.
    pub renaming: Option<(LayerId, String)>,
    /// The layer that is active, and the one that was before it.
    pub layers_used: [Option<LayerId>; 2],
    /// The layer whose opacity is being dragged.
    pub dragged_opacity: Option<LayerId>,
    /// The layer that is being dragged to another place.
    pub dragged_layer: Option<LayerId>,
    /// The layer whose words are being written.
    pub worded: Option<LayerId>,
    /// Layers and their thumbnails.
    pub layer_thumbnails: Vec<(Arc<Layer>, Arc<Picture>)>,
    /// What is seen of the document, and its thumbnail.
    pub document_thumbnail: Option<(Arc<Tiles>, Arc<Picture>)>,
    /// The pictures to start from and to be guided by, and their thumbnails.
    pub small: Vec<(Arc<Picture>, Arc<Picture>)>,
    /// Pictures that were dropped on a document: it is asked what they are.
    pub dropped: Vec<std::path::PathBuf>,
    /// The question for a file to which no dialog came.
    pub asked_path: Option<super::path_window::PathAsk>,
    /// The folder of the file that such a question was answered with last.
    pub asked_in: Option<std::path::PathBuf>,
    /// Whether it is asked if what would be lost is to be kept before the window closes.
    pub asks_to_leave: bool,
    /// Whether the window closes all the same.
    pub leaves: bool,
    /// Whether the gallery is open instead of the canvas.
    pub gallery_open: bool,
    /// Whether the help window is open.
    pub help_open: bool,
    /// What is looked for in it.
    pub help_search: String,
    /// What the next key that is pressed will be bound to.
    pub binding: Option<super::shortcuts::Shortcut>,
    /// The key that was pressed for that, while it is asked whether to take it from what has it.
    pub taking: Option<egui::KeyboardShortcut>,
    /// What is being changed in the window of settings, while it is open.
    pub settings: Option<super::settings_window::Configuring>,
    /// What models are looked for by in the list of them, while it is open.
    pub model_search: Option<String>,
    /// Which of the models found, of those that can be painted with, Enter chooses there.
    pub model_at: usize,
    /// The name of a model on the hub that is being typed in the window in which models are downloaded, while it is open.
    pub repo_text: Option<String>,
    /// Whether the panels are hidden.
    pub panels_hidden: bool,
    /// Whether, in a window with room for one of them, what is asked for is seen in place of the brush.
    pub prompt_first: bool,
    /// The widget that is to get the focus when it is drawn next.
    pub wants_focus: Option<egui::Id>,
    /// The text field whose cursor is to go to its end when the next frame begins: by then it holds the new text.
    pub wants_cursor_at_end: Option<egui::Id>,
    /// As that, with the characters that are to be selected.
    pub wants_selection: Option<(egui::Id, Range<usize>)>,
    /// What stands in the gallery's search field.
    pub search: String,
    /// The side of the pictures in the gallery while it is being changed, in points.
    pub gallery_side: Option<f32>,
    /// The results in sight in the gallery of which there is more to see than their thumbnails have.
    pub seen_large: Vec<ResultId>,
    /// The result that the filmstrip last scrolled to.
    pub scrolled_to: Option<ResultId>,
    /// The extent that was shown last: a picture of another size is fitted anew.
    pub shown_extent: Option<Extent>,
}

impl ViewState {
    /// Whether something is being drawn, led or moved on the canvas.
    pub(super) fn is_at_work(&self) -> bool {
        self.stroke.is_some()
            || self.painting.is_some()
            || self.painting_in.is_some()
            || self.paints_from.is_some()
            || !self.presses.is_empty()
            || self.led.is_some()
            || self.bounds_drag.is_some()
            || !self.shape.is_empty()
    }

    /// Takes note of which layer is active.
    pub(super) fn note_layer(&mut self, active: Option<LayerId>) {
        if active.is_some() && self.layers_used[0] != active {
            self.layers_used = [active, self.layers_used[0]];
        }
    }

    /// Opens the help with the cursor in its search field, or closes it.
    pub(super) fn toggle_help(&mut self) {
        self.help_open = !self.help_open;
        self.help_search.clear();
        self.wants_focus = self.help_open.then(super::help::search_id);
    }

    /// Opens the gallery with the cursor in its search field.
    pub(super) fn open_gallery(&mut self) {
        self.gallery_open = true;
        self.wants_focus = Some(super::gallery::search_id());
    }

    /// Opens the gallery at what is being put together by what it shows, in place of a search for words.
    pub(super) fn show_gathered(&mut self) {
        self.gallery_open = true;
        self.search.clear();
    }

    /// A layer's thumbnail, made anew when the layer changed.
    pub fn layer_thumbnail(&mut self, layer: &Arc<Layer>) -> Arc<Picture> {
        if let Some((_, small)) = self.layer_thumbnails.iter().find(|(known, _)| Arc::ptr_eq(known, layer)) {
            return Arc::clone(small);
        }
        let small = Arc::new(layer.tiles.thumbnail(68));
        self.layer_thumbnails.push((Arc::clone(layer), Arc::clone(&small)));
        small
    }

    /// The thumbnail of what is seen of a document.
    pub fn flat_thumbnail(&mut self, flat: &Arc<Tiles>) -> Arc<Picture> {
        if let Some((_, small)) = self.document_thumbnail.as_ref().filter(|(known, _)| Arc::ptr_eq(known, flat)) {
            return Arc::clone(small);
        }
        let small = Arc::new(flat.thumbnail(128));
        self.document_thumbnail = Some((Arc::clone(flat), Arc::clone(&small)));
        small
    }

    /// The texture of a panel's picture, reduced to a thumbnail when it is a new one.
    pub fn thumbnail(&mut self, ctx: &egui::Context, picture: &Arc<Picture>) -> egui::TextureHandle {
        let known = self.small.iter().find(|(of, _)| Arc::ptr_eq(of, picture));
        let small = if let Some((_, small)) = known {
            small.clone()
        } else {
            let small = Arc::new(picture.thumbnail(128));
            // One to start from, one that guides: what was there before those is not shown any more.
            self.small.truncate(1);
            self.small.insert(0, (picture.clone(), small.clone()));
            small
        };
        self.thumbnails.get(ctx, &small)
    }
}
