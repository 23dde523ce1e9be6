//! `laser reweight`: weights for events that are there.

use crate::argument::whole;
use crate::config::WeightsColumn;
use crate::events::{place, Kind};
use crate::failure::{Failure, Result};
use crate::input::{require_exact, Input, BLOCK};
use crate::meaning::Meaning;
use crate::names;
use crate::npz;
use crate::output::{self, apart, Array, Output};
use crate::own_mean::Seen;
use crate::particle::features::Features;
use crate::particle::files::{Format, Reader, Rewriter};
use crate::particle::raw::Raw;
use crate::source::Given;
use crate::terminal::{self, Stop};
use crate::watch::{log_of, unwritable, Keep};
use laser::aside::Aside;
use laser::options::{keys, Options};
use laser::protocol::{train_reweighter, Reweighter, Weights};
use laser::train::Hooks;
use laser::{Rows, RowsMut};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Weights that make the events of one file like those of another
#[derive(clap::Subcommand)]
pub enum Command {
    Train(Train),
    Apply(Apply),
}

/// Learn the weights
///
/// Trains a classifier between the events of two files; its ratio of densities w(x) = p_to(x) / p_from(x) is the weight of an event of FROM.
/// Writes the reweighter, a model file, and beside it as MODEL.log the training log; both when all is done. Then tells what `laser info` does.
/// Ctrl-C stops within a training step and leaves nothing, or with --checkpoint a file from which the same command goes on; a second one
/// ends at once.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  laser reweight train simulation.npy data.npy -o reweighter.laser --preset fast"
)]
pub struct Train {
    /// Events to be weighted: a .npy, .npz, .csv or .parquet file, one event in a row; or a .lhe or .hepmc file, also packed (.gz)
    from: PathBuf,
    /// Events that they are to be like: as many columns, those of the same names, and behind them perhaps conditions (option "conditions")
    /// that FROM has not
    to: PathBuf,
    /// The file to write
    #[arg(short, long, value_name = "MODEL")]
    output: PathBuf,
    /// liblaser's options (docs/options.md), as a JSON file, which names the preset itself: {"preset": "fast", "classifier": {"ensemble": 5}}
    #[arg(long, value_name = "FILE", conflicts_with = "preset")]
    options: Option<PathBuf>,
    /// The preset of the options: paper (long) or fast
    #[arg(long, value_name = "NAME", default_value = "paper")]
    preset: String,
    /// The last column is the events' weight, of both files or of one; weights may be negative
    #[arg(long, value_name = "WHICH", num_args = 0..=1, require_equals = true, default_missing_value = "both")]
    weights: Option<Weighted>,
    /// The name of the column that holds the weights, in the place of the last; of both files, unless --weights says of which
    #[arg(long, value_name = "NAME")]
    weight_column: Option<String>,
    /// What of particles counts, of .lhe and .hepmc files, as "pt(13), eta(13), m(13+-13)" (docs/particles.md)
    #[arg(long, value_name = "LIST", allow_hyphen_values = true)]
    features: Option<Features>,
    #[command(flatten)]
    keep: Keep,
}

/// Whose last column is the weight.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Weighted {
    From,
    To,
    Both,
}

