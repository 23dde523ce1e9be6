/* Histograms and scores against values known by hand. */
#include "check.h"

#include <math.h>

static int near(double a, double b)
{
    return fabs(a - b) <= 1e-12 * (1.0 + fabs(b));
}

static laser_histogram *histogram(size_t nx, double xlo, double xhi, size_t ny, double ylo, double yhi)
{
    laser_histogram *h = NULL;
    REQUIRE_OK(laser_histogram_new(nx, xlo, xhi, ny, ylo, yhi, &h));
    return h;
}

static void filling(void)
{
    /* 3 x 2 bins over [0, 3] x [0, 2]; rows of three columns, of which two are binned */
    const double x[] = {0.5, 0.5, 9, /**/ 2.5, 1.5, 9, /**/ 3.0, 2.0, 9, /**/ 1.0, 0.0, 9, /**/ -0.1, 1.0, 9};
    const double w[] = {1.0, 2.0, 3.0, -0.5, 7.0};
    const double expected[6] = {1.0, 0.0, -0.5, 0.0, 0.0, 5.0};
    double contents[6], inside = -1.0, outside = -1.0;
    laser_histogram *h = histogram(3, 0, 3, 2, 0, 2), *twice = histogram(3, 0, 3, 2, 0, 2), *other = histogram(2, 0, 3, 3, 0, 2);
    CHECK_OK(laser_histogram_fill(h, 5, x, 3, w));
    CHECK_OK(laser_histogram_contents(h, contents, 6));
    for (int i = 0; i < 6; i++)
        CHECK(contents[i] == expected[i]);
    CHECK_OK(laser_histogram_total(h, &inside, &outside));
    CHECK(near(inside, 5.5) && near(outside, 7.0));

    CHECK_OK(laser_histogram_merge(twice, h));
    CHECK_OK(laser_histogram_merge(twice, h));
    CHECK_OK(laser_histogram_total(twice, &inside, &outside));
    CHECK(near(inside, 11.0) && near(outside, 14.0));
    CHECK_FAILS(laser_histogram_merge(twice, other), LASER_ERR_INVALID_ARGUMENT);

    /* What cannot be filled leaves the histogram as it was. */
    const double bad[] = {0.5, 0.5, 0.5, NAN}, bad_weights[] = {1.0, INFINITY};
    CHECK_SAYS(laser_histogram_fill(h, 2, bad, 2, NULL), LASER_ERR_DATA, "row 1");
    CHECK_FAILS(laser_histogram_fill(h, 2, x, 3, bad_weights), LASER_ERR_DATA);
    CHECK_FAILS(laser_histogram_fill(h, 2, x, 1, NULL), LASER_ERR_INVALID_ARGUMENT);
    CHECK_FAILS(laser_histogram_fill(h, SIZE_MAX, x, 3, NULL), LASER_ERR_INVALID_ARGUMENT);
    CHECK_FAILS(laser_histogram_contents(h, contents, 5), LASER_ERR_INVALID_ARGUMENT);
    CHECK_OK(laser_histogram_contents(h, contents, 6));
    for (int i = 0; i < 6; i++)
        CHECK(contents[i] == expected[i]);
    laser_histogram_free(h);
    laser_histogram_free(twice);
    laser_histogram_free(other);
    laser_histogram_free(NULL);
}

