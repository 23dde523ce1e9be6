//! Proposing latents until every event of a block has one. Every event owns its sequence of proposals.

use super::block::{Block, Blocks, Maker};
use super::statistics::Statistics;
use crate::model::Evaluator;
use crate::noise::places;
use crate::protocol::draws::Draws;
use crate::{Error, Result};

/// Rows of a block of independent events: many enough to compute at full speed.
const BLOCK_ROWS: usize = 1024;

/// How a method proposes and judges latents.
pub(super) trait Proposals: Send {
    /// Whether [`Proposals::judge`] looks at log w.
    const WEIGHTED: bool = false;
    /// Whether it looks at u.
    const RANDOM: bool = false;

    /// Proposals per event before giving up. Of a method that accepts every finite one, more failures in a row mean a broken generator.
    fn max_tries(&self) -> u64 {
        100
    }

    /// Turns points of the prior with their conditions into latent rows.
    ///
    /// # Errors
    /// Those of the evaluator.
    fn propose(
        &mut self,
        _: &mut dyn Evaluator,
        prior: &[f64],
        _rows: usize,
        z: &mut [f64],
    ) -> Result<()> {
        z.copy_from_slice(prior);
        Ok(())
    }

    /// The weight of the event if the proposal is accepted; u is uniform in (0, 1).
    fn judge(&mut self, _log_w: f64, _u: f64, _: &mut Statistics) -> Option<f64> {
        Some(1.0)
    }
}

/// A method whose events are independent of each other, with the buffers of its proposals.
pub(super) struct Independent<P> {
    method: P,
    /// Dimensions of the prior.
    prior_dim: usize,
    /// Rows of the block that have no event yet.
    pending: Vec<usize>,
    prior: Vec<f64>,
    accept: Vec<f64>,
    z: Vec<f64>,
    x: Vec<f64>,
    log_w: Vec<f64>,
}

impl<P: Proposals> Independent<P> {
    pub fn new(method: P, prior_dim: usize) -> Self {
        Independent {
            method,
            prior_dim,
            pending: Vec::new(),
            prior: Vec::new(),
            accept: Vec::new(),
            z: Vec::new(),
            x: Vec::new(),
            log_w: Vec::new(),
        }
    }

    /// Proposal number `attempt` of all pending events: latents, events and log weights.
    fn propose(
        &mut self,
        evaluator: &mut dyn Evaluator,
        draws: &mut Draws,
        block: &Block,
        attempt: u64,
    ) -> Result<()> {
        let rows = self.pending.len();
        self.prior.resize(rows * self.prior_dim, 0.0);
        self.accept.resize(if P::RANDOM { rows } else { 0 }, 0.0);
        self.z.resize(rows * (block.z.len() / block.rows), 0.0);
        self.x.resize(rows * (block.x.len() / block.rows), 0.0);
        self.log_w.clear();
        self.log_w.resize(rows, 0.0);
        let first = block.first;
        let events = self.pending.iter();
        draws.draw(
            places::LATENTS,
            events.map(|&row| first.wrapping_add(row as u64)),
            attempt,
            &mut self.prior,
            &mut self.accept,
        )?;
        let c = block.c.len() / block.rows;
        let conditions = self.pending.iter().map(|&row| &block.c[row * c..][..c]);
        append_conditions(&mut self.prior, conditions, c);
        self.method
            .propose(evaluator, &self.prior, rows, &mut self.z)?;
        evaluator.generate(&self.z, rows, &mut self.x, None)?;
        if P::WEIGHTED {
            evaluator.pull_back(&self.z, &self.x, rows, &mut self.log_w)?;
        }
        Ok(())
    }

    /// Gives the accepted proposals to their events. A proposal whose event or weight is not finite is dropped and counted, and the event's
    /// next proposal takes its place.
    fn judge(&mut self, block: &mut Block, statistics: &mut Statistics) {
        let (n, m) = (block.z.len() / block.rows, block.x.len() / block.rows);
        let mut proposal = 0;
        self.pending.retain(|&row| {
            let i = proposal;
            proposal += 1;
            statistics.proposals += 1;
            let (z, x) = (&self.z[i * n..][..n], &self.x[i * m..][..m]);
            let log_w = self.log_w[i];
            if !(log_w < f64::INFINITY && x.iter().all(|v| v.is_finite())) {
                statistics.non_finite += 1;
                return true;
            }
            let u = self.accept.get(i).copied().unwrap_or_default();
            let Some(weight) = self.method.judge(log_w, u, statistics) else {
                return true;
            };
            statistics.accepted += 1;
            block.z[row * n..][..n].copy_from_slice(z);
            block.x[row * m..][..m].copy_from_slice(x);
            block.w[row] = weight;
            if let Some(out) = block.log_w.get_mut(row) {
                *out = log_w;
            }
            false
        });
    }
}

/// Puts a condition of `c` values behind each row.
fn append_conditions<'a>(
    rows: &mut Vec<f64>,
    conditions: impl ExactSizeIterator<Item = &'a [f64]> + DoubleEndedIterator,
    c: usize,
) {
    let count = conditions.len();
    if c == 0 || count == 0 {
        return;
    }
    let dim = rows.len() / count;
    rows.resize(count * (dim + c), 0.0);
    // From the last on, so that no row is overwritten before it has moved.
    for (row, condition) in conditions.enumerate().rev() {
        let to = row * (dim + c);
        rows.copy_within(row * dim..(row + 1) * dim, to);
        rows[to + dim..][..c].copy_from_slice(condition);
    }
}

impl<P: Proposals> Maker for Independent<P> {
    fn blocks(&self) -> Blocks {
        Blocks::Any(BLOCK_ROWS)
    }

    fn fill(
        &mut self,
        evaluator: &mut dyn Evaluator,
        draws: &mut Draws,
        block: &mut Block,
        statistics: &mut Statistics,
    ) -> Result<()> {
        let weights = if P::WEIGHTED { block.rows } else { 0 };
        block.log_w.resize(weights, 0.0);
        self.pending.clear();
        self.pending.extend(0..block.rows);
        for attempt in 0..self.method.max_tries() {
            self.propose(evaluator, draws, block, attempt)?;
            self.judge(block, statistics);
            if self.pending.is_empty() {
                statistics.events += block.rows as u64;
                return Ok(());
            }
        }
        Err(Error::Numerical(format!(
            "event {} was not accepted in {} proposals (`rejection.max_tries`); the weights are too broad for this method, or its condition is far from those of the training: train generator and classifier longer, or refine with a learned refiner or, without conditions, with `resampling` or `hmc`",
            block.first.wrapping_add(self.pending[0] as u64),
            self.method.max_tries()
        )))
    }
}
