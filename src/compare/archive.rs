//! Opens what packages are made of, one level at a time: ar, tar, cpio, compressed streams, RPM. Pure and bounded.
//!
//! Unlike `verify::input` this keeps every member's bytes, order, owner and time, because all of them may differ.
//! Sources: ar(5), cpio(5) (newc), the tar crate; for RPM the "format" chapter of rpm's reference manual (lead, header
//! structure, tag numbers).

use std::collections::BTreeMap;
use std::io::Read;

/// Unpacked bytes of one stream.
const MOST_BYTES: u64 = 2 << 30;
/// Members of one archive.
const MOST_MEMBERS: usize = 200_000;

/// A part of an archive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) name: String,
    /// Mode, owner, time, as far as the format has them.
    pub(super) metadata: BTreeMap<&'static str, String>,
    pub(super) bytes: Vec<u8>,
}

impl Node {
    fn new(name: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self { name: name.into(), bytes, ..Self::default() }
    }

    fn with(mut self, key: &'static str, value: impl ToString) -> Self {
        self.metadata.insert(key, value.to_string());
        self
    }
}

/// The parts of an archive or compressed stream; `None` for anything else, and for what is broken.
pub(super) fn open(bytes: &[u8]) -> Option<Vec<Node>> {
    if bytes.starts_with(b"!<arch>\n") {
        return ar(bytes);
    }
    if bytes.starts_with(b"\xed\xab\xee\xdb") {
        return rpm(bytes);
    }
    if bytes.get(257..262) == Some(b"ustar") {
        return tar(bytes);
    }
    if bytes.starts_with(b"070701") {
        return cpio(bytes);
    }
    let name = compression(bytes)?;
    Some(vec![Node::new(format!("({name})"), decompress(name, bytes)?)])
}

fn compression(bytes: &[u8]) -> Option<&'static str> {
    const MAGIC: [(&[u8], &str); 3] =
        [(b"\x1f\x8b", "gzip"), (b"\xfd7zXZ\0", "xz"), (b"\x28\xb5\x2f\xfd", "zstd")];
    MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, name)| *name)
}

fn decompress(name: &str, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let read = match name {
        "gzip" => flate2::read::MultiGzDecoder::new(bytes).take(MOST_BYTES).read_to_end(&mut out),
        "xz" => liblzma::read::XzDecoder::new(bytes).take(MOST_BYTES).read_to_end(&mut out),
        _ => zstd::stream::read::Decoder::new(bytes)
            .and_then(|decoder| decoder.take(MOST_BYTES).read_to_end(&mut out)),
    };
    read.ok().filter(|_| (out.len() as u64) < MOST_BYTES).map(|_| out)
}

/// What differs in the framing of two archives with the same contents.
pub(super) fn framing(a: &[u8], b: &[u8]) -> Vec<String> {
    let gzip =
        |bytes: &[u8]| bytes.starts_with(b"\x1f\x8b").then(|| bytes.get(4..8).map(<[u8]>::to_vec));
    match (gzip(a), gzip(b)) {
        (Some(left), Some(right)) if left != right => {
            vec!["gzip-time: the gzip header holds a time; gzip -n leaves it out".to_owned()]
        }
        _ => vec!["compressor: another version, level or number of threads".to_owned()],
    }
}

fn ar(bytes: &[u8]) -> Option<Vec<Node>> {
    let mut out = Vec::new();
    let mut at = 8;
    while let Some(header) = bytes.get(at..at + 60) {
        let field = |range: std::ops::Range<usize>| {
            String::from_utf8_lossy(&header[range]).trim().to_owned()
        };
        let size: usize = field(48..58).parse().ok()?;
        let start = at + 60;
        let end = start.checked_add(size)?;
        let name = field(0..16).trim_end_matches('/').to_owned();
        out.push(
            Node::new(name, bytes.get(start..end)?.to_vec())
                .with("time", field(16..28))
                .with("owner", format!("{}/{}", field(28..34), field(34..40)))
                .with("mode", field(40..48)),
        );
        at = end + size % 2;
        if MOST_MEMBERS < out.len() {
            return None;
        }
    }
    Some(out)
}

fn tar(bytes: &[u8]) -> Option<Vec<Node>> {
    let mut out = Vec::new();
    let mut archive = tar::Archive::new(bytes);
    for entry in archive.entries().ok()?.take(MOST_MEMBERS) {
        let mut entry = entry.ok()?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let header = entry.header().clone();
        let link = entry.link_name_bytes().map(|link| String::from_utf8_lossy(&link).into_owned());
        let mut contents = Vec::new();
        (&mut entry).take(MOST_BYTES).read_to_end(&mut contents).ok()?;
        let user = header.username().ok().flatten().unwrap_or("").to_owned();
        let group = header.groupname().ok().flatten().unwrap_or("").to_owned();
        let (uid, gid) = (header.uid().unwrap_or(0), header.gid().unwrap_or(0));
        out.push(
            Node::new(name, contents)
                .with("mode", format!("{:o}", header.mode().unwrap_or(0)))
                .with("owner", format!("{user}({uid})/{group}({gid})"))
                .with("time", header.mtime().unwrap_or(0))
                .with("kind", format!("{:?}", header.entry_type()))
                .with("link", link.unwrap_or_default()),
        );
    }
    Some(out)
}

