#include "drellyan.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace drellyan {

namespace {

using Pythia8::LHAParticle;
using Pythia8::Vec4;

constexpr int z_boson = 23, muon = 13, proton = 2212, quarks = 5;
constexpr double z_mass = 91.19, z_width = 2.5; // of the map to u: near the true ones, which it need not be
constexpr double rounding = 1e-11;              // of what is exact, relative to the energies
constexpr int process_number = 1, weighted_in_pb = 4;
constexpr std::uint64_t seeds = 900000000; // Pythia's random numbers have so many

double breit_wigner(double m) { return std::atan((m * m - z_mass * z_mass) / (z_mass * z_width)); }

// Where the rapidity of a pair ends.
double largest_y(double m) { return std::log(2.0 * beam_energy / m); }

void apply(Pythia8::Pythia &pythia, const std::vector<std::string> &settings)
{
    for (const std::string &setting : settings)
        if (!pythia.readString(setting))
            throw std::runtime_error("Pythia does not know the setting " + setting);
}

const std::vector<std::string> own_hard_process{
    "Beams:eCM = 13000", "WeakSingleBoson:ffbar2gmZ = on", "PhaseSpace:mHatMin = 66", "PhaseSpace:mHatMax = 116", "23:onMode = off", "23:onIfAny = 13"};

Vec4 momentum(const LHAParticle &p) { return {p.pxPart, p.pyPart, p.pzPart, p.ePart}; }

double largest(const Vec4 &p) { return std::max({std::abs(p.px()), std::abs(p.py()), std::abs(p.pz()), std::abs(p.e())}); }

// Of quarks and muons, in thirds.
int charge(int id)
{
    const int size = std::abs(id) == muon ? -3 : std::abs(id) % 2 == 0 ? 2 : -1;
    return id > 0 ? size : -size;
}

template <class List> std::string joined(const List &list, const char *separator, const char *(*text)(const typename List::value_type &))
{
    std::string all;
    for (const auto &item : list)
        all += (all.empty() ? "" : separator) + std::string(text(item));
    return all;
}

} // namespace

// --- hard events ---

std::string names()
{
    return joined(features, ",", +[](const Feature &f) { return f.name; });
}

std::string scalings()
{
    return joined(features, ",", +[](const Feature &f) { return f.scaling; });
}

std::string observable_scalings()
{
    return joined(observables, ",", +[](const Observable &o) { return o.scaling; });
}

void to_features(const HardEvent &event, double *x)
{
    const double low = breit_wigner(lightest), high = breit_wigner(heaviest);
    // Rounding must not leave the bounds.
    x[0] = std::clamp((breit_wigner(event.m) - low) / (high - low), 0.0, 1.0);
    x[1] = std::clamp(event.y / largest_y(event.m), -1.0, 1.0);
    x[2] = std::clamp(event.cos_theta, -1.0, 1.0);
    x[3] = event.parton > 0 ? event.parton - 1 : quarks - 1 - event.parton;
}

HardEvent from_features(const double *x)
{
    const double low = breit_wigner(lightest), high = breit_wigner(heaviest);
    const double m = std::sqrt(z_mass * z_mass + z_mass * z_width * std::tan(low + x[0] * (high - low)));
    const int kind = static_cast<int>(x[3]);
    return {m, x[1] * largest_y(m), x[2], kind < quarks ? kind + 1 : quarks - 1 - kind};
}

HardProcess::HardProcess(int seed) : pythia_("../share/Pythia8/xmldoc", false)
{
    apply(pythia_, own_hard_process);
    apply(pythia_, {"Print:quiet = on", "PartonLevel:all = off", "Random:setSeed = on", "Random:seed = " + std::to_string(seed)});
    if (!pythia_.init())
        throw std::runtime_error("Pythia could not be initialised");
}

void HardProcess::events(laser::Rows<double> x)
{
    for (std::size_t row = 0; row < x.rows(); row++) {
        if (!pythia_.next())
            throw std::runtime_error("Pythia failed to make a hard event");
        const Pythia8::Event &process = pythia_.process; // 3 and 4 are the partons, 5 is the resonance
        const Vec4 pair = process[5].p();
        Vec4 p;
        for (int i = 6; i < process.size(); i++)
            if (process[i].id() == muon)
                p = process[i].p();
        p.bstback(pair);
        to_features({pair.mCalc(), pair.rap(), p.pz() / p.pAbs(), process[3].id()}, x[row]);
    }
}

// --- into the shower ---

