//! The loop over the steps of a plan: what is done already is found done, what changed is done again and says why.
//!
//! Shell. Works in `WORK/builds/NAME/`: `build/` (QEMU's build directory), `stage/`, `logs/`, `state.json`. A step is
//! fresh when the inputs it was done with and the outputs it left are the same as now; the state is written by rename
//! after each step, so a killed run never claims more than was finished. Packages, verdict and record appear in the
//! output directory by rename.

mod linked;
mod state;
mod written;

pub use linked::{Error as LinkedError, linked};
use state::State;
use written::Staged;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::acceptance::{self, Expected};
use crate::build_deps;
use crate::evidence::SigningKey;
use crate::failure::{Exit, Hinted, full_disk};
use crate::files;
use crate::finding::Finding;
use crate::host::{self, Packages};
use crate::inventory;
use crate::isolate::Isolation;
use crate::package::{self, Facts, Job};
use crate::plan::{Invocation, Places, Plan, Provider, StepId, Variable};
use crate::process;
use crate::profile::{self, Format, Profile};
use crate::record::{
    self, Host, Installed, Measured, NamedDigest, PatchText, Record, SourceOrigin, StepRun,
    ToolVersion,
};
use crate::source::sha256_of;
use crate::stage::{self, Content, Entry};
use crate::terminal::Terminal;
use crate::tool;
use crate::verify::{self, Examination, Report};

/// Version of what the steps do; a change makes all of them stale. History: 1 = first.
const STEP_VERSION: &str = "1";

/// Version of what is measured; a change makes kept measurements stale. History: 1 = first, 2 = displays and audio.
const SURFACE_VERSION: &str = "2";

const DPKG_BUILDPACKAGE: &str = "dpkg-buildpackage";
const RPMBUILD: &str = "rpmbuild";

