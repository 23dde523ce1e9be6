//! The model file: one safetensors file that holds the parameters as tensors and everything else as a JSON description in the metadata.
//!
//! | part of the file | content |
//! |---|---|
//! | tensors `generator.…`, `classifier.…`, `latent_classifier.…`, `refiner.…`, `surrogate.…` | the parameters of the networks, named and shaped as [`super::Flow::parameters`], [`super::Classifier::tensors`] and [`super::Mlp::parameters`] say, `F32` or `F64` as the model's dtype; `generator.module`, `U8`, a TorchScript module |
//! | metadata key `laser` | JSON: `format_version`, `library` (the version that wrote the file), `sha256` (of this JSON, with 64 zeros in its own place, followed by all bytes after the safetensors header; in 64 lowercase hexadecimal digits), `latent_dim`, `event_dim`, `condition_dim`, and `model`, the serialised [`Model`] |
//!
//! Equal models give equal bytes. Reading trusts nothing: sizes are compared with the length of the file, and the tensors with the
//! description, before memory is taken for them. The checksum finds damage that would still read as numbers.

mod tensors;

use super::{GeneratorKind, Map, Mlp, Model};
use crate::aside::{require_file, Aside};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use tensors::header_end;
pub(crate) use tensors::{invalid, Header, StoredTensors, TensorWriter};

/// The version of the model file that this library writes, and the newest that it reads.
pub const FORMAT_VERSION: u32 = 1;

/// The tensor that holds a TorchScript module.
const MODULE: &str = "generator.module";

/// No file may describe more linear layers: bounds the list of tensors that a short description can ask for.
const MAX_LAYERS: usize = 1 << 16;

/// No model file is longer: four networks of the greatest size, the header and its length.
const MAX_FILE: u64 = 4 * 8 * super::MAX_PARAMETERS as u64 + tensors::MAX_HEADER as u64 + 8;

/// What every version of the description says about itself.
#[derive(Deserialize)]
struct Version {
    format_version: u64,
    #[serde(default)]
    library: String,
}

/// The JSON in the metadata; `M` is `&Model` to write and `Model` to read.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description<M> {
    format_version: u32,
    library: String,
    sha256: String,
    latent_dim: usize,
    event_dim: usize,
    condition_dim: usize,
    model: M,
}

