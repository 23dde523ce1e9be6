/* A toy to test with: events of two dimensions, networks of a few units, trained for a few steps. */
#ifndef TOY_H
#define TOY_H

#include "check.h"

#include <math.h>

enum { TOY_DIM = 2 };

static inline laser_options *toy_options(void)
{
    static const char json[] = "{\"flow\": {\"blocks\": 2, \"layers\": 2, \"units\": 8, \"epochs\": 1, \"steps\": 5, \"batch\": 64},"
                               " \"classifier\": {\"layers\": 2, \"units\": 8, \"epochs\": 1, \"steps\": 5, \"batch\": 64},"
                               " \"validation.events\": 200, \"weights.events\": 2000,"
                               " \"gan\": {\"layers\": 2, \"units\": 8, \"epochs\": 1, \"steps\": 5, \"batch\": 64, \"pool\": 1000},"
                               " \"refiner_flow\": {\"blocks\": 2, \"layers\": 1, \"units\": 8, \"epochs\": 1, \"steps\": 5, \"batch\": 64, \"pool\": 1000},"
                               " \"matching\": {\"layers\": 2, \"units\": 8, \"epochs\": 1, \"steps\": 5, \"batch\": 64, \"pool\": 1000},"
                               " \"surrogate\": {\"layers\": 2, \"units\": 8, \"epochs\": 1, \"steps\": 5, \"batch\": 64, \"pool\": 1000},"
                               " \"hmc\": {\"chains\": 16, \"step_size\": 0.1, \"leapfrog\": 3, \"burn_in\": 5}}";
    laser_options *options = NULL;
    REQUIRE_OK(laser_options_from_json(json, &options));
    return options;
}

/* Uniform in (0, 1]; a linear congruential generator is random enough here. */
static inline double toy_uniform(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return ((double)(*state >> 11) + 1.0) * 0x1p-53;
}

/* n events, normal with means (1, -2) and standard deviations (1, 0.5). */
static inline void toy_events(size_t n, double *x, uint64_t *state)
{
    for (size_t i = 0; i < n; i++) {
        double radius = sqrt(-2.0 * log(toy_uniform(state))), angle = 6.283185307179586 * toy_uniform(state);
        x[2 * i] = 1.0 + radius * cos(angle);
        x[2 * i + 1] = -2.0 + 0.5 * radius * sin(angle);
    }
}

/* A laser_events_fn; user is the uint64_t state. */
static inline int32_t toy_simulate(size_t n, size_t dim, double *x, double *w, size_t *got, void *user)
{
    (void)dim;
    (void)w;
    toy_events(n, x, user);
    *got = n;
    return 0;
}

static inline laser_source *toy_source(uint64_t *state)
{
    laser_source *source = NULL;
    REQUIRE_OK(laser_source_from_callback(TOY_DIM, 0, toy_simulate, state, &source));
    return source;
}

/* Ends the program as skipped if this build cannot train. */
static inline laser_generator *toy_generator(const laser_options *options)
{
    uint64_t state = 1;
    laser_source *source = toy_source(&state);
    laser_generator *generator = NULL;
    laser_status status = laser_generator_train(source, options, NULL, &generator);
    if (status == LASER_ERR_UNSUPPORTED) {
        printf("skipped: %s\n", check_last_error());
        exit(SKIPPED);
    }
    REQUIRE_OK(status);
    laser_source_free(source);
    return generator;
}

static inline laser_model *toy_model(const laser_options *options)
{
    uint64_t state = 2;
    laser_generator *generator = toy_generator(options);
    laser_source *source = toy_source(&state);
    laser_model *model = NULL;
    REQUIRE_OK(laser_refine(generator, source, options, NULL, &model));
    laser_source_free(source);
    laser_generator_free(generator);
    return model;
}

/* Options that differ from `options` in the method of sampling alone. */
static inline laser_options *toy_method(const laser_options *options, const char *method)
{
    static char json[65536];
    laser_options *copy = NULL;
    REQUIRE_OK(laser_options_to_json(options, json, sizeof json, NULL));
    REQUIRE_OK(laser_options_from_json(json, &copy));
    REQUIRE_OK(laser_options_set_str(copy, "sampler.method", method));
    return copy;
}

#endif
