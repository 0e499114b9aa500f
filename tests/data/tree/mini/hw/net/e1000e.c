#include "qemu/osdep.h"
#include "hw/types.h"

static const TypeInfo e1000e_info = {
    .name = "e1000e",
    .parent = TYPE_PCI_DEVICE,
};

static void e1000e_register_types(void)
{
    type_register_static(&e1000e_info);
}

type_init(e1000e_register_types)
