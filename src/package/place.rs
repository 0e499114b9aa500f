//! Puts whole files into a directory that others read: a name never leads to half a file, whatever ends us.
//!
//! Shell. The bytes are written to a file without a name (`O_TMPFILE`), so that even SIGKILL leaves nothing behind;
//! where the file system has no such files, to a hidden name beside the target.

use std::fs::File;
use std::io::{Error, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};

/// Copies a file into `output` under its own name.
pub fn place(from: &Path, output: &Path) -> Result<PathBuf, Error> {
    let target = output.join(from.file_name().unwrap_or_default());
    let mut source = fs_err::File::open(from)?;
    write(&target, &mut |file| std::io::copy(&mut source, file).map(|_| ()))?;
    Ok(target)
}

/// Writes a file with these bytes.
pub fn write_text(target: &Path, text: &str) -> Result<(), Error> {
    write(target, &mut |file| file.write_all(text.as_bytes()))
}

fn write(target: &Path, fill: &mut dyn FnMut(&mut File) -> Result<(), Error>) -> Result<(), Error> {
    let directory = target.parent().unwrap_or(Path::new("."));
    let name = target.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let part = directory.join(format!(".{name}.part"));
    let with_path =
        |error: Error| Error::new(error.kind(), format!("{}: {error}", target.display()));
    match fs_err::remove_file(&part) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mode = Mode::from_raw_mode(0o666);
    let nameless =
        rustix::fs::open(directory, OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC, mode);
    let result = match nameless {
        Ok(descriptor) => {
            let mut file = File::from(descriptor);
            fill(&mut file).and_then(|()| file.sync_all()).and_then(|()| {
                let path = format!("/proc/self/fd/{}", file.as_raw_fd());
                rustix::fs::linkat(CWD, path, CWD, &part, AtFlags::SYMLINK_FOLLOW)?;
                Ok(())
            })
        }
        Err(_) => {
            File::create(&part).and_then(|mut file| fill(&mut file).and_then(|()| file.sync_all()))
        }
    };
    let result = result.and_then(|()| std::fs::rename(&part, target));
    if result.is_err() {
        let _ = fs_err::remove_file(&part);
    }
    result.map_err(with_path)
}

#[cfg(test)]
mod tests {
    use super::{place, write_text};

    #[test]
    fn a_file_is_replaced_whole_and_nothing_else_is_left() {
        let directory = tempfile::tempdir().unwrap();
        let from = directory.path().join("from");
        let output = directory.path().join("out");
        std::fs::create_dir(&output).unwrap();
        std::fs::write(&from, "new").unwrap();
        std::fs::write(output.join("from"), "old and longer").unwrap();
        // What a killed run on a file system without nameless files would leave.
        std::fs::write(output.join(".from.part"), "half").unwrap();
        assert_eq!(place(&from, &output).unwrap(), output.join("from"));
        assert_eq!(std::fs::read_to_string(output.join("from")).unwrap(), "new");
        write_text(&output.join("text"), "text").unwrap();
        let names: Vec<_> =
            std::fs::read_dir(&output).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names.len(), 2, "{names:?}");
        assert!(place(&output.join("absent"), &output).is_err());
    }
}
