/* The host's loop around liblaser's calls: what is measured is an event loop in C, not Python's way to call one. */
#include <stddef.h>
#include <stdint.h>

typedef int32_t (*next_fn)(void *sampler, double *x, double *w);
typedef int32_t (*generate_fn)(void *sampler, size_t n, size_t stride, void *x, void *w, void *logp);

/* `calls` events, one call each; 0 or the status of the call that failed. */
int32_t loop_next(next_fn next, void *sampler, size_t calls, double *x)
{
    for (size_t i = 0; i < calls; i++) {
        int32_t status = next(sampler, x, NULL);
        if (status != 0)
            return status;
    }
    return 0;
}

/* `calls` batches of `n` events into one buffer; 0 or the status of the call that failed. */
int32_t loop_generate(generate_fn generate, void *sampler, size_t calls, size_t n, void *x)
{
    for (size_t i = 0; i < calls; i++) {
        int32_t status = generate(sampler, n, 0, x, NULL, NULL);
        if (status != 0)
            return status;
    }
    return 0;
}
