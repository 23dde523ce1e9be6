//! The methods whose events are states of Markov chains: Langevin dynamics without and with the Metropolis test, Hamiltonian Monte Carlo.

use super::bias::Expectations;
use super::block::{Block, Blocks, Maker};
use super::history::History;
use super::home::{refinement, Case, Home, Preparation};
use super::pilot::pilot;
use super::statistics::Statistics;
use super::transition::{Dynamics, Points, States, Transition, AT_ONCE};
use crate::compute::Stage;
use crate::model::{Dims, Evaluator, HmcSettings, Method, Model, Refinement};
use crate::options::{keys, Options};
use crate::protocol::draws::Draws;
use crate::protocol::opinion::COMPARED;
use crate::protocol::pullback::{weighted_latents, Run};
use crate::room::{self, Grow};
use crate::{Error, Result};
use serde_json::{json, Map, Value};

/// Hamiltonian Monte Carlo.
pub(super) static HMC: Dynamics = Dynamics {
    method: Method::Hmc,
    one_step: false,
    metropolis: true,
    // The best in many dimensions: Beskos et al., arXiv:1001.4460.
    target: 0.651,
};

/// Langevin dynamics with the Metropolis test.
pub(super) static MALA: Dynamics = Dynamics {
    method: Method::Mala,
    one_step: true,
    metropolis: true,
    // The best in many dimensions: Roberts and Rosenthal 1998.
    target: 0.574,
};

/// Langevin dynamics without it.
pub(super) static LANGEVIN: Dynamics = Dynamics {
    method: Method::Langevin,
    one_step: true,
    metropolis: false,
    // What bounds the bias.
    target: 0.98,
};

/// Times `thin` trajectories after the burn-in in which every chain must come to a finite event.
const TRIES: usize = 100;

/// The pilot's report, in records.
const RECORD: &str = "chains";

/// Transitions of the pilot run where `auto` needs one and `hmc.pilot` asks for none: those of the preset `fast`.
const JUDGED: usize = 200;

impl Home for Dynamics {
    fn method(&self) -> Method {
        self.method
    }

    fn suits(&self, case: &Case) -> Option<String> {
        let suits = self.method == Method::Hmc && case.gradient && !case.unsound;
        suits.then(|| format!("{}, and log w(z) has a gradient", case.rejection()))
    }

    fn record(&self) -> Option<&'static str> {
        Some(RECORD)
    }

    /// The pilot run. Who names chains and wants none gets them as the options have them; `auto` takes none that nobody has looked at.
    fn prepare(&self, preparation: Preparation) -> Result<bool> {
        let Preparation {
            session,
            model,
            conditions,
            ..
        } = preparation;
        let transitions = match (session.get(keys::HMC_PILOT), preparation.auto) {
            (0, true) => JUDGED,
            (0, false) => {
                let message = format!(
                    "nobody has looked whether the chains of `{}` mix or diverge: have a pilot run judge them, and find their step (`hmc.pilot` = {JUDGED}), or look at the `r_hat` and `divergences` of every sampler",
                    self.method.name()
                );
                session.hooks.warn(RECORD, &message)?;
                return Ok(true);
            }
            (wanted, _) => wanted as usize,
        };
        let dims = model.generator.dims();
        let of_weights = Run::of_pilot(session, COMPARED);
        let of_weights = weighted_latents(session, model, conditions, of_weights, None)?;
        let expected = Expectations::of_weights(
            &of_weights.z,
            dims.latent_row(),
            dims.latent,
            &of_weights.log_w,
        )?;
        let Refinement { hmc, pool, .. } = preparation.refinement;
        let mut evaluator = session.evaluator(model)?;
        let (found, report) = pilot(
            session,
            *self,
            dims,
            transitions,
            (hmc, *pool),
            evaluator.as_mut(),
            &expected,
        )?;
        if preparation.auto && !report.sound() {
            return Ok(false);
        }
        preparation.record.insert(RECORD.into(), json!(report));
        found
            .validate(dims.latent, *pool)
            .map_err(Error::of_options)?;
        *hmc = found;
        Ok(true)
    }

    fn maker(&self, model: &Model) -> Result<Box<dyn Maker>> {
        let Refinement { hmc, pool, .. } = refinement(model, self.method)?;
        let dims = model.generator.dims();
        Ok(Box::new(Chains::new(*self, dims, hmc.clone(), *pool)?))
    }
}

