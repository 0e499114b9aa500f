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

/// (series, patches in order) of `patches/SERIES/series`.
const PATCHES: &[(&str, &[(&str, &str)])] = &[(
    "10.2",
    &[(
        "0001-hw-cxl-stub-cxl_fmws_get_all_sorted.patch",
        include_str!("../patches/10.2/0001-hw-cxl-stub-cxl_fmws_get_all_sorted.patch"),
    )],
)];

/// Our patches for a series: (name, text).
pub fn patches(series: &str) -> Vec<(String, Vec<u8>)> {
    PATCHES
        .iter()
        .filter(|(name, _)| *name == series)
        .flat_map(|(_, patches)| patches.iter())
        .map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()))
        .collect()
}
