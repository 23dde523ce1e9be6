// liblaser in the event loop of a framework with a pool of workers, as Geant4 MT or CMSSW have it: workers take the next event as they get
// free, so which worker computes which event, and when, differs from run to run. The results do not. The model is loaded once
// and shared; each worker has a sampler of its own; and what an event gets is a function of its number alone, in one of two ways:
//
//     seek    a framework event owns a range of the sampler's stream, which begins at (its number) * (the most it can need)
//     noise   the framework's own random engine, seeded from the event's number as it demands, hands out all random numbers
//
// The callback is set anew for every event: chains and resampling, whose events depend on those before, then begin anew as well.
//
//     workers [MODEL [EVENTS]]        without MODEL: a small one is trained first
#include "ring.hpp"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <future>

namespace {

constexpr std::uint64_t run_seed = 20210600;

// The framework's part: the random engine of an event, and how many particles that event wants.
std::mt19937_64 engine_of(std::uint64_t event)
{
    std::seed_seq words{run_seed, event & 0xffffffff, event >> 32};
    return std::mt19937_64(words);
}

constexpr std::size_t most_particles = 64;

std::size_t particles_of(std::mt19937_64 &engine)
{
    return std::uniform_int_distribution<std::size_t>(1, most_particles)(engine);
}

// Results of all framework events: the weighted sum over the event's particles of every feature.
struct Results {
    std::vector<double> sums;
    std::size_t particles = 0;
};

enum class Way { seek, noise };

// One worker: takes events until there are none left.
std::size_t work(const laser::Model &model, Way way, std::atomic<std::uint64_t> &next, std::uint64_t events, std::vector<double> &sums)
{
    const std::size_t dim = model.event_dim();
    std::mt19937_64 engine;
    laser::Sampler sampler(model, run_seed);
    const auto noise = [&engine](laser::Span<double> u) {
        for (double &number : u)
            number = static_cast<double>(engine() >> 11) * 0x1p-53;
    };
    std::vector<double> x(most_particles * dim), w(most_particles);
    std::size_t done = 0;
    for (std::uint64_t event = next++; event < events; event = next++) {
        engine = engine_of(event);
        const std::size_t n = particles_of(engine);
        if (way == Way::seek)
            sampler.seek(event * most_particles);
        else
            sampler.set_noise_callback(noise);
        sampler.generate({x.data(), n, dim}, {w.data(), n});
        for (std::size_t i = 0; i < n; i++)
            for (std::size_t j = 0; j < dim; j++)
                sums[event * dim + j] += w[i] * x[i * dim + j];
        done += n;
    }
    return done;
}

Results process(const laser::Model &model, Way way, std::uint64_t events, unsigned workers)
{
    Results results{std::vector<double>(events * model.event_dim())};
    std::atomic<std::uint64_t> next = 0;
    std::vector<std::future<std::size_t>> pool;
    for (unsigned i = 0; i < workers; i++)
        pool.push_back(std::async(std::launch::async, [&] { return work(model, way, next, events, results.sums); }));
    for (std::future<std::size_t> &worker : pool)
        results.particles += worker.get(); // throws what the worker threw
    return results;
}

int run(int argc, char **argv)
{
    const laser::Model model = argc > 1 ? laser::Model::load(argv[1]) : small_ring_model();
    const std::uint64_t events = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 500;
    bool same = true;
    for (const Way way : {Way::seek, Way::noise}) {
        const Results alone = process(model, way, events, 1);
        for (const unsigned workers : {2u, 5u}) {
            const Results results = process(model, way, events, workers);
            const bool equal = results.sums == alone.sums && results.particles == alone.particles;
            std::printf("%s: %llu events, %zu particles, %u workers: %s\n", way == Way::seek ? "seek" : "noise",
                        static_cast<unsigned long long>(events), results.particles, workers, equal ? "the same bits as one" : "DIFFERENT");
            same = same && equal;
        }
    }
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
