"""The functions of laser.h as they are: statuses are returned, nothing is checked. Not for use outside the package.

Written by scripts/bindings from include/laser.h: do not edit.
"""

from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_double, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p

from ._library import declared

# First number of this header's version
LASER_VERSION_MAJOR = 0
# Second number of this header's version
LASER_VERSION_MINOR = 1
# Third number of this header's version
LASER_VERSION_PATCH = 0
# Number of the C ABI that this header describes, the first number of the soname
LASER_ABI_VERSION = 0
# Level of a log message
LASER_LOG_INFO = 1
# Level of a log message
LASER_LOG_WARNING = 2
# Flag of a simulated event
LASER_PAIR_GENERATED = 1
# Flag of a simulated event
LASER_PAIR_RECONSTRUCTED = 2
# Success
LASER_OK = 0
# An argument outside its domain
LASER_ERR_INVALID_ARGUMENT = 1
# A pointer that must not be NULL was NULL
LASER_ERR_NULL = 2
# An option key that does not exist
LASER_ERR_UNKNOWN_OPTION = 3
# A file could not be read or written
LASER_ERR_IO = 4
# Not a valid model file
LASER_ERR_FORMAT = 5
# A callback of the host returned nonzero
LASER_ERR_CALLBACK = 6
# The cancel token was tripped
LASER_ERR_CANCELLED = 7
# A handle is in use by another call
LASER_ERR_BUSY = 8
# This build, model or method cannot do what was asked
LASER_ERR_UNSUPPORTED = 9
# Events that cannot be used
LASER_ERR_DATA = 10
# A computation left the finite numbers
LASER_ERR_NUMERICAL = 11
# The compute device cannot be used
LASER_ERR_DEVICE = 12
# libtorch reported an error
LASER_ERR_TORCH = 13
# A defect of liblaser, noticed by itself
LASER_ERR_INTERNAL = 14
# A defect of liblaser, stopped at its boundary
LASER_ERR_PANIC = 15
# Memory that cannot be had
LASER_ERR_MEMORY = 16

# The opaque structs, to tell pointers apart.


class laser_cancel(Structure):
    pass


class laser_generator(Structure):
    pass


class laser_histogram(Structure):
    pass


class laser_hooks(Structure):
    pass


class laser_model(Structure):
    pass


class laser_options(Structure):
    pass


class laser_progress(Structure):
    pass


class laser_reweighter(Structure):
    pass


class laser_sampler(Structure):
    pass


class laser_source(Structure):
    pass


# The callbacks.
# Called after every update of a training, every block of events of a pilot run or a sampler, and every trajectory of chains
laser_progress_fn = CFUNCTYPE(c_int32, POINTER(laser_progress), c_void_p)
# Called with a message for the user
laser_log_fn = CFUNCTYPE(c_int32, c_int32, c_char_p, c_void_p)
# Sums numbers over ranks
laser_allreduce_fn = CFUNCTYPE(c_int32, c_size_t, c_void_p, c_void_p)
# Delivers events
laser_events_fn = CFUNCTYPE(c_int32, c_size_t, c_size_t, c_void_p, c_void_p, c_void_p, c_void_p)
# Tells where the events of a callback stand
laser_tell_fn = CFUNCTYPE(c_int32, c_void_p, c_void_p)
# Brings the events of a callback to where they stood when laser_tell_fn told this number, perhaps in another process
laser_seek_fn = CFUNCTYPE(c_int32, c_uint64, c_void_p)
# Makes events of latent points
laser_generate_fn = CFUNCTYPE(c_int32, c_size_t, c_void_p, c_size_t, c_void_p, c_size_t, c_void_p, c_size_t, c_void_p)
# Says which events can be
laser_support_fn = CFUNCTYPE(c_int32, c_size_t, c_size_t, c_void_p, c_void_p, c_void_p)
# Delivers uniform random numbers of the host's own generator
laser_noise_fn = CFUNCTYPE(c_int32, c_size_t, c_void_p, c_void_p)

# The functions: what they return, and what they take.

# The name of a status number, for messages
# (status)
laser_status_name = declared("laser_status_name", c_char_p, c_int32)

