/**
 * @file laser.hpp
 * @brief liblaser for C++17: the C API of laser.h with handles that free themselves, exceptions, views and callables.
 *
 * Header-only, and all of laser.h's rules hold: what a call does, its options, units and threads are described there; each class and function
 * names its twin by its own name (laser::Model::save is laser_model_save). An object that is const may be used by any number of threads at once;
 * one that is not by one at a time (else laser::Busy, not a race).
 *
 *     laser::Source source(2, [&](laser::Rows<double> x) { for (std::size_t i = 0; i < x.rows(); i++) simulator.event(x[i]); });
 *     const laser::Options options("fast");
 *     const auto flow = laser::Generator::train(source, options);
 *     const auto model = laser::refine(flow, source, options);
 *     model.save("model.laser");
 *     laser::Sampler sampler(model, seed, stream);
 *     std::vector<double> events = sampler.generate(1000);  // 1000 rows of model.event_dim() values
 *
 * @par Ownership
 * Objects own their handles, can be moved and not copied; one that was moved from can only be assigned to or destroyed. Objects made from others
 * keep what they need of them, callables included. A callable is copied or moved into the object that takes it; what it refers to is the caller's to
 * keep alive. So are the arrays that a Source borrows, and what any view shows; a vector without a name is no such array, and is refused by the compiler.
 *
 * @par Errors
 * A failure throws laser::Error or the class derived from it that fits, with the library's message; what the call was to make or change is then as it
 * was before. Destructors and moves never throw.
 *
 * @par Exceptions in callbacks
 * Whatever a callable throws ends the call of the library, cleanly, and is thrown again from it to the caller: the same object. That is also the
 * way to stop a training from a callback. If the callable and the call were compiled into different shared libraries that hide their
 * symbols (-fvisibility=hidden), the object cannot be handed over, and laser::CallbackError is thrown in its place.
 *
 * Needs exceptions, but neither RTTI (-fno-rtti works) nor libtorch's headers.
 */
/* SPDX-License-Identifier: Apache-2.0 OR MIT */
#ifndef LASER_HPP
#define LASER_HPP

#include "laser.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace laser {

// --- errors ---

/** What every failure of the library throws: the status and the message of laser_last_error. */
class Error : public std::runtime_error {
public:
    Error(laser_status status, const std::string &message) : std::runtime_error(message), status_(status) {}
    /** One of LASER_ERR_*. */
    laser_status status() const noexcept { return status_; }
    /** Its name, as "LASER_ERR_IO". */
    const char *status_name() const noexcept { return laser_status_name(status_); }

private:
    laser_status status_;
};

/** An argument outside its domain: a wrong size, NaN, an unknown word. */
class InvalidArgument : public Error {
public:
    using Error::Error;
};

/** An option key that does not exist; the message names near misses. */
class UnknownOption : public InvalidArgument {
public:
    using InvalidArgument::InvalidArgument;
};

/** A file could not be read or written. */
class IoError : public Error {
public:
    using Error::Error;
};

/** Not a valid model file. */
class FormatError : public Error {
public:
    using Error::Error;
};

/** A callback of C stopped the call; C++ callables throw, and what they threw is thrown again. */
class CallbackError : public Error {
public:
    CallbackError(const std::string &message, std::int32_t code) : Error(LASER_ERR_CALLBACK, message), code_(code) {}
    /** What the callback returned. */
    std::int32_t code() const noexcept { return code_; }

private:
    std::int32_t code_;
};

/** The cancel token was tripped. */
class Cancelled : public Error {
public:
    using Error::Error;
};

/** The object is in use by another call. */
class Busy : public Error {
public:
    using Error::Error;
};

/** This build, model or method cannot do what was asked. */
class Unsupported : public Error {
public:
    using Error::Error;
};

/** Events that cannot be used: NaN, infinite, too few, without weight. */
class DataError : public Error {
public:
    using Error::Error;
};

/** A computation left the finite numbers. */
class NumericalError : public Error {
public:
    using Error::Error;
};

/** The compute device cannot be used. */
class DeviceError : public Error {
public:
    using Error::Error;
};

/** libtorch reported an error. */
class TorchError : public Error {
public:
    using Error::Error;
};

/** Memory that cannot be had. */
class MemoryError : public Error {
public:
    using Error::Error;
};

/** A defect of liblaser: please report it. */
class Defect : public Error {
public:
    using Error::Error;
};

// --- views ---

template <class T> class Span;

namespace detail {

/** An empty vector in the place of an optional view is a mistake: only a Span of nothing at all counts as left out. */
template <class Container> constexpr bool given(const Container &) noexcept { return true; }
template <class T> constexpr bool given(const Span<T> &values) noexcept { return values.given(); }

/**
 * Whether the numbers of an argument outlive the expression: those of a variable do, and those that a view shows; a vector or an array without a
 * name takes its own along.
 */
template <class Argument, class Container = std::remove_reference_t<Argument>>
inline constexpr bool lasts = std::is_lvalue_reference_v<Argument> || (std::is_trivially_copyable_v<Container> && !std::is_aggregate_v<Container>);

} // namespace detail

/**
 * A view of n numbers: of a pointer and a size, or of any container with data() and size(), such as std::vector or std::span. Where one may be left
 * out, `{}` does that; an empty container does not.
 */
template <class T> class Span {
public:
    constexpr Span() noexcept = default;
    constexpr Span(T *data, std::size_t size) noexcept : data_(data), size_(size), given_(true) {}
    template <class Container, class = std::enable_if_t<std::is_convertible_v<decltype(std::declval<Container &>().data()), T *>>>
    constexpr Span(Container &&values) noexcept : data_(values.data()), size_(values.size()), given_(detail::given(values))
    {
    }

    constexpr T *data() const noexcept { return data_; }
    constexpr std::size_t size() const noexcept { return size_; }
    constexpr bool empty() const noexcept { return size_ == 0; }
    /** Whether it views something, if only an empty array; Span() does not. */
    constexpr bool given() const noexcept { return given_; }
    constexpr T &operator[](std::size_t i) const noexcept { return data_[i]; }
    constexpr T *begin() const noexcept { return data_; }
    constexpr T *end() const noexcept { return data_ + size_; }

private:
    T *data_ = nullptr;
    std::size_t size_ = 0;
    bool given_ = false;
};

/** A view of events or latent points, one per row: value j of row i is rows[i][j]. */
template <class T> class Rows {
public:
    constexpr Rows() noexcept = default;
    /** The stride counts values from one row to the next; 0 for packed rows. */
    constexpr Rows(T *data, std::size_t rows, std::size_t columns, std::size_t stride = 0) noexcept
        : data_(data), rows_(rows), columns_(columns), stride_(stride == 0 ? columns : stride)
    {
    }
    /** Packed rows in a container whose size is a multiple of `columns`. */
    template <class Container, class = std::enable_if_t<std::is_convertible_v<decltype(std::declval<Container &>().data()), T *>>,
              std::enable_if_t<detail::lasts<Container>, int> = 0>
    Rows(Container &&values, std::size_t columns) : Rows(values.data(), columns == 0 ? 0 : values.size() / columns, columns)
    {
        if (columns == 0 || values.size() % columns != 0)
            throw InvalidArgument(LASER_ERR_INVALID_ARGUMENT,
                                  std::to_string(values.size()) + " values are no rows of " + std::to_string(columns));
    }
    /** A container without a name would take the events along: give it one. */
    template <class Container, class = std::enable_if_t<std::is_convertible_v<decltype(std::declval<Container &>().data()), T *>>,
              std::enable_if_t<!detail::lasts<Container>, int> = 0>
    Rows(Container &&values, std::size_t columns) = delete;
    /** Rows to write to can be read. */
    template <class Other, class = std::enable_if_t<!std::is_same_v<Other, T> && std::is_convertible_v<Other (*)[], T (*)[]>>>
    constexpr Rows(const Rows<Other> &other) noexcept : Rows(other.data(), other.rows(), other.columns(), other.stride())
    {
    }

    constexpr T *data() const noexcept { return data_; }
    constexpr std::size_t rows() const noexcept { return rows_; }
    constexpr std::size_t columns() const noexcept { return columns_; }
    constexpr std::size_t stride() const noexcept { return stride_; }
    constexpr T *operator[](std::size_t i) const noexcept { return data_ + i * stride_; }
    /** The same rows from column `first` on, which they must have. */
    constexpr Rows from_column(std::size_t first) const
    {
        if (first >= columns_)
            throw InvalidArgument(LASER_ERR_INVALID_ARGUMENT,
                                  "there is no column " + std::to_string(first) + " (from 0) in rows of " + std::to_string(columns_));
        return Rows(data_ + first, rows_, columns_ - first, stride_);
    }

private:
    T *data_ = nullptr;
    std::size_t rows_ = 0, columns_ = 0, stride_ = 0;
};

