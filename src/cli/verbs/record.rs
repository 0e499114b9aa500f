//! `quench record show|diff`: reads and compares records.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use crate::archive;
use crate::failure::{Exit, Failure, Hinted as _};
use crate::record::{self, Record};
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

pub(super) fn read(path: &Path) -> Result<Record, Failure> {
    let failure = Failure::usage;
    let mut file = BufReader::with_capacity(64 << 10, fs_err::File::open(path).map_err(failure)?);
    let name = path.display().to_string();
    let bytes = match archive::format(file.fill_buf().map_err(failure)?) {
        archive::Format::Deb | archive::Format::Rpm => {
            let mut inside = Inside(None);
            archive::open(&name, &mut file, archive::Limits::default(), false, &mut inside);
            inside.0.ok_or_else(|| Failure::usage(format!("no {} in {name}", record::FILE_NAME)))?
        }
        _ => {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).map_err(failure)?;
            bytes
        }
    };
    let text = String::from_utf8_lossy(&bytes);
    Record::from_text(&text)
        .map_err(|error| Failure::usage(format!("{name}: {error}")).with_hint(error.hint()))
}

/// The first record of a package.
struct Inside(Option<Vec<u8>>);

impl archive::Visit for Inside {
    fn keeps(&self, path: &str) -> bool {
        path.ends_with(&format!("/{}", record::FILE_NAME))
    }

    fn member(&mut self, member: archive::Member) {
        if self.0.is_none() && self.keeps(&member.path) {
            self.0 = Some(member.bytes);
        }
    }
}
