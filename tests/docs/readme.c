/* The README's fragment: a simulator and what the program declares. It runs with an argument only, as its training takes a minute. */
#include <laser.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    if (argc < 2)
        return 0;
    enum { n = 100 };
    const uint64_t seed = 42, stream = 0;
    static double x[n * 2], w[n];
    int my_simulator = 0;
    laser_options *options = NULL;
    laser_source *source = NULL;
    laser_generator *generator;
    laser_model *model;
    laser_sampler *sampler;
    int32_t simulate(size_t n, size_t dim, double *x, double *w, size_t *got, void *user);
    /* block */
    return 0;
}

int32_t simulate(size_t n, size_t dim, double *x, double *w, size_t *got, void *user)
{
    (void)w, (void)user;
    for (size_t i = 0; i < n * dim; i++)
        x[i] = rand() / (double)RAND_MAX;
    *got = n;
    return 0;
}
