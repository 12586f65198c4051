//! Bringing back what decided a picture: its settings, and what it started from, with the words that its layers had of their own.

use super::current::took_the_place;
use super::part::{Part, regions};
use super::{Action, Offer, Session};
use crate::diffusion::{Input, Region, Request};
use crate::gallery::Entry;
use crate::geom::{Bounds, Extent};
use crate::paint::{Edit, Layer, LayerId, LayerLook, MaskEdit, Stack, Tiles};
use crate::pixels::Picture;

impl Session {
    /// Puts everything that decided a picture back: the draft, the guide, where it was painted, and, where there are no layers, what it
    /// started from. Layers that are there stay; what it started from is offered in their place.
    pub(super) fn recall(&mut self, request: &Request) {
        let seen = self.draft.control.as_ref().map(|control| control.preprocessor);
        self.recall_into_draft(request);
        self.recall_guide(request.control.as_ref(), seen);
        self.hints.clone_from(&request.hints);
        let has_layers = self.document.has_picture();
        if let Some(part) = Part::of(request).filter(|part| !part.is_whole() && self.fits(part)) {
            self.recall_part(&part);
            self.tell_of_other_words(request, part.place.bounds);
            return;
        }
        self.draft.bounds = None;
        let offer = |label: &str, action| vec![Offer { label: label.into(), action }];
        match &request.input {
            None if has_layers => {
                let said = "This was painted from noise, and the next grows out of what is on the canvas";
                self.notices.offering(said, offer("Close the picture", Action::ClosePicture));
            }
            None => {}
            Some(input) if !has_layers => self.take_input(input),
            Some(input) => {
                if input.picture.extent() == self.document.extent() {
                    self.edit(match &input.mask {
                        Some(mask) => Edit::Mask(MaskEdit::Replace((**mask).clone())),
                        None => Edit::Mask(MaskEdit::Clear),
                    });
                }
                let is_other = self.document.picture() != Some(&input.picture);
                if is_other || self.has_other_words(input) {
                    let action = Action::TakeInput(Box::new(input.clone()));
                    let said = if is_other {
                        "This grew out of another picture than what is on the canvas"
                    } else {
                        "Layers had other words of their own when this was painted"
                    };
                    self.notices.offering(said, offer("Start from that one", action));
                }
            }
        }
    }

    pub(super) fn recall_settings_only(&mut self, entry: &Entry, why: &str) {
        self.recall_into_draft(&entry.record);
        self.notices.error(format!("The settings are as they were, but not what it started from: {why}"));
    }

    pub(super) fn recall_into_draft<P, M>(&mut self, request: &Request<P, M>) {
        let before = self.draft.model.clone();
        // What was painted into another picture is no part of these settings.
        self.hints.clear();
        self.draft.recall(request);
        self.settled_on(before);
    }

    /// The draft is another, and before it named this model: loads the one that it names now, or keeps this one where that is not there.
    pub(super) fn settled_on(&mut self, before: String) {
        // Generate is to paint this very seed.
        self.used_seed = None;
        self.forget_missing_upscaler();
        let is_other = self.draft.model != before;
        let is_there = self.model().is_some();
        if is_other && !is_there {
            let gone = std::mem::replace(&mut self.draft.model, before);
            let said = format!("It was painted with {gone}, which is not there any more: {} is used", self.draft.model);
            self.notices.info(said);
        }
        // The model that stays says what is usual.
        self.leave_missing_precision();
        if is_other && is_there {
            self.load_model();
        }
    }

    /// Starts from what a result started from, as one step of undo. Where there were layers, their file stays theirs.
    pub(super) fn take_input(&mut self, input: &Input) {
        let (extent, mask) = (input.picture.extent(), input.mask.as_deref().cloned());
        let edit = Edit::TakeLayers { extent, stack: with_words(input), mask };
        if self.document.has_picture() {
            self.replace(edit, None, Some(took_the_place("What the result grew out of")));
        } else {
            self.edit(edit);
        }
    }

