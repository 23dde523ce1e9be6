/* Options: defaults, presets, setters and getters by key, JSON in and out, and every way to get them wrong. */
#include "check.h"

static void presets(void)
{
    laser_options *standard, *paper, *fast;
    int64_t n = -1;
    double v = -1.0;
    REQUIRE_OK(laser_options_new(NULL, &standard));
    REQUIRE_OK(laser_options_new("paper", &paper));
    REQUIRE_OK(laser_options_new("fast", &fast));
    CHECK(laser_options_get_i64(standard, "flow.blocks", &n) == LASER_OK && n == 12);
    CHECK(laser_options_get_i64(paper, "flow.epochs", &n) == LASER_OK && n == 100);
    CHECK(laser_options_get_f64(paper, "flow.lr", &v) == LASER_OK && v == 1e-3);
    CHECK(laser_options_get_i64(paper, "classifier.units", &n) == LASER_OK && n == 96);
    CHECK(laser_options_get_f64(paper, "gan.beta1", &v) == LASER_OK && v == 0.5);
    CHECK(laser_options_get_i64(fast, "flow.units", &n) == LASER_OK && n == 48); /* the paper's architecture */
    CHECK(laser_options_get_i64(fast, "flow.epochs", &n) == LASER_OK && n < 100);
    laser_options *untouched = fast;
    CHECK_SAYS(laser_options_new("slow", &untouched), LASER_ERR_INVALID_ARGUMENT, "slow");
    CHECK(untouched == fast);
    laser_options_free(standard);
    laser_options_free(paper);
    laser_options_free(fast);
    laser_options_free(NULL);
}

