//! Separate debug files: those given, and those installed below `/usr/lib/debug`.

use std::path::{Path, PathBuf};

use crate::cli::{Exit, Failure};
use crate::verify::SeparateFiles;

const INSTALLED: &str = "/usr/lib/debug/.build-id";

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
        fs_err::read(format!("{INSTALLED}/{directory}/{name}.debug")).ok()
    })
}
