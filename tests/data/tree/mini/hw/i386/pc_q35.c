#include "qemu/osdep.h"
#include "hw/types.h"

static const TypeInfo mch_info = {
    .name = "mch",
    .parent = TYPE_PCI_DEVICE,
    .class_init = mch_class_init,
};

static void mch_class_init(ObjectClass *klass, void *data)
{
    /* PCI-facing part of the host bridge */
    dc->user_creatable = false;
}

DEFINE_Q35_MACHINE_AS_LATEST(10, 0);

DEFINE_Q35_MACHINE(9, 2);

static void pc_q35_register_types(void)
{
    type_register_static(&mch_info);
}

type_init(pc_q35_register_types)
