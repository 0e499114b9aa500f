//! SARIF 2.1.0: rules with their sources, results with levels, stable fingerprints, and waivers as suppressions.
//!
//! Source: OASIS SARIF 2.1.0. A result of kind other than `fail` has level `none` (3.27.10); when one result has
//! `suppressions`, all have (3.27.23); lines count from 1 (3.30.5). What holds is not a result.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::finding::{self, Finding, Place, Severity};
use crate::verify::judge::RULE_FAILED;
use crate::verify::policy::Demand;
use crate::verify::{ObjectVerdict, Outcome, Report, RuleVerdict, Verdict, Verification};

/// What code scanning takes of a run; one more and it refuses all.
const MOST_RESULTS: usize = 25_000;
/// What absolute paths are relative to: code scanning shows relative ones only.
const ROOT: &str = "ROOT";

const PRINTS: &str = "partialFingerprints";
const PRINT: &str = "quenchRulePath/v2";

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
        let findings = others(&report.findings);
        results.extend(findings.map(|finding| of_finding(finding, &report.name, texts)));
    }
    let first = verification.reports.first().map_or(".", |report| report.name.as_str());
    let findings = others(&verification.findings);
    results.extend(findings.map(|finding| of_finding(finding, first, texts)));
    number(&mut results);
    let notifications = left_out(&mut results, MOST_RESULTS);
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
            "originalUriBaseIds": { ROOT: { "uri": "file:///" } },
            "invocations": [{
                "executionSuccessful": true,
                "toolExecutionNotifications": notifications,
            }],
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
                "fullDescription": { "text": rule.page.why },
                "help": { "text": rule.text(), "markdown": rule.markdown(1) },
                "defaultConfiguration": { "level": "error" },
            });
            (rule.name, value)
        })
        .collect();
    let findings = verification.reports.iter().flat_map(|report| &report.findings);
    let found = findings.chain(&verification.findings).map(|finding| finding.code);
    for code in crate::verify::codes().into_iter().chain(found) {
        if *code != RULE_FAILED {
            let value = json!({
                "id": code.name,
                "shortDescription": { "text": code.summary },
                "fullDescription": { "text": code.explain },
                "help": { "text": code.explain, "markdown": code.explain },
                "defaultConfiguration": { "level": "error" },
            });
            rules.insert(code.name, value);
        }
    }
    rules.into_iter().collect()
}

/// No two results have one fingerprint. `primaryLocationLineHash` is the one code scanning looks at.
fn number(results: &mut [Value]) {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for result in results {
        let print = result[PRINTS][PRINT].as_str().unwrap_or_default().to_owned();
        let nth = seen.entry(print.clone()).or_default();
        *nth += 1;
        result[PRINTS]["primaryLocationLineHash"] = json!(format!("{:.16}:{nth}", print));
        if *nth > 1 {
            result[PRINTS][PRINT] = json!(format!("{print}:{nth}"));
        }
    }
}

/// Leaves out what matters least, and says so.
fn left_out(results: &mut Vec<Value>, most: usize) -> Vec<Value> {
    let Some(count) = results.len().checked_sub(most).filter(|count| *count > 0) else {
        return Vec::new();
    };
    results.sort_by_key(|result| {
        let waived = result["suppressions"].as_array().is_some_and(|all| !all.is_empty());
        match result["level"].as_str() {
            _ if waived => 2,
            Some("error") => 0,
            Some("warning") => 1,
            Some("note") => 3,
            _ => 4,
        }
    });
    results.truncate(most);
    let text = format!(
        "{count} results were left out, those that matter least: a run has no more than {most}"
    );
    vec![json!({ "level": "warning", "message": { "text": text } })]
}

fn artifact(report: &Report) -> Value {
    let mut value = json!({ "location": artifact_location(&report.name) });
    if !report.sha256.is_empty() {
        value["hashes"] = json!({ "sha-256": report.sha256 });
    }
    value
}

/// Findings that do not repeat a rule's verdict.
fn others(findings: &[Finding]) -> impl Iterator<Item = &Finding> {
    findings.iter().filter(|finding| *finding.code != RULE_FAILED)
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
        PRINTS: { PRINT: fingerprint(rule.rule, &report.name, &object.path) },
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
    let mut value = json!({ "physicalLocation": { "artifactLocation": artifact_location(file) } });
    if path != file {
        value["logicalLocations"] = json!([{
            "name": path.rsplit(['/', '!']).next().unwrap_or(path),
            "fullyQualifiedName": path,
            "kind": "module",
        }]);
    }
    value
}

/// A finding about an input. One without a place is put there: code scanning refuses a whole file for one result without.
fn of_finding(finding: &Finding, input: &str, texts: &[(String, String)]) -> Value {
    let level = finding.severity.name();
    let mut locations: Vec<Value> =
        finding.labels.iter().map(|label| place(&label.place, texts)).collect();
    if locations.is_empty() {
        locations
            .push(json!({ "physicalLocation": { "artifactLocation": artifact_location(input) } }));
    }
    let shown = finding.labels.first().map(|label| finding::place(&label.place, texts));
    let shown = shown.unwrap_or_default();
    json!({
        "ruleId": finding.code.name,
        "kind": "fail",
        "level": if finding.severity == Severity::Note { "note" } else { level },
        "message": { "text": finding.message },
        "locations": locations,
        PRINTS: { PRINT: fingerprint(finding.code.name, "", portable(input, &shown)) },
        "suppressions": [],
    })
}

