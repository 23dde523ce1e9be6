/* Callbacks of the host: what they get, what they may return, and that a failure leaves everything else usable. */
#include "toy.h"

/* A source that misbehaves on one of its calls. */
typedef struct {
    enum { WELL, STOPS, ENDS_EARLY, GIVES_NAN, GIVES_INFINITY, GIVES_BAD_WEIGHT, CLAIMS_TOO_MUCH, REENTERS, FREES } fault;
    int at_call, calls;
    int weighted;
    uint64_t state;
    size_t dim_seen, largest_n;
    laser_source *source;
    laser_hooks *hooks;
    laser_options *options;
    laser_status reentered;
} host;

static int32_t deliver(size_t n, size_t dim, double *x, double *w, size_t *got, void *user)
{
    host *h = user;
    CHECK(n > 0 && x != NULL && *got == 0);
    CHECK((w != NULL) == h->weighted);
    h->dim_seen = dim;
    h->largest_n = n > h->largest_n ? n : h->largest_n;
    toy_events(n, x, &h->state);
    for (size_t i = 0; w && i < n; i++)
        w[i] = 2.0;
    *got = n;
    if (h->fault == WELL || h->calls++ != h->at_call)
        return 0;
    laser_generator *none = NULL;
    switch (h->fault) {
    case STOPS:
        return -77;
    case ENDS_EARLY:
        *got = 3;
        break;
    case GIVES_NAN:
        x[3 * dim + 1] = NAN;
        break;
    case GIVES_INFINITY:
        x[0] = -INFINITY;
        break;
    case GIVES_BAD_WEIGHT:
        w[5] = NAN;
        break;
    case CLAIMS_TOO_MUCH:
        *got = n + 1;
        break;
    case REENTERS:
        h->reentered = laser_generator_train(h->source, h->options, NULL, &none);
        CHECK(none == NULL);
        break;
    case FREES: /* the running call keeps them until its end */
        laser_source_free(h->source);
        laser_hooks_free(h->hooks);
        laser_options_free(h->options);
        h->source = NULL;
        break;
    case WELL:
        break;
    }
    return 0;
}

/* A flow trained from this host; the status of its training. */
static laser_status train(host *h, laser_options *options, laser_hooks *hooks)
{
    laser_generator *generator = NULL;
    laser_status status = laser_generator_train(h->source, options, hooks, &generator);
    CHECK((generator != NULL) == (status == LASER_OK));
    laser_generator_free(generator);
    return status;
}

static host new_host(int fault, int at_call, int weighted)
{
    host h;
    memset(&h, 0, sizeof h);
    h.fault = fault;
    h.at_call = at_call;
    h.weighted = weighted;
    h.state = 1;
    return h;
}

