/* Reproduces the paper's Table 3 for one target: trains its flow and its classifier, makes a refiner of every kind, and scores 2 000 000
 * events of every method against the truth, several times. One thread; stages go to stderr.
 *
 *     paper DIR gaussians|donut|rings|narrow_rings [--quick]
 *
 * Writes DIR/TARGET.json, and models and histograms to DIR/TARGET; models that are there are not trained again. `make paper` runs all targets and tells what came out; --quick, for
 * tests, shows that it works, not how well. */
#define _POSIX_C_SOURCE 200809L
#include "paper.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* The paper's networks and its 240 updates of 2000 events an epoch, but fresh events from the simulator for every update where the paper
 * has 480 000 that it goes through again and again, a cosine schedule, and as many epochs as are worth their time: what such flows leave to
 * learn is little, and most of it is learned late (docs/performance.md). */
static const char flow_settings[] = "{\"preset\": \"paper\", \"weights.events\": 1000000, \"refiner.method\": \"reweight\","
                                    " \"flow\": {\"epochs\": 80, \"lr\": 0.002, \"schedule\": \"cosine\", \"warmup\": 100},"
                                    " \"classifier\": {\"epochs\": 240, \"lr\": 0.001, \"schedule\": \"cosine\", \"warmup\": 100}}";

/* The paper's flow is larger for the rings. */
static const int64_t rings_blocks = 20, rings_units = 60;

/* Chains creep past the flow's steep places, as the donut's centres are in the latent space, and hardly leave them: many short chains, all
 * of which start at resampled latents, and small steps. */
static const method methods[METHODS] = {
    {"baseline", NULL, 0},
    {"reweight", NULL, 1},
    {"rejection", NULL, 0},
    {"resampling", NULL, 0},
    {"mala",
     "{\"preset\": \"fast\", \"refiner.method\": \"mala\", \"hmc\": {\"chains\": 50000, \"target_acceptance\": 0.8, \"thin\": 6}}",
     0},
    {"hmc", "{\"preset\": \"fast\", \"refiner.method\": \"hmc\", \"hmc\": {\"chains\": 50000, \"target_acceptance\": 0.9}}", 0},
    {"gan", "{\"preset\": \"fast\", \"refiner.method\": \"gan\", \"gan\": {\"epochs\": 100, \"pool\": 2000000}}", 0},
    {"flow", "{\"preset\": \"fast\", \"refiner.method\": \"flow\", \"refiner_flow\": {\"epochs\": 40, \"pool\": 4000000}}", 0},
    {"mixture", "{\"preset\": \"fast\", \"refiner.method\": \"mixture\", \"refiner_flow\": {\"epochs\": 40, \"pool\": 4000000}}", 0},
    {"matching",
     "{\"preset\": \"fast\", \"refiner.method\": \"matching\", \"matching\": {\"epochs\": 160, \"group\": 4096, \"pool\": 480000}}",
     0},
    {"distilled",
     "{\"preset\": \"fast\", \"refiner.method\": \"distilled\","
     " \"surrogate\": {\"units\": 96, \"epochs\": 100, \"batch\": 2000, \"lr\": 0.003, \"pool\": 4000000}}",
     0},
};

/* Methods that take longer than this, in microseconds an event, have two repeats. */
static const double slow = 15.0;

/* For --quick. */
static const struct {
    const char *key;
    int64_t value;
} quick_settings[] = {
    {"validation.events", 2000}, {"weights.events", 5000},      {"flow.epochs", 1},     {"flow.steps", 20},
    {"classifier.epochs", 1},    {"classifier.steps", 20},      {"hmc.pilot", 20},      {"hmc.chains", 200},
    {"gan.epochs", 1},           {"gan.steps", 5},              {"gan.pool", 5000},     {"refiner_flow.epochs", 1},
    {"refiner_flow.steps", 5},   {"refiner_flow.pool", 5000},   {"matching.epochs", 1}, {"matching.steps", 5},
    {"matching.pool", 5000},     {"matching.group", 1000},   {"surrogate.epochs", 1},   {"surrogate.steps", 5},
    {"surrogate.pool", 5000},
};
static const uint64_t events = 2000000, quick_events = 10000;

