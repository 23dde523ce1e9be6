# From options and a source to a model.

# --- options ---

"""
    Options(preset = "default", settings::Pair...)

Settings of training, refining and sampling, by key. Presets: "default" or "paper", the paper's settings; "fast", the same networks
trained for a few minutes. A key that does not exist is an error that names its neighbours.

    options = Options("fast", "flow.epochs" => 10, "refiner.method" => "rejection")
    options["classifier.lr"] = 1e-3
    options["flow.epochs"]                                      # 10
    parse(Options, \"\"\"{"preset": "fast", "flow": {"epochs": 10}}\"\"\")
    json(options)                                               # all keys with their values

Calls copy the options they are given. Threads: reading by any number at once; a change alone.
"""
mutable struct Options <: Handle{C.laser_options}
    pointer::Ptr{C.laser_options}
    Options(pointer::Ptr{C.laser_options}) = finalizer(close, new(pointer))
end

free(pointer::Ptr{C.laser_options}) = C.laser_options_free(pointer)

function Options(preset::AbstractString = "default", settings::Pair{<:AbstractString}...)
    options = Options(value(Ptr{C.laser_options}, C.laser_options_new, preset))
    for (key, setting) in settings
        options[key] = setting
    end
    return options
end

Base.parse(::Type{Options}, json::AbstractString) = Options(value(Ptr{C.laser_options}, C.laser_options_from_json, json))

Base.setindex!(options::Options, setting::Integer, key::AbstractString) = call(C.laser_options_set_i64, options, key, setting)
Base.setindex!(options::Options, setting::Real, key::AbstractString) = call(C.laser_options_set_f64, options, key, setting)
Base.setindex!(options::Options, setting::AbstractString, key::AbstractString) = call(C.laser_options_set_str, options, key, setting)

# The library tells the kind of an option only by refusing the others.
function Base.getindex(options::Options, key::AbstractString)
    another_kind(e) = e isa LaserError && e.status == LASER_ERR_INVALID_ARGUMENT
    try
        return value(Int64, C.laser_options_get_i64, options, key)
    catch e
        another_kind(e) || rethrow()
    end
    try
        return value(Float64, C.laser_options_get_f64, options, key)
    catch e
        another_kind(e) || rethrow()
    end
    return text(C.laser_options_get_str, options, key)
end

"""
    json(options) -> String

All options as JSON, defaults included, which `parse(Options, …)` reads back.
"""
json(options::Options) = text(C.laser_options_to_json, options)

# --- watching and stopping long calls ---

"""
    Cancel()

A token to stop long calls with: they throw a `LaserError` of status `LASER_ERR_CANCELLED` within one step after [`trip!`](@ref), and so
does every later call with the token until [`reset!`](@ref). Threads: any number at once.

    cancel = Cancel()
    task = Threads.@spawn train(source; cancel = cancel)
    trip!(cancel)
"""
mutable struct Cancel <: Handle{C.laser_cancel}
    pointer::Ptr{C.laser_cancel}
    Cancel(pointer::Ptr{C.laser_cancel}) = finalizer(close, new(pointer))
end

free(pointer::Ptr{C.laser_cancel}) = C.laser_cancel_free(pointer)

Cancel() = Cancel(value(Ptr{C.laser_cancel}, C.laser_cancel_new))

"""
    trip!(cancel)

Stops the calls that were given the token.
"""
trip!(cancel::Cancel) = C.laser_cancel_trip(cancel)

"""
    reset!(cancel)

Makes a tripped token usable again.
"""
reset!(cancel::Cancel) = call(C.laser_cancel_reset, cancel)

"""
    istripped(cancel) -> Bool
"""
istripped(cancel::Cancel) = C.laser_cancel_is_tripped(cancel) == 1

"""
    Checkpoint(path; seconds = 60, steps = 0)

A file in which trainings are kept every so many seconds and, unless `steps` is 0, every so many updates; at the end of every training, too,
and when a call is stopped. The same call, made again, goes on from it to the same bits. A function of events must deliver the same again. One
file serves one job: a generator's training, its refinement, and that of another refiner. Another job is an error that names the difference.

    generator = train(source; options, checkpoint = Checkpoint("job.checkpoint"))
"""
struct Checkpoint
    path::String
    seconds::Float64
    steps::Int
    Checkpoint(path::AbstractString; seconds::Real = 60, steps::Integer = 0) = new(path, seconds, steps)
