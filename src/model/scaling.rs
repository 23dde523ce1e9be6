//! The invertible maps between the features of an event and what the networks see.

mod steps;
mod stored;

pub(crate) use steps::{above as above_zero, quantile as normal_quantile};

use super::Real;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::f64::consts::{LOG2_E, PI, SQRT_2};
use std::sync::Arc;

/// The invertible map between a feature x of an event and what the networks see, u.
///
/// The maps with bounds take the open interval between them to the whole line, so that whatever a network makes lies within: with y a
/// feature on that line, u = (y − mean) / std. Rounding may put an event on a bound, never beyond it. Densities are those of x; beyond the
/// bounds they are 0.
///
/// Features with values of finite probability ([`Scaling::Integer`], [`Scaling::Cells`], [`Scaling::Zeros`]) give u a cell for each such
/// value: a generator is trained on a place in it that is drawn, r uniform in (0, 1), and whatever it makes in the cell is that value. Their
/// densities are those of (x, r): probabilities, times the density of what is continuous.
///
/// What a classifier sees of a feature may be several values: see [`Scaling::inputs`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", try_from = "stored::Stored")]
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
    /// Whole numbers without a largest, as multiplicities: y = x + r; of the smallest, if there is one, y = low + 1 + ln r.
    Integer {
        /// The smallest.
        #[serde(skip_serializing_if = "Option::is_none")]
        low: Option<f64>,
        /// Mean of y in the training data.
        mean: f64,
        /// Its standard deviation, positive.
        std: f64,
    },
    /// Whole numbers from `first` on, one for each cell; u is normal if the shares of the cells are those of the training data.
    Cells {
        /// The smallest.
        first: f64,
        /// Where in u one cell ends and the next begins: one fewer than there are cells. A value that has no event has a cell of no width.
        edges: Arc<[f64]>,
        /// Whether they are names of classes, and their order means nothing.
        classes: bool,
    },
    /// Features that are `low` with a finite probability and continuous above: v, normal if it is so in the training data, is ln(x − low), or
    /// with a width s the normal quantile of 1 − e^(−(x − low) / s), for a density that is finite down to `low`. Below its edge, u is `low`;
    /// above, it is normal if v is.
    Zeros {
        /// The value with a probability.
        low: f64,
        /// s; none for logarithms.
        #[serde(skip_serializing_if = "Option::is_none")]
        width: Option<f64>,
        /// Quantile of the normal distribution of the probability in the training data.
        edge: f64,
        /// Mean of v in the training data, where there is one.
        mean: f64,
        /// Its standard deviation, positive.
        std: f64,
    },
    /// For classifiers: an angle θ as √2 sin θ and √2 cos θ, which are the same at both ends of the circle.
    Circle {
        /// Where θ is 0.
        low: f64,
        /// After which it repeats, positive.
        period: f64,
    },
    /// For classifiers: for each class whether it is that one.
    OneHot {
        /// How many; they are 0, 1, ….
        classes: usize,
    },
    /// For classifiers: of [`Scaling::Zeros`], whether it is `low`, and (v − mean) / std, or 0 there.
    Spike {
        /// The value with a probability.
        low: f64,
        /// s of v.
        #[serde(skip_serializing_if = "Option::is_none")]
        width: Option<f64>,
        /// Mean of v.
        mean: f64,
        /// Its standard deviation, positive.
        std: f64,
    },
}

