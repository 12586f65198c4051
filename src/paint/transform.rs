//! Moving, scaling, turning and flipping a layer. Each pixel of the result asks where it came from, and takes what lies around
//! there by Keys' cubic kernel (1981, a = -0.5); where the layer becomes smaller the kernel is widened, so that nothing aliases.
//! Moves by whole pixels, flips and quarter turns are exact.

use super::Tiles;
use super::blend::{Premultiplied, premultiplied, straight};
use super::hands::promptly;
use super::tiles::{TILE_SIDE, Tile, row_of};
use crate::geom::{Bounds, Extent, Point};
use crate::pixels::{Mask, cubic as kernel};
use rayon::prelude::*;
use std::sync::Arc;

/// The smallest scale: what is scaled to nothing cannot be scaled back.
const LEAST_SCALE: f32 = 1e-3;
/// How many times smaller a layer can become before the kernel stops to widen.
const WIDEST: f32 = 16.0;

/// Where the pixels of a layer go: scaled and turned around a pivot, which goes somewhere.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transform {
    /// A place of the layer.
    pub pivot: Point,
    /// Where it goes.
    pub to: Point,
    /// How many times wider and higher it becomes; negative ones flip it.
    pub scale: (f32, f32),
    /// How far it turns, clockwise, in radians.
    pub angle: f32,
}

impl Transform {
    /// Nothing moves.
    pub const fn around(pivot: Point) -> Self {
        Self { pivot, to: pivot, scale: (1.0, 1.0), angle: 0.0 }
    }

    /// Whether nothing moves.
    pub fn is_none(&self) -> bool {
        *self == Self::around(self.pivot)
    }

    /// A layer flipped around a place: what lies at the left of it at its right, or what lies above below.
    pub fn flip(middle: Point, sideways: bool) -> Self {
        Self { scale: if sideways { (-1.0, 1.0) } else { (1.0, -1.0) }, ..Self::around(middle) }
    }

    /// Where a place of the layer goes.
    pub fn place(&self, from: Point) -> Point {
        let (x, y) = (self.scale.0 * (from.x - self.pivot.x), self.scale.1 * (from.y - self.pivot.y));
        let (sine, cosine) = sine_and_cosine(self.angle);
        Point::new(self.to.x + cosine * x - sine * y, self.to.y + sine * x + cosine * y)
    }

    /// Where a place came from.
    pub fn origin(&self, of: Point) -> Point {
        let (x, y) = (of.x - self.to.x, of.y - self.to.y);
        let (sine, cosine) = sine_and_cosine(self.angle);
        let scale = self.scale;
        Point::new(self.pivot.x + (cosine * x + sine * y) / scale.0, self.pivot.y + (cosine * y - sine * x) / scale.1)
    }

    /// The same with numbers that make sense.
    pub(super) fn sound(self) -> Self {
        let number = |value: f32, otherwise: f32| if value.is_finite() { value.clamp(-1e5, 1e5) } else { otherwise };
        let scale = |value: f32| {
            let value = number(value, 1.0);
            if value.abs() < LEAST_SCALE { LEAST_SCALE.copysign(value) } else { value }
        };
        let point = |point: Point| Point::new(number(point.x, 0.0), number(point.y, 0.0));
        Self {
            pivot: point(self.pivot),
            to: point(self.to),
            scale: (scale(self.scale.0), scale(self.scale.1)),
            angle: number(self.angle, 0.0),
        }
    }

    /// What of a layer that is transformed so comes to lie in a box: as much of a tile as the box, no larger than one, is. What is not
    /// `fine` is quicker, and meant to be seen while it is dragged.
    pub(super) fn tile(&self, layer: &Tiles, (left, top): (i32, i32), extent: Extent, fine: bool) -> Option<Arc<Tile>> {
        if !self.may_show(layer, (left, top), extent, fine) {
            return None;
        }
        let wide = self.wide(fine);
        let (width, height) = (extent.width as usize, extent.height as usize);
        let origin = self.origin(Point::new(left as f32 + 0.5, top as f32 + 0.5));
        let step = |x: f32, y: f32| {
            let there = self.origin(Point::new(self.to.x + x, self.to.y + y));
            (there.x - self.pivot.x, there.y - self.pivot.y)
        };
        let (across, down) = (step(1.0, 0.0), step(0.0, 1.0));
        let mut tile = Tile::filled([0; 4]);
        for (y, row) in tile.pixels_mut().chunks_exact_mut(TILE_SIDE as usize).enumerate().take(height) {
            for (x, pixel) in row.iter_mut().enumerate().take(width) {
                let (x, y) = (x as f32, y as f32);
                let from = Point::new(origin.x + x * across.0 + y * down.0, origin.y + x * across.1 + y * down.1);
                *pixel = if fine { cubic(layer, from, wide) } else { nearest(layer, from) };
            }
        }
        (!tile.is_clear()).then(|| Arc::new(tile))
    }

    /// How many times the kernel is widened, across and down.
    fn wide(&self, fine: bool) -> (f32, f32) {
        let widened = |scale: f32| if fine { (1.0 / scale.abs()).clamp(1.0, WIDEST) } else { 1.0 };
        (widened(self.scale.0), widened(self.scale.1))
    }

