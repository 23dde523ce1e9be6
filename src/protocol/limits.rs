//! The limits of the weights: what was met on the target's held-out events and on generated ones bounds what may be met later.

use crate::model::Limits;
use crate::room::Gather;
use crate::Result;
use serde::Serialize;

/// Where log w is to end: at the top, the level that a share `tail` of the events of neither sample exceeds, times the factor `margin`; at
/// the bottom, the smallest weight of either, over it, for events that the target does not have are to keep weights near 0. None where
/// nothing is finite, or for a tail of 0.
pub(super) fn limits(
    target: &[f64],
    generated: &[f64],
    tail: f64,
    margin: f64,
) -> Result<Option<Limits>> {
    if tail <= 0.0 {
        return Ok(None);
    }
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for sample in [target, generated] {
        let finite = sample.iter().copied().filter(|l| l.is_finite());
        let mut sample = finite.gather()?;
        sample.sort_unstable_by(f64::total_cmp);
        let beyond = (tail * sample.len() as f64) as usize;
        if let [first, .., _] = sample[..] {
            low = low.min(first);
            high = high.max(sample[sample.len() - 1 - beyond]);
        }
    }
    let limits = Limits {
        low: low - libm::log(margin),
        high: high + libm::log(margin),
    };
    Ok((limits.low.is_finite() && limits.high.is_finite()).then_some(limits))
}

/// What the limits of the weights do.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct LimitReport {
    /// Smallest weight.
    pub low: f64,
    /// Largest weight.
    pub high: f64,
    /// Share of the pilot's events at the largest weight.
    pub events: f64,
    /// Share of their weight.
    pub weight: f64,
}

/// So large a share of the weight at the limit is told.
pub(in crate::protocol) const TOO_MUCH: f64 = 0.01;

impl LimitReport {
    /// Of events with their log w, within the limits, and the weights that they end with.
    pub fn new(limits: Limits, log_w: &[f64], weights: &[f64]) -> Self {
        let events = || log_w.iter().zip(weights);
        let at = || events().filter(|(l, _)| **l >= limits.high);
        let sum: f64 = weights.iter().filter(|w| w.is_finite()).sum();
        LimitReport {
            low: libm::exp(limits.low),
            high: libm::exp(limits.high),
            events: at().count() as f64 / log_w.len() as f64,
            weight: at().map(|(_, w)| w).sum::<f64>() / sum,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_leave_out_the_tail_and_add_the_margin() {
        // log w from 0 to 0.9999 in 10 000 steps, and one event that a classifier gone wild gives e^100.
        let mut generated: Vec<f64> = (0..10_000).map(|i| f64::from(i) * 1e-4).collect();
        generated[17] = 100.0;
        let target = [-1.0, 0.5, f64::NAN, f64::INFINITY];
        let found = limits(&target, &generated, 1e-4, 2.0).unwrap().unwrap();
        assert!(
            (found.high - (0.9999 + 2f64.ln())).abs() < 1e-12,
            "{found:?}"
        );
        assert!((found.low - (-1.0 - 2f64.ln())).abs() < 1e-12);
        assert_eq!(found.apply(100.0), found.high);
        assert_eq!(found.apply(-100.0), found.low);
        assert!(found.apply(0.3) == 0.3 && found.apply(f64::NAN).is_nan());
        assert_eq!(limits(&target, &generated, 0.0, 2.0).unwrap(), None);
        assert_eq!(limits(&[], &[f64::NAN; 5], 1e-4, 2.0).unwrap(), None);
        generated.iter_mut().for_each(|l| *l = found.apply(*l));
        let weights: Vec<f64> = generated.iter().map(|l| l.exp()).collect();
        let report = LimitReport::new(found, &generated, &weights);
        assert!((report.high - 2.0 * 0.9999f64.exp()).abs() < 1e-9);
        assert_eq!(report.events, 1e-4);
        // One of 10 000 weights whose mean is e − 1.
        let expected = 1e-4 * report.high / (1f64.exp() - 1.0);
        assert!((report.weight / expected - 1.0).abs() < 1e-3, "{report:?}");
    }
}
