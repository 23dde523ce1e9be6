# Run by `Pkg.test("LaserRefine")`, with liblaser in the library path or at LASER_LIBRARY.

using LaserRefine
using Logging
using Random
using Test

# Networks of a few units, trained for a few steps: they show the calls, not the quality.
const TOY = """
    {"flow": {"blocks": 2, "layers": 2, "units": 8, "epochs": 1, "steps": 5, "batch": 64},
     "classifier": {"layers": 2, "units": 8, "epochs": 1, "steps": 5, "batch": 64}, "validation.events": 200, "weights.events": 2000,
     "matching": {"layers": 2, "units": 8, "epochs": 1, "steps": 5, "batch": 64, "pool": 1000}}"""

toy_options(settings...) = configured(parse(Options, TOY), settings...)

function configured(options, settings...)
    for (key, setting) in settings
        options[key] = setting
    end
    return options
end

# n normal events with means (1, -2) and standard deviations (1, 0.5).
function toy_events!(rng, x)
    randn!(rng, x)
    x[2, :] .*= 0.5
    x .+= [1.0, -2.0]
    return x
end

toy_events(seed, n) = toy_events!(MersenneTwister(seed), Matrix{Float64}(undef, 2, n))

function toy_source(seed)
    rng = MersenneTwister(seed)
    return Source(2) do x
        toy_events!(rng, x)
        size(x, 2)
    end
end

silent = (log = nothing,)

# The error that a function throws; not one of a test macro, as several of its features are looked at.
function failure(f)
    try
        f()
    catch e
        return e
    end
    return nothing
end

fails_with(f, status, says = "") = (e = failure(f); e isa LaserError && e.status == status && occursin(says, e.message))

struct Marked <: Exception
    number::Int
end

# A cycle of the garbage collector that would take what nobody keeps.
collect_garbage() = (GC.gc(); GC.gc())

@testset "LaserRefine" begin

@testset "options" begin
    options = Options("fast", "flow.epochs" => 7, "classifier.lr" => 0.5, "refiner.method" => "hmc")
    @test options["flow.epochs"] === Int64(7)
    @test options["classifier.lr"] === 0.5
    @test options["refiner.method"] == "hmc"
    options["classifier.lr"] = 1 # an integer for a number
    @test options["classifier.lr"] === 1.0
    @test json(parse(Options, json(options))) == json(options)
    @test json(Options()) == json(Options("paper"))
    @test fails_with(() -> options["flow.epoch"], LASER_ERR_UNKNOWN_OPTION, "flow.epochs")
    @test fails_with(() -> options["flow.epochs"] = 0, LASER_ERR_INVALID_ARGUMENT)
    @test fails_with(() -> options["flow.epochs"] = "many", LASER_ERR_INVALID_ARGUMENT)
    @test fails_with(() -> options["flow.lr"] = NaN, LASER_ERR_INVALID_ARGUMENT)
    @test fails_with(() -> options["refiner.method"] = "hcm", LASER_ERR_INVALID_ARGUMENT)
    @test fails_with(() -> Options("slow"), LASER_ERR_INVALID_ARGUMENT)
    @test fails_with(() -> Options("fast", "no.such" => 1), LASER_ERR_UNKNOWN_OPTION)
    @test fails_with(() -> parse(Options, "{"), LASER_ERR_INVALID_ARGUMENT)
    @test_throws ArgumentError options["flow\0epochs"] # no C string
    @test options["flow.epochs"] == 7 # failures changed nothing
end

@testset "errors" begin
    e = failure(() -> Options("slow"))
    shown = sprint(showerror, e)
    @test occursin("slow", shown) && occursin("LASER_ERR_INVALID_ARGUMENT", shown)
    @test fails_with(() -> load(Model, "/no/such/file.laser"), LASER_ERR_IO, "/no/such/file.laser")
    @test device_check("cpu") === nothing
    @test fails_with(() -> device_check("abacus"), LASER_ERR_INVALID_ARGUMENT)
    @test library_version() >= v"0.1.0"
end

@testset "handles" begin
    options = Options()
    @test isopen(options)
    @test !occursin("closed", repr(options))
    close(options)
    close(options) # once is enough, twice is fine
    @test !isopen(options)
    @test occursin("closed", repr(options))
    e = failure(() -> json(options))
    @test e isa ArgumentError && occursin("Options was closed", e.msg)
    @test_throws ArgumentError train(toy_source(1); options = options)
    @test_throws TypeError train(toy_source(1); options = "fast")
end

