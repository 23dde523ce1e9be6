//! `laser resample`: positive weights for events that have weights of both signs.

use crate::events::{Events, Kind};
use crate::failure::{Failure, Result};
use crate::input::{require_exact, Input, BLOCK};
use crate::names;
use crate::npz;
use crate::output::{self, apart, same_file, Output};
use crate::particle::features::Features;
use crate::particle::files::{Format, Reader, Rewriter, NOMINAL};
use crate::reweight::{no_factor, of_json_or_preset};
use crate::terminal::{number, percent};
use crate::watch::{log_of, unwritable, Keep, Watch};
use laser::aside::Aside;
use laser::options::{keys, Options};
use laser::protocol::{self, Reweighter, Source};
use laser::train::Hooks;
use laser::{Rows, RowsMut};
use std::path::{Path, PathBuf};

/// Positive weights of the same local mean
///
/// Learns W(x), the mean of the weights of events at x, and writes the events with it in the place of their weights, whose sum stays. With
/// --variance fewer events are written, whose squared weights have the local mean of the old ones as well, so that errors of histograms stay
/// right. Writes beside the output, as FILE.log, the training log, then tells what `laser info` does of the reweighter. Features and weights are
/// held in memory. Ctrl-C stops within a training step and leaves nothing, or with --checkpoint a file from which the same command goes on; a
/// second one ends at once.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  laser resample events.npy -o positive.npy --preset fast --columns pt_t,m_tt,dphi"
)]
pub struct Arguments {
    /// Events with weights: a .npy, .npz, .csv or .parquet file, one event in a row; or one of particles, .lhe or .hepmc
    events: PathBuf,
    /// Where the same events go, with their new weights: a .npy, .csv or .parquet file; or one of the same kind, of particles
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// The column of the weights, by its name or number, from 0; the last unless given. Of particles' events the name of a weight, of the
    /// nominal one unless given
    #[arg(long, value_name = "NAME")]
    weight_column: Option<String>,
    /// Columns of further weights, as of variations, with commas between: each is multiplied with (new weight) / (old weight)
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    also: Vec<String>,
    /// What W depends on: columns by their names or numbers, with commas between; all that are no weights unless given. The others are
    /// written as they are
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    columns: Vec<String>,
    /// What of particles W depends on, as "pt(24), y(24), y(23)"; all weights of an event are multiplied by the same factor
    #[arg(long, value_name = "LIST", allow_hyphen_values = true)]
    features: Option<Features>,
    /// Keep the local mean of the squared weights as well, in fewer events: the option "resample.method"
    #[arg(long)]
    variance: bool,
    /// Write the reweighter to this file as well: its weights, times "resample.factor" of its record, are W(x) of other events
    #[arg(long, value_name = "MODEL")]
    model: Option<PathBuf>,
    /// liblaser's options (docs/options.md), as a JSON file, which names the preset itself: {"preset": "fast", "classifier": {"ensemble": 5}}
    #[arg(long, value_name = "FILE", conflicts_with = "preset")]
    options: Option<PathBuf>,
    /// The preset of the options: paper (long) or fast
    #[arg(long, value_name = "NAME", default_value = "paper")]
    preset: String,
    #[command(flatten)]
    keep: Keep,
}

/// What of the events the library is given, whatever the file: read once, before the weights are known.
struct Sample {
    /// What the features are called; empty if they have no names.
    names: Vec<String>,
    /// Features, row by row.
    x: Vec<f64>,
    columns: usize,
    w: Vec<f64>,
}

/// A file of events, which is read twice: for what the library is given, and to be written with the new weights.
enum Given<'a> {
    Table(Box<Table<'a>>),
    Particles(Particles<'a>),
}

/// A table of numbers, and where in a row of it what stands.
struct Table<'a> {
    path: &'a Path,
    input: Input,
    features: Vec<usize>,
    weight: usize,
    also: Vec<usize>,
}

