! SPDX-License-Identifier: Apache-2.0 OR MIT
!> liblaser for Fortran 2008: latent space refinement (LaSeR) of generative models. docs/fortran.md begins with a program.
!!
!! module laser_c    the C functions as they are, written by scripts/bindings from laser.h: do not edit
!! module laser      what Fortran programs use: types with procedures, arrays and errors as Fortran has them
!!
!! What laser.h says of threads, reproducibility and ownership holds here too.

!> laser.h as it is. Its unsigned integers are signed ones of the same size. Pointers, those to handles too, are type(c_ptr), but:
!! a string that is read is an array of characters that ends with c_null_char, and the handle that a function makes is an argument.
module laser_c
   use, intrinsic :: iso_c_binding, only: c_char, c_double, c_funptr, c_int32_t, c_int64_t, c_ptr, c_size_t
   implicit none
   public
   private :: c_char, c_double, c_funptr, c_int32_t, c_int64_t, c_ptr, c_size_t

   integer(c_int32_t), parameter :: LASER_VERSION_MAJOR = 0 !< First number of this header's version
   integer(c_int32_t), parameter :: LASER_VERSION_MINOR = 1 !< Second number of this header's version
   integer(c_int32_t), parameter :: LASER_VERSION_PATCH = 0 !< Third number of this header's version
   integer(c_int32_t), parameter :: LASER_ABI = 0 !< Number of the C ABI that this header describes, the first number of the soname
   integer(c_int32_t), parameter :: LASER_LOG_INFO = 1 !< Level of a log message
   integer(c_int32_t), parameter :: LASER_LOG_WARNING = 2 !< Level of a log message
   integer(c_int32_t), parameter :: LASER_PAIR_GENERATED = 1 !< Flag of a simulated event
   integer(c_int32_t), parameter :: LASER_PAIR_RECONSTRUCTED = 2 !< Flag of a simulated event
   integer(c_int32_t), parameter :: LASER_OK = 0 !< Success
   integer(c_int32_t), parameter :: LASER_ERR_INVALID_ARGUMENT = 1 !< An argument outside its domain
   integer(c_int32_t), parameter :: LASER_ERR_NULL = 2 !< A pointer that must not be NULL was NULL
   integer(c_int32_t), parameter :: LASER_ERR_UNKNOWN_OPTION = 3 !< An option key that does not exist
   integer(c_int32_t), parameter :: LASER_ERR_IO = 4 !< A file could not be read or written
   integer(c_int32_t), parameter :: LASER_ERR_FORMAT = 5 !< Not a valid model file
   integer(c_int32_t), parameter :: LASER_ERR_CALLBACK = 6 !< A callback of the host returned nonzero
   integer(c_int32_t), parameter :: LASER_ERR_CANCELLED = 7 !< The cancel token was tripped
   integer(c_int32_t), parameter :: LASER_ERR_BUSY = 8 !< A handle is in use by another call
   integer(c_int32_t), parameter :: LASER_ERR_UNSUPPORTED = 9 !< This build, model or method cannot do what was asked
   integer(c_int32_t), parameter :: LASER_ERR_DATA = 10 !< Events that cannot be used
   integer(c_int32_t), parameter :: LASER_ERR_NUMERICAL = 11 !< A computation left the finite numbers
   integer(c_int32_t), parameter :: LASER_ERR_DEVICE = 12 !< The compute device cannot be used
   integer(c_int32_t), parameter :: LASER_ERR_TORCH = 13 !< libtorch reported an error
   integer(c_int32_t), parameter :: LASER_ERR_INTERNAL = 14 !< A defect of liblaser, noticed by itself
   integer(c_int32_t), parameter :: LASER_ERR_PANIC = 15 !< A defect of liblaser, stopped at its boundary
   integer(c_int32_t), parameter :: LASER_ERR_MEMORY = 16 !< Memory that cannot be had

   abstract interface
      !> Called after every update of a training, every block of events of a pilot run or a sampler, and every
      !! trajectory of chains.
      function laser_progress_fn(p, user) bind(c)
         import
         type(c_ptr), value :: p
         type(c_ptr), value :: user
         integer(c_int32_t) :: laser_progress_fn
      end function laser_progress_fn

      !> Called with a message for the user.
      function laser_log_fn(level, message, user) bind(c)
         import
         integer(c_int32_t), value :: level
         type(c_ptr), value :: message
         type(c_ptr), value :: user
         integer(c_int32_t) :: laser_log_fn
      end function laser_log_fn

      !> Sums numbers over ranks.
      function laser_allreduce_fn(n, values, user) bind(c)
         import
         integer(c_size_t), value :: n
         type(c_ptr), value :: values
         type(c_ptr), value :: user
         integer(c_int32_t) :: laser_allreduce_fn
      end function laser_allreduce_fn

      !> Delivers events.
      function laser_events_fn(n, dim, x, w, got, user) bind(c)
         import
         integer(c_size_t), value :: n
         integer(c_size_t), value :: dim
         type(c_ptr), value :: x
         type(c_ptr), value :: w
         type(c_ptr), value :: got
         type(c_ptr), value :: user
         integer(c_int32_t) :: laser_events_fn
      end function laser_events_fn

      !> Tells where the events of a callback stand.
      function laser_tell_fn(position, user) bind(c)
         import
         type(c_ptr), value :: position
         type(c_ptr), value :: user
         integer(c_int32_t) :: laser_tell_fn
      end function laser_tell_fn

      !> Brings the events of a callback to where they stood when laser_tell_fn told this number, perhaps in another
      !! process.
      function laser_seek_fn(position, user) bind(c)
         import
         integer(c_int64_t), value :: position
         type(c_ptr), value :: user
         integer(c_int32_t) :: laser_seek_fn
      end function laser_seek_fn

      !> Makes events of latent points.
      function laser_generate_fn(n, z, zdim, c, cdim, x, xdim, user) bind(c)
         import
         integer(c_size_t), value :: n
         type(c_ptr), value :: z
         integer(c_size_t), value :: zdim
         type(c_ptr), value :: c
         integer(c_size_t), value :: cdim
         type(c_ptr), value :: x
         integer(c_size_t), value :: xdim
         type(c_ptr), value :: user
         integer(c_int32_t) :: laser_generate_fn
      end function laser_generate_fn

      !> Says which events can be.
      function laser_support_fn(n, dim, x, inside, user) bind(c)
         import
         integer(c_size_t), value :: n
         integer(c_size_t), value :: dim
         type(c_ptr), value :: x
         type(c_ptr), value :: inside
         type(c_ptr), value :: user
         integer(c_int32_t) :: laser_support_fn
      end function laser_support_fn

      !> Delivers uniform random numbers of the host's own generator.
      function laser_noise_fn(n, u, user) bind(c)
         import
         integer(c_size_t), value :: n
         type(c_ptr), value :: u
         type(c_ptr), value :: user
         integer(c_int32_t) :: laser_noise_fn
      end function laser_noise_fn
   end interface

   interface
      !> The name of a status number, for messages.
      function laser_status_name(status) bind(c)
         import
         integer(c_int32_t), value :: status
         type(c_ptr) :: laser_status_name
      end function laser_status_name

      !> Copies out the message of this thread's last failure.
      function laser_last_error(buf, cap, needed) bind(c)
         import
         type(c_ptr), value :: buf
         integer(c_size_t), value :: cap
         type(c_ptr), value :: needed
         integer(c_int32_t) :: laser_last_error
      end function laser_last_error

      !> What the callback returned that ended this thread's last failed call.
      function laser_last_callback_code() bind(c)
         import
         integer(c_int32_t) :: laser_last_callback_code
      end function laser_last_callback_code

      !> Number of the C ABI of the loaded library.
      function laser_abi_version() bind(c)
         import
         integer(c_int32_t) :: laser_abi_version
      end function laser_abi_version

      !> Version of the loaded library.
      function laser_version() bind(c)
         import
         type(c_ptr) :: laser_version
      end function laser_version

      !> Tells whether a device can be used here, before hours are planned on it.
      function laser_device_check(device) bind(c)
         import
         character(kind=c_char), intent(in) :: device(*)
         integer(c_int32_t) :: laser_device_check
      end function laser_device_check

      !> Makes options from a preset.
      function laser_options_new(preset, out) bind(c)
         import
         character(kind=c_char), intent(in) :: preset(*)
         type(c_ptr), intent(inout) :: out
         integer(c_int32_t) :: laser_options_new
      end function laser_options_new

      !> Makes options from JSON.
      function laser_options_from_json(json, out) bind(c)
         import
         character(kind=c_char), intent(in) :: json(*)
         type(c_ptr), intent(inout) :: out
         integer(c_int32_t) :: laser_options_from_json
      end function laser_options_from_json

      !> Sets an integer option, or a floating-point option to an integer.
      function laser_options_set_i64(options, key, value) bind(c)
         import
         type(c_ptr), value :: options
         character(kind=c_char), intent(in) :: key(*)
         integer(c_int64_t), value :: value
         integer(c_int32_t) :: laser_options_set_i64
      end function laser_options_set_i64

      !> Sets a floating-point option.
      function laser_options_set_f64(options, key, value) bind(c)
         import
         type(c_ptr), value :: options
         character(kind=c_char), intent(in) :: key(*)
         real(c_double), value :: value
         integer(c_int32_t) :: laser_options_set_f64
      end function laser_options_set_f64

      !> Sets a text option.
      function laser_options_set_str(options, key, value) bind(c)
         import
         type(c_ptr), value :: options
         character(kind=c_char), intent(in) :: key(*)
         character(kind=c_char), intent(in) :: value(*)
         integer(c_int32_t) :: laser_options_set_str
      end function laser_options_set_str

      !> Reads an integer option.
      function laser_options_get_i64(options, key, value) bind(c)
         import
         type(c_ptr), value :: options
         character(kind=c_char), intent(in) :: key(*)
         type(c_ptr), value :: value
         integer(c_int32_t) :: laser_options_get_i64
      end function laser_options_get_i64

      !> Reads a floating-point option.
      function laser_options_get_f64(options, key, value) bind(c)
         import
         type(c_ptr), value :: options
         character(kind=c_char), intent(in) :: key(*)
         type(c_ptr), value :: value
         integer(c_int32_t) :: laser_options_get_f64
      end function laser_options_get_f64

      !> Reads a text option.
      function laser_options_get_str(options, key, buf, cap, needed) bind(c)
         import
         type(c_ptr), value :: options
         character(kind=c_char), intent(in) :: key(*)
         type(c_ptr), value :: buf
         integer(c_size_t), value :: cap
         type(c_ptr), value :: needed
         integer(c_int32_t) :: laser_options_get_str
      end function laser_options_get_str

      !> Prints all options, defaults included, as nested JSON that laser_options_from_json reads back.
      function laser_options_to_json(options, buf, cap, needed) bind(c)
         import
         type(c_ptr), value :: options
         type(c_ptr), value :: buf
         integer(c_size_t), value :: cap
         type(c_ptr), value :: needed
         integer(c_int32_t) :: laser_options_to_json
      end function laser_options_to_json

      !> Frees options.
      subroutine laser_options_free(options) bind(c)
         import
         type(c_ptr), value :: options
      end subroutine laser_options_free

      !> Makes a cancel token that is not tripped.
      function laser_cancel_new(out) bind(c)
         import
         type(c_ptr), intent(inout) :: out
         integer(c_int32_t) :: laser_cancel_new
      end function laser_cancel_new

      !> Trips a token.
      subroutine laser_cancel_trip(cancel) bind(c)
         import
         type(c_ptr), value :: cancel
      end subroutine laser_cancel_trip

      !> Makes a tripped token usable again.
      function laser_cancel_reset(cancel) bind(c)
         import
         type(c_ptr), value :: cancel
         integer(c_int32_t) :: laser_cancel_reset
      end function laser_cancel_reset

      !> Tells whether a token is tripped.
      function laser_cancel_is_tripped(cancel) bind(c)
         import
         type(c_ptr), value :: cancel
         integer(c_int32_t) :: laser_cancel_is_tripped
      end function laser_cancel_is_tripped

      !> Frees a token.
      subroutine laser_cancel_free(cancel) bind(c)
         import
         type(c_ptr), value :: cancel
      end subroutine laser_cancel_free

      !> Makes hooks without callbacks and without a token.
      function laser_hooks_new(out) bind(c)
         import
         type(c_ptr), intent(inout) :: out
         integer(c_int32_t) :: laser_hooks_new
      end function laser_hooks_new

      !> Sets the progress callback.
      function laser_hooks_set_progress(hooks, progress, user) bind(c)
         import
         type(c_ptr), value :: hooks
         type(c_funptr), value :: progress
         type(c_ptr), value :: user
         integer(c_int32_t) :: laser_hooks_set_progress
      end function laser_hooks_set_progress

      !> Sets the log callback.
      function laser_hooks_set_log(hooks, log, user) bind(c)
         import
         type(c_ptr), value :: hooks
         type(c_funptr), value :: log
         type(c_ptr), value :: user
         integer(c_int32_t) :: laser_hooks_set_log
      end function laser_hooks_set_log

      !> Sets the cancel token.
      function laser_hooks_set_cancel(hooks, cancel) bind(c)
         import
         type(c_ptr), value :: hooks
         type(c_ptr), value :: cancel
         integer(c_int32_t) :: laser_hooks_set_cancel
      end function laser_hooks_set_cancel

      !> Sets a checkpoint.
      function laser_hooks_set_checkpoint(hooks, path, seconds, steps) bind(c)
         import
         type(c_ptr), value :: hooks
         character(kind=c_char), intent(in) :: path(*)
         real(c_double), value :: seconds
         integer(c_int64_t), value :: steps
         integer(c_int32_t) :: laser_hooks_set_checkpoint
      end function laser_hooks_set_checkpoint

      !> Makes this process one of several ranks that make long calls together.
      function laser_hooks_set_allreduce(hooks, rank, ranks, allreduce, user) bind(c)
         import
         type(c_ptr), value :: hooks
         integer(c_size_t), value :: rank
         integer(c_size_t), value :: ranks
         type(c_funptr), value :: allreduce
         type(c_ptr), value :: user
         integer(c_int32_t) :: laser_hooks_set_allreduce
      end function laser_hooks_set_allreduce

      !> Frees hooks.
      subroutine laser_hooks_free(hooks) bind(c)
         import
         type(c_ptr), value :: hooks
      end subroutine laser_hooks_free

      !> What is running.
      function laser_progress_stage(p) bind(c)
         import
         type(c_ptr), value :: p
         type(c_ptr) :: laser_progress_stage
      end function laser_progress_stage

      !> The current epoch.
      function laser_progress_epoch(p) bind(c)
         import
         type(c_ptr), value :: p
         integer(c_int64_t) :: laser_progress_epoch
      end function laser_progress_epoch

      !> The epochs planned for this stage.
      function laser_progress_epochs(p) bind(c)
         import
         type(c_ptr), value :: p
         integer(c_int64_t) :: laser_progress_epochs
      end function laser_progress_epochs

      !> The updates, or blocks of events, done in this stage.
      function laser_progress_step(p) bind(c)
         import
         type(c_ptr), value :: p
         integer(c_int64_t) :: laser_progress_step
      end function laser_progress_step

      !> The updates, or blocks of events, planned for this stage.
      function laser_progress_steps(p) bind(c)
         import
         type(c_ptr), value :: p
         integer(c_int64_t) :: laser_progress_steps
      end function laser_progress_steps

      !> The training loss.
      function laser_progress_loss(p) bind(c)
         import
         type(c_ptr), value :: p
         real(c_double) :: laser_progress_loss
      end function laser_progress_loss

      !> The loss of the held-out events.
      function laser_progress_validation_loss(p) bind(c)
         import
         type(c_ptr), value :: p
         real(c_double) :: laser_progress_validation_loss
      end function laser_progress_validation_loss

      !> The time that this stage will still take.
      function laser_progress_seconds_left(p) bind(c)
         import
         type(c_ptr), value :: p
         real(c_double) :: laser_progress_seconds_left
      end function laser_progress_seconds_left

      !> Makes a source of events in an array.
      function laser_source_from_array(x, w, n, dim, stride, out) bind(c)
         import
         type(c_ptr), value :: x
         type(c_ptr), value :: w
         integer(c_size_t), value :: n
         integer(c_size_t), value :: dim
         integer(c_size_t), value :: stride
         type(c_ptr), intent(inout) :: out
         integer(c_int32_t) :: laser_source_from_array
      end function laser_source_from_array

      !> Makes a source of the events in a file.
      function laser_source_from_file(path, options, out) bind(c)
         import
         character(kind=c_char), intent(in) :: path(*)
         type(c_ptr), value :: options
         type(c_ptr), intent(inout) :: out
         integer(c_int32_t) :: laser_source_from_file
      end function laser_source_from_file

      !> Values per event, its conditions included and its weight not.
      function laser_source_event_dim(source, out) bind(c)
         import
         type(c_ptr), value :: source
         type(c_ptr), value :: out
         integer(c_int32_t) :: laser_source_event_dim
      end function laser_source_event_dim

      !> Makes a source that asks a callback for events, batch by batch.
      function laser_source_from_callback(dim, weighted, events, user, out) bind(c)
         import
         integer(c_size_t), value :: dim
         integer(c_int32_t), value :: weighted
         type(c_funptr), value :: events
         type(c_ptr), value :: user
         type(c_ptr), intent(inout) :: out
         integer(c_int32_t) :: laser_source_from_callback
      end function laser_source_from_callback

      !> Gives a callback's events positions, so that a training that goes on from a checkpoint asks only for events
      !! that it has not used.
      function laser_source_set_position(source, tell, seek, user) bind(c)
         import
         type(c_ptr), value :: source
         type(c_funptr), value :: tell
         type(c_funptr), value :: seek
         type(c_ptr), value :: user
         integer(c_int32_t) :: laser_source_set_position
      end function laser_source_set_position

      !> Frees a source.
      subroutine laser_source_free(source) bind(c)
         import
         type(c_ptr), value :: source
      end subroutine laser_source_free

      !> Trains a generator on target events, with the events' weights.
      function laser_generator_train(target, options, hooks, out) bind(c)
         import
         type(c_ptr), value :: target
         type(c_ptr), value :: options
         type(c_ptr), value :: hooks
         type(c_ptr), intent(inout) :: out
         integer(c_int32_t) :: laser_generator_train
      end function laser_generator_train

      !> Saves a generator to a model file.
      function laser_generator_save(generator, path) bind(c)
         import
         type(c_ptr), value :: generator
         character(kind=c_char), intent(in) :: path(*)
         integer(c_int32_t) :: laser_generator_save
      end function laser_generator_save

      !> Loads a generator.
      function laser_generator_load(path, options, out) bind(c)
         import
         character(kind=c_char), intent(in) :: path(*)
         type(c_ptr), value :: options
         type(c_ptr), intent(inout) :: out
         integer(c_int32_t) :: laser_generator_load
      end function laser_generator_load

      !> M, the values per event.
      function laser_generator_event_dim(generator, out) bind(c)
         import
         type(c_ptr), value :: generator
         type(c_ptr), value :: out
         integer(c_int32_t) :: laser_generator_event_dim
      end function laser_generator_event_dim

      !> C, the values of the condition of an event.
      function laser_generator_condition_dim(generator, out) bind(c)
         import
         type(c_ptr), value :: generator
         type(c_ptr), value :: out
         integer(c_int32_t) :: laser_generator_condition_dim
      end function laser_generator_condition_dim

      !> N, the dimensions of the latent space.
      function laser_generator_latent_dim(generator, out) bind(c)
         import
         type(c_ptr), value :: generator
         type(c_ptr), value :: out
         integer(c_int32_t) :: laser_generator_latent_dim
      end function laser_generator_latent_dim

      !> Frees a generator.
      subroutine laser_generator_free(generator) bind(c)
         import
         type(c_ptr), value :: generator
      end subroutine laser_generator_free

      !> Makes a generator of a callback of the host.
      function laser_generator_from_callback(zdim, cdim, xdim, stochastic, generate, user, options, out) bind(c)
         import
         integer(c_size_t), value :: zdim
         integer(c_size_t), value :: cdim
         integer(c_size_t), value :: xdim
         integer(c_int32_t), value :: stochastic
         type(c_funptr), value :: generate
         type(c_ptr), value :: user
         type(c_ptr), value :: options
         type(c_ptr), intent(inout) :: out
         integer(c_int32_t) :: laser_generator_from_callback
      end function laser_generator_from_callback

      !> Attaches a callback to the generator of a loaded model that was made for one.
      function laser_model_attach(model, zdim, cdim, xdim, generate, user, out) bind(c)
         import
         type(c_ptr), value :: model
         integer(c_size_t), value :: zdim
         integer(c_size_t), value :: cdim
         integer(c_size_t), value :: xdim
         type(c_funptr), value :: generate
         type(c_ptr), value :: user
         type(c_ptr), intent(inout) :: out
         integer(c_int32_t) :: laser_model_attach
      end function laser_model_attach

      !> Makes a generator that is the same, with a callback that says where its events can be.
      function laser_generator_with_support(generator, dim, support, user, out) bind(c)
         import
         type(c_ptr), value :: generator
         integer(c_size_t), value :: dim
         type(c_funptr), value :: support
         type(c_ptr), value :: user
         type(c_ptr), intent(inout) :: out
         integer(c_int32_t) :: laser_generator_with_support
      end function laser_generator_with_support

      !> Attaches a callback to a loaded model whose support is one.
      function laser_model_attach_support(model, dim, support, user, out) bind(c)
         import
         type(c_ptr), value :: model
         integer(c_size_t), value :: dim
         type(c_funptr), value :: support
         type(c_ptr), value :: user
         type(c_ptr), intent(inout) :: out
         integer(c_int32_t) :: laser_model_attach_support
      end function laser_model_attach_support

      !> Refines a generator (LaSeR).
      function laser_refine(generator, target, options, hooks, out) bind(c)
         import
         type(c_ptr), value :: generator
         type(c_ptr), value :: target
         type(c_ptr), value :: options
         type(c_ptr), value :: hooks
         type(c_ptr), intent(inout) :: out
         integer(c_int32_t) :: laser_refine
      end function laser_refine

      !> Gives a model another refiner.
      function laser_model_refine(model, target, options, hooks, out) bind(c)
         import
         type(c_ptr), value :: model
         type(c_ptr), value :: target
         type(c_ptr), value :: options
         type(c_ptr), value :: hooks
         type(c_ptr), intent(inout) :: out
         integer(c_int32_t) :: laser_model_refine
      end function laser_model_refine

      !> Makes a model of a generator alone.
      function laser_model_from_generator(generator, out) bind(c)
         import
         type(c_ptr), value :: generator
         type(c_ptr), intent(inout) :: out
         integer(c_int32_t) :: laser_model_from_generator
      end function laser_model_from_generator

      !> Saves a model to one file, a safetensors file that describes itself.
      function laser_model_save(model, path) bind(c)
         import
         type(c_ptr), value :: model
         character(kind=c_char), intent(in) :: path(*)
         integer(c_int32_t) :: laser_model_save
      end function laser_model_save

      !> Loads a model file.
      function laser_model_load(path, options, out) bind(c)
         import
         character(kind=c_char), intent(in) :: path(*)
         type(c_ptr), value :: options
         type(c_ptr), intent(inout) :: out
         integer(c_int32_t) :: laser_model_load
      end function laser_model_load

      !> M, the values per event.
      function laser_model_event_dim(model, out) bind(c)
         import
         type(c_ptr), value :: model
         type(c_ptr), value :: out
         integer(c_int32_t) :: laser_model_event_dim
      end function laser_model_event_dim

      !> N, the dimensions of the generator's latent space.
      function laser_model_latent_dim(model, out) bind(c)
         import
         type(c_ptr), value :: model
         type(c_ptr), value :: out
         integer(c_int32_t) :: laser_model_latent_dim
      end function laser_model_latent_dim

      !> C, the values of the condition of an event.
      function laser_model_condition_dim(model, out) bind(c)
         import
         type(c_ptr), value :: model
         type(c_ptr), value :: out
         integer(c_int32_t) :: laser_model_condition_dim
      end function laser_model_condition_dim

      !> The method by which samplers make events unless told otherwise.
      function laser_model_method(model, buf, cap, needed) bind(c)
         import
         type(c_ptr), value :: model
         type(c_ptr), value :: buf
         integer(c_size_t), value :: cap
         type(c_ptr), value :: needed
         integer(c_int32_t) :: laser_model_method
      end function laser_model_method

      !> What a value of an event is called.
      function laser_model_feature_name(model, column, buf, cap, needed) bind(c)
         import
         type(c_ptr), value :: model
         integer(c_size_t), value :: column
         type(c_ptr), value :: buf
         integer(c_size_t), value :: cap
         type(c_ptr), value :: needed
         integer(c_int32_t) :: laser_model_feature_name
      end function laser_model_feature_name

      !> Describes a model.
      function laser_model_info(model, buf, cap, needed) bind(c)
         import
         type(c_ptr), value :: model
         type(c_ptr), value :: buf
         integer(c_size_t), value :: cap
         type(c_ptr), value :: needed
         integer(c_int32_t) :: laser_model_info
      end function laser_model_info

      !> Reads a number of the training record.
      function laser_model_get_f64(model, key, out) bind(c)
         import
         type(c_ptr), value :: model
         character(kind=c_char), intent(in) :: key(*)
         type(c_ptr), value :: out
         integer(c_int32_t) :: laser_model_get_f64
      end function laser_model_get_f64

      !> Frees a model.
      subroutine laser_model_free(model) bind(c)
         import
         type(c_ptr), value :: model
      end subroutine laser_model_free

      !> log w(x), the logarithm of the density ratio target / generated, from the classifier.
      function laser_model_log_weight(model, options, n, x, stride, log_w) bind(c)
         import
         type(c_ptr), value :: model
         type(c_ptr), value :: options
         integer(c_size_t), value :: n
         type(c_ptr), value :: x
         integer(c_size_t), value :: stride
         type(c_ptr), value :: log_w
         integer(c_int32_t) :: laser_model_log_weight
      end function laser_model_log_weight

      !> log p_g(x), the logarithm of the generator's density.
      function laser_model_log_prob(model, options, n, x, stride, log_p) bind(c)
         import
         type(c_ptr), value :: model
         type(c_ptr), value :: options
         integer(c_size_t), value :: n
         type(c_ptr), value :: x
         integer(c_size_t), value :: stride
         type(c_ptr), value :: log_p
         integer(c_int32_t) :: laser_model_log_prob
      end function laser_model_log_prob

      !> z with g(z) = x.
      function laser_model_latent(model, options, n, x, x_stride, z, z_stride) bind(c)
         import
         type(c_ptr), value :: model
         type(c_ptr), value :: options
         integer(c_size_t), value :: n
         type(c_ptr), value :: x
         integer(c_size_t), value :: x_stride
         type(c_ptr), value :: z
         integer(c_size_t), value :: z_stride
         integer(c_int32_t) :: laser_model_latent
      end function laser_model_latent

      !> x = g(z).
      function laser_model_generate(model, options, n, z, z_stride, x, x_stride) bind(c)
         import
         type(c_ptr), value :: model
         type(c_ptr), value :: options
         integer(c_size_t), value :: n
         type(c_ptr), value :: z
         integer(c_size_t), value :: z_stride
         type(c_ptr), value :: x
         integer(c_size_t), value :: x_stride
         integer(c_int32_t) :: laser_model_generate
      end function laser_model_generate

      !> Trains a reweighter.
      function laser_reweighter_train(from, to, options, hooks, out) bind(c)
         import
         type(c_ptr), value :: from
         type(c_ptr), value :: to
         type(c_ptr), value :: options
         type(c_ptr), value :: hooks
         type(c_ptr), intent(inout) :: out
         integer(c_int32_t) :: laser_reweighter_train
      end function laser_reweighter_train

      !> The weights of events.
      function laser_reweighter_weights(reweighter, options, n, x, stride, w, log_w, spread) bind(c)
         import
         type(c_ptr), value :: reweighter
         type(c_ptr), value :: options
         integer(c_size_t), value :: n
         type(c_ptr), value :: x
         integer(c_size_t), value :: stride
         type(c_ptr), value :: w
         type(c_ptr), value :: log_w
         type(c_ptr), value :: spread
         integer(c_int32_t) :: laser_reweighter_weights
      end function laser_reweighter_weights

      !> Saves a reweighter to one file, a model file as laser_model_save writes them.
      function laser_reweighter_save(reweighter, path) bind(c)
         import
         type(c_ptr), value :: reweighter
         character(kind=c_char), intent(in) :: path(*)
         integer(c_int32_t) :: laser_reweighter_save
      end function laser_reweighter_save

      !> Loads a reweighter.
      function laser_reweighter_load(path, options, out) bind(c)
         import
         character(kind=c_char), intent(in) :: path(*)
         type(c_ptr), value :: options
         type(c_ptr), intent(inout) :: out
         integer(c_int32_t) :: laser_reweighter_load
      end function laser_reweighter_load

      !> M, the values per event, without conditions.
      function laser_reweighter_event_dim(reweighter, out) bind(c)
         import
         type(c_ptr), value :: reweighter
         type(c_ptr), value :: out
         integer(c_int32_t) :: laser_reweighter_event_dim
      end function laser_reweighter_event_dim

      !> C, the values of the condition of an event.
      function laser_reweighter_condition_dim(reweighter, out) bind(c)
         import
         type(c_ptr), value :: reweighter
         type(c_ptr), value :: out
         integer(c_int32_t) :: laser_reweighter_condition_dim
      end function laser_reweighter_condition_dim

      !> What a value of an event is called.
      function laser_reweighter_feature_name(reweighter, column, buf, cap, needed) bind(c)
         import
         type(c_ptr), value :: reweighter
         integer(c_size_t), value :: column
         type(c_ptr), value :: buf
         integer(c_size_t), value :: cap
         type(c_ptr), value :: needed
         integer(c_int32_t) :: laser_reweighter_feature_name
      end function laser_reweighter_feature_name

      !> Describes a reweighter.
      function laser_reweighter_info(reweighter, buf, cap, needed) bind(c)
         import
         type(c_ptr), value :: reweighter
         type(c_ptr), value :: buf
         integer(c_size_t), value :: cap
         type(c_ptr), value :: needed
         integer(c_int32_t) :: laser_reweighter_info
      end function laser_reweighter_info

      !> Reads a number of the training record.
      function laser_reweighter_get_f64(reweighter, key, out) bind(c)
         import
         type(c_ptr), value :: reweighter
         character(kind=c_char), intent(in) :: key(*)
         type(c_ptr), value :: out
         integer(c_int32_t) :: laser_reweighter_get_f64
      end function laser_reweighter_get_f64

      !> Frees a reweighter.
      subroutine laser_reweighter_free(reweighter) bind(c)
         import
         type(c_ptr), value :: reweighter
      end subroutine laser_reweighter_free

      !> Positive weights for events that have weights of both signs.
      function laser_resample(events, options, hooks, n, w, out) bind(c)
         import
         type(c_ptr), value :: events
         type(c_ptr), value :: options
         type(c_ptr), value :: hooks
         integer(c_size_t), value :: n
         type(c_ptr), value :: w
         type(c_ptr), intent(inout) :: out
         integer(c_int32_t) :: laser_resample
      end function laser_resample

      !> Unfolds measured events.
      function laser_unfold(generated, reconstructed, data, flags, n, options, hooks, w, out) bind(c)
         import
         type(c_ptr), value :: generated
         type(c_ptr), value :: reconstructed
         type(c_ptr), value :: data
         type(c_ptr), value :: flags
         integer(c_size_t), value :: n
         type(c_ptr), value :: options
         type(c_ptr), value :: hooks
         type(c_ptr), value :: w
         type(c_ptr), intent(inout) :: out
         integer(c_int32_t) :: laser_unfold
      end function laser_unfold

      !> Makes a sampler that stands at event 0.
      function laser_sampler_new(model, seed, stream, options, out) bind(c)
         import
         type(c_ptr), value :: model
         integer(c_int64_t), value :: seed
         integer(c_int64_t), value :: stream
         type(c_ptr), value :: options
         type(c_ptr), intent(inout) :: out
         integer(c_int32_t) :: laser_sampler_new
      end function laser_sampler_new

      !> Lets a sampler draw from the host's random numbers instead of its own, as frameworks demand that keep the
      !! random state of their events themselves.
      function laser_sampler_set_noise_callback(sampler, noise, user) bind(c)
         import
         type(c_ptr), value :: sampler
         type(c_funptr), value :: noise
         type(c_ptr), value :: user
         integer(c_int32_t) :: laser_sampler_set_noise_callback
      end function laser_sampler_set_noise_callback

      !> Has the calls that ask a sampler for events watched and stopped by hooks, and lets the sampler warn.
      function laser_sampler_set_hooks(sampler, hooks) bind(c)
         import
         type(c_ptr), value :: sampler
         type(c_ptr), value :: hooks
         integer(c_int32_t) :: laser_sampler_set_hooks
      end function laser_sampler_set_hooks

      !> Goes to an event, forward or backward.
      function laser_sampler_seek(sampler, event) bind(c)
         import
         type(c_ptr), value :: sampler
         integer(c_int64_t), value :: event
         integer(c_int32_t) :: laser_sampler_seek
      end function laser_sampler_seek

      !> Tells where the stream stands.
      function laser_sampler_tell(sampler, event) bind(c)
         import
         type(c_ptr), value :: sampler
         type(c_ptr), value :: event
         integer(c_int32_t) :: laser_sampler_tell
      end function laser_sampler_tell

      !> Generates the next events of the stream.
      function laser_sampler_generate(sampler, n, stride, x, w, logp) bind(c)
         import
         type(c_ptr), value :: sampler
         integer(c_size_t), value :: n
         integer(c_size_t), value :: stride
         type(c_ptr), value :: x
         type(c_ptr), value :: w
         type(c_ptr), value :: logp
         integer(c_int32_t) :: laser_sampler_generate
      end function laser_sampler_generate

      !> laser_sampler_generate in single precision.
      function laser_sampler_generate_f32(sampler, n, stride, x, w, logp) bind(c)
         import
         type(c_ptr), value :: sampler
         integer(c_size_t), value :: n
         integer(c_size_t), value :: stride
         type(c_ptr), value :: x
         type(c_ptr), value :: w
         type(c_ptr), value :: logp
         integer(c_int32_t) :: laser_sampler_generate_f32
      end function laser_sampler_generate_f32

      !> Generates the next events of the stream together with the latent points they were made from.
      function laser_sampler_generate_latent(sampler, n, x_stride, x, z_stride, z, w) bind(c)
         import
         type(c_ptr), value :: sampler
         integer(c_size_t), value :: n
         integer(c_size_t), value :: x_stride
         type(c_ptr), value :: x
         integer(c_size_t), value :: z_stride
         type(c_ptr), value :: z
         type(c_ptr), value :: w
         integer(c_int32_t) :: laser_sampler_generate_latent
      end function laser_sampler_generate_latent

      !> Generates the next events of a model with conditions, given them.
      function laser_sampler_generate_given(sampler, n, c_stride, c, x_stride, x, w, logp) bind(c)
         import
         type(c_ptr), value :: sampler
         integer(c_size_t), value :: n
         integer(c_size_t), value :: c_stride
         type(c_ptr), value :: c
         integer(c_size_t), value :: x_stride
         type(c_ptr), value :: x
         type(c_ptr), value :: w
         type(c_ptr), value :: logp
         integer(c_int32_t) :: laser_sampler_generate_given
      end function laser_sampler_generate_given

      !> laser_sampler_generate_given in single precision.
      function laser_sampler_generate_given_f32(sampler, n, c_stride, c, x_stride, x, w, logp) bind(c)
         import
         type(c_ptr), value :: sampler
         integer(c_size_t), value :: n
         integer(c_size_t), value :: c_stride
         type(c_ptr), value :: c
         integer(c_size_t), value :: x_stride
         type(c_ptr), value :: x
         type(c_ptr), value :: w
         type(c_ptr), value :: logp
         integer(c_int32_t) :: laser_sampler_generate_given_f32
      end function laser_sampler_generate_given_f32

      !> Generates the next event of the stream, out of a batch kept inside.
      function laser_sampler_next(sampler, x, w) bind(c)
         import
         type(c_ptr), value :: sampler
         type(c_ptr), value :: x
         type(c_ptr), value :: w
         integer(c_int32_t) :: laser_sampler_next
      end function laser_sampler_next

      !> Reads a diagnostic of the sampler, counted since it was made.
      function laser_sampler_get_f64(sampler, key, out) bind(c)
         import
         type(c_ptr), value :: sampler
         character(kind=c_char), intent(in) :: key(*)
         type(c_ptr), value :: out
         integer(c_int32_t) :: laser_sampler_get_f64
      end function laser_sampler_get_f64

      !> Frees a sampler.
      subroutine laser_sampler_free(sampler) bind(c)
         import
         type(c_ptr), value :: sampler
      end subroutine laser_sampler_free

      !> Makes an empty histogram.
      function laser_histogram_new(nx, xlo, xhi, ny, ylo, yhi, out) bind(c)
         import
         integer(c_size_t), value :: nx
         real(c_double), value :: xlo
         real(c_double), value :: xhi
         integer(c_size_t), value :: ny
         real(c_double), value :: ylo
         real(c_double), value :: yhi
         type(c_ptr), intent(inout) :: out
         integer(c_int32_t) :: laser_histogram_new
      end function laser_histogram_new

      !> Adds events.
      function laser_histogram_fill(histogram, n, x, stride, w) bind(c)
         import
         type(c_ptr), value :: histogram
         integer(c_size_t), value :: n
         type(c_ptr), value :: x
         integer(c_size_t), value :: stride
         type(c_ptr), value :: w
         integer(c_int32_t) :: laser_histogram_fill
      end function laser_histogram_fill

      !> Copies out the bins.
      function laser_histogram_contents(histogram, out, cap) bind(c)
         import
         type(c_ptr), value :: histogram
         type(c_ptr), value :: out
         integer(c_size_t), value :: cap
         integer(c_int32_t) :: laser_histogram_contents
      end function laser_histogram_contents

      !> Sums the weights.
      function laser_histogram_total(histogram, inside, outside) bind(c)
         import
         type(c_ptr), value :: histogram
         type(c_ptr), value :: inside
         type(c_ptr), value :: outside
         integer(c_int32_t) :: laser_histogram_total
      end function laser_histogram_total

      !> Adds the contents of another histogram.
      function laser_histogram_merge(into, from) bind(c)
         import
         type(c_ptr), value :: into
         type(c_ptr), value :: from
         integer(c_int32_t) :: laser_histogram_merge
      end function laser_histogram_merge

      !> Frees a histogram.
      subroutine laser_histogram_free(histogram) bind(c)
         import
         type(c_ptr), value :: histogram
      end subroutine laser_histogram_free

      !> The Jensen-Shannon divergence of two histograms, each normalised to one.
      function laser_jsd(p, q, nats, paper) bind(c)
         import
         type(c_ptr), value :: p
         type(c_ptr), value :: q
         type(c_ptr), value :: nats
         type(c_ptr), value :: paper
         integer(c_int32_t) :: laser_jsd
      end function laser_jsd

      !> The earth mover's distance of two histograms, each normalised to one.
      function laser_emd(p, q, units, paper) bind(c)
         import
         type(c_ptr), value :: p
         type(c_ptr), value :: q
         type(c_ptr), value :: units
         type(c_ptr), value :: paper
         integer(c_int32_t) :: laser_emd
      end function laser_emd

      !> What laser_jsd gives for two independent samples of one distribution, by chance alone.
      function laser_jsd_floor(p, q, repeats, seed, nats, nats_spread, paper, paper_spread) bind(c)
         import
         type(c_ptr), value :: p
         type(c_ptr), value :: q
         integer(c_size_t), value :: repeats
         integer(c_int64_t), value :: seed
         type(c_ptr), value :: nats
         type(c_ptr), value :: nats_spread
         type(c_ptr), value :: paper
         type(c_ptr), value :: paper_spread
         integer(c_int32_t) :: laser_jsd_floor
      end function laser_jsd_floor

      !> What laser_emd gives for two independent samples of one distribution, by chance alone.
      function laser_emd_floor(p, q, repeats, seed, units, units_spread, paper, paper_spread) bind(c)
         import
         type(c_ptr), value :: p
         type(c_ptr), value :: q
         integer(c_size_t), value :: repeats
         integer(c_int64_t), value :: seed
         type(c_ptr), value :: units
         type(c_ptr), value :: units_spread
         type(c_ptr), value :: paper
         type(c_ptr), value :: paper_spread
         integer(c_int32_t) :: laser_emd_floor
      end function laser_emd_floor

      !> The earth mover's (Wasserstein-1) distance of one feature in two samples.
      function laser_emd_1d(p, q, feature, repeats, seed, distance, error, floor, floor_spread) bind(c)
         import
         type(c_ptr), value :: p
         type(c_ptr), value :: q
         integer(c_size_t), value :: feature
         integer(c_size_t), value :: repeats
         integer(c_int64_t), value :: seed
         type(c_ptr), value :: distance
         type(c_ptr), value :: error
         type(c_ptr), value :: floor
         type(c_ptr), value :: floor_spread
         integer(c_int32_t) :: laser_emd_1d
      end function laser_emd_1d

      !> The sliced earth mover's distance of two samples, in any dimension.
      function laser_sliced_emd(reference, sample, directions, repeats, seed, distance, error, floor, floor_spread) &
          bind(c)
         import
         type(c_ptr), value :: reference
         type(c_ptr), value :: sample
         integer(c_size_t), value :: directions
         integer(c_size_t), value :: repeats
         integer(c_int64_t), value :: seed
         type(c_ptr), value :: distance
         type(c_ptr), value :: error
         type(c_ptr), value :: floor
         type(c_ptr), value :: floor_spread
         integer(c_int32_t) :: laser_sliced_emd
      end function laser_sliced_emd

      !> The two-sample Kolmogorov-Smirnov test of one feature, with weights.
      function laser_kolmogorov_smirnov(p, q, feature, statistic, p_value) bind(c)
         import
         type(c_ptr), value :: p
         type(c_ptr), value :: q
         integer(c_size_t), value :: feature
         type(c_ptr), value :: statistic
         type(c_ptr), value :: p_value
         integer(c_int32_t) :: laser_kolmogorov_smirnov
      end function laser_kolmogorov_smirnov

      !> A classifier two-sample test.
      function laser_two_sample_auc(reference, sample, options, hooks, auc, error) bind(c)
         import
         type(c_ptr), value :: reference
         type(c_ptr), value :: sample
         type(c_ptr), value :: options
         type(c_ptr), value :: hooks
         type(c_ptr), value :: auc
         type(c_ptr), value :: error
         integer(c_int32_t) :: laser_two_sample_auc
      end function laser_two_sample_auc

      !> As laser_two_sample_auc, but gives the areas of both families.
      function laser_two_sample_auc_by_family(reference, sample, options, hooks, network, network_error, trees, &
          trees_error) bind(c)
         import
         type(c_ptr), value :: reference
         type(c_ptr), value :: sample
         type(c_ptr), value :: options
         type(c_ptr), value :: hooks
         type(c_ptr), value :: network
         type(c_ptr), value :: network_error
         type(c_ptr), value :: trees
         type(c_ptr), value :: trees_error
         integer(c_int32_t) :: laser_two_sample_auc_by_family
      end function laser_two_sample_auc_by_family

      !> The area under the ROC curve of scores.
      function laser_auc(n, scores, labels, w, auc, error) bind(c)
         import
         integer(c_size_t), value :: n
         type(c_ptr), value :: scores
         type(c_ptr), value :: labels
         type(c_ptr), value :: w
         type(c_ptr), value :: auc
         type(c_ptr), value :: error
         integer(c_int32_t) :: laser_auc
      end function laser_auc

      !> How many unweighted events are worth as much as weighted ones.
      function laser_effective_size(n, w, size) bind(c)
         import
         integer(c_size_t), value :: n
         type(c_ptr), value :: w
         type(c_ptr), value :: size
         integer(c_int32_t) :: laser_effective_size
      end function laser_effective_size

      !> Whether Markov chains have mixed, and how many independent draws they are worth.
      function laser_chain_diagnostics(draws, chains, dim, x, r_hat, effective_size) bind(c)
         import
         integer(c_size_t), value :: draws
         integer(c_size_t), value :: chains
         integer(c_size_t), value :: dim
         type(c_ptr), value :: x
         type(c_ptr), value :: r_hat
         type(c_ptr), value :: effective_size
         integer(c_int32_t) :: laser_chain_diagnostics
      end function laser_chain_diagnostics

      !> What two samples do at an edge of the region where events can be.
      function laser_edge(reference, sample, support, names, edge, beyond_reference, beyond_reference_error, &
          beyond_sample, beyond_sample_error, ratio, ratio_error, depth) bind(c)
         import
         type(c_ptr), value :: reference
         type(c_ptr), value :: sample
         character(kind=c_char), intent(in) :: support(*)
         character(kind=c_char), intent(in) :: names(*)
         integer(c_size_t), value :: edge
         type(c_ptr), value :: beyond_reference
         type(c_ptr), value :: beyond_reference_error
         type(c_ptr), value :: beyond_sample
         type(c_ptr), value :: beyond_sample_error
         type(c_ptr), value :: ratio
         type(c_ptr), value :: ratio_error
         type(c_ptr), value :: depth
         integer(c_int32_t) :: laser_edge
      end function laser_edge

      !> How many edges a support has.
      function laser_edge_count(events, support, names, count) bind(c)
         import
         type(c_ptr), value :: events
         character(kind=c_char), intent(in) :: support(*)
         character(kind=c_char), intent(in) :: names(*)
         type(c_ptr), value :: count
         integer(c_int32_t) :: laser_edge_count
      end function laser_edge_count

      !> The inequality that makes an edge, as it is written in the support.
      function laser_edge_inequality(events, support, names, edge, buf, cap, needed) bind(c)
         import
         type(c_ptr), value :: events
         character(kind=c_char), intent(in) :: support(*)
         character(kind=c_char), intent(in) :: names(*)
         integer(c_size_t), value :: edge
         type(c_ptr), value :: buf
         integer(c_size_t), value :: cap
         type(c_ptr), value :: needed
         integer(c_int32_t) :: laser_edge_inequality
      end function laser_edge_inequality
   end interface
