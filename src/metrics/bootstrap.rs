//! Statistical errors and floors by resampling.

use super::sample::{Sample, Size};
use super::sum::Sum;
use crate::error::{Error, Result};
use crate::noise::Noise;
use crate::room::{Gather, Grow};
use rand::RngCore;

/// What a score is worth between two independent samples of one distribution: nothing below `mean` + a few `spread` tells samples apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Floor {
    /// Mean over the repeats; NaN without.
    pub mean: f64,
    /// Standard deviation over the repeats, that of one score; NaN for fewer than two.
    pub spread: f64,
}

/// So many repeats know a spread to a thousandth of itself; more tell nothing that scores are good for.
const MOST_REPEATS: usize = 1_000_000;

/// Refuses more repeats than can be meant.
pub(super) fn check_repeats(repeats: usize) -> Result<()> {
    if repeats <= MOST_REPEATS {
        return Ok(());
    }
    Err(Error::InvalidArgument(format!(
        "{repeats} repeats; {MOST_REPEATS} know the spread to a thousandth of itself, and are the most"
    )))
}

/// A score with its statistical error and its floor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The score of the samples.
    pub value: f64,
    /// Its standard error; NaN for fewer than two repeats.
    pub error: f64,
    /// What two samples of these sizes and weights would score if their distribution were the same.
    pub floor: Floor,
}

impl Floor {
    pub(super) fn of(scores: &[f64]) -> Self {
        let n = scores.len() as f64;
        let mean = scores.iter().sum::<f64>() / n;
        let squares: f64 = scores.iter().map(|s| (s - mean).powi(2)).sum();
        // Without scores, the sum of squares is 0 and its divisor −1.
        let variance = squares / (n - 1.0).max(0.0);
        Floor {
            mean,
            spread: variance.sqrt(),
        }
    }
}

/// The events of two samples, one after the other, each with its share in the difference of the two distributions:
/// w / Σw in the first sample, −w / Σw in the second.
pub(super) struct Masses {
    all: Vec<f64>,
    /// Events of the first.
    first: usize,
    /// Effective sizes of both.
    pub sizes: [f64; 2],
}

impl Masses {
    pub fn new(p: &Sample, q: &Sample) -> Result<Self> {
        let sizes = [
            Size::of(p.weights(), "the first sample")?,
            Size::of(q.weights(), "the second sample")?,
        ];
        let share = |size: Size, sign: f64| move |w: f64| sign * w / size.total;
        let all = p.weights().map(share(sizes[0], 1.0));
        Ok(Masses {
            all: all.chain(q.weights().map(share(sizes[1], -1.0))).gather()?,
            first: p.rows(),
            sizes: sizes.map(|size| size.effective),
        })
    }

    pub fn get(&self, event: usize) -> f64 {
        self.all[event]
    }

    /// Which sample an event is of, 0 or 1, and its share in it.
    pub fn share(&self, event: usize) -> (usize, f64) {
        match event < self.first {
            true => (0, self.all[event]),
            false => (1, -self.all[event]),
        }
    }

    /// Bootstrap: as many events of each sample drawn with replacement, their masses added up and normalised. A function of `noise`
    /// and `repeat` alone.
    pub fn resample(&self, noise: Noise, repeat: u64, out: &mut Vec<f64>) -> Result<()> {
        out.clear();
        out.sized(self.all.len(), 0.0)?;
        let mut rng = noise.rng(repeat);
        let (p, q) = self.all.split_at(self.first);
        let (to_p, to_q) = out.split_at_mut(self.first);
        for (from, to, sign) in [(p, to_p, 1.0), (q, to_q, -1.0)] {
            for _ in 0..from.len() {
                let event = below(&mut rng, from.len());
                to[event] += from[event];
            }
            let total = sign * to.iter().copied().collect::<Sum>().value();
            if !(total > 0.0 && total.is_finite()) {
                return Err(Error::Data(
                    "the negative weights outweigh the positive ones in a bootstrap sample; the statistical error is beyond measure, ask for no repeats".into(),
                ));
            }
            to.iter_mut().for_each(|mass| *mass *= 1.0 / total);
        }
        Ok(())
    }
}

/// An index below `n`.
fn below(rng: &mut impl RngCore, n: usize) -> usize {
    ((u128::from(rng.next_u64()) * n as u128) >> 64) as usize
}
