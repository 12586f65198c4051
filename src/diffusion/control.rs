//! What guides the shapes of a picture: another picture, seen as lines by a `ControlNet` (Zhang et al. 2023).

use super::names::names;
use crate::geom::Extent;
use crate::pixels::{Picture, edges};
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::sync::Arc;

/// A picture whose lines guide the painted one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Control<P = Arc<Picture>> {
    /// The `ControlNet`'s name, as `sfumato models` lists it.
    pub controlnet: String,
    /// The picture, of any size: it is scaled to cover the one to paint, and cut at its middle.
    pub picture: P,
    /// How it becomes the lines that the `ControlNet` sees.
    pub preprocessor: Preprocessor,
    /// How strongly it guides, 0 to 2; 1 is as the `ControlNet` was trained.
    pub weight: f64,
    /// Share of the steps after which it begins to guide, 0..1.
    pub start: f64,
    /// Share of the steps after which it guides no more, from `start` to 1.
    pub end: f64,
}

impl<P> Control<P> {
    /// The same settings for another picture, or for one that is held another way; `()` is none.
    pub fn with_picture<Q>(&self, picture: Q) -> Control<Q> {
        let Self { controlnet, preprocessor, weight, start, end, .. } = self;
        let (controlnet, preprocessor) = (controlnet.clone(), *preprocessor);
        Control { controlnet, picture, preprocessor, weight: *weight, start: *start, end: *end }
    }

    /// Which of `count` steps are guided: those that lie wholly between start and end, as diffusers' pipelines count.
    pub fn steps(&self, count: usize) -> Range<usize> {
        let steps = count as f64;
        let is_guided = |step: &usize| *step as f64 / steps >= self.start && (*step + 1) as f64 / steps <= self.end;
        let mut guided = (0..count).filter(is_guided);
        guided.next().map_or(0..0, |first| first..guided.next_back().unwrap_or(first) + 1)
    }
}

impl Control {
    /// The white lines on black that the `ControlNet` is to see, of the size that is painted.
    pub(super) fn lines(&self, extent: Extent) -> Picture {
        let picture = self.picture.covering(extent);
        match self.preprocessor {
            Preprocessor::None => picture,
            Preprocessor::Invert => picture.inverted(),
            Preprocessor::Canny => edges(&picture),
        }
    }
}

names! {
    /// How a picture becomes the white lines on black that a `ControlNet` sees, by the names that A1111 gives them.
    Preprocessor {
        /// They are white on black already.
        None = "none" / "none",
        /// They are dark on a light ground, as one draws on paper.
        Invert = "invert (from white bg & black line)" / "invert",
        /// They are found: where colours change, by Canny's detector as `OpenCV` has it, with thresholds of 100 and 200.
        Canny = "canny" / "canny",
    }
}

impl Preprocessor {
    /// What suits a picture: one that is nearly all black and white is a drawing already, on paper or on black; edges are found
    /// in all others.
    pub fn suiting(picture: &Picture) -> Self {
        let flat = picture.flattened();
        let (mut dark, mut light) = (0, 0);
        for [r, g, b, _] in flat.rgba().as_chunks::<4>().0 {
            let (least, most) = (*r.min(g).min(b), *r.max(g).max(b));
            let is_gray = most - least < 32;
            dark += usize::from(is_gray && most < 64);
            light += usize::from(is_gray && least > 191);
        }
        // Lines are thin: what they leave of the ground tells which it is, soft edges belong to neither.
        let area = flat.extent().area();
        if (dark + light) * 10 < area * 9 || dark.max(light) * 2 < area {
            Self::Canny
        } else if dark > light {
            Self::None
        } else {
            Self::Invert
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(start: f64, end: f64, count: usize) -> Range<usize> {
        let controlnet = String::new();
        Control { controlnet, picture: (), preprocessor: Preprocessor::None, weight: 1.0, start, end }.steps(count)
    }

    #[test]
    fn the_guided_steps_are_those_that_diffusers_guides() {
        // controlnet_keep of StableDiffusionControlNetPipeline: not (i / n < start or (i + 1) / n > end).
        assert_eq!(steps(0.0, 1.0, 20), 0..20);
        assert_eq!(steps(0.0, 0.5, 20), 0..10);
        assert_eq!(steps(0.25, 0.8, 10), 3..8);
        assert_eq!(steps(0.0, 0.04, 20), 0..0);
        assert_eq!(steps(0.5, 0.5, 4), 0..0);
        assert_eq!(steps(0.0, 1.0, 1), 0..1);
    }

    #[test]
    fn a_drawing_is_taken_as_it_is_and_edges_are_found_in_a_painting() {
        let drawn = |ground: [u8; 3], line: [u8; 3]| {
            let pixel = |i: usize| if i % 20 == 3 { line } else { ground };
            let rgba = (0..400)
                .flat_map(|i| {
                    let [r, g, b] = pixel(i);
                    [r, g, b, 255]
                })
                .collect();
            Preprocessor::suiting(&Picture::from_rgba(Extent::new(20, 20), rgba).unwrap())
        };
        assert_eq!(drawn([255; 3], [20; 3]), Preprocessor::Invert);
        assert_eq!(drawn([0; 3], [250; 3]), Preprocessor::None);
        assert_eq!(drawn([200, 40, 30], [20; 3]), Preprocessor::Canny);
        assert_eq!(drawn([128; 3], [20; 3]), Preprocessor::Canny);
        let clear = Picture::filled(Extent::new(4, 4), [0; 4]);
        assert_eq!(Preprocessor::suiting(&clear), Preprocessor::Invert, "nothing on white paper");
    }
}
