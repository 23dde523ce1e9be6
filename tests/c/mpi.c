/* Trainings on the ranks of MPI, as mpirun starts them:
 *
 *     mpi same         one model on all ranks, to the bit, and near that of a process by itself
 *     mpi checkpoint   stopped on one rank, and gone on with from the checkpoint of all
 *     mpi stop         one rank ends a call, by its callback and by its token: the others return LASER_ERR_CALLBACK, and can go on
 *     mpi drop         the sum fails on one rank, whose program ends: so does mpirun, with an error
 *     mpi kill         one rank is killed in the middle: so again
 *
 * The last two never return 0. */
#define _POSIX_C_SOURCE 200809L
#include "toy.h"

#include <mpi.h>
#include <signal.h>
#include <unistd.h>

enum { EVENTS = 3000, LATENTS = 200, FAILED_SUM = 77, STOPPED = 5, VICTIM = 1 };

static int rank, ranks;
static MPI_Comm comm;
static laser_options *options;
static double rows[EVENTS * TOY_DIM];
static int simulated; /* whether events come of a simulator on each rank, and not of the array */

/* What the victim does, from an update or a sum on. */
typedef struct {
    int updates, stop_at, trip_at, kill_at;
    int sums, drop_at;
    laser_cancel *cancel;
} plan;

static int32_t allreduce(size_t n, double *values, void *user)
{
    plan *p = user;
    if (rank == VICTIM && ++p->sums == p->drop_at)
        return FAILED_SUM;
    return MPI_Allreduce(MPI_IN_PLACE, values, (int)n, MPI_DOUBLE, MPI_SUM, comm);
}

static int32_t progress(const laser_progress *at, void *user)
{
    plan *p = user;
    (void)at;
    if (rank != VICTIM)
        return 0;
    p->updates++;
    if (p->updates == p->trip_at)
        laser_cancel_trip(p->cancel);
    if (p->updates == p->kill_at)
        raise(SIGKILL);
    return p->updates == p->stop_at ? STOPPED : 0;
}

/* Trains and refines: with the others if there is a plan, else alone. */
static laser_status job(plan *p, const char *checkpoint, laser_model **model)
{
    laser_hooks *hooks = NULL;
    laser_source *source = NULL;
    laser_generator *generator = NULL;
    REQUIRE_OK(laser_hooks_new(&hooks));
    if (p) {
        REQUIRE_OK(laser_hooks_set_allreduce(hooks, (size_t)rank, (size_t)ranks, allreduce, p));
        REQUIRE_OK(laser_hooks_set_progress(hooks, progress, p));
        REQUIRE_OK(laser_hooks_set_cancel(hooks, p->cancel));
        REQUIRE_OK(laser_hooks_set_checkpoint(hooks, checkpoint, 1e6, 0));
    }
    uint64_t state = 1 + (uint64_t)rank;
    if (simulated)
        source = toy_source(&state);
    else
        REQUIRE_OK(laser_source_from_array(rows, NULL, EVENTS, TOY_DIM, 0, &source));
    laser_status status = laser_generator_train(source, options, hooks, &generator);
    if (status == LASER_OK)
        status = laser_refine(generator, source, options, hooks, model);
    laser_generator_free(generator);
    laser_source_free(source);
    laser_hooks_free(hooks);
    return status;
}

/* Events of fixed latent points, and their weights: what a model has learned. */
static void learned(const laser_model *model, double *out)
{
    double z[LATENTS * TOY_DIM];
    uint64_t state = 9;
    toy_events(LATENTS, z, &state);
    CHECK_OK(laser_model_generate(model, NULL, LATENTS, z, 0, out, 0));
    CHECK_OK(laser_model_log_weight(model, NULL, LATENTS, out, 0, out + LATENTS * TOY_DIM));
}

enum { LEARNED = LATENTS * (TOY_DIM + 1) };

/* Whether rank 0 has the same numbers, to the bit. */
static int as_first(const double *numbers)
{
    double first[LEARNED];
    memcpy(first, numbers, sizeof first);
    MPI_Bcast(first, LEARNED, MPI_DOUBLE, 0, comm);
    return memcmp(first, numbers, sizeof first) == 0;
}

static void same(void)
{
    plan p = {0, 0, 0, 0, 0, 0, NULL};
    laser_model *together = NULL, *alone = NULL;
    double here[LEARNED], there[LEARNED], apart = 0.0;
    REQUIRE_OK(job(&p, NULL, &together));
    REQUIRE_OK(job(NULL, NULL, &alone));
    learned(together, here), learned(alone, there);
    CHECK(as_first(here));
    for (int i = 0; i < LEARNED; i++)
        apart = fmax(apart, fabs(here[i] - there[i]));
    if (rank == 0)
        printf("%d ranks are %.1e apart from one process\n", ranks, apart);
    /* The sums are of other roundings. */
    CHECK(apart < 1e-9 && (ranks == 1) == (apart == 0.0));
    laser_model_free(together), laser_model_free(alone);
}