/// The chains that the options ask for in N dimensions.
///
/// # Errors
/// [`Error::InvalidArgument`] if a sampler would not come to an end, or not find memory enough, with them.
pub(in crate::protocol) fn settings(latent_dim: usize, options: &Options) -> Result<HmcSettings> {
    let settings = HmcSettings {
        chains: options.get(keys::HMC_CHAINS) as usize,
        start: options.get(keys::HMC_START),
        step_size: options.get(keys::HMC_STEP_SIZE),
        jitter: options.get(keys::HMC_JITTER),
        scales: Vec::new(),
        leapfrog: options.get(keys::HMC_LEAPFROG) as usize,
        burn_in: options.get(keys::HMC_BURN_IN) as u64,
        thin: options.get(keys::HMC_THIN) as u64,
    };
    let pool = options.get(keys::RESAMPLING_POOL) as usize;
    let checked = settings.validate(latent_dim, pool);
    checked.map_err(Error::of_options)?;
    Ok(settings)
}

/// Whether a pilot run has compared chains of the method with the weights, by a model's record.
pub(in crate::protocol) fn judged(record: &Map<String, Value>, method: Method) -> bool {
    let report = record.get(RECORD);
    report.is_some_and(|r| r["method"] == method.name() && !r["bias"].is_null())
}

/// Many chains. Event i is the state of chain i mod `chains` after burn_in + thin · (i div chains + 1) trajectories; a chain's events are
/// correlated.
///
/// A state whose event is not finite has no density. The trajectories from one event of a chain to the next are together the proposal of a
/// Metropolis test that refuses such a state: the chain goes back to the event before, which comes again. Chains that have no event yet make
/// all go on until they have.
///
/// Chains have a history: reaching block b means running all before it, so `seek` forward takes the time of the events passed over, and
/// `seek` backward that from the beginning.
pub(super) struct Chains {
    transition: Transition,
    dims: Dims,
    running: Option<Running>,
}

/// Chains under way.
struct Running {
    /// Block that they reach next.
    next_block: u64,
    states: States,
    /// The last events of the chains, NaN or infinite where there is none yet, and their states.
    x: Vec<f64>,
    kept: Points,
    history: History,
}

impl Running {
    /// Makes the events of the states; a chain whose event is not finite goes back to its last one. Returns the first chain that has none.
    fn settle(
        &mut self,
        evaluator: &mut dyn Evaluator,
        made: &mut [f64],
        statistics: &mut Statistics,
        stage: &Stage,
    ) -> Result<Option<usize>> {
        let points = &mut self.states.points;
        let chains = points.log_w.len();
        let (latent, dim) = (points.z.len() / chains, made.len() / chains);
        let parts = points.z.chunks(AT_ONCE * latent);
        for (z, made) in parts.zip(made.chunks_mut(AT_ONCE * dim)) {
            stage.check()?;
            evaluator.generate(z, made.len() / dim, made, None)?;
            statistics.calls += (made.len() / dim) as u64;
        }
        let finite = |event: &[f64]| event.iter().all(|x| x.is_finite());
        let mut without = None;
        let events = made.chunks_exact_mut(dim).zip(self.x.chunks_exact(dim));
        for (chain, (made, last)) in events.enumerate().filter(|(_, (made, _))| !finite(made)) {
            statistics.non_finite += 1;
            if finite(last) {
                made.copy_from_slice(last);
                points.copy_chain(chain, &self.kept);
            } else {
                without = without.or(Some(chain));
            }
        }
        self.x.copy_from_slice(made);
        self.kept.copy(points)?;
        Ok(without)
    }
}

