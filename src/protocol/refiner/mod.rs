//! The refiners: how latents z of the refined density q(z) = p(z) w(z) / Z (paper, Eq. 3) are made. One file per family of methods.

mod assignment;
mod bias;
mod block;
mod candidates;
mod chains;
mod flow;
mod gan;
mod history;
mod home;
mod learned;
mod matching;
mod mixture;
mod pilot;
mod pool;
mod prepare;
mod prior;
mod proposals;
mod registry;
mod resampling;
mod statistics;
mod surrogate;
mod transition;
mod watch;

pub(super) use block::{Block, Blocks, Maker};
pub(super) use chains::settings as chain_settings;
pub(super) use home::{in_common, missing};
pub(super) use prepare::prepare;
pub(super) use registry::home;
pub(super) use statistics::Statistics;
pub(super) use watch::{judged, Watch};

#[cfg(test)]
mod tests;
