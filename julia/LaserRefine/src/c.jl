# Written by scripts/bindings from include/laser.h: do not edit.

"The functions of laser.h as they are: statuses are returned, nothing is checked. Not for use outside the package."
module C

const liblaser = "liblaser.so.0"

# First number of this header's version
const LASER_VERSION_MAJOR = Int32(0)
# Second number of this header's version
const LASER_VERSION_MINOR = Int32(1)
# Third number of this header's version
const LASER_VERSION_PATCH = Int32(0)
# Number of the C ABI that this header describes, the first number of the soname
const LASER_ABI_VERSION = Int32(0)
# Level of a log message
const LASER_LOG_INFO = Int32(1)
# Level of a log message
const LASER_LOG_WARNING = Int32(2)
# Flag of a simulated event
const LASER_PAIR_GENERATED = Int32(1)
# Flag of a simulated event
const LASER_PAIR_RECONSTRUCTED = Int32(2)
# Success
const LASER_OK = Int32(0)
# An argument outside its domain
const LASER_ERR_INVALID_ARGUMENT = Int32(1)
# A pointer that must not be NULL was NULL
const LASER_ERR_NULL = Int32(2)
# An option key that does not exist
const LASER_ERR_UNKNOWN_OPTION = Int32(3)
# A file could not be read or written
const LASER_ERR_IO = Int32(4)
# Not a valid model file
const LASER_ERR_FORMAT = Int32(5)
# A callback of the host returned nonzero
const LASER_ERR_CALLBACK = Int32(6)
# The cancel token was tripped
const LASER_ERR_CANCELLED = Int32(7)
# A handle is in use by another call
const LASER_ERR_BUSY = Int32(8)
# This build, model or method cannot do what was asked
const LASER_ERR_UNSUPPORTED = Int32(9)
# Events that cannot be used
const LASER_ERR_DATA = Int32(10)
# A computation left the finite numbers
const LASER_ERR_NUMERICAL = Int32(11)
# The compute device cannot be used
const LASER_ERR_DEVICE = Int32(12)
# libtorch reported an error
const LASER_ERR_TORCH = Int32(13)
# A defect of liblaser, noticed by itself
const LASER_ERR_INTERNAL = Int32(14)
# A defect of liblaser, stopped at its boundary
const LASER_ERR_PANIC = Int32(15)
# Memory that cannot be had
const LASER_ERR_MEMORY = Int32(16)

# The opaque structs, to tell pointers apart.
abstract type Opaque end
struct laser_cancel <: Opaque end
struct laser_generator <: Opaque end
struct laser_histogram <: Opaque end
struct laser_hooks <: Opaque end
struct laser_model <: Opaque end
struct laser_options <: Opaque end
struct laser_progress <: Opaque end
struct laser_reweighter <: Opaque end
struct laser_sampler <: Opaque end
struct laser_source <: Opaque end

# The callbacks, with what @cfunction needs for each.
# Int32, (Ptr{laser_progress}, Ptr{Cvoid})
const laser_progress_fn = Ptr{Cvoid}
# Int32, (Int32, Cstring, Ptr{Cvoid})
const laser_log_fn = Ptr{Cvoid}
# Int32, (Csize_t, Ptr{Float64}, Ptr{Cvoid})
const laser_allreduce_fn = Ptr{Cvoid}
# Int32, (Csize_t, Csize_t, Ptr{Float64}, Ptr{Float64}, Ptr{Csize_t}, Ptr{Cvoid})
const laser_events_fn = Ptr{Cvoid}
# Int32, (Ptr{UInt64}, Ptr{Cvoid})
const laser_tell_fn = Ptr{Cvoid}
# Int32, (UInt64, Ptr{Cvoid})
const laser_seek_fn = Ptr{Cvoid}
# Int32, (Csize_t, Ptr{Float64}, Csize_t, Ptr{Float64}, Csize_t, Ptr{Float64}, Csize_t, Ptr{Cvoid})
const laser_generate_fn = Ptr{Cvoid}
# Int32, (Csize_t, Csize_t, Ptr{Float64}, Ptr{Int32}, Ptr{Cvoid})
const laser_support_fn = Ptr{Cvoid}
# Int32, (Csize_t, Ptr{Float64}, Ptr{Cvoid})
const laser_noise_fn = Ptr{Cvoid}

# The name of a status number, for messages
laser_status_name(status) =
    ccall((:laser_status_name, liblaser), Cstring, (Int32,), status)

# Copies out the message of this thread's last failure
laser_last_error(buf, cap, needed) =
    ccall((:laser_last_error, liblaser), Int32, (Ptr{UInt8}, Csize_t, Ptr{Csize_t}), buf, cap, needed)

