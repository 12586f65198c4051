//! The bucket on layers that it takes a while to fill.

use super::*;
use crate::paint::{Edit, Tiles};

/// A large canvas of paper, and what the bucket makes of its layer with the colour that is chosen.
fn large(home: &Path) -> (Stage, Tiles) {
    let mut stage = stage(home);
    stage.apply(Action::NewCanvas(Extent::new(2048, 2048)));
    stage.apply(Action::SetColour([200, 30, 40]));
    let mut filled = stage.session.document.clone();
    filled.apply(Edit::Fill { bucket: stage.session.palette.bucket(), x: 3, y: 3 }).unwrap();
    let filled = filled.stack().active().unwrap().tiles.clone();
    assert_eq!(filled.pixel(2000, 7), [200, 30, 40, 255]);
    (stage, filled)
}

fn layer(session: &Session) -> &Tiles {
    &session.document.stack().active().unwrap().tiles
}

#[test]
fn a_large_layer_is_filled_meanwhile_as_one_step() {
    let home = tempfile::tempdir().unwrap();
    let (mut stage, filled) = large(home.path());
    let before = layer(&stage.session).clone();
    stage.apply(Action::Fill(3, 3));
    assert!(*layer(&stage.session) == before, "the window does not wait for it");
    stage.until(|session| *layer(session) != before);
    assert!(*layer(&stage.session) == filled && stage.said().is_empty());
    assert_eq!(stage.session.palette.used, [[200, 30, 40]]);
    stage.apply(Action::Undo);
    assert!(*layer(&stage.session) == before);
}

#[test]
fn what_is_done_next_comes_after_what_is_being_filled() {
    let home = tempfile::tempdir().unwrap();
    let (mut stage, filled) = large(home.path());
    stage.apply(Action::Fill(3, 3));
    stage.apply(Action::InvertMask);
    assert!(*layer(&stage.session) == filled);
    stage.apply(Action::Undo);
    assert!(*layer(&stage.session) == filled, "the mask came after it");
    stage.apply(Action::Undo);
    stage.apply(Action::Fill(3, 3));
    stage.apply(Action::Undo);
    assert!(layer(&stage.session).is_clear());
    stage.apply(Action::Redo);
    assert!(*layer(&stage.session) == filled);
    stage.apply(Action::Undo);
    // What is being filled when the program ends is there at the next start.
    stage.apply(Action::Fill(3, 3));
    stage.session.save();
    drop(stage);
    assert!(*layer(&super::stage(home.path()).session) == filled);
}

#[test]
fn another_picture_is_not_filled_in_the_place_of_the_one_that_was() {
    let home = tempfile::tempdir().unwrap();
    let (mut stage, _) = large(home.path());
    stage.apply(Action::Fill(3, 3));
    // As what is read from a file does, which nobody waits for.
    stage.session.new_canvas(Extent::new(2048, 2048));
    stage.hears("The picture changed");
    assert!(layer(&stage.session).is_clear());
}
