#include "qemu/osdep.h"
#include "qom/object_interfaces.h"

OBJECT_DEFINE_TYPE_WITH_INTERFACES(RngRandom, rng_random, RNG_RANDOM, RNG_BACKEND,
                                   { TYPE_USER_CREATABLE }, { NULL })
