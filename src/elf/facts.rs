//! Reads what the kernel and the loader read. Bounded: counts come from the file, sizes from the slice. Pure.

use goblin::container::{Container, Ctx};
use goblin::elf::dynamic;
use goblin::elf::header::{self, Header};
use goblin::elf::program_header::{self, ProgramHeader};

use super::dynamic::{Dynamic, File, read_dynamic};
use super::image::Image;
pub(super) use super::machine::Machine;
use super::mapping::offset_of;
use super::notes::{Properties, notes};
use super::sections::Sections;
use super::symbols::{Symbol, static_symbols};

/// The number of program headers up to which all are kept; the kernel takes no more than 64 KiB of them. glibc's dlopen
/// does: of the others those are kept that decide.
const MAX_SEGMENTS: usize = 2048;
/// Bits of `e_flags` that number the ABI of 64-bit PowerPC: 1 has function descriptors, 2 has none, 0 does not say.
const EF_PPC64_ABI: u32 = 3;

/// The file is not an ELF that could be loaded or linked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed ELF: {0}")]
pub struct Malformed(pub String);

/// What kind of file this is, told by what loads it.
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

impl Kind {
    /// One word, for people and documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Executable => "Executable",
            Self::StaticExecutable => "StaticExecutable",
            Self::Pie => "Pie",
            Self::StaticPie => "StaticPie",
            Self::SharedLibrary => "SharedLibrary",
            Self::Relocatable => "Relocatable",
            Self::DebugFile => "DebugFile",
            Self::Core => "Core",
        }
    }
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
    GnuEhFrame,
    Other(u32),
}

/// One program header: a part of the file, where it is mapped, and with which rights.
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
    pub align: u64,
}

/// Everything the rules look at, except code and debug information.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    pub kind: Kind,
    pub machine: Machine,
    pub is_64: bool,
    pub little_endian: bool,
    pub entry: u64,
    /// Addresses of functions are those of their descriptors, `e_entry` among them: the older ABI of 64-bit PowerPC.
    pub descriptors: bool,
    pub segments: Vec<Segment>,
    pub dynamic: Option<Dynamic>,
    pub interpreter: Option<String>,
    /// Dynamic symbols; with none, those of `.symtab`.
    pub symbols: Vec<Symbol<'a>>,
    pub build_id: Option<String>,
    pub properties: Properties,
    /// IBT and SHSTK of the x86 property note.
    pub cet: (bool, bool),
    /// The second opinion: nothing a loader looks at.
    pub sections: Sections<'a>,
    /// Tables that could not be read.
    pub unreadable: Vec<String>,
    /// The file.
    pub image: Image<'a>,
}

/// How much of a file is read to make facts of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// Headers, notes, the dynamic table and its relocations.
    Headers,
    /// Symbols, too: what code and calls are judged with.
    Symbols,
}

/// Reads all facts of a file in memory.
pub fn facts(bytes: &[u8]) -> Result<Facts<'_>, Malformed> {
    facts_of(Image::Whole(bytes), Depth::Symbols)
}

