// Refined hard events into the shower: a flow learns the hard process of p p -> gamma*/Z -> mu mu from Pythia, liblaser refines it, and Pythia showers and
// hadronises its events, one by one, through the Les Houches interface. Compared with Pythia all by itself.
//
//     shower OUT [--quick]      some ten minutes on two cores; --quick, for tests: that it works, not how well
//
// Writes OUT/shower.laser, OUT/shower.json (scores, rates, what Pythia thought of the events), OUT/shower_histograms.json and, where HepMC3 was found,
// OUT/shower.hepmc. Fails if an event that Pythia gets is none, if momentum is not conserved or the cross-section not carried, if Pythia rejects or
// complains about more events than it does of its own, and if an event made again is another.
#include "drellyan.hpp"
#include "report.hpp"
#include "threads.hpp"

#include <algorithm>
#include <cmath>

#ifdef SHOWER_HEPMC3
#include <HepMC3/WriterAscii.h>
#include <Pythia8Plugins/HepMC3.h>
#endif

namespace {

using drellyan::Chain;
using drellyan::CrossSection;
using drellyan::dim;
using drellyan::hard_dim;
using drellyan::Supply;
using report::Sample;

constexpr std::uint64_t seed = 42, stream = 0;

// Hard events of a sampler, by number. Those that follow each other come out of one batch.
Supply refined(const laser::Model &model, const char *method)
{
    laser::Options options;
    options.set("sampler.method", method);
    // A weight above 1 stands for what rejection left out of it: without that the mean is 1 / (1 - overweight_fraction).
    const double scale = std::string(method) == "rejection" ? 1.0 - model.get("weights.overweight_fraction") : 1.0;
    const auto sampler = std::make_shared<laser::Sampler>(model, seed, stream, options);
    return [sampler, scale](std::uint64_t number, double *x) {
        if (sampler->tell() != number)
            sampler->seek(number);
        return scale * sampler->next({x, hard_dim});
    };
}

// Pythia's own hard events: what the way into the shower changes, without any model.
Supply replayed(const std::vector<double> &events)
{
    return [&events](std::uint64_t number, double *x) {
        std::copy_n(&events.at(number * hard_dim), hard_dim, x);
        return 1.0;
    };
}

struct Showered {
    Sample sample;
    Chain::Account account;
    double rate = 0.0; // events a second, all threads
};

// Events 0, 1 ..., a block for each thread; make(): a Chain for it.
template <class Make> Showered showered(const char *name, const char *label, std::size_t events, unsigned threads, Make make)
{
    std::printf("Showering: %s\n", label);
    Showered made{{name, label, std::vector<double>(events * dim), std::vector<double>(events)}, {}, 0.0};
    std::vector<std::unique_ptr<Chain>> chains(threads);
    on_all(threads, [&](unsigned t) { chains[t] = make(); });
    const double start = report::seconds();
    report::Progress progress("thread 0");
    on_all(threads, [&](unsigned t) {
        const std::size_t first = events * t / threads, last = events * (t + 1) / threads;
        for (std::size_t i = first; i < last; i++) {
            made.sample.w[i] = chains[t]->event(i, &made.sample.x[i * dim]);
            if (t == 0)
                progress.at(i + 1);
        }
    });
    made.rate = static_cast<double>(events) / (report::seconds() - start);
    for (const auto &chain : chains)
        made.account.add(chain->account());
    return made;
}

double mean(const std::vector<double> &values)
{
    double sum = 0.0;
    for (const double value : values)
        sum += value;
    return sum / static_cast<double>(values.size());
}

// Throws where the events did not pass.
void check(const Showered &made, const Showered &own, const CrossSection &sigma)
{
    constexpr double conserved = 1e-4; // of the energy: Pythia's own limit (Check:epTolErr); from 1e-6 on it complains
    constexpr double unchanged = 1e-9, carried = 1e-9; // relative
    // Pythia rejects and complains about some of its own events. Of those that it is given it may reject a thousandth more, and complain about a hundredth.
    const double events = static_cast<double>(made.account.events);
    const auto allowed = [&](std::uint64_t of_own, double share) {
        return static_cast<double>(of_own) + 5.0 * std::sqrt(static_cast<double>(of_own)) + std::max(3.0, share * events);
    };
    const auto require = [&](bool good, const std::string &what) {
        if (!good)
            throw std::runtime_error(made.sample.label + ": " + what);
    };
    const Chain::Account &a = made.account;
    require(a.imbalance <= conserved, "momentum is off by " + std::to_string(a.imbalance) + " of the energy of the beams");
    require(static_cast<double>(a.rejected) <= allowed(own.account.rejected, 1e-3), "Pythia rejected " + std::to_string(a.rejected) + " events");
    require(static_cast<double>(a.complaints) <= allowed(own.account.complaints, 1e-2),
            "Pythia complained " + std::to_string(a.complaints) + " times, of its own events " + std::to_string(own.account.complaints));
    if (&made == &own)
        return;
    require(a.changed <= unchanged, "Pythia changed a momentum of a hard event by " + std::to_string(a.changed) + " of its energy");
    // A rejected event counts twice in Pythia's mean.
    require(std::abs(a.sigma / events / (sigma.value * mean(made.sample.w)) - 1.0) <= carried + static_cast<double>(a.rejected) / events,
            "Pythia's cross-section is not the mean of the weights");
}

// Events made again, by a Chain and a sampler that have seen none of those before: to the bit the same. Also written, where HepMC3 was found.
void make_again(const std::string &path, const laser::Model &model, const CrossSection &sigma, const Sample &before, std::size_t events)
{
    Chain chain(refined(model, "rejection"), sigma);
    const std::size_t first = before.w.size() / 2;
#ifdef SHOWER_HEPMC3
    const auto run = std::make_shared<HepMC3::GenRunInfo>();
    run->tools().push_back({"liblaser", laser::version(), "refined hard events, seed " + std::to_string(seed) + ", stream " + std::to_string(stream)});
    run->tools().push_back({"Pythia", std::to_string(chain.pythia().settings.parm("Pythia:versionNumber")), "shower, hadronisation, decays"});
    run->set_weight_names({"Weight"});
    HepMC3::WriterAscii writer(path, run);
    if (writer.failed())
        throw std::runtime_error(path + " cannot be written");
    HepMC3::Pythia8ToHepMC3 convert;
#endif
    for (std::size_t i = first; i < first + events; i++) {
        double x[dim];
        const double w = chain.event(i, x);
        if (w != before.w[i] || !std::equal(x, x + dim, &before.x[i * dim]))
            throw std::runtime_error("event " + std::to_string(i) + ", made again, is another");
#ifdef SHOWER_HEPMC3
        HepMC3::GenEvent event(run, HepMC3::Units::GEV, HepMC3::Units::MM);
        if (!convert.fill_next_event(chain.pythia(), &event, static_cast<int>(i)))
            throw std::runtime_error("event " + std::to_string(i) + " cannot be converted to HepMC3");
        writer.write_event(event);
        if (writer.failed())
            throw std::runtime_error(path + " cannot be written");
#endif
    }
    std::printf("Events %zu to %zu, made again alone, are the same to the bit\n", first, first + events - 1);
#ifdef SHOWER_HEPMC3
    std::printf("They are in %s\n", path.c_str());
#else
    std::printf("%s is not written: HepMC3 was not found\n", path.c_str());
#endif
}

// Hard events a second, as Pythia gets them: on one thread, momenta and checks included.
double supply_rate(Supply supply, const CrossSection &sigma, double muon_mass, std::size_t events)
{
    Pythia8::Rndm random(1);
    drellyan::HardEvents hard(std::move(supply), sigma, muon_mass, random);
    const double start = report::seconds();
    for (std::size_t i = 0; i < events; i++) {
        hard.number = i;
        hard.setEvent();
    }
    return static_cast<double>(events) / (report::seconds() - start);
}

// Whether the scores tell a difference after the shower.
void print_verdict(const Sample &sample, const report::Scores &scores)
{
    constexpr double errors = 2.0, chance = 0.01;
    std::string seen;
    for (std::size_t k = 0; k < dim; k++)
        if (scores.ks[k].p_value < chance / static_cast<double>(dim))
            seen += std::string(seen.empty() ? "" : ", ") + drellyan::observables[k].name;
    const double away = (scores.auc.value - 0.5) / scores.auc.error;
    const bool differs = away > errors || !seen.empty();
    std::printf("%s: %s after the shower: AUC %.1f errors above 0.5; KS below %.2f, shared out among all, in %s\n", sample.label.c_str(),
                differs ? "measurably different from Pythia" : "no difference found", away, chance, seen.empty() ? "none" : seen.c_str());
}

// Hard events of a sampler, many at once.
std::vector<double> hard_events(const laser::Model &model, const char *method, std::size_t events, std::vector<double> &w)
{
    laser::Options options;
    options.set("sampler.method", method);
    std::vector<double> x(events * hard_dim);
    w.resize(events);
    laser::Sampler(model, seed, stream, options).generate({x, hard_dim}, w);
    return x;
}

void run(const report::Arguments &arguments)
{
    const std::size_t trained = arguments.quick ? 4000 : 500000, scored = arguments.quick ? 400 : 20000;
    const std::size_t hard_scored = arguments.quick ? 3000 : 200000, again = arguments.quick ? 10 : 200;
    const auto parsed = [&] {
        return laser::Options::from_json(
            arguments.quick ? R"({"preset": "fast", "validation.events": 1000, "weights.events": 5000,
                                  "flow": {"blocks": 4, "units": 16, "epochs": 2, "batch": 500}, "classifier": {"layers": 2, "units": 16, "epochs": 2, "batch": 500}})"
                            : R"({"preset": "fast", "flow.epochs": 8, "classifier": {"layers": 3, "units": 64, "epochs": 30, "lr": 0.003, "warmup": 500}})");
    };
    laser::Options options = parsed(), showered_options = parsed(); // of the hard events, and of what becomes of them
    options.set("features.names", drellyan::names()).set("features.scaling", drellyan::scalings()).set("refiner.method", "rejection");
    options.set("threads", arguments.threads);
    showered_options.set("features.scaling", drellyan::observable_scalings()).set("threads", arguments.threads);
    const laser::Hooks hooks = report::watch();

    std::printf("Making %zu hard events with Pythia\n", trained);
    const double begin = report::seconds();
    drellyan::HardProcess process(1), unseen(2);
    std::vector<double> target(trained * hard_dim), fresh(hard_scored * hard_dim);
    const double start = report::seconds();
    process.events({target, hard_dim});
    const double hard_rate = static_cast<double>(trained) / (report::seconds() - start);
    const CrossSection sigma{process.cross_section(), process.cross_section_error()};
    std::printf("Cross-section %.2f +- %.2f pb\n", sigma.value, sigma.error);

    std::printf("Training, then refining\n");
    laser::Source source(laser::Rows<const double>(target, hard_dim));
    const auto flow = laser::Generator::train(source, options, hooks);
    const auto model = laser::refine(flow, source, options, hooks);
    model.save(arguments.out + "/shower.laser");
    const double training = report::seconds() - begin;

    std::printf("Scoring %zu hard events\n", hard_scored);
    unseen.events({fresh, hard_dim});
    const laser::Source fresh_source(laser::Rows<const double>(fresh, hard_dim));
    constexpr const char *methods[2] = {"baseline", "rejection"};
    laser::Auc hard_auc[2];
    double rates[2];
    for (int k = 0; k < 2; k++) {
        std::vector<double> w;
        const std::vector<double> x = hard_events(model, methods[k], hard_scored, w);
        hard_auc[k] = laser::two_sample_auc(fresh_source, laser::Source(laser::Rows<const double>(x, hard_dim), w), options, hooks);
        rates[k] = supply_rate(refined(model, methods[k]), sigma, process.muon_mass(), hard_scored);
    }
    std::printf("AUC: flow %.4f +- %.4f, refined %.4f +- %.4f\n", hard_auc[0].value, hard_auc[0].error, hard_auc[1].value, hard_auc[1].error);

    const auto given = [&](Supply supply) { return std::make_unique<Chain>(std::move(supply), sigma); };
    std::vector<Showered> made;
    made.push_back(showered("pythia", "Pythia 8", scored, arguments.threads, [] { return std::make_unique<Chain>(); }));
    made.push_back(showered("replayed", "Pythia's hard events", scored, arguments.threads, [&] { return given(replayed(fresh)); }));
    made.push_back(showered("baseline", "flow", scored, arguments.threads, [&] { return given(refined(model, "baseline")); }));
    made.push_back(showered("rejection", "refined", scored, arguments.threads, [&] { return given(refined(model, "rejection")); }));

    std::printf("\n%-22s %9s %9s  %-10s %-10s %s\n", "", "rejected", "complaints", "imbalance", "changed", "cross-section [pb]");
    for (const Showered &s : made)
        std::printf("%-22s %9llu %9llu  %-10.1e %-10.1e %.2f\n", s.sample.label.c_str(), static_cast<unsigned long long>(s.account.rejected),
                    static_cast<unsigned long long>(s.account.complaints), s.account.imbalance, s.account.changed,
                    s.account.sigma / static_cast<double>(s.account.events));
    for (const Showered &s : made)
        for (const auto &[message, times] : s.account.messages)
            std::printf("%s: %d times: %s\n", s.sample.label.c_str(), times, message.c_str());
    for (const Showered &s : made)
        check(s, made[0], sigma);
    make_again(arguments.out + "/shower.hepmc", model, sigma, made[3].sample, again);

    const Sample &truth = made[0].sample;
    std::vector<Sample> samples;
    std::vector<report::Scores> scores;
    for (std::size_t k = 1; k < made.size(); k++) {
        samples.push_back(std::move(made[k].sample));
        std::printf("Scoring: %s\n", samples.back().label.c_str());
        scores.push_back(report::score(drellyan::described, truth, samples.back(), showered_options, hooks));
    }
    report::print(drellyan::described, samples, scores);
    std::printf("\n");
    for (std::size_t k = 0; k < samples.size(); k++)
        print_verdict(samples[k], scores[k]);
    std::printf("Hard events a second on one thread: Pythia %.0f, flow %.0f, refined %.0f; showered and hadronised on %u threads: %.0f\n", hard_rate, rates[0],
                rates[1], arguments.threads, made[0].rate);
    std::printf("Training took %.0f s on %u threads, Pythia's events included. Acceptance %.3f; %.2e of the weight lies above w_max\n", training, arguments.threads,
                model.get("weights.acceptance"), model.get("weights.overweight_fraction"));

    report::write_histograms(drellyan::described, arguments.out + "/shower_histograms.json", {&truth, &samples[0], &samples[1], &samples[2]});
    report::Json json(arguments.out + "/shower.json");
    json.value("trained_on", static_cast<double>(trained)).value("scored_on", static_cast<double>(scored)).value("hard_scored_on", static_cast<double>(hard_scored));
    json.value("acceptance", model.get("weights.acceptance")).value("overweight_fraction", model.get("weights.overweight_fraction"));
    json.value("training_seconds", training).value("threads", arguments.threads);
    json.value("cross_section", sigma.value).value("cross_section_error", sigma.error);
    json.open("events_per_second", '{').value("pythia", hard_rate).value("baseline", rates[0]).value("rejection", rates[1]).value("showered", made[0].rate).close();
    json.open("hard_auc", '{');
    for (int k = 0; k < 2; k++)
        json.open(methods[k], '{').value("auc", hard_auc[k].value).value("auc_error", hard_auc[k].error).close();
    json.close().open("accounts", '{');
    const auto account = [&](const char *name, const Chain::Account &a) {
        json.open(name, '{').value("rejected", static_cast<double>(a.rejected)).value("complaints", static_cast<double>(a.complaints));
        json.value("imbalance", a.imbalance).value("cross_section", a.sigma / static_cast<double>(a.events)).close();
    };
    account(truth.name.c_str(), made[0].account);
    for (std::size_t k = 0; k < samples.size(); k++)
        account(samples[k].name.c_str(), made[k + 1].account);
    json.close().open("scores", '{');
    report::write_scores(drellyan::described, json, samples, scores);
}

} // namespace

int main(int argc, char **argv) { return report::guarded(argc, argv, run); }
