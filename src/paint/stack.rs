//! The layers of a document, the lowest first, and what is seen of them together. A stack is a value: an edit makes another one,
//! which shares with the old one what did not change.

use super::blend::{premultiplied, straight};
use super::tiles::{TILE_AREA, Tile};
use super::{Blend, Layer, LayerId, LayerKind, LayerLook, Tiles, beyond};
use crate::geom::Extent;
use crate::pixels::Picture;
use std::cell::RefCell;
use std::sync::Arc;

/// Layers, the lowest first. Unless there are none, one of them is the one that is painted on.
#[derive(Clone, Debug, Default)]
pub struct Stack {
    pub(super) layers: Vec<Arc<Layer>>,
    pub(super) active: Option<LayerId>,
}

/// What of a layer is seen in one tile.
#[derive(Clone, Copy)]
struct Sheet<'a> {
    tile: &'a Arc<Tile>,
    opacity: f32,
    blend: Blend,
}

impl Stack {
    /// One layer, painted on next.
    pub fn of(name: &str, tiles: Tiles) -> Self {
        let id = LayerId(1);
        Self { layers: vec![Arc::new(Layer::new(id, LayerLook::named(name), tiles))], active: Some(id) }
    }

    /// A picture as its only layer.
    pub fn of_picture(picture: &Picture) -> Self {
        Self::of("Picture", Tiles::of(picture))
    }

    /// The same layers at another size. What lies outside of the document is scaled along.
    #[must_use]
    pub fn resized(&self, to: Extent) -> Self {
        let resized = |layer: &Arc<Layer>| {
            let (tiles, beyond) = (&layer.tiles, beyond::resized(layer, to));
            let tiles = if tiles.is_clear() { Tiles::clear(to) } else { Tiles::of(&tiles.to_picture().resized(to)) };
            Arc::new(Layer { tiles, beyond, ..(**layer).clone() })
        };
        Self { layers: self.layers.iter().map(resized).collect(), active: self.active }
    }

    /// White paper under an empty layer, which is painted on next.
    pub fn paper(extent: Extent) -> Self {
        let mut stack = Self::of("Paper", Tiles::filled(extent, [255; 4]));
        stack.insert(1, LayerLook::named("Layer 1"), Tiles::clear(extent));
        stack
    }

    /// These layers, the lowest first. Of those with one id only the first is taken; an `active` that is not among them is the highest.
    pub fn from_layers(layers: impl Iterator<Item = Layer>, active: Option<LayerId>) -> Self {
        let mut stack = Self::default();
        for layer in layers.take(Self::MOST_LAYERS) {
            if stack.get(layer.id).is_none() {
                stack.layers.push(Arc::new(Layer { look: layer.look.sound(), ..layer }));
            }
        }
        let active = active.filter(|id| stack.get(*id).is_some());
        stack.active = active.or(stack.layers.last().map(|layer| layer.id));
        stack
    }

    /// The layers, the lowest first.
    pub fn layers(&self) -> &[Arc<Layer>] {
        &self.layers
    }

    /// The layer that is painted on.
    pub fn active(&self) -> Option<&Arc<Layer>> {
        self.active.and_then(|id| self.get(id))
    }

    /// A layer.
    pub fn get(&self, id: LayerId) -> Option<&Arc<Layer>> {
        self.layers.iter().find(|layer| layer.id == id)
    }

    /// Which one from below a layer is, from 0.
    pub fn position(&self, id: LayerId) -> Option<usize> {
        self.layers.iter().position(|layer| layer.id == id)
    }

    /// The picture: what is seen of all layers together that are a part of it.
    pub fn flattened(&self, extent: Extent) -> Tiles {
        let mut flat = Tiles::clear(extent);
        let all: Vec<usize> = (0..flat.count()).collect();
        flat.set_all(&all, |index| self.seen(index));
        flat
    }