# Copies out the message of this thread's last failure
# (buf, cap, needed)
laser_last_error = declared("laser_last_error", c_int32, c_char_p, c_size_t, c_void_p)

# What the callback returned that ended this thread's last failed call
# ()
laser_last_callback_code = declared("laser_last_callback_code", c_int32)

# Number of the C ABI of the loaded library
# ()
laser_abi_version = declared("laser_abi_version", c_uint32)

# Version of the loaded library
# ()
laser_version = declared("laser_version", c_char_p)

# Tells whether a device can be used here, before hours are planned on it
# (device)
laser_device_check = declared("laser_device_check", c_int32, c_char_p)

# Makes options from a preset
# (preset, out)
laser_options_new = declared("laser_options_new", c_int32, c_char_p, POINTER(POINTER(laser_options)))

# Makes options from JSON
# (json, out)
laser_options_from_json = declared("laser_options_from_json", c_int32, c_char_p, POINTER(POINTER(laser_options)))

# Sets an integer option, or a floating-point option to an integer
# (options, key, value)
laser_options_set_i64 = declared("laser_options_set_i64", c_int32, POINTER(laser_options), c_char_p, c_int64)

# Sets a floating-point option
# (options, key, value)
laser_options_set_f64 = declared("laser_options_set_f64", c_int32, POINTER(laser_options), c_char_p, c_double)

# Sets a text option
# (options, key, value)
laser_options_set_str = declared("laser_options_set_str", c_int32, POINTER(laser_options), c_char_p, c_char_p)

# Reads an integer option
# (options, key, value)
laser_options_get_i64 = declared("laser_options_get_i64", c_int32, POINTER(laser_options), c_char_p, c_void_p)

# Reads a floating-point option
# (options, key, value)
laser_options_get_f64 = declared("laser_options_get_f64", c_int32, POINTER(laser_options), c_char_p, c_void_p)

# Reads a text option
# (options, key, buf, cap, needed)
laser_options_get_str = declared("laser_options_get_str", c_int32, POINTER(laser_options), c_char_p, c_char_p, c_size_t, c_void_p)

# Prints all options, defaults included, as nested JSON that laser_options_from_json reads back
# (options, buf, cap, needed)
laser_options_to_json = declared("laser_options_to_json", c_int32, POINTER(laser_options), c_char_p, c_size_t, c_void_p)

# Frees options
# (options)
laser_options_free = declared("laser_options_free", None, POINTER(laser_options))

# Makes a cancel token that is not tripped
# (out)
laser_cancel_new = declared("laser_cancel_new", c_int32, POINTER(POINTER(laser_cancel)))

# Trips a token
# (cancel)
laser_cancel_trip = declared("laser_cancel_trip", None, POINTER(laser_cancel))

# Makes a tripped token usable again
# (cancel)
laser_cancel_reset = declared("laser_cancel_reset", c_int32, POINTER(laser_cancel))

# Tells whether a token is tripped
# (cancel)
laser_cancel_is_tripped = declared("laser_cancel_is_tripped", c_int32, POINTER(laser_cancel))

# Frees a token
# (cancel)
laser_cancel_free = declared("laser_cancel_free", None, POINTER(laser_cancel))

# Makes hooks without callbacks and without a token
# (out)
laser_hooks_new = declared("laser_hooks_new", c_int32, POINTER(POINTER(laser_hooks)))

# Sets the progress callback
# (hooks, progress, user)
laser_hooks_set_progress = declared("laser_hooks_set_progress", c_int32, POINTER(laser_hooks), laser_progress_fn, c_void_p)

# Sets the log callback
# (hooks, log, user)
laser_hooks_set_log = declared("laser_hooks_set_log", c_int32, POINTER(laser_hooks), laser_log_fn, c_void_p)

# Sets the cancel token
# (hooks, cancel)
laser_hooks_set_cancel = declared("laser_hooks_set_cancel", c_int32, POINTER(laser_hooks), POINTER(laser_cancel))

# Sets a checkpoint
# (hooks, path, seconds, steps)
laser_hooks_set_checkpoint = declared("laser_hooks_set_checkpoint", c_int32, POINTER(laser_hooks), c_char_p, c_double, c_uint64)

