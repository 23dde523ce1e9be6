// Trains a model of e+ e- -> gamma mu+ mu- on the example's own simulator, for write.cpp.
//
//     hepmc_train MODEL [SEED [--quick]]      about a minute; --quick, for tests: works, but has hardly learned
#include "radiative_return.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>

int main(int argc, char **argv)
{
    if (argc < 2) {
        std::fprintf(stderr, "usage: hepmc_train MODEL [SEED [--quick]]\n");
        return 2;
    }
    try {
        const std::uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1;
        laser::Options options = laser::Options::from_json(
            argc > 3 && std::strcmp(argv[3], "--quick") == 0
                ? R"({"preset": "fast", "weights.events": 20000, "validation.events": 2000,
                      "flow": {"blocks": 4, "units": 16, "epochs": 2, "steps": 60}, "classifier": {"layers": 2, "units": 16, "epochs": 2, "steps": 60}})"
                : R"({"preset": "fast"})");
        options.set("features.scaling", radiative_return::scaling).set("refiner.method", "rejection").set("seed", seed);
        laser::Hooks hooks;
        hooks.on_log([](laser::LogLevel, std::string_view message) { std::fprintf(stderr, "%.*s\n", static_cast<int>(message.size()), message.data()); });

        laser::Source source(radiative_return::dim, radiative_return::Simulator(seed));
        const auto flow = laser::Generator::train(source, options, hooks);
        laser::refine(flow, source, options, hooks).save(argv[1]);
        return 0;
    } catch (const laser::Error &error) {
        std::fprintf(stderr, "%s: %s\n", error.status_name(), error.what());
        return 1;
    }
}
