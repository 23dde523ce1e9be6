//! Checkpoints: a file from which a call that was stopped, or killed, goes on to the same bits.
//!
//! A call does its trainings one after the other, and all between them is a function of seed, options and events. So a checkpoint keeps what
//! every training came to and where the last one stands, and a call that goes on is the same call again, whose trainings take from the file
//! what they find there.
//!
//! The file is one of safetensors, as a model's: in the metadata key `laser` a JSON description with its checksum, and tensors `U8` that hold
//! the numbers of the networks, little-endian, in the precision of the training.

use super::ranks::{checksum, Ranks};
use crate::aside::Aside;
use crate::model::container::{self, StoredTensors, TensorWriter};
use crate::model::Real;
use crate::options::Options;
use crate::room::{self, Gather, Grow};
use crate::{Error, Result};
use parking_lot::{Mutex, MutexGuard};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// The version of checkpoint files that this library writes, and the only one that it reads: a checkpoint is of one version of the library.
const FORMAT_VERSION: u32 = 1;

/// Where and how often a training is kept, and where it goes on from. One file serves one job: a generator's training, the refinement that
/// follows it, and another refiner.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    every: Duration,
    steps: u64,
    /// Held by the call that uses the file.
    user: Mutex<()>,
}

impl Checkpoint {
    /// In the file `path`, every so many seconds and, unless `steps` is 0, every so many updates; besides, at the end of every training, and
    /// when a call is stopped.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if `seconds` is not a positive number.
    pub fn new(path: &Path, seconds: f64, steps: u64) -> Result<Self> {
        let every = Duration::try_from_secs_f64(seconds)
            .ok()
            .filter(|every| !every.is_zero());
        let every = every.ok_or_else(|| {
            Error::InvalidArgument(format!(
                "a checkpoint every {seconds} seconds: it must be a positive number, as 60"
            ))
        })?;
        Ok(Checkpoint {
            path: path.into(),
            every,
            steps,
            user: Mutex::new(()),
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Begins a call, or goes on with it if the file has it.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] naming the difference, if the file's call was another; [`Error::Format`] for a file that is no checkpoint
    /// of this version, [`Error::Io`] for one that cannot be read; [`Error::Busy`] while another call uses it.
    pub(crate) fn open(
        &self,
        call: &'static str,
        identity: Identity,
        ranks: Option<&Arc<Ranks>>,
    ) -> Result<Journal<'_>> {
        let user = self.user.try_lock().ok_or(Error::Busy("checkpoint"))?;
        let mut calls = Vec::new();
        let there = self.path.try_exists().map_err(|source| Error::Io {
            path: self.path.clone(),
            source,
        })?;
        if there {
            calls = read(&self.path)?;
        }
        if let Some(ranks) = ranks {
            let json = serde_json::to_vec(&calls).map_err(container::invalid)?;
            let json: Vec<f64> = json.into_iter().map(f64::from).collect();
            ranks.agree(checksum(&json), "checkpoint file; all must see the same")?;
        }
        let number = match calls.iter().position(|c| c.call == call) {
            Some(number) => {
                if let Some(difference) = calls[number].identity.difference(&identity) {
                    return Err(self.refused(&difference));
                }
                number
            }
            None => {
                calls.push(Call {
                    call: call.into(),
                    identity,
                    start: None,
                    trainings: Vec::new(),
                });
                calls.len() - 1
            }
        };
        Ok(Journal {
            checkpoint: self,
            writes: ranks.is_none_or(|ranks| ranks.first()),
            state: RefCell::new(State {
                calls,
                number,
                begun: 0,
                written: Instant::now(),
                failed: false,
                seen: Stamp::of(&self.path),
            }),
            _user: user,
        })
    }

    fn refused(&self, difference: &str) -> Error {
        Error::InvalidArgument(format!(
            "the checkpoint {} is of something else: {difference}. Go on with what it is of, or remove it to begin anew",
            self.path.display()
        ))
    }
}

/// What a call was asked to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Identity {
    pub library: String,
    /// As JSON.
    pub options: String,
    /// Whatever else the result depends on: its name, and a number or a checksum of it.
    pub of: Vec<(String, String)>,
}

impl Identity {
    /// How another differs, in words.
    fn difference(&self, now: &Identity) -> Option<String> {
        if self.library != now.library {
            return Some(format!(
                "liblaser {} wrote it, this is {}",
                self.library, now.library
            ));
        }
        let (kept, asked) = (
            Options::from_json(&self.options),
            Options::from_json(&now.options),
        );
        let (Ok(kept), Ok(asked)) = (kept, asked) else {
            return Some("its options cannot be read".into());
        };
        if let Some(key) = kept.different(&asked).first() {
            let value = |options: &Options| {
                let json: Option<serde_json::Value> = serde_json::from_str(&options.to_json()).ok();
                let at = format!("/{}", key.replace('.', "/"));
                json.and_then(|json| json.pointer(&at).map(ToString::to_string))
                    .unwrap_or_default()
            };
            return Some(format!(
                "its `{key}` is {}, not {}",
                value(&kept),
                value(&asked)
            ));
        }
        let named = |of: &[(String, String)], name: &str| {
            of.iter()
                .find(|(n, _)| n == name)
                .map_or_else(|| "none".to_owned(), |(_, value)| value.clone())
        };
        let names = self.of.iter().chain(&now.of);
        names
            .map(|(name, _)| (name, named(&self.of, name), named(&now.of, name)))
            .find(|(_, kept, asked)| kept != asked)
            .map(|(name, kept, asked)| format!("its {name} is {kept}, not {asked}"))
    }
}

