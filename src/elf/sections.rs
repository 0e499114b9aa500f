//! Section headers: a second opinion, and the way to debug information. No loader looks at them. Pure.

use std::borrow::Cow;

use goblin::container::{Container, Ctx};
use goblin::elf::header::Header;
use goblin::elf::section_header::{SHN_XINDEX, SHT_NOBITS, SectionHeader};

use super::image::Image;
use super::notes::word;
use super::symbols::text_at;
use crate::archive::compress;

/// Flag of a compressed section (`SHF_COMPRESSED`).
const COMPRESSED: u64 = 0x800;
/// The largest size in bytes a compressed section may unpack to; what is longer is cut.
const MAX_UNPACKED: u64 = 1 << 30;

/// One section header: name, kind, flags, and where the section lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Section<'a> {
    pub name: &'a str,
    pub kind: u32,
    pub flags: u64,
    pub address: u64,
    pub offset: u64,
    pub size: u64,
    pub link: u32,
    pub info: u32,
}

impl Section<'_> {
    pub fn allocated(&self) -> bool {
        self.flags & 2 != 0
    }

    pub fn writable(&self) -> bool {
        self.flags & 1 != 0
    }

    pub fn executable(&self) -> bool {
        self.flags & 4 != 0
    }

    /// Tells whether the section has bytes in the file.
    pub fn has_bytes(&self) -> bool {
        self.kind != SHT_NOBITS && self.size > 0
    }
}

/// All section headers, and the file they are of.
#[derive(Debug, Clone)]
pub struct Sections<'a> {
    pub list: Vec<Section<'a>>,
    image: Image<'a>,
}

impl<'a> Sections<'a> {
    pub(super) fn read(
        image: Image<'a>,
        header: &Header,
        ctx: Ctx,
        unreadable: &mut Vec<String>,
    ) -> Self {
        let offset = header.e_shoff;
        if offset == 0 {
            return Self { list: Vec::new(), image };
        }
        let entry = SectionHeader::size(ctx) as u64;
        let first = image
            .slice(offset, entry)
            .and_then(|bytes| SectionHeader::parse_from(bytes, 0, 1, ctx).ok());
        // More sections than the field holds: the first one's size is their number.
        let count = match (header.e_shnum, first.as_deref()) {
            (0, Some([first, ..])) => usize::try_from(first.sh_size).unwrap_or(usize::MAX),
            (count, _) => usize::from(count),
        };
        let size = entry.saturating_mul(count.max(1) as u64);
        let bytes = image.up_to(offset, size).unwrap_or_default();
        let raw = SectionHeader::parse_from(bytes, 0, count.max(1), ctx).unwrap_or_else(|error| {
            unreadable.push(format!("section headers: {error}"));
            Vec::new()
        });
        let names = match u32::from(header.e_shstrndx) {
            SHN_XINDEX => raw.first().map_or(0, |first| first.sh_link),
            index => index,
        };
        let names = usize::try_from(names)
            .ok()
            .and_then(|index| raw.get(index))
            .and_then(|table| image.slice(table.sh_offset, table.sh_size))
            .unwrap_or_default();
        let list = raw
            .iter()
            .map(|section| Section {
                name: text_at(names, section.sh_name),
                kind: section.sh_type,
                flags: section.sh_flags,
                address: section.sh_addr,
                offset: section.sh_offset,
                size: section.sh_size,
                link: section.sh_link,
                info: section.sh_info,
            })
            .collect();
        Self { list, image }
    }

    pub fn named(&self, name: &str) -> Option<&Section<'a>> {
        self.list.iter().find(|section| section.name == name)
    }

    /// The bytes of a section as they stand in the file; `None` when it has none there.
    pub fn bytes_of(&self, section: &Section<'_>) -> Option<&'a [u8]> {
        if section.has_bytes() { self.image.slice(section.offset, section.size) } else { None }
    }

    pub fn raw(&self, name: &str) -> Option<&'a [u8]> {
        self.named(name).and_then(|section| self.bytes_of(section))
    }

    /// The bytes of a section, unpacked when they are compressed.
    pub(super) fn unpacked(&self, name: &str, ctx: Ctx) -> Option<Cow<'a, [u8]>> {
        let section = self.named(name)?;
        let bytes = self.bytes_of(section)?;
        if section.flags & COMPRESSED == 0 {
            return Some(Cow::Borrowed(bytes));
        }
        let limit = MAX_UNPACKED.min(self.image.length().saturating_mul(16));
        Compression::of(bytes, ctx).unpack(bytes, limit).map(Cow::Owned)
    }
}

/// How a section is compressed: what its first bytes (`Elf32_Chdr`, `Elf64_Chdr`) say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compression {
    /// `ELFCOMPRESS_ZLIB` is 1, `ELFCOMPRESS_ZSTD` is 2.
    kind: u32,
    /// Bytes in front of the data.
    head: usize,
}

impl Compression {
    pub(super) fn of(bytes: &[u8], ctx: Ctx) -> Self {
        // Elf32_Chdr: type, size, align; Elf64_Chdr: type, reserved, size, align.
        let head = if ctx.container == Container::Big { 24 } else { 12 };
        Self { kind: word(bytes, ctx), head }
    }

    /// Unpacks the bytes of a section; what is beyond `most` is left out.
    pub(super) fn unpack(self, bytes: &[u8], most: u64) -> Option<Vec<u8>> {
        let data = bytes.get(self.head..)?;
        match self.kind {
            1 => compress::zlib(data, most).ok(),
            2 => compress::zstd(data, most).ok(),
            _ => None,
        }
    }
}
