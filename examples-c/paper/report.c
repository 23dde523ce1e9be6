#include "paper.h"

#include <math.h>

/* Text as JSON has it. */
static void write_text(FILE *file, const char *text)
{
    fputc('"', file);
    for (; *text; text++)
        if (*text == '"' || *text == '\\')
            fprintf(file, "\\%c", *text);
        else if ((unsigned char)*text < 0x20)
            fprintf(file, "\\u%04x", (unsigned)*text);
        else
            fputc(*text, file);
    fputc('"', file);
}

/* One more member of an object; JSON has no NAN. */
static void write_member(FILE *file, const char *name, const char *suffix, double value)
{
    fprintf(file, ", \"%s%s\": ", name, suffix);
    fprintf(file, isfinite(value) ? "%.9g" : "null", value);
}

/* Mean of n numbers with its standard error, which their spread tells. */
static void write_mean(FILE *file, const char *name, size_t n, const double *values)
{
    double mean = 0.0, squares = 0.0;
    for (size_t i = 0; i < n; i++)
        mean += values[i] / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += (values[i] - mean) * (values[i] - mean);
    write_member(file, name, "", mean);
    write_member(file, name, "_error", n > 1 ? sqrt(squares / (double)(n * (n - 1))) : NAN);
}

static void write_repeats(FILE *file, size_t n, const score *scores)
{
    double values[4][REPEATS];
    for (size_t i = 0; i < n; i++) {
        values[0][i] = scores[i].jsd;
        values[1][i] = scores[i].emd;
        values[2][i] = scores[i].jsd_paper;
        values[3][i] = scores[i].emd_paper;
    }
    fprintf(file, "{\"repeats\": %zu", n);
    write_mean(file, "jsd", n, values[0]);
    write_mean(file, "emd", n, values[1]);
    write_mean(file, "jsd_paper", n, values[2]);
    write_mean(file, "emd_paper", n, values[3]);
}

/* What the model's record says of trainings and weights, as far as it is there. */
static void write_record(FILE *file, const laser_model *model)
{
    static const char *const keys[] = {"weights.effective_fraction", "weights.acceptance", "weights.calibration.auc",
                                       "weights.calibration.chi_square"};
    double value;
    fprintf(file, "  \"record\": {\"library\": \"%s\"", laser_version());
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (laser_model_get_f64(model, keys[i], &value) == LASER_OK)
            write_member(file, keys[i], "", value);
    fprintf(file, "},\n");
}

static void write_methods(FILE *file, const experiment *e)
{
    const char *separator = "";
    fprintf(file, "  \"methods\": {");
    for (const result *r = e->results; r < e->results + METHODS; r++) {
        if (r->left_out[0])
            continue;
        fprintf(file, "%s\n    \"%s\": ", separator, r->first.name);
        write_repeats(file, r->repeats, r->scores);
        write_member(file, "us_per_event", "", r->first.us_per_event);
        write_member(file, "calls_per_event", "", r->first.calls_per_event);
        write_member(file, "refine_seconds", "", r->refine_seconds);
        write_member(file, "r_hat", "", r->r_hat);
        fprintf(file, ", \"events\": %llu, \"weighted\": %s}", (unsigned long long)e->events, r->first.weighted ? "true" : "false");
        separator = ",";
    }
    fprintf(file, "\n  },\n  \"left_out\": {");
    separator = "";
    for (const result *r = e->results; r < e->results + METHODS; r++) {
        if (!r->left_out[0])
            continue;
        fprintf(file, "%s\"%s\": ", separator, r->first.name);
        write_text(file, r->left_out);
        separator = ", ";
    }
    fprintf(file, "}\n}\n");
}

void write_experiment(const experiment *e, const char *dir, const char *target_dir)
{
    char name[64];
    snprintf(name, sizeof name, "%s.json", e->target->name);
    FILE *file = create(dir, name);
    fprintf(file, "{\n  \"target\": \"%s\",\n  \"events\": %llu,\n  \"seconds\": %.0f,\n", e->target->name, (unsigned long long)e->events,
            e->seconds);
    write_record(file, e->model);
    fprintf(file, "  \"floor\": ");
    write_repeats(file, e->repeats, e->floors);
    fprintf(file, "},\n");
    write_methods(file, e);
    finish(file);

    sample drawn[METHODS];
    report histograms = {.target = e->target, .truth = e->truths[0], .methods = drawn};
    for (const result *r = e->results; r < e->results + METHODS; r++)
        if (!r->left_out[0])
            drawn[histograms.count++] = r->first;
    write_histograms(&histograms, target_dir);
}
