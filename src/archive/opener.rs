//! Goes through files in files, within limits, and hands out members. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use super::appended::Source;
use super::stream::{Budget, Digesting, head, unpack};
use super::{
    DEEP, Format, HEAD, Kind, LIMIT, Limits, Member, Opened, TWICE, UNREADABLE, UNSAFE, Visit,
    format, is_image,
};
use crate::finding::{Code, Finding, Place};

/// What is kept of a file that is no ELF file: the records visitors ask for are JSON, a larger one is none.
const MAX_KEPT: u64 = 64 << 20;
/// What is read of a file before the visitor hears how much there is.
const STEP: u64 = 1 << 20;

/// What a container says of an entry beside its contents.
#[derive(Debug, Clone, Default)]
pub(super) struct Attributes {
    pub(super) mode: u32,
    pub(super) capabilities: Option<String>,
}

impl Attributes {
    pub(super) fn file() -> Self {
        Self { mode: 0o644, capabilities: None }
    }
}

/// One input on its way through.
pub(super) struct Opener<'a> {
    name: &'a str,
    limits: Limits,
    digests: bool,
    budget: Budget,
    members: usize,
    /// Bytes of archives that are held.
    held: u64,
    pub(super) findings: Vec<Finding>,
    pub(super) scripts: Vec<String>,
    visit: &'a mut dyn Visit,
}

impl<'a> Opener<'a> {
    pub(super) fn new(
        name: &'a str,
        limits: Limits,
        digests: bool,
        visit: &'a mut dyn Visit,
    ) -> Self {
        let budget = Budget::new(limits.bytes);
        Self {
            name,
            limits,
            digests,
            budget,
            members: 0,
            held: 0,
            findings: Vec::new(),
            scripts: Vec::new(),
            visit,
        }
    }

    /// The input itself: a package's members stand at its root, any other file is its own only member.
    pub(super) fn whole(mut self, reader: &mut dyn Read) -> Opened {
        match begin(reader) {
            Err(error) => self.unreadable(self.name, &error),
            Ok((head, found)) => {
                let mut reader = head.as_slice().chain(reader);
                if found.is_plain() {
                    self.stream(self.name.to_owned(), Attributes::file(), &mut reader, 0);
                } else {
                    self.enter(self.name, found, &mut reader, 0);
                }
            }
        }
        self.done()
    }

    /// A file of a directory; `member` has its first bytes.
    pub(super) fn one(mut self, member: Member, reader: &mut dyn Read) -> Opened {
        let Member { path, bytes, .. } = &member;
        match format(bytes) {
            Format::Elf | Format::Other => {}
            Format::Script => self.script_file(path, reader, 1),
            Format::Closed(what) => self.closed(path, what),
            found => self.enter(path, found, reader, 1),
        }
        self.visit.member(Member { bytes: Vec::new(), ..member });
        self.done()
    }

    pub(super) fn done(self) -> Opened {
        Opened { findings: self.findings, scripts: self.scripts }
    }

    pub(super) fn fault(&mut self, code: &'static Code, path: &str, message: String) {
        let part = (!path.is_empty() && path != self.name).then(|| path.to_owned());
        let place = Place::Object { path: self.name.to_owned(), part };
        let error = Finding::error(code, message).at(place, "");
        self.findings.push(error);
    }

    pub(super) fn unreadable(&mut self, path: &str, error: &dyn std::fmt::Display) {
        let shown = if path.is_empty() { self.name } else { path };
        let (code, message) = if self.budget.spent() {
            let most = self.limits.bytes >> 20;
            (&LIMIT, format!("{shown}: {} unpacks to more than {most} MiB", self.name))
        } else {
            (&UNREADABLE, format!("cannot read {shown}: {error}"))
        };
        self.fault(code, path, message);
    }

    pub(super) fn name(&self) -> &str {
        self.name
    }

    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    pub(super) fn budget(&self) -> Budget {
        self.budget.clone()
    }

    /// True while one more member may be looked at; says so once when not.
    pub(super) fn next(&mut self, path: &str) -> bool {
        self.members += 1;
        if self.members == self.limits.members + 1 {
            let message = format!("{} has more than {} members", self.name, self.limits.members);
            self.fault(&LIMIT, path, message);
        }
        self.members <= self.limits.members && !self.budget.spent()
    }

    /// An entry without contents.
    pub(super) fn entry(&mut self, path: String, kind: Kind, attributes: Attributes) {
        let Attributes { mode, capabilities } = attributes;
        let sha256 = None;
        self.visit.member(Member { path, kind, mode, capabilities, sha256, bytes: Vec::new() });
    }

