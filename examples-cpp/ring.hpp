// The host's simulator in these examples: points on a ring of radius 3, smeared by 0.2.
#ifndef RING_HPP
#define RING_HPP

#include <laser.hpp>

#include <cmath>
#include <random>

class Ring {
public:
    explicit Ring(std::uint64_t seed) : random_(seed) {}

    // Fills rows of two values: what laser::Source takes.
    void operator()(laser::Rows<double> x)
    {
        for (std::size_t i = 0; i < x.rows(); i++) {
            const double r = radius_(random_), phi = angle_(random_);
            x[i][0] = r * std::cos(phi);
            x[i][1] = r * std::sin(phi);
        }
    }

private:
    std::mt19937_64 random_;
    std::normal_distribution<double> radius_{3.0, 0.2};
    std::uniform_real_distribution<double> angle_{0.0, 6.283185307179586};
};

// A model that has hardly begun to learn the ring: enough to show calls.
inline laser::Model small_ring_model()
{
    const auto options = laser::Options::from_json(R"({"preset": "fast", "refiner.method": "rejection", "weights.events": 5000,
        "flow": {"blocks": 4, "units": 16, "epochs": 1, "steps": 40}, "classifier": {"units": 16, "epochs": 1, "steps": 40}})");
    laser::Source source(2, Ring(1));
    const auto flow = laser::Generator::train(source, options);
    return laser::refine(flow, source, options);
}

#endif
