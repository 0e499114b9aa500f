//! Sections and symbols, for comparing two files. Bounded: tables are cut at what the file can hold. Pure.

use std::borrow::Cow;

use goblin::elf::section_header::{SHF_COMPRESSED, SHF_EXECINSTR, SHT_NOBITS, SectionHeader};
use goblin::elf::sym::{STT_FUNC, STT_OBJECT, Symtab, st_type};
use goblin::strtab::Strtab;

use super::facts::{Malformed, context};
use super::sections::Compression;

/// The largest number of sections that are read of one file.
const MAX_SECTIONS: usize = 100_000;
/// The largest number of symbols that are read of one table.
const MAX_SYMBOLS: usize = 4_000_000;

/// A section with its contents, for comparing two files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section<'a> {
    pub name: String,
    pub address: u64,
    /// Empty for sections that are not in the file.
    pub bytes: &'a [u8],
    pub size: u64,
    pub executable: bool,
    pub compressed: Option<Compression>,
}

impl<'a> Section<'a> {
    /// The contents, unpacked where they are compressed and can be unpacked; what is beyond `most` bytes is left out.
    pub fn unpacked(&self, most: u64) -> Cow<'a, [u8]> {
        let unpacked = self.compressed.and_then(|how| how.unpack(self.bytes, most));
        unpacked.map_or(Cow::Borrowed(self.bytes), Cow::Owned)
    }
}

/// A function or a variable that a symbol names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Function {
    pub address: u64,
    pub size: u64,
    pub name: String,
}

/// The sections of a file, and the functions and variables its symbols name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layout<'a> {
    /// In file order.
    pub sections: Vec<Section<'a>>,
    /// Of `.symtab`, by address; none in a stripped file.
    pub functions: Vec<Function>,
    /// Variables of `.symtab`, by address.
    pub variables: Vec<Function>,
}

/// Reads the section headers and `.symtab`.
pub fn layout(bytes: &[u8]) -> Result<Layout<'_>, Malformed> {
    let malformed = |error: goblin::error::Error| Malformed(error.to_string());
    let header = goblin::elf::Elf::parse_header(bytes).map_err(malformed)?;
    let ctx = context(&header)?;
    let offset = usize::try_from(header.e_shoff).unwrap_or(usize::MAX);
    let count = usize::from(header.e_shnum);
    if offset == 0 || MAX_SECTIONS < count {
        return Ok(Layout::default());
    }
    let headers = SectionHeader::parse(bytes, offset, count, ctx).map_err(malformed)?;
    let names = headers.get(usize::from(header.e_shstrndx)).and_then(|h| contents(bytes, h));
    let names = names.and_then(|names| Strtab::parse(names, 0, names.len(), 0).ok());
    let name = |header: &SectionHeader| {
        let text = names.as_ref().and_then(|names| names.get_at(header.sh_name));
        text.unwrap_or("").to_owned()
    };
    let sections = headers
        .iter()
        .skip(1)
        .map(|header| Section {
            name: name(header),
            address: header.sh_addr,
            bytes: contents(bytes, header).unwrap_or_default(),
            size: header.sh_size,
            executable: header.sh_flags & u64::from(SHF_EXECINSTR) != 0,
            compressed: (header.sh_flags & u64::from(SHF_COMPRESSED) != 0)
                .then(|| Compression::of(contents(bytes, header).unwrap_or_default(), ctx)),
        })
        .collect();
    let mut out = Layout { sections, ..Layout::default() };
    let table = headers.iter().find(|header| name(header) == ".symtab");
    if let Some(table) = table
        && let Some(strings) =
            headers.get(table.sh_link as usize).and_then(|header| contents(bytes, header))
        && let Ok(strings) = Strtab::parse(strings, 0, strings.len(), 0)
        && table.sh_entsize != 0
    {
        let count = usize::try_from(table.sh_size / table.sh_entsize).unwrap_or(0);
        let start = usize::try_from(table.sh_offset).unwrap_or(usize::MAX);
        if let Ok(symbols) = Symtab::parse(bytes, start, count.min(MAX_SYMBOLS), ctx) {
            for symbol in symbols.iter().filter(|symbol| 0 < symbol.st_size) {
                let list = match st_type(symbol.st_info) {
                    STT_FUNC => &mut out.functions,
                    STT_OBJECT => &mut out.variables,
                    _ => continue,
                };
                let Some(name) = strings.get_at(symbol.st_name) else { continue };
                let (address, size) = (symbol.st_value, symbol.st_size);
                list.push(Function { address, size, name: name.to_owned() });
            }
        }
    }
    out.functions.sort();
    out.variables.sort();
    Ok(out)
}

/// The JSON of `.note.package` (owner `FDO`, type 0xcafe1a7e); `None` when there is none or it is no JSON.
pub fn package_note(bytes: &[u8]) -> Option<serde_json::Value> {
    let note = layout(bytes).ok()?.sections;
    let note = note.iter().find(|section| section.name == ".note.package")?.bytes;
    let little = bytes.get(5) == Some(&1);
    let word = |at: usize| {
        let four = note.get(at..at + 4)?;
        let four = [four[0], four[1], four[2], four[3]];
        Some(if little { u32::from_le_bytes(four) } else { u32::from_be_bytes(four) })
    };
    if word(0)? != 4 || word(8)? != 0xcafe_1a7e || note.get(12..16)? != b"FDO\0" {
        return None;
    }
    let length = usize::try_from(word(4)?).ok()?;
    let text = note.get(16..16_usize.checked_add(length)?)?;
    let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
    serde_json::from_slice(&text[..end]).ok()
}

fn contents<'a>(bytes: &'a [u8], header: &SectionHeader) -> Option<&'a [u8]> {
    if header.sh_type == SHT_NOBITS {
        return None;
    }
    let start = usize::try_from(header.sh_offset).ok()?;
    let end = start.checked_add(usize::try_from(header.sh_size).ok()?)?;
    bytes.get(start..end)
}
