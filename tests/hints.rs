//! What is painted into a picture while it is drawn: it is seen in the picture, is kept in its request, and that request paints the same
//! bytes again. Painted with Bozzetto.

#![allow(clippy::unwrap_used, reason = "these are tests")]

#[path = "shared/runs.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod runs;

use candle_core::Device;
use sfumato::checkpoints::{Model, Precision};
use sfumato::diffusion::{
    Ending, Extras, Hint, Incoming, Input, Invalid, Painted, Progress, Request, SamplerName, Savings, Stop, paint,
};
use sfumato::geom::{Bounds, Extent};
use sfumato::pixels::{Mask, Picture};
use std::cell::{Cell, RefCell};
use std::ops::ControlFlow::{Break, Continue};
use std::path::PathBuf;
use std::sync::Arc;

const BLUE: [u8; 4] = [20, 40, 230, 255];

fn bozzetto() -> Model {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("assets/models/bozzetto");
    Model::load(&folder, &Device::Cpu, Precision::F32).unwrap()
}

fn request() -> Request {
    Request { prompt: "a red apple".to_owned(), steps: 6, ..runs::request("", None) }
}

fn square(left: u32, top: u32, pixel: [u8; 4]) -> Hint {
    Hint { step: 0, left, top, picture: Arc::new(Picture::filled(Extent::new(16, 16), pixel)) }
}

/// Paints, and hands in each hint after the step it is given with; stops after one step, if that is given.
fn painted_into(model: &Model, request: &Request, hints: &[(u32, Hint)], stop_after: Option<u32>) -> Painted {
    let (made, waiting) = (Cell::new(0), RefCell::new(hints.to_vec()));
    let next = || {
        let mut waiting = waiting.borrow_mut();
        let at = waiting.iter().position(|(after, _)| *after < made.get())?;
        Some(waiting.remove(at).1)
    };
    let extras = Extras { hints: Some(Incoming(&next)), ..Extras::default() };
    let mut is_stopped = false;
    let ending = paint(model, extras, request, &mut |progress| {
        if let Progress::Step { index, .. } = progress {
            made.set(made.get() + 1);
            is_stopped |= Some(index) == stop_after;
        }
        if is_stopped { Break(Stop::Keep) } else { Continue(()) }
    });
    match ending.unwrap() {
        Ending::Finished(painted) | Ending::Stopped(painted) => painted,
        Ending::Discarded => panic!("nobody discarded it"),
    }
}

/// How far the middle of a square is from a colour.
fn apart_at(picture: &Picture, left: u32, top: u32, colour: [u8; 4]) -> u32 {
    let middle = Bounds { left: left + 4, top: top + 4, extent: Extent::new(8, 8) };
    let inside = picture.cropped(middle).unwrap();
    let apart =
        |pixel: &[u8; 4]| (0..3).map(|channel| u32::from(pixel[channel].abs_diff(colour[channel]))).sum::<u32>();
    inside.rgba().as_chunks::<4>().0.iter().map(apart).sum::<u32>() / 64
}

/// How far two pictures are apart in a box.
fn apart_in(a: &Picture, b: &Picture, bounds: Bounds) -> u32 {
    let [a, b] = [a, b].map(|picture| picture.cropped(bounds).unwrap());
    std::iter::zip(a.rgba(), b.rgba()).map(|(a, b)| u32::from(a.abs_diff(*b))).sum()
}

#[test]
fn a_run_that_was_painted_into_is_repeated_to_the_byte_with_every_sampler() {
    let model = bozzetto();
    for &sampler in SamplerName::ALL {
        let request = Request { sampler, extent: Extent::new(32, 32), steps: 4, guidance_scale: 1.0, ..request() };
        let live = [(0, square(8, 8, BLUE)), (1, square(14, 4, [250, 240, 30, 200]))];
        let first = painted_into(&model, &request, &live, None);
        assert_eq!(first.request.hints.len(), 2, "{sampler:?}: {:?}", first.notes);
        assert_ne!(first.picture, painted_into(&model, &request, &[], None).picture, "{sampler:?}");
        let again = painted_into(&model, &first.request, &[], None);
        assert_eq!(first.picture, again.picture, "{sampler:?}");
        assert_eq!(first.request, again.request, "{sampler:?}");
    }
}

#[test]
fn what_is_painted_in_is_seen_where_it_was_painted() {
    let model = bozzetto();
    let plain = painted_into(&model, &request(), &[], None).picture;
    let into = painted_into(&model, &request(), &[(3, square(4, 4, BLUE))], None);
    assert_eq!(into.request.hints[0].step, 4);
    let (before, after) = (apart_at(&plain, 4, 4, BLUE), apart_at(&into.picture, 4, 4, BLUE));
    // Two of six steps are to come, and the words say nothing of blue.
    assert!(after * 3 < before * 2, "{after} of {before} apart");
    // What lies far from it changes less than what is painted over.
    let changed = |left, top| apart_in(&plain, &into.picture, Bounds { left, top, extent: Extent::new(16, 16) });
    assert!(changed(44, 44) * 4 < changed(4, 4), "{} and {}", changed(44, 44), changed(4, 4));
}

