//! A directory through disorderfs, which lists files in another order than the file system below it.
//!
//! Shell: runs disorderfs in the foreground while [`Disorder`] lives, so that it ends with us; `fusermount` takes the
//! mount away. Nothing of what is seen through it is changed.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::Error;
use crate::plan::Invocation;
use crate::process::{self, Conversation, signals::Unfinished};
use crate::tool;

/// How long a mount may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A mounted directory.
#[derive(Debug)]
pub struct Disorder {
    mounted: PathBuf,
    _daemon: Conversation,
    _unfinished: Unfinished,
}

fn fusermount() -> Option<&'static str> {
    ["fusermount3", "fusermount"].into_iter().find(|program| tool::path(program).is_ok())
}

/// Whether it can work here.
pub(super) fn possible() -> bool {
    tool::path("disorderfs").is_ok() && fusermount().is_some() && Path::new("/dev/fuse").exists()
}

/// Takes away what is mounted, be it of a run that was killed.
fn unmount(mounted: &Path) {
    let Some(program) = fusermount() else { return };
    let command = Invocation::plain("unmount disorderfs", program, "/").args([
        "-u",
        "-z",
        &mounted.display().to_string(),
    ]);
    let _ = process::output(&command);
}

impl Disorder {
    /// Shows `directory` at `place`; both are made.
    pub fn mount(directory: &Path, place: &Path) -> Result<Self, Error> {
        unmount(place);
        fs_err::create_dir_all(directory)?;
        fs_err::create_dir_all(place)?;
        let before = fs_err::metadata(place)?.dev();
        let command = Invocation::plain("list files in another order", "disorderfs", "/")
            // Reversed, the same each time: a search for a cause needs the same answer twice.
            .args(["-f", "-q", "--sort-dirents=yes", "--reverse-dirents=yes"])
            .args([directory.display().to_string(), place.display().to_string()]);
        let unfinished = Unfinished::mount(place);
        let daemon = Conversation::start(&command).map_err(Error::Process)?;
        let out = Self { mounted: place.to_owned(), _daemon: daemon, _unfinished: unfinished };
        let start = Instant::now();
        while fs_err::metadata(place).is_ok_and(|metadata| metadata.dev() == before) {
            if PATIENCE < start.elapsed() {
                return Err(Error::Disorder(place.display().to_string()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(out)
    }
}

impl Drop for Disorder {
    fn drop(&mut self) {
        unmount(&self.mounted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_listed_in_another_order_while_it_lives() {
        if !possible() {
            return println!("skipped: no disorderfs or no /dev/fuse");
        }
        let directory = tempfile::tempdir().unwrap();
        let (real, place) = (directory.path().join("real"), directory.path().join("place"));
        std::fs::create_dir(&real).unwrap();
        let names: Vec<String> = (0..9).map(|n| n.to_string()).collect();
        for name in &names {
            std::fs::write(real.join(name), name).unwrap();
        }
        let list = || -> Vec<String> {
            let entries = std::fs::read_dir(&place).unwrap();
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
        };
        let disorder = match Disorder::mount(&real, &place) {
            Ok(disorder) => disorder,
            Err(error) => return println!("skipped: {error}"),
        };
        let mut backwards = names.clone();
        backwards.reverse();
        assert_eq!(list(), backwards);
        std::fs::write(place.join("new"), "through").unwrap();
        drop(disorder);
        assert!(list().is_empty());
        assert_eq!(std::fs::read_to_string(real.join("new")).unwrap(), "through");
    }
}
