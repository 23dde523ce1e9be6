//! `laser refine`: a training, described by a file.

use crate::config::{Config, WeightsColumn};
use crate::events::{is_weight, Events};
use crate::failure::{Failure, Result};
use crate::info;
use crate::output::apart;
use crate::terminal::{self, number, Stop};
use indicatif::ProgressBar;
use laser::aside::Aside;
use laser::model::{Generator, Model};
use laser::options::{keys, Options};
use laser::protocol::{self, Instance, Source};
use laser::table::Table;
use laser::train::{Checkpoint, Hooks, Level, Progress};
use laser::Rows;
use std::cell::RefCell;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Train and refine a model of the events in a file
///
/// Trains a generator on the events, unless the configuration names one, refines it, and writes the model and, beside it as MODEL.log, the
/// training log; both when all is done. Then tells what `laser info` does. Ctrl-C stops within a training step and leaves nothing, or with
/// --checkpoint FILE a file from which the same command goes on, and its log so far, FILE.log; a second one ends at once. Paths are
/// relative to the folder that the command runs in.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  laser refine train.json

where train.json is
  {
    \"events\": \"truth.npy\",            .npy, .npz or .csv, one event in a row; conditions, if any, are the last columns
    \"weights_column\": false,          true: the last column is the events' weight; or the name or number of the column that is
    \"generator\": null,                a model file whose generator to refine; null trains one
    \"model\": \"model.laser\",           the file to write
    \"options\": {\"preset\": \"fast\"}     liblaser's options, see docs/options.md; without a preset, the paper's long trainings
  }
without the explanations.")]
pub struct Arguments {
    /// What to do, a JSON file
    config: PathBuf,
    /// Keep the trainings in this file, and go on from it: a command that was stopped, or killed, is given again, and ends in the same
    /// model. Removed when that is saved
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// Seconds from one writing of the checkpoint to the next; it is also written at the end of every training, and by Ctrl-C
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 60.0,
        requires = "checkpoint"
    )]
    every: f64,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<()> {
    let config = Config::read(&arguments.config)?;
    let options = config.options(&arguments.config)?;
    // Without a name at its end it would be found out only when the training is done.
    if matches!(config.model.as_os_str().as_encoded_bytes(), [] | [.., b'/']) {
        return Err(Failure::of(
            &arguments.config,
            format!(
                "`model` is {:?}; it must name the file to write, as \"model.laser\"",
                config.model
            ),
        ));
    }
    let log = log_of(&config.model);
    let mut inputs = vec![arguments.config.as_path(), &config.events];
    inputs.extend(config.generator.as_deref());
    let outputs = [&config.model, &log];
    let kept = arguments.checkpoint.as_deref().map(log_of);
    for output in outputs
        .into_iter()
        .chain(&arguments.checkpoint)
        .chain(&kept)
    {
        apart(output, &inputs)?;
        // Found out now, not when the training is done.
        Aside::new(output).map_err(|e| unwritable(output, e))?;
    }
    let large = large(&config.events, &options)?;
    let mut events = match &large {
        Some(table) => Events::head(table)?,
        None => Events::read(&config.events)?,
    };
    events.require_finite(|_| true)?;
    events.refuse_index(|_| true)?;
    let weights = match &config.weights_column {
        WeightsColumn::Last(false) => None,
        WeightsColumn::Last(true) => Some(events.weights_column(None)?),
        WeightsColumn::Named(name) => Some(events.weights_column(Some(name))?),
        WeightsColumn::Numbered(number) => Some(events.weights_column(Some(&number.to_string()))?),
    };
    let weight_place = weights.map(|column| events.places()[column]);
    let weights = weights.map(|c| events.split_weights(c)).transpose()?;
    let generator = match &config.generator {
        Some(path) => {
            let generator = protocol::load_generator(path, &options)?;
            events.match_names(&generator.names, &path.display().to_string())?;
            same_columns(&events, path, &generator.generator)?;
            Some(generator)
        }
        None => None,
    };
    let mut options = options;
    let named = generator.as_ref().is_some_and(|g| !g.names.is_empty());
    if !named && options.get(keys::FEATURES_NAMES).is_empty() && !events.names().is_empty() {
        options.set_str(keys::FEATURES_NAMES.name(), &events.names().join(","))?;
    }
    let columns = events.columns;
    let rows = large.as_ref().map_or(events.rows, |t| t.layout().rows());
    let mut target = match large {
        Some(mut table) => {
            let mut places = events.places().to_vec();
            places.extend(weight_place);
            table.select(&places);
            Source::from_table(table, weight_place.map(|_| columns), &options)?
        }
        None => Rows::packed(&events.values, columns)
            .and_then(|x| Source::from_rows(x, weights.as_deref()))
            .map_err(|e| Failure::of(&config.events, e))?,
    };
    let checkpoint = arguments.checkpoint.as_deref();
    let watch = Watch::new(
        Stop::listen()?,
        match checkpoint {
            Some(path) => {
                let taken = |output: &&PathBuf| *output == path || Some(*output) == kept.as_ref();
                let apart = !outputs.iter().any(taken);
                let checkpoint = Checkpoint::new(path, arguments.every, 0);
                match apart {
                    true => Some(checkpoint.map_err(|e| Failure::Usage(e.to_string()))?),
                    false => {
                        return Err(Failure::usage(
                            path,
                            "the checkpoint needs a file of its own",
                        ))
                    }
                }
            }
            None => None,
        },
    )?;
    watch.note(&format!(
        "liblaser {}: {rows} events of {columns} columns from {}",
        env!("CARGO_PKG_VERSION"),
        config.events.display()
    ));
    if let Some(warning) = &events.warning {
        watch.note(&format!("warning: {warning}"));
    }
    let weight = events.names().iter().find(|name| is_weight(name));
    if let Some(name) = weight.filter(|_| weights.is_none()) {
        watch.note(&format!(
            "warning: column `{name}` of {} is trained as a feature; if it is the events' weight, set `weights_column` to {name:?}",
            config.events.display()
        ));
    }
    let trained = train(generator, &mut target, &options, &watch);
    if trained.is_err() {
        // Its end may have written the first checkpoint.
        let _ = watch.keep();
    }
    let model = trained.map_err(|error| match (Failure::from(error), checkpoint) {
        (Failure::Interrupted, Some(path)) if path.exists() => Failure::Kept(format!(
            "go on with: laser refine {} --checkpoint {}",
            arguments.config.display(),
            path.display()
        )),
        (other, _) => other,
    })?;
    if let Err(error) = model.save(&config.model) {
        return Err(saved_elsewhere(&model, checkpoint, &config.model, error));
    }
    if let Some(path) = checkpoint {
        match fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Failure::of(path, error));
            }
            _ => (),
        }
    }
    watch.note(&format!("saved {}", config.model.display()));
    watch.save(&log)?;
    drop(watch);
    let mut stdout = std::io::stdout().lock();
    write!(
        stdout,
        "{}\n{}",
        config.model.display(),
        info::describe(&model)
    )?;
    Ok(stdout.flush()?)
}

