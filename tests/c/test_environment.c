/* A host's floating-point environment, whatever it is: no trap of its goes off inside the library, no flag of its is set, callbacks run in
 * it, and no bit of a result depends on it. */
#define _GNU_SOURCE /* feenableexcept */
#include "toy.h"

#if defined(__x86_64__) && defined(__GLIBC__)

#include <fenv.h>
#include <xmmintrin.h>

enum { EVENTS = 3000, ASKED = 300, TRAPS = FE_INVALID | FE_DIVBYZERO | FE_OVERFLOW };
enum { SUBNORMALS_ARE_ZERO = 0x8040 }; /* of MXCSR: FTZ and DAZ */

static const char *const methods[] = {"baseline", "reweight", "rejection", "resampling", "gan", "flow", "matching", "mixture", "surrogate", "distilled", "langevin", "mala", "hmc"};

static double events[EVENTS][TOY_DIM], shifted[EVENTS][TOY_DIM], far[100][TOY_DIM], same[8][2][1];
static uint64_t hash;       /* of all results of a run */
static unsigned mode;       /* MXCSR of the run but its flags */
static size_t callbacks;    /* in this run */

static void add(const void *bytes, size_t size)
{
    const unsigned char *b = bytes;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ b[i]) * UINT64_C(1099511628211);
}

/* Not the library's environment; what flags the host sets here, it finds again. */
static void in_callback(void)
{
    CHECK((_mm_getcsr() & ~0x3Fu) == mode);
    CHECK(!fetestexcept(FE_ALL_EXCEPT) || callbacks > 0);
    if (callbacks++ == 0)
        _mm_setcsr(_mm_getcsr() | FE_UNDERFLOW);
    CHECK(fetestexcept(FE_ALL_EXCEPT) == FE_UNDERFLOW);
}

static int32_t progress(const laser_progress *p, void *user)
{
    (void)user;
    double loss = laser_progress_loss(p);
    (void)loss;
    in_callback();
    return 0;
}

static int32_t message(int32_t level, const char *text, void *user)
{
    (void)level;
    (void)text;
    (void)user;
    in_callback();
    return 0;
}

/* Results of events that are far out: LASER_OK comes with numbers only (a logarithm may be that of 0). */
static void finite_or_told(laser_status status, const double *values, size_t n, int logarithm)
{
    size_t lost = 0;
    for (size_t i = 0; i < n; i++)
        lost += !isfinite(values[i]) && !(logarithm && isinf(values[i]) && signbit(values[i]));
    CHECK(status == (lost ? LASER_ERR_NUMERICAL : LASER_OK));
}

/* A shear whose far events fail. Sums of few bits: exact in any environment. */
static int32_t shear(size_t n, const double *z, size_t zdim, const double *c, size_t cdim, double *x, size_t xdim, void *user)
{
    (void)c;
    (void)cdim;
    (void)user;
    in_callback();
    for (size_t i = 0; i < n; i++) {
        memcpy(x + i * xdim, z + i * zdim, xdim * sizeof *x);
        if (z[i * zdim] > 2.0)
            x[i * xdim] = NAN;
    }
    return 0;
}

static int32_t noise(size_t n, double *u, void *user)
{
    uint64_t *state = user;
    in_callback();
    for (size_t i = 0; i < n; i++) {
        *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        uint64_t bits = UINT64_C(0x3FF0000000000000) | *state >> 12;
        memcpy(u + i, &bits, sizeof bits);
        u[i] -= 1.0; /* exact */
    }
    return 0;
}

