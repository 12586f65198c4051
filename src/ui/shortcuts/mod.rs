//! Everything that has a key or stands in a menu, in one table: menus, tooltips, the help window and the keyboard agree because
//! they all read it.
//!
//! Single letters are inert while a text field has the focus, and arrows, Delete and Enter while anything has it.

mod events;
mod table;

pub use events::pressed;
pub(super) use events::{take_digit, take_plain, take_typing};
pub use table::TABLE;

use super::icons::Icon;
use super::keys;
use egui::{Context, Key, KeyboardShortcut};

/// What a key or a menu item does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the table says what each does")]
pub enum Shortcut {
    Generate,
    GenerateNext,
    Stop,
    StopAndDiscard,
    ClearQueue,
    FocusPrompt,
    OlderPrompt,
    NewerPrompt,
    MoreWeight,
    LessWeight,
    RollSeed,
    Live,
    PaintIn,
    NewCanvas,
    OpenPicture,
    OpenAsLayer,
    OpenMask,
    SaveMask,
    OpenGuide,
    SavePicture,
    SaveProject,
    SaveProjectAs,
    Cut,
    CopyPicture,
    Paste,
    ClosePicture,
    GetModels,
    Settings,
    Quit,
    Hand,
    Brush,
    Eraser,
    Smudge,
    Line,
    Gradient,
    Bucket,
    Eyedropper,
    Opacity,
    Transform,
    FlipSideways,
    FlipUpsideDown,
    Crop,
    CanvasSize,
    PictureSize,
    SwapColours,
    DefaultColours,
    NewLayer,
    MergeDown,
    MergeVisible,
    FillLayer,
    ClearLayer,
    LayerAbove,
    LayerBelow,
    LastLayer,
    PictureLayers,
    Bounds,
    BoundsOfMask,
    WholeCanvas,
    MaskBrush,
    MaskEraser,
    MaskRectangle,
    MaskEllipse,
    MaskLasso,
    MaskPolygon,
    MaskWand,
    SmallerBrush,
    LargerBrush,
    SofterBrush,
    HarderBrush,
    Undo,
    Redo,
    MaskAll,
    QuickMask,
    ClearMask,
    InvertMask,
    KeepWithin,
    Fit,
    FitBounds,
    ActualSize,
    TwiceActualSize,
    FourTimesActualSize,
    EightTimesActualSize,
    ZoomIn,
    ZoomOut,
    MirrorView,
    NewerResult,
    OlderResult,
    ApplyResult,
    StartFromResult,
    RecallResult,
    UpscaleResult,
    GuideByResult,
    FindAlike,
    BestFitting,
    RevealResult,
    CopySeed,
    DeleteResult,
    HideResult,
    Compare,
    Gallery,
    Panels,
    FullScreen,
    Help,
}

/// When a key counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Always, also in a text field.
    Anywhere,
    /// Not while a text field has the focus.
    OutsideText,
    /// Not while anything has the focus: keys that move through widgets themselves.
    Unfocused,
}

/// Under which heading the help window lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Asking for pictures.
    Paint,
    /// Files and the clipboard.
    File,
    /// The tools that paint, and the layers.
    Tools,
    /// The mask and its tools.
    Mask,
    /// Where the canvas looks.
    View,
    /// What was made.
    Results,
}

impl Group {
    /// All of them, in the order of the help window.
    pub const ALL: [Self; 6] = [Self::Paint, Self::Tools, Self::Mask, Self::View, Self::Results, Self::File];

    /// Its heading.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Paint => "Generating",
            Self::Tools => "Painting",
            Self::File => "Files",
            Self::Mask => "Area and mask",
            Self::View => "View",
            Self::Results => "Results",
        }
    }
}

/// A line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// What it does.
    pub shortcut: Shortcut,
    /// Its heading in the help window.
    pub group: Group,
    /// What menus call it.
    pub name: &'static str,
    /// One sentence about it; may be empty where the name says all.
    pub about: &'static str,
    /// Its icon, where it has one.
    pub icon: Option<Icon>,
    /// When its keys count.
    pub scope: Scope,
    /// Its usual keys, the first of which is shown.
    pub keys: &'static [KeyboardShortcut],
}

impl Entry {
    /// Whether the person can give it other keys: a digit is also a number.
    pub fn is_bindable(&self) -> bool {
        self.shortcut != Shortcut::Opacity
    }
}

impl Shortcut {
    /// Its line of the table.
    pub fn entry(self) -> &'static Entry {
        TABLE.iter().find(|e| e.shortcut == self).expect("a test holds that every shortcut is in the table")
    }

    /// Its first key, written for people; empty if it has none.
    pub fn key_text(self, ctx: &Context) -> String {
        keys::now(ctx).of(self).first().map_or_else(String::new, |key| written(ctx, key))
    }

    /// Whether a key that is inert in a text field counts while the gallery is open: not what belongs to the canvas.
    const fn counts_in_gallery(self) -> bool {
        matches!(
            self,
            Self::Gallery
                | Self::Help
                | Self::RecallResult
                | Self::UpscaleResult
                | Self::FindAlike
                | Self::CopyPicture
                | Self::ClearQueue
        )
    }

    /// Whether what is typed next is meant for a text field.
    const fn leads_to_a_field(self, in_gallery: bool) -> bool {
        match self {
            Self::FocusPrompt | Self::Help | Self::NewCanvas | Self::CanvasSize | Self::PictureSize => true,
            Self::Gallery => !in_gallery,
            _ => false,
        }
    }

    /// Whether the field that it leads to has the focus only once it was drawn.
    const fn shows_its_field(self, in_gallery: bool) -> bool {
        matches!(self, Self::Help) || matches!(self, Self::Gallery) && !in_gallery
    }

    /// Whether what it does is seen in the gallery.
    pub const fn shows_in_gallery(self) -> bool {
        matches!(self, Self::FindAlike | Self::BestFitting)
    }

    /// Its name, key and sentence, for a tooltip.
    pub fn tooltip(self, ctx: &Context) -> String {
        let entry = self.entry();
        let name = entry.name.trim_end_matches('\u{2026}');
        let key = self.key_text(ctx);
        let first = if key.is_empty() { name.to_owned() } else { format!("{name}  ({key})") };
        if entry.about.is_empty() { first } else { format!("{first}\n{}", entry.about) }
    }
}

/// How a key is written in menus and in the help window.
pub fn written(ctx: &Context, key: &KeyboardShortcut) -> String {
    let text = ctx.format_shortcut(key);
    match key.logical_key {
        Key::OpenBracket => text.replace("OpenBracket", "["),
        Key::CloseBracket => text.replace("CloseBracket", "]"),
        Key::ArrowUp => text.replace('\u{23f6}', "Up"),
        Key::ArrowDown => text.replace('\u{23f7}', "Down"),
        Key::ArrowLeft => text.replace('\u{23f4}', "Left"),
        Key::ArrowRight => text.replace('\u{23f5}', "Right"),
        Key::Plus => text.replace("Plus", "+"),
        Key::Minus => text.replace("Minus", "\u{2212}"),
        Key::Escape => text.replace("Escape", "Esc"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shortcut_stands_in_the_table_once_and_no_key_means_two_things() {
        for (i, a) in TABLE.iter().enumerate() {
            for b in &TABLE[i + 1..] {
                assert_ne!(a.shortcut, b.shortcut);
                assert!(a.keys.iter().all(|k| !b.keys.contains(k)), "{} and {} share a key", a.name, b.name);
            }
        }
        assert_eq!(TABLE.len(), Shortcut::Help as usize + 1, "a shortcut is missing from the table");
    }
}
