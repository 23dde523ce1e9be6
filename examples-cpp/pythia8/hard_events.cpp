// A test of what shower.cpp lets pass: hard events that are right do, and none of those that were damaged.
#include "drellyan.hpp"

#include <cmath>
#include <cstdio>
#include <limits>
#include <stdexcept>

namespace {

using Particles = std::vector<Pythia8::LHAParticle>;

struct Damage {
    const char *what;
    void (*apply)(Particles &);
};

constexpr double small = 1e-6; // relative

const Damage damages[] = {
    {"a muon is missing", [](Particles &p) { p.pop_back(); }},
    {"a parton has more energy", [](Particles &p) { p[1].ePart *= 1.0 + small, p[1].pzPart = p[1].ePart; }},
    {"a muon has more momentum", [](Particles &p) { p[4].pxPart += small * p[4].ePart; }},
    {"both muons have more momentum across", [](Particles &p) { p[4].pxPart += 0.1, p[5].pxPart -= 0.1; }},
    {"the muons have another mass", [](Particles &p) { p[4].mPart = p[5].mPart = 1.777; }},
    {"the resonance has another mass", [](Particles &p) { p[3].mPart *= 1.0 + small; }},
    {"the resonance has another momentum", [](Particles &p) { p[3].pzPart += 1.0; }},
    {"a parton has a mass", [](Particles &p) { p[2].mPart = 4.8; }},
    {"the partons have changed sides", [](Particles &p) { std::swap(p[1].pzPart, p[2].pzPart); }},
    {"a number is none", [](Particles &p) { p[5].pyPart = std::numeric_limits<double>::quiet_NaN(); }},
    {"the partons are of two flavours", [](Particles &p) { p[1].idPart = p[1].idPart > 0 ? 2 : -4; }},
    {"both partons are the same", [](Particles &p) { p[2].idPart = p[1].idPart; }},
    {"both muons have the same charge", [](Particles &p) { p[5].idPart = 13; }},
    {"the colours are two", [](Particles &p) { p[1].col1Part += p[1].col1Part > 0, p[1].col2Part += p[1].col2Part > 0; }},
    {"colour and anticolour have changed places", [](Particles &p) { std::swap(p[1].col1Part, p[1].col2Part), std::swap(p[2].col1Part, p[2].col2Part); }},
    {"a muon has colour", [](Particles &p) { p[4].col1Part = 501; }},
    {"a muon is not final", [](Particles &p) { p[4].statusPart = 2; }},
    {"a muon comes from a parton", [](Particles &p) { p[4].mother1Part = 1; }},
};

bool passes(const Particles &particles)
{
    try {
        drellyan::verify(particles);
        return true;
    } catch (const std::runtime_error &) {
        return false;
    }
}

// Features of hard events, and whether there can be such.
struct Case {
    double x[drellyan::hard_dim];
    bool good;
};

} // namespace

int main()
{
    constexpr double muon_mass = 0.10566;
    const Case cases[] = {{{0.5, 0.0, 0.0, 0.0}, true},    {{0.0, -0.7, -1.0, 4.0}, true}, {{1.0, 0.9, 1.0, 5.0}, true},
                          {{0.01, 0.999, 0.5, 9.0}, true}, {{0.5, 1.0, 0.0, 1.0}, false},  {{0.5, 0.0, 1.5, 1.0}, false}};
    int failed = 0, tested = 0;
    const auto expect = [&](bool good, const char *what, double parton) {
        tested++;
        if (good)
            return;
        failed++;
        std::fprintf(stderr, "parton %g: %s\n", parton, what);
    };
    for (const Case &c : cases) {
        Pythia8::Rndm random(1);
        drellyan::HardEvents hard(
            [&](std::uint64_t, double *x) {
                std::copy_n(c.x, drellyan::hard_dim, x);
                return 1.25;
            },
            {100.0, 1.0}, muon_mass, random);
        bool made = true;
        try {
            hard.setEvent();
        } catch (const std::runtime_error &) {
            made = false;
        }
        expect(made == c.good, c.good ? "a hard event was refused" : "an event that cannot be was made", c.x[3]);
        if (!made || !c.good)
            continue;
        expect(std::abs(hard.LHAup::weight() - 125.0) < 1e-12, "the weight is not 1.25 of the cross-section", c.x[3]);
        double back[drellyan::hard_dim];
        drellyan::to_features(drellyan::from_features(c.x), back);
        for (std::size_t k = 0; k < drellyan::hard_dim; k++)
            expect(std::abs(back[k] - c.x[k]) < 1e-12, "the features do not come back", c.x[3]);
        for (const Damage &damage : damages) {
            Particles particles = hard.particles;
            damage.apply(particles);
            expect(!passes(particles), damage.what, c.x[3]);
        }
    }
    std::printf("%d of %d failed\n", failed, tested);
    return failed != 0;
}
