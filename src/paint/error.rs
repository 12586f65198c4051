use super::{Frame, Stack};
use crate::geom::Extent;
use crate::memory::NoRoom;

/// Why an edit cannot be applied. The document is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A mask of another size.
    #[error("the mask is {found}, but the picture is {expected}: a mask must be as large as its picture")]
    MaskExtent {
        /// The document's size.
        expected: Extent,
        /// The mask's size.
        found: Extent,
    },
    /// A layer of another size.
    #[error("the layer is {found}, but the picture is {expected}: scale one to the other")]
    LayerExtent {
        /// The document's size.
        expected: Extent,
        /// The layer's size.
        found: Extent,
    },
    /// No pixels to edit.
    #[error("a picture of {0} has no pixels: choose another one")]
    Empty(Extent),
    /// More pixels than can be edited.
    #[error("a picture of {0} is too large: no side may be longer than {most} pixels", most = Frame::MOST_SIDE)]
    TooLarge(Extent),
    /// More than memory holds.
    #[error("the layers at {extent} do not fit: {short}")]
    NoRoom {
        /// The size.
        extent: Extent,
        /// What is there.
        short: NoRoom,
    },
    /// Nothing to work on.
    #[error("there is no such layer: add one, or choose another")]
    NoLayer,
    /// Nothing to merge with.
    #[error("there is no layer under this one to merge it with")]
    NothingBelow,
    /// Layers for different things.
    #[error("the layer \u{201c}{0}\u{201d} is no part of the picture as the other one is: merge layers of one kind")]
    OtherKind(String),
    /// A layer that must not change.
    #[error("the layer \u{201c}{0}\u{201d} is locked: unlock it, or choose another")]
    Locked(String),
    /// A layer that is not seen.
    #[error("the layer \u{201c}{0}\u{201d} is hidden: show it, or choose another")]
    Hidden(String),
    /// More layers than can be handled.
    #[error("there are {} layers, the most that there may be: merge some", Stack::MOST_LAYERS)]
    TooManyLayers,
    /// An area of which no edge would be seen.
    #[error("this encloses next to nothing, and the mask is as it was: draw around more")]
    NextToNothing,
    /// A stroke that was begun on something else, or what was filled in it.
    #[error("the picture changed while this was painted: paint it again")]
    Outdated,
}
