/**
 * @file laser.h
 * @brief liblaser: latent space refinement (LaSeR) of generative models.
 *
 * A generator g turns latent points z into events x = g(z). A classifier learns where g errs, its density ratio is
 * pulled back to the latent space, and a refiner draws latent points so that g gives precise, unweighted events:
 *
 *     laser_source        where the target's events come from: an array, or a callback into the host's simulator
 *     laser_generator     g, trained on the source
 *     laser_model         g, the classifier, the refiner and all scalings; one immutable file
 *     laser_sampler       a reproducible stream of events from a model
 *
 * For events that are there already the density ratio is enough, and no generator is needed:
 *
 *     laser_reweighter    weights that make the events of one source like those of another
 *
 * Method: Winterhalder, Bellagente, Nachman, Latent Space Refinement for Deep Generative Models, arXiv:2106.00792.
 *
 * @par Status and errors
 * A function that can fail returns a laser_status: LASER_OK = 0 or one of LASER_ERR_*, whose numbers never
 * change. Outputs are the last parameters and stay untouched on failure (but arrays with something for every
 * event, which are filled block by block, may then be filled in part, and where a text does not fit, its size is
 * told). laser_last_error copies out the message of this thread's last failure: it names the argument, what was
 * wrong with it and what would be right. NULL where it is not allowed, zero or overflowing sizes, unknown keys and constants, and NaN where it
 * makes no sense are errors. No exception, panic or abort leaves the library, and no exception of the host may
 * pass through it: catch in the callback, return nonzero.
 *
 * @par Memory
 * Memory whose size comes from an argument, an option, a file or a callback is asked for and, where it cannot be had,
 * the call returns LASER_ERR_MEMORY; its arguments stay usable, and it may be made again when there is more. What
 * is not asked for is small: text, and lists with an entry for every column, layer, network or thread. A host that
 * leaves 4 MiB free for each thread that calls is not ended for want of memory; before longer texts than
 * 64 KiB are read, 72 bytes for each of theirs are tried. A helper thread that cannot be started is done without.
 *
 * @par Ownership
 * Handles are opaque. Each handle that a function gives out belongs to the caller and is freed by the
 * laser_X_free of its type, which takes NULL too. Handles keep what they need of the handles they were made
 * from, and a call those that it was given: they may be freed first, also by a callback of the call. What is lent
 * to a handle, callbacks with their `user` pointers and the array of a source, must live as long: until the handle
 * and those made from it are freed, and no call that uses them runs. All other buffers are the caller's, and are
 * used during the call only. A string given to the library is UTF-8, ends with NUL and is copied; a string that
 * the library returns is static, one that it gives a callback valid until the callback returns.
 *
 * @par Arrays
 * Row-major: one event per row. The stride counts elements, not bytes, from one row to the next, and is at
 * least the row's length, or 0 for packed rows; what lies between rows is neither read nor written. double, or
 * float in the functions that end in _f32. Where weights are read and NULL is allowed, NULL means 1 for every
 * event.
 *
 * @par Threads
 * A const handle may be used by any number of threads at once; a handle that is not const by one at a time: a
 * second use, be it const, gets LASER_ERR_BUSY, not a race. Free a handle when no other thread uses it any more.
 * laser_cancel_trip may be called from any thread and from a signal handler. Work is done on the calling thread
 * and on as many helpers as the option "threads", or "sampler.threads" of a sampler, allows, 1 by default: no
 * helper.
 *
 * @par Callbacks
 * They are called on the thread that called the library, never two at once for one call, and no lock is held
 * meanwhile. `user` comes last and is passed through. 0 means go on; any other number stops the call, which
 * returns LASER_ERR_CALLBACK (laser_last_callback_code gives the number). A callback may call the library, but a
 * call back into a handle that the running call changes gets LASER_ERR_BUSY. It may free any handle: the call keeps
 * what it uses until its end.
 *
 * @par Stacks and the end of threads
 * No call needs more than 96 KiB of stack, besides that of callbacks and, for calls that compute with it, libtorch's.
 * A thread may not end within a call: no pthread_exit in a callback, and no pthread_cancel of a thread that may be in
 * one (pthread_setcancelstate keeps it off); that would unwind the library, which ends the process. A laser_cancel stops
 * calls. Destructors that run when a thread or the process ends may call the library; laser_last_error then tells the
 * first 1000 bytes of a message.
 *
 * @par Reproducibility
 * Event i of stream s with seed k is a function of (model, k, s, i) alone: the same bits whatever the batch
 * sizes, the number of threads and the order of calls, on every CPU (x86-64 with AVX-512, with AVX2 and with
 * neither; AArch64) and with every C library. So are trainings, for a given number of threads, and scores.
 * What libtorch or CUDA computes is equal within rounding. The environment variable LASER_INSTRUCTIONS, "avx512",
 * "avx2" or "portable", chooses slower instructions than the CPU has, and changes no bit. A job can be split over
 * streams, and resumed by laser_sampler_seek.
 *
 * @par The host is left alone
 * The library changes no global state: no thread counts, random generators, signal handlers, locale or
 * environment, and it writes nothing to stdout or stderr; messages go to the log callback. It computes in the
 * default floating-point environment whatever the host's is (rounding, traps, flushed subnormal numbers): no trap
 * goes off inside, no bit depends on it, and the host finds its own again, its flags as it left them. Callbacks
 * run in the host's.
 *
 * @par Versions
 * The shared library's name, liblaser.so.0, carries the number of the ABI, which laser_abi_version tells at
 * run time. Within it, functions are added, never changed.
 */
/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Generated by cbindgen from src/capi: do not edit. */

#ifndef LASER_H
#define LASER_H

#include <stddef.h>
#include <stdint.h>

/** First number of this header's version; `laser_version` gives that of the loaded library. */
#define LASER_VERSION_MAJOR 0

/** Second number of this header's version; `laser_version` gives that of the loaded library. */
#define LASER_VERSION_MINOR 1

/** Third number of this header's version; `laser_version` gives that of the loaded library. */
#define LASER_VERSION_PATCH 0


/**
 * Number of the C ABI that this header describes, the first number of the soname.
 */
#define LASER_ABI_VERSION 0

/**
 * Level of a log message: what the library decided, and why.
 */
#define LASER_LOG_INFO 1

/**
 * Level of a log message: the result may not be what you want; the message says what to do.
 */
#define LASER_LOG_WARNING 2

/**
 * Flag of a simulated event: it has a counterpart at particle level, in the fiducial space.
 */
#define LASER_PAIR_GENERATED 1

/**
 * Flag of a simulated event: it was reconstructed.
 */
#define LASER_PAIR_RECONSTRUCTED 2

/**
 * A token to stop long calls with: it takes effect within one optimisation step or block of events. It stays tripped until it is reset,
 * and one token can serve many calls. Threads: any number at once.
 */
typedef struct laser_cancel laser_cancel;

/**
 * g: turns latent points z into events x. Immutable. Threads: any number at once.
 */
typedef struct laser_generator laser_generator;

/**
 * A histogram of events in two dimensions, for laser_jsd and laser_emd.
 *
 * Bins have equal size, include their lower edges and exclude their upper ones, but the last includes both. Bin i of n over [lo, hi]
 * begins at lo + i * ((hi - lo) / n) in double precision, as in numpy.histogram. Weights that cancel in a bin leave 0 there, not their
 * rounding. Threads: const uses by any number of threads at once; a change alone, else LASER_ERR_BUSY. To fill on several threads, give
 * each a histogram and merge.
 */
typedef struct laser_histogram laser_histogram;

/**
 * How a host watches and stops long calls, where they are kept, and who shares them: callbacks, a cancel token, a checkpoint, all of them
 * optional.
 *
 * Functions that take hooks copy them when called, so hooks may be changed or freed afterwards. Threads: const uses by any
 * number of threads at once; a change alone, else LASER_ERR_BUSY.
 */
typedef struct laser_hooks laser_hooks;

/**
 * A generator with its classifier and refiner: all that makes refined events. Immutable. Threads: any number at once.
 */
typedef struct laser_model laser_model;

/**
 * Settings of training, refining and sampling, by key: "flow.blocks", "classifier.lr", "refiner.method", "device" …
 *
 * laser_options_to_json lists all keys with their values. Functions that take options copy them when called, so options
 * may be changed or freed afterwards. Threads: const uses by any number of threads at once; a change alone, else
 * LASER_ERR_BUSY.
 */
typedef struct laser_options laser_options;

/**
 * Where a long call stands. Exists only inside the progress callback that it is handed to; the library owns it. Read it with
 * the laser_progress_* functions.
 */
typedef struct laser_progress laser_progress;

/**
 * Weights for events of the host: w(x) = p_to(x) / p_from(x), the ratio of the densities of two sources. Immutable. Threads: any number
 * at once.
 */
typedef struct laser_reweighter laser_reweighter;

/**
 * A stream of events from a model. Make one per thread, with streams of their own.
 *
 * Event i of stream s with seed k depends on the model, k, s and i alone, not on how the events are asked for. Threads:
 * generating and seeking one at a time, else LASER_ERR_BUSY; const uses by any number of threads at once.
 */
typedef struct laser_sampler laser_sampler;

/**
 * Where target events come from: an array, a file, or a callback of the host.
 *
 * One source can serve several trainings in turn; the events that it holds out of them stay the same. Threads: a training needs
 * it alone, else LASER_ERR_BUSY; const uses by any number of threads at once; it may move between threads.
 */
typedef struct laser_source laser_source;

/**
 * What every fallible function returns: LASER_OK or one of LASER_ERR_*. The numbers never change.
 */
typedef int32_t laser_status;

/**
 * Called after every update of a training, every block of events of a pilot run or a sampler, and every trajectory of chains.
 *
 * Called only on the thread that made the long call, never concurrently. May call the library, except with the handles that
 * the running call changes (LASER_ERR_BUSY). Must not throw, nor jump out.
 *
 * @param p where the call stands; valid until the callback returns
 * @param user the pointer given with the callback
 * @return 0 to go on; anything else ends the call with LASER_ERR_CALLBACK and this number
 */
typedef int32_t (*laser_progress_fn)(const laser_progress *p, void *user);

/**
 * Called with a message for the user; the library itself prints nothing. The rules of laser_progress_fn hold.
 *
 * @param level LASER_LOG_INFO or LASER_LOG_WARNING; later versions may have more
 * @param message UTF-8 without a newline at its end; valid until the callback returns
 * @param user the pointer given with the callback
 * @return 0 to go on; anything else ends the call with LASER_ERR_CALLBACK and this number
 */
typedef int32_t (*laser_log_fn)(int32_t level, const char *message, void *user);

/**
 * Sums numbers over ranks: replaces each of `n` values by its sum over all of them, as MPI_Allreduce does with MPI_IN_PLACE, MPI_DOUBLE
 * and MPI_SUM.
 *
 * All ranks call it alike, and all must get the same bits, as MPI libraries give them. The rules of laser_progress_fn hold.
 *
 * @param n how many values, at least 1
 * @param values the values, in and out
 * @param user the pointer given with the callback
 * @return 0 to go on; anything else ends the call with LASER_ERR_CALLBACK and this number
 */
typedef int32_t (*laser_allreduce_fn)(size_t n, double *values, void *user);

/**
 * Delivers events: fills up to `n` rows of `dim` values each.
 *
 * Called only on the thread that made the call that trains, never concurrently. May call the library, except with the source
 * that it serves (LASER_ERR_BUSY). Must not throw, nor jump out. Events and weights must be finite, and the total weight
 * positive. Whatever it does not write of the rows that it says it filled, a weight as well as a value, is NaN, and ends the
 * training with LASER_ERR_DATA, which names the row. Events come in random order: the first are held out, and all is judged by them.
 *
 * @param n how many events are wanted, at least 1
 * @param dim values per event
 * @param x `n` rows of `dim` doubles, packed; row i begins at x + i * dim
 * @param w `n` weights; NULL if the source was declared unweighted
 * @param got set it to the number of rows filled, at most `n`; it is 0 when the callback begins. Less than `n` ends the
 * events: the next call begins them again, from the first in the order that they had, or with fresh ones
 * @param user the pointer given with the callback
 * @return 0 to go on; anything else ends the training with LASER_ERR_CALLBACK and this number, unless the option
 * "source.failures" has it asked again: a call that fails has delivered nothing
 */
typedef int32_t (*laser_events_fn)(size_t n, size_t dim, double *x, double *w, size_t *got, void *user);

/**
 * Tells where the events of a callback stand: a number that says, to the same program, what comes next, such as how many were made, or
 * that of a saved state of its random numbers. Asked after every update of a training that a checkpoint keeps. The rules of laser_events_fn
 * hold.
 *
 * @param position receives the number
 * @param user the pointer given with the callback
 * @return 0 to go on; anything else ends the training with LASER_ERR_CALLBACK and this number
 */
typedef int32_t (*laser_tell_fn)(uint64_t *position, void *user);

/**
 * Brings the events of a callback to where they stood when laser_tell_fn told this number, perhaps in another process. The rules of
 * laser_events_fn hold.
 *
 * @param position the number
 * @param user the pointer given with the callback
 * @return 0 to go on; anything else ends the training with LASER_ERR_CALLBACK and this number
 */
typedef int32_t (*laser_seek_fn)(uint64_t position, void *user);

/**
 * Makes events of latent points: a black-box generator, such as a detector simulation or a network of another framework.
 *
 * Called only on the thread that called into the library, never concurrently: while it runs for one thread, another that needs it gets
 * LASER_ERR_BUSY. May call the library, except for events of the same generator (LASER_ERR_BUSY). Must not throw, nor jump out. Row i of
 * `x` must depend on row i of `z` and `c` alone, besides randomness of its own if it was declared stochastic. An event that is not finite
 * counts as failed and is replaced by another.
 *
 * @param n how many events, at least 1
 * @param z `n` rows of `zdim` doubles, packed: standard normal numbers, or refined ones
 * @param zdim N
 * @param c `n` rows of `cdim` doubles, packed: the conditions; NULL if `cdim` is 0
 * @param cdim C
 * @param x receives `n` rows of `xdim` doubles, packed
 * @param xdim M
 * @param user the pointer given with the callback
 * @return 0 to go on; anything else ends the call with LASER_ERR_CALLBACK and this number
 */
typedef int32_t (*laser_generate_fn)(size_t n,
                                     const double *z,
                                     size_t zdim,
                                     const double *c,
                                     size_t cdim,
                                     double *x,
                                     size_t xdim,
                                     void *user);

