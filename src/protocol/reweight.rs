//! Weights for events of the host: w(x) = p_to(x) / p_from(x), the ratio of the densities of two sources, by the classifier f between them
//! (paper, Sec. 2; DCTR, arXiv:1907.08209). There is no generator: the source `from` stands in its place.

mod closure;
mod feed;
mod report;
pub(in crate::protocol) mod resample;

use super::calibration::Samples;
use super::classifier::warn;
use super::columns::{self, Trait};
use super::conditions::Reach;
use super::copies;
use super::ensemble::{record, Ensemble};
use super::evaluate::{members, per_row};
use super::few;
use super::judgement::{Subject, Witness};
use super::names;
use super::negative;
use super::observables;
use super::scaling;
use super::source::Source;
use super::support;
use super::unused;
use crate::compute::{computes, region, Instance, Session};
use crate::model::{Classifier, Generator, GeneratorKind, Model, Scaling};
use crate::noise::places::{self, Places};
use crate::options::{keys, Options};
use crate::room::{self, Gather, Grow};
use crate::train::{with_ranks, Hooks, Settings};
use crate::{Error, Result, Rows, RowsMut};
pub(in crate::protocol) use feed::{of, PairFeed};
pub(in crate::protocol) use report::FEW;
use serde_json::json;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

/// Weights for events that are there: a classifier between two sources, with its scalings, names, support and the record of its training.
/// It is a [`Model`] whose generator is [`GeneratorKind::Events`], and is saved, described and evaluated as one. Immutable; share it by
/// reference.
#[derive(Debug)]
pub struct Reweighter(Instance);

/// What is wanted of every event; each in an array of one column.
#[derive(Default)]
pub struct Weights<'a> {
    /// w(x).
    pub w: Option<RowsMut<'a, f64>>,
    /// log w(x); −∞ outside the support.
    pub log_w: Option<RowsMut<'a, f64>>,
    /// Standard deviation of log w between the networks of the ensemble; 0 of one network, and outside the support.
    pub spread: Option<RowsMut<'a, f64>>,
}

impl Reweighter {
    /// Of a model that is one.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a model with a generator.
    pub fn new(model: Model) -> Result<Self> {
        match model.generator.kind {
            GeneratorKind::Events => Ok(Reweighter(Instance::new(model))),
            _ => Err(Error::Unsupported(
                "this is a model with a generator, and no reweighter; load it by `laser_model_load`"
                    .into(),
            )),
        }
    }

    /// Reads one from the file `path`.
    ///
    /// # Errors
    /// Those of [`Model::load`] and of [`Reweighter::new`].
    pub fn load(path: &Path) -> Result<Self> {
        Self::new(Model::load(path)?)
    }

    /// What is strange about the conditions of given events, rows × (M + C): that they lie where the training had none, or next to none.
    /// Nothing where a file of an earlier version does not say where it had.
    pub fn strange(&self, x: &Rows<f64>) -> Option<String> {
        let of_events = self.generator.event_dim();
        let conditions = x.iter().map(|row| &row[of_events..]);
        Reach::of(self)?.strange(self, x.rows(), conditions)
    }