fn place(place: &Place, texts: &[(String, String)]) -> Value {
    let (file, region) = match place {
        Place::Object { path, part } => {
            let mut value =
                json!({ "physicalLocation": { "artifactLocation": artifact_location(path) } });
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
    json!({ "physicalLocation": { "artifactLocation": artifact_location(file), "region": region } })
}

/// Equal for the same rule and file in the next version of a package (names of packages hold their version), and where the
/// same directory stands elsewhere.
fn fingerprint(rule: &str, input: &str, path: &str) -> String {
    let file = input.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let kind = file.rsplit_once('.').map_or("", |(_, kind)| kind);
    let kind = if kind.len() < 5 { kind } else { "" };
    hex::encode(Sha256::digest(format!("{rule}\0{kind}\0{}", portable(input, path))))
}

/// A path without what leads to an input that was given by its absolute path.
fn portable<'p>(input: &str, path: &'p str) -> &'p str {
    let input = input.trim_end_matches('/');
    let parent = input.rsplit_once('/').map_or(0, |(parent, _)| parent.len() + 1);
    match path.strip_prefix(input) {
        Some("") if input.starts_with('/') => &path[parent..],
        Some(rest) if input.starts_with('/') && rest.starts_with(['/', ' ']) => &path[parent..],
        _ => path.strip_prefix("./").unwrap_or(path),
    }
}

fn artifact_location(path: &str) -> Value {
    match path.strip_prefix('/') {
        Some(path) => json!({ "uri": uri(path), "uriBaseId": ROOT }),
        None => json!({ "uri": uri(path) }),
    }
}

/// A relative path as a URI reference: every byte outside of the unreserved set escaped.
fn uri(path: &str) -> String {
    let mut out = String::new();
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
        assert_eq!(
            artifact_location("/usr/bin/["),
            json!({ "uri": "usr/bin/%5B", "uriBaseId": "ROOT" })
        );
    }

    #[test]
    fn fingerprints_outlive_a_version_and_tell_rules_paths_and_kinds_apart() {
        let old = fingerprint("pie", "q_1.0_amd64.deb", "/usr/bin/q");
        assert_eq!(old, fingerprint("pie", "q_1.1_amd64.deb", "/usr/bin/q"));
        assert_ne!(old, fingerprint("pie", "q-1.0.x86_64.rpm", "/usr/bin/q"));
        assert_ne!(old, fingerprint("wx", "q_1.0_amd64.deb", "/usr/bin/q"));
        // The same checkout on two machines; the same directory said in two ways.
        let here = fingerprint("pie", "/home/a/build/out", "/home/a/build/out/bin/q");
        assert_eq!(here, fingerprint("pie", "/srv/ci/out/", "/srv/ci/out/bin/q"));
        assert_eq!(here, fingerprint("pie", "out", "out/bin/q"));
        assert_eq!(here, fingerprint("pie", "./out", "./out/bin/q"));
        assert_ne!(here, fingerprint("pie", "/srv/ci/other", "/srv/ci/other/bin/q"));
        assert_eq!(fingerprint("pie", "/a/q", "/a/q"), fingerprint("pie", "/b/c/q", "/b/c/q"));
        assert_eq!(portable("/srv/ci/q.deb", "/usr/bin/q"), "/usr/bin/q");
    }

    #[test]
    fn what_code_scanning_would_not_take_is_left_out_from_the_least_on() {
        let result = |level: &str, waivers: Value| json!({ "level": level, "suppressions": waivers, PRINTS: { PRINT: "f" } });
        let mut results = vec![
            result("none", json!([])),
            result("error", json!([{}])),
            result("warning", json!([])),
            result("error", json!([])),
        ];
        number(&mut results);
        assert!(left_out(&mut results.clone(), 4).is_empty());
        let notes = left_out(&mut results, 2);
        assert!(
            notes[0]["message"]["text"].as_str().is_some_and(|text| text.starts_with("2 results"))
        );
        let levels: Vec<_> = results.iter().map(|result| &result["level"]).collect();
        assert_eq!(levels, ["error", "warning"]);
        assert_eq!(results[0][PRINTS], json!({ PRINT: "f:4", "primaryLocationLineHash": "f:4" }));
    }

    #[test]
    fn a_finding_without_a_place_has_that_of_its_input() {
        let verification = Verification {
            reports: vec![Report { name: "/srv/d".to_owned(), ..Report::default() }],
            findings: vec![Finding::warning(&crate::verify::compare::UNEXPLAINED, "odd")],
            ..Verification::default()
        };
        let log = sarif(&verification, &[]);
        let place = &log["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"], json!({ "uri": "srv/d", "uriBaseId": "ROOT" }));
    }
}
