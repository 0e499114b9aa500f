//! Opens one level of an archive or compressed stream and keeps everything of it: names, their order, what is said of
//! them, contents. For who compares two of them; who judges one streams it through [`super::open`].
//!
//! Pure and bounded: what is over a limit or cannot be read is named in [`Contents::fault`], and what was read until
//! then is there.

use std::collections::BTreeMap;
use std::io::{Error, Read, Result};

use super::ar::Ar;
use super::cpio::{Cpio, kind};
use super::entry::{Entry, Facts, Members};
use super::rpm::unpacked_payload;
use super::rpm_header::{Header, Listed, files, package};
use super::stream::{Budget, stream_facts, unpack};
use super::tar::{Tar, rooted};
use super::zip::Zip;
use super::{Format, HEAD, Limits, format};

/// One part of an archive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Part {
    /// As it stands in the archive; in brackets or with a colon when the archive has no name for it.
    pub name: String,
    pub facts: Facts,
    pub bytes: Vec<u8>,
}

/// What an archive or compressed stream holds, one level deep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    pub format: Format,
    /// What the archive says of itself.
    pub facts: Facts,
    /// In their order.
    pub parts: Vec<Part>,
    /// Why there may be more than the parts.
    pub fault: Option<String>,
}

/// How much may still be opened of one input, all its levels together.
#[derive(Debug, Clone)]
pub struct Allowance {
    limits: Limits,
    budget: Budget,
    members: usize,
}

impl Allowance {
    pub fn new(limits: Limits) -> Self {
        Self { limits, budget: Budget::new(limits.bytes), members: 0 }
    }

    /// The same for another input.
    #[must_use]
    pub fn fresh(&self) -> Self {
        Self::new(self.limits)
    }
}

/// Opens one level; `None` when it is neither an archive nor compressed.
pub fn contents(bytes: &[u8], allowance: &mut Allowance) -> Option<Contents> {
    let format = format(bytes.get(..HEAD).unwrap_or(bytes));
    let mut keeper = Keeper { allowance, facts: Facts::new(), parts: Vec::new() };
    let read = match format {
        Format::Elf | Format::Script | Format::Other => return None,
        Format::Closed(what) => Err(Error::other(format!("{what}, which is not opened"))),
        Format::Deb | Format::Ar => keeper.ar(bytes),
        Format::Tar => keeper.tar(bytes),
        Format::Cpio => keeper.cpio(bytes),
        Format::Rpm => keeper.rpm(bytes),
        Format::Zip => keeper.zip(bytes),
        Format::Gzip
        | Format::Xz
        | Format::Zstd
        | Format::Bzip2
        | Format::Lzma
        | Format::Lzip
        | Format::Lz4 => keeper.stream(format, bytes),
    };
    let Keeper { facts, parts, .. } = keeper;
    Some(Contents { format, facts, parts, fault: read.err().map(|error| error.to_string()) })
}

struct Keeper<'a> {
    allowance: &'a mut Allowance,
    facts: Facts,
    parts: Vec<Part>,
}

