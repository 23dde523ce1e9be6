#include "demo_report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Table 3 of the paper: EMD and JSD, in its convention. LaSeR stands for its GAN refiner. */
typedef struct {
    double emd, jsd;
} paper_score;

static const struct {
    const char *target;
    paper_score baseline, hmc, laser, dctr, error;
} table3[] = {
    {"gaussians", {0.28, 0.66}, {0.22, 0.12}, {0.21, 0.24}, {0.09, 0.09}, {0.02, 0.04}},
    {"donut", {0.23, 0.27}, {0.06, 0.07}, {0.09, 0.09}, {0.11, 0.05}, {0.02, 0.04}},
    {"rings", {0.067, 0.21}, {0.137, 0.07}, {0.047, 0.08}, {0.037, 0.04}, {0.006, 0.02}},
    {NULL, {0, 0}, {0, 0}, {0, 0}, {0, 0}, {0, 0}}, /* for targets that the paper has not */
};

static size_t table3_row(const char *target)
{
    size_t row = 0;
    while (table3[row].target && strcmp(table3[row].target, target) != 0)
        row++;
    return row;
}

static void print_paper(const paper_score *s, const paper_score *error)
{
    printf("   %.2f +- %.2f   %.3f +- %.3f", s->jsd, error->jsd, s->emd, error->emd);
}

static void print_row(const char *name, const sample *s)
{
    printf("%-14s %8llu   %9.6f  %9.6f   %7.4f  %7.4f", name, (unsigned long long)s->events, s->score.jsd, s->score.emd,
           s->score.jsd_paper, s->score.emd_paper);
}

/* What is left of the baseline's JSD above the floor. */
static double excess(const report *r, const sample *s)
{
    const sample *baseline = &r->methods[0];
    return (s->score.jsd - s->floor->score.jsd) / (baseline->score.jsd - baseline->floor->score.jsd);
}

static const sample *best_unweighted(const report *r)
{
    const sample *best = NULL;
    for (const sample *s = r->methods; s < r->methods + r->count; s++)
        if (s->refined && !s->weighted && (!best || excess(r, s) < excess(r, best)))
            best = s;
    return best;
}

const sample *find_method(const report *r, const char *name)
{
    for (const sample *s = r->methods; s < r->methods + r->count; s++)
        if (strcmp(s->name, name) == 0)
            return s;
    return NULL;
}

void print_table(const report *r)
{
    const simulator_target *t = r->target;
    const size_t row = table3_row(t->name), quoted = table3[row].target ? 4 : 0;
    const struct {
        const char *method, *label;
        const paper_score *score;
    } paper[] = {{"baseline", "", &table3[row].baseline},
                 {"reweight", "Dctr", &table3[row].dctr},
                 {"hmc", "HMC", &table3[row].hmc},
                 {"gan", "LaSeR", &table3[row].laser}};

    printf("\n%s: %d x %d bins over [%g, %g] x [%g, %g]\n\n", t->name, BINS, BINS, t->x_lo, t->x_hi, t->y_lo, t->y_hi);
    printf("%23s   %9s  %9s   %16s   %-28s\n", "", "JSD", "EMD", "as in the paper:", "the paper's Table 3:");
    printf("%-14s %8s   %9s  %9s   %7s  %7s   %-12s   %-14s   %s\n", "method", "events", "nats", "units", "JSD", "EMD", "JSD", "EMD",
           "us/event");
    for (const sample *s = r->methods; s < r->methods + r->count; s++) {
        size_t k = 0;
        while (k < quoted && strcmp(paper[k].method, s->name) != 0)
            k++;
        print_row(s->name, s);
        if (k < quoted)
            print_paper(paper[k].score, &table3[row].error);
        else
            printf("   %-12s   %-14s", "", "");
        printf("   %8.2f%s\n", s->us_per_event, s->weighted ? "  (weighted)" : "");
    }
    for (size_t i = 0; i < r->count; i++) /* one floor for each size of sample */
        if (i == 0 || r->methods[i].floor != r->methods[i - 1].floor) {
            print_row("floor", r->methods[i].floor);
            printf("\n");
        }
    for (size_t k = 0; k < quoted; k++)
        if (!find_method(r, paper[k].method)) {
            printf("paper's %-6s %45s", paper[k].label, "");
            print_paper(paper[k].score, &table3[row].error);
            printf("\n");
        }
    const sample *best = best_unweighted(r);
    if (best)
        printf("\nJSD above the floor: the best unweighted method (%s) leaves %.3f of the baseline's.\n", best->name, excess(r, best));
}

