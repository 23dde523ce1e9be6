//! `laser_sampler`.

use super::array::{self, Out};
use super::boundary::{bare_call, call};
use super::handle::{Gate, Handle, User};
use super::hooks::{self, go_on, laser_hooks};
use super::model::laser_model;
use super::options::{self, laser_options};
use super::status::laser_status;
use super::text;
use crate::model::Real;
use crate::protocol::{Outputs, Sampler, Uniforms};
use crate::{guard, Result, RowsMut};
use parking_lot::Mutex;
use std::ffi::{c_char, c_void};

/// A stream of events from a model. Make one per thread, with streams of their own.
///
/// Event i of stream s with seed k depends on the model, k, s and i alone, not on how the events are asked for. Threads:
/// generating and seeking one at a time, else LASER_ERR_BUSY; const uses by any number of threads at once.
pub struct laser_sampler(Gate<Shared>);

impl Handle for laser_sampler {}

/// A sampler may move between threads but not be shared by them. The gate keeps writers apart, so they go past the mutex; its
/// readers meet at the mutex, for the time of reading a number.
struct Shared(Mutex<Sampler>);

/// Makes a sampler that stands at event 0.
///
/// @param model shared with the sampler: either may be freed first
/// @param seed k, any number
/// @param stream s, any number: other streams of a seed are independent of each other
/// @param options keys "sampler.method" ("model", "baseline", "reweight", "rejection", "resampling", "gan", "flow", "matching", "mixture", "surrogate", "distilled",
/// "langevin", "mala" or "hmc"), "sampler.threads", "backend", "device"; copied; NULL for the defaults. A sampler works on the calling thread alone
/// unless "sampler.threads" allows more, which live no longer than a call and change no bit
/// @param out receives the sampler; the caller frees it with laser_sampler_free
/// @return LASER_OK; LASER_ERR_UNSUPPORTED if the model lacks what the method needs, or the library libtorch; LASER_ERR_INVALID_ARGUMENT
/// for more than one thread with libtorch; LASER_ERR_DEVICE; LASER_ERR_TORCH; LASER_ERR_NULL; LASER_ERR_BUSY while `options` are being
/// changed
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_sampler_new(
    model: *const laser_model,
    seed: u64,
    stream: u64,
    options: *const laser_options,
    out: *mut *mut laser_sampler,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let (out, model, options) = unsafe {
            (
                Out::new("out", out)?,
                laser_model::hold(model, "model")?,
                options::given(options)?,
            )
        };
        let sampler = Sampler::new(model.model().clone(), seed, stream, &options)?;
        let sampler = Shared(Mutex::new(sampler));
        out.set(laser_sampler(Gate::new("sampler", sampler)).give());
        Ok(())
    })
}

/// Delivers uniform random numbers of the host's own generator. Called once for a block of events, more often where events need further
/// proposals.
///
/// Called only on the thread that asked for events, never concurrently. May call the library, except with the sampler that asks
/// (LASER_ERR_BUSY). Must not throw, nor jump out.
///
/// @param n how many numbers
/// @param u receives `n` numbers of [0, 1], of at least 32 random bits each; others are LASER_ERR_DATA
/// @param user the pointer given with the callback
/// @return 0 to go on; anything else ends the call with LASER_ERR_CALLBACK and this number
pub type laser_noise_fn =
    Option<unsafe extern "C" fn(n: usize, u: *mut f64, user: *mut c_void) -> i32>;