static void checkpoint_of(const char *events)
{
    char file[64];
    plan whole = {0, 0, 0, 0, 0, 0, NULL};
    laser_model *uninterrupted = NULL, *model = NULL;
    double here[LEARNED], there[LEARNED];
    snprintf(file, sizeof file, "mpi_%d_%s.checkpoint", ranks, events);
    remove(file);
    MPI_Barrier(comm);
    REQUIRE_OK(job(&whole, NULL, &uninterrupted));
    for (int at = 3; at < 5; at++) { /* in the flow's training, of 5 updates, and after 2 more of them in the classifier's */
        plan p = {0, 0, at, 0, 0, 0, NULL};
        REQUIRE_OK(laser_cancel_new(&p.cancel));
        CHECK_FAILS(job(&p, file, &model), rank == VICTIM ? LASER_ERR_CANCELLED : LASER_ERR_CALLBACK);
        laser_cancel_free(p.cancel);
        MPI_Barrier(comm); /* rank 0 has written the file when its call returns */
        CHECK(access(file, R_OK) == 0);
    }
    plan p = {0, 0, 0, 0, 0, 0, NULL};
    REQUIRE_OK(job(&p, file, &model));
    learned(uninterrupted, here), learned(model, there);
    CHECK(memcmp(here, there, sizeof here) == 0 && as_first(there));
    laser_model_free(uninterrupted), laser_model_free(model);
    MPI_Barrier(comm);
    remove(file);
}

static void checkpoint(void)
{
    checkpoint_of("array");
    simulated = 1;
    checkpoint_of("simulator");
}

static void stop(void)
{
    laser_model *model = NULL;
    for (int at = 1; at < 10; at += 4) {
        plan p = {0, at, 0, 0, 0, 0, NULL};
        CHECK_FAILS(job(&p, NULL, &model), LASER_ERR_CALLBACK);
        CHECK(rank == VICTIM ? laser_last_callback_code() == STOPPED : strstr(check_last_error(), "another rank has ended the call") != NULL);
    }
    plan tripped = {0, 0, 2, 0, 0, 0, NULL}, well = {0, 0, 0, 0, 0, 0, NULL};
    REQUIRE_OK(laser_cancel_new(&tripped.cancel));
    CHECK_FAILS(job(&tripped, NULL, &model), rank == VICTIM ? LASER_ERR_CANCELLED : LASER_ERR_CALLBACK);
    laser_cancel_free(tripped.cancel);
    CHECK(!model);
    REQUIRE_OK(job(&well, NULL, &model));
    laser_model_free(model);
}

static void drop(void)
{
    plan p = {0, 0, 0, 0, 0, 9, NULL};
    laser_model *model = NULL;
    /* The others wait for a sum that does not come, until mpirun ends them. */
    REQUIRE(job(&p, NULL, &model) == LASER_ERR_CALLBACK && rank == VICTIM && laser_last_callback_code() == FAILED_SUM);
    printf("the sum has failed on rank %d\n", rank);
    fflush(stdout);
    exit(FAILED);
}

static void kill_one(void)
{
    plan p = {0, 0, 0, 3, 0, 0, NULL};
    laser_model *model = NULL;
    const laser_status status = job(&p, NULL, &model);
    /* An MPI that tells of the death does so by the sum's code. */
    CHECK(status == LASER_ERR_CALLBACK && rank != VICTIM);
    exit(FAILED);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } tests[] = {{"same", same}, {"checkpoint", checkpoint}, {"stop", stop}, {"drop", drop}, {"kill", kill_one}};
    uint64_t state = 1;
    MPI_Init(&argc, &argv);
    MPI_Comm_dup(MPI_COMM_WORLD, &comm);
    MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN);
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &ranks);
    options = toy_options();
    REQUIRE_OK(laser_options_set_str(options, "refiner.method", "rejection"));
    REQUIRE_OK(laser_options_set_str(options, "dtype", "float64"));
    toy_events(EVENTS, rows, &state);
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)
        if (argc == 2 && strcmp(argv[1], tests[i].name) == 0)
            tests[i].run();
    laser_options_free(options);
    MPI_Comm_free(&comm);
    MPI_Finalize();
    return check_result();
}
