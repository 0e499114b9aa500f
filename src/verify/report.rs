//! Judges files and packages and says so: for people and as `quench.verdict/1`. Pure.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::input::Member;
use super::rules::{Object, RULES};
use super::{Policy, Verdict};
use crate::elf;
use crate::finding::{Code, Finding, Place};

pub(super) static RULE_FAILED: Code = Code {
    name: "verify::rule-failed",
    summary: "a rule the policy requires does not hold",
    explain: "`quench verify` prints the evidence; the policy lists what it requires. What cannot be told fails, too.",
};
pub(super) static UNJUDGED: Code = Code {
    name: "verify::unjudged",
    summary: "a file that begins like an ELF cannot be read",
    explain: "A loader might still start it. Rebuild or remove the file.",
};
pub(super) static DIGEST: Code = Code {
    name: "verify::digest",
    summary: "a file is not the one the record names",
    explain: "The record inside the package, or the one given with --record, holds the sha256 of every staged file.",
};

/// One rule's verdict on one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleVerdict {
    pub rule: &'static str,
    pub verdict: Verdict,
    pub evidence: String,
    /// The policy demands it.
    pub required: bool,
}

impl RuleVerdict {
    /// Required, and neither holding nor out of place.
    pub fn objects(&self) -> bool {
        self.required && !matches!(self.verdict, Verdict::Holds | Verdict::NotApplicable(_))
    }
}

/// The verdicts on one ELF file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectVerdict {
    pub path: String,
    pub sha256: String,
    pub kind: String,
    pub rules: Vec<RuleVerdict>,
    pub build_id: Option<String>,
    pub needed: Vec<String>,
    pub cet: (bool, bool),
}

/// The verdicts on one input.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    pub name: String,
    pub sha256: String,
    pub policy: String,
    pub objects: Vec<ObjectVerdict>,
    /// Files that are no ELF.
    pub others: usize,
    pub findings: Vec<Finding>,
}

impl Report {
    /// True when nothing stands against it.
    pub fn passes(&self) -> bool {
        !crate::finding::any_error(&self.findings)
    }
}

/// Judges one ELF file.
pub fn judge(path: &str, bytes: &[u8], policy: &Policy) -> Result<ObjectVerdict, elf::Malformed> {
    let facts = elf::facts(bytes)?;
    let object = Object { facts: &facts, bytes };
    let rules = RULES
        .iter()
        .map(|rule| {
            let (verdict, evidence) = (rule.check)(object);
            let required = policy.required.contains(rule.name);
            RuleVerdict { rule: rule.name, verdict, evidence, required }
        })
        .collect();
    Ok(ObjectVerdict {
        path: path.to_owned(),
        sha256: hex::encode(Sha256::digest(bytes)),
        kind: format!("{:?}", facts.kind),
        rules,
        build_id: facts.build_id,
        needed: facts.dynamic.map(|dynamic| dynamic.needed).unwrap_or_default(),
        cet: facts.cet,
    })
}

/// Judges all members of an input. `digests` are the sha256 the files must have, by path; empty asks for none.
pub fn judge_members(
    name: &str,
    sha256: &str,
    members: &[Member],
    policy: &Policy,
    digests: &BTreeMap<String, String>,
) -> Report {
    let mut report = Report {
        name: name.to_owned(),
        sha256: sha256.to_owned(),
        policy: policy.name.clone(),
        ..Report::default()
    };
    let judged: Vec<(Option<ObjectVerdict>, Vec<Finding>)> =
        members.par_iter().map(|member| judge_member(name, member, policy, digests)).collect();
    for (object, findings) in judged {
        match object {
            Some(object) => report.objects.push(object),
            None => report.others += 1,
        }
        report.findings.extend(findings);
    }
    for path in digests.keys().filter(|path| !members.iter().any(|member| member.path == **path)) {
        report
            .findings
            .push(Finding::error(&DIGEST, format!("{path} of the record is not in {name}")));
    }
    report
}

