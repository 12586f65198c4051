//! A stroke of the paint brush, while it is drawn and when it is done. It works on a stack of its own, which shares with the
//! document's all that it does not touch: what is seen is what the document takes over when the pointer is let go, and letting
//! go of this is all it takes to cancel.

use super::beyond::{Passage, Placed};
use super::coverage::Coverage;
use super::document::Document;
use super::ink::{Coat, laid};
use super::path::{Follow, Path, Sample};
use super::smudge::Smudge;
use super::tiles::{TILE_AREA, TILE_SIDE};
use super::tip::Tip;
use super::within::{Lifted, Within, put_down};
use super::{Brush, Error, Gradient, Ink, Layer, Stack, Tiles, Transform};
use crate::geom::{Bounds, Point};
use crate::pixels::Mask;
use std::sync::Arc;
use std::time::Instant;

/// A brush that paints on layers.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct PaintBrush {
    /// Size and hardness.
    pub tip: Brush,
    /// 0..1: how opaque a whole stroke is, however often it crosses itself.
    pub opacity: f32,
    /// 0..1: how far each dab goes towards that; less builds up slowly, as an airbrush does.
    pub flow: f32,
    /// The distance between dabs as a share of the size.
    pub spacing: f32,
    /// 0..1: how much the path is steadied, and lags behind the pointer.
    pub smoothing: f32,
    /// Whether pressing harder makes it wider.
    pub pressure_sizes: bool,
    /// Whether pressing harder lets more flow.
    pub pressure_flows: bool,
    /// Whether pressing harder covers more.
    #[serde(default)]
    pub pressure_covers: bool,
    /// -1..1: how pressure counts. At 0 as the pen tells it, below as though it were pressed harder, above as though more lightly.
    #[serde(default)]
    pub firmness: f32,
}

impl PaintBrush {
    const MIN_SPACING: f32 = 0.01;

    /// An even, opaque brush with this tip.
    pub const fn new(tip: Brush) -> Self {
        let (opacity, flow, spacing, smoothing) = (1.0, 1.0, 0.08, 0.3);
        Self {
            tip,
            opacity,
            flow,
            spacing,
            smoothing,
            pressure_sizes: true,
            pressure_flows: false,
            pressure_covers: false,
            firmness: 0.0,
        }
    }

    /// Its tip where it is pressed so hard, and the most that it covers there, 0..1.
    pub(super) fn pressed(&self, pressure: f32) -> (Tip, f32) {
        let pressure = self.felt(pressure);
        let size = if self.pressure_sizes { self.tip.size * pressure } else { self.tip.size };
        let covers = if self.pressure_covers { pressure } else { 1.0 };
        (Tip::new(Brush { size, ..self.tip }), unit(self.opacity) * covers)
    }

    /// How hard it is pressed, 0..1, by its curve: a power from the fourth root to the fourth.
    fn felt(&self, pressure: f32) -> f32 {
        let firmness = if self.firmness.is_nan() { 0.0 } else { self.firmness.clamp(-1.0, 1.0) };
        pressure.powf(4.0_f32.powf(firmness))
    }
}

/// A stroke of the paint brush under way, on the document's active layer, or a gradient that is laid.
#[derive(Clone, Debug)]
pub struct Painting {
    brush: PaintBrush,
    path: Path,
    medium: Medium,
    /// The mask as it was at the beginning, which keeps the stroke inside it.
    within: Within,
    /// What of the layer is masked, if that alone is moved.
    lifted: Option<Lifted>,
    before: Arc<Layer>,
    stack: Stack,
    /// What is seen of the picture alone, if something lies over it.
    flat: Option<Tiles>,
    shown: Tiles,
    document_revision: u64,
}

/// What a stroke does to the layer.
#[derive(Clone, Debug)]
enum Medium {
    /// Covers it.
    Ink(Coverage, Coat),
    /// Pushes what lies there.
    Wet(Smudge),
    /// Covers all of it, bit by bit; these tiles wait.
    Poured(Gradient, Vec<usize>),
    /// Moves all of it, bit by bit: quickly first, and finely when that is done.
    Moved { transform: Transform, fine: bool, waiting: Vec<usize>, passage: Passage },
}

