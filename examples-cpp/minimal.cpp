// The smallest use of liblaser from C++: learn from the host's own events, refine, save, generate.
#include <laser.hpp>

#include <cstdio>
#include <random>

int main()
{
    try {
        // The host's simulator, pulled batch by batch. Here a uniform square with a hole.
        std::mt19937_64 random(1);
        std::uniform_real_distribution<double> uniform(-1.0, 1.0);
        laser::Source source(2, [&](laser::Rows<double> x) {
            for (std::size_t i = 0; i < x.rows(); i++)
                do {
                    x[i][0] = uniform(random);
                    x[i][1] = uniform(random);
                } while (x[i][0] * x[i][0] + x[i][1] * x[i][1] < 0.25);
        });

        // Settings this small show the calls, not the quality: laser::Options("fast") as it is takes about a minute.
        laser::Options options("fast");
        options.set("flow.epochs", 2).set("flow.steps", 20).set("classifier.epochs", 2).set("classifier.steps", 20).set("weights.events", 5000);
        laser::Hooks hooks;
        hooks.on_log([](laser::LogLevel, std::string_view message) {
            std::fprintf(stderr, "%.*s\n", static_cast<int>(message.size()), message.data());
        });

        const auto flow = laser::Generator::train(source, options, hooks);
        const auto model = laser::refine(flow, source, options, hooks);
        model.save("minimal.laser");

        laser::Sampler sampler(model, 42); // seed 42, stream 0; one sampler per thread
        const std::vector<double> events = sampler.generate(5);
        const laser::Rows rows(events, model.event_dim());
        for (std::size_t i = 0; i < rows.rows(); i++)
            std::printf("%9.5f %9.5f\n", rows[i][0], rows[i][1]);
        return 0;
    } catch (const laser::Error &error) {
        std::fprintf(stderr, "%s: %s\n", error.status_name(), error.what());
        return 1;
    }
}
