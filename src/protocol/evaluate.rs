//! Evaluating a model's functions on events of the host.

use super::host::HostEvaluator;
use crate::engine::Engine;
use crate::model::{Evaluator, GeneratorKind, HostGenerator, Model};
use crate::options::{keys, Options};
use crate::{Error, Result};
use once_cell::sync::OnceCell;
use std::ops::Deref;
use std::sync::Arc;

/// A model in use: its networks are packed for the engine once, when first needed, for all calls and samplers together. Immutable; share it
/// by reference.
pub struct Instance {
    model: Model,
    /// What makes the events of a generator that is a callback.
    host: Option<Arc<dyn HostGenerator>>,
    engine: OnceCell<Engine>,
}

impl Instance {
    /// Of a model that is complete: an instance does not change.
    pub fn new(model: Model) -> Self {
        Instance {
            model,
            host: None,
            engine: OnceCell::new(),
        }
    }

    /// Of a model whose generator is a callback, with what it calls.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if the model's generator is no callback.
    pub fn with_host(model: Model, host: Arc<dyn HostGenerator>) -> Result<Self> {
        if !matches!(model.generator.kind, GeneratorKind::Host { .. }) {
            return Err(Error::InvalidArgument(
                "the model has a generator of its own; a callback can be attached only where it was made for one".into(),
            ));
        }
        let mut instance = Self::new(model);
        instance.host = Some(host);
        Ok(instance)
    }

    /// Another model of the same generator.
    pub(super) fn with_model(&self, model: Model) -> Self {
        Instance {
            host: self.host.clone(),
            ..Self::new(model)
        }
    }

    /// The model made ready to compute, as [`evaluator`]; but the engine works on up to `threads` threads, whatever the option says.
    ///
    /// # Errors
    /// Those of [`evaluator`].
    pub fn evaluator(&self, options: &Options, threads: usize) -> Result<Box<dyn Evaluator>> {
        let networks = match backend(options)? {
            Backend::Torch => torch_evaluator(&self.model, options)?,
            Backend::Engine => {
                let engine = self.engine.get_or_try_init(|| Engine::new(&self.model))?;
                engine.evaluator(threads)
            }
        };
        let host = match self.model.generator.kind {
            GeneratorKind::Networks { .. } => return Ok(networks),
            GeneratorKind::Host { .. } => self.host.clone(),
            GeneratorKind::Script { .. } => Some(script(&self.model, options)?),
        };
        Ok(Box::new(HostEvaluator::new(&self.model, host, networks)))
    }

    /// The same on as many threads as the option `threads` allows.
    pub(super) fn training_evaluator(&self, options: &Options) -> Result<Box<dyn Evaluator>> {
        self.evaluator(options, threads(options))
    }
}

impl std::fmt::Debug for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Instance")
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}

impl Deref for Instance {
    type Target = Model;

    fn deref(&self) -> &Model {
        &self.model
    }
}

/// Who computes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Backend {
    /// [`crate::engine`].
    Engine,
    /// libtorch.
    Torch,
}

/// Who computes, by the options `backend` and `device`.
///
/// # Errors
/// [`Error::InvalidArgument`] for the engine on another device than the CPU.
pub(super) fn backend(options: &Options) -> Result<Backend> {
    let device = options.get(keys::DEVICE);
    match options.get(keys::BACKEND) {
        "torch" => Ok(Backend::Torch),
        "auto" if device != "cpu" => Ok(Backend::Torch),
        _ if device == "cpu" => Ok(Backend::Engine),
        _ => Err(Error::InvalidArgument(format!(
            "`backend` is `engine`, which computes on the CPU only, but `device` is `{device}`"
        ))),
    }
}

/// The option `threads`.
pub(super) fn threads(options: &Options) -> usize {
    options.get(keys::THREADS) as usize
}

/// The model made ready to compute: by the CPU engine or by libtorch, as the options `backend` and `device` say. Works on the calling thread
/// and, on the CPU, on as many helpers as the option `threads` allows.
///
/// # Errors
/// [`Error::Device`] if the device is not usable, [`Error::InvalidArgument`] for the engine on another device than the CPU,
/// [`Error::Unsupported`] for libtorch in a build without it.
pub fn evaluator(model: &Model, options: &Options) -> Result<Box<dyn Evaluator>> {
    match backend(options)? {
        Backend::Torch => torch_evaluator(model, options),
        Backend::Engine => Ok(Engine::new(model)?.evaluator(threads(options))),
    }
}

#[cfg(feature = "torch")]
fn torch_evaluator(model: &Model, options: &Options) -> Result<Box<dyn Evaluator>> {
    let backend = crate::nn::Backend::open(options, model.dtype)?;
    Ok(Box::new(crate::nn::TorchEvaluator::new(model, backend)?))
}

#[cfg(not(feature = "torch"))]
fn torch_evaluator(_model: &Model, _options: &Options) -> Result<Box<dyn Evaluator>> {
    Err(Error::Unsupported(NO_TORCH.into()))
}

/// The model's TorchScript module.
#[cfg(feature = "torch")]
fn script(model: &Model, options: &Options) -> Result<Arc<dyn HostGenerator>> {
    let backend = crate::nn::Backend::open(options, model.dtype)?;
    Ok(Arc::new(crate::nn::Script::new(&model.generator, backend)?))
}

#[cfg(not(feature = "torch"))]
fn script(_: &Model, _: &Options) -> Result<Arc<dyn HostGenerator>> {
    Err(Error::Unsupported(NO_TORCH.into()))
}

/// What a build without libtorch says to everything that needs it.
#[cfg(not(feature = "torch"))]
pub(super) const NO_TORCH: &str =
    "this is the standalone build of liblaser, without libtorch, which CUDA, TorchScript modules and `backend` = `torch` need; install the full one (`make install` without STANDALONE=1)";

/// Checks that a device (`cpu`, `cuda`, `cuda:N`) can be used here.
///
/// # Errors
/// [`Error::Device`] saying why not, [`Error::InvalidArgument`] for other words, [`Error::Unsupported`] for CUDA in a build without libtorch.
pub fn device_check(device: &str) -> Result<()> {
    #[cfg(feature = "torch")]
    return crate::nn::open_device(device).map(|_| ());
    #[cfg(not(feature = "torch"))]
    match device {
        "cpu" => Ok(()),
        _ if device == "cuda" || device.starts_with("cuda:") => {
            Err(Error::Unsupported(NO_TORCH.into()))
        }
        _ => Err(Error::InvalidArgument(format!(
            "device `{device}` is none of `cpu`, `cuda`, `cuda:N` (N from 0)"
        ))),
    }
}

/// Checks that what the options `backend` and `device` name can compute here.
///
/// # Errors
/// Those of [`evaluator`].
pub(super) fn computes(options: &Options) -> Result<()> {
    match backend(options)? {
        Backend::Engine => Ok(()),
        #[cfg(feature = "torch")]
        Backend::Torch => {
            crate::nn::Backend::open(options, super::generator::dtype(options)?).map(|_| ())
        }
        #[cfg(not(feature = "torch"))]
        Backend::Torch => Err(Error::Unsupported(NO_TORCH.into())),
    }
}

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
