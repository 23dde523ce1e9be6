//! `laser unfold`: what a detector has not smeared, described by a file.

use crate::argument::whole;
use crate::config::{bytes_of, options_of, text_of, WeightsColumn};
use crate::events::{is_packed, Events, Kind};
use crate::failure::{Failure, Result};
use crate::names;
use crate::output::{apart, same_file, Array, Output};
use crate::terminal::number;
use crate::watch::{log_of, unwritable, Keep, Watch};
use laser::aside::Aside;
use laser::options::{keys, Options};
use laser::protocol::{unfold, Source, Unfolded, PAIR_GENERATED, PAIR_RECONSTRUCTED};
use laser::train::Hooks;
use laser::Rows;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::path::{Path, PathBuf};

/// Unfold measured events
///
/// Learns weights of simulated events at particle level with which the detector level of the simulation is distributed as the data, in shape
/// and number (OmniFold). Writes the weights, the reweighter that gives them to other events, and beside that as MODEL.log the log; then
/// tells what `laser info` does. Ctrl-C stops within a training step and leaves nothing, or with --checkpoint a file from which the same
/// command goes on; a second one ends at once. Paths are relative to the folder that the command runs in.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  laser unfold unfold.json

where unfold.json is
  {
    \"generated\": \"particle.npy\",      simulated events at particle level: .npy, .npz, .csv or .parquet, one event in a row
    \"reconstructed\": \"detector.npy\",  the same events, in the same order, at detector level
    \"data\": \"data.npy\",               measured events, with the columns of `reconstructed`
    \"background\": null,               a file of background events, which are subtracted from the data by their weights
    \"flags\": null,                    a file with a number for each simulated event: 1 it has a particle level alone, 2 a detector level
                                      alone, 3 both; null: all have both. What a level holds that an event has not does not matter.
                                      A weight of 0 of `reconstructed` says, too, that an event was not reconstructed
    \"weights_column\": {},             of each file, by its key: true, the last column is the weight; or its name or number
    \"weights\": \"weights.npy\",         the weights to write: one for each simulated event
    \"model\": \"unfolded.laser\",        the reweighter to write
    \"replicas\": 0,                    so many bootstrap samples are unfolded too: a further column of weights for each
    \"options\": {\"preset\": \"fast\"}     liblaser's options, see docs/options.md; without a preset, long trainings
  }
without the explanations. What is not given but for the three files of events and `weights` and `model` is as here.")]
pub struct Arguments {
    /// What to do, a JSON file
    config: PathBuf,
    /// Unfold this bootstrap sample alone, counted from 1, and write its weights beside WEIGHTS as WEIGHTS-K: for a farm, on which every
    /// job takes its own
    #[arg(long, value_name = "K", value_parser = whole::<u32>(1..=u32::MAX.into()), allow_negative_numbers = true)]
    replica: Option<u32>,
    #[command(flatten)]
    keep: Keep,
}

/// The configuration file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    generated: PathBuf,
    reconstructed: PathBuf,
    data: PathBuf,
    background: Option<PathBuf>,
    flags: Option<PathBuf>,
    #[serde(default)]
    weights_column: WeightsColumns,
    weights: PathBuf,
    model: PathBuf,
    #[serde(default)]
    replicas: u64,
    options: Option<Box<RawValue>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WeightsColumns {
    generated: WeightsColumn,
    reconstructed: WeightsColumn,
    data: WeightsColumn,
    background: WeightsColumn,
}

/// The flags of an event that has both levels.
const BOTH: i32 = PAIR_GENERATED | PAIR_RECONSTRUCTED;

/// More columns than anybody looks at.
const MOST_REPLICAS: u64 = 10_000;

