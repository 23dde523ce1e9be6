// Reads events of hepmc_write back and makes them again from the file's run information: both must agree.
//
//     hepmc_check FILE MODEL      prints what the file says and ends with 0 if all is as it was made
#include "provenance.hpp"
#include "radiative_return.hpp"

#include <HepMC3/GenParticle.h>
#include <HepMC3/GenVertex.h>
#include <HepMC3/ReaderAscii.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace {

[[noreturn]] void fail(const std::string &what) { throw std::runtime_error(what); }

constexpr double tolerance = 1e-9; // GeV; HepMC3 writes 16 digits

double distance(const HepMC3::FourVector &a, const HepMC3::FourVector &b)
{
    return std::max({std::fabs(a.px() - b.px()), std::fabs(a.py() - b.py()), std::fabs(a.pz() - b.pz()), std::fabs(a.e() - b.e())});
}

// The only particle of this kind.
HepMC3::ConstGenParticlePtr only(const HepMC3::GenEvent &event, int pdg, int status, const std::string &where)
{
    HepMC3::ConstGenParticlePtr found;
    for (const HepMC3::ConstGenParticlePtr &p : event.particles())
        if (p->pid() == pdg && p->status() == status) {
            if (found)
                fail(where + "there are two particles " + std::to_string(pdg));
            found = p;
        }
    if (!found)
        fail(where + "no particle " + std::to_string(pdg) + " of status " + std::to_string(status));
    return found;
}

void compare(const HepMC3::GenEvent &event, const double *x, double w, const std::string &where)
{
    const radiative_return::Momenta made = radiative_return::momenta(x);
    const struct {
        int pdg, status;
        const HepMC3::FourVector &p;
        double mass;
    } particles[] = {{11, 4, made.electron, radiative_return::electron_mass}, {-11, 4, made.positron, radiative_return::electron_mass},
                     {22, 1, made.photon, 0.0}, {23, 2, made.z, x[0]},
                     {13, 1, made.muon, radiative_return::muon_mass}, {-13, 1, made.antimuon, radiative_return::muon_mass}};
    if (event.particles().size() != std::size(particles) || event.vertices().size() != 2 || event.beams().size() != 2)
        fail(where + "it has " + std::to_string(event.particles().size()) + " particles and " + std::to_string(event.vertices().size()) + " vertices");
    for (const auto &particle : particles) {
        const HepMC3::ConstGenParticlePtr read = only(event, particle.pdg, particle.status, where);
        if (!(distance(read->momentum(), particle.p) < tolerance))
            fail(where + "the momentum of particle " + std::to_string(particle.pdg) + " differs from what the model makes");
        // m^2 = E^2 - p^2 loses digits where E is much larger.
        if (!(std::fabs(read->momentum().m2() - particle.mass * particle.mass) < 1e-9 * particle.p.e() * particle.p.e()))
            fail(where + "particle " + std::to_string(particle.pdg) + " is off its mass shell");
    }
    for (const HepMC3::ConstGenVertexPtr &vertex : event.vertices()) {
        HepMC3::FourVector in, out;
        for (const HepMC3::ConstGenParticlePtr &p : vertex->particles_in())
            in += p->momentum();
        for (const HepMC3::ConstGenParticlePtr &p : vertex->particles_out())
            out += p->momentum();
        if (!(distance(in, out) < tolerance))
            fail(where + "momentum is not conserved at a vertex");
    }
    if (!(std::fabs(event.weight(default_weight) - w) <= tolerance * w))
        fail(where + "its weight differs from what the model makes");
}

void check(const std::string &file, const std::string &path)
{
    constexpr std::size_t dim = radiative_return::dim;
    const laser::Model model = laser::Model::load(path);
    HepMC3::ReaderAscii reader(file);
    HepMC3::GenEvent event;
    std::unique_ptr<laser::Sampler> sampler;
    Provenance p;
    std::uint64_t events = 0;
    double total = 0.0, unrefined = 0.0;
    std::vector<double> x(dim);
    while (!reader.failed() && reader.read_event(event) && !reader.failed()) {
        if (!sampler) {
            p = provenance(*reader.run_info());
            const std::vector<std::string> &names = reader.run_info()->weight_names();
            if (names != std::vector<std::string>{default_weight, unrefined_weight})
                fail(file + ": the weights are not " + default_weight + " and " + unrefined_weight);
            if (p.model != model_checksum(path))
                fail(file + " was made by another model than " + path + ": by that with sha256 " + p.model);
            if (p.method != model.method())
                fail(file + " was made by method " + p.method + ", which is not that of the model");
            sampler = std::make_unique<laser::Sampler>(model, p.seed, p.stream);
        }
        const double w = sampler->next(x);
        const std::string where = file + ", event " + std::to_string(events) + ": ";
        if (event.event_number() != static_cast<int>(events) || event.momentum_unit() != HepMC3::Units::GEV)
            fail(where + "it has another number, or another unit than GeV");
        compare(event, x.data(), w, where);
        total += event.weight(default_weight);
        unrefined += event.weight(unrefined_weight);
        events++;
    }
    if (!sampler)
        fail(file + " cannot be read, or holds no events");
    if (events != p.events)
        fail(file + " holds " + std::to_string(events) + " events, but its run information says " + std::to_string(p.events) + ": it was cut");
    // The weights of a variation that keeps the cross section have the mean of the nominal ones.
    const double n = static_cast<double>(events);
    if (!(std::fabs(unrefined / n - 1.0) < 0.1))
        fail(file + ": the mean weight " + unrefined_weight + " is " + std::to_string(unrefined / n) + ", where 1 is right");
    std::printf("%s: liblaser %s, method %s, model %.12s...\n", file.c_str(), p.version.c_str(), p.method.c_str(), p.model.c_str());
    std::printf("mean weights: %s %.4f, %s %.4f\n", default_weight, total / n, unrefined_weight, unrefined / n);
    std::printf("%llu events, seed %llu, stream %llu: as they were made\n", static_cast<unsigned long long>(events),
                static_cast<unsigned long long>(p.seed), static_cast<unsigned long long>(p.stream));
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 3) {
        std::fprintf(stderr, "usage: hepmc_check FILE MODEL\n");
        return 2;
    }
    try {
        check(argv[1], argv[2]);
        return 0;
    } catch (const laser::Error &error) {
        std::fprintf(stderr, "%s: %s\n", error.status_name(), error.what());
    } catch (const std::exception &error) {
        std::fprintf(stderr, "%s\n", error.what());
    }
    return 1;
}
