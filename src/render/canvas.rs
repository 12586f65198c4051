//! What shaders/canvas.wgsl is told, and its CPU twin: [`canvas`] computes the colour of one screen pixel in the same steps.
//! The file explains the rules; here they are again in Rust so that a test can hold one against the other.

use super::levels::{Slot, Upload, level_at, pixels_per_texel};
use crate::geom::Extent;
use eframe::egui::{Rect, pos2, vec2};

/// A premultiplied colour in gamma space, each channel 0..1.
pub type Colour = [f32; 4];

/// Everything the shader reads besides the textures; laid out as the `Canvas` struct of the shader.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct CanvasUniforms {
    /// Left and top of the viewport in the target; its width and height, in target pixels.
    pub viewport: [f32; 4],
    /// Left and top of the picture within the viewport, in target pixels; target pixels for each image pixel, across and down.
    pub place: [f32; 4],
    /// Width and height of the picture in image pixels; side of a checker cell and reach of the shadow in target pixels.
    pub extent: [f32; 4],
    /// What to show (0 nothing, 1 the picture, 2 the preview, 3 the preview over the picture, 4 the same where the mask repaints, 5 the picture, and before a column what stands in the preview); 1 to show the mask; how far the
    /// dashes around it have marched, and the width of a line of its hatching, a quarter of a dash and its gap, in target pixels.
    pub show: [f32; 4],
    /// Left, top, width and height of what the preview stands for, in image pixels.
    pub part: [f32; 4],
    /// For before and after: up to which column of the picture there is what was before; half the width of the line there, in target
    /// pixels. Then the level of the textures that is read, which [`Self::in_texels`] puts in; and 1 to swap left and right of the picture,
    /// about its middle.
    pub compare: [f32; 4],
    /// Around the picture.
    pub backdrop: Colour,
    /// The one-pixel line around the picture.
    pub border: Colour,
    /// The shadow where it is darkest.
    pub shadow: Colour,
    /// Every other cell behind transparent pixels.
    pub checker_light: Colour,
    /// The cells between them.
    pub checker_dark: Colour,
    /// Over the mask.
    pub mask_tint: Colour,
    /// Over the mask, in the lines of the hatching.
    pub mask_hatch: Colour,
    /// The mask's edge, inside in a dash and outside between two.
    pub mask_inner_line: Colour,
    /// The mask's edge, outside in a dash and inside between two.
    pub mask_outer_line: Colour,
}

impl CanvasUniforms {
    /// The same view as the shader is told of it: where a texture cannot hold as many texels, texels are to it the image pixels; and
    /// the level is chosen of which few texels lie under a target pixel.
    #[must_use]
    pub fn in_texels(self) -> Self {
        let [width, height, cell, reach] = self.extent;
        let count = pixels_per_texel(Extent::new(width as u32, height as u32)) as f32;
        let [left, top, across, down] = self.place;
        let [split, line, _, mirrored] = self.compare;
        Self {
            place: [left, top, across * count, down * count],
            extent: [width / count, height / count, cell, reach],
            part: self.part.map(|length| length / count),
            compare: [split / count, line, level_at(across * count) as f32, mirrored],
            ..self
        }
    }

    /// What is shown, and whether with the mask: the constants of the shader.
    pub(super) fn shows(&self) -> (u8, bool) {
        (self.show[0] as u8, self.show[1] > 0.5)
    }

    fn is_mirrored(&self) -> bool {
        self.compare[3] > 0.5
    }

    /// Which box of the window shows what an upload changes, in points, where the canvas lies over `rect` of it. The lines around a mask reach a
    /// pixel further.
    pub(super) fn in_window(&self, upload: &Upload, rect: Rect) -> Rect {
        let [left, top, width, height] = if upload.slot == Slot::Preview {
            self.part
        } else {
            let (bounds, texel) = (upload.bounds, pixels_per_texel(upload.extent) as f32);
            [bounds.left, bounds.top, bounds.extent.width, bounds.extent.height].map(|pixels| pixels as f32 / texel)
        };
        let left = if self.is_mirrored() { self.extent[0] - left - width } else { left };
        let per_point = self.viewport[2] / rect.width();
        let [x, y, across, down] = self.place;
        let in_pixels =
            Rect::from_min_size(pos2(x + left * across, y + top * down), vec2(width * across, height * down));
        (in_pixels.expand(2.0) / per_point).translate(rect.min.to_vec2()).intersect(rect)
    }
}

