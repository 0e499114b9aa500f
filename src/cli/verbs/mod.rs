//! The verbs, one file each.

mod build;
mod check;
mod completions;
pub(crate) mod deps;
mod devices;
mod explain;
mod machines;
mod plan;
mod record;
mod verify;

use super::{Exit, Failure};
use crate::terminal::Terminal;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Verb {
    /// Source, patch, configure, compile, stage, package, verify, record.
    Build(build::Args),
    /// Parse, inherit and resolve profiles against a tree, report all findings.
    Check(check::Args),
    /// Print the plan.
    Plan(plan::Args),
    /// Say why a device, symbol, flag or file is in, or is not.
    Explain(explain::Args),
    /// List the devices a tree offers.
    Devices(devices::Args),
    /// List the machines a tree offers.
    Machines(machines::Args),
    /// Build dependencies of exactly this plan.
    Deps(deps::Args),
    /// Verify ELF files, directories and packages.
    Verify(verify::Args),
    /// Show or compare records.
    Record(record::Args),
    /// Print shell completions.
    Completions(completions::Args),
}

impl Verb {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<Exit, Failure> {
        match self {
            Self::Build(args) => build::run(args, terminal),
            Self::Check(args) => check::run(args, terminal),
            Self::Plan(args) => plan::run(args, terminal),
            Self::Explain(args) => explain::run(args, terminal),
            Self::Devices(args) => devices::run(args, terminal),
            Self::Machines(args) => machines::run(args, terminal),
            Self::Deps(args) => deps::run(args, terminal),
            Self::Verify(args) => verify::run(args, terminal),
            Self::Record(args) => record::run(args, terminal),
            Self::Completions(args) => completions::run(args, terminal),
        }
    }
}
