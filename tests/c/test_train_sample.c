/* From a callback to events: training, refining, saving, loading, and the contract that event i of stream s with seed k is a
 * function of (model, k, s, i) alone, for every method. */
#define _POSIX_C_SOURCE 200809L
#include "scratch.h"
#include "toy.h"

enum { EVENTS = 3000 };

static double reference[EVENTS][2], other[EVENTS][2], latent[EVENTS][2], weights[EVENTS], log_p[EVENTS];

static int other_is_reference(void)
{
    return memcmp(other, reference, sizeof other) == 0;
}

static double value(const laser_sampler *s, const char *key)
{
    double v = NAN;
    CHECK_OK(laser_sampler_get_f64(s, key, &v));
    return v;
}

/* One method of one model; `reloaded` is the model from its file. */
static void contract(const laser_model *model, const laser_model *reloaded, const laser_options *o, const char *method)
{
    const int before = check_failures;
    laser_options *options = toy_method(o, method);
    laser_sampler *s = NULL;
    uint64_t event = 42;
    REQUIRE_OK(laser_sampler_new(model, 5, 6, options, &s));
    REQUIRE_OK(laser_sampler_generate(s, EVENTS, 2, reference[0], weights, NULL));
    CHECK(laser_sampler_tell(s, &event) == LASER_OK && event == EVENTS);
    for (size_t i = 0; i < EVENTS; i++)
        if (!CHECK(isfinite(reference[i][0]) && isfinite(reference[i][1]) && weights[i] > 0.0 && isfinite(weights[i])))
            break;
    CHECK(memcmp(reference[0], reference[1], sizeof reference[0]) != 0);
    CHECK(value(s, "events") >= EVENTS);
    CHECK(value(s, "non_finite") == 0);
    if (strcmp(method, "rejection") == 0 || strcmp(method, "hmc") == 0)
        CHECK(value(s, "acceptance") > 0.0 && value(s, "acceptance") <= 1.0);

    /* Again, in pieces of several sizes and by other functions. */
    float x32[100][2], w32[100];
    CHECK_OK(laser_sampler_seek(s, 0));
    size_t at = 0;
    for (size_t n = 1; n < 600; at += n, n = 3 * n + 1)
        CHECK_OK(laser_sampler_generate(s, n, 2, other[at], weights, NULL));
    for (size_t end = at + 50; at < end; at++)
        CHECK_OK(laser_sampler_next(s, other[at], weights));
    CHECK_OK(laser_sampler_generate(s, 0, 2, other[at], NULL, NULL));
    CHECK_OK(laser_sampler_generate_f32(s, 100, 2, x32[0], w32, NULL));
    for (size_t i = 0; i < 100; i++, at++) {
        CHECK(x32[i][0] == (float)reference[at][0] && x32[i][1] == (float)reference[at][1]);
        memcpy(other[at], reference[at], sizeof other[at]);
    }
    CHECK_OK(laser_sampler_generate_latent(s, EVENTS - at, 2, other[at], 2, latent[at], weights));
    CHECK(other_is_reference());

    /* Backward and forward, from a sampler of the reloaded model that began elsewhere. */
    laser_sampler *t = NULL;
    REQUIRE_OK(laser_sampler_new(reloaded, 5, 6, options, &t));
    memset(other, 0, sizeof other);
    CHECK_OK(laser_sampler_seek(t, 1234));
    CHECK_OK(laser_sampler_generate(t, EVENTS - 1234, 2, other[1234], weights, NULL));
    CHECK_OK(laser_sampler_seek(t, 0));
    CHECK_OK(laser_sampler_generate(t, 1234, 2, other[0], weights, NULL));
    CHECK(other_is_reference());
    laser_sampler_free(t);

    /* Rows apart from each other: what lies between stays. */
    double rows[10][5];
    for (int i = 0; i < 50; i++)
        rows[i / 5][i % 5] = 42;
    CHECK_OK(laser_sampler_seek(s, 7));
    CHECK_OK(laser_sampler_generate(s, 10, 5, rows[0], weights, NULL));
    for (int i = 0; i < 10; i++)
        CHECK(memcmp(rows[i], reference[7 + i], sizeof reference[0]) == 0 && rows[i][2] == 42 && rows[i][4] == 42);

    /* Other seeds and streams are other events. */
    for (int k = 0; k < 2; k++) {
        REQUIRE_OK(laser_sampler_new(model, k ? 5 : 4, k ? 5 : 6, options, &t));
        CHECK_OK(laser_sampler_generate(t, 10, 2, other[0], weights, NULL));
        for (int i = 0; i < 10; i++)
            CHECK(other[i][0] != reference[i][0] && other[i][1] != reference[i][1]);
        laser_sampler_free(t);
    }
    laser_sampler_free(s);
    laser_options_free(options);
    if (check_failures > before)
        printf("  ... with the method %s\n", method);
}

