// Callables and what they throw: sources, generators, noise, progress and log.
#include "toy.hpp"

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <thread>

bool second_unit_works();

namespace {

// No standard exception, can be told from a copy by its address, and counts how many live.
struct Trouble {
    int number;
    inline static int alive = 0;
    inline static const Trouble *thrown = nullptr;
    explicit Trouble(int n) : number(n) { alive++; }
    Trouble(const Trouble &other) : number(other.number) { alive++; }
    ~Trouble() { alive--; }
};

// Throws an object and remembers where it lies.
[[noreturn]] void trouble(int number)
{
    try {
        throw Trouble(number);
    } catch (const Trouble &t) {
        Trouble::thrown = &t;
        throw;
    }
}

// The body throws the very object that a callable threw, and none is left over.
template <class Body> void rethrows(int number, Body &&body, const char *what)
{
    bool same = false;
    try {
        body();
    } catch (const Trouble &t) {
        same = &t == Trouble::thrown && t.number == number;
    }
    check_that(same, "test_callbacks.cpp", number, std::string(what) + " throws what its callable threw");
    check_that(Trouble::alive == 0, "test_callbacks.cpp", number, std::string(what) + " lets go of what was thrown");
}

void exceptions_come_back()
{
    const laser::Options options = toy_options();
    rethrows(1, [&] {
        laser::Source source(2, [](laser::Rows<double>) { trouble(1); });
        laser::Generator::train(source, options);
    }, "a source");

    laser::Source source = toy_source();
    rethrows(2, [&] {
        laser::Hooks hooks;
        hooks.on_progress([](const laser::Progress &p) {
            if (p.step() == 3)
                trouble(2);
        });
        laser::Generator::train(source, options, hooks);
    }, "progress");
    // The source is as it was.
    const laser::Generator flow = laser::Generator::train(source, options);

    rethrows(3, [&] {
        laser::Hooks hooks;
        hooks.on_log([](laser::LogLevel, std::string_view) { trouble(3); });
        laser::refine(flow, source, options, hooks);
    }, "log");

    const laser::Model model = laser::refine(flow, source, options);
    laser::Sampler sampler(model, 1);
    sampler.set_noise_callback([](laser::Span<double>) { trouble(4); });
    rethrows(4, [&] { sampler.generate(3); }, "noise");
    CHECK(sampler.tell() == 0);
    sampler.set_noise_callback(nullptr);
    CHECK(sampler.generate(3) == laser::Sampler(model, 1).generate(3));

    {
        laser::Hooks hooks;
        hooks.on_progress([](const laser::Progress &p) { trouble(p.stage() == std::string_view("sampling") ? 8 : 9); });
        sampler.set_hooks(hooks);
    }
    sampler.seek(100000);
    rethrows(8, [&] { sampler.generate(3); }, "progress of a sampler");
    CHECK(sampler.tell() == 100000);
    sampler.set_hooks({});
    CHECK(sampler.generate(3).size() == 6);
    const laser::CancelToken cancel;
    laser::Hooks stopping;
    sampler.set_hooks(stopping.set_cancel(cancel));
    cancel.trip();
    CHECK_THROWS(sampler.generate(3), laser::Cancelled, "sampling");

    const laser::Model foreign(laser::Generator::deterministic({2, 2}, [](laser::Rows<const double>, laser::Rows<double>) { trouble(5); }));
    rethrows(5, [&] { laser::Sampler(foreign, 1).generate(1); }, "a generator");

    const auto bounded = flow.with_support([](laser::Rows<const double>, laser::Span<std::int32_t>) { trouble(10); });
    rethrows(10, [&] { laser::refine(bounded, source, options); }, "a support");
}

// A callable that calls the library, whose callable throws: the exception passes both calls.
void exceptions_pass_nested_calls()
{
    const laser::Options options = toy_options();
    rethrows(6, [&] {
        laser::Source outer(2, [&](laser::Rows<double>) {
            laser::Source inner(2, [](laser::Rows<double>) { trouble(6); });
            laser::Generator::train(inner, options);
        });
        laser::Generator::train(outer, options);
    }, "a nested training");

    // One that is caught inside concerns nobody outside, and does not come back later.
    int caught = 0;
    laser::Source source(2, [&](laser::Rows<double> x) {
        try {
            laser::Source inner(2, [](laser::Rows<double>) { trouble(7); });
            laser::Generator::train(inner, options);
        } catch (const Trouble &) {
            caught++;
        }
        for (std::size_t i = 0; i < x.rows(); i++)
            x[i][0] = static_cast<double>(i % 7), x[i][1] = static_cast<double>(i % 5);
    });
    laser::Generator::train(source, options);
    CHECK(caught > 0);
    CHECK(Trouble::alive == 0);
    CHECK_THROWS(options.get<std::int64_t>("flow.block"), laser::UnknownOption, "flow.blocks");
}

// A callback of C in the same call keeps its number.
void numbers_of_c_callbacks()
{
    laser_source *source = nullptr;
    const auto stop = [](std::size_t, std::size_t, double *, double *, std::size_t *, void *) -> std::int32_t { return 42; };
    laser::detail::check(laser_source_from_callback(2, 0, stop, nullptr, &source));
    laser_generator *generator = nullptr;
    try {
        laser::detail::check(laser_generator_train(source, toy_options().handle(), nullptr, &generator));
        CHECK(false);
    } catch (const laser::CallbackError &error) {
        CHECK(error.code() == 42);
        CHECK(error.status() == LASER_ERR_CALLBACK);
    }
    laser_source_free(source);
}

void sources()
{
    const laser::Options options = toy_options();
    // Epochs of 450 events: the call that has fewer than asked for ends one.
    std::size_t given = 0, ends = 0;
    laser::Source epochs(2, [&](laser::Rows<double> x) {
        const std::size_t n = std::min(x.rows(), 450 - given);
        for (std::size_t i = 0; i < n; i++)
            x[i][0] = static_cast<double>(i % 11), x[i][1] = static_cast<double>(i % 5);
        given = n < x.rows() ? 0 : given + n;
        ends += n < x.rows();
        return n;
    });
    laser::Generator::train(epochs, toy_options().set("flow.epochs", 2).set("flow.steps", 20));
    CHECK(ends > 0);

    bool weights_seen = true;
    laser::Source weighted(2, [&](laser::Rows<double> x, laser::Span<double> w) {
        weights_seen = weights_seen && w.size() == x.rows();
        for (std::size_t i = 0; i < x.rows(); i++)
            x[i][0] = static_cast<double>(i % 7), x[i][1] = static_cast<double>(i % 5), w[i] = 0.5;
    });
    laser::Generator::train(weighted, options);
    CHECK(weights_seen);

    // More rows than there are is a mistake of the callable.
    laser::Source greedy(2, [](laser::Rows<double> x) { return x.rows() + 1; });
    CHECK_THROWS(laser::Generator::train(greedy, options), laser::DataError, "delivered");
    laser::Source negative(2, [](laser::Rows<double>) { return -1; });
    CHECK_THROWS(laser::Generator::train(negative, options), laser::InvalidArgument, "negative");
    laser::Source none(2, [](laser::Rows<double>) { return 0; });
    CHECK_THROWS(laser::Generator::train(none, options), laser::DataError, "");
    laser::Source nan(2, [](laser::Rows<double> x) {
        for (std::size_t i = 0; i < x.rows(); i++)
            x[i][0] = x[i][1] = std::nan("");
    });
    CHECK_THROWS(laser::Generator::train(nan, options), laser::DataError, "row");
    CHECK_THROWS(laser::Source(0, [](laser::Rows<double>) {}), laser::InvalidArgument, "dim");

    // A source belongs to the call that uses it.
    laser::Source *self = nullptr;
    laser::Source recursive(2, [&](laser::Rows<double>) { laser::Generator::train(*self, options); });
    self = &recursive;
    CHECK_THROWS(laser::Generator::train(recursive, options), laser::Busy, "");
}

// What is made of a callable lives as long as anything that needs it.
void callables_live_long_enough()
{
    const auto witness = std::make_shared<int>(7);
    {
        std::optional<laser::Sampler> sampler;
        {
            const auto generator = laser::Generator::deterministic({2, 3}, [witness](laser::Rows<const double> z, laser::Rows<double> x) {
                for (std::size_t i = 0; i < x.rows(); i++)
                    x[i][0] = z[i][0], x[i][1] = z[i][1], x[i][2] = *witness;
            });
            const laser::Model model(generator);
            CHECK(model.event_dim() == 3);
            sampler.emplace(model, 1);
        }
        CHECK(witness.use_count() == 2);
        CHECK(sampler->generate(10)[2] == 7.0);
    }
    CHECK(witness.use_count() == 1);

    // Callables need not be copyable.
    laser::Source source(2, [normal = std::make_unique<std::normal_distribution<double>>(), random = std::mt19937_64(1)](laser::Rows<double> x) mutable {
        for (std::size_t i = 0; i < 2 * x.rows(); i++)
            x.data()[i] = (*normal)(random);
    });
    std::size_t updates = 0;
    laser::Hooks moved_in;
    moved_in.on_progress([counter = std::unique_ptr<std::size_t, void (*)(std::size_t *)>(&updates, [](std::size_t *) {})](const laser::Progress &) { ++*counter; });
    laser::Generator::train(source, toy_options(), moved_in);
    CHECK(updates == 5);

    laser::Hooks hooks;
    hooks.on_log([witness](laser::LogLevel, std::string_view) {}).on_log([](laser::LogLevel, std::string_view) {});
    CHECK(witness.use_count() == 1);
}

// A call goes on with the callables that it began with, whatever becomes of the hooks meanwhile.
void hooks_change_while_they_run()
{
    laser::Source source = toy_source();
    const laser::Options options = toy_options();
    laser::Hooks hooks;
    // Their state is read again after the hooks have let go of them.
    int calls = 0, sums = 0, others = 0;
    hooks.on_progress([&, state = std::vector<int>(100, 1)](const laser::Progress &) {
        hooks.on_progress([&](const laser::Progress &) { others++; });
        calls += state[99];
    });
    hooks.set_allreduce(0, 1, [&, state = std::vector<int>(100, 1)](laser::Span<double>) {
        hooks.set_allreduce(0, 1, [&](laser::Span<double>) { others++; });
        sums += state[99];
    });
    const laser::Generator flow = laser::Generator::train(source, options, hooks);
    CHECK(calls == 5 && sums > 1 && others == 0);
    laser::Generator::train(source, options, hooks);
    CHECK(calls == 5 && others >= 5);

    auto passing = std::make_unique<laser::Hooks>();
    std::string first;
    passing->on_log([&, state = std::string("kept: ")](laser::LogLevel, std::string_view message) {
        passing.reset();
        first.append(state).append(message);
    });
    const laser::Model model = laser::refine(flow, source, options, *passing);
    CHECK(!passing && first.rfind("kept: ", 0) == 0 && first.size() > 6);

    // By another thread, as soon as the call is known to run.
    laser::Hooks watched;
    std::atomic<bool> running{false}, replaced{false};
    int updates = 0;
    watched.on_progress([&, state = std::vector<int>(100, 1)](const laser::Progress &) {
        running = true;
        while (!replaced)
            std::this_thread::yield();
        updates += state[99];
    });
    std::thread other([&] {
        while (!running)
            std::this_thread::yield();
        watched.on_progress([](const laser::Progress &) {});
        replaced = true;
    });
    laser::Generator::train(source, options, watched);
    other.join();
    CHECK(updates == 5);

    // A sampler keeps its hooks, and changes them only between its calls.
    laser::Sampler sampler(model, 1);
    int blocks = 0;
    laser::Hooks lent;
    lent.on_progress([&, state = std::vector<int>(100, 1)](const laser::Progress &) {
        lent.on_progress([&](const laser::Progress &) { others++; });
        CHECK_THROWS(sampler.set_hooks({}), laser::Busy, "");
        blocks += state[99];
    });
    sampler.set_hooks(lent);
    sampler.generate(10);
    CHECK(blocks > 0);
}

void generators_of_the_host()
{
    laser::Options options = toy_options();
    laser::Source source = toy_source();
    std::mt19937_64 random(3);
    std::normal_distribution<double> normal;
    const auto smear = [&](laser::Rows<const double> z, laser::Rows<double> x) {
        for (std::size_t i = 0; i < x.rows(); i++)
            for (std::size_t j = 0; j < 2; j++)
                x[i][j] = z[i][j] + 0.1 * normal(random);
    };
    const auto detector = laser::Generator::stochastic({2, 2}, smear);
    CHECK(detector.latent_dim() == 2 && detector.event_dim() == 2 && detector.condition_dim() == 0);
    const laser::Model model = laser::refine(detector, source, options);
    model.save("foreign.laser");
    const laser::Model loaded = laser::Model::load("foreign.laser");
    CHECK_THROWS(laser::Sampler(loaded, 1).generate(1), laser::Unsupported, "attach");
    CHECK_THROWS(loaded.attach({3, 2}, smear), laser::InvalidArgument, "");
    const laser::Model attached = loaded.attach({2, 2}, smear);
    CHECK(laser::Sampler(attached, 1).generate(5).size() == 10);

    // With conditions: the second latent coordinate is shifted by the condition.
    const auto shifted = laser::Generator::deterministic({2, 2, 1}, [](laser::Rows<const double> z, laser::Rows<const double> c, laser::Rows<double> x) {
        for (std::size_t i = 0; i < x.rows(); i++)
            x[i][0] = z[i][0], x[i][1] = z[i][1] + c[i][0];
    });
    const laser::Model conditional(shifted);
    CHECK(conditional.condition_dim() == 1);
    const std::vector<double> c = {10.0, -10.0};
    std::vector<double> x(4), again(4);
    laser::Sampler(conditional, 5).generate_given({c, 1}, {x, 2});
    const std::vector<double> none = {0.0, 0.0};
    laser::Sampler(conditional, 5).generate_given({none, 1}, {again, 2});
    CHECK(x[0] == again[0] && x[1] == again[1] + 10.0 && x[3] == again[3] - 10.0);
    std::vector<float> few(4);
    const std::vector<float> cf = {10.0f, -10.0f};
    laser::Sampler(conditional, 5).generate_given(laser::Rows<const float>(cf, 1), laser::Rows<float>(few, 2));
    CHECK(few[3] == static_cast<float>(x[3]));
    CHECK_THROWS(laser::Sampler(conditional, 5).generate_given({c, 2}, {x, 2}), laser::InvalidArgument, "c has 2 columns");
    CHECK_THROWS(laser::Sampler(conditional, 5).generate_given({c, 1}, {x.data(), 1, 2}), laser::InvalidArgument, "different numbers");
    CHECK_THROWS(laser::Sampler(conditional, 5).generate(2), laser::InvalidArgument, "condition");
}

// A callable says where events can be: the same as a formula.
void supports_of_the_host()
{
    const laser::Options options = toy_options();
    const auto identity = [](laser::Rows<const double> z, laser::Rows<double> x) {
        for (std::size_t i = 0; i < x.rows(); i++)
            x[i][0] = 1.0 + z[i][0], x[i][1] = -2.0 + 0.5 * z[i][1];
    };
    const auto witness = std::make_shared<int>(7);
    const auto above = [witness](laser::Rows<const double> x, laser::Span<std::int32_t> inside) {
        for (std::size_t i = 0; i < x.rows(); i++)
            inside[i] = x[i][1] > -2.5;
    };
    const auto target = [] {
        return laser::Source(2, [random = std::mt19937_64(4)](laser::Rows<double> x) mutable {
            std::normal_distribution<double> normal;
            for (std::size_t i = 0; i < x.rows(); i++)
                x[i][0] = 1.0 + normal(random), x[i][1] = -2.5 + std::fabs(normal(random)) + 1e-6;
        });
    };
    const long before = witness.use_count();
    {
        std::optional<laser::Sampler> sampler;
        laser::Source events = target(), again = target();
        {
            const auto plain = laser::Generator::deterministic({2, 2}, identity);
            const laser::Model model = laser::refine(plain.with_support(above), events, options);
            CHECK(model.feature_name(1) == "x1");
            CHECK_THROWS(model.feature_name(2), laser::InvalidArgument, "2 values");
            const laser::Model formula =
                laser::refine(plain, again, toy_options().set("support", "x1 > -2.5").set("features.names", "pt, eta"));
            CHECK(formula.feature_name(1) == "eta");
            CHECK(laser::Sampler(model, 3).generate(200) == laser::Sampler(formula, 3).generate(200));
            CHECK_THROWS(formula.attach_support(above), laser::InvalidArgument, "no callback");
            const std::vector<double> beyond = {0.0, -3.0};
            CHECK(model.log_weight({beyond, 2})[0] == -std::numeric_limits<double>::infinity());
            model.save("supported.laser");
            const laser::Model half = laser::Model::load("supported.laser").attach({2, 2}, identity);
            CHECK_THROWS(half.log_weight({beyond, 2}), laser::Unsupported, "attach it first");
            const laser::Model whole = half.attach_support(above).refine(options);
            CHECK(laser::Sampler(whole, 3).generate(200) == laser::Sampler(formula, 3).generate(200));
            const auto wrong = [](laser::Rows<const double>, laser::Span<std::int32_t> inside) { inside[0] = 3; };
            CHECK_THROWS(half.attach_support(wrong).log_weight({beyond, 2}), laser::DataError, "marked row 0 (from 0) of 1 with 3");
            sampler.emplace(whole, 3);
        }
        CHECK(witness.use_count() == before + 1);
        CHECK(sampler->generate(10).size() == 20);
    }
    CHECK(witness.use_count() == before);
}

void watching_and_stopping()
{
    const laser::Options options = toy_options();
    laser::Source source = toy_source();
    const laser::CancelToken cancel;
    std::string stages, messages;
    std::uint64_t steps = 0;
    bool sensible = true;
    laser::Hooks hooks;
    hooks.on_progress([&](const laser::Progress &p) {
        if (stages.find(p.stage()) == std::string::npos)
            stages.append(p.stage());
        steps++;
        sensible = sensible && p.epoch() >= 1 && p.epoch() <= p.epochs() && p.step() >= 1 && p.step() <= p.steps();
        (void)(p.loss() + p.validation_loss() + p.seconds_left());
    });
    hooks.on_log([&](laser::LogLevel level, std::string_view message) {
        messages.append(level == laser::LogLevel::warning ? "warning: " : "").append(message).append("\n");
    });
    hooks.set_cancel(cancel);
    const laser::Hooks moved = std::move(hooks);
    const laser::Generator flow = laser::Generator::train(source, options, moved);
    laser::refine(flow, source, options, moved);
    CHECK(stages.find("flow") != std::string::npos && stages.find("classifier") != std::string::npos);
    CHECK(steps >= 10 && sensible);
    CHECK(messages.find("warning: ") != std::string::npos);

    cancel.trip();
    CHECK(cancel.is_tripped());
    CHECK_THROWS(laser::Generator::train(source, options, moved), laser::Cancelled, "");
    cancel.reset();
    laser::Generator::train(source, options, moved);
}

} // namespace

int main()
{
    return run([] { CHECK(second_unit_works()); }, exceptions_come_back, exceptions_pass_nested_calls, numbers_of_c_callbacks, sources,
               callables_live_long_enough, hooks_change_while_they_run, generators_of_the_host, supports_of_the_host,
               watching_and_stopping);
}
