#define _POSIX_C_SOURCE 200809L
#include "paper.h"

#include <time.h>

enum { BLOCK = 10000, LATENT_EVENTS = 500000 };

/* A block of events with their latent points and weights. */
static double x[BLOCK][2], z[BLOCK][2], w[BLOCK];

double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void new_histograms(sample *s, const simulator_target *t)
{
    check(laser_histogram_new(BINS, t->x_lo, t->x_hi, BINS, t->y_lo, t->y_hi, &s->feature), "histogram");
    check(laser_histogram_new(BINS, -LATENT_RANGE, LATENT_RANGE, BINS, -LATENT_RANGE, LATENT_RANGE, &s->latent), "histogram");
}

void free_histograms(sample *s)
{
    laser_histogram_free(s->feature);
    laser_histogram_free(s->latent);
}

static uint64_t block_of(uint64_t left)
{
    return left < BLOCK ? left : BLOCK;
}

void simulate(sample *s, const simulator_target *target, uint64_t seed, const laser_model *model)
{
    simulator stream;
    simulator_start(&stream, target, seed);
    new_histograms(s, target);
    for (uint64_t done = 0, n; done < s->events; done += n) {
        n = block_of(s->events - done);
        simulator_draw(&stream, n, x[0]);
        check(laser_histogram_fill(s->feature, n, x[0], 2, NULL), "simulated events");
        if (model && done < LATENT_EVENTS) {
            check(laser_model_latent(model, NULL, n, x[0], 2, z[0], 2), "inverting the flow");
            check(laser_histogram_fill(s->latent, n, z[0], 2, NULL), "latent points");
            s->latent_events += n;
        }
    }
}

static laser_status fill(sample *s, laser_sampler *sampler)
{
    double spent = 0.0;
    for (uint64_t left = s->events, n; left > 0; left -= n) {
        n = block_of(left);
        const double start = cpu_seconds();
        const laser_status status = laser_sampler_generate_latent(sampler, n, 2, x[0], 2, z[0], w);
        spent += cpu_seconds() - start;
        if (status != LASER_OK)
            return status;
        check(laser_histogram_fill(s->feature, n, x[0], 2, s->weighted ? w : NULL), "events");
        check(laser_histogram_fill(s->latent, n, z[0], 2, s->weighted ? w : NULL), "latent points");
        /* The first events of chains have their burn-in. */
        const uint64_t done = s->events - left + n;
        s->us_per_event = 1e6 * spent / (double)done;
        if (s->us_per_event > too_slow && done > s->events / 20)
            break;
    }
    return laser_sampler_get_f64(sampler, "calls_per_event", &s->calls_per_event);
}

laser_status generate(sample *s, const simulator_target *target, const laser_model *model, uint64_t seed)
{
    laser_options *options;
    laser_sampler *sampler;
    check(laser_options_new(NULL, &options), "options");
    laser_status status = laser_options_set_str(options, "sampler.method", s->name);
    if (status == LASER_OK)
        status = laser_sampler_new(model, seed, 0, options, &sampler);
    laser_options_free(options);
    if (status != LASER_OK)
        return status;
    new_histograms(s, target);
    status = fill(s, sampler);
    laser_sampler_free(sampler);
    return status;
}

score compare(const sample *truth, const sample *other)
{
    score s;
    check(laser_jsd(truth->feature, other->feature, &s.jsd, &s.jsd_paper), "JSD");
    check(laser_emd(truth->feature, other->feature, &s.emd, &s.emd_paper), "EMD");
    return s;
}
