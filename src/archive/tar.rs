//! tar: ustar, GNU and pax, and what was before them. Pure.
//!
//! The fields of a header are read by the `tar` crate; the blocks are gone through here, because an archive is judged
//! and compared by what every header says, extended ones too, and each of them must be bounded. Sources: POSIX pax
//! (ustar and extended headers), GNU tar's manual ("Basic Tar Format", "Sparse Formats"), star(5) and libarchive's
//! tar(5) for extended attributes.

use std::borrow::Cow;
use std::io::{Error, Read, Result};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD_INDIFFERENT as BASE64;
use sha2::{Digest, Sha256};

use super::capability::capabilities;
use super::deb::MAX_SCRIPT;
use super::entry::{Entry, Facts, Members, words};
use super::opener::{Attributes, Opener, StreamState};
use super::stream::{head, short};
use super::{Kind, UNSAFE};
use crate::finding::of_bytes;

/// Long names and extended headers; a real one has a few hundred bytes.
const MAX_HEADER: usize = 1 << 20;
/// Extended headers in front of one member; real ones have three.
const MAX_EXTENDED: usize = 16;
const BLOCK: usize = 512;
/// Scripts that package managers run: pacman's (alpm-install-scriptlet(5)) and apk's (apk-package(5)).
const SCRIPTS: &[&str] = &[
    "/.INSTALL",
    "/.pre-install",
    "/.post-install",
    "/.pre-upgrade",
    "/.post-upgrade",
    "/.pre-deinstall",
    "/.post-deinstall",
    "/.trigger",
];

/// What the extended headers before an entry say of it.
#[derive(Default)]
struct Extended {
    path: Option<String>,
    /// The name of a sparse file; the other one is made up for readers that know none.
    sparse_name: Option<String>,
    link: Option<String>,
    size: Option<u64>,
    capabilities: Option<String>,
    sparse: bool,
    uid: Option<String>,
    gid: Option<String>,
    user: Option<String>,
    group: Option<String>,
    facts: Facts,
}

/// Goes through a tar, header by header.
pub(super) struct Tar<'r> {
    reader: &'r mut dyn Read,
    /// What of the member was not read.
    left: u64,
    padding: u64,
    /// What global extended headers say.
    global: Facts,
    /// Bytes of them.
    globals: usize,
}

impl<'r> Tar<'r> {
    pub(super) fn new(reader: &'r mut dyn Read) -> Self {
        Self { reader, left: 0, padding: 0, global: Facts::new(), globals: 0 }
    }

    /// What global extended headers said so far.
    pub(super) fn global(self) -> Facts {
        self.global
    }

    /// The next block that is no contents; `None` at the end.
    fn header(&mut self) -> Result<Option<tar::Header>> {
        std::io::copy(self, &mut std::io::sink())?;
        let padding = std::mem::take(&mut self.padding);
        if std::io::copy(&mut (&mut *self.reader).take(padding), &mut std::io::sink())? < padding {
            return Err(short());
        }
        let mut header = tar::Header::new_old();
        let block = head(self.reader, BLOCK)?;
        if block.iter().all(|byte| *byte == 0) && matches!(block.len(), 0 | BLOCK) {
            return Ok(None);
        }
        if block.len() < BLOCK {
            return Err(short());
        }
        header.as_mut_bytes().copy_from_slice(&block);
        // The field of the sum itself counts as eight spaces.
        let sum =
            block[..148].iter().chain(&block[156..]).map(|byte| u32::from(*byte)).sum::<u32>();
        if header.cksum()? != sum + 8 * 32 {
            return Err(Error::other("archive header checksum mismatch"));
        }
        self.left = header.entry_size()?;
        let end = self.left.checked_next_multiple_of(BLOCK as u64);
        self.padding = end.ok_or_else(|| Error::other("size overflow"))? - self.left;
        Ok(Some(header))
    }

    /// The contents of an extended header.
    fn extended(&mut self) -> Result<Vec<u8>> {
        let bytes = head(self, MAX_HEADER)?;
        if self.left > 0 {
            return Err(Error::other("an extended header has more than 1 MiB"));
        }
        Ok(bytes)
    }

    fn text(&mut self) -> Result<String> {
        Ok(of_bytes(&self.extended()?).trim_end_matches('\0').to_owned())
    }