end

"""
    Ranks(sum!, rank, ranks)

This process among `ranks` that make long calls together; `rank` counts from 0. `sum!(values)` replaces every value of a vector by its sum over
all of them, to the same bits on each, as MPI's `Allreduce!` does; the vector must not be kept. All make the same call with the same options and
matrix, or each with a function that delivers other events, and end with the same result. One that fails ends the call on all.

    ranks = Ranks(values -> MPI.Allreduce!(values, +, comm), MPI.Comm_rank(comm), MPI.Comm_size(comm))
    generator = train(source; options, ranks)
"""
struct Ranks
    sum!::Any
    rank::Int
    ranks::Int
end

# The keywords of long calls; the object keeps the functions for the call that it is given to.
mutable struct Hooks <: Handle{C.laser_hooks}
    pointer::Ptr{C.laser_hooks}
    progress::Callback
    log::Callback
    sum!::Callback
    Hooks(pointer::Ptr{C.laser_hooks}, functions...) = finalizer(close, new(pointer, functions...))
end

free(pointer::Ptr{C.laser_hooks}) = C.laser_hooks_free(pointer)

function Hooks(progress, log, cancel::Maybe{Cancel}, checkpoint::Maybe{Checkpoint} = nothing, ranks::Maybe{Ranks} = nothing)
    sum! = ranks === nothing ? nothing : ranks.sum!
    hooks = Hooks(value(Ptr{C.laser_hooks}, C.laser_hooks_new), Callback(progress), Callback(log), Callback(sum!))
    # Set without a function too: each update is an occasion for Ctrl-C.
    call(C.laser_hooks_set_progress, hooks, progress_pointer(), hooks.progress)
    log === nothing || call(C.laser_hooks_set_log, hooks, log_pointer(), hooks.log)
    call(C.laser_hooks_set_cancel, hooks, cancel)
    checkpoint === nothing ||
        call(C.laser_hooks_set_checkpoint, hooks, checkpoint.path, checkpoint.seconds, checkpoint.steps)
    ranks === nothing || call(C.laser_hooks_set_allreduce, hooks, ranks.rank, ranks.ranks, allreduce_pointer(), hooks.sum!)
    return hooks
end

# --- sources ---

"""
    Source(x; weights = nothing)

Events in a matrix of `Float64`, one per column, with weights, which may be negative if their sum is positive; `nothing` means 1 each.
Both are borrowed: they must stay as they are, and not be resized, as long as the source is used. NaN and infinity are an error that
says where.

    Source(deliver!, dim; weighted = false)
    Source(dim) do x … end

Events of a simulator, pulled batch by batch: `deliver!(x)` fills the columns of `x`, a matrix with `dim` rows, and returns how many it
filled; with less than `size(x, 2)` the events end, and begin again. If `weighted`, it is called as `deliver!(x, w)` and fills the vector `w` too. Neither may
be kept.

    load(Source, path; options = nothing)

Events of a file: `.npy`, or doubles behind the header that `laser_source_from_file` of the C API tells. The option `source.weight` names the
column of their weights; of a file that takes more than `source.memory`, parts are read as they are needed. [`event_dim`](@ref) tells how many values an event has.

Threads: one call at a time.
"""
mutable struct Source <: Handle{C.laser_source}
    pointer::Ptr{C.laser_source}
    dim::Int
    lent::Any # what the library borrows
    position::Maybe{Callback}
    Source(pointer::Ptr{C.laser_source}, dim, lent) = finalizer(close, new(pointer, dim, lent, nothing))
end

free(pointer::Ptr{C.laser_source}) = C.laser_source_free(pointer)

function Source(x::AbstractMatrix; weights::Maybe{AbstractVector} = nothing)
    dim, n = size(x)
    stride = stride_of("x", x, Float64, dim)
    w = dense("weights", weights, Float64, n)
    return Source(value(Ptr{C.laser_source}, C.laser_source_from_array, x, w, n, dim, stride), dim, (x, weights))
