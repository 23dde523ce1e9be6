// Writes refined events as HepMC3: particles with momenta in GeV, named weights, and the run information that makes them again.
//
//     hepmc_write MODEL FILE [EVENTS [SEED [STREAM]]]      MODEL: of hepmc_train
#include "provenance.hpp"
#include "radiative_return.hpp"

#include <HepMC3/WriterAscii.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace {

void write(const std::string &path, const std::string &file, std::uint64_t events, std::uint64_t seed, std::uint64_t stream)
{
    constexpr std::size_t dim = radiative_return::dim, block = 10000;
    const laser::Model model = laser::Model::load(path);
    if (model.event_dim() != dim)
        throw std::runtime_error(path + " is no model of this example, whose events have five features: make one by hepmc_train");
    const double mean = model.get("weights.mean");
    const auto run = run_info({laser::version(), model_checksum(path), model.method(), seed, stream, events});

    HepMC3::WriterAscii writer(file, run);
    if (writer.failed())
        throw std::runtime_error(file + " cannot be written");
    laser::Sampler sampler(model, seed, stream);
    for (std::uint64_t first = 0; first < events; first += block) {
        const std::size_t n = static_cast<std::size_t>(std::min<std::uint64_t>(block, events - first));
        std::vector<double> x(n * dim), w(n);
        sampler.generate({x, dim}, w);
        const std::vector<double> log_ratio = model.log_weight({x, dim});
        for (std::size_t i = 0; i < n; i++) {
            HepMC3::GenEvent event(run, HepMC3::Units::GEV, HepMC3::Units::MM);
            event.set_event_number(static_cast<int>(first + i));
            radiative_return::fill(event, &x[i * dim]);
            event.weight(default_weight) = w[i];
            event.weight(unrefined_weight) = w[i] * mean * std::exp(-log_ratio[i]);
            writer.write_event(event);
        }
    }
    writer.close();
    if (writer.failed())
        throw std::runtime_error(file + " was not written to its end: is the disk full?");
}

} // namespace

int main(int argc, char **argv)
{
    if (argc < 3) {
        std::fprintf(stderr, "usage: hepmc_write MODEL FILE [EVENTS [SEED [STREAM]]]\n");
        return 2;
    }
    const auto number = [&](int i, std::uint64_t otherwise) { return argc > i ? std::strtoull(argv[i], nullptr, 10) : otherwise; };
    try {
        write(argv[1], argv[2], number(3, 10000), number(4, 42), number(5, 0));
        return 0;
    } catch (const laser::Error &error) {
        std::fprintf(stderr, "%s: %s\n", error.status_name(), error.what());
    } catch (const std::exception &error) {
        std::fprintf(stderr, "%s\n", error.what());
    }
    return 1;
}
