/* Ranks, here threads that sum over a barrier: one result, and one end. Under MPI examples-c/mpi_train.c is the test. */
#define _POSIX_C_SOURCE 200809L
#include "scratch.h"
#include "toy.h"

#include <pthread.h>

enum { RANKS = 3, STOP = 42, BROKEN = 7 };

static pthread_barrier_t barrier;
static double *summands[RANKS];

/* What a rank does, and what comes of it. */
typedef struct {
    const laser_options *options;
    size_t rank;
    int stop_at;  /* this sum of all, from 1, returns BROKEN; 0: none does */
    int stop_own; /* the progress callback returns STOP at this update, from 1; 0: never */
    int sums, updates;
    int32_t code;
    laser_status status;
    char message[256], path[2048];
} rank;

/* In the order of the ranks on all of them: the same bits. */
static int32_t allreduce(size_t n, double *values, void *user)
{
    rank *r = user;
    double *sums = calloc(n, sizeof *sums);
    REQUIRE(sums != NULL);
    if (++r->sums == r->stop_at) {
        free(sums);
        return BROKEN;
    }
    summands[r->rank] = values;
    pthread_barrier_wait(&barrier);
    for (size_t k = 0; k < RANKS; k++)
        for (size_t i = 0; i < n; i++)
            sums[i] += summands[k][i];
    pthread_barrier_wait(&barrier);
    memcpy(values, sums, n * sizeof *sums);
    free(sums);
    return 0;
}

static int32_t progress(const laser_progress *p, void *user)
{
    rank *r = user;
    (void)p;
    return ++r->updates == r->stop_own ? STOP : 0;
}

static void *work(void *user)
{
    rank *r = user;
    uint64_t state = 1 + r->rank; /* each its own events */
    laser_source *source = toy_source(&state);
    laser_generator *generator = NULL;
    laser_model *model = NULL;
    laser_hooks *hooks = NULL;
    REQUIRE_OK(laser_hooks_new(&hooks));
    REQUIRE_OK(laser_hooks_set_progress(hooks, progress, r));
    REQUIRE_OK(laser_hooks_set_allreduce(hooks, r->rank, RANKS, allreduce, r));
    r->status = laser_generator_train(source, r->options, hooks, &generator);
    if (r->status == LASER_OK)
        r->status = laser_refine(generator, source, r->options, hooks, &model);
    if (r->status == LASER_OK)
        r->status = laser_model_save(model, r->path);
    r->code = laser_last_callback_code();
    laser_last_error(r->message, sizeof r->message, NULL);
    laser_hooks_free(hooks);
    laser_model_free(model);
    laser_generator_free(generator);
    laser_source_free(source);
    return NULL;
}

static void together(rank *ranks)
{
    pthread_t threads[RANKS];
    for (size_t k = 0; k < RANKS; k++) {
        ranks[k].rank = k;
        snprintf(ranks[k].path, sizeof ranks[k].path, "%s%zu", scratch("model"), k);
        REQUIRE(pthread_create(&threads[k], NULL, work, &ranks[k]) == 0);
    }
    for (size_t k = 0; k < RANKS; k++)
        pthread_join(threads[k], NULL);
}

int main(void)
{
    laser_options *options = toy_options();
    laser_generator_free(toy_generator(options)); /* or skip */
    REQUIRE_OK(laser_options_set_str(options, "refiner.method", "rejection"));
    REQUIRE(pthread_barrier_init(&barrier, NULL, RANKS) == 0);

    rank all[RANKS] = {{options, 0, 0, 0, 0, 0, 0, LASER_OK, "", ""}, {options, 0, 0, 0, 0, 0, 0, LASER_OK, "", ""},
                       {options, 0, 0, 0, 0, 0, 0, LASER_OK, "", ""}};
    together(all);
    for (int k = 0; k < RANKS; k++) {
        CHECK(all[k].status == LASER_OK && all[k].sums > 10);
        CHECK(scratch_same(all[0].path, all[k].path));
    }

    /* One that its host stops in the middle. */
    const int at[] = {1, 4, 7};
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
        rank one[RANKS] = {{options, 0, 0, 0, 0, 0, 0, LASER_OK, "", ""}, {options, 0, 0, at[i], 0, 0, 0, LASER_OK, "", ""},
                           {options, 0, 0, 0, 0, 0, 0, LASER_OK, "", ""}};
        together(one);
        for (int k = 0; k < RANKS; k++) {
            CHECK(one[k].status == LASER_ERR_CALLBACK);
            CHECK(k == 1 ? one[k].code == STOP : strstr(one[k].message, "another rank has ended the call") != NULL);
        }
    }

    /* A network that breaks on all. */
    rank broken[RANKS] = {{options, 0, 9, 0, 0, 0, 0, LASER_OK, "", ""}, {options, 0, 9, 0, 0, 0, 0, LASER_OK, "", ""},
                          {options, 0, 9, 0, 0, 0, 0, LASER_OK, "", ""}};
    together(broken);
    for (int k = 0; k < RANKS; k++) {
        CHECK(broken[k].status == LASER_ERR_CALLBACK && broken[k].code == BROKEN && broken[k].sums == 9);
        CHECK(strstr(broken[k].message, "allreduce") != NULL);
    }

    pthread_barrier_destroy(&barrier);
    laser_options_free(options);
    scratch_remove();
    return check_result();
}
