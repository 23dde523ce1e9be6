//! `laser_reweighter`.

use super::array::{self, Out};
use super::boundary::call;
use super::handle::Handle;
use super::hooks::{self, laser_hooks};
use super::model::{describe, name_of, number};
use super::options::{self, laser_options};
use super::source::laser_source;
use super::status::laser_status;
use super::text;
use crate::protocol::{self, Reweighter, Weights};
use crate::{Error, Result};
use std::ffi::c_char;
use std::path::Path;

/// Weights for events of the host: w(x) = p_to(x) / p_from(x), the ratio of the densities of two sources. Immutable. Threads: any number
/// at once.
pub struct laser_reweighter(Reweighter);

impl Handle for laser_reweighter {}

impl laser_reweighter {
    pub(super) fn new(reweighter: Reweighter) -> Self {
        laser_reweighter(reweighter)
    }
}

/// Trains a reweighter: the classifier between the events of two sources, whose ratio of densities is w. No generator is needed. The
/// weights are judged on events of both that were held out, and the log callback is told what is wrong with them.
///
/// Weights of either source may be negative, wherever those of a region sum to more than 0, and have any unit. Both densities are
/// normalised to 1: the sum of v * w over the events of `from`, of weights v, is about the sum of v.
///
/// With option "conditions" = C the last C values of a row of `to` are conditions, as the energy of a particle or the parameters of a
/// simulation. If rows of `from` have them too, w is the ratio of the densities of events with their conditions. If they have not, every
/// event of `from` stands for all conditions of `to`, and w(x | c) = p_to(x | c) / p_from(x), interpolated between the conditions of `to`.
///
/// The calling thread works until it is done; the callbacks of sources and hooks are called on it.
///
/// @param from the events to be weighted, of M + C or M values; in use until the call returns. Arrays, files and callbacks, in any
/// combination with `to`
/// @param to the events that they are to be like, of M + C values; another handle than `from`; in use until the call returns
/// @param options the groups "classifier", "features", "target" and "validation", "conditions", "support", "weights.tail", "weights.margin",
/// "seed", "dtype", "backend", "device", "threads"; copied; NULL for the defaults, which take longer than the preset "fast"
/// @param hooks progress, log, cancel, checkpoint and ranks; copied; NULL for none
/// @param out receives the reweighter; the caller frees it with laser_reweighter_free
/// @return LASER_OK; LASER_ERR_INVALID_ARGUMENT if the sources differ in columns; LASER_ERR_BUSY for one handle as both sources; else as
/// laser_generator_train
///
/// Threads: needs `from` and `to` alone; the others may be shared.
#[no_mangle]
pub unsafe extern "C" fn laser_reweighter_train(
    from: *mut laser_source,
    to: *mut laser_source,
    options: *const laser_options,
    hooks: *const laser_hooks,
    out: *mut *mut laser_reweighter,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let (out, from, to, options, hooks) = unsafe {
            (
                Out::new("out", out)?,
                laser_source::hold(from, "from")?,
                laser_source::hold(to, "to")?,
                options::given(options)?,
                hooks::given(hooks)?,
            )
        };
        let (mut from, mut to) = (from.gate().write()?, to.gate().write()?);
        let trained = protocol::train_reweighter(&mut from, &mut to, &options, &hooks)?;
        out.set(laser_reweighter::new(trained).give());
        Ok(())
    })
}

