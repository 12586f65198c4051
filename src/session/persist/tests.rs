use super::*;
use crate::geom::{Extent, Point};
use crate::paint::{Blend, Document, Edit, Ink, LayerEdit, LayerLook, Transform, meanwhile};
use crate::session::draft::tests::{a_draft, a_request};
use std::time::{Duration, Instant};

fn a_snapshot() -> Snapshot {
    let extent = Extent::new(16, 8);
    let picture = Arc::new(Picture::filled(extent, [1, 2, 3, 255]));
    let layers = Some((extent, Stack::of_picture(&picture)));
    let mask = Arc::new(Mask::from_coverage(extent, (0..128).collect()).unwrap());
    let input = crate::diffusion::Input::new(Arc::clone(&picture), 0.5, Some(Arc::clone(&mask)));
    Snapshot {
        draft: a_draft(),
        used_seed: Some(7),
        tool: Tool::MaskBrush,
        brush: Brush { size: 12.0, hardness: 0.5 },
        palette: PaintBox { colour: [200, 30, 40], ..PaintBox::default() },
        history: vec!["red apple".to_owned()].into(),
        guide: Some(Arc::clone(&picture)),
        guides_itself: true,
        hints: vec![Hint {
            step: 3,
            left: 1,
            top: 2,
            picture: Arc::new(Picture::filled(Extent::new(2, 1), [9, 8, 7, 6])),
        }],
        layers,
        mask: Some(mask),
        masks_room: true,
        shown: Some(EntryId(3)),
        queue: vec![a_request("green pear"), Request { extent, input: Some(input), ..a_request("red apple") }],
        file: Some("/home/someone/painting.sfumato".into()),
        copy: Some("/home/someone/closed/1700000000001-painting.sfumato".into()),
        is_behind: true,
    }
}

/// [`a_snapshot`] with these layers, and no other pixels.
fn a_snapshot_of(layers: Option<(Extent, Stack)>) -> Snapshot {
    Snapshot { layers, mask: None, guide: None, hints: Vec::new(), queue: Vec::new(), ..a_snapshot() }
}

fn quiet() -> Wake {
    Arc::new(|| ())
}

fn pixel_files(folder: &Path) -> usize {
    std::fs::read_dir(folder.join(PIXELS_FOLDER)).map_or(0, Iterator::count)
}

#[test]
fn what_was_kept_is_restored_to_the_last_pixel() {
    let folder = tempfile::tempdir().unwrap();
    let keeper = Keeper::start(folder.path().into(), quiet());
    keeper.keep(a_snapshot());
    keeper.flush();
    let restored = restore(folder.path());
    assert_eq!(restored.complaints, [""; 0]);
    assert_eq!(restored.snapshot, Some(a_snapshot()));
    assert_eq!(
        pixel_files(folder.path()),
        4,
        "a tile, what is painted in, and the queue's picture and mask, which are the guide and the document's"
    );
}

#[cfg(unix)]
#[test]
fn a_file_whose_path_is_no_text_costs_only_its_name() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    let keeper = Keeper::start(folder.path().into(), quiet());
    let file = Path::new(OsStr::from_bytes(b"/home/caf\xe9/painting.sfumato")).to_owned();
    keeper.keep(Snapshot { file: Some(file), ..a_snapshot() });
    keeper.flush();
    assert_eq!(keeper.written(), None);
    assert_eq!(restore(folder.path()).snapshot, Some(Snapshot { file: None, ..a_snapshot() }));
}

#[test]
fn a_change_is_on_disk_within_a_second_without_being_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let keeper = Keeper::start(folder.path().into(), quiet());
    let changed = Instant::now();
    while changed.elapsed() < Duration::from_millis(900) && !folder.path().join(STATE_FILE).exists() {
        keeper.keep(a_snapshot());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(folder.path().join(STATE_FILE).exists(), "changes without a pause must not put writing off for ever");
    // A kill runs no destructor.
    std::mem::forget(keeper);
    assert_eq!(restore(folder.path()).snapshot, Some(a_snapshot()));
}

#[test]
fn pixels_that_nothing_names_any_more_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let keeper = Keeper::start(folder.path().into(), quiet());
    keeper.keep(a_snapshot());
    keeper.flush();
    keeper.keep(a_snapshot_of(None));
    drop(keeper);
    assert_eq!(pixel_files(folder.path()), 0);
    assert_eq!(restore(folder.path()).snapshot.unwrap().layers, None);
}

#[test]
fn a_first_start_restores_nothing_and_complains_about_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let restored = restore(folder.path());
    assert!(restored.snapshot.is_none() && restored.complaints.is_empty());
}

