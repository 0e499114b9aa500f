//! The dynamic table: what the loader is told. Pure.

use std::borrow::Cow;

use goblin::container::{Container, Ctx};
use goblin::elf::dynamic::{self, Dyn};
use goblin::elf::reloc::{Reloc, RelocSection};
use goblin::elf::sym::Symtab;

use super::facts::{Depth, Facts, Segment};
use super::image::Image;
use super::machine::{Machine, Relocations};
use super::mapping::{AddressMap, offset_of};
use super::notes::word;
use super::sections::Sections;
use super::symbols::{LONGEST, MAX_ENTRIES, Symbol, symbol, text_at};

/// The largest number of symbol versions that are read of one file; chromium asks for 60.
const MAX_VERSIONS: usize = 4096;
const DT_CONFIG: u64 = 0x6fff_fefa;
const DT_DEPAUDIT: u64 = 0x6fff_fefb;
const DT_AUDIT: u64 = 0x6fff_fefc;
const DT_AUXILIARY: u64 = 0x7fff_fffd;
const DT_FILTER: u64 = 0x7fff_ffff;
const DT_RELRSZ: u64 = 35;
const DT_RELR: u64 = 36;
const DT_AARCH64_BTI_PLT: u64 = 0x7000_0001;
const DT_AARCH64_PAC_PLT: u64 = 0x7000_0003;
// The MIPS psABI: entries of the GOT that get an address of this file, dynamic symbols, and the first of these that has an
// entry behind them.
const DT_MIPS_LOCAL_GOTNO: u64 = 0x7000_000a;
const DT_MIPS_SYMTABNO: u64 = 0x7000_0011;
const DT_MIPS_GOTSYM: u64 = 0x7000_0013;

/// A word the loader fills with an address of another file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    pub address: u64,
    /// Index of the dynamic symbol.
    pub symbol: usize,
}

/// Place and form of a relocation table: address and size in bytes, with or without addends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelocationTable {
    pub address: u64,
    pub size: u64,
    pub with_addend: bool,
}

/// What the dynamic table says: libraries, flags, search paths, and the slots the loader fills in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dynamic {
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
    /// Slots of the GOT, by the relocations of the machine; on MIPS, whose GOT has none, by its tags.
    pub slots: Vec<Slot>,
    /// Words that get a symbol's address and are data or slots of the GOT: no section tells, and on this machine the
    /// relocation of both is the same.
    pub unclear_slots: Vec<u64>,
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
    /// `DT_VERNEED` and `DT_STRTAB`: where the versions stand that symbols are asked for in.
    version_needs: Option<(u64, u64)>,
}

/// A relocation of data: its place, and the address that the loader adds the load address to;
/// `None` when a symbol is bound there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DataRelocation {
    pub address: u64,
    pub points_to: Option<u64>,
    /// Index of the dynamic symbol; 0 is none.
    pub symbol: usize,
}

/// The file a dynamic table is of.
#[derive(Clone, Copy)]
pub(super) struct File<'f, 'a> {
    pub(super) image: Image<'a>,
    pub(super) segments: &'f [Segment],
    pub(super) sections: &'f Sections<'a>,
    pub(super) machine: Machine,
    pub(super) ctx: Ctx,
}

pub(super) fn read_dynamic<'a>(
    file: File<'_, 'a>,
    depth: Depth,
    table: &[Dyn],
    symbols: &mut Vec<Symbol<'a>>,
    unreadable: &mut Vec<String>,
) -> Dynamic {
    let File { image, segments, ctx, .. } = file;
    let value = |tag: u64| last(table, tag);
    let offset = |tag: u64| value(tag).and_then(|address| offset_of(segments, address));
    let names = Names {
        image,
        start: offset(dynamic::DT_STRTAB),
        size: value(dynamic::DT_STRSZ).unwrap_or(0),
    };
    let text = |index: u64| names.text(index);
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
        version_needs: value(dynamic::DT_VERNEED).zip(value(dynamic::DT_STRTAB)),
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
    relocations(file, &value, &mut out);
    if file.machine == Machine::Mips {
        out.slots = mips_slots(ctx, &value).unwrap_or_default();
    }
    if depth == Depth::Headers {
        return out;
    }
    if let Some(start) = offset(dynamic::DT_SYMTAB) {
        let count = symbol_count(image, table, segments, ctx).min(MAX_ENTRIES);
        let entry = if ctx.container == Container::Big { 24 } else { 16 };
        let bytes = image.up_to(start, entry * count as u64).unwrap_or_default();
        let names = names.all();
        match Symtab::parse(bytes, 0, count, ctx) {
            // An empty table begins nowhere.
            _ if count == 0 => {}
            Ok(table) => symbols.extend(table.iter().map(|raw| symbol(&raw, names))),
            Err(error) => unreadable.push(format!("dynamic symbols: {error}")),
        }
    }
    out
}

