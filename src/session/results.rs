use super::archive::Listed;
use crate::diffusion::{Painted, Request};
use crate::gallery::{Entry, EntryId, Gallery, Spare};
use crate::geom::Extent;
use crate::metadata::{FileHashes, describe};
use crate::pixels::Picture;
use std::collections::{HashMap, HashSet, VecDeque};
use std::path::PathBuf;
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
    /// A small picture of it; none while it is being made, or if there is none any more.
    pub thumbnail: Option<Arc<Picture>>,
    /// What was asked for.
    pub prompt: String,
    /// What the noise was drawn from.
    pub seed: u64,
    /// The picture's size.
    pub extent: Extent,
    /// Whether it was stopped before its last step.
    pub partial: bool,
    /// Whether it was enlarged after it was painted.
    pub upscaled: bool,
    /// How many strokes were painted in while it was drawn.
    pub painted_in: usize,
    /// Whether its file is gone from the gallery's folder.
    pub missing: bool,
    /// Where it is kept.
    pub kept: Kept,
    /// How well it fits its prompt, -1..1; none before a CLIP has looked at it.
    pub fit: Option<f32>,
}

impl ResultItem {
    /// Whether there is more to see of it than its thumbnail has, where it is seen as large as this, in pixels of the screen.
    pub fn exceeds_thumbnail(&self, side: f32) -> bool {
        let has_more = self.extent.width.max(self.extent.height) > Gallery::THUMBNAIL_SIDE;
        side > Gallery::THUMBNAIL_SIDE as f32 && has_more && !self.missing && matches!(self.kept, Kept::InGallery(_))
    }
}

/// Results that were put together by what they show.
#[derive(Clone, Debug)]
pub struct Gathered {
    /// By what.
    pub by: By,
    /// The nearest first, each with how near it is, -1..1.
    pub items: Vec<(ResultItem, f32)>,
    /// Whether they are on their way; until then those of before are here.
    pub is_loading: bool,
}

/// By what results are put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// They show something like the words of the search.
    Words(String),
    /// They show something like this one.
    Like(ResultId),
    /// This is their prompt, and they fit it.
    Prompt(String),
}

/// What was made, as far as it is listed: the newest page, further pages as they are asked for, narrowed by a search.
#[derive(Debug, Default)]
pub struct Results {
    /// Newest first.
    pub items: Vec<ResultItem>,
    /// The words that prompts must hold to be listed; empty for all.
    pub search: String,
    /// Those that were put together by what they show, besides what is listed.
    pub gathered: Option<Gathered>,
    /// Whether older ones can be listed with [`MoreResults`](super::Action::MoreResults).
    pub has_more: bool,
    /// Whether a page is on its way.
    pub is_loading: bool,
    /// The one that the canvas shows, if it shows a result.
    pub shown: Option<ResultId>,
    /// Every result ever listed, by name; the same entry has the same name whenever it is listed.
    places: HashMap<ResultId, Place>,
    ids: HashMap<EntryId, ResultId>,
    /// What the gallery does not have (yet): kept until it has.
    unsaved: HashMap<ResultId, Unsaved>,
    /// What was shown or made lately, oldest first.
    recent: VecDeque<(ResultId, Arc<Finished>)>,
    /// Those that are seen larger than their thumbnails.
    seen_large: Vec<ResultId>,
    /// Larger pictures of those, as far as they were read; none where that could not be done.
    large: HashMap<ResultId, Option<Arc<Picture>>>,
    /// The one of which a larger picture is being read.
    reads_large: Option<ResultId>,
    /// On their way to the trash.
    pub(super) leaving: HashSet<ResultId>,
    /// Those that were moved to the trash, for as long as it is offered to bring them back; the newest last.
    pub(super) deleted: Vec<Spare>,
    /// Those that were saved to files of the person's own, whether the gallery has them or not.
    pub(super) in_files: HashSet<ResultId>,
    next_id: u64,
}

/// Where the gallery has a result.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) entry: EntryId,
    pub(super) path: PathBuf,
}

/// A result that is in memory only.
#[derive(Clone, Debug)]
pub(super) struct Unsaved {
    pub(super) painted: Box<Painted>,
    pub(super) partial: bool,
    pub(super) hashes: FileHashes,
}

/// A picture with all that decided it.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) picture: Arc<Picture>,
    pub(super) request: Box<Request>,
    /// As A1111 writes it.
    pub(super) parameters: String,
    pub(super) steps_made: u32,
}

impl Results {
    /// How many results are kept in memory to be shown again at once.
    const RECENT: usize = 8;
    /// How many bytes of results that were moved to the trash are held to be brought back.
    const DELETED: usize = 256 << 20;

    /// The result of this name, if it is listed.
    pub fn get(&self, id: ResultId) -> Option<&ResultItem> {
        self.all_items().find(|item| item.id == id)
    }

    fn all_items(&self) -> impl Iterator<Item = &ResultItem> {
        let gathered = self.gathered.iter().flat_map(|gathered| &gathered.items).map(|(item, _)| item);
        self.items.iter().chain(gathered)
    }