# What the callback returned that ended this thread's last failed call
laser_last_callback_code() =
    ccall((:laser_last_callback_code, liblaser), Int32, ())

# Number of the C ABI of the loaded library
laser_abi_version() =
    ccall((:laser_abi_version, liblaser), UInt32, ())

# Version of the loaded library
laser_version() =
    ccall((:laser_version, liblaser), Cstring, ())

# Tells whether a device can be used here, before hours are planned on it
laser_device_check(device) =
    ccall((:laser_device_check, liblaser), Int32, (Cstring,), device)

# Makes options from a preset
laser_options_new(preset, out) =
    ccall((:laser_options_new, liblaser), Int32, (Cstring, Ptr{Ptr{laser_options}}), preset, out)

# Makes options from JSON
laser_options_from_json(json, out) =
    ccall((:laser_options_from_json, liblaser), Int32, (Cstring, Ptr{Ptr{laser_options}}), json, out)

# Sets an integer option, or a floating-point option to an integer
laser_options_set_i64(options, key, value) =
    ccall((:laser_options_set_i64, liblaser), Int32, (Ptr{laser_options}, Cstring, Int64), options, key, value)

# Sets a floating-point option
laser_options_set_f64(options, key, value) =
    ccall((:laser_options_set_f64, liblaser), Int32, (Ptr{laser_options}, Cstring, Float64), options, key, value)

# Sets a text option
laser_options_set_str(options, key, value) =
    ccall((:laser_options_set_str, liblaser), Int32, (Ptr{laser_options}, Cstring, Cstring), options, key, value)

# Reads an integer option
laser_options_get_i64(options, key, value) =
    ccall((:laser_options_get_i64, liblaser), Int32, (Ptr{laser_options}, Cstring, Ptr{Int64}), options, key, value)

# Reads a floating-point option
laser_options_get_f64(options, key, value) =
    ccall((:laser_options_get_f64, liblaser), Int32, (Ptr{laser_options}, Cstring, Ptr{Float64}), options, key, value)

# Reads a text option
laser_options_get_str(options, key, buf, cap, needed) =
    ccall((:laser_options_get_str, liblaser), Int32,
          (Ptr{laser_options}, Cstring, Ptr{UInt8}, Csize_t, Ptr{Csize_t}),
          options, key, buf, cap, needed)

# Prints all options, defaults included, as nested JSON that laser_options_from_json reads back
laser_options_to_json(options, buf, cap, needed) =
    ccall((:laser_options_to_json, liblaser), Int32,
          (Ptr{laser_options}, Ptr{UInt8}, Csize_t, Ptr{Csize_t}),
          options, buf, cap, needed)

# Frees options
laser_options_free(options) =
    ccall((:laser_options_free, liblaser), Cvoid, (Ptr{laser_options},), options)

# Makes a cancel token that is not tripped
laser_cancel_new(out) =
    ccall((:laser_cancel_new, liblaser), Int32, (Ptr{Ptr{laser_cancel}},), out)

# Trips a token
laser_cancel_trip(cancel) =
    ccall((:laser_cancel_trip, liblaser), Cvoid, (Ptr{laser_cancel},), cancel)

# Makes a tripped token usable again
laser_cancel_reset(cancel) =
    ccall((:laser_cancel_reset, liblaser), Int32, (Ptr{laser_cancel},), cancel)

# Tells whether a token is tripped
laser_cancel_is_tripped(cancel) =
    ccall((:laser_cancel_is_tripped, liblaser), Int32, (Ptr{laser_cancel},), cancel)

# Frees a token
laser_cancel_free(cancel) =
    ccall((:laser_cancel_free, liblaser), Cvoid, (Ptr{laser_cancel},), cancel)

# Makes hooks without callbacks and without a token
laser_hooks_new(out) =
    ccall((:laser_hooks_new, liblaser), Int32, (Ptr{Ptr{laser_hooks}},), out)

# Sets the progress callback
laser_hooks_set_progress(hooks, progress, user) =
    ccall((:laser_hooks_set_progress, liblaser), Int32, (Ptr{laser_hooks}, laser_progress_fn, Ptr{Cvoid}), hooks, progress, user)

# Sets the log callback
laser_hooks_set_log(hooks, log, user) =
    ccall((:laser_hooks_set_log, liblaser), Int32, (Ptr{laser_hooks}, laser_log_fn, Ptr{Cvoid}), hooks, log, user)

# Sets the cancel token
laser_hooks_set_cancel(hooks, cancel) =
    ccall((:laser_hooks_set_cancel, liblaser), Int32, (Ptr{laser_hooks}, Ptr{laser_cancel}), hooks, cancel)

