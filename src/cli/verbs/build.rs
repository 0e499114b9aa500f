//! `quench build`: all of it, from the profile to verified packages and a record.

use std::path::{Path, PathBuf};

use super::deps as deps_verb;
use crate::cli::closed;
use crate::cli::session::{self, Planned, Ready, SourceOptions};
use crate::failure::{Exit, Failure, Hinted as _};
use crate::finding::{Finding, any_error};
use crate::package::{self, repo, sign};
use crate::plan::StepId;
use crate::terminal::Terminal;
use crate::{deps, evidence, isolate, plan, process, record, run, verify};

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
    if args.root.is_some() && args.sandbox == isolate::Want::Never {
        let message = "--root needs the sandbox: --sandbox never contradicts it";
        return Err(Failure::usage(message));
    }
    if args.install_deps {
        deps_verb::bootstrap(args.root.is_some(), args.yes, terminal)?;
    }
    if args.until == Until::Source {
        let prepared = session::source(&args.profile, &args.source, terminal)?;
        terminal.data(&format!("{}\n", prepared.directory.display()));
        return Ok(Exit::Done);
    }
    let ready = session::ready(&args.profile, &args.source, true, terminal)?;
    if let Some(lock) = &args.root {
        return in_root(args, lock.clone(), ready, terminal);
    }
    let planned = ready.plan(&isolate::Isolation::default(), terminal)?;
    if args.install_deps {
        deps_verb::install(&planned, args.yes, args.source.offline, terminal)?;
    }
    let missing = deps::missing(&planned.plan)?;
    if !missing.is_empty() {
        return Err(deps_verb::lacking(&missing));
    }
    let python =
        deps::ensure_meson(&planned.work, &planned.prepared.directory, args.source.offline)?;
    let isolation = isolation(args, &planned, terminal)?;
    execute(args, &planned, python, isolation, None, terminal)
}

/// Everything after the source happens in the closed root: the host's compiler and headers play no part.
fn in_root(
    args: &Args,
    lock: Option<PathBuf>,
    ready: Ready,
    terminal: &Terminal,
) -> Result<Exit, Failure> {
    let wanted =
        closed::Wanted { lock, suite: args.root_suite.clone(), locked: args.source.locked };
    let made = closed::prepare(&ready, &wanted, &args.source, terminal)?;
    let meson = ready.work.join("meson");
    let questions = closed::for_questions(&made, &ready.work, &meson)?;
    let planned = ready.plan(&questions, terminal)?;
    let python =
        deps::ensure_meson_inside(&questions, &made.digest, &planned.work, args.source.offline)?;
    let mut isolation = closed::for_build(
        &made,
        planned.work.join("builds").join(&planned.plan.name),
        &planned.prepared.directory,
        &meson,
        args.ccache.then(|| planned.work.join("ccache")),
    )?;
    if args.ccache {
        isolation.cache = Some(isolate::ccache_inside(&isolation, &planned.work)?);
    }
    execute(args, &planned, python, isolation, Some(made.lock), terminal)
}

