//! Reads the files of a QEMU tree that scanning needs, and digests whole directories. Shell.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::tree::Tree;

/// Directories that hold nothing the resolver or the catalog reads.
const SKIP: [&str; 11] = [
    "roms",
    "tests",
    "docs",
    "subprojects",
    "linux-user",
    "bsd-user",
    ".git",
    ".pc",
    "pc-bios",
    "debian",
    "contrib",
];

/// A file larger than this is not source; it is left out.
const LARGEST: u64 = 8 << 20;

/// Directories below this one are not looked into.
const DEPTH: usize = 16;

/// Which paths of a tree to read.
pub type Wanted<'a> = dyn Fn(&str) -> bool + Sync + 'a;

/// Files of a tree that were found, but not read yet.
#[derive(Debug)]
pub struct Listing {
    root: PathBuf,
    /// In path order.
    files: Vec<Listed>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Listed {
    /// In the tree.
    path: String,
    /// Bytes.
    size: u64,
    changed: SystemTime,
}

/// Reads all sources of the tree at `root`. Symbolic links are not followed.
pub fn read_tree(root: &Path) -> Result<Tree, std::io::Error> {
    Listing::of(root, &wanted)?.read()
}

impl Listing {
    /// The files of the tree at `root` whose path in the tree is `wanted`. Symbolic links are not followed; what is too
    /// large to be source is left out.
    pub fn of(root: &Path, wanted: &Wanted<'_>) -> Result<Self, std::io::Error> {
        let root = fs_err::canonicalize(root)?;
        let mut files = list(&root, "", wanted, 0)?;
        files.sort();
        Ok(Self { root, files })
    }

    /// A digest over path, size and time of every file: changes when one is touched.
    pub fn stamp(&self) -> String {
        let mut hash = Sha256::new();
        for Listed { path, size, changed } in &self.files {
            hash.update(format!("{path}\0{size}\0{changed:?}\n"));
        }
        hash.update(self.root.display().to_string());
        hex::encode(&hash.finalize()[..16])
    }

    /// Reads the files.
    pub fn read(self) -> Result<Tree, std::io::Error> {
        let Self { root, files } = self;
        let read = |file: Listed| Ok((read(&root.join(&file.path), file.size)?, file.path));
        let files = files.into_par_iter().map(read).collect::<Result<Vec<_>, std::io::Error>>()?;
        Ok(files.into_iter().map(|(bytes, path)| (path, bytes)).collect())
    }
}

/// The first `size` bytes of a file: one call to the system for most, as the end needs not be looked for.
fn read(path: &Path, size: u64) -> Result<Vec<u8>, std::io::Error> {
    let file = fs_err::File::open(path)?;
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    // Not through the wrapper: it would clear the buffer first.
    file.file().take(size).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The wanted files below `directory`, a path in the tree.
fn list(
    root: &Path,
    directory: &str,
    wanted: &Wanted<'_>,
    depth: usize,
) -> Result<Vec<Listed>, std::io::Error> {
    let (mut files, mut directories) = (Vec::new(), Vec::new());
    for entry in fs_err::read_dir(root.join(directory))? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let path =
            if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") };
        let kind = entry.file_type()?;
        if kind.is_dir() && depth < DEPTH && !SKIP.contains(&path.as_str()) {
            directories.push(path);
        } else if kind.is_file() && wanted(&path) {
            let about = entry.metadata()?;
            let (size, changed) = (about.len(), about.modified()?);
            files.extend((size <= LARGEST).then_some(Listed { path, size, changed }));
        }
    }
    let below = directories
        .par_iter()
        .map(|directory| list(root, directory, wanted, depth + 1))
        .collect::<Result<Vec<_>, _>>()?;
    files.extend(below.into_iter().flatten());
    Ok(files)
}

fn wanted(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    matches!(extension, "c" | "h" | "mak" | "build" | "txt" | "rs" | "json" | "sh")
        || name.starts_with("Kconfig")
        || matches!(path, "VERSION" | "configure")
}

/// sha256 over the sorted (path, mode, sha256) of every file below a directory, `.git` left out.
pub fn digest_of_directory(root: &Path) -> Result<String, std::io::Error> {
    let mut files = Vec::new();
    all_files(root, &mut files)?;
    files.sort();
    let digests = files
        .par_iter()
        .map(|path| {
            let kind = fs_err::symlink_metadata(path)?;
            let content = if kind.is_symlink() {
                fs_err::read_link(path)?.display().to_string()
            } else {
                super::sha256_of(path)?
            };
            Ok(format!("{}\0{content}\n", path.strip_prefix(root).unwrap_or(path).display()))
        })
        .collect::<Result<Vec<String>, std::io::Error>>()?;
    Ok(hex::encode(Sha256::digest(digests.concat())))
}

fn all_files(directory: &Path, out: &mut Vec<PathBuf>) -> Result<(), std::io::Error> {
    for entry in fs_err::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            if entry.file_name() != ".git" {
                all_files(&entry.path(), out)?;
            }
        } else {
            out.push(entry.path());
        }
    }
    Ok(())
}
