//! Training the classifier f: target events against generated ones (paper, Sec. 2 and 4.1).

use super::calibration::HeldOut;
use super::ensemble::{Ensemble, Together};
use super::feed::SourceFeed;
use super::few;
use super::judgement::Subject;
use super::source::Source;
use crate::compute::Session;
use crate::model::{join, Classifier, Dims, Evaluator, Generator, Real, Scaling};
use crate::noise::places::{self, Place};
use crate::objective::{Batch, Separation};
use crate::options::{choices::Inputs, keys, Options};
use crate::room::{self, Gather, Grow};
use crate::train::{Feed, Level, Record, Resume, Settings, Words};
use crate::{Error, Result};

/// Latents for one event before the generator is given up.
const FINITE_TRIES: u64 = 100;

/// Target events (label 1) and as many freshly generated ones (label 0), given the same conditions, with their latents where the classifier
/// sees them; no generated event is used twice.
struct ClassifierFeed<'f, 's, 'a> {
    target: SourceFeed<'s, 'a>,
    evaluator: &'f mut dyn Evaluator,
    scalings: &'f [Scaling],
    dims: Dims,
    /// Values of the latent that the classifier sees behind those of an event.
    beside: usize,
    seed: u64,
    generated: u64,
}

impl ClassifierFeed<'_, '_, '_> {
    /// Doubles the rows of `batch`.
    fn append_generated<T: Real>(
        &mut self,
        latents: Place,
        first: u64,
        batch: &mut Batch<T>,
    ) -> Result<()> {
        let rows = batch.rows;
        let Dims {
            latent: n,
            conditions,
            features: m,
        } = self.dims;
        let (width, columns) = (self.dims.latent_row(), self.dims.event_row());
        let noise = latents.noise(self.seed);
        let mut z = room::filled(rows * width, 0.0)?;
        let mut x = room::filled(rows * columns, 0.0)?;
        // The conditions, one value each, are the last of what is seen of a row.
        let seen = batch.x.len() / rows.max(1);
        let features = seen - conditions - self.beside;
        let mut latents_of = room::filled(rows * self.beside, 0.0)?;
        // Rows whose event is not finite yet; it is made of another latent then.
        let mut open = (0..rows).gather()?;
        for attempt in 0..FINITE_TRIES {
            z.truncate(open.len() * width);
            for (latent, &row) in z.chunks_exact_mut(width).zip(&open) {
                let (z, c) = latent.split_at_mut(n);
                noise.normals(first + row as u64, attempt * n as u64, z);
                let given = batch.x[row * seen + features..][..conditions].iter();
                for (to, (c, s)) in c.iter_mut().zip(given.zip(&self.scalings[m..])) {
                    *to = s.inverse(c.to_f64());
                }
            }
            let mut made = room::filled(open.len() * columns, 0.0)?;
            self.evaluator.generate(&z, open.len(), &mut made, None)?;
            let mut events = made.chunks_exact(columns).zip(z.chunks_exact(width));
            let beside = self.beside;
            open.retain(|&row| {
                let (event, z) = events.next().unwrap_or_default();
                let finite = event.iter().all(|v| v.is_finite());
                if finite {
                    x[row * columns..][..columns].copy_from_slice(event);
                    latents_of[row * beside..][..beside].copy_from_slice(&z[..beside]);
                }
                !finite
            });
            if open.is_empty() {
                break;
            }
        }
        if !open.is_empty() {
            return Err(Error::Numerical(format!(
                "the generator made no finite event of {FINITE_TRIES} latents in a row"
            )));
        }
        batch.x.room(rows * seen)?;
        for (row, x) in x.chunks_exact(columns).enumerate() {
            for (&x, scaling) in x[..m].iter().zip(self.scalings) {
                scaling.each_input(x, 0.5, |u| batch.x.push(T::from_f64(u)));
            }
            let at = row * seen;
            batch
                .x
                .extend_from_within(at + features..at + seen - self.beside);
            let z = latents_of[row * self.beside..][..self.beside].iter();
            batch.x.extend(z.map(|&z| T::from_f64(z)));
        }
        batch.weights.room(rows)?;
        if conditions == 0 {
            batch.weights.sized(2 * rows, T::from_f64(1.0))?;
        } else {
            // Each generated event stands for the condition of a target event.
            batch.weights.extend_from_within(..);
        }
        // What cannot be has no ratio: it counts as generated, and teaches nothing.
        let mut inside = room::filled(rows, true)?;
        self.evaluator.inside(&x, rows, &mut inside)?;
        let weights = batch.weights[rows..].iter_mut().zip(&inside);
        weights
            .filter(|(_, inside)| !**inside)
            .for_each(|(w, _)| *w = T::from_f64(0.0));
        batch.two_classes(rows)
    }
}

