//! Separate debug files: those given, and those installed below `/usr/lib/debug`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::cli::{Exit, Failure};
use crate::elf;
use crate::verify::SeparateFiles;

const INSTALLED: &str = "/usr/lib/debug/.build-id";
/// Where packages put what several of their debug files share; it has no link by its build-id.
const SHARED: &str = "/usr/lib/debug/.dwz";
/// No more of them are looked at; a package has one.
const MOST_SHARED: usize = 4096;

/// Reads packages, directories and files.
pub(super) fn read(paths: &[PathBuf]) -> Result<SeparateFiles, Failure> {
    let mut files = SeparateFiles::default();
    for path in paths {
        one(path, &mut files, 0).map_err(|error| Failure::new(Exit::Usage, error))?;
    }
    Ok(files)
}

fn one(path: &Path, files: &mut SeparateFiles, depth: usize) -> std::io::Result<()> {
    if path.is_dir() && depth < 32 {
        for entry in fs_err::read_dir(path)? {
            let entry = entry?;
            if !entry.file_type()?.is_symlink() {
                one(&entry.path(), files, depth + 1)?;
            }
        }
        return Ok(());
    }
    files.read(&path.display().to_string(), &fs_err::read(path)?);
    Ok(())
}

/// The debug file of a build-id: a given one, else an installed one.
pub(super) fn find(files: &SeparateFiles, build_id: &str) -> Option<Vec<u8>> {
    files.find(build_id).or_else(|| {
        let (directory, name) = build_id.split_at_checked(2)?;
        let linked = PathBuf::from(format!("{INSTALLED}/{directory}/{name}.debug"));
        fs_err::read(linked).ok().or_else(|| fs_err::read(shared().get(build_id)?).ok())
    })
}

/// What debug files share, by build-id; read when one asks for the first of them.
fn shared() -> &'static BTreeMap<String, PathBuf> {
    static FOUND: OnceLock<BTreeMap<String, PathBuf>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let mut paths = Vec::new();
        let _ = files_below(Path::new(SHARED), &mut paths, 0);
        let with_build_id = |path: PathBuf| {
            let bytes = fs_err::read(&path).ok()?;
            Some((elf::facts(&bytes).ok()?.build_id?, path))
        };
        paths.into_iter().filter_map(with_build_id).collect()
    })
}

fn files_below(directory: &Path, out: &mut Vec<PathBuf>, depth: usize) -> std::io::Result<()> {
    for entry in fs_err::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() && depth < 4 {
            files_below(&entry.path(), out, depth + 1)?;
        } else if kind.is_file() && out.len() < MOST_SHARED {
            out.push(entry.path());
        }
    }
    Ok(())
}
