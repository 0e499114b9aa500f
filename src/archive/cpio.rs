//! cpio: SVR4 `newc` by itself, and as the payload of an rpm, whose header has the last word. Pure.

use std::collections::BTreeMap;
use std::io::Read;

use super::opener::{Attributes, Opener, Seen};
use super::rpm_header::Listed;
use super::stream::head;
use super::tar::rooted;
use super::{Kind, UNREADABLE, UNSAFE};

/// A path in a cpio header.
const MOST_NAME: u64 = 64 << 10;
/// The target of a link.
const LONGEST_TARGET: usize = 64 << 10;

/// One header of the payload.
enum Entry {
    /// SVR4 `newc`: everything stands in it.
    Named {
        name: String,
        mode: u32,
        size: u64,
    },
    /// rpm's own for large files: the number of the file in the package header.
    Indexed(usize),
    End,
}

impl Opener<'_> {
    /// A cpio that is no rpm's payload. What follows its end is named: kernels read on there.
    pub(super) fn cpio_archive(&mut self, reader: &mut dyn Read, prefix: &str, depth: usize) {
        if let Err(error) = self.cpio(reader, None, prefix, depth) {
            return self.unreadable(prefix, &error);
        }
        match after_end(reader) {
            Ok(true) => {
                let kind = Kind::Closed("more after the end of a cpio archive".to_owned());
                self.entry(format!("{prefix}/"), kind, Attributes::default());
            }
            Ok(false) => {}
            Err(error) => self.unreadable(prefix, &error),
        }
    }

    pub(super) fn cpio(
        &mut self,
        payload: &mut dyn Read,
        header: Option<&[Listed]>,
        prefix: &str,
        depth: usize,
    ) -> std::io::Result<()> {
        let listed = header.unwrap_or_default();
        let by_path: BTreeMap<&str, &Listed> =
            listed.iter().map(|file| (file.path.as_str(), file)).collect();
        let alone = header.is_none();
        let mut seen = Seen::default();
        loop {
            let (path, size, mode, header) = match entry(payload)? {
                Entry::End => break,
                Entry::Named { name, mode, size } => {
                    let path = rooted(prefix, &name);
                    let header = by_path.get(path.as_str()).copied();
                    (path, size, mode, header)
                }
                Entry::Indexed(index) => {
                    let file = listed.get(index).ok_or_else(|| {
                        std::io::Error::other("the payload has a file the header does not list")
                    })?;
                    // A directory has a size in the header and no bytes in the payload.
                    let directory = file.mode & 0o170_000 == 0o040_000;
                    let size = if directory { 0 } else { file.size };
                    (file.path.clone(), size, file.mode, Some(file))
                }
            };
            if !self.next(&path) {
                return Ok(());
            }
            let mut contents = payload.take(size);
            if self.check_path(&path, &mut seen) {
                if alone {
                    self.cpio_file(path, mode, (&mut contents, depth), &mut seen)?;
                } else {
                    self.payload_file(path, mode, header, (&mut contents, depth), &mut seen);
                }
            }
            std::io::copy(&mut contents, &mut std::io::sink())?;
            if contents.limit() > 0 {
                return Err(std::io::Error::other("the payload is cut short"));
            }
            skip(payload, (4 - size % 4) % 4)?;
        }
        for file in listed.iter().filter(|file| !file.ghost && !seen.paths.contains(&file.path)) {
            let message = format!("{} is in the header and not in the payload", file.path);
            self.fault(&UNREADABLE, &file.path, message);
        }
        Ok(())
    }

    /// A member that says everything of itself; the target of a link is its contents.
    fn cpio_file(
        &mut self,
        path: String,
        mode: u32,
        (contents, depth): (&mut dyn Read, usize),
        seen: &mut Seen,
    ) -> std::io::Result<()> {
        let attributes = Attributes { mode: mode & 0o7777, capabilities: None };
        let target = if mode & 0o170_000 == 0o120_000 {
            String::from_utf8_lossy(&head(contents, LONGEST_TARGET)?).into_owned()
        } else {
            String::new()
        };
        match kind(mode, target) {
            Kind::File => self.stream(path, attributes, contents, depth),
            kind => {
                if matches!(kind, Kind::Link(_)) {
                    seen.links.insert(path.clone());
                }
                self.entry(path, kind, attributes);
            }
        }
        Ok(())
    }

    /// rpm sets what the header says; the payload's own word counts only where there is none.
    fn payload_file(
        &mut self,
        path: String,
        mode: u32,
        header: Option<&Listed>,
        (contents, depth): (&mut dyn Read, usize),
        seen: &mut Seen,
    ) {
        let attributes = if let Some(file) = header {
            Attributes { mode: file.mode & 0o7777, capabilities: file.capabilities.clone() }
        } else {
            let message = format!("{path} is in the payload and not in the header");
            self.fault(&UNSAFE, &path, message);
            Attributes { mode: mode & 0o7777, capabilities: None }
        };
        let target = header.map(|file| file.target.clone()).unwrap_or_default();
        match kind(header.map_or(mode, |file| file.mode), target) {
            Kind::File => self.stream(path, attributes, contents, depth),
            kind => {
                if matches!(kind, Kind::Link(_)) {
                    seen.links.insert(path.clone());
                }
                self.entry(path, kind, attributes);
            }
        }
    }
}

