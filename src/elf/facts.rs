//! Reads the facts. Bounded: counts come from the file, sizes from the slice. Pure.

use goblin::container::{Container, Ctx, Endian};
use goblin::elf::dynamic::{self, Dyn};
use goblin::elf::header::{self, Header};
use goblin::elf::program_header::{self, ProgramHeader};
use goblin::elf::reloc::{self, RelocSection};
use goblin::elf::sym::Symtab;
use goblin::strtab::Strtab;

/// The largest number of program headers we read; the kernel refuses more than 64 KiB of them.
const MOST_SEGMENTS: usize = 2048;
/// The largest number of symbols and relocations we read of one table.
const MOST_ENTRIES: usize = 4_000_000;

/// The file is not an ELF that could be loaded or linked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed ELF: {0}")]
pub struct Malformed(pub String);

/// What a file is, told by what loads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `ET_EXEC` with an interpreter.
    Executable,
    /// `ET_EXEC` without one.
    StaticExecutable,
    /// `ET_DYN` that a kernel starts through an interpreter.
    Pie,
    /// `ET_DYN` that a kernel starts by itself.
    StaticPie,
    SharedLibrary,
    /// `ET_REL`
    Relocatable,
    /// Sections only: the code is not in the file (`objcopy --only-keep-debug`).
    DebugFile,
    Core,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentKind {
    Load,
    Dynamic,
    Interpreter,
    Note,
    GnuStack,
    GnuRelro,
    GnuProperty,
    Other(u32),
}

/// One program header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    pub kind: SegmentKind,
    pub read: bool,
    pub write: bool,
    pub execute: bool,
    pub offset: u64,
    pub address: u64,
    pub file_size: u64,
    pub memory_size: u64,
}

/// The dynamic table.
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
    /// Addresses the loader writes through relocations of the GOT and PLT: `DT_JMPREL` and `GLOB_DAT`.
    pub slots: Vec<u64>,
    /// `DT_INIT_ARRAY`, `DT_FINI_ARRAY`, `DT_PREINIT_ARRAY`: address and size.
    pub arrays: Vec<(u64, u64)>,
    pub got: Option<u64>,
}

/// A dynamic symbol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbol {
    pub name: String,
    pub defined: bool,
}

/// Everything the rules look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    pub kind: Kind,
    /// `e_machine`
    pub machine: u16,
    pub is_64: bool,
    pub entry: u64,
    pub segments: Vec<Segment>,
    pub dynamic: Option<Dynamic>,
    pub interpreter: Option<String>,
    /// Dynamic symbols; with none, those of `.symtab`.
    pub symbols: Vec<Symbol>,
    pub build_id: Option<String>,
    /// IBT and SHSTK of the x86 property note.
    pub cet: (bool, bool),
    /// Tables that could not be read.
    pub unreadable: Vec<String>,
}

/// Reads the facts of a file.
pub fn facts(bytes: &[u8]) -> Result<Facts, Malformed> {
    let header =
        goblin::elf::Elf::parse_header(bytes).map_err(|error| Malformed(error.to_string()))?;
    let ctx = context(&header)?;
    let mut unreadable = Vec::new();
    let count = usize::from(header.e_phnum).min(MOST_SEGMENTS);
    let offset = usize::try_from(header.e_phoff).unwrap_or(usize::MAX);
    let headers = if count == 0 {
        Vec::new()
    } else {
        ProgramHeader::parse(bytes, offset, count, ctx).unwrap_or_else(|error| {
            unreadable.push(format!("program headers: {error}"));
            Vec::new()
        })
    };
    let segments: Vec<Segment> = headers.iter().map(segment).collect();
    let interpreter = segments
        .iter()
        .find(|segment| segment.kind == SegmentKind::Interpreter)
        .and_then(|segment| slice(bytes, segment.offset, segment.file_size))
        .map(|bytes| String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned());
    let raw = dynamic::Dynamic::parse(bytes, &headers, ctx).unwrap_or_else(|error| {
        unreadable.push(format!("dynamic table: {error}"));
        None
    });
    let mut symbols = Vec::new();
    let dynamic = raw
        .map(|raw| read_dynamic(bytes, &raw.dyns, &segments, ctx, &mut symbols, &mut unreadable));
    if symbols.is_empty() {
        symbols = static_symbols(bytes, &header, ctx);
    }
    let notes = notes(bytes, &segments, ctx);
    Ok(Facts {
        kind: kind(&header, &segments, interpreter.is_some(), dynamic.as_ref(), bytes),
        machine: header.e_machine,
        is_64: ctx.container == Container::Big,
        entry: header.e_entry,
        segments,
        dynamic,
        interpreter,
        symbols,
        build_id: notes.0,
        cet: notes.1,
        unreadable,
    })
}