#[test]
fn a_truncated_file_is_put_aside_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let keeper = Keeper::start(folder.path().into(), quiet());
    keeper.keep(a_snapshot());
    drop(keeper);
    let file = folder.path().join(STATE_FILE);
    let text = std::fs::read(&file).unwrap();
    for length in [0, 1, text.len() / 2, text.len() - 2] {
        std::fs::write(&file, &text[..length]).unwrap();
        let restored = restore(folder.path());
        assert!(restored.snapshot.is_none());
        let complaint = &restored.complaints[0];
        assert!(complaint.contains("session.json") && complaint.contains("session.damaged-"), "{complaint}");
        assert!(!file.exists());
    }
    assert_eq!(std::fs::read(folder.path().join("session.damaged-3.json")).unwrap(), &text[..text.len() / 2]);
}

#[test]
fn a_missing_picture_costs_only_what_needed_it() {
    let folder = tempfile::tempdir().unwrap();
    let keeper = Keeper::start(folder.path().into(), quiet());
    keeper.keep(a_snapshot());
    drop(keeper);
    let digest = a_snapshot().guide.unwrap().digest();
    std::fs::write(pixel_file(&folder.path().join(PIXELS_FOLDER), &digest), b"not a picture").unwrap();
    let restored = restore(folder.path());
    let snapshot = restored.snapshot.unwrap();
    assert_eq!((snapshot.guide, &snapshot.draft), (None, &a_draft()));
    assert_eq!(snapshot.layers, a_snapshot().layers);
    assert_eq!(snapshot.queue, [a_request("green pear")]);
    assert_eq!(restored.complaints.len(), 2, "{:?}", restored.complaints);
    assert!(restored.complaints[0].contains("red apple"));
}

#[test]
fn layers_are_kept_with_their_looks_and_their_tiles_once_each() {
    let folder = tempfile::tempdir().unwrap();
    let extent = Extent::new(300, 200);
    let mut document = Document::new(extent);
    document.apply(Edit::TakePaper(extent)).unwrap();
    let layer = document.stack().layers()[1].id;
    let look = LayerLook { opacity: 0.3, blend: Blend::Multiply, locked: true, ..LayerLook::named("glaze") };
    document.apply(Edit::Layer(LayerEdit::Fill(layer, Ink::Colour([9, 8, 7])))).unwrap();
    document.apply(Edit::Layer(LayerEdit::Look { layer, look, goes_on: false })).unwrap();
    let layers = Some((extent, document.stack().clone()));
    let keeper = Keeper::start(folder.path().into(), quiet());
    let snapshot = Snapshot { is_behind: false, ..a_snapshot_of(layers) };
    keeper.keep(snapshot.clone());
    drop(keeper);
    assert_eq!(pixel_files(folder.path()), 2, "a white tile and a dark one");
    assert_eq!(restore(folder.path()).snapshot, Some(snapshot));
    let white = crate::paint::Tile::filled([255; 4]).to_picture().digest();
    let tile = pixel_file(&folder.path().join(PIXELS_FOLDER), &white);
    let damaged = || {
        let restored = restore(folder.path());
        assert_eq!(restored.complaints.len(), 1, "{:?}", restored.complaints);
        let snapshot = restored.snapshot.unwrap();
        let expected = (None, true);
        assert_eq!((snapshot.file, snapshot.is_behind), expected, "what is damaged is not saved over what is whole");
        (snapshot.layers.unwrap().1, restored.complaints[0].clone())
    };
    let small = Picture::filled(Extent::new(8, 8), [255; 4]).encode_png(&[]).unwrap();
    for bytes in [b"damaged".to_vec(), small] {
        std::fs::write(&tile, bytes).unwrap();
        let (stack, said) = damaged();
        assert!(stack.layers()[0].tiles.is_clear() && stack.layers()[1] == document.stack().layers()[1]);
        assert!(said.contains(&white), "{said}");
    }
    std::fs::write(&tile, crate::paint::Tile::filled([255; 4]).to_picture().encode_png(&[]).unwrap()).unwrap();
    assert_eq!(restore(folder.path()).complaints, [""; 0]);
    let file = folder.path().join(STATE_FILE);
    let mut state: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    state["layers"]["layers"][0]["tiles"].as_array_mut().unwrap().pop();
    std::fs::write(&file, serde_json::to_vec(&state).unwrap()).unwrap();
    let (_, said) = damaged();
    assert!(said.contains("5 tiles are listed of 6"), "{said}");
}

