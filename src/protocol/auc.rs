//! A classifier two-sample test: can fresh classifiers tell two samples apart?

use super::networks;
use crate::compute::{threads, Session};
use crate::engine;
use crate::metrics::{self, Auc, Sample, Squares, Sum, Trees};
use crate::model::Real;
use crate::noise::{self, places, places::Place, Noise, PhiloxRng};
use crate::objective::{Batch, Goal, Separation};
use crate::options::{keys, Options};
use crate::order::sort_rows;
use crate::room::{self, Gather, Grow};
use crate::train::{initial_classifier, with_ranks, Feed, Hooks, Passes, Resume, Settings, Words};
use crate::{Error, Result, Rows};
use rand::seq::SliceRandom;
use std::cmp::Ordering;

/// Events of each class whose values ranks are counted among: the first ones, of a random order.
const RANKED: usize = 8192;

/// A cross-entropy at which nearly all events are told apart with certainty: the area is 1 but for chance, however long it goes on.
const TOLD_APART: f64 = 1e-4;

/// Rows that are computed or held out at once.
const ROWS: usize = 4096;

/// What both families of classifiers find.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TwoSampleAuc {
    /// A network's.
    pub network: Auc,
    /// That of gradient-boosted trees.
    pub trees: Auc,
}

impl TwoSampleAuc {
    /// The area of the better classifier. Of two samples of one distribution it lies on average up to half an error above 0.5.
    pub fn larger(&self) -> Auc {
        match self.trees.value > self.network.value {
            true => self.trees,
            false => self.network,
        }
    }

    fn smaller(&self) -> Auc {
        match self.trees.value < self.network.value {
            true => self.trees,
            false => self.network,
        }
    }
}

/// The area under the ROC curve of two classifiers that are trained on one half of `reference` (label 1) and `sample` (label 0) and judged
/// on the other, in any dimension: 0.5 within its error if nothing tells the samples apart. It is a lower bound: a better classifier may
/// find more. Networks find smooth differences and narrow correlations, trees find edges, spikes and differences of scale.
///
/// The network and its training follow the options `classifier.*` (cross-entropy always), `validation.*` of the training halves, `seed`,
/// `dtype`, `backend`, `device` and `threads`. It sees every feature twice: standardised by the training half of the reference, and as the
/// normal score of its rank in the training halves. With `classifier.patience`, small samples stop
/// before they are learned by heart. A batch is no larger than the larger class. The trees follow `validation.*` and `threads`: at most
/// 300, of 31 leaves at most; they end early where the held-out loss does not fall. For both, the two classes have the same total weight.
/// Halves are drawn by `seed`. Weights may be negative where the total of every half is positive.
///
/// Copies of an event within one sample, as resampling makes them, count as one event with the sum of their weights. Values that both
/// samples have are not taken for copies.
///
/// The errors are those of the judged halves; another training would add its own. Of halves of less than 100 events the hooks are warned,
/// and of an area far below 0.5, which says that the samples share events.
///
/// # Errors
/// [`Error::InvalidArgument`] for samples of different dimension; [`Error::Data`] for fewer than four different events, a constant feature
/// or a half without positive weight; [`Error::Numerical`] if the training diverges; those of hooks and backend.
pub fn two_sample_auc(
    reference: &Sample,
    sample: &Sample,
    options: &Options,
    hooks: &dyn Hooks,
) -> Result<TwoSampleAuc> {
    with_ranks(hooks.ranks(), || {
        tell_apart(reference, sample, options, hooks)
    })
}