/**
 * Says which events can be: the support, where no formula of option "support" does.
 *
 * Called only on the thread that called into the library, never concurrently: while it runs for one thread, another that needs it gets
 * LASER_ERR_BUSY. May call the library, except for weights of the same model (LASER_ERR_BUSY). Must not throw, nor jump out. The mark of a
 * row must depend on this row alone, and be the same whenever it is asked for. Events that are not finite cannot be, and it is not asked.
 *
 * @param n how many events, at least 1
 * @param dim M + C
 * @param x `n` rows of `dim` doubles, packed: events followed by their conditions, finite
 * @param inside receives `n` marks: 1 for an event that can be, 0 for one that cannot; all others are LASER_ERR_DATA
 * @param user the pointer given with the callback
 * @return 0 to go on; anything else ends the call with LASER_ERR_CALLBACK and this number
 */
typedef int32_t (*laser_support_fn)(size_t n, size_t dim, const double *x, int32_t *inside, void *user);

/**
 * Delivers uniform random numbers of the host's own generator. Called once for a block of events, more often where events need further
 * proposals.
 *
 * Called only on the thread that asked for events, never concurrently. May call the library, except with the sampler that asks
 * (LASER_ERR_BUSY). Must not throw, nor jump out.
 *
 * @param n how many numbers
 * @param u receives `n` numbers of [0, 1], of at least 32 random bits each; others are LASER_ERR_DATA
 * @param user the pointer given with the callback
 * @return 0 to go on; anything else ends the call with LASER_ERR_CALLBACK and this number
 */
typedef int32_t (*laser_noise_fn)(size_t n, double *u, void *user);

/**
 * Success.
 */
#define LASER_OK 0

/**
 * An argument outside its domain: zero, overflowing or too small a size, NaN, an unknown constant, text that is not UTF-8.
 */
#define LASER_ERR_INVALID_ARGUMENT 1

/**
 * A pointer that must not be NULL was NULL.
 */
#define LASER_ERR_NULL 2

/**
 * An option key that does not exist; the message names near misses.
 */
#define LASER_ERR_UNKNOWN_OPTION 3

/**
 * A file could not be read or written; the message has the path and what the operating system said.
 */
#define LASER_ERR_IO 4

/**
 * Not a valid model file.
 */
#define LASER_ERR_FORMAT 5

/**
 * A callback of the host returned nonzero: laser_last_callback_code tells what.
 */
#define LASER_ERR_CALLBACK 6

/**
 * The cancel token was tripped.
 */
#define LASER_ERR_CANCELLED 7

/**
 * A handle is in use by another call: of another thread, or the one that called the callback that called this.
 */
#define LASER_ERR_BUSY 8

/**
 * This build, model or method cannot do what was asked.
 */
#define LASER_ERR_UNSUPPORTED 9

/**
 * Events that cannot be used: NaN, infinite, too few, without weight.
 */
#define LASER_ERR_DATA 10

/**
 * A computation left the finite numbers.
 */
#define LASER_ERR_NUMERICAL 11

/**
 * The compute device cannot be used; the message says why.
 */
#define LASER_ERR_DEVICE 12

/**
 * libtorch reported an error.
 */
#define LASER_ERR_TORCH 13

/**
 * A defect of liblaser, noticed by itself: please report it.
 */
#define LASER_ERR_INTERNAL 14

/**
 * A defect of liblaser, stopped at its boundary: please report it. Free the handles of that call; do not use them on.
 */
#define LASER_ERR_PANIC 15

/**
 * Memory that cannot be had: the message says how much, and what for. Nothing has changed that another call would meet.
 */
#define LASER_ERR_MEMORY 16

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The name of a status number, for messages.
 *
 * @param status any number
 * @return e.g. "LASER_ERR_IO", or "unknown status"; static, never NULL, not to be freed
 *
 * Threads: any number at once.
 */
const char *laser_status_name(laser_status status);

/**
 * Copies out the message of this thread's last failure: which argument, what was wrong with it, what would be right.
 *
 * Successful calls leave it as it is, and so does this function, whatever it returns; ask after a failure.
 * Too long a message is cut, at a whole character. Before the first failure it is empty.
 *
 * @param buf receives the message, always NUL-terminated; may be NULL if `cap` is 0, to ask for the size only
 * @param cap size of `buf` in bytes
 * @param needed receives the size of the whole message in bytes, its NUL included; may be NULL
 * @return LASER_OK, also for a message that was cut; LASER_ERR_NULL if `buf` is NULL and `cap` is not 0
 *
 * Threads: any number at once, each has its own message.
 */
laser_status laser_last_error(char *buf,
                              size_t cap,
                              size_t *needed);

/**
 * What the callback returned that ended this thread's last failed call.
 *
 * @return the number if that call's status was LASER_ERR_CALLBACK, otherwise 0
 *
 * Threads: any number at once, each has its own number.
 */
int32_t laser_last_callback_code(void);

/**
 * Number of the C ABI of the loaded library.
 *
 * @return LASER_ABI_VERSION of the header it was built with: compare it with yours
 *
 * Threads: any number at once.
 */
uint32_t laser_abi_version(void);

/**
 * Version of the loaded library.
 *
 * @return e.g. "0.1.0"; static, never NULL, not to be freed
 *
 * Threads: any number at once.
 */
const char *laser_version(void);

/**
 * Tells whether a device can be used here, before hours are planned on it. A first question for a CUDA device loads
 * libtorch's CUDA part, which takes memory and a part of a second.
 *
 * @param device "cpu", "cuda" or "cuda:N", as for the option "device"
 * @return LASER_OK; LASER_ERR_DEVICE with the reason in laser_last_error; LASER_ERR_INVALID_ARGUMENT for any other
 * word; LASER_ERR_UNSUPPORTED: a library without libtorch; LASER_ERR_NULL
 *
 * Threads: any number at once.
 */
laser_status laser_device_check(const char *device);

/**
 * Makes options from a preset.
 *
 * @param preset "default" or "paper": the paper's settings; "fast": the same architectures with schedules for few
 * minutes on two cores; NULL is "default"
 * @param out receives the options; the caller frees them with laser_options_free
 * @return LASER_OK; LASER_ERR_INVALID_ARGUMENT for another preset; LASER_ERR_NULL
 *
 * Threads: any number at once.
 */
laser_status laser_options_new(const char *preset,
                               laser_options **out);

/**
 * Makes options from JSON.
 *
 * @param json an object with nested or dotted keys, {"preset": "fast", "flow": {"blocks": 20}, "classifier.lr": 2e-3};
 * keys that are not in it have the values of the preset, or else of "default"
 * @param out receives the options; the caller frees them with laser_options_free
 * @return LASER_OK; LASER_ERR_UNKNOWN_OPTION; LASER_ERR_INVALID_ARGUMENT for text that is not JSON, a value of the wrong
 * kind or out of its range, a key given twice; LASER_ERR_NULL
 *
 * Threads: any number at once.
 */
laser_status laser_options_from_json(const char *json,
                                     laser_options **out);

/**
 * Sets an integer option, or a floating-point option to an integer.
 *
 * @param options what to change; unchanged on failure
 * @param key name of the option
 * @param value its new value
 * @return LASER_OK; LASER_ERR_UNKNOWN_OPTION; LASER_ERR_INVALID_ARGUMENT for a text option or a value out of its range;
 * LASER_ERR_NULL; LASER_ERR_BUSY
 *
 * Threads: needs `options` alone.
 */
laser_status laser_options_set_i64(laser_options *options,
                                   const char *key,
                                   int64_t value);

/**
 * Sets a floating-point option.
 *
 * @param options what to change; unchanged on failure
 * @param key name of the option
 * @param value its new value, in the unit that the option's description states
 * @return LASER_OK; LASER_ERR_UNKNOWN_OPTION; LASER_ERR_INVALID_ARGUMENT for an option of another kind, NaN, infinity or
 * a value out of its range; LASER_ERR_NULL; LASER_ERR_BUSY
 *
 * Threads: needs `options` alone.
 */
laser_status laser_options_set_f64(laser_options *options,
                                   const char *key,
                                   double value);

/**
 * Sets a text option.
 *
 * @param options what to change; unchanged on failure
 * @param key name of the option
 * @param value its new value; copied
 * @return LASER_OK; LASER_ERR_UNKNOWN_OPTION; LASER_ERR_INVALID_ARGUMENT for an option of another kind or a word that is
 * not among its choices; LASER_ERR_NULL; LASER_ERR_BUSY
 *
 * Threads: needs `options` alone.
 */
laser_status laser_options_set_str(laser_options *options,
                                   const char *key,
                                   const char *value);

/**
 * Reads an integer option.
 *
 * @param options what to read
 * @param key name of the option
 * @param value receives its value
 * @return LASER_OK; LASER_ERR_UNKNOWN_OPTION; LASER_ERR_INVALID_ARGUMENT for an option of another kind; LASER_ERR_NULL;
 * LASER_ERR_BUSY while the options are being changed
 *
 * Threads: any number at once.
 */
laser_status laser_options_get_i64(const laser_options *options,
                                   const char *key,
                                   int64_t *value);

/**
 * Reads a floating-point option.
 *
 * @param options what to read
 * @param key name of the option
 * @param value receives its value
 * @return LASER_OK; LASER_ERR_UNKNOWN_OPTION; LASER_ERR_INVALID_ARGUMENT for an option of another kind; LASER_ERR_NULL;
 * LASER_ERR_BUSY while the options are being changed
 *
 * Threads: any number at once.
 */
laser_status laser_options_get_f64(const laser_options *options,
                                   const char *key,
                                   double *value);

/**
 * Reads a text option.
 *
 * @param options what to read
 * @param key name of the option
 * @param buf receives its value, NUL-terminated; NULL with `cap` 0 asks for the size only
 * @param cap size of `buf` in bytes
 * @param needed receives the size of the value in bytes, its NUL included, also if `buf` is too small; may be NULL
 * @return LASER_OK; LASER_ERR_UNKNOWN_OPTION; LASER_ERR_INVALID_ARGUMENT for an option of another kind or too small a
 * buffer; LASER_ERR_NULL; LASER_ERR_BUSY while the options are being changed
 *
 * Threads: any number at once.
 */
laser_status laser_options_get_str(const laser_options *options,
                                   const char *key,
                                   char *buf,
                                   size_t cap,
                                   size_t *needed);

/**
 * Prints all options, defaults included, as nested JSON that laser_options_from_json reads back.
 *
 * @param options what to print
 * @param buf receives the JSON, NUL-terminated; NULL with `cap` 0 asks for the size only
 * @param cap size of `buf` in bytes
 * @param needed receives the size of the JSON in bytes, its NUL included, also if `buf` is too small; may be NULL
 * @return LASER_OK; LASER_ERR_INVALID_ARGUMENT for too small a buffer; LASER_ERR_NULL; LASER_ERR_BUSY while the options
 * are being changed
 *
 * Threads: any number at once.
 */
laser_status laser_options_to_json(const laser_options *options,
                                   char *buf,
                                   size_t cap,
                                   size_t *needed);

/**
 * Frees options.
 *
 * @param options what to free; NULL is fine
 *
 * Threads: no other thread may use `options` any more.
 */
void laser_options_free(laser_options *options);

/**
 * Makes a cancel token that is not tripped.
 *
 * @param out receives the token; the caller frees it with laser_cancel_free
 * @return LASER_OK; LASER_ERR_NULL
 *
 * Threads: any number at once.
 */
laser_status laser_cancel_new(laser_cancel **out);

/**
 * Trips a token: calls whose hooks hold it return LASER_ERR_CANCELLED soon, calls that begin later at once.
 *
 * @param cancel the token; NULL does nothing
 *
 * Threads: any number at once; safe in a signal handler.
 */
void laser_cancel_trip(const laser_cancel *cancel);

/**
 * Makes a tripped token usable again.
 *
 * @param cancel the token
 * @return LASER_OK; LASER_ERR_NULL
 *
 * Threads: any number at once; a call that has not yet noticed the trip misses it.
 */
laser_status laser_cancel_reset(const laser_cancel *cancel);

/**
 * Tells whether a token is tripped.
 *
 * @param cancel the token
 * @return 1 if it is tripped; 0 if not, or for NULL
 *
 * Threads: any number at once; safe in a signal handler.
 */
int32_t laser_cancel_is_tripped(const laser_cancel *cancel);

/**
 * Frees a token. Hooks that hold it keep it alive for themselves.
 *
 * @param cancel what to free; NULL is fine
 *
 * Threads: no other thread may use `cancel` any more.
 */
void laser_cancel_free(laser_cancel *cancel);

/**
 * Makes hooks without callbacks and without a token.
 *
 * @param out receives the hooks; the caller frees them with laser_hooks_free
 * @return LASER_OK; LASER_ERR_NULL
 *
 * Threads: any number at once.
 */
laser_status laser_hooks_new(laser_hooks **out);

/**
 * Sets the progress callback.
 *
 * @param hooks what to change
 * @param progress the callback; NULL for none
 * @param user handed to the callback; must be usable on the threads of the calls that get these hooks
 * @return LASER_OK; LASER_ERR_NULL if `hooks` is NULL; LASER_ERR_BUSY
 *
 * Threads: needs `hooks` alone.
 */
laser_status laser_hooks_set_progress(laser_hooks *hooks, laser_progress_fn progress, void *user);

/**
 * Sets the log callback.
 *
 * @param hooks what to change
 * @param log the callback; NULL for none
 * @param user handed to the callback; must be usable on the threads of the calls that get these hooks
 * @return LASER_OK; LASER_ERR_NULL if `hooks` is NULL; LASER_ERR_BUSY
 *
 * Threads: needs `hooks` alone.
 */
laser_status laser_hooks_set_log(laser_hooks *hooks, laser_log_fn log, void *user);

/**
 * Sets the cancel token.
 *
 * @param hooks what to change
 * @param cancel the token, shared with the hooks: either may be freed first; NULL for none
 * @return LASER_OK; LASER_ERR_NULL if `hooks` is NULL; LASER_ERR_BUSY
 *
 * Threads: needs `hooks` alone.
 */
laser_status laser_hooks_set_cancel(laser_hooks *hooks, const laser_cancel *cancel);

