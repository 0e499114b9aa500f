//! SARIF 2.1.0: rules with their sources, results with levels, stable fingerprints, and waivers as suppressions.
//!
//! Source: OASIS SARIF 2.1.0. A result of kind other than `fail` has level `none` (3.27.10); when one result has
//! `suppressions`, all have (3.27.23); lines count from 1 (3.30.5). What holds is not a result.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::finding::{self, Finding, Place, Severity};
use crate::verify::Verdict;
use crate::verify::policy::Demand;
use crate::verify::report::{
    ObjectVerdict, Outcome, RULE_FAILED, Report, RuleVerdict, Verification,
};

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// A SARIF log with one run. `texts` are the texts findings point into.
pub fn sarif(verification: &Verification, texts: &[(String, String)]) -> Value {
    let rules = rules(verification);
    let index: BTreeMap<&str, usize> =
        rules.iter().enumerate().map(|(index, (id, _))| (*id, index)).collect();
    let mut results = Vec::new();
    for report in &verification.reports {
        for object in report.judged() {
            results.extend(object.rules.iter().filter_map(|rule| of_rule(report, object, rule)));
        }
        results.extend(others(&report.findings).map(|finding| of_finding(finding, texts)));
    }
    results.extend(others(&verification.findings).map(|finding| of_finding(finding, texts)));
    for result in &mut results {
        let id = result["ruleId"].as_str().unwrap_or_default();
        if let Some(index) = index.get(id) {
            result["ruleIndex"] = json!(index);
        }
    }
    let policies: std::collections::BTreeSet<&str> =
        verification.reports.iter().map(|report| report.policy.as_str()).collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "quench",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules.into_iter().map(|(_, rule)| rule).collect::<Vec<_>>(),
            } },
            "automationDetails": { "id": "quench-verify/" },
            "invocations": [{ "executionSuccessful": true }],
            "artifacts": verification.reports.iter().map(artifact).collect::<Vec<_>>(),
            "results": results,
            "properties": { "policies": policies, "passes": verification.passes() },
        }],
    })
}

/// Reporting descriptors, sorted: rules, and codes of findings that are no rule's, those of other modules when they occur.
fn rules(verification: &Verification) -> Vec<(&'static str, Value)> {
    let mut rules: BTreeMap<&str, Value> = crate::verify::rule_infos()
        .map(|rule| {
            let value = json!({
                "id": rule.name,
                "shortDescription": { "text": rule.summary },
                "help": { "text": format!("Source of the rule: {}", rule.source) },
                "defaultConfiguration": { "level": "error" },
            });
            (rule.name, value)
        })
        .collect();
    let findings = verification.reports.iter().flat_map(|report| &report.findings);
    let found = findings.chain(&verification.findings).map(|finding| finding.code);
    for code in crate::verify::codes().into_iter().chain(found) {
        if code.name != RULE_FAILED.name {
            let value = json!({
                "id": code.name,
                "shortDescription": { "text": code.summary },
                "fullDescription": { "text": code.explain },
                "help": { "text": code.explain },
                "defaultConfiguration": { "level": "error" },
            });
            rules.insert(code.name, value);
        }
    }
    rules.into_iter().collect()
}

fn artifact(report: &Report) -> Value {
    let mut value = json!({ "location": { "uri": uri(&report.name) } });
    if !report.sha256.is_empty() {
        value["hashes"] = json!({ "sha-256": report.sha256 });
    }
    value
}

/// Findings that do not repeat a rule's verdict.
fn others(findings: &[Finding]) -> impl Iterator<Item = &Finding> {
    findings.iter().filter(|finding| finding.code.name != RULE_FAILED.name)
}