    /// The weights of given events, on as many threads as the option `threads` says, whose number changes no bit. `x`: rows × (M + C), events
    /// followed by their conditions.
    ///
    /// # Errors
    /// [`Error::NotFinite`] for events that are not finite; arrays may then be written in part. [`Error::Numerical`] for the first event whose
    /// weight is not finite. [`Error::InvalidArgument`] for other shapes.
    pub fn weights(&self, options: &Options, x: Rows<f64>, out: Weights) -> Result<()> {
        let Weights {
            mut w,
            mut log_w,
            mut spread,
        } = out;
        for out in [&w, &log_w, &spread].into_iter().flatten() {
            if out.dim() != 1 || out.rows() < x.rows() {
                return Err(Error::InvalidArgument(format!(
                    "an output of {} rows of {} for {} weights",
                    out.rows(),
                    out.dim(),
                    x.rows()
                )));
            }
        }
        let columns = self.generator.dims().event_row();
        let mut members = match &spread {
            Some(_) => members(self, options)?,
            None => Vec::new(),
        };
        let (mut all, mut of_member, mut squares) = (Vec::new(), Vec::new(), Vec::new());
        let mut lost = None;
        per_row(
            &self.0,
            options,
            x,
            [columns, 2],
            |evaluator, x, rows, out| {
                for buffer in [&mut all, &mut of_member, &mut squares] {
                    buffer.clear();
                    buffer.sized(rows, 0.0)?;
                }
                evaluator.log_weight(x, rows, &mut all)?;
                for member in &mut members {
                    member.log_weight(x, rows, &mut of_member)?;
                    let pairs = of_member.iter().zip(&all);
                    // What is outside for one is for all.
                    let differences = pairs.map(|(a, b)| if a == b { 0.0 } else { a - b });
                    let squares = squares.iter_mut().zip(differences);
                    squares.for_each(|(square, d)| *square += d * d);
                }
                let others = members.len().saturating_sub(1).max(1) as f64;
                let results = all.iter().zip(&squares).zip(out.chunks_exact_mut(2));
                for ((log_w, square), out) in results {
                    out.copy_from_slice(&[*log_w, (square / others).sqrt()]);
                }
                Ok(())
            },
            |row, result| {
                let values = [libm::exp(result[0]), result[0], result[1]];
                if !(values[0].is_finite() && values[2].is_finite()) {
                    lost.get_or_insert((row, values[0]));
                }
                let outs = [&mut w, &mut log_w, &mut spread];
                for (out, value) in outs.into_iter().zip(values) {
                    if let Some(out) = out {
                        out.set(row, [value]);
                    }
                }
            },
        )?;
        lost.map_or(Ok(()), |(row, w)| {
            Err(Error::Numerical(format!(
                "the weight of row {row} (counted from 0) is {w}: its values lie far beyond all that the reweighter was trained on; leave such events out, by a `support`, or set `weights.tail`"
            )))
        })
    }
}

impl Deref for Reweighter {
    type Target = Instance;

    fn deref(&self) -> &Instance {
        &self.0
    }
}

/// Trains a classifier between the events of `from` (label 0) and those of `to` (label 1), both with their weights, which may be negative
/// where those of a region sum to more than 0, and judges its weights on events of both that were held out.
///
/// The option `conditions` says how many of the last columns are conditions c. If `from` has them as well, w is the ratio of the densities of
/// (x, c). If it has none, every event of it stands for all conditions of `to`, and w(x | c) = p_to(x | c) / p_from(x): c are then parameters
/// that `to` was made with, and w is interpolated between them.
///
/// Both densities are normalised to 1, so that Σ v w of the events of `from`, of weights v, is Σ v.
///
/// # Errors
/// Those of the sources and of the hooks; [`Error::InvalidArgument`] if the sources differ in columns or in names;
/// [`Error::Numerical`] if the training diverges or no weight is usable; [`Error::Device`]. The sources stay usable.
pub fn train_reweighter(
    from: &mut Source,
    to: &mut Source,
    options: &Options,
    hooks: &dyn Hooks,
) -> Result<Reweighter> {
    let trained = with_ranks(hooks.ranks(), || {
        let model = train_here(from, to, options, hooks)?;
        super::refine::agree(&model, hooks)?;
        Reweighter::new(model)
    });
    from.begin(None);
    to.begin(None);
    trained
}

/// What both sources are, for a checkpoint.
fn identity(from: &Source, to: &Source) -> Result<Vec<(String, String)>> {
    let mut of = Vec::new();
    for (name, source) in [("from", from), ("to", to)] {
        let parts = source.identity()?.into_iter();
        of.extend(parts.map(|(_, what)| (name.into(), what)));
    }
    Ok(of)
}

/// What the columns are called: as `to` has them, or else `from`.
fn names_of_both(from: &Source, to: &Source, options: &Options) -> Result<Vec<String>> {
    let names = names::wanted(None, to, options)?;
    let own = from.names();
    if names.is_empty() && from.dim() == to.dim() {
        return room::copied(own);
    }
    if own.is_empty() || names.starts_with(own) {
        return Ok(names);
    }
    Err(Error::InvalidArgument(format!(
        "the columns of `from` are called {}, those of `to` {}; give both the same ones in the same order",
        own.join(", "),
        names.join(", ")
    )))
}

