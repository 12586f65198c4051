use super::write::Archive;
use super::*;
use crate::paint::{Blend, Document, Edit, Ink, LayerEdit, Transform};
use crate::pixels::Picture;
use std::io::Read;

pub(super) const EXTENT: Extent = Extent::new(200, 140);

pub(super) fn project() -> Project {
    let mut document = Document::new(EXTENT);
    document.apply(Edit::TakePaper(EXTENT)).unwrap();
    let layer = document.stack().layers()[1].id;
    let rgba = (0..EXTENT.area()).flat_map(|i| [i as u8, (i / 200) as u8, 9, (i % 255) as u8]).collect();
    let tiles = crate::paint::Tiles::of(&Picture::from_rgba(EXTENT, rgba).unwrap());
    document.apply(Edit::Layer(LayerEdit::Fill(layer, Ink::Colour([9, 8, 7])))).unwrap();
    document.apply(Edit::Layer(LayerEdit::Insert { look: LayerLook::named("<a> & \"b\""), tiles })).unwrap();
    let recipes = vec![serde_json::json!({ "request": { "prompt": "red apple" } })];
    let look = LayerLook {
        kind: crate::paint::LayerKind::Control,
        opacity: 0.25,
        blend: Blend::Multiply,
        locked: true,
        recipes,
        ..LayerLook::named("glaze")
    };
    document.apply(Edit::Layer(LayerEdit::Look { layer, look, goes_on: false })).unwrap();
    let mask = Mask::from_coverage(EXTENT, (0..EXTENT.area()).map(|i| i as u8).collect()).map(Arc::new);
    let guide = Some(Arc::new(Picture::filled(Extent::new(9, 7), [4, 5, 6, 255])));
    let settings = Some(serde_json::json!({ "prompt": "red apple", "seed": 7 }));
    let file = Some(PathBuf::from("paintings/apple.sfumato"));
    Project { extent: EXTENT, stack: document.stack().clone(), mask, masks_room: true, guide, settings, file }
}

/// A layer over paper that lies outside of the canvas in part, at the left and below.
pub(super) fn reaching_out() -> Project {
    let Project { extent, stack, .. } = project();
    let mut document = Document::with_layers(extent, stack, None).unwrap();
    let layer = document.stack().layers()[2].id;
    let to = crate::geom::Point::new(-90.0, 33.0);
    let moved = Transform { to, ..Transform::around(crate::geom::Point::default()) };
    document.apply(Edit::Layer(LayerEdit::Transform(layer, moved))).unwrap();
    assert!(document.stack().layers()[2].beyond.is_some());
    let stack = document.stack().clone();
    Project { extent, stack, mask: None, masks_room: false, guide: None, settings: None, file: None }
}

fn saved(folder: &Path, kind: Kind) -> PathBuf {
    let path = folder.join(if kind == Kind::Sfumato { "a.sfumato" } else { "a.ora" });
    project().save(&path, kind).unwrap();
    path
}

/// An archive with this `project.json` and these files.
fn made(folder: &Path, contents: &str, files: &[(&str, Vec<u8>)]) -> PathBuf {
    let mut archive = Archive::new();
    archive.add(CONTENTS, contents.as_bytes());
    for (name, bytes) in files {
        archive.add(name, bytes);
    }
    let path = folder.join("made.sfumato");
    std::fs::write(&path, archive.finished()).unwrap();
    path
}

fn layer(file: &str) -> String {
    format!(
        r#"{{"id":1,"file":"{file}","name":"a","opacity":1.0,"blend":"normal","visible":true,"locked":false,"keeps_alpha":false}}"#
    )
}

