#include "zhadrons.hpp"

#include <algorithm>
#include <cmath>
#include <future>
#include <stdexcept>

namespace zhadrons {

namespace {

constexpr double energy = 91.2; // GeV
constexpr std::uint64_t seeds = 900000000; // Pythia's random numbers have so many

// E and |p| of a hemisphere of an event, and momentum across the thrust axis.
struct Hemisphere {
    Pythia8::Vec4 p;
    double across = 0.0;
};

} // namespace

std::string scalings()
{
    std::string list;
    for (const Observable &o : observables)
        list += (list.empty() ? "" : ",") + std::string(o.scaling);
    return list;
}

Generator::Generator() : pythia_("../share/Pythia8/xmldoc", false)
{
    for (const char *setting :
         {"Print:quiet = on", "Beams:idA = 11", "Beams:idB = -11", "WeakSingleBoson:ffbar2gmZ = on", "23:onMode = off",
          "23:onIfAny = 1 2 3 4 5", "PDF:lepton = off", // no initial-state radiation
          "ParticleDecays:limitTau0 = on", "ParticleDecays:tau0Max = 100"})
        if (!pythia_.readString(setting))
            throw std::runtime_error(std::string("Pythia does not know the setting ") + setting);
    pythia_.settings.parm("Beams:eCM", energy);
    set(Tune{});
}

void Generator::set(const Tune &tune)
{
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
    if (!thrust_.analyze(event) || !linear_.analyze(event) || !durham_.analyze(event, join_all, 0.0, 2) || durham_.distanceSize() == 0)
        return false;

    const Pythia8::Vec4 axis = thrust_.eventAxis(1);
    Hemisphere hemispheres[2];
    double momentum = 0.0, leading = 0.0, visible = 0.0;
    int charged = 0;
    for (int i = 0; i < event.size(); i++) {
        if (!event[i].isFinal() || !event[i].isVisible())
            continue;
        const Pythia8::Vec4 p = event[i].p();
        Hemisphere &hemisphere = hemispheres[Pythia8::dot3(p, axis) > 0.0];
        hemisphere.p += p;
        hemisphere.across += Pythia8::cross3(p, axis).pAbs();
        momentum += p.pAbs();
        visible += p.e();
        if (event[i].isCharged()) {
            charged++;
            leading = std::max(leading, p.pAbs());
        }
    }
    if (charged == 0)
        return false;

    const double l1 = linear_.eigenValue(1), l2 = linear_.eigenValue(2), l3 = linear_.eigenValue(3);
    const double broadening[2] = {hemispheres[0].across / (2.0 * momentum), hemispheres[1].across / (2.0 * momentum)};
    x[0] = 1.0 - thrust_.thrust();
    x[1] = 3.0 * (l1 * l2 + l2 * l3 + l3 * l1);
    x[2] = std::max(hemispheres[0].p.m2Calc(), hemispheres[1].p.m2Calc()) / (visible * visible);
    x[3] = broadening[0] + broadening[1];
    x[4] = std::max(broadening[0], broadening[1]);
    x[5] = std::log(visible * visible / durham_.distance(0));
    x[6] = leading / (0.5 * energy);
    x[7] = charged + 2.0 * pythia_.rndm.flat() - 1.0;
    return true;
}

Generators::Generators(unsigned threads)
{
    for (unsigned i = 0; i < std::max(1u, threads); i++)
        generators_.push_back(std::make_unique<Generator>());
}

template <class Make> void Generators::share(std::size_t rows, Make make)
{
    std::vector<std::future<void>> threads;
    for (std::size_t t = 0; t < generators_.size(); t++) {
        const std::size_t begin = rows * t / generators_.size(), end = rows * (t + 1) / generators_.size();
        threads.push_back(std::async(std::launch::async, [this, t, begin, end, &make] {
            for (std::size_t row = begin; row < end; row++)
                make(*generators_[t], row);
        }));
    }
    for (std::future<void> &thread : threads)
        thread.wait(); // all of them, before one throws what it threw
    for (std::future<void> &thread : threads)
        thread.get();
}

void Generators::events(std::uint64_t first, laser::Rows<double> x)
{
    share(x.rows(), [&](Generator &generator, std::size_t row) { generator.event(first + row, x[row]); });
}

void Generators::events(std::uint64_t first, const std::vector<Tune> &tunes, laser::Rows<double> x)
{
    share(x.rows(), [&](Generator &generator, std::size_t row) {
        generator.set(tunes[row]);
        generator.event(first + row, x[row]);
    });
}

} // namespace zhadrons
