use super::ResultId;
use crate::engine::JobId;
use crate::geom::Extent;
use crate::paint::Tiles;
use crate::pixels::Picture;
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
    /// The newest estimate of the running job.
    Preview {
        /// Which job.
        job: JobId,
        /// The estimate, smaller than the finished picture.
        picture: Arc<Picture>,
        /// The finished picture's size: how large to show it.
        extent: Extent,
    },
}

impl Shown {
    /// The size to show it at, in image pixels.
    pub fn extent(&self) -> Extent {
        match self {
            Self::Empty(extent) | Self::Preview { extent, .. } => *extent,
            Self::Document(tiles) => tiles.extent(),
            Self::Result(_, picture) => picture.extent(),
        }
    }

    /// Whether both show the same pixels at the same size.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Empty(a), Self::Empty(b)) => a == b,
            (Self::Document(a), Self::Document(b)) => Arc::ptr_eq(a, b),
            (Self::Result(_, a), Self::Result(_, b)) => Arc::ptr_eq(a, b),
            (Self::Preview { picture: a, extent: of_a, .. }, Self::Preview { picture: b, extent: of_b, .. }) => {
                Arc::ptr_eq(a, b) && of_a == of_b
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
}
