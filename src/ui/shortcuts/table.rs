//! The table of all that has a key or stands in a menu.

use super::{Entry, Group, Scope, Shortcut};
use crate::ui::icons::Icon;
use egui::{Key, KeyboardShortcut, Modifiers};

const CTRL: Modifiers = Modifiers::COMMAND;
const SHIFT: Modifiers = Modifiers::SHIFT;
const CTRL_SHIFT: Modifiers = Modifiers::COMMAND.plus(Modifiers::SHIFT);
const CTRL_ALT: Modifiers = Modifiers::COMMAND.plus(Modifiers::ALT);
const ALT: Modifiers = Modifiers::ALT;
const PLAIN: Modifiers = Modifiers::NONE;

const fn key(modifiers: Modifiers, key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(modifiers, key)
}

macro_rules! table {
    ($($group:ident { $($shortcut:ident, $name:literal, $about:literal, $icon:expr, $scope:ident, [$($mods:ident $key:ident),*];)+ })+) => {
        /// The table.
        pub const TABLE: &[Entry] = &[$($(Entry {
            shortcut: Shortcut::$shortcut,
            group: Group::$group,
            name: $name,
            about: $about,
            icon: $icon,
            scope: Scope::$scope,
            keys: &[$(key($mods, Key::$key)),*],
        }),+),+];
    };
}

