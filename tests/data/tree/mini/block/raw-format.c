#include "qemu/osdep.h"

BlockDriver bdrv_raw = {
    .format_name          = "raw",
};

static void bdrv_raw_init(void)
{
    bdrv_register(&bdrv_raw);
}

block_init(bdrv_raw_init);
