#include "qemu/osdep.h"
#include "hw/types.h"

static const VirtioPCIDeviceTypeInfo virtio_net_pci_info = {
    .base_name              = "virtio-net-pci-base",
    .generic_name           = "virtio-net-pci",
    .transitional_name      = "virtio-net-pci-transitional",
    .non_transitional_name  = "virtio-net-pci-non-transitional",
};

static void virtio_net_pci_register(void)
{
    virtio_pci_types_register(&virtio_net_pci_info);
}

type_init(virtio_net_pci_register)
