//! Every key of a profile, table by table. The reader refuses all others, and `profiles/README.md` documents these; a test
//! holds it against this list.
//!
//! Pure data.

/// The keys of each table, by its dotted name; the table without a name is the profile itself.
pub const KEYS: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "schema",
            "name",
            "summary",
            "extends",
            "qemu",
            "target",
            "devices",
            "backends",
            "block",
            "features",
            "hardening",
            "budget",
            "package",
            "symbols",
            "passthrough",
        ],
    ),
    ("qemu", &["series", "source"]),
    ("qemu.source", &["apt", "suite", "path", "url", "sha256", "signature", "keys"]),
    ("target", &["arch", "machines", "accelerators"]),
    ("devices", &["allow", "deny"]),
    ("backends", &["objects", "netdevs", "chardevs", "displays", "audio", "deny"]),
    ("block", &["read-write", "read-only", "deny"]),
    ("features", &["enable", "disable"]),
    ("symbols", &["enable"]),
    ("hardening", &["level", "compiler"]),
    ("budget", &["unrequested-devices", "stripped-bytes"]),
    (
        "package",
        &[
            "formats",
            "name",
            "prefix",
            "maintainer",
            "revision",
            "rpm-target",
            "provides",
            "alternatives",
        ],
    ),
    ("passthrough", &["acknowledge"]),
];

/// The keys of a table; none of one that does not exist.
pub(super) fn of(table: &str) -> &'static [&'static str] {
    KEYS.iter().find(|(name, _)| *name == table).map_or(&[], |(_, keys)| *keys)
}