/// How many of the columns of `to` are features; the others are conditions, which `from` has or not.
fn features(from: &Source, to: &Source, options: &Options) -> Result<usize> {
    let conditions = options.get(keys::CONDITIONS) as usize;
    let features = to.dim().saturating_sub(conditions);
    if features == 0 {
        return Err(Error::InvalidArgument(format!(
            "`to` has {} columns, and `conditions` is {conditions}: no feature is left",
            to.dim()
        )));
    }
    if from.dim() == to.dim() || from.dim() == features {
        return Ok(features);
    }
    let without = match conditions {
        0 if to.dim() > from.dim() => {
            "; if the last are conditions, set `conditions`; if one is a weight, say so".into()
        }
        0 => String::new(),
        _ => format!(", or {features} without the {conditions} conditions"),
    };
    Err(Error::InvalidArgument(format!(
        "the events of `from` have {} columns, those of `to` {}; they need as many{without}",
        from.dim(),
        to.dim()
    )))
}

/// The scalings of the columns of `to`, measured on as many events of both, so that neither lies far outside of what the networks see.
fn measured(
    from: &mut Source,
    to: &mut Source,
    names: &[String],
    options: &Options,
) -> Result<Vec<Scaling>> {
    let asked = scaling::parse(options.get(keys::FEATURES_SCALING), to.dim(), names)?;
    // What `auto` chooses from has no bounds.
    let bounds = asked.iter().map(|s| s.clone().unwrap_or(Scaling::None));
    bound(from, to, &bounds.gather()?)?;
    let samples = [
        of("from", from.measured(options))?,
        of("to", to.measured(options))?,
    ];
    let rows = samples[0].len().min(samples[1].len());
    let columns = asked.iter().enumerate();
    let scalings = columns.map(|(column, asked)| {
        let mut values = Vec::new();
        for sample in samples.iter().filter(|s| column < s.dim) {
            let own = sample.x.iter().skip(column).step_by(sample.dim);
            values.put_all(own.take(rows).copied())?;
        }
        scaling::measure(asked, &values, column)
    });
    let scalings = scalings.gather_all()?;
    bound(from, to, &scalings)?;
    Ok(scalings)
}

/// From here on, events of either that a scaling cannot take are errors.
fn bound(from: &mut Source, to: &mut Source, scalings: &[Scaling]) -> Result<()> {
    let own = &scalings[..from.dim()];
    of("from", from.bound(own))?;
    of("to", to.bound(scalings))
}

/// What a classifier hardly makes of the features of a source.
pub(super) fn traits(
    session: Session,
    source: &mut Source,
    scalings: &[Scaling],
) -> Result<Vec<Trait>> {
    let sample = source.measured(session.options)?;
    let mut found = columns::inspect(&sample.x, sample.dim, scalings)?;
    found.retain(|found| !found.of_generators());
    Ok(found)
}

/// Tells the host of that, unless it was told of the same columns.
fn inspect(
    session: Session,
    source: &mut Source,
    scalings: &[Scaling],
    names: &[String],
    told: &mut Vec<usize>,
) -> Result<()> {
    source.tell_of_circles(session.hooks, names)?;
    for found in traits(session, source, scalings)? {
        if !told.contains(&found.column()) {
            let message = found.describe(names, Subject::Events);
            session.hooks.warn("columns", &message)?;
            told.push(found.column());
        }
    }
    Ok(())
}

fn train_here(
    from: &mut Source,
    to: &mut Source,
    options: &Options,
    hooks: &dyn Hooks,
) -> Result<Model> {
    let witness = Witness::new(hooks);
    let session = Session::new(options, &witness);
    from.begin(hooks.ranks());
    to.begin(hooks.ranks());
    session.agree(|| identity(from, to))?;
    computes(options)?;
    let journal = session.journal("reweighter", || identity(from, to))?;
    if let Some(journal) = &journal {
        let start = journal.start(|| {
            let (own, other) = (from.place(), to.place());
            let length = [own.len() as u64];
            length.into_iter().chain(own).chain(other).collect()
        });
        let places = start.split_first().and_then(|(length, places)| {
            let length = usize::try_from(*length).ok()?;
            places.split_at_checked(length)
        });
        let (own, other) =
            places.ok_or_else(|| Error::Format("the checkpoint has no beginning".into()))?;
        let go_on = || session.hooks.check("source");
        of("from", from.go_to(own, options, &go_on))?;
        of("to", to.go_to(other, options, &go_on))?;
    }
    let session = session.kept_in(&journal);
    unused::in_reweighting(options, &witness)?;
    let mut model = learn(session, from, to, Samples::Apart)?;
    witness.judge(&mut model.record, &[]);
    witness.tell(&model.record, "")?;
    Ok(model)
}

