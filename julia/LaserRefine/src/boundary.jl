# What every call to the library has in common: errors, handles, arrays, callbacks.

const Maybe{T} = Union{T,Nothing}

# --- errors ---

"""
    LaserError

Thrown when a call of the library fails. Fields: `status`, one of the constants `LASER_ERR_…`, and `message`, which names the argument,
what was wrong with it and what would be right.
"""
struct LaserError <: Exception
    status::Int32
    message::String
end

Base.showerror(io::IO, e::LaserError) = print(io, "LaserError: ", e.message, " (", unsafe_string(C.laser_status_name(e.status)), ")")

"""
Calls a function of the C layer that returns a status, and throws if it failed. Ctrl-C waits meanwhile for a callback or the end, as
nothing may be thrown through the library.
"""
function call(f::F, arguments::Vararg{Any,N}) where {F,N}
    disable_sigint() do
        around = get(task_local_storage(), FAILURE, nothing) # of a call whose callback makes this one
        status = f(arguments...)
        failure = pop!(task_local_storage(), FAILURE, nothing) # may be one that the library bore: "source.failures"
        around === nothing || task_local_storage(FAILURE, around)
        status == LASER_OK || raise(status, failure === around ? nothing : failure)
        return nothing
    end
end

# Where a callback leaves the exception that it ends a call with.
const FAILURE = :LaserRefine_failure

# Right after the call, on its thread: the library keeps a message for each thread. A failure that did not end the call is none of its own.
function raise(status, failure)
    status == LASER_ERR_CALLBACK && failure !== nothing || throw(LaserError(status, last_error()))
    try
        throw(failure)
    catch
        throw(failure.ex) # the callback's own exception; where it was thrown is shown as its cause
    end
end

function last_error()
    needed = Ref{Csize_t}()
    C.laser_last_error(C_NULL, 0, needed)
    buffer = Vector{UInt8}(undef, needed[])
    C.laser_last_error(buffer, length(buffer), needed)
    return text_of(buffer)
end

# --- what calls give back ---

"Calls a function whose last parameter receives a `T`."
function value(::Type{T}, f::F, arguments::Vararg{Any,N}) where {T,F,N}
    out = Ref{T}()
    call(f, arguments..., out)
    return out[]
end

"Calls a function whose last parameters receive doubles, which get these names."
function doubles(names::Tuple{Vararg{Symbol}}, f, arguments...)
    out = map(_ -> Ref{Float64}(), names)
    call(f, arguments..., out...)
    return NamedTuple{names}(map(getindex, out))
end

"Calls a function whose last parameters are a buffer for text, its size, and the size that is needed."
function text(f, arguments...)
    needed = Ref{Csize_t}()
    call(f, arguments..., C_NULL, 0, needed)
    buffer = Vector{UInt8}(undef, needed[])
    call(f, arguments..., buffer, length(buffer), needed)
    return text_of(buffer)
end

text_of(buffer) = String(buffer[1:end-1]) # without the NUL

# --- handles ---

"""
What the library calls a handle to an `H`. `close` frees it at once, else the garbage collector does; then it cannot be used any more.
What was made from it can.
"""
abstract type Handle{H<:C.Opaque} end

# Calls take handles as they are: so ccall keeps them, and what they hold, alive until it returns.
function Base.unsafe_convert(::Type{Ptr{H}}, handle::Handle{H}) where {H<:C.Opaque}
    isopen(handle) || throw(ArgumentError("this $(nameof(typeof(handle))) was closed"))
    return handle.pointer
end

Base.unsafe_convert(::Type{Ptr{H}}, ::Nothing) where {H<:C.Opaque} = Ptr{H}(C_NULL)

Base.isopen(handle::Handle) = handle.pointer != C_NULL

# What the handle lent to the library stays until the object itself goes: a running call may still use it.
function Base.close(handle::Handle)
    pointer = handle.pointer
    handle.pointer = C_NULL
    free(pointer)
    return nothing
end

Base.show(io::IO, handle::Handle) = print(io, nameof(typeof(handle)), isopen(handle) ? "(…)" : "(closed)")

# --- arrays ---

"The stride that the library needs to read or write the columns of `x`; an error unless that is possible and the size is right."
function stride_of(name, x::AbstractMatrix, T::Type, rows, columns = size(x, 2))
    x isa StridedMatrix{T} && stride(x, 1) == 1 && stride(x, 2) >= size(x, 1) ||
        throw(ArgumentError("$name must be a matrix of $T with dense columns, not $(typeof(x)); Matrix{$T}($name) is a copy that will do"))
    size(x) == (rows, columns) ||
        throw(DimensionMismatch("$name must have $rows rows and $columns columns, an event each, but has size $(size(x))"))
    return stride(x, 2)
end

"The vector `v` of `n` values as the library takes it, NULL for `nothing`."
function dense(name, v::Maybe{AbstractVector}, T::Type, n)
    v === nothing && return C_NULL
    v isa StridedVector{T} && stride(v, 1) == 1 ||
        throw(ArgumentError("$name must be a dense vector of $T, not $(typeof(v)); Vector{$T}($name) is a copy that will do"))
    length(v) == n || throw(DimensionMismatch("$name must have $n values, but has $(length(v))"))
    return v
end

# --- callbacks ---

# A function of the user's; its address goes through the library as `user`, so whoever lends it must keep it.
mutable struct Callback
    f::Any
end

# What a generator, and models and samplers of it, must keep: the functions of the generator and of its support, where it has them.
const Callbacks = Tuple{Maybe{Callback},Maybe{Callback}}

Base.unsafe_convert(::Type{Ptr{Cvoid}}, callback::Callback) = pointer_from_objref(callback)

