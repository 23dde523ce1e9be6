//! `laser sample`: events of a model, to a file.

use crate::argument::{whole, MOST_EXACT};
use crate::events::{Events, Kind};
use crate::failure::{Failure, Result};
use crate::info::{self, File};
use crate::names;
use crate::output::{self, Array, Output};
use crate::particle::declaration::Declaration;
use crate::particle::files::Format;
use crate::particle::maker::Maker;
use crate::terminal::{self, number, percent, rate, Stop};
use laser::model::{GeneratorKind, Method, Model};
use laser::options::{keys, Options};
use laser::protocol::{Instance, Outputs, Sampler};
use laser::train::{Hooks, Level};
use laser::{Rows, RowsMut};
use std::borrow::Cow;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// Sample events from a model into a file
///
/// Event i of a stream depends on the model, the seed, the stream and i alone: give the parts of a big job streams of their own, or parts
/// of one stream by --first. The file is double precision, with the columns x0 x1 … (features), c0 … (the conditions, if the model has
/// any), in a .csv or .parquet by their names if the model has them, and if asked for z0 … (--latent), log_p (--logp), w (--weights, always last). It appears when it is complete. Warnings say where
/// the events contradict what the model's training found; if ten of them carry more than 1 % of the weight, and ten times as much as ten
/// others, the command ends with status 3, after writing them. Ctrl-C stops and leaves nothing; a second one ends at once.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  laser sample model.laser -n 1e6 --seed 7 -o events.npy")]
pub struct Arguments {
    /// The model file
    model: PathBuf,
    /// Events to make, as 1000000, 1e6 or 1_000_000; with --conditions by default one for each of its rows
    #[arg(short = 'n', long, value_name = "N", value_parser = whole::<u64>(1..=MOST_EXACT), allow_negative_numbers = true, required_unless_present = "conditions")]
    events: Option<u64>,
    /// Where they go: a .npy, .csv, .parquet, .lhe or .hepmc file, of which .csv, .lhe and .hepmc also packed (.lhe.gz); - for stdout
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// What goes to stdout: npy, csv, parquet, lhe or hepmc
    #[arg(long, value_name = "KIND", value_parser = output::format)]
    format: Option<Kind>,
    /// Seed of the events
    #[arg(long, default_value = "1", value_parser = whole::<u64>(0..=u64::MAX), allow_negative_numbers = true)]
    seed: u64,
    /// Stream of the seed; others are independent of it
    #[arg(long, default_value = "0", value_parser = whole::<u64>(0..=u64::MAX), allow_negative_numbers = true)]
    stream: u64,
    /// Number of the first event within the stream
    #[arg(long, value_name = "EVENT", value_parser = whole::<u64>(0..=MOST_EXACT), allow_negative_numbers = true, default_value = "0")]
    first: u64,
    /// How the events are made, as baseline, reweight or rejection; by default as the model was refined
    #[arg(long, value_parser = method)]
    method: Option<String>,
    /// Threads to work on; they change no bit
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole::<u16>(1..=1024), allow_negative_numbers = true)]
    threads: u16,
    /// Write the weights, as the last column
    #[arg(long)]
    weights: bool,
    /// Write log p, the natural logarithm of every event's density in its features (given its condition): with the methods baseline and
    /// reweight that of the generator's events, with flow that of its own, with the other methods that which they aim at. There is none
    /// with gan and matching, and none unless the generator is a flow
    #[arg(long)]
    logp: bool,
    /// Write the latent points that the events were made from
    #[arg(long)]
    latent: bool,
    /// Conditions of a conditional model, a .npy, .csv or .parquet file: row i for event number FIRST + i
    #[arg(long, value_name = "FILE")]
    conditions: Option<PathBuf>,
    /// How columns are particles, for .lhe and .hepmc: a JSON file that declares beams, partons, particles, decays and their momenta in GeV
    /// (docs/particles.md)
    #[arg(long, value_name = "FILE")]
    particles: Option<PathBuf>,
    /// The same in short, for .hepmc: PDG:PX,PY,PZ,m=MASS (or e=ENERGY), more with semicolons between, each a column (x0, c0) or a number,
    /// as "13:x0,x1,x2,m=0.10566; -13:x3,x4,x5,m=0.10566"
    #[arg(
        long,
        value_name = "PARTICLES",
        allow_hyphen_values = true,
        conflicts_with = "particles"
    )]
    hepmc_columns: Option<Declaration>,
}

/// A word of the option that it sets.
fn method(text: &str) -> laser::Result<String> {
    let set = Options::new().set_str("sampler.method", text);
    set.map(|()| text.into())
}

/// Numbers that are held in memory at once.
const BLOCK: usize = 1 << 20;

/// Events that are asked for at first; twice as many as long as they come in less than [`SOON`].
const FIRST_BLOCK: usize = 256;

