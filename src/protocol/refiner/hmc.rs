//! Hamiltonian Monte Carlo on the refined latent density (paper, Sec. 2 and 4.1; Duane et al. 1987; Neal, arXiv:1206.1901).

use super::{Block, Refiner, Statistics};
use crate::engine::noise::{domain, Noise};
use crate::model::{Evaluator, HmcSettings};
use crate::{Error, Result};

/// Energy error beyond which a trajectory is called divergent (Betancourt, arXiv:1701.02434).
const DIVERGENCE: f64 = 1000.0;

/// Many chains with the potential U(z) = ½ |z|² − log w(z), unit masses and a fixed step size. Event i is the state of chain i mod `chains`
/// after burn_in + thin · (i div chains + 1) trajectories; a chain's events are correlated.
///
/// Chains have a history: reaching block b means running all before it, so `seek` forward takes the time of the events passed over, and
/// `seek` backward that from the beginning.
pub(in super::super) struct Hmc {
    settings: HmcSettings,
    dim: usize,
    start: Noise,
    momentum: Noise,
    accept: Noise,
    chains: Option<Chains>,
}

/// States of all chains, row-major chains × N.
#[derive(Clone)]
struct Chains {
    /// Trajectories made.
    trajectories: u64,
    /// Block that the chains reach next.
    next_block: u64,
    z: Vec<f64>,
    log_w: Vec<f64>,
    gradient: Vec<f64>,
}

impl Hmc {
    pub fn new(seed: u64, stream: u64, dim: usize, settings: HmcSettings) -> Self {
        Hmc {
            settings,
            dim,
            start: Noise::new(seed, stream, domain::PROPOSAL),
            momentum: Noise::new(seed, stream, domain::MOMENTUM),
            accept: Noise::new(seed, stream, domain::ACCEPT),
            chains: None,
        }
    }

    /// Chains that start in the prior.
    fn start(&self, evaluator: &mut dyn Evaluator) -> Result<Chains> {
        let n = self.settings.chains;
        let mut chains = Chains {
            trajectories: 0,
            next_block: 0,
            z: vec![0.0; n * self.dim],
            log_w: vec![0.0; n],
            gradient: vec![0.0; n * self.dim],
        };
        self.start.fill_normals(0, n, self.dim, &mut chains.z);
        evaluator.log_weight_gradient(&chains.z, n, &mut chains.log_w, &mut chains.gradient)?;
        match chains.log_w.iter().position(|l| !l.is_finite()) {
            Some(chain) => Err(Error::Numerical(format!(
                "HMC chain {chain} starts at a latent point whose weight is NaN, zero or infinite"
            ))),
            None => Ok(chains),
        }
    }

    /// One trajectory of every chain: fresh momenta, leapfrog, Metropolis.
    fn advance(
        &self,
        evaluator: &mut dyn Evaluator,
        chains: &mut Chains,
        statistics: &mut Statistics,
    ) -> Result<()> {
        let (n, eps) = (self.settings.chains, self.settings.step_size);
        let first = chains.trajectories.wrapping_mul(n as u64);
        let mut p = vec![0.0; n * self.dim];
        self.momentum.fill_normals(first, n, self.dim, &mut p);
        let energy = |z: &[f64], p: &[f64], log_w: &[f64]| -> Vec<f64> {
            let rows = z
                .chunks_exact(self.dim)
                .zip(p.chunks_exact(self.dim))
                .zip(log_w);
            rows.map(|((z, p), l)| {
                0.5 * (z.iter().map(|v| v * v).sum::<f64>() + p.iter().map(|v| v * v).sum::<f64>())
                    - l
            })
            .collect()
        };
        let before = energy(&chains.z, &p, &chains.log_w);
        let (mut z, mut log_w, mut gradient) = (
            chains.z.clone(),
            chains.log_w.clone(),
            chains.gradient.clone(),
        );
        // dp/dt = −∇U = ∇ log w − z.
        let kick = |p: &mut [f64], z: &[f64], gradient: &[f64], eps: f64| {
            for ((p, z), g) in p.iter_mut().zip(z).zip(gradient) {
                *p += eps * (g - z);
            }
        };
        kick(&mut p, &z, &gradient, 0.5 * eps);
        for step in 1..=self.settings.leapfrog {
            z.iter_mut().zip(&p).for_each(|(z, p)| *z += eps * p);
            evaluator.log_weight_gradient(&z, n, &mut log_w, &mut gradient)?;
            let last = step == self.settings.leapfrog;
            kick(&mut p, &z, &gradient, if last { 0.5 * eps } else { eps });
        }
        let after = energy(&z, &p, &log_w);
        for chain in 0..n {
            let error = after[chain] - before[chain];
            let mut u = [0.0];
            self.accept
                .uniforms(first.wrapping_add(chain as u64), 0, &mut u);
            statistics.proposals += 1;
            if error.is_nan() || error > DIVERGENCE {
                statistics.divergences += 1;
            } else if u[0].ln() < -error {
                statistics.accepted += 1;
                let row = chain * self.dim..(chain + 1) * self.dim;
                chains.z[row.clone()].copy_from_slice(&z[row.clone()]);
                chains.gradient[row.clone()].copy_from_slice(&gradient[row]);
                chains.log_w[chain] = log_w[chain];
            }
        }
        chains.trajectories = chains.trajectories.wrapping_add(1);
        Ok(())
    }
}

impl Refiner for Hmc {
    fn block_rows(&self) -> usize {
        self.settings.chains
    }

    fn fill(
        &mut self,
        evaluator: &mut dyn Evaluator,
        block: &mut Block,
        statistics: &mut Statistics,
    ) -> Result<()> {
        // Taken out: after an error the chains begin anew, rather than go on from a broken state.
        let mut chains = match self.chains.take() {
            Some(chains) if chains.next_block <= block.index => chains,
            _ => {
                let mut chains = self.start(evaluator)?;
                for _ in 0..self.settings.burn_in {
                    self.advance(evaluator, &mut chains, statistics)?;
                }
                chains
            }
        };
        while chains.next_block <= block.index {
            for _ in 0..self.settings.thin {
                self.advance(evaluator, &mut chains, statistics)?;
            }
            chains.next_block += 1;
        }
        block.z.copy_from_slice(&chains.z);
        evaluator.generate(&block.z, block.rows, &mut block.x, None)?;
        block.w.fill(1.0);
        block.log_w.clone_from(&chains.log_w);
        statistics.events += block.rows as u64;
        self.chains = Some(chains);
        Ok(())
    }
}