impl Chains {
    /// `pool`: latents of the prior for each resampled start.
    pub fn new(dynamics: Dynamics, dims: Dims, settings: HmcSettings, pool: usize) -> Result<Self> {
        Ok(Chains {
            transition: Transition::new(dynamics, dims, settings, pool)?,
            dims,
            running: None,
        })
    }

    /// Chains after their burn-in.
    fn start(
        &mut self,
        evaluator: &mut dyn Evaluator,
        draws: &mut Draws,
        statistics: &mut Statistics,
        stage: &Stage,
    ) -> Result<Running> {
        let transition = &mut self.transition;
        let mut states = transition.start(evaluator, draws, statistics, stage)?;
        for done in 0..transition.settings.burn_in as usize {
            transition.advance(evaluator, draws, &mut states, statistics, stage)?;
            stage.done(done + 1)?;
        }
        let chains = self.transition.settings.chains;
        Ok(Running {
            next_block: 0,
            states,
            x: room::filled(chains * self.dims.features, f64::NAN)?,
            kept: Points::default(),
            history: History::new(chains, self.dims.latent)?,
        })
    }
}

impl Maker for Chains {
    fn blocks(&self) -> Blocks {
        Blocks::Aligned(self.transition.settings.chains)
    }

    fn fill(
        &mut self,
        evaluator: &mut dyn Evaluator,
        draws: &mut Draws,
        block: &mut Block,
        statistics: &mut Statistics,
        stage: &Stage,
    ) -> Result<()> {
        // A host's numbers have no places: its chains only go on.
        let index = match (draws.have_places(), &self.running) {
            (true, _) => block.first / self.transition.settings.chains as u64,
            (false, Some(running)) => running.next_block,
            (false, None) => 0,
        };
        // Taken out: after an error the chains begin anew, rather than go on from a broken state.
        let going = self.running.take().filter(|r| r.next_block <= index);
        let HmcSettings { burn_in, thin, .. } = self.transition.settings;
        let (next, mut done) = match &going {
            Some(running) => (running.next_block, 0),
            None => (0, burn_in as usize),
        };
        let blocks = (index - next).saturating_add(1);
        let steps = done.saturating_add(blocks.saturating_mul(thin) as usize);
        let stage = &stage.part("chains", steps);
        let mut running = match going {
            Some(running) => running,
            None => self.start(evaluator, draws, statistics, stage)?,
        };
        let mut tries = 0;
        while running.next_block <= index {
            for _ in 0..thin {
                self.transition.advance(
                    evaluator,
                    draws,
                    &mut running.states,
                    statistics,
                    stage,
                )?;
                done += 1;
                // Nobody knows beforehand of those that are made for chains without event.
                stage.done(done.min(steps))?;
            }
            if let Some(chain) = running.settle(evaluator, &mut block.x, statistics, stage)? {
                tries += 1;
                if tries == TRIES {
                    return Err(Error::Numerical(format!(
                        "chain {chain} of `{}` has come to no finite event in {} trajectories: the generator fails around it; start it from the weights (`hmc.start` = `resampled`), or take `rejection` or `resampling`",
                        self.transition.dynamics.method.name(),
                        burn_in as u128 + TRIES as u128 * thin as u128
                    )));
                }
                continue;
            }
            running.history.push(&running.states.points.z);
            running.next_block += 1;
        }
        let points = &running.states.points;
        block.z.copy_from_slice(&points.z);
        block.w.fill(1.0);
        block.log_w.hold(&points.log_w)?;
        statistics.events += block.rows as u64;
        self.running = Some(running);
        Ok(())
    }

    fn history(&self) -> Option<&History> {
        self.running.as_ref().map(|running| &running.history)
    }
}
