#include "qemu/osdep.h"
#include "hw/types.h"

static const VirtioPCIDeviceTypeInfo virtio_mem_pci_info = {
    .base_name = "virtio-mem-pci-base",
    .generic_name = "virtio-mem-pci",
};

static void virtio_mem_pci_register_types(void)
{
    virtio_pci_types_register(&virtio_mem_pci_info);
}

type_init(virtio_mem_pci_register_types)
