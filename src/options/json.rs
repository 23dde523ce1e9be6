//! Options from JSON text and back.

use std::collections::BTreeMap;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};

use super::key::Given;
use super::keys;
use super::{find, is_group, Options, Value};
use crate::error::{Error, Result};

/// What a JSON text sets, each key at most once.
#[derive(Default)]
struct Settings {
    preset: Option<Options>,
    values: BTreeMap<&'static str, Value>,
    /// Why the text was refused, where JSON itself has no objection.
    refused: Option<Error>,
}

impl Settings {
    fn add(&mut self, name: &str, given: Given) -> Result<()> {
        let twice = match (name, given) {
            ("preset", Given::Text(preset)) => {
                self.preset.replace(Options::preset(preset)?).is_some()
            }
            ("preset", other) => {
                return Err(Error::InvalidArgument(format!(
                    "`preset` takes the name of a preset, not {other}"
                )))
            }
            (_, given) => {
                let key = find(name)?;
                self.values.insert(key.name(), key.check(given)?).is_some()
            }
        };
        if twice {
            return Err(Error::InvalidArgument(format!(
                "option `{name}` is given twice"
            )));
        }
        Ok(())
    }
}

/// Reads the JSON value of `name`, or of the whole text where `name` is empty. Unknown names end the reading at once,
/// so that neither depth nor length of a text costs more than reading it.
struct Node<'s> {
    name: String,
    settings: &'s mut Settings,
}

impl Node<'_> {
    /// Takes a value. The error itself is kept aside, since a JSON error holds nothing but text.
    fn leaf<E: serde::de::Error>(self, given: Given) -> std::result::Result<(), E> {
        let added = if self.name.is_empty() {
            Err(Error::InvalidArgument(format!(
                "options are a JSON object, not {given}"
            )))
        } else {
            self.settings.add(&self.name, given)
        };
        added.map_err(|e| {
            self.settings.refused = Some(e);
            E::custom("refused")
        })
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = ();
    fn deserialize<D: serde::Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> std::result::Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("options")
    }
    fn visit_bool<E: serde::de::Error>(self, v: bool) -> std::result::Result<(), E> {
        self.leaf(Given::Other(if v { "true" } else { "false" }))
    }
    fn visit_unit<E: serde::de::Error>(self) -> std::result::Result<(), E> {
        self.leaf(Given::Other("null"))
    }
    fn visit_i64<E: serde::de::Error>(self, v: i64) -> std::result::Result<(), E> {
        self.leaf(Given::Int(v.into()))
    }
    fn visit_u64<E: serde::de::Error>(self, v: u64) -> std::result::Result<(), E> {
        self.leaf(Given::Int(v.into()))
    }
    fn visit_f64<E: serde::de::Error>(self, v: f64) -> std::result::Result<(), E> {
        self.leaf(Given::Float(v))
    }
    fn visit_str<E: serde::de::Error>(self, v: &str) -> std::result::Result<(), E> {
        self.leaf(Given::Text(v))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> std::result::Result<(), A::Error> {
        self.leaf(Given::Other("a list"))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<(), A::Error> {
        if self.name == keys::FEATURES_SCALING.name() {
            let by_name: BTreeMap<String, String> =
                BTreeMap::deserialize(MapAccessDeserializer::new(map))?;
            let items: Vec<String> = by_name.iter().map(|(k, v)| format!("{k} = {v}")).collect();
            return self.leaf(Given::Text(&items.join(", ")));
        }
        if !self.name.is_empty() && !is_group(&self.name) {
            return self.leaf(Given::Other("an object"));
        }
        let Node { name, settings } = self;
        while let Some(member) = map.next_key::<String>()? {
            let name = if name.is_empty() {
                member
            } else {
                format!("{name}.{member}")
            };
            if name.is_empty() {
                return Err(A::Error::custom("a key is empty"));
            }
            map.next_value_seed(Node { name, settings })?;
        }
        Ok(())
    }
}

/// See [`Options::from_json`].
pub(super) fn read(text: &str) -> Result<Options> {
    let mut settings = Settings::default();
    let mut json = serde_json::Deserializer::from_str(text);
    let node = Node {
        name: String::new(),
        settings: &mut settings,
    };
    let read = node.deserialize(&mut json).and_then(|()| json.end());
    if let Some(refused) = settings.refused {
        return Err(refused);
    }
    read.map_err(|e| Error::InvalidArgument(format!("options are not valid JSON: {e}")))?;

    let mut options = settings.preset.unwrap_or_default();
    options.values.extend(settings.values);
    Ok(options)
}

/// See [`Options::to_json`].
pub(super) fn write(options: &Options) -> String {
    let mut root = serde_json::Map::new();
    root.insert("preset".into(), options.preset.name().into());
    for key in super::keys::table() {
        let value = match options.values.get(key.name()) {
            Some(Value::Int(v)) => (*v).into(),
            Some(Value::Float(v)) => (*v).into(),
            Some(Value::Text(v)) => v.as_str().into(),
            None => continue,
        };
        insert(&mut root, key.name(), value);
    }
    format!("{:#}", serde_json::Value::Object(root))
}

fn insert(
    object: &mut serde_json::Map<String, serde_json::Value>,
    name: &str,
    value: serde_json::Value,
) {
    match name.split_once('.') {
        None => {
            object.insert(name.into(), value);
        }
        Some((group, rest)) => {
            let inner = object
                .entry(group)
                .or_insert_with(|| serde_json::Map::new().into());
            if let Some(inner) = inner.as_object_mut() {
                insert(inner, rest, value);
            }
        }
    }
}
