#include "qemu/osdep.h"

uint32_t
e1000x_timestamp(uint32_t *mac, int64_t timadj, size_t lo, size_t hi)
{
    return mac[lo] + timadj;
}
