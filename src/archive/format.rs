//! Tells what a file is by its first bytes. Pure.

/// What an input is, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Elf,
    Deb,
    Rpm,
    Ar,
    Tar,
    Gzip,
    Xz,
    Zstd,
    Bzip2,
    Lzma,
    Cpio,
    /// An archive of a kind that is not opened.
    Closed(&'static str),
    Other,
}

impl Format {
    /// Its name in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Elf => "ELF",
            Self::Deb => "deb",
            Self::Rpm => "rpm",
            Self::Ar => "ar",
            Self::Tar => "tar",
            Self::Gzip => "gzip",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
            Self::Lzma => "lzma",
            Self::Cpio => "cpio",
            Self::Closed(what) => what,
            Self::Other => "neither an archive nor ELF",
        }
    }

    /// True for a compressed stream, which has no members.
    pub fn is_stream(self) -> bool {
        matches!(self, Self::Gzip | Self::Xz | Self::Lzma | Self::Bzip2 | Self::Zstd)
    }
}

/// How many bytes `format` looks at.
pub const HEAD: usize = 512;

/// Tells the format.
pub fn format(bytes: &[u8]) -> Format {
    const MAGIC: &[(&[u8], Format)] = &[
        (b"!<arch>\ndebian-binary", Format::Deb),
        (b"!<arch>\n", Format::Ar),
        (b"!<thin>\n", Format::Closed("a thin archive names files that are not in it")),
        (b"\xed\xab\xee\xdb", Format::Rpm),
        (b"\x1f\x8b\x08", Format::Gzip),
        (b"\xfd7zXZ\0", Format::Xz),
        (b"\x28\xb5\x2f\xfd", Format::Zstd),
        (b"BZh", Format::Bzip2),
        (b"PK\x03\x04", Format::Closed("a zip archive")),
        (b"7z\xbc\xaf\x27\x1c", Format::Closed("a 7z archive")),
        (b"070701", Format::Cpio),
        (b"070702", Format::Cpio),
        (b"070707", Format::Cpio),
        (b"hsqs", Format::Closed("a squashfs image")),
        (b"\x04\x22\x4d\x18", Format::Closed("an lz4 stream")),
    ];
    if bytes.starts_with(b"\x7fELF") {
        return Format::Elf;
    }
    if bytes.get(257..262) == Some(b"ustar") {
        return Format::Tar;
    }
    if is_lzma(bytes) {
        return Format::Lzma;
    }
    let known = MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic));
    known.map_or(Format::Other, |(_, format)| *format)
}

/// The old format has no magic: xz's own guess (lzma-file-format.txt) is the usual properties, a dictionary of a power of two,
/// and a size that is unknown or below 256 GiB.
fn is_lzma(bytes: &[u8]) -> bool {
    let (Some(dictionary), Some(size)) = (bytes.get(1..5), bytes.get(5..13)) else { return false };
    let dictionary = dictionary.try_into().map_or(0, u32::from_le_bytes);
    let size = size.try_into().map_or(0, u64::from_le_bytes);
    bytes[0] == 0x5d && dictionary.is_power_of_two() && (size == u64::MAX || size < 1 << 38)
}
