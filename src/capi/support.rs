//! Callbacks of the host that say where events can be.

use super::array::Out;
use super::boundary::call;
use super::callback::Callback;
use super::generator::laser_generator;
use super::handle::Handle;
use super::model::laser_model;
use super::status::laser_status;
use crate::model::Region;
use crate::protocol::Instance;
use crate::room::{self, Gather};
use crate::{Error, Result};
use std::ffi::c_void;
use std::sync::Arc;

/// Says which events can be: the support, where no formula of option "support" does.
///
/// Called only on the thread that called into the library, never concurrently: while it runs for one thread, another that needs it gets
/// LASER_ERR_BUSY. May call the library, except for weights of the same model (LASER_ERR_BUSY). Must not throw, nor jump out. The mark of a
/// row must depend on this row alone, and be the same whenever it is asked for. Events that are not finite cannot be, and it is not asked.
///
/// @param n how many events, at least 1
/// @param dim M + C
/// @param x `n` rows of `dim` doubles, packed: events followed by their conditions, finite
/// @param inside receives `n` marks: 1 for an event that can be, 0 for one that cannot; all others are LASER_ERR_DATA
/// @param user the pointer given with the callback
/// @return 0 to go on; anything else ends the call with LASER_ERR_CALLBACK and this number
pub type laser_support_fn = Option<
    unsafe extern "C" fn(
        n: usize,
        dim: usize,
        x: *const f64,
        inside: *mut i32,
        user: *mut c_void,
    ) -> i32,
>;

type Inside = unsafe extern "C" fn(usize, usize, *const f64, *mut i32, *mut c_void) -> i32;

/// What a mark is before the host has written it.
const UNMARKED: i32 = -1;

/// The region that a callback knows, in rows of `dim` values.
struct HostRegion {
    dim: usize,
    callback: Callback<Inside>,
}

impl Region for HostRegion {
    fn inside(&self, x: &[f64], inside: &mut [bool]) -> Result<()> {
        let finite = |row: &&[f64]| row.iter().all(|v| v.is_finite());
        let rows = x.chunks_exact(self.dim).zip(inside.iter_mut());
        rows.for_each(|(row, inside)| *inside = finite(&row));
        let asked: Vec<f64>;
        let x = match inside.iter().all(|inside| *inside) {
            true => x,
            false => {
                let rows = x.chunks_exact(self.dim).filter(finite);
                asked = rows.flatten().copied().gather()?;
                &asked
            }
        };
        let n = x.len() / self.dim;
        if n == 0 {
            return Ok(());
        }
        let mut marks = room::filled(n, UNMARKED)?;
        // SAFETY: the arrays have the sizes stated; the rest is the host's promise when it gave the callback.
        self.callback.call(|function, user| unsafe {
            function(n, self.dim, x.as_ptr(), marks.as_mut_ptr(), user)
        })?;
        if let Some(row) = marks.iter().position(|mark| !matches!(mark, 0 | 1)) {
            return Err(Error::Data(format!(
                "the support callback marked row {row} (from 0) of {n} with {}; 1 (inside) or 0 is required for every row",
                marks[row]
            )));
        }
        let of_finite = inside.iter_mut().filter(|inside| **inside);
        of_finite
            .zip(marks)
            .for_each(|(inside, mark)| *inside = mark == 1);
        Ok(())
    }
}

/// The region of a callback for events of `instance`, whose rows have as many values as `dim` says.
fn region(
    instance: &Instance,
    dim: usize,
    support: laser_support_fn,
    user: *mut c_void,
) -> Result<Arc<HostRegion>> {
    let callback = Callback::new(("support callback", "support"), support, user)?;
    let dims = instance.generator.dims();
    if dim != dims.event_row() {
        return Err(Error::InvalidArgument(format!(
            "argument `dim` is {dim}, but events have {} values: {} features and {} conditions",
            dims.event_row(),
            dims.features,
            dims.conditions
        )));
    }
    Ok(Arc::new(HostRegion { dim, callback }))
}

/// Makes a generator that is the same, with a callback that says where its events can be. Refining it goes by that: the weight of events
/// outside is exactly 0, as with the option "support", which must then be empty.
///
/// Replaces the support that `generator` had, be it of a formula or of a callback. Baseline events are what the generator makes, also outside.
/// Files of the new generator, and of models of it, hold all but the callback: give it again after loading, to a model by
/// laser_model_attach_support.
///
/// @param generator any generator; stays as it is, and may be freed first
/// @param dim M + C, as laser_generator_event_dim and laser_generator_condition_dim say; so that a callback for others is found out
/// @param support the callback
/// @param user handed to the callback; must live until the new generator, and every model and sampler made from it, is freed
/// @param out receives the new generator; the caller frees it with laser_generator_free
/// @return LASER_OK; LASER_ERR_INVALID_ARGUMENT if `dim` is another; LASER_ERR_NULL, also if `support` is NULL
///
/// Threads: any number at once. The callback is not called here.
#[no_mangle]
pub unsafe extern "C" fn laser_generator_with_support(
    generator: *const laser_generator,
    dim: usize,
    support: laser_support_fn,
    user: *mut c_void,
    out: *mut *mut laser_generator,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let (out, generator) = unsafe {
            (
                Out::new("out", out)?,
                laser_generator::hold(generator, "generator")?,
            )
        };
        let region = region(generator.model(), dim, support, user)?;
        let supported = generator.model().with_support(region);
        out.set(laser_generator::new(supported).give());
        Ok(())
    })
}

/// Attaches a callback to a loaded model whose support is one: files hold no callbacks. Without it, what needs weights is
/// LASER_ERR_UNSUPPORTED. A generator that laser_model_attach attached stays.
///
/// @param model a model refined from a generator of laser_generator_with_support; stays as it is
/// @param dim M + C, as laser_model_event_dim and laser_model_condition_dim say; so that a callback for others is found out
/// @param support the callback
/// @param user handed to the callback; must live until the new model, and every sampler made from it, is freed
/// @param out receives a model that is `model` with the callback; the caller frees it with laser_model_free
/// @return LASER_OK; LASER_ERR_INVALID_ARGUMENT if `dim` is another, or the model's support is no callback; LASER_ERR_NULL
///
/// Threads: any number at once. The callback is not called here.
#[no_mangle]
pub unsafe extern "C" fn laser_model_attach_support(
    model: *const laser_model,
    dim: usize,
    support: laser_support_fn,
    user: *mut c_void,
    out: *mut *mut laser_model,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let (out, model) = unsafe { (Out::new("out", out)?, laser_model::hold(model, "model")?) };
        let model = model.model();
        let region = region(model, dim, support, user)?;
        let attached = model.with_model((***model).clone()).with_region(region)?;
        out.set(laser_model::new(attached).give());
        Ok(())
    })
}
