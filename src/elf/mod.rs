//! Facts of an ELF file: what the kernel and the loader will make of it, what its code does, how it was compiled.
//!
//! Pure. The only module that names goblin, gimli and iced-x86. Program headers and the dynamic table are the truth;
//! section headers are a second opinion, because a loader never looks at them. Every table is read on its own, so that
//! one bad table does not hide the others.

mod annobin;
mod code;
mod dwarf;
mod dynamic;
pub mod entries;
mod facts;
mod functions;
mod go;
mod image;
mod irelative;
pub mod layout;
mod machine;
mod mapping;
mod memory;
mod notes;
mod origin;
mod relocate;
pub mod relro;
mod sections;
mod symbols;

pub use code::{Code, Elsewhere, Function, Marks, ObjectSizes, Targets, UnprobedStep, code};
pub use dwarf::{Unit, supplement, units};
pub use dynamic::{Dynamic, Slot, asks_for_version};
pub use facts::{Depth, Facts, Kind, Malformed, Segment, SegmentKind, facts, facts_of};
pub use go::{GoCode, names_section as names_go_section};
pub use image::{Image, Parts, ReadAt};
pub use irelative::irelative_slots;
pub use machine::Machine;
pub use mapping::{Writable, offset_of, shared_page};
pub use notes::Properties;
pub use origin::{Origins, origins};
pub use relocate::calls;
pub use sections::{Section, Sections};
pub use symbols::{NamedFunction, Symbol};

/// True for anything that begins like an ELF file.
pub fn is_elf(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x7fELF")
}
