/* Every function with NULL, wrong sizes and wrong words: a status and a message, no output touched, no crash. */
#include "toy.h"

#include <math.h>

static const double events[4][2] = {{0, 1}, {2, 3}, {4, 5}, {6, 7}};

/* An output that no failing call may write to. */
#define UNTOUCHED ((void *)&check_failures)

static int32_t no_events(size_t n, size_t dim, double *x, double *w, size_t *got, void *user)
{
    (void)n, (void)dim, (void)x, (void)w, (void)got, (void)user;
    return 0;
}

static void library(void)
{
    char message[8] = "1234567";
    size_t needed = 0;
    CHECK(laser_abi_version() == LASER_ABI_VERSION);
    char version[64];
    snprintf(version, sizeof version, "%d.%d.%d", LASER_VERSION_MAJOR, LASER_VERSION_MINOR, LASER_VERSION_PATCH);
    CHECK(strncmp(laser_version(), version, strlen(version)) == 0);
    CHECK(strcmp(laser_status_name(LASER_OK), "LASER_OK") == 0);
    CHECK(strcmp(laser_status_name(LASER_ERR_BUSY), "LASER_ERR_BUSY") == 0);
    CHECK(strcmp(laser_status_name(-1), "unknown status") == 0);
    CHECK(strcmp(laser_status_name(INT32_MAX), "unknown status") == 0);

    CHECK(laser_last_error(message, sizeof message, NULL) == LASER_OK && message[0] == '\0'); /* no failure yet */
    CHECK_FAILS(laser_device_check(NULL), LASER_ERR_NULL);
    CHECK(laser_last_error(message, sizeof message, &needed) == LASER_OK);
    CHECK(strlen(message) == 7 && needed > 8); /* cut, NUL-terminated */
    CHECK(laser_last_error(NULL, 0, &needed) == LASER_OK);
    CHECK(laser_last_error(NULL, 8, &needed) == LASER_ERR_NULL);
    CHECK(laser_last_callback_code() == 0);
    CHECK(laser_device_check("cpu") == LASER_OK || laser_device_check("cpu") == LASER_ERR_UNSUPPORTED);
    CHECK(laser_device_check("abacus") != LASER_OK);
    CHECK(laser_device_check("cuda:") != LASER_OK);
}

static void options(void)
{
    laser_options *o = NULL, *out = UNTOUCHED;
    int64_t n = 42;
    double v = 42;
    char text[8] = "as was";
    size_t needed = 42;
    REQUIRE_OK(laser_options_new(NULL, &o));
    CHECK_FAILS(laser_options_new(NULL, NULL), LASER_ERR_NULL);
    CHECK_FAILS(laser_options_from_json(NULL, &out), LASER_ERR_NULL);
    CHECK_FAILS(laser_options_from_json("{}", NULL), LASER_ERR_NULL);
    CHECK_FAILS(laser_options_set_i64(NULL, "seed", 1), LASER_ERR_NULL);
    CHECK_FAILS(laser_options_set_f64(NULL, "flow.lr", 1), LASER_ERR_NULL);
    CHECK_FAILS(laser_options_set_str(NULL, "device", "cpu"), LASER_ERR_NULL);
    CHECK_FAILS(laser_options_set_i64(o, NULL, 1), LASER_ERR_NULL);
    CHECK_FAILS(laser_options_set_f64(o, NULL, 1), LASER_ERR_NULL);
    CHECK_FAILS(laser_options_set_str(o, NULL, "cpu"), LASER_ERR_NULL);
    CHECK_FAILS(laser_options_set_str(o, "device", NULL), LASER_ERR_NULL);
    CHECK_FAILS(laser_options_get_i64(NULL, "seed", &n), LASER_ERR_NULL);
    CHECK_FAILS(laser_options_get_i64(o, NULL, &n), LASER_ERR_NULL);
    CHECK_FAILS(laser_options_get_i64(o, "seed", NULL), LASER_ERR_NULL);
    CHECK_FAILS(laser_options_get_f64(NULL, "flow.lr", &v), LASER_ERR_NULL);
    CHECK_FAILS(laser_options_get_f64(o, NULL, &v), LASER_ERR_NULL);
    CHECK_FAILS(laser_options_get_f64(o, "flow.lr", NULL), LASER_ERR_NULL);
    CHECK_FAILS(laser_options_get_str(NULL, "device", text, 8, &needed), LASER_ERR_NULL);
    CHECK_FAILS(laser_options_get_str(o, NULL, text, 8, &needed), LASER_ERR_NULL);
    CHECK_FAILS(laser_options_get_str(o, "device", NULL, 8, &needed), LASER_ERR_NULL);
    CHECK_FAILS(laser_options_to_json(NULL, text, 8, &needed), LASER_ERR_NULL);
    CHECK_FAILS(laser_options_to_json(o, NULL, 8, &needed), LASER_ERR_NULL);
    CHECK(out == UNTOUCHED && n == 42 && v == 42 && needed == 42 && strcmp(text, "as was") == 0);
    laser_options_free(o);
}

