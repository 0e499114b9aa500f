//! A closed root as steps see it: nothing of the host but the directories of the build, at fixed places.
//!
//! Shell in name only: values in, words for bubblewrap out, and the questions about what is in the root, asked inside.

use std::path::{Path, PathBuf};

use super::Isolation;
use crate::plan::Invocation;
use crate::process;
use crate::record::RootKind;
use crate::tool::{self, Found};

/// Where the directories of a build stand inside.
const PREFIX: &str = "/quench";
/// And where when the path is varied.
const VARIED: &str = "/varied/much/deeper";

/// Directories of a root that a step sees empty.
const EMPTY: [&str; 10] =
    ["dev", "proc", "sys", "tmp", "run", "home", "root", "mnt", "media", "boot"];

/// A directory of this machine and its name inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub outside: PathBuf,
    pub inside: &'static str,
    pub writable: bool,
}

/// A root of its own, and where the directories of a build stand in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// The unpacked root.
    pub directory: PathBuf,
    /// What the record says of it.
    pub kind: RootKind,
    /// Digest of its lock.
    pub digest: String,
    pub places: Vec<Place>,
}

impl Closed {
    fn inside(place: &Place, varied: bool) -> String {
        format!("{}/{}", if varied { VARIED } else { PREFIX }, place.inside)
    }

    /// A text with every directory of a place replaced by what it is called inside.
    pub(super) fn translate(&self, text: &str, varied: bool) -> String {
        let mut places: Vec<&Place> = self.places.iter().collect();
        // The longest first: one place may be below another.
        places.sort_by_key(|place| std::cmp::Reverse(place.outside.as_os_str().len()));
        places.into_iter().fold(text.to_owned(), |text, place| {
            text.replace(&place.outside.display().to_string(), &Self::inside(place, varied))
        })
    }

    /// Words for bubblewrap that lay out the root.
    pub(super) fn words(&self, varied: bool) -> Vec<String> {
        let mut words = Vec::new();
        let mut add = |more: &[&str]| words.extend(more.iter().map(|word| (*word).to_owned()));
        let mut names: Vec<(String, PathBuf)> = fs_err::read_dir(&self.directory)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path()))
            .collect();
        names.sort();
        for (name, path) in names.iter().filter(|(name, _)| !EMPTY.contains(&name.as_str())) {
            let target = format!("/{name}");
            match fs_err::read_link(path) {
                Ok(link) => add(&["--symlink", &link.display().to_string(), &target]),
                Err(_) => add(&["--ro-bind", &path.display().to_string(), &target]),
            }
        }
        add(&["--dev", "/dev", "--proc", "/proc"]);
        for empty in ["/tmp", "/run", "/home", "/root", "/var/tmp"] {
            add(&["--tmpfs", empty]);
        }
        for place in &self.places {
            let how = if place.writable { "--bind" } else { "--ro-bind" };
            add(&[how, &place.outside.display().to_string(), &Self::inside(place, varied)]);
        }
        // What bubblewrap made to hang the rest on.
        add(&["--remount-ro", "/"]);
        words
    }
}

impl Isolation {
    /// What the host is to the steps: `/`, or the closed root's directory.
    pub fn root(&self) -> &Path {
        self.closed().map_or(Path::new("/"), |closed| &closed.directory)
    }

    pub fn closed(&self) -> Option<&Closed> {
        self.sandbox.as_ref().and_then(|sandbox| sandbox.closed.as_ref())
    }

    /// What a path is called where the steps run.
    pub fn inside(&self, path: &Path) -> String {
        let text = path.display().to_string();
        let varied = self.vary.contains(&super::Vary::Path);
        self.closed().map_or(text.clone(), |closed| closed.translate(&text, varied))
    }

    /// The same root and places for questions about what was built: nothing varied, no cache. On an open host, nothing.
    #[must_use]
    pub fn for_questions(&self) -> Self {
        match self.closed() {
            Some(_) => Self {
                sandbox: self.sandbox.clone(),
                // The paths stay where they are.
                vary: self.vary.iter().copied().filter(|v| *v == super::Vary::Path).collect(),
                ..Self::default()
            },
            None => Self::default(),
        }
    }

    /// Finds a tool where the steps run.
    pub fn find(&self, name: &str) -> Result<Found, tool::Error> {
        if self.closed().is_none() {
            return tool::find(name);
        }
        let script = "p=$(command -v -- \"$1\") || exit 127; echo \"$p\"; sha256sum < \"$p\"; \"$p\" --version 2>&1 | head -n 1";
        let ask = Invocation::plain(format!("ask about {name} in the closed root"), "sh", "/")
            .args(["-c", script, "sh", name]);
        let text = process::output(&self.for_questions().wrap(&ask))?.text();
        let mut lines = text.lines();
        let mut next = || lines.next().unwrap_or("").trim().to_owned();
        let path = PathBuf::from(next());
        let sha256 = next().split(' ').next().unwrap_or("").to_owned();
        Ok(Found { name: name.to_owned(), path, version: next(), sha256 })
    }
}