# Makes this process one of several ranks that make long calls together
# (hooks, rank, ranks, allreduce, user)
laser_hooks_set_allreduce = declared("laser_hooks_set_allreduce", c_int32, POINTER(laser_hooks), c_size_t, c_size_t, laser_allreduce_fn, c_void_p)

# Frees hooks
# (hooks)
laser_hooks_free = declared("laser_hooks_free", None, POINTER(laser_hooks))

# What is running
# (p)
laser_progress_stage = declared("laser_progress_stage", c_char_p, POINTER(laser_progress))

# The current epoch
# (p)
laser_progress_epoch = declared("laser_progress_epoch", c_uint64, POINTER(laser_progress))

# The epochs planned for this stage
# (p)
laser_progress_epochs = declared("laser_progress_epochs", c_uint64, POINTER(laser_progress))

# The updates, or blocks of events, done in this stage
# (p)
laser_progress_step = declared("laser_progress_step", c_uint64, POINTER(laser_progress))

# The updates, or blocks of events, planned for this stage
# (p)
laser_progress_steps = declared("laser_progress_steps", c_uint64, POINTER(laser_progress))

# The training loss
# (p)
laser_progress_loss = declared("laser_progress_loss", c_double, POINTER(laser_progress))

# The loss of the held-out events
# (p)
laser_progress_validation_loss = declared("laser_progress_validation_loss", c_double, POINTER(laser_progress))

# The time that this stage will still take
# (p)
laser_progress_seconds_left = declared("laser_progress_seconds_left", c_double, POINTER(laser_progress))

# Makes a source of events in an array
# (x, w, n, dim, stride, out)
laser_source_from_array = declared("laser_source_from_array", c_int32, c_void_p, c_void_p, c_size_t, c_size_t, c_size_t, POINTER(POINTER(laser_source)))

# Makes a source of the events in a file
# (path, options, out)
laser_source_from_file = declared("laser_source_from_file", c_int32, c_char_p, POINTER(laser_options), POINTER(POINTER(laser_source)))

# Values per event, its conditions included and its weight not
# (source, out)
laser_source_event_dim = declared("laser_source_event_dim", c_int32, POINTER(laser_source), c_void_p)

# Makes a source that asks a callback for events, batch by batch
# (dim, weighted, events, user, out)
laser_source_from_callback = declared("laser_source_from_callback", c_int32, c_size_t, c_int32, laser_events_fn, c_void_p, POINTER(POINTER(laser_source)))

# Gives a callback's events positions, so that a training that goes on from a checkpoint asks only for events that it has not used
# (source, tell, seek, user)
laser_source_set_position = declared("laser_source_set_position", c_int32, POINTER(laser_source), laser_tell_fn, laser_seek_fn, c_void_p)

# Frees a source
# (source)
laser_source_free = declared("laser_source_free", None, POINTER(laser_source))

# Trains a generator on target events, with the events' weights
# (target, options, hooks, out)
laser_generator_train = declared("laser_generator_train", c_int32, POINTER(laser_source), POINTER(laser_options), POINTER(laser_hooks), POINTER(POINTER(laser_generator)))

# Saves a generator to a model file
# (generator, path)
laser_generator_save = declared("laser_generator_save", c_int32, POINTER(laser_generator), c_char_p)

# Loads a generator
# (path, options, out)
laser_generator_load = declared("laser_generator_load", c_int32, c_char_p, POINTER(laser_options), POINTER(POINTER(laser_generator)))

# M, the values per event
# (generator, out)
laser_generator_event_dim = declared("laser_generator_event_dim", c_int32, POINTER(laser_generator), c_void_p)

# C, the values of the condition of an event
# (generator, out)
laser_generator_condition_dim = declared("laser_generator_condition_dim", c_int32, POINTER(laser_generator), c_void_p)

# N, the dimensions of the latent space
# (generator, out)
laser_generator_latent_dim = declared("laser_generator_latent_dim", c_int32, POINTER(laser_generator), c_void_p)

# Frees a generator
# (generator)
laser_generator_free = declared("laser_generator_free", None, POINTER(laser_generator))

