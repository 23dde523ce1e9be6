//! What the weights are like, on events of both sources, most of them held out.

use super::feed::of;
use crate::compute::{self, Session};
use crate::metrics::{effective_size, kolmogorov_smirnov, Sample};
use crate::model::{called, Limits, Model};
use crate::options::keys;
use crate::protocol::calibration::{worth, Calibration, HeldOut, Samples};
use crate::protocol::conditions::Conditions;
use crate::protocol::coverage::Coverage;
use crate::protocol::gaps::{self, gaps};
use crate::protocol::judgement::Subject;
use crate::protocol::limits::{limits, LimitReport};
use crate::protocol::marginals;
use crate::protocol::opinion::{Found, SecondOpinion};
use crate::protocol::pullback::WeightReport;
use crate::protocol::source::{Events, Source};
use crate::protocol::support;
use crate::room::{self, Gather, Grow};
use crate::{Error, Result, Rows};

/// Held-out events below which no judgement is worth much: a hundredth of them is known to a third.
pub(in crate::protocol) const FEW: usize = 1000;

/// Events of `from` as the classifier takes them, the held-out ones first: of an array also others, which are the ones that most hosts
/// weight; of those alone if nothing is held out.
fn events_of(
    session: Session,
    model: &Model,
    from: &mut Source,
    to: &mut Source,
) -> Result<Events> {
    let mut events = from.events_to_look_at(session.options)?;
    if events.len() == 0 {
        events = of("from", from.measured(session.options))?;
    }
    let dims = model.generator.dims();
    if events.dim == dims.event_row() {
        return Ok(events);
    }
    let conditions = Conditions::of(to, dims.conditions, session.options)?;
    let mut x = room::empty(events.len() * dims.event_row())?;
    for (row, event) in (0..).zip(events.x.chunks_exact(events.dim)) {
        x.extend_from_slice(event);
        x.extend_from_slice(conditions.get(row));
    }
    Ok(Events {
        dim: dims.event_row(),
        x,
        w: events.w,
    })
}

/// Gives the classifier of a model the limits that `events` of `from` and held-out ones of `to` set. Returns log w of `events` within them.
fn limit(
    session: Session,
    model: &mut Model,
    events: &Events,
    held_out: Option<&mut HeldOut>,
) -> Result<(Vec<f64>, Option<Limits>)> {
    let mut log_w = room::filled(events.len(), 0.0)?;
    let mut evaluator = session.shared(compute::evaluator(model, session.options)?);
    evaluator.log_weight(&events.x, events.len(), &mut log_w)?;
    let of_to = held_out.map_or(&mut [][..], |h| &mut h.log_w[..]);
    let (tail, margin) = (
        session.get(keys::WEIGHTS_TAIL),
        session.get(keys::WEIGHTS_MARGIN),
    );
    let found = limits(of_to, &log_w, tail, margin)?;
    if let Some(limits) = found {
        let all = log_w.iter_mut().chain(of_to.iter_mut());
        all.for_each(|l| *l = limits.apply(*l));
    }
    if let Some(classifier) = &mut model.classifier {
        classifier.limits = found;
    }
    Ok((log_w, found))
}

/// Gives the classifier of a model its limits, and checks it on held-out events, which both sources have; none if nothing is held out.
pub(super) fn calibrate(
    session: Session,
    model: &mut Model,
    from: &mut Source,
    to: &mut Source,
) -> Result<Option<Calibration>> {
    let events = events_of(session, model, from, to)?;
    let known = from.held_out(session.options)?.len().min(events.len());
    let mut held_out = HeldOut::new(model, to, session.options)?;
    let (log_w, _) = limit(session, model, &events, held_out.as_mut())?;
    let own = Some(&events.w[..known]);
    let held_out = held_out.filter(|_| known > 0);
    let calibration = held_out.map(|h| Calibration::new(&h, &log_w[..known], own, Samples::Same));
    calibration.transpose()
}

/// Every other event, so that no other part of them has it.
fn every_other(events: &Events, first: usize) -> Result<Events> {
    let mut some = Events::new(events.dim);
    some.room(events.len().div_ceil(2))?;
    for row in (first..events.len()).step_by(2) {
        some.x.extend_from_slice(events.event(row));
        some.w.push(events.w[row]);
    }
    Ok(some)
}

