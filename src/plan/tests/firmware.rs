//! Firmware of machines and devices.

use snapbox::str;

use super::check;
use crate::plan::{Plan, Provider};

fn firmware(plan: &Plan) -> String {
    let line = |firmware: &crate::plan::Firmware| {
        let provider = match firmware.provider {
            Provider::Built => "built".to_owned(),
            Provider::Package(names) => {
                let names = [names.debian, names.fedora, names.rhel, names.opensuse];
                names.map(|name| name.unwrap_or("-")).join(" ")
            }
        };
        format!("{}: {} [{provider}]\n", firmware.item.text, firmware.item.because)
    };
    plan.firmware.iter().map(line).collect()
}

#[test]
fn machines_load_their_own_and_devices_theirs() {
    check(
        firmware,
        "",
        str![[r#"
bios-256k.bin: machine BIOS (machine q35) [seabios seabios-bin seabios-bin qemu-seabios]
kvmvapic.bin: option ROM of the kvmvapic device (machine q35) [built]
linuxboot_dma.bin: option ROM for -kernel (machine q35) [built]
multiboot_dma.bin: option ROM for -kernel with a multiboot image (machine q35) [built]
pvh.bin: option ROM for -kernel with a PVH image (machine q35) [built]

"#]],
    );
    check(
        firmware,
        "# microvm\n",
        str![[r#"
bios-microvm.bin: machine BIOS (machine microvm) [seabios seabios-bin - qemu-microvm]
linuxboot_dma.bin: option ROM for -kernel (machine microvm) [built]
pvh.bin: option ROM for -kernel with a PVH image (machine microvm) [built]

"#]],
    );
    check(firmware, "# virt\n", str![]);
    let profile =
        "# virt\n[devices]\nallow = [\"virtio-net-pci\", \"bochs-display\", \"e1000e\"]\n";
    check(
        firmware,
        profile,
        str![[r#"
efi-e1000e.rom: class default romfile (e1000e) [ipxe-qemu ipxe-roms-qemu ipxe-roms-qemu qemu-ipxe]
efi-virtio.rom: class default romfile (virtio-net-pci) [ipxe-qemu ipxe-roms-qemu ipxe-roms-qemu qemu-ipxe]
vgabios-bochs-display.bin: class default romfile (bochs-display) [seabios seavgabios-bin seavgabios-bin qemu-vgabios]

"#]],
    );
}

/// A device that nobody asked for needs its file, too.
#[test]
fn a_device_that_comes_along_loads_its_firmware() {
    check(
        firmware,
        "# virt\n[symbols]\nenable = [\"E1000_PCI\"]\n",
        str![[r#"
efi-e1000.rom: class default romfile (e1000) [ipxe-qemu ipxe-roms-qemu ipxe-roms-qemu qemu-ipxe]

"#]],
    );
}

#[test]
fn a_file_that_two_machines_load_is_there_once() {
    check(
        firmware,
        "[target]\nmachines = [\"microvm\"]\n",
        str![[r#"
bios-256k.bin: machine BIOS (machine q35) [seabios seabios-bin seabios-bin qemu-seabios]
bios-microvm.bin: machine BIOS (machine microvm) [seabios seabios-bin - qemu-microvm]
kvmvapic.bin: option ROM of the kvmvapic device (machine q35) [built]
linuxboot_dma.bin: option ROM for -kernel (machine q35) [built]
multiboot_dma.bin: option ROM for -kernel with a multiboot image (machine q35) [built]
pvh.bin: option ROM for -kernel with a PVH image (machine q35) [built]

"#]],
    );
}
