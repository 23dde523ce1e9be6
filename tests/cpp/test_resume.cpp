// Checkpoints to go on from, and ranks that share a training: here threads that sum over each other.
#include "toy.hpp"

#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>
#include <thread>

bool second_unit_works();

namespace {

std::string bytes_of(const laser::Model &model)
{
    model.save("resume.laser");
    std::ifstream file("resume.laser", std::ios::binary);
    std::string bytes{std::istreambuf_iterator<char>(file), {}};
    CHECK(bytes.size() > 1000);
    return bytes;
}

std::string job(const laser::Options &options, const laser::Hooks &hooks)
{
    laser::Source source = toy_source();
    return bytes_of(laser::refine(laser::Generator::train(source, options, hooks), source, options, hooks));
}

void checkpoints()
{
    const laser::Options options = toy_options();
    const std::string whole = job(options, {});
    const laser::CancelToken cancel;
    std::string stage = "flow";
    laser::Hooks hooks;
    std::filesystem::remove("resume.checkpoint");
    hooks.set_cancel(cancel).set_checkpoint("resume.checkpoint").on_progress([&](const laser::Progress &p) {
        if (p.stage() == stage && p.step() == 3)
            cancel.trip();
    });
    for (const char *next : {"classifier", ""}) {
        CHECK_THROWS(job(options, hooks), laser::Cancelled, stage.c_str());
        CHECK(std::filesystem::exists("resume.checkpoint"));
        cancel.reset();
        stage = next;
    }
    CHECK_THROWS(job(toy_options().set("seed", 2), hooks), laser::InvalidArgument, "its `seed` is ");
    CHECK(job(options, hooks) == whole);
    CHECK(job(options, laser::Hooks().set_checkpoint("resume.checkpoint", 0.5, 2)) == whole);
    CHECK_THROWS(laser::Hooks().set_checkpoint("resume.checkpoint", -1.0), laser::InvalidArgument, "it must be a positive number");
    CHECK_THROWS(laser::Hooks().set_checkpoint(std::string("a\0b", 3)), laser::InvalidArgument, "NUL");
    CHECK_THROWS(job(options, laser::Hooks().set_checkpoint("resume.laser")), laser::FormatError, "checkpoint");
    std::filesystem::remove("resume.checkpoint");
}

// Sums over two threads; both wait for each other.
class Pair {
public:
    void sum(laser::Span<double> values)
    {
        std::unique_lock lock(mutex_);
        const bool first = given_.empty();
        if (first)
            given_.assign(values.begin(), values.end());
        else
            for (std::size_t i = 0; i < values.size(); i++)
                given_[i] += values[i];
        // Of two summands the order changes no bit.
        const unsigned round = round_;
        if (first) {
            changed_.wait(lock, [&] { return round_ != round; });
        } else {
            sums_ = std::move(given_);
            given_.clear();
            round_++;
            changed_.notify_all();
        }
        std::copy(sums_.begin(), sums_.end(), values.begin());
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    unsigned round_ = 0;
    std::vector<double> given_, sums_;
};

struct Trouble {};

// What every rank comes to: the events of its generator, and what its training threw. On rank 1 progress throws at `step`.
void on_two_ranks(std::uint64_t step, std::vector<double> *events, std::string *thrown)
{
    Pair pair;
    const auto rank = [&](std::size_t k) {
        laser::Hooks hooks;
        hooks.set_allreduce(k, 2, [&](laser::Span<double> values) { pair.sum(values); });
        hooks.on_progress([&](const laser::Progress &p) {
            if (k == 1 && p.step() == step)
                throw Trouble();
        });
        try {
            laser::Source source = toy_source(k + 1);
            const laser::Generator generator = laser::Generator::train(source, toy_options(), hooks);
            events[k] = laser::Sampler(laser::Model(generator), 1).generate(10);
        } catch (const Trouble &) {
            thrown[k] = "trouble";
        } catch (const laser::CallbackError &error) {
            thrown[k] = error.what();
        }
    };
    std::thread other(rank, 1);
    rank(0);
    other.join();
}

void ranks()
{
    std::vector<double> events[2];
    std::string thrown[2];
    on_two_ranks(0, events, thrown);
    CHECK(thrown[0].empty() && thrown[1].empty());
    CHECK(events[0].size() == 20 && events[0] == events[1]);
    on_two_ranks(3, events, thrown);
    CHECK(thrown[0].find("another rank has ended the call") != std::string::npos);
    CHECK(thrown[1] == "trouble");

    // What the sum throws comes back as it was.
    laser::Source source = toy_source();
    bool same = false;
    try {
        laser::Hooks hooks;
        hooks.set_allreduce(0, 1, [](laser::Span<double>) { throw Trouble(); });
        laser::Generator::train(source, toy_options(), hooks);
    } catch (const Trouble &) {
        same = true;
    }
    CHECK(same);
    CHECK_THROWS(laser::Hooks().set_allreduce(2, 2, [](laser::Span<double>) {}), laser::InvalidArgument, "rank 2 of 2");
    const auto witness = std::make_shared<int>(7);
    laser::Hooks hooks;
    hooks.set_allreduce(0, 1, [witness](laser::Span<double>) {}).set_allreduce(0, 1, [](laser::Span<double>) {});
    CHECK(witness.use_count() == 1);
}

} // namespace

int main()
{
    return run([] { CHECK(second_unit_works()); }, checkpoints, ranks);
}
