//! What learned refiners learn from: rows with weights, drawn once, shuffled anew every epoch.

use crate::model::Real;
use crate::noise::{places, Noise};
use crate::objective::Batch;
use crate::room::{Gather, Grow};
use crate::train::{Feed, Passes, Resume, Words};
use crate::{Error, Result};

/// Rows of a latent (N) and a scaled condition (C), or of a pair of latents and the condition. Weights have mean 1.
pub(super) struct Pool {
    rows: Vec<f64>,
    weights: Vec<f64>,
    order: Passes,
    shuffle: Noise,
}

impl Pool {
    /// As many rows, end to end, as there are weights.
    pub fn new(rows: Vec<f64>, weights: Vec<f64>, seed: u64) -> Result<Self> {
        Ok(Pool {
            order: Passes::new((0..weights.len()).gather()?, 0),
            rows,
            weights,
            shuffle: places::POOL_ROWS.noise(seed),
        })
    }
}

/// exp(`log_w`) over its mean; 0 where it is not finite.
///
/// # Errors
/// [`Error::Numerical`] if nothing is left.
pub(super) fn unit_weights(log_w: &[f64]) -> Result<Vec<f64>> {
    let finite = |w: f64| if w.is_finite() { w } else { 0.0 };
    let mut w = log_w.iter().map(|l| finite(libm::exp(*l))).gather()?;
    let mean = w.iter().sum::<f64>() / w.len() as f64;
    if !(mean > 0.0 && mean.is_finite()) {
        return Err(Error::Numerical(format!(
            "the mean weight of the latent pool is {mean}"
        )));
    }
    w.iter_mut().for_each(|w| *w /= mean);
    Ok(w)
}

impl Resume for Pool {
    fn position(&self, words: &mut Vec<u64>) -> Result<()> {
        words.push(self.order.drawn());
        Ok(())
    }

    fn resume(&mut self, words: &mut Words) -> Result<()> {
        let to = words.next_drawn(self.order.drawn())?;
        self.order.resume(to, self.shuffle, words.go_on)
    }
}

impl<T: Real> Feed<T> for Pool {
    fn fill(&mut self, rows: usize, batch: &mut Batch<T>) -> Result<()> {
        let chosen = self.order.draw(rows, self.shuffle)?;
        batch.rows = rows;
        batch.x.clear();
        batch.weights.clear();
        let columns = self.rows.len() / self.weights.len();
        batch.x.room(rows * columns)?;
        batch.weights.room(rows)?;
        for row in chosen {
            let values = &self.rows[row * columns..][..columns];
            batch.x.extend(values.iter().map(|&v| T::from_f64(v)));
            batch.weights.push(T::from_f64(self.weights[row]));
        }
        Ok(())
    }

    fn pass(&self) -> Option<usize> {
        Some(self.order.rows())
    }

    fn held_out(&mut self) -> Result<Vec<Batch<T>>> {
        Ok(Vec::new())
    }
}
