#include "qemu/osdep.h"
#include "hw/types.h"

static const TypeInfo platform_bus_device_info = {
    .name = "platform-bus-device",
    .parent = TYPE_SYS_BUS_DEVICE,
};

DEFINE_VIRT_MACHINE_AS_LATEST(10, 0)

static void virt_register_types(void)
{
    type_register_static(&platform_bus_device_info);
}

type_init(virt_register_types)
