/* The smallest use of liblaser: learn from the host's own events, refine, generate.
 * Settings this small show the calls, not the quality; leave them out for the defaults. */
#include <laser.h>
#include <stdio.h>
#include <stdlib.h>

/* The host's simulator, pulled batch by batch: n events of dim values. Here a uniform disc. */
static int32_t disc(size_t n, size_t dim, double *x, double *w, size_t *got, void *user)
{
    unsigned *state = user;
    (void)w; /* unweighted */
    for (size_t i = 0; i < n;) {
        double r2 = 0.0;
        for (size_t j = 0; j < dim; j++) {
            *state = *state * 1664525u + 1013904223u;
            x[i * dim + j] = *state / 2147483648.0 - 1.0;
            r2 += x[i * dim + j] * x[i * dim + j];
        }
        i += r2 < 1.0;
    }
    *got = n;
    return 0; /* anything else stops the training */
}

static void check(laser_status status)
{
    char message[512];
    if (status == LASER_OK)
        return;
    laser_last_error(message, sizeof message, NULL);
    fprintf(stderr, "%s: %s\n", laser_status_name(status), message);
    exit(1);
}

int main(void)
{
    const char *settings = "{\"preset\": \"fast\", \"flow\": {\"blocks\": 4, \"units\": 16, \"epochs\": 2, \"steps\": 20},"
                           " \"classifier\": {\"epochs\": 2, \"steps\": 20}, \"weights.events\": 5000}";
    unsigned state = 1;
    laser_options *options;
    laser_source *source;
    laser_generator *flow;
    laser_model *model;
    laser_sampler *sampler;
    double x[5][2];

    check(laser_options_from_json(settings, &options));
    check(laser_source_from_callback(2, 0, disc, &state, &source));
    check(laser_generator_train(source, options, NULL, &flow));
    check(laser_refine(flow, source, options, NULL, &model));
    check(laser_sampler_new(model, 42, 0, options, &sampler));
    check(laser_sampler_generate(sampler, 5, 2, x[0], NULL, NULL));
    for (int i = 0; i < 5; i++)
        printf("%9.5f %9.5f\n", x[i][0], x[i][1]);

    laser_sampler_free(sampler), laser_model_free(model), laser_generator_free(flow);
    laser_source_free(source), laser_options_free(options);
    return 0;
}
