/* The small model that the blocks of a page find as model.laser: a disc that is hardly learned. */
#include <laser.h>
#include <stdio.h>
#include <stdlib.h>

static int32_t disc(size_t n, size_t dim, double *x, double *w, size_t *got, void *user)
{
    (void)w, (void)user;
    for (size_t i = 0; i < n;) {
        double square = 0.0;
        for (size_t k = 0; k < dim; k++) {
            x[i * dim + k] = 2.0 * rand() / RAND_MAX - 1.0;
            square += x[i * dim + k] * x[i * dim + k];
        }
        i += square < 1.0;
    }
    *got = n;
    return 0;
}

static void check(laser_status status)
{
    char message[1000];
    if (status == LASER_OK)
        return;
    laser_last_error(message, sizeof message, NULL);
    fprintf(stderr, "%s: %s\n", laser_status_name(status), message);
    exit(1);
}

int main(void)
{
    laser_options *options;
    laser_source *source;
    laser_generator *flow;
    laser_model *model;
    check(laser_options_from_json("{\"preset\": \"fast\", \"flow\": {\"blocks\": 4, \"units\": 16, \"epochs\": 1, \"steps\": 40},"
                                  " \"classifier\": {\"units\": 16, \"epochs\": 1, \"steps\": 40}, \"weights.events\": 5000}",
                                  &options));
    check(laser_source_from_callback(2, 0, disc, NULL, &source));
    check(laser_generator_train(source, options, NULL, &flow));
    check(laser_refine(flow, source, options, NULL, &model));
    check(laser_model_save(model, "model.laser"));
    laser_model_free(model), laser_generator_free(flow), laser_source_free(source), laser_options_free(options);
    return 0;
}
