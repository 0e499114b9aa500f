#include "qemu/osdep.h"
#include "hw/types.h"

static void vapic_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);

    /* Reason: only the machine makes it */
    dc->user_creatable = false;
}

static const TypeInfo vapic_type = {
    .name          = "kvmvapic",
    .parent        = TYPE_SYS_BUS_DEVICE,
    .class_init    = vapic_class_init,
};

static void kvmvapic_register_types(void)
{
    type_register_static(&vapic_type);
}

type_init(kvmvapic_register_types)