/// One call, with its trainings so far.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    call: String,
    identity: Identity,
    /// Where the source stood when it began.
    start: Option<Vec<u64>>,
    trainings: Vec<Kept>,
}

/// A training in a checkpoint.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kept {
    pub stage: String,
    /// Of what it began with: initial parameters and held-out rows.
    pub fingerprint: String,
    /// Its loop, as that describes itself.
    pub marks: String,
    /// Names and lengths of its tensors, in bytes.
    tensors: Vec<(String, usize)>,
    #[serde(skip)]
    data: Vec<Vec<u8>>,
}

impl Kept {
    pub fn new(stage: &str, fingerprint: &str, marks: String) -> Self {
        Kept {
            stage: stage.into(),
            fingerprint: fingerprint.into(),
            marks,
            ..Kept::default()
        }
    }

    fn copied(&self) -> Result<Self> {
        Ok(Kept {
            stage: self.stage.clone(),
            fingerprint: self.fingerprint.clone(),
            marks: self.marks.clone(),
            tensors: self.tensors.clone(),
            data: self
                .data
                .iter()
                .map(|data| room::copied(data))
                .gather_all()?,
        })
    }

    /// Adds numbers.
    pub fn put<T: Real>(&mut self, name: String, values: &[T]) -> Result<()> {
        let mut bytes = room::empty(std::mem::size_of_val(values))?;
        for v in values {
            if T::EXACT {
                bytes.extend(v.to_f64().to_le_bytes());
            } else {
                bytes.extend((v.to_f64() as f32).to_le_bytes());
            }
        }
        self.tensors.push((name, bytes.len()));
        self.data.put_all([bytes])
    }

    /// The numbers of a name, if there are any.
    ///
    /// # Errors
    /// [`Error::Format`] if they are not `values.len()`.
    pub fn take<T: Real>(&self, name: &str, values: &mut [T]) -> Result<bool> {
        let Some(number) = self.tensors.iter().position(|(n, _)| n == name) else {
            return Ok(false);
        };
        let bytes = &self.data[number];
        if bytes.len() != std::mem::size_of_val(values) {
            return Err(Error::Format(format!(
                "`{name}` of the checkpoint's training `{}` has another length than its network",
                self.stage
            )));
        }
        let size = std::mem::size_of::<T>();
        for (value, bytes) in values.iter_mut().zip(bytes.chunks_exact(size)) {
            *value = match *bytes {
                [a, b, c, d] => T::from_f64(f64::from(f32::from_le_bytes([a, b, c, d]))),
                [a, b, c, d, e, f, g, h] => {
                    T::from_f64(f64::from_le_bytes([a, b, c, d, e, f, g, h]))
                }
                _ => return Err(Error::Internal("numbers of four or eight bytes".into())),
            };
        }
        Ok(true)
    }
}

/// A call under way, and its file.
pub(crate) struct Journal<'a> {
    checkpoint: &'a Checkpoint,
    /// Of ranks, one does.
    writes: bool,
    state: RefCell<State>,
    _user: MutexGuard<'a, ()>,
}

struct State {
    calls: Vec<Call>,
    /// That of the call under way.
    number: usize,
    /// Trainings of it that have begun.
    begun: usize,
    written: Instant,
    /// Whether the file could not be written when it was last tried.
    failed: bool,
    /// The file as it was last read or written.
    seen: Option<Stamp>,
}

/// What tells one file of a name from another that has taken its place.
#[derive(Debug, PartialEq)]
struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
    number: u64,
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        #[cfg(unix)]
        let number = std::os::unix::fs::MetadataExt::ino(&metadata);
        #[cfg(not(unix))]
        let number = 0;
        Some(Stamp {
            length: metadata.len(),
            modified: metadata.modified().ok(),
            number,
        })
    }
}

