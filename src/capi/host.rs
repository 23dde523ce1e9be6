//! Generators that are callbacks of the host.

use super::array::Out;
use super::boundary::call;
use super::callback::Callback;
use super::generator::laser_generator;
use super::handle::Handle;
use super::model::laser_model;
use super::options::{self, laser_options};
use super::status::laser_status;
use crate::protocol::{host_generator, HostGenerator, Instance};
use crate::{Error, Result};
use std::ffi::c_void;
use std::sync::Arc;

/// Makes events of latent points: a black-box generator, such as a detector simulation or a network of another framework.
///
/// Called only on the thread that called into the library, never concurrently: while it runs for one thread, another that needs it gets
/// LASER_ERR_BUSY. May call the library, except for events of the same generator (LASER_ERR_BUSY). Must not throw, nor jump out. Row i of
/// `x` must depend on row i of `z` and `c` alone, besides randomness of its own if it was declared stochastic. An event that is not finite
/// counts as failed and is replaced by another.
///
/// @param n how many events, at least 1
/// @param z `n` rows of `zdim` doubles, packed: standard normal numbers, or refined ones
/// @param zdim N
/// @param c `n` rows of `cdim` doubles, packed: the conditions; NULL if `cdim` is 0
/// @param cdim C
/// @param x receives `n` rows of `xdim` doubles, packed
/// @param xdim M
/// @param user the pointer given with the callback
/// @return 0 to go on; anything else ends the call with LASER_ERR_CALLBACK and this number
pub type laser_generate_fn = Option<
    unsafe extern "C" fn(
        n: usize,
        z: *const f64,
        zdim: usize,
        c: *const f64,
        cdim: usize,
        x: *mut f64,
        xdim: usize,
        user: *mut c_void,
    ) -> i32,
>;

type Generate = unsafe extern "C" fn(
    usize,
    *const f64,
    usize,
    *const f64,
    usize,
    *mut f64,
    usize,
    *mut c_void,
) -> i32;

impl HostGenerator for Callback<Generate> {
    fn generate(&self, rows: usize, z: &[f64], c: &[f64], x: &mut [f64]) -> Result<()> {
        let columns = |array: &[f64]| array.len().checked_div(rows).unwrap_or(0);
        let conditions = if c.is_empty() {
            std::ptr::null()
        } else {
            c.as_ptr()
        };
        // SAFETY: the arrays have the sizes stated; the rest is the host's promise when it gave the callback.
        self.call(|generate, user| unsafe {
            generate(
                rows,
                z.as_ptr(),
                columns(z),
                conditions,
                columns(c),
                x.as_mut_ptr(),
                columns(x),
                user,
            )
        })
    }
}

fn callback(generate: laser_generate_fn, user: *mut c_void) -> Result<Arc<Callback<Generate>>> {
    let name = ("generator callback", "generate");
    Callback::new(name, generate, user).map(Arc::new)
}

/// Makes a generator of a callback of the host. It can be refined like any other; it has no density, and no gradient.
///
/// A stochastic one turns the same latent point into different events. Then w(g(z)) is no function of z, and laser_refine learns one by
/// OmniFold (option "pullback.method"). Its hidden randomness is the host's: what the library promises of the bits of events holds for the
/// latent points alone.
///
/// @param zdim N, dimensions of the latent space, at least 1
/// @param cdim C, values of the condition; 0 for none
/// @param xdim M, values per event, at least 1
/// @param stochastic 1 if it draws randomness of its own, else 0
/// @param generate the callback
/// @param user handed to the callback; must live until the generator, and every model and sampler made from it, is freed
/// @param options key "dtype", the precision of the networks that models of it get; NULL for the defaults
/// @param out receives the generator; the caller frees it with laser_generator_free
/// @return LASER_OK; LASER_ERR_INVALID_ARGUMENT for dimensions out of range, or `stochastic` neither 0 nor 1; LASER_ERR_NULL, also if
/// `generate` is NULL; LASER_ERR_BUSY while `options` are being changed
///
/// Threads: any number at once. The callback is not called here.
#[no_mangle]
pub unsafe extern "C" fn laser_generator_from_callback(
    zdim: usize,
    cdim: usize,
    xdim: usize,
    stochastic: i32,
    generate: laser_generate_fn,
    user: *mut c_void,
    options: *const laser_options,
    out: *mut *mut laser_generator,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let (out, options) = unsafe { (Out::new("out", out)?, options::given(options)?) };
        let stochastic = match stochastic {
            0 => false,
            1 => true,
            _ => {
                return Err(Error::InvalidArgument(format!(
                    "argument `stochastic` is {stochastic}; 0 or 1 is required"
                )))
            }
        };
        let host = callback(generate, user)?;
        let model = host_generator((zdim, cdim, xdim), stochastic, &options)?;
        let generator = Instance::new(model).with_host(host)?;
        out.set(laser_generator::new(generator).give());
        Ok(())
    })
}

/// Attaches a callback to the generator of a loaded model that was made for one: files hold no callbacks. A callback for its support that
/// laser_model_attach_support attached stays.
///
/// A model that was refined for a generator without randomness of its own remembers eight of its events. Before the first events that the
/// callback makes for the new model it is asked for these: if it makes others, it is another generator, or another version of it, and whatever
/// needs its events is LASER_ERR_INVALID_ARGUMENT. Features may be off by what another machine rounds; those that are nothing but what
/// rounding leaves of larger numbers, as the mass of a massless particle, by a thousandth of these. To know them from others, the callback may be
/// asked for the events of latents that differ in the seventh digit.
///
/// @param model a model whose generator is a callback; stays as it is
/// @param zdim N, as laser_model_latent_dim says; so that a callback for other dimensions is found out
/// @param cdim C, as laser_model_condition_dim says
/// @param xdim M, as laser_model_event_dim says
/// @param generate the callback
/// @param user handed to the callback; must live until the new model, and every sampler made from it, is freed
/// @param out receives a model that is `model` with the callback; the caller frees it with laser_model_free
/// @return LASER_OK; LASER_ERR_INVALID_ARGUMENT if the dimensions are others, or the model has a generator of its own; LASER_ERR_NULL
///
/// Threads: any number at once. The callback is not called here.
#[no_mangle]
pub unsafe extern "C" fn laser_model_attach(
    model: *const laser_model,
    zdim: usize,
    cdim: usize,
    xdim: usize,
    generate: laser_generate_fn,
    user: *mut c_void,
    out: *mut *mut laser_model,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let (out, model) = unsafe { (Out::new("out", out)?, laser_model::hold(model, "model")?) };
        let g = &model.model().generator;
        for (name, given, right) in [
            ("zdim", zdim, g.latent_dim()),
            ("cdim", cdim, g.condition_dim()),
            ("xdim", xdim, g.event_dim()),
        ] {
            if given != right {
                return Err(Error::InvalidArgument(format!(
                    "argument `{name}` is {given}, but the model's generator has {right}"
                )));
            }
        }
        let host = callback(generate, user)?;
        let model = model.model();
        let attached = model.with_model((***model).clone()).with_host(host)?;
        out.set(laser_model::new(attached).give());
        Ok(())
    })
}
