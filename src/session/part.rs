//! Painting a part of the canvas: which part the next picture is made of, and where a result that is one belongs.

use super::{Draft, NotReady, Session, Shown, Viewed};
use crate::diffusion::{Input, Place, Region, Request, extent_to_paint};
use crate::geom::{Bounds, Extent};
use crate::paint::{Document, Edit, Layer, LayerEdit, LayerLook, MaskEdit, Tiles};
use crate::pixels::{Mask, Picture};
use std::sync::Arc;

impl Draft {
    /// The padding of a new draft, in image pixels; A1111's.
    pub(super) const PADDING: u32 = 32;
    /// The most padding.
    pub const MAX_PADDING: u32 = 1024;

    /// The box that is to be painted, of a document that has a picture: all of it unless there is a smaller one.
    pub fn bounds_in(&self, document: &Document) -> Bounds {
        let whole = Bounds::whole(document.extent());
        self.bounds.and_then(|bounds| bounds.intersection(whole)).unwrap_or(whole)
    }

    /// The part of the document that is painted by itself; none where all of it is painted as it is.
    pub(super) fn place(&self, document: &Document, native: Extent) -> Result<Option<Place>, NotReady> {
        if !document.has_picture() {
            return Ok(None);
        }
        let (of, limits) = (document.extent(), self.bounds_in(document));
        let masked = document.has_mask().then(|| document.mask().bounds_within(limits).ok_or(NotReady::NothingMasked));
        let masked = masked.transpose()?;
        let is_whole = limits == Bounds::whole(of);
        // What is enlarged afterwards has no place on the canvas.
        let as_it_is = of == of.rounded_to(8) || self.upscale.is_some();
        let bounds = match masked.filter(|_| self.only_masked) {
            Some(masked) => masked.context_area(self.padding.min(Self::MAX_PADDING), native, limits),
            None if is_whole && as_it_is && is_paintable(of) => return Ok(None),
            None => limits,
        };
        Ok(Some(Place { bounds, of }))
    }

    /// The size at which a part is painted: all of a canvas as it is, where that can be; anything else as the model paints best.
    pub(super) fn extent_of_part(&self, document: &Document, place: Place, native: Extent) -> Extent {
        let is_whole = place.bounds == Bounds::whole(place.of) && !(self.only_masked && document.has_mask());
        if is_whole && is_paintable(place.of) {
            place.of.rounded_to(8)
        } else {
            extent_to_paint(place.bounds.extent, native)
        }
    }

    /// What a picture of the document starts from.
    pub(super) fn input(&self, document: &Document, place: Option<Place>) -> Option<Input> {
        let (picture, mask) = match place {
            None => {
                let (picture, mask) = (document.picture()?, document.has_mask().then(|| document.mask()));
                let (was, to) = (picture.extent(), picture.extent().rounded_to(8));
                let fits = if was == to { Arc::clone(picture) } else { Arc::new(picture.resized(to)) };
                (fits, mask.map(|mask| if was == to { mask.clone() } else { mask.resized(to) }))
            }
            Some(Place { bounds, .. }) => {
                let mask = document.has_mask().then(|| document.mask().cropped(bounds)).flatten();
                (Arc::new(document.flat().cropped(bounds)), mask)
            }
        };
        let bounds = place.map_or(Bounds::whole(document.extent()), |place| place.bounds);
        let mut regions = regions(document, bounds);
        let to = picture.extent();
        for region in regions.iter_mut().filter(|region| region.mask.extent() != to) {
            region.mask = Arc::new(region.mask.resized(to));
        }
        Some(Input {
            regions,
            masked: self.masked,
            place,
            match_colours: self.match_colours,
            image_guidance: self.image_guidance,
            soft_mask: self.soft_mask,
            ..Input::new(picture, self.strength, mask.map(Arc::new))
        })
    }
}

/// Whether all of it can be painted at once.
fn is_paintable(canvas: Extent) -> bool {
    let Extent { width, height } = canvas.rounded_to(8);
    width.max(height) <= Request::<(), ()>::MAX_SIDE
}

/// The words of the layers that have their own, the uppermost first, and where each covers a box of the document.
pub(super) fn regions(document: &Document, bounds: Bounds) -> Vec<Region> {
    let layers = document.stack().layers().iter().rev().filter(|layer| layer.has_words());
    let regions = layers
        .map(|layer| Region { prompt: layer.look.prompt.trim().to_owned(), mask: Arc::new(layer.coverage(bounds)) });
    regions.filter(|region| !region.mask.is_empty()).collect()
}

