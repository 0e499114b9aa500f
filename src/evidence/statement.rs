//! The in-toto statement, version 1. Source: in-toto/attestation, `spec/v1/statement.md` and `resource_descriptor.md`.
//! Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::record::{NamedDigest, Record};

/// `_type` of every statement.
pub(super) const TYPE: &str = "https://in-toto.io/Statement/v1";

/// A thing by name, URI or digest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resource {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uri: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub digest: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Value>,
}

impl Resource {
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    pub fn uri(uri: impl Into<String>) -> Self {
        Self { uri: uri.into(), ..Self::default() }
    }

    #[must_use]
    pub fn sha256(mut self, sha256: &str) -> Self {
        self.digest.insert("sha256".to_owned(), sha256.to_owned());
        self
    }
}

impl From<&NamedDigest> for Resource {
    fn from(from: &NamedDigest) -> Self {
        Self::named(from.name.clone()).sha256(&from.sha256)
    }
}

/// A claim about subjects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    #[serde(rename = "_type")]
    pub kind: String,
    pub subject: Vec<Resource>,
    pub predicate_type: String,
    pub predicate: Value,
}

impl Statement {
    /// A statement about the packages of a record.
    pub fn about(record: &Record, predicate_type: &str, predicate: Value) -> Self {
        Self {
            kind: TYPE.to_owned(),
            subject: record.packages.iter().map(Resource::from).collect(),
            predicate_type: predicate_type.to_owned(),
            predicate,
        }
    }
}
