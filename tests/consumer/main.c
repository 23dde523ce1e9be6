/* The smallest host: header, library and libtorch are found. */
#include <laser.h>
#include <stdio.h>

int main(void)
{
    laser_options *options;
    laser_status status = laser_options_new("fast", &options);
    if (status == LASER_OK)
        laser_options_free(options);
    printf("liblaser %s, ABI %u\n", laser_version(), (unsigned)laser_abi_version());
    return status != LASER_OK || laser_abi_version() != LASER_ABI_VERSION;
}
