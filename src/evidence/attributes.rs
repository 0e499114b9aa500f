//! SCAI attribute report: what hardening the shipped files have, and that a rebuild gave the same bytes. Pure.
//!
//! Source: in-toto/attestation, `spec/predicates/scai.md` (version 0.3). Only what was read back from the packages and
//! holds becomes an attribute; the verdict is the evidence.

use serde_json::{Value, json};

use super::{Resource, Statement};
use crate::record::{NamedDigest, Record};
use crate::wire::verdict::{Answer, Rule};

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
    pub(super) rule: &'a Rule,
}

/// The verdicts of a record, each file once however many packages hold it.
pub(super) fn judged(record: &Record) -> Vec<Judged<'_>> {
    let inputs = record.verdict.iter().flat_map(|verdict| &verdict.inputs);
    let mut out: Vec<Judged<'_>> = Vec::new();
    for object in inputs.flat_map(|input| &input.objects) {
        let (path, sha256) = (object.path.as_str(), object.sha256.as_str());
        if !out.iter().any(|known| known.path == path && known.sha256 == sha256) {
            out.extend(object.rules.iter().map(|rule| Judged { path, sha256, rule }));
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
        .filter(|judged| judged.rule.verdict == Answer::Holds)
        .map(|judged| {
            let mut value = json!({
                "attribute": attribute(&judged.rule.rule),
                "target": Resource::named(judged.path).sha256(judged.sha256),
                "conditions": { "policy-demand": judged.rule.demand },
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
