//! The emulator's package note against the planned one. Pure.

use crate::elf::layout;
use crate::finding::{Code, Finding};
use crate::plan::{Plan, note};

pub(super) static NOTE: Code = Code {
    name: "evidence::package-note",
    summary: "the emulator's package note is not the planned one",
    explain: "The linker writes `.note.package` from the plan's flags; it is read back from the staged file, so that a core \
              dump names what the record names.",
};

/// The package note read back must be the one the plan asked for.
pub fn package_note(plan: &Plan, emulator: &[u8]) -> Vec<Finding> {
    let Some(wanted) = note::planned(plan) else { return Vec::new() };
    match layout::package_note(emulator) {
        Some(is) if is == wanted => Vec::new(),
        Some(is) => {
            vec![Finding::error(&NOTE, format!("the package note is {is}, planned was {wanted}"))]
        }
        None => vec![Finding::error(&NOTE, "the emulator has no package note")],
    }
}
