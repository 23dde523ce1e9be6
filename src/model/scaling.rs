//! The invertible maps between the features of an event and what the networks see.

use super::Real;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::f64::consts::LOG2_E;

/// The invertible map between a feature x of an event and what the networks see, u.
///
/// The maps with bounds take the open interval between them to the whole line, so that whatever a network makes lies within: with y a
/// feature on that line, u = (y − mean) / std. Rounding may put an event on a bound, never beyond it. Densities are those of x; beyond the
/// bounds they are 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Scaling {
    /// u = x.
    None,
    /// u = (x − mean) / std.
    Standardise {
        /// Mean of the feature in the training data.
        mean: f64,
        /// Its standard deviation, positive.
        std: f64,
    },
    /// Features with long tails: y = asinh((x − centre) / width), which is x near the centre and a logarithm of either sign far from it.
    Asinh {
        /// Median of the feature in the training data.
        centre: f64,
        /// Half the distance between its quartiles, positive.
        width: f64,
        /// Mean of y in the training data.
        mean: f64,
        /// Its standard deviation, positive.
        std: f64,
    },
    /// Features above a bound: y = ln(x − low).
    Log {
        /// The bound.
        low: f64,
        /// Mean of y in the training data.
        mean: f64,
        /// Its standard deviation, positive.
        std: f64,
    },
    /// Features between two bounds: y = logit(t) = ln(t / (1 − t)), t = (x − low) / (high − low).
    Logit {
        /// The lower bound.
        low: f64,
        /// The upper bound.
        high: f64,
        /// Mean of y in the training data.
        mean: f64,
        /// Its standard deviation, positive.
        std: f64,
    },
    /// Angles, and whatever else repeats: y = logit(t), t = ((x − cut) / period) mod 1. Any x is taken for the one in [low, low + period)
    /// that is whole periods away. The density is that on the circle; a flow makes it 0 at the cut.
    Periodic {
        /// Where the values that are given back begin.
        low: f64,
        /// After which they repeat, positive.
        period: f64,
        /// Where the circle is cut open: where the training data are sparsest.
        cut: f64,
        /// Mean of y in the training data.
        mean: f64,
        /// Its standard deviation, positive.
        std: f64,
    },
}

/// Logits are cut off at positions this far, in units of the interval, from both its ends: on the bounds they stay finite.
const EDGE: f64 = f64::EPSILON / 2.0;

#[inline(always)]
fn sigmoid(y: f64) -> f64 {
    1.0 / (1.0 + exp(-y))
}

/// exp(y) = 2^n exp(r) with |r| ≤ ln 2 / 2, from its power series; within 2 units in the last place. Without branches, so that many at once
/// become vectors, where libm's would be most of what a bounded feature costs. Products and sums are rounded apart: the same bits on every
/// processor.
#[inline(always)]
fn exp(y: f64) -> f64 {
    /// Added to n, it leaves n + bias of the exponent in the lowest bits, and rounds what is not an integer.
    const ROUND: f64 = 1.5 * (1u64 << 52) as f64 + 1023.0;
    /// So few bits that the product with n is exact.
    const LN2_HIGH: f64 = 0.693_147_180_369_123_8;
    const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    /// 1/2!, 1/3!, …
    const SERIES: [f64; 12] = {
        let (mut terms, mut i, mut factorial) = ([0.0; 12], 0, 1.0);
        while i < 12 {
            factorial *= (i + 2) as f64;
            terms[i] = 1.0 / factorial;
            i += 1;
        }
        terms
    };
    let power_of_two = |rounded: f64| f64::from_bits(rounded.to_bits() << 52);
    // Beyond, it is 0 or infinite.
    let y = y.clamp(-750.0, 720.0);
    let rounded = y * LOG2_E + ROUND;
    let n = rounded - ROUND;
    let r = y - n * LN2_HIGH - n * LN2_LOW;
    // As a tree, whose branches do not wait for each other.
    let (r2, r4) = (r * r, r * r * (r * r));
    let four = |i: usize| SERIES[i] + SERIES[i + 1] * r + (SERIES[i + 2] + SERIES[i + 3] * r) * r2;
    let series = four(0) + four(4) * r4 + four(8) * (r4 * r4);
    // In two factors: one alone would leave the normal numbers before the result does.
    let half = n * 0.5 + ROUND;
    let rest = n - (half - ROUND) + ROUND;
    (1.0 + (r + r2 * series)) * power_of_two(half) * power_of_two(rest)
}

