//! What most verbs need first: a profile, its source tree, the catalog, a plan; and the whole way from there to packages.
//!
//! Shell. The stages are values, each made of the one before: [`Loaded`] (text read), [`Ready`] (source prepared and
//! scanned), [`Planned`]. Knows no command line.

pub mod build;
pub mod closed;
pub mod install;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::finding::{Finding, any_error, closest};
use crate::hardening::{self, Probes};
use crate::isolate::Isolation;
use crate::plan::{self, Inputs, Plan, SourceFacts};
use crate::profile::{self, Profile, Source};
use crate::record::{AuthenticatedBy, PatchText, SourceKind, SourceOrigin};
use crate::scan_cache::{self, Keep, Scanned};
use crate::source::{self, Prepared};
use crate::terminal::Terminal;
use crate::tree::Tree;
use crate::{builtin, compiler_probe};

/// Where the source of a plan comes from, and where work is kept.
#[derive(Debug, Clone, Default)]
pub struct SourceOptions {
    /// Work directory: downloads, source trees, builds; without one `QUENCH_WORK`, else the user's cache directory.
    pub work: Option<PathBuf>,
    /// An unpacked, patched QEMU tree that is used instead of the profile's source.
    pub source: Option<PathBuf>,
    /// apt sources (one-line or deb822) that are used instead of the host's.
    pub apt_sources: Option<PathBuf>,
    /// An apt index past its Valid-Until date is accepted. Its signature still counts.
    pub stale_index: bool,
    /// No network: only what is in the work directory.
    pub offline: bool,
    /// The lock file must exist and must not change.
    pub locked: bool,
    /// The newest matching version is taken although the lock file pins another.
    pub update: bool,
    /// The source's digest is known from elsewhere: no signature is asked for.
    pub by_digest: bool,
}

impl SourceOptions {
    /// The absolute work directory, created.
    pub fn work(&self) -> Result<PathBuf, Failure> {
        let directory =
            match (&self.work, std::env::var_os("QUENCH_WORK"), std::env::var_os("XDG_CACHE_HOME"))
            {
                (Some(work), _, _) => work.clone(),
                (None, Some(work), _) => PathBuf::from(work),
                (None, None, Some(cache)) => PathBuf::from(cache).join("quench"),
                (None, None, None) => {
                    let home = std::env::var_os("HOME").unwrap_or_else(|| "/root".into());
                    PathBuf::from(home).join(".cache/quench")
                }
            };
        let made =
            fs_err::create_dir_all(&directory).and_then(|()| fs_err::canonicalize(&directory));
        made.map_err(Failure::machine)
    }
}

/// A profile with the texts its findings point into.
#[derive(Debug)]
pub struct Loaded {
    pub profile: Option<Profile>,
    /// What could be read of a profile with faults, for further checks only.
    pub readable: Option<Profile>,
    pub findings: Vec<Finding>,
    pub texts: Vec<(String, String)>,
    pub directory: PathBuf,
    pub lock: PathBuf,
}

/// A profile's text, and where it stands.
struct Written {
    file: String,
    text: String,
    /// Parents are looked for here.
    directory: PathBuf,
    /// The lock file of a profile that is a file.
    lock: Option<PathBuf>,
}

/// Finds a profile: `-` is standard input, else a path, else a shipped one by name.
fn find(name: &str) -> Result<Written, Failure> {
    let here = PathBuf::from(".");
    if name == "-" {
        let text = std::io::read_to_string(std::io::stdin().lock()).map_err(Failure::usage)?;
        return Ok(Written { file: "<stdin>".to_owned(), text, directory: here, lock: None });
    }
    let path = Path::new(name);
    if path.is_file() {
        let text = fs_err::read_to_string(path).map_err(Failure::usage)?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = parent.map_or(here, Path::to_owned);
        let lock = Some(path.with_extension("lock"));
        return Ok(Written { file: name.to_owned(), text, directory, lock });
    }
    if let Some((_, text)) = builtin::PROFILES.iter().find(|(shipped, _)| *shipped == name) {
        let file = format!("{name}.toml");
        return Ok(Written { file, text: (*text).to_owned(), directory: here, lock: None });
    }
    let names: Vec<&str> = builtin::PROFILES.iter().map(|(name, _)| *name).collect();
    let hint = match closest(name, &names) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("a path, `-` for standard input, or one of {}", names.join(", ")),
    };
    Err(Failure::usage(format!("no profile `{name}`")).with_hint(Some(hint)))
}

