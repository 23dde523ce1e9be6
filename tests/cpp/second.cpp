// A second translation unit, so that definitions of the header that are not inline do not link.
#include <laser.hpp>

bool second_unit_works()
{
    return !laser::version().empty() && laser::abi_version() == LASER_ABI_VERSION;
}
