/* Trains a generator on this program's own simulator, refines it and saves the model.
 *
 *     demo_train DIR [TARGET [PRESET or OPTIONS.json]] [key=value ...]
 *
 * TARGET is gaussians, donut, rings or narrow_rings; key=value sets one option, such as flow.epochs=8.
 * Ctrl-C stops within one training step. */
#define _POSIX_C_SOURCE 200809L
#include "simulator.h"

#include <laser.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void check(laser_status status, const char *what)
{
    char message[1024];
    if (status == LASER_OK)
        return;
    laser_last_error(message, sizeof message, NULL);
    fprintf(stderr, "\n%s: %s (%s)\n", what, message, laser_status_name(status));
    exit(status == LASER_ERR_CANCELLED ? 130 : 1);
}

/* The source: liblaser asks for n events whenever it needs them. */
static int32_t simulate(size_t n, size_t dim, double *x, double *w, size_t *got, void *user)
{
    (void)dim; /* SIMULATOR_DIM, as declared */
    (void)w;   /* this simulator has no weights */
    simulator_draw(user, n, x);
    *got = n;
    return 0;
}

/* Ctrl-C trips the token; laser_cancel_trip may be called from a signal handler. */
static laser_cancel *cancel;

static void interrupt(int number)
{
    (void)number;
    laser_cancel_trip(cancel);
}

/* A bar that redraws itself on a terminal, and about ten lines a stage in a log file. */
typedef struct {
    int terminal;
    char stage[32];
    uint64_t drawn; /* where the bar stood when it was drawn last, in parts of `parts` */
    time_t start;   /* of the stage */
} bar;

static void end_bar(bar *b)
{
    if (b->terminal && b->stage[0])
        fputc('\n', stderr);
    b->stage[0] = '\0';
}

static int32_t show_progress(const laser_progress *p, void *user)
{
    bar *b = user;
    const char *stage = laser_progress_stage(p);
    uint64_t step = laser_progress_step(p), steps = laser_progress_steps(p);
    uint64_t parts = b->terminal ? 500 : 10, at = steps ? step * parts / steps : 0;
    if (strcmp(stage, b->stage) != 0) {
        end_bar(b);
        snprintf(b->stage, sizeof b->stage, "%s", stage);
        b->drawn = 0;
        b->start = time(NULL);
    }
    if (at == b->drawn)
        return 0;
    b->drawn = at;

    char text[160];
    int filled = (int)(at * 24 / parts);
    size_t end = (size_t)snprintf(text, sizeof text, "%-10s [%.*s%.*s] epoch %llu/%llu", stage, filled, "########################",
                                  24 - filled, "........................", (unsigned long long)laser_progress_epoch(p),
                                  (unsigned long long)laser_progress_epochs(p));
    const double loss = laser_progress_loss(p), held_out = laser_progress_validation_loss(p), left = laser_progress_seconds_left(p);
    if (!isnan(loss))
        end += (size_t)snprintf(text + end, sizeof text - end, "  loss %.4f", loss);
    if (!isnan(held_out))
        end += (size_t)snprintf(text + end, sizeof text - end, "  held out %.4f", held_out);
    /* The very first steps say little about the rest. */
    if (!isnan(left) && (step >= steps / 50 || difftime(time(NULL), b->start) > 2.0))
        snprintf(text + end, sizeof text - end, "  %d:%02d left", (int)left / 60, (int)left % 60);
    fprintf(stderr, b->terminal ? "\r%s\033[K" : "%s\n", text);
    return 0;
}

static int32_t show_message(int32_t level, const char *message, void *user)
{
    end_bar(user);
    fprintf(stderr, "%s%s\n", level == LASER_LOG_WARNING ? "warning: " : "", message);
    return 0;
}

/* Options from a preset's name or a JSON file. */
static laser_options *read_options(const char *source)
{
    laser_options *options;
    static char json[65536];
    FILE *file = fopen(source, "r");
    if (!file) {
        check(laser_options_new(source, &options), source);
        return options;
    }
    json[fread(json, 1, sizeof json - 1, file)] = '\0';
    fclose(file);
    check(laser_options_from_json(json, &options), source);
    return options;
}