static void hooks_and_cancel(void)
{
    laser_hooks *h = NULL;
    laser_cancel *c = NULL;
    CHECK_FAILS(laser_cancel_new(NULL), LASER_ERR_NULL);
    CHECK_FAILS(laser_cancel_reset(NULL), LASER_ERR_NULL);
    laser_cancel_trip(NULL);
    CHECK(laser_cancel_is_tripped(NULL) == 0);
    laser_cancel_free(NULL);
    REQUIRE_OK(laser_cancel_new(&c));
    CHECK(laser_cancel_is_tripped(c) == 0);
    laser_cancel_trip(c);
    CHECK(laser_cancel_is_tripped(c) == 1);
    CHECK_OK(laser_cancel_reset(c));
    CHECK(laser_cancel_is_tripped(c) == 0);

    CHECK_FAILS(laser_hooks_new(NULL), LASER_ERR_NULL);
    REQUIRE_OK(laser_hooks_new(&h));
    CHECK_FAILS(laser_hooks_set_progress(NULL, NULL, NULL), LASER_ERR_NULL);
    CHECK_FAILS(laser_hooks_set_log(NULL, NULL, NULL), LASER_ERR_NULL);
    CHECK_FAILS(laser_hooks_set_cancel(NULL, c), LASER_ERR_NULL);
    CHECK_OK(laser_hooks_set_progress(h, NULL, NULL));
    CHECK_OK(laser_hooks_set_log(h, NULL, NULL));
    CHECK_OK(laser_hooks_set_cancel(h, c));
    CHECK_OK(laser_hooks_set_cancel(h, NULL));
    CHECK_OK(laser_hooks_set_cancel(h, c));
    laser_cancel_free(c); /* the hooks keep it */
    laser_hooks_free(h);
    laser_hooks_free(NULL);

    CHECK(strcmp(laser_progress_stage(NULL), "") == 0);
    CHECK(laser_progress_epoch(NULL) == 0 && laser_progress_epochs(NULL) == 0);
    CHECK(laser_progress_step(NULL) == 0 && laser_progress_steps(NULL) == 0);
    CHECK(isnan(laser_progress_loss(NULL)) && isnan(laser_progress_validation_loss(NULL)) && isnan(laser_progress_seconds_left(NULL)));
}

