// A fragment about a model that is there, and a sampler of it.
#include <laser.hpp>

#include <cstdio>

int main()
{
    const auto model = laser::Model::load("model.laser");
    laser::Sampler sampler(model, 42);
    {
        // block
    }
    return 0;
}