/**
 * Sets a checkpoint: a file in which trainings are kept, and from which the same call, made again, goes on to the same bits as if it had
 * not been stopped, in whatever stage of the protocol it was: on the same type of machine, with the same options and number of threads.
 * It is written so often as is said here, at the end of every training, and when a call is stopped by its hooks or fails; it appears whole
 * or not at all, so that a process may be killed at any moment.
 *
 * What is made again is what lies between the trainings. An array must be the same, which is checked; a callback of events must deliver
 * the same events again, from its beginning, and is asked for those that were used already once more unless it has positions
 * (laser_source_set_position); a callback generator must make the same events of the same latents. Where they do not, the held-out events
 * tell, if there are any, and the call is LASER_ERR_INVALID_ARGUMENT, as it is with other options, another generator, another number of
 * ranks, another version of the library, or another process at the same file; the message names the difference, and the file stays. One
 * file serves one job: the training of a generator, its refinement, and that of another refiner, in turn; a job of several calls is made
 * again from its first, in their order. Of ranks (laser_hooks_set_allreduce) all set one, with the same file. When the job is done the
 * file still has it: the same calls give the same results at once. Remove it when the model is saved.
 *
 * Where the file cannot be written, a warning goes to the log callback and the training goes on. A training that has failed for good
 * (LASER_ERR_NUMERICAL) leaves its best parameters in the file: the same call, made again, goes on with them, with a warning in the model.
 *
 * @param hooks what to change
 * @param path the file, in UTF-8; it need not be there; NULL for no checkpoint
 * @param seconds how many seconds lie between two writings; above 0
 * @param steps how many updates lie between two writings, besides; 0 for none
 * @return LASER_OK; LASER_ERR_NULL if `hooks` is NULL; LASER_ERR_INVALID_ARGUMENT for a path that is not UTF-8 or `seconds` that are not
 * positive; LASER_ERR_BUSY. Calls with these hooks return LASER_ERR_FORMAT for a file that is no checkpoint, LASER_ERR_IO for one that
 * cannot be read, LASER_ERR_BUSY while another call uses it
 *
 * Threads: needs `hooks` alone.
 */
laser_status laser_hooks_set_checkpoint(laser_hooks *hooks,
                                        const char *path,
                                        double seconds,
                                        uint64_t steps);

/**
 * Makes this process one of several ranks that make long calls together: trainings, refinements and two-sample scores. All ranks make the
 * same call with the same options; each works on its own part of the rows of every batch and block, and the host sums what they found. So
 * all take the same decisions and end with the same result, to the bit; with the same batch it is that of one process within rounding.
 *
 * An array must be the same on every rank, which is checked. Callbacks of events are asked on every rank for a part of the events, which
 * all ranks share then: they deliver without end, each its own (other seeds). The numbers of a batch are as of one process: with 64 ranks,
 * take batches that are worth it. A checkpoint is written by rank 0, and read by all: after a call that was stopped let the ranks meet, as
 * by MPI_Barrier, before the next with the same checkpoint, since rank 0 may still be writing it.
 *
 * A rank that ends a call, by its hooks or by an error, takes the others with it: they return LASER_ERR_CALLBACK. So do all where the
 * callback fails, or where they find that they do not do the same.
 *
 * @param hooks what to change
 * @param rank the number of this one, from 0
 * @param ranks how many there are, at most 65536
 * @param allreduce sums over them; NULL for a process by itself, whatever `rank` and `ranks` are
 * @param user handed to the callback
 * @return LASER_OK; LASER_ERR_NULL if `hooks` is NULL; LASER_ERR_INVALID_ARGUMENT if `rank` is not below `ranks`; LASER_ERR_BUSY
 *
 * Threads: needs `hooks` alone. One call at a time may use hooks with ranks.
 */
laser_status laser_hooks_set_allreduce(laser_hooks *hooks,
                                       size_t rank,
                                       size_t ranks,
                                       laser_allreduce_fn allreduce,
                                       void *user);

/**
 * Frees hooks.
 *
 * @param hooks what to free; NULL is fine
 *
 * Threads: no other thread may use `hooks` any more.
 */
void laser_hooks_free(laser_hooks *hooks);

/**
 * What is running.
 *
 * @param p what the callback was given
 * @return "flow", "gan_generator", "vae", "classifier", "trees", "omnifold_events", "omnifold_latents", "pilot", "pool", "gan",
 * "refiner_flow", "pairs", "matching", "chains", "sampling", "unfold_fakes",
 * "unfold_detector" or "unfold_particles"; valid until the callback returns; "" if `p` is NULL
 *
 * Threads: inside the callback.
 */
const char *laser_progress_stage(const laser_progress *p);

/**
 * The current epoch.
 *
 * @param p what the callback was given
 * @return number of the epoch, the first is 1; 0 if `p` is NULL
 *
 * Threads: inside the callback.
 */
uint64_t laser_progress_epoch(const laser_progress *p);

/**
 * The epochs planned for this stage.
 *
 * @param p what the callback was given
 * @return number of epochs; 0 if `p` is NULL
 *
 * Threads: inside the callback.
 */
uint64_t laser_progress_epochs(const laser_progress *p);

/**
 * The updates, or blocks of events, done in this stage; of "sampling" the events, of "chains" the trajectories of each.
 *
 * @param p what the callback was given
 * @return number of the step within the stage, the first is 1; 0 if `p` is NULL
 *
 * Threads: inside the callback.
 */
uint64_t laser_progress_step(const laser_progress *p);

/**
 * The updates, or blocks of events, planned for this stage; of "sampling" the events, of "chains" the trajectories of each. Early
 * stopping, or a source that ends sooner, makes them fewer.
 *
 * @param p what the callback was given
 * @return number of steps; 0 if `p` is NULL
 *
 * Threads: inside the callback.
 */
uint64_t laser_progress_steps(const laser_progress *p);

/**
 * The training loss.
 *
 * @param p what the callback was given
 * @return mean over the current epoch so far, in nats per event; NaN if the stage has none or `p` is NULL
 *
 * Threads: inside the callback.
 */
double laser_progress_loss(const laser_progress *p);

/**
 * The loss of the held-out events.
 *
 * @param p what the callback was given
 * @return that after the last finished epoch, in nats per event; NaN until it is known, or if `p` is NULL
 *
 * Threads: inside the callback.
 */
double laser_progress_validation_loss(const laser_progress *p);

/**
 * The time that this stage will still take.
 *
 * @param p what the callback was given
 * @return an estimate in seconds; NaN until there is one, or if `p` is NULL
 *
 * Threads: inside the callback.
 */
double laser_progress_seconds_left(const laser_progress *p);

/**
 * Makes a source of events in an array. The arrays are borrowed: they must live and stay unchanged until the source is
 * freed and no call uses it.
 *
 * @param x `n` rows of `dim` doubles; row i begins at x + i * stride
 * @param w `n` weights, which may be negative if their sum is positive; NULL for weights of 1
 * @param n number of events, at least 1
 * @param dim values per event, at least 1
 * @param stride doubles between the beginnings of rows, at least `dim`; 0 for packed rows
 * @param out receives the source; the caller frees it with laser_source_free
 * @return LASER_OK; LASER_ERR_INVALID_ARGUMENT for zero or overflowing sizes; LASER_ERR_DATA naming the first row and column
 * that is NaN or infinite; LASER_ERR_NULL
 *
 * Threads: any number at once.
 */
laser_status laser_source_from_array(const double *x,
                                     const double *w,
                                     size_t n,
                                     size_t dim,
                                     size_t stride,
                                     laser_source **out);

/**
 * Makes a source of the events in a file: NumPy's .npy of one or two dimensions, of doubles or single precision, in C or Fortran order, or one
 * of named fields; or doubles behind a header of 24 bytes: the letters LASERF64, then the number of columns and the number of rows, each a
 * little-endian integer of 8 bytes; behind it the rows, little-endian. Every row is an event, its conditions behind its features.
 *
 * A file that takes no more memory than "source.memory" is read now; it is what an array of the same rows is, with the same bits in all that
 * is trained on it. A larger one stays open and is read in parts, each shuffled, as they are needed: memory and the time of this call do not
 * grow with it. It must stay as it is until the source is freed; if it is cut meanwhile, the training ends with LASER_ERR_IO.
 *
 * @param path the file, in UTF-8
 * @param options "source.weight": the column of the weights, by its name or number; "source.memory"; NULL for the defaults. Others do not
 * matter here
 * @param out receives the source; the caller frees it with laser_source_free
 * @return LASER_OK; LASER_ERR_IO; LASER_ERR_DATA for a file of another kind or one that does not hold what its header states, and naming the
 * first row and column that is NaN or infinite (of a large file the training says it); LASER_ERR_INVALID_ARGUMENT for a path that is not
 * UTF-8, a column that there is not, no events or too many columns; LASER_ERR_MEMORY; LASER_ERR_NULL; LASER_ERR_BUSY while `options` are
 * being changed
 *
 * Threads: any number at once.
 */
laser_status laser_source_from_file(const char *path,
                                    const laser_options *options,
                                    laser_source **out);

/**
 * Values per event, its conditions included and its weight not.
 *
 * @param source what to ask
 * @param out receives the number
 * @return LASER_OK; LASER_ERR_NULL; LASER_ERR_BUSY while a training uses `source`
 *
 * Threads: any number at once.
 */
laser_status laser_source_event_dim(const laser_source *source, size_t *out);

/**
 * Makes a source that asks a callback for events, batch by batch. Memory does not grow with their number.
 *
 * The options of a training say how often a callback that fails is asked again ("source.failures"), among how many of its events the next
 * is drawn ("source.shuffle"), and after how many they begin again without its saying so ("source.events").
 *
 * @param dim values per event, at least 1
 * @param weighted 1 if the callback gives weights, 0 if all events weigh 1
 * @param events the callback
 * @param user handed to the callback; must live until the source is freed and no call uses it, and be usable on the
 * threads of the calls that get this source
 * @param out receives the source; the caller frees it with laser_source_free
 * @return LASER_OK; LASER_ERR_INVALID_ARGUMENT if `dim` is 0 or `weighted` neither 0 nor 1; LASER_ERR_NULL, also if `events`
 * is NULL
 *
 * Threads: any number at once. The callback is not called here.
 */
laser_status laser_source_from_callback(size_t dim,
                                        int32_t weighted,
                                        laser_events_fn events,
                                        void *user,
                                        laser_source **out);

/**
 * Gives a callback's events positions, so that a training that goes on from a checkpoint asks only for events that it has not used: without
 * them it asks for all once more, which a slow simulator makes dear. The first of them, by which the events are measured and which are held
 * out, are asked for in either case. A stream that is shuffled ("source.shuffle") is asked for all.
 *
 * @param source a source of laser_source_from_callback
 * @param tell tells where the events stand; NULL, as `seek`, for no positions
 * @param seek restores it
 * @param user handed to both
 * @return LASER_OK; LASER_ERR_INVALID_ARGUMENT if one of the callbacks is NULL and the other is not, or for a source of another kind;
 * LASER_ERR_NULL if `source` is NULL; LASER_ERR_BUSY while a training uses it
 *
 * Threads: needs `source` alone.
 */
laser_status laser_source_set_position(laser_source *source,
                                       laser_tell_fn tell,
                                       laser_seek_fn seek,
                                       void *user);

/**
 * Frees a source.
 *
 * @param source what to free; NULL is fine
 *
 * Threads: no other thread may use `source` any more.
 */
void laser_source_free(laser_source *source);

/**
 * Trains a generator on target events, with the events' weights. The option "generator.type" says what kind: "flow", a normalizing flow,
 * by maximum likelihood; "gan", the generator of a GAN; "vae", the decoder of a variational autoencoder. Only a flow has a density and an
 * inverse: with the others, log p and the latents of events are LASER_ERR_UNSUPPORTED. Their latent space may have any dimension
 * ("generator.latent"), but with fewer dimensions than features the events lie on a surface, beside which no refinement can put any.
 *
 * The calling thread works until it is done; the callbacks of source and hooks are called on it.
 *
 * @param target the events; in use until the call returns
 * @param options the groups "generator", "features", "target" and "validation", that of the kind ("flow", "gan_generator" or "vae"), and
 * "conditions", "support", "seed", "dtype", "backend", "device", "threads"; copied; NULL for the defaults, which are the paper's settings and take
 * ten times as long as the preset "fast" and more
 * @param hooks progress, log and cancel; copied; NULL for none
 * @param out receives the generator; the caller frees it with laser_generator_free
 * @return LASER_OK; LASER_ERR_CALLBACK, LASER_ERR_CANCELLED: stopped by the host; LASER_ERR_DATA: events that are not finite
 * (the message has row and column), too few, without positive weight; LASER_ERR_NUMERICAL: the loss is no longer finite;
 * LASER_ERR_DEVICE; LASER_ERR_TORCH; LASER_ERR_UNSUPPORTED: a flow of events of one feature, or libtorch asked of a library without it;
 * LASER_ERR_INVALID_ARGUMENT: options that do not fit the kind of generator; LASER_ERR_BUSY: `target` is in use; LASER_ERR_NULL.
 * Whatever went wrong, but LASER_ERR_PANIC, all arguments stay usable.
 *
 * Threads: needs `target` alone; `options` and `hooks` may be shared.
 */
laser_status laser_generator_train(laser_source *target,
                                   const laser_options *options,
                                   const laser_hooks *hooks,
                                   laser_generator **out);

/**
 * Saves a generator to a model file. The file appears whole or not at all, and replaces what had its name.
 *
 * @param generator what to save
 * @param path the file, in UTF-8
 * @return LASER_OK; LASER_ERR_IO; LASER_ERR_INVALID_ARGUMENT for a path that is not UTF-8; LASER_ERR_NULL
 *
 * Threads: any number at once.
 */
laser_status laser_generator_save(const laser_generator *generator, const char *path);

/**
 * Loads a generator: that of a model file, be it one of laser_generator_save or of laser_model_save, or a TorchScript module, a file of
 * torch.jit.save that takes one tensor of rows of N latents followed by C conditions and returns one of rows of M features. A module needs
 * libtorch, has no density, and is saved whole with the models made of it. A row of its output must depend on the same row of its input
 * alone.
 *
 * @param path the file, in UTF-8
 * @param options for a module, "generator.latent": N, "conditions": C, and "dtype", in which it computes; else no key changes how this
 * version reads files; NULL for the defaults
 * @param out receives the generator; the caller frees it with laser_generator_free
 * @return LASER_OK; LASER_ERR_IO; LASER_ERR_FORMAT for a file that is neither; LASER_ERR_UNSUPPORTED for that of a reweighter;
 * LASER_ERR_INVALID_ARGUMENT for a path that is not UTF-8, a module without "generator.latent" or one that returns no rows; LASER_ERR_TORCH for a module that does not load or run;
 * LASER_ERR_UNSUPPORTED for one without libtorch; LASER_ERR_NULL; LASER_ERR_BUSY while `options` are being changed
 *
 * Threads: any number at once.
 */