/// What `build` was asked to do.
#[derive(Debug)]
pub struct Request {
    /// Absolute work directory.
    pub work: PathBuf,
    /// Absolute source tree.
    pub source: PathBuf,
    /// Python with a meson for the tree.
    pub python: PathBuf,
    /// Absolute output directory.
    pub output: PathBuf,
    pub jobs: usize,
    /// The last step to run.
    pub until: StepId,
    /// How programs of the steps run.
    pub isolation: Isolation,
    /// The closed root's lock, where there is one.
    pub root: Option<record::RootLock>,
    /// What the record says of the source beside its digests.
    pub origin: SourceOrigin,
    pub patches: Vec<PatchText>,
    /// Signs the provenance.
    pub key: Option<SigningKey>,
    /// URI of who builds, for the provenance.
    pub builder: String,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("step `{step}` failed")]
    Step { step: &'static str, source: process::Error },
    #[error("step `{step}` failed")]
    Package { step: &'static str, source: package::Error },
    #[error("step `{step}` failed")]
    Measure { step: &'static str, source: inventory::Error },
    #[error("step `{step}` failed")]
    Io { step: &'static str, source: std::io::Error },
    #[error(transparent)]
    Tool(#[from] tool::Error),
    #[error("another quench works in {0}")]
    Busy(String),
    #[error("the record cannot be written: {0}")]
    Record(String),
    #[error(transparent)]
    Deps(#[from] build_deps::Error),
}

impl Error {
    /// The underlying program failure, if it is one.
    pub fn process(&self) -> Option<&process::Error> {
        match self {
            Self::Step { source, .. } => Some(source),
            Self::Package { source: package::Error::Process(source), .. } => Some(source),
            Self::Measure { source: inventory::Error::Process(source), .. } => Some(source),
            _ => None,
        }
    }
}

impl Hinted for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Step { source, .. } => source.exit(),
            Self::Package { source, .. } => source.exit(),
            Self::Measure { source, .. } => source.exit(),
            Self::Tool(error) => error.exit(),
            Self::Deps(error) => error.exit(),
            Self::Io { .. } | Self::Busy(_) | Self::Record(_) => Exit::Machine,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Step { source, .. } => source.hint(),
            Self::Package { source, .. } => source.hint(),
            Self::Measure { source, .. } => source.hint(),
            Self::Io { source, .. } => full_disk(source),
            Self::Tool(error) => error.hint(),
            Self::Deps(error) => error.hint(),
            Self::Busy(_) | Self::Record(_) => None,
        }
    }
}

/// What came out.
#[derive(Debug)]
pub struct Outcome {
    /// Nothing had to be done.
    pub fresh: bool,
    pub packages: Vec<PathBuf>,
    /// Everything verification has against the result.
    pub findings: Vec<Finding>,
    pub reports: Vec<Report>,
}

struct Run<'a> {
    plan: &'a Plan,
    profile: &'a Profile,
    request: &'a Request,
    terminal: &'a Terminal,
    /// `WORK/builds/NAME`
    root: PathBuf,
    places: Places,
    state: State,
    ground: Ground,
    did: bool,
    _lock: std::fs::File,
}

/// Builds a plan.
pub fn build(
    plan: &Plan,
    profile: &Profile,
    request: &Request,
    terminal: &Terminal,
) -> Result<Outcome, Error> {
    let root = request.work.join("builds").join(&plan.name);
    let io = |source| Error::Io { step: "prepare", source };
    for directory in ["logs", "home"] {
        fs_err::create_dir_all(root.join(directory)).map_err(io)?;
    }
    fs_err::create_dir_all(&request.output).map_err(io)?;
    let lock = std::fs::File::create(root.join("lock")).map_err(io)?;
    if lock.try_lock().is_err() {
        terminal.status("Waiting", &format!("for another quench in {}", root.display()));
        lock.lock().map_err(|_| Error::Busy(root.display().to_string()))?;
    }
    let inside = |path: &Path| request.isolation.inside(path);
    let places = Places::new(
        &inside(&request.source),
        &inside(&root.join("build")),
        &inside(&request.python),
        &inside(&root.join("home")),
    );
    // A state that cannot be read is none: everything is done again.
    let state = fs_err::read_to_string(root.join("state.json"))
        .ok()
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default();
    let ground = Ground::of(plan, profile, request)?;
    let mut run = Run {
        plan,
        profile,
        request,
        terminal,
        root,
        places,
        state,
        ground,
        did: false,
        _lock: lock,
    };
    run.all()
}

/// What a build stands on. All of it decides whether a step is fresh, so that what a record says of it is true of the run
/// that made the bytes.
struct Ground {
    host: Host,
    tools: Vec<ToolVersion>,
    /// Packages that the plan needs, with everything they depend on.
    packages: Vec<Installed>,
    /// Those that have a say before anything is packaged.
    compiling: Vec<Installed>,
}

impl Ground {
    fn of(plan: &Plan, profile: &Profile, request: &Request) -> Result<Self, Error> {
        let root = request.isolation.root();
        let known = Packages::of_root(root);
        let needed = build_deps::needed(plan)?;
        let closure = |wanted: &dyn Fn(&build_deps::Dependency) -> bool| {
            let roots = needed.iter().filter(|needed| wanted(needed));
            known.closure(&roots.map(|needed| needed.debian.clone()).collect::<Vec<_>>())
        };
        Ok(Self {
            host: host::of_root(root),
            tools: tools(plan, profile, request, &known)?,
            packages: closure(&|_| true),
            compiling: closure(&|needed| !needed.only_packages()),
        })
    }
}

/// The programs of a build, with the packages they came from.
fn tools(
    plan: &Plan,
    profile: &Profile,
    request: &Request,
    packages: &Packages,
) -> Result<Vec<ToolVersion>, Error> {
    let compiler = profile::compiler_name(profile.compiler.value);
    let mut names =
        vec![compiler, "ld", "objcopy", "strip", "ninja", "make", "python3", "pkg-config"];
    if plan.package.formats.contains(&Format::Deb) {
        names.push(DPKG_BUILDPACKAGE);
    }
    if plan.package.formats.contains(&Format::Rpm) {
        names.push(RPMBUILD);
    }
    let mut tools = Vec::new();
    for name in names {
        let found = request.isolation.find(name)?;
        tools.push(ToolVersion {
            package: packages.owner_of_file(&found.path),
            name: found.name,
            version: found.version,
            sha256: found.sha256,
        });
    }
    tools.extend(build_deps::private_meson(&request.python));
    Ok(tools)
}

impl Run<'_> {
    fn all(&mut self) -> Result<Outcome, Error> {
        self.configure()?;
        if self.request.until == StepId::Configure {
            return Ok(self.outcome(Vec::new(), Vec::new(), Vec::new()));
        }
        self.compile()?;
        if self.request.until == StepId::Compile {
            return Ok(self.outcome(Vec::new(), Vec::new(), Vec::new()));
        }
        self.strip()?;
        let Staged { mut record, entries, facts } = self.staged()?;
        if self.request.until == StepId::Stage {
            return Ok(self.outcome(Vec::new(), Vec::new(), Vec::new()));
        }
        let packages = self.package(&record, &entries, &facts)?;
        if self.request.until == StepId::Package {
            return Ok(self.outcome(packages, Vec::new(), Vec::new()));
        }
        let (reports, findings) = self.verify(&packages, &record)?;
        self.record(&mut record, &packages, &reports)?;
        Ok(self.outcome(packages, findings, reports))
    }

    fn outcome(
        &self,
        packages: Vec<PathBuf>,
        findings: Vec<Finding>,
        reports: Vec<Report>,
    ) -> Outcome {
        Outcome { fresh: !self.did, packages, findings, reports }
    }

    fn isolation(&self) -> &Isolation {
        &self.request.isolation
    }

    fn build_directory(&self) -> PathBuf {
        self.root.join("build")
    }

    /// Announces a step; `false` when it is fresh.
    fn begin(&mut self, step: StepId, inputs: &BTreeMap<String, String>) -> Result<bool, Error> {
        let title = self.plan.step(step).map_or(step.name(), |step| step.title.as_str()).to_owned();
        let digest = |path: &str| sha256_of(Path::new(path)).ok();
        let Some(stale) = self.state.stale(step, inputs, &digest) else {
            self.terminal.detail(&format!("       Fresh {title}: inputs and outputs are the same"));
            return Ok(false);
        };
        self.did = true;
        self.terminal.status("Step", &format!("{title} ({})", stale.text()));
        self.state.begin(step, self.this_run(step));
        self.keep_state(step)?;
        Ok(true)
    }

    /// How a step runs now.
    fn this_run(&self, step: StepId) -> StepRun {
        let compiles = matches!(step, StepId::Configure | StepId::Compile);
        let packages = step == StepId::Package;
        let tools = self.ground.tools.iter().filter(|tool| is_packager(&tool.name) == packages);
        StepRun {
            builder: self.request.builder.clone(),
            compiler_cache: self.isolation().compiler_cache().filter(|_| compiles),
            isolation: self.isolation().isolated(),
            quench: env!("CARGO_PKG_VERSION").to_owned(),
            root: self.isolation().root_kind(),
            tools: tools
                .map(|tool| NamedDigest { name: tool.name.clone(), sha256: tool.sha256.clone() })
                .collect(),
        }
    }

    fn finish(
        &mut self,
        step: StepId,
        inputs: BTreeMap<String, String>,
        outputs: &[PathBuf],
    ) -> Result<(), Error> {
        let io = |source| Error::Io { step: step.name(), source };
        let mut digests = BTreeMap::new();
        for output in outputs {
            digests.insert(output.display().to_string(), sha256_of(output).map_err(io)?);
        }
        self.state.finish(step, inputs, digests);
        self.keep_state(step)
    }

    fn keep_state(&self, step: StepId) -> Result<(), Error> {
        let io = |source| Error::Io { step: step.name(), source };
        let text = serde_json::to_string_pretty(&self.state)
            .map_err(|error| Error::Record(error.to_string()))?;
        files::write(&self.root.join("state.json"), text).map_err(io)
    }

    fn log(&self, step: StepId) -> PathBuf {
        self.root.join("logs").join(format!("{}.log", step.name()))
    }

    fn command(&self, step: StepId, command: &Invocation) -> Result<(), Error> {
        let progress = self.terminal.progress(step.name());
        let result = process::run(
            &self.isolation().wrap(&self.places.apply(command)),
            Some(&self.log(step)),
            &mut |line| {
                if let Some((at, of)) = ninja_status(line) {
                    progress.set(at, of);
                }
            },
        );
        progress.done();
        result.map_err(|source| Error::Step { step: step.name(), source })
    }

    fn configure(&mut self) -> Result<(), Error> {
        let step = StepId::Configure;
        let commands = self.commands(step);
        let mut inputs = BTreeMap::from([
            ("step version".to_owned(), STEP_VERSION.to_owned()),
            ("source tree".to_owned(), self.plan.source.digest.clone()),
            ("device file".to_owned(), self.plan.device_file.name.clone()),
            ("configure arguments".to_owned(), digest(&commands)),
            ("source directory".to_owned(), self.request.source.display().to_string()),
            ("build directory".to_owned(), self.build_directory().display().to_string()),
            ("python".to_owned(), self.request.python.display().to_string()),
        ]);
        for tool in self.ground.tools.iter().filter(|tool| !is_packager(&tool.name)) {
            inputs.insert(format!("tool {}", tool.name), tool.sha256.clone());
        }
        let Host { distribution, version, architecture } = &self.ground.host;
        inputs.insert("host".to_owned(), format!("{distribution} {version} {architecture}"));
        for package in &self.ground.compiling {
            inputs.insert(
                format!("package {}:{}", package.name, package.architecture),
                package.version.clone(),
            );
        }
        if let Some(closed) = self.isolation().closed() {
            inputs.insert("closed root".to_owned(), closed.digest.clone());
        }
        if !self.begin(step, &inputs)? {
            return Ok(());
        }
        let io = |source| Error::Io { step: step.name(), source };
        let build = self.build_directory();
        let _ = fs_err::remove_dir_all(&build);
        let _ = fs_err::remove_file(self.log(step));
        fs_err::create_dir_all(&build).map_err(io)?;
        self.write_device_file().map_err(io)?;
        for command in self.plan.step(step).map(|step| step.commands.clone()).unwrap_or_default() {
            self.command(step, &command)?;
        }
        self.finish(step, inputs, &[build.join("build.ninja"), build.join("config-host.h")])
    }

    /// Into the shared tree, by rename: the name carries the content's digest, so it can never be another text.
    fn write_device_file(&self) -> Result<(), std::io::Error> {
        let target = self.request.source.join(&self.plan.device_file.path);
        if target.is_file() {
            return Ok(());
        }
        files::write(&target, &self.plan.device_file.text)
    }

    fn commands(&self, step: StepId) -> String {
        let Some(step) = self.plan.step(step) else { return String::new() };
        let commands: Vec<String> = step.commands.iter().map(ToString::to_string).collect();
        let writes: Vec<String> =
            step.writes.iter().map(|(path, text)| format!("{path}\n{text}")).collect();
        [commands, writes].concat().join("\n")
    }

    fn previous(&self, step: StepId) -> String {
        self.state.done(step).map_or_else(String::new, |done| {
            let text: Vec<String> =
                done.inputs.iter().chain(&done.outputs).map(|(a, b)| format!("{a}={b}")).collect();
            digest(&text.join("\n"))
        })
    }

    fn compile(&mut self) -> Result<(), Error> {
        let step = StepId::Compile;
        let inputs = BTreeMap::from([
            ("configuration".to_owned(), self.previous(StepId::Configure)),
            ("compile commands".to_owned(), digest(&self.commands(step))),
        ]);
        if !self.begin(step, &inputs)? {
            return Ok(());
        }
        let build = self.build_directory();
        let io = |source| Error::Io { step: step.name(), source };
        let Some(planned) = self.plan.step(step).cloned() else { return Ok(()) };
        for (path, text) in &planned.writes {
            // The file is written from outside, what is in it is read inside.
            let build = self.build_directory().display().to_string();
            let path = PathBuf::from(path.replace(Variable::Build.name(), &build));
            if let Some(parent) = path.parent() {
                fs_err::create_dir_all(parent).map_err(io)?;
            }
            fs_err::write(path, self.places.fill(text)).map_err(io)?;
        }
        for command in planned.commands {
            let command = match command.program.as_str() {
                "ninja" => command.arg(format!("-j{}", self.request.jobs)),
                _ => command,
            };
            self.command(step, &command)?;
        }
        let mut outputs = vec![build.join(self.plan.emulator())];
        let built =
            self.plan.firmware.iter().filter(|firmware| firmware.provider == Provider::Built);
        outputs.extend(built.map(|firmware| build.join("roms").join(&firmware.item.text)));
        self.finish(step, inputs, &outputs)
    }

    fn strip(&mut self) -> Result<(), Error> {
        let step = StepId::Stage;
        let inputs = BTreeMap::from([
            ("emulator".to_owned(), self.previous(StepId::Compile)),
            ("strip commands".to_owned(), digest(&self.commands(step))),
        ]);
        if !self.begin(step, &inputs)? {
            return Ok(());
        }
        for command in self.plan.step(step).map(|step| step.commands.clone()).unwrap_or_default() {
            self.command(step, &command)?;
        }
        let emulator = self.plan.emulator();
        let stripped = self.build_directory().join("stripped");
        self.finish(
            step,
            inputs,
            &[stripped.join(&emulator), stripped.join(format!("{emulator}.debug"))],
        )
    }

    /// Measures the emulator once per emulator.
    fn surface(&self, emulator: &Path) -> Result<Measured, Error> {
        let io = |source| Error::Io { step: "stage", source };
        let sha256 = sha256_of(emulator).map_err(io)?;
        let cache = self.root.join(format!("surface-{SURFACE_VERSION}-{}.json", &sha256[..16]));
        let known =
            fs_err::read_to_string(&cache).ok().and_then(|text| serde_json::from_str(&text).ok());
        if let Some(measured) = known {
            return Ok(measured);
        }
        let measured = inventory::surface_in(&self.isolation().for_questions(), emulator)
            .map_err(|source| Error::Measure { step: "stage", source })?;
        let text =
            serde_json::to_string(&measured).map_err(|error| Error::Record(error.to_string()))?;
        files::write(&cache, text).map_err(io)?;
        Ok(measured)
    }

    fn package(
        &mut self,
        record: &Record,
        entries: &[Entry],
        facts: &Facts,
    ) -> Result<Vec<PathBuf>, Error> {
        let step = StepId::Package;
        let io = |source| Error::Io { step: step.name(), source };
        let text = record.to_text().map_err(|error| Error::Record(error.to_string()))?;
        let description = package::description(self.plan, &facts.build_id, &facts.licence);
        let formats: Vec<&str> =
            self.plan.package.formats.iter().map(|format| format.name()).collect();
        let mut inputs = BTreeMap::from([
            ("record".to_owned(), digest(&text)),
            ("formats".to_owned(), formats.join(" ")),
            ("control files".to_owned(), digest(&description)),
            ("compressors".to_owned(), package::compressors::text()),
            ("debug information".to_owned(), self.previous(StepId::Stage)),
            ("output directory".to_owned(), self.request.output.display().to_string()),
        ]);
        for file in &record.files {
            inputs.insert(format!("file {}", file.path), file.sha256.clone());
        }
        if !self.begin(step, &inputs)? {
            let outputs = self.state.done(step).map(|done| done.outputs.keys());
            return Ok(outputs.into_iter().flatten().map(PathBuf::from).collect());
        }
        let tree = self.root.join("stage");
        let date = self.plan.source.date;
        stage::assemble(entries, &tree, date).map_err(io)?;
        let inside = Entry {
            path: format!("/usr/share/doc/{}/{}", self.plan.package.name, record::FILE_NAME),
            mode: 0o644,
            content: Content::Text(text),
        };
        stage::add(&tree, &inside, date).map_err(io)?;
        let (debug, build) = (self.root.join("stage-debug"), self.build_directory());
        let debug_file = Entry {
            path: package::debug_path(&facts.build_id),
            mode: 0o644,
            content: Content::File(build.join(format!("stripped/{}.debug", self.plan.emulator()))),
        };
        stage::assemble(&[debug_file], &debug, date).map_err(io)?;
        let log = self.log(step);
        let _ = fs_err::remove_file(&log);
        let job = Job {
            plan: self.plan,
            stage: &tree,
            debug: &debug,
            build_id: &facts.build_id,
            sources: &facts.sources,
            source: &self.request.source,
            build: &build,
            licence: &facts.licence,
            scratch: &self.root.join("package"),
            log: &log,
            output: &self.request.output,
            isolation: self.isolation(),
        };
        let made = package::make(&self.plan.package.formats, &job)
            .map_err(|source| Error::Package { step: step.name(), source })?;
        self.finish(step, inputs, &made)?;
        Ok(made)
    }

    /// Reads the packages back and judges what is in them.
    fn verify(
        &mut self,
        packages: &[PathBuf],
        record: &Record,
    ) -> Result<(Vec<Report>, Vec<Finding>), Error> {
        let step = StepId::Verify;
        let io = |source| Error::Io { step: step.name(), source };
        let title = self.plan.step(step).map_or("", |step| step.title.as_str()).to_owned();
        if self.did {
            self.terminal.status("Step", &title);
        }
        let policy = acceptance::policy_for(self.profile.level.value);
        let mut findings = Vec::new();
        let mut reports = Vec::new();
        let judged = |path: &&PathBuf| package::is_package(path) && !package::is_debug(path);
        let expected = Expected::of_plan(&record.plan).map_err(Error::Record)?;
        let asked = linked(
            &self.build_directory(),
            &self.plan.emulator(),
            &self.isolation().for_questions(),
        );
        let (linked, unknown) = match asked {
            Err(LinkedError::Process(source @ process::Error::Interrupted { .. })) => {
                return Err(Error::Step { step: step.name(), source });
            }
            // What can be told without the objects is still told.
            Err(error) => (None, vec![acceptance::unrepeated(&error.to_string())]),
            Ok(answer) => answer,
        };
        findings.extend(unknown);
        // How each unit was compiled stands in the debug packages.
        let mut separate = verify::SeparateFiles::default();
        for package in packages.iter().filter(|path| package::is_debug(path)) {
            let file = fs_err::File::open(package).map_err(io)?;
            separate.read(&package.display().to_string(), &mut std::io::BufReader::new(file));
        }
        for package in packages.iter().filter(judged) {
            let file = fs_err::File::open(package).map_err(io)?;
            let name = package
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default();
            let find = |build_id: &str| separate.find(build_id);
            let mut file = std::io::BufReader::with_capacity(128 << 10, file);
            let examination = Examination::with(&name, &mut file, &verify::Options::new(&find));
            let mut report = examination.settle(&policy);
            report.findings.extend(acceptance::file_digests(record, &report));
            report.findings.extend(acceptance::contradictions(&expected, &report, linked.as_ref()));
            report.findings.extend(acceptance::unproved(&expected, &report, linked.as_ref()));
            findings.extend(report.findings.iter().cloned());
            reports.push(report);
        }
        let staged = self.build_directory().join("stripped").join(self.plan.emulator());
        findings.extend(acceptance::package_note(self.plan, &fs_err::read(staged).map_err(io)?));
        findings.extend(acceptance::surface::compare(&self.plan.surface, &record.surface));
        let emulator = format!("{}/bin/{}", self.plan.package.prefix, self.plan.emulator());
        let size =
            record.files.iter().find(|file| file.path == emulator).map_or(0, |file| file.size);
        let limit = self.profile.budget.stripped_bytes.as_ref().map(|budget| budget.value);
        findings.extend(acceptance::surface::budget(size, limit));
        Ok((reports, findings))
    }
}

/// Programs that only the package step calls.
fn is_packager(tool: &str) -> bool {
    matches!(tool, DPKG_BUILDPACKAGE | RPMBUILD)
}

/// `[12/345] …` of ninja.
fn ninja_status(line: &str) -> Option<(u64, u64)> {
    let (status, _) = line.strip_prefix('[')?.split_once(']')?;
    let (at, of) = status.split_once('/')?;
    Some((at.parse().ok()?, of.parse().ok()?))
}

fn digest(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}
