//! Checking the classifier's ratio on events that it was not trained on.

use super::judgement::Subject;
use super::source::Source;
use crate::compute::evaluator;
use crate::metrics::effective_size;
use crate::model::{Classifier, Model};
use crate::options::Options;
use crate::order::sort_by_value;
use crate::room::{self, Gather};
use crate::train::Hooks;
use crate::Result;
use serde::Serialize;

/// The held-out target events and what the classifier says about them.
pub(super) struct HeldOut {
    /// Their weights.
    pub weights: Vec<f64>,
    /// log w.
    pub log_w: Vec<f64>,
    /// Root of the mean variance of log w between the members of the ensemble; 0 for one.
    pub spread: f64,
}

impl HeldOut {
    /// Of a model with a classifier. None if nothing is held out of the source.
    pub fn new(model: &Model, target: &mut Source, options: &Options) -> Result<Option<Self>> {
        let rows = target.held_out(options)?;
        let Some(classifier) = model.classifier.as_ref().filter(|_| rows.len() > 0) else {
            return Ok(None);
        };
        let evaluate = |classifier: Classifier| {
            let model = Model {
                classifier: Some(classifier),
                // All of them are within it.
                support: None,
                ..model.clone().into_baseline()
            };
            let mut log_w = room::filled(rows.len(), 0.0)?;
            evaluator(&model, options)?.log_weight(&rows.x, rows.len(), &mut log_w)?;
            Ok::<_, crate::Error>(log_w)
        };
        let log_w = evaluate(classifier.clone())?;
        let mut squares = 0.0;
        if classifier.members > 1 {
            for k in 0..classifier.members {
                let member = evaluate(classifier.member(k)?)?;
                let pairs = member.iter().zip(&log_w);
                squares += pairs.map(|(a, b)| (a - b).powi(2)).sum::<f64>();
            }
            squares /= (classifier.members - 1) as f64;
        }
        Ok(Some(HeldOut {
            weights: room::copied(&rows.w)?,
            spread: (squares / rows.len() as f64).sqrt(),
            log_w,
        }))
    }
}

/// How many events of weight 1 held-out events are worth: those of both signs less than they are.
pub(super) fn worth(weights: &[f64]) -> usize {
    effective_size(weights).map_or(0, |worth| worth.round() as usize)
}

/// Whether w(x) is the ratio of the densities, by held-out target events and freshly generated ones, in bins of the predicted log w.
///
/// In every bin the target's share of events must be the generated events' mean of w, Σ w / n. The pull of a bin is their difference in
/// standard errors of both samples (at least those of a perfect classifier, so that bins of few events do not exaggerate).
#[derive(Clone, Debug, Serialize)]
pub struct Calibration {
    /// Held-out target events.
    pub events: u64,
    /// Area under the classifier's ROC curve: the probability that log w of a target event is above that of a generated one. ½ is
    /// ignorance.
    pub auc: f64,
    /// χ² per degree of freedom: the mean squared pull. About 1 for a calibrated classifier.
    pub chi_square: f64,
    /// The pull that is largest in absolute value.
    pub largest_pull: f64,
    /// By rising log w.
    pub bins: Vec<CalibrationBin>,
}

/// Events of similar predicted log w.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct CalibrationBin {
    /// Smallest log w in the bin.
    pub from: f64,
    /// Largest log w in the bin.
    pub to: f64,
    /// Ratio target / generated as predicted: the mean w of the bin's generated events.
    pub predicted: f64,
    /// The same as observed: share of the target's weight over share of the generated events.
    pub observed: f64,
    /// Standard error of their difference.
    pub error: f64,
    /// (observed − predicted) / error.
    pub pull: f64,
}

/// Bins, unless their expected target events become fewer than [`FEWEST`].
const BINS: f64 = 20.0;
const FEWEST: f64 = 10.0;

/// An event: its log w, and what it adds to the totals of its class.
#[derive(Clone, Copy)]
struct Event {
    log_w: f64,
    /// Of the total weight of the target, and of the number of its events.
    target: (f64, f64),
    /// Of the total weight and of the number of the generated events.
    generated: (f64, f64),
}

impl Event {
    /// w / n of a generated event.
    fn share(&self) -> f64 {
        self.generated.0 * libm::exp(self.log_w)
    }
}

/// Which events the generated ones are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Samples {
    /// Others than the target's.
    Apart,
    /// The same, with other weights.
    Same,
}

/// All events by rising log w; what is not finite counts as weight 0, as in the weight report. `own`: weights that the generated events have
/// besides. Those that are the same in both samples are one.
fn events(
    held_out: &HeldOut,
    generated: &[f64],
    own: Option<&[f64]>,
    samples: Samples,
) -> Result<Vec<Event>> {
    let finite = |log_w: f64| match libm::exp(log_w).is_finite() {
        true => log_w,
        false => f64::NEG_INFINITY,
    };
    let total: f64 = held_out.weights.iter().sum();
    let count = 1.0 / held_out.weights.len() as f64;
    let target = held_out.log_w.iter().zip(&held_out.weights);
    let target = target.map(|(&log_w, w)| Event {
        log_w: finite(log_w),
        target: (w / total, count),
        generated: (0.0, 0.0),
    });
    let each = 1.0 / generated.len() as f64;
    let all: f64 = own.unwrap_or_default().iter().sum();
    let generated = generated.iter().enumerate().map(|(i, &log_w)| Event {
        log_w: finite(log_w),
        target: (0.0, 0.0),
        generated: (own.map_or(each, |own| own[i] / all), each),
    });
    let events = match samples {
        Samples::Apart => target.chain(generated).gather()?,
        Samples::Same => {
            let pairs = target.zip(generated);
            let both = |(target, generated): (Event, Event)| Event {
                generated: generated.generated,
                ..target
            };
            pairs.map(both).gather()?
        }
    };
    // Of equal log w, in the order that they are in.
    let mut order = (0..events.len()).gather()?;
    sort_by_value(&mut order, &|i| events[i].log_w);
    order.into_iter().map(|i| events[i]).gather()
}

