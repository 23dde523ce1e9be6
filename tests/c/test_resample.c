/* Positive weights for events with weights of both signs: arrays, what is wrong with them, the reweighter that comes with them. */
#include "toy.h"

enum { ROWS = 6000 };

static double x[ROWS][2], v[ROWS], w[ROWS], again[ROWS], ratio[ROWS];

static int32_t stop(const laser_progress *p, void *user)
{
    (void)p;
    return *(int32_t *)user;
}

int main(void)
{
    uint64_t state = 5;
    toy_events(ROWS, x[0], &state);
    double total = 0, mean = 0, squares = 0;
    for (size_t i = 0; i < ROWS; i++) {
        /* A fifth is subtracted: where the first feature is large, more. */
        v[i] = i % 5 == 0 ? -1.0 : 1.0;
        x[i][0] += i % 5 == 0 ? 0.3 : 0.0;
        total += v[i];
        squares += v[i] * v[i];
        w[i] = -7.0;
    }
    laser_options *o = toy_options();
    REQUIRE_OK(laser_options_set_i64(o, "classifier.steps", 200));
    laser_source *events = NULL, *plain = NULL;
    REQUIRE_OK(laser_source_from_array(x[0], v, ROWS, 2, 0, &events));
    REQUIRE_OK(laser_source_from_array(x[0], NULL, ROWS, 2, 0, &plain));
    laser_reweighter *r = NULL;

    /* What is wrong. */
    CHECK_FAILS(laser_resample(NULL, o, NULL, ROWS, w, &r), LASER_ERR_NULL);
    CHECK_FAILS(laser_resample(events, o, NULL, ROWS, NULL, NULL), LASER_ERR_NULL);
    CHECK_SAYS(laser_resample(plain, o, NULL, ROWS, w, &r), LASER_ERR_INVALID_ARGUMENT, "have no weights");
    CHECK_SAYS(laser_resample(events, o, NULL, ROWS - 1, w, &r), LASER_ERR_INVALID_ARGUMENT, "there are 6000 events");
    CHECK_SAYS(laser_resample(events, o, NULL, ROWS, v, &r), LASER_ERR_INVALID_ARGUMENT, "overlap");
    CHECK_SAYS(laser_resample(events, o, NULL, ROWS, x[7], &r), LASER_ERR_INVALID_ARGUMENT, "overlap");
    laser_hooks *hooks = NULL;
    int32_t code = 17;
    REQUIRE_OK(laser_hooks_new(&hooks));
    REQUIRE_OK(laser_hooks_set_progress(hooks, stop, &code));
    CHECK_FAILS(laser_resample(events, o, hooks, ROWS, w, &r), LASER_ERR_CALLBACK);
    CHECK(laser_last_callback_code() == 17 && r == NULL);
    for (size_t i = 0; i < ROWS; i++)
        CHECK(w[i] == -7.0);

    /* All events, with the local mean; and what the reweighter says of them. */
    REQUIRE_OK(laser_resample(events, o, NULL, ROWS, w, &r));
    double sum = 0, factor = 0, low = 0, high = 0;
    CHECK_OK(laser_reweighter_get_f64(r, "resample.factor", &factor));
    CHECK_OK(laser_reweighter_weights(r, NULL, ROWS, x[0], 0, ratio, NULL, NULL));
    for (size_t i = 0; i < ROWS; i++) {
        sum += w[i];
        mean += w[i] * x[i][0];
        CHECK(w[i] > 0.0 && fabs(factor * ratio[i] / w[i] - 1.0) < 1e-9);
        low += v[i] * x[i][0];
        high += fabs(v[i]) * x[i][0];
    }
    CHECK(fabs(sum / total - 1.0) < 1e-12);
    /* Nearer to the weighted mean than to that of the events without their signs. */
    CHECK(fabs(mean / sum - low / total) < 0.5 * fabs(high / ROWS - low / total));

    /* Only one of both; again the same. */
    CHECK_OK(laser_resample(events, o, NULL, ROWS, again, NULL));
    CHECK(memcmp(w, again, sizeof w) == 0);
    laser_reweighter *alone = NULL;
    CHECK_OK(laser_resample(events, o, NULL, 0, NULL, &alone));
    CHECK_OK(laser_reweighter_weights(alone, NULL, ROWS, x[0], 0, again, NULL, NULL));
    CHECK(memcmp(ratio, again, sizeof ratio) == 0);

    /* Fewer events, with the squares. */
    REQUIRE_OK(laser_options_set_str(o, "resample.method", "variance"));
    CHECK_OK(laser_resample(events, o, NULL, ROWS, again, NULL));
    double kept = 0, square = 0;
    sum = 0;
    for (size_t i = 0; i < ROWS; i++) {
        CHECK(again[i] >= 0.0);
        kept += again[i] > 0.0;
        sum += again[i];
        square += again[i] * again[i];
    }
    CHECK(fabs(sum / total - 1.0) < 1e-12);
    /* p = 0.36 where a fifth is subtracted everywhere. */
    CHECK(fabs(kept / ROWS - 0.37) < 0.03);
    CHECK(fabs(square / squares - 1.0) < 0.1);

    laser_reweighter_free(r);
    laser_reweighter_free(alone);
    laser_hooks_free(hooks);
    laser_source_free(events);
    laser_source_free(plain);
    laser_options_free(o);
    return check_result();
}
