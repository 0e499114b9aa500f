//! Backends of C files: netdevs, displays, audio drivers and block drivers, which are tables and structs of their own
//! and no QOM types. (Character devices are QOM types; `catalog` derives their names.)
//!
//! Pure. Sources of the rules: `show_netdevs` in `net/net.c`, `qemu_display_help` in `ui/console.c`, `audio_help` in
//! `audio/audio.c`, `bdrv_iterate_format` in `block.c`: what the command line's `help` lists.

use super::Kind;
use super::condition::Condition;
use super::macros::matching;
use super::qom::{Fields, Scan};

/// A backend (netdev, display, audio or block driver) as a source file registers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Backend {
    pub kind: Kind,
    pub name: String,
    pub condition: Condition,
    pub file: String,
    pub line: u32,
}

/// Words that make a file worth reading for backends.
pub(super) const MARKS: [&[u8]; 4] =
    [b"BlockDriver ", b"QemuDisplay ", b"audio_driver ", b"available_netdevs["];

/// How kinds of backends are registered: name of the `struct`, field with the backend's name,
/// registering call, kind.
const STRUCTS: [(&str, &str, &str, Kind); 3] = [
    ("BlockDriver ", "format_name", "bdrv_register(&", Kind::Block),
    ("QemuDisplay ", "type", "qemu_display_register(&", Kind::Display),
    ("audio_driver ", "name", "audio_driver_register(&", Kind::Audio),
];

/// Reads all backends that a source file registers.
pub(super) fn backends(scan: &Scan<'_>) -> Vec<Backend> {
    let mut out = netdevs(scan);
    for (word, field, call, kind) in STRUCTS {
        for at in memchr::memmem::find_iter(scan.text.as_bytes(), word.as_bytes()) {
            out.extend(registered(scan, at, word, field, call, kind));
        }
    }
    out
}

/// Reads one `struct` with an initialiser, when the file registers it.
fn registered(
    scan: &Scan<'_>,
    at: usize,
    word: &str,
    field: &str,
    call: &str,
    kind: Kind,
) -> Option<Backend> {
    let rest = scan.text.get(at + word.len()..)?;
    let (head, _) = rest.split_once('=')?;
    let variable = head.trim();
    if variable.is_empty() || !variable.chars().all(|c| c.is_alphanumeric() || c == '_') {
        return None;
    }
    let body = rest[head.len() + 1..].trim_start();
    let end = body.starts_with('{').then(|| matching(body)).flatten()?;
    let value = Fields { body: &body[1..end] }.get(field)?;
    let name = match kind {
        // `DISPLAY_TYPE_EGL_HEADLESS`: the QAPI enumeration writes it `egl-headless` (qapi/ui.json).
        Kind::Display => value.strip_prefix("DISPLAY_TYPE_")?.to_lowercase().replace('_', "-"),
        _ => scan.string(value)?,
    };
    // `none` is not a driver but its absence.
    if name == "none" {
        return None;
    }
    let registration = scan.text.find(&format!("{call}{variable})"))?;
    Some(Backend {
        kind,
        name,
        condition: scan.condition(at).and(scan.condition(registration)),
        file: scan.path.to_owned(),
        line: scan.line(at),
    })
}

/// Reads the strings of `available_netdevs[]`, each under its preprocessor condition.
fn netdevs(scan: &Scan<'_>) -> Vec<Backend> {
    let Some(start) = scan.text.find("available_netdevs[") else { return Vec::new() };
    let Some(open) = scan.text[start..].find('{').map(|n| start + n) else { return Vec::new() };
    let Some(end) = scan.text[open..].find('}').map(|n| open + n) else { return Vec::new() };
    let mut out = Vec::new();
    let mut offset = open + 1;
    for line in scan.text[open + 1..end].split_inclusive('\n') {
        if let Some(name) = line.split('"').nth(1) {
            out.push(Backend {
                kind: Kind::Netdev,
                name: name.to_owned(),
                condition: scan.condition(offset),
                file: scan.path.to_owned(),
                line: scan.line(offset),
            });
        }
        offset += line.len();
    }
    out
}
