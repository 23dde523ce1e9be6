//! What is found of a refinement's weights.

use super::ends::TARGET;
use crate::compute::{Instance, Session};
use crate::model::{Classifier, Limits, Model};
use crate::options::keys;
use crate::protocol::calibration::{worth, Calibration, HeldOut, Samples};
use crate::protocol::classifier::{together, warn};
use crate::protocol::conditions::Conditions;
use crate::protocol::coverage::Coverage;
use crate::protocol::ensemble::record;
use crate::protocol::gaps::{self, gaps, Gap};
use crate::protocol::judgement::Subject;
use crate::protocol::limits::{limits, LimitReport};
use crate::protocol::opinion::SecondOpinion;
use crate::protocol::pullback::{weighted_latents, Run, WeightReport, Weighted};
use crate::protocol::source::Source;
use crate::protocol::{copies, generator, marginals};
use crate::room::{self, Gather, Grow};
use crate::train::Record;
use crate::Result;
use serde_json::json;

const SUBJECT: Subject = Subject::Generator;

/// Judges the classifier and its weights, for the record.
pub(super) fn judge(
    session: Session,
    generator: &Instance,
    model: &mut Model,
    trainings: Vec<Record>,
    target: &mut Source,
    conditions: &Conditions,
) -> Result<WeightReport> {
    let Session { options, hooks, .. } = session;
    let dims = model.generator.dims();
    let mut generated = Vec::new();
    let Weighted {
        mut log_w,
        mut log_w_of_events,
        ..
    } = weighted_latents(
        session,
        &generator.with_model(model.clone()),
        conditions,
        Run::pilot(session),
        Some(&mut |x, _| keep(&mut generated, x, dims.event_row())),
    )?;
    target.wrap(&mut generated);
    let mut held_out = HeldOut::new(model, target, options)?;
    let of_target = held_out.as_mut().map_or(&mut [][..], |h| &mut h.log_w[..]);
    let (tail, margin) = (
        session.get(keys::WEIGHTS_TAIL),
        session.get(keys::WEIGHTS_MARGIN),
    );
    let apply = |limits: Option<Limits>, log_w: &mut [f64]| {
        limits.map(|limits| log_w.iter_mut().for_each(|l| *l = limits.apply(*l)))
    };
    // Latents that have no event were met by no training.
    let rows = generated.chunks_exact(dims.event_row()).zip(&log_w);
    let met = rows.filter(|(x, _)| x.iter().all(|v| v.is_finite()));
    let met = met.map(|(_, log_w)| *log_w).gather()?;
    // Where weights of latents are learned by themselves, no target event says how far they go.
    let found = match &mut log_w_of_events {
        Some(of_events) => {
            let of_latents = limits(&[], &met, tail, margin)?;
            apply(of_latents, &mut log_w);
            set_limits(&mut model.latent_classifier, of_latents);
            let of_both = limits(of_target, of_events, tail, margin)?;
            apply(of_both, of_events);
            apply(of_both, of_target);
            set_limits(&mut model.classifier, of_both);
            of_latents
        }
        None => {
            let of_both = limits(of_target, &met, tail, margin)?;
            apply(of_both, &mut log_w);
            apply(of_both, of_target);
            set_limits(&mut model.classifier, of_both);
            of_both
        }
    };
    let weights = weights_of(&log_w)?;
    let mut coverage = Coverage::new(target.held_out(options)?, dims.features);
    coverage.add(&generated, &weights);
    let of_events = log_w_of_events.as_ref().unwrap_or(&log_w);
    // Where little is held out, all that there is was learned from.
    let found_by_trees = match target.held_out(options)?.len() {
        0..FEW => None,
        rows => {
            let seen = target.events_to_look_at(options)?;
            let weights = (&weights[..], None);
            SecondOpinion::find(session, &seen, &generated, weights, [rows, 0], &model.names)?
        }
    };
    let opinion = found_by_trees.as_ref().map(|found| found.opinion);
    if let Some(classifier) = &model.classifier {
        let mut together = || {
            let held_out = held_out.as_ref();
            Ok(held_out.map(|h| together(classifier, h, of_events, options)))
        };
        let record = record(trainings, &mut together)?;
        let epochs = match model.latent_classifier {
            Some(_) => keys::PULLBACK_EPOCHS,
            None => keys::CLASSIFIER_TRAINING.epochs,
        };
        let differs = opinion.is_none_or(|o| o.sees_generated());
        warn(session, &record, epochs.name(), differs, SUBJECT)?;
        model.record.insert("classifier".into(), record);
    }
    let mut report = WeightReport::new(&log_w, options.get(keys::REJECTION_OVERWEIGHT))?;
    let calibration = held_out.map(|h| Calibration::new(&h, of_events, None, Samples::Apart));
    report.calibration = calibration.transpose()?;
    report.limit = found.map(|limits| LimitReport::new(limits, &log_w, &weights));
    report.tell(hooks, SUBJECT)?;
    let held_out = &target.held_out(options)?.w;
    let events = worth(held_out);
    if !held_out.is_empty() && events < FEW {
        let message = format!(
            "the target events that are held out are worth {events}, too few to judge generator and weights by: deliver more (`validation.events`, `validation.fraction` hold them out)"
        );
        hooks.warn("events", &message)?;
    }
    copies::look(session, target, TARGET)?;
    target.weigh(hooks, TARGET)?;
    target.look_back(hooks, TARGET, &model.names)?;
    match &report.calibration {
        Some(calibration) => calibration.warn(hooks, SUBJECT)?,
        None => hooks.warn(
            "events",
            "no target events are held out (`validation.events`), so nothing is known of how right the weights are",
        )?,
    }
    if let Some(calibration) = &report.calibration {
        generator::warn_of_ignorance(session, model, calibration.auc)?;
    }
    report.second_opinion = opinion;
    if let Some(found) = &found_by_trees {
        found.warn(hooks, SUBJECT)?;
    }
    coverage.warn(hooks, &model.names, SUBJECT)?;
    marginals::look(
        session,
        target,
        (&generated, &weights),
        dims.features,
        &model.names,
        SUBJECT,
    )?;
    report.features = coverage.features();
    let of_trees = found_by_trees.map_or(Vec::new(), |found| found.gaps);
    report.gaps = find_gaps(session, model, (&generated, &weights), target, of_trees)?;
    model.record.insert("weights".into(), json!(report));
    Ok(report)
}

