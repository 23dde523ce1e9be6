#include "zhadrons.hpp"

#include "threads.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace zhadrons {

namespace {

constexpr double energy = 91.2; // GeV
constexpr std::uint64_t seeds = 900000000; // Pythia's random numbers have so many

constexpr int jets = 3;

// Squared Durham distance of two jets [GeV^2].
double distance(const Pythia8::Vec4 &p, const Pythia8::Vec4 &q)
{
    const double energy = std::min(p.e(), q.e());
    return 2.0 * energy * energy * (1.0 - Pythia8::costheta(p, q));
}

} // namespace

std::string scalings()
{
    std::string list;
    for (const Observable &o : observables)
        list += (list.empty() ? "" : ",") + std::string(o.scaling);
    return list;
}

Generator::Generator(const Tune &tune) : pythia_("../share/Pythia8/xmldoc", false)
{
    for (const char *setting :
         {"Print:quiet = on", "Beams:idA = 11", "Beams:idB = -11", "WeakSingleBoson:ffbar2gmZ = on", "23:onMode = off",
          "23:onIfAny = 1 2 3 4 5", "PDF:lepton = off", // no initial-state radiation
          "ParticleDecays:limitTau0 = on", "ParticleDecays:tau0Max = 100"})
        if (!pythia_.readString(setting))
            throw std::runtime_error(std::string("Pythia does not know the setting ") + setting);
    pythia_.settings.parm("Beams:eCM", energy);
    pythia_.settings.parm("TimeShower:alphaSvalue", tune.alpha_s);
    pythia_.settings.parm("StringZ:aLund", tune.a);
    pythia_.settings.parm("StringZ:bLund", tune.b);
    if (!pythia_.init())
        throw std::runtime_error("Pythia could not be initialised");
}

void Generator::event(std::uint64_t number, double *x)
{
    constexpr int attempts = 100;
    pythia_.rndm.init(static_cast<int>(1 + number % (seeds - 1)));
    for (int i = 0; i < attempts; i++)
        if (pythia_.next() && shapes(x))
            return;
    throw std::runtime_error("Pythia failed " + std::to_string(attempts) + " times to make an event");
}

bool Generator::shapes(double *x)
{
    const Pythia8::Event &event = pythia_.event;
    constexpr double join_all = 1.0;
    if (!thrust_.analyze(event) || !durham_.analyze(event, join_all, 0.0, jets) || durham_.size() != jets)
        return false;

    const Pythia8::Vec4 axis = thrust_.eventAxis(1);
    double across[2] = {0.0, 0.0}; // of both sides, the sum of momenta across the thrust axis
    double momentum = 0.0, leading = 0.0, visible = 0.0;
    int charged = 0;
    for (int i = 0; i < event.size(); i++) {
        if (!event[i].isFinal() || !event[i].isVisible())
            continue;
        const Pythia8::Vec4 p = event[i].p();
        across[Pythia8::dot3(p, axis) > 0.0] += Pythia8::cross3(p, axis).pAbs();
        momentum += p.pAbs();
        visible += p.e();
        if (event[i].isCharged()) {
            charged++;
            leading = std::max(leading, p.pAbs());
        }
    }
    if (charged == 0)
        return false;

    // Where three jets become two.
    const double y23 = std::min({distance(durham_.p(0), durham_.p(1)), distance(durham_.p(0), durham_.p(2)), distance(durham_.p(1), durham_.p(2))});
    const double broadening[2] = {across[0] / (2.0 * momentum), across[1] / (2.0 * momentum)};
    x[0] = 1.0 - thrust_.thrust();
    x[1] = broadening[0] + broadening[1];
    x[2] = std::max(0.5, std::max(broadening[0], broadening[1]) / x[1]); // rounding must not leave the bounds
    x[3] = std::log(visible * visible / y23);
    x[4] = 2.0 * durham_.p(0).e() / visible; // jets are ordered by energy
    x[5] = 2.0 * durham_.p(1).e() / visible;
    x[6] = leading / (0.5 * energy);
    x[7] = charged / 2;
    return true;
}

Generators::Generators(unsigned threads, const Tune &tune) : Generators(threads, std::vector<Tune>(threads, tune)) {}

Generators::Generators(unsigned threads, const std::vector<Tune> &tunes) : threads_(threads), generators_(tunes.size())
{
    on_all(threads_, [&](unsigned t) {
        for (std::size_t i = t; i < tunes.size(); i += threads_)
            generators_[i] = std::make_unique<Generator>(tunes[i]);
    });
}

void Generators::events(std::uint64_t first, laser::Rows<double> x)
{
    on_all(threads_, [&](unsigned t) {
        for (std::size_t row = t; row < x.rows(); row += threads_)
            generators_[t]->event(first + row, x[row]);
    });
}

void Generators::events(std::uint64_t first, const std::vector<std::size_t> &tunes, laser::Rows<double> x)
{
    on_all(threads_, [&](unsigned t) { // thread t has the Pythias t, t + threads, ...
        for (std::size_t row = 0; row < x.rows(); row++)
            if (tunes[row] % threads_ == t)
                generators_[tunes[row]]->event(first + row, x[row]);
    });
}

} // namespace zhadrons
