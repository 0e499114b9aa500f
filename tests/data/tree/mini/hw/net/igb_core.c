#include "qemu/osdep.h"

static uint32_t igb_get_systim(IGBCore *core, int index)
{
    return e1000x_timestamp(core->mac, core->timadj, SYSTIML, SYSTIMH);
}
