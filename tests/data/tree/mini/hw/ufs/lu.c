#include "qemu/osdep.h"
#include "hw/types.h"

static SCSIRequest *ufs_new_request(UfsLu *lu, UfsRequest *req)
{
    return scsi_req_new(lu->scsi_dev, req->slot, 0, req->cdb, 16, req);
}

static const TypeInfo ufs_info = {
    .name = "ufs",
    .parent = TYPE_PCI_DEVICE,
};

static void lu_register_types(void)
{
    type_register_static(&ufs_info);
}

type_init(lu_register_types)