    /// The gathered ones that are not found by their words already.
    pub fn found_besides(&self) -> impl Iterator<Item = &(ResultItem, f32)> {
        let found: HashSet<ResultId> = self.found().map(|item| item.id).collect();
        let gathered = self.gathered.iter().flat_map(|gathered| &gathered.items);
        gathered.filter(move |(item, _)| !found.contains(&item.id))
    }

    /// The listed ones that the search is for. What was made since it began is listed whether it is or not.
    pub fn found(&self) -> impl Iterator<Item = &ResultItem> {
        let words: Vec<String> = self.search.to_lowercase().split_whitespace().map(str::to_owned).collect();
        self.items.iter().filter(move |item| {
            let prompt = item.prompt.to_lowercase();
            words.iter().all(|word| prompt.contains(word))
        })
    }

    /// Those that are seen larger than their thumbnails.
    pub fn seen_large(&self) -> &[ResultId] {
        &self.seen_large
    }

    /// A larger picture of a result than its thumbnail, where it is seen so large, once it was read.
    pub fn large(&self, id: ResultId) -> Option<&Arc<Picture>> {
        self.large.get(&id)?.as_ref()
    }

    pub(super) fn see_large(&mut self, seen: Vec<ResultId>) {
        self.large.retain(|id, _| seen.contains(id));
        self.seen_large = seen;
    }

    /// What is to be read next, which is on its way then: one at a time, so that what is scrolled past is not read.
    pub(super) fn next_large(&mut self) -> Option<(ResultId, EntryId)> {
        if self.reads_large.is_some() {
            return None;
        }
        let mut unread = self.seen_large.iter().filter(|id| !self.large.contains_key(*id));
        let next = unread.find_map(|id| Some((*id, self.places.get(id)?.entry)));
        self.reads_large = next.map(|(id, _)| id);
        next
    }

    /// A larger picture was read, if it could be; it is held if it is still seen.
    pub(super) fn take_large(&mut self, id: ResultId, picture: Option<Arc<Picture>>) {
        if self.reads_large == Some(id) {
            self.reads_large = None;
        }
        if self.seen_large.contains(&id) {
            self.large.insert(id, picture);
        }
    }

    /// What is looked at after this one is gone: the next older one that stays, else the next newer.
    pub(super) fn neighbour(&self, id: ResultId) -> Option<ResultId> {
        let at = self.items.iter().position(|item| item.id == id)?;
        let (newer, older) = (self.items[..at].iter().rev(), self.items[at + 1..].iter());
        older.chain(newer).find(|item| !item.missing && !self.leaving.contains(&item.id)).map(|item| item.id)
    }

    pub(super) fn get_mut(&mut self, id: ResultId) -> Option<&mut ResultItem> {
        self.items.iter_mut().find(|item| item.id == id)
    }

    pub(super) fn place(&self, id: ResultId) -> Option<&Place> {
        self.places.get(&id)
    }

    pub(super) fn unsaved(&self, id: ResultId) -> Option<&Unsaved> {
        self.unsaved.get(&id)
    }

    /// A result that is in memory, whether the gallery has it or not.
    pub(super) fn in_memory(&self, id: ResultId) -> Option<Arc<Finished>> {
        if let Some(Unsaved { painted, hashes, .. }) = self.unsaved.get(&id) {
            return Some(Arc::new(Finished::of(painted, hashes)));
        }
        self.recent.iter().find(|(recent, _)| *recent == id).map(|(_, finished)| Arc::clone(finished))
    }

    pub(super) fn hold(&mut self, id: ResultId, finished: Finished) {
        self.recent.retain(|(recent, _)| *recent != id);
        self.recent.push_back((id, Arc::new(finished)));
        if self.recent.len() > Self::RECENT {
            self.recent.pop_front();
        }
    }

    /// Lists a new result first and holds it until the gallery has it.
    pub(super) fn add(&mut self, painted: Painted, partial: bool, hashes: FileHashes) -> ResultId {
        let id = self.new_id();
        self.items.insert(
            0,
            ResultItem {
                id,
                thumbnail: None,
                prompt: painted.request.prompt.clone(),
                seed: painted.request.seed,
                extent: painted.picture.extent(),
                partial,
                upscaled: painted.request.upscale.is_some(),
                painted_in: painted.request.hints.len(),
                missing: false,
                kept: Kept::Saving,
                fit: None,
            },
        );
        self.unsaved.insert(id, Unsaved { painted: Box::new(painted), partial, hashes });
        id
    }

    /// The gallery has it now.
    pub(super) fn saved(&mut self, id: ResultId, entry: &Entry) {
        if let Some(Unsaved { painted, hashes, .. }) = self.unsaved.remove(&id) {
            self.hold(id, Finished::of(&painted, &hashes));
        }
        self.ids.insert(entry.id, id);
        self.locate(id, entry);
        // A page that was listed meanwhile may hold it under the same entry.
        self.items.retain(|item| item.id == id || item.kept != Kept::InGallery(entry.id));
        if let Some(item) = self.get_mut(id) {
            item.kept = Kept::InGallery(entry.id);
        }
    }

