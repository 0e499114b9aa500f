#include "qemu/osdep.h"
#include "hw/types.h"

static const TypeInfo nvdimm_info = {
    .name = "nvdimm-stick",
    .parent = TYPE_DEVICE,
};

static void nvdimm_bare_register_types(void)
{
    type_register_static(&nvdimm_info);
}

type_init(nvdimm_bare_register_types)
