//! The methods that draw z from the prior: no refinement, reweighting (DCTR, paper ref. 74) and rejection.

use super::proposals::Proposals;
use super::Statistics;

/// Proposals of a method that accepts every finite one: more failures in a row mean a broken generator.
pub(super) const FINITE_TRIES: u64 = 100;

/// Events of the unrefined generator.
pub(in super::super) struct Baseline {
    /// N.
    pub dim: usize,
}

impl Proposals for Baseline {
    const WEIGHTED: bool = false;

    fn max_tries(&self) -> u64 {
        FINITE_TRIES
    }

    fn prior_dim(&self) -> usize {
        self.dim
    }

    fn judge(&mut self, _: f64, _: f64, _: &mut Statistics) -> Option<f64> {
        Some(1.0)
    }
}

/// Events of the unrefined generator with the weight w(z).
pub(in super::super) struct Reweight {
    /// N.
    pub dim: usize,
}

impl Proposals for Reweight {
    const WEIGHTED: bool = true;

    fn max_tries(&self) -> u64 {
        FINITE_TRIES
    }

    fn prior_dim(&self) -> usize {
        self.dim
    }

    fn judge(&mut self, log_w: f64, _: f64, _: &mut Statistics) -> Option<f64> {
        let w = log_w.exp();
        w.is_finite().then_some(w)
    }
}

/// Events accepted with probability w(z) / w_max. One with w > w_max is always accepted and carries the weight w / w_max, so nothing is
/// clipped: with the weights the sample is exact, and the fraction of weight above w_max is counted.
pub(in super::super) struct Rejection {
    /// N.
    pub dim: usize,
    pub log_w_max: f64,
    pub max_tries: u64,
}

impl Proposals for Rejection {
    const WEIGHTED: bool = true;
    const RANDOM: bool = true;

    fn max_tries(&self) -> u64 {
        self.max_tries
    }

    fn prior_dim(&self) -> usize {
        self.dim
    }

    fn judge(&mut self, log_w: f64, u: f64, statistics: &mut Statistics) -> Option<f64> {
        let ratio = (log_w - self.log_w_max).exp();
        if !ratio.is_finite() {
            statistics.non_finite += 1;
            return None;
        }
        statistics.weight += ratio;
        statistics.overweight += (ratio - 1.0).max(0.0);
        statistics.overweight_events += u64::from(ratio > 1.0);
        (u < ratio).then_some(ratio.max(1.0))
    }
}
