//! The staging tree: every file that will be shipped, at its place, once, with fixed modes and times.
//!
//! Shell. Written beside its final place and renamed when whole. Packages of every format are made from this tree, so
//! they hold the same bytes.

use std::path::{Path, PathBuf};

use crate::plan::{Plan, Provider};
use crate::process::signals::Unfinished;
use crate::record::StagedFile;
use crate::source::sha256_of;

/// A file to stage: content from a file or from a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    File(PathBuf),
    Text(String),
    Bytes(Vec<u8>),
}

/// One entry of the staging tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Absolute path where it is installed.
    pub path: String,
    pub mode: u32,
    pub content: Content,
}

/// Texts that are staged beside what was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Documents {
    pub profile: String,
    pub copyright: String,
    /// Compressed.
    pub manual: Vec<u8>,
}

/// Files of a plan: the stripped emulator, built option ROMs, documents and the profile. The record joins later.
pub fn entries(plan: &Plan, source: &Path, build: &Path, texts: Documents) -> Vec<Entry> {
    let prefix = &plan.package.prefix;
    let documents = format!("/usr/share/doc/{}", plan.package.name);
    let emulator = plan.emulator();
    let mut out = vec![Entry {
        path: format!("{prefix}/bin/{emulator}"),
        mode: 0o755,
        content: Content::File(build.join("stripped").join(&emulator)),
    }];
    for firmware in plan.firmware.iter().filter(|firmware| firmware.provider == Provider::Built) {
        out.push(Entry {
            path: format!("{prefix}/share/qemu/{}", firmware.item.text),
            mode: 0o644,
            content: Content::File(build.join("roms").join(&firmware.item.text)),
        });
    }
    out.push(Entry {
        path: format!("{documents}/profile.toml"),
        mode: 0o644,
        content: Content::Text(texts.profile),
    });
    out.push(Entry {
        path: format!("{documents}/copyright"),
        mode: 0o644,
        content: Content::Text(texts.copyright),
    });
    out.push(Entry {
        path: format!("/usr/share/man/man1/{}.1.gz", plan.package.name),
        mode: 0o644,
        content: Content::Bytes(texts.manual),
    });
    out.push(Entry {
        path: format!("{documents}/COPYING"),
        mode: 0o644,
        content: Content::File(source.join("COPYING")),
    });
    out.sort_by(|a, b| a.path.cmp(&b.path));
    out
}

/// Writes the tree below `root` and says what is in it.
pub fn assemble(
    entries: &[Entry],
    root: &Path,
    date: i64,
) -> Result<Vec<StagedFile>, std::io::Error> {
    let parent = root.parent().unwrap_or(Path::new("/"));
    let name = root.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let temporary = parent.join(format!(".{name}.part"));
    let _unfinished = Unfinished::path(&temporary);
    remove(&temporary)?;
    let mut files = Vec::new();
    for entry in entries {
        let target = temporary.join(entry.path.trim_start_matches('/'));
        if let Some(directory) = target.parent() {
            fs_err::create_dir_all(directory)?;
        }
        match &entry.content {
            Content::File(from) => {
                fs_err::copy(from, &target)?;
            }
            Content::Text(text) => fs_err::write(&target, text)?,
            Content::Bytes(bytes) => fs_err::write(&target, bytes)?,
        }
        set_mode(&target, entry.mode)?;
        files.push(StagedFile {
            path: entry.path.clone(),
            mode: format!("{:04o}", entry.mode),
            size: fs_err::metadata(&target)?.len(),
            sha256: sha256_of(&target)?,
        });
    }
    normalise(&temporary, date)?;
    remove(root)?;
    fs_err::rename(&temporary, root)?;
    Ok(files)
}

/// Adds one more file to a tree that nobody packages yet.
pub fn add(root: &Path, entry: &Entry, date: i64) -> Result<(), std::io::Error> {
    let target = root.join(entry.path.trim_start_matches('/'));
    if let Content::Text(text) = &entry.content {
        fs_err::write(&target, text)?;
    }
    set_mode(&target, entry.mode)?;
    normalise(root, date)
}

/// One time for everything, 0755 for directories whatever the umask is.
fn normalise(directory: &Path, date: i64) -> Result<(), std::io::Error> {
    for entry in fs_err::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            normalise(&path, date)?;
        } else {
            set_time(&path, date)?;
        }
    }
    set_mode(directory, 0o755)?;
    set_time(directory, date)
}

fn set_mode(path: &Path, mode: u32) -> Result<(), std::io::Error> {
    use std::os::unix::fs::PermissionsExt;
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

fn set_time(path: &Path, date: i64) -> Result<(), std::io::Error> {
    let time =
        std::time::UNIX_EPOCH + std::time::Duration::from_secs(u64::try_from(date).unwrap_or(0));
    let file = std::fs::File::open(path)?;
    file.set_times(std::fs::FileTimes::new().set_modified(time).set_accessed(time))
}

fn remove(path: &Path) -> Result<(), std::io::Error> {
    match fs_err::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