/// The part of a guide that lies over a part of the canvas, over all of which the guide lies.
pub(super) fn part_of_guide(guide: &Arc<Picture>, place: Option<Place>) -> Arc<Picture> {
    let Some(Place { bounds, of }) = place else { return Arc::clone(guide) };
    let extent = guide.extent();
    let span = |start: u32, end: u32, canvas: u32, guide: u32| {
        let at = |place: u32| (u64::from(place) * u64::from(guide) / u64::from(canvas.max(1))) as u32;
        let first = at(start).min(guide.saturating_sub(1));
        (first, at(end).clamp(first + 1, guide.max(first + 1)) - first)
    };
    let (left, width) = span(bounds.left, bounds.right(), of.width, extent.width);
    let (top, height) = span(bounds.top, bounds.bottom(), of.height, extent.height);
    let cropped = guide.cropped(Bounds { left, top, extent: Extent::new(width, height) });
    cropped.map_or_else(|| Arc::clone(guide), Arc::new)
}

/// Where a result that is a part belongs.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) place: Place,
    mask: Option<Arc<Mask>>,
}

impl Part {
    /// What was painted where a mask let it belongs there, too, though all of the canvas was shown to the model.
    pub(super) fn of(request: &Request) -> Option<Self> {
        let input = request.input.as_ref()?;
        let of = input.picture.extent();
        let masked = || input.mask.is_some() && request.picture_extent() == of;
        let place = request.place().or_else(|| masked().then_some(Place { bounds: Bounds::whole(of), of }))?;
        Some(Self { place, mask: input.mask.clone() })
    }

    /// A part of which only the place is known.
    pub(super) const fn at(place: Place) -> Self {
        Self { place, mask: None }
    }

    /// Whether it is all of a canvas.
    pub(super) fn is_whole(&self) -> bool {
        self.place.bounds == Bounds::whole(self.place.of)
    }

    /// Whether it belongs over a document as large as its canvas. All of a canvas does only where most of what its mask kept is to be
    /// seen in the document still: else it is of another picture.
    pub(super) fn belongs_over(&self, document: &Document, picture: &Picture) -> bool {
        let (true, Some(mask), Some(below)) = (self.is_whole(), &self.mask, document.picture()) else {
            return true;
        };
        let pixels = below.rgba().as_chunks::<4>().0.iter().zip(picture.rgba().as_chunks::<4>().0).zip(mask.coverage());
        let kept = pixels.filter(|(_, coverage)| **coverage == 0);
        let (count, same) = kept.fold((0, 0), |(count, same), ((a, b), _)| (count + 1, same + usize::from(a == b)));
        2 * same >= count
    }

    /// The mask on all of the canvas, put together anew if `known`, the mask and that, is of another.
    pub(super) fn mask_on_canvas(&self, known: &mut Option<[Arc<Mask>; 2]>) -> Option<Arc<Mask>> {
        let mask = self.mask.as_ref()?;
        if let Some([_, whole]) = known.as_ref().filter(|[of, _]| Arc::ptr_eq(of, mask)) {
            return Some(Arc::clone(whole));
        }
        let Place { bounds, of } = self.place;
        let whole = if self.is_whole() { Arc::clone(mask) } else { Arc::new(mask.placed(of, bounds)) };
        *known = Some([Arc::clone(mask), Arc::clone(&whole)]);
        Some(whole)
    }

    /// As a layer of the canvas: clear where it was not painted.
    pub(super) fn layer(&self, picture: &Picture) -> Tiles {
        Tiles::of_part(self.place.of, self.place.bounds, picture, self.mask.as_deref())
    }
}

/// The box of the mask, and what it was found for.
#[derive(Debug)]
pub(super) struct MaskedBox {
    mask: u64,
    layers: Vec<Arc<Layer>>,
    limits: Bounds,
    of: Option<Bounds>,
}

/// What the canvas shows of a result that is a part, and of what it was put together.
#[derive(Debug)]
pub(super) struct InPlace {
    document: Arc<Tiles>,
    picture: Arc<Picture>,
    /// None where it does not belong over the document.
    tiles: Option<Arc<Tiles>>,
}

impl Session {
    /// The size that the chosen model paints best.
    pub fn native_extent(&self) -> Extent {
        self.model().map_or_else(|| Draft::default().extent, |model| model.example.extent)
    }

