//! Poisson numbers.

use super::binomial::uniform;
use rand::RngCore;

/// From this mean on, rejection is faster than search.
const LARGE: f64 = 10.0;

/// A number of events where `mean` are expected.
pub(crate) fn poisson(mean: f64, rng: &mut impl RngCore) -> f64 {
    if mean < LARGE {
        by_search(mean, uniform(rng))
    } else {
        by_rejection(mean, rng)
    }
}

/// The least k whose cumulative probability exceeds u.
fn by_search(mean: f64, mut u: f64) -> f64 {
    let (mut k, mut probability) = (0.0, libm::exp(-mean));
    // Rounding can leave more of u than there is probability.
    while u > probability && probability > 0.0 {
        u -= probability;
        k += 1.0;
        probability *= mean / k;
    }
    k
}

/// Algorithm PTRS of W. Hörmann, Insurance: Mathematics and Economics 12 (1993) 39.
fn by_rejection(mean: f64, rng: &mut impl RngCore) -> f64 {
    let b = 0.931 + 2.53 * mean.sqrt();
    let a = -0.059 + 0.024_83 * b;
    let inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
    let squeeze = 0.9277 - 3.6224 / (b - 2.0);
    loop {
        let (u, v) = (uniform(rng) - 0.5, uniform(rng));
        let edge = 0.5 - u.abs();
        let k = ((2.0 * a / edge + b) * u + mean + 0.43).floor();
        if edge >= 0.07 && v <= squeeze {
            return k;
        }
        if k < 0.0 || (edge < 0.013 && v > edge) {
            continue;
        }
        let log_density = k * libm::log(mean) - mean - libm::lgamma(k + 1.0);
        if libm::log(v * inverse_alpha / (a / (edge * edge) + b)) <= log_density {
            return k;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::{domain, Noise};

    /// Mean, variance and third central moment of a Poisson number are its mean.
    #[test]
    fn moments_are_those_of_poisson() {
        const N: usize = 200_000;
        for (stream, mean) in [0.0, 0.02, 0.7, 3.0, 9.9, 10.0, 12.5, 80.0, 4000.0]
            .into_iter()
            .enumerate()
        {
            let mut rng = Noise::new(3, stream as u64, domain::SCORES).rng(0);
            let numbers: Vec<f64> = (0..N).map(|_| poisson(mean, &mut rng)).collect();
            assert!(numbers.iter().all(|k| *k >= 0.0 && k.fract() == 0.0));
            let moment = |power: i32| {
                let terms = numbers.iter().map(|k| (k - mean).powi(power));
                terms.sum::<f64>() / N as f64
            };
            // Variances of the powers, from the central moments of Poisson's distribution.
            let m = mean;
            let sigma = |variance: f64| 5.0 * (variance / N as f64).sqrt();
            assert!(moment(1).abs() <= sigma(m), "mean {mean}");
            let fourth = m * (1.0 + 3.0 * m);
            assert!(
                (moment(2) - m).abs() <= sigma(fourth - m * m),
                "variance {mean}"
            );
            let sixth = m + 25.0 * m * m + 15.0 * m.powi(3);
            assert!(
                (moment(3) - m).abs() <= sigma(sixth - m * m),
                "skewness {mean}"
            );
        }
    }

    /// The probabilities themselves, on both sides of the change of method.
    #[test]
    fn frequencies_are_those_of_poisson() {
        const N: usize = 200_000;
        for mean in [4.0, 10.5, 30.0] {
            let mut rng = Noise::new(4, 0, domain::SCORES).rng(mean as u64);
            let mut counts = [0.0; 100];
            (0..N).for_each(|_| counts[(poisson(mean, &mut rng) as usize).min(99)] += 1.0);
            let expected = |k: usize| {
                N as f64 * (k as f64 * mean.ln() - mean - libm::lgamma(k as f64 + 1.0)).exp()
            };
            let bins: Vec<usize> = (0..99).filter(|&k| expected(k) > 20.0).collect();
            let chi2: f64 = bins
                .iter()
                .map(|&k| (counts[k] - expected(k)).powi(2) / expected(k))
                .sum();
            let n = bins.len() as f64;
            assert!(
                (chi2 - n).abs() < 5.0 * (2.0 * n).sqrt(),
                "{mean}: {chi2} of {n}"
            );
        }
    }
}
