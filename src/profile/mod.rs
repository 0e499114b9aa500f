//! The profile: what a person asks for. Text of the profile and its parents goes in, a complete [`Profile`] and all
//! findings come out; a check never stops at the first fault.
//!
//! Pure.

mod codes;
mod expand;
mod names;
mod read;
mod types;

pub(crate) use expand::{compiler_name, level_name};
pub use expand::{expanded, expanded_without_paths};
pub use names::check_names;
pub use read::{KEYS, Parent, load};
pub use types::*;

use crate::finding::Code;

/// Finding codes of this module.
pub const CODES: &[&Code] = codes::ALL;
