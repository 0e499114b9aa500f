//! Signs copies of finished packages with an OpenPGP key: `debsigs` for `.deb`, `rpmsign` for `.rpm`.
//!
//! Shell. The packages of a build are never touched: they are what two builders compare. Signed copies go to
//! `OUTPUT/signed/`, with a signed `.changes` that lists them, the public key and `NAME.signatures.json` (`quench.signatures/1`), which has the digests of
//! both and of what is the same in both. Key material is only ever read by gpg.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Error, is_package};
use crate::files::{self, Scratch};
use crate::plan::{Invocation, Plan};
use crate::source::sha256_of;
use crate::verify::payload::{self, Payload};
use crate::wire::signatures::{self, Signed};
use crate::wire::{self, Signatures, Tag};
use crate::{process, tool};

/// An opened secret key.
#[derive(Debug)]
pub struct Key {
    pub fingerprint: String,
    home: PathBuf,
    /// Holds a key read from a file; goes with its agent.
    private: Option<Scratch>,
}

impl Drop for Key {
    fn drop(&mut self) {
        if self.private.is_some() {
            let end = command(&self.home, "end the key's agent", "gpgconf").args(["--kill", "all"]);
            let _ = process::output(&end);
        }
    }
}

fn command(home: &Path, purpose: &str, program: &str) -> Invocation {
    let home = home.display().to_string();
    Invocation::plain(purpose, program, "/").env("HOME", home.clone()).env("GNUPGHOME", home)
}

impl Key {
    /// A key file, or else the id of a key in `keyring` (the caller's GnuPG directory).
    pub fn open(name: &str, keyring: &Path) -> Result<Self, Error> {
        tool::path("gpg")?;
        let file = Path::new(name);
        if !file.is_file() {
            let fingerprint = secret(keyring, Some(name))?;
            return Ok(Self { fingerprint, home: keyring.to_owned(), private: None });
        }
        let private = Scratch::new()?;
        let mut key = Self {
            fingerprint: String::new(),
            home: private.path().to_owned(),
            private: Some(private),
        };
        let import = command(&key.home, "read the signing key", "gpg")
            .args(["--batch", "--no-tty", "--import"])
            .arg(fs_err::canonicalize(file)?.display().to_string());
        process::output(&import)?;
        key.fingerprint = secret(&key.home, None)?;
        Ok(key)
    }

    /// The public key, armoured.
    fn public(&self) -> Result<String, Error> {
        let ask =
            self.gpg("export the public key").args(["--armor", "--export", &self.fingerprint]);
        Ok(process::output(&ask)?.text())
    }

    pub(super) fn gpg(&self, purpose: &str) -> Invocation {
        command(&self.home, purpose, "gpg").args([
            "--batch",
            "--no-tty",
            "--yes",
            "--local-user",
            &self.fingerprint,
        ])
    }
}

/// Fingerprint of the one secret key there is, or of the one meant.
fn secret(home: &Path, id: Option<&str>) -> Result<String, Error> {
    let ask = command(home, "find the signing key", "gpg")
        .args(["--batch", "--no-tty", "--with-colons", "--list-secret-keys"])
        .args(id.map(|id| ["--", id]).into_iter().flatten());
    let text = process::output(&ask).map(|output| output.text()).unwrap_or_default();
    let mut keys = Vec::new();
    let mut primary = false;
    for line in text.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        match fields.first() {
            Some(&"sec") => primary = true,
            Some(&"fpr") if primary => {
                keys.extend(fields.get(9).map(|fingerprint| (*fingerprint).to_owned()));
                primary = false;
            }
            _ => {}
        }
    }
    match keys.as_slice() {
        [one] => Ok(one.clone()),
        _ => Err(Error::Key { name: id.unwrap_or("the key file").to_owned(), found: keys.len() }),
    }
}

/// Signs every package among `made` and returns the signed copies; those that are signed already stay.
pub fn sign(
    plan: &Plan,
    made: &[PathBuf],
    key: &Key,
    output: &Path,
) -> Result<Vec<PathBuf>, Error> {
    let signed = output.join("signed");
    fs_err::create_dir_all(&signed)?;
    let document = signed.join(format!("{}.signatures.json", plan.package.name));
    let known = known(&document, key)?;
    let (mut entries, mut out) = (Vec::new(), Vec::new());
    for package in made.iter().filter(|path| is_package(path)) {
        let name = package.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let target = signed.join(&name);
        let entry = match entry(known.as_ref(), &name, package, &target)? {
            Some(entry) => entry.clone(),
            None => one(package, key, &signed)?,
        };
        entries.push(entry);
        out.push(target);
    }
    for changes in made.iter().filter(|path| path.extension().is_some_and(|end| end == "changes")) {
        out.extend(sign_changes(changes, made, key, &signed, known.is_some())?);
    }
    let signatures =
        Signatures { key: key.fingerprint.clone(), packages: entries, schema: Tag::default() };
    files::write(&document, &wire::text(&signatures).map_err(std::io::Error::from)?)?;
    files::write(&signed.join("signing-key.asc"), &key.public()?)?;
    Ok(out)
}