fn context(header: &Header) -> Result<Ctx, Malformed> {
    let endian = header.endianness().map_err(|error| Malformed(error.to_string()))?;
    let container = header.container().map_err(|error| Malformed(error.to_string()))?;
    Ok(Ctx::new(container, endian))
}

fn segment(header: &ProgramHeader) -> Segment {
    let kind = match header.p_type {
        program_header::PT_LOAD => SegmentKind::Load,
        program_header::PT_DYNAMIC => SegmentKind::Dynamic,
        program_header::PT_INTERP => SegmentKind::Interpreter,
        program_header::PT_NOTE => SegmentKind::Note,
        program_header::PT_GNU_STACK => SegmentKind::GnuStack,
        program_header::PT_GNU_RELRO => SegmentKind::GnuRelro,
        0x6474_e553 => SegmentKind::GnuProperty,
        other => SegmentKind::Other(other),
    };
    Segment {
        kind,
        read: header.p_flags & program_header::PF_R != 0,
        write: header.p_flags & program_header::PF_W != 0,
        execute: header.p_flags & program_header::PF_X != 0,
        offset: header.p_offset,
        address: header.p_vaddr,
        file_size: header.p_filesz,
        memory_size: header.p_memsz,
    }
}

fn slice(bytes: &[u8], offset: u64, size: u64) -> Option<&[u8]> {
    let start = usize::try_from(offset).ok()?;
    let end = start.checked_add(usize::try_from(size).ok()?)?;
    bytes.get(start..end)
}

/// File offset of an address, through the load segments.
fn offset_of(segments: &[Segment], address: u64) -> Option<u64> {
    let load =
        segments.iter().filter(|segment| segment.kind == SegmentKind::Load).find(|segment| {
            address >= segment.address && address - segment.address < segment.file_size
        })?;
    load.offset.checked_add(address - load.address)
}

fn read_dynamic(
    bytes: &[u8],
    table: &[Dyn],
    segments: &[Segment],
    ctx: Ctx,
    symbols: &mut Vec<Symbol>,
    unreadable: &mut Vec<String>,
) -> Dynamic {
    let value = |tag: u64| table.iter().find(|entry| entry.d_tag == tag).map(|entry| entry.d_val);
    let offset = |tag: u64| value(tag).and_then(|address| offset_of(segments, address));
    let size = |tag: u64| usize::try_from(value(tag).unwrap_or(0)).unwrap_or(0);
    let names = offset(dynamic::DT_STRTAB)
        .and_then(|start| usize::try_from(start).ok())
        .and_then(|start| Strtab::parse(bytes, start, size(dynamic::DT_STRSZ), 0).ok())
        .unwrap_or_default();
    let text = |index: u64| {
        usize::try_from(index).ok().and_then(|index| names.get_at(index)).map(str::to_owned)
    };
    let flags = value(dynamic::DT_FLAGS).unwrap_or(0);
    let flags_1 = value(dynamic::DT_FLAGS_1).unwrap_or(0);
    let mut out = Dynamic {
        needed: table
            .iter()
            .filter(|entry| entry.d_tag == dynamic::DT_NEEDED)
            .filter_map(|entry| text(entry.d_val))
            .collect(),
        soname: value(dynamic::DT_SONAME).and_then(text),
        rpath: value(dynamic::DT_RPATH).and_then(text),
        runpath: value(dynamic::DT_RUNPATH).and_then(text),
        bind_now: value(dynamic::DT_BIND_NOW).is_some()
            || flags & dynamic::DF_BIND_NOW != 0
            || flags_1 & dynamic::DF_1_NOW != 0,
        textrel: value(dynamic::DT_TEXTREL).is_some() || flags & dynamic::DF_TEXTREL != 0,
        flags_1,
        got: value(dynamic::DT_PLTGOT),
        ..Dynamic::default()
    };
    for (array, length) in [
        (dynamic::DT_INIT_ARRAY, dynamic::DT_INIT_ARRAYSZ),
        (dynamic::DT_FINI_ARRAY, dynamic::DT_FINI_ARRAYSZ),
        (dynamic::DT_PREINIT_ARRAY, dynamic::DT_PREINIT_ARRAYSZ),
    ] {
        if let (Some(address), Some(size)) = (value(array), value(length)) {
            out.arrays.push((address, size));
        }
    }
    slots(bytes, &value, segments, ctx, &mut out.slots);
    if let Some(start) = offset(dynamic::DT_SYMTAB).and_then(|start| usize::try_from(start).ok()) {
        let count = symbol_count(bytes, table, segments, ctx).min(MOST_ENTRIES);
        match Symtab::parse(bytes, start, count, ctx) {
            Ok(table) => symbols.extend(table.iter().filter_map(|symbol| {
                let name = names.get_at(symbol.st_name).filter(|name| !name.is_empty())?;
                Some(Symbol { name: name.to_owned(), defined: symbol.st_shndx != 0 })
            })),
            Err(error) => unreadable.push(format!("dynamic symbols: {error}")),
        }
    }
    out
}

