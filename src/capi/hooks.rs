//! `laser_cancel`, `laser_progress` and `laser_hooks`.

use super::array::Out;
use super::boundary::call;
use super::handle::{Gate, Handle, User};
use super::status::laser_status;
use super::text;
use crate::train::{AllReduce, Checkpoint, Hooks, Level, Progress, Ranks};
use crate::{guard, Error, Result};
use std::ffi::{c_char, c_void, CString};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

/// A token to stop long calls with: it takes effect within one optimisation step or block of events. It stays tripped until it is reset,
/// and one token can serve many calls. Threads: any number at once.
pub struct laser_cancel {
    tripped: AtomicBool,
}

impl Handle for laser_cancel {}

/// Makes a cancel token that is not tripped.
///
/// @param out receives the token; the caller frees it with laser_cancel_free
/// @return LASER_OK; LASER_ERR_NULL
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_cancel_new(out: *mut *mut laser_cancel) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let out = unsafe { Out::new("out", out)? };
        let tripped = AtomicBool::new(false);
        out.set(laser_cancel { tripped }.give());
        Ok(())
    })
}

/// Trips a token: calls whose hooks hold it return LASER_ERR_CANCELLED soon, calls that begin later at once.
///
/// @param cancel the token; NULL does nothing
///
/// Threads: any number at once; safe in a signal handler.
#[no_mangle]
pub unsafe extern "C" fn laser_cancel_trip(cancel: *const laser_cancel) {
    // SAFETY: the host's promise. One atomic store and nothing more: signal handlers may do that.
    if let Some(cancel) = unsafe { cancel.as_ref() } {
        cancel.tripped.store(true, Ordering::Relaxed);
    }
}

/// Makes a tripped token usable again.
///
/// @param cancel the token
/// @return LASER_OK; LASER_ERR_NULL
///
/// Threads: any number at once; a call that has not yet noticed the trip misses it.
#[no_mangle]
pub unsafe extern "C" fn laser_cancel_reset(cancel: *const laser_cancel) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let cancel = unsafe { laser_cancel::hold(cancel, "cancel")? };
        cancel.tripped.store(false, Ordering::Relaxed);
        Ok(())
    })
}

/// Tells whether a token is tripped.
///
/// @param cancel the token
/// @return 1 if it is tripped; 0 if not, or for NULL
///
/// Threads: any number at once; safe in a signal handler.
#[no_mangle]
pub unsafe extern "C" fn laser_cancel_is_tripped(cancel: *const laser_cancel) -> i32 {
    // SAFETY: the host's promise.
    unsafe { cancel.as_ref() }.map_or(0, |cancel| cancel.tripped.load(Ordering::Relaxed).into())
}

/// Frees a token. Hooks that hold it keep it alive for themselves.
///
/// @param cancel what to free; NULL is fine
///
/// Threads: no other thread may use `cancel` any more.
#[no_mangle]
pub unsafe extern "C" fn laser_cancel_free(cancel: *mut laser_cancel) {
    // SAFETY: the host's promise.
    unsafe { laser_cancel::free(cancel) }
}

/// Level of a log message: what the library decided, and why.
pub const LASER_LOG_INFO: i32 = 1;
/// Level of a log message: the result may not be what you want; the message says what to do.
pub const LASER_LOG_WARNING: i32 = 2;

/// Where a long call stands. Exists only inside the progress callback that it is handed to; the library owns it. Read it with
/// the laser_progress_* functions.
pub struct laser_progress {
    progress: Progress,
    stage: CString,
}

/// Called after every update of a training, every block of events of a pilot run or a sampler, and every trajectory of chains.
///
/// Called only on the thread that made the long call, never concurrently. May call the library, except with the handles that
/// the running call changes (LASER_ERR_BUSY). Must not throw, nor jump out.
///
/// @param p where the call stands; valid until the callback returns
/// @param user the pointer given with the callback
/// @return 0 to go on; anything else ends the call with LASER_ERR_CALLBACK and this number
pub type laser_progress_fn =
    Option<unsafe extern "C" fn(p: *const laser_progress, user: *mut c_void) -> i32>;