/// Lets a sampler draw from the host's random numbers instead of its own, as frameworks demand that keep the random state of their
/// events themselves.
///
/// An event is then a function of the model and of the numbers drawn for it, whatever seed and stream. A call that makes n events draws
/// for these n and keeps nothing back, so that the host may set its generator anew between any two calls: take many events per call
/// where speed counts. In blocks of at most 1024 events the callback is asked for all numbers of the first
/// proposals at once, event by event: those that become its latent point (of a learned refiner, its auxiliary one; with "mixture" one more, which
/// chooses between prior and flow), then for "rejection", "surrogate", "distilled" and "mixture" the one that decides; then for the second proposals of those that need
/// one, and so on: what an event of these gets depends on the events asked for with it. Chains draw for a trajectory of all of them at once, and keep a state of each; "resampling" draws for a
/// block of 1024 events, and keeps those not asked for: set the callback again to drop them and begin anew. When a call fails, the stream
/// stays where it stood, and the numbers it drew are gone.
///
/// @param sampler the stream; what it made ahead is dropped, and chains begin anew
/// @param noise the callback; NULL goes back to the sampler's own numbers, at the event where it stands
/// @param user handed to the callback; must be usable on the threads of the calls that get this sampler
/// @return LASER_OK; LASER_ERR_NULL if `sampler` is NULL; LASER_ERR_BUSY
///
/// Threads: needs `sampler` alone.
#[no_mangle]
pub unsafe extern "C" fn laser_sampler_set_noise_callback(
    sampler: *mut laser_sampler,
    noise: laser_noise_fn,
    user: *mut c_void,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let sampler = unsafe { laser_sampler::hold(sampler, "sampler")? };
        let mut sampler = sampler.0.write()?;
        let source = noise.map(|callback| -> Box<dyn Uniforms> {
            Box::new(HostNoise {
                callback,
                user: User(user),
            })
        });
        sampler.0.get_mut().set_uniforms(source)
    })
}

/// Has the calls that ask a sampler for events watched and stopped by hooks, and lets the sampler warn.
///
/// Long calls are those of chains that burn in or walk to an event, of many proposals to an event, and of many events. Between blocks of
/// proposals and between steps of trajectories they look at the cancel token. Progress comes after every block of events, as the stage
/// "sampling" of so many events, and after every trajectory of chains, as the stage "chains". A call that a cancel or a callback ends
/// leaves the stream where it stood: asked again it delivers the same events; chains begin anew.
///
/// Warnings come by the log callback (LASER_LOG_WARNING), each once to the hooks that are set, when what the sampler meets contradicts the
/// pilot run in its model, or deserves no trust: a weight above ten times the largest of the pilot run; more than twice the share of the
/// weight above w_max that "rejection.overweight" leaves there; an acceptance of "rejection", "surrogate", "distilled" or "mixture" off by a factor of two; ten events that carry
/// more than 1 % of the weight, and ten times as much as ten others; more than 1 % of the weight at the largest that the classifier gives;
/// more than a tenth of the events of "resampling" copies of others; conditions of a call that lie beyond the training's by more than a
/// twentieth of their range, more than by chance (of models of earlier versions, more than 0.1 % beyond 4 standard deviations), or more of all that were
/// asked for than by chance where fewer than 100 events of the training are as near as that; 1 % of the
/// proposals not finite; a feature that single precision, where it is asked for, rounds by more than a thousandth of its spread; chains of which 1 % of the trajectories diverge, less than 1 % is accepted, or R-hat is above 1.1 (more for fewer
/// than 64 events of each, and from 20 on); "distilled" of a surrogate that was refined for the method "surrogate" and has learned too little; "langevin" with a step that no pilot run of it has judged (option "hmc.pilot" of the refinement),
/// and that a Metropolis test would refuse in 0.5 % of the cases.
///
/// @param sampler the stream
/// @param hooks copied: may be changed or freed afterwards; their callbacks and `user` pointers are lent to the sampler; NULL for none
/// @return LASER_OK; LASER_ERR_NULL if `sampler` is NULL; LASER_ERR_BUSY
///
/// Threads: needs `sampler` alone; reads `hooks`. Callbacks come on the threads of the calls that ask for events, and may not use the
/// sampler (LASER_ERR_BUSY).
#[no_mangle]
pub unsafe extern "C" fn laser_sampler_set_hooks(
    sampler: *mut laser_sampler,
    hooks: *const laser_hooks,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let (sampler, hooks) = unsafe {
            (
                laser_sampler::hold(sampler, "sampler")?,
                hooks::shared(hooks)?,
            )
        };
        let mut sampler = sampler.0.write()?;
        sampler.0.get_mut().set_hooks(hooks);
        Ok(())
    })
}