fn judge_member(
    name: &str,
    member: &Member,
    policy: &Policy,
    digests: &BTreeMap<String, String>,
) -> (Option<ObjectVerdict>, Vec<Finding>) {
    let mut findings = Vec::new();
    let place = |part: Option<&str>| Place::Object {
        path: name.to_owned(),
        part: Some(
            part.map_or_else(|| member.path.clone(), |part| format!("{} {part}", member.path)),
        ),
    };
    if let Some(wanted) = digests.get(&member.path) {
        let is = hex::encode(Sha256::digest(&member.bytes));
        if is != *wanted {
            let message =
                format!("{} in {name} has sha256 {is}, the record says {wanted}", member.path);
            findings.push(Finding::error(&DIGEST, message).at(place(None), ""));
        }
    }
    if !elf::is_elf(&member.bytes) {
        return (None, findings);
    }
    match judge(&member.path, &member.bytes, policy) {
        Ok(object) => {
            for rule in object.rules.iter().filter(|rule| rule.objects()) {
                let message = format!(
                    "{}: {} {}: {}",
                    member.path,
                    rule.rule,
                    rule.verdict.name(),
                    rule.verdict.detail()
                );
                findings.push(Finding::error(&RULE_FAILED, message).at(place(Some(rule.rule)), ""));
            }
            (Some(object), findings)
        }
        Err(error) => {
            findings.push(
                Finding::error(&UNJUDGED, format!("{}: {error}", member.path)).at(place(None), ""),
            );
            (None, findings)
        }
    }
}

/// A package must be one of those the record names.
pub fn package_digest(name: &str, sha256: &str, record: &crate::record::Record) -> Vec<Finding> {
    let file = name.rsplit('/').next().unwrap_or(name);
    match record.packages.iter().find(|package| package.name == file) {
        Some(package) if package.sha256 != sha256 => {
            vec![Finding::error(
                &DIGEST,
                format!("{file} has sha256 {sha256}, the record says {}", package.sha256),
            )]
        }
        _ => Vec::new(),
    }
}

/// A report for people.
pub fn human(report: &Report) -> String {
    let mut out = format!(
        "{}: {} ELF files, {} others, policy {}: {}\n",
        report.name,
        report.objects.len(),
        report.others,
        report.policy,
        if report.passes() { "passes" } else { "FAILS" }
    );
    for object in &report.objects {
        out.push_str(&format!("  {} ({})\n", object.path, object.kind));
        for rule in &object.rules {
            let detail = rule.verdict.detail();
            let text = if detail.is_empty() { &rule.evidence } else { &detail };
            let mark = if rule.objects() { "✗" } else { " " };
            let text: String = text.chars().take(110).collect();
            out.push_str(&format!(
                "  {mark} {:<16} {:<15} {text}\n",
                rule.rule,
                rule.verdict.name()
            ));
        }
    }
    out
}

/// Reports as `quench.verdict/1`.
pub fn json(reports: &[Report]) -> Value {
    json!({
        "schema": "quench.verdict/1",
        "passes": reports.iter().all(Report::passes),
        "inputs": reports.iter().map(|report| json!({
            "name": report.name,
            "sha256": report.sha256,
            "policy": report.policy,
            "passes": report.passes(),
            "others": report.others,
            "objects": report.objects.iter().map(object).collect::<Vec<_>>(),
            "findings": report.findings.iter().map(|finding| json!({
                "code": finding.code.name, "message": finding.message,
            })).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
    })
}

fn object(object: &ObjectVerdict) -> Value {
    json!({
        "path": object.path,
        "sha256": object.sha256,
        "kind": object.kind,
        "build-id": object.build_id,
        "needed": object.needed,
        "ibt": object.cet.0,
        "shstk": object.cet.1,
        "rules": object.rules.iter().map(|rule| json!({
            "rule": rule.rule,
            "verdict": rule.verdict.name(),
            "detail": rule.verdict.detail(),
            "evidence": rule.evidence,
            "required": rule.required,
        })).collect::<Vec<_>>(),
    })
}