    /// Whether the layers have other words of their own than a picture of all of the canvas was painted with.
    pub(super) fn has_other_words(&self, input: &Input) -> bool {
        regions(&self.document, Bounds::whole(self.document.extent())) != input.regions
    }

    /// A part is painted again on the canvas that is there, whose layers have words of their own or not.
    pub(super) fn tell_of_other_words(&mut self, request: &Request, bounds: Bounds) {
        let words = request.input.as_ref().map_or(&[][..], |input| &input.regions);
        if regions(&self.document, bounds) == words {
            return;
        }
        let said = if words.is_empty() {
            "Layers have words of their own now, and had none then: take them away to paint the same again".to_owned()
        } else {
            let words: Vec<_> = words.iter().map(|region| format!("\u{201c}{}\u{201d}", region.prompt)).collect();
            format!("Layers had words of their own then, which are not brought back: {}", words.join(", "))
        };
        self.notices.info(said);
    }
}

/// The picture that was started from, and over it a layer for each part with words of its own: they cover it where the words count, with
/// what is there anyway.
fn with_words(input: &Input) -> Stack {
    let (extent, picture) = (input.picture.extent(), &input.picture);
    let base = Layer::new(LayerId(1), LayerLook::named("Picture"), Tiles::of(&under(input)));
    let worded = input.regions.iter().rev().enumerate().map(|(index, region)| {
        let look = LayerLook { prompt: region.prompt.clone(), ..LayerLook::named(name_of(&region.prompt)) };
        Layer::new(LayerId(index as u32 + 2), look, Tiles::of(&covering(picture, region, extent)))
    });
    // What is painted next is painted on the picture: on the layers over it, it would widen their words.
    Stack::from_layers(std::iter::once(base).chain(worded), Some(LayerId(1)))
}

/// The picture as opaque as it must be under the layers with words, which have its colours, so that all together are as opaque as it was.
fn under(input: &Input) -> Picture {
    let mut rgba = input.picture.rgba().to_vec();
    for (index, pixel) in rgba.as_chunks_mut::<4>().0.iter_mut().enumerate().filter(|(_, pixel)| pixel[3] < 255) {
        let clear = |covers: u8| 1.0 - f32::from(covers) / 255.0;
        let over: f32 = input.regions.iter().map(|region| clear(region.mask.coverage()[index])).product();
        let alpha = if over > 0.0 { (1.0 - clear(pixel[3]) / over).max(0.0) } else { 0.0 };
        pixel[3] = (alpha * 255.0).round() as u8;
        if pixel[3] == 0 {
            *pixel = [0; 4];
        }
    }
    Picture::from_rgba(input.picture.extent(), rgba).expect("as many bytes as before")
}

/// A picture, as opaque as words count.
fn covering(picture: &Picture, region: &Region, extent: Extent) -> Picture {
    let pixels = picture.rgba().as_chunks::<4>().0.iter().zip(region.mask.coverage());
    let rgba = pixels.flat_map(|(&[r, g, b, _], &alpha)| if alpha == 0 { [0; 4] } else { [r, g, b, alpha] });
    Picture::from_rgba(extent, rgba.collect()).unwrap_or_else(|| picture.clone())
}

/// The first words.
fn name_of(prompt: &str) -> String {
    prompt.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::Mask;
    use std::sync::Arc;

    #[test]
    fn a_clear_picture_comes_back_as_it_was_under_layers_with_words() {
        let extent = Extent::new(4, 1);
        let pixels = [[10, 20, 30, 255], [10, 20, 30, 128], [10, 20, 30, 128], [0; 4]];
        let picture = Arc::new(Picture::from_rgba(extent, pixels.concat()).unwrap());
        // Over all of it, over half of what is there, over exactly what is there, over nothing.
        let mask = Mask::from_coverage(extent, vec![255, 64, 128, 0]).unwrap();
        let regions = vec![Region { prompt: "a pear".into(), mask: Arc::new(mask) }];
        let stack = with_words(&Input { regions, ..Input::new(Arc::clone(&picture), 0.5, None) });
        assert_eq!(stack.flattened(extent).to_picture(), *picture);
        assert_eq!(stack.active().unwrap().id, LayerId(1));
    }
}
