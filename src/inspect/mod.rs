//! Reads what is judged from the machine: files, directories and packages with the rights they have here, records, plans
//! and policies by path, and what other checkers say.
//!
//! Shell around `verify` and `acceptance`, which judge. Knows no command line.

pub mod debug;
mod directory;
mod image;
pub mod libc;
pub mod peers;

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use crate::acceptance::{self, Expected};
use crate::archive::{self, Format};
use crate::failure::{Failure, Hinted as _};
use crate::finding::{Finding, any_error};
use crate::record::{self, Record};
use crate::terminal::Terminal;
use crate::verify::against::OldVerdict;
use crate::verify::policy;
use crate::verify::{Date, Examination, Options, Policy, Report};
use crate::wire;

/// What stands for the standard input.
const STANDARD_INPUT: &str = "-";

/// Reads one argument: a directory, a package or archive, a file with the rights it has here, or the standard input. An
/// image of several platforms is several inputs.
pub fn examine(
    path: &Path,
    digests: bool,
    options: &Options<'_>,
) -> Result<Vec<Examination>, Failure> {
    let name = path.display().to_string();
    let failure = Failure::usage;
    if name == STANDARD_INPUT {
        let mut input = std::io::stdin().lock();
        return Ok(vec![Examination::with("standard input", &mut input, options)]);
    }
    if options.archives
        && let Some(images) = image::examine(path, options)?
    {
        return Ok(images);
    }
    if path.is_dir() {
        return Ok(vec![directory::examine(path, digests, options)]);
    }
    let mut file = BufReader::with_capacity(128 << 10, fs_err::File::open(path).map_err(failure)?);
    let one = match archive::format(file.fill_buf().map_err(failure)?) {
        Format::Elf | Format::Script | Format::Other => {
            directory::examine_file(path, options).map_err(failure)?
        }
        _ => Examination::with(&name, &mut file, options),
    };
    Ok(vec![one])
}

/// What files are judged by, beside what they hold themselves.
#[derive(Debug, Clone, Copy)]
pub struct JudgeBy<'a> {
    pub policy: Option<&'a Policy>,
    pub record: Option<&'a Record>,
    pub expected: Option<&'a Expected>,
    pub today: Date,
    /// Archives that are not opened are warnings.
    pub unopened: bool,
    /// An input without an ELF file may pass.
    pub empty: bool,
}

/// Judges by the policy given, else by the one the record names, else by `distribution`.
pub fn judge(
    mut examination: Examination,
    path: &Path,
    given: &JudgeBy<'_>,
) -> Result<(Report, Policy), Failure> {
    let inside = examination.kept.take();
    let inside = inside.filter(|_| given.record.is_none());
    let inside = inside.map(|bytes| Record::from_text(&String::from_utf8_lossy(&bytes)));
    let (inside, unreadable) = match inside.transpose() {
        Ok(record) => (record, None),
        Err(error) => (None, Some(acceptance::unreadable_record(&examination.name, &error))),
    };
    let governing = given.record.or(inside.as_ref());
    let is_package =
        path.extension().is_some_and(|extension| extension == "deb" || extension == "rpm");
    let level = governing.map(|record| record.plan.hardening.as_str());
    let policy = given.policy.cloned().or_else(|| {
        let named = level.and_then(|level| Policy::named(&format!("quench-{level}")));
        named.or_else(|| Policy::named("distribution")).map(|policy| policy.on(given.today))
    });
    let Some(policy) = policy else {
        return Err(Failure::usage("no policy"));
    };
    let policy = if given.unopened { policy.allowing_unopened() } else { policy };
    let mut report = examination.settle(&policy);
    report.findings.extend(unreadable);
    report.findings.extend(report.nothing_judged().filter(|_| !given.empty));
    report.findings.extend(report.unopened_allowed().filter(|_| given.unopened));
    if let Some(record) = governing.filter(|_| is_package) {
        report.findings.extend(acceptance::file_digests(record, &report));
    }
    if let Some(record) = given.record {
        report.findings.extend(acceptance::package_digest(record, &report));
    }
    let recorded = match governing.map(|record| Expected::of_plan(&record.plan)).transpose() {
        Ok(recorded) => recorded,
        Err(why) => {
            report.findings.push(acceptance::unreadable_plan(&report.name, &why));
            None
        }
    };
    let other = given.expected.filter(|expected| recorded.as_ref() != Some(expected));
    for expected in recorded.iter().chain(other) {
        let found = acceptance::contradictions(expected, &report, None);
        let new = found.into_iter().filter(|finding| !report.findings.contains(finding));
        let new: Vec<Finding> = new.collect();
        report.findings.extend(new);
    }
    Ok((report, policy))
}

