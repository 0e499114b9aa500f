#include "qemu/osdep.h"
#include "hw/types.h"

static const TypeInfo bochs_display_type_info = {
    .name = "bochs-display",
    .parent = TYPE_PCI_DEVICE,
};

static void register_types(void)
{
    type_register_static(&bochs_display_type_info);
}

type_init(register_types)
