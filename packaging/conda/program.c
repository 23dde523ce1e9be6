#include <laser.h>
#include <stdio.h>

int main(void)
{
    printf("liblaser %s\n", laser_version());
    return 0;
}
