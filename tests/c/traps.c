/* Linked to every test: a host that traps what it takes for errors, as many do. The library must not trip over it. */
#define _GNU_SOURCE
#include <fenv.h>

#ifdef __GLIBC__
__attribute__((constructor)) static void set_traps(void)
{
    feenableexcept(FE_INVALID | FE_DIVBYZERO | FE_OVERFLOW);
}
#else
typedef int no_traps;
#endif