end

function load(::Type{Source}, path::AbstractString; options::Maybe{Options} = nothing)
    pointer = value(Ptr{C.laser_source}, C.laser_source_from_file, path, options)
    source = Source(pointer, 0, nothing)
    source.dim = event_dim(source)
    return source
end

event_dim(source::Source) = Int(value(Csize_t, C.laser_source_event_dim, source))

function Source(deliver!, dim::Integer; weighted::Bool = false)
    callback = Callback(deliver!)
    return Source(value(Ptr{C.laser_source}, C.laser_source_from_callback, dim, weighted, events_pointer(), callback), dim, callback)
end

"""
    set_position!(source; tell = nothing, seek = nothing)

Gives the events of a function positions, so that a training that goes on from a [`Checkpoint`](@ref) asks only for events that it has not used:
`tell()` returns where they stand, an integer from 0 that says, to the same program, what comes next; `seek(position)` brings them back there,
perhaps in another process, and gets the number as a `UInt64`. Without them such a training asks for all once more, as it does in either case for
the first, by which the events are measured.

    set_position!(source; tell = () -> made[], seek = position -> made[] = position)
"""
function set_position!(source::Source; tell = nothing, seek = nothing)
    callback = Callback((tell, seek))
    call(C.laser_source_set_position, source, tell === nothing ? C_NULL : tell_pointer(), seek === nothing ? C_NULL : seek_pointer(), callback)
    source.position = callback
    return source
end

# --- generators ---

"""
    Generator(simulate!, zdim, xdim; conditions = 0, stochastic = false, options = nothing)
    Generator(zdim, xdim) do x, z … end

A generator of your own, such as a detector simulation: `simulate!(x, z)` makes event `x[:, i]` of the latent point `z[:, i]`, for all
columns; with conditions it is called as `simulate!(x, z, c)`. A column of `x` must depend on the same column of `z` and `c` alone,
besides randomness of its own if it is declared `stochastic`. Events with NaN count as failed and are replaced. None of the matrices may
be kept, `z` and `c` not be changed.

[`train`](@ref) and `load(Generator, path)` make generators too. Threads: any number at once, but while your function runs for one, a
second that needs it gets `LASER_ERR_BUSY`.
"""
mutable struct Generator <: Handle{C.laser_generator}
    pointer::Ptr{C.laser_generator}
    callbacks::Callbacks # what models and samplers of it need too
    Generator(pointer::Ptr{C.laser_generator}, callbacks = (nothing, nothing)) = finalizer(close, new(pointer, callbacks))
end

free(pointer::Ptr{C.laser_generator}) = C.laser_generator_free(pointer)

function Generator(simulate!, zdim::Integer, xdim::Integer; conditions::Integer = 0, stochastic::Bool = false,
                   options::Maybe{Options} = nothing)
    callback = Callback(simulate!)
    return Generator(value(Ptr{C.laser_generator}, C.laser_generator_from_callback, zdim, conditions, xdim, stochastic, generate_pointer(),
                           callback, options), (callback, nothing))
end

"""
    with_support(mark!, generator) -> Generator
    with_support(generator) do inside, x … end

The same generator with a function that says where its events can be, where no formula of option "support" does: `mark!(inside, x)` sets
every `inside[i]` to 1 or `true` if the event `x[:, i]`, its conditions behind it, can be, and to 0 if not, as in
`inside .= hypot.(x[1, :], x[2, :]) .> 20`. A mark must depend on its event alone; neither may be kept, and `x` not be changed. All events
are finite. Outside, the weight is exactly 0. It replaces the support that the generator had; files do not hold it, see
[`attach_support`](@ref).
"""
function with_support(mark!, generator::Generator)
    callback = Callback(mark!)
    dim = event_dim(generator) + condition_dim(generator)
    return Generator(value(Ptr{C.laser_generator}, C.laser_generator_with_support, generator, dim, support_pointer(), callback),
                     (generator.callbacks[1], callback))
end