/// Called with a message for the user; the library itself prints nothing. The rules of laser_progress_fn hold.
///
/// @param level LASER_LOG_INFO or LASER_LOG_WARNING; later versions may have more
/// @param message UTF-8 without a newline at its end; valid until the callback returns
/// @param user the pointer given with the callback
/// @return 0 to go on; anything else ends the call with LASER_ERR_CALLBACK and this number
pub type laser_log_fn =
    Option<unsafe extern "C" fn(level: i32, message: *const c_char, user: *mut c_void) -> i32>;

/// Sums numbers over ranks: replaces each of `n` values by its sum over all of them, as MPI_Allreduce does with MPI_IN_PLACE, MPI_DOUBLE
/// and MPI_SUM.
///
/// All ranks call it alike, and all must get the same bits, as MPI libraries give them. The rules of laser_progress_fn hold.
///
/// @param n how many values, at least 1
/// @param values the values, in and out
/// @param user the pointer given with the callback
/// @return 0 to go on; anything else ends the call with LASER_ERR_CALLBACK and this number
pub type laser_allreduce_fn =
    Option<unsafe extern "C" fn(n: usize, values: *mut f64, user: *mut c_void) -> i32>;

/// How a host watches and stops long calls, where they are kept, and who shares them: callbacks, a cancel token, a checkpoint, all of them
/// optional.
///
/// Functions that take hooks copy them when called, so hooks may be changed or freed afterwards. Threads: const uses by any
/// number of threads at once; a change alone, else LASER_ERR_BUSY.
pub struct laser_hooks(Gate<HostHooks>);

impl Handle for laser_hooks {}

#[derive(Clone, Default)]
pub(super) struct HostHooks {
    progress: Option<(
        unsafe extern "C" fn(*const laser_progress, *mut c_void) -> i32,
        User,
    )>,
    log: Option<(
        unsafe extern "C" fn(i32, *const c_char, *mut c_void) -> i32,
        User,
    )>,
    cancel: Option<Arc<laser_cancel>>,
    checkpoint: Option<Arc<Checkpoint>>,
    ranks: Option<Arc<Ranks>>,
}

impl Hooks for HostHooks {
    fn progress(&self, progress: &Progress) -> Result<()> {
        let Some((callback, user)) = self.progress else {
            return Ok(());
        };
        let p = laser_progress {
            progress: *progress,
            stage: text::for_callback(progress.stage),
        };
        // SAFETY: the host's promise when it set the callback.
        let code = guard::host(|| unsafe { callback(&p, user.0) });
        go_on("progress", code)
    }

    fn log(&self, level: Level, message: &str) -> Result<()> {
        let Some((callback, user)) = self.log else {
            return Ok(());
        };
        let level = match level {
            Level::Info => LASER_LOG_INFO,
            Level::Warning => LASER_LOG_WARNING,
        };
        let message = text::for_callback(message);
        // SAFETY: the host's promise when it set the callback.
        let code = guard::host(|| unsafe { callback(level, message.as_ptr(), user.0) });
        go_on("log", code)
    }

    fn check(&self, stage: &'static str) -> Result<()> {
        match &self.cancel {
            Some(cancel) if cancel.tripped.load(Ordering::Relaxed) => Err(Error::Cancelled(stage)),
            _ => Ok(()),
        }
    }

    fn checkpoint(&self) -> Option<&Checkpoint> {
        self.checkpoint.as_deref()
    }

    fn ranks(&self) -> Option<&Arc<Ranks>> {
        self.ranks.as_ref()
    }
}

/// The sum over ranks of a host.
struct HostSum {
    callback: unsafe extern "C" fn(usize, *mut f64, *mut c_void) -> i32,
    user: User,
}

impl AllReduce for HostSum {
    fn sum(&self, values: &mut [f64]) -> Result<()> {
        let (n, user) = (values.len(), self.user.0);
        // SAFETY: the host's promise when it set the callback.
        let code = guard::host(|| unsafe { (self.callback)(n, values.as_mut_ptr(), user) });
        go_on("allreduce", code)
    }
}

/// What a callback's return value means.
///
/// # Errors
/// [`Error::Callback`] unless it is 0.
pub(super) fn go_on(callback: &'static str, code: i32) -> Result<()> {
    match code {
        0 => Ok(()),
        code => Err(Error::Callback { callback, code }),
    }
}

