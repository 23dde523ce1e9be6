//! Proposing latents until every event of a block has one. Every event owns its sequence of proposals.

use super::{Block, Refiner, Statistics};
use crate::model::Evaluator;
use crate::{Error, Result};

/// Rows of a block of independent events: many enough to compute at full speed, few enough to answer a first single event within milliseconds.
const BLOCK_ROWS: usize = 1024;

/// How a method proposes and judges latents.
pub(super) trait Proposals {
    /// Whether [`Proposals::judge`] looks at log w.
    const WEIGHTED: bool;

    /// Proposals per event before giving up.
    fn max_tries(&self) -> u64;

    /// Proposal number `attempt` of each of the `events` into the rows of `z`.
    ///
    /// # Errors
    /// Those of the evaluator.
    fn propose(
        &mut self,
        evaluator: &mut dyn Evaluator,
        events: &[u64],
        attempt: u64,
        z: &mut [f64],
    ) -> Result<()>;

    /// The weight of the event if the proposal is accepted.
    fn judge(
        &mut self,
        event: u64,
        attempt: u64,
        log_w: f64,
        statistics: &mut Statistics,
    ) -> Option<f64>;
}

impl<P: Proposals + Send> Refiner for P {
    fn block_rows(&self) -> usize {
        BLOCK_ROWS
    }

    fn fill(
        &mut self,
        evaluator: &mut dyn Evaluator,
        block: &mut Block,
        statistics: &mut Statistics,
    ) -> Result<()> {
        fill(self, evaluator, block, statistics)
    }
}

/// Fills a block. A proposal whose event or weight is not finite is dropped and counted, and the event's next proposal takes its place.
fn fill<P: Proposals>(
    method: &mut P,
    evaluator: &mut dyn Evaluator,
    block: &mut Block,
    statistics: &mut Statistics,
) -> Result<()> {
    let (n, m) = (block.z.len() / block.rows, block.x.len() / block.rows);
    let first = block.index.wrapping_mul(block.rows as u64);
    let mut pending: Vec<usize> = (0..block.rows).collect();
    let (mut z, mut x, mut log_w) = (block.z.clone(), block.x.clone(), block.w.clone());
    block
        .log_w
        .resize(if P::WEIGHTED { block.rows } else { 0 }, 0.0);
    let mut attempt = 0;
    while !pending.is_empty() {
        if attempt >= method.max_tries() {
            return Err(Error::Numerical(format!(
                "event {} was not accepted in {attempt} proposals (`rejection.max_tries`); the weights are too broad for this method: train generator and classifier longer, or refine with `hmc`",
                first.wrapping_add(pending[0] as u64)
            )));
        }
        let events: Vec<u64> = pending
            .iter()
            .map(|&row| first.wrapping_add(row as u64))
            .collect();
        let rows = events.len();
        let (z, x, log_w) = (&mut z[..rows * n], &mut x[..rows * m], &mut log_w[..rows]);
        method.propose(evaluator, &events, attempt, z)?;
        evaluator.generate(z, rows, x, None)?;
        if P::WEIGHTED {
            evaluator.log_weight(x, rows, log_w)?;
        } else {
            log_w.fill(0.0);
        }
        let mut i = 0;
        pending.retain(|&row| {
            let (event, z, x, log_w) = (
                events[i],
                &z[i * n..(i + 1) * n],
                &x[i * m..(i + 1) * m],
                log_w[i],
            );
            i += 1;
            statistics.proposals += 1;
            let finite = log_w < f64::INFINITY && x.iter().all(|v| v.is_finite());
            if !finite {
                statistics.non_finite += 1;
                return true;
            }
            let Some(weight) = method.judge(event, attempt, log_w, statistics) else {
                return true;
            };
            statistics.accepted += 1;
            block.z[row * n..(row + 1) * n].copy_from_slice(z);
            block.x[row * m..(row + 1) * m].copy_from_slice(x);
            block.w[row] = weight;
            if let Some(out) = block.log_w.get_mut(row) {
                *out = log_w;
            }
            false
        });
        attempt += 1;
    }
    statistics.events += block.rows as u64;
    Ok(())
}
