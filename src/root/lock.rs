//! The lock of a closed root: TOML that a person can read in a diff, one table for each `.deb`.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::Error;
use crate::record::RootLock;
use crate::wire::{self, Format as _};

const HEAD: &str = "# Written by quench: every .deb of the closed root a build runs in. Commit it; --update renews it.\n";

/// The text of a lock file.
pub fn text(root: &RootLock) -> Result<String, Error> {
    let body = toml::to_string(root)
        .map_err(|error| Error::Lock { path: "(new)".to_owned(), message: error.to_string() })?;
    Ok(format!("{HEAD}{body}"))
}

/// sha256 of what a lock says, however its file is laid out.
pub fn digest(root: &RootLock) -> String {
    let mut hasher = Sha256::new();
    let schema = RootLock::SCHEMA;
    hasher.update(format!("{schema} {} {}\n", root.suite, root.architecture));
    for package in &root.packages {
        let line = format!(
            "{} {} {} {}\n",
            package.sha256, package.name, package.version, package.architecture
        );
        hasher.update(line);
    }
    hex::encode(hasher.finalize())
}

/// Reads a lock file; `None` where there is none. What could lead out of a directory is refused.
pub fn read(path: &Path) -> Result<Option<RootLock>, Error> {
    let text = match fs_err::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let fault = |message: String| Error::Lock { path: path.display().to_string(), message };
    let root: RootLock = wire::read_toml(&text).map_err(|error| fault(error.to_string()))?;
    check(&root).map_err(fault)?;
    Ok(Some(root))
}

/// Names, versions and digests become file names and arguments: they must look like what they are.
pub(super) fn check(root: &RootLock) -> Result<(), String> {
    let plain = |text: &str, more: &str| {
        text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
    };
    if !plain(&root.suite, "-.") || !plain(&root.architecture, "-") {
        return Err(format!("suite `{}`, architecture `{}`", root.suite, root.architecture));
    }
    for package in &root.packages {
        let good = plain(&package.name, "+-.")
            && plain(&package.version, "+-.~:")
            && plain(&package.architecture, "-")
            && package.sha256.len() == 64
            && package.sha256.chars().all(|c| c.is_ascii_hexdigit());
        if !good {
            return Err(format!("no such package can be: `{}` {}", package.name, package.version));
        }
    }
    let mut names: Vec<&str> = root.packages.iter().map(|package| package.name.as_str()).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!("`{}` twice", pair[0])),
        None => Ok(()),
    }
}

/// Writes a lock file by rename.
pub(super) fn write(root: &RootLock, path: &Path) -> Result<(), Error> {
    Ok(crate::files::write(path, text(root)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::RootPackage;

    fn sample() -> RootLock {
        let package = |name: &str, version: &str| RootPackage {
            name: name.to_owned(),
            version: version.to_owned(),
            architecture: "amd64".to_owned(),
            sha256: "0123456789abcdef".repeat(4),
        };
        RootLock {
            schema: wire::Tag::default(),
            suite: "bookworm".to_owned(),
            architecture: "amd64".to_owned(),
            wanted: vec!["gcc".to_owned()],
            packages: vec![package("gcc", "4:12.2.0-3"), package("libstdc++-12-dev", "12~rc+1")],
        }
    }

    #[test]
    fn a_lock_survives_its_file_and_every_package_counts() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.root.lock");
        assert!(read(&path).unwrap().is_none());
        write(&sample(), &path).unwrap();
        assert_eq!(read(&path).unwrap().unwrap(), sample());
        let mut other = sample();
        other.packages[1].sha256 = "f".repeat(64);
        assert_ne!(digest(&sample()), digest(&other));
        other = sample();
        other.wanted.clear();
        assert_eq!(digest(&sample()), digest(&other), "what was asked for is not in the root");
    }

    #[test]
    fn a_lock_of_another_version_is_refused_by_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.root.lock");
        std::fs::write(&path, text(&sample()).unwrap().replace("root/1", "root/2")).unwrap();
        let said = read(&path).unwrap_err().to_string();
        assert!(
            said.contains("schema `quench.root/2`; this quench reads `quench.root/1`"),
            "{said}"
        );
        std::fs::write(&path, "suite = \"bookworm\"\n").unwrap();
        let said = read(&path).unwrap_err().to_string();
        assert!(said.contains("no `schema` in it"), "{said}");
    }

    #[test]
    fn what_could_be_a_path_or_an_option_is_refused() {
        for (name, version) in [("../x", "1"), ("-x", "1"), ("x", "1/2"), ("x", "-1"), ("", "1")] {
            let mut lock = sample();
            lock.packages[0].name = name.to_owned();
            lock.packages[0].version = version.to_owned();
            assert!(check(&lock).is_err(), "{name} {version}");
        }
        let mut lock = sample();
        lock.suite = "../sid".to_owned();
        assert!(check(&lock).is_err());
        lock = sample();
        lock.packages[1].name = "gcc".to_owned();
        assert!(check(&lock).unwrap_err().contains("twice"));
    }
}
