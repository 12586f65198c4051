//! `OpenRaster` files: <https://www.openraster.org/baseline/>.

use super::write::Archive;
use super::{Error, Project};
use crate::paint::{Blend, Layer};
use std::fmt::Write;

/// The side that thumbnails must not exceed (the specification's "File layout").
const THUMBNAIL: u32 = 256;

/// The bytes of an `.ora` file.
pub(super) fn archived(project: &Project) -> Result<Vec<u8>, Error> {
    let flat = project.stack.flattened(project.extent);
    let pieces = project.stack.layers().iter().map(|layer| Piece::of(layer)).collect::<Result<Vec<_>, _>>()?;
    let mut archive = Archive::new();
    // It must be the first file, and not compressed, so that its words stand at the beginning of the archive.
    archive.add("mimetype", b"image/openraster");
    archive.add("stack.xml", stack_xml(project, &pieces).as_bytes());
    for (position, piece) in pieces.iter().enumerate() {
        archive.add(&file_of(position), &piece.png);
    }
    archive.add("mergedimage.png", &flat.to_picture().encode_png(&[])?);
    archive.add("Thumbnails/thumbnail.png", &flat.thumbnail(THUMBNAIL).encode_png(&[])?);
    Ok(archive.finished())
}

/// All of a layer, and where it lies: what is outside of the canvas begins before it.
struct Piece {
    png: Vec<u8>,
    left: i32,
    top: i32,
}

impl Piece {
    fn of(layer: &Layer) -> Result<Self, Error> {
        let (picture, left, top) = layer.to_picture();
        Ok(Self { png: picture.encode_png(&[])?, left, top })
    }
}

fn file_of(position: usize) -> String {
    format!("data/layer{position}.png")
}

/// The layers, the highest first.
fn stack_xml(project: &Project, pieces: &[Piece]) -> String {
    let (width, height) = (project.extent.width, project.extent.height);
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<image version=\"0.0.3\" w=\"{width}\" h=\"{height}\">\n  <stack>\n"
    );
    let active = project.stack.active().map(|layer| layer.id);
    for (position, (layer, piece)) in project.stack.layers().iter().zip(pieces).enumerate().rev() {
        let line = layer_xml(layer, piece, &file_of(position), active == Some(layer.id));
        writeln!(xml, "    {line}").expect("a string takes everything");
    }
    xml.push_str("  </stack>\n</image>\n");
    xml
}

fn layer_xml(layer: &Layer, piece: &Piece, file: &str, is_active: bool) -> String {
    let (look, Piece { left, top, .. }) = (&layer.look, piece);
    // Other programs know of no layers that are not a part of the picture.
    let visibility = if look.visible && look.kind.is_of_the_picture() { "visible" } else { "hidden" };
    let locked = if look.locked { " edit-locked=\"true\"" } else { "" };
    let selected = if is_active { " selected=\"true\"" } else { "" };
    format!(
        "<layer name=\"{}\" src=\"{file}\" x=\"{left}\" y=\"{top}\" opacity=\"{}\" visibility=\"{visibility}\" composite-op=\"{}\"{locked}{selected}/>",
        escaped(&look.name),
        look.opacity,
        operator(look.blend)
    )
}

/// The names of the specification's "Layer stack". It has none for exclusion, which other programs then take for normal.
pub(super) const fn operator(blend: Blend) -> &'static str {
    match blend {
        Blend::Normal => "svg:src-over",
        Blend::Multiply => "svg:multiply",
        Blend::Screen => "svg:screen",
        Blend::Overlay => "svg:overlay",
        Blend::Darken => "svg:darken",
        Blend::Lighten => "svg:lighten",
        Blend::ColorDodge => "svg:color-dodge",
        Blend::ColorBurn => "svg:color-burn",
        Blend::HardLight => "svg:hard-light",
        Blend::SoftLight => "svg:soft-light",
        Blend::Difference => "svg:difference",
        Blend::Exclusion => "svg:exclusion",
        Blend::Hue => "svg:hue",
        Blend::Saturation => "svg:saturation",
        Blend::Color => "svg:color",
        Blend::Luminosity => "svg:luminosity",
        Blend::Add => "svg:plus",
        Blend::Erase => "svg:dst-out",
    }
}

/// Text for an attribute. What XML cannot say (XML 1.0, 2.2) is left out.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars().filter(|c| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}')) {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}
