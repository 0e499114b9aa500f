//! One rebuild of a record: profile, patches and lock written out of it, exact source by digest, varied environment.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::Request;
use crate::failure::{Exit, Failure};
use crate::isolate::{self, Disorder, Isolation, Vary};
use crate::pipeline::closed::{self, RootRequest};
use crate::pipeline::{self, Planned, Ready, SourceOptions, install};
use crate::record::{NamedDigest, Record, SourceKind};
use crate::source::{Lock, sha256_of};
use crate::terminal::Terminal;
use crate::{build_deps, evidence, plan, profile, root, run};

/// What a rebuild left.
pub(super) struct Rebuilt {
    /// Directory with the packages.
    pub(super) output: PathBuf,
    /// What was different around it: less than asked for where the host lacks something.
    pub(super) varied: BTreeSet<Vary>,
}

/// The work directory of a rebuild; another name and depth where the path is varied.
pub(super) fn place(
    asked: &Request,
    record: &Record,
    vary: &BTreeSet<Vary>,
) -> Result<PathBuf, Failure> {
    let mut work = asked.source.work()?.join("reproduce").join(&record.name);
    if vary.contains(&Vary::FileOrder) {
        work.push("disorder");
    }
    Ok(if vary.contains(&Vary::Path) {
        work.join("another/deeper/varied-path")
    } else {
        work.join("plain")
    })
}

/// The mount through which a rebuild sees its whole work directory, and what is varied: where nothing can be mounted (a
/// container may have the device and no right to), everything else.
fn disorder(
    asked: &Request,
    record: &Record,
    vary: &BTreeSet<Vary>,
    terminal: &Terminal,
) -> Result<(Option<Disorder>, BTreeSet<Vary>), Failure> {
    let mut vary = vary.clone();
    let wanted = Isolation { vary: vary.clone(), ..Isolation::default() };
    if !wanted.effective().contains(&Vary::FileOrder) {
        return Ok((None, vary));
    }
    let work = asked.source.work()?.join("reproduce").join(&record.name);
    match Disorder::mount(&work.join("disorder-below"), &work.join("disorder")) {
        Ok(disorder) => Ok((Some(disorder), vary)),
        Err(error) => {
            terminal.warn(&format!("not varied here: file-order ({error})"));
            vary.remove(&Vary::FileOrder);
            Ok((None, vary))
        }
    }
}

/// The record a rebuild wrote.
pub(super) fn record_in(output: &Path) -> Option<PathBuf> {
    let entries = fs_err::read_dir(output).ok()?.flatten();
    entries.map(|entry| entry.path()).find(|path| path.to_string_lossy().ends_with(".record.json"))
}

/// Builds the record from nothing but its source.
pub(super) fn build(
    asked: &Request,
    record: &Record,
    vary: &BTreeSet<Vary>,
    output: &Path,
    terminal: &Terminal,
) -> Result<Rebuilt, Failure> {
    let machine = Failure::machine;
    let main = asked.source.work()?;
    let (_disorder, vary) = &disorder(asked, record, vary, terminal)?;
    let work = place(asked, record, vary)?;
    // Nothing of an earlier rebuild may help.
    for old in [work.join("builds"), work.join("profile"), output.to_owned()] {
        match fs_err::remove_dir_all(&old) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(machine(error));
            }
            _ => {}
        }
    }
    fs_err::create_dir_all(output).map_err(machine)?;
    let here = take_downloads(record, &main, &work).map_err(machine)?;
    let profile = write_profile(record, &work.join("profile")).map_err(machine)?;
    let options = SourceOptions {
        work: Some(work.clone()),
        offline: asked.source.offline || here,
        locked: record.source.kind != SourceKind::Path,
        update: false,
        by_digest: true,
        ..asked.source.clone()
    };
    let ready = pipeline::ready(&profile.display().to_string(), &options, true, terminal)?;
    let (planned, python, mut isolation) = match &record.root {
        Some(_) => in_root(asked, ready, &main, terminal)?,
        None => on_host(asked, ready, &main, terminal)?,
    };
    check_plan(record, &planned.plan, terminal)?;
    isolation.vary.clone_from(vary);
    let varied = isolation.effective();
    say_variations(vary, &isolation, terminal);
    let jobs =
        asked.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let output = fs_err::canonicalize(output).map_err(machine)?;
    let request = run::Request {
        isolation,
        root: record.root.clone(),
        key: None,
        builder: evidence::WORKSTATION.to_owned(),
        // What the record says of its source stays what it says.
        origin: record.source.clone(),
        patches: record.patches.clone(),
        work,
        source: planned.prepared.directory.clone(),
        python,
        output: output.clone(),
        jobs: jobs + usize::from(vary.contains(&Vary::Jobs)),
        until: plan::StepId::Record,
    };
    let outcome = run::build(&planned.plan, &planned.profile, &request, terminal)?;
    terminal.findings(&outcome.findings, &[]);
    Ok(Rebuilt { output, varied })
}

