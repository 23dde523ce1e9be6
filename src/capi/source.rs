//! `laser_source`.

use super::array::{self, Out};
use super::boundary::call;
use super::handle::{Gate, Handle, User};
use super::hooks::go_on;
use super::options::{self, laser_options};
use super::status::laser_status;
use super::text;
use crate::protocol::{EventSource, Source};
use crate::{guard, Error, Result};
use parking_lot::Mutex;
use std::ffi::{c_char, c_void};
use std::path::Path;
use std::sync::Arc;

/// Where target events come from: an array, a file, or a callback of the host.
///
/// One source can serve several trainings in turn; the events that it holds out of them stay the same. Threads: a training needs
/// it alone, else LASER_ERR_BUSY; const uses by any number of threads at once; it may move between threads.
pub struct laser_source {
    source: Gate<Source<'static>>,
    /// Of a callback's events.
    positions: Option<Positions>,
}

impl Handle for laser_source {}

impl laser_source {
    fn new(source: Source<'static>) -> Self {
        laser_source {
            source: Gate::new("source", source),
            positions: None,
        }
    }

    /// The source of a training, which uses it alone.
    pub(super) fn gate(&self) -> &Gate<Source<'static>> {
        &self.source
    }
}

/// The callbacks that tell and restore the position of a callback's events, once they are set.
type Positions = Arc<Mutex<Option<(Tell, Seek, User)>>>;

type Tell = unsafe extern "C" fn(*mut u64, *mut c_void) -> i32;
type Seek = unsafe extern "C" fn(u64, *mut c_void) -> i32;

/// Delivers events: fills up to `n` rows of `dim` values each.
///
/// Called only on the thread that made the call that trains, never concurrently. May call the library, except with the source
/// that it serves (LASER_ERR_BUSY). Must not throw, nor jump out. Events and weights must be finite, and the total weight
/// positive. Whatever it does not write of the rows that it says it filled, a weight as well as a value, is NaN, and ends the
/// training with LASER_ERR_DATA, which names the row. Events come in random order: the first are held out, and all is judged by them.
///
/// @param n how many events are wanted, at least 1
/// @param dim values per event
/// @param x `n` rows of `dim` doubles, packed; row i begins at x + i * dim
/// @param w `n` weights; NULL if the source was declared unweighted
/// @param got set it to the number of rows filled, at most `n`; it is 0 when the callback begins. Less than `n` ends the
/// events: the next call begins them again, from the first in the order that they had, or with fresh ones
/// @param user the pointer given with the callback
/// @return 0 to go on; anything else ends the training with LASER_ERR_CALLBACK and this number, unless the option
/// "source.failures" has it asked again: a call that fails has delivered nothing
pub type laser_events_fn = Option<
    unsafe extern "C" fn(
        n: usize,
        dim: usize,
        x: *mut f64,
        w: *mut f64,
        got: *mut usize,
        user: *mut c_void,
    ) -> i32,
>;

type Events =
    unsafe extern "C" fn(usize, usize, *mut f64, *mut f64, *mut usize, *mut c_void) -> i32;

struct HostEvents {
    dim: usize,
    weighted: bool,
    events: Events,
    user: User,
    positions: Positions,
}

impl EventSource for HostEvents {
    fn dim(&self) -> usize {
        self.dim
    }

    fn weighted(&self) -> bool {
        self.weighted
    }

    /// What was delivered, and that it is not more than was asked for, is checked by the caller.
    fn fill(&mut self, x: &mut [f64], w: &mut [f64]) -> Result<usize> {
        let rows = w.len();
        if rows.checked_mul(self.dim) != Some(x.len()) {
            return Err(Error::Internal(format!(
                "{} numbers for {rows} events of {}",
                x.len(),
                self.dim
            )));
        }
        let weights = if self.weighted {
            w.as_mut_ptr()
        } else {
            std::ptr::null_mut()
        };
        let mut got = 0;
        // SAFETY: the arrays have the sizes stated; the rest is the host's promise when it made the source.
        let code = guard::host(|| unsafe {
            (self.events)(
                rows,
                self.dim,
                x.as_mut_ptr(),
                weights,
                &mut got,
                self.user.0,
            )
        });
        go_on("events", code)?;
        Ok(got)
    }

