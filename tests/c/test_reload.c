/* A host whose plugins come and go: the library is loaded, used on a thread that ends, and unloaded, again and again; LASER_ATTACK times as
 * often as here. Nothing of it may stay behind that grows. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <dlfcn.h>
#include <math.h>
#include <pthread.h>

enum { TIMES = 4, EVENTS = 500 };

static double x[2 * EVENTS], drawn[2][2 * EVENTS];

/* By its name and its declaration in laser.h. */
#define FIND(function) *(void **)&function##_ = dlsym(library, #function)
#define DECLARE(function) __extension__ __typeof__(&function) function##_

static void *use(void *library)
{
    DECLARE(laser_options_from_json);
    DECLARE(laser_options_free);
    DECLARE(laser_source_from_array);
    DECLARE(laser_source_free);
    DECLARE(laser_generator_train);
    DECLARE(laser_generator_free);
    DECLARE(laser_model_from_generator);
    DECLARE(laser_model_free);
    DECLARE(laser_sampler_new);
    DECLARE(laser_sampler_generate);
    DECLARE(laser_sampler_free);
    FIND(laser_options_from_json);
    FIND(laser_options_free);
    FIND(laser_source_from_array);
    FIND(laser_source_free);
    FIND(laser_generator_train);
    FIND(laser_generator_free);
    FIND(laser_model_from_generator);
    FIND(laser_model_free);
    FIND(laser_sampler_new);
    FIND(laser_sampler_generate);
    FIND(laser_sampler_free);

    laser_options *options = NULL;
    laser_source *source = NULL;
    laser_generator *generator = NULL;
    laser_model *model = NULL;
    laser_sampler *sampler = NULL;
    static int times;
    /* The message of a failure would be another copy's. */
    REQUIRE(laser_options_from_json_("{\"threads\": 2, \"sampler.threads\": 2, \"flow\": {\"blocks\": 2, \"layers\": 1, \"units\": 8,"
                                     " \"epochs\": 1, \"steps\": 5, \"batch\": 64}}", &options) == LASER_OK);
    REQUIRE(laser_source_from_array_(x, NULL, EVENTS, 2, 0, &source) == LASER_OK);
    REQUIRE(laser_options_from_json_("{\"no such\": 1}", &options) == LASER_ERR_UNKNOWN_OPTION);
    REQUIRE(laser_generator_train_(source, options, NULL, &generator) == LASER_OK);
    REQUIRE(laser_model_from_generator_(generator, &model) == LASER_OK);
    REQUIRE(laser_sampler_new_(model, 1, 2, options, &sampler) == LASER_OK);
    REQUIRE(laser_sampler_generate_(sampler, EVENTS, 0, drawn[times++ > 0], NULL, NULL) == LASER_OK);
    CHECK(times == 1 || memcmp(drawn[0], drawn[1], sizeof drawn[0]) == 0);
    laser_sampler_free_(sampler);
    laser_model_free_(model);
    laser_generator_free_(generator);
    laser_source_free_(source);
    laser_options_free_(options);
    return NULL;
}

/* What the process has mapped. */
static int mappings(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    int lines = 0;
    if (maps == NULL)
        return 0;
    for (int c; (c = fgetc(maps)) != EOF;)
        lines += c == '\n';
    fclose(maps);
    return lines;
}

int main(void)
{
    const char *longer = getenv("LASER_ATTACK");
    const int times = TIMES * (longer ? atoi(longer) : 1);
    int unloaded = 0, before = 0;
    for (size_t i = 0; i < 2 * EVENTS; i++)
        x[i] = sin(1.3 * (double)i) + 0.1 * cos(7.7 * (double)i);
    for (int i = 0; i < times; i++) {
        pthread_t thread;
        void *library = dlopen("liblaser.so.0", RTLD_NOW | RTLD_LOCAL);
        if (library == NULL)
            printf("%s\n", dlerror());
        REQUIRE(library != NULL);
        REQUIRE(pthread_create(&thread, NULL, use, library) == 0 && pthread_join(thread, NULL) == 0);
        REQUIRE(dlclose(library) == 0);
        library = dlopen("liblaser.so.0", RTLD_NOW | RTLD_NOLOAD);
        unloaded += library == NULL;
        if (library != NULL)
            dlclose(library);
        if (i == 1)
            before = mappings();
    }
    CHECK(mappings() <= before + 2); /* heaps of the C library come and go */
    printf("attack: the library loaded, used and closed %d times, gone each time: %s\n", times, unloaded == times ? "yes" : "no");
    return check_result();
}