type Set = (Planned, PathBuf, Isolation);

/// With the programs and headers of this machine.
fn on_host(
    asked: &Request,
    ready: Ready,
    main: &Path,
    terminal: &Terminal,
) -> Result<Set, Failure> {
    let planned = ready.plan(&Isolation::default(), terminal)?;
    let missing = build_deps::missing(&planned.plan)?;
    if !missing.is_empty() {
        return Err(install::lacking(&missing));
    }
    // The path of meson's Python enters no byte; one for all rebuilds is enough.
    let python = build_deps::ensure_meson(main, &planned.prepared.directory, asked.source.offline)?;
    let writable = [planned.work.join("builds").join(&planned.plan.name)];
    let readable = [planned.prepared.directory.clone(), main.join("meson")];
    let readable: Vec<PathBuf> = readable.into_iter().filter(|path| path.exists()).collect();
    let isolation = isolate::sandbox(asked.sandbox, &writable, &readable)?;
    Ok((planned, python, isolation))
}

/// In the recorded root, made of the same packages; roots, packages and meson of the main work directory serve.
fn in_root(
    asked: &Request,
    mut ready: Ready,
    main: &Path,
    terminal: &Terminal,
) -> Result<Set, Failure> {
    let wanted = RootRequest {
        lock: Some(ready.context.lock.with_extension("root.lock")),
        suite: None,
        locked: true,
    };
    let work = std::mem::replace(&mut ready.work, main.to_owned());
    let made = closed::prepare(&ready, &wanted, &asked.source, terminal)?;
    ready.work = work;
    let meson = main.join("meson");
    let questions = closed::for_questions(&made, &ready.work, &meson)?;
    let planned = ready.plan(&questions, terminal)?;
    let python =
        build_deps::ensure_meson_inside(&questions, &made.digest, main, asked.source.offline)?;
    let build = planned.work.join("builds").join(&planned.plan.name);
    let isolation = closed::for_build(&made, build, &planned.prepared.directory, &meson, None)?;
    Ok((planned, python, isolation))
}

fn say_variations(vary: &BTreeSet<Vary>, isolation: &Isolation, terminal: &Terminal) {
    let effective = isolation.effective();
    for vary in &effective {
        terminal.detail(&format!("varied {}: {}", vary.name(), vary.value()));
    }
    let names: Vec<&str> = effective.iter().map(|vary| vary.name()).collect();
    let names = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
    terminal.status("Varied", &names);
    for lost in vary.difference(&effective) {
        terminal.warn(&format!(
            "not varied here: {} (needs bubblewrap, faketime, setarch or disorderfs)",
            lost.name()
        ));
    }
}

