/* Checks for the C tests: a failed one says where and why, and the program goes on; exit 0 = passed, 1 = failed,
 * 77 = skipped, since this build of the library cannot train. */
#ifndef CHECK_H
#define CHECK_H

#include <laser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PASSED = 0, FAILED = 1, SKIPPED = 77 };

static int check_failures;

static inline const char *check_last_error(void)
{
    static char message[4096];
    laser_last_error(message, sizeof message, NULL);
    return message;
}

static inline int check_true(int ok, const char *file, int line, const char *what)
{
    if (!ok) {
        printf("%s:%d: failed: %s\n", file, line, what);
        check_failures++;
    }
    return ok;
}

static inline int check_status(laser_status is, laser_status expected, const char *file, int line, const char *call)
{
    if (is != expected) {
        printf("%s:%d: %s gave %s, not %s; last error: %s\n", file, line, call, laser_status_name(is), laser_status_name(expected),
               check_last_error());
        check_failures++;
    }
    return is == expected;
}

/* The status, and a part of the message. */
static inline int check_says(laser_status is, laser_status expected, const char *part, const char *file, int line, const char *call)
{
    if (!check_status(is, expected, file, line, call))
        return 0;
    if (!strstr(check_last_error(), part)) {
        printf("%s:%d: %s does not say \"%s\": %s\n", file, line, call, part, check_last_error());
        check_failures++;
        return 0;
    }
    return 1;
}

/* All of them give true if the check passed. */
#define CHECK(condition) check_true(!!(condition), __FILE__, __LINE__, #condition)
#define CHECK_OK(call) check_status((call), LASER_OK, __FILE__, __LINE__, #call)
#define CHECK_FAILS(call, status) check_status((call), (status), __FILE__, __LINE__, #call)
#define CHECK_SAYS(call, status, part) check_says((call), (status), (part), __FILE__, __LINE__, #call)
/* For what the rest of the program cannot do without. */
#define REQUIRE(condition) ((condition) ? (void)0 : (check_true(0, __FILE__, __LINE__, #condition), exit(FAILED)))
#define REQUIRE_OK(call) (CHECK_OK(call) ? (void)0 : exit(FAILED))

static inline int check_result(void)
{
    if (check_failures)
        printf("%d failed\n", check_failures);
    return check_failures ? FAILED : PASSED;
}

#endif