void verify(const std::vector<LHAParticle> &particles)
{
    const auto require = [](bool good, const std::string &what) {
        if (!good)
            throw std::runtime_error("no hard event: " + what);
    };
    require(particles.size() == 6, "two partons, a resonance and two muons are five particles");
    const LHAParticle &a = particles[1], &b = particles[2], &z = particles[3], &first = particles[4], &second = particles[5];
    require(a.statusPart == -1 && b.statusPart == -1 && z.statusPart == 2 && first.statusPart == 1 && second.statusPart == 1,
            "the status numbers are not -1, -1, 2, 1, 1");
    require(z.mother1Part == 1 && z.mother2Part == 2 && first.mother1Part == 3 && second.mother1Part == 3, "the mothers are others");
    require(z.idPart == z_boson && first.idPart == muon && second.idPart == -muon, "23 does not become 13 and -13");
    require(a.idPart == -b.idPart && std::abs(a.idPart) >= 1 && std::abs(a.idPart) <= quarks, "the partons are no quark and its antiquark");
    require(charge(a.idPart) + charge(b.idPart) == charge(first.idPart) + charge(second.idPart), "the charge is not conserved");

    const LHAParticle &quark = a.idPart > 0 ? a : b, &antiquark = a.idPart > 0 ? b : a;
    require(quark.col1Part > 0 && quark.col1Part == antiquark.col2Part && quark.col2Part == 0 && antiquark.col1Part == 0,
            "the colour of the quark is not that of the antiquark");
    for (const LHAParticle *p : {&z, &first, &second})
        require(p->col1Part == 0 && p->col2Part == 0, "the resonance or a muon has colour");

    const double scale = rounding * (a.ePart + b.ePart);
    require(largest(momentum(a) + momentum(b) - momentum(first) - momentum(second)) <= scale, "energy and momentum are not conserved");
    require(largest(momentum(z) - momentum(first) - momentum(second)) <= scale, "the resonance has not the momentum of its muons");
    for (std::size_t i = 1; i < particles.size(); i++) {
        const LHAParticle &p = particles[i];
        const double off = std::abs(momentum(p).m2Calc() - p.mPart * p.mPart);
        require(off <= rounding * p.ePart * p.ePart, "particle " + std::to_string(i) + " is not on its mass shell");
    }
    for (const LHAParticle *p : {&a, &b})
        require(p->mPart == 0.0 && p->pxPart == 0.0 && p->pyPart == 0.0 && p->ePart > 0.0 && p->ePart < beam_energy,
                "a parton is not massless, not along the beams, or has not less energy than its proton");
    require(a.pzPart > 0.0 && b.pzPart < 0.0, "the partons do not fly as their protons");
    require(first.mPart > 0.0 && first.mPart == second.mPart, "the muons have no mass, or two");
    require(z.mPart >= lightest * (1.0 - rounding) && z.mPart <= heaviest * (1.0 + rounding), "the mass of the pair is out of bounds");
}

HardEvents::HardEvents(Supply supply, const CrossSection &sigma, double muon_mass, Pythia8::Rndm &random)
    : LHAup(weighted_in_pb), supply_(std::move(supply)), sigma_(sigma), muon_mass_(muon_mass), random_(&random)
{
}

bool HardEvents::setInit()
{
    setBeamA(proton, beam_energy);
    setBeamB(proton, beam_energy);
    addProcess(process_number, sigma_.value, sigma_.error, sigma_.value);
    return true;
}

bool HardEvents::setEvent(int)
{
    double x[hard_dim];
    weight = supply_(number, x);
    given++;
    const HardEvent event = from_features(x);

    const double phi = 2.0 * M_PI * random_->flat();
    const double energy = 0.5 * event.m, p = std::sqrt((energy - muon_mass_) * (energy + muon_mass_));
    const double sin_theta = std::sqrt((1.0 - event.cos_theta) * (1.0 + event.cos_theta));
    const double px = p * sin_theta * std::cos(phi), py = p * sin_theta * std::sin(phi), pz = p * event.cos_theta;
    const double boost = std::exp(event.y), a = energy * boost, b = energy / boost;
    // Of the muons E + pz and E - pz, which the boost only scales: a difference of large energies would take slow muons off their mass shell.
    const double plus[2] = {(energy + pz) * boost, (energy - pz) * boost}, minus[2] = {(energy - pz) / boost, (energy + pz) / boost};
    const bool quark_first = event.parton > 0;
    constexpr int colour = 501;

    setProcess(process_number, weight * sigma_.value, event.m, 0.0, 0.0); // Pythia computes couplings that are 0, at the scale m
    addParticle(event.parton, -1, 0, 0, quark_first ? colour : 0, quark_first ? 0 : colour, 0.0, 0.0, a, a, 0.0);
    addParticle(-event.parton, -1, 0, 0, quark_first ? 0 : colour, quark_first ? colour : 0, 0.0, 0.0, -b, b, 0.0);
    addParticle(z_boson, 2, 1, 2, 0, 0, 0.0, 0.0, a - b, a + b, event.m);
    for (int k = 0; k < 2; k++) {
        const int sign = k == 0 ? 1 : -1;
        addParticle(sign * muon, 1, 3, 3, 0, 0, sign * px, sign * py, 0.5 * (plus[k] - minus[k]), 0.5 * (plus[k] + minus[k]), muon_mass_);
    }
    const double x_a = a / beam_energy, x_b = b / beam_energy;
    setIdX(event.parton, -event.parton, x_a, x_b);
    setPdf(event.parton, -event.parton, x_a, x_b, event.m, 0.0, 0.0, true); // for HepMC: what they are, not their densities
    verify(particles);
    return true;
}

// --- after the shower ---

Chain::Chain() : pythia_("../share/Pythia8/xmldoc", false) { start(own_hard_process); }

