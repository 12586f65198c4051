use serde_json::{Map, Value};

/// Why a config.json cannot be followed; the file is named by who read it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// It is not JSON.
    #[error("it is not valid JSON ({0})")]
    Json(String),
    /// It is JSON, but not an object.
    #[error("it is not a JSON object")]
    NotAnObject,
    /// A field without a default is not there.
    #[error("the field `{0}` is missing")]
    Missing(String),
    /// A field has a value that cannot be used.
    #[error("the field `{field}` is {value}, but must be {expected}")]
    Value {
        /// Its name.
        field: String,
        /// Its value, as JSON.
        value: String,
        /// What could be used, in words.
        expected: String,
    },
}

/// A config.json whose fields are asked for one by one, so that every complaint can name the field and its value.
pub(crate) struct Fields {
    map: Map<String, Value>,
}

impl Fields {
    pub(crate) fn parse(json: &str) -> Result<Self, ConfigError> {
        match serde_json::from_str(json) {
            Ok(Value::Object(map)) => Ok(Self { map }),
            Ok(_) => Err(ConfigError::NotAnObject),
            Err(error) => Err(ConfigError::Json(error.to_string())),
        }
    }

    /// The object in `field`, if there is one, in place of the whole.
    pub(crate) fn or_inner(mut self, field: &str) -> Self {
        match self.map.remove(field) {
            Some(Value::Object(map)) => Self { map },
            _ => self,
        }
    }

    /// The object in `field`, if there is one.
    pub(crate) fn inner(&self, field: &str) -> Option<Self> {
        Some(Self { map: self.get(field)?.as_object()?.clone() })
    }

    /// The field's value; null counts as absent, as in Python.
    pub(crate) fn get(&self, field: &str) -> Option<&Value> {
        self.map.get(field).filter(|value| !value.is_null())
    }

    /// Whether the field is there and says null, for the few where that is not to be absent.
    pub(crate) fn is_null(&self, field: &str) -> bool {
        self.map.get(field).is_some_and(Value::is_null)
    }

    pub(crate) fn wrong(&self, field: &str, expected: impl Into<String>) -> ConfigError {
        match self.map.get(field) {
            None => ConfigError::Missing(field.to_owned()),
            Some(value) => {
                let mut value = value.to_string();
                if let Some((end, _)) = value.char_indices().nth(80) {
                    value.truncate(end);
                    value.push('…');
                }
                ConfigError::Value { field: field.to_owned(), value, expected: expected.into() }
            }
        }
    }

    /// A whole number in `1..=max`, or the default where the field is absent.
    pub(crate) fn count(&self, field: &str, max: usize, default: Option<usize>) -> Result<usize, ConfigError> {
        match (self.get(field), default) {
            (None, Some(default)) => Ok(default),
            (None, None) => Err(self.wrong(field, format!("a whole number between 1 and {max}"))),
            (Some(value), _) => {
                as_count(value, max).ok_or_else(|| self.wrong(field, format!("a whole number between 1 and {max}")))
            }
        }
    }

    /// A list of whole numbers in `1..=max`.
    pub(crate) fn counts(&self, field: &str, max: usize) -> Result<Vec<usize>, ConfigError> {
        let expected = || self.wrong(field, format!("a list of whole numbers between 1 and {max}"));
        let list = self.get(field).and_then(Value::as_array).filter(|list| !list.is_empty() && list.len() <= 16);
        list.ok_or_else(expected)?.iter().map(|value| as_count(value, max).ok_or_else(expected)).collect()
    }

