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
    Lzip,
    Lz4,
    Cpio,
    Zip,
    /// A text that names its interpreter; an archive may follow it.
    Script,
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
            Self::Lzip => "lzip",
            Self::Lz4 => "lz4",
            Self::Cpio => "cpio",
            Self::Zip => "zip",
            Self::Script => "a script",
            Self::Closed(what) => what,
            Self::Other => "neither an archive nor ELF",
        }
    }

    /// True for a compressed stream, which has no members.
    pub fn is_stream(self) -> bool {
        use Format::{Bzip2, Gzip, Lz4, Lzip, Lzma, Xz, Zstd};
        matches!(self, Gzip | Xz | Lzma | Lzip | Bzip2 | Zstd | Lz4)
    }

    /// True when nothing of it is opened and nothing is to say of it: no archive, or a text without one.
    pub fn is_plain(self) -> bool {
        matches!(self, Self::Elf | Self::Script | Self::Other)
    }
}

/// How many bytes `format` looks at.
pub const HEAD: usize = 2048;
/// How many it needs of what may be a file system ([`is_image`]): that of ISO 9660 says so at 32 KiB, btrfs at 64.
pub const DEEP: usize = (64 << 10) + 128;

/// (magic, format) of what says at its very beginning what it is.
const MAGIC: &[(&[u8], Format)] = &[
    (b"!<arch>\ndebian-binary", Format::Deb),
    (b"!<arch>\n", Format::Ar),
    (b"!<thin>\n", Format::Closed("a thin archive names files that are not in it")),
    (b"\xed\xab\xee\xdb", Format::Rpm),
    (b"\x1f\x8b\x08", Format::Gzip),
    (b"\xfd7zXZ\0", Format::Xz),
    (b"\x28\xb5\x2f\xfd", Format::Zstd),
    (b"BZh", Format::Bzip2),
    (b"LZIP\x01", Format::Lzip),
    (b"\x04\x22\x4d\x18", Format::Lz4),
    (b"\x02\x21\x4c\x18", Format::Lz4),
    (b"PK\x03\x04", Format::Zip),
    (b"PK\x05\x06", Format::Zip),
    (b"PK00PK\x03\x04", Format::Zip),
    (b"PK\x07\x08", Format::Closed("a part of a zip archive")),
    (b"Cr24", Format::Zip),
    (b"070701", Format::Cpio),
    (b"070702", Format::Cpio),
    (b"070707", Format::Cpio),
    (b"\xc7\x71", Format::Cpio),
    (b"\x71\xc7", Format::Cpio),
    (b"#!", Format::Script),
    (b"7z\xbc\xaf\x27\x1c", Format::Closed("a 7z archive")),
    (b"Rar!\x1a\x07", Format::Closed("a rar archive")),
    (b"MSCF\0\0\0\0", Format::Closed("a cabinet")),
    (b"xar!\0", Format::Closed("a xar archive")),
    (b"MSWIM\0\0\0", Format::Closed("a wim image")),
    (b"LRZI\0", Format::Closed("an lrzip stream")),
    (b"\x89LZO\0\x0d\x0a\x1a\x0a", Format::Closed("an lzop stream")),
    (b"\x1f\x9d", Format::Closed("a compress (.Z) stream")),
    (b"\x1f\xa0", Format::Closed("a compress -H stream")),
    (b"BZ3v1", Format::Closed("a bzip3 stream")),
    (b"\xff\x06\0\0sNaPpY", Format::Closed("a snappy stream")),
    (b"ADB.", Format::Closed("an apk package of version 3")),
    (b"ADBd", Format::Closed("an apk package of version 3")),
    (b"ADBc", Format::Closed("an apk package of version 3")),
    (b"hsqs", Format::Closed("a squashfs image")),
    (b"sqsh", Format::Closed("a squashfs image")),
    (b"\x45\x3d\xcd\x28", Format::Closed("a cramfs image")),
    (b"\x28\xcd\x3d\x45", Format::Closed("a cramfs image")),
    (b"-rom1fs-", Format::Closed("a romfs image")),
    (b"XFSB\0", Format::Closed("an xfs image")),
    (b"UBI#\x01", Format::Closed("a UBI image")),
    (b"\x31\x18\x10\x06", Format::Closed("a ubifs image")),
    (b"QFI\xfb\0\0\0", Format::Closed("a qcow2 disk image")),
    (b"KDMV", Format::Closed("a vmdk disk image")),
    (b"vhdxfile", Format::Closed("a vhdx disk image")),
    (b"conectix", Format::Closed("a vhd disk image")),
    (b"<<< ", Format::Closed("a vdi disk image")),
    (b"\x27\x05\x19\x56", Format::Closed("a U-Boot image")),
    (b"ANDROID!", Format::Closed("an Android boot image")),
    (b"\x3a\xff\x26\xed", Format::Closed("an Android sparse image")),
];

