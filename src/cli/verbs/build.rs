//! `quench build`: all of it, from the profile to verified packages and a record.

use std::path::PathBuf;

use crate::cli::source::SourceArgs;
use crate::evidence;
use crate::failure::{Exit, Failure};
use crate::isolate;
use crate::pipeline::build::{Request, run as build};
use crate::pipeline::closed::RootRequest;
use crate::plan::StepId;
use crate::terminal::Terminal;

/// Source, patch, configure, compile, stage, package, verify, record.
///
/// Example: quench build cloud-virtio --install-deps
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Profile: a path, or the name of a shipped one.
    profile: String,
    /// Where packages, verdict and record go.
    #[arg(long, value_name = "DIR", default_value = "dist")]
    output: PathBuf,
    /// Compile jobs [default: number of CPUs].
    #[arg(short, long, value_name = "N")]
    jobs: Option<usize>,
    /// Stop after this step.
    #[arg(long, value_enum, default_value = "record")]
    until: Until,
    /// Install what the plan needs through apt; asks before it uses sudo.
    #[arg(long)]
    install_deps: bool,
    /// Sign copies of the packages into DIR/signed: an OpenPGP key file, or the id of a key in the GnuPG keyring.
    #[arg(long, value_name = "KEY")]
    sign: Option<String>,
    /// Make a local repository of everything in the output directory, DIR/packages (apt, dnf, zypper).
    #[arg(long)]
    repo: bool,
    /// Run the steps in a sandbox: no network, read-only host, private /tmp.
    #[arg(long, value_enum, default_value = "auto")]
    sandbox: isolate::Want,
    /// Build in a closed root: a small Debian system of exactly the .deb files that LOCK lists, made with mmdebstrap. The
    /// first run makes LOCK from the host's mirror (--update makes it anew); later runs need no network [default LOCK:
    /// PROFILE.root.lock].
    #[arg(long, value_name = "LOCK", require_equals = true)]
    #[expect(clippy::option_option, reason = "no option, the option, the option with a file")]
    root: Option<Option<PathBuf>>,
    /// Suite of a new root lock [default: the host's].
    #[arg(long, value_name = "SUITE", requires = "root")]
    root_suite: Option<String>,
    /// Put ccache in front of the compiler; its cache is in the work directory.
    #[arg(long)]
    ccache: bool,
    /// Sign the provenance with this private key: PEM, Ed25519 or ECDSA P-256.
    #[arg(long, value_name = "FILE")]
    provenance_key: Option<PathBuf>,
    /// Who builds, as the provenance names it.
    #[arg(long, value_name = "URI", default_value = evidence::WORKSTATION)]
    builder: String,
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    source: SourceArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Until {
    Source,
    Configure,
    Compile,
    Stage,
    Package,
    Record,
}

impl Until {
    fn step(self) -> StepId {
        match self {
            Self::Source => StepId::Source,
            Self::Configure => StepId::Configure,
            Self::Compile => StepId::Compile,
            Self::Stage => StepId::Stage,
            Self::Package => StepId::Package,
            Self::Record => StepId::Record,
        }
    }
}

pub(super) fn run(args: &Args, terminal: &Terminal) -> Result<Exit, Failure> {
    build(&args.request(), terminal)
}

impl Args {
    fn request(&self) -> Request {
        Request {
            profile: self.profile.clone(),
            output: self.output.clone(),
            jobs: self.jobs,
            until: self.until.step(),
            install: self.install_deps,
            ask: !self.yes,
            sign: self.sign.clone(),
            repository: self.repo,
            sandbox: self.sandbox,
            root: self.root.clone().map(|lock| RootRequest {
                lock,
                suite: self.root_suite.clone(),
                locked: self.source.locked,
            }),
            ccache: self.ccache,
            provenance_key: self.provenance_key.clone(),
            builder: self.builder.clone(),
            source: self.source.options(),
        }
    }
}
