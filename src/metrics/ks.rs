//! The Kolmogorov-Smirnov test of two samples.

use super::bootstrap::Masses;
use super::emd_1d::check_feature;
use super::ordered::Ordered;
use super::sample::{Sample, Size};
use crate::error::Result;
use std::f64::consts::{PI, TAU};

/// A Kolmogorov-Smirnov test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KolmogorovSmirnov {
    /// D = max |F_p(x) − F_q(x)|, of the weighted cumulative distributions: from 0 to 1, and above where negative weights take one of them
    /// out of that range.
    pub statistic: f64,
    /// The probability of so large a D or a larger one if both samples follow the same continuous distribution.
    pub p_value: f64,
}

/// The two-sided test of one feature in two samples.
///
/// The p-value is Kolmogorov's limit with Stephens' correction for finite samples, Q((√N + 0.12 + 0.11/√N) D) with
/// N = n m / (n + m) (M. A. Stephens, J. R. Statist. Soc. B 32 (1970) 115) for n and m events without weights: good to a per cent
/// or so of itself for N ≥ 10. Weighted ones count by their effective sizes (Σw)²/Σw², or, where that
/// is less, with N = 1 / 4V, where V is the largest variance of F_p − F_q, by the weights there are below and above each value: approximate. Conservative for data with ties.
///
/// # Errors
/// [`InvalidArgument`](crate::Error::InvalidArgument) if a sample has no such feature, [`Data`](crate::Error::Data) for weights
/// without a positive total.
pub fn kolmogorov_smirnov(p: &Sample, q: &Sample, feature: usize) -> Result<KolmogorovSmirnov> {
    check_feature(p, q, feature)?;
    let masses = Masses::new(p, q)?;
    let order = Ordered::new(p.column(feature).chain(q.column(feature)))?;
    let height = order.height(|event| masses.get(event));
    let statistic = match p.weights().chain(q.weights()).all(|w| w >= 0.0) {
        // Rounding can leave 1 + 2e-16.
        true => height.min(1.0),
        false => height,
    };
    let [n, m] = masses.sizes;
    let variance = order.largest_variance(|event| masses.share(event));
    let variance = variance.max(0.25 * (1.0 / n + 1.0 / m));
    Ok(KolmogorovSmirnov {
        statistic,
        p_value: chance(statistic, 0.5 / variance.sqrt()),
    })
}

/// The p-value of a D between samples of these effective sizes, where weights have nothing to do with values.
pub(crate) fn kolmogorov_smirnov_chance(statistic: f64, [n, m]: [f64; 2]) -> f64 {
    chance(statistic, (n / (n + m) * m).sqrt())
}

/// Of √N.
fn chance(statistic: f64, root: f64) -> f64 {
    survival((root + 0.12 + 0.11 / root) * statistic)
}

/// The same of two weights that every event has: whether the differences, scaled to the same total, cumulate as those would which have no
/// mean anywhere, a bridge of Brownian motion. Conservative for data with ties.
///
/// # Errors
/// [`Data`](crate::Error::Data) for weights without a positive total.
pub(crate) fn kolmogorov_smirnov_of_pairs(
    x: impl Iterator<Item = f64>,
    [p, q]: [&[f64]; 2],
) -> Result<KolmogorovSmirnov> {
    let totals = [(p, "the first weights"), (q, "the second weights")];
    let [p_total, q_total] = totals.map(|(w, whose)| Size::of(w.iter().copied(), whose));
    let (p_total, q_total) = (p_total?.total, q_total?.total);
    let difference = |event: usize| p[event] / p_total - q[event] / q_total;
    let statistic = Ordered::new(x)?.height(difference);
    let squares = (0..p.len()).map(|event| difference(event).powi(2));
    let root = squares.sum::<f64>().sqrt();
    Ok(KolmogorovSmirnov {
        statistic,
        p_value: match root > 0.0 {
            true => survival(statistic / root),
            false => 1.0,
        },
    })
}

/// Q(λ) = 2 Σ (−1)^(k−1) exp(−2k²λ²), the probability that Kolmogorov's limiting variable exceeds λ.
fn survival(lambda: f64) -> f64 {
    let sum = |term: &dyn Fn(f64) -> f64| (1..=10).map(|k| term(f64::from(k))).sum::<f64>();
    if lambda < 1e-3 {
        1.0
    } else if lambda < 1.0 {
        // The same by Jacobi's transformation, which converges fast here.
        let term = |k: f64| libm::exp(-((2.0 * k - 1.0) * PI / lambda).powi(2) / 8.0);
        1.0 - TAU.sqrt() / lambda * sum(&term)
    } else {
        let term = |k: f64| -libm::pow(-1.0, k) * libm::exp(-2.0 * (k * lambda).powi(2));
        2.0 * sum(&term)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::{domain, Noise};

    /// Signs by chance: their p-values are uniform; a mean that drifts with x is found.
    #[test]
    fn weights_of_the_same_events_are_compared_by_their_scatter() {
        const ROWS: usize = 1000;
        let mean = |x: f64, drift: f64| 0.6 + drift * (x - 0.5);
        let p_value = |run: u64, drift: f64| {
            let mut u = [0.0; 2 * ROWS];
            Noise::new(3, run, domain::ACCEPT).fill_uniforms(0, ROWS, 2, &mut u);
            let rows = || u.chunks_exact(2);
            let signs =
                rows().map(|u| 2.0 * f64::from(u[1] < 0.5 * (1.0 + mean(u[0], drift))) - 1.0);
            let (signs, means) = (
                signs.collect::<Vec<_>>(),
                rows().map(|u| mean(u[0], 0.0)).collect::<Vec<_>>(),
            );
            let x = rows().map(|u| u[0]);
            kolmogorov_smirnov_of_pairs(x, [&means, &signs])
                .unwrap()
                .p_value
        };
        let small = (0..400).filter(|run| p_value(*run, 0.0) < 0.1).count();
        assert!((20..60).contains(&small), "{small} of 400 below 0.1");
        assert!((0..10).all(|run| p_value(run, 0.6) < 1e-3));
        let equal = [0.5; 3];
        let same = kolmogorov_smirnov_of_pairs([1.0, 2.0, 3.0].into_iter(), [&equal, &equal]);
        assert_eq!(same.unwrap().p_value, 1.0);
        let none = kolmogorov_smirnov_of_pairs([1.0].into_iter(), [&[1.0], &[-1.0]]);
        assert!(none.is_err());
    }
}
