#include "qemu/osdep.h"
#ifdef CONFIG_LINUX
#define TYPE_A "a" /* a comment " with a quote */
#else
#define TYPE_A TYPE_B("x")
#endif
#define TYPE_B(name) name "-device"
OBJECT_DECLARE_SIMPLE_TYPE(AState, A)
static const TypeInfo a_info = {
    .name = TYPE_A,
    .parent = TYPE_PCI_DEVICE,
    .class_init = a_class_init,
    .interfaces = (InterfaceInfo[]) { { INTERFACE_PCIE_DEVICE }, { } },
};
static const TypeInfo types[] = {
    { .name = TYPE_B("one"), .parent = TYPE_A, .abstract = true },
    { .name = "two\x20\"three\"", .parent = TYPE_B("one") },
};
DEFINE_TYPES(types)
DEFINE_MACHINE("none", none_machine_init)
static void a_register_types(void) { type_register_static(&a_info); }
type_init(a_register_types)
