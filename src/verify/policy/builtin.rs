//! The shipped policies, part of the program, so that an installed binary has them. Pure data.

/// (name, text) of the policies in `policies/`.
pub const POLICIES: &[(&str, &str)] = &[
    ("alpine", include_str!("../../../policies/alpine.toml")),
    ("android", include_str!("../../../policies/android.toml")),
    ("arch", include_str!("../../../policies/arch.toml")),
    ("common", include_str!("../../../policies/common.toml")),
    ("debian-12", include_str!("../../../policies/debian-12.toml")),
    ("debian-13", include_str!("../../../policies/debian-13.toml")),
    ("distribution", include_str!("../../../policies/distribution.toml")),
    ("fedora", include_str!("../../../policies/fedora.toml")),
    ("go", include_str!("../../../policies/go.toml")),
    ("kernel-modules", include_str!("../../../policies/kernel-modules.toml")),
    ("nixos", include_str!("../../../policies/nixos.toml")),
    ("openssf", include_str!("../../../policies/openssf.toml")),
    ("opensuse", include_str!("../../../policies/opensuse.toml")),
    ("quench-baseline", include_str!("../../../policies/quench-baseline.toml")),
    ("quench-cfi", include_str!("../../../policies/quench-cfi.toml")),
    ("quench-openstack", include_str!("../../../policies/quench-openstack.toml")),
    ("quench-strict", include_str!("../../../policies/quench-strict.toml")),
    ("rust", include_str!("../../../policies/rust.toml")),
];
