/* Unfolds and refines a detector simulation, a black box with random numbers of its own.
 *
 *     detector [--quick]
 *
 * The simulation makes two jets of six standard normal numbers z (the particle level), then smears them with hidden random numbers
 * (the detector level): one z has many events, and w(g(z)) is no function of it. OmniFold learns weights as a function of z from events
 * of the detector level alone. Here the "data" follow a known law, so that the particle level found can be compared with the true one.
 *
 * Half a minute on one thread; --quick, for tests, shows that it works, not how well. */
#include "simulator.h"
#include "toolbox.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LATENT = 6, FEATURES = 6, PARTICLE = 3 };

static const char *const features[FEATURES] = {"pT 1 [GeV]", "pT 2 [GeV]", "eta 1", "eta 2", "pi - |dphi|", "mass [GeV]"};
static const char *const quantities[PARTICLE] = {"scale q [GeV]", "acoplanarity", "mass / q"};

/* The physics, which simulation and nature disagree on. */
typedef struct {
    double slope;        /* of the spectrum: dN/dq ~ q^-(slope + 1) */
    double mass;         /* jet mass over q, at its median */
    double acoplanarity; /* width of the jets' angle about back to back */
    double radiation;    /* how much heavier jets are that radiate, so that they are not back to back */
} law;

static const law simulation = {6.0, 0.100, 0.25, 0.0}, nature = {5.4, 0.105, 0.27, 0.25};

/* Two jets before the detector. */
typedef struct {
    double q, pt[2], eta[2], acoplanarity, mass;
} dijet;

static dijet particles(const law *l, const double *z)
{
    dijet d;
    d.q = 80.0 * pow(0.5 * erfc(z[0] * sqrt(0.5)), -1.0 / l->slope);
    d.pt[0] = d.q * exp(0.1 * z[1]);
    d.pt[1] = d.q * exp(-0.1 * z[1]);
    d.eta[0] = 0.8 * z[2] + 0.6 * z[3];
    d.eta[1] = 0.8 * z[2] - 0.6 * z[3];
    d.acoplanarity = l->acoplanarity * z[4];
    d.mass = l->mass * d.q * exp(0.3 * (z[5] + l->radiation * fabs(z[4])));
    return d;
}

static double normal(simulator *s)
{
    double a, b;
    simulator_normal_pair(s, &a, &b);
    return a;
}

/* What the detector makes of them: six features, jets ordered by their measured pT, the sign of the angle lost. */
static void detect(const dijet *d, simulator *s, double *x)
{
    double pt[2], eta[2];
    for (int j = 0; j < 2; j++) {
        const double energy = d->pt[j] * cosh(d->eta[j]);
        const double resolution = hypot(0.8 / sqrt(energy), 0.05);
        pt[j] = d->pt[j] * fmax(0.05, 1.0 + resolution * normal(s));
        if (simulator_uniform(s) < 0.03) /* lost in dead material */
            pt[j] *= pow(simulator_uniform(s), 0.3);
        eta[j] = d->eta[j] + 0.05 * normal(s);
    }
    const int first = pt[1] > pt[0];
    x[0] = pt[first], x[1] = pt[!first];
    x[2] = eta[first], x[3] = eta[!first];
    x[4] = acos(cos(d->acoplanarity + 0.05 * normal(s)));
    x[5] = d->mass * exp(0.12 * normal(s));
}

/* The generator that liblaser sees. */
static int32_t simulate(size_t n, const double *z, size_t zdim, const double *c, size_t cdim, double *x, size_t xdim, void *user)
{
    (void)c, (void)cdim; /* no conditions */
    for (size_t i = 0; i < n; i++) {
        const dijet d = particles(&simulation, z + i * zdim);
        detect(&d, user, x + i * xdim);
    }
    return 0;
}

/* Events of both levels. */
typedef struct {
    size_t n;
    double *x, *particle, *w;
} sample;

