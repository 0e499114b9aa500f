//! The dynamic table: what the loader is told. Pure.

use goblin::container::{Container, Ctx};
use goblin::elf::dynamic::{self, Dyn};
use goblin::elf::reloc::{self, Reloc, RelocSection};
use goblin::elf::sym::Symtab;

use super::facts::{Segment, offset_of, slice};
use super::notes::word;
use super::symbols::{MOST_ENTRIES, Symbol, symbol, text_at};

const DT_CONFIG: u64 = 0x6fff_fefa;
const DT_DEPAUDIT: u64 = 0x6fff_fefb;
const DT_AUDIT: u64 = 0x6fff_fefc;
const DT_AUXILIARY: u64 = 0x7fff_fffd;
const DT_FILTER: u64 = 0x7fff_ffff;
const DT_RELRSZ: u64 = 35;
const DT_RELR: u64 = 36;
const DT_AARCH64_BTI_PLT: u64 = 0x7000_0001;
const DT_AARCH64_PAC_PLT: u64 = 0x7000_0003;

/// A word the loader fills with an address of another file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    pub address: u64,
    /// Index of the dynamic symbol.
    pub symbol: usize,
}

/// A table of relocations: address and size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelocationTable {
    pub address: u64,
    pub size: u64,
    pub with_addend: bool,
}

/// The dynamic table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dynamic<'a> {
    pub needed: Vec<String>,
    pub soname: Option<String>,
    pub rpath: Option<String>,
    pub runpath: Option<String>,
    /// `DT_BIND_NOW`, `DF_BIND_NOW` or `DF_1_NOW`.
    pub bind_now: bool,
    /// `DT_TEXTREL` or `DF_TEXTREL`.
    pub textrel: bool,
    pub flags_1: u64,
    /// `DT_JMPREL`: slots of the PLT.
    pub plt_slots: Vec<Slot>,
    /// `GLOB_DAT`: slots of the GOT.
    pub slots: Vec<Slot>,
    /// `DT_INIT_ARRAY`, `DT_FINI_ARRAY`, `DT_PREINIT_ARRAY`: address and size.
    pub arrays: Vec<(u64, u64)>,
    /// `DT_PREINIT_ARRAY` is there.
    pub preinit: bool,
    pub init: Option<u64>,
    pub fini: Option<u64>,
    pub got: Option<u64>,
    /// `DT_AUDIT`, `DT_DEPAUDIT`, `DT_FILTER`, `DT_AUXILIARY`, `DT_CONFIG`: tag and text.
    pub redirections: Vec<(&'static str, String)>,
    pub bti_plt: bool,
    pub pac_plt: bool,
    /// Relocations that are applied to data.
    pub tables: Vec<RelocationTable>,
    /// `DT_RELR`: address and size.
    pub relr: Option<(u64, u64)>,
    names: &'a [u8],
}

/// A relocation of data: where, and what the loader adds the load address to; `None` when a symbol is bound there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DataRelocation {
    pub address: u64,
    pub points_to: Option<u64>,
    /// Index of the dynamic symbol; 0 is none.
    pub symbol: usize,
}

