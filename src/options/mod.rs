//! Options: everything that can be set, with typed keys, defaults and presets.
//!
//! Inside the library a value is read through its key, which knows its type:
//! `options.get(keys::FLOW_BLOCKS)`. Hosts go by name, and mistakes are answered with what would be right.
//!
//! ```
//! use laser::options::{keys, Options};
//! let mut options = Options::from_json(r#"{"preset": "fast", "flow": {"blocks": 20}, "flow.units": 60}"#)?;
//! options.set_f64("classifier.lr", 2e-3)?;
//! assert_eq!(options.get(keys::FLOW_BLOCKS), 20);
//! assert_eq!(options.get(keys::CLASSIFIER_TRAINING.lr), 2e-3);
//! assert_eq!(options.set_i64("flow.bloks", 3).unwrap_err().to_string(),
//!            "unknown option `flow.bloks`; did you mean `flow.blocks` or `refiner_flow.blocks`?");
//! # Ok::<(), laser::Error>(())
//! ```

pub mod choices;
mod json;
mod key;
pub mod keys;
mod near;

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use key::{clip, Given, Row};
pub use key::{Choice, Interval, Key, Kind, Value};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Preset {
    Paper,
    Fast,
}

impl Preset {
    fn name(self) -> &'static str {
        match self {
            Preset::Paper => "paper",
            Preset::Fast => "fast",
        }
    }
}

/// The settings of training, refining and sampling: a value for every key of [`keys`], always within its range.
///
/// A failing call leaves the options as they were.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    preset: Preset,
    /// One entry for each key of the table.
    values: BTreeMap<&'static str, Value>,
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

impl Options {
    /// The defaults: the preset `paper`.
    pub fn new() -> Self {
        Self::from_preset(Preset::Paper)
    }

    /// The preset `name`: `paper` (the settings of the paper's text), its synonym `default`, or `fast` (the same
    /// architectures, with schedules for a few minutes on two cores).
    ///
    /// Errors: [`Error::InvalidArgument`] for another name.
    pub fn preset(name: &str) -> Result<Self> {
        match name {
            "default" | "paper" => Ok(Self::from_preset(Preset::Paper)),
            "fast" => Ok(Self::from_preset(Preset::Fast)),
            _ => Err(Error::InvalidArgument(format!(
                "no preset {:?}; there are `default`, `paper` and `fast`",
                clip(name)
            ))),
        }
    }

    fn from_preset(preset: Preset) -> Self {
        let value = |key: &dyn Row| {
            let [paper, fast] = key.presets();
            match preset {
                Preset::Paper => paper,
                Preset::Fast => fast,
            }
        };
        Options {
            preset,
            values: keys::table().map(|key| (key.name(), value(key))).collect(),
        }
    }

    /// Options from a JSON object: keys nested, `{"flow": {"blocks": 12}}`, or dotted, `{"flow.blocks": 12}`.
    /// `"preset"` names the preset that the other keys then change, wherever it stands; without it, the defaults.
    ///
    /// Errors: [`Error::UnknownOption`] with near misses; [`Error::InvalidArgument`] for text that is not JSON, values of
    /// the wrong kind or out of range, and a key given twice in whatever spelling.
    pub fn from_json(text: &str) -> Result<Self> {
        json::read(text)
    }

    /// All keys with their values, defaults included, as a nested JSON object; [`Options::from_json`] reads it back
    /// to equal options.
    pub fn to_json(&self) -> String {
        json::write(self)
    }