impl Journal<'_> {
    /// Where the source stood when the call began for the first time, which is now unless the file says it.
    pub fn start(&self, now: impl FnOnce() -> Vec<u64>) -> Vec<u64> {
        let mut state = self.state.borrow_mut();
        let number = state.number;
        let start = &mut state.calls[number].start;
        start.get_or_insert_with(now).clone()
    }

    /// The next training begins; what is kept of it, if anything is.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if what is kept is of another.
    pub(super) fn begin(&self, stage: &str, fingerprint: &str) -> Result<Option<Kept>> {
        let mut state = self.state.borrow_mut();
        let number = state.begun;
        state.begun += 1;
        state.written = Instant::now();
        let call = &state.calls[state.number];
        let Some(kept) = call.trainings.get(number) else {
            return Ok(None);
        };
        if kept.stage != stage {
            let what = format!(
                "its training {} is `{}`, not `{stage}`",
                number + 1,
                kept.stage
            );
            return Err(self.checkpoint.refused(&what));
        }
        if kept.fingerprint != fingerprint {
            let what = format!("its training `{stage}` began with other networks or held-out events, though the options are the same: it was given other events, or another generator");
            return Err(self.checkpoint.refused(&what));
        }
        kept.copied().map(Some)
    }

    /// Whether the file is to be written now, `steps` updates into a training.
    pub(super) fn due(&self, steps: u64) -> bool {
        let Checkpoint {
            every, steps: each, ..
        } = self.checkpoint;
        let counted = *each > 0 && steps.is_multiple_of(*each);
        counted || self.state.borrow().written.elapsed() >= *every
    }

    /// Where the file is.
    pub(super) fn path(&self) -> &Path {
        &self.checkpoint.path
    }

    /// Writes the file, with the training that has begun last as it stands. What has to be told of a failure, once for all in a row.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if another process has written it; [`Error::Memory`]. A file that cannot be written stops no training.
    pub(super) fn keep(&self, training: Kept) -> Result<Option<String>> {
        if !self.writes {
            return Ok(None);
        }
        let mut state = self.state.borrow_mut();
        let (number, begun) = (state.number, state.begun);
        let trainings = &mut state.calls[number].trainings;
        trainings.truncate(begun.saturating_sub(1));
        trainings.put_all([training])?;
        state.written = Instant::now();
        let path = &self.checkpoint.path;
        let now = Stamp::of(path);
        if now.is_some() && now != state.seen {
            return Err(Error::InvalidArgument(format!(
                "the checkpoint {} has been written by another process: jobs that run at the same time need files of their own",
                path.display()
            )));
        }
        match write(path, &state.calls) {
            Ok(()) => {
                state.failed = false;
                state.seen = Stamp::of(path);
            }
            Err(error @ Error::Io { .. }) => {
                let told = std::mem::replace(&mut state.failed, true);
                return Ok((!told).then(|| {
                    format!("the checkpoint cannot be written, and the training goes on without: {error}")
                }));
            }
            Err(other) => return Err(other),
        }
        Ok(None)
    }
}

/// What the file says of itself.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description<C> {
    checkpoint: u32,
    sha256: String,
    calls: C,
}

/// The name of a tensor in the file.
fn tensor(call: &str, training: usize, name: &str) -> String {
    format!("{call}.{training}.{name}")
}

fn write(path: &Path, calls: &[Call]) -> Result<()> {
    // Numbers are kept as bytes: the precision of models has no part in it.
    let mut writer = TensorWriter::new(crate::model::Dtype::Float64);
    for call in calls {
        for (number, training) in call.trainings.iter().enumerate() {
            for ((name, _), data) in training.tensors.iter().zip(&training.data) {
                writer.add_bytes(&tensor(&call.call, number, name), data);
            }
        }
    }
    let bytes = writer.sealed(|sha256| Description {
        checkpoint: FORMAT_VERSION,
        sha256,
        calls,
    })?;
    let written = Aside::new(path).and_then(|mut file| {
        file.write_all(&bytes)?;
        file.finish()
    });
    written.map_err(|source| Error::Io {
        path: path.into(),
        source,
    })
}

fn read(path: &Path) -> Result<Vec<Call>> {
    let read = || {
        let (header, data) = container::read_file(path, u64::MAX)?;
        let mut stored = StoredTensors::new(header, &data);
        let json = stored.description()?;
        let no_checkpoint = |why: serde_json::Error| {
            let what = match json.contains("\"format_version\"") {
                true => "it is a model, and no checkpoint".into(),
                false => format!("it is no checkpoint of this version: {why}"),
            };
            container::invalid(what)
        };
        room::for_text(json.len())?;
        let description: Description<Vec<Call>> =
            serde_json::from_str(json).map_err(no_checkpoint)?;
        if description.checkpoint != FORMAT_VERSION {
            return Err(container::invalid(format!(
                "it is a checkpoint of version {}; this library reads {FORMAT_VERSION}",
                description.checkpoint
            )));
        }
        stored.unseal(&description.sha256)?;
        let mut calls = description.calls;
        for call in &mut calls {
            for (number, training) in call.trainings.iter_mut().enumerate() {
                for (name, length) in &training.tensors {
                    let name = tensor(&call.call, number, name);
                    training
                        .data
                        .put_all([stored.take_bytes(&name, *length)?])?;
                }
            }
        }
        stored.finish()?;
        Ok(calls)
    };
    read().map_err(|error| match error {
        Error::Format(what) => Error::Format(format!("{}: {what}", path.display())),
        other => other,
    })
}
