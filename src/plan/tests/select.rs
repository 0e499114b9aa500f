//! From names to symbols.

use snapbox::str;

use super::{asked, check, check_on, devices, features};
use crate::mini::{self, Scanned};

#[test]
fn devices_and_machines_ask_for_their_symbols() {
    check(
        asked,
        "[devices]\nallow = [\"virtio-blk-pci\"]\n",
        str![[r#"
Q35: asked at q35.toml:9:13 (target.machines)
VIRTIO_BLK: asked at mini.toml:5:10 (devices.allow)
VIRTIO_PCI: asked at mini.toml:5:10 (devices.allow)

"#]],
    );
    check(
        asked,
        "# virt\n[devices]\nallow = [\"virtio-net-pci\"]\n",
        str![[r#"
ARM_VIRT: asked at virt.toml:8:13 (target.machines)
VIRTIO_NET: asked at mini.toml:6:10 (devices.allow)
VIRTIO_PCI: asked at mini.toml:6:10 (devices.allow)

"#]],
    );
}

#[test]
fn what_comes_with_a_symbol_is_requested_forced_or_core() {
    check(
        devices,
        "[devices]\nallow = [\"virtio-blk-pci\"]\n",
        str![[r#"
Haswell-noTSX-x86_64-cpu: core, hidden
Haswell-v1-x86_64-cpu: core, hidden
Haswell-v2-x86_64-cpu: core, hidden
Haswell-x86_64-cpu: core, hidden
i8042: forced PCKBD
kvmvapic: core, hidden
loader: core
mch: forced, hidden Q35
qemu64-v1-x86_64-cpu: core, hidden
qemu64-x86_64-cpu: core, hidden
virtio-blk-device: forced VIRTIO VIRTIO_BLK
virtio-blk-pci: requested VIRTIO VIRTIO_BLK VIRTIO_PCI
virtio-blk-pci-non-transitional: forced VIRTIO VIRTIO_BLK VIRTIO_PCI
virtio-blk-pci-transitional: forced VIRTIO VIRTIO_BLK VIRTIO_PCI

"#]],
    );
    check(
        devices,
        "# microvm\n",
        str![[r#"
Haswell-noTSX-x86_64-cpu: core, hidden
Haswell-v1-x86_64-cpu: core, hidden
Haswell-v2-x86_64-cpu: core, hidden
Haswell-x86_64-cpu: core, hidden
kvmvapic: core, hidden
loader: core
qemu64-v1-x86_64-cpu: core, hidden
qemu64-x86_64-cpu: core, hidden

"#]],
    );
}

#[test]
fn symbols_of_the_profile_are_asked_for_with_and_without_prefix() {
    check(
        asked,
        "[symbols]\nenable = [\"ISA_DEBUG\", \"CONFIG_SSI\"]\n",
        str![[r#"
ISA_DEBUG: asked at mini.toml:5:11 (symbols.enable)
Q35: asked at q35.toml:9:13 (target.machines)
SSI: asked at mini.toml:5:24 (symbols.enable)

"#]],
    );
}

#[test]
fn a_symbol_that_another_selects_is_not_asked_for() {
    check(
        asked,
        "[symbols]\nenable = [\"PCI\", \"PC\", \"VIRTIO\"]\n",
        str![[r#"
Q35: asked at q35.toml:9:13 (target.machines)
VIRTIO: asked at mini.toml:5:24 (symbols.enable)

"#]],
    );
}

#[test]
fn a_device_in_two_files_takes_the_smallest_selection() {
    check(
        asked,
        "[devices]\nallow = [\"nvdimm-stick\"]\n",
        str![[r#"
NVDIMM_BARE: asked at mini.toml:5:10 (devices.allow)
Q35: asked at q35.toml:9:13 (target.machines)
nvdimm-stick: NVDIMM_BARE over NVDIMM (smallest predicted surface)

"#]],
    );
}

#[test]
fn a_selection_that_does_not_resolve_is_never_the_smallest() {
    let bare = (
        "hw/core/Kconfig",
        "config NVDIMM_BARE\n    bool\n",
        "config NVDIMM_BARE\n    bool\n    depends on SSI\n",
    );
    let scanned = Scanned::of(mini::tree_with(&[bare]));
    check_on(
        &scanned,
        asked,
        "[devices]\nallow = [\"nvdimm-stick\"]\n",
        str![[r#"
NVDIMM: asked at mini.toml:5:10 (devices.allow)
Q35: asked at q35.toml:9:13 (target.machines)
nvdimm-stick: NVDIMM over NVDIMM_BARE (smallest predicted surface)

"#]],
    );
}

#[test]
fn of_selections_of_one_size_the_first_is_taken() {
    let label =
        ("hw/mem/nvdimm.c", "    .name = \"nvdimm-label\",\n", "    .name = \"nvdimm-stick\",\n");
    let scanned = Scanned::of(mini::tree_with(&[label]));
    check_on(
        &scanned,
        asked,
        "[devices]\nallow = [\"nvdimm-stick\"]\n",
        str![[r#"
NVDIMM_BARE: asked at mini.toml:5:10 (devices.allow)
Q35: asked at q35.toml:9:13 (target.machines)
nvdimm-stick: NVDIMM_BARE over NVDIMM (smallest predicted surface)

"#]],
    );
}

/// `bochs-display` is compiled with pixman, `xen-platform` with what meson passes as an accelerator.
#[test]
fn a_device_that_a_build_option_compiles_turns_it_on() {
    let profile = "[devices]\nallow = [\"bochs-display\", \"xen-platform\"]\n";
    check(
        asked,
        profile,
        str![[r#"
Q35: asked at q35.toml:9:13 (target.machines)

"#]],
    );
    check(
        features,
        profile,
        str![[r#"
kvm: asked at q35.toml:10:17 (target.accelerators)
pixman: bochs-display is compiled only with it (bochs-display)
xen: xen-platform is compiled only with it (xen-platform)

"#]],
    );
}

#[test]
fn a_config_name_that_kconfig_does_not_declare_is_a_build_option() {
    let card = (
        "hw/meson.build",
        "",
        "system_ss.add(when: ['CONFIG_PCI', 'CONFIG_ALSA'], if_true: files('audio/ac97.c'))\n",
    );
    let code =
        "static const TypeInfo ac97_info = { .name = \"AC97\", .parent = TYPE_PCI_DEVICE };\n";
    let scanned = Scanned::of(mini::tree_with(&[card, ("hw/audio/ac97.c", "", code)]));
    check_on(
        &scanned,
        features,
        "[devices]\nallow = [\"AC97\"]\n",
        str![[r#"
alsa: AC97 is compiled only with it (AC97)
kvm: asked at q35.toml:10:17 (target.accelerators)

"#]],
    );
}

#[test]
fn options_that_symbols_depend_on_are_turned_on() {
    check(
        features,
        "# microvm\n",
        str![[r#"
fdt: CONFIG_MICROVM depends on FDT (CONFIG_MICROVM)
kvm: asked at microvm.toml:9:17 (target.accelerators)

"#]],
    );
    check(
        features,
        "[devices]\nallow = [\"vhost-user-fs-pci\"]\n",
        str![[r#"
kvm: asked at q35.toml:10:17 (target.accelerators)
vhost-user: CONFIG_VHOST_USER_FS depends on VHOST_USER (CONFIG_VHOST_USER_FS)

"#]],
    );
}

#[test]
fn the_file_of_another_architecture_is_no_alternative() {
    let files = [
        (
            "hw/i386/meson.build",
            "",
            "i386_ss.add(when: 'CONFIG_ISA_DEBUG', if_true: files('gpio.c'))\n",
        ),
        (
            "hw/arm/meson.build",
            "",
            "arm_ss.add(when: 'CONFIG_PLATFORM_BUS', if_true: files('gpio.c'))\n",
        ),
        (
            "hw/i386/gpio.c",
            "",
            "static const TypeInfo gpio = { .name = \"gpio-key\", .parent = TYPE_DEVICE };\n",
        ),
        (
            "hw/arm/gpio.c",
            "",
            "static const TypeInfo gpio = { .name = \"gpio-key\", .parent = TYPE_DEVICE };\n",
        ),
    ];
    let scanned = Scanned::of(mini::tree_with(&files));
    check_on(
        &scanned,
        asked,
        "[devices]\nallow = [\"gpio-key\"]\n",
        str![[r#"
ISA_DEBUG: asked at mini.toml:5:10 (devices.allow)
Q35: asked at q35.toml:9:13 (target.machines)

"#]],
    );
    check_on(
        &scanned,
        asked,
        "# virt\n[devices]\nallow = [\"gpio-key\"]\n",
        str![[r#"
ARM_VIRT: asked at virt.toml:8:13 (target.machines)

"#]],
    );
}

#[test]
fn the_parent_of_a_type_is_asked_for_with_that_reason() {
    check(
        asked,
        "[symbols]\nenable = [\"SSI_M25P80\"]\n",
        str![[r#"
Q35: asked at q35.toml:9:13 (target.machines)
SSI: m25p80 derives from ssi-peripheral, without which QEMU ends at its start (m25p80)
SSI_M25P80: asked at mini.toml:5:11 (symbols.enable)

"#]],
    );
    // Whoever asks for it anyway is the reason.
    check(
        asked,
        "[symbols]\nenable = [\"SSI_M25P80\", \"SSI\"]\n",
        str![[r#"
Q35: asked at q35.toml:9:13 (target.machines)
SSI: asked at mini.toml:5:25 (symbols.enable)
SSI_M25P80: asked at mini.toml:5:11 (symbols.enable)

"#]],
    );
}

#[test]
fn machines_of_a_family_are_requested_and_backends_follow_the_options() {
    let surface = |plan: &crate::plan::Plan| {
        let surface = &plan.surface;
        let mut out = String::new();
        for (name, machine) in &surface.machines {
            out.push_str(&format!("machine {name}: {}\n", machine.class.name()));
        }
        for (name, object) in &surface.objects {
            out.push_str(&format!("object {name}: {}\n", object.class.name()));
        }
        for (kind, backends) in &surface.backends {
            let names: Vec<&str> = backends.keys().map(String::as_str).collect();
            out.push_str(&format!("{}: {}\n", kind.name(), names.join(" ")));
        }
        for name in surface.at_start.keys() {
            out.push_str(&format!("at start: {name}\n"));
        }
        for (name, condition) in &surface.undecided {
            out.push_str(&format!("undecided: {name} when {condition}\n"));
        }
        out
    };
    check(
        surface,
        "",
        str![[r#"
machine pc-q35-10.0: requested
machine pc-q35-9.2: requested
object iothread: core
object rng-random: core
netdev: hubport socket tap
chardev: file socket
display: 
audio: 
block: file host_device

"#]],
    );
    let profile = "[backends]\nobjects = [\"iothread\", \"memory-backend-epc\"]\nnetdevs = [\"user\", \"vhost-user\"]\n\
                   chardevs = [\"spicevmc\"]\ndisplays = [\"vnc\"]\naudio = [\"alsa\"]\n\
                   [block]\nread-write = [\"raw\"]\nread-only = [\"http\"]\n[features]\nenable = [\"vhost-user\"]\n\
                   [symbols]\nenable = [\"KEYRING\"]\n";
    check(
        surface,
        profile,
        str![[r#"
note plan::undecided: `secret_keyring`: cannot decide KEYRING && unknown(the host has libkeyutils)
machine pc-q35-10.0: requested
machine pc-q35-9.2: requested
object iothread: requested
object rng-random: core
netdev: hubport socket tap user vhost-user
chardev: file socket spicevmc
display: vnc
audio: alsa
block: file host_device http raw
at start: memory-backend-epc
undecided: secret_keyring when KEYRING && unknown(the host has libkeyutils)

"#]],
    );
}