/// Files of the record's source that are in the main work directory; true when all are.
fn take_downloads(record: &Record, main: &Path, work: &Path) -> Result<bool, std::io::Error> {
    let downloads = work.join("downloads");
    fs_err::create_dir_all(&downloads)?;
    let mut all = record.source.kind != SourceKind::Path;
    for NamedDigest { name, sha256 } in &record.plan.source.files {
        // A record may come from anywhere: its names stay names.
        if name.is_empty() || name.contains('/') || name.starts_with('.') {
            return Err(std::io::Error::other(format!("the record names a source file `{name}`")));
        }
        let (from, to) = (main.join("downloads").join(name), downloads.join(name));
        if to.is_file() && sha256_of(&to)? == *sha256 {
            continue;
        }
        if from.is_file() && sha256_of(&from)? == *sha256 {
            fs_err::copy(&from, &to)?;
        } else {
            all = false;
        }
    }
    Ok(all)
}

/// Profile and parents, patches and lock as the record has them; returns the profile's path.
fn write_profile(record: &Record, directory: &Path) -> Result<PathBuf, std::io::Error> {
    let refuse = |name: &str| std::io::Error::other(format!("the record names a file `{name}`"));
    let plain = |name: &str| !name.is_empty() && !name.contains('/') && !name.starts_with('.');
    fs_err::create_dir_all(directory)?;
    for file in &record.profile {
        if !plain(&file.file) {
            return Err(refuse(&file.file));
        }
        fs_err::write(directory.join(&file.file), &file.text)?;
    }
    let Some(first) = record.profile.first() else {
        return Err(std::io::Error::other("the record holds no profile"));
    };
    let profile = directory.join(&first.file);
    let names: Vec<&str> = record.patches.iter().map(|patch| patch.name.as_str()).collect();
    // What is wrong with a profile that cannot be read is said when it is read from its file.
    if let Some(series) = series(record) {
        if !plain(&series) {
            return Err(refuse(&series));
        }
        // An empty list, too: patches this Quench ships are not the recorded ones.
        let patches = directory.join("patches").join(series);
        fs_err::create_dir_all(&patches)?;
        fs_err::write(patches.join("series"), names.join("\n") + "\n")?;
        for patch in &record.patches {
            if !plain(&patch.name) {
                return Err(refuse(&patch.name));
            }
            fs_err::write(patches.join(&patch.name), &patch.text)?;
        }
    }
    let source = &record.plan.source;
    let files = source.files.iter().map(|file| (file.name.clone(), file.sha256.clone()));
    Lock::new(&source.version, &files.collect::<Vec<_>>())
        .write(&profile.with_extension("lock"))
        .map_err(|error| std::io::Error::other(error.to_string()))?;
    if let Some(root) = &record.root {
        let text = root::text(root).map_err(|error| std::io::Error::other(error.to_string()))?;
        fs_err::write(profile.with_extension("root.lock"), text)?;
    }
    Ok(profile)
}

/// The series of the recorded profile, as the reader of profiles understands it.
fn series(record: &Record) -> Option<String> {
    let first = record.profile.first()?;
    let parents = |parent: &str| {
        let wanted = format!("{}.toml", parent.strip_suffix(".toml").unwrap_or(parent));
        let found = record.profile.iter().find(|file| file.file == wanted);
        found.map(|file| (file.file.clone(), file.text.clone())).into()
    };
    let (profile, _) = profile::load(&first.file, &first.text, &parents);
    profile.map(|profile| profile.series.value)
}

/// The plan made here must be the recorded one; the source must be.
fn check_plan(record: &Record, plan: &plan::Plan, terminal: &Terminal) -> Result<(), Failure> {
    let now = plan::show::recorded(plan);
    if now.source.tree != record.plan.source.tree {
        let message = format!(
            "the source is not the recorded one: tree {}, recorded {}",
            now.source.tree, record.plan.source.tree
        );
        return Err(Failure::new(Exit::Program, message));
    }
    for part in now.differences(&record.plan) {
        terminal.warn(&format!("this quench plans `{part}` differently than the recorded one did"));
    }
    Ok(())
}