Chain::Chain(Supply supply, const CrossSection &sigma) : pythia_("../share/Pythia8/xmldoc", false)
{
    hard_ = std::make_shared<HardEvents>(std::move(supply), sigma, pythia_.particleData.m0(muon), pythia_.rndm);
    pythia_.setLHAupPtr(hard_);
    start({"Beams:frameType = 5"});
}

void Chain::start(const std::vector<std::string> &settings)
{
    apply(pythia_, settings);
    apply(pythia_, {"Print:quiet = on", "ParticleDecays:limitTau0 = on", "ParticleDecays:tau0Max = 10"});
    if (!pythia_.init())
        throw std::runtime_error("Pythia could not be initialised");
    pythia_.logger.errorReset();
}

double Chain::event(std::uint64_t number, double *x)
{
    constexpr int attempts = 100;
    pythia_.rndm.init(static_cast<int>(1 + number % (seeds - 1)));
    for (int i = 0; i < attempts; i++) {
        const std::uint64_t before = hard_ ? hard_->given : 0;
        if (hard_)
            hard_->number = number;
        const bool good = pythia_.next();
        if (hard_ && hard_->given != before + 1)
            throw std::runtime_error("Pythia took " + std::to_string(hard_->given - before) + " hard events for one");
        if (!good) {
            account_.rejected++;
            continue;
        }
        check();
        observe(x);
        account_.events++;
        return hard_ ? hard_->weight : 1.0;
    }
    throw std::runtime_error("Pythia rejected event " + std::to_string(number) + " " + std::to_string(attempts) + " times");
}

// Of the event that Pythia has made: the hard event is the one given, and momentum is conserved.
void Chain::check()
{
    Vec4 sum;
    for (int i = 0; i < pythia_.event.size(); i++)
        if (pythia_.event[i].isFinal())
            sum += pythia_.event[i].p();
    const double both = 2.0 * beam_energy;
    account_.imbalance = std::max(account_.imbalance, largest(sum - Vec4(0.0, 0.0, 0.0, both)) / both);
    if (!hard_)
        return;
    for (int i = 1; i < hard_->sizePart(); i++) { // of Pythia's record the first two lines are the protons
        const Pythia8::Particle &p = pythia_.process[i + 2];
        if (p.id() != hard_->id(i) || p.col() != hard_->col1(i) || p.acol() != hard_->col2(i))
            throw std::runtime_error("Pythia's hard process is not the event that it was given");
        account_.changed = std::max(account_.changed, largest(p.p() - momentum(hard_->particles[static_cast<std::size_t>(i)])) / hard_->e(i));
    }
}

void Chain::observe(double *x) const
{
    const Pythia8::Event &event = pythia_.event;
    int leading[2] = {0, 0}; // mu-, mu+
    int charged = 0;
    for (int i = 0; i < event.size(); i++) {
        const Pythia8::Particle &p = event[i];
        if (!p.isFinal() || !p.isCharged())
            continue;
        charged += p.pT() > 0.5 && std::abs(p.eta()) < 2.5;
        if (p.idAbs() == muon) {
            int &best = leading[p.id() < 0];
            if (best == 0 || p.pT() > event[best].pT())
                best = i;
        }
    }
    if (leading[0] == 0 || leading[1] == 0)
        throw std::runtime_error("an event has no muons of both charges");
    for (const int i : leading)
        charged -= event[i].pT() > 0.5 && std::abs(event[i].eta()) < 2.5;

    const Vec4 minus = event[leading[0]].p(), plus = event[leading[1]].p(), pair = minus + plus;
    const Vec4 &first = minus.pT() > plus.pT() ? minus : plus;
    const double acoplanarity = std::tan(0.5 * (M_PI - std::abs(Pythia8::phi(minus, plus))));
    const double along = std::tanh(0.5 * (minus.eta() - plus.eta()));
    const double m = pair.mCalc();
    x[0] = pair.pT();
    x[1] = m;
    x[2] = pair.rap();
    x[3] = first.pT();
    x[4] = std::abs(first.eta());
    x[5] = std::log10(acoplanarity * std::sqrt((1.0 - along) * (1.0 + along))); // A. Banfi et al., Eur. Phys. J. C 71 (2011) 1600
    x[6] = 2.0 * (minus.pz() * plus.e() - minus.e() * plus.pz()) / (m * std::sqrt(m * m + pair.pT2())); // Collins and Soper, z along beam A
    x[7] = charged;
}

void Chain::Account::add(const Account &other)
{
    rejected += other.rejected;
    complaints += other.complaints;
    events += other.events;
    imbalance = std::max(imbalance, other.imbalance);
    changed = std::max(changed, other.changed);
    sigma += other.sigma;
    for (const auto &[message, times] : other.messages)
        messages[message] += times;
}

Chain::Account Chain::account() const
{
    Account told = account_;
    for (const auto &[message, times] : pythia_.logger) {
        told.complaints += static_cast<std::uint64_t>(times);
        told.messages[message] = times;
    }
    told.sigma = 1e9 * pythia_.info.sigmaGen() * static_cast<double>(account_.events);
    return told;
}

} // namespace drellyan
