//! `quench deps`: what exactly this plan needs to build, and how to get it.

use crate::build_deps;
use crate::cli::source::SourceArgs;
use crate::failure::{Exit, Failure};
use crate::pipeline::{self, install};
use crate::terminal::Terminal;

/// Build dependencies of exactly this plan.
///
/// Example: quench deps cloud-virtio --install
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Profile: a path, or the name of a shipped one.
    profile: String,
    /// Install what is missing through apt; asks before it uses sudo.
    #[arg(long)]
    install: bool,
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    source: SourceArgs,
}

pub(super) fn run(args: &Args, terminal: &Terminal) -> Result<Exit, Failure> {
    // The source itself cannot be unpacked or scanned for flags without these.
    if args.install {
        install::bootstrap(false, args.yes, terminal)?;
    }
    let planned = pipeline::plan(&args.profile, &args.source.options(), false, terminal)?;
    if args.install {
        install::install(&planned, args.yes, args.source.offline, terminal)?;
    }
    let missing = build_deps::missing(&planned.plan)?;
    for dependency in build_deps::needed(&planned.plan)? {
        let here = if missing.contains(&dependency) { "missing" } else { "here" };
        terminal.data(&format!(
            "{here:<8} {:<22} {:<24} {} ({})\n",
            dependency.debian, dependency.fedora, dependency.why, dependency.when
        ));
    }
    if missing.is_empty() { Ok(Exit::Done) } else { Err(install::lacking(&missing)) }
}
