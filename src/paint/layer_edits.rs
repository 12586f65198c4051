//! What can be done to layers. Each edit makes a new stack of an old one, or says why it cannot.

use super::ink::{Coat, laid};
use super::tiles::{TILE_AREA, Tile};
use super::{Error, Ink, Layer, LayerId, LayerKind, LayerLook, Placed, Stack, Tiles, Transform, beyond};
use crate::geom::Extent;
use std::sync::Arc;

/// A change of one layer, or of what layers there are.
#[derive(Clone, Debug)]
pub enum LayerEdit {
    /// A new, clear layer above the active one.
    Add,
    /// A new layer with these pixels, of the document's extent, above all others.
    Insert {
        /// How it is called, seen and kept.
        look: LayerLook,
        /// What is on it.
        tiles: Tiles,
    },
    /// The same with pixels of any size where they lie. What of them lies outside of the document is kept there.
    Place {
        /// How it is called, seen and kept.
        look: LayerLook,
        /// What is on it.
        placed: Placed,
    },
    /// Take this one away.
    Delete(LayerId),
    /// Another one like this, above it.
    Duplicate(LayerId),
    /// Put this one at a place, counted from below.
    Move(LayerId, usize),
    /// Call it, show it and keep it so.
    Look {
        /// Which one.
        layer: LayerId,
        /// How.
        look: LayerLook,
        /// Whether it goes on with the edit before it and is one step of undo with it: a slider that is being dragged.
        goes_on: bool,
    },
    /// Make all of it clear, what lies outside of the document too.
    Clear(LayerId),
    /// Cover all of it within the document.
    Fill(LayerId, Ink),
    /// Move, scale, turn or flip what is on it. What comes to lie outside of the document is kept there.
    Transform(LayerId, Transform),
    /// Make one layer of this one and the one under it, outside of the document too.
    MergeDown(LayerId),
    /// Make one layer of all that is seen, and of what these layers have outside of the document; what is not seen stays as it is.
    MergeVisible,
}

impl Stack {
    /// The most layers a document may have.
    pub const MOST_LAYERS: usize = 200;

    /// The active layer, if its pixels may be changed.
    pub(super) fn paintable(&self) -> Result<&Arc<Layer>, Error> {
        let layer = self.active().ok_or(Error::NoLayer)?;
        open(layer)?;
        if layer.look.visible { Ok(layer) } else { Err(Error::Hidden(layer.look.name.clone())) }
    }

    /// The stack after an edit. None if nothing changes.
    pub(super) fn edited(&self, extent: Extent, edit: LayerEdit) -> Result<Option<Self>, Error> {
        let mut stack = self.clone();
        match edit {
            LayerEdit::Add => {
                let look = LayerLook::named(stack.free_name());
                stack.insert_above(look, Tiles::clear(extent), None)?;
            }
            LayerEdit::Insert { tiles, .. } if tiles.extent() != extent => {
                return Err(Error::LayerExtent { expected: extent, found: tiles.extent() });
            }
            LayerEdit::Insert { look, tiles } => stack.insert_on_top(look, tiles, None)?,
            LayerEdit::Place { look, placed } => {
                let (tiles, beyond) = placed.parted(extent);
                stack.insert_on_top(look, tiles, beyond)?;
            }
            LayerEdit::Delete(id) => {
                let position = stack.find(id)?;
                open(&self.layers[position])?;
                stack.layers.remove(position);
                if stack.active == Some(id) {
                    let next = stack.layers.get(position.saturating_sub(1));
                    stack.active = next.map(|layer| layer.id);
                }
            }
            LayerEdit::Duplicate(id) => stack.duplicate(id)?,
            LayerEdit::Move(id, to) => {
                let from = stack.find(id)?;
                let layer = stack.layers.remove(from);
                let to = to.min(stack.layers.len());
                stack.layers.insert(to, layer);
                return Ok((from != to).then_some(stack));
            }
            LayerEdit::Look { layer, look, .. } => {
                let position = stack.find(layer)?;
                if self.layers[position].look == look {
                    return Ok(None);
                }
                Arc::make_mut(&mut stack.layers[position]).look = look.sound();
            }
            LayerEdit::Clear(id) => stack.clear(id)?,
            LayerEdit::Fill(id, ink) => {
                let (sheet, all) = (full(ink).map(Arc::new), vec![1.0; TILE_AREA]);
                stack.replace(id, |tile, keeps_alpha| {
                    let coat = Coat { ink, opacity: 1.0, keeps_alpha };
                    if keeps_alpha { tile.map(|tile| Arc::new(laid(Some(tile), &all, coat))) } else { sheet.clone() }
                })?;
            }
            LayerEdit::Transform(id, transform) => {
                let position = stack.find(id)?;
                open(&self.layers[position])?;
                let (tiles, beyond) = beyond::transformed(&self.layers[position], transform);
                let layer = Arc::make_mut(&mut stack.layers[position]);
                (layer.tiles, layer.beyond) = (tiles, beyond);
            }
            LayerEdit::MergeDown(id) => stack.merge_down(id)?,
            LayerEdit::MergeVisible => {
                let is_seen = |layer: &&Arc<Layer>| layer.look.visible && layer.look.kind.is_of_the_picture();
                let seen = || self.layers.iter().filter(is_seen);
                seen().try_for_each(|layer| open(layer))?;
                let Some(lowest) = seen().next().filter(|_| seen().count() > 1) else { return Ok(None) };
                let mut look = LayerLook::named(lowest.look.name.clone());
                seen().for_each(|layer| take_recipes(&mut look, &layer.look));
                let look = look.sound();
                let (tiles, beyond) = Self { layers: seen().cloned().collect(), active: None }.merged(extent);
                let merged = Layer { id: lowest.id, look, tiles, beyond };
                // What lies under the lowest that is seen stays.
                let position = self.position(lowest.id).unwrap_or(0);
                stack.layers.retain(|layer| !is_seen(&layer));
                stack.layers.insert(position, Arc::new(merged));
                stack.active = Some(lowest.id);
            }
        }
        Ok((stack != *self).then_some(stack))
    }

