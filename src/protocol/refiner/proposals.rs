//! Proposing latents until every event of a block has one. Every event owns its sequence of proposals.
//!
//! Where log w(z) needs no event, proposals are judged first, and events made of the accepted ones alone: a simulator may cost more than
//! all the rest.

use super::block::{Block, Blocks, Maker};
use super::statistics::Statistics;
use crate::compute::Stage;
use crate::model::Evaluator;
use crate::noise::places;
use crate::protocol::draws::Draws;
use crate::room::Grow;
use crate::{Error, Result};

/// Rows of a block of independent events: many enough to compute at full speed.
const BLOCK_ROWS: usize = 1024;

/// How a method proposes and judges latents.
pub(super) trait Proposals: Send {
    /// What it has to do with weights.
    fn looks(&self) -> Looks {
        Looks::default()
    }

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

    /// Takes from the proposals `left`, all of those of latent rows `z`, those that need no event; u as in [`Proposals::judge`].
    ///
    /// # Errors
    /// Those of the evaluator.
    fn screen(
        &mut self,
        _: &mut dyn Evaluator,
        _z: &[f64],
        _u: &[f64],
        _left: &mut Vec<usize>,
    ) -> Result<()> {
        Ok(())
    }

    /// The weight of the event if this proposal, by its number among those just made, is accepted; u is uniform in (0, 1).
    fn judge(&mut self, _proposal: usize, _log_w: f64, _u: f64, _: &mut Statistics) -> Option<f64> {
        Some(1.0)
    }

    /// Counts an event of such a weight.
    fn count(&self, _weight: f64, _: &mut Statistics) {}
}

/// What a method looks at to judge a proposal.
#[derive(Clone, Copy, Default)]
pub(super) struct Looks {
    /// log w, in [`Proposals::judge`].
    pub weighted: bool,
    /// u.
    pub random: bool,
    /// Whether events outside the support are proposed again: those that the weight would not refuse.
    pub within: bool,
    /// Whether [`Proposals::screen`] judges proposals before their events are made.
    pub screened: bool,
}

impl Looks {
    /// At the weight alone.
    pub const WEIGHTED: Looks = Looks {
        weighted: true,
        random: false,
        within: false,
        screened: false,
    };
    /// At the weight, to accept the proposal by chance.
    pub const REJECTING: Looks = Looks {
        random: true,
        ..Looks::WEIGHTED
    };
}

/// A method whose events are independent of each other, with the buffers of its proposals.
pub(super) struct Independent {
    method: Box<dyn Proposals>,
    looks: Looks,
    /// Dimensions of the prior.
    prior_dim: usize,
    /// Rows of the block that have no event yet.
    pending: Vec<usize>,
    prior: Vec<f64>,
    accept: Vec<f64>,
    z: Vec<f64>,
    x: Vec<f64>,
    log_w: Vec<f64>,
    inside: Vec<bool>,
    /// Of the events, where proposals are accepted.
    weights: Vec<Option<f64>>,
    /// Proposals that events are made of. Their latents come first in `z`.
    made: Vec<usize>,
}

impl Independent {
    pub fn new(method: impl Proposals + 'static, prior_dim: usize) -> Self {
        Independent {
            looks: method.looks(),
            method: Box::new(method),
            prior_dim,
            pending: Vec::new(),
            prior: Vec::new(),
            accept: Vec::new(),
            z: Vec::new(),
            x: Vec::new(),
            log_w: Vec::new(),
            inside: Vec::new(),
            weights: Vec::new(),
            made: Vec::new(),
        }
    }

    /// The latents of proposal number `attempt` of all pending events.
    fn propose(
        &mut self,
        evaluator: &mut dyn Evaluator,
        draws: &mut Draws,
        block: &Block,
        attempt: u64,
    ) -> Result<()> {
        let rows = self.pending.len();
        self.prior.sized(rows * self.prior_dim, 0.0)?;
        self.accept
            .sized(if self.looks.random { rows } else { 0 }, 0.0)?;
        self.z.sized(rows * (block.z.len() / block.rows), 0.0)?;
        self.x.sized(rows * (block.x.len() / block.rows), 0.0)?;
        self.log_w.clear();
        self.log_w.sized(rows, 0.0)?;
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
        append_conditions(&mut self.prior, conditions, c)?;
        self.method
            .propose(evaluator, &self.prior, rows, &mut self.z)
    }

