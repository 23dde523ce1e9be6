/* An event loop that can be cut anywhere: event i of stream s with seed k is a function of (model, k, s, i) alone, so a job
 * resumed by laser_sampler_seek gives the same bits as one that was never interrupted.
 *
 *     event_loop MODEL [EVENTS] */
#include <laser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(laser_status status)
{
    char message[512];
    if (status == LASER_OK)
        return;
    laser_last_error(message, sizeof message, NULL);
    fprintf(stderr, "%s: %s\n", laser_status_name(status), message);
    exit(1);
}

/* The sampler of one job. The seed names the production, the stream the job or rank within it. */
static laser_sampler *open_stream(const laser_model *model)
{
    const uint64_t seed = 42, stream = 7;
    laser_sampler *sampler;
    check(laser_sampler_new(model, seed, stream, NULL, &sampler));
    return sampler;
}

/* The host's loop: takes events one by one from where the sampler stands. */
static void event_loop(laser_sampler *sampler, size_t events, size_t dim, double *out)
{
    for (size_t i = 0; i < events; i++) {
        /* By rejection (the default) 1, except for the rare events above w_max, at most one in a hundred: they carry w/w_max,
         * mostly between 1 and 1.5. By reweight every event has its own. A host fills its histograms with this weight;
         * here only the events are compared. */
        double weight;
        check(laser_sampler_next(sampler, out + i * dim, &weight));
    }
}

int main(int argc, char **argv)
{
    size_t events = argc > 2 ? strtoul(argv[2], NULL, 10) : 1000, dim;
    uint64_t done;
    laser_model *model;
    if (argc < 2 || events < 2) {
        fprintf(stderr, "usage: %s MODEL [EVENTS, at least 2]\n", argv[0]);
        return 2;
    }
    check(laser_model_load(argv[1], NULL, &model));
    check(laser_model_event_dim(model, &dim));
    double *whole = malloc(events * dim * sizeof *whole), *parts = malloc(events * dim * sizeof *parts);
    if (!whole || !parts)
        return 1;

    laser_sampler *sampler = open_stream(model);
    event_loop(sampler, events, dim, whole);
    laser_sampler_free(sampler);

    /* The same job, killed after a third of its events: the host keeps one number. */
    sampler = open_stream(model);
    event_loop(sampler, events / 3, dim, parts);
    check(laser_sampler_tell(sampler, &done));
    laser_sampler_free(sampler);

    /* Perhaps another day, on another node. */
    sampler = open_stream(model);
    check(laser_sampler_seek(sampler, done));
    event_loop(sampler, events - (size_t)done, dim, parts + done * dim);
    laser_sampler_free(sampler);

    int same = memcmp(whole, parts, events * dim * sizeof *whole) == 0;
    printf("%zu events, interrupted after %llu and resumed: %s\n", events, (unsigned long long)done,
           same ? "the same bits" : "DIFFERENT events");
    free(whole);
    free(parts);
    laser_model_free(model);
    return same ? 0 : 1;
}
