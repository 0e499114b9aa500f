#include "qemu/osdep.h"
#include "qom/object_interfaces.h"

static const TypeInfo secret_keyring_info = {
    .name = "secret_keyring",
    .parent = TYPE_OBJECT,
    .interfaces = (InterfaceInfo[]) {
        { TYPE_USER_CREATABLE },
        { }
    },
};

static void secret_keyring_register_types(void)
{
    type_register_static(&secret_keyring_info);
}

type_init(secret_keyring_register_types);
