//! Files that appear whole and scratch directories that go: a name never leads to half of anything, whatever ends us.
//!
//! A file is written without a name (`O_TMPFILE`), so that even SIGKILL leaves nothing behind; where the file system has
//! no such files, under a hidden name. A scratch directory is removed by its owner, by the end of Quench on a signal
//! ([`Unfinished`]), and after SIGKILL by the next one that is made beside it.
//!
//! The only place that makes temporary files.

use std::fs::File;
use std::io::{Error, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use tempfile::TempDir;

use crate::process::signals::{Unfinished, undisturbed};

/// How the name of a file ends that is not whole yet.
const PART: &str = ".part";
/// How the name of a scratch directory begins. Short: a socket's path below it may have 108 bytes.
const SCRATCH: &str = ".qs-";
/// How often a scratch directory is made that another run takes for one of a killed run at once.
const TRIES: usize = 20;

/// Copies a file into a directory under its own name and returns its path there.
pub fn place(from: &Path, output: &Path) -> Result<PathBuf, Error> {
    let target = output.join(from.file_name().unwrap_or_default());
    let mut source = fs_err::File::open(from)?;
    fill(&target, &mut |file| std::io::copy(&mut source, file).map(|_| ()))?;
    Ok(target)
}

/// Writes a file with these bytes, in the place of an older one; into what is no file (a pipe, `/dev/stdout`) as it is.
pub fn write(target: &Path, bytes: impl AsRef<[u8]>) -> Result<(), Error> {
    if std::fs::metadata(target).is_ok_and(|metadata| !metadata.is_file()) {
        return fs_err::write(target, bytes);
    }
    fill(target, &mut |file| file.write_all(bytes.as_ref()))
}

fn fill(
    target: &Path,
    content: &mut dyn FnMut(&mut File) -> Result<(), Error>,
) -> Result<(), Error> {
    let directory = target.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    let name = target.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let prefix = format!(".{name}.");
    sweep(directory, &prefix, PART);
    let mode = Mode::from_raw_mode(0o666);
    let nameless =
        rustix::fs::open(directory, OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC, mode);
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(PART);
    let result = match nameless {
        Ok(descriptor) => linked(File::from(descriptor), directory, &builder, target, content),
        Err(_) => named(directory, &builder, target, content),
    };
    result.map_err(|error| Error::new(error.kind(), format!("{}: {error}", target.display())))
}

/// Fills a nameless file and gives it its name. A link replaces nothing, so it gets another name first.
fn linked(
    mut file: File,
    directory: &Path,
    builder: &tempfile::Builder<'_, '_>,
    target: &Path,
    content: &mut dyn FnMut(&mut File) -> Result<(), Error>,
) -> Result<(), Error> {
    file.lock()?;
    content(&mut file)?;
    file.sync_all()?;
    let open = format!("/proc/self/fd/{}", file.as_raw_fd());
    undisturbed(|| {
        let link = |path: &Path| -> Result<(), Error> {
            Ok(rustix::fs::linkat(CWD, &open, CWD, path, AtFlags::SYMLINK_FOLLOW)?)
        };
        builder.make_in(directory, link)?.persist(target)?;
        Ok(())
    })
}

/// Where the file system has no nameless files.
fn named(
    directory: &Path,
    builder: &tempfile::Builder<'_, '_>,
    target: &Path,
    content: &mut dyn FnMut(&mut File) -> Result<(), Error>,
) -> Result<(), Error> {
    let (mut file, _unfinished) = undisturbed(|| {
        let file = builder.make_in(directory, |path| File::create_new(path))?;
        let unfinished = Unfinished::path(file.path());
        Ok::<_, Error>((file, unfinished))
    })?;
    file.as_file().lock()?;
    content(file.as_file_mut())?;
    file.as_file().sync_all()?;
    undisturbed(|| file.persist(target))?;
    Ok(())
}

/// A directory of one's own for a while.
#[derive(Debug)]
pub struct Scratch {
    directory: TempDir,
    _unfinished: Unfinished,
    /// Locked as long as its owner lives, so that others can tell it from one of a run that was killed.
    _lock: File,
}

impl Scratch {
    /// One in the machine's directory for temporary files.
    pub fn new() -> Result<Self, Error> {
        Self::beside(&std::env::temp_dir())
    }

    /// One in this directory, on the same file system as what it will be renamed to.
    pub fn beside(parent: &Path) -> Result<Self, Error> {
        sweep(parent, SCRATCH, "");
        for _ in 0..TRIES {
            let made = undisturbed(|| {
                let directory = tempfile::Builder::new().prefix(SCRATCH).tempdir_in(parent)?;
                let unfinished = Unfinished::path(directory.path());
                Ok::<_, Error>((directory, unfinished))
            });
            let (directory, unfinished) = made?;
            // Another run may have swept it between its making and its lock.
            let Ok(lock) = File::open(directory.path()) else { continue };
            let ours = lock.try_lock().is_ok() && is_at(&lock, directory.path());
            if ours {
                return Ok(Self { directory, _unfinished: unfinished, _lock: lock });
            }
        }
        Err(Error::other(format!("no scratch directory can be made in {}", parent.display())))
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Gives what is at `inner` in here its final place, where nothing may be; the rest goes.
    pub fn release(self, inner: &str, target: &Path) -> Result<(), Error> {
        undisturbed(|| fs_err::rename(self.path().join(inner), target))
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(open), Ok(named)) = (file.metadata(), std::fs::symlink_metadata(path)) else {
        return false;
    };
    (open.dev(), open.ino()) == (named.dev(), named.ino())
}

/// Removes what runs that were killed have left under such names: nobody holds its lock.
fn sweep(directory: &Path, prefix: &str, suffix: &str) {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !(name.starts_with(prefix) && name.ends_with(suffix)) {
            continue;
        }
        let (path, kind) = (entry.path(), entry.file_type());
        let left = || File::open(entry.path()).is_ok_and(|lock| lock.try_lock().is_ok());
        // Fails while a program of that run still writes there; a later run removes it.
        let _ = match kind {
            Ok(kind) if kind.is_dir() && left() => std::fs::remove_dir_all(path),
            Ok(kind) if kind.is_file() && left() => std::fs::remove_file(path),
            _ => Ok(()),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(directory).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_whole_and_nothing_else_is_left() {
        let directory = tempfile::tempdir().unwrap();
        let from = directory.path().join("from");
        let output = directory.path().join("out");
        std::fs::create_dir(&output).unwrap();
        std::fs::write(&from, "new").unwrap();
        std::fs::write(output.join("from"), "old and longer").unwrap();
        // What a killed run leaves.
        std::fs::write(output.join(".from.x.part"), "half").unwrap();
        assert_eq!(place(&from, &output).unwrap(), output.join("from"));
        assert_eq!(std::fs::read_to_string(output.join("from")).unwrap(), "new");
        write(&output.join("text"), "text").unwrap();
        // A relative name without a directory.
        let here = format!(".quench-test-{}", std::process::id());
        write(Path::new(&here), "here").unwrap();
        std::fs::remove_file(here).unwrap();
        assert_eq!(names(&output), ["from", "text"]);
        assert!(place(&output.join("absent"), &output).is_err());
    }

    #[test]
    fn many_may_write_the_same_file_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("file");
        std::thread::scope(|scope| {
            for text in ["one", "two", "three", "four"] {
                let target = &target;
                scope.spawn(move || (0..20).for_each(|_| write(target, text).unwrap()));
            }
        });
        let text = std::fs::read_to_string(&target).unwrap();
        assert!(["one", "two", "three", "four"].contains(&text.as_str()), "{text}");
        assert_eq!(names(directory.path()), ["file"]);
    }

    #[test]
    fn without_nameless_files_it_is_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("a");
        let mut builder = tempfile::Builder::new();
        builder.prefix(".a.").suffix(PART);
        let write = |content: &mut dyn FnMut(&mut File) -> Result<(), Error>| {
            named(directory.path(), &builder, &target, content)
        };
        write(&mut |file| {
            sweep(directory.path(), ".a.", PART);
            file.write_all(b"whole")
        })
        .unwrap();
        assert_eq!(names(directory.path()), ["a"]);
        write(&mut |_| Err(Error::other("full"))).unwrap_err();
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "whole");
        assert_eq!(names(directory.path()), ["a"]);
    }

    #[test]
    fn a_scratch_directory_goes_and_one_of_a_killed_run_is_swept() {
        let directory = tempfile::tempdir().unwrap();
        let left = directory.path().join(format!("{SCRATCH}left"));
        std::fs::create_dir_all(left.join("below")).unwrap();
        let first = Scratch::beside(directory.path()).unwrap();
        assert!(!left.exists());
        std::fs::write(first.path().join("a"), "a").unwrap();
        // The first one lives: a second leaves it alone.
        let second = Scratch::beside(directory.path()).unwrap();
        assert!(first.path().join("a").is_file());
        drop(second);
        first.release("a", &directory.path().join("b")).unwrap();
        assert_eq!(names(directory.path()), ["b"]);
    }
}
