/* What demo_sample and paper found, and how it is told: a table, scores.json, and the histograms of the figure. */
#ifndef DEMO_REPORT_H
#define DEMO_REPORT_H

#include "simulator.h"
#include "toolbox.h"

#include <laser.h>
#include <stdio.h>

enum { BINS = 100 };    /* in each axis */
#define LATENT_RANGE 4. /* latent histograms cover [-4, 4] in both axes */

/* The distance to the simulator's events, normalised and in the paper's convention. */
typedef struct {
    double jsd, emd, jsd_paper, emd_paper;
} score;

/* Events of one method, or of another run of the simulator. */
typedef struct sample {
    const char *name;
    int refined, weighted;
    uint64_t events;
    laser_histogram *feature, *latent;
    uint64_t latent_events; /* simulated events whose latent points were computed; 0 for generated ones, which all have theirs */
    double us_per_event, calls_per_event; /* calls of the generator */
    score score;
    const struct sample *floor; /* simulated events, as many as these */
} sample;

/* Everything to report: scores of methods[0] = the baseline and of those that refine it, in one order. */
typedef struct {
    const simulator_target *target;
    uint64_t seed;
    sample truth;
    const sample *methods;
    size_t count;
} report;

/* The method of that name, or NULL if it did not run. */
const sample *find_method(const report *r, const char *name);

void print_table(const report *r);

/* Opens DIR/NAME for writing, and closes it; both end the program if that fails. */
FILE *create(const char *dir, const char *name);
void finish(FILE *file);

/* Writes DIR/scores.json. */
void write_scores(const report *r, const char *dir);

/* Writes DIR/histograms.json and, for each sample, DIR/feature_NAME.csv and DIR/latent_NAME.csv:
 * one line per bin in x, one column per bin in y. */
void write_histograms(const report *r, const char *dir);

#endif
