//! `quench verify`: judges files, directories and packages, without the build tree.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::cli::{Exit, Failure};
use crate::record::{self, Record};
use crate::terminal::Terminal;
use crate::verify::input::{self, Format, Member};
use crate::verify::{self, Policy, Report};

/// Verify ELF files, directories and packages.
///
/// Example: quench verify dist/*.deb dist/*.rpm
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// ELF files, directories, .deb and .rpm.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// What must hold: distribution, quench-openstack, quench-baseline, quench-strict [default: what the package's own
    /// record says, else distribution].
    #[arg(long)]
    policy: Option<String>,
    /// A record that names the digests of packages and files.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    #[arg(long, value_enum, default_value = "human")]
    format: OutputFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum OutputFormat {
    Human,
    Json,
}

pub(super) fn run(args: &Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let policy = match &args.policy {
        Some(name) => Some(Policy::named(name).ok_or_else(|| {
            Failure::new(Exit::Usage, format!("no policy `{name}`"))
                .with_hint(Some(format!("one of {}", Policy::names().join(", "))))
        })?),
        None => None,
    };
    let record = match &args.record {
        Some(path) => Some(read_record(path)?),
        None => None,
    };
    let mut reports = Vec::new();
    for path in &args.paths {
        reports.push(judge(path, policy.as_ref(), record.as_ref())?);
    }
    let passes = reports.iter().all(Report::passes);
    match args.format {
        OutputFormat::Human => {
            for report in &reports {
                terminal.data(&verify::human(report));
                terminal.findings(&report.findings, &[]);
            }
        }
        OutputFormat::Json => {
            let text = serde_json::to_string_pretty(&verify::json(&reports))
                .map_err(|error| Failure::new(Exit::Machine, error))?;
            terminal.data(&(text + "\n"));
        }
    }
    Ok(if passes { Exit::Done } else { Exit::No })
}

fn read_record(path: &Path) -> Result<Record, Failure> {
    let text = fs_err::read_to_string(path).map_err(|error| Failure::new(Exit::Usage, error))?;
    Record::from_text(&text)
        .map_err(|error| Failure::new(Exit::Usage, format!("{}: {error}", path.display())))
}

fn judge(path: &Path, policy: Option<&Policy>, record: Option<&Record>) -> Result<Report, Failure> {
    let name = path.display().to_string();
    let machine = |error| Failure::new(Exit::Usage, error);
    if path.is_dir() {
        let mut members = Vec::new();
        walk(path, &mut members).map_err(machine)?;
        let policy = policy.cloned().or_else(|| Policy::named("distribution"));
        let Some(policy) = policy else { return Err(Failure::new(Exit::Usage, "no policy")) };
        return Ok(verify::judge_members(&name, "", &members, &policy, &BTreeMap::new()));
    }
    let bytes = fs_err::read(path).map_err(machine)?;
    let sha256 = hex::encode(Sha256::digest(&bytes));
    let (members, findings) = input::members(&name, &bytes);
    let inside = members
        .iter()
        .find(|member| member.path.ends_with(&format!("/{}", record::FILE_NAME)))
        .and_then(|member| Record::from_text(&String::from_utf8_lossy(&member.bytes)).ok());
    let governing = record.or(inside.as_ref());
    let digests = match (input::format(&bytes), governing) {
        (Format::Deb | Format::Rpm, Some(record)) => {
            record.files.iter().map(|file| (file.path.clone(), file.sha256.clone())).collect()
        }
        _ => BTreeMap::new(),
    };
    let named =
        governing
            .and_then(|record| record.plan.get("hardening"))
            .and_then(serde_json::Value::as_str)
            .map(|level| {
                if level == "cfi" { "quench-strict".to_owned() } else { format!("quench-{level}") }
            });
    let policy = policy
        .cloned()
        .or_else(|| named.and_then(|name| Policy::named(&name)))
        .or_else(|| Policy::named("distribution"));
    let Some(policy) = policy else { return Err(Failure::new(Exit::Usage, "no policy")) };
    let mut report = verify::judge_members(&name, &sha256, &members, &policy, &digests);
    report.findings.extend(findings);
    if let Some(record) = record {
        report.findings.extend(verify::package_digest(&name, &sha256, record));
    }
    Ok(report)
}

/// Every regular file below a directory; links are not followed.
fn walk(directory: &Path, out: &mut Vec<Member>) -> Result<(), std::io::Error> {
    use std::os::unix::fs::PermissionsExt;
    for entry in fs_err::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            walk(&entry.path(), out)?;
        } else if kind.is_file() {
            let path = entry.path();
            let mut magic = [0_u8; 4];
            let read = fs_err::File::open(&path)
                .and_then(|mut file| std::io::Read::read(&mut file, &mut magic));
            let bytes = match read {
                Ok(4) if crate::elf::is_elf(&magic) => fs_err::read(&path)?,
                _ => Vec::new(),
            };
            let mode = entry.metadata()?.permissions().mode();
            out.push(Member { path: path.display().to_string(), mode, bytes });
        }
    }
    Ok(())
}