# Sets a checkpoint
laser_hooks_set_checkpoint(hooks, path, seconds, steps) =
    ccall((:laser_hooks_set_checkpoint, liblaser), Int32, (Ptr{laser_hooks}, Cstring, Float64, UInt64), hooks, path, seconds, steps)

# Makes this process one of several ranks that make long calls together
laser_hooks_set_allreduce(hooks, rank, ranks, allreduce, user) =
    ccall((:laser_hooks_set_allreduce, liblaser), Int32,
          (Ptr{laser_hooks}, Csize_t, Csize_t, laser_allreduce_fn, Ptr{Cvoid}),
          hooks, rank, ranks, allreduce, user)

# Frees hooks
laser_hooks_free(hooks) =
    ccall((:laser_hooks_free, liblaser), Cvoid, (Ptr{laser_hooks},), hooks)

# What is running
laser_progress_stage(p) =
    ccall((:laser_progress_stage, liblaser), Cstring, (Ptr{laser_progress},), p)

# The current epoch
laser_progress_epoch(p) =
    ccall((:laser_progress_epoch, liblaser), UInt64, (Ptr{laser_progress},), p)

# The epochs planned for this stage
laser_progress_epochs(p) =
    ccall((:laser_progress_epochs, liblaser), UInt64, (Ptr{laser_progress},), p)

# The updates, or blocks of events, done in this stage
laser_progress_step(p) =
    ccall((:laser_progress_step, liblaser), UInt64, (Ptr{laser_progress},), p)

# The updates, or blocks of events, planned for this stage
laser_progress_steps(p) =
    ccall((:laser_progress_steps, liblaser), UInt64, (Ptr{laser_progress},), p)

# The training loss
laser_progress_loss(p) =
    ccall((:laser_progress_loss, liblaser), Float64, (Ptr{laser_progress},), p)

# The loss of the held-out events
laser_progress_validation_loss(p) =
    ccall((:laser_progress_validation_loss, liblaser), Float64, (Ptr{laser_progress},), p)

# The time that this stage will still take
laser_progress_seconds_left(p) =
    ccall((:laser_progress_seconds_left, liblaser), Float64, (Ptr{laser_progress},), p)

# Makes a source of events in an array
laser_source_from_array(x, w, n, dim, stride, out) =
    ccall((:laser_source_from_array, liblaser), Int32,
          (Ptr{Float64}, Ptr{Float64}, Csize_t, Csize_t, Csize_t, Ptr{Ptr{laser_source}}),
          x, w, n, dim, stride, out)

# Makes a source of the events in a file
laser_source_from_file(path, options, out) =
    ccall((:laser_source_from_file, liblaser), Int32, (Cstring, Ptr{laser_options}, Ptr{Ptr{laser_source}}), path, options, out)

# Values per event, its conditions included and its weight not
laser_source_event_dim(source, out) =
    ccall((:laser_source_event_dim, liblaser), Int32, (Ptr{laser_source}, Ptr{Csize_t}), source, out)

# Makes a source that asks a callback for events, batch by batch
laser_source_from_callback(dim, weighted, events, user, out) =
    ccall((:laser_source_from_callback, liblaser), Int32,
          (Csize_t, Int32, laser_events_fn, Ptr{Cvoid}, Ptr{Ptr{laser_source}}),
          dim, weighted, events, user, out)

# Gives a callback's events positions, so that a training that goes on from a checkpoint asks only for events that it has not used
laser_source_set_position(source, tell, seek, user) =
    ccall((:laser_source_set_position, liblaser), Int32,
          (Ptr{laser_source}, laser_tell_fn, laser_seek_fn, Ptr{Cvoid}),
          source, tell, seek, user)

# Frees a source
laser_source_free(source) =
    ccall((:laser_source_free, liblaser), Cvoid, (Ptr{laser_source},), source)

# Trains a generator on target events, with the events' weights
laser_generator_train(target, options, hooks, out) =
    ccall((:laser_generator_train, liblaser), Int32,
          (Ptr{laser_source}, Ptr{laser_options}, Ptr{laser_hooks}, Ptr{Ptr{laser_generator}}),
          target, options, hooks, out)

# Saves a generator to a model file
laser_generator_save(generator, path) =
    ccall((:laser_generator_save, liblaser), Int32, (Ptr{laser_generator}, Cstring), generator, path)

# Loads a generator
laser_generator_load(path, options, out) =
    ccall((:laser_generator_load, liblaser), Int32, (Cstring, Ptr{laser_options}, Ptr{Ptr{laser_generator}}), path, options, out)

