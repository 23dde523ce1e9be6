// Options, views, events, scores, and what is refused.
#include "toy.hpp"

#include <algorithm>
#include <array>
#include <thread>

namespace {

void options()
{
    laser::Options o("fast");
    o.set("flow.blocks", 4).set("flow.lr", 1e-3).set("refiner.method", "rejection").set("seed", std::uint64_t{9}).set("flow.clip", 2);
    CHECK(o.get<std::int64_t>("flow.blocks") == 4);
    CHECK(o.get<double>("flow.lr") == 1e-3);
    CHECK(o.get<double>("flow.clip") == 2.0);
    CHECK(o.get<std::string>("refiner.method") == "rejection");
    const laser::Options copy = laser::Options::from_json(o.to_json());
    CHECK(copy.to_json() == o.to_json());
    CHECK(laser::Options().to_json() == laser::Options("default").to_json());
    CHECK(laser::Options().handle() == nullptr);
    laser::Options empty;
    empty.set("flow.blocks", 5);
    CHECK(empty.get<std::int64_t>("flow.blocks") == 5);
    CHECK(laser::Options().get<std::int64_t>("flow.blocks") != 5);

    CHECK_THROWS(o.set("flow.bloks", 4), laser::UnknownOption, "flow.blocks");
    CHECK_THROWS(o.set("flow.bloks", 4), laser::InvalidArgument, "flow.blocks");
    CHECK_THROWS(o.set("flow.blocks", -1), laser::InvalidArgument, "flow.blocks");
    CHECK_THROWS(o.set("flow.blocks", "many"), laser::InvalidArgument, "flow.blocks");
    CHECK_THROWS(o.set("seed", std::numeric_limits<std::uint64_t>::max()), laser::InvalidArgument, "int64_t");
    CHECK_THROWS(o.set(std::string("seed\0x", 6), 1), laser::InvalidArgument, "NUL");
    CHECK_THROWS(o.set("refiner.method", std::string("gan\0", 4)), laser::InvalidArgument, "NUL");
    CHECK_THROWS(o.get<double>("refiner.method"), laser::InvalidArgument, "refiner.method");
    CHECK_THROWS(laser::Options("slow"), laser::InvalidArgument, "slow");
    CHECK_THROWS(laser::Options::from_json("{"), laser::InvalidArgument, "JSON");
    CHECK(o.get<std::int64_t>("flow.blocks") == 4);
}

void views()
{
    std::vector<double> values = {1, 2, 3, 4, 5, 6};
    const laser::Rows rows(values, 2);
    CHECK(rows.rows() == 3 && rows.columns() == 2 && rows.stride() == 2 && rows[2][1] == 6);
    CHECK(rows.from_column(1).columns() == 1 && rows.from_column(1)[2][0] == 6);
    CHECK_THROWS(rows.from_column(2), laser::InvalidArgument, "no column 2 (from 0) in rows of 2");
    CHECK_THROWS(laser::Rows<double>().from_column(0), laser::InvalidArgument, "rows of 0");
    const laser::Rows<const double> reading = rows;
    CHECK(reading.data() == values.data());
    CHECK_THROWS(laser::Rows<double>(values, 4), laser::InvalidArgument, "6 values are no rows of 4");
    CHECK_THROWS(laser::Rows<double>(values, 0), laser::InvalidArgument, "rows of 0");
    static_assert(!std::is_convertible_v<laser::Rows<const double>, laser::Rows<double>>);
    static_assert(!std::is_constructible_v<laser::Span<double>, const std::vector<double> &>);
    const std::array<double, 3> fixed = {1, 2, 3};
    double sum = 0;
    for (const double v : laser::Span<const double>(fixed))
        sum += v;
    CHECK(sum == 6);
    // What was left out stays so in copies; an empty vector was not.
    laser::Span<double> none;
    laser::Span<double> copy = none;
    const laser::Span<const double> read = copy;
    CHECK(!none.given() && !copy.given() && !read.given() && read.data() == nullptr);
    CHECK(laser::Span<double>(values).given() && laser::Span<const double>(std::vector<double>()).given());
}

// What is borrowed has a name; what has none is kept, or refused by the compiler.
void ownership()
{
    using Vector = std::vector<double>;
    using Reading = laser::Rows<const double>;
    static_assert(!std::is_constructible_v<laser::Source, Reading, Vector>);
    static_assert(!std::is_constructible_v<laser::Source, Reading, const Vector>);
    static_assert(!std::is_constructible_v<laser::Source, Reading, std::array<double, 2>>);
    static_assert(!std::is_constructible_v<Reading, Vector, std::size_t>);
    static_assert(!std::is_constructible_v<Reading, const Vector, std::size_t>);
    static_assert(std::is_constructible_v<laser::Source, Reading, Vector &>);
    static_assert(std::is_constructible_v<laser::Source, Reading, const Vector &>);
    static_assert(std::is_constructible_v<laser::Source, Reading, laser::Span<double>>);
    static_assert(std::is_constructible_v<Reading, Vector &, std::size_t>);
    static_assert(std::is_constructible_v<Reading, laser::Span<double>, std::size_t>);

    const Vector x = {0, 0, 1, 1}, w = {1, 3};
    const laser::Source borrowed({x, 2}, w), pointers({x.data(), 2, 2}, {w.data(), 2});
    const laser::Source owned(Vector(x), 2, Vector(w)), braced(Vector(x), 2, {1.0, 3.0}), plain({x, 2}, {});
    CHECK(laser::emd_1d(borrowed, owned, 0, 0).value == 0 && laser::emd_1d(pointers, braced, 0, 0).value == 0);
    CHECK(laser::emd_1d(plain, owned, 0, 0).value == 0.25);
}

void events()
{
    const laser::Model model = toy_model();
    CHECK(model.event_dim() == 2 && model.latent_dim() == 2 && model.condition_dim() == 0 && model.method() == "rejection");
    CHECK(model.info().find("\"flow\"") != std::string::npos);
    CHECK(model.get("weights.events") == 2000);
    CHECK_THROWS(model.get("weights.event"), laser::InvalidArgument, "effective_sample_size");

    const std::vector<double> all = laser::Sampler(model, 42, 7).generate(100);
    laser::Sampler sampler(model, 42, 7);
    // One by one, strided, rounded, with weights and densities: the same events.
    std::array<double, 2> x{};
    CHECK(sampler.next(x) > 0 && x[0] == all[0] && x[1] == all[1]);
    std::vector<double> wide(3 * 10, -1.0), w(10), logp(10);
    sampler.generate({wide.data(), 10, 2, 3}, w, logp);
    for (std::size_t i = 0; i < 10; i++)
        CHECK(wide[3 * i] == all[2 * i + 2] && wide[3 * i + 1] == all[2 * i + 3] && wide[3 * i + 2] == -1.0);
    CHECK(sampler.tell() == 11);
    sampler.seek(1);
    std::vector<float> single(20), single_w(10);
    sampler.generate(laser::Rows<float>(single, 2), single_w);
    CHECK(single[0] == static_cast<float>(all[2]) && single_w[3] == static_cast<float>(w[3]));
    sampler.seek(0);
    std::vector<double> with_latents(200), z(200);
    sampler.generate_latent({with_latents, 2}, {z, 2});
    CHECK(with_latents == all);
    CHECK(sampler.get("acceptance") > 0);
    sampler.generate(laser::Rows<double>(x.data(), 0, 2));
}

void mappings()
{
    const laser::Model model = toy_model();
    const std::vector<double> x = laser::Sampler(model, 1).generate(20);
    const std::vector<double> z = model.latent({x, 2}), back = model.generate({z, 2});
    double worst = 0;
    for (std::size_t i = 0; i < x.size(); i++)
        worst = std::fmax(worst, std::fabs(back[i] - x[i]));
    CHECK(worst < 1e-4);
    const auto log_w = model.log_weight({x, 2}), log_p = model.log_prob({x, 2});
    CHECK(log_w.size() == 20 && log_p.size() == 20 && std::isfinite(log_p[19]));
    CHECK(model.log_prob(laser::Rows<const double>(x.data(), 0, 2)).empty());
    CHECK_THROWS(model.log_prob({x, 1}), laser::InvalidArgument, "x has 1 columns, where 2 are right");
    CHECK_THROWS(model.generate({z, 4}), laser::InvalidArgument, "4 columns");

    const laser::Model again = model.refine(toy_options().set("refiner.method", "resampling"));
    CHECK(again.method() == "resampling");
    laser::Source source = toy_source();
    CHECK(model.refine(source, toy_options()).method() == "rejection");
}

void noise()
{
    const laser::Model model = toy_model();
    const auto draw = [&] {
        laser::Sampler sampler(model, 1);
        sampler.set_noise_callback([random = std::mt19937_64(11)](laser::Span<double> u) mutable {
            for (double &number : u)
                number = std::uniform_real_distribution<double>()(random);
        });
        return sampler.generate(20);
    };
    CHECK(draw() == draw());
    laser::Sampler sampler(model, 1);
    sampler.set_noise_callback([](laser::Span<double> u) { std::fill(u.begin(), u.end(), 2.0); });
    CHECK_THROWS(sampler.generate(1), laser::DataError, "");
    CHECK_THROWS(sampler.seek(3), laser::Unsupported, "random numbers");
}

void files()
{
    const laser::Model model = toy_model();
    model.save("values.laser");
    CHECK(laser::Sampler(laser::Model::load("values.laser"), 3).generate(5) == laser::Sampler(model, 3).generate(5));
    const laser::Generator generator = laser::Generator::load("values.laser");
    generator.save("generator.laser");
    CHECK(laser::Model(laser::Generator::load("generator.laser")).method() == "baseline");
    CHECK_THROWS(laser::Model::load("missing.laser"), laser::IoError, "missing.laser");
    CHECK_THROWS(model.save("no/such/folder/m.laser"), laser::IoError, "no/such/folder");
    std::FILE *text = std::fopen("text.laser", "w");
    std::fputs("this is no model, but it is long enough", text);
    std::fclose(text);
    CHECK_THROWS(laser::Model::load("text.laser"), laser::FormatError, "");
    CHECK_THROWS(laser::device_check("gpu"), laser::InvalidArgument, "gpu");
    laser::device_check("cpu");
}

void refusals()
{
    const laser::Model model = toy_model();
    laser::Sampler sampler(model, 1);
    std::vector<double> x(6), w(2);
    CHECK_THROWS(sampler.generate({x, 3}), laser::InvalidArgument, "x has 3 columns, where 2 are right");
    CHECK_THROWS(sampler.generate({x, 2}, w), laser::InvalidArgument, "weights");
    CHECK_THROWS(sampler.generate({x, 2}, {}, w), laser::InvalidArgument, "log densities");
    CHECK_THROWS(sampler.next(x), laser::InvalidArgument, "6 columns");
    CHECK_THROWS(sampler.generate(laser::Rows<double>()), laser::InvalidArgument, "x has 0 columns");
    // Vectors that somebody forgot to fill are not the same as none.
    std::vector<double> empty;
    const std::vector<std::int32_t> no_flags;
    CHECK_THROWS(sampler.generate({x, 2}, empty), laser::InvalidArgument, "weights");
    CHECK_THROWS(sampler.generate({x, 2}, {}, empty), laser::InvalidArgument, "log densities");
    CHECK_THROWS(sampler.generate_latent({x, 2}, {x, 2}, empty), laser::InvalidArgument, "weights");
    CHECK_THROWS(laser::Source(laser::Rows<const double>(x, 2), empty), laser::InvalidArgument, "weights");
    CHECK_THROWS(laser::Source(x, 2, empty), laser::InvalidArgument, "weights");
    CHECK_THROWS(laser::auc(std::vector<double>{0.1, 0.9}, std::vector<std::int32_t>{0, 1}, empty), laser::InvalidArgument, "weights");
    const laser::Source three(x, 2);
    CHECK_THROWS(laser::Reweighter::resample(three, empty), laser::InvalidArgument, "weights");
    CHECK_THROWS(laser::Reweighter::unfold(three, three, three, 3, no_flags), laser::InvalidArgument, "flags");
    laser::Histogram bins({2, -1, 1}, {2, -1, 1});
    CHECK_THROWS(bins.fill({x, 2}, empty), laser::InvalidArgument, "weights");
    CHECK_THROWS(bins.fill(laser::Rows<const double>()), laser::InvalidArgument, "two values");
    bins.fill({x, 2}, {});
    CHECK(bins.total().inside == 3);
    CHECK_THROWS(sampler.generate(std::numeric_limits<std::size_t>::max()), laser::InvalidArgument, "memory");
    CHECK_THROWS(sampler.get("nothing"), laser::InvalidArgument, "nothing");
    CHECK_THROWS(sampler.generate_latent({x, 2}, {w, 2}), laser::InvalidArgument, "different numbers");
    CHECK(sampler.tell() == 0);
    CHECK_THROWS(laser::Sampler(model, 1, 0, laser::Options().set("sampler.method", "gan")), laser::Unsupported, "");
    CHECK_THROWS(laser::Source(laser::Rows<const double>(x, 2), w), laser::InvalidArgument, "weights");
    CHECK_THROWS(laser::Source(std::vector<double>(4, std::nan("")), 2), laser::DataError, "row");
    CHECK_THROWS(laser::Source(std::vector<double>(5), 2), laser::InvalidArgument, "5 values");
    try {
        laser::Model::load("missing.laser");
    } catch (const laser::Error &error) {
        CHECK(error.status() == LASER_ERR_IO && std::string(error.status_name()) == "LASER_ERR_IO");
    }

    // A moved-from object is refused, not followed.
    laser::Sampler taken = std::move(sampler);
    CHECK_THROWS(sampler.generate(1), laser::InvalidArgument, "sampler");
    CHECK(taken.generate(1).size() == 2);
}

void scores()
{
    laser::Histogram p({10, -3, 3}, {10, -3, 3}), q({10, -3, 3}, {10, -3, 3});
    std::mt19937_64 random(5);
    std::normal_distribution<double> normal;
    std::vector<double> a(3 * 5000), b(3 * 5000);
    for (double &v : a)
        v = normal(random);
    for (double &v : b)
        v = 0.3 + normal(random);
    p.fill({a, 3});
    q.fill(laser::Rows<const double>(b, 3).from_column(1), std::vector<double>(5000, 2.0));
    CHECK(p.total().inside + p.total().outside == 5000 && q.total().inside + q.total().outside == 10000);
    CHECK(p.contents().size() == 100);
    const laser::Floor floor = laser::jsd_floor(p, q, 20);
    CHECK(laser::jsd(p, q).value > floor.value + 5 * floor.spread);
    CHECK(std::fabs(laser::emd(p, q).value - 0.4) < 0.1);
    CHECK(laser::emd_floor(p, q, 2).value < laser::emd(p, q).value);
    p.merge(q);
    CHECK(p.total().inside + p.total().outside == 15000);
    CHECK_THROWS(laser::jsd(p, laser::Histogram({9, -3, 3}, {10, -3, 3})), laser::InvalidArgument, "");
    CHECK_THROWS(laser::Histogram({0, -3, 3}, {10, -3, 3}), laser::InvalidArgument, "nx");
    CHECK_THROWS(p.fill({a, 1}), laser::InvalidArgument, "two values");

    const laser::Source first(a, 3), second(laser::Rows<const double>(b, 3));
    const laser::Distance d = laser::emd_1d(first, second, 0);
    CHECK(std::fabs(d.value - 0.3) < 0.1 && d.error < 0.1 && d.floor < d.value);
    CHECK(laser::sliced_emd(first, second, 10).value > 0.1);
    CHECK(laser::kolmogorov_smirnov(first, second, 2).p_value < 1e-3);
    const std::vector<laser::Edge> edges = laser::edges(first, second, "pt < 99 and not (x2 >= 1e9)", "pt, x1, x2");
    CHECK(edges.size() == 2 && edges[0].inequality == "pt < 99" && edges[1].beyond_sample == 0 && edges[0].ratio > 0 && edges[0].depth > 0);
    CHECK(laser::edges(first, first, "x0 > 0")[0].beyond_reference == laser::edges(second, first, "x0 > 0")[0].beyond_sample);
    CHECK_THROWS(laser::edges(first, second, "x0 > x7"), laser::InvalidArgument, "no feature 7");
    laser::Options small = toy_options();
    small.set("classifier.steps", 60);
    const laser::Auc larger = laser::two_sample_auc(first, second, small);
    CHECK(larger.value > 0.55);
    const laser::AucByFamily both = laser::two_sample_auc_by_family(first, second, small);
    CHECK(std::max(both.network.value, both.trees.value) == larger.value && both.network.error > 0 && both.trees.error > 0);
    CHECK(laser::auc(std::vector<double>{0.1, 0.9, 0.2, 0.8}, std::vector<std::int32_t>{0, 1, 0, 1}).value == 1.0);
    CHECK_THROWS(laser::auc(std::vector<double>{0.1}, std::vector<std::int32_t>{0, 1}), laser::InvalidArgument, "labels");
    CHECK(laser::effective_size(std::vector<double>{1, 1, 1, 1}) == 4.0);
    const auto chains = laser::chain_diagnostics({a, 3}, 5);
    CHECK(chains.size() == 3 && std::fabs(chains[1].r_hat - 1) < 0.05 && chains[2].effective_size > 1000);
    CHECK_THROWS(laser::chain_diagnostics({a, 3}, 7), laser::InvalidArgument, "chains");
}

// Weights of events that are there: a moved sample, whose ratio is known.
void reweighting()
{
    std::mt19937_64 random(3);
    std::normal_distribution<double> normal;
    std::vector<double> x(8000), y(8000);
    for (std::size_t i = 0; i < x.size(); i++) {
        x[i] = normal(random);
        y[i] = normal(random) + (i % 2 == 0 ? 0.5 : 0.0);
    }
    laser::Source from(x, 2, std::vector<double>(4000, 2.5)), to(y, 2);
    laser::Options options = toy_options();
    options.set("classifier.steps", 300).set("classifier.lr", 0.01).set("classifier.ensemble", 2);
    const laser::Reweighter trained = laser::Reweighter::train(from, to, options);
    CHECK(trained.event_dim() == 2 && trained.condition_dim() == 0 && trained.feature_name(1) == "x1");
    CHECK(trained.info().find("\"classifier\"") != std::string::npos && trained.get("weights.mean") > 0.8);
    const laser::Rows<const double> rows(x, 2);
    const std::vector<double> w = trained.weights(rows);
    std::vector<double> same(4000), log_w(4000), spread(4000);
    trained.weights(rows, same, log_w, spread);
    double squares = 0;
    for (std::size_t i = 0; i < w.size(); i++)
        squares += std::pow(log_w[i] - 0.5 * (x[2 * i] - 0.25), 2);
    CHECK(same == w && std::sqrt(squares / 4000) < 0.25 && spread[17] > 0);
    CHECK(trained.weights(laser::Rows<const double>(x.data(), 0, 2, 2)).empty());
    std::vector<double> few(3);
    CHECK_THROWS(trained.weights(rows, few, {}), laser::InvalidArgument, "as many as the rows");
    CHECK_THROWS(trained.weights(rows, same, std::vector<double>()), laser::InvalidArgument, "as many as the rows");
    CHECK_THROWS(trained.weights(laser::Rows<const double>(x, 4)), laser::InvalidArgument, "columns");
    CHECK_THROWS(laser::Reweighter::train(from, from, options), laser::Error, "in use");
    const std::string path = "reweighter.laser";
    trained.save(path);
    CHECK(laser::Reweighter::load(path).weights(rows) == w);
    CHECK_THROWS(laser::Model::load(path), laser::Unsupported, "this is a reweighter");
    std::remove(path.c_str());
    std::vector<double> v(4000, 1.0), positive(4000);
    for (std::size_t i = 0; i < v.size(); i += 5)
        v[i] = -1.0;
    const laser::Source both_signs(x, 2, v);
    const laser::Reweighter resampled = laser::Reweighter::resample(both_signs, positive, options);
    const std::vector<double> ratio = resampled.weights(rows);
    double sum = 0;
    for (std::size_t i = 0; i < v.size(); i++) {
        sum += positive[i];
        CHECK(positive[i] > 0 && std::abs(resampled.get("resample.factor") * ratio[i] / positive[i] - 1) < 1e-9);
    }
    CHECK(std::abs(sum / 2400 - 1) < 1e-12);
    CHECK_THROWS(laser::Reweighter::resample(to, {}, options), laser::InvalidArgument, "no weights");
}

// Unfolding: the weights of the reweighter, times its factor, are those of the events.
void unfolding()
{
    std::mt19937_64 random(4);
    std::normal_distribution<double> normal;
    std::vector<double> t(8000), x(8000), data(6000);
    std::vector<std::int32_t> flags(4000, LASER_PAIR_GENERATED | LASER_PAIR_RECONSTRUCTED);
    for (std::size_t i = 0; i < t.size(); i++) {
        t[i] = normal(random);
        x[i] = t[i] + 0.3 * normal(random);
    }
    for (double &value : data)
        value = 0.3 + normal(random) + 0.3 * normal(random);
    flags[5] = LASER_PAIR_GENERATED;
    const laser::Source generated(t, 2), reconstructed(x, 2), measured(data, 2);
    laser::Options options = toy_options();
    options.set("classifier.steps", 200).set("classifier.lr", 0.01).set("unfold.iterations", 1);
    const auto [reweighter, w] = laser::Reweighter::unfold(generated, reconstructed, measured, 4000, flags, options);
    std::vector<double> same = reweighter.weights(laser::Rows<const double>(t, 2));
    double total = 0;
    for (std::size_t i = 0; i < same.size(); i++) {
        same[i] *= reweighter.get("unfolding.factor");
        total += w[i];
    }
    CHECK(same == w && std::abs(total / reweighter.get("unfolding.total") - 1) < 1e-9);
    CHECK_THROWS(laser::Reweighter::unfold(generated, reconstructed, measured, 3999, flags), laser::InvalidArgument, "flags");
    CHECK_THROWS(laser::Reweighter::unfold(generated, measured, measured, 4000), laser::InvalidArgument, "3000");
}

// Const objects are shared; each thread has its sampler.
void threads()
{
    const laser::Model model = toy_model();
    const std::vector<double> alone = laser::Sampler(model, 4).generate(400);
    std::vector<double> together(800);
    std::vector<std::thread> workers;
    for (std::size_t k = 0; k < 4; k++)
        workers.emplace_back([&, k] {
            laser::Sampler sampler(model, 4);
            sampler.seek(100 * k);
            sampler.generate({together.data() + 200 * k, 100, 2});
        });
    for (std::thread &worker : workers)
        worker.join();
    CHECK(together == alone);
}

} // namespace

int main() { return run(options, views, ownership, events, mappings, noise, files, refusals, scores, reweighting, unfolding, threads); }
