//! From what conditions a sampler to prompts.

use super::Reading;
use super::graph::{Graph, LONGEST, Node, Output};
use crate::diffusion::{Control, Preprocessor};
use crate::metadata::json;

/// The most prompts that are read together.
const MOST: usize = 16;
/// How deep they may be combined.
const DEEPEST: usize = 40;

/// Under which keys nodes take what they change and hand on.
const HANDED_ON: [&str; 6] =
    ["conditioning", "conditioning_to", "conditioning_1", "base_conditioning", "cond", "conditioning_from"];

impl<'a> Reading<'a> {
    /// The prompt that is plugged in, in our grammar, and the encoder of the first text in it.
    pub(super) fn prompt(
        &mut self,
        output: Option<Output<'a>>,
        side: &'static str,
    ) -> (Option<String>, Option<Node<'a>>) {
        let Some(output) = output else { return (None, None) };
        let mut texts = Vec::new();
        self.texts(output, side, DEEPEST, &mut texts);
        let encoder = texts.first().map(|(_, node)| *node);
        let share = 1.0 / texts.len().max(1) as f64;
        let prompt = match texts.as_slice() {
            [] => return (None, None),
            [(text, _)] => text.clone(),
            [(first, _), ..] if side == "negative" => {
                self.notes.push("several negative prompts are combined there; the first was read".to_owned());
                first.clone()
            }
            // They count as one by their mean.
            all => all.iter().map(|(text, _)| format!("{text} :{share}")).collect::<Vec<_>>().join(" AND "),
        };
        (Some(prompt), encoder)
    }

    fn texts(
        &mut self,
        (node, slot): Output<'a>,
        side: &'static str,
        depth: usize,
        texts: &mut Vec<(String, Node<'a>)>,
    ) {
        // Graphs that go in circles double with each turn.
        if depth == 0 || texts.len() >= MOST || self.visits >= LONGEST {
            return;
        }
        self.visits += 1;
        if let Some(text) = self.own_text(node, side) {
            let (text, had_tags) = json::plain_prompt(&text);
            if had_tags {
                self.notes.push(json::HAD_TAGS.to_owned());
            }
            texts.push((text, node));
            return;
        }
        let graph = self.graph;
        if node.class == "ConditioningCombine" {
            for key in ["conditioning_1", "conditioning_2"] {
                if let Some(output) = graph.link(node, key) {
                    self.texts(output, side, depth - 1, texts);
                }
            }
            return;
        }
        match node.class {
            "ConditioningConcat" => {
                let (mut to, mut from) = (Vec::new(), Vec::new());
                for (key, into) in [("conditioning_to", &mut to), ("conditioning_from", &mut from)] {
                    if let Some(output) = graph.link(node, key) {
                        self.texts(output, side, depth - 1, into);
                    }
                }
                if let ([(first, encoder)], [(second, _)]) = (to.as_slice(), from.as_slice()) {
                    texts.push((format!("{first}, {second}"), *encoder));
                    self.notes.push("two prompts are read apart there, and one after the other here".to_owned());
                } else {
                    texts.append(&mut to);
                    self.pass_over(node);
                }
                return;
            }
            "ConditioningZeroOut" => {
                texts.push((String::new(), node));
                self.notes.push("the negative prompt is nothing at all there, not an empty text".to_owned());
                return;
            }
            _ if self.guided_by(node) => {}
            _ => self.pass_over(node),
        }
        // Of a node with both, its first output is the one side.
        let side = match slot {
            0 if node.has("positive") && node.has("negative") => "positive",
            1 if node.has("positive") && node.has("negative") => "negative",
            _ => side,
        };
        let next = graph.link(node, side).or_else(|| graph.first_link(node, &HANDED_ON));
        if let Some(output) = next {
            self.texts(output, side, depth - 1, texts);
        }
    }

    /// Reads a node that lets a `ControlNet` guide, if it is one as we have it: by a picture as it is, or by its edges. The one that was read
    /// is met again on the other side.
    fn guided_by(&mut self, node: Node<'a>) -> bool {
        let graph = self.graph;
        let loader = graph.link(node, "control_net").and_then(|(loader, _)| graph.text(loader, "control_net_name"));
        let Some((controlnet, (source, _))) = loader.map(json::file_name).zip(graph.link(node, "image")) else {
            return false;
        };
        let preprocessor = match source.class {
            "LoadImage" => Preprocessor::None,
            "Canny" | "CannyEdgePreprocessor" => Preprocessor::Canny,
            _ => return false,
        };
        let number = |key: &str, usual: f64| if node.has(key) { graph.number(node, key) } else { Some(usual) };
        let numbers = (number("strength", 1.0), number("start_percent", 0.0), number("end_percent", 1.0));
        let (Some(weight), Some(start), Some(end)) = numbers else { return false };
        let is_sound = (0.0..=2.0).contains(&weight) && 0.0 <= start && start <= end && end <= 1.0;
        let control = Control { controlnet, picture: (), preprocessor, weight, start, end };
        if self.found.control.is_none() && is_sound {
            if start > 0.0 || end < 1.0 {
                self.notes.push("between which shares of the noise it was guided is counted in steps here".to_owned());
            }
            self.notes.push("a picture guided it, which is not in the file".to_owned());
            self.found.control = Some(control);
            return true;
        }
        self.found.control.as_ref() == Some(&control)
    }

    /// What a node encodes itself.
    fn own_text(&mut self, node: Node<'a>, side: &str) -> Option<String> {
        let graph: &Graph<'a> = self.graph;
        if let Some(text) = graph.text(node, "text") {
            return Some(text.to_owned());
        }
        if let Some(text) = graph.text(node, "text_g") {
            let other = graph.text(node, "text_l").filter(|other| *other != text);
            if let Some(other) = other {
                self.unknown("text_l", other);
            }
            return Some(text.to_owned());
        }
        // What loads a model and encodes at once.
        if let Some(text) = node.inputs.get(side).and_then(serde_json::Value::as_str) {
            return Some(text.to_owned());
        }
        let is_encoder = node.has("text") || node.class.contains("TextEncode");
        if is_encoder {
            self.notes.push(format!("a prompt comes from nodes that are not known here, into {}", node.class));
        }
        is_encoder.then(String::new)
    }
}