end module laser_c

!> liblaser for Fortran programs.
!!
!! Names: the C function laser_sampler_seek is the procedure seek of the type laser_sampler: call sampler%seek(event). What
!! makes a handle is a procedure of what it makes: call sampler%new(model, seed, stream).
!!
!! Arguments: those that are needed first, optional ones then, status last. Sizes come from the arrays. Text is read without
!! blanks at its end.
!!
!! Errors: without status, a failure prints the library's message on error_unit and stops the program by error stop. With it, it
!! becomes LASER_OK or one of LASER_ERR_*, laser_last_error tells what was wrong, outputs are undefined, and nothing else has
!! changed.
!!
!! Text that the library returns comes in allocatable arguments. It is no function result since gfortran keeps the length of
!! such a result in static memory, where threads overwrite it.
!!
!! Arrays: x(dim, n), one event per column, and x(:d, :n) of a larger one: they are used where they lie. The values of an event
!! must lie side by side: x(::2, :) is refused. Of arrays of one dimension, as w, the compiler copies sections that are not
!! contiguous. An optional array that is not allocated, or a pointer that is not associated, is absent by the rules of Fortran, and
!! no procedure can tell: only from_array refuses such weights.
!!
!! Handles: the types hold one each. Assignment copies the handle, not what it stands for, as with an MPI communicator: free one
!! of the copies, and use none of them any more. Nothing is freed but by free, and a variable that holds a handle takes no other
!! before that.
!!
!! Callbacks: module procedures (an internal one only while the procedure that it is in runs). code is 0 when they begin; any
!! other number stops the call, which fails with LASER_ERR_CALLBACK; laser_last_callback_code() is the number. context is the
!! variable that was given with the callback, for the state of the host: take it by select type. Declare that variable TARGET,
!! and let it live as long as the callback is used. Where none was given, it is some integer.
!!
!! Threads: arguments of intent(in) may be shared by threads, others may not: a second thread gets LASER_ERR_BUSY. Each thread
!! has its own laser_last_error if this file was compiled for OpenMP (-fopenmp, -qopenmp), as the CMake package does.
module laser
   use, intrinsic :: iso_c_binding, only: c_associated, c_char, c_double, c_f_pointer, c_float, c_funloc, c_funptr, c_int32_t, &
      c_int64_t, c_intptr_t, c_loc, c_null_char, c_null_funptr, c_null_ptr, c_ptr, c_size_t
   use, intrinsic :: iso_fortran_env, only: error_unit, int32, int64
   use, intrinsic :: ieee_arithmetic, only: ieee_quiet_nan, ieee_value
   use laser_c, c_status_name => laser_status_name, c_last_error => laser_last_error, c_callback_code => laser_last_callback_code, &
      c_abi_version => laser_abi_version, c_version => laser_version, c_device_check => laser_device_check, c_jsd => laser_jsd, &
      c_emd => laser_emd, c_jsd_floor => laser_jsd_floor, c_emd_floor => laser_emd_floor, c_emd_1d => laser_emd_1d, &
      c_sliced_emd => laser_sliced_emd, c_kolmogorov_smirnov => laser_kolmogorov_smirnov, &
      c_two_sample_auc => laser_two_sample_auc, c_two_sample_auc_by_family => laser_two_sample_auc_by_family, &
      c_auc => laser_auc, c_effective_size => laser_effective_size, c_chain_diagnostics => laser_chain_diagnostics, &
      c_edge => laser_edge, c_edge_count => laser_edge_count, c_edge_inequality => laser_edge_inequality
   implicit none
   private

   public :: laser_options, laser_source, laser_generator, laser_model, laser_sampler, laser_histogram, laser_hooks, laser_cancel
   public :: laser_progress, laser_reweighter
   public :: laser_events_callback, laser_tell_callback, laser_seek_callback
   public :: laser_generate_callback, laser_support_callback, laser_noise_callback
   public :: laser_progress_callback, laser_log_callback, laser_allreduce_callback
   public :: laser_status_name, laser_last_error, laser_last_callback_code, laser_version, laser_abi_version, laser_device_check
   public :: laser_jsd, laser_jsd_floor, laser_emd, laser_emd_floor, laser_emd_1d, laser_sliced_emd, laser_kolmogorov_smirnov
   public :: laser_two_sample_auc, laser_two_sample_auc_by_family, laser_auc, laser_effective_size, laser_chain_diagnostics
   public :: laser_edge, laser_edge_count, laser_edge_inequality
   public :: LASER_ABI, LASER_VERSION_MAJOR, LASER_VERSION_MINOR, LASER_VERSION_PATCH, LASER_LOG_INFO, LASER_LOG_WARNING
   public :: LASER_PAIR_GENERATED, LASER_PAIR_RECONSTRUCTED
   public :: LASER_OK, LASER_ERR_INVALID_ARGUMENT, LASER_ERR_NULL, LASER_ERR_UNKNOWN_OPTION, LASER_ERR_IO, LASER_ERR_FORMAT, &
      LASER_ERR_CALLBACK, LASER_ERR_CANCELLED, LASER_ERR_BUSY, LASER_ERR_UNSUPPORTED, LASER_ERR_DATA, LASER_ERR_NUMERICAL, &
      LASER_ERR_DEVICE, LASER_ERR_TORCH, LASER_ERR_INTERNAL, LASER_ERR_PANIC, LASER_ERR_MEMORY

   !> Where a long call stands, as a progress callback is told.
   type :: laser_progress
      character(len=:), allocatable :: stage !< "flow", "classifier", "pilot" ...: see laser_progress_stage in laser.h
      integer(int64) :: epoch, epochs !< the current one, from 1, and how many are planned
      integer(int64) :: step, steps !< updates or blocks of events of this stage: done, and planned
      real(c_double) :: loss !< mean of this epoch so far, in nats per event; NaN if the stage has none
      real(c_double) :: validation_loss !< of the held-out events after the last epoch; NaN until it is known
      real(c_double) :: seconds_left !< an estimate for this stage; NaN until there is one
   end type laser_progress

   abstract interface
      !> Delivers events of a source: fills the columns of x, and w.
      subroutine laser_events_callback(x, w, got, code, context)
         import :: c_double
         real(c_double), intent(out) :: x(:, :) !< (dim, n)
         real(c_double), intent(out) :: w(:) !< (n) weights; (0) for a source without weights
         integer, intent(inout) :: got !< n when it begins; less: so many were filled, and the epoch ends here
         integer, intent(inout) :: code
         class(*), intent(inout) :: context
      end subroutine laser_events_callback

      !> Tells where the events of a callback stand, by a number of which the same program knows what comes next.
      subroutine laser_tell_callback(position, code, context)
         import :: int64
         integer(int64), intent(out) :: position
         integer, intent(inout) :: code
         class(*), intent(inout) :: context
      end subroutine laser_tell_callback

      !> Brings the events of a callback to where they stood when this number was told, perhaps in another process.
      subroutine laser_seek_callback(position, code, context)
         import :: int64
         integer(int64), intent(in) :: position
         integer, intent(inout) :: code
         class(*), intent(inout) :: context
      end subroutine laser_seek_callback

      !> Makes events of latent points. Event i must depend on z(:, i) and c(:, i) alone, besides randomness of its own if it
      !! was declared stochastic. An event that is not finite is replaced by another.
      subroutine laser_generate_callback(z, c, x, code, context)
         import :: c_double
         real(c_double), intent(in) :: z(:, :) !< (zdim, n) latent points: standard normal numbers, or refined ones
         real(c_double), intent(in) :: c(:, :) !< (cdim, n) conditions; (0, n) without them
         real(c_double), intent(out) :: x(:, :) !< (xdim, n) events
         integer, intent(inout) :: code
         class(*), intent(inout) :: context
      end subroutine laser_generate_callback

      !> Says which events can be: the mark of event i must depend on x(:, i) alone.
      subroutine laser_support_callback(x, inside, code, context)
         import :: c_double
         real(c_double), intent(in) :: x(:, :) !< (M + C, n) events, which their conditions follow; all are finite
         logical, intent(inout) :: inside(:) !< (n) false when it begins
         integer, intent(inout) :: code
         class(*), intent(inout) :: context
      end subroutine laser_support_callback

      !> Delivers uniform random numbers from 0 to 1 of the host's own generator, of at least 32 random bits each.
      subroutine laser_noise_callback(u, code, context)
         import :: c_double
         real(c_double), intent(out) :: u(:)
         integer, intent(inout) :: code
         class(*), intent(inout) :: context
      end subroutine laser_noise_callback

      !> Called after every update of a training and every block of events of a pilot run.
      subroutine laser_progress_callback(progress, code, context)
         import :: laser_progress
         type(laser_progress), intent(in) :: progress
         integer, intent(inout) :: code
         class(*), intent(inout) :: context
      end subroutine laser_progress_callback

      !> Called with a message for the user; the library itself prints nothing.
      subroutine laser_log_callback(level, message, code, context)
         integer, intent(in) :: level !< LASER_LOG_INFO or LASER_LOG_WARNING; later versions may have more
         character(len=*), intent(in) :: message
         integer, intent(inout) :: code
         class(*), intent(inout) :: context
      end subroutine laser_log_callback

      !> Sums over ranks: replaces every value by its sum over all of them, to the same bits on each, as MPI_Allreduce does.
      subroutine laser_allreduce_callback(values, code, context)
         import :: c_double
         real(c_double), intent(inout), contiguous :: values(:)
         integer, intent(inout) :: code
         class(*), intent(inout) :: context
      end subroutine laser_allreduce_callback
   end interface

   !> What the `user` pointer of C points to: one of the procedures, and its context.
   type :: callback
      procedure(laser_events_callback), pointer, nopass :: events => null()
      procedure(laser_tell_callback), pointer, nopass :: tell => null()
      procedure(laser_seek_callback), pointer, nopass :: seek => null()
      procedure(laser_generate_callback), pointer, nopass :: generate => null()
      procedure(laser_support_callback), pointer, nopass :: support => null()
      procedure(laser_noise_callback), pointer, nopass :: noise => null()
      procedure(laser_progress_callback), pointer, nopass :: progress => null()
      procedure(laser_log_callback), pointer, nopass :: log => null()
      procedure(laser_allreduce_callback), pointer, nopass :: allreduce => null()
      class(*), pointer :: context => null()
   end type callback

   !> Settings, by key. What takes options copies them.
   type :: laser_options
      private
      type(c_ptr) :: handle = c_null_ptr
   contains
      procedure :: new => options_new
      procedure :: from_json => options_from_json
      procedure :: to_json => options_to_json
      generic :: set => set_i32, set_i64, set_f64, set_str
      generic :: get => get_i32, get_i64, get_f64, get_str
      procedure :: free => options_free
      procedure, private :: set_i32, set_i64, set_f64, set_str, get_i32, get_i64, get_f64, get_str
   end type laser_options

   !> A token to stop long calls with. All of it may be called by any thread, trip and is_tripped from a signal handler too.
   type :: laser_cancel
      private
      type(c_ptr) :: handle = c_null_ptr
   contains
      procedure :: new => cancel_new
      procedure :: trip => cancel_trip
      procedure :: reset => cancel_reset
      procedure :: is_tripped => cancel_is_tripped
      procedure :: free => cancel_free
   end type laser_cancel

   !> How a host watches and stops long calls, where they are kept, and who shares them. They must not be changed or freed while
   !! a call that was given them runs.
   type :: laser_hooks
      private
      type(c_ptr) :: handle = c_null_ptr
      type(callback), pointer :: progress => null(), log => null(), allreduce => null() ! with the handle: copies of it share them
   contains
      procedure :: new => hooks_new
      procedure :: set_progress => hooks_set_progress
      procedure :: set_log => hooks_set_log
      procedure :: set_cancel => hooks_set_cancel
      procedure :: set_checkpoint => hooks_set_checkpoint
      procedure :: set_allreduce => hooks_set_allreduce
      procedure :: free => hooks_free
   end type laser_hooks

   !> Where target events come from: an array, a file, or a callback of the host. It must not be freed by its own callback.
   type :: laser_source
      private
      type(c_ptr) :: handle = c_null_ptr
      integer :: dim = 0
      type(callback), pointer :: events => null(), position => null() ! with the handle: copies of it share them
   contains
      procedure :: from_array => source_from_array
      procedure :: from_file => source_from_file
      procedure :: from_callback => source_from_callback
      procedure :: set_position => source_set_position
      procedure :: event_dim => source_event_dim
      procedure :: free => source_free
   end type laser_source

   !> g: turns latent points z into events x. Immutable.
   type :: laser_generator
      private
      type(c_ptr) :: handle = c_null_ptr
   contains
      procedure :: train => generator_train
      procedure :: from_callback => generator_from_callback
      procedure :: with_support => generator_with_support
      procedure :: load => generator_load
      procedure :: save => generator_save
      procedure :: event_dim => generator_event_dim
      procedure :: latent_dim => generator_latent_dim
      procedure :: condition_dim => generator_condition_dim
      procedure :: free => generator_free
   end type laser_generator

   !> A generator with its classifier and refiner: all that makes refined events. Immutable.
   type :: laser_model
      private
      type(c_ptr) :: handle = c_null_ptr
   contains
      generic :: refine => refine_generator, refine_model
      procedure :: from_generator => model_from_generator
      procedure :: attach => model_attach
      procedure :: attach_support => model_attach_support
      procedure :: load => model_load
      procedure :: save => model_save
      procedure :: event_dim => model_event_dim
      procedure :: latent_dim => model_latent_dim
      procedure :: condition_dim => model_condition_dim
      procedure :: method => model_method
      procedure :: feature_name => model_feature_name
      procedure :: info => model_info
      procedure :: get => model_get
      procedure :: log_weight => model_log_weight
      procedure :: log_prob => model_log_prob
      procedure :: latent => model_latent
      procedure :: generate => model_generate
      procedure :: free => model_free
      procedure, private :: refine_generator, refine_model
   end type laser_model

   !> Weights for events that are there, w(x) = p_to(x) / p_from(x) of two sources: no generator is needed. Immutable.
   type :: laser_reweighter
      private
      type(c_ptr) :: handle = c_null_ptr
   contains
      procedure :: train => reweighter_train
      procedure :: resample => reweighter_resample
      procedure :: unfold => reweighter_unfold
      procedure :: load => reweighter_load
      procedure :: save => reweighter_save
      procedure :: event_dim => reweighter_event_dim
      procedure :: condition_dim => reweighter_condition_dim
      procedure :: feature_name => reweighter_feature_name
      procedure :: info => reweighter_info
      procedure :: get => reweighter_get
      procedure :: weights => reweighter_weights
      procedure :: free => reweighter_free
   end type laser_reweighter

   !> A stream of events from a model: event i of stream s with seed k depends on the model, k, s and i alone. One for each thread.
   type :: laser_sampler
      private
      type(c_ptr) :: handle = c_null_ptr
      integer :: event_dim = 0, latent_dim = 0, condition_dim = 0
      type(callback), pointer :: noise => null() ! made and freed with the handle
   contains
      procedure :: new => sampler_new
      procedure :: set_noise_callback => sampler_set_noise_callback
      procedure :: set_hooks => sampler_set_hooks
      procedure :: seek => sampler_seek
      procedure :: tell => sampler_tell
      generic :: generate => generate_f64, generate_f32
      generic :: generate_given => given_f64, given_f32
      procedure :: generate_latent => sampler_generate_latent
      procedure :: next => sampler_next
      procedure :: get => sampler_get
      procedure :: free => sampler_free
      procedure, private :: generate_f64, generate_f32, given_f64, given_f32
   end type laser_sampler

   !> A histogram of events in two dimensions. Bins include their lower edges, the last one its upper edge too.
   type :: laser_histogram
      private
      type(c_ptr) :: handle = c_null_ptr
      integer :: nx = 0, ny = 0
   contains
      procedure :: new => histogram_new
      procedure :: fill => histogram_fill
      procedure :: contents => histogram_contents
      procedure :: total => histogram_total
      procedure :: merge => histogram_merge
      procedure :: free => histogram_free
   end type laser_histogram

   ! Their own names, as those of laser_c, are not the C names: these are global, and some compilers take the two for one.
   interface laser_status_name
      procedure :: f_status_name
   end interface laser_status_name
   interface laser_last_error
      procedure :: f_last_error
   end interface laser_last_error
   interface laser_last_callback_code
      procedure :: f_last_callback_code
   end interface laser_last_callback_code
   interface laser_version
      procedure :: f_version
   end interface laser_version
   interface laser_abi_version
      procedure :: f_abi_version
   end interface laser_abi_version
   interface laser_device_check
      procedure :: f_device_check
   end interface laser_device_check
   interface laser_jsd
      procedure :: f_jsd
   end interface laser_jsd
   interface laser_emd
      procedure :: f_emd
   end interface laser_emd
   interface laser_jsd_floor
      procedure :: f_jsd_floor
   end interface laser_jsd_floor
   interface laser_emd_floor
      procedure :: f_emd_floor
   end interface laser_emd_floor
   interface laser_emd_1d
      procedure :: f_emd_1d
   end interface laser_emd_1d
   interface laser_sliced_emd
      procedure :: f_sliced_emd
   end interface laser_sliced_emd
   interface laser_kolmogorov_smirnov
      procedure :: f_kolmogorov_smirnov
   end interface laser_kolmogorov_smirnov
   interface laser_two_sample_auc
      procedure :: f_two_sample_auc
   end interface laser_two_sample_auc
   interface laser_two_sample_auc_by_family
      procedure :: f_two_sample_auc_by_family
   end interface laser_two_sample_auc_by_family
   interface laser_auc
      procedure :: f_auc
   end interface laser_auc
   interface laser_effective_size
      procedure :: f_effective_size
   end interface laser_effective_size
   interface laser_edge
      procedure :: f_edge
   end interface laser_edge
   interface laser_edge_count
      procedure :: f_edge_count
   end interface laser_edge_count
   interface laser_edge_inequality
      procedure :: f_edge_inequality
   end interface laser_edge_inequality
   interface laser_chain_diagnostics
      procedure :: f_chain_diagnostics
   end interface laser_chain_diagnostics

   interface rows
      procedure :: rows_f64, rows_f32
   end interface rows

   interface
      pure function c_strlen(text) bind(c, name="strlen")
         import :: c_ptr, c_size_t
         type(c_ptr), value :: text
         integer(c_size_t) :: c_strlen
      end function c_strlen
   end interface

   integer, target, save :: no_context = 0
   real(c_double), target, save :: nowhere = 0 ! the address of arrays without elements
   !> What this module itself refused, when the last failure was one of its own; else empty. And what a callback did wrong,
   !! until its call fails.
   character(len=512), save :: own_message = "", complaint = ""
   !$omp threadprivate(own_message, complaint)