    /// Another name of a file that was visited.
    pub(super) fn again(&mut self, path: String, first: &str) {
        self.visit.again(path, first);
    }

    pub(super) fn closed(&mut self, path: &str, what: &str) {
        self.entry(path.to_owned(), Kind::Closed(what.to_owned()), Attributes::default());
    }

    /// A regular file whose contents come from a reader.
    pub(super) fn stream(
        &mut self,
        path: String,
        attributes: Attributes,
        reader: &mut dyn Read,
        depth: usize,
    ) {
        let mut reader = Digesting::new(reader, self.digests && depth == 0);
        let bytes = match self.contents(&path, &mut reader, depth) {
            Ok(bytes) => bytes,
            Err(error) => {
                self.unreadable(&path, &error);
                Vec::new()
            }
        };
        let sha256 = match reader.finish() {
            Ok(sha256) => sha256,
            Err(error) => {
                self.unreadable(&path, &error);
                None
            }
        };
        let Attributes { mode, capabilities } = attributes;
        self.visit.member(Member { path, kind: Kind::File, mode, capabilities, sha256, bytes });
    }

    /// What must be kept of a file; archives are entered.
    fn contents(
        &mut self,
        path: &str,
        reader: &mut dyn Read,
        depth: usize,
    ) -> std::io::Result<Vec<u8>> {
        let (head, found) = begin(reader)?;
        let most = if found == Format::Elf { self.limits.file } else { MAX_KEPT };
        match found {
            Format::Elf => {
                let bytes = self.hold(path, head, reader, most)?;
                let read_at = |at: u64, buffer: &mut [u8]| {
                    let from = usize::try_from(at).ok().and_then(|at| bytes.get(at..));
                    from.and_then(|mut from| from.read(buffer).ok()).unwrap_or(0)
                };
                let source = Source { length: bytes.len() as u64, read_at: &read_at };
                self.appended(path, &source, depth + 1);
                Ok(bytes)
            }
            Format::Script => {
                self.script_file(path, &mut head.as_slice().chain(reader), depth + 1);
                Ok(Vec::new())
            }
            Format::Other if self.visit.keeps(path) => self.hold(path, head, reader, most),
            Format::Other => Ok(Vec::new()),
            Format::Closed(what) => {
                self.closed(path, what);
                Ok(Vec::new())
            }
            _ => {
                self.enter(path, found, &mut head.as_slice().chain(reader), depth + 1);
                Ok(Vec::new())
            }
        }
    }

    /// Reads a file whole, as far as that is allowed.
    fn hold(
        &mut self,
        path: &str,
        mut bytes: Vec<u8>,
        reader: &mut dyn Read,
        most: u64,
    ) -> std::io::Result<Vec<u8>> {
        loop {
            let room = most.saturating_sub(bytes.len() as u64).min(STEP);
            if room == 0 {
                self.fault(&LIMIT, path, format!("{path} has more than {} MiB", most >> 20));
                return Ok(bytes);
            }
            let read = reader.take(room).read_to_end(&mut bytes)?;
            if (read as u64) < room {
                return Ok(bytes);
            }
            self.visit.holds(bytes.len() as u64);
        }
    }

    /// An archive; `depth` is 0 when it is the input itself.
    pub(super) fn enter(&mut self, path: &str, found: Format, reader: &mut dyn Read, depth: usize) {
        if !self.deeper(path, depth) {
            return;
        }
        let prefix = if depth == 0 { String::new() } else { format!("{path}!") };
        match found {
            Format::Deb => self.deb(reader, &prefix, depth),
            Format::Rpm => self.rpm(reader, &prefix, depth),
            Format::Ar => self.ar_members(path, reader, depth),
            Format::Tar => self.tar(reader, &prefix, depth),
            Format::Cpio => self.cpio_archive(reader, &prefix, depth),
            Format::Zip => self.held(path, 0, reader, depth),
            Format::Closed(what) => self.closed(path, what),
            _ => self.enter_packed(path, found, reader, &prefix, depth),
        }
    }

    /// A zip of which so many bytes are known to be there: it is opened from its end.
    pub(super) fn held(&mut self, path: &str, length: u64, reader: &mut dyn Read, depth: usize) {
        if !self.deeper(path, depth) {
            return;
        }
        let prefix = if depth == 0 { String::new() } else { format!("{path}!") };
        let bytes = if length > self.limits.held { Ok(None) } else { self.all(reader) };
        match bytes {
            Ok(Some(bytes)) => {
                self.held += bytes.len() as u64;
                self.visit.archives(self.held);
                self.zip(&bytes, &prefix, depth);
                self.held -= bytes.len() as u64;
                self.visit.archives(self.held);
            }
            Ok(None) => self.closed(path, "a zip archive that is larger than what is held"),
            Err(error) => self.unreadable(path, &error),
        }
    }

