#include "report.hpp"

#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <thread>

namespace report {

namespace {

constexpr double seconds_between_lines = 10.0;

double share_beyond(const Description &of, const Sample &sample)
{
    double beyond = 0.0, all = 0.0;
    for (std::size_t i = 0; i < sample.w.size(); i++) {
        all += sample.w[i];
        if (of.beyond_edge(&sample.x[i * of.dim]))
            beyond += sample.w[i];
    }
    return beyond / all;
}

} // namespace

double seconds()
{
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

laser::Hooks watch()
{
    laser::Hooks hooks;
    hooks.on_log([](laser::LogLevel level, std::string_view message) {
        std::fprintf(stderr, "  %s%.*s\n", level == laser::LogLevel::warning ? "warning: " : "", static_cast<int>(message.size()), message.data());
    });
    hooks.on_progress([next = seconds() + seconds_between_lines](const laser::Progress &p) mutable {
        if (seconds() < next)
            return;
        next = seconds() + seconds_between_lines;
        const std::string stage(p.stage());
        std::fprintf(stderr, "  %-18s %3.0f %%, loss %.4f", stage.c_str(), 100.0 * static_cast<double>(p.step()) / static_cast<double>(p.steps()),
                     p.loss());
        if (p.seconds_left() >= 0.0)
            std::fprintf(stderr, ", %.0f s left", p.seconds_left());
        std::fputc('\n', stderr);
    });
    return hooks;
}

Progress::Progress(std::string what) : what_(std::move(what)), start_(seconds()), next_(start_ + seconds_between_lines) {}

void Progress::at(std::uint64_t done)
{
    const double now = seconds();
    if (now < next_)
        return;
    next_ = now + seconds_between_lines;
    std::fprintf(stderr, "  %s: %llu events, %.0f s\n", what_.c_str(), static_cast<unsigned long long>(done), now - start_);
}

Scores score(const Description &of, const Sample &truth, const Sample &sample, const laser::Options &options, const laser::Hooks &hooks)
{
    const laser::Source p(truth.rows(), truth.w), q(sample.rows(), sample.w);
    Scores scores{};
    for (std::size_t k = 0; k < of.dim; k++) {
        scores.emd.push_back(laser::emd_1d(p, q, k));
        scores.ks.push_back(laser::kolmogorov_smirnov(p, q, k));
    }
    if (of.edge) {
        scores.beyond = share_beyond(of, sample);
        scores.beyond_truth = share_beyond(of, truth);
    }
    scores.auc = laser::two_sample_auc(p, q, options, hooks);
    return scores;
}

void print(const Description &of, const std::vector<Sample> &samples, const std::vector<Scores> &scores)
{
    std::printf("\n%-11s", "");
    for (const Sample &s : samples)
        std::printf("  %-33s", s.label.c_str());
    std::printf("  floor\n%-11s", "");
    for (std::size_t i = 0; i < samples.size(); i++)
        std::printf("  %-20s %-12s", "EMD", "KS (p)");
    std::printf("  EMD\n");
    for (std::size_t k = 0; k < of.dim; k++) {
        std::printf("%-11s", of.observables[k].name);
        for (const Scores &s : scores)
            std::printf("  %8.5f +- %7.5f  %6.4f (%4.2f)", s.emd[k].value, s.emd[k].error, s.ks[k].statistic, s.ks[k].p_value);
        std::printf("  %8.5f +- %7.5f\n", scores.back().emd[k].floor, scores.back().emd[k].floor_spread);
    }
    if (of.edge) {
        std::printf("beyond %s:", of.edge);
        for (std::size_t i = 0; i < samples.size(); i++)
            std::printf(" %s %.4f,", samples[i].label.c_str(), scores[i].beyond);
        std::printf(" Pythia %.4f\n", scores.back().beyond_truth);
    }
    std::printf("%-11s", "AUC, all");
    for (const Scores &s : scores)
        std::printf("  %8.4f +- %6.4f  %14s", s.auc.value, s.auc.error, "");
    std::printf("  %8.4f\n", 0.5);
}

Json::Json(const std::string &path) : path_(path), file_(std::fopen(path.c_str(), "w"))
{
    if (!file_)
        throw std::runtime_error(path + " cannot be written: " + std::strerror(errno));
    std::fputc('{', file_);
    closing_ = "}";
}

Json::~Json()
{
    while (!closing_.empty())
        close();
    std::fputc('\n', file_);
    if (std::fclose(file_) != 0)
        std::fprintf(stderr, "%s was not written to its end: %s\n", path_.c_str(), std::strerror(errno));
}

void Json::begin(const char *key)
{
    std::fprintf(file_, first_ ? "\n%*s" : ",\n%*s", static_cast<int>(2 * closing_.size()), "");
    first_ = false;
    if (closing_.back() == '}')
        value(nullptr, std::string(key)), std::fputs(": ", file_);
}

Json &Json::open(const char *key, char bracket)
{
    begin(key);
    std::fputc(bracket, file_);
    closing_ += bracket == '{' ? '}' : ']';
    first_ = true;
    return *this;
}

Json &Json::close()
{
    const char bracket = closing_.back();
    closing_.pop_back();
    std::fprintf(file_, "\n%*s%c", static_cast<int>(2 * closing_.size()), "", bracket);
    first_ = false;
    return *this;
}

Json &Json::value(const char *key, double number)
{
    begin(key);
    std::fprintf(file_, std::isfinite(number) ? "%.10g" : "null", number);
    return *this;
}

// A key of nullptr writes the text alone.
Json &Json::value(const char *key, const std::string &text)
{
    if (key)
        begin(key);
    std::fputc('"', file_);
    for (const char c : text)
        std::fprintf(file_, c == '"' || c == '\\' ? "\\%c" : "%c", c);
    std::fputc('"', file_);
    return *this;
}

Json &Json::values(const char *key, const std::vector<double> &numbers)
{
    begin(key);
    for (std::size_t i = 0; i < numbers.size(); i++)
        std::fprintf(file_, i == 0 ? "[%.10g" : ", %.10g", numbers[i]);
    std::fputs(numbers.empty() ? "[]" : "]", file_);
    return *this;
}

void write_scores(const Description &of, Json &json, const std::vector<Sample> &samples, const std::vector<Scores> &scores)
{
    for (std::size_t i = 0; i < samples.size(); i++) {
        const Scores &s = scores[i];
        json.open(samples[i].name.c_str(), '{').value("auc", s.auc.value).value("auc_error", s.auc.error).open("observables", '{');
        for (std::size_t k = 0; k < of.dim; k++)
            json.open(of.observables[k].name, '{')
                .value("emd", s.emd[k].value)
                .value("emd_error", s.emd[k].error)
                .value("emd_floor", s.emd[k].floor)
                .value("emd_floor_spread", s.emd[k].floor_spread)
                .value("ks", s.ks[k].statistic)
                .value("ks_p_value", s.ks[k].p_value)
                .close();
        json.close();
        if (of.edge)
            json.value("beyond", s.beyond).value("beyond_truth", s.beyond_truth);
        json.close();
    }
}

void write_histograms(const Description &of, const std::string &path, const std::vector<const Sample *> &samples)
{
    constexpr std::size_t bins = 50;
    Json json(path);
    json.open("observables", '[');
    for (std::size_t k = 0; k < of.dim; k++) {
        const auto &o = of.observables[k];
        json.open(nullptr, '{').value("name", std::string(o.name)).value("label", std::string(o.label)).value("lo", o.lo).value("hi", o.hi);
        json.open("samples", '{');
        for (const Sample *s : samples) {
            std::vector<double> sums(bins), squares(bins);
            double total = 0.0;
            for (std::size_t i = 0; i < s->w.size(); i++) {
                const double at = (s->x[i * of.dim + k] - o.lo) / (o.hi - o.lo) * static_cast<double>(bins);
                total += s->w[i];
                if (at < 0.0 || at >= static_cast<double>(bins))
                    continue;
                sums[static_cast<std::size_t>(at)] += s->w[i];
                squares[static_cast<std::size_t>(at)] += s->w[i] * s->w[i];
            }
            json.open(s->name.c_str(), '{').value("label", s->label).value("total", total).values("sums", sums).values("squares", squares).close();
        }
        json.close().close();
    }
}

Arguments arguments(int argc, char **argv)
{
    const bool quick = argc == 3 && std::strcmp(argv[2], "--quick") == 0;
    if (argc != 2 && !quick)
        throw std::runtime_error(std::string("usage: ") + argv[0] + " OUT [--quick]");
    const char *const threads = std::getenv("LASER_THREADS");
    const long wanted = threads ? std::atol(threads) : static_cast<long>(std::thread::hardware_concurrency());
    if (threads && wanted < 1)
        throw std::runtime_error(std::string("LASER_THREADS=") + threads + " is no number of threads");
    return {argv[1], quick, static_cast<unsigned>(std::max(1l, wanted))};
}

int guarded(int argc, char **argv, void (*body)(const Arguments &))
{
    std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ); // in step with stderr
    try {
        body(arguments(argc, argv));
        return 0;
    } catch (const laser::Error &error) {
        std::fprintf(stderr, "%s: %s\n", error.status_name(), error.what());
    } catch (const std::exception &error) {
        std::fprintf(stderr, "%s\n", error.what());
    }
    return 1;
}

} // namespace report
