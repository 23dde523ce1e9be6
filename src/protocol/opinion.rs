//! A second opinion on a refinement, by classifiers of another family, which the protocol has not trained: trees.

use super::auc::trees_auc;
use super::conditions::Conditions;
use super::judgement::Subject;
use super::source::{Events, Source};
use crate::compute::{Instance, Session};
use crate::metrics::{Auc, Sample};
use crate::model::Model;
use crate::noise::places;
use crate::options::keys;
use crate::room::{self, Grow};
use crate::train::Hooks;
use crate::{Result, Rows};
use serde::Serialize;

/// How well trees tell the target's events, those that are held out of all trainings, from generated ones: area under their ROC curve, 0.5 where
/// not at all.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct SecondOpinion {
    /// Of the generator's own events.
    pub generated: f64,
    /// Of the same with their weights.
    pub refined: f64,
    /// Standard error of either.
    pub error: f64,
}

/// Events of either sample, where no more are at hand than are made for it.
pub(super) const COMPARED: usize = 40_000;

/// Fewest events of either sample to have an opinion on, and most that are looked at.
const FEWEST: usize = 1_000;
const MOST: usize = 80_000;
/// An area this far above 0.5, by its error, and by so many errors, is a difference.
const DIFFERENT: f64 = 0.01;
const ERRORS: f64 = 4.0;

/// Whether an area with its error is that of samples which differ.
pub(super) fn differs(auc: f64, error: f64) -> bool {
    auc - 0.5 > (DIFFERENT + error).max(ERRORS * error)
}

/// How well trees tell packed rows from others, which have weights and of which the first may be `held_out`. None of too few events, or of
/// those that cannot be compared.
///
/// # Errors
/// Those of the hooks.
pub(super) fn told_apart(
    session: Session,
    (reference, weights): (&[f64], &[f64]),
    held_out: usize,
    sample: &[f64],
    columns: usize,
) -> Result<Option<Auc>> {
    let finite = |row: &[f64]| row.iter().all(|v| v.is_finite());
    let (mut x, mut w, mut other) = (Vec::new(), Vec::new(), Vec::new());
    let rows = reference.chunks_exact(columns).zip(weights);
    for (row, weight) in rows.filter(|(row, w)| finite(row) && w.is_finite()) {
        x.put_all(row.iter().copied())?;
        w.put(*weight)?;
    }
    for row in sample.chunks_exact(columns).filter(|row| finite(row)) {
        other.put_all(row.iter().copied())?;
    }
    if w.len() < FEWEST || other.len() < FEWEST * columns {
        return Ok(None);
    }
    let reference = Sample::new(Rows::packed(&x, columns)?, Some(&w))?;
    let sample = Sample::new(Rows::packed(&other, columns)?, None)?;
    area(session, &reference, &sample, [held_out, 0])
}

/// How well trees tell a generator's own events from the target's. None where too little is held out to judge by.
///
/// # Errors
/// Those of the source, of the evaluator and of the hooks.
pub(super) fn of_generator(
    session: Session,
    model: &Model,
    target: &mut Source,
) -> Result<Option<Auc>> {
    const BLOCK: usize = 1 << 12;
    let held_out = target.held_out(session.options)?.len();
    if held_out < FEWEST {
        return Ok(None);
    }
    let dims = model.generator.dims();
    let conditions = Conditions::of(target, dims.conditions, session.options)?;
    let model = Instance::new(model.clone());
    let mut evaluator = session.evaluator(&model)?;
    let rows = COMPARED.min(session.get(keys::WEIGHTS_EVENTS) as usize);
    let noise = places::PILOT.noise(session.seed);
    let mut z = room::filled(rows * dims.latent_row(), 0.0)?;
    let mut x = room::filled(rows * dims.event_row(), 0.0)?;
    let blocks = z.chunks_mut(BLOCK * dims.latent_row());
    for (i, (z, x)) in blocks
        .zip(x.chunks_mut(BLOCK * dims.event_row()))
        .enumerate()
    {
        session.hooks.check("generated events")?;
        conditions.latents(noise, (i * BLOCK) as u64, dims.latent, z);
        evaluator.generate(z, z.len() / dims.latent_row(), x, None)?;
    }
    target.wrap(&mut x);
    let seen = target.events_to_look_at(session.options)?;
    let rows = seen.len().min(COMPARED);
    let reference = (&seen.x[..rows * seen.dim], &seen.w[..rows]);
    told_apart(session, reference, held_out, &x, seen.dim)
}

