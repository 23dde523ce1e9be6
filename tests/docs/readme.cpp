// The README's fragment: a simulator and what the program declares. It runs with an argument only, as its training takes a minute.
#include <laser.hpp>

#include <random>

struct Simulator {
    std::mt19937_64 random;
    void event(double *x)
    {
        std::uniform_real_distribution<double> uniform;
        x[0] = uniform(random);
        x[1] = uniform(random);
    }
};

int main(int argc, char **argv)
{
    if (argc < 2)
        return 0;
    const std::uint64_t seed = 42, stream = 0;
    Simulator simulator;
    // block
    return 0;
}