"""
    train(target; options = nothing, progress = nothing, log = …, cancel = nothing, checkpoint = nothing, ranks = nothing) -> Generator

Trains a generator, by default a normalizing flow, on the events of a [`Source`](@ref). The defaults are the paper's long training.

Keywords of all long calls: `options`, see [`Options`](@ref); `progress`, a function that gets a [`Progress`](@ref) after each update;
`log`, a function that gets the level (`Logging.Info` or `Logging.Warn`) and text of messages, by default Julia's logging, `nothing` for
silence; `cancel`, a [`Cancel`](@ref) token; `checkpoint`, a [`Checkpoint`](@ref) to go on from; `ranks`, [`Ranks`](@ref) that share the call.
All run in the calling task. An exception in any of them, or Ctrl-C, ends the call; all arguments stay usable.
"""
function train(target::Source; options::Maybe{Options} = nothing, progress = nothing, log = logged, cancel::Maybe{Cancel} = nothing,
               checkpoint::Maybe{Checkpoint} = nothing, ranks::Maybe{Ranks} = nothing)
    hooks = Hooks(progress, log, cancel, checkpoint, ranks)
    return Generator(value(Ptr{C.laser_generator}, C.laser_generator_train, target, options, hooks))
end

# --- models ---

"""
    Model(generator)

A model of a generator alone: the baseline, without classifier and refiner. [`refine`](@ref) and `load(Model, path)` make others.

`model[key]` is a number of the training record, such as "classifier.validation_loss" or "weights.effective_fraction"; [`info`](@ref)
has all of it. Immutable. Threads: any number at once.
"""
mutable struct Model <: Handle{C.laser_model}
    pointer::Ptr{C.laser_model}
    callbacks::Callbacks
    Model(pointer::Ptr{C.laser_model}, callbacks) = finalizer(close, new(pointer, callbacks))
end

free(pointer::Ptr{C.laser_model}) = C.laser_model_free(pointer)

Model(generator::Generator) = Model(value(Ptr{C.laser_model}, C.laser_model_from_generator, generator), generator.callbacks)

"""
    refine(generator, target; options = nothing, …) -> Model

Refines a generator (LaSeR): trains a classifier of target against generated events, pulls its weights back to the latent space, and
prepares or trains the refiner that option "refiner.method" names. `target` may be the source that trained the generator. Keywords: see
[`train`](@ref).

    refine(model, target = nothing; …) -> Model

Gives a model another refiner and keeps its classifier. Only a model with conditions needs the target for that.
"""
function refine(generator::Generator, target::Source; options::Maybe{Options} = nothing, progress = nothing, log = logged,
                cancel::Maybe{Cancel} = nothing, checkpoint::Maybe{Checkpoint} = nothing, ranks::Maybe{Ranks} = nothing)
    hooks = Hooks(progress, log, cancel, checkpoint, ranks)
    return Model(value(Ptr{C.laser_model}, C.laser_refine, generator, target, options, hooks), generator.callbacks)
end

function refine(model::Model, target::Maybe{Source} = nothing; options::Maybe{Options} = nothing, progress = nothing, log = logged,
                cancel::Maybe{Cancel} = nothing, checkpoint::Maybe{Checkpoint} = nothing, ranks::Maybe{Ranks} = nothing)
    hooks = Hooks(progress, log, cancel, checkpoint, ranks)
    return Model(value(Ptr{C.laser_model}, C.laser_model_refine, model, target, options, hooks), model.callbacks)
end

"""
    attach(simulate!, model, zdim, xdim; conditions = 0) -> Model

A loaded model whose generator is a function, with the function: files do not hold it. Otherwise as in [`Generator`](@ref).
"""
function attach(simulate!, model::Model, zdim::Integer, xdim::Integer; conditions::Integer = 0)
    callback = Callback(simulate!)
    return Model(value(Ptr{C.laser_model}, C.laser_model_attach, model, zdim, conditions, xdim, generate_pointer(), callback),
                 (callback, model.callbacks[2]))
end

"""
    attach_support(mark!, model) -> Model

A loaded model whose support is a function, with the function: files do not hold it. Otherwise as in [`with_support`](@ref).
"""
function attach_support(mark!, model::Model)
    callback = Callback(mark!)
    dim = event_dim(model) + condition_dim(model)
    return Model(value(Ptr{C.laser_model}, C.laser_model_attach_support, model, dim, support_pointer(), callback),
                 (model.callbacks[1], callback))
