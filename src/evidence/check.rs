//! Checks a bundle against files, offline: signatures, subjects, what the provenance says of itself. Pure.
//!
//! Bounded: a bundle is a few lines; more than [`MOST_LINES`] is refused.

use super::dsse::PAYLOAD;
use super::statement::TYPE;
use super::{Envelope, PublicKey, Statement, provenance, test_result};
use crate::finding::{Code, Finding};
use crate::record::NamedDigest;

/// Finding codes of bundles.
pub(super) const CODES: &[&Code] =
    &[&UNREADABLE, &SIGNATURE, &UNAUTHENTICATED, &SUBJECT, &MISSING, &BUILDER];

static UNREADABLE: Code = Code {
    name: "evidence::unreadable",
    summary: "a line of the bundle is no DSSE envelope with an in-toto statement",
    explain: "A bundle is JSON lines, one DSSE envelope each, with payload type application/vnd.in-toto+json.",
};
static SIGNATURE: Code = Code {
    name: "evidence::signature",
    summary: "no signature of an envelope is by the given key",
    explain: "The envelope was signed by somebody else, or changed after it was signed. Key ids are hints and are not trusted.",
};
static UNAUTHENTICATED: Code = Code {
    name: "evidence::unauthenticated",
    summary: "nobody vouches for the bundle",
    explain: "Without --provenance-key signatures are not checked, and an unsigned bundle has none. --unsigned accepts \
              that; the digests are compared all the same.",
};
static SUBJECT: Code = Code {
    name: "evidence::subject",
    summary: "a file is not what the provenance speaks of",
    explain: "A statement's subjects name files by sha256; a file that is not among them has no provenance here.",
};
static MISSING: Code = Code {
    name: "evidence::no-provenance",
    summary: "the bundle holds no SLSA provenance",
    explain: "Other statements may be in it, but none with predicate type https://slsa.dev/provenance/v1.",
};
static BUILDER: Code = Code {
    name: "evidence::builder",
    summary: "the provenance is by another builder, or of another kind of build",
    explain: "Only what is asked for with --builder is accepted; the build type must be one this Quench knows.",
};

const MOST_LINES: usize = 1000;

/// What a checked bundle of evidence says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// Predicate types, in order.
    pub statements: Vec<String>,
    pub builder: String,
    /// Every envelope is signed by the given key.
    pub authenticated: bool,
    pub level: u64,
    /// Name and meaning.
    pub taints: Vec<(String, String)>,
    /// Digest of the record it was made with.
    pub record: Option<String>,
    /// Other envelopes' worth saying: the result of the tests.
    pub tests: Option<String>,
}

/// What a bundle is accepted by: key, builder, or without either.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    pub key: Option<&'a PublicKey>,
    /// Accept a bundle nobody vouches for.
    pub unsigned: bool,
    pub builder: Option<&'a str>,
}

/// Checks a bundle of evidence against files.
pub fn check(text: &str, wanted: Wanted<'_>, files: &[NamedDigest]) -> (Checked, Vec<Finding>) {
    let mut checked = Checked { authenticated: wanted.key.is_some(), ..Checked::default() };
    let mut findings = Vec::new();
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    for (index, line) in lines.clone().enumerate().take(MOST_LINES) {
        match envelope(line) {
            Ok((envelope, statement)) => {
                signature(index + 1, &envelope, wanted, &mut checked, &mut findings);
                subjects(&statement, files, &mut findings);
                let kind = statement.predicate_type.clone();
                if let Err(error) = read(statement, &mut checked) {
                    checked.authenticated = false;
                    let message = format!("line {} of the bundle: {kind}: {error}", index + 1);
                    findings.push(Finding::error(&UNREADABLE, message));
                }
            }
            Err(why) => {
                checked.authenticated = false;
                let message = format!("line {} of the bundle: {why}", index + 1);
                findings.push(Finding::error(&UNREADABLE, message));
            }
        }
    }
    if MOST_LINES < lines.count() {
        findings.push(Finding::error(&UNREADABLE, format!("more than {MOST_LINES} lines")));
    }
    if wanted.key.is_none() && !wanted.unsigned {
        let finding = Finding::error(&UNAUTHENTICATED, "no key was given to check signatures with");
        findings.push(
            finding.with_help("--provenance-key PUBLIC.pem, or --unsigned to compare digests only"),
        );
    }
    if !checked.statements.iter().any(|kind| kind == provenance::PREDICATE) {
        findings.push(Finding::error(&MISSING, "the bundle holds no SLSA provenance"));
        checked.authenticated = false;
    }
    if let Some(builder) = wanted.builder.filter(|builder| *builder != checked.builder) {
        let message = format!("built by `{}`, not by `{builder}`", checked.builder);
        findings.push(Finding::error(&BUILDER, message));
    }
    (checked, findings)
}

