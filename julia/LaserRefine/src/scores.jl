# How far a sample is from the target.

"""
    Histogram(nx, xlo, xhi, ny, ylo, yhi)

An empty histogram of two features, for [`jsd`](@ref) and [`emd`](@ref). Bins have equal size, include their lower edges and exclude
their upper ones, but the last includes both. `append!` fills it, `merge!` adds another one.

Threads: reading by any number at once; a change alone. To fill on several threads, give each a histogram and merge.
"""
mutable struct Histogram <: Handle{C.laser_histogram}
    pointer::Ptr{C.laser_histogram}
    nx::Int
    ny::Int
    Histogram(pointer::Ptr{C.laser_histogram}, nx, ny) = finalizer(close, new(pointer, nx, ny))
end

free(pointer::Ptr{C.laser_histogram}) = C.laser_histogram_free(pointer)

Histogram(nx::Integer, xlo::Real, xhi::Real, ny::Integer, ylo::Real, yhi::Real) =
    Histogram(value(Ptr{C.laser_histogram}, C.laser_histogram_new, nx, xlo, xhi, ny, ylo, yhi), nx, ny)

"""
    append!(histogram, x; weights = nothing)

Adds events, the columns of `x`, of which the first two values count; `view(x, 3:4, :)` takes others.
"""
function Base.append!(histogram::Histogram, x::AbstractMatrix; weights::Maybe{AbstractVector} = nothing)
    rows, n = size(x)
    rows >= 2 || throw(DimensionMismatch("x must have 2 rows or more, but has size $(size(x))"))
    stride = stride_of("x", x, Float64, rows)
    call(C.laser_histogram_fill, histogram, n, x, stride, dense("weights", weights, Float64, n))
    return histogram
end

"""
    merge!(into, from)

Adds the contents of a histogram of the same bins.
"""
function Base.merge!(into::Histogram, from::Histogram)
    call(C.laser_histogram_merge, into, from)
    return into
end

"""
    contents(histogram) -> Matrix{Float64}

The sums of weights: `contents(histogram)[ix, iy]`.
"""
function contents(histogram::Histogram)
    out = Matrix{Float64}(undef, histogram.ny, histogram.nx)
    call(C.laser_histogram_contents, histogram, out, length(out))
    return permutedims(out)
end

"""
    total(histogram) -> (inside = …, outside = …)

The sums of weights inside the range, and outside of it, of which the scores know nothing.
"""
total(histogram::Histogram) = doubles((:inside, :outside), C.laser_histogram_total, histogram)

"""
    jsd(p, q) -> (nats = …, paper = …)

The Jensen-Shannon divergence of two histograms, each normalised to one: in nats, from 0 to ln 2, and in the convention of Table 3 of
the LaSeR paper, divided by the area of a bin. It means little without its floor: [`jsd_floor`](@ref).
"""
jsd(p::Histogram, q::Histogram) = doubles((:nats, :paper), C.laser_jsd, p, q)

"""
    emd(p, q) -> (units = …, paper = …)

The earth mover's distance of two histograms, each normalised to one: in units of the axes, and in the paper's convention. It means
little without its floor: [`emd_floor`](@ref). Takes half a second for 100 x 100 bins.
"""
emd(p::Histogram, q::Histogram) = doubles((:units, :paper), C.laser_emd, p, q)

"""
    jsd_floor(p, q; repeats = 100, seed = 1) -> (nats = …, nats_spread = …, paper = …, paper_spread = …)

What [`jsd`](@ref) gives for two independent samples of one distribution, of these sizes, by chance alone: mean and standard deviation
of one score.
"""
jsd_floor(p::Histogram, q::Histogram; repeats::Integer = 100, seed::Integer = 1) =
    doubles((:nats, :nats_spread, :paper, :paper_spread), C.laser_jsd_floor, p, q, repeats, seed)

"""
    emd_floor(p, q; repeats = 5, seed = 1) -> (units = …, units_spread = …, paper = …, paper_spread = …)

What [`emd`](@ref) gives by chance alone, as [`jsd_floor`](@ref). Takes `repeats` times as long as `emd`.
"""
emd_floor(p::Histogram, q::Histogram; repeats::Integer = 5, seed::Integer = 1) =
    doubles((:units, :units_spread, :paper, :paper_spread), C.laser_emd_floor, p, q, repeats, seed)

# The library counts features from 0.
function feature_index(p::Source, feature::Integer)
    1 <= feature <= p.dim || throw(ArgumentError("feature must be from 1 to $(p.dim), not $feature"))
    return feature - 1
end

"""
    emd_1d(p, q, feature; repeats = 20, seed = 1) -> (distance = …, error = …, floor = …, floor_spread = …)

The earth mover's (Wasserstein-1) distance of one feature, counted from 1, in two samples: exact, with weights, without bins. Error,
floor and its spread are those of `repeats` bootstrap samples, NaN for less than 2. The samples are sources of matrices.
"""
emd_1d(p::Source, q::Source, feature::Integer; repeats::Integer = 20, seed::Integer = 1) =
    doubles((:distance, :error, :floor, :floor_spread), C.laser_emd_1d, p, q, feature_index(p, feature), repeats, seed)