static sample new_sample(size_t n)
{
    sample s = {n, new_rows(n, FEATURES), new_rows(n, PARTICLE), new_rows(n, 1)};
    return s;
}

static void free_sample(sample *s)
{
    free(s->x), free(s->particle), free(s->w);
}

static void keep_particles(const dijet *d, double *particle)
{
    particle[0] = d->q;
    particle[1] = fabs(d->acoplanarity);
    particle[2] = d->mass / d->q;
}

/* Nature and its detector; the particle level is what an experiment would not know. */
static sample measure(size_t n, uint64_t seed)
{
    simulator random;
    sample s = new_sample(n);
    simulator_start(&random, NULL, seed);
    for (size_t i = 0; i < n; i++) {
        double z[LATENT];
        for (int k = 0; k < LATENT; k += 2)
            simulator_normal_pair(&random, &z[k], &z[k + 1]);
        const dijet d = particles(&nature, z);
        detect(&d, &random, s.x + i * FEATURES);
        keep_particles(&d, s.particle + i * PARTICLE);
        s.w[i] = 1.0;
    }
    return s;
}

/* The model's events: what the latents say of the particle level comes with them. */
static sample generate(const laser_model *model, const char *method, size_t n)
{
    sample s = new_sample(n);
    double *z = new_rows(n, LATENT);
    laser_sampler *sampler = sampler_of(model, method, 42);
    check(laser_sampler_generate_latent(sampler, n, 0, s.x, 0, z, s.w), method);
    for (size_t i = 0; i < n; i++) {
        const dijet d = particles(&simulation, z + i * LATENT);
        keep_particles(&d, s.particle + i * PARTICLE);
    }
    laser_sampler_free(sampler);
    free(z);
    return s;
}

enum { METHODS = 3 };
static const char *const methods[METHODS] = {"baseline", "reweight", "rejection"};

static void print_detector_level(const laser_source *data, laser_source *const *samples)
{
    printf("\nDetector level: earth mover's distance to fresh data\n%-14s", "");
    for (int k = 0; k < METHODS; k++)
        printf("  %18s", methods[k]);
    printf("  %18s\n", "floor (rejection)");
    for (size_t f = 0; f < FEATURES; f++) {
        distance d = {0};
        printf("%-14s", features[f]);
        for (int k = 0; k < METHODS; k++) {
            d = emd_1d(data, samples[k], f);
            printf("  %8.4f +- %6.4f", d.value, d.error);
        }
        printf("  %8.4f +- %6.4f\n", d.floor, d.floor_spread);
    }
    printf("%-14s", "sliced, all 6");
    distance d = {0};
    for (int k = 0; k < METHODS; k++) {
        check(laser_sliced_emd(data, samples[k], 30, 20, 1, &d.value, &d.error, &d.floor, &d.floor_spread), "sliced distance");
        printf("  %8.4f +- %6.4f", d.value, d.error);
    }
    printf("  %8.4f +- %6.4f\n", d.floor, d.floor_spread);
}

/* How well a classifier that knows neither tells data from a sample, in all six features: 0.5 is not at all. */
static void print_auc(const laser_source *data, laser_source *const *samples, const laser_options *options)
{
    printf("%-14s", "AUC");
    for (int k = 0; k < METHODS; k++) {
        double auc, error;
        check(laser_two_sample_auc(data, samples[k], options, NULL, &auc, &error), "two-sample test");
        printf("  %8.4f +- %6.4f", auc, error);
    }
    printf("  %8.4f\n", 0.5);
}

/* Correlation of acoplanarity and mass / q. */
static double correlation(const sample *s)
{
    double mean[2], width[2], sum = 0.0, total = 0.0;
    for (int k = 0; k < 2; k++)
        moments(s->n, s->particle + 1 + k, PARTICLE, s->w, &mean[k], &width[k]);
    for (size_t i = 0; i < s->n; i++) {
        const double *p = s->particle + i * PARTICLE;
        sum += s->w[i] * (p[1] - mean[0]) * (p[2] - mean[1]);
        total += s->w[i];
    }
    return sum / (total * width[0] * width[1]);
}

