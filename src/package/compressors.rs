//! How the archives are packed. Every setting decides bytes, so all of them are inputs of the package step. No I/O.

/// `dpkg-deb` for the package itself.
pub(super) const DEB: &str = "-Zxz -z6";
/// `dpkg-deb` for the debug package: its sections are compressed, a second time costs more than all the rest and saves
/// nothing.
pub(super) const DEB_DEBUG: &str = "-Zgzip -z1";
/// rpm's `_binary_payload`. Most of it is debug sections, compressed before, and sources. Level 19 takes twenty times as
/// long to save a tenth.
pub(super) const RPM: &str = "w9.zstdio";
/// objcopy's `--compress-debug-sections` for `-debuginfo`.
pub(super) const SECTIONS: &str = "zlib";
/// Threads change what compressors write.
pub(super) const THREADS: &str = "1";

/// All of them, as the package step keeps them.
pub fn text() -> String {
    [
        ("deb", DEB),
        ("dbgsym", DEB_DEBUG),
        ("rpm", RPM),
        ("sections", SECTIONS),
        ("threads", THREADS),
    ]
    .map(|(name, value)| format!("{name}: {value}"))
    .join(", ")
}