fn tell_apart(
    reference: &Sample,
    sample: &Sample,
    options: &Options,
    hooks: &dyn Hooks,
) -> Result<TwoSampleAuc> {
    let dim = reference.dim();
    if sample.dim() != dim {
        return Err(Error::InvalidArgument(format!(
            "the reference has {dim} features, the sample {}; equal numbers are required",
            sample.dim()
        )));
    }
    let network = networks::classifier(2 * dim, options)?;
    let session = Session::new(options, hooks);
    session.agree(|| {
        let named = |name: &str, sample: &Sample| (name.into(), sample.sha256());
        Ok(vec![named("reference", reference), named("sample", sample)])
    })?;
    let seed = session.seed;
    let [ones, zeros] = Different::of(reference, sample)?.rows;
    heavy(hooks, &ones, "reference")?;
    heavy(hooks, &zeros, "sample")?;
    let (ones, judged_ones) = halves(
        reference,
        (ones, 0),
        "reference",
        places::REFERENCE_HALF.rng(seed),
    )?;
    let rng = places::SAMPLE_HALF.rng(seed);
    let (zeros, judged_zeros) = halves(sample, (zeros, 0), "sample", rng)?;
    few(hooks, &judged_ones, "reference")?;
    few(hooks, &judged_zeros, "sample")?;
    let views = Views::new(&ones, &zeros, dim)?;
    let judged = Judged::new(judged_ones, judged_zeros)?;

    let trees = judged_by_trees(session, [&zeros, &ones], &judged, dim)?;

    let class = |half: Half, place: Place| {
        let held_out = half.held_out(options);
        let x = views.of(&half.x)?;
        Class::new(Half { x, ..half }, 2 * dim, held_out, place.noise(seed))
    };
    let mut feed = TwoSamples {
        ones: class(ones, places::REFERENCE_ROWS)?,
        zeros: class(zeros, places::SAMPLE_ROWS)?,
    };
    let go_on = || session.hooks.check("classifier");
    let noise = places::TWO_SAMPLE.noise(seed);
    let mut parameters = initial_classifier(&network, noise, &go_on)?;
    let mut settings = Settings::from_options("classifier", options, &keys::CLASSIFIER_TRAINING);
    // Samples may be smaller than the batches of a training that has a simulator behind it.
    settings.batch = settings.batch.min(Feed::<f64>::pass(&feed).unwrap_or(1));
    settings.enough = TOLD_APART;
    let goal = Goal::Separation(&network, Separation::CrossEntropy);
    session.fit(goal, &settings, &mut feed, &mut parameters)?;
    let network = judged.auc(dim, |x, scores| {
        engine::apply(&network, &parameters, &views.of(x)?, scores)
    })?;
    let areas = TwoSampleAuc { network, trees };
    shared(hooks, areas.smaller())?;
    Ok(areas)
}

/// What trees say of two samples.
pub(super) struct Told {
    pub auc: Auc,
    /// The share of the smaller sample that is exactly in the other as well, if that is no chance.
    pub shared: Option<f64>,
}

/// That of trees alone, of samples of equal dimension. The first events of a sample may be `held_out` of the training that made the samples
/// alike: then they are what is judged, and the trees learn from the others, which were learned by heart perhaps.
///
/// # Errors
/// As [`two_sample_auc`].
pub(super) fn told_by_trees(
    session: Session,
    reference: &Sample,
    sample: &Sample,
    held_out: [usize; 2],
) -> Result<Told> {
    let different = Different::of(reference, sample)?;
    let shared = different.shared();
    let [ones, zeros] = different.rows;
    let rng = places::REFERENCE_HALF.rng(session.seed);
    let (ones, judged_ones) = halves(reference, (ones, held_out[0]), "reference", rng)?;
    let rng = places::SAMPLE_HALF.rng(session.seed);
    let (zeros, judged_zeros) = halves(sample, (zeros, held_out[1]), "sample", rng)?;
    let judged = Judged::new(judged_ones, judged_zeros)?;
    let auc = judged_by_trees(session, [&zeros, &ones], &judged, reference.dim())?;
    Ok(Told { auc, shared })
}

/// Trains trees to tell two classes, and judges them.
fn judged_by_trees(
    session: Session,
    classes: [&Half; 2],
    judged: &Judged,
    dim: usize,
) -> Result<Auc> {
    let Session { options, hooks, .. } = session;
    let held_out = classes.map(|half| half.held_out(options));
    let [zeros, ones] = classes;
    let classes = [&zeros.sample(dim)?, &ones.sample(dim)?];
    let trees = Trees::train(classes, held_out, threads(options), hooks)?;
    judged.auc(dim, |x, scores| {
        let events = x.chunks_exact(dim).zip(scores);
        events.for_each(|(x, score)| *score = trees.score(x));
        Ok(())
    })
}

/// The different events of two samples.
struct Different {
    /// Rows and weights, of both.
    rows: [Vec<(usize, f64)>; 2],
    /// Values that two events have and no third: both of one sample, and one of each.
    pairs: [usize; 2],
}

/// A share of shared events that is nothing to speak of, and so many errors that are no chance.
const FEW_SHARED: f64 = 0.002;
const SHARED_ERRORS: f64 = 5.0;

