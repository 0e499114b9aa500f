//! The `schema` of a document: nothing but the one name and version that the type around it has. Pure.

use std::fmt;
use std::marker::PhantomData;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Format;

/// The value of `schema` in a document of format `F`. It is written as [`Format::SCHEMA`] and read from nothing else, so
/// a document within another one is checked, too.
pub struct Tag<F>(PhantomData<fn() -> F>);

impl<F: Format> Serialize for Tag<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(F::SCHEMA)
    }
}

impl<'de, F: Format> Deserialize<'de> for Tag<F> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let found = String::deserialize(deserializer)?;
        if found == F::SCHEMA {
            return Ok(Self::default());
        }
        let wanted = F::SCHEMA;
        Err(D::Error::custom(format!("schema `{found}`; this quench reads `{wanted}`")))
    }
}

// By hand: a derive would ask `F` for what only its name is needed of.
impl<F> Default for Tag<F> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<F> Clone for Tag<F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F> Copy for Tag<F> {}

impl<F> PartialEq for Tag<F> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<F> Eq for Tag<F> {}

impl<F: Format> fmt::Debug for Tag<F> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(F::SCHEMA)
    }
}

#[cfg(test)]
impl<F: Format> schemars::JsonSchema for Tag<F> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        F::SCHEMA.into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "const": F::SCHEMA })
    }
}
