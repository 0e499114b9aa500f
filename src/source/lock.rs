//! The lock file: version and digests of the source, in a few lines of TOML that a person can read in a diff. Shell.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Error;

/// One pinned file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pinned {
    pub name: String,
    pub sha256: String,
}

/// `<profile>.lock`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    schema: u32,
    pub version: String,
    #[serde(rename = "file")]
    pub files: Vec<Pinned>,
}

impl Lock {
    pub(crate) fn new(version: &str, files: &[(String, String)]) -> Self {
        let files = files
            .iter()
            .map(|(name, sha256)| Pinned { name: name.clone(), sha256: sha256.clone() });
        Self { schema: 1, version: version.to_owned(), files: files.collect() }
    }

    pub(super) fn read(path: &Path) -> Result<Option<Self>, Error> {
        let text = match fs_err::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        toml::from_str(&text).map(Some).map_err(|error| Error::Lock {
            path: path.display().to_string(),
            message: error.to_string(),
        })
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), Error> {
        let body = toml::to_string(self).map_err(|error| Error::Lock {
            path: path.display().to_string(),
            message: error.to_string(),
        })?;
        let text = format!(
            "# Written by quench: the exact source this profile builds. Commit it; --update renews it.\n{body}"
        );
        Ok(crate::files::write(path, text)?)
    }

    /// What was fetched must be what is pinned.
    pub(super) fn agrees(&self, fetched: &Self, path: &Path) -> Result<(), Error> {
        if self == fetched {
            return Ok(());
        }
        let drift = self.files.iter().find(|pinned| !fetched.files.contains(pinned)).map_or_else(
            || self.version.clone(),
            |pinned| format!("{} {}", pinned.sha256, pinned.name),
        );
        Err(Error::Refused(format!(
            "the source is not the one {} pins: no `{drift}` in version {} (use --update to pin anew)",
            path.display(),
            fetched.version
        )))
    }
}
