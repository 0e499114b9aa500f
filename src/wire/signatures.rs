//! `quench.signatures/1`: `NAME.signatures.json` beside signed copies of packages. Pure.

use serde::{Deserialize, Serialize};

use super::Tag;

/// Format name and version. History: 1 = first.
pub(super) const SCHEMA: &str = "quench.signatures/1";

/// What signing made of the packages of a build, and what of them it left as it was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Signatures {
    /// Fingerprint of the OpenPGP key, in hexadecimal digits.
    pub key: String,
    pub packages: Vec<Signed>,
    pub schema: Tag<Self>,
}

/// A package and its signed copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Signed {
    /// File name, the same of both.
    pub name: String,
    pub payload: Payload,
    /// The signed copy.
    pub signed: File,
    /// The package as it was built.
    pub unsigned: File,
}

/// A file by its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct File {
    #[cfg_attr(test, schemars(with = "super::tests::Sha256"))]
    pub sha256: String,
}

/// Digests of what is the same in both files, and what two builders compare. A `.deb` has `members-sha256`, an `.rpm` the
/// others, named like the tags of rpm.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Payload {
    /// sha256 of `debian-binary`, `control.tar` and `data.tar`, one after the other: what `debsigs` signs.
    #[serde(rename = "members-sha256", default, skip_serializing_if = "Option::is_none")]
    pub members_sha256: Option<String>,
    /// `PAYLOADDIGEST`, recomputed: sha256 of the compressed archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payloaddigest: Option<String>,
    /// `PAYLOADDIGESTALT` as the header has it: sha256 of the archive before compression. Null where it has none.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "super::nullable"
    )]
    pub payloaddigestalt: Option<Option<String>>,
    /// `SHA256HEADER`, recomputed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256header: Option<String>,
}