"""
    sliced_emd(reference, sample; directions = 50, repeats = 20, seed = 1) -> (distance = …, error = …, floor = …, floor_spread = …)

The sliced earth mover's distance: the mean of the one-dimensional distance over random directions, every feature divided by its
standard deviation in the reference. Otherwise as [`emd_1d`](@ref).
"""
sliced_emd(reference::Source, sample::Source; directions::Integer = 50, repeats::Integer = 20, seed::Integer = 1) =
    doubles((:distance, :error, :floor, :floor_spread), C.laser_sliced_emd, reference, sample, directions, repeats, seed)

"""
    kolmogorov_smirnov(p, q, feature) -> (statistic = …, p_value = …)

The two-sample Kolmogorov-Smirnov test of one feature, counted from 1, with weights.
"""
kolmogorov_smirnov(p::Source, q::Source, feature::Integer) =
    doubles((:statistic, :p_value), C.laser_kolmogorov_smirnov, p, q, feature_index(p, feature))

"""
    edges(reference, sample, support; names = "") -> Vector

What two samples do at the edges of the region where events can be: a named tuple for each inequality of `support`, a condition in the
values of events, called x0 … or by `names`, with commas. `inequality`; `beyond_reference` and `beyond_sample`, the shares of their weights
beyond it; `ratio` of the densities reference / sample just within, 1 where the edge is as sharp in the sample; errors of the three, with
`_error`; `depth` of that layer, in units of the inequality. The samples are sources of matrices.
"""
function edges(reference::Source, sample::Source, support::AbstractString; names::AbstractString = "")
    count = Int(value(Csize_t, C.laser_edge_count, reference, support, names))
    return map(0:count-1) do edge
        inequality = text(C.laser_edge_inequality, reference, support, names, edge)
        found = doubles((:beyond_reference, :beyond_reference_error, :beyond_sample, :beyond_sample_error, :ratio, :ratio_error, :depth),
                        C.laser_edge, reference, sample, support, names, edge)
        merge((inequality = inequality,), found)
    end
end

"""
    two_sample_auc(reference, sample; options = nothing, …) -> (auc = …, error = …)

A classifier two-sample test: trains fresh classifiers of two families, a network and gradient-boosted trees, on one half of both samples,
and gives the larger area under their ROC curves on the other halves. 0.5 within the error: they find no difference. The samples must not
share events, of which a score far below 0.5 warns; copies within one of them count as one event. Keywords: see [`train`](@ref).
"""
function two_sample_auc(reference::Source, sample::Source; options::Maybe{Options} = nothing, progress = nothing, log = logged,
                        cancel::Maybe{Cancel} = nothing, checkpoint::Maybe{Checkpoint} = nothing, ranks::Maybe{Ranks} = nothing)
    hooks = Hooks(progress, log, cancel, checkpoint, ranks)
    return doubles((:auc, :error), C.laser_two_sample_auc, reference, sample, options, hooks)
end

"""
    two_sample_auc_by_family(reference, sample; …) -> (network = …, network_error = …, trees = …, trees_error = …)

As [`two_sample_auc`](@ref), with the areas of both families.
"""
function two_sample_auc_by_family(reference::Source, sample::Source; options::Maybe{Options} = nothing, progress = nothing, log = logged,
                                  cancel::Maybe{Cancel} = nothing, checkpoint::Maybe{Checkpoint} = nothing, ranks::Maybe{Ranks} = nothing)
    hooks = Hooks(progress, log, cancel, checkpoint, ranks)
    return doubles((:network, :network_error, :trees, :trees_error), C.laser_two_sample_auc_by_family, reference, sample, options, hooks)
end

"""
    auc(scores, labels; weights = nothing) -> (auc = …, error = …)

The area under the ROC curve: the probability that an event of label 1 (or `true`) scores higher than one of label 0.
"""
function auc(scores::AbstractVector, labels::AbstractVector; weights::Maybe{AbstractVector} = nothing)
    n = length(scores)
    labels = dense("labels", Vector{Int32}(labels), Int32, n)
    return doubles((:auc, :error), C.laser_auc, n, dense("scores", scores, Float64, n), labels, dense("weights", weights, Float64, n))
end

"""
    effective_size(w) -> Float64

How many unweighted events are worth as much as weighted ones: (sum of w)^2 / (sum of w^2).
"""
effective_size(w::AbstractVector) = value(Float64, C.laser_effective_size, length(w), dense("w", w, Float64, length(w)))

"""
    chain_diagnostics(x) -> (r_hat = …, effective_size = …)

Whether Markov chains have mixed, and how many independent draws they are worth: split R-hat and bulk effective sample size of every
dimension. `x[d, c, i]` is value d of chain c at draw i.
"""
function chain_diagnostics(x::Array{Float64,3})
    dim, chains, draws = size(x)
    r_hat, effective = Vector{Float64}(undef, dim), Vector{Float64}(undef, dim)
    call(C.laser_chain_diagnostics, draws, chains, dim, x, r_hat, effective)
    return (r_hat = r_hat, effective_size = effective)
end

# --- the library ---

"""
    device_check(device)

Throws, with the reason, unless the device can be used here: "cpu", "cuda" or "cuda:N".
"""
device_check(device::AbstractString) = call(C.laser_device_check, device)

"""
    library_version() -> VersionNumber

The version of the loaded library.
"""
library_version() = VersionNumber(unsafe_string(C.laser_version()))
