#include "qemu/osdep.h"
#include "hw/types.h"

static const TypeInfo debugcon_isa_info = {
    .name = "isa-debugcon",
    .parent = TYPE_ISA_DEVICE,
};

static void debugcon_register_types(void)
{
    type_register_static(&debugcon_isa_info);
}

type_init(debugcon_register_types)
