/* Calls while a thread or the process ends: they work, and what went wrong is told. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <pthread.h>
#include <unistd.h>

static pthread_key_t key;
static int destroyed;

/* A call that fails, and its message. */
static int fails_and_says(const char *path)
{
    laser_model *model = NULL;
    const size_t length = strlen(path), told = length < 900 ? length : 900;
    char message[4096] = "";
    size_t needed = 0;
    if (laser_model_load(path, NULL, &model) != LASER_ERR_IO || model)
        return 0;
    return laser_last_error(message, sizeof message, &needed) == LASER_OK && needed == strlen(message) + 1 &&
           strncmp(message, path, told) == 0 && (told < length || strstr(message, "No such file"));
}

static char long_path[3001];

/* Destructors of the library's own variables of the thread have run before. */
static void destroy(void *value)
{
    (void)value;
    destroyed = fails_and_says("/no/such/model of a thread") && fails_and_says(long_path) && fails_and_says("/no/such/other");
}

static void *thread(void *unused)
{
    CHECK(fails_and_says("/no/such/model"));
    REQUIRE(pthread_setspecific(key, "a value") == 0);
    return unused;
}

/* The last of all: the main thread's variables are gone. */
static void at_the_end(void)
{
    if (fails_and_says("/no/such/model at exit") && laser_last_callback_code() == 0)
        return;
    printf("failed: no message at the end of the process\n");
    fflush(stdout);
    _exit(FAILED);
}

int main(void)
{
    pthread_t other;
    memset(long_path, 'a', sizeof long_path - 1);
    for (size_t i = 0; i < sizeof long_path - 1; i += 100)
        long_path[i] = '/';
    REQUIRE(atexit(at_the_end) == 0);
    REQUIRE(pthread_key_create(&key, destroy) == 0);
    REQUIRE(pthread_create(&other, NULL, thread, NULL) == 0);
    REQUIRE(pthread_join(other, NULL) == 0);
    CHECK(destroyed);
    CHECK(fails_and_says("/no/such/model"));
    return check_result();
}
