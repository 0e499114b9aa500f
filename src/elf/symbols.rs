//! Symbol tables. Names are slices of the file. Pure.

use goblin::container::{Container, Ctx};
use goblin::elf::section_header::{SHN_XINDEX, SHT_SYMTAB, SHT_SYMTAB_SHNDX};
use goblin::elf::sym::{STB_LOCAL, STT_FILE, STT_FUNC, STT_GNU_IFUNC, Sym, Symtab};

use super::notes::word;
use super::sections::{Section, Sections};

/// The largest number of symbols, and of relocations, that are read of one table.
pub(super) const MAX_ENTRIES: usize = 4_000_000;
/// The longest name of a symbol that is kept, in bytes.
pub(super) const LONGEST: usize = 4096;

/// A symbol: name, address, and whether it is a function and defined here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Symbol<'a> {
    pub name: &'a str,
    pub defined: bool,
    pub function: bool,
    /// Bound at run time to what the symbol's code returns.
    pub resolver: bool,
    pub address: u64,
    pub size: u64,
}

/// The text at an index of a string table, empty when there is none.
pub(super) fn text_at(table: &[u8], index: usize) -> &str {
    let rest = table.get(index..).unwrap_or_default();
    let rest = rest.get(..LONGEST).unwrap_or(rest);
    let end = memchr::memchr(0, rest).unwrap_or(0);
    std::str::from_utf8(&rest[..end]).unwrap_or_default()
}

pub(super) fn symbol<'a>(raw: &Sym, names: &'a [u8]) -> Symbol<'a> {
    let kind = goblin::elf::sym::st_type(raw.st_info);
    Symbol {
        name: text_at(names, raw.st_name),
        defined: raw.st_shndx != 0,
        function: kind == STT_FUNC || kind == STT_GNU_IFUNC,
        resolver: kind == STT_GNU_IFUNC,
        address: raw.st_value,
        size: raw.st_size,
    }
}

/// Symbols of `.symtab`, for static programs and objects.
pub(super) fn static_symbols<'a>(sections: &Sections<'a>, ctx: Ctx) -> Vec<Symbol<'a>> {
    let Some((table, names)) = tables(sections) else { return Vec::new() };
    parse(table, ctx)
        .map(|raw| symbol(&raw, names))
        .filter(|symbol| !symbol.name.is_empty())
        .collect()
}

/// Numbers of sections that do not fit into a symbol (gABI: `SHN_XINDEX`, `SHT_SYMTAB_SHNDX`).
#[derive(Debug, Clone, Copy)]
pub(super) struct SectionNumbers<'a> {
    /// Four bytes for each symbol.
    extended: &'a [u8],
    ctx: Ctx,
}

impl<'a> SectionNumbers<'a> {
    pub(super) fn of(sections: &Sections<'a>, ctx: Ctx) -> Self {
        let table = sections.list.iter().find(|section| section.kind == SHT_SYMTAB_SHNDX);
        let extended = table.and_then(|table| sections.bytes_of(table)).unwrap_or_default();
        Self { extended, ctx }
    }

    /// The section that the symbol at an index of `.symtab` is defined in.
    pub(super) fn section<'s>(
        self,
        sections: &'s Sections<'a>,
        index: usize,
        raw: &Sym,
    ) -> Option<&'s Section<'a>> {
        let number = if u32::try_from(raw.st_shndx) == Ok(SHN_XINDEX) {
            let start = index.checked_mul(4)?;
            let bytes = self.extended.get(start..start.checked_add(4)?)?;
            usize::try_from(word(bytes, self.ctx)).ok()?
        } else {
            raw.st_shndx
        };
        sections.list.get(number)
    }
}

/// The symbol table `.symtab` and its string table.
fn tables<'a>(sections: &Sections<'a>) -> Option<(&'a [u8], &'a [u8])> {
    let table = sections.list.iter().find(|section| section.kind == SHT_SYMTAB)?;
    let names = sections.list.get(usize::try_from(table.link).ok()?)?;
    Some((sections.bytes_of(table)?, sections.bytes_of(names)?))
}

fn parse(table: &[u8], ctx: Ctx) -> impl Iterator<Item = Sym> {
    let entry = if ctx.container == Container::Big { 24 } else { 16 };
    let count = (table.len() / entry).min(MAX_ENTRIES);
    Symtab::parse(table, 0, count, ctx).ok().into_iter().flat_map(|symbols| symbols.to_vec())
}

/// A function that `.symtab` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamedFunction<'a> {
    pub address: u64,
    pub size: u64,
    pub name: &'a str,
    /// The source file the linker names for it; only local symbols have one.
    pub file: &'a str,
}

/// Reads the functions of `.symtab`, by address. In objects, whose sections have no address yet,
/// addresses are file offsets.
pub(super) fn functions<'a>(
    sections: &Sections<'a>,
    relocatable: bool,
    ctx: Ctx,
) -> Vec<NamedFunction<'a>> {
    let Some((table, names)) = tables(sections) else { return Vec::new() };
    let numbers = SectionNumbers::of(sections, ctx);
    let mut file = "";
    let mut out = Vec::new();
    for (index, raw) in parse(table, ctx).enumerate() {
        let kind = goblin::elf::sym::st_type(raw.st_info);
        if kind == STT_FILE {
            file = text_at(names, raw.st_name);
            continue;
        }
        if (kind != STT_FUNC && kind != STT_GNU_IFUNC) || raw.st_shndx == 0 {
            continue;
        }
        let base = if relocatable {
            numbers.section(sections, index, &raw).map_or(0, |section| section.offset)
        } else {
            0
        };
        let local = goblin::elf::sym::st_bind(raw.st_info) == STB_LOCAL;
        out.push(NamedFunction {
            address: base.saturating_add(raw.st_value),
            size: raw.st_size,
            name: text_at(names, raw.st_name),
            file: if local { file } else { "" },
        });
    }
    out.sort_by(|a, b| (a.address, a.name).cmp(&(b.address, b.name)));
    out
}