# M, the values per event
laser_generator_event_dim(generator, out) =
    ccall((:laser_generator_event_dim, liblaser), Int32, (Ptr{laser_generator}, Ptr{Csize_t}), generator, out)

# C, the values of the condition of an event
laser_generator_condition_dim(generator, out) =
    ccall((:laser_generator_condition_dim, liblaser), Int32, (Ptr{laser_generator}, Ptr{Csize_t}), generator, out)

# N, the dimensions of the latent space
laser_generator_latent_dim(generator, out) =
    ccall((:laser_generator_latent_dim, liblaser), Int32, (Ptr{laser_generator}, Ptr{Csize_t}), generator, out)

# Frees a generator
laser_generator_free(generator) =
    ccall((:laser_generator_free, liblaser), Cvoid, (Ptr{laser_generator},), generator)

# Makes a generator of a callback of the host
laser_generator_from_callback(zdim, cdim, xdim, stochastic, generate, user, options, out) =
    ccall((:laser_generator_from_callback, liblaser), Int32,
          (Csize_t, Csize_t, Csize_t, Int32, laser_generate_fn, Ptr{Cvoid}, Ptr{laser_options}, Ptr{Ptr{laser_generator}}),
          zdim, cdim, xdim, stochastic, generate, user, options, out)

# Attaches a callback to the generator of a loaded model that was made for one
laser_model_attach(model, zdim, cdim, xdim, generate, user, out) =
    ccall((:laser_model_attach, liblaser), Int32,
          (Ptr{laser_model}, Csize_t, Csize_t, Csize_t, laser_generate_fn, Ptr{Cvoid}, Ptr{Ptr{laser_model}}),
          model, zdim, cdim, xdim, generate, user, out)

# Makes a generator that is the same, with a callback that says where its events can be
laser_generator_with_support(generator, dim, support, user, out) =
    ccall((:laser_generator_with_support, liblaser), Int32,
          (Ptr{laser_generator}, Csize_t, laser_support_fn, Ptr{Cvoid}, Ptr{Ptr{laser_generator}}),
          generator, dim, support, user, out)

# Attaches a callback to a loaded model whose support is one
laser_model_attach_support(model, dim, support, user, out) =
    ccall((:laser_model_attach_support, liblaser), Int32,
          (Ptr{laser_model}, Csize_t, laser_support_fn, Ptr{Cvoid}, Ptr{Ptr{laser_model}}),
          model, dim, support, user, out)

# Refines a generator (LaSeR)
laser_refine(generator, target, options, hooks, out) =
    ccall((:laser_refine, liblaser), Int32,
          (Ptr{laser_generator}, Ptr{laser_source}, Ptr{laser_options}, Ptr{laser_hooks}, Ptr{Ptr{laser_model}}),
          generator, target, options, hooks, out)

# Gives a model another refiner
laser_model_refine(model, target, options, hooks, out) =
    ccall((:laser_model_refine, liblaser), Int32,
          (Ptr{laser_model}, Ptr{laser_source}, Ptr{laser_options}, Ptr{laser_hooks}, Ptr{Ptr{laser_model}}),
          model, target, options, hooks, out)

# Makes a model of a generator alone
laser_model_from_generator(generator, out) =
    ccall((:laser_model_from_generator, liblaser), Int32, (Ptr{laser_generator}, Ptr{Ptr{laser_model}}), generator, out)

# Saves a model to one file, a safetensors file that describes itself
laser_model_save(model, path) =
    ccall((:laser_model_save, liblaser), Int32, (Ptr{laser_model}, Cstring), model, path)

# Loads a model file
laser_model_load(path, options, out) =
    ccall((:laser_model_load, liblaser), Int32, (Cstring, Ptr{laser_options}, Ptr{Ptr{laser_model}}), path, options, out)

# M, the values per event
laser_model_event_dim(model, out) =
    ccall((:laser_model_event_dim, liblaser), Int32, (Ptr{laser_model}, Ptr{Csize_t}), model, out)

# N, the dimensions of the generator's latent space
laser_model_latent_dim(model, out) =
    ccall((:laser_model_latent_dim, liblaser), Int32, (Ptr{laser_model}, Ptr{Csize_t}), model, out)

# C, the values of the condition of an event
laser_model_condition_dim(model, out) =
    ccall((:laser_model_condition_dim, liblaser), Int32, (Ptr{laser_model}, Ptr{Csize_t}), model, out)

# The method by which samplers make events unless told otherwise
laser_model_method(model, buf, cap, needed) =
    ccall((:laser_model_method, liblaser), Int32, (Ptr{laser_model}, Ptr{UInt8}, Csize_t, Ptr{Csize_t}), model, buf, cap, needed)

