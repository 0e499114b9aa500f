//! `quench reproduce`: the command line of [`crate::reproduce`].

use std::path::PathBuf;

use crate::cli::source::SourceArgs;
use crate::evidence;
use crate::failure::{Exit, Failure};
use crate::isolate;
use crate::reproduce::{self, Request};
use crate::terminal::Terminal;

/// Build a record again and compare: exit 0 identical, 1 different.
///
/// Example: quench reproduce dist/qemu-cloud-virtio.record.json dist/*.deb dist/*.rpm
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A record, or a package that holds one.
    record: PathBuf,
    /// Packages to compare with byte for byte; without them the record's digests are compared.
    packages: Vec<PathBuf>,
    /// Compare with packages that were rebuilt elsewhere, and build nothing.
    #[arg(long, value_name = "DIR")]
    rebuilt: Option<PathBuf>,
    /// What to make different [default: everything]: path, environment, home, locale, time-zone, umask, jobs, kernel,
    /// clock, hostname, user, file-order; none for a plain rebuild.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    vary: Option<Vec<String>>,
    /// Do not look for the variation that makes the difference.
    #[arg(long)]
    no_bisect: bool,
    /// Where the rebuilt packages and the statement go.
    #[arg(long, value_name = "DIR", default_value = "reproduced")]
    output: PathBuf,
    /// Compile jobs [default: number of CPUs].
    #[arg(short, long, value_name = "N")]
    jobs: Option<usize>,
    /// Run the steps in a sandbox.
    #[arg(long, value_enum, default_value = "auto")]
    sandbox: isolate::Want,
    /// Sign the statement that it was reproduced.
    #[arg(long, value_name = "FILE")]
    provenance_key: Option<PathBuf>,
    /// Who rebuilds, as the statement names it.
    #[arg(long, value_name = "URI", default_value = evidence::WORKSTATION)]
    builder: String,
    #[command(flatten)]
    source: SourceArgs,
}

pub(super) fn run(args: &Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let request = Request {
        record: args.record.clone(),
        packages: args.packages.clone(),
        rebuilt: args.rebuilt.clone(),
        vary: reproduce::variations(args.vary.as_deref())?,
        bisect: !args.no_bisect,
        output: args.output.clone(),
        jobs: args.jobs,
        sandbox: args.sandbox,
        provenance_key: args.provenance_key.clone(),
        builder: args.builder.clone(),
        source: args.source.options(),
    };
    reproduce::run(&request, terminal)
}
