use crate::gallery::EntryId;
use crate::geom::Extent;
use crate::pixels::Picture;
use std::sync::Arc;

/// Names a result for as long as the program runs, whether it is in the gallery yet or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResultId(pub u64);

/// Where a result is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// On its way to the gallery.
    Saving,
    /// In the gallery.
    InGallery(EntryId),
    /// In memory only, because the gallery could not take it: gone when the program ends.
    InMemory,
}

/// A result as the filmstrip and the gallery list it.
#[derive(Clone, Debug)]
pub struct ResultItem {
    /// Its name in actions.
    pub id: ResultId,
    /// A small picture of it; none if its file is missing.
    pub thumbnail: Option<Arc<Picture>>,
    /// What was asked for.
    pub prompt: String,
    /// What the noise was drawn from.
    pub seed: u64,
    /// The picture's size.
    pub extent: Extent,
    /// Whether it was stopped before its last step.
    pub partial: bool,
    /// Whether its file is gone from the gallery's folder.
    pub missing: bool,
    /// Where it is kept.
    pub kept: Kept,
}

/// What was made, as far as it is listed: the newest page, further pages as they are asked for, narrowed by a search.
#[derive(Clone, Debug, Default)]
pub struct Results {
    /// Newest first.
    pub items: Vec<ResultItem>,
    /// The words that prompts must hold to be listed; empty for all.
    pub search: String,
    /// Whether older ones can be listed with [`MoreResults`](super::Action::MoreResults).
    pub has_more: bool,
    /// The one that the canvas shows, if it shows a result.
    pub shown: Option<ResultId>,
}

impl Results {
    /// The result of this name, if it is listed.
    pub fn get(&self, id: ResultId) -> Option<&ResultItem> {
        self.items.iter().find(|item| item.id == id)
    }
}
