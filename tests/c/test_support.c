/* Where events can be, told by a callback: the same as by a formula, attached again after loading, and what it may return. */
#define _POSIX_C_SOURCE 200809L
#include "scratch.h"
#include "toy.h"

enum { EVENTS = 4000, DRAWN = 500 };

/* A callback, and what it does besides. */
typedef struct {
    int calls;
    int32_t code;     /* what it returns */
    int32_t above;    /* the mark of events that can be: 1, unless it is wrong */
    laser_sampler *again; /* asked for an event from inside */
    laser_status status;
} host;

static int is_inside(const double *x)
{
    return x[1] > -2.5 && x[0] > x[1] + 2.0;
}

static const char FORMULA[] = "x1 > -2.5 and x0 > x1 + 2";

static int32_t mark(size_t n, size_t dim, const double *x, int32_t *inside, void *user)
{
    host *h = user;
    double event[TOY_DIM];
    CHECK(n > 0 && dim == TOY_DIM);
    for (size_t i = 0; i < n; i++) {
        CHECK(isfinite(x[2 * i]) && isfinite(x[2 * i + 1]));
        inside[i] = is_inside(x + 2 * i) ? h->above : 0;
    }
    h->calls++;
    if (h->again)
        h->status = laser_sampler_next(h->again, event, NULL);
    return h->code;
}

/* Normal as the toy's events, but now and then one that failed. */
static int32_t simulate(size_t n, const double *z, size_t zdim, const double *c, size_t cdim, double *x, size_t xdim, void *user)
{
    (void)zdim;
    (void)c;
    (void)cdim;
    (void)xdim;
    (void)user;
    for (size_t i = 0; i < n; i++) {
        x[2 * i] = z[2 * i] > 3.0 ? NAN : 1.0 + z[2 * i];
        x[2 * i + 1] = -2.0 + 0.5 * z[2 * i + 1];
    }
    return 0;
}

/* A new source of the same events, all of them inside. */
static laser_source *events(void)
{
    static double x[EVENTS][TOY_DIM];
    uint64_t state = 1;
    laser_source *source = NULL;
    for (size_t i = 0; i < EVENTS; i++)
        do
            toy_events(1, x[i], &state);
        while (!is_inside(x[i]));
    REQUIRE_OK(laser_source_from_array(x[0], NULL, EVENTS, TOY_DIM, 0, &source));
    return source;
}

static laser_model *refined(const laser_generator *generator, const laser_options *options)
{
    laser_source *source = events();
    laser_model *model = NULL;
    REQUIRE_OK(laser_refine(generator, source, options, NULL, &model));
    laser_source_free(source);
    return model;
}

static void draw(const laser_model *model, double *x)
{
    laser_sampler *sampler = NULL;
    REQUIRE_OK(laser_sampler_new(model, 5, 0, NULL, &sampler));
    REQUIRE_OK(laser_sampler_generate(sampler, DRAWN, 0, x, NULL, NULL));
    laser_sampler_free(sampler);
}

static laser_options *settings(const char *support)
{
    laser_options *options = toy_options();
    REQUIRE_OK(laser_options_set_str(options, "refiner.method", "rejection"));
    REQUIRE_OK(laser_options_set_str(options, "support", support));
    return options;
}

static void like_a_formula(const laser_generator *plain, const laser_generator *generator, host *h)
{
    static double expected[DRAWN * TOY_DIM], x[DRAWN * TOY_DIM];
    laser_options *formula = settings(FORMULA), *none = settings("");
    laser_model *by_formula = refined(plain, formula), *model = refined(generator, none), *loaded = NULL, *half = NULL, *whole = NULL;
    laser_model *out = NULL;
    laser_source *source = events();
    char info[65536];
    double log_w = 0.0;
    const double beyond[TOY_DIM] = {0.0, -3.0};
    CHECK(h->calls > 0);
    draw(by_formula, expected);
    draw(model, x);
    CHECK(memcmp(expected, x, sizeof x) == 0);
    for (size_t i = 0; i < DRAWN; i++)
        CHECK(is_inside(x + 2 * i));
    CHECK_SAYS(laser_refine(generator, source, formula, NULL, &out), LASER_ERR_INVALID_ARGUMENT, "take one of them");
    CHECK_OK(laser_model_log_weight(model, NULL, 1, beyond, 0, &log_w));
    CHECK(log_w == -INFINITY);
    CHECK_OK(laser_model_info(model, info, sizeof info, NULL));
    CHECK(strstr(info, "\"type\": \"host\"") != NULL);

    const char *path = scratch("supported.laser");
    REQUIRE_OK(laser_model_save(model, path));
    REQUIRE_OK(laser_model_load(path, NULL, &loaded));
    REQUIRE_OK(laser_model_attach(loaded, TOY_DIM, 0, TOY_DIM, simulate, NULL, &half));
    CHECK_SAYS(laser_model_log_weight(half, NULL, 1, beyond, 0, &log_w), LASER_ERR_UNSUPPORTED, "laser_model_attach_support");
    CHECK_FAILS(laser_model_attach_support(half, TOY_DIM, NULL, h, &out), LASER_ERR_NULL);
    CHECK_SAYS(laser_model_attach_support(half, 3, mark, h, &out), LASER_ERR_INVALID_ARGUMENT, "`dim` is 3");
    CHECK_SAYS(laser_model_attach_support(by_formula, TOY_DIM, mark, h, &out), LASER_ERR_INVALID_ARGUMENT, "no callback");
    CHECK(out == NULL);
    REQUIRE_OK(laser_model_attach_support(half, TOY_DIM, mark, h, &whole));
    draw(whole, x);
    CHECK(memcmp(expected, x, sizeof x) == 0);

    laser_model_free(whole);
    laser_model_free(half);
    laser_model_free(loaded);
    laser_model_free(model);
    laser_model_free(by_formula);
    laser_source_free(source);
    laser_options_free(none);
    laser_options_free(formula);
}