# What a value of an event is called
laser_model_feature_name(model, column, buf, cap, needed) =
    ccall((:laser_model_feature_name, liblaser), Int32,
          (Ptr{laser_model}, Csize_t, Ptr{UInt8}, Csize_t, Ptr{Csize_t}),
          model, column, buf, cap, needed)

# Describes a model
laser_model_info(model, buf, cap, needed) =
    ccall((:laser_model_info, liblaser), Int32, (Ptr{laser_model}, Ptr{UInt8}, Csize_t, Ptr{Csize_t}), model, buf, cap, needed)

# Reads a number of the training record
laser_model_get_f64(model, key, out) =
    ccall((:laser_model_get_f64, liblaser), Int32, (Ptr{laser_model}, Cstring, Ptr{Float64}), model, key, out)

# Frees a model
laser_model_free(model) =
    ccall((:laser_model_free, liblaser), Cvoid, (Ptr{laser_model},), model)

# log w(x), the logarithm of the density ratio target / generated, from the classifier
laser_model_log_weight(model, options, n, x, stride, log_w) =
    ccall((:laser_model_log_weight, liblaser), Int32,
          (Ptr{laser_model}, Ptr{laser_options}, Csize_t, Ptr{Float64}, Csize_t, Ptr{Float64}),
          model, options, n, x, stride, log_w)

# log p_g(x), the logarithm of the generator's density
laser_model_log_prob(model, options, n, x, stride, log_p) =
    ccall((:laser_model_log_prob, liblaser), Int32,
          (Ptr{laser_model}, Ptr{laser_options}, Csize_t, Ptr{Float64}, Csize_t, Ptr{Float64}),
          model, options, n, x, stride, log_p)

# z with g(z) = x
laser_model_latent(model, options, n, x, x_stride, z, z_stride) =
    ccall((:laser_model_latent, liblaser), Int32,
          (Ptr{laser_model}, Ptr{laser_options}, Csize_t, Ptr{Float64}, Csize_t, Ptr{Float64}, Csize_t),
          model, options, n, x, x_stride, z, z_stride)

# x = g(z)
laser_model_generate(model, options, n, z, z_stride, x, x_stride) =
    ccall((:laser_model_generate, liblaser), Int32,
          (Ptr{laser_model}, Ptr{laser_options}, Csize_t, Ptr{Float64}, Csize_t, Ptr{Float64}, Csize_t),
          model, options, n, z, z_stride, x, x_stride)

# Trains a reweighter
laser_reweighter_train(from, to, options, hooks, out) =
    ccall((:laser_reweighter_train, liblaser), Int32,
          (Ptr{laser_source}, Ptr{laser_source}, Ptr{laser_options}, Ptr{laser_hooks}, Ptr{Ptr{laser_reweighter}}),
          from, to, options, hooks, out)

# The weights of events
laser_reweighter_weights(reweighter, options, n, x, stride, w, log_w, spread) =
    ccall((:laser_reweighter_weights, liblaser), Int32,
          (Ptr{laser_reweighter}, Ptr{laser_options}, Csize_t, Ptr{Float64}, Csize_t, Ptr{Float64}, Ptr{Float64}, Ptr{Float64}),
          reweighter, options, n, x, stride, w, log_w, spread)

# Saves a reweighter to one file, a model file as laser_model_save writes them
laser_reweighter_save(reweighter, path) =
    ccall((:laser_reweighter_save, liblaser), Int32, (Ptr{laser_reweighter}, Cstring), reweighter, path)

# Loads a reweighter
laser_reweighter_load(path, options, out) =
    ccall((:laser_reweighter_load, liblaser), Int32, (Cstring, Ptr{laser_options}, Ptr{Ptr{laser_reweighter}}), path, options, out)

# M, the values per event, without conditions
laser_reweighter_event_dim(reweighter, out) =
    ccall((:laser_reweighter_event_dim, liblaser), Int32, (Ptr{laser_reweighter}, Ptr{Csize_t}), reweighter, out)

# C, the values of the condition of an event
laser_reweighter_condition_dim(reweighter, out) =
    ccall((:laser_reweighter_condition_dim, liblaser), Int32, (Ptr{laser_reweighter}, Ptr{Csize_t}), reweighter, out)

# What a value of an event is called
laser_reweighter_feature_name(reweighter, column, buf, cap, needed) =
    ccall((:laser_reweighter_feature_name, liblaser), Int32,
          (Ptr{laser_reweighter}, Csize_t, Ptr{UInt8}, Csize_t, Ptr{Csize_t}),
          reweighter, column, buf, cap, needed)