    /// The value of `key`. Text is borrowed from these options.
    pub fn get<T: Kind>(&self, key: Key<T>) -> T::Read<'_> {
        key.read(self.values.get(key.name()))
    }

    /// The keys whose values are not those of the preset.
    pub fn changed(&self) -> Vec<&'static str> {
        self.different(&Self::from_preset(self.preset))
    }

    /// The keys whose values are not those of `other`.
    pub fn different(&self, other: &Options) -> Vec<&'static str> {
        let pairs = self.values.iter().zip(&other.values);
        let different = pairs.filter(|(own, other)| own != other);
        different.map(|((name, _), _)| *name).collect()
    }

    /// Sets an integer key, or a floating-point key to an integer.
    ///
    /// Errors: [`Error::UnknownOption`]; [`Error::InvalidArgument`] for a text key or a value out of range.
    pub fn set_i64(&mut self, key: &str, value: i64) -> Result<()> {
        self.set(key, Given::Int(value.into()))
    }

    /// Sets a floating-point key; NaN and infinities are refused.
    ///
    /// Errors: [`Error::UnknownOption`]; [`Error::InvalidArgument`] for a key of another kind (integers included:
    /// they have [`Options::set_i64`]) or a value out of range.
    pub fn set_f64(&mut self, key: &str, value: f64) -> Result<()> {
        self.set(key, Given::Float(value))
    }

    /// Sets a text key, be it a choice or free text.
    ///
    /// Errors: [`Error::UnknownOption`]; [`Error::InvalidArgument`] for a key of another kind or an unknown choice.
    pub fn set_str(&mut self, key: &str, value: &str) -> Result<()> {
        self.set(key, Given::Text(value))
    }

    fn set(&mut self, name: &str, given: Given) -> Result<()> {
        let key = find(name)?;
        self.values.insert(key.name(), key.check(given)?);
        Ok(())
    }

    /// The value of an integer key.
    ///
    /// Errors: [`Error::UnknownOption`]; [`Error::InvalidArgument`] for a key of another kind.
    pub fn get_i64(&self, key: &str) -> Result<i64> {
        self.get_by_name(key, Value::int)
    }

    /// The value of a floating-point key.
    ///
    /// Errors: [`Error::UnknownOption`]; [`Error::InvalidArgument`] for a key of another kind, integers included.
    pub fn get_f64(&self, key: &str) -> Result<f64> {
        self.get_by_name(key, Value::float)
    }

    /// The value of a text key.
    ///
    /// Errors: [`Error::UnknownOption`]; [`Error::InvalidArgument`] for a key of another kind.
    pub fn get_str(&self, key: &str) -> Result<&str> {
        self.get_by_name(key, Value::text)
    }

    fn get_by_name<'a, T>(&'a self, name: &str, read: fn(&'a Value) -> Option<T>) -> Result<T> {
        let key = find(name)?;
        self.values.get(key.name()).and_then(read).ok_or_else(|| {
            Error::InvalidArgument(format!(
                "option `{name}` holds {}; read it as {}",
                key.allowed(),
                key.kind()
            ))
        })
    }
}

/// The key called `name`.
fn find(name: &str) -> Result<&'static dyn Row> {
    if let Some(key) = keys::table().find(|key| key.name() == name) {
        return Ok(key);
    }
    if name == "preset" {
        return Err(Error::InvalidArgument(
            "`preset` is chosen when options are made, by name or as a JSON member; it is not an option to set or get"
                .into(),
        ));
    }
    Err(Error::UnknownOption {
        key: clip(name),
        near: near::misses(name),
    })
}

/// Whether keys begin with `name` and a dot.
fn is_group(name: &str) -> bool {
    keys::table().any(|key| {
        key.name()
            .strip_prefix(name)
            .is_some_and(|rest| rest.starts_with('.'))
    })
}

/// All keys as a Markdown table: key, kind and range, default, value in the preset `fast`, meaning.
pub fn documentation() -> String {
    let mut table = String::from(
        "| key | takes | default | `fast` | meaning |\n| --- | --- | --- | --- | --- |\n",
    );
    for key in keys::table() {
        let [default, fast] = key.presets().map(|value| format!("`{value}`"));
        let fast = if fast == default { "" } else { &fast };
        table += &format!(
            "| `{}` | {} | {default} | {fast} | {} |\n",
            key.name(),
            key.allowed(),
            key.doc()
        );
    }
    table
}

#[cfg(test)]
mod tests;