laser_status laser_generator_load(const char *path,
                                  const laser_options *options,
                                  laser_generator **out);

/**
 * M, the values per event.
 *
 * @param generator what to ask
 * @param out receives M
 * @return LASER_OK; LASER_ERR_NULL
 *
 * Threads: any number at once.
 */
laser_status laser_generator_event_dim(const laser_generator *generator, size_t *out);

/**
 * C, the values of the condition of an event; 0 for a generator without conditions.
 *
 * @param generator what to ask
 * @param out receives C
 * @return LASER_OK; LASER_ERR_NULL
 *
 * Threads: any number at once.
 */
laser_status laser_generator_condition_dim(const laser_generator *generator, size_t *out);

/**
 * N, the dimensions of the latent space.
 *
 * @param generator what to ask
 * @param out receives N
 * @return LASER_OK; LASER_ERR_NULL
 *
 * Threads: any number at once.
 */
laser_status laser_generator_latent_dim(const laser_generator *generator, size_t *out);

/**
 * Frees a generator. Models made from it do not need it.
 *
 * @param generator what to free; NULL is fine
 *
 * Threads: no other thread may use `generator` any more.
 */
void laser_generator_free(laser_generator *generator);

/**
 * Makes a generator of a callback of the host. It can be refined like any other; it has no density, and no gradient.
 *
 * A stochastic one turns the same latent point into different events. Then w(g(z)) is no function of z, and laser_refine learns one by
 * OmniFold (option "pullback.method"). Its hidden randomness is the host's: what the library promises of the bits of events holds for the
 * latent points alone.
 *
 * @param zdim N, dimensions of the latent space, at least 1
 * @param cdim C, values of the condition; 0 for none
 * @param xdim M, values per event, at least 1
 * @param stochastic 1 if it draws randomness of its own, else 0
 * @param generate the callback
 * @param user handed to the callback; must live until the generator, and every model and sampler made from it, is freed
 * @param options key "dtype", the precision of the networks that models of it get; NULL for the defaults
 * @param out receives the generator; the caller frees it with laser_generator_free
 * @return LASER_OK; LASER_ERR_INVALID_ARGUMENT for dimensions out of range, or `stochastic` neither 0 nor 1; LASER_ERR_NULL, also if
 * `generate` is NULL; LASER_ERR_BUSY while `options` are being changed
 *
 * Threads: any number at once. The callback is not called here.
 */
laser_status laser_generator_from_callback(size_t zdim,
                                           size_t cdim,
                                           size_t xdim,
                                           int32_t stochastic,
                                           laser_generate_fn generate,
                                           void *user,
                                           const laser_options *options,
                                           laser_generator **out);

/**
 * Attaches a callback to the generator of a loaded model that was made for one: files hold no callbacks. A callback for its support that
 * laser_model_attach_support attached stays.
 *
 * A model that was refined for a generator without randomness of its own remembers eight of its events. Before the first events that the
 * callback makes for the new model it is asked for these: if it makes others, it is another generator, or another version of it, and whatever
 * needs its events is LASER_ERR_INVALID_ARGUMENT. Features may be off by what another machine rounds; those that are nothing but what
 * rounding leaves of larger numbers, as the mass of a massless particle, by a thousandth of these. To know them from others, the callback may be
 * asked for the events of latents that differ in the seventh digit.
 *
 * @param model a model whose generator is a callback; stays as it is
 * @param zdim N, as laser_model_latent_dim says; so that a callback for other dimensions is found out
 * @param cdim C, as laser_model_condition_dim says
 * @param xdim M, as laser_model_event_dim says
 * @param generate the callback
 * @param user handed to the callback; must live until the new model, and every sampler made from it, is freed
 * @param out receives a model that is `model` with the callback; the caller frees it with laser_model_free
 * @return LASER_OK; LASER_ERR_INVALID_ARGUMENT if the dimensions are others, or the model has a generator of its own; LASER_ERR_NULL
 *
 * Threads: any number at once. The callback is not called here.
 */
laser_status laser_model_attach(const laser_model *model,
                                size_t zdim,
                                size_t cdim,
                                size_t xdim,
                                laser_generate_fn generate,
                                void *user,
                                laser_model **out);

/**
 * Makes a generator that is the same, with a callback that says where its events can be. Refining it goes by that: the weight of events
 * outside is exactly 0, as with the option "support", which must then be empty.
 *
 * Replaces the support that `generator` had, be it of a formula or of a callback. Baseline events are what the generator makes, also outside.
 * Files of the new generator, and of models of it, hold all but the callback: give it again after loading, to a model by
 * laser_model_attach_support.
 *
 * @param generator any generator; stays as it is, and may be freed first
 * @param dim M + C, as laser_generator_event_dim and laser_generator_condition_dim say; so that a callback for others is found out
 * @param support the callback
 * @param user handed to the callback; must live until the new generator, and every model and sampler made from it, is freed
 * @param out receives the new generator; the caller frees it with laser_generator_free
 * @return LASER_OK; LASER_ERR_INVALID_ARGUMENT if `dim` is another; LASER_ERR_NULL, also if `support` is NULL
 *
 * Threads: any number at once. The callback is not called here.
 */
laser_status laser_generator_with_support(const laser_generator *generator,
                                          size_t dim,
                                          laser_support_fn support,
                                          void *user,
                                          laser_generator **out);

/**
 * Attaches a callback to a loaded model whose support is one: files hold no callbacks. Without it, what needs weights is
 * LASER_ERR_UNSUPPORTED. A generator that laser_model_attach attached stays.
 *
 * @param model a model refined from a generator of laser_generator_with_support; stays as it is
 * @param dim M + C, as laser_model_event_dim and laser_model_condition_dim say; so that a callback for others is found out
 * @param support the callback
 * @param user handed to the callback; must live until the new model, and every sampler made from it, is freed
 * @param out receives a model that is `model` with the callback; the caller frees it with laser_model_free
 * @return LASER_OK; LASER_ERR_INVALID_ARGUMENT if `dim` is another, or the model's support is no callback; LASER_ERR_NULL
 *
 * Threads: any number at once. The callback is not called here.
 */
laser_status laser_model_attach_support(const laser_model *model,
                                        size_t dim,
                                        laser_support_fn support,
                                        void *user,
                                        laser_model **out);

/**
 * Refines a generator (LaSeR): trains the classifier of target against generated events, pulls its weights back to the latent
 * space, and prepares or trains the refiner that option "refiner.method" names.
 *
 * Weights of target events may be negative, as those of matched samples are: the ratio is found wherever the weights of a region sum to
 * more than 0. Where they do not there is no ratio, and w tends to 0. Weights may have any unit.
 *
 * The calling thread works until it is done; the callbacks of source and hooks are called on it.
 *
 * @param generator what to refine; the model keeps what it needs of it
 * @param target the events; in use until the call returns. May be the source that trained the generator
 * @param options the groups "classifier", "pullback", "weights", "refiner", "iteration" (with that of the generator), "rejection",
 * "resampling", "gan", "refiner_flow", "matching", "hmc", "target" and "validation", for a generator that is a callback or module also "features",
 * and "support", "seed", "dtype", "backend", "device", "threads"; copied; NULL for the defaults, which are the paper's settings and take longer than
 * the preset "fast"
 * @param hooks progress, log and cancel; copied; NULL for none
 * @param out receives the model; the caller frees it with laser_model_free
 * @return LASER_OK; LASER_ERR_INVALID_ARGUMENT if the events differ from the generator's in dimension, or "dtype" from its own;
 * else as laser_generator_train
 *
 * Threads: needs `target` alone; the others may be shared.
 */
laser_status laser_refine(const laser_generator *generator,
                          laser_source *target,
                          const laser_options *options,
                          const laser_hooks *hooks,
                          laser_model **out);

/**
 * Gives a model another refiner: its classifier stays, the weights are judged again, and the refiner that option "refiner.method" names is
 * prepared or trained. Nothing is iterated. So several refiners can be tried, or one be trained longer, without training the classifier
 * again.
 *
 * @param model a model that laser_refine made, or a file of one; stays as it is
 * @param target the target's events, whose conditions refiners learn with, and which trees judge the weights by; NULL for a model without
 * conditions, which needs none. In use until the call returns
 * @param options the groups "weights", "refiner", that of the method, and "seed", "backend", "device", "threads"; copied; NULL for the
 * defaults
 * @param hooks progress, log and cancel; copied; NULL for none
 * @param out receives the model; the caller frees it with laser_model_free
 * @return LASER_OK; LASER_ERR_UNSUPPORTED for a model without a classifier; LASER_ERR_INVALID_ARGUMENT for one with conditions if `target`
 * is NULL or has other columns; else as laser_refine
 *
 * Threads: needs `target` alone; the others may be shared.
 */
laser_status laser_model_refine(const laser_model *model,
                                laser_source *target,
                                const laser_options *options,
                                const laser_hooks *hooks,
                                laser_model **out);

/**
 * Makes a model of a generator alone: the baseline, without classifier and refiner.
 *
 * @param generator shared with the model: either may be freed first
 * @param out receives the model; the caller frees it with laser_model_free
 * @return LASER_OK; LASER_ERR_NULL
 *
 * Threads: any number at once.
 */
laser_status laser_model_from_generator(const laser_generator *generator, laser_model **out);

/**
 * Saves a model to one file, a safetensors file that describes itself. It appears whole or not at all, and replaces what had its
 * name.
 *
 * @param model what to save
 * @param path the file, in UTF-8
 * @return LASER_OK; LASER_ERR_IO; LASER_ERR_INVALID_ARGUMENT for a path that is not UTF-8; LASER_ERR_NULL
 *
 * Threads: any number at once.
 */
laser_status laser_model_save(const laser_model *model,
                              const char *path);

/**
 * Loads a model file. The saved and the loaded model generate the same bits.
 *
 * @param path the file, in UTF-8
 * @param options NULL for the defaults; no key changes how this version reads files
 * @param out receives the model; the caller frees it with laser_model_free
 * @return LASER_OK; LASER_ERR_IO; LASER_ERR_FORMAT for a file that is not a valid model; LASER_ERR_UNSUPPORTED for that of a reweighter;
 * LASER_ERR_INVALID_ARGUMENT for a path that is not UTF-8; LASER_ERR_NULL; LASER_ERR_BUSY while `options` are being changed
 *
 * Threads: any number at once.
 */
laser_status laser_model_load(const char *path,
                              const laser_options *options,
                              laser_model **out);

/**
 * M, the values per event.
 *
 * @param model what to ask
 * @param out receives M
 * @return LASER_OK; LASER_ERR_NULL
 *
 * Threads: any number at once.
 */
laser_status laser_model_event_dim(const laser_model *model, size_t *out);

/**
 * N, the dimensions of the generator's latent space.
 *
 * @param model what to ask
 * @param out receives N
 * @return LASER_OK; LASER_ERR_NULL
 *
 * Threads: any number at once.
 */
laser_status laser_model_latent_dim(const laser_model *model, size_t *out);

/**
 * C, the values of the condition of an event; 0 for a model without conditions.
 *
 * @param model what to ask
 * @param out receives C
 * @return LASER_OK; LASER_ERR_NULL
 *
 * Threads: any number at once.
 */
laser_status laser_model_condition_dim(const laser_model *model, size_t *out);

/**
 * The method by which samplers make events unless told otherwise: the one that option "refiner.method" named, or that "auto" chose.
 *
 * @param model what to ask
 * @param buf receives one of the words of "sampler.method", NUL-terminated, as "rejection"; NULL with `cap` 0 asks for the size only
 * @param cap size of `buf` in bytes
 * @param needed receives the size of the word in bytes, its NUL included, also if `buf` is too small; may be NULL
 * @return LASER_OK; LASER_ERR_INVALID_ARGUMENT for too small a buffer; LASER_ERR_NULL
 *
 * Threads: any number at once.
 */
laser_status laser_model_method(const laser_model *model,
                                char *buf,
                                size_t cap,
                                size_t *needed);

/**
 * What a value of an event is called.
 *
 * @param model what to ask
 * @param column which value, from 0: a feature below M, behind them a condition, below M + C
 * @param buf receives the name, NUL-terminated: that of option "features.names" or, for a model without names, x0 ... of features and c0 ... of
 * conditions; NULL with `cap` 0 asks for the size only
 * @param cap size of `buf` in bytes
 * @param needed receives the size of the name in bytes, its NUL included, also if `buf` is too small; may be NULL
 * @return LASER_OK; LASER_ERR_INVALID_ARGUMENT for a column beyond the last, or too small a buffer; LASER_ERR_NULL
 *
 * Threads: any number at once.
 */
laser_status laser_model_feature_name(const laser_model *model,
                                      size_t column,
                                      char *buf,
                                      size_t cap,
                                      size_t *needed);

/**
 * Describes a model: networks, scalings, refiner, and the record of its training with settings, losses and the weight report.
 *
 * @param model what to describe
 * @param buf receives JSON, NUL-terminated; NULL with `cap` 0 asks for the size only
 * @param cap size of `buf` in bytes
 * @param needed receives the size of the JSON in bytes, its NUL included, also if `buf` is too small; may be NULL
 * @return LASER_OK; LASER_ERR_INVALID_ARGUMENT for too small a buffer; LASER_ERR_NULL
 *
 * Threads: any number at once.
 */
laser_status laser_model_info(const laser_model *model,
                              char *buf,
                              size_t cap,
                              size_t *needed);

