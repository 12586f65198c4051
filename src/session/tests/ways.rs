use super::*;
use crate::diffusion::{MaskedContent, Request};
use crate::geom::{Bounds, Extent};
use crate::paint::Side;
use crate::pixels::composite;
use crate::prompt::Style;

fn over_grey(home: &Path) -> Stage {
    let mut stage = stage(home);
    stage.apply(Action::PastePicture(Picture::filled(Extent::new(64, 48), [90, 90, 90, 255])));
    stage.until(|s| s.document.picture().is_some());
    stage
}

fn asked(stage: &mut Stage, action: Action) -> Box<Request> {
    stage.apply(action);
    let job = stage.job();
    let request = job.request.clone();
    stage.end(&job, Outcome::Cancelled);
    request
}

#[test]
fn the_way_follows_from_what_is_there_and_from_the_strength() {
    let home = tempfile::tempdir().unwrap();
    let mut empty = stage(home.path());
    assert_eq!((empty.session.way(), empty.session.other_ways()), (Way::Generate, vec![]));
    empty.session.draft.strength = 0.5;
    assert_eq!(empty.session.way(), Way::Generate);
    let home = tempfile::tempdir().unwrap();
    let mut stage = over_grey(home.path());
    for (masks, strength, way) in
        [(false, 0.75, Way::Refine), (false, 1.0, Way::Generate), (true, 0.75, Way::Refine), (true, 1.0, Way::Fill)]
    {
        stage.apply(Action::ClearMask);
        if masks {
            stage.apply(stroke());
        }
        stage.session.draft.strength = strength;
        assert_eq!(stage.session.way(), way, "{masks} {strength}");
        let request = asked(&mut stage, Action::Generate);
        let input = request.input.unwrap();
        assert_eq!((input.strength.to_bits(), input.mask.is_some()), (strength.to_bits(), masks));
        assert!(!stage.session.other_ways().contains(&way));
    }
}

#[test]
fn an_expansion_that_cannot_be_painted_leaves_nothing_to_redo() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = over_grey(home.path());
    stage.session.draft.prompt = "__nowhere__".into();
    stage.apply(Action::PaintAs(Way::Expand(Side::Right)));
    assert_eq!(stage.session.document.extent(), Extent::new(64, 48));
    assert!(!stage.session.document.can_redo() && !stage.said().is_empty(), "{:?}", stage.said());
}

#[test]
fn where_there_is_nothing_under_the_mask_it_is_filled() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = over_grey(home.path());
    let layer = stage.session.document.stack().active().unwrap().id;
    stage.apply(stroke());
    assert_eq!(stage.session.way(), Way::Refine);
    stage.apply(Action::EditLayers(crate::paint::LayerEdit::Clear(layer)));
    assert_eq!(stage.session.way(), Way::Fill);
    assert_eq!(asked(&mut stage, Action::Generate).input.unwrap().strength.to_bits(), 1.0_f64.to_bits());
    stage.apply(Action::Undo);
    assert_eq!(stage.session.way(), Way::Refine);
}

#[test]
fn what_is_removed_is_painted_from_around_it_without_words() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = over_grey(home.path());
    stage.apply(stroke());
    stage.session.draft.negative_prompt = "blurry".into();
    stage.session.draft.styles =
        vec![Style { name: "oil".into(), prompt: "oil paint".into(), negative_prompt: "photo".into() }];
    let draft = stage.session.draft.clone();
    let request = asked(&mut stage, Action::PaintAs(Way::Remove));
    assert_eq!((request.prompt.as_str(), request.negative_prompt.as_str()), ("", ""));
    let input = request.input.unwrap();
    assert_eq!(input.masked, MaskedContent::Fill);
    assert!(input.match_colours && input.strength < 1.0 && input.mask.is_some());
    assert_eq!(stage.session.draft, draft, "the words stay");
}

#[test]
fn a_layer_with_words_of_its_own_is_a_region_of_what_is_asked_for() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = over_grey(home.path());
    let below = stage.session.document.stack().active().unwrap().id;
    let worded = |layer: &crate::paint::Layer, prompt: &str| {
        let look = crate::paint::LayerLook { prompt: prompt.into(), opacity: 0.5, ..layer.look.clone() };
        Action::EditLayers(crate::paint::LayerEdit::Look { layer: layer.id, look, goes_on: false })
    };
    stage.apply(worded(&stage.session.document.stack().get(below).unwrap().clone(), " a house "));
    stage.apply(Action::EditLayers(crate::paint::LayerEdit::Add));
    stage.apply(worded(&stage.session.document.stack().active().unwrap().clone(), "a cloud"));
    let regions = asked(&mut stage, Action::Generate).input.unwrap().regions;
    let [region] = regions.as_slice() else { panic!("the clear layer covers nothing: {regions:?}") };
    assert_eq!((region.prompt.as_str(), region.mask.coverage()[0]), ("a house", 128));
    stage.apply(Action::SetBounds(Some(Bounds { left: 8, top: 8, extent: Extent::new(16, 24) })));
    let input = asked(&mut stage, Action::Generate).input.unwrap();
    assert_eq!(input.regions[0].mask.extent(), input.picture.extent());
    stage.apply(Action::SetBounds(None));
    stage.apply(stroke());
    assert!(asked(&mut stage, Action::PaintAs(Way::Remove)).input.unwrap().regions.is_empty());
}

