//! The plan of one profile in all its formats, as files below `tests/snapshots/plan`.

use std::path::Path;

use snapbox::Data;

use crate::mini::{self, Scanned};
use crate::plan::show;
use crate::wire;

/// Something of everything: every kind of backend, a choice, a quirk, a type's missing parent, an undecided object, a
/// flag the compiler lacks.
const FULL: &str = "summary = \"something of everything\"\n\
    [devices]\n\
    allow = [\"virtio-blk-pci\", \"virtio-net-pci\", \"nvdimm-stick\", \"vhost-user-fs-pci\", \"bochs-display\", \"igb\"]\n\
    [backends]\n\
    objects = [\"iothread\", \"memory-backend-epc\"]\n\
    netdevs = [\"tap\", \"user\"]\n\
    chardevs = [\"socket\", \"spicevmc\"]\n\
    displays = [\"vnc\"]\n\
    audio = [\"alsa\"]\n\
    [block]\n\
    read-write = [\"raw\"]\n\
    read-only = [\"http\"]\n\
    [features]\n\
    enable = [\"vhost-net\"]\n\
    [symbols]\n\
    enable = [\"SSI_M25P80\", \"KEYRING\"]\n\
    [package]\n\
    provides = [\"qemu-kvm\"]\n";

#[test]
fn the_plan_in_all_formats_is_what_it_was() {
    let scanned = Scanned::of(mini::tree());
    let (plan, findings) = scanned.plan_with(FULL, &mini::probes());
    let plan = plan.unwrap();
    let source = mini::profile(FULL).0.unwrap().source.value;
    let json = wire::text(&show::wire(&plan)).unwrap();
    let formats = [
        ("findings.txt", mini::told(&findings)),
        ("plan.txt", show::human(&plan)),
        // As text: a comparison of values would not see the order of keys.
        ("plan.json.txt", json),
        ("plan.sh", show::sh(&plan, &source, "/trees/mini", "/usr/bin/python3")),
    ];
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots/plan");
    for (name, text) in formats {
        let expected = Data::read_from(&directory.join(name), None);
        snapbox::assert_data_eq!(text, expected.raw());
    }
}
