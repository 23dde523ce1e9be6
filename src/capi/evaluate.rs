//! The functions of a `laser_model` on events and latents of the host.

use super::array::{self, Stride, PACKED};
use super::boundary::call;
use super::handle::Handle;
use super::model::laser_model;
use super::options::{self, laser_options};
use super::status::laser_status;
use crate::model::Generator;
use crate::options::Options;
use crate::protocol::{self, Instance};
use crate::{Result, Rows, RowsMut};

/// log w(x), the logarithm of the density ratio target / generated, from the classifier; minus infinity outside the support.
///
/// @param model what to ask; needs a classifier
/// @param options keys "backend", "device", "threads"; NULL for the defaults
/// @param n number of events; 0 does nothing
/// @param x `n` rows of M + C doubles, events followed by their conditions; row i begins at x + i * stride
/// @param stride doubles between the beginnings of rows, at least M + C; 0 for packed rows
/// @param log_w receives `n` numbers; must not overlap `x`
/// @return LASER_OK; LASER_ERR_INVALID_ARGUMENT for wrong sizes; LASER_ERR_DATA for events that are not finite;
/// LASER_ERR_NUMERICAL if a result is not (minus infinity aside), so far out is its row: all the others are there, and the message names the
/// first; LASER_ERR_UNSUPPORTED without a classifier; LASER_ERR_DEVICE; LASER_ERR_TORCH; LASER_ERR_NULL; LASER_ERR_BUSY while `options`
/// are being changed
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_model_log_weight(
    model: *const laser_model,
    options: *const laser_options,
    n: usize,
    x: *const f64,
    stride: usize,
    log_w: *mut f64,
) -> laser_status {
    let (x, log_w) = (("x", x, ("stride", stride)), ("log_w", log_w, PACKED));
    // SAFETY: the host's promise.
    call(|| unsafe { evaluate(model, options, n, x, log_w, EVENT_TO_WEIGHT) })
}

/// log p_g(x), the logarithm of the generator's density. Units: 1 / (product of the units of x).
///
/// @param model what to ask; its generator must have a density, as flows do
/// @param options keys "backend", "device", "threads"; NULL for the defaults
/// @param n number of events; 0 does nothing
/// @param x `n` rows of M + C doubles, events followed by their conditions; row i begins at x + i * stride
/// @param stride doubles between the beginnings of rows, at least M + C; 0 for packed rows
/// @param log_p receives `n` numbers; must not overlap `x`
/// @return as laser_model_log_weight; LASER_ERR_UNSUPPORTED without a density, and for features that have values with a probability
/// (scalings `integer`, `category`, `zeros`): given events have none in closed form
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_model_log_prob(
    model: *const laser_model,
    options: *const laser_options,
    n: usize,
    x: *const f64,
    stride: usize,
    log_p: *mut f64,
) -> laser_status {
    let (x, log_p) = (("x", x, ("stride", stride)), ("log_p", log_p, PACKED));
    // SAFETY: the host's promise.
    call(|| unsafe { evaluate(model, options, n, x, log_p, EVENT_TO_DENSITY) })
}

/// z with g(z) = x: the latent points of events.
///
/// @param model what to ask; its generator must be invertible, as flows are
/// @param options keys "backend", "device", "threads"; NULL for the defaults
/// @param n number of events; 0 does nothing
/// @param x `n` rows of M + C doubles, events followed by their conditions; row i begins at x + i * x_stride
/// @param x_stride doubles between the beginnings of rows of `x`, at least M + C; 0 for packed rows
/// @param z receives `n` rows of N doubles; row i begins at z + i * z_stride; must not overlap `x`
/// @param z_stride doubles between the beginnings of rows of `z`, at least N; 0 for packed rows
/// @return as laser_model_log_weight; LASER_ERR_UNSUPPORTED for a generator that is not invertible, as of features that have values with a
/// probability (scalings `integer`, `category`, `zeros`), each of which many latents make
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_model_latent(
    model: *const laser_model,
    options: *const laser_options,
    n: usize,
    x: *const f64,
    x_stride: usize,
    z: *mut f64,
    z_stride: usize,
) -> laser_status {
    let x = ("x", x, ("x_stride", x_stride));
    let z = ("z", z, ("z_stride", z_stride));
    // SAFETY: the host's promise.
    call(|| unsafe { evaluate(model, options, n, x, z, EVENT_TO_LATENT) })
}

/// x = g(z): the generator applied to the caller's own latent points, which owe nothing to the library's random numbers.
///
/// @param model what to ask
/// @param options keys "backend", "device", "threads"; NULL for the defaults
/// @param n number of events; 0 does nothing
/// @param z `n` rows of N + C doubles, latent points followed by their conditions; row i begins at z + i * z_stride
/// @param z_stride doubles between the beginnings of rows of `z`, at least N + C; 0 for packed rows
/// @param x receives `n` rows of M doubles; row i begins at x + i * x_stride; must not overlap `z`
/// @param x_stride doubles between the beginnings of rows of `x`, at least M; 0 for packed rows
/// @return as laser_model_latent
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_model_generate(
    model: *const laser_model,
    options: *const laser_options,
    n: usize,
    z: *const f64,
    z_stride: usize,
    x: *mut f64,
    x_stride: usize,
) -> laser_status {
    let z = ("z", z, ("z_stride", z_stride));
    let x = ("x", x, ("x_stride", x_stride));
    // SAFETY: the host's promise.
    call(|| unsafe { evaluate(model, options, n, z, x, LATENT_TO_EVENT) })
}

/// A function of the protocol that maps rows to rows, and the columns of both, without the conditions that follow the former.
type Map = (
    fn(&Generator) -> (usize, usize),
    fn(&Instance, &Options, Rows<f64>, RowsMut<f64>) -> Result<()>,
);

const EVENT_TO_WEIGHT: Map = (|g| (g.event_dim(), 1), protocol::log_weight);
const EVENT_TO_DENSITY: Map = (|g| (g.event_dim(), 1), protocol::log_prob);
const EVENT_TO_LATENT: Map = (|g| (g.event_dim(), g.latent_dim()), protocol::latent);
const LATENT_TO_EVENT: Map = (|g| (g.latent_dim(), g.event_dim()), protocol::generate);

/// Checks and maps arrays, each with its name and stride.
///
/// # Safety
/// The host's promise.
unsafe fn evaluate(
    model: *const laser_model,
    options: *const laser_options,
    n: usize,
    input: (&'static str, *const f64, Stride),
    output: (&'static str, *mut f64, Stride),
    (columns, function): Map,
) -> Result<()> {
    // SAFETY: the caller's promise.
    let (model, options) =
        unsafe { (laser_model::hold(model, "model")?, options::given(options)?) };
    let g = &model.model().generator;
    let (from, to) = columns(g);
    let from = from + g.condition_dim();
    // SAFETY: the caller's promise; that the arrays are apart is checked before their first use.
    let (read, write) = unsafe {
        (
            array::rows(input.0, input.1, (n, from), input.2)?,
            array::rows_mut(output.0, output.1, (n, to), output.2)?,
        )
    };
    array::disjoint([Some((input.0, read.span())), Some((output.0, write.span()))])?;
    if n == 0 {
        return Ok(());
    }
    function(model.model(), &options, read, write)
}
