use crate::diffusion::Stop;
use crate::engine::JobId;
use crate::gallery::EntryId;
use crate::paint::{Brush, Stroke, Tool};
use crate::pixels::{Mask, Picture};
use crate::settings::Theme;
use std::path::PathBuf;

/// Everything a person can do. The panels return these; the session carries them out at the end of the frame.
#[derive(Clone, Debug)]
pub enum Action {
    /// Paint what the draft says; behind what runs already.
    Generate,
    /// End the running job.
    Stop(Stop),
    /// Take a job that waits out of the queue.
    Cancel(JobId),
    /// Take all jobs that wait out of the queue.
    ClearQueue,
    /// Draw another seed.
    RollSeed,
    /// Use this model from now on, and load it.
    ChooseModel(String),
    /// The prompt before this one in the history.
    OlderPrompt,
    /// The prompt after this one in the history.
    NewerPrompt,
    /// Start from the picture in this file.
    OpenPicture(PathBuf),
    /// Start from this picture (pasted).
    PastePicture(Picture),
    /// Start from noise again.
    ClosePicture,
    /// Take the mask from this file.
    OpenMask(PathBuf),
    /// Take this mask.
    ReplaceMask(Mask),
    /// Write the shown picture to this file, with its settings.
    SavePicture(PathBuf),
    /// Choose a tool.
    SetTool(Tool),
    /// Change the brush.
    SetBrush(Brush),
    /// A finished stroke of the mask brush or eraser.
    Stroke(Stroke),
    /// Repaint nothing in particular.
    ClearMask,
    /// Repaint what was kept and keep what was repainted.
    InvertMask,
    /// Take back the last change of the document.
    Undo,
    /// Do it again.
    Redo,
    /// Show this result on the canvas.
    Show(EntryId),
    /// Show the document itself again.
    HideResult,
    /// Start from the shown result.
    StartFromResult,
    /// Put this result's settings into the draft.
    Recall(EntryId),
    /// Show this result's file in the file manager.
    Reveal(EntryId),
    /// Move this result to the trash.
    Delete(EntryId),
    /// Light, dark or as the system has it.
    SetTheme(Theme),
    /// Take a notice away.
    Dismiss(usize),
}