impl Config {
    fn read(path: &Path) -> Result<Self> {
        let bytes = bytes_of(path)?;
        let text = text_of(path, &bytes, "unfold")?;
        let config: Config = serde_json::from_str(text).map_err(|e| {
            Failure::of(
                path,
                format!("no valid configuration: {e}; `laser unfold --help` shows one"),
            )
        })?;
        if config.replicas > MOST_REPLICAS {
            return Err(Failure::of(
                path,
                format!(
                    "`replicas` is {}; {MOST_REPLICAS} are the most",
                    config.replicas
                ),
            ));
        }
        for (key, file) in [("model", &config.model), ("weights", &config.weights)] {
            if matches!(file.as_os_str().as_encoded_bytes(), [] | [.., b'/']) {
                let what = format!("`{key}` is {file:?}; it must name the file to write");
                return Err(Failure::of(path, what));
            }
        }
        for (one, other, what) in [
            (&config.weights, &config.model, "`weights` and `model` are"),
            (
                &config.generated,
                &config.reconstructed,
                "`generated` and `reconstructed` are",
            ),
        ] {
            if same_file(one, other) {
                let what = format!("{what} one file, {}", one.display());
                return Err(Failure::of(path, what));
            }
        }
        match Kind::of(&config.weights) {
            Ok(Kind::Npy | Kind::Csv | Kind::Parquet) => Ok(config),
            _ => Err(Failure::of(
                path,
                "`weights` must end in .npy, .csv or .parquet: they are columns of numbers",
            )),
        }
    }
}

/// Events of a file, with their weights.
struct Sample {
    events: Events,
    weights: Option<Vec<f64>>,
    /// What was read, in words.
    read: String,
}

impl Sample {
    fn read(path: &Path, column: &WeightsColumn) -> Result<Self> {
        let mut events = Events::read(path)?;
        events.refuse_index(|_| true)?;
        let column = match column {
            WeightsColumn::Last(false) => None,
            WeightsColumn::Last(true) => Some(events.weights_column(None)?),
            WeightsColumn::Named(name) => Some(events.weights_column(Some(name))?),
            WeightsColumn::Numbered(number) => {
                Some(events.weights_column(Some(&number.to_string()))?)
            }
        };
        let weights = column.map(|c| events.split_weights(c)).transpose()?;
        let with = if weights.is_some() {
            ", with weights"
        } else {
            ""
        };
        let Events { rows, columns, .. } = &events;
        let read = format!(
            "{rows} events of {columns} columns from {}{with}",
            path.display()
        );
        Ok(Sample {
            events,
            weights,
            read,
        })
    }

    /// What stands where an event has no such level does not matter.
    fn clear(&mut self, flags: &[i32], bit: i32) {
        let columns = self.events.columns;
        let rows = self.events.values.chunks_exact_mut(columns).zip(flags);
        for (row, _) in rows.filter(|(_, flag)| *flag & bit == 0) {
            row.fill(0.0);
        }
    }

    fn source(&self) -> Result<Source<'_>> {
        Rows::packed(&self.events.values, self.events.columns)
            .and_then(|x| Source::from_rows(x, self.weights.as_deref()))
            .and_then(|source| source.named(self.events.names()))
            .map_err(|e| Failure::of(&self.events.path, e))
    }

    /// What they count.
    fn count(&self) -> String {
        let rows = self.events.rows;
        match &self.weights {
            None => format!("{rows} (no weights: 1 each)"),
            Some(weights) => number(weights.iter().sum()),
        }
    }

    fn note(&self, watch: &Watch) {
        watch.note(&self.read);
        if let Some(warning) = &self.events.warning {
            watch.note(&format!("warning: {warning}"));
        }
    }
}

/// Which levels every simulated event has.
fn flags(path: Option<&Path>, rows: usize) -> Result<Option<Vec<i32>>> {
    let Some(path) = path else {
        return Ok(None);
    };
    let events = Events::read(path)?;
    if events.columns != 1 || events.rows != rows {
        return Err(Failure::of(
            path,
            format!(
                "it has {} rows of {} columns; one flag for each of {rows} simulated events is needed",
                events.rows, events.columns
            ),
        ));
    }
    let whole = |(row, flag): (usize, &f64)| {
        match *flag {
        flag if flag.fract() == 0.0 && flag.abs() < 1e9 => Ok(flag as i32),
        flag => Err(Failure::of(
            path,
            format!(
                "row {row} (counted from 0) is {flag}; flags are {PAIR_GENERATED} (generated), {PAIR_RECONSTRUCTED} (reconstructed) or 3 (both)"
            ),
        )),
    }
    };
    let flags = events.values.iter().enumerate().map(whole);
    flags.collect::<Result<_>>().map(Some)
}

