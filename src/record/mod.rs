//! Comparison of two records, and the names under which records go. The document itself is [`crate::wire::record`].
//!
//! Pure.

mod diff;

pub use diff::diff;

pub use crate::wire::record::{
    AuthenticatedBy, CompilerCache, Host, Isolated, Library, Measured, Observed, PatchText,
    ProfileFile, Record, RootKind, SourceKind, SourceOrigin, StagedFile, StepRun, StepRuns,
    ToolVersion,
};
pub use crate::wire::root_lock::{RootLock, RootPackage};
pub use crate::wire::{Installed, NamedDigest};

/// File name of the record inside a package.
pub const FILE_NAME: &str = "quench-record.json";