# Describes a reweighter
laser_reweighter_info(reweighter, buf, cap, needed) =
    ccall((:laser_reweighter_info, liblaser), Int32,
          (Ptr{laser_reweighter}, Ptr{UInt8}, Csize_t, Ptr{Csize_t}),
          reweighter, buf, cap, needed)

# Reads a number of the training record
laser_reweighter_get_f64(reweighter, key, out) =
    ccall((:laser_reweighter_get_f64, liblaser), Int32, (Ptr{laser_reweighter}, Cstring, Ptr{Float64}), reweighter, key, out)

# Frees a reweighter
laser_reweighter_free(reweighter) =
    ccall((:laser_reweighter_free, liblaser), Cvoid, (Ptr{laser_reweighter},), reweighter)

# Positive weights for events that have weights of both signs
laser_resample(events, options, hooks, n, w, out) =
    ccall((:laser_resample, liblaser), Int32,
          (Ptr{laser_source}, Ptr{laser_options}, Ptr{laser_hooks}, Csize_t, Ptr{Float64}, Ptr{Ptr{laser_reweighter}}),
          events, options, hooks, n, w, out)

# Unfolds measured events
laser_unfold(generated, reconstructed, data, flags, n, options, hooks, w, out) =
    ccall((:laser_unfold, liblaser), Int32,
          (Ptr{laser_source}, Ptr{laser_source}, Ptr{laser_source}, Ptr{Int32}, Csize_t, Ptr{laser_options}, Ptr{laser_hooks}, Ptr{Float64}, Ptr{Ptr{laser_reweighter}}),
          generated, reconstructed, data, flags, n, options, hooks, w, out)

# Makes a sampler that stands at event 0
laser_sampler_new(model, seed, stream, options, out) =
    ccall((:laser_sampler_new, liblaser), Int32,
          (Ptr{laser_model}, UInt64, UInt64, Ptr{laser_options}, Ptr{Ptr{laser_sampler}}),
          model, seed, stream, options, out)

# Lets a sampler draw from the host's random numbers instead of its own, as frameworks demand that keep the random state of their events themselves
laser_sampler_set_noise_callback(sampler, noise, user) =
    ccall((:laser_sampler_set_noise_callback, liblaser), Int32,
          (Ptr{laser_sampler}, laser_noise_fn, Ptr{Cvoid}),
          sampler, noise, user)

# Has the calls that ask a sampler for events watched and stopped by hooks, and lets the sampler warn
laser_sampler_set_hooks(sampler, hooks) =
    ccall((:laser_sampler_set_hooks, liblaser), Int32, (Ptr{laser_sampler}, Ptr{laser_hooks}), sampler, hooks)

# Goes to an event, forward or backward
laser_sampler_seek(sampler, event) =
    ccall((:laser_sampler_seek, liblaser), Int32, (Ptr{laser_sampler}, UInt64), sampler, event)

# Tells where the stream stands
laser_sampler_tell(sampler, event) =
    ccall((:laser_sampler_tell, liblaser), Int32, (Ptr{laser_sampler}, Ptr{UInt64}), sampler, event)

# Generates the next events of the stream
laser_sampler_generate(sampler, n, stride, x, w, logp) =
    ccall((:laser_sampler_generate, liblaser), Int32,
          (Ptr{laser_sampler}, Csize_t, Csize_t, Ptr{Float64}, Ptr{Float64}, Ptr{Float64}),
          sampler, n, stride, x, w, logp)

# laser_sampler_generate in single precision
laser_sampler_generate_f32(sampler, n, stride, x, w, logp) =
    ccall((:laser_sampler_generate_f32, liblaser), Int32,
          (Ptr{laser_sampler}, Csize_t, Csize_t, Ptr{Float32}, Ptr{Float32}, Ptr{Float32}),
          sampler, n, stride, x, w, logp)

# Generates the next events of the stream together with the latent points they were made from
laser_sampler_generate_latent(sampler, n, x_stride, x, z_stride, z, w) =
    ccall((:laser_sampler_generate_latent, liblaser), Int32,
          (Ptr{laser_sampler}, Csize_t, Csize_t, Ptr{Float64}, Csize_t, Ptr{Float64}, Ptr{Float64}),
          sampler, n, x_stride, x, z_stride, z, w)

# Generates the next events of a model with conditions, given them
laser_sampler_generate_given(sampler, n, c_stride, c, x_stride, x, w, logp) =
    ccall((:laser_sampler_generate_given, liblaser), Int32,
          (Ptr{laser_sampler}, Csize_t, Csize_t, Ptr{Float64}, Csize_t, Ptr{Float64}, Ptr{Float64}, Ptr{Float64}),
          sampler, n, c_stride, c, x_stride, x, w, logp)

