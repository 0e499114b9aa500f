//! `quench verify`: judges files, directories and packages, without the build tree.

mod compare;
mod debug;
mod directory;
mod libc;
mod provenance;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::acceptance::{self, Expected};
use crate::archive::{self, Format};
use crate::failure::{Exit, Failure, Hinted as _};
use crate::files;
use crate::finding::{Finding, any_error};
use crate::record::Record;
use crate::terminal::{Terminal, Verbosity};
use crate::verify::against::{self, Past};
use crate::verify::compare::Comparison;
use crate::verify::policy::{self, date_of_epoch};
use crate::verify::{self, Date, Examination, Options, Policy, Report, Selection, Verification};

/// Verify ELF files, directories and packages.
///
/// Example: quench verify dist/*.deb dist/*.rpm
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// ELF files, directories, .deb, .rpm, tar and ar archives.
    #[arg(required_unless_present = "rules")]
    paths: Vec<PathBuf>,
    /// What must hold: a shipped policy, or a file [default: what the package's own record says, else distribution].
    #[arg(long, value_name = "NAME|FILE")]
    policy: Option<String>,
    /// The day of judgement, which waivers expire by [default: SOURCE_DATE_EPOCH, else today].
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date)]
    date: Option<Date>,
    /// A record that names the digests of packages and files.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    #[arg(long, value_enum, default_value = "human")]
    format: OutputFormat,
    /// Write another format to a file, too (may be repeated).
    #[arg(long, value_name = "FORMAT=FILE", value_parser = write_to)]
    write: Vec<(OutputFormat, PathBuf)>,
    /// An older record, verdict, package, directory or file: what it had and these lack is an error.
    #[arg(long, value_name = "OLD")]
    against: Option<PathBuf>,
    /// A plan (`plan --format json`), or a record with one: its flags are held against units and code of what it builds.
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Run checksec, hardening-check, annocheck and scanelf where installed, and explain each difference.
    #[arg(long)]
    compare: bool,
    /// Separate debug files: packages, directories or files; /usr/lib/debug is looked at in any case.
    #[arg(long, value_name = "PATH")]
    debug: Vec<PathBuf>,
    /// Judge these rules only: names, or the groups headers, files and code. Headers alone need a few kilobytes of a file.
    #[arg(long, value_name = "RULE|GROUP", value_delimiter = ',')]
    only: Vec<String>,
    /// Do not open archives and compressed files in directories; how many there are is a warning.
    #[arg(long)]
    no_archives: bool,
    /// The C library the files will run with, or the package it is in: its own checked functions count for FORTIFY.
    #[arg(long, value_name = "FILE")]
    libc: Vec<PathBuf>,
    /// The root of the system the files will run in; its C library counts [default: a directory that is judged].
    #[arg(long, value_name = "DIR")]
    sysroot: Vec<PathBuf>,
    /// List the rules and the shipped policies, and judge nothing.
    #[arg(long)]
    rules: bool,
    #[command(flatten)]
    provenance: provenance::Options,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum OutputFormat {
    Human,
    /// quench.verdict/1
    Json,
    /// SARIF 2.1.0
    Sarif,
    /// JUnit XML
    Junit,
    /// GitHub-flavoured Markdown
    Markdown,
}

fn date(text: &str) -> Result<Date, String> {
    toml::value::Datetime::from_str(text)
        .ok()
        .filter(|moment| moment.time.is_none())
        .and_then(|moment| moment.date)
        .ok_or_else(|| "a date like 2027-12-31".to_owned())
}

fn write_to(text: &str) -> Result<(OutputFormat, PathBuf), String> {
    let (format, file) = text.split_once('=').ok_or("FORMAT=FILE, as in sarif=verdict.sarif")?;
    let format = <OutputFormat as clap::ValueEnum>::from_str(format, false)?;
    Ok((format, PathBuf::from(file)))
}

