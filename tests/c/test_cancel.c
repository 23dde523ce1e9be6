/* A tripped token stops every loop before its next update: tripped by the callback, by a signal handler, by another thread. */
#define _POSIX_C_SOURCE 200809L
#include "toy.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

static laser_cancel *cancel;

/* Trips the token once, when a stage arrives at its second step. */
typedef struct {
    const char *stage;
    void (*trip)(void);
    int tripped, seen_after;
} trap;

static void trip_directly(void)
{
    laser_cancel_trip(cancel);
}

static void on_signal(int number)
{
    (void)number;
    laser_cancel_trip(cancel);
}

static void trip_by_signal(void)
{
    raise(SIGUSR1);
}

static int32_t progress(const laser_progress *p, void *user)
{
    trap *t = user;
    t->seen_after += t->tripped;
    if (!t->tripped && strcmp(laser_progress_stage(p), t->stage) == 0 && laser_progress_step(p) == 2) {
        t->trip();
        t->tripped = 1;
    }
    return 0;
}

static void every_stage(const laser_options *options, laser_hooks *hooks)
{
    static const char *const stages[] = {"flow", "classifier", "pilot", "pool", "gan"};
    uint64_t state = 1;
    laser_source *source = toy_source(&state);
    laser_generator *generator = toy_generator(options);
    for (size_t i = 0; i < sizeof stages / sizeof stages[0]; i++) {
        trap t = {stages[i], i % 2 ? trip_by_signal : trip_directly, 0, 0};
        laser_generator *no_generator = NULL;
        laser_model *model = NULL;
        CHECK_OK(laser_hooks_set_progress(hooks, progress, &t));
        laser_status status = i == 0 ? laser_generator_train(source, options, hooks, &no_generator)
                                     : laser_refine(generator, source, options, hooks, &model);
        CHECK_SAYS(status, LASER_ERR_CANCELLED, stages[i]);
        CHECK(t.tripped && t.seen_after == 0 && !no_generator && !model);

        /* Still tripped: nothing begins. */
        CHECK_FAILS(laser_refine(generator, source, options, hooks, &model), LASER_ERR_CANCELLED);
        CHECK(t.seen_after == 0 && !model);
        CHECK_OK(laser_cancel_reset(cancel));
        if (check_failures)
            printf("  ... in the stage %s\n", stages[i]);
    }
    laser_model *model = NULL;
    CHECK_OK(laser_refine(generator, source, options, hooks, &model));
    laser_model_free(model);
    laser_generator_free(generator);
    laser_source_free(source);
}

/* A sampler stops in a burn-in of many minutes, and stands where it stood. */
static void a_burn_in(laser_options *options, laser_hooks *hooks)
{
    double x[2];
    uint64_t event = 7;
    laser_model *model = NULL;
    laser_sampler *sampler = NULL;
    trap t = {"chains", trip_by_signal, 0, 0};
    CHECK_OK(laser_options_set_str(options, "refiner.method", "hmc"));
    CHECK_OK(laser_options_set_i64(options, "hmc.pilot", 0));
    CHECK_OK(laser_options_set_i64(options, "hmc.burn_in", 100000000));
    CHECK_OK(laser_hooks_set_progress(hooks, NULL, NULL));
    model = toy_model(options);
    CHECK_OK(laser_sampler_new(model, 1, 0, NULL, &sampler));
    CHECK_OK(laser_hooks_set_progress(hooks, progress, &t));
    CHECK_OK(laser_sampler_set_hooks(sampler, hooks));
    CHECK_SAYS(laser_sampler_next(sampler, x, NULL), LASER_ERR_CANCELLED, "chains");
    CHECK(t.tripped && t.seen_after == 0);
    CHECK_FAILS(laser_sampler_next(sampler, x, NULL), LASER_ERR_CANCELLED);
    CHECK_OK(laser_cancel_reset(cancel));
    CHECK_OK(laser_sampler_tell(sampler, &event));
    CHECK(event == 0);
    CHECK_OK(laser_sampler_set_hooks(sampler, NULL));
    laser_sampler_free(sampler);
    laser_model_free(model);
}

/* A training of many minutes, in a thread of its own. */
typedef struct {
    const laser_options *options;
    const laser_hooks *hooks;
    laser_status status;
} training;

static void *train(void *user)
{
    training *t = user;
    uint64_t state = 1;
    laser_source *source = toy_source(&state);
    laser_generator *generator = NULL;
    t->status = laser_generator_train(source, t->options, t->hooks, &generator);
    CHECK(generator == NULL);
    laser_source_free(source);
    return NULL;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t steps_done;

static int32_t count(const laser_progress *p, void *user)
{
    (void)user;
    pthread_mutex_lock(&lock);
    steps_done = laser_progress_step(p);
    pthread_mutex_unlock(&lock);
    return 0;
}

static uint64_t steps(void)
{
    pthread_mutex_lock(&lock);
    uint64_t now = steps_done;
    pthread_mutex_unlock(&lock);
    return now;
}

static void from_another_thread(laser_options *options, laser_hooks *hooks)
{
    const struct timespec pause = {0, 1000000};
    pthread_t thread;
    training t = {options, hooks, LASER_OK};
    CHECK_OK(laser_options_set_i64(options, "flow.steps", 1000000));
    CHECK_OK(laser_hooks_set_progress(hooks, count, NULL));
    REQUIRE(pthread_create(&thread, NULL, train, &t) == 0);
    for (int i = 0; i < 60000 && steps() < 3; i++)
        nanosleep(&pause, NULL);
    CHECK(steps() >= 3);
    pthread_mutex_lock(&lock); /* the training waits in its callback, or is in the middle of a step */
    const uint64_t at = steps_done;
    laser_cancel_trip(cancel);
    pthread_mutex_unlock(&lock);
    pthread_join(thread, NULL);
    CHECK(t.status == LASER_ERR_CANCELLED);
    CHECK(steps_done <= at + 1);
}

int main(void)
{
    laser_options *options = toy_options();
    laser_generator_free(toy_generator(options)); /* or skip */
    laser_hooks *hooks = NULL;
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    REQUIRE(sigaction(SIGUSR1, &action, NULL) == 0);
    REQUIRE_OK(laser_cancel_new(&cancel));
    REQUIRE_OK(laser_hooks_new(&hooks));
    REQUIRE_OK(laser_hooks_set_cancel(hooks, cancel));
    REQUIRE_OK(laser_options_set_str(options, "refiner.method", "gan"));
    REQUIRE_OK(laser_options_set_i64(options, "weights.events", 20000)); /* several blocks */
    REQUIRE_OK(laser_options_set_i64(options, "gan.pool", 20000));
    every_stage(options, hooks);
    a_burn_in(options, hooks);
    if (check_failures == 0) /* else it might not end */
        from_another_thread(options, hooks);
    laser_hooks_free(hooks);
    laser_cancel_free(cancel);
    laser_options_free(options);
    return check_result();
}