/// A file of particles, all weights of whose events are multiplied alike.
struct Particles<'a> {
    path: &'a Path,
    format: Format,
    features: &'a Features,
    /// That of the weight, if it is not the nominal one.
    weight: Option<&'a str>,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<()> {
    let mut options = of_json_or_preset(arguments.options.as_deref(), &arguments.preset)?;
    if arguments.variance {
        options.set_str(keys::RESAMPLE_METHOD.name(), "variance")?;
    }
    let path = &arguments.output;
    let log = log_of(path);
    let mut inputs = vec![arguments.events.as_path()];
    inputs.extend(arguments.options.as_deref());
    let kept = arguments.keep.files();
    let mut outputs = vec![path, &log];
    outputs.extend(&arguments.model);
    for output in outputs.iter().copied().chain(&kept) {
        apart(output, &inputs)?;
        // Found out now, not when the training is done.
        Aside::new(output).map_err(|e| unwritable(output, e))?;
    }
    let model = arguments.model.as_ref();
    if model.is_some_and(|model| same_file(model, path) || same_file(model, &log)) {
        return Err(Failure::usage(path, "--model needs a file of its own"));
    }
    let given = Given::open(arguments)?;
    let outputs: Vec<&Path> = outputs.iter().map(|path| path.as_path()).collect();
    let watch = arguments.keep.watch(&outputs)?;
    let sample = given.sample()?;
    given.note(&sample, &watch);
    names::call(&mut options, &arguments.events, &sample.names)?;
    let made = resample(&sample, &options, &watch);
    let (new, trained) = made.map_err(|error| match error {
        laser::Error::NotFinite { row, column, .. } => given.not_finite(row, column),
        error => arguments.keep.failed(&watch, error, &again(arguments)),
    })?;
    let written = given.write(path, &sample.w, &new, &watch);
    written.map_err(|failure| arguments.keep.unwritten(&trained, path, failure))?;
    arguments
        .keep
        .finish(watch, &trained, arguments.model.as_deref(), path)
}

/// The new weights of a sample, and the reweighter that comes with them.
fn resample(
    sample: &Sample,
    options: &Options,
    watch: &Watch,
) -> laser::Result<(Vec<f64>, Reweighter)> {
    let rows = Rows::packed(&sample.x, sample.columns)?;
    let events = Source::from_rows(rows, Some(&sample.w))?;
    let mut new = vec![0.0; sample.w.len()];
    let weights = RowsMut::column(&mut new);
    let trained = protocol::resample(&events, options, watch, Some(weights))?;
    watch.check("saving")?;
    Ok((new, trained))
}

impl<'a> Given<'a> {
    /// Finds out what can be wrong with the arguments.
    fn open(arguments: &'a Arguments) -> Result<Self> {
        let (path, output) = (arguments.events.as_path(), &arguments.output);
        let to = Kind::of(output).map_err(Failure::asked)?;
        let features = arguments.features.as_ref();
        match (Kind::of(npz::member(path).0)?, features) {
            (Kind::Particles(format), Some(features)) => {
                if to != Kind::Particles(format) {
                    let what = "the events go into a file of their own kind, with other weights";
                    return Err(Failure::usage(output, what));
                }
                if !arguments.columns.is_empty() || !arguments.also.is_empty() {
                    let what = "--columns and --also are for tables of numbers: of particles --features counts, and all weights of an event are multiplied alike";
                    return Err(Failure::usage(path, what));
                }
                return Ok(Given::Particles(Particles {
                    path,
                    format,
                    features,
                    weight: arguments.weight_column.as_deref(),
                }));
            }
            (Kind::Particles(_), None) => {
                let what = "say with --features what of the particles the weights depend on, as \"pt(24), y(24), y(23)\"";
                return Err(Failure::usage(path, what));
            }
            (_, Some(_)) => {
                let what = "--features is for events of particles; of a table take --columns";
                return Err(Failure::usage(path, what));
            }
            _ => (),
        }
        match to {
            Kind::Npy | Kind::Csv | Kind::Parquet => {
                Table::open(arguments).map(|table| Given::Table(Box::new(table)))
            }
            Kind::Npz => Err(output::no_archive(output)),
            Kind::Particles(_) => Err(output::no_particles(output)),
        }
    }

    fn sample(&self) -> Result<Sample> {
        match self {
            Given::Table(table) => table.sample(),
            Given::Particles(particles) => particles.sample(),
        }
    }

    /// Tells what was read, and what is strange about it.
    fn note(&self, sample: &Sample, watch: &Watch) {
        let (path, weight) = match self {
            Given::Table(table) => (
                table.path,
                format!("of column {}", table.input.name(table.weight)),
            ),
            Given::Particles(Particles { path, weight, .. }) => {
                (*path, format!("`{}`", weight.unwrap_or(NOMINAL)))
            }
        };
        watch.note(&format!(
            "liblaser {}: {} events of {} features from {}, with the weights {weight}",
            env!("CARGO_PKG_VERSION"),
            sample.w.len(),
            sample.columns,
            path.display(),
        ));
    }

    /// Of a value that the library has refused.
    fn not_finite(&self, row: usize, feature: Option<usize>) -> Failure {
        match self {
            Given::Table(table) => table.not_finite(row, feature),
            Given::Particles(Particles { path, features, .. }) => {
                let name = feature.and_then(|feature| features.names().nth(feature));
                let name = name.map_or("the weight", String::as_str);
                let what = format!("event {row} (from 0): {name} is not finite");
                Failure::of(path, what)
            }
        }
    }