static void print_particle_level(const sample *truth, const sample *samples)
{
    printf("\nParticle level, which no training has seen: mean and width\n%-14s", "");
    for (int k = 0; k < METHODS; k++)
        printf("  %18s", methods[k]);
    printf("  %18s\n", "true");
    for (int q = 0; q < PARTICLE; q++) {
        printf("%-14s", quantities[q]);
        for (int k = 0; k <= METHODS; k++) {
            const sample *s = k < METHODS ? &samples[k] : truth;
            double mean, width;
            moments(s->n, s->particle + q, PARTICLE, s->w, &mean, &width);
            printf("  %8.4f   %7.4f", mean, width);
        }
        printf("\n");
    }
    printf("%-14s", "correlation");
    for (int k = 0; k <= METHODS; k++)
        printf("  %8.4f   %7s", correlation(k < METHODS ? &samples[k] : truth), "");
    printf("   (of the last two)\n");
}

static void print_iterations(const laser_model *model)
{
    char key[64];
    double change;
    printf("OmniFold: the weights changed by");
    for (int i = 0; snprintf(key, sizeof key, "omnifold.changes.%d", i), laser_model_get_f64(model, key, &change) == LASER_OK; i++)
        printf(" %.3f", change);
    printf(" (root mean square, iteration by iteration)\n");
}

int main(int argc, char **argv)
{
    const int quick = argc > 1 && strcmp(argv[1], "--quick") == 0;
    const size_t trained = quick ? 5000 : 400000, scored = quick ? 4000 : 100000;
    laser_options *options =
        settings(quick ? "{\"preset\": \"fast\", \"pullback\": {\"events\": 5000, \"epochs\": 1, \"iterations\": 2},"
                         " \"classifier\": {\"layers\": 2, \"units\": 16, \"epochs\": 1, \"batch\": 200}, \"weights.events\": 2000}"
                       : "{\"preset\": \"fast\", \"pullback\": {\"events\": 400000, \"epochs\": 6, \"iterations\": 5},"
                         " \"classifier\": {\"layers\": 4, \"units\": 64, \"epochs\": 16}}");
    check(laser_options_set_str(options, "features.scaling", "log(0),log(0),standardise,standardise,standardise,log(0)"), "scaling");
    laser_hooks *hooks = watch();

    simulator hidden; /* the detector's own random numbers */
    laser_generator *generator;
    laser_model *model;
    simulator_start(&hidden, NULL, 1);
    check(laser_generator_from_callback(LATENT, 0, FEATURES, 1, simulate, &hidden, options, &generator), "generator");

    sample data = measure(trained, 2), truth = measure(scored, 3), samples[METHODS];
    laser_source *target = sample_of(data.x, NULL, data.n, FEATURES), *reference = sample_of(truth.x, NULL, truth.n, FEATURES);
    laser_source *sources[METHODS];
    check(laser_refine(generator, target, options, hooks, &model), "refining");
    print_iterations(model);

    for (int k = 0; k < METHODS; k++) {
        samples[k] = generate(model, methods[k], scored);
        sources[k] = sample_of(samples[k].x, samples[k].w, scored, FEATURES);
    }
    print_detector_level(reference, sources);
    print_auc(reference, sources, options);
    print_particle_level(&truth, samples);

    for (int k = 0; k < METHODS; k++) {
        laser_source_free(sources[k]);
        free_sample(&samples[k]);
    }
    laser_source_free(reference), laser_source_free(target);
    free_sample(&data), free_sample(&truth);
    laser_model_free(model), laser_generator_free(generator);
    laser_hooks_free(hooks), laser_options_free(options);
    return 0;
}
