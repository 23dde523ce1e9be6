//! The methods that draw z from the prior: no refinement, reweighting (DCTR, paper ref. 74) and rejection.

use super::proposals::Proposals;
use super::Statistics;
use crate::engine::noise::{domain, Noise};
use crate::model::Evaluator;
use crate::Result;

/// Proposals of a method that accepts every finite one: more failures in a row mean a broken generator.
pub(super) const FINITE_TRIES: u64 = 100;

/// z ~ p(z), proposal `attempt` of every event: rows × `dim`.
pub(super) fn propose(noise: Noise, dim: usize, events: &[u64], attempt: u64, z: &mut [f64]) {
    for (z, &event) in z.chunks_exact_mut(dim).zip(events) {
        noise.normals(event, attempt.wrapping_mul(dim as u64), z);
    }
}

/// Events of the unrefined generator.
pub(in super::super) struct Baseline {
    latent: Noise,
    dim: usize,
}

impl Baseline {
    pub fn new(seed: u64, stream: u64, dim: usize) -> Self {
        let latent = Noise::new(seed, stream, domain::LATENT);
        Baseline { latent, dim }
    }
}

impl Proposals for Baseline {
    const WEIGHTED: bool = false;

    fn max_tries(&self) -> u64 {
        FINITE_TRIES
    }

    fn propose(
        &mut self,
        _: &mut dyn Evaluator,
        events: &[u64],
        attempt: u64,
        z: &mut [f64],
    ) -> Result<()> {
        propose(self.latent, self.dim, events, attempt, z);
        Ok(())
    }

    fn judge(&mut self, _: u64, _: u64, _: f64, _: &mut Statistics) -> Option<f64> {
        Some(1.0)
    }
}

/// Events of the unrefined generator with the weight w(z).
pub(in super::super) struct Reweight(pub Baseline);

impl Proposals for Reweight {
    const WEIGHTED: bool = true;

    fn max_tries(&self) -> u64 {
        FINITE_TRIES
    }

    fn propose(
        &mut self,
        e: &mut dyn Evaluator,
        events: &[u64],
        attempt: u64,
        z: &mut [f64],
    ) -> Result<()> {
        self.0.propose(e, events, attempt, z)
    }

    fn judge(&mut self, _: u64, _: u64, log_w: f64, _: &mut Statistics) -> Option<f64> {
        let w = log_w.exp();
        w.is_finite().then_some(w)
    }
}

/// Events accepted with probability w(z) / w_max. One with w > w_max is always accepted and carries the weight w / w_max, so nothing is
/// clipped: with the weights the sample is exact, and the fraction of weight above w_max is counted.
pub(in super::super) struct Rejection {
    pub prior: Baseline,
    accept: Noise,
    log_w_max: f64,
    max_tries: u64,
}

impl Rejection {
    pub fn new(seed: u64, stream: u64, dim: usize, log_w_max: f64, max_tries: u64) -> Self {
        Rejection {
            prior: Baseline::new(seed, stream, dim),
            accept: Noise::new(seed, stream, domain::ACCEPT),
            log_w_max,
            max_tries,
        }
    }
}

impl Proposals for Rejection {
    const WEIGHTED: bool = true;

    fn max_tries(&self) -> u64 {
        self.max_tries
    }

    fn propose(
        &mut self,
        e: &mut dyn Evaluator,
        events: &[u64],
        attempt: u64,
        z: &mut [f64],
    ) -> Result<()> {
        self.prior.propose(e, events, attempt, z)
    }

    fn judge(
        &mut self,
        event: u64,
        attempt: u64,
        log_w: f64,
        statistics: &mut Statistics,
    ) -> Option<f64> {
        let ratio = (log_w - self.log_w_max).exp();
        if !ratio.is_finite() {
            statistics.non_finite += 1;
            return None;
        }
        statistics.weight += ratio;
        statistics.overweight += (ratio - 1.0).max(0.0);
        statistics.overweight_events += u64::from(ratio > 1.0);
        let mut u = [0.0];
        self.accept.uniforms(event, attempt, &mut u);
        (u[0] < ratio).then_some(ratio.max(1.0))
    }
}