/* "key=value": an integer, a number or text, by its looks. */
static void set_option(laser_options *options, const char *text)
{
    const char *value = strchr(text, '=') + 1;
    char key[128], *end;
    snprintf(key, sizeof key, "%.*s", (int)(value - 1 - text), text);
    long long integer = strtoll(value, &end, 10);
    if (*value && !*end) {
        check(laser_options_set_i64(options, key, integer), text);
        return;
    }
    double number = strtod(value, &end);
    if (*value && !*end)
        check(laser_options_set_f64(options, key, number), text);
    else
        check(laser_options_set_str(options, key, value), text);
}

/* What the classifier f thinks of the generator. */
static void print_weight_report(const laser_model *model)
{
    static const char *const rows[][2] = {
        {"weights.mean", "mean"},
        {"weights.quantiles.q01", "1 % quantile"},
        {"weights.quantiles.q50", "median"},
        {"weights.quantiles.q99", "99 % quantile"},
        {"weights.max", "largest"},
        {"weights.non_finite", "NaN or infinite"},
        {"weights.effective_fraction", "effective sample size, per event"},
        {"weights.acceptance", "accepted by rejection"},
        {"weights.overweight_fraction", "share of the weight above w_max"},
    };
    double value;
    printf("weights w = f / (1 - f) of generated events, all of them 1 if the generator is perfect:\n");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (laser_model_get_f64(model, rows[i][0], &value) == LASER_OK)
            printf("  %-33s %.4g\n", rows[i][1], value);
}

int main(int argc, char **argv)
{
    const char *positional[3] = {NULL, SIMULATOR_DEFAULT_TARGET, "fast"};
    int given = 0;
    for (int i = 1; i < argc; i++)
        if (!strchr(argv[i], '=') && given < 3)
            positional[given++] = argv[i];
    const simulator_target *target = simulator_find(positional[1]);
    if (!given || !target) {
        fprintf(stderr, "usage: %s DIR [gaussians|donut|rings|narrow_rings [PRESET or OPTIONS.json]] [key=value ...]\n", argv[0]);
        return 2;
    }
    laser_options *options = read_options(positional[2]);
    for (int i = 1; i < argc; i++)
        if (strchr(argv[i], '='))
            set_option(options, argv[i]);

    check(laser_cancel_new(&cancel), "cancel token");
    struct sigaction on_interrupt;
    memset(&on_interrupt, 0, sizeof on_interrupt);
    on_interrupt.sa_handler = interrupt;
    sigaction(SIGINT, &on_interrupt, NULL);

    bar progress = {isatty(STDERR_FILENO), "", 0, 0};
    laser_hooks *hooks;
    check(laser_hooks_new(&hooks), "hooks");
    check(laser_hooks_set_progress(hooks, show_progress, &progress), "hooks");
    check(laser_hooks_set_log(hooks, show_message, &progress), "hooks");
    check(laser_hooks_set_cancel(hooks, cancel), "hooks");

    simulator events;
    simulator_start(&events, target, 1);
    laser_source *source;
    laser_generator *flow;
    laser_model *model;
    time_t start = time(NULL);
    check(laser_source_from_callback(SIMULATOR_DIM, 0, simulate, &events, &source), "source");
    check(laser_generator_train(source, options, hooks, &flow), "training the generator");
    check(laser_refine(flow, source, options, hooks, &model), "refining");
    end_bar(&progress);
    printf("%s: trained and refined in %.0f s\n", target->name, difftime(time(NULL), start));
    print_weight_report(model);

    char path[4096];
    mkdir(positional[0], 0777); /* saving tells if that failed */
    snprintf(path, sizeof path, "%s/model.laser", positional[0]);
    check(laser_model_save(model, path), "saving");
    printf("saved %s\n", path);

    laser_model_free(model);
    laser_generator_free(flow);
    laser_source_free(source);
    laser_hooks_free(hooks);
    laser_cancel_free(cancel);
    laser_options_free(options);
    return 0;
}
