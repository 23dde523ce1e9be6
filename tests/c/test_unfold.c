/* Unfolding: flags, weights and the reweighter of laser_unfold, and what it refuses. */
#define _POSIX_C_SOURCE 200809L
#include "scratch.h"
#include "toy.h"

enum { N = 4000, DATA = 3000 };

static double t[N][2], x[N][2], data[DATA][2], v[N], w[N], again[N], noise[N][2];
static int32_t flags[N];

static double sum(void)
{
    double total = 0;
    for (size_t i = 0; i < N; i++)
        total += v[i] * w[i];
    return total;
}

int main(void)
{
    uint64_t state = 5;
    toy_events(N, t[0], &state);
    toy_events(N, noise[0], &state);
    toy_events(DATA, data[0], &state);
    for (size_t i = 0; i < N; i++) {
        v[i] = i % 2 ? 2e-3 : 1e-3;
        flags[i] = i % 5 == 0 ? LASER_PAIR_GENERATED : LASER_PAIR_GENERATED | LASER_PAIR_RECONSTRUCTED;
        for (size_t k = 0; k < 2; k++)
            x[i][k] = flags[i] == LASER_PAIR_GENERATED ? -999 : t[i][k] + 0.3 * noise[i][k];
    }
    for (size_t i = 0; i < DATA; i++) {
        data[i][0] += 0.4 + 0.3 * noise[i][0];
        data[i][1] += 0.3 * noise[i][1];
    }
    /* An event that was reconstructed alone. */
    flags[17] = LASER_PAIR_RECONSTRUCTED;
    t[17][0] = 1e30;

    laser_options *o = toy_options();
    REQUIRE_OK(laser_options_set_i64(o, "classifier.steps", 200));
    REQUIRE_OK(laser_options_set_f64(o, "classifier.lr", 0.01));
    REQUIRE_OK(laser_options_set_i64(o, "unfold.iterations", 2));
    laser_source *of_t = NULL, *of_x = NULL, *of_data = NULL;
    REQUIRE_OK(laser_source_from_array(t[0], v, N, 2, 0, &of_t));
    REQUIRE_OK(laser_source_from_array(x[0], NULL, N, 2, 0, &of_x));
    REQUIRE_OK(laser_source_from_array(data[0], NULL, DATA, 2, 0, &of_data));

    /* What is wrong. */
    laser_reweighter *r = NULL, *untouched = NULL;
    CHECK_FAILS(laser_unfold(NULL, of_x, of_data, flags, N, o, NULL, w, &untouched), LASER_ERR_NULL);
    CHECK_FAILS(laser_unfold(of_t, NULL, of_data, flags, N, o, NULL, w, &untouched), LASER_ERR_NULL);
    CHECK_FAILS(laser_unfold(of_t, of_x, NULL, flags, N, o, NULL, w, &untouched), LASER_ERR_NULL);
    CHECK_FAILS(laser_unfold(of_t, of_x, of_data, flags, N, o, NULL, w, NULL), LASER_ERR_NULL);
    CHECK_SAYS(laser_unfold(of_t, of_x, of_data, flags, N - 1, o, NULL, w, &untouched), LASER_ERR_INVALID_ARGUMENT, "`n` is 3999");
    CHECK_SAYS(laser_unfold(of_t, of_data, of_data, NULL, N, o, NULL, NULL, &untouched), LASER_ERR_INVALID_ARGUMENT, "3000");
    flags[9] = 4;
    CHECK_SAYS(laser_unfold(of_t, of_x, of_data, flags, N, o, NULL, w, &untouched), LASER_ERR_INVALID_ARGUMENT, "row 9");
    flags[9] = LASER_PAIR_GENERATED | LASER_PAIR_RECONSTRUCTED;
    laser_hooks *hooks = NULL;
    laser_cancel *cancel = NULL;
    REQUIRE_OK(laser_hooks_new(&hooks));
    REQUIRE_OK(laser_cancel_new(&cancel));
    REQUIRE_OK(laser_hooks_set_cancel(hooks, cancel));
    laser_cancel_trip(cancel);
    w[3] = -7;
    CHECK_FAILS(laser_unfold(of_t, of_x, of_data, flags, N, o, hooks, w, &untouched), LASER_ERR_CANCELLED);
    CHECK(untouched == NULL && w[3] == -7);

    REQUIRE_OK(laser_unfold(of_t, of_x, of_data, flags, N, o, NULL, w, &r));
    double factor = 0, total = 0, number = 0, efficiency = 0;
    CHECK_OK(laser_reweighter_get_f64(r, "unfolding.factor", &factor));
    CHECK_OK(laser_reweighter_get_f64(r, "unfolding.total", &total));
    CHECK_OK(laser_reweighter_get_f64(r, "unfolding.data", &number));
    CHECK_OK(laser_reweighter_get_f64(r, "unfolding.efficiency", &efficiency));
    CHECK(number == DATA && fabs(sum() / total - 1) < 1e-9);
    CHECK(fabs(total * efficiency / DATA - 1) < 0.01 && fabs(efficiency - 0.8) < 0.05);
    CHECK(w[17] == 0);
    CHECK_OK(laser_reweighter_weights(r, NULL, N, t[0], 0, again, NULL, NULL));
    for (size_t i = 0; i < N; i++)
        CHECK(i == 17 || factor * again[i] == w[i]);

    /* The weights are wanted or not, and the sources are as they were. */
    REQUIRE_OK(laser_unfold(of_t, of_x, of_data, flags, N, o, NULL, NULL, &untouched));
    laser_reweighter_free(untouched);
    REQUIRE_OK(laser_options_set_i64(o, "unfold.replica", 2));
    REQUIRE_OK(laser_unfold(of_t, of_x, of_data, flags, N, o, NULL, again, &untouched));
    size_t left_out = 0;
    for (size_t i = 0; i < N; i++)
        left_out += again[i] == 0;
    CHECK(left_out > N / 3 && left_out < 2 * N / 5);

    laser_reweighter_free(untouched);
    laser_reweighter_free(r);
    laser_source_free(of_t);
    laser_source_free(of_x);
    laser_source_free(of_data);
    laser_hooks_free(hooks);
    laser_cancel_free(cancel);
    laser_options_free(o);
    return check_result();
}