struct HostNoise {
    callback: unsafe extern "C" fn(usize, *mut f64, *mut c_void) -> i32,
    user: User,
}

impl Uniforms for HostNoise {
    fn fill(&mut self, u: &mut [f64]) -> Result<()> {
        // What the host forgets to write must not pass for a number.
        u.fill(f64::NAN);
        // SAFETY: the host's promise when it set the callback.
        let code = guard::host(|| unsafe { (self.callback)(u.len(), u.as_mut_ptr(), self.user.0) });
        go_on("noise", code)
    }
}

/// Goes to an event, forward or backward: the next one generated is that one. Costs at most a block of events, but
/// with chains ("langevin", "mala", "hmc"), which must run up to there, backward from the beginning.
///
/// @param sampler the stream
/// @param event number of the event, from 0; numbers go on from 0 after the largest uint64_t
/// @return LASER_OK; LASER_ERR_UNSUPPORTED with a noise callback; LASER_ERR_NULL; LASER_ERR_BUSY
///
/// Threads: needs `sampler` alone.
#[no_mangle]
pub unsafe extern "C" fn laser_sampler_seek(
    sampler: *mut laser_sampler,
    event: u64,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let sampler = unsafe { laser_sampler::hold(sampler, "sampler")? };
        let mut sampler = sampler.0.write()?;
        sampler.0.get_mut().seek(event)
    })
}

/// Tells where the stream stands.
///
/// @param sampler the stream
/// @param event receives the number of the event that comes next, from 0
/// @return LASER_OK; LASER_ERR_NULL; LASER_ERR_BUSY while events are being generated
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_sampler_tell(
    sampler: *const laser_sampler,
    event: *mut u64,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let (sampler, event) = unsafe {
            (
                laser_sampler::hold(sampler, "sampler")?,
                Out::new("event", event)?,
            )
        };
        event.set(sampler.0.read()?.0.lock().tell());
        Ok(())
    })
}

/// Generates the next events of the stream.
///
/// @param sampler the stream; moves on by `n` events
/// @param n number of events; 0 does nothing
/// @param stride doubles between the beginnings of rows, at least M; 0 for packed rows
/// @param x receives `n` rows of M doubles; row i begins at x + i * stride; what lies between rows is left alone
/// @param w receives `n` weights: w(z) for the method "reweight", whose events are wrong without them; else 1, but w / w_max for the events of
/// "rejection", "surrogate" and "mixture" above w_max; NULL if not wanted, which "reweight" refuses
/// @param logp receives `n` logarithms of the density of the events, in 1 / (product of the units of x): that of the generator for
/// "baseline" and "reweight", that of the refiner for "flow" and "distilled", the refined one for all others; of features that have values with a
/// probability (scalings `integer`, `category`, `zeros`) that of the event and its place in their cells, see docs/training.md; NULL if not
/// wanted
/// @return LASER_OK: all values are then finite; LASER_ERR_INVALID_ARGUMENT for wrong sizes or arrays that overlap, or if `w` is NULL with
/// "reweight"; LASER_ERR_UNSUPPORTED if `logp` is wanted of "gan" or "matching", or of a generator without a density; LASER_ERR_NUMERICAL
/// if the method gives up, if a `logp` is not finite, or for a value beyond single precision where that is asked for; LASER_ERR_INVALID_ARGUMENT for a model with conditions,
/// whose events laser_sampler_generate_given makes; LASER_ERR_TORCH; LASER_ERR_CALLBACK and LASER_ERR_DATA of a noise callback;
/// LASER_ERR_CALLBACK and LASER_ERR_CANCELLED of hooks; LASER_ERR_NULL; LASER_ERR_BUSY. After any failure the stream stands where it stood,
/// and the arrays may be written in part
///
/// Threads: needs `sampler` alone.
#[no_mangle]
pub unsafe extern "C" fn laser_sampler_generate(
    sampler: *mut laser_sampler,
    n: usize,
    stride: usize,
    x: *mut f64,
    w: *mut f64,
    logp: *mut f64,
) -> laser_status {
    // SAFETY: the host's promise.
    bare_call(|| unsafe { generate(sampler, n, None, (x, stride), None, w, logp) })
}