/// A level of a texture as the GPU holds it: rows from the top.
#[derive(Clone, Copy, Debug)]
pub struct Texels<'a> {
    /// How many there are.
    pub extent: Extent,
    /// Their bytes.
    pub bytes: &'a [u8],
}

impl Texels<'_> {
    /// The four channels, 0..1, of a texel of four bytes.
    fn colour(&self, x: i32, y: i32) -> Colour {
        let at = (y as usize * self.extent.width as usize + x as usize) * 4;
        std::array::from_fn(|c| f32::from(self.bytes[at + c]) / 255.0)
    }

    /// How much a texel of a mask covers on the average and at most, 0..1.
    fn coverage(&self, x: i32, y: i32) -> [f32; 2] {
        let at = (y as usize * self.extent.width as usize + x as usize) * 2;
        std::array::from_fn(|c| f32::from(self.bytes[at + c]) / 255.0)
    }

    fn last(&self) -> [i32; 2] {
        [self.extent.width as i32 - 1, self.extent.height as i32 - 1]
    }
}

const MAX_TAPS: i32 = 32;

/// The colour of the screen pixel whose middle is `at`, in target pixels from the viewport's top left corner. The textures are given at the
/// level that `u` names, a preview at its only one.
pub fn canvas(u: &CanvasUniforms, picture: Texels, preview: Texels, mask: Texels, at: [f32; 2]) -> Colour {
    let top_left = [u.place[0], u.place[1]];
    let scale = [u.place[2], u.place[3]];
    let bottom_right: [f32; 2] = std::array::from_fn(|i| top_left[i] + u.extent[i] * scale[i]);
    let at = [if u.is_mirrored() { top_left[0] + bottom_right[0] - at[0] } else { at[0] }, at[1]];

    let beyond: [f32; 2] = std::array::from_fn(|i| (top_left[i] - at[i]).max(at[i] - bottom_right[i]).max(0.0));
    let outside = (beyond[0] * beyond[0] + beyond[1] * beyond[1]).sqrt();
    let fade = (1.0 - outside / u.extent[3]).clamp(0.0, 1.0);
    let mut colour = over(scaled(u.shadow, fade * fade * fade), u.backdrop);
    if outside > 0.0 && outside <= 1.0 {
        colour = over(u.border, colour);
    }

    let overlap = |i: usize| ((at[i] + 0.5).min(bottom_right[i]) - (at[i] - 0.5).max(top_left[i])).clamp(0.0, 1.0);
    let covered = overlap(0) * overlap(1);
    if covered <= 0.0 || u.show[0] < 0.5 {
        return colour;
    }

    let low: [f32; 2] = std::array::from_fn(|i| ((at[i] - 0.5 - top_left[i]) / scale[i]).max(0.0));
    let high: [f32; 2] = std::array::from_fn(|i| ((at[i] + 0.5 - top_left[i]) / scale[i]).min(u.extent[i]));
    let cell = ((at[0] - top_left[0]) / u.extent[2]).floor() + ((at[1] - top_left[1]) / u.extent[2]).floor();
    let checker = if cell - 2.0 * (cell / 2.0).floor() < 0.5 { u.checker_light } else { u.checker_dark };
    let mut inside = checker;
    let split = top_left[0] + u.compare[0] * scale[0];
    let side = (1 << u.compare[2] as u32) as f32;
    let (first, end) = (low.map(|at| at / side), high.map(|at| at / side));
    if u.show[0] > 4.5 && at[0] < split {
        inside = over(average(preview.last(), first, end, |x, y| preview.colour(x, y)), inside);
    } else if u.show[0] < 1.5 || u.show[0] > 2.5 {
        inside = over(average(picture.last(), first, end, |x, y| picture.colour(x, y)), inside);
    }
    let place: [f32; 2] = std::array::from_fn(|i| (low[i] + high[i]) * 0.5);
    if u.show[0] > 1.5
        && u.show[0] < 4.5
        && (0..2).all(|i| place[i] >= u.part[i] && place[i] < u.part[i] + u.part[i + 2])
    {
        let estimate = over(of_preview(preview, u.part, place), checker);
        let covers = |x, y| [mask.coverage(x, y)[0]];
        let [shown] = if u.show[0] > 3.5 { average(mask.last(), first, end, covers) } else { [1.0] };
        inside = std::array::from_fn(|c| inside[c] * (1.0 - shown) + estimate[c] * shown);
    }
    if u.show[1] > 0.5 {
        inside = over(mask_colour(u, mask, at, first, end), inside);
    }
    if u.show[0] > 4.5 && u.compare[0] > 0.0 && u.compare[0] < u.extent[0] {
        let away = (at[0] - split).abs();
        if away < u.compare[1] {
            inside = u.mask_inner_line;
        } else if away < 2.0 * u.compare[1] {
            inside = u.mask_outer_line;
        }
    }
    std::array::from_fn(|c| colour[c] * (1.0 - covered) + inside[c] * covered)
}

