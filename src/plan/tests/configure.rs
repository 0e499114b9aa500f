//! The arguments of `configure`.

use snapbox::str;

use super::{check, check_on, items};
use crate::mini::{self, Scanned};
use crate::plan::Plan;

/// Arguments that are no `--disable-NAME` because nobody asked.
fn arguments(plan: &Plan) -> String {
    items(plan.configure.iter().filter(|item| item.because.to_string() != "not asked for"))
}

/// The arguments whose text has one of the words, with no reason.
fn those(words: &'static [&'static str]) -> impl Fn(&Plan) -> String {
    move |plan| {
        let wanted = |text: &&str| words.iter().any(|word| text.contains(word));
        let texts = plan.configure.iter().map(|item| item.text.as_str());
        let texts: Vec<&str> = texts.filter(wanted).collect();
        if texts.is_empty() { String::new() } else { texts.join("\n") + "\n" }
    }
}

#[test]
fn every_argument_has_its_reason() {
    check(
        arguments,
        "",
        str![[r#"
--target-list=x86_64-softmmu: asked at q35.toml:8:8 (target.arch)
--without-default-features: nothing is on unless it is asked for
--without-default-devices: Kconfig ignores `default` and `imply`
--with-devices-x86_64=quench-75cd6d658434e361: the device file of this plan
--python=$PYTHON: a meson new enough for this tree
--cc=gcc: default of hardening.compiler: gcc
--prefix=/usr/lib/qemu-mini: default of package.prefix: /usr/lib/PACKAGE
--with-pkgversion=quench mini: fixed, so that no git state or time enters the binary
--disable-download: a build takes nothing from the network
--firmwarepath=/usr/lib/qemu-mini/share/qemu:/usr/share/qemu:/usr/share/seabios:/usr/lib/ipxe/qemu:/usr/share/seavgabios:/usr/share/ipxe/qemu: the package's own firmware first, then where the distributions' firmware packages put theirs
--audio-drv-list=: audio drivers of the profile, none by default
--block-drv-rw-whitelist=file,host_device: no format asked for
--enable-coroutine-pool: QEMU's own default; without it every request allocates a stack
--enable-debug-info: symbols for the debug package; the shipped binary is stripped
--enable-kvm: asked at q35.toml:10:17 (target.accelerators)
--enable-pie: position independence is part of every hardening level
--enable-seccomp: `-sandbox on` needs it, and --without-default-features drops it silently
--enable-stack-protector: --without-default-features drops it silently

"#]],
    );
}

#[test]
fn every_switch_of_the_tree_is_stated_once() {
    let scanned = Scanned::of(mini::tree());
    let (plan, _) = scanned.plan("[features]\nenable = [\"vnc\"]\n");
    let plan = plan.unwrap();
    let options = crate::plan::Options::of(&scanned.tree);
    assert!(options.switches().count() > 20);
    for name in options.switches().filter(|name| *name != "download") {
        let words = [format!("--enable-{name}"), format!("--disable-{name}")];
        let stated = plan.configure.iter().filter(|item| words.contains(&item.text));
        assert_eq!(stated.count(), 1, "{name}");
    }
}

#[test]
fn the_block_allowlists_have_the_protocols_below_every_format() {
    let words: &[&str] = &["block-drv"];
    check(
        those(words),
        "",
        str![[r#"
--block-drv-rw-whitelist=file,host_device

"#]],
    );
    check(
        those(words),
        "[block]\nread-write = [\"raw\", \"file\"]\n",
        str![[r#"
--block-drv-rw-whitelist=raw,file,host_device

"#]],
    );
    check(
        those(words),
        "[block]\nread-write = [\"raw\"]\nread-only = [\"http\"]\n",
        str![[r#"
--block-drv-rw-whitelist=raw,file,host_device
--block-drv-ro-whitelist=http

"#]],
    );
}

#[test]
fn audio_drivers_are_those_of_the_profile() {
    check(
        those(&["audio-drv", "alsa"]),
        "[backends]\naudio = [\"alsa\"]\n",
        str![[r#"
--audio-drv-list=alsa
--enable-alsa

"#]],
    );
}

#[test]
fn what_hardening_states_is_not_stated_again() {
    let profile = "[hardening]\nlevel = \"cfi\"\ncompiler = \"clang\"\n";
    check(
        those(&["cfi", "pie", "--cc", "stack-protector"]),
        profile,
        str![[r#"
--cc=clang
--enable-cfi
--enable-pie
--enable-stack-protector

"#]],
    );
}

/// Before 8.1 configure took the meson of the tree with `--meson`, and git's submodules were all there was to fetch.
#[test]
fn older_trees_are_spoken_to_in_their_words() {
    let old = [
        ("configure", "--python=*) python=", "--meson=*) meson="),
        ("configure", "--enable-download)", "--with-git-submodules=*)"),
        ("configure", "--disable-download)", "--with-coroutine=*)"),
        ("scripts/meson-buildoptions.sh", "--firmwarepath=*)", "--localedir=*)"),
    ];
    let scanned = Scanned::of(mini::tree_with(&old));
    let words: &[&str] = &["meson", "python", "git", "download", "firmware"];
    check_on(
        &scanned,
        those(words),
        "",
        str![[r#"
--meson=$MESON
--with-git-submodules=ignore

"#]],
    );
    check(
        those(words),
        "",
        str![[r#"
--python=$PYTHON
--disable-download
--firmwarepath=/usr/lib/qemu-mini/share/qemu:/usr/share/qemu:/usr/share/seabios:/usr/lib/ipxe/qemu:/usr/share/seavgabios:/usr/share/ipxe/qemu

"#]],
    );
}

#[test]
fn a_tree_that_fetches_nothing_is_told_nothing() {
    let none = [
        ("configure", "--enable-download)", "--enable-nothing)"),
        ("configure", "--disable-download)", "--disable-nothing)"),
    ];
    let scanned = Scanned::of(mini::tree_with(&none));
    check_on(&scanned, those(&["git", "download"]), "", str![]);
}

#[test]
fn package_and_target_are_in_the_words() {
    let profile = "# virt\n[package]\nprefix = \"/opt/qemu\"\n";
    check(
        those(&["prefix", "target-list", "with-devices", "firmwarepath"]),
        profile,
        str![[r#"
--target-list=aarch64-softmmu
--with-devices-aarch64=quench-0c2bf9f9abaa01af
--prefix=/opt/qemu
--firmwarepath=/opt/qemu/share/qemu:/usr/share/qemu:/usr/share/seabios:/usr/lib/ipxe/qemu:/usr/share/seavgabios:/usr/share/ipxe/qemu

"#]],
    );
}