pub(super) fn read_dynamic<'a>(
    bytes: &'a [u8],
    table: &[Dyn],
    segments: &[Segment],
    ctx: Ctx,
    symbols: &mut Vec<Symbol<'a>>,
    unreadable: &mut Vec<String>,
) -> Dynamic<'a> {
    let value = |tag: u64| table.iter().find(|entry| entry.d_tag == tag).map(|entry| entry.d_val);
    let offset = |tag: u64| value(tag).and_then(|address| offset_of(segments, address));
    let names = offset(dynamic::DT_STRTAB)
        .and_then(|start| {
            let size = value(dynamic::DT_STRSZ).unwrap_or(0);
            slice(bytes, start, size).or_else(|| bytes.get(usize::try_from(start).ok()?..))
        })
        .unwrap_or_default();
    let text = |index: u64| usize::try_from(index).map_or("", |index| text_at(names, index));
    let texts = |tag: u64| {
        table.iter().filter(move |entry| entry.d_tag == tag).map(|entry| text(entry.d_val))
    };
    let flags = value(dynamic::DT_FLAGS).unwrap_or(0);
    let flags_1 = value(dynamic::DT_FLAGS_1).unwrap_or(0);
    let mut out = Dynamic {
        needed: texts(dynamic::DT_NEEDED).map(str::to_owned).collect(),
        soname: value(dynamic::DT_SONAME).map(|index| text(index).to_owned()),
        rpath: value(dynamic::DT_RPATH).map(|index| text(index).to_owned()),
        runpath: value(dynamic::DT_RUNPATH).map(|index| text(index).to_owned()),
        bind_now: value(dynamic::DT_BIND_NOW).is_some()
            || flags & dynamic::DF_BIND_NOW != 0
            || flags_1 & dynamic::DF_1_NOW != 0,
        textrel: value(dynamic::DT_TEXTREL).is_some() || flags & dynamic::DF_TEXTREL != 0,
        flags_1,
        preinit: value(dynamic::DT_PREINIT_ARRAY).is_some(),
        init: value(dynamic::DT_INIT).filter(|address| *address != 0),
        fini: value(dynamic::DT_FINI).filter(|address| *address != 0),
        got: value(dynamic::DT_PLTGOT),
        bti_plt: value(DT_AARCH64_BTI_PLT).is_some(),
        pac_plt: value(DT_AARCH64_PAC_PLT).is_some(),
        relr: value(DT_RELR).zip(value(DT_RELRSZ)),
        names,
        ..Dynamic::default()
    };
    for (name, tag) in [
        ("DT_AUDIT", DT_AUDIT),
        ("DT_DEPAUDIT", DT_DEPAUDIT),
        ("DT_FILTER", DT_FILTER),
        ("DT_AUXILIARY", DT_AUXILIARY),
        ("DT_CONFIG", DT_CONFIG),
    ] {
        out.redirections.extend(texts(tag).map(|text| (name, text.to_owned())));
    }
    for (array, length) in [
        (dynamic::DT_INIT_ARRAY, dynamic::DT_INIT_ARRAYSZ),
        (dynamic::DT_FINI_ARRAY, dynamic::DT_FINI_ARRAYSZ),
        (dynamic::DT_PREINIT_ARRAY, dynamic::DT_PREINIT_ARRAYSZ),
    ] {
        if let (Some(address), Some(size)) = (value(array), value(length)) {
            out.arrays.push((address, size));
        }
    }
    relocations(bytes, &value, segments, ctx, &mut out);
    if let Some(start) = offset(dynamic::DT_SYMTAB).and_then(|start| usize::try_from(start).ok()) {
        let count = symbol_count(bytes, table, segments, ctx).min(MOST_ENTRIES);
        match Symtab::parse(bytes, start, count, ctx) {
            Ok(table) => symbols.extend(table.iter().map(|raw| symbol(&raw, names))),
            Err(error) => unreadable.push(format!("dynamic symbols: {error}")),
        }
    }
    out
}

/// Records the relocation tables, and reads those that bind symbols to slots.
fn relocations(
    bytes: &[u8],
    value: &dyn Fn(u64) -> Option<u64>,
    segments: &[Segment],
    ctx: Ctx,
    out: &mut Dynamic<'_>,
) {
    let with_addend = value(dynamic::DT_PLTREL).is_none_or(|kind| kind == dynamic::DT_RELA);
    if let (Some(address), Some(size)) = (value(dynamic::DT_JMPREL), value(dynamic::DT_PLTRELSZ)) {
        let table = RelocationTable { address, size, with_addend };
        out.plt_slots = entries(bytes, segments, table, ctx, 0).map(|entry| slot(&entry)).collect();
    }
    for (start, length, count, with_addend) in [
        (dynamic::DT_RELA, dynamic::DT_RELASZ, dynamic::DT_RELACOUNT, true),
        (dynamic::DT_REL, dynamic::DT_RELSZ, dynamic::DT_RELCOUNT, false),
    ] {
        let (Some(address), Some(size)) = (value(start), value(length)) else { continue };
        let table = RelocationTable { address, size, with_addend };
        // The linker sorts RELATIVE entries to the front and says how many; none of them binds a symbol.
        let skip = usize::try_from(value(count).unwrap_or(0)).unwrap_or(0);
        let found = entries(bytes, segments, table, ctx, skip)
            .filter(|entry| is_glob_dat(entry.r_type))
            .map(|entry| slot(&entry));
        out.slots.extend(found);
        out.tables.push(table);
    }
}

