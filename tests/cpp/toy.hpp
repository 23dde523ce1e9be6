// Checks that go on when one fails, and a toy to test with: events of two dimensions, small networks, trained for a few steps.
#ifndef TOY_HPP
#define TOY_HPP

#include <laser.hpp>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <random>
#include <string>
#include <vector>

inline int failures = 0;

inline bool check_that(bool good, const char *file, int line, const std::string &what)
{
    if (!good) {
        std::printf("%s:%d: failed: %s\n", file, line, what.c_str());
        failures++;
    }
    return good;
}

#define CHECK(condition) check_that((condition), __FILE__, __LINE__, #condition)

// The expression throws exactly this class, with this in its message; `throws` is for what has no message.
template <class Expected, class Body> void check_throws(Body &&body, const char *part, const char *file, int line, const char *what)
{
    try {
        body();
        check_that(false, file, line, std::string(what) + " threw nothing");
    } catch (const Expected &error) {
        check_that(std::strstr(error.what(), part) != nullptr, file, line, std::string(what) + " does not say \"" + part + "\": " + error.what());
    } catch (const std::exception &error) {
        check_that(false, file, line, std::string(what) + " threw another class: " + error.what());
    }
}

#define CHECK_THROWS(expression, Class, part) check_throws<Class>([&] { (void)(expression); }, part, __FILE__, __LINE__, #expression)

// Runs the tests of a program; what they do not expect fails as well.
template <class... Test> int run(Test... tests)
{
    const auto one = [](auto test) {
        try {
            test();
        } catch (const std::exception &error) {
            check_that(false, "test", 0, std::string("unexpected exception: ") + error.what());
        }
    };
    (one(tests), ...);
    return failures == 0 ? 0 : 1;
}

inline laser::Options toy_options()
{
    return laser::Options::from_json(R"({"flow": {"blocks": 2, "layers": 2, "units": 8, "epochs": 1, "steps": 5, "batch": 64},
        "classifier": {"layers": 2, "units": 8, "epochs": 1, "steps": 5, "batch": 64}, "validation.events": 200, "weights.events": 2000,
        "pullback": {"iterations": 1}, "refiner.method": "rejection"})");
}

inline laser::Source toy_source(std::uint64_t seed = 1)
{
    return laser::Source(2, [random = std::mt19937_64(seed)](laser::Rows<double> x) mutable {
        std::normal_distribution<double> normal;
        for (std::size_t i = 0; i < x.rows(); i++) {
            x[i][0] = 1.0 + normal(random);
            x[i][1] = -2.0 + 0.5 * normal(random);
        }
    });
}

inline laser::Model toy_model()
{
    laser::Source source = toy_source();
    const laser::Options options = toy_options();
    return laser::refine(laser::Generator::train(source, options), source, options);
}

#endif
