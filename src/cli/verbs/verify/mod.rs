//! `quench verify`: judges files, directories and packages, without the build tree.

mod provenance;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;

use crate::acceptance;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::finding::Finding;
use crate::inspect::{
    JudgeBy, debug, examine, expected_of, judge, libc, past, peers, read_policy, read_record,
};
use crate::terminal::{Terminal, Verbosity};
use crate::verify::against;
use crate::verify::compare::Comparison;
use crate::verify::policy::{self, date_of_epoch};
use crate::verify::{self, Date, Options, Policy, Selection, Verification};
use crate::wire;

/// Verify ELF files, directories and packages.
///
/// Example: quench verify dist/*.deb dist/*.rpm
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// ELF files, directories, packages, archives, container images (OCI layouts); `-` is the standard input.
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
    /// Archives of kinds that are not opened are warnings and not errors; the verdict names them.
    #[arg(long)]
    allow_unopened: bool,
    /// Inputs without an ELF file may pass.
    #[arg(long)]
    allow_empty: bool,
    /// The C library the files will run with, or the package it is in: its own checked functions count for FORTIFY.
    #[arg(long, value_name = "FILE")]
    libc: Vec<PathBuf>,
    /// The root of the system the files will run in; its C library counts [default: a directory that is judged].
    #[arg(long, value_name = "DIR")]
    sysroot: Vec<PathBuf>,
    /// Show every verdict, of many files and where the policy demands nothing, too.
    #[arg(long)]
    all: bool,
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
    let all = args.all || terminal.verbosity() >= Verbosity::Verbose;
    let waivers = explicit.as_ref().is_some_and(|policy| !policy.waivers.is_empty());
    let libraries = libc::read(&args.libc, &args.sysroot, &args.paths)?;
    let expected = match (&args.plan, &args.against) {
        (Some(path), _) => Some(expected_of(path)?),
        // An older record says what flags the file had to be compiled with, too.
        (None, Some(old)) => expected_of(old).ok(),
        (None, None) => None,
    };
    let options = Options {
        keep: Some(crate::record::FILE_NAME),
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
    let given = JudgeBy {
        policy: explicit.as_ref(),
        record: record.as_ref(),
        expected: expected.as_ref(),
        today,
        unopened: args.allow_unopened,
        empty: args.allow_empty,
    };
    for path in &args.paths {
        for mut examination in examine(path, digests, &options)? {
            examination.only = options.selection.names().unwrap_or_default().to_vec();
            let (mut report, policy) = judge(examination, path, &given)?;
            if let Some(expected) = expected.as_ref().filter(|_| args.plan.is_some()) {
                report.findings.extend(acceptance::unproved(expected, &report, None));
                report.findings.extend(acceptance::absent(expected, &report));
            }
            policies.insert(policy.name.clone(), policy);
            verification.reports.push(report);
        }
    }
    if let Some(old) = &args.against {
        let past = past(old, &given, &options)?;
        verification.findings.extend(against::lost(&past, &verification.reports));
    }
    if args.compare {
        verification.comparisons = peers::run(&verification.reports, &args.paths, terminal)?;
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
        OutputFormat::Json => wire::text(&verify::wire(verification)).map_err(Failure::machine),
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
    *finding.code == verify::RULE_FAILED
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