/// Weigh the events of a file
///
/// Reads the events block by block and writes their weights as they come: the memory does not grow with a .npy or .parquet file. Columns with names are
/// found by those of the reweighter, in any order and among others; without names the events have its columns alone. Their weights w(x) are
/// to be multiplied with those that the events have; of a reweighter of `laser resample` they stand, times a factor that is printed, in
/// their place.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  laser reweight apply reweighter.laser simulation.npy -o weights.npy"
)]
pub struct Apply {
    /// What `laser reweight train` has written
    model: PathBuf,
    /// Events: a .npy, .npz, .csv, .parquet, .lhe or .hepmc file
    events: PathBuf,
    /// Where the weights go: a .npy, .csv or .parquet file with a column w, the last one; or, of particles, a file of the same kind: the events with all their weights
    /// multiplied by w; - for stdout
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// What goes to stdout: npy, csv, parquet, lhe or hepmc
    #[arg(long, value_name = "KIND", value_parser = output::format)]
    format: Option<Kind>,
    /// Write log w as well
    #[arg(long)]
    log: bool,
    /// Write the standard deviation of log w between the networks of the ensemble as well
    #[arg(long)]
    spread: bool,
    /// Write the columns that the events have before the others
    #[arg(long)]
    events_too: bool,
    /// What of particles the reweighter sees, as in its training
    #[arg(long, value_name = "LIST", allow_hyphen_values = true)]
    features: Option<Features>,
    /// The column of a table that holds weights which the events have, by its name or number, from 0: it is none of the features, and their mean
    /// weight, by which other events than those of FROM are told, is taken with it. w is without it, unless --weight-name asks for both
    #[arg(long, value_name = "COLUMN")]
    weight_column: Option<String>,
    /// Write what an event counts with: w times the weight that it has, or, of a reweighter of `laser resample`, what stands in its place. In a
    /// table it is the last column, of this name, in the place of w (events without --weight-column have the weight 1); particles' events have
    /// one more weight, and keep theirs
    #[arg(long, value_name = "NAME")]
    weight_name: Option<String>,
    /// The conditions of all events, where the file has none: numbers with commas between
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        allow_negative_numbers = true
    )]
    conditions: Vec<f64>,
    /// Threads to work on; they change no bit
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole::<u16>(1..=1024), allow_negative_numbers = true)]
    threads: u16,
}

/// Runs the command.
pub fn run(command: &Command) -> Result<()> {
    match command {
        Command::Train(arguments) => train(arguments),
        Command::Apply(arguments) => apply(arguments),
    }
}

/// The options of a file or, without one, of a preset.
pub fn of_json_or_preset(path: Option<&Path>, preset: &str) -> Result<Options> {
    let Some(path) = path else {
        return Options::preset(preset).map_err(|e| Failure::Usage(format!("--preset: {e}")));
    };
    let text = std::fs::read_to_string(path).map_err(|e| Failure::of(path, e))?;
    let options = Options::from_json(&text).map_err(|e| Failure::of(path, e))?;
    match options.get(keys::SOURCE_WEIGHT) {
        "" => Ok(options),
        _ => Err(Failure::of(
            path,
            "the weights are named by --weights and --weight-column, and not by `source.weight`",
        )),
    }
}

fn train(arguments: &Train) -> Result<()> {
    let mut options = of_json_or_preset(arguments.options.as_deref(), &arguments.preset)?;
    let path = &arguments.output;
    if matches!(path.as_os_str().as_encoded_bytes(), [] | [.., b'/']) {
        return Err(Failure::usage(path, "--output must name the file to write"));
    }
    let log = log_of(path);
    let mut inputs = vec![arguments.from.as_path(), &arguments.to];
    inputs.extend(arguments.options.as_deref());
    let outputs = [path, &log];
    let kept = arguments.keep.files();
    for output in outputs.into_iter().chain(&kept) {
        apart(output, &inputs)?;
        // Found out now, not when the training is done.
        Aside::new(output).map_err(|e| unwritable(output, e))?;
    }
    let weight_of = |which: Weighted| {
        let both = arguments.weight_column.as_ref().map(|_| Weighted::Both);
        let given = [Some(which), Some(Weighted::Both)].contains(&arguments.weights.or(both));
        match &arguments.weight_column {
            Some(name) if given => WeightsColumn::Named(name.clone()),
            _ => WeightsColumn::Last(given),
        }
    };
    let features = arguments.features.as_ref();
    let read = |path: &Path, which| Given::read(path, &weight_of(which), features, &options);
    let mut from = read(&arguments.from, Weighted::From)?;
    let mut to = read(&arguments.to, Weighted::To)?;
    let named = to.events.names();
    // Without the conditions, where only `to` has them.
    let own = named.get(..from.events.columns).unwrap_or(named);
    let whose = arguments.to.display().to_string();
    names::match_to(&mut from.events, (&whose, own))?;
    // What only `from` has names for is called by them.
    let named = match named.is_empty() && from.events.columns == to.events.columns {
        true => &from.events,
        false => &to.events,
    };
    names::call(&mut options, &named.path, named.names())?;
    let watch = arguments.keep.watch(&outputs.map(PathBuf::as_path))?;
    for given in [&from, &to] {
        given.note(&watch);
    }
    let (mut from, mut to) = (from.source(&options)?, to.source(&options)?);
    let trained = train_reweighter(&mut from, &mut to, &options, &watch);
    let trained = trained.and_then(|trained| {
        watch.check("saving")?;
        Ok(trained)
    });
    let command = again(arguments);
    let trained = trained.map_err(|error| arguments.keep.failed(&watch, error, &command))?;
    arguments.keep.finish(watch, &trained, Some(path), path)
}

