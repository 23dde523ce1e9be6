/* Model files: broken ones are refused whatever is wrong with them, and a failed save leaves the old file. */
#define _POSIX_C_SOURCE 200809L
#include "scratch.h"
#include "toy.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

typedef struct {
    unsigned char *bytes;
    size_t size;
} content;

static content read_file(const char *path)
{
    content c = {malloc(1 << 20), 0};
    FILE *file = fopen(path, "rb");
    REQUIRE(c.bytes && file);
    c.size = fread(c.bytes, 1, 1 << 20, file);
    REQUIRE(c.size > 0 && c.size < 1 << 20);
    fclose(file);
    return c;
}

static void write_file(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    REQUIRE(file && fwrite(bytes, 1, size, file) == size && fclose(file) == 0);
}

static laser_status load(const char *path)
{
    laser_model *model = NULL;
    laser_status status = laser_model_load(path, NULL, &model);
    CHECK((model != NULL) == (status == LASER_OK));
    laser_model_free(model);
    return status;
}

static void broken(content good)
{
    const char *path = scratch("broken.laser");
    unsigned char *bytes = malloc(good.size + 100);
    uint64_t state = 1, header = 0;
    REQUIRE(bytes);
    memcpy(bytes, good.bytes, good.size);

    for (size_t size = 0; size < good.size; size += 1 + size / 7) {
        write_file(path, bytes, size);
        if (!CHECK_FAILS(load(path), LASER_ERR_FORMAT))
            printf("  ... cut to %zu of %zu bytes\n", size, good.size);
    }
    memset(bytes + good.size, 0, 100);
    write_file(path, bytes, good.size + 100);
    CHECK_FAILS(load(path), LASER_ERR_FORMAT); /* too long */

    /* The length of the header, in its first 8 bytes. */
    static const uint64_t lengths[] = {0, 1, 1 << 20, UINT64_C(1) << 40, UINT64_MAX, UINT64_MAX - 7};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        memcpy(bytes, &lengths[i], 8);
        write_file(path, bytes, good.size);
        CHECK_FAILS(load(path), LASER_ERR_FORMAT);
    }

    /* Any byte of the header changed: refused, or harmless. */
    memcpy(&header, good.bytes, 8);
    REQUIRE(header + 8 < good.size);
    for (int i = 0; i < 300; i++) {
        memcpy(bytes, good.bytes, good.size);
        bytes[8 + (size_t)((double)header * (1.0 - toy_uniform(&state)))] = (unsigned char)(256.0 * (1.0 - toy_uniform(&state)));
        write_file(path, bytes, good.size);
        laser_status status = load(path);
        CHECK(status == LASER_OK || status == LASER_ERR_FORMAT);
    }

    /* Damaged parameters: one bit of the data changed, which leaves numbers, or a NaN. */
    for (size_t at = (size_t)header + 8; at < good.size; at += 1 + (good.size - at) / 7) {
        memcpy(bytes, good.bytes, good.size);
        bytes[at] ^= 1;
        write_file(path, bytes, good.size);
        CHECK_SAYS(load(path), LASER_ERR_FORMAT, "damaged");
    }
    memcpy(bytes, good.bytes, good.size);
    memset(bytes + good.size - 4, 0xff, 4);
    write_file(path, bytes, good.size);
    CHECK_SAYS(load(path), LASER_ERR_FORMAT, "damaged");
    write_file(path, "PK\3\4 something else entirely", 28);
    CHECK_SAYS(load(path), LASER_ERR_FORMAT, "broken.laser");
    free(bytes);
}

static void failing_saves(const laser_model *model, const char *path, content good)
{
    CHECK_FAILS(laser_model_save(model, scratch_directory), LASER_ERR_IO); /* a directory */
    CHECK_FAILS(laser_model_save(model, scratch("none/model.laser")), LASER_ERR_IO);
    CHECK_FAILS(laser_model_save(model, ""), LASER_ERR_IO);
    CHECK_FAILS(load(scratch_directory), LASER_ERR_IO);
    CHECK_FAILS(load(scratch("none.laser")), LASER_ERR_IO);

    /* A disc that is full after 1000 bytes: the old file stays, and nothing else is left behind. */
    struct rlimit limit, small;
    const int files = scratch_files();
    REQUIRE(getrlimit(RLIMIT_FSIZE, &limit) == 0 && signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    small = limit;
    small.rlim_cur = 1000;
    REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
    laser_status status = laser_model_save(model, path);
    REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    CHECK_FAILS(status, LASER_ERR_IO);
    CHECK(scratch_files() == files);
    content after = read_file(path);
    CHECK(after.size == good.size && memcmp(after.bytes, good.bytes, good.size) == 0);
    free(after.bytes);

    if (geteuid() != 0) { /* root may write anywhere */
        REQUIRE(chmod(scratch_directory, 0500) == 0);
        CHECK_FAILS(laser_model_save(model, path), LASER_ERR_IO);
        REQUIRE(chmod(scratch_directory, 0700) == 0);
    }
}

int main(void)
{
    laser_options *options = toy_options();
    laser_model *model = toy_model(options), *reloaded = NULL;
    const char *path = scratch("model.laser"), *generator_path = scratch("generator.laser");
    REQUIRE_OK(laser_model_save(model, path));
    content good = read_file(path);

    /* Saving again, over it, gives the same bytes; so does saving what was loaded. */
    REQUIRE_OK(laser_model_load(path, options, &reloaded));
    REQUIRE_OK(laser_model_save(reloaded, path));
    content again = read_file(path);
    CHECK(again.size == good.size && memcmp(again.bytes, good.bytes, good.size) == 0);
    CHECK(scratch_files() == 1);
    free(again.bytes);
    laser_model_free(reloaded);

    /* A generator's file is a model file without the rest, and the other way round. */
    laser_generator *generator = NULL;
    size_t dim = 0;
    REQUIRE_OK(laser_generator_load(path, NULL, &generator));
    CHECK(laser_generator_event_dim(generator, &dim) == LASER_OK && dim == TOY_DIM);
    REQUIRE_OK(laser_generator_save(generator, generator_path));
    CHECK_OK(load(generator_path));
    laser_generator_free(generator);

    failing_saves(model, path, good);
    broken(good);
    free(good.bytes);
    laser_model_free(model);
    laser_options_free(options);
    scratch_remove();
    return check_result();
}
