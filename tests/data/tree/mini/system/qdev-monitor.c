#include "qemu/osdep.h"

static const QDevAlias qdev_alias_table[] = {
    /* name, alias, architectures */
    { "virtio-blk-pci", "virtio-blk" },
    { "virtio-net-pci", "virtio-net" },
    { }
};
