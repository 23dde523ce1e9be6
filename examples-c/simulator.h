/* The simulator of the examples: the three targets of the paper (Winterhalder, Bellagente, Nachman,
 * "Latent Space Refinement for Deep Generative Models") and a harder one, with a random number generator of their own.
 * It stands for any host's event generator: plain C, knows nothing of liblaser. */
#ifndef SIMULATOR_H
#define SIMULATOR_H

#include <stddef.h>
#include <stdint.h>

#define SIMULATOR_DIM 2
#define SIMULATOR_DEFAULT_TARGET "gaussians"

typedef struct {
    const char *name; /* "gaussians", "donut", "rings" or "narrow_rings", which the paper has not */
    double x_lo, x_hi, y_lo, y_hi; /* the paper's plotting range */
    size_t modes;
    double centres[4][2];
    int ring; /* 0: round Gaussians at the centres; 1: radius ~ N(4, width) around them, angle uniform */
    double width; /* standard deviation of a Gaussian in each axis, or of the radius */
} simulator_target;

/* One stream of events; one per thread. */
typedef struct {
    const simulator_target *target;
    uint64_t state[4];
} simulator;

/* The target of that name, or NULL. */
const simulator_target *simulator_find(const char *name);

/* Starts the stream that belongs to `seed`; target NULL for random numbers alone. */
void simulator_start(simulator *s, const simulator_target *target, uint64_t seed);

/* Writes the next n events, rows of SIMULATOR_DIM values; the mode of every event is drawn at random. */
void simulator_draw(simulator *s, size_t n, double *x);

/* The next random number, uniform in (0, 1]. */
double simulator_uniform(simulator *s);

/* The next two random numbers, standard normal and independent. */
void simulator_normal_pair(simulator *s, double *a, double *b);

#endif