const SOON: Duration = Duration::from_millis(100);

const EVENTS: &str =
    "{bar:30} {percent:>3} %  {human_pos} of {human_len} events  {per_sec}  {eta} left";

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<()> {
    let output = &arguments.output;
    let kind = output::kind(output, arguments.format)?;
    let inputs = [&arguments.model].into_iter();
    let inputs = inputs
        .chain(&arguments.conditions)
        .chain(&arguments.particles);
    let inputs: Vec<_> = inputs.map(PathBuf::as_path).collect();
    output::apart(output, &inputs).map_err(Failure::asked)?;
    let particles = declared(arguments)?;
    match (kind, &particles) {
        (Kind::Npz, _) => return Err(output::no_archive(output)),
        (Kind::Particles(_), None) => return Err(output::no_particles(output)),
        (Kind::Particles(format), Some(_)) => {
            if arguments.latent {
                let what = "HepMC and LHE have no place for latents; leave out --latent, or write .npy, .csv or .parquet";
                return Err(Failure::usage(output, what));
            }
            if arguments.logp && format == Format::Lhe {
                let what =
                    "LHE has no place for log p; leave out --logp, or write .npy, .csv, .parquet or .hepmc";
                return Err(Failure::usage(output, what));
            }
        }
        (Kind::Npy | Kind::Csv | Kind::Parquet, Some((_, asked))) => {
            let what = format!("{asked} is for .lhe and .hepmc files; leave it out, or write one");
            return Err(Failure::usage(output, what));
        }
        (Kind::Npy | Kind::Csv | Kind::Parquet, None) => (),
    }
    let File { model, sha256, .. } = File::load(&arguments.model)?;
    let mut options = Options::new();
    options.set_i64("sampler.threads", arguments.threads.into())?;
    if let Some(method) = &arguments.method {
        options.set_str("sampler.method", method)?;
    }
    if let GeneratorKind::Host { .. } = model.generator.kind {
        return Err(Failure::of(
            &arguments.model,
            "its generator is a callback, which only the program that has it can call; sample there (`laser_model_attach`)",
        ));
    }
    let method = options.get(keys::SAMPLER_METHOD);
    let method = method.unwrap_or_else(|| info::method(&model));
    let of_particles = matches!(kind, Kind::Particles(_));
    if method == Method::Reweight && !arguments.weights && !of_particles {
        return Err(Failure::Usage(
            "events of the method `reweight` are wrong without their weights: add --weights, or take another --method, as rejection".into(),
        ));
    }
    let conditions = conditions(arguments, &model)?;
    let rows = match (&conditions, arguments.events) {
        (_, Some(events)) => events,
        (Some(conditions), None) => conditions.rows as u64,
        (None, None) => 0,
    };
    if kind == Kind::Particles(Format::Hepmc) && arguments.first.saturating_add(rows) > MOST_HEPMC {
        return Err(Failure::usage(
            output,
            format!("HepMC numbers events up to {MOST_HEPMC}; take another --stream in the place of a large --first, or write .npy, .csv, .parquet or .lhe"),
        ));
    }
    let generator = &model.generator;
    let (m, n, c) = (
        generator.event_dim(),
        generator.latent_dim(),
        generator.condition_dim(),
    );
    let named = |letter: char, count: usize| (0..count).map(move |i| format!("{letter}{i}"));
    let mut columns: Vec<String> = named('x', m).chain(named('c', c)).collect();
    let particles = match &particles {
        None => None,
        Some((declaration, asked)) => {
            let maker = Maker::new(declaration, &columns, &model.names);
            let mut maker = maker.map_err(|e| Failure::Usage(format!("{asked}: {e}")))?;
            maker.begin(arguments.seed, arguments.stream, arguments.first);
            Some((&**declaration, *asked, maker))
        }
    };
    if arguments.latent {
        columns.extend(named('z', n));
    }
    columns.extend(arguments.logp.then(|| "log_p".into()));
    columns.extend((arguments.weights || of_particles).then(|| "w".into()));
    let width = columns.len();
    let model_names = model.names.clone();

    let stop = Stop::listen()?;
    let model = Arc::new(Instance::new(model));
    let asked = |error| Failure::from(error).asked();
    let mut sampler =
        Sampler::new(model, arguments.seed, arguments.stream, &options).map_err(asked)?;
    sampler.seek(arguments.first)?;
    let (warn, warned) = mpsc::channel();
    let watch = Watch {
        stop: stop.clone(),
        warn,
    };
    sampler.set_hooks(Some(Arc::new(watch)));
    let mut bar = match (method.is_chain(), arguments.first) {
        (false, _) => terminal::bar(rows, EVENTS)?,
        (true, 0) => terminal::bar(rows, "{spinner} the chains are burning in, for {elapsed}")?,
        (true, first) => {
            let walking = "{spinner} the chains are walking to event {msg}, for {elapsed}";
            terminal::bar(rows, walking)?.with_message(first.to_string())
        }
    };
    let table = Table {
        rows,
        width,
        dims: (m, n, c),
        conditions,
        latent: arguments.latent,
        logp: arguments.logp,
        weights: arguments.weights || of_particles,
    };
    let start = Instant::now();
    let header = match model_names.is_empty() {
        true => columns.clone(),
        false => model_names
            .iter()
            .chain(&columns[m + c..])
            .cloned()
            .collect(),
    };
    let file = Output {
        path: output,
        kind,
        rows,
        columns,
        header,
        attributes: vec![
            ("liblaser_model_sha256", sha256),
            ("liblaser_method", method.name().into()),
            ("liblaser_seed", arguments.seed.to_string()),
            ("liblaser_stream", arguments.stream.to_string()),
        ],
        particles,
        first: arguments.first,
        array: Array::Table,
    };
    // On a thread of its own: chains that burn in or walk, or a slow model, do not keep the user from stopping.
    let (to, from) = mpsc::sync_channel(1);
    let sampling = thread::Builder::new()
        .spawn(move || table.make(sampler, &to))
        .map_err(|e| Failure::of(output, format!("no thread to sample on: {e}")))?;
    let sampler = file.write(|sink| {
        let mut done = 0;
        loop {
            if stop.wanted() {
                return Err(Failure::Interrupted);
            }
            match from.recv_timeout(Duration::from_millis(100)) {
                Ok(values) => {
                    let values: Vec<f64> = values;
                    sink(&values)?;
                    if done == 0 {
                        bar = terminal::bar(rows, EVENTS)?;
                    }
                    done += (values.len() / width) as u64;
                    bar.set_position(done);
                }
                Err(RecvTimeoutError::Timeout) => bar.tick(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
            bar.suspend(|| say_all(&warned));
        }
        say_all(&warned);
        let sampled = sampling.join();
        sampled
            .unwrap_or_else(|defect| resume_unwind(defect))
            .map_err(asked)
    })?;
    bar.finish_and_clear();
    summary(
        &sampler,
        method,
        output,
        rows,
        start.elapsed().as_secs_f64(),
    )?;
    if sampler.concentrated() {
        let share = percent(sampler.diagnostic("weight_of_largest")?);
        return Err(Failure::Doubtful(format!(
            "ten events carry {share} of the weight: {} is written, but do not use it as it is",
            output::shown(output)
        )));
    }
    Ok(())
}

/// The greatest number that HepMC3 has for an event.
const MOST_HEPMC: u64 = i32::MAX as u64;

/// How rows are events of particles, with the option that says so.
fn declared(arguments: &Arguments) -> Result<Option<(Cow<'_, Declaration>, &'static str)>> {
    let short = arguments.hepmc_columns.as_ref();
    let short = short.map(|short| (Cow::Borrowed(short), "--hepmc-columns"));
    let Some(path) = &arguments.particles else {
        return Ok(short);
    };
    let text = std::fs::read_to_string(path).map_err(|e| Failure::of(path, e))?;
    let declaration = Declaration::from_json(&text).map_err(|e| Failure::usage(path, e))?;
    Ok(Some((Cow::Owned(declaration), "--particles")))
}

/// Tells of warnings, and looks whether to stop.
struct Watch {
    stop: Stop,
    warn: mpsc::Sender<String>,
}

impl Hooks for Watch {
    fn log(&self, level: Level, message: &str) -> laser::Result<()> {
        if level == Level::Warning {
            // Who does not listen has been interrupted.
            let _ = self.warn.send(message.to_owned());
        }
        Ok(())
    }

    fn check(&self, stage: &'static str) -> laser::Result<()> {
        match self.stop.wanted() {
            true => Err(laser::Error::Cancelled(stage)),
            false => Ok(()),
        }
    }
}

/// The warnings that have come, on stderr.
fn say_all(warnings: &mpsc::Receiver<String>) {
    for warning in warnings.try_iter() {
        terminal::warn(Some(&warning));
    }
}

/// The rows of the file.
struct Table {
    rows: u64,
    /// Values in a row.
    width: usize,
    /// Features, latents and conditions of an event.
    dims: (usize, usize, usize),
    conditions: Option<Events>,
    latent: bool,
    logp: bool,
    weights: bool,
}

impl Table {
    /// Makes all rows, and hands them on block by block, until nobody takes them; gives the sampler back.
    fn make(
        &self,
        mut sampler: Sampler,
        to: &mpsc::SyncSender<Vec<f64>>,
    ) -> laser::Result<Sampler> {
        let (m, n, c) = self.dims;
        let most = (BLOCK / (self.width + n)).max(1);
        let (mut x, mut z) = (vec![0.0; most * m], vec![0.0; most * n]);
        let (mut w, mut log_p) = (vec![0.0; most], vec![0.0; most]);
        let mut asked = most.min(FIRST_BLOCK);
        let mut done = 0;
        while done < self.rows {
            let block = asked.min((self.rows - done) as usize);
            let outputs = Outputs {
                x: Some(RowsMut::packed(&mut x, m)?),
                z: match self.latent {
                    true => Some(RowsMut::packed(&mut z, n)?),
                    false => None,
                },
                w: Some(RowsMut::column(&mut w)),
                log_prob: self.logp.then(|| RowsMut::column(&mut log_p)),
            };
            let given = self.conditions.as_ref();
            let given = given.map_or(&[][..], |g| &g.values[done as usize * c..][..block * c]);
            let start = Instant::now();
            match c {
                0 => sampler.generate(block, outputs)?,
                _ => sampler.generate_given(block, Rows::packed(given, c)?, outputs)?,
            }
            if start.elapsed() < SOON {
                asked = most.min(2 * asked);
            }
            let mut table = Vec::with_capacity(block * self.width);
            for row in 0..block {
                table.extend_from_slice(&x[row * m..][..m]);
                table.extend_from_slice(&given[row * c..][..c]);
                if self.latent {
                    table.extend_from_slice(&z[row * n..][..n]);
                }
                table.extend(self.logp.then_some(log_p[row]));
                table.extend(self.weights.then_some(w[row]));
            }
            if to.send(table).is_err() {
                break;
            }
            done += block as u64;
        }
        Ok(sampler)
    }
}

/// The conditions that a conditional model needs, checked.
fn conditions(arguments: &Arguments, model: &Model) -> Result<Option<Events>> {
    let dim = model.generator.condition_dim();
    let Some(path) = &arguments.conditions else {
        return match dim {
            0 => Ok(None),
            _ => Err(Failure::usage(
                &arguments.model,
                format!("its events are made given conditions, {dim} values each: give them with --conditions FILE"),
            )),
        };
    };
    if dim == 0 {
        return Err(Failure::usage(
            &arguments.model,
            "its events have no conditions; leave out --conditions, and give the number of events with -n",
        ));
    }
    let mut given = Events::read(path)?;
    terminal::warn(given.warning.as_deref());
    let own = model
        .names
        .get(model.generator.event_dim()..)
        .unwrap_or_default();
    let whose = match own {
        [] => "the model",
        _ => "the model's conditions",
    };
    names::match_to(&mut given, (whose, own))?;
    if given.columns != dim {
        return Err(Failure::of(
            path,
            format!(
                "{} columns, but the model's conditions are {dim} values",
                given.columns
            ),
        ));
    }
    given.require_finite(|_| true)?;
    if arguments.events.is_some_and(|n| n > given.rows as u64) {
        return Err(Failure::usage(
            path,
            format!(
                "conditions for {} events; ask for no more with -n",
                given.rows
            ),
        ));
    }
    Ok(Some(given))
}

/// What came of it, on stderr.
fn summary(sampler: &Sampler, method: Method, path: &Path, rows: u64, seconds: f64) -> Result<()> {
    terminal::say(&format!(
        "{rows} events in {} s ({}) in {}",
        number(seconds),
        rate(rows as f64 / seconds),
        output::shown(path)
    ));
    let mut about = vec![format!("method {}", method.name())];
    let words = [
        ("acceptance", "acceptance"),
        ("effective_fraction", "effective fraction of the pools"),
        ("distinct_fraction", "distinct events"),
    ];
    let tries = method.refuses() || method.is_chain();
    for (key, name) in words {
        let value = sampler.diagnostic(key)?;
        if value.is_finite() && (tries || key != "acceptance") {
            about.push(format!("{name} {}", percent(value)));
        }
    }
    if matches!(
        method,
        Method::Mixture | Method::Surrogate | Method::Distilled
    ) {
        let calls = number(sampler.diagnostic("calls_per_event")?);
        about.push(format!("{calls} calls of the generator an event"));
    }
    if method.rejects() {
        about.push(format!(
            "{} of the events have weights above 1, {} of the weight is lost without them",
            percent(sampler.diagnostic("overweight_events")?),
            percent(sampler.diagnostic("overweight_fraction")?)
        ));
    }
    for (key, name) in [
        ("r_hat", "R-hat"),
        ("effective_sample_size", "worth independent events"),
    ] {
        let value = sampler.diagnostic(key)?;
        if value.is_finite() {
            about.push(format!("{name} {}", number(value)));
        }
    }
    for (key, name) in [
        ("divergences", "divergent trajectories"),
        ("non_finite", "proposals that were not finite"),
    ] {
        let value = sampler.diagnostic(key)?;
        if value > 0.0 {
            about.push(format!("{value} {name}"));
        }
    }
    terminal::say(&about.join(", "));
    Ok(())
}
