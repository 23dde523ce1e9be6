/* Loads the model that demo_train saved, generates with every method the model has, and scores the events
 * against the simulator's.
 *
 *     demo_sample DIR [TARGET] [--events N] [--hmc-events N] [--threads N] [--seed N]
 *
 * Prints a table; writes DIR/scores.json and the histograms that scripts/plot_demo.py draws. HMC is left out unless it is
 * given a number of events. */
#define _POSIX_C_SOURCE 200809L
#include "demo_report.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BLOCK = 10000, TIMED_EVENTS = 200000, LATENT_EVENTS = 500000, MAX_THREADS = 64 };

/* Runs `count` tasks on `threads` threads, this one among them; each takes the next task when it is done with one. */
typedef struct {
    void (*run)(void *task);
    char *tasks;
    size_t size, count, next;
    pthread_mutex_t lock;
} task_list;

static void *work(void *user)
{
    task_list *list = user;
    for (;;) {
        pthread_mutex_lock(&list->lock);
        size_t mine = list->next++;
        pthread_mutex_unlock(&list->lock);
        if (mine >= list->count)
            return NULL;
        list->run(list->tasks + mine * list->size);
    }
}

static void run_tasks(void (*run)(void *), void *tasks, size_t size, size_t count, size_t threads)
{
    task_list list = {run, tasks, size, count, 0, PTHREAD_MUTEX_INITIALIZER};
    pthread_t helpers[MAX_THREADS];
    size_t started = 0;
    while (started + 1 < threads && pthread_create(&helpers[started], NULL, work, &list) == 0)
        started++;
    work(&list);
    while (started > 0)
        pthread_join(helpers[--started], NULL);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static laser_histogram *feature_histogram(const simulator_target *t)
{
    laser_histogram *h;
    check(laser_histogram_new(BINS, t->x_lo, t->x_hi, BINS, t->y_lo, t->y_hi, &h), "histogram");
    return h;
}

static laser_histogram *latent_histogram(void)
{
    laser_histogram *h;
    check(laser_histogram_new(BINS, -LATENT_RANGE, LATENT_RANGE, BINS, -LATENT_RANGE, LATENT_RANGE, &h), "histogram");
    return h;
}

/* A block of events with their latent points and weights. */
typedef struct {
    double x[BLOCK][2], z[BLOCK][2], w[BLOCK];
} block;

static block *new_block(void)
{
    block *b = malloc(sizeof *b);
    if (!b) {
        fprintf(stderr, "out of memory\n");
        exit(1);
    }
    return b;
}

/* The events from number `first` on, drawn by a sampler of their own. */
typedef struct {
    const laser_model *model;
    const laser_options *options; /* names the method */
    uint64_t seed, first, events;
    int weighted; /* whether the events count with their weights */
    laser_histogram *feature, *latent;
    double seconds; /* spent generating, without filling the histograms */
} range;

static void generate_range(void *task)
{
    range *r = task;
    block *b = new_block();
    const double *w = r->weighted ? b->w : NULL;
    laser_sampler *sampler;
    check(laser_sampler_new(r->model, r->seed, 0, r->options, &sampler), "sampler");
    check(laser_sampler_seek(sampler, r->first), "sampler");
    for (uint64_t left = r->events, n; left > 0; left -= n) {
        n = left < BLOCK ? left : BLOCK;
        double start = seconds();
        check(laser_sampler_generate_latent(sampler, n, 2, b->x[0], 2, b->z[0], b->w), "generating");
        r->seconds += seconds() - start;
        check(laser_histogram_fill(r->feature, n, b->x[0], 2, w), "events");
        check(laser_histogram_fill(r->latent, n, b->z[0], 2, w), "latent points");
    }
    laser_sampler_free(sampler);
    free(b);
}

/* Fills the histograms of `s` with `s->events` events. The first of them are generated, and timed, on this thread with nothing else
 * running; the rest is shared by the threads, which makes the same events as one thread would. HMC walks along chains: one
 * thread, all of it timed, burn-in included. */
static void generate(sample *s, const laser_model *model, const laser_options *options, uint64_t seed, size_t threads,
                     const simulator_target *target)
{
    range ranges[MAX_THREADS + 1];
    const int in_one_piece = strcmp(s->name, "hmc") == 0 || s->events <= TIMED_EVENTS;
    const size_t shares = in_one_piece ? 0 : threads;
    const uint64_t timed = in_one_piece ? s->events : TIMED_EVENTS;
    for (uint64_t i = 0, first = 0; i <= shares; first += ranges[i++].events) {
        uint64_t events = i == 0 ? timed : (s->events - first) / (shares - i + 1);
        range r = {model, options, seed, first, events, s->weighted, feature_histogram(target), latent_histogram(), 0.0};
        ranges[i] = r;
    }
    generate_range(&ranges[0]);
    run_tasks(generate_range, &ranges[1], sizeof ranges[0], shares, threads);

    s->us_per_event = 1e6 * ranges[0].seconds / (double)timed;
    s->feature = ranges[0].feature;
    s->latent = ranges[0].latent;
    for (size_t i = 1; i <= shares; i++) {
        check(laser_histogram_merge(s->feature, ranges[i].feature), "merging");
        check(laser_histogram_merge(s->latent, ranges[i].latent), "merging");
        laser_histogram_free(ranges[i].feature);
        laser_histogram_free(ranges[i].latent);
    }
}

/* Fills the feature histogram of `s` with simulated events, and its latent one with where the model's inverse puts the first
 * of them. */
static void simulate(sample *s, const simulator_target *target, uint64_t seed, const laser_model *model)
{
    simulator stream;
    block *b = new_block();
    simulator_start(&stream, target, seed);
    s->feature = feature_histogram(target);
    s->latent = latent_histogram();
    for (uint64_t done = 0, n; done < s->events; done += n) {
        n = s->events - done < BLOCK ? s->events - done : BLOCK;
        simulator_draw(&stream, n, b->x[0]);
        check(laser_histogram_fill(s->feature, n, b->x[0], 2, NULL), "simulated events");
        if (model && done < LATENT_EVENTS) {
            check(laser_model_latent(model, NULL, n, b->x[0], 2, b->z[0], 2), "inverting the generator");
            check(laser_histogram_fill(s->latent, n, b->z[0], 2, NULL), "latent points");
            s->latent_events += n;
        }
    }
    free(b);
}

static void free_histograms(sample *s)
{
    laser_histogram_free(s->feature);
    laser_histogram_free(s->latent);
}

/* One pair to score. */
typedef struct {
    const sample *truth;
    sample *other;
} comparison;

static void compare(void *task)
{
    comparison *c = task;
    const laser_histogram *p = c->truth->feature, *q = c->other->feature;
    score *s = &c->other->score;
    check(laser_jsd(p, q, &s->jsd, &s->jsd_paper), "JSD");
    check(laser_emd(p, q, &s->emd, &s->emd_paper), "EMD");
}

/* How to read the table, and how to get the rows that it lacks. */
static void print_notes(const report *r, const char *program, const char *dir)
{
    const int hmc = find_method(r, "hmc") != NULL, learned = find_method(r, "gan") || find_method(r, "flow") || find_method(r, "matching");
    printf("\nJSD and EMD are distances to the simulator's events, EMD in the units of x. The floor is the score of as many events of\n"
           "another simulation: the best to expect. The paper's Table 3 is quoted with its errors, blank where it has no such row;\n"
           "compare it with the columns \"as in the paper\". us/event: wall time on one thread, nothing else running, over the first\n"
           "%d events%s.\n",
           TIMED_EVENTS, hmc ? " (HMC: over all, burn-in included)" : "");
    if (!hmc)
        printf("Left out: HMC, which is slow; to add it, %s %s %s --hmc-events 100000\n", program, dir, r->target->name);
    if (!learned)
        printf("Left out: learned refiners, which must be trained; to add one, demo_train %s %s fast refiner.method=matching\n", dir,
               r->target->name);
}

int main(int argc, char **argv)
{
    const char *positional[2] = {NULL, SIMULATOR_DEFAULT_TARGET};
    const char *const flags[4] = {"--events", "--hmc-events", "--threads", "--seed"};
    unsigned long long values[4] = {2000000, 0, 2, 1};
    int given = 0, understood = 1;
    for (int i = 1; i < argc; i++) {
        int k = 0;
        while (k < 4 && strcmp(argv[i], flags[k]) != 0)
            k++;
        if (k < 4 && i + 1 < argc)
            values[k] = strtoull(argv[++i], NULL, 10);
        else if (argv[i][0] != '-' && given < 2)
            positional[given++] = argv[i];
        else
            understood = 0;
    }
    const char *dir = positional[0];
    const simulator_target *target = simulator_find(positional[1]);
    const uint64_t events = values[0], hmc_events = values[1], seed = values[3];
    const size_t threads = (size_t)values[2];
    if (!understood || !dir || !target || events == 0 || threads == 0 || threads > MAX_THREADS) {
        fprintf(stderr, "usage: %s DIR [gaussians|donut|rings|narrow_rings] [--events N] [--hmc-events N] [--threads N] [--seed N]\n", argv[0]);
        return 2;
    }

    char path[4096];
    laser_model *model;
    size_t dim, latent_dim;
    snprintf(path, sizeof path, "%s/model.laser", dir);
    check(laser_model_load(path, NULL, &model), "loading");
    check(laser_model_event_dim(model, &dim), path);
    check(laser_model_latent_dim(model, &latent_dim), path);
    if (dim != 2 || latent_dim != 2) {
        fprintf(stderr, "%s: events of %zu and latents of %zu dimensions; the targets have 2\n", path, dim, latent_dim);
        return 1;
    }

    /* The truth, and the samples of the same size that give the floors: independent simulations. */
    sample truth = {.name = "truth", .events = events}, floor = {.name = "floor", .events = events};
    sample hmc_floor = {.name = "floor", .events = hmc_events};
    simulate(&truth, target, 1000 + seed, model);
    simulate(&floor, target, 2000 + seed, NULL);
    simulate(&hmc_floor, target, 3000 + seed, NULL);

    /* The methods; those that the model has not move out of the list. */
    sample methods[] = {{.name = "baseline", .events = events, .floor = &floor},
                        {.name = "reweight", .events = events, .floor = &floor, .refined = 1, .weighted = 1},
                        {.name = "rejection", .events = events, .floor = &floor, .refined = 1},
                        {.name = "gan", .events = events, .floor = &floor, .refined = 1},
                        {.name = "flow", .events = events, .floor = &floor, .refined = 1},
                        {.name = "matching", .events = events, .floor = &floor, .refined = 1},
                        {.name = "hmc", .events = hmc_events, .floor = &hmc_floor, .refined = 1}};
    size_t count = 0;
    laser_options *options;
    check(laser_options_new(NULL, &options), "options");
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        laser_sampler *probe;
        if (methods[i].events == 0)
            continue;
        check(laser_options_set_str(options, "sampler.method", methods[i].name), "options");
        laser_status status = laser_sampler_new(model, seed, 0, options, &probe);
        if (status == LASER_ERR_UNSUPPORTED)
            continue;
        check(status, methods[i].name);
        laser_sampler_free(probe);
        fprintf(stderr, "%s: %llu events\n", methods[i].name, (unsigned long long)methods[i].events);
        methods[count] = methods[i];
        generate(&methods[count++], model, options, seed, threads, target);
    }

    fprintf(stderr, "scores\n");
    comparison comparisons[sizeof methods / sizeof methods[0] + 2];
    size_t pairs = 0;
    for (size_t i = 0; i < count; i++) {
        comparison c = {&truth, &methods[i]};
        comparisons[pairs++] = c;
    }
    comparisons[pairs].truth = &truth;
    comparisons[pairs++].other = &floor;
    if (methods[count - 1].floor == &hmc_floor) {
        comparisons[pairs].truth = &truth;
        comparisons[pairs++].other = &hmc_floor;
    }
    run_tasks(compare, comparisons, sizeof comparisons[0], pairs, threads);

    report r = {target, seed, truth, methods, count};
    print_table(&r);
    print_notes(&r, argv[0], dir);
    write_scores(&r, dir);
    write_histograms(&r, dir);

    for (size_t i = 0; i < count; i++)
        free_histograms(&methods[i]);
    free_histograms(&truth);
    free_histograms(&floor);
    free_histograms(&hmc_floor);
    laser_options_free(options);
    laser_model_free(model);
    return 0;
}
