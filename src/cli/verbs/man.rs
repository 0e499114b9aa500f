//! `quench man`: the manual pages. They are made of the same command line that clap reads, so there is no second list of
//! verbs; packages of quench take them from here.

use std::path::PathBuf;

use crate::cli;
use crate::failure::{Exit, Failure};
use crate::terminal::Terminal;

/// Write a manual page of quench and one of each verb into a directory.
///
/// Example: quench man /usr/local/share/man/man1
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Made when it is not there.
    directory: PathBuf,
}

pub(super) fn run(args: &Args, _terminal: &Terminal) -> Result<Exit, Failure> {
    let written = fs_err::create_dir_all(&args.directory)
        .and_then(|()| clap_mangen::generate_to(cli::command(), &args.directory));
    written.map(|()| Exit::Done).map_err(Failure::machine)
}