template <class Container> Rows(Container &&, std::size_t) -> Rows<std::remove_pointer_t<decltype(std::declval<Container &>().data())>>;

// --- what the classes share ---

namespace detail {

/** What a callable has thrown, on its way through the library, on the thread that called it. */
inline thread_local std::exception_ptr thrown;

/** What a trampoline returns to the library when its callable has thrown. */
constexpr std::int32_t has_thrown = std::numeric_limits<std::int32_t>::min();

/** Runs a callable for the library, through which no exception may pass. */
template <class Body> std::int32_t guarded(Body &&body) noexcept
{
    try {
        body();
        return 0;
    } catch (...) {
        thrown = std::current_exception();
        return has_thrown;
    }
}

inline std::string last_error()
{
    std::size_t needed = 0;
    laser_last_error(nullptr, 0, &needed);
    std::string message(needed, '\0');
    laser_last_error(message.data(), message.size(), nullptr);
    message.resize(needed == 0 ? 0 : needed - 1);
    return message;
}

[[noreturn]] inline void fail(laser_status status)
{
    if (status == LASER_ERR_CALLBACK) {
        const std::int32_t code = laser_last_callback_code();
        if (code == has_thrown && thrown)
            std::rethrow_exception(std::exchange(thrown, nullptr));
        throw CallbackError(last_error(), code);
    }
    const std::string message = last_error();
    switch (status) {
    case LASER_ERR_INVALID_ARGUMENT:
    case LASER_ERR_NULL: throw InvalidArgument(status, message);
    case LASER_ERR_UNKNOWN_OPTION: throw UnknownOption(status, message);
    case LASER_ERR_IO: throw IoError(status, message);
    case LASER_ERR_FORMAT: throw FormatError(status, message);
    case LASER_ERR_CANCELLED: throw Cancelled(status, message);
    case LASER_ERR_BUSY: throw Busy(status, message);
    case LASER_ERR_UNSUPPORTED: throw Unsupported(status, message);
    case LASER_ERR_DATA: throw DataError(status, message);
    case LASER_ERR_NUMERICAL: throw NumericalError(status, message);
    case LASER_ERR_DEVICE: throw DeviceError(status, message);
    case LASER_ERR_TORCH: throw TorchError(status, message);
    case LASER_ERR_MEMORY: throw MemoryError(status, message);
    case LASER_ERR_INTERNAL:
    case LASER_ERR_PANIC: throw Defect(status, message);
    default: throw Error(status, message);
    }
}

inline void check(laser_status status)
{
    if (status != LASER_OK)
        fail(status);
}

inline void require(bool good, const char *message)
{
    if (!good)
        throw InvalidArgument(LASER_ERR_INVALID_ARGUMENT, message);
}

/** C would silently end a string at its first NUL. */
inline const char *c_string(const std::string &text)
{
    require(text.find('\0') == std::string::npos, "a string holds a NUL character");
    return text.c_str();
}

/** The text that a function of the library copies out. */
template <class Call> std::string text_of(Call &&call)
{
    std::size_t needed = 0;
    check(call(nullptr, std::size_t{0}, &needed));
    std::string text(needed, '\0');
    check(call(text.data(), text.size(), &needed));
    text.resize(needed - 1);
    return text;
}

/** Something that a function of the library gives out. */
template <class T, class Call> T result_of(Call &&call)
{
    T value{};
    check(call(&value));
    return value;
}

struct Free {
    void operator()(laser_options *p) const noexcept { laser_options_free(p); }
    void operator()(laser_cancel *p) const noexcept { laser_cancel_free(p); }
    void operator()(laser_hooks *p) const noexcept { laser_hooks_free(p); }
    void operator()(laser_source *p) const noexcept { laser_source_free(p); }
    void operator()(laser_generator *p) const noexcept { laser_generator_free(p); }
    void operator()(laser_model *p) const noexcept { laser_model_free(p); }
    void operator()(laser_reweighter *p) const noexcept { laser_reweighter_free(p); }
    void operator()(laser_sampler *p) const noexcept { laser_sampler_free(p); }
    void operator()(laser_histogram *p) const noexcept { laser_histogram_free(p); }
};

template <class T> using Handle = std::unique_ptr<T, Free>;

template <class T, class Call> Handle<T> made_by(Call &&call) { return Handle<T>(result_of<T *>(std::forward<Call>(call))); }

/** NULL for a view that was left out; it must fit the rows otherwise. */
template <class T> T *optional_column(Span<T> values, std::size_t rows, const char *message)
{
    require(!values.given() || values.size() == rows, message);
    return values.data();
}

inline constexpr const char *weights_do_not_fit = "the weights are as many as the rows, or left out";
inline constexpr const char *log_densities_do_not_fit = "the log densities are as many as the rows, or left out";

template <class T> void require_columns(const Rows<T> &rows, std::size_t columns, const char *what)
{
    if (rows.columns() != columns)
        throw InvalidArgument(LASER_ERR_INVALID_ARGUMENT,
                              std::string(what) + " has " + std::to_string(rows.columns()) + " columns, where " + std::to_string(columns)
                                  + " are right");
}

} // namespace detail

/** The loaded library's version, as "0.1.0". */
inline std::string version() { return laser_version(); }

/** The number of the loaded library's C ABI: LASER_ABI_VERSION of the header it was built with. */
inline std::uint32_t abi_version() noexcept { return laser_abi_version(); }

/** Whether "cpu", "cuda" or "cuda:N" can be used here; throws DeviceError with the reason if not. */
inline void device_check(const std::string &device) { detail::check(laser_device_check(detail::c_string(device))); }

// --- options ---

/**
 * Settings of training, refining and sampling, by key.
 *
 * Options() are the defaults, the paper's settings; wherever options are taken, `{}` means them.
 */
class Options {
public:
    Options() noexcept = default;
    /** Of a preset: "default", "paper" or "fast". */
    explicit Options(const std::string &preset)
        : handle_(detail::made_by<laser_options>([&](laser_options **out) { return laser_options_new(detail::c_string(preset), out); }))
    {
    }
    /** Of an object with nested or dotted keys, {"preset": "fast", "flow": {"blocks": 20}, "classifier.lr": 2e-3}. */
    static Options from_json(const std::string &json)
    {
        Options made;
        made.handle_ =
            detail::made_by<laser_options>([&](laser_options **out) { return laser_options_from_json(detail::c_string(json), out); });
        return made;
    }