#[test]
fn a_canvas_that_cannot_be_painted_is_not_expanded() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = over_grey(home.path());
    let bounds = Some(Bounds { left: 8, top: 8, extent: Extent::new(16, 16) });
    stage.apply(Action::SetBounds(bounds));
    stage.session.draft.prompt = "an __animal__ of no file".into();
    stage.apply(Action::PaintAs(Way::Expand(Side::Left)));
    assert_eq!(stage.session.document.extent(), Extent::new(64, 48));
    assert!(!stage.session.document.has_mask());
    assert_eq!(stage.session.draft.bounds, bounds);
    assert!(stage.session.notices.iter().any(|notice| notice.text.contains("animal")));
}

#[test]
fn a_canvas_is_expanded_and_what_is_new_is_painted() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = over_grey(home.path());
    stage.apply(Action::SetBounds(Some(Bounds { left: 8, top: 8, extent: Extent::new(16, 16) })));
    let request = asked(&mut stage, Action::PaintAs(Way::Expand(Side::Left)));
    // Half of what the model paints.
    assert_eq!(stage.session.document.extent(), Extent::new(72, 48));
    assert_eq!(stage.session.draft.bounds, Some(Bounds { left: 16, top: 8, extent: Extent::new(16, 16) }));
    let input = request.input.unwrap();
    let (mask, picture) = (input.mask.unwrap(), input.picture);
    let place = input.place.map_or(Bounds::whole(Extent::new(72, 48)), |place| place.bounds);
    assert_eq!((place.left, place.top), (0, 0));
    assert_eq!((mask.coverage()[0], *mask.coverage().last().unwrap()), (255, 0));
    assert_eq!((picture.rgba()[3], *picture.rgba().last().unwrap()), (0, 255));
    assert_eq!(stage.session.way(), Way::Fill, "it is clear until a picture is applied");
    stage.apply(Action::Undo);
    assert_eq!(stage.session.document.extent(), Extent::new(64, 48));
}

#[test]
fn a_canvas_is_expanded_by_as_much_as_was_chosen_in_steps_of_the_model() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = over_grey(home.path());
    stage.apply(Action::SetRoom(Some(20)));
    asked(&mut stage, Action::PaintAs(Way::Expand(Side::Left)));
    assert_eq!(stage.session.document.extent(), Extent::new(88, 48));
    stage.apply(Action::SetRoom(None));
    asked(&mut stage, Action::PaintAs(Way::Expand(Side::Bottom)));
    assert_eq!(stage.session.document.extent(), Extent::new(88, 56));
}

/// Room at the left, and a result that fills it.
fn expanded(stage: &mut Stage) -> ResultId {
    stage.apply(Action::PaintAs(Way::Expand(Side::Left)));
    let job = stage.job();
    let input = job.request.input.as_ref().unwrap();
    let plain = Picture::filled(input.picture.extent(), [30, 30, 30, 255]);
    let picture = Arc::new(composite(&input.picture, &plain, input.mask.as_ref().unwrap()));
    stage.end(&job, Outcome::Finished(Painted { picture, ..painted(&job, 30) }));
    stage.session.results.items[0].id
}

/// How many layers there are, and whether anything is masked.
fn state(stage: &Stage) -> (usize, bool) {
    (stage.session.document.stack().layers().len(), stage.session.document.has_mask())
}

#[test]
fn the_mask_of_new_room_goes_with_the_layer_that_fills_it_and_comes_back_with_undo() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = over_grey(home.path());
    let result = expanded(&mut stage);
    let mask = stage.session.document.mask().clone();
    assert!(matches!(stage.session.canvas(), Shown::Part { .. }));
    stage.apply(Action::ApplyResult(result));
    assert_eq!(state(&stage), (2, false));
    dab(&mut stage, 60.0, 40.0);
    assert_eq!(stage.session.document.flat().pixel(60, 40), [1, 2, 3, 255], "the brush is free");
    stage.apply(Action::Undo);
    stage.apply(Action::Undo);
    assert_eq!((state(&stage), stage.session.document.mask()), ((1, true), &mask), "it was one step");
    stage.apply(Action::Redo);
    assert_eq!(state(&stage), (2, false));
    stage.apply(Action::Undo);
    stage.apply(Action::ApplyResult(result));
    assert_eq!(state(&stage), (2, false), "and goes again");
    // What was masked by hand, too, stays.
    let result = expanded(&mut stage);
    stage.apply(Action::HideResult);
    stage.apply(stroke());
    stage.apply(Action::ApplyResult(result));
    assert_eq!(state(&stage), (3, true));
}