static void sample(const laser_model *model, const laser_options *options, const laser_hooks *hooks, const char *method)
{
    static const char *const keys[] = {"acceptance", "overweight_fraction", "overweight_events", "effective_fraction", "distinct_fraction",
                                       "r_hat", "effective_sample_size", "weight_of_largest"};
    static double x[ASKED][TOY_DIM], w[ASKED];
    static float single[ASKED][TOY_DIM], single_w[ASKED];
    laser_options *o = toy_method(options, method);
    laser_sampler *s = NULL;
    uint64_t state = 3;
    double number;
    REQUIRE_OK(laser_sampler_new(model, 1, 2, o, &s));
    CHECK_OK(laser_sampler_set_hooks(s, hooks));
    for (size_t k = 0; k < 2 * sizeof keys / sizeof keys[0]; k++) {
        CHECK_OK(laser_sampler_get_f64(s, keys[k / 2], &number)); /* of nothing, then of something */
        add(&number, sizeof number);
        if (k % 2 == 0)
            CHECK_OK(laser_sampler_generate(s, ASKED, 0, x[0], w, NULL));
        add(x, sizeof x);
        add(w, sizeof w);
    }
    CHECK_OK(laser_sampler_generate_f32(s, ASKED, 0, single[0], single_w, NULL));
    for (size_t i = 0; i < ASKED; i++)
        CHECK_OK(laser_sampler_next(s, x[i], w));
    add(single, sizeof single);
    add(x, sizeof x);
    CHECK_OK(laser_sampler_set_noise_callback(s, noise, &state));
    CHECK_OK(laser_sampler_generate(s, 50, 0, x[0], w, NULL));
    add(x, sizeof x);
    laser_sampler_free(s);
    laser_options_free(o);
}

static void scores(const laser_source *p, const laser_source *q, const laser_options *options)
{
    static int32_t labels[EVENTS];
    double r[8] = {0};
    CHECK_OK(laser_emd_1d(p, q, 0, 0, 1, r, r + 1, r + 2, r + 3));
    CHECK_OK(laser_emd_1d(p, q, 1, 10, 1, r + 4, r + 5, r + 6, r + 7));
    add(r, sizeof r);
    CHECK_OK(laser_sliced_emd(p, q, 5, 0, 1, r, r + 1, r + 2, r + 3));
    CHECK_OK(laser_kolmogorov_smirnov(p, q, 0, r + 4, r + 5));
    CHECK_OK(laser_two_sample_auc(p, q, options, NULL, r + 6, r + 7));
    add(r, sizeof r);
    for (size_t i = 0; i < EVENTS; i++)
        labels[i] = i % 2;
    CHECK_OK(laser_auc(EVENTS, events[0], labels, NULL, r, r + 1));
    CHECK_OK(laser_chain_diagnostics(8, 2, 1, same[0][0], r + 2, r + 3));
    add(r, sizeof r);
}