/// Finds a parent: a path that ends in .toml or the name of one, from the profile's directory; then the shipped ones.
fn find_parent(parent: &str, directory: &Path) -> profile::Parent {
    let beside = format!("{}.toml", parent.strip_suffix(".toml").unwrap_or(parent));
    let beside =
        if directory == Path::new(".") { PathBuf::from(beside) } else { directory.join(beside) };
    if let Ok(text) = fs_err::read_to_string(&beside) {
        return profile::Parent::Found { file: beside.display().to_string(), text };
    }
    match builtin::PROFILES.iter().find(|(name, _)| *name == parent) {
        Some((name, text)) => {
            profile::Parent::Found { file: format!("{name}.toml"), text: (*text).to_owned() }
        }
        None => profile::Parent::Unknown { known: parents_in(directory) },
    }
}

/// Names that could stand in `extends`.
fn parents_in(directory: &Path) -> Vec<String> {
    let shipped = builtin::PROFILES.iter().map(|(name, _)| (*name).to_owned());
    let mut names: BTreeSet<String> = shipped.collect();
    let entries = fs_err::read_dir(directory).into_iter().flatten().flatten();
    let stems = entries.filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        Some(name.strip_suffix(".toml")?.to_owned())
    });
    names.extend(stems);
    names.into_iter().collect()
}

/// Reads a profile by path, a shipped one by name, or standard input (`-`).
pub fn load(name: &str) -> Result<Loaded, Failure> {
    let Written { file, text, directory, lock } = find(name)?;
    let texts = std::cell::RefCell::new(vec![(file.clone(), text.clone())]);
    let parents = |parent: &str| {
        let found = find_parent(parent, &directory);
        if let profile::Parent::Found { file, text } = &found {
            texts.borrow_mut().push((file.clone(), text.clone()));
        }
        found
    };
    let (readable, findings) = profile::load(&file, &text, &parents);
    let profile = if any_error(&findings) { None } else { readable.clone() };
    let directory = fs_err::canonicalize(&directory).map_err(Failure::usage)?;
    let stem = readable.as_ref().map_or("profile", |profile| profile.name.value.as_str());
    let lock = lock.unwrap_or_else(|| PathBuf::from(format!("{stem}.lock")));
    Ok(Loaded { profile, readable, findings, texts: texts.into_inner(), directory, lock })
}

impl Loaded {
    /// The profile, or the end: findings are shown, errors are exit 2.
    pub fn checked(self, terminal: &Terminal) -> Result<(Profile, Context), Failure> {
        terminal.findings(&self.findings, &self.texts);
        match self.profile {
            Some(profile) => Ok((
                profile,
                Context { texts: self.texts, directory: self.directory, lock: self.lock },
            )),
            None => Err(Failure::usage("the profile has errors")),
        }
    }
}

/// Where a profile came from.
#[derive(Debug)]
pub struct Context {
    pub texts: Vec<(String, String)>,
    pub directory: PathBuf,
    pub lock: PathBuf,
}

/// Reads and scans a tree.
pub fn scan(directory: &Path, keep: Option<Keep<'_>>) -> Result<Scanned, Failure> {
    Ok(scan_cache::scan(directory, keep)?)
}

/// Scans the tree of a profile; scans are kept in the work directory.
fn scan_prepared(prepared: &mut Prepared, work: &Path) -> Result<Scanned, Failure> {
    let directory = work.join("scans");
    // A tree in the work directory is never changed: its name is a digest over all that went in. One that somebody
    // points at with `--source` has no digest yet.
    let ours = prepared.directory.parent().is_some_and(|parent| parent == work.join("trees"));
    let key = Some(prepared.digest.as_str()).filter(|digest| ours && !digest.is_empty());
    let scanned = scan(&prepared.directory, Some(Keep { directory: &directory, key }))?;
    if prepared.digest.is_empty() {
        prepared.digest.clone_from(&scanned.digest);
        prepared.files = vec![("tree".to_owned(), scanned.digest.clone())];
    }
    Ok(scanned)
}

/// Everything up to the plan.
#[derive(Debug)]
pub struct Planned {
    pub profile: Profile,
    pub plan: Plan,
    pub prepared: Prepared,
    pub scanned: Scanned,
    pub work: PathBuf,
    probes: Probes,
}

impl Planned {
    /// The whole tree: a kept scan has only what plans read.
    pub fn whole_tree(&self) -> Result<Tree, Failure> {
        source::read_tree(&self.prepared.directory).map_err(Failure::machine)
    }

    /// What the plan was made from, to make others of, with the whole tree.
    pub fn inputs<'a>(&'a self, tree: &'a Tree) -> Inputs<'a> {
        Inputs {
            profile: &self.profile,
            tree,
            catalog: &self.scanned.catalog,
            kconfig: &self.scanned.kconfig,
            source: facts(&self.prepared),
            probes: &self.probes,
        }
    }
}

