//! The mask as a selection: it confines what paints, is what moves, and what is copied.

use super::tools::{paper, pixel};
use super::*;
use sfumato::paint::{Combine, Shape};
use sfumato::pixels::Mask;

const BLACK: [u8; 4] = [0, 0, 0, 255];

/// Black to paint with on white, of which the square from 24 to 40 is masked.
fn masked_paper() -> Window {
    let mut window = paper();
    let square = Shape::Rectangle(Point::new(24.0, 24.0), Point::new(40.0, 40.0));
    window.apply(Action::MaskShape(square, Combine::Add));
    window
}

/// The columns of a row that are black.
fn black(window: &Window, y: u32) -> Vec<u32> {
    (0..64).filter(|&x| pixel(window, x, y) == BLACK).collect()
}

#[test]
fn a_stroke_across_the_mask_paints_inside_it_and_everywhere_once_that_is_switched_off() {
    let mut window = masked_paper();
    window.press(Modifiers::NONE, Key::B);
    window.drag([-200.0, 0.0], [200.0, 0.0]);
    assert_eq!(black(&window, 32), (24..40).collect::<Vec<_>>());
    window.press(Modifiers::NONE, Key::N);
    window.drag([-200.0, 40.0], [200.0, 40.0]);
    assert_eq!(black(&window, 37), (24..40).collect::<Vec<_>>(), "a line, too");
    window.click("Keep within the mask");
    assert!(!window.session().palette.keeps_within);
    window.press(Modifiers::NONE, Key::B);
    window.drag([-200.0, 0.0], [200.0, 0.0]);
    assert!((8..56).all(|x| pixel(&window, x, 32) == BLACK), "{:?}", black(&window, 32));
    window.press(Modifiers::SHIFT, Key::C);
    assert!(window.harness.query_by_label("Keep within the mask").is_none(), "nothing is masked");
}

#[test]
fn a_stroke_beside_the_mask_is_told_of_and_the_notice_takes_the_mask_away() {
    let mut window = masked_paper();
    window.press(Modifiers::NONE, Key::B);
    window.drag([-200.0, -160.0], [200.0, -160.0]);
    assert!(black(&window, 12).is_empty() && window.session().notices.iter().len() == 1);
    window.click("Take the mask away");
    assert!(!window.session().document.has_mask() && window.session().notices.is_empty());
    window.drag([-200.0, -160.0], [200.0, -160.0]);
    assert!((8..56).all(|x| pixel(&window, x, 12) == BLACK));
}

#[test]
fn what_is_masked_is_dragged_elsewhere_with_its_mask_and_again() {
    let mut window = masked_paper();
    let layer = window.session().document.stack().active().unwrap().id;
    window.apply(Action::EditLayers(sfumato::paint::LayerEdit::Fill(layer, sfumato::paint::Ink::Colour([0; 3]))));
    window.press(Modifiers::NONE, Key::T);
    let corners = |window: &Window| [(24, 24), (39, 39), (24, 8), (39, 23)].map(|(x, y)| pixel(window, x, y));
    assert_eq!(corners(&window), [BLACK, BLACK, [255; 4], [255; 4]]);
    window.drag([20.0, 0.0], [20.0, -128.0]);
    window.press(Modifiers::NONE, Key::Enter);
    assert_eq!(corners(&window), [[0; 4], [0; 4], BLACK, BLACK]);
    let bounds = |window: &Window| window.session().document.mask().bounds().unwrap();
    assert_eq!((bounds(&window).left, bounds(&window).top), (24, 8));
    window.drag([20.0, -128.0], [148.0, -128.0]);
    window.press(Modifiers::NONE, Key::Enter);
    assert_eq!((pixel(&window, 24, 8), pixel(&window, 40, 8), bounds(&window).left), ([0; 4], BLACK, 40));
    for _ in 0..2 {
        window.press(Modifiers::COMMAND, Key::Z);
    }
    assert_eq!((corners(&window), bounds(&window).top), ([BLACK, BLACK, [255; 4], [255; 4]], 24));
}

#[test]
fn all_of_the_layer_is_moved_once_the_mask_is_not_to_keep_it_inside() {
    let mut window = masked_paper();
    let layer = window.session().document.stack().active().unwrap().id;
    window.apply(Action::EditLayers(sfumato::paint::LayerEdit::Fill(layer, sfumato::paint::Ink::Colour([0; 3]))));
    window.press(Modifiers::NONE, Key::T);
    window.drag([20.0, 0.0], [20.0, -128.0]);
    window.apply(Action::SetKeepsWithin(false));
    assert!(!window.session().palette.keeps_within);
    window.drag([20.0, 0.0], [20.0, -128.0]);
    window.press(Modifiers::NONE, Key::Enter);
    let found = [(24, 8), (39, 23), (24, 24), (5, 60)].map(|(x, y)| pixel(&window, x, y));
    assert_eq!(found, [BLACK, BLACK, [255; 4], [0; 4]]);
    assert_eq!(window.session().document.mask().bounds().unwrap().top, 24, "it stays where it is");
}