/// The events in runs that make bins. `effective`: the target's events, counted by their weights.
fn runs(events: &[Event], effective: f64) -> Vec<&[Event]> {
    let mut runs = Vec::new();
    let (mut start, mut share, mut expected) = (0, 0.0, 0.0);
    for (i, event) in events.iter().enumerate() {
        share += 0.5 * (event.target.1 + event.generated.1);
        expected += event.share() * effective;
        if share >= 1.0 / BINS && expected >= FEWEST {
            runs.push(&events[start..=i]);
            (start, share, expected) = (i + 1, 0.0, 0.0);
        }
    }
    // What is left is too little for a bin of its own.
    let begin = runs.pop().map_or(0, |last: &[Event]| start - last.len());
    runs.push(&events[begin..]);
    runs
}

impl CalibrationBin {
    /// `squares`: Σ w² of all target events, in units of their total weight; `each`: the same of the generated ones.
    fn new(events: &[Event], squares: f64, each: f64, samples: Samples) -> Self {
        let sum = |f: &dyn Fn(&Event) -> f64| events.iter().map(f).sum::<f64>();
        let generated = sum(&|e| e.generated.0);
        let (observed, predicted) = (sum(&|e| e.target.0), sum(&Event::share));
        // Of a multinomial share, by the weights that are there or, where few are, should be.
        let own = sum(&|e| e.target.0.powi(2)).max(predicted * squares);
        let of_target = own * (1.0 - observed.clamp(0.0, 1.0));
        let of_generated = sum(&|e| e.share().powi(2)) - predicted.powi(2) * each;
        let variance = match samples {
            Samples::Apart => of_target + of_generated.max(0.0),
            // What the events of a bin are is the same in both: what is left is what their weights scatter around the prediction.
            Samples::Same => {
                let rest = 1.0 - observed.clamp(0.0, 1.0);
                sum(&|e| (e.target.0 - e.share()).powi(2)) * rest
            }
        };
        let error = variance.sqrt();
        let difference = observed - predicted;
        CalibrationBin {
            from: events.first().map_or(f64::NAN, |e| e.log_w),
            to: events.last().map_or(f64::NAN, |e| e.log_w),
            predicted: predicted / generated,
            observed: observed / generated,
            error: error / generated,
            pull: if error > 0.0 { difference / error } else { 0.0 },
        }
    }
}

/// The area under the ROC curve of events by rising log w; ties count half.
fn auc(events: &[Event]) -> f64 {
    let (mut below, mut area) = (0.0, 0.0);
    for ties in events.chunk_by(|a, b| a.log_w == b.log_w) {
        let generated: f64 = ties.iter().map(|e| e.generated.0).sum();
        let target: f64 = ties.iter().map(|e| e.target.0).sum();
        area += target * (below + 0.5 * generated);
        below += generated;
    }
    area
}

impl Calibration {
    /// A larger χ² per degree of freedom is no fluctuation.
    pub const BAD: f64 = 3.0;

    /// `generated`: log w of events that the classifier has not seen, `own`: weights that they have besides. If they are the target's, they are
    /// in its order.
    ///
    /// # Errors
    /// [`Error::Memory`](crate::Error::Memory).
    pub(super) fn new(
        held_out: &HeldOut,
        generated: &[f64],
        own: Option<&[f64]>,
        samples: Samples,
    ) -> Result<Self> {
        let events = events(held_out, generated, own, samples)?;
        let each = match own {
            None => 1.0 / generated.len() as f64,
            Some(_) => events.iter().map(|e| e.generated.0.powi(2)).sum(),
        };
        let squares: f64 = events.iter().map(|e| e.target.0.powi(2)).sum();
        let runs = runs(&events, 1.0 / squares);
        let bins: Vec<CalibrationBin> = runs
            .into_iter()
            .map(|run| CalibrationBin::new(run, squares, each, samples))
            .collect();
        let pulls = bins.iter().map(|bin| bin.pull);
        Ok(Calibration {
            events: held_out.weights.len() as u64,
            auc: auc(&events),
            chi_square: pulls.clone().map(|p| p * p).sum::<f64>() / bins.len() as f64,
            largest_pull: pulls.fold(0.0, |a: f64, b| if b.abs() > a.abs() { b } else { a }),
            bins,
        })
    }

    /// Tells the host if the ratio is not what it should be.
    pub(super) fn warn(&self, hooks: &dyn Hooks, subject: Subject) -> Result<()> {
        let ratio = subject.choose("target / generated", "`to` / `from`");
        let worst =
            |a: &&CalibrationBin, b: &&CalibrationBin| a.pull.abs().total_cmp(&b.pull.abs());
        match self.bins.iter().max_by(worst) {
            Some(bin) if self.chi_square > Self::BAD => hooks.warn("calibration", &format!(
                    "the classifier is not calibrated: on held-out events χ² per degree of freedom is {:.1}; worst where it predicts a ratio {ratio} of {:.3}, which is {:.3} ± {:.3}. Train it longer (`classifier.epochs`) or, if its held-out loss rises again, stop it there (`classifier.patience`); average several networks (`classifier.ensemble`); deliver more events",
                    self.chi_square, bin.predicted, bin.observed, bin.error
                ),
            ),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