fn over(top: Colour, bottom: Colour) -> Colour {
    std::array::from_fn(|c| top[c] + bottom[c] * (1.0 - top[3]))
}

fn scaled(colour: Colour, by: f32) -> Colour {
    colour.map(|c| c * by)
}

/// The average of the texels between `low` and `high`, each weighted by how much of it lies there.
fn average<const N: usize>(
    last_texel: [i32; 2],
    low: [f32; 2],
    high: [f32; 2],
    texel: impl Fn(i32, i32) -> [f32; N],
) -> [f32; N] {
    let first: [i32; 2] = std::array::from_fn(|i| (low[i].floor() as i32).clamp(0, last_texel[i]));
    let last: [i32; 2] = std::array::from_fn(|i| (high[i].ceil() as i32 - 1).clamp(first[i], last_texel[i]));
    let stride = |i: usize| ((last[i] - first[i] + MAX_TAPS) / MAX_TAPS).max(1) as usize;
    let share = |i: usize, at: i32| (high[i].min((at + 1) as f32) - low[i].max(at as f32)).max(1e-4);
    let (mut sum, mut total) = ([0.0; N], 0.0);
    for y in (first[1]..=last[1]).step_by(stride(1)) {
        for x in (first[0]..=last[0]).step_by(stride(0)) {
            let weight = share(1, y) * share(0, x);
            let here = texel(x, y);
            for (s, h) in sum.iter_mut().zip(here) {
                *s += weight * h;
            }
            total += weight;
        }
    }
    sum.map(|s| s / total)
}

/// The texel of the preview, which stands for a part of the picture, that lies at a place in that.
fn of_preview(preview: Texels, part: [f32; 4], at: [f32; 2]) -> Colour {
    let last = preview.last();
    let [x, y] = std::array::from_fn(|i| {
        let texel = (at[i] - part[i]) * (last[i] + 1) as f32 / part[i + 2];
        (texel as i32).clamp(0, last[i])
    });
    preview.colour(x, y)
}

