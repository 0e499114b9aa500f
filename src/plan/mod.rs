//! The plan: everything that will be done, as data, each item with its reason.
//!
//! Pure.

mod invocation;

pub use invocation::{Invocation, shell_quote};

use crate::finding::Code;

/// Finding codes of this module.
pub const CODES: &[&Code] = &[];