# Makes a generator of a callback of the host
# (zdim, cdim, xdim, stochastic, generate, user, options, out)
laser_generator_from_callback = declared("laser_generator_from_callback", c_int32, c_size_t, c_size_t, c_size_t, c_int32, laser_generate_fn, c_void_p, POINTER(laser_options), POINTER(POINTER(laser_generator)))

# Attaches a callback to the generator of a loaded model that was made for one
# (model, zdim, cdim, xdim, generate, user, out)
laser_model_attach = declared("laser_model_attach", c_int32, POINTER(laser_model), c_size_t, c_size_t, c_size_t, laser_generate_fn, c_void_p, POINTER(POINTER(laser_model)))

# Makes a generator that is the same, with a callback that says where its events can be
# (generator, dim, support, user, out)
laser_generator_with_support = declared("laser_generator_with_support", c_int32, POINTER(laser_generator), c_size_t, laser_support_fn, c_void_p, POINTER(POINTER(laser_generator)))

# Attaches a callback to a loaded model whose support is one
# (model, dim, support, user, out)
laser_model_attach_support = declared("laser_model_attach_support", c_int32, POINTER(laser_model), c_size_t, laser_support_fn, c_void_p, POINTER(POINTER(laser_model)))

# Refines a generator (LaSeR)
# (generator, target, options, hooks, out)
laser_refine = declared("laser_refine", c_int32, POINTER(laser_generator), POINTER(laser_source), POINTER(laser_options), POINTER(laser_hooks), POINTER(POINTER(laser_model)))

# Gives a model another refiner
# (model, target, options, hooks, out)
laser_model_refine = declared("laser_model_refine", c_int32, POINTER(laser_model), POINTER(laser_source), POINTER(laser_options), POINTER(laser_hooks), POINTER(POINTER(laser_model)))

# Makes a model of a generator alone
# (generator, out)
laser_model_from_generator = declared("laser_model_from_generator", c_int32, POINTER(laser_generator), POINTER(POINTER(laser_model)))

# Saves a model to one file, a safetensors file that describes itself
# (model, path)
laser_model_save = declared("laser_model_save", c_int32, POINTER(laser_model), c_char_p)

# Loads a model file
# (path, options, out)
laser_model_load = declared("laser_model_load", c_int32, c_char_p, POINTER(laser_options), POINTER(POINTER(laser_model)))

# M, the values per event
# (model, out)
laser_model_event_dim = declared("laser_model_event_dim", c_int32, POINTER(laser_model), c_void_p)

# N, the dimensions of the generator's latent space
# (model, out)
laser_model_latent_dim = declared("laser_model_latent_dim", c_int32, POINTER(laser_model), c_void_p)

# C, the values of the condition of an event
# (model, out)
laser_model_condition_dim = declared("laser_model_condition_dim", c_int32, POINTER(laser_model), c_void_p)

# The method by which samplers make events unless told otherwise
# (model, buf, cap, needed)
laser_model_method = declared("laser_model_method", c_int32, POINTER(laser_model), c_char_p, c_size_t, c_void_p)

# What a value of an event is called
# (model, column, buf, cap, needed)
laser_model_feature_name = declared("laser_model_feature_name", c_int32, POINTER(laser_model), c_size_t, c_char_p, c_size_t, c_void_p)

# Describes a model
# (model, buf, cap, needed)
laser_model_info = declared("laser_model_info", c_int32, POINTER(laser_model), c_char_p, c_size_t, c_void_p)

# Reads a number of the training record
# (model, key, out)
laser_model_get_f64 = declared("laser_model_get_f64", c_int32, POINTER(laser_model), c_char_p, c_void_p)

# Frees a model
# (model)
laser_model_free = declared("laser_model_free", None, POINTER(laser_model))

# log w(x), the logarithm of the density ratio target / generated, from the classifier
# (model, options, n, x, stride, log_w)
laser_model_log_weight = declared("laser_model_log_weight", c_int32, POINTER(laser_model), POINTER(laser_options), c_size_t, c_void_p, c_size_t, c_void_p)

# log p_g(x), the logarithm of the generator's density
# (model, options, n, x, stride, log_p)
laser_model_log_prob = declared("laser_model_log_prob", c_int32, POINTER(laser_model), POINTER(laser_options), c_size_t, c_void_p, c_size_t, c_void_p)

