//! The refiners: how latents z of the refined density q(z) = p(z) w(z) / Z (paper, Eq. 3) are made. One file per family of methods.

mod assignment;
mod block;
mod candidates;
mod chains;
mod flow;
mod gan;
mod history;
mod home;
mod learned;
mod matching;
mod pilot;
mod pool;
mod prior;
mod proposals;
mod resampling;
mod statistics;
mod transition;

pub(super) use block::{Block, Blocks, Maker};
pub(super) use chains::settings as chain_settings;
pub(super) use home::{missing, Case, Home, Preparation};
pub(super) use statistics::Statistics;

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
    &matching::Matching,
    &flow::Flow,
    &gan::Gan,
];

/// The home of a method.
///
/// # Errors
/// [`Error::Internal`] if it is not in [`REFINERS`].
pub(super) fn home(method: Method) -> Result<&'static dyn Home> {
    let found = REFINERS.iter().find(|home| home.method() == method);
    found
        .copied()
        .ok_or_else(|| Error::Internal(format!("the method {method:?} has no home")))
}

/// What is said to conditions where a method cannot give every event its own.
pub(super) fn in_common(method: Method) -> Error {
    Error::Unsupported(format!(
        "the method `{}` makes its events in common, which is impossible where every event has a condition of its own; use `rejection`, `reweight` or a learned refiner",
        method.name()
    ))
}

#[cfg(test)]
mod tests;