/// All that is read.
struct Given {
    generated: Sample,
    reconstructed: Sample,
    data: Sample,
    flags: Option<Vec<i32>>,
    /// What is subtracted from the data, in words.
    background: Vec<String>,
}

impl Given {
    fn read(config: &Config) -> Result<Self> {
        let columns = &config.weights_column;
        let mut generated = Sample::read(&config.generated, &columns.generated)?;
        let mut reconstructed = Sample::read(&config.reconstructed, &columns.reconstructed)?;
        let mut data = Sample::read(&config.data, &columns.data)?;
        let names = reconstructed.events.names().to_vec();
        let whose = config.reconstructed.display().to_string();
        names::match_to(&mut data.events, (&whose, &names))?;
        let mut subtracted = Vec::new();
        if let Some(path) = &config.background {
            let mut background = Sample::read(path, &columns.background)?;
            names::match_to(&mut background.events, (&whose, &names))?;
            if background.events.columns != data.events.columns {
                return Err(Failure::of(
                    path,
                    format!(
                        "it has {} columns, those of the data are {}; they need the same",
                        background.events.columns, data.events.columns
                    ),
                ));
            }
            let rows = background.events.rows;
            subtracted.push(format!(
                "{rows} background events from {}, which count {}, are subtracted from {} events, which count {}",
                path.display(),
                background.count(),
                data.events.rows,
                data.count()
            ));
            let warning = background.events.warning.iter();
            subtracted.extend(warning.map(|warning| format!("warning: {warning}")));
            let minus = background.weights.unwrap_or_else(|| vec![1.0; rows]);
            let total: f64 = minus.iter().sum();
            if total < 0.0 {
                return Err(Failure::of(
                    path,
                    format!("its weights sum to {total}, and are subtracted from the data: give them as they are, with a positive sum"),
                ));
            }
            let weights = data.weights.get_or_insert(vec![1.0; data.events.rows]);
            weights.extend(minus.iter().map(|w| -w));
            data.events.values.extend(background.events.values);
            data.events.rows += rows;
        }
        let rows = generated.events.rows;
        let mut flags = flags(config.flags.as_deref(), rows)?;
        // What weighs nothing at detector level was not reconstructed.
        let u = reconstructed.weights.as_deref().unwrap_or_default();
        if u.contains(&0.0) {
            let flags = flags.get_or_insert_with(|| vec![BOTH; rows]);
            for (flag, u) in flags.iter_mut().zip(u) {
                if *u == 0.0 && *flag == BOTH {
                    *flag = PAIR_GENERATED;
                }
            }
        }
        if let Some(flags) = &flags {
            generated.clear(flags, PAIR_GENERATED);
            reconstructed.clear(flags, PAIR_RECONSTRUCTED);
        }
        Ok(Given {
            generated,
            reconstructed,
            data,
            flags,
            background: subtracted,
        })
    }

    fn unfold(&self, options: &Options, watch: &Watch) -> Result<laser::Result<Unfolded>> {
        let sources = [&self.generated, &self.reconstructed, &self.data];
        let [generated, reconstructed, data] = sources.map(Sample::source);
        let unfolded = unfold(
            &generated?,
            &reconstructed?,
            &data?,
            self.flags.as_deref(),
            options,
            watch,
        );
        Ok(unfolded)
    }
}

/// WEIGHTS-K of a replica: of `w.csv.gz`, too, before all of its end.
fn beside(path: &Path, replica: u64) -> PathBuf {
    let inner = path.with_extension("");
    let mut name = match is_packed(path) {
        true => beside(&inner, replica).into_os_string(),
        false => {
            let mut name = inner.into_os_string();
            name.push(format!("-{replica}"));
            name
        }
    };
    name.push(".");
    name.push(path.extension().unwrap_or_default());
    name.into()
}

