use super::super::tests::{EXTENT, project, reaching_out};
use super::super::write::Archive;
use super::super::{Kind, Project};
use super::*;
use crate::paint::LayerKind;
use std::path::{Path, PathBuf};

/// An `.ora` file with this `stack.xml` and these PNG files of one colour.
fn made(folder: &Path, xml: &str, files: &[(&str, Extent, [u8; 4])]) -> PathBuf {
    let mut archive = Archive::new();
    archive.add("mimetype", b"image/openraster");
    archive.add(STACK, xml.as_bytes());
    for (name, extent, pixel) in files {
        archive.add(name, &Picture::filled(*extent, *pixel).encode_png(&[]).unwrap());
    }
    let path = folder.join("made.ora");
    std::fs::write(&path, archive.finished()).unwrap();
    path
}

#[test]
fn what_is_written_comes_back_to_the_last_pixel() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ora");
    project().save(&path, Kind::OpenRaster).unwrap();
    let opened = Project::open(&path).unwrap();
    let (was, is) = (project().stack, opened.project.stack);
    assert_eq!((opened.project.extent, opened.notes), (EXTENT, Vec::<String>::new()));
    assert_eq!(is.flattened(EXTENT), was.flattened(EXTENT));
    assert_eq!(is.layers().len(), was.layers().len());
    for (is, was) in is.layers().iter().zip(was.layers()) {
        // OpenRaster has no place for how a layer was made, nor for what it is for: what is no part of the picture is hidden.
        let visible = was.look.visible && was.look.kind.is_of_the_picture();
        let look = LayerLook { recipes: Vec::new(), kind: LayerKind::default(), visible, ..was.look.clone() };
        assert_eq!((&is.look, &is.tiles), (&look, &was.tiles));
    }
    assert_eq!(is.active().map(|layer| layer.look.name.clone()), was.active().map(|layer| layer.look.name.clone()));
}

#[test]
fn what_lies_outside_of_the_canvas_goes_along_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ora");
    reaching_out().save(&path, Kind::OpenRaster).unwrap();
    let (was, is) = (reaching_out().stack, Project::open(&path).unwrap().project.stack);
    for (is, was) in is.layers().iter().zip(was.layers()) {
        assert_eq!((&is.tiles, &is.beyond), (&was.tiles, &was.beyond), "{}", was.look.name);
    }
    // A canvas of one tile, a group that starts at its left, and a layer that is too far away for all of it to be kept.
    let xml = r#"<image w="100" h="60"><stack>
          <stack name="glow" opacity="0.5" x="-20"><layer src="a.png" x="-30" y="5"/></stack>
          <layer name="far" src="a.png" x="-150" y="-2000000000"/><layer name="near" src="a.png" x="-150"/>
        </stack></image>"#;
    let path = made(folder.path(), xml, &[("a.png", Extent::new(40, 20), [9, 9, 9, 255])]);
    let layers = Project::open(&path).unwrap().project.stack;
    let content = |index: usize| {
        let at = |point: crate::geom::Point| (point.x as i32, point.y as i32);
        layers.layers()[index].content().map(|[from, to]| (at(from), at(to)))
    };
    assert_eq!(content(0), Some(((-128, 0), (-110, 20))));
    assert_eq!((content(1), content(2)), (None, Some(((-50, 5), (-10, 25)))));
}

#[test]
fn layers_lie_where_they_say_and_groups_look_as_they_did() {
    let folder = tempfile::tempdir().unwrap();
    let xml = r#"<?xml version='1.0' encoding='UTF-8'?>
        <image w="20" h="10"><stack>
          <layer name="ink &amp; &#x201c;wash&#x201d;" src="data/a.png" x="15" y="-2" opacity="0.5"/>
          <stack name="glow" composite-op="svg:multiply" opacity="0.5" x="2">
            <layer name="over" src="data/a.png" x="1"/><layer name="under" src="data/b.png" visibility="hidden"/>
          </stack>
          <stack name="plain" y="3"><layer name="base" src="data/b.png" composite-op="krita:dissolve" selected="true"/></stack>
          <text name="words"/>
        </stack></image>"#;
    let small = Extent::new(8, 6);
    let path =
        made(folder.path(), xml, &[("data/a.png", small, [255, 0, 0, 255]), ("data/b.png", small, [0, 0, 255, 255])]);
    let Opened { project, notes } = Project::open(&path).unwrap();
    let layers = project.stack.layers();
    let names: Vec<_> = layers.iter().map(|layer| layer.look.name.as_str()).collect();
    assert_eq!(names, ["base", "glow", "ink & \u{201c}wash\u{201d}"]);
    let content = |index: usize| layers[index].tiles.content().unwrap();
    let bounds = |left, top, width, height| crate::geom::Bounds { left, top, extent: Extent::new(width, height) };
    assert_eq!((content(0), content(1), content(2)), (bounds(0, 3, 8, 6), bounds(3, 0, 8, 6), bounds(15, 0, 5, 4)));
    assert_eq!((layers[1].look.blend, layers[1].look.opacity), (Blend::Multiply, 0.5));
    assert_eq!(project.stack.active().unwrap().look.name, "base");
    let said = notes.join("\n");
    assert!(said.contains("krita:dissolve") && said.contains("glow") && said.contains("words"), "{said}");
    // Half of red multiplied with what is there: blue lies to x = 7, nothing beyond.
    assert_eq!(project.stack.flattened(project.extent).pixel(5, 4), [0, 0, 128, 255]);
}