    /// One whole number for each of `blocks` blocks, given as a list or as one for all; none where the field is absent.
    pub(crate) fn count_per_block(
        &self,
        field: &str,
        max: usize,
        blocks: usize,
    ) -> Result<Option<Vec<usize>>, ConfigError> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::Array(_)) => {
                let list = self.counts(field, max)?;
                if list.len() == blocks {
                    Ok(Some(list))
                } else {
                    Err(self.wrong(field, format!("a list of {blocks} numbers, one a block")))
                }
            }
            Some(_) => Ok(Some(vec![self.count(field, max, None)?; blocks])),
        }
    }

    /// One whole number in `0..=max` for each of so many layers of each block, given as a list of one entry a block, a number for all
    /// its layers or a list of them, or as one number for all; none where the field is absent.
    pub(crate) fn counts_per_layer(
        &self,
        field: &str,
        max: usize,
        layers: &[usize],
    ) -> Result<Option<Vec<Vec<usize>>>, ConfigError> {
        let count = |value: &Value| value.as_u64().filter(|count| *count <= max as u64).map(|count| count as usize);
        let of_block = |value: &Value, layers: usize| match value.as_array() {
            None => Some(vec![count(value)?; layers]),
            Some(list) => list.get(..layers)?.iter().map(count).collect(),
        };
        let Some(value) = self.get(field) else { return Ok(None) };
        let found: Option<Vec<_>> = match value.as_array() {
            None => layers.iter().map(|layers| of_block(value, *layers)).collect(),
            Some(list) if list.len() == layers.len() => {
                list.iter().zip(layers).map(|(value, layers)| of_block(value, *layers)).collect()
            }
            Some(_) => None,
        };
        let expected = || format!("a whole number between 0 and {max}, or for each block one or a list of one a layer");
        found.map(Some).ok_or_else(|| self.wrong(field, expected()))
    }

    pub(crate) fn number(&self, field: &str, default: Option<f64>) -> Result<f64, ConfigError> {
        match (self.get(field), default) {
            (None, Some(default)) => Ok(default),
            (value, _) => value
                .and_then(Value::as_f64)
                .filter(|number| number.is_finite())
                .ok_or_else(|| self.wrong(field, "a number")),
        }
    }

    /// A list of `length` numbers; none where the field is absent.
    pub(crate) fn numbers(&self, field: &str, length: usize) -> Result<Option<Vec<f32>>, ConfigError> {
        let expected = || self.wrong(field, format!("a list of {length} numbers"));
        let Some(value) = self.get(field) else { return Ok(None) };
        let list = value.as_array().filter(|list| list.len() == length).ok_or_else(expected)?;
        list.iter()
            .map(|number| number.as_f64().map(|number| number as f32).ok_or_else(expected))
            .collect::<Result<_, _>>()
            .map(Some)
    }

    pub(crate) fn flag(&self, field: &str, default: bool) -> Result<bool, ConfigError> {
        match self.get(field) {
            None => Ok(default),
            Some(value) => value.as_bool().ok_or_else(|| self.wrong(field, "true or false")),
        }
    }

    /// One of a few words, each with what it stands for.
    pub(crate) fn choice<T: Copy>(
        &self,
        field: &str,
        choices: &[(&str, T)],
        default: Option<T>,
    ) -> Result<T, ConfigError> {
        match (self.get(field), default) {
            (None, Some(default)) => Ok(default),
            (value, _) => value
                .and_then(Value::as_str)
                .and_then(|word| choices.iter().find(|(name, _)| *name == word))
                .map(|(_, meaning)| *meaning)
                .ok_or_else(|| self.wrong(field, one_of(choices))),
        }
    }

    /// A list of `length` words, each one of a few.
    pub(crate) fn choices<T: Copy>(
        &self,
        field: &str,
        length: usize,
        choices: &[(&str, T)],
    ) -> Result<Vec<T>, ConfigError> {
        let expected = || self.wrong(field, format!("a list of {length}, each {}", one_of(choices)));
        let list =
            self.get(field).and_then(Value::as_array).filter(|list| list.len() == length).ok_or_else(expected)?;
        list.iter()
            .map(|value| {
                choices
                    .iter()
                    .find(|(name, _)| value.as_str() == Some(name))
                    .map(|(_, meaning)| *meaning)
                    .ok_or_else(expected)
            })
            .collect()
    }

    /// Refuses a field that asks for something that is not built here: it must be absent, null, or one of `neutral`.
    pub(crate) fn unsupported_unless(&self, field: &str, neutral: &[Value]) -> Result<(), ConfigError> {
        match self.get(field) {
            None => Ok(()),
            Some(value)
                if neutral
                    .iter()
                    .any(|allowed| allowed == value || (allowed.is_number() && allowed.as_f64() == value.as_f64())) =>
            {
                Ok(())
            }
            Some(_) => {
                let allowed: Vec<String> = neutral.iter().map(Value::to_string).chain(["absent".to_owned()]).collect();
                Err(self.wrong(field, format!("{}: nothing else is supported yet", allowed.join(" or "))))
            }
        }
    }
}

fn as_count(value: &Value, max: usize) -> Option<usize> {
    let number = value.as_u64().and_then(|number| usize::try_from(number).ok())?;
    (1..=max).contains(&number).then_some(number)
}

fn one_of<T>(choices: &[(&str, T)]) -> String {
    let names: Vec<String> = choices.iter().map(|(name, _)| format!("\"{name}\"")).collect();
    names.join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_names_the_field_its_value_and_what_could_be_used() {
        let fields =
            Fields::parse(r#"{"act": "mish", "channels": -3, "heads": [8, "x"], "list": [1, 2], "rate": "fast"}"#)
                .unwrap();
        let choice = fields.choice("act", &[("silu", 1), ("gelu", 2)], None).unwrap_err();
        assert_eq!(choice.to_string(), r#"the field `act` is "mish", but must be "silu" or "gelu""#);
        let count = fields.count("channels", 100, None).unwrap_err();
        assert_eq!(count.to_string(), "the field `channels` is -3, but must be a whole number between 1 and 100");
        assert_eq!(fields.count("absent", 100, None).unwrap_err(), ConfigError::Missing("absent".into()));
        assert!(fields.counts("heads", 100).unwrap_err().to_string().contains(r#"`heads` is [8,"x"]"#));
        assert!(fields.count_per_block("list", 100, 3).unwrap_err().to_string().contains("a list of 3 numbers"));
        assert!(fields.number("rate", None).unwrap_err().to_string().contains("a number"));
    }

    #[test]
    fn what_is_not_json_is_refused() {
        assert!(matches!(Fields::parse("{"), Err(ConfigError::Json(_))));
        assert!(matches!(Fields::parse("[1]"), Err(ConfigError::NotAnObject)));
    }
}