    /// What those layers of this kind that are seen make together, over white.
    pub fn drawn_on(&self, kind: LayerKind, extent: Extent) -> Tiles {
        let of_kind = |layer: &&Arc<Layer>| layer.look.kind == kind && layer.look.visible;
        let as_picture = |layer: &Arc<Layer>| {
            let look = LayerLook { kind: LayerKind::Picture, blend: Blend::Normal, ..layer.look.clone() };
            Arc::new(Layer { look, ..(**layer).clone() })
        };
        let mut stack = Self::of("", Tiles::filled(extent, [255; 4]));
        stack.layers.extend(self.layers.iter().filter(of_kind).map(as_picture));
        stack.flattened(extent)
    }

    /// Whether something that is no part of the picture is seen over it.
    pub(super) fn has_more_than_the_picture(&self) -> bool {
        self.over_the_picture().next().is_some()
    }

    fn over_the_picture(&self) -> impl Iterator<Item = &Arc<Layer>> {
        self.layers.iter().filter(|layer| {
            let look = &layer.look;
            !look.kind.is_of_the_picture() && look.visible && look.opacity > 0.0
        })
    }

    /// What is seen of one tile of the picture, and of what lies over it.
    pub(super) fn shown(&self, index: usize, picture: Option<Arc<Tile>>) -> Option<Arc<Tile>> {
        let over = self.over_the_picture().filter_map(|layer| {
            let tile = layer.tiles.tile(index)?;
            let mut tinted = Tile::filled([0; 4]);
            for (to, from) in tinted.pixels_mut().iter_mut().zip(tile.pixels()) {
                *to = layer.look.kind.tinted(*from);
            }
            Some((Arc::new(tinted), layer.look.opacity))
        });
        let all: Vec<_> = picture.into_iter().map(|tile| (tile, 1.0)).chain(over).collect();
        let sheets: Vec<_> =
            all.iter().map(|(tile, opacity)| Sheet { tile, opacity: *opacity, blend: Blend::Normal }).collect();
        match sheets.as_slice() {
            [] => None,
            [Sheet { tile, opacity, .. }] if *opacity >= 1.0 => Some(Arc::clone(tile)),
            [first, others @ ..] => Some(Arc::new(mixed(*first, others))),
        }
    }

    /// Whether what lies over the picture may look different in a tile.
    pub(super) fn differs_over(&self, other: &Self, index: usize) -> bool {
        fn keys(stack: &Stack, index: usize) -> impl Iterator<Item = (usize, u32, LayerKind)> {
            stack.over_the_picture().filter_map(move |layer| {
                let tile = Arc::as_ptr(layer.tiles.tile(index)?).addr();
                Some((tile, layer.look.opacity.to_bits(), layer.look.kind))
            })
        }
        !keys(self, index).eq(keys(other, index))
    }

    /// What is seen of one tile of the picture.
    pub(super) fn seen(&self, index: usize) -> Option<Arc<Tile>> {
        let sheets: Vec<_> = self.sheets(index).collect();
        let covers = |sheet: &Sheet| {
            sheet.blend == Blend::Normal
                && sheet.opacity >= 1.0
                && sheet.tile.pixels().iter().all(|pixel| pixel[3] == 255)
        };
        let lowest = if sheets.len() > 1 { sheets.iter().rposition(covers).unwrap_or(0) } else { 0 };
        match &sheets[lowest..] {
            [] | [Sheet { blend: Blend::Erase, .. }] => None,
            [Sheet { tile, opacity, .. }] if *opacity >= 1.0 => Some(Arc::clone(tile)),
            [first, others @ ..] => Some(Arc::new(mixed(*first, others))),
        }
    }

    /// Whether two stacks may look different in a tile.
    pub(super) fn differs(&self, other: &Self, index: usize) -> bool {
        let key = |sheet: Sheet| (Arc::as_ptr(sheet.tile).addr(), sheet.opacity.to_bits(), sheet.blend);
        !self.sheets(index).map(key).eq(other.sheets(index).map(key))
    }

