//! Painting a part of the picture, and the other ways to paint.

use super::*;
use sfumato::diffusion::{MaskedContent, Place};

#[test]
fn a_box_is_dragged_moved_and_painted_and_its_result_lies_in_its_place() {
    let mut window = window();
    window.drop_picture(Extent::new(128, 96));
    window.press(Modifiers::NONE, Key::C);
    drag_over_picture(&mut window, [31.0, 15.0], [97.0, 49.0]);
    let bounds = |left, top, width, height| Bounds { left, top, extent: Extent::new(width, height) };
    assert_eq!(window.session().draft.bounds, Some(bounds(32, 16, 64, 32)));
    drag_over_picture(&mut window, [64.0, 30.0], [72.0, 54.0]);
    assert_eq!(window.session().draft.bounds, Some(bounds(40, 40, 64, 32)));
    drag_over_picture(&mut window, [104.0, 72.0], [104.0, 88.0]);
    assert_eq!(window.session().draft.bounds, Some(bounds(40, 40, 64, 48)));
    window.harness.get_by_label("64 \u{d7} 48 at 72 \u{d7} 56");
    window.click("Generate");
    let job = window.job();
    let place = Place { bounds: bounds(40, 40, 64, 48), of: Extent::new(128, 96) };
    assert_eq!((job.request.extent, job.request.place()), (Extent::new(72, 56), Some(place)));
    window.steps(&job, 3);
    assert!(matches!(window.session().canvas(), Shown::Preview { over: Some((_, b)), .. } if *b == place.bounds));
    snapshot(&mut window, "part_being_painted");
    window.finish(&job);
    let Shown::Part { picture, tiles, .. } = window.session().canvas().clone() else { panic!("a part is shown") };
    assert_eq!(tiles.extent(), place.of);
    assert_eq!(tiles.cropped(place.bounds), *picture);
    window.click("Apply");
    window.wait("the layer", |session| session.document.stack().layers().len() == 2);
    assert_eq!(**window.session().document.flat(), *tiles);
    window.click("Whole");
    assert_eq!(window.session().draft.bounds, None);
}

#[test]
fn the_button_by_the_canvas_says_what_it_will_do_and_its_menu_has_other_ways() {
    let mut window = window();
    assert!(window.harness.query_by_label("Other ways to paint").is_none(), "there is nothing to paint on");
    window.drop_picture(Extent::new(128, 96));
    window.click("Refine 75 % on the canvas");
    let job = window.job();
    assert_eq!(job.request.input.as_ref().unwrap().strength.to_bits(), 0.75_f64.to_bits());
    window.finish(&job);
    window.press(Modifiers::SHIFT, Key::D);
    window.press(Modifiers::SHIFT, Key::R);
    drag_over_picture(&mut window, [50.0, 40.0], [90.0, 70.0]);
    window.click("Other ways to paint");
    for way in ["Fill", "Remove", "Expand to the right", "Expand to the left", "Expand upwards", "Expand downwards"] {
        window.harness.get_by_label(way);
    }
    snapshot(&mut window, "ways_dark");
    window.click("Remove");
    let request = window.job().request;
    assert_eq!((request.prompt.as_str(), request.input.unwrap().masked), ("", MaskedContent::Fill));
}

#[test]
fn how_much_room_is_made_at_a_side_is_written_in_the_menu_of_ways() {
    let mut window = window();
    window.drop_picture(Extent::new(128, 96));
    window.click("Other ways to paint");
    let field = "Room in pixels";
    window.harness.get_by_label(field).focus();
    window.harness.run_ok();
    window.press(Modifiers::COMMAND, Key::A);
    window.harness.get_by_label(field).type_text("40");
    window.harness.run_ok();
    window.press(Modifiers::NONE, Key::Enter);
    assert_eq!(window.session().palette.room, Some(40));
    window.click("Expand upwards");
    assert_eq!(window.session().document.extent(), Extent::new(128, 136));
    assert!(window.harness.query_by_label(field).is_none(), "the menu is closed");
}

#[test]
fn only_the_mask_is_painted_up_close_where_that_is_chosen() {
    let mut window = window();
    window.drop_picture(Extent::new(128, 96));
    window.press(Modifiers::SHIFT, Key::R);
    drag_over_picture(&mut window, [80.0, 60.0], [100.0, 70.0]);
    window.click("Up close");
    window.click("Generate");
    let request = window.job().request;
    // 20x10 and 32 on each side is 84x74, and wants to be square: 84 of the 96 rows.
    let bounds = Bounds { left: 44, top: 12, extent: Extent::new(84, 84) };
    assert_eq!(request.place(), Some(Place { bounds, of: Extent::new(128, 96) }));
    assert_eq!(request.extent, EXTENT);
}
