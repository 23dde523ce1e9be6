#include "simulator.h"

#include <math.h>
#include <string.h>

static const double two_pi = 6.283185307179586;

static const simulator_target targets[] = {
    {"gaussians", -8, 8, -8, 8, 4, {{-4, -4}, {-4, 4}, {4, -4}, {4, 4}}, 0, 1.0},
    {"donut", -11, 11, -7, 7, 2, {{-4, 0}, {4, 0}}, 1, 1.0},
    {"rings", -20, 20, -8, 8, 3, {{-12, 0}, {0, 0}, {12, 0}}, 1, 1.0},
    {"narrow_rings", -20, 20, -8, 8, 3, {{-12, 0}, {0, 0}, {12, 0}}, 1, 0.25},
};

const simulator_target *simulator_find(const char *name)
{
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++)
        if (strcmp(targets[i].name, name) == 0)
            return &targets[i];
    return NULL;
}

/* splitmix64 (Steele, Lea, Flood 2014): turns any seed, also 0, into a well-mixed state. */
static uint64_t splitmix(uint64_t *seed)
{
    uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t rotate(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

/* xoshiro256++ (Blackman, Vigna 2019). */
static uint64_t next_bits(uint64_t s[4])
{
    uint64_t out = rotate(s[0] + s[3], 23) + s[0], t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return out;
}

/* Uniform in (0, 1]: its logarithm is finite. */
static double uniform(uint64_t s[4])
{
    return ((double)(next_bits(s) >> 11) + 1.0) * 0x1p-53;
}

/* Two independent standard normal numbers (Box, Muller 1958). */
static void normal_pair(uint64_t s[4], double *a, double *b)
{
    double radius = sqrt(-2.0 * log(uniform(s))), angle = two_pi * uniform(s);
    *a = radius * cos(angle);
    *b = radius * sin(angle);
}

void simulator_start(simulator *s, const simulator_target *target, uint64_t seed)
{
    s->target = target;
    for (int i = 0; i < 4; i++)
        s->state[i] = splitmix(&seed);
}

double simulator_uniform(simulator *s)
{
    return uniform(s->state);
}

void simulator_normal_pair(simulator *s, double *a, double *b)
{
    normal_pair(s->state, a, b);
}

void simulator_draw(simulator *s, size_t n, double *x)
{
    const simulator_target *t = s->target;
    for (size_t i = 0; i < n; i++, x += SIMULATOR_DIM) {
        /* uniform() may be 1: the index is taken from 1 - uniform(), which is below 1. */
        const double *centre = t->centres[(size_t)((1.0 - uniform(s->state)) * (double)t->modes)];
        double a, b;
        normal_pair(s->state, &a, &b);
        a *= t->width;
        b *= t->width;
        if (t->ring) {
            double radius = 4.0 + a, angle = two_pi * uniform(s->state);
            a = radius * cos(angle);
            b = radius * sin(angle);
        }
        x[0] = centre[0] + a;
        x[1] = centre[1] + b;
    }
}
