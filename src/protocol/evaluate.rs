//! Evaluating a model's functions on events of the host.

use crate::compute::{self, Instance};
use crate::model::{called, Evaluator, Model, Scaling};
use crate::options::Options;
use crate::room::Grow;
use crate::{Error, Result, Rows, RowsMut};

/// Rows gathered at once; bounds the memory of a call.
const BLOCK: usize = 1 << 16;

/// What a function of a row is called, and what it may be.
#[derive(Clone, Copy)]
struct Wanted {
    name: &'static str,
    allowed: fn(f64) -> bool,
}

/// Minus infinity is that of 0: outside the support, or of the bounds of features.
fn logarithm(value: f64) -> bool {
    value < f64::INFINITY
}

/// One row per row, by `f(evaluator, packed rows, rows, packed results)`, in blocks. `columns` are those of a row, of a result, and those
/// that `f` puts behind every result and nobody wants.
///
/// # Errors
/// [`Error::Numerical`] if a value is not what it may be; all the others are in `out` then.
fn to_rows(
    model: &Instance,
    options: &Options,
    input: Rows<f64>,
    mut out: RowsMut<f64>,
    (wanted, [from, to, behind]): (Wanted, [usize; 3]),
    f: impl Fn(&mut dyn Evaluator, &[f64], usize, &mut [f64]) -> Result<()>,
) -> Result<()> {
    let rows = input.rows();
    if out.dim() != to || out.rows() < rows {
        return Err(Error::InvalidArgument(format!(
            "an output of {} rows of {} for {rows} rows of {to}",
            out.rows(),
            out.dim()
        )));
    }
    let columns = [from, to + behind];
    let mut lost: Option<(usize, f64)> = None;
    per_row(model, options, input, columns, f, |row, result| {
        let wrong = result[..to].iter().find(|v| !(wanted.allowed)(**v));
        lost = lost.or(wrong.map(|value| (row, *value)));
        out.set(row, result.iter().copied());
    })?;
    lost.map_or(Ok(()), |(row, value)| {
        Err(Error::Numerical(format!(
            "{} of row {row} (counted from 0) is {value}: its values lie far beyond all that the model was trained on; the results of the other rows are there",
            wanted.name
        )))
    })
}

/// The same, where `put(row, result)` takes the results, in order.
pub(super) fn per_row(
    model: &Instance,
    options: &Options,
    input: Rows<f64>,
    [from, width]: [usize; 2],
    mut f: impl FnMut(&mut dyn Evaluator, &[f64], usize, &mut [f64]) -> Result<()>,
    mut put: impl FnMut(usize, &[f64]),
) -> Result<()> {
    let rows = input.rows();
    if input.dim() != from {
        return Err(Error::InvalidArgument(format!(
            "an input of rows of {}; rows of {from} are required",
            input.dim()
        )));
    }
    let mut evaluator = model.training_evaluator(options)?;
    let (mut packed, mut results) = (Vec::new(), Vec::new());
    for start in (0..rows).step_by(BLOCK) {
        let block = start..rows.min(start + BLOCK);
        packed.clear();
        packed.room(block.len() * from)?;
        for row in block.clone() {
            let event = input.row(row);
            if let Some(column) = event.iter().position(|v| !v.is_finite()) {
                return Err(Error::not_finite(
                    "the input",
                    row,
                    Some(column),
                    event[column],
                ));
            }
            packed.extend_from_slice(event);
        }
        results.clear();
        results.sized(block.len() * width, 0.0)?;
        f(evaluator.as_mut(), &packed, block.len(), &mut results)?;
        for (row, result) in block.zip(results.chunks_exact(width)) {
            put(row, result);
        }
    }
    Ok(())
}

