//! A second opinion on a refinement, by classifiers of another family, which the protocol has not trained: trees.

use super::auc::{told_by_trees, Told};
use super::conditions::Conditions;
use super::gaps::{regions::regions, Gap};
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
    Ok(told(session, &reference, &sample, [held_out, 0])?.map(|told| told.auc))
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
fn told(
    session: Session,
    reference: &Sample,
    sample: &Sample,
    held_out: [usize; 2],
) -> Result<Option<Told>> {
    match told_by_trees(session, reference, sample, held_out) {
        Ok(told) => Ok(Some(told)),
        Err(crate::Error::Data(_)) => Ok(None),
        Err(other) => Err(other),
    }
}

/// All that trees find.
pub(super) struct Found {
    pub opinion: SecondOpinion,
    /// Regions where the weights leave less than half of the target's share, or half as much again.
    pub gaps: Vec<Gap>,
    /// The share of the smaller sample that is exactly in the other as well, if that is no chance.
    pub shared: Option<f64>,
}

impl Found {
    /// Tells the host of a difference that the weights leave, and of events that both samples have.
    pub fn warn(&self, hooks: &dyn Hooks, subject: Subject) -> Result<()> {
        self.opinion.warn(hooks, subject)?;
        self.warn_of_twins(hooks, subject)
    }

    /// Tells the host of events that both samples have.
    pub fn warn_of_twins(&self, hooks: &dyn Hooks, subject: Subject) -> Result<()> {
        let both = subject.choose("the generator's events and the target's", "`from` and `to`");
        let how = match (self.shared, self.opinion.twins()) {
            (Some(share), _) => format!(
                "{:.1} % of the smaller of {both} are exactly events of the other",
                100.0 * share
            ),
            (None, Some(auc)) => format!(
                "boosted trees that were shown {both} are wrong of others of their events more often than by chance (AUC {auc:.3})"
            ),
            (None, None) => return Ok(()),
        };
        let message = format!(
            "{how}: the same events are in both. A ratio learned of them is 1, and what is wrong elsewhere seems smaller: give samples that share none"
        );
        hooks.warn("events", &message)
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
    pub(super) fn find(
        session: Session,
        target: &Events,
        generated: &[f64],
        (weights, before): (&[f64], Option<&[f64]>),
        held_out: [usize; 2],
        names: &[String],
    ) -> Result<Option<Found>> {
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
        let told = |weights: Option<&[f64]>| {
            let sample = Sample::new(generated, weights)?;
            told(session, &reference, &sample, [of_target, of_generated])
        };
        let (before, after) = (told(before.map(|_| &own[..]))?, told(Some(&w))?);
        let Some((before, after)) = before.zip(after) else {
            return Ok(None);
        };
        Ok(Some(Found {
            opinion: SecondOpinion {
                generated: before.auc.value,
                refined: after.auc.value,
                error: before.auc.error.max(after.auc.error),
            },
            gaps: regions(
                session,
                [&Sample::new(generated, Some(&w))?, &reference],
                names,
            )?,
            shared: before.shared,
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

    /// The area, before or after, if it is so far below ½ that events of the one sample must be in the other: each then was learned with the
    /// wrong label.
    fn twins(&self) -> Option<f64> {
        let areas = [self.generated, self.refined];
        areas.into_iter().find(|auc| self.differs(1.0 - auc))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::{domain, Noise};
    use crate::options::Options;
    use crate::train::Level;
    use std::cell::RefCell;

    const ROWS: usize = 20_000;

    #[derive(Default)]
    struct Log(RefCell<Vec<String>>);

    impl Hooks for Log {
        fn log(&self, _: Level, message: &str) -> Result<()> {
            self.0.borrow_mut().push(message.into());
            Ok(())
        }
    }

    /// Pairs of normal numbers; of those in a window within, none above this share.
    fn normals(stream: u64, kept: f64) -> Events {
        let mut events = Events::new(2);
        let mut x = vec![0.0; 2 * ROWS];
        Noise::new(8, stream, domain::PILOT).fill_normals(0, ROWS, 2, &mut x);
        for (i, x) in x.chunks_exact(2).enumerate() {
            let window = (0.2..0.8).contains(&x[0]) && (-0.3..0.0).contains(&x[1]);
            if !window || ((i % 100) as f64) < 100.0 * kept {
                events.x.extend(x);
                events.w.push(1.0);
            }
        }
        events
    }

    fn found(target: &Events, generated: &Events, weight: f64) -> Found {
        let options = Options::new();
        let names = ["pt".to_owned(), "eta".to_owned()];
        let rows = generated.x.chunks_exact(2);
        let inside = |x: &[f64]| (0.2..0.8).contains(&x[0]) && (-0.3..0.0).contains(&x[1]);
        let weights: Vec<f64> = rows.map(|x| if inside(x) { weight } else { 1.0 }).collect();
        let weights = (&weights[..], Some(&generated.w[..]));
        let session = Session::new(&options, &());
        SecondOpinion::find(session, target, &generated.x, weights, [0, 0], &names)
            .unwrap()
            .unwrap()
    }

    /// 2.5 % of the target lie in a window in the middle of both features, which no tail shows.
    #[test]
    fn regions_that_are_empty_are_found_wherever_they_lie() {
        let whole = normals(1, 1.0);
        for subject in [Subject::Generator, Subject::Events] {
            let told = |kept: f64, weight: f64| {
                let log = Log::default();
                let gaps = found(&whole, &normals(2, kept), weight).gaps;
                super::super::gaps::warn(&gaps, &log, subject).unwrap();
                log.0.into_inner()
            };
            let log = told(0.0, 1.0);
            let place = "in a region that boosted trees find (`eta` from -0.2";
            assert!(log.len() == 1 && log[0].contains(place), "{log:?}");
            assert!(log[0].contains("no weight can bring back"), "{log:?}");
            // All of it, and a tenth or a third of it whose weights make up for that.
            for (kept, weight) in [(1.0, 1.0), (0.1, 10.0), (0.33, 3.0)] {
                assert!(
                    told(kept, weight).is_empty(),
                    "{kept}: {:?}",
                    told(kept, weight)
                );
            }
            // A third of it, as it is.
            let log = told(0.33, 1.0);
            assert!(
                log.len() == 1 && log[0].contains("the weights are not right"),
                "{log:?}"
            );
        }
    }

    #[test]
    fn samples_that_share_events_are_no_good_news() {
        let opinion = |generated: f64, refined: f64| SecondOpinion {
            generated,
            refined,
            error: 0.003,
        };
        let told = |opinion: SecondOpinion, shared: Option<f64>| {
            let (log, gaps) = (Log::default(), Vec::new());
            let found = Found {
                opinion,
                gaps,
                shared,
            };
            found.warn(&log, Subject::Events).unwrap();
            log.0.into_inner()
        };
        assert!(told(opinion(0.52, 0.495), None).is_empty());
        for (opinion, shared) in [
            (opinion(0.479, 0.5), None),
            (opinion(0.52, 0.479), None),
            (opinion(0.55, 0.509), Some(0.33)),
        ] {
            let log = told(opinion, shared);
            let words = "the same events are in both";
            assert!(log.len() == 1 && log[0].contains(words), "{log:?}");
        }
    }
}
