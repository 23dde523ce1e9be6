//! Where a training stands, on stderr and for its log, and whether to go on.

use crate::failure::{Failure, Result};
use crate::info;
use crate::terminal::{self, number, Stop};
use indicatif::ProgressBar;
use laser::aside::Aside;
use laser::protocol::Instance;
use laser::train::{Checkpoint, Hooks, Level, Progress};
use std::cell::RefCell;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// A file that cannot be written.
pub fn unwritable(path: &Path, error: std::io::Error) -> Failure {
    Failure::of(
        path,
        format!(
            "cannot be written: {error}; name a file in a folder that is there and yours to write"
        ),
    )
}

/// The arguments of a training that can be stopped and gone on with.
#[derive(clap::Args)]
pub struct Keep {
    /// Keep the trainings in this file, and go on from it: a command that was stopped, or killed, is given again, and ends in the same
    /// model. Removed when that is saved
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,
    /// Seconds from one writing of the checkpoint to the next; it is also written at the end of every training, and by Ctrl-C
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 60.0,
        requires = "checkpoint"
    )]
    every: f64,
}

impl Keep {
    /// The files that it writes: the checkpoint, and its log.
    pub fn files(&self) -> Vec<PathBuf> {
        let checkpoint = self.checkpoint.iter();
        checkpoint
            .flat_map(|path| [path.clone(), log_of(path)])
            .collect()
    }

    /// A watch that keeps the trainings; `outputs` are files of the same command.
    ///
    /// # Errors
    /// For a checkpoint that is one of them.
    pub fn watch(&self, outputs: &[&Path]) -> Result<Watch> {
        let checkpoint = match self.checkpoint.as_deref() {
            Some(path) if outputs.iter().any(|&o| o == path || *o == *log_of(path)) => {
                let what = "the checkpoint needs a file of its own";
                return Err(Failure::usage(path, what));
            }
            Some(path) => {
                let checkpoint = Checkpoint::new(path, self.every, 0);
                Some(checkpoint.map_err(|e| Failure::Usage(e.to_string()))?)
            }
            None => None,
        };
        Watch::new(Stop::listen()?, checkpoint)
    }

    /// The failure of a training, with how to go on if it was interrupted.
    pub fn failed(&self, watch: &Watch, error: laser::Error, command: &str) -> Failure {
        // Its end may have written the first checkpoint.
        let _ = watch.keep();
        match (Failure::from(error), self.checkpoint.as_deref()) {
            (Failure::Interrupted, Some(path)) if path.exists() => Failure::Kept(format!(
                "go on with: {command} --checkpoint {}",
                path.display()
            )),
            (other, _) => other,
        }
    }

    /// The end of a training: saves what it made as `model`, removes the checkpoint, writes the log beside `output`, which it names on stdout,
    /// and tells there what `laser info` does.
    ///
    /// # Errors
    /// What cannot be written. A model that cannot be saved is kept elsewhere.
    pub fn finish(
        &self,
        watch: Watch,
        trained: &Instance,
        model: Option<&Path>,
        output: &Path,
    ) -> Result<()> {
        if let Some(path) = model {
            let saved = trained.save(path);
            saved.map_err(|e| saved_elsewhere(trained, self.checkpoint.as_deref(), path, e))?;
        }
        // What is told from here on is kept nowhere else.
        self.remove()?;
        if let Some(path) = model {
            watch.note(&format!("saved {}", path.display()));
        }
        watch.save(&log_of(output))?;
        drop(watch);
        let mut stdout = std::io::stdout().lock();
        write!(stdout, "{}\n{}", output.display(), info::describe(trained))?;
        Ok(stdout.flush()?)
    }

    /// The failure of writing the weights to `place` that `trained` gives, which is kept instead.
    pub fn unwritten(&self, trained: &Instance, place: &Path, failure: Failure) -> Failure {
        let Failure::Wrong(what) = failure else {
            return failure;
        };
        if let Some(checkpoint) = &self.checkpoint {
            return Failure::Wrong(format!(
                "{what}. The trainings are in {}: make room, or name another file, and give the command again",
                checkpoint.display()
            ));
        }
        let mut model = place.as_os_str().to_owned();
        model.push(".laser");
        match elsewhere(trained, Path::new(&model)) {
            Some(path) => Failure::Wrong(format!(
                "{what}. The reweighter, which gives these weights to the same events (`laser reweight apply`, times the factor that `laser info` tells), is in {}",
                path.display()
            )),
            None => Failure::Wrong(what),
        }
    }

    /// Removes the checkpoint of a training that is done.
    ///
    /// # Errors
    /// If it is there and cannot be removed.
    pub fn remove(&self) -> Result<()> {
        let removed = self
            .checkpoint
            .as_deref()
            .map(|path| (path, fs::remove_file(path)));
        match removed {
            Some((path, Err(error))) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Failure::of(path, error))
            }
            _ => Ok(()),
        }
    }
}

/// Keeps a model that could not be saved where it should be: an hour's training is not lost for a full disk.
fn saved_elsewhere(
    model: &Instance,
    checkpoint: Option<&Path>,
    place: &Path,
    error: laser::Error,
) -> Failure {
    if let Some(checkpoint) = checkpoint {
        return Failure::Wrong(format!(
            "the model cannot be saved: {error}; its trainings are in {}: make room, or name another `model`, and give the command again",
            checkpoint.display()
        ));
    }
    match elsewhere(model, place) {
        Some(path) => Failure::Wrong(format!(
            "the model cannot be saved where it should be: {error}; it is in {}",
            path.display()
        )),
        None => error.into(),
    }
}