/// laser_sampler_generate in single precision: the same events, rounded, those within a support to numbers within it; where there are none near,
/// LASER_ERR_NUMERICAL.
///
/// @param sampler the stream; moves on by `n` events
/// @param n number of events; 0 does nothing
/// @param stride floats between the beginnings of rows, at least M; 0 for packed rows
/// @param x receives `n` rows of M floats; row i begins at x + i * stride; what lies between rows is left alone
/// @param w receives `n` weights, as of laser_sampler_generate; NULL if not wanted
/// @param logp receives `n` log densities, as of laser_sampler_generate; NULL if not wanted
/// @return as laser_sampler_generate
///
/// Threads: needs `sampler` alone.
#[no_mangle]
pub unsafe extern "C" fn laser_sampler_generate_f32(
    sampler: *mut laser_sampler,
    n: usize,
    stride: usize,
    x: *mut f32,
    w: *mut f32,
    logp: *mut f32,
) -> laser_status {
    // SAFETY: the host's promise.
    bare_call(|| unsafe { generate(sampler, n, None, (x, stride), None, w, logp) })
}

/// Generates the next events of the stream together with the latent points they were made from. The same events as of
/// laser_sampler_generate.
///
/// @param sampler the stream; moves on by `n` events
/// @param n number of events; 0 does nothing
/// @param x_stride doubles between the beginnings of rows of `x`, at least M; 0 for packed rows
/// @param x receives `n` rows of M doubles; row i begins at x + i * x_stride; what lies between rows is left alone
/// @param z_stride doubles between the beginnings of rows of `z`, at least N; 0 for packed rows
/// @param z receives `n` rows of N doubles, x = g(z); row i begins at z + i * z_stride; what lies between rows is left alone
/// @param w receives `n` weights: w(z) for the method "reweight", whose events are wrong without them; else 1, but w / w_max for the events of
/// "rejection", "surrogate" and "mixture" above w_max; NULL if not wanted, which "reweight" refuses
/// @return as laser_sampler_generate
///
/// Threads: needs `sampler` alone.
#[no_mangle]
pub unsafe extern "C" fn laser_sampler_generate_latent(
    sampler: *mut laser_sampler,
    n: usize,
    x_stride: usize,
    x: *mut f64,
    z_stride: usize,
    z: *mut f64,
    w: *mut f64,
) -> laser_status {
    let none = std::ptr::null_mut();
    // SAFETY: the host's promise.
    bare_call(|| unsafe {
        generate(
            sampler,
            n,
            None,
            (x, x_stride),
            Some((z, z_stride)),
            w,
            none,
        )
    })
}

