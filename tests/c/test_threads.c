/* Threads: one model for all, a sampler each, and together the events of one thread; a handle used by two says busy. */
#include "toy.h"

#include <pthread.h>

enum { THREADS = 4, EACH = 2500 };

typedef struct {
    const laser_model *model;
    const laser_options *options;
    uint64_t first;
    double x[EACH][2], w[EACH], log_w[EACH];
    laser_sampler *shared;
    int done, busy;
} worker;

static worker workers[THREADS];
static double expected[THREADS * EACH][2], expected_log_w[THREADS * EACH];

/* Its share of the events, and with the model that all share, their weights. */
static void *generate(void *user)
{
    worker *w = user;
    laser_sampler *s = NULL;
    if (laser_sampler_new(w->model, 3, 1, w->options, &s) != LASER_OK || laser_sampler_seek(s, w->first) != LASER_OK)
        return NULL;
    for (size_t i = 0; i < EACH; i += EACH / 5)
        w->done += laser_sampler_generate(s, EACH / 5, 2, w->x[i], w->w, NULL) == LASER_OK;
    w->done += laser_model_log_weight(w->model, w->options, EACH, w->x[0], 2, w->log_w) == LASER_OK;
    laser_sampler_free(s);
    return NULL;
}

/* Two threads at one sampler: every call does its whole work or none. */
static void *quarrel(void *user)
{
    worker *w = user;
    for (int i = 0; i < 50; i++) {
        laser_status status = laser_sampler_generate(w->shared, 10, 2, w->x[0], NULL, NULL);
        w->done += status == LASER_OK;
        w->busy += status == LASER_ERR_BUSY;
    }
    return NULL;
}

/* The last error belongs to its thread. */
static void *fail(void *user)
{
    char *message = user;
    laser_last_error(message, 64, NULL);
    if (message[0] == '\0' && laser_device_check(NULL) == LASER_ERR_NULL)
        laser_last_error(message, 64, NULL);
    return NULL;
}

static void run(void *(*what)(void *), int threads)
{
    pthread_t ids[THREADS];
    for (int i = 0; i < threads; i++)
        REQUIRE(pthread_create(&ids[i], NULL, what, &workers[i]) == 0);
    for (int i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);
}

static void shared_work(const laser_model *model, const laser_options *o, const char *method)
{
    laser_options *options = toy_method(o, method);
    laser_sampler *s = NULL;
    REQUIRE_OK(laser_sampler_new(model, 3, 1, options, &s));
    REQUIRE_OK(laser_sampler_generate(s, THREADS * EACH, 2, expected[0], expected_log_w, NULL));
    memset(workers, 0, sizeof workers);
    for (int i = 0; i < THREADS; i++) {
        REQUIRE_OK(laser_model_log_weight(model, options, EACH, expected[i * EACH], 2, expected_log_w + i * EACH));
        workers[i].model = model;
        workers[i].options = options;
        workers[i].first = (uint64_t)i * EACH;
    }
    run(generate, THREADS);
    for (int i = 0; i < THREADS; i++) {
        CHECK(workers[i].done == 6);
        CHECK(memcmp(workers[i].x, expected[i * EACH], sizeof workers[i].x) == 0);
        CHECK(memcmp(workers[i].log_w, expected_log_w + i * EACH, sizeof workers[i].log_w) == 0);
    }
    laser_sampler_free(s);
    laser_options_free(options);
}

int main(void)
{
    laser_options *o = toy_options();
    laser_model *model = toy_model(o);
    shared_work(model, o, "rejection");
    shared_work(model, o, "reweight");

    laser_sampler *s = NULL;
    uint64_t event = 0;
    REQUIRE_OK(laser_sampler_new(model, 3, 1, o, &s));
    memset(workers, 0, sizeof workers);
    workers[0].shared = workers[1].shared = s;
    run(quarrel, 2);
    CHECK(workers[0].done + workers[0].busy == 50 && workers[1].done + workers[1].busy == 50);
    CHECK(laser_sampler_tell(s, &event) == LASER_OK && event == 10u * (unsigned)(workers[0].done + workers[1].done));
    laser_sampler_free(s);

    char message[64] = "";
    pthread_t thread;
    CHECK_FAILS(laser_options_new(NULL, NULL), LASER_ERR_NULL);
    REQUIRE(pthread_create(&thread, NULL, fail, message) == 0);
    pthread_join(thread, NULL);
    CHECK(strstr(message, "device") != NULL);
    CHECK(strstr(check_last_error(), "out") != NULL);
    laser_model_free(model);
    laser_options_free(o);
    return check_result();
}
