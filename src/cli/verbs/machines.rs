//! `quench machines`: the machines of a tree.

use std::path::PathBuf;

use super::Format;
use crate::catalog::Kind;
use crate::failure::{Exit, Failure};
use crate::terminal::Terminal;

/// List the machines a tree offers.
///
/// Example: quench machines --source ../qemu
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// An unpacked QEMU tree.
    #[arg(long, value_name = "DIR")]
    source: PathBuf,
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
}

pub(super) fn run(args: &Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let wanted = |entry: &crate::catalog::Entry| entry.kind == Kind::Machine && !entry.is_abstract;
    super::devices::list(&args.source, args.format == Format::Json, &wanted, terminal)
}
