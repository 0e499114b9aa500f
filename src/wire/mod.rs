//! The formats that leave the program: each is a type with a name, a version and a JSON Schema in `schemas/`.
//!
//! Pure. Nothing else writes or reads a document with a `schema`. The types here are apart from the values the program
//! works with, so that a rename inside is no change of a format; they know nothing of the program: the rooms that make
//! and use them convert. What a document says is in fields, never in prose that has to be parsed back.
//!
//! A new format: a module with the type, whose first field is `schema: Tag<Self>`, and `SCHEMA` with its history; a line
//! in [`formats!`] below; `cargo xtask schemas`. Rules that keep documents readable:
//! - Fields of JSON formats stand in the order of their names: that is how documents are written, also within others.
//! - A field that is added gets `#[serde(default)]`, so that older documents are read; the version stays. A field that
//!   goes or changes its meaning is a new version.
//! - No `flatten`, no `untagged`: they make messages that name no field.

pub mod catalog;
mod finding;
pub mod plan;
pub mod record;
pub mod root_lock;
pub mod signatures;
mod tag;
#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "schemas and old documents are files")]
mod tests;
pub mod tree_diff;
pub mod verdict;

pub use catalog::Catalog;
pub use finding::{Finding, Label, Severity};
pub use plan::Plan;
pub use record::Record;
pub use root_lock::RootLock;
pub use signatures::Signatures;
pub use tag::Tag;
pub use tree_diff::TreeDiff;
pub use verdict::Verdict;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::failure::{Exit, Hinted};

/// A document of its own, with a name and a version.
pub trait Format: Serialize + DeserializeOwned {
    /// Name and version, as the document's `schema` says it: `quench.NAME/VERSION`.
    const SCHEMA: &'static str;
}

/// Gives each type the schema of its module, and the tests the list of them.
macro_rules! formats {
    ($($module:ident::$type:ident),+ $(,)?) => {
        $(impl Format for $module::$type {
            const SCHEMA: &'static str = $module::SCHEMA;
        })+

        /// The JSON Schema of each format, and the name of its file in `schemas/`.
        #[cfg(test)]
        fn schemas() -> Vec<(String, schemars::Schema)> {
            vec![$(tests::schema_of::<$module::$type>()),+]
        }
    };
}

formats! {
    catalog::Catalog,
    finding::Finding,
    plan::Plan,
    record::Record,
    root_lock::RootLock,
    signatures::Signatures,
    tree_diff::TreeDiff,
    verdict::Verdict,
}

/// A thing by name and content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NamedDigest {
    pub name: String,
    #[cfg_attr(test, schemars(with = "tests::Sha256"))]
    pub sha256: String,
}

/// An installed package of a distribution.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Installed {
    pub name: String,
    pub version: String,
    pub architecture: String,
}

/// Why a text is not a document of the format that was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no JSON: {0}")]
    Syntax(serde_json::Error),
    #[error("no `schema` in it; this quench reads `{wanted}`")]
    Nameless { wanted: &'static str },
    #[error("schema `{found}`; this quench reads `{wanted}`")]
    Unknown { found: String, wanted: &'static str },
    #[error("the record's plan is empty")]
    EmptyPlan,
    #[error("the record has no verdict")]
    NoVerdict,
    #[error("no valid `{wanted}`: {error}")]
    Malformed { wanted: &'static str, error: Box<dyn std::error::Error + Send + Sync> },
}

impl Hinted for Error {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { found, wanted } if newer(found, wanted) => {
                Some("a newer quench wrote it and reads it".to_owned())
            }
            Self::Unknown { wanted, .. } | Self::Nameless { wanted } => {
                Some(format!("give a document whose `schema` is `{wanted}`"))
            }
            Self::EmptyPlan => Some(
                "nothing can be rebuilt or compared by it: take the record that `build` wrote, or a package, which has \
                 one inside"
                    .to_owned(),
            ),
            Self::NoVerdict => Some(
                "give the record beside the packages (the one inside has no verdict), or the package"
                    .to_owned(),
            ),
            Self::Syntax(_) | Self::Malformed { .. } => {
                Some("it is cut short or was changed by hand: write it anew".to_owned())
            }
        }
    }
}

/// Whether a schema is a later version of the same format.
fn newer(found: &str, known: &str) -> bool {
    let parts = |schema: &str| {
        let (name, version) = schema.rsplit_once('/')?;
        Some((name.to_owned(), version.parse::<u32>().ok()?))
    };
    match (parts(found), parts(known)) {
        (Some((name, version)), Some((wanted, read))) => name == wanted && version > read,
        _ => false,
    }
}

/// What every document says of itself.
#[derive(Deserialize)]
struct Head {
    schema: Option<String>,
}

/// Reads a JSON document. One of another format or version is refused by the name it has, before anything else of it is
/// looked at.
pub fn read<T: Format>(text: &str) -> Result<T, Error> {
    let head: Head = serde_json::from_str(text).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => malformed::<T>(error),
        _ => Error::Syntax(error),
    })?;
    named::<T>(head)?;
    serde_json::from_str(text).map_err(malformed::<T>)
}

/// Reads a TOML document, with the same care.
pub fn read_toml<T: Format>(text: &str) -> Result<T, Error> {
    named::<T>(toml::from_str(text).map_err(malformed::<T>)?)?;
    toml::from_str(text).map_err(malformed::<T>)
}

/// The document must say that it is of the format.
fn named<T: Format>(head: Head) -> Result<(), Error> {
    let wanted = T::SCHEMA;
    match head.schema {
        Some(found) if found == wanted => Ok(()),
        Some(found) => Err(Error::Unknown { found, wanted }),
        None => Err(Error::Nameless { wanted }),
    }
}

fn malformed<T: Format>(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Malformed { wanted: T::SCHEMA, error: error.into() }
}

/// The verdict of a text: a verdict by itself, or the one in a record.
pub fn verdict_of(text: &str) -> Result<Verdict, Error> {
    alone_or_in_record(text, |record| record.verdict.ok_or(Error::NoVerdict))
}

/// The plan of a text: a plan by itself, or the one in a record.
pub fn plan_of(text: &str) -> Result<Plan, Error> {
    alone_or_in_record(text, |record| Ok(record.plan))
}

/// What says that it is of the format is read as such, whatever its version; anything else has to be a record.
fn alone_or_in_record<T: Format>(
    text: &str,
    take: impl FnOnce(Record) -> Result<T, Error>,
) -> Result<T, Error> {
    let name = |schema: &str| schema.split('/').next().map(str::to_owned);
    let head: Option<Head> = serde_json::from_str(text).ok();
    let found = head.and_then(|head| head.schema);
    match found {
        Some(found) if name(&found) == name(T::SCHEMA) => read(text),
        _ => Record::from_text(text).and_then(take),
    }
}

/// Reads a value that may be null, for a key that may be absent besides.
#[expect(clippy::option_option, reason = "a key with null is not a key that is absent")]
fn nullable<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Writes a value of a tagged type, whose tag serde puts first, with its keys in order.
fn in_order<T: Serialize, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serde_json::to_value(value).map_err(serde::ser::Error::custom)?.serialize(serializer)
}

/// A document as indented JSON with a newline at its end.
pub fn text<T: Format>(document: &T) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(document).map(|text| text + "\n")
}

/// A document as one line, for output that is read line by line.
pub fn line<T: Format>(document: &T) -> Result<String, serde_json::Error> {
    serde_json::to_string(document).map(|text| text + "\n")
}
