//! Separate debug files: those given, and those installed below `/usr/lib/debug`.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::elf::{Image, Parts, is_elf};
use crate::failure::Failure;
use crate::verify::{self, DebugFile, SeparateFiles};

const INSTALLED: &str = "/usr/lib/debug/.build-id";
/// Where packages put what several of their debug files share; it has no link by its build-id.
const SHARED: &str = "/usr/lib/debug/.dwz";
/// No more of them are looked at; a package has one.
const MAX_SHARED: usize = 4096;

/// Those of packages are held; of files we know where they are.
#[derive(Debug, Default)]
pub struct DebugFileIndex {
    packed: SeparateFiles,
    files: BTreeMap<String, PathBuf>,
}

/// Reads packages, directories and files.
pub fn read(paths: &[PathBuf]) -> Result<DebugFileIndex, Failure> {
    let mut known = DebugFileIndex::default();
    for path in paths {
        known.one(path, 0).map_err(Failure::usage)?;
    }
    Ok(known)
}

impl DebugFileIndex {
    fn one(&mut self, path: &Path, depth: usize) -> std::io::Result<()> {
        if path.is_dir() && depth < 32 {
            for entry in fs_err::read_dir(path)? {
                let entry = entry?;
                if !entry.file_type()?.is_symlink() {
                    self.one(&entry.path(), depth + 1)?;
                }
            }
            return Ok(());
        }
        let mut file = BufReader::with_capacity(64 << 10, fs_err::File::open(path)?);
        if !is_elf(file.fill_buf()?) {
            self.packed.read(&path.display().to_string(), &mut file);
        } else if let Some(build_id) = build_id(path) {
            self.files.insert(build_id, path.to_owned());
        }
        Ok(())
    }

    /// The debug file of a build-id: a given one, else an installed one.
    pub fn find(&self, build_id: &str) -> Option<DebugFile> {
        self.packed.find(build_id).or_else(|| {
            if let Some(path) = self.files.get(build_id) {
                return opened(path);
            }
            let (directory, name) = build_id.split_at_checked(2)?;
            opened(Path::new(&format!("{INSTALLED}/{directory}/{name}.debug")))
                .or_else(|| opened(shared().get(build_id)?))
        })
    }
}

fn opened(path: &Path) -> Option<DebugFile> {
    let file = fs_err::File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    let read_at =
        move |offset: u64, buffer: &mut [u8]| file.file().read_at(buffer, offset).unwrap_or(0);
    Some(DebugFile::new(length, Box::new(read_at)))
}

/// The build-id of a debug file on disk.
fn build_id(path: &Path) -> Option<String> {
    let file = fs_err::File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    let read_at = |offset: u64, buffer: &mut [u8]| file.file().read_at(buffer, offset).unwrap_or(0);
    verify::build_id(Image::Parts(&Parts::new(length, Vec::new(), &read_at)))
}

/// What debug files share, by build-id; read when one asks for the first of them.
fn shared() -> &'static BTreeMap<String, PathBuf> {
    static FOUND: OnceLock<BTreeMap<String, PathBuf>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let mut paths = Vec::new();
        let _ = files_below(Path::new(SHARED), &mut paths, 0);
        let with_build_id = |path: PathBuf| Some((build_id(&path)?, path));
        paths.into_iter().filter_map(with_build_id).collect()
    })
}

fn files_below(directory: &Path, out: &mut Vec<PathBuf>, depth: usize) -> std::io::Result<()> {
    for entry in fs_err::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() && depth < 4 {
            files_below(&entry.path(), out, depth + 1)?;
        } else if kind.is_file() && out.len() < MAX_SHARED {
            out.push(entry.path());
        }
    }
    Ok(())
}