/* All of p in one bin, q one half there and one half 3 bins of width 0.5 further in x and 4 in y: the distance is 2.5. */
static void scores(void)
{
    laser_histogram *p = histogram(10, 0, 5, 10, 0, 5), *q = histogram(10, 0, 5, 10, 0, 5);
    const double at[] = {0.25, 0.25, 1.75, 2.25}, weight = 10.0;
    double jsd = -1, jsd_paper = -1, emd = -1, emd_paper = -1;
    CHECK_OK(laser_histogram_fill(p, 1, at, 2, &weight)); /* the scores do not depend on the totals */
    CHECK_OK(laser_histogram_fill(q, 2, at, 2, NULL));

    /* 1/2 [ln(4/3)] + 1/2 [1/2 ln(2/3) + 1/2 ln 2], by the definition */
    const double expected = 0.5 * log(4.0 / 3.0) + 0.25 * log(2.0 / 3.0) + 0.25 * log(2.0);
    const double bin_area = 0.25, d_max = 4.5 * sqrt(2.0);
    CHECK_OK(laser_jsd(p, q, &jsd, &jsd_paper));
    CHECK(near(jsd, expected));
    CHECK(near(jsd_paper, expected / bin_area));
    CHECK_OK(laser_emd(p, q, &emd, &emd_paper));
    CHECK(near(emd, 1.25));
    CHECK(near(emd_paper, 1.25 / (d_max * bin_area)));
    CHECK_OK(laser_jsd(q, p, &jsd, NULL));
    CHECK(near(jsd, expected));
    CHECK_OK(laser_emd(q, p, &emd, NULL));
    CHECK(near(emd, 1.25));
    CHECK_OK(laser_jsd(p, p, &jsd, NULL));
    CHECK_OK(laser_emd(p, p, &emd, NULL));
    CHECK(near(jsd, 0.0) && near(emd, 0.0));

    laser_histogram *empty = histogram(10, 0, 5, 10, 0, 5), *other = histogram(5, 0, 5, 10, 0, 5);
    const double minus = -1.0;
    jsd = emd = 42.0;
    CHECK(laser_jsd(p, empty, &jsd, NULL) != LASER_OK);
    CHECK(laser_emd(p, empty, &emd, NULL) != LASER_OK);
    CHECK_OK(laser_histogram_fill(other, 1, at, 2, NULL));
    CHECK_FAILS(laser_jsd(p, other, &jsd, NULL), LASER_ERR_INVALID_ARGUMENT);
    CHECK_FAILS(laser_emd(p, other, &emd, NULL), LASER_ERR_INVALID_ARGUMENT);
    CHECK_OK(laser_histogram_fill(empty, 2, at, 2, NULL));
    CHECK_OK(laser_histogram_fill(empty, 1, at, 2, &minus));
    CHECK_OK(laser_histogram_fill(empty, 1, at, 2, &minus)); /* a negative bin */
    CHECK(laser_jsd(p, empty, &jsd, NULL) != LASER_OK);
    CHECK(laser_emd(p, empty, &emd, NULL) != LASER_OK);
    CHECK(jsd == 42.0 && emd == 42.0);
    laser_histogram_free(p);
    laser_histogram_free(q);
    laser_histogram_free(empty);
    laser_histogram_free(other);
}

static laser_source *source(const double *x, const double *w, size_t n, size_t dim)
{
    laser_source *s = NULL;
    REQUIRE_OK(laser_source_from_array(x, w, n, dim, 0, &s));
    return s;
}

/* Without bins: q is p with its first value shifted by 3, and its last event counted twice by weight. */
static void samples(void)
{
    const double x[] = {0, 1, /**/ 1, 3, /**/ 2, 5}, y[] = {3, 1, /**/ 4, 3, /**/ 5, 5}, w[] = {1, 1, 2};
    laser_source *p = source(x, NULL, 3, 2), *q = source(y, NULL, 3, 2), *weighted = source(x, w, 3, 2);
    double d = -1, error = -1, floor = -1, spread = -1, p_value = -1;
    CHECK_OK(laser_emd_1d(p, q, 0, 50, 1, &d, &error, &floor, &spread));
    CHECK(near(d, 3.0) && error > 0 && floor > 0 && spread > 0);
    CHECK_OK(laser_emd_1d(p, q, 1, 0, 1, &d, &error, NULL, NULL));
    CHECK(near(d, 0.0) && isnan(error));
    CHECK_OK(laser_emd_1d(p, weighted, 0, 0, 1, &d, NULL, NULL, NULL));
    CHECK(near(d, 0.25)); /* 1/12 over [0, 1], 2/12 over [1, 2] */
    CHECK_OK(laser_kolmogorov_smirnov(p, weighted, 0, &d, &p_value));
    CHECK(near(d, 1.0 / 6.0) && p_value > 0.9);
    CHECK_OK(laser_sliced_emd(p, q, 20, 10, 1, &d, &error, &floor, &spread));
    CHECK(d > 0 && d < 3.0 / sqrt(2.0 / 3.0) && error > 0 && floor > 0 && spread > 0);

    d = error = 42.0;
    CHECK_SAYS(laser_emd_1d(p, q, 2, 0, 1, &d, &error, NULL, NULL), LASER_ERR_INVALID_ARGUMENT, "feature 2");
    CHECK_SAYS(laser_sliced_emd(p, q, 0, 0, 1, &d, &error, NULL, NULL), LASER_ERR_INVALID_ARGUMENT, "directions");
    CHECK_SAYS(laser_two_sample_auc(p, q, NULL, NULL, &d, &error), LASER_ERR_DATA, "3 events");
    CHECK_SAYS(laser_two_sample_auc_by_family(p, q, NULL, NULL, &d, &error, &floor, &spread), LASER_ERR_DATA, "3 events");
    CHECK_FAILS(laser_kolmogorov_smirnov(p, NULL, 0, &d, &p_value), LASER_ERR_NULL);
    CHECK(d == 42.0 && error == 42.0);
    laser_source_free(p);
    laser_source_free(q);
    laser_source_free(weighted);
}

