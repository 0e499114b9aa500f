//! From `.deb` files to an unpacked root, with mmdebstrap: an archive of exactly these files, a tarball, a directory.
//!
//! mmdebstrap needs no root: it makes user namespaces. Its tarball is the same bytes however it ran, so its digest is
//! worth recording. It is unpacked with everything owned by whoever builds, so that a plain `rm -r` removes it.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::archive::{command, place as deb_place};
use super::{Error, Made};
use crate::files::Scratch;
use crate::record::{RootKind, RootLock};
use crate::source::sha256_of;
use crate::{process, tool};

/// What is written beside a finished root.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    lock: String,
    mmdebstrap: String,
    mode: String,
    /// sha256 of the tarball.
    tree: String,
}

/// A finished root of this lock.
pub(super) fn find(place: &Path, root: &RootLock, digest: &str) -> Option<Made> {
    let text = fs_err::read_to_string(place.join("made.json")).ok()?;
    let note: Note = serde_json::from_str(&text).ok()?;
    let directory = place.join("root");
    let good = note.lock == digest && directory.join("usr/bin").is_dir();
    good.then(|| Made {
        directory,
        lock: root.clone(),
        digest: digest.to_owned(),
        kind: RootKind::Closed {
            lock: digest.to_owned(),
            mmdebstrap: note.mmdebstrap,
            mode: note.mode,
            packages: root.packages.len(),
            suite: root.suite.clone(),
            tree: note.tree,
        },
    })
}

/// Makes the root in `place`.
pub(super) fn make(
    root: &RootLock,
    debs: &[PathBuf],
    place: &Path,
    work: &Path,
) -> Result<(), Error> {
    let found = tool::find("mmdebstrap")?;
    let is_root = rustix::process::geteuid().is_root();
    let mode = if is_root { "root" } else { "unshare" };
    let roots = place.parent().unwrap_or(work);
    fs_err::create_dir_all(roots)?;
    let part = Scratch::beside(roots)?;
    // Without root the archive is read by other user ids: it must not be below a private directory.
    let repository = if is_root { Scratch::beside(roots)? } else { Scratch::new()? };
    index(root, debs, repository.path(), work)?;
    let tarball = part.path().join("root.tar");
    let log = work.join("roots").join("mmdebstrap.log");
    let _ = fs_err::remove_file(&log);
    let wanted: Vec<String> =
        root.packages.iter().map(|p| format!("{}={}", p.name, p.version)).collect();
    let bootstrap = command("make the closed root", "mmdebstrap", part.path())
        .args(["--variant=essential", "--format=tar", "--quiet"])
        .arg(format!("--mode={mode}"))
        .arg(format!("--architectures={}", root.architecture))
        .arg(format!("--include={}", wanted.join(",")))
        // It is a cache: nothing is lost that the .deb files do not have.
        .arg("--dpkgopt=force-unsafe-io")
        // Name and name servers of this machine are none of the root's business.
        .args(["--customize-hook=rm -f \"$1/etc/hostname\" \"$1/etc/resolv.conf\""])
        .args(["", &tarball.display().to_string()])
        .arg(format!("deb [trusted=yes] copy:{} ./", repository.path().display()))
        .env("SOURCE_DATE_EPOCH", "0")
        .env("TMPDIR", std::env::temp_dir().display().to_string());
    process::run(&bootstrap, Some(&log), &mut |_| {})?;
    let tree = sha256_of(&tarball)?;
    let made = part.path().join("made");
    let unpacked = made.join("root");
    fs_err::create_dir_all(&unpacked)?;
    let unpack = command("unpack the closed root", "tar", &unpacked)
        .args(["--extract", "--no-same-owner", "--preserve-permissions", "--exclude=./dev/*"])
        .args(["--file", &tarball.display().to_string()]);
    process::run(&unpack, Some(&log), &mut |_| {})?;
    fs_err::remove_file(&tarball)?;
    let note = Note {
        lock: super::digest(root),
        mmdebstrap: format!("mmdebstrap {}", found.version.trim_start_matches("mmdebstrap ")),
        mode: mode.to_owned(),
        tree,
    };
    let text = serde_json::to_string(&note).map_err(std::io::Error::from)?;
    fs_err::write(made.join("made.json"), text)?;
    let _ = fs_err::remove_dir_all(place);
    Ok(part.release("made", place)?)
}

/// A flat archive of these files; its index has their digests, so apt checks them once more.
fn index(root: &RootLock, debs: &[PathBuf], into: &Path, work: &Path) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt;
    fs_err::set_permissions(into, std::fs::Permissions::from_mode(0o755))?;
    let mut index = fs_err::File::create(into.join("Packages"))?;
    for (package, deb) in root.packages.iter().zip(debs) {
        let name = deb_place(work, package).file_name().unwrap_or_default().to_owned();
        let target = into.join(&name);
        fs_err::hard_link(deb, &target).or_else(|_| fs_err::copy(deb, &target).map(drop))?;
        let ask = command("read a package", "dpkg-deb", Path::new("/"))
            .args(["--field", &deb.display().to_string()]);
        let control = process::output(&ask)?.text();
        // What the file says of itself must be what the lock says.
        for (key, value) in [("Package", &package.name), ("Version", &package.version)] {
            if !control.lines().any(|line| line == format!("{key}: {value}")) {
                return Err(Error::Lock {
                    path: deb.display().to_string(),
                    message: format!("it is not {} {}", package.name, package.version),
                });
            }
        }
        writeln!(
            index,
            "{}\nFilename: ./{}\nSize: {}\nSHA256: {}\n",
            control.trim_end(),
            name.to_string_lossy(),
            fs_err::metadata(deb)?.len(),
            package.sha256
        )?;
    }
    Ok(())
}
