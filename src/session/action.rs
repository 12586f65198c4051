use super::{Alike, Closed, Draft, NoticeId, ResultId, Run, Way};
use crate::checkpoints::download::Wanted;
use crate::diffusion::{Input, Stop};
use crate::engine::JobId;
use crate::geom::{Bounds, Extent};
use crate::paint::{Brush, Combine, Frame, LayerEdit, LayerId, PaintBrush, Painting, Shape, Stroke, Tiles, Tool};
use crate::pixels::{Mask, Picture};
use crate::settings::{Setting, Theme};
use std::path::PathBuf;
use std::sync::Arc;

/// Everything a person can do. The panels return these; the session carries them out at the end of the frame.
#[derive(Clone, Debug)]
pub enum Action {
    /// Paint what the draft says; behind what runs already.
    Generate,
    /// The same, in front of all that waits.
    GenerateNext,
    /// Paint in this way, whatever the draft and the mask ask for.
    PaintAs(Way),
    /// End the running job.
    Stop(Stop),
    /// Take a job that waits, or one left over from last time, out of the queue.
    Cancel(JobId),
    /// Take all jobs that wait, and all left over from last time, out of the queue.
    ClearQueue,
    /// Let the jobs left over from last time run, behind those that wait.
    ResumeQueue,
    /// Paint only this box of the canvas from now on; none paints all of it.
    SetBounds(Option<Bounds>),
    /// Paint the canvas anew whenever it changes, or no longer.
    SetLive(bool),
    /// Keep what was painted live as a result.
    KeepLive,
    /// Show the document in place of what was painted live from it, until there is something new; or that again.
    LookBelowLive,
    /// Draw another seed.
    RollSeed,
    /// Use this model from now on, and load it.
    ChooseModel(String),
    /// Write the prompt, or the negative one, anew.
    Reword {
        /// Whether it is the negative one.
        negative: bool,
        /// What it says from now on.
        text: String,
    },
    /// The prompt before this one in the history.
    OlderPrompt,
    /// The prompt after this one in the history; after the newest, the prompt that was being written.
    NewerPrompt,
    /// Start from the picture in this file.
    OpenPicture(PathBuf),
    /// Put the picture in this file over the layers, in the middle and no larger than they are; where there are none, start from it.
    OpenAsLayer(PathBuf),
    /// Put this picture, which was pasted, over the layers: where it lay if it was copied from here, or in the middle of what is masked, or
    /// else as that of a file.
    PastePicture(Picture),
    /// Put what the canvas shows on the clipboard; of the document only what is masked, if anything is. The session answers with a
    /// [`Wish`](super::Wish).
    Copy,
    /// The same with what of the active layer is masked, or all that is on it where nothing is, and make it clear there.
    Cut,
    /// Put only the settings of the picture in this file into the draft.
    ReadSettings(PathBuf),
    /// Put the settings that this text says, as A1111 writes them, into the draft.
    TakeText(String),
    /// White paper of this size under an empty layer takes the place of what is there.
    NewCanvas(Extent),
    /// Put back what was to be painted next, and the picture that guides it.
    TakeSettings(Box<Draft>, Option<Arc<Picture>>),
    /// Start from noise again.
    ClosePicture,
    /// Go on with what was closed without being saved.
    OpenClosed(Closed),
    /// Let the picture in this file guide what is painted.
    OpenGuide(PathBuf),
    /// Let this result guide what is painted.
    GuideByResult(ResultId),
    /// Let the open picture guide what is painted.
    GuideByPicture,
    /// Let no picture guide any more.
    RemoveGuide,
    /// Put the settings that were found in the picture opened last into the draft.
    UseSettings,
    /// Scale the open picture to about as many pixels as the model paints best.
    FitPicture,
    /// Take the mask from this file.
    OpenMask(PathBuf),
    /// Take this mask.
    ReplaceMask(Mask),
    /// Write the mask to this PNG file.
    SaveMask(PathBuf),
    /// Ask the window for a file to write this result to: the session answers with a [`Wish`](super::Wish).
    AskWhereToSave(ResultId),
    /// Write the shown picture to this file, with its settings, or those of the uppermost result in it: PNG, JPEG or WebP by its name.
    SavePicture(PathBuf),
    /// Write the document to this file: `.sfumato` to go on with it, `.ora` for other programs.
    SaveProject(PathBuf),
    /// Write this result to this file, with its settings.
    SaveResult(ResultId, PathBuf),
    /// These results are seen larger than their thumbnails: have larger pictures of them read, and let go of those of others.
    SeeLarge(Vec<ResultId>),
    /// Choose a tool.
    SetTool(Tool),
    /// Change the brush.
    SetBrush(Brush),
    /// Change the paint brush.
    SetPaintBrush(PaintBrush),
    /// Change how the bucket and the wand find what looks alike.
    SetAlike(Alike),
    /// Change how the gradient runs.
    SetRun(Run),
    /// Change how far the smudge brush pushes paint, 0..1.
    SetSmudge(f32),
    /// Change how much the mask brush covers, 0..1.
    SetMaskOpacity(f32),
    /// Paint with this colour.
    SetColour([u8; 3]),
    /// Paint with the other colour.
    SwapColours,
    /// Paint with black; the other colour is white.
    DefaultColours,
    /// Let the document be painted on: take up a shown result, or paper where there is nothing.
    BeginPainting,
    /// A finished stroke of the paint brush or the eraser.
    Paint(Box<Painting>),
    /// Paint what is on these tiles, as large as the canvas shows the picture, into the picture that this job draws.
    PaintIn(JobId, Tiles),
    /// Whether the brush paints into pictures while they are drawn.
    SetPaintsIn(bool),
    /// Whether the mask keeps what changes a layer inside it.
    SetKeepsWithin(bool),
    /// Make so many pixels of room at a side of the canvas that is expanded; none is half of what the model sees.
    SetRoom(Option<u32>),
    /// Whether an area that is masked takes the place of what was masked before.
    SetMasksAnew(bool),
    /// Paint nothing into the next pictures while they are drawn.
    ForgetHints,
    /// Fill what looks like the pixel in this column and row.
    Fill(u32, u32),
    /// Cut the canvas, or make room at its sides.
    Reframe(Frame),
    /// Make all layers and the mask this large.
    Resize(Extent),
    /// Change a layer, or what layers there are.
    EditLayers(LayerEdit),
    /// Put the settings of what was applied to this layer last into the draft.
    RecallLayer(LayerId),
    /// Paint on this layer.
    ChooseLayer(LayerId),
    /// Put this result over the document as a layer of its own.
    ApplyResult(ResultId),
    /// Work on the result that is shown: it becomes a layer of the document, or where it does not fit there, the document's picture.
    AdoptShown,
    /// A finished stroke of the mask brush or eraser.
    Stroke(Stroke),
    /// Add an area to the mask, take it away, keep nothing else, or have it in the place of the mask.
    MaskShape(Shape, Combine),
    /// Let the mask reach further and soften it, in place of what the same action did just before.
    AdjustMask {
        /// By how many pixels it reaches further, or less far if they are negative.
        grow: i32,
        /// The deviation of the Gaussian that softens it, in pixels.
        feather: f32,
        /// Whether it may be done roughly for now: the next action of another kind makes it exact.
        is_rough: bool,
    },
    /// Paint the mask with all brushes: put it onto a layer of its own; or, where such a layer is painted on, take what is on it as the mask.
    QuickMask,
    /// Repaint nothing in particular.
    ClearMask,
    /// Repaint what was kept and keep what was repainted.
    InvertMask,
    /// Take back the last change of the document.
    Undo,
    /// Take back that the document of this number took the place of another, and all that was done since.
    BringBack(u64),
    /// Do it again.
    Redo,
    /// List only the results whose prompts hold these words, and besides those that show something like it; all of them when empty.
    Search(String),
    /// List, besides, the results that show something like this one.
    FindAlike(ResultId),
    /// List, besides, the results with this one's prompt, the one that fits it best first.
    ListBestFitting(ResultId),
    /// List the next page of older results.
    MoreResults,
    /// Show this result on the canvas.
    Show(ResultId),
    /// Show the document itself again.
    HideResult,
    /// Start from this result, shown or not.
    StartFromResult(ResultId),
    /// Make a larger result of this one, by the draft's upscaler or the preferred one.
    Upscale(ResultId),
    /// Put this result's settings into the draft, its mask and, where there are no layers, its starting picture into the document.
    Recall(ResultId),
    /// Start from what a result started from: its picture takes the place of all layers, with its words on layers
    /// of their own, and its mask lies over it.
    TakeInput(Box<Input>),
    /// Show this result's file in the file manager: the session answers with a [`Wish`](super::Wish).
    Reveal(ResultId),
    /// Try again to keep this result in the gallery.
    SaveAgain(ResultId),
    /// Move this result to the trash.
    Delete(ResultId),
    /// Bring back the results that were moved to the trash, as far as the notice that says so still stands.
    BringResultsBack,
    /// Read the pictures that are kept with the models: they are to be chosen from.
    LookAtModels,
    /// Read the styles that there are: they are to be chosen from.
    LookAtStyles,
    /// Use the model in this file or folder, or look for models in this folder, now and from now on.
    AddModel(PathBuf),
    /// Look for models in this folder, now and from now on; the model that is chosen stays so.
    AddModelFolder(PathBuf),
    /// Download this model from the hub.
    GetModel(Wanted),
    /// Stop the download of `ORG/NAME`; what came so far is kept.
    CancelDownload(String),
    /// Light, dark or as the system has it.
    SetTheme(Theme),
    /// Give what is called so in the settings these keys, or its usual ones.
    BindKeys(String, Option<Vec<String>>),
    /// Keep this in the settings.
    Set(Setting),
    /// Find out how much of the disk the weights take that are kept ready.
    MeasurePacked,
    /// Remove the weights that are kept ready: models load from their files, and are kept anew then.
    RemovePacked,
    /// Take a notice away.
    Dismiss(NoticeId),
}
