//! OmniFold (Andreassen et al., arXiv:1911.09107): weights as a proper function of the latent space where one latent point has many events,
//! or where w(g(z)) is not wanted through g (paper, Sec. 2 and ref. 75).
//!
//! Latents z ~ p(z) with one event x = g(z) each are drawn once. Starting from ν(z) = 1, every iteration
//! 1. tells the target's events from the generated ones, which carry ν: ω = ν · ratio(x);
//! 2. tells the latents that carry ω from the same latents that carry 1: their ratio is the new ν(z), the mean of ω over the hidden
//!    degrees of freedom. Iterated, ν converges to the weights of largest likelihood in the data space.

mod feed;

use self::feed::EventFeed;
pub(super) use self::feed::{LatentFeed, Shuffled};
use super::conditions::Conditions;
use super::ensemble::{record, Ensemble};
use super::feed::{seen, SourceFeed};
use super::source::Source;
use crate::compute::Session;
use crate::model::{Classifier, Dims, Evaluator, Generator, Model, Scaling};
use crate::noise::places::{self, Place};
use crate::options::{choices::Pullback, keys, Options};
use crate::room::{self, Gather, Grow};
use crate::train::{AnyFeed, Level, Record, Settings};
use crate::{Error, Result};
use serde::Serialize;
use serde_json::Value;

/// Whether `pullback.method` asks for it.
pub(super) fn wanted(generator: &Generator, options: &Options) -> bool {
    match options.get(keys::PULLBACK_METHOD) {
        Some(Pullback::OmniFold) => true,
        Some(Pullback::Direct) => false,
        None => generator.stochastic(),
    }
}

/// What the iterations did, for the model's record.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct OmniFoldRecord {
    /// Latents drawn.
    pub events: u64,
    /// After every iteration: root mean square of the change of ν, whose mean is 1.
    pub changes: Vec<f64>,
    /// (Σν)² / Σν² as a fraction of the latents, after every iteration.
    pub effective_fractions: Vec<f64>,
    /// The trainings: of events, of latents, iteration by iteration; of an ensemble as the classifier's.
    pub trainings: Vec<Value>,
}

/// The result: a classifier of events (that of the first iteration: target against generated) and one of latents, whose ratio is ν(z).
pub(super) struct Unfolded {
    pub events: Classifier,
    /// Its trainings, one for each member.
    pub trainings: Vec<Record>,
    pub latents: Classifier,
    pub record: OmniFoldRecord,
}

/// Trains one of the two classifiers on from the last iteration: the members' records, and that of all.
fn step(
    stage: &'static str,
    classifier: &mut Ensemble,
    feed: &mut dyn AnyFeed,
    session: Session,
) -> Result<(Vec<Record>, Value)> {
    let mut settings =
        Settings::from_options("classifier", session.options, &keys::CLASSIFIER_TRAINING);
    settings.stage = stage;
    settings.epochs = session.get(keys::PULLBACK_EPOCHS) as u64;
    let members = classifier.train(&settings, feed, session)?;
    let of_all = record(members.clone(), &mut || classifier.together(feed))?;
    Ok((members, of_all))
}

