//! A classifier two-sample test: can a fresh classifier tell two samples apart?

use super::classifier::network;
use crate::compute::Session;
use crate::engine;
use crate::metrics::{self, Auc, Sample};
use crate::model::Real;
use crate::noise::{domain, Noise};
use crate::objective::{Batch, Goal, Separation};
use crate::options::{keys, Options};
use crate::train::{initial_mlp, Feed, Hooks, Settings};
use crate::{Error, Result, Rows};
use rand::seq::SliceRandom;

/// Streams of [`domain::TWO_SAMPLE`]: the network's first weights; the events of a class, its label added.
const INITIAL: u64 = 0;
const EVENTS: u64 = 1;

/// The area under the ROC curve of a classifier that is trained on one half of `reference` (label 1) and `sample` (label 0) and judged on the other, in
/// any dimension: 0.5 within its error if nothing tells the samples apart. It is a lower bound: a better classifier may find more.
///
/// The network and its training follow the options `classifier.*` (cross-entropy always), `validation.*` of the training halves, `seed`, `dtype`,
/// `backend`, `device` and `threads`; features are standardised by the training half of the reference. An epoch is a pass over the larger
/// class at most, about 0.45 n / `classifier.batch` updates for n events: small samples want more `classifier.epochs`. A batch is no larger than that class; both classes have the same total weight. Halves are drawn by `seed`. Weights may be negative where the
/// total of every half is positive.
///
/// The error is that of the judged halves; another training would add its own.
///
/// # Errors
/// [`Error::InvalidArgument`] for samples of different dimension; [`Error::Data`] for fewer than four events, a constant feature or a half
/// without positive weight; [`Error::Numerical`] if the training diverges; those of hooks and backend.
pub fn two_sample_auc(
    reference: &Sample,
    sample: &Sample,
    options: &Options,
    hooks: &dyn Hooks,
) -> Result<Auc> {
    let dim = reference.dim();
    if sample.dim() != dim {
        return Err(Error::InvalidArgument(format!(
            "the reference has {dim} features, the sample {}; equal numbers are required",
            sample.dim()
        )));
    }
    let network = network(dim, options)?;
    let seed = options.get(keys::SEED) as u64;
    let noise = |stream| Noise::new(seed, stream, domain::TWO_SAMPLE);
    let (mut ones, judged_ones) = halves(reference, "reference", noise(EVENTS + 1))?;
    let (mut zeros, judged_zeros) = halves(sample, "sample", noise(EVENTS))?;
    let moments = ones.sample(dim)?.moments()?;
    let mut judged = judged_ones;
    let mut labels = vec![1; judged.w.len()];
    labels.resize(judged.w.len() + judged_zeros.w.len(), 0);
    judged.x.extend(judged_zeros.x);
    judged.w.extend(judged_zeros.w);
    for half in [&mut ones, &mut zeros, &mut judged] {
        half.standardise(&moments);
    }
    let mut feed = TwoSamples {
        ones: Class::new(ones, dim, noise(EVENTS + 1), options)?,
        zeros: Class::new(zeros, dim, noise(EVENTS), options)?,
        served: 0,
    };
    let mut parameters = initial_mlp(&network, noise(INITIAL), true);
    let mut settings = Settings::from_options("classifier", options, &keys::CLASSIFIER_TRAINING);
    // Samples may be smaller than the batches of a training that has a simulator behind it.
    settings.batch = settings.batch.min(feed.ones.len().max(feed.zeros.len()));
    let goal = Goal::Separation(&network, Separation::CrossEntropy);
    Session::new(options, hooks).fit(goal, &settings, &mut feed, &mut parameters)?;
    let mut scores = vec![0.0; judged.w.len()];
    engine::apply(&network, &parameters, &judged.x, &mut scores);
    metrics::auc(&scores, &labels, Some(&judged.w))
}

/// Packed events with their weights.
#[derive(Default)]
struct Half {
    x: Vec<f64>,
    w: Vec<f64>,
}

/// The events of a sample in two halves, drawn at random: to train on, and to judge by.
fn halves(sample: &Sample, which: &str, noise: Noise) -> Result<(Half, Half)> {
    let rows = sample.rows();
    if rows < 4 {
        return Err(Error::Data(format!(
            "the {which} has {rows} events; at least 4 are required, half of them to train on"
        )));
    }
    let mut order: Vec<usize> = (0..rows).collect();
    order.shuffle(&mut noise.rng(u64::MAX));
    let half = |order: &[usize], use_of_it: &str| {
        let mut half = Half::default();
        for &row in order {
            half.x.extend_from_slice(sample.event(row));
            half.w.push(sample.weight(row));
        }
        let total: f64 = half.w.iter().sum();
        if total > 0.0 && total.is_finite() {
            return Ok(half);
        }
        Err(Error::Data(format!(
            "the weights of the half of the {which} that is {use_of_it} sum to {total}; a positive, finite total is required"
        )))
    };
    let (train, judge) = order.split_at(rows / 2);
    Ok((half(train, "trained on")?, half(judge, "judged by")?))
}