/// The command, but for its checkpoint.
fn again(arguments: &Train) -> String {
    let mut command = format!(
        "laser reweight train {} {} -o {}",
        arguments.from.display(),
        arguments.to.display(),
        arguments.output.display()
    );
    let mut add = |option: &str, value: &str| command.push_str(&format!(" --{option}{value}"));
    match &arguments.options {
        Some(path) => add("options ", &path.display().to_string()),
        None => add("preset ", &arguments.preset),
    }
    match arguments.weights {
        Some(Weighted::Both) => add("weights", ""),
        Some(Weighted::From) => add("weights", "=from"),
        Some(Weighted::To) => add("weights", "=to"),
        None => (),
    }
    if let Some(name) = &arguments.weight_column {
        add("weight-column ", name);
    }
    if let Some(features) = &arguments.features {
        add("features ", &format!("{:?}", features.text));
    }
    command
}

const EVENTS: &str =
    "{bar:30} {percent:>3} %  {human_pos} of {human_len} events  {per_sec}  {eta} left";

/// Where the first `wanted` values of an event are in a row of the file.
fn places(
    path: &Path,
    (own, columns): (&[String], usize),
    weight: Option<usize>,
    names: &[String],
    (wanted, conditions): (usize, usize),
) -> Result<Vec<usize>> {
    let missing = match conditions {
        0 => String::new(),
        n => format!("; the last {n} are its conditions, which --conditions gives to all events"),
    };
    if own.is_empty() || names.is_empty() {
        let features: Vec<usize> = (0..columns).filter(|&c| Some(c) != weight).collect();
        if features.len() != wanted {
            let columns = features.len();
            let what = format!("it has {columns} columns, and {wanted} are needed: those that the reweighter was trained on, without weights (--weight-column){missing}");
            return Err(Failure::of(path, what));
        }
        let taken: Vec<String> = features
            .iter()
            .filter_map(|&c| own.get(c).cloned())
            .collect();
        match (taken.is_empty(), names.is_empty()) {
            (true, true) => (),
            (true, false) => names::tell(&path.display().to_string(), &names[..wanted]),
            (false, _) => names::tell("the reweighter", &taken),
        }
        return Ok(features);
    }
    let found = names[..wanted].iter();
    found.map(|name| place(path, own, columns, name)).collect()
}

