//! The pilot run of chains: finds the step size and, if asked to, the masses, freezes them, and judges the chains that result: enough of
//! them to know their averages, however few a sampler is to run.
//!
//! The number of leapfrog steps stays. Were it the length of the trajectories, a smaller step would not help where they run into steep
//! walls of the weights, and the search would end at steps far too small; fewer and shorter ones meet fewer walls.

use super::bias::{Bias, Expectations};
use super::statistics::Statistics;
use super::transition::{Dynamics, States, Transition};
use crate::compute::{Session, Stage};
use crate::metrics::chains::{effective_sample_size, split_r_hat};
use crate::model::{Dims, Evaluator, HmcSettings};
use crate::noise::places;
use crate::options::{choices::Mass, keys};
use crate::protocol::draws::Draws;
use crate::room::{self, Gather};
use crate::train::{Hooks, Level};
use crate::Result;
use serde::Serialize;

/// Chains that are judged, and most that look for the step: their mean acceptance is known within a few per cent after one transition, and
/// what the means of so many differ by tells how well the mean of all is known.
const CHAINS: usize = 256;

/// Transitions of the shortest pilot run: for less there is nothing to adapt and nothing to judge.
const LEAST: usize = 20;

/// R̂ above which chains are said not to mix.
const MIXED: f64 = 1.05;

/// What the pilot run found, and how well its chains mixed.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ChainReport {
    /// The method.
    pub method: &'static str,
    /// Chains judged, and transitions of each.
    pub chains: usize,
    /// Transitions judged.
    pub transitions: usize,
    /// ε.
    pub step_size: f64,
    /// Leapfrog steps of a trajectory.
    pub leapfrog: usize,
    /// σ of every dimension; none for 1.
    pub scales: Vec<f64>,
    /// Mean probability with which Metropolis accepts (for `langevin`: would accept).
    pub acceptance: f64,
    /// Divergent trajectories.
    pub divergences: u64,
    /// Split R̂ of every dimension of z.
    pub r_hat: Vec<f64>,
    /// Effective sample size of every dimension of z, of chains × transitions.
    pub effective_sample_size: Vec<f64>,
    /// The expectation that is furthest from the weights'; none if the weights are too broad to know any.
    pub bias: Option<Bias>,
}

/// Dual averaging of log ε (Hoffman and Gelman, arXiv:1111.4246, Sec. 3.2) with their constants, but for γ: their 0.05 is for one chain,
/// and swings about the target where the mean acceptance of many chains has little noise.
pub(super) struct DualAveraging {
    target: f64,
    centre: f64,
    updates: f64,
    /// Running mean of target − acceptance.
    lack: f64,
    /// Mean of log ε, later ones counting more.
    log_mean: f64,
}

impl DualAveraging {
    const GAMMA: f64 = 0.1;
    const T0: f64 = 10.0;
    const KAPPA: f64 = 0.75;

    pub fn new(step: f64, target: f64) -> Self {
        DualAveraging {
            target,
            centre: libm::log(10.0 * step),
            updates: 0.0,
            lack: 0.0,
            log_mean: 0.0,
        }
    }

    /// The step to try after one that was accepted with probability `acceptance`.
    pub fn update(&mut self, acceptance: f64) -> f64 {
        self.updates += 1.0;
        let t = self.updates;
        self.lack += (self.target - acceptance - self.lack) / (t + Self::T0);
        let log_step = self.centre - t.sqrt() / Self::GAMMA * self.lack;
        self.log_mean += libm::pow(t, -Self::KAPPA) * (log_step - self.log_mean);
        libm::exp(log_step)
    }

    /// The step found.
    pub fn mean(&self) -> f64 {
        libm::exp(self.log_mean)
    }
}

/// The run under way.
struct Pilot<'a> {
    transition: Transition,
    states: States,
    evaluator: &'a mut dyn Evaluator,
    draws: Draws,
    statistics: Statistics,
    stage: Stage<'a>,
    transitions: usize,
    done: usize,
}

