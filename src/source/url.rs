//! The url source: a release tarball, pinned by digest and checked against an OpenPGP signature.
//!
//! Shell. Downloads with curl into a `.part` file that a later run resumes; the file gets its name only after its
//! digest and signature are right. `gpgv` checks the signature against the certificates named by fingerprint, which
//! lie in `keys/FINGERPRINT.asc` beside the profile.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use sha2::{Digest, Sha256};

use super::{Error, Fetched, Options, base};
use crate::files::Scratch;
use crate::process;
use crate::record::AuthenticatedBy;
use crate::terminal::Terminal;

pub(super) fn fetch(
    url: &str,
    sha256: &str,
    signature: Option<&str>,
    keys: &[String],
    options: &Options,
    terminal: &Terminal,
) -> Result<Fetched, Error> {
    let downloads = options.work.join("downloads");
    fs_err::create_dir_all(&downloads)?;
    let name = url.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("source.tar");
    let target = downloads.join(name);
    if target.is_file() && super::sha256_of(&target)? == sha256 {
        // It may have been fetched for a profile that asked for no signature, or for one by another key.
        if let Some(signature) = signature {
            check_signature(signature, url, &target, keys, options)?;
        }
    } else {
        let part = downloads.join(format!("{name}.part"));
        // A run that ended at the signature left all of it.
        let whole = part.is_file() && super::sha256_of(&part)? == sha256;
        if options.offline && !whole {
            return Err(Error::unavailable(
                format!(
                    "--offline, and {name} with sha256 {sha256} is not in {}",
                    downloads.display()
                ),
                "run once without --offline",
            ));
        }
        if !whole {
            terminal.status("Fetching", url);
            download(url, &part)?;
        }
        let is = super::sha256_of(&part)?;
        if is != sha256 {
            fs_err::remove_file(&part)?;
            return Err(Error::Refused(format!(
                "{url} has sha256 {is}, the profile says {sha256}"
            )));
        }
        if let Some(signature) = signature {
            check_signature(signature, url, &part, keys, options)?;
        }
        fs_err::rename(&part, &target)?;
    }
    let version = version_of(name);
    let (authenticated_by, authentication) = match signature {
        Some(_) => (
            AuthenticatedBy::OpenpgpSignature,
            format!("sha256 in the profile; OpenPGP signature by one of {}", keys.join(", ")),
        ),
        None => (
            AuthenticatedBy::ProfileDigest,
            "sha256 in the profile; no signature asked for".to_owned(),
        ),
    };
    Ok(Fetched {
        origin: format!("url: {url}"),
        version,
        files: vec![target],
        authentication,
        authenticated_by,
    })
}

/// `qemu-10.0.13.tar.xz` → `10.0.13`.
fn version_of(name: &str) -> String {
    let stem = name.split(".tar").next().unwrap_or(name);
    stem.rsplit_once('-').map_or(stem, |(_, version)| version).to_owned()
}

fn download(url: &str, part: &Path) -> Result<(), Error> {
    let parent = part.parent().unwrap_or(Path::new("/")).display().to_string();
    let command = base("download the source", "curl", &parent)
        .args([
            // First, or the user's configuration is read.
            "-q",
            "--proto",
            "=http,https",
            "--proto-redir",
            "=http,https",
            "--globoff",
            // A server that says nothing is given up.
            "--connect-timeout",
            "30",
            "--speed-limit",
            "1",
            "--speed-time",
            "60",
            "--fail",
            "--location",
            "--silent",
            "--show-error",
            "--retry",
            "2",
            "--continue-at",
            "-",
            "--output",
        ])
        .arg(part.display().to_string())
        .args(["--url", url]);
    match process::output(&process::fetching(command, &[])) {
        Ok(_) => Ok(()),
        Err(process::Error::Failed { status, tail, .. }) => {
            let said = tail.last().cloned().unwrap_or_default();
            // 33: the server cannot resume, 18: transfer closed early. 416: what is here is no beginning of what is there.
            let beyond = status.ends_with("22") && said.contains("error: 416");
            if (beyond || status.ends_with("33")) && part.is_file() {
                fs_err::remove_file(part)?;
                return download(url, part);
            }
            let hint = if status.ends_with("18") {
                "the transfer was cut short; what arrived is kept and the next run goes on from there"
            } else {
                "check the address and the network"
            };
            Err(Error::unavailable(format!("cannot download {url}: {said}"), hint))
        }
        Err(error) => Err(error.into()),
    }
}

/// Verifies a detached signature; the signing key must be one of the fingerprints. One that was fetched and is good is kept
/// in `downloads/`, under a digest of its address, so that later runs check it without a network.
fn check_signature(
    signature: &str,
    url: &str,
    file: &Path,
    keys: &[String],
    options: &Options,
) -> Result<(), Error> {
    let scratch = Scratch::beside(&options.work)?;
    let signature_file = scratch.path().join("signature");
    let local = options.profile_directory.join(signature);
    if !signature.contains("://") && local.is_file() {
        fs_err::copy(local, &signature_file)?;
        return verify_signature(&signature_file, url, file, keys, options);
    }
    let address = if signature.contains("://") {
        signature.to_owned()
    } else {
        format!("{}/{signature}", url.rsplit_once('/').map_or(url, |(directory, _)| directory))
    };
    let name = hex::encode(&Sha256::digest(&address)[..8]);
    let kept = options.work.join("downloads").join(format!("signature-{name}"));
    if kept.is_file() {
        fs_err::copy(&kept, &signature_file)?;
        let verified = verify_signature(&signature_file, url, file, keys, options);
        // A newer one may have been published at the same address.
        if verified.is_ok() || options.offline {
            return verified;
        }
        fs_err::remove_file(&signature_file)?;
    }
    if options.offline {
        return Err(Error::unavailable(
            format!("--offline, and the signature {address} was not fetched before"),
            "run once without --offline",
        ));
    }
    download(&address, &signature_file)?;
    verify_signature(&signature_file, url, file, keys, options)?;
    fs_err::rename(&signature_file, &kept)?;
    Ok(())
}