/// Loads the profile, prepares its source and makes the plan. Findings are shown; errors end in exit 2.
pub fn plan(
    name: &str,
    options: &SourceOptions,
    for_build: bool,
    terminal: &Terminal,
) -> Result<Planned, Failure> {
    ready(name, options, for_build, terminal)?.plan(&Isolation::default(), terminal)
}

/// All a plan is made of but what the compiler says.
#[derive(Debug)]
pub struct Ready {
    pub profile: Profile,
    pub context: Context,
    pub prepared: Prepared,
    pub scanned: Scanned,
    pub work: PathBuf,
}

/// Loads the profile and prepares its source.
pub fn ready(
    name: &str,
    options: &SourceOptions,
    for_build: bool,
    terminal: &Terminal,
) -> Result<Ready, Failure> {
    let (profile, context) = load(name)?.checked(terminal)?;
    let work = options.work()?;
    let mut prepared = prepare(&profile, &context, options, &work, for_build, terminal)?;
    let scanned = scan_prepared(&mut prepared, &work)?;
    Ok(Ready { profile, context, prepared, scanned, work })
}

impl Ready {
    fn make(&self, probes: &Probes) -> (Option<Plan>, Vec<Finding>) {
        plan::make(Inputs {
            profile: &self.profile,
            tree: &self.scanned.tree,
            catalog: &self.scanned.catalog,
            kconfig: &self.scanned.kconfig,
            source: facts(&self.prepared),
            probes,
        })
    }

    /// The plan with no compiler asked: what it needs to build does not depend on flags.
    pub fn draft(&self) -> Option<Plan> {
        self.make(&Probes::default()).0
    }

    /// The plan, with the flags of the compiler that `isolation` leads to.
    pub fn plan(self, isolation: &Isolation, terminal: &Terminal) -> Result<Planned, Failure> {
        let probes = probes(isolation, &self.profile, &self.work)?;
        let (plan, findings) = self.make(&probes);
        terminal.findings(&findings, &self.context.texts);
        let Self { profile, prepared, scanned, work, .. } = self;
        match plan {
            Some(plan) => Ok(Planned { profile, plan, prepared, scanned, work, probes }),
            None => Err(Failure::usage("no plan can be made of this profile")),
        }
    }
}

/// The plan of a profile on a tree that is only looked at: no compiler is asked, nothing is shown.
pub fn plan_of_tree(profile: &Profile, scanned: &Scanned) -> (Option<Plan>, Vec<Finding>) {
    plan::make(Inputs {
        profile,
        tree: &scanned.tree,
        catalog: &scanned.catalog,
        kconfig: &scanned.kconfig,
        source: SourceFacts::of_tree(&scanned.catalog.version),
        probes: &Probes::default(),
    })
}

/// The patched source tree of a profile, and nothing more.
pub fn source(
    name: &str,
    options: &SourceOptions,
    terminal: &Terminal,
) -> Result<Prepared, Failure> {
    let (profile, context) = load(name)?.checked(terminal)?;
    let work = options.work()?;
    prepare(&profile, &context, options, &work, true, terminal)
}

/// What only the source tree shows of a loaded profile: unknown names, contradictions of symbols.
pub fn resolve_findings(
    loaded: &Loaded,
    options: &SourceOptions,
    terminal: &Terminal,
) -> Result<Vec<Finding>, Failure> {
    // A profile with faults has no complete form; what could be read of it is still checked for names.
    let Some(profile) = loaded.profile.as_ref().or(loaded.readable.as_ref()) else {
        return Ok(Vec::new());
    };
    let context = Context {
        texts: loaded.texts.clone(),
        directory: loaded.directory.clone(),
        lock: loaded.lock.clone(),
    };
    let work = options.work()?;
    let mut prepared = prepare(profile, &context, options, &work, false, terminal)?;
    let scanned = scan_prepared(&mut prepared, &work)?;
    if loaded.profile.is_none() {
        return Ok(profile::check_names(profile, &scanned.catalog));
    }
    let probes = Probes::default();
    let source = facts(&prepared);
    let inputs = Inputs {
        profile,
        tree: &scanned.tree,
        catalog: &scanned.catalog,
        kconfig: &scanned.kconfig,
        source,
        probes: &probes,
    };
    Ok(plan::make(inputs).1)
}

