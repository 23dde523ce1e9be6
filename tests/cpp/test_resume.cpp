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

struct Trouble {};

template <class Body> bool throws_trouble(Body &&body)
{
    try {
        body();
        return false;
    } catch (const Trouble &) {
        return true;
    }
}

// A simulator whose events are functions of their numbers: any can be made again.
struct Simulator {
    std::uint64_t next = 0, made = 0;

    void fill(laser::Rows<double> x)
    {
        std::normal_distribution<double> normal;
        for (std::size_t i = 0; i < x.rows(); i++) {
            std::mt19937_64 random(next++);
            x[i][0] = 1.0 + normal(random);
            x[i][1] = -2.0 + 0.5 * normal(random);
            normal.reset();
        }
        made += x.rows();
    }
};

void positions()
{
    // More updates than the events that are made before the first of them, to measure by, are enough for.
    laser::Options options = toy_options();
    options.set("flow.steps", 800);
    const auto made = [&](const laser::Hooks &hooks, bool tells, std::string *bytes) {
        Simulator simulator;
        laser::Source source(2, [&](laser::Rows<double> x) { simulator.fill(x); });
        if (tells)
            source.set_position([&] { return simulator.next; }, [&](std::uint64_t position) { simulator.next = position; });
        try {
            *bytes = bytes_of(laser::refine(laser::Generator::train(source, options, hooks), source, options, hooks));
        } catch (const laser::Cancelled &) {
            bytes->clear();
        }
        return simulator.made;
    };
    std::string whole, bytes;
    const std::uint64_t all = made({}, false, &whole);
    const laser::CancelToken cancel;
    laser::Hooks stopped, on;
    stopped.set_cancel(cancel).on_progress([&](const laser::Progress &p) {
        if (p.step() == 790)
            cancel.trip();
    });
    stopped.set_checkpoint("position.checkpoint"), on.set_checkpoint("position.checkpoint");
    for (const bool tells : {false, true}) {
        std::filesystem::remove("position.checkpoint");
        made(stopped, tells, &bytes);
        CHECK(bytes.empty());
        cancel.reset();
        if (tells) {
            laser::Source source(2, [simulator = Simulator()](laser::Rows<double> x) mutable { simulator.fill(x); });
            source.set_position([] { return 0; }, [](std::uint64_t) { throw Trouble(); });
            CHECK(throws_trouble([&] { laser::Generator::train(source, options, on); }));
        }
        const std::uint64_t again = made(on, tells, &bytes);
        CHECK(bytes == whole);
        CHECK(tells ? again < all / 2 : again == all);
    }

    std::filesystem::remove("position.checkpoint");
    laser::Source source = toy_source();
    source.set_position([]() -> std::uint64_t { throw Trouble(); }, [](std::uint64_t) {});
    CHECK(throws_trouble([&] { laser::Generator::train(source, options, on); }));
    const auto witness = std::make_shared<int>(7);
    source.set_position([witness] { return 0; }, [witness](std::uint64_t) {});
    source.set_position([witness] { return 0; }, [](std::uint64_t) {});
    CHECK(witness.use_count() == 2);
    source.set_position(nullptr);
    CHECK(witness.use_count() == 1);
    laser::Source array(std::vector<double>(200, 1.0), 2);
    CHECK_THROWS(array.set_position([witness] { return 0; }, [](std::uint64_t) {}), laser::InvalidArgument, "the source is no callback");
    CHECK(witness.use_count() == 1);
    std::filesystem::remove("position.checkpoint");
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
    CHECK(throws_trouble([&] {
        laser::Hooks hooks;
        hooks.set_allreduce(0, 1, [](laser::Span<double>) { throw Trouble(); });
        laser::Generator::train(source, toy_options(), hooks);
    }));
    CHECK_THROWS(laser::Hooks().set_allreduce(2, 2, [](laser::Span<double>) {}), laser::InvalidArgument, "rank 2 of 2");
    const auto witness = std::make_shared<int>(7);
    laser::Hooks hooks;
    hooks.set_allreduce(0, 1, [witness](laser::Span<double>) {}).set_allreduce(0, 1, [](laser::Span<double>) {});
    CHECK(witness.use_count() == 1);
}

} // namespace

int main()
{
    return run([] { CHECK(second_unit_works()); }, checkpoints, positions, ranks);
}
