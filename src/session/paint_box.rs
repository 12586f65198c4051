use crate::paint::{Brush, Bucket, Ink, PaintBrush};
use serde::{Deserialize, Serialize};

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
    /// How far each channel of a pixel may be from the one that is filled, 0..255.
    pub tolerance: u8,
}

impl Default for PaintBox {
    fn default() -> Self {
        Self {
            brush: PaintBrush::new(Brush { size: 24.0, hardness: 0.8 }),
            colour: [32, 30, 28],
            other_colour: [255; 3],
            used: Vec::new(),
            tolerance: 24,
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
        let Self { colour, tolerance, .. } = *self;
        let ink = Ink::Colour(colour);
        Bucket { ink, opacity: self.brush.opacity, tolerance, connected: true, sees_all_layers: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
