//! Unfolding: `laser_unfold`.

use super::array::{self, Out};
use super::boundary::call;
use super::handle::Handle;
use super::hooks::{self, laser_hooks};
use super::options::{self, laser_options};
use super::reweighter::laser_reweighter;
use super::source::laser_source;
use super::status::laser_status;
use crate::{protocol, Error};

/// Flag of a simulated event: it has a counterpart at particle level, in the fiducial space.
pub const LASER_PAIR_GENERATED: i32 = 1;
/// Flag of a simulated event: it was reconstructed.
pub const LASER_PAIR_RECONSTRUCTED: i32 = 2;

/// Unfolds measured events: weights of simulated events at particle level with which the detector level of the simulation is distributed as
/// the data, in shape and number (OmniFold, arXiv:1911.09107; acceptance and fakes, arXiv:2105.04448).
///
/// Row i of `generated` and `reconstructed` is one simulated event, with its values at the two levels; `flags` say which of them it has. The
/// sum of v * w over the events, v the weights of `generated`, is the unfolded number of events, corrected for efficiency and fakes;
/// histograms of v * w at particle level are unfolded distributions. The reweighter gives the same weights to other events of the particle
/// level: w is its weight times the number "unfolding.factor" of its record, which also holds what each iteration changed, and how the weighted
/// simulation compares with the data at detector level.
///
/// The calling thread works until it is done; the callbacks of the hooks are called on it. A checkpoint keeps all trainings.
///
/// @param generated `n` simulated events at particle level, of G values, with their Monte Carlo weights v; an array or a file in memory
/// @param reconstructed the same `n` events at detector level, of R values; its weights, if it has any, count at detector level in the place
/// of v, as v times scale factors; an event of the weight 0 there was not reconstructed, as by its flag
/// @param data measured events, of R values, an array or a file in memory; backgrounds are events of negative weight
/// @param flags `n` sums of LASER_PAIR_GENERATED and LASER_PAIR_RECONSTRUCTED; NULL: all events have both. The values of a level that an
/// event has not are not looked at, but must be finite
/// @param n rows of `generated` and `reconstructed`
/// @param options the groups "unfold", "classifier" and "validation", "features" of the particle level, "weights.tail", "weights.margin",
/// "seed", "dtype", "backend", "device", "threads"; copied; NULL for the defaults, which take longer than the preset "fast"
/// @param hooks progress, log, cancel, checkpoint and ranks; copied; NULL for none
/// @param w receives `n` weights w, 0 of events without particle level; of a replica, with the number of times that the event is drawn; NULL
/// if they are not wanted. It must not be an array that a source was made of. After an error it is as it was
/// @param out receives the reweighter; the caller frees it with laser_reweighter_free
/// @return LASER_OK; LASER_ERR_INVALID_ARGUMENT for sources or flags that do not fit together, and arrays that overlap; LASER_ERR_UNSUPPORTED for a callback, or a
/// file that is not held in memory; LASER_ERR_DATA for weights without a positive sum; else as laser_generator_train
///
/// Threads: any number at once; while another call trains on one of the sources LASER_ERR_BUSY.
#[no_mangle]
pub unsafe extern "C" fn laser_unfold(
    generated: *const laser_source,
    reconstructed: *const laser_source,
    data: *const laser_source,
    flags: *const i32,
    n: usize,
    options: *const laser_options,
    hooks: *const laser_hooks,
    w: *mut f64,
    out: *mut *mut laser_reweighter,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let (out, generated, reconstructed, data, flags, mut w, options, hooks) = unsafe {
            (
                Out::new("out", out)?,
                laser_source::hold(generated, "generated")?,
                laser_source::hold(reconstructed, "reconstructed")?,
                laser_source::hold(data, "data")?,
                array::optional_slice("flags", flags, n)?,
                array::optional_column_mut("w", w, n)?,
                options::given(options)?,
                hooks::given(hooks)?,
            )
        };
        let (generated, reconstructed, data) = (
            generated.gate().read()?,
            reconstructed.gate().read()?,
            data.gate().read()?,
        );
        let rows = generated.sample().map_or(n, |sample| sample.rows());
        if rows != n {
            return Err(Error::InvalidArgument(format!(
                "argument `n` is {n}, but `generated` has {rows} rows; `flags` and `w` need one for each of them"
            )));
        }
        if let Some(w) = &w {
            for (name, source) in [
                ("generated", &generated),
                ("reconstructed", &reconstructed),
                ("data", &data),
            ] {
                if let Ok(sample) = source.sample() {
                    array::disjoint([
                        Some(("w", w.span())),
                        Some((name, sample.events().span())),
                        sample.weight_span().map(|span| (name, span)),
                    ])?;
                }
            }
        }
        let unfolded =
            protocol::unfold(&generated, &reconstructed, &data, flags, &options, &hooks)?;
        if let Some(w) = &mut w {
            for (row, value) in unfolded.w.iter().enumerate() {
                w.set(row, [*value]);
            }
        }
        out.set(laser_reweighter::new(unfolded.reweighter).give());
        Ok(())
    })
}
