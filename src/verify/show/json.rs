//! `quench.verdict/1`.

use serde_json::{Value, json};

use crate::finding::Finding;
use crate::verify::compare::Comparison;
use crate::verify::{ObjectVerdict, Outcome, RuleVerdict, Verdict, Verification};

/// Reports as `quench.verdict/1`.
pub fn json(verification: &Verification) -> Value {
    json!({
        "schema": "quench.verdict/1",
        "passes": verification.passes(),
        "inputs": verification.reports.iter().map(|report| json!({
            "name": report.name,
            "sha256": report.sha256,
            "policy": report.policy,
            "only": report.only,
            "passes": report.passes(),
            "others": report.others,
            "objects": report.objects.iter().map(object).collect::<Vec<_>>(),
            "files": report.files.iter().map(object).collect::<Vec<_>>(),
            "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "findings": verification.findings.iter().map(finding).collect::<Vec<_>>(),
        "comparisons": verification.comparisons.iter().map(comparison).collect::<Vec<_>>(),
    })
}

fn comparison(comparison: &Comparison) -> Value {
    json!({
        "peer": comparison.peer,
        "version": comparison.version,
        "files": comparison.files,
        "answers": comparison.answers,
        "differences": comparison.differences.iter().map(|difference| json!({
            "rule": difference.rule,
            "they": difference.they.name(),
            "we": difference.we.name(),
            "because": difference.because,
            "count": difference.count,
            "examples": difference.examples.iter().map(|(file, text, detail)| json!({
                "file": file, "text": text, "detail": detail,
            })).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
    })
}

fn finding(finding: &Finding) -> Value {
    json!({
        "code": finding.code.name,
        "severity": finding.severity.name(),
        "message": finding.message,
    })
}

fn object(object: &ObjectVerdict) -> Value {
    json!({
        "path": object.path,
        "sha256": object.sha256,
        "kind": object.kind,
        "privileged": object.privileged,
        "build-id": object.build_id,
        "needed": object.needed,
        "ibt": object.cet.0,
        "shstk": object.cet.1,
        "rules": object.rules.iter().map(rule).collect::<Vec<_>>(),
    })
}

fn rule(rule: &RuleVerdict) -> Value {
    let mut value = json!({
        "rule": rule.rule,
        "verdict": rule.verdict.name(),
        "detail": rule.verdict.detail(),
        "evidence": rule.evidence,
        "demand": rule.setting.demand.name(),
        "outcome": rule.outcome.name(),
    });
    if let Verdict::Partial { n, m, .. } = rule.verdict {
        value["n"] = json!(n);
        value["m"] = json!(m);
    }
    if let Outcome::Waived { reason, expires } = &rule.outcome {
        value["waiver"] = json!({ "reason": reason, "expires": expires.to_string() });
    }
    value
}
