#include "qemu/osdep.h"
#include "hw/types.h"

static const TypeInfo char_type_info = {
    .name = TYPE_CHARDEV,
    .parent = TYPE_OBJECT,
    .abstract = true,
};

static const TypeInfo char_fd_type_info = {
    .name = TYPE_CHARDEV_FD,
    .parent = TYPE_CHARDEV,
    .abstract = true,
};

static const TypeInfo char_file_type_info = {
    .name = TYPE_CHARDEV_FILE,
    .parent = TYPE_CHARDEV_FD,
};

static const TypeInfo char_socket_type_info = {
    .name = TYPE_CHARDEV_SOCKET,
    .parent = TYPE_CHARDEV,
};

static void char_register_types(void)
{
    type_register_static(&char_type_info);
    type_register_static(&char_fd_type_info);
    type_register_static(&char_file_type_info);
    type_register_static(&char_socket_type_info);
}

type_init(char_register_types)
