//! Weights of both signs made positive: neural resampling (B. Nachman, J. Thaler, arXiv:2007.11586).

use super::closure::{Both, Closure};
use super::{fit, learn, report, Reweighter};
use crate::compute::{self, computes, Session};
use crate::metrics::{Sample, Squares, Sum};
use crate::model::Model;
use crate::noise::places;
use crate::objective::Separation;
use crate::options::choices::Kept;
use crate::options::{keys, Options};
use crate::protocol::calibration::{Calibration, Samples};
use crate::protocol::judgement::Witness;
use crate::protocol::names;
use crate::protocol::negative::Negative;
use crate::protocol::refine::agree;
use crate::protocol::source::Source;
use crate::protocol::unused;
use crate::protocol::worth::Worth;
use crate::room::{self, Gather};
use crate::train::{with_ranks, Hooks, Level};
use crate::{Error, Result, RowsMut};
use serde_json::{json, Value};

/// What the weights are before.
struct Before<'a> {
    sample: Sample<'a>,
    total: f64,
    /// √Σw², the standard error of the total.
    error: f64,
    /// How many events of weight 1 they are worth: (Σw)² / Σw².
    effective: f64,
}

/// The total weight must be so many times its error to be more than 0.
const SIGNIFICANT: f64 = 3.0;

impl<'a> Before<'a> {
    /// Of events in memory.
    fn new(events: &'a Source, hooks: &dyn Hooks) -> Result<Self> {
        if !events.weighted() {
            return Err(Error::InvalidArgument(
                "the events have no weights, so none is negative: give them beside the array, or name their column (`source.weight`)".into(),
            ));
        }
        let sample = events.sample().map_err(|error| match error {
            Error::Unsupported(_) => Error::Unsupported(
                "weights are resampled of events in memory: of an array, or of a file no larger than `source.memory`, which can be raised; those of a callback end nowhere. The reweighter that a part of them gives serves all others, by its `resample.factor`".into(),
            ),
            other => other,
        })?;
        let rows = sample.rows();
        let worth = Worth::of((0..rows).map(|row| (row, sample.weight(row))));
        let (total, negative) = (worth.total(), worth.negative());
        if total <= 0.0 || !total.is_finite() {
            let why = match negative == rows as u64 {
                true => "all of them are negative: turn their signs",
                false => "is this the column of the weights?",
            };
            return Err(Error::Data(format!(
                "the weights sum to {total}, and positive ones cannot: {why}"
            )));
        }
        let effective = worth.effective();
        let error = total / effective.sqrt();
        if effective < SIGNIFICANT * SIGNIFICANT {
            return Err(Error::Data(format!(
                "the weights sum to {total:.4e} ± {error:.4e}, which may be nothing: events of both signs cancel, and leave no shape to be learned. Deliver more; or is this not the column of the weights?"
            )));
        }
        if negative == 0 {
            hooks.warn(
                "events",
                "no weight is negative: nothing is to be done. The local mean of the weights is learned all the same; if they should have signs, is this the column of the weights?",
            )?;
        }
        worth.warn(hooks, "the events")?;
        Ok(Before {
            sample,
            total,
            error,
            effective,
        })
    }

    /// √⟨w²⟩: of weights in this unit no square is too large or too small.
    fn unit(&self) -> f64 {
        self.error / (self.sample.rows() as f64).sqrt()
    }

    fn weights(&self) -> impl Iterator<Item = f64> + '_ {
        (0..self.sample.rows()).map(|row| self.sample.weight(row))
    }

    /// For the record.
    fn described(&self) -> Value {
        let negative = || self.weights().filter(|w| *w < 0.0);
        let magnitude: Sum = self.weights().map(f64::abs).collect();
        json!({
            "events": self.sample.rows(),
            "total": self.total,
            "total_error": self.error,
            "effective": self.effective,
            "negative_events": negative().count() as f64 / self.sample.rows() as f64,
            "negative_weight": -negative().collect::<Sum>().value() / magnitude.value(),
        })
    }

    /// What the classifier of `model` says of all events: the ratio of densities of each, which have the mean 1 to begin with.
    ///
    /// # Errors
    /// [`Error::Numerical`] for the first that is not finite; those of the hooks.
    fn ratios(&self, session: Session, model: &Model) -> Result<Vec<f64>> {
        const BLOCK: usize = 1 << 14;
        let rows = self.sample.rows();
        let stage = session.stage("weights", rows.div_ceil(BLOCK));
        let mut evaluator = session.shared(compute::evaluator(model, session.options)?);
        let mut ratios = room::filled(rows, 0.0)?;
        let mut x = room::empty(BLOCK.min(rows) * self.sample.dim())?;
        for (i, ratios) in ratios.chunks_mut(BLOCK).enumerate() {
            stage.check()?;
            let first = i * BLOCK;
            x.clear();
            (first..first + ratios.len())
                .for_each(|row| x.extend_from_slice(self.sample.event(row)));
            evaluator.log_weight(&x, ratios.len(), ratios)?;
            ratios.iter_mut().for_each(|r| *r = libm::exp(*r));
            if let Some(row) = ratios.iter().position(|r| !r.is_finite()) {
                return Err(Error::Numerical(format!(
                    "the weight of row {} (counted from 0) is {}: the classifier's training has failed, or `weights.tail` is 0",
                    first + row,
                    ratios[row]
                )));
            }
            stage.done(i + 1)?;
        }
        Ok(ratios)
    }
}