/// Tells whether the file asks for a symbol version that `wanted` accepts. The table is read at
/// each call, since few rules ask.
pub fn asks_for_version(facts: &Facts<'_>, wanted: &dyn Fn(&str) -> bool) -> bool {
    let Some(needs) = facts.dynamic.as_ref().and_then(|dynamic| dynamic.version_needs) else {
        return false;
    };
    let (Some(file), Some(strings)) =
        (offset_of(&facts.segments, needs.0), offset_of(&facts.segments, needs.1))
    else {
        return false;
    };
    let strings = Names { image: facts.image, start: Some(strings), size: 0 };
    let number = |at: u64| {
        let bytes: [u8; 4] = facts.image.slice(at, 4)?.try_into().ok()?;
        let little = facts.little_endian;
        Some(if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    };
    // Elf_Verneed: version, count, file, first, next; Elf_Vernaux: hash, flags, other, name, next.
    let chain = |start: u64| {
        let next = |at: &u64| {
            let next = number(at.saturating_add(12)).filter(|next| *next != 0)?;
            Some(at.saturating_add(next.into()))
        };
        std::iter::successors(Some(start), next).take(MAX_VERSIONS)
    };
    let versions = chain(file).filter_map(|file| {
        number(file.saturating_add(8)).map(|first| chain(file.saturating_add(first.into())))
    });
    let names =
        versions.flatten().take(MAX_VERSIONS).filter_map(|one| number(one.saturating_add(8)));
    names.into_iter().any(|name| wanted(strings.text(name.into())))
}

/// The string table of the dynamic symbols. The few strings of the dynamic table itself are read one by one.
struct Names<'a> {
    image: Image<'a>,
    start: Option<u64>,
    size: u64,
}

impl<'a> Names<'a> {
    fn text(&self, index: u64) -> &'a str {
        // A table without a size, or with a wrong one, goes on to the end of the file.
        let at = self.start.and_then(|start| start.checked_add(index));
        let bytes = at.and_then(|at| self.image.up_to(at, 256)).unwrap_or_default();
        if memchr::memchr(0, bytes).is_some() {
            return text_at(bytes, 0);
        }
        let bytes = at.and_then(|at| self.image.up_to(at, LONGEST as u64)).unwrap_or_default();
        text_at(bytes, 0)
    }

    fn all(&self) -> &'a [u8] {
        let Some(start) = self.start else { return &[] };
        let whole = || self.image.up_to(start, u64::MAX);
        self.image.slice(start, self.size).or_else(whole).unwrap_or_default()
    }
}