impl Painting {
    /// Takes up the brush. Fails where the active layer must not change, is not seen, or is not there.
    pub fn begin(document: &Document, ink: Ink, brush: PaintBrush) -> Result<Self, Error> {
        Self::with(document, brush, |layer| {
            let coat = Coat { ink, opacity: unit(brush.opacity), keeps_alpha: layer.look.keeps_alpha };
            Medium::Ink(Coverage::none(document.extent()), coat)
        })
    }

    /// Takes up a brush without colour, which pushes the paint that it meets: the further, the higher its opacity. Fails as [`Self::begin`].
    pub fn smudge(document: &Document, brush: PaintBrush) -> Result<Self, Error> {
        Self::with(document, brush, |layer| {
            let mask = document.confines(layer).cloned();
            Medium::Wet(Smudge::new(Arc::clone(layer), mask, brush.tip, unit(brush.opacity)))
        })
    }

    /// Begins to lay a gradient, which [`Self::pour`] goes on with. Fails as [`Self::begin`].
    pub fn gradient(document: &Document, gradient: Gradient) -> Result<Self, Error> {
        let brush = PaintBrush::new(Brush { size: 1.0, hardness: 1.0 });
        let gradient = Gradient { opacity: unit(gradient.opacity), ..gradient };
        let waiting = if gradient.is_sound() { (0..document.flat().count()).rev().collect() } else { Vec::new() };
        Self::with(document, brush, |_| Medium::Poured(gradient, waiting))
    }

    /// Begins to transform the layer, or what of it is masked, which [`Self::pour`] goes on with. Fails as [`Self::begin`].
    pub fn transform(document: &Document, transform: Transform) -> Result<Self, Error> {
        let brush = PaintBrush::new(Brush { size: 1.0, hardness: 1.0 });
        let waiting = (0..document.flat().count()).rev().collect();
        let mut lifted = None;
        let moved = |layer: &Arc<Layer>| {
            let passage = match document.confines(layer) {
                Some(mask) => lifted.insert(Lifted::off(layer, mask)).passage(),
                None => Passage::of(layer, document.extent()),
            };
            Medium::Moved { transform: transform.sound(), fine: false, waiting, passage }
        };
        let painting = Self::with(document, brush, moved)?;
        Ok(Self { within: Within::default(), lifted, ..painting })
    }

    fn with(document: &Document, brush: PaintBrush, medium: impl FnOnce(&Arc<Layer>) -> Medium) -> Result<Self, Error> {
        let (stack, shown) = (document.stack().clone(), (**document.shown()).clone());
        let flat = stack.has_more_than_the_picture().then(|| (**document.flat()).clone());
        let before = Arc::clone(stack.paintable()?);
        Ok(Self {
            brush: PaintBrush { flow: unit(brush.flow), ..brush },
            path: Path::new(Follow::Smooth(unit(brush.smoothing))),
            medium: medium(&before),
            within: Within::new(document.confines(&before)),
            lifted: None,
            before,
            stack,
            flat,
            shown,
            document_revision: document.revision(),
        })
    }

    /// Goes on along these places of the pointer.
    pub fn extend(&mut self, samples: &[Sample]) {
        let Self { brush, path, medium, .. } = self;
        for &sample in samples {
            path.extend(sample, &mut |at| dab(medium, brush, at));
        }
        self.lay();
    }

    /// Goes all the way to where the pointer was let go.
    pub fn finish(&mut self) {
        let Self { brush, path, medium, .. } = self;
        path.finish(&mut |at| dab(medium, brush, at));
        self.lay();
    }