/// The hooks of a call; NULL stands for none.
///
/// # Safety
/// `hooks` is NULL or a live handle.
pub(super) unsafe fn given(hooks: *const laser_hooks) -> Result<HostHooks> {
    if hooks.is_null() {
        return Ok(HostHooks::default());
    }
    // SAFETY: the caller's promise.
    let hooks = unsafe { laser_hooks::hold(hooks, "hooks")? };
    let given = hooks.0.read()?.clone();
    Ok(given)
}

/// The hooks that an object keeps; NULL stands for none.
///
/// # Safety
/// As [`given`].
pub(super) unsafe fn shared(
    hooks: *const laser_hooks,
) -> Result<Option<Arc<dyn Hooks + Send + Sync>>> {
    if hooks.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's promise.
    let given = unsafe { given(hooks)? };
    Ok(Some(Arc::new(given)))
}

/// Makes hooks without callbacks and without a token.
///
/// @param out receives the hooks; the caller frees them with laser_hooks_free
/// @return LASER_OK; LASER_ERR_NULL
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_hooks_new(out: *mut *mut laser_hooks) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let out = unsafe { Out::new("out", out)? };
        out.set(laser_hooks(Gate::new("hooks", HostHooks::default())).give());
        Ok(())
    })
}

/// Sets the progress callback.
///
/// @param hooks what to change
/// @param progress the callback; NULL for none
/// @param user handed to the callback; must be usable on the threads of the calls that get these hooks
/// @return LASER_OK; LASER_ERR_NULL if `hooks` is NULL; LASER_ERR_BUSY
///
/// Threads: needs `hooks` alone.
#[no_mangle]
pub unsafe extern "C" fn laser_hooks_set_progress(
    hooks: *mut laser_hooks,
    progress: laser_progress_fn,
    user: *mut c_void,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let hooks = unsafe { laser_hooks::hold(hooks, "hooks")? };
        hooks.0.write()?.progress = progress.map(|callback| (callback, User(user)));
        Ok(())
    })
}

/// Sets the log callback.
///
/// @param hooks what to change
/// @param log the callback; NULL for none
/// @param user handed to the callback; must be usable on the threads of the calls that get these hooks
/// @return LASER_OK; LASER_ERR_NULL if `hooks` is NULL; LASER_ERR_BUSY
///
/// Threads: needs `hooks` alone.
#[no_mangle]
pub unsafe extern "C" fn laser_hooks_set_log(
    hooks: *mut laser_hooks,
    log: laser_log_fn,
    user: *mut c_void,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let hooks = unsafe { laser_hooks::hold(hooks, "hooks")? };
        hooks.0.write()?.log = log.map(|callback| (callback, User(user)));
        Ok(())
    })
}

/// Sets the cancel token.
///
/// @param hooks what to change
/// @param cancel the token, shared with the hooks: either may be freed first; NULL for none
/// @return LASER_OK; LASER_ERR_NULL if `hooks` is NULL; LASER_ERR_BUSY
///
/// Threads: needs `hooks` alone.
#[no_mangle]
pub unsafe extern "C" fn laser_hooks_set_cancel(
    hooks: *mut laser_hooks,
    cancel: *const laser_cancel,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let hooks = unsafe { laser_hooks::hold(hooks, "hooks")? };
        let cancel = if cancel.is_null() {
            None
        } else {
            // SAFETY: the host's promise.
            Some(unsafe { laser_cancel::hold(cancel, "cancel")? })
        };
        hooks.0.write()?.cancel = cancel;
        Ok(())
    })
}

