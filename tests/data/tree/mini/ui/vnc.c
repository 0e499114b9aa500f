#include "qemu/osdep.h"

static QemuDisplay qemu_display_vnc = {
    .type       = DISPLAY_TYPE_VNC,
    .init       = vnc_display_init,
};

static void register_vnc(void)
{
    qemu_display_register(&qemu_display_vnc);
}

type_init(register_vnc);
