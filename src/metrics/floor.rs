//! What scores of histograms are worth between samples of one distribution.

use super::binomial::{binomial, uniform};
use super::bootstrap::{check_repeats, Floor};
use super::histogram::Histogram2d;
use super::score::{probabilities, Score};
use crate::error::{Error, Result};
use crate::noise::places;
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
/// samples of these sizes and weights from one distribution.
///
/// Permutations: in every bin the events of both are dealt out anew, by `seed`, to the one or the other by the shares which both would have of
/// one distribution: exact for events without weights. Those with weights count as so many of the mean weight Σw²/Σw of the bin and its
/// neighbours: floors are then right to a few per cent of themselves where weights are a function of x and y, and up to a tenth too
/// high where they scatter much at one place. Time: that of `repeats` scores.
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
    let (p_bins, q_bins) = probabilities(p, q)?;
    check_repeats(repeats)?;
    let (p_weights, q_weights) = (of_one_weight(p, &p_bins)?, of_one_weight(q, &q_bins)?);
    let bins = p_bins.iter().zip(&p_weights);
    let bins = bins.zip(q_bins.iter().zip(&q_weights));
    let pooled = bins.map(|((p, u), (q, v))| p / u + q / v).gather()?;
    let mut scores = room::empty(repeats)?;
    for repeat in 0..repeats as u64 {
        let mut rng = places::BOOTSTRAP.noise(seed).rng(repeat);
        let (a, b) = loop {
            let weights = p_weights.iter().zip(&q_weights);
            let dealt = pooled.iter().zip(weights).map(|(events, (u, v))| {
                let events = (events + uniform(&mut rng)).floor();
                let first = binomial(events, v / (u + v), &mut rng);
                (first * u, (events - first) * v)
            });
            let dealt = dealt.gather()?;
            let a = p.with_contents(dealt.iter().map(|bin| bin.0))?;
            let b = p.with_contents(dealt.iter().map(|bin| bin.1))?;
            // Of very few events all may have gone to one.
            if a.total() > 0.0 && b.total() > 0.0 {
                break (a, b);
            }
        };
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

/// The weight of an event in every bin, of a total of 1: Σw²/Σw of the bin and the eight around it, or of all where those are empty.
fn of_one_weight(h: &Histogram2d, bins: &[f64]) -> Result<Vec<f64>> {
    let squares = h.normalised_squares()?;
    // Where weights cancel, all of them may be worth less than an event.
    let all = (1.0 / h.effective_entries()).min(1.0);
    let (nx, ny) = (h.nx(), h.ny());
    let mut weights = room::filled(bins.len(), all)?;
    for ix in 0..nx {
        for iy in 0..ny {
            let (mut sum, mut of_squares) = (0.0, 0.0);
            for x in ix.saturating_sub(1)..(ix + 2).min(nx) {
                let row = x * ny + iy.saturating_sub(1)..x * ny + (iy + 2).min(ny);
                sum += bins[row.clone()].iter().sum::<f64>();
                of_squares += squares[row].iter().sum::<f64>();
            }
            if sum > 0.0 && of_squares > 0.0 {
                weights[ix * ny + iy] = (of_squares / sum).min(1.0);
            }
        }
    }
    Ok(weights)
}
