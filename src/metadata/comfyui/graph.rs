//! A graph of `ComfyUI` as it was run: nodes by their ids, each with its class and its inputs, of which a link is `[id, slot]`.

use crate::metadata::json;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// How far a way through the graph is followed: hostile graphs go in circles.
pub(super) const LONGEST: usize = 500;

/// Under which keys nodes hold a single value.
const VALUES: [&str; 12] = [
    "value",
    "text",
    "string",
    "prompt",
    "int",
    "float",
    "number",
    "seed",
    "Value",
    "Number",
    "STRING",
    "text_positive",
];

/// A node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node<'a> {
    pub(super) id: &'a str,
    pub(super) class: &'a str,
    pub(super) inputs: &'a Map<String, Value>,
}

/// An output of a node.
pub(super) type Output<'a> = (Node<'a>, usize);

/// All nodes.
pub(super) struct Graph<'a>(HashMap<&'a str, Node<'a>>);

impl<'a> Graph<'a> {
    /// None where it is no such graph.
    pub(super) fn of(json: &'a Value) -> Option<Self> {
        let node = |(id, node): (&'a String, &'a Value)| {
            let class = node.get("class_type")?.as_str()?;
            Some((id.as_str(), Node { id, class, inputs: node.get("inputs")?.as_object()? }))
        };
        let nodes: HashMap<_, _> = json.as_object()?.iter().filter_map(node).collect();
        (!nodes.is_empty()).then_some(Self(nodes))
    }

    /// All of them, by their ids: `2` before `10`.
    pub(super) fn nodes(&self) -> Vec<Node<'a>> {
        let mut nodes: Vec<_> = self.0.values().copied().collect();
        nodes.sort_by_key(|node| (node.id.parse::<u64>().unwrap_or(u64::MAX), node.id));
        nodes
    }

    /// The output that is plugged into an input, through nodes that do nothing but hand it on.
    pub(super) fn link(&self, node: Node<'a>, key: &str) -> Option<Output<'a>> {
        let mut output = self.linked(node.inputs.get(key)?)?;
        for _ in 0..LONGEST {
            let (node, _) = output;
            if !node.class.contains("Reroute") {
                return Some(output);
            }
            output = node.inputs.values().find_map(|value| self.linked(value))?;
        }
        None
    }

    /// As [`Self::link`], of the first of some inputs that has one.
    pub(super) fn first_link(&self, node: Node<'a>, keys: &[&str]) -> Option<Output<'a>> {
        keys.iter().find_map(|key| self.link(node, key))
    }

    /// The output that a value names.
    pub(super) fn linked(&self, value: &Value) -> Option<Output<'a>> {
        let [id, slot] = value.as_array()?.as_slice() else { return None };
        let node = match id {
            Value::String(id) => self.0.get(id.as_str()),
            Value::Number(id) => self.0.get(id.to_string().as_str()),
            _ => None,
        };
        Some((*node?, usize::try_from(slot.as_u64()?).ok()?))
    }

    /// What stands in an input, or in the node that is plugged into it and holds a single value.
    pub(super) fn value(&self, node: Node<'a>, key: &str) -> Option<&'a Value> {
        let mut value = node.inputs.get(key)?;
        for _ in 0..LONGEST {
            if !value.is_array() {
                return Some(value).filter(|value| !value.is_null());
            }
            let (from, _) = self.linked(value)?;
            value = match VALUES.iter().find_map(|key| from.inputs.get(*key)) {
                Some(value) => value,
                // One that hands on what it has.
                None if from.inputs.len() == 1 => from.inputs.values().next()?,
                None => return None,
            };
        }
        None
    }

    pub(super) fn text(&self, node: Node<'a>, key: &str) -> Option<&'a str> {
        self.value(node, key)?.as_str()
    }

    pub(super) fn number(&self, node: Node<'a>, key: &str) -> Option<f64> {
        json::number(self.value(node, key)?)
    }

    pub(super) fn count(&self, node: Node<'a>, key: &str) -> Option<u32> {
        json::count(self.value(node, key)?)
    }
}

impl Node<'_> {
    pub(super) fn has(&self, key: &str) -> bool {
        self.inputs.contains_key(key)
    }

    /// What is set in it, in a line.
    pub(super) fn settings(&self) -> String {
        let is_set = |value: &&Value| !value.is_array() && !value.is_object() && !value.is_null();
        let settings = self.inputs.iter().filter(|(_, value)| is_set(value));
        settings.map(|(key, value)| format!("{key} {}", json::shown(value))).collect::<Vec<_>>().join(", ")
    }
}