/// Addresses of `JMPREL` and `GLOB_DAT` slots.
fn slots(
    bytes: &[u8],
    value: &dyn Fn(u64) -> Option<u64>,
    segments: &[Segment],
    ctx: Ctx,
    out: &mut Vec<u64>,
) {
    let mut read = |address: u64, length: u64, rela: bool, all: bool| {
        let (Some(offset), Ok(length)) = (offset_of(segments, address), usize::try_from(length))
        else {
            return;
        };
        let Ok(offset) = usize::try_from(offset) else { return };
        let length = length.min(bytes.len().saturating_sub(offset));
        let Ok(section) = RelocSection::parse(bytes, offset, length, rela, ctx) else { return };
        let glob_dat =
            |kind: u32| kind == reloc::R_X86_64_GLOB_DAT || kind == reloc::R_AARCH64_GLOB_DAT;
        let found = section.iter().take(MOST_ENTRIES).filter(|reloc| all || glob_dat(reloc.r_type));
        out.extend(found.map(|reloc| reloc.r_offset));
    };
    let rela = value(dynamic::DT_PLTREL).is_none_or(|kind| kind == dynamic::DT_RELA);
    if let (Some(address), Some(length)) = (value(dynamic::DT_JMPREL), value(dynamic::DT_PLTRELSZ))
    {
        read(address, length, rela, true);
    }
    if let (Some(address), Some(length)) = (value(dynamic::DT_RELA), value(dynamic::DT_RELASZ)) {
        read(address, length, true, false);
    }
    if let (Some(address), Some(length)) = (value(dynamic::DT_REL), value(dynamic::DT_RELSZ)) {
        read(address, length, false, false);
    }
}

/// Number of dynamic symbols: from `DT_HASH`, else the distance to the string table that follows it in every linker's
/// layout.
fn symbol_count(bytes: &[u8], table: &[Dyn], segments: &[Segment], ctx: Ctx) -> usize {
    let value = |tag: u64| table.iter().find(|entry| entry.d_tag == tag).map(|entry| entry.d_val);
    let hash = value(dynamic::DT_HASH).and_then(|address| offset_of(segments, address));
    if let Some(chain) = hash.and_then(|offset| slice(bytes, offset.checked_add(4)?, 4)) {
        return usize::try_from(word(chain, ctx)).unwrap_or(0);
    }
    let entry = if ctx.container == Container::Big { 24 } else { 16 };
    match (value(dynamic::DT_SYMTAB), value(dynamic::DT_STRTAB)) {
        (Some(symbols), Some(strings)) if strings > symbols => {
            usize::try_from((strings - symbols) / entry).unwrap_or(0)
        }
        _ => 0,
    }
}

fn word(bytes: &[u8], ctx: Ctx) -> u32 {
    let array: [u8; 4] = bytes.get(..4).and_then(|bytes| bytes.try_into().ok()).unwrap_or_default();
    match ctx.le {
        Endian::Little => u32::from_le_bytes(array),
        Endian::Big => u32::from_be_bytes(array),
    }
}

/// Symbols of `.symtab`, for static programs and objects.
fn static_symbols(bytes: &[u8], header: &Header, ctx: Ctx) -> Vec<Symbol> {
    use goblin::elf::section_header::{SHT_SYMTAB, SectionHeader};
    let offset = usize::try_from(header.e_shoff).unwrap_or(usize::MAX);
    let count = usize::from(header.e_shnum);
    if offset == 0 || count == 0 {
        return Vec::new();
    }
    let Ok(sections) = SectionHeader::parse(bytes, offset, count, ctx) else { return Vec::new() };
    let Some(table) = sections.iter().find(|section| section.sh_type == SHT_SYMTAB) else {
        return Vec::new();
    };
    let entry = if ctx.container == Container::Big { 24 } else { 16 };
    let Some(strings) = usize::try_from(table.sh_link).ok().and_then(|index| sections.get(index))
    else {
        return Vec::new();
    };
    let parsed = (|| {
        let start = usize::try_from(strings.sh_offset).ok()?;
        let names = Strtab::parse(bytes, start, usize::try_from(strings.sh_size).ok()?, 0).ok()?;
        let count = usize::try_from(table.sh_size / entry).ok()?.min(MOST_ENTRIES);
        let symbols =
            Symtab::parse(bytes, usize::try_from(table.sh_offset).ok()?, count, ctx).ok()?;
        let named = symbols.iter().filter_map(|symbol| {
            let name = names.get_at(symbol.st_name).filter(|name| !name.is_empty())?;
            Some(Symbol { name: name.to_owned(), defined: symbol.st_shndx != 0 })
        });
        Some(named.collect())
    })();
    parsed.unwrap_or_default()
}