impl Pilot<'_> {
    /// One transition; returns its acceptance.
    fn advance(&mut self) -> Result<f64> {
        let acceptance = self.transition.advance(
            self.evaluator,
            &mut self.draws,
            &mut self.states,
            &mut self.statistics,
            &self.stage,
        )?;
        self.done += 1;
        self.stage.done(self.done)?;
        Ok(acceptance)
    }

    /// Finds the step in so many transitions; returns the variance of every dimension of z over them and the chains.
    fn adapt(&mut self, transitions: usize, target: f64, dim: usize) -> Result<Vec<f64>> {
        let mut averaging = DualAveraging::new(self.transition.settings.step_size, target);
        let mut sums = room::filled(dim, (0.0, 0.0))?;
        for _ in 0..transitions {
            let acceptance = self.advance()?;
            self.transition.settings.step_size = averaging.update(acceptance);
            for z in self.states.points.z.chunks_exact(dim) {
                for ((sum, squares), z) in sums.iter_mut().zip(z) {
                    *sum += z;
                    *squares += z * z;
                }
            }
        }
        self.transition.settings.step_size = averaging.mean();
        let n = (transitions * self.transition.settings.chains) as f64;
        let variance = |(sum, squares): &(f64, f64)| squares / n - (sum / n) * (sum / n);
        sums.iter().map(variance).gather()
    }

    /// Goes on with as many chains as can be judged, from their own start and for so many transitions.
    fn widen(&mut self, dims: Dims, pool: usize, seed: u64, transitions: usize) -> Result<()> {
        let Transition {
            settings, dynamics, ..
        } = &self.transition;
        let settings = HmcSettings {
            chains: CHAINS,
            ..settings.clone()
        };
        self.transition = Transition::new(*dynamics, dims, settings, pool)?;
        self.draws = Draws::Counter {
            seed,
            stream: places::CHAINS_JUDGED,
        };
        self.states = self.transition.start(
            self.evaluator,
            &mut self.draws,
            &mut self.statistics,
            &self.stage,
        )?;
        for _ in 0..transitions {
            self.advance()?;
        }
        Ok(())
    }
}

/// Runs the pilot in so many transitions, or the fewest that tell something: the settings found, and the report, of which the host is told.
/// `pool` as for [`Transition::new`]; `expected` is of the weights.
///
/// # Errors
/// Those of the chains' start, of the evaluator and of the hooks.
pub(super) fn pilot(
    session: Session,
    dynamics: Dynamics,
    dims: Dims,
    transitions: usize,
    (settings, pool): (&HmcSettings, usize),
    evaluator: &mut dyn Evaluator,
    expected: &Expectations,
) -> Result<(HmcSettings, ChainReport)> {
    let few = HmcSettings {
        chains: settings.chains.min(CHAINS),
        ..settings.clone()
    };
    let transitions = transitions.max(LEAST);
    let half = transitions / 2;
    let more = few.chains < CHAINS;
    let transitions = transitions + if more { half } else { 0 };
    let target = match session.get(keys::HMC_TARGET_ACCEPTANCE) {
        given if given > 0.0 => given,
        _ => dynamics.target,
    };
    let mut draws = Draws::Counter {
        seed: session.seed,
        stream: places::CHAINS_PILOT,
    };
    let mut statistics = Statistics::default();
    let mut transition = Transition::new(dynamics, dims, few, pool)?;
    let stage = session.stage("chains", transitions);
    let states = transition.start(evaluator, &mut draws, &mut statistics, &stage)?;
    let mut run = Pilot {
        transition,
        states,
        evaluator,
        draws,
        statistics,
        stage,
        transitions,
        done: 0,
    };
    match session.get(keys::HMC_MASS) {
        Mass::Unit => (),
        Mass::Diagonal => {
            let variances = run.adapt(half / 2, target, dims.latent)?;
            run.transition.settings.scales = scales(&variances);
            run.transition.rescale()?;
        }
    }
    run.adapt(half - run.done, target, dims.latent)?;
    if more {
        run.widen(dims, pool, session.seed, half)?;
    }
    let report = judge(&mut run, dynamics.method.name(), dims.latent, expected)?;
    report.tell(session.hooks)?;
    let found = HmcSettings {
        chains: settings.chains,
        leapfrog: settings.leapfrog,
        ..run.transition.settings
    };
    Ok((found, report))
}

/// σ, kept from vanishing where chains hardly moved.
fn scales(variances: &[f64]) -> Vec<f64> {
    const LEAST: f64 = 1e-3;
    variances.iter().map(|v| v.max(LEAST).sqrt()).collect()
}

