//! The header of an rpm: which files, with which rights, and the scripts. Pure.
//!
//! Read here and not by the `rpm` crate (0.30): that one panics on offsets outside of the header. Every count and offset
//! below comes from the file and is checked against it. Source: rpm, docs/manual/format_v4.md and lib/rpmtag.h.

use std::io::Read;

use super::entry::Facts;
use super::rpm_tags;
use super::stream::head;

/// The lead, of which nothing but its length matters any more.
const LEAD: usize = 96;
/// Index or data of a header. rpm takes 256 MiB of data; that of 400,000 files has 40.
const MAX_HEADER: usize = 64 << 20;
/// `RPMFILE_GHOST`: listed, not in the payload.
const GHOST: u32 = 1 << 6;

const PREIN: u32 = 1023;
const POSTIN: u32 = 1024;
const OLDFILENAMES: u32 = 1027;
const FILESIZES: u32 = 1028;
const FILEMODES: u32 = 1030;
const FILERDEVS: u32 = 1033;
const FILEMTIMES: u32 = 1034;
const FILELINKTOS: u32 = 1036;
const FILEFLAGS: u32 = 1037;
const FILEUSERNAME: u32 = 1039;
const FILEGROUPNAME: u32 = 1040;
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
    pub(super) facts: Facts,
}

/// A package without its payload.
pub(super) struct Package {
    pub(super) lead: Vec<u8>,
    pub(super) signature: Header,
    /// What is signed.
    pub(super) header: Header,
}

/// One header: its beginning, its index and its data.
pub(crate) struct Header {
    bytes: Vec<u8>,
    /// Where the data begins.
    data: usize,
}

/// The header that is signed; the reader stands at the payload then.
pub(crate) fn signed_header(reader: &mut dyn Read) -> Result<Header, String> {
    package(reader).map(|package| package.header)
}

/// Reads a package up to its payload.
pub(super) fn package(reader: &mut dyn Read) -> Result<Package, String> {
    let lead = read(reader, LEAD)?;
    if lead.len() < LEAD {
        return Err("the lead is cut short".to_owned());
    }
    let signature = header(reader)?;
    // The signature is padded to eight bytes, the header is not.
    let length = signature.bytes.len();
    let padding = length.next_multiple_of(8) - length;
    if read(reader, padding)?.len() < padding {
        return Err("the signature is cut short".to_owned());
    }
    Ok(Package { lead, signature, header: header(reader)? })
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
    let index = entries.checked_mul(16).filter(|index| *index <= MAX_HEADER);
    let index = index.ok_or("a header has too many entries")?;
    if data > MAX_HEADER {
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

    /// (name, text) of the scripts that run when the package is installed.
    pub(super) fn scripts(&self) -> Vec<(&'static str, String)> {
        [("%pre", PREIN), ("%post", POSTIN), ("%pretrans", PRETRANS), ("%posttrans", POSTTRANS)]
            .into_iter()
            .filter_map(|(name, tag)| Some((name, self.strings(tag).into_iter().next()?)))
            .collect()
    }

    /// Every tag by its name, with its values line by line where they are numbers or texts.
    ///
    /// Tags that share values are refused: of many such a small header would become a large list.
    pub(super) fn tags(&self, in_signature: bool) -> Result<Vec<(String, Vec<u8>)>, String> {
        let store = self.bytes.get(self.data..).unwrap_or_default();
        let index = self.bytes.get(16..self.data).unwrap_or_default();
        let place = |entry: &[u8]| word(entry, 8).and_then(|at| usize::try_from(at).ok());
        // What stands behind a tag's values up to the next one's belongs to it.
        let mut starts: Vec<usize> = index.chunks_exact(16).filter_map(place).collect();
        starts.sort_unstable();
        if starts.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err("two tags of a header share their values".to_owned());
        }
        let mut out = Vec::new();
        for entry in index.chunks_exact(16) {
            let (Some(tag), Some(kind), Some(start)) =
                (word(entry, 0), word(entry, 4), place(entry))
            else {
                continue;
            };
            // The regions hold the other tags' index: they differ when anything does.
            if matches!(tag, 62 | 63) {
                continue;
            }
            let next = starts.get(starts.partition_point(|other| *other <= start));
            let end = next.copied().unwrap_or(store.len()).min(store.len());
            let data = store.get(start..end).unwrap_or_default();
            let count = word(entry, 12).and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
            out.push((rpm_tags::name(tag, in_signature), readable(kind, count, data)));
        }
        Ok(out)
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
        self.find(tag).map_or_else(Vec::new, |(count, data)| numbers(data, count, width).collect())
    }
}

