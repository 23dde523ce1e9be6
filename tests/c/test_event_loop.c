/* What an event loop of years relies on: 64 threads share a model, a fork's child goes on sampling, a million single events take no memory
 * and are those of one bulk call. */
#define _DEFAULT_SOURCE /* mallinfo2 is glibc's */
#include "toy.h"

#include <malloc.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 64, EACH = 700, LOOP = 1000000, SEED = 11 };

static double expected[THREADS * EACH][2];

typedef struct {
    const laser_model *model;
    uint64_t first;
    int same;
} worker;

static laser_sampler *sampler(const laser_model *model, uint64_t first)
{
    laser_sampler *s = NULL;
    REQUIRE_OK(laser_sampler_new(model, SEED, 4, NULL, &s));
    REQUIRE_OK(laser_sampler_seek(s, first));
    return s;
}

/* A thread's share of the events, one by one. */
static void *share(void *user)
{
    worker *w = user;
    laser_sampler *s = sampler(w->model, w->first);
    double x[2];
    w->same = 1;
    for (size_t i = 0; i < EACH; i++)
        w->same &= laser_sampler_next(s, x, NULL) == LASER_OK && memcmp(x, expected[w->first + i], sizeof x) == 0;
    laser_sampler_free(s);
    return NULL;
}

static void test_many_threads(const laser_model *model)
{
    static worker workers[THREADS];
    pthread_t ids[THREADS];
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (worker){.model = model, .first = (uint64_t)i * EACH};
        REQUIRE(pthread_create(&ids[i], NULL, share, &workers[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(ids[i], NULL);
        CHECK(workers[i].same);
    }
}

/* The parent has trained and sampled; the child goes on with the parent's sampler and makes one of its own. */
static void test_fork(const laser_model *model)
{
    laser_sampler *s = sampler(model, 0);
    double x[300][2];
    int status = -1;
    CHECK_OK(laser_sampler_generate(s, 100, 2, x[0], NULL, NULL));
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        alarm(60); /* a hang is a failure */
        laser_sampler *own = sampler(model, 50);
        int good = laser_sampler_generate(s, 200, 2, x[100], NULL, NULL) == LASER_OK && memcmp(x, expected, sizeof x) == 0;
        good &= laser_sampler_generate(own, 300, 2, x[0], NULL, NULL) == LASER_OK && memcmp(x, expected[50], sizeof x) == 0;
        _exit(good ? 0 : 1);
    }
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    laser_sampler_free(s);
}

/* libtorch's threads do not survive a fork: a child gets an error where it would wait for ever. */
static void test_fork_after_libtorch(const laser_model *model)
{
    laser_options *torch = toy_options();
    REQUIRE_OK(laser_options_set_str(torch, "backend", "torch"));
    REQUIRE_OK(laser_options_set_i64(torch, "threads", 2));
    laser_sampler *s = NULL;
    if (laser_sampler_new(model, SEED, 0, torch, &s) == LASER_ERR_UNSUPPORTED) {
        laser_options_free(torch);
        return; /* a library without libtorch */
    }
    REQUIRE(s != NULL);
    double x[100][2], log_w[100];
    int status = -1;
    CHECK_OK(laser_sampler_generate(s, 100, 2, x[0], NULL, NULL));
    CHECK_OK(laser_model_log_weight(model, torch, 100, x[0], 2, log_w));
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        alarm(60); /* a hang is a failure */
        laser_sampler *other = NULL;
        int good = laser_sampler_seek(s, 5000) == LASER_OK && laser_sampler_generate(s, 1, 2, x[0], NULL, NULL) == LASER_ERR_TORCH;
        good &= laser_model_log_weight(model, torch, 100, x[0], 2, log_w) == LASER_ERR_TORCH;
        good &= laser_sampler_new(model, SEED, 0, torch, &other) == LASER_ERR_TORCH && other == NULL;
        other = sampler(model, 0); /* the engine */
        good &= laser_sampler_generate(other, 100, 2, x[0], NULL, NULL) == LASER_OK && memcmp(x, expected, sizeof x) == 0;
        _exit(good ? 0 : 1);
    }
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK_OK(laser_sampler_generate(s, 100, 2, x[0], NULL, NULL));
    laser_sampler_free(s);
    laser_options_free(torch);
}

static void test_a_million_events(const laser_model *model)
{
    laser_sampler *s = sampler(model, 0);
    double x[2], w, mean[2] = {0.0, 0.0};
    size_t before = 0, peak = 0;
    for (int i = 0; i < LOOP; i++) {
        REQUIRE_OK(laser_sampler_next(s, x, &w));
        if (i < THREADS * EACH)
            REQUIRE(memcmp(x, expected[i], sizeof x) == 0);
        mean[0] += x[0] / LOOP;
        mean[1] += x[1] / LOOP;
        const size_t used = i % 1000 == 0 ? mallinfo2().uordblks : 0;
        if (i == 50000)
            before = used;
        peak = used > peak ? used : peak;
    }
    printf("a million events: %zu bytes in use after 50 000, at most %zu later\n", before, peak);
    CHECK(before > 0 && peak <= before + 4096);
    /* Five training steps make no good model, but the mean is where the data are. */
    CHECK(fabs(mean[0] - 1.0) < 1.0 && fabs(mean[1] + 2.0) < 1.0);
    laser_sampler_free(s);
}

int main(void)
{
    laser_options *options = toy_options();
    laser_model *model = toy_model(options);
    laser_sampler *s = sampler(model, 0);
    CHECK_OK(laser_sampler_generate(s, THREADS * EACH, 2, expected[0], NULL, NULL));
    laser_sampler_free(s);
    test_many_threads(model);
    test_fork(model);
    test_fork_after_libtorch(model);
    test_a_million_events(model);
    laser_model_free(model);
    laser_options_free(options);
    return check_failures ? FAILED : PASSED;
}