/// The weights, by their logarithms.
pub(super) fn weights_of(log_w: &[f64]) -> Result<Vec<f64>> {
    log_w.iter().map(|l| libm::exp(*l)).gather()
}

fn set_limits(classifier: &mut Option<Classifier>, limits: Option<Limits>) {
    if let Some(classifier) = classifier {
        classifier.limits = limits;
    }
}

/// Held-out events below which no judgement is worth much: a hundredth of them is known to a third.
pub(super) const FEW: usize = 1000;

/// Values of generated events that are kept to compare with the target's: bounds the memory for events of many features.
const MOST_KEPT: usize = 20_000_000;

/// Keeps the first of generated events, rows of so many values.
pub(super) fn keep(generated: &mut Vec<f64>, x: &[f64], row: usize) -> Result<()> {
    let room = MOST_KEPT.saturating_sub(generated.len()) / row * row;
    generated.put_all(x.iter().copied().take(room))
}

/// The tails of the target's events that the generator does not reach, or that the weights do not make the target's, and the regions that trees
/// have found; the host is told of the largest.
fn find_gaps(
    session: Session,
    model: &Model,
    (generated, weights): (&[f64], &[f64]),
    target: &mut Source,
    of_trees: Vec<Gap>,
) -> Result<Vec<Gap>> {
    let dims = model.generator.dims();
    let scalings = room::copied(&target.scalings()[..dims.features])?;
    let seen = target.events_to_look_at(session.options)?;
    let named = (&scalings[..], &model.names[..]);
    let mut found = gaps(&seen, generated, Some(weights), named, SUBJECT)?;
    found.put_all(of_trees)?;
    gaps::warn(&found, session.hooks, SUBJECT)?;
    Ok(found)
}