#[test]
fn what_is_masked_is_cut_and_pasted_back_where_it_was() {
    let mut window = masked_paper();
    window.press(Modifiers::NONE, Key::B);
    window.drag([-200.0, 0.0], [200.0, 0.0]);
    window.harness.event(egui::Event::Cut);
    let copied = (0..4).find_map(|_| {
        window.harness.step();
        window.harness.output().platform_output.commands.iter().find_map(|command| match command {
            egui::OutputCommand::CopyImage(image) => Some(image.clone()),
            _ => None,
        })
    });
    window.harness.run();
    assert_eq!((pixel(&window, 32, 32), pixel(&window, 20, 32)), ([0; 4], [255; 4]));
    let picture = copied.expect("a picture is on the clipboard");
    assert_eq!(picture.size, [16, 16]);
    window.press(Modifiers::COMMAND, Key::D);
    window.harness.event(egui::Event::PasteImage(Arc::new(picture)));
    window.harness.run();
    assert_eq!(window.session().document.stack().layers().len(), 2);
    assert_eq!((black(&window, 32), pixel(&window, 24, 24)), ((24..40).collect(), [255; 4]));
}

#[test]
fn an_area_takes_the_place_of_the_mask_where_it_is_to() {
    let mut window = masked_paper();
    window.apply(Action::SetTool(Tool::MaskRectangle));
    let masked =
        |window: &Window| [(16, 16), (32, 32)].map(|(x, y)| window.session().document.mask().coverage()[y * 64 + x]);
    window.click("Anew");
    window.drag([-160.0, -160.0], [-96.0, -96.0]);
    assert_eq!(masked(&window), [255, 0]);
    window.click("Anew");
    window.drag([-32.0, -32.0], [32.0, 32.0]);
    assert_eq!(masked(&window), [255; 2]);
}

#[test]
fn a_click_takes_the_mask_away_where_areas_take_its_place_and_undo_brings_it_back() {
    let mut window = masked_paper();
    for tool in [Tool::MaskRectangle, Tool::MaskEllipse, Tool::MaskLasso] {
        window.apply(Action::SetTool(tool));
        window.drag([40.0, 40.0], [40.0, 40.0]);
        assert!(window.session().document.has_mask(), "{tool:?} adds nothing to it");
        window.click("Anew");
        window.drag([40.0, 40.0], [40.0, 40.0]);
        assert!(!window.session().document.has_mask(), "{tool:?}");
        window.press(Modifiers::COMMAND, Key::Z);
        assert!(window.session().document.has_mask());
        window.click("Anew");
    }
}

#[test]
fn colours_within_the_mask_are_seen_as_they_are_while_one_paints_there() {
    let mut window = masked_paper();
    let with = |window: &mut Window, tool: Tool| {
        window.apply(Action::SetTool(tool));
        seen(window, [0.0, 0.0])
    };
    assert_eq!(with(&mut window, Tool::Gradient), [255; 3]);
    assert_ne!(with(&mut window, Tool::MaskLasso), [255; 3]);
    window.apply(Action::SetKeepsWithin(false));
    assert_ne!(with(&mut window, Tool::Gradient), [255; 3]);
}

#[test]
fn a_mask_too_thin_for_an_edge_is_tinted_also_while_one_paints_there() {
    let mut window = masked_paper();
    window.apply(Action::SetTool(Tool::Gradient));
    for (covers, is_tinted) in [(127, true), (128, false), (100, true)] {
        let thin = Mask::from_coverage(EXTENT, vec![covers; EXTENT.area()]).unwrap();
        window.apply(Action::ReplaceMask(thin));
        assert_eq!(seen(&mut window, [0.0, 0.0]) != [255; 3], is_tinted, "{covers}");
    }
}

#[test]
fn delete_clears_what_is_masked_where_no_result_is_looked_at_and_undo_brings_it_back() {
    let mut window = masked_paper();
    window.press(Modifiers::NONE, Key::Delete);
    let seen = |window: &Window| [pixel(window, 32, 32)[3], pixel(window, 12, 12)[3]];
    assert_eq!(seen(&window), [0, 255]);
    window.press(Modifiers::COMMAND, Key::Z);
    assert_eq!(seen(&window), [255, 255]);
    // All of the layer is not what is masked.
    window.apply(Action::SetKeepsWithin(false));
    window.press(Modifiers::NONE, Key::Delete);
    assert_eq!(seen(&window), [255, 255]);
    window.apply(Action::SetKeepsWithin(true));
    // A result that is looked at is what goes.
    window.press(Modifiers::COMMAND, Key::Enter);
    let job = window.job();
    window.finish(&job);
    window.wait("the result to be saved", |session| {
        matches!(session.results.items[0].kept, sfumato::session::Kept::InGallery(_))
    });
    window.press(Modifiers::NONE, Key::Delete);
    window.wait("the result to be gone", |session| session.results.items.is_empty());
    assert_eq!(seen(&window), [255, 255]);
    window.click("Bring it back");
    window.wait("the result", |session| session.results.items.len() == 1 && session.results.shown.is_some());
}