end

# --- reweighters ---

"""
    Reweighter(from, to; options = nothing, …)

Weights that make the events of one [`Source`](@ref) like those of another, w(x) = p_to(x) / p_from(x): no generator is needed. Keywords: see
[`train`](@ref). If `from` has no conditions where `to` has them (option "conditions"), its events stand for all of them.

[`weights`](@ref) gives the weights of events; `reweighter[key]` is a number of the training record, such as
"weights.calibration.chi_square"; [`info`](@ref) has all of it. Immutable. Threads: any number at once.
"""
mutable struct Reweighter <: Handle{C.laser_reweighter}
    pointer::Ptr{C.laser_reweighter}
    Reweighter(pointer::Ptr{C.laser_reweighter}) = finalizer(close, new(pointer))
end

free(pointer::Ptr{C.laser_reweighter}) = C.laser_reweighter_free(pointer)

function Reweighter(from::Source, to::Source; options::Maybe{Options} = nothing, progress = nothing, log = logged,
                    cancel::Maybe{Cancel} = nothing, checkpoint::Maybe{Checkpoint} = nothing, ranks::Maybe{Ranks} = nothing)
    hooks = Hooks(progress, log, cancel, checkpoint, ranks)
    return Reweighter(value(Ptr{C.laser_reweighter}, C.laser_reweighter_train, from, to, options, hooks))
end

"""
    resample!(w, events; options = nothing, …) -> Reweighter

Fills `w` with positive weights in the place of those of both signs that the events of a [`Source`](@ref), in memory, have: the local mean of
the weights, W(x), or with "resample.method" = "variance" fewer ones that keep the mean of the squares as well. Of other events of the kind
the [`weights`](@ref) of what is returned, times its "resample.factor", are W(x). `w` is `nothing` where only that is wanted. Keywords: see
[`train`](@ref).
"""
function resample!(w::Maybe{AbstractVector}, events::Source; options::Maybe{Options} = nothing, progress = nothing, log = logged,
                   cancel::Maybe{Cancel} = nothing, checkpoint::Maybe{Checkpoint} = nothing, ranks::Maybe{Ranks} = nothing)
    hooks = Hooks(progress, log, cancel, checkpoint, ranks)
    n = w === nothing ? 0 : length(w)
    return Reweighter(value(Ptr{C.laser_reweighter}, C.laser_resample, events, options, hooks, n, dense("w", w, Float64, n)))
end

"""
    unfold(generated, reconstructed, data, n; flags = nothing, options = nothing, …) -> (reweighter, w)

Unfolds measured events: weights `w` of `n` simulated ones, with which their detector level is distributed as the data (OmniFold). The
[`Source`](@ref)s `generated` and `reconstructed` have the same events in the same order; `flags` are sums of LASER_PAIR_GENERATED and
LASER_PAIR_RECONSTRUCTED, without which all events have both levels. The sum of v .* w, v the weights of `generated`, is the unfolded number of
events. The [`Reweighter`](@ref) gives the same weights to other events, but for the factor `reweighter["unfolding.factor"]`. Keywords: see
[`train`](@ref).
"""
function unfold(generated::Source, reconstructed::Source, data::Source, n::Integer; flags::Maybe{AbstractVector} = nothing,
                options::Maybe{Options} = nothing, progress = nothing, log = logged, cancel::Maybe{Cancel} = nothing,
                checkpoint::Maybe{Checkpoint} = nothing, ranks::Maybe{Ranks} = nothing)
    hooks = Hooks(progress, log, cancel, checkpoint, ranks)
    w = Vector{Float64}(undef, n)
    levels = flags === nothing ? nothing : Vector{Int32}(flags)
    pointer = value(Ptr{C.laser_reweighter}, C.laser_unfold, generated, reconstructed, data, dense("flags", levels, Int32, n), n, options, hooks, w)
    return Reweighter(pointer), w
end

