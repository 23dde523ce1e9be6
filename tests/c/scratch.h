/* A directory of its own for a test that writes files. The including file defines _POSIX_C_SOURCE 200809L first. */
#ifndef SCRATCH_H
#define SCRATCH_H

#include "check.h"

#include <dirent.h>
#include <unistd.h>

static char scratch_directory[1024];

/* The path of a file in the scratch directory, which the first call makes; valid until the next call but seven. */
static inline const char *scratch(const char *name)
{
    static char paths[8][2048];
    static unsigned next;
    if (!scratch_directory[0]) {
        const char *temporary = getenv("TMPDIR");
        snprintf(scratch_directory, sizeof scratch_directory, "%s/laser-test-XXXXXX", temporary ? temporary : "/tmp");
        REQUIRE(mkdtemp(scratch_directory) != NULL);
    }
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", scratch_directory, name);
    return path;
}

/* How many files the scratch directory holds, hidden ones included. */
static inline int scratch_files(void)
{
    int count = 0;
    DIR *directory = opendir(scratch_directory);
    REQUIRE(directory != NULL);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(directory);
    return count;
}

/* Whether two files hold the same bytes. */
static inline int scratch_same(const char *a, const char *b)
{
    FILE *one = fopen(a, "rb"), *other = fopen(b, "rb");
    int x = 0, y = 0;
    REQUIRE(one && other);
    while (x == y && x != EOF)
        x = fgetc(one), y = fgetc(other);
    fclose(one), fclose(other);
    return x == y;
}

/* Removes the scratch directory with its files. */
static inline void scratch_remove(void)
{
    DIR *directory = opendir(scratch_directory);
    REQUIRE(directory != NULL);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            unlink(scratch(entry->d_name));
    closedir(directory);
    rmdir(scratch_directory);
}

#endif