/**
 * Reads a number of the training record.
 *
 * @param model what to ask
 * @param key path into the record with dots; an element of an array goes by its index from 0. There are, of every training
 * ("flow", "classifier", "gan", "refiner_flow", "matching"): "flow.steps", ".rows", ".loss", ".validation_loss" (if events were held out),
 * ".kept_epoch", ".kept_step", ".passes" (how many times each event was seen, if their number is known), ".reference" (of a flow),
 * ".losses.0" … (of an ensemble "classifier.members.0.…" and totals); and of the weights of the pilot run: "weights.events",
 * ".non_finite", ".mean", ".min", ".max", ".quantiles.q001" (0.1 %), ".q01", ".q10", ".q50", ".q90", ".q99", ".q999",
 * ".effective_sample_size", ".effective_fraction", ".w_max", ".overweight_fraction", ".overweight_error", ".acceptance"; what other values of
 * option "rejection.overweight" would give, "weights.budgets.0.overweight" …, ".w_max", ".overweight_fraction", ".overweight_error",
 * ".acceptance"; of the classifier on held-out events
 * "weights.calibration.auc" (0.5: it knows nothing), ".chi_square" (per degree of freedom, 1 if the weights are the ratio of the
 * densities), ".largest_pull", ".events"; by feature, "weights.features.0.below", ".above": the shares of the refined events that lie
 * outside of the held-out target events, which end at ".low" and ".high"; what the generator does not reach of the target, or not with its
 * weights, "weights.gaps.0.from", ".target", ".generated" (shares of events there), ".refined" (of the weight); the limit of the weights "weights.limit.low",
 * ".high", ".events", ".weight" (shares at ".high"); the areas of boosted trees "weights.second_opinion.generated", ".refined", ".error";
 * of a generator that is not refined "second_opinion.generated", ".error", and of what a learned refiner makes, beside what it learned,
 * "refiner.second_opinion.refined", ".error"; of a surrogate "surrogate.acceptance" (of both stages), and of the method "distilled" ".distilled.acceptance", ".distilled.inside", ".distilled.lost",
 * ".distilled.second_opinion.refined", ".generated", ".error"; of an ensemble "classifier.spread", of log w between its networks. Of a model with
 * conditions, how far the training's reach, "conditions.low.0" …, ".high.0" …, of "conditions.events", and the stretches of each that have
 * events enough, by their ends, "conditions.stretches.0.0" …, with "conditions.sparse" values of those events in none. Of chains that a pilot run has
 * judged (option "hmc.pilot"):
 * "chains.step_size", ".acceptance", ".divergences", ".chains", ".transitions", ".r_hat.0" …, ".bias.shift", ".bias.error", ".effective_sample_size.0" … (of chains
 * times transitions). After OmniFold: "omnifold.events", ".changes.0" … (root mean square change of the weights, by iteration),
 * ".effective_fractions.0" …, ".trainings.0.loss" …; after "iteration.rounds" above 1: "iteration.0.auc" …, ".validation_loss",
 * ".effective_fraction", by round. A classifier.validation_loss near that of an ignorant one (for "bce" log 2 = 0.693, for "mse" 0.25, for
 * "mlc" 0) means that it hardly tells generated events from the target's: then weights near 1 are no proof of a good generator
 * @param out receives the number
 * @return LASER_OK; LASER_ERR_INVALID_ARGUMENT if there is no such number, with the keys that there are; LASER_ERR_NULL
 *
 * Threads: any number at once.
 */
laser_status laser_model_get_f64(const laser_model *model,
                                 const char *key,
                                 double *out);

/**
 * Frees a model. Samplers made from it do not need it.
 *
 * @param model what to free; NULL is fine
 *
 * Threads: no other thread may use `model` any more.
 */
void laser_model_free(laser_model *model);

/**
 * log w(x), the logarithm of the density ratio target / generated, from the classifier; minus infinity outside the support.
 *
 * @param model what to ask; needs a classifier
 * @param options keys "backend", "device", "threads"; NULL for the defaults
 * @param n number of events; 0 does nothing
 * @param x `n` rows of M + C doubles, events followed by their conditions; row i begins at x + i * stride
 * @param stride doubles between the beginnings of rows, at least M + C; 0 for packed rows
 * @param log_w receives `n` numbers; must not overlap `x`
 * @return LASER_OK; LASER_ERR_INVALID_ARGUMENT for wrong sizes; LASER_ERR_DATA for events that are not finite;
 * LASER_ERR_NUMERICAL if a result is not (minus infinity aside), so far out is its row: all the others are there, and the message names the
 * first; LASER_ERR_UNSUPPORTED without a classifier; LASER_ERR_DEVICE; LASER_ERR_TORCH; LASER_ERR_NULL; LASER_ERR_BUSY while `options`
 * are being changed
 *
 * Threads: any number at once.
 */
laser_status laser_model_log_weight(const laser_model *model,
                                    const laser_options *options,
                                    size_t n,
                                    const double *x,
                                    size_t stride,
                                    double *log_w);

/**
 * log p_g(x), the logarithm of the generator's density. Units: 1 / (product of the units of x).
 *
 * @param model what to ask; its generator must have a density, as flows do
 * @param options keys "backend", "device", "threads"; NULL for the defaults
 * @param n number of events; 0 does nothing
 * @param x `n` rows of M + C doubles, events followed by their conditions; row i begins at x + i * stride
 * @param stride doubles between the beginnings of rows, at least M + C; 0 for packed rows
 * @param log_p receives `n` numbers; must not overlap `x`
 * @return as laser_model_log_weight; LASER_ERR_UNSUPPORTED without a density, and for features that have values with a probability
 * (scalings `integer`, `category`, `zeros`): given events have none in closed form
 *
 * Threads: any number at once.
 */
laser_status laser_model_log_prob(const laser_model *model,
                                  const laser_options *options,
                                  size_t n,
                                  const double *x,
                                  size_t stride,
                                  double *log_p);

/**
 * z with g(z) = x: the latent points of events.
 *
 * @param model what to ask; its generator must be invertible, as flows are
 * @param options keys "backend", "device", "threads"; NULL for the defaults
 * @param n number of events; 0 does nothing
 * @param x `n` rows of M + C doubles, events followed by their conditions; row i begins at x + i * x_stride
 * @param x_stride doubles between the beginnings of rows of `x`, at least M + C; 0 for packed rows
 * @param z receives `n` rows of N doubles; row i begins at z + i * z_stride; must not overlap `x`
 * @param z_stride doubles between the beginnings of rows of `z`, at least N; 0 for packed rows
 * @return as laser_model_log_weight; LASER_ERR_UNSUPPORTED for a generator that is not invertible, as of features that have values with a
 * probability (scalings `integer`, `category`, `zeros`), each of which many latents make
 *
 * Threads: any number at once.
 */
laser_status laser_model_latent(const laser_model *model,
                                const laser_options *options,
                                size_t n,
                                const double *x,
                                size_t x_stride,
                                double *z,
                                size_t z_stride);

/**
 * x = g(z): the generator applied to the caller's own latent points, which owe nothing to the library's random numbers.
 *
 * @param model what to ask
 * @param options keys "backend", "device", "threads"; NULL for the defaults
 * @param n number of events; 0 does nothing
 * @param z `n` rows of N + C doubles, latent points followed by their conditions; row i begins at z + i * z_stride
 * @param z_stride doubles between the beginnings of rows of `z`, at least N + C; 0 for packed rows
 * @param x receives `n` rows of M doubles; row i begins at x + i * x_stride; must not overlap `z`
 * @param x_stride doubles between the beginnings of rows of `x`, at least M; 0 for packed rows
 * @return as laser_model_latent
 *
 * Threads: any number at once.
 */
laser_status laser_model_generate(const laser_model *model,
                                  const laser_options *options,
                                  size_t n,
                                  const double *z,
                                  size_t z_stride,
                                  double *x,
                                  size_t x_stride);

/**
 * Trains a reweighter: the classifier between the events of two sources, whose ratio of densities is w. No generator is needed. The
 * weights are judged on events of both that were held out, and the log callback is told what is wrong with them.
 *
 * Weights of either source may be negative, wherever those of a region sum to more than 0, and have any unit. Both densities are
 * normalised to 1: the sum of v * w over the events of `from`, of weights v, is about the sum of v.
 *
 * With option "conditions" = C the last C values of a row of `to` are conditions, as the energy of a particle or the parameters of a
 * simulation. If rows of `from` have them too, w is the ratio of the densities of events with their conditions. If they have not, every
 * event of `from` stands for all conditions of `to`, and w(x | c) = p_to(x | c) / p_from(x), interpolated between the conditions of `to`.
 *
 * The calling thread works until it is done; the callbacks of sources and hooks are called on it.
 *
 * @param from the events to be weighted, of M + C or M values; in use until the call returns. Arrays, files and callbacks, in any
 * combination with `to`
 * @param to the events that they are to be like, of M + C values; another handle than `from`; in use until the call returns
 * @param options the groups "classifier", "features", "target" and "validation", "conditions", "support", "weights.tail", "weights.margin",
 * "seed", "dtype", "backend", "device", "threads"; copied; NULL for the defaults, which take longer than the preset "fast"
 * @param hooks progress, log, cancel, checkpoint and ranks; copied; NULL for none
 * @param out receives the reweighter; the caller frees it with laser_reweighter_free
 * @return LASER_OK; LASER_ERR_INVALID_ARGUMENT if the sources differ in columns; LASER_ERR_BUSY for one handle as both sources; else as
 * laser_generator_train
 *
 * Threads: needs `from` and `to` alone; the others may be shared.
 */
laser_status laser_reweighter_train(laser_source *from,
                                    laser_source *to,
                                    const laser_options *options,
                                    const laser_hooks *hooks,
                                    laser_reweighter **out);

/**
 * The weights of events.
 *
 * @param reweighter what to ask
 * @param options keys "backend", "device", "threads"; NULL for the defaults. The number of threads changes no bit
 * @param n number of events; 0 does nothing
 * @param x `n` rows of M + C doubles, events followed by their conditions; row i begins at x + i * stride
 * @param stride doubles between the beginnings of rows, at least M + C; 0 for packed rows
 * @param w receives `n` weights w(x); NULL if they are not wanted. 0 outside the support
 * @param log_w receives `n` logarithms log w(x); NULL if they are not wanted. Minus infinity outside the support
 * @param spread receives `n` standard deviations of log w(x) between the networks of the ensemble (option "classifier.ensemble"), 0 of a
 * single one; NULL if they are not wanted. They take as much time again. What the networks have in common, as too few events, they do not
 * show
 * @return LASER_OK; LASER_ERR_INVALID_ARGUMENT for wrong sizes or arrays that overlap; LASER_ERR_DATA for events that are not finite;
 * LASER_ERR_NUMERICAL for weights that are not; LASER_ERR_DEVICE; LASER_ERR_TORCH; LASER_ERR_NULL, also if nothing is wanted; LASER_ERR_BUSY while `options` are being changed
 *
 * Threads: any number at once.
 */
laser_status laser_reweighter_weights(const laser_reweighter *reweighter,
                                      const laser_options *options,
                                      size_t n,
                                      const double *x,
                                      size_t stride,
                                      double *w,
                                      double *log_w,
                                      double *spread);

/**
 * Saves a reweighter to one file, a model file as laser_model_save writes them. It appears whole or not at all, and replaces what had its
 * name.
 *
 * @param reweighter what to save
 * @param path the file, in UTF-8
 * @return LASER_OK; LASER_ERR_IO; LASER_ERR_INVALID_ARGUMENT for a path that is not UTF-8; LASER_ERR_NULL
 *
 * Threads: any number at once.
 */
laser_status laser_reweighter_save(const laser_reweighter *reweighter,
                                   const char *path);

/**
 * Loads a reweighter. The saved and the loaded one give the same bits.
 *
 * @param path the file, in UTF-8
 * @param options NULL for the defaults; no key changes how this version reads files
 * @param out receives the reweighter; the caller frees it with laser_reweighter_free
 * @return LASER_OK; LASER_ERR_IO; LASER_ERR_FORMAT for a file that is not a valid model file; LASER_ERR_UNSUPPORTED for that of a model
 * with a generator; LASER_ERR_INVALID_ARGUMENT for a path that is not UTF-8; LASER_ERR_NULL; LASER_ERR_BUSY while `options` are being
 * changed
 *
 * Threads: any number at once.
 */
laser_status laser_reweighter_load(const char *path,
                                   const laser_options *options,
                                   laser_reweighter **out);

/**
 * M, the values per event, without conditions.
 *
 * @param reweighter what to ask
 * @param out receives M
 * @return LASER_OK; LASER_ERR_NULL
 *
 * Threads: any number at once.
 */
laser_status laser_reweighter_event_dim(const laser_reweighter *reweighter, size_t *out);

/**
 * C, the values of the condition of an event; 0 without conditions.
 *
 * @param reweighter what to ask
 * @param out receives C
 * @return LASER_OK; LASER_ERR_NULL
 *
 * Threads: any number at once.
 */
laser_status laser_reweighter_condition_dim(const laser_reweighter *reweighter, size_t *out);

/**
 * What a value of an event is called.
 *
 * @param reweighter what to ask
 * @param column which value, from 0: a feature below M, behind them a condition, below M + C
 * @param buf receives the name, NUL-terminated: that of option "features.names" or of the source or, without names, x0 ... of features and
 * c0 ... of conditions; NULL with `cap` 0 asks for the size only
 * @param cap size of `buf` in bytes
 * @param needed receives the size of the name in bytes, its NUL included, also if `buf` is too small; may be NULL
 * @return LASER_OK; LASER_ERR_INVALID_ARGUMENT for a column beyond the last, or too small a buffer; LASER_ERR_NULL
 *
 * Threads: any number at once.
 */
laser_status laser_reweighter_feature_name(const laser_reweighter *reweighter,
                                           size_t column,
                                           char *buf,
                                           size_t cap,
                                           size_t *needed);

/**
 * Describes a reweighter: networks, scalings, and the record of its training with settings, losses and the weight report.
 *
 * @param reweighter what to describe
 * @param buf receives JSON, NUL-terminated, as laser_model_info gives it; NULL with `cap` 0 asks for the size only
 * @param cap size of `buf` in bytes
 * @param needed receives the size of the JSON in bytes, its NUL included, also if `buf` is too small; may be NULL
 * @return LASER_OK; LASER_ERR_INVALID_ARGUMENT for too small a buffer; LASER_ERR_NULL
 *
 * Threads: any number at once.
 */
laser_status laser_reweighter_info(const laser_reweighter *reweighter,
                                   char *buf,
                                   size_t cap,
                                   size_t *needed);