/// What this key has signed already; one of a format that is not known is never overwritten.
fn known(document: &Path, key: &Key) -> Result<Option<Signatures>, Error> {
    let text = match fs_err::read_to_string(document) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let path = document.display().to_string();
    let signatures: Signatures =
        wire::read(&text).map_err(|error| Error::Document { path, error })?;
    Ok(Some(signatures).filter(|signatures| signatures.key == key.fingerprint))
}

/// The entry of a package that is signed already, from these bytes.
fn entry<'k>(
    known: Option<&'k Signatures>,
    name: &str,
    package: &Path,
    target: &Path,
) -> Result<Option<&'k Signed>, Error> {
    let entries = known.into_iter().flat_map(|known| &known.packages);
    let Some(entry) = entries.into_iter().find(|entry| entry.name == name) else { return Ok(None) };
    let same = target.is_file()
        && entry.unsigned.sha256 == sha256_of(package)?
        && entry.signed.sha256 == sha256_of(target)?;
    Ok(same.then_some(entry))
}

/// Signs a copy of one package.
fn one(package: &Path, key: &Key, signed: &Path) -> Result<Signed, Error> {
    let scratch = Scratch::new()?;
    let name = package.file_name().unwrap_or_default();
    let copy = scratch.path().join(name);
    fs_err::copy(package, &copy)?;
    let path = copy.display().to_string();
    let command = if package.extension().is_some_and(|extension| extension == "deb") {
        command(&key.home, "sign the .deb", "debsigs").args([
            "--sign=origin",
            &format!("--default-key={}", key.fingerprint),
            &path,
        ])
    } else {
        command(&key.home, "sign the .rpm", "rpmsign")
            .args(["--define", &format!("_gpg_name {}", key.fingerprint)])
            .args(["--define", &format!("_gpg_path {}", key.home.display())])
            // Debian's rpm looks for gpg2, or for a bare name that it does not search.
            .args(["--define", &format!("__gpg {}", tool::path("gpg")?.display())])
            .args(["--addsign", &path])
    };
    let command = Invocation { directory: scratch.path().display().to_string(), ..command };
    tool::path(&command.program)?;
    process::output(&command)?;
    let (before, after) = (described(package)?, described(&copy)?);
    let name = name.to_string_lossy().into_owned();
    if before.1 != after.1 {
        return Err(Error::Altered { name });
    }
    if before.0 == after.0 {
        return Err(Error::Unsigned { name });
    }
    files::place(&copy, signed)?;
    Ok(Signed {
        name,
        payload: match before.1 {
            Payload::Deb { members } => {
                signatures::Payload { members_sha256: Some(members), ..Default::default() }
            }
            Payload::Rpm { header, payload, unpacked } => signatures::Payload {
                payloaddigest: Some(payload),
                payloaddigestalt: Some(unpacked),
                sha256header: Some(header),
                members_sha256: None,
            },
        },
        signed: signatures::File { sha256: after.0 },
        unsigned: signatures::File { sha256: before.0 },
    })
}

/// The `.changes` of the signed copies, signed, with the `.buildinfo` it names, signed (which tells of the plain packages:
/// they are what was built).
fn sign_changes(
    changes: &Path,
    made: &[PathBuf],
    key: &Key,
    signed: &Path,
    same_key: bool,
) -> Result<Vec<PathBuf>, Error> {
    let (mut digests, mut out) = (BTreeMap::new(), Vec::new());
    for path in made {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let copy = signed.join(&name);
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("buildinfo") => {
                clear_signed(&fs_err::read_to_string(path)?, key, &copy, same_key)?;
                out.push(copy.clone());
            }
            Some("deb") => {}
            _ => continue,
        }
        digests.insert(name, Listed::of(&copy, key)?);
    }
    let target = signed.join(changes.file_name().unwrap_or_default());
    let text = relisted(&fs_err::read_to_string(changes)?, &digests);
    clear_signed(&text, key, &target, same_key)?;
    out.push(target);
    Ok(out)
}