    /** Sets an integer, a floating-point or a text option, whichever the value is. */
    template <class T> Options &set(const std::string &key, const T &value)
    {
        laser_options *const options = present();
        const char *const name = detail::c_string(key);
        if constexpr (std::is_integral_v<T>) {
            static_assert(!std::is_same_v<T, bool>, "options are numbers and words; a switch is 0 or 1");
            bool fits = true;
            if constexpr (std::is_unsigned_v<T>)
                fits = value <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
            detail::require(fits, "an option's value is above the largest int64_t");
            detail::check(laser_options_set_i64(options, name, static_cast<std::int64_t>(value)));
        } else if constexpr (std::is_floating_point_v<T>) {
            detail::check(laser_options_set_f64(options, name, static_cast<double>(value)));
        } else {
            detail::check(laser_options_set_str(options, name, detail::c_string(std::string(value))));
        }
        return *this;
    }
    /** Reads an option: T is std::int64_t, double or std::string, as the option is. */
    template <class T> T get(const std::string &key) const
    {
        if (!handle_)
            return Options("default").get<T>(key);
        const char *const name = detail::c_string(key);
        if constexpr (std::is_same_v<T, std::string>) {
            return detail::text_of(
                [&](char *buf, std::size_t cap, std::size_t *needed) { return laser_options_get_str(handle(), name, buf, cap, needed); });
        } else if constexpr (std::is_same_v<T, double>) {
            return detail::result_of<double>([&](double *value) { return laser_options_get_f64(handle(), name, value); });
        } else {
            static_assert(std::is_same_v<T, std::int64_t>, "options are std::int64_t, double or std::string");
            return detail::result_of<std::int64_t>([&](std::int64_t *value) { return laser_options_get_i64(handle(), name, value); });
        }
    }
    /** All options, defaults included, as nested JSON. */
    std::string to_json() const
    {
        if (!handle_)
            return Options("default").to_json();
        return detail::text_of([&](char *buf, std::size_t cap, std::size_t *needed) { return laser_options_to_json(handle(), buf, cap, needed); });
    }
    /** For calls of the C API; NULL for the defaults. */
    const laser_options *handle() const noexcept { return handle_.get(); }

private:
    laser_options *present()
    {
        if (!handle_)
            *this = Options("default");
        return handle_.get();
    }

    detail::Handle<laser_options> handle_;
};

// --- watching and stopping ---

/** Where a long call stands. Exists only inside the callable that it is handed to. */
class Progress {
public:
    explicit Progress(const laser_progress *p) noexcept : p_(p) {}
    /** What is running: "flow", "classifier" … */
    std::string_view stage() const noexcept { return laser_progress_stage(p_); }
    std::uint64_t epoch() const noexcept { return laser_progress_epoch(p_); }
    std::uint64_t epochs() const noexcept { return laser_progress_epochs(p_); }
    std::uint64_t step() const noexcept { return laser_progress_step(p_); }
    std::uint64_t steps() const noexcept { return laser_progress_steps(p_); }
    /** In nats per event; NaN if the stage has none. */
    double loss() const noexcept { return laser_progress_loss(p_); }
    double validation_loss() const noexcept { return laser_progress_validation_loss(p_); }
    /** An estimate; NaN until there is one. */
    double seconds_left() const noexcept { return laser_progress_seconds_left(p_); }

private:
    const laser_progress *p_;
};

/** Level of a log message; later versions may have more. */
enum class LogLevel : std::int32_t { info = LASER_LOG_INFO, warning = LASER_LOG_WARNING };

/** Stops long calls from any thread, or from a signal handler: they then throw Cancelled. */
class CancelToken {
public:
    CancelToken() : handle_(detail::made_by<laser_cancel>([](laser_cancel **out) { return laser_cancel_new(out); })) {}
    void trip() const noexcept { laser_cancel_trip(handle()); }
    void reset() const { detail::check(laser_cancel_reset(handle())); }
    bool is_tripped() const noexcept { return laser_cancel_is_tripped(handle()) != 0; }
    const laser_cancel *handle() const noexcept { return handle_.get(); }

private:
    detail::Handle<laser_cancel> handle_;
};

/**
 * How a host watches and stops long calls, where they are kept, and who shares them. A call that was given hooks keeps what they are when it
 * begins: they may be changed or destroyed while it runs, by their own callables too. Wherever hooks are taken, `{}` means none.
 */
class Hooks {
public:
    Hooks() noexcept = default;
    /** progress(const Progress &): after every update of a training, and every block of events of a sampler. */
    template <class Callable> Hooks &on_progress(Callable progress)
    {
        auto kept = std::make_shared<Callable>(std::move(progress));
        const auto trampoline = [](const laser_progress *p, void *user) -> std::int32_t {
            return detail::guarded([&] { (*static_cast<Callable *>(user))(Progress(p)); });
        };
        detail::check(laser_hooks_set_progress(present(), trampoline, kept.get()));
        progress_ = std::move(kept);
        return *this;
    }
    /** log(LogLevel, std::string_view): what the library decided, and its warnings; it prints nothing itself. */
    template <class Callable> Hooks &on_log(Callable log)
    {
        auto kept = std::make_shared<Callable>(std::move(log));
        const auto trampoline = [](std::int32_t level, const char *message, void *user) -> std::int32_t {
            return detail::guarded([&] { (*static_cast<Callable *>(user))(static_cast<LogLevel>(level), std::string_view(message)); });
        };
        detail::check(laser_hooks_set_log(present(), trampoline, kept.get()));
        log_ = std::move(kept);
        return *this;
    }
    /** The token is shared: either may go first. */
    Hooks &set_cancel(const CancelToken &cancel)
    {
        detail::check(laser_hooks_set_cancel(present(), cancel.handle()));
        return *this;
    }
    /**
     * The file, in UTF-8, in which trainings are kept every so many seconds and, unless `steps` is 0, every so many updates: the same call,
     * made again, goes on from it to the same bits. See laser_hooks_set_checkpoint.
     */
    Hooks &set_checkpoint(const std::string &path, double seconds = 60.0, std::uint64_t steps = 0)
    {
        detail::check(laser_hooks_set_checkpoint(present(), detail::c_string(path), seconds, steps));
        return *this;
    }
    /**
     * Makes this process rank `rank`, from 0, of `ranks` that make long calls together. sum(Span<double>) replaces every value by its sum
     * over all of them, to the same bits on each, as MPI_Allreduce does. What it throws ends the call on all: the others throw
     * CallbackError. See laser_hooks_set_allreduce.
     */
    template <class Callable> Hooks &set_allreduce(std::size_t rank, std::size_t ranks, Callable sum)
    {
        auto kept = std::make_shared<Callable>(std::move(sum));
        const auto trampoline = [](std::size_t n, double *values, void *user) -> std::int32_t {
            return detail::guarded([&] { (*static_cast<Callable *>(user))(Span<double>(values, n)); });
        };
        detail::check(laser_hooks_set_allreduce(present(), rank, ranks, trampoline, kept.get()));
        allreduce_ = std::move(kept);
        return *this;
    }
    const laser_hooks *handle() const noexcept { return handle_.get(); }
    /** The callables, which calls keep until they end, and samplers until they get other hooks. */
    std::array<std::shared_ptr<void>, 3> callables() const { return {progress_, log_, allreduce_}; }

private:
    laser_hooks *present()
    {
        if (!handle_)
            handle_ = detail::made_by<laser_hooks>([](laser_hooks **out) { return laser_hooks_new(out); });
        return handle_.get();
    }

    std::shared_ptr<void> progress_, log_, allreduce_;
    detail::Handle<laser_hooks> handle_;
};

// --- events and generators ---