/// Reads the facts of a file.
pub fn facts_of(image: Image<'_>, depth: Depth) -> Result<Facts<'_>, Malformed> {
    let head = image.up_to(0, 64).unwrap_or_default();
    let header =
        goblin::elf::Elf::parse_header(head).map_err(|error| Malformed(error.to_string()))?;
    let ctx = context(&header)?;
    let machine = Machine::of(header.e_machine);
    let mut unreadable = Vec::new();
    let headers = program_headers(image, &header, ctx, &mut unreadable);
    let segments: Vec<Segment> = headers.iter().map(segment).collect();
    let interpreter = segments
        .iter()
        .find(|segment| segment.kind == SegmentKind::Interpreter)
        .and_then(|segment| image.slice(segment.offset, segment.file_size.min(4096)))
        .map(|bytes| String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned());
    let sections = Sections::read(image, &header, ctx, &mut unreadable);
    let mut symbols = Vec::new();
    let table = dynamic_table(image, &headers, &segments, ctx, &mut unreadable);
    let starts = starts(image, &segments, header.e_entry);
    let loads = starts
        || interpreter.as_deref().is_some_and(|path| path.starts_with('/'))
        || table.as_deref().is_some_and(has_symbols);
    let empty = (!loads && is_debug_file(&segments, &sections, image))
        || is_left_over(&segments, &sections, interpreter.as_deref(), table.as_deref());
    let dynamic = table.map(|table| {
        let file = File { image, segments: &segments, sections: &sections, machine, ctx };
        read_dynamic(file, depth, &table, &mut symbols, &mut unreadable)
    });
    if depth == Depth::Symbols && !symbols.iter().any(|symbol| !symbol.name.is_empty()) {
        symbols = static_symbols(&sections, ctx);
    }
    let notes = notes(image, machine, &segments, &sections, ctx);
    Ok(Facts {
        kind: kind(&header, interpreter.is_some(), dynamic.as_ref(), empty),
        machine,
        is_64: ctx.container == Container::Big,
        little_endian: ctx.le == goblin::container::Endian::Little,
        entry: header.e_entry,
        descriptors: has_descriptors(machine, &header, ctx),
        segments,
        dynamic,
        interpreter,
        symbols,
        build_id: notes.0,
        properties: notes.1,
        cet: (notes.1.ibt, notes.1.shstk),
        sections,
        unreadable,
        image,
    })
}

pub(super) fn context(header: &Header) -> Result<Ctx, Malformed> {
    let endian = header.endianness().map_err(|error| Malformed(error.to_string()))?;
    let container = header.container().map_err(|error| Malformed(error.to_string()))?;
    Ok(Ctx::new(container, endian))
}

/// The entries of the `PT_DYNAMIC` the loaders use: the last one, at its address (glibc elf/dl-load.c, elf/rtld.c).
fn dynamic_table(
    image: Image<'_>,
    headers: &[ProgramHeader],
    segments: &[Segment],
    ctx: Ctx,
    unreadable: &mut Vec<String>,
) -> Option<Vec<dynamic::Dyn>> {
    let header = headers.iter().rfind(|header| header.p_type == program_header::PT_DYNAMIC)?;
    let offset = offset_of(segments, header.p_vaddr).unwrap_or(header.p_offset);
    let Some(bytes) = image.slice(offset, header.p_filesz) else {
        unreadable.push(format!(
            "dynamic table: {} bytes at {offset:#x} are not in the file",
            header.p_filesz
        ));
        return None;
    };
    let alone = ProgramHeader { p_offset: 0, ..header.clone() };
    let parsed = dynamic::Dynamic::parse(bytes, &[alone], ctx).unwrap_or_else(|error| {
        unreadable.push(format!("dynamic table: {error}"));
        None
    });
    parsed.map(|parsed| parsed.dyns)
}

fn program_headers(
    image: Image<'_>,
    header: &Header,
    ctx: Ctx,
    unreadable: &mut Vec<String>,
) -> Vec<ProgramHeader> {
    let count = usize::from(header.e_phnum);
    if count == 0 {
        return Vec::new();
    }
    let size = count.saturating_mul(ProgramHeader::size(ctx)) as u64;
    let bytes = image.up_to(header.e_phoff, size).unwrap_or_default();
    let mut all = ProgramHeader::parse(bytes, 0, count, ctx).unwrap_or_else(|error| {
        unreadable.push(format!("program headers: {error}"));
        Vec::new()
    });
    if all.len() > MAX_SEGMENTS {
        unreadable.push(format!(
            "{} program headers: no kernel starts the file, and only what decides is read of those after the first \
             {MAX_SEGMENTS}",
            all.len()
        ));
        let rest = deciding(&all.split_off(MAX_SEGMENTS));
        all.extend(rest);
    }
    all
}

/// The last header of each kind, and the first segment that is writable and executable.
fn deciding(headers: &[ProgramHeader]) -> Vec<ProgramHeader> {
    const BOTH: u32 = program_header::PF_W | program_header::PF_X;
    let kinds = [
        program_header::PT_DYNAMIC,
        program_header::PT_INTERP,
        program_header::PT_GNU_STACK,
        program_header::PT_GNU_RELRO,
    ];
    let last = kinds.iter().filter_map(|kind| headers.iter().rfind(|it| it.p_type == *kind));
    let both =
        headers.iter().find(|it| it.p_type == program_header::PT_LOAD && it.p_flags & BOTH == BOTH);
    last.chain(both).cloned().collect()
}

fn has_descriptors(machine: Machine, header: &Header, ctx: Ctx) -> bool {
    let abi = header.e_flags & EF_PPC64_ABI;
    let older = abi == 1 || (abi == 0 && ctx.le == goblin::container::Endian::Big);
    machine == Machine::PowerPc64 && older
}

/// The kernel finds something where the program begins: not only zeros.
fn starts(image: Image<'_>, segments: &[Segment], entry: u64) -> bool {
    let there = offset_of(segments, entry).filter(|_| entry != 0);
    let bytes = there.and_then(|offset| image.up_to(offset, 16)).unwrap_or_default();
    bytes.iter().any(|byte| *byte != 0)
}

fn has_symbols(table: &[dynamic::Dyn]) -> bool {
    table.iter().any(|entry| entry.d_tag == dynamic::DT_SYMTAB)
}

fn segment(header: &ProgramHeader) -> Segment {
    let kind = match header.p_type {
        program_header::PT_LOAD => SegmentKind::Load,
        program_header::PT_DYNAMIC => SegmentKind::Dynamic,
        program_header::PT_INTERP => SegmentKind::Interpreter,
        program_header::PT_NOTE => SegmentKind::Note,
        program_header::PT_GNU_STACK => SegmentKind::GnuStack,
        program_header::PT_GNU_RELRO => SegmentKind::GnuRelro,
        program_header::PT_GNU_EH_FRAME => SegmentKind::GnuEhFrame,
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
        align: header.p_align,
    }
}

fn kind(header: &Header, interpreter: bool, dynamic: Option<&Dynamic>, empty: bool) -> Kind {
    match header.e_type {
        header::ET_REL => return Kind::Relocatable,
        header::ET_CORE => return Kind::Core,
        _ => {}
    }
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
    let needs = dynamic.is_some_and(|dynamic| !dynamic.needed.is_empty());
    match (interpreter, pie_flag) {
        // No loader opens what has no dynamic table, but the kernel starts it: so does what packers make begin.
        (false, false) if dynamic.is_none() && header.e_entry != 0 => Kind::StaticPie,
        (true, true) => Kind::Pie,
        (true, false) if !soname && header.e_entry != 0 => Kind::Pie,
        (false, true) if !needs => Kind::StaticPie,
        _ => Kind::SharedLibrary,
    }
}

/// Tells a separate debug file: `objcopy --only-keep-debug` keeps the headers and drops the bytes:
/// code segments without content.
fn is_debug_file(segments: &[Segment], sections: &Sections<'_>, image: Image<'_>) -> bool {
    // Code that a section claims is enough to judge the file as one that is loaded.
    let claimed = sections.list.iter().any(|section| section.executable() && section.has_bytes());
    let mut code = segments
        .iter()
        .filter(|segment| segment.kind == SegmentKind::Load && segment.execute)
        .peekable();
    !claimed
        && code.peek().is_some()
        && code.all(|segment| {
            segment.file_size == 0
                || image
                    .slice(segment.offset, segment.file_size)
                    .is_none_or(|code| code.iter().all(|byte| *byte == 0))
        })
}

/// Tells a debug file that eu-strip made: it keeps the program headers of the original, whose
/// offsets lead anywhere in the debug file. Section headers without code may be a lie, so they
/// count only where neither kernel nor loader would find what the program headers promise.
fn is_left_over(
    segments: &[Segment],
    sections: &Sections<'_>,
    interpreter: Option<&str>,
    table: Option<&[dynamic::Dyn]>,
) -> bool {
    let mut code = sections.list.iter().filter(|section| section.executable()).peekable();
    let without_code = code.peek().is_some() && code.all(|section| !section.has_bytes());
    let told = |kind| segments.iter().any(|segment| segment.kind == kind);
    let no_interpreter = interpreter.is_none_or(|path| path.chars().any(char::is_control));
    without_code && told(SegmentKind::Dynamic) && no_interpreter && !table.is_some_and(has_symbols)
}
