//! Another refiner for a model whose classifier stays.

use super::ends::{agree, begin, checksum, tell_failures};
use super::judge::{keep, weights_of, FEW};
use crate::compute::{computes, Instance, Session};
use crate::model::{GeneratorKind, Model, Scaling};
use crate::options::{keys, Options};
use crate::protocol::conditions::Conditions;
use crate::protocol::judgement::{Subject, Witness};
use crate::protocol::limits::LimitReport;
use crate::protocol::opinion::SecondOpinion;
use crate::protocol::pullback::{weighted_latents, Look, Run, WeightReport};
use crate::protocol::refiner::prepare;
use crate::protocol::source::Source;
use crate::protocol::{checks, names, support, unused};
use crate::room;
use crate::train::{with_ranks, Hooks};
use crate::{Error, Result};
use serde_json::json;

/// Prepares another refiner for a model that has its classifier: its weights are judged again, and the refiner that `refiner.method` names
/// is made or trained. `target` gives the conditions to make events for, and is needed only for a model that has conditions; where one is given,
/// the second opinion on the weights is of its events.
///
/// # Errors
/// As [`refine`](crate::protocol::refine); [`Error::Unsupported`] for a model without a classifier, [`Error::InvalidArgument`] for one with conditions without a
/// target.
pub fn refine_again(
    model: &Instance,
    mut target: Option<&mut Source>,
    options: &Options,
    hooks: &dyn Hooks,
) -> Result<Instance> {
    let refined = with_ranks(hooks.ranks(), || {
        refine_again_here(model, target.as_deref_mut(), options, hooks)
    });
    if let Some(target) = target {
        target.begin(None);
    }
    refined
}

fn refine_again_here(
    model: &Instance,
    target: Option<&mut Source>,
    options: &Options,
    hooks: &dyn Hooks,
) -> Result<Instance> {
    if model.classifier.is_none() {
        return Err(Error::Unsupported(
            "the model has no classifier; refine its generator first".into(),
        ));
    }
    computes(options)?;
    let witness = Witness::new(hooks);
    let g = &model.generator;
    g.makes_events()?;
    checks::refiner(g, model.latent_classifier.is_some(), options)?;
    let session = Session {
        dtype: model.dtype,
        ..Session::new(options, &witness)
    };
    let mut target = target;
    let mut of = vec![("model".into(), checksum(model))];
    if let Some(target) = &mut target {
        checks::same_columns(g, target)?;
        target.begin(hooks.ranks());
        of.extend(target.identity()?);
    }
    session.agree(|| Ok(of.clone()))?;
    let journal = session.journal("refiner", || Ok(of))?;
    let session = session.kept_in(&journal);
    let conditions = match &mut target {
        Some(target) => {
            begin(&journal, target, session)?;
            names::wanted(Some(model), target, options)?;
            let support = model.support.as_ref();
            support::restrict(target, support, &model.names, Some(model), options)?;
            target.bound(&scalings_of(model)?)?;
            Conditions::of(target, g.condition_dim(), options)?
        }
        None if g.condition_dim() > 0 => {
            return Err(Error::InvalidArgument(
                "the model's events are made given conditions: a source of the target's events is needed, for theirs".into(),
            ))
        }
        _ => Conditions::none(),
    };
    let mut generated = Vec::new();
    let row = g.dims().event_row();
    let mut keep = |x: &[f64], _: &[f64]| keep(&mut generated, x, row);
    let look: Option<Look> = target.is_some().then_some(&mut keep);
    let run = Run::pilot(session);
    let log_w = weighted_latents(session, model, &conditions, run, look)?.log_w;
    let mut report = WeightReport::new(&log_w, options.get(keys::REJECTION_OVERWEIGHT))?;
    let classifier = model
        .latent_classifier
        .as_ref()
        .or(model.classifier.as_ref());
    let limits = classifier.and_then(|c| c.limits);
    let weights = weights_of(&log_w)?;
    report.limit = limits.map(|limits| LimitReport::new(limits, &log_w, &weights));
    report.tell(session.hooks, Subject::Generator)?;
    let mut copy = (**model).clone();
    let mut record = json!(report);
    // Found on events held out of the classifier's training, which has not changed.
    for key in ["calibration", "features", "gaps", "second_opinion"] {
        let before = copy.record.get("weights").and_then(|w| w.get(key));
        record[key] = before.cloned().unwrap_or_default();
    }
    if let Some(target) = &mut target {
        target.wrap(&mut generated);
        let before = record["second_opinion"].clone();
        if let Some(now) =
            opinion_again(session, target, &generated, &weights, &model.names, &before)?
        {
            record["second_opinion"] = json!(now);
        }
        tell_failures(target, hooks)?;
    }
    copy.record.insert("weights".into(), record);
    let refined = prepare(session, model, copy, &report, &conditions)?;
    let mut whole = (*refined).clone();
    unused::in_refinement(&whole, options, hooks)?;
    unused::in_refining_again(options, hooks)?;
    witness.judge(&mut whole.record, &["weights", "chains", "refiner"]);
    witness.tell(&whole.record, "")?;
    agree(&whole, hooks)?;
    Ok(refined.with_model(whole))
}

/// How a model scales the columns of its events: as its generator or, of one that is not the library's, as its classifier.
fn scalings_of(model: &Model) -> Result<Vec<Scaling>> {
    let g = &model.generator;
    match (&g.kind, &model.classifier) {
        (GeneratorKind::Networks { .. }, _) | (_, None) => room::joined(&g.scalings, &g.conditions),
        (_, Some(classifier)) => room::copied(&classifier.scalings[..g.dims().event_row()]),
    }
}

/// What trees say of a model whose weights stay, on the events of the target that is given now; `before`: what they said when the weights were
/// learned. None where little is held out.
fn opinion_again(
    session: Session,
    target: &mut Source,
    generated: &[f64],
    weights: &[f64],
    names: &[String],
    before: &serde_json::Value,
) -> Result<Option<SecondOpinion>> {
    let held_out = target.held_out(session.options)?.len();
    if held_out < FEW {
        let message = format!(
            "{held_out} events of the target given are held out (`validation.events`), too few to tell whether it is the one that the model is refined to: the classifier stays as it is"
        );
        session.hooks.warn("events", &message)?;
        return Ok(None);
    }
    let seen = target.events_to_look_at(session.options)?;
    // Of another target no event is in the training; of the same those held out are not.
    let rows = [held_out, 0];
    let weights = (weights, None);
    let found = SecondOpinion::find(session, &seen, generated, weights, rows, names)?;
    if let Some(found) = &found {
        found.warn_of_twins(session.hooks, Subject::Generator)?;
    }
    let opinion = found.map(|found| found.opinion);
    let Some(now) = opinion.filter(|now| now.sees_refined()) else {
        return Ok(opinion);
    };
    match SecondOpinion::of(before).filter(|was| !was.sees_refined()) {
        Some(was) => session.hooks.warn(
            "second opinion",
            &format!(
                "the target given is another than the one that the model is refined to: boosted trees tell its events from the refined ones with AUC {:.3} ± {:.3}, where it was {:.3}. Here the classifier stays as it is; for another target refine the generator (`laser_refine`)",
                now.refined, now.error, was.refined
            ),
        )?,
        None => now.warn(session.hooks, Subject::Generator)?,
    }
    Ok(opinion)
}
