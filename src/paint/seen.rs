//! What is seen of all layers together. Little of it is put together at once when layers change; much of it when somebody asks for it, or
//! meanwhile on another thread, so that a slider can be dragged over layers of any size.

use super::{Stack, Tiles};
use crate::geom::Extent;
use std::sync::{Arc, OnceLock};

/// How many tiles of how many layers are mixed while a frame waits.
const AT_ONCE: usize = 160;
/// How many tiles are mixed before other work of a painter's gets its turn.
const IN_A_ROW: usize = 32;

/// What is seen of a document's layers.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// What was put together before.
    known: Mixed,
    /// What is seen of the layers as they are, once it is put together.
    now: OnceLock<Sight>,
}

/// What is seen of some layers.
#[derive(Clone, Debug)]
pub(super) struct Sight {
    /// Of those that are a part of the picture.
    pub(super) picture: Arc<Tiles>,
    /// The same with what lies over the picture; the same tiles where that is nothing.
    pub(super) shown: Arc<Tiles>,
}

/// Layers, and what is seen of them.
#[derive(Clone, Debug)]
pub struct Mixed {
    /// The same one for all layers that came from each other.
    origin: Arc<()>,
    stack: Stack,
    sight: Sight,
}

/// Layers of which is to be found out what is seen, on whatever thread.
#[derive(Clone, Debug)]
pub struct Mixing {
    from: Mixed,
    stack: Stack,
}

impl Mixing {
    /// Puts together what is seen.
    pub fn mix(self) -> Mixed {
        let sight = self.from.sight_of(&self.stack);
        Mixed { origin: self.from.origin, stack: self.stack, sight }
    }
}

impl Mixed {
    /// What is seen of layers that differ a little from these.
    fn sight_of(&self, stack: &Stack) -> Sight {
        let others: Vec<usize> = (0..self.count()).filter(|&index| self.stack.differs(stack, index)).collect();
        let mut picture = Arc::clone(&self.sight.picture);
        for some in others.chunks(IN_A_ROW) {
            Arc::make_mut(&mut picture).set_all(some, |index| stack.seen(index));
        }
        if !stack.has_more_than_the_picture() {
            return Sight { shown: Arc::clone(&picture), picture };
        }
        let mut shown = (*self.sight.shown).clone();
        for some in self.differing(stack).chunks(IN_A_ROW) {
            shown.set_all(some, |index| stack.shown(index, picture.tile(index).cloned()));
        }
        Sight { picture, shown: Arc::new(shown) }
    }

    /// The tiles in which others may look different.
    fn differing(&self, stack: &Stack) -> Vec<usize> {
        let differ = |&index: &usize| self.stack.differs(stack, index) || self.stack.differs_over(stack, index);
        (0..self.count()).filter(differ).collect()
    }

    /// Other layers that came from these, and what is seen of them.
    fn with(&self, stack: &Stack, sight: Sight) -> Self {
        Self { origin: Arc::clone(&self.origin), stack: stack.clone(), sight }
    }

    fn count(&self) -> usize {
        self.sight.picture.count()
    }
}

impl Seen {
    /// Nothing is seen of much of them until it is put together.
    pub(super) fn of(stack: &Stack, extent: Extent) -> Self {
        let nothing = Arc::new(Tiles::clear(extent));
        let nothing = Sight { picture: Arc::clone(&nothing), shown: nothing };
        let known = Mixed { origin: Arc::new(()), stack: Stack::default(), sight: nothing.clone() };
        let mut seen = Self { known, now: OnceLock::from(nothing) };
        seen.turn(&Stack::default(), stack);
        seen
    }

    /// What is seen of `stack`, which is the document's.
    pub(super) fn now(&self, stack: &Stack) -> &Sight {
        self.now.get_or_init(|| self.known.sight_of(stack))
    }

    /// What was seen when it was put together last.
    pub(super) fn last(&self) -> &Sight {
        self.now.get().unwrap_or(&self.known.sight)
    }

    /// The picture that would be seen of other layers.
    pub(super) fn with(&self, stack: &Stack) -> Arc<Tiles> {
        self.known.sight_of(stack).picture
    }

    /// What is to be put together, if anything is.
    pub(super) fn to_mix(&self, stack: &Stack) -> Option<Mixing> {
        self.now.get().is_none().then(|| Mixing { from: self.known.clone(), stack: stack.clone() })
    }

    /// Takes what was put together meanwhile, of these layers or of earlier ones.
    pub(super) fn take(&mut self, mixed: Mixed, stack: &Stack) {
        if self.now.get().is_none() && Arc::ptr_eq(&mixed.origin, &self.known.origin) {
            if mixed.differing(stack).is_empty() {
                self.now = OnceLock::from(mixed.sight.clone());
            }
            self.known = mixed;
        }
    }