/// The networks of a model's classifier, each by itself; none of a model without one.
///
/// # Errors
/// Those of [`compute::evaluator`].
pub(super) fn members(model: &Model, options: &Options) -> Result<Vec<Box<dyn Evaluator>>> {
    let Some(classifier) = &model.classifier else {
        return Ok(Vec::new());
    };
    let members = (0..classifier.members).map(|k| {
        let alone = Model {
            classifier: Some(classifier.member(k)?),
            ..model.clone()
        };
        compute::evaluator(&alone, options)
    });
    members.collect()
}

/// log w(x) of given events (paper, Eq. 1 and Sec. 2): log of the density ratio target / generated. `x`: rows × (M + C), `out`: rows × 1.
///
/// # Errors
/// [`Error::Unsupported`] without a classifier, [`Error::NotFinite`] for events that are not finite; `out` may then be written in part.
/// [`Error::Numerical`] if a result is none, the others being there; [`Error::InvalidArgument`] for other shapes.
pub fn log_weight(
    model: &Instance,
    options: &Options,
    x: Rows<f64>,
    out: RowsMut<f64>,
) -> Result<()> {
    let g = &model.generator;
    let columns = [g.event_dim() + g.condition_dim(), 1, 0];
    let wanted = Wanted {
        name: "log w",
        allowed: logarithm,
    };
    to_rows(model, options, x, out, (wanted, columns), |e, x, n, out| {
        e.log_weight(x, n, out)
    })
}

/// log p_g(x) of given events under the unrefined generator. `x`: rows × (M + C), `out`: rows × 1.
///
/// # Errors
/// [`Error::Unsupported`] without a tractable density, as of features that have values with a probability; else as [`log_weight`].
pub fn log_prob(
    model: &Instance,
    options: &Options,
    x: Rows<f64>,
    out: RowsMut<f64>,
) -> Result<()> {
    let g = &model.generator;
    one_latent(model)?;
    let columns = [g.event_dim() + g.condition_dim(), 1, 0];
    let wanted = Wanted {
        name: "log p",
        allowed: logarithm,
    };
    to_rows(model, options, x, out, (wanted, columns), |e, x, n, out| {
        e.log_prob(x, n, out)
    })
}

/// Whether an event has one latent: not where features have values with a probability, each of which many latents make.
fn one_latent(model: &Instance) -> Result<()> {
    let stepped = model.generator.scalings.iter().position(Scaling::stepped);
    stepped.map_or(Ok(()), |column| {
        Err(Error::Unsupported(format!(
            "given events have no one latent, and no density in closed form: {} has values with a probability (scalings `integer`, `category`, `zeros`), each of which many latents make; events that are generated come with both",
            called(&model.names, column)
        )))
    })
}

/// z = g⁻¹(x) of given events. `x`: rows × (M + C), `z`: rows × N.
///
/// # Errors
/// [`Error::Unsupported`] if g is not invertible, as where features have values with a probability; else as [`log_weight`].
pub fn latent(model: &Instance, options: &Options, x: Rows<f64>, z: RowsMut<f64>) -> Result<()> {
    let g = &model.generator;
    let c = g.condition_dim();
    one_latent(model)?;
    let columns = [g.event_dim() + c, g.latent_dim(), c];
    let wanted = Wanted {
        name: "the latent point",
        allowed: f64::is_finite,
    };
    to_rows(model, options, x, z, (wanted, columns), |e, x, n, z| {
        e.latent(x, n, z)
    })
}

/// x = g(z) of given latents. `z`: rows × (N + C), `x`: rows × M.
///
/// # Errors
/// As [`log_weight`], but what needs a classifier.
pub fn generate(model: &Instance, options: &Options, z: Rows<f64>, x: RowsMut<f64>) -> Result<()> {
    let g = &model.generator;
    let c = g.condition_dim();
    let columns = [g.latent_dim() + c, g.event_dim(), c];
    let wanted = Wanted {
        name: "the event",
        allowed: f64::is_finite,
    };
    to_rows(model, options, z, x, (wanted, columns), |e, z, n, x| {
        e.generate(z, n, x, None)
    })
}