/// The ratios of a model's classifier for all rows, 0 for those that are not inside, divided by their mean under `weights`; and that mean.
fn ratios(
    model: Model,
    of: impl Fn(&mut dyn Evaluator, &[f64], usize, &mut [f64]) -> Result<()>,
    rows: &[f64],
    weights: &[f64],
    inside: Option<&[bool]>,
    session: Session,
) -> Result<(Vec<f64>, f64)> {
    const BLOCK: usize = 1 << 16;
    let model = Model {
        support: None,
        ..model
    };
    let own = crate::compute::evaluator(&model, session.options)?;
    let mut evaluator = session.shared(own);
    let mut out = room::filled(weights.len(), 0.0)?;
    let width = rows.len() / out.len();
    for (rows, out) in rows.chunks(BLOCK * width).zip(out.chunks_mut(BLOCK)) {
        of(evaluator.as_mut(), rows, out.len(), out)?;
    }
    out.iter_mut().for_each(|l| *l = libm::exp(*l));
    if let Some(inside) = inside {
        let ratios = out.iter_mut().zip(inside);
        ratios
            .filter(|(_, inside)| !**inside)
            .for_each(|(r, _)| *r = 0.0);
    }
    let sum: f64 = out.iter().zip(weights).map(|(r, w)| r * w).sum();
    let mean = sum / weights.iter().sum::<f64>();
    if !(mean > 0.0 && mean.is_finite()) {
        return Err(Error::Numerical(format!(
            "the mean of OmniFold's weights is {mean}; the classifier's training has failed: lower `classifier.lr`"
        )));
    }
    out.iter_mut().for_each(|r| *r /= mean);
    Ok((out, mean))
}

/// The latents, with one event each. Latents without a finite event are left out.
fn draw(
    session: Session,
    dims: Dims,
    evaluator: &mut dyn Evaluator,
    conditions: &Conditions,
) -> Result<(Vec<f64>, Vec<f64>)> {
    const BLOCK: usize = 1024;
    let events = session.get(keys::PULLBACK_EVENTS) as usize;
    let (latent_row, event_row) = (dims.latent_row(), dims.event_row());
    let noise = places::OMNIFOLD.noise(session.seed);
    let (mut z, mut x) = (Vec::new(), Vec::new());
    let mut block_z = room::filled(BLOCK * latent_row, 0.0)?;
    let mut block_x = room::filled(BLOCK * event_row, 0.0)?;
    for first in (0..events).step_by(BLOCK) {
        session.hooks.check("omnifold")?;
        let rows = BLOCK.min(events - first);
        let (block_z, block_x) = (
            &mut block_z[..rows * latent_row],
            &mut block_x[..rows * event_row],
        );
        conditions.latents(noise, first as u64, dims.latent, block_z);
        evaluator.generate(block_z, rows, block_x, None)?;
        let pairs = block_z
            .chunks_exact(latent_row)
            .zip(block_x.chunks_exact(event_row));
        z.room(block_z.len())?;
        x.room(block_x.len())?;
        for (one_z, one_x) in pairs.filter(|(_, x)| x.iter().all(|v| v.is_finite())) {
            z.extend_from_slice(one_z);
            x.extend_from_slice(one_x);
        }
    }
    let finite = z.len() / latent_row;
    if 2 * finite < events {
        return Err(Error::Numerical(format!(
            "of {events} generated events only {finite} are finite"
        )));
    }
    Ok((z, x))
}