/// That of trees; none of samples that cannot be compared, as those without positive weight, which are told of elsewhere.
fn area(
    session: Session,
    reference: &Sample,
    sample: &Sample,
    held_out: [usize; 2],
) -> Result<Option<Auc>> {
    match trees_auc(session, reference, sample, held_out) {
        Ok(auc) => Ok(Some(auc)),
        Err(crate::Error::Data(_)) => Ok(None),
        Err(other) => Err(other),
    }
}

impl SecondOpinion {
    /// That in a record.
    pub(super) fn of(record: &serde_json::Value) -> Option<Self> {
        let number = |key: &str| record[key].as_f64();
        Some(SecondOpinion {
            generated: number("generated")?,
            refined: number("refined")?,
            error: number("error")?,
        })
    }

    /// Of packed generated rows, conditions included, the weights that they end with, and those that they have before, 1 if left out. Of
    /// both samples, the target first, so many rows in front are `held_out` of all trainings; 0 of what none has seen. None of too few events.
    ///
    /// # Errors
    /// Those of the hooks.
    pub(super) fn new(
        session: Session,
        target: &Events,
        generated: &[f64],
        weights: &[f64],
        before: Option<&[f64]>,
        held_out: [usize; 2],
    ) -> Result<Option<Self>> {
        let columns = target.dim;
        let rows = generated.chunks_exact(columns).zip(weights).enumerate();
        let usable = rows.filter(|(_, (x, w))| x.iter().all(|v| v.is_finite()) && w.is_finite());
        let (mut x, mut w, mut own) = (Vec::new(), Vec::new(), Vec::new());
        let [of_target, mut of_generated] = held_out;
        for (i, (row, weight)) in usable.take(MOST) {
            if i < held_out[1] {
                of_generated = w.len() + 1;
            }
            x.put_all(row.iter().copied())?;
            w.put(*weight)?;
            own.put_all(before.map(|before| before[i]))?;
        }
        let rows = target.len().min(MOST);
        if w.len() < FEWEST || rows < FEWEST {
            return Ok(None);
        }
        let reference = Rows::packed(&target.x[..rows * columns], columns)?;
        let reference = Sample::new(reference, Some(&target.w[..rows]))?;
        let generated = Rows::packed(&x, columns)?;
        let auc = |weights: Option<&[f64]>| {
            let sample = Sample::new(generated, weights)?;
            area(session, &reference, &sample, [of_target, of_generated])
        };
        Ok(auc(before.map(|_| &own[..]))?
            .zip(auc(Some(&w))?)
            .map(|(generated, refined)| SecondOpinion {
                generated: generated.value,
                refined: refined.value,
                error: generated.error.max(refined.error),
            }))
    }

    /// Whether the generator's own events differ from the target's.
    pub fn sees_generated(&self) -> bool {
        self.differs(self.generated)
    }

    /// Whether its events with their weights do.
    pub fn sees_refined(&self) -> bool {
        self.differs(self.refined)
    }

    /// The area, if it is so far below ½ that events of the one sample must be in the other: each then was learned with the wrong label.
    pub fn twins(&self) -> Option<f64> {
        self.differs(1.0 - self.generated).then_some(self.generated)
    }

    fn differs(&self, auc: f64) -> bool {
        differs(auc, self.error)
    }

    /// Tells the host if the weights leave a difference.
    pub(super) fn warn(&self, hooks: &dyn Hooks, subject: Subject) -> Result<()> {
        if !self.sees_refined() {
            return Ok(());
        }
        hooks.warn(
            "second opinion",
            &format!(
                "boosted trees still tell {} from {}: AUC {:.3} ± {:.3} ({:.3} before{}). Train the {} longer, give features with edges or tails their `features.scaling`, or look at single features with `laser score`",
                subject.refined(),
                subject.choose("the target's", "those of `to`"),
                self.refined,
                self.error,
                self.generated,
                subject.choose(" refinement", ""),
                subject.choose("generator and the classifier", "classifier"),
            ),
        )
    }
}
