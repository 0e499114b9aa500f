//! Relocations of objects: debug sections as a linker would leave them, with code at its place in the file, who is called,
//! and where a variable is read. Pure.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use goblin::container::{Container, Ctx, Endian};
use goblin::elf::reloc::{self, RelocSection};
use goblin::elf::section_header::{SHT_REL, SHT_RELA, SHT_SYMTAB};
use goblin::elf::sym::Symtab;

use super::symbols::{MAX_ENTRIES, SectionNumbers, text_at};
use super::{Facts, Machine, Sections};

/// Reads a debug section of an object with its relocations applied. Addresses of code become file
/// offsets, as everywhere with objects.
pub(super) fn relocated<'a>(
    sections: &Sections<'a>,
    machine: Machine,
    name: &str,
    ctx: Ctx,
) -> Option<Cow<'a, [u8]>> {
    let bytes = sections.unpacked(name, ctx)?;
    let index = sections.list.iter().position(|section| section.name == name)?;
    let tables = sections.list.iter().filter(|section| {
        matches!(section.kind, SHT_RELA | SHT_REL)
            && usize::try_from(section.info).is_ok_and(|info| info == index)
    });
    let symbols = sections.list.iter().find(|section| section.kind == SHT_SYMTAB);
    let symbols = symbols.and_then(|table| sections.bytes_of(table)).unwrap_or_default();
    let entry = if ctx.container == Container::Big { 24 } else { 16 };
    let symbols = Symtab::parse(symbols, 0, symbols.len() / entry, ctx).ok();
    let numbers = SectionNumbers::of(sections, ctx);
    let mut out = bytes;
    for table in tables {
        let Some(raw) = sections.bytes_of(table) else { continue };
        let with_addend = table.kind == SHT_RELA;
        let Ok(parsed) = RelocSection::parse(raw, 0, raw.len(), with_addend, ctx) else { continue };
        for relocation in parsed.iter().take(MAX_ENTRIES) {
            let Some(width) = width(machine, relocation.r_type) else { continue };
            let symbol = symbols.as_ref().and_then(|symbols| symbols.get(relocation.r_sym));
            let Some(symbol) = symbol else { continue };
            let place = numbers.section(sections, relocation.r_sym, &symbol);
            let place = place.filter(|section| section.allocated());
            let base = place.map_or(0, |section| section.offset);
            let addend = relocation.r_addend.unwrap_or(0).cast_unsigned();
            let value = base.wrapping_add(symbol.st_value).wrapping_add(addend);
            let at = usize::try_from(relocation.r_offset).unwrap_or(usize::MAX);
            let end = at.saturating_add(width);
            if let Some(place) = out.to_mut().get_mut(at..end) {
                match ctx.le {
                    Endian::Little => place.copy_from_slice(&value.to_le_bytes()[..width]),
                    Endian::Big => place.copy_from_slice(&value.to_be_bytes()[8 - width..]),
                }
            }
        }
    }
    Some(out)
}

/// Names of undefined functions that the code of an object calls; one whose address is only taken
/// is not among them.
pub fn calls<'a>(facts: &Facts<'a>) -> BTreeSet<&'a str> {
    let mut out = BTreeSet::new();
    of_code(facts, &mut |Named { kind, name, defined, .. }| {
        let call = !defined
            && matches!(
                (facts.machine, kind),
                (Machine::X86_64, reloc::R_X86_64_PLT32)
                    | (Machine::Aarch64, reloc::R_AARCH64_CALL26 | reloc::R_AARCH64_JUMP26)
            );
        if call {
            out.insert(name);
        }
    });
    out
}

/// What an AArch64 instruction of an object gets of a variable: its address, or its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// Its address: from the GOT, or added up.
    Pointer,
    /// What it holds.
    Value,
}

/// Finds AArch64 instructions of an object that get a variable's address or value, by their place
/// in the file. The instruction that gets the page before is none. Source: ELF for the Arm 64-bit
/// Architecture, static relocations.
pub(super) fn uses_of(facts: &Facts<'_>, variable: &str) -> BTreeMap<u64, Use> {
    let mut out = BTreeMap::new();
    of_code(facts, &mut |Named { place, kind, name, .. }| {
        let what = match kind {
            reloc::R_AARCH64_LD64_GOT_LO12_NC
            | reloc::R_AARCH64_LD64_GOTPAGE_LO15
            | reloc::R_AARCH64_ADD_ABS_LO12_NC => Use::Pointer,
            reloc::R_AARCH64_LDST64_ABS_LO12_NC => Use::Value,
            _ => return,
        };
        if name == variable {
            out.insert(place, what);
        }
    });
    out
}

/// Visits the places in the file where the code of an object names a symbol.
pub(super) fn places_of(
    facts: &Facts<'_>,
    wanted: &dyn Fn(&str) -> bool,
    visit: &mut dyn FnMut(u64),
) {
    of_code(facts, &mut |Named { place, name, .. }| {
        if wanted(name) {
            visit(place);
        }
    });
}

/// A relocation of code that names a symbol.
struct Named<'a> {
    /// Its place in the file.
    place: u64,
    kind: u32,
    name: &'a str,
    /// In this object.
    defined: bool,
}

fn of_code<'a>(facts: &Facts<'a>, visit: &mut dyn FnMut(Named<'a>)) {
    let list = &facts.sections.list;
    let ctx = Ctx::new(
        if facts.is_64 { Container::Big } else { Container::Little },
        if facts.little_endian { Endian::Little } else { Endian::Big },
    );
    let Some(table) = list.iter().find(|section| section.kind == SHT_SYMTAB) else { return };
    let names = usize::try_from(table.link).ok().and_then(|index| list.get(index));
    let names = names.and_then(|names| facts.sections.bytes_of(names)).unwrap_or_default();
    let symbols = facts.sections.bytes_of(table).unwrap_or_default();
    let entry = if ctx.container == Container::Big { 24 } else { 16 };
    let Ok(symbols) = Symtab::parse(symbols, 0, symbols.len() / entry, ctx) else { return };
    for section in list.iter().filter(|section| section.kind == SHT_RELA) {
        let patched = usize::try_from(section.info).ok().and_then(|index| list.get(index));
        let Some(patched) = patched.filter(|patched| patched.executable()) else { continue };
        let raw = facts.sections.bytes_of(section).unwrap_or_default();
        let Ok(parsed) = RelocSection::parse(raw, 0, raw.len(), true, ctx) else { continue };
        for relocation in parsed.iter().take(MAX_ENTRIES) {
            let Some(symbol) = symbols.get(relocation.r_sym) else { continue };
            let place = patched.offset.wrapping_add(relocation.r_offset);
            let name = text_at(names, symbol.st_name);
            let defined = symbol.st_shndx != 0;
            visit(Named { place, kind: relocation.r_type, name, defined });
        }
    }
}

/// How many bytes an absolute relocation fills.
fn width(machine: Machine, kind: u32) -> Option<usize> {
    match (machine, kind) {
        (Machine::X86_64, reloc::R_X86_64_64) | (Machine::Aarch64, reloc::R_AARCH64_ABS64) => {
            Some(8)
        }
        (Machine::X86_64, reloc::R_X86_64_32 | reloc::R_X86_64_32S)
        | (Machine::Aarch64, reloc::R_AARCH64_ABS32) => Some(4),
        _ => None,
    }
}