    /// The steps on the canvas at which the box to paint snaps, in image pixels: an eighth of what the model paints best.
    pub fn bounds_step(&self) -> u32 {
        let Extent { width, height } = self.native_extent();
        (width.min(height) / 8).max(8)
    }

    /// What the model will be shown of the canvas where only the mask is painted, and up close: the mask and what lies around it.
    pub fn context_area(&self) -> Option<Bounds> {
        let masked = self.masked_box.as_ref()?.of?;
        let (padding, limits) = (self.draft.padding.min(Draft::MAX_PADDING), self.draft.bounds_in(&self.document));
        Some(masked.context_area(padding, self.native_extent(), limits))
    }

    /// Looks again for the box of the mask, once that, a layer of masks or the box to paint has changed, where it counts.
    pub(super) fn find_masked_box(&mut self) {
        if !(self.draft.only_masked && self.document.has_picture() && self.document.masks_anything()) {
            self.masked_box = None;
            return;
        }
        let (document, limits) = (&self.document, self.draft.bounds_in(&self.document));
        let mask = document.mask_number();
        let is_current = |known: &MaskedBox| {
            let layers = known.layers.iter().map(Arc::as_ptr);
            (known.mask, known.limits) == (mask, limits) && layers.eq(document.mask_layers().map(Arc::as_ptr))
        };
        if !self.masked_box.as_ref().is_some_and(is_current) {
            let (layers, of) = (document.mask_layers().cloned().collect(), document.whole_mask().bounds_within(limits));
            self.masked_box = Some(MaskedBox { mask, layers, limits, of });
        }
    }

    /// Paints only this box of the canvas from now on; all of it, if there is no smaller one.
    pub(super) fn set_bounds(&mut self, bounds: Option<Bounds>) {
        let whole = Bounds::whole(self.document.extent());
        let bounds = bounds.and_then(|bounds| bounds.intersection(whole));
        self.draft.bounds = bounds.filter(|&bounds| bounds != whole);
    }

    /// What the view shows: a result that is a part of a canvas as large as the document lies in its place over it.
    pub(super) fn viewed(&mut self) -> Shown {
        match &self.view.what {
            Viewed::Document if self.document.has_picture() => Shown::Document(Arc::clone(self.document.last_shown())),
            Viewed::Document => Shown::Empty(self.draft.extent.rounded_to(8)),
            Viewed::Result(id, picture, part) => {
                let fitting = part.as_ref().filter(|part| self.fits(part));
                match fitting.and_then(|part| in_place(&mut self.in_place, &self.document, part, picture)) {
                    Some(tiles) => Shown::Part { result: *id, picture: Arc::clone(picture), tiles },
                    None => Shown::Result(*id, Arc::clone(picture)),
                }
            }
        }
    }

    /// Puts back which part of the canvas was painted, and the mask over it; what the canvas shows stays.
    pub(super) fn recall_part(&mut self, part: &Part) {
        self.set_bounds(Some(part.place.bounds));
        self.draft.only_masked = false;
        self.edit(match &part.mask {
            Some(mask) => Edit::Mask(MaskEdit::Replace(mask.placed(part.place.of, part.place.bounds))),
            None => Edit::Mask(MaskEdit::Clear),
        });
    }

    /// Whether a part belongs on a canvas like the document's.
    pub(super) fn fits(&self, part: &Part) -> bool {
        self.document.has_picture() && self.document.extent() == part.place.of
    }
}

/// The document with a part over it, put together anew when one of them is another than before. None where the part does not belong there.
pub(super) fn in_place(
    shown: &mut Option<InPlace>,
    document: &Document,
    part: &Part,
    picture: &Arc<Picture>,
) -> Option<Arc<Tiles>> {
    let is_current = |shown: &&mut InPlace| {
        Arc::ptr_eq(&shown.document, document.last_flat()) && Arc::ptr_eq(&shown.picture, picture)
    };
    if let Some(shown) = shown.as_mut().filter(is_current) {
        return shown.tiles.clone();
    }
    let edit = || LayerEdit::Insert { look: LayerLook::named(""), tiles: part.layer(picture) };
    let belongs = part.belongs_over(document, picture);
    let tiles = if belongs { Some(Arc::new(document.seen_with(edit()).ok()?)) } else { None };
    let (document, picture) = (Arc::clone(document.last_flat()), Arc::clone(picture));
    *shown = Some(InPlace { document, picture, tiles: tiles.clone() });
    tiles
}

