//! How a layer meets what lies under it. The formulas are those of the W3C's "Compositing and Blending Level 1" (sections 9 and
//! 10), which Skia, browsers and `OpenRaster` share; colours are blended as they are stored, in gamma space, as painters expect.

use serde::{Deserialize, Serialize};

/// A colour, each channel 0..1, multiplied by its alpha, which comes last.
pub(super) type Premultiplied = [f32; 4];

/// How a layer meets what lies under it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blend {
    /// Covers it.
    #[default]
    Normal,
    /// Darkens as a glaze does.
    Multiply,
    /// Lightens as light on light does.
    Screen,
    /// Multiplies darks and screens lights.
    Overlay,
    /// The darker of each channel.
    Darken,
    /// The lighter of each channel.
    Lighten,
    /// Brightens what lies under it.
    ColorDodge,
    /// Deepens what lies under it.
    ColorBurn,
    /// Overlay with the layers' parts exchanged.
    HardLight,
    /// A gentle overlay.
    SoftLight,
    /// The distance between the two.
    Difference,
    /// A gentle difference.
    Exclusion,
    /// Its hue alone.
    Hue,
    /// Its saturation alone.
    Saturation,
    /// Its hue and saturation.
    Color,
    /// Its lightness alone.
    Luminosity,
    /// The sum of both, of colours times their alpha and of alphas: the W3C's "lighter". Krita's addition is another where it is
    /// half clear; a test says how far.
    Add,
    /// Takes away what lies under it.
    Erase,
}

impl Blend {
    /// All of them, in the order of a menu.
    pub const ALL: [Self; 18] = [
        Self::Normal,
        Self::Multiply,
        Self::Darken,
        Self::ColorBurn,
        Self::Screen,
        Self::Lighten,
        Self::ColorDodge,
        Self::Add,
        Self::Overlay,
        Self::SoftLight,
        Self::HardLight,
        Self::Difference,
        Self::Exclusion,
        Self::Hue,
        Self::Saturation,
        Self::Color,
        Self::Luminosity,
        Self::Erase,
    ];

    /// What menus call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Multiply => "Multiply",
            Self::Screen => "Screen",
            Self::Overlay => "Overlay",
            Self::Darken => "Darken",
            Self::Lighten => "Lighten",
            Self::ColorDodge => "Colour dodge",
            Self::ColorBurn => "Colour burn",
            Self::HardLight => "Hard light",
            Self::SoftLight => "Soft light",
            Self::Difference => "Difference",
            Self::Exclusion => "Exclusion",
            Self::Hue => "Hue",
            Self::Saturation => "Saturation",
            Self::Color => "Colour",
            Self::Luminosity => "Luminosity",
            Self::Add => "Add",
            Self::Erase => "Erase",
        }
    }

    /// Lays `source` (straight RGBA, made `opacity` times as opaque, 0..1) over `backdrop`, pixel by pixel.
    pub(super) fn over(self, backdrop: &mut [Premultiplied], source: &[[u8; 4]], opacity: f32) {
        let run = Run { backdrop, source, opacity };
        match self {
            Self::Normal => run.each(|b, s| std::array::from_fn(|c| s[c] + b[c] * (1.0 - s[3]))),
            Self::Add => run.each(|b, s| std::array::from_fn(|c| (s[c] + b[c]).min(1.0))),
            Self::Erase => run.each(|b, s| b.map(|c| c * (1.0 - s[3]))),
            Self::Multiply => run.each_channel(|b, s| b * s),
            Self::Screen => run.each_channel(screen),
            Self::Overlay => run.each_channel(|b, s| hard_light(s, b)),
            Self::Darken => run.each_channel(f32::min),
            Self::Lighten => run.each_channel(f32::max),
            Self::ColorDodge => run.each_channel(color_dodge),
            Self::ColorBurn => run.each_channel(color_burn),
            Self::HardLight => run.each_channel(hard_light),
            Self::SoftLight => run.each_channel(soft_light),
            Self::Difference => run.each_channel(|b, s| (b - s).abs()),
            Self::Exclusion => run.each_channel(|b, s| b + s - 2.0 * b * s),
            Self::Hue => run.each_colour(|b, s| with_luminosity(with_saturation(s, saturation(b)), luminosity(b))),
            Self::Saturation => {
                run.each_colour(|b, s| with_luminosity(with_saturation(b, saturation(s)), luminosity(b)));
            }
            Self::Color => run.each_colour(|b, s| with_luminosity(s, luminosity(b))),
            Self::Luminosity => run.each_colour(|b, s| with_luminosity(b, luminosity(s))),
        }
    }
}

/// A source over a backdrop.
struct Run<'a> {
    backdrop: &'a mut [Premultiplied],
    source: &'a [[u8; 4]],
    opacity: f32,
}