/// The weights of events.
///
/// @param reweighter what to ask
/// @param options keys "backend", "device", "threads"; NULL for the defaults. The number of threads changes no bit
/// @param n number of events; 0 does nothing
/// @param x `n` rows of M + C doubles, events followed by their conditions; row i begins at x + i * stride
/// @param stride doubles between the beginnings of rows, at least M + C; 0 for packed rows
/// @param w receives `n` weights w(x); NULL if they are not wanted. 0 outside the support
/// @param log_w receives `n` logarithms log w(x); NULL if they are not wanted. Minus infinity outside the support
/// @param spread receives `n` standard deviations of log w(x) between the networks of the ensemble (option "classifier.ensemble"), 0 of a
/// single one; NULL if they are not wanted. They take as much time again. What the networks have in common, as too few events, they do not
/// show
/// @return LASER_OK; LASER_ERR_INVALID_ARGUMENT for wrong sizes or arrays that overlap; LASER_ERR_DATA for events that are not finite;
/// LASER_ERR_NUMERICAL for weights that are not; LASER_ERR_DEVICE; LASER_ERR_TORCH; LASER_ERR_NULL, also if nothing is wanted; LASER_ERR_BUSY while `options` are being changed
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_reweighter_weights(
    reweighter: *const laser_reweighter,
    options: *const laser_options,
    n: usize,
    x: *const f64,
    stride: usize,
    w: *mut f64,
    log_w: *mut f64,
    spread: *mut f64,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let (reweighter, options) = unsafe {
            (
                laser_reweighter::hold(reweighter, "reweighter")?,
                options::given(options)?,
            )
        };
        if w.is_null() && log_w.is_null() && spread.is_null() {
            return Err(Error::NullPointer("w"));
        }
        let columns = reweighter.0.generator.dims().event_row();
        // SAFETY: the host's promise; that the arrays are apart is checked before their first use.
        let (x, w, log_w, spread) = unsafe {
            (
                array::rows("x", x, (n, columns), ("stride", stride))?,
                array::optional_column_mut("w", w, n)?,
                array::optional_column_mut("log_w", log_w, n)?,
                array::optional_column_mut("spread", spread, n)?,
            )
        };
        array::disjoint([
            Some(("x", x.span())),
            w.as_ref().map(|w| ("w", w.span())),
            log_w.as_ref().map(|w| ("log_w", w.span())),
            spread.as_ref().map(|w| ("spread", w.span())),
        ])?;
        if n == 0 {
            return Ok(());
        }
        reweighter
            .0
            .weights(&options, x, Weights { w, log_w, spread })
    })
}

/// Saves a reweighter to one file, a model file as laser_model_save writes them. It appears whole or not at all, and replaces what had its
/// name.
///
/// @param reweighter what to save
/// @param path the file, in UTF-8
/// @return LASER_OK; LASER_ERR_IO; LASER_ERR_INVALID_ARGUMENT for a path that is not UTF-8; LASER_ERR_NULL
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_reweighter_save(
    reweighter: *const laser_reweighter,
    path: *const c_char,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let (reweighter, path) = unsafe {
            (
                laser_reweighter::hold(reweighter, "reweighter")?,
                text::read(path, "path")?,
            )
        };
        reweighter.0.save(Path::new(path))
    })
}

/// Loads a reweighter. The saved and the loaded one give the same bits.
///
/// @param path the file, in UTF-8
/// @param options NULL for the defaults; no key changes how this version reads files
/// @param out receives the reweighter; the caller frees it with laser_reweighter_free
/// @return LASER_OK; LASER_ERR_IO; LASER_ERR_FORMAT for a file that is not a valid model file; LASER_ERR_UNSUPPORTED for that of a model
/// with a generator; LASER_ERR_INVALID_ARGUMENT for a path that is not UTF-8; LASER_ERR_NULL; LASER_ERR_BUSY while `options` are being
/// changed
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_reweighter_load(
    path: *const c_char,
    options: *const laser_options,
    out: *mut *mut laser_reweighter,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let (path, out) = unsafe {
            options::given(options)?;
            (text::read(path, "path")?, Out::new("out", out)?)
        };
        let loaded = Reweighter::load(Path::new(path))?;
        out.set(laser_reweighter::new(loaded).give());
        Ok(())
    })
}

/// M, the values per event, without conditions.
///
/// @param reweighter what to ask
/// @param out receives M
/// @return LASER_OK; LASER_ERR_NULL
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_reweighter_event_dim(
    reweighter: *const laser_reweighter,
    out: *mut usize,
) -> laser_status {
    // SAFETY: the host's promise.
    call(|| unsafe { dim(reweighter, out, |dims| dims.features) })
}

/// C, the values of the condition of an event; 0 without conditions.
///
/// @param reweighter what to ask
/// @param out receives C
/// @return LASER_OK; LASER_ERR_NULL
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_reweighter_condition_dim(
    reweighter: *const laser_reweighter,
    out: *mut usize,
) -> laser_status {
    // SAFETY: the host's promise.
    call(|| unsafe { dim(reweighter, out, |dims| dims.conditions) })
}

