#include "qemu/osdep.h"
#include "hw/types.h"

static const TypeInfo device_type_info = {
    .name = TYPE_DEVICE,
    .parent = TYPE_OBJECT,
    .abstract = true,
};

static const TypeInfo system_bus_info = {
    .name = "System",
    .parent = TYPE_BUS,
};

static const TypeInfo sysbus_device_type_info = {
    .name = TYPE_SYS_BUS_DEVICE,
    .parent = TYPE_DEVICE,
    .abstract = true,
};

static const TypeInfo cpu_type_info = {
    .name = TYPE_CPU,
    .parent = TYPE_DEVICE,
    .abstract = true,
};

static const TypeInfo guest_loader_info = {
    .name = "loader",
    .parent = TYPE_DEVICE,
};

static void qdev_register_types(void)
{
    type_register_static(&device_type_info);
    type_register_static(&system_bus_info);
    type_register_static(&sysbus_device_type_info);
    type_register_static(&cpu_type_info);
    type_register_static(&guest_loader_info);
}

type_init(qdev_register_types)