/// Where the messages go of a model or, until that is made, of a checkpoint.
fn log_of(path: &Path) -> PathBuf {
    let mut log = path.as_os_str().to_owned();
    log.push(".log");
    log.into()
}

/// The table of a `.npy` file that takes more than the memory which the options give to events.
fn large(path: &Path, options: &Options) -> Result<Option<Table>> {
    if !path
        .extension()
        .is_some_and(|end| end.eq_ignore_ascii_case("npy"))
    {
        return Ok(None);
    }
    let table = Table::open(path)?;
    let layout = table.layout();
    let bytes = layout
        .rows()
        .saturating_mul(layout.columns() * size_of::<f64>());
    let memory = (options.get(keys::SOURCE_MEMORY) as usize) << 20;
    Ok((bytes > memory).then_some(table))
}

/// A generator, unless there is one, and its refinement.
fn train(
    generator: Option<Model>,
    target: &mut Source,
    options: &Options,
    watch: &Watch,
) -> laser::Result<Instance> {
    let generator = match generator {
        Some(generator) => generator,
        None => {
            protocol::check(target, options)?;
            protocol::train_generator(target, options, watch)?
        }
    };
    let model = protocol::refine(&Instance::new(generator), target, options, watch)?;
    watch.check("saving")?;
    Ok(model)
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
    let mut name = std::ffi::OsString::from(format!("{}-", std::process::id()));
    name.push(place.file_name().unwrap_or_default());
    let elsewhere = std::env::temp_dir().join(name);
    match model.save(&elsewhere) {
        Ok(()) => Failure::Wrong(format!(
            "the model cannot be saved where it should be: {error}; it is in {}",
            elsewhere.display()
        )),
        Err(_) => error.into(),
    }
}

/// Checks that the events are those of the generator with their conditions.
fn same_columns(events: &Events, path: &Path, generator: &Generator) -> Result<()> {
    let (features, conditions) = (generator.event_dim(), generator.condition_dim());
    if events.columns == features + conditions {
        return Ok(());
    }
    let given = match conditions {
        0 => String::new(),
        _ => format!(" and {conditions} conditions"),
    };
    let what = format!(
        "the events have {} columns, but those of the generator {} have {features} features{given}",
        events.columns,
        path.display()
    );
    Err(Failure::of(&events.path, what))
}

fn unwritable(path: &Path, error: std::io::Error) -> Failure {
    Failure::of(
        path,
        format!(
            "cannot be written: {error}; name a file in a folder that is there and yours to write"
        ),
    )
}

/// Shows where a training stands, on stderr and for the log, and looks whether to stop.
struct Watch {
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
    fn note(&self, message: &str) {
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
    fn save(&self, path: &Path) -> Result<()> {
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
            file.write_all((seen.log[new..].join("\n") + "\n").as_bytes())?;
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