#[test]
fn the_mask_of_new_room_goes_with_the_layer_that_fills_it_also_after_a_restart_and_from_a_project() {
    let home = tempfile::tempdir().unwrap();
    let mut first = over_grey(home.path());
    let result = expanded(&mut first);
    first.until(|s| matches!(s.results.get(result).unwrap().kept, Kept::InGallery(_)));
    first.apply(Action::HideResult);
    first.session.save();
    drop(first);

    let mut second = stage(home.path());
    second.until(|s| !s.results.items.is_empty());
    let result = second.session.results.items[0].id;
    assert_eq!(state(&second), (1, true));
    second.apply(Action::ApplyResult(result));
    second.until(|s| s.document.stack().layers().len() == 2);
    assert_eq!(state(&second), (2, false));
    second.apply(Action::Undo);
    assert_eq!(state(&second), (1, true));

    let path = home.path().join("wider.sfumato");
    second.apply(Action::SaveProject(path.clone()));
    second.until(|s| s.file().is_some());
    second.apply(Action::ClosePicture);
    second.apply(Action::OpenPicture(path));
    second.until(|s| s.document.has_picture());
    assert_eq!(state(&second), (1, true));
    second.apply(Action::ApplyResult(result));
    second.until(|s| s.document.stack().layers().len() == 2);
    assert_eq!(state(&second), (2, false));
}

#[test]
fn the_mask_of_new_room_goes_where_a_result_takes_the_place_of_all_layers() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    stage.apply(Action::PastePicture(Picture::filled(SIZE, [90, 90, 90, 255])));
    stage.until(|s| s.document.has_picture());
    // All of so small a canvas is painted at once.
    let result = expanded(&mut stage);
    assert_eq!(state(&stage), (1, true));
    stage.apply(Action::StartFromResult(result));
    assert_eq!((state(&stage), stage.session.document.extent()), ((1, false), Extent::new(24, 16)));
    stage.apply(Action::Undo);
    assert_eq!(state(&stage), (1, true));
    // What was masked by hand, too, stays.
    stage.apply(stroke());
    stage.apply(Action::StartFromResult(result));
    assert_eq!(state(&stage), (1, true));
}

#[test]
fn undo_of_a_change_of_the_canvas_takes_the_area_to_paint_back_too() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = over_grey(home.path());
    let bounds = |left, top| Some(Bounds { left, top, extent: Extent::new(16, 16) });
    stage.apply(Action::SetBounds(bounds(24, 16)));
    asked(&mut stage, Action::PaintAs(Way::Expand(Side::Left)));
    assert_eq!(stage.session.draft.bounds, bounds(32, 16));
    stage.apply(Action::Reframe(crate::paint::Frame::part(bounds(32, 16).unwrap())));
    assert_eq!(stage.session.draft.bounds, None, "all that is left of it");
    stage.apply(Action::Undo);
    assert_eq!(stage.session.draft.bounds, bounds(32, 16));
    stage.apply(Action::SetBounds(bounds(40, 8)));
    stage.apply(Action::Undo);
    assert_eq!(stage.session.draft.bounds, bounds(24, 16));
    stage.apply(Action::Redo);
    assert_eq!(stage.session.draft.bounds, bounds(40, 8), "as it was when that was taken back");
}

#[test]
fn settings_come_back_with_the_layers_that_look_the_same_or_with_their_words() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = over_grey(home.path());
    stage.apply(Action::EditLayers(crate::paint::LayerEdit::Add));
    let layer = stage.session.document.stack().active().unwrap().clone();
    let ink = crate::paint::Ink::Colour([10, 20, 200]);
    stage.apply(Action::EditLayers(crate::paint::LayerEdit::Fill(layer.id, ink)));
    let look = crate::paint::LayerLook { prompt: "a lake".into(), opacity: 0.3, ..layer.look.clone() };
    stage.apply(Action::EditLayers(crate::paint::LayerEdit::Look { layer: layer.id, look, goes_on: false }));
    stage.apply(Action::Generate);
    let job = stage.job();
    stage.end(&job, Outcome::Finished(painted(&job, 200)));
    let id = stage.session.results.items[0].id;
    let before = stage.session.document.stack().clone();
    stage.apply(Action::Recall(id));
    assert_eq!(stage.session.document.stack(), &before, "the layers are those that it was painted from");
    stage.apply(Action::ClosePicture);
    stage.apply(Action::Recall(id));
    let layers = stage.session.document.stack().layers();
    assert_eq!((layers.len(), layers[1].look.prompt.as_str()), (2, "a lake"));
    assert_eq!(*asked(&mut stage, Action::Generate), *job.request, "it is painted again as it was");
}