fn kind(mode: u32, target: String) -> Kind {
    match mode & 0o170_000 {
        0o100_000 => Kind::File,
        0o040_000 => Kind::Directory,
        0o120_000 => Kind::Link(target),
        0o060_000 => Kind::Device("block device"),
        0o020_000 => Kind::Device("character device"),
        0o010_000 => Kind::Device("fifo"),
        0o140_000 => Kind::Device("socket"),
        other => Kind::Closed(format!("a file of mode {other:o}")),
    }
}

/// True when something else than the padding follows.
fn after_end(reader: &mut dyn Read) -> std::io::Result<bool> {
    let mut buffer = [0; 4096];
    loop {
        let read = reader.read(&mut buffer)?;
        if read == 0 {
            return Ok(false);
        }
        if buffer[..read].iter().any(|byte| *byte != 0) {
            return Ok(true);
        }
    }
}

fn skip(reader: &mut dyn Read, bytes: u64) -> std::io::Result<()> {
    std::io::copy(&mut reader.take(bytes), &mut std::io::sink()).map(|_| ())
}

/// Reads one cpio header with its name and padding.
fn entry(reader: &mut dyn Read) -> std::io::Result<Entry> {
    let fault = |what: &str| std::io::Error::other(format!("bad cpio header: {what}"));
    let magic = head(reader, 6)?;
    let number = |bytes: &[u8]| {
        let text = std::str::from_utf8(bytes).map_err(|_| fault("number"))?;
        u32::from_str_radix(text, 16).map_err(|_| fault("number"))
    };
    match magic.as_slice() {
        b"07070X" => {
            let rest = head(reader, 8)?;
            // 14 bytes of header, padded to four.
            skip(reader, 2)?;
            Ok(Entry::Indexed(number(&rest)? as usize))
        }
        b"070701" | b"070702" => {
            let rest = head(reader, 104)?;
            let field = |index: usize| {
                rest.get(index * 8..index * 8 + 8)
                    .ok_or_else(|| fault("cut short"))
                    .and_then(number)
            };
            let (mode, size, name_size) = (field(1)?, u64::from(field(6)?), u64::from(field(11)?));
            if name_size > MOST_NAME {
                return Err(fault("name"));
            }
            let name = head(reader, usize::try_from(name_size).unwrap_or(0))?;
            skip(reader, (4 - (110 + name_size) % 4) % 4)?;
            let name = String::from_utf8_lossy(&name).trim_end_matches('\0').to_owned();
            if name == "TRAILER!!!" {
                return Ok(Entry::End);
            }
            Ok(Entry::Named { name, mode, size })
        }
        _ => Err(fault("magic")),
    }
}
