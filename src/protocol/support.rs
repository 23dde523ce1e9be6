//! Where events can be, told by the host: target events are to be inside, and generated ones outside have the weight 0.

use super::source::Source;
use crate::compute::Instance;
use crate::model::{Model, Region, Support};
use crate::options::{keys, Options};
use crate::{Error, Result};
use std::sync::Arc;

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