fn execute(
    args: &Args,
    planned: &Planned,
    python: PathBuf,
    isolation: isolate::Isolation,
    root: Option<record::Root>,
    terminal: &Terminal,
) -> Result<Exit, Failure> {
    let machine = Failure::machine;
    fs_err::create_dir_all(&args.output).map_err(machine)?;
    let key = match &args.provenance_key {
        Some(path) => Some(signing_key(path)?),
        None => None,
    };
    let request = run::Request {
        isolation,
        root,
        key,
        builder: args.builder.clone(),
        origin: session::origin(&planned.profile, &planned.prepared),
        patches: session::patch_texts(&planned.prepared),
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
        run::build(&planned.plan, &planned.profile, &request, terminal).map_err(|error| {
            terminal.findings(&unlinked(planned, &error), &[]);
            Failure::from(error)
        })?;
    terminal.findings(&outcome.findings, &[]);
    if outcome.fresh {
        terminal.status(
            "Fresh",
            &format!("{}: nothing to do, everything is as it was", planned.plan.name),
        );
    }
    for report in &outcome.reports {
        terminal.detail(&verify::human(report, true));
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
    publish(args, planned, &outcome, &request.output, terminal)?;
    Ok(Exit::Done)
}

/// What comes after the packages are done and found good: signatures and a repository.
fn publish(
    args: &Args,
    planned: &Planned,
    outcome: &run::Outcome,
    output: &Path,
    terminal: &Terminal,
) -> Result<(), Failure> {
    if outcome.packages.is_empty() || (args.sign.is_none() && !args.repo) {
        return Ok(());
    }
    let key = args.sign.as_ref().map(|name| sign::Key::open(name, &keyring())).transpose();
    let key = key?;
    if let Some(key) = &key {
        let signed = sign::sign(&planned.plan, &outcome.packages, key, output)?;
        terminal.status(
            "Signed",
            &format!(
                "{} packages with {}, in {}",
                signed.len(),
                key.fingerprint,
                output.join("signed").display()
            ),
        );
    }
    if args.repo {
        let place = repo::make(&planned.plan, key.as_ref(), output)?;
        let trust = if key.is_some() { "signed-by=KEY" } else { "trusted=yes" };
        terminal.status("Repository", &format!("deb [{trust}] file:{} ./", place.display()));
        terminal.status("", &format!("baseurl=file://{}", place.display()));
    }
    Ok(())
}

/// The caller's GnuPG directory.
fn keyring() -> PathBuf {
    match (std::env::var_os("GNUPGHOME"), std::env::var_os("HOME")) {
        (Some(home), _) => PathBuf::from(home),
        (None, home) => PathBuf::from(home.unwrap_or_else(|| "/root".into())).join(".gnupg"),
    }
}

fn signing_key(path: &Path) -> Result<evidence::SigningKey, Failure> {
    let pem = fs_err::read_to_string(path).map_err(Failure::usage)?;
    evidence::SigningKey::from_pem(&pem).map_err(|error| {
        let hint = error.hint();
        Failure::usage(format!("{}: {error}", path.display())).with_hint(hint)
    })
}

/// The sandbox of a plan's build directory, with the compiler cache where it is asked for.
fn isolation(
    args: &Args,
    planned: &Planned,
    terminal: &Terminal,
) -> Result<isolate::Isolation, Failure> {
    let writable = [planned.work.join("builds").join(&planned.plan.name)];
    let readable = [planned.prepared.directory.clone(), planned.work.join("meson")]
        .into_iter()
        .filter(|path| path.exists())
        .collect::<Vec<_>>();
    let mut isolation = isolate::sandbox(args.sandbox, &writable, &readable)?;
    if isolation.sandbox.is_none() && args.sandbox == isolate::Want::Auto {
        terminal.warn(&format!("no sandbox: {}", isolation.without));
    }
    if args.ccache {
        let compilers = ["gcc", "g++", "cc", "clang"];
        isolation.cache = Some(isolate::ccache(&planned.work, &compilers)?);
    }
    Ok(isolation)
}

fn summary(planned: &Planned, outcome: &run::Outcome, terminal: &Terminal) {
    if outcome.packages.is_empty() {
        return;
    }
    let (creatable, hidden) = crate::acceptance::surface::counts(&planned.plan.surface);
    terminal.status(
        "Verified",
        &format!(
            "{} packages; {creatable} devices a user can create, {hidden} hidden, all explained",
            outcome.reports.len()
        ),
    );
    for package in outcome.packages.iter().filter(|path| package::is_package(path)) {
        terminal.data(&format!("{}\n", package.display()));
    }
}

/// What a failed link missed and what would define it.
fn unlinked(planned: &Planned, error: &run::Error) -> Vec<Finding> {
    match error.process() {
        Some(process::Error::Failed { log: Some(log), .. }) => {
            let log = fs_err::read(log).unwrap_or_default();
            let Ok(tree) = planned.whole_tree() else { return Vec::new() };
            let inputs = planned.inputs(&tree);
            plan::link::explain_failure(&inputs, &String::from_utf8_lossy(&log))
        }
        _ => Vec::new(),
    }
}