    /// Covers fully those pixels of a box whose byte, of one for each pixel of the picture, is not 0.
    pub(super) fn fill(&mut self, bounds: Bounds, covered: &[u8]) {
        let Medium::Ink(_, coat) = self.medium else { return };
        let grid = self.shown.grid();
        let changed: Vec<_> = grid.touched(bounds).collect();
        let Self { within, before, stack, flat, shown, .. } = self;
        let whole = laid(None, &vec![1.0; TILE_AREA], Coat { keeps_alpha: false, ..coat });
        let whole = (!whole.is_clear()).then(|| Arc::new(whole));
        let is_opaque = coat.opacity >= 1.0 && !coat.keeps_alpha;
        let filled = |index: usize| {
            let under = before.tiles.tile(index);
            let bounds = grid.bounds(index);
            let (width, left) = (grid.extent.width as usize, bounds.left as usize);
            let row = |y: u32| &covered[y as usize * width + left..][..bounds.extent.width as usize];
            let mut rows = (bounds.top..bounds.bottom()).map(row);
            if is_opaque && rows.clone().all(|row| row.iter().all(|&place| place != 0)) {
                return whole.clone();
            }
            if rows.clone().all(|row| row.iter().all(|&place| place == 0)) {
                return under.cloned();
            }
            let mut coverage = vec![0.0; TILE_AREA];
            for line in coverage.chunks_exact_mut(TILE_SIDE as usize) {
                for (share, &place) in line.iter_mut().zip(rows.next().into_iter().flatten()) {
                    *share = f32::from(u8::from(place != 0));
                }
            }
            let tile = laid(under.map(Arc::as_ref), &coverage, coat);
            (!tile.is_clear()).then(|| Arc::new(tile))
        };
        if let Some(layer) = stack.layer_mut(before.id) {
            let under = |index| before.tiles.tile(index);
            layer.tiles.set_all(&changed, |index| within.tile(grid, index, under(index), || filled(index)));
        }
        mix(stack, &changed, flat.as_mut(), shown);
    }

    /// Leads a gradient elsewhere: it has to be poured anew.
    pub fn lead(&mut self, from: Point, to: Point) {
        if let Medium::Poured(gradient, waiting) = &mut self.medium {
            let led = Gradient { from, to, ..*gradient };
            if led != *gradient && led.is_sound() {
                *gradient = led;
                *waiting = (0..self.shown.count()).rev().collect();
            }
        }
    }

    /// Moves the layer elsewhere: it has to be poured anew.
    pub fn move_to(&mut self, to: Transform) {
        let to = to.sound();
        if let Medium::Moved { transform, fine, waiting, passage } = &mut self.medium
            && *transform != to
        {
            passage.restart();
            *waiting = (0..self.shown.count()).rev().collect();
            (*transform, *fine) = (to, false);
        }
    }

    /// Lays more of a gradient, or of a layer that is transformed, as much as it can until `deadline` and a little of it in any case.
    /// Returns whether all is laid.
    pub fn pour(&mut self, deadline: Instant) -> bool {
        const AT_ONCE: usize = 16;
        loop {
            let waiting = match &mut self.medium {
                Medium::Ink(..) | Medium::Wet(_) => return true,
                Medium::Poured(_, waiting) => waiting,
                Medium::Moved { transform, fine, waiting, passage } => {
                    if waiting.is_empty() && *fine {
                        return passage.pour(transform, Some(deadline));
                    }
                    if waiting.is_empty() {
                        *fine = true;
                        *waiting = (0..self.shown.count()).rev().collect();
                    }
                    waiting
                }
            };
            let some = waiting.split_off(waiting.len().saturating_sub(AT_ONCE));
            if some.is_empty() {
                return true;
            }
            self.lay_tiles(&some);
            if Instant::now() >= deadline {
                return false;
            }
        }
    }

    /// The picture: what is seen of all layers that are a part of it, with the stroke among them.
    pub fn flat(&self) -> &Tiles {
        self.flat.as_ref().unwrap_or(&self.shown)
    }

    /// The same with what lies over the picture.
    pub fn shown(&self) -> &Tiles {
        &self.shown
    }

    /// Whether it paints with a colour of its own.
    pub fn has_colour(&self) -> bool {
        match &self.medium {
            Medium::Ink(_, coat) => matches!(coat.ink, Ink::Colour(_)),
            Medium::Wet(_) | Medium::Moved { .. } => false,
            Medium::Poured(..) => true,
        }
    }

    /// Whether the document is still the one that the stroke began on, and the same is to be moved of its layer. If not (undone meanwhile,
    /// another picture, the mask is not to keep anything inside), cancel.
    pub fn is_current(&self, document: &Document) -> bool {
        let moves_the_same = match self.medium {
            Medium::Moved { .. } => self.lifted.is_some() == document.confines(&self.before).is_some(),
            _ => true,
        };
        moves_the_same && self.document_revision == document.revision()
    }

    /// Whether it lies beside the mask, and so changed nothing.
    pub fn is_kept_out(&self) -> bool {
        match (&self.medium, self.within.mask()) {
            (Medium::Ink(coverage, _), Some(mask)) => coverage.lies_beside(mask),
            (Medium::Wet(smudge), Some(_)) => smudge.lies_beside(),
            _ => false,
        }
    }

