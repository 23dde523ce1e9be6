/* One training on many ranks: each has its own simulator and works on its part of every batch; all end with the same model.
 *
 *     mpirun -n 4 mpi_train MODEL [OPTIONS [CHECKPOINT]]
 *
 * OPTIONS is JSON, as '{"preset": "fast", "flow.epochs": 8}'. Rank 0 writes the file MODEL. With a file CHECKPOINT, that all ranks see, a job
 * that was killed goes on when it is started again; it is removed when MODEL is there. */
#include "simulator.h"
#include "toolbox.h"

#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

enum { EVENTS = 1000 };

/* The source. A rank delivers a part of the events, so each needs others. */
static int32_t simulate(size_t n, size_t dim, double *x, double *w, size_t *got, void *user)
{
    (void)dim, (void)w;
    simulator_draw(user, n, x);
    *got = n;
    return 0;
}

/* The sum over ranks: of at most 2^26 numbers. MPI_SUCCESS is 0; any other code ends the call on this rank. */
static int32_t allreduce(size_t n, double *values, void *user)
{
    return MPI_Allreduce(MPI_IN_PLACE, values, (int)n, MPI_DOUBLE, MPI_SUM, *(MPI_Comm *)user);
}

/* By which ranks can tell whether they have the same events, to the bit (FNV-1a). */
static unsigned long long checksum(const double *x, size_t n)
{
    unsigned long long sum = 14695981039346656037ull;
    for (size_t i = 0; i < n * sizeof *x; i++)
        sum = (sum ^ ((const unsigned char *)x)[i]) * 1099511628211ull;
    return sum;
}

int main(int argc, char **argv)
{
    MPI_Comm comm;
    int rank, ranks;
    MPI_Init(&argc, &argv);
    /* A communicator of its own keeps the library's sums apart from the program's messages. Its errors are returned: by default they end the
     * program on the spot. */
    MPI_Comm_dup(MPI_COMM_WORLD, &comm);
    MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN);
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &ranks);
    if (argc < 2) {
        fprintf(stderr, "usage: %s MODEL [OPTIONS [CHECKPOINT]]\n", argv[0]);
        MPI_Abort(comm, 2);
    }

    laser_options *options = settings(argc > 2 ? argv[2] : "{\"preset\": \"fast\"}");
    laser_hooks *hooks;
    if (rank == 0)
        hooks = watch();
    else
        check(laser_hooks_new(&hooks), "hooks");
    check(laser_hooks_set_allreduce(hooks, (size_t)rank, (size_t)ranks, allreduce, &comm), "ranks");
    if (argc > 3)
        check(laser_hooks_set_checkpoint(hooks, argv[3], 60.0, 0), "checkpoint");

    simulator events;
    simulator_start(&events, simulator_find("donut"), 1 + (uint64_t)rank);
    laser_source *source;
    laser_generator *flow;
    laser_model *model;
    check(laser_source_from_callback(SIMULATOR_DIM, 0, simulate, &events, &source), "source");
    /* A rank that fails here ends the program, and mpirun the others; what they would return is LASER_ERR_CALLBACK. */
    const double start = MPI_Wtime();
    check(laser_generator_train(source, options, hooks, &flow), "training the generator");
    const double trained = MPI_Wtime();
    check(laser_refine(flow, source, options, hooks, &model), "refining");
    const double refined = MPI_Wtime();

    double *x = new_rows(EVENTS, SIMULATOR_DIM);
    unsigned long long sum, *sums = malloc((size_t)ranks * sizeof *sums);
    laser_sampler *sampler = sampler_of(model, "rejection", 42);
    check(laser_sampler_generate(sampler, EVENTS, 0, x, NULL, NULL), "generating");
    sum = checksum(x, EVENTS * SIMULATOR_DIM);
    printf("rank %d: the checksum of %d events is %016llx\n", rank, EVENTS, sum);
    fflush(stdout);
    MPI_Allgather(&sum, 1, MPI_UNSIGNED_LONG_LONG, sums, 1, MPI_UNSIGNED_LONG_LONG, comm);
    int same = 1;
    for (int i = 0; i < ranks; i++)
        same = same && sums[i] == sum;
    if (rank == 0) {
        check(laser_model_save(model, argv[1]), "saving");
        if (argc > 3)
            remove(argv[3]);
        printf("%d ranks: trained in %.2f s, refined in %.2f s, saved %s\n", ranks, trained - start, refined - trained, argv[1]);
    }

    free(sums), free(x);
    laser_sampler_free(sampler), laser_model_free(model), laser_generator_free(flow), laser_source_free(source);
    laser_hooks_free(hooks), laser_options_free(options);
    MPI_Comm_free(&comm);
    MPI_Finalize();
    return same ? 0 : 1; /* MPI gives all ranks the same sums, so they take the same steps */
}