/** Where target events come from. Not const: one call at a time. */
class Source {
public:
    /**
     * A callable that fills rows of `dim` values with events: f(Rows<double> x), or f(Rows<double> x, Span<double> w) if it gives weights
     * too. It returns nothing, or how many rows it filled, no bool: with fewer than there are the events end, and begin again.
     */
    template <class Callable, class = std::enable_if_t<std::is_invocable_v<Callable &, Rows<double>>
                                                       || std::is_invocable_v<Callable &, Rows<double>, Span<double>>>>
    Source(std::size_t dim, Callable events)
    {
        constexpr bool weighted = !std::is_invocable_v<Callable &, Rows<double>>;
        auto kept = std::make_shared<Callable>(std::move(events));
        const auto trampoline = [](std::size_t n, std::size_t columns, double *x, double *w, std::size_t *got, void *user) -> std::int32_t {
            return detail::guarded([&] {
                Callable &fill = *static_cast<Callable *>(user);
                const Rows<double> rows(x, n, columns);
                const auto call = [&]() -> decltype(auto) {
                    if constexpr (weighted)
                        return fill(rows, Span<double>(w, n));
                    else
                        return (void)w, fill(rows);
                };
                if constexpr (std::is_void_v<decltype(call())>) {
                    call(), *got = n;
                } else {
                    const auto filled = call();
                    static_assert(std::is_integral_v<decltype(filled)> && !std::is_same_v<decltype(filled), const bool>,
                                  "a source's callable returns nothing, or how many rows it filled, an integer: true would be one row");
                    if constexpr (std::is_signed_v<decltype(filled)>)
                        detail::require(filled >= 0, "the source's callable returned a negative number of rows");
                    *got = static_cast<std::size_t>(filled);
                }
            });
        };
        handle_ = detail::made_by<laser_source>(
            [&](laser_source **out) { return laser_source_from_callback(dim, weighted ? 1 : 0, trampoline, kept.get(), out); });
        kept_ = std::move(kept);
    }
    /** Events of the caller's arrays, which must live and stay unchanged as long as the source; no weights: all 1. */
    explicit Source(Rows<const double> x, Span<const double> w = {})
    {
        const double *const weights = detail::optional_column(w, x.rows(), detail::weights_do_not_fit);
        handle_ = detail::made_by<laser_source>([&](laser_source **out) {
            return laser_source_from_array(x.data(), weights, x.rows(), x.columns(), x.stride(), out);
        });
    }
    /** Weights without a name would be gone before the source is used: give them one. */
    template <class Weights, class = std::enable_if_t<std::is_convertible_v<Weights, Span<const double>> && !detail::lasts<Weights>>>
    Source(Rows<const double> x, Weights &&w) = delete;
    /** Events that the source keeps for itself: packed rows of `dim` values; no weights: all 1. */
    Source(std::vector<double> x, std::size_t dim, std::nullptr_t = nullptr)
    {
        auto kept = std::make_shared<std::vector<double>>(std::move(x));
        *this = Source(Rows<const double>(*kept, dim));
        kept_ = std::move(kept);
    }
    /** The same with weights, as many as rows. */
    Source(std::vector<double> x, std::size_t dim, std::vector<double> w)
    {
        auto kept = std::make_shared<std::pair<std::vector<double>, std::vector<double>>>(std::move(x), std::move(w));
        *this = Source(Rows<const double>(kept->first, dim), kept->second);
        kept_ = std::move(kept);
    }

    /** Events of a file, as laser_source_from_file takes it; "source.weight" of the options names the column of their weights. */
    static Source from_file(const std::string &path, const Options &options = {})
    {
        Source source;
        source.handle_ = detail::made_by<laser_source>(
            [&](laser_source **out) { return laser_source_from_file(detail::c_string(path), options.handle(), out); });
        return source;
    }

    /**
     * Gives a callable's events positions, so that a training that goes on from a checkpoint asks only for events that it has not used:
     * std::uint64_t tell() says where they stand, seek(std::uint64_t) brings them back there, perhaps in another process. See
     * laser_source_set_position.
     */
    template <class Tell, class Seek> void set_position(Tell tell, Seek seek)
    {
        using Both = std::pair<Tell, Seek>;
        auto kept = std::make_shared<Both>(std::move(tell), std::move(seek));
        const auto telling = [](std::uint64_t *position, void *user) -> std::int32_t {
            return detail::guarded([&] { *position = static_cast<std::uint64_t>(static_cast<Both *>(user)->first()); });
        };
        const auto seeking = [](std::uint64_t position, void *user) -> std::int32_t {
            return detail::guarded([&] { static_cast<Both *>(user)->second(position); });
        };
        detail::check(laser_source_set_position(handle(), telling, seeking, kept.get()));
        position_ = std::move(kept);
    }
    /** Takes them away. */
    void set_position(std::nullptr_t)
    {
        detail::check(laser_source_set_position(handle(), nullptr, nullptr, nullptr));
        position_.reset();
    }
    /** Values per event, conditions included. */
    std::size_t event_dim() const
    {
        std::size_t dim = 0;
        detail::check(laser_source_event_dim(handle(), &dim));
        return dim;
    }
    laser_source *handle() noexcept { return handle_.get(); }
    const laser_source *handle() const noexcept { return handle_.get(); }

private:
    Source() = default;

    std::shared_ptr<void> kept_, position_;
    detail::Handle<laser_source> handle_;
};

/** The sizes that a generator's callable is made for. */
struct Dimensions {
    std::size_t latent;        /**< N, of the latent space */
    std::size_t event;         /**< M, values per event */
    std::size_t condition = 0; /**< C, values of the condition of an event */
};

namespace detail {

/** A host's generator as the library calls it: f(z, x) or, with conditions, f(z, c, x). */
template <class Callable>
std::int32_t generate(std::size_t n, const double *z, std::size_t zdim, const double *c, std::size_t cdim, double *x, std::size_t xdim,
                      void *user)
{
    return guarded([&] {
        Callable &make = *static_cast<Callable *>(user);
        const Rows<const double> latent(z, n, zdim), condition(c, n, cdim);
        if constexpr (std::is_invocable_v<Callable &, Rows<const double>, Rows<const double>, Rows<double>>)
            make(latent, condition, Rows<double>(x, n, xdim));
        else
            make(latent, Rows<double>(x, n, xdim));
    });
}

/** A host's support as the library calls it: f(x, inside). */
template <class Callable> std::int32_t support(std::size_t n, std::size_t dim, const double *x, std::int32_t *inside, void *user)
{
    return guarded([&] { (*static_cast<Callable *>(user))(Rows<const double>(x, n, dim), Span<std::int32_t>(inside, n)); });
}

/** The callables that an object needs: of its generator and of its support. */
using Callables = std::array<std::shared_ptr<void>, 2>;

} // namespace detail

/** g: turns latent points into events. Immutable. */
class Generator {
public:
    /** Trains one on target events; option "generator.type" says what kind. */
    static Generator train(Source &target, const Options &options = {}, const Hooks &hooks = {})
    {
        const auto kept = hooks.callables();
        return Generator(detail::made_by<laser_generator>([&](laser_generator **out) {
            return laser_generator_train(target.handle(), options.handle(), hooks.handle(), out);
        }));
    }
    /** Loads a model file, or a TorchScript module (option "generator.latent"). */
    static Generator load(const std::string &path, const Options &options = {})
    {
        return Generator(detail::made_by<laser_generator>(
            [&](laser_generator **out) { return laser_generator_load(detail::c_string(path), options.handle(), out); }));
    }
    /** A callable f(Rows<const double> z, Rows<double> x), or f(z, c, x) with conditions, whose events depend on z and c alone. */
    template <class Callable> static Generator deterministic(Dimensions dimensions, Callable generate, const Options &options = {})
    {
        return from_callable(dimensions, 0, std::move(generate), options);
    }
    /** The same with hidden randomness of its own, as a detector simulation has. */
    template <class Callable> static Generator stochastic(Dimensions dimensions, Callable generate, const Options &options = {})
    {
        return from_callable(dimensions, 1, std::move(generate), options);
    }