pub(super) fn run(args: &Args, terminal: &Terminal) -> Result<Exit, Failure> {
    if args.rules {
        terminal.data(&verify::rules_text());
        return Ok(Exit::Done);
    }
    let today = today(args)?;
    let explicit = match &args.policy {
        Some(name) => match read_policy(name, terminal)? {
            Some(policy) => Some(policy.on(today)),
            None => return Ok(Exit::Usage),
        },
        None => None,
    };
    let record = match &args.record {
        Some(path) => Some(read_record(path)?),
        None => None,
    };
    let digests = args.format != OutputFormat::Human || !args.write.is_empty();
    let mut verification = Verification::default();
    let mut policies: BTreeMap<String, Policy> = BTreeMap::new();
    let separate = debug::read(&args.debug)?;
    let debug = |build_id: &str| separate.find(build_id);
    let all = terminal.verbosity() >= Verbosity::Verbose;
    let waivers = explicit.as_ref().is_some_and(|policy| !policy.waivers.is_empty());
    let libraries = libc::read(args)?;
    let expected = match (&args.plan, &args.against) {
        (Some(path), _) => Some(expected_of(path)?),
        // An older record says what flags the file had to be compiled with, too.
        (None, Some(old)) => expected_of(old).ok(),
        (None, None) => None,
    };
    let options = Options {
        libc: &libraries,
        selection: selection(args)?,
        archives: !args.no_archives,
        units: args.plan.is_some() || !args.paths.iter().all(|path| path.is_dir()),
        all: all
            || digests
            || waivers
            || args.against.is_some()
            || args.compare
            || expected.is_some(),
        ..Options::new(&debug)
    };
    let given = Given {
        policy: explicit.as_ref(),
        record: record.as_ref(),
        expected: expected.as_ref(),
        today,
    };
    for path in &args.paths {
        let mut examination = examine(path, digests, &options)?;
        examination.only = options.selection.names().unwrap_or_default().to_vec();
        let (mut report, policy) = judge(examination, path, &given)?;
        if let Some(expected) = expected.as_ref().filter(|_| args.plan.is_some()) {
            report.findings.extend(acceptance::unproved(expected, &report, None));
            report.findings.extend(acceptance::absent(expected, &report));
        }
        policies.insert(policy.name.clone(), policy);
        verification.reports.push(report);
    }
    if let Some(old) = &args.against {
        let past = past(old, &given, &options)?;
        verification.findings.extend(against::lost(&past, &verification.reports));
    }
    if args.compare {
        verification.comparisons = compare::run(&verification.reports, &args.paths, terminal)?;
        let unexplained = verification.comparisons.iter().flat_map(Comparison::findings);
        verification.findings.extend(unexplained);
    }
    let mut texts = Vec::new();
    for policy in policies.values() {
        verification.findings.extend(policy::account(policy, &verification.reports));
        texts.extend(policy.texts.iter().cloned());
    }
    let provenance = provenance::check(&args.provenance, &mut verification)?;
    terminal.data(&render(&verification, args.format, &texts, all)?);
    if let (Some(checked), OutputFormat::Human) = (&provenance, args.format) {
        terminal.data(&checked.text());
    }
    for (format, file) in &args.write {
        let text = render(&verification, *format, &texts, true)?;
        files::write(file, text).map_err(Failure::machine)?;
    }
    if args.format == OutputFormat::Human {
        // The table shows what rules say; the rest stands in no table.
        for report in &verification.reports {
            let rest: Vec<Finding> =
                report.findings.iter().filter(|f| !of_rule(f)).cloned().collect();
            terminal.findings(&rest, &texts);
        }
    }
    terminal.findings(&verification.findings, &texts);
    Ok(if verification.passes() { Exit::Done } else { Exit::No })
}

fn render(
    verification: &Verification,
    format: OutputFormat,
    texts: &[(String, String)],
    all: bool,
) -> Result<String, Failure> {
    match format {
        OutputFormat::Human => {
            let reports = verification.reports.iter().map(|report| verify::human(report, all));
            Ok(reports.chain(verification.comparisons.iter().map(verify::comparison)).collect())
        }
        OutputFormat::Json => pretty(&verify::json(verification)),
        OutputFormat::Sarif => pretty(&verify::sarif(verification, texts)),
        OutputFormat::Junit => Ok(verify::junit(verification)),
        OutputFormat::Markdown => Ok(verify::markdown(verification, texts)),
    }
}

fn pretty(value: &serde_json::Value) -> Result<String, Failure> {
    serde_json::to_string_pretty(value).map(|text| text + "\n").map_err(Failure::machine)
}

/// True for a finding that only repeats a rule's verdict.
fn of_rule(finding: &Finding) -> bool {
    finding.code.name == "verify::rule-failed"
}

