/* Showers in a calorimeter, given the incident energy: a flow with a condition, refined.
 *
 *     conditional [--quick]
 *
 * The layers' energies hang together narrowly, as their sum hardly fluctuates: the flow smears that, the refinement restores it. Half a
 * minute on one thread; --quick, for tests, shows that it works, not how well. */
#include "simulator.h"
#include "toolbox.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LAYERS = 4, ROW = LAYERS + 1, BINS = 3 };

static const double edges[BINS + 1] = {10.0, 21.5, 46.4, 100.0}; /* of the incident energy, GeV */

/* An energy between two bounds, even in its logarithm. */
static double incident(simulator *s, double low, double high)
{
    return low * pow(high / low, simulator_uniform(s));
}

/* The energies that a photon of `energy` leaves in the layers. Depths are in radiation lengths. */
static void shower(simulator *s, double energy, double *layers)
{
    static const double ends[LAYERS] = {4.0, 8.0, 14.0, 25.0};
    double depth_fluctuation, length_fluctuation, resolution, unused, before = 0.0;
    simulator_normal_pair(s, &depth_fluctuation, &length_fluctuation);
    simulator_normal_pair(s, &resolution, &unused);
    /* The photon converts somewhere, then the shower grows; half of its energy lies above `depth`. */
    const double conversion = -9.0 / 7.0 * log(simulator_uniform(s));
    const double depth = (3.0 + log(energy)) * exp(0.12 * depth_fluctuation) + conversion;
    const double steepness = 3.5 * exp(0.08 * length_fluctuation);
    const double visible = energy * fmax(0.1, 1.0 + hypot(0.1 / sqrt(energy), 0.007) * resolution);
    for (int i = 0; i < LAYERS; i++) {
        const double share = 1.0 / (1.0 + pow(depth / ends[i], steepness));
        layers[i] = visible * (share - before);
        before = share;
    }
}

/* The source: rows of the layers' energies, the condition last. */
static int32_t simulate(size_t n, size_t dim, double *x, double *w, size_t *got, void *user)
{
    (void)w; /* unweighted */
    for (size_t i = 0; i < n; i++, x += dim) {
        x[LAYERS] = incident(user, edges[0], edges[BINS]);
        shower(user, x[LAYERS], x);
    }
    *got = n;
    return 0;
}

/* Showers of one bin as they are scored: the layers' energies and their sum, all over the incident energy. */
typedef struct {
    double *x, *w;
    laser_source *source;
} sample;

static sample new_sample(size_t n)
{
    sample s = {new_rows(n, ROW), new_rows(n, 1), NULL};
    return s;
}

static void finish_sample(sample *s, size_t n, const double *layers, const double *energies)
{
    for (size_t i = 0; i < n; i++) {
        double *x = s->x + i * ROW;
        x[LAYERS] = 0.0;
        for (int k = 0; k < LAYERS; k++) {
            x[k] = layers[i * LAYERS + k] / energies[i];
            x[LAYERS] += x[k];
        }
    }
    s->source = sample_of(s->x, s->w, n, ROW);
}

static void free_sample(sample *s)
{
    laser_source_free(s->source);
    free(s->x), free(s->w);
}

/* Showers of bin `bin`: of the simulator if `sampler` is NULL, else generated for energies that `s` draws. */
static sample draw(simulator *s, laser_sampler *sampler, int bin, size_t n)
{
    sample out = new_sample(n);
    double *energies = new_rows(n, 1), *layers = new_rows(n, LAYERS);
    for (size_t i = 0; i < n; i++) {
        energies[i] = incident(s, edges[bin], edges[bin + 1]);
        out.w[i] = 1.0;
        if (!sampler)
            shower(s, energies[i], layers + i * LAYERS);
    }
    if (sampler)
        check(laser_sampler_generate_given(sampler, n, 0, energies, 0, layers, out.w, NULL), "generating");
    finish_sample(&out, n, layers, energies);
    free(energies), free(layers);
    return out;
}

static void print_response(const sample *s, size_t n)
{
    double mean, width;
    moments(n, s->x + LAYERS, ROW, s->w, &mean, &width);
    printf("   %6.4f  %6.4f\n", mean, width / mean);
}

static void print_row(const char *name, const sample *truth, const sample *s, size_t n)
{
    distance d[ROW];
    printf("  %-18s", name);
    for (size_t f = 0; f < ROW; f++) {
        d[f] = emd_1d(truth->source, s->source, f);
        printf("  %6.2f +- %4.2f", 1e3 * d[f].value, 1e3 * d[f].error);
    }
    print_response(s, n);
    printf("  %-18s", "  its floor");
    for (size_t f = 0; f < ROW; f++)
        printf("  %6.2f +- %4.2f", 1e3 * d[f].floor, 1e3 * d[f].floor_spread);
    printf("\n");
}

static void print_bin(int bin, const laser_model *model, size_t n)
{
    static const char *const methods[] = {"baseline", "rejection"};
    simulator random;
    simulator_start(&random, NULL, 100 + (uint64_t)bin);
    sample truth = draw(&random, NULL, bin, n);
    printf("\n%5.1f to %5.1f GeV  ", edges[bin], edges[bin + 1]);
    for (int k = 1; k <= LAYERS; k++)
        printf("%14s %d", "layer", k);
    printf("%16s   response, resolution\n  %-98s", "sum", "simulator");
    print_response(&truth, n);
    for (int k = 0; k < 2; k++) {
        laser_sampler *sampler = sampler_of(model, methods[k], 42 + (uint64_t)bin);
        sample s = draw(&random, sampler, bin, n);
        print_row(methods[k], &truth, &s, n);
        free_sample(&s);
        laser_sampler_free(sampler);
    }
    free_sample(&truth);
}

int main(int argc, char **argv)
{
    const int quick = argc > 1 && strcmp(argv[1], "--quick") == 0;
    /* The last value of the source's rows is the condition; all are energies, so positive. */
    laser_options *options =
        settings(quick ? "{\"preset\": \"fast\", \"conditions\": 1, \"features.scaling\": \"log(0)\","
                         " \"flow\": {\"blocks\": 4, \"units\": 16, \"epochs\": 1, \"steps\": 20},"
                         " \"classifier\": {\"layers\": 2, \"units\": 16, \"epochs\": 1, \"steps\": 20}, \"weights.events\": 5000}"
                       : "{\"preset\": \"fast\", \"conditions\": 1, \"features.scaling\": \"log(0)\","
                         " \"classifier\": {\"layers\": 5, \"units\": 64, \"epochs\": 40}}");
    laser_hooks *hooks = watch();
    simulator showers;
    laser_source *source;
    laser_generator *flow;
    laser_model *model;
    simulator_start(&showers, NULL, 1);
    check(laser_source_from_callback(ROW, 0, simulate, &showers, &source), "source");
    check(laser_generator_train(source, options, hooks, &flow), "training the generator");
    check(laser_refine(flow, source, options, hooks, &model), "refining");

    printf("Earth mover's distance to the simulator, in thousandths of the incident energy\n");
    for (int bin = 0; bin < BINS; bin++)
        print_bin(bin, model, quick ? 1000 : 30000);

    laser_model_free(model), laser_generator_free(flow), laser_source_free(source);
    laser_hooks_free(hooks), laser_options_free(options);
    return 0;
}
