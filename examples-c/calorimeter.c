/* Electrons in a calorimeter of 50 voxels, half of them empty, given the incident energy: features that are exactly 0 with a probability.
 *
 *     calorimeter [--quick]
 *
 * A voxel reads nothing below its threshold. The library is given what is above it, over the incident energy, with the scaling
 * `zeros(0)`: 0 has a probability that the flow learns and the refinement corrects, and the density is finite down to it.
 * So a generated voxel is 0 or above the threshold, as the simulator's are.
 *
 * Three minutes on one thread; --quick, for tests, shows that it works, not how well. The program fails if a voxel is negative or if after
 * refinement others are empty than the simulator's. */
#include "simulator.h"
#include "toolbox.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LAYERS = 10, RINGS = 5, VOXELS = LAYERS * RINGS, ROW = VOXELS + 1, BINS = 3 };

static const double edges[BINS + 1] = {1.0, 4.64, 21.5, 100.0}; /* of the incident energy, GeV */
static const double threshold = 0.05;                            /* of a voxel, GeV */

/* Part of a shower's energy within this radius, at a depth of 1 where there are most particles. */
static double within(double radius, double depth)
{
    const double core = 0.2 + 0.2 * depth; /* in Moliere radii */
    return radius * radius / (radius * radius + core * core);
}

static double normal(simulator *s)
{
    double a, b;
    simulator_normal_pair(s, &a, &b);
    return a;
}

/* What an electron of `energy` leaves above threshold, over that energy, layer by layer, ring by ring. Depths are in radiation lengths. */
static void shower(simulator *s, double energy, double *voxels)
{
    enum { STEPS = 4 }; /* of an integral over a layer */
    static const double layer = 3.0, rings[RINGS] = {0.2, 0.5, 1.0, 1.8, 4.0}, width = 0.5;
    double profile[LAYERS], total = 0.0;
    /* From its start on the profile is a gamma distribution with its maximum at `depth`. */
    const double start = exp(0.4 * normal(s));
    const double depth = (3.5 + log(energy)) * exp(0.15 * normal(s));
    const double shape = 2.5 * exp(0.2 * normal(s));
    for (int k = 0; k < LAYERS; k++) {
        profile[k] = 0.0;
        for (int i = 0; i < STEPS; i++) {
            const double t = fmax(0.0, (k + (i + 0.5) / STEPS) * layer - start) / depth;
            profile[k] += pow(t * exp(1.0 - t), shape);
        }
        total += profile[k];
    }
    for (int k = 0; k < LAYERS; k++) {
        double before = 0.0;
        for (int r = 0; r < RINGS; r++) {
            const double inside = within(rings[r], (k + 0.5) * layer / depth);
            const double expected = energy * profile[k] / total * (inside - before);
            const double deposit = expected * exp(width * normal(s) - 0.5 * width * width); /* log-normal */
            voxels[k * RINGS + r] = fmax(0.0, deposit - threshold) / energy;
            before = inside;
        }
    }
}

/* An energy even in its logarithm. */
static double incident(simulator *s)
{
    return edges[0] * pow(edges[BINS] / edges[0], simulator_uniform(s));
}

/* The source: rows of voxels, the condition last. */
static int32_t simulate(size_t n, size_t dim, double *x, double *w, size_t *got, void *user)
{
    (void)w; /* unweighted */
    for (size_t i = 0; i < n; i++, x += dim) {
        x[VOXELS] = incident(user);
        shower(user, x[VOXELS], x);
    }
    *got = n;
    return 0;
}

/* Rows as the simulator makes them, or of a sampler for energies of `seed`. */
static double *draw(laser_sampler *sampler, uint64_t seed, size_t n)
{
    double *x = new_rows(n, ROW), *energies = new_rows(n, 1);
    simulator random;
    simulator_start(&random, NULL, seed);
    for (size_t i = 0; i < n; i++) {
        double *row = x + i * ROW;
        energies[i] = row[VOXELS] = incident(&random);
        if (!sampler)
            shower(&random, energies[i], row);
    }
    if (sampler)
        check(laser_sampler_generate_given(sampler, n, 0, energies, ROW, x, NULL, NULL), "generating");
    free(energies);
    return x;
}

/* What is told of the showers of one bin of energy. */
typedef struct {
    double zeros[VOXELS]; /* the share of showers that leave the voxel empty */
    double response;      /* mean of the energy that is read, over the incident one */
} summary;

static summary summarise(const double *x, size_t n, int bin)
{
    summary s = {0};
    size_t showers = 0;
    for (const double *row = x; row < x + n * ROW; row += ROW) {
        if (row[VOXELS] < edges[bin] || row[VOXELS] >= edges[bin + 1])
            continue;
        showers++;
        for (int k = 0; k < VOXELS; k++) {
            s.zeros[k] += row[k] == 0.0;
            s.response += row[k] > 0.0 ? row[k] + threshold / row[VOXELS] : 0.0;
        }
    }
    for (int k = 0; k < VOXELS; k++)
        s.zeros[k] /= (double)showers;
    s.response /= (double)showers;
    return s;
}

enum { SAMPLES = 4 };
static const char *const names[SAMPLES] = {"simulator", "simulator again", "baseline", "rejection"};