    /// Begins a new list: what the gallery does not have stays, the rest comes page by page.
    pub(super) fn restart(&mut self, search: String) {
        self.items.retain(|item| !matches!(item.kept, Kept::InGallery(_)));
        self.search = search;
        self.has_more = false;
    }

    /// After how many of the gallery's entries the next page begins.
    pub(super) fn offset(&self) -> usize {
        self.items.iter().filter(|item| matches!(item.kept, Kept::InGallery(_))).count()
    }

    /// Lists older entries behind what is listed; what is listed already stays where it is.
    pub(super) fn append(&mut self, entries: Vec<Listed>) {
        for listed in entries {
            let item = self.item(listed);
            if self.items.iter().all(|other| other.id != item.id) {
                self.items.push(item);
            }
        }
    }

    /// Holds a result that was moved to the trash; of many large ones not all.
    pub(super) fn hold_deleted(&mut self, spare: Spare) {
        self.deleted.push(spare);
        while self.deleted.len() > 1 && self.deleted.iter().map(Spare::bytes).sum::<usize>() > Self::DELETED {
            self.deleted.remove(0);
        }
    }

    /// A result is in the gallery again: it is listed where it was, unless it is not searched for or lies beyond what is listed.
    pub(super) fn take_back(&mut self, listed: Listed) -> ResultId {
        let item = self.item(listed);
        let (id, prompt) = (item.id, item.prompt.to_lowercase());
        let is_searched = self.search.to_lowercase().split_whitespace().all(|word| prompt.contains(word));
        let entry = |item: &ResultItem| match item.kept {
            Kept::InGallery(entry) => Some(entry),
            Kept::Saving | Kept::InMemory => None,
        };
        let is_older = |other: &ResultItem| entry(other).is_some_and(|other| Some(other) < entry(&item));
        let at = self.items.iter().position(is_older).or((!self.has_more).then_some(self.items.len()));
        if let Some(at) = at.filter(|_| is_searched && self.items.iter().all(|other| other.id != id)) {
            self.items.insert(at, item);
        }
        id
    }

    fn item(&mut self, (entry, thumbnail): Listed) -> ResultItem {
        let id = self.name_of(entry.id);
        self.locate(id, &entry);
        ResultItem {
            id,
            thumbnail,
            extent: entry.record.picture_extent(),
            upscaled: entry.record.upscale.is_some(),
            painted_in: entry.record.hints.len(),
            prompt: entry.record.prompt,
            seed: entry.record.seed,
            partial: entry.partial,
            missing: entry.missing,
            kept: Kept::InGallery(entry.id),
            fit: entry.fit,
        }
    }

    /// Begins to gather by something, or ends it. What was gathered by other words stays until what is asked for is there.
    pub(super) fn gather(&mut self, by: Option<By>) {
        let before = self.gathered.take();
        self.gathered = by.map(|by| {
            let both_words = |before: &Gathered| matches!((&before.by, &by), (By::Words(_), By::Words(_)));
            let items = before.filter(both_words).map(|before| before.items).unwrap_or_default();
            Gathered { by, items, is_loading: true }
        });
    }

    /// What was gathered is there, if it is still wanted.
    pub(super) fn take_gathered(&mut self, by: &By, found: Vec<(Listed, f32)>) {
        if self.gathered.as_ref().is_none_or(|gathered| gathered.by != *by) {
            return;
        }
        let items = found.into_iter().map(|(listed, nearness)| (self.item(listed), nearness)).collect();
        self.gathered = Some(Gathered { by: by.clone(), items, is_loading: false });
    }

    /// A result was looked at.
    pub(super) fn set_fit(&mut self, entry: EntryId, fit: Option<f32>) {
        let Some(id) = self.ids.get(&entry).copied() else { return };
        if let Some(item) = self.items.iter_mut().find(|item| item.id == id) {
            item.fit = fit;
        }
    }

    /// What this entry is called here, listed or not.
    pub(super) fn name_of(&mut self, entry: EntryId) -> ResultId {
        let id = self.ids.get(&entry).copied().unwrap_or_else(|| self.new_id());
        self.ids.insert(entry, id);
        id
    }

    /// Where the gallery has it was found out.
    pub(super) fn locate(&mut self, id: ResultId, entry: &Entry) {
        self.places.insert(id, Place { entry: entry.id, path: entry.path.clone() });
    }

    pub(super) fn forget(&mut self, id: ResultId) {
        self.items.retain(|item| item.id != id);
        if let Some(gathered) = &mut self.gathered {
            gathered.items.retain(|(item, _)| item.id != id);
        }
        self.unsaved.remove(&id);
        self.leaving.remove(&id);
        self.recent.retain(|(recent, _)| *recent != id);
        if let Some(place) = self.places.remove(&id) {
            self.ids.remove(&place.entry);
        }
    }

    fn new_id(&mut self) -> ResultId {
        self.next_id += 1;
        ResultId(self.next_id)
    }
}

impl Finished {
    pub(super) fn of(painted: &Painted, hashes: &FileHashes) -> Self {
        Self {
            picture: Arc::clone(&painted.picture),
            request: painted.request.clone(),
            parameters: describe(painted, hashes),
            steps_made: painted.steps_made,
        }
    }
}
