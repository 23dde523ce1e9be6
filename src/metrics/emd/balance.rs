//! The difference of two histograms in integers.

use crate::room::{self, Gather};
use crate::Result;

/// What each bin has to give (positive) or to receive (negative), in integers that sum to zero.
pub(super) struct Balance {
    /// One integer a bin; the positive ones sum to about 2⁶⁰.
    pub masses: Vec<i64>,
    /// The probability that one unit of `masses` stands for.
    pub unit: f64,
}

/// Few enough that no sum of masses overflows, many enough that their rounding does not matter.
const TOTAL: f64 = (1u64 << 60) as f64;

impl Balance {
    /// The balance p − q of bin probabilities that sum to one each.
    pub fn new(p: &[f64], q: &[f64]) -> Result<Self> {
        let excess = p
            .iter()
            .zip(q)
            .map(|(&p, &q)| significant_difference(p, q))
            .gather()?;
        let moved = 0.5 * excess.iter().map(|e| e.abs()).sum::<f64>();
        if moved == 0.0 {
            return Ok(Balance {
                masses: room::filled(p.len(), 0)?,
                unit: 0.0,
            });
        }
        let unit = moved / TOTAL;
        let mut masses = excess.iter().map(|e| (e / unit).round() as i64).gather()?;
        // Rounding leaves a small surplus of one sign: take it from the largest mass of that sign.
        let surplus: i64 = masses.iter().sum();
        let of_its_sign = masses.iter_mut().filter(|m| m.signum() == surplus.signum());
        if let Some(largest) = of_its_sign.max_by_key(|m| m.abs()) {
            *largest -= surplus;
        }
        Ok(Balance { masses, unit })
    }
}

/// p − q, or zero where they differ by no more than the rounding of their normalisation.
fn significant_difference(p: f64, q: f64) -> f64 {
    let difference = p - q;
    if difference.abs() > 4.0 * f64::EPSILON * p.max(q) {
        difference
    } else {
        0.0
    }
}
