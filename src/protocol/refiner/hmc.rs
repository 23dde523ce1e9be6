//! Hamiltonian Monte Carlo on the refined latent density (paper, Sec. 2 and 4.1; Duane et al. 1987; Neal, arXiv:1206.1901).

use super::{Block, Blocks, Refiner, Statistics};
use crate::engine::noise::domain;
use crate::model::{Evaluator, HmcSettings};
use crate::protocol::draws::Draws;
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
    chains: Option<Chains>,
    trajectory: Trajectory,
}

/// Points of latent space with log w and its gradient, one per chain: row-major chains × N.
#[derive(Default)]
struct Points {
    z: Vec<f64>,
    log_w: Vec<f64>,
    gradient: Vec<f64>,
}

impl Points {
    /// As `other`, in the memory that is there.
    fn copy(&mut self, other: &Points) {
        self.z.clone_from(&other.z);
        self.log_w.clone_from(&other.log_w);
        self.gradient.clone_from(&other.gradient);
    }

    fn evaluate(&mut self, evaluator: &mut dyn Evaluator) -> Result<()> {
        let rows = self.log_w.len();
        evaluator.log_weight_gradient(&self.z, rows, &mut self.log_w, &mut self.gradient)
    }
}

/// States of all chains.
struct Chains {
    /// Trajectories made.
    trajectories: u64,
    /// Block that the chains reach next.
    next_block: u64,
    points: Points,
}

/// The trajectory under way, in buffers that are kept.
#[derive(Default)]
struct Trajectory {
    points: Points,
    momentum: Vec<f64>,
    accept: Vec<f64>,
    /// Energy at its start.
    energy: Vec<f64>,
}

impl Trajectory {
    /// dp/dt = −∇U = ∇ log w − z.
    fn kick(&mut self, eps: f64) {
        let Points { z, gradient, .. } = &self.points;
        for ((p, z), g) in self.momentum.iter_mut().zip(z).zip(gradient) {
            *p += eps * (g - z);
        }
    }

    /// dz/dt = p.
    fn drift(&mut self, eps: f64) {
        for (z, p) in self.points.z.iter_mut().zip(&self.momentum) {
            *z += eps * p;
        }
    }

    /// H = U + ½ |p|² of every chain.
    fn energies(&self, dim: usize) -> impl Iterator<Item = f64> + '_ {
        let squares = |v: &[f64]| v.iter().map(|v| v * v).sum::<f64>();
        let z = self.points.z.chunks_exact(dim);
        let rows = z.zip(self.momentum.chunks_exact(dim));
        rows.zip(&self.points.log_w)
            .map(move |((z, p), l)| 0.5 * (squares(z) + squares(p)) - l)
    }
}

impl Hmc {
    pub fn new(dim: usize, settings: HmcSettings) -> Self {
        Hmc {
            settings,
            dim,
            chains: None,
            trajectory: Trajectory::default(),
        }
    }

    /// Chains that start in the prior.
    fn start(&self, evaluator: &mut dyn Evaluator, draws: &mut Draws) -> Result<Chains> {
        let n = self.settings.chains;
        let mut points = Points {
            z: vec![0.0; n * self.dim],
            log_w: vec![0.0; n],
            gradient: vec![0.0; n * self.dim],
        };
        draws.draw(domain::PROPOSAL, places(0, n), 0, &mut points.z, &mut [])?;
        points.evaluate(evaluator)?;
        match points.log_w.iter().position(|l| !l.is_finite()) {
            Some(chain) => Err(Error::Numerical(format!(
                "HMC chain {chain} starts at a latent point whose weight is NaN, zero or infinite"
            ))),
            None => Ok(Chains {
                trajectories: 0,
                next_block: 0,
                points,
            }),
        }
    }

    /// One trajectory of every chain: fresh momenta, leapfrog, Metropolis.
    fn advance(
        &mut self,
        evaluator: &mut dyn Evaluator,
        draws: &mut Draws,
        chains: &mut Chains,
        statistics: &mut Statistics,
    ) -> Result<()> {
        let (n, eps) = (self.settings.chains, self.settings.step_size);
        let first = chains.trajectories.wrapping_mul(n as u64);
        let path = &mut self.trajectory;
        path.points.copy(&chains.points);
        path.momentum.resize(n * self.dim, 0.0);
        path.accept.resize(n, 0.0);
        draws.draw(
            domain::MOMENTUM,
            places(first, n),
            0,
            &mut path.momentum,
            &mut path.accept,
        )?;
        let mut energy = std::mem::take(&mut path.energy);
        energy.clear();
        energy.extend(path.energies(self.dim));
        path.energy = energy;
        path.kick(0.5 * eps);
        for step in 1..=self.settings.leapfrog {
            path.drift(eps);
            path.points.evaluate(evaluator)?;
            let last = step == self.settings.leapfrog;
            path.kick(if last { 0.5 * eps } else { eps });
        }
        for (chain, after) in path.energies(self.dim).enumerate() {
            let error = after - path.energy[chain];
            statistics.proposals += 1;
            if error.is_nan() || error > DIVERGENCE {
                statistics.divergences += 1;
            } else if path.accept[chain].ln() < -error {
                statistics.accepted += 1;
                let row = chain * self.dim..(chain + 1) * self.dim;
                let (to, from) = (&mut chains.points, &path.points);
                to.z[row.clone()].copy_from_slice(&from.z[row.clone()]);
                to.gradient[row.clone()].copy_from_slice(&from.gradient[row]);
                to.log_w[chain] = from.log_w[chain];
            }
        }
        chains.trajectories = chains.trajectories.wrapping_add(1);
        Ok(())
    }
}

/// The places of the chains' random numbers, from number `first` on.
fn places(first: u64, chains: usize) -> impl ExactSizeIterator<Item = u64> + Clone {
    (0..chains).map(move |i| first.wrapping_add(i as u64))
}

impl Refiner for Hmc {
    fn blocks(&self) -> Blocks {
        Blocks::Aligned(self.settings.chains)
    }

    fn fill(
        &mut self,
        evaluator: &mut dyn Evaluator,
        draws: &mut Draws,
        block: &mut Block,
        statistics: &mut Statistics,
    ) -> Result<()> {
        // A host's numbers have no places: its chains only go on.
        let index = match (draws.have_places(), &self.chains) {
            (true, _) => block.first / self.settings.chains as u64,
            (false, Some(chains)) => chains.next_block,
            (false, None) => 0,
        };
        // Taken out: after an error the chains begin anew, rather than go on from a broken state.
        let mut chains = match self.chains.take() {
            Some(chains) if chains.next_block <= index => chains,
            _ => {
                let mut chains = self.start(evaluator, draws)?;
                for _ in 0..self.settings.burn_in {
                    self.advance(evaluator, draws, &mut chains, statistics)?;
                }
                chains
            }
        };
        while chains.next_block <= index {
            for _ in 0..self.settings.thin {
                self.advance(evaluator, draws, &mut chains, statistics)?;
            }
            chains.next_block += 1;
        }
        block.z.copy_from_slice(&chains.points.z);
        evaluator.generate(&block.z, block.rows, &mut block.x, None)?;
        block.w.fill(1.0);
        block.log_w.clone_from(&chains.points.log_w);
        statistics.events += block.rows as u64;
        self.chains = Some(chains);
        Ok(())
    }
}