table! {
    Paint {
        Generate, "Generate", "Paints what the prompt says; queues behind what is being painted.", Some(Icon::Play), Anywhere, [CTRL Enter];
        GenerateNext, "Generate next", "Paints what the prompt says, in front of all that waits.", None, Anywhere, [CTRL_SHIFT Enter];
        Stop, "Stop and keep", "Ends the running picture after this step and keeps what there is.", Some(Icon::Stop), Anywhere, [PLAIN Escape];
        StopAndDiscard, "Stop and discard", "Ends the running picture and throws it away.", None, Anywhere, [SHIFT Escape, ALT Enter];
        ClearQueue, "Clear the queue", "Takes out everything that waits; what is being painted goes on.", None, OutsideText, [CTRL_SHIFT X];
        FocusPrompt, "Write the prompt", "", None, Anywhere, [ALT A];
        OlderPrompt, "Earlier prompt", "", None, Anywhere, [ALT ArrowUp];
        NewerPrompt, "Later prompt", "", None, Anywhere, [ALT ArrowDown];
        MoreWeight, "More weight", "In the prompt: the selected words, or the word at the cursor, count more.", None, Anywhere, [CTRL ArrowUp];
        LessWeight, "Less weight", "In the prompt: the selected words, or the word at the cursor, count less.", None, Anywhere, [CTRL ArrowDown];
        Live, "Paint live", "Paints the canvas, or the area to paint, anew with every stroke and every word.", None, OutsideText, [PLAIN V];
        PaintIn, "Paint into it", "While a picture is drawn, strokes of the brush and lines on it are taken up by the steps that follow. Off, they go to the active layer.", None, OutsideText, [PLAIN P];
        RollSeed, "Roll the seed", "Draws another seed.", Some(Icon::Die), OutsideText, [PLAIN R];
    }
    Tools {
        Hand, "Hand", "Moves the view. Hold Space for it with any tool.", Some(Icon::Hand), OutsideText, [PLAIN H];
        Brush, "Brush", "Paints on the active layer.", Some(Icon::Brush), OutsideText, [PLAIN B];
        Eraser, "Eraser", "Takes paint off the active layer.", Some(Icon::Eraser), OutsideText, [PLAIN E];
        Smudge, "Smudge", "Pushes the paint of the active layer along.", Some(Icon::Smudge), OutsideText, [PLAIN S];
        Line, "Line", "Paints a straight line with the brush. Shift keeps it at multiples of 45 degrees.", Some(Icon::Line), OutsideText, [PLAIN N];
        Gradient, "Gradient", "Drag: from the colour to the other one, or to nothing. Shift keeps it at multiples of 45 degrees.", Some(Icon::Gradient), OutsideText, [SHIFT G];
        Bucket, "Bucket", "Fills what looks alike.", Some(Icon::Bucket), OutsideText, [PLAIN K];
        Eyedropper, "Eyedropper", "Takes up a colour. Hold Alt for it with a brush.", Some(Icon::Pipette), OutsideText, [PLAIN I];
        Opacity, "Opacity 10 % to 100 %", "A digit is tens of per cent, 0 is 100; two in a row are per cent.", None, OutsideText, [PLAIN Num1, PLAIN Num2, PLAIN Num3, PLAIN Num4, PLAIN Num5, PLAIN Num6, PLAIN Num7, PLAIN Num8, PLAIN Num9, PLAIN Num0];
        Transform, "Transform", "Moves, scales and turns the active layer, or what of it is masked. Shift keeps proportions and steps, Alt scales on both sides; Enter applies, Esc cancels.", Some(Icon::Transform), OutsideText, [PLAIN T];
        FlipSideways, "Flip sideways", "Swaps what lies at the left and at the right of the active layer.", Some(Icon::FlipSideways), OutsideText, [];
        FlipUpsideDown, "Flip upside down", "Swaps what lies above and below on the active layer.", Some(Icon::FlipUpsideDown), OutsideText, [];
        Crop, "Crop", "Drag a box: Enter cuts the canvas to it, Esc cancels.", Some(Icon::Crop), OutsideText, [SHIFT T];
        CanvasSize, "Canvas size\u{2026}", "Makes room at the sides of the canvas, or cuts them off.", None, OutsideText, [CTRL_ALT C];
        PictureSize, "Scale the picture\u{2026}", "Makes all layers larger or smaller.", None, OutsideText, [CTRL_ALT I];
        SwapColours, "Swap the colours", "Paints with the other colour.", Some(Icon::Swap), OutsideText, [PLAIN X];
        DefaultColours, "Black and white", "Paints with black; the other colour is white.", None, OutsideText, [PLAIN D];
        NewLayer, "New layer", "A clear layer above the active one.", Some(Icon::Plus), OutsideText, [CTRL_SHIFT N];
        MergeDown, "Merge down", "Makes one layer of the active one and the one under it.", Some(Icon::MergeDown), OutsideText, [CTRL E];
        MergeVisible, "Merge all that is seen", "Makes one layer of all that are seen; hidden ones stay.", None, OutsideText, [CTRL_SHIFT E];
        FillLayer, "Fill the layer", "Covers the active layer with the colour, where it is masked if anything is.", None, OutsideText, [];
        ClearLayer, "Clear the layer", "Makes the active layer clear, where it is masked if anything is. Where something is, and no result is looked at, the key that moves results to the trash does it.", None, OutsideText, [];
        LayerAbove, "Layer above", "Paints on the layer above the active one.", None, OutsideText, [ALT CloseBracket];
        LayerBelow, "Layer below", "Paints on the layer under the active one.", None, OutsideText, [ALT OpenBracket];
        LastLayer, "Layer before", "Paints on the layer that was active before, and back.", None, OutsideText, [SHIFT Q];
        PictureLayers, "Only the picture's layers", "Shows no masks and no guides over the picture, or shows them again.", None, OutsideText, [SHIFT H];
        SmallerBrush, "Smaller brush", "", None, OutsideText, [PLAIN OpenBracket];
        LargerBrush, "Larger brush", "", None, OutsideText, [PLAIN CloseBracket];
        SofterBrush, "Softer brush", "", None, OutsideText, [SHIFT OpenBracket, SHIFT OpenCurlyBracket];
        HarderBrush, "Harder brush", "", None, OutsideText, [SHIFT CloseBracket, SHIFT CloseCurlyBracket];
        Undo, "Undo", "Takes back the last change of the layers or the mask.", Some(Icon::Undo), OutsideText, [CTRL Z];
        Redo, "Redo", "Does again what was taken back.", Some(Icon::Redo), OutsideText, [CTRL_SHIFT Z, CTRL Y];
    }
    Mask {
        Bounds, "Area to paint", "Drag a box on the canvas: only that is painted, at the size that suits the model. Ctrl drags without a grid.", Some(Icon::Bounds), OutsideText, [PLAIN C];
        BoundsOfMask, "Area around the mask", "Makes the area to paint as large as the mask.", None, OutsideText, [SHIFT B];
        WholeCanvas, "Paint the whole canvas", "Takes the box away.", None, OutsideText, [];
        MaskBrush, "Mask brush", "Paints over what is to be painted anew; with Ctrl it takes off.", Some(Icon::MaskBrush), OutsideText, [PLAIN M];
        MaskEraser, "Mask eraser", "Takes paint off the mask; with Ctrl it paints.", Some(Icon::MaskEraser), OutsideText, [SHIFT M];
        MaskRectangle, "Mask a box", "Drag; with Ctrl it is taken off the mask, with Ctrl+Shift nothing else stays masked.", Some(Icon::MaskRectangle), OutsideText, [SHIFT R];
        MaskEllipse, "Mask an ellipse", "Drag; with Ctrl it is taken off the mask, with Ctrl+Shift nothing else stays masked.", Some(Icon::MaskEllipse), OutsideText, [SHIFT O];
        MaskLasso, "Mask with a lasso", "Draw around it; with Ctrl it is taken off the mask, with Ctrl+Shift nothing else stays masked.", Some(Icon::MaskLasso), OutsideText, [SHIFT L];
        MaskPolygon, "Mask a polygon", "Click corner after corner; with Ctrl it is taken off the mask, with Ctrl+Shift nothing else stays masked.", Some(Icon::MaskPolygon), OutsideText, [SHIFT P];
        MaskWand, "Mask what looks alike", "Click; with Ctrl it is taken off the mask, with Ctrl+Shift nothing else stays masked.", Some(Icon::MaskWand), OutsideText, [PLAIN W];
        MaskAll, "Mask everything", "All of the picture is painted anew.", None, OutsideText, [CTRL A];
        QuickMask, "Mask with any brush", "Puts the mask onto a layer that all brushes paint on; again, and what is on that is the mask.", Some(Icon::QuickMask), OutsideText, [PLAIN Q];
        ClearMask, "Clear the mask", "Removes the mask: the whole picture is painted anew.", Some(Icon::Clear), OutsideText, [SHIFT C, CTRL D];
        InvertMask, "Invert the mask", "Swaps what is kept and what is painted anew.", Some(Icon::Invert), OutsideText, [SHIFT V, CTRL_SHIFT I];
        KeepWithin, "Keep within the mask", "Brushes, fillings and Transform change the active layer only where it is masked; off, wherever they go.", None, OutsideText, [];
        OpenMask, "Open a mask\u{2026}", "White is painted anew, black is kept.", None, OutsideText, [];
        SaveMask, "Save the mask\u{2026}", "Writes it to a PNG file: white is painted anew, black is kept.", None, OutsideText, [];
    }
    View {
        Fit, "Fit to the window", "Shows the whole picture.", Some(Icon::Fit), Anywhere, [CTRL Num0];
        FitBounds, "Fit the area to paint", "Shows the box that is painted, as large as fits.", None, Anywhere, [CTRL_SHIFT Num0];
        ActualSize, "Actual size", "One pixel of the picture is one pixel of the screen.", None, Anywhere, [CTRL Num1];
        TwiceActualSize, "Twice actual size", "", None, Anywhere, [CTRL Num2];
        FourTimesActualSize, "Four times actual size", "", None, Anywhere, [CTRL Num3];
        EightTimesActualSize, "Eight times actual size", "", None, Anywhere, [CTRL Num4];
        ZoomIn, "Zoom in", "", Some(Icon::Plus), OutsideText, [PLAIN Plus, CTRL Plus, PLAIN Equals, CTRL Equals];
        ZoomOut, "Zoom out", "", Some(Icon::Minus), OutsideText, [PLAIN Minus, CTRL Minus];
        MirrorView, "Mirror the view", "Shows left and right swapped, to judge the picture with fresh eyes, or as it is again; the picture does not change.", None, OutsideText, [PLAIN J];
        Gallery, "Gallery", "Everything that was made.", Some(Icon::Grid), OutsideText, [PLAIN G];
        Panels, "Only the picture", "Hides the panels, or shows them again.", Some(Icon::Panels), OutsideText, [PLAIN F];
        FullScreen, "Full screen", "", None, Anywhere, [PLAIN F11];
        Help, "Keyboard shortcuts", "", Some(Icon::Help), Anywhere, [PLAIN F1, SHIFT Questionmark, SHIFT Slash];
    }
    Results {
        NewerResult, "Newer result", "", None, Unfocused, [PLAIN ArrowLeft];
        OlderResult, "Older result", "", None, Unfocused, [PLAIN ArrowRight];
        ApplyResult, "Apply as a layer", "Puts this picture over the document, as a layer of its own.", Some(Icon::Plus), Unfocused, [PLAIN Enter];
        StartFromResult, "Start from this", "This picture takes the place of all layers; the next grows out of it.", Some(Icon::Picture), Unfocused, [SHIFT Enter];
        RecallResult, "Use its settings", "Puts the prompt and all settings of this picture into the panel.", Some(Icon::Recall), OutsideText, [PLAIN A];
        UpscaleResult, "Upscale", "Makes a larger picture of this one.", Some(Icon::Enlarge), OutsideText, [PLAIN U];
        GuideByResult, "Guide by this", "The lines of this picture decide the shapes of the next.", Some(Icon::Picture), OutsideText, [];
        FindAlike, "More like this", "Lists the results that show something alike.", Some(Icon::Search), OutsideText, [PLAIN L];
        BestFitting, "Best fitting first", "Lists the results of this prompt, the one that fits it best first.", None, OutsideText, [];
        CopySeed, "Copy its seed", "", None, OutsideText, [];
        RevealResult, "Show the file", "Opens the file manager where the picture lies.", Some(Icon::Folder), OutsideText, [];
        DeleteResult, "Move to the trash", "For a while it can be brought back. Where no result is looked at, the key clears what is masked of the active layer.", Some(Icon::Trash), Unfocused, [PLAIN Delete];
        Compare, "Before and after", "A line over the canvas: what was there at its left, this picture at its right. A tap of Space shows what was there, and this again. So it is with what is painted live.", None, OutsideText, [PLAIN Y];
        HideResult, "Back to the document", "Shows the picture that is being worked on.", None, OutsideText, [SHIFT D];
    }
    File {
        NewCanvas, "New canvas\u{2026}", "White paper of any size, with a clear layer over it.", None, OutsideText, [CTRL N];
        OpenPicture, "Open\u{2026}", "Starts from a picture instead of noise, or goes on with a project.", Some(Icon::Folder), Anywhere, [CTRL O];
        OpenAsLayer, "Open as a layer\u{2026}", "Puts a picture over the layers, in the middle; so does pasting one.", None, OutsideText, [];
        OpenGuide, "Open a guide\u{2026}", "The lines of a picture decide the shapes: a drawing, or the edges of anything.", None, OutsideText, [];
        ClosePicture, "Close the picture", "Starts from noise again.", Some(Icon::Close), Anywhere, [CTRL W];
        SaveProject, "Save", "Writes all layers, the mask and what is to be painted next to the project's file; asks for one where there is none.", Some(Icon::Save), Anywhere, [CTRL S];
        SaveProjectAs, "Save as\u{2026}", "Writes the project to another file: .sfumato to go on with, .ora for other programs.", None, Anywhere, [CTRL_SHIFT S];
        SavePicture, "Save the picture\u{2026}", "Writes the shown picture to a PNG, JPEG or WebP file, with its settings.", None, Anywhere, [CTRL_ALT S];
        Cut, "Cut", "Takes what is masked off the active layer and puts it on the clipboard; all that is on it where nothing is masked.", None, OutsideText, [CTRL X];
        CopyPicture, "Copy", "Puts the shown picture on the clipboard; of the layers, only what is masked, if anything is.", Some(Icon::Copy), OutsideText, [CTRL C];
        Paste, "Paste", "Puts a picture from the clipboard over the layers, where it was copied from, or in the middle of the mask.", None, OutsideText, [CTRL V];
        GetModels, "Get models\u{2026}", "Downloads Stable Diffusion models: with their licences, sizes and the memory they need.", Some(Icon::Down), OutsideText, [];
        Settings, "Settings\u{2026}", "The theme, the size of the interface, folders, and what the program may take.", None, Anywhere, [CTRL Comma];
        Quit, "Quit", "", None, Anywhere, [CTRL Q];
    }
}