/**
 * Reads a number of the training record.
 *
 * @param reweighter what to ask
 * @param key path into the record with dots, as of laser_model_get_f64: "classifier.…" of the training; "weights.…" of the weights that
 * events of `from` get, in the unit of their own mean weight; "weights.calibration.…" of held-out events of both; "weights.gaps.0.…" of
 * what `from` does not reach of `to`, or not with its weights; "weights.features.0.…", "weights.limit.…", "weights.second_opinion.…"; of laser_resample
 * "resample.events", ".total", ".total_error", ".effective", ".effective_after", ".negative_events" and ".negative_weight" (shares), ".factor",
 * ".correction", ".region.events", ".region.weight", ".region.error", ".closure.chi_square", ".closure.difference", ".closure.from",
 * ".closure.to", ".closure.bins", ".closure.regions.pull", ".closure.regions.above", ".closure.regions.below", and of method "variance" ".kept", ".expected", ".draw", ".squares.chi_square"; of laser_unfold "unfolding.iterations", ".factor", ".total", ".data", ".fakes", ".efficiency", ".changes.0" …
 * @param out receives the number
 * @return LASER_OK; LASER_ERR_INVALID_ARGUMENT if there is no such number, with the keys that there are; LASER_ERR_NULL
 *
 * Threads: any number at once.
 */
laser_status laser_reweighter_get_f64(const laser_reweighter *reweighter,
                                      const char *key,
                                      double *out);

/**
 * Frees a reweighter.
 *
 * @param reweighter what to free; NULL is fine
 *
 * Threads: no other thread may use `reweighter` any more.
 */
void laser_reweighter_free(laser_reweighter *reweighter);

/**
 * Positive weights for events that have weights of both signs: W(x), the local mean of the weights, which a classifier learns (B. Nachman,
 * J. Thaler, arXiv:2007.11586). The sum of the weights stays what it is, to rounding.
 *
 * With option "resample.method" = "mean" all events get W(x). What histograms of them hold is right; their errors are still those of the
 * old weights. With "variance" an event is kept with probability p = W(x)^2 / V(x) at the weight W(x) / p, where V(x) is the local mean of
 * the squared weights, and the others get 0: the sum of the squares of the new weights is that of the old ones, and so are the errors that
 * histograms take from it. Whether an event is kept depends on the option "seed" and on its row alone.
 *
 * Of several weights an event, give the nominal one here, and multiply the others by (new weight) / (old weight): right as far as a variation
 * changes weights by a factor that depends on x.
 *
 * Where the weights of a region sum to less than 0 no positive ones do; a warning says how much lies there ("resample.region.…").
 *
 * The calling thread works until it is done; the callbacks of hooks are called on it.
 *
 * @param events a source with weights: an array, or a file no larger than "source.memory"; in use until the call returns. Their features are
 * what W depends on
 * @param options as for laser_reweighter_train, and "resample.method"; "support" must be empty; copied; NULL for the defaults, which take
 * longer than the preset "fast"
 * @param hooks progress, log, cancel, checkpoint and ranks; copied; NULL for none
 * @param n number of events, as many as the source has; of no matter if `w` is NULL
 * @param w receives `n` new weights in the order of the events, none of them negative; NULL if only the reweighter is wanted. It must
 * not be the array that `events` was made of
 * @param out receives a reweighter whose weights, times the number "resample.factor" of its record, are W(x): for other events of the same
 * kind; the caller frees it with laser_reweighter_free. NULL if it is not wanted
 * @return LASER_OK; LASER_ERR_INVALID_ARGUMENT for events without weights, another `n` than theirs, a "support", arrays that overlap; LASER_ERR_UNSUPPORTED for
 * events of a callback or of a larger file; LASER_ERR_DATA for weights whose sum is not positive beyond chance; LASER_ERR_NULL if `events`
 * is, or both `w` and `out` are; LASER_ERR_BUSY while `events` are in use by a training; else as laser_reweighter_train. After an error `w`
 * is as it was
 *
 * Threads: any number at once, also of the same `events`.
 */
laser_status laser_resample(const laser_source *events,
                            const laser_options *options,
                            const laser_hooks *hooks,
                            size_t n,
                            double *w,
                            laser_reweighter **out);

/**
 * Unfolds measured events: weights of simulated events at particle level with which the detector level of the simulation is distributed as
 * the data, in shape and number (OmniFold, arXiv:1911.09107; acceptance and fakes, arXiv:2105.04448).
 *
 * Row i of `generated` and `reconstructed` is one simulated event, with its values at the two levels; `flags` say which of them it has. The
 * sum of v * w over the events, v the weights of `generated`, is the unfolded number of events, corrected for efficiency and fakes;
 * histograms of v * w at particle level are unfolded distributions. The reweighter gives the same weights to other events of the particle
 * level: w is its weight times the number "unfolding.factor" of its record, which also holds what each iteration changed, and how the weighted
 * simulation compares with the data at detector level.
 *
 * The calling thread works until it is done; the callbacks of the hooks are called on it. A checkpoint keeps all trainings.
 *
 * @param generated `n` simulated events at particle level, of G values, with their Monte Carlo weights v; an array or a file in memory
 * @param reconstructed the same `n` events at detector level, of R values; its weights, if it has any, count at detector level in the place
 * of v, as v times scale factors; an event of the weight 0 there was not reconstructed, as by its flag
 * @param data measured events, of R values, an array or a file in memory; backgrounds are events of negative weight
 * @param flags `n` sums of LASER_PAIR_GENERATED and LASER_PAIR_RECONSTRUCTED; NULL: all events have both. The values of a level that an
 * event has not are not looked at, but must be finite
 * @param n rows of `generated` and `reconstructed`
 * @param options the groups "unfold", "classifier" and "validation", "features" of the particle level, "weights.tail", "weights.margin",
 * "seed", "dtype", "backend", "device", "threads"; copied; NULL for the defaults, which take longer than the preset "fast"
 * @param hooks progress, log, cancel, checkpoint and ranks; copied; NULL for none
 * @param w receives `n` weights w, 0 of events without particle level; of a replica, with the number of times that the event is drawn; NULL
 * if they are not wanted. It must not be an array that a source was made of. After an error it is as it was
 * @param out receives the reweighter; the caller frees it with laser_reweighter_free
 * @return LASER_OK; LASER_ERR_INVALID_ARGUMENT for sources or flags that do not fit together, and arrays that overlap; LASER_ERR_UNSUPPORTED for a callback, or a
 * file that is not held in memory; LASER_ERR_DATA for weights without a positive sum; else as laser_generator_train
 *
 * Threads: any number at once; while another call trains on one of the sources LASER_ERR_BUSY.
 */
laser_status laser_unfold(const laser_source *generated,
                          const laser_source *reconstructed,
                          const laser_source *data,
                          const int32_t *flags,
                          size_t n,
                          const laser_options *options,
                          const laser_hooks *hooks,
                          double *w,
                          laser_reweighter **out);

/**
 * Makes a sampler that stands at event 0.
 *
 * @param model shared with the sampler: either may be freed first
 * @param seed k, any number
 * @param stream s, any number: other streams of a seed are independent of each other
 * @param options keys "sampler.method" ("model", "baseline", "reweight", "rejection", "resampling", "gan", "flow", "matching", "mixture", "surrogate", "distilled",
 * "langevin", "mala" or "hmc"), "sampler.threads", "backend", "device"; copied; NULL for the defaults. A sampler works on the calling thread alone
 * unless "sampler.threads" allows more, which live no longer than a call and change no bit
 * @param out receives the sampler; the caller frees it with laser_sampler_free
 * @return LASER_OK; LASER_ERR_UNSUPPORTED if the model lacks what the method needs, or the library libtorch; LASER_ERR_INVALID_ARGUMENT
 * for more than one thread with libtorch; LASER_ERR_DEVICE; LASER_ERR_TORCH; LASER_ERR_NULL; LASER_ERR_BUSY while `options` are being
 * changed
 *
 * Threads: any number at once.
 */
laser_status laser_sampler_new(const laser_model *model,
                               uint64_t seed,
                               uint64_t stream,
                               const laser_options *options,
                               laser_sampler **out);

/**
 * Lets a sampler draw from the host's random numbers instead of its own, as frameworks demand that keep the random state of their
 * events themselves.
 *
 * An event is then a function of the model and of the numbers drawn for it, whatever seed and stream. A call that makes n events draws
 * for these n and keeps nothing back, so that the host may set its generator anew between any two calls: take many events per call
 * where speed counts. In blocks of at most 1024 events the callback is asked for all numbers of the first
 * proposals at once, event by event: those that become its latent point (of a learned refiner, its auxiliary one; with "mixture" one more, which
 * chooses between prior and flow), then for "rejection", "surrogate", "distilled" and "mixture" the one that decides; then for the second proposals of those that need
 * one, and so on: what an event of these gets depends on the events asked for with it. Chains draw for a trajectory of all of them at once, and keep a state of each; "resampling" draws for a
 * block of 1024 events, and keeps those not asked for: set the callback again to drop them and begin anew. When a call fails, the stream
 * stays where it stood, and the numbers it drew are gone.
 *
 * @param sampler the stream; what it made ahead is dropped, and chains begin anew
 * @param noise the callback; NULL goes back to the sampler's own numbers, at the event where it stands
 * @param user handed to the callback; must be usable on the threads of the calls that get this sampler
 * @return LASER_OK; LASER_ERR_NULL if `sampler` is NULL; LASER_ERR_BUSY
 *
 * Threads: needs `sampler` alone.
 */
laser_status laser_sampler_set_noise_callback(laser_sampler *sampler,
                                              laser_noise_fn noise,
                                              void *user);

/**
 * Has the calls that ask a sampler for events watched and stopped by hooks, and lets the sampler warn.
 *
 * Long calls are those of chains that burn in or walk to an event, of many proposals to an event, and of many events. Between blocks of
 * proposals and between steps of trajectories they look at the cancel token. Progress comes after every block of events, as the stage
 * "sampling" of so many events, and after every trajectory of chains, as the stage "chains". A call that a cancel or a callback ends
 * leaves the stream where it stood: asked again it delivers the same events; chains begin anew.
 *
 * Warnings come by the log callback (LASER_LOG_WARNING), each once to the hooks that are set, when what the sampler meets contradicts the
 * pilot run in its model, or deserves no trust: a weight above ten times the largest of the pilot run; more than twice the share of the
 * weight above w_max that "rejection.overweight" leaves there; an acceptance of "rejection", "surrogate", "distilled" or "mixture" off by a factor of two; ten events that carry
 * more than 1 % of the weight, and ten times as much as ten others; more than 1 % of the weight at the largest that the classifier gives;
 * more than a tenth of the events of "resampling" copies of others; conditions of a call that lie beyond the training's by more than a
 * twentieth of their range, more than by chance (of models of earlier versions, more than 0.1 % beyond 4 standard deviations), or more of all that were
 * asked for than by chance where fewer than 100 events of the training are as near as that; 1 % of the
 * proposals not finite; a feature that single precision, where it is asked for, rounds by more than a thousandth of its spread; chains of which 1 % of the trajectories diverge, less than 1 % is accepted, or R-hat is above 1.1 (more for fewer
 * than 64 events of each, and from 20 on); "distilled" of a surrogate that was refined for the method "surrogate" and has learned too little; "langevin" with a step that no pilot run of it has judged (option "hmc.pilot" of the refinement),
 * and that a Metropolis test would refuse in 0.5 % of the cases.
 *
 * @param sampler the stream
 * @param hooks copied: may be changed or freed afterwards; their callbacks and `user` pointers are lent to the sampler; NULL for none
 * @return LASER_OK; LASER_ERR_NULL if `sampler` is NULL; LASER_ERR_BUSY
 *
 * Threads: needs `sampler` alone; reads `hooks`. Callbacks come on the threads of the calls that ask for events, and may not use the
 * sampler (LASER_ERR_BUSY).
 */
laser_status laser_sampler_set_hooks(laser_sampler *sampler,
                                     const laser_hooks *hooks);

/**
 * Goes to an event, forward or backward: the next one generated is that one. Costs at most a block of events, but
 * with chains ("langevin", "mala", "hmc"), which must run up to there, backward from the beginning.
 *
 * @param sampler the stream
 * @param event number of the event, from 0; numbers go on from 0 after the largest uint64_t
 * @return LASER_OK; LASER_ERR_UNSUPPORTED with a noise callback; LASER_ERR_NULL; LASER_ERR_BUSY
 *
 * Threads: needs `sampler` alone.
 */
laser_status laser_sampler_seek(laser_sampler *sampler,
                                uint64_t event);

/**
 * Tells where the stream stands.
 *
 * @param sampler the stream
 * @param event receives the number of the event that comes next, from 0
 * @return LASER_OK; LASER_ERR_NULL; LASER_ERR_BUSY while events are being generated
 *
 * Threads: any number at once.
 */
laser_status laser_sampler_tell(const laser_sampler *sampler, uint64_t *event);

/**
 * Generates the next events of the stream.
 *
 * @param sampler the stream; moves on by `n` events
 * @param n number of events; 0 does nothing
 * @param stride doubles between the beginnings of rows, at least M; 0 for packed rows
 * @param x receives `n` rows of M doubles; row i begins at x + i * stride; what lies between rows is left alone
 * @param w receives `n` weights: w(z) for the method "reweight", whose events are wrong without them; else 1, but w / w_max for the events of
 * "rejection", "surrogate" and "mixture" above w_max; NULL if not wanted, which "reweight" refuses
 * @param logp receives `n` logarithms of the density of the events, in 1 / (product of the units of x): that of the generator for
 * "baseline" and "reweight", that of the refiner for "flow" and "distilled", the refined one for all others; of features that have values with a
 * probability (scalings `integer`, `category`, `zeros`) that of the event and its place in their cells, see docs/training.md; NULL if not
 * wanted
 * @return LASER_OK: all values are then finite; LASER_ERR_INVALID_ARGUMENT for wrong sizes or arrays that overlap, or if `w` is NULL with
 * "reweight"; LASER_ERR_UNSUPPORTED if `logp` is wanted of "gan" or "matching", or of a generator without a density; LASER_ERR_NUMERICAL
 * if the method gives up, if a `logp` is not finite, or for a value beyond single precision where that is asked for; LASER_ERR_INVALID_ARGUMENT for a model with conditions,
 * whose events laser_sampler_generate_given makes; LASER_ERR_TORCH; LASER_ERR_CALLBACK and LASER_ERR_DATA of a noise callback;
 * LASER_ERR_CALLBACK and LASER_ERR_CANCELLED of hooks; LASER_ERR_NULL; LASER_ERR_BUSY. After any failure the stream stands where it stood,
 * and the arrays may be written in part
 *
 * Threads: needs `sampler` alone.
 */