/// How an older version stood: by its record or verdict, or judged now.
pub fn past(old: &Path, given: &JudgeBy<'_>, options: &Options<'_>) -> Result<OldVerdict, Failure> {
    let name = old.display().to_string();
    if old.is_file() {
        let bytes = fs_err::read(old).map_err(Failure::usage)?;
        if bytes.first() == Some(&b'{') {
            let verdict = wire::verdict_of(&String::from_utf8_lossy(&bytes)).map_err(|error| {
                Failure::usage(format!("{name}: {error}")).with_hint(error.hint())
            })?;
            return Ok(OldVerdict::of_verdict(&name, &verdict));
        }
    }
    let given = JudgeBy { record: None, expected: None, ..*given };
    let reports: Result<Vec<Report>, Failure> = examine(old, false, options)?
        .into_iter()
        .map(|examination| Ok(judge(examination, old, &given)?.0))
        .collect();
    Ok(OldVerdict::of_reports(&name, &reports?))
}

/// What a plan, alone or in a record, makes one expect.
pub fn expected_of(path: &Path) -> Result<Expected, Failure> {
    let text = fs_err::read_to_string(path).map_err(Failure::usage)?;
    let fault = |why: String| Failure::usage(format!("{}: {why}", path.display()));
    let plan =
        wire::plan_of(&text).map_err(|error| fault(error.to_string()).with_hint(error.hint()))?;
    Expected::of_plan(&plan).map_err(fault)
}

/// Reads a record by its path; a package gives the one inside.
pub fn read_record(path: &Path) -> Result<Record, Failure> {
    let failure = Failure::usage;
    let mut file = BufReader::with_capacity(64 << 10, fs_err::File::open(path).map_err(failure)?);
    let name = path.display().to_string();
    let bytes = match archive::format(file.fill_buf().map_err(failure)?) {
        Format::Deb | Format::Rpm => {
            let mut inside = Inside(None);
            archive::open(&name, &mut file, archive::Limits::default(), false, &mut inside);
            inside.0.ok_or_else(|| Failure::usage(format!("no {} in {name}", record::FILE_NAME)))?
        }
        _ => {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).map_err(failure)?;
            bytes
        }
    };
    let text = String::from_utf8_lossy(&bytes);
    Record::from_text(&text)
        .map_err(|error| Failure::usage(format!("{name}: {error}")).with_hint(error.hint()))
}

/// The first record of a package.
struct Inside(Option<Vec<u8>>);

impl archive::Visit for Inside {
    fn keeps(&self, path: &str) -> bool {
        path.ends_with(&format!("/{}", record::FILE_NAME))
    }

    fn member(&mut self, member: archive::Member) {
        if self.0.is_none() && self.keeps(&member.path) {
            self.0 = Some(member.bytes);
        }
    }
}

/// A policy by name or file; `None` when it has faults, which are shown.
pub fn read_policy(name: &str, terminal: &Terminal) -> Result<Option<Policy>, Failure> {
    let (file, text) = match policy::shipped(name) {
        Some(shipped) => shipped,
        None if Path::new(name).is_file() => {
            let text = fs_err::read_to_string(name);
            (name.to_owned(), text.map_err(Failure::usage)?)
        }
        None => {
            let names = Policy::names();
            let hint = match crate::finding::closest(name, &names) {
                Some(other) => format!("did you mean `{other}`?"),
                None => format!("a file, or one of {}", names.join(", ")),
            };
            let failure = Failure::usage(format!("no policy `{name}`"));
            return Err(failure.with_hint(Some(hint)));
        }
    };
    let beside = Path::new(&file).parent().unwrap_or(Path::new("")).to_owned();
    let parents = |name: &str| {
        policy::shipped(name).or_else(|| {
            let path = beside.join(name);
            let text = fs_err::read_to_string(&path).ok()?;
            Some((path.display().to_string(), text))
        })
    };
    let (policy, findings) = policy::load(&file, &text, &parents);
    let mut texts = vec![(file, text)];
    // A fault in a parent points into the parent's text.
    texts.extend(findings.iter().filter_map(|finding| match &finding.labels.first()?.place {
        crate::finding::Place::Span { file, .. } => {
            let name = file.trim_start_matches("policies/").trim_end_matches(".toml");
            policy::shipped(name)
                .or_else(|| Some((file.clone(), fs_err::read_to_string(file).ok()?)))
        }
        _ => None,
    }));
    terminal.findings(&findings, &texts);
    Ok(policy.filter(|_| !any_error(&findings)))
}