/// Records the relocation tables, and reads those that bind symbols to slots.
fn relocations(file: File<'_, '_>, value: &dyn Fn(u64) -> Option<u64>, out: &mut Dynamic) {
    let File { image, segments, machine, ctx, .. } = file;
    let with_addend = value(dynamic::DT_PLTREL).is_none_or(|kind| kind == dynamic::DT_RELA);
    if let (Some(address), Some(size)) = (value(dynamic::DT_JMPREL), value(dynamic::DT_PLTRELSZ)) {
        let table = RelocationTable { address, size, with_addend };
        entries(image, segments, table, ctx, 0, &mut |entry| {
            out.plt_slots.push(slot(machine, ctx, entry));
        });
    }
    let got = Got::of(file.sections);
    for (start, length, count, with_addend) in [
        (dynamic::DT_RELA, dynamic::DT_RELASZ, dynamic::DT_RELACOUNT, true),
        (dynamic::DT_REL, dynamic::DT_RELSZ, dynamic::DT_RELCOUNT, false),
    ] {
        let (Some(address), Some(size)) = (value(start), value(length)) else { continue };
        let table = RelocationTable { address, size, with_addend };
        out.tables.push(table);
        let Some(numbers) = machine.relocations() else { continue };
        // The linker sorts RELATIVE entries to the front and says how many; none of them binds a symbol. Believed where the
        // last of them is one.
        let skip = usize::try_from(value(count).unwrap_or(0)).unwrap_or(0);
        let skip = skip.min(MAX_ENTRIES);
        let length = (skip as u64).saturating_mul(Reloc::size(with_addend, ctx) as u64);
        let counted = RelocationTable { size: size.min(length), ..table };
        let mut relative = false;
        entries(image, segments, counted, ctx, skip.saturating_sub(1), &mut |entry| {
            relative = numbers.relative.contains(&entry.r_type);
        });
        let skip = if relative { skip } else { 0 };
        entries(image, segments, table, ctx, skip, &mut |entry| match got.place(numbers, entry) {
            Place::Slot => out.slots.push(slot(machine, ctx, entry)),
            Place::Unclear => out.unclear_slots.push(entry.r_offset),
            Place::Data => {}
        });
    }
}

/// What a relocation fills in.
enum Place {
    Slot,
    Data,
    /// One of both.
    Unclear,
}

/// Where sections say that the GOT is: only there they tell its slots from pointers in data.
struct Got {
    ranges: Vec<(u64, u64)>,
    /// There are section headers.
    named: bool,
}

impl Got {
    fn of(sections: &Sections<'_>) -> Self {
        let names = [".got", ".got.plt", ".igot", ".igot.plt", ".toc"];
        let of_got = sections.list.iter().filter(|section| names.contains(&section.name));
        let range = of_got.map(|it| (it.address, it.address.saturating_add(it.size)));
        // A linker makes a handful.
        Self { ranges: range.take(16).collect(), named: !sections.list.is_empty() }
    }

    fn place(&self, numbers: &Relocations, entry: &Reloc) -> Place {
        if numbers.glob_dat == Some(entry.r_type) {
            return Place::Slot;
        }
        let of_symbol = numbers.absolute.contains(&entry.r_type) && entry.r_sym != 0;
        if !of_symbol && numbers.irelative != Some(entry.r_type) {
            return Place::Data;
        }
        let inside =
            self.ranges.iter().any(|(start, end)| (*start..*end).contains(&entry.r_offset));
        match (inside, self.named) {
            (true, _) => Place::Slot,
            (false, false) if of_symbol && numbers.glob_dat.is_none() => Place::Unclear,
            _ => Place::Data,
        }
    }
}

/// The GOT of MIPS has no relocations: the loader fills in all entries. The first two are its own.
fn mips_slots(ctx: Ctx, value: &dyn Fn(u64) -> Option<u64>) -> Option<Vec<Slot>> {
    let word = if ctx.container == Container::Big { 8 } else { 4 };
    let start = value(dynamic::DT_PLTGOT)?;
    let local = value(DT_MIPS_LOCAL_GOTNO)?.min(MAX_ENTRIES as u64);
    let first = value(DT_MIPS_GOTSYM)?;
    let global = value(DT_MIPS_SYMTABNO)?.saturating_sub(first).min(MAX_ENTRIES as u64);
    let slot = |index: u64| {
        let symbol = index.checked_sub(local).map_or(0, |symbol| first.saturating_add(symbol));
        let address = start.saturating_add(index * word);
        Slot { address, symbol: usize::try_from(symbol).unwrap_or(0) }
    };
    Some((0..local + global).map(slot).collect())
}

