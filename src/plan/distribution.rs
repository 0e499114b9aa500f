//! Distributions the packages are made for, and what they call the packages ours lean on.
//!
//! Pure data. Each name was read in the distribution's own spec or control file of `qemu`, `seabios` and `ipxe`.

use crate::profile::{Arch, Distribution};

/// The names of one package in each distribution; `None` where a distribution has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Names {
    pub debian: Option<&'static str>,
    pub fedora: Option<&'static str>,
    pub rhel: Option<&'static str>,
    pub opensuse: Option<&'static str>,
}

impl Names {
    const fn all(
        debian: &'static str,
        fedora: &'static str,
        rhel: &'static str,
        opensuse: &'static str,
    ) -> Self {
        Self {
            debian: Some(debian),
            fedora: Some(fedora),
            rhel: Some(rhel),
            opensuse: Some(opensuse),
        }
    }

    pub fn on(&self, distribution: Distribution) -> Option<&'static str> {
        match distribution {
            Distribution::Debian => self.debian,
            Distribution::Fedora => self.fedora,
            Distribution::Rhel => self.rhel,
            Distribution::Opensuse => self.opensuse,
        }
    }
}

/// BIOS of `pc` and `q35`.
pub(super) static SEABIOS: Names =
    Names::all("seabios", "seabios-bin", "seabios-bin", "qemu-seabios");
/// BIOS of `microvm`; RHEL's SeaBIOS is built without it.
pub(super) static SEABIOS_MICROVM: Names = Names {
    debian: Some("seabios"),
    fedora: Some("seabios-bin"),
    rhel: None,
    opensuse: Some("qemu-microvm"),
};
/// BIOS of graphics cards.
pub(super) static VGABIOS: Names =
    Names::all("seabios", "seavgabios-bin", "seavgabios-bin", "qemu-vgabios");
/// Network boot ROMs.
pub(super) static IPXE: Names =
    Names::all("ipxe-qemu", "ipxe-roms-qemu", "ipxe-roms-qemu", "qemu-ipxe");

/// The package of the distribution's own emulator that owns `/usr/bin/qemu-system-ARCH`.
pub fn emulator(arch: Arch) -> Names {
    match arch {
        Arch::X86_64 => Names {
            debian: Some("qemu-system-x86"),
            fedora: Some("qemu-system-x86-core"),
            // RHEL's is `/usr/libexec/qemu-kvm`: nothing in the way.
            rhel: None,
            opensuse: Some("qemu-x86"),
        },
        Arch::Aarch64 => Names {
            debian: Some("qemu-system-arm"),
            fedora: Some("qemu-system-aarch64-core"),
            rhel: None,
            opensuse: Some("qemu-arm"),
        },
    }
}
