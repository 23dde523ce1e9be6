//! Binomial numbers.

use rand::RngCore;

/// From this many trials on the search begins at the most probable number.
const MANY: f64 = 16.0;

/// How many of `trials`, a whole number, succeed, each with `probability`: an inversion, in a time that grows with the spread of the result.
pub(super) fn binomial(trials: f64, probability: f64, rng: &mut impl RngCore) -> f64 {
    let p = probability.clamp(0.0, 1.0);
    if p > 0.5 {
        return trials - binomial(trials, 1.0 - p, rng);
    }
    if trials <= 0.0 || p <= 0.0 {
        return 0.0;
    }
    let odds = p / (1.0 - p);
    let mut u = uniform(rng);
    let mode = match trials < MANY {
        true => 0.0,
        false => ((trials + 1.0) * p).floor().min(trials),
    };
    let choices =
        libm::lgamma(trials + 1.0) - libm::lgamma(mode + 1.0) - libm::lgamma(trials - mode + 1.0);
    let log_at_mode = choices + mode * libm::log(p) + (trials - mode) * libm::log1p(-p);
    // Numbers below the mode and above it in turn, with their probabilities.
    let (mut below, mut above) = (mode, mode);
    let mut probability_below = libm::exp(log_at_mode);
    let mut probability_above = probability_below;
    if u < probability_above {
        return mode;
    }
    u -= probability_above;
    // Rounding can leave more of u than there is probability.
    while probability_below > 0.0 || probability_above > 0.0 {
        probability_above *= (trials - above) / (above + 1.0) * odds;
        above += 1.0;
        if u < probability_above {
            return above;
        }
        u -= probability_above;
        probability_below *= below / ((trials - below + 1.0) * odds);
        below -= 1.0;
        if u < probability_below {
            return below;
        }
        u -= probability_below;
    }
    mode
}

/// In (0, 1).
pub(super) fn uniform(rng: &mut impl RngCore) -> f64 {
    ((rng.next_u64() >> 12) as f64 + 0.5) / (1u64 << 52) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::{domain, Noise};

    /// Every number as often as its probability says, on both sides of the change of the search and of one half.
    #[test]
    fn frequencies_are_those_of_the_binomial_distribution() {
        const N: usize = 200_000;
        for (stream, (trials, p)) in [
            (0.0, 0.3),
            (1.0, 0.3),
            (5.0, 0.5),
            (15.0, 0.9),
            (16.0, 0.02),
            (60.0, 0.4),
            (2000.0, 0.7),
            (100_000.0, 1e-4),
        ]
        .into_iter()
        .enumerate()
        {
            let mut rng = Noise::new(6, stream as u64, domain::SCORES).rng(0);
            let numbers: Vec<f64> = (0..N).map(|_| binomial(trials, p, &mut rng)).collect();
            let whole = |k: &f64| (0.0..=trials).contains(k) && k.fract() == 0.0;
            assert!(numbers.iter().all(whole));
            let expected = |k: f64| {
                let choices = libm::lgamma(trials + 1.0)
                    - libm::lgamma(k + 1.0)
                    - libm::lgamma(trials - k + 1.0);
                N as f64 * (choices + k * p.ln() + (trials - k) * (1.0 - p).ln()).exp()
            };
            let (mut chi2, mut bins) = (0.0, 0.0);
            for k in (0..=trials as usize).map(|k| k as f64) {
                if expected(k) > 20.0 {
                    let found = numbers.iter().filter(|n| **n == k).count() as f64;
                    chi2 += (found - expected(k)).powi(2) / expected(k);
                    bins += 1.0;
                }
            }
            assert!(
                bins > 0.0 && (chi2 - bins).abs() < 5.0 * f64::max(2.0 * bins, 2.0).sqrt(),
                "{trials} {p}: {chi2} of {bins}"
            );
        }
        let mut rng = Noise::new(6, 9, domain::SCORES).rng(0);
        assert_eq!(binomial(7.0, 1.0, &mut rng), 7.0);
        assert_eq!(binomial(7.0, 0.0, &mut rng), 0.0);
    }
}