laser_status laser_sampler_generate(laser_sampler *sampler,
                                    size_t n,
                                    size_t stride,
                                    double *x,
                                    double *w,
                                    double *logp);

/**
 * laser_sampler_generate in single precision: the same events, rounded, those within a support to numbers within it; where there are none near,
 * LASER_ERR_NUMERICAL.
 *
 * @param sampler the stream; moves on by `n` events
 * @param n number of events; 0 does nothing
 * @param stride floats between the beginnings of rows, at least M; 0 for packed rows
 * @param x receives `n` rows of M floats; row i begins at x + i * stride; what lies between rows is left alone
 * @param w receives `n` weights, as of laser_sampler_generate; NULL if not wanted
 * @param logp receives `n` log densities, as of laser_sampler_generate; NULL if not wanted
 * @return as laser_sampler_generate
 *
 * Threads: needs `sampler` alone.
 */
laser_status laser_sampler_generate_f32(laser_sampler *sampler,
                                        size_t n,
                                        size_t stride,
                                        float *x,
                                        float *w,
                                        float *logp);

/**
 * Generates the next events of the stream together with the latent points they were made from. The same events as of
 * laser_sampler_generate.
 *
 * @param sampler the stream; moves on by `n` events
 * @param n number of events; 0 does nothing
 * @param x_stride doubles between the beginnings of rows of `x`, at least M; 0 for packed rows
 * @param x receives `n` rows of M doubles; row i begins at x + i * x_stride; what lies between rows is left alone
 * @param z_stride doubles between the beginnings of rows of `z`, at least N; 0 for packed rows
 * @param z receives `n` rows of N doubles, x = g(z); row i begins at z + i * z_stride; what lies between rows is left alone
 * @param w receives `n` weights: w(z) for the method "reweight", whose events are wrong without them; else 1, but w / w_max for the events of
 * "rejection", "surrogate" and "mixture" above w_max; NULL if not wanted, which "reweight" refuses
 * @return as laser_sampler_generate
 *
 * Threads: needs `sampler` alone.
 */
laser_status laser_sampler_generate_latent(laser_sampler *sampler,
                                           size_t n,
                                           size_t x_stride,
                                           double *x,
                                           size_t z_stride,
                                           double *z,
                                           double *w);

/**
 * Generates the next events of a model with conditions, given them. Event i depends on the model, seed, stream, i and its own condition
 * alone; nothing is made ahead, so ask for many at once where speed counts.
 *
 * @param sampler the stream; moves on by `n` events
 * @param n number of events; 0 does nothing
 * @param c_stride doubles between the beginnings of rows of `c`, at least C, or 0 for packed rows
 * @param c `n` rows of C doubles, the conditions; row i begins at c + i * c_stride
 * @param x_stride doubles between the beginnings of rows of `x`, at least M; 0 for packed rows
 * @param x receives `n` rows of M doubles; row i begins at x + i * x_stride; what lies between rows is left alone
 * @param w receives `n` weights, as of laser_sampler_generate; NULL if not wanted
 * @param logp receives `n` log densities given the conditions, as of laser_sampler_generate; NULL if not wanted
 * @return as laser_sampler_generate; LASER_ERR_INVALID_ARGUMENT also if the model has no conditions, LASER_ERR_DATA if one is not finite
 *
 * Threads: needs `sampler` alone.
 */
laser_status laser_sampler_generate_given(laser_sampler *sampler,
                                          size_t n,
                                          size_t c_stride,
                                          const double *c,
                                          size_t x_stride,
                                          double *x,
                                          double *w,
                                          double *logp);

/**
 * laser_sampler_generate_given in single precision: the same events of the same conditions, rounded.
 *
 * @param sampler the stream; moves on by `n` events
 * @param n number of events; 0 does nothing
 * @param c_stride floats between the beginnings of rows of `c`, at least C, or 0 for packed rows
 * @param c `n` rows of C floats, the conditions; row i begins at c + i * c_stride
 * @param x_stride floats between the beginnings of rows of `x`, at least M; 0 for packed rows
 * @param x receives `n` rows of M floats; row i begins at x + i * x_stride; what lies between rows is left alone
 * @param w receives `n` weights, as of laser_sampler_generate; NULL if not wanted
 * @param logp receives `n` log densities, as of laser_sampler_generate_given; NULL if not wanted
 * @return as laser_sampler_generate_given
 *
 * Threads: needs `sampler` alone.
 */
laser_status laser_sampler_generate_given_f32(laser_sampler *sampler,
                                              size_t n,
                                              size_t c_stride,
                                              const float *c,
                                              size_t x_stride,
                                              float *x,
                                              float *w,
                                              float *logp);

/**
 * Generates the next event of the stream, out of a batch kept inside: made for event loops.
 *
 * @param sampler the stream; moves on by one event
 * @param x receives M doubles
 * @param w receives the weight, as of laser_sampler_generate; NULL if not wanted
 * @return as laser_sampler_generate
 *
 * Threads: needs `sampler` alone.
 */
laser_status laser_sampler_next(laser_sampler *sampler, double *x, double *w);

/**
 * Reads a diagnostic of the sampler, counted since it was made.
 *
 * @param sampler what to ask
 * @param key "events" (made inside, some of them ahead), "proposals", "calls_per_event" (latents that the generator was asked to make events
 * of, for gradients of their weights too, over events), "acceptance" (accepted fraction of the proposals),
 * "overweight_fraction" (share of the weight that lies above w_max), "overweight_events" (fraction of the events of "rejection", "surrogate" or "mixture" that lie
 * above w_max and carry a weight above 1), "largest_weight" (of an event), "weight_of_largest" (share of the weight that the ten heaviest
 * events carry), "events_at_limit" and "weight_at_limit" (the share of the events, and of their weight, whose weight is at the largest that
 * the classifier gives: there the generator makes next to nothing), "non_finite" (proposals whose weight is not finite) or "divergences" (proposals of chains whose trajectory diverged); of
 * latents resampled, by "resampling" or for starts of chains, "effective_fraction" (the share that the weights leave of the pool) and
 * "distinct_fraction"; of chains "r_hat" (split R-hat of the worst dimension of z: 1 where the chains agree, above 1.05 they do not mix)
 * and "effective_sample_size" (of all events made, in the worst dimension), or with ".0", ".1" … for that dimension, estimated from the
 * last 256 events of the first 64 chains (fewer in more than 1024 dimensions); takes milliseconds
 * @param out receives the number; NaN for a fraction of nothing, and for chains without four events each ("effective_sample_size": without
 * twenty)
 * @return LASER_OK; LASER_ERR_INVALID_ARGUMENT for another key; LASER_ERR_NULL; LASER_ERR_BUSY while events are being generated
 *
 * Threads: any number at once.
 */
laser_status laser_sampler_get_f64(const laser_sampler *sampler,
                                   const char *key,
                                   double *out);

/**
 * Frees a sampler.
 *
 * @param sampler what to free; NULL is fine
 *
 * Threads: no other thread may use `sampler` any more.
 */
void laser_sampler_free(laser_sampler *sampler);

/**
 * Makes an empty histogram.
 *
 * @param nx number of bins in x, at least 1
 * @param xlo lower edge in x, finite
 * @param xhi upper edge in x, finite, above `xlo`
 * @param ny number of bins in y, at least 1
 * @param ylo lower edge in y, finite
 * @param yhi upper edge in y, finite, above `ylo`
 * @param out receives the histogram; the caller frees it with laser_histogram_free
 * @return LASER_OK; LASER_ERR_INVALID_ARGUMENT for no bins, or edges that are not finite or not in increasing order;
 * LASER_ERR_MEMORY for more bins than memory holds; LASER_ERR_NULL
 *
 * Threads: any number at once.
 */
laser_status laser_histogram_new(size_t nx,
                                 double xlo,
                                 double xhi,
                                 size_t ny,
                                 double ylo,
                                 double yhi,
                                 laser_histogram **out);

/**
 * Adds events.
 *
 * @param histogram what to fill; unchanged on failure
 * @param n number of events; 0 does nothing
 * @param x `n` rows that begin with x and y; row i begins at x + i * stride. Of events with more features the first two are taken; for
 * features k and k + 1 pass the address of feature k of the first event
 * @param stride doubles between the beginnings of rows, at least 2; 0 for packed rows of 2
 * @param w `n` weights; NULL for weights of 1
 * @return LASER_OK; LASER_ERR_INVALID_ARGUMENT for wrong sizes; LASER_ERR_DATA naming the first row and column that is NaN or
 * infinite; LASER_ERR_NULL; LASER_ERR_BUSY
 *
 * Threads: needs `histogram` alone.
 */
laser_status laser_histogram_fill(laser_histogram *histogram,
                                  size_t n,
                                  const double *x,
                                  size_t stride,
                                  const double *w);

/**
 * Copies out the bins.
 *
 * @param histogram what to read
 * @param out receives nx * ny sums of weights, that of bin (ix, iy) at ix * ny + iy
 * @param cap doubles that `out` has room for
 * @return LASER_OK; LASER_ERR_INVALID_ARGUMENT if `cap` is too small; LASER_ERR_NULL; LASER_ERR_BUSY while the histogram is being
 * changed
 *
 * Threads: any number at once.
 */
laser_status laser_histogram_contents(const laser_histogram *histogram,
                                      double *out,
                                      size_t cap);

/**
 * Sums the weights.
 *
 * @param histogram what to read
 * @param inside receives the sum of weights inside the range
 * @param outside receives that outside of it, of which the scores know nothing
 * @return LASER_OK; LASER_ERR_NULL; LASER_ERR_BUSY while the histogram is being changed
 *
 * Threads: any number at once.
 */
laser_status laser_histogram_total(const laser_histogram *histogram, double *inside, double *outside);

/**
 * Adds the contents of another histogram.
 *
 * @param into what to change; unchanged on failure
 * @param from what to add; of the same bins, and another histogram than `into`
 * @return LASER_OK; LASER_ERR_INVALID_ARGUMENT if the bins differ or both are the same histogram; LASER_ERR_NULL; LASER_ERR_BUSY
 *
 * Threads: needs `into` alone; `from` may be shared.
 */
laser_status laser_histogram_merge(laser_histogram *into,
                                   const laser_histogram *from);

/**
 * Frees a histogram.
 *
 * @param histogram what to free; NULL is fine
 *
 * Threads: no other thread may use `histogram` any more.
 */
void laser_histogram_free(laser_histogram *histogram);

/**
 * The Jensen-Shannon divergence of two histograms, each normalised to one: how far a sample is from the target.
 *
 * Of what lies outside the range of the histograms it knows nothing: compare their shares of laser_histogram_total too.
 * It means little without its floor: the same score between two independent target samples of the same size; see laser_jsd_floor.
 *
 * @param p one histogram
 * @param q the other, of the same bins; the order does not matter
 * @param nats receives the divergence in nats, from 0 (equal) to ln 2 (apart)
 * @param paper receives it in the convention of Table 3 of the LaSeR paper, divided by the area of a bin; NULL if not wanted
 * @return LASER_OK; LASER_ERR_INVALID_ARGUMENT if the bins differ; LASER_ERR_DATA for an empty histogram or a negative bin;
 * LASER_ERR_NULL; LASER_ERR_BUSY while a histogram is being changed
 *
 * Threads: any number at once.
 */
laser_status laser_jsd(const laser_histogram *p,
                       const laser_histogram *q,
                       double *nats,
                       double *paper);

/**
 * The earth mover's distance of two histograms, each normalised to one: the exact optimal transport between their bins, with
 * Euclidean distances between bin centres.
 *
 * Of what lies outside the range of the histograms it knows nothing: compare their shares of laser_histogram_total too.
 * It means little without its floor: the same score between two independent target samples of the same size; see laser_emd_floor. Takes
 * about half a second for histograms of 100 x 100 bins, seconds for 200 x 200, half a minute for 300 x 300.
 *
 * @param p one histogram
 * @param q the other, of the same bins; the order does not matter
 * @param units receives the distance, in units of the axes
 * @param paper receives it in the convention of Table 3 of the LaSeR paper, divided by the area of a bin and by the largest
 * distance between two bins; NULL if not wanted
 * @return LASER_OK; LASER_ERR_INVALID_ARGUMENT if the bins differ; LASER_ERR_DATA for an empty histogram or a negative bin;
 * LASER_ERR_NULL; LASER_ERR_BUSY while a histogram is being changed
 *
 * Threads: any number at once.
 */
laser_status laser_emd(const laser_histogram *p,
                       const laser_histogram *q,
                       double *units,
                       double *paper);

/**
 * What laser_jsd gives for two independent samples of one distribution, by chance alone: no score below this floor and a few times its
 * spread tells a difference.
 *
 * In every bin the events of both are dealt out anew, to the one or the other by the shares which both would have of one distribution: exact for
 * events without weights. Those with weights count as so many of the mean weight, (sum of w^2) / (sum of w), of the bin and its neighbours: right
 * to some per cent where weights are a function of x and y, up to a tenth too high where they scatter much at one place. Takes milliseconds a repeat for 100 x 100 bins.
 *
 * @param p one histogram
 * @param q the other, of the same bins; the order does not matter
 * @param repeats pairs of samples to draw, at least 2 and at most a million, say 100
 * @param seed of the draws; equal seeds give equal results
 * @param nats receives the mean, in nats
 * @param nats_spread receives the standard deviation of one score; NULL if not wanted
 * @param paper receives the mean in the paper's convention; NULL if not wanted
 * @param paper_spread receives the standard deviation of one score in it; NULL if not wanted
 * @return as laser_jsd; LASER_ERR_INVALID_ARGUMENT also for less or more repeats
 *
 * Threads: any number at once.
 */
laser_status laser_jsd_floor(const laser_histogram *p,
                             const laser_histogram *q,
                             size_t repeats,
                             uint64_t seed,
                             double *nats,
                             double *nats_spread,
                             double *paper,
                             double *paper_spread);