/// Puts the latents of the events `x` behind the rows of `batch` that were made of them.
fn beside<T: Real>(
    evaluator: &mut dyn Evaluator,
    (dims, latents): (Dims, usize),
    x: &[f64],
    batch: &mut Batch<T>,
) -> Result<()> {
    if latents == 0 {
        return Ok(());
    }
    let mut z = room::filled(batch.rows * dims.latent_row(), 0.0)?;
    evaluator.latent(x, batch.rows, &mut z)?;
    let seen = batch.x.len() / batch.rows.max(1);
    let x = std::mem::take(&mut batch.x);
    join(
        (&x, seen.max(1)),
        (&z, dims.latent_row()),
        latents,
        &mut batch.x,
    )
}

impl Resume for ClassifierFeed<'_, '_, '_> {
    fn position(&self, words: &mut Vec<u64>) -> Result<()> {
        self.target.position(words)?;
        words.push(self.generated);
        Ok(())
    }

    fn resume(&mut self, words: &mut Words) -> Result<()> {
        self.target.resume(words)?;
        self.generated = words.next_word()?;
        Ok(())
    }
}

impl<T: Real> Feed<T> for ClassifierFeed<'_, '_, '_> {
    fn fill(&mut self, rows: usize, batch: &mut Batch<T>) -> Result<()> {
        self.target.fill(rows, batch)?;
        let Self {
            target, evaluator, ..
        } = self;
        let x = &target.source.buffer().x;
        beside(&mut **evaluator, (self.dims, self.beside), x, batch)?;
        self.append_generated(places::CLASSIFIER_TRAINING, self.generated, batch)?;
        self.generated += rows as u64;
        Ok(())
    }

    fn pass(&self) -> Option<usize> {
        self.target.source.pass()
    }

    fn held_out(&mut self) -> Result<Vec<Batch<T>>> {
        let mut batches: Vec<Batch<T>> = self.target.held_out()?;
        let mut first = 0;
        for batch in &mut batches {
            let rows = batch.rows as u64;
            if self.beside > 0 {
                let all = self.target.source.held_out(self.target.options)?;
                let columns = self.dims.event_row();
                let x = room::copied(&all.x[first as usize * columns..][..batch.rows * columns])?;
                beside(self.evaluator, (self.dims, self.beside), &x, batch)?;
            }
            self.append_generated(places::CLASSIFIER_HELD_OUT, first, batch)?;
            first += rows;
        }
        Ok(batches)
    }
}

/// Trains f between the target's events and those of `generator`: the networks of the ensemble in turn, from initial weights and on
/// generated events and shuffles of their own. One record for each.
///
/// Target events may have negative weights, as matched samples beyond leading order do. The ratio is that of the densities wherever the
/// target's weights sum to a positive density; see [`Separation`] for where they do not.
pub(super) fn train_classifier(
    session: Session,
    generator: &Generator,
    scalings: &[Scaling],
    evaluator: &mut dyn Evaluator,
    target: &mut Source,
) -> Result<(Classifier, Vec<Record>)> {
    let Session { options, seed, .. } = session;
    let beside = match options.get(keys::CLASSIFIER_INPUTS) {
        Some(Inputs::Events) => 0,
        _ if generator.determines_latents() => generator.latent_dim(),
        _ => 0,
    };
    let mut ensemble = Ensemble::new(scalings, beside, places::CLASSIFIER, session)?;
    let mut feed = ClassifierFeed {
        target: SourceFeed::new(target, scalings, options)?,
        evaluator,
        scalings,
        dims: generator.dims(),
        beside,
        seed,
        generated: 0,
    };
    let settings = Settings::from_options("classifier", options, &keys::CLASSIFIER_TRAINING);
    let records = ensemble.train(&settings, &mut feed, session)?;
    few::note(session, &settings, &records)?;
    // Both classes had equal numbers of events; the target's had total weight rows · mean w / unit. f/(1−f) is high by that.
    let SourceFeed { rows, weight, .. } = feed.target;
    let mean = weight.plain() / rows;
    let log_ratio_offset = match generator.condition_dim() {
        0 => -libm::log(mean / feed.target.weight_unit),
        // Generated events had the weights of the target's.
        _ => 0.0,
    };
    if weight.value() <= 0.0 || !log_ratio_offset.is_finite() {
        return Err(Error::Data(format!(
            "the mean weight of the target's events is {}; the total weight of a sample must be positive",
            weight.value() / rows
        )));
    }
    Ok((ensemble.classifier(log_ratio_offset)?, records))
}

