#include "qemu/osdep.h"
#include "hw/types.h"

typedef struct E1000Info {
    const char *name;
    uint16_t   device_id;
} E1000Info;

static const TypeInfo e1000_base_info = {
    .name = "e1000-base",
    .parent = TYPE_PCI_DEVICE,
    .abstract = true,
};

static const E1000Info e1000_devices[] = {
    {
        .name      = "e1000",
        .device_id = E1000_DEV_ID_82540EM,
    },
    {
        .name      = "e1000-82544gc",
        .device_id = E1000_DEV_ID_82544GC_COPPER,
    },
};

static void e1000_register_types(void)
{
    int i;

    type_register_static(&e1000_base_info);
    for (i = 0; i < ARRAY_SIZE(e1000_devices); i++) {
        const E1000Info *info = &e1000_devices[i];
        TypeInfo type_info = {};

        type_info.name = info->name;
        type_info.parent = "e1000-base";
        type_register_static(&type_info);
    }
}

type_init(e1000_register_types)
