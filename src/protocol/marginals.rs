//! Whether each feature by itself is distributed as the target's: what classifiers of all features together overlook, as a narrow peak.

use super::columns;
use super::judgement::Subject;
use super::observables;
use super::source::Source;
use crate::compute::Session;
use crate::metrics::{kolmogorov_smirnov, kolmogorov_smirnov_of_pairs, Sample};
use crate::model::called;
use crate::order::{falling, sort_by_value};
use crate::room::{Gather, Grow};
use crate::{Error, Result, Rows};

/// Distances of the distribution functions that are nothing to speak of, and chances that are none.
const SMALL: f64 = 0.01;
const CHANCE: f64 = 1e-6;

/// Warns of features, and of the option `observables`, whose generated events, with their weights, differ from the target's: from all events of an array, or from those held
/// out of a stream. `generated` are packed rows with conditions and the weights that they end with, of as many features as are to be looked
/// at.
pub(super) fn look(
    session: Session,
    target: &mut Source,
    (generated, weights): (&[f64], &[f64]),
    features: usize,
    names: &[String],
    subject: Subject,
) -> Result<()> {
    let columns = target.dim();
    let (mut x, mut w) = (Vec::new(), Vec::new());
    x.room(generated.len())?;
    w.room(weights.len())?;
    for (row, &weight) in generated.chunks_exact(columns).zip(weights) {
        if weight.is_finite() && row.iter().all(|v| v.is_finite()) {
            x.extend(row.iter().copied());
            w.push(weight);
        }
    }
    let total: f64 = w.iter().sum();
    let events = target.events_to_look_at(session.options)?;
    if events.len() < 2
        || !(total > 0.0 && total.is_finite())
        || events.w.iter().sum::<f64>() <= 0.0
    {
        return Ok(());
    }
    let refined = Sample::new(Rows::packed(&x, columns)?, Some(&w))?;
    let reference = Sample::new(Rows::packed(&events.x, columns)?, Some(&events.w))?;
    let mut found = Vec::new();
    let mut compare = |reference: &Sample, refined: &Sample, feature, name: String| {
        let test = match kolmogorov_smirnov(reference, refined, feature) {
            Ok(test) => test,
            // Samples that cannot be compared, as those of weights beyond all numbers, are told of elsewhere.
            Err(Error::Data(_)) => return Ok(false),
            Err(other) => return Err(other),
        };
        if test.statistic > SMALL && test.p_value < CHANCE {
            found.push(format!("{name} by {:.3}", test.statistic));
        }
        Ok(true)
    };
    for feature in 0..features {
        if !compare(&reference, &refined, feature, called(names, feature))? {
            return Ok(());
        }
    }
    for formula in observables::wanted(session.options, columns, names)? {
        let [ours, w_of_ours] = observables::values(&formula, &x, columns, &w)?;
        let [theirs, w_of_theirs] = observables::values(&formula, &events.x, columns, &events.w)?;
        let samples = [(&theirs, &w_of_theirs), (&ours, &w_of_ours)];
        // A formula that has no value nowhere compares nothing.
        let samples = samples.map(|(x, w)| Sample::new(Rows::packed(x, 1)?, Some(w)));
        let [Ok(reference), Ok(refined)] = samples else {
            let message = format!(
                "`{}` of the option `observables` has no value in the events: is it right?",
                formula.text()
            );
            session.hooks.warn("features", &message)?;
            continue;
        };
        compare(&reference, &refined, 0, format!("`{}`", formula.text()))?;
    }
    foreign(
        session,
        (&x, &w, total),
        &events.x,
        features,
        names,
        columns,
        subject,
    )?;
    if found.is_empty() {
        return Ok(());
    }
    session.hooks.warn(
        "features",
        &format!(
            "single features of {} are not distributed as {}, in the largest distance of their distribution functions: {}. Look at them with `laser score`; a narrow peak needs {}features that widen it, and longer trainings",
            subject.refined(),
            subject.choose("the target's", "those of `to`"),
            found.join(", "),
            subject.choose("`flow.coupling` = `spline` or ", ""),
        ),
    )
}

