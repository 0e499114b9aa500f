//! Compilation units: the options each was compiled with, by its own account, and what its functions do. Pure.

mod compile_options;
mod options;
mod summary;

pub(crate) use compile_options::CompileOptions;
pub(crate) use options::StackProtector;
pub(super) use options::{Compiler, KnownOptions, options};
pub use summary::UnitSummary;
pub(super) use summary::summaries;
