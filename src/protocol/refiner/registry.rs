//! Where the homes of all methods are found.

use super::home::Home;
use super::{chains, flow, gan, matching, mixture, prior, resampling, surrogate};
use crate::model::Method;
use crate::{Error, Result};

/// The home of every method, in the order in which `auto` asks.
pub(super) static REFINERS: &[&dyn Home] = &[
    &prior::Baseline,
    &prior::Reweight,
    &prior::Rejection,
    &chains::HMC,
    &resampling::Resampling,
    &chains::MALA,
    &chains::LANGEVIN,
    &matching::MatchingRefiner,
    &flow::FlowRefiner,
    &mixture::Mixed,
    &surrogate::TWO_STAGE,
    &surrogate::DISTILLED,
    &gan::GanRefiner,
];

/// The home of a method.
///
/// # Errors
/// [`Error::Internal`] if it is not in [`REFINERS`].
pub(in crate::protocol) fn home(method: Method) -> Result<&'static dyn Home> {
    let found = REFINERS.iter().find(|home| home.method() == method);
    found
        .copied()
        .ok_or_else(|| Error::Internal(format!("the method {method:?} has no home")))
}