/* Weights and densities of the sampler are those of the model. */
static void densities(const laser_model *model, const laser_options *o)
{
    laser_options *baseline = toy_method(o, "baseline"), *reweight = toy_method(o, "reweight");
    laser_sampler *s = NULL, *r = NULL;
    static double expected[EVENTS], z[EVENTS][2];
    double worst = 0.0;
    REQUIRE_OK(laser_sampler_new(model, 1, 2, baseline, &s));
    REQUIRE_OK(laser_sampler_new(model, 1, 2, reweight, &r));
    CHECK_OK(laser_sampler_generate(s, EVENTS, 2, reference[0], weights, log_p));
    for (size_t i = 0; i < EVENTS; i++)
        if (!CHECK(weights[i] == 1.0))
            break;
    CHECK_OK(laser_sampler_generate(r, EVENTS, 2, other[0], weights, NULL));
    CHECK(other_is_reference()); /* reweighted events are the generator's */
    CHECK_SAYS(laser_sampler_next(r, other[0], NULL), LASER_ERR_INVALID_ARGUMENT, "wrong without their weights");

    CHECK_OK(laser_model_log_prob(model, o, EVENTS, reference[0], 2, expected));
    for (size_t i = 0; i < EVENTS; i++)
        worst = fmax(worst, fabs(log_p[i] - expected[i]));
    CHECK(worst < 1e-3); /* networks of single precision */
    CHECK_OK(laser_model_log_weight(model, o, EVENTS, reference[0], 2, expected));
    for (size_t i = 0; i < EVENTS; i++)
        worst = fmax(worst, fabs(log(weights[i]) - expected[i]));
    CHECK(worst < 1e-3);

    /* g and its inverse */
    CHECK_OK(laser_sampler_seek(s, 0));
    CHECK_OK(laser_sampler_generate_latent(s, EVENTS, 2, other[0], 2, latent[0], NULL));
    CHECK(other_is_reference());
    CHECK_OK(laser_model_latent(model, o, EVENTS, reference[0], 2, z[0], 2));
    for (size_t i = 0; i < EVENTS; i++)
        worst = fmax(worst, fmax(fabs(z[i][0] - latent[i][0]), fabs(z[i][1] - latent[i][1])));
    CHECK(worst < 1e-3);

    /* The latents of the generator are standard normal: means within 4 standard errors, the same for squares. */
    for (int k = 0; k < 2; k++) {
        double sum = 0.0, squares = 0.0;
        for (size_t i = 0; i < EVENTS; i++)
            sum += latent[i][k], squares += latent[i][k] * latent[i][k];
        CHECK(fabs(sum / EVENTS) < 4.0 / sqrt(EVENTS));
        CHECK(fabs(squares / EVENTS - 1.0) < 4.0 * sqrt(2.0 / EVENTS));
    }
    laser_sampler_free(s);
    laser_sampler_free(r);
    laser_options_free(baseline);
    laser_options_free(reweight);
}