fn envelope(line: &str) -> Result<(Envelope, Statement), String> {
    let envelope: Envelope = serde_json::from_str(line).map_err(|error| error.to_string())?;
    if envelope.payload_type != PAYLOAD {
        return Err(format!("payload type `{}`", envelope.payload_type));
    }
    let payload = envelope.bytes().ok_or("the payload is no base64")?;
    let statement: Statement =
        serde_json::from_slice(&payload).map_err(|error| error.to_string())?;
    if statement.kind != TYPE {
        return Err(format!("statement type `{}`", statement.kind));
    }
    Ok((envelope, statement))
}

fn signature(
    line: usize,
    envelope: &Envelope,
    wanted: Wanted<'_>,
    checked: &mut Checked,
    findings: &mut Vec<Finding>,
) {
    let Some(key) = wanted.key else { return };
    if envelope.is_signed_by(key) {
        return;
    }
    checked.authenticated = false;
    let why = match envelope.signatures.first() {
        None => "is not signed".to_owned(),
        Some(first) => format!("is signed with `{}`, not with `{}`", first.keyid, key.id()),
    };
    findings.push(Finding::error(&SIGNATURE, format!("line {line} of the bundle {why}")));
}

/// Every file must be a subject of every statement, by digest.
fn subjects(statement: &Statement, files: &[NamedDigest], findings: &mut Vec<Finding>) {
    for file in files {
        let digest = |subject: &&super::Resource| {
            subject.digest.get("sha256").is_some_and(|sha256| *sha256 == file.sha256)
        };
        if statement.subject.iter().any(|subject| digest(&subject)) {
            continue;
        }
        let name = file.name.rsplit('/').next().unwrap_or(&file.name);
        let named = statement.subject.iter().find(|subject| subject.name == name);
        let message = match named.and_then(|subject| subject.digest.get("sha256")) {
            Some(sha256) => format!(
                "{} has sha256 {}, the statement {} says {sha256}",
                file.name, file.sha256, statement.predicate_type
            ),
            None => format!("{} is no subject of {}", file.name, statement.predicate_type),
        };
        findings.push(Finding::error(&SUBJECT, message));
    }
}

/// Reads the predicates that are known; of another shape than theirs they are an error.
fn read(statement: Statement, checked: &mut Checked) -> Result<(), serde_json::Error> {
    checked.statements.push(statement.predicate_type.clone());
    match statement.predicate_type.as_str() {
        provenance::PREDICATE => {
            let predicate: provenance::Predicate = serde_json::from_value(statement.predicate)?;
            let parameters = predicate.build_definition.internal_parameters;
            checked.level = parameters.slsa_build_level;
            checked.taints = parameters.taints.into_iter().collect();
            checked.record = predicate.run_details.byproduct(".record.json").map(str::to_owned);
            checked.builder = predicate.run_details.builder.id;
        }
        test_result::PREDICATE => {
            let predicate: test_result::Predicate = serde_json::from_value(statement.predicate)?;
            checked.tests = Some(predicate.result);
        }
        _ => {}
    }
    Ok(())
}

impl Checked {
    /// The outcome of a check as text for people.
    pub fn text(&self) -> String {
        let by = if self.authenticated { "signed by the given key" } else { "NOT authenticated" };
        let mut out = format!(
            "provenance: {} statements, {by}; builder {}; SLSA Build L{}",
            self.statements.len(),
            self.builder,
            self.level
        );
        if let Some(tests) = &self.tests {
            out.push_str(&format!("; tests {tests}"));
        }
        for (name, text) in &self.taints {
            out.push_str(&format!("\n  taint {name}: {text}"));
        }
        out + "\n"
    }
}
