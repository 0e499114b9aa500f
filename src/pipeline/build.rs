//! All of it, from a profile to verified packages and a record.
//!
//! Shell. Decides where the steps run (host, sandbox, closed root) and hands the plan to `run`; what a failed link missed is
//! looked up in the tree.

use std::path::{Path, PathBuf};

use super::{Planned, Ready, SourceOptions, closed, install};
use crate::failure::{Exit, Failure, Hinted as _};
use crate::finding::{Finding, any_error};
use crate::package::{self, repo, sign};
use crate::plan::StepId;
use crate::terminal::Terminal;
use crate::{deps, evidence, isolate, plan, process, record, run, verify};

/// What a build was asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// A path, or the name of a shipped profile.
    pub profile: String,
    /// Where packages, verdict and record go.
    pub output: PathBuf,
    /// Compile jobs; without a number as many as there are processors.
    pub jobs: Option<usize>,
    /// The last step to run.
    pub until: StepId,
    /// What the plan needs and the machine lacks is installed.
    pub install: bool,
    /// A person is asked before sudo is used.
    pub ask: bool,
    /// Copies of the packages are signed: an OpenPGP key file, or the id of a key in the GnuPG keyring.
    pub sign: Option<String>,
    /// A local repository is made of the output directory.
    pub repository: bool,
    pub sandbox: isolate::Want,
    /// Everything after the source happens in a closed root.
    pub root: Option<RootRequest>,
    /// ccache stands in front of the compiler.
    pub ccache: bool,
    /// Signs the provenance: PEM, Ed25519 or ECDSA P-256.
    pub provenance_key: Option<PathBuf>,
    /// URI of who builds, for the provenance.
    pub builder: String,
    pub source: SourceOptions,
}

/// Which closed root.
#[derive(Debug, Clone)]
pub struct RootRequest {
    /// The lock file; beside the profile's own where none is named.
    pub lock: Option<PathBuf>,
    /// Suite of a new lock; the host's where none is named.
    pub suite: Option<String>,
}

/// Source, patch, configure, compile, stage, package, verify, record; then signatures and a repository.
pub fn run(request: &Request, terminal: &Terminal) -> Result<Exit, Failure> {
    if request.root.is_some() && request.sandbox == isolate::Want::Never {
        let message = "--root needs the sandbox: --sandbox never contradicts it";
        return Err(Failure::usage(message));
    }
    if request.install {
        install::bootstrap(request.root.is_some(), !request.ask, terminal)?;
    }
    if request.until == StepId::Source {
        let prepared = super::source(&request.profile, &request.source, terminal)?;
        terminal.data(&format!("{}\n", prepared.directory.display()));
        return Ok(Exit::Done);
    }
    let ready = super::ready(&request.profile, &request.source, true, terminal)?;
    if let Some(root) = &request.root {
        return in_root(request, root, ready, terminal);
    }
    let planned = ready.plan(&isolate::Isolation::default(), terminal)?;
    if request.install {
        install::install(&planned, !request.ask, request.source.offline, terminal)?;
    }
    let missing = deps::missing(&planned.plan)?;
    if !missing.is_empty() {
        return Err(install::lacking(&missing));
    }
    let python =
        deps::ensure_meson(&planned.work, &planned.prepared.directory, request.source.offline)?;
    let isolation = isolation(request, &planned, terminal)?;
    execute(request, &planned, python, isolation, None, terminal)
}

/// Everything after the source happens in the closed root: the host's compiler and headers play no part.
fn in_root(
    request: &Request,
    root: &RootRequest,
    ready: Ready,
    terminal: &Terminal,
) -> Result<Exit, Failure> {
    let wanted = closed::Wanted {
        lock: root.lock.clone(),
        suite: root.suite.clone(),
        locked: request.source.locked,
    };
    let made = closed::prepare(&ready, &wanted, &request.source, terminal)?;
    let meson = ready.work.join("meson");
    let questions = closed::for_questions(&made, &ready.work, &meson)?;
    let planned = ready.plan(&questions, terminal)?;
    let python =
        deps::ensure_meson_inside(&questions, &made.digest, &planned.work, request.source.offline)?;
    let mut isolation = closed::for_build(
        &made,
        planned.work.join("builds").join(&planned.plan.name),
        &planned.prepared.directory,
        &meson,
        request.ccache.then(|| planned.work.join("ccache")),
    )?;
    if request.ccache {
        isolation.cache = Some(isolate::ccache_inside(&isolation, &planned.work)?);
    }
    execute(request, &planned, python, isolation, Some(made.lock), terminal)
}

fn execute(
    request: &Request,
    planned: &Planned,
    python: PathBuf,
    isolation: isolate::Isolation,
    root: Option<record::RootLock>,
    terminal: &Terminal,
) -> Result<Exit, Failure> {
    let machine = Failure::machine;
    fs_err::create_dir_all(&request.output).map_err(machine)?;
    let key = match &request.provenance_key {
        Some(path) => Some(signing_key(path)?),
        None => None,
    };
    let job = run::Request {
        isolation,
        root,
        key,
        builder: request.builder.clone(),
        origin: super::origin(&planned.profile, &planned.prepared),
        patches: super::patch_texts(&planned.prepared),
        work: planned.work.clone(),
        source: planned.prepared.directory.clone(),
        python,
        output: fs_err::canonicalize(&request.output).map_err(machine)?,
        jobs: request
            .jobs
            .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)),
        until: request.until,
    };
    let outcome = run::build(&planned.plan, &planned.profile, &job, terminal).map_err(|error| {
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
    publish(request, planned, &outcome, &job.output, terminal)?;
    Ok(Exit::Done)
}

/// What comes after the packages are done and found good: signatures and a repository.
fn publish(
    request: &Request,
    planned: &Planned,
    outcome: &run::Outcome,
    output: &Path,
    terminal: &Terminal,
) -> Result<(), Failure> {
    if outcome.packages.is_empty() || (request.sign.is_none() && !request.repository) {
        return Ok(());
    }
    let key = request.sign.as_ref().map(|name| sign::Key::open(name, &keyring())).transpose();
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
    if request.repository {
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
    request: &Request,
    planned: &Planned,
    terminal: &Terminal,
) -> Result<isolate::Isolation, Failure> {
    let writable = [planned.work.join("builds").join(&planned.plan.name)];
    let readable = [planned.prepared.directory.clone(), planned.work.join("meson")]
        .into_iter()
        .filter(|path| path.exists())
        .collect::<Vec<_>>();
    let mut isolation = isolate::sandbox(request.sandbox, &writable, &readable)?;
    if isolation.sandbox.is_none() && request.sandbox == isolate::Want::Auto {
        terminal.warn(&format!("no sandbox: {}", isolation.without));
    }
    if request.ccache {
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