fn apply(arguments: &Apply) -> Result<()> {
    let path = &arguments.output;
    let inputs = [arguments.model.as_path(), &arguments.events];
    apart(path, &inputs).map_err(Failure::asked)?;
    let kind = output::kind(path, arguments.format)?;
    let same = match kind {
        Kind::Npy | Kind::Csv | Kind::Parquet => None,
        Kind::Npz => return Err(output::no_archive(path)),
        Kind::Particles(format) if Kind::of(&arguments.events)? == kind => Some(format),
        Kind::Particles(_) => {
            let what = "the events are of another kind, and only their own can have the weights in it; write .npy, .csv or .parquet";
            return Err(Failure::usage(path, what));
        }
    };
    if let (None, Some(name)) = (same, &arguments.weight_name) {
        let of_particles = Kind::of(npz::member(&arguments.events).0);
        if matches!(of_particles, Ok(Kind::Particles(_))) {
            let what = "--weight-name: a table has the features of particles' events, and not the weights that they have; write a file of the kind of the events, or leave it out";
            return Err(Failure::usage(path, what));
        }
        let taken = [("log_w", arguments.log), ("spread", arguments.spread)];
        if name.is_empty() || taken.contains(&(name, true)) {
            let what = format!("--weight-name: `{name}` is no name for a further column");
            return Err(Failure::usage(path, what));
        }
    }
    if same.is_some() && arguments.weight_column.is_some() {
        let what = "--weight-column is for tables; particles' events have their nominal weight";
        return Err(Failure::usage(path, what));
    }
    let reweighter = Reweighter::load(&arguments.model)
        .map_err(|error| match error {
            laser::Error::Unsupported(_) => Failure::usage(
                &arguments.model,
                "this is a model with a generator, and no reweighter; `laser reweight train` makes one, and `laser sample` makes events of this one",
            ),
            other => other.into(),
        })?;
    let meaning = Meaning::of(&reweighter);
    let dims = reweighter.generator.dims();
    let given = &arguments.conditions;
    if !given.is_empty() && given.len() != dims.conditions {
        return Err(Failure::Usage(format!(
            "--conditions: {} numbers, and the reweighter has {} conditions",
            given.len(),
            dims.conditions
        )));
    }
    if let Some(format) = same {
        return rewrite(arguments, &reweighter, format, meaning);
    }
    let input = Input::open(&arguments.events, arguments.features.as_ref())?;
    let (rows, columns) = (input.rows(), input.columns());
    let wanted = dims.event_row() - given.len();
    let conditions = dims.conditions - given.len();
    let weight = arguments.weight_column.as_deref();
    let weight = weight
        .map(|name| place(&arguments.events, input.names(), columns, name).map_err(Failure::asked));
    let weight = weight.transpose()?;
    let places = places(
        &arguments.events,
        (input.names(), columns),
        weight,
        &reweighter.names,
        (wanted, conditions),
    )?;
    if let (Some(name), true) = (
        &arguments.weight_column,
        weight.is_some_and(|weight| places.contains(&weight)),
    ) {
        let what = format!("--weight-column: column {name} is a feature of the reweighter");
        return Err(Failure::usage(&arguments.events, what));
    }
    let mut names = Vec::new();
    if arguments.events_too {
        names.extend((0..columns).map(|i| input.name(i)));
    }
    let of_own = names.len();
    let mut more = Vec::from_iter(arguments.log.then_some("log_w"));
    more.extend(arguments.spread.then_some("spread"));
    let last = arguments.weight_name.as_deref().unwrap_or("w");
    more.push(last);
    if let Some(name) = names.iter().find(|name| more.contains(&name.as_str())) {
        let other = match name == last {
            true => ", or give the new one another name (--weight-name)",
            false => "",
        };
        let what = format!("--events-too: a column is called `{name}` already, as one of the new ones is; rename it{other}");
        return Err(Failure::of(&arguments.events, what));
    }
    names.extend(more.into_iter().map(str::to_owned));
    let width = names.len();
    let mut options = Options::new();
    options.set_i64(keys::THREADS.name(), arguments.threads.into())?;
    let stop = Stop::listen()?;
    let bar = terminal::bar(rows as u64, EVENTS)?;
    let start = Instant::now();
    let file = Output {
        path,
        kind,
        rows: rows as u64,
        header: names.clone(),
        array: match arguments.events_too {
            true => input.array(),
            false if width == 1 => Array::Flat,
            false => Array::Table,
        },
        columns: names,
        attributes: Vec::new(),
        particles: None,
        first: 0,
    };
    let long = match arguments.events_too {
        true => &input.long()[..],
        false => &[],
    };
    let most = (BLOCK / (columns + wanted + width)).max(1);
    let seen = file.write(|sink| {
        let (mut seen, mut strange) = (Seen::new(meaning), false);
        let (mut read, mut x, mut out) = (Vec::new(), Vec::new(), Vec::new());
        let [mut w, mut log_w, mut spread] = [const { Vec::new() }; 3];
        for first in (0..rows).step_by(most) {
            if stop.wanted() {
                return Err(Failure::Interrupted);
            }
            let block = first..rows.min(first + most);
            let count = block.len();
            read.resize(count * columns, 0.0);
            input.read(block, &mut read)?;
            x.clear();
            for (i, row) in read.chunks_exact(columns).enumerate() {
                if let Some(v) = weight.map(|place| row[place]).filter(|v| !v.is_finite()) {
                    let what = format!("row {} (from 0): its weight is {v}", first + i);
                    return Err(Failure::of(&arguments.events, what));
                }
                x.extend(places.iter().map(|&place| row[place]));
                x.extend_from_slice(given);
            }
            for out in [&mut w, &mut log_w, &mut spread] {
                out.resize(count, 0.0);
            }
            let wanted = Weights {
                w: Some(RowsMut::column(&mut w)),
                log_w: arguments.log.then(|| RowsMut::column(&mut log_w)),
                spread: arguments.spread.then(|| RowsMut::column(&mut spread)),
            };
            let rows = Rows::packed(&x, dims.event_row())?;
            strange = strange || bar.suspend(|| warned(&reweighter, &rows));
            let weighted = reweighter.weights(&options, rows, wanted);
            weighted
                .map_err(|error| of_rows(&arguments.events, &reweighter, (first, count), error))?;
            out.clear();
            for row in 0..count {
                let read = &read[row * columns..][..columns];
                let own = &read[..of_own];
                require_exact(&arguments.events, first + row, own, long)?;
                out.extend_from_slice(own);
                out.extend(arguments.log.then_some(log_w[row]));
                out.extend(arguments.spread.then_some(spread[row]));
                out.push(match arguments.weight_name {
                    Some(_) => meaning.weight(w[row], weight.map_or(1.0, |place| read[place])),
                    None => w[row],
                });
            }
            sink(&out)?;
            for (w, row) in w.iter().zip(read.chunks_exact(columns)) {
                seen.add(*w, weight.map(|place| row[place]));
            }
            bar.inc(count as u64);
        }
        Ok(seen)
    })?;
    bar.finish_and_clear();
    seen.tell(path, start.elapsed().as_secs_f64());
    let (whole, own) = (arguments.weight_name.is_some(), &arguments.weight_column);
    if let Some(note) = meaning.of_column(last, whole, own.as_deref()) {
        terminal::say(&note);
    }
    Ok(())
}