/// Build-id and the CET bits, from note and property segments.
fn notes(bytes: &[u8], segments: &[Segment], ctx: Ctx) -> (Option<String>, (bool, bool)) {
    const NT_GNU_BUILD_ID: u32 = 3;
    const NT_GNU_PROPERTY_TYPE_0: u32 = 5;
    let mut found = (None, (false, false));
    let wanted =
        |segment: &&Segment| matches!(segment.kind, SegmentKind::Note | SegmentKind::GnuProperty);
    for segment in segments.iter().filter(wanted) {
        let Some(data) = slice(bytes, segment.offset, segment.file_size) else { continue };
        // Property notes are 8-aligned in ELF64, all others 4-aligned.
        let align = if segment.kind == SegmentKind::GnuProperty && ctx.container == Container::Big {
            8
        } else {
            4
        };
        let mut at = 0_usize;
        while let (Some(name), Some(size), Some(kind)) =
            (data.get(at..), data.get(at + 4..), data.get(at + 8..))
        {
            if kind.len() < 4 {
                break;
            }
            let (name, size, kind) =
                (word(name, ctx) as usize, word(size, ctx) as usize, word(kind, ctx));
            let start = at.saturating_add(12).saturating_add(name.next_multiple_of(4));
            let Some(body) = data.get(start..start.saturating_add(size)) else { break };
            match kind {
                NT_GNU_BUILD_ID if found.0.is_none() => found.0 = Some(hex::encode(body)),
                NT_GNU_PROPERTY_TYPE_0 => found.1 = cet(body, ctx),
                _ => {}
            }
            at = start.saturating_add(size.next_multiple_of(align));
        }
    }
    found
}

/// `GNU_PROPERTY_X86_FEATURE_1_AND`: IBT is bit 0, SHSTK bit 1 (x86-64 psABI).
fn cet(body: &[u8], ctx: Ctx) -> (bool, bool) {
    const X86_FEATURE_1_AND: u32 = 0xc000_0002;
    let align = if ctx.container == Container::Big { 8 } else { 4 };
    let mut at = 0_usize;
    while let (Some(kind), Some(size)) = (body.get(at..at + 4), body.get(at + 4..at + 8)) {
        let size = word(size, ctx) as usize;
        if word(kind, ctx) == X86_FEATURE_1_AND {
            let bits = body.get(at + 8..at + 12).map_or(0, |bits| word(bits, ctx));
            return (bits & 1 != 0, bits & 2 != 0);
        }
        at = at.saturating_add(8).saturating_add(size.next_multiple_of(align));
    }
    (false, false)
}

fn kind(
    header: &Header,
    segments: &[Segment],
    interpreter: bool,
    dynamic: Option<&Dynamic>,
    bytes: &[u8],
) -> Kind {
    match header.e_type {
        header::ET_REL => return Kind::Relocatable,
        header::ET_CORE => return Kind::Core,
        _ => {}
    }
    let loads = || segments.iter().filter(|segment| segment.kind == SegmentKind::Load);
    // objcopy --only-keep-debug keeps the headers and drops the bytes: code segments without content.
    let code = loads().filter(|segment| segment.execute).collect::<Vec<_>>();
    let empty = !code.is_empty()
        && code.iter().all(|segment| {
            segment.file_size == 0
                || slice(bytes, segment.offset, segment.file_size)
                    .is_none_or(|code| code.iter().all(|b| *b == 0))
        });
    if empty {
        return Kind::DebugFile;
    }
    if header.e_type == header::ET_EXEC {
        return if interpreter { Kind::Executable } else { Kind::StaticExecutable };
    }
    // DF_1_PIE is the linker's own word; an old linker sets none, but a program has an entry point and an interpreter
    // and no SONAME. libc.so.6 has an interpreter too: it has a SONAME and is a library first.
    let pie_flag = dynamic.is_some_and(|dynamic| dynamic.flags_1 & dynamic::DF_1_PIE != 0);
    let soname = dynamic.is_some_and(|dynamic| dynamic.soname.is_some());
    match (interpreter, pie_flag) {
        (true, true) => Kind::Pie,
        (true, false) if !soname && header.e_entry != 0 => Kind::Pie,
        (false, true) => Kind::StaticPie,
        _ => Kind::SharedLibrary,
    }
}
