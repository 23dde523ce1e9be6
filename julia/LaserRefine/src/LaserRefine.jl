"""
Latent space refinement (LaSeR) of generative models, by the C library liblaser.

    Source       where the target's events come from: a matrix, or a function of yours
    Generator    g, which turns latent points z into events x = g(z); `train` makes one of a source
    Model        g, a classifier and a refiner; `refine` makes one of a generator and a source
    Sampler      a reproducible stream of events from a model; `generate` draws from it
    Reweighter   weights that make the events of one source like those of another, without a generator

Events are the columns of matrices: `x[:, i]` is event `i`. Matrices are handed to the library as they are, never copied; views serve as
well if their columns are dense. What fails throws a [`LaserError`](@ref) whose message says what would be right.

A model may be used by any number of tasks and threads at once, and so may all that does not change; give each thread a `Sampler` of its
own. What the library calls back runs in the calling task, and an exception there ends the call and comes out of it as it is.
"""
module LaserRefine

using Libdl: Libdl
using Logging: Logging

include("c.jl")

# Statuses, for those who handle errors one by one.
using .C: LASER_PAIR_GENERATED, LASER_PAIR_RECONSTRUCTED, LASER_OK, LASER_ERR_INVALID_ARGUMENT, LASER_ERR_NULL, LASER_ERR_UNKNOWN_OPTION, LASER_ERR_IO, LASER_ERR_FORMAT,
    LASER_ERR_CALLBACK, LASER_ERR_CANCELLED, LASER_ERR_BUSY, LASER_ERR_UNSUPPORTED, LASER_ERR_DATA, LASER_ERR_NUMERICAL,
    LASER_ERR_DEVICE, LASER_ERR_TORCH, LASER_ERR_INTERNAL, LASER_ERR_PANIC, LASER_ERR_MEMORY

include("boundary.jl")
include("training.jl")
include("sampling.jl")
include("scores.jl")

export LASER_PAIR_GENERATED, LASER_PAIR_RECONSTRUCTED, LASER_ERR_INVALID_ARGUMENT, LASER_ERR_NULL, LASER_ERR_UNKNOWN_OPTION, LASER_ERR_IO, LASER_ERR_FORMAT,
    LASER_ERR_CALLBACK, LASER_ERR_CANCELLED, LASER_ERR_BUSY, LASER_ERR_UNSUPPORTED, LASER_ERR_DATA, LASER_ERR_NUMERICAL,
    LASER_ERR_DEVICE, LASER_ERR_TORCH, LASER_ERR_INTERNAL, LASER_ERR_PANIC, LASER_ERR_MEMORY
export LaserError, Options, Cancel, Checkpoint, Ranks, Progress, Source, Generator, Model, Sampler, Reweighter, Histogram
export json, trip!, reset!, istripped, train, refine, unfold, with_support, attach, attach_support, save, load, event_dim, latent_dim, condition_dim, sampling_method,
    feature_name, info, resample!, weights, weights!, log_weight, log_weight!, log_prob, log_prob!, latent, latent!, generate, generate!, generate_latent, generate_latent!,
    generate_given, generate_given!, next!, set_noise!, set_hooks!, set_position!, contents, total, jsd, emd, jsd_floor, emd_floor, emd_1d, sliced_emd,
    kolmogorov_smirnov, edges, two_sample_auc, two_sample_auc_by_family, auc, effective_size, chain_diagnostics, device_check, library_version

function __init__()
    path = get(ENV, "LASER_LIBRARY", C.liblaser)
    library = try
        Libdl.dlopen(path) # it stays loaded, so that the calls find it by the name of `C.liblaser`
    catch e
        error("LaserRefine needs the shared library liblaser, but $path does not load: set the environment variable LASER_LIBRARY ",
              "to the full path of $(C.liblaser). ", sprint(showerror, e))
    end
    symbol = Libdl.dlsym(library, :laser_abi_version; throw_error = false)
    symbol === nothing && error("LaserRefine: $path is not liblaser")
    abi = ccall(symbol, UInt32, ())
    abi == C.LASER_ABI_VERSION ||
        error("LaserRefine: $path has the C ABI number $abi, but this package is for number $(C.LASER_ABI_VERSION)")
    return nothing
end

end