@testset "sources of matrices" begin
    x = toy_events(1, 1000)
    @test_throws ArgumentError Source(Float32.(x))
    @test_throws ArgumentError Source(x')
    @test_throws ArgumentError Source(view(x, 1:1, :)') # not even if it happens to be dense
    @test_throws ArgumentError Source(view(rand(4, 100), 1:2:3, :))
    @test_throws ArgumentError Source(view(x, :, 1000:-1:1))
    @test_throws DimensionMismatch Source(x; weights = ones(999))
    @test_throws ArgumentError Source(x; weights = ones(Int, 1000))
    @test_throws ArgumentError Source(x; weights = view(ones(2000), 1:2:2000))
    @test fails_with(() -> Source(zeros(2, 0)), LASER_ERR_INVALID_ARGUMENT)
    bad = copy(x)
    bad[2, 5] = NaN
    @test fails_with(() -> Source(bad), LASER_ERR_DATA, "row 4, column 1 of the events (counted from 0) is NaN")

    # The same events, packed, in columns of a taller matrix, in every other column, and reshaped: the same generator.
    tall, wide = rand(5, 1000), rand(2, 2000)
    tall[2:3, :] = x
    wide[:, 1:2:2000] = x
    options = toy_options()
    events = map((x, view(tall, 2:3, :), view(wide, :, 1:2:2000), reshape(vec(x), 2, :))) do same
        generator = train(Source(same); options = options, silent...)
        generate(Sampler(Model(generator), 1), 100).x
    end
    @test all(isequal(events[1]), events)

    # What is lent stays alive as long as the source does.
    source = Source(toy_events(1, 1000); weights = ones(1000))
    collect_garbage()
    @test generate(Sampler(Model(train(source; options = options, silent...)), 1), 100).x == events[1]
end

@testset "sources of functions" begin
    options = toy_options()
    sizes = Int[]
    source = Source(2) do x
        push!(sizes, size(x, 2))
        size(toy_events!(MersenneTwister(1), x), 2)
    end
    collect_garbage()
    @test event_dim(train(source; options = options, silent...)) == 2
    @test length(sizes) > 1 && all(>(0), sizes)

    weighted = Source(2; weighted = true) do x, w
        toy_events!(MersenneTwister(1), x)
        w .= 2.0
        length(w)
    end
    @test event_dim(train(weighted; options = options, silent...)) == 2

    # An exception comes out as it is, with the place where it was thrown, and the source goes on.
    mood = Ref{Any}(:well)
    moody = Source(2) do x
        toy_events!(MersenneTwister(1), x)
        mood[] isa Exception && throw(mood[])
        mood[] === :nothing ? nothing : mood[] === :real ? 3.5 : mood[] === :filled ? true : mood[] isa Integer ? mood[] : size(x, 2)
    end
    mood[] = Marked(77)
    @test failure(() -> train(moody; options = options, silent...)) === mood[]
    trace = try
        train(moody; options = options, silent...)
    catch
        sprint(Base.display_error, VERSION >= v"1.7" ? current_exceptions() : Base.catch_stack())
    end
    @test occursin("Marked(77)", trace) && occursin("runtests.jl", trace)
    for wrong in (:nothing, :real, :filled, -1, 1_000_000_000)
        mood[] = wrong
        e = failure(() -> train(moody; options = options, silent...))
        @test e isa ArgumentError && occursin("how many events", e.msg)
    end
    mood[] = 0
    @test fails_with(() -> train(moody; options = options, silent...), LASER_ERR_DATA)
    mood[] = :well
    @test event_dim(train(moody; options = options, silent...)) == 2

    nan = Source(x -> (x .= NaN; size(x, 2)), 2)
    @test fails_with(() -> train(nan; options = options, silent...), LASER_ERR_DATA, "NaN")
    @test fails_with(() -> Source(x -> 0, 0), LASER_ERR_INVALID_ARGUMENT)

    # Calls back into the library: free for other handles, busy for the same one.
    inner = Any[]
    nested = Ref{Any}()
    nested[] = Source(2) do x
        if isempty(inner)
            push!(inner, failure(() -> train(nested[]; options = options, silent...)))
            push!(inner, train(toy_source(3); options = options, silent...))
        end
        size(toy_events!(MersenneTwister(1), x), 2)
    end
    @test event_dim(train(nested[]; options = options, silent...)) == 2
    @test inner[1] isa LaserError && inner[1].status == LASER_ERR_BUSY
    @test event_dim(inner[2]) == 2

    # An exception of a call within a callback is one of the callback.
    marked = Marked(3)
    outer = Source(x -> (train(Source(x -> throw(marked), 2); options = options, silent...); 0), 2)
    @test failure(() -> train(outer; options = options, silent...)) === marked

    # One that the library bore, and asked again, is forgotten: it replaces no other error, of this call or of a later one.
    bearing = toy_options("source.failures" => 1)
    asked = Ref(0)
    moodier(spoil!) = Source(2) do x
        asked[] += 1
        asked[] == 1 && throw(Marked(14))
        size(spoil!(toy_events!(MersenneTwister(asked[]), x)), 2)
    end
    @test event_dim(train(moodier(identity); options = bearing, silent...)) == 2
    @test asked[] > 1 && fails_with(() -> Options("slow"), LASER_ERR_INVALID_ARGUMENT, "slow")
    asked[] = 0
    @test fails_with(() -> train(moodier(x -> x .= NaN); options = bearing, silent...), LASER_ERR_DATA, "NaN")
    @test asked[] > 1

    # A call that succeeds inside of a callback, or fails for another reason, leaves what ends the call around it.
    tries = Ref(0)
    failing = Source(2) do x
        tries[] += 1
        json(Options())
        tries[] == 1 && throw(Marked(15))
        failure(() -> Options("slow")) isa LaserError || throw(Marked(16))
        throw(marked)
    end
    @test failure(() -> train(failing; options = bearing, silent...)) === marked
    @test tries[] == 2

    # Closed by its own callback, the source serves the call to its end.
    suicidal = Ref{Any}()
    suicidal[] = Source(2) do x
        close(suicidal[])
        collect_garbage()
        size(toy_events!(MersenneTwister(1), x), 2)
    end
    @test event_dim(train(suicidal[]; options = options, silent...)) == 2
    @test_throws ArgumentError train(suicidal[]; options = options, silent...)
end

@testset "watching and stopping" begin
    options = toy_options()
    seen = Progress[]
    train(toy_source(1); options = options, progress = p -> (push!(seen, p); collect_garbage()), silent...)
    @test length(seen) >= 5
    @test all(p -> p.stage == "flow" && 1 <= p.epoch <= p.epochs == 1 && 1 <= p.step <= p.steps, seen)
    @test isfinite(last(seen).loss)

    e = Marked(5)
    @test failure(() -> train(toy_source(1); options = options, progress = p -> p.step == 3 && throw(e), silent...)) === e
    @test failure(() -> train(toy_source(1); options = options, progress = "none", silent...)) isa MethodError

    # Messages go to Julia's logging, or to a function.
    generator = train(toy_source(1); options = options, silent...)
    messages = Tuple{LogLevel,String}[]
    note(level, message) = push!(messages, (level, message))
    refine(generator, toy_source(1); options = options, log = note)
    @test !isempty(messages) && all(m -> m[1] in (Logging.Info, Logging.Warn) && !isempty(m[2]), messages)
    logger = Test.TestLogger()
    with_logger(() -> refine(generator, toy_source(1); options = options), logger)
    @test [(record.level, record.message) for record in logger.logs] == messages
    @test failure(() -> refine(generator, toy_source(1); options = options, log = (level, message) -> throw(e))) === e

    cancel = Cancel()
    @test !istripped(cancel)
    stop(p) = p.step == 2 && trip!(cancel)
    @test fails_with(() -> train(toy_source(1); options = options, progress = stop, cancel = cancel, silent...), LASER_ERR_CANCELLED)
    @test istripped(cancel)
    @test fails_with(() -> train(toy_source(1); options = options, cancel = cancel, silent...), LASER_ERR_CANCELLED)
    reset!(cancel)
    @test !istripped(cancel)
    @test event_dim(train(toy_source(1); options = options, cancel = cancel, silent...)) == 2

    # Where trainings are kept, and who shares them.
    mktempdir() do folder
        path = joinpath(folder, "checkpoint")
        whole = generate(Sampler(Model(train(toy_source(1); options = options, silent...)), 1), 10)
        kept = Checkpoint(path)
        @test fails_with(() -> train(toy_source(1); options = options, progress = stop, cancel = cancel, checkpoint = kept, silent...),
                         LASER_ERR_CANCELLED)
        reset!(cancel)
        @test isfile(path)
        @test fails_with(() -> train(toy_source(1); options = toy_options("seed" => 2), checkpoint = kept, silent...),
                         LASER_ERR_INVALID_ARGUMENT, "its `seed` is")
        again = train(toy_source(1); options = options, checkpoint = Checkpoint(path; seconds = 1, steps = 2), silent...)
        @test generate(Sampler(Model(again), 1), 10) == whole
    end
    # More updates than the events that are measured first are enough for: what was used is asked for again only without positions.
    mktempdir() do folder
        long = toy_options("flow.steps" => 600)
        stop_late(p) = p.step == 590 && trip!(cancel)
        made = Ref(0)
        function numbered(tells)
            next = Ref(UInt64(0))
            made[] = 0
            source = Source(2) do x
                for i in axes(x, 2)
                    toy_events!(MersenneTwister(next[]), view(x, :, i:i))
                    next[] += 1
                    made[] += 1
                end
                size(x, 2)
            end
            tells && set_position!(source; tell = () -> next[], seek = told -> (next[] = told))
            collect_garbage()
            return source
        end
        whole = generate(Sampler(Model(train(numbered(false); options = long, silent...)), 1), 10)
        all_made = made[]
        for tells in (false, true)
            kept = Checkpoint(joinpath(folder, string(tells)))
            @test fails_with(() -> train(numbered(tells); options = long, progress = stop_late, cancel = cancel, checkpoint = kept, silent...),
                             LASER_ERR_CANCELLED)
            reset!(cancel)
            if tells
                lost = set_position!(numbered(false); tell = () -> 0, seek = told -> throw(e))
                @test failure(() -> train(lost; options = long, checkpoint = kept, silent...)) === e
            end
            again = train(numbered(tells); options = long, checkpoint = kept, silent...)
            @test generate(Sampler(Model(again), 1), 10) == whole
            @test tells ? made[] < all_made / 2 : made[] == all_made
        end
        mute = set_position!(numbered(false); tell = () -> -1, seek = told -> nothing)
        @test failure(() -> train(mute; options = long, checkpoint = Checkpoint(joinpath(folder, "mute")), silent...)) isa InexactError
        @test set_position!(mute) === mute
        @test fails_with(() -> set_position!(mute; tell = () -> 0), LASER_ERR_INVALID_ARGUMENT, "one of them is NULL")
        @test fails_with(() -> set_position!(Source(toy_events(1, 100))), LASER_ERR_INVALID_ARGUMENT, "the source is no callback")
    end
    @test fails_with(() -> train(toy_source(1); options = options, checkpoint = Checkpoint("c"; seconds = 0), silent...),
                     LASER_ERR_INVALID_ARGUMENT, "it must be a positive number")
    sums = Ref(0)
    alone = Ranks(values -> (sums[] += length(values)), 0, 1)
    @test event_dim(train(toy_source(1); options = options, ranks = alone, silent...)) == 2
    @test sums[] > 0
    @test failure(() -> train(toy_source(1); options = options, ranks = Ranks(values -> throw(e), 0, 1), silent...)) === e
    @test fails_with(() -> train(toy_source(1); options = options, ranks = Ranks(identity, 1, 1), silent...), LASER_ERR_INVALID_ARGUMENT)

    # Trainings in several tasks, one of which fails: each gets its own events and its own exception.
    events(i; keywords...) = generate(Sampler(Model(train(toy_source(i); options = options, silent..., keywords...)), 1), 10)
    tasks = map(1:4) do i
        watch(p) = (yield(); i == 3 && p.step == 4 && throw(Marked(i)))
        @async i == 3 ? failure(() -> events(i; progress = watch)) : events(i; progress = watch)
    end
    results = map(fetch, tasks)
    @test results[3] === Marked(3)
    @test all(i -> results[i] == events(i), (1, 2, 4))

    # Ctrl-C, as if the user had pressed it: caught by the next callback, which stops the call.
    long = toy_options("flow.steps" => 1_000_000)
    begun = time()
    interrupt(p) = p.step == 1 ? ccall(:kill, Cint, (Cint, Cint), getpid(), 2) : time() - begun > 60 && throw(Marked(0))
    Base.exit_on_sigint(false) # as in the REPL
    @test failure(() -> train(toy_source(1); options = long, progress = interrupt, silent...)) isa InterruptException
    @test event_dim(train(toy_source(1); options = options, silent...)) == 2
end

source = toy_source(1)
model = refine(train(source; options = toy_options(), silent...), source; options = toy_options("refiner.method" => "rejection"), silent...)

@testset "models" begin
    @test (event_dim(model), latent_dim(model), condition_dim(model)) == (2, 2, 0)
    @test sampling_method(model) == "rejection"
    @test model["classifier.steps"] == 5
    @test fails_with(() -> model["classifier.stepz"], LASER_ERR_INVALID_ARGUMENT)
    @test startswith(info(model), "{")

    x = toy_events(2, 50)
    log_w, log_p, z = log_weight(model, x), log_prob(model, x), latent(model, x)
    @test all(isfinite, log_w) && all(isfinite, log_p) && size(z) == (2, 50)
    @test isapprox(generate(model, z), x; atol = 1e-3)
    @test log_weight!(zeros(50), model, x) == log_w && log_prob!(zeros(50), model, x) == log_p
    @test latent!(zeros(2, 50), model, x) == z
    @test generate!(zeros(2, 50), model, z) == generate(model, z; options = toy_options("threads" => 2))
    tall = rand(4, 50)
    before = copy(tall)
    tall[2:3, :] = x
    @test log_weight(model, view(tall, 2:3, :)) == log_w
    latent!(view(tall, 2:3, :), model, x)
    @test tall[2:3, :] == z && tall[[1, 4], :] == before[[1, 4], :] # what lies between stays
    @test isempty(log_weight(model, zeros(2, 0)))
    @test_throws DimensionMismatch log_weight(model, rand(3, 50))
    @test_throws DimensionMismatch log_weight!(zeros(49), model, x)
    @test_throws DimensionMismatch latent!(zeros(2, 49), model, x)
    @test_throws ArgumentError log_prob(model, Float32.(x))
    @test_throws ArgumentError generate!(zeros(50, 2)', model, z)
    x[1, 3] = Inf
    @test fails_with(() -> log_weight(model, x), LASER_ERR_DATA)

    mktempdir() do folder
        path = joinpath(folder, "model.laser")
        save(path, model)
        loaded = load(Model, path)
        @test generate(Sampler(loaded, 1), 100) == generate(Sampler(model, 1), 100)
        @test latent_dim(load(Generator, path)) == 2
        save(path, load(Generator, path)) # replaces the model
        @test fails_with(() -> log_weight(load(Model, path), toy_events(2, 5)), LASER_ERR_UNSUPPORTED)
        write(path, "no model")
        @test fails_with(() -> load(Model, path), LASER_ERR_FORMAT)
        @test fails_with(() -> save(joinpath(folder, "no", "folder"), model), LASER_ERR_IO)
    end

    again = refine(model; options = toy_options("refiner.method" => "matching"), silent...)
    @test sampling_method(again) == "matching" && sampling_method(model) == "rejection"
    baseline = Model(train(toy_source(1); options = toy_options(), silent...))
    @test sampling_method(baseline) in ("baseline", "none")
    @test fails_with(() -> refine(baseline; silent...), LASER_ERR_UNSUPPORTED)
end

@testset "samplers" begin
    sampler = Sampler(model, 42, 7)
    x, w = generate(sampler, 1000)
    @test size(x) == (2, 1000) && all(isfinite, x) && all(>=(1), w)
    @test position(sampler) == 1000
    @test 0 < sampler["acceptance"] <= 1
    @test fails_with(() -> sampler["acceptances"], LASER_ERR_INVALID_ARGUMENT)

    # The same bits in parts, one by one, from anywhere, in views, with latents, rounded.
    seek(sampler, 0)
    parts = hcat(generate(sampler, 300).x, generate(sampler, 0).x, generate(sampler, 700).x)
    @test parts == x
    seek(sampler, 990)
    event = zeros(2)
    @test all(i -> next!(event, sampler) == w[i] && event == x[:, i], 991:1000)
    tall = zeros(4, 1000)
    weights, logp = zeros(1000), zeros(1000)
    generate!(view(tall, 2:3, :), seek(sampler, 0); weights = weights, logp = logp)
    @test tall[2:3, :] == x && all(iszero, tall[[1, 4], :]) && weights == w && all(isfinite, logp)
    with_latent = generate_latent(seek(sampler, 0), 1000)
    @test with_latent.x == x && with_latent.w == w && isapprox(generate(model, with_latent.z), x; atol = 1e-3)
    rounded = generate(Float32, seek(sampler, 0), 1000)
    @test rounded.x isa Matrix{Float32} && rounded.x == Float32.(x) && rounded.w == Float32.(w)
    @test generate(Sampler(model, 42, 8), 1000).x != x
    @test generate(Sampler(model, typemax(UInt64)), 10) == generate(Sampler(model, typemax(UInt64)), 10)

    methods = Options("default", "sampler.method" => "reweight")
    @test !all(==(1), generate(Sampler(model, 42; options = methods), 100).w)
    methods["sampler.method"] = "matching"
    @test fails_with(() -> Sampler(model, 42; options = methods), LASER_ERR_UNSUPPORTED)

    # One sampler for each thread or task, of one model.
    tasks = [Threads.@spawn(generate(Sampler(model, 42, stream), 500)) for stream in 1:4]
    @test map(fetch, tasks) == [generate(Sampler(model, 42, stream), 500) for stream in 1:4]

    here = position(seek(sampler, 5))
    @test_throws DimensionMismatch generate!(zeros(3, 10), sampler)
    @test_throws DimensionMismatch generate!(view(tall, 1:1, :), sampler) # would write beyond the view
    @test_throws DimensionMismatch generate!(zeros(2, 10), sampler; weights = zeros(9))
    @test_throws ArgumentError generate!(zeros(2, 10), sampler; weights = zeros(Float32, 10))
    @test_throws ArgumentError generate!(zeros(10, 2)', sampler)
    @test_throws MethodError generate!(zeros(Int, 2, 10), sampler)
    @test_throws DimensionMismatch generate_latent!(zeros(2, 10), zeros(2, 9), sampler)
    @test_throws DimensionMismatch next!(zeros(3), sampler)
    @test_throws ArgumentError next!(zeros(Float32, 2), sampler)
    @test_throws InexactError seek(sampler, -1)
    @test fails_with(() -> generate_given(sampler, zeros(0, 10)), LASER_ERR_INVALID_ARGUMENT)
    @test position(sampler) == here
end

@testset "noise" begin
    sampler = Sampler(model, 1)
    own = generate(sampler, 10).x
    host(seed) = (rng = MersenneTwister(seed); u -> rand!(rng, u))
    @test set_noise!(host(1), sampler) === sampler
    collect_garbage()
    x = generate(sampler, 100).x
    @test generate(set_noise!(host(1), Sampler(model, 2)), 100).x == x # seeds do not matter
    @test generate(set_noise!(host(2), Sampler(model, 1)), 100).x != x
    @test fails_with(() -> seek(sampler, 0), LASER_ERR_UNSUPPORTED)
    e = Marked(9)
    set_noise!(u -> throw(e), sampler)
    @test failure(() -> generate(sampler, 10)) === e
    set_noise!(u -> u .= 2.0, sampler)
    @test fails_with(() -> generate(sampler, 10), LASER_ERR_DATA)
    inner = Ref{Any}()
    busy = Sampler(model, 1)
    set_noise!(busy) do u
        inner[] = failure(() -> generate(busy, 1))
        rand!(MersenneTwister(1), u)
    end
    generate(busy, 10)
    @test inner[] isa LaserError && inner[].status == LASER_ERR_BUSY
    set_noise!(nothing, sampler)
    @test generate(seek(sampler, 0), 10).x == own
end

@testset "hooks of samplers" begin
    sampler = Sampler(model, 1)
    own = generate(sampler, 5000).x
    steps, cancel = UInt64[], Cancel()
    @test set_hooks!(seek(sampler, 0); progress = p -> (@test(p.stage == "sampling"); push!(steps, p.step)), cancel = cancel) === sampler
    collect_garbage()
    @test generate(sampler, 5000).x == own && last(steps) == 5000
    trip!(cancel)
    @test fails_with(() -> generate(sampler, 10), LASER_ERR_CANCELLED)
    reset!(cancel)
    e = Marked(10)
    set_hooks!(seek(sampler, 0); progress = p -> throw(e))
    @test failure(() -> generate(sampler, 5000)) === e
    set_hooks!(sampler; log = nothing)
    @test generate(sampler, 5000).x == own

    # The same from the beginning.
    @test failure(() -> generate(Sampler(model, 1; progress = p -> throw(e)), 5000)) === e
    trip!(cancel)
    @test fails_with(() -> generate(Sampler(model, 1; cancel = cancel), 10), LASER_ERR_CANCELLED)
end

@testset "generators of functions" begin
    bend!(x, z) = (x[1, :] .= z[1, :]; x[2, :] .= z[2, :] .+ 0.3 .* z[1, :] .^ 2 .- 2)
    options = toy_options()
    source = toy_source(1)
    # What calls the function must keep it alive by itself.
    sampler = let generator = Generator(bend!, 2, 2)
        Sampler(refine(generator, source; options = options, silent...), 1)
    end
    collect_garbage()
    x, z, w = generate_latent(sampler, 200)
    expected = similar(x)
    bend!(expected, z)
    @test x == expected

    generator = Generator(bend!, 2, 2)
    model = refine(generator, source; options = options, silent...)
    close(generator)
    @test generate(model, z) == expected
    @test fails_with(() -> log_prob(model, x), LASER_ERR_UNSUPPORTED)
    mktempdir() do folder
        path = joinpath(folder, "model.laser")
        save(path, model)
        loaded = load(Model, path)
        e = failure(() -> generate(Sampler(loaded, 1), 10))
        @test e isa LaserError
        @test generate(Sampler(attach(bend!, loaded, 2, 2), 1), 200).x == x
        @test fails_with(() -> attach(bend!, loaded, 3, 2), LASER_ERR_INVALID_ARGUMENT)
    end

    # A function says where events can be.
    mark!(inside, x) = (inside .= x[2, :] .> -2.5)
    cut = x -> (i = x[2, :] .> -2.5; x[:, i])
    inside = let x = cut(toy_events(5, 4000))
        () -> Source(x)
    end
    formula = toy_options()
    formula["support"] = "x1 > -2.5"
    formula["features.names"] = "a, b"
    named = refine(Generator(bend!, 2, 2), inside(); options = formula, silent...)
    @test (feature_name(named, 1), feature_name(named, 2)) == ("a", "b")
    @test fails_with(() -> feature_name(named, 3), LASER_ERR_INVALID_ARGUMENT)
    @test_throws ArgumentError feature_name(named, 0)
    sampler = let supported = with_support(mark!, Generator(bend!, 2, 2))
        Sampler(refine(supported, inside(); options = options, silent...), 1)
    end
    collect_garbage()
    x = generate(sampler, 200).x
    @test x == generate(Sampler(named, 1), 200).x && all(x[2, :] .> -2.5)
    mktempdir() do folder
        path = joinpath(folder, "model.laser")
        save(path, refine(with_support(mark!, Generator(bend!, 2, 2)), inside(); options = options, silent...))
        half = attach(bend!, load(Model, path), 2, 2)
        @test fails_with(() -> log_weight(half, x), LASER_ERR_UNSUPPORTED)
        whole = attach_support(mark!, half)
        @test generate(Sampler(whole, 1), 200).x == x
        @test generate(Sampler(attach(bend!, whole, 2, 2), 1), 200).x == x
        @test log_weight(whole, [0.0 0.0; -3.0 0.0])[1] == -Inf
        @test fails_with(() -> log_weight(attach_support((inside, x) -> inside .= 2, half), x), LASER_ERR_DATA)
        @test failure(() -> log_weight(attach_support((inside, x) -> throw(Marked(12)), half), x)) == Marked(12)
        @test fails_with(() -> attach_support(mark!, named), LASER_ERR_INVALID_ARGUMENT)
    end

    rng = MersenneTwister(1)
    marked = Marked(11)
    fail = Ref(false)
    stochastic = Generator(1, 2; stochastic = true) do x, z
        fail[] && throw(marked)
        x .= z .+ 0.1 .* randn(rng, size(x))
    end
    @test (latent_dim(stochastic), event_dim(stochastic), condition_dim(stochastic)) == (1, 2, 0)
    baseline = Model(stochastic)
    @test size(generate(Sampler(baseline, 1), 10).x) == (2, 10)
    fail[] = true
    @test failure(() -> generate(Sampler(baseline, 1), 10)) === marked
    @test failure(() -> refine(stochastic, source; options = options, silent...)) === marked
    @test fails_with(() -> Generator(bend!, 0, 2), LASER_ERR_INVALID_ARGUMENT)

    given = Generator((x, z, c) -> x .= z .+ c, 2, 2; conditions = 1)
    @test condition_dim(given) == 1
    c = collect(reshape(1.0:10.0, 1, :))
    sampler = Sampler(Model(given), 1)
    x = generate_given(sampler, c).x
    @test x ≈ generate_given(seek(sampler, 0), zero(c)).x .+ c
end

@testset "conditions" begin
    # Rows: two values, then the condition that moves them.
    rng = MersenneTwister(1)
    source = Source(3) do x
        randn!(rng, x)
        x[1, :] .+= 3 .* x[3, :]
        size(x, 2)
    end
    options = toy_options("conditions" => 1)
    model = refine(train(source; options = options, silent...), source; options = options, silent...)
    @test (event_dim(model), condition_dim(model)) == (2, 1)
    c = randn(rng, 1, 100)
    sampler = Sampler(model, 1)
    x, w = generate_given(sampler, c)
    @test size(x) == (2, 100) && length(w) == 100
    rounded = generate_given(seek(sampler, 0), Float32.(c))
    @test rounded.x isa Matrix{Float32} && isapprox(rounded.x, x; atol = 1e-2)
    same, weights, logp = zeros(2, 100), zeros(100), zeros(100)
    generate_given!(same, seek(sampler, 0), c; weights = weights, logp = logp)
    @test same == x && weights == w && all(isfinite, logp)
    @test log_prob(model, vcat(x, c)) isa Vector{Float64}
    @test_throws DimensionMismatch log_prob(model, x)
    @test_throws DimensionMismatch generate_given(sampler, zeros(2, 100))
    @test_throws ArgumentError generate_given!(same, sampler, Float32.(c))
    @test fails_with(() -> generate(sampler, 10), LASER_ERR_INVALID_ARGUMENT)

    # Conditions that the training had not: a sampler says so in Julia's logging, unless it was made with another `log`.
    logger = Test.TestLogger()
    with_logger(() -> generate_given(Sampler(model, 1), c .+ 50), logger)
    @test !isempty(logger.logs) && all(record -> record.level == Logging.Warn, logger.logs)
    told = String[]
    generate_given(Sampler(model, 1; log = (level, message) -> push!(told, message)), c .+ 50)
    @test [record.message for record in logger.logs] == told
    with_logger(() -> generate_given(Sampler(model, 1; log = nothing), c .+ 50), logger)
    @test length(logger.logs) == length(told)
    again = refine(model, source; options = toy_options("refiner.method" => "matching"), silent...)
    @test sampling_method(again) == "matching"
    @test fails_with(() -> refine(model; options = options, silent...), LASER_ERR_INVALID_ARGUMENT)
end

@testset "histograms" begin
    x = [0.5 2.5 3.0 1.0 -0.1; 0.5 1.5 2.0 0.0 1.0; 9.0 9.0 9.0 9.0 9.0]
    h = append!(Histogram(3, 0, 3, 2, 0, 2), x; weights = [1.0, 2.0, 3.0, -0.5, 7.0])
    expected = [1.0 0.0; -0.5 0.0; 0.0 5.0]
    @test contents(h) == expected
    @test total(h) == (inside = 5.5, outside = 7.0)
    twice = merge!(merge!(Histogram(3, 0, 3, 2, 0, 2), h), h)
    @test contents(twice) == 2expected
    other = append!(Histogram(3, 0, 10, 2, 0, 10), view(x, 2:3, :))
    @test total(other).inside == 5
    @test fails_with(() -> merge!(h, Histogram(2, 0, 3, 3, 0, 2)), LASER_ERR_INVALID_ARGUMENT)
    @test fails_with(() -> merge!(h, h), LASER_ERR_INVALID_ARGUMENT)
    @test fails_with(() -> Histogram(3, 1, 0, 2, 0, 2), LASER_ERR_INVALID_ARGUMENT)
    @test fails_with(() -> append!(h, [0.5 0.5; 0.5 NaN]), LASER_ERR_DATA)
    @test_throws DimensionMismatch append!(h, ones(1, 5))
    @test_throws DimensionMismatch append!(h, view(x, 1:1, :))
    @test_throws DimensionMismatch append!(h, x; weights = ones(4))
    @test contents(h) == expected

    # All of p in one bin, q one half there and one half 3 bins of width 0.5 further in x and 4 in y.
    p = append!(Histogram(10, 0, 5, 10, 0, 5), reshape([0.25, 0.25], 2, 1); weights = [10.0])
    q = append!(Histogram(10, 0, 5, 10, 0, 5), [0.25 1.75; 0.25 2.25])
    divergence = log(4 / 3) / 2 + log(2 / 3) / 4 + log(2) / 4
    @test jsd(p, q).nats ≈ divergence && jsd(p, q).paper ≈ divergence / 0.25
    @test emd(p, q).units ≈ 1.25 && emd(p, q).paper ≈ 1.25 / (4.5 * sqrt(2) * 0.25)
    floor = jsd_floor(q, q; repeats = 10)
    @test floor.nats >= 0 && floor.nats_spread >= 0 && floor == jsd_floor(q, q; repeats = 10)
    @test emd_floor(q, q; repeats = 10).units_spread > 0
    @test fails_with(() -> jsd_floor(p, q; repeats = 1), LASER_ERR_INVALID_ARGUMENT)
    @test fails_with(() -> jsd(p, h), LASER_ERR_INVALID_ARGUMENT)
    @test fails_with(() -> emd(p, Histogram(10, 0, 5, 10, 0, 5)), LASER_ERR_DATA)
end

@testset "scores of samples" begin
    p = Source([0.0 1.0 2.0; 1.0 3.0 5.0])
    q = Source([3.0 4.0 5.0; 1.0 3.0 5.0])
    weighted = Source([0.0 1.0 2.0; 1.0 3.0 5.0]; weights = [1.0, 1.0, 2.0])
    collect_garbage()
    score = emd_1d(p, q, 1)
    @test score.distance ≈ 3 && score.error > 0 && score.floor > 0 && score.floor_spread > 0
    score = emd_1d(p, q, 2; repeats = 0)
    @test score.distance == 0 && isnan(score.error)
    @test emd_1d(p, weighted, 1; repeats = 0).distance ≈ 0.25
    @test kolmogorov_smirnov(p, weighted, 1).statistic ≈ 1 / 6
    @test 0 < sliced_emd(p, q; directions = 20, repeats = 10).distance < 3 / sqrt(2 / 3)
    for feature in (0, 3)
        @test_throws ArgumentError emd_1d(p, q, feature)
        @test_throws ArgumentError kolmogorov_smirnov(p, q, feature)
    end
    found = edges(p, q, "a >= 2 and b < 99"; names = "a, b")
    @test [e.inequality for e in found] == ["a >= 2", "b < 99"]
    @test found[2].beyond_reference == found[2].beyond_sample == 0 && found[2].ratio > 0 && found[2].depth > 0
    @test fails_with(() -> edges(p, q, "x0 > x7"), LASER_ERR_INVALID_ARGUMENT)
    @test fails_with(() -> emd_1d(p, toy_source(1), 1), LASER_ERR_UNSUPPORTED)
    @test fails_with(() -> sliced_emd(p, q; directions = 0), LASER_ERR_INVALID_ARGUMENT)
    @test fails_with(() -> two_sample_auc(p, q; silent...), LASER_ERR_DATA)

    options = toy_options("classifier.epochs" => 10)
    apart = two_sample_auc(Source(toy_events(1, 2000)), Source(toy_events(2, 2000) .+ 1); options = options, silent...)
    @test apart.auc > 0.8 && 0 < apart.error < 0.1
    both = two_sample_auc_by_family(Source(toy_events(1, 2000)), Source(toy_events(2, 2000) .+ 1); options = options, silent...)
    @test apart.auc in (both.network, both.trees) && 0 < both.network_error < 0.1 && 0 < both.trees_error < 0.1
    e = Marked(13)
    @test failure(() -> two_sample_auc(p, p; progress = p -> throw(e), silent...)) isa LaserError # before any update
    many = Source(toy_events(1, 2000))
    @test failure(() -> two_sample_auc(many, Source(toy_events(2, 2000)); options = options, progress = p -> throw(e), silent...)) === e

    scores, w = [0.9, 0.4, 0.4, 0.1], [1.0, 1.0, 1.0, 2.0]
    @test auc(scores, [1, 1, 0, 0]).auc ≈ 0.875
    @test auc(scores, [true, true, false, false]; weights = w).auc ≈ 11 / 12
    @test fails_with(() -> auc(scores, [1, 1, 1, 1]), LASER_ERR_DATA)
    @test_throws InexactError auc(scores, [1, 1, 0, 0.5])
    @test_throws DimensionMismatch auc(scores, [1, 0])
    @test effective_size(w) ≈ 25 / 7
    @test fails_with(() -> effective_size([1.0, -1.0]), LASER_ERR_DATA)

    # Two chains of twenty draws, a hundred apart.
    x = [100.0 * chain + (7 * draw) % 11 for d in 1:1, chain in 1:2, draw in 1:20]
    result = chain_diagnostics(x)
    @test length(result.r_hat) == 1 && result.r_hat[1] > 1.5 && result.effective_size[1] < 10
    mixed = chain_diagnostics(randn(MersenneTwister(1), 3, 4, 200))
    @test all(<(1.05), mixed.r_hat) && all(>(300), mixed.effective_size)
    @test fails_with(() -> chain_diagnostics(zeros(1, 2, 3)), LASER_ERR_INVALID_ARGUMENT)
end

@testset "finding the library" begin
    # The package in a Julia of its own, with another LASER_LIBRARY.
    function output(library)
        project = dirname(@__DIR__)
        code = "pushfirst!(LOAD_PATH, $(repr(project))); using LaserRefine; print(library_version())"
        command = addenv(`$(Base.julia_cmd()) --startup-file=no -e $code`, library)
        buffer = IOBuffer()
        ok = success(pipeline(command; stdout = buffer, stderr = buffer))
        return ok, String(take!(buffer))
    end
    addenv(command, library) = setenv(command, merge(Dict(ENV), Dict("LASER_LIBRARY" => library)))
    ok, text = output("/no/such/liblaser.so.0")
    @test !ok && occursin("LASER_LIBRARY", text) && occursin("/no/such/liblaser.so.0", text)
    ok, text = output("libm.so.6")
    @test !ok && occursin("libm.so.6 is not liblaser", text)
    ok, text = output(get(ENV, "LASER_LIBRARY", "liblaser.so.0"))
    @test ok && text == string(library_version())
end

end

@testset "unfolding" begin
    t, truth = toy_events(21, 4000), toy_events(22, 4000)
    truth[1, :] .+= 0.5
    x, data = t .+ 0.3 .* toy_events(23, 4000), truth .+ 0.3 .* toy_events(24, 4000)
    options = toy_options("classifier.steps" => 300, "classifier.lr" => 0.01, "unfold.iterations" => 2)
    flags = [i % 4 == 0 ? LASER_PAIR_GENERATED : Int32(3) for i in 1:4000]
    reweighter, w = unfold(Source(t), Source(x), Source(data), 4000; flags = flags, options = options, silent...)
    @test isapprox(sum(w), reweighter["unfolding.total"]; rtol = 1e-9) && all(w .> 0)
    @test weights(reweighter, t) .* reweighter["unfolding.factor"] == w
    @test fails_with(() -> unfold(Source(t), Source(x), Source(data), 3999; options = options, silent...), LASER_ERR_INVALID_ARGUMENT, "4000 rows")
    @test_throws DimensionMismatch unfold(Source(t), Source(x), Source(data), 4000; flags = [3], options = options, silent...)
end

@testset "reweighters" begin
    x, y = toy_events(11, 4000), toy_events(12, 4000)
    y[1, :] .+= 0.5
    options = toy_options("classifier.steps" => 300, "classifier.lr" => 0.01, "classifier.ensemble" => 2)
    reweighter = Reweighter(Source(x), Source(y); options = options, silent...)
    @test event_dim(reweighter) == 2 && condition_dim(reweighter) == 0 && feature_name(reweighter, 2) == "x1"
    @test occursin("classifier", info(reweighter)) && reweighter["weights.mean"] > 0.8
    w, log_w, spread = weights(reweighter, x), zeros(4000), zeros(4000)
    @test weights!(zeros(4000), reweighter, x; log_w = log_w, spread = spread) == w
    @test isapprox(log_w, 0.5 .* (x[1, :] .- 1.25); rtol = 0.45) && all(spread .>= 0)
    @test_throws DimensionMismatch weights(reweighter, rand(3, 50))
    mktempdir() do folder
        path = joinpath(folder, "reweighter.laser")
        save(path, reweighter)
        @test weights(load(Reweighter, path), x) == w
        @test fails_with(() -> load(Model, path), LASER_ERR_UNSUPPORTED, "this is a reweighter")
    end
    v = [i % 5 == 0 ? -1.0 : 1.0 for i in 1:4000]
    resampled = resample!(w, Source(x; weights = v); options = options, silent...)
    @test all(w .> 0) && isapprox(sum(w), sum(v); rtol = 1e-12)
    @test isapprox(resampled["resample.factor"] .* weights(resampled, x), w; rtol = 1e-9)
    @test fails_with(() -> resample!(nothing, Source(x); options = options, silent...), LASER_ERR_INVALID_ARGUMENT, "no weights")
end