/// Runs OmniFold for `generator`, whose events `evaluator` makes. `scalings` are those of the target's columns, events and conditions.
pub(super) fn unfold(
    session: Session,
    generator: &Model,
    evaluator: &mut dyn Evaluator,
    conditions: &Conditions,
    scalings: &[Scaling],
    target: &mut Source,
) -> Result<Unfolded> {
    let Session { options, hooks, .. } = session;
    let g = &generator.generator;
    let (z, x) = draw(session, g.dims(), evaluator, conditions)?;
    let mut latent_scalings = room::filled(g.latent_dim(), Scaling::None)?;
    latent_scalings.put_all(g.conditions.iter().cloned())?;
    let mut on_events = Ensemble::new(scalings, 0, places::OMNIFOLD_EVENTS, session)?;
    let mut on_latents = Ensemble::new(&latent_scalings, 0, places::OMNIFOLD_LATENTS, session)?;
    let events = z.len() / latent_scalings.len();
    let mut inside = room::filled(events, true)?;
    evaluator.inside(&x, events, &mut inside)?;
    let held_out = (events / 10).min(options.get(keys::VALIDATION_EVENTS) as usize);
    let shuffle = |place: Place| place.noise(session.seed);
    let mut event_rows = Shuffled::new(
        seen(&x, scalings)?,
        scalings.iter().map(Scaling::inputs).sum(),
        held_out,
        shuffle(places::OMNIFOLD_EVENT_ROWS),
    )?;
    let mut latent_rows = Shuffled::new(
        seen(&z, &latent_scalings)?,
        latent_scalings.len(),
        held_out,
        shuffle(places::OMNIFOLD_LATENT_ROWS),
    )?;
    let mut nu = room::filled(events, 1.0)?;
    let mut first = None;
    let mut latent_offset = 0.0;
    let mut record = OmniFoldRecord {
        events: events as u64,
        ..OmniFoldRecord::default()
    };
    let iterations = options.get(keys::PULLBACK_ITERATIONS);
    for iteration in 1..=iterations {
        hooks.log(
            Level::Info,
            &format!("OmniFold, iteration {iteration} of {iterations}"),
        )?;
        // What cannot be counts as generated, and teaches nothing.
        let within = nu.iter().zip(&inside);
        let within = within
            .map(|(nu, inside)| nu * f64::from(u8::from(*inside)))
            .gather()?;
        let mut feed = EventFeed {
            target: SourceFeed::new(target, scalings, options)?,
            generated: &mut event_rows,
            nu: &within,
        };
        let trained = step("omnifold_events", &mut on_events, &mut feed, session)?;
        record.trainings.push(trained.1);
        let mut model = Model {
            classifier: Some(on_events.classifier(0.0)?),
            ..generator.clone()
        };
        let of_events =
            |e: &mut dyn Evaluator, x: &[f64], n, out: &mut [f64]| e.log_weight(x, n, out);
        let (ratio, mean) = ratios(model.clone(), of_events, &x, &nu, Some(&inside), session)?;
        if first.is_none() {
            first = Some((on_events.classifier(-libm::log(mean))?, trained.0));
        }
        let omega = nu.iter().zip(&ratio).map(|(nu, r)| nu * r).gather()?;
        let mut feed = LatentFeed {
            latents: &mut latent_rows,
            omega: &omega,
            impossible: 1.0,
        };
        let trained = step("omnifold_latents", &mut on_latents, &mut feed, session)?;
        record.trainings.push(trained.1);
        let ones = room::filled(events, 1.0)?;
        model.latent_classifier = Some(on_latents.classifier(0.0)?);
        let of_latents =
            |e: &mut dyn Evaluator, z: &[f64], n, out: &mut [f64]| e.pull_back(z, &[], n, out);
        let (after, mean) = ratios(model, of_latents, &z, &ones, None, session)?;
        latent_offset = -libm::log(mean);
        let squares = |values: &mut dyn Iterator<Item = f64>| {
            values.map(|v| v * v).sum::<f64>() / events as f64
        };
        let change = squares(&mut after.iter().zip(&nu).map(|(a, b)| a - b)).sqrt();
        let effective = 1.0 / squares(&mut after.iter().copied());
        hooks.log(
            Level::Info,
            &format!(
                "OmniFold, iteration {iteration}: the weights in the latent space changed by {change:.4} (root mean square), effective sample size {:.1} %",
                100.0 * effective
            ),
        )?;
        record.changes.push(change);
        record.effective_fractions.push(effective);
        nu = after;
    }
    let (events, trainings) =
        first.ok_or_else(|| Error::Internal("OmniFold made no iteration".into()))?;
    if let [.., before, last] = record.changes[..] {
        if last > 0.1 && last > 0.8 * before {
            hooks.warn("pull-back", &format!("OmniFold's weights still change by {last:.3} in the last iteration ({before:.3} in the one before): allow more (`pullback.iterations`)"),
            )?;
        }
    }
    Ok(Unfolded {
        events,
        trainings,
        latents: on_latents.classifier(latent_offset)?,
        record,
    })
}
