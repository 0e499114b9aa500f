//! The in-toto test-result predicate, version 0.1: what `verify` asked of the shipped files and what it got. Pure.
//!
//! Source: in-toto/attestation, `spec/predicates/test-result.md`.

use serde::Deserialize;
use serde_json::json;

use super::attributes::judged;
use super::{Resource, Statement};
use crate::record::{NamedDigest, Record};
use crate::wire::verdict::{Answer, Outcome};

/// `predicateType`.
pub(super) const PREDICATE: &str = "https://in-toto.io/attestation/test-result/v0.1";

/// What is read of a predicate.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Predicate {
    pub(super) result: String,
}

pub(super) fn statement(record: &Record, byproducts: &[NamedDigest]) -> Statement {
    let (mut passed, mut warned, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for judged in judged(record) {
        let name = format!("{}: {}", judged.path, judged.rule.rule);
        match (judged.rule.outcome, judged.rule.verdict) {
            (Outcome::Objects, _) => failed.push(name),
            (Outcome::Fine, Answer::Holds | Answer::NotApplicable | Answer::Partial) => {
                passed.push(name);
            }
            // Waived, warned of, or only reported: neither a pass nor a failure.
            _ => warned.push(name),
        }
    }
    let whole = "packages hold exactly the recorded files".to_owned();
    let passes = record.verdict.as_ref().is_some_and(|verdict| verdict.passes);
    let judged = if passes { &mut passed } else { &mut failed };
    judged.push(whole);
    let result = match (failed.is_empty(), warned.is_empty()) {
        (false, _) => "FAILED",
        (true, false) => "WARNED",
        (true, true) => "PASSED",
    };
    let configuration: Vec<Resource> = byproducts
        .iter()
        .filter(|byproduct| byproduct.name.ends_with(".record.json"))
        .map(Resource::from)
        .collect();
    let predicate = json!({
        "result": result,
        "configuration": configuration,
        "passedTests": passed,
        "warnedTests": warned,
        "failedTests": failed,
    });
    Statement::about(record, PREDICATE, predicate)
}
