#include "qemu/osdep.h"
#include "hw/types.h"

static const TypeInfo microvm_machine_info = {
    .name          = MACHINE_TYPE_NAME("microvm"),
    .parent        = TYPE_MACHINE,
};

static void microvm_machine_init(void)
{
    type_register_static(&microvm_machine_info);
}

type_init(microvm_machine_init);