    /// How many layers are mixed where a tile is put together; none where one alone is seen.
    pub(super) fn sheets_to_mix(&self, index: usize) -> usize {
        let over = self.over_the_picture().filter(|layer| layer.tiles.tile(index).is_some());
        Some(self.sheets(index).count() + over.count()).filter(|&count| count > 1).unwrap_or(0)
    }

    fn sheets(&self, index: usize) -> impl Iterator<Item = Sheet<'_>> {
        let seen = self.layers.iter().filter(|layer| {
            let look = &layer.look;
            look.visible && look.opacity > 0.0 && look.kind.is_of_the_picture()
        });
        seen.filter_map(move |layer| {
            let tile = layer.tiles.tile(index)?;
            Some(Sheet { tile, opacity: layer.look.opacity, blend: layer.look.blend })
        })
    }

    /// Whether a layer is in both, unchanged.
    pub(super) fn shares_a_layer_with(&self, other: &Self) -> bool {
        self.layers.iter().any(|layer| other.get(layer.id).is_some_and(|there| Arc::ptr_eq(there, layer)))
    }

    /// The bytes of pixels that are here and not in `other`.
    pub(super) fn bytes_besides(&self, other: &Self) -> usize {
        let besides = |layer: &Arc<Layer>| match other.get(layer.id) {
            Some(there) if Arc::ptr_eq(there, layer) => 0,
            there => {
                layer.tiles.bytes_besides(there.map(|there| &there.tiles))
                    + layer.tiles.count() * size_of::<Option<Arc<Tile>>>()
                    + layer
                        .beyond
                        .as_ref()
                        .map_or(0, |beyond| beyond.bytes_besides(there.and_then(|there| there.beyond.as_ref())))
            }
        };
        self.layers.iter().map(besides).sum::<usize>() + self.layers.len() * size_of::<Arc<Layer>>()
    }

    /// Puts a new layer in, at a position from below, to be painted on next.
    pub(super) fn insert(&mut self, position: usize, look: LayerLook, tiles: Tiles) {
        let id = LayerId(self.layers.iter().map(|layer| layer.id.0).max().unwrap_or(0) + 1);
        self.layers.insert(position.min(self.layers.len()), Arc::new(Layer::new(id, look, tiles)));
        self.active = Some(id);
    }

    /// A layer, to be changed. What it shares with other stacks stays theirs.
    pub(super) fn layer_mut(&mut self, id: LayerId) -> Option<&mut Layer> {
        self.layers.iter_mut().find(|layer| layer.id == id).map(Arc::make_mut)
    }
}

/// The same layers in the same order, with the same one to be painted on.
impl PartialEq for Stack {
    fn eq(&self, other: &Self) -> bool {
        let same = |(a, b): (&Arc<Layer>, &Arc<Layer>)| Arc::ptr_eq(a, b) || a == b;
        self.active == other.active
            && self.layers.len() == other.layers.len()
            && self.layers.iter().zip(&other.layers).all(same)
    }
}

fn mixed(first: Sheet, others: &[Sheet]) -> Tile {
    thread_local! {
        static MIX: RefCell<Vec<[f32; 4]>> = RefCell::new(vec![[0.0; 4]; TILE_AREA]);
    }
    MIX.with_borrow_mut(|mix| {
        let clear = first.blend == Blend::Erase;
        for (mixed, &pixel) in mix.iter_mut().zip(first.tile.pixels()) {
            *mixed = if clear { [0.0; 4] } else { premultiplied(pixel, first.opacity) };
        }
        for sheet in others {
            sheet.blend.over(mix, sheet.tile.pixels(), sheet.opacity);
        }
        let mut tile = Tile::filled([0; 4]);
        for (pixel, &colour) in tile.pixels_mut().iter_mut().zip(mix.iter()) {
            *pixel = straight(colour);
        }
        tile
    })
}