    /// Makes proposal number `attempt` of all pending events, and gives those that are accepted to their events. One whose event or weight
    /// is not finite is dropped and counted, and the event's next proposal takes its place.
    fn attempt(
        &mut self,
        evaluator: &mut dyn Evaluator,
        draws: &mut Draws,
        block: &mut Block,
        attempt: u64,
        statistics: &mut Statistics,
    ) -> Result<()> {
        self.propose(evaluator, draws, block, attempt)?;
        let looks = self.looks;
        let rows = self.pending.len();
        let (n, m) = (block.z.len() / block.rows, block.x.len() / block.rows);
        statistics.proposals += rows as u64;
        self.weights.clear();
        self.weights.sized(rows, None)?;
        self.made.clear();
        self.made.put_all(0..rows)?;
        let first = looks.weighted && !looks.screened && evaluator.weighs_latents();
        if looks.screened {
            let (z, u) = (&self.z, &self.accept);
            self.method.screen(evaluator, z, u, &mut self.made)?;
        } else if first {
            evaluator.pull_back(&self.z, &[], rows, &mut self.log_w)?;
            for i in 0..rows {
                self.judge(i, true, statistics);
            }
            self.made.retain(|&i| self.weights[i].is_some());
        }
        for (to, &from) in self.made.iter().enumerate() {
            self.z.copy_within(from * n..(from + 1) * n, to * n);
        }
        let made = self.made.len();
        if made > 0 {
            let (z, x) = (&self.z[..made * n], &mut self.x[..made * m]);
            evaluator.generate(z, made, x, None)?;
            statistics.calls += made as u64;
        }
        self.inside.clear();
        self.inside.sized(made, true)?;
        if looks.within && made > 0 {
            let x = &self.x[..made * m];
            evaluator.inside(x, made, &mut self.inside)?;
        }
        if looks.weighted && !first && made > 0 {
            let (z, x) = (&self.z[..made * n], &self.x[..made * m]);
            evaluator.pull_back(z, x, made, &mut self.log_w[..made])?;
            // None comes before its place among all.
            for (from, &to) in self.made.iter().enumerate().rev() {
                self.log_w[to] = self.log_w[from];
            }
        }
        for k in 0..made {
            let i = self.made[k];
            // A generator may turn latents that a refiner has made infinite into events that are not.
            let mut values = self.x[k * m..][..m].iter().chain(&self.z[k * n..][..n]);
            let finite = values.all(|v| v.is_finite());
            if !first {
                self.judge(i, finite, statistics);
            } else if !finite {
                statistics.non_finite += 1;
                self.weights[i] = None;
            }
            let accepted = self.weights[i].filter(|_| self.inside[k]);
            self.weights[i] = accepted;
            let Some(weight) = accepted else {
                continue;
            };
            statistics.accepted += 1;
            self.method.count(weight, statistics);
            let row = self.pending[i];
            block.z[row * n..][..n].copy_from_slice(&self.z[k * n..][..n]);
            block.x[row * m..][..m].copy_from_slice(&self.x[k * m..][..m]);
            block.w[row] = weight;
            if let Some(out) = block.log_w.get_mut(row) {
                *out = self.log_w[i];
            }
        }
        let mut weights = self.weights.iter();
        self.pending
            .retain(|_| weights.next().is_some_and(Option::is_none));
        Ok(())
    }

    /// Accepts proposal `i` or not.
    fn judge(&mut self, i: usize, finite: bool, statistics: &mut Statistics) {
        let log_w = self.log_w[i];
        if !(finite && log_w < f64::INFINITY) {
            statistics.non_finite += 1;
            return;
        }
        let u = self.accept.get(i).copied().unwrap_or_default();
        self.weights[i] = self.method.judge(i, log_w, u, statistics);
    }
}

/// Puts a condition of `c` values behind each row.
fn append_conditions<'a>(
    rows: &mut Vec<f64>,
    conditions: impl ExactSizeIterator<Item = &'a [f64]> + DoubleEndedIterator,
    c: usize,
) -> Result<()> {
    let count = conditions.len();
    if c == 0 || count == 0 {
        return Ok(());
    }
    let dim = rows.len() / count;
    rows.sized(count * (dim + c), 0.0)?;
    // From the last on, so that no row is overwritten before it has moved.
    for (row, condition) in conditions.enumerate().rev() {
        let to = row * (dim + c);
        rows.copy_within(row * dim..(row + 1) * dim, to);
        rows[to + dim..][..c].copy_from_slice(condition);
    }
    Ok(())
}

impl Maker for Independent {
    fn blocks(&self) -> Blocks {
        Blocks::Any(BLOCK_ROWS)
    }

    fn fill(
        &mut self,
        evaluator: &mut dyn Evaluator,
        draws: &mut Draws,
        block: &mut Block,
        statistics: &mut Statistics,
        stage: &Stage,
    ) -> Result<()> {
        let weights = if self.looks.weighted { block.rows } else { 0 };
        block.log_w.sized(weights, 0.0)?;
        self.pending.clear();
        self.pending.put_all(0..block.rows)?;
        for attempt in 0..self.method.max_tries() {
            stage.check()?;
            self.attempt(evaluator, draws, block, attempt, statistics)?;
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