/// # Safety
/// The host's promise.
unsafe fn dim(
    reweighter: *const laser_reweighter,
    out: *mut usize,
    of: fn(crate::model::Dims) -> usize,
) -> Result<()> {
    // SAFETY: the caller's promise.
    let (reweighter, out) = unsafe {
        (
            laser_reweighter::hold(reweighter, "reweighter")?,
            Out::new("out", out)?,
        )
    };
    out.set(of(reweighter.0.generator.dims()));
    Ok(())
}

/// What a value of an event is called.
///
/// @param reweighter what to ask
/// @param column which value, from 0: a feature below M, behind them a condition, below M + C
/// @param buf receives the name, NUL-terminated: that of option "features.names" or of the source or, without names, x0 ... of features and
/// c0 ... of conditions; NULL with `cap` 0 asks for the size only
/// @param cap size of `buf` in bytes
/// @param needed receives the size of the name in bytes, its NUL included, also if `buf` is too small; may be NULL
/// @return LASER_OK; LASER_ERR_INVALID_ARGUMENT for a column beyond the last, or too small a buffer; LASER_ERR_NULL
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_reweighter_feature_name(
    reweighter: *const laser_reweighter,
    column: usize,
    buf: *mut c_char,
    cap: usize,
    needed: *mut usize,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let reweighter = unsafe { laser_reweighter::hold(reweighter, "reweighter")? };
        let name = name_of(&reweighter.0, column)?;
        // SAFETY: the host's promise.
        unsafe { text::write(&name, buf, cap, needed) }
    })
}

/// Describes a reweighter: networks, scalings, and the record of its training with settings, losses and the weight report.
///
/// @param reweighter what to describe
/// @param buf receives JSON, NUL-terminated, as laser_model_info gives it; NULL with `cap` 0 asks for the size only
/// @param cap size of `buf` in bytes
/// @param needed receives the size of the JSON in bytes, its NUL included, also if `buf` is too small; may be NULL
/// @return LASER_OK; LASER_ERR_INVALID_ARGUMENT for too small a buffer; LASER_ERR_NULL
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_reweighter_info(
    reweighter: *const laser_reweighter,
    buf: *mut c_char,
    cap: usize,
    needed: *mut usize,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let reweighter = unsafe { laser_reweighter::hold(reweighter, "reweighter")? };
        let json = describe(&reweighter.0)?;
        // SAFETY: the host's promise.
        unsafe { text::write(&json, buf, cap, needed) }
    })
}

/// Reads a number of the training record.
///
/// @param reweighter what to ask
/// @param key path into the record with dots, as of laser_model_get_f64: "classifier.…" of the training; "weights.…" of the weights that
/// events of `from` get, in the unit of their own mean weight; "weights.calibration.…" of held-out events of both; "weights.gaps.0.…" of
/// what `from` does not reach of `to`, or not with its weights; "weights.features.0.…", "weights.limit.…", "weights.second_opinion.…"; of laser_resample
/// "resample.events", ".total", ".total_error", ".effective", ".effective_after", ".negative_events" and ".negative_weight" (shares), ".factor",
/// ".correction", ".region.events", ".region.weight", ".region.error", ".closure.chi_square", ".closure.difference", ".closure.from",
/// ".closure.to", ".closure.bins", ".closure.regions.pull", ".closure.regions.above", ".closure.regions.below", and of method "variance" ".kept", ".expected", ".draw", ".squares.chi_square"; of laser_unfold "unfolding.iterations", ".factor", ".total", ".data", ".fakes", ".efficiency", ".changes.0" …
/// @param out receives the number
/// @return LASER_OK; LASER_ERR_INVALID_ARGUMENT if there is no such number, with the keys that there are; LASER_ERR_NULL
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_reweighter_get_f64(
    reweighter: *const laser_reweighter,
    key: *const c_char,
    out: *mut f64,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let (reweighter, key, out) = unsafe {
            (
                laser_reweighter::hold(reweighter, "reweighter")?,
                text::read(key, "key")?,
                Out::new("out", out)?,
            )
        };
        out.set(number(&reweighter.0.record, key, key)?);
        Ok(())
    })
}

/// Frees a reweighter.
///
/// @param reweighter what to free; NULL is fine
///
/// Threads: no other thread may use `reweighter` any more.
#[no_mangle]
pub unsafe extern "C" fn laser_reweighter_free(reweighter: *mut laser_reweighter) {
    // SAFETY: the host's promise.
    unsafe { laser_reweighter::free(reweighter) }
}