#[test]
fn nothing_waits_for_threads_that_compute_at_the_start_and_at_the_end() {
    let extent = Extent::new(300, 200);
    let mut document = Document::new(extent);
    document.apply(Edit::TakePaper(extent)).unwrap();
    let layer = document.stack().layers()[1].id;
    document.apply(Edit::Layer(LayerEdit::Fill(layer, Ink::Colour([9, 8, 7])))).unwrap();
    let snapshot = Snapshot { layers: Some((extent, document.stack().clone())), mask: None, ..a_snapshot() };
    for is_waited_for in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let took = meanwhile(|| {
            let (inbox, messages) = unbounded();
            let (tell, _written) = unbounded();
            let (done, wait) = bounded(1);
            inbox.send(Message::Keep(Box::new(snapshot.clone()))).unwrap();
            if is_waited_for {
                inbox.send(Message::Flush(done)).unwrap();
            }
            drop(inbox);
            Writer::new(folder.path(), tell, quiet()).run(&messages);
            assert_eq!(wait.try_recv().is_ok(), is_waited_for);
            assert_eq!(restore(folder.path()).snapshot.as_ref(), Some(&snapshot));
        });
        assert!(took < Duration::from_secs(10), "{took:?}");
    }
}

#[test]
fn what_lies_outside_of_the_document_is_kept_too() {
    let folder = tempfile::tempdir().unwrap();
    let extent = Extent::new(300, 200);
    let mut document = Document::new(extent);
    document.apply(Edit::TakePaper(extent)).unwrap();
    let layer = document.stack().layers()[0].id;
    let moved = Transform { to: Point::new(-90.0, 33.0), ..Transform::around(Point::default()) };
    document.apply(Edit::Layer(LayerEdit::Transform(layer, moved))).unwrap();
    assert!(document.stack().layers()[0].beyond.is_some());
    let keeper = Keeper::start(folder.path().into(), quiet());
    let snapshot = a_snapshot_of(Some((extent, document.stack().clone())));
    keeper.keep(snapshot.clone());
    drop(keeper);
    let restored = restore(folder.path());
    assert_eq!((restored.snapshot, restored.complaints), (Some(snapshot), Vec::new()));
    let file = folder.path().join(STATE_FILE);
    let state: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let mut without = document.stack().layers()[0].as_ref().clone();
    without.beyond = None;
    let damages = [
        ("extent", serde_json::json!({ "width": 4_294_967_295_u32, "height": 4_294_967_295_u32 }), true),
        ("left", serde_json::json!(i32::MIN), false),
        ("top", serde_json::json!(i32::MAX), false),
    ];
    for (field, value, is_said) in damages {
        let mut state = state.clone();
        state["layers"]["layers"][0]["beyond"][field] = value;
        std::fs::write(&file, state.to_string()).unwrap();
        let restored = restore(folder.path());
        assert_eq!(*restored.snapshot.unwrap().layers.unwrap().1.layers()[0], without, "{field}");
        assert_eq!(restored.complaints.iter().any(|said| said.contains("are listed of 0")), is_said, "{field}");
    }
}

#[test]
fn the_picture_of_a_state_from_before_there_were_layers_becomes_the_only_layer() {
    let folder = tempfile::tempdir().unwrap();
    let keeper = Keeper::start(folder.path().into(), quiet());
    keeper.keep(Snapshot { layers: None, ..a_snapshot() });
    drop(keeper);
    let file = folder.path().join(STATE_FILE);
    let mut state: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let fields = state.as_object_mut().unwrap();
    fields.remove("layers");
    fields.remove("palette");
    fields.remove("masks_room");
    fields.remove("guides_itself");
    fields.insert("picture".into(), fields["guide"].clone());
    std::fs::write(&file, state.to_string()).unwrap();
    let restored = restore(folder.path());
    let snapshot = restored.snapshot.unwrap();
    assert_eq!((snapshot.layers, snapshot.palette), (a_snapshot().layers, PaintBox::default()));
    assert!(!snapshot.masks_room && !snapshot.guides_itself);
}

#[test]
fn a_folder_that_cannot_be_written_is_said_once() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("state"), b"a file where the folder should be").unwrap();
    let keeper = Keeper::start(folder.path().join("state"), quiet());
    keeper.keep(a_snapshot_of(None));
    keeper.flush();
    keeper.keep(a_snapshot_of(None));
    keeper.flush();
    let complaint = keeper.written().unwrap().unwrap_err();
    assert!(complaint.contains("not saved") && complaint.contains("state"), "{complaint}");
    assert_eq!(keeper.written(), None);
}

#[test]
fn what_could_not_be_written_is_written_once_it_can_be_without_another_change() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    std::fs::write(&state, b"a file where the folder should be").unwrap();
    let keeper = Keeper::start(state.clone(), quiet());
    keeper.keep(a_snapshot());
    keeper.flush();
    assert!(keeper.written().unwrap().is_err());
    std::fs::remove_file(&state).unwrap();
    let freed = Instant::now();
    let mut written = None;
    while written.is_none() && freed.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(20));
        written = keeper.written();
    }
    assert_eq!(written, Some(Ok(())));
    // A kill runs no destructor.
    std::mem::forget(keeper);
    assert_eq!(restore(&state).snapshot, Some(a_snapshot()));
}
