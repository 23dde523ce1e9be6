// A fragment about trainings: a source, settings small enough for a test.
#include <laser.hpp>

#include <cstdio>
#include <random>

int main()
{
    std::mt19937_64 random(1);
    std::normal_distribution<double> normal;
    laser::Source source(2, [&](laser::Rows<double> x) {
        for (std::size_t i = 0; i < x.rows(); i++) {
            x[i][0] = normal(random);
            x[i][1] = normal(random);
        }
    });
    const auto options = laser::Options::from_json(R"({"preset": "fast", "flow": {"epochs": 1, "steps": 20}, "weights.events": 5000,
        "classifier": {"layers": 2, "units": 16, "epochs": 1, "steps": 20}})");
    {
        // block
    }
    return 0;
}
