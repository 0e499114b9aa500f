//! Finds the C library that judged files will run with: the one given, or that of a root.

use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::verify::Libc;

/// Where loaders look below a root; each may have a directory per architecture.
const PLACES: &[&str] = &["lib", "lib64", "lib32", "libx32", "usr/lib", "usr/lib64", "usr/lib32"];
const NAMES: &[&str] = &["libc.so.6", "libc.so", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1"];

/// Those given by name, those of roots, those of directories that are judged.
pub fn read(
    given: &[PathBuf],
    roots: &[PathBuf],
    judged: &[PathBuf],
) -> Result<Vec<Libc>, Failure> {
    let mut out = Vec::new();
    for path in given {
        let found = one(path)?;
        if found.is_empty() {
            let message = format!("{} is no C library and holds none", path.display());
            return Err(Failure::usage(message));
        }
        out.extend(found);
    }
    for root in roots {
        let found = below(root)?;
        if found.is_empty() {
            let hint = format!("looked for {} in {}", NAMES.join(", "), PLACES.join(", "));
            let message = format!("no C library below {}", root.display());
            return Err(Failure::usage(message).with_hint(Some(hint)));
        }
        out.extend(found);
    }
    if out.is_empty() {
        for directory in judged.iter().filter(|path| path.is_dir()) {
            out.extend(below(directory)?);
        }
    }
    Ok(out)
}

fn one(path: &Path) -> Result<Vec<Libc>, Failure> {
    let file = fs_err::File::open(path).map_err(Failure::usage)?;
    Ok(Libc::read(&path.display().to_string(), &mut std::io::BufReader::new(file)))
}

fn below(root: &Path) -> Result<Vec<Libc>, Failure> {
    let mut directories: Vec<PathBuf> = Vec::new();
    for place in PLACES.iter().map(|place| root.join(place)).filter(|place| inside(place)) {
        let entries = std::fs::read_dir(&place).into_iter().flatten().flatten();
        let mut inner: Vec<PathBuf> = entries
            .filter(|entry| entry.file_name().to_string_lossy().contains("-linux-"))
            .map(|entry| entry.path())
            .filter(|path| inside(path))
            .collect();
        inner.sort();
        directories.push(place);
        directories.extend(inner);
    }
    let mut out = Vec::new();
    for file in directories.iter().flat_map(|place| NAMES.iter().map(|name| place.join(name))) {
        // A text of that name is a linker script; a link may lead out of the root.
        let is_file = file.symlink_metadata().is_ok_and(|entry| entry.is_file())
            || std::fs::read_link(&file).is_ok_and(|to| to.components().count() == 1);
        if is_file && file.is_file() {
            out.extend(one(&file)?);
        }
    }
    Ok(out)
}

/// A directory, and no link: an absolute one leads out of the root.
fn inside(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|entry| entry.is_dir())
}