    /// Whether something that is not clear lies where a box comes from.
    pub(super) fn may_show(&self, layer: &Tiles, (left, top): (i32, i32), extent: Extent, fine: bool) -> bool {
        let wide = self.wide(fine);
        let (left, top) = (left as f32, top as f32);
        let (right, bottom) = (left + extent.width as f32, top + extent.height as f32);
        let corners = [(left, top), (right, top), (left, bottom), (right, bottom)];
        let corners = corners.map(|(x, y)| self.origin(Point::new(x, y)));
        let side = |along: fn(&Point) -> f32, reach: f32, most: u32| {
            let places = corners.iter().map(along);
            let first = places.clone().fold(f32::MAX, f32::min) - 2.0 * reach - 1.0;
            let last = places.fold(f32::MIN, f32::max) + 2.0 * reach + 1.0;
            let (first, last) = (first.floor().max(0.0) as u32, (last.ceil().max(0.0) as u32).min(most));
            (first < last).then(|| (first, last - first))
        };
        let extent = layer.extent();
        let Some((left, width)) = side(|p| p.x, wide.0, extent.width) else { return false };
        let Some((top, height)) = side(|p| p.y, wide.1, extent.height) else { return false };
        let from = Bounds { left, top, extent: Extent::new(width, height) };
        layer.grid().touched(from).any(|index| layer.tile(index).is_some())
    }
}

impl Tiles {
    /// The smallest box around all that is not clear. None if all is.
    pub fn content(&self) -> Option<Bounds> {
        self.content_within(None)
    }

    /// The same of what a mask of their extent covers, if there is one.
    pub(super) fn content_within(&self, mask: Option<&Mask>) -> Option<Bounds> {
        let in_tile = |index: usize| {
            let (tile, bounds) = (self.tile(index)?, self.bounds_of(index));
            let rows = tile.pixels().chunks_exact(TILE_SIDE as usize).zip(bounds.top..bounds.bottom());
            let in_rows = rows.filter_map(|(pixels, y)| {
                let covered = mask.map(|mask| &mask.coverage()[row_of(self.grid(), bounds, y)]);
                let is_there = |x: &usize| pixels[*x][3] > 0 && covered.is_none_or(|covered| covered[*x] > 0);
                let mut columns = 0..bounds.extent.width as usize;
                let first = columns.find(is_there)?;
                let last = columns.rfind(is_there).unwrap_or(first);
                let extent = Extent::new((last - first + 1) as u32, 1);
                Some(Bounds { left: bounds.left + first as u32, top: y, extent })
            });
            in_rows.reduce(Bounds::union)
        };
        promptly(|| (0..self.count()).into_par_iter().filter_map(in_tile).reduce_with(Bounds::union))
    }
}

/// Exact for quarter turns.
fn sine_and_cosine(angle: f32) -> (f32, f32) {
    let (sine, cosine) = angle.sin_cos();
    let exact = |value: f32| {
        if value.abs() < 1e-6 {
            0.0
        } else if value.abs() > 1.0 - 1e-7 {
            value.signum()
        } else {
            value
        }
    };
    (exact(sine), exact(cosine))
}

fn pixel(layer: &Tiles, x: i64, y: i64) -> [u8; 4] {
    match (u32::try_from(x), u32::try_from(y)) {
        (Ok(x), Ok(y)) => layer.pixel(x, y),
        _ => [0; 4],
    }
}

fn nearest(layer: &Tiles, at: Point) -> [u8; 4] {
    pixel(layer, at.x.floor() as i64, at.y.floor() as i64)
}

/// What lies around a place, `wide` times as far as the kernel reaches.
fn cubic(layer: &Tiles, at: Point, wide: (f32, f32)) -> [u8; 4] {
    const EXACT: f32 = 1e-4;
    let is_middle = |place: f32| (place - place.floor() - 0.5).abs() < EXACT;
    if wide == (1.0, 1.0) && is_middle(at.x) && is_middle(at.y) {
        return nearest(layer, at);
    }
    let (columns, rows) = (taps(at.x, wide.0), taps(at.y, wide.1));
    let mut sum: Premultiplied = [0.0; 4];
    for (y, down) in (rows.first..).zip(&rows.weights[..rows.count]) {
        let mut line: Premultiplied = [0.0; 4];
        for (x, across) in (columns.first..).zip(&columns.weights[..columns.count]) {
            let pixel = premultiplied(pixel(layer, x, y), 1.0);
            line = std::array::from_fn(|c| line[c] + pixel[c] * across);
        }
        sum = std::array::from_fn(|c| sum[c] + line[c] * down);
    }
    // The kernel overshoots at edges; no colour is brighter than its alpha.
    let alpha = sum[3].clamp(0.0, 1.0);
    straight([sum[0].clamp(0.0, alpha), sum[1].clamp(0.0, alpha), sum[2].clamp(0.0, alpha), alpha])
}

const MOST_TAPS: usize = 4 * WIDEST as usize + 2;

/// The weights of a run of pixels along one axis.
struct Taps {
    first: i64,
    count: usize,
    weights: [f32; MOST_TAPS],
}

fn taps(at: f32, wide: f32) -> Taps {
    let first = (at - 2.0 * wide - 0.5).ceil() as i64;
    let last = (at + 2.0 * wide - 0.5).floor() as i64;
    let count = ((last - first + 1).max(1) as usize).min(MOST_TAPS);
    let mut weights = [0.0; MOST_TAPS];
    for (weight, place) in weights[..count].iter_mut().zip(first..) {
        *weight = kernel(f64::from((place as f32 + 0.5 - at) / wide)) as f32;
    }
    let sum: f32 = weights[..count].iter().sum();
    weights[..count].iter_mut().for_each(|weight| *weight /= sum);
    Taps { first, count, weights }
}

#[cfg(test)]
#[path = "transform_tests.rs"]
mod tests;