fn contents(version: u32, side: u32, layers: &str) -> String {
    format!(r#"{{"version":{version},"extent":{{"width":{side},"height":{side}}},"active":1,"layers":[{layers}]}}"#)
}

fn png(side: u32) -> Vec<u8> {
    Picture::filled(Extent::new(side, side), [1, 2, 3, 255]).encode_png(&[]).unwrap()
}

#[test]
fn a_project_comes_back_to_the_last_pixel() {
    let folder = tempfile::tempdir().unwrap();
    let path = saved(folder.path(), Kind::Sfumato);
    assert_eq!(Kind::of(&path), Some(Kind::Sfumato));
    assert_eq!(Project::open(&path).unwrap().project, project());
    let plain = Project { mask: None, masks_room: false, guide: None, settings: None, file: None, ..project() };
    plain.save(&path, Kind::Sfumato).unwrap();
    assert_eq!(Project::open(&path).unwrap().project, plain);
    reaching_out().save(&path, Kind::Sfumato).unwrap();
    assert_eq!(Project::open(&path).unwrap().project, reaching_out());
}

/// A layer of which that file lies outside of the canvas, there.
fn beyond(file: &str, left: &str) -> String {
    let beyond = format!(r#""beyond":{{"file":"{file}","left":{left},"top":0}},"name""#);
    layer("l.png").replace("\"name\"", &beyond)
}

#[test]
fn what_lies_outside_of_the_canvas_is_bounded_whatever_a_file_says() {
    let folder = tempfile::tempdir().unwrap();
    let row = |width, pixel| Picture::filled(Extent::new(width, 1), pixel).encode_png(&[]).unwrap();
    let cut = png(8)[..40].to_vec();
    let files = [
        ("l.png", png(8)),
        ("b.png", png(8)),
        ("w.png", row(384, [9; 4])),
        ("large.png", row(3000, [0; 4])),
        ("c.png", cut),
    ];
    let open = |layer: &str| Project::open(&made(folder.path(), &contents(1, 8, layer), &files));
    let says = |layer: String, words: &str| {
        let said = open(&layer).unwrap_err().to_string();
        assert!(said.contains(words) && said.contains("made.sfumato"), "{said}");
    };
    says(beyond("b.png", "2147483647"), "b.png lies at 2147483647, 0, where nothing of a layer is kept");
    says(beyond("b.png", "-2147483648"), "b.png lies at -2147483648, 0");
    says(beyond("b.png", "0"), "b.png lies at 0, 0");
    says(beyond("b.png", "99999999999"), "project.json");
    says(beyond("none.png", "9"), "none.png");
    says(beyond("large.png", "-1500"), "large.png is 3000x1, and no more than 384x384 is kept of a layer");
    says(beyond("c.png", "9"), "c.png");
    let kept = |layer: String| open(&layer).unwrap().project.stack.layers()[0].beyond.clone().unwrap();
    let far = kept(beyond("w.png", "-200"));
    // A tile at each side of the one that the document lies in.
    assert_eq!((far.left, far.top, far.tiles.extent()), (-128, 0, Extent::new(384, 128)));
    assert_eq!([100, 128, 135, 136, 311, 312].map(|x| far.tiles.pixel(x, 0)[3]), [9, 0, 0, 9, 9, 0]);
    let near = kept(beyond("b.png", "4"));
    assert_eq!([7, 8, 11, 12].map(|x| near.tiles.pixel(x, 0)), [[0; 4], [1, 2, 3, 255], [1, 2, 3, 255], [0; 4]]);
    // What later versions add is no reason to refuse it.
    let later = layer("l.png").replace("\"name\"", r#""later":{"file":"l.png"},"name""#);
    assert!(open(&later).is_ok());
}

#[test]
fn a_hostile_file_is_refused_in_words_that_say_what_is_wrong_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let says = |path: PathBuf, words: &str| {
        let said = Project::open(&path).unwrap_err().to_string();
        assert!(said.contains(words) && said.contains("made.sfumato"), "{said}");
    };
    let one = [("l.png", png(8))];
    says(made(folder.path(), "{", &one), "project.json");
    says(made(folder.path(), &contents(2, 8, &layer("l.png")), &one), "its version is 2");
    says(made(folder.path(), &contents(1, 8, ""), &one), "no layers");
    says(made(folder.path(), &contents(1, 0, &layer("l.png")), &one), "no pixels");
    says(made(folder.path(), &contents(1, 16, &layer("l.png")), &one), "l.png is 8x8, and the project 16x16");
    says(made(folder.path(), &contents(1, 8, &layer("../../etc/passwd")), &one), "../../etc/passwd");
    says(made(folder.path(), &contents(1, 4_000_000_000, &layer("l.png")), &one), "more than can be opened");
    let many = vec![layer("l.png"); 201].join(",");
    says(made(folder.path(), &contents(1, 8, &many), &one), "201 layers of 8x8");
    let bomb = vec![layer("l.png"); 60].join(",");
    says(made(folder.path(), &contents(1, 8192, &bomb), &one), "60 layers of 8192x8192");
    let twice = format!("{},{}", layer("l.png"), layer("l.png"));
    says(made(folder.path(), &contents(1, 8, &twice), &one), "two layers have one number");
    let cut = png(8)[..40].to_vec();
    says(made(folder.path(), &contents(1, 8, &layer("l.png")), &[("l.png", cut)]), "l.png");
    let path = folder.path().join("made.sfumato");
    std::fs::write(&path, b"no archive at all").unwrap();
    says(path, "neither a Sfumato project nor");
    says(folder.path().join("gone/made.sfumato"), "could not be read");
}

#[test]
fn a_file_cut_anywhere_or_with_a_wrong_byte_never_panics() {
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(saved(folder.path(), Kind::Sfumato)).unwrap();
    let path = folder.path().join("b.sfumato");
    for at in (0..whole.len()).step_by(whole.len() / 97) {
        std::fs::write(&path, &whole[..at]).unwrap();
        let error = Project::open(&path).unwrap_err().to_string();
        assert!(at < 4 || error.contains("it is damaged (its end is missing)"), "cut at {at}: {error}");
        let mut wrong = whole.clone();
        wrong[at] ^= 0xff;
        std::fs::write(&path, &wrong).unwrap();
        drop(Project::open(&path));
    }
}

#[test]
fn an_ora_file_has_what_the_specification_asks_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = saved(folder.path(), Kind::OpenRaster);
    assert_eq!(Kind::of(&path), Some(Kind::OpenRaster));
    let bytes = std::fs::read(&path).unwrap();
    // A local header of 30 bytes, then the name and the words.
    assert_eq!(&bytes[30..54], b"mimetypeimage/openraster");
    let mut archive = zip::ZipArchive::new(std::fs::File::open(&path).unwrap()).unwrap();
    let mut file = |name: &str| {
        let mut bytes = Vec::new();
        archive.by_name(name).unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    };
    let xml = String::from_utf8(file("stack.xml")).unwrap();
    assert!(xml.contains(r#"<image version="0.0.3" w="200" h="140">"#), "{xml}");
    let lines: Vec<&str> = xml.lines().filter(|line| line.contains("<layer")).collect();
    assert!(lines[0].contains(r#"name="&lt;a&gt; &amp; &quot;b&quot;" src="data/layer2.png""#), "{xml}");
    assert!(lines[1].contains(r#"opacity="0.25" visibility="hidden" composite-op="svg:multiply" edit-locked="true""#));
    assert!(lines[2].contains(r#"name="Paper" src="data/layer0.png" x="0" y="0" opacity="1""#));
    let merged = Picture::decode(&file("mergedimage.png"), "merged").unwrap();
    assert_eq!(merged, project().stack.flattened(EXTENT).to_picture());
    assert!(Picture::decode(&file("Thumbnails/thumbnail.png"), "small").unwrap().extent().width <= 256);
    assert_eq!(
        Picture::decode(&file("data/layer2.png"), "top").unwrap(),
        project().stack.layers()[2].tiles.to_picture()
    );
}
