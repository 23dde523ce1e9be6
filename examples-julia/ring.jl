# A simulator in Julia, refined: trains a flow on its events, refines it, and scores both against fresh events of the simulator.
#
#     julia ring.jl [--quick]
#
# The target is a ring with sharp edges, which the flow smears and the refinement cuts again. Some ten seconds; --quick, for tests, shows
# that it works, not how well.
using LaserRefine
using Printf
using Random

const INNER, OUTER = 0.6, 1.0

"Fills the columns of x with points that are even in the ring."
function simulate!(rng, x)
    for i in axes(x, 2)
        r = sqrt(INNER^2 + (OUTER^2 - INNER^2) * rand(rng))
        sine, cosine = sincos(2pi * rand(rng))
        x[1, i] = r * cosine
        x[2, i] = r * sine
    end
    return x
end

"A function that prints where a long call stands, every few seconds."
function reporter(interval = 5.0)
    printed = time()
    return function (p::Progress)
        time() - printed < interval && return nothing
        printed = time()
        @printf(stderr, "  %s: epoch %d of %d, loss %.4f\n", p.stage, p.epoch, p.epochs, p.loss)
    end
end

histogram() = Histogram(50, -1.25, 1.25, 50, -1.25, 1.25)

"An event loop: blocks of events, as many as a host takes at a time, filled into a histogram with their weights."
function sampled(model, method, n; block = 10_000)
    sampler = Sampler(model, 42; options = Options("default", "sampler.method" => method))
    x, weights = Matrix{Float64}(undef, 2, block), Vector{Float64}(undef, block)
    h = histogram()
    for begun in 0:block:n-1
        some = min(block, n - begun)
        events, w = view(x, :, 1:some), view(weights, 1:some)
        generate!(events, sampler; weights = w)
        append!(h, events; weights = w)
    end
    return h
end

function main(quick)
    # The preset "fast" would take longer and refine better, the default far more so.
    options = Options("fast", "flow.epochs" => 1, "classifier.layers" => 4, "classifier.units" => 32, "classifier.epochs" => 8)
    if quick
        for (key, setting) in ("flow.blocks" => 4, "flow.units" => 16, "flow.steps" => 20, "classifier.epochs" => 1,
                               "classifier.steps" => 20, "weights.events" => 5000)
            options[key] = setting
        end
    end

    rng = MersenneTwister(1)
    source = Source(2) do x
        simulate!(rng, x)
        size(x, 2) # how many events it filled in: all that were asked for
    end
    progress = reporter()
    flow = train(source; options = options, progress = progress)
    model = refine(flow, source; options = options, progress = progress)
    @printf("%s; effective fraction of the weights %.2f\n\n", sampling_method(model), model["weights.effective_fraction"])

    n = quick ? 20_000 : 100_000
    truth = append!(histogram(), simulate!(MersenneTwister(2), Matrix{Float64}(undef, 2, n)))
    println("Jensen-Shannon divergence to the simulator, in thousandths of a nat")
    for (name, method) in ("flow" => "baseline", "refined" => "model")
        h = sampled(model, method, n)
        floor = jsd_floor(truth, h)
        @printf("  %-8s %8.3f   floor %.3f +- %.3f\n", name, 1e3 * jsd(truth, h).nats, 1e3 * floor.nats, 1e3 * floor.nats_spread)
    end
end

main("--quick" in ARGS)
