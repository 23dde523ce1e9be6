//! Importance resampling (SIR; Rubin 1988): latents of q chosen by their weights from a pool of the prior.

use super::statistics::{Resampled, Statistics};
use crate::compute::Stage;
use crate::model::Evaluator;
use crate::noise::places::Places;
use crate::order::{sort_by_value, sort_numbers};
use crate::protocol::draws::Draws;
use crate::room::{Gather, Grow};
use crate::{Error, Result};

/// Number of the uniforms that shuffle. Those before it are the chains' own, those after it choose in place of what has failed.
const SHUFFLE: u64 = 2;

/// Latents in a row that the generator may fail on.
const TRIES: usize = 100;

/// A pool of the prior's latents with their weights, and the buffers to choose from it.
pub(super) struct Candidates {
    /// Latents of the pool for each one chosen.
    pub each: usize,
    /// M.
    event_dim: usize,
    z: Vec<f64>,
    x: Vec<f64>,
    log_w: Vec<f64>,
    keys: Vec<f64>,
    order: Vec<usize>,
    /// Of the pool, those chosen.
    chosen: Vec<usize>,
}

impl Candidates {
    pub fn new(each: usize, event_dim: usize) -> Self {
        Candidates {
            each,
            event_dim,
            z: Vec::new(),
            x: Vec::new(),
            log_w: Vec::new(),
            keys: Vec::new(),
            order: Vec::new(),
            chosen: Vec::new(),
        }
    }

    /// Chooses latents `z` (rows × N, with `log_w`, rows) by systematic resampling: one of weight w is taken w / (`each` · mean of w)
    /// times, rounded up or down at random, so not twice below `each` times the mean. They come in random order. Numbers are those of the
    /// places from `first` on.
    ///
    /// With `x`, rows × M, makes their events too. Of a pool whose weights need no events, some may then turn out not to be finite: such a
    /// row gets another latent of the pool, drawn by weight.
    ///
    /// # Errors
    /// Those of evaluator, draws and stage; [`Error::Numerical`] if no weight is positive, or if the generator fails too often.
    pub fn choose(
        &mut self,
        evaluator: &mut dyn Evaluator,
        draws: &mut Draws,
        (of, first): (Places, u64),
        (z, log_w, x): (&mut [f64], &mut [f64], Option<&mut [f64]>),
        statistics: &mut Statistics,
        stage: &Stage,
    ) -> Result<()> {
        let rows = log_w.len();
        let places = (0..rows).map(|row| first.wrapping_add(row as u64));
        let of_pool = (of, places.clone());
        if !evaluator.weighs_latents() {
            statistics.calls += (self.each * rows) as u64;
        }
        statistics.non_finite += self.draw(evaluator, draws, of_pool, z.len(), stage)?;
        let highest = self.highest();
        if highest == f64::NEG_INFINITY {
            return Err(Error::Numerical(format!(
                "of {} latents of the prior none has a positive, finite weight: there is nothing to resample for event {first}; the classifier's training has failed",
                self.log_w.len()
            )));
        }
        let weight = |log_w: f64| libm::exp(log_w - highest);
        let (mut sum, mut squares) = (0.0, 0.0);
        for w in self.log_w.iter().map(|&l| weight(l)) {
            sum += w;
            squares += w * w;
        }
        let offset = self.shuffle(draws, of, places)?;
        let mut pool = self.log_w.iter().enumerate();
        let (mut above, mut chosen) = (0.0, 0);
        self.chosen.sized(rows, 0)?;
        for (i, &row) in self.order.iter().enumerate() {
            let position = (i as f64 + offset) / rows as f64 * sum;
            while above <= position {
                // Rounding may place the last position beyond the sum.
                let Some((candidate, w)) = pool.next().map(|(k, &l)| (k, weight(l))) else {
                    break;
                };
                if w > 0.0 {
                    (above, chosen) = (above + w, candidate);
                }
            }
            self.chosen[row] = chosen;
        }
        self.take(0..rows, z, log_w);
        if let Some(x) = x {
            let rows = (z, log_w, x);
            self.events(evaluator, draws, (of, first), rows, statistics, stage)?;
        }
        sort_numbers(&mut self.chosen);
        self.chosen.dedup();
        statistics.resampled += &Resampled {
            pool: self.log_w.len() as u64,
            effective: sum * sum / squares,
            rows: rows as u64,
            distinct: self.chosen.len() as u64,
        };
        Ok(())
    }

    /// Copies what was chosen for the rows.
    fn take(&self, rows: impl Iterator<Item = usize>, z: &mut [f64], log_w: &mut [f64]) {
        let dim = z.len() / log_w.len();
        for row in rows {
            let chosen = self.chosen[row];
            z[row * dim..][..dim].copy_from_slice(&self.z[chosen * dim..][..dim]);
            log_w[row] = self.log_w[chosen];
        }
    }

