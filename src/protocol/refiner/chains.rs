//! The methods whose events are states of Markov chains: Langevin dynamics without and with the Metropolis test, Hamiltonian Monte Carlo.

use super::history::History;
use super::transition::{States, Transition};
use super::{Block, Blocks, Refiner, Statistics};
use crate::model::{Evaluator, HmcSettings, Method};
use crate::protocol::draws::Draws;
use crate::Result;

/// Many chains. Event i is the state of chain i mod `chains` after burn_in + thin · (i div chains + 1) trajectories; a chain's events are
/// correlated.
///
/// Chains have a history: reaching block b means running all before it, so `seek` forward takes the time of the events passed over, and
/// `seek` backward that from the beginning.
pub(in super::super) struct Chains {
    transition: Transition,
    dim: usize,
    running: Option<Running>,
}

/// Chains under way.
struct Running {
    /// Block that they reach next.
    next_block: u64,
    states: States,
    history: History,
}

impl Chains {
    /// `method`: one of the chains. `dims`: N and M. `pool`: latents of the prior for each resampled start.
    pub fn new(method: Method, dims: (usize, usize), settings: HmcSettings, pool: usize) -> Self {
        Chains {
            transition: Transition::new(method, dims, settings, pool),
            dim: dims.0,
            running: None,
        }
    }

    /// Chains after their burn-in.
    fn start(
        &mut self,
        evaluator: &mut dyn Evaluator,
        draws: &mut Draws,
        statistics: &mut Statistics,
    ) -> Result<Running> {
        let mut states = self.transition.start(evaluator, draws, statistics)?;
        for _ in 0..self.transition.settings.burn_in {
            self.transition
                .advance(evaluator, draws, &mut states, statistics)?;
        }
        Ok(Running {
            next_block: 0,
            states,
            history: History::new(self.transition.settings.chains, self.dim),
        })
    }
}

impl Refiner for Chains {
    fn blocks(&self) -> Blocks {
        Blocks::Aligned(self.transition.settings.chains)
    }

    fn fill(
        &mut self,
        evaluator: &mut dyn Evaluator,
        draws: &mut Draws,
        block: &mut Block,
        statistics: &mut Statistics,
    ) -> Result<()> {
        // A host's numbers have no places: its chains only go on.
        let index = match (draws.have_places(), &self.running) {
            (true, _) => block.first / self.transition.settings.chains as u64,
            (false, Some(running)) => running.next_block,
            (false, None) => 0,
        };
        // Taken out: after an error the chains begin anew, rather than go on from a broken state.
        let mut running = match self.running.take() {
            Some(running) if running.next_block <= index => running,
            _ => self.start(evaluator, draws, statistics)?,
        };
        while running.next_block <= index {
            for _ in 0..self.transition.settings.thin {
                self.transition
                    .advance(evaluator, draws, &mut running.states, statistics)?;
            }
            running.history.push(&running.states.points.z);
            running.next_block += 1;
        }
        let points = &running.states.points;
        block.z.copy_from_slice(&points.z);
        evaluator.generate(&block.z, block.rows, &mut block.x, None)?;
        block.w.fill(1.0);
        block.log_w.clone_from(&points.log_w);
        statistics.events += block.rows as u64;
        self.running = Some(running);
        Ok(())
    }

    fn history(&self) -> Option<&History> {
        self.running.as_ref().map(|running| &running.history)
    }
}
