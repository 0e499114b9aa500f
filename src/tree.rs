//! A source tree as a value: paths relative to its root and their bytes.
//!
//! Pure. `source::read_tree` fills it from a directory; `kconfig` and `catalog` scan it; tests write it as literals.
//! Contents may be anything (non-UTF-8, huge, hostile): readers must give findings, not panics.

use std::collections::BTreeMap;
use std::fmt;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

/// The files of a source tree as a value. Paths use `/`, are relative, and have no leading `./`.
#[derive(Clone, Default)]
pub struct Tree {
    files: BTreeMap<String, Vec<u8>>,
}

impl Tree {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn insert(&mut self, path: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.files.insert(path.into(), bytes.into());
    }

    pub fn get(&self, path: &str) -> Option<&[u8]> {
        self.files.get(path).map(Vec::as_slice)
    }

    /// The text of a file; bytes that are not UTF-8 become U+FFFD.
    pub fn text(&self, path: &str) -> Option<std::borrow::Cow<'_, str>> {
        self.get(path).map(lossy)
    }

    /// All files in path order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
    }

    /// Files below `directory` (no trailing slash) in path order.
    pub fn under<'a>(&'a self, directory: &'a str) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        let prefix = format!("{directory}/");
        self.files
            .range(prefix.clone()..)
            .take_while(move |(path, _)| path.starts_with(&prefix))
            .map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
    }

    /// sha256 over path and content of all files, as hexadecimal text.
    pub fn digest(&self) -> String {
        let files: Vec<_> = self.iter().collect();
        let digests: Vec<[u8; 32]> = files
            .par_iter()
            .map(|(path, bytes)| {
                let mut hash = Sha256::new();
                hash.update(path);
                hash.update([0]);
                hash.update(bytes);
                hash.finalize().into()
            })
            .collect();
        hex::encode(Sha256::digest(digests.concat()))
    }

    pub fn len(&self) -> usize {
        self.files.len()
    }

    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }
}

/// A text of bytes. Nearly every file is UTF-8, and checking that is several times faster than
/// looking for what is not.
fn lossy(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => String::from_utf8_lossy(bytes),
    }
}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tree({} files)", self.files.len())
    }
}

impl<P: Into<String>, B: Into<Vec<u8>>> FromIterator<(P, B)> for Tree {
    fn from_iter<T: IntoIterator<Item = (P, B)>>(iter: T) -> Self {
        Self { files: iter.into_iter().map(|(path, bytes)| (path.into(), bytes.into())).collect() }
    }
}

/// Joins `path` to `directory` of a tree, with `.` and `..` folded; it never leaves the tree.
pub fn join(directory: &str, path: &str) -> String {
    let mut parts: Vec<&str> = directory.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    parts.join("/")
}
