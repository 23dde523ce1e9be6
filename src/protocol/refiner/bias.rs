//! Whether the states of chains are where the weights say: expectations of both.

use crate::room::{self, Grow};
use crate::Result;
use serde::Serialize;

/// A shift is one beyond so many standard deviations of what is averaged, and so many standard errors.
const SHIFTED: f64 = 0.05;
const ERRORS: f64 = 5.0;

/// (Σw)² / Σw² of weighted latents, by their number, below which their own errors are unknown: chains may be the better judges then.
const REACH: f64 = 0.05;

/// Of log w, of every latent, and of its square.
pub(super) struct Expectations(Vec<Expectation>);

#[derive(Clone, Copy)]
struct Expectation {
    mean: f64,
    /// Standard error of the mean.
    error: f64,
    /// Standard deviation of what is averaged.
    width: f64,
}

/// The expectation that is furthest from what the weights say.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Bias {
    /// What is averaged.
    of: String,
    /// Chains − weights, in standard deviations.
    shift: f64,
    /// Standard error of the shift.
    error: f64,
}

fn count(dim: usize) -> usize {
    1 + 2 * dim
}

fn name(k: usize) -> String {
    match k {
        0 => "log w".into(),
        odd if odd % 2 == 1 => format!("z{}", odd / 2),
        even => format!("z{}²", even / 2 - 1),
    }
}

/// What is averaged, of one latent.
fn value(k: usize, z: &[f64], log_w: f64) -> f64 {
    match k {
        0 => log_w,
        odd if odd % 2 == 1 => z[odd / 2],
        even => z[even / 2 - 1] * z[even / 2 - 1],
    }
}

impl Expectations {
    /// Of latents of the prior with their weights, none if these are too broad to know expectations by: rows of which the first `dim` columns are latents.
    pub fn of_weights(z: &[f64], row: usize, dim: usize, log_w: &[f64]) -> Result<Self> {
        let largest = log_w.iter().copied().filter(|l| l.is_finite());
        let largest = largest.fold(f64::NEG_INFINITY, f64::max);
        let weighted = || {
            let rows = z.chunks_exact(row).zip(log_w);
            let finite = rows.filter(|(_, log_w)| log_w.is_finite());
            finite.map(move |(z, log_w)| (z, *log_w, libm::exp(log_w - largest)))
        };
        let (sum, squares) = weighted().fold((0.0, 0.0), |(s, q), (_, _, w)| (s + w, q + w * w));
        let mut all = Vec::new();
        if sum * sum < REACH * squares * log_w.len() as f64 {
            return Ok(Expectations(all));
        }
        for k in 0..count(dim) {
            let (mut sum, mut total) = (0.0, 0.0);
            for (z, log_w, w) in weighted() {
                sum += w * value(k, z, log_w);
                total += w;
            }
            let mean = sum / total;
            let (mut squares, mut weighted_squares) = (0.0, 0.0);
            for (z, log_w, w) in weighted() {
                let off = value(k, z, log_w) - mean;
                squares += w * off * off;
                weighted_squares += w * w * off * off;
            }
            all.put(Expectation {
                mean,
                error: weighted_squares.sqrt() / total,
                width: (squares / total).sqrt(),
            })?;
        }
        Ok(Expectations(all))
    }

    /// The worst of chains, draws × chains × dimensions of states with their log w. The chains are independent, and their states need not be.
    /// None if nothing is expected.
    pub fn bias(&self, z: &[f64], log_w: &[f64], chains: usize) -> Result<Option<Bias>> {
        let (dim, draws) = (z.len() / log_w.len(), log_w.len() / chains);
        let mut means = room::filled(chains, 0.0)?;
        let mut worst: Option<(f64, Bias)> = None;
        for (k, expected) in self.0.iter().enumerate() {
            means.fill(0.0);
            for (i, (z, log_w)) in z.chunks_exact(dim).zip(log_w).enumerate() {
                means[i % chains] += value(k, z, *log_w) / draws as f64;
            }
            let n = chains as f64;
            let mean = means.iter().sum::<f64>() / n;
            let variance = means.iter().map(|m| (m - mean) * (m - mean)).sum::<f64>();
            let variance = variance / (n * (n - 1.0));
            let shift = (mean - expected.mean) / expected.width;
            let error = (variance + expected.error * expected.error).sqrt() / expected.width;
            // Of what does not vary there is no shift.
            let size = shift.abs() / SHIFTED.max(ERRORS * error);
            if size.is_finite() && worst.as_ref().is_none_or(|(most, _)| size > *most) {
                let of = name(k);
                worst = Some((size, Bias { of, shift, error }));
            }
        }
        Ok(worst.map(|(_, bias)| bias))
    }
}

impl Bias {
    /// Whether the chains are elsewhere.
    pub fn is_one(&self) -> bool {
        self.shift.abs() > SHIFTED.max(ERRORS * self.error)
    }

    /// In words.
    pub fn told(&self) -> String {
        let Bias { of, shift, error } = self;
        format!("the mean of {of} over them is {shift:+.3} ± {error:.3} standard deviations from that of the weighted latents")
    }
}
