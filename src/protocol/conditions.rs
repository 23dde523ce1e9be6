//! Conditions to make events for when nobody has given any: those of the target's events.

use super::source::Source;
use crate::noise::{places, Noise};
use crate::options::{keys, Options};
use crate::room::{self, Gather};
use crate::{Error, Result};
use rand::seq::SliceRandom;

/// Conditions of target events, in their own distribution.
pub(super) struct Conditions {
    dim: usize,
    values: Vec<f64>,
}

impl Conditions {
    /// The last `dim` columns of a sample of the target's events; in the shares that their weights give them.
    ///
    /// # Errors
    /// Those of the source; [`Error::Data`] if no weight is positive.
    pub fn of(target: &mut Source, dim: usize, options: &Options) -> Result<Self> {
        if dim == 0 {
            return Ok(Self::none());
        }
        let sample = target.measured(options)?;
        let (width, rows) = (sample.dim, sample.len());
        let total: f64 = sample.w.iter().map(|w| w.max(0.0)).sum();
        if total <= 0.0 {
            return Err(Error::Data(format!(
                "none of {rows} target events has a positive weight"
            )));
        }
        // Systematic resampling: a row of weight w comes rows · w / total times, rounded up or down.
        let mut values = room::empty(rows * dim)?;
        let (mut reached, mut row) = (sample.w[0].max(0.0), 0);
        for i in 0..rows {
            let wanted = (i as f64 + 0.5) / rows as f64 * total;
            while reached < wanted && row + 1 < rows {
                row += 1;
                reached += sample.w[row].max(0.0);
            }
            values.extend_from_slice(&sample.x[(row + 1) * width - dim..(row + 1) * width]);
        }
        // The source may be ordered, and so were the copies of a row.
        let seed = options.get(keys::SEED) as u64;
        let mut order = (0..rows).gather()?;
        order.shuffle(&mut places::CONDITIONS.rng(seed));
        let shuffled = order.iter().flat_map(|&i| &values[i * dim..(i + 1) * dim]);
        Ok(Conditions {
            dim,
            values: shuffled.copied().gather()?,
        })
    }

    /// Of events without conditions.
    pub fn none() -> Self {
        Conditions {
            dim: 0,
            values: Vec::new(),
        }
    }

    /// The condition of event `event`: they come one after the other, and again.
    pub fn get(&self, event: u64) -> &[f64] {
        if self.dim == 0 {
            return &[];
        }
        let count = (self.values.len() / self.dim) as u64;
        let at = (event % count) as usize * self.dim;
        &self.values[at..at + self.dim]
    }

    /// Latent rows of the events from `first` on: `n` normal numbers and a condition in each.
    pub fn latents(&self, noise: Noise, first: u64, n: usize, rows: &mut [f64]) {
        for (row, event) in rows.chunks_exact_mut(n + self.dim).zip(first..) {
            let (z, c) = row.split_at_mut(n);
            noise.normals(event, 0, z);
            c.copy_from_slice(self.get(event));
        }
    }
}