/// Multiplies so that the sum is `total`. Returns by what.
fn scale(values: &mut [f64], total: f64) -> Result<f64> {
    let sum = values.iter().copied().collect::<Sum>().value();
    let factor = total / sum;
    if !(factor > 0.0 && factor.is_finite()) {
        return Err(Error::Numerical(format!(
            "the new weights sum to {sum}, and cannot be scaled to {total}: the classifier's training has failed"
        )));
    }
    values.iter_mut().for_each(|value| *value *= factor);
    Ok(factor)
}

/// Positive weights in the place of those of both signs which events in memory have: W(x) = ⟨w | x⟩, or by the option `resample.method` fewer
/// ones that keep ⟨w² | x⟩ as well (B. Nachman, J. Thaler, arXiv:2007.11586).
///
/// The reweighter is that of the same events, from weights of 1 to their own: its ratio, which has the mean 1, times `resample.factor` of the
/// record is W(x), of these events and of others of their kind. `weights`, of one column and a row for each event, receives W, whose sum is
/// that of the events' weights to rounding. With `variance` an event is kept with probability p = W² / ⟨w² | x⟩, at the weight W / p, drawn
/// from seed and row; the others have the weight 0, and all are scaled to the same sum.
///
/// For `classifier.loss` = `bce` it takes `mse`, the one loss that is bounded where weights sum to less than 0: cross-entropy falls without end
/// there, and such a region spoils all others.
///
/// # Errors
/// [`Error::InvalidArgument`] for events without weights, a number of rows that is not theirs, and a `support`; [`Error::Unsupported`] for
/// those of a callback, or of a file larger than `source.memory`; [`Error::Data`] for weights whose sum is not positive beyond chance;
/// else as [`train_reweighter`](super::train_reweighter).
pub fn resample(
    events: &Source,
    options: &Options,
    hooks: &dyn Hooks,
    weights: Option<RowsMut<f64>>,
) -> Result<Reweighter> {
    with_ranks(hooks.ranks(), || {
        let (model, new) = resample_here(events, options, hooks, weights.as_ref())?;
        agree(&model, hooks)?;
        if let Some(mut weights) = weights {
            new.into_iter()
                .enumerate()
                .for_each(|(row, w)| weights.set(row, [w]));
        }
        Reweighter::new(model)
    })
}