    fn member(&mut self, header: &tar::Header, extended: Extended) -> Result<Entry> {
        // Two sizes are how one archive becomes two, each unpacker seeing its own.
        if extended.size.is_some_and(|other| other != self.left) {
            return Err(Error::other("two sizes for one member"));
        }
        let sparse = self.sparse_map(header)?;
        let path = extended.sparse_name.or(extended.path);
        let path = path.unwrap_or_else(|| of_bytes(&header.path_bytes()));
        let link = extended.link.or_else(|| header.link_name_bytes().map(|bytes| of_bytes(&bytes)));
        let is_sparse = extended.sparse || sparse.is_some();
        let kind = kind(header.entry_type(), link.clone().unwrap_or_default(), is_sparse);
        let mut entry = Entry::new(path, kind, header.mode().unwrap_or(0o7777) & 0o7777);
        if header.entry_type() == tar::EntryType::Link {
            entry.hard_link = Some(link.unwrap_or_default());
        }
        let old = header.as_old();
        let name = |name: Option<&[u8]>| name.map(of_bytes).unwrap_or_default();
        let user = extended.user.unwrap_or_else(|| name(header.username_bytes()));
        let group = extended.group.unwrap_or_else(|| name(header.groupname_bytes()));
        let uid = extended.uid.unwrap_or_else(|| number(header.uid(), &old.uid));
        let gid = extended.gid.unwrap_or_else(|| number(header.gid(), &old.gid));
        entry.fact("mode", number(header.mode().map(|mode| format!("{mode:o}")), &old.mode));
        entry.fact("owner", format!("{user}({uid})/{group}({gid})"));
        entry.fact("time", number(header.mtime(), &old.mtime));
        if let Kind::Device(_) = entry.kind {
            let part = |number: Result<Option<u32>>| match number {
                Ok(number) => number.unwrap_or(0).to_string(),
                Err(error) => error.to_string(),
            };
            let (major, minor) = (part(header.device_major()), part(header.device_minor()));
            entry.fact("device", format!("{major},{minor}"));
        }
        if let Some(gnu) = header.as_gnu() {
            for (name, field) in [("access time", &gnu.atime), ("change time", &gnu.ctime)] {
                if field.iter().any(|byte| !matches!(byte, 0 | b' ')) {
                    entry.fact(name, words(field));
                }
            }
        }
        if let Some(sparse) = sparse {
            entry.fact("holes", sparse);
        }
        // pax has the last word on times.
        entry.facts.extend(extended.facts);
        entry.capabilities = extended.capabilities;
        Ok(entry)
    }

    /// Where the pieces of GNU's sparse member stand. Blocks that say more of them come before the contents and are not
    /// counted in its size.
    fn sparse_map(&mut self, header: &tar::Header) -> Result<Option<String>> {
        let gnu = header.as_gnu().filter(|_| header.entry_type() == tar::EntryType::GNUSparse);
        let Some(gnu) = gnu else { return Ok(None) };
        let mut map = Sha256::new();
        for piece in &gnu.sparse {
            map.update(piece.offset);
            map.update(piece.numbytes);
        }
        let mut more = gnu.is_extended();
        while more {
            let mut block = tar::GnuExtSparseHeader::new();
            let bytes = head(self.reader, BLOCK)?;
            if bytes.len() < BLOCK {
                return Err(short());
            }
            block.as_mut_bytes().copy_from_slice(&bytes);
            map.update(&bytes);
            more = block.is_extended();
        }
        let size = number(gnu.real_size(), &gnu.realsize);
        Ok(Some(format!("{size} bytes with holes, map {}", hex::encode(map.finalize()))))
    }
}

impl Members for Tar<'_> {
    fn next(&mut self) -> Result<Option<Entry>> {
        use tar::EntryType;
        let (mut extended, mut some) = (Extended::default(), false);
        for _ in 0..=MAX_EXTENDED {
            let Some(header) = self.header()? else {
                let left = some.then(|| Error::other("an extended header without a member"));
                return left.map_or(Ok(None), Err);
            };
            match header.entry_type() {
                EntryType::GNULongName => extended.path = Some(self.text()?),
                EntryType::GNULongLink => extended.link = Some(self.text()?),
                EntryType::XHeader => {
                    pax(&self.extended()?, |key, value| extended.record(key, value))?;
                }
                EntryType::XGlobalHeader => {
                    let bytes = self.extended()?;
                    self.globals += bytes.len();
                    if self.globals > MAX_HEADER {
                        return Err(Error::other("global extended headers have more than 1 MiB"));
                    }
                    pax(&bytes, |key, value| {
                        append(&mut self.global, &format!("global {}", of_bytes(key)), value);
                        Some(())
                    })?;
                    continue;
                }
                _ => return self.member(&header, extended).map(Some),
            }
            some = true;
        }
        Err(Error::other("too many extended headers in front of a member"))
    }
}