"""
    weights(reweighter, x; options = nothing) -> Vector{Float64}
    weights!(w, reweighter, x; log_w = nothing, spread = nothing, options = nothing)

w(x) for every column of `x`: an event, followed by its conditions. The second also gives log w and its spread between the networks of the
ensemble, if wanted. Keys of the options: "backend", "device", "threads".
"""
weights(reweighter::Reweighter, x::AbstractMatrix; options::Maybe{Options} = nothing) =
    weights!(Vector{Float64}(undef, size(x, 2)), reweighter, x; options = options)

function weights!(w::AbstractVector, reweighter::Reweighter, x::AbstractMatrix; log_w::Maybe{AbstractVector} = nothing,
                  spread::Maybe{AbstractVector} = nothing, options::Maybe{Options} = nothing)
    n = size(x, 2)
    stride = stride_of("x", x, Float64, event_dim(reweighter) + condition_dim(reweighter))
    call(C.laser_reweighter_weights, reweighter, options, n, x, stride, dense("w", w, Float64, n),
         dense("log_w", log_w, Float64, n), dense("spread", spread, Float64, n))
    return w
end

"""
    save(path, model)
    save(path, generator)
    save(path, reweighter)

Writes a model file. It appears whole or not at all, and replaces what had its name.
"""
save(path::AbstractString, model::Model) = call(C.laser_model_save, model, path)
save(path::AbstractString, generator::Generator) = call(C.laser_generator_save, generator, path)
save(path::AbstractString, reweighter::Reweighter) = call(C.laser_reweighter_save, reweighter, path)

"""
    load(Model, path; options = nothing)
    load(Generator, path; options = nothing)
    load(Reweighter, path; options = nothing)

Reads a model file, or the generator in it. A loaded model generates the same bits as the saved one. A generator may also be a
TorchScript file, for which the options need "generator.latent" and the library libtorch.
"""
load(::Type{Model}, path::AbstractString; options::Maybe{Options} = nothing) =
    Model(value(Ptr{C.laser_model}, C.laser_model_load, path, options), (nothing, nothing))
load(::Type{Generator}, path::AbstractString; options::Maybe{Options} = nothing) =
    Generator(value(Ptr{C.laser_generator}, C.laser_generator_load, path, options))
load(::Type{Reweighter}, path::AbstractString; options::Maybe{Options} = nothing) =
    Reweighter(value(Ptr{C.laser_reweighter}, C.laser_reweighter_load, path, options))

"""
    event_dim(generator, model or reweighter) -> Int

The values of an event.
"""
event_dim(generator::Generator) = Int(value(Csize_t, C.laser_generator_event_dim, generator))
event_dim(model::Model) = Int(value(Csize_t, C.laser_model_event_dim, model))
event_dim(reweighter::Reweighter) = Int(value(Csize_t, C.laser_reweighter_event_dim, reweighter))

"""
    latent_dim(generator or model) -> Int

The dimensions of the latent space.
"""
latent_dim(generator::Generator) = Int(value(Csize_t, C.laser_generator_latent_dim, generator))
latent_dim(model::Model) = Int(value(Csize_t, C.laser_model_latent_dim, model))

"""
    condition_dim(generator, model or reweighter) -> Int

The values of the condition of an event; 0 without conditions.
"""
condition_dim(generator::Generator) = Int(value(Csize_t, C.laser_generator_condition_dim, generator))
condition_dim(model::Model) = Int(value(Csize_t, C.laser_model_condition_dim, model))
condition_dim(reweighter::Reweighter) = Int(value(Csize_t, C.laser_reweighter_condition_dim, reweighter))

"""
    sampling_method(model) -> String

The method by which samplers make events unless told otherwise, such as "rejection".
"""
sampling_method(model::Model) = text(C.laser_model_method, model)

"""
    feature_name(model or reweighter, column) -> String

What value `column` of an event is called, counted from 1, features before conditions: as option "features.names" says or, without names,
"x0" … and "c0" …
"""
function feature_name(model::Model, column::Integer)
    column >= 1 || throw(ArgumentError("column must be 1 or more, not $column"))
    return text(C.laser_model_feature_name, model, column - 1)
end

