//! Which build options are on.

use snapbox::str;

use super::{check, check_on, features, items};
use crate::mini::{self, Scanned};

#[test]
fn accelerators_features_and_backends_turn_options_on() {
    let profile = "[target]\naccelerators = [\"tcg\"]\n[features]\nenable = [\"attr\"]\n\
                   [backends]\nnetdevs = [\"user\", \"vhost-user\", \"tap\"]\nchardevs = [\"spicevmc\", \"socket\"]\n\
                   displays = [\"vnc\"]\naudio = [\"alsa\"]\n[block]\nread-only = [\"http\"]\n";
    check(
        features,
        profile,
        str![[r#"
warning profile::tcg: TCG has no security support upstream
  at mini.toml for tests only
alsa: asked at mini.toml:12:10 (backends.audio)
attr: asked at mini.toml:7:11 (features.enable)
curl: asked at mini.toml:14:14 (block.read-only)
kvm: asked at q35.toml:10:17 (target.accelerators)
pixman: asked at mini.toml:11:13 (backends.displays)
slirp: asked at mini.toml:9:12 (backends.netdevs)
spice: asked at mini.toml:10:13 (backends.chardevs)
spice-protocol: asked at mini.toml:10:13 (backends.chardevs)
tcg: asked at mini.toml:5:17 (target.accelerators)
vhost-kernel: vhost-net has no backend without it (vhost-net)
vhost-net: asked at mini.toml:9:20 (backends.netdevs)
vhost-user: asked at mini.toml:9:20 (backends.netdevs)
vnc: asked at mini.toml:11:13 (backends.displays)

"#]],
    );
}

/// `vnc` is a display and `http` a block driver: other lists do not take the names.
#[test]
fn a_backend_has_its_name_in_the_list_of_its_kind() {
    check(
        features,
        "[backends]\nnetdevs = [\"vnc\"]\nchardevs = [\"http\"]\n",
        str![[r#"
error profile::unknown-backend: unknown netdev `vnc`
  at mini.toml no such netdev in QEMU 10.0.2
error profile::unknown-backend: unknown character device `http`
  at mini.toml no such character device in QEMU 10.0.2
no plan

"#]],
    );
    check(
        features,
        "[block]\nread-write = [\"http\"]\n",
        str![[r#"
curl: asked at mini.toml:5:15 (block.read-write)
kvm: asked at q35.toml:10:17 (target.accelerators)

"#]],
    );
}

#[test]
fn the_first_reason_of_an_option_stays() {
    let profile = "[features]\nenable = [\"vhost-user\"]\n[backends]\nnetdevs = [\"vhost-user\"]\n\
                   [devices]\nallow = [\"vhost-user-fs-pci\"]\n";
    check(
        features,
        profile,
        str![[r#"
kvm: asked at q35.toml:10:17 (target.accelerators)
vhost-kernel: vhost-net has no backend without it (vhost-net)
vhost-net: asked at mini.toml:7:12 (backends.netdevs)
vhost-user: asked at mini.toml:5:11 (features.enable)

"#]],
    );
}

#[test]
fn options_that_others_need_come_with_them() {
    check(
        features,
        "[features]\nenable = [\"vnc-sasl\", \"vhost-net\", \"virtfs\"]\n",
        str![[r#"
attr: virtio-9p stores ownership in extended attributes (virtfs)
kvm: asked at q35.toml:10:17 (target.accelerators)
vhost-kernel: vhost-net has no backend without it (vhost-net)
vhost-net: asked at mini.toml:5:23 (features.enable)
virtfs: asked at mini.toml:5:36 (features.enable)
vnc: a part of the VNC server (vnc-sasl)
vnc-sasl: asked at mini.toml:5:11 (features.enable)

"#]],
    );
}

/// 7.2 builds the 9p proxy with virtfs, which wants libcap-ng; its `meson.build` says so.
#[test]
fn what_an_option_needs_depends_on_the_words_of_the_tree() {
    let proxy = ("meson.build", "", "error('virtfs requires libcap-ng-devel')\n");
    let scanned = Scanned::of(mini::tree_with(&[proxy]));
    check_on(
        &scanned,
        features,
        "[features]\nenable = [\"virtfs\"]\n",
        str![[r#"
attr: virtio-9p stores ownership in extended attributes (virtfs)
cap-ng: virtio-9p of this series builds its proxy, too (virtfs)
kvm: asked at q35.toml:10:17 (target.accelerators)
virtfs: asked at mini.toml:5:11 (features.enable)

"#]],
    );
}

#[test]
fn a_target_that_needs_libfdt_gets_it() {
    check(
        features,
        "# virt\n",
        str![[r#"
fdt: the target file says TARGET_NEED_FDT=y
kvm: asked at virt.toml:9:17 (target.accelerators)

"#]],
    );
}

#[test]
fn options_of_every_build_are_those_the_tree_has() {
    let all = |plan: &crate::plan::Plan| items(&plan.features);
    check(
        all,
        "",
        str![[r#"
coroutine-pool: QEMU's own default; without it every request allocates a stack
debug-info: symbols for the debug package; the shipped binary is stripped
kvm: asked at q35.toml:10:17 (target.accelerators)
pie: position independence is part of every hardening level
seccomp: `-sandbox on` needs it, and --without-default-features drops it silently
stack-protector: --without-default-features drops it silently

"#]],
    );
    let scanned = Scanned::of(mini::tree_with(&[
        ("scripts/meson-buildoptions.sh", "--enable-seccomp)", "--enable-sandbox)"),
        ("scripts/meson-buildoptions.sh", "--disable-seccomp)", "--disable-sandbox)"),
    ]));
    check_on(
        &scanned,
        all,
        "",
        str![[r#"
coroutine-pool: QEMU's own default; without it every request allocates a stack
debug-info: symbols for the debug package; the shipped binary is stripped
kvm: asked at q35.toml:10:17 (target.accelerators)
pie: position independence is part of every hardening level
stack-protector: --without-default-features drops it silently

"#]],
    );
}
