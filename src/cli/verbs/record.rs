//! `quench record show|diff`: reads and compares records.

use std::path::{Path, PathBuf};

use crate::cli::{Exit, Failure};
use crate::record::{self, Record};
use crate::terminal::Terminal;
use crate::verify::input;

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
            let text =
                read(record)?.to_text().map_err(|error| Failure::new(Exit::Machine, error))?;
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

pub(super) fn read(path: &Path) -> Result<Record, Failure> {
    let bytes = fs_err::read(path).map_err(|error| Failure::new(Exit::Usage, error))?;
    let name = path.display().to_string();
    let text = match input::format(&bytes) {
        input::Format::Deb | input::Format::Rpm => {
            let (members, _) = input::members(&name, &bytes);
            let inside =
                members.into_iter().find(|member| member.path.ends_with(record::FILE_NAME));
            inside.map(|member| String::from_utf8_lossy(&member.bytes).into_owned()).ok_or_else(
                || Failure::new(Exit::Usage, format!("no {} in {name}", record::FILE_NAME)),
            )?
        }
        _ => String::from_utf8_lossy(&bytes).into_owned(),
    };
    Record::from_text(&text).map_err(|error| Failure::new(Exit::Usage, format!("{name}: {error}")))
}
