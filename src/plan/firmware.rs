//! Which firmware a selection loads, and who provides it. Pure.
//!
//! Sources of the table: `hw/i386/x86-common.c` and `hw/i386/microvm.c` (machine BIOS and option ROMs for `-kernel`),
//! the class default `romfile` of network cards (`hw/virtio/virtio-net-pci.c`, `hw/net/e1000.c`, …) and of VGA cards.
//! QEMU refuses to realise a device whose default `romfile` is missing, so an allowed device's ROM is not optional.

use super::distribution::{self, Names};
use super::{Because, Item};
use crate::catalog::Surface;
use crate::profile::Profile;

/// Where a firmware file comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// Built from QEMU's own `pc-bios/optionrom` in the compile step.
    Built,
    /// A package of the distribution, by its name on each.
    Package(&'static Names),
}

/// A firmware file with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Firmware {
    pub item: Item,
    pub provider: Provider,
}

const SEABIOS: Provider = Provider::Package(&distribution::SEABIOS);
const MICROVM: Provider = Provider::Package(&distribution::SEABIOS_MICROVM);
const VGABIOS: Provider = Provider::Package(&distribution::VGABIOS);
const IPXE: Provider = Provider::Package(&distribution::IPXE);

/// Firmware of machines: machine as the profile names it, file, provider, reason.
const MACHINES: &[(&str, &str, Provider, &str)] = &[
    ("q35", "bios-256k.bin", SEABIOS, "machine BIOS"),
    ("q35", "linuxboot_dma.bin", Provider::Built, "option ROM for -kernel"),
    ("q35", "multiboot_dma.bin", Provider::Built, "option ROM for -kernel with a multiboot image"),
    ("q35", "pvh.bin", Provider::Built, "option ROM for -kernel with a PVH image"),
    ("q35", "kvmvapic.bin", Provider::Built, "option ROM of the kvmvapic device"),
    ("pc", "bios-256k.bin", SEABIOS, "machine BIOS"),
    ("pc", "linuxboot_dma.bin", Provider::Built, "option ROM for -kernel"),
    ("pc", "multiboot_dma.bin", Provider::Built, "option ROM for -kernel with a multiboot image"),
    ("pc", "pvh.bin", Provider::Built, "option ROM for -kernel with a PVH image"),
    ("pc", "kvmvapic.bin", Provider::Built, "option ROM of the kvmvapic device"),
    ("microvm", "bios-microvm.bin", MICROVM, "machine BIOS"),
    ("microvm", "linuxboot_dma.bin", Provider::Built, "option ROM for -kernel"),
    ("microvm", "pvh.bin", Provider::Built, "option ROM for -kernel with a PVH image"),
];

/// Firmware of devices: device type, file, provider.
const DEVICES: &[(&str, &str, Provider)] = &[
    ("virtio-net-pci", "efi-virtio.rom", IPXE),
    ("e1000", "efi-e1000.rom", IPXE),
    ("e1000e", "efi-e1000e.rom", IPXE),
    ("rtl8139", "efi-rtl8139.rom", IPXE),
    ("ne2k_pci", "efi-ne2k_pci.rom", IPXE),
    ("pcnet", "efi-pcnet.rom", IPXE),
    ("i82557b", "efi-eepro100.rom", IPXE),
    ("vmxnet3", "efi-vmxnet3.rom", IPXE),
    ("VGA", "vgabios-stdvga.bin", VGABIOS),
    ("cirrus-vga", "vgabios-cirrus.bin", VGABIOS),
    ("qxl-vga", "vgabios-qxl.bin", VGABIOS),
    ("virtio-vga", "vgabios-virtio.bin", VGABIOS),
    ("vmware-svga", "vgabios-vmware.bin", VGABIOS),
    ("isa-vga", "vgabios.bin", VGABIOS),
    ("bochs-display", "vgabios-bochs-display.bin", VGABIOS),
    ("ramfb", "vgabios-ramfb.bin", VGABIOS),
    ("ati-vga", "vgabios-ati.bin", VGABIOS),
];

/// Finds the firmware of the machines asked for and of every device that is in.
pub(super) fn needed(profile: &Profile, surface: &Surface) -> Vec<Firmware> {
    let mut out: Vec<Firmware> = Vec::new();
    let mut add = |file: &str, provider: Provider, because: Because| {
        if !out.iter().any(|known| known.item.text == file) {
            out.push(Firmware { item: Item::new(file, because), provider });
        }
    };
    for machine in &profile.machines {
        for (_, file, provider, why) in MACHINES.iter().filter(|(name, ..)| *name == machine.value)
        {
            add(file, *provider, Because::needed(format!("machine {}", machine.value), *why));
        }
    }
    for (device, file, provider) in DEVICES {
        if surface.devices.contains_key(*device) {
            add(file, *provider, Because::needed(*device, "class default romfile"));
        }
    }
    out.sort_by(|a, b| a.item.text.cmp(&b.item.text));
    out
}
