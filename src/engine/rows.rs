//! Rows of `f64`, as in [`Evaluator`](crate::model::Evaluator), in and out of the lanes of a block.

use super::lanes::{Element, MOST_ROWS};
use crate::model::Scaling;

/// Rows of `dim` columns into the lanes of a block, through `map` (column, value); the first columns, as many as the block has features.
pub(super) fn load<T: Element>(
    rows: &[f64],
    dim: usize,
    block: &mut [T::Feature],
    map: impl Fn(usize, f64) -> f64,
) {
    for (lane, row) in rows.chunks_exact(dim).enumerate() {
        for (k, (&value, feature)) in row.iter().zip(&mut *block).enumerate() {
            feature.as_mut()[lane] = T::from_f64(map(k, value));
        }
    }
}

/// Rows of as many columns as there are scalings into the lanes of a block, as a classifier sees them.
pub(super) fn load_seen<T: Element>(rows: &[f64], scalings: &[Scaling], block: &mut [T::Feature]) {
    for (lane, row) in rows.chunks_exact(scalings.len()).enumerate() {
        let mut features = block.iter_mut();
        for (&value, scaling) in row.iter().zip(scalings) {
            scaling.each_input(value, 0.5, |u| {
                if let Some(feature) = features.next() {
                    feature.as_mut()[lane] = T::from_f64(u);
                }
            });
        }
    }
}

/// The inverse of [`load`].
pub(super) fn store<T: Element>(
    block: &[T::Feature],
    dim: usize,
    rows: &mut [f64],
    map: impl Fn(usize, f64) -> f64,
) {
    for (lane, row) in rows.chunks_exact_mut(dim).enumerate() {
        for (k, (value, feature)) in row.iter_mut().zip(block).enumerate() {
            *value = map(k, feature.as_ref()[lane].to_f64());
        }
    }
}

/// [`store`] through the inverse of the features' scalings.
pub(super) fn store_scaled<T: Element>(
    block: &[T::Feature],
    scalings: &[Scaling],
    dim: usize,
    rows: &mut [f64],
) {
    let count = rows.len() / dim;
    for (k, (feature, scaling)) in block.iter().zip(scalings).enumerate() {
        // All lanes of a feature at once: vectors.
        let mut lanes = [0.0; MOST_ROWS];
        let values = &mut lanes[..count];
        for (value, u) in values.iter_mut().zip(feature.as_ref()) {
            *value = u.to_f64();
        }
        scaling.invert(values);
        for (row, value) in rows.chunks_exact_mut(dim).zip(&*values) {
            row[k] = *value;
        }
    }
}

/// Scaled conditions, which follow `dim` other values of every row, into the lanes of a block.
pub(super) fn load_conditions<T: Element>(
    rows: &[f64],
    dim: usize,
    scalings: &[Scaling],
    block: &mut [T::Feature],
) {
    if scalings.is_empty() {
        return;
    }
    for (lane, row) in rows.chunks_exact(dim + scalings.len()).enumerate() {
        for ((&value, scaling), feature) in row[dim..].iter().zip(scalings).zip(&mut *block) {
            feature.as_mut()[lane] = T::from_f64(scaling.forward(value));
        }
    }
}

/// The `conditions` last values of all rows; beside each rows goes how many values come before them.
pub(super) fn copy_conditions(
    (from, n): (&[f64], usize),
    (to, m): (&mut [f64], usize),
    conditions: usize,
) {
    if conditions == 0 {
        return;
    }
    let from = from.chunks_exact(n + conditions);
    for (to, from) in to.chunks_exact_mut(m + conditions).zip(from) {
        to[m..].copy_from_slice(&from[n..]);
    }
}

/// Σ log |du/dx| of a row that was made of one lane of a block.
pub(super) fn log_scale_of<T: Element>(
    block: &[T::Feature],
    lane: usize,
    x: &[f64],
    scalings: &[Scaling],
) -> f64 {
    let columns = x.iter().zip(scalings).zip(block);
    let of = |((&x, scaling), u): ((_, &Scaling), &T::Feature)| {
        scaling.log_derivative_at(u.as_ref()[lane].to_f64(), x)
    };
    columns.map(of).sum()
}

/// Σ log |du/dx| of a row.
pub(super) fn log_scale(x: &[f64], scalings: &[Scaling]) -> f64 {
    // Conditions, behind the features, take no part.
    let columns = x.iter().zip(scalings);
    columns.map(|(&x, s)| s.log_derivative(x)).sum()
}

/// log of the standard normal density of one row of a block.
pub(super) fn log_normal<T: Element>(z: &[T::Feature], lane: usize) -> f64 {
    let squares = z.iter().map(|z| z.as_ref()[lane].to_f64().powi(2));
    let normalisation = z.len() as f64 * libm::log(2.0 * std::f64::consts::PI);
    -0.5 * (squares.sum::<f64>() + normalisation)
}
