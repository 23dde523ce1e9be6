/* Weights for events that are there: trained on arrays and callbacks, saved, loaded, given out in rows with strides. */
#define _POSIX_C_SOURCE 200809L
#include "scratch.h"
#include "toy.h"

enum { ROWS = 4000, FEW = 500, WIDE = 5 };

static double from_events[ROWS][2], to_events[ROWS][3], plain_to[ROWS][2], v[ROWS];

static void fill(void)
{
    uint64_t state = 3;
    toy_events(ROWS, from_events[0], &state);
    toy_events(ROWS, plain_to[0], &state);
    for (size_t i = 0; i < ROWS; i++) {
        const double theta = 0.25 * (double)(i % 5);
        plain_to[i][0] += 0.5;
        to_events[i][0] = plain_to[i][0] - 0.5 + theta;
        to_events[i][1] = plain_to[i][1];
        to_events[i][2] = theta;
        v[i] = i % 4 == 0 ? -1e-3 : 1e-3;
    }
}

static int32_t stop(const laser_progress *p, void *user)
{
    (void)p;
    return *(int32_t *)user;
}

int main(void)
{
    fill();
    laser_options *o = toy_options();
    REQUIRE_OK(laser_options_set_i64(o, "classifier.steps", 300));
    REQUIRE_OK(laser_options_set_f64(o, "classifier.lr", 0.01));
    REQUIRE_OK(laser_options_set_i64(o, "classifier.ensemble", 2));
    REQUIRE_OK(laser_options_set_str(o, "features.names", "m,pt"));
    laser_source *from = NULL, *to = NULL;
    REQUIRE_OK(laser_source_from_array(from_events[0], v, ROWS, 2, 0, &from));
    REQUIRE_OK(laser_source_from_array(plain_to[0], NULL, ROWS, 2, 0, &to));
    laser_reweighter *r = NULL, *again = NULL, *untouched = NULL;

    /* What is wrong. */
    CHECK_FAILS(laser_reweighter_train(NULL, to, o, NULL, &r), LASER_ERR_NULL);
    CHECK_FAILS(laser_reweighter_train(from, NULL, o, NULL, &r), LASER_ERR_NULL);
    CHECK_FAILS(laser_reweighter_train(from, to, o, NULL, NULL), LASER_ERR_NULL);
    CHECK_SAYS(laser_reweighter_train(from, from, o, NULL, &untouched), LASER_ERR_BUSY, "source");
    laser_source *three = NULL;
    REQUIRE_OK(laser_source_from_array(to_events[0], NULL, ROWS, 3, 0, &three));
    CHECK_SAYS(laser_reweighter_train(from, three, o, NULL, &untouched), LASER_ERR_INVALID_ARGUMENT, "`from` have 2 columns");
    laser_hooks *hooks = NULL;
    int32_t code = 17;
    REQUIRE_OK(laser_hooks_new(&hooks));
    REQUIRE_OK(laser_hooks_set_progress(hooks, stop, &code));
    CHECK_FAILS(laser_reweighter_train(from, to, o, hooks, &untouched), LASER_ERR_CALLBACK);
    CHECK(laser_last_callback_code() == 17);
    laser_cancel *cancel = NULL;
    REQUIRE_OK(laser_cancel_new(&cancel));
    REQUIRE_OK(laser_hooks_set_progress(hooks, NULL, NULL));
    REQUIRE_OK(laser_hooks_set_cancel(hooks, cancel));
    laser_cancel_trip(cancel);
    CHECK_FAILS(laser_reweighter_train(from, to, o, hooks, &untouched), LASER_ERR_CANCELLED);
    CHECK(untouched == NULL);

    REQUIRE_OK(laser_reweighter_train(from, to, o, NULL, &r));
    size_t dim = 9, conditions = 9;
    CHECK_OK(laser_reweighter_event_dim(r, &dim));
    CHECK_OK(laser_reweighter_condition_dim(r, &conditions));
    CHECK(dim == 2 && conditions == 0);
    char name[8];
    CHECK_OK(laser_reweighter_feature_name(r, 1, name, sizeof name, NULL));
    CHECK(strcmp(name, "pt") == 0);
    CHECK_FAILS(laser_reweighter_feature_name(r, 2, name, sizeof name, NULL), LASER_ERR_INVALID_ARGUMENT);
    size_t needed = 0;
    CHECK_OK(laser_reweighter_info(r, NULL, 0, &needed));
    char *json = malloc(needed);
    CHECK_OK(laser_reweighter_info(r, json, needed, NULL));
    CHECK(json && strstr(json, "\"events\"") && strstr(json, "\"classifier\""));
    free(json);
    double number = 0;
    CHECK_OK(laser_reweighter_get_f64(r, "weights.calibration.auc", &number));
    CHECK(number > 0.55 && number < 0.75);
    CHECK_SAYS(laser_reweighter_get_f64(r, "weights.acceptances", &number), LASER_ERR_INVALID_ARGUMENT, "acceptance");

    /* Rows with strides, on two threads, each output alone: the same bits. The ratio is exp(0.5 (x - 1.25)). */
    static double wide[FEW][WIDE], w[FEW], log_w[FEW], spread[FEW], other[FEW];
    double off = 0;
    for (size_t i = 0; i < FEW; i++) {
        wide[i][0] = from_events[i][0];
        wide[i][1] = from_events[i][1];
    }
    CHECK_OK(laser_reweighter_weights(r, NULL, FEW, wide[0], WIDE, w, log_w, spread));
    REQUIRE_OK(laser_options_set_i64(o, "threads", 2));
    CHECK_OK(laser_reweighter_weights(r, o, FEW, from_events[0], 0, other, NULL, NULL));
    CHECK(memcmp(w, other, sizeof w) == 0);
    CHECK_OK(laser_reweighter_weights(r, NULL, FEW, from_events[0], 2, NULL, other, NULL));
    CHECK(memcmp(log_w, other, sizeof w) == 0);
    CHECK_OK(laser_reweighter_weights(r, NULL, FEW, from_events[0], 2, NULL, NULL, other));
    CHECK(memcmp(spread, other, sizeof w) == 0);
    for (size_t i = 0; i < FEW; i++) {
        off += pow(log_w[i] - 0.5 * (wide[i][0] - 1.25), 2.0) / FEW;
        CHECK(fabs(w[i] - exp(log_w[i])) < 1e-12 * w[i] && spread[i] >= 0.0 && spread[i] < 1.0);
    }
    CHECK(sqrt(off) < 0.25);
    CHECK_FAILS(laser_reweighter_weights(r, NULL, FEW, wide[0], WIDE, NULL, NULL, NULL), LASER_ERR_NULL);
    CHECK_FAILS(laser_reweighter_weights(r, NULL, FEW, NULL, WIDE, w, NULL, NULL), LASER_ERR_NULL);
    CHECK_FAILS(laser_reweighter_weights(r, NULL, FEW, wide[0], 1, w, NULL, NULL), LASER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(laser_reweighter_weights(r, NULL, FEW, wide[0], WIDE, w, w, NULL), LASER_ERR_INVALID_ARGUMENT, "overlap");
    CHECK_SAYS(laser_reweighter_weights(r, NULL, FEW, wide[0], WIDE, wide[1], NULL, NULL), LASER_ERR_INVALID_ARGUMENT, "overlap");
    CHECK_OK(laser_reweighter_weights(r, NULL, 0, wide[0], WIDE, w, NULL, NULL));
    wide[7][1] = NAN;
    CHECK_SAYS(laser_reweighter_weights(r, NULL, FEW, wide[0], WIDE, w, NULL, NULL), LASER_ERR_DATA, "row 7");
    wide[7][1] = from_events[7][1];

    /* Files: the same bits; each kind by its own function. */
    const char *path = scratch("reweighter.laser"), *model_path = scratch("model.laser");
    CHECK_OK(laser_reweighter_save(r, path));
    REQUIRE_OK(laser_reweighter_load(path, NULL, &again));
    CHECK_OK(laser_reweighter_weights(again, NULL, FEW, wide[0], WIDE, other, NULL, NULL));
    CHECK_OK(laser_reweighter_weights(r, NULL, FEW, wide[0], WIDE, w, NULL, NULL));
    CHECK(memcmp(w, other, sizeof w) == 0);
    laser_model *model = NULL;
    laser_generator *generator = NULL;
    CHECK_SAYS(laser_model_load(path, NULL, &model), LASER_ERR_UNSUPPORTED, "this is a reweighter");
    CHECK_SAYS(laser_generator_load(path, NULL, &generator), LASER_ERR_UNSUPPORTED, "this is a reweighter");
    CHECK(model == NULL && generator == NULL);
    generator = toy_generator(o);
    CHECK_OK(laser_generator_save(generator, model_path));
    CHECK_SAYS(laser_reweighter_load(model_path, NULL, &untouched), LASER_ERR_UNSUPPORTED, "no reweighter");
    CHECK_FAILS(laser_reweighter_load("nowhere.laser", NULL, &untouched), LASER_ERR_IO);
    CHECK(untouched == NULL);

    /* From a callback, without the parameter that stands behind the events of the other. */
    uint64_t state = 5;
    laser_source *stream = toy_source(&state);
    laser_reweighter *given = NULL;
    REQUIRE_OK(laser_options_set_i64(o, "conditions", 1));
    REQUIRE_OK(laser_options_set_str(o, "features.names", ""));
    REQUIRE_OK(laser_reweighter_train(stream, three, o, NULL, &given));
    CHECK_OK(laser_reweighter_condition_dim(given, &conditions));
    CHECK(conditions == 1);
    CHECK_OK(laser_reweighter_weights(given, NULL, FEW, to_events[0], 3, NULL, log_w, NULL));
    off = 0;
    for (size_t i = 0; i < FEW; i++)
        off += pow(log_w[i] - to_events[i][2] * (to_events[i][0] - 1.0 - 0.5 * to_events[i][2]), 2.0) / FEW;
    CHECK(sqrt(off) < 0.3);

    laser_reweighter_free(NULL);
    laser_reweighter_free(given);
    laser_reweighter_free(again);
    laser_reweighter_free(r);
    laser_generator_free(generator);
    laser_source_free(stream);
    laser_source_free(three);
    laser_source_free(to);
    laser_source_free(from);
    laser_cancel_free(cancel);
    laser_hooks_free(hooks);
    laser_options_free(o);
    return check_result();
}
