/* What the examples share. */
#ifndef TOOLBOX_H
#define TOOLBOX_H

#include <laser.h>

/* Ends the program with liblaser's message unless the status is LASER_OK. */
void check(laser_status status, const char *what);

/* Room for n rows of dim values; ends the program if there is none. */
double *new_rows(size_t n, size_t dim);

/* Hooks that print, to stderr, where a long call stands every few seconds, and what the library has to say. */
laser_hooks *watch(void);

/* Options from JSON, that the caller frees. */
laser_options *settings(const char *json);

/* Events as a source: for a training, or as a sample to score. w NULL: all weigh 1. The arrays are borrowed. */
laser_source *sample_of(const double *x, const double *w, size_t n, size_t dim);

/* A sampler of the method's name, that the caller frees. */
laser_sampler *sampler_of(const laser_model *model, const char *method, uint64_t seed);

/* A one-dimensional earth mover's distance to the truth, with its standard error, beside the floor: what a second sample of the truth,
 * of the same size and weights, would score. */
typedef struct {
    double value, error, floor, floor_spread;
} distance;

distance emd_1d(const laser_source *truth, const laser_source *sample, size_t feature);

/* Weighted mean and standard deviation of n values, the first at x, `stride` apart. w NULL: all weigh 1. */
void moments(size_t n, const double *x, size_t stride, const double *w, double *mean, double *width);

#endif