impl Run<'_> {
    /// What `blend` makes of backdrop and source, both premultiplied.
    fn each(self, blend: impl Fn(Premultiplied, Premultiplied) -> Premultiplied) {
        for (backdrop, &source) in self.backdrop.iter_mut().zip(self.source) {
            if source[3] != 0 {
                *backdrop = blend(*backdrop, premultiplied(source, self.opacity));
            }
        }
    }

    /// What `mix` makes of the two colours, without alpha, where both are.
    fn each_colour(self, mix: impl Fn([f32; 3], [f32; 3]) -> [f32; 3]) {
        self.each(|b, s| {
            let straight = |c: Premultiplied| [c[0], c[1], c[2]].map(|v| if c[3] > 0.0 { v / c[3] } else { 0.0 });
            let mixed = mix(straight(b), straight(s));
            let both = b[3] * s[3];
            let channel = |c: usize| s[c] * (1.0 - b[3]) + b[c] * (1.0 - s[3]) + both * mixed[c];
            [channel(0), channel(1), channel(2), s[3] + b[3] - both]
        });
    }

    fn each_channel(self, mix: impl Fn(f32, f32) -> f32) {
        self.each_colour(|b, s| std::array::from_fn(|c| mix(b[c], s[c])));
    }
}

/// Straight bytes as a premultiplied colour.
pub(super) fn premultiplied(pixel: [u8; 4], opacity: f32) -> Premultiplied {
    let [r, g, b, a] = pixel.map(|v| f32::from(v) * (1.0 / 255.0));
    let alpha = a * opacity;
    [r * alpha, g * alpha, b * alpha, alpha]
}

/// A premultiplied colour as straight bytes, rounded to the nearest.
pub(super) fn straight(colour: Premultiplied) -> [u8; 4] {
    let alpha = (colour[3] * 255.0 + 0.5) as u8;
    if alpha == 0 {
        return [0; 4];
    }
    let scale = 255.0 / colour[3];
    let [r, g, b] = [0, 1, 2].map(|c| (colour[c] * scale + 0.5) as u8);
    [r, g, b, alpha]
}

fn screen(b: f32, s: f32) -> f32 {
    b + s - b * s
}

fn hard_light(b: f32, s: f32) -> f32 {
    if s <= 0.5 { b * 2.0 * s } else { screen(b, 2.0 * s - 1.0) }
}

fn color_dodge(b: f32, s: f32) -> f32 {
    if b <= 0.0 {
        0.0
    } else if s >= 1.0 {
        1.0
    } else {
        (b / (1.0 - s)).min(1.0)
    }
}

fn color_burn(b: f32, s: f32) -> f32 {
    if b >= 1.0 {
        1.0
    } else if s <= 0.0 {
        0.0
    } else {
        1.0 - ((1.0 - b) / s).min(1.0)
    }
}

fn soft_light(b: f32, s: f32) -> f32 {
    if s <= 0.5 {
        b - (1.0 - 2.0 * s) * b * (1.0 - b)
    } else {
        let lit = if b <= 0.25 { ((16.0 * b - 12.0) * b + 4.0) * b } else { b.sqrt() };
        b + (2.0 * s - 1.0) * (lit - b)
    }
}

fn luminosity([r, g, b]: [f32; 3]) -> f32 {
    0.3 * r + 0.59 * g + 0.11 * b
}

fn saturation(colour: [f32; 3]) -> f32 {
    largest(colour) - smallest(colour)
}

fn largest([r, g, b]: [f32; 3]) -> f32 {
    r.max(g).max(b)
}

fn smallest([r, g, b]: [f32; 3]) -> f32 {
    r.min(g).min(b)
}

/// The same hue and saturation at another lightness, brought back into 0..1 towards grey.
fn with_luminosity(colour: [f32; 3], wanted: f32) -> [f32; 3] {
    let shift = wanted - luminosity(colour);
    let colour = colour.map(|c| c + shift);
    let (light, low, high) = (luminosity(colour), smallest(colour), largest(colour));
    // Of a grey out of range by a rounding error there is no way back towards grey.
    if low >= light || light >= high {
        return [light.clamp(0.0, 1.0); 3];
    }
    let mut clipped = colour;
    if low < 0.0 {
        clipped = clipped.map(|c| light + (c - light) * light / (light - low));
    }
    if high > 1.0 {
        clipped = clipped.map(|c| light + (c - light) * (1.0 - light) / (high - light));
    }
    clipped
}

/// The same hue at another saturation.
fn with_saturation(colour: [f32; 3], wanted: f32) -> [f32; 3] {
    let (low, range) = (smallest(colour), saturation(colour));
    if range <= 0.0 { [0.0; 3] } else { colour.map(|c| (c - low) * wanted / range) }
}

#[cfg(test)]
#[path = "blend_tests.rs"]
mod tests;
