// A fast stand-in for Pythia: a flow learns eight event shapes of e+e- -> Z -> hadrons from Pythia, liblaser refines it.
//
//     surrogate OUT [--quick]      a few minutes on two cores; --quick, for tests: that it works, not how well
//
// liblaser pulls events out of Pythia by a callback while it trains. Writes OUT/surrogate.laser, OUT/surrogate.json (scores and rates) and
// OUT/surrogate_histograms.json.
#include "report.hpp"
#include "zhadrons.hpp"

#include <algorithm>

namespace {

using report::Sample;
using zhadrons::dim;

// What the library calls for events: the first time each is made by Pythia; once there are enough, an epoch ends and the same come again.
class PythiaSource {
public:
    PythiaSource(zhadrons::Generators &pythia, std::uint64_t events) : pythia_(&pythia), events_(events), progress_("Pythia") {}

    std::size_t operator()(laser::Rows<double> x)
    {
        const std::size_t rows = std::min(x.rows(), events_ - next_);
        if (next_ + rows > made()) {
            const std::size_t first = made();
            kept_.resize((next_ + rows) * dim);
            pythia_->events(first, {&kept_[first * dim], next_ + rows - first, dim});
            progress_.at(made());
        }
        std::copy_n(&kept_[next_ * dim], rows * dim, x.data());
        next_ = rows < x.rows() ? 0 : next_ + rows;
        return rows;
    }

private:
    std::size_t made() const { return kept_.size() / dim; }

    zhadrons::Generators *pythia_;
    std::size_t events_, next_ = 0;
    std::vector<double> kept_;
    report::Progress progress_;
};

Sample sampled(const laser::Model &model, const char *method, const char *label, std::size_t events, double &rate)
{
    Sample s{method, label, std::vector<double>(events * dim), std::vector<double>(events)};
    laser::Options options;
    options.set("sampler.method", method);
    laser::Sampler sampler(model, 42, 0, options);
    const double start = report::seconds();
    sampler.generate({s.x, dim}, s.w);
    rate = static_cast<double>(events) / (report::seconds() - start);
    return s;
}

void run(const report::Arguments &arguments)
{
    const std::size_t trained = arguments.quick ? 4000 : 300000, scored = arguments.quick ? 3000 : 200000;
    constexpr std::uint64_t fresh = 400000000; // numbers of events that no training has seen begin here
    laser::Options options = laser::Options::from_json(
        arguments.quick ? R"({"preset": "fast", "validation.events": 1000, "weights.events": 5000,
                              "flow": {"blocks": 4, "units": 16, "epochs": 2, "batch": 500}, "classifier": {"layers": 2, "units": 16, "epochs": 2, "batch": 500}})"
                        : R"({"preset": "fast", "flow.epochs": 12, "classifier": {"layers": 3, "units": 128, "epochs": 60, "lr": 0.003, "warmup": 500}})");
    options.set("features.scaling", zhadrons::scalings()).set("support", zhadrons::support).set("refiner.method", "rejection").set("threads", arguments.threads);
    const laser::Hooks hooks = report::watch();

    std::printf("Starting %u Pythia, one for each thread\n", arguments.threads);
    zhadrons::Generators pythia(arguments.threads);

    std::printf("Training on %zu events, which liblaser pulls from Pythia\n", trained);
    const double begin = report::seconds();
    laser::Source source(dim, PythiaSource(pythia, trained));
    const auto flow = laser::Generator::train(source, options, hooks);
    std::printf("Refining\n");
    const auto model = laser::refine(flow, source, options, hooks);
    model.save(arguments.out + "/surrogate.laser");
    const double training = report::seconds() - begin;

    std::printf("Making %zu fresh events of each to compare\n", scored);
    Sample truth{"pythia", "Pythia 8", std::vector<double>(scored * dim), std::vector<double>(scored, 1.0)};
    report::Progress progress("Pythia");
    for (std::size_t first = 0; first < scored; first += 10000) {
        const std::size_t rows = std::min<std::size_t>(10000, scored - first);
        pythia.events(fresh + first, {&truth.x[first * dim], rows, dim});
        progress.at(first + rows);
    }
    zhadrons::Generators alone(1);
    const std::size_t timed = arguments.quick ? 200 : 5000;
    std::vector<double> scratch(timed * dim);
    const double start = report::seconds();
    alone.events(fresh + scored, {scratch, dim});
    const double pythia_rate = static_cast<double>(timed) / (report::seconds() - start);
    double rates[2];
    std::vector<Sample> samples;
    samples.push_back(sampled(model, "baseline", "flow", scored, rates[0]));
    samples.push_back(sampled(model, "rejection", "refined", scored, rates[1]));

    std::vector<report::Scores> scores;
    for (const Sample &s : samples) {
        std::printf("Scoring: %s\n", s.label.c_str());
        scores.push_back(report::score(zhadrons::described, truth, s, options, hooks));
    }
    report::print(zhadrons::described, samples, scores);
    std::printf("\nEvents a second on one thread: Pythia with its event shapes %.0f, flow %.0f, refined %.0f: %.0f times Pythia's\n", pythia_rate,
                rates[0], rates[1], rates[1] / pythia_rate);
    // Events of Pythia that the same threads would have made meanwhile, and while the surrogate makes as many.
    const double pays = training * arguments.threads * pythia_rate / (1.0 - pythia_rate / rates[1]);
    std::printf("Training took %.0f s on %u threads, Pythia's events included: it pays from %.1e events on\n", training, arguments.threads, pays);
    std::printf("Acceptance %.3f; weights: mean %.3f, effective fraction %.3f\n", model.get("weights.acceptance"), model.get("weights.mean"),
                model.get("weights.effective_fraction"));

    report::write_histograms(zhadrons::described, arguments.out + "/surrogate_histograms.json", {&truth, &samples[0], &samples[1]});
    report::Json json(arguments.out + "/surrogate.json");
    json.value("trained_on", static_cast<double>(trained)).value("scored_on", static_cast<double>(scored)).value("acceptance", model.get("weights.acceptance"));
    json.value("training_seconds", training).value("threads", arguments.threads).value("pays_from", pays);
    json.open("events_per_second", '{').value("pythia", pythia_rate).value("baseline", rates[0]).value("rejection", rates[1]).close();
    json.open("scores", '{');
    report::write_scores(zhadrons::described, json, samples, scores);
}

} // namespace

int main(int argc, char **argv) { return report::guarded(argc, argv, run); }