/// How an older version stood: by its record or verdict, or judged now.
fn past(old: &Path, given: &Given<'_>, options: &Options<'_>) -> Result<Past, Failure> {
    let name = old.display().to_string();
    if old.is_file() {
        let bytes = fs_err::read(old).map_err(Failure::usage)?;
        if bytes.first() == Some(&b'{') {
            let fault = |why: String| Failure::usage(format!("{name}: {why}"));
            let value: serde_json::Value =
                serde_json::from_slice(&bytes).map_err(|error| fault(error.to_string()))?;
            let verdict = value.get("verdict").unwrap_or(&value);
            return Past::of_verdict(&name, verdict).map_err(|why| {
                let hint = "give the record beside the packages (the one inside has no verdict), or the package";
                fault(why).with_hint(Some(hint.to_owned()))
            });
        }
    }
    let (report, _) = judge(
        examine(old, false, options)?,
        old,
        &Given { record: None, expected: None, ..*given },
    )?;
    Ok(Past::of_reports(&name, &[report]))
}

fn today(args: &Args) -> Result<Date, Failure> {
    if let Some(date) = args.date {
        return Ok(date);
    }
    let seconds = match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => text
            .trim()
            .parse()
            .map_err(|_| Failure::usage(format!("SOURCE_DATE_EPOCH is no number: `{text}`")))?,
        Err(_) => std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| since.as_secs()),
    };
    Ok(date_of_epoch(seconds))
}

/// What a plan, alone or in a record, makes one expect.
fn expected_of(path: &Path) -> Result<Expected, Failure> {
    let text = fs_err::read_to_string(path).map_err(Failure::usage)?;
    let fault = |why: String| Failure::usage(format!("{}: {why}", path.display()));
    let plan = crate::wire::plan_of(&text)
        .map_err(|error| fault(error.to_string()).with_hint(error.hint()))?;
    Expected::of_plan(&plan).map_err(fault)
}

/// A policy by name or file; `None` when it has faults, which are shown.
fn read_policy(name: &str, terminal: &Terminal) -> Result<Option<Policy>, Failure> {
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

fn read_record(path: &Path) -> Result<Record, Failure> {
    let text = fs_err::read_to_string(path).map_err(Failure::usage)?;
    Record::from_text(&text).map_err(|error| {
        Failure::usage(format!("{}: {error}", path.display())).with_hint(error.hint())
    })
}

/// Reads one argument: a directory, a package or archive, or a file with the rights it has here.
fn examine(path: &Path, digests: bool, options: &Options<'_>) -> Result<Examination, Failure> {
    let name = path.display().to_string();
    let failure = Failure::usage;
    if path.is_dir() {
        return Ok(directory::examine(path, digests, options));
    }
    let mut file = BufReader::with_capacity(128 << 10, fs_err::File::open(path).map_err(failure)?);
    match archive::format(file.fill_buf().map_err(failure)?) {
        Format::Elf | Format::Other => directory::examine_file(path, options).map_err(failure),
        _ => Ok(Examination::with(&name, &mut file, options)),
    }
}

/// The rules that were asked for.
fn selection(args: &Args) -> Result<Selection, Failure> {
    if args.only.is_empty() {
        return Ok(Selection::default());
    }
    Selection::of(args.only.iter().map(String::as_str)).map_err(|word| {
        let names: Vec<&str> = verify::rule_names().chain(["headers", "files", "code"]).collect();
        let hint = crate::finding::closest(&word, &names)
            .map_or("`quench verify --rules` lists them".to_owned(), |other| {
                format!("did you mean `{other}`?")
            });
        Failure::usage(format!("no rule or group `{word}`")).with_hint(Some(hint))
    })
}

/// What files are judged by, beside what they hold themselves.
#[derive(Clone, Copy)]
struct Given<'a> {
    policy: Option<&'a Policy>,
    record: Option<&'a Record>,
    expected: Option<&'a Expected>,
    today: Date,
}

/// Judges by the policy given, else by the one the record names, else by `distribution`.
fn judge(
    mut examination: Examination,
    path: &Path,
    given: &Given<'_>,
) -> Result<(Report, Policy), Failure> {
    let inside = examination.record.take();
    let inside = inside.and_then(|bytes| Record::from_text(&String::from_utf8_lossy(&bytes)).ok());
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
    let mut report = examination.settle(&policy);
    if let Some(record) = governing.filter(|_| is_package) {
        report.findings.extend(acceptance::file_digests(record, &report));
    }
    if let Some(record) = given.record {
        report.findings.extend(acceptance::package_digest(record, &report));
    }
    let recorded = governing.and_then(|record| Expected::of_plan(&record.plan).ok());
    let other = given.expected.filter(|expected| recorded.as_ref() != Some(expected));
    for expected in recorded.iter().chain(other) {
        let found = acceptance::contradictions(expected, &report, None);
        let new = found.into_iter().filter(|finding| !report.findings.contains(finding));
        let new: Vec<Finding> = new.collect();
        report.findings.extend(new);
    }
    Ok((report, policy))
}