/* Every kind of call, and the hash of what they give. */
static uint64_t run(unsigned csr)
{
    static double results[3][100], z[100][TOY_DIM];
    laser_hooks *hooks = NULL;
    laser_source *p = NULL, *q = NULL;
    laser_generator *flow = NULL, *host = NULL;
    laser_model *model = NULL, *refined = NULL;
    laser_options *options = toy_options();
    REQUIRE_OK(laser_options_set_str(options, "features.scaling", "standardise,log(-9)"));
    REQUIRE_OK(laser_options_set_i64(options, "threads", 2)); /* helpers compute as the caller does */

    const unsigned before = _mm_getcsr();
    hash = UINT64_C(1469598103934665603);
    mode = csr;
    callbacks = 0;
    _mm_setcsr(csr);
    REQUIRE_OK(laser_hooks_new(&hooks));
    CHECK_OK(laser_hooks_set_progress(hooks, progress, NULL));
    CHECK_OK(laser_hooks_set_log(hooks, message, NULL));
    CHECK_FAILS(laser_options_set_f64(options, "flow.lr", NAN), LASER_ERR_INVALID_ARGUMENT);
    CHECK_FAILS(laser_source_from_array(far[0], NULL, 1, 0, 0, &p), LASER_ERR_INVALID_ARGUMENT);
    REQUIRE_OK(laser_source_from_array(events[0], NULL, EVENTS, TOY_DIM, 0, &p));
    REQUIRE_OK(laser_source_from_array(shifted[0], NULL, EVENTS, TOY_DIM, 0, &q));
    REQUIRE_OK(laser_generator_train(p, options, hooks, &flow));
    REQUIRE_OK(laser_refine(flow, p, options, hooks, &model));
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        laser_options *o = options;
        if (i > 1) {
            o = toy_method(options, "model");
            CHECK_OK(laser_options_set_str(o, "refiner.method", methods[i]));
            REQUIRE_OK(laser_model_refine(model, NULL, o, hooks, &refined));
            sample(refined, options, hooks, methods[i]);
            laser_model_free(refined);
            laser_options_free(o);
        } else {
            sample(model, options, hooks, methods[i]);
        }
    }
    finite_or_told(laser_model_log_weight(model, NULL, 100, far[0], 0, results[0]), results[0], 100, 1);
    finite_or_told(laser_model_log_prob(model, NULL, 100, far[0], 0, results[1]), results[1], 100, 1);
    finite_or_told(laser_model_latent(model, NULL, 100, far[0], 0, z[0], 0), z[0], 100 * TOY_DIM, 0);
    add(results, sizeof results);
    add(z, sizeof z);
    scores(p, q, options);
    laser_generator_free(flow);
    laser_model_free(model);

    /* Events that are not finite, which the host may make. */
    CHECK_OK(laser_options_set_str(options, "features.scaling", "standardise"));
    REQUIRE_OK(laser_generator_from_callback(TOY_DIM, 0, TOY_DIM, 0, shear, NULL, options, &host));
    REQUIRE_OK(laser_refine(host, p, options, hooks, &model));
    sample(model, options, hooks, "rejection");
    sample(model, options, hooks, "reweight");
    laser_generator_free(host);
    laser_model_free(model);
    laser_source_free(p);
    laser_source_free(q);
    laser_hooks_free(hooks);

    CHECK(callbacks > 100);
    CHECK(_mm_getcsr() == (csr | FE_UNDERFLOW));
    _mm_setcsr(before);
    laser_options_free(options);
    return hash;
}

int main(void)
{
    static const unsigned rounding[] = {0, 0x2000, 0x4000, 0x6000};
    const unsigned usual = 0x1F80;
    uint64_t state = 5;
    toy_events(EVENTS, events[0], &state);
    toy_events(EVENTS, shifted[0], &state);
    for (size_t i = 0; i < 100; i++) {
        far[i][0] = (i % 2 ? 1e3 : -1e300) * toy_uniform(&state);
        far[i][1] = (i % 3 ? -1e5 : 1e200) * toy_uniform(&state);
    }
    const uint64_t expected = run(usual);
    CHECK(run(usual) == expected);
    CHECK(run(usual & ~((unsigned)TRAPS << 7)) == expected);
    CHECK(run(usual | SUBNORMALS_ARE_ZERO) == expected);
    for (size_t i = 1; i < sizeof rounding / sizeof rounding[0]; i++)
        CHECK(run(usual | rounding[i]) == expected);

    /* As a host sets them. */
    feclearexcept(FE_ALL_EXCEPT);
    feenableexcept(TRAPS);
    double x = 0.0;
    laser_options *options = NULL;
    CHECK_OK(laser_options_new("fast", &options));
    CHECK_FAILS(laser_options_set_f64(options, "flow.lr", NAN), LASER_ERR_INVALID_ARGUMENT);
    CHECK_OK(laser_options_get_f64(options, "flow.lr", &x));
    laser_options_free(options);
    CHECK(fegetexcept() == TRAPS && fetestexcept(FE_ALL_EXCEPT) == 0);
    return check_result();
}

#else

int main(void)
{
    printf("skipped: written for MXCSR of x86-64 and glibc\n");
    return SKIPPED;
}

#endif