/// Warns of conditions where the training had none; whether there are any.
fn warned(reweighter: &Reweighter, rows: &Rows<f64>) -> bool {
    let strange = reweighter.strange(rows);
    terminal::warn(strange.as_deref());
    strange.is_some()
}

/// What is wrong with events from row `first` on, as the library counts them.
fn of_rows(
    path: &Path,
    reweighter: &Reweighter,
    (first, count): (usize, usize),
    error: laser::Error,
) -> Failure {
    match error {
        laser::Error::NotFinite { row, column, .. } => Failure::of(
            path,
            format!(
                "row {} (from 0): {} is not finite",
                first + row,
                column
                    .and_then(|c| reweighter.column_name(c))
                    .unwrap_or_default()
            ),
        ),
        laser::Error::Numerical(what) => {
            let what = match first {
                0 => what,
                _ => format!("{what}, of the {count} from row {first} (from 0) on"),
            };
            Failure::of(path, what)
        }
        other => other.into(),
    }
}

/// Events of particles that are held in memory at once, and bytes of their text.
const EVENTS_HELD: usize = 10_000;
const TEXT_HELD: usize = 1 << 24;

/// Why the weights of an event cannot be multiplied so that the nominal one is another.
pub fn no_factor(event: usize) -> String {
    format!("event {event} (from 0) has the weight 0, which no factor makes another: leave such events out")
}