static void sources(void)
{
    laser_source *out = UNTOUCHED;
    double bad[4][2];
    const double *x = events[0], bad_weights[] = {1, 1, INFINITY, 1};
    memcpy(bad, events, sizeof bad);
    bad[2][1] = NAN;
    CHECK_FAILS(laser_source_from_array(NULL, NULL, 4, 2, 2, &out), LASER_ERR_NULL);
    CHECK_FAILS(laser_source_from_array(x, NULL, 4, 2, 2, NULL), LASER_ERR_NULL);
    CHECK_FAILS(laser_source_from_array(x, NULL, 0, 2, 2, &out), LASER_ERR_INVALID_ARGUMENT);
    CHECK_FAILS(laser_source_from_array(x, NULL, 4, 0, 2, &out), LASER_ERR_INVALID_ARGUMENT);
    CHECK_FAILS(laser_source_from_array(x, NULL, 4, 2, 1, &out), LASER_ERR_INVALID_ARGUMENT);
    CHECK_FAILS(laser_source_from_array(x, NULL, SIZE_MAX, 2, 2, &out), LASER_ERR_INVALID_ARGUMENT);
    CHECK_FAILS(laser_source_from_array(x, NULL, SIZE_MAX / 2, 2, SIZE_MAX / 2, &out), LASER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(laser_source_from_array(bad[0], NULL, 4, 2, 2, &out), LASER_ERR_DATA, "row 2");
    CHECK_SAYS(laser_source_from_array(bad[0], NULL, 4, 2, 2, &out), LASER_ERR_DATA, "column 1");
    CHECK_SAYS(laser_source_from_array(x, bad_weights, 4, 2, 2, &out), LASER_ERR_DATA, "row 2");
    CHECK_FAILS(laser_source_from_callback(0, 0, no_events, NULL, &out), LASER_ERR_INVALID_ARGUMENT);
    CHECK_FAILS(laser_source_from_callback(2, 2, no_events, NULL, &out), LASER_ERR_INVALID_ARGUMENT);
    CHECK_FAILS(laser_source_from_callback(2, 0, NULL, NULL, &out), LASER_ERR_NULL);
    CHECK_FAILS(laser_source_from_callback(2, 0, no_events, NULL, NULL), LASER_ERR_NULL);
    CHECK(out == UNTOUCHED);
    laser_source_free(NULL);
    /* The second column of the second row ends the array: a stride that skips the padding is fine. */
    CHECK_OK(laser_source_from_array(x, NULL, 2, 2, 5, &out));
    laser_source_free(out);
}

static void histograms(void)
{
    laser_histogram *h = NULL;
    double a = 42, b = 42, contents[4] = {42, 42, 42, 42};
    CHECK_FAILS(laser_histogram_new(2, 0, 8, 2, 0, 8, NULL), LASER_ERR_NULL);
    REQUIRE_OK(laser_histogram_new(2, 0, 8, 2, 0, 8, &h));
    CHECK_FAILS(laser_histogram_fill(NULL, 4, events[0], 2, NULL), LASER_ERR_NULL);
    CHECK_FAILS(laser_histogram_fill(h, 4, NULL, 2, NULL), LASER_ERR_NULL);
    CHECK_FAILS(laser_histogram_contents(NULL, contents, 4), LASER_ERR_NULL);
    CHECK_FAILS(laser_histogram_contents(h, NULL, 4), LASER_ERR_NULL);
    CHECK_FAILS(laser_histogram_contents(h, contents, 3), LASER_ERR_INVALID_ARGUMENT);
    CHECK_FAILS(laser_histogram_total(NULL, &a, &b), LASER_ERR_NULL);
    CHECK_FAILS(laser_histogram_merge(NULL, h), LASER_ERR_NULL);
    CHECK_FAILS(laser_histogram_merge(h, NULL), LASER_ERR_NULL);
    CHECK_FAILS(laser_jsd(NULL, h, &a, &b), LASER_ERR_NULL);
    CHECK_FAILS(laser_jsd(h, NULL, &a, &b), LASER_ERR_NULL);
    CHECK_FAILS(laser_jsd(h, h, NULL, &b), LASER_ERR_NULL);
    CHECK_FAILS(laser_emd(NULL, h, &a, &b), LASER_ERR_NULL);
    CHECK_FAILS(laser_emd(h, NULL, &a, &b), LASER_ERR_NULL);
    CHECK_FAILS(laser_emd(h, h, NULL, &b), LASER_ERR_NULL);
    CHECK(a == 42 && b == 42 && contents[0] == 42);
    laser_histogram_free(h);
}

/* What needs no trained network, of the functions that make or take one. */
static void without_a_model(void)
{
    laser_generator *generator = UNTOUCHED;
    laser_model *model = UNTOUCHED;
    laser_sampler *sampler = UNTOUCHED;
    laser_source *one_column = NULL;
    size_t n = 42;
    uint64_t event = 42;
    double v = 42, x[2] = {42, 42};
    float x32[2] = {42, 42};
    CHECK_FAILS(laser_generator_train(NULL, NULL, NULL, &generator), LASER_ERR_NULL);
    CHECK_FAILS(laser_generator_save(NULL, "nowhere"), LASER_ERR_NULL);
    CHECK_FAILS(laser_generator_load(NULL, NULL, &generator), LASER_ERR_NULL);
    CHECK_FAILS(laser_generator_load("no such file", NULL, NULL), LASER_ERR_NULL);
    CHECK_SAYS(laser_generator_load("no such file", NULL, &generator), LASER_ERR_IO, "no such file");
    CHECK_FAILS(laser_generator_load("\xff", NULL, &generator), LASER_ERR_INVALID_ARGUMENT);
    CHECK_FAILS(laser_generator_event_dim(NULL, &n), LASER_ERR_NULL);
    CHECK_FAILS(laser_generator_latent_dim(NULL, &n), LASER_ERR_NULL);
    laser_generator_free(NULL);

    CHECK_FAILS(laser_model_from_generator(NULL, &model), LASER_ERR_NULL);
    CHECK_FAILS(laser_model_save(NULL, "nowhere"), LASER_ERR_NULL);
    CHECK_FAILS(laser_model_load(NULL, NULL, &model), LASER_ERR_NULL);
    CHECK_FAILS(laser_model_load("no such file", NULL, NULL), LASER_ERR_NULL);
    CHECK_SAYS(laser_model_load("no such file", NULL, &model), LASER_ERR_IO, "no such file");
    CHECK_FAILS(laser_model_event_dim(NULL, &n), LASER_ERR_NULL);
    CHECK_FAILS(laser_model_latent_dim(NULL, &n), LASER_ERR_NULL);
    CHECK_FAILS(laser_model_condition_dim(NULL, &n), LASER_ERR_NULL);
    CHECK_FAILS(laser_model_info(NULL, NULL, 0, &n), LASER_ERR_NULL);
    CHECK_FAILS(laser_model_get_f64(NULL, "weights.mean", &v), LASER_ERR_NULL);
    CHECK_FAILS(laser_model_log_weight(NULL, NULL, 1, events[0], 2, &v), LASER_ERR_NULL);
    CHECK_FAILS(laser_model_log_prob(NULL, NULL, 1, events[0], 2, &v), LASER_ERR_NULL);
    CHECK_FAILS(laser_model_latent(NULL, NULL, 1, events[0], 2, x, 2), LASER_ERR_NULL);
    laser_model_free(NULL);

    CHECK_FAILS(laser_sampler_new(NULL, 1, 0, NULL, &sampler), LASER_ERR_NULL);
    CHECK_FAILS(laser_sampler_seek(NULL, 0), LASER_ERR_NULL);
    CHECK_FAILS(laser_sampler_tell(NULL, &event), LASER_ERR_NULL);
    CHECK_FAILS(laser_sampler_generate(NULL, 1, 2, x, NULL, NULL), LASER_ERR_NULL);
    CHECK_FAILS(laser_sampler_generate_f32(NULL, 1, 2, x32, NULL, NULL), LASER_ERR_NULL);
    CHECK_FAILS(laser_sampler_generate_latent(NULL, 1, 2, x, 2, x, NULL), LASER_ERR_NULL);
    CHECK_FAILS(laser_sampler_next(NULL, x, &v), LASER_ERR_NULL);
    CHECK_FAILS(laser_sampler_get_f64(NULL, "events", &v), LASER_ERR_NULL);
    laser_sampler_free(NULL);
    CHECK(generator == UNTOUCHED && model == UNTOUCHED && sampler == UNTOUCHED);
    CHECK(n == 42 && event == 42 && v == 42 && x[0] == 42 && x32[0] == 42);

    REQUIRE_OK(laser_source_from_array(events[0], NULL, 4, 1, 2, &one_column));
    CHECK_FAILS(laser_generator_train(one_column, NULL, NULL, &generator), LASER_ERR_UNSUPPORTED);
    CHECK(generator == UNTOUCHED);
    laser_source_free(one_column);
}

static void generators(laser_generator *generator, const laser_options *o)
{
    uint64_t state = 1;
    size_t n = 0;
    laser_source *source = toy_source(&state), *three = NULL;
    laser_generator *no_generator = UNTOUCHED;
    laser_model *model = UNTOUCHED, *baseline = NULL;
    laser_sampler *sampler = UNTOUCHED;
    double v = 42;
    laser_options *rejection = toy_method(o, "rejection"), *no_device = toy_method(o, "model");
    CHECK(laser_generator_event_dim(generator, &n) == LASER_OK && n == 2);
    CHECK(laser_generator_latent_dim(generator, &n) == LASER_OK && n == 2);
    CHECK_FAILS(laser_generator_event_dim(generator, NULL), LASER_ERR_NULL);
    CHECK_FAILS(laser_generator_latent_dim(generator, NULL), LASER_ERR_NULL);
    CHECK_FAILS(laser_generator_save(generator, NULL), LASER_ERR_NULL);
    CHECK_SAYS(laser_generator_save(generator, "no such directory/file"), LASER_ERR_IO, "no such directory/file");
    CHECK_FAILS(laser_generator_train(source, o, NULL, NULL), LASER_ERR_NULL);
    CHECK_SAYS(laser_options_set_str(no_device, "device", "abacus"), LASER_ERR_INVALID_ARGUMENT, "cuda:N");
    /* No machine has so many GPUs. */
    REQUIRE_OK(laser_options_set_str(no_device, "device", "cuda:65535"));
    CHECK_FAILS(laser_generator_train(source, no_device, NULL, &no_generator), LASER_ERR_DEVICE);
    CHECK_FAILS(laser_refine(NULL, source, o, NULL, &model), LASER_ERR_NULL);
    CHECK_FAILS(laser_refine(generator, NULL, o, NULL, &model), LASER_ERR_NULL);
    CHECK_FAILS(laser_refine(generator, source, o, NULL, NULL), LASER_ERR_NULL);
    REQUIRE_OK(laser_source_from_array(events[0], NULL, 2, 3, 3, &three));
    CHECK_FAILS(laser_refine(generator, three, o, NULL, &model), LASER_ERR_INVALID_ARGUMENT);
    CHECK_FAILS(laser_model_from_generator(generator, NULL), LASER_ERR_NULL);
    CHECK(model == UNTOUCHED && no_generator == UNTOUCHED);

    /* A bare generator has no weights to give. */
    REQUIRE_OK(laser_model_from_generator(generator, &baseline));
    CHECK_FAILS(laser_model_log_weight(baseline, NULL, 1, events[0], 2, &v), LASER_ERR_UNSUPPORTED);
    CHECK_FAILS(laser_sampler_new(baseline, 1, 0, rejection, &sampler), LASER_ERR_UNSUPPORTED);
    CHECK(v == 42 && sampler == UNTOUCHED);
    laser_model_free(baseline);
    laser_source_free(three);
    laser_source_free(source);
    laser_options_free(rejection);
    laser_options_free(no_device);
}

static void models(const laser_model *model, const laser_options *o)
{
    size_t n = 0;
    double v = 42, out[8];
    const double bad[2][2] = {{0, 0}, {1, NAN}};
    laser_sampler *sampler = UNTOUCHED;
    laser_options *gan = toy_method(o, "gan");
    char byte = 'x';
    for (int i = 0; i < 8; i++)
        out[i] = 42;
    CHECK(laser_model_event_dim(model, &n) == LASER_OK && n == 2);
    CHECK(laser_model_latent_dim(model, &n) == LASER_OK && n == 2);
    CHECK(laser_model_condition_dim(model, &n) == LASER_OK && n == 0);
    CHECK_FAILS(laser_model_event_dim(model, NULL), LASER_ERR_NULL);
    CHECK_FAILS(laser_model_latent_dim(model, NULL), LASER_ERR_NULL);
    CHECK_FAILS(laser_model_condition_dim(model, NULL), LASER_ERR_NULL);
    CHECK_FAILS(laser_model_info(model, NULL, 1, &n), LASER_ERR_NULL);
    CHECK_FAILS(laser_model_info(model, &byte, 1, &n), LASER_ERR_INVALID_ARGUMENT);
    CHECK(byte == 'x' && n > 1);
    CHECK_FAILS(laser_model_get_f64(model, NULL, &v), LASER_ERR_NULL);
    CHECK_FAILS(laser_model_get_f64(model, "weights.mean", NULL), LASER_ERR_NULL);
    CHECK(laser_model_get_f64(model, "weights.meen", &v) != LASER_OK);
    CHECK(laser_model_get_f64(model, "", &v) != LASER_OK);
    CHECK(v == 42);
    CHECK_FAILS(laser_model_save(model, NULL), LASER_ERR_NULL);
    CHECK_FAILS(laser_model_save(model, "no such directory/file"), LASER_ERR_IO);

    CHECK_FAILS(laser_model_log_weight(model, o, 4, NULL, 2, out), LASER_ERR_NULL);
    CHECK_FAILS(laser_model_log_weight(model, o, 4, events[0], 2, NULL), LASER_ERR_NULL);
    CHECK_FAILS(laser_model_log_weight(model, o, 4, events[0], 1, out), LASER_ERR_INVALID_ARGUMENT);
    CHECK_FAILS(laser_model_log_weight(model, o, SIZE_MAX, events[0], 2, out), LASER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(laser_model_log_weight(model, o, 2, bad[0], 2, out), LASER_ERR_DATA, "row 1");
    CHECK_FAILS(laser_model_log_prob(model, o, 4, NULL, 2, out), LASER_ERR_NULL);
    CHECK_FAILS(laser_model_log_prob(model, o, 4, events[0], 2, NULL), LASER_ERR_NULL);
    CHECK_FAILS(laser_model_log_prob(model, o, 4, events[0], 1, out), LASER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(laser_model_log_prob(model, o, 2, bad[0], 2, out), LASER_ERR_DATA, "row 1");
    CHECK_FAILS(laser_model_latent(model, o, 4, NULL, 2, out, 2), LASER_ERR_NULL);
    CHECK_FAILS(laser_model_latent(model, o, 4, events[0], 2, NULL, 2), LASER_ERR_NULL);
    CHECK_FAILS(laser_model_latent(model, o, 4, events[0], 1, out, 2), LASER_ERR_INVALID_ARGUMENT);
    CHECK_FAILS(laser_model_latent(model, o, 4, events[0], 2, out, 1), LASER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(laser_model_latent(model, o, 2, bad[0], 2, out, 2), LASER_ERR_DATA, "row 1");
    for (int i = 0; i < 8; i++)
        CHECK(out[i] == 42);

    CHECK_FAILS(laser_sampler_new(model, 1, 0, o, NULL), LASER_ERR_NULL);
    CHECK_FAILS(laser_sampler_new(model, 1, 0, gan, &sampler), LASER_ERR_UNSUPPORTED); /* none was trained */
    CHECK(sampler == UNTOUCHED);
    laser_options_free(gan);
}

static void samplers(const laser_model *model, const laser_options *o)
{
    laser_sampler *s = NULL;
    uint64_t event = 42;
    double x[8], w[4], v = 42;
    float x32[8];
    for (int i = 0; i < 8; i++)
        x32[i] = 42, x[i] = 42;
    w[0] = 42;
    REQUIRE_OK(laser_sampler_new(model, 1, 0, o, &s));
    CHECK_FAILS(laser_sampler_tell(s, NULL), LASER_ERR_NULL);
    CHECK_FAILS(laser_sampler_generate(s, 4, 2, NULL, w, NULL), LASER_ERR_NULL);
    CHECK_FAILS(laser_sampler_generate(s, 4, 1, x, w, NULL), LASER_ERR_INVALID_ARGUMENT);
    CHECK_FAILS(laser_sampler_generate(s, SIZE_MAX, 2, x, w, NULL), LASER_ERR_INVALID_ARGUMENT);
    CHECK_FAILS(laser_sampler_generate(s, 3, SIZE_MAX / 2, x, w, NULL), LASER_ERR_INVALID_ARGUMENT);
    CHECK_FAILS(laser_sampler_generate(s, 4, 2, x, x + 4, NULL), LASER_ERR_INVALID_ARGUMENT); /* overlap */
    CHECK_FAILS(laser_sampler_generate_f32(s, 4, 2, NULL, NULL, NULL), LASER_ERR_NULL);
    CHECK_FAILS(laser_sampler_generate_f32(s, 4, 1, x32, NULL, NULL), LASER_ERR_INVALID_ARGUMENT);
    CHECK_FAILS(laser_sampler_generate_latent(s, 4, 2, NULL, 2, x, w), LASER_ERR_NULL);
    CHECK_FAILS(laser_sampler_generate_latent(s, 4, 2, x, 2, NULL, w), LASER_ERR_NULL);
    CHECK_FAILS(laser_sampler_generate_latent(s, 2, 2, x, 1, x + 4, w), LASER_ERR_INVALID_ARGUMENT);
    CHECK_FAILS(laser_sampler_next(s, NULL, w), LASER_ERR_NULL);
    CHECK_FAILS(laser_sampler_get_f64(s, NULL, &v), LASER_ERR_NULL);
    CHECK_FAILS(laser_sampler_get_f64(s, "events", NULL), LASER_ERR_NULL);
    CHECK(laser_sampler_get_f64(s, "evens", &v) != LASER_OK);
    for (int i = 0; i < 8; i++)
        CHECK(x[i] == 42 && x32[i] == 42);
    CHECK(w[0] == 42 && v == 42);
    CHECK_OK(laser_sampler_tell(s, &event));
    CHECK(event == 0); /* no failed call moved it */
    CHECK_OK(laser_sampler_next(s, x, NULL));
    laser_sampler_free(s);
}

int main(void)
{
    library();
    options();
    hooks_and_cancel();
    sources();
    histograms();
    without_a_model();
    if (check_failures)
        return check_result();

    laser_options *o = toy_options();
    laser_generator *generator = toy_generator(o);
    generators(generator, o);
    laser_generator_free(generator);
    laser_model *model = toy_model(o);
    models(model, o);
    samplers(model, o);
    laser_model_free(model);
    laser_options_free(o);
    return check_result();
}