    fn position(&mut self) -> Result<Option<u64>> {
        let Some((tell, _, user)) = *self.positions.lock() else {
            return Ok(None);
        };
        let mut position = 0;
        // SAFETY: the host's promise when it set the callback.
        let code = guard::host(|| unsafe { tell(&mut position, user.0) });
        go_on("tell", code)?;
        Ok(Some(position))
    }

    fn go_to(&mut self, position: u64) -> Result<()> {
        let Some((_, seek, user)) = *self.positions.lock() else {
            return Err(Error::InvalidArgument(
                "the checkpoint has a position of the events; set the callbacks that restore it, with `laser_source_set_position`".into(),
            ));
        };
        // SAFETY: the host's promise when it set the callback.
        let code = guard::host(|| unsafe { seek(position, user.0) });
        go_on("seek", code)
    }
}

/// Makes a source of events in an array. The arrays are borrowed: they must live and stay unchanged until the source is
/// freed and no call uses it.
///
/// @param x `n` rows of `dim` doubles; row i begins at x + i * stride
/// @param w `n` weights, which may be negative if their sum is positive; NULL for weights of 1
/// @param n number of events, at least 1
/// @param dim values per event, at least 1
/// @param stride doubles between the beginnings of rows, at least `dim`; 0 for packed rows
/// @param out receives the source; the caller frees it with laser_source_free
/// @return LASER_OK; LASER_ERR_INVALID_ARGUMENT for zero or overflowing sizes; LASER_ERR_DATA naming the first row and column
/// that is NaN or infinite; LASER_ERR_NULL
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_source_from_array(
    x: *const f64,
    w: *const f64,
    n: usize,
    dim: usize,
    stride: usize,
    out: *mut *mut laser_source,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise, for as long as the source lives.
        let (x, w, out) = unsafe {
            (
                array::rows("x", x, (n, dim), ("stride", stride))?,
                array::optional_slice("w", w, n)?,
                Out::new("out", out)?,
            )
        };
        out.set(laser_source::new(Source::from_rows(x, w)?).give());
        Ok(())
    })
}

/// Makes a source of the events in a file: NumPy's .npy of one or two dimensions, of doubles or single precision, in C or Fortran order, or one
/// of named fields; or doubles behind a header of 24 bytes: the letters LASERF64, then the number of columns and the number of rows, each a
/// little-endian integer of 8 bytes; behind it the rows, little-endian. Every row is an event, its conditions behind its features.
///
/// A file that takes no more memory than "source.memory" is read now; it is what an array of the same rows is, with the same bits in all that
/// is trained on it. A larger one stays open and is read in parts, each shuffled, as they are needed: memory and the time of this call do not
/// grow with it. It must stay as it is until the source is freed; if it is cut meanwhile, the training ends with LASER_ERR_IO.
///
/// @param path the file, in UTF-8
/// @param options "source.weight": the column of the weights, by its name or number; "source.memory"; NULL for the defaults. Others do not
/// matter here
/// @param out receives the source; the caller frees it with laser_source_free
/// @return LASER_OK; LASER_ERR_IO; LASER_ERR_DATA for a file of another kind or one that does not hold what its header states, and naming the
/// first row and column that is NaN or infinite (of a large file the training says it); LASER_ERR_INVALID_ARGUMENT for a path that is not
/// UTF-8, a column that there is not, no events or too many columns; LASER_ERR_MEMORY; LASER_ERR_NULL; LASER_ERR_BUSY while `options` are
/// being changed
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_source_from_file(
    path: *const c_char,
    options: *const laser_options,
    out: *mut *mut laser_source,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let (path, options, out) = unsafe {
            (
                text::read(path, "path")?,
                options::given(options)?,
                Out::new("out", out)?,
            )
        };
        let source = Source::from_file(Path::new(path), &options)?;
        out.set(laser_source::new(source).give());
        Ok(())
    })
}

/// Values per event, its conditions included and its weight not.
///
/// @param source what to ask
/// @param out receives the number
/// @return LASER_OK; LASER_ERR_NULL; LASER_ERR_BUSY while a training uses `source`
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_source_event_dim(
    source: *const laser_source,
    out: *mut usize,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let (source, out) =
            unsafe { (laser_source::hold(source, "source")?, Out::new("out", out)?) };
        let dim = source.gate().read()?.dim();
        out.set(dim);
        Ok(())
    })
}

