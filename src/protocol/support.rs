//! Where events can be, told by the host: target events are to be inside, and generated ones outside have the weight 0.

use super::judgement::Subject;
use super::source::Source;
use crate::compute::Instance;
use crate::model::{Model, Region, Support};
use crate::options::{keys, Options};
use crate::train::{Hooks, Level};
use crate::{Error, Result};
use serde_json::{json, Map, Value};
use std::sync::Arc;

/// Share of the target's events outside the support that is more than a resolution makes.
const MANY: f64 = 0.01;

/// The support that a model gets: that of the options or, if they name none, that of the generator.
///
/// # Errors
/// [`Error::InvalidArgument`] if the generator's is a callback and the options name another.
pub(super) fn wanted(generator: Option<&Model>, options: &Options) -> Result<Option<Support>> {
    let own = generator.and_then(|g| g.support.clone());
    match options.get(keys::SUPPORT).trim() {
        "" => Ok(own),
        _ if own == Some(Support::Host) => Err(Error::InvalidArgument(
            "the generator has a callback for its support, and `support` names another; take one of them".into(),
        )),
        text => Ok(Some(Support::Formula { text: text.into() })),
    }
}

/// Leaves out the target's events outside the support: those of a formula, or of a callback that is attached to `generator`.
///
/// # Errors
/// [`Error::InvalidArgument`] for a formula that is none, [`Error::Unsupported`] for a callback that is not attached, [`Error::Data`] if
/// more are outside than the options allow.
pub(super) fn restrict(
    target: &mut Source,
    support: Option<&Support>,
    names: &[String],
    generator: Option<&Instance>,
    options: &Options,
) -> Result<()> {
    let Some(support) = support else {
        return Ok(());
    };
    let of_formula = support
        .region(target.dim(), names)
        .map_err(|e| Error::InvalidArgument(format!("option `support`: {e}")))?;
    let region = match of_formula {
        Some(region) => Some(Arc::new(region) as Arc<dyn Region>),
        None => generator.map(Instance::region).transpose()?.flatten(),
    };
    let region = region.ok_or_else(|| Error::Unsupported(crate::compute::NO_REGION.into()))?;
    target.restrict(region, options.get(keys::SUPPORT_OUTSIDE))
}

/// Puts into the record what was left out of the target, and tells of it; `outside` is the share of the events to be weighted that are.
///
/// # Errors
/// Those of the hooks.
pub(super) fn report(
    target: &Source,
    outside: f64,
    record: &mut Map<String, Value>,
    subject: Subject,
    hooks: &dyn Hooks,
) -> Result<()> {
    let Some((seen, left_out)) = target.left_out() else {
        return Ok(());
    };
    let found = json!({"target_events": seen, "left_out": left_out, "generated_outside": outside});
    record.insert("support".into(), found);
    let of_target = subject.choose("target events", "events of `to`");
    let message = format!(
        "support: {:.3} % of the {} are outside, and get the weight 0; {left_out} of {seen} {of_target} were outside, and left out",
        100.0 * outside,
        subject.choose("generated events", "events of `from`"),
    );
    hooks.log(Level::Info, &message)?;
    if left_out as f64 <= MANY * seen as f64 {
        return Ok(());
    }
    let message = format!(
        "{:.1} % of the {of_target} were outside the support, and left out: is it right?",
        100.0 * left_out as f64 / seen as f64
    );
    hooks.warn("support", &message)
}