impl Model {
    /// The model as the bytes of a model file. [`Model::from_bytes`] accepts them: that is tried before they are returned.
    ///
    /// Parameters of a [`super::Dtype::Float32`] model are rounded to `f32`; those that training made are `f32` values already, so they and
    /// all numbers of the description come back bit for bit. Takes `&self` only, so threads may save one model at once.
    ///
    /// # Errors
    /// [`Error::Format`] if the description does not [`validate`](Model::validate), if a parameter is not finite
    /// (in the model's dtype), if the record is nested too deeply to be read back, or if a network has too many or too few parameters.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        self.validate()?;
        let mut writer = TensorWriter::new(self.dtype);
        let generator = &self.generator;
        writer.add(generator.tensors("generator."), &generator.parameters)?;
        if let GeneratorKind::Script { .. } = generator.kind {
            writer.add_bytes(MODULE, &generator.module);
        }
        if let Some(classifier) = &self.classifier {
            let tensors = classifier.tensors("classifier.");
            writer.add(tensors, &classifier.parameters)?;
        }
        if let Some(classifier) = &self.latent_classifier {
            let tensors = classifier.tensors("latent_classifier.");
            writer.add(tensors, &classifier.parameters)?;
        }
        if let Some(refiner) = self.refinement.as_ref().and_then(|r| r.refiner.as_ref()) {
            writer.add(refiner.tensors("refiner."), &refiner.parameters)?;
        }
        if let Some(classifier) = self.surrogate().map(|s| &s.classifier) {
            let tensors = classifier.tensors("surrogate.");
            writer.add(tensors, &classifier.parameters)?;
        }
        let bytes = writer.sealed(|sha256| Description {
            format_version: FORMAT_VERSION,
            library: env!("CARGO_PKG_VERSION").into(),
            sha256,
            latent_dim: generator.latent_dim(),
            event_dim: generator.event_dim(),
            condition_dim: generator.condition_dim(),
            model: self,
        })?;
        Model::from_bytes(&bytes)?;
        Ok(bytes)
    }

    /// Writes the model to the file `path`, which appears complete or not at all: the bytes go to a temporary file in the same directory,
    /// which is synchronised and renamed. Until then an existing file stays as it is, whatever fails. The new file has the permissions of
    /// the existing one, or of any newly created one; a symbolic link at `path` is replaced. Where the file system has files without a name
    /// (ext4, xfs, btrfs, tmpfs; not NFS), nothing is left of a save that a signal ends; elsewhere a file `.laser-…` may be.
    ///
    /// # Errors
    /// Those of [`Model::to_bytes`]; [`Error::Io`] if the file cannot be written, or if `path` is something else than a file.
    pub fn save(&self, path: &Path) -> Result<()> {
        let bytes = self.to_bytes()?;
        write_atomically(path, &bytes).map_err(io_error(path))
    }

    /// Reads a model from the bytes of a model file. Memory is bounded by a multiple of their number.
    ///
    /// # Errors
    /// [`Error::Format`] naming what is wrong: no safetensors file, no or an invalid description, an unknown format version, a missing,
    /// unknown or misshapen tensor, a wrong checksum, a parameter that is not finite.
    pub fn from_bytes(bytes: &[u8]) -> Result<Model> {
        Model::from_stored(StoredTensors::parse(bytes)?)
    }

    fn from_stored(mut stored: StoredTensors) -> Result<Model> {
        let (mut model, sha256) = read_description(stored.description()?)?;
        stored.unseal(&sha256)?;

        let dtype = model.dtype;
        let tensors = model.generator.tensors("generator.");
        model.generator.parameters = stored.take(&tensors, dtype)?.into();
        if let GeneratorKind::Script { bytes, .. } = model.generator.kind {
            model.generator.module = stored.take_bytes(MODULE, bytes)?.into();
        }
        if let Some(classifier) = &mut model.classifier {
            let tensors = classifier.tensors("classifier.");
            classifier.parameters = stored.take(&tensors, dtype)?.into();
        }
        if let Some(classifier) = &mut model.latent_classifier {
            let tensors = classifier.tensors("latent_classifier.");
            classifier.parameters = stored.take(&tensors, dtype)?.into();
        }
        if let Some(refiner) = model.refinement.as_mut().and_then(|r| r.refiner.as_mut()) {
            let tensors = refiner.tensors("refiner.");
            refiner.parameters = stored.take(&tensors, dtype)?.into();
        }
        let refinement = model.refinement.as_mut();
        if let Some(surrogate) = refinement.and_then(|r| r.surrogate.as_mut()) {
            let tensors = surrogate.classifier.tensors("surrogate.");
            surrogate.classifier.parameters = stored.take(&tensors, dtype)?.into();
        }
        stored.finish()?;
        Ok(model)
    }

    /// Reads a model from the file `path`.
    ///
    /// # Errors
    /// [`Error::Io`] if there is no file that can be read; [`Error::Format`] as [`Model::from_bytes`], with the path.
    pub fn load(path: &Path) -> Result<Model> {
        let read = || {
            let (header, data) = read_file(path, MAX_FILE)?;
            Model::from_stored(StoredTensors::new(header, &data))
        };
        read().map_err(|error| match error {
            Error::Format(what) => Error::Format(format!("{}: {what}", path.display())),
            other => other,
        })
    }
}

/// How the description of a checkpoint begins.
const CHECKPOINT: &str = r#"{"checkpoint":"#;

/// No description is nested deeper, so that reading one needs little of a thread's stack. What the library writes has a third of it.
const DEEPEST: usize = 32;

/// How deep lists and objects of a JSON text lie in each other.
fn depth(json: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut quoted, mut escaped) = (false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            _ if quoted => (),
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => (),
        }
    }
    deepest
}

/// Parses and checks the description: the model, whose parameters stay empty, and the SHA-256 that it says.
fn read_description(json: &str) -> Result<(Model, String)> {
    if depth(json) > DEEPEST {
        return Err(invalid(format!(
            "its description is nested deeper than {DEEPEST} lists and objects"
        )));
    }
    let broken = |error| invalid(format!("its description: {error}"));
    if json.starts_with(CHECKPOINT) {
        return Err(invalid("it is the checkpoint of a training that is not done; the call that wrote it, made again, goes on from it and makes the model"));
    }
    let version: Version = serde_json::from_str(json).map_err(broken)?;
    if version.format_version > u64::from(FORMAT_VERSION) {
        return Err(invalid(format!(
            "it was written by liblaser {} in format version {}; liblaser {} reads versions up to {FORMAT_VERSION}",
            version.library,
            version.format_version,
            env!("CARGO_PKG_VERSION")
        )));
    }
    if version.format_version < u64::from(FORMAT_VERSION) {
        return Err(invalid(format!(
            "there is no format version {}",
            version.format_version
        )));
    }
    let description: Description<Model> = serde_json::from_str(json).map_err(broken)?;
    let sha256 = description.sha256;
    if sha256.len() != 64
        || !sha256
            .bytes()
            .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    {
        return Err(invalid(format!(
            "its description: sha256 is `{sha256}`, not 64 lowercase hexadecimal digits"
        )));
    }
    let model = description.model;
    model.validate()?;
    let generator = &model.generator;
    for (name, stated, actual) in [
        ("latent_dim", description.latent_dim, generator.latent_dim()),
        ("event_dim", description.event_dim, generator.event_dim()),
        (
            "condition_dim",
            description.condition_dim,
            generator.condition_dim(),
        ),
    ] {
        if stated != actual {
            return Err(invalid(format!(
                "{name} is {stated}, but the generator has {actual}"
            )));
        }
    }
    let layers = layer_count(&model);
    if layers > MAX_LAYERS {
        return Err(invalid(format!(
            "its networks have {layers} layers together, more than {MAX_LAYERS}"
        )));
    }
    Ok((model, sha256))
}

