// Events on all cores: one sampler per thread, each with its share of one stream. Event i of stream s with seed k is a function of
// (model, k, s, i) alone, so the threads together make the same set of events, to the bit, as one thread alone.
//
//     threads [MODEL [EVENTS]]        without MODEL: a small one is trained first
#include "ring.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <thread>

namespace {

// The rows of x become events `first` and on. Each thread makes a sampler of its own; the model is shared.
void generate(const laser::Model &model, std::uint64_t first, laser::Rows<double> x)
{
    constexpr std::uint64_t seed = 42, stream = 7;
    laser::Sampler sampler(model, seed, stream);
    sampler.seek(first);
    sampler.generate(x);
}

double seconds_since(std::chrono::steady_clock::time_point start)
{
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

int run(int argc, char **argv)
{
    const laser::Model model = argc > 1 ? laser::Model::load(argv[1]) : small_ring_model();
    const std::size_t events = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 100000, dim = model.event_dim();
    const std::size_t cores = std::max(1u, std::thread::hardware_concurrency());

    std::vector<double> alone(events * dim), together(events * dim);
    auto start = std::chrono::steady_clock::now();
    generate(model, 0, {alone, dim});
    const double time_alone = seconds_since(start);

    start = std::chrono::steady_clock::now();
    std::vector<std::future<void>> threads;
    for (std::size_t i = 0; i < cores; i++) {
        const std::size_t first = events * i / cores, n = events * (i + 1) / cores - first;
        const laser::Rows<double> share(together.data() + first * dim, n, dim);
        threads.push_back(std::async(std::launch::async, [&model, first, share] { generate(model, first, share); }));
    }
    for (std::future<void> &thread : threads)
        thread.get(); // throws what the thread threw
    const double time_together = seconds_since(start);

    const bool same = alone == together;
    std::printf("%zu events: one thread %.0f /s, %zu threads %.0f /s: %s\n", events, static_cast<double>(events) / time_alone, cores,
                static_cast<double>(events) / time_together, same ? "the same bits" : "DIFFERENT events");
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
