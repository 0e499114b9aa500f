#include "qemu/osdep.h"

static const char *available_netdevs[] = {
    "socket",
    "hubport",
    "tap",
#ifdef CONFIG_SLIRP
    "user",
#endif
#ifdef CONFIG_VHOST_USER
    "vhost-user",
#endif
};
