#include "qemu/osdep.h"
#include "hw/types.h"

static const VirtioPCIDeviceTypeInfo vhost_user_fs_pci_info = {
    .base_name             = "vhost-user-fs-pci-base",
    .non_transitional_name = "vhost-user-fs-pci",
};

static void vhost_user_fs_pci_register(void)
{
    virtio_pci_types_register(&vhost_user_fs_pci_info);
}

type_init(vhost_user_fs_pci_register);