/// (place, magic, what) of file systems, which leave room for boot code in front.
const IMAGES: &[(usize, &[u8], &str)] = &[
    (512, b"EFI PART", "a disk image"),
    (1024, b"\xe2\xe1\xf5\xe0", "an erofs image"),
    (1024, b"\x10\x20\xf5\xf2", "an f2fs image"),
    (54, b"FAT1", "a FAT image"),
    (82, b"FAT32", "a FAT image"),
    (3, b"EXFAT   ", "an exFAT image"),
    (3, b"NTFS    ", "an ntfs image"),
    (32_769, b"CD001", "an ISO 9660 image"),
    (34_817, b"CD001", "an ISO 9660 image"),
    (32_769, b"BEA01", "a UDF image"),
    (65_600, b"_BHRfS_M", "a btrfs image"),
];

/// Tells the format.
pub fn format(bytes: &[u8]) -> Format {
    if bytes.starts_with(b"\x7fELF") {
        return Format::Elf;
    }
    if bytes.get(257..262) == Some(b"ustar") {
        return Format::Tar;
    }
    if let Some(what) = skipped(bytes) {
        return what;
    }
    if is_lzma(bytes) {
        return Format::Lzma;
    }
    if let Some((_, format)) = MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        let fits = match format {
            Format::Cpio => is_cpio(bytes),
            // Magics of two bytes begin other files, too.
            Format::Closed(what) if what.starts_with("a compress") => {
                bytes.get(2).is_some_and(|bits| {
                    // The most bits of a code, and a mark for blocks.
                    bytes[1] == 0xa0 || (9..=16).contains(&(bits & 0x1f)) && bits & 0x60 == 0
                })
            }
            // The name of a kind of disk image stands after the words of its maker.
            Format::Closed("a vdi disk image") => bytes.get(64..68) == Some(b"\x7f\x10\xda\xbe"),
            Format::Closed("a vmdk disk image") => bytes.get(4).is_some_and(|version| *version < 8),
            Format::Bzip2 => bytes.get(3).is_none_or(u8::is_ascii_digit),
            _ => true,
        };
        if fits {
            return *format;
        }
    }
    image(bytes).unwrap_or(if is_old_tar(bytes) { Format::Tar } else { Format::Other })
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// Frames to be skipped may stand before those of zstd and lz4, which have one magic for them; pzstd writes one.
fn skipped(bytes: &[u8]) -> Option<Format> {
    let is_skipped = |at: usize| number(bytes, at).is_some_and(|magic| magic & !0xf == 0x184d_2a50);
    let mut at = 0;
    while is_skipped(at) {
        let length = usize::try_from(number(bytes, at + 4)?).ok()?;
        at = at.checked_add(length)?.checked_add(8)?;
    }
    let known = bytes.get(at..).filter(|rest| at > 0 && !rest.is_empty()).map(format);
    match known {
        _ if at == 0 => None,
        Some(stream @ (Format::Zstd | Format::Lz4)) => Some(stream),
        _ => Some(Format::Closed("a stream that begins with frames to be skipped")),
    }
}

/// The old format has no magic. xz's own guess (lzma-file-format.txt) wants a dictionary as its encoder makes them; a
/// decoder takes any. A size is unknown or below 256 GiB, and the first byte of what follows is zero in every stream.
fn is_lzma(bytes: &[u8]) -> bool {
    let (Some(dictionary), Some(size)) = (number(bytes, 1), bytes.get(5..13)) else { return false };
    let size = size.try_into().map_or(0, u64::from_le_bytes);
    let usual = bytes[0] == 0x5d;
    let sized = size == u64::MAX || usual && size < 1 << 38;
    let begins = bytes.get(13).is_none_or(|first| *first == 0);
    bytes[0] < 225 && sized && begins && (4096..=1 << 30).contains(&dictionary)
}

/// A header of cpio: two of its fields say what no other file says there.
fn is_cpio(bytes: &[u8]) -> bool {
    if bytes.starts_with(b"07070") {
        return true;
    }
    // Old binary headers: numbers of 16 bits in the writer's order. Mode, and the length of a name that ends with zero.
    let little = bytes[0] == 0xc7;
    let half = |at: usize| {
        let two = bytes.get(at..at + 2)?.try_into().ok()?;
        Some(if little { u16::from_le_bytes(two) } else { u16::from_be_bytes(two) })
    };
    let kind = half(6).map(|mode| mode & 0o170_000);
    let kinds = [0, 0o010_000, 0o020_000, 0o040_000, 0o060_000, 0o100_000, 0o120_000, 0o140_000];
    let name = half(20).map(usize::from).filter(|length| (2..=1024).contains(length));
    let ends = name.and_then(|length| bytes.get(26 + length - 1)) == Some(&0);
    kind.is_some_and(|kind| kinds.contains(&kind)) && ends
}