# z with g(z) = x
# (model, options, n, x, x_stride, z, z_stride)
laser_model_latent = declared("laser_model_latent", c_int32, POINTER(laser_model), POINTER(laser_options), c_size_t, c_void_p, c_size_t, c_void_p, c_size_t)

# x = g(z)
# (model, options, n, z, z_stride, x, x_stride)
laser_model_generate = declared("laser_model_generate", c_int32, POINTER(laser_model), POINTER(laser_options), c_size_t, c_void_p, c_size_t, c_void_p, c_size_t)

# Trains a reweighter
# (from, to, options, hooks, out)
laser_reweighter_train = declared("laser_reweighter_train", c_int32, POINTER(laser_source), POINTER(laser_source), POINTER(laser_options), POINTER(laser_hooks), POINTER(POINTER(laser_reweighter)))

# The weights of events
# (reweighter, options, n, x, stride, w, log_w, spread)
laser_reweighter_weights = declared("laser_reweighter_weights", c_int32, POINTER(laser_reweighter), POINTER(laser_options), c_size_t, c_void_p, c_size_t, c_void_p, c_void_p, c_void_p)

# Saves a reweighter to one file, a model file as laser_model_save writes them
# (reweighter, path)
laser_reweighter_save = declared("laser_reweighter_save", c_int32, POINTER(laser_reweighter), c_char_p)

# Loads a reweighter
# (path, options, out)
laser_reweighter_load = declared("laser_reweighter_load", c_int32, c_char_p, POINTER(laser_options), POINTER(POINTER(laser_reweighter)))

# M, the values per event, without conditions
# (reweighter, out)
laser_reweighter_event_dim = declared("laser_reweighter_event_dim", c_int32, POINTER(laser_reweighter), c_void_p)

# C, the values of the condition of an event
# (reweighter, out)
laser_reweighter_condition_dim = declared("laser_reweighter_condition_dim", c_int32, POINTER(laser_reweighter), c_void_p)

# What a value of an event is called
# (reweighter, column, buf, cap, needed)
laser_reweighter_feature_name = declared("laser_reweighter_feature_name", c_int32, POINTER(laser_reweighter), c_size_t, c_char_p, c_size_t, c_void_p)

# Describes a reweighter
# (reweighter, buf, cap, needed)
laser_reweighter_info = declared("laser_reweighter_info", c_int32, POINTER(laser_reweighter), c_char_p, c_size_t, c_void_p)

# Reads a number of the training record
# (reweighter, key, out)
laser_reweighter_get_f64 = declared("laser_reweighter_get_f64", c_int32, POINTER(laser_reweighter), c_char_p, c_void_p)

# Frees a reweighter
# (reweighter)
laser_reweighter_free = declared("laser_reweighter_free", None, POINTER(laser_reweighter))

# Positive weights for events that have weights of both signs
# (events, options, hooks, n, w, out)
laser_resample = declared("laser_resample", c_int32, POINTER(laser_source), POINTER(laser_options), POINTER(laser_hooks), c_size_t, c_void_p, POINTER(POINTER(laser_reweighter)))

# Unfolds measured events
# (generated, reconstructed, data, flags, n, options, hooks, w, out)
laser_unfold = declared("laser_unfold", c_int32, POINTER(laser_source), POINTER(laser_source), POINTER(laser_source), c_void_p, c_size_t, POINTER(laser_options), POINTER(laser_hooks), c_void_p, POINTER(POINTER(laser_reweighter)))

# Makes a sampler that stands at event 0
# (model, seed, stream, options, out)
laser_sampler_new = declared("laser_sampler_new", c_int32, POINTER(laser_model), c_uint64, c_uint64, POINTER(laser_options), POINTER(POINTER(laser_sampler)))

# Lets a sampler draw from the host's random numbers instead of its own, as frameworks demand that keep the random state of their events themselves
# (sampler, noise, user)
laser_sampler_set_noise_callback = declared("laser_sampler_set_noise_callback", c_int32, POINTER(laser_sampler), laser_noise_fn, c_void_p)

# Has the calls that ask a sampler for events watched and stopped by hooks, and lets the sampler warn
# (sampler, hooks)
laser_sampler_set_hooks = declared("laser_sampler_set_hooks", c_int32, POINTER(laser_sampler), POINTER(laser_hooks))