/// A dab of paint on the active layer.
fn dab(stage: &mut Stage, x: f32, y: f32) {
    let brush = PaintBrush::new(Brush { size: 4.0, hardness: 1.0 });
    let ink = crate::paint::Ink::Colour([1, 2, 3]);
    let mut painting = crate::paint::Painting::begin(&stage.session.document, ink, brush).unwrap();
    painting.extend(&[Sample::at(x, y)]);
    painting.finish();
    stage.apply(Action::Paint(Box::new(painting)));
}

#[test]
fn an_estimate_is_seen_through_the_mask_that_its_picture_is_painted_through() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = over_grey(home.path());
    stage.apply(stroke());
    stage.apply(Action::QuickMask);
    let seen = |stage: &mut Stage, action| {
        stage.apply(action);
        let job = stage.job();
        let [first, again] = [0, 1].map(|step| {
            stage.step(&job, step);
            let Shown::Preview { mask, over: Some(_), .. } = stage.session.canvas() else {
                panic!("expected a preview over the document")
            };
            Arc::clone(mask.as_ref().unwrap())
        });
        assert!(Arc::ptr_eq(&first, &again), "it is put together once");
        stage.end(&job, Outcome::Cancelled);
        stage.apply(Action::HideResult);
        (first, job.request.input.unwrap().mask.unwrap())
    };
    let whole = stage.session.document.whole_mask();
    assert!(whole.coverage()[8 * 64 + 8] == 255 && !stage.session.document.has_mask());
    assert_eq!(*seen(&mut stage, Action::Generate).0, *whole, "what is masked on layers, too");
    stage.session.draft.only_masked = true;
    stage.session.draft.padding = 0;
    let (mask, of_the_part) = seen(&mut stage, Action::Generate);
    assert!(*mask == *whole && of_the_part.extent() != mask.extent(), "in its place");
    // What is new of the canvas is all that is painted, whatever is masked on layers.
    let (mask, _) = seen(&mut stage, Action::PaintAs(Way::Expand(Side::Left)));
    assert_eq!(*mask, *stage.session.document.mask());
    assert!(*mask != *stage.session.document.whole_mask());
}

#[test]
fn what_is_painted_up_close_follows_the_strokes_on_a_layer_of_the_mask() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = over_grey(home.path());
    stage.apply(stroke());
    (stage.session.draft.only_masked, stage.session.draft.padding) = (true, 0);
    stage.apply(Action::QuickMask);
    let before = stage.session.context_area().unwrap();
    assert!(before.right() <= 24 && before.bottom() <= 24, "{before:?}");
    dab(&mut stage, 50.0, 40.0);
    let after = stage.session.context_area().unwrap();
    assert!(after.left <= 8 && after.right() >= 51 && after.bottom() >= 41, "{after:?}");
    stage.apply(Action::Undo);
    assert_eq!(stage.session.context_area(), Some(before));
}

#[test]
fn a_blank_canvas_is_painted_from_noise_until_something_is_painted_on_it() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    stage.apply(Action::NewCanvas(Extent::new(160, 136)));
    stage.session.draft.strength = 0.75;
    assert_eq!(stage.session.way(), Way::Generate);
    assert_eq!(stage.session.other_ways()[0], Way::Refine, "it can still be chosen");
    assert_eq!(asked(&mut stage, Action::Generate).input.unwrap().strength.to_bits(), 1.0_f64.to_bits());
    stage.apply(stroke());
    assert_eq!(stage.session.way(), Way::Fill);
    stage.apply(Action::ClearMask);
    let layer = stage.session.document.stack().active().unwrap().id;
    for (colour, way) in [([255; 3], Way::Generate), ([90; 3], Way::Refine)] {
        stage.apply(Action::EditLayers(crate::paint::LayerEdit::Fill(layer, crate::paint::Ink::Colour(colour))));
        assert_eq!(stage.session.way(), way);
    }
    stage.apply(Action::Undo);
    assert_eq!(stage.session.way(), Way::Generate);
    assert!((stage.session.draft.strength - 0.75).abs() < f64::EPSILON, "it is kept for what is painted on");
}