/// Sets a checkpoint: a file in which trainings are kept, and from which the same call, made again, goes on to the same bits as if it had
/// not been stopped, in whatever stage of the protocol it was: on the same type of machine, with the same options and number of threads.
/// It is written so often as is said here, at the end of every training, and when a call is stopped by its hooks or fails; it appears whole
/// or not at all, so that a process may be killed at any moment.
///
/// What is made again is what lies between the trainings. An array must be the same, which is checked; a callback of events must deliver
/// the same events again, from its beginning, and is asked for those that were used already once more unless it has positions
/// (laser_source_set_position); a callback generator must make the same events of the same latents. Where they do not, the held-out events
/// tell, if there are any, and the call is LASER_ERR_INVALID_ARGUMENT, as it is with other options, another generator, another number of
/// ranks, another version of the library, or another process at the same file; the message names the difference, and the file stays. One
/// file serves one job: the training of a generator, its refinement, and that of another refiner, in turn; a job of several calls is made
/// again from its first, in their order. Of ranks (laser_hooks_set_allreduce) all set one, with the same file. When the job is done the
/// file still has it: the same calls give the same results at once. Remove it when the model is saved.
///
/// Where the file cannot be written, a warning goes to the log callback and the training goes on. A training that has failed for good
/// (LASER_ERR_NUMERICAL) leaves its best parameters in the file: the same call, made again, goes on with them, with a warning in the model.
///
/// @param hooks what to change
/// @param path the file, in UTF-8; it need not be there; NULL for no checkpoint
/// @param seconds how many seconds lie between two writings; above 0
/// @param steps how many updates lie between two writings, besides; 0 for none
/// @return LASER_OK; LASER_ERR_NULL if `hooks` is NULL; LASER_ERR_INVALID_ARGUMENT for a path that is not UTF-8 or `seconds` that are not
/// positive; LASER_ERR_BUSY. Calls with these hooks return LASER_ERR_FORMAT for a file that is no checkpoint, LASER_ERR_IO for one that
/// cannot be read, LASER_ERR_BUSY while another call uses it
///
/// Threads: needs `hooks` alone.
#[no_mangle]
pub unsafe extern "C" fn laser_hooks_set_checkpoint(
    hooks: *mut laser_hooks,
    path: *const c_char,
    seconds: f64,
    steps: u64,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let hooks = unsafe { laser_hooks::hold(hooks, "hooks")? };
        let checkpoint = if path.is_null() {
            None
        } else {
            // SAFETY: the host's promise.
            let path = unsafe { text::read(path, "path")? };
            let checkpoint = Checkpoint::new(Path::new(path), seconds, steps)?;
            Some(Arc::new(checkpoint))
        };
        hooks.0.write()?.checkpoint = checkpoint;
        Ok(())
    })
}

/// Makes this process one of several ranks that make long calls together: trainings, refinements and two-sample scores. All ranks make the
/// same call with the same options; each works on its own part of the rows of every batch and block, and the host sums what they found. So
/// all take the same decisions and end with the same result, to the bit; with the same batch it is that of one process within rounding.
///
/// An array must be the same on every rank, which is checked. Callbacks of events are asked on every rank for a part of the events, which
/// all ranks share then: they deliver without end, each its own (other seeds). The numbers of a batch are as of one process: with 64 ranks,
/// take batches that are worth it. A checkpoint is written by rank 0, and read by all: after a call that was stopped let the ranks meet, as
/// by MPI_Barrier, before the next with the same checkpoint, since rank 0 may still be writing it.
///
/// A rank that ends a call, by its hooks or by an error, takes the others with it: they return LASER_ERR_CALLBACK. So do all where the
/// callback fails, or where they find that they do not do the same.
///
/// @param hooks what to change
/// @param rank the number of this one, from 0
/// @param ranks how many there are, at most 65536
/// @param allreduce sums over them; NULL for a process by itself, whatever `rank` and `ranks` are
/// @param user handed to the callback
/// @return LASER_OK; LASER_ERR_NULL if `hooks` is NULL; LASER_ERR_INVALID_ARGUMENT if `rank` is not below `ranks`; LASER_ERR_BUSY
///
/// Threads: needs `hooks` alone. One call at a time may use hooks with ranks.
#[no_mangle]
pub unsafe extern "C" fn laser_hooks_set_allreduce(
    hooks: *mut laser_hooks,
    rank: usize,
    ranks: usize,
    allreduce: laser_allreduce_fn,
    user: *mut c_void,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let hooks = unsafe { laser_hooks::hold(hooks, "hooks")? };
        let ranks = match allreduce {
            None => None,
            Some(callback) => {
                let user = User(user);
                let host = Box::new(HostSum { callback, user });
                Some(Arc::new(Ranks::new(rank, ranks, host)?))
            }
        };
        hooks.0.write()?.ranks = ranks;
        Ok(())
    })
}

