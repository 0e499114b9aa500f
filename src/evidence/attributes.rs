//! SCAI attribute report: what hardening the shipped files have, and that a rebuild gave the same bytes. Pure.
//!
//! Source: in-toto/attestation, `spec/predicates/scai.md` (version 0.3). Only what was read back from the packages and
//! holds becomes an attribute; the verdict is the evidence.

use serde_json::{Value, json};

use super::{Resource, Statement};
use crate::record::{NamedDigest, Record};

/// The `predicateType` of SCAI attribute reports.
pub(super) const PREDICATE: &str = "https://in-toto.io/attestation/scai/v0.3";

/// Rules of `verify` and what SCAI's own examples call them; others are `WITH_` and the rule.
fn attribute(rule: &str) -> String {
    format!("WITH_{}", rule.to_uppercase().replace('-', "_"))
}

/// One rule's verdict on one shipped ELF file.
pub(super) struct Judged<'a> {
    pub(super) path: &'a str,
    pub(super) sha256: &'a str,
    pub(super) rule: &'a str,
    pub(super) verdict: &'a str,
    /// What the policy wants of the rule, and what it makes of the verdict.
    pub(super) demand: &'a str,
    pub(super) outcome: &'a str,
}

/// The verdicts of a record, each file once however many packages hold it.
pub(super) fn judged(record: &Record) -> Vec<Judged<'_>> {
    let inputs = record.verdict.as_ref().and_then(|verdict| verdict.get("inputs"));
    let mut out: Vec<Judged<'_>> = Vec::new();
    for object in inputs
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .flat_map(|input| input.get("objects").and_then(Value::as_array).into_iter().flatten())
    {
        let string = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or("");
        let (path, sha256) = (string("path"), string("sha256"));
        if out.iter().any(|known| known.path == path && known.sha256 == sha256) {
            continue;
        }
        for rule in object.get("rules").and_then(Value::as_array).into_iter().flatten() {
            let string = |key: &str| rule.get(key).and_then(Value::as_str).unwrap_or("");
            out.push(Judged {
                path,
                sha256,
                rule: string("rule"),
                verdict: string("verdict"),
                demand: string("demand"),
                outcome: string("outcome"),
            });
        }
    }
    out
}

/// Makes the statement about the hardening of the shipped files.
pub fn attributes(record: &Record, builder: &str, byproducts: &[NamedDigest]) -> Statement {
    let evidence = byproducts
        .iter()
        .find(|byproduct| byproduct.name.ends_with(".verdict.json"))
        .map(Resource::from);
    let list: Vec<Value> = judged(record)
        .iter()
        .filter(|judged| judged.verdict == "holds")
        .map(|judged| {
            let mut value = json!({
                "attribute": attribute(judged.rule),
                "target": Resource::named(judged.path).sha256(judged.sha256),
                "conditions": { "policy-demand": judged.demand },
            });
            if let (Some(evidence), Some(map)) = (&evidence, value.as_object_mut()) {
                map.insert("evidence".to_owned(), json!(evidence));
            }
            value
        })
        .collect();
    Statement::about(record, PREDICATE, report(list, record, builder))
}

/// Makes the statement that a rebuild gave the same bytes: `evidence` is the rebuild's own record,
/// `varied` what was different around it.
pub fn reproducible(
    record: &Record,
    builder: &str,
    evidence: &NamedDigest,
    varied: &[String],
) -> Statement {
    let list = record
        .packages
        .iter()
        .map(|package| {
            json!({
                "attribute": "REPRODUCIBLE",
                "target": Resource::from(package),
                "conditions": { "varied": varied },
                "evidence": Resource::from(evidence),
            })
        })
        .collect();
    Statement::about(record, PREDICATE, report(list, record, builder))
}

fn report(attributes: Vec<Value>, record: &Record, builder: &str) -> Value {
    let mut producer = Resource::uri(builder);
    producer.annotations = Some(json!({ "quench": record.quench }));
    json!({ "attributes": attributes, "producer": producer })
}
