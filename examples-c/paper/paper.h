/* What the parts of the program `paper` share. */
#ifndef PAPER_H
#define PAPER_H

#include "demo_report.h"

enum { REPEATS = 3, METHODS = 11 };

/* One way to draw events. */
typedef struct {
    const char *name;     /* as sampler.method has it */
    const char *settings; /* JSON, how its own refiner is made; NULL if it needs none but the classifier */
    int weighted;
} method;

/* What a method scored: each repeat has another truth, and another seed of the sampler. */
typedef struct {
    sample first; /* of the first repeat, for the figure; its time and calls per event are those of all */
    size_t repeats;
    score scores[REPEATS];
    double refine_seconds; /* wall time of the refiner's own training or pilot run; 0 if it has none */
    double r_hat;          /* of chains, the worst dimension; NAN without a pilot run */
    char left_out[1024];   /* why there is no score; empty if there is */
} result;

/* All that one target's run found. */
typedef struct {
    const simulator_target *target;
    uint64_t events;
    size_t repeats;           /* of fast methods */
    const laser_model *model; /* with flow and classifier */
    sample truths[REPEATS];
    score floors[REPEATS]; /* of other simulated events */
    result results[METHODS];
    double seconds; /* wall time of everything */
} experiment;

/* Seconds of processor time that this process has taken: what its one thread works, whatever else the machine does. */
double cpu_seconds(void);

/* Fills the histograms of `s` with s->events simulated events; with a model, the latent one with where its inverse puts the first of them. */
void simulate(sample *s, const simulator_target *target, uint64_t seed, const laser_model *model);

/* Microseconds an event above which a method has no place in a table of so many events. */
static const double too_slow = 300.0;

/* Fills the histograms of `s` with s->events events of the method s->name, and takes their time; of one that is too slow, some of them. */
laser_status generate(sample *s, const simulator_target *target, const laser_model *model, uint64_t seed);

void free_histograms(sample *s);

/* The distances of two samples of events. */
score compare(const sample *truth, const sample *other);

/* Writes DIR/TARGET.json, and the histograms of the first repeat to DIR/TARGET. */
void write_experiment(const experiment *e, const char *dir, const char *target_dir);

#endif
