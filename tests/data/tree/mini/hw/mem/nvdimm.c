#include "qemu/osdep.h"
#include "hw/types.h"

static const TypeInfo nvdimm_info = {
    .name = "nvdimm-stick",
    .parent = TYPE_DEVICE,
};

static const TypeInfo nvdimm_label_info = {
    .name = "nvdimm-label",
    .parent = TYPE_DEVICE,
};

static void nvdimm_register_types(void)
{
    type_register_static(&nvdimm_info);
    type_register_static(&nvdimm_label_info);
}

type_init(nvdimm_register_types)