function feature_name(reweighter::Reweighter, column::Integer)
    column >= 1 || throw(ArgumentError("column must be 1 or more, not $column"))
    return text(C.laser_reweighter_feature_name, reweighter, column - 1)
end

"""
    info(model or reweighter) -> String

JSON that describes a model: networks, scalings, refiner, and the record of its training.
"""
info(model::Model) = text(C.laser_model_info, model)
info(reweighter::Reweighter) = text(C.laser_reweighter_info, reweighter)

Base.getindex(model::Model, key::AbstractString) = value(Float64, C.laser_model_get_f64, model, key)
Base.getindex(reweighter::Reweighter, key::AbstractString) = value(Float64, C.laser_reweighter_get_f64, reweighter, key)

# --- what a model says of events ---

"""
    log_weight(model, x; options = nothing) -> Vector{Float64}
    log_weight!(log_w, model, x; options = nothing)

log w(x), the logarithm of the density ratio target / generated, for every column of `x`: an event, followed by its conditions. Keys of
the options: "backend", "device", "threads".
"""
log_weight(model::Model, x::AbstractMatrix; options::Maybe{Options} = nothing) =
    log_weight!(Vector{Float64}(undef, size(x, 2)), model, x; options = options)

function log_weight!(log_w::AbstractVector, model::Model, x::AbstractMatrix; options::Maybe{Options} = nothing)
    n = size(x, 2)
    stride = stride_of("x", x, Float64, event_dim(model) + condition_dim(model))
    call(C.laser_model_log_weight, model, options, n, x, stride, dense("log_w", log_w, Float64, n))
    return log_w
end

"""
    log_prob(model, x; options = nothing) -> Vector{Float64}
    log_prob!(log_p, model, x; options = nothing)

log p_g(x), the logarithm of the generator's density, in 1 / (product of the units of x), for every column of `x`: an event, followed by
its conditions. Only flows have one, else it is `LASER_ERR_UNSUPPORTED`.
"""
log_prob(model::Model, x::AbstractMatrix; options::Maybe{Options} = nothing) =
    log_prob!(Vector{Float64}(undef, size(x, 2)), model, x; options = options)

function log_prob!(log_p::AbstractVector, model::Model, x::AbstractMatrix; options::Maybe{Options} = nothing)
    n = size(x, 2)
    stride = stride_of("x", x, Float64, event_dim(model) + condition_dim(model))
    call(C.laser_model_log_prob, model, options, n, x, stride, dense("log_p", log_p, Float64, n))
    return log_p
end

"""
    latent(model, x; options = nothing) -> Matrix{Float64}
    latent!(z, model, x; options = nothing)

The latent points z with g(z) = x, a column for every column of `x`: an event, followed by its conditions. Only flows are invertible.
"""
latent(model::Model, x::AbstractMatrix; options::Maybe{Options} = nothing) =
    latent!(Matrix{Float64}(undef, latent_dim(model), size(x, 2)), model, x; options = options)

function latent!(z::AbstractMatrix, model::Model, x::AbstractMatrix; options::Maybe{Options} = nothing)
    n = size(x, 2)
    x_stride = stride_of("x", x, Float64, event_dim(model) + condition_dim(model))
    z_stride = stride_of("z", z, Float64, latent_dim(model), n)
    call(C.laser_model_latent, model, options, n, x, x_stride, z, z_stride)
    return z
end

"""
    generate(model, z; options = nothing) -> Matrix{Float64}
    generate!(x, model, z; options = nothing)

x = g(z): the generator applied to your own latent points, a column of `z` each, followed by its conditions.
"""
generate(model::Model, z::AbstractMatrix; options::Maybe{Options} = nothing) =
    generate!(Matrix{Float64}(undef, event_dim(model), size(z, 2)), model, z; options = options)

function generate!(x::AbstractMatrix, model::Model, z::AbstractMatrix; options::Maybe{Options} = nothing)
    n = size(z, 2)
    z_stride = stride_of("z", z, Float64, latent_dim(model) + condition_dim(model))
    x_stride = stride_of("x", x, Float64, event_dim(model), n)
    call(C.laser_model_generate, model, options, n, z, z_stride, x, x_stride)
    return x
end
