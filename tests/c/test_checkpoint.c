/* Trainings that are stopped and gone on with from their checkpoint: the same bits, and a refusal of whatever is another job. */
#define _POSIX_C_SOURCE 200809L
#include "scratch.h"
#include "toy.h"

/* A job that is stopped at the second step of a stage. */
typedef struct {
    laser_options *options;
    laser_hooks *hooks;
    laser_cancel *cancel;
    const char *stage;
} job;

static int32_t progress(const laser_progress *p, void *user)
{
    job *j = user;
    if (j->stage && strcmp(laser_progress_stage(p), j->stage) == 0 && laser_progress_step(p) == 2)
        laser_cancel_trip(j->cancel);
    return 0;
}

/* Trains and refines on the same events each time, and saves the model. */
static laser_status run(const job *j, const laser_options *options, const char *path)
{
    uint64_t state = 1;
    laser_source *source = toy_source(&state);
    laser_generator *generator = NULL;
    laser_model *model = NULL;
    laser_status status = laser_generator_train(source, options, j->hooks, &generator);
    if (status == LASER_OK)
        status = laser_refine(generator, source, options, j->hooks, &model);
    if (status == LASER_OK)
        status = laser_model_save(model, path);
    laser_model_free(model);
    laser_generator_free(generator);
    laser_source_free(source);
    return status;
}

static void stopped_and_gone_on_with(job *j)
{
    static const char *const stages[] = {"flow", "classifier", "pool", "gan"};
    CHECK_OK(run(j, j->options, scratch("whole")));
    for (uint64_t steps = 0; steps < 3; steps += 2) {
        CHECK_OK(laser_hooks_set_checkpoint(j->hooks, scratch("checkpoint"), 1e6, steps));
        for (size_t i = 0; i < sizeof stages / sizeof stages[0]; i++) {
            j->stage = stages[i];
            CHECK_SAYS(run(j, j->options, scratch("none")), LASER_ERR_CANCELLED, stages[i]);
            CHECK_OK(laser_cancel_reset(j->cancel));
        }
        j->stage = NULL;
        CHECK_OK(run(j, j->options, scratch("model")));
        CHECK(scratch_same(scratch("whole"), scratch("model")));
        CHECK(scratch_files() == 3); /* and nothing half-written */
        /* A job that is done is there at once. */
        CHECK_OK(run(j, j->options, scratch("model")));
        CHECK(scratch_same(scratch("whole"), scratch("model")));
        unlink(scratch("checkpoint"));
    }
}

static void another_job_is_refused(job *j)
{
    laser_options *other = toy_options();
    CHECK_OK(laser_hooks_set_checkpoint(j->hooks, scratch("checkpoint"), 60.0, 0));
    CHECK_OK(run(j, j->options, scratch("model")));
    CHECK_OK(laser_options_set_str(other, "refiner.method", "gan"));
    CHECK_OK(laser_options_set_i64(other, "flow.steps", 6));
    CHECK_SAYS(run(j, other, scratch("model")), LASER_ERR_INVALID_ARGUMENT, "its `flow.steps` is 5, not 6");
    /* The file is what it was; without it the other job is a job. */
    CHECK_OK(run(j, j->options, scratch("model")));
    CHECK(scratch_same(scratch("whole"), scratch("model")));
    CHECK_OK(laser_hooks_set_checkpoint(j->hooks, NULL, 60.0, 0));
    CHECK_OK(run(j, other, scratch("other")));
    CHECK(!scratch_same(scratch("whole"), scratch("other")));

    CHECK_OK(laser_hooks_set_checkpoint(j->hooks, scratch("model"), 60.0, 0));
    CHECK_SAYS(run(j, j->options, scratch("none")), LASER_ERR_FORMAT, "checkpoint");
    CHECK_FAILS(laser_hooks_set_checkpoint(j->hooks, scratch("checkpoint"), 0.0, 0), LASER_ERR_INVALID_ARGUMENT);
    laser_options_free(other);
}

static int32_t note(int32_t level, const char *message, void *user)
{
    if (level == LASER_LOG_WARNING && strstr(message, "the checkpoint cannot be written"))
        ++*(int *)user;
    return 0;
}

/* Where it cannot be written the training goes on, with one warning for each call. */
static void a_file_that_cannot_be_written(job *j)
{
    int warnings = 0;
    CHECK_OK(laser_hooks_set_log(j->hooks, note, &warnings));
    CHECK_OK(laser_hooks_set_checkpoint(j->hooks, scratch("no/folder"), 1e6, 1));
    CHECK_OK(run(j, j->options, scratch("model")));
    CHECK(scratch_same(scratch("whole"), scratch("model")));
    CHECK(warnings == 2);
}

int main(void)
{
    job j = {toy_options(), NULL, NULL, NULL};
    laser_generator_free(toy_generator(j.options)); /* or skip */
    CHECK_OK(laser_options_set_str(j.options, "refiner.method", "gan"));
    CHECK_OK(laser_options_set_i64(j.options, "gan.pool", 20000)); /* several blocks */
    REQUIRE_OK(laser_cancel_new(&j.cancel));
    REQUIRE_OK(laser_hooks_new(&j.hooks));
    REQUIRE_OK(laser_hooks_set_cancel(j.hooks, j.cancel));
    REQUIRE_OK(laser_hooks_set_progress(j.hooks, progress, &j));
    stopped_and_gone_on_with(&j);
    another_job_is_refused(&j);
    a_file_that_cannot_be_written(&j);
    laser_hooks_free(j.hooks);
    laser_cancel_free(j.cancel);
    laser_options_free(j.options);
    scratch_remove();
    return check_result();
}
