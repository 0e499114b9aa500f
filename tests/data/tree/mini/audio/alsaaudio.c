#include "qemu/osdep.h"

static struct audio_driver alsa_audio_driver = {
    .name           = "alsa",
    .can_be_default = 1,
};

static void register_audio_alsa(void)
{
    audio_driver_register(&alsa_audio_driver);
}
type_init(register_audio_alsa);
