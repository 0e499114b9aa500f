#include "qemu/osdep.h"
#include "qom/object_interfaces.h"

static const TypeInfo sgx_epc_backed_info = {
    .name = "memory-backend-epc",
    .parent = TYPE_OBJECT,
    .interfaces = (InterfaceInfo[]) {
        { TYPE_USER_CREATABLE },
        { }
    },
};

static void register_types(void)
{
    int fd = qemu_open_old("/dev/sgx_vepc", O_RDWR);
    if (fd >= 0) {
        close(fd);
        type_register_static(&sgx_epc_backed_info);
    }
}

type_init(register_types);