fn slot(machine: Machine, ctx: Ctx, entry: &Reloc) -> Slot {
    // Little-endian 64-bit MIPS has the symbol in the low half of r_info.
    let swapped = machine == Machine::Mips
        && ctx.container == Container::Big
        && ctx.le == goblin::container::Endian::Little;
    Slot {
        address: entry.r_offset,
        symbol: if swapped { entry.r_type as usize } else { entry.r_sym },
    }
}

/// Calls `visit` for the entries of a table, after some. A large table is read in pieces, and none of it is kept.
fn entries(
    image: Image<'_>,
    segments: &[Segment],
    table: RelocationTable,
    ctx: Ctx,
    skip: usize,
    visit: &mut dyn FnMut(&Reloc),
) {
    const PIECE: u64 = 4096;
    let entry = Reloc::size(table.with_addend, ctx) as u64;
    let skipped = (skip as u64).saturating_mul(entry).min(table.size);
    let start = offset_of(segments, table.address).and_then(|offset| offset.checked_add(skipped));
    let Some(mut at) = start else { return };
    let mut left = (table.size - skipped)
        .min(image.length().saturating_sub(at))
        .min(entry.saturating_mul(MAX_ENTRIES as u64));
    let mut read = |bytes: &[u8]| {
        if let Ok(section) = RelocSection::parse(bytes, 0, bytes.len(), table.with_addend, ctx) {
            section.iter().for_each(|entry| visit(&entry));
        }
    };
    if left <= entry * PIECE {
        return read(image.slice(at, left).unwrap_or_default());
    }
    let mut buffer = Cow::Borrowed(&[][..]);
    while left >= entry {
        let size = left.min(entry * PIECE);
        image.refill(at, size, &mut buffer);
        read(&buffer);
        at = at.saturating_add(size);
        left -= size;
    }
}

/// The value of a tag; of several entries with one tag the loaders keep the last (glibc
/// elf/get-dynamic-info.h, musl `decode_vec`).
fn last(table: &[Dyn], tag: u64) -> Option<u64> {
    table.iter().rfind(|entry| entry.d_tag == tag).map(|entry| entry.d_val)
}