static void numbers(void)
{
    const double scores[] = {0.9, 0.4, 0.4, 0.1}, w[] = {1, 1, 1, 2};
    const int32_t labels[] = {1, 1, 0, 0};
    double auc = -1, error = -1, size = -1, r_hat[1] = {-1}, effective[1] = {-1}, x[40];
    CHECK_OK(laser_auc(4, scores, labels, NULL, &auc, &error));
    CHECK(near(auc, 0.875) && error > 0);
    CHECK_OK(laser_auc(4, scores, labels, w, &auc, NULL));
    CHECK(near(auc, 11.0 / 12.0));
    CHECK_OK(laser_effective_size(4, w, &size));
    CHECK(near(size, 25.0 / 7.0));
    for (int i = 0; i < 40; i++) /* two chains of twenty draws, a hundred apart */
        x[i] = i * 7 % 11 + 100 * (i % 2);
    CHECK_OK(laser_chain_diagnostics(20, 2, 1, x, r_hat, effective));
    CHECK(r_hat[0] > 1.5 && effective[0] < 10);

    size = 42.0;
    CHECK_FAILS(laser_effective_size(4, NULL, &size), LASER_ERR_NULL);
    CHECK_SAYS(laser_auc(3, scores, labels, NULL, &size, NULL), LASER_ERR_DATA, "label 0");
    CHECK_FAILS(laser_chain_diagnostics(3, 2, 1, x, &size, NULL), LASER_ERR_INVALID_ARGUMENT);
    CHECK(size == 42.0);
}

/* One bin has no room for chance; two bins of n events each have, and the more events the less. */
static void floors(void)
{
    laser_histogram *one = histogram(1, 0, 1, 1, 0, 1), *few = histogram(2, 0, 2, 1, 0, 1), *many = histogram(2, 0, 2, 1, 0, 1);
    const double x[] = {0.5, 0.5, 1.5, 0.5};
    double mean = -1, spread = -1, fewer = -1, more = -1, paper = -1, paper_spread = -1;
    CHECK_OK(laser_histogram_fill(one, 1, x, 2, NULL));
    for (int i = 0; i < 1600; i++)
        CHECK_OK(laser_histogram_fill(i < 100 ? few : many, 2, x, 2, NULL));
    CHECK_OK(laser_jsd_floor(one, one, 5, 1, &mean, &spread, NULL, NULL));
    CHECK(near(mean, 0.0) && near(spread, 0.0));
    CHECK_OK(laser_emd_floor(few, few, 400, 1, &fewer, NULL, &paper, &paper_spread));
    CHECK_OK(laser_emd_floor(many, many, 400, 1, &more, NULL, NULL, NULL));
    CHECK(near(fewer, paper) && paper_spread > 0); /* the bins have area 1 and are 1 apart */
    CHECK(fewer / more > 3.0 && fewer / more < 5.0); /* sqrt(15) */
    CHECK_FAILS(laser_emd_floor(few, one, 5, 1, &mean, NULL, NULL, NULL), LASER_ERR_INVALID_ARGUMENT);
    CHECK_FAILS(laser_jsd_floor(few, many, 1, 1, &mean, NULL, NULL, NULL), LASER_ERR_INVALID_ARGUMENT);
    CHECK(near(mean, 0.0));
    laser_histogram_free(one);
    laser_histogram_free(few);
    laser_histogram_free(many);
}

static void bad_binnings(void)
{
    laser_histogram *h = NULL;
    CHECK_FAILS(laser_histogram_new(0, 0, 1, 1, 0, 1, &h), LASER_ERR_INVALID_ARGUMENT);
    CHECK_FAILS(laser_histogram_new(1, 0, 1, 0, 0, 1, &h), LASER_ERR_INVALID_ARGUMENT);
    CHECK_FAILS(laser_histogram_new(1, 1, 1, 1, 0, 1, &h), LASER_ERR_INVALID_ARGUMENT);
    CHECK_FAILS(laser_histogram_new(1, 0, 1, 1, 1, 0, &h), LASER_ERR_INVALID_ARGUMENT);
    CHECK_FAILS(laser_histogram_new(1, NAN, 1, 1, 0, 1, &h), LASER_ERR_INVALID_ARGUMENT);
    CHECK_FAILS(laser_histogram_new(1, 0, INFINITY, 1, 0, 1, &h), LASER_ERR_INVALID_ARGUMENT);
    CHECK_FAILS(laser_histogram_new(SIZE_MAX, 0, 1, SIZE_MAX, 0, 1, &h), LASER_ERR_INVALID_ARGUMENT);
    CHECK_FAILS(laser_histogram_new(SIZE_MAX / 16, 0, 1, 1, 0, 1, &h), LASER_ERR_INVALID_ARGUMENT);
    CHECK(h == NULL);
}

int main(void)
{
    filling();
    scores();
    samples();
    numbers();
    floors();
    bad_binnings();
    return check_result();
}