fn cpio(bytes: &[u8]) -> Option<Vec<Node>> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(header) = bytes.get(at..at + 110).filter(|h| h.starts_with(b"070701")) {
        let field = |index: usize| {
            let start = 6 + index * 8;
            let text = std::str::from_utf8(header.get(start..start + 8)?).ok()?;
            usize::from_str_radix(text, 16).ok()
        };
        let (size, length) = (field(6)?, field(11)?);
        let name = bytes.get(at + 110..(at + 110).checked_add(length)?)?;
        let name = String::from_utf8_lossy(name).trim_end_matches('\0').to_owned();
        let start = (at + 110 + length).next_multiple_of(4);
        let end = start.checked_add(size)?;
        if name == "TRAILER!!!" {
            break;
        }
        out.push(
            Node::new(name, bytes.get(start..end)?.to_vec())
                .with("mode", format!("{:o}", field(1)?))
                .with("owner", format!("{}/{}", field(2)?, field(3)?))
                .with("time", field(5)?),
        );
        at = end.next_multiple_of(4);
        if MOST_MEMBERS < out.len() {
            return None;
        }
    }
    Some(out)
}

/// Tags of the signature that mean something else in the header.
const SIGNATURE_TAGS: [(u32, &str); 3] =
    [(1000, "header and payload size"), (1004, "header and payload md5"), (1007, "payload size")];

/// Tags worth a name; others are shown by number.
const TAGS: [(u32, &str); 35] = [
    (62, "signed region"),
    (63, "immutable region"),
    (257, "signature size"),
    (261, "signature md5"),
    (267, "dsa signature"),
    (268, "rsa signature"),
    (269, "header sha1"),
    (273, "header sha256"),
    (278, "openpgp signature"),
    (1000, "name"),
    (1001, "version"),
    (1002, "release"),
    (1004, "summary"),
    (1005, "description"),
    (1006, "build time"),
    (1007, "build host"),
    (1009, "size"),
    (1014, "licence"),
    (1028, "file sizes"),
    (1030, "file modes"),
    (1034, "file times"),
    (1035, "file digests"),
    (1036, "file links"),
    (1049, "requires"),
    (1064, "rpm version"),
    (1080, "change times"),
    (1094, "cookie"),
    (1113, "provides versions"),
    (1117, "file names"),
    (1118, "directory names"),
    (1122, "compiler flags"),
    (1132, "platform"),
    (1142, "file classes"),
    (5092, "payload digest"),
    (5097, "payload digest, unpacked"),
];

/// Lead, signature, header tag by tag, payload.
fn rpm(bytes: &[u8]) -> Option<Vec<Node>> {
    let mut out = vec![Node::new("lead", bytes.get(..96)?.to_vec())];
    let (signature, after) = header(bytes, 96, &SIGNATURE_TAGS)?;
    out.extend(signature.into_iter().map(|node| prefixed("signature", node)));
    let (main, payload) = header(bytes, after.next_multiple_of(8), &[])?;
    out.extend(main.into_iter().map(|node| prefixed("header", node)));
    out.push(Node::new("payload", bytes.get(payload..)?.to_vec()));
    Some(out)
}

fn prefixed(part: &str, node: Node) -> Node {
    Node { name: format!("{part}: {}", node.name), ..node }
}

/// One header structure: its tags, and where it ends.
fn header(bytes: &[u8], at: usize, own: &[(u32, &str)]) -> Option<(Vec<Node>, usize)> {
    let number = |at: usize| {
        let four = bytes.get(at..at.checked_add(4)?)?;
        Some(u32::from_be_bytes([four[0], four[1], four[2], four[3]]))
    };
    if bytes.get(at..at + 4) != Some(b"\x8e\xad\xe8\x01") {
        return None;
    }
    let count = usize::try_from(number(at + 8)?).ok().filter(|count| *count < 65_536)?;
    let size = usize::try_from(number(at + 12)?).ok()?;
    let store = at.checked_add(16 + count * 16)?;
    let end = store.checked_add(size)?;
    let data = bytes.get(store..end)?;
    let mut entries = Vec::new();
    for index in 0..count {
        let entry = at + 16 + index * 16;
        let (tag, kind) = (number(entry)?, number(entry + 4)?);
        let offset = usize::try_from(number(entry + 8)?).ok()?;
        entries.push((tag, kind, offset));
    }
    let mut starts: Vec<usize> = entries.iter().map(|(_, _, offset)| *offset).collect();
    starts.sort_unstable();
    let nodes = entries
        .iter()
        // The regions hold the other tags' index: they differ when anything does.
        .filter(|(tag, _, _)| !matches!(tag, 62 | 63))
        .filter_map(|(tag, kind, offset)| {
            let next = starts.iter().find(|start| offset < *start).copied().unwrap_or(size);
            let name = own
                .iter()
                .chain(&TAGS)
                .find(|(known, _)| known == tag)
                .map_or_else(|| format!("tag {tag}"), |(_, name)| (*name).to_owned());
            Some(Node::new(name, readable(*kind, data.get(*offset..next)?)))
        })
        .collect();
    Some((nodes, end))
}

/// Numbers and strings as lines, so that they are compared as text.
fn readable(kind: u32, data: &[u8]) -> Vec<u8> {
    match kind {
        4 => {
            let numbers =
                data.chunks_exact(4).map(|c| u32::from_be_bytes([c[0], c[1], c[2], c[3]]));
            numbers.flat_map(|number| format!("{number}\n").into_bytes()).collect()
        }
        6 | 8 | 9 => {
            String::from_utf8_lossy(data).trim_end_matches('\0').replace('\0', "\n").into_bytes()
        }
        _ => data.to_vec(),
    }
}
