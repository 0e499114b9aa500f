//! The in-toto test-result predicate, version 0.1: what `verify` asked of the shipped files and what it got. Pure.
//!
//! Source: in-toto/attestation, `spec/predicates/test-result.md`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::attributes::judged;
use super::{Resource, Statement};
use crate::record::{NamedDigest, Record};

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
        let name = format!("{}: {}", judged.path, judged.rule);
        match (judged.outcome, judged.verdict) {
            ("objects", _) => failed.push(name),
            ("fine", "holds" | "not-applicable" | "partial") => passed.push(name),
            // Waived, warned of, or only reported: neither a pass nor a failure.
            _ => warned.push(name),
        }
    }
    let passes = record.verdict.as_ref().and_then(|verdict| verdict.get("passes"));
    let whole = "packages hold exactly the recorded files".to_owned();
    match passes.and_then(Value::as_bool) {
        Some(true) => passed.push(whole),
        _ => failed.push(whole),
    }
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