/// The linear layers of all networks.
fn layer_count(model: &Model) -> usize {
    let layers = |network: &Mlp| network.layers().count();
    let classifiers = model
        .classifiers()
        .map(|c| layers(&c.network).saturating_mul(c.members));
    let refiners = model.refinement.iter().filter_map(|r| r.refiner.as_ref());
    let maps = model.generator.maps().iter();
    let maps = maps.chain(refiners.map(|r| &r.map)).map(Map::layers);
    maps.chain(classifiers).fold(0, usize::saturating_add)
}

/// What other kinds of files are known by lies within so many bytes.
const START: u64 = 256;

/// Header and data of a file of at most so many bytes. The data are read if the header is right, and says that there are so many.
pub(crate) fn read_file(path: &Path, most: u64) -> Result<(Header, Vec<u8>)> {
    let failed = || io_error(path);
    // Before opening: a pipe would block.
    let metadata = fs::metadata(path).map_err(failed())?;
    require_file(&metadata).map_err(failed())?;
    let mut file = fs::File::open(path).map_err(failed())?;
    // Of what was opened: another may have taken its place meanwhile.
    let metadata = file.metadata().map_err(failed())?;
    let length = require_file(&metadata).map_err(failed())?.len();
    if length > most {
        let what = format!("{length} bytes are more than a file of its kind can have");
        let error = io::Error::new(io::ErrorKind::FileTooLarge, what);
        return Err(io_error(path)(error));
    }
    let mut read = |bytes: &mut Vec<u8>, count: u64| -> Result<()> {
        // The length is the file system's word: without that much memory this is an error, not an abort.
        let room = bytes.try_reserve_exact(count as usize);
        let read = room.map_err(io::Error::from);
        let read = read.and_then(|()| (&mut file).take(count).read_to_end(bytes));
        read.map(drop).map_err(failed())
    };
    let mut start = Vec::new();
    read(&mut start, START.min(length))?;
    let end = header_end(&start, length)?;
    let rest = (end as u64).saturating_sub(start.len() as u64);
    read(&mut start, rest)?;
    let mut data = start.split_off(end.min(start.len()));
    let header = Header::parse(&start[8..], length - end as u64)?;
    let rest = length - end as u64 - data.len() as u64;
    read(&mut data, rest)?;
    if data.len() as u64 != length - end as u64 {
        return Err(invalid("it has become shorter while it was read"));
    }
    Ok((header, data))
}

fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = Aside::new(path)?;
    file.write_all(bytes)?;
    file.finish()
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> Error + '_ {
    |source| Error::Io {
        path: path.into(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_from_the_file_cannot_flood_or_garble_a_message() {
        let Error::Format(message) = invalid(format!("tensor `{}`\0", "x".repeat(1_000_000)))
        else {
            panic!("another kind of error");
        };
        assert!(
            message.starts_with("tensor `xxx") && message.ends_with("x…") && message.len() < 410
        );
        assert!(invalid("a\0b\u{1b}[2Jµ")
            .to_string()
            .ends_with("a\\u{0}b\\u{1b}[2Jµ"));
    }

    #[test]
    fn brackets_are_counted_where_they_are_json() {
        for (json, deep) in [
            ("1", 0),
            ("[]", 1),
            (r#"{"a":[1,{"b":[]}],"c":{}}"#, 4),
            (r#"{"[[[":"{{\"[[\\"}"#, 1),
            ("]]]][[", 2),
        ] {
            assert_eq!(depth(json), deep, "{json}");
        }
    }

    #[test]
    fn the_version_is_judged_before_the_rest() {
        let read = |json: &str| read_description(json).unwrap_err().to_string();
        let newer = read(r#"{"format_version": 2, "library": "9.1.0", "unheard": "of"}"#);
        assert!(
            newer.contains("written by liblaser 9.1.0 in format version 2"),
            "{newer}"
        );
        assert!(read(r#"{"format_version": 0}"#).contains("no format version 0"));
        assert!(read(r#"{"format_version": -1}"#).contains("invalid value"));
        assert!(read(r#"{"library": "0.1.0"}"#).contains("missing field `format_version`"));
        assert!(read(r#"{"format_version": 1}"#).contains("missing field"));
    }
}
