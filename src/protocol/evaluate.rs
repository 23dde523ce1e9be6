//! Evaluating a model's functions on events of the host.

use crate::compute::Instance;
use crate::model::Evaluator;
use crate::options::Options;
use crate::{Error, Result};

/// Rows gathered at once; bounds the memory of a call.
const BLOCK: usize = 1 << 16;

/// Calls `f(first row, packed rows)` for blocks of a strided array.
fn for_blocks(
    x: &[f64],
    rows: usize,
    dim: usize,
    stride: usize,
    mut f: impl FnMut(usize, &[f64]) -> Result<()>,
) -> Result<()> {
    let needed = rows
        .checked_sub(1)
        .map_or(Some(0), |n| n.checked_mul(stride)?.checked_add(dim));
    if stride < dim || needed.is_none_or(|n| x.len() < n) {
        return Err(Error::InvalidArgument(format!(
            "an array of {} elements does not hold {rows} rows of {dim} with stride {stride}",
            x.len()
        )));
    }
    let mut packed = Vec::new();
    for start in (0..rows).step_by(BLOCK) {
        packed.clear();
        for row in start..rows.min(start + BLOCK) {
            let event = &x[row * stride..row * stride + dim];
            if let Some(column) = event.iter().position(|v| !v.is_finite()) {
                return Err(Error::Data(format!(
                    "row {row}, column {column} of the input (counted from 0) is {}; it must be finite",
                    event[column]
                )));
            }
            packed.extend_from_slice(event);
        }
        f(start, &packed)?;
    }
    Ok(())
}

/// One number per event, by `f(evaluator, packed rows, rows, out)`.
fn per_event(
    model: &Instance,
    options: &Options,
    (x, rows, stride): (&[f64], usize, usize),
    out: &mut [f64],
    f: impl Fn(&mut dyn Evaluator, &[f64], usize, &mut [f64]) -> Result<()>,
) -> Result<()> {
    if out.len() < rows {
        return Err(Error::InvalidArgument(format!(
            "an output of {} elements for {rows} rows",
            out.len()
        )));
    }
    let dim = model.generator.event_dim() + model.generator.condition_dim();
    let mut evaluator = model.training_evaluator(options)?;
    for_blocks(x, rows, dim, stride, |start, x| {
        let n = x.len() / dim;
        f(evaluator.as_mut(), x, n, &mut out[start..start + n])
    })
}

/// log w(x) of given events (paper, Eq. 1 and Sec. 2): log of the density ratio target / generated. `x`: rows × (M + C) with a stride, `out`: rows.
///
/// # Errors
/// [`Error::Unsupported`] without a classifier, [`Error::Data`] for events that are not finite.
pub fn log_weight(
    model: &Instance,
    options: &Options,
    x: &[f64],
    rows: usize,
    stride: usize,
    out: &mut [f64],
) -> Result<()> {
    per_event(model, options, (x, rows, stride), out, |e, x, n, out| {
        e.log_weight(x, n, out)
    })
}

/// log p_g(x) of given events under the unrefined generator. `x`: rows × (M + C) with a stride, `out`: rows.
///
/// # Errors
/// [`Error::Unsupported`] without a tractable density, [`Error::Data`] for events that are not finite.
pub fn log_prob(
    model: &Instance,
    options: &Options,
    x: &[f64],
    rows: usize,
    stride: usize,
    out: &mut [f64],
) -> Result<()> {
    per_event(model, options, (x, rows, stride), out, |e, x, n, out| {
        e.log_prob(x, n, out)
    })
}

/// One row per row, by `f(evaluator, packed rows, rows, packed results)`. Rows come with their conditions behind the `from` values, results go
/// without; `from` and `to` are (dim, stride).
fn per_row(
    model: &Instance,
    options: &Options,
    (input, rows): (&[f64], usize),
    from: (usize, usize),
    out: &mut [f64],
    to: (usize, usize),
    f: impl Fn(&mut dyn Evaluator, &[f64], usize, &mut [f64]) -> Result<()>,
) -> Result<()> {
    let (dim, stride) = to;
    let needed = rows
        .saturating_sub(1)
        .saturating_mul(stride)
        .saturating_add(dim);
    if stride < dim || rows > 0 && out.len() < needed {
        return Err(Error::InvalidArgument(format!(
            "an output of {} elements does not hold {rows} rows of {dim} with stride {stride}",
            out.len()
        )));
    }
    let conditions = model.generator.condition_dim();
    let mut evaluator = model.training_evaluator(options)?;
    let columns = from.0 + conditions;
    for_blocks(input, rows, columns, from.1, |start, input| {
        let rows = input.len() / columns;
        let mut packed = vec![0.0; rows * (dim + conditions)];
        f(evaluator.as_mut(), input, rows, &mut packed)?;
        for (row, result) in packed.chunks_exact(dim + conditions).enumerate() {
            let at = (start + row) * stride;
            out[at..at + dim].copy_from_slice(&result[..dim]);
        }
        Ok(())
    })
}

/// z = g⁻¹(x) of given events. `x`: rows × (M + C) with a stride, `z`: rows × N with a stride.
///
/// # Errors
/// [`Error::Unsupported`] if g is not invertible, [`Error::Data`] for events that are not finite.
pub fn latent(
    model: &Instance,
    options: &Options,
    x: &[f64],
    rows: usize,
    x_stride: usize,
    z: &mut [f64],
    z_stride: usize,
) -> Result<()> {
    let from = (model.generator.event_dim(), x_stride);
    let to = (model.generator.latent_dim(), z_stride);
    per_row(model, options, (x, rows), from, z, to, |e, x, n, z| {
        e.latent(x, n, z)
    })
}

/// x = g(z) of given latents. `z`: rows × (N + C) with a stride, `x`: rows × M with a stride.
///
/// # Errors
/// [`Error::Data`] for latents that are not finite.
pub fn generate(
    model: &Instance,
    options: &Options,
    z: &[f64],
    rows: usize,
    z_stride: usize,
    x: &mut [f64],
    x_stride: usize,
) -> Result<()> {
    let from = (model.generator.latent_dim(), z_stride);
    let to = (model.generator.event_dim(), x_stride);
    per_row(model, options, (z, rows), from, x, to, |e, z, n, x| {
        e.generate(z, n, x, None)
    })
}