    /// All there is, when that may be held.
    pub(super) fn all(&mut self, reader: &mut dyn Read) -> std::io::Result<Option<Vec<u8>>> {
        let most = self.limits.held.saturating_sub(self.held);
        let mut bytes = Vec::new();
        reader.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
        Ok(Some(bytes).filter(|bytes| bytes.len() as u64 <= most))
    }

    fn deeper(&mut self, path: &str, depth: usize) -> bool {
        if depth > self.limits.depth {
            let most = self.limits.depth;
            self.fault(&LIMIT, path, format!("{path}: more than {most} archives in each other"));
        }
        depth <= self.limits.depth
    }

    fn enter_packed(
        &mut self,
        path: &str,
        found: Format,
        reader: &mut dyn Read,
        prefix: &str,
        depth: usize,
    ) {
        let mut unpacked = match unpack(found, reader, &self.budget) {
            Some(Ok(unpacked)) => unpacked,
            Some(Err(error)) => return self.unreadable(path, &error),
            None => return,
        };
        let (head, found) = match begin(&mut unpacked) {
            Ok(begin) => begin,
            Err(error) => return self.unreadable(path, &error),
        };
        match found {
            // A compressed text is nothing a loader starts: what follows need not be unpacked.
            Format::Other => {}
            Format::Tar => self.tar(&mut head.as_slice().chain(unpacked), prefix, depth),
            Format::Cpio => {
                self.cpio_archive(&mut head.as_slice().chain(unpacked), prefix, depth);
            }
            _ => {
                let inner = stem(path);
                let mut rest = head.as_slice().chain(unpacked);
                self.stream(format!("{path}!{inner}"), Attributes::file(), &mut rest, depth);
            }
        }
    }

    /// Members of an archive: duplicates, and members below a link of the same archive.
    pub(super) fn check_path(&mut self, path: &str, seen: &mut StreamState) -> bool {
        if path.split(['/', '!']).any(|part| part == "..") {
            self.fault(&UNSAFE, path, format!("{path} leads out of the package"));
            return false;
        }
        let below = path
            .match_indices('/')
            .map(|(at, _)| &path[..at])
            .find(|ancestor| seen.links.contains(*ancestor))
            .map(str::to_owned);
        if let Some(link) = below {
            let message = format!("{path} is unpacked through the symbolic link {link}");
            self.fault(&UNSAFE, path, message);
        }
        if !seen.paths.insert(path.to_owned()) {
            let place = Place::Object { path: self.name.to_owned(), part: Some(path.to_owned()) };
            let message = format!("{path} stands in the archive twice");
            self.findings.push(Finding::warning(&TWICE, message).at(place, ""));
        }
        true
    }
}

/// What a file begins with, and what it is. Of what may be a file system more is read: it says so farther behind.
pub(super) fn begin(reader: &mut dyn Read) -> std::io::Result<(Vec<u8>, Format)> {
    let mut bytes = head(reader, HEAD)?;
    if is_image(&bytes) && format(&bytes) == Format::Other {
        bytes.extend(head(reader, DEEP - HEAD)?);
    }
    let found = format(&bytes);
    Ok((bytes, found))
}

/// Paths of one archive seen so far.
#[derive(Debug, Default)]
pub(super) struct StreamState {
    pub(super) paths: BTreeSet<String>,
    pub(super) links: BTreeSet<String>,
    /// Hard links, and the names their contents came under.
    pub(super) first: BTreeMap<String, String>,
    /// Names of files whose contents come under another name.
    pub(super) waiting: BTreeMap<[u64; 3], Vec<(String, Attributes)>>,
    /// The archive is a package of opkg: a tar with the parts of a `.deb`.
    pub(super) is_package: bool,
}

/// The name of what a compressed file holds.
fn stem(path: &str) -> &str {
    let name = path.rsplit(['/', '!']).next().unwrap_or(path);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// True when a symbolic link at `path` with this target climbs above the root.
pub fn path_leaves(path: &str, target: &str) -> bool {
    if target.starts_with('/') {
        return target.split('/').any(|part| part == "..")
            && climbs(target.trim_start_matches('/'), 0);
    }
    let inner = path.rsplit('!').next().unwrap_or(path);
    let depth = inner.split('/').filter(|part| !part.is_empty()).count().saturating_sub(1);
    climbs(target, depth)
}

fn climbs(target: &str, mut depth: usize) -> bool {
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." if depth == 0 => return true,
            ".." => depth -= 1,
            _ => depth += 1,
        }
    }
    false
}
