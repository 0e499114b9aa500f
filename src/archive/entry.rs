//! What an archive says of one member beside its contents, whatever the format. Pure.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{Read, Result};

use sha2::{Digest, Sha256};

use super::Kind;
use crate::finding::escape_controls;

/// What stands beside contents, by name and in words: mode, owner, time, links, extended attributes. Two archives that
/// say the same have equal facts, and no two values have the same words.
pub type Facts = BTreeMap<Cow<'static, str>, String>;

/// The longest text that is shown as it is.
const MAX_TEXT: usize = 256;
/// The most bytes that are shown as hexadecimal digits.
const MAX_DIGITS: usize = 32;

/// One member of an archive.
#[derive(Debug)]
pub(crate) struct Entry {
    /// As it stands in the archive.
    pub(crate) path: String,
    pub(super) kind: Kind,
    /// Permission bits with set-id and sticky bits.
    pub(super) mode: u32,
    /// File capabilities in setcap's words.
    pub(super) capabilities: Option<String>,
    /// The member whose contents it shares, when it is a hard link and has none of its own.
    pub(super) hard_link: Option<String>,
    pub(super) facts: Facts,
    /// What tells a file that has several names, of which only the last one has contents: cpio's inode and device.
    pub(super) shared: Option<SharedFile>,
}

/// A file of several names, and whether this one comes without contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SharedFile {
    pub(super) identity: [u64; 3],
    pub(super) empty: bool,
}

impl Entry {
    pub(super) fn new(path: String, kind: Kind, mode: u32) -> Self {
        Self {
            path,
            kind,
            mode,
            capabilities: None,
            hard_link: None,
            facts: Facts::new(),
            shared: None,
        }
    }

    pub(super) fn fact(&mut self, name: &'static str, words: impl Into<String>) {
        self.facts.insert(Cow::Borrowed(name), words.into());
    }

    /// Everything that is said of it, its kind and links too.
    pub(super) fn all_facts(mut self) -> Facts {
        let (kind, link) = match &self.kind {
            _ if self.hard_link.is_some() => ("hard link", self.hard_link.take()),
            Kind::File => ("file", None),
            Kind::Directory => ("directory", None),
            Kind::Link(target) => ("symbolic link", Some(target.clone())),
            Kind::Device(what) => (*what, None),
            Kind::Closed(what) => (what.as_str(), None),
        };
        let kind = kind.to_owned();
        self.fact("kind", kind);
        if let Some(link) = link {
            self.fact("link", link);
        }
        if let Some(capabilities) = self.capabilities.take() {
            self.fact("capabilities", capabilities);
        }
        self.facts
    }
}

/// Goes through the members of an archive. Reading gives the contents of the member that came last, and an error when
/// they are cut short; what is not read of them is skipped.
pub(super) trait Members: Read {
    fn next(&mut self) -> Result<Option<Entry>>;
}

/// A value in words: a text as it is, anything else as hexadecimal digits or, when it is long, by its digest.
pub(super) fn words(value: &[u8]) -> String {
    let (text, end) = value.strip_suffix(b"\0").map_or((value, ""), |text| (text, "\\0"));
    match std::str::from_utf8(text) {
        Ok(text) if is_plain(text) => format!("{text}{end}"),
        _ if value.len() <= MAX_DIGITS => format!("0x{}", hex::encode(value)),
        _ => format!("{} bytes, sha256 {}", value.len(), hex::encode(Sha256::digest(value))),
    }
}

/// Short, seen as it is, and not to be mistaken for other words.
fn is_plain(text: &str) -> bool {
    let seen = matches!(escape_controls(text), Cow::Borrowed(_));
    seen && text.len() <= MAX_TEXT && !text.contains('\\') && !text.starts_with("0x")
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn no_two_values_have_the_same_words() {
        let long = [7; 100];
        let other = [[7; 99].as_slice(), &[8]].concat();
        let values: [&[u8]; 10] =
            [b"", b"\0", b"text", b"text\0", b"text\\0", b"0x00", b"\0\0", &[0xff], &long, &other];
        let mut all: Vec<String> = values.iter().map(|value| words(value)).collect();
        assert_eq!(all[2..4], ["text", "text\\0"]);
        all.sort();
        all.dedup();
        assert_eq!(all.len(), values.len(), "{all:?}");
    }
}