    /// Other layers take the place of these. Returns whether another picture may be seen.
    pub(super) fn turn(&mut self, from: &Stack, to: &Stack) -> bool {
        let now = self.now.take();
        let was_known = now.is_some();
        if let Some(sight) = now {
            self.known = self.known.with(from, sight);
        }
        let changed = self.known.differing(to);
        let is_same = was_known && !changed.iter().any(|&index| self.known.stack.differs(to, index));
        if changed.is_empty() {
            self.now = OnceLock::from(self.known.sight.clone());
        } else if changed.iter().map(|&index| to.sheets_to_mix(index)).sum::<usize>() <= AT_ONCE {
            self.now = OnceLock::from(self.known.sight_of(to));
        }
        !is_same
    }

    /// Other layers take the place of these, and what is shown of them is known. Returns whether another picture is seen.
    pub(super) fn turn_to(&mut self, stack: &Stack, shown: Tiles) -> bool {
        let before = self.now.take().map(|sight| sight.picture);
        let shown = Arc::new(shown);
        let picture = if stack.has_more_than_the_picture() { self.with(stack) } else { Arc::clone(&shown) };
        let same = before.filter(|before| picture.changed(before).next().is_none());
        let is_same = same.is_some();
        let picture = same.unwrap_or(picture);
        let shown = if stack.has_more_than_the_picture() { shown } else { Arc::clone(&picture) };
        let sight = Sight { picture, shown };
        self.known = self.known.with(stack, sight.clone());
        self.now = OnceLock::from(sight);
        !is_same
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Document, Edit, Layer, LayerEdit, LayerLook};
    use super::*;

    /// Four translucent layers of 1024×1024: 64 tiles each.
    fn large() -> Document {
        let extent = Extent::new(1024, 1024);
        let mut document = Document::new(extent);
        for grey in [10, 60, 120, 250] {
            let tiles = Tiles::filled(extent, [grey, grey, grey, 128]);
            document.apply(Edit::Layer(LayerEdit::Insert { look: LayerLook::named(""), tiles })).unwrap();
        }
        document.flat();
        document
    }

    fn look(document: &mut Document, opacity: f32) {
        let layer = document.stack().layers()[1].id;
        let look = LayerLook { opacity, ..LayerLook::named("") };
        document.apply(Edit::Layer(LayerEdit::Look { layer, look, goes_on: true })).unwrap();
    }

    #[test]
    fn a_change_of_much_is_seen_once_it_is_put_together_and_is_right_whenever_it_is_asked_for() {
        let mut document = large();
        let before = Arc::clone(document.flat());
        look(&mut document, 0.5);
        assert!(Arc::ptr_eq(document.last_flat(), &before), "nothing waits for it");
        let mixing = document.to_mix().unwrap();
        look(&mut document, 0.25);
        document.take_mixed(mixing.mix());
        let halfway = Arc::clone(document.last_flat());
        assert!(halfway.pixel(5, 5) != before.pixel(5, 5), "an earlier one is seen meanwhile");
        document.take_mixed(document.to_mix().unwrap().mix());
        assert!(document.to_mix().is_none());
        let exact = document.stack().flattened(document.extent());
        assert!(**document.last_flat() == exact && Arc::ptr_eq(document.flat(), document.last_flat()));
        assert!(exact.pixel(5, 5) != halfway.pixel(5, 5));
        document.undo();
        assert!(**document.flat() == *before, "and who asks waits for it");
    }

    #[test]
    fn what_was_put_together_for_another_document_is_not_taken() {
        let mut document = large();
        look(&mut document, 0.5);
        let mixed = document.to_mix().unwrap().mix();
        let extent = document.extent();
        let layers = document.stack().layers().iter().map(|layer| {
            let tiles = Tiles::filled(extent, [200, 0, 0, 100]);
            Layer { tiles, ..(**layer).clone() }
        });
        let stack = Stack::from_layers(layers, None);
        document.apply(Edit::TakeLayers { extent, stack, mask: None }).unwrap();
        document.take_mixed(mixed);
        assert!(document.last_flat().is_clear(), "nothing of the one before is seen, nor waited for");
        document.take_mixed(document.to_mix().unwrap().mix());
        assert!(document.to_mix().is_none() && **document.last_flat() == document.stack().flattened(extent));
        document.undo();
        assert!(document.to_mix().is_some() && document.last_flat().is_clear(), "nor when it is taken back");
        assert!(**document.flat() == document.stack().flattened(extent), "but who asks has it");
        document.apply(Edit::SetExtent(Extent::new(64, 64))).unwrap();
        let small = document.stack().flattened(Extent::new(64, 64));
        assert!(document.to_mix().is_none() && **document.last_flat() == small, "little is seen at once");
    }

    #[test]
    fn the_picture_is_another_when_what_is_seen_is() {
        let mut document = large();
        let before = Arc::clone(document.picture().unwrap());
        look(&mut document, 0.5);
        let after = Arc::clone(document.picture().unwrap());
        assert!(after != before);
        document.undo();
        assert!(*document.picture().unwrap() == before);
    }
}