    /**
     * This generator with a callable that says where its events can be: f(Rows<const double> x, Span<std::int32_t> inside) marks each event,
     * its conditions behind it, with 1 or 0. It replaces the support that there was. Files do not hold it: see Model::attach_support.
     */
    template <class Callable> Generator with_support(Callable support) const
    {
        auto kept = std::make_shared<Callable>(std::move(support));
        auto handle = detail::made_by<laser_generator>([&](laser_generator **out) {
            return laser_generator_with_support(this->handle(), event_dim() + condition_dim(), detail::support<Callable>, kept.get(), out);
        });
        return Generator(std::move(handle), {kept_[0], std::move(kept)});
    }

    void save(const std::string &path) const { detail::check(laser_generator_save(handle(), detail::c_string(path))); }
    /** M */
    std::size_t event_dim() const { return dim(laser_generator_event_dim); }
    /** N */
    std::size_t latent_dim() const { return dim(laser_generator_latent_dim); }
    /** C */
    std::size_t condition_dim() const { return dim(laser_generator_condition_dim); }
    const laser_generator *handle() const noexcept { return handle_.get(); }
    /** The callables, which models made from this need as well. */
    const detail::Callables &callables() const noexcept { return kept_; }

private:
    explicit Generator(detail::Handle<laser_generator> handle, detail::Callables kept = {}) noexcept
        : kept_(std::move(kept)), handle_(std::move(handle))
    {
    }
    template <class Callable>
    static Generator from_callable(Dimensions dimensions, std::int32_t stochastic, Callable generate, const Options &options)
    {
        auto kept = std::make_shared<Callable>(std::move(generate));
        auto handle = detail::made_by<laser_generator>([&](laser_generator **out) {
            return laser_generator_from_callback(dimensions.latent, dimensions.condition, dimensions.event, stochastic,
                                                 detail::generate<Callable>, kept.get(), options.handle(), out);
        });
        return Generator(std::move(handle), {std::move(kept), nullptr});
    }
    std::size_t dim(laser_status (*function)(const laser_generator *, std::size_t *)) const
    {
        return detail::result_of<std::size_t>([&](std::size_t *out) { return function(handle(), out); });
    }

    detail::Callables kept_;
    detail::Handle<laser_generator> handle_;
};

// --- models ---

/** A generator with its classifier and refiner: all that makes refined events. Immutable. */
class Model {
public:
    /** The generator alone: the baseline. */
    explicit Model(const Generator &generator)
        : kept_(generator.callables()), handle_(detail::made_by<laser_model>(
                                            [&](laser_model **out) { return laser_model_from_generator(generator.handle(), out); }))
    {
    }
    static Model load(const std::string &path, const Options &options = {})
    {
        return Model(detail::made_by<laser_model>(
            [&](laser_model **out) { return laser_model_load(detail::c_string(path), options.handle(), out); }));
    }
    /** Atomic: the file appears whole or not at all. */
    void save(const std::string &path) const { detail::check(laser_model_save(handle(), detail::c_string(path))); }

    /** This model with another refiner, its classifier kept. */
    Model refine(const Options &options = {}, const Hooks &hooks = {}) const { return refine_with(nullptr, options, hooks); }
    /** The same for a model with conditions, which refiners learn from the target's events. */
    Model refine(Source &target, const Options &options = {}, const Hooks &hooks = {}) const
    {
        return refine_with(target.handle(), options, hooks);
    }
    /** A loaded model whose generator is the host's, with that callable again: f(z, x), or f(z, c, x) with conditions. */
    template <class Callable> Model attach(Dimensions dimensions, Callable generate) const
    {
        auto kept = std::make_shared<Callable>(std::move(generate));
        auto handle = detail::made_by<laser_model>([&](laser_model **out) {
            return laser_model_attach(this->handle(), dimensions.latent, dimensions.condition, dimensions.event,
                                      detail::generate<Callable>, kept.get(), out);
        });
        return Model(std::move(handle), {std::move(kept), kept_[1]});
    }
    /** A loaded model whose support is the host's, with that callable again: see Generator::with_support. */
    template <class Callable> Model attach_support(Callable support) const
    {
        auto kept = std::make_shared<Callable>(std::move(support));
        auto handle = detail::made_by<laser_model>([&](laser_model **out) {
            return laser_model_attach_support(this->handle(), event_dim() + condition_dim(), detail::support<Callable>, kept.get(), out);
        });
        return Model(std::move(handle), {kept_[0], std::move(kept)});
    }

    /** M */
    std::size_t event_dim() const { return dim(laser_model_event_dim); }
    /** N */
    std::size_t latent_dim() const { return dim(laser_model_latent_dim); }
    /** C */
    std::size_t condition_dim() const { return dim(laser_model_condition_dim); }
    /** How samplers make events unless told otherwise, as "rejection". */
    std::string method() const
    {
        return detail::text_of([&](char *buf, std::size_t cap, std::size_t *needed) { return laser_model_method(handle(), buf, cap, needed); });
    }
    /** What value `column` of an event is called, features before conditions: as option "features.names" says, or x0 ... and c0 ... */
    std::string feature_name(std::size_t column) const
    {
        return detail::text_of([&](char *buf, std::size_t cap, std::size_t *needed) {
            return laser_model_feature_name(handle(), column, buf, cap, needed);
        });
    }
    /** Networks, scalings, refiner and training record, as JSON. */
    std::string info() const
    {
        return detail::text_of([&](char *buf, std::size_t cap, std::size_t *needed) { return laser_model_info(handle(), buf, cap, needed); });
    }
    /** A number of the training record, as "weights.effective_fraction". */
    double get(const std::string &key) const
    {
        return detail::result_of<double>([&](double *out) { return laser_model_get_f64(handle(), detail::c_string(key), out); });
    }

    /** log w of every event; rows of M + C values. */
    std::vector<double> log_weight(Rows<const double> x, const Options &options = {}) const
    {
        return per_event(laser_model_log_weight, x, options);
    }
    /** log p_g of every event; rows of M + C values. */
    std::vector<double> log_prob(Rows<const double> x, const Options &options = {}) const
    {
        return per_event(laser_model_log_prob, x, options);
    }
    /** The latent points of events, rows of M + C values; gives packed rows of N. */
    std::vector<double> latent(Rows<const double> x, const Options &options = {}) const
    {
        return mapped(laser_model_latent, x, event_dim(), latent_dim(), options);
    }
    /** g of the caller's latent points, rows of N + C values; gives packed rows of M. */
    std::vector<double> generate(Rows<const double> z, const Options &options = {}) const
    {
        return mapped(laser_model_generate, z, latent_dim(), event_dim(), options);
    }

    const laser_model *handle() const noexcept { return handle_.get(); }
    /** The callables of generator and support, which samplers need as well. */
    const detail::Callables &callables() const noexcept { return kept_; }

private:
    friend Model refine(const Generator &, Source &, const Options &, const Hooks &);