/// Saves a model among the temporary files, under a name like that of `place`. None if it cannot be saved there either.
fn elsewhere(model: &Instance, place: &Path) -> Option<PathBuf> {
    let mut name = std::ffi::OsString::from(format!("{}-", std::process::id()));
    name.push(place.file_name().unwrap_or_default());
    let path = std::env::temp_dir().join(name);
    model.save(&path).ok().map(|()| path)
}

/// Where the messages go of a model or, until that is made, of a checkpoint.
pub fn log_of(path: &Path) -> PathBuf {
    let mut log = path.as_os_str().to_owned();
    log.push(".log");
    log.into()
}

/// Shows where a training stands, on stderr and for the log, and looks whether to stop.
pub struct Watch {
    stop: Stop,
    checkpoint: Option<Checkpoint>,
    start: Instant,
    bar: ProgressBar,
    seen: RefCell<Seen>,
}

#[derive(Default)]
struct Seen {
    /// Whether it has begun to train.
    begun: bool,
    /// The last update that was told of.
    last: Option<Progress>,
    log: Vec<String>,
    /// Lines of it that are kept.
    kept: usize,
}

impl Watch {
    fn new(stop: Stop, checkpoint: Option<Checkpoint>) -> Result<Self> {
        let path = checkpoint.as_ref().map(Checkpoint::path);
        if let Some(path) = path.filter(|path| !path.exists()) {
            // Of a checkpoint that somebody has removed.
            let _ = fs::remove_file(log_of(path));
        }
        Ok(Watch {
            stop,
            checkpoint,
            start: Instant::now(),
            bar: terminal::bar(0, "{bar:30} {percent:>3} %  {msg}")?,
            seen: RefCell::default(),
        })
    }

    /// A line for log and stderr.
    pub fn note(&self, message: &str) {
        let line = format!("{:>8.1} s  {message}", self.start.elapsed().as_secs_f64());
        self.bar.suspend(|| terminal::say(&line));
        self.seen.borrow_mut().log.push(line);
        // What cannot be kept now is tried again with the next line.
        let _ = self.keep();
    }

    /// Keeps the lines for a process that goes on: beside the checkpoint, once this one has to do with it.
    fn keep(&self) -> std::io::Result<()> {
        let mut seen = self.seen.borrow_mut();
        let path = self.checkpoint.as_ref().map(Checkpoint::path);
        let Some(path) = path.filter(|path| seen.begun && path.exists()) else {
            return Ok(());
        };
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(log_of(path))?;
        file.write_all((seen.log[seen.kept..].join("\n") + "\n").as_bytes())?;
        seen.kept = seen.log.len();
        Ok(())
    }

    /// A line about the epoch that has ended with `last`; its held-out loss is known if another has followed.
    fn epoch(&self, last: &Progress, validation_loss: f64) {
        if last.loss.is_nan() {
            return;
        }
        let held_out = match validation_loss.is_nan() {
            true => String::new(),
            false => format!(", held out {}", number(validation_loss)),
        };
        self.note(&format!(
            "{}: epoch {} of {}, loss {}{held_out}",
            last.stage,
            last.epoch,
            last.epochs,
            number(last.loss)
        ));
    }

    /// Writes the log: of all processes that have trained.
    pub fn save(&self, path: &Path) -> Result<()> {
        let seen = self.seen.borrow();
        let kept = self.checkpoint.as_ref().map(|c| log_of(c.path()));
        let before = kept.as_ref().and_then(|kept| fs::read(kept).ok());
        let new = match before {
            Some(_) => seen.kept,
            None => 0,
        };
        let write = || {
            let mut file = Aside::new(path)?;
            file.write_all(&before.unwrap_or_default())?;
            let mut lines = seen.log[new..].iter();
            lines.try_for_each(|line| writeln!(file, "{line}"))?;
            file.finish()
        };
        write().map_err(|e| unwritable(path, e))?;
        if let Some(kept) = kept {
            let _ = fs::remove_file(kept);
        }
        Ok(())
    }
}

impl Hooks for Watch {
    fn progress(&self, now: &Progress) -> laser::Result<()> {
        let last = {
            let mut seen = self.seen.borrow_mut();
            seen.begun = true;
            seen.last.replace(*now)
        };
        match last {
            Some(last) if last.stage != now.stage || now.step <= last.step => {
                self.epoch(&last, f64::NAN);
                self.bar.reset();
            }
            // Three hundred lines of trees would bury the others.
            Some(last) if last.epoch != now.epoch && now.stage != "trees" => {
                self.epoch(&last, now.validation_loss)
            }
            _ => (),
        }
        let mut message = now.stage.to_owned();
        if now.epochs > 1 {
            message += &format!(", epoch {} of {}", now.epoch, now.epochs);
        }
        for (name, value) in [("loss", now.loss), ("held out", now.validation_loss)] {
            if !value.is_nan() {
                message += &format!(", {name} {}", number(value));
            }
        }
        if !now.seconds_left.is_nan() {
            message += &format!(", {:.0} s left", now.seconds_left);
        }
        self.bar.set_length(now.steps);
        self.bar.set_position(now.step);
        self.bar.set_message(message);
        Ok(())
    }

    fn log(&self, level: Level, message: &str) -> laser::Result<()> {
        let last = self.seen.borrow_mut().last.take();
        if let Some(last) = last {
            self.epoch(&last, f64::NAN);
        }
        self.note(&match level {
            Level::Info => message.to_owned(),
            Level::Warning => format!("warning: {message}"),
        });
        Ok(())
    }

    fn check(&self, stage: &'static str) -> laser::Result<()> {
        match self.stop.wanted() {
            true => Err(laser::Error::Cancelled(stage)),
            false => Ok(()),
        }
    }

    fn checkpoint(&self) -> Option<&Checkpoint> {
        self.checkpoint.as_ref()
    }
}