/// `first` and `end` are the box under the pixel, in texels.
fn mask_colour(u: &CanvasUniforms, mask: Texels, at: [f32; 2], first: [f32; 2], end: [f32; 2]) -> Colour {
    let side = (1 << u.compare[2] as u32) as f32;
    let in_mask = |dx: f32, dy: f32| {
        let pixel = [at[0] + dx, at[1] + dy];
        let [across, mut down]: [std::ops::Range<i32>; 2] = std::array::from_fn(|i| {
            let middle = (pixel[i] - u.place[i]) / u.place[i + 2] / side;
            let (texel, end) = (u.place[i + 2] * side, (u.extent[i] / side).ceil());
            let reach = if texel < 1.0 { 0.5 / texel - 0.499 } else { 0.0 };
            let first = ((middle - reach).floor() as i32).max(0);
            let last = ((middle + reach).floor() as i32).min(end as i32 - 1).min(first + MAX_TAPS - 1);
            let is_beside = middle + reach < 0.0 || middle - reach >= end;
            let behind = if is_beside { first } else { last + 1 };
            first..behind
        });
        down.any(|y| across.clone().any(|x| mask.coverage(x, y)[1] >= 0.5))
    };
    let period = u.show[3] * 4.0;
    let along = at[0] + at[1];
    let in_hatch = along - period * (along / period).floor() < u.show[3];
    let marched = along + u.show[2];
    let in_dash = marched - period * (marched / period).floor() < period * 0.5;
    let (dash, other) =
        if in_dash { (u.mask_inner_line, u.mask_outer_line) } else { (u.mask_outer_line, u.mask_inner_line) };
    let neighbours = [in_mask(-1.0, 0.0), in_mask(1.0, 0.0), in_mask(0.0, -1.0), in_mask(0.0, 1.0)];
    match in_mask(0.0, 0.0) {
        true if !neighbours.iter().all(|&n| n) => dash,
        false if neighbours.iter().any(|&n| n) => other,
        _ => {
            let [coverage, _] = average(mask.last(), first, end, |x, y| mask.coverage(x, y));
            scaled(if in_hatch { u.mask_hatch } else { u.mask_tint }, coverage)
        }
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these numbers are exact")]
mod tests {
    use super::super::levels::Content;
    use super::*;
    use crate::geom::Bounds;
    use std::sync::Arc;

    fn uniforms(scale: f32) -> CanvasUniforms {
        CanvasUniforms {
            viewport: [0.0, 0.0, 64.0, 64.0],
            place: [0.0, 0.0, scale, scale],
            extent: [4.0, 4.0, 8.0, 12.0],
            show: [1.0, 0.0, 0.0, 2.0],
            part: [0.0, 0.0, 4.0, 4.0],
            compare: [0.0; 4],
            backdrop: [0.1, 0.1, 0.1, 1.0],
            border: [0.0; 4],
            shadow: [0.0; 4],
            checker_light: [0.8, 0.8, 0.8, 1.0],
            checker_dark: [0.6, 0.6, 0.6, 1.0],
            mask_tint: [0.5, 0.0, 0.0, 0.5],
            mask_hatch: [0.4; 4],
            mask_inner_line: [1.0; 4],
            mask_outer_line: [0.0, 0.0, 0.0, 1.0],
        }
    }

    /// Columns of black and white, opaque.
    fn columns() -> Vec<u8> {
        (0..16).flat_map(|i| if i % 2 == 0 { [0, 0, 0, 255] } else { [255; 4] }).collect()
    }

    fn pixel(u: &CanvasUniforms, bytes: &[u8], at: [f32; 2]) -> Colour {
        let picture = Texels { extent: Extent::new(4, 4), bytes };
        let mask = Texels { extent: Extent::new(4, 4), bytes: &[0; 32] };
        canvas(u, picture, picture, mask, at)
    }

    #[test]
    fn a_magnified_texel_keeps_its_colour_up_to_its_edge() {
        let (u, bytes) = (uniforms(8.0), columns());
        assert_eq!(pixel(&u, &bytes, [7.5, 20.5]), [0.0, 0.0, 0.0, 1.0]);
        assert_eq!(pixel(&u, &bytes, [8.5, 20.5]), [1.0; 4]);
    }

    #[test]
    fn a_reduced_picture_shows_the_average_wherever_it_is_moved() {
        let (mut u, bytes) = (uniforms(0.5), columns());
        for shift in [0.0, 0.25, 0.5] {
            u.place[0] = shift;
            let [r, _, _, a] = pixel(&u, &bytes, [1.5, 0.5]);
            assert!((r - 0.5).abs() < 1e-4 || shift > 0.0 && (0.2..0.8).contains(&r), "{r} at {shift}");
            assert_eq!(a, 1.0);
        }
    }

    #[test]
    fn no_pixel_of_a_mask_is_without_its_lines_however_small_it_is_seen() {
        let extent = Extent::new(203, 150);
        let is_seen = |scale: f32, shift: f32, x: usize, y: usize| {
            let mut coverage = vec![0_u8; extent.area()];
            coverage[y * 203 + x] = 255;
            let content = Content::Coverage(Arc::new(coverage));
            let levels = Upload { slot: Slot::Mask, extent, bounds: Bounds::whole(extent), content }.levels();
            let u = CanvasUniforms {
                place: [10.0 + shift, 10.0 + shift, scale, scale],
                extent: [203.0, 150.0, 8.0, 12.0],
                show: [1.0, 1.0, 0.0, 2.0],
                mask_tint: [0.0; 4],
                mask_hatch: [0.0; 4],
                ..uniforms(scale)
            };
            let u = u.in_texels();
            let (bounds, bytes) = &levels[u.compare[2] as usize];
            let mask = Texels { extent: bounds.extent, bytes };
            let clear = vec![0_u8; bounds.extent.area() * 4];
            let picture = Texels { extent: bounds.extent, bytes: &clear };
            let without = CanvasUniforms { show: [1.0, 0.0, 0.0, 2.0], ..u };
            let [column, row] = [x, y].map(|at| (10.0 + shift + (at as f32 + 0.5) * scale).floor() as i32);
            let mut places = (-2..=2).flat_map(|dy| (-2..=2).map(move |dx| [column + dx, row + dy]));
            places.any(|at| {
                let at = at.map(|at| at as f32 + 0.5);
                canvas(&u, picture, picture, mask, at) != canvas(&without, picture, picture, mask, at)
            })
        };
        for scale in [2.0, 1.0, 0.7, 0.51, 0.3, 0.13, 0.05, 0.011] {
            for (x, y) in [(0, 0), (202, 149), (101, 74), (96, 81), (37, 0)] {
                for shift in [0.0, 0.3, 0.5, 0.8] {
                    assert!(is_seen(scale, shift, x, y), "{x}, {y} at {scale} and {shift}");
                }
            }
        }
    }

    #[test]
    fn a_mirrored_picture_is_seen_in_its_place_from_right_to_left() {
        let (plain, bytes) = (CanvasUniforms { place: [4.0, 2.0, 8.0, 8.0], ..uniforms(8.0) }, columns());
        let mirrored = CanvasUniforms { compare: [0.0, 0.0, 0.0, 1.0], ..plain };
        // From 4 to 36, where the columns are black, white, black and white.
        assert_eq!(pixel(&mirrored, &bytes, [4.5, 20.5]), [1.0; 4]);
        assert_eq!(pixel(&mirrored, &bytes, [35.5, 20.5]), [0.0, 0.0, 0.0, 1.0]);
        for x in (0..40).map(|x| x as f32 + 0.5) {
            assert_eq!(pixel(&mirrored, &bytes, [x, 9.5]), pixel(&plain, &bytes, [40.0 - x, 9.5]), "{x}");
        }
    }

    #[test]
    fn what_changes_of_a_mirrored_picture_is_seen_at_its_other_side() {
        let extent = Extent::new(4, 4);
        let bounds = Bounds { left: 0, top: 1, extent: Extent::new(1, 2) };
        let upload = Upload { slot: Slot::Mask, extent, bounds, content: Content::Coverage(Arc::new(vec![0; 2])) };
        let plain = CanvasUniforms { place: [10.0, 8.0, 8.0, 8.0], ..uniforms(8.0) };
        let mirrored = CanvasUniforms { compare: [0.0, 0.0, 0.0, 1.0], ..plain };
        let window = Rect::from_min_size(pos2(0.0, 0.0), vec2(64.0, 64.0));
        // Two pixels more at each side, for the lines around a mask.
        assert_eq!(plain.in_window(&upload, window), Rect::from_min_max(pos2(8.0, 14.0), pos2(20.0, 34.0)));
        assert_eq!(mirrored.in_window(&upload, window), Rect::from_min_max(pos2(32.0, 14.0), pos2(44.0, 34.0)));
    }

    #[test]
    fn nothing_is_drawn_beside_the_picture_but_the_backdrop() {
        assert_eq!(pixel(&uniforms(1.0), &columns(), [30.5, 30.5]), [0.1, 0.1, 0.1, 1.0]);
    }
}