/// The text with its signature, at its place; one by the same key that is there already stays.
fn clear_signed(text: &str, key: &Key, target: &Path, same_key: bool) -> Result<(), Error> {
    if same_key && fs_err::read_to_string(target).is_ok_and(|known| known.contains(text.trim_end()))
    {
        return Ok(());
    }
    let scratch = Scratch::new()?;
    let name = target.file_name().unwrap_or_default();
    let (plain, made) = (scratch.path().join("plain"), scratch.path().join(name));
    fs_err::write(&plain, text)?;
    let sign = key
        .gpg("sign what dpkg says of the packages")
        .args(["--armor", "--output", &made.display().to_string()])
        .args(["--clear-sign", &plain.display().to_string()]);
    process::output(&sign)?;
    files::place(&made, target.parent().unwrap_or(Path::new("/")))?;
    Ok(())
}

/// What a `.changes` says of a file.
struct Listed {
    size: String,
    md5: String,
    sha1: String,
    sha256: String,
}

impl Listed {
    fn of(path: &Path, key: &Key) -> Result<Self, Error> {
        let digest = |program: &str| -> Result<String, Error> {
            let ask =
                command(&key.home, "digest a signed file", program).arg(path.display().to_string());
            let text = process::output(&ask)?.text();
            Ok(text.split_whitespace().next().unwrap_or_default().to_owned())
        };
        Ok(Self {
            size: fs_err::metadata(path)?.len().to_string(),
            md5: digest("md5sum")?,
            sha1: digest("sha1sum")?,
            sha256: sha256_of(path)?,
        })
    }
}

/// A `.changes` with other digests and sizes for these files.
fn relisted(text: &str, files: &BTreeMap<String, Listed>) -> String {
    let mut field = "";
    let mut out = String::new();
    for line in text.lines() {
        if !line.starts_with(' ') {
            field = line.split(':').next().unwrap_or("");
        }
        let mut words: Vec<&str> = line.split_whitespace().collect();
        let listed = words.last().and_then(|name| files.get(*name));
        let digest = listed.and_then(|listed| match field {
            "Files" => Some(&listed.md5),
            "Checksums-Sha1" => Some(&listed.sha1),
            "Checksums-Sha256" => Some(&listed.sha256),
            _ => None,
        });
        match (listed, digest, words.as_mut_slice()) {
            (Some(listed), Some(digest), [first, second, _, ..]) => {
                (*first, *second) = (digest, &listed.size);
                out.push_str(&format!(" {}\n", words.join(" ")));
            }
            _ => out.push_str(&format!("{line}\n")),
        }
    }
    out
}

fn described(path: &Path) -> Result<(String, Payload), Error> {
    let payload = payload::of(&mut std::io::BufReader::new(fs_err::File::open(path)?))
        .map_err(|message| Error::Unreadable { path: path.display().to_string(), message })?;
    Ok((sha256_of(path)?, payload))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Key, Listed, known, relisted};
    use crate::failure::Hinted;
    use crate::wire::{self, Signatures, Tag};

    #[test]
    fn what_was_signed_before_counts_for_the_same_key_and_no_unknown_format_is_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.signatures.json");
        let of = |fingerprint: &str| {
            let home = directory.path().to_owned();
            let key = Key { fingerprint: fingerprint.to_owned(), home, private: None };
            known(&path, &key)
        };
        assert_eq!(of("ABC").unwrap(), None);
        let document =
            Signatures { key: "ABC".to_owned(), packages: vec![], schema: Tag::default() };
        let text = wire::text(&document).unwrap();
        std::fs::write(&path, &text).unwrap();
        assert_eq!(of("ABC").unwrap(), Some(document));
        assert_eq!(of("DEF").unwrap(), None);
        std::fs::write(&path, text.replace("signatures/1", "signatures/2")).unwrap();
        let error = of("ABC").unwrap_err();
        assert!(error.to_string().contains("schema `quench.signatures/2`"), "{error}");
        assert!(error.hint().unwrap().contains("remove "), "{:?}", error.hint());
    }

    #[test]
    fn a_changes_file_lists_the_signed_copies_and_nothing_else_of_it_changes() {
        let text = "Format: 1.8\nBinary: x x-dbgsym\nDescription:\n x - what is in x.deb\nChecksums-Sha1:\n \
                    aa 10 x.buildinfo\n bb 20 x.deb\nChecksums-Sha256:\n cc 10 x.buildinfo\n dd 20 x.deb\n\
                    Files:\n ee 10 misc optional x.buildinfo\n ff 20 misc optional x.deb\n";
        let word = |text: &str| text.to_owned();
        let listed =
            Listed { size: word("21"), md5: word("1"), sha1: word("2"), sha256: word("3") };
        let wanted =
            text.replace("bb 20", "2 21").replace("dd 20", "3 21").replace("ff 20", "1 21");
        assert_eq!(relisted(text, &BTreeMap::from([(word("x.deb"), listed)])), wanted);
    }
}
