#include "toolbox.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

void check(laser_status status, const char *what)
{
    char message[1024];
    if (status == LASER_OK)
        return;
    laser_last_error(message, sizeof message, NULL);
    fprintf(stderr, "%s: %s (%s)\n", what, message, laser_status_name(status));
    exit(1);
}

double *new_rows(size_t n, size_t dim)
{
    double *x = malloc(n * dim * sizeof *x);
    if (!x) {
        fprintf(stderr, "out of memory\n");
        exit(1);
    }
    return x;
}

static int32_t show_progress(const laser_progress *p, void *user)
{
    static const double interval = 5.0;
    time_t *printed = user, now = time(NULL);
    if (difftime(now, *printed) < interval)
        return 0;
    *printed = now;
    fprintf(stderr, "  %s: epoch %llu of %llu", laser_progress_stage(p), (unsigned long long)laser_progress_epoch(p),
            (unsigned long long)laser_progress_epochs(p));
    if (!isnan(laser_progress_loss(p)))
        fprintf(stderr, ", loss %.4f", laser_progress_loss(p));
    if (!isnan(laser_progress_seconds_left(p)))
        fprintf(stderr, ", %.0f s left", laser_progress_seconds_left(p));
    fputc('\n', stderr);
    return 0;
}

static int32_t show_message(int32_t level, const char *message, void *user)
{
    (void)user;
    fprintf(stderr, "%s%s\n", level == LASER_LOG_WARNING ? "warning: " : "", message);
    return 0;
}

laser_hooks *watch(void)
{
    static time_t printed;
    laser_hooks *hooks;
    printed = time(NULL);
    check(laser_hooks_new(&hooks), "hooks");
    check(laser_hooks_set_progress(hooks, show_progress, &printed), "hooks");
    check(laser_hooks_set_log(hooks, show_message, NULL), "hooks");
    return hooks;
}

laser_options *settings(const char *json)
{
    laser_options *options;
    check(laser_options_from_json(json, &options), "options");
    return options;
}

laser_source *sample_of(const double *x, const double *w, size_t n, size_t dim)
{
    laser_source *source;
    check(laser_source_from_array(x, w, n, dim, 0, &source), "events");
    return source;
}

laser_sampler *sampler_of(const laser_model *model, const char *method, uint64_t seed)
{
    laser_options *options;
    laser_sampler *sampler;
    check(laser_options_new(NULL, &options), "options");
    check(laser_options_set_str(options, "sampler.method", method), method);
    check(laser_sampler_new(model, seed, 0, options, &sampler), method);
    laser_options_free(options);
    return sampler;
}

distance emd_1d(const laser_source *truth, const laser_source *sample, size_t feature)
{
    enum { REPEATS = 20, SEED = 1 };
    distance d;
    check(laser_emd_1d(truth, sample, feature, REPEATS, SEED, &d.value, &d.error, &d.floor, &d.floor_spread), "distance");
    return d;
}

void moments(size_t n, const double *x, size_t stride, const double *w, double *mean, double *width)
{
    double total = 0.0, sum = 0.0, squares = 0.0;
    for (size_t i = 0; i < n; i++) {
        total += w ? w[i] : 1.0;
        sum += (w ? w[i] : 1.0) * x[i * stride];
    }
    *mean = sum / total;
    for (size_t i = 0; i < n; i++)
        squares += (w ? w[i] : 1.0) * (x[i * stride] - *mean) * (x[i * stride] - *mean);
    *width = sqrt(squares / total);
}
