//! Packages and their files against the digests of a record. Pure.

use crate::failure::Hinted;
use crate::finding::{Code, Finding, Place};
use crate::record::Record;
use crate::verify::Report;
use crate::wire;

pub(super) static DIGEST: Code = Code {
    name: "verify::digest",
    summary: "a file is not the one the record names",
    explain: "The record inside the package, or the one given with --record, holds the sha256 of every staged file.",
};

pub(super) static UNREADABLE: Code = Code {
    name: "verify::record",
    summary: "the record inside a package cannot be read",
    explain: "A record says by which policy a package is judged, which files must be in it and what was planned. One of another \
              version, with an empty plan or cut short says none of it. --record with the record that `build` wrote beside \
              the package takes its place.",
};

/// Says that the record inside a package cannot be read.
pub fn unreadable_record(package: &str, error: &wire::Error) -> Finding {
    let finding = Finding::error(&UNREADABLE, format!("the record inside {package}: {error}"))
        .at(Place::Object { path: package.to_owned(), part: None }, "");
    match error.hint() {
        Some(hint) => finding.with_help(hint),
        None => finding,
    }
}

/// Every staged file of a record must be in a package, with the digest the record has. The report must be of an
/// examination with digests.
pub fn file_digests(record: &Record, report: &Report) -> Vec<Finding> {
    let name = &report.name;
    let mut findings = Vec::new();
    for file in &record.files {
        let (path, wanted) = (&file.path, &file.sha256);
        let message = match report.digests.get(path) {
            Some(is) if is == wanted => continue,
            Some(is) => format!("{path} in {name} has sha256 {is}, the record says {wanted}"),
            None => format!("{path} of the record is not in {name}"),
        };
        let place = Place::Object { path: name.clone(), part: Some(path.clone()) };
        findings.push(Finding::error(&DIGEST, message).at(place, ""));
    }
    findings
}

/// A package whose name the record has must be the one the record names.
pub fn package_digest(record: &Record, report: &Report) -> Vec<Finding> {
    let file = report.name.rsplit('/').next().unwrap_or(&report.name);
    match record.packages.iter().find(|package| package.name == file) {
        Some(package) if package.sha256 != report.sha256 => {
            let message =
                format!("{file} has sha256 {}, the record says {}", report.sha256, package.sha256);
            vec![Finding::error(&DIGEST, message)]
        }
        _ => Vec::new(),
    }
}
