//! The configuration of `laser refine`: a JSON file.

use crate::failure::{Failure, Result};
use crate::particle::features::Features;
use laser::aside::require_file;
use laser::model::Model;
use laser::options::{keys, Options};
use laser::table::Table;
use serde::de::{Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The configuration file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The target.
    pub events: PathBuf,
    /// Which column is the weight.
    #[serde(default)]
    pub weights_column: WeightsColumn,
    /// Of events that are particles.
    #[serde(default, deserialize_with = "features")]
    pub features: Option<Features>,
    /// What is to be refined.
    pub generator: Option<PathBuf>,
    /// To be written.
    pub model: PathBuf,
    options: Option<Box<RawValue>>,
}

/// Which column holds the weights.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "`weights_column` is true (the last), false (none), or the name or the number, from 0, of a column"
)]
pub enum WeightsColumn {
    /// The last or none.
    Last(bool),
    /// That of the name.
    Named(String),
    /// That of the number, from 0.
    Numbered(u64),
}

impl Default for WeightsColumn {
    fn default() -> Self {
        WeightsColumn::Last(false)
    }
}

/// No configuration is longer.
const LONGEST: u64 = 1 << 24;

const KEYS: [&str; 6] = [
    "events",
    "weights_column",
    "features",
    "generator",
    "model",
    "options",
];

/// What of the particles counts, in text.
fn features<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<Features>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    let features = text.map(|text| text.parse());
    let features = features.transpose();
    features.map_err(|e: String| D::Error::custom(format!("features: {e}")))
}

impl Config {
    /// Reads the file `path`.
    pub fn read(path: &Path) -> Result<Self> {
        Config::parse(path, &bytes_of(path)?)
    }

    /// What the file `path` holds.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self> {
        let text = text_of(path, bytes, "refine")?;
        let invalid = |e: serde_json::Error| {
            Failure::of(
                path,
                format!("no valid configuration: {e}; `laser refine --help` shows one"),
            )
        };
        let keys: BTreeMap<String, IgnoredAny> = serde_json::from_str(text).map_err(invalid)?;
        if let Some(unknown) = keys.keys().find(|key| !KEYS.contains(&key.as_str())) {
            return Err(Failure::of(path, unknown_key(unknown)));
        }
        serde_json::from_str(text).map_err(invalid)
    }

    /// The library's options. `path` is for messages.
    pub fn options(&self, path: &Path) -> Result<Options> {
        options_of(self.options.as_deref(), path)
    }
}

/// The library's options, of a configuration of trainings. `path` is for messages.
pub fn options_of(json: Option<&RawValue>, path: &Path) -> Result<Options> {
    let options = json.map_or("{}", RawValue::get);
    let wrong = |what: &dyn Display| Failure::of(path, format!("options: {what}"));
    let options = Options::from_json(options).map_err(|e| wrong(&e))?;
    if options.get(keys::SAMPLER_METHOD).is_some() {
        return Err(wrong(&"`sampler.method` is how a sampler draws events, as `laser sample --method` does; the method that the model is refined for is `refiner.method`"));
    }
    if options.get(keys::SAMPLER_THREADS) != 1 {
        return Err(wrong(&"`sampler.threads` is for samplers, as `laser sample --threads` is; the trainings have `threads`"));
    }
    if !options.get(keys::SOURCE_WEIGHT).is_empty() {
        return Err(wrong(&"the weights of `events` are named by `weights_column`, beside `options`, and not by `source.weight`"));
    }
    Ok(options)
}

/// What the configuration file `path` holds, if it is not too long to be one.
pub fn bytes_of(path: &Path) -> Result<Vec<u8>> {
    let read = || {
        require_file(&fs::metadata(path)?)?;
        let mut bytes = Vec::new();
        let file = fs::File::open(path)?;
        file.take(LONGEST + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|e: io::Error| Failure::of(path, e))
}

/// The text of a configuration file of a command.
pub fn text_of<'b>(path: &Path, bytes: &'b [u8], command: &str) -> Result<&'b str> {
    match str::from_utf8(bytes) {
        Ok(text) if text.len() as u64 <= LONGEST => Ok(text),
        _ => Err(Failure::of(path, no_text(path, command))),
    }
}

/// What to say about a configuration that is none.
fn no_text(path: &Path, command: &str) -> String {
    let what = if Model::load(path).is_ok() {
        "a model; `laser info` and `laser sample` take it, or `generator` in a configuration names it"
    } else if Table::open(path).is_ok() {
        "an array of NumPy; `laser score` takes it, or `events` in a configuration names it"
    } else {
        "no text"
    };
    format!("this is {what}; `laser {command} --help` shows a configuration")
}

/// What to say about a key that there is not.
fn unknown_key(unknown: &str) -> String {
    let alike = |key: &&str| strsim::normalized_damerau_levenshtein(unknown, key);
    let nearest = KEYS.iter().max_by(|a, b| alike(a).total_cmp(&alike(b)));
    // As near as the library takes for a mistyped option.
    match nearest.filter(|key| alike(key) >= 0.6) {
        Some(key) => format!("unknown key `{unknown}`; did you mean `{key}`?"),
        None => format!(
            "unknown key `{unknown}`; there are `{}`, and liblaser's options go under `options`",
            KEYS.join("`, `")
        ),
    }
}