#[test]
fn strokes_that_share_a_place_of_the_latent_both_count_and_as_one_stroke_would() {
    let model = bozzetto();
    let yellow = [250, 240, 30, 255];
    // They meet at column 20, in the midst of a place of 8x8 pixels.
    let (first, second) = (square(4, 4, BLUE), square(20, 4, yellow));
    let rgba = (0..32 * 16).flat_map(|index| if index % 32 < 16 { BLUE } else { yellow }).collect();
    let both = Picture::from_rgba(Extent::new(32, 16), rgba).unwrap();
    let both = painted_into(&model, &request(), &[(3, Hint { picture: Arc::new(both), ..first.clone() })], None);
    let live = painted_into(&model, &request(), &[(3, first.clone()), (3, second.clone())], None);
    assert_eq!(live.picture, both.picture);
    let steps: Vec<_> = live.request.hints.iter().map(|hint| (hint.step, hint.left)).collect();
    assert_eq!(steps, [(4, 4), (4, 20)]);
    assert_eq!(live.picture, painted_into(&model, &live.request, &[], None).picture);
    // The same if one was known before.
    let known = Request { hints: vec![Hint { step: 4, ..first.clone() }], ..request() };
    assert_eq!(live.picture, painted_into(&model, &known, &[(3, second.clone())], None).picture);
    // Neither alone makes what both make where they meet.
    let shared = Bounds { left: 16, top: 6, extent: Extent::new(8, 12) };
    for alone in [first, second] {
        let alone = painted_into(&model, &request(), &[(3, alone)], None).picture;
        assert_ne!(apart_in(&alone, &live.picture, shared), 0);
    }
}

#[test]
fn where_memory_is_spared_the_vae_is_given_back_after_something_was_painted_in() {
    let model = bozzetto();
    let request = Request { hints: vec![Hint { step: 2, ..square(8, 8, BLUE) }], ..request() };
    let expected = painted_into(&model, &request, &[], None).picture;
    let extras = Extras { sparing: true, ..Extras::default() };
    let mut loaded = Vec::new();
    let ending = paint(&model, extras, &request, &mut |progress| {
        if let Progress::Step { .. } = progress {
            loaded.push(model.vae.is_loaded());
        }
        Continue(())
    });
    assert_eq!(loaded, [false; 6]);
    assert!(matches!(ending, Ok(Ending::Finished(painted)) if painted.picture == expected));
}

#[test]
fn it_is_repeated_with_masks_guidance_savings_and_more_that_is_painted_in() {
    let model = bozzetto();
    let coverage = (0..64 * 64).map(|index| if index % 64 < 40 { 255 } else { 0 }).collect();
    let mask = Arc::new(Mask::from_coverage(Extent::new(64, 64), coverage).unwrap());
    let input = Input { soft_mask: false, ..Input::new(runs::a_picture(), 0.8, Some(mask)) };
    let request = Request {
        input: Some(input),
        steps: 10,
        savings: Savings { deep_every: 2, ..Savings::default() },
        ..request()
    };
    let first = painted_into(&model, &request, &[(1, square(0, 0, BLUE))], None);
    let second = painted_into(&model, &first.request, &[(1, square(8, 30, BLUE)), (4, square(20, 20, BLUE))], None);
    let steps: Vec<_> = second.request.hints.iter().map(|hint| (hint.step, hint.left)).collect();
    assert_eq!(steps, [(2, 0), (2, 8), (5, 20)]);
    assert_eq!(second.picture, painted_into(&model, &second.request, &[], None).picture);
    // What the mask keeps stays, whatever is painted there.
    let outside = painted_into(&model, &request, &[(1, square(46, 10, BLUE))], None).picture;
    let kept = Bounds { left: 40, top: 0, extent: Extent::new(24, 64) };
    assert_eq!(outside.cropped(kept), runs::a_picture().cropped(kept));
}

#[test]
fn a_run_that_is_stopped_keeps_what_was_to_be_painted_in_later() {
    let model = bozzetto();
    let whole = painted_into(&model, &request(), &[(0, square(8, 8, BLUE)), (3, square(30, 8, BLUE))], None);
    let stopped = painted_into(&model, &whole.request, &[], Some(2));
    assert_eq!((stopped.steps_made, &stopped.request.hints), (3, &whole.request.hints));
    let short = painted_into(&model, &Request { steps: 3, ..(*whole.request).clone() }, &[], None);
    assert!(short.notes.iter().any(|note| note.starts_with("1 stroke was not painted in")), "{:?}", short.notes);
}

#[test]
fn what_reaches_beyond_the_picture_is_refused_by_the_request_and_costs_a_run_nothing() {
    let beyond = square(60, 0, BLUE);
    let refused = Request { hints: vec![beyond.clone()], ..request() }.checked();
    assert!(matches!(refused, Err(Invalid::Hint { .. })), "{refused:?}");
    let told = refused.unwrap_err().to_string();
    assert!(told.contains("60,0") && told.contains("64x64"), "{told}");
    let painted = painted_into(&bozzetto(), &request(), &[(1, beyond)], None);
    assert_eq!(painted.request.hints, []);
    assert!(painted.notes.iter().any(|note| note.contains("could not be painted in")), "{:?}", painted.notes);
}