    explicit Model(detail::Handle<laser_model> handle, detail::Callables kept = {}) noexcept
        : kept_(std::move(kept)), handle_(std::move(handle))
    {
    }
    Model refine_with(laser_source *target, const Options &options, const Hooks &hooks) const
    {
        const auto kept = hooks.callables();
        return Model(detail::made_by<laser_model>([&](laser_model **out) {
                         return laser_model_refine(handle(), target, options.handle(), hooks.handle(), out);
                     }),
                     kept_);
    }
    std::size_t dim(laser_status (*function)(const laser_model *, std::size_t *)) const
    {
        return detail::result_of<std::size_t>([&](std::size_t *out) { return function(handle(), out); });
    }
    template <class Function> std::vector<double> per_event(Function function, Rows<const double> x, const Options &options) const
    {
        detail::require_columns(x, event_dim() + condition_dim(), "x");
        std::vector<double> values(x.rows());
        if (!values.empty())
            detail::check(function(handle(), options.handle(), x.rows(), x.data(), x.stride(), values.data()));
        return values;
    }
    template <class Function>
    std::vector<double> mapped(Function function, Rows<const double> from, std::size_t from_dim, std::size_t to_dim, const Options &options) const
    {
        detail::require_columns(from, from_dim + condition_dim(), "the array");
        std::vector<double> values(from.rows() * to_dim);
        if (!values.empty())
            detail::check(function(handle(), options.handle(), from.rows(), from.data(), from.stride(), values.data(), to_dim));
        return values;
    }

    detail::Callables kept_;
    detail::Handle<laser_model> handle_;
};

/** Refines a generator (LaSeR): trains the classifier, pulls its weights back, prepares or trains the refiner. */
inline Model refine(const Generator &generator, Source &target, const Options &options = {}, const Hooks &hooks = {})
{
    const auto kept = hooks.callables();
    return Model(detail::made_by<laser_model>([&](laser_model **out) {
                     return laser_refine(generator.handle(), target.handle(), options.handle(), hooks.handle(), out);
                 }),
                 generator.callables());
}

struct Unfolded;

/** Weights for events that are there, w(x) = p_to(x) / p_from(x) of two sources: no generator is needed. Immutable. */
class Reweighter {
public:
    /**
     * Unfolds measured events: weights of `n` simulated ones, with which their detector level is distributed as `data`. The flags are sums of
     * LASER_PAIR_GENERATED and LASER_PAIR_RECONSTRUCTED; without, all events have both levels. See laser_unfold.
     */
    static Unfolded unfold(const Source &generated, const Source &reconstructed, const Source &data, std::size_t n,
                           Span<const std::int32_t> flags = {}, const Options &options = {}, const Hooks &hooks = {});
    /** Trains one on the events of `from`, which are to be weighted, and of `to`, which they are to be like. */
    static Reweighter train(Source &from, Source &to, const Options &options = {}, const Hooks &hooks = {})
    {
        const auto kept = hooks.callables();
        return Reweighter(detail::made_by<laser_reweighter>([&](laser_reweighter **out) {
            return laser_reweighter_train(from.handle(), to.handle(), options.handle(), hooks.handle(), out);
        }));
    }
    /**
     * Positive weights in the place of those of both signs that `events`, in memory, have: the local mean of the weights, W(x) (option
     * "resample.method"). `w`, as many as there are events, or left out, receives them; what is returned has, times "resample.factor", W(x) of others.
     */
    static Reweighter resample(const Source &events, Span<double> w = {}, const Options &options = {}, const Hooks &hooks = {})
    {
        detail::require(!w.given() || !w.empty(), "the weights are as many as the events, or left out");
        const auto kept = hooks.callables();
        return Reweighter(detail::made_by<laser_reweighter>([&](laser_reweighter **out) {
            return laser_resample(events.handle(), options.handle(), hooks.handle(), w.size(), w.data(), out);
        }));
    }
    static Reweighter load(const std::string &path, const Options &options = {})
    {
        return Reweighter(detail::made_by<laser_reweighter>(
            [&](laser_reweighter **out) { return laser_reweighter_load(detail::c_string(path), options.handle(), out); }));
    }
    /** Atomic: the file appears whole or not at all. */
    void save(const std::string &path) const { detail::check(laser_reweighter_save(handle(), detail::c_string(path))); }

    /** M */
    std::size_t event_dim() const { return dim(laser_reweighter_event_dim); }
    /** C */
    std::size_t condition_dim() const { return dim(laser_reweighter_condition_dim); }
    /** What value `column` of an event is called, features before conditions. */
    std::string feature_name(std::size_t column) const
    {
        return detail::text_of([&](char *buf, std::size_t cap, std::size_t *needed) {
            return laser_reweighter_feature_name(handle(), column, buf, cap, needed);
        });
    }
    /** Networks, scalings and training record, as JSON. */
    std::string info() const
    {
        return detail::text_of(
            [&](char *buf, std::size_t cap, std::size_t *needed) { return laser_reweighter_info(handle(), buf, cap, needed); });
    }
    /** A number of the training record, as "weights.calibration.chi_square". */
    double get(const std::string &key) const
    {
        return detail::result_of<double>([&](double *out) { return laser_reweighter_get_f64(handle(), detail::c_string(key), out); });
    }

    /** w of every event; rows of M + C values. */
    std::vector<double> weights(Rows<const double> x, const Options &options = {}) const
    {
        std::vector<double> w(x.rows());
        if (!w.empty())
            weights(x, w, {}, {}, options);
        return w;
    }
    /** w, log w and the spread of log w between the networks of the ensemble, of those that are wanted. */
    void weights(Rows<const double> x, Span<double> w, Span<double> log_w, Span<double> spread = {}, const Options &options = {}) const
    {
        detail::require_columns(x, event_dim() + condition_dim(), "x");
        double *const weights = detail::optional_column(w, x.rows(), detail::weights_do_not_fit);
        double *const logs = detail::optional_column(log_w, x.rows(), detail::weights_do_not_fit);
        double *const spreads = detail::optional_column(spread, x.rows(), detail::weights_do_not_fit);
        if (x.rows() != 0)
            detail::check(laser_reweighter_weights(handle(), options.handle(), x.rows(), x.data(), x.stride(), weights, logs, spreads));
    }

    const laser_reweighter *handle() const noexcept { return handle_.get(); }

private:
    explicit Reweighter(detail::Handle<laser_reweighter> handle) noexcept : handle_(std::move(handle)) {}
    std::size_t dim(laser_status (*function)(const laser_reweighter *, std::size_t *)) const
    {
        return detail::result_of<std::size_t>([&](std::size_t *out) { return function(handle(), out); });
    }

    detail::Handle<laser_reweighter> handle_;
};

/** The result of Reweighter::unfold. */
struct Unfolded {
    /** Gives the same weights to other events, but for the number "unfolding.factor" of its record. */
    Reweighter reweighter;
    /** One for each simulated event; the sum of v * w is the unfolded number of events. */
    std::vector<double> w;
};

inline Unfolded Reweighter::unfold(const Source &generated, const Source &reconstructed, const Source &data, std::size_t n,
                                   Span<const std::int32_t> flags, const Options &options, const Hooks &hooks)
{
    const std::int32_t *const levels = detail::optional_column(flags, n, "the flags are as many as the simulated events, or left out");
    std::vector<double> w(n);
    const auto kept = hooks.callables();
    Reweighter made(detail::made_by<laser_reweighter>([&](laser_reweighter **out) {
        return laser_unfold(generated.handle(), reconstructed.handle(), data.handle(), levels, n, options.handle(), hooks.handle(), w.data(),
                            out);
    }));
    return {std::move(made), std::move(w)};
}

/** A stream of events from a model: one per thread. Event i of stream s with seed k depends on the model, k, s and i alone. */
class Sampler {
public:
    /** Of the options, "sampler.method", "sampler.threads", "backend" and "device" matter; those of trainings do not. */
    explicit Sampler(const Model &model, std::uint64_t seed, std::uint64_t stream = 0, const Options &options = {})
        : event_dim_(model.event_dim()), latent_dim_(model.latent_dim()), condition_dim_(model.condition_dim()), kept_(model.callables()),
          handle_(detail::made_by<laser_sampler>(
              [&](laser_sampler **out) { return laser_sampler_new(model.handle(), seed, stream, options.handle(), out); }))
    {
    }

