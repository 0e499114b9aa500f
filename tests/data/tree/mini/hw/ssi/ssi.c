#include "qemu/osdep.h"
#include "hw/types.h"

static const TypeInfo ssi_peripheral_info = {
    .name = TYPE_SSI_PERIPHERAL,
    .parent = TYPE_DEVICE,
    .abstract = true,
};

static const TypeInfo ssi_bus_info = {
    .name = "SSI",
    .parent = TYPE_BUS,
};

static void ssi_register_types(void)
{
    type_register_static(&ssi_peripheral_info);
    type_register_static(&ssi_bus_info);
}

type_init(ssi_register_types)
