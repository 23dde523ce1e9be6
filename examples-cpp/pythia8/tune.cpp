// Pythia 8 itself as the generator, refined in the space of its parameters: from "anything that the manual allows" to the Monash 2013 tune.
//
//     tune OUT [--quick]      a few minutes on two cores; --quick, for tests: that it works, not how well
//
// The latent point z, three standard normal numbers, fixes three parameters of the event: alphaS of the final-state shower, a and b of the Lund
// fragmentation function, each evenly distributed over its whole range in Pythia. All else is hidden: parton shower, hadronisation and decays
// draw thousands of random numbers that z does not know, so w(g(z)) is no function of z, and liblaser learns one by OmniFold. The target
// is Pythia with its default tune, known by its event shapes alone. The refined latents say which parameters make such events.
//
// An initialisation of Pythia takes the time of a hundred events or more. So it is initialised once for each point of a grid of parameters, and an
// event takes one of the eight points around its own, at random, each with the probability of a linear interpolation.
//
// Writes OUT/tune.laser, OUT/tune.json (scores, parameters), OUT/tune_histograms.json and OUT/tune_parameters.json.
#include "report.hpp"
#include "zhadrons.hpp"

#include <algorithm>
#include <cmath>
#include <random>

namespace {

using report::Sample;
using zhadrons::dim;
using zhadrons::Tune;

struct Parameter {
    const char *name, *label;
    double lo, hi; // Pythia's limits
    std::size_t points;
    double Tune::*value;
};

constexpr std::array<Parameter, 3> parameters{{
    {"alphaS", "$\\alpha_s(M_Z)$ of the shower", 0.06, 0.25, 9, &Tune::alpha_s},
    {"aLund", "Lund $a$", 0.0, 2.0, 5, &Tune::a},
    {"bLund", "Lund $b$ [GeV$^{-2}$]", 0.2, 2.0, 5, &Tune::b},
}};
constexpr std::size_t latent = parameters.size();

// Where in its range z puts a parameter: from 0 to 1, evenly for standard normal z.
double position(double z) { return 0.5 * std::erfc(-z * std::sqrt(0.5)); }

double value(const Parameter &p, double z) { return p.lo + (p.hi - p.lo) * position(z); }

// All points of the grid; the last parameter changes fastest.
std::vector<Tune> grid()
{
    std::vector<Tune> tunes{Tune{}};
    for (const Parameter &p : parameters) {
        std::vector<Tune> finer;
        for (const Tune &tune : tunes)
            for (std::size_t i = 0; i < p.points; i++) {
                finer.push_back(tune);
                finer.back().*p.value = p.lo + (p.hi - p.lo) * static_cast<double>(i) / static_cast<double>(p.points - 1);
            }
        tunes = finer;
    }
    return tunes;
}

// Turns latent points into events.
class PythiaGenerator {
public:
    // `made` counts the events.
    PythiaGenerator(zhadrons::Generators &pythia, std::uint64_t first, std::uint64_t &made)
        : pythia_(&pythia), first_(first), made_(&made), progress_("Pythia")
    {
    }