    /// Writes the events whose new weight is not 0, with it.
    fn write(&self, path: &Path, old: &[f64], new: &[f64], watch: &Watch) -> Result<()> {
        match self {
            Given::Table(table) => table.write(path, old, new, watch)?,
            Given::Particles(particles) => particles.write(path, old, new, watch)?,
        }
        let count = new.iter().filter(|w| **w != 0.0).count();
        watch.note(&format!("wrote {count} events to {}", path.display()));
        Ok(())
    }
}

impl Particles<'_> {
    fn sample(&self) -> Result<Sample> {
        let mut reader = Reader::open(self.path, self.format)?;
        // That its weights cannot be multiplied is found out now, not when the training is done.
        Rewriter::new(self.path, self.format, None)?.begin(&reader)?;
        let (mut x, mut w) = (Vec::new(), Vec::new());
        while reader.read()? {
            let room = x.try_reserve(self.features.names().count());
            let room = room.and_then(|()| w.try_reserve(1));
            room.map_err(|e| Failure::of(self.path, e))?;
            reader.features(self.features, &mut x)?;
            let weight = reader.weight(self.weight)?;
            if weight == 0.0 {
                return Err(Failure::of(self.path, no_factor(w.len())));
            }
            w.push(weight);
        }
        if w.is_empty() {
            return Err(Failure::of(self.path, "there are no events in it"));
        }
        Ok(Sample {
            names: self.features.names().cloned().collect(),
            columns: self.features.names().count(),
            x,
            w,
        })
    }

    /// All weights of an event multiplied by what makes the new one of the old.
    fn write(&self, path: &Path, old: &[f64], new: &[f64], watch: &Watch) -> Result<()> {
        let mut reader = Reader::open(self.path, self.format)?;
        let rewriter = Rewriter::new(path, self.format, None)?;
        let mut weights = old.iter().zip(new);
        // The mean of the weights of a Les Houches file is the cross-section: of fewer events, too.
        let kept = new.iter().filter(|w| **w != 0.0).count() as f64 / new.len() as f64;
        let unit = match self.format {
            Format::Lhe => kept,
            Format::Hepmc => 1.0,
        };
        output::write_text(path, |sink| {
            let mut more = reader.read()?;
            sink(&rewriter.begin(&reader)?)?;
            if let Some(spared) = rewriter.spared(&reader) {
                watch.note(&spared);
            }
            while more {
                let (old, new) = weights.next().ok_or_else(|| {
                    Failure::of(self.path, "it has more events than when it was read first")
                })?;
                if *new != 0.0 {
                    sink(&rewriter.event(&reader.event, unit * new / old))?;
                }
                more = reader.read()?;
            }
            sink(&reader.event.text)
        })
    }
}

impl<'a> Table<'a> {
    fn open(arguments: &'a Arguments) -> Result<Self> {
        let path = arguments.events.as_path();
        let input = Input::open(path, None)?;
        let first;
        let head = match &input {
            Input::Table(table) => {
                first = Events::head(table)?;
                &first
            }
            Input::Groups(groups) => {
                first = groups.head()?;
                &first
            }
            Input::Whole(events) => events,
        };
        let place = |name: &String| head.place(name).map_err(Failure::asked);
        let weight = head.weights_column(arguments.weight_column.as_deref());
        let weight = weight.map_err(Failure::asked)?;
        let also: Vec<usize> = arguments.also.iter().map(place).collect::<Result<_>>()?;
        let features: Vec<usize> = match arguments.columns.is_empty() {
            false => arguments.columns.iter().map(place).collect::<Result<_>>()?,
            true => (0..head.columns)
                .filter(|c| *c != weight && !also.contains(c))
                .collect(),
        };
        let all = features.iter().chain(&also).chain([&weight]);
        let mut all: Vec<usize> = all.copied().collect();
        all.sort_unstable();
        if let Some(twice) = all.windows(2).find(|pair| pair[0] == pair[1]) {
            let what = format!(
                "column {} (from 0) is asked for twice, as weight or feature",
                twice[0]
            );
            return Err(Failure::usage(path, what));
        }
        if features.is_empty() {
            let what = "no column is left that the weights could depend on";
            return Err(Failure::usage(path, what));
        }
        head.refuse_index(|column| column == weight || features.contains(&column))?;
        Ok(Table {
            path,
            input,
            features,
            weight,
            also,
        })
    }

    /// Of a value that the library has refused.
    fn not_finite(&self, row: usize, feature: Option<usize>) -> Failure {
        let column = feature.map_or(self.weight, |feature| self.features[feature]);
        let what = format!(
            "row {row}, column {} ({column}, both from 0) is not finite; all numbers must be",
            self.input.name(column)
        );
        Failure::of(self.path, what)
    }

