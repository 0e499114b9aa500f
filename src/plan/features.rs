//! Which build options are on, and why. Everything else is turned off by name: `--without-default-features` alone
//! leaves `tcg` and all booleans on, and silently takes the stack protector away.
//!
//! Pure.

use std::collections::BTreeMap;

use super::{Because, Options};
use crate::profile::{Profile, Sourced};
use crate::tree::Tree;

/// Options that are on, with the first reason found for each.
pub(super) type Features = BTreeMap<String, Because>;

/// Options that every build wants, with the reason. They exist in every tree we know; one that a tree lacks is left
/// out there.
const ALWAYS: &[(&str, &str)] = &[
    ("coroutine-pool", "QEMU's own default; without it every request allocates a stack"),
    ("debug-info", "symbols for the debug package; the shipped binary is stripped"),
    ("pie", "position independence is part of every hardening level"),
    ("seccomp", "`-sandbox on` needs it, and --without-default-features drops it silently"),
    ("stack-protector", "--without-default-features drops it silently"),
];

/// `(list, name) → option`: what a backend named in the profile needs from `configure`.
const BACKENDS: &[(List, &str, &[&str])] = &[
    (List::Netdev, "user", &["slirp"]),
    (List::Netdev, "vhost-user", &["vhost-user", "vhost-net"]),
    (List::Netdev, "vhost-vdpa", &["vhost-vdpa", "vhost-net"]),
    (List::Netdev, "l2tpv3", &["l2tpv3"]),
    (List::Netdev, "vde", &["vde"]),
    (List::Netdev, "netmap", &["netmap"]),
    (List::Netdev, "af-xdp", &["af-xdp"]),
    (List::Netdev, "passt", &["passt"]),
    (List::Chardev, "spicevmc", &["spice", "spice-protocol"]),
    (List::Chardev, "spiceport", &["spice", "spice-protocol"]),
    (List::Chardev, "qemu-vdagent", &["spice-protocol"]),
    (List::Chardev, "braille", &["brlapi"]),
    (List::Display, "vnc", &["vnc", "pixman"]),
    (List::Display, "gtk", &["gtk", "pixman"]),
    (List::Display, "sdl", &["sdl", "pixman"]),
    (List::Display, "curses", &["curses", "iconv"]),
    (List::Display, "dbus", &["dbus-display", "gio"]),
    (List::Display, "egl-headless", &["opengl", "pixman"]),
    (List::Display, "spice-app", &["spice", "spice-protocol", "gio"]),
    (List::Object, "cryptodev-vhost-user", &["vhost-crypto", "vhost-user"]),
    (List::Object, "secret_keyring", &["keyring"]),
    (List::Object, "tls-creds-x509", &["gnutls"]),
    (List::Object, "tls-creds-psk", &["gnutls"]),
    (List::Object, "colo-compare", &["colo-proxy", "replication"]),
    (List::Object, "authz-pam", &["auth-pam"]),
    (List::Block, "luks", &["nettle"]),
    (List::Block, "qcow", &["qcow1"]),
    (List::Block, "bochs", &["bochs"]),
    (List::Block, "cloop", &["cloop"]),
    (List::Block, "dmg", &["dmg"]),
    (List::Block, "parallels", &["parallels"]),
    (List::Block, "qed", &["qed"]),
    (List::Block, "vdi", &["vdi"]),
    (List::Block, "vhdx", &["vhdx"]),
    (List::Block, "vmdk", &["vmdk"]),
    (List::Block, "vpc", &["vpc"]),
    (List::Block, "vvfat", &["vvfat"]),
    (List::Block, "rbd", &["rbd"]),
    (List::Block, "iscsi", &["libiscsi"]),
    (List::Block, "nfs", &["libnfs"]),
    (List::Block, "ssh", &["libssh"]),
    (List::Block, "gluster", &["glusterfs"]),
    (List::Block, "http", &["curl"]),
    (List::Block, "https", &["curl"]),
    (List::Block, "ftp", &["curl"]),
    (List::Block, "io_uring", &["linux-io-uring"]),
];

/// Options that need others: an option that is on turns these on, in trees whose `meson.build` has the words.
const IMPLIES: &[(&str, &str, &str, &str)] = &[
    ("vhost-net", "vhost-kernel", "vhost-net has no backend without it", ""),
    ("virtfs", "attr", "virtio-9p stores ownership in extended attributes", ""),
    (
        "virtfs",
        "cap-ng",
        "virtio-9p of this series builds its proxy, too",
        "requires libcap-ng-devel",
    ),
    ("vnc-jpeg", "vnc", "a part of the VNC server", ""),
    ("vnc-sasl", "vnc", "a part of the VNC server", ""),
    ("vhost-user-blk-server", "vhost-user", "a part of vhost-user", ""),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum List {
    Netdev,
    Chardev,
    Display,
    Object,
    Block,
}

/// The options the profile, its backends and our rules ask for; devices add theirs through [`demand`].
pub(super) fn wanted(profile: &Profile, options: &Options, target_needs_fdt: bool) -> Features {
    let mut features = Features::new();
    for accelerator in &profile.accelerators {
        demand(&mut features, &accelerator.value, Because::Asked(accelerator.origin.clone()));
    }
    for feature in &profile.features {
        demand(&mut features, &feature.value, Because::Asked(feature.origin.clone()));
    }
    for (list, entry) in backends(profile) {
        for (_, _, names) in
            BACKENDS.iter().filter(|(l, name, _)| *l == list && *name == entry.value)
        {
            for name in *names {
                demand(&mut features, name, Because::Asked(entry.origin.clone()));
            }
        }
    }
    for driver in &profile.backends.audio {
        demand(&mut features, &driver.value, Because::Asked(driver.origin.clone()));
    }
    for (name, why) in ALWAYS {
        if options.get(name).is_some() {
            demand(&mut features, name, Because::rule(*why));
        }
    }
    if target_needs_fdt {
        demand(&mut features, "fdt", Because::rule("the target file says TARGET_NEED_FDT=y"));
    }
    features
}

/// Turns an option on, keeping the first reason.
pub(super) fn demand(features: &mut Features, name: &str, because: Because) {
    features.entry(name.to_owned()).or_insert(because);
}

/// Adds what options that are on need; ends because the table has no cycle and nothing is removed.
pub(super) fn close(features: &mut Features, tree: &Tree) {
    let meson = tree.text("meson.build").unwrap_or_default();
    for _ in 0..=IMPLIES.len() {
        for (name, needs, why, words) in IMPLIES {
            if features.contains_key(*name) && meson.contains(words) {
                demand(features, needs, Because::needed(*name, *why));
            }
        }
    }
}

fn backends(profile: &Profile) -> impl Iterator<Item = (List, &Sourced<String>)> {
    let lists = [
        (List::Netdev, &profile.backends.netdevs),
        (List::Chardev, &profile.backends.chardevs),
        (List::Display, &profile.backends.displays),
        (List::Object, &profile.backends.objects),
        (List::Block, &profile.block_read_write),
        (List::Block, &profile.block_read_only),
    ];
    lists.into_iter().flat_map(|(list, entries)| entries.iter().map(move |entry| (list, entry)))
}