/// What the record says of the source beside its digests.
pub fn origin(profile: &Profile, prepared: &Prepared) -> SourceOrigin {
    let (kind, package, suite, url) = match &profile.source.value {
        Source::Apt { package, suite } => (SourceKind::Apt, Some(package), Some(suite), None),
        Source::Url { url, .. } => (SourceKind::Url, None, None, Some(url)),
        Source::Path { .. } => (SourceKind::Path, None, None, None),
    };
    SourceOrigin {
        kind,
        package: package.cloned(),
        suite: suite.cloned(),
        url: url.cloned(),
        authentication: prepared.authentication.clone(),
        authenticated_by: Some(prepared.authenticated_by),
    }
}

/// Our patches as the record keeps them.
pub fn patch_texts(prepared: &Prepared) -> Vec<PatchText> {
    let digests = prepared.patches.iter();
    digests
        .zip(&prepared.patch_texts)
        .map(|((name, sha256), (_, text))| PatchText {
            name: name.clone(),
            sha256: sha256.clone(),
            text: String::from_utf8_lossy(text).into_owned(),
        })
        .collect()
}

fn facts(prepared: &Prepared) -> SourceFacts {
    SourceFacts {
        origin: prepared.origin.clone(),
        version: prepared.version.clone(),
        digest: prepared.digest.clone(),
        date: prepared.date,
        files: prepared.files.clone(),
        patches: prepared.patches.clone(),
    }
}

fn prepare(
    profile: &Profile,
    context: &Context,
    options: &SourceOptions,
    work: &Path,
    for_build: bool,
    terminal: &Terminal,
) -> Result<Prepared, Failure> {
    let mut profile = profile.clone();
    let mut lock = context.lock.clone();
    if let (Some(directory), false) = (&options.source, for_build) {
        return in_place(directory);
    }
    if let Some(directory) = &options.source {
        let directory = fs_err::canonicalize(directory).map_err(Failure::usage)?;
        // A tree given by hand is not what the lock file pins.
        lock = work.join("path-source.lock");
        let _ = fs_err::remove_file(&lock);
        profile.source.value = Source::Path { path: directory.display().to_string() };
    }
    if let (true, Source::Url { signature, keys, .. }) =
        (options.by_digest, &mut profile.source.value)
    {
        *signature = None;
        keys.clear();
    }
    let patches = patches(&profile.series.value, &context.directory)?;
    let source_options = source::Options {
        work: work.to_owned(),
        profile_directory: context.directory.clone(),
        lock,
        patches: if options.source.is_some() { Vec::new() } else { patches },
        locked: options.locked,
        update: options.update,
        offline: options.offline,
        stale_index: options.stale_index,
        apt_sources: options.apt_sources.clone(),
    };
    let origin = &profile.source.origin;
    let place = (!origin.is_default()).then(|| format!("{origin} ({})", origin.key));
    source::prepare(&profile, &source_options, terminal).map_err(|error| match place {
        Some(place) => Failure::from(error).at(place),
        None => error.into(),
    })
}

/// Our patches for a series: `patches/SERIES/series` beside the profile or one directory up, else the shipped ones.
fn patches(series: &str, directory: &Path) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let places = [Some(directory), directory.parent()];
    let found = places
        .into_iter()
        .flatten()
        .map(|place| place.join("patches").join(series))
        .find(|place| place.join("series").is_file());
    let Some(place) = found else { return Ok(builtin::patches(series)) };
    let machine = Failure::usage;
    let list = fs_err::read_to_string(place.join("series")).map_err(machine)?;
    let names = list.lines().filter_map(|line| line.split('#').next()?.split_whitespace().next());
    names
        .map(|name| Ok((name.to_owned(), fs_err::read(place.join(name)).map_err(machine)?)))
        .collect()
}

/// A tree that is only read: nothing is copied.
fn in_place(directory: &Path) -> Result<Prepared, Failure> {
    let usage = Failure::usage;
    let directory = fs_err::canonicalize(directory).map_err(usage)?;
    let version =
        fs_err::read_to_string(directory.join("VERSION")).map_err(usage)?.trim().to_owned();
    Ok(Prepared {
        origin: "a local tree".to_owned(),
        files: Vec::new(),
        patches: Vec::new(),
        patch_texts: Vec::new(),
        date: 0,
        authentication: "none: a local tree is taken as it is".to_owned(),
        authenticated_by: AuthenticatedBy::Nobody,
        version,
        // Known once the tree is scanned.
        digest: String::new(),
        directory,
    })
}

fn probes(isolation: &Isolation, profile: &Profile, work: &Path) -> Result<Probes, Failure> {
    let mut flags = hardening::candidates(profile.level.value, profile.compiler.value);
    flags.push(plan::note::PROBE);
    let compiler = profile::compiler_name(profile.compiler.value);
    Ok(compiler_probe::run(isolation, compiler, &flags, work)?)
}
