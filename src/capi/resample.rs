//! `laser_resample`.

use super::array::{self, Out};
use super::boundary::call;
use super::handle::Handle;
use super::hooks::{self, laser_hooks};
use super::options::{self, laser_options};
use super::reweighter::laser_reweighter;
use super::source::laser_source;
use super::status::laser_status;
use crate::protocol;
use crate::Error;

/// Positive weights for events that have weights of both signs: W(x), the local mean of the weights, which a classifier learns (B. Nachman,
/// J. Thaler, arXiv:2007.11586). The sum of the weights stays what it is, to rounding.
///
/// With option "resample.method" = "mean" all events get W(x). What histograms of them hold is right; their errors are still those of the
/// old weights. With "variance" an event is kept with probability p = W(x)^2 / V(x) at the weight W(x) / p, where V(x) is the local mean of
/// the squared weights, and the others get 0: the sum of the squares of the new weights is that of the old ones, and so are the errors that
/// histograms take from it. Whether an event is kept depends on the option "seed" and on its row alone.
///
/// Of several weights an event, give the nominal one here, and multiply the others by (new weight) / (old weight): right as far as a variation
/// changes weights by a factor that depends on x.
///
/// Where the weights of a region sum to less than 0 no positive ones do; a warning says how much lies there ("resample.region.…").
///
/// The calling thread works until it is done; the callbacks of hooks are called on it.
///
/// @param events a source with weights: an array, or a file no larger than "source.memory"; in use until the call returns. Their features are
/// what W depends on
/// @param options as for laser_reweighter_train, and "resample.method"; "support" must be empty; copied; NULL for the defaults, which take
/// longer than the preset "fast"
/// @param hooks progress, log, cancel, checkpoint and ranks; copied; NULL for none
/// @param n number of events, as many as the source has; of no matter if `w` is NULL
/// @param w receives `n` new weights in the order of the events, none of them negative; NULL if only the reweighter is wanted. It must
/// not be the array that `events` was made of
/// @param out receives a reweighter whose weights, times the number "resample.factor" of its record, are W(x): for other events of the same
/// kind; the caller frees it with laser_reweighter_free. NULL if it is not wanted
/// @return LASER_OK; LASER_ERR_INVALID_ARGUMENT for events without weights, another `n` than theirs, a "support", arrays that overlap; LASER_ERR_UNSUPPORTED for
/// events of a callback or of a larger file; LASER_ERR_DATA for weights whose sum is not positive beyond chance; LASER_ERR_NULL if `events`
/// is, or both `w` and `out` are; LASER_ERR_BUSY while `events` are in use by a training; else as laser_reweighter_train. After an error `w`
/// is as it was
///
/// Threads: any number at once, also of the same `events`.
#[no_mangle]
pub unsafe extern "C" fn laser_resample(
    events: *const laser_source,
    options: *const laser_options,
    hooks: *const laser_hooks,
    n: usize,
    w: *mut f64,
    out: *mut *mut laser_reweighter,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let (events, options, hooks, weights, out) = unsafe {
            (
                laser_source::hold(events, "events")?,
                options::given(options)?,
                hooks::given(hooks)?,
                array::optional_column_mut("w", w, n)?,
                Out::optional(out),
            )
        };
        if weights.is_none() && out.is_none() {
            return Err(Error::NullPointer("w"));
        }
        let events = events.gate().read()?;
        if let (Some(weights), Ok(sample)) = (&weights, events.sample()) {
            array::disjoint([
                Some(("w", weights.span())),
                Some(("events", sample.events().span())),
                sample.weight_span().map(|span| ("events", span)),
            ])?;
        }
        let trained = protocol::resample(&events, &options, &hooks, weights)?;
        if let Some(out) = out {
            out.set(laser_reweighter::new(trained).give());
        }
        Ok(())
    })
}