static laser_options *options_of(const char *json, const simulator_target *target, int quick)
{
    laser_options *options = settings(json);
    if (strstr(target->name, "rings")) {
        check(laser_options_set_i64(options, "flow.blocks", rings_blocks), "rings");
        check(laser_options_set_i64(options, "flow.units", rings_units), "rings");
    }
    /* On rings as thin as that the flow's likelihood has cliffs, and there is much to learn. */
    if (strcmp(target->name, "narrow_rings") == 0) {
        check(laser_options_set_f64(options, "classifier.lr", 1.5e-3), "narrow rings");
        check(laser_options_set_f64(options, "flow.lr", 1e-3), "narrow rings");
        check(laser_options_set_f64(options, "flow.clip", 1.0), "narrow rings");
    }
    for (size_t i = 0; quick && i < sizeof quick_settings / sizeof quick_settings[0]; i++)
        check(laser_options_set_i64(options, quick_settings[i].key, quick_settings[i].value), "--quick");
    return options;
}

/* The source: fresh events for every update. */
static int32_t draw(size_t n, size_t dim, double *x, double *w, size_t *got, void *user)
{
    (void)dim, (void)w; /* SIMULATOR_DIM, unweighted */
    simulator_draw(user, n, x);
    *got = n;
    return 0;
}

static void place(char *path, size_t size, const char *dir, const char *name)
{
    snprintf(path, size, "%s/%s.laser", dir, name);
}

static void save(const laser_model *model, const char *dir, const char *name)
{
    char path[4200];
    place(path, sizeof path, dir, name);
    check(laser_model_save(model, path), "saving");
}

/* What an earlier run has left, or NULL. */
static laser_model *load(const char *dir, const char *name)
{
    char path[4200];
    laser_model *model = NULL;
    place(path, sizeof path, dir, name);
    if (access(path, R_OK) != 0)
        return NULL;
    check(laser_model_load(path, NULL, &model), "loading");
    fprintf(stderr, "  %s is there already\n", path);
    return model;
}

/* Flow and classifier. */
static laser_model *train(const simulator_target *target, const char *dir, int quick, const laser_hooks *hooks)
{
    simulator stream;
    laser_source *source;
    laser_generator *flow;
    laser_model *model = load(dir, "model");
    if (model)
        return model;
    laser_options *options = options_of(flow_settings, target, quick);
    simulator_start(&stream, target, 1);
    check(laser_source_from_callback(SIMULATOR_DIM, 0, draw, &stream, &source), "source");
    fprintf(stderr, "%s: flow\n", target->name);
    check(laser_generator_train(source, options, hooks, &flow), "training the flow");
    fprintf(stderr, "%s: classifier\n", target->name);
    check(laser_refine(flow, source, options, hooks, &model), "training the classifier");
    save(model, dir, "model");
    laser_options_free(options);
    laser_generator_free(flow);
    laser_source_free(source);
    return model;
}

static void leave_out(result *r)
{
    laser_last_error(r->left_out, sizeof r->left_out, NULL);
    fprintf(stderr, "  %s is left out: %s\n", r->first.name, r->left_out);
}

static double worst_r_hat(const laser_model *model)
{
    double first, second;
    if (laser_model_get_f64(model, "chains.r_hat.0", &first) != LASER_OK || laser_model_get_f64(model, "chains.r_hat.1", &second) != LASER_OK)
        return NAN;
    return fmax(first, second);
}

/* The method's own model, or NULL if the library refuses. */
static laser_model *refiner(const experiment *e, const method *m, const char *dir, int quick, const laser_hooks *hooks, result *r)
{
    laser_model *model = load(dir, m->name);
    if (model) {
        r->r_hat = worst_r_hat(model);
        return model;
    }
    laser_options *options = options_of(m->settings, e->target, quick);
    const time_t start = time(NULL);
    const laser_status status = laser_model_refine(e->model, NULL, options, hooks, &model);
    r->refine_seconds = difftime(time(NULL), start);
    laser_options_free(options);
    if (status != LASER_OK) {
        leave_out(r);
        return NULL;
    }
    r->r_hat = worst_r_hat(model);
    save(model, dir, m->name);
    return model;
}

