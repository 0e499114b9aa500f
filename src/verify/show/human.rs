//! The table for people.

use crate::verify::policy::Policy;
use crate::verify::report::{ObjectVerdict, Outcome, Report, RuleVerdict};
use crate::verify::rule_infos;

/// Columns of the last cell.
const WIDTH: usize = 110;

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
    for object in report.judged() {
        out.push_str(&head(object));
        for rule in &object.rules {
            out.push_str(&line(rule));
        }
    }
    out
}

/// The rules and the shipped policies.
pub fn rules_text() -> String {
    let mut out = "rules:\n".to_owned();
    for rule in rule_infos() {
        out.push_str(&format!(
            "  {:<18} {}\n{:21}source: {}\n",
            rule.name, rule.summary, "", rule.source
        ));
    }
    out.push_str("policies:\n");
    for policy in Policy::names().into_iter().filter_map(Policy::named) {
        out.push_str(&format!("  {:<18} {}\n", policy.name, policy.summary));
    }
    out
}

fn head(object: &ObjectVerdict) -> String {
    let privileged = if object.privileged { ", privileged" } else { "" };
    format!("  {} ({}{privileged})\n", object.path, object.kind)
}

fn line(rule: &RuleVerdict) -> String {
    let detail = rule.verdict.detail();
    let text = if detail.is_empty() { &rule.evidence } else { &detail };
    let (mark, text) = match &rule.outcome {
        Outcome::Fine => (" ", text.clone()),
        Outcome::Warns => ("!", text.clone()),
        Outcome::Objects => ("✗", text.clone()),
        Outcome::Waived { reason, expires } => {
            ("w", format!("{text} [waived until {expires}: {reason}]"))
        }
    };
    let text: String = text.chars().take(WIDTH).collect();
    let line = format!("  {mark} {:<16} {:<15} {text}", rule.rule, rule.verdict.name());
    format!("{}\n", line.trim_end())
}
