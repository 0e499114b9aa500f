//! The profile: what a person asks for, as written ([`Document`]-like parsing with spans) and as meant ([`Profile`]).
//!
//! Pure. Text of the profile and of its parents goes in; a profile and all findings come out.

mod types;

pub use types::*;

use crate::finding::Code;

/// Finding codes of this module.
pub const CODES: &[&Code] = &[];