/// Warns of features that new weights of the same events distribute otherwise than `own`, which they have. `x` are packed rows of as many
/// values as there are `names`, or `features`.
pub(super) fn look_at_weights(
    session: Session,
    x: &[f64],
    features: usize,
    [new, own]: [&[f64]; 2],
    names: &[String],
) -> Result<()> {
    let mut found = Vec::new();
    let mut compare = |values: Vec<f64>, weights: [&[f64]; 2], name: String| {
        let test = match kolmogorov_smirnov_of_pairs(values.into_iter(), weights) {
            Ok(test) => test,
            // Weights without a positive sum are told of elsewhere.
            Err(Error::Data(_)) => return Ok(false),
            Err(other) => return Err(other),
        };
        if test.statistic > SMALL && test.p_value < CHANCE {
            found.push(format!("{name} by {:.3}", test.statistic));
        }
        Ok(true)
    };
    for feature in 0..features {
        let values = x.iter().skip(feature).step_by(features).copied().gather()?;
        if !compare(values, [new, own], called(names, feature))? {
            return Ok(());
        }
    }
    for formula in observables::wanted(session.options, features, names)? {
        let [values, new] = observables::values(&formula, x, features, new)?;
        let [_, own] = observables::values(&formula, x, features, own)?;
        compare(values, [&new, &own], format!("`{}`", formula.text()))?;
    }
    if found.is_empty() {
        return Ok(());
    }
    let message = format!(
        "single features are not distributed with the new weights as with the events' own, in the largest distance of their distribution functions: {}. Train longer (`classifier.epochs`), give features with edges or tails their `features.scaling`, or average several networks (`classifier.ensemble`)",
        found.join(", ")
    );
    session.hooks.warn("features", &message)
}

/// Share of the weight at values that no target event has which is nothing to speak of, and how many times what the target's own rare values
/// make probable is no chance.
const FOREIGN: f64 = 5e-4;
const RARE: f64 = 3.0;
/// Values that are named.
const NAMED: usize = 3;

/// Warns of whole numbers that the refined events have and no target event: odd ones among even, codes that there are not.
fn foreign(
    session: Session,
    (x, w, total): (&[f64], &[f64], f64),
    target: &[f64],
    features: usize,
    names: &[String],
    row: usize,
    subject: Subject,
) -> Result<()> {
    for feature in 0..features {
        let mut known = columns::values(target, feature, row)?;
        let made = columns::values(x, feature, row)?;
        // Beyond 2⁵³ all numbers are whole.
        let whole = |values: &[f64]| values.iter().all(|x| x.fract() == 0.0 && x.abs() < 1e15);
        if !whole(&known) || !whole(&made) {
            continue;
        }
        let rows = known.len() as f64;
        known.sort_unstable_by(f64::total_cmp);
        let once = known.chunk_by(|a, b| a == b).filter(|run| run.len() == 1);
        // Good and Turing: what has not been met is as probable as what has been met once.
        let probable = once.count() as f64 / rows;
        let mut strange = made.iter().zip(w).map(|(x, w)| (*x, *w)).gather()?;
        strange.retain(|(x, w)| *w > 0.0 && known.binary_search_by(|k| k.total_cmp(x)).is_err());
        let share = strange.iter().map(|(_, w)| w).sum::<f64>() / total;
        if share <= FOREIGN + RARE * probable {
            continue;
        }
        let mut order = (0..strange.len()).gather()?;
        sort_by_value(&mut order, &|i| strange[i].0);
        let runs = order.chunk_by(|&a, &b| strange[a].0 == strange[b].0);
        let weight = |run: &[usize]| run.iter().map(|&i| strange[i].1).sum::<f64>();
        let runs = runs.map(|run| (weight(run), strange[run[0]].0)).gather()?;
        let runs = falling(runs, &|(weight, _)| *weight);
        let values: Vec<String> = runs
            .iter()
            .take(NAMED)
            .map(|(_, x)| x.to_string())
            .collect();
        let more = if runs.len() > NAMED { ", …" } else { "" };
        let message = format!(
            "{:.2} % of {} have values of {} that no {} has: {}{more}. {}; or leave them out (`support`)",
            100.0 * share,
            subject.refined(),
            called(names, feature),
            subject.choose("target event", "event of `to`"),
            values.join(", "),
            subject.choose(
                "With both bounds `integer(low:high)` makes none that an array of events has not, as `category(classes)` of codes that are numbered",
                "`category(classes)`, of codes that are numbered, shows them to the classifier one by one",
            ),
        );
        session.hooks.warn("features", &message)?;
    }
    Ok(())
}