/// Frees hooks.
///
/// @param hooks what to free; NULL is fine
///
/// Threads: no other thread may use `hooks` any more.
#[no_mangle]
pub unsafe extern "C" fn laser_hooks_free(hooks: *mut laser_hooks) {
    // SAFETY: the host's promise.
    unsafe { laser_hooks::free(hooks) }
}

/// What is running.
///
/// @param p what the callback was given
/// @return "flow", "gan_generator", "vae", "classifier", "trees", "omnifold_events", "omnifold_latents", "pilot", "pool", "gan",
/// "refiner_flow", "pairs", "matching", "chains", "sampling", "unfold_fakes",
/// "unfold_detector" or "unfold_particles"; valid until the callback returns; "" if `p` is NULL
///
/// Threads: inside the callback.
#[no_mangle]
pub unsafe extern "C" fn laser_progress_stage(p: *const laser_progress) -> *const c_char {
    // SAFETY: the host's promise.
    unsafe { p.as_ref() }.map_or(c"".as_ptr(), |p| p.stage.as_ptr())
}

/// The current epoch.
///
/// @param p what the callback was given
/// @return number of the epoch, the first is 1; 0 if `p` is NULL
///
/// Threads: inside the callback.
#[no_mangle]
pub unsafe extern "C" fn laser_progress_epoch(p: *const laser_progress) -> u64 {
    // SAFETY: the host's promise.
    unsafe { p.as_ref() }.map_or(0, |p| p.progress.epoch)
}

/// The epochs planned for this stage.
///
/// @param p what the callback was given
/// @return number of epochs; 0 if `p` is NULL
///
/// Threads: inside the callback.
#[no_mangle]
pub unsafe extern "C" fn laser_progress_epochs(p: *const laser_progress) -> u64 {
    // SAFETY: the host's promise.
    unsafe { p.as_ref() }.map_or(0, |p| p.progress.epochs)
}

/// The updates, or blocks of events, done in this stage; of "sampling" the events, of "chains" the trajectories of each.
///
/// @param p what the callback was given
/// @return number of the step within the stage, the first is 1; 0 if `p` is NULL
///
/// Threads: inside the callback.
#[no_mangle]
pub unsafe extern "C" fn laser_progress_step(p: *const laser_progress) -> u64 {
    // SAFETY: the host's promise.
    unsafe { p.as_ref() }.map_or(0, |p| p.progress.step)
}

/// The updates, or blocks of events, planned for this stage; of "sampling" the events, of "chains" the trajectories of each. Early
/// stopping, or a source that ends sooner, makes them fewer.
///
/// @param p what the callback was given
/// @return number of steps; 0 if `p` is NULL
///
/// Threads: inside the callback.
#[no_mangle]
pub unsafe extern "C" fn laser_progress_steps(p: *const laser_progress) -> u64 {
    // SAFETY: the host's promise.
    unsafe { p.as_ref() }.map_or(0, |p| p.progress.steps)
}

/// The training loss.
///
/// @param p what the callback was given
/// @return mean over the current epoch so far, in nats per event; NaN if the stage has none or `p` is NULL
///
/// Threads: inside the callback.
#[no_mangle]
pub unsafe extern "C" fn laser_progress_loss(p: *const laser_progress) -> f64 {
    // SAFETY: the host's promise.
    unsafe { p.as_ref() }.map_or(f64::NAN, |p| p.progress.loss)
}

/// The loss of the held-out events.
///
/// @param p what the callback was given
/// @return that after the last finished epoch, in nats per event; NaN until it is known, or if `p` is NULL
///
/// Threads: inside the callback.
#[no_mangle]
pub unsafe extern "C" fn laser_progress_validation_loss(p: *const laser_progress) -> f64 {
    // SAFETY: the host's promise.
    unsafe { p.as_ref() }.map_or(f64::NAN, |p| p.progress.validation_loss)
}

/// The time that this stage will still take.
///
/// @param p what the callback was given
/// @return an estimate in seconds; NaN until there is one, or if `p` is NULL
///
/// Threads: inside the callback.
#[no_mangle]
pub unsafe extern "C" fn laser_progress_seconds_left(p: *const laser_progress) -> f64 {
    // SAFETY: the host's promise.
    unsafe { p.as_ref() }.map_or(f64::NAN, |p| p.progress.seconds_left)
}