static void set_and_get(laser_options *o)
{
    int64_t n = -1;
    double v = -1.0;
    char text[16] = "untouched";
    size_t needed = 0;
    CHECK_OK(laser_options_set_i64(o, "flow.blocks", 20));
    CHECK(laser_options_get_i64(o, "flow.blocks", &n) == LASER_OK && n == 20);
    CHECK_OK(laser_options_set_f64(o, "flow.lr", 0.02));
    CHECK(laser_options_get_f64(o, "flow.lr", &v) == LASER_OK && v == 0.02);
    CHECK_OK(laser_options_set_i64(o, "flow.lr", 1)); /* an integer is a number */
    CHECK(laser_options_get_f64(o, "flow.lr", &v) == LASER_OK && v == 1.0);
    CHECK_OK(laser_options_set_str(o, "refiner.method", "hmc"));

    CHECK_OK(laser_options_get_str(o, "refiner.method", NULL, 0, &needed));
    CHECK(needed == 4);
    CHECK_FAILS(laser_options_get_str(o, "refiner.method", text, 3, &needed), LASER_ERR_INVALID_ARGUMENT);
    CHECK(needed == 4 && strcmp(text, "untouched") == 0);
    CHECK_OK(laser_options_get_str(o, "refiner.method", text, 4, NULL));
    CHECK(strcmp(text, "hmc") == 0);

    /* Wrong key, kind or range: an error, and the value stays. */
    CHECK_SAYS(laser_options_set_i64(o, "flow.bloks", 1), LASER_ERR_UNKNOWN_OPTION, "flow.blocks");
    CHECK_FAILS(laser_options_set_f64(o, "", 1.0), LASER_ERR_UNKNOWN_OPTION);
    CHECK_FAILS(laser_options_set_str(o, "flow", "x"), LASER_ERR_UNKNOWN_OPTION);
    CHECK_FAILS(laser_options_get_i64(o, "flow.bloks", &n), LASER_ERR_UNKNOWN_OPTION);
    CHECK_SAYS(laser_options_set_i64(o, "flow.blocks", 0), LASER_ERR_INVALID_ARGUMENT, "flow.blocks");
    CHECK_FAILS(laser_options_set_i64(o, "flow.blocks", INT64_MAX), LASER_ERR_INVALID_ARGUMENT);
    CHECK_FAILS(laser_options_set_f64(o, "flow.blocks", 3.0), LASER_ERR_INVALID_ARGUMENT);
    CHECK_FAILS(laser_options_set_str(o, "flow.blocks", "3"), LASER_ERR_INVALID_ARGUMENT);
    CHECK_FAILS(laser_options_set_f64(o, "flow.lr", 0.0), LASER_ERR_INVALID_ARGUMENT);
    CHECK_FAILS(laser_options_set_f64(o, "flow.lr", -1.0), LASER_ERR_INVALID_ARGUMENT);
    CHECK_FAILS(laser_options_set_f64(o, "flow.lr", strtod("nan", NULL)), LASER_ERR_INVALID_ARGUMENT);
    CHECK_FAILS(laser_options_set_f64(o, "flow.lr", strtod("inf", NULL)), LASER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(laser_options_set_str(o, "refiner.method", "magic"), LASER_ERR_INVALID_ARGUMENT, "rejection");
    CHECK_FAILS(laser_options_set_str(o, "refiner.method", "\xff"), LASER_ERR_INVALID_ARGUMENT);
    CHECK_FAILS(laser_options_set_i64(o, "refiner.method", 1), LASER_ERR_INVALID_ARGUMENT);
    CHECK_FAILS(laser_options_get_f64(o, "refiner.method", &v), LASER_ERR_INVALID_ARGUMENT);
    CHECK(laser_options_get_i64(o, "flow.blocks", &n) == LASER_OK && n == 20);
    CHECK(laser_options_get_f64(o, "flow.lr", &v) == LASER_OK && v == 1.0);
}

static void json(const laser_options *o)
{
    char text[16384], again[16384];
    size_t needed = 0;
    int64_t n = 0;
    laser_options *copy = NULL;
    CHECK_OK(laser_options_to_json(o, NULL, 0, &needed));
    REQUIRE(needed > 1000 && needed <= sizeof text); /* defaults included */
    CHECK_FAILS(laser_options_to_json(o, text, needed - 1, NULL), LASER_ERR_INVALID_ARGUMENT);
    CHECK_OK(laser_options_to_json(o, text, needed, NULL));
    CHECK(strlen(text) + 1 == needed);
    REQUIRE_OK(laser_options_from_json(text, &copy));
    CHECK_OK(laser_options_to_json(copy, again, sizeof again, NULL));
    CHECK(strcmp(text, again) == 0);
    laser_options_free(copy);

    REQUIRE_OK(laser_options_from_json("{\"preset\": \"fast\", \"flow\": {\"blocks\": 3}, \"hmc.thin\": 2}", &copy));
    CHECK(laser_options_get_i64(copy, "flow.blocks", &n) == LASER_OK && n == 3);
    CHECK(laser_options_get_i64(copy, "hmc.thin", &n) == LASER_OK && n == 2);
    laser_options *untouched = copy;
    CHECK_SAYS(laser_options_from_json("{\"flow\": {\"bloks\": 3}}", &untouched), LASER_ERR_UNKNOWN_OPTION, "flow.blocks");
    CHECK_FAILS(laser_options_from_json("{\"flow.blocks\": \"many\"}", &untouched), LASER_ERR_INVALID_ARGUMENT);
    CHECK_FAILS(laser_options_from_json("{\"flow.blocks\": 1e400}", &untouched), LASER_ERR_INVALID_ARGUMENT);
    CHECK_FAILS(laser_options_from_json("{\"flow.blocks\": 3, \"flow\": {\"blocks\": 4}}", &untouched), LASER_ERR_INVALID_ARGUMENT);
    CHECK_FAILS(laser_options_from_json("{\"flow.blocks\": 3", &untouched), LASER_ERR_INVALID_ARGUMENT);
    CHECK_FAILS(laser_options_from_json("[]", &untouched), LASER_ERR_INVALID_ARGUMENT);
    CHECK_FAILS(laser_options_from_json("", &untouched), LASER_ERR_INVALID_ARGUMENT);
    CHECK(untouched == copy);
    laser_options_free(copy);
}

int main(void)
{
    laser_options *o;
    presets();
    REQUIRE_OK(laser_options_new("default", &o));
    set_and_get(o);
    json(o);
    laser_options_free(o);
    return check_result();
}