/// Generates the next events of a model with conditions, given them. Event i depends on the model, seed, stream, i and its own condition
/// alone; nothing is made ahead, so ask for many at once where speed counts.
///
/// @param sampler the stream; moves on by `n` events
/// @param n number of events; 0 does nothing
/// @param c_stride doubles between the beginnings of rows of `c`, at least C, or 0 for packed rows
/// @param c `n` rows of C doubles, the conditions; row i begins at c + i * c_stride
/// @param x_stride doubles between the beginnings of rows of `x`, at least M; 0 for packed rows
/// @param x receives `n` rows of M doubles; row i begins at x + i * x_stride; what lies between rows is left alone
/// @param w receives `n` weights, as of laser_sampler_generate; NULL if not wanted
/// @param logp receives `n` log densities given the conditions, as of laser_sampler_generate; NULL if not wanted
/// @return as laser_sampler_generate; LASER_ERR_INVALID_ARGUMENT also if the model has no conditions, LASER_ERR_DATA if one is not finite
///
/// Threads: needs `sampler` alone.
#[no_mangle]
pub unsafe extern "C" fn laser_sampler_generate_given(
    sampler: *mut laser_sampler,
    n: usize,
    c_stride: usize,
    c: *const f64,
    x_stride: usize,
    x: *mut f64,
    w: *mut f64,
    logp: *mut f64,
) -> laser_status {
    // SAFETY: the host's promise.
    bare_call(|| unsafe {
        generate(
            sampler,
            n,
            Some((c, c_stride)),
            (x, x_stride),
            None,
            w,
            logp,
        )
    })
}

/// laser_sampler_generate_given in single precision: the same events of the same conditions, rounded.
///
/// @param sampler the stream; moves on by `n` events
/// @param n number of events; 0 does nothing
/// @param c_stride floats between the beginnings of rows of `c`, at least C, or 0 for packed rows
/// @param c `n` rows of C floats, the conditions; row i begins at c + i * c_stride
/// @param x_stride floats between the beginnings of rows of `x`, at least M; 0 for packed rows
/// @param x receives `n` rows of M floats; row i begins at x + i * x_stride; what lies between rows is left alone
/// @param w receives `n` weights, as of laser_sampler_generate; NULL if not wanted
/// @param logp receives `n` log densities, as of laser_sampler_generate_given; NULL if not wanted
/// @return as laser_sampler_generate_given
///
/// Threads: needs `sampler` alone.
#[no_mangle]
pub unsafe extern "C" fn laser_sampler_generate_given_f32(
    sampler: *mut laser_sampler,
    n: usize,
    c_stride: usize,
    c: *const f32,
    x_stride: usize,
    x: *mut f32,
    w: *mut f32,
    logp: *mut f32,
) -> laser_status {
    // SAFETY: the host's promise.
    bare_call(|| unsafe {
        generate(
            sampler,
            n,
            Some((c, c_stride)),
            (x, x_stride),
            None,
            w,
            logp,
        )
    })
}

/// Generates the next event of the stream, out of a batch kept inside: made for event loops.
///
/// @param sampler the stream; moves on by one event
/// @param x receives M doubles
/// @param w receives the weight, as of laser_sampler_generate; NULL if not wanted
/// @return as laser_sampler_generate
///
/// Threads: needs `sampler` alone.
#[no_mangle]
pub unsafe extern "C" fn laser_sampler_next(
    sampler: *mut laser_sampler,
    x: *mut f64,
    w: *mut f64,
) -> laser_status {
    let none = std::ptr::null_mut();
    // SAFETY: the host's promise.
    bare_call(|| unsafe { generate(sampler, 1, None, (x, 0), None, w, none) })
}