impl Scaling {
    /// Mean and standard deviation of y; 0 and 1 of [`Scaling::None`].
    pub(crate) fn moments(&self) -> (f64, f64) {
        match *self {
            Scaling::None => (0.0, 1.0),
            Scaling::Standardise { mean, std }
            | Scaling::Asinh { mean, std, .. }
            | Scaling::Log { mean, std, .. }
            | Scaling::Logit { mean, std, .. }
            | Scaling::Periodic { mean, std, .. } => (mean, std),
        }
    }

    /// This map with other moments; [`Scaling::None`] has none.
    pub fn with_moments(mut self, new_mean: f64, new_std: f64) -> Self {
        if let Scaling::Standardise { mean, std }
        | Scaling::Asinh { mean, std, .. }
        | Scaling::Log { mean, std, .. }
        | Scaling::Logit { mean, std, .. }
        | Scaling::Periodic { mean, std, .. } = &mut self
        {
            (*mean, *std) = (new_mean, new_std);
        }
        self
    }

    /// Whether the other is the same map to the line on which features are standardised, but for what is measured: where a circle is cut
    /// open, and where the middle of a feature with tails is.
    pub(crate) fn same_map(&self, other: &Scaling) -> bool {
        let of = |scaling: &Scaling| {
            let mut bare = scaling.with_moments(0.0, 1.0);
            match &mut bare {
                Scaling::Periodic { low, cut, .. } => *cut = *low,
                Scaling::Asinh { centre, width, .. } => (*centre, *width) = (0.0, 1.0),
                _ => {}
            }
            bare
        };
        of(self) == of(other)
    }

    /// Where there are two ends: the width of the interval, and in its units how far x is from the lower and from the upper end.
    fn interval(&self, x: f64) -> Option<(f64, f64, f64)> {
        let (width, below, above) = match *self {
            Scaling::Logit { low, high, .. } => {
                let width = high - low;
                (width, (x - low) / width, (high - x) / width)
            }
            Scaling::Periodic { period, cut, .. } => {
                let t = ((x - cut) / period).rem_euclid(1.0);
                (period, t, 1.0 - t)
            }
            _ => return None,
        };
        Some((width, below.clamp(EDGE, 1.0), above.clamp(EDGE, 1.0)))
    }

    /// x ↦ u.
    pub fn forward(&self, x: f64) -> f64 {
        let y = match (self, self.interval(x)) {
            (_, Some((_, below, above))) => libm::log(below / above),
            (Scaling::None, _) => return x,
            (Scaling::Log { low, .. }, _) => libm::log(gap(x, *low)),
            (Scaling::Asinh { centre, width, .. }, _) => libm::asinh(tails(x, *centre, *width)),
            _ => x,
        };
        let (mean, std) = self.moments();
        (y - mean) / std
    }

    /// u ↦ x.
    pub fn inverse(&self, mut u: f64) -> f64 {
        self.invert(std::slice::from_mut(&mut u));
        u
    }

    /// u ↦ x of many.
    #[inline(always)]
    pub(crate) fn invert(&self, values: &mut [f64]) {
        let (mean, std) = self.moments();
        match *self {
            Scaling::None => (),
            Scaling::Standardise { .. } => each(values, |u| u * std + mean),
            Scaling::Asinh { centre, width, .. } => each(values, |u| {
                let tails = libm::sinh(u * std + mean);
                (centre + width * tails).clamp(-f64::MAX, f64::MAX)
            }),
            // Above the bound, where the logarithm exists.
            Scaling::Log { low, .. } => each(values, |u| {
                (low + exp(u * std + mean)).clamp(low.next_up(), f64::MAX)
            }),
            // From the nearer bound, for the precision that is there. Which one is chance: no branch to predict.
            Scaling::Logit { low, high, .. } => each(values, |u| {
                let y = u * std + mean;
                let off = (high - low) * sigmoid(-y.abs());
                let x = if y < 0.0 { low + off } else { high - off };
                x.clamp(low, high)
            }),
            Scaling::Periodic {
                low, period, cut, ..
            } => {
                let end = low + period;
                each(values, |u| {
                    let x = cut + period * sigmoid(u * std + mean);
                    let x = if x >= end { x - period } else { x };
                    x.clamp(low, end.next_down())
                });
            }
        }
    }

