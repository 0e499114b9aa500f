#include "qemu/osdep.h"
#include "hw/types.h"

static const TypeInfo isa_device_type_info = {
    .name = TYPE_ISA_DEVICE,
    .parent = TYPE_DEVICE,
    .abstract = true,
};

static void isabus_register_types(void)
{
    type_register_static(&isa_device_type_info);
}

type_init(isabus_register_types)
