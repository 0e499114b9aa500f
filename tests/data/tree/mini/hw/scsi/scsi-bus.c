#include "qemu/osdep.h"
#include "hw/types.h"

static const TypeInfo scsi_device_type_info = {
    .name = TYPE_SCSI_DEVICE,
    .parent = TYPE_DEVICE,
    .abstract = true,
};

static const TypeInfo scsi_generic_info = {
    .name = "scsi-generic",
    .parent = TYPE_SCSI_DEVICE,
};

SCSIRequest *scsi_req_new(SCSIDevice *d, uint32_t tag, uint32_t lun, uint8_t *buf, size_t buf_len,
                          void *hba_private)
{
    return scsi_req_alloc(&reqops_target_command, d, tag, lun, hba_private);
}

static void scsi_bus_register_types(void)
{
    type_register_static(&scsi_device_type_info);
    type_register_static(&scsi_generic_info);
}

type_init(scsi_bus_register_types)
