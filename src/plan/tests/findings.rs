//! Findings of plans, and that none of the codes is one that nothing reports.

use std::collections::BTreeSet;

use snapbox::{IntoData, str};

use super::{asked, check, check_on};
use crate::finding::Finding;
use crate::mini::{self, Scanned};

/// A profile that cannot be planned; findings only.
fn none(_: &crate::plan::Plan) -> String {
    "a plan\n".to_owned()
}

#[test]
fn names_the_tree_does_not_have_get_a_suggestion() {
    let profile = "[target]\nmachines = [\"q53\"]\n[devices]\nallow = [\"virtio-blk\", \"virtio-nett-pci\", \"xyz\", \"mch\"]\n\
                   [backends]\nobjects = [\"iothreat\"]\n";
    check(
        none,
        profile,
        str![[r#"
error profile::unknown-device: unknown device `virtio-blk`
  at mini.toml no such device in QEMU 10.0.2
  help did you mean `virtio-blk-pci`?
error profile::unknown-device: unknown device `virtio-nett-pci`
  at mini.toml no such device in QEMU 10.0.2
  help did you mean `virtio-net-pci`?
error profile::unknown-device: unknown device `xyz`
  at mini.toml no such device in QEMU 10.0.2
error profile::unknown-device: device `mch` exists, but a user cannot create it
  at mini.toml no such device in QEMU 10.0.2
error profile::unknown-machine: unknown machine `q53`
  at mini.toml no such machine in QEMU 10.0.2
error profile::unknown-object: unknown object `iothreat`
  at mini.toml no such object in QEMU 10.0.2
  help did you mean `iothread`?
no plan

"#]],
    );
}

#[test]
fn a_feature_the_tree_does_not_have_gets_a_suggestion() {
    check(
        none,
        "[features]\nenable = [\"vhost-nett\", \"zzz\"]\n",
        str![[r#"
error plan::unknown-feature: configure of this tree has no feature `vhost-nett`
  at mini.toml asked here
  help did you mean `vhost-net`?
error plan::unknown-feature: configure of this tree has no feature `zzz`
  at mini.toml asked here
no plan

"#]],
    );
    // A word with a value only cannot be turned on.
    check(
        none,
        "[features]\nenable = [\"firmwarepath\"]\n",
        str![[r#"
error plan::unknown-feature: configure of this tree has no feature `firmwarepath`
  at mini.toml asked here
no plan

"#]],
    );
}

#[test]
fn habits_of_other_programs_get_a_suggestion_that_is_accepted() {
    let profile = "[devices]\nallow = [\"VIRTIO-NET-PCI\", \"-device virtio-blk-pci,drive=a\", \"CONFIG_VIRTIO_BLK\", \
                   \"virtio\"]\n[features]\nenable = [\"--enable-vhost-net\", \"enable_vhost_net\", \"net\"]\n";
    check(
        none,
        profile,
        str![[r#"
error profile::unknown-device: unknown device `VIRTIO-NET-PCI`
  at mini.toml no such device in QEMU 10.0.2
  help did you mean `virtio-net-pci`?
error profile::unknown-device: unknown device `-device virtio-blk-pci,drive=a`
  at mini.toml no such device in QEMU 10.0.2
  help did you mean `virtio-blk-pci`?
error profile::unknown-device: unknown device `CONFIG_VIRTIO_BLK`
  at mini.toml no such device in QEMU 10.0.2
  help a Kconfig symbol goes into [symbols] enable = ["VIRTIO_BLK"]; here stand names as `-device help` prints them
error profile::unknown-device: unknown device `virtio`
  at mini.toml no such device in QEMU 10.0.2
  help names that begin so: `virtio-blk-pci`, `virtio-mem-pci`, `virtio-net-pci`, `virtio-blk-device`, `virtio-blk-pci-non-transitional`, `virtio-blk-pci-transitional`, `virtio-mem`, `virtio-net-device`, `virtio-net-pci-non-transitional`, `virtio-net-pci-transitional`
error plan::unknown-feature: configure of this tree has no feature `--enable-vhost-net`
  at mini.toml asked here
  help did you mean `vhost-net`?
error plan::unknown-feature: configure of this tree has no feature `enable_vhost_net`
  at mini.toml asked here
error plan::unknown-feature: configure of this tree has no feature `net`
  at mini.toml asked here
  help did you mean `vhost-net`?
no plan

"#]],
    );
}

#[test]
fn backends_the_tree_does_not_have_are_errors() {
    let profile = "[backends]\nnetdevs = [\"tapp\", \"slirp\", \"user\", \"a b\"]\nchardevs = [\"unix\"]\n\
                   displays = [\"spice\", \"vnc\"]\naudio = [\"alsaa\"]\n[block]\nread-write = [\"rawe\", \"raw\"]\n\
                   read-only = [\"httpx\"]\n";
    check(
        none,
        profile,
        str![[r#"
error profile::unknown-backend: unknown netdev `tapp`
  at mini.toml no such netdev in QEMU 10.0.2
  help did you mean `tap`?
error profile::unknown-backend: unknown netdev `slirp`
  at mini.toml no such netdev in QEMU 10.0.2
  help did you mean `user`?
error profile::unknown-backend: unknown netdev `a b`
  at mini.toml no such netdev in QEMU 10.0.2
error profile::unknown-backend: unknown character device `unix`
  at mini.toml no such character device in QEMU 10.0.2
  help did you mean `socket`?
error profile::unknown-backend: unknown display `spice`
  at mini.toml no such display in QEMU 10.0.2
  help SPICE is a server: [features] enable = ["spice"]
error profile::unknown-backend: unknown audio driver `alsaa`
  at mini.toml no such audio driver in QEMU 10.0.2
  help did you mean `alsa`?
error profile::unknown-backend: unknown block driver `rawe`
  at mini.toml no such block driver in QEMU 10.0.2
  help did you mean `raw`?
error profile::unknown-backend: unknown block driver `httpx`
  at mini.toml no such block driver in QEMU 10.0.2
  help did you mean `http`?
no plan

"#]],
    );
}

#[test]
fn restrictions_without_effect_are_errors() {
    let unknown = "[devices]\ndeny = [\"virtio-nett-pci\"]\n[backends]\ndeny = [\"tapp\", \"vnc\"]\n[block]\ndeny = [\"rawe\"]\n\
                   [features]\ndisable = [\"zzz\"]\n";
    check(
        none,
        unknown,
        str![[r#"
error profile::unknown-device: unknown device `virtio-nett-pci`
  at mini.toml no such device in QEMU 10.0.2
  help did you mean `virtio-net-pci`?
error profile::unknown-backend: unknown netdev `tapp`
  at mini.toml no such netdev in QEMU 10.0.2
  help did you mean `tap`?
error profile::unknown-backend: unknown block driver `rawe`
  at mini.toml no such block driver in QEMU 10.0.2
  help did you mean `raw`?
error plan::unknown-feature: configure of this tree has no feature `zzz`
  at mini.toml asked here
no plan

"#]],
    );
    let kept = "[devices]\ndeny = [\"i8042\", \"mch\", \"virtio-net-pci\"]\n[features]\ndisable = [\"kvm\", \"alsa\"]\n";
    check(
        none,
        kept,
        str![[r#"
error plan::denied: `kvm` is disabled and stays on
  at mini.toml disabled here
  note on: asked at q35.toml:10:17 (target.accelerators)
error plan::denied: device `i8042` is denied and is in all the same
  at mini.toml denied here
  note i8042 is in: device, forced (hw/input/pckbd.c:4)
  CONFIG_PCKBD: selected by PC at hw/i386/Kconfig:5
    CONFIG_PC: selected by PC_PCI at hw/i386/Kconfig:9
      CONFIG_PC_PCI: selected by Q35 at hw/i386/Kconfig:22
        CONFIG_Q35: asked at q35.toml:9:13 (target.machines)
error plan::denied: device `mch` is denied and is in all the same
  at mini.toml denied here
  note mch is in: device, forced, hidden from -device help (hw/i386/pc_q35.c:4)
  CONFIG_Q35: asked at q35.toml:9:13 (target.machines)
no plan

"#]],
    );
}

#[test]
fn a_tree_without_the_target_is_an_error() {
    let mut tree = mini::tree();
    let left = tree.iter().filter(|(path, _)| !path.contains("aarch64-softmmu"));
    tree = left.map(|(path, bytes)| (path.to_owned(), bytes.to_vec())).collect();
    check_on(
        &Scanned::of(tree),
        none,
        "# virt\n",
        str![[r#"
error plan::no-target: no target `aarch64-softmmu` in this tree
no plan

"#]],
    );
}

#[test]
fn a_tree_of_another_series_is_a_warning() {
    for (version, expected) in [
        (
            "10.2.1",
            str![[r#"
warning plan::series: the profile was written for series 10.0, the tree is QEMU 10.2.1
  at q35.toml written for this
  help `quench diff-tree` shows what changed between two trees
a plan

"#]],
        ),
        // `10.0` is no beginning of `10.01`.
        (
            "10.01",
            str![[r#"
warning plan::series: the profile was written for series 10.0, the tree is QEMU 10.01
  at q35.toml written for this
  help `quench diff-tree` shows what changed between two trees
a plan

"#]],
        ),
        (
            "10.0",
            str![[r#"
a plan

"#]],
        ),
    ] {
        let scanned = Scanned::of(mini::tree_with(&[("VERSION", "10.0.2", version)]));
        check_on(&scanned, none, "", expected);
    }
}

/// The catalog finds the device, no symbol is needed for it, and what is on takes it out.
#[test]
fn a_device_that_would_not_be_in_is_an_error() {
    let files = [
        ("hw/meson.build", "", "system_ss.add(when: 'CONFIG_PCI', if_false: files('nopci.c'))\n"),
        (
            "hw/nopci.c",
            "",
            "static const TypeInfo t = { .name = \"nopci\", .parent = TYPE_DEVICE };\n",
        ),
    ];
    let scanned = Scanned::of(mini::tree_with(&files));
    check_on(
        &scanned,
        none,
        "[devices]\nallow = [\"nopci\"]\n",
        str![[r#"
error plan::not-in: `nopci` would not be in the binary
  at mini.toml asked here
no plan

"#]],
    );
    check_on(
        &scanned,
        asked,
        "# microvm\n[devices]\nallow = [\"nopci\"]\n",
        str![[r#"
MICROVM: asked at microvm.toml:8:13 (target.machines)

"#]],
    );
}

#[test]
fn what_cannot_be_decided_is_a_note() {
    check(
        none,
        "[symbols]\nenable = [\"KEYRING\"]\n",
        str![[r#"
note plan::undecided: `secret_keyring`: cannot decide KEYRING && unknown(the host has libkeyutils)
a plan

"#]],
    );
}

#[test]
fn a_budget_is_exceeded_by_what_nobody_asked_for() {
    let budget = |number: u32| format!("[budget]\nunrequested-devices = {number}\n");
    check(
        none,
        &budget(1),
        str![[r#"
error plan::budget: 2 unrequested devices, the budget is 1
  at mini.toml the budget
  note i8042, loader
  help raise the budget at mini.toml:5:23 or drop what brings them
no plan

"#]],
    );
    check(
        none,
        &budget(2),
        str![[r#"
a plan

"#]],
    );
}

#[test]
fn a_symbol_whose_dependency_is_not_met_says_what_would_meet_it() {
    // A board that selects it.
    check(
        none,
        "# microvm\n[devices]\nallow = [\"virtio-mem-pci\"]\n",
        str![[r#"
error kconfig::contradiction: contradiction between clauses when setting VIRTIO_PCI
  at mini.toml:6 CONFIG_VIRTIO_PCI=y
  at hw/virtio/Kconfig:7 config VIRTIO_PCI depends on PCI
  help VIRTIO_PCI needs a board that selects PCI: Q35; the profile has MICROVM
no plan

"#]],
    );
    check(
        none,
        "# microvm\n[symbols]\nenable = [\"VIRTIO_MEM\"]\n",
        str![[r#"
error kconfig::contradiction: contradiction between clauses when setting VIRTIO_MEM
  at mini.toml:6 CONFIG_VIRTIO_MEM=y
  at hw/virtio/Kconfig:31 config VIRTIO_MEM depends on VIRTIO_MEM_SUPPORTED
  help VIRTIO_MEM needs a board that selects VIRTIO_MEM_SUPPORTED: Q35; the profile has MICROVM
no plan

"#]],
    );
    // Another symbol that does.
    check(
        none,
        "[symbols]\nenable = [\"VIRTIO_BLK\"]\n",
        str![[r#"
error kconfig::contradiction: contradiction between clauses when setting VIRTIO_BLK
  at mini.toml:5 CONFIG_VIRTIO_BLK=y
  at hw/virtio/Kconfig:17 config VIRTIO_BLK depends on VIRTIO
  help VIRTIO_BLK needs VIRTIO, which is selected by VIRTIO_MMIO, VIRTIO_PCI
no plan

"#]],
    );
    // Nothing.
    check(
        none,
        "[devices]\nallow = [\"virtio-blk-pci\"]\n[symbols]\nenable = [\"VIRTIO_NEVER\"]\n",
        str![[r#"
error kconfig::contradiction: contradiction between clauses when setting VIRTIO_NEVER
  at mini.toml:7 CONFIG_VIRTIO_NEVER=y
  at hw/virtio/Kconfig:41 config VIRTIO_NEVER depends on (VIRTIO && VIRTIO_UNHEARD_OF)
  help VIRTIO_NEVER needs VIRTIO_UNHEARD_OF, which nothing selects: turn it on, or drop VIRTIO_NEVER
no plan

"#]],
    );
    // Its opposite.
    let not = (
        "hw/core/Kconfig",
        "config SCSI\n    bool\n",
        "config SCSI\n    bool\n    depends on !PCI\n",
    );
    check_on(
        &Scanned::of(mini::tree_with(&[not])),
        none,
        "[symbols]\nenable = [\"SCSI\"]\n",
        str![[r#"
error kconfig::contradiction: contradiction between clauses when setting SCSI
  at mini.toml:5 CONFIG_SCSI=y
  at hw/core/Kconfig:35 config SCSI depends on !PCI
no plan

"#]],
    );
}

#[test]
fn symbols_that_no_file_declares_get_a_suggestion() {
    check(
        none,
        "[symbols]\nenable = [\"VIRTIO_BLKK\", \"ZZZ\"]\n",
        str![[r#"
error kconfig::undefined: no `config VIRTIO_BLKK` in this tree
  at mini.toml:5 used here
  help did you mean `VIRTIO_BLK`?
error kconfig::undefined: no `config ZZZ` in this tree
  at mini.toml:5 used here
no plan

"#]],
    );
    // One that meson passes has no line of a profile.
    let gone = ("target/Kconfig", "config TARGET_BIG_ENDIAN\n    bool\n", "");
    check_on(
        &Scanned::of(mini::tree_with(&[gone])),
        none,
        "",
        str![[r#"
error kconfig::undefined: no `config TARGET_BIG_ENDIAN` in this tree
  note meson passes it for a build option or the target
no plan

"#]],
    );
}

#[test]
fn a_symbol_that_depends_on_itself_is_a_cycle() {
    let cycle = "config CHICKEN\n    bool\n    depends on !EGG\n\nconfig EGG\n    bool\n    depends on !CHICKEN\n";
    let scanned = Scanned::of(mini::tree_with(&[("hw/core/Kconfig", "", cycle)]));
    check_on(
        &scanned,
        none,
        "",
        str![[r#"
error kconfig::cycle: cycle found including EGG
no plan

"#]],
    );
}

#[test]
fn flags_that_the_compiler_lacks_or_the_tree_undoes_are_left_out() {
    let scanned = Scanned::of(mini::tree());
    let (_, findings) = scanned.plan_with("[hardening]\nlevel = \"openstack\"\n", &mini::probes());
    snapbox::assert_data_eq!(mini::told(&findings), str![[r#"
note hardening::contradiction: `-ftrapv` is left out: QEMU's own build sets -fwrapv: QEMU's code relies on signed overflow that wraps

"#]].into_data().raw());
    let (_, findings) = scanned.plan_with("", &mini::probes());
    snapbox::assert_data_eq!(mini::told(&findings), str![[r#"
warning hardening::missing-flag: `-fzero-init-padding-bits=all`, asked for by hardening level `strict`, is missing: gcc (Mini) 14.2.0 does not have it (since GCC 15)
  help a compiler that has it: GCC 15

"#]].into_data().raw());
}

/// Texts of profiles with one fault each, or several.
const FAULTY: &[&str] = &[
    "schema = 1\nname = \n",
    "schema = 2\n",
    "schema = 1\nname = \"x\"\n[qemu]\nseries = \"10.0\"\n",
    "[target]\ncolour = \"red\"\n[features]\nenable = \"vnc\"\n[hardening]\nlevel = \"hard\"\n",
    "[devices]\nallow = [\"igb\", \"igb\", \"ufs\"]\ndeny = [\"ufs\"]\n",
    "schema = 1\nname = \"x\"\nextends = [\"nobody\"]\n",
    "[devices]\nallow = [\"vfio-pci\"]\n",
    "[target]\naccelerators = [\"tcg\"]\n[hardening]\nlevel = \"cfi\"\n",
];

#[test]
fn faults_of_a_profiles_text_are_told() {
    let told = FAULTY.iter().map(|text| mini::told(&mini::profile(text).1) + "\n");
    let told: String = told.collect();
    snapbox::assert_data_eq!(
        told,
        str![[r#"
error profile::syntax: string values must be quoted, expected literal string
  at mini.toml

error profile::schema: the profile has schema 2, this Quench reads schema 1
  at mini.toml
  help use a newer Quench

error profile::missing: no `qemu.source` in the profile or its parents
  at mini.toml
error profile::missing: no `target.arch` in the profile or its parents
  at mini.toml
error profile::missing: no `target.machines` in the profile or its parents
  at mini.toml
error profile::missing: no `target.accelerators` in the profile or its parents
  at mini.toml

error profile::unknown-key: unknown key `target.colour`
  at mini.toml no such key
  help known here: arch, machines, accelerators
error profile::wrong-type: `features.enable` takes a list of strings
  at mini.toml a list of strings
error profile::bad-value: `hard` is no value of `hardening.level`
  at mini.toml
  help one of openstack, baseline, strict, cfi

error profile::duplicate: `igb` stands twice in `devices.allow`
  at mini.toml again
  at mini.toml first
  help remove one
error profile::contradiction: `ufs` is both in `allow` and in `deny`
  at mini.toml denied here
  at mini.toml allowed here
  help keep one of the two

error profile::extends: no profile named `nobody`
  at mini.toml
  help a path that ends in .toml, or a name

error profile::passthrough: `vfio-pci` passes a host device through
  at mini.toml needs an acknowledgement
  help add [passthrough] acknowledge = "why this profile needs it"

warning profile::tcg: TCG has no security support upstream
  at mini.toml for tests only
error profile::contradiction: hardening level `cfi` excludes TCG
  at mini.toml generated code breaks CFI
error profile::contradiction: hardening level `cfi` needs clang
  help set hardening.compiler = "clang"


"#]]
        .into_data()
        .raw()
    );
}

/// Findings of all cases that this file knows, by code.
fn reported() -> BTreeSet<&'static str> {
    let mut findings: Vec<Finding> = FAULTY.iter().flat_map(|text| mini::profile(text).1).collect();
    let mut on = |changes: &[(&str, &str, &str)], profile: &str| {
        findings
            .extend(Scanned::of(mini::tree_with(changes)).plan_with(profile, &mini::probes()).1);
    };
    on(
        &[],
        "[target]\nmachines = [\"q53\"]\n[devices]\nallow = [\"xyz\"]\n[backends]\nobjects = [\"xyz\"]\n",
    );
    on(&[], "[features]\nenable = [\"zzz\"]\n");
    on(&[], "[backends]\nnetdevs = [\"zzz\"]\n");
    on(&[], "[devices]\ndeny = [\"i8042\"]\n");
    on(&[("VERSION", "10.0.2", "10.2.0")], "[budget]\nunrequested-devices = 0\n");
    on(
        &[],
        "[devices]\nallow = [\"igb\"]\n[symbols]\nenable = [\"KEYRING\"]\n[hardening]\nlevel = \"openstack\"\n",
    );
    on(&[], "");
    on(&[], "# microvm\n[symbols]\nenable = [\"VIRTIO_MEM\"]\n");
    on(&[], "[symbols]\nenable = [\"ZZZ\"]\n");
    on(
        &[(
            "hw/core/Kconfig",
            "",
            "config E\n    bool\n    depends on !F\nconfig F\n    bool\n    depends on !E\n",
        )],
        "",
    );
    on(
        &[
            (
                "hw/meson.build",
                "",
                "system_ss.add(when: 'CONFIG_PCI', if_false: files('nopci.c'))\n",
            ),
            (
                "hw/nopci.c",
                "",
                "static const TypeInfo t = { .name = \"nopci\", .parent = TYPE_DEVICE };\n",
            ),
        ],
        "[devices]\nallow = [\"nopci\"]\n",
    );
    for text in ["config\n", "source nowhere\n"] {
        let tree = mini::tree_with(&[("Kconfig", "", text)]);
        findings.extend(crate::kconfig::parse(&tree, "Kconfig").1);
    }
    let without: crate::tree::Tree = mini::tree()
        .iter()
        .filter(|(path, _)| !path.contains("aarch64-softmmu"))
        .map(|(path, bytes)| (path.to_owned(), bytes.to_vec()))
        .collect();
    findings.extend(Scanned::of(without).plan("# virt\n").1);
    let (profile, probes) = (mini::profile("").0.unwrap(), mini::probes());
    let scanned = Scanned::of(mini::tree());
    let log = "undefined reference to `scsi_req_new'";
    findings.extend(crate::plan::link::explain_failure(&scanned.inputs(&profile, &probes), log));
    findings.iter().map(|finding| finding.code.name).collect()
}

#[test]
fn every_code_of_profiles_and_plans_is_one_that_a_case_reports() {
    let lists =
        [crate::profile::CODES, crate::kconfig::CODES, crate::hardening::CODES, crate::plan::CODES];
    let known: BTreeSet<&str> = lists.concat().iter().map(|code| code.name).collect();
    assert_eq!(reported(), known);
}
