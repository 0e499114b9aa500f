//! Why something is in, or is not.

use snapbox::{IntoData, str};

use crate::mini::{self, Scanned};
use crate::plan::explain;

/// What `explain` answers to each of `what`, on a plan with something of everything.
fn check(profile: &str, what: &[&str], expected: impl IntoData) {
    let scanned = Scanned::of(mini::tree());
    let (plan, findings) = scanned.plan_with(profile, &mini::probes());
    let plan = plan.unwrap_or_else(|| panic!("{}", mini::told(&findings)));
    let answers = what.iter().map(|what| {
        let answer = explain(&plan, &scanned.catalog, what);
        answer.unwrap_or_else(|| format!("{what}: nothing\n"))
    });
    snapbox::assert_data_eq!(answers.collect::<String>(), expected.into_data().raw());
}

const DISKS: &str = "[devices]\nallow = [\"virtio-blk-pci\", \"nvdimm-stick\"]\n";

#[test]
fn a_device_is_led_back_to_a_line_of_the_profile() {
    check(
        DISKS,
        &["virtio-blk-pci", "i8042"],
        str![[r#"
virtio-blk-pci is in: device, requested (hw/virtio/virtio-blk-pci.c:4)
  CONFIG_VIRTIO: selected by VIRTIO_PCI at hw/virtio/Kconfig:8
    CONFIG_VIRTIO_PCI: asked at mini.toml:5:10 (devices.allow)
  CONFIG_VIRTIO_BLK: asked at mini.toml:5:10 (devices.allow)
  CONFIG_VIRTIO_PCI: asked at mini.toml:5:10 (devices.allow)
i8042 is in: device, forced (hw/input/pckbd.c:4)
  CONFIG_PCKBD: selected by PC at hw/i386/Kconfig:5
    CONFIG_PC: selected by PC_PCI at hw/i386/Kconfig:9
      CONFIG_PC_PCI: selected by Q35 at hw/i386/Kconfig:22
        CONFIG_Q35: asked at q35.toml:9:13 (target.machines)

"#]],
    );
}

#[test]
fn hidden_core_and_chosen_devices_say_so() {
    check(
        DISKS,
        &["mch", "kvmvapic", "loader", "nvdimm-stick"],
        str![[r#"
mch is in: device, forced, hidden from -device help (hw/i386/pc_q35.c:4)
  CONFIG_Q35: asked at q35.toml:9:13 (target.machines)
kvmvapic is in: device, core, hidden from -device help (hw/i386/kvmvapic.c:12)
  core: hw/i386/kvmvapic.c is compiled into every qemu-system-x86_64 of QEMU 1:10.0.2+ds-1; no configuration removes it
loader is in: device, core (hw/core/qdev.c:27)
  core: hw/core/qdev.c is compiled into every qemu-system-x86_64 of QEMU 1:10.0.2+ds-1; no configuration removes it
nvdimm-stick is in: device, requested (hw/mem/nvdimm-bare.c:4)
  CONFIG_NVDIMM_BARE: asked at mini.toml:5:28 (devices.allow)
  decided against NVDIMM (smallest predicted surface)

"#]],
    );
}

#[test]
fn a_device_that_a_build_option_compiles_names_it() {
    check(
        "[devices]\nallow = [\"bochs-display\"]\n",
        &["bochs-display"],
        str![[r#"
bochs-display is in: device, requested (hw/display/bochs-display.c:4)
  build option pixman: bochs-display is compiled only with it (bochs-display)
  CONFIG_PCI: selected by PCI_EXPRESS at hw/core/Kconfig:8
    CONFIG_PCI_EXPRESS: selected by Q35 at hw/i386/Kconfig:24
      CONFIG_Q35: asked at q35.toml:9:13 (target.machines)

"#]],
    );
}

#[test]
fn machines_and_objects_and_other_types_are_explained() {
    check(
        DISKS,
        &["pc-q35-10.0", "pc-q35-9.2-machine", "iothread", "PCI"],
        str![[r#"
pc-q35-10.0 is in: machine, requested (hw/i386/pc_q35.c:16)
  CONFIG_Q35: asked at q35.toml:9:13 (target.machines)
pc-q35-9.2 is in: machine, requested (hw/i386/pc_q35.c:18)
  CONFIG_Q35: asked at q35.toml:9:13 (target.machines)
iothread is in: object, core (backends/iothread.c:4)
  core: backends/iothread.c is compiled into every qemu-system-x86_64 of QEMU 1:10.0.2+ds-1; no configuration removes it
PCI is in: type, forced (hw/pci/pci.c:4)
  CONFIG_PCI: selected by PCI_EXPRESS at hw/core/Kconfig:8
    CONFIG_PCI_EXPRESS: selected by Q35 at hw/i386/Kconfig:24
      CONFIG_Q35: asked at q35.toml:9:13 (target.machines)

"#]],
    );
}

/// `socket` is a netdev and a character device.
#[test]
fn a_name_of_two_kinds_is_explained_as_both() {
    check(
        DISKS,
        &["socket", "tap"],
        str![[r#"
socket is in: netdev, core (net/net.c:4)
  core: net/net.c is compiled into every qemu-system-x86_64 of QEMU 1:10.0.2+ds-1; no configuration removes it
socket is in: chardev, core (chardev/char.c:21)
  core: chardev/char.c is compiled into every qemu-system-x86_64 of QEMU 1:10.0.2+ds-1; no configuration removes it
tap is in: netdev, core (net/net.c:6)
  core: net/net.c is compiled into every qemu-system-x86_64 of QEMU 1:10.0.2+ds-1; no configuration removes it

"#]],
    );
}

#[test]
fn what_is_decided_at_start_says_so() {
    check(
        "[backends]\nobjects = [\"memory-backend-epc\"]\n",
        &["memory-backend-epc"],
        str![[r#"
memory-backend-epc is in if the machine it starts on has what it needs: object, requested (backends/hostmem-epc.c:4)
  CONFIG_SGX_EPC: asked at mini.toml:5:12 (backends.objects)

"#]],
    );
}

#[test]
fn symbols_have_a_chain_and_what_they_bring() {
    check(
        DISKS,
        &["PCKBD", "CONFIG_VIRTIO_BLK", "Q35", "KVM", "PC_ACPI"],
        str![[r#"
CONFIG_PCKBD is on
  CONFIG_PCKBD: selected by PC at hw/i386/Kconfig:5
    CONFIG_PC: selected by PC_PCI at hw/i386/Kconfig:9
      CONFIG_PC_PCI: selected by Q35 at hw/i386/Kconfig:22
        CONFIG_Q35: asked at q35.toml:9:13 (target.machines)
  brings: i8042
CONFIG_VIRTIO_BLK is on
  CONFIG_VIRTIO_BLK: asked at mini.toml:5:10 (devices.allow)
  brings: virtio-blk-device, virtio-blk-pci, virtio-blk-pci-non-transitional, virtio-blk-pci-transitional
CONFIG_Q35 is on
  CONFIG_Q35: asked at q35.toml:9:13 (target.machines)
  brings: mch
CONFIG_KVM is on
  CONFIG_KVM: meson sets it: build option or target
CONFIG_PC_ACPI is on
  CONFIG_PC_ACPI: selected by Q35 at hw/i386/Kconfig:23
    CONFIG_Q35: asked at q35.toml:9:13 (target.machines)

"#]],
    );
}

#[test]
fn the_parent_of_a_type_is_a_reason() {
    check(
        "[symbols]\nenable = [\"SSI_M25P80\"]\n",
        &["m25p80", "CONFIG_SSI"],
        str![[r#"
m25p80 is in: device, forced (hw/block/m25p80.c:9)
  CONFIG_SSI_M25P80: asked at mini.toml:5:11 (symbols.enable)
CONFIG_SSI is on
  CONFIG_SSI: m25p80 derives from ssi-peripheral, without which QEMU ends at its start (m25p80)

"#]],
    );
}

#[test]
fn a_quirk_is_a_reason() {
    check(
        "[devices]\nallow = [\"ufs\"]\n",
        &["scsi-generic"],
        str![[r#"
scsi-generic is in: device, forced (hw/scsi/scsi-bus.c:10)
  CONFIG_SCSI: quirk ufs-without-scsi: a UFS logical unit is a SCSI device, and UFS_PCI does not select SCSI; SCSI turned on (the SCSI disks and the generic SCSI device, which have no bus to sit on but the unit's own)

"#]],
    );
}

#[test]
fn options_and_arguments_and_flags_are_explained() {
    let profile = "[backends]\nnetdevs = [\"user\"]\n";
    let what = [
        "slirp",
        "--enable-slirp",
        "vnc",
        "--disable-vnc",
        "--without-default-features",
        "-fstack-protector-strong",
        "-D_FORTIFY_SOURCE=3",
        "-Wl,-z,now",
        "-fzero-init-padding-bits=all",
    ];
    check(
        profile,
        &what,
        str![[r#"
build option slirp is on: asked at mini.toml:5:12 (backends.netdevs)
build option slirp is on: asked at mini.toml:5:12 (backends.netdevs)
--disable-vnc: not asked for
vnc is not in:
  ui/vnc.c when option vnc
--disable-vnc: not asked for
--without-default-features: nothing is on unless it is asked for
-fstack-protector-strong: hardening level strict: a canary where the stack holds arrays or escaping addresses [OpenSSF Compiler Options Hardening Guide for C and C++]
-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 is used: hardening level strict: checked functions, sizes also where only known at run time [OpenSSF Compiler Options Hardening Guide for C and C++]
-Wl,-z,now: hardening level strict: all symbols are bound at start, so that RELRO covers the whole GOT [OpenStack Security Guide, Hardening the virtualization layers]
-fzero-init-padding-bits=all is left out: gcc (Mini) 14.2.0 does not have it (since GCC 15)

"#]],
    );
}

#[test]
fn firmware_is_explained_with_who_provides_it() {
    check(
        DISKS,
        &["bios-256k.bin", "pvh.bin"],
        str![[r#"
firmware bios-256k.bin: machine BIOS (machine q35); from the package seabios (debian), seabios-bin (fedora), seabios-bin (rhel), qemu-seabios (opensuse)
firmware pvh.bin: option ROM for -kernel with a PVH image (machine q35); built from QEMU's own sources

"#]],
    );
}

#[test]
fn what_is_absent_says_when_it_would_be_there() {
    check(
        DISKS,
        &["ufs", "nvdimm-label", "platform-bus-device", "virtio-pci", "chardev-fd"],
        str![[r#"
ufs is not in:
  hw/ufs/lu.c when UFS_PCI
nvdimm-label is not in:
  hw/mem/nvdimm.c when NVDIMM
platform-bus-device is not in:
  hw/arm/virt.c when arch arm && ARM_VIRT
virtio-pci is an abstract type (hw/virtio/virtio-pci.c:4), there when VIRTIO_PCI && VIRTIO; it is never created itself
chardev-fd is an abstract type (chardev/char.c:10), there when always; it is never created itself

"#]],
    );
}

/// `vnc` is a build option and, where that is on, a display.
#[test]
fn an_option_that_is_off_and_a_type_of_its_name_are_told_together() {
    check(
        DISKS,
        &["alsa", "vnc"],
        str![[r#"
--disable-alsa: not asked for
alsa is not in:
  audio/alsaaudio.c when ALSA
--disable-vnc: not asked for
vnc is not in:
  ui/vnc.c when option vnc

"#]],
    );
    check(
        "[backends]\ndisplays = [\"vnc\"]\n",
        &["vnc"],
        str![[r#"
vnc is in: display, requested (ui/vnc.c:3)
  build option vnc: asked at mini.toml:5:13 (backends.displays)

"#]],
    );
}

#[test]
fn nothing_is_said_of_what_nobody_knows() {
    check(
        DISKS,
        &["no-such-thing", "CONFIG_NOPE", "-fnope", "nope.bin"],
        str![[r#"
no-such-thing: nothing
CONFIG_NOPE: nothing
-fnope: nothing
nope.bin: nothing

"#]],
    );
}