/* Draws and scores the method's events, again and again. */
static void score_method(const experiment *e, const laser_model *model, result *r)
{
    double microseconds = 0.0, calls = 0.0;
    const sample empty = r->first;
    for (size_t wanted = e->repeats; r->repeats < wanted; r->repeats++) {
        sample s = empty;
        if (generate(&s, e->target, model, r->repeats + 1) != LASER_OK) {
            leave_out(r);
            return;
        }
        if (s.us_per_event > too_slow) {
            snprintf(r->left_out, sizeof r->left_out, "an event takes %.0f us, and %.0f calls of the generator", s.us_per_event,
                     s.calls_per_event);
            fprintf(stderr, "  %s is left out: %s\n", r->first.name, r->left_out);
            free_histograms(&s);
            return;
        }
        r->scores[r->repeats] = compare(&e->truths[r->repeats], &s);
        microseconds += s.us_per_event;
        calls += s.calls_per_event;
        if (r->repeats == 0)
            r->first = s;
        else
            free_histograms(&s);
        if (r->first.us_per_event > slow)
            wanted = 2;
    }
    r->first.us_per_event = microseconds / (double)r->repeats;
    r->first.calls_per_event = calls / (double)r->repeats;
    fprintf(stderr, "  %-10s JSD %.4f EMD %.4f in the paper's convention, %.1f us and %.2f calls/event\n", r->first.name, r->scores[0].jsd_paper,
            r->scores[0].emd_paper, r->first.us_per_event, r->first.calls_per_event);
}

static void run_method(const experiment *e, const method *m, const char *dir, int quick, const laser_hooks *hooks, result *r)
{
    fprintf(stderr, "%s: %s\n", e->target->name, m->name);
    laser_model *own = m->settings ? refiner(e, m, dir, quick, hooks, r) : NULL;
    if (!r->left_out[0])
        score_method(e, own ? own : e->model, r);
    laser_model_free(own);
}

/* Simulated events to compare with, and others for the floor. */
static void simulate_truth(experiment *e)
{
    for (size_t i = 0; i < e->repeats; i++) {
        const sample other = {.name = "floor", .events = e->events};
        sample floor = other, *truth = &e->truths[i];
        truth->name = "truth";
        truth->events = e->events;
        simulate(truth, e->target, 1000 + i, i == 0 ? e->model : NULL);
        simulate(&floor, e->target, 2000 + i, NULL);
        e->floors[i] = compare(truth, &floor);
        free_histograms(&floor);
    }
    fprintf(stderr, "  %-10s JSD %.4f EMD %.4f in the paper's convention\n", "floor", e->floors[0].jsd_paper, e->floors[0].emd_paper);
}

int main(int argc, char **argv)
{
    const int quick = argc == 4 && strcmp(argv[3], "--quick") == 0;
    const simulator_target *target = argc == 3 || quick ? simulator_find(argv[2]) : NULL;
    if (!target) {
        fprintf(stderr, "usage: %s DIR gaussians|donut|rings|narrow_rings [--quick]\n", argv[0]);
        return 2;
    }
    const time_t start = time(NULL);
    char dir[4096];
    snprintf(dir, sizeof dir, "%s/%s", argv[1], target->name);
    mkdir(argv[1], 0777); /* saving tells if these failed */
    mkdir(dir, 0777);

    laser_hooks *hooks = watch();
    laser_model *model = train(target, dir, quick, hooks);
    experiment e = {.target = target, .events = quick ? quick_events : events, .repeats = quick ? 2 : REPEATS, .model = model};
    simulate_truth(&e);
    for (size_t i = 0; i < METHODS; i++) {
        const sample s = {.name = methods[i].name, .weighted = methods[i].weighted, .events = e.events};
        e.results[i].first = s;
        e.results[i].r_hat = NAN;
        run_method(&e, &methods[i], dir, quick, hooks, &e.results[i]);
    }
    e.seconds = difftime(time(NULL), start);
    write_experiment(&e, argv[1], dir);
    fprintf(stderr, "%s: done in %.0f s\n", target->name, e.seconds);

    for (size_t i = 0; i < REPEATS; i++)
        free_histograms(&e.truths[i]);
    for (size_t i = 0; i < METHODS; i++)
        free_histograms(&e.results[i].first);
    laser_model_free(model);
    laser_hooks_free(hooks);
    return 0;
}