/// Judges the classifier of a model, which gets its limits, by its weights.
pub(super) fn judge(
    session: Session,
    model: &mut Model,
    from: &mut Source,
    to: &mut Source,
    samples: Samples,
) -> Result<WeightReport> {
    const SUBJECT: Subject = Subject::Events;
    let Session { options, hooks, .. } = session;
    let dims = model.generator.dims();
    let own_conditions = from.dim() == dims.event_row();
    let events = events_of(session, model, from, to)?;
    let known = from.held_out(options)?.len().min(events.len());
    let own = &events.w[..];
    let before = of("from", effective_size(own))?;
    let mut held_out = HeldOut::new(model, to, options)?;
    let (log_w, found) = limit(session, model, &events, held_out.as_mut())?;
    let mean = own.iter().sum::<f64>() / own.len() as f64;
    let weights = log_w.iter().zip(own);
    let weights = weights
        .map(|(l, own)| libm::exp(*l) * (own / mean))
        .gather()?;
    let overweight = options.get(keys::REJECTION_OVERWEIGHT);
    let mut report = WeightReport::of_events(&log_w, room::copied(&weights)?, before, overweight)?;
    report.limit = found.map(|limits| LimitReport::new(limits, &log_w, &weights));
    report.tell(hooks, SUBJECT)?;
    support::report(to, report.outside, &mut model.record, SUBJECT, hooks)?;
    // Weights of both signs leave few events: what they are worth counts.
    let of_both = [worth(&own[..known]), worth(&to.held_out(options)?.w)];
    for (name, events) in ["from", "to"].into_iter().zip(of_both) {
        if events < FEW {
            let message = match events {
                0 => format!("no events of `{name}` are held out (`validation.events`), so nothing is known of how right the weights are"),
                _ => format!("the events of `{name}` that are held out are worth {events}, too few to judge the weights by: deliver more (`validation.events`, `validation.fraction` hold them out)"),
            };
            hooks.warn("events", &message)?;
        }
    }
    let calibration = held_out.filter(|_| known > 0);
    let calibration =
        calibration.map(|h| Calibration::new(&h, &log_w[..known], Some(&own[..known]), samples));
    report.calibration = calibration.transpose()?;
    if let Some(calibration) = &report.calibration {
        calibration.warn(hooks, SUBJECT)?;
    }
    // Where little is held out, all that there is was learned from.
    if of_both.iter().all(|events| *events >= FEW) {
        let seen = to.events_to_look_at(options)?;
        let names = &model.names[..];
        let found = match samples {
            Samples::Apart => {
                let rows = [to.held_out(options)?.len(), known];
                let weights = (&weights[..], Some(own));
                SecondOpinion::find(session, &seen, &events.x, weights, rows, names)?
            }
            Samples::Same => {
                let (target, rest) = (every_other(&seen, 0)?, every_other(&events, 1)?);
                let weights = weights.iter().skip(1).step_by(2).copied().gather()?;
                let weights = (&weights[..], Some(&rest.w[..]));
                let found = SecondOpinion::find(session, &target, &rest.x, weights, [0, 0], names)?;
                // They are of one sample, whose copies are no fault here.
                found.map(|found| Found {
                    shared: None,
                    ..found
                })
            }
        };
        if let Some(found) = found {
            found.warn(hooks, SUBJECT)?;
            report.second_opinion = Some(found.opinion);
            report.gaps = found.gaps;
        }
    }
    let mut coverage = Coverage::new(to.held_out(options)?, dims.features);
    coverage.add(&events.x, &weights);
    coverage.warn(hooks, &model.names, SUBJECT)?;
    report.features = coverage.features();
    let looked_at = match own_conditions {
        true => dims.event_row(),
        false => dims.features,
    };
    match samples {
        Samples::Apart => {
            let weighted = (&events.x[..], &weights[..]);
            marginals::look(session, to, weighted, looked_at, &model.names, SUBJECT)?;
            if own_conditions && dims.conditions > 0 {
                conditions_apart(session, model, &events, to)?;
            }
        }
        Samples::Same => {
            let seen = to.events_to_look_at(options)?;
            let both = [&weights[..], &seen.w];
            marginals::look_at_weights(session, &seen.x, seen.dim, both, &model.names)?;
        }
    }
    let seen = to.events_to_look_at(options)?;
    let named = (&model.generator.scalings[..], &model.names[..]);
    // Of the same events sums of weights are compared elsewhere.
    let weighted = Some(&weights[..]).filter(|_| samples == Samples::Apart);
    let tails = gaps(&seen, &events.x, weighted, named, SUBJECT)?;
    report.gaps.put_all(tails)?;
    gaps::warn(&report.gaps, hooks, SUBJECT)?;
    Ok(report)
}

/// Warns of conditions whose own distributions differ between the sources: the weights are then not those of events at given conditions.
fn conditions_apart(session: Session, model: &Model, from: &Events, to: &mut Source) -> Result<()> {
    const SMALL: f64 = 0.02;
    const CHANCE: f64 = 1e-6;
    let dims = model.generator.dims();
    let target = to.events_to_look_at(session.options)?;
    if target.len() == 0 {
        return Ok(());
    }
    let samples = [from, &target].map(|events| {
        let rows = Rows::packed(&events.x, events.dim)?;
        Sample::new(rows, Some(&events.w))
    });
    let [from, target] = samples;
    let (from, target) = (from?, target?);
    let mut apart = Vec::new();
    for column in dims.features..dims.event_row() {
        match kolmogorov_smirnov(&from, &target, column) {
            Ok(test) if test.statistic > SMALL && test.p_value < CHANCE => {
                let name = model.column_name(column);
                let name = name.unwrap_or_else(|| called(&model.names, column));
                apart.push(format!("{name} by {:.3}", test.statistic));
            }
            // Weights without a positive sum are told of elsewhere.
            Ok(_) | Err(Error::Data(_)) => (),
            Err(other) => return Err(other),
        }
    }
    if apart.is_empty() {
        return Ok(());
    }
    let message = format!(
        "the conditions themselves are distributed otherwise in `from` than in `to`, in the largest distance of their distribution functions: {}. The weights make up for that as well; for weights of events at given conditions, give both sources the same conditions",
        apart.join(", ")
    );
    session.hooks.warn("conditions", &message)
}