/// What an ensemble is on held-out target events and as many freshly generated ones, of which `generated` is log w.
pub(super) fn together(
    classifier: &Classifier,
    held_out: &HeldOut,
    generated: &[f64],
    options: &Options,
) -> Together {
    let loss = options.get(keys::CLASSIFIER_LOSS);
    Together {
        loss: validation_loss(classifier, held_out, generated, loss),
        spread: held_out.spread,
    }
}

/// The loss of the ensemble on held-out target events and as many generated ones.
fn validation_loss(
    classifier: &Classifier,
    held_out: &HeldOut,
    generated: &[f64],
    loss: Separation,
) -> f64 {
    let of = |log_w: f64, y: f64| loss.pointwise(log_w - classifier.log_ratio_offset, y).0;
    let target = held_out.log_w.iter().zip(&held_out.weights);
    let target: f64 = target.map(|(&l, w)| w * of(l, 1.0)).sum();
    let total: f64 = held_out.weights.iter().sum();
    // A generator may fail on some latents.
    let generated = || generated.iter().filter(|l| l.is_finite());
    let background: f64 = generated().map(|&l| of(l, 0.0)).sum();
    0.5 * (target / total + background / generated().count() as f64)
}

/// A held-out loss this close to that of an ignorant classifier tells nothing: one that found a difference of one event in a hundred would
/// be further.
const INDISTINGUISHABLE: f64 = 1e-3;

/// One so far above it says that the training has made the classifier worse than none.
const FAILED: f64 = 5e-3;

/// Tells the host if the classifier's training, by its record, has found next to nothing.
/// `epochs` is the option that makes the training longer, `differs` whether another family of classifiers finds a difference, or was not
/// asked.
pub(super) fn warn(
    session: Session,
    record: &serde_json::Value,
    epochs: &str,
    differs: bool,
    subject: Subject,
) -> Result<()> {
    let ignorant = session.get(keys::CLASSIFIER_LOSS).ignorant();
    let held_out = record["validation_loss"].as_f64();
    if let Some(loss) = held_out.filter(|l| *l > ignorant + FAILED) {
        return session.hooks.warn(
            "classifier",
            &format!("the classifier's held-out loss is {loss:.3e}, that of an ignorant one {ignorant:.5}: its training has failed. Lower `classifier.lr`, set `classifier.clip`, or look for outliers in the events"),
        );
    }
    let Some(loss) = held_out.filter(|l| *l > ignorant - INDISTINGUISHABLE) else {
        return Ok(());
    };
    let found = format!(
        "the classifier's held-out loss is {loss:.5}, that of an ignorant one {ignorant:.5}: it hardly tells {}",
        subject.choose("generated events from the target's", "events of `from` from those of `to`")
    );
    if !differs {
        let little = subject.choose("refine", "reweight");
        let message = format!("{found}, nor do boosted trees: there is little to {little}");
        return session.hooks.log(Level::Info, &message);
    }
    session.hooks.warn(
        "classifier",
        &format!(
            "{found}. If they do differ, the weights near 1 mean nothing: train it longer (`{epochs}`) or slower (`classifier.lr`)"
        ),
    )
}

#[cfg(test)]
mod tests;