"Runs `body` with the user's function, for the library, which gets 0, or 1 after an exception that `raise` then throws on."
function guarded(body, user::Ptr{Cvoid})::Int32
    try
        callback = unsafe_pointer_to_objref(user)::Callback
        reenable_sigint(() -> body(callback.f))
        return 0
    catch e
        task_local_storage(FAILURE, CapturedException(e, catch_backtrace()))
        return 1
    end
end

# One function for each callback type of laser.h, named after it, and its address. The arrays are valid during the call only.

function progress_fn(p::Ptr{C.laser_progress}, user::Ptr{Cvoid})::Int32
    guarded(user) do report
        report === nothing || report(Progress(p))
    end
end

progress_pointer() = @cfunction(progress_fn, Int32, (Ptr{C.laser_progress}, Ptr{Cvoid}))

function log_fn(level::Int32, message::Cstring, user::Ptr{Cvoid})::Int32
    guarded(user) do log
        log(level == C.LASER_LOG_INFO ? Logging.Info : Logging.Warn, unsafe_string(message))
    end
end

log_pointer() = @cfunction(log_fn, Int32, (Int32, Cstring, Ptr{Cvoid}))

function allreduce_fn(n::Csize_t, values::Ptr{Float64}, user::Ptr{Cvoid})::Int32
    guarded(user) do sum!
        sum!(unsafe_wrap(Array, values, Int(n)))
    end
end

allreduce_pointer() = @cfunction(allreduce_fn, Int32, (Csize_t, Ptr{Float64}, Ptr{Cvoid}))

function events_fn(n::Csize_t, dim::Csize_t, x::Ptr{Float64}, w::Ptr{Float64}, got::Ptr{Csize_t}, user::Ptr{Cvoid})::Int32
    guarded(user) do deliver!
        events = matrix(x, dim, n)
        filled = w == C_NULL ? deliver!(events) : deliver!(events, unsafe_wrap(Array, w, Int(n)))
        filled isa Integer && !(filled isa Bool) && 0 <= filled <= n ||
            throw(ArgumentError("the function of a Source must return how many events it filled in, 0 to $n, not $(repr(filled))"))
        unsafe_store!(got, filled)
    end
end

events_pointer() = @cfunction(events_fn, Int32, (Csize_t, Csize_t, Ptr{Float64}, Ptr{Float64}, Ptr{Csize_t}, Ptr{Cvoid}))

# Of a source's positions: the functions are two, (tell, seek).
function tell_fn(position::Ptr{UInt64}, user::Ptr{Cvoid})::Int32
    guarded(user) do both
        unsafe_store!(position, both[1]())
    end
end

tell_pointer() = @cfunction(tell_fn, Int32, (Ptr{UInt64}, Ptr{Cvoid}))

function seek_fn(position::UInt64, user::Ptr{Cvoid})::Int32
    guarded(user) do both
        both[2](position)
    end
end

seek_pointer() = @cfunction(seek_fn, Int32, (UInt64, Ptr{Cvoid}))

function generate_fn(n::Csize_t, z::Ptr{Float64}, zdim::Csize_t, c::Ptr{Float64}, cdim::Csize_t, x::Ptr{Float64}, xdim::Csize_t,
                     user::Ptr{Cvoid})::Int32
    guarded(user) do simulate!
        conditions = c == C_NULL ? () : (matrix(c, cdim, n),)
        simulate!(matrix(x, xdim, n), matrix(z, zdim, n), conditions...)
    end
end

generate_pointer() =
    @cfunction(generate_fn, Int32, (Csize_t, Ptr{Float64}, Csize_t, Ptr{Float64}, Csize_t, Ptr{Float64}, Csize_t, Ptr{Cvoid}))

function support_fn(n::Csize_t, dim::Csize_t, x::Ptr{Float64}, inside::Ptr{Int32}, user::Ptr{Cvoid})::Int32
    guarded(user) do mark!
        mark!(unsafe_wrap(Array, inside, Int(n)), matrix(x, dim, n))
    end
end

support_pointer() = @cfunction(support_fn, Int32, (Csize_t, Csize_t, Ptr{Float64}, Ptr{Int32}, Ptr{Cvoid}))

function noise_fn(n::Csize_t, u::Ptr{Float64}, user::Ptr{Cvoid})::Int32
    guarded(user) do draw!
        draw!(unsafe_wrap(Array, u, Int(n)))
    end
end

noise_pointer() = @cfunction(noise_fn, Int32, (Csize_t, Ptr{Float64}, Ptr{Cvoid}))

matrix(x::Ptr{Float64}, rows, columns) = unsafe_wrap(Array, x, (Int(rows), Int(columns)))

"""
    Progress

Where a long call stands, as its keyword `progress` gets it: `stage` (a word such as "flow" or "classifier"), `epoch` of `epochs` and
`step` of `steps` within the stage, `loss` and `validation_loss` in nats per event, `seconds_left`; the last three are NaN while
unknown.
"""
struct Progress
    stage::String
    epoch::Int
    epochs::Int
    step::Int
    steps::Int
    loss::Float64
    validation_loss::Float64
    seconds_left::Float64
end

Progress(p::Ptr{C.laser_progress}) =
    Progress(unsafe_string(C.laser_progress_stage(p)), C.laser_progress_epoch(p), C.laser_progress_epochs(p), C.laser_progress_step(p),
             C.laser_progress_steps(p), C.laser_progress_loss(p), C.laser_progress_validation_loss(p), C.laser_progress_seconds_left(p))

# What the library has to say goes to Julia's logging.
logged(level, message) = Logging.@logmsg(level, message)
