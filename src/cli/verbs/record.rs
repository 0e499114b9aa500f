//! `quench record show|diff`: reads and compares records.

use std::path::PathBuf;

use crate::failure::{Exit, Failure};
use crate::inspect::read_record as read;
use crate::record;
use crate::terminal::Terminal;

/// Show or compare records.
///
/// Example: quench record diff old.deb new.deb
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Print a record; a package gives the one inside.
    Show { record: PathBuf },
    /// Compare two records or packages: exit 0 the same, 1 different.
    Diff { a: PathBuf, b: PathBuf },
}

pub(super) fn run(args: &Args, terminal: &Terminal) -> Result<Exit, Failure> {
    match &args.verb {
        Verb::Show { record } => {
            let text = read(record)?.to_text().map_err(Failure::machine)?;
            terminal.data(&text);
            Ok(Exit::Done)
        }
        Verb::Diff { a, b } => {
            let lines = record::diff(&read(a)?, &read(b)?);
            for line in &lines {
                terminal.data(&format!("{line}\n"));
            }
            Ok(if lines.is_empty() { Exit::Done } else { Exit::No })
        }
    }
}
