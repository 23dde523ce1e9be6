//! One transition of many chains on the refined latent density: Hamiltonian Monte Carlo (paper, Sec. 2 and 4.1; Duane et al. 1987; Neal,
//! arXiv:1206.1901), and Langevin dynamics, which is the same with one leapfrog step.

use super::candidates::Candidates;
use super::statistics::Statistics;
use crate::compute::Stage;
use crate::model::{Dims, Evaluator, HmcSettings, Method, Start};
use crate::noise::places;
use crate::protocol::draws::Draws;
use crate::room::{self, Grow};
use crate::{Error, Result};

/// Energy error beyond which a trajectory is called divergent (Betancourt, arXiv:1701.02434).
const DIVERGENCE: f64 = 1000.0;

/// Chains whose points are evaluated between two questions whether to go on.
pub(super) const AT_ONCE: usize = 1 << 14;

/// Numbers of the uniforms of a trajectory.
const ACCEPT: u64 = 0;
const JITTER: u64 = 1;

/// Points of latent space with log w and its gradient, one per chain: row-major chains × N.
#[derive(Default)]
pub(super) struct Points {
    pub z: Vec<f64>,
    pub log_w: Vec<f64>,
    gradient: Vec<f64>,
}

impl Points {
    fn new(chains: usize, dim: usize) -> Result<Self> {
        Ok(Points {
            z: room::filled(chains * dim, 0.0)?,
            log_w: room::filled(chains, 0.0)?,
            gradient: room::filled(chains * dim, 0.0)?,
        })
    }

    /// As `other`, in the memory that is there.
    pub fn copy(&mut self, other: &Points) -> Result<()> {
        self.z.hold(&other.z)?;
        self.log_w.hold(&other.log_w)?;
        self.gradient.hold(&other.gradient)
    }

    /// Takes over the point of one chain.
    pub fn copy_chain(&mut self, chain: usize, other: &Points) {
        let dim = self.z.len() / self.log_w.len();
        let row = chain * dim..(chain + 1) * dim;
        self.z[row.clone()].copy_from_slice(&other.z[row.clone()]);
        self.gradient[row.clone()].copy_from_slice(&other.gradient[row]);
        self.log_w[chain] = other.log_w[chain];
    }

    fn evaluate(&mut self, evaluator: &mut dyn Evaluator, stage: &Stage) -> Result<()> {
        let of_rows = AT_ONCE * (self.z.len() / self.log_w.len());
        let parts = self
            .z
            .chunks(of_rows)
            .zip(self.gradient.chunks_mut(of_rows));
        for ((z, gradient), log_w) in parts.zip(self.log_w.chunks_mut(AT_ONCE)) {
            stage.check()?;
            evaluator.log_weight_gradient(z, log_w.len(), log_w, gradient)?;
        }
        Ok(())
    }
}

/// States of all chains.
pub(super) struct States {
    /// Trajectories made.
    trajectories: u64,
    pub points: Points,
}

/// The trajectory under way, in buffers that are kept.
#[derive(Default)]
struct Trajectory {
    points: Points,
    momentum: Vec<f64>,
    accept: Vec<f64>,
    /// ε of every chain.
    steps: Vec<f64>,
    /// Energy at its start.
    energy: Vec<f64>,
}

impl Trajectory {
    /// dp/dt = −σ ∇U = σ (∇ log w − z), for `fraction` of a step. With p the momentum times σ, masses 1 / σ² are steps σ.
    fn kick(&mut self, fraction: f64, dim: usize, scales: &[f64]) {
        let Points { z, gradient, .. } = &self.points;
        let momenta = self.momentum.chunks_exact_mut(dim);
        let forces = z.chunks_exact(dim).zip(gradient.chunks_exact(dim));
        for ((p, (z, g)), step) in momenta.zip(forces).zip(&self.steps) {
            let step = fraction * step;
            let forces = p.iter_mut().zip(z.iter().zip(g));
            forces
                .zip(scales)
                .for_each(|((p, (z, g)), scale)| *p += step * scale * (g - z));
        }
    }

