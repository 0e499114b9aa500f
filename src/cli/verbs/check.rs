//! `quench check`.

use crate::cli::{Exit, Failure};
use crate::terminal::Terminal;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(super) fn run(_args: &Args, _terminal: &Terminal) -> Result<Exit, Failure> {
    Err(Failure::new(Exit::Usage, "not written yet"))
}
