//! `quench build`: all of it, from the profile to verified packages and a record.

use std::path::PathBuf;

use super::deps as deps_verb;
use crate::cli::session::{self, Planned, SourceOptions};
use crate::cli::{Exit, Failure};
use crate::finding::any_error;
use crate::plan::StepId;
use crate::terminal::Terminal;
use crate::{deps, process, run, verify};

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
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    source: SourceOptions,
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
    if args.install_deps {
        deps_verb::bootstrap(args.yes, terminal)?;
    }
    if args.until == Until::Source {
        let prepared = session::source(&args.profile, &args.source, terminal)?;
        terminal.data(&format!("{}\n", prepared.directory.display()));
        return Ok(Exit::Done);
    }
    let planned = session::plan(&args.profile, &args.source, true, terminal)?;
    if args.install_deps {
        deps_verb::install(&planned, args.yes, args.source.offline, terminal)?;
    }
    let missing = deps::missing(&planned.plan).map_err(deps_verb::failure)?;
    if !missing.is_empty() {
        return Err(deps_verb::lacking(&missing));
    }
    let python =
        deps::ensure_meson(&planned.work, &planned.prepared.directory, args.source.offline)
            .map_err(deps_verb::failure)?;
    execute(args, &planned, python, terminal)
}

fn execute(
    args: &Args,
    planned: &Planned,
    python: PathBuf,
    terminal: &Terminal,
) -> Result<Exit, Failure> {
    let machine = |error| Failure::new(Exit::Machine, error);
    fs_err::create_dir_all(&args.output).map_err(machine)?;
    let request = run::Request {
        work: planned.work.clone(),
        source: planned.prepared.directory.clone(),
        python,
        output: fs_err::canonicalize(&args.output).map_err(machine)?,
        jobs: args
            .jobs
            .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)),
        until: args.until.step(),
    };
    let outcome =
        run::build(&planned.plan, &planned.profile, &request, terminal).map_err(failure)?;
    terminal.findings(&outcome.findings, &[]);
    if outcome.fresh {
        terminal.status(
            "Fresh",
            &format!("{}: nothing to do, everything is as it was", planned.plan.name),
        );
    }
    for report in &outcome.reports {
        terminal.detail(&verify::human(report));
    }
    if any_error(&outcome.findings) {
        return Err(Failure::new(
            Exit::No,
            format!(
                "the build of {} does not hold what was promised (see above)",
                planned.plan.name
            ),
        ));
    }
    summary(planned, &outcome, terminal);
    Ok(Exit::Done)
}

fn summary(planned: &Planned, outcome: &run::Outcome, terminal: &Terminal) {
    if outcome.packages.is_empty() {
        return;
    }
    let (creatable, hidden) = verify::surface::counts(&planned.plan.surface);
    terminal.status(
        "Verified",
        &format!(
            "{} packages; {creatable} devices a user can create, {hidden} hidden, all explained",
            outcome.packages.len()
        ),
    );
    for package in &outcome.packages {
        terminal.data(&format!("{}\n", package.display()));
    }
}

fn failure(error: run::Error) -> Failure {
    let hint = error.hint();
    let exit = match (&error, error.process()) {
        (_, Some(process::Error::Interrupted { signal, .. })) => Exit::Signal(*signal),
        (_, Some(process::Error::Failed { tail, .. }))
            if tail.iter().any(|line| line.contains("No space left")) =>
        {
            Exit::Machine
        }
        (_, Some(process::Error::Failed { .. })) => Exit::Program,
        (run::Error::Measure { .. }, _) => Exit::Program,
        _ => Exit::Machine,
    };
    Failure::new(exit, error).with_hint(hint)
}