/**
 * What laser_emd gives for two independent samples of one distribution, by chance alone: no score below this floor and a few times its
 * spread tells a difference.
 *
 * In every bin the events of both are dealt out anew, to the one or the other by the shares which both would have of one distribution: exact for
 * events without weights. Those with weights count as so many of the mean weight, (sum of w^2) / (sum of w), of the bin and its neighbours: right
 * to some per cent where weights are a function of x and y, up to a tenth too high where they scatter much at one place. Takes `repeats` times as long as laser_emd, about half a second for 100 x 100 bins.
 *
 * @param p one histogram
 * @param q the other, of the same bins; the order does not matter
 * @param repeats pairs of samples to draw, at least 2 and at most a million, say 5
 * @param seed of the draws; equal seeds give equal results
 * @param units receives the mean, in units of the axes
 * @param units_spread receives the standard deviation of one score; NULL if not wanted
 * @param paper receives the mean in the paper's convention; NULL if not wanted
 * @param paper_spread receives the standard deviation of one score in it; NULL if not wanted
 * @return as laser_emd; LASER_ERR_INVALID_ARGUMENT also for less or more repeats
 *
 * Threads: any number at once.
 */
laser_status laser_emd_floor(const laser_histogram *p,
                             const laser_histogram *q,
                             size_t repeats,
                             uint64_t seed,
                             double *units,
                             double *units_spread,
                             double *paper,
                             double *paper_spread);

/**
 * The earth mover's (Wasserstein-1) distance of one feature in two samples: exact, with weights, without bins, in any dimension of events.
 *
 * Error and floor come from bootstrap samples. A distance means little without its floor: what two independent samples of these sizes and
 * weights would score if their distribution were the same. Takes a sort of all events, and about 100 ns per event and repeat.
 *
 * @param p events of one sample, from laser_source_from_array; weights may be negative if their sum is positive
 * @param q events of the other, likewise; the order does not matter
 * @param feature which value of the events, from 0
 * @param repeats bootstrap samples to draw, say 20 to 100, at most a million; with less than 2 there is no error and no floor
 * @param seed of the bootstrap; equal seeds give equal results
 * @param distance receives the distance, in units of the feature
 * @param error receives its standard error; NaN without repeats; NULL if not wanted
 * @param floor receives the mean of the floor, likewise
 * @param floor_spread receives the standard deviation of one score about it, likewise
 * @return LASER_OK; LASER_ERR_INVALID_ARGUMENT if the events have no such feature, or for too many repeats; LASER_ERR_DATA for weights
 * without a positive total, also in a bootstrap sample; LASER_ERR_UNSUPPORTED for a source of laser_source_from_callback; LASER_ERR_NULL; LASER_ERR_BUSY while a
 * source is in use by a training
 *
 * Threads: any number at once.
 */
laser_status laser_emd_1d(const laser_source *p,
                          const laser_source *q,
                          size_t feature,
                          size_t repeats,
                          uint64_t seed,
                          double *distance,
                          double *error,
                          double *floor,
                          double *floor_spread);

/**
 * The sliced earth mover's distance of two samples, in any dimension: the mean of the one-dimensional distance over random directions,
 * every feature divided by its standard deviation in the reference.
 *
 * Error and floor are as for laser_emd_1d, for the same directions. Takes `directions` times as long.
 *
 * @param reference events that set the scale, from laser_source_from_array
 * @param sample events to compare with them, likewise, with as many values
 * @param directions how many directions to draw, at least 1 and at most a million, say 50
 * @param repeats bootstrap samples to draw, at most a million; with less than 2 there is no error and no floor
 * @param seed of directions and bootstrap; compare scores of one seed
 * @param distance receives the distance, in standard deviations
 * @param error receives its standard error; NaN without repeats; NULL if not wanted
 * @param floor receives the mean of the floor, likewise
 * @param floor_spread receives the standard deviation of one score about it, likewise
 * @return LASER_OK; LASER_ERR_INVALID_ARGUMENT for no or too many directions, or different numbers of values; LASER_ERR_DATA for a feature that is
 * constant in the reference (but for rounding) or has a variance beyond the floating-point range, for weights without a positive total,
 * also in a bootstrap sample; LASER_ERR_UNSUPPORTED for a source of laser_source_from_callback; LASER_ERR_NULL; LASER_ERR_BUSY while a
 * source is in use by a training
 *
 * Threads: any number at once.
 */
laser_status laser_sliced_emd(const laser_source *reference,
                              const laser_source *sample,
                              size_t directions,
                              size_t repeats,
                              uint64_t seed,
                              double *distance,
                              double *error,
                              double *floor,
                              double *floor_spread);

/**
 * The two-sample Kolmogorov-Smirnov test of one feature, with weights.
 *
 * @param p events of one sample, from laser_source_from_array; weights may be negative if their sum is positive
 * @param q events of the other, likewise; the order does not matter
 * @param feature which value of the events, from 0
 * @param statistic receives the greatest difference of the two cumulative distributions, from 0 to 1, or above where negative weights take
 * one of them out of that range
 * @param p_value receives the probability of so great a difference or a greater one if the distributions were the same; approximate for
 * weighted samples (their effective sizes, or what their weights leave below and above a value), too great for values with many ties; NULL if not wanted
 * @return LASER_OK; LASER_ERR_INVALID_ARGUMENT if the events have no such feature; LASER_ERR_DATA for weights without a positive total;
 * LASER_ERR_UNSUPPORTED for a source of laser_source_from_callback; LASER_ERR_NULL; LASER_ERR_BUSY while a source is in use by a training
 *
 * Threads: any number at once.
 */
laser_status laser_kolmogorov_smirnov(const laser_source *p,
                                      const laser_source *q,
                                      size_t feature,
                                      double *statistic,
                                      double *p_value);

/**
 * A classifier two-sample test: trains fresh classifiers of two families, a network and gradient-boosted trees, to tell a sample from the
 * reference on one half of both, and gives the larger area under their ROC curves on the other halves.
 *
 * 0.5 within the error: they find no difference, in all dimensions together; 1: one tells every event. A lower bound, as a longer training
 * may find more. Where there is none, the larger of two areas is on average up to half an error above 0.5. The two samples must not
 * share events: an area far below 0.5 says that they do, and is warned of. Copies of an event within one of them, as resampling makes
 * them, count as one event with the sum of their weights. An event that has more than a tenth of a sample's Σw² is warned of: the area
 * knows it in one half alone.
 *
 * @param reference events of one sample, from laser_source_from_array, at least 4
 * @param sample events of the other, likewise, with as many values
 * @param options the groups "classifier" (of the network) and "validation", and "seed" (also of the halves), "dtype", "backend", "device",
 * "threads"; copied; NULL for the defaults, the paper's long training
 * @param hooks progress, log and cancel; copied; NULL for none
 * @param auc receives the area
 * @param error receives its standard error, that of the events it was judged by; NULL if not wanted
 * @return LASER_OK; LASER_ERR_INVALID_ARGUMENT for different numbers of values; LASER_ERR_DATA for too few events, a feature that is
 * constant (but for rounding) or has a variance beyond the floating-point range, weights whose total is not positive in a half;
 * LASER_ERR_UNSUPPORTED for a source of laser_source_from_callback; LASER_ERR_NUMERICAL, LASER_ERR_CALLBACK, LASER_ERR_CANCELLED,
 * LASER_ERR_DEVICE, LASER_ERR_TORCH as in a training; LASER_ERR_NULL; LASER_ERR_BUSY while a source is in use by a training
 *
 * Threads: any number at once.
 */
laser_status laser_two_sample_auc(const laser_source *reference,
                                  const laser_source *sample,
                                  const laser_options *options,
                                  const laser_hooks *hooks,
                                  double *auc,
                                  double *error);

/**
 * As laser_two_sample_auc, but gives the areas of both families. It trains as much, and with the same options finds the same.
 *
 * A network finds smooth differences and narrow correlations; trees find edges, spikes, and differences of any scale.
 *
 * @param reference see laser_two_sample_auc
 * @param sample likewise
 * @param options likewise
 * @param hooks likewise
 * @param network receives the area of the network
 * @param network_error receives its standard error; NULL if not wanted
 * @param trees receives the area of the trees
 * @param trees_error receives its standard error; NULL if not wanted
 * @return as laser_two_sample_auc
 *
 * Threads: any number at once.
 */
laser_status laser_two_sample_auc_by_family(const laser_source *reference,
                                            const laser_source *sample,
                                            const laser_options *options,
                                            const laser_hooks *hooks,
                                            double *network,
                                            double *network_error,
                                            double *trees,
                                            double *trees_error);

/**
 * The area under the ROC curve of scores: the probability that an event of label 1 scores higher than one of label 0, ties counting half.
 *
 * @param n number of events
 * @param scores `n` numbers, greater for events that look like label 1
 * @param labels `n` numbers, 1 or 0
 * @param w `n` weights, which may be negative if their sum is positive for each label; NULL for weights of 1
 * @param auc receives the area, from 0 to 1 unless there are negative weights
 * @param error receives its standard error (DeLong's; with weights, of effective sizes), or where the scores part the classes completely or are
 * all equal, of which that knows none, the error of useless scores of as many events; NULL if not wanted
 * @return LASER_OK; LASER_ERR_DATA for NaN or infinity, other labels, a label of less than two (effective) events or without a positive
 * total weight; LASER_ERR_NULL
 *
 * Threads: any number at once.
 */
laser_status laser_auc(size_t n,
                       const double *scores,
                       const int32_t *labels,
                       const double *w,
                       double *auc,
                       double *error);

/**
 * How many unweighted events are worth as much as weighted ones: (sum of w)^2 / (sum of w^2).
 *
 * @param n number of events
 * @param w `n` weights
 * @param size receives the effective sample size
 * @return LASER_OK; LASER_ERR_DATA for weights whose sum is not positive and finite; LASER_ERR_NULL
 *
 * Threads: any number at once.
 */
laser_status laser_effective_size(size_t n, const double *w, double *size);

/**
 * Whether Markov chains have mixed, and how many independent draws they are worth: rank-normalised split R-hat (the greater of bulk and
 * folded) and bulk effective sample size of every dimension, after Vehtari et al., arXiv:1903.08008.
 *
 * R-hat is 1 for chains that agree; above 1.01 they have not converged. Chains none of which ever moves, at one value or each at its own,
 * give infinity and 1.
 *
 * @param draws number of draws of a chain, without warm-up, at least 4
 * @param chains number of chains, at least 1; the paper advises 4
 * @param dim number of dimensions, at least 1
 * @param x value d of chain c at draw i is x[(i * chains + c) * dim + d]
 * @param r_hat receives `dim` values; NULL if not wanted
 * @param effective_size receives `dim` values, each the number of independent draws of all chains together; NULL if not wanted
 * @return LASER_OK; LASER_ERR_INVALID_ARGUMENT for wrong sizes; LASER_ERR_DATA naming the first value that is NaN or infinite;
 * LASER_ERR_NULL
 *
 * Threads: any number at once.
 */
laser_status laser_chain_diagnostics(size_t draws,
                                     size_t chains,
                                     size_t dim,
                                     const double *x,
                                     double *r_hat,
                                     double *effective_size);

/**
 * What two samples do at an edge of the region where events can be: at one inequality of a support. An edge that is smeared has events of the
 * sample beyond it, and a ratio above 1 just within it.
 *
 * The layer just within is that which holds the nearest per cent of the reference's weight on this side of the edge. Distances are the greater
 * side of the inequality less the smaller one. Takes a sort of the reference.
 *
 * @param reference events of one sample, from laser_source_from_array
 * @param sample events of the other, likewise, with as many values
 * @param support a condition in the values of events, as option "support" has it: "hypot(x0, x1) > 20 and abs(x2) < 2.5"
 * @param names of the values, with commas, as option "features.names" has them; NULL or empty: they are called x0 ...
 * @param edge which inequality, from 0, in the order in which they are written: see laser_edge_count
 * @param beyond_reference receives the share of the reference's weight beyond the edge
 * @param beyond_reference_error receives its standard error; NULL if not wanted
 * @param beyond_sample receives the share of the sample's weight beyond the edge
 * @param beyond_sample_error receives its standard error; NULL if not wanted
 * @param ratio receives the ratio of the densities reference / sample in the layer just within: 1 where the edge is as sharp in the sample,
 * infinity where the sample has nothing there, NaN where the reference has nothing on this side; NULL if not wanted
 * @param ratio_error receives its standard error, NaN where the ratio is not finite; NULL if not wanted
 * @param depth receives how far the layer reaches from the edge, in units of the inequality; NULL if not wanted
 * @return LASER_OK; LASER_ERR_INVALID_ARGUMENT for a support that is none, showing the place, or has no such edge, names that do not fit, or
 * different numbers of values; LASER_ERR_DATA for weights without a positive total; LASER_ERR_UNSUPPORTED for a source of laser_source_from_callback; LASER_ERR_NULL; LASER_ERR_BUSY while a
 * source is in use by a training
 *
 * Threads: any number at once.
 */
laser_status laser_edge(const laser_source *reference,
                        const laser_source *sample,
                        const char *support,
                        const char *names,
                        size_t edge,
                        double *beyond_reference,
                        double *beyond_reference_error,
                        double *beyond_sample,
                        double *beyond_sample_error,
                        double *ratio,
                        double *ratio_error,
                        double *depth);

/**
 * How many edges a support has: one for each inequality.
 *
 * @param events a source of the events that it is for: any, as their number of values is all that matters
 * @param support see laser_edge
 * @param names likewise
 * @param count receives the number
 * @return LASER_OK; LASER_ERR_INVALID_ARGUMENT for a support that is none, showing the place, or names that do not fit; LASER_ERR_NULL;
 * LASER_ERR_BUSY while the source is in use by a training
 *
 * Threads: any number at once.
 */
laser_status laser_edge_count(const laser_source *events,
                              const char *support,
                              const char *names,
                              size_t *count);

/**
 * The inequality that makes an edge, as it is written in the support.
 *
 * @param events a source of the events that it is for: any, as their number of values is all that matters
 * @param support see laser_edge
 * @param names likewise
 * @param edge which one, from 0
 * @param buf receives the inequality, NUL-terminated; NULL with `cap` 0 asks for the size only
 * @param cap size of `buf` in bytes
 * @param needed receives the size of the inequality in bytes, its NUL included, also if `buf` is too small; may be NULL
 * @return as laser_edge_count; LASER_ERR_INVALID_ARGUMENT also if there is no such edge, and for too small a buffer
 *
 * Threads: any number at once.
 */
laser_status laser_edge_inequality(const laser_source *events,
                                   const char *support,
                                   const char *names,
                                   size_t edge,
                                   char *buf,
                                   size_t cap,
                                   size_t *needed);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* LASER_H */