    /// Calls `each` for every row, in order.
    fn rows(&self, mut each: impl FnMut(usize, &mut [f64]) -> Result<()>) -> Result<()> {
        let (rows, columns) = (self.input.rows(), self.input.columns());
        let most = (BLOCK / columns).max(1);
        let mut read = Vec::new();
        for first in (0..rows).step_by(most) {
            let block = first..rows.min(first + most);
            read.resize(block.len() * columns, 0.0);
            self.input.read(block.clone(), &mut read)?;
            let mut rows = block.zip(read.chunks_exact_mut(columns));
            rows.try_for_each(|(row, values)| each(row, values))?;
        }
        Ok(())
    }

    /// Features and weights.
    fn sample(&self) -> Result<Sample> {
        let (rows, columns) = (self.input.rows(), self.features.len());
        let (mut x, mut w) = (Vec::new(), Vec::new());
        let room = x.try_reserve_exact(rows.saturating_mul(columns));
        let room = room.and_then(|()| w.try_reserve_exact(rows));
        room.map_err(|e| Failure::of(self.path, e))?;
        let long = self.input.long();
        self.rows(|i, row| {
            require_exact(self.path, i, row, &long)?;
            x.extend(self.features.iter().map(|&column| row[column]));
            w.push(row[self.weight]);
            Ok(())
        })?;
        let named = !self.input.names().is_empty();
        let names = self.features.iter().filter(|_| named);
        Ok(Sample {
            names: names.map(|&column| self.input.name(column)).collect(),
            x,
            columns,
            w,
        })
    }

    /// Writes the events whose new weight is not 0, with it.
    fn write(&self, path: &Path, old: &[f64], new: &[f64], watch: &Watch) -> Result<()> {
        let names: Vec<String> = (0..self.input.columns())
            .map(|c| self.input.name(c))
            .collect();
        let file = Output {
            path,
            kind: Kind::of(path)?,
            rows: new.iter().filter(|w| **w != 0.0).count() as u64,
            header: names.clone(),
            array: self.input.array(),
            columns: names,
            attributes: Vec::new(),
            particles: None,
            first: 0,
        };
        // Of every further weight: what it sums to before and after, and the squares of the differences.
        let mut sums = vec![[0.0; 3]; self.also.len()];
        let mut lost = 0_usize;
        file.write(|sink| {
            self.rows(|row, values| {
                let (old, new) = (old[row], new[row]);
                for (&column, [before, after, squares]) in self.also.iter().zip(&mut sums) {
                    let own = values[column];
                    let carried = match old == 0.0 {
                        true => new,
                        false => own * (new / old),
                    };
                    lost += usize::from(old == 0.0 && own != 0.0);
                    *before += own;
                    *after += carried;
                    *squares += (carried - own).powi(2);
                    values[column] = carried;
                }
                values[self.weight] = new;
                match new == 0.0 {
                    true => Ok(()),
                    false => sink(values),
                }
            })
        })?;
        if lost > 0 {
            watch.note(&format!(
                "warning: {lost} further weights of events whose own weight is 0 cannot be carried in proportion; they have the new weight itself"
            ));
        }
        for (&column, [before, after, squares]) in self.also.iter().zip(sums) {
            const ERRORS: f64 = 4.0;
            let off = (after - before).abs() > ERRORS * f64::sqrt(squares);
            watch.note(&format!(
                "{}column `{}` sums to {}, and summed to {} ({}){}",
                if off { "warning: " } else { "" },
                self.input.name(column),
                number(after),
                number(before),
                percent(after / before - 1.0),
                match off {
                    true => ": its ratio to the weight is not the same for events of both signs that lie together; resample it by itself",
                    false => "",
                }
            ));
        }
        Ok(())
    }
}

/// The command, but for its checkpoint.
fn again(arguments: &Arguments) -> String {
    let mut command = format!(
        "laser resample {} -o {}",
        arguments.events.display(),
        arguments.output.display()
    );
    let mut add = |option: &str, value: &str| command.push_str(&format!(" --{option}{value}"));
    match &arguments.options {
        Some(path) => add("options ", &path.display().to_string()),
        None => add("preset ", &arguments.preset),
    }
    if let Some(name) = &arguments.weight_column {
        add("weight-column ", name);
    }
    for (option, list) in [("also ", &arguments.also), ("columns ", &arguments.columns)] {
        if !list.is_empty() {
            add(option, &list.join(","));
        }
    }
    if let Some(features) = &arguments.features {
        add("features ", &format!("{:?}", features.text));
    }
    if arguments.variance {
        add("variance", "");
    }
    if let Some(path) = &arguments.model {
        add("model ", &path.display().to_string());
    }
    command
}
