#include "qemu/osdep.h"
#include "hw/types.h"

static const VirtioPCIDeviceTypeInfo virtio_blk_pci_info = {
    .base_name              = "virtio-blk-pci-base",
    .generic_name           = "virtio-blk-pci",
    .transitional_name      = "virtio-blk-pci-transitional",
    .non_transitional_name  = "virtio-blk-pci-non-transitional",
};

static void virtio_blk_pci_register(void)
{
    virtio_pci_types_register(&virtio_blk_pci_info);
}

type_init(virtio_blk_pci_register)