impl Read for Tar<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let read = (&mut *self.reader).take(self.left).read(buffer)?;
        if read == 0 && self.left > 0 && !buffer.is_empty() {
            return Err(short());
        }
        self.left -= read as u64;
        Ok(read)
    }
}

fn kind(kind: tar::EntryType, link: String, sparse: bool) -> Kind {
    use tar::EntryType;
    match kind {
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse if sparse => {
            Kind::Closed("a sparse member".to_owned())
        }
        EntryType::Regular | EntryType::Continuous | EntryType::Link => Kind::File,
        EntryType::Symlink => Kind::Link(link),
        EntryType::Directory => Kind::Directory,
        EntryType::Block => Kind::Device("block device"),
        EntryType::Char => Kind::Device("character device"),
        EntryType::Fifo => Kind::Device("fifo"),
        other => Kind::Closed(format!("a tar member of type {:?}", other.as_byte() as char)),
    }
}

/// A number, or what stands where one should be.
fn number(number: Result<impl ToString>, raw: &[u8]) -> String {
    number.map_or_else(|_| format!("unreadable {}", words(raw)), |number| number.to_string())
}

/// Keys may come more than once.
fn append(facts: &mut Facts, key: &str, value: &[u8]) {
    let all = facts.entry(Cow::Owned(key.to_owned())).or_default();
    if !all.is_empty() {
        all.push_str("; ");
    }
    all.push_str(&words(value));
}

impl Extended {
    /// One record of a pax header; `None` when it cannot be read.
    fn record(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        let text = || of_bytes(value);
        match key {
            b"path" => self.path = Some(text()),
            b"GNU.sparse.name" => self.sparse_name = Some(text()),
            b"linkpath" => self.link = Some(text()),
            b"size" => self.size = Some(text().parse().ok()?),
            b"uid" => self.uid = Some(text()),
            b"gid" => self.gid = Some(text()),
            b"uname" => self.user = Some(text()),
            b"gname" => self.group = Some(text()),
            b"mtime" => drop(self.facts.insert(Cow::Borrowed("time"), text())),
            b"SCHILY.acl.access" => append(&mut self.facts, "access list", value),
            b"SCHILY.acl.default" => append(&mut self.facts, "default access list", value),
            b"RHT.security.selinux" => self.attribute("security.selinux", value),
            _ => self.other(key, value),
        }
        self.sparse |= key.starts_with(b"GNU.sparse.");
        Some(())
    }

    fn other(&mut self, key: &[u8], value: &[u8]) {
        if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
            return self.attribute(&of_bytes(name), value);
        }
        // libarchive's own: the name as in a URL, the value in base64.
        let packed = key.strip_prefix(b"LIBARCHIVE.xattr.");
        let value_of = |_| BASE64.decode(value.trim_ascii()).ok();
        if let Some((name, value)) = packed.and_then(|name| Some((name, value_of(name)?))) {
            return self.attribute(&of_bytes(&unquoted(name)), &value);
        }
        append(&mut self.facts, &format!("pax {}", of_bytes(key)), value);
    }

    /// An extended attribute. Writers say it in two ways, so that many readers know one of them.
    fn attribute(&mut self, name: &str, value: &[u8]) {
        if name == "security.capability" {
            let more = capabilities(value);
            match &mut self.capabilities {
                Some(known) if *known != more => known.push_str(&format!(" or {more}")),
                known => *known = Some(more),
            }
            return;
        }
        let key = format!("attribute {name}");
        if self.facts.get(key.as_str()).is_none_or(|known| *known != words(value)) {
            append(&mut self.facts, &key, value);
        }
    }
}

/// `%XX` stand for bytes.
fn unquoted(name: &[u8]) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), name);
    while let [first, after @ ..] = rest {
        let digits = after.get(..2).filter(|_| *first == b'%');
        let byte = digits
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        out.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    out
}

