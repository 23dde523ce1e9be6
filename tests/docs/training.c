/* A fragment about trainings: a simulator, settings small enough for a test. */
#include <laser.h>
#include <stdio.h>
#include <stdlib.h>

static int32_t simulate(size_t n, size_t dim, double *x, double *w, size_t *got, void *user)
{
    (void)w, (void)user;
    for (size_t i = 0; i < n * dim; i++)
        x[i] = rand() / (double)RAND_MAX;
    *got = n;
    return 0;
}

static int32_t triangle(size_t n, size_t dim, const double *x, int32_t *inside, void *user)
{
    (void)user;
    for (size_t i = 0; i < n; i++)
        inside[i] = x[i * dim] > x[i * dim + 1];
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
    enum { rows = 1000 };
    static double x[rows * 2];
    int state = 0;
    laser_options *options;
    laser_source *source;
    check(laser_options_from_json("{\"preset\": \"fast\", \"flow\": {\"epochs\": 1, \"steps\": 20}, "
                                  "\"classifier\": {\"epochs\": 1, \"steps\": 20}, \"weights.events\": 5000}", &options));
    check(laser_source_from_callback(2, 0, simulate, &state, &source));
    {
        /* block */
    }
    laser_source_free(source), laser_options_free(options);
    return 0;
}