fn verify_signature(
    signature_file: &Path,
    url: &str,
    file: &Path,
    keys: &[String],
    options: &Options,
) -> Result<(), Error> {
    let scratch = Scratch::beside(&options.work)?;
    let keyring = scratch.path().join("keyring.gpg");
    let mut bytes = Vec::new();
    for key in keys {
        bytes.extend(certificate(key, options)?);
    }
    fs_err::write(&keyring, bytes)?;
    let command = base("check the signature", "gpgv", &scratch.path().display().to_string())
        .env("GNUPGHOME", scratch.path().display().to_string())
        .args(["--status-fd", "1", "--keyring"])
        .arg(keyring.display().to_string())
        .arg(signature_file.display().to_string())
        .arg(file.display().to_string());
    let output = match process::output(&command) {
        Ok(output) => output,
        Err(process::Error::Failed { tail, .. }) => {
            let why =
                tail.iter().rev().find(|line| line.contains("gpgv:")).cloned().unwrap_or_default();
            return Err(Error::Refused(format!("bad OpenPGP signature on {url}: {why}")));
        }
        Err(error) => return Err(error.into()),
    };
    match good_signature(&output.text(), keys) {
        Ok(()) => Ok(()),
        Err(why) => Err(Error::Refused(format!("bad OpenPGP signature on {url}: {why}"))),
    }
}

/// Whether gpgv's status lines tell of a good signature by one of the keys. gpgv ends with 0 for keys that were revoked
/// or have expired, too; only `GOODSIG` says that nothing of the kind was found.
fn good_signature(status: &str, keys: &[String]) -> Result<(), String> {
    let lines: Vec<Vec<&str>> = status
        .lines()
        .filter_map(|line| line.strip_prefix("[GNUPG:] "))
        .map(|line| line.split(' ').collect())
        .collect();
    let ours = |word: &&str| keys.iter().any(|key| key.eq_ignore_ascii_case(word));
    let mut why = format!("it is by none of {}", keys.join(", "));
    for signature in lines.split(|line| line[0] == "NEWSIG") {
        let says = |word: &str| signature.iter().any(|line| line[0] == word);
        if !signature.iter().any(|line| line[0] == "VALIDSIG" && line[1..].iter().any(ours)) {
            continue;
        }
        let faults = [
            ("REVKEYSIG", "the key was revoked"),
            ("KEYREVOKED", "the key was revoked"),
            ("EXPKEYSIG", "the key has expired"),
            ("EXPSIG", "the signature has expired"),
        ];
        match faults.iter().find(|(word, _)| says(word)) {
            Some((_, fault)) => (*fault).clone_into(&mut why),
            None if says("GOODSIG") => return Ok(()),
            None => "gpgv does not call it good".clone_into(&mut why),
        }
    }
    Err(why)
}

/// The binary certificate of a fingerprint.
fn certificate(fingerprint: &str, options: &Options) -> Result<Vec<u8>, Error> {
    let places: Vec<PathBuf> = ["asc", "gpg"]
        .iter()
        .map(|extension| {
            options.profile_directory.join("keys").join(format!("{fingerprint}.{extension}"))
        })
        .collect();
    let Some(path) = places.iter().find(|path| path.is_file()) else {
        return Err(Error::unavailable(
            format!("no certificate for key {fingerprint}"),
            format!("export it to {}", places[0].display()),
        ));
    };
    let bytes = fs_err::read(path)?;
    if bytes.starts_with(b"-----BEGIN") {
        return dearmor(&String::from_utf8_lossy(&bytes)).ok_or_else(|| {
            Error::Refused(format!("{} is no armored certificate", path.display()))
        });
    }
    Ok(bytes)
}

/// RFC 9580, 6.2: base64 lines between the header's blank line and the checksum or the tail.
fn dearmor(text: &str) -> Option<Vec<u8>> {
    let (_, body) = text.split_once("\n\n")?;
    let base64: String = body
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with('=') && !line.starts_with('-'))
        .collect();
    base64::engine::general_purpose::STANDARD.decode(base64).ok()
}

#[cfg(test)]
mod tests {
    use super::good_signature;

    #[test]
    fn only_a_good_signature_by_one_of_the_keys_counts() {
        let keys = ["ABCD".to_owned()];
        let one = |words: &str, key: &str| {
            format!("[GNUPG:] NEWSIG\n[GNUPG:] {words} 1 x\n[GNUPG:] VALIDSIG {key} 2026-01-01\n")
        };
        assert!(good_signature(&one("GOODSIG", "abcd"), &keys).is_ok());
        for bad in ["REVKEYSIG", "EXPKEYSIG", "EXPSIG", "ERRSIG"] {
            assert!(good_signature(&one(bad, "ABCD"), &keys).is_err(), "{bad}");
            // The good one of a stranger does not make ours good; a second good one of ours counts.
            let by_other = one(bad, "ABCD") + &one("GOODSIG", "EF01");
            assert!(good_signature(&by_other, &keys).is_err(), "{bad}");
            assert!(good_signature(&(one(bad, "EF01") + &one("GOODSIG", "ABCD")), &keys).is_ok());
        }
        let revoked = one("GOODSIG", "ABCD") + "[GNUPG:] KEYREVOKED\n";
        assert!(good_signature(&revoked, &keys).unwrap_err().contains("revoked"));
        assert!(good_signature("", &keys).is_err());
    }
}
