// What the programs print and write: scores of samples against Pythia's events, histograms for the plots, and where a long call stands.
#ifndef REPORT_HPP
#define REPORT_HPP

#include "observables.hpp"

#include <laser.hpp>

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace report {

// Progress and messages of the library on stderr, a line every few seconds.
laser::Hooks watch();

// The same for events that the host makes.
class Progress {
public:
    explicit Progress(std::string what);
    void at(std::uint64_t done); // how many there are by now

private:
    std::string what_;
    double start_, next_;
};

double seconds(); // since some fixed time

// Events with weights, one row of observables for each.
struct Sample {
    std::string name, label;
    std::vector<double> x, w;
    laser::Rows<const double> rows() const { return {x, x.size() / w.size()}; }
};

// A sample against Pythia's: by observable, and by a fresh classifier that sees all of them.
struct Scores {
    std::vector<laser::Distance> emd;
    std::vector<laser::KolmogorovSmirnov> ks;
    laser::Auc auc;
    double beyond, beyond_truth; // share of the weights beyond the edge, of the sample and of Pythia; 0 without one
};

Scores score(const Description &of, const Sample &truth, const Sample &sample, const laser::Options &options, const laser::Hooks &hooks);

// One row for each observable, for the edge if there is one, then the AUC; one group of columns for each sample.
void print(const Description &of, const std::vector<Sample> &samples, const std::vector<Scores> &scores);

// A JSON file, written value by value: keys in the order given.
class Json {
public:
    explicit Json(const std::string &path);
    ~Json();
    Json(const Json &) = delete;
    Json &operator=(const Json &) = delete;

    Json &open(const char *key, char bracket); // '{' or '['; the key is left out within lists
    Json &close();
    Json &value(const char *key, double number);
    Json &value(const char *key, const std::string &text);
    Json &values(const char *key, const std::vector<double> &numbers);

private:
    void begin(const char *key);

    std::string path_, closing_;
    std::FILE *file_;
    bool first_ = true;
};

// The scores, as one object for each sample.
void write_scores(const Description &of, Json &json, const std::vector<Sample> &samples, const std::vector<Scores> &scores);

// Histograms of all observables of all samples: sums of weights and of their squares.
void write_histograms(const Description &of, const std::string &path, const std::vector<const Sample *> &samples);

// What the command line says: OUT [--quick].
struct Arguments {
    std::string out;
    bool quick;
    unsigned threads; // LASER_THREADS, default all cores
};

Arguments arguments(int argc, char **argv);

// Runs the program's body; tells what it threw.
int guarded(int argc, char **argv, void (*body)(const Arguments &));

} // namespace report

#endif
