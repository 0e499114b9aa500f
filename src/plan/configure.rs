//! The arguments of `configure`, each with its reason: every option of the tree is stated, on or off. Pure.

use super::features::Features;
use super::{Because, DeviceFile, Item, Options};
use crate::hardening;
use crate::profile::{Profile, Sourced};

/// Directories QEMU looks for firmware in, after the package's own: Debian's and Fedora's.
const FIRMWARE_PATH: &str = "/usr/share/qemu:/usr/share/seabios:/usr/lib/ipxe/qemu:/usr/share/seavgabios:/usr/share/ipxe/qemu";

/// Makes all arguments of `configure` but compiler flags.
pub(super) fn arguments(
    profile: &Profile,
    options: &Options,
    features: &Features,
    device_file: &DeviceFile,
    selection: &hardening::Selection,
) -> Vec<Item> {
    let arch = profile.arch.value.qemu();
    let compiler = crate::profile::compiler_name(profile.compiler.value);
    let mut out = vec![
        Item::new(
            format!("--target-list={arch}-softmmu"),
            Because::Asked(profile.arch.origin.clone()),
        ),
        Item::new(
            "--without-default-features",
            Because::rule("nothing is on unless it is asked for"),
        ),
        Item::new(
            "--without-default-devices",
            Because::rule("Kconfig ignores `default` and `imply`"),
        ),
        Item::new(
            format!("--with-devices-{arch}={}", device_file.name),
            Because::rule("the device file of this plan"),
        ),
        Item::new(
            // Before 8.1 configure took a Python only together with the meson in its own tree.
            if options.get("meson").is_some() { "--meson=$MESON" } else { "--python=$PYTHON" },
            Because::rule("a meson new enough for this tree"),
        ),
        Item::new(format!("--cc={compiler}"), Because::Asked(profile.compiler.origin.clone())),
        Item::new(
            format!("--prefix={}", profile.package.prefix.value),
            Because::Asked(profile.package.prefix.origin.clone()),
        ),
        Item::new(
            format!("--with-pkgversion=quench {}", profile.name.value),
            Because::rule("fixed, so that no git state or time enters the binary"),
        ),
    ];
    // Before 8.1 the only things to fetch were git's submodules.
    let offline = [
        ("download", "--disable-download"),
        ("with-git-submodules", "--with-git-submodules=ignore"),
    ];
    let offline = offline.into_iter().find(|(name, _)| options.get(name).is_some());
    if let Some((_, word)) = offline {
        out.push(Item::new(word, Because::rule("a build takes nothing from the network")));
    }
    if options.get("firmwarepath").is_some() {
        out.push(Item::new(
            format!("--firmwarepath={}/share/qemu:{FIRMWARE_PATH}", profile.package.prefix.value),
            Because::rule("the package's own firmware first, then where the distributions' firmware packages put theirs"),
        ));
    }
    out.push(Item::new(
        "--audio-drv-list=".to_owned() + &joined(&profile.backends.audio),
        Because::rule("audio drivers of the profile, none by default"),
    ));
    out.extend(block(profile));
    for flag in &selection.configure {
        let because = Because::Hardening {
            level: selection.level.clone(),
            why: flag.why.to_owned(),
            source: flag.source.to_owned(),
        };
        out.push(Item::new(flag.text, because));
    }
    let stated: Vec<String> = out.iter().map(|item| item.text.clone()).collect();
    out.extend(switches(options, features, &stated));
    out
}

/// States every switch of the tree's `configure`, on or off.
fn switches(options: &Options, features: &Features, stated: &[String]) -> Vec<Item> {
    let mut out = Vec::new();
    for name in options.switches() {
        let (on, off) = (format!("--enable-{name}"), format!("--disable-{name}"));
        if stated.contains(&on) || stated.contains(&off) {
            continue;
        }
        out.push(match features.get(name) {
            Some(because) => Item::new(on, because.clone()),
            None => Item::new(off, Because::rule("not asked for")),
        });
    }
    out
}

/// Block drivers that may write: what the profile names, and the protocol drivers below every image format.
pub(super) fn writable(profile: &Profile) -> Vec<&str> {
    let mut write: Vec<&str> =
        profile.block_read_write.iter().map(|format| format.value.as_str()).collect();
    for protocol in ["file", "host_device"] {
        if !write.contains(&protocol) {
            write.push(protocol);
        }
    }
    write
}

/// Makes the arguments of the block driver allowlists.
fn block(profile: &Profile) -> Vec<Item> {
    let write = writable(profile);
    let origin = profile.block_read_write.first().map(|format| format.origin.clone());
    let because = origin.map_or_else(|| Because::rule("no format asked for"), Because::Asked);
    let mut out = vec![Item::new(format!("--block-drv-rw-whitelist={}", write.join(",")), because)];
    if let Some(first) = profile.block_read_only.first() {
        let list = joined(&profile.block_read_only);
        out.push(Item::new(
            format!("--block-drv-ro-whitelist={list}"),
            Because::Asked(first.origin.clone()),
        ));
    }
    out
}

fn joined(list: &[Sourced<String>]) -> String {
    list.iter().map(|entry| entry.value.as_str()).collect::<Vec<_>>().join(",")
}

/// Compiler flags of our own: paths out of the binary, symbols for the debug package.
pub(super) fn own_cflags() -> Vec<Item> {
    let map = "QEMU includes by absolute and by relative path; both must map, or the build directory is in the binary";
    vec![
        Item::new("-g", Because::rule("symbols for the debug package")),
        Item::new("-ffile-prefix-map=$BUILD=/usr/src/qemu/build", Because::rule(map)),
        Item::new("-ffile-prefix-map=$SOURCE=/usr/src/qemu", Because::rule(map)),
        Item::new("-ffile-prefix-map=$RELATIVE=/usr/src/qemu", Because::rule(map)),
    ]
}

pub(super) fn own_ldflags() -> Vec<Item> {
    vec![
        Item::new("-Wl,--as-needed", Because::rule("no dependency on a library that nothing uses")),
        Item::new("-Wl,--build-id=sha1", Because::rule("debug packages are found by it")),
    ]
}