# laser_sampler_generate_given in single precision
laser_sampler_generate_given_f32(sampler, n, c_stride, c, x_stride, x, w, logp) =
    ccall((:laser_sampler_generate_given_f32, liblaser), Int32,
          (Ptr{laser_sampler}, Csize_t, Csize_t, Ptr{Float32}, Csize_t, Ptr{Float32}, Ptr{Float32}, Ptr{Float32}),
          sampler, n, c_stride, c, x_stride, x, w, logp)

# Generates the next event of the stream, out of a batch kept inside
laser_sampler_next(sampler, x, w) =
    ccall((:laser_sampler_next, liblaser), Int32, (Ptr{laser_sampler}, Ptr{Float64}, Ptr{Float64}), sampler, x, w)

# Reads a diagnostic of the sampler, counted since it was made
laser_sampler_get_f64(sampler, key, out) =
    ccall((:laser_sampler_get_f64, liblaser), Int32, (Ptr{laser_sampler}, Cstring, Ptr{Float64}), sampler, key, out)

# Frees a sampler
laser_sampler_free(sampler) =
    ccall((:laser_sampler_free, liblaser), Cvoid, (Ptr{laser_sampler},), sampler)

# Makes an empty histogram
laser_histogram_new(nx, xlo, xhi, ny, ylo, yhi, out) =
    ccall((:laser_histogram_new, liblaser), Int32,
          (Csize_t, Float64, Float64, Csize_t, Float64, Float64, Ptr{Ptr{laser_histogram}}),
          nx, xlo, xhi, ny, ylo, yhi, out)

# Adds events
laser_histogram_fill(histogram, n, x, stride, w) =
    ccall((:laser_histogram_fill, liblaser), Int32,
          (Ptr{laser_histogram}, Csize_t, Ptr{Float64}, Csize_t, Ptr{Float64}),
          histogram, n, x, stride, w)

# Copies out the bins
laser_histogram_contents(histogram, out, cap) =
    ccall((:laser_histogram_contents, liblaser), Int32, (Ptr{laser_histogram}, Ptr{Float64}, Csize_t), histogram, out, cap)

# Sums the weights
laser_histogram_total(histogram, inside, outside) =
    ccall((:laser_histogram_total, liblaser), Int32, (Ptr{laser_histogram}, Ptr{Float64}, Ptr{Float64}), histogram, inside, outside)

# Adds the contents of another histogram
laser_histogram_merge(into, from) =
    ccall((:laser_histogram_merge, liblaser), Int32, (Ptr{laser_histogram}, Ptr{laser_histogram}), into, from)

# Frees a histogram
laser_histogram_free(histogram) =
    ccall((:laser_histogram_free, liblaser), Cvoid, (Ptr{laser_histogram},), histogram)

# The Jensen-Shannon divergence of two histograms, each normalised to one
laser_jsd(p, q, nats, paper) =
    ccall((:laser_jsd, liblaser), Int32, (Ptr{laser_histogram}, Ptr{laser_histogram}, Ptr{Float64}, Ptr{Float64}), p, q, nats, paper)

# The earth mover's distance of two histograms, each normalised to one
laser_emd(p, q, units, paper) =
    ccall((:laser_emd, liblaser), Int32, (Ptr{laser_histogram}, Ptr{laser_histogram}, Ptr{Float64}, Ptr{Float64}), p, q, units, paper)

# What laser_jsd gives for two independent samples of one distribution, by chance alone
laser_jsd_floor(p, q, repeats, seed, nats, nats_spread, paper, paper_spread) =
    ccall((:laser_jsd_floor, liblaser), Int32,
          (Ptr{laser_histogram}, Ptr{laser_histogram}, Csize_t, UInt64, Ptr{Float64}, Ptr{Float64}, Ptr{Float64}, Ptr{Float64}),
          p, q, repeats, seed, nats, nats_spread, paper, paper_spread)

# What laser_emd gives for two independent samples of one distribution, by chance alone
laser_emd_floor(p, q, repeats, seed, units, units_spread, paper, paper_spread) =
    ccall((:laser_emd_floor, liblaser), Int32,
          (Ptr{laser_histogram}, Ptr{laser_histogram}, Csize_t, UInt64, Ptr{Float64}, Ptr{Float64}, Ptr{Float64}, Ptr{Float64}),
          p, q, repeats, seed, units, units_spread, paper, paper_spread)

