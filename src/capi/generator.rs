//! `laser_generator`.

use super::array::Out;
use super::boundary::call;
use super::handle::Handle;
use super::hooks::{self, laser_hooks};
use super::options::{self, laser_options};
use super::source::laser_source;
use super::status::laser_status;
use super::text;
use crate::protocol::{self, Instance};
use std::ffi::c_char;
use std::path::Path;
use std::sync::Arc;

/// g: turns latent points z into events x. Immutable. Threads: any number at once.
pub struct laser_generator(Arc<Instance>);

impl Handle for laser_generator {}

impl laser_generator {
    pub(super) fn new(generator: Instance) -> Self {
        laser_generator(Arc::new(generator))
    }

    /// A model without classifier and refiner.
    pub(super) fn model(&self) -> &Arc<Instance> {
        &self.0
    }
}

/// Trains a generator on target events, with the events' weights. The option "generator.type" says what kind: "flow", a normalizing flow,
/// by maximum likelihood; "gan", the generator of a GAN; "vae", the decoder of a variational autoencoder. Only a flow has a density and an
/// inverse: with the others, log p and the latents of events are LASER_ERR_UNSUPPORTED. Their latent space may have any dimension
/// ("generator.latent"), but with fewer dimensions than features the events lie on a surface, beside which no refinement can put any.
///
/// The calling thread works until it is done; the callbacks of source and hooks are called on it.
///
/// @param target the events; in use until the call returns
/// @param options the groups "generator", "features", "target" and "validation", that of the kind ("flow", "gan_generator" or "vae"), and
/// "conditions", "support", "seed", "dtype", "backend", "device", "threads"; copied; NULL for the defaults, which are the paper's settings and take
/// ten times as long as the preset "fast" and more
/// @param hooks progress, log and cancel; copied; NULL for none
/// @param out receives the generator; the caller frees it with laser_generator_free
/// @return LASER_OK; LASER_ERR_CALLBACK, LASER_ERR_CANCELLED: stopped by the host; LASER_ERR_DATA: events that are not finite
/// (the message has row and column), too few, without positive weight; LASER_ERR_NUMERICAL: the loss is no longer finite;
/// LASER_ERR_DEVICE; LASER_ERR_TORCH; LASER_ERR_UNSUPPORTED: a flow of events of one feature, or libtorch asked of a library without it;
/// LASER_ERR_INVALID_ARGUMENT: options that do not fit the kind of generator; LASER_ERR_BUSY: `target` is in use; LASER_ERR_NULL.
/// Whatever went wrong, but LASER_ERR_PANIC, all arguments stay usable.
///
/// Threads: needs `target` alone; `options` and `hooks` may be shared.
#[no_mangle]
pub unsafe extern "C" fn laser_generator_train(
    target: *mut laser_source,
    options: *const laser_options,
    hooks: *const laser_hooks,
    out: *mut *mut laser_generator,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let (out, target, options, hooks) = unsafe {
            (
                Out::new("out", out)?,
                laser_source::hold(target, "target")?,
                options::given(options)?,
                hooks::given(hooks)?,
            )
        };
        let mut target = target.gate().write()?;
        let model = protocol::train_generator(&mut target, &options, &hooks)?;
        out.set(laser_generator(Arc::new(Instance::new(model))).give());
        Ok(())
    })
}

/// Saves a generator to a model file. The file appears whole or not at all, and replaces what had its name.
///
/// @param generator what to save
/// @param path the file, in UTF-8
/// @return LASER_OK; LASER_ERR_IO; LASER_ERR_INVALID_ARGUMENT for a path that is not UTF-8; LASER_ERR_NULL
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_generator_save(
    generator: *const laser_generator,
    path: *const c_char,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let (generator, path) = unsafe {
            (
                laser_generator::hold(generator, "generator")?,
                text::read(path, "path")?,
            )
        };
        generator.0.save(Path::new(path))
    })
}

/// Loads a generator: that of a model file, be it one of laser_generator_save or of laser_model_save, or a TorchScript module, a file of
/// torch.jit.save that takes one tensor of rows of N latents followed by C conditions and returns one of rows of M features. A module needs
/// libtorch, has no density, and is saved whole with the models made of it. A row of its output must depend on the same row of its input
/// alone.
///
/// @param path the file, in UTF-8
/// @param options for a module, "generator.latent": N, "conditions": C, and "dtype", in which it computes; else no key changes how this
/// version reads files; NULL for the defaults
/// @param out receives the generator; the caller frees it with laser_generator_free
/// @return LASER_OK; LASER_ERR_IO; LASER_ERR_FORMAT for a file that is neither; LASER_ERR_UNSUPPORTED for that of a reweighter;
/// LASER_ERR_INVALID_ARGUMENT for a path that is not UTF-8, a module without "generator.latent" or one that returns no rows; LASER_ERR_TORCH for a module that does not load or run;
/// LASER_ERR_UNSUPPORTED for one without libtorch; LASER_ERR_NULL; LASER_ERR_BUSY while `options` are being changed
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_generator_load(
    path: *const c_char,
    options: *const laser_options,
    out: *mut *mut laser_generator,
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
        let generator = protocol::load_generator(Path::new(path), &options)?;
        out.set(laser_generator(Arc::new(Instance::new(generator))).give());
        Ok(())
    })
}

/// M, the values per event.
///
/// @param generator what to ask
/// @param out receives M
/// @return LASER_OK; LASER_ERR_NULL
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_generator_event_dim(
    generator: *const laser_generator,
    out: *mut usize,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let (generator, out) = unsafe {
            (
                laser_generator::hold(generator, "generator")?,
                Out::new("out", out)?,
            )
        };
        out.set(generator.0.generator.event_dim());
        Ok(())
    })
}

/// C, the values of the condition of an event; 0 for a generator without conditions.
///
/// @param generator what to ask
/// @param out receives C
/// @return LASER_OK; LASER_ERR_NULL
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_generator_condition_dim(
    generator: *const laser_generator,
    out: *mut usize,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let (generator, out) = unsafe {
            (
                laser_generator::hold(generator, "generator")?,
                Out::new("out", out)?,
            )
        };
        out.set(generator.0.generator.condition_dim());
        Ok(())
    })
}

/// N, the dimensions of the latent space.
///
/// @param generator what to ask
/// @param out receives N
/// @return LASER_OK; LASER_ERR_NULL
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_generator_latent_dim(
    generator: *const laser_generator,
    out: *mut usize,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let (generator, out) = unsafe {
            (
                laser_generator::hold(generator, "generator")?,
                Out::new("out", out)?,
            )
        };
        out.set(generator.0.generator.latent_dim());
        Ok(())
    })
}

/// Frees a generator. Models made from it do not need it.
///
/// @param generator what to free; NULL is fine
///
/// Threads: no other thread may use `generator` any more.
#[no_mangle]
pub unsafe extern "C" fn laser_generator_free(generator: *mut laser_generator) {
    // SAFETY: the host's promise.
    unsafe { laser_generator::free(generator) }
}
