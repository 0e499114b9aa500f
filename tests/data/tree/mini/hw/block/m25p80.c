#include "qemu/osdep.h"
#include "hw/types.h"

static const FlashPartInfo known_devices[] = {
    { INFO("at25fs010", 0x1f6601, 0, 32 << 10, 4, ER_4K) },
    { INFO("w25q64", 0xef4017, 0, 64 << 10, 128, ER_4K) },
};

static const TypeInfo m25p80_info = {
    .name = "m25p80",
    .parent = TYPE_SSI_PERIPHERAL,
};

static void m25p80_register_types(void)
{
    type_register_static(&m25p80_info);
}

type_init(m25p80_register_types)
