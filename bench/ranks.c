/* One rank of bench/ranks: trains and refines on normal events, and tells of every stage's updates what they took and exchanged.
 *
 *     ranks FEATURES OPTIONS
 *
 * A line `STAGE SECONDS WORK SUMS BYTES` for each stage, by rank 0: the seconds of its fastest update, the least seconds of a processor's time
 * that one took outside of the sums over ranks, and how many sums, of how many bytes, an update has on average. */
#include <laser.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct {
    char stage[32];
    double updates, sums, bytes; /* of the stage */
    double seconds, work;        /* the least of an update */
    double now_seconds, now_work, now_sums, now_bytes; /* of the update under way */
} account;

static double processor(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

static int rank, ranks;
static account book;

/* Tells of a stage that is over. */
static void tell(account *b)
{
    if (b->updates > 0.0 && rank == 0)
        printf("%s %.9f %.9f %.3f %.0f\n", b->stage, b->seconds, b->work, b->sums / b->updates, b->bytes / b->updates);
    b->updates = b->sums = b->bytes = 0.0;
    b->seconds = b->work = 1e9;
}

static int32_t allreduce(size_t n, double *values, void *user)
{
    account *b = user;
    const double begin = processor();
    const int32_t code = MPI_Allreduce(MPI_IN_PLACE, values, (int)n, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    b->now_work -= processor() - begin; /* MPI spins while it waits */
    b->now_sums += 1.0;
    b->now_bytes += (double)(n * sizeof *values);
    return code;
}

static int32_t progress(const laser_progress *p, void *user)
{
    account *b = user;
    const double seconds = b->now_seconds + MPI_Wtime(), work = b->now_work + processor();
    if (strcmp(b->stage, laser_progress_stage(p)) != 0) {
        tell(b); /* and what came before the first update is none */
        snprintf(b->stage, sizeof b->stage, "%s", laser_progress_stage(p));
    } else {
        b->updates += 1.0;
        b->sums += b->now_sums;
        b->bytes += b->now_bytes;
        b->seconds = seconds < b->seconds ? seconds : b->seconds;
        b->work = work < b->work ? work : b->work;
    }
    b->now_sums = b->now_bytes = 0.0;
    b->now_seconds = -MPI_Wtime();
    b->now_work = -processor();
    return 0;
}

/* Sums of uniform numbers, shifted a little: near enough to normal. */
static int32_t events(size_t n, size_t dim, double *x, double *w, size_t *got, void *user)
{
    uint64_t *state = user;
    (void)w;
    for (size_t i = 0; i < n * dim; i++) {
        x[i] = i % dim == 0 ? -5.5 : -6.0;
        for (int k = 0; k < 12; k++) {
            *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            x[i] += (double)(*state >> 11) * 0x1p-53;
        }
    }
    *got = n;
    return 0;
}

static void check(laser_status status)
{
    char message[512];
    if (status == LASER_OK)
        return;
    laser_last_error(message, sizeof message, NULL);
    fprintf(stderr, "%s: %s\n", laser_status_name(status), message);
    exit(1);
}

int main(int argc, char **argv)
{
    laser_options *options;
    laser_hooks *hooks;
    laser_source *source;
    laser_generator *flow;
    laser_model *model;
    if (argc != 3)
        return 2;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    uint64_t state = 1 + (uint64_t)rank;
    check(laser_options_from_json(argv[2], &options));
    check(laser_hooks_new(&hooks));
    check(laser_hooks_set_progress(hooks, progress, &book));
    if (ranks > 1)
        check(laser_hooks_set_allreduce(hooks, (size_t)rank, (size_t)ranks, allreduce, &book));
    check(laser_source_from_callback((size_t)atoi(argv[1]), 0, events, &state, &source));
    check(laser_generator_train(source, options, hooks, &flow));
    check(laser_refine(flow, source, options, hooks, &model));
    tell(&book);
    laser_model_free(model), laser_generator_free(flow), laser_source_free(source), laser_hooks_free(hooks), laser_options_free(options);
    MPI_Finalize();
    return 0;
}
