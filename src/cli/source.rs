//! Options of every verb that needs the source.

use std::path::PathBuf;

use crate::pipeline::SourceOptions;

/// Options of every verb that needs the source.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct SourceArgs {
    /// Work directory: downloads, source trees, builds [default: $XDG_CACHE_HOME/quench].
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
    /// Use this unpacked, patched QEMU tree instead of the profile's source.
    #[arg(long, value_name = "DIR")]
    source: Option<PathBuf>,
    /// apt sources (one-line or deb822) to use instead of the host's, for a private mirror.
    #[arg(long, value_name = "FILE")]
    apt_sources: Option<PathBuf>,
    /// Accept an apt index past its Valid-Until date: frozen mirrors and snapshots. Its signature still counts.
    #[arg(long)]
    stale_index: bool,
    /// No network: only what is in the work directory.
    #[arg(long)]
    pub(super) offline: bool,
    /// The lock file must exist and must not change.
    #[arg(long)]
    pub(super) locked: bool,
    /// Take the newest matching version although the lock file pins another.
    #[arg(long, conflicts_with = "locked")]
    update: bool,
}

impl SourceArgs {
    /// The same without a command line.
    pub(crate) fn options(&self) -> SourceOptions {
        SourceOptions {
            work: self.work.clone(),
            source: self.source.clone(),
            apt_sources: self.apt_sources.clone(),
            stale_index: self.stale_index,
            offline: self.offline,
            locked: self.locked,
            update: self.update,
            by_digest: false,
        }
    }
}