/// Writes the weights, one column for each unfolding.
fn write_weights(path: &Path, columns: &[(String, Vec<f64>)]) -> Result<()> {
    let names: Vec<String> = columns.iter().map(|(name, _)| name.clone()).collect();
    let rows = columns.first().map_or(0, |(_, w)| w.len());
    let file = Output {
        path,
        kind: Kind::of(path)?,
        rows: rows as u64,
        header: names.clone(),
        array: match names.len() {
            1 => Array::Flat,
            _ => Array::Table,
        },
        columns: names,
        attributes: Vec::new(),
        particles: None,
        first: 0,
    };
    file.write(|sink| {
        let mut row = Vec::new();
        (0..rows).try_for_each(|i| {
            row.clear();
            row.extend(columns.iter().map(|(_, w)| w[i]));
            sink(&row)
        })
    })
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<()> {
    let path = &arguments.config;
    let config = Config::read(path)?;
    let mut options = options_of(config.options.as_deref(), path)?;
    let alone = arguments.replica.map(u64::from);
    if options.get(keys::UNFOLD_REPLICA) != 0 {
        return Err(Failure::of(
            path,
            "options: replicas are asked for by `replicas`, or by --replica, and not by `unfold.replica`",
        ));
    }
    if arguments.keep.checkpoint.is_some() && alone.is_none() && config.replicas > 0 {
        return Err(Failure::Usage(
            "--checkpoint keeps one unfolding: set `replicas` to 0, and make each replica by a command of its own, with --replica and its own checkpoint".into(),
        ));
    }
    let weights = alone.map_or_else(|| config.weights.clone(), |k| beside(&config.weights, k));
    let log = log_of(&config.model);
    let mut inputs = vec![
        path.as_path(),
        &config.generated,
        &config.reconstructed,
        &config.data,
    ];
    inputs.extend(config.background.as_deref());
    inputs.extend(config.flags.as_deref());
    let mut outputs = vec![weights.as_path()];
    if alone.is_none() {
        outputs.extend([config.model.as_path(), &log]);
    }
    let kept = arguments.keep.files();
    for output in outputs
        .iter()
        .copied()
        .chain(kept.iter().map(PathBuf::as_path))
    {
        apart(output, &inputs)?;
        // Found out now, not when the training is done.
        Aside::new(output).map_err(|e| unwritable(output, e))?;
    }
    let given = Given::read(&config)?;
    let generated = &given.generated.events;
    names::call(&mut options, &generated.path, generated.names())?;
    let watch = arguments.keep.watch(&outputs)?;
    for sample in [&given.generated, &given.reconstructed, &given.data] {
        sample.note(&watch);
    }
    given.background.iter().for_each(|line| watch.note(line));
    watch.note(&match &given.flags {
        None => "without `flags` every simulated event counts as generated and reconstructed: an efficiency of 100 %".to_owned(),
        Some(flags) => {
            let with = |bit: i32| flags.iter().filter(|flag| **flag & bit != 0).count();
            format!(
                "of {} simulated events {} are generated and {} are reconstructed",
                flags.len(),
                with(PAIR_GENERATED),
                with(PAIR_RECONSTRUCTED)
            )
        }
    });
    let mut command = format!("laser unfold {}", path.display());
    if let Some(k) = alone {
        command += &format!(" --replica {k}");
    }
    let replica = |k: u64| -> Result<Unfolded> {
        let mut options = options.clone();
        options.set_i64(keys::UNFOLD_REPLICA.name(), k as i64)?;
        let unfolded = given.unfold(&options, &watch)?;
        let unfolded = unfolded.and_then(|unfolded| {
            watch.check("saving")?;
            Ok(unfolded)
        });
        unfolded.map_err(|error| arguments.keep.failed(&watch, error, &command))
    };
    if let Some(k) = alone {
        let unfolded = replica(k)?;
        let written = write_weights(&weights, &[(format!("w{k}"), unfolded.w)]);
        written.map_err(|e| arguments.keep.unwritten(&unfolded.reweighter, &weights, e))?;
        arguments.keep.remove()?;
        watch.note(&format!("saved {}", weights.display()));
        return Ok(());
    }
    let unfolded = replica(0)?;
    let reweighter = unfolded.reweighter;
    let mut columns = vec![("w".to_owned(), unfolded.w)];
    for k in 1..=config.replicas {
        watch.note(&format!("replica {k} of {}", config.replicas));
        columns.push((format!("w{k}"), replica(k)?.w));
    }
    let written = write_weights(&weights, &columns);
    written.map_err(|failure| arguments.keep.unwritten(&reweighter, &weights, failure))?;
    watch.note(&format!("saved {}", weights.display()));
    let path = &config.model;
    arguments.keep.finish(watch, &reweighter, Some(path), path)
}
