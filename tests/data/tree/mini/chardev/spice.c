#include "qemu/osdep.h"
#include "hw/types.h"

static const TypeInfo char_spicevmc_type_info = {
    .name = "chardev-spicevmc",
    .parent = TYPE_CHARDEV,
};

static void spice_register_types(void)
{
    type_register_static(&char_spicevmc_type_info);
}

type_init(spice_register_types)
