use crate::geom::Point;
use crate::paint::{Brush, Bucket, Gradient, Ink, PaintBrush, Spread};
use serde::{Deserialize, Deserializer, Serialize};

/// What the paint tools paint with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PaintBox {
    /// The brush; the eraser is the same one without colour.
    pub brush: PaintBrush,
    /// Red, green and blue.
    pub colour: [u8; 3],
    /// The colour it is exchanged with.
    pub other_colour: [u8; 3],
    /// Colours that were painted with, the newest first.
    pub used: Vec<[u8; 3]>,
    /// What the bucket and the wand find.
    #[serde(alias = "tolerance", deserialize_with = "alike")]
    pub alike: Alike,
    /// How the gradient runs.
    pub run: Run,
    /// 0..1: how far the smudge brush pushes paint.
    pub smudge: f32,
    /// 0..1: how much the mask brush covers.
    pub mask_opacity: f32,
    /// Whether the brush paints into a picture that is being drawn, while that is what the canvas shows.
    pub paints_in: bool,
    /// Whether the mask keeps what changes a layer inside it.
    pub keeps_within: bool,
    /// Whether an area that is masked takes the place of what was masked before.
    pub masks_anew: bool,
    /// How much room is made at a side of the canvas that is expanded, in pixels; none is half of what the model sees.
    pub room: Option<u32>,
}

/// What counts as looking like the pixel that was clicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alike {
    /// How far each channel of a pixel may be from that one's, 0..255.
    pub tolerance: u8,
    /// Whether only what hangs together with it counts.
    pub connected: bool,
    /// Whether the bucket looks at all layers, or only at the one it fills.
    pub sees_all_layers: bool,
}

/// What was kept before the bucket had more to choose is the tolerance alone.
fn alike<'de, D: Deserializer<'de>>(kept: D) -> Result<Alike, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Kept {
        Tolerance(u8),
        Alike(Alike),
    }
    Ok(match Kept::deserialize(kept)? {
        Kept::Tolerance(tolerance) => Alike { tolerance, ..Alike::default() },
        Kept::Alike(alike) => alike,
    })
}

impl Default for Alike {
    fn default() -> Self {
        Self { tolerance: 24, connected: true, sees_all_layers: true }
    }
}

/// How a gradient runs from the colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Along a line or around a centre.
    pub spread: Spread,
    /// Whether it fades to nothing, or becomes the other colour.
    pub fades: bool,
}

impl Default for PaintBox {
    fn default() -> Self {
        Self {
            brush: PaintBrush::new(Brush { size: 24.0, hardness: 0.8 }),
            colour: [32, 30, 28],
            other_colour: [255; 3],
            used: Vec::new(),
            alike: Alike::default(),
            run: Run::default(),
            smudge: 0.6,
            mask_opacity: 1.0,
            paints_in: true,
            keeps_within: true,
            masks_anew: false,
            room: None,
        }
    }
}

impl PaintBox {
    /// The most colours that are remembered.
    pub const MOST_USED: usize = 14;

    /// Remembers that the colour was painted with.
    pub(super) fn note_use(&mut self) {
        self.used.retain(|used| *used != self.colour);
        self.used.insert(0, self.colour);
        self.used.truncate(Self::MOST_USED);
    }

    /// What the bucket does.
    pub fn bucket(&self) -> Bucket {
        let Alike { tolerance, connected, sees_all_layers } = self.alike;
        Bucket { ink: Ink::Colour(self.colour), opacity: self.brush.opacity, tolerance, connected, sees_all_layers }
    }

    /// The gradient between two places.
    pub fn gradient(&self, from: Point, to: Point) -> Gradient {
        let end = (!self.run.fades).then_some(self.other_colour);
        Gradient { spread: self.run.spread, from, to, start: self.colour, end, opacity: self.brush.opacity }
    }

    /// The brush of the mask: it follows the hand and the pen as the one that paints does.
    pub fn mask_brush(&self, tip: Brush) -> PaintBrush {
        PaintBrush { tip, opacity: self.mask_opacity, ..self.brush }
    }

    /// The brush that pushes paint: its opacity is how far.
    pub fn smudge_brush(&self) -> PaintBrush {
        PaintBrush { opacity: self.smudge, ..self.brush }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tolerance_that_was_kept_alone_is_read() {
        let read = |kept: &str| serde_json::from_str::<PaintBox>(kept).unwrap().alike;
        assert_eq!(read(r#"{"tolerance": 7}"#), Alike { tolerance: 7, ..Alike::default() });
        assert_eq!(read("{}"), Alike::default());
        let palette =
            PaintBox { alike: Alike { connected: false, tolerance: 9, sees_all_layers: false }, ..PaintBox::default() };
        assert_eq!(read(&serde_json::to_string(&palette).unwrap()), palette.alike);
        assert!(serde_json::from_str::<PaintBox>(r#"{"tolerance": 300}"#).is_err());
    }

    #[test]
    fn the_newest_colours_come_first_and_none_twice() {
        let mut palette = PaintBox::default();
        for n in (0..20).chain([5]) {
            palette.colour = [n; 3];
            palette.note_use();
        }
        assert_eq!(palette.used.len(), PaintBox::MOST_USED);
        assert_eq!(palette.used[..3], [[5; 3], [19; 3], [18; 3]]);
        assert_eq!(palette.used.iter().filter(|&&used| used == [5; 3]).count(), 1);
    }
}
