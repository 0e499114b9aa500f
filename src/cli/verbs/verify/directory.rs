//! Reads directories and single files with the rights they have here: the shell around `verify::input`.

use std::io::Read;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::finding::{Finding, Place};
use crate::verify::input::{self, Format, Kind, Limits, Member};
use crate::verify::{DebugFiles, Examination};

/// Every file below a directory. Links are not followed; what cannot be read is a finding.
pub(super) fn examine(directory: &Path, digests: bool, debug: &DebugFiles<'_>) -> Examination {
    let name = directory.display().to_string();
    let mut paths = Vec::new();
    let mut whole = Examination::new(&name);
    walk(directory, &name, &mut paths, &mut whole.findings);
    paths.sort();
    let examined: Vec<Examination> = paths
        .par_iter()
        .map(|path| {
            file(path, &name, digests, debug).unwrap_or_else(|error| {
                let mut one = Examination::new(&name);
                one.findings.push(unreadable(&name, path, &error));
                one
            })
        })
        .collect();
    for one in examined {
        whole.merge(one);
    }
    whole
}

/// One file that was read already.
pub(super) fn examine_file(
    path: &Path,
    bytes: Vec<u8>,
    debug: &DebugFiles<'_>,
) -> std::io::Result<Examination> {
    let name = path.display().to_string();
    let metadata = fs_err::metadata(path)?;
    let sha256 = hex::encode(Sha256::digest(&bytes));
    let mut one = Examination::new(&name);
    one.member(
        Member {
            sha256: Some(sha256.clone()),
            capabilities: capabilities(path, metadata.permissions().mode()),
            ..Member::file(name, metadata.permissions().mode() & 0o7777, bytes)
        },
        debug,
    );
    one.sha256 = sha256;
    Ok(one)
}

fn unreadable(name: &str, path: &Path, error: &std::io::Error) -> Finding {
    let place = Place::Object { path: name.to_owned(), part: Some(path.display().to_string()) };
    Finding::error(&input::UNREADABLE, format!("cannot read: {error}")).at(place, "")
}

fn walk(directory: &Path, name: &str, out: &mut Vec<PathBuf>, findings: &mut Vec<Finding>) {
    let entries = match fs_err::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) => return findings.push(unreadable(name, directory, &error)),
    };
    for entry in entries {
        let kind = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)));
        match kind {
            Ok((path, kind)) if kind.is_dir() => {
                walk(&path, name, out, findings);
                out.push(path);
            }
            Ok((_, kind)) if kind.is_symlink() => {}
            Ok((path, _)) => out.push(path),
            Err(error) => findings.push(unreadable(name, directory, &error)),
        }
    }
}

fn file(
    path: &Path,
    name: &str,
    digests: bool,
    debug: &DebugFiles<'_>,
) -> std::io::Result<Examination> {
    let mut one = Examination::new(name);
    let metadata = fs_err::symlink_metadata(path)?;
    let kind = metadata.file_type();
    let mode = metadata.permissions().mode();
    let mut member = Member::file(path.display().to_string(), mode & 0o7777, Vec::new());
    if kind.is_file() {
        member.bytes = contents(path)?;
        member.capabilities = capabilities(path, mode);
        if digests && input::format(&member.bytes) == Format::Elf {
            member.sha256 = Some(hex::encode(Sha256::digest(&member.bytes)));
        }
        let opened = input::open_file(name, member, Limits::default(), &mut |member| {
            one.member(member, debug);
        });
        one.findings.extend(opened.findings);
        return Ok(one);
    }
    member.kind = if kind.is_dir() {
        Kind::Directory
    } else if kind.is_fifo() {
        Kind::Device("fifo")
    } else if kind.is_socket() {
        Kind::Device("socket")
    } else if kind.is_block_device() {
        Kind::Device("block device")
    } else {
        Kind::Device("character device")
    };
    one.member(member, debug);
    Ok(one)
}

/// The contents of a file that must be looked at: ELF files and archives; nothing of others.
fn contents(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut file = fs_err::File::open(path)?;
    let mut bytes = Vec::new();
    file.by_ref().take(input::HEAD as u64).read_to_end(&mut bytes)?;
    if matches!(input::format(&bytes), Format::Other | Format::Closed(_)) {
        return Ok(bytes);
    }
    if let Ok(metadata) = file.metadata() {
        bytes.reserve_exact(
            usize::try_from(metadata.len()).unwrap_or(0).saturating_sub(bytes.len()),
        );
    }
    file.take(Limits::default().file).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Capabilities of a program; only what may be executed can use any.
fn capabilities(path: &Path, mode: u32) -> Option<String> {
    if mode & 0o111 == 0 {
        return None;
    }
    let mut value = [0_u8; 64];
    let length = rustix::fs::lgetxattr(path, "security.capability", &mut value).ok()?;
    value.get(..length).map(input::capabilities)
}