impl Different {
    /// Copies that one sample alone has, become one event with all their weight: in both halves they would give each other away. What both have
    /// is a value that events often take, as all zeros, or an event that was given twice.
    fn of(reference: &Sample, sample: &Sample) -> Result<Self> {
        let samples = [reference, sample];
        // Those of the sample are behind those of the reference.
        let place = |k: usize| match k.checked_sub(reference.rows()) {
            None => (0, k),
            Some(row) => (1, row),
        };
        let event = |k: usize| {
            let (which, row) = place(k);
            samples[which].event(row)
        };
        let mut order = (0..reference.rows() + sample.rows()).gather()?;
        sort_rows(&mut order, &|a, b| {
            let by_value = event(a).partial_cmp(event(b)).unwrap_or(Ordering::Equal);
            by_value.then(a.cmp(&b))
        });
        let weights = |sample: &Sample| {
            (0..sample.rows())
                .map(|row| Some(sample.weight(row)))
                .gather()
        };
        let mut weights = [weights(reference)?, weights(sample)?];
        let mut pairs = [0; 2];
        for equal in order.chunk_by(|&a, &b| event(a) == event(b)) {
            let [first, .., last] = *equal else {
                continue;
            };
            let ((first, row), (last, _)) = (place(first), place(last));
            if equal.len() == 2 {
                pairs[usize::from(first != last)] += 1;
            }
            if first == last {
                let weights = &mut weights[first];
                let copies = equal.iter().filter_map(|&k| weights[place(k).1].take());
                let all: Sum = copies.collect();
                weights[row] = Some(all.value());
            }
        }
        let rows = |weights: Vec<Option<f64>>| {
            let rows = weights.into_iter().enumerate();
            rows.filter_map(|(row, w)| Some((row, w?))).gather()
        };
        let [ones, zeros] = weights;
        Ok(Different {
            rows: [rows(ones)?, rows(zeros)?],
            pairs,
        })
    }

    /// The share of the smaller sample that is exactly in the other as well, if that is no chance. Of rounded values two events are equal by
    /// chance, but no more of two samples than of one: 2pq ≤ p² + q², whatever their laws.
    fn shared(&self) -> Option<f64> {
        let [of_one, of_both] = self.pairs.map(|pairs| pairs as f64);
        let smaller = self.rows.each_ref().map(Vec::len);
        let share = (of_both - of_one) / smaller[0].min(smaller[1]) as f64;
        let chance = SHARED_ERRORS * (of_both + of_one).sqrt();
        (share > FEW_SHARED && of_both - of_one > chance).then_some(share)
    }
}

/// An event with this share of Σw² is a sample of its own, if there are as many.
const HEAVY: f64 = 0.1;
/// Events that an area and its error mean something of.
const ENOUGH: usize = 100;
/// An area below 0.5 by more than this, and than so many errors, is no chance.
const BELOW: f64 = 0.02;
const ERRORS: f64 = 5.0;

/// Warns of an event that has most of the weight: it lies in one of the halves, and the area and its error know nothing of the other.
fn heavy(hooks: &dyn Hooks, events: &[(usize, f64)], which: &str) -> Result<()> {
    let squares: Squares = events.iter().map(|&(_, w)| w).collect();
    let heaviest = events.iter().max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()));
    let Some(&(row, w)) = heaviest.filter(|_| events.len() >= ENOUGH) else {
        return Ok(());
    };
    // w² / Σw².
    let share = squares.effective(w);
    if share <= HEAVY {
        return Ok(());
    }
    let message = format!(
        "the event of row {row} (from 0) of the {which} has the weight {w}, and {:.0} % of the sum of the squares: the area knows it in one half alone, and without it would be another. Leave it out, if it is a failure; no score of such a sample tells much",
        100.0 * share
    );
    hooks.warn("weights", &message)
}

/// Warns of classifiers that are wrong more often than by chance: they met the judged events, with the other label.
fn shared(hooks: &dyn Hooks, Auc { value, error }: Auc) -> Result<()> {
    if 0.5 - value <= f64::max(BELOW, ERRORS * error) {
        return Ok(());
    }
    hooks.warn(
        "events",
        "an AUC below 0.5: the samples share events, which makes any score of them too good",
    )
}

/// Warns of a judged half of few events: even samples that are worlds apart, or one, have any area by chance.
fn few(hooks: &dyn Hooks, judged: &Half, which: &str) -> Result<()> {
    let events = judged.w.len();
    if events >= ENOUGH {
        return Ok(());
    }
    let message = format!(
        "the half of the {which} that the area is judged by has {events} events: of so few it says next to nothing. Deliver {} different events or more of each sample",
        2 * ENOUGH
    );
    hooks.warn("events", &message)
}

/// Packed events with their weights.
#[derive(Default)]
struct Half {
    x: Vec<f64>,
    w: Vec<f64>,
}

/// Share of the events that are not held out, below which trees would learn too little from them alone.
const REST: f64 = 0.3;