static void print_scores(double *const *x, size_t n, const laser_options *options)
{
    laser_source *truth = sample_of(x[0], NULL, n, ROW);
    printf("All voxels and the incident energy\n%-18s  %18s  %18s  %18s\n", "", "AUC of a network", "of trees", "sliced EMD");
    for (int k = 1; k < SAMPLES; k++) {
        double network, network_error, trees, trees_error, distance, error;
        laser_source *sample = sample_of(x[k], NULL, n, ROW);
        check(laser_two_sample_auc_by_family(truth, sample, options, NULL, &network, &network_error, &trees, &trees_error), names[k]);
        check(laser_sliced_emd(truth, sample, 30, 20, 1, &distance, &error, NULL, NULL), names[k]);
        printf("%-18s  %8.4f +- %6.4f  %8.4f +- %6.4f", names[k], network, network_error, trees, trees_error);
        printf("  %8.4f +- %6.4f\n", distance, error);
        laser_source_free(sample);
    }
    laser_source_free(truth);
}

/* Gives the mean difference of the last sample. */
static double print_bin(double *const *x, size_t n, int bin)
{
    const summary truth = summarise(x[0], n, bin);
    double mean = 0.0;
    for (int k = 0; k < VOXELS; k++)
        mean += truth.zeros[k] / VOXELS;
    printf("\n%5.1f to %5.1f GeV   empty: %.4f of the voxels; their difference  response\n", edges[bin], edges[bin + 1], mean);
    printf("%-18s  %18s  %18s  %8.4f\n", names[0], "mean", "largest", truth.response);
    for (int k = 1; k < SAMPLES; k++) {
        const summary s = summarise(x[k], n, bin);
        double largest = 0.0;
        mean = 0.0;
        for (int v = 0; v < VOXELS; v++) {
            const double difference = fabs(s.zeros[v] - truth.zeros[v]);
            mean += difference / VOXELS;
            largest = fmax(largest, difference);
        }
        printf("%-18s  %18.4f  %18.4f  %8.4f\n", names[k], mean, largest, s.response);
    }
    return mean;
}

int main(int argc, char **argv)
{
    const int quick = argc > 1 && strcmp(argv[1], "--quick") == 0;
    const size_t scored = quick ? 6000 : 30000;
    const double tolerance = quick ? 0.025 : 0.01; /* of the mean difference of the empty voxels' shares */
    /* The last value of the source's rows is the condition. A classifier extrapolates where the flow makes next to nothing, so weights end
     * at those that one of the target's events in a thousand exceeds. */
    laser_options *options =
        settings(quick ? "{\"preset\": \"fast\", \"conditions\": 1, \"weights\": {\"events\": 10000, \"tail\": 0.01, \"margin\": 1},"
                         " \"flow\": {\"coupling\": \"spline\", \"blocks\": 4, \"units\": 32, \"epochs\": 1, \"steps\": 300},"
                         " \"classifier\": {\"layers\": 2, \"units\": 32, \"epochs\": 2, \"steps\": 150}}"
                       : "{\"preset\": \"fast\", \"conditions\": 1, \"weights\": {\"tail\": 0.001, \"margin\": 1},"
                         " \"flow\": {\"coupling\": \"spline\", \"blocks\": 8, \"epochs\": 8},"
                         " \"classifier\": {\"layers\": 4, \"units\": 64, \"epochs\": 16, \"lr\": 0.003}}");
    char scaling[16 * ROW] = "";
    for (int k = 0; k < VOXELS; k++)
        strcat(scaling, "zeros(0), ");
    check(laser_options_set_str(options, "features.scaling", strcat(scaling, "log(0)")), "scaling");

    laser_hooks *hooks = watch();
    simulator showers;
    laser_source *source;
    laser_generator *flow;
    laser_model *model;
    simulator_start(&showers, NULL, 1);
    check(laser_source_from_callback(ROW, 0, simulate, &showers, &source), "source");
    check(laser_generator_train(source, options, hooks, &flow), "training the generator");
    check(laser_refine(flow, source, options, hooks, &model), "refining");

    /* Conditions and simulated showers are of streams that no training has seen. */
    double *x[SAMPLES];
    for (int k = 0; k < SAMPLES; k++) {
        laser_sampler *sampler = k < 2 ? NULL : sampler_of(model, names[k], 42);
        x[k] = draw(sampler, 100 + (uint64_t)k, scored);
        laser_sampler_free(sampler);
    }
    print_scores(x, scored, options);
    int wrong = 0;
    for (int bin = 0; bin < BINS; bin++)
        wrong += print_bin(x, scored, bin) > tolerance;
    if (wrong)
        fprintf(stderr, "in %d bins of energy the empty voxels' shares are off by more than %g in the mean\n", wrong, tolerance);
    size_t negative = 0;
    for (int k = 0; k < SAMPLES; k++) {
        for (size_t i = 0; i < scored * ROW; i++)
            negative += !(x[k][i] >= 0.0);
        free(x[k]);
    }
    if (negative)
        fprintf(stderr, "%zu voxels are negative\n", negative);

    laser_model_free(model), laser_generator_free(flow), laser_source_free(source);
    laser_hooks_free(hooks), laser_options_free(options);
    return wrong || negative;
}
