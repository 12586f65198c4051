//! How layers are written down in the session's state: their looks, and their tiles by the names of their files.

use super::persist::pixel_file;
use crate::geom::Extent;
use crate::paint::{Layer, LayerId, LayerLook, Stack, TILE_SIDE, Tile, Tiles};
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
}

/// All tiles of all layers; what is shared comes more than once.
pub(super) fn tiles_of(stack: &Stack) -> impl Iterator<Item = &Arc<Tile>> {
    stack.layers().iter().flat_map(|layer| (0..layer.tiles.count()).filter_map(|index| layer.tiles.tile(index)))
}

/// How a stack is written down, its tiles named by `name`.
pub(super) fn state_of(extent: Extent, stack: &Stack, mut name: impl FnMut(&Arc<Tile>) -> String) -> LayersState {
    let mut layer_of = |layer: &Arc<Layer>| LayerState {
        id: layer.id,
        look: layer.look.clone(),
        tiles: (0..layer.tiles.count()).map(|index| layer.tiles.tile(index).map(&mut name)).collect(),
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
    let digests: HashSet<&String> = state.layers.iter().flat_map(|layer| layer.tiles.iter().flatten()).collect();
    let digests: Vec<&String> = digests.into_iter().collect();
    let read: Vec<_> = digests.par_iter().map(|digest| tile_of(&pixel_file(pixels, digest))).collect();
    let mut tiles = HashMap::new();
    let mut damage = None;
    for (digest, tile) in digests.into_iter().zip(read) {
        match tile {
            Ok(tile) => drop(tiles.insert(digest.clone(), tile)),
            Err(why) => damage = Some(why),
        }
    }
    let layers = state.layers.into_iter().map(|layer| {
        let found = layer.tiles.iter().map(|digest| tiles.get(digest.as_ref()?).cloned().flatten());
        let made = Tiles::from_tiles(extent, found);
        if layer.tiles.len() != made.count() {
            damage = Some(format!("{} tiles are listed of {}", layer.tiles.len(), made.count()));
        }
        Layer { id: layer.id, look: layer.look, tiles: made }
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