# Goes to an event, forward or backward
# (sampler, event)
laser_sampler_seek = declared("laser_sampler_seek", c_int32, POINTER(laser_sampler), c_uint64)

# Tells where the stream stands
# (sampler, event)
laser_sampler_tell = declared("laser_sampler_tell", c_int32, POINTER(laser_sampler), c_void_p)

# Generates the next events of the stream
# (sampler, n, stride, x, w, logp)
laser_sampler_generate = declared("laser_sampler_generate", c_int32, POINTER(laser_sampler), c_size_t, c_size_t, c_void_p, c_void_p, c_void_p)

# laser_sampler_generate in single precision
# (sampler, n, stride, x, w, logp)
laser_sampler_generate_f32 = declared("laser_sampler_generate_f32", c_int32, POINTER(laser_sampler), c_size_t, c_size_t, c_void_p, c_void_p, c_void_p)

# Generates the next events of the stream together with the latent points they were made from
# (sampler, n, x_stride, x, z_stride, z, w)
laser_sampler_generate_latent = declared("laser_sampler_generate_latent", c_int32, POINTER(laser_sampler), c_size_t, c_size_t, c_void_p, c_size_t, c_void_p, c_void_p)

# Generates the next events of a model with conditions, given them
# (sampler, n, c_stride, c, x_stride, x, w, logp)
laser_sampler_generate_given = declared("laser_sampler_generate_given", c_int32, POINTER(laser_sampler), c_size_t, c_size_t, c_void_p, c_size_t, c_void_p, c_void_p, c_void_p)

# laser_sampler_generate_given in single precision
# (sampler, n, c_stride, c, x_stride, x, w, logp)
laser_sampler_generate_given_f32 = declared("laser_sampler_generate_given_f32", c_int32, POINTER(laser_sampler), c_size_t, c_size_t, c_void_p, c_size_t, c_void_p, c_void_p, c_void_p)

# Generates the next event of the stream, out of a batch kept inside
# (sampler, x, w)
laser_sampler_next = declared("laser_sampler_next", c_int32, POINTER(laser_sampler), c_void_p, c_void_p)

# Reads a diagnostic of the sampler, counted since it was made
# (sampler, key, out)
laser_sampler_get_f64 = declared("laser_sampler_get_f64", c_int32, POINTER(laser_sampler), c_char_p, c_void_p)

# Frees a sampler
# (sampler)
laser_sampler_free = declared("laser_sampler_free", None, POINTER(laser_sampler))

# Makes an empty histogram
# (nx, xlo, xhi, ny, ylo, yhi, out)
laser_histogram_new = declared("laser_histogram_new", c_int32, c_size_t, c_double, c_double, c_size_t, c_double, c_double, POINTER(POINTER(laser_histogram)))

# Adds events
# (histogram, n, x, stride, w)
laser_histogram_fill = declared("laser_histogram_fill", c_int32, POINTER(laser_histogram), c_size_t, c_void_p, c_size_t, c_void_p)

# Copies out the bins
# (histogram, out, cap)
laser_histogram_contents = declared("laser_histogram_contents", c_int32, POINTER(laser_histogram), c_void_p, c_size_t)

# Sums the weights
# (histogram, inside, outside)
laser_histogram_total = declared("laser_histogram_total", c_int32, POINTER(laser_histogram), c_void_p, c_void_p)

# Adds the contents of another histogram
# (into, from)
laser_histogram_merge = declared("laser_histogram_merge", c_int32, POINTER(laser_histogram), POINTER(laser_histogram))

# Frees a histogram
# (histogram)
laser_histogram_free = declared("laser_histogram_free", None, POINTER(laser_histogram))

# The Jensen-Shannon divergence of two histograms, each normalised to one
# (p, q, nats, paper)
laser_jsd = declared("laser_jsd", c_int32, POINTER(laser_histogram), POINTER(laser_histogram), c_void_p, c_void_p)

# The earth mover's distance of two histograms, each normalised to one
# (p, q, units, paper)
laser_emd = declared("laser_emd", c_int32, POINTER(laser_histogram), POINTER(laser_histogram), c_void_p, c_void_p)