/// Writes the events of a file of particles again, with their weights multiplied.
fn rewrite(
    arguments: &Apply,
    reweighter: &Reweighter,
    format: Format,
    meaning: Meaning,
) -> Result<()> {
    let path = &arguments.output;
    let (source, given) = (&arguments.events, &arguments.conditions);
    if arguments.log || arguments.spread || arguments.events_too {
        let what =
            "--log, --spread and --events-too are for columns of numbers; write .npy, .csv or .parquet";
        return Err(Failure::usage(path, what));
    }
    let features = arguments.features.as_ref().ok_or_else(|| {
        Failure::usage(
            source,
            "say with --features what of the particles the reweighter sees, as in its training",
        )
    })?;
    let rewriter = Rewriter::new(path, format, arguments.weight_name.as_deref())?;
    let dims = reweighter.generator.dims();
    let own: Vec<String> = features.names().cloned().collect();
    let wanted = dims.event_row() - given.len();
    let places = places(
        source,
        (&own, own.len()),
        None,
        &reweighter.names,
        (wanted, dims.conditions - given.len()),
    )?;
    let mut options = Options::new();
    options.set_i64(keys::THREADS.name(), arguments.threads.into())?;
    let stop = Stop::listen()?;
    let bar = terminal::bar(0, "{spinner} {human_pos} events  {per_sec}")?;
    let start = Instant::now();
    let mut reader = Reader::open(source, format)?;
    let (mut seen, mut strange) = (Seen::new(meaning), false);
    output::write_text(path, |sink| {
        let mut more = reader.read()?;
        sink(&rewriter.begin(&reader)?)?;
        if let Some(spared) = rewriter.spared(&reader) {
            terminal::say(&spared);
        }
        let (mut held, mut own) = (Vec::<Raw>::new(), Vec::new());
        let (mut read, mut x, mut w) = (Vec::new(), Vec::new(), Vec::new());
        while more {
            if stop.wanted() {
                return Err(Failure::Interrupted);
            }
            held.clear();
            own.clear();
            x.clear();
            let mut text = 0;
            while more && held.len() < EVENTS_HELD && text < TEXT_HELD {
                read.clear();
                reader.features(features, &mut read)?;
                x.extend(places.iter().map(|&place| read[place]));
                x.extend_from_slice(given);
                let weight = reader.weight(None)?;
                if weight == 0.0 && meaning.replaces() {
                    let event = seen.rows + held.len();
                    return Err(Failure::of(source, no_factor(event)));
                }
                own.push(weight);
                text += reader.event.text.len();
                held.push(std::mem::take(&mut reader.event));
                more = reader.read()?;
            }
            w.resize(held.len(), 0.0);
            let out = Weights {
                w: Some(RowsMut::column(&mut w)),
                ..Weights::default()
            };
            let rows = Rows::packed(&x, dims.event_row())?;
            strange = strange || bar.suspend(|| warned(reweighter, &rows));
            let weighted = reweighter.weights(&options, rows, out);
            weighted.map_err(|e| of_rows(source, reweighter, (seen.rows, held.len()), e))?;
            for ((event, w), own) in held.iter().zip(&w).zip(&own) {
                let factor = match meaning.replaces() {
                    true => meaning.weight(*w, *own) / own,
                    false => *w,
                };
                sink(&rewriter.event(event, factor))?;
                seen.add(*w, Some(*own));
            }
            bar.set_position(seen.rows as u64);
        }
        if seen.rows == 0 {
            return Err(Failure::of(source, "there are no events in it"));
        }
        sink(&reader.event.text)
    })?;
    bar.finish_and_clear();
    seen.tell(path, start.elapsed().as_secs_f64());
    if let Some(note) = meaning.of_particles(arguments.weight_name.as_deref()) {
        terminal::say(&note);
    }
    Ok(())
}
