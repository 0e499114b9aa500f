//! What the small tree offers, what configurations of it have, and what a change of it is.

use std::collections::{BTreeMap, BTreeSet};

use snapbox::{IntoData, str};

use super::{Configuration, Kind, Requested, diff, predict, scan};
use crate::mini;

/// Symbols and options that are on, on an architecture.
struct With {
    on: BTreeSet<&'static str>,
    arch: &'static str,
}

impl Configuration for With {
    fn symbol(&self, name: &str) -> bool {
        self.on.contains(name)
    }
    fn option(&self, name: &str) -> bool {
        self.on.contains(name)
    }
    fn arch(&self, name: &str) -> bool {
        self.arch == name
    }
}

/// The surface of a configuration, without what every one has.
fn check(
    changes: &[(&str, &str, &str)],
    arch: &'static str,
    on: &[&'static str],
    requested: &[(Kind, &str)],
    expected: impl IntoData,
) {
    let catalog = scan(&mini::tree_with(changes));
    let requested: BTreeSet<(Kind, String)> =
        requested.iter().map(|(kind, name)| (*kind, (*name).to_owned())).collect();
    let of = |on: &[&'static str], requested: &Requested| {
        predict(&catalog, &With { on: on.iter().copied().collect(), arch }, requested)
    };
    let (surface, bare) = (of(on, &requested), of(&[], &Requested::new()));
    let mut out = String::new();
    let mut list = |title: &str,
                    names: &BTreeMap<String, super::Predicted>,
                    old: &BTreeMap<String, super::Predicted>| {
        for (name, found) in names.iter().filter(|(name, found)| old.get(*name) != Some(found)) {
            let through = found.through.join(" ");
            out.push_str(format!("{title} {name}: {} {through}", found.class.name()).trim_end());
            out.push('\n');
        }
    };
    list("device", &surface.devices, &bare.devices);
    list("machine", &surface.machines, &bare.machines);
    list("object", &surface.objects, &bare.objects);
    list("type", &surface.types, &bare.types);
    list("at start", &surface.at_start, &bare.at_start);
    let nothing = BTreeMap::new();
    for (kind, backends) in &surface.backends {
        list(kind.name(), backends, bare.backends.get(kind).unwrap_or(&nothing));
    }
    for (name, condition) in &surface.undecided {
        out.push_str(&format!("undecided {name}: {condition}\n"));
    }
    let (size, unrequested) = (surface.size(), surface.unrequested().count());
    out.push_str(&format!("{size} devices, {unrequested} unrequested\n"));
    snapbox::assert_data_eq!(out, expected.into_data().raw());
}

#[test]
fn nothing_but_the_core_is_in_an_empty_configuration() {
    check(
        &[],
        "i386",
        &[],
        &[],
        str![[r#"
2 devices, 1 unrequested

"#]],
    );
    check(
        &[],
        "arm",
        &[],
        &[],
        str![[r#"
1 devices, 1 unrequested

"#]],
    );
}

#[test]
fn symbols_and_options_bring_devices_and_are_their_reason() {
    check(
        &[],
        "i386",
        &["PCI", "Q35", "pixman", "XEN"],
        &[],
        str![[r#"
device bochs-display: forced --enable-pixman PCI
device mch: forced Q35
device xen-platform: forced PCI XEN
machine pc-q35-10.0: forced Q35
machine pc-q35-9.2: forced Q35
type PCI: forced PCI
5 devices, 3 unrequested

"#]],
    );
    check(
        &[],
        "arm",
        &["PCI", "Q35", "ARM_VIRT"],
        &[],
        str![[r#"
device platform-bus-device: forced ARM_VIRT
machine virt-10.0: forced ARM_VIRT
type PCI: forced PCI
2 devices, 1 unrequested

"#]],
    );
}

#[test]
fn all_of_a_condition_must_hold() {
    check(
        &[],
        "i386",
        &["VIRTIO_BLK", "VIRTIO_PCI"],
        &[],
        str![[r#"
2 devices, 1 unrequested

"#]],
    );
    check(
        &[],
        "i386",
        &["VIRTIO_BLK", "VIRTIO"],
        &[],
        str![[r#"
device virtio-blk-device: forced VIRTIO VIRTIO_BLK
3 devices, 2 unrequested

"#]],
    );
}

#[test]
fn what_is_named_is_requested_by_kind_and_under_an_alias() {
    let asked = [(Kind::Device, "virtio-blk"), (Kind::Netdev, "socket"), (Kind::Device, "i8042")];
    check(
        &[],
        "i386",
        &["VIRTIO_BLK", "VIRTIO", "VIRTIO_PCI", "PCKBD"],
        &asked,
        str![[r#"
device i8042: requested PCKBD
device virtio-blk-device: forced VIRTIO VIRTIO_BLK
device virtio-blk-pci: requested VIRTIO VIRTIO_BLK VIRTIO_PCI
device virtio-blk-pci-non-transitional: forced VIRTIO VIRTIO_BLK VIRTIO_PCI
device virtio-blk-pci-transitional: forced VIRTIO VIRTIO_BLK VIRTIO_PCI
netdev socket: requested
7 devices, 4 unrequested

"#]],
    );
}

/// Of the two ways into the binary the one that holds is the reason.
#[test]
fn the_reason_is_the_alternative_that_holds() {
    let also = (
        "hw/meson.build",
        "",
        "system_ss.add(when: 'CONFIG_SSI', if_true: files('input/pckbd.c'))\n",
    );
    check(
        &[also],
        "i386",
        &["SSI"],
        &[],
        str![[r#"
device i8042: forced SSI
type SSI: forced SSI
3 devices, 2 unrequested

"#]],
    );
}

#[test]
fn backends_follow_options_and_macros() {
    check(
        &[],
        "i386",
        &["slirp", "vhost-user", "spice", "curl", "vnc", "ALSA"],
        &[],
        str![[r#"
type chardev-spicevmc: forced --enable-spice
netdev user: forced --enable-slirp
chardev spicevmc: forced --enable-spice
display vnc: forced --enable-vnc
audio alsa: forced ALSA
block http: forced --enable-curl
2 devices, 1 unrequested

"#]],
    );
}

#[test]
fn what_the_host_or_the_start_decides_is_told_apart() {
    check(
        &[],
        "i386",
        &["KEYRING", "SGX_EPC"],
        &[],
        str![[r#"
at start memory-backend-epc: forced SGX_EPC
undecided secret_keyring: KEYRING && unknown(the host has libkeyutils)
2 devices, 1 unrequested

"#]],
    );
    // Of types that nobody compares nothing is said.
    let other = ("backends/secret_keyring.c", "        { TYPE_USER_CREATABLE },\n", "");
    check(
        &[other],
        "i386",
        &["KEYRING"],
        &[],
        str![[r#"
2 devices, 1 unrequested

"#]],
    );
}

#[test]
fn a_macro_that_nothing_defines_is_undecided() {
    let guarded = (
        "hw/core/qdev.c",
        "static const TypeInfo guest_loader_info",
        "#ifdef HAVE_LOADER\nstatic const TypeInfo guest_loader_info",
    );
    let end = (
        "hw/core/qdev.c",
        "    .name = \"loader\",\n    .parent = TYPE_DEVICE,\n};\n",
        "    .name = \"loader\",\n    .parent = TYPE_DEVICE,\n};\n#endif\n",
    );
    check(
        &[guarded, end],
        "i386",
        &[],
        &[],
        str![[r#"
undecided loader: defined(HAVE_LOADER)
1 devices, 0 unrequested

"#]],
    );
}

#[test]
fn versioned_machines_past_their_age_are_not_registered() {
    let boards = "#define MACHINE_VER_DELETION_MAJOR 6\n#define MACHINE_VER_DELETION(...) \\\n    do { \\\n        return; \\\n    } while (0)\n";
    let old = (
        "hw/i386/pc_q35.c",
        "DEFINE_Q35_MACHINE(9, 2);",
        "DEFINE_Q35_MACHINE(4, 2);\nDEFINE_Q35_MACHINE(4, 1);\nDEFINE_Q35_MACHINE(3, 1);",
    );
    let version = |number: &'static str| ("VERSION", "10.0.2", number);
    let header = ("include/hw/boards.h", "", boards);
    check(
        &[version("10.1.0"), header, old],
        "i386",
        &["Q35"],
        &[],
        str![[r#"
device mch: forced Q35
machine pc-q35-10.0: forced Q35
machine pc-q35-4.2: forced Q35
3 devices, 1 unrequested

"#]],
    );
    // It says itself that it is without effect before 10.1.
    check(
        &[header, old],
        "i386",
        &["Q35"],
        &[],
        str![[r#"
device mch: forced Q35
machine pc-q35-10.0: forced Q35
machine pc-q35-3.1: forced Q35
machine pc-q35-4.1: forced Q35
machine pc-q35-4.2: forced Q35
3 devices, 1 unrequested

"#]],
    );
}

/// Changes between the small tree and a changed one, by kind.
fn check_diff(changes: &[(&str, &str, &str)], expected: impl IntoData) {
    let (old, new) = (scan(&mini::tree()), scan(&mini::tree_with(changes)));
    let mut out = String::new();
    for (kind, changes) in diff(&old, &new) {
        let renamed: Vec<String> =
            changes.renamed.iter().map(|(old, new)| format!("{old}→{new}")).collect();
        for (what, names) in [("+", &changes.appeared), ("-", &changes.gone), ("→", &renamed)] {
            out.extend(names.iter().map(|name| format!("{kind} {what} {name}\n")));
        }
    }
    snapbox::assert_data_eq!(out, expected.into_data().raw());
}

#[test]
fn trees_that_offer_the_same_differ_in_nothing() {
    check_diff(&[("VERSION", "10.0.2", "10.0.3")], str![]);
    // Whether a thing is there is no matter of when it is.
    check_diff(&[("hw/meson.build", "'CONFIG_UFS_PCI'", "'CONFIG_PCI'")], str![]);
}

#[test]
fn names_appear_go_and_are_renamed_by_kind() {
    check_diff(
        &[
            ("hw/ufs/lu.c", "\"ufs\"", "\"nvme\""),
            ("hw/display/bochs-display.c", "\"bochs-display\"", "\"bochs-drm-display\""),
            ("hw/i386/pc_q35.c", "(9, 2)", "(9, 1)"),
            ("backends/iothread.c", "TYPE_IOTHREAD", "\"iothread-group\""),
            ("include/hw/types.h", "\"chardev-file\"", "\"chardev-pipe\""),
            ("net/net.c", "    \"tap\",\n", "    \"passt\",\n"),
            ("block/curl.c", "\"http\"", "\"https\""),
        ],
        str![[r#"
block → http→https
chardev + pipe
chardev - file
device + nvme
device - ufs
device → bochs-display→bochs-drm-display
machine + pc-q35-9.1
machine - pc-q35-9.2
netdev + passt
netdev - tap
object → iothread→iothread-group

"#]],
    );
}

#[test]
fn an_abstract_type_and_one_that_is_never_in_are_no_offer() {
    let never = (
        "hw/meson.build",
        "system_ss.add(when: 'CONFIG_UFS_PCI', if_true: files('ufs/lu.c'))\n",
        "",
    );
    let concrete = ("hw/net/e1000.c", "    .abstract = true,\n", "");
    check_diff(
        &[never, concrete],
        str![[r#"
device + e1000-base
device - ufs

"#]],
    );
}