    /// log |du/dx| at x; −∞ beyond the bounds.
    pub fn log_derivative(&self, x: f64) -> f64 {
        let log_dy = match (self, self.interval(x)) {
            (Scaling::None, _) => return 0.0,
            _ if self.excludes(x) => return f64::NEG_INFINITY,
            (_, Some((width, below, above))) => -libm::log(below * above) - libm::log(width),
            (Scaling::Log { low, .. }, _) => -libm::log(gap(x, *low)),
            (Scaling::Asinh { centre, width, .. }, _) => {
                // log √(1 + t²), without t² beyond the floating-point range.
                let t = tails(x, *centre, *width).abs();
                let root = if t < 1.0 {
                    0.5 * libm::log1p(t * t)
                } else {
                    libm::log(t) + 0.5 * libm::log1p(1.0 / (t * t))
                };
                -root - libm::log(*width)
            }
            _ => 0.0,
        };
        log_dy - libm::log(self.moments().1)
    }

    /// Whether no event can have this value: it lies beyond the bounds.
    fn excludes(&self, x: f64) -> bool {
        match *self {
            Scaling::Log { low, .. } => x < low,
            Scaling::Logit { low, high, .. } => x < low || x > high,
            Scaling::None
            | Scaling::Standardise { .. }
            | Scaling::Asinh { .. }
            | Scaling::Periodic { .. } => false,
        }
    }

    /// What a value of training data should have been, in words, if it cannot be scaled. Angles may lie up to a period beside
    /// [low, low + period): further off they are taken for another unit.
    pub fn objection(&self, x: f64) -> Option<String> {
        match *self {
            Scaling::Log { low, .. } if x <= low => {
                Some(format!("at or below the bound {low} of its `log` scaling"))
            }
            Scaling::Logit { low, high, .. } if self.excludes(x) => Some(format!(
                "outside the bounds {low} to {high} of its `logit` scaling"
            )),
            Scaling::Periodic { low, period, .. }
                if x < low - period || x > low + 2.0 * period =>
            {
                Some(format!(
                    "more than a period outside the range {low} to {} of its `periodic` scaling (is the unit right?)",
                    low + period
                ))
            }
            _ => None,
        }
    }

    /// x in another precision: the nearest value that is not beyond the bounds.
    pub fn round<T: Real>(&self, x: f64) -> T {
        if T::EXACT {
            return T::from_f64(x);
        }
        let (low, high) = match *self {
            Scaling::None | Scaling::Standardise { .. } | Scaling::Asinh { .. } => {
                return T::from_f64(x)
            }
            Scaling::Log { low, .. } => (low, f64::INFINITY),
            Scaling::Logit { low, high, .. } => (low, high),
            Scaling::Periodic { low, period, .. } => (low, (low + period).next_down()),
        };
        let rounded = T::from_f64(x);
        match rounded.to_f64() {
            r if r < low => rounded.next_up(),
            r if r > high => rounded.next_down(),
            _ => rounded,
        }
    }

    /// Checks the constants.
    ///
    /// # Errors
    /// [`Error::Format`] if they are not finite, or an interval or a width is not positive.
    pub fn validate(&self) -> Result<()> {
        let (mean, std) = self.moments();
        let interval = |low: f64, width: f64| low.is_finite() && width > 0.0 && width.is_finite();
        let good = match *self {
            Scaling::None | Scaling::Standardise { .. } => true,
            Scaling::Asinh { centre, width, .. } => interval(centre, width),
            Scaling::Log { low, .. } => low.is_finite() && low.next_up().is_finite(),
            Scaling::Logit { low, high, .. } => interval(low, high - low),
            Scaling::Periodic {
                low, period, cut, ..
            } => {
                let end = low + period;
                interval(low, period) && end > low && end.is_finite() && (low..=end).contains(&cut)
            }
        };
        if good && mean.is_finite() && std > 0.0 && std.is_finite() {
            return Ok(());
        }
        Err(Error::Format(format!(
            "a scaling needs finite numbers, intervals and standard deviations above 0; this one is {self:?}"
        )))
    }
}

/// (x − centre) / width, as far as its double is in the floating-point range.
fn tails(x: f64, centre: f64, width: f64) -> f64 {
    ((x - centre) / width).clamp(-f64::MAX / 4.0, f64::MAX / 4.0)
}

#[inline(always)]
fn each(values: &mut [f64], map: impl Fn(f64) -> f64) {
    values.iter_mut().for_each(|value| *value = map(*value));
}

/// x − low, at least the smallest number that has a logarithm.
fn gap(x: f64, low: f64) -> f64 {
    (x - low).clamp(f64::MIN_POSITIVE, f64::MAX)
}

#[cfg(test)]
mod tests;