contains

   ! --- errors ---

   !> The name of a status number, as "LASER_ERR_IO", with blanks at its end.
   function f_status_name(status) result(name)
      integer, intent(in) :: status
      character(len=32) :: name
      name = text_at(c_status_name(int(status, c_int32_t)))
   end function f_status_name

   !> The message of this thread's last failure: which argument, what was wrong with it, what would be right.
   subroutine f_last_error(message)
      character(len=:), allocatable, intent(out) :: message
      character(kind=c_char), allocatable, target :: buffer(:)
      integer(c_size_t), target :: needed
      if (own_message /= "") then
         message = trim(own_message)
         return
      end if
      if (c_last_error(c_null_ptr, 0_c_size_t, c_loc(needed)) /= LASER_OK) needed = 1
      allocate (buffer(needed))
      if (c_last_error(c_loc(buffer), needed, c_null_ptr) /= LASER_OK) buffer = c_null_char
      message = text_of(buffer)
   end subroutine f_last_error

   !> The code of the callback that ended this thread's last failed call; 0 if none did.
   function f_last_callback_code() result(code)
      integer :: code
      code = int(c_callback_code())
      if (own_message /= "") code = 0
   end function f_last_callback_code

   !> What every procedure ends with. With an absent status a failure ends the program.
   subroutine settle(code, status)
      integer(c_int32_t), intent(in) :: code
      integer, intent(out), optional :: status
      if (code /= LASER_OK) then
         own_message = ""
         if (code == LASER_ERR_CALLBACK) own_message = complaint
         complaint = ""
      end if
      call report(code, status)
   end subroutine settle

   !> A failure that this module finds by itself.
   subroutine refuse(code, message, status)
      integer(c_int32_t), intent(in) :: code
      character(len=*), intent(in) :: message
      integer, intent(out), optional :: status
      own_message = message
      call report(code, status)
   end subroutine refuse

   subroutine report(code, status)
      integer(c_int32_t), intent(in) :: code
      integer, intent(out), optional :: status
      character(len=:), allocatable :: message
      if (present(status)) then
         status = int(code)
      else if (code /= LASER_OK) then
         call f_last_error(message)
         write (error_unit, "(3a)") trim(f_status_name(int(code))), ": ", message
         error stop 1
      end if
   end subroutine report

   !> Refuses a variable that holds no handle.
   logical function unmade(handle, name, status)
      type(c_ptr), intent(in) :: handle
      character(len=*), intent(in) :: name
      integer, intent(out), optional :: status
      unmade = .not. c_associated(handle)
      if (unmade) call refuse(LASER_ERR_NULL, "the " // name // " was not made, or is freed", status)
   end function unmade

   !> Refuses to overwrite a handle, which could never be freed then.
   logical function taken(handle, name, status)
      type(c_ptr), intent(in) :: handle
      character(len=*), intent(in) :: name
      integer, intent(out), optional :: status
      taken = c_associated(handle)
      if (taken) call refuse(LASER_ERR_INVALID_ARGUMENT, "this variable holds a " // name // " already: free it first", status)
   end function taken

   !> The handle of options, NULL if they are absent; refuses those that were not made.
   logical function bad_options(options, handle, status) result(bad)
      type(laser_options), intent(in), optional :: options
      type(c_ptr), intent(out) :: handle
      integer, intent(out), optional :: status
      handle = c_null_ptr
      bad = .false.
      if (.not. present(options)) return
      handle = options%handle
      bad = unmade(handle, "laser_options given as options", status)
   end function bad_options

   logical function bad_hooks(hooks, handle, status) result(bad)
      type(laser_hooks), intent(in), optional :: hooks
      type(c_ptr), intent(out) :: handle
      integer, intent(out), optional :: status
      handle = c_null_ptr
      bad = .false.
      if (.not. present(hooks)) return
      handle = hooks%handle
      bad = unmade(handle, "laser_hooks given as hooks", status)
   end function bad_hooks

   logical function negative(number, name, status)
      integer, intent(in) :: number
      character(len=*), intent(in) :: name
      integer, intent(out), optional :: status
      negative = number < 0
      if (negative) call refuse(LASER_ERR_INVALID_ARGUMENT, name // " is negative: " // trim(decimal(int(number, int64))), status)
   end function negative

   !> Refuses an array whose extent is not the one that is needed. Extents may be above the largest default integer.
   logical function unequal(array, has, unit, needed, status)
      character(len=*), intent(in) :: array, unit
      integer(c_size_t), intent(in) :: has, needed
      integer, intent(out), optional :: status
      unequal = has /= needed
      if (unequal) call refuse(LASER_ERR_INVALID_ARGUMENT, array // " has " // trim(decimal(int(has, int64))) // " " // unit // &
         ", but needs " // trim(decimal(int(needed, int64))), status)
   end function unequal

   logical function too_short_or_long(vector, name, needed, status) result(wrong)
      real(c_double), optional :: vector(:)
      character(len=*), intent(in) :: name
      integer(c_size_t), intent(in) :: needed
      integer, intent(out), optional :: status
      wrong = .false.
      if (present(vector)) wrong = unequal(name, size(vector, kind=c_size_t), "elements", needed, status)
   end function too_short_or_long

   logical function too_short_or_long_f32(vector, name, needed, status) result(wrong)
      real(c_float), optional :: vector(:)
      character(len=*), intent(in) :: name
      integer(c_size_t), intent(in) :: needed
      integer, intent(out), optional :: status
      wrong = .false.
      if (present(vector)) wrong = unequal(name, size(vector, kind=c_size_t), "elements", needed, status)
   end function too_short_or_long_f32

   ! --- text and numbers ---

   function c_string(text) result(copy)
      character(len=*), intent(in) :: text
      character(kind=c_char, len=len_trim(text) + 1) :: copy
      copy = trim(text) // c_null_char
   end function c_string

   !> The text of a buffer, whose last character is NUL.
   function text_of(buffer) result(text)
      character(kind=c_char), intent(in) :: buffer(:)
      character(len=size(buffer) - 1) :: text
      integer :: i
      do i = 1, len(text)
         text(i:i) = buffer(i)
      end do
   end function text_of

   !> The text at an address, up to its NUL.
   function text_at(address) result(text)
      type(c_ptr), intent(in) :: address
      character(len=c_strlen(address)) :: text
      character(kind=c_char), pointer :: characters(:)
      call c_f_pointer(address, characters, [len(text) + 1])
      text = text_of(characters)
   end function text_at

   function decimal(number) result(digits)
      integer(int64), intent(in) :: number
      character(len=20) :: digits
      write (digits, "(i0)") number
   end function decimal

   ! --- arrays ---

   integer(c_intptr_t) function address_of(p) result(address)
      type(c_ptr), intent(in) :: p
      address = transfer(p, address)
   end function address_of

   !> Events as C has them: where they are, and the elements between the beginnings of two. Refuses arrays that C cannot have.
   logical function rows_f64(x, name, p, stride, status) result(bad)
      real(c_double), target :: x(:, :)
      character(len=*), intent(in) :: name
      type(c_ptr), intent(out) :: p
      integer(c_size_t), intent(out) :: stride
      integer, intent(out), optional :: status
      integer(c_intptr_t) :: origin, next_value, next_event
      p = c_loc(nowhere)
      stride = 0
      bad = .false.
      if (size(x, kind=c_size_t) == 0) return
      p = c_loc(x(1, 1))
      origin = address_of(p)
      next_value = 8
      next_event = 8 * size(x, 1, c_intptr_t)
      if (size(x, 1, c_size_t) > 1) next_value = address_of(c_loc(x(2, 1))) - origin
      if (size(x, 2, c_size_t) > 1) next_event = address_of(c_loc(x(1, 2))) - origin
      bad = scattered(next_value, next_event, size(x, 1, c_size_t), 8, name, stride, status)
   end function rows_f64

   logical function rows_f32(x, name, p, stride, status) result(bad)
      real(c_float), target :: x(:, :)
      character(len=*), intent(in) :: name
      type(c_ptr), intent(out) :: p
      integer(c_size_t), intent(out) :: stride
      integer, intent(out), optional :: status
      integer(c_intptr_t) :: origin, next_value, next_event
      p = c_loc(nowhere)
      stride = 0
      bad = .false.
      if (size(x, kind=c_size_t) == 0) return
      p = c_loc(x(1, 1))
      origin = address_of(p)
      next_value = 4
      next_event = 4 * size(x, 1, c_intptr_t)
      if (size(x, 1, c_size_t) > 1) next_value = address_of(c_loc(x(2, 1))) - origin
      if (size(x, 2, c_size_t) > 1) next_event = address_of(c_loc(x(1, 2))) - origin
      bad = scattered(next_value, next_event, size(x, 1, c_size_t), 4, name, stride, status)
   end function rows_f32

   !> Of distances in bytes between values and between events, the stride.
   logical function scattered(next_value, next_event, values, bytes, name, stride, status)
      integer(c_intptr_t), intent(in) :: next_value, next_event
      integer(c_size_t), intent(in) :: values
      integer, intent(in) :: bytes
      character(len=*), intent(in) :: name
      integer(c_size_t), intent(out) :: stride
      integer, intent(out), optional :: status
      stride = int(next_event / bytes, c_size_t)
      scattered = next_value /= bytes .or. stride < values .or. stride * bytes /= next_event
      if (scattered) call refuse(LASER_ERR_INVALID_ARGUMENT, name // ": the values of an event must lie side by side, and " // &
         "events one after the other: give a whole array, or columns of one as " // name // "(:2, :n)", status)
   end function scattered

   !> Where a vector is; NULL if it is absent.
   function first(vector) result(p)
      real(c_double), optional, target, contiguous :: vector(:)
      type(c_ptr) :: p
      p = c_null_ptr
      if (.not. present(vector)) return
      p = c_loc(nowhere)
      if (size(vector, kind=c_size_t) > 0) p = c_loc(vector(1))
   end function first

   function first_f32(vector) result(p)
      real(c_float), optional, target, contiguous :: vector(:)
      type(c_ptr) :: p
      p = c_null_ptr
      if (.not. present(vector)) return
      p = c_loc(nowhere)
      if (size(vector, kind=c_size_t) > 0) p = c_loc(vector(1))
   end function first_f32

   ! --- callbacks: the C functions that find the host's procedure and its context through `user` ---

   !> Keeps the host's context beside its procedure.
   subroutine remember(kept, context)
      type(callback), intent(inout) :: kept
      class(*), intent(inout), target, optional :: context
      kept%context => no_context
      if (present(context)) kept%context => context
   end subroutine remember

   recursive function call_events(n, dim, x, w, got, user) bind(c, name="") result(status)
      integer(c_size_t), value :: n
      integer(c_size_t), value :: dim
      type(c_ptr), value :: x
      type(c_ptr), value :: w
      type(c_ptr), value :: got
      type(c_ptr), value :: user
      integer(c_int32_t) :: status
      type(callback), pointer :: host
      real(c_double), pointer :: events(:, :), weights(:)
      real(c_double), target :: no_weights(0)
      integer(c_size_t), pointer :: rows_filled
      integer :: filled, code
      call c_f_pointer(user, host)
      call c_f_pointer(x, events, [dim, n])
      weights => no_weights
      if (c_associated(w)) call c_f_pointer(w, weights, [n])
      filled = int(n)
      code = 0
      call host%events(events, weights, filled, code, host%context)
      status = int(code, c_int32_t)
      if (filled < 0) then
         complaint = "the callback of a source set got to " // trim(decimal(int(filled, int64)))
         status = 1
      else
         call c_f_pointer(got, rows_filled)
         rows_filled = int(filled, c_size_t)
      end if
   end function call_events

   recursive function call_tell(position, user) bind(c, name="") result(status)
      type(c_ptr), value :: position
      type(c_ptr), value :: user
      integer(c_int32_t) :: status
      type(callback), pointer :: host
      integer(c_int64_t), pointer :: number
      integer :: code
      call c_f_pointer(user, host)
      call c_f_pointer(position, number)
      code = 0
      call host%tell(number, code, host%context)
      status = int(code, c_int32_t)
   end function call_tell

   recursive function call_seek(position, user) bind(c, name="") result(status)
      integer(c_int64_t), value :: position
      type(c_ptr), value :: user
      integer(c_int32_t) :: status
      type(callback), pointer :: host
      integer :: code
      call c_f_pointer(user, host)
      code = 0
      call host%seek(position, code, host%context)
      status = int(code, c_int32_t)
   end function call_seek

   recursive function call_generate(n, z, zdim, c, cdim, x, xdim, user) bind(c, name="") result(status)
      integer(c_size_t), value :: n
      type(c_ptr), value :: z
      integer(c_size_t), value :: zdim
      type(c_ptr), value :: c
      integer(c_size_t), value :: cdim
      type(c_ptr), value :: x
      integer(c_size_t), value :: xdim
      type(c_ptr), value :: user
      integer(c_int32_t) :: status
      type(callback), pointer :: host
      real(c_double), pointer :: latents(:, :), conditions(:, :), events(:, :)
      real(c_double), target :: no_conditions(0, n)
      integer :: code
      call c_f_pointer(user, host)
      call c_f_pointer(z, latents, [zdim, n])
      conditions => no_conditions
      if (c_associated(c)) call c_f_pointer(c, conditions, [cdim, n])
      call c_f_pointer(x, events, [xdim, n])
      code = 0
      call host%generate(latents, conditions, events, code, host%context)
      status = int(code, c_int32_t)
   end function call_generate

   recursive function call_support(n, dim, x, inside, user) bind(c, name="") result(status)
      integer(c_size_t), value :: n
      integer(c_size_t), value :: dim
      type(c_ptr), value :: x
      type(c_ptr), value :: inside
      type(c_ptr), value :: user
      integer(c_int32_t) :: status
      type(callback), pointer :: host
      real(c_double), pointer :: events(:, :)
      integer(c_int32_t), pointer :: marks(:)
      logical, allocatable :: within(:)
      integer :: code
      call c_f_pointer(user, host)
      call c_f_pointer(x, events, [dim, n])
      call c_f_pointer(inside, marks, [n])
      allocate (within(n), source=.false.)
      code = 0
      call host%support(events, within, code, host%context)
      marks = merge(1_c_int32_t, 0_c_int32_t, within)
      status = int(code, c_int32_t)
   end function call_support

   recursive function call_noise(n, u, user) bind(c, name="") result(status)
      integer(c_size_t), value :: n
      type(c_ptr), value :: u
      type(c_ptr), value :: user
      integer(c_int32_t) :: status
      type(callback), pointer :: host
      real(c_double), pointer :: numbers(:)
      integer :: code
      call c_f_pointer(user, host)
      call c_f_pointer(u, numbers, [n])
      code = 0
      call host%noise(numbers, code, host%context)
      status = int(code, c_int32_t)
   end function call_noise

   recursive function call_progress(p, user) bind(c, name="") result(status)
      type(c_ptr), value :: p
      type(c_ptr), value :: user
      integer(c_int32_t) :: status
      type(callback), pointer :: host
      type(laser_progress) :: progress
      integer :: code
      call c_f_pointer(user, host)
      progress%stage = text_at(laser_progress_stage(p))
      progress%epoch = laser_progress_epoch(p)
      progress%epochs = laser_progress_epochs(p)
      progress%step = laser_progress_step(p)
      progress%steps = laser_progress_steps(p)
      progress%loss = laser_progress_loss(p)
      progress%validation_loss = laser_progress_validation_loss(p)
      progress%seconds_left = laser_progress_seconds_left(p)
      code = 0
      call host%progress(progress, code, host%context)
      status = int(code, c_int32_t)
   end function call_progress

   recursive function call_log(level, message, user) bind(c, name="") result(status)
      integer(c_int32_t), value :: level
      type(c_ptr), value :: message
      type(c_ptr), value :: user
      integer(c_int32_t) :: status
      type(callback), pointer :: host
      integer :: code
      call c_f_pointer(user, host)
      code = 0
      call host%log(int(level), text_at(message), code, host%context)
      status = int(code, c_int32_t)
   end function call_log

   recursive function call_allreduce(n, values, user) bind(c, name="") result(status)
      integer(c_size_t), value :: n
      type(c_ptr), value :: values
      type(c_ptr), value :: user
      integer(c_int32_t) :: status
      type(callback), pointer :: host
      real(c_double), pointer, contiguous :: numbers(:)
      integer :: code
      call c_f_pointer(user, host)
      call c_f_pointer(values, numbers, [n])
      code = 0
      call host%allreduce(numbers, code, host%context)
      status = int(code, c_int32_t)
   end function call_allreduce

   ! --- the library ---

   !> Version of the loaded library, as "0.1.0", with blanks at its end.
   function f_version() result(version)
      character(len=32) :: version
      version = text_at(c_version())
   end function f_version

   !> Number of the C ABI of the loaded library: LASER_ABI is that of this file.
   integer function f_abi_version() result(version)
      version = int(c_abi_version())
   end function f_abi_version

   !> Tells whether a device, "cpu", "cuda" or "cuda:N", can be used here: LASER_ERR_DEVICE, LASER_ERR_UNSUPPORTED if not.
   subroutine f_device_check(device, status)
      character(len=*), intent(in) :: device
      integer, intent(out), optional :: status
      call settle(c_device_check(c_string(device)), status)
   end subroutine f_device_check

   ! --- laser_options ---

   !> Options of a preset: "default" or "paper", the paper's settings; "fast", minutes on two cores. Absent: "default".
   subroutine options_new(self, preset, status)
      class(laser_options), intent(inout) :: self
      character(len=*), intent(in), optional :: preset
      integer, intent(out), optional :: status
      if (taken(self%handle, "laser_options", status)) return
      if (present(preset)) then
         call settle(laser_options_new(c_string(preset), self%handle), status)
      else
         call settle(laser_options_new(c_string("default"), self%handle), status)
      end if
   end subroutine options_new

   !> Options of JSON with nested or dotted keys: {"preset": "fast", "flow": {"blocks": 20}, "classifier.lr": 2e-3}.
   subroutine options_from_json(self, json, status)
      class(laser_options), intent(inout) :: self
      character(len=*), intent(in) :: json
      integer, intent(out), optional :: status
      if (taken(self%handle, "laser_options", status)) return
      call settle(laser_options_from_json(c_string(json), self%handle), status)
   end subroutine options_from_json

   !> All options with their values, as JSON that from_json reads back.
   subroutine options_to_json(self, json, status)
      class(laser_options), intent(in) :: self
      character(len=:), allocatable, intent(out) :: json
      integer, intent(out), optional :: status
      character(kind=c_char), allocatable, target :: buffer(:)
      integer(c_size_t), target :: needed
      integer(c_int32_t) :: code
      needed = 1
      code = laser_options_to_json(self%handle, c_null_ptr, 0_c_size_t, c_loc(needed))
      allocate (buffer(needed))
      if (code == LASER_OK) code = laser_options_to_json(self%handle, c_loc(buffer), needed, c_null_ptr)
      call settle(code, status)
      json = text_of(buffer)
   end subroutine options_to_json

   !> Sets an option: integers, double precision numbers (1d-3, not 1e-3) or text. Unchanged on failure.
   subroutine set_i32(self, key, value, status)
      class(laser_options), intent(inout) :: self
      character(len=*), intent(in) :: key
      integer(int32), intent(in) :: value
      integer, intent(out), optional :: status
      call settle(laser_options_set_i64(self%handle, c_string(key), int(value, c_int64_t)), status)
   end subroutine set_i32

   subroutine set_i64(self, key, value, status)
      class(laser_options), intent(inout) :: self
      character(len=*), intent(in) :: key
      integer(int64), intent(in) :: value
      integer, intent(out), optional :: status
      call settle(laser_options_set_i64(self%handle, c_string(key), value), status)
   end subroutine set_i64

   subroutine set_f64(self, key, value, status)
      class(laser_options), intent(inout) :: self
      character(len=*), intent(in) :: key
      real(c_double), intent(in) :: value
      integer, intent(out), optional :: status
      call settle(laser_options_set_f64(self%handle, c_string(key), value), status)
   end subroutine set_f64

   subroutine set_str(self, key, value, status)
      class(laser_options), intent(inout) :: self
      character(len=*), intent(in) :: key
      character(len=*), intent(in) :: value
      integer, intent(out), optional :: status
      call settle(laser_options_set_str(self%handle, c_string(key), c_string(value)), status)
   end subroutine set_str

   !> Reads an option into a variable of its kind: integer, double precision, or allocatable text.
   subroutine get_i32(self, key, value, status)
      class(laser_options), intent(in) :: self
      character(len=*), intent(in) :: key
      integer(int32), intent(out) :: value
      integer, intent(out), optional :: status
      integer(c_int64_t), target :: found
      integer(c_int32_t) :: code
      found = 0
      code = laser_options_get_i64(self%handle, c_string(key), c_loc(found))
      if (abs(found) > huge(value)) then
         call refuse(LASER_ERR_INVALID_ARGUMENT, key // " is " // trim(decimal(found)) // &
            ": read it into an integer(int64)", status)
         return
      end if
      value = int(found, int32)
      call settle(code, status)
   end subroutine get_i32

   subroutine get_i64(self, key, value, status)
      class(laser_options), intent(in) :: self
      character(len=*), intent(in) :: key
      integer(int64), intent(out), target :: value
      integer, intent(out), optional :: status
      value = 0
      call settle(laser_options_get_i64(self%handle, c_string(key), c_loc(value)), status)
   end subroutine get_i64

   subroutine get_f64(self, key, value, status)
      class(laser_options), intent(in) :: self
      character(len=*), intent(in) :: key
      real(c_double), intent(out), target :: value
      integer, intent(out), optional :: status
      value = 0
      call settle(laser_options_get_f64(self%handle, c_string(key), c_loc(value)), status)
   end subroutine get_f64

   subroutine get_str(self, key, value, status)
      class(laser_options), intent(in) :: self
      character(len=*), intent(in) :: key
      character(len=:), allocatable, intent(out) :: value
      integer, intent(out), optional :: status
      character(kind=c_char), allocatable, target :: buffer(:)
      integer(c_size_t), target :: needed
      integer(c_int32_t) :: code
      needed = 1
      code = laser_options_get_str(self%handle, c_string(key), c_null_ptr, 0_c_size_t, c_loc(needed))
      allocate (buffer(needed))
      if (code == LASER_OK) code = laser_options_get_str(self%handle, c_string(key), c_loc(buffer), needed, c_null_ptr)
      call settle(code, status)
      value = text_of(buffer)
   end subroutine get_str

   subroutine options_free(self)
      class(laser_options), intent(inout) :: self
      call laser_options_free(self%handle)
      self%handle = c_null_ptr
   end subroutine options_free

   ! --- laser_cancel ---

   !> A token that is not tripped.
   subroutine cancel_new(self, status)
      class(laser_cancel), intent(inout) :: self
      integer, intent(out), optional :: status
      if (taken(self%handle, "laser_cancel", status)) return
      call settle(laser_cancel_new(self%handle), status)
   end subroutine cancel_new

   !> Calls whose hooks hold the token fail with LASER_ERR_CANCELLED soon, calls that begin later at once.
   subroutine cancel_trip(self)
      class(laser_cancel), intent(in) :: self
      call laser_cancel_trip(self%handle)
   end subroutine cancel_trip

   !> Makes a tripped token usable again.
   subroutine cancel_reset(self, status)
      class(laser_cancel), intent(in) :: self
      integer, intent(out), optional :: status
      call settle(laser_cancel_reset(self%handle), status)
   end subroutine cancel_reset

   logical function cancel_is_tripped(self) result(tripped)
      class(laser_cancel), intent(in) :: self
      tripped = laser_cancel_is_tripped(self%handle) /= 0
   end function cancel_is_tripped

   !> Hooks that hold the token keep it alive for themselves.
   subroutine cancel_free(self)
      class(laser_cancel), intent(inout) :: self
      call laser_cancel_free(self%handle)
      self%handle = c_null_ptr
   end subroutine cancel_free

   ! --- laser_hooks ---

   !> Hooks without callbacks and without a token.
   subroutine hooks_new(self, status)
      class(laser_hooks), intent(inout) :: self
      integer, intent(out), optional :: status
      integer(c_int32_t) :: code
      if (taken(self%handle, "laser_hooks", status)) return
      code = laser_hooks_new(self%handle)
      if (code == LASER_OK) allocate (self%progress, self%log, self%allreduce)
      call settle(code, status)
   end subroutine hooks_new

   !> Sets the progress callback; absent: none.
   subroutine hooks_set_progress(self, progress, context, status)
      class(laser_hooks), intent(inout) :: self
      procedure(laser_progress_callback), optional :: progress
      class(*), intent(inout), target, optional :: context
      integer, intent(out), optional :: status
      procedure(laser_progress_fn), pointer :: trampoline
      if (unmade(self%handle, "laser_hooks", status)) return
      if (.not. present(progress)) then
         call settle(laser_hooks_set_progress(self%handle, c_null_funptr, c_null_ptr), status)
         return
      end if
      trampoline => call_progress
      self%progress%progress => progress
      call remember(self%progress, context)
      call settle(laser_hooks_set_progress(self%handle, c_funloc(trampoline), c_loc(self%progress)), status)
   end subroutine hooks_set_progress

   !> Sets the log callback; absent: none.
   subroutine hooks_set_log(self, log, context, status)
      class(laser_hooks), intent(inout) :: self
      procedure(laser_log_callback), optional :: log
      class(*), intent(inout), target, optional :: context
      integer, intent(out), optional :: status
      procedure(laser_log_fn), pointer :: trampoline
      if (unmade(self%handle, "laser_hooks", status)) return
      if (.not. present(log)) then
         call settle(laser_hooks_set_log(self%handle, c_null_funptr, c_null_ptr), status)
         return
      end if
      trampoline => call_log
      self%log%log => log
      call remember(self%log, context)
      call settle(laser_hooks_set_log(self%handle, c_funloc(trampoline), c_loc(self%log)), status)
   end subroutine hooks_set_log

   !> Sets the cancel token, which the hooks share: either may be freed first. Absent: none.
   subroutine hooks_set_cancel(self, cancel, status)
      class(laser_hooks), intent(inout) :: self
      type(laser_cancel), intent(in), optional :: cancel
      integer, intent(out), optional :: status
      type(c_ptr) :: token
      token = c_null_ptr
      if (present(cancel)) then
         token = cancel%handle
         if (unmade(token, "laser_cancel", status)) return
      end if
      call settle(laser_hooks_set_cancel(self%handle, token), status)
   end subroutine hooks_set_cancel

   !> Sets the file in which trainings are kept every so many seconds (absent: 60) and updates (absent or 0: not counted): the same
   !! call, made again, goes on from it to the same bits. See laser_hooks_set_checkpoint in laser.h.
   subroutine hooks_set_checkpoint(self, path, seconds, steps, status)
      class(laser_hooks), intent(inout) :: self
      character(len=*), intent(in) :: path
      real(c_double), intent(in), optional :: seconds
      integer, intent(in), optional :: steps
      integer, intent(out), optional :: status
      real(c_double) :: every
      integer(c_int64_t) :: each
      if (unmade(self%handle, "laser_hooks", status)) return
      every = 60
      if (present(seconds)) every = seconds
      each = 0
      if (present(steps)) then
         if (negative(steps, "steps", status)) return
         each = int(steps, c_int64_t)
      end if
      call settle(laser_hooks_set_checkpoint(self%handle, c_string(path), every, each), status)
   end subroutine hooks_set_checkpoint

   !> Makes this process number rank, from 0, of ranks that make long calls together: allreduce sums over them. What it fails with
   !! ends the call on all: see laser_hooks_set_allreduce in laser.h. Absent allreduce: a process by itself.
   subroutine hooks_set_allreduce(self, rank, ranks, allreduce, context, status)
      class(laser_hooks), intent(inout) :: self
      integer, intent(in) :: rank, ranks
      procedure(laser_allreduce_callback), optional :: allreduce
      class(*), intent(inout), target, optional :: context
      integer, intent(out), optional :: status
      procedure(laser_allreduce_fn), pointer :: trampoline
      type(c_funptr) :: sum
      if (unmade(self%handle, "laser_hooks", status)) return
      if (negative(rank, "rank", status)) return
      if (negative(ranks, "ranks", status)) return
      sum = c_null_funptr
      if (present(allreduce)) then
         trampoline => call_allreduce
         self%allreduce%allreduce => allreduce
         call remember(self%allreduce, context)
         sum = c_funloc(trampoline)
      end if
      call settle(laser_hooks_set_allreduce(self%handle, int(rank, c_size_t), int(ranks, c_size_t), sum, c_loc(self%allreduce)), &
         status)
   end subroutine hooks_set_allreduce

   subroutine hooks_free(self)
      class(laser_hooks), intent(inout) :: self
      call laser_hooks_free(self%handle)
      if (c_associated(self%handle)) deallocate (self%progress, self%log, self%allreduce)
      self%handle = c_null_ptr
   end subroutine hooks_free

   ! --- laser_source ---

   !> A source of the events in x(dim, n), with weights w(n), which may be negative if their sum is positive; without w all weigh 1.
   !! The arrays are borrowed: they must be TARGET, and live and stay unchanged until the source is freed. w must be contiguous.
   !! LASER_ERR_DATA names the first event (row) and value (column) that is not finite, counted from 0.
   subroutine source_from_array(self, x, w, status)
      class(laser_source), intent(inout) :: self
      real(c_double), pointer, intent(in) :: x(:, :)
      real(c_double), pointer, intent(in), optional :: w(:)
      integer, intent(out), optional :: status
      type(c_ptr) :: events, weights
      integer(c_size_t) :: stride
      integer(c_int32_t) :: code
      if (taken(self%handle, "laser_source", status)) return
      if (.not. associated(x)) then
         call refuse(LASER_ERR_NULL, "x is not associated", status)
         return
      end if
      if (rows(x, "x", events, stride, status)) return
      weights = c_null_ptr
      if (present(w)) then
         if (.not. associated(w)) then
            call refuse(LASER_ERR_NULL, "w is not associated", status)
            return
         end if
         if (too_short_or_long(w, "w", size(x, 2, c_size_t), status)) return
         weights = c_loc(nowhere)
         if (size(w, kind=c_size_t) > 0) weights = c_loc(w(1))
         if (size(w, kind=c_size_t) > 1) then
            if (address_of(c_loc(w(2))) - address_of(c_loc(w(1))) /= 8) then
               call refuse(LASER_ERR_INVALID_ARGUMENT, "w: borrowed weights must lie side by side in memory", status)
               return
            end if
         end if
      end if
      code = laser_source_from_array(events, weights, size(x, 2, c_size_t), size(x, 1, c_size_t), stride, self%handle)
      if (code == LASER_OK) self%dim = size(x, 1)
      call settle(code, status)
   end subroutine source_from_array

   !> The events of a file, as laser_source_from_file of laser.h takes it; source.weight of the options names the column of their
   !! weights.
   subroutine source_from_file(self, path, options, status)
      class(laser_source), intent(inout) :: self
      character(len=*), intent(in) :: path
      type(laser_options), intent(in), optional :: options
      integer, intent(out), optional :: status
      type(c_ptr) :: settings
      integer(c_size_t), target :: found
      integer(c_int32_t) :: code
      if (taken(self%handle, "laser_source", status)) return
      if (bad_options(options, settings, status)) return
      code = laser_source_from_file(c_string(path), settings, self%handle)
      if (code == LASER_OK) code = laser_source_event_dim(self%handle, c_loc(found))
      if (code == LASER_OK) self%dim = int(found)
      call settle(code, status)
   end subroutine source_from_file

   !> Values per event, conditions included; 0 on failure.
   integer function source_event_dim(self, status) result(dim)
      class(laser_source), intent(in) :: self
      integer, intent(out), optional :: status
      integer(c_size_t), target :: found
      found = 0
      call settle(laser_source_event_dim(self%handle, c_loc(found)), status)
      dim = int(found)
   end function source_event_dim

   !> A source that asks a procedure for events of dim values, batch by batch. weighted: it gives weights.
   subroutine source_from_callback(self, dim, weighted, events, context, status)
      class(laser_source), intent(inout) :: self
      integer, intent(in) :: dim
      logical, intent(in) :: weighted
      procedure(laser_events_callback) :: events
      class(*), intent(inout), target, optional :: context
      integer, intent(out), optional :: status
      procedure(laser_events_fn), pointer :: trampoline
      integer(c_int32_t) :: code
      if (taken(self%handle, "laser_source", status)) return
      if (negative(dim, "dim", status)) return
      trampoline => call_events
      allocate (self%events, self%position)
      self%events%events => events
      call remember(self%events, context)
      code = laser_source_from_callback(int(dim, c_size_t), merge(1_c_int32_t, 0_c_int32_t, weighted), c_funloc(trampoline), &
         c_loc(self%events), self%handle)
      if (code == LASER_OK) then
         self%dim = dim
      else
         deallocate (self%events, self%position)
      end if
      call settle(code, status)
   end subroutine source_from_callback

   !> Gives the events of a callback positions, so that a training that goes on from a checkpoint asks only for events that it has
   !! not used: see laser_source_set_position in laser.h. Absent tell and seek: none. The number is an unsigned one to C.
   subroutine source_set_position(self, tell, seek, context, status)
      class(laser_source), intent(inout) :: self
      procedure(laser_tell_callback), optional :: tell
      procedure(laser_seek_callback), optional :: seek
      class(*), intent(inout), target, optional :: context
      integer, intent(out), optional :: status
      procedure(laser_tell_fn), pointer :: call_to_tell
      procedure(laser_seek_fn), pointer :: call_to_seek
      type(c_funptr) :: teller, seeker
      type(c_ptr) :: user
      integer(c_int32_t) :: code
      if (unmade(self%handle, "laser_source", status)) return
      teller = c_null_funptr
      seeker = c_null_funptr
      user = c_null_ptr
      if (present(tell)) then
         call_to_tell => call_tell
         teller = c_funloc(call_to_tell)
      end if
      if (present(seek)) then
         call_to_seek => call_seek
         seeker = c_funloc(call_to_seek)
      end if
      if (associated(self%position)) user = c_loc(self%position)
      code = laser_source_set_position(self%handle, teller, seeker, user)
      if (code == LASER_OK .and. present(tell)) then ! not before: a training may be using those that there are
         self%position%tell => tell
         self%position%seek => seek
         call remember(self%position, context)
      end if
      call settle(code, status)
   end subroutine source_set_position

   subroutine source_free(self)
      class(laser_source), intent(inout) :: self
      call laser_source_free(self%handle)
      if (associated(self%events)) deallocate (self%events, self%position)
      self%handle = c_null_ptr
      self%dim = 0
   end subroutine source_free

   ! --- laser_generator ---

   !> Trains a generator on events of the target. Absent options: the paper's settings, ten times as long as the preset "fast",
   !! and more. LASER_ERR_CALLBACK, LASER_ERR_CANCELLED, LASER_ERR_DATA, LASER_ERR_NUMERICAL, LASER_ERR_UNSUPPORTED ...: all
   !! arguments stay usable.
   recursive subroutine generator_train(self, target, options, hooks, status)
      class(laser_generator), intent(inout) :: self
      type(laser_source), intent(inout) :: target
      type(laser_options), intent(in), optional :: options
      type(laser_hooks), intent(in), optional :: hooks
      integer, intent(out), optional :: status
      type(c_ptr) :: settings, watch
      if (taken(self%handle, "laser_generator", status)) return
      if (bad_options(options, settings, status)) return
      if (bad_hooks(hooks, watch, status)) return
      call settle(laser_generator_train(target%handle, settings, watch, self%handle), status)
   end subroutine generator_train

   !> A generator of the host's own, of zdim latent numbers and cdim conditions (0: none) to events of xdim values; stochastic:
   !! it draws randomness of its own. Callback and context must live until the generator and all models and samplers made of it
   !! are freed. Since those are not counted here, a record of some hundred bytes stays until the program ends.
   subroutine generator_from_callback(self, zdim, cdim, xdim, stochastic, generate, context, options, status)
      class(laser_generator), intent(inout) :: self
      integer, intent(in) :: zdim, cdim, xdim
      logical, intent(in) :: stochastic
      procedure(laser_generate_callback) :: generate
      class(*), intent(inout), target, optional :: context
      type(laser_options), intent(in), optional :: options
      integer, intent(out), optional :: status
      procedure(laser_generate_fn), pointer :: trampoline
      type(callback), pointer :: kept
      type(c_ptr) :: settings
      integer(c_int32_t) :: code
      if (taken(self%handle, "laser_generator", status)) return
      if (negative(zdim, "zdim", status)) return
      if (negative(cdim, "cdim", status)) return
      if (negative(xdim, "xdim", status)) return
      if (bad_options(options, settings, status)) return
      trampoline => call_generate
      allocate (kept)
      kept%generate => generate
      call remember(kept, context)
      code = laser_generator_from_callback(int(zdim, c_size_t), int(cdim, c_size_t), int(xdim, c_size_t), &
         merge(1_c_int32_t, 0_c_int32_t, stochastic), c_funloc(trampoline), c_loc(kept), settings, self%handle)
      if (code /= LASER_OK) deallocate (kept)
      call settle(code, status)
   end subroutine generator_from_callback

   !> A generator that is the same, with a procedure that says where its events can be; it replaces the support that there was.
   !! Files do not hold it: see attach_support of a model. Lifetimes as of from_callback.
   subroutine generator_with_support(self, generator, dim, support, context, status)
      class(laser_generator), intent(inout) :: self
      type(laser_generator), intent(in) :: generator
      integer, intent(in) :: dim !< M + C
      procedure(laser_support_callback) :: support
      class(*), intent(inout), target, optional :: context
      integer, intent(out), optional :: status
      procedure(laser_support_fn), pointer :: trampoline
      type(callback), pointer :: kept
      integer(c_int32_t) :: code
      if (taken(self%handle, "laser_generator", status)) return
      if (negative(dim, "dim", status)) return
      trampoline => call_support
      allocate (kept)
      kept%support => support
      call remember(kept, context)
      code = laser_generator_with_support(generator%handle, int(dim, c_size_t), c_funloc(trampoline), c_loc(kept), self%handle)
      if (code /= LASER_OK) deallocate (kept)
      call settle(code, status)
   end subroutine generator_with_support

   !> The generator of a model file, or a TorchScript module (needs "generator.latent" in options, and a library with libtorch).
   subroutine generator_load(self, path, options, status)
      class(laser_generator), intent(inout) :: self
      character(len=*), intent(in) :: path
      type(laser_options), intent(in), optional :: options
      integer, intent(out), optional :: status
      type(c_ptr) :: settings
      if (taken(self%handle, "laser_generator", status)) return
      if (bad_options(options, settings, status)) return
      call settle(laser_generator_load(c_string(path), settings, self%handle), status)
   end subroutine generator_load

   !> The file appears whole or not at all, and replaces what had its name.
   subroutine generator_save(self, path, status)
      class(laser_generator), intent(in) :: self
      character(len=*), intent(in) :: path
      integer, intent(out), optional :: status
      call settle(laser_generator_save(self%handle, c_string(path)), status)
   end subroutine generator_save

   !> M, the values per event; 0 on failure.
   integer function generator_event_dim(self, status) result(dim)
      class(laser_generator), intent(in) :: self
      integer, intent(out), optional :: status
      integer(c_size_t), target :: found
      found = 0
      call settle(laser_generator_event_dim(self%handle, c_loc(found)), status)
      dim = int(found)
   end function generator_event_dim

   !> N, the dimensions of the latent space; 0 on failure.
   integer function generator_latent_dim(self, status) result(dim)
      class(laser_generator), intent(in) :: self
      integer, intent(out), optional :: status
      integer(c_size_t), target :: found
      found = 0
      call settle(laser_generator_latent_dim(self%handle, c_loc(found)), status)
      dim = int(found)
   end function generator_latent_dim

   !> C, the values of the condition of an event, 0 without conditions; 0 on failure.
   integer function generator_condition_dim(self, status) result(dim)
      class(laser_generator), intent(in) :: self
      integer, intent(out), optional :: status
      integer(c_size_t), target :: found
      found = 0
      call settle(laser_generator_condition_dim(self%handle, c_loc(found)), status)
      dim = int(found)
   end function generator_condition_dim

   !> Models made of the generator do not need it.
   subroutine generator_free(self)
      class(laser_generator), intent(inout) :: self
      call laser_generator_free(self%handle)
      self%handle = c_null_ptr
   end subroutine generator_free

   ! --- laser_model ---

   !> Refines a generator (laser_refine): trains the classifier of target against generated events, pulls its weights back to
   !! the latent space, and prepares the refiner that option "refiner.method" names. Errors as of the generator's training.
   recursive subroutine refine_generator(self, generator, target, options, hooks, status)
      class(laser_model), intent(inout) :: self
      type(laser_generator), intent(in) :: generator
      type(laser_source), intent(inout) :: target
      type(laser_options), intent(in), optional :: options
      type(laser_hooks), intent(in), optional :: hooks
      integer, intent(out), optional :: status
      type(c_ptr) :: settings, watch
      if (taken(self%handle, "laser_model", status)) return
      if (bad_options(options, settings, status)) return
      if (bad_hooks(hooks, watch, status)) return
      call settle(laser_refine(generator%handle, target%handle, settings, watch, self%handle), status)
   end subroutine refine_generator

   !> Another refiner for the classifier of a model (laser_model_refine). target: for its conditions; a model without any needs
   !! none.
   recursive subroutine refine_model(self, model, target, options, hooks, status)
      class(laser_model), intent(inout) :: self
      type(laser_model), intent(in) :: model
      type(laser_source), intent(inout), optional :: target
      type(laser_options), intent(in), optional :: options
      type(laser_hooks), intent(in), optional :: hooks
      integer, intent(out), optional :: status
      type(c_ptr) :: events, settings, watch
      if (taken(self%handle, "laser_model", status)) return
      events = c_null_ptr
      if (present(target)) then
         events = target%handle
         if (unmade(events, "laser_source", status)) return
      end if
      if (bad_options(options, settings, status)) return
      if (bad_hooks(hooks, watch, status)) return
      call settle(laser_model_refine(model%handle, events, settings, watch, self%handle), status)
   end subroutine refine_model

   !> A generator alone: the baseline, without classifier and refiner.
   subroutine model_from_generator(self, generator, status)
      class(laser_model), intent(inout) :: self
      type(laser_generator), intent(in) :: generator
      integer, intent(out), optional :: status
      if (taken(self%handle, "laser_model", status)) return
      call settle(laser_model_from_generator(generator%handle, self%handle), status)
   end subroutine model_from_generator

   !> A loaded model with its callback, since files hold none. The dimensions must be the model's. Lifetimes as of a generator's
   !! from_callback.
   subroutine model_attach(self, model, zdim, cdim, xdim, generate, context, status)
      class(laser_model), intent(inout) :: self
      type(laser_model), intent(in) :: model
      integer, intent(in) :: zdim, cdim, xdim
      procedure(laser_generate_callback) :: generate
      class(*), intent(inout), target, optional :: context
      integer, intent(out), optional :: status
      procedure(laser_generate_fn), pointer :: trampoline
      type(callback), pointer :: kept
      integer(c_int32_t) :: code
      if (taken(self%handle, "laser_model", status)) return
      if (negative(zdim, "zdim", status)) return
      if (negative(cdim, "cdim", status)) return
      if (negative(xdim, "xdim", status)) return
      trampoline => call_generate
      allocate (kept)
      kept%generate => generate
      call remember(kept, context)
      code = laser_model_attach(model%handle, int(zdim, c_size_t), int(cdim, c_size_t), int(xdim, c_size_t), c_funloc(trampoline), &
         c_loc(kept), self%handle)
      if (code /= LASER_OK) deallocate (kept)
      call settle(code, status)
   end subroutine model_attach

   !> A loaded model with the procedure that says where its events can be, since files hold none. dim must be the model's M + C.
   !! Lifetimes as of a generator's from_callback.
   subroutine model_attach_support(self, model, dim, support, context, status)
      class(laser_model), intent(inout) :: self
      type(laser_model), intent(in) :: model
      integer, intent(in) :: dim
      procedure(laser_support_callback) :: support
      class(*), intent(inout), target, optional :: context
      integer, intent(out), optional :: status
      procedure(laser_support_fn), pointer :: trampoline
      type(callback), pointer :: kept
      integer(c_int32_t) :: code
      if (taken(self%handle, "laser_model", status)) return
      if (negative(dim, "dim", status)) return
      trampoline => call_support
      allocate (kept)
      kept%support => support
      call remember(kept, context)
      code = laser_model_attach_support(model%handle, int(dim, c_size_t), c_funloc(trampoline), c_loc(kept), self%handle)
      if (code /= LASER_OK) deallocate (kept)
      call settle(code, status)
   end subroutine model_attach_support

   !> The saved and the loaded model generate the same bits. LASER_ERR_IO; LASER_ERR_FORMAT for what is no valid model.
   subroutine model_load(self, path, options, status)
      class(laser_model), intent(inout) :: self
      character(len=*), intent(in) :: path
      type(laser_options), intent(in), optional :: options
      integer, intent(out), optional :: status
      type(c_ptr) :: settings
      if (taken(self%handle, "laser_model", status)) return
      if (bad_options(options, settings, status)) return
      call settle(laser_model_load(c_string(path), settings, self%handle), status)
   end subroutine model_load

   !> The file appears whole or not at all, and replaces what had its name.
   subroutine model_save(self, path, status)
      class(laser_model), intent(in) :: self
      character(len=*), intent(in) :: path
      integer, intent(out), optional :: status
      call settle(laser_model_save(self%handle, c_string(path)), status)
   end subroutine model_save

   !> M, the values per event; 0 on failure.
   integer function model_event_dim(self, status) result(dim)
      class(laser_model), intent(in) :: self
      integer, intent(out), optional :: status
      integer(c_size_t), target :: found
      found = 0
      call settle(laser_model_event_dim(self%handle, c_loc(found)), status)
      dim = int(found)
   end function model_event_dim

   !> N, the dimensions of the generator's latent space; 0 on failure.
   integer function model_latent_dim(self, status) result(dim)
      class(laser_model), intent(in) :: self
      integer, intent(out), optional :: status
      integer(c_size_t), target :: found
      found = 0
      call settle(laser_model_latent_dim(self%handle, c_loc(found)), status)
      dim = int(found)
   end function model_latent_dim

   !> C, the values of the condition of an event, 0 without conditions; 0 on failure.
   integer function model_condition_dim(self, status) result(dim)
      class(laser_model), intent(in) :: self
      integer, intent(out), optional :: status
      integer(c_size_t), target :: found
      found = 0
      call settle(laser_model_condition_dim(self%handle, c_loc(found)), status)
      dim = int(found)
   end function model_condition_dim

   !> The method by which samplers make events unless told otherwise, as "rejection"; empty on failure.
   subroutine model_method(self, method, status)
      class(laser_model), intent(in) :: self
      character(len=:), allocatable, intent(out) :: method
      integer, intent(out), optional :: status
      character(kind=c_char), allocatable, target :: buffer(:)
      integer(c_size_t), target :: needed
      integer(c_int32_t) :: code
      needed = 1
      code = laser_model_method(self%handle, c_null_ptr, 0_c_size_t, c_loc(needed))
      allocate (buffer(needed))
      if (code == LASER_OK) code = laser_model_method(self%handle, c_loc(buffer), needed, c_null_ptr)
      call settle(code, status)
      method = text_of(buffer)
   end subroutine model_method

   !> What value `column`, from 1, of an event is called, features before conditions: as option "features.names" says or, without
   !! names, x0 ... and c0 ...; empty on failure.
   subroutine model_feature_name(self, column, name, status)
      class(laser_model), intent(in) :: self
      integer, intent(in) :: column
      character(len=:), allocatable, intent(out) :: name
      integer, intent(out), optional :: status
      character(kind=c_char), allocatable, target :: buffer(:)
      integer(c_size_t), target :: needed
      integer(c_int32_t) :: code
      name = ""
      if (column < 1) then
         call refuse(LASER_ERR_INVALID_ARGUMENT, "column is " // trim(decimal(int(column, int64))) // &
            ", but the first is 1", status)
         return
      end if
      needed = 1
      code = laser_model_feature_name(self%handle, int(column - 1, c_size_t), c_null_ptr, 0_c_size_t, c_loc(needed))
      allocate (buffer(needed))
      if (code == LASER_OK) &
         code = laser_model_feature_name(self%handle, int(column - 1, c_size_t), c_loc(buffer), needed, c_null_ptr)
      call settle(code, status)
      name = text_of(buffer)
   end subroutine model_feature_name

   !> JSON: networks, scalings, refiner, and the record of the training; empty on failure.
   subroutine model_info(self, json, status)
      class(laser_model), intent(in) :: self
      character(len=:), allocatable, intent(out) :: json
      integer, intent(out), optional :: status
      character(kind=c_char), allocatable, target :: buffer(:)
      integer(c_size_t), target :: needed
      integer(c_int32_t) :: code
      needed = 1
      code = laser_model_info(self%handle, c_null_ptr, 0_c_size_t, c_loc(needed))
      allocate (buffer(needed))
      if (code == LASER_OK) code = laser_model_info(self%handle, c_loc(buffer), needed, c_null_ptr)
      call settle(code, status)
      json = text_of(buffer)
   end subroutine model_info

   !> A number of the training record, as "weights.mean": see laser_model_get_f64 in laser.h. LASER_ERR_INVALID_ARGUMENT names
   !! the keys that there are; NaN on failure.
   real(c_double) function model_get(self, key, status) result(number)
      class(laser_model), intent(in) :: self
      character(len=*), intent(in) :: key
      integer, intent(out), optional :: status
      real(c_double), target :: found
      found = ieee_value(found, ieee_quiet_nan)
      call settle(laser_model_get_f64(self%handle, c_string(key), c_loc(found)), status)
      number = found
   end function model_get

   !> log_w(n), the logarithm of the density ratio target / generated of the events x(M + C, n), which their conditions follow.
   !! Options: "backend", "device", "threads". LASER_ERR_UNSUPPORTED without a classifier; LASER_ERR_DATA for events that are
   !! not finite.
   recursive subroutine model_log_weight(self, x, log_w, options, status)
      class(laser_model), intent(in) :: self
      real(c_double), intent(in), target :: x(:, :)
      real(c_double), intent(out), target, contiguous :: log_w(:)
      type(laser_options), intent(in), optional :: options
      integer, intent(out), optional :: status
      type(c_ptr) :: settings, events
      integer(c_size_t) :: stride
      if (unmade(self%handle, "laser_model", status)) return
      if (bad_options(options, settings, status)) return
      if (unequal("x", size(x, 1, c_size_t), "values per event", &
         int(self%event_dim() + self%condition_dim(), c_size_t), status)) return
      if (too_short_or_long(log_w, "log_w", size(x, 2, c_size_t), status)) return
      if (rows(x, "x", events, stride, status)) return
      call settle(laser_model_log_weight(self%handle, settings, size(x, 2, c_size_t), events, stride, first(log_w)), status)
   end subroutine model_log_weight

   !> log_p(n), the logarithm of the generator's density at the events x(M + C, n), in 1 / (product of the units of x).
   !! As log_weight; LASER_ERR_UNSUPPORTED without a density.
   recursive subroutine model_log_prob(self, x, log_p, options, status)
      class(laser_model), intent(in) :: self
      real(c_double), intent(in), target :: x(:, :)
      real(c_double), intent(out), target, contiguous :: log_p(:)
      type(laser_options), intent(in), optional :: options
      integer, intent(out), optional :: status
      type(c_ptr) :: settings, events
      integer(c_size_t) :: stride
      if (unmade(self%handle, "laser_model", status)) return
      if (bad_options(options, settings, status)) return
      if (unequal("x", size(x, 1, c_size_t), "values per event", &
         int(self%event_dim() + self%condition_dim(), c_size_t), status)) return
      if (too_short_or_long(log_p, "log_p", size(x, 2, c_size_t), status)) return
      if (rows(x, "x", events, stride, status)) return
      call settle(laser_model_log_prob(self%handle, settings, size(x, 2, c_size_t), events, stride, first(log_p)), status)
   end subroutine model_log_prob

   !> z(N, n) with g(z) = x, of the events x(M + C, n). As log_weight; LASER_ERR_UNSUPPORTED for a generator without an inverse.
   recursive subroutine model_latent(self, x, z, options, status)
      class(laser_model), intent(in) :: self
      real(c_double), intent(in), target :: x(:, :)
      real(c_double), intent(out), target :: z(:, :)
      type(laser_options), intent(in), optional :: options
      integer, intent(out), optional :: status
      type(c_ptr) :: settings, events, latents
      integer(c_size_t) :: x_stride, z_stride
      if (unmade(self%handle, "laser_model", status)) return
      if (bad_options(options, settings, status)) return
      if (unequal("x", size(x, 1, c_size_t), "values per event", &
         int(self%event_dim() + self%condition_dim(), c_size_t), status)) return
      if (unequal("z", size(z, 1, c_size_t), "values per event", int(self%latent_dim(), c_size_t), status)) return
      if (unequal("z", size(z, 2, c_size_t), "events", size(x, 2, c_size_t), status)) return
      if (rows(x, "x", events, x_stride, status)) return
      if (rows(z, "z", latents, z_stride, status)) return
      call settle(laser_model_latent(self%handle, settings, size(x, 2, c_size_t), events, x_stride, latents, z_stride), status)
   end subroutine model_latent

   !> x(M, n) = g(z), of the latent points z(N + C, n), which their conditions follow. As latent.
   recursive subroutine model_generate(self, z, x, options, status)
      class(laser_model), intent(in) :: self
      real(c_double), intent(in), target :: z(:, :)
      real(c_double), intent(out), target :: x(:, :)
      type(laser_options), intent(in), optional :: options
      integer, intent(out), optional :: status
      type(c_ptr) :: settings, events, latents
      integer(c_size_t) :: x_stride, z_stride
      if (unmade(self%handle, "laser_model", status)) return
      if (bad_options(options, settings, status)) return
      if (unequal("z", size(z, 1, c_size_t), "values per event", &
         int(self%latent_dim() + self%condition_dim(), c_size_t), status)) return
      if (unequal("x", size(x, 1, c_size_t), "values per event", int(self%event_dim(), c_size_t), status)) return
      if (unequal("x", size(x, 2, c_size_t), "events", size(z, 2, c_size_t), status)) return
      if (rows(z, "z", latents, z_stride, status)) return
      if (rows(x, "x", events, x_stride, status)) return
      call settle(laser_model_generate(self%handle, settings, size(z, 2, c_size_t), latents, z_stride, events, x_stride), status)
   end subroutine model_generate

   !> Samplers made of the model do not need it.
   subroutine model_free(self)
      class(laser_model), intent(inout) :: self
      call laser_model_free(self%handle)
      self%handle = c_null_ptr
   end subroutine model_free

   ! --- laser_reweighter ---

   !> Learns the weights that make the events of `from` like those of `to`, which may have weights of either sign. Without
   !! conditions in `from`, its events stand for all those of `to`. Options: the group "classifier" and others, see laser.h.
   recursive subroutine reweighter_train(self, from, to, options, hooks, status)
      class(laser_reweighter), intent(inout) :: self
      type(laser_source), intent(inout) :: from, to
      type(laser_options), intent(in), optional :: options
      type(laser_hooks), intent(in), optional :: hooks
      integer, intent(out), optional :: status
      type(c_ptr) :: settings, watch
      if (taken(self%handle, "laser_reweighter", status)) return
      if (bad_options(options, settings, status)) return
      if (bad_hooks(hooks, watch, status)) return
      call settle(laser_reweighter_train(from%handle, to%handle, settings, watch, self%handle), status)
   end subroutine reweighter_train

   !> Positive weights w(n) in the place of those of both signs that the events, in memory, have: the local mean of
   !! the weights, W(x). The weights of this reweighter, times its "resample.factor", are W(x) of others. Options: as of
   !! train, and "resample.method".
   recursive subroutine reweighter_resample(self, events, w, options, hooks, status)
      class(laser_reweighter), intent(inout) :: self
      type(laser_source), intent(in) :: events
      real(c_double), intent(inout), optional, target, contiguous :: w(:)
      type(laser_options), intent(in), optional :: options
      type(laser_hooks), intent(in), optional :: hooks
      integer, intent(out), optional :: status
      type(c_ptr) :: settings, watch
      integer(c_size_t) :: n
      if (taken(self%handle, "laser_reweighter", status)) return
      if (bad_options(options, settings, status)) return
      if (bad_hooks(hooks, watch, status)) return
      n = 0
      if (present(w)) n = size(w, kind=c_size_t)
      call settle(laser_resample(events%handle, settings, watch, n, first(w), self%handle), status)
   end subroutine reweighter_resample

   !> Unfolds measured events: w receives a weight for every simulated event, with which their detector level is distributed as the
   !! data. generated and reconstructed have as many events as w, in the same order; flags are sums of LASER_PAIR_GENERATED and
   !! LASER_PAIR_RECONSTRUCTED; absent: all events have both levels. See laser_unfold in laser.h.
   recursive subroutine reweighter_unfold(self, generated, reconstructed, data, w, flags, options, hooks, status)
      class(laser_reweighter), intent(inout) :: self
      type(laser_source), intent(in) :: generated, reconstructed, data
      real(c_double), intent(inout), target, contiguous :: w(:)
      integer(c_int32_t), intent(in), optional, target, contiguous :: flags(:)
      type(laser_options), intent(in), optional :: options
      type(laser_hooks), intent(in), optional :: hooks
      integer, intent(out), optional :: status
      type(c_ptr) :: settings, watch, levels
      if (taken(self%handle, "laser_reweighter", status)) return
      if (bad_options(options, settings, status)) return
      if (bad_hooks(hooks, watch, status)) return
      levels = c_null_ptr
      if (present(flags)) then
         if (unequal("flags", size(flags, kind=c_size_t), "elements", size(w, kind=c_size_t), status)) return
         if (size(flags, kind=c_size_t) > 0) levels = c_loc(flags(1))
      end if
      call settle(laser_unfold(generated%handle, reconstructed%handle, data%handle, levels, size(w, kind=c_size_t), settings, &
         watch, first(w), self%handle), status)
   end subroutine reweighter_unfold

   !> The saved and the loaded reweighter give the same bits. LASER_ERR_UNSUPPORTED for the file of a model with a generator.
   subroutine reweighter_load(self, path, options, status)
      class(laser_reweighter), intent(inout) :: self
      character(len=*), intent(in) :: path
      type(laser_options), intent(in), optional :: options
      integer, intent(out), optional :: status
      type(c_ptr) :: settings
      if (taken(self%handle, "laser_reweighter", status)) return
      if (bad_options(options, settings, status)) return
      call settle(laser_reweighter_load(c_string(path), settings, self%handle), status)
   end subroutine reweighter_load

   !> The file appears whole or not at all, and replaces what had its name.
   subroutine reweighter_save(self, path, status)
      class(laser_reweighter), intent(in) :: self
      character(len=*), intent(in) :: path
      integer, intent(out), optional :: status
      call settle(laser_reweighter_save(self%handle, c_string(path)), status)
   end subroutine reweighter_save

   !> M, the values per event; 0 on failure.
   integer function reweighter_event_dim(self, status) result(dim)
      class(laser_reweighter), intent(in) :: self
      integer, intent(out), optional :: status
      integer(c_size_t), target :: found
      found = 0
      call settle(laser_reweighter_event_dim(self%handle, c_loc(found)), status)
      dim = int(found)
   end function reweighter_event_dim

   !> C, the values of the condition of an event, 0 without conditions; 0 on failure.
   integer function reweighter_condition_dim(self, status) result(dim)
      class(laser_reweighter), intent(in) :: self
      integer, intent(out), optional :: status
      integer(c_size_t), target :: found
      found = 0
      call settle(laser_reweighter_condition_dim(self%handle, c_loc(found)), status)
      dim = int(found)
   end function reweighter_condition_dim

   !> What value `column`, from 1, of an event is called, features before conditions; empty on failure.
   subroutine reweighter_feature_name(self, column, name, status)
      class(laser_reweighter), intent(in) :: self
      integer, intent(in) :: column
      character(len=:), allocatable, intent(out) :: name
      integer, intent(out), optional :: status
      character(kind=c_char), allocatable, target :: buffer(:)
      integer(c_size_t), target :: needed
      integer(c_int32_t) :: code
      name = ""
      if (column < 1) then
         call refuse(LASER_ERR_INVALID_ARGUMENT, "column is " // trim(decimal(int(column, int64))) // &
            ", but the first is 1", status)
         return
      end if
      needed = 1
      code = laser_reweighter_feature_name(self%handle, int(column - 1, c_size_t), c_null_ptr, 0_c_size_t, c_loc(needed))
      allocate (buffer(needed))
      if (code == LASER_OK) &
         code = laser_reweighter_feature_name(self%handle, int(column - 1, c_size_t), c_loc(buffer), needed, c_null_ptr)
      call settle(code, status)
      name = text_of(buffer)
   end subroutine reweighter_feature_name

   !> JSON: networks, scalings, and the record of the training; empty on failure.
   subroutine reweighter_info(self, json, status)
      class(laser_reweighter), intent(in) :: self
      character(len=:), allocatable, intent(out) :: json
      integer, intent(out), optional :: status
      character(kind=c_char), allocatable, target :: buffer(:)
      integer(c_size_t), target :: needed
      integer(c_int32_t) :: code
      needed = 1
      code = laser_reweighter_info(self%handle, c_null_ptr, 0_c_size_t, c_loc(needed))
      allocate (buffer(needed))
      if (code == LASER_OK) code = laser_reweighter_info(self%handle, c_loc(buffer), needed, c_null_ptr)
      call settle(code, status)
      json = text_of(buffer)
   end subroutine reweighter_info

   !> A number of the training record, as "weights.calibration.chi_square"; NaN on failure.
   real(c_double) function reweighter_get(self, key, status) result(number)
      class(laser_reweighter), intent(in) :: self
      character(len=*), intent(in) :: key
      integer, intent(out), optional :: status
      real(c_double), target :: found
      found = ieee_value(found, ieee_quiet_nan)
      call settle(laser_reweighter_get_f64(self%handle, c_string(key), c_loc(found)), status)
      number = found
   end function reweighter_get

   !> w(n), log_w(n) and the spread(n) of log w between the networks of the ensemble, of the events x(M + C, n), which their
   !! conditions follow; those that are wanted. Options: "backend", "device", "threads". LASER_ERR_DATA for events that are not
   !! finite.
   recursive subroutine reweighter_weights(self, x, w, log_w, spread, options, status)
      class(laser_reweighter), intent(in) :: self
      real(c_double), intent(in), target :: x(:, :)
      real(c_double), intent(out), optional, target, contiguous :: w(:), log_w(:), spread(:)
      type(laser_options), intent(in), optional :: options
      integer, intent(out), optional :: status
      type(c_ptr) :: settings, events
      integer(c_size_t) :: stride
      if (unmade(self%handle, "laser_reweighter", status)) return
      if (bad_options(options, settings, status)) return
      if (unequal("x", size(x, 1, c_size_t), "values per event", &
         int(self%event_dim() + self%condition_dim(), c_size_t), status)) return
      if (too_short_or_long(w, "w", size(x, 2, c_size_t), status)) return
      if (too_short_or_long(log_w, "log_w", size(x, 2, c_size_t), status)) return
      if (too_short_or_long(spread, "spread", size(x, 2, c_size_t), status)) return
      if (rows(x, "x", events, stride, status)) return
      call settle(laser_reweighter_weights(self%handle, settings, size(x, 2, c_size_t), events, stride, first(w), first(log_w), &
         first(spread)), status)
   end subroutine reweighter_weights

   subroutine reweighter_free(self)
      class(laser_reweighter), intent(inout) :: self
      call laser_reweighter_free(self%handle)
      self%handle = c_null_ptr
   end subroutine reweighter_free

   ! --- laser_sampler ---

   !> A sampler that stands at event 0. seed and stream: any numbers; other streams of a seed are independent of each other.
   !! Options: "sampler.method" ("model", "baseline", "reweight", "rejection", "hmc" ...), "sampler.threads", "backend", "device".
   subroutine sampler_new(self, model, seed, stream, options, status)
      class(laser_sampler), intent(inout) :: self
      type(laser_model), intent(in) :: model
      integer(int64), intent(in) :: seed, stream
      type(laser_options), intent(in), optional :: options
      integer, intent(out), optional :: status
      type(c_ptr) :: settings
      integer(c_int32_t) :: code
      if (taken(self%handle, "laser_sampler", status)) return
      if (unmade(model%handle, "laser_model", status)) return
      if (bad_options(options, settings, status)) return
      code = laser_sampler_new(model%handle, seed, stream, settings, self%handle)
      if (code == LASER_OK) then
         self%event_dim = model%event_dim()
         self%latent_dim = model%latent_dim()
         self%condition_dim = model%condition_dim()
         allocate (self%noise)
      end if
      call settle(code, status)
   end subroutine sampler_new

   !> Draws from the host's random numbers instead of the sampler's own; absent: from its own again. See
   !! laser_sampler_set_noise_callback in laser.h for what is drawn when. Callback and context must live until it is replaced,
   !! or the sampler freed.
   subroutine sampler_set_noise_callback(self, noise, context, status)
      class(laser_sampler), intent(inout) :: self
      procedure(laser_noise_callback), optional :: noise
      class(*), intent(inout), target, optional :: context
      integer, intent(out), optional :: status
      procedure(laser_noise_fn), pointer :: trampoline
      if (unmade(self%handle, "laser_sampler", status)) return
      if (.not. present(noise)) then
         call settle(laser_sampler_set_noise_callback(self%handle, c_null_funptr, c_null_ptr), status)
         return
      end if
      trampoline => call_noise
      self%noise%noise => noise
      call remember(self%noise, context)
      call settle(laser_sampler_set_noise_callback(self%handle, c_funloc(trampoline), c_loc(self%noise)), status)
   end subroutine sampler_set_noise_callback

   !> Has the calls that ask for events watched and stopped by hooks, and lets the sampler warn by their log callback of events
   !! that contradict the pilot run of the model: see laser_sampler_set_hooks in laser.h. Absent: no hooks. They must not be
   !! freed, nor their contexts, until they are replaced, or the sampler freed.
   subroutine sampler_set_hooks(self, hooks, status)
      class(laser_sampler), intent(inout) :: self
      type(laser_hooks), intent(in), optional :: hooks
      integer, intent(out), optional :: status
      type(c_ptr) :: watch
      if (unmade(self%handle, "laser_sampler", status)) return
      if (bad_hooks(hooks, watch, status)) return
      call settle(laser_sampler_set_hooks(self%handle, watch), status)
   end subroutine sampler_set_hooks

   !> Goes to an event, counted from 0, forward or backward.
   subroutine sampler_seek(self, event, status)
      class(laser_sampler), intent(inout) :: self
      integer(int64), intent(in) :: event
      integer, intent(out), optional :: status
      if (event < 0) then
         call refuse(LASER_ERR_INVALID_ARGUMENT, "event is negative: " // trim(decimal(event)), status)
         return
      end if
      call settle(laser_sampler_seek(self%handle, event), status)
   end subroutine sampler_seek

   !> The number of the event that comes next, from 0; 0 on failure.
   integer(int64) function sampler_tell(self, status) result(event)
      class(laser_sampler), intent(in) :: self
      integer, intent(out), optional :: status
      integer(c_int64_t), target :: found
      found = 0
      call settle(laser_sampler_tell(self%handle, c_loc(found)), status)
      event = found
   end function sampler_tell

   !> The next n events: x(M, n), weights w(n), and log densities logp(n). Double or single precision: the same events, rounded.
   !! w is 1 but for the method "reweight", and for the events of "rejection" above w_max. LASER_ERR_UNSUPPORTED if logp is
   !! wanted where there is none; LASER_ERR_INVALID_ARGUMENT for a model with conditions, for "reweight" without w, or x, w,
   !! logp of wrong shapes. After any failure the stream stands where it stood, and the arrays may be written in part.
   recursive subroutine generate_f64(self, x, w, logp, status)
      class(laser_sampler), intent(inout) :: self
      real(c_double), intent(out), target :: x(:, :)
      real(c_double), intent(out), optional, target, contiguous :: w(:), logp(:)
      integer, intent(out), optional :: status
      type(c_ptr) :: events
      integer(c_size_t) :: stride
      if (unmade(self%handle, "laser_sampler", status)) return
      if (unequal("x", size(x, 1, c_size_t), "values per event", int(self%event_dim, c_size_t), status)) return
      if (too_short_or_long(w, "w", size(x, 2, c_size_t), status)) return
      if (too_short_or_long(logp, "logp", size(x, 2, c_size_t), status)) return
      if (rows(x, "x", events, stride, status)) return
      call settle(laser_sampler_generate(self%handle, size(x, 2, c_size_t), stride, events, first(w), first(logp)), status)
   end subroutine generate_f64

   recursive subroutine generate_f32(self, x, w, logp, status)
      class(laser_sampler), intent(inout) :: self
      real(c_float), intent(out), target :: x(:, :)
      real(c_float), intent(out), optional, target, contiguous :: w(:), logp(:)
      integer, intent(out), optional :: status
      type(c_ptr) :: events
      integer(c_size_t) :: stride
      if (unmade(self%handle, "laser_sampler", status)) return
      if (unequal("x", size(x, 1, c_size_t), "values per event", int(self%event_dim, c_size_t), status)) return
      if (too_short_or_long_f32(w, "w", size(x, 2, c_size_t), status)) return
      if (too_short_or_long_f32(logp, "logp", size(x, 2, c_size_t), status)) return
      if (rows(x, "x", events, stride, status)) return
      call settle(laser_sampler_generate_f32(self%handle, size(x, 2, c_size_t), stride, events, first_f32(w), &
         first_f32(logp)), status)
   end subroutine generate_f32

   !> As generate, with the latent points z(N, n) that the events were made from.
   recursive subroutine sampler_generate_latent(self, x, z, w, status)
      class(laser_sampler), intent(inout) :: self
      real(c_double), intent(out), target :: x(:, :), z(:, :)
      real(c_double), intent(out), optional, target, contiguous :: w(:)
      integer, intent(out), optional :: status
      type(c_ptr) :: events, latents
      integer(c_size_t) :: x_stride, z_stride
      if (unmade(self%handle, "laser_sampler", status)) return
      if (unequal("x", size(x, 1, c_size_t), "values per event", int(self%event_dim, c_size_t), status)) return
      if (unequal("z", size(z, 1, c_size_t), "values per event", int(self%latent_dim, c_size_t), status)) return
      if (unequal("z", size(z, 2, c_size_t), "events", size(x, 2, c_size_t), status)) return
      if (too_short_or_long(w, "w", size(x, 2, c_size_t), status)) return
      if (rows(x, "x", events, x_stride, status)) return
      if (rows(z, "z", latents, z_stride, status)) return
      call settle(laser_sampler_generate_latent(self%handle, size(x, 2, c_size_t), x_stride, events, z_stride, latents, &
         first(w)), status)
   end subroutine sampler_generate_latent

   !> The next n events of a model with conditions, given c(C, n). Double or single precision. As generate; LASER_ERR_DATA for a
   !! condition that is not finite. Nothing is made ahead: ask for many at once where speed counts.
   recursive subroutine given_f64(self, c, x, w, logp, status)
      class(laser_sampler), intent(inout) :: self
      real(c_double), intent(in), target :: c(:, :)
      real(c_double), intent(out), target :: x(:, :)
      real(c_double), intent(out), optional, target, contiguous :: w(:), logp(:)
      integer, intent(out), optional :: status
      type(c_ptr) :: events, conditions
      integer(c_size_t) :: x_stride, c_stride
      if (unmade(self%handle, "laser_sampler", status)) return
      if (unequal("c", size(c, 1, c_size_t), "values per event", int(self%condition_dim, c_size_t), status)) return
      if (unequal("x", size(x, 1, c_size_t), "values per event", int(self%event_dim, c_size_t), status)) return
      if (unequal("x", size(x, 2, c_size_t), "events", size(c, 2, c_size_t), status)) return
      if (too_short_or_long(w, "w", size(x, 2, c_size_t), status)) return
      if (too_short_or_long(logp, "logp", size(x, 2, c_size_t), status)) return
      if (rows(c, "c", conditions, c_stride, status)) return
      if (rows(x, "x", events, x_stride, status)) return
      call settle(laser_sampler_generate_given(self%handle, size(x, 2, c_size_t), c_stride, conditions, x_stride, events, &
         first(w), first(logp)), status)
   end subroutine given_f64

   recursive subroutine given_f32(self, c, x, w, logp, status)
      class(laser_sampler), intent(inout) :: self
      real(c_float), intent(in), target :: c(:, :)
      real(c_float), intent(out), target :: x(:, :)
      real(c_float), intent(out), optional, target, contiguous :: w(:), logp(:)
      integer, intent(out), optional :: status
      type(c_ptr) :: events, conditions
      integer(c_size_t) :: x_stride, c_stride
      if (unmade(self%handle, "laser_sampler", status)) return
      if (unequal("c", size(c, 1, c_size_t), "values per event", int(self%condition_dim, c_size_t), status)) return
      if (unequal("x", size(x, 1, c_size_t), "values per event", int(self%event_dim, c_size_t), status)) return
      if (unequal("x", size(x, 2, c_size_t), "events", size(c, 2, c_size_t), status)) return
      if (too_short_or_long_f32(w, "w", size(x, 2, c_size_t), status)) return
      if (too_short_or_long_f32(logp, "logp", size(x, 2, c_size_t), status)) return
      if (rows(c, "c", conditions, c_stride, status)) return
      if (rows(x, "x", events, x_stride, status)) return
      call settle(laser_sampler_generate_given_f32(self%handle, size(x, 2, c_size_t), c_stride, conditions, x_stride, events, &
         first_f32(w), first_f32(logp)), status)
   end subroutine given_f32

   !> The next event, x(M), and its weight, out of a batch kept inside: made for event loops.
   recursive subroutine sampler_next(self, x, w, status)
      class(laser_sampler), intent(inout) :: self
      real(c_double), intent(out), target, contiguous :: x(:)
      real(c_double), intent(out), optional :: w
      integer, intent(out), optional :: status
      real(c_double), target :: weight
      if (unmade(self%handle, "laser_sampler", status)) return
      if (unequal("x", size(x, kind=c_size_t), "values", int(self%event_dim, c_size_t), status)) return
      call settle(laser_sampler_next(self%handle, c_loc(x), c_loc(weight)), status)
      if (present(w)) w = weight
   end subroutine sampler_next

   !> A diagnostic, as "acceptance", "effective_fraction" or "r_hat": see laser_sampler_get_f64 in laser.h. NaN for a fraction
   !! of nothing, and on failure.
   real(c_double) function sampler_get(self, key, status) result(number)
      class(laser_sampler), intent(in) :: self
      character(len=*), intent(in) :: key
      integer, intent(out), optional :: status
      real(c_double), target :: found
      found = ieee_value(found, ieee_quiet_nan)
      call settle(laser_sampler_get_f64(self%handle, c_string(key), c_loc(found)), status)
      number = found
   end function sampler_get

   subroutine sampler_free(self)
      class(laser_sampler), intent(inout) :: self
      call laser_sampler_free(self%handle)
      if (c_associated(self%handle)) deallocate (self%noise)
      self%handle = c_null_ptr
   end subroutine sampler_free

   ! --- laser_histogram ---

   !> An empty histogram of nx bins from xlo to xhi, and ny from ylo to yhi.
   subroutine histogram_new(self, nx, xlo, xhi, ny, ylo, yhi, status)
      class(laser_histogram), intent(inout) :: self
      integer, intent(in) :: nx, ny
      real(c_double), intent(in) :: xlo, xhi, ylo, yhi
      integer, intent(out), optional :: status
      integer(c_int32_t) :: code
      if (taken(self%handle, "laser_histogram", status)) return
      if (negative(nx, "nx", status)) return
      if (negative(ny, "ny", status)) return
      code = laser_histogram_new(int(nx, c_size_t), xlo, xhi, int(ny, c_size_t), ylo, yhi, self%handle)
      if (code == LASER_OK) then
         self%nx = nx
         self%ny = ny
      end if
      call settle(code, status)
   end subroutine histogram_new

   !> Adds the events x(:, n), of which the first two values are taken; for others give x(k:k+1, :). Absent w: they weigh 1.
   !! Unchanged on failure.
   subroutine histogram_fill(self, x, w, status)
      class(laser_histogram), intent(inout) :: self
      real(c_double), intent(in), target :: x(:, :)
      real(c_double), intent(in), optional, target, contiguous :: w(:)
      integer, intent(out), optional :: status
      type(c_ptr) :: events
      integer(c_size_t) :: stride
      if (size(x, 1, c_size_t) < 2) then
         call refuse(LASER_ERR_INVALID_ARGUMENT, "x has " // trim(decimal(size(x, 1, int64))) // &
            " values per event, but needs 2", status)
         return
      end if
      if (too_short_or_long(w, "w", size(x, 2, c_size_t), status)) return
      if (rows(x, "x", events, stride, status)) return
      call settle(laser_histogram_fill(self%handle, size(x, 2, c_size_t), events, stride, first(w)), status)
   end subroutine histogram_fill

   !> The sums of weights, bins(nx, ny).
   subroutine histogram_contents(self, bins, status)
      class(laser_histogram), intent(in) :: self
      real(c_double), allocatable, intent(out) :: bins(:, :)
      integer, intent(out), optional :: status
      real(c_double), allocatable, target :: rows_of_y(:, :)
      integer(c_int32_t) :: code
      if (unmade(self%handle, "laser_histogram", status)) return
      allocate (rows_of_y(self%ny, self%nx))
      code = laser_histogram_contents(self%handle, c_loc(rows_of_y), size(rows_of_y, kind=c_size_t))
      if (code == LASER_OK) bins = transpose(rows_of_y)
      call settle(code, status)
   end subroutine histogram_contents

   !> The sums of weights inside the range and outside of it.
   subroutine histogram_total(self, inside, outside, status)
      class(laser_histogram), intent(in) :: self
      real(c_double), intent(out) :: inside, outside
      integer, intent(out), optional :: status
      real(c_double), target :: sums(2)
      sums = 0
      call settle(laser_histogram_total(self%handle, c_loc(sums(1)), c_loc(sums(2))), status)
      inside = sums(1)
      outside = sums(2)
   end subroutine histogram_total

   !> Adds the contents of another histogram of the same bins.
   subroutine histogram_merge(self, from, status)
      class(laser_histogram), intent(inout) :: self
      type(laser_histogram), intent(in) :: from
      integer, intent(out), optional :: status
      call settle(laser_histogram_merge(self%handle, from%handle), status)
   end subroutine histogram_merge

   subroutine histogram_free(self)
      class(laser_histogram), intent(inout) :: self
      call laser_histogram_free(self%handle)
      self%handle = c_null_ptr
   end subroutine histogram_free

   ! --- scores ---

   !> The Jensen-Shannon divergence of two histograms of the same bins, in nats, and in the convention of the LaSeR paper. It
   !! means little without its floor, laser_jsd_floor. LASER_ERR_DATA for an empty histogram or a negative bin.
   subroutine f_jsd(p, q, nats, paper, status)
      type(laser_histogram), intent(in) :: p, q
      real(c_double), intent(out) :: nats
      real(c_double), intent(out), optional :: paper
      integer, intent(out), optional :: status
      real(c_double), target :: found(2)
      found = 0
      call settle(c_jsd(p%handle, q%handle, c_loc(found(1)), c_loc(found(2))), status)
      nats = found(1)
      if (present(paper)) paper = found(2)
   end subroutine f_jsd

   !> The earth mover's distance of two histograms, in units of the axes, and in the paper's convention. Otherwise as laser_jsd.
   subroutine f_emd(p, q, units, paper, status)
      type(laser_histogram), intent(in) :: p, q
      real(c_double), intent(out) :: units
      real(c_double), intent(out), optional :: paper
      integer, intent(out), optional :: status
      real(c_double), target :: found(2)
      found = 0
      call settle(c_emd(p%handle, q%handle, c_loc(found(1)), c_loc(found(2))), status)
      units = found(1)
      if (present(paper)) paper = found(2)
   end subroutine f_emd

   !> What laser_jsd gives for two independent samples of one distribution: mean and standard deviation of a score, of so many
   !! repeats, at least 2, say 100.
   subroutine f_jsd_floor(p, q, repeats, seed, nats, nats_spread, paper, paper_spread, status)
      type(laser_histogram), intent(in) :: p, q
      integer, intent(in) :: repeats
      integer(int64), intent(in) :: seed
      real(c_double), intent(out) :: nats
      real(c_double), intent(out), optional :: nats_spread, paper, paper_spread
      integer, intent(out), optional :: status
      real(c_double), target :: found(4)
      if (negative(repeats, "repeats", status)) return
      found = 0
      call settle(c_jsd_floor(p%handle, q%handle, int(repeats, c_size_t), seed, c_loc(found(1)), c_loc(found(2)), c_loc(found(3)), &
         c_loc(found(4))), status)
      nats = found(1)
      if (present(nats_spread)) nats_spread = found(2)
      if (present(paper)) paper = found(3)
      if (present(paper_spread)) paper_spread = found(4)
   end subroutine f_jsd_floor

   !> What laser_emd gives for two independent samples of one distribution. Takes repeats times as long as laser_emd: say 5.
   subroutine f_emd_floor(p, q, repeats, seed, units, units_spread, paper, paper_spread, status)
      type(laser_histogram), intent(in) :: p, q
      integer, intent(in) :: repeats
      integer(int64), intent(in) :: seed
      real(c_double), intent(out) :: units
      real(c_double), intent(out), optional :: units_spread, paper, paper_spread
      integer, intent(out), optional :: status
      real(c_double), target :: found(4)
      if (negative(repeats, "repeats", status)) return
      found = 0
      call settle(c_emd_floor(p%handle, q%handle, int(repeats, c_size_t), seed, c_loc(found(1)), c_loc(found(2)), c_loc(found(3)), &
         c_loc(found(4))), status)
      units = found(1)
      if (present(units_spread)) units_spread = found(2)
      if (present(paper)) paper = found(3)
      if (present(paper_spread)) paper_spread = found(4)
   end subroutine f_emd_floor

   !> Refuses a feature, counted from 1, that two sources do not have. Sources that were not made are left to C.
   logical function no_feature(p, q, feature, status)
      type(laser_source), intent(in) :: p, q
      integer, intent(in) :: feature
      integer, intent(out), optional :: status
      no_feature = c_associated(p%handle) .and. c_associated(q%handle) .and. (feature < 1 .or. feature > min(p%dim, q%dim))
      if (no_feature) call refuse(LASER_ERR_INVALID_ARGUMENT, "feature is " // trim(decimal(int(feature, int64))) // &
         ", but the events have the features 1 to " // trim(decimal(int(min(p%dim, q%dim), int64))), status)
   end function no_feature

   !> The earth mover's distance of one feature, from 1, of two samples (sources of arrays): with its standard error, and the
   !! floor, which two samples of the same distribution would score. repeats: bootstrap samples, say 20 to 100; below 2 error
   !! and floor are NaN.
   subroutine f_emd_1d(p, q, feature, repeats, seed, distance, error, floor, floor_spread, status)
      type(laser_source), intent(in) :: p, q
      integer, intent(in) :: feature, repeats
      integer(int64), intent(in) :: seed
      real(c_double), intent(out) :: distance
      real(c_double), intent(out), optional :: error, floor, floor_spread
      integer, intent(out), optional :: status
      real(c_double), target :: found(4)
      if (no_feature(p, q, feature, status)) return
      if (negative(repeats, "repeats", status)) return
      found = 0
      call settle(c_emd_1d(p%handle, q%handle, int(feature - 1, c_size_t), int(repeats, c_size_t), seed, c_loc(found(1)), &
         c_loc(found(2)), c_loc(found(3)), c_loc(found(4))), status)
      distance = found(1)
      if (present(error)) error = found(2)
      if (present(floor)) floor = found(3)
      if (present(floor_spread)) floor_spread = found(4)
   end subroutine f_emd_1d

   !> The sliced earth mover's distance, in any dimension: the mean over random directions, say 50, in standard deviations of
   !! the reference.
   subroutine f_sliced_emd(reference, sample, directions, repeats, seed, distance, error, floor, floor_spread, status)
      type(laser_source), intent(in) :: reference, sample
      integer, intent(in) :: directions, repeats
      integer(int64), intent(in) :: seed
      real(c_double), intent(out) :: distance
      real(c_double), intent(out), optional :: error, floor, floor_spread
      integer, intent(out), optional :: status
      real(c_double), target :: found(4)
      if (negative(directions, "directions", status)) return
      if (negative(repeats, "repeats", status)) return
      found = 0
      call settle(c_sliced_emd(reference%handle, sample%handle, int(directions, c_size_t), int(repeats, c_size_t), seed, &
         c_loc(found(1)), c_loc(found(2)), c_loc(found(3)), c_loc(found(4))), status)
      distance = found(1)
      if (present(error)) error = found(2)
      if (present(floor)) floor = found(3)
      if (present(floor_spread)) floor_spread = found(4)
   end subroutine f_sliced_emd

   !> The two-sample Kolmogorov-Smirnov test of one feature, from 1, with weights.
   subroutine f_kolmogorov_smirnov(p, q, feature, statistic, p_value, status)
      type(laser_source), intent(in) :: p, q
      integer, intent(in) :: feature
      real(c_double), intent(out) :: statistic
      real(c_double), intent(out), optional :: p_value
      integer, intent(out), optional :: status
      real(c_double), target :: found(2)
      if (no_feature(p, q, feature, status)) return
      found = 0
      call settle(c_kolmogorov_smirnov(p%handle, q%handle, int(feature - 1, c_size_t), c_loc(found(1)), c_loc(found(2))), status)
      statistic = found(1)
      if (present(p_value)) p_value = found(2)
   end subroutine f_kolmogorov_smirnov

   !> What two samples (sources of arrays) do at an edge: at inequality number `edge`, from 1, of a support, a condition in the
   !! values of events, called x0 ... or by names, with commas. The shares of their weights beyond it, the ratio of the densities
   !! reference / sample just within, and how far that layer reaches, in units of the inequality.
   subroutine f_edge(reference, sample, support, edge, beyond_reference, beyond_sample, beyond_reference_error, &
      beyond_sample_error, ratio, ratio_error, depth, names, status)
      type(laser_source), intent(in) :: reference, sample
      character(len=*), intent(in) :: support
      integer, intent(in) :: edge
      real(c_double), intent(out) :: beyond_reference, beyond_sample
      real(c_double), intent(out), optional :: beyond_reference_error, beyond_sample_error, ratio, ratio_error, depth
      character(len=*), intent(in), optional :: names
      integer, intent(out), optional :: status
      real(c_double), target :: found(7)
      found = 0
      beyond_reference = 0
      beyond_sample = 0
      if (no_edge(edge, status)) return
      call settle(c_edge(reference%handle, sample%handle, c_string(support), c_string(given_names(names)), &
         int(edge - 1, c_size_t), c_loc(found(1)), c_loc(found(2)), c_loc(found(3)), c_loc(found(4)), c_loc(found(5)), &
         c_loc(found(6)), c_loc(found(7))), status)
      beyond_reference = found(1)
      beyond_sample = found(3)
      if (present(beyond_reference_error)) beyond_reference_error = found(2)
      if (present(beyond_sample_error)) beyond_sample_error = found(4)
      if (present(ratio)) ratio = found(5)
      if (present(ratio_error)) ratio_error = found(6)
      if (present(depth)) depth = found(7)
   end subroutine f_edge

   !> How many edges a support of such events has: one for each inequality; 0 on failure.
   integer function f_edge_count(events, support, names, status) result(count)
      type(laser_source), intent(in) :: events
      character(len=*), intent(in) :: support
      character(len=*), intent(in), optional :: names
      integer, intent(out), optional :: status
      integer(c_size_t), target :: found
      found = 0
      call settle(c_edge_count(events%handle, c_string(support), c_string(given_names(names)), c_loc(found)), status)
      count = int(found)
   end function f_edge_count

   !> The inequality that makes an edge, from 1, as it is written; empty on failure.
   subroutine f_edge_inequality(events, support, edge, inequality, names, status)
      type(laser_source), intent(in) :: events
      character(len=*), intent(in) :: support
      integer, intent(in) :: edge
      character(len=:), allocatable, intent(out) :: inequality
      character(len=*), intent(in), optional :: names
      integer, intent(out), optional :: status
      character(kind=c_char), allocatable, target :: buffer(:)
      integer(c_size_t), target :: needed
      integer(c_int32_t) :: code
      inequality = ""
      if (no_edge(edge, status)) return
      needed = 1
      code = c_edge_inequality(events%handle, c_string(support), c_string(given_names(names)), int(edge - 1, c_size_t), &
         c_null_ptr, 0_c_size_t, c_loc(needed))
      allocate (buffer(needed))
      if (code == LASER_OK) code = c_edge_inequality(events%handle, c_string(support), c_string(given_names(names)), &
         int(edge - 1, c_size_t), c_loc(buffer), needed, c_null_ptr)
      call settle(code, status)
      inequality = text_of(buffer)
   end subroutine f_edge_inequality

   logical function no_edge(edge, status)
      integer, intent(in) :: edge
      integer, intent(out), optional :: status
      no_edge = edge < 1
      if (no_edge) call refuse(LASER_ERR_INVALID_ARGUMENT, "edge is " // trim(decimal(int(edge, int64))) // &
         ", but the first is 1", status)
   end function no_edge

   !> Absent names: none.
   function given_names(names) result(list)
      character(len=*), intent(in), optional :: names
      character(len=:), allocatable :: list
      list = ""
      if (present(names)) list = names
   end function given_names

   !> A classifier two-sample test: the larger area under the ROC curves of a fresh network and fresh trees on held-out halves.
   !! 0.5 within the error: they find no difference. Options: the groups "classifier" and "validation"; absent: the paper's
   !! long training.
   recursive subroutine f_two_sample_auc(reference, sample, auc, error, options, hooks, status)
      type(laser_source), intent(in) :: reference, sample
      real(c_double), intent(out) :: auc
      real(c_double), intent(out), optional :: error
      type(laser_options), intent(in), optional :: options
      type(laser_hooks), intent(in), optional :: hooks
      integer, intent(out), optional :: status
      type(c_ptr) :: settings, watch
      real(c_double), target :: found(2)
      if (bad_options(options, settings, status)) return
      if (bad_hooks(hooks, watch, status)) return
      found = 0
      call settle(c_two_sample_auc(reference%handle, sample%handle, settings, watch, c_loc(found(1)), c_loc(found(2))), status)
      auc = found(1)
      if (present(error)) error = found(2)
   end subroutine f_two_sample_auc

   !> The same with the areas of both families of classifiers.
   recursive subroutine f_two_sample_auc_by_family(reference, sample, network, trees, network_error, trees_error, options, &
      hooks, status)
      type(laser_source), intent(in) :: reference, sample
      real(c_double), intent(out) :: network, trees
      real(c_double), intent(out), optional :: network_error, trees_error
      type(laser_options), intent(in), optional :: options
      type(laser_hooks), intent(in), optional :: hooks
      integer, intent(out), optional :: status
      type(c_ptr) :: settings, watch
      real(c_double), target :: found(4)
      if (bad_options(options, settings, status)) return
      if (bad_hooks(hooks, watch, status)) return
      found = 0
      call settle(c_two_sample_auc_by_family(reference%handle, sample%handle, settings, watch, c_loc(found(1)), &
         c_loc(found(2)), c_loc(found(3)), c_loc(found(4))), status)
      network = found(1)
      trees = found(3)
      if (present(network_error)) network_error = found(2)
      if (present(trees_error)) trees_error = found(4)
   end subroutine f_two_sample_auc_by_family

   !> The area under the ROC curve of scores(n), for labels(n) of 1 and 0, with its standard error. Absent w: weights of 1.
   subroutine f_auc(scores, labels, auc, error, w, status)
      real(c_double), intent(in), target, contiguous :: scores(:)
      integer, intent(in) :: labels(:)
      real(c_double), intent(out) :: auc
      real(c_double), intent(out), optional :: error
      real(c_double), intent(in), optional, target, contiguous :: w(:)
      integer, intent(out), optional :: status
      integer(c_int32_t), allocatable, target :: labels_of_c(:)
      real(c_double), target :: found(2)
      if (unequal("labels", size(labels, kind=c_size_t), "elements", size(scores, kind=c_size_t), status)) return
      if (too_short_or_long(w, "w", size(scores, kind=c_size_t), status)) return
      labels_of_c = int(labels, c_int32_t)
      found = 0
      call settle(c_auc(size(scores, kind=c_size_t), first(scores), c_loc(labels_of_c), first(w), c_loc(found(1)), &
         c_loc(found(2))), status)
      auc = found(1)
      if (present(error)) error = found(2)
   end subroutine f_auc

   !> How many unweighted events are worth as much as weighted ones: (sum of w)^2 / (sum of w^2); 0 on failure.
   real(c_double) function f_effective_size(w, status) result(effective_size)
      real(c_double), intent(in), target, contiguous :: w(:)
      integer, intent(out), optional :: status
      real(c_double), target :: found
      found = 0
      call settle(c_effective_size(size(w, kind=c_size_t), first(w), c_loc(found)), status)
      effective_size = found
   end function f_effective_size

   !> Of the draws x(dim, chains, draws) of Markov chains, at least 4 each: split R-hat and effective sample size of every
   !! dimension.
   subroutine f_chain_diagnostics(x, r_hat, effective_size, status)
      real(c_double), intent(in), target, contiguous :: x(:, :, :)
      real(c_double), intent(out), optional, target, contiguous :: r_hat(:), effective_size(:)
      integer, intent(out), optional :: status
      type(c_ptr) :: draws
      if (too_short_or_long(r_hat, "r_hat", size(x, 1, c_size_t), status)) return
      if (too_short_or_long(effective_size, "effective_size", size(x, 1, c_size_t), status)) return
      draws = c_loc(nowhere)
      if (size(x, kind=c_size_t) > 0) draws = c_loc(x)
      call settle(c_chain_diagnostics(size(x, 3, c_size_t), size(x, 2, c_size_t), size(x, 1, c_size_t), draws, first(r_hat), &
         first(effective_size)), status)
   end subroutine f_chain_diagnostics
end module laser