fn of_rule(report: &Report, object: &ObjectVerdict, rule: &RuleVerdict) -> Option<Value> {
    let level = match (&rule.outcome, rule.setting.demand) {
        (Outcome::Objects, _) | (Outcome::Waived { .. }, Demand::Require) => "error",
        (Outcome::Warns | Outcome::Waived { .. }, _) => "warning",
        (Outcome::Fine, _) if matches!(rule.verdict, Verdict::CannotTell(_)) => "none",
        (Outcome::Fine, _) => return None,
    };
    let text = format!(
        "{}: {} {}: {}",
        object.path,
        rule.rule,
        rule.verdict.name(),
        rule.verdict.detail()
    );
    let suppressions = match &rule.outcome {
        Outcome::Waived { reason, expires } => json!([{
            "kind": "external",
            "status": "accepted",
            "justification": format!("{reason} (until {expires})"),
        }]),
        _ => json!([]),
    };
    Some(json!({
        "ruleId": rule.rule,
        "kind": if level == "none" { "open" } else { "fail" },
        "level": level,
        "message": { "text": text },
        "locations": [location(report, &object.path)],
        "partialFingerprints": { "quenchRulePath/v1": fingerprint(rule.rule, &report.name, &object.path) },
        "suppressions": suppressions,
        "properties": {
            "verdict": rule.verdict.name(),
            "evidence": rule.evidence,
            "sha256": object.sha256,
        },
    }))
}

/// A file of a directory is its own place; a member of a package is a logical one in the package.
fn location(report: &Report, path: &str) -> Value {
    let outer = path.split('!').next().unwrap_or(path);
    let inside = report.name.trim_end_matches('/');
    let own = outer.strip_prefix(inside).is_some_and(|rest| rest.starts_with('/'));
    let file = if own { outer } else { &report.name };
    let mut value = json!({ "physicalLocation": { "artifactLocation": { "uri": uri(file) } } });
    if path != file {
        value["logicalLocations"] = json!([{
            "name": path.rsplit(['/', '!']).next().unwrap_or(path),
            "fullyQualifiedName": path,
            "kind": "module",
        }]);
    }
    value
}

fn of_finding(finding: &Finding, texts: &[(String, String)]) -> Value {
    let level = finding.severity.name();
    let locations: Vec<Value> =
        finding.labels.iter().map(|label| place(&label.place, texts)).collect();
    let shown = finding.labels.first().map(|label| finding::place(&label.place, texts));
    json!({
        "ruleId": finding.code.name,
        "kind": "fail",
        "level": if finding.severity == Severity::Note { "note" } else { level },
        "message": { "text": finding.message },
        "locations": locations,
        "partialFingerprints": {
            "quenchRulePath/v1": fingerprint(finding.code.name, "", &shown.unwrap_or_default()),
        },
        "suppressions": [],
    })
}

fn place(place: &Place, texts: &[(String, String)]) -> Value {
    let (file, region) = match place {
        Place::Object { path, part } => {
            let mut value =
                json!({ "physicalLocation": { "artifactLocation": { "uri": uri(path) } } });
            if let Some(part) = part {
                value["logicalLocations"] = json!([{ "fullyQualifiedName": part }]);
            }
            return value;
        }
        Place::Line { file, line } => (file, json!({ "startLine": line })),
        Place::Span { file, .. } => {
            let (line, column) = finding::line_and_column(place, texts);
            (file, json!({ "startLine": line, "startColumn": column }))
        }
    };
    json!({ "physicalLocation": { "artifactLocation": { "uri": uri(file) }, "region": region } })
}

/// Equal for the same rule and file in the next version of a package: names of packages hold their version.
fn fingerprint(rule: &str, input: &str, path: &str) -> String {
    let kind = input.rsplit('.').next().filter(|kind| kind.len() < 5).unwrap_or("");
    hex::encode(Sha256::digest(format!("{rule}\0{kind}\0{path}")))
}

/// A path as a URI reference: absolute ones as `file:`, every byte outside of the unreserved set escaped.
fn uri(path: &str) -> String {
    let mut out = String::from(if path.starts_with('/') { "file://" } else { "" });
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_hold_no_character_that_a_uri_cannot() {
        assert_eq!(uri("dist/a b+é.deb"), "dist/a%20b%2B%C3%A9.deb");
        assert_eq!(uri("/usr/bin/["), "file:///usr/bin/%5B");
    }

    #[test]
    fn fingerprints_outlive_a_version_and_tell_rules_paths_and_kinds_apart() {
        let old = fingerprint("pie", "q_1.0_amd64.deb", "/usr/bin/q");
        assert_eq!(old, fingerprint("pie", "q_1.1_amd64.deb", "/usr/bin/q"));
        assert_ne!(old, fingerprint("pie", "q-1.0.x86_64.rpm", "/usr/bin/q"));
        assert_ne!(old, fingerprint("wx", "q_1.0_amd64.deb", "/usr/bin/q"));
    }
}
