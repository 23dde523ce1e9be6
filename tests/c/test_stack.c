/* Every kind of call on a thread with the stack that laser.h promises to be enough. */
#define _POSIX_C_SOURCE 200809L
#include "scratch.h"
#include "toy.h"

#include <pthread.h>

enum { STACK = 96 * 1024, EVENTS = 300 };

static double x[2 * EVENTS], z[2 * EVENTS], w[EVENTS];

/* A model file whose description nests arrays as deep as JSON is read. */
static void nested(void)
{
    enum { DEPTH = 120 };
    static char text[4096];
    const char *path = scratch("nested.laser");
    laser_model *model = NULL;
    char arrays[2 * DEPTH + 1] = "";
    memset(arrays, '[', DEPTH);
    memset(arrays + DEPTH, ']', DEPTH);
    int length = snprintf(text, sizeof text,
                          "{\"__metadata__\":{\"laser\":\"{\\\"format_version\\\":1,\\\"model\\\":{\\\"record\\\":{\\\"a\\\":%s}}}\"}}",
                          arrays);
    REQUIRE(length > 0 && (size_t)length < sizeof text);
    FILE *file = fopen(path, "wb");
    REQUIRE(file != NULL);
    for (int i = 0; i < 8; i++)
        fputc(i < 2 ? (length >> (8 * i)) & 255 : 0, file);
    REQUIRE(fwrite(text, 1, (size_t)length, file) == (size_t)length && fclose(file) == 0);
    CHECK_FAILS(laser_model_load(path, NULL, &model), LASER_ERR_FORMAT);
    static char json[20001];
    laser_options *options = NULL;
    memset(json, '[', sizeof json - 1);
    CHECK_FAILS(laser_options_from_json(json, &options), LASER_ERR_INVALID_ARGUMENT);
    for (size_t i = 0; i < sizeof json - 5; i += 5)
        memcpy(json + i, "{\"a\":", 5);
    CHECK(laser_options_from_json(json, &options) != LASER_OK);
}

static void scores(void)
{
    double value, other, error, floor, spread;
    laser_source *first = NULL, *second = NULL;
    REQUIRE_OK(laser_source_from_array(x, NULL, EVENTS, TOY_DIM, 0, &first));
    REQUIRE_OK(laser_source_from_array(z, NULL, EVENTS, TOY_DIM, 0, &second));
    CHECK_OK(laser_emd_1d(first, second, 0, 10, 1, &value, &error, &floor, &spread));
    CHECK_OK(laser_edge(first, second, "(x0 > 0 or not (x0 > -1)) and hypot(x0, 1) < 9", NULL, 1, &value, &error, &floor, &spread, NULL, NULL, NULL));
    CHECK_OK(laser_kolmogorov_smirnov(first, second, 0, &value, &other));
    laser_source_free(first);
    laser_source_free(second);
    laser_histogram *p = NULL, *q = NULL;
    REQUIRE_OK(laser_histogram_new(10, -4, 4, 10, -4, 4, &p));
    REQUIRE_OK(laser_histogram_new(10, -4, 4, 10, -4, 4, &q));
    CHECK_OK(laser_histogram_fill(p, EVENTS, x, 2, NULL));
    CHECK_OK(laser_histogram_fill(q, EVENTS, z, 2, NULL));
    CHECK_OK(laser_emd(p, q, &value, &other));
    laser_histogram_free(p);
    laser_histogram_free(q);
}

static void *calls(void *unused)
{
    static const char *const methods[] = {"baseline", "reweight", "rejection", "resampling", "langevin", "mala", "hmc",
                                          "gan",      "flow",     "matching",  "mixture",  "surrogate", "distilled"};
    laser_options *options = toy_options();
    const char *path = scratch("model.laser");
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        laser_model *model = NULL;
        laser_sampler *sampler = NULL;
        laser_options *method = toy_method(options, methods[i]);
        REQUIRE_OK(laser_options_set_str(method, "refiner.method", i ? methods[i] : "none"));
        REQUIRE_OK(laser_options_set_i64(method, "sampler.threads", 1 + (int)(i % 2)));
        laser_model *made = toy_model(method);
        CHECK_OK(laser_model_save(made, path));
        laser_model_free(made);
        REQUIRE_OK(laser_model_load(path, method, &model));
        REQUIRE_OK(laser_sampler_new(model, 1, 2, method, &sampler));
        CHECK_OK(laser_sampler_generate_latent(sampler, EVENTS, 0, x, 0, z, w));
        CHECK_OK(laser_sampler_next(sampler, x, w));
        CHECK_OK(laser_model_log_weight(model, method, EVENTS, x, 0, w));
        laser_sampler_free(sampler);
        laser_model_free(model);
        laser_options_free(method);
    }
    laser_options_free(options);
    scores();
    nested();
    scratch_remove();
    return unused;
}

int main(void)
{
    pthread_attr_t small;
    pthread_t thread;
    REQUIRE(pthread_attr_init(&small) == 0 && pthread_attr_setstacksize(&small, STACK) == 0);
    REQUIRE(pthread_create(&thread, &small, calls, NULL) == 0);
    REQUIRE(pthread_join(thread, NULL) == 0);
    return check_result();
}
