/* Histograms, JSD and EMD against values known by hand. */
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
    bad_binnings();
    return check_result();
}
