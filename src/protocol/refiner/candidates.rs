//! Importance resampling (SIR; Rubin 1988): latents of q chosen by their weights from a pool of the prior.

use super::statistics::{Resampled, Statistics};
use crate::model::Evaluator;
use crate::noise::places::Places;
use crate::protocol::draws::Draws;
use crate::{Error, Result};

/// Number of the uniforms that shuffle. Those before it are the chains' own.
const SHUFFLE: u64 = 2;

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
        }
    }

    /// Chooses latents `z` (rows × N, with `log_w`, rows) by systematic resampling: one of weight w is taken w / (`each` · mean of w) times,
    /// rounded up or down at random, so not twice below `each` times the mean. They come in random order. Numbers are those of the places
    /// from `first` on.
    ///
    /// # Errors
    /// Those of evaluator and draws; [`Error::Numerical`] if no weight is positive.
    pub fn choose(
        &mut self,
        evaluator: &mut dyn Evaluator,
        draws: &mut Draws,
        (of, first): (Places, u64),
        (z, log_w): (&mut [f64], &mut [f64]),
        statistics: &mut Statistics,
    ) -> Result<()> {
        let (rows, dim) = (log_w.len(), z.len() / log_w.len());
        let places = (0..rows).map(|row| first.wrapping_add(row as u64));
        statistics.non_finite += self.draw(evaluator, draws, (of, places.clone()), z.len())?;
        let highest = self.log_w.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if highest == f64::NEG_INFINITY {
            return Err(Error::Numerical(format!(
                "of {} latents of the prior none has a positive, finite weight: there is nothing to resample for event {first}; the classifier's training has failed",
                self.log_w.len()
            )));
        }
        let weight = |log_w: f64| (log_w - highest).exp();
        let (mut sum, mut squares) = (0.0, 0.0);
        for w in self.log_w.iter().map(|&l| weight(l)) {
            sum += w;
            squares += w * w;
        }
        let offset = self.shuffle(draws, of, places)?;
        let mut pool = self.log_w.iter().enumerate();
        let (mut above, mut chosen, mut distinct) = (0.0, 0, 0);
        for (i, &row) in self.order.iter().enumerate() {
            let position = (i as f64 + offset) / rows as f64 * sum;
            let before = chosen;
            while above <= position {
                // Rounding may place the last position beyond the sum.
                let Some((candidate, w)) = pool.next().map(|(k, &l)| (k, weight(l))) else {
                    break;
                };
                if w > 0.0 {
                    (above, chosen) = (above + w, candidate);
                }
            }
            distinct += u64::from(i == 0 || chosen != before);
            z[row * dim..][..dim].copy_from_slice(&self.z[chosen * dim..][..dim]);
            log_w[row] = self.log_w[chosen];
        }
        statistics.resampled += &Resampled {
            pool: self.log_w.len() as u64,
            effective: sum * sum / squares,
            rows: rows as u64,
            distinct,
        };
        Ok(())
    }

    /// The pool: latents, and log w, which is −∞ where event or weight is not finite. Returns how many that are.
    fn draw(
        &mut self,
        evaluator: &mut dyn Evaluator,
        draws: &mut Draws,
        (of, places): (Places, impl ExactSizeIterator<Item = u64> + Clone),
        length: usize,
    ) -> Result<u64> {
        let rows = places.len();
        let mut non_finite = 0;
        self.z.resize(self.each * length, 0.0);
        self.x.resize(rows * self.event_dim, 0.0);
        self.log_w.resize(self.each * rows, 0.0);
        let slices = self.z.chunks_exact_mut(length);
        let slices = slices.zip(self.log_w.chunks_exact_mut(rows));
        for (attempt, (z, log_w)) in (0..).zip(slices) {
            draws.draw(of, places.clone(), attempt, z, &mut [])?;
            evaluator.generate(z, rows, &mut self.x, None)?;
            evaluator.pull_back(z, &self.x, rows, log_w)?;
            for (x, l) in self.x.chunks_exact(self.event_dim).zip(log_w) {
                if !(*l < f64::INFINITY && x.iter().all(|x| x.is_finite())) {
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
        self.keys.resize(rows, 0.0);
        draws.draw(of, places, SHUFFLE, &mut [], &mut self.keys)?;
        self.order.clear();
        self.order.extend(0..rows);
        let keys = &self.keys;
        self.order
            .sort_unstable_by(|&a, &b| keys[a].total_cmp(&keys[b]).then(a.cmp(&b)));
        Ok(keys.iter().sum::<f64>().fract())
    }
}