FILE *create(const char *dir, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "w");
    if (!file) {
        perror(path);
        exit(1);
    }
    return file;
}

void finish(FILE *file)
{
    int failed = ferror(file);
    if (fclose(file) != 0 || failed) {
        perror("writing");
        exit(1);
    }
}

static void write_score(FILE *file, const score *s)
{
    fprintf(file, "\"jsd\": %.9g, \"emd\": %.9g, \"jsd_paper\": %.9g, \"emd_paper\": %.9g", s->jsd, s->emd, s->jsd_paper,
            s->emd_paper);
}

void write_scores(const report *r, const char *dir)
{
    FILE *file = create(dir, "scores.json");
    const sample *best = best_unweighted(r), *baseline = &r->methods[0];
    fprintf(file, "{\n  \"target\": \"%s\",\n  \"events\": %llu,\n  \"seed\": %llu,\n  \"library\": \"%s\",\n", r->target->name,
            (unsigned long long)baseline->events, (unsigned long long)r->seed, laser_version());
    if (best)
        fprintf(file, "  \"best_unweighted\": {\"method\": \"%s\", \"jsd_excess_over_floor_relative_to_baseline\": %.6g},\n",
                best->name, excess(r, best));
    fprintf(file, "  \"floor\": {");
    write_score(file, &baseline->floor->score);
    fprintf(file, "},\n  \"methods\": {");
    for (const sample *s = r->methods; s < r->methods + r->count; s++) {
        fprintf(file, "%s\n    \"%s\": {", s == r->methods ? "" : ",", s->name);
        write_score(file, &s->score);
        fprintf(file, ", \"us_per_event\": %.6g, \"events\": %llu, \"weighted\": %s", s->us_per_event, (unsigned long long)s->events,
                s->weighted ? "true" : "false");
        if (s->floor != baseline->floor) {
            fprintf(file, ", \"floor\": {");
            write_score(file, &s->floor->score);
            fprintf(file, "}");
        }
        fprintf(file, "}");
    }
    fprintf(file, "\n  }\n}\n");
    finish(file);
}

static void write_histogram(const char *dir, const char *space, const char *name, const laser_histogram *h)
{
    char file_name[64];
    static double contents[BINS * BINS];
    check(laser_histogram_contents(h, contents, BINS * BINS), "histogram");
    snprintf(file_name, sizeof file_name, "%s_%s.csv", space, name);
    FILE *file = create(dir, file_name);
    for (size_t i = 0; i < BINS * BINS; i++)
        fprintf(file, "%.12g%c", contents[i], (i + 1) % BINS ? ',' : '\n');
    finish(file);
}

void write_histograms(const report *r, const char *dir)
{
    const simulator_target *t = r->target;
    FILE *file = create(dir, "histograms.json");
    fprintf(file, "{\n  \"target\": \"%s\",\n  \"latent_truth_events\": %llu,\n", t->name,
            (unsigned long long)r->truth.latent_events);
    fprintf(file, "  \"feature_range\": [[%g, %g], [%g, %g]],\n", t->x_lo, t->x_hi, t->y_lo, t->y_hi);
    fprintf(file, "  \"latent_range\": [[%g, %g], [%g, %g]],\n  \"samples\": [\"%s\"", -LATENT_RANGE, LATENT_RANGE, -LATENT_RANGE,
            LATENT_RANGE, r->truth.name);
    write_histogram(dir, "feature", r->truth.name, r->truth.feature);
    write_histogram(dir, "latent", r->truth.name, r->truth.latent);
    for (const sample *s = r->methods; s < r->methods + r->count; s++) {
        fprintf(file, ", \"%s\"", s->name);
        write_histogram(dir, "feature", s->name, s->feature);
        write_histogram(dir, "latent", s->name, s->latent);
    }
    fprintf(file, "]\n}\n");
    finish(file);
}