/// The events of a sample in two parts, to train on and to judge by: the first rows, if so many are held out, or halves drawn at random.
fn halves(
    sample: &Sample,
    (mut events, held_out): (Vec<(usize, f64)>, usize),
    which: &str,
    mut rng: PhiloxRng,
) -> Result<(Half, Half)> {
    let rows = events.len();
    if rows < 4 {
        return Err(Error::Data(format!(
            "the {which} has {rows} events, copies counted once; at least 4 are required, half of them to train on"
        )));
    }
    events.shuffle(&mut rng);
    let half = |events: &[(usize, f64)], use_of_it: &str| {
        let mut half = Half::default();
        half.x.room(events.len() * sample.dim())?;
        half.w.room(events.len())?;
        for &(row, w) in events {
            half.x.extend_from_slice(sample.event(row));
            half.w.push(w);
        }
        let total = half.w.iter().copied().collect::<Sum>().value();
        if total > 0.0 && total.is_finite() {
            return Ok(half);
        }
        Err(Error::Data(format!(
            "the weights of the half of the {which} that is {use_of_it} sum to {total}; a positive, finite total is required"
        )))
    };
    let is = |judged: bool| move |(row, _): &&(usize, f64)| (*row < held_out) == judged;
    let rest = events.iter().filter(is(false)).count();
    let mut trained = rows / 2;
    if held_out > 0 && rest as f64 >= REST * rows as f64 {
        let parts = events.iter().filter(is(false));
        events = parts
            .chain(events.iter().filter(is(true)))
            .copied()
            .gather()?;
        trained = rest;
    }
    let (train, judge) = events.split_at(trained);
    Ok((half(train, "trained on")?, half(judge, "judged by")?))
}

impl Half {
    fn sample(&self, dim: usize) -> Result<Sample<'_>> {
        Sample::new(Rows::packed(&self.x, dim)?, Some(&self.w))
    }

    /// How many of its events, the first ones, are held out.
    fn held_out(&self, options: &Options) -> usize {
        let fraction = options.get(keys::VALIDATION_FRACTION);
        let wanted = options.get(keys::VALIDATION_EVENTS) as usize;
        wanted.min((self.w.len() as f64 * fraction) as usize)
    }
}

/// What classifiers are judged by.
struct Judged {
    events: Half,
    labels: Vec<i32>,
}

impl Judged {
    fn new(ones: Half, zeros: Half) -> Result<Self> {
        let mut labels = room::filled(ones.w.len() + zeros.w.len(), 0)?;
        labels[..ones.w.len()].fill(1);
        let mut events = ones;
        events.x.put_all(zeros.x)?;
        events.w.put_all(zeros.w)?;
        Ok(Judged { events, labels })
    }

    /// Of the scores that `score` gives to packed events.
    fn auc(&self, dim: usize, score: impl Fn(&[f64], &mut [f64]) -> Result<()>) -> Result<Auc> {
        let mut scores = room::filled(self.labels.len(), 0.0)?;
        let chunks = self.events.x.chunks(ROWS * dim);
        chunks
            .zip(scores.chunks_mut(ROWS))
            .try_for_each(|(x, scores)| score(x, scores))?;
        metrics::auc(&scores, &self.labels, Some(&self.events.w))
    }
}

/// What the network sees of an event: its features standardised, then the normal scores of their ranks, which leave neither tails nor
/// spikes.
struct Views {
    moments: Vec<(f64, f64)>,
    ranks: Vec<Ranks>,
}

impl Views {
    fn new(reference: &Half, sample: &Half, dim: usize) -> Result<Self> {
        let ranks = |feature: usize| {
            let halves = [reference, sample].into_iter();
            let events = halves.flat_map(|half| half.x.chunks_exact(dim).take(RANKED));
            Ranks::of(events.map(|x| x[feature]).gather()?)
        };
        Ok(Views {
            moments: reference.sample(dim)?.moments()?,
            ranks: (0..dim).map(ranks).gather_all()?,
        })
    }

    /// Of packed events.
    fn of(&self, x: &[f64]) -> Result<Vec<f64>> {
        let mut views = room::empty(2 * x.len())?;
        for x in x.chunks_exact(self.moments.len()) {
            let moments = x.iter().zip(&self.moments);
            views.extend(moments.map(|(x, (mean, std))| (x - mean) / std));
            let ranks = x.iter().zip(&self.ranks);
            views.extend(ranks.map(|(&x, ranks)| ranks.normal_score(x)));
        }
        Ok(views)
    }
}

/// The different values of a feature, in their order, with the normal quantiles of their ranks.
struct Ranks {
    values: Vec<f64>,
    scores: Vec<f64>,
}