/// Whose the events of the sources are.
const FROM: &str = "the events of `from`";
const TO: &str = "the events of `to`";

/// The classifier between two sources, as a model with the report on its weights.
fn learn(session: Session, from: &mut Source, to: &mut Source, samples: Samples) -> Result<Model> {
    let options = session.options;
    let features = features(from, to, options)?;
    let names = names_of_both(from, to, options)?;
    observables::wanted(options, to.dim(), &names)?;
    let support = support::wanted(None, options)?;
    let settings = settings(options);
    of(
        "to",
        support::restrict(to, support.as_ref(), &names, None, options),
    )?;
    let scalings = measured(from, to, &names, options)?;
    of("from", from.fills(&settings, options))?;
    of("to", to.fills(&settings, options))?;
    let mut told = Vec::new();
    columns::weights_among(&names[..names.len().min(features)], session.hooks)?;
    inspect(session, from, &scalings[..features], &names, &mut told)?;
    inspect(session, to, &scalings[..features], &names, &mut told)?;
    if samples == Samples::Apart {
        copies::look(session, from, FROM)?;
        copies::look(session, to, TO)?;
        from.weigh(session.hooks, FROM)?;
        to.weigh(session.hooks, TO)?;
        negative::look(session, from, FROM)?;
        negative::look(session, to, TO)?;
    }
    let mut model = Model {
        dtype: session.dtype,
        generator: Generator {
            kind: GeneratorKind::Events,
            conditions: room::copied(&scalings[features..])?,
            scalings: room::copied(&scalings[..features])?,
            parameters: Arc::default(),
            module: Arc::default(),
        },
        classifier: None,
        latent_classifier: None,
        refinement: None,
        names,
        support,
        record: serde_json::Map::new(),
    };
    model
        .record
        .insert("library".into(), json!(env!("CARGO_PKG_VERSION")));
    // The events to be weighted are like those of `from`, whose conditions may be those of `to`.
    match from.dim() < to.dim() {
        true => Reach::record(&mut model, to, options, true)?,
        false => Reach::record(&mut model, from, options, false)?,
    }
    let (classifier, trained) = fit(session, &model, from, to, places::CLASSIFIER)?;
    model.classifier = Some(classifier);
    from.look_back(session.hooks, FROM, &model.names)?;
    to.look_back(session.hooks, TO, &model.names)?;
    let report = report::judge(session, &mut model, from, to, samples)?;
    let epochs = keys::CLASSIFIER_TRAINING.epochs.name();
    let differs = report.second_opinion.is_none_or(|o| o.sees_generated());
    warn(session, &trained, epochs, differs, Subject::Events)?;
    model.record.insert("classifier".into(), trained);
    model.record.insert("weights".into(), json!(report));
    model
        .record
        .insert("options".into(), session.options_record()?);
    Ok(model)
}

/// How a classifier is trained.
fn settings(options: &Options) -> Settings {
    Settings::from_options("classifier", options, &keys::CLASSIFIER_TRAINING)
}

/// Trains the networks of an ensemble, which begin at the places `initial`, between two sources whose columns are scaled as those of `model`.
/// Returns their record as well.
fn fit(
    session: Session,
    model: &Model,
    from: &mut Source,
    to: &mut Source,
    initial: Places,
) -> Result<(Classifier, serde_json::Value)> {
    let Generator {
        scalings,
        conditions,
        ..
    } = &model.generator;
    let all = scalings.iter().chain(conditions);
    let scalings = all.map(Scaling::of_classifier).gather()?;
    let mut ensemble = Ensemble::new(&scalings, 0, initial, session)?;
    let mut feed = PairFeed::new(from, to, &scalings, region(model)?, session.options)?;
    let settings = settings(session.options);
    let trainings = ensemble.train(&settings, &mut feed, session)?;
    few::note(session, &settings, &trainings)?;
    let trained = record(trainings, &mut || ensemble.together(&mut feed))?;
    Ok((ensemble.classifier(feed.log_ratio_offset()?)?, trained))
}