impl Keeper<'_> {
    fn part(&mut self, name: impl Into<String>, facts: Facts, bytes: Vec<u8>) -> Result<()> {
        self.allowance.members += 1;
        let most = self.allowance.limits.members;
        if self.allowance.members > most {
            return Err(Error::other(format!("more than {most} members")));
        }
        self.parts.push(Part { name: name.into(), facts, bytes });
        Ok(())
    }

    /// Contents as far as they can be read, and why no further.
    fn held(&self, reader: &mut dyn Read) -> (Vec<u8>, Result<()>) {
        let most = self.allowance.limits.file;
        let mut bytes = Vec::new();
        let read = reader.take(most.saturating_add(1)).read_to_end(&mut bytes);
        if bytes.len() as u64 > most {
            let error = format!("a member has more than {} MiB", most >> 20);
            return (Vec::new(), Err(Error::other(error)));
        }
        (bytes, read.map(|_| ()))
    }

    /// Every member; `describe` says what is known of it.
    fn each(
        &mut self,
        members: &mut dyn Members,
        mut describe: impl FnMut(Entry) -> (String, Facts),
    ) -> Result<()> {
        while let Some(entry) = members.next()? {
            let (name, facts) = describe(entry);
            let (bytes, read) = self.held(members);
            self.part(name, facts, bytes)?;
            read?;
        }
        Ok(())
    }

    /// What stands behind the last member: some readers go on there.
    fn rest(&mut self, reader: &mut dyn Read) -> Result<()> {
        let (bytes, read) = self.held(reader);
        read?;
        let start = bytes.iter().position(|byte| *byte != 0);
        start.map_or(Ok(()), |start| {
            self.part("(after the end)", Facts::new(), bytes[start..].to_vec())
        })
    }

    fn ar(&mut self, mut bytes: &[u8]) -> Result<()> {
        let mut members = Ar::new(&mut bytes)?;
        let read = self.each(&mut members, named);
        if !members.names().is_empty() {
            self.part("(table of names)", Facts::new(), members.names().to_vec())?;
        }
        read
    }

    fn tar(&mut self, mut bytes: &[u8]) -> Result<()> {
        let mut members = Tar::new(&mut bytes);
        let read = self.each(&mut members, named);
        self.facts.extend(members.global());
        read?;
        self.rest(&mut bytes)
    }

    fn cpio(&mut self, mut bytes: &[u8]) -> Result<()> {
        self.each(&mut Cpio::new(&mut bytes, None), named)?;
        self.rest(&mut bytes)
    }

    fn zip(&mut self, bytes: &[u8]) -> Result<()> {
        let mut members = Zip::new(bytes, self.allowance.limits.members, &self.allowance.budget)?;
        self.each(&mut members, named)
    }

    fn stream(&mut self, format: Format, bytes: &[u8]) -> Result<()> {
        let Some(unpacked) = unpack(format, bytes, &self.allowance.budget) else { return Ok(()) };
        self.facts.extend(stream_facts(format, bytes));
        let (bytes, read) = self.held(&mut unpacked?);
        self.part(format!("({})", format.name()), Facts::new(), bytes)?;
        read
    }

    /// Lead, signature and header tag by tag, and the files as they would be installed.
    fn rpm(&mut self, mut bytes: &[u8]) -> Result<()> {
        let package = package(&mut bytes).map_err(Error::other)?;
        self.part("lead", Facts::new(), package.lead)?;
        self.tags("signature", &package.signature)?;
        self.tags("header", &package.header)?;
        let listed = files(&package.header).map_err(Error::other)?;
        let mut payload = unpacked_payload(&mut bytes, &self.allowance.budget)?;
        let mut missing: Vec<Option<&Listed>> = listed.iter().map(Some).collect();
        let mut by_path: BTreeMap<String, usize> = listed
            .iter()
            .enumerate()
            .map(|(index, file)| (rooted("", &file.path), index))
            .collect();
        self.each(&mut Cpio::new(&mut payload, Some(&listed)), |entry| {
            let path = rooted("", &entry.path);
            let file = by_path.remove(&path).and_then(|index| missing.get_mut(index)?.take());
            let facts = match file {
                Some(file) => both(file, entry),
                None => entry.all_facts(),
            };
            (format!("payload > {path}"), facts)
        })?;
        for file in missing.into_iter().flatten() {
            let mut facts = alone(file);
            facts.insert("payload".into(), "is not in it".to_owned());
            self.part(format!("payload > {}", rooted("", &file.path)), facts, Vec::new())?;
        }
        self.rest(&mut payload)
    }

    fn tags(&mut self, of: &str, header: &Header) -> Result<()> {
        for (name, values) in header.tags(of == "signature").map_err(Error::other)? {
            self.part(format!("{of}: {name}"), Facts::new(), values)?;
        }
        Ok(())
    }
}

fn named(entry: Entry) -> (String, Facts) {
    (entry.path.clone(), entry.all_facts())
}

/// What the header says of a file.
fn alone(file: &Listed) -> Facts {
    let mut entry =
        Entry::new(String::new(), kind(file.mode, file.target.clone()), file.mode & 0o7777);
    entry.capabilities.clone_from(&file.capabilities);
    entry.facts = file.facts.clone();
    entry.all_facts()
}

/// What the header says of a file, and what its payload says otherwise.
fn both(file: &Listed, entry: Entry) -> Facts {
    let mut facts = alone(file);
    for (name, words) in entry.facts {
        if facts.get(&name) != Some(&words) {
            facts.insert(format!("{name} in the payload").into(), words);
        }
    }
    facts
}
