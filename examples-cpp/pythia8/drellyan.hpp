// The physics of shower.cpp: p p -> gamma*/Z -> mu- mu+ at 13 TeV by Pythia 8, its hard process apart from what follows it.
#ifndef DRELLYAN_HPP
#define DRELLYAN_HPP

#include "observables.hpp"

#include <Pythia8/Pythia.h>
#include <laser.hpp>

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace drellyan {

inline constexpr double beam_energy = 6500.0;                 // of both protons, GeV
inline constexpr double lightest = 66.0, heaviest = 116.0;    // of the muon pair, GeV

// --- hard events ---

// One parton of each proton becomes a pair of muons. There is no transverse momentum yet, and the azimuth is uniform.
struct HardEvent {
    double m;         // mass of the muon pair, GeV
    double y;         // and its rapidity
    double cos_theta; // of the mu- to the parton of beam A, which flies along +z, in the rest frame of the pair
    int parton;       // what comes from beam A: PDG number of a quark or antiquark, 1 to 5; from beam B comes its antiparticle
};

// A hard event as liblaser knows it. Mass and rapidity go by what phase space generators integrate over, so that every value within the bounds is an event
// that there can be: a Breit-Wigner is flat in u = (atan((m^2 - M^2) / M Gamma) - low) / (high - low), and v = y / ln(sqrt(s) / m) is where both partons
// have at most the energy of their protons.
struct Feature {
    const char *name, *scaling;
};
inline constexpr std::array<Feature, 4> features{
    {{"u", "logit(0:1)"}, {"v", "logit(-1:1)"}, {"cos_theta", "logit(-1:1)"}, {"parton", "category(10)"}}};
inline constexpr std::size_t hard_dim = features.size();

std::string names();    // values of "features.names"
std::string scalings(); // and of "features.scaling"

void to_features(const HardEvent &event, double *x);
HardEvent from_features(const double *x);

// Pythia's own hard events, without anything that follows.
class HardProcess {
public:
    explicit HardProcess(int seed);
    void events(laser::Rows<double> x); // the next ones, as features

    double cross_section() const { return 1e9 * pythia_.info.sigmaGen(); } // pb, estimated from the events so far
    double cross_section_error() const { return 1e9 * pythia_.info.sigmaErr(); }
    double muon_mass() { return pythia_.particleData.m0(13); }

private:
    Pythia8::Pythia pythia_;
};

// --- into the shower ---

// Throws unless this is a hard event: energy, momentum, charge and colours conserved, also by the resonance; all on their mass shells, the partons
// massless, along the beams and of less energy than their protons; the pair within the bounds. Particles as LHAup keeps them, from index 1.
void verify(const std::vector<Pythia8::LHAParticle> &particles);

// Where hard events come from: fills the features of event `number`, and returns its weight.
using Supply = std::function<double(std::uint64_t number, double *x)>;

struct CrossSection {
    double value, error; // pb
};

// Gives hard events to Pythia. The weights are positive numbers, and their mean is 1: by strategy 4 of the Les Houches accord Pythia gets them times the
// cross-section, keeps all events, and its own estimate of the cross-section is the mean. (Strategy 3 takes unit weights only; the refined events above
// w_max have larger ones. Strategy -4 is for signs as well.)
class HardEvents : public Pythia8::LHAup {
public:
    // The azimuths come from `random`.
    HardEvents(Supply supply, const CrossSection &sigma, double muon_mass, Pythia8::Rndm &random);

    bool setInit() override;
    bool setEvent(int process = 0) override;

    std::uint64_t number = 0; // of the event that Pythia gets next
    std::uint64_t given = 0;  // how many it has got
    double weight = 0.0;      // of the last one

private:
    Supply supply_;
    CrossSection sigma_;
    double muon_mass_;
    Pythia8::Rndm *random_;
};

// --- after the shower ---

// Of the hardest muons of both charges; n_ch counts the other charged particles with |eta| < 2.5 and pT > 0.5 GeV.
inline constexpr std::array<Observable, 8> observables{{
    {"pT(mumu)", "$p_T(\\mu\\mu)$ [GeV]", "log(0)", 0.0, 80.0},
    {"m(mumu)", "$m(\\mu\\mu)$ [GeV]", "standardise", 60.0, 120.0},
    {"y(mumu)", "$y(\\mu\\mu)$", "standardise", -5.0, 5.0},
    {"pT(mu1)", "leading muon $p_T$ [GeV]", "log(0)", 20.0, 100.0},
    {"abs eta(mu1)", "leading muon $|\\eta|$", "log(0)", 0.0, 6.0},
    {"lg phi*", "$\\log_{10}\\,\\phi^*_\\eta$", "standardise", -3.0, 1.0},
    {"cos CS", "$\\cos\\theta_{CS}$", "logit(-1:1)", -1.0, 1.0},
    {"n_ch", "charged particles $n_{ch}$", "integer(0:)", -0.5, 149.5},
}};
inline constexpr std::size_t dim = observables.size();
inline constexpr Description described{observables.data(), dim, nullptr, nullptr};

// Pythia's scalings for these, as "features.scaling" takes them.
std::string observable_scalings();

// One Pythia, from hard events to hadrons. Event `number` has random numbers of its own.
class Chain {
public:
    Chain();                                              // with its own hard process
    Chain(Supply supply, const CrossSection &sigma);      // with these

    // Fills the observables of an event, and returns its weight. An event that Pythia rejects is tried again, the same hard event with other random numbers.
    double event(std::uint64_t number, double *x);

    // What went wrong, and how exactly all was conserved.
    struct Account {
        std::uint64_t events = 0, rejected = 0, complaints = 0; // the last are warnings and errors since the initialisation
        std::map<std::string, int> messages;                    // and what they say, how many times
        double imbalance = 0.0;                     // largest |sum of final momenta - beams| / energy of both
        double changed = 0.0;                       // largest change of a momentum of the hard event by Pythia, over its energy
        double sigma = 0.0;                         // pb, sum over events of Pythia's estimate
        void add(const Account &other);
    };
    Account account() const;
    Pythia8::Pythia &pythia() { return pythia_; }

private:
    void start(const std::vector<std::string> &settings);
    void check();
    void observe(double *x) const;

    Pythia8::Pythia pythia_;
    std::shared_ptr<HardEvents> hard_;
    Account account_;
};

} // namespace drellyan

#endif
