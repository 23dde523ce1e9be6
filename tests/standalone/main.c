/* The same program runs on the full and on the standalone library.
 *
 *     standalone train FILE [THREADS]       trains a small model and saves it
 *     standalone refuse                     checks that libtorch and CUDA are refused with a reason (standalone library)
 *     standalone sample FILE [THREADS [N]]  prints N (5000) events, latents, weights, log densities and scores as bit patterns */
#include <inttypes.h>
#include <laser.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EVENTS = 5000, DIM = 2 };

static void check(laser_status status, const char *what)
{
    char message[512];
    if (status == LASER_OK)
        return;
    laser_last_error(message, sizeof message, NULL);
    fprintf(stderr, "%s: %s: %s\n", what, laser_status_name(status), message);
    exit(1);
}

static int threads = 1;
static size_t events = EVENTS;

static laser_options *options(void)
{
    laser_options *o;
    check(laser_options_from_json("{\"preset\": \"fast\", \"flow\": {\"blocks\": 4, \"units\": 13, \"epochs\": 1, \"steps\": 30, \"batch\": 200},"
                                  " \"classifier\": {\"layers\": 3, \"units\": 17, \"epochs\": 1, \"steps\": 30, \"batch\": 200},"
                                  " \"gan\": {\"layers\": 2, \"units\": 11, \"epochs\": 1, \"steps\": 10, \"batch\": 200, \"pool\": 2000},"
                                  " \"hmc\": {\"chains\": 50, \"burn_in\": 3, \"leapfrog\": 3, \"step_size\": 0.1},"
                                  " \"refiner.method\": \"gan\", \"validation.events\": 500, \"weights.events\": 2000}",
                                  &o),
          "options");
    check(laser_options_set_i64(o, "threads", threads), "threads");
    check(laser_options_set_i64(o, "sampler.threads", threads), "threads");
    return o;
}

/* Points on a noisy circle. */
static laser_source *circle(void)
{
    static double x[4000 * DIM];
    laser_source *source;
    for (int i = 0; i < 4000; i++) {
        const double angle = i * 2.39996322972865332, radius = 3.0 + 0.3 * sin(i * 12.9898);
        x[DIM * i] = radius * cos(angle);
        x[DIM * i + 1] = radius * sin(angle);
    }
    check(laser_source_from_array(x, NULL, 4000, DIM, 0, &source), "source");
    return source;
}

static void train(const char *path)
{
    laser_options *o = options();
    laser_source *source = circle();
    laser_generator *generator;
    laser_model *model;
    check(laser_generator_train(source, o, NULL, &generator), "training");
    check(laser_refine(generator, source, o, NULL, &model), "refining");
    check(laser_model_save(model, path), "saving");
    laser_model_free(model);
    laser_generator_free(generator);
    laser_source_free(source);
    laser_options_free(o);
}

static int refuse(void)
{
    char message[512];
    laser_options *o = options();
    laser_source *source = circle();
    laser_generator *generator = NULL;
    check(laser_options_set_str(o, "backend", "torch"), "backend");
    const laser_status status = laser_generator_train(source, o, NULL, &generator);
    laser_last_error(message, sizeof message, NULL);
    printf("%s: %s\n", laser_status_name(status), message);
    const int good = status == LASER_ERR_UNSUPPORTED && generator == NULL && strstr(message, "libtorch") != NULL &&
                     laser_device_check("cpu") == LASER_OK && laser_device_check("cuda") == LASER_ERR_UNSUPPORTED;
    laser_source_free(source);
    laser_options_free(o);
    return good ? 0 : 1;
}

static void print(const char *name, const double *x, size_t n)
{
    printf("%s", name);
    for (size_t i = 0; i < n; i++) {
        uint64_t bits;
        memcpy(&bits, x + i, sizeof bits);
        printf(" %016" PRIx64, bits);
    }
    printf("\n");
}

static void sample(const char *path)
{
    static const char *const methods[] = {"baseline", "reweight", "rejection", "resampling", "gan", "langevin", "mala", "hmc"};
    static double x[EVENTS * DIM], z[EVENTS * DIM], w[EVENTS], logp[EVENTS];
    laser_options *o = options();
    laser_model *model;
    laser_histogram *first = NULL;
    check(laser_model_load(path, NULL, &model), "loading");
    for (size_t m = 0; m < sizeof methods / sizeof *methods; m++) {
        laser_sampler *sampler;
        laser_histogram *histogram;
        double nats, units;
        check(laser_options_set_str(o, "sampler.method", methods[m]), methods[m]);
        check(laser_sampler_new(model, 7, m, o, &sampler), methods[m]);
        check(laser_sampler_generate_latent(sampler, events, 0, x, 0, z, w), methods[m]);
        print(methods[m], x, events * DIM);
        print("z", z, events * DIM);
        print("w", w, events);
        if (strcmp(methods[m], "gan") != 0) {
            check(laser_sampler_seek(sampler, 0), "seeking");
            check(laser_sampler_generate(sampler, events, 0, x, w, logp), "log p");
            print("logp", logp, events);
        }
        check(laser_model_log_weight(model, NULL, events, x, 0, w), "log w");
        print("logw", w, events);
        check(laser_histogram_new(20, -8, 8, 20, -8, 8, &histogram), "histogram");
        check(laser_histogram_fill(histogram, events, x, 0, NULL), "filling");
        if (first == NULL)
            check(laser_histogram_new(20, -8, 8, 20, -8, 8, &first), "histogram"), check(laser_histogram_merge(first, histogram), "merging");
        check(laser_jsd(histogram, first, &nats, NULL), "JSD");
        check(laser_emd(histogram, first, &units, NULL), "EMD");
        print("jsd", &nats, 1);
        print("emd", &units, 1);
        laser_histogram_free(histogram);
        laser_sampler_free(sampler);
    }
    laser_histogram_free(first);
    laser_model_free(model);
    laser_options_free(o);
}

int main(int argc, char **argv)
{
    if (argc == 5 && (events = (size_t)atol(argv[--argc])) > EVENTS)
        events = EVENTS;
    if (argc == 4)
        threads = atoi(argv[--argc]);
    if (argc == 3 && strcmp(argv[1], "train") == 0)
        return train(argv[2]), 0;
    if (argc == 3 && strcmp(argv[1], "sample") == 0)
        return sample(argv[2]), 0;
    if (argc == 2 && strcmp(argv[1], "refuse") == 0)
        return refuse();
    fprintf(stderr, "usage: %s train FILE [THREADS] | sample FILE [THREADS [N]] | refuse\n", argv[0]);
    return 2;
}