/// tar without a magic, from before POSIX: a name, numbers in octal, and a sum that fits.
fn is_old_tar(bytes: &[u8]) -> bool {
    let Some(block) = bytes.get(..512) else { return false };
    let octal = |field: &[u8]| {
        let digits = field.trim_ascii_start().split(|byte| matches!(byte, 0 | b' ')).next();
        let text = std::str::from_utf8(digits.unwrap_or_default()).ok()?;
        u32::from_str_radix(text, 8).ok()
    };
    let sum = block[..148].iter().chain(&block[156..]).map(|byte| u32::from(*byte)).sum::<u32>();
    let named = !matches!(block[0], 0 | b' ');
    let kind = matches!(block[156], 0 | b' ' | b'0'..=b'7');
    let fits = octal(&block[148..156]) == Some(sum + 8 * u32::from(b' '));
    named && kind && fits && octal(&block[100..108]).is_some()
}

/// True for what may be a file system that says so beyond [`HEAD`]: zeros, or boot code with a table of partitions.
pub fn is_image(bytes: &[u8]) -> bool {
    bytes.len() >= HEAD && (bytes.iter().all(|byte| *byte == 0) || has_boot_code(bytes))
}

/// A boot sector that is no kernel: those of Linux have the same mark, and a word of their own behind it.
fn has_boot_code(bytes: &[u8]) -> bool {
    bytes.len() > 512
        && bytes.get(510..512) == Some(b"\x55\xaa")
        && bytes.get(514..518) != Some(b"HdrS")
}

/// File systems and disks.
fn image(bytes: &[u8]) -> Option<Format> {
    let found = |(at, magic, _): &&(usize, &[u8], &str)| {
        bytes.get(*at..).is_some_and(|rest| rest.starts_with(magic))
    };
    if let Some((.., what)) = IMAGES.iter().find(found) {
        return Some(Format::Closed(what));
    }
    // ext2 to ext4: the magic, and a size of blocks and a state there are.
    let small = |at: usize, most: u8| bytes.get(at).is_some_and(|byte| *byte <= most);
    if bytes.get(1080..1082) == Some(b"\x53\xef") && small(1048, 6) && small(1082, 7) {
        return Some(Format::Closed("an ext file system image"));
    }
    // A partition is active or not, and one of them has a kind.
    let table = bytes.get(446..510).filter(|_| has_boot_code(bytes))?;
    let entries = || table.chunks(16);
    let sound =
        entries().all(|entry| matches!(entry[0], 0 | 0x80)) && entries().any(|entry| entry[4] != 0);
    sound.then_some(Format::Closed("a disk image"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts and files of other kinds that begin like one of these.
    #[test]
    fn what_only_looks_like_an_archive_is_none() {
        let mut kernel = vec![0x4d; 2048];
        kernel[510..518].copy_from_slice(b"\x55\xaa\xeb\x6aHdrS");
        let mut text = b"<<< not a disk ".repeat(20);
        text.truncate(300);
        for other in [
            &b"]\0 is how this text begins, and it goes on"[..],
            b"\xc7\x71 and no header of cpio follows",
            b"\x1f\x9d\x20",
            b"BZh, said the text",
            b"\x01\0\0\x01\0\x05\0\0\0\0\0\0\0\0 a table of numbers",
            &kernel,
            &kernel[..512],
            &text,
            b"",
        ] {
            assert_eq!(format(other), Format::Other, "{:?}", String::from_utf8_lossy(other));
        }
    }

    #[test]
    fn file_systems_say_what_they_are_behind_room_for_boot_code() {
        for (at, magic, what) in
            IMAGES.iter().chain(&[(1080, &b"\x53\xef\x01"[..], "an ext file system image")])
        {
            let mut bytes = vec![0; DEEP];
            assert!(is_image(&bytes[..HEAD]) && format(&bytes) == Format::Other);
            bytes[*at..*at + magic.len()].copy_from_slice(magic);
            assert_eq!(format(&bytes), Format::Closed(what));
            assert!(*at < HEAD || is_image(&bytes[..HEAD]));
        }
        let mut disk = vec![0; HEAD];
        disk[510..512].copy_from_slice(b"\x55\xaa");
        disk[450] = 0x83;
        assert_eq!(format(&disk), Format::Closed("a disk image"));
    }

    #[test]
    fn frames_to_be_skipped_do_not_hide_what_follows() {
        let skip = |length: u32, nibble: u8| {
            [
                &[0x50 | nibble, 0x2a, 0x4d, 0x18][..],
                &length.to_le_bytes(),
                &vec![1; length as usize],
            ]
            .concat()
        };
        let zstd = [skip(4, 0), skip(0, 15), b"\x28\xb5\x2f\xfd".to_vec()].concat();
        assert_eq!(format(&zstd), Format::Zstd);
        let lz4 = [skip(7, 3), b"\x04\x22\x4d\x18".to_vec()].concat();
        assert_eq!(format(&lz4), Format::Lz4);
        assert!(matches!(format(&[skip(7, 3), b"text".to_vec()].concat()), Format::Closed(_)));
        assert!(matches!(format(&skip(9000, 0)[..HEAD]), Format::Closed(_)));
    }
}
