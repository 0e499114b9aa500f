//! The header of an rpm: which files, with which rights, and the scripts. Pure.
//!
//! Read here and not by the `rpm` crate (0.30): that one panics on offsets outside of the header. Every count and offset
//! below comes from the file and is checked against it. Source: rpm, docs/manual/format_v4.md and lib/rpmtag.h.

use std::io::Read;

use super::stream::head;

/// The lead, of which nothing but its length matters any more.
const LEAD: usize = 96;
/// Index or data of a header. rpm takes 256 MiB of data; that of 400,000 files has 40.
const MOST_HEADER: usize = 64 << 20;
/// `RPMFILE_GHOST`: listed, not in the payload.
const GHOST: u32 = 1 << 6;

const PREIN: u32 = 1023;
const POSTIN: u32 = 1024;
const OLDFILENAMES: u32 = 1027;
const FILESIZES: u32 = 1028;
const FILEMODES: u32 = 1030;
const FILELINKTOS: u32 = 1036;
const FILEFLAGS: u32 = 1037;
const DIRINDEXES: u32 = 1116;
const BASENAMES: u32 = 1117;
const DIRNAMES: u32 = 1118;
const PRETRANS: u32 = 1151;
const POSTTRANS: u32 = 1152;
const LONGFILESIZES: u32 = 5008;
const FILECAPS: u32 = 5010;
/// The payload's digest before it was compressed.
const PAYLOADSHA256ALT: u32 = 5097;

/// What the header says of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    /// As it stands in the header.
    pub(super) path: String,
    /// Kind and permissions.
    pub(super) mode: u32,
    pub(super) capabilities: Option<String>,
    pub(super) target: String,
    pub(super) size: u64,
    pub(super) ghost: bool,
}

/// A package without its payload.
#[derive(Debug)]
pub(super) struct Package {
    pub(super) files: Vec<Listed>,
    /// (name, text) of the scripts that run when it is installed.
    pub(super) scripts: Vec<(&'static str, String)>,
}

/// One header: its beginning, its index and its data.
pub(crate) struct Header {
    bytes: Vec<u8>,
    /// Where the data begins.
    data: usize,
}

/// The header that is signed; the reader stands at the payload then.
pub(crate) fn signed_header(reader: &mut dyn Read) -> Result<Header, String> {
    if read(reader, LEAD)?.len() < LEAD {
        return Err("the lead is cut short".to_owned());
    }
    let signature = header(reader)?;
    // The signature is padded to eight bytes, the header is not.
    let length = signature.bytes.len();
    let padding = length.next_multiple_of(8) - length;
    if read(reader, padding)?.len() < padding {
        return Err("the signature is cut short".to_owned());
    }
    header(reader)
}

/// Reads a package up to its payload.
pub(super) fn package(reader: &mut dyn Read) -> Result<Package, String> {
    let header = signed_header(reader)?;
    let scripts =
        [("%pre", PREIN), ("%post", POSTIN), ("%pretrans", PRETRANS), ("%posttrans", POSTTRANS)];
    Ok(Package {
        files: files(&header)?,
        scripts: scripts
            .into_iter()
            .filter_map(|(name, tag)| Some((name, header.strings(tag).into_iter().next()?)))
            .collect(),
    })
}

fn read(reader: &mut dyn Read, most: usize) -> Result<Vec<u8>, String> {
    head(reader, most).map_err(|error| error.to_string())
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_be_bytes)
}

/// The header that comes next.
fn header(reader: &mut dyn Read) -> Result<Header, String> {
    let mut bytes = read(reader, 16)?;
    if !bytes.starts_with(b"\x8e\xad\xe8\x01") {
        return Err("no header where one should be".to_owned());
    }
    let size = |at: usize| {
        word(&bytes, at).and_then(|size| usize::try_from(size).ok()).ok_or("a header is cut short")
    };
    let (entries, data) = (size(8)?, size(12)?);
    let index = entries.checked_mul(16).filter(|index| *index <= MOST_HEADER);
    let index = index.ok_or("a header has too many entries")?;
    if data > MOST_HEADER {
        return Err("a header is too large".to_owned());
    }
    bytes.append(&mut read(reader, index + data)?);
    if bytes.len() < 16 + index + data {
        return Err("a header is cut short".to_owned());
    }
    Ok(Header { bytes, data: 16 + index })
}

impl Header {
    /// As it stands in the package.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Digest of the payload before it was compressed.
    pub(crate) fn unpacked(&self) -> Option<String> {
        self.strings(PAYLOADSHA256ALT).into_iter().next()
    }

    /// Number of values of a tag, and the data from its first on.
    fn find(&self, tag: u32) -> Option<(usize, &[u8])> {
        let index = self.bytes.get(16..self.data)?;
        let entry = index.chunks_exact(16).find(|entry| word(entry, 0) == Some(tag))?;
        let offset = usize::try_from(word(entry, 8)?).ok()?;
        let count = usize::try_from(word(entry, 12)?).ok()?;
        Some((count, self.bytes.get(self.data..)?.get(offset..)?))
    }