/// Makes a source that asks a callback for events, batch by batch. Memory does not grow with their number.
///
/// The options of a training say how often a callback that fails is asked again ("source.failures"), among how many of its events the next
/// is drawn ("source.shuffle"), and after how many they begin again without its saying so ("source.events").
///
/// @param dim values per event, at least 1
/// @param weighted 1 if the callback gives weights, 0 if all events weigh 1
/// @param events the callback
/// @param user handed to the callback; must live until the source is freed and no call uses it, and be usable on the
/// threads of the calls that get this source
/// @param out receives the source; the caller frees it with laser_source_free
/// @return LASER_OK; LASER_ERR_INVALID_ARGUMENT if `dim` is 0 or `weighted` neither 0 nor 1; LASER_ERR_NULL, also if `events`
/// is NULL
///
/// Threads: any number at once. The callback is not called here.
#[no_mangle]
pub unsafe extern "C" fn laser_source_from_callback(
    dim: usize,
    weighted: i32,
    events: laser_events_fn,
    user: *mut c_void,
    out: *mut *mut laser_source,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let out = unsafe { Out::new("out", out)? };
        let positions = Positions::default();
        let events = HostEvents {
            positions: positions.clone(),
            dim,
            weighted: match weighted {
                0 => false,
                1 => true,
                _ => {
                    return Err(Error::InvalidArgument(format!(
                        "argument `weighted` is {weighted}; 0 or 1 is required"
                    )))
                }
            },
            events: events.ok_or(Error::NullPointer("events"))?,
            user: User(user),
        };
        let source = laser_source {
            positions: Some(positions),
            ..laser_source::new(Source::from_events(Box::new(events))?)
        };
        out.set(source.give());
        Ok(())
    })
}

/// Tells where the events of a callback stand: a number that says, to the same program, what comes next, such as how many were made, or
/// that of a saved state of its random numbers. Asked after every update of a training that a checkpoint keeps. The rules of laser_events_fn
/// hold.
///
/// @param position receives the number
/// @param user the pointer given with the callback
/// @return 0 to go on; anything else ends the training with LASER_ERR_CALLBACK and this number
pub type laser_tell_fn = Option<unsafe extern "C" fn(position: *mut u64, user: *mut c_void) -> i32>;

/// Brings the events of a callback to where they stood when laser_tell_fn told this number, perhaps in another process. The rules of
/// laser_events_fn hold.
///
/// @param position the number
/// @param user the pointer given with the callback
/// @return 0 to go on; anything else ends the training with LASER_ERR_CALLBACK and this number
pub type laser_seek_fn = Option<unsafe extern "C" fn(position: u64, user: *mut c_void) -> i32>;

/// Gives a callback's events positions, so that a training that goes on from a checkpoint asks only for events that it has not used: without
/// them it asks for all once more, which a slow simulator makes dear. The first of them, by which the events are measured and which are held
/// out, are asked for in either case. A stream that is shuffled ("source.shuffle") is asked for all.
///
/// @param source a source of laser_source_from_callback
/// @param tell tells where the events stand; NULL, as `seek`, for no positions
/// @param seek restores it
/// @param user handed to both
/// @return LASER_OK; LASER_ERR_INVALID_ARGUMENT if one of the callbacks is NULL and the other is not, or for a source of another kind;
/// LASER_ERR_NULL if `source` is NULL; LASER_ERR_BUSY while a training uses it
///
/// Threads: needs `source` alone.
#[no_mangle]
pub unsafe extern "C" fn laser_source_set_position(
    source: *mut laser_source,
    tell: laser_tell_fn,
    seek: laser_seek_fn,
    user: *mut c_void,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let source = unsafe { laser_source::hold(source, "source")? };
        let _alone = source.gate().write()?;
        let Some(positions) = &source.positions else {
            return Err(Error::InvalidArgument(
                "the source is no callback: arrays and files know where they stand".into(),
            ));
        };
        *positions.lock() = match (tell, seek) {
            (Some(tell), Some(seek)) => Some((tell, seek, User(user))),
            (None, None) => None,
            _ => {
                return Err(Error::InvalidArgument(
                    "`tell` and `seek` belong together: one of them is NULL".into(),
                ))
            }
        };
        Ok(())
    })
}

/// Frees a source.
///
/// @param source what to free; NULL is fine
///
/// Threads: no other thread may use `source` any more.
#[no_mangle]
pub unsafe extern "C" fn laser_source_free(source: *mut laser_source) {
    // SAFETY: the host's promise.
    unsafe { laser_source::free(source) }
}