    void operator()(laser::Rows<const double> z, laser::Rows<double> x)
    {
        std::vector<std::size_t> tunes(z.rows());
        for (std::size_t row = 0; row < z.rows(); row++)
            for (std::size_t k = 0; k < latent; k++) {
                const double at = position(z[row][k]) * static_cast<double>(parameters[k].points - 1);
                const double below = std::min(std::floor(at), static_cast<double>(parameters[k].points - 2));
                const bool above = uniform_(random_) < at - below;
                tunes[row] = tunes[row] * parameters[k].points + static_cast<std::size_t>(below) + above;
            }
        pythia_->events(first_ + *made_, tunes, x);
        *made_ += z.rows();
        progress_.at(*made_);
    }

private:
    zhadrons::Generators *pythia_;
    std::uint64_t first_, *made_;
    std::mt19937_64 random_{1};
    std::uniform_real_distribution<double> uniform_;
    report::Progress progress_;
};

// Numbers of events: each sample has its own.
constexpr std::uint64_t of_target = 0, of_truth = 200000000, of_generator = 400000000;

std::vector<double> pythia_events(zhadrons::Generators &pythia, std::uint64_t first, std::size_t events)
{
    constexpr std::size_t block = 10000;
    std::vector<double> x(events * dim);
    report::Progress progress("Pythia");
    for (std::size_t done = 0; done < events; done += block) {
        const std::size_t rows = std::min(block, events - done);
        pythia.events(first + done, {&x[done * dim], rows, dim});
        progress.at(done + rows);
    }
    return x;
}

struct Sampled {
    Sample events;
    std::vector<double> z;
};

Sampled sampled(const laser::Model &model, const char *method, const char *label, std::size_t events)
{
    Sampled s{{method, label, std::vector<double>(events * dim), std::vector<double>(events)}, std::vector<double>(events * latent)};
    laser::Options options;
    options.set("sampler.method", method);
    laser::Sampler sampler(model, 42, 0, options);
    sampler.generate_latent({s.events.x, dim}, {s.z, latent}, s.events.w);
    return s;
}

// Mean and standard deviation of a parameter.
std::pair<double, double> moments(const Sampled &s, std::size_t k)
{
    double sum = 0.0, squares = 0.0, total = 0.0;
    for (std::size_t i = 0; i < s.events.w.size(); i++) {
        const double w = s.events.w[i], v = value(parameters[k], s.z[i * latent + k]);
        total += w, sum += w * v, squares += w * v * v;
    }
    const double mean = sum / total;
    return {mean, std::sqrt(squares / total - mean * mean)};
}

void print_parameters(const std::vector<Sampled> &samples)
{
    std::printf("\n%-11s", "parameter");
    for (const Sampled &s : samples)
        std::printf("  %-20s", s.events.label.c_str());
    std::printf("  Monash 2013\n");
    for (std::size_t k = 0; k < latent; k++) {
        std::printf("%-11s", parameters[k].name);
        for (const Sampled &s : samples) {
            const auto [mean, width] = moments(s, k);
            std::printf("  %7.4f +- %-9.4f", mean, width);
        }
        std::printf("  %7.4f\n", Tune{}.*parameters[k].value);
    }
}

// Histograms of every parameter and of every pair of them, for the plot.
void write_parameters(const std::string &path, const std::vector<Sampled> &samples)
{
    constexpr std::size_t bins = 40;
    const auto bin = [](const Sampled &s, std::size_t i, std::size_t k) {
        return std::min(bins - 1, static_cast<std::size_t>(position(s.z[i * latent + k]) * static_cast<double>(bins)));
    };
    report::Json json(path);
    json.open("parameters", '[');
    for (const Parameter &p : parameters)
        json.open(nullptr, '{')
            .value("name", std::string(p.name))
            .value("label", std::string(p.label))
            .value("lo", p.lo)
            .value("hi", p.hi)
            .value("target", Tune{}.*p.value)
            .close();
    json.close().value("bins", static_cast<double>(bins)).open("samples", '{');
    for (const Sampled &s : samples) {
        json.open(s.events.name.c_str(), '{').value("label", s.events.label).open("marginals", '[');
        for (std::size_t k = 0; k < latent; k++) {
            std::vector<double> sums(bins);
            for (std::size_t i = 0; i < s.events.w.size(); i++)
                sums[bin(s, i, k)] += s.events.w[i];
            json.values(nullptr, sums);
        }
        json.close().open("pairs", '['); // (0, 1), (0, 2), (1, 2); the second changes fastest
        for (std::size_t k = 0; k < latent; k++)
            for (std::size_t l = k + 1; l < latent; l++) {
                std::vector<double> sums(bins * bins);
                for (std::size_t i = 0; i < s.events.w.size(); i++)
                    sums[bin(s, i, k) * bins + bin(s, i, l)] += s.events.w[i];
                json.values(nullptr, sums);
            }
        json.close().close();
    }
}

void run(const report::Arguments &arguments)
{
    const int iterations = arguments.quick ? 2 : 20;
    const std::size_t trained = arguments.quick ? 3000 : 200000, scored = arguments.quick ? 2000 : 50000;
    laser::Options options = laser::Options::from_json(
        arguments.quick ? R"({"preset": "fast", "weights.events": 2000, "pullback": {"events": 3000, "epochs": 1},
                              "classifier": {"layers": 2, "units": 16, "epochs": 1, "batch": 200}})"
                        : R"({"preset": "fast", "weights.events": 20000, "pullback.events": 200000, "classifier": {"layers": 4, "units": 64}})");
    options.set("pullback.iterations", iterations).set("features.scaling", zhadrons::scalings());
    options.set("refiner.method", "rejection").set("threads", arguments.threads);
    const laser::Hooks hooks = report::watch();

    std::printf("Target: %zu events of Pythia with the Monash 2013 tune\n", trained);
    zhadrons::Generators monash(arguments.threads);
    laser::Source target(pythia_events(monash, of_target, trained), dim);

    std::vector<Tune> tunes = grid();
    std::printf("Starting Pythia with %zu tunes\n", tunes.size());
    const double start = report::seconds();
    zhadrons::Generators pythia(arguments.threads, tunes);
    const double initialisation = (report::seconds() - start) * arguments.threads / static_cast<double>(tunes.size());
    std::printf("OmniFold\n");
    std::uint64_t made = 0;
    const auto generator = laser::Generator::stochastic({latent, dim}, PythiaGenerator(pythia, of_generator, made), options);
    const auto model = laser::refine(generator, target, options, hooks);
    model.save(arguments.out + "/tune.laser");

    std::printf("Making %zu fresh events of each to compare\n", scored);
    const Sample truth{"pythia", "Pythia 8, Monash 2013", pythia_events(monash, of_truth, scored), std::vector<double>(scored, 1.0)};
    std::vector<Sampled> sampleds;
    sampleds.push_back(sampled(model, "baseline", "all tunes alike", scored));
    const std::uint64_t before = made;
    sampleds.push_back(sampled(model, "rejection", "refined", scored));
    const double each = static_cast<double>(made - before) / static_cast<double>(scored);
    std::vector<Sample> samples;
    std::vector<report::Scores> scores;
    for (const Sampled &s : sampleds) {
        std::printf("Scoring: %s\n", s.events.label.c_str());
        samples.push_back(s.events);
        scores.push_back(report::score(zhadrons::described, truth, s.events, options, hooks));
    }
    report::print(zhadrons::described, samples, scores);
    print_parameters(sampleds);
    const double acceptance = model.get("weights.acceptance");
    std::printf("\nOf the latents %.3f are accepted; a refined event cost %.1f events of Pythia. An initialisation took %.0f ms of a thread\n",
                acceptance, each, 1000.0 * initialisation);

    report::write_histograms(zhadrons::described, arguments.out + "/tune_histograms.json", {&truth, &samples[0], &samples[1]});
    write_parameters(arguments.out + "/tune_parameters.json", sampleds);
    report::Json json(arguments.out + "/tune.json");
    json.value("trained_on", static_cast<double>(trained)).value("scored_on", static_cast<double>(scored)).value("acceptance", acceptance);
    json.value("iterations", iterations);
    json.value("pythia_events_for_each_refined", each).value("initialisation_seconds", initialisation).open("parameters", '{');
    for (std::size_t k = 0; k < latent; k++) {
        json.open(parameters[k].name, '{').value("target", Tune{}.*parameters[k].value);
        for (const Sampled &s : sampleds) {
            const auto [mean, width] = moments(s, k);
            json.open(s.events.name.c_str(), '{').value("mean", mean).value("width", width).close();
        }
        json.close();
    }
    json.close().open("scores", '{');
    report::write_scores(zhadrons::described, json, samples, scores);
}

} // namespace

int main(int argc, char **argv) { return report::guarded(argc, argv, run); }
