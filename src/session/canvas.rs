use super::ResultId;
use crate::engine::JobId;
use crate::geom::{Bounds, Extent};
use crate::paint::Tiles;
use crate::pixels::{Mask, Picture};
use std::sync::Arc;

/// What the canvas shows.
#[derive(Clone, Debug)]
pub enum Shown {
    /// Nothing yet: the size that will be painted.
    Empty(Extent),
    /// What is seen of the document's layers. The mask belongs over it.
    Document(Arc<Tiles>),
    /// A result. A stroke makes it the document's picture.
    Result(ResultId, Arc<Picture>),
    /// A result that is a part of the canvas, in its place. A stroke puts it there as a layer.
    Part {
        /// Which one.
        result: ResultId,
        /// The part.
        picture: Arc<Picture>,
        /// What is seen of the document with it.
        tiles: Arc<Tiles>,
    },
    /// What was painted live, in its place.
    Live {
        /// The part of the canvas that was painted.
        picture: Arc<Picture>,
        /// What is seen of the document with it.
        tiles: Arc<Tiles>,
    },
    /// The newest estimate of the running job.
    Preview {
        /// Which job.
        job: JobId,
        /// The estimate, smaller than the finished picture.
        picture: Arc<Picture>,
        /// The size to show it at: the finished picture's, or where it is a part of one, the canvas's.
        extent: Extent,
        /// What is seen of the document, and the box in which the estimate lies over it, if it is a part.
        over: Option<(Arc<Tiles>, Bounds)>,
        /// Of the document's size: where the estimate is seen of a part that is painted through a mask.
        mask: Option<Arc<Mask>>,
    },
}

impl Shown {
    /// The size to show it at, in image pixels.
    pub fn extent(&self) -> Extent {
        match self {
            Self::Empty(extent) | Self::Preview { extent, .. } => *extent,
            Self::Document(tiles) | Self::Part { tiles, .. } | Self::Live { tiles, .. } => tiles.extent(),
            Self::Result(_, picture) => picture.extent(),
        }
    }

    /// Whether it is a picture that can be worked on: not an estimate of one, nor none.
    pub const fn is_finished(&self) -> bool {
        matches!(self, Self::Document(_) | Self::Result(..) | Self::Part { .. } | Self::Live { .. })
    }

    /// The result that it shows, if it shows one.
    pub const fn result(&self) -> Option<ResultId> {
        match self {
            Self::Result(id, _) | Self::Part { result: id, .. } => Some(*id),
            Self::Empty(_) | Self::Document(_) | Self::Live { .. } | Self::Preview { .. } => None,
        }
    }

    /// Whether both show the same pixels at the same size.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Empty(a), Self::Empty(b)) => a == b,
            (Self::Document(a), Self::Document(b)) | (Self::Live { tiles: a, .. }, Self::Live { tiles: b, .. }) => {
                Arc::ptr_eq(a, b)
            }
            (Self::Result(_, a), Self::Result(_, b)) => Arc::ptr_eq(a, b),
            (Self::Part { result: a, tiles: of_a, .. }, Self::Part { result: b, tiles: of_b, .. }) => {
                a == b && Arc::ptr_eq(of_a, of_b)
            }
            (
                Self::Preview { picture: a, extent: of_a, over: over_a, .. },
                Self::Preview { picture: b, extent: of_b, over: over_b, .. },
            ) => {
                let place = |over: &Option<(Arc<Tiles>, Bounds)>| {
                    over.as_ref().map(|(tiles, bounds)| (Arc::as_ptr(tiles).addr(), *bounds))
                };
                Arc::ptr_eq(a, b) && of_a == of_b && place(over_a) == place(over_b)
            }
            _ => false,
        }
    }
}

/// Something that only the window can do. It asks for them once a frame with [`Session::take_wishes`](super::Session::take_wishes).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Ask the person for a file, then apply [`Action::SaveResult`](super::Action::SaveResult) with it.
    AskWhereToSave {
        /// What to save.
        result: ResultId,
        /// A file name to begin with.
        name: String,
    },
    /// Show this file in the system's file manager.
    Reveal(std::path::PathBuf),
    /// Put this picture on the clipboard.
    Copy(Arc<Picture>),
}