    /** M, the columns of x. */
    std::size_t event_dim() const noexcept { return event_dim_; }

    /**
     * The next n events: packed rows of M values. Of "rejection" up to about one in a hundred has a weight above 1, which `generate(x, w)`
     * tells. Those of "reweight", which are wrong without their weights, are refused here.
     */
    std::vector<double> generate(std::size_t n)
    {
        detail::require(n <= std::vector<double>().max_size() / event_dim_, "more events than memory can hold");
        std::vector<double> x(n * event_dim_);
        generate(Rows<double>(x, event_dim_));
        return x;
    }
    /** The next events, as many as `x` has rows; weights, which "reweight" demands, and log densities if wanted. */
    void generate(Rows<double> x, Span<double> w = {}, Span<double> logp = {})
    {
        generate_by(laser_sampler_generate, x, w, logp);
    }
    /** The same events, rounded. */
    void generate(Rows<float> x, Span<float> w = {}, Span<float> logp = {}) { generate_by(laser_sampler_generate_f32, x, w, logp); }
    /** The next events with the latent points they were made from; `z` has N columns. */
    void generate_latent(Rows<double> x, Rows<double> z, Span<double> w = {})
    {
        detail::require_columns(x, event_dim_, "x");
        detail::require_columns(z, latent_dim_, "z");
        detail::require(x.rows() == z.rows(), "x and z have different numbers of rows");
        double *const weights = detail::optional_column(w, x.rows(), detail::weights_do_not_fit);
        if (x.rows() != 0)
            detail::check(
                laser_sampler_generate_latent(handle_.get(), x.rows(), x.stride(), x.data(), z.stride(), z.data(), weights));
    }
    /** The next events given their conditions; `c` has C columns. */
    void generate_given(Rows<const double> c, Rows<double> x, Span<double> w = {}, Span<double> logp = {})
    {
        generate_given_by(laser_sampler_generate_given, c, x, w, logp);
    }
    /** The same events, rounded. */
    void generate_given(Rows<const float> c, Rows<float> x, Span<float> w = {}, Span<float> logp = {})
    {
        generate_given_by(laser_sampler_generate_given_f32, c, x, w, logp);
    }
    /** The next event, out of a batch kept inside; returns its weight. `x` has M values. */
    double next(Span<double> x)
    {
        if (x.size() != event_dim_)
            detail::require_columns(Rows<double>(x.data(), 1, x.size()), event_dim_, "x");
        return detail::result_of<double>([&](double *w) { return laser_sampler_next(handle_.get(), x.data(), w); });
    }

    /**
     * Draws from the host's random numbers: noise(Span<double> u) fills u with uniform numbers of [0, 1]. With the methods "resampling" and
     * chains, an event then depends on those before it: set the callback again to begin anew.
     */
    template <class Callable> void set_noise_callback(Callable noise)
    {
        auto kept = std::make_shared<Callable>(std::move(noise));
        const auto trampoline = [](std::size_t n, double *u, void *user) -> std::int32_t {
            return detail::guarded([&] { (*static_cast<Callable *>(user))(Span<double>(u, n)); });
        };
        detail::check(laser_sampler_set_noise_callback(handle_.get(), trampoline, kept.get()));
        noise_ = std::move(kept);
    }
    /** Goes back to the sampler's own numbers. */
    void set_noise_callback(std::nullptr_t)
    {
        detail::check(laser_sampler_set_noise_callback(handle_.get(), nullptr, nullptr));
        noise_.reset();
    }
    /**
     * Has the calls that ask for events watched and stopped by hooks, which are copied, and lets the sampler warn by their `on_log` of
     * events that contradict the pilot run of the model: see laser_sampler_set_hooks. `{}` takes them away.
     */
    void set_hooks(const Hooks &hooks)
    {
        detail::check(laser_sampler_set_hooks(handle_.get(), hooks.handle()));
        hooks_ = hooks.callables();
    }
    /** The next event will be number `event`, from 0. */
    void seek(std::uint64_t event) { detail::check(laser_sampler_seek(handle_.get(), event)); }
    /** The number of the event that comes next. */
    std::uint64_t tell() const
    {
        return detail::result_of<std::uint64_t>([&](std::uint64_t *event) { return laser_sampler_tell(handle(), event); });
    }
    /** A diagnostic, as "acceptance" or "r_hat". */
    double get(const std::string &key) const
    {
        return detail::result_of<double>([&](double *out) { return laser_sampler_get_f64(handle(), detail::c_string(key), out); });
    }

    laser_sampler *handle() noexcept { return handle_.get(); }
    const laser_sampler *handle() const noexcept { return handle_.get(); }

private:
    template <class Function, class T> void generate_by(Function function, Rows<T> x, Span<T> w, Span<T> logp)
    {
        detail::require_columns(x, event_dim_, "x");
        T *const weights = detail::optional_column(w, x.rows(), detail::weights_do_not_fit);
        T *const densities = detail::optional_column(logp, x.rows(), detail::log_densities_do_not_fit);
        if (x.rows() != 0)
            detail::check(function(handle_.get(), x.rows(), x.stride(), x.data(), weights, densities));
    }
    template <class Function, class T> void generate_given_by(Function function, Rows<const T> c, Rows<T> x, Span<T> w, Span<T> logp)
    {
        detail::require_columns(x, event_dim_, "x");
        detail::require_columns(c, condition_dim_, "c");
        detail::require(c.rows() == x.rows(), "c and x have different numbers of rows");
        T *const weights = detail::optional_column(w, x.rows(), detail::weights_do_not_fit);
        T *const densities = detail::optional_column(logp, x.rows(), detail::log_densities_do_not_fit);
        if (x.rows() != 0)
            detail::check(function(handle_.get(), x.rows(), c.stride(), c.data(), x.stride(), x.data(), weights, densities));
    }

    std::size_t event_dim_, latent_dim_, condition_dim_;
    detail::Callables kept_;
    std::shared_ptr<void> noise_;
    std::array<std::shared_ptr<void>, 3> hooks_;
    detail::Handle<laser_sampler> handle_;
};

// --- scores ---

/** Bins of equal size from lo to hi. */
struct Axis {
    std::size_t bins;
    double lo, hi;
};

/** A histogram of events in two dimensions. To fill on several threads, give each one of its own and merge them. */
class Histogram {
public:
    Histogram(Axis x, Axis y)
        : bins_(x.bins * y.bins), handle_(detail::made_by<laser_histogram>([&](laser_histogram **out) {
              return laser_histogram_new(x.bins, x.lo, x.hi, y.bins, y.lo, y.hi, out);
          }))
    {
    }

    /** Adds events by the first two values of their rows; x.from_column(k) takes others. */
    void fill(Rows<const double> x, Span<const double> w = {})
    {
        detail::require(x.columns() >= 2, "a histogram takes rows of two values or more");
        const double *const weights = detail::optional_column(w, x.rows(), detail::weights_do_not_fit);
        if (x.rows() != 0)
            detail::check(laser_histogram_fill(handle_.get(), x.rows(), x.data(), x.stride(), weights));
    }
    void merge(const Histogram &from) { detail::check(laser_histogram_merge(handle_.get(), from.handle())); }
    /** Sums of weights, that of bin (ix, iy) at ix * ny + iy. */
    std::vector<double> contents() const
    {
        std::vector<double> sums(bins_);
        detail::check(laser_histogram_contents(handle(), sums.data(), sums.size()));
        return sums;
    }
    struct Total {
        double inside, outside;
    };
    /** Sums of the weights inside and outside of the range. */
    Total total() const
    {
        Total sums{};
        detail::check(laser_histogram_total(handle(), &sums.inside, &sums.outside));
        return sums;
    }
    const laser_histogram *handle() const noexcept { return handle_.get(); }

private:
    std::size_t bins_;
    detail::Handle<laser_histogram> handle_;
};