#[test]
fn a_hostile_file_is_refused_in_words_that_say_what_is_wrong_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let says = |xml: &str, words: &str| {
        let path = made(folder.path(), xml, &[("a.png", Extent::new(4, 4), [9; 4])]);
        let said = Project::open(&path).unwrap_err().to_string();
        assert!(said.contains(words) && said.contains("made.ora"), "{said}");
    };
    says("<image w=\"4\"", "stack.xml");
    says("<image><stack><layer src=\"a.png\"/></stack></image>", "how large");
    says("<image w=\"4\" h=\"4\"><stack/></image>", "no layers");
    says("<image w=\"0\" h=\"4\"><stack><layer src=\"a.png\"/></stack></image>", "no pixels");
    says("<image w=\"4\" h=\"4\"><stack><layer src=\"../../etc/passwd\"/></stack></image>", "../../etc/passwd");
    says("<image w=\"90000\" h=\"90000\"><stack><layer src=\"a.png\"/></stack></image>", "more than can be opened");
    let many = "<layer src=\"a.png\"/>".repeat(201);
    says(&format!("<image w=\"4\" h=\"4\"><stack>{many}</stack></image>"), "201 layers of 4x4");
    let deep = format!("{}<layer src=\"a.png\"/>{}", "<stack>".repeat(60), "</stack>".repeat(60));
    says(&format!("<image w=\"4\" h=\"4\">{deep}</image>"), "stack.xml");
    // A billion laughs.
    says("<!DOCTYPE x [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;\">]><image w=\"4\" h=\"4\">&b;</image>", "stack.xml");
}

#[test]
fn a_file_cut_anywhere_or_with_a_wrong_byte_never_panics() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ora");
    project().save(&path, Kind::OpenRaster).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for at in (0..whole.len()).step_by(whole.len() / 61) {
        std::fs::write(&path, &whole[..at]).unwrap();
        assert!(Project::open(&path).is_err(), "cut at {at}");
        let mut wrong = whole.clone();
        wrong[at] ^= 0xff;
        std::fs::write(&path, &wrong).unwrap();
        drop(Project::open(&path));
    }
}

/// Writes a file in five blend modes and lets Krita make a PNG file of it. (Its addition clamps before a layer's opacity counts, which
/// `svg:plus` does not.)
#[test]
#[ignore = "needs Krita and a display: xvfb-run cargo test --lib krita -- --ignored"]
fn krita_opens_an_ora_file_and_shows_the_same_pixels() {
    let folder = tempfile::tempdir().unwrap();
    let ramp = |(red, green): (u32, u32), alpha: u32| {
        let pixel = move |i: usize| {
            let (x, y) = (i as u32 % EXTENT.width, i as u32 / EXTENT.width);
            [(x * red) as u8, (y * green) as u8, (x + y) as u8, (255 - alpha * x / EXTENT.width) as u8]
        };
        Tiles::of(&Picture::from_rgba(EXTENT, (0..EXTENT.area()).flat_map(pixel).collect()).unwrap())
    };
    let modes = [Blend::Normal, Blend::Multiply, Blend::Screen, Blend::Overlay, Blend::Difference];
    let layers = (1u32..).zip(modes).map(|(number, blend)| {
        let alpha = if number == 1 { 0 } else { 200 };
        let opacity = if number == 1 { 1.0 } else { 0.5 };
        let look = LayerLook { opacity, blend, ..LayerLook::named(format!("layer {number}")) };
        Layer::new(LayerId(number), look, ramp((number, 7 - number), alpha))
    });
    let stack = Stack::from_layers(layers, None);
    let ours = stack.flattened(EXTENT).to_picture();
    let (ora, png) = (folder.path().join("a.ora"), folder.path().join("a.png"));
    let project =
        Project { extent: EXTENT, stack, mask: None, masks_room: false, guide: None, settings: None, file: None };
    project.save(&ora, Kind::OpenRaster).unwrap();
    let mut krita = std::process::Command::new("krita");
    let made = krita.env("HOME", folder.path()).arg("--export").arg("--export-filename").arg(&png).arg(&ora).status();
    assert!(made.unwrap().success());
    let theirs = Picture::load(&png).unwrap();
    assert_eq!(theirs.extent(), EXTENT);
    let apart = ours.rgba().iter().zip(theirs.rgba()).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(apart <= Some(6), "a channel is {apart:?} away");
}
