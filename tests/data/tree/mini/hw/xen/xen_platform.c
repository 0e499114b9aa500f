#include "qemu/osdep.h"
#include "hw/types.h"

static const TypeInfo xen_platform_info = {
    .name = "xen-platform",
    .parent = TYPE_PCI_DEVICE,
};

static void register_types(void)
{
    type_register_static(&xen_platform_info);
}

type_init(register_types)