#[cfg(test)]
mod tests {
    use super::super::draft::tests::a_draft;
    use super::*;
    use crate::pixels::composite;
    use proptest::prelude::*;

    const CANVAS: Extent = Extent::new(152, 136);
    const NATIVE: Extent = Extent::new(64, 64);

    fn byte(seed: u64, index: usize) -> u8 {
        (seed.wrapping_add(index as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29).wrapping_mul(0xBF58_476D)
            >> 20) as u8
    }

    fn noise(extent: Extent, seed: u64) -> Picture {
        let rgba = (0..extent.area() * 4).map(|i| if i % 4 == 3 { 255 } else { byte(seed, i) }).collect();
        Picture::from_rgba(extent, rgba).unwrap()
    }

    /// The same, with opacities of every kind.
    fn translucent(extent: Extent, seed: u64) -> Picture {
        let pixel = |i: usize| [0, 1, 2, 3].map(|channel| byte(seed, 4 * i + channel));
        // What is clear has no colour.
        let pixels = (0..extent.area()).map(pixel).flat_map(|pixel| if pixel[3] == 0 { [0; 4] } else { pixel });
        Picture::from_rgba(extent, pixels.collect()).unwrap()
    }

    /// An ellipse with a soft edge.
    fn mask((x, y): (f32, f32), (across, down): (f32, f32), softness: f32) -> Mask {
        let places = (0..CANVAS.height).flat_map(|y| (0..CANVAS.width).map(move |x| (x as f32, y as f32)));
        let coverage = places.map(|(px, py)| {
            let inside = 1.0 - ((px - x) / across).hypot((py - y) / down);
            (inside / softness * 255.0).clamp(0.0, 255.0) as u8
        });
        Mask::from_coverage(CANVAS, coverage.collect()).unwrap()
    }

    fn pixels(tiles: &Tiles) -> Vec<[u8; 4]> {
        tiles.to_picture().rgba().as_chunks::<4>().0.to_vec()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_the_mask_keeps_and_what_lies_outside_the_box_stays_to_the_bit(
            middle in (0f32..150.0, 0f32..140.0),
            radii in (1f32..90.0, 1f32..90.0),
            softness in 0.01f32..1.0,
            (left, top, width, height) in (0u32..140, 0u32..130, 8u32..160, 8u32..160),
            has_bounds in any::<bool>(),
            only_masked in any::<bool>(),
            padding in 0u32..80,
            seed in any::<u64>(),
            is_opaque in any::<bool>(),
        ) {
            let bounds = has_bounds.then_some(Bounds { left, top, extent: Extent::new(width, height) });
            let draft = Draft { bounds, only_masked, padding, ..a_draft() };
            let canvas = if is_opaque { noise(CANVAS, seed) } else { translucent(CANVAS, seed) };
            let document = Document::restored(Some(Arc::new(canvas)), mask(middle, radii, softness)).unwrap();
            match draft.to_requests(&document, None, NATIVE) {
                Err(NotReady::NothingMasked) => {
                    prop_assert!(document.mask().bounds_within(draft.bounds_in(&document)).is_none());
                }
                Err(other) => prop_assert!(false, "{}", other),
                Ok(requests) => if let Some(part) = Part::of(&requests[0]) {
                    // What the pipeline does with the pixels of the model.
                    let input = requests[0].input.as_ref().unwrap();
                    let painted = noise(requests[0].extent, seed ^ 1).resized(part.place.bounds.extent);
                    let painted = match &input.mask {
                        Some(mask) => composite(&input.picture, &painted, mask),
                        None => painted,
                    };
                    let mut applied = document.clone();
                    let edit = LayerEdit::Insert { look: LayerLook::named("part"), tiles: part.layer(&painted) };
                    let seen = document.seen_with(edit.clone()).unwrap();
                    applied.apply(Edit::Layer(edit)).unwrap();
                    prop_assert!(seen == **applied.flat());
                    let (before, after) = (pixels(document.flat()), pixels(applied.flat()));
                    let expected = Tiles::of_part(CANVAS, part.place.bounds, &painted, None);
                    for (i, expected) in pixels(&expected).into_iter().enumerate() {
                        let is_painted = expected != [0; 4] && (!document.has_mask() || document.mask().coverage()[i] > 0);
                        if !is_painted {
                            prop_assert_eq!(after[i], before[i]);
                        } else if is_opaque {
                            prop_assert_eq!(after[i], expected);
                        }
                    }
                    applied.undo();
                    prop_assert!(pixels(applied.flat()) == before);
                }
            }
        }
    }

