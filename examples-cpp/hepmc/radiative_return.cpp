#include "radiative_return.hpp"

#include <HepMC3/GenParticle.h>
#include <HepMC3/GenVertex.h>

#include <cmath>

namespace radiative_return {

namespace {

constexpr double pi = 3.14159265358979323846;

// p, given in the rest frame of a particle of this mass, in the frame where that particle has the momentum `frame`.
HepMC3::FourVector boosted(const HepMC3::FourVector &p, const HepMC3::FourVector &frame, double mass)
{
    const double along = (p.px() * frame.px() + p.py() * frame.py() + p.pz() * frame.pz()) / mass;
    const double by = along / (frame.e() / mass + 1.0) / mass + p.e() / mass;
    return {p.px() + by * frame.px(), p.py() + by * frame.py(), p.pz() + by * frame.pz(), p.e() * frame.e() / mass + along};
}

} // namespace

void Simulator::operator()(laser::Rows<double> x)
{
    constexpr double m_z = 91.1876, width = 2.4952, asymmetry = 0.2;
    constexpr double s = energy * energy, most = max_cosine * max_cosine;
    const double lo = std::atan((lo_mass * lo_mass - m_z * m_z) / (m_z * width)), hi = std::atan((hi_mass * hi_mass - m_z * m_z) / (m_z * width));
    const auto radiator = [&](double m2) { return (1.0 + m2 * m2 / (s * s)) / (1.0 - m2 / s); };
    for (std::size_t i = 0; i < x.rows(); i++) {
        double m2, photon, muon;
        do // a Breit-Wigner times the spectrum of the photon
            m2 = m_z * m_z + m_z * width * std::tan(uniform(lo, hi));
        while (m2 <= lo_mass * lo_mass || m2 >= hi_mass * hi_mass || radiator(m2) < uniform(0.0, radiator(hi_mass * hi_mass)));
        do // (1 + cos^2) / sin^2
            photon = uniform(-max_cosine, max_cosine);
        while ((1.0 + photon * photon) / (1.0 - photon * photon) < uniform(0.0, (1.0 + most) / (1.0 - most)));
        do // 1 + cos^2 + 2 A cos
            muon = uniform(-1.0, 1.0);
        while (1.0 + muon * muon + 2.0 * asymmetry * muon < uniform(0.0, 2.0 + 2.0 * asymmetry));
        x[i][0] = std::sqrt(m2);
        x[i][1] = photon;
        x[i][2] = uniform(-pi, pi);
        x[i][3] = muon;
        x[i][4] = uniform(-pi, pi);
    }
}

Momenta momenta(const double *x)
{
    const double m = x[0], photon_energy = (energy * energy - m * m) / (2.0 * energy);
    const double sine = std::sqrt(1.0 - x[1] * x[1]), cos_phi = std::cos(x[2]), sin_phi = std::sin(x[2]);
    const double beam = 0.5 * energy, beam_momentum = std::sqrt(beam * beam - electron_mass * electron_mass);
    Momenta p;
    p.electron = {0.0, 0.0, beam_momentum, beam};
    p.positron = {0.0, 0.0, -beam_momentum, beam};
    p.photon = {photon_energy * sine * cos_phi, photon_energy * sine * sin_phi, photon_energy * x[1], photon_energy};
    p.z = {-p.photon.px(), -p.photon.py(), -p.photon.pz(), energy - photon_energy};

    // The pair's rest frame: third axis along its flight, second across the plane of beam and flight.
    const double flight[3] = {-sine * cos_phi, -sine * sin_phi, -x[1]}, across[3] = {sin_phi, -cos_phi, 0.0};
    const double in_plane[3] = {across[1] * flight[2], -across[0] * flight[2], across[0] * flight[1] - across[1] * flight[0]};
    const double muon = std::sqrt(0.25 * m * m - muon_mass * muon_mass), muon_sine = std::sqrt(1.0 - x[3] * x[3]);
    double q[3];
    for (int k = 0; k < 3; k++)
        q[k] = muon * (muon_sine * (std::cos(x[4]) * in_plane[k] + std::sin(x[4]) * across[k]) + x[3] * flight[k]);
    p.muon = boosted({q[0], q[1], q[2], 0.5 * m}, p.z, m);
    p.antimuon = boosted({-q[0], -q[1], -q[2], 0.5 * m}, p.z, m);
    return p;
}

void fill(HepMC3::GenEvent &event, const double *x)
{
    using HepMC3::GenParticle;
    constexpr int final = 1, decayed = 2, beam = 4; // status
    const Momenta p = momenta(x);
    const auto particle = [](const HepMC3::FourVector &momentum, int pdg, int status, double mass) {
        auto made = std::make_shared<GenParticle>(momentum, pdg, status);
        made->set_generated_mass(mass);
        return made;
    };
    const auto electron = particle(p.electron, 11, beam, electron_mass), positron = particle(p.positron, -11, beam, electron_mass);
    const auto photon = particle(p.photon, 22, final, 0.0), z = particle(p.z, 23, decayed, x[0]);
    const auto hard = std::make_shared<HepMC3::GenVertex>(), decay = std::make_shared<HepMC3::GenVertex>();
    hard->add_particle_in(electron);
    hard->add_particle_in(positron);
    hard->add_particle_out(photon);
    hard->add_particle_out(z);
    decay->add_particle_in(z);
    decay->add_particle_out(particle(p.muon, 13, final, muon_mass));
    decay->add_particle_out(particle(p.antimuon, -13, final, muon_mass));
    event.add_vertex(hard);
    event.add_vertex(decay);
}

} // namespace radiative_return