    /// Makes the events of the rows, and chooses again, each by itself, for those whose event is not finite.
    fn events(
        &mut self,
        evaluator: &mut dyn Evaluator,
        draws: &mut Draws,
        (of, first): (Places, u64),
        (z, log_w, x): (&mut [f64], &mut [f64], &mut [f64]),
        statistics: &mut Statistics,
        stage: &Stage,
    ) -> Result<()> {
        let rows = log_w.len();
        let (n, m) = (z.len() / rows, x.len() / rows);
        evaluator.generate(z, rows, x, None)?;
        statistics.calls += rows as u64;
        let fails = |x: &[f64], row: usize| !x[row * m..][..m].iter().all(|x| x.is_finite());
        let mut failed = (0..rows).filter(|&row| fails(x, row)).gather()?;
        let (mut u, mut again, mut made) = (Vec::new(), Vec::new(), Vec::new());
        for number in (SHUFFLE + 1..).take(TRIES) {
            failed.retain(|&row| fails(x, row));
            if failed.is_empty() {
                return Ok(());
            }
            stage.check()?;
            statistics.non_finite += failed.len() as u64;
            u.sized(failed.len(), 0.0)?;
            let events = failed.iter().map(|&row| first.wrapping_add(row as u64));
            draws.draw(of, events, number, &mut [], &mut u)?;
            self.choose_by_weight(&failed, &u)?;
            self.take(failed.iter().copied(), z, log_w);
            again.clear();
            again.room(failed.len() * n)?;
            for &row in &failed {
                again.extend_from_slice(&z[row * n..][..n]);
            }
            made.sized(failed.len() * m, 0.0)?;
            evaluator.generate(&again, failed.len(), &mut made, None)?;
            statistics.calls += failed.len() as u64;
            for (&row, made) in failed.iter().zip(made.chunks_exact(m)) {
                x[row * m..][..m].copy_from_slice(made);
            }
        }
        Err(Error::Numerical(format!(
            "the generator made no finite event of {TRIES} latents in a row for event {}",
            first.wrapping_add(failed[0] as u64)
        )))
    }

    /// For each of the rows a latent of the pool, drawn by its weight.
    fn choose_by_weight(&mut self, rows: &[usize], u: &[f64]) -> Result<()> {
        let highest = self.highest();
        let mut sum = 0.0;
        let add = |l: &f64| {
            sum += libm::exp(l - highest);
            sum
        };
        let sums = self.log_w.iter().map(add).gather()?;
        // Rounding may place a number at the sum of all.
        let last = sums.partition_point(|&s| s < sum);
        for (&row, u) in rows.iter().zip(u) {
            self.chosen[row] = sums.partition_point(|&s| s <= u * sum).min(last);
        }
        Ok(())
    }

    /// The largest log w of the pool.
    fn highest(&self) -> f64 {
        self.log_w.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    /// The pool: latents, and log w, which is −∞ where event, if it is made, or weight is not finite. Returns how many that are.
    fn draw(
        &mut self,
        evaluator: &mut dyn Evaluator,
        draws: &mut Draws,
        (of, places): (Places, impl ExactSizeIterator<Item = u64> + Clone),
        length: usize,
        stage: &Stage,
    ) -> Result<u64> {
        let rows = places.len();
        let mut non_finite = 0;
        self.z.sized(self.each * length, 0.0)?;
        let of_events = !evaluator.weighs_latents();
        self.x
            .sized(if of_events { rows * self.event_dim } else { 0 }, 0.0)?;
        self.log_w.sized(self.each * rows, 0.0)?;
        let slices = self.z.chunks_exact_mut(length);
        let slices = slices.zip(self.log_w.chunks_exact_mut(rows));
        for (attempt, (z, log_w)) in (0..).zip(slices) {
            stage.check()?;
            draws.draw(of, places.clone(), attempt, z, &mut [])?;
            if of_events {
                evaluator.generate(z, rows, &mut self.x, None)?;
            }
            evaluator.pull_back(z, &self.x, rows, log_w)?;
            let mut events = self.x.chunks_exact(self.event_dim);
            for l in log_w {
                let finite = events
                    .next()
                    .is_none_or(|x| x.iter().all(|x| x.is_finite()));
                if !(finite && *l < f64::INFINITY) {
                    *l = f64::NEG_INFINITY;
                    non_finite += 1;
                }
            }
        }
        Ok(non_finite)
    }

    /// Draws the order in which the rows are filled, and returns a uniform number that is independent of it: the fraction of the sum of the
    /// numbers that were sorted.
    fn shuffle(
        &mut self,
        draws: &mut Draws,
        of: Places,
        places: impl ExactSizeIterator<Item = u64> + Clone,
    ) -> Result<f64> {
        let rows = places.len();
        self.keys.sized(rows, 0.0)?;
        draws.draw(of, places, SHUFFLE, &mut [], &mut self.keys)?;
        self.order.clear();
        self.order.put_all(0..rows)?;
        let keys = &self.keys;
        sort_by_value(&mut self.order, &|i| keys[i]);
        Ok(keys.iter().sum::<f64>().fract())
    }
}
