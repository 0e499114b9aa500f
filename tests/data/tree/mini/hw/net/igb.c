#include "qemu/osdep.h"
#include "hw/types.h"

static const TypeInfo igb_info = {
    .name = "igb",
    .parent = TYPE_PCI_DEVICE,
};

static void igb_register_types(void)
{
    type_register_static(&igb_info);
}

type_init(igb_register_types)
