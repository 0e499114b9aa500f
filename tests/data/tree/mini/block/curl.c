#include "qemu/osdep.h"

static BlockDriver bdrv_http = {
    .format_name            = "http",
    .protocol_name          = "http",
};

static void curl_block_init(void)
{
    bdrv_register(&bdrv_http);
}

block_init(curl_block_init);
