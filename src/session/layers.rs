//! How layers are written down in the session's state: their looks, and their tiles by the names of their files.

use super::persist::pixel_file;
use crate::geom::Extent;
use crate::paint::{Layer, LayerId, LayerLook, Placed, Stack, TILE_SIDE, Tile, Tiles, promptly};
use crate::pixels::Picture;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

/// A document's layers, the lowest first.
#[derive(Serialize, Deserialize)]
pub(super) struct LayersState {
    extent: Extent,
    active: Option<LayerId>,
    layers: Vec<LayerState>,
}

#[derive(Serialize, Deserialize)]
struct LayerState {
    id: LayerId,
    look: LayerLook,
    /// By digest, row by row; a clear one has no name.
    tiles: Vec<Option<String>>,
    /// None where nothing lies outside of the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    beyond: Option<BeyondState>,
}

/// What of a layer lies outside of the document.
#[derive(Serialize, Deserialize)]
struct BeyondState {
    extent: Extent,
    left: i32,
    top: i32,
    tiles: Vec<Option<String>>,
}

/// All tiles of all layers; what is shared comes more than once.
pub(super) fn tiles_of(stack: &Stack) -> impl Iterator<Item = &Arc<Tile>> {
    let layers = stack.layers().iter();
    let tiles = layers.flat_map(|layer| std::iter::once(&layer.tiles).chain(layer.beyond.iter().map(|b| &b.tiles)));
    tiles.flat_map(|tiles| (0..tiles.count()).filter_map(|index| tiles.tile(index)))
}

/// How a stack is written down, its tiles named by `name`.
pub(super) fn state_of(extent: Extent, stack: &Stack, mut name: impl FnMut(&Arc<Tile>) -> String) -> LayersState {
    let mut named = |tiles: &Tiles| (0..tiles.count()).map(|index| tiles.tile(index).map(&mut name)).collect();
    let mut layer_of = |layer: &Arc<Layer>| LayerState {
        id: layer.id,
        look: layer.look.clone(),
        tiles: named(&layer.tiles),
        beyond: layer.beyond.as_ref().map(|beyond| BeyondState {
            extent: beyond.tiles.extent(),
            left: beyond.left,
            top: beyond.top,
            tiles: named(&beyond.tiles),
        }),
    };
    let layers = stack.layers().iter().map(&mut layer_of).collect();
    LayersState { extent, active: stack.active().map(|layer| layer.id), layers }
}

/// Reads layers back from the folder of pixels. What is damaged is left clear, and complained about once; none if the extent is
/// more than a picture may have.
pub(super) fn restored(
    state: LayersState,
    pixels: &Path,
    complain: &mut impl FnMut(&str, &dyn Display),
) -> Option<(Extent, Stack)> {
    let extent = state.extent;
    if extent.is_empty() || !Picture::holds(extent) {
        return None;
    }
    let listed = state.layers.iter().flat_map(|layer| {
        let beyond = layer.beyond.iter().flat_map(|beyond| &beyond.tiles);
        layer.tiles.iter().chain(beyond).flatten()
    });
    let digests: HashSet<&String> = listed.collect();
    let digests: Vec<&String> = digests.into_iter().collect();
    // There is no window before it is done.
    let read: Vec<_> = promptly(|| digests.par_iter().map(|digest| tile_of(&pixel_file(pixels, digest))).collect());
    let mut tiles = HashMap::new();
    let mut damage = None;
    for (digest, tile) in digests.into_iter().zip(read) {
        match tile {
            Ok(tile) => drop(tiles.insert(digest.clone(), tile)),
            Err(why) => damage = Some(why),
        }
    }
    let mut laid = |extent: Extent, listed: &[Option<String>]| {
        let found = listed.iter().map(|digest| tiles.get(digest.as_ref()?).cloned().flatten());
        let made = Tiles::from_tiles(extent, found);
        if listed.len() != made.count() {
            damage = Some(format!("{} tiles are listed of {}", listed.len(), made.count()));
        }
        made
    };
    let layers = state.layers.into_iter().map(|layer| {
        let beyond = layer.beyond.and_then(|BeyondState { extent: size, left, top, tiles }| {
            let size = if Picture::holds(size) { size } else { Extent::new(0, 0) };
            Placed { tiles: laid(size, &tiles), left, top }.beyond(extent)
        });
        Layer { id: layer.id, look: layer.look, tiles: laid(extent, &layer.tiles), beyond }
    });
    let stack = Stack::from_layers(layers, state.active);
    if let Some(why) = damage {
        complain("A part of a layer", &why);
    }
    (!stack.layers().is_empty()).then_some((extent, stack))
}

/// Reads a tile; none if it is clear. What is of another size is not one of ours.
fn tile_of(file: &Path) -> Result<Option<Arc<Tile>>, String> {
    let picture = Picture::load(file).map_err(|error| error.to_string())?;
    let extent = picture.extent();
    if extent != Extent::new(TILE_SIDE, TILE_SIDE) {
        return Err(format!("its tile has a size that none has, {extent}: {}", file.display()));
    }
    Ok(Tiles::of(&picture).tile(0).cloned())
}
