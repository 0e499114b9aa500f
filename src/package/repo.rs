//! A local repository of what is in the output directory: `OUTPUT/packages/`, for apt and for dnf or zypper.
//!
//! Shell. Signed copies are taken where there are some. The directory is made beside its place and exchanged with the
//! old one in one step, so that a client sees the old repository or the new one. Equal packages give equal metadata.

use std::path::{Path, PathBuf};

use super::sign::Key;
use super::{Error, is_package, isolated, text};
use crate::archive::compress;
use crate::files::Scratch;
use crate::plan::{Invocation, Plan};
use crate::process::{self, signals::undisturbed};
use crate::tool;

/// Name of the repository below the output directory.
pub const NAME: &str = "packages";

/// Makes the repository and returns its path.
pub fn make(plan: &Plan, key: Option<&Key>, output: &Path) -> Result<PathBuf, Error> {
    let scratch = Scratch::beside(output)?;
    let new = &scratch.path().join(NAME);
    fs_err::create_dir(new)?;
    let (mut deb, mut rpm) = (false, false);
    for package in packages(output)? {
        let target = new.join(package.file_name().unwrap_or_default());
        fs_err::copy(&package, &target)?;
        set_time(&target, plan.source.date)?;
        deb |= target.extension().is_some_and(|extension| extension == "deb");
        rpm |= target.extension().is_some_and(|extension| extension == "rpm");
    }
    if deb {
        apt(plan, key, new)?;
    }
    if rpm {
        dnf(plan, key, new)?;
    }
    if let Some(key) = key {
        let ask = key.gpg("export the public key").args(["--armor", "--export", &key.fingerprint]);
        fs_err::write(new.join("signing-key.asc"), process::output(&ask)?.stdout)?;
    }
    undisturbed(|| exchange(new, &output.join(NAME)))?;
    Ok(output.join(NAME))
}

/// Packages of the output directory, signed copies instead of the plain ones, in name order.
fn packages(output: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut out = Vec::new();
    for entry in fs_err::read_dir(output)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_owned();
        if !is_package(&path) || name.to_string_lossy().starts_with('.') {
            continue;
        }
        let signed = output.join("signed").join(&name);
        out.push(if signed.is_file() { signed } else { path });
    }
    out.sort_by(|a, b| a.file_name().cmp(&b.file_name()));
    Ok(out)
}

fn set_time(path: &Path, date: i64) -> Result<(), Error> {
    let seconds = std::time::Duration::from_secs(u64::try_from(date).unwrap_or(0));
    let times = std::fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH + seconds);
    std::fs::File::options().write(true).open(path)?.set_times(times)?;
    Ok(())
}

fn here(command: Invocation, directory: &Path) -> Result<Invocation, Error> {
    tool::path(&command.program)?;
    Ok(Invocation { directory: directory.display().to_string(), ..command })
}

/// A flat repository: `deb [signed-by=KEY] file:/…/packages ./`.
fn apt(plan: &Plan, key: Option<&Key>, root: &Path) -> Result<(), Error> {
    let index =
        isolated(plan, root, "index the .deb files", "apt-ftparchive").args(["packages", "."]);
    let packages = process::output(&here(index, root)?)?.stdout;
    fs_err::write(root.join("Packages"), &packages)?;
    fs_err::write(root.join("Packages.gz"), compress::gzip(&packages)?)?;
    let mut release = isolated(plan, root, "write the Release file", "apt-ftparchive");
    for (name, value) in [
        ("Origin", "quench"),
        ("Label", "quench"),
        ("Suite", "local"),
        ("Codename", "local"),
        ("Architectures", "amd64 arm64"),
        ("Description", "packages built by quench"),
    ] {
        release = release.arg("-o").arg(format!("APT::FTPArchive::Release::{name}={value}"));
    }
    let release = process::output(&here(release.args(["release", "."]), root)?)?.text();
    // The tool writes the time of day; what is in it was made at the source's date.
    let lines: Vec<String> = release
        .lines()
        .map(|line| {
            if line.starts_with("Date:") {
                format!("Date: {}", text::rfc2822(plan.source.date))
            } else {
                line.to_owned()
            }
        })
        .collect();
    fs_err::write(root.join("Release"), lines.join("\n") + "\n")?;
    let Some(key) = key else { return Ok(()) };
    let at = |name: &str| root.join(name).display().to_string();
    for (kind, target) in [("--clear-sign", "InRelease"), ("--detach-sign", "Release.gpg")] {
        let sign = key.gpg("sign the Release file").args(["--armor", "--output", &at(target)]);
        process::output(&sign.args([kind, &at("Release")]))?;
    }
    Ok(())
}

/// `repodata/`.
fn dnf(plan: &Plan, key: Option<&Key>, root: &Path) -> Result<(), Error> {
    let date = plan.source.date.to_string();
    let index = isolated(plan, root, "index the .rpm files", "createrepo_c").args([
        "--quiet",
        "--no-database",
        "--revision",
        &date,
        "--set-timestamp-to-revision",
        ".",
    ]);
    process::output(&here(index, root)?)?;
    let Some(key) = key else { return Ok(()) };
    let metadata = root.join("repodata/repomd.xml").display().to_string();
    let sign =
        key.gpg("sign the repository").args(["--armor", "--output", &format!("{metadata}.asc")]);
    process::output(&sign.args(["--detach-sign", &metadata]))?;
    Ok(())
}

/// Puts the new directory in the old one's place, and the old one in its.
fn exchange(new: &Path, place: &Path) -> Result<(), Error> {
    if !place.exists() {
        fs_err::rename(new, place)?;
        return Ok(());
    }
    let here = rustix::fs::CWD;
    let exchanged =
        rustix::fs::renameat_with(here, new, here, place, rustix::fs::RenameFlags::EXCHANGE);
    if exchanged.is_err() {
        // A file system that cannot exchange: for a moment there is no repository, never half of one.
        fs_err::remove_dir_all(place)?;
        fs_err::rename(new, place)?;
        return Ok(());
    }
    Ok(())
}