fn slot(entry: &Reloc) -> Slot {
    Slot { address: entry.r_offset, symbol: entry.r_sym }
}

fn is_glob_dat(kind: u32) -> bool {
    // R_X86_64_GLOB_DAT and R_386_GLOB_DAT are both 6.
    kind == reloc::R_X86_64_GLOB_DAT || kind == reloc::R_AARCH64_GLOB_DAT
}

fn entries(
    bytes: &[u8],
    segments: &[Segment],
    table: RelocationTable,
    ctx: Ctx,
    skip: usize,
) -> impl Iterator<Item = Reloc> {
    let parsed = offset_of(segments, table.address)
        .and_then(|offset| usize::try_from(offset).ok())
        .and_then(|offset| {
            let size = usize::try_from(table.size).unwrap_or(usize::MAX);
            let entry = Reloc::size(table.with_addend, ctx);
            let skipped = skip.saturating_mul(entry).min(size);
            let start = offset.saturating_add(skipped);
            let size = (size - skipped).min(bytes.len().saturating_sub(start));
            RelocSection::parse(bytes, start, size, table.with_addend, ctx).ok()
        });
    parsed.into_iter().flat_map(|section| section.iter().take(MOST_ENTRIES))
}

/// Number of dynamic symbols: from `DT_HASH`, else from `DT_GNU_HASH`, else the distance to the string table that
/// follows in GNU ld's layout.
fn symbol_count(bytes: &[u8], table: &[Dyn], segments: &[Segment], ctx: Ctx) -> usize {
    let value = |tag: u64| table.iter().find(|entry| entry.d_tag == tag).map(|entry| entry.d_val);
    let offset = |tag: u64| value(tag).and_then(|address| offset_of(segments, address));
    if let Some(chain) =
        offset(dynamic::DT_HASH).and_then(|offset| slice(bytes, offset.checked_add(4)?, 4))
    {
        return usize::try_from(word(chain, ctx)).unwrap_or(0);
    }
    let gnu = offset(dynamic::DT_GNU_HASH).and_then(|start| usize::try_from(start).ok());
    if let Some(count) = gnu.and_then(|start| gnu_hash_count(bytes.get(start..)?, ctx)) {
        return count;
    }
    let entry = if ctx.container == Container::Big { 24 } else { 16 };
    match (value(dynamic::DT_SYMTAB), value(dynamic::DT_STRTAB)) {
        (Some(symbols), Some(strings)) if strings > symbols => {
            usize::try_from((strings - symbols) / entry).unwrap_or(0)
        }
        _ => 0,
    }
}

/// Header: buckets, index of the first hashed symbol, words of the bloom filter, shift. The chain of the highest bucket
/// ends at the last symbol.
fn gnu_hash_count(hash: &[u8], ctx: Ctx) -> Option<usize> {
    let number = |at: usize| Some(word(hash.get(at..at.checked_add(4)?)?, ctx) as usize);
    let (buckets, first, bloom) = (number(0)?, number(4)?, number(8)?);
    let bloom_word = if ctx.container == Container::Big { 8 } else { 4 };
    let start = bloom.checked_mul(bloom_word)?.checked_add(16)?;
    let table = hash.get(start..start.checked_add(buckets.checked_mul(4)?)?)?;
    let highest = table.chunks_exact(4).map(|bucket| word(bucket, ctx) as usize).max().unwrap_or(0);
    if highest < first {
        // Nothing is hashed. lld counts the symbols all the same, GNU ld writes 1.
        return Some(first).filter(|first| *first > 1);
    }
    let chains = start + table.len();
    let mut index = highest;
    loop {
        let link = number(chains.checked_add((index - first).checked_mul(4)?)?)?;
        index += 1;
        if link & 1 == 1 {
            return Some(index);
        }
    }
}

