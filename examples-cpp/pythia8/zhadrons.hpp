// The physics of these examples: e+e- -> Z -> hadrons at 91.2 GeV by Pythia 8, and the event shapes that LEP measured.
#ifndef ZHADRONS_HPP
#define ZHADRONS_HPP

#include "observables.hpp"

#include <Pythia8/Pythia.h>
#include <laser.hpp>

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

namespace zhadrons {

// What an event is described by. All final particles but neutrinos enter; hadrons with c tau above 100 mm count as final.
// The jets are the three of the Durham algorithm, x_1 and x_2 the larger energies of them. B_W lies between B_T / 2 and B_T: as a ratio it has bounds
// of its own, which a scaling keeps.
inline constexpr std::array<Observable, 8> observables{{
    {"1 - T", "thrust $1 - T$", "log(0)", 0.0, 0.4},
    {"B_T", "total broadening $B_T$", "log(0)", 0.0, 0.35},
    {"B_W/B_T", "wide over total broadening $B_W / B_T$", "logit(0.5:1)", 0.5, 1.0},
    {"ln 1/y23", "$\\ln 1/y_{23}$ (Durham)", "standardise", 1.0, 11.0},
    {"x_1", "jet energy $x_1 = 2 E_1 / E_{vis}$", "standardise", 0.65, 1.05},
    {"x_2", "jet energy $x_2 = 2 E_2 / E_{vis}$", "standardise", 0.5, 1.0},
    {"x_lead", "leading charged particle $x_p$", "logit(0:1)", 0.0, 1.0},
    {"n_ch/2", "pairs of charged particles $n_{ch}/2$", "integer(0:)", -0.5, 49.5},
}};
inline constexpr std::size_t dim = observables.size();

// A sharp edge of several observables together, which no scaling keeps, but "support" does: three jets have x_1 >= x_2 >= x_3 = 2 - x_1 - x_2.
inline constexpr const char *edge = "x_1 >= x_2 >= 2 - x_1 - x_2";
inline constexpr const char *support = "x[4] >= x[5] and x[5] >= 2 - x[4] - x[5]";
inline bool beyond_edge(const double *x) { return x[4] < x[5] || x[5] < 2.0 - x[4] - x[5]; }

inline constexpr Description described{observables.data(), dim, edge, beyond_edge};

// Values of "features.scaling" for all observables.
std::string scalings();

// The parameters of shower and fragmentation that these examples change; as they stand those of the Monash 2013 tune, Pythia's default.
struct Tune {
    double alpha_s = 0.1365; // TimeShower:alphaSvalue, at M_Z
    double a = 0.68;         // StringZ:aLund
    double b = 0.98;         // StringZ:bLund, in GeV^-2
};

// One Pythia with one tune. Event `number` has random numbers of its own: it does not depend on what came before it.
class Generator {
public:
    explicit Generator(const Tune &tune);
    // Fills the observables of an event. The charged multiplicity is even: its pairs are counted.
    void event(std::uint64_t number, double *x);

private:
    bool shapes(double *x);

    Pythia8::Pythia pythia_;
    Pythia8::Thrust thrust_;
    Pythia8::ClusterJet durham_{"Durham"};
};

// Several threads, each with Pythias of its own: an initialised Pythia keeps its tune, as another would cost it the time of a hundred events.
// Events are the same however many threads there are.
class Generators {
public:
    // One Pythia for each thread, all with one tune.
    explicit Generators(unsigned threads, const Tune &tune = {});
    // One Pythia for each tune, shared out among the threads.
    Generators(unsigned threads, const std::vector<Tune> &tunes);

    // The rows become events number `first` and on, of the first tune.
    void events(std::uint64_t first, laser::Rows<double> x);
    // The same of tune number tunes[row].
    void events(std::uint64_t first, const std::vector<std::size_t> &tunes, laser::Rows<double> x);

private:
    unsigned threads_;
    std::vector<std::unique_ptr<Generator>> generators_;
};

} // namespace zhadrons

#endif
