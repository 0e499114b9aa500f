//! Reads the files of a QEMU tree that scanning needs, and digests whole directories. Shell.

use std::path::{Path, PathBuf};

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

/// Reads the tree at `root`. Symbolic links are not followed.
pub fn read_tree(root: &Path) -> Result<Tree, std::io::Error> {
    let mut paths = Vec::new();
    list(root, root, &mut paths, 0)?;
    paths
        .into_par_iter()
        .filter_map(|(relative, path)| match read(&path) {
            Ok(bytes) => bytes.map(|bytes| Ok((relative, bytes))),
            Err(error) => Some(Err(error)),
        })
        .collect::<Result<Vec<_>, _>>()
        .map(Tree::from_iter)
}

/// The bytes of a file; `None` when it is too large to be source.
fn read(path: &Path) -> Result<Option<Vec<u8>>, std::io::Error> {
    let mut file = fs_err::File::open(path)?;
    let size = file.metadata()?.len();
    if size > LARGEST {
        return Ok(None);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 1);
    std::io::Read::read_to_end(&mut std::io::Read::take(&mut file, LARGEST), &mut bytes)?;
    Ok(Some(bytes))
}

/// A digest over path, size and time of every file that [`read_tree`] would read: changes when the tree is touched.
pub fn stamp(root: &Path) -> Result<String, std::io::Error> {
    let mut paths = Vec::new();
    list(root, root, &mut paths, 0)?;
    let mut lines = paths
        .into_par_iter()
        .map(|(relative, path)| {
            let about = fs_err::metadata(path)?;
            Ok(format!("{relative}\0{}\0{:?}\n", about.len(), about.modified()?))
        })
        .collect::<Result<Vec<String>, std::io::Error>>()?;
    lines.sort();
    let root = fs_err::canonicalize(root)?;
    lines.push(root.display().to_string());
    Ok(hex::encode(&Sha256::digest(lines.concat())[..16]))
}

fn list(
    root: &Path,
    directory: &Path,
    out: &mut Vec<(String, PathBuf)>,
    depth: usize,
) -> Result<(), std::io::Error> {
    if depth > 16 {
        return Ok(());
    }
    for entry in fs_err::read_dir(directory)? {
        let entry = entry?;
        let path = entry.path();
        let Some(relative) = path.strip_prefix(root).ok().and_then(Path::to_str) else { continue };
        let kind = entry.file_type()?;
        if kind.is_dir() && !SKIP.contains(&relative) {
            list(root, &path, out, depth + 1)?;
        } else if kind.is_file() && wanted(relative) {
            out.push((relative.to_owned(), path));
        }
    }
    Ok(())
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