/// The records of a pax header: `LENGTH KEY=VALUE\n`. Values may hold newlines, so lengths count.
fn pax(bytes: &[u8], mut record: impl FnMut(&[u8], &[u8]) -> Option<()>) -> Result<()> {
    let fault = || Error::other("a pax header cannot be read");
    let mut rest = bytes;
    while !rest.is_empty() && rest[0] != 0 {
        let space = rest.iter().position(|byte| *byte == b' ').ok_or_else(fault)?;
        let length = std::str::from_utf8(&rest[..space]).ok().and_then(|text| text.parse().ok());
        let (line, after) =
            length.and_then(|length: usize| rest.split_at_checked(length)).ok_or_else(fault)?;
        let line = line.get(space + 1..).and_then(|line| line.strip_suffix(b"\n"));
        let line = line.ok_or_else(fault)?;
        let equals = line.iter().position(|byte| *byte == b'=').ok_or_else(fault)?;
        record(&line[..equals], &line[equals + 1..]).ok_or_else(fault)?;
        rest = after;
    }
    Ok(())
}

/// The path of a member below a prefix, with one slash at its beginning and none at its end.
pub(super) fn rooted(prefix: &str, raw: &str) -> String {
    let path = raw.strip_prefix("./").unwrap_or(raw).trim_matches('/');
    let path = if path == "." { "" } else { path };
    format!("{prefix}/{path}")
}

impl Opener<'_> {
    /// A tar whose members stand below `prefix`.
    pub(super) fn tar(&mut self, reader: &mut dyn Read, prefix: &str, depth: usize) {
        if let Err(error) = self.each_of_tar(reader, prefix, depth) {
            self.unreadable(prefix, &error);
        }
    }

    fn each_of_tar(&mut self, reader: &mut dyn Read, prefix: &str, depth: usize) -> Result<()> {
        let (mut members, mut seen) = (Tar::new(reader), StreamState::default());
        while let Some(entry) = members.next()? {
            if !self.next(prefix) {
                break;
            }
            self.tar_member(entry, &mut members, prefix, &mut seen, depth);
        }
        Ok(())
    }

    fn tar_member(
        &mut self,
        entry: Entry,
        contents: &mut dyn Read,
        prefix: &str,
        seen: &mut StreamState,
        depth: usize,
    ) {
        let path = rooted(prefix, &entry.path);
        if !self.check_path(&path, seen) {
            return;
        }
        if let Some(target) = &entry.hard_link {
            let target = rooted(prefix, target);
            if !seen.paths.contains(&target) {
                let message =
                    format!("{path} is a hard link to {target}, which is not in the archive");
                self.fault(&UNSAFE, &path, message);
                return;
            }
            let first = seen.first.get(&target).unwrap_or(&target).clone();
            self.again(path.clone(), &first);
            seen.first.insert(path, first);
            return;
        }
        let attributes = Attributes { mode: entry.mode, capabilities: entry.capabilities };
        if entry.kind == Kind::File {
            let name = path.strip_prefix(prefix).unwrap_or(&path).to_owned();
            return self.tar_file(path, &name, attributes, (contents, depth), prefix, seen);
        }
        if matches!(entry.kind, Kind::Link(_)) {
            seen.links.insert(path.clone());
        }
        self.entry(path, entry.kind, attributes);
    }
    /// A regular file. Of packages that are tars some members are scripts, or archives that are parts of the package.
    fn tar_file(
        &mut self,
        path: String,
        name: &str,
        attributes: Attributes,
        (contents, depth): (&mut dyn Read, usize),
        prefix: &str,
        seen: &mut StreamState,
    ) {
        seen.is_package |= name == "/debian-binary";
        if seen.is_package && name.starts_with("/control.tar") {
            return self.control(contents, prefix, depth);
        }
        if seen.is_package && name.starts_with("/data.tar") {
            return self.data(contents, prefix, depth);
        }
        if !SCRIPTS.contains(&name) {
            return self.stream(path, attributes, contents, depth);
        }
        match head(contents, MAX_SCRIPT) {
            Ok(text) => {
                self.script(name.trim_start_matches('/'), &String::from_utf8_lossy(&text));
                self.stream(path, attributes, &mut text.as_slice().chain(contents), depth);
            }
            Err(error) => self.unreadable(&path, &error),
        }
    }
}
