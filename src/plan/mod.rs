//! x
mod because;
mod invocation;
mod options;
mod places;
pub use because::{Because, Item};
pub use invocation::{Invocation, shell_quote};
pub use options::{Accepts, Options};
pub use places::{Places, Variable};
use crate::finding::Code;
pub const CODES: &[&Code] = &[];
