//! From a function the linker misses to what would define it.

use snapbox::{IntoData, str};

use crate::mini::{self, Scanned};
use crate::plan::link::{definitions, explain_failure, remedies};

fn check(scanned: &Scanned, profile: &str, name: &str, expected: impl IntoData) {
    let profile = mini::profile(profile).0.unwrap();
    let probes = crate::hardening::Probes::default();
    let inputs = scanned.inputs(&profile, &probes);
    let mut out = String::new();
    for definition in definitions(&scanned.tree, &scanned.catalog, name) {
        let (file, line) = (&definition.file, definition.line);
        out.push_str(&format!("{file}:{line} when {}\n", definition.condition));
    }
    out.extend(remedies(&inputs, name).iter().map(|remedy| format!("{remedy}\n")));
    snapbox::assert_data_eq!(out, expected.into_data().raw());
}

#[test]
fn a_function_has_its_file_its_condition_and_the_symbols_that_compile_it() {
    let scanned = Scanned::of(mini::tree());
    check(
        &scanned,
        "",
        "scsi_req_new",
        str![[r#"
hw/scsi/scsi-bus.c:15 when SCSI
SCSI: compiles hw/scsi/scsi-bus.c:15 and brings 1 devices: scsi-generic

"#]],
    );
    check(
        &scanned,
        "",
        "e1000x_timestamp",
        str![[r#"
hw/net/e1000x_common.c:4 when (E1000_PCI || E1000E_PCI_EXPRESS)
E1000E_PCI_EXPRESS: compiles hw/net/e1000x_common.c:4 and brings 1 devices: e1000e
E1000_PCI: compiles hw/net/e1000x_common.c:4 and brings 2 devices: e1000, e1000-82544gc

"#]],
    );
}

#[test]
fn a_function_that_is_compiled_already_needs_no_remedy() {
    let scanned = Scanned::of(mini::tree());
    check(
        &scanned,
        "[symbols]\nenable = [\"SCSI\"]\n",
        "scsi_req_new",
        str![[r#"
hw/scsi/scsi-bus.c:15 when SCSI

"#]],
    );
}

#[test]
fn what_is_no_name_of_a_function_is_nowhere() {
    let scanned = Scanned::of(mini::tree());
    for name in ["", "scsi req", "ufs_new_request", "scsi_req"] {
        check(&scanned, "", name, str![]);
    }
}

/// `XEN_BUS depends on XEN`, which only a build option turns on; `VHOST_USER_FS depends on VIRTIO`.
#[test]
fn a_remedy_has_what_its_symbols_depend_on() {
    let code = "int guest_memory_add(void)\n{\n    return 0;\n}\n";
    let add = "system_ss.add(when: 'CONFIG_VIRTIO_NET', if_true: files('guest.c'))\n";
    let tree = mini::tree_with(&[("hw/meson.build", "", add), ("hw/guest.c", "", code)]);
    check(
        &Scanned::of(tree),
        "",
        "guest_memory_add",
        str![[r#"
hw/guest.c:1 when VIRTIO_NET
VIRTIO, VIRTIO_NET: compiles hw/guest.c:1 and brings 1 devices: virtio-net-device

"#]],
    );
}

#[test]
fn a_failed_link_is_explained_once_for_each_function() {
    let scanned = Scanned::of(mini::tree());
    let profile = mini::profile("").0.unwrap();
    let probes = crate::hardening::Probes::default();
    let log = "ld: hw/ufs/lu.c:6: undefined reference to `scsi_req_new'\n\
               ld: hw/ufs/lu.c:9: undefined reference to `scsi_req_new'\n\
               ld: x.o: undefined reference to `keyctl_read'\n";
    let findings = explain_failure(&scanned.inputs(&profile, &probes), log);
    snapbox::assert_data_eq!(mini::told(&findings), str![[r#"
error plan::link: nothing that is compiled defines `keyctl_read`
  help no symbol compiles a definition: a library or a patch is missing
error plan::link: nothing that is compiled defines `scsi_req_new`
  at hw/scsi/scsi-bus.c:15 compiled when SCSI
  help smallest remedy: symbols.enable = ["SCSI"]: SCSI: compiles hw/scsi/scsi-bus.c:15 and brings 1 devices: scsi-generic

"#]].into_data().raw());
}