/// The next `n` events into the arrays given, which are (start, stride). In the floating-point environment that it needs.
///
/// # Safety
/// The host's promise.
unsafe fn generate<T: Real>(
    sampler: *mut laser_sampler,
    n: usize,
    c: Option<(*const T, usize)>,
    (x, x_stride): (*mut T, usize),
    z: Option<(*mut T, usize)>,
    w: *mut T,
    log_prob: *mut T,
) -> Result<()> {
    // SAFETY: the caller's promise.
    let sampler = unsafe { laser_sampler::hold(sampler, "sampler")? };
    let mut sampler = sampler.0.write()?;
    let sampler = sampler.0.get_mut();

    let several = z.is_some() || c.is_some();
    let x_stride = (if several { "x_stride" } else { "stride" }, x_stride);
    // SAFETY: the caller's promise; that the arrays are apart is checked before their first use.
    let (out, c) = unsafe {
        let out = Outputs {
            x: Some(array::rows_mut("x", x, (n, sampler.event_dim()), x_stride)?),
            z: match z {
                Some((z, stride)) => {
                    let shape = (n, sampler.latent_dim());
                    Some(array::rows_mut("z", z, shape, ("z_stride", stride))?)
                }
                None => None,
            },
            w: array::optional_column_mut("w", w, n)?,
            log_prob: array::optional_column_mut("logp", log_prob, n)?,
        };
        let c = match c {
            Some((c, stride)) => {
                let shape = (n, sampler.condition_dim());
                Some(array::rows("c", c, shape, ("c_stride", stride))?)
            }
            None => None,
        };
        (out, c)
    };
    let place = |name, out: &Option<RowsMut<T>>| out.as_ref().map(|out| (name, out.span()));
    array::disjoint([
        place("x", &out.x),
        place("z", &out.z),
        place("w", &out.w),
        place("logp", &out.log_prob),
        c.as_ref().map(|c| ("c", c.span())),
    ])?;
    if n == 0 {
        return Ok(());
    }
    match c {
        // Copying is no matter of floating point, and single events shall not pay for more.
        None if out.log_prob.is_none() && sampler.keeps::<T>(n) => sampler.generate(n, out),
        None => guard::library(|| sampler.generate(n, out)),
        Some(c) => guard::library(|| sampler.generate_given(n, c, out)),
    }
}

/// Reads a diagnostic of the sampler, counted since it was made.
///
/// @param sampler what to ask
/// @param key "events" (made inside, some of them ahead), "proposals", "calls_per_event" (latents that the generator was asked to make events
/// of, for gradients of their weights too, over events), "acceptance" (accepted fraction of the proposals),
/// "overweight_fraction" (share of the weight that lies above w_max), "overweight_events" (fraction of the events of "rejection", "surrogate" or "mixture" that lie
/// above w_max and carry a weight above 1), "largest_weight" (of an event), "weight_of_largest" (share of the weight that the ten heaviest
/// events carry), "events_at_limit" and "weight_at_limit" (the share of the events, and of their weight, whose weight is at the largest that
/// the classifier gives: there the generator makes next to nothing), "non_finite" (proposals whose weight is not finite) or "divergences" (proposals of chains whose trajectory diverged); of
/// latents resampled, by "resampling" or for starts of chains, "effective_fraction" (the share that the weights leave of the pool) and
/// "distinct_fraction"; of chains "r_hat" (split R-hat of the worst dimension of z: 1 where the chains agree, above 1.05 they do not mix)
/// and "effective_sample_size" (of all events made, in the worst dimension), or with ".0", ".1" … for that dimension, estimated from the
/// last 256 events of the first 64 chains (fewer in more than 1024 dimensions); takes milliseconds
/// @param out receives the number; NaN for a fraction of nothing, and for chains without four events each ("effective_sample_size": without
/// twenty)
/// @return LASER_OK; LASER_ERR_INVALID_ARGUMENT for another key; LASER_ERR_NULL; LASER_ERR_BUSY while events are being generated
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_sampler_get_f64(
    sampler: *const laser_sampler,
    key: *const c_char,
    out: *mut f64,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let (sampler, key, out) = unsafe {
            (
                laser_sampler::hold(sampler, "sampler")?,
                text::read(key, "key")?,
                Out::new("out", out)?,
            )
        };
        out.set(sampler.0.read()?.0.lock().diagnostic(key)?);
        Ok(())
    })
}

/// Frees a sampler.
///
/// @param sampler what to free; NULL is fine
///
/// Threads: no other thread may use `sampler` any more.
#[no_mangle]
pub unsafe extern "C" fn laser_sampler_free(sampler: *mut laser_sampler) {
    // SAFETY: the host's promise.
    unsafe { laser_sampler::free(sampler) }
}