/* Each fault at the first call, which fills the held-out events, and at a later one, which is a training batch. */
static void faults(laser_options *options)
{
    static const struct {
        int fault;
        laser_status status;
        const char *says;
    } cases[] = {
        {STOPS, LASER_ERR_CALLBACK, "-77"},
        {GIVES_NAN, LASER_ERR_DATA, "column 1 of row 3 is NaN"},
        {GIVES_INFINITY, LASER_ERR_DATA, "column 0 of row 0 is infinite"},
        {GIVES_BAD_WEIGHT, LASER_ERR_DATA, "weight of row 5 is NaN"},
        {CLAIMS_TOO_MUCH, LASER_ERR_DATA, "asked for"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int at_call = 0; at_call < 4; at_call += 3) {
            const int before = check_failures;
            host h = new_host(cases[i].fault, at_call, 1);
            REQUIRE_OK(laser_source_from_callback(TOY_DIM, 1, deliver, &h, &h.source));
            CHECK_SAYS(train(&h, options, NULL), cases[i].status, cases[i].says);
            CHECK(h.calls == at_call + 1); /* not asked again after the fault */
            CHECK(laser_last_callback_code() == (cases[i].fault == STOPS ? -77 : 0));
            h.fault = WELL;
            CHECK_OK(train(&h, options, NULL)); /* the same source goes on */
            CHECK(h.dim_seen == TOY_DIM && h.largest_n >= 64);
            laser_source_free(h.source);
            if (check_failures > before)
                printf("  ... fault %d at call %d\n", cases[i].fault, at_call);
        }
}

static void too_few(laser_options *options)
{
    host h = new_host(ENDS_EARLY, 0, 0);
    REQUIRE_OK(laser_source_from_callback(TOY_DIM, 0, deliver, &h, &h.source));
    CHECK_SAYS(train(&h, options, NULL), LASER_ERR_DATA, "3 events");
    CHECK_OK(train(&h, options, NULL));
    laser_source_free(h.source);
}

static void reentering(laser_options *options)
{
    host h = new_host(REENTERS, 2, 0);
    REQUIRE_OK(laser_source_from_callback(TOY_DIM, 0, deliver, &h, &h.source));
    h.options = options;
    CHECK_OK(train(&h, options, NULL));
    CHECK(h.reentered == LASER_ERR_BUSY);
    CHECK_OK(train(&h, options, NULL)); /* no longer busy */
    laser_source_free(h.source);
}

static void freeing(void)
{
    host h = new_host(FREES, 2, 0);
    REQUIRE_OK(laser_source_from_callback(TOY_DIM, 0, deliver, &h, &h.source));
    REQUIRE_OK(laser_hooks_new(&h.hooks));
    h.options = toy_options();
    CHECK_OK(train(&h, h.options, h.hooks));
    CHECK(h.source == NULL);
}

/* What the hooks saw. */
typedef struct {
    uint64_t calls, stop_at, last_step;
    char stages[256];
    laser_hooks *hooks;
    int log_calls, stop_log;
} watch;

static int32_t progress(const laser_progress *p, void *user)
{
    watch *w = user;
    const char *stage = laser_progress_stage(p);
    const uint64_t step = laser_progress_step(p), steps = laser_progress_steps(p);
    CHECK(strlen(stage) > 0 && step >= 1 && step <= steps);
    CHECK(laser_progress_epoch(p) >= 1 && laser_progress_epoch(p) <= laser_progress_epochs(p));
    CHECK(!isinf(laser_progress_loss(p)) && !(laser_progress_seconds_left(p) < 0.0));
    if (!strstr(w->stages, stage)) {
        strncat(w->stages, stage, sizeof w->stages - strlen(w->stages) - 2);
        strcat(w->stages, " ");
        w->last_step = 0;
    }
    CHECK(step == w->last_step + 1); /* every update is reported */
    w->last_step = step;
    if (strcmp(stage, "flow") == 0)
        CHECK(steps == 5 && isfinite(laser_progress_loss(p)));
    /* The running call has its own copy of the hooks. */
    CHECK_OK(laser_hooks_set_progress(w->hooks, progress, w));
    return ++w->calls == w->stop_at ? 12345 : 0;
}

static int32_t logged(int32_t level, const char *message, void *user)
{
    watch *w = user;
    CHECK(level == LASER_LOG_INFO || level == LASER_LOG_WARNING);
    CHECK(message[0] != '\0' && message[strlen(message) - 1] != '\n');
    w->log_calls++;
    return w->stop_log;
}

static void watching(const laser_options *options)
{
    watch w;
    memset(&w, 0, sizeof w);
    uint64_t state = 1;
    laser_source *source = toy_source(&state);
    laser_generator *generator = NULL, *none = NULL;
    laser_model *model = NULL;
    REQUIRE_OK(laser_hooks_new(&w.hooks));
    REQUIRE_OK(laser_hooks_set_progress(w.hooks, progress, &w));
    REQUIRE_OK(laser_hooks_set_log(w.hooks, logged, &w));
    REQUIRE_OK(laser_generator_train(source, options, w.hooks, &generator));
    CHECK(w.calls == 5);
    REQUIRE_OK(laser_refine(generator, source, options, w.hooks, &model));
    CHECK(strcmp(w.stages, "flow classifier pilot ") == 0);
    laser_model_free(model);

    /* A nonzero return stops each stage, and what was built before stays usable. */
    const uint64_t calls = w.calls;
    model = NULL;
    for (uint64_t at = 5; at < calls; at++) {
        w.calls = 5;
        w.stages[0] = '\0';
        w.stop_at = at + 1;
        CHECK_FAILS(laser_refine(generator, source, options, w.hooks, &model), LASER_ERR_CALLBACK);
        CHECK(laser_last_callback_code() == 12345 && model == NULL && w.calls == at + 1);
    }
    w.calls = 0;
    w.stages[0] = '\0';
    w.stop_at = 2;
    CHECK_FAILS(laser_generator_train(source, options, w.hooks, &none), LASER_ERR_CALLBACK);
    CHECK(none == NULL);

    /* A log callback can stop, too. */
    if (w.log_calls > 0) {
        CHECK_OK(laser_hooks_set_progress(w.hooks, NULL, NULL));
        w.stop_log = 9;
        CHECK_FAILS(laser_refine(generator, source, options, w.hooks, &model), LASER_ERR_CALLBACK);
        CHECK(laser_last_callback_code() == 9);
    }
    CHECK_OK(laser_refine(generator, source, options, NULL, &model));
    laser_model_free(model);
    laser_hooks_free(w.hooks);
    laser_generator_free(generator);
    laser_source_free(source);
}

int main(void)
{
    laser_options *options = toy_options();
    laser_generator_free(toy_generator(options)); /* or skip */
    faults(options);
    too_few(options);
    reentering(options);
    freeing();
    watching(options);
    laser_options_free(options);
    return check_result();
}