# What laser_jsd gives for two independent samples of one distribution, by chance alone
# (p, q, repeats, seed, nats, nats_spread, paper, paper_spread)
laser_jsd_floor = declared("laser_jsd_floor", c_int32, POINTER(laser_histogram), POINTER(laser_histogram), c_size_t, c_uint64, c_void_p, c_void_p, c_void_p, c_void_p)

# What laser_emd gives for two independent samples of one distribution, by chance alone
# (p, q, repeats, seed, units, units_spread, paper, paper_spread)
laser_emd_floor = declared("laser_emd_floor", c_int32, POINTER(laser_histogram), POINTER(laser_histogram), c_size_t, c_uint64, c_void_p, c_void_p, c_void_p, c_void_p)

# The earth mover's (Wasserstein-1) distance of one feature in two samples
# (p, q, feature, repeats, seed, distance, error, floor, floor_spread)
laser_emd_1d = declared("laser_emd_1d", c_int32, POINTER(laser_source), POINTER(laser_source), c_size_t, c_size_t, c_uint64, c_void_p, c_void_p, c_void_p, c_void_p)

# The sliced earth mover's distance of two samples, in any dimension
# (reference, sample, directions, repeats, seed, distance, error, floor, floor_spread)
laser_sliced_emd = declared("laser_sliced_emd", c_int32, POINTER(laser_source), POINTER(laser_source), c_size_t, c_size_t, c_uint64, c_void_p, c_void_p, c_void_p, c_void_p)

# The two-sample Kolmogorov-Smirnov test of one feature, with weights
# (p, q, feature, statistic, p_value)
laser_kolmogorov_smirnov = declared("laser_kolmogorov_smirnov", c_int32, POINTER(laser_source), POINTER(laser_source), c_size_t, c_void_p, c_void_p)

# A classifier two-sample test
# (reference, sample, options, hooks, auc, error)
laser_two_sample_auc = declared("laser_two_sample_auc", c_int32, POINTER(laser_source), POINTER(laser_source), POINTER(laser_options), POINTER(laser_hooks), c_void_p, c_void_p)

# As laser_two_sample_auc, but gives the areas of both families
# (reference, sample, options, hooks, network, network_error, trees, trees_error)
laser_two_sample_auc_by_family = declared("laser_two_sample_auc_by_family", c_int32, POINTER(laser_source), POINTER(laser_source), POINTER(laser_options), POINTER(laser_hooks), c_void_p, c_void_p, c_void_p, c_void_p)

# The area under the ROC curve of scores
# (n, scores, labels, w, auc, error)
laser_auc = declared("laser_auc", c_int32, c_size_t, c_void_p, c_void_p, c_void_p, c_void_p, c_void_p)

# How many unweighted events are worth as much as weighted ones
# (n, w, size)
laser_effective_size = declared("laser_effective_size", c_int32, c_size_t, c_void_p, c_void_p)

# Whether Markov chains have mixed, and how many independent draws they are worth
# (draws, chains, dim, x, r_hat, effective_size)
laser_chain_diagnostics = declared("laser_chain_diagnostics", c_int32, c_size_t, c_size_t, c_size_t, c_void_p, c_void_p, c_void_p)

# What two samples do at an edge of the region where events can be
# (reference, sample, support, names, edge, beyond_reference, beyond_reference_error, beyond_sample, beyond_sample_error, ratio, ratio_error, depth)
laser_edge = declared("laser_edge", c_int32, POINTER(laser_source), POINTER(laser_source), c_char_p, c_char_p, c_size_t, c_void_p, c_void_p, c_void_p, c_void_p, c_void_p, c_void_p, c_void_p)

# How many edges a support has
# (events, support, names, count)
laser_edge_count = declared("laser_edge_count", c_int32, POINTER(laser_source), c_char_p, c_char_p, c_void_p)

# The inequality that makes an edge, as it is written in the support
# (events, support, names, edge, buf, cap, needed)
laser_edge_inequality = declared("laser_edge_inequality", c_int32, POINTER(laser_source), c_char_p, c_char_p, c_size_t, c_char_p, c_size_t, c_void_p)
