#include "qemu/osdep.h"
#include "hw/types.h"

static const TypeInfo virtio_pci_info = {
    .name = TYPE_VIRTIO_PCI,
    .parent = TYPE_PCI_DEVICE,
    .abstract = true,
};

static void virtio_pci_register_types(void)
{
    type_register_static(&virtio_pci_info);
}

type_init(virtio_pci_register_types)
