#include "qemu/osdep.h"

BlockDriver bdrv_file = {
    .format_name = "file",
    .protocol_name = "file",
};

static BlockDriver bdrv_host_device = {
    .format_name        = "host_device",
    .protocol_name        = "host_device",
};

static void bdrv_file_init(void)
{
    bdrv_register(&bdrv_file);
    bdrv_register(&bdrv_host_device);
}

block_init(bdrv_file_init);
