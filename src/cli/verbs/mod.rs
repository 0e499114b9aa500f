//! The verbs, one file each.

mod build;
mod check;
mod completions;
pub(crate) mod deps;
mod devices;
mod diff_tree;
mod explain;
mod machines;
mod man;
mod plan;
mod record;
mod reproduce;
mod verify;

use crate::failure::{Exit, Failure};
use crate::terminal::Terminal;
use crate::wire;

/// How a verb answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Human,
    Json,
}

/// A document as indented JSON.
fn json_text(document: &impl wire::Format) -> Result<String, Failure> {
    wire::text(document).map_err(Failure::machine)
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum Verb {
    Build(build::Args),
    Check(check::Args),
    Plan(plan::Args),
    Explain(explain::Args),
    DiffTree(diff_tree::Args),
    Devices(devices::Args),
    Machines(machines::Args),
    Deps(deps::Args),
    Verify(verify::Args),
    Record(record::Args),
    Reproduce(reproduce::Args),
    Completions(completions::Args),
    #[command(hide = true)]
    Man(man::Args),
}

impl Verb {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<Exit, Failure> {
        match self {
            Self::Build(args) => build::run(args, terminal),
            Self::Check(args) => check::run(args, terminal),
            Self::Plan(args) => plan::run(args, terminal),
            Self::Explain(args) => explain::run(args, terminal),
            Self::DiffTree(args) => diff_tree::run(args, terminal),
            Self::Devices(args) => devices::run(args, terminal),
            Self::Machines(args) => machines::run(args, terminal),
            Self::Deps(args) => deps::run(args, terminal),
            Self::Verify(args) => verify::run(args, terminal),
            Self::Record(args) => record::run(args, terminal),
            Self::Reproduce(args) => reproduce::run(args, terminal),
            Self::Completions(args) => completions::run(args, terminal),
            Self::Man(args) => man::run(args, terminal),
        }
    }
}
