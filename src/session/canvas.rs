use super::ResultId;
use crate::engine::JobId;
use crate::geom::Extent;
use crate::pixels::Picture;
use std::sync::Arc;

/// What the canvas shows.
#[derive(Clone, Debug)]
pub enum Shown {
    /// Nothing yet: the size that will be painted.
    Empty(Extent),
    /// The document's picture. The mask belongs over it.
    Document(Arc<Picture>),
    /// A result. A stroke of the mask brush makes it the document's picture.
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
    /// The picture to upload, if any.
    pub fn picture(&self) -> Option<&Arc<Picture>> {
        match self {
            Self::Empty(_) => None,
            Self::Document(picture) | Self::Result(_, picture) | Self::Preview { picture, .. } => Some(picture),
        }
    }

    /// The size to show it at, in image pixels.
    pub fn extent(&self) -> Extent {
        match self {
            Self::Empty(extent) | Self::Preview { extent, .. } => *extent,
            Self::Document(picture) | Self::Result(_, picture) => picture.extent(),
        }
    }

    /// Whether both show the same pixels at the same size.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let same_picture = match (self.picture(), other.picture()) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        };
        same_picture && self.extent() == other.extent() && std::mem::discriminant(self) == std::mem::discriminant(other)
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