fn resample_here(
    events: &Source,
    options: &Options,
    hooks: &dyn Hooks,
    wanted: Option<&RowsMut<f64>>,
) -> Result<(Model, Vec<f64>)> {
    let mut options = options.clone();
    if options.get(keys::CLASSIFIER_LOSS) == Separation::CrossEntropy {
        options.set_str(keys::CLASSIFIER_LOSS.name(), "mse")?;
    }
    let options = &options;
    let witness = Witness::new(hooks);
    let session = Session::new(options, &witness);
    let before = Before::new(events, &witness)?;
    let rows = before.sample.rows();
    if let Some(wanted) = wanted.filter(|w| w.rows() != rows || w.dim() != 1) {
        return Err(Error::InvalidArgument(format!(
            "room for {} weights of {}, and there are {rows} events; one each is required",
            wanted.rows(),
            wanted.dim()
        )));
    }
    if !options.get(keys::SUPPORT).trim().is_empty() {
        return Err(Error::InvalidArgument(
            "`support` is set, but all events are to keep their share of the weight; select them before they are given".into(),
        ));
    }
    names::wanted(None, events, options)?;
    let identity = || {
        let parts = events.identity()?.into_iter();
        Ok(parts.map(|(_, what)| ("events".to_owned(), what)).collect())
    };
    session.agree(identity)?;
    computes(options)?;
    let journal = session.journal("resample", identity)?;
    let session = session.kept_in(&journal);
    unused::in_reweighting(options, &witness)?;
    witness.log(
        Level::Info,
        "`from` are the events without their weights, `to` the same events with them",
    )?;
    let old = before.weights().gather()?;
    let (mut model, region) = {
        let mut from = events.weighing(None)?;
        let mut to = events.weighing(Some(&old))?;
        let region = Negative::find(session, &to.events_to_look_at(options)?)?;
        region.map_or(Ok(()), |region| region.warn(session))?;
        let model = learn(session, &mut from, &mut to, Samples::Same)?;
        (model, region)
    };
    let mut new = before.ratios(session, &model)?;
    let factor = scale(&mut new, before.total)?;
    let mut found = before.described();
    found["region"] = json!(region);
    let both = Both {
        sample: &before.sample,
        old: &old,
        new: &new,
        unit: before.unit(),
    };
    let closure = Closure::look(session, &model.names, &both)?;
    found["closure"] = json!(closure);
    found["factor"] = json!(factor);
    // By what it differs from the mean weight.
    found["correction"] = json!(factor * rows as f64 / before.total);
    if options.get(keys::RESAMPLE_METHOD) == Kept::Variance {
        let unit = before.unit();
        let mut squares = old.iter().map(|w| (w / unit).powi(2)).gather()?;
        let rounding = f64::EPSILON * 8.0;
        if squares.iter().any(|s| (s - 1.0).abs() > rounding) {
            let (trained, judged);
            (squares, trained, judged) = mean_squares(session, &before, &model, &squares)?;
            found["squares"] = json!(judged);
            model.record.insert("squares".into(), trained);
        }
        drop_events(session, &mut new, &squares, &before, &mut found)?;
    }
    let after: Squares = new.iter().copied().collect();
    let after = after.effective(before.total);
    found["effective_after"] = json!(after);
    session.hooks.log(
        Level::Info,
        &format!(
            "resampled: {rows} events that are worth {:.0} of weight 1 have positive weights of the same total, {}",
            before.effective,
            match options.get(keys::RESAMPLE_METHOD) {
                Kept::Mean => "which tell nothing of the errors: those are of the old ones".into(),
                Kept::Variance => format!("{} of them not 0, which are worth {after:.0}", found["kept"]),
            }
        ),
    )?;
    model.record.insert("resample".into(), found);
    witness.judge(&mut model.record, &[]);
    witness.tell(&model.record, "")?;
    Ok((model, new))
}

/// A mean that is off by so little matters to no error of a histogram.
const LITTLE: f64 = 0.05;

/// The local mean of the squared weights of all events, which have the mean 1, from a classifier of its own; with the record of its training
/// and its calibration.
fn mean_squares(
    session: Session,
    before: &Before,
    model: &Model,
    squares: &[f64],
) -> Result<(Vec<f64>, Value, Option<Calibration>)> {
    // Both from their beginning: the same events are drawn together.
    let mut from = Source::from_rows(before.sample.events(), None)?;
    let mut to = Source::from_rows(before.sample.events(), Some(squares))?;
    let (classifier, trained) = fit(session, model, &mut from, &mut to, places::SQUARES)?;
    let mut second = Model {
        classifier: Some(classifier),
        record: serde_json::Map::new(),
        ..model.clone()
    };
    let calibration = report::calibrate(session, &mut second, &mut from, &mut to)?;
    let off = |c: &Calibration| {
        let bins = c.bins.iter();
        let off = bins.map(|bin| (bin.observed / bin.predicted - 1.0).abs());
        c.chi_square > Calibration::BAD && off.fold(0.0, f64::max) > LITTLE
    };
    if let Some(calibration) = calibration.as_ref().filter(|c| off(c)) {
        let message = format!(
            "the mean of the squared weights is not what it is on held-out events, by χ² per degree of freedom of {:.1}: errors of histograms will be wrong somewhere. Train longer (`classifier.epochs`)",
            calibration.chi_square
        );
        session.hooks.warn("squares", &message)?;
    }
    let mut means = before.ratios(session, &second)?;
    scale(&mut means, squares.len() as f64)?;
    Ok((means, trained, calibration))
}

/// Keeps events with probability p = W² / ⟨w²⟩ at the weight W / p, and gives the others the weight 0.
fn drop_events(
    session: Session,
    new: &mut [f64],
    squares: &[f64],
    before: &Before,
    found: &mut Value,
) -> Result<()> {
    let unit = before.unit();
    let noise = places::KEPT.noise(session.seed);
    let (mut kept, mut expected) = (0_u64, 0.0);
    for (row, (w, square)) in (0..).zip(new.iter_mut().zip(squares)) {
        let mut chance = [0.0];
        noise.uniforms(row, 0, &mut chance);
        // No local mean is larger than the root of that of the squares, but for how well either is known.
        let probability = ((*w / unit).powi(2) / square).min(1.0);
        expected += probability;
        if chance[0] < probability {
            kept += 1;
            *w /= probability;
        } else {
            *w = 0.0;
        }
    }
    let draw = scale(new, before.total)?;
    found["kept"] = json!(kept);
    found["expected"] = json!(expected);
    found["draw"] = json!(draw);
    Ok(())
}
