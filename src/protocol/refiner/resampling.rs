//! The method that chooses each block of latents from a pool of the prior.

use super::block::{Block, Blocks, Maker};
use super::candidates::Candidates;
use super::home::{refinement, Case, Home, Preparation};
use super::statistics::{Statistics, DISTINCT};
use crate::compute::Stage;
use crate::model::{Evaluator, Method, Model};
use crate::noise::places;
use crate::protocol::draws::Draws;
use crate::room::Grow;
use crate::Result;

/// Events that share a pool.
const BLOCK_ROWS: usize = 1024;

/// Unweighted events, each block chosen from its own pool. Their distribution differs from q by a term that falls like
/// var(w) / (size of the pool); where weights exceed `each` times their mean, a block holds duplicates.
pub(super) struct Resampling;

impl Home for Resampling {
    fn method(&self) -> Method {
        Method::Resampling
    }

    /// Any weights, so it comes last.
    fn suits(&self, case: &Case) -> Option<String> {
        let accepts = case.rejection();
        Some(format!("{accepts}, and log w(z) has no gradient"))
    }

    /// Warns of weights so broad that events will repeat.
    fn prepare(&self, preparation: Preparation) -> Result<bool> {
        let Preparation {
            session,
            refinement,
            effective_fraction,
            ..
        } = preparation;
        let worth = effective_fraction * refinement.pool as f64;
        if worth < DISTINCT {
            let message = format!(
                "the weights are so broad that the {} latents which `resampling` chooses an event from are worth {worth:.2}: many events will come more than once. Refine with a larger `resampling.pool`, or take `rejection`",
                refinement.pool
            );
            session.hooks.warn("refiner", &message)?;
        }
        Ok(true)
    }

    fn maker(&self, model: &Model) -> Result<Box<dyn Maker>> {
        let each = refinement(model, self.method())?.pool;
        let event_dim = model.generator.event_dim();
        Ok(Box::new(Resampled(Candidates::new(each, event_dim))))
    }
}

/// The blocks of [`Resampling`].
pub(super) struct Resampled(pub Candidates);

impl Maker for Resampled {
    fn blocks(&self) -> Blocks {
        Blocks::Aligned(BLOCK_ROWS)
    }

    fn fill(
        &mut self,
        evaluator: &mut dyn Evaluator,
        draws: &mut Draws,
        block: &mut Block,
        statistics: &mut Statistics,
        stage: &Stage,
    ) -> Result<()> {
        block.log_w.sized(block.rows, 0.0)?;
        let distinct = statistics.resampled.distinct;
        self.0.choose(
            evaluator,
            draws,
            (places::LATENTS, block.first),
            (&mut block.z, &mut block.log_w, Some(&mut block.x)),
            statistics,
            stage,
        )?;
        block.w.fill(1.0);
        statistics.proposals += (block.rows * self.0.each) as u64;
        statistics.accepted += statistics.resampled.distinct - distinct;
        statistics.events += block.rows as u64;
        Ok(())
    }
}
