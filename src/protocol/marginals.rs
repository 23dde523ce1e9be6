//! Whether each feature by itself is distributed as the target's: what classifiers of all features together overlook, as a narrow peak.

use super::source::Source;
use crate::compute::Session;
use crate::metrics::{kolmogorov_smirnov, Sample};
use crate::model::called;
use crate::room::Grow;
use crate::{Error, Result, Rows};

/// Distances of the distribution functions that are nothing to speak of, and chances that are none.
const SMALL: f64 = 0.01;
const CHANCE: f64 = 1e-6;

/// Warns of features whose generated events, with their weights, differ from the target's: from all events of an array, or from those held
/// out of a stream. `generated` are packed rows with conditions, of as many features as are to be looked at.
pub(super) fn look(
    session: Session,
    target: &mut Source,
    (generated, log_w): (&[f64], &[f64]),
    features: usize,
    names: &[String],
) -> Result<()> {
    let columns = target.dim();
    let (mut x, mut w) = (Vec::new(), Vec::new());
    x.room(generated.len())?;
    w.room(log_w.len())?;
    for (row, log_w) in generated.chunks_exact(columns).zip(log_w) {
        let weight = libm::exp(*log_w);
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
    for feature in 0..features {
        let test = match kolmogorov_smirnov(&reference, &refined, feature) {
            Ok(test) => test,
            // Samples that cannot be compared, as those of weights beyond all numbers, are told of elsewhere.
            Err(Error::Data(_)) => return Ok(()),
            Err(other) => return Err(other),
        };
        if test.statistic > SMALL && test.p_value < CHANCE {
            found.push(format!(
                "{} by {:.3}",
                called(names, feature),
                test.statistic
            ));
        }
    }
    if found.is_empty() {
        return Ok(());
    }
    session.hooks.warn(
        "features",
        &format!(
            "single features of the refined events are not distributed as the target's, in the largest distance of their distribution functions: {}. Look at them with `laser score`; a narrow peak needs `flow.coupling` = `spline` or features that widen it, and longer trainings",
            found.join(", ")
        ),
    )
}
