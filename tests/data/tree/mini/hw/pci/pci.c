#include "qemu/osdep.h"
#include "hw/types.h"

static const TypeInfo pci_bus_info = {
    .name = TYPE_PCI_BUS,
    .parent = TYPE_BUS,
};

static const TypeInfo pci_device_type_info = {
    .name = TYPE_PCI_DEVICE,
    .parent = TYPE_DEVICE,
    .abstract = true,
};

static void pci_register_types(void)
{
    type_register_static(&pci_bus_info);
    type_register_static(&pci_device_type_info);
}

type_init(pci_register_types)