/// Calls `visit` for every relocation of data whose result is an address of this file or of a symbol.
pub(super) fn data_relocations(
    bytes: &[u8],
    facts: &super::Facts<'_>,
    ctx: Ctx,
    visit: &mut dyn FnMut(DataRelocation),
) {
    let Some(dynamic) = &facts.dynamic else { return };
    let in_place = |address: u64| {
        let offset = offset_of(&facts.segments, address)?;
        if ctx.container == Container::Big {
            let low = word(slice(bytes, offset, 4)?, ctx);
            let high = word(slice(bytes, offset.checked_add(4)?, 4)?, ctx);
            let (low, high) = if facts.little_endian { (low, high) } else { (high, low) };
            Some(u64::from(low) | u64::from(high) << 32)
        } else {
            Some(u64::from(word(slice(bytes, offset, 4)?, ctx)))
        }
    };
    for table in &dynamic.tables {
        for entry in entries(bytes, &facts.segments, *table, ctx, 0) {
            let Some(kind) = meaning(facts.machine, entry.r_type) else { continue };
            let addend = match entry.r_addend {
                Some(addend) => addend.cast_unsigned(),
                None => in_place(entry.r_offset).unwrap_or(0),
            };
            let symbol = facts.symbols.get(entry.r_sym).filter(|_| entry.r_sym != 0);
            let points_to = match (kind, symbol) {
                (Meaning::Relative, _) => Some(addend),
                (Meaning::Absolute, Some(symbol)) if symbol.defined => {
                    Some(symbol.address.wrapping_add(addend))
                }
                (Meaning::Absolute, _) => None,
            };
            visit(DataRelocation { address: entry.r_offset, points_to, symbol: entry.r_sym });
        }
    }
    if let Some((address, size)) = dynamic.relr {
        let wide = ctx.container == Container::Big;
        relr(bytes, &facts.segments, (address, size), wide, &in_place, &mut |address| {
            let points_to = in_place(address);
            visit(DataRelocation { address, points_to, symbol: 0 });
        });
    }
}

enum Meaning {
    /// Load address plus addend.
    Relative,
    /// Symbol plus addend.
    Absolute,
}

fn meaning(machine: super::Machine, kind: u32) -> Option<Meaning> {
    use super::Machine;
    match (machine, kind) {
        (Machine::X86_64, reloc::R_X86_64_RELATIVE | reloc::R_X86_64_IRELATIVE)
        | (Machine::Aarch64, reloc::R_AARCH64_RELATIVE | reloc::R_AARCH64_IRELATIVE)
        | (Machine::X86, reloc::R_386_RELATIVE | 42) => Some(Meaning::Relative),
        (Machine::X86_64, reloc::R_X86_64_64)
        | (Machine::Aarch64, reloc::R_AARCH64_ABS64)
        | (Machine::X86, reloc::R_386_32) => Some(Meaning::Absolute),
        _ => None,
    }
}

/// `DT_RELR`: an even word is an address, an odd one a bit map of the words that follow the last address.
fn relr(
    bytes: &[u8],
    segments: &[Segment],
    (address, size): (u64, u64),
    wide: bool,
    in_place: &dyn Fn(u64) -> Option<u64>,
    visit: &mut dyn FnMut(u64),
) {
    let word_size: u64 = if wide { 8 } else { 4 };
    let inside = offset_of(segments, address)
        .map_or(0, |offset| (bytes.len() as u64).saturating_sub(offset).min(size) / word_size);
    let mut next = 0_u64;
    for index in 0..inside.min(MOST_ENTRIES as u64) {
        let Some(entry) = in_place(address.wrapping_add(index * word_size)) else { return };
        if entry & 1 == 0 {
            visit(entry);
            next = entry.wrapping_add(word_size);
        } else {
            for bit in 0..word_size * 8 - 1 {
                if entry >> (bit + 1) & 1 == 1 {
                    visit(next.wrapping_add(bit * word_size));
                }
            }
            next = next.wrapping_add((word_size * 8 - 1) * word_size);
        }
    }
}