    /// The layers, what is shown of them, and the mask if it went along.
    pub(super) fn into_parts(mut self) -> (Stack, Tiles, Option<Mask>) {
        let mut mask = None;
        if let Medium::Moved { transform, fine: true, waiting, passage } = self.medium
            && waiting.is_empty()
            && let Some(layer) = self.stack.layer_mut(self.before.id)
        {
            let came = passage.beyond(&transform);
            layer.beyond = match &self.lifted {
                Some(lifted) if !transform.is_none() => {
                    mask = lifted.mask(&transform);
                    Placed::over(self.shown.extent(), came, self.before.beyond.as_ref())
                }
                Some(_) => self.before.beyond.clone(),
                None => came,
            };
        }
        (self.stack, self.shown, mask)
    }

    /// Brings what changed under the brush to the layer, and from there to what is seen.
    fn lay(&mut self) {
        let changed = match &mut self.medium {
            Medium::Ink(coverage, _) => coverage.take_changed(),
            Medium::Wet(smudge) => smudge.take_changed(),
            Medium::Poured(..) | Medium::Moved { .. } => return,
        };
        self.lay_tiles(&changed);
    }

    fn lay_tiles(&mut self, changed: &[usize]) {
        if changed.is_empty() {
            return;
        }
        let Self { medium, within, lifted, before, stack, flat, shown, .. } = self;
        let (medium, lifted) = (&*medium, lifted.as_ref());
        let laid = |index: usize| {
            let under = before.tiles.tile(index).map(Arc::as_ref);
            let tile = match medium {
                Medium::Wet(smudge) => return smudge.tile(index),
                Medium::Moved { transform, fine, passage, .. } => {
                    let came = || passage.tile(transform, index, *fine);
                    return match lifted {
                        Some(_) if transform.is_none() => before.tiles.tile(index).cloned(),
                        Some(lifted) => put_down(came(), lifted.rest(index)),
                        None => came(),
                    };
                }
                Medium::Ink(coverage, coat) => coverage.coated(index, under, *coat)?,
                Medium::Poured(gradient, _) => {
                    gradient.over(under, before.tiles.grid().corner(index), before.look.keeps_alpha)
                }
            };
            (!tile.is_clear()).then(|| Arc::new(tile))
        };
        if let Some(layer) = stack.layer_mut(before.id) {
            let (grid, under) = (before.tiles.grid(), |index| before.tiles.tile(index));
            layer.tiles.set_all(changed, |index| within.tile(grid, index, under(index), || laid(index)));
        }
        mix(stack, changed, flat.as_mut(), shown);
    }
}

/// Brings tiles of layers to what is seen of the picture alone, and with what lies over it; both are one where that is nothing.
fn mix(stack: &Stack, changed: &[usize], flat: Option<&mut Tiles>, shown: &mut Tiles) {
    let Some(flat) = flat else {
        shown.set_all(changed, |index| stack.seen(index));
        return;
    };
    flat.set_all(changed, |index| stack.seen(index));
    let flat = &*flat;
    shown.set_all(changed, |index| stack.shown(index, flat.tile(index).cloned()));
}

fn unit(value: f32) -> f32 {
    if value.is_nan() { 1.0 } else { value.clamp(0.0, 1.0) }
}

/// Leaves one dab, and says how far the next one is.
fn dab(medium: &mut Medium, brush: &PaintBrush, sample: Sample) -> f32 {
    let pressure = brush.felt(sample.pressure);
    let size = if brush.pressure_sizes { brush.tip.size * pressure } else { brush.tip.size };
    let flow = if brush.pressure_flows { brush.flow * pressure } else { brush.flow };
    let most = if brush.pressure_covers { pressure } else { 1.0 };
    let tip = Tip::new(Brush { size, ..brush.tip });
    match medium {
        Medium::Ink(coverage, _) => coverage.dab(tip, sample.at, flow, most),
        Medium::Wet(smudge) => smudge.dab(tip, sample.at),
        Medium::Poured(..) | Medium::Moved { .. } => {}
    }
    (2.0 * tip.outer * brush.spacing.max(PaintBrush::MIN_SPACING)).max(0.5)
}

#[cfg(test)]
#[path = "painting_tests.rs"]
mod tests;