static void returns(const laser_generator *generator, host *h)
{
    double x[TOY_DIM];
    laser_options *none = settings("");
    laser_model *model = refined(generator, none), *out = NULL;
    laser_sampler *sampler = NULL, *other = NULL;
    laser_source *source = events();
    REQUIRE_OK(laser_sampler_new(model, 5, 1, NULL, &sampler));
    REQUIRE_OK(laser_sampler_new(model, 5, 2, NULL, &other));
    h->code = 77;
    CHECK_SAYS(laser_sampler_next(sampler, x, NULL), LASER_ERR_CALLBACK, "the support callback returned 77");
    CHECK(laser_last_callback_code() == 77);
    CHECK_FAILS(laser_refine(generator, source, none, NULL, &out), LASER_ERR_CALLBACK);
    h->code = 0;
    h->above = 2;
    CHECK_SAYS(laser_sampler_next(sampler, x, NULL), LASER_ERR_DATA, "with 2; 1 (inside) or 0");
    CHECK_FAILS(laser_refine(generator, source, none, NULL, &out), LASER_ERR_DATA);
    CHECK(out == NULL);
    h->above = 1;
    h->again = other;
    CHECK_OK(laser_sampler_next(sampler, x, NULL));
    CHECK(h->status == LASER_ERR_BUSY);
    h->again = NULL;
    CHECK_OK(laser_sampler_next(other, x, NULL));
    laser_sampler_free(other);
    laser_sampler_free(sampler);
    laser_model_free(model);
    laser_source_free(source);
    laser_options_free(none);
}

static void names(const laser_generator *generator)
{
    char name[16];
    size_t needed = 0;
    laser_model *model = NULL;
    laser_options *options = settings("");
    REQUIRE_OK(laser_model_from_generator(generator, &model));
    CHECK_OK(laser_model_feature_name(model, 1, name, sizeof name, &needed));
    CHECK(strcmp(name, "x1") == 0 && needed == 3);
    CHECK_SAYS(laser_model_feature_name(model, 2, name, sizeof name, NULL), LASER_ERR_INVALID_ARGUMENT, "have 2 values");
    laser_model_free(model);
    REQUIRE_OK(laser_options_set_str(options, "features.names", "pt,eta"));
    model = refined(generator, options);
    CHECK_OK(laser_model_feature_name(model, 1, name, sizeof name, NULL));
    CHECK(strcmp(name, "eta") == 0);
    laser_model_free(model);
    laser_options_free(options);
}

int main(void)
{
    host h = {0, 0, 1, NULL, LASER_OK};
    laser_generator *plain = NULL, *generator = NULL;
    REQUIRE_OK(laser_generator_from_callback(TOY_DIM, 0, TOY_DIM, 0, simulate, NULL, NULL, &plain));
    CHECK_SAYS(laser_generator_with_support(plain, 1, mark, &h, &generator), LASER_ERR_INVALID_ARGUMENT, "`dim` is 1");
    CHECK_SAYS(laser_generator_with_support(plain, TOY_DIM, NULL, &h, &generator), LASER_ERR_NULL, "`support`");
    CHECK(generator == NULL);
    REQUIRE_OK(laser_generator_with_support(plain, TOY_DIM, mark, &h, &generator));
    like_a_formula(plain, generator, &h);
    returns(generator, &h);
    names(generator);
    laser_generator_free(generator);
    laser_generator_free(plain);
    scratch_remove();
    return check_result();
}