static void description(const laser_model *model)
{
    static char info[65536];
    size_t needed = 0;
    double v = NAN, fraction = NAN;
    CHECK_OK(laser_model_info(model, NULL, 0, &needed));
    REQUIRE(needed > 1 && needed <= sizeof info);
    CHECK_OK(laser_model_info(model, info, sizeof info, NULL));
    CHECK(strlen(info) + 1 == needed && info[0] == '{');
    CHECK(strstr(info, "weights") != NULL && strstr(info, laser_version()) != NULL);
    CHECK(laser_model_get_f64(model, "weights.mean", &v) == LASER_OK && v > 0.0);
    CHECK(laser_model_get_f64(model, "weights.effective_fraction", &fraction) == LASER_OK && fraction > 0.0 && fraction <= 1.0);
    CHECK(laser_model_get_f64(model, "weights.non_finite", &v) == LASER_OK && v == 0.0);
    CHECK(laser_model_get_f64(model, "flow.validation_loss", &v) == LASER_OK && isfinite(v));
    CHECK(laser_model_get_f64(model, "classifier.validation_loss", &v) == LASER_OK && fabs(v - log(2.0)) < 0.5);
}

/* The same options and the same events train the same model; the array is borrowed with a stride and weights. */
static void training_repeats(const laser_options *o)
{
    enum { ROWS = 2000, STRIDE = 3 };
    static double x[ROWS][STRIDE], w[ROWS];
    double events[2][20][2];
    uint64_t state = 3;
    for (size_t i = 0; i < ROWS; i++) {
        toy_events(1, x[i], &state);
        x[i][2] = NAN; /* between the rows: not looked at */
        w[i] = i % 2 ? 0.5 : 1.5;
    }
    for (int k = 0; k < 2; k++) {
        laser_source *source = NULL;
        laser_generator *generator = NULL;
        laser_model *model = NULL;
        laser_sampler *sampler = NULL;
        REQUIRE_OK(laser_source_from_array(x[0], w, ROWS, 2, STRIDE, &source));
        REQUIRE_OK(laser_generator_train(source, o, NULL, &generator));
        REQUIRE_OK(laser_refine(generator, source, o, NULL, &model));
        REQUIRE_OK(laser_sampler_new(model, 1, 1, o, &sampler));
        laser_source_free(source);
        laser_generator_free(generator);
        laser_model_free(model); /* the sampler keeps what it needs */
        REQUIRE_OK(laser_sampler_generate(sampler, 20, 2, events[k][0], NULL, NULL));
        laser_sampler_free(sampler);
    }
    CHECK(memcmp(events[0], events[1], sizeof events[0]) == 0);
}

static void one_model(const laser_options *o, const char *const *methods)
{
    laser_model *model = toy_model(o), *reloaded = NULL;
    REQUIRE_OK(laser_model_save(model, scratch("model.laser")));
    REQUIRE_OK(laser_model_load(scratch("model.laser"), NULL, &reloaded));
    for (; *methods; methods++)
        contract(model, reloaded, o, *methods);
    densities(reloaded, o);
    description(reloaded);
    laser_model_free(model);
    laser_model_free(reloaded);
}

int main(void)
{
    const char *const unlearned[] = {"model", "baseline", "reweight", "rejection", "resampling", "langevin", "mala", "hmc", NULL}, *const learned[] = {"gan", "flow", "matching", "mixture", "surrogate"};
    laser_options *o = toy_options();
    one_model(o, unlearned);
    training_repeats(o);
    REQUIRE_OK(laser_options_set_str(o, "dtype", "float64"));
    for (int k = 0; k < 5; k++) {
        const char *const methods[] = {learned[k], NULL};
        REQUIRE_OK(laser_options_set_str(o, "refiner.method", learned[k]));
        one_model(o, methods);
    }

    /* A generator by itself: saved, loaded, sampled. */
    laser_generator *generator = toy_generator(o), *reloaded = NULL;
    laser_model *baselines[2] = {NULL, NULL};
    REQUIRE_OK(laser_generator_save(generator, scratch("generator.laser")));
    REQUIRE_OK(laser_generator_load(scratch("generator.laser"), NULL, &reloaded));
    REQUIRE_OK(laser_model_from_generator(generator, &baselines[0]));
    REQUIRE_OK(laser_model_from_generator(reloaded, &baselines[1]));
    contract(baselines[0], baselines[1], o, "model");
    for (int k = 0; k < 2; k++)
        laser_model_free(baselines[k]);
    laser_generator_free(generator);
    laser_generator_free(reloaded);
    laser_options_free(o);
    scratch_remove();
    return check_result();
}
