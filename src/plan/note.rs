//! The package note of the emulator, `.note.package`: a core dump names package, version and source. Pure.
//!
//! Source: UAPI group, specification 8, "package metadata for executable files". The same file is in the `.deb` and in the
//! `.rpm`, so `type` names neither. GNU ld 2.39 and later write the note (`--package-metadata`, only behind `-Xlinker`:
//! the commas of JSON break `-Wl,`); a section added by objcopy would be in no segment and in no core dump.

use serde_json::json;

use super::{Because, Item, SourceFacts};
use crate::hardening::{Flag, Probes, Proof, Stage};
use crate::profile::Profile;

/// The text given to the linker to see whether it writes package notes.
pub const PROBE: Flag = Flag {
    text: "-Xlinker --package-metadata={}",
    stage: Stage::Link,
    why: "a core dump names the package it came from",
    source: "UAPI.8",
    since: "binutils 2.39, lld 15",
    proof: &[Proof::None("the note itself is read back")],
};

/// The linker flag that writes the package note, where the linker has it.
pub(super) fn flag(profile: &Profile, source: &SourceFacts, probes: &Probes) -> Option<Item> {
    if probes.accepted.get(PROBE.text) != Some(&true) {
        return None;
    }
    // Nothing of the profile's text: a comment or a packaging revision must not change a byte of the emulator.
    let note = json!({
        "type": "quench",
        "name": profile.package.name.value,
        "version": upstream(&source.version),
        "architecture": profile.arch.value.qemu(),
        "source": source.digest.get(..32).unwrap_or(&source.digest),
    })
    .to_string();
    // QEMU's configure splits flags at blanks and puts them between single quotes.
    if note
        .contains(|c: char| c.is_whitespace() || matches!(c, '\'' | '*' | '?' | '[' | '\\' | '$'))
    {
        return None;
    }
    Some(Item::new(format!("-Xlinker --package-metadata={note}"), Because::rule(PROBE.why)))
}

/// The note a plan puts into the emulator.
pub fn planned(plan: &super::Plan) -> Option<serde_json::Value> {
    let start = PROBE.text.trim_end_matches("{}");
    let flag = plan.ldflags.iter().find_map(|flag| flag.text.strip_prefix(start))?;
    serde_json::from_str(flag).ok()
}

/// A version without the distribution's epoch and suffix.
fn upstream(version: &str) -> &str {
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    let end = version.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(version.len());
    &version[..end]
}