impl Ranks {
    fn of(mut values: Vec<f64>) -> Result<Self> {
        values.sort_unstable_by(f64::total_cmp);
        let count = (values.len() + 1) as f64;
        let mut scores = Vec::new();
        let mut below = 0;
        for equal in values.chunk_by(|a, b| a == b) {
            // Equal values share the middle of their ranks.
            scores.put((below as f64 + 0.5 * (equal.len() + 1) as f64) / count)?;
            below += equal.len();
        }
        noise::normal_quantiles(&mut scores);
        values.dedup();
        Ok(Ranks { values, scores })
    }

    /// Interpolated; beyond the values, that of the nearest.
    fn normal_score(&self, x: f64) -> f64 {
        let Ranks { values, scores } = self;
        let last = values.len() - 1;
        match values.partition_point(|&value| value < x) {
            0 => scores[0],
            next if next > last => scores[last],
            next => {
                let (low, high) = (values[next - 1], values[next]);
                let share = (x - low) / (high - low);
                scores[next - 1] + share * (scores[next] - scores[next - 1])
            }
        }
    }
}

/// The training events of one class.
struct Class {
    half: Half,
    dim: usize,
    order: Passes,
    noise: Noise,
}

impl Class {
    fn new(mut half: Half, dim: usize, held_out: usize, noise: Noise) -> Result<Self> {
        let rows = half.w.len();
        let mean = half.w.iter().copied().collect::<Sum>().value() / rows as f64;
        half.w.iter_mut().for_each(|w| *w /= mean);
        Ok(Class {
            half,
            dim,
            order: Passes::new((0..rows).gather()?, held_out),
            noise,
        })
    }

    /// The next events.
    fn append<T: Real>(&mut self, rows: usize, label: f64, batch: &mut Batch<T>) -> Result<()> {
        let rows = self.order.draw(rows, self.noise)?;
        self.put(&rows, 1.0, label, batch)
    }

    /// The held-out events, their weights multiplied by `factor`.
    fn held_out<T: Real>(&self, factor: f64, label: f64) -> Result<Vec<Batch<T>>> {
        let chunks = self.order.held_out().chunks(ROWS);
        let batch = |rows: &[usize]| {
            let mut batch = Batch::default();
            self.put(rows, factor, label, &mut batch)?;
            Ok(batch)
        };
        chunks.map(batch).gather_all()
    }

    fn put<T: Real>(
        &self,
        rows: &[usize],
        factor: f64,
        label: f64,
        batch: &mut Batch<T>,
    ) -> Result<()> {
        batch.x.room(rows.len() * self.dim)?;
        for &row in rows {
            let x = &self.half.x[row * self.dim..][..self.dim];
            batch.x.extend(x.iter().map(|&x| T::from_f64(x)));
        }
        let weights = rows.iter().map(|&row| factor * self.half.w[row]);
        batch.weights.put_all(weights.map(T::from_f64))?;
        batch.rows += rows.len();
        batch.labels.sized(batch.rows, T::from_f64(label))
    }
}

/// Equal numbers of events of both classes.
struct TwoSamples {
    ones: Class,
    zeros: Class,
}

impl Resume for TwoSamples {
    fn position(&self, words: &mut Vec<u64>) -> Result<()> {
        words.extend([self.ones.order.drawn(), self.zeros.order.drawn()]);
        Ok(())
    }

    fn resume(&mut self, words: &mut Words) -> Result<()> {
        for class in [&mut self.ones, &mut self.zeros] {
            let to = words.next_drawn(class.order.drawn())?;
            class.order.resume(to, class.noise, words.go_on)?;
        }
        Ok(())
    }
}

impl<T: Real> Feed<T> for TwoSamples {
    fn fill(&mut self, rows: usize, batch: &mut Batch<T>) -> Result<()> {
        *batch = Batch {
            step: batch.step,
            ..Batch::default()
        };
        self.ones.append(rows, 1.0, batch)?;
        self.zeros.append(rows, 0.0, batch)
    }

    fn pass(&self) -> Option<usize> {
        Some(self.ones.order.rows().max(self.zeros.order.rows()))
    }

    fn held_out(&mut self) -> Result<Vec<Batch<T>>> {
        let rows = |class: &Class| class.order.held_out().len() as f64;
        let (ones, zeros) = (rows(&self.ones), rows(&self.zeros));
        // The classes count alike, as in the training.
        let factor = |rows: f64| 0.5 * (ones + zeros) / rows;
        let mut batches = self.ones.held_out(factor(ones), 1.0)?;
        batches.put_all(self.zeros.held_out(factor(zeros), 0.0)?)?;
        Ok(batches)
    }
}

#[cfg(test)]
mod tests;