    /// dz/dt = σ p, for a step.
    fn drift(&mut self, dim: usize, scales: &[f64]) {
        let rows = self.points.z.chunks_exact_mut(dim);
        let rows = rows.zip(self.momentum.chunks_exact(dim));
        for ((z, p), step) in rows.zip(&self.steps) {
            let z = z.iter_mut().zip(p);
            z.zip(scales).for_each(|((z, p), s)| *z += step * s * p);
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

/// What the methods with chains differ in.
#[derive(Clone, Copy)]
pub(super) struct Dynamics {
    pub method: Method,
    /// Whether trajectories have one leapfrog step, whatever the settings.
    pub one_step: bool,
    /// Whether the Metropolis test refuses steps.
    pub metropolis: bool,
    /// Acceptance that a pilot run seeks unless told otherwise.
    pub target: f64,
}

/// Transitions that leave q(z) ∝ p(z) w(z) invariant (`langevin`: nearly), with the potential U(z) = ½ |z|² − log w(z).
pub(super) struct Transition {
    pub settings: HmcSettings,
    pub dynamics: Dynamics,
    /// N.
    dim: usize,
    /// σ, all of them.
    scales: Vec<f64>,
    candidates: Candidates,
    trajectory: Trajectory,
}

impl Transition {
    /// `pool`: latents of the prior for each resampled start.
    pub fn new(
        dynamics: Dynamics,
        dims: Dims,
        mut settings: HmcSettings,
        pool: usize,
    ) -> Result<Self> {
        if dynamics.one_step {
            settings.leapfrog = 1;
        }
        let mut transition = Transition {
            settings,
            dynamics,
            dim: dims.latent,
            scales: Vec::new(),
            candidates: Candidates::new(pool, dims.features),
            trajectory: Trajectory::default(),
        };
        transition.rescale()?;
        Ok(transition)
    }

    /// Takes over the scales of the settings.
    pub fn rescale(&mut self) -> Result<()> {
        self.scales.hold(&self.settings.scales)?;
        self.scales.sized(self.dim, 1.0)
    }

    /// Chains that have made no step.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if log w(z) has no gradient, [`Error::Numerical`] for a start without a positive weight; those of evaluator,
    /// draws and stage.
    pub fn start(
        &mut self,
        evaluator: &mut dyn Evaluator,
        draws: &mut Draws,
        statistics: &mut Statistics,
        stage: &Stage,
    ) -> Result<States> {
        let n = self.settings.chains;
        let mut points = Points::new(n, self.dim)?;
        let Points { z, log_w, .. } = &mut points;
        match self.settings.start {
            Start::Prior => draws.draw(places::STARTS, places(0, n), 0, z, &mut [])?,
            Start::Resampled => {
                let place = (places::STARTS, 0);
                self.candidates.choose(
                    evaluator,
                    draws,
                    place,
                    (z, log_w, None),
                    statistics,
                    stage,
                )?;
            }
        }
        points.evaluate(evaluator, stage).map_err(|e| match e {
            Error::Unsupported(why) => Error::Unsupported(format!(
                "`{}` needs the gradient of log w(z), which this model does not have ({why}); use `rejection` or `resampling`",
                self.dynamics.method.name()
            )),
            other => other,
        })?;
        match points.log_w.iter().position(|l| !l.is_finite()) {
            Some(chain) => Err(Error::Numerical(format!(
                "chain {chain} of `{}` starts at a latent point whose weight is NaN, zero or infinite; start it from the weights: `hmc.start` = `resampled`",
                self.dynamics.method.name()
            ))),
            None => Ok(States {
                trajectories: 0,
                points,
            }),
        }
    }

    /// One trajectory of every chain: fresh momenta, leapfrog, Metropolis (which `langevin` leaves out, but for divergent trajectories,
    /// which are refused). Returns the mean probability with which Metropolis accepts.
    ///
    /// # Errors
    /// Those of evaluator, draws and stage; the states are then spoilt.
    pub fn advance(
        &mut self,
        evaluator: &mut dyn Evaluator,
        draws: &mut Draws,
        states: &mut States,
        statistics: &mut Statistics,
        stage: &Stage,
    ) -> Result<f64> {
        let dim = self.dim;
        self.begin(draws, states)?;
        let path = &mut self.trajectory;
        path.kick(0.5, dim, &self.scales);
        for step in 1..=self.settings.leapfrog {
            path.drift(dim, &self.scales);
            path.points.evaluate(evaluator, stage)?;
            if !evaluator.weighs_latents() {
                statistics.calls += path.points.log_w.len() as u64;
            }
            let last = step == self.settings.leapfrog;
            path.kick(if last { 0.5 } else { 1.0 }, dim, &self.scales);
        }
        let mut sum = 0.0;
        for (chain, after) in path.energies(dim).enumerate() {
            let error = after - path.energy[chain];
            statistics.proposals += 1;
            // Beyond a wall, where no event can be; unless it is the trajectory that has left all bounds.
            let squares: f64 = path.points.z[chain * dim..][..dim]
                .iter()
                .map(|z| z * z)
                .sum();
            if path.points.log_w[chain] == f64::NEG_INFINITY && squares.is_finite() {
                continue;
            }
            // An infinite weight is none: no trajectory would leave it again.
            if error.is_nan() || error > DIVERGENCE || error == f64::NEG_INFINITY {
                statistics.divergences += 1;
                continue;
            }
            sum += libm::exp(-error).min(1.0);
            if libm::log(path.accept[chain]) < -error || !self.dynamics.metropolis {
                statistics.accepted += 1;
                states.points.copy_chain(chain, &path.points);
            }
        }
        states.trajectories = states.trajectories.wrapping_add(1);
        statistics.metropolis += sum;
        Ok(sum / self.settings.chains as f64)
    }

    /// Starts trajectories at the states: momenta, steps and energies.
    fn begin(&mut self, draws: &mut Draws, states: &States) -> Result<()> {
        let (n, settings, path) = (self.settings.chains, &self.settings, &mut self.trajectory);
        let places = places(states.trajectories.wrapping_mul(n as u64), n);
        path.points.copy(&states.points)?;
        path.momentum.sized(n * self.dim, 0.0)?;
        path.accept.sized(n, 0.0)?;
        let (momentum, accept) = (&mut path.momentum, &mut path.accept);
        draws.draw(places::MOMENTA, places.clone(), ACCEPT, momentum, accept)?;
        path.steps.clear();
        // Of the same value for all if there is no jitter, whose numbers are then not drawn.
        path.steps.sized(n, 0.5)?;
        if settings.jitter > 0.0 {
            draws.draw(places::MOMENTA, places, JITTER, &mut [], &mut path.steps)?;
        }
        let step = |u: f64| settings.step_size * (1.0 + settings.jitter * (2.0 * u - 1.0));
        path.steps.iter_mut().for_each(|u| *u = step(*u));
        let mut energy = std::mem::take(&mut path.energy);
        energy.clear();
        energy.put_all(path.energies(self.dim))?;
        path.energy = energy;
        Ok(())
    }
}

/// The places of the chains' random numbers, from number `first` on.
fn places(first: u64, chains: usize) -> impl ExactSizeIterator<Item = u64> + Clone {
    (0..chains).map(move |i| first.wrapping_add(i as u64))
}