# The earth mover's (Wasserstein-1) distance of one feature in two samples
laser_emd_1d(p, q, feature, repeats, seed, distance, error, floor, floor_spread) =
    ccall((:laser_emd_1d, liblaser), Int32,
          (Ptr{laser_source}, Ptr{laser_source}, Csize_t, Csize_t, UInt64, Ptr{Float64}, Ptr{Float64}, Ptr{Float64}, Ptr{Float64}),
          p, q, feature, repeats, seed, distance, error, floor, floor_spread)

# The sliced earth mover's distance of two samples, in any dimension
laser_sliced_emd(reference, sample, directions, repeats, seed, distance, error, floor, floor_spread) =
    ccall((:laser_sliced_emd, liblaser), Int32,
          (Ptr{laser_source}, Ptr{laser_source}, Csize_t, Csize_t, UInt64, Ptr{Float64}, Ptr{Float64}, Ptr{Float64}, Ptr{Float64}),
          reference, sample, directions, repeats, seed, distance, error, floor, floor_spread)

# The two-sample Kolmogorov-Smirnov test of one feature, with weights
laser_kolmogorov_smirnov(p, q, feature, statistic, p_value) =
    ccall((:laser_kolmogorov_smirnov, liblaser), Int32,
          (Ptr{laser_source}, Ptr{laser_source}, Csize_t, Ptr{Float64}, Ptr{Float64}),
          p, q, feature, statistic, p_value)

# A classifier two-sample test
laser_two_sample_auc(reference, sample, options, hooks, auc, error) =
    ccall((:laser_two_sample_auc, liblaser), Int32,
          (Ptr{laser_source}, Ptr{laser_source}, Ptr{laser_options}, Ptr{laser_hooks}, Ptr{Float64}, Ptr{Float64}),
          reference, sample, options, hooks, auc, error)

# As laser_two_sample_auc, but gives the areas of both families
laser_two_sample_auc_by_family(reference, sample, options, hooks, network, network_error, trees, trees_error) =
    ccall((:laser_two_sample_auc_by_family, liblaser), Int32,
          (Ptr{laser_source}, Ptr{laser_source}, Ptr{laser_options}, Ptr{laser_hooks}, Ptr{Float64}, Ptr{Float64}, Ptr{Float64}, Ptr{Float64}),
          reference, sample, options, hooks, network, network_error, trees, trees_error)

# The area under the ROC curve of scores
laser_auc(n, scores, labels, w, auc, error) =
    ccall((:laser_auc, liblaser), Int32,
          (Csize_t, Ptr{Float64}, Ptr{Int32}, Ptr{Float64}, Ptr{Float64}, Ptr{Float64}),
          n, scores, labels, w, auc, error)

# How many unweighted events are worth as much as weighted ones
laser_effective_size(n, w, size) =
    ccall((:laser_effective_size, liblaser), Int32, (Csize_t, Ptr{Float64}, Ptr{Float64}), n, w, size)

# Whether Markov chains have mixed, and how many independent draws they are worth
laser_chain_diagnostics(draws, chains, dim, x, r_hat, effective_size) =
    ccall((:laser_chain_diagnostics, liblaser), Int32,
          (Csize_t, Csize_t, Csize_t, Ptr{Float64}, Ptr{Float64}, Ptr{Float64}),
          draws, chains, dim, x, r_hat, effective_size)

# What two samples do at an edge of the region where events can be
laser_edge(reference, sample, support, names, edge, beyond_reference, beyond_reference_error, beyond_sample, beyond_sample_error, ratio, ratio_error, depth) =
    ccall((:laser_edge, liblaser), Int32,
          (Ptr{laser_source}, Ptr{laser_source}, Cstring, Cstring, Csize_t, Ptr{Float64}, Ptr{Float64}, Ptr{Float64}, Ptr{Float64}, Ptr{Float64}, Ptr{Float64}, Ptr{Float64}),
          reference, sample, support, names, edge, beyond_reference, beyond_reference_error, beyond_sample, beyond_sample_error, ratio, ratio_error, depth)

# How many edges a support has
laser_edge_count(events, support, names, count) =
    ccall((:laser_edge_count, liblaser), Int32, (Ptr{laser_source}, Cstring, Cstring, Ptr{Csize_t}), events, support, names, count)

# The inequality that makes an edge, as it is written in the support
laser_edge_inequality(events, support, names, edge, buf, cap, needed) =
    ccall((:laser_edge_inequality, liblaser), Int32,
          (Ptr{laser_source}, Cstring, Cstring, Csize_t, Ptr{UInt8}, Csize_t, Ptr{Csize_t}),
          events, support, names, edge, buf, cap, needed)

end