/// Number of dynamic symbols: from `DT_HASH`, else from `DT_GNU_HASH`, else the distance to the string table that
/// follows in GNU ld's layout.
fn symbol_count(image: Image<'_>, table: &[Dyn], segments: &[Segment], ctx: Ctx) -> usize {
    let value = |tag: u64| last(table, tag);
    let offset = |tag: u64| value(tag).and_then(|address| offset_of(segments, address));
    if let Some(chain) =
        offset(dynamic::DT_HASH).and_then(|offset| image.slice(offset.checked_add(4)?, 4))
    {
        return usize::try_from(word(chain, ctx)).unwrap_or(0);
    }
    let gnu = offset(dynamic::DT_GNU_HASH);
    if let Some(count) = gnu.and_then(|start| gnu_hash_count(image, start, ctx)) {
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

/// Number of dynamic symbols by `DT_GNU_HASH`. Its header: buckets, index of the first hashed
/// symbol, words of the bloom filter, shift. The chain of the highest bucket ends at the last
/// symbol.
fn gnu_hash_count(image: Image<'_>, start: u64, ctx: Ctx) -> Option<usize> {
    let number = |at: u64| Some(word(image.slice(start.checked_add(at)?, 4)?, ctx));
    let (buckets, first, bloom) = (number(0)?, number(4)?, number(8)?);
    let bloom_word = if ctx.container == Container::Big { 8 } else { 4 };
    let table_at = u64::from(bloom).checked_mul(bloom_word)?.checked_add(16)?;
    let size = u64::from(buckets) * 4;
    let table = image.slice(start.checked_add(table_at)?, size)?;
    let highest = table.chunks_exact(4).map(|bucket| word(bucket, ctx)).max().unwrap_or(0);
    if highest < first {
        // Nothing is hashed. lld counts the symbols all the same, GNU ld writes 1.
        return usize::try_from(first).ok().filter(|first| *first > 1);
    }
    let chain = table_at.checked_add(size)?.checked_add(u64::from(highest - first) * 4)?;
    let (mut at, mut index) = (start.checked_add(chain)?, highest as usize);
    // Chains are short; of a hostile one the end is nowhere.
    while index < MAX_ENTRIES {
        let links = image.up_to(at, 64).filter(|links| links.len() >= 4)?;
        for link in links.chunks_exact(4) {
            index += 1;
            if word(link, ctx) & 1 == 1 {
                return Some(index);
            }
        }
        at = at.checked_add(64)?;
    }
    None
}

/// Calls `visit` for every relocation of data whose result is an address of this file or of a symbol.
pub(super) fn data_relocations(facts: &Facts<'_>, ctx: Ctx, visit: &mut dyn FnMut(DataRelocation)) {
    let Some(dynamic) = &facts.dynamic else { return };
    let image = facts.image;
    let places = AddressMap::of(&facts.segments);
    let in_place = |address: u64| {
        let offset = places.offset(address)?;
        if ctx.container == Container::Big {
            let low = word(image.slice(offset, 4)?, ctx);
            let high = word(image.slice(offset.checked_add(4)?, 4)?, ctx);
            let (low, high) = if facts.little_endian { (low, high) } else { (high, low) };
            Some(u64::from(low) | u64::from(high) << 32)
        } else {
            Some(u64::from(word(image.slice(offset, 4)?, ctx)))
        }
    };
    for table in &dynamic.tables {
        entries(image, &facts.segments, *table, ctx, 0, &mut |entry| {
            let Some(kind) = meaning(facts.machine, entry.r_type) else { return };
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
        });
    }
    if let Some((address, size)) = dynamic.relr {
        let wide = ctx.container == Container::Big;
        relr(image, &facts.segments, (address, size), wide, &in_place, &mut |address| {
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

fn meaning(machine: Machine, kind: u32) -> Option<Meaning> {
    let numbers = machine.relocations()?;
    if numbers.relative.contains(&kind) || numbers.irelative == Some(kind) {
        Some(Meaning::Relative)
    } else {
        numbers.absolute.contains(&kind).then_some(Meaning::Absolute)
    }
}

/// Reads the packed relative relocations of `DT_RELR`: an even word is an address, an odd one a bit
/// map of the words that follow the last address.
fn relr(
    image: Image<'_>,
    segments: &[Segment],
    (address, size): (u64, u64),
    wide: bool,
    in_place: &dyn Fn(u64) -> Option<u64>,
    visit: &mut dyn FnMut(u64),
) {
    let word_size: u64 = if wide { 8 } else { 4 };
    let inside = offset_of(segments, address)
        .map_or(0, |offset| image.length().saturating_sub(offset).min(size) / word_size);
    let mut next = 0_u64;
    for index in 0..inside.min(MAX_ENTRIES as u64) {
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

#[cfg(test)]
mod tests {
    use super::{Slot, dynamic, mips_slots};
    use goblin::container::{Container, Ctx, Endian};

    /// Four entries of this file, then one for each dynamic symbol from the third on.
    #[test]
    fn the_got_of_mips_is_known_by_its_tags() {
        let value = |tag: u64| match tag {
            dynamic::DT_PLTGOT => Some(0x1_0000),
            super::DT_MIPS_LOCAL_GOTNO => Some(4),
            super::DT_MIPS_SYMTABNO => Some(5),
            super::DT_MIPS_GOTSYM => Some(3),
            _ => None,
        };
        for (container, word) in [(Container::Big, 8), (Container::Little, 4)] {
            let slots = mips_slots(Ctx::new(container, Endian::Big), &value).unwrap();
            assert_eq!(slots.len(), 6);
            assert_eq!(slots[3], Slot { address: 0x1_0000 + 3 * word, symbol: 0 });
            assert_eq!(slots[5], Slot { address: 0x1_0000 + 5 * word, symbol: 4 });
        }
        let lacking = |tag: u64| value(tag).filter(|_| tag != super::DT_MIPS_GOTSYM);
        assert_eq!(mips_slots(Ctx::new(Container::Big, Endian::Big), &lacking), None);
        let hostile = |_: u64| Some(u64::MAX);
        assert!(mips_slots(Ctx::new(Container::Big, Endian::Big), &hostile).is_some());
    }
}
