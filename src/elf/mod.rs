//! (to be written by the module's owner)

use crate::finding::Code;

/// Finding codes of this module.
pub const CODES: &[&Code] = &[];