    fn find(&self, id: LayerId) -> Result<usize, Error> {
        self.position(id).ok_or(Error::NoLayer)
    }

    fn insert_on_top(&mut self, look: LayerLook, tiles: Tiles, beyond: Option<Arc<Placed>>) -> Result<(), Error> {
        self.active = self.layers.last().map(|layer| layer.id);
        self.insert_above(look.sound(), tiles, beyond)
    }

    fn insert_above(&mut self, look: LayerLook, tiles: Tiles, beyond: Option<Arc<Placed>>) -> Result<(), Error> {
        if self.layers.len() >= Self::MOST_LAYERS {
            return Err(Error::TooManyLayers);
        }
        let above = self.active.and_then(|id| self.position(id)).map_or(self.layers.len(), |position| position + 1);
        self.insert(above, look, tiles);
        if let Some(layer) = self.active.and_then(|id| self.layer_mut(id)) {
            layer.beyond = beyond;
        }
        Ok(())
    }

    fn duplicate(&mut self, id: LayerId) -> Result<(), Error> {
        let layer = Arc::clone(&self.layers[self.find(id)?]);
        self.active = Some(id);
        let look = LayerLook { name: format!("{} copy", layer.look.name), ..layer.look.clone() };
        self.insert_above(look, layer.tiles.clone(), layer.beyond.clone())
    }

    fn clear(&mut self, id: LayerId) -> Result<(), Error> {
        self.replace(id, |_, _| None)?;
        if let Some(layer) = self.layer_mut(id) {
            layer.beyond = None;
        }
        Ok(())
    }

    fn replace(
        &mut self,
        id: LayerId,
        make: impl Fn(Option<&Arc<Tile>>, bool) -> Option<Arc<Tile>>,
    ) -> Result<(), Error> {
        let position = self.find(id)?;
        open(&self.layers[position])?;
        let layer = Arc::make_mut(&mut self.layers[position]);
        for index in 0..layer.tiles.count() {
            let tile = make(layer.tiles.tile(index), layer.look.keeps_alpha);
            layer.tiles.set(index, tile);
        }
        Ok(())
    }

    /// What is seen of the two alone becomes the pixels of the lower one; it keeps its way of meeting what lies under it.
    fn merge_down(&mut self, id: LayerId) -> Result<(), Error> {
        let position = self.find(id)?;
        let below = position.checked_sub(1).ok_or(Error::NothingBelow)?;
        for layer in &self.layers[below..=position] {
            open(layer)?;
            if !layer.look.visible {
                return Err(Error::Hidden(layer.look.name.clone()));
            }
        }
        let kinds = [below, position].map(|at| self.layers[at].look.kind);
        if kinds[0] != kinds[1] && !kinds.iter().all(|kind| kind.is_of_the_picture()) {
            return Err(Error::OtherKind(self.layers[position].look.name.clone()));
        }
        let (mut upper, mut lower) = ((*self.layers.remove(position)).clone(), (*self.layers[below]).clone());
        take_recipes(&mut lower.look, &upper.look);
        let blend = std::mem::take(&mut lower.look.blend);
        (lower.look.kind, upper.look.kind) = (LayerKind::Picture, LayerKind::Picture);
        let pair = Self { layers: vec![Arc::new(lower.clone()), Arc::new(upper)], active: None };
        (lower.tiles, lower.beyond) = pair.merged(lower.tiles.extent());
        let kind = if kinds[0] == kinds[1] { kinds[0] } else { LayerKind::Picture };
        lower.look = LayerLook { opacity: 1.0, blend, kind, ..lower.look }.sound();
        self.active = Some(lower.id);
        self.layers[below] = Arc::new(lower);
        Ok(())
    }

    /// "Layer" with the lowest number that is not taken.
    fn free_name(&self) -> String {
        let is_free = |name: &String| !self.layers.iter().any(|layer| layer.look.name == *name);
        (1..=self.layers.len() + 1)
            .map(|number| format!("Layer {number}"))
            .find(is_free)
            .expect("there are more numbers than layers")
    }
}

/// What was merged was made by all of it; a copy of a layer brings nothing new.
fn take_recipes(look: &mut LayerLook, of: &LayerLook) {
    let new: Vec<_> = of.recipes.iter().filter(|recipe| !look.recipes.contains(recipe)).cloned().collect();
    look.recipes.extend(new);
}

pub(super) fn open(layer: &Layer) -> Result<(), Error> {
    if layer.look.locked { Err(Error::Locked(layer.look.name.clone())) } else { Ok(()) }
}

fn full(ink: Ink) -> Option<Tile> {
    match ink {
        Ink::Colour([r, g, b]) => Some(Tile::filled([r, g, b, 255])),
        Ink::Erase => None,
    }
}

#[cfg(test)]
#[path = "layer_tests.rs"]
mod tests;
