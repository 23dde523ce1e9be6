//! Features with values of finite probability: the cells that such values have in u, and what lies above one of them.
//!
//! u is normal where the shares are those of the training data: a cell is an interval between two of its quantiles.

use crate::noise::normal_quantiles;
use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// Where u of an empty cell at either end begins.
pub(super) const FARTHEST: f64 = 37.0;

/// Φ(y), the normal distribution function, with the precision of small numbers in both tails: of −y it is 1 − Φ.
fn below(y: f64) -> f64 {
    0.5 * libm::erfc(-y * FRAC_1_SQRT_2)
}

/// Φ⁻¹(p), finite at 0 and 1.
pub(crate) fn quantile(p: f64) -> f64 {
    let mut p = [p.clamp(f64::MIN_POSITIVE, 1.0 - f64::EPSILON / 2.0)];
    normal_quantiles(&mut p);
    p[0]
}

/// −log φ(u), the normal density.
fn minus_log_normal(u: f64) -> f64 {
    0.5 * (u * u + libm::log(2.0 * PI))
}

/// Whether the value is a whole number from 0 on that has a cell.
pub(super) fn among(value: f64, edges: &[f64]) -> bool {
    let whole = value.fract() == 0.0 && value >= 0.0 && value <= edges.len() as f64;
    let (lower, upper) = bounds(value, edges);
    whole && lower.max(-FARTHEST) < upper.min(FARTHEST)
}

/// Between which places of u the cell of the value lies; of the nearest one for a value that has none.
pub(super) fn bounds(value: f64, edges: &[f64]) -> (f64, f64) {
    let cell = value.clamp(0.0, edges.len() as f64) as usize;
    let lower = cell.checked_sub(1).map_or(f64::NEG_INFINITY, |i| edges[i]);
    (lower, edges.get(cell).copied().unwrap_or(f64::INFINITY))
}

/// The probability between two places, from the tail that they are in.
fn between((lower, upper): (f64, f64)) -> f64 {
    match lower > 0.0 {
        true => below(-lower) - below(-upper),
        false => below(upper) - below(lower),
    }
}

/// The place `r` of a cell: so much of its probability lies below.
pub(super) fn in_cell(cell: (f64, f64), r: f64) -> f64 {
    let (lower, upper) = cell;
    let u = match lower > 0.0 {
        true => -quantile(below(-upper) + (1.0 - r) * between(cell)),
        false => quantile(below(lower) + r * between(cell)),
    };
    u.max(lower).min(upper.next_down())
}

/// log |du/dr| where u lies in the cell.
pub(super) fn log_density(cell: (f64, f64), u: f64) -> f64 {
    libm::log(between(cell)) + minus_log_normal(u)
}

/// v, of which x = low + gap is made: see [`Scaling::Zeros`](super::Scaling::Zeros).
pub(crate) fn above(gap: f64, width: Option<f64>) -> f64 {
    match width {
        None => libm::log(gap),
        Some(width) => {
            let s = gap / width;
            // From the nearer end, for its precision.
            match s < std::f64::consts::LN_2 {
                true => quantile(-libm::expm1(-s)),
                false => -quantile(libm::exp(-s)),
            }
        }
    }
}

/// log dv/dx.
pub(super) fn log_slope(gap: f64, width: Option<f64>) -> f64 {
    match width {
        None => -libm::log(gap),
        Some(width) => minus_log_normal(above(gap, Some(width))) - gap / width - libm::log(width),
    }
}

/// x − low of v.
pub(super) fn off(v: f64, width: Option<f64>) -> f64 {
    match width {
        None => libm::exp(v),
        Some(width) => {
            let s = match v < 0.0 {
                true => -libm::log1p(-below(v)),
                false => -libm::log(below(-v).clamp(f64::MIN_POSITIVE, 1.0)),
            };
            width * s
        }
    }
}

/// u above the edge, for v in standard deviations: as much of what is above lies above u as of a normal distribution above v.
pub(super) fn beyond(edge: f64, v: f64) -> f64 {
    (-quantile(below(-v) * below(-edge))).max(edge)
}

/// The inverse of [`beyond`].
pub(super) fn back(edge: f64, u: f64) -> f64 {
    -quantile((below(-u) / below(-edge)).min(1.0)) + 0.0 * u
}

/// log |du/dv|.
pub(super) fn log_beyond(edge: f64, v: f64, u: f64) -> f64 {
    libm::log(below(-edge)) - minus_log_normal(v) + minus_log_normal(u)
}

/// Mean and standard deviation of the whole numbers from `first` on with these cells.
pub(super) fn moments(first: f64, edges: &[f64]) -> (f64, f64) {
    let shares = || (0..=edges.len()).map(|k| (k as f64, between(bounds(k as f64, edges))));
    let mean: f64 = shares().map(|(k, p)| k * p).sum();
    let variance: f64 = shares().map(|(k, p)| p * (k - mean) * (k - mean)).sum();
    // A width of 0 is one of rounding: every cell has a share.
    (first + mean, variance.sqrt().max(1e-9))
}