impl Half {
    fn sample(&self, dim: usize) -> Result<Sample<'_>> {
        Sample::new(Rows::packed(&self.x, dim)?, Some(&self.w))
    }

    fn standardise(&mut self, moments: &[(f64, f64)]) {
        let moments = moments.iter().cycle();
        let values = self.x.iter_mut().zip(moments);
        values.for_each(|(x, (mean, std))| *x = (*x - mean) / std);
    }
}

/// The training events of one class.
struct Class {
    half: Half,
    dim: usize,
    /// The rows, the held-out ones first; the others shuffled anew for every pass.
    order: Vec<usize>,
    held_out: usize,
    next: usize,
    passes: u64,
    noise: Noise,
}

impl Class {
    fn new(mut half: Half, dim: usize, noise: Noise, options: &Options) -> Result<Self> {
        let rows = half.w.len();
        let mean = half.w.iter().sum::<f64>() / rows as f64;
        half.w.iter_mut().for_each(|w| *w /= mean);
        let fraction = options.get(keys::VALIDATION_FRACTION);
        let wanted = options.get(keys::VALIDATION_EVENTS) as usize;
        Ok(Class {
            half,
            dim,
            order: (0..rows).collect(),
            held_out: wanted.min((rows as f64 * fraction) as usize),
            next: rows,
            passes: 0,
            noise,
        })
    }

    /// Events of one pass.
    fn len(&self) -> usize {
        self.order.len() - self.held_out
    }

    /// The next events, for as many passes as it takes.
    fn append<T: Real>(&mut self, rows: usize, label: f64, batch: &mut Batch<T>) {
        for _ in 0..rows {
            if self.next == self.order.len() {
                let mut rng = self.noise.rng(self.passes);
                self.order[self.held_out..].shuffle(&mut rng);
                self.passes += 1;
                self.next = self.held_out;
            }
            self.push(self.order[self.next], 1.0, label, batch);
            self.next += 1;
        }
    }

    /// The held-out events, their weights multiplied by `factor`.
    fn held_out<T: Real>(&self, factor: f64, label: f64) -> Vec<Batch<T>> {
        const ROWS: usize = 4096;
        let chunks = self.order[..self.held_out].chunks(ROWS);
        let batch = |rows: &[usize]| {
            let mut batch = Batch::default();
            rows.iter()
                .for_each(|&row| self.push(row, factor, label, &mut batch));
            batch
        };
        chunks.map(batch).collect()
    }

    fn push<T: Real>(&self, row: usize, factor: f64, label: f64, batch: &mut Batch<T>) {
        let x = &self.half.x[row * self.dim..][..self.dim];
        batch.x.extend(x.iter().map(|&x| T::from_f64(x)));
        batch.weights.push(T::from_f64(factor * self.half.w[row]));
        batch.labels.push(T::from_f64(label));
        batch.rows += 1;
    }
}

/// Equal numbers of events of both classes.
struct TwoSamples {
    ones: Class,
    zeros: Class,
    /// Events of each class in this epoch.
    served: usize,
}

impl<T: Real> Feed<T> for TwoSamples {
    fn fill(&mut self, rows: usize, batch: &mut Batch<T>) -> Result<bool> {
        if self.served + rows > self.ones.len().max(self.zeros.len()) {
            self.served = 0;
            return Ok(false);
        }
        self.served += rows;
        *batch = Batch {
            step: batch.step,
            ..Batch::default()
        };
        self.ones.append(rows, 1.0, batch);
        self.zeros.append(rows, 0.0, batch);
        Ok(true)
    }

    fn held_out(&mut self) -> Result<Vec<Batch<T>>> {
        let (ones, zeros) = (self.ones.held_out as f64, self.zeros.held_out as f64);
        // The classes count alike, as in the training.
        let factor = |rows: f64| 0.5 * (ones + zeros) / rows;
        let mut batches = self.ones.held_out(factor(ones), 1.0);
        batches.extend(self.zeros.held_out(factor(zeros), 0.0));
        Ok(batches)
    }
}

#[cfg(test)]
mod tests;
