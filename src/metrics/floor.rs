//! What scores of histograms are worth between samples of one distribution.

use super::bootstrap::{check_repeats, Floor};
use super::histogram::Histogram2d;
use super::poisson::poisson;
use super::score::{probabilities, Score};
use crate::error::{Error, Result};
use crate::noise::{places, PhiloxRng};
use crate::room::{self, Gather};

/// The floor of a score of two histograms, in both of its conventions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoreFloor {
    /// Mean over the repeats.
    pub mean: Score,
    /// Standard deviation over the repeats, that of one score.
    pub spread: Score,
}

/// The floor of `score` ([`jsd`](super::jsd()) or [`emd`](super::emd())) for two histograms: its mean and spread between independent
/// samples of these sizes from one distribution, the average of both.
///
/// Parametric bootstrap: `repeats` pairs of histograms whose bins are Poisson numbers, drawn by `seed`. The sizes are
/// [effective](Histogram2d::effective_entries); the average is weighted by them. Time: that of `repeats` scores.
///
/// # Errors
/// Those of the score; [`Error::InvalidArgument`] for fewer than two repeats, or more than a million.
pub fn floor(
    score: impl Fn(&Histogram2d, &Histogram2d) -> Result<Score>,
    p: &Histogram2d,
    q: &Histogram2d,
    repeats: usize,
    seed: u64,
) -> Result<ScoreFloor> {
    if repeats < 2 {
        return Err(Error::InvalidArgument(format!(
            "{repeats} repeats; at least two are required for a mean and its spread"
        )));
    }
    let sizes = [p, q].map(|h| h.effective_entries().max(1.0));
    let (p_bins, q_bins) = probabilities(p, q)?;
    check_repeats(repeats)?;
    let pooled = p_bins
        .iter()
        .zip(&q_bins)
        .map(|(p, q)| (sizes[0] * p + sizes[1] * q) / (sizes[0] + sizes[1]))
        .gather()?;
    let mut scores = room::empty(repeats)?;
    for repeat in 0..repeats as u64 {
        let mut rng = places::BOOTSTRAP.noise(seed).rng(repeat);
        let mut drawn = |size| p.with_contents(&draw(&pooled, size, &mut rng)?);
        let (a, b) = (drawn(sizes[0])?, drawn(sizes[1])?);
        scores.push(score(&a, &b)?);
    }
    let of = |convention: fn(&Score) -> f64| {
        Ok::<_, Error>(Floor::of(&scores.iter().map(convention).gather()?))
    };
    let (value, paper) = (of(|s| s.value)?, of(|s| s.paper)?);
    Ok(ScoreFloor {
        mean: Score {
            value: value.mean,
            paper: paper.mean,
        },
        spread: Score {
            value: value.spread,
            paper: paper.spread,
        },
    })
}

/// A histogram of about `size` events, at least one.
fn draw(probabilities: &[f64], size: f64, rng: &mut PhiloxRng) -> Result<Vec<f64>> {
    loop {
        let bins = probabilities.iter().map(|p| poisson(size * p, rng));
        let bins = bins.gather()?;
        if bins.iter().any(|&n| n > 0.0) {
            return Ok(bins);
        }
    }
}
