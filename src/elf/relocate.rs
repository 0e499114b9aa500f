//! Debug sections of an object as a linker would leave them: relocations filled in, code at its place in the file. Pure.

use std::borrow::Cow;

use goblin::container::{Container, Ctx, Endian};
use goblin::elf::reloc::{self, RelocSection};
use goblin::elf::section_header::{SHT_REL, SHT_RELA, SHT_SYMTAB};
use goblin::elf::sym::Symtab;

use super::symbols::MOST_ENTRIES;
use super::{Machine, Sections};

/// A debug section of an object. Addresses of code become file offsets, as everywhere with objects.
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
    let mut out = bytes;
    for table in tables {
        let Some(raw) = sections.bytes_of(table) else { continue };
        let with_addend = table.kind == SHT_RELA;
        let Ok(parsed) = RelocSection::parse(raw, 0, raw.len(), with_addend, ctx) else { continue };
        for relocation in parsed.iter().take(MOST_ENTRIES) {
            let Some(width) = width(machine, relocation.r_type) else { continue };
            let symbol = symbols.as_ref().and_then(|symbols| symbols.get(relocation.r_sym));
            let Some(symbol) = symbol else { continue };
            let place = sections.list.get(symbol.st_shndx).filter(|section| section.allocated());
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
