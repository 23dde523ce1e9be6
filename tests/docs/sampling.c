/* A fragment about a model that is there, and a sampler of it. */
#define _POSIX_C_SOURCE 200809L /* clock_gettime */
#include <laser.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void check(laser_status status)
{
    char message[1000];
    if (status == LASER_OK)
        return;
    laser_last_error(message, sizeof message, NULL);
    fprintf(stderr, "%s: %s\n", laser_status_name(status), message);
    exit(1);
}

int main(void)
{
    laser_model *model;
    laser_sampler *sampler;
    check(laser_model_load("model.laser", NULL, &model));
    check(laser_sampler_new(model, 42, 0, NULL, &sampler));
    {
        /* block */
    }
    laser_sampler_free(sampler), laser_model_free(model);
    return 0;
}
