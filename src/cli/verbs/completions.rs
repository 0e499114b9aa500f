//! `quench completions`: shell completions on stdout.

use crate::cli;
use crate::failure::{Exit, Failure};
use crate::terminal::Terminal;

/// Print shell completions.
///
/// Example: quench completions bash > /etc/bash_completion.d/quench
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    shell: clap_complete::Shell,
}

pub(super) fn run(args: &Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let mut out = Vec::new();
    clap_complete::generate(args.shell, &mut cli::command(), "quench", &mut out);
    terminal.data(&String::from_utf8_lossy(&out));
    Ok(Exit::Done)
}
