// The physics of these examples: e+e- -> gamma Z -> gamma mu+ mu- at a Higgs factory, the radiative return to the Z.
//
// Three final particles of known masses have five degrees of freedom once momentum is conserved. Those five are the features of an event,
// so every event of the model is a momentum-conserving final state.
#ifndef RADIATIVE_RETURN_HPP
#define RADIATIVE_RETURN_HPP

#include <HepMC3/FourVector.h>
#include <HepMC3/GenEvent.h>
#include <laser.hpp>

#include <random>

namespace radiative_return {

constexpr double energy = 240.0;                                        // GeV, of the collision
constexpr double electron_mass = 0.51099895e-3, muon_mass = 0.1056583755; // GeV
constexpr double lo_mass = 60.0, hi_mass = 120.0;                       // GeV, of the muon pair
constexpr double max_cosine = 0.95;                                     // of the photon, which must be seen

// Mass of the muon pair [GeV]; cosine and azimuth of the photon; cosine and azimuth of the mu- in the rest frame of the pair, about its
// direction of flight.
constexpr std::size_t dim = 5;
constexpr const char *scaling = "logit(60:120),logit(-0.95:0.95),periodic(-pi:pi),logit(-1:1),periodic(-pi:pi)";

// The host's simulator: leading-order shapes.
class Simulator {
public:
    explicit Simulator(std::uint64_t seed) : random_(seed) {}
    void operator()(laser::Rows<double> x);

private:
    double uniform(double lo, double hi) { return std::uniform_real_distribution<double>(lo, hi)(random_); }

    std::mt19937_64 random_;
};

// Four-momenta in GeV.
struct Momenta {
    HepMC3::FourVector electron, positron, photon, z, muon, antimuon;
};

Momenta momenta(const double *x);

// Adds the particles and vertices of an event with these features.
void fill(HepMC3::GenEvent &event, const double *x);

} // namespace radiative_return

#endif