    #[test]
    fn a_box_and_a_mask_up_close_are_painted_at_the_models_size() {
        let document =
            Document::restored(Some(Arc::new(noise(CANVAS, 1))), mask((40.0, 50.0), (10.0, 10.0), 0.01)).unwrap();
        let request = |draft: Draft| draft.to_requests(&document, None, NATIVE).unwrap().remove(0);
        let whole = request(a_draft());
        assert_eq!((whole.extent, whole.place()), (CANVAS, None));
        let bounds = Bounds { left: 20, top: 30, extent: Extent::new(100, 50) };
        let boxed = request(Draft { bounds: Some(bounds), ..a_draft() });
        assert_eq!((boxed.extent, boxed.place()), (Extent::new(88, 48), Some(Place { bounds, of: CANVAS })));
        assert_eq!(boxed.picture_extent(), bounds.extent);
        // 19 pixels masked and 8 on each side.
        let close = request(Draft { only_masked: true, padding: 8, ..a_draft() });
        let bounds = Bounds { left: 23, top: 33, extent: Extent::new(35, 35) };
        assert_eq!((close.extent, close.place()), (NATIVE, Some(Place { bounds, of: CANVAS })));
    }

    #[test]
    fn all_of_a_canvas_is_painted_as_it_is_unless_it_is_too_large() {
        let request = |extent: Extent, draft: Draft| {
            let document = Document::restored(Some(Arc::new(noise(extent, 1))), Mask::empty(extent)).unwrap();
            draft.to_requests(&document, None, NATIVE).unwrap().remove(0)
        };
        let odd = Extent::new(1001, 668);
        let whole = |of| Some(Place { bounds: Bounds::whole(of), of });
        let painted = request(odd, a_draft());
        assert_eq!(
            (painted.extent, painted.place(), painted.picture_extent()),
            (Extent::new(1000, 672), whole(odd), odd)
        );
        let upscale = Some(crate::diffusion::Upscale { upscaler: "sharp".into(), factor: 2.0, refine: None });
        let enlarged = request(odd, Draft { upscale: upscale.clone(), ..a_draft() });
        assert_eq!((enlarged.extent, enlarged.place(), enlarged.upscale), (Extent::new(1000, 672), None, upscale));
        assert_eq!(enlarged.input.unwrap().picture.extent(), Extent::new(1000, 672));
        let up_close = request(odd, Draft { only_masked: true, ..a_draft() });
        assert_eq!(up_close.extent, Extent::new(1000, 672), "nothing is masked");
        let mut document = Document::restored(Some(Arc::new(noise(odd, 1))), Mask::empty(odd)).unwrap();
        let layer = Arc::clone(&document.stack().layers()[0]);
        let look = LayerLook { prompt: "a pear".into(), ..layer.look.clone() };
        document.apply(Edit::Layer(LayerEdit::Look { layer: layer.id, look, goes_on: false })).unwrap();
        let worded = Draft {
            upscale: Some(crate::diffusion::Upscale { upscaler: "sharp".into(), factor: 2.0, refine: None }),
            ..a_draft()
        };
        let regions = worded.to_requests(&document, None, NATIVE).unwrap().remove(0).input.unwrap().regions;
        assert_eq!(regions[0].mask.extent(), Extent::new(1000, 672));
        let wide = Extent::new(4200, 400);
        let painted = request(wide, a_draft());
        assert_eq!((painted.extent, painted.place()), (Extent::new(208, 24), whole(wide)));
    }

    #[test]
    fn a_guide_is_cut_like_the_canvas_that_it_lies_over() {
        let guide = Arc::new(noise(Extent::new(304, 68), 3));
        let place = Place { bounds: Bounds { left: 15, top: 20, extent: Extent::new(50, 100) }, of: CANVAS };
        let part = part_of_guide(&guide, Some(place));
        assert_eq!(*part, guide.cropped(Bounds { left: 30, top: 10, extent: Extent::new(100, 50) }).unwrap());
        assert!(Arc::ptr_eq(&part_of_guide(&guide, None), &guide));
    }
}
