//! Profiles and patches that are part of the program, so that an installed binary has them.
//!
//! Pure data.

/// (name, text) of the profiles in `profiles/`.
pub const PROFILES: &[(&str, &str)] = &[
    ("base-x86", include_str!("../profiles/base-x86.toml")),
    ("cloud-virtio", include_str!("../profiles/cloud-virtio.toml")),
    ("cloud-virtio-tcg", include_str!("../profiles/cloud-virtio-tcg.toml")),
    ("kata", include_str!("../profiles/kata.toml")),
    ("legacy-openstack", include_str!("../profiles/legacy-openstack.toml")),
    ("microvm", include_str!("../profiles/microvm.toml")),
];

/// `patches/quirks.toml`: selections that resolve and do not link.
pub const QUIRKS: &str = include_str!("../patches/quirks.toml");

/// The text of a file in `patches/`, with its name.
macro_rules! patch {
    ($series:literal, $name:literal) => {
        ($name, include_str!(concat!("../patches/", $series, "/", $name)))
    };
}

/// (series, patches in order) of `patches/SERIES/series`.
const PATCHES: &[(&str, &[(&str, &str)])] = &[
    ("7.2", &[patch!("7.2", "0001-hw-acpi-let-the-real-pc_madt_cpu_entry-win.patch")]),
    ("10.0", &[patch!("10.0", "0002-hw-net-compile-e1000x_common-for-igb.patch")]),
    (
        "10.2",
        &[
            patch!("10.2", "0001-hw-cxl-stub-cxl_fmws_get_all_sorted.patch"),
            patch!("10.2", "0002-hw-net-compile-e1000x_common-for-igb.patch"),
        ],
    ),
];

/// Our patches for a series: (name, text).
pub fn patches(series: &str) -> Vec<(String, Vec<u8>)> {
    PATCHES
        .iter()
        .filter(|(name, _)| *name == series)
        .flat_map(|(_, patches)| patches.iter())
        .map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()))
        .collect()
}