/// The transitions that are left, with the settings that were found.
fn judge(
    run: &mut Pilot<'_>,
    method: &'static str,
    dim: usize,
    expected: &Expectations,
) -> Result<ChainReport> {
    let (chains, transitions) = (run.transition.settings.chains, run.transitions - run.done);
    run.statistics = Statistics::default();
    let states = |columns| {
        let room = room::empty(transitions * chains * columns);
        room.map_err(|e| e.for_what("the states of the pilot run (`hmc.pilot`)"))
    };
    let (mut z, mut log_w) = (states(dim)?, states(1)?);
    let mut acceptance = 0.0;
    for _ in 0..transitions {
        acceptance += run.advance()? / transitions as f64;
        z.extend_from_slice(&run.states.points.z);
        log_w.extend_from_slice(&run.states.points.log_w);
    }
    let settings = &run.transition.settings;
    Ok(ChainReport {
        method,
        chains,
        transitions,
        step_size: settings.step_size,
        leapfrog: settings.leapfrog,
        scales: settings.scales.clone(),
        acceptance,
        divergences: run.statistics.divergences,
        r_hat: split_r_hat(&z, chains, dim)?,
        effective_sample_size: effective_sample_size(&z, chains, dim)?,
        bias: expected.bias(&z, &log_w, chains)?,
    })
}

impl ChainReport {
    /// Whether their events follow the weights: they mix, none diverges, and they are where the weights are.
    pub fn sound(&self) -> bool {
        self.worst() <= MIXED && self.divergences == 0 && self.biased().is_none()
    }

    fn biased(&self) -> Option<&Bias> {
        self.bias.as_ref().filter(|bias| bias.is_one())
    }

    /// The largest R-hat.
    fn worst(&self) -> f64 {
        self.r_hat.iter().copied().fold(1.0, f64::max)
    }

    /// Tells the host what was found, and what is wrong with it.
    pub fn tell(&self, hooks: &dyn Hooks) -> Result<()> {
        let states = self.chains * self.transitions;
        let worst = self.worst();
        let least = self.effective_sample_size.iter().copied();
        let least = least.fold(f64::INFINITY, f64::min);
        hooks.log(
            Level::Info,
            &format!(
                "chains of `{}`: step size {:.3}, {} leapfrog steps, acceptance {:.2}, R-hat {worst:.3}, effective sample size {:.1} % of the states",
                self.method,
                self.step_size,
                self.leapfrog,
                self.acceptance,
                100.0 * least / states as f64
            ),
        )?;
        if worst > MIXED {
            hooks.warn("chains", &format!(
                    "the chains do not mix: R-hat is {worst:.3}, above {MIXED}. Use `rejection`, or `resampling` where that accepts too little; or, where chains stay in separated modes, rely on `hmc.start` = `resampled` for the modes' shares and take the events of many chains; where they creep, longer trajectories (`hmc.leapfrog`) or fewer events of each (`hmc.thin`)"
                ),
            )?;
        }
        if self.divergences > 0 {
            hooks.warn("chains", &format!(
                    "{} of {states} trajectories diverged, where the weights have walls too steep for the step: events near them may be missing. Take smaller steps (`hmc.target_acceptance` nearer to 1), or `rejection` or `resampling`",
                    self.divergences
                ),
            )?;
        }
        if self.bias.is_none() {
            let message = format!("the weights are too broad to say by them whether the chains of `{}` are where they should be", self.method);
            match self.method {
                "langevin" => hooks.warn("chains", &format!("{message}, and its step may bias it by any amount: take `mala` or `hmc`, which have no such bias"))?,
                _ => hooks.log(Level::Info, &message)?,
            }
        }
        if let Some(bias) = self.biased() {
            let remedy = match self.method {
                "langevin" => "Its step biases it: take smaller steps (`hmc.target_acceptance` nearer to 1), or `mala` or `hmc`, which have no such bias",
                _ => "Let them start from the weights (`hmc.start` = `resampled`), or take `rejection` or `resampling`; where they only need longer than the pilot run, a longer one (`hmc.pilot`) shows it",
            };
            hooks.warn(
                "chains",
                &format!(
                    "the chains of `{}` are not where the weights are: {}. {remedy}",
                    self.method,
                    bias.told()
                ),
            )?;
        }
        Ok(())
    }
}