/// More cells than this are a continuous feature.
pub const MAX_CELLS: usize = 1000;

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
    /// Mean and standard deviation of y, or of v; 0 and 1 of a map without.
    pub(crate) fn moments(&self) -> (f64, f64) {
        match *self {
            Scaling::None
            | Scaling::Cells { .. }
            | Scaling::Circle { .. }
            | Scaling::OneHot { .. } => (0.0, 1.0),
            Scaling::Standardise { mean, std }
            | Scaling::Asinh { mean, std, .. }
            | Scaling::Log { mean, std, .. }
            | Scaling::Logit { mean, std, .. }
            | Scaling::Periodic { mean, std, .. }
            | Scaling::Integer { mean, std, .. }
            | Scaling::Zeros { mean, std, .. }
            | Scaling::Spike { mean, std, .. } => (mean, std),
        }
    }

    /// This map with other moments, if it has any.
    pub fn with_moments(mut self, new_mean: f64, new_std: f64) -> Self {
        if let Scaling::Standardise { mean, std }
        | Scaling::Asinh { mean, std, .. }
        | Scaling::Log { mean, std, .. }
        | Scaling::Logit { mean, std, .. }
        | Scaling::Periodic { mean, std, .. }
        | Scaling::Integer { mean, std, .. }
        | Scaling::Zeros { mean, std, .. }
        | Scaling::Spike { mean, std, .. } = &mut self
        {
            (*mean, *std) = (new_mean, new_std);
        }
        self
    }

    /// Whether the other is the same map to the line on which features are standardised, but for what is measured: where a circle is cut
    /// open, and where the middle of a feature with tails is.
    pub(crate) fn same_map(&self, other: &Scaling) -> bool {
        let of = |scaling: &Scaling| {
            let mut bare = scaling.clone().with_moments(0.0, 1.0);
            match &mut bare {
                Scaling::Periodic { low, cut, .. } => *cut = *low,
                Scaling::Asinh { centre, width, .. } => (*centre, *width) = (0.0, 1.0),
                Scaling::Cells { edges, .. } => *edges = edges.iter().map(|_| 0.0).collect(),
                Scaling::Zeros { width, edge, .. } => (*width, *edge) = (width.map(|_| 1.0), 0.0),
                _ => {}
            }
            bare
        };
        of(self) == of(other)
    }

    /// Whether single values of the feature have a probability, so that u is no smooth function of x nor x of u.
    pub fn stepped(&self) -> bool {
        match self {
            Scaling::Integer { .. }
            | Scaling::Cells { .. }
            | Scaling::Zeros { .. }
            | Scaling::OneHot { .. }
            | Scaling::Spike { .. } => true,
            Scaling::None
            | Scaling::Standardise { .. }
            | Scaling::Asinh { .. }
            | Scaling::Log { .. }
            | Scaling::Logit { .. }
            | Scaling::Periodic { .. }
            | Scaling::Circle { .. } => false,
        }
    }

    /// What a classifier sees of a feature that a generator makes by this map.
    pub fn of_classifier(&self) -> Scaling {
        match *self {
            Scaling::Periodic { low, period, .. } => Scaling::Circle { low, period },
            Scaling::Cells {
                ref edges,
                classes: true,
                ..
            } => Scaling::OneHot {
                classes: edges.len() + 1,
            },
            Scaling::Cells {
                first, ref edges, ..
            } => {
                let (mean, std) = steps::moments(first, edges);
                Scaling::Standardise { mean, std }
            }
            Scaling::Zeros {
                low,
                width,
                mean,
                std,
                ..
            } => Scaling::Spike {
                low,
                width,
                mean,
                std,
            },
            _ => self.clone(),
        }
    }

    /// How many values a classifier sees of the feature.
    pub fn inputs(&self) -> usize {
        match *self {
            Scaling::Circle { .. } | Scaling::Spike { .. } => 2,
            Scaling::OneHot { classes } => classes,
            _ => 1,
        }
    }

    /// Hands over the [`Scaling::inputs`] of x in their order; r of a feature that has cells.
    #[inline]
    pub(crate) fn each_input(&self, x: f64, r: f64, mut take: impl FnMut(f64)) {
        match *self {
            Scaling::Circle { low, period } => {
                let (sin, cos) = libm::sincos(2.0 * PI * ((x - low) / period));
                take(SQRT_2 * sin);
                take(SQRT_2 * cos);
            }
            Scaling::OneHot { classes } => {
                (0..classes).for_each(|class| take(f64::from(u8::from(x == class as f64))));
            }
            Scaling::Spike {
                low,
                width,
                mean,
                std,
            } => {
                let zero = x <= low;
                take(f64::from(u8::from(zero)));
                take(match zero {
                    true => 0.0,
                    false => (steps::above(gap(x, low), width) - mean) / std,
                });
            }
            _ => take(self.spread(x, r)),
        }
    }

    /// Hands over the derivative of every one of the [`Scaling::inputs`] with respect to x; 0 where there is a step.
    pub(crate) fn each_slope(&self, x: f64, mut take: impl FnMut(f64)) {
        match *self {
            Scaling::Circle { low, period } => {
                let turn = 2.0 * PI / period;
                let (sin, cos) = libm::sincos(2.0 * PI * ((x - low) / period));
                take(SQRT_2 * turn * cos);
                take(-SQRT_2 * turn * sin);
            }
            Scaling::OneHot { classes } => (0..classes).for_each(|_| take(0.0)),
            Scaling::Spike {
                low, width, std, ..
            } => {
                take(0.0);
                take(match x <= low {
                    true => 0.0,
                    false => libm::exp(steps::log_slope(gap(x, low), width)) / std,
                });
            }
            Scaling::Integer { .. } | Scaling::Cells { .. } => take(0.0),
            _ => take(libm::exp(self.log_derivative(x))),
        }
    }

    /// x ↦ u, at the place `r`, in (0, 1), of the cell of a value that has one.
    pub(crate) fn spread(&self, x: f64, r: f64) -> f64 {
        match *self {
            Scaling::Integer { low, mean, std } => {
                let place = if low == Some(x) {
                    1.0 + libm::log(r)
                } else {
                    r
                };
                (x + place - mean) / std
            }
            Scaling::Cells {
                first, ref edges, ..
            } => steps::in_cell(steps::bounds(x - first, edges), r),
            Scaling::Zeros { low, edge, .. } if x <= low => {
                steps::in_cell((f64::NEG_INFINITY, edge), r)
            }
            Scaling::Zeros {
                low,
                width,
                edge,
                mean,
                std,
            } => steps::beyond(edge, (steps::above(gap(x, low), width) - mean) / std),
            _ => self.forward(x),
        }
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

    /// x ↦ u; the middle of the cell of a value that has one. For a classifier's maps to several values, the first of them.
    pub fn forward(&self, x: f64) -> f64 {
        let y = match (self, self.interval(x)) {
            (Scaling::Integer { .. } | Scaling::Cells { .. } | Scaling::Zeros { .. }, _) => {
                return self.spread(x, 0.5)
            }
            (Scaling::Circle { .. } | Scaling::OneHot { .. } | Scaling::Spike { .. }, _) => {
                let mut first = None;
                self.each_input(x, 0.5, |u| first = first.or(Some(u)));
                return first.unwrap_or(0.0);
            }
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
            // 0 is added so that it has one sign.
            Scaling::Integer { low, .. } => {
                let low = low.unwrap_or(f64::NEG_INFINITY);
                // A NaN stays, as `max` would not have it.
                each(values, |u| {
                    let x = (u * std + mean).floor() + 0.0;
                    if x < low {
                        low
                    } else {
                        x
                    }
                });
            }
            Scaling::Cells {
                first, ref edges, ..
            } => each(values, |u| {
                // No cell lies so far out, but those without width.
                let inside = u.clamp(-steps::FARTHEST, steps::FARTHEST);
                let below = edges.partition_point(|edge| *edge <= inside) as f64;
                first + if u.is_nan() { u } else { below }
            }),
            Scaling::Zeros {
                low, width, edge, ..
            } => each(values, |u| {
                if u < edge {
                    return low;
                }
                let off = steps::off(steps::back(edge, u) * std + mean, width);
                (low + off).clamp(low.next_up(), f64::MAX)
            }),
            // A classifier's inputs are not led back.
            Scaling::Circle { .. } | Scaling::OneHot { .. } | Scaling::Spike { .. } => {
                values.fill(f64::NAN);
            }
        }
    }

    /// log |du/dx| at x; −∞ beyond the bounds. In the cell of a value that has one, log |du/dr| in its middle.
    pub fn log_derivative(&self, x: f64) -> f64 {
        match self.stepped() {
            true => self.log_derivative_at(self.forward(x), x),
            false => self.log_derivative_smooth(x),
        }
    }

    /// The same for x that was made of u, where it lies in the cell.
    pub(crate) fn log_derivative_at(&self, u: f64, x: f64) -> f64 {
        if self.excludes(x) {
            return f64::NEG_INFINITY;
        }
        match *self {
            Scaling::Cells {
                first, ref edges, ..
            } => steps::log_density(steps::bounds(x - first, edges), u),
            Scaling::Zeros { low, edge, .. } if x <= low => {
                steps::log_density((f64::NEG_INFINITY, edge), u)
            }
            Scaling::Zeros {
                low,
                width,
                edge,
                mean,
                std,
            } => {
                let gap = gap(x, low);
                let v = (steps::above(gap, width) - mean) / std;
                steps::log_beyond(edge, v, u) + steps::log_slope(gap, width) - libm::log(std)
            }
            Scaling::Integer { low, mean, std } => {
                let log_r = u * std + mean - x - 1.0;
                -libm::log(std) - if low == Some(x) { log_r } else { 0.0 }
            }
            _ => self.log_derivative_smooth(x),
        }
    }

    fn log_derivative_smooth(&self, x: f64) -> f64 {
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
            Scaling::Log { low, .. } | Scaling::Zeros { low, .. } | Scaling::Spike { low, .. } => {
                x < low
            }
            Scaling::Logit { low, high, .. } => x < low || x > high,
            Scaling::Integer { low, .. } => x.fract() != 0.0 || low.is_some_and(|low| x < low),
            Scaling::Cells {
                first, ref edges, ..
            } => !steps::among(x - first, edges),
            Scaling::OneHot { classes } => x.fract() != 0.0 || x < 0.0 || x >= classes as f64,
            Scaling::None
            | Scaling::Standardise { .. }
            | Scaling::Asinh { .. }
            | Scaling::Periodic { .. }
            | Scaling::Circle { .. } => false,
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
            Scaling::Integer { low, .. } if self.excludes(x) => Some(match low {
                Some(low) => format!("no whole number from {low}, as its `integer` scaling takes"),
                None => "no whole number, as its `integer` scaling takes".into(),
            }),
            Scaling::Cells {
                first,
                ref edges,
                classes,
            } if self.excludes(x) => {
                let last = first + edges.len() as f64;
                let name = if classes { "category" } else { "integer" };
                let within = x.fract() == 0.0 && x >= first && x <= last;
                Some(match within {
                    true => format!(
                        "which no event had that its `{name}` scaling was measured on: there it has no probability"
                    ),
                    false => format!(
                        "none of the whole numbers {first} to {last} of its `{name}` scaling"
                    ),
                })
            }
            Scaling::Zeros { low, .. } if self.excludes(x) => {
                Some(format!("below the value {low} of its `zeros` scaling"))
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
            // What is above the value with a probability stays above it.
            Scaling::Zeros { low, .. } if x > low => {
                let rounded = T::from_f64(x);
                let above = rounded.to_f64() > low;
                return if above { rounded } else { rounded.next_up() };
            }
            Scaling::None
            | Scaling::Standardise { .. }
            | Scaling::Asinh { .. }
            | Scaling::Integer { .. }
            | Scaling::Cells { .. }
            | Scaling::Zeros { .. }
            | Scaling::Circle { .. }
            | Scaling::OneHot { .. }
            | Scaling::Spike { .. } => return T::from_f64(x),
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

    /// A value as its events come: of a circle the one within its bounds.
    pub fn within(&self, x: f64) -> f64 {
        match *self {
            Scaling::Periodic { low, period, .. } | Scaling::Circle { low, period }
                if !(low..low + period).contains(&x) =>
            {
                // Rounding may make a small negative rest the whole period.
                let within = low + (x - low).rem_euclid(period);
                if within < low + period {
                    within
                } else {
                    low
                }
            }
            _ => x,
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
            Scaling::Integer { low, .. } => {
                low.is_none_or(|low| low.fract() == 0.0 && low.abs() < 1e15)
            }
            Scaling::Cells {
                first,
                ref edges,
                classes,
            } => {
                (1..MAX_CELLS).contains(&edges.len())
                    && first.fract() == 0.0
                    && first.abs() < 1e15
                    && (!classes || first == 0.0)
                    && edges.iter().all(|edge| edge.abs() < 40.0)
                    && edges.windows(2).all(|pair| pair[0] <= pair[1])
            }
            Scaling::Zeros {
                low, width, edge, ..
            } => interval(low, width.unwrap_or(1.0)) && edge.abs() < 40.0,
            Scaling::Spike { low, width, .. } => interval(low, width.unwrap_or(1.0)),
            Scaling::Circle { low, period } => interval(low, period),
            Scaling::OneHot { classes } => (2..=MAX_CELLS).contains(&classes),
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