    /// Texts; as many as there are, whatever the count says.
    fn strings(&self, tag: u32) -> Vec<String> {
        let Some((count, data)) = self.find(tag) else { return Vec::new() };
        let texts = data.split_inclusive(|byte| *byte == 0).take(count);
        let whole = texts.filter_map(|text| text.strip_suffix(b"\0"));
        whole.map(|text| String::from_utf8_lossy(text).into_owned()).collect()
    }

    /// Numbers of `width` bytes, big-endian.
    fn numbers(&self, tag: u32, width: usize) -> Vec<u64> {
        let Some((count, data)) = self.find(tag) else { return Vec::new() };
        let number = |bytes: &[u8]| bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        data.chunks_exact(width).take(count).map(number).collect()
    }
}

fn files(header: &Header) -> Result<Vec<Listed>, String> {
    let (names, directories) = (header.strings(BASENAMES), header.strings(DIRNAMES));
    let indexes = header.numbers(DIRINDEXES, 4);
    let paths: Vec<String> = if names.is_empty() {
        header.strings(OLDFILENAMES)
    } else {
        let directory = |index: usize| {
            let index = indexes.get(index).and_then(|index| usize::try_from(*index).ok())?;
            directories.get(index)
        };
        let path = |(index, name): (usize, &String)| Some(format!("{}{name}", directory(index)?));
        let paths: Option<Vec<String>> = names.iter().enumerate().map(path).collect();
        paths.ok_or("a file of the header has no directory")?
    };
    let modes = header.numbers(FILEMODES, 2);
    if modes.len() != paths.len() {
        return Err(format!("the header has {} files and {} modes", paths.len(), modes.len()));
    }
    let (flags, targets) = (header.numbers(FILEFLAGS, 4), header.strings(FILELINKTOS));
    let capabilities = header.strings(FILECAPS);
    let long = header.numbers(LONGFILESIZES, 8);
    let sizes = if long.is_empty() { header.numbers(FILESIZES, 4) } else { long };
    let listed = |(index, path): (usize, String)| Listed {
        path,
        mode: modes.get(index).and_then(|mode| u32::try_from(*mode).ok()).unwrap_or(0),
        // rpm stores an empty text for files without.
        capabilities: capabilities
            .get(index)
            .filter(|text| !matches!(text.as_str(), "" | "="))
            .cloned(),
        target: targets.get(index).cloned().unwrap_or_default(),
        size: sizes.get(index).copied().unwrap_or(0),
        ghost: flags.get(index).is_some_and(|flags| flags & u64::from(GHOST) != 0),
    };
    Ok(paths.into_iter().enumerate().map(listed).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header of (tag, type, count, data) entries.
    fn encode(entries: &[(u32, u32, u32, Vec<u8>)]) -> Vec<u8> {
        let (mut index, mut data) = (Vec::new(), Vec::new());
        for (tag, kind, count, bytes) in entries {
            for word in [*tag, *kind, u32::try_from(data.len()).unwrap(), *count] {
                index.extend(word.to_be_bytes());
            }
            data.extend(bytes);
        }
        let mut out = b"\x8e\xad\xe8\x01\0\0\0\0".to_vec();
        out.extend(u32::try_from(entries.len()).unwrap().to_be_bytes());
        out.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
        [out, index, data].concat()
    }

    fn whole() -> Vec<u8> {
        let signature = encode(&[]);
        let header = encode(&[
            (BASENAMES, 8, 2, b"a\0b\0".to_vec()),
            (DIRNAMES, 8, 1, b"/usr/bin/\0".to_vec()),
            (DIRINDEXES, 4, 2, vec![0; 8]),
            (FILEMODES, 3, 2, vec![0x89, 0xed, 0x81, 0xa4]),
            (FILECAPS, 8, 2, b"\0cap_net_raw=ep\0".to_vec()),
            (POSTIN, 6, 1, b"true\0".to_vec()),
        ]);
        [vec![0; LEAD], signature, header, b"payload".to_vec()].concat()
    }

    #[test]
    fn files_rights_and_scripts_are_read() {
        let bytes = whole();
        let mut reader = bytes.as_slice();
        let package = package(&mut reader).unwrap();
        let said: Vec<_> = package
            .files
            .iter()
            .map(|file| (file.path.as_str(), file.mode, file.capabilities.as_deref()))
            .collect();
        assert_eq!(
            said,
            [("/usr/bin/a", 0o104_755, None), ("/usr/bin/b", 0o100_644, Some("cap_net_raw=ep"))]
        );
        assert_eq!(package.scripts, [("%post", "true".to_owned())]);
        assert_eq!(reader, b"payload");
    }

    #[test]
    fn whatever_stands_in_it_is_an_answer() {
        let bytes = whole();
        for at in LEAD..bytes.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut changed = bytes.clone();
                changed[at] = value;
                let _ = package(&mut changed.as_slice());
            }
            let end = bytes.len() - 7;
            assert!(at >= end || package(&mut &bytes[..at]).is_err(), "cut at {at}");
        }
    }
}
