//! Selections that Kconfig accepts and the linker does not.

use snapbox::{IntoData, str};

use super::{Plan, asked, check, check_on, items};
use crate::mini::{self, Scanned};
use crate::plan;

const IGB: &str = "[devices]\nallow = [\"igb\"]\n";

#[test]
fn a_remedy_is_a_warning_that_says_what_it_costs() {
    check(
        asked,
        IGB,
        str![[r#"
warning plan::quirk: E1000E_PCI_EXPRESS turned on: without that the link fails with hw/net/igb_core.c: undefined reference to `e1000x_timestamp'
  note quirk igb-without-e1000: the functions that Intel's network cards share are compiled for e1000 and e1000e, not for igb; E1000E_PCI_EXPRESS turned on (the e1000e card)
  help cheaper: a tree with 0002-hw-net-compile-e1000x_common-for-igb.patch (one source file, no type), as Quench makes it from `source = { apt = … }` or `{ url = … }`
E1000E_PCI_EXPRESS: quirk igb-without-e1000: the functions that Intel's network cards share are compiled for e1000 and e1000e, not for igb; E1000E_PCI_EXPRESS turned on (the e1000e card)
IGB_PCI_EXPRESS: asked at mini.toml:5:10 (devices.allow)
Q35: asked at q35.toml:9:13 (target.machines)

"#]],
    );
    check(
        asked,
        "[devices]\nallow = [\"ufs\"]\n",
        str![[r#"
warning plan::quirk: SCSI turned on: without that the link fails with hw/ufs/lu.c: undefined reference to `scsi_req_new'
  note quirk ufs-without-scsi: a UFS logical unit is a SCSI device, and UFS_PCI does not select SCSI; SCSI turned on (the SCSI disks and the generic SCSI device, which have no bus to sit on but the unit's own)
Q35: asked at q35.toml:9:13 (target.machines)
SCSI: quirk ufs-without-scsi: a UFS logical unit is a SCSI device, and UFS_PCI does not select SCSI; SCSI turned on (the SCSI disks and the generic SCSI device, which have no bus to sit on but the unit's own)
UFS_PCI: asked at mini.toml:5:10 (devices.allow)

"#]],
    );
}

#[test]
fn whoever_asks_for_the_remedy_meets_no_quirk() {
    check(
        asked,
        "[devices]\nallow = [\"igb\", \"e1000\"]\n",
        str![[r#"
E1000_PCI: asked at mini.toml:5:17 (devices.allow)
IGB_PCI_EXPRESS: asked at mini.toml:5:10 (devices.allow)
Q35: asked at q35.toml:9:13 (target.machines)

"#]],
    );
}

/// What our patch changes in the file that is the evidence.
const FIXED: (&str, &str, &str) =
    ("hw/net/meson.build", "'net_rx_pkt.c', 'igb.c'", "'net_rx_pkt.c', 'e1000x_common.c', 'igb.c'");

#[test]
fn a_tree_with_our_patch_needs_nothing_and_says_why() {
    let scanned = Scanned::of(mini::tree_with(&[FIXED]));
    let probes = crate::hardening::Probes::default();
    let profile = mini::profile(IGB).0.unwrap();
    let mut inputs = scanned.inputs(&profile, &probes);
    let patch = "0002-hw-net-compile-e1000x_common-for-igb.patch";
    inputs.source.patches = vec![(patch.to_owned(), "3d".repeat(32))];
    let (plan, findings) = plan::make(inputs);
    let plan = plan.unwrap();
    snapbox::assert_data_eq!(
        mini::told(&findings) + &asked(&plan) + &items(&plan.quirks),
        str![[r#"
IGB_PCI_EXPRESS: asked at mini.toml:5:10 (devices.allow)
Q35: asked at q35.toml:9:13 (target.machines)
igb-without-e1000: quirk igb-without-e1000: the functions that Intel's network cards share are compiled for e1000 and e1000e, not for igb; the tree is patched with 0002-hw-net-compile-e1000x_common-for-igb.patch (one source file, no type)

"#]].into_data().raw()
    );
}

#[test]
fn a_tree_that_somebody_else_fixed_is_left_alone() {
    let both = |plan: &Plan| asked(plan) + &items(&plan.quirks);
    check_on(
        &Scanned::of(mini::tree_with(&[FIXED])),
        both,
        IGB,
        str![[r#"
IGB_PCI_EXPRESS: asked at mini.toml:5:10 (devices.allow)
Q35: asked at q35.toml:9:13 (target.machines)

"#]],
    );
}

#[test]
fn a_quirk_is_one_of_its_series() {
    let old = Scanned::of(mini::tree_with(&[("VERSION", "10.0.2", "7.2.9")]));
    check_on(
        &old,
        asked,
        IGB,
        str![[r#"
warning plan::series: the profile was written for series 10.0, the tree is QEMU 7.2.9
  at q35.toml written for this
  help `quench diff-tree` shows what changed between two trees
IGB_PCI_EXPRESS: asked at mini.toml:5:10 (devices.allow)
Q35: asked at q35.toml:9:13 (target.machines)

"#]],
    );
}
