# Streams of events.

"""
    Sampler(model, seed, stream = 0; options = nothing, progress = nothing, log = …, cancel = nothing)

A stream of events. Event i of a stream of a seed is the same whatever the sizes of the calls, and other streams are independent of it:
give each thread or job a stream of its own. Keys of the options: "sampler.method" ("rejection", "reweight", "baseline", …),
"sampler.threads", "backend", "device". The other keywords are those of [`set_hooks!`](@ref), which changes them.

    sampler = Sampler(model, 42)
    x, w = generate(sampler, 1000)
    position(sampler)               # 1000, the number of the event that comes next; the first is 0
    seek(sampler, 0)                # the same events again
    sampler["acceptance"]           # a diagnostic

Threads: one call at a time, else `LASER_ERR_BUSY`; `position` and diagnostics any number at once.
"""
mutable struct Sampler <: Handle{C.laser_sampler}
    pointer::Ptr{C.laser_sampler}
    event_dim::Int
    latent_dim::Int
    condition_dim::Int
    callbacks::Callbacks
    noise::Maybe{Callback}
    hooks::Maybe{Hooks}
    Sampler(pointer::Ptr{C.laser_sampler}, model) =
        finalizer(close, new(pointer, event_dim(model), latent_dim(model), condition_dim(model), model.callbacks, nothing, nothing))
end

free(pointer::Ptr{C.laser_sampler}) = C.laser_sampler_free(pointer)

function Sampler(model::Model, seed::Integer, stream::Integer = 0; options::Maybe{Options} = nothing, progress = nothing, log = logged,
                 cancel::Maybe{Cancel} = nothing)
    sampler = Sampler(value(Ptr{C.laser_sampler}, C.laser_sampler_new, model, seed, stream, options), model)
    return set_hooks!(sampler; progress = progress, log = log, cancel = cancel)
end

"""
    set_noise!(draw!, sampler)
    set_noise!(nothing, sampler)

Lets the sampler draw from your own random numbers: `draw!(u)` fills a vector with uniform numbers from [0, 1], of at least 32 random
bits, as in `set_noise!(u -> rand!(rng, u), sampler)`. The events then depend on these alone, whatever seed and stream, and `seek` is
not possible; `nothing` goes back to the sampler's own numbers. The vector must not be kept.
"""
function set_noise!(draw!, sampler::Sampler)
    callback = Callback(draw!)
    call(C.laser_sampler_set_noise_callback, sampler, draw! === nothing ? C_NULL : noise_pointer(), callback)
    sampler.noise = callback
    return sampler
end

"""
    set_hooks!(sampler; progress = nothing, log = …, cancel = nothing)

Has the calls that ask for events watched and stopped, as [`train`](@ref) is: `progress` comes after every block of events, `log` with the
warnings of a sampler whose events contradict the pilot run of its model, each once, by default to Julia's logging. Ctrl-C is noticed between
blocks.
"""
function set_hooks!(sampler::Sampler; progress = nothing, log = logged, cancel::Maybe{Cancel} = nothing)
    hooks = Hooks(progress, log, cancel)
    call(C.laser_sampler_set_hooks, sampler, hooks)
    sampler.hooks = hooks
    return sampler
end

"""
    seek(sampler, event)

Goes to an event, forward or backward: the next one generated is that one. Events count from 0.
"""
function Base.seek(sampler::Sampler, event::Integer)
    call(C.laser_sampler_seek, sampler, event)
    return sampler
end

"""
    position(sampler) -> UInt64

The number of the event that comes next, from 0.
"""
Base.position(sampler::Sampler) = value(UInt64, C.laser_sampler_tell, sampler)

Base.getindex(sampler::Sampler, key::AbstractString) = value(Float64, C.laser_sampler_get_f64, sampler, key)

