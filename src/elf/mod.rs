//! Facts of an ELF file: what the kernel and the loader will make of it.
//!
//! Pure. The only module that names goblin. Program headers and the dynamic table are the truth; section headers are
//! read for names only, because a loader never looks at them. Every table is read on its own, so that one bad table
//! does not hide the others.

mod facts;

pub use facts::{Dynamic, Facts, Kind, Malformed, Segment, SegmentKind, Symbol, facts};

use crate::finding::Code;

/// Finding codes of this module.
pub const CODES: &[&Code] = &[];

/// True for anything that begins like an ELF file.
pub fn is_elf(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x7fELF")
}