/// Numbers and texts as lines; anything else as it is.
fn readable(kind: u32, count: usize, data: &[u8]) -> Vec<u8> {
    let width = match kind {
        // INT8, INT16, INT32, INT64
        2..=5 => 1 << (kind - 2),
        // STRING, STRING_ARRAY, I18NSTRING
        6 | 8 | 9 => {
            let text = String::from_utf8_lossy(data);
            return text.trim_end_matches('\0').replace('\0', "\n").into_bytes();
        }
        _ => return data.to_vec(),
    };
    let lines = numbers(data, count, width).map(|number| format!("{number}\n"));
    lines.collect::<String>().into_bytes()
}

/// Numbers of `width` bytes, big-endian.
fn numbers(data: &[u8], count: usize, width: usize) -> impl Iterator<Item = u64> {
    let number = |bytes: &[u8]| bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    data.chunks_exact(width).take(count).map(number)
}

/// What the header says of every file.
pub(super) fn files(header: &Header) -> Result<Vec<Listed>, String> {
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
    let (users, groups) = (header.strings(FILEUSERNAME), header.strings(FILEGROUPNAME));
    let (times, devices) = (header.numbers(FILEMTIMES, 4), header.numbers(FILERDEVS, 2));
    let facts = |index: usize| {
        let text = |list: &[String]| list.get(index).cloned().unwrap_or_default();
        let number = |list: &[u64]| list.get(index).map_or_else(String::new, u64::to_string);
        let mode = modes.get(index).map_or(0, |mode| mode & 0o7777);
        let facts = [
            ("mode", format!("{mode:o}")),
            ("owner", format!("{}/{}", text(&users), text(&groups))),
            ("time", number(&times)),
            ("device", number(&devices)),
            ("flags", flags.get(index).map_or_else(String::new, |flags| flag_names(*flags))),
        ];
        facts.map(|(name, words)| (name.into(), words)).into_iter().collect()
    };
    let listed = |(index, path): (usize, String)| Listed {
        facts: facts(index),
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

/// What rpm does with a file, in the words of spec files. Source: rpm, include/rpm/rpmfiles.h.
fn flag_names(flags: u64) -> String {
    const NAMES: &[(u64, &str)] = &[
        (1, "config"),
        (1 << 1, "doc"),
        (1 << 3, "missingok"),
        (1 << 4, "noreplace"),
        (1 << 6, "ghost"),
        (1 << 7, "license"),
        (1 << 8, "readme"),
        (1 << 11, "pubkey"),
        (1 << 12, "artifact"),
    ];
    let known = NAMES.iter().filter(|(bit, _)| flags & bit != 0);
    let rest = NAMES.iter().fold(flags, |rest, (bit, _)| rest & !bit);
    let mut names: Vec<String> = known.map(|(_, name)| (*name).to_owned()).collect();
    if rest != 0 {
        names.push(format!("{rest:#x}"));
    }
    names.join(", ")
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
        let files = files(&package.header).unwrap();
        let said: Vec<_> = files
            .iter()
            .map(|file| (file.path.as_str(), file.mode, file.capabilities.as_deref()))
            .collect();
        assert_eq!(
            said,
            [("/usr/bin/a", 0o104_755, None), ("/usr/bin/b", 0o100_644, Some("cap_net_raw=ep"))]
        );
        assert_eq!(package.header.scripts(), [("%post", "true".to_owned())]);
        assert_eq!(reader, b"payload");
    }

    #[test]
    fn whatever_stands_in_it_is_an_answer() {
        let bytes = whole();
        for at in LEAD..bytes.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut changed = bytes.clone();
                changed[at] = value;
                if let Ok(package) = package(&mut changed.as_slice()) {
                    let _ = (files(&package.header), package.header.tags(false));
                }
            }
            let end = bytes.len() - 7;
            assert!(at >= end || package(&mut &bytes[..at]).is_err(), "cut at {at}");
        }
    }
}