"""
    generate([T,] sampler, n) -> (x = …, w = …)
    generate!(x, sampler; weights = nothing, logp = nothing)

The next events of the stream, a column of `x` each, and their weights: w(z) for the method "reweight", 1 for all others but the few
events of "rejection" that lie above w_max. `T`, the type of the numbers, is `Float64` or `Float32`.

`generate!` fills the matrix `x`, and the vectors `weights`, without which "reweight" is refused, and `logp` if they are given; `logp`
receives the logarithm of the events' density. After a failure the stream stands where it stood, and the arrays may be filled in part.
"""
generate(sampler::Sampler, n::Integer) = generate(Float64, sampler, n)

function generate(::Type{T}, sampler::Sampler, n::Integer) where {T<:Union{Float32,Float64}}
    x, w = Matrix{T}(undef, sampler.event_dim, n), Vector{T}(undef, n)
    generate!(x, sampler; weights = w)
    return (x = x, w = w)
end

function generate!(x::AbstractMatrix{T}, sampler::Sampler; weights::Maybe{AbstractVector} = nothing,
                   logp::Maybe{AbstractVector} = nothing) where {T<:Union{Float32,Float64}}
    n = size(x, 2)
    stride = stride_of("x", x, T, sampler.event_dim)
    w, p = dense("weights", weights, T, n), dense("logp", logp, T, n)
    if T === Float32
        call(C.laser_sampler_generate_f32, sampler, n, stride, x, w, p)
    else
        call(C.laser_sampler_generate, sampler, n, stride, x, w, p)
    end
    return x
end

"""
    generate_latent(sampler, n) -> (x = …, z = …, w = …)
    generate_latent!(x, z, sampler; weights = nothing)

As [`generate`](@ref), with the latent points that the events were made from, x = g(z). The same events.
"""
function generate_latent(sampler::Sampler, n::Integer)
    x, z, w = Matrix{Float64}(undef, sampler.event_dim, n), Matrix{Float64}(undef, sampler.latent_dim, n), Vector{Float64}(undef, n)
    generate_latent!(x, z, sampler; weights = w)
    return (x = x, z = z, w = w)
end

function generate_latent!(x::AbstractMatrix, z::AbstractMatrix, sampler::Sampler; weights::Maybe{AbstractVector} = nothing)
    n = size(x, 2)
    x_stride = stride_of("x", x, Float64, sampler.event_dim)
    z_stride = stride_of("z", z, Float64, sampler.latent_dim, n)
    call(C.laser_sampler_generate_latent, sampler, n, x_stride, x, z_stride, z, dense("weights", weights, Float64, n))
    return x, z
end

"""
    generate_given(sampler, c) -> (x = …, w = …)
    generate_given!(x, sampler, c; weights = nothing, logp = nothing)

As [`generate`](@ref), for a model with conditions: an event for every column of `c`. `Float32` conditions give `Float32` events.
"""
function generate_given(sampler::Sampler, c::AbstractMatrix{T}) where {T<:Union{Float32,Float64}}
    x, w = Matrix{T}(undef, sampler.event_dim, size(c, 2)), Vector{T}(undef, size(c, 2))
    generate_given!(x, sampler, c; weights = w)
    return (x = x, w = w)
end

function generate_given!(x::AbstractMatrix{T}, sampler::Sampler, c::AbstractMatrix; weights::Maybe{AbstractVector} = nothing,
                         logp::Maybe{AbstractVector} = nothing) where {T<:Union{Float32,Float64}}
    n = size(x, 2)
    x_stride = stride_of("x", x, T, sampler.event_dim)
    c_stride = stride_of("c", c, T, sampler.condition_dim, n)
    w, p = dense("weights", weights, T, n), dense("logp", logp, T, n)
    if T === Float32
        call(C.laser_sampler_generate_given_f32, sampler, n, c_stride, c, x_stride, x, w, p)
    else
        call(C.laser_sampler_generate_given, sampler, n, c_stride, c, x_stride, x, w, p)
    end
    return x
end

"""
    next!(x, sampler) -> Float64

Fills the vector `x` with the next event, out of a batch kept inside, and returns its weight: for event loops.
"""
function next!(x::AbstractVector, sampler::Sampler)
    return value(Float64, C.laser_sampler_next, sampler, dense("x", x, Float64, sampler.event_dim))
end
