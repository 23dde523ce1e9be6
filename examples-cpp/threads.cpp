// Events on all cores: one sampler per thread, each with its share of one stream. Event i of stream s with seed k is a function of
// (model, k, s, i) alone, so the threads together make the same set of events, to the bit, as one thread alone.
//
//     threads [MODEL [EVENTS]]        without MODEL: a small flow is trained first
#include <laser.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

void check(laser_status status)
{
    if (status == LASER_OK)
        return;
    char message[512];
    laser_last_error(message, sizeof message, nullptr);
    throw std::runtime_error(std::string(laser_status_name(status)) + ": " + message);
}

struct Free {
    void operator()(laser_model *model) const { laser_model_free(model); }
    void operator()(laser_sampler *sampler) const { laser_sampler_free(sampler); }
    void operator()(laser_source *source) const { laser_source_free(source); }
    void operator()(laser_options *options) const { laser_options_free(options); }
    void operator()(laser_generator *generator) const { laser_generator_free(generator); }
};
template <class Handle> using Owned = std::unique_ptr<Handle, Free>;

Owned<laser_model> load(const char *path)
{
    laser_model *model = nullptr;
    check(laser_model_load(path, nullptr, &model));
    return Owned<laser_model>(model);
}

// Events on a ring, and a flow that has hardly begun to learn them.
Owned<laser_model> train()
{
    constexpr std::size_t events = 20000;
    std::mt19937_64 random(1);
    std::normal_distribution<double> radius(3.0, 0.2);
    std::uniform_real_distribution<double> angle(0.0, 6.283185307179586);
    std::vector<double> x(2 * events);
    for (std::size_t i = 0; i < events; i++) {
        const double r = radius(random), phi = angle(random);
        x[2 * i] = r * std::cos(phi);
        x[2 * i + 1] = r * std::sin(phi);
    }
    laser_options *options = nullptr;
    check(laser_options_from_json(R"({"flow": {"blocks": 4, "units": 16, "epochs": 1, "steps": 20}})", &options));
    const Owned<laser_options> owned_options(options);
    laser_source *source = nullptr;
    check(laser_source_from_array(x.data(), nullptr, events, 2, 2, &source));
    const Owned<laser_source> owned_source(source);
    laser_generator *generator = nullptr;
    check(laser_generator_train(source, options, nullptr, &generator));
    const Owned<laser_generator> owned_generator(generator);
    laser_model *model = nullptr;
    check(laser_model_from_generator(generator, &model));
    return Owned<laser_model>(model);
}

// Events first to first + n of the stream. Each thread makes a sampler of its own; the model is shared.
void generate(const laser_model *model, std::uint64_t first, std::size_t n, double *x)
{
    constexpr std::uint64_t seed = 42, stream = 7;
    laser_sampler *made = nullptr;
    check(laser_sampler_new(model, seed, stream, nullptr, &made));
    const Owned<laser_sampler> sampler(made);
    check(laser_sampler_seek(sampler.get(), first));
    check(laser_sampler_generate(sampler.get(), n, 0, x, nullptr, nullptr));
}

double seconds_since(std::chrono::steady_clock::time_point start)
{
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

int run(int argc, char **argv)
{
    const Owned<laser_model> model = argc > 1 ? load(argv[1]) : train();
    const std::size_t events = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 100000;
    const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
    std::size_t dim = 0;
    check(laser_model_event_dim(model.get(), &dim));

    std::vector<double> alone(events * dim), together(events * dim);
    auto start = std::chrono::steady_clock::now();
    generate(model.get(), 0, events, alone.data());
    const double time_alone = seconds_since(start);

    start = std::chrono::steady_clock::now();
    std::vector<std::thread> threads;
    std::vector<std::string> errors(cores);
    for (unsigned i = 0; i < cores; i++) {
        const std::size_t first = events * i / cores, n = events * (i + 1) / cores - first;
        threads.emplace_back([&, i, first, n] {
            try {
                generate(model.get(), first, n, together.data() + first * dim);
            } catch (const std::exception &error) {
                errors[i] = error.what();
            }
        });
    }
    for (std::thread &thread : threads)
        thread.join();
    const double time_together = seconds_since(start);
    for (const std::string &error : errors)
        if (!error.empty())
            throw std::runtime_error(error);

    const bool same = std::memcmp(alone.data(), together.data(), events * dim * sizeof(double)) == 0;
    std::printf("%zu events: one thread %.0f /s, %u threads %.0f /s: %s\n", events, events / time_alone, cores, events / time_together,
                same ? "the same bits" : "DIFFERENT events");
    return same ? 0 : 1;
}

} // namespace

int main(int argc, char **argv)
{
    try {
        return run(argc, argv);
    } catch (const std::exception &error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
