//! Jensen-Shannon divergence.

use super::histogram::Histogram2d;
use super::score::{probabilities, Score};
use crate::error::Result;

/// The Jensen-Shannon divergence of two histograms, each normalised to one:
/// ½ Σ [p ln(2p/(p+q)) + q ln(2q/(p+q))], in nats, within [0, ln 2]; see [`Score`] for the paper's convention.
///
/// # Errors
/// [`InvalidArgument`](crate::Error::InvalidArgument) if the binnings differ, [`Data`](crate::Error::Data) for
/// an empty histogram or a negative bin.
pub fn jsd(p: &Histogram2d, q: &Histogram2d) -> Result<Score> {
    let (probability_p, probability_q) = probabilities(p, q)?;
    let sum: f64 = probability_p
        .iter()
        .zip(&probability_q)
        .map(|(&p, &q)| term(p, q) + term(q, p))
        .sum();
    // Rounding can leave a sum of −1e-17 or ln 2 + 1e-16.
    let value = (0.5 * sum).clamp(0.0, std::f64::consts::LN_2);
    Ok(Score {
        value,
        paper: value / p.bin_area(),
    })
}

/// a ln(2a/(a+b)), with 0 ln 0 = 0.
fn term(a: f64, b: f64) -> f64 {
    if a > 0.0 {
        a * libm::log(2.0 * a / (a + b))
    } else {
        0.0
    }
}