/** A score of two histograms: `value` in nats (JSD) or units of the axes (EMD), `paper` in the convention of the LaSeR paper. */
struct Score {
    double value, paper;
};

/** What chance alone would score, and the spread of one such score. */
struct Floor {
    double value, spread, paper, paper_spread;
};

/** A distance of two samples with its standard error, and what chance alone would give; NaN without repeats. */
struct Distance {
    double value, error, floor, floor_spread;
};

struct KolmogorovSmirnov {
    double statistic, p_value;
};

/** What two samples do at an edge; see laser_edge. */
struct Edge {
    std::string inequality;                                             /**< that makes it */
    double beyond_reference, beyond_reference_error;                    /**< share of the reference's weight beyond it */
    double beyond_sample, beyond_sample_error;                          /**< likewise of the sample */
    double ratio, ratio_error;                                          /**< density reference / sample just within; 1 where it is as sharp */
    double depth;                                                       /**< of that layer, in units of the inequality */
};

/** An area under a ROC curve. */
struct Auc {
    double value, error;
};

/** Of classifiers of two families. */
struct AucByFamily {
    Auc network, trees;
};

/** Of one dimension of Markov chains. */
struct ChainDiagnostics {
    double r_hat, effective_size;
};

namespace detail {

template <class Function> Score score(Function function, const Histogram &p, const Histogram &q)
{
    Score found{};
    check(function(p.handle(), q.handle(), &found.value, &found.paper));
    return found;
}

template <class Function> Floor floor(Function function, const Histogram &p, const Histogram &q, std::size_t repeats, std::uint64_t seed)
{
    Floor found{};
    check(function(p.handle(), q.handle(), repeats, seed, &found.value, &found.spread, &found.paper, &found.paper_spread));
    return found;
}

} // namespace detail

/** The Jensen-Shannon divergence; see jsd_floor. */
inline Score jsd(const Histogram &p, const Histogram &q) { return detail::score(laser_jsd, p, q); }

/** The earth mover's distance, exact; see emd_floor. */
inline Score emd(const Histogram &p, const Histogram &q) { return detail::score(laser_emd, p, q); }

inline Floor jsd_floor(const Histogram &p, const Histogram &q, std::size_t repeats = 100, std::uint64_t seed = 0)
{
    return detail::floor(laser_jsd_floor, p, q, repeats, seed);
}

inline Floor emd_floor(const Histogram &p, const Histogram &q, std::size_t repeats = 5, std::uint64_t seed = 0)
{
    return detail::floor(laser_emd_floor, p, q, repeats, seed);
}

/** The earth mover's distance of one feature. Sources hold arrays. */
inline Distance emd_1d(const Source &p, const Source &q, std::size_t feature, std::size_t repeats = 20, std::uint64_t seed = 0)
{
    Distance d{};
    detail::check(laser_emd_1d(p.handle(), q.handle(), feature, repeats, seed, &d.value, &d.error, &d.floor, &d.floor_spread));
    return d;
}

/** The mean of the one-dimensional distance over random directions. Sources hold arrays. */
inline Distance sliced_emd(const Source &reference, const Source &sample, std::size_t directions = 50, std::size_t repeats = 20,
                           std::uint64_t seed = 0)
{
    Distance d{};
    detail::check(laser_sliced_emd(reference.handle(), sample.handle(), directions, repeats, seed, &d.value, &d.error, &d.floor,
                                   &d.floor_spread));
    return d;
}

/** The two-sample test of one feature. Sources hold arrays. */
inline KolmogorovSmirnov kolmogorov_smirnov(const Source &p, const Source &q, std::size_t feature)
{
    KolmogorovSmirnov test{};
    detail::check(laser_kolmogorov_smirnov(p.handle(), q.handle(), feature, &test.statistic, &test.p_value));
    return test;
}

/** All edges of a support, one for each inequality; `names` with commas, or x0 ... if left out. Sources hold arrays. */
inline std::vector<Edge> edges(const Source &reference, const Source &sample, const std::string &support, const std::string &names = {})
{
    const char *const condition = detail::c_string(support), *const called = detail::c_string(names);
    const auto count =
        detail::result_of<std::size_t>([&](std::size_t *out) { return laser_edge_count(reference.handle(), condition, called, out); });
    std::vector<Edge> found(count);
    for (std::size_t i = 0; i < count; i++) {
        Edge &e = found[i];
        e.inequality = detail::text_of([&](char *buf, std::size_t cap, std::size_t *needed) {
            return laser_edge_inequality(reference.handle(), condition, called, i, buf, cap, needed);
        });
        detail::check(laser_edge(reference.handle(), sample.handle(), condition, called, i, &e.beyond_reference, &e.beyond_reference_error,
                                 &e.beyond_sample, &e.beyond_sample_error, &e.ratio, &e.ratio_error, &e.depth));
    }
    return found;
}

/** Whether fresh classifiers tell two samples apart: 0.5 within the error if not; the larger area of a network's and trees'. Sources hold arrays. */
inline Auc two_sample_auc(const Source &reference, const Source &sample, const Options &options = {}, const Hooks &hooks = {})
{
    const auto kept = hooks.callables();
    Auc area{};
    detail::check(
        laser_two_sample_auc(reference.handle(), sample.handle(), options.handle(), hooks.handle(), &area.value, &area.error));
    return area;
}

/** The same with the areas of both families of classifiers. */
inline AucByFamily two_sample_auc_by_family(const Source &reference, const Source &sample, const Options &options = {},
                                            const Hooks &hooks = {})
{
    const auto kept = hooks.callables();
    AucByFamily areas{};
    detail::check(laser_two_sample_auc_by_family(reference.handle(), sample.handle(), options.handle(), hooks.handle(),
                                                 &areas.network.value, &areas.network.error, &areas.trees.value, &areas.trees.error));
    return areas;
}

/** The area under the ROC curve of scores with labels 1 and 0. */
inline Auc auc(Span<const double> scores, Span<const std::int32_t> labels, Span<const double> w = {})
{
    detail::require(labels.size() == scores.size(), "there are as many labels as scores");
    const double *const weights = detail::optional_column(w, scores.size(), detail::weights_do_not_fit);
    Auc area{};
    detail::check(laser_auc(scores.size(), scores.data(), labels.data(), weights, &area.value, &area.error));
    return area;
}

/** How many unweighted events are worth as much as weighted ones: (sum of w)^2 / (sum of w^2). */
inline double effective_size(Span<const double> w)
{
    return detail::result_of<double>([&](double *size) { return laser_effective_size(w.size(), w.data(), size); });
}

/** Split R-hat and effective sample size of every column; rows are the draws, `chains` rows for each: draw i of chain c is row i * chains + c. */
inline std::vector<ChainDiagnostics> chain_diagnostics(Rows<const double> x, std::size_t chains)
{
    const std::size_t dim = x.columns();
    detail::require(x.stride() == dim, "the rows of chains are packed");
    detail::require(chains != 0 && x.rows() % chains == 0, "there are as many rows for each draw as chains");
    std::vector<double> r_hat(dim), size(dim);
    detail::check(laser_chain_diagnostics(x.rows() / chains, chains, dim, x.data(), r_hat.data(), size.data()));
    std::vector<ChainDiagnostics> found;
    for (std::size_t d = 0; d < dim; d++)
        found.push_back({r_hat[d], size[d]});
    return found;
}

} // namespace laser

#endif
