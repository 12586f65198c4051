//! `OpenRaster` files of other programs. A group becomes a layer of its own where that is needed to look the same, and its layers
//! come without it where it is not. What no layer here can be is said.

use super::ora::operator;
use super::read::Reader;
use super::{Error, Opened, Project};
use crate::geom::Extent;
use crate::paint::{Blend, Frame, Layer, LayerId, LayerLook, Placed, Stack, Tiles};
use crate::pixels::Picture;
use roxmltree::{Document, Node, ParsingOptions};
use std::sync::Arc;

/// Where the layers stand.
pub(super) const STACK: &str = "stack.xml";
/// More than the list of two hundred layers takes.
const MOST_TEXT: u64 = 4 << 20;
const MOST_NODES: u32 = 20_000;
const DEEPEST: usize = 32;

/// What is read into.
struct Canvas<'a> {
    reader: &'a mut Reader,
    extent: Extent,
    notes: Vec<String>,
    /// How many layers were read, of those in groups too.
    count: usize,
}

/// A layer or group as it is seen, and where it lies.
struct Sheet {
    look: LayerLook,
    is_active: bool,
    left: i32,
    top: i32,
}

/// What of a layer lies within the document, and what is kept of the rest.
type Pixels = (Tiles, Option<Arc<Placed>>);

impl Reader {
    /// The layers of an `OpenRaster` file.
    pub(super) fn open_raster(mut self) -> Result<Opened, Error> {
        let text = self.bytes(STACK, MOST_TEXT)?;
        let text = String::from_utf8_lossy(&text).into_owned();
        let options = ParsingOptions { allow_dtd: false, nodes_limit: MOST_NODES, entity_resolver: None };
        let document =
            Document::parse_with_options(&text, options).map_err(|error| self.damaged(&format!("{STACK}: {error}")))?;
        let image = document.root_element();
        let side = |name: &str| image.attribute(name).and_then(|side| side.trim().parse().ok());
        let (Some(width), Some(height)) = (side("w"), side("h")) else {
            return Err(self.damaged(&format!("{STACK} does not say how large the picture is")));
        };
        let extent = Extent::new(width, height);
        let layers = image.descendants().filter(|node| node.has_tag_name("layer")).count();
        self.check(extent, layers)?;
        let root = image.children().find(|node| node.has_tag_name("stack"));
        let mut canvas = Canvas { reader: &mut self, extent, notes: Vec::new(), count: 0 };
        let mut stack = Vec::new();
        if let Some(root) = root {
            canvas.read(root, (0, 0), 0, &mut stack)?;
        }
        let notes = std::mem::take(&mut canvas.notes);
        let active = stack.iter().find(|(_, is_active)| *is_active).map(|(layer, _)| layer.id);
        let stack = Stack::from_layers(stack.into_iter().map(|(layer, _)| layer), active);
        if stack.layers().is_empty() {
            return Err(self.damaged("it has no layers or no pixels"));
        }
        let project = Project { extent, stack, mask: None, masks_room: false, guide: None, settings: None, file: None };
        Ok(Opened { project, notes })
    }
}

impl Canvas<'_> {
    /// Puts the layers of a group on `stack`, the lowest first.
    fn read(
        &mut self,
        group: Node,
        (left, top): (i32, i32),
        depth: usize,
        stack: &mut Vec<(Layer, bool)>,
    ) -> Result<(), Error> {
        if depth > DEEPEST {
            return Err(self.reader.damaged(&format!("{STACK}: its groups lie in each other too deeply")));
        }
        let children: Vec<_> = group.children().filter(Node::is_element).collect();
        for node in children.into_iter().rev() {
            let sheet = self.sheet(node, (left, top));
            match node.tag_name().name() {
                "layer" => {
                    let pixels = self.pixels(node, &sheet)?;
                    self.add(sheet, pixels, stack);
                }
                "stack" if is_see_through(node, &sheet.look) => {
                    self.read(node, (sheet.left, sheet.top), depth + 1, stack)?;
                }
                "stack" => {
                    let mut inner = Vec::new();
                    self.read(node, (sheet.left, sheet.top), depth + 1, &mut inner)?;
                    let inner = Stack::from_layers(inner.into_iter().map(|(layer, _)| layer), None);
                    self.notes.push(format!("the group \u{201c}{}\u{201d} became one layer", sheet.look.name));
                    self.add(sheet, inner.merged(self.extent), stack);
                }
                other => {
                    let name = &sheet.look.name;
                    self.notes.push(format!("\u{201c}{name}\u{201d} is a {other}, and was left out"));
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, sheet: Sheet, (tiles, beyond): Pixels, stack: &mut Vec<(Layer, bool)>) {
        self.count += 1;
        let layer = Layer { id: LayerId(self.count as u32), look: sheet.look, tiles, beyond };
        stack.push((layer, sheet.is_active));
    }

    fn sheet(&mut self, node: Node, (left, top): (i32, i32)) -> Sheet {
        let name = node.attribute("name").unwrap_or("Layer");
        let number = |name: &str| node.attribute(name).and_then(|number| number.trim().parse::<f32>().ok());
        let place = |name: &str, from: i32| from.saturating_add(number(name).unwrap_or(0.0).round() as i32);
        let asked = node.attribute("composite-op").unwrap_or("svg:src-over");
        let blend = Blend::ALL.into_iter().find(|&blend| operator(blend) == asked);
        if blend.is_none() {
            self.notes.push(format!("\u{201c}{name}\u{201d} is blended by {asked}, which became normal"));
        }
        let look = LayerLook {
            prompt: String::new(),
            opacity: number("opacity").unwrap_or(1.0),
            blend: blend.unwrap_or_default(),
            visible: node.attribute("visibility") != Some("hidden"),
            locked: node.attribute("edit-locked") == Some("true"),
            ..LayerLook::named(name)
        };
        let is_active = node.attribute("selected") == Some("true");
        Sheet { look, is_active, left: place("x", left), top: place("y", top) }
    }

    fn pixels(&mut self, node: Node, sheet: &Sheet) -> Result<Pixels, Error> {
        let Some(file) = node.attribute("src") else { return Ok((Tiles::clear(self.extent), None)) };
        let bytes = self.reader.bytes(file, Reader::MOST_PIXELS)?;
        let picture = Picture::decode(&bytes, file).map_err(|error| self.reader.undecoded(&error))?;
        let (extent, left, top) = (self.extent, sheet.left, sheet.top);
        let placed = Placed { tiles: Tiles::of(&picture), left, top };
        Ok((placed.tiles.framed(Frame { extent, left, top }), self.reader.kept(&placed, extent)?))
    }
}

/// Whether the layers of a group look the same without it.
fn is_see_through(group: Node, look: &LayerLook) -> bool {
    look.visible
        && look.opacity >= 1.0
        && look.blend == Blend::Normal
        && group.attribute("isolation") != Some("isolate")
}

#[cfg(test)]
#[path = "ora_read_tests.rs"]
mod tests;
